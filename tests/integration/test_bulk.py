"""One action on many runs. On every backend."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from quaero.errors import Refused, StoreUnavailable
from quaero.model.status import JobStatus
from quaero.ports.views import JobViews, RunFilter
from quaero.queue import bulk
from quaero.queue.bulk import Action, BulkActions, BulkResult, chosen, preview
from quaero.queue.turn import Turn
from quaero.storage.job_views import SqlJobViews
from tests.engine_kit import BACKENDS, Lab, define, step


@pytest.fixture(params=BACKENDS)
def lab(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Lab]:
    lab = Lab(request.param, tmp_path)
    yield lab
    lab.check()
    lab.close()


class NoLogs:
    """There are no logs in the laboratory."""

    def days(self) -> list[str]:
        return []

    def size_bytes(self) -> int:
        return 0


def views(lab: Lab) -> JobViews:
    return SqlJobViews(lab.store, NoLogs())


async def write(lab: Lab, command: Callable[[Turn], Any]) -> Any:
    with lab.turn() as turn:
        return command(turn)


def carry_out(lab: Lab, action: Action, where: RunFilter, expected: int) -> list[BulkResult]:
    actions = BulkActions(lab.jobs, lab.dispatcher, lab.definitions)
    ids = chosen(views(lab), where, expected)
    told: list[BulkResult] = []
    results = asyncio.run(actions.carry_out(action, ids, lambda command: write(lab, command), told.append))
    lab.sweep()
    assert told == results
    return results


def start(lab: Lab, count: int, name: str = "run") -> list[int]:
    return [lab.start(define(name, step("a"), overlap="allow")) for _ in range(count)]


def done(results: list[BulkResult]) -> list[int]:
    return [result.run_id for result in results if result.done]


OPEN = RunFilter(statuses=(JobStatus.PENDING, JobStatus.RUNNING))


def test_a_preview_counts_and_names_the_newest(lab: Lab) -> None:
    runs = start(lab, 25)
    start(lab, 2, "other")

    found = preview(views(lab), RunFilter(definition_id="run"))

    assert found.count == 25
    assert found.first == sorted(runs, reverse=True)[: bulk.FIRST_RUNS]


def test_runs_are_cancelled(lab: Lab) -> None:
    runs, others = start(lab, 20), start(lab, 1, "other")

    results = carry_out(lab, "cancel", RunFilter(definition_id="run"), 20)

    assert done(results) == runs
    assert {lab.status(run) for run in runs} == {JobStatus.CANCELLED}
    assert lab.status(others[0]) is JobStatus.PENDING


def test_pages_are_followed_to_the_end(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "PAGE", 3)
    runs = start(lab, 10)

    assert chosen(views(lab), OPEN, 10) == runs


def test_another_count_than_expected_is_refused_with_both(lab: Lab) -> None:
    runs = start(lab, 3)

    with pytest.raises(Refused, match="3 runs match now, 2 were expected"):
        carry_out(lab, "cancel", OPEN, 2)

    assert {lab.status(run) for run in runs} == {JobStatus.PENDING}


def test_too_many_are_refused(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "MOST_RUNS", 2)
    start(lab, 3)

    with pytest.raises(Refused, match="more than 2 runs at once"):
        carry_out(lab, "cancel", OPEN, 3)
    assert preview(views(lab), OPEN).count == 3


def test_each_run_has_its_own_result(lab: Lab) -> None:
    [ended] = start(lab, 1)
    lab.drive()
    [active] = start(lab, 1)

    results = carry_out(lab, "cancel", RunFilter(definition_id="run"), 2)

    assert [(r.run_id, r.done) for r in results] == [(ended, False), (active, True)]
    assert "nothing to cancel" in results[0].reason
    assert results[0].job_id == ended


def test_pause_and_resume(lab: Lab) -> None:
    runs = start(lab, 2)

    assert done(carry_out(lab, "pause", OPEN, 2)) == runs
    assert all(lab.run(run).paused_at for run in runs)
    assert done(carry_out(lab, "resume", OPEN, 2)) == runs
    assert not any(lab.run(run).paused_at for run in runs)


def test_delete(lab: Lab) -> None:
    runs = start(lab, 3)
    lab.drive()
    lab.endings.clear()

    assert done(carry_out(lab, "delete", RunFilter(statuses=(JobStatus.COMPLETED,)), 3)) == runs
    assert lab.runs() == []


def test_rerun_and_retry_name_the_new_runs(lab: Lab) -> None:
    [good] = start(lab, 1)
    lab.drive()
    [bad] = start(lab, 1)
    lab.drive(fail=["a"])

    again = carry_out(lab, "rerun", RunFilter(statuses=(JobStatus.COMPLETED,)), 1)
    assert [r.run_id for r in again] == [good]
    assert again[0].new_run is not None
    assert lab.record(again[0].new_run).rerun_of == good
    lab.drive()

    retried = carry_out(lab, "retry_failed", RunFilter(definition_id="run"), 3)
    assert [(r.run_id, r.done) for r in retried] == [(good, False), (bad, True), (again[0].new_run, False)]
    assert "nothing failed" in retried[0].reason


def test_an_outage_ends_it(lab: Lab) -> None:
    runs = start(lab, 1)

    async def out(command: Callable[[Turn], Any]) -> Any:
        raise StoreUnavailable("the disk is full")

    with pytest.raises(StoreUnavailable):
        asyncio.run(BulkActions(lab.jobs, lab.dispatcher, lab.definitions).carry_out("cancel", runs, out))
