"""Documents are written in batches and read back. Runs on every backend (the ``documents`` fixture)."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quaero.errors import BadData
from quaero.model.document import DocumentDraft, DocumentQuery, Enrichment, draft
from quaero.model.outcome import JobOutcome
from quaero.storage.document_plan import DocumentChanges
from quaero.storage.document_prepare import PreparedDocuments
from tests.document_stores import BACKENDS, HOUR, NOW, Documents, Job, file, page


@pytest.fixture(params=BACKENDS)
def documents(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Documents]:
    store = Documents(request.param, tmp_path)
    yield store
    store.check_index()
    store.close()


@pytest.fixture
def other(documents: Documents, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Documents]:
    """A second store on the same backend."""
    store = Documents(documents.backend, tmp_path_factory.mktemp("other"))
    yield store
    store.close()


def kinds(changes: DocumentChanges, job_id: int = 1) -> list[str]:
    return [change.change for change in changes.jobs[job_id]]


def test_a_new_document_is_read_back_whole(documents: Documents) -> None:
    content = 'Zeile "eins"\n\ttab \\ \x01 \u2028 漢字 \U0001f600'
    metadata = {"n": 2**63 - 1, "f": 0.1, "nested": {"list": [1, None, True, "\\u0000"]}}

    [id_] = documents.put(page(content=content, url="https://a/b?c=d&e", metadata=metadata, tags=("B", "a ")))

    found = documents.store.get_document(id_)
    assert id_.startswith("doc_")
    assert len(id_) == 36
    assert (found.content, found.metadata, found.url) == (content, metadata, "https://a/b?c=d&e")
    assert found.tags == ("a", "b", "date:2025-01-04", "source_type:web_page")
    assert (found.revision, found.gone_at) == (1, None)
    assert found.created_at == found.updated_at == found.last_synced == datetime(2025, 1, 4, 14, 13, 20, tzinfo=UTC)


NO_CONTENT = {
    "sqlite": """
CREATE TEMP TRIGGER no_content BEFORE UPDATE ON document_contents BEGIN SELECT raise(ABORT, 'written'); END
""",
    "postgres": """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'written'; END $$;
