"""One family of errors of a run: retried alone, looked past. On every backend."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec
import pytest

from quaero.errors import NotFound, PermanentError, Refused
from quaero.model.definition import ErrorTolerance
from quaero.model.status import StatusReason
from quaero.ports.jobs import Held
from quaero.queue import reruns
from quaero.queue.families import heed_family, ignore_family
from quaero.storage.insight import SqlJobInsight
from tests.engine_kit import BACKENDS, ERROR, Lab, define, step


@pytest.fixture(params=BACKENDS)
def lab(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Lab]:
    lab = Lab(request.param, tmp_path)
    yield lab
    lab.check()
    lab.close()


def work(lab: Lab, plans: Mapping[str, list[str]], broken: Mapping[str, str]) -> None:
    """To the end; ``broken``: key -> the family of its error."""

    while True:
        lab.sweep()
        steps = lab.claim_steps()
        for claimed in steps:
            held = Held(claimed.id, claimed.attempt)
            made = plans.get(lab.store.step(claimed.id).name, [])
            lab.expand(held, made or ["only"])
            lab.seal(held)
        jobs = lab.claim()
        for job in jobs:
            if job.key in broken:
                error = msgspec.structs.replace(ERROR, family=broken[job.key])
                lab.finish(lab.end(job, "failed", reason=StatusReason.PERMANENT, failures=1, error=error))
            else:
                lab.finish(lab.end(job))
        if not steps and not jobs and not lab.stopped:
            return


def retry(lab: Lab, run: int, family: str) -> int:
    with lab.turn() as turn:
        return reruns.retry_failed(lab.dispatcher, turn, run, lab.store.definition_of(run), family=family)


PLANS = {"a": ["a1", "a2", "a3"], "b": ["b1"], "c": ["c1"]}


def test_only_the_jobs_of_the_family_are_made_anew_and_every_step_behind(lab: Lab) -> None:
    run = lab.start(define("run", step("a"), step("b", "a"), step("c")))
    work(lab, PLANS, {"a1": "Timeout", "a2": "Parse"})

    again = retry(lab, run, "Timeout")
    work(lab, PLANS, {})

    assert set(lab.jobs_of(again, "a")) == {"a1"}
    assert set(lab.jobs_of(again, "b")) == {"b1"}
    assert lab.outcome(lab.step(again, "c").id) == ("completed", "reused")
    assert lab.outcome(again) == ("completed", None)


def test_all_families_when_none_is_named(lab: Lab) -> None:
    run = lab.start(define("run", step("a")))
    work(lab, PLANS, {"a1": "Timeout", "a2": "Parse"})

    with lab.turn() as turn:
        again = reruns.retry_failed(lab.dispatcher, turn, run, lab.store.definition_of(run))
    work(lab, PLANS, {})

    assert set(lab.jobs_of(again, "a")) == {"a1", "a2"}


def test_a_step_that_failed_otherwise_enters_as_it_ended(lab: Lab) -> None:
    run = lab.start(define("run", step("a"), step("b"), step("d", "b"), step("e", "a")))
    work(lab, PLANS, {"a1": "Timeout", "b1": "Parse"})
    assert lab.statuses(run) == {"a": "completed", "b": "failed", "d": "skipped", "e": "completed"}

    again = retry(lab, run, "Timeout")
    work(lab, PLANS, {})

    assert lab.statuses(again) == {"a": "completed", "b": "failed", "d": "skipped", "e": "completed"}
    assert set(lab.jobs_of(again, "a")) == {"a1"}
    assert lab.jobs_of(again, "b") == {}
    assert lab.record(again).has_errors


def test_a_kept_step_goes_on_telling_of_its_errors(lab: Lab) -> None:
    run = lab.start(define("run", step("a"), step("f")))
    work(lab, {**PLANS, "f": ["f1", "f2"]}, {"a1": "Timeout", "f1": "Parse"})

    again = retry(lab, run, "Timeout")
    work(lab, PLANS, {})

    assert lab.outcome(lab.step(again, "f").id) == ("completed", "reused")
    assert lab.record(lab.step(again, "f").id).has_errors
    assert lab.record(again).has_errors


def test_a_step_that_was_stopped_enters_with_the_family_alone(lab: Lab) -> None:
    tolerance = ErrorTolerance(max_child_failures=1, failure_action="stop_all")
    run = lab.start(define("run", step("a"), tolerance=tolerance))
    lab.plan(run, "a", ["a1", "a2", "a3"])
    [job] = lab.claim(1)
    lab.fail(job, error=PermanentError("broken"))
    lab.sweep()
    assert lab.outcome(run) == ("failed", "tolerance")

    again = retry(lab, run, "Broken")
    work(lab, PLANS, {})

    assert set(lab.jobs_of(again, "a")) == {"a1"}


def test_a_family_that_nothing_failed_of_is_refused(lab: Lab) -> None:
    run = lab.start(define("run", step("a")))
    work(lab, PLANS, {"a1": "Timeout"})

    with pytest.raises(Refused, match=r"no job of run .* failed of 'Parse'"):
        retry(lab, run, "Parse")


def test_an_active_run_is_refused(lab: Lab) -> None:
    run = lab.start(define("run", step("a")))
    lab.plan(run, "a", ["a1"])

    with pytest.raises(Refused, match="still active"):
        retry(lab, run, "Parse")


def test_a_retry_of_a_retry_takes_the_failed_ones_of_the_family(lab: Lab) -> None:
    run = lab.start(define("run", step("a")))
    work(lab, PLANS, {"a1": "Timeout", "a2": "Timeout", "a3": "Parse"})
    again = retry(lab, run, "Timeout")
    work(lab, PLANS, {"a2": "Timeout"})

    third = retry(lab, again, "Timeout")
    work(lab, PLANS, {})

    assert set(lab.jobs_of(third, "a")) == {"a2"}


def ignored(lab: Lab) -> list[tuple[int, str, str]]:
    return [tuple(row) for row in lab.rows("SELECT manager_id, family, ignored_by FROM ignored_families")]  # type: ignore[misc]


def test_a_family_is_looked_past_and_heeded_again(lab: Lab) -> None:
    run = lab.start(define("run", step("a")))
    work(lab, PLANS, {"a1": "Timeout"})

    with lab.turn() as turn:
        assert ignore_family(turn, run, "Timeout", "ann")
    with lab.turn() as turn:
        assert not ignore_family(turn, run, "Timeout", "ben")
    assert ignored(lab) == [(run, "Timeout", "ann")]
    assert SqlJobInsight(lab.store.readers).ignored_families() == {(run, "Timeout")}

    with lab.turn() as turn:
        assert heed_family(turn, run, "Timeout")
    with lab.turn() as turn:
        assert not heed_family(turn, run, "Timeout")
    assert ignored(lab) == []
    assert lab.outcome(lab.jobs_of(run, "a")["a1"].id)[0] == "failed", "the job stays what it is"


def test_only_what_failed_can_be_looked_past(lab: Lab) -> None:
    run = lab.start(define("run", step("a")))

    with pytest.raises(Refused, match="failed of 'Timeout'"), lab.turn() as turn:
        ignore_family(turn, run, "Timeout")
    with pytest.raises(NotFound), lab.turn() as turn:
        ignore_family(turn, 4711, "Timeout")
    with pytest.raises(NotFound), lab.turn() as turn:
        heed_family(turn, 4711, "Timeout")
