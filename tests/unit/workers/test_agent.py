"""Agents: which documents they take, what they add to them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pydantic import ValidationError

from quaero.errors import BadData, PermanentError
from quaero.model.contracts import ENRICHMENTS
from quaero.model.document import Document, DocumentQuery
from quaero.model.outcome import JobOutcome
from quaero.ports.services import Services
from quaero.queue.step_manager import StepManager, accepted_keys
from quaero.workers.agents.agent import AVAILABLE_AGENT_TYPES, Config, Payload, execute, plan, register
from tests.fakes import FakeCompute, FakeDocuments, FakeLog, collect, make_document, make_job, stored_and_back


def planned(
    documents: FakeDocuments, *, log: FakeLog | None = None, limit: int | None = None, **config: Any
) -> list[Payload]:
    job = make_job("agent", log=log, inputs=DocumentQuery(limit=limit))
    parameters = Config.model_validate({"agent_type": "rule_classifier"} | config)
    return asyncio.run(collect(plan(parameters, job=job, documents=documents)))


def executed(documents: FakeDocuments, payload: Payload, *, compute: FakeCompute | None = None) -> JobOutcome:
    job = make_job("agent")
    payload = stored_and_back(payload)
    outcome = asyncio.run(execute(job, payload, documents=documents, compute=compute or FakeCompute()))
    asyncio.run(documents.commit(outcome))
    return outcome


def many(count: int) -> FakeDocuments:
    return FakeDocuments(make_document(f"doc_{i}", content=f"text {i}") for i in range(count))


def python_file(**changes: Any) -> Document:
    metadata = {"file_path": "src/pool.py", "file_type": "Python"}
    values = {"title": "pool.py", "source_id": "/home/tests/src/pool.py", "metadata": metadata} | changes
    return make_document(**values)


def test_documents_are_split_into_batches() -> None:
    assert [len(p.documents) for p in planned(many(7), batch_size=3)] == [3, 3, 1]
    assert [len(p.documents) for p in planned(many(7), batch_size=1)] == [1] * 7
    assert [len(p.documents) for p in planned(many(60))] == [25, 25, 10]


def test_batch_mode_is_all_in_one_job() -> None:
    assert [len(p.documents) for p in planned(many(60), batch_mode=True)] == [60]
    assert planned(many(0), batch_mode=True) == []


def test_only_what_the_step_reads_is_taken() -> None:
    assert sum(len(p.documents) for p in planned(many(9), limit=4)) == 4


def test_planning_again_gives_the_same_keys() -> None:
    documents = many(60)

    assert [p.key for p in planned(documents)] == [p.key for p in planned(documents)]
    assert len({p.key for p in planned(documents)}) == 3


def test_unchanged_documents_join_the_run_without_being_read() -> None:
    documents, log = many(3), FakeLog()
    for payload in planned(documents):
        executed(documents, payload)
    documents.by_id["doc_1"] = make_document("doc_1", content="changed")
    documents.reads = 0

    work, unchanged = planned(documents, log=log)
    outcome = executed(documents, unchanged)

    assert work.documents == ("doc_1",)
    assert outcome.unchanged == ["doc_0", "doc_2"]
    assert (outcome.enrichments, documents.reads) == ([], 0)
    assert log.fields_of("documents.selected") == [{"agent": "rule_classifier", "to_do": 1, "unchanged": 2}]


def test_one_agent_says_nothing_about_what_another_one_did() -> None:
    documents = many(1)
    executed(documents, planned(documents)[0])

    [payload] = planned(documents, agent_type="keyword_extractor")

    assert payload.documents == ("doc_0",)


def test_force_refresh_takes_unchanged_documents_too() -> None:
    documents = many(1)
    executed(documents, planned(documents)[0])

    assert planned(documents, force_refresh=True)[0].documents == ("doc_0",)


def test_a_thousand_unchanged_documents_are_two_jobs() -> None:
    documents = many(1_000)
    for payload in planned(documents, batch_mode=True):
        executed(documents, payload)

    assert [len(p.unchanged) for p in planned(documents)] == [500, 500]


def test_the_classifier_goes_by_the_path_below_the_folder() -> None:
    documents = FakeDocuments([python_file()])

    [enrichment] = executed(documents, planned(documents)[0]).enrichments

    assert enrichment.value["category"] == "source"  # not test, as /home/tests might suggest
    assert enrichment.tags == ("category:source",)
    assert enrichment.content_hash == documents.by_id["doc_1"].content_hash


def test_the_classifier_knows_web_pages() -> None:
    page = make_document(source_type="web", source_id="https://x.org/guide/a", url="https://x.org/guide/a?b#c")
    documents = FakeDocuments([page])

    [enrichment] = executed(documents, planned(documents)[0]).enrichments

    assert (enrichment.value["category"], enrichment.value["subcategory"]) == ("docs", "guide")


def test_keywords_come_with_their_confidence() -> None:
    documents = FakeDocuments([make_document(title="Coral", content="Coral reefs. Coral reefs and marine parks.")])

    [enrichment] = executed(
        documents, planned(documents, agent_type="keyword_extractor", max_keywords=2)[0]
    ).enrichments

    assert 1 <= len(enrichment.value["keywords"]) <= 2
    assert list(enrichment.value["confidence"]) == enrichment.value["keywords"]
    assert enrichment.tags == ()


@pytest.mark.parametrize("agent_type", AVAILABLE_AGENT_TYPES)
def test_what_an_agent_adds_keeps_its_contract(agent_type: str) -> None:
    documents = FakeDocuments([python_file(content="class JobPool:\n    job_pool: JobPool\n")])

    [enrichment] = executed(documents, planned(documents, agent_type=agent_type)[0]).enrichments

    assert enrichment.name == agent_type
    assert ENRICHMENTS[agent_type].model_validate(enrichment.value).model_dump(mode="json") == enrichment.value


def test_long_documents_are_worked_on_elsewhere() -> None:
    documents = FakeDocuments(
        [make_document("doc_0", content="short"), make_document("doc_1", content="long " * 5_000)]
    )
    compute = FakeCompute()

    executed(documents, planned(documents, agent_type="keyword_extractor")[0], compute=compute)

    assert compute.calls == ["extract_keywords"]


def test_a_document_that_is_not_stored_any_more_is_a_warning() -> None:
    documents = many(2)
    [payload] = planned(documents)
    del documents.by_id["doc_0"]

    outcome = executed(documents, payload)

    assert [e.document_id for e in outcome.enrichments] == ["doc_1"]
    assert outcome.warnings == ["doc_0: not stored any more"]
    assert outcome.by_identifier["doc_0"]["status"] == "failed"


def test_a_batch_of_which_nothing_is_stored_fails() -> None:
    documents = many(2)
    [payload] = planned(documents)
    documents.by_id.clear()

    with pytest.raises(BadData, match="none of the 2 documents"):
        executed(documents, payload)


@pytest.mark.parametrize(
    "config",
    [
        {"agent_type": "entity_recognizer"},
        {"agent_type": "keyword_extractor", "model": "some-model"},
        {"agent_type": "keyword_extractor", "api_key": "{key}"},
    ],
)
def test_what_needs_an_llm_is_not_available(config: dict[str, str]) -> None:
    with pytest.raises(PermanentError, match="not available here"):
        planned(many(1), **config)


def test_the_config_takes_every_parameter_of_the_specification() -> None:
    names = "agent_type operation_type batch_mode model rate_limit api_key max_keywords model_selection validation"
    filters = "filter_tags filter_source_type filter_limit filter_created_after filter_updated_after filter_category"

    assert {*names.split(), *filters.split(), "validation_iteration_count"} <= accepted_keys(Config)
    with pytest.raises(ValidationError):
        Config.model_validate({})
    with pytest.raises(ValidationError):
        Config.model_validate({"agent_type": "rule_classifier", "operation_type": "guess"})


def test_the_worker_registers_under_its_name() -> None:
    steps = StepManager()

    register(steps, Services(documents=FakeDocuments(), compute=FakeCompute(), clock=None))  # type: ignore[arg-type]

    assert steps.get("agent").plan_takes_job