CREATE TRIGGER no_content BEFORE UPDATE ON document_contents EXECUTE FUNCTION refuse();
""",
}


def test_an_unchanged_document_makes_no_revision_and_its_text_is_not_written(documents: Documents) -> None:
    [id_] = documents.put(page())
    documents.db.script(NO_CONTENT[documents.backend])

    changes = documents.apply(documents.prepare(JobOutcome(documents=[page()]), Job(job_id=2)), now=NOW + HOUR)

    found = documents.store.get_document(id_)
    assert kinds(changes, 2) == ["unchanged"]
    assert (found.revision, found.updated_at.hour, found.last_synced.hour) == (1, 14, 15)


def test_a_changed_document_keeps_its_id_and_its_earlier_revision(documents: Documents) -> None:
    [id_] = documents.put(page(content="one", metadata={"v": 1}))

    [same] = documents.put(page(content="two", metadata={"v": 2}), job=Job(job_id=2), now=NOW + HOUR)

    found = documents.store.get_document(id_)
    [earlier] = documents.store.revisions(id_)
    assert same == id_
    assert (found.revision, found.content, found.created_at.hour, found.updated_at.hour) == (2, "two", 14, 15)
    assert (earlier.revision, earlier.content, earlier.metadata, earlier.job_id) == (1, "one", {"v": 1}, 1)
    assert documents.found("one") == []
    assert documents.found("two") == ["a"]


def test_metadata_alone_makes_a_revision_but_not_its_volatile_part(documents: Documents) -> None:
    [id_] = documents.put(file(mtime_ns=1))

    documents.put(file(mtime_ns=2))

    found = documents.store.get_document(id_)
    assert (found.revision, found.metadata["mtime_ns"]) == (1, 2)


def test_only_the_last_ten_revisions_are_kept(documents: Documents) -> None:
    for number in range(15):
        [id_] = documents.put(page(content=f"v{number}"))

    assert [r.content for r in documents.store.revisions(id_)] == [f"v{n}" for n in range(13, 3, -1)]


def test_a_vanished_document_is_gone_and_comes_back(documents: Documents) -> None:
    [id_] = documents.put(page())

    changes = documents.apply(documents.prepare(JobOutcome(gone=[id_])), now=NOW + HOUR)
    documents.apply(documents.prepare(JobOutcome(gone=[id_])), now=NOW + 2 * HOUR)

    gone_at = documents.store.get_document(id_).gone_at
    assert kinds(changes) == ["gone"]
    assert gone_at is not None
    assert gone_at.hour == 15
    assert (documents.select(), documents.select(include_gone=True)) == ([], ["a"])
    assert (documents.found("one"), documents.found("one", include_gone=True)) == ([], ["a"])

    documents.apply(documents.prepare(JobOutcome(unchanged=[id_])), now=NOW + 3 * HOUR)

    assert documents.store.get_document(id_).gone_at is None
    assert documents.select() == ["a"]


def test_tags_are_merged_and_found(documents: Documents) -> None:
    [id_] = documents.put(page(tags=["Alpha"]), tags=["step tag"])

    documents.put(page(tags=["beta"]), now=NOW + 48 * HOUR)

    tags = documents.store.get_document(id_).tags
    assert tags == ("alpha", "beta", "date:2025-01-04", "source_type:web_page", "step tag")
    assert documents.select(tags=("ALPHA", "beta")) == ["a"]
    assert documents.select(tags=("alpha", "gamma")) == []
    assert documents.found("tag:beta") == ["a"]
    assert documents.found("beta") == ["a"]


def test_enrichments_survive_a_rewrite_and_show_their_age(documents: Documents) -> None:
    [id_] = documents.put(page(metadata={"path": "x"}))
    old = documents.store.get_document(id_).content_hash
    documents.enrich(id_, "rule_classifier", {"category": "docs", "nested": {"a": 1}}, tags=("Docs",))
    documents.enrich(id_, "keyword_extractor", {"keywords": ["k"]})

    documents.put(page(content="two"))

    found = documents.store.get_document(id_)
    assert found.metadata["rule_classifier"] == {"category": "docs", "nested": {"a": 1}, "content_hash": old}
    assert found.metadata["keyword_extractor"]["content_hash"] == old != found.content_hash
    assert found.revision == 2
    assert "docs" in found.tags
    [ref] = asyncio.run(documents.store.select(DocumentQuery(category=("docs", "source"))))
    assert ref.enrichments == {"rule_classifier": old, "keyword_extractor": old}
    assert ref.content_hash == found.content_hash


def test_an_enrichment_replaces_its_own_name_only_and_makes_no_revision(documents: Documents) -> None:
    [id_] = documents.put(page())
    documents.enrich(id_, "a", {"x": 1, "y": 1})
    documents.enrich(id_, 'odd "name', {"z": 1})

    documents.enrich(id_, "a", {"x": 2})

    found = documents.store.get_document(id_)
    assert found.metadata["a"] == {"x": 2, "content_hash": found.content_hash}
    assert found.metadata['odd "name']["z"] == 1
    assert found.revision == 1


def test_what_names_an_unknown_document_is_reported_and_the_rest_is_stored(documents: Documents) -> None:
    item = Enrichment(document_id="doc_x", name="n", value={}, content_hash="")
    outcome = JobOutcome(
        documents=[page(derived_from=["doc_y"])], enrichments=[item], unchanged=["doc_z"], gone=["doc_w"]
    )

    changes = documents.apply(documents.prepare(outcome))

    assert kinds(changes) == ["created"]
    assert changes.refused == {
        1: [f"{what}: no document doc_{x}" for what, x in zip(
            ("derived_from", "enrichment", "unchanged", "gone"), "yxzw", strict=True)]
    }  # fmt: skip


def test_an_outcome_without_documents_is_nothing(documents: Documents) -> None:
    assert documents.preparer.prepare(JobOutcome(warnings=["w"]), Job()) is None


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"path": 5}, r"document file/f: metadata: path: Input should be a valid string"),
        ({}, r"document file/f: metadata: path: Field required"),
        ({"path": "p", "extra": float("nan")}, r"document file/f: metadata\.extra: nan is not a number"),
        ({"path": "p", "deep": {"list": [float("inf")]}}, r"metadata\.deep\.list: inf is not a number"),
        ({"path": "p", "big": 2**63}, r"metadata\.big: does not fit into 64 bits"),
        ({"path": "p", "small": -(2**63) - 1}, r"metadata\.small: does not fit"),
        ({"path": "p", "thing": object()}, r"metadata\.thing: object can't be stored"),
        ({"path": "p", "keys": {1: 2}}, r"metadata\.keys\.1: must be a text, not int"),
    ],
)
def test_metadata_that_breaks_its_contract_names_the_field(
    documents: Documents, metadata: dict[str, Any], message: str
) -> None:
    bad = draft("file", "f", title="f", content="c", metadata=metadata)

    with pytest.raises(BadData, match=message):
        documents.prepare(JobOutcome(documents=[bad]))


def test_metadata_nested_without_end_is_refused(documents: Documents) -> None:
    endless: dict[str, Any] = {}
    endless["self"] = endless

    with pytest.raises(BadData, match="nested deeper"):
        documents.prepare(JobOutcome(documents=[page(metadata=endless)]))


@pytest.mark.parametrize(
    "bad",
    [
        draft("", "a", title="t", content="c"),
        draft("t", "", title="t", content="c"),
        draft("t", "a", title=None, content="c"),  # type: ignore[arg-type]
        draft("t", "a", title="t", content=b"c"),  # type: ignore[arg-type]
        draft("t", "a", title="t", content="c", tags=[1]),  # type: ignore[list-item]
        draft("t", "a", title="t", content="c", tags=[["x"]]),  # type: ignore[list-item]
        draft("t", "a", title="t", content="c", derived_from=[7]),  # type: ignore[list-item]
        draft("t", "é" * 1250, title="t", content="c"),
        draft("t", "a", title="t", content="c", tags=["é" * 1251]),
    ],
)
def test_a_document_that_is_no_document_is_refused(documents: Documents, bad: DocumentDraft) -> None:
    with pytest.raises(BadData):
        documents.prepare(JobOutcome(documents=[bad]))


def test_the_longest_keys_are_stored(documents: Documents) -> None:
    # Random, or they would be compressed.
    source_id, tag = secrets.token_hex(1245), secrets.token_hex(1250)

    documents.put(draft("web_page", source_id, title="t", content="c", tags=[tag]))

    assert documents.select(tags=(tag,)) == [source_id]


def test_an_enrichment_that_breaks_its_contract_is_refused(documents: Documents) -> None:
    item = Enrichment(document_id="doc_1", name="rule_classifier", value={"category": 5}, content_hash="h")

    with pytest.raises(BadData, match="doc_1, enrichment 'rule_classifier': category"):
        documents.prepare(JobOutcome(enrichments=[item]))


def test_dirty_text_is_cleaned(documents: Documents) -> None:
    [id_] = documents.put(page(content="a\0b \ud800 c", title="t\0", metadata={"k\ud800": "\0"}))

    found = documents.store.get_document(id_)
    assert (found.title, found.content) == ("t\ufffd", "a\ufffdb \ufffd c")
    assert found.metadata == {"k\ufffd": "\ufffd"}


def test_secrets_are_masked_everywhere(documents: Documents) -> None:
    secret = page(
        "s3cret", "my s3cret", title="s3cret", url="http://s3cret", tags=["s3cret"], metadata={"a": ["s3cret"]}
    )

    [id_] = documents.put(secret, mask=lambda text: text.replace("s3cret", "***"))

    found = documents.store.get_document(id_)
    documents.enrich(id_, "note", {"x": 1})
    assert "s3cret" not in repr(found)
    assert (found.source_id, found.content, found.metadata["a"]) == ("***", "my ***", ["***"])
    assert not any("s3cret" in repr(rows) for rows in documents.snapshot().values())


texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(-1e300, 1e300) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=texts, metadata=st.dictionaries(texts, values, max_size=4))
def test_any_text_and_metadata_come_back(documents: Documents, text: str, metadata: dict[str, Any]) -> None:
    documents.clear()

    [id_] = documents.put(draft("web_page", "a", title=text, content=text, metadata=metadata))

    found = documents.store.get_document(id_)
    assert (found.title, found.content) == (text, text)
    assert found.metadata == metadata


def test_documents_are_counted_once_for_a_run(documents: Documents) -> None:
    scan, again = Job(), Job(job_id=2, step_id=11, step_name="again")
    drafts = [page("a"), page("b")]

    first = documents.apply(documents.prepare(JobOutcome(documents=drafts), scan))
    second = documents.apply(documents.prepare(JobOutcome(documents=[*drafts, page("c")]), again))
    other = documents.apply(documents.prepare(JobOutcome(documents=drafts), Job(3, manager_id=2, step_id=20)))

    assert first.linked == {(1, 10): 2}
    assert second.linked == {(1, 11): 1}
    assert other.linked == {(2, 20): 2}
    assert documents.select(manager_id=1, step_names=("scan",)) == ["a", "b"]
    assert documents.select(manager_id=1, step_names=("again",)) == ["a", "b", "c"]
    assert documents.select(manager_id=1) == ["a", "b", "c"]
    assert documents.select(manager_id=2) == ["a", "b"]
    [id_] = documents.put(page("a"), job=scan)
    uses = [(use.manager_id, use.step_name, use.how) for use in documents.store.uses(id_)]
    assert uses == [(2, "scan", "reused"), (1, "scan", "made"), (1, "again", "reused")]


def test_enriching_makes_a_document_the_steps_but_does_not_count(documents: Documents) -> None:
    [id_] = documents.put(page(), job=Job(manager_id=7, step_id=70))

    enriched = documents.enrich(id_, "note", {"x": 1})

    assert enriched.linked == {}
    assert documents.select(manager_id=1, step_names=("enrich",)) == ["a"]

    reused = documents.apply(documents.prepare(JobOutcome(unchanged=[id_]), Job(step_id=11, step_name="enrich")))

    assert reused.linked == {(1, 11): 1}
    assert [use.how for use in documents.store.uses(id_)] == ["made", "reused"]


def test_a_document_can_be_linked_without_being_written(documents: Documents) -> None:
    [id_] = documents.put(page())

    with documents.db.transaction():
        changes = documents.writer.link(2, 20, "fetch", [id_, id_, "doc_unknown"])
        again = documents.writer.link(2, 21, "other", [id_])

    assert (changes.linked, again.linked) == ({(2, 20): 1}, {})
    assert documents.select(manager_id=2, step_names=("fetch",)) == ["a"]


def test_a_rerun_takes_over_documents_and_a_run_can_be_forgotten(documents: Documents) -> None:
    documents.put(page("a"), page("b"))
    documents.put(page("b"), page("c"), job=Job(job_id=2, step_id=11, step_name="more"))
    documents.put(page("d"), job=Job(job_id=3, step_id=12, step_name="failed"))

    with documents.db.transaction():
        counts = documents.writer.copy_runs(1, 2, {10: 20, 11: 21})
        again = documents.writer.copy_runs(1, 2, {10: 20, 12: 22})

    assert (counts, again) == ({20: 2, 21: 1}, {22: 1})
    assert documents.select(manager_id=2) == ["a", "b", "c", "d"]
    assert documents.select(manager_id=2, step_names=("more",)) == ["b", "c"]

    with documents.db.transaction():
        documents.writer.forget_run(1)

    assert documents.select(manager_id=1) == []
    assert documents.select(manager_id=2) == ["a", "b", "c", "d"]
    assert len(documents.select()) == 4


def test_fifty_drafts_of_one_key_in_a_batch_end_as_one_document(documents: Documents) -> None:
    batch = [
        documents.prepare(JobOutcome(documents=[page(content=f"v{n // 2}", tags=[f"t{n}"])]), Job(job_id=n))
        for n in range(50)
    ]

    changes = documents.apply(*batch)

    found = documents.store.find_document("web_page", "a")
    assert found is not None
    assert (found.revision, found.content, len(found.tags)) == (25, "v24", 52)
    assert [kinds(changes, n) for n in (0, 1, 2, 49)] == [["created"], ["unchanged"], ["updated"], ["unchanged"]]
    assert changes.linked == {(1, 10): 1}
    assert [r.revision for r in documents.store.revisions(found.id)] == list(range(24, 14, -1))


def test_a_large_batch_is_written_in_slices(documents: Documents, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("quaero.storage.document_writer.SLICE_BYTES", 1000)
    drafts = [page(f"p{n}", content=f"number{n} " + "x" * 400) for n in range(20)]

    documents.put(*drafts)
    documents.put(*[page(f"p{n}", content=f"other{n} " + "x" * 400) for n in range(20)])

    for n in range(20):
        found = documents.store.find_document("web_page", f"p{n}")
        assert found is not None
        assert found.content.startswith(f"other{n} ")


@st.composite
def outcomes(draw: st.DrawFn, ids: Sequence[str]) -> tuple[JobOutcome, int, int]:
    """One job's outcome over few documents, so that a batch collides with itself."""
    id_ = st.sampled_from([*ids, "doc_unknown"])
    drafts = st.builds(
        lambda key, content, mtime, url, tags, parents: draft(
            "file", key, title=f"T{content}", content=f"content {content}", url=url, tags=tags,
            metadata={"path": key, "mtime_ns": mtime}, derived_from=parents,
        ),
        st.sampled_from("abcd"), st.integers(0, 2), st.integers(0, 1), st.sampled_from(["", "u"]),
        st.lists(st.sampled_from(["x", "y"]), max_size=2), st.lists(id_, max_size=2),
    )  # fmt: skip
    enrichments = st.builds(
        lambda id_, name, value, tags: Enrichment(
            document_id=id_, name=name, value={"v": value}, content_hash="h", tags=tags
        ),
        id_, st.sampled_from("mn"), st.integers(0, 2), st.sampled_from([(), ("z",)]),
    )  # fmt: skip
    outcome = JobOutcome(
        documents=draw(st.lists(drafts, max_size=3)),
        enrichments=draw(st.lists(enrichments, max_size=2)),
        unchanged=draw(st.lists(id_, max_size=2)),
        gone=draw(st.lists(id_, max_size=1)),
    )
    return outcome, draw(st.sampled_from([1, 2])), draw(st.sampled_from([0, 1]))


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_batch_ends_as_its_jobs_one_by_one(documents: Documents, other: Documents, data: st.DataObject) -> None:
    together, singly = documents, other
    for store in (together, singly):
        store.clear()
    before = [file(0, "old"), draft("file", "a", title="T0", content="content 0", metadata={"path": "a"})]
    names = ["id0", "id1"]
    ids = [dict(zip(names, store.put(*before), strict=True)) for store in (together, singly)]
    jobs = data.draw(st.lists(outcomes(names), min_size=1, max_size=8))

    def prepared(store: Documents, known: dict[str, str]) -> list[PreparedDocuments]:
        batch = []
        for number, (outcome, manager_id, step) in enumerate(jobs, 100):
            job = Job(number, manager_id, manager_id * 10 + step, f"step{step}")
            found = store.preparer.prepare(with_ids(outcome, known), job)
            batch += [found] if found else []
        return batch

    changes = together.apply(*prepared(together, ids[0]), now=NOW + HOUR)
    parts = [singly.apply(item, now=NOW + HOUR) for item in prepared(singly, ids[1])]

    assert together.snapshot() == singly.snapshot()
    linked: dict[tuple[int, int], int] = {}
    for part in parts:
        for step, count in part.linked.items():
            linked[step] = linked.get(step, 0) + count
    assert changes.linked == linked
    for part in parts:
        for job_id, done in part.jobs.items():
            assert without_ids(changes.jobs[job_id]) == without_ids(done)
            assert len(changes.refused.get(job_id, ())) == len(part.refused.get(job_id, ()))
    for store in (together, singly):
        store.check_index()


def with_ids(outcome: JobOutcome, known: dict[str, str]) -> JobOutcome:
    def real(id_: str) -> str:
        return known.get(id_, id_)

    return JobOutcome(
        documents=[
            draft(d.source_type, d.source_id, title=d.title, content=d.content, url=d.url, tags=d.tags,
                  metadata=d.metadata, derived_from=[real(i) for i in d.derived_from])
            for d in outcome.documents
        ],
        enrichments=[
            Enrichment(document_id=real(e.document_id), name=e.name, value=e.value, content_hash="h", tags=e.tags)
            for e in outcome.enrichments
        ],
        unchanged=[real(i) for i in outcome.unchanged],
        gone=[real(i) for i in outcome.gone],
    )  # fmt: skip


def without_ids(done: Sequence[Any]) -> list[tuple[Any, ...]]:
    return [(c.source_type, c.source_id, c.revision, c.change) for c in done]
