"""Deleting runs with all below them, and documents; changing tags. On every backend."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from quaero.errors import BadData, NotFound, Refused
from quaero.model.definition import CachePolicy
from quaero.model.document import DocumentQuery, draft
from quaero.queue import deletion, reruns
from quaero.queue.deletion import delete_run, sweep_all, sweep_deleted
from quaero.queue.document_edits import AT_ONCE, delete_documents, retag_documents
from quaero.queue.turn import Turn
from quaero.queue.upkeep import mend
from quaero.storage.documents import SqlDocumentStore
from tests.engine_kit import BACKENDS, Lab, define, step

TABLES = ("jobs", "job_io", "attempts", "runs", "steps", "step_cache", "ignored_families", "deleted_steps")


@pytest.fixture(params=BACKENDS)
def lab(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Lab]:
    lab = Lab(request.param, tmp_path)
    yield lab
    lab.check()
    lab.close()


def delete(lab: Lab, run: int, *, sweep: bool = True) -> list[int]:
    with lab.turn() as turn:
        gone = delete_run(turn, run)
    if sweep:
        while sweep_once(lab):
            pass
    return gone


def sweep_once(lab: Lab) -> bool:
    with lab.turn() as turn:
        return sweep_deleted(turn)


def counts(lab: Lab) -> dict[str, int]:
    return {table: lab.rows(f"SELECT count(*) FROM {table}")[0][0] for table in TABLES}


def ended_run(lab: Lab, name: str = "run", jobs: int = 3) -> int:
    run = lab.start(define(name, step("a"), step("b", "a")))
    lab.drive(plans={"a": [f"{name}-{i}" for i in range(jobs)]}, fail=[f"{name}-0"])
    for job in (run, *(row.id for row in lab.store.steps(run))):
        lab.endings.pop(job, None)  # its end is not looked for once it is deleted
    return run


def documented_run(lab: Lab, *names: str) -> int:
    run = lab.start(define("docs", step("a"), overlap="allow"))
    lab.plan(run, "a", list(names))
    for job in lab.claim():
        made = lab.documents(job, draft("page", job.key, title=job.key, content=f"text of {job.key}", tags=["old"]))
        lab.finish(lab.end(job, documents=made))
    for job in (run, *(row.id for row in lab.store.steps(run))):
        lab.endings.pop(job, None)
    return run


def documents(lab: Lab) -> SqlDocumentStore:
    return SqlDocumentStore(lab.store.readers)


def ids_of(lab: Lab, query: DocumentQuery | None = None) -> dict[str, str]:
    found, _ = documents(lab).list_documents(query or DocumentQuery(), limit=100)
    return {document.source_id: document.id for document in found}


# runs


def test_a_deleted_run_leaves_nothing_and_others_as_they_were(lab: Lab) -> None:
    empty = counts(lab)
    run = ended_run(lab)

    assert delete(lab, run) == [run]

    assert counts(lab) == empty
    assert run not in lab.runs()
    with pytest.raises(NotFound):
        lab.store.get_job(run)


def test_only_this_run_goes(lab: Lab) -> None:
    kept, run = ended_run(lab, "kept"), ended_run(lab, "run")
    before = lab.record(kept).counters

    delete(lab, run)

    assert lab.runs() == [kept]
    assert lab.record(kept).counters == before
    assert len(lab.jobs_of(kept, "a")) == 3


def test_it_is_gone_from_lists_before_its_jobs_are_swept(lab: Lab) -> None:
    run = ended_run(lab)
    job = lab.jobs_of(run, "a")["run-1"].id

    delete(lab, run, sweep=False)

    assert lab.runs() == []
    for id_ in (run, job):
        with pytest.raises(NotFound):
            lab.store.get_job(id_)
    drifting, _ = lab.store.drifting(0, 100)
    assert drifting == [], "the auditor finds no counters of jobs that are half gone"


def test_jobs_are_swept_in_chunks_whoever_goes_on(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deletion, "SWEEP_AT_ONCE", 4)
    run = lab.start(define("run", step("a")))
    lab.plan(run, "a", [str(i) for i in range(10)])
    lab.complete(*lab.claim())
    lab.endings.clear()
    delete(lab, run, sweep=False)
    left = [lab.rows("SELECT count(*) FROM jobs")[0][0]]

    while sweep_once(lab):  # each of them could have been another process
        left.append(lab.rows("SELECT count(*) FROM jobs")[0][0])

    assert left == [10, 6, 2]
    assert not any(counts(lab).values())
    assert not sweep_once(lab), "and once more does nothing"


def test_all_is_swept_turn_by_turn(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deletion, "SWEEP_AT_ONCE", 2)
    for run in (ended_run(lab, "one"), ended_run(lab, "two")):
        delete(lab, run, sweep=False)
    turns = 0

    async def write(command: Callable[[Turn], Any]) -> Any:
        nonlocal turns
        turns += 1
        with lab.turn() as turn:
            return command(turn)

    asyncio.run(sweep_all(write))

    assert turns > 3
    assert not any(counts(lab).values())


def test_a_run_that_was_deleted_is_not_found_again(lab: Lab) -> None:
    run = ended_run(lab)
    delete(lab, run)

    with pytest.raises(NotFound, match=f"no run {run}"):
        delete(lab, run)


@pytest.mark.parametrize("state", ["pending", "running", "queued", "cancelling"])
def test_an_active_run_is_not_deleted(lab: Lab, state: str) -> None:
    definition = define("run", step("a"), overlap="queue")
    run = lab.start(definition)
    lab.plan(run, "a", ["1"])
    if state != "pending":
        lab.claim()
    if state == "queued":
        run = lab.start(definition)
    if state == "cancelling":
        lab.cancel(run)

    with pytest.raises(Refused, match="still active") as caught:
        delete(lab, run)

    assert caught.value.job_id == run
    assert run in lab.runs()


def test_child_runs_go_with_their_run_and_not_alone(lab: Lab) -> None:
    empty = counts(lab)
    child = define("child", step("c"))
    run = lab.start(define("run", step("a"), pre_jobs=("child",)), [child])
    lab.drive()
    children = [r for r in lab.runs() if r != run]
    lab.endings.clear()

    with pytest.raises(Refused, match=f"part of run {run}") as caught:
        delete(lab, children[0])
    assert caught.value.job_id == run
    assert delete(lab, run) == [run, *children]
    assert counts(lab) == empty


def test_a_run_with_an_active_child_run_stays(lab: Lab) -> None:
    run = lab.start(define("run", step("a"), pre_jobs=("child",)), [define("child", step("c"))])

    with pytest.raises(Refused, match="still active"):
        delete(lab, run)


def test_a_run_stays_while_what_its_end_started_is_active_and_goes_without_it(lab: Lab) -> None:
    run = lab.start(define("run", step("a"), post_jobs=("after",)), [define("after", step("z"))])
    lab.drive(until=lambda: lab.status(run).is_terminal)
    [after] = [r for r in lab.runs() if r != run]

    with pytest.raises(Refused, match="which the end of run") as caught:
        delete(lab, run)
    assert caught.value.job_id == after
    lab.drive()
    lab.endings.clear()
    delete(lab, run)

    assert lab.runs() == [after]
    with lab.turn() as turn:
        again = reruns.rerun(lab.dispatcher, turn, after)
    lab.drive()
    assert lab.outcome(again) == ("completed", None)


def test_a_run_stays_while_a_retry_takes_over_from_it(lab: Lab) -> None:
    run = ended_run(lab)
    with lab.turn() as turn:
        retry = reruns.retry_failed(lab.dispatcher, turn, run, lab.store.definition_of(run))

    with pytest.raises(Refused, match=f"run {retry} takes over") as caught:
        delete(lab, run)
    assert caught.value.job_id == retry
    lab.drive()
    delete(lab, run)

    assert lab.runs() == [retry]
    assert lab.record(retry).rerun_of == run


def test_what_it_left_in_the_step_cache_is_used_no_more(lab: Lab) -> None:
    run = lab.start(define("run", step("a", cache=CachePolicy(enabled=True))))
    held = lab.claim_step(run, "a")
    with lab.turn() as turn:
        turn.tx.set_step_flags(held.id, {"cache_key": "key"})
    lab.seal(held)
    lab.endings.clear()

    delete(lab, run)

    with lab.turn() as turn:
        assert turn.tx.cached_step("run", "a", "key") is None


def test_an_event_tells_of_it(lab: Lab) -> None:
    run = ended_run(lab)

    with lab.turn() as turn:
        delete_run(turn, run)
        told = [(kind, manager) for kind, manager, _, _ in turn.events]

    assert told == [("job.deleted", run)]


def test_the_auditor_goes_past_a_step_that_was_deleted_meanwhile(lab: Lab) -> None:
    run = ended_run(lab)
    suspected = [row.id for row in lab.store.steps(run)]
    delete(lab, run)

    with lab.turn() as turn:
        mend(turn, suspected)

    assert lab.store.fact("drift") is None


# documents of a deleted run


def test_documents_stay_and_lose_their_links(lab: Lab) -> None:
    run = documented_run(lab, "x", "y")
    id_ = ids_of(lab)["x"]
    again = documented_run(lab, "x")

    delete(lab, run)

    assert set(ids_of(lab)) == {"x", "y"}
    assert set(ids_of(lab, DocumentQuery(manager_id=run))) == set()
    assert [use.manager_id for use in documents(lab).uses(id_)] == [again]
    assert documents(lab).lineage(id_).manager_id == run, "who made it is still told"
    assert lab.rows("SELECT count(*) FROM document_steps")[0][0] == 1


# documents


def edit(lab: Lab, function: Any, *args: Any, **options: Any) -> Any:
    with lab.turn() as turn:
        return function(turn, *args, **options)


def test_a_deleted_document_is_found_nowhere(lab: Lab) -> None:
    run = documented_run(lab, "x", "y")
    ids = ids_of(lab)
    job = lab.start(define("more", step("a")))
    lab.plan(job, "a", ["z"])
    for claimed in lab.claim():
        derived = draft("page", "z", title="z", content="text of z", derived_from=[ids["x"], ids["y"]])
        changed = draft("page", "x", title="x", content="another text")
        lab.finish(lab.end(claimed, documents=lab.documents(claimed, derived, changed)))
    z = ids_of(lab)["z"]

    edited = edit(lab, delete_documents, [ids["x"], "doc_none", ids["x"]])

    assert (edited.done, edited.missing) == ([ids["x"]], ["doc_none"])
    assert set(ids_of(lab)) == {"y", "z"}
    assert set(ids_of(lab, DocumentQuery(manager_id=run))) == {"y"}
    assert set(ids_of(lab, DocumentQuery(tags=("old",)))) == {"y"}
    assert [hit.source_id for hit in documents(lab).search("another")] == []
    assert [node.source_id for node in documents(lab).lineage(z).derived_from] == ["y"]
    for table, expected in (("document_revisions", 0), ("document_contents", 2), ("document_runs", 2)):
        assert lab.rows(f"SELECT count(*) FROM {table}")[0][0] == expected, table


def test_a_deleted_document_can_be_made_again(lab: Lab) -> None:
    documented_run(lab, "x")
    old = ids_of(lab)["x"]
    edit(lab, delete_documents, [old])

    documented_run(lab, "x")

    new = ids_of(lab)["x"]
    assert new != old
    assert documents(lab).get_document(new).revision == 1
    assert [hit.document_id for hit in documents(lab).search("text")] == [new]


def test_tags_are_added_and_removed(lab: Lab) -> None:
    documented_run(lab, "x", "y")
    ids = ids_of(lab)

    edited = edit(lab, retag_documents, [ids["x"], ids["y"], "doc_none"], add=["  New   Tag "], remove=["OLD"])

    assert (sorted(edited.done), edited.missing) == (sorted(ids.values()), ["doc_none"])
    document = documents(lab).get_document(ids["x"])
    assert "new tag" in document.tags
    assert "old" not in document.tags
    assert document.revision == 1
    assert set(ids_of(lab, DocumentQuery(tags=("new tag",)))) == {"x", "y"}
    assert ids_of(lab, DocumentQuery(tags=("old",))) == {}
    assert documents(lab).facets().tags["new tag"] == 2
    assert set(ids_of(lab, DocumentQuery(source_type="page"))) == {"x", "y"}
    assert len(documents(lab).search("new")) == 2


def test_tags_that_are_there_already_change_nothing(lab: Lab) -> None:
    documented_run(lab, "x")
    ids = ids_of(lab)

    assert edit(lab, retag_documents, [ids["x"]], add=["old"], remove=["never"]).done == [ids["x"]]
    assert set(ids_of(lab, DocumentQuery(tags=("old",)))) == {"x"}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "no tag"),
        ({"add": ["a"], "remove": ["A "]}, "added and removed"),
        ({"remove": ["source_type:page"]}, "what a document is"),
        ({"add": [" "]}, "empty"),
        ({"add": ["x" * 5_000]}, "longer"),
    ],
)
def test_tags_that_can_not_be_are_refused(lab: Lab, options: dict[str, Any], said: str) -> None:
    with pytest.raises(BadData, match=said):
        edit(lab, retag_documents, ["doc_1"], **options)


def test_too_many_documents_at_once_are_refused(lab: Lab) -> None:
    with pytest.raises(BadData, match="at most"):
        edit(lab, delete_documents, ["doc"] * (AT_ONCE + 1))
