"""Why is this not running? One reason a test. On every backend."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from quaero.errors import NotFound, PermanentError, Snooze
from quaero.model.definition import Limits, Rate, RetryPolicy
from quaero.ports.jobs import Child
from quaero.queue.membership import as_text
from quaero.queue.why import Explainer, Reason, Why
from quaero.storage.insight import SqlJobInsight
from tests.engine_kit import BACKENDS, LEASE_S, TYPES, Lab, define, step

RETRY = RetryPolicy(max_attempts=3, backoff=30, jitter=False)
MakeLab = Callable[..., Lab]


@pytest.fixture(params=BACKENDS)
def make_lab(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MakeLab]:
    made: list[Lab] = []

    def make(**options: Any) -> Lab:
        made.append(Lab(request.param, tmp_path, **options))
        return made[-1]

    yield make
    for lab in made:
        lab.check()
        lab.close()


@pytest.fixture
def lab(make_lab: MakeLab) -> Lab:
    return make_lab()


def why(lab: Lab, job_id: int, **options: Any) -> Why:
    explainer = Explainer(
        lab.store,
        SqlJobInsight(lab.store.readers),
        lab.definitions,
        server_limits=lab.server,
        worker_types=options.get("types", TYPES),
        now=lab.clock.now,
    )
    return explainer.why(job_id)


def codes(lab: Lab, job_id: int, **options: Any) -> list[str]:
    return [reason.code for reason in why(lab, job_id, **options).reasons]


def only(lab: Lab, job_id: int, code: str) -> Reason:
    reasons = why(lab, job_id).reasons
    [found] = [reason for reason in reasons if reason.code == code]
    return found


def planned(lab: Lab, keys: list[str | Child], name: str = "run", **fields: Any) -> dict[str, int]:
    """A run with one planned step; its jobs by key."""
    run = lab.start(define(name, step("a", **fields), overlap="allow"))
    lab.plan(run, "a", keys)
    return lab.child_ids(lab.step(run, "a").id)


def at(lab: Lab, seconds: float = 0) -> datetime:
    return datetime.fromtimestamp(lab.clock.now() / 1e6 + seconds, UTC)


def test_an_unknown_job(lab: Lab) -> None:
    with pytest.raises(NotFound, match="no job 99"):
        why(lab, 99)


def test_what_has_ended_and_what_runs(lab: Lab) -> None:
    jobs = planned(lab, ["1", "2"])
    [first, second] = lab.claim()
    lab.complete(first)

    ended, running = only(lab, jobs["1"], "ended"), only(lab, jobs["2"], "running")
    assert "completed" in ended.message
    assert ended.since is not None
    assert running.process_id == lab.me
    assert f"node {lab.me} (host, pid 1)" in running.message
    assert running.since is not None
    assert codes(lab, second.manager_id) == ["running"]
    assert codes(lab, second.step_id) == ["running"]
    lab.complete(second)
    assert codes(lab, second.manager_id) == codes(lab, second.step_id) == ["ended"]


def test_a_run_queued_behind_another(lab: Lab) -> None:
    definition = define("run", step("a"), overlap="queue")
    first, second, third = (lab.start(definition) for _ in range(3))

    reason = only(lab, third, "run_queued")
    assert (reason.job_id, reason.ahead) == (first, 2)
    assert f"waits for the end of run {first}" in reason.message
    assert codes(lab, third) == ["run_queued"]
    assert codes(lab, lab.step(second, "a").id)[0] == "run_queued"


def test_a_paused_run(lab: Lab) -> None:
    jobs = planned(lab, ["1"])
    run = lab.record(jobs["1"]).manager_id
    lab.pause(run)

    reason = only(lab, jobs["1"], "run_paused")
    assert reason.job_id == run
    assert reason.since is not None
    assert codes(lab, jobs["1"]) == ["run_paused"]
    assert codes(lab, run) == ["run_paused", "running"]


def test_a_run_that_is_part_of_a_paused_one(lab: Lab) -> None:
    run = lab.start(define("run", step("a"), pre_jobs=("child",)), [define("child", step("c"))])
    [child] = [r for r in lab.runs() if r != run]
    lab.pause(run)

    reasons = why(lab, lab.step(child, "c").id).reasons
    assert [(r.code, r.job_id) for r in reasons] == [("run_paused", run), ("run_paused", child)]
    assert "of which this is a part" in reasons[0].message


def test_a_run_that_is_being_cancelled(lab: Lab) -> None:
    jobs = planned(lab, ["1", "2"])
    [job] = lab.claim(1)
    lab.cancel(job.manager_id)

    assert codes(lab, jobs["2"]) == ["stopping"]
    assert "cancelled by a user" in only(lab, jobs["2"], "stopping").message
    lab.sweep()
    lab.finish(lab.end(job, "cancelled"))


def test_a_step_that_waits_for_others_and_for_its_condition(lab: Lab) -> None:
    run = lab.start(define("run", step("a"), step("b"), step("c", "a", "b", condition="{a.status} == 'completed'")))
    lab.plan(run, "a", ["1", "2"])
    lab.complete(*lab.claim(1))

    reasons = why(lab, lab.step(run, "c").id).reasons
    assert [(r.code, r.job_id) for r in reasons] == [
        ("waits_for_step", lab.step(run, "a").id),
        ("waits_for_step", lab.step(run, "b").id),
        ("condition_open", lab.step(run, "c").id),
    ]
    assert "running (1 of 2 jobs have ended)" in reasons[0].message
    assert "{a.status} == 'completed'" in reasons[2].message


def test_a_step_that_finds_no_place_among_the_parallel_ones(lab: Lab) -> None:
    run = lab.start(define("run", step("a"), step("b"), max_parallel_steps=1))

    reason = only(lab, lab.step(run, "b").id, "parallel_steps")
    assert reason.job_id == lab.step(run, "a").id
    assert codes(lab, lab.step(run, "b").id) == ["parallel_steps"]


def test_a_job_that_waits_for_its_next_try(lab: Lab) -> None:
    jobs = planned(lab, ["1"], retry=RETRY)
    lab.fail(*lab.claim())

    reason = only(lab, jobs["1"], "back_off")
    assert reason.until == reason.estimated_start == why(lab, jobs["1"]).estimated_start
    assert reason.until is not None
    assert 29 < (reason.until - at(lab)).total_seconds() <= 30
    assert "failed once" in reason.message
    assert codes(lab, lab.record(jobs["1"]).manager_id) == [
        "running",
        "running",
        "back_off",
    ], "nothing of it is ready"


def test_a_job_that_asked_for_a_pause(lab: Lab) -> None:
    jobs = planned(lab, ["1"])
    [job] = lab.claim()
    assert Snooze(60).delay.total_seconds() == 60
    lab.finish(lab.end(job, "snoozed", delay_us=60_000_000))

    reason = only(lab, jobs["1"], "snoozed")
    assert reason.until is not None
    assert 59 < (reason.until - at(lab)).total_seconds() <= 60


def test_a_plan_that_is_made_again_later(lab: Lab) -> None:
    run = lab.start(define("run", step("a", retry=RETRY)))
    lab.fail_plan(lab.claim_step(run, "a"), ValueError("not yet"))

    assert "planning it again" in only(lab, lab.step(run, "a").id, "back_off").message


def test_a_limit_on_concurrency_names_who_holds_it(lab: Lab) -> None:
    jobs = planned(lab, ["1", "2"], worker_type="capped", limits=Limits(concurrency=1))
    [held] = lab.claim()

    reason = only(lab, jobs["2"], "limiter_full")
    assert (reason.limiter, reason.key) == ("capped", None)
    assert [(h.job_id, h.process_id) for h in reason.holders] == [(held.id, lab.me)]
    assert f"1 of at most 1 capped jobs run: job {held.id} since" in reason.message
    assert codes(lab, jobs["2"]) == ["limiter_full"]


def test_a_limit_by_key_is_that_key_s_own(lab: Lab) -> None:
    limits = Limits(concurrency=1, key="{host}")
    keys: list[str | Child] = [Child("1", limit_key="x"), Child("2", limit_key="x"), Child("3", limit_key="y")]
    jobs = planned(lab, keys, worker_type="keyed", limits=limits)
    [held] = lab.claim(1)
    assert held.key == "1"

    reason = only(lab, jobs["2"], "limiter_full")
    assert (reason.key, [h.job_id for h in reason.holders]) == ("x", [held.id])
    assert "limiter_full" not in codes(lab, jobs["3"])


def test_the_server_s_limit_counts_over_all_keys(make_lab: MakeLab) -> None:
    lab = make_lab(server={"keyed": Limits(concurrency=1)})
    limits = Limits(concurrency=5, key="{host}")
    jobs = planned(lab, [Child("1", limit_key="x"), Child("2", limit_key="y")], worker_type="keyed", limits=limits)
    [held] = lab.claim()
    assert held.key == "1"

    reason = only(lab, jobs["2"], "limiter_full")
    assert reason.key is None


def test_a_rate_names_the_time_of_the_next_token(lab: Lab) -> None:
    jobs = planned(lab, ["1", "2", "3"], worker_type="rated", limits=Limits(rate=Rate(1, 60)))
    [held] = lab.claim()

    second, third = only(lab, jobs["2"], "rate_limited"), only(lab, jobs["3"], "rate_limited")
    assert second.until == third.until
    assert second.until is not None
    assert 59 < (second.until - at(lab)).total_seconds() <= 61
    assert (second.ahead, third.ahead) == (0, 1)
    assert third.estimated_start is not None
    assert second.estimated_start == second.until
    assert (third.estimated_start - third.until).total_seconds() == pytest.approx(60)
    assert held.key == "1"


def test_no_node_executes(lab: Lab) -> None:
    jobs = planned(lab, ["1"])
    lab.lease_clock.advance(LEASE_S + 1)

    assert codes(lab, jobs["1"]) == ["no_node"]
    assert lab.process(draining=1)
    assert "being stopped" in only(lab, jobs["1"], "no_node").message


def test_no_node_with_the_capability(lab: Lab) -> None:
    lab.needs["a"] = ("browser",)
    run = lab.start(define("run", step("a")))

    reason = only(lab, lab.step(run, "a").id, "no_capability")
    assert reason.capability == "browser"
    assert "can't be planned" in reason.message
    assert "no_capability" in codes(lab, run), "the run waits for what its step waits for"

    lab.process(capabilities=as_text(["browser"]))
    assert codes(lab, lab.step(run, "a").id) == ["about_to_start"]


def test_a_job_that_needs_more_than_its_step(lab: Lab) -> None:
    jobs = planned(lab, ["1", Child("2", needs="gpu")])

    assert codes(lab, jobs["1"]) == ["about_to_start"]
    assert only(lab, jobs["2"], "no_capability").capability == "gpu"


def test_a_worker_type_that_is_not_installed_here(lab: Lab) -> None:
    jobs = planned(lab, ["1"])

    assert codes(lab, jobs["1"], types=["other"]) == ["no_worker_type", "about_to_start"]


def test_all_slots_are_busy(lab: Lab) -> None:
    jobs = planned(lab, [str(i) for i in range(10)])
    other = planned(lab, [str(i) for i in range(3)], "other")
    urgent = planned(lab, [Child("u", priority=9)], "urgent")
    claimed = lab.claim(4)
    assert len(claimed) == 4
    ready = [key for key, id_ in jobs.items() if lab.record(id_).status == "pending"]

    first, last = only(lab, jobs[ready[0]], "slots_busy"), only(lab, jobs[ready[-1]], "slots_busy")
    assert "4 of 4 slots are busy" in first.message
    left = [id_ for id_ in (*other.values(), *urgent.values()) if lab.record(id_).status == "pending"]
    assert (first.ahead, last.ahead) == (0, len(ready) - 1 + len(left))
    assert first.estimated_start is None, "nothing of it has ended yet"


def test_when_it_will_start_at_the_rate_of_its_step(lab: Lab) -> None:
    jobs = planned(lab, [str(i) for i in range(20)])
    claimed = lab.claim(4)
    lab.clock.advance(8)
    lab.complete(*claimed)
    lab.claim(4)

    reason = only(lab, jobs["19"], "slots_busy")
    assert reason.ahead == 11
    assert reason.estimated_start is not None
    assert (reason.estimated_start - at(lab)).total_seconds() == pytest.approx(24, abs=0.1)


def test_a_free_slot_is_taken_soon(lab: Lab) -> None:
    jobs = planned(lab, ["1"])

    assert codes(lab, jobs["1"]) == ["about_to_start"]


def test_jobs_that_were_lost_twice_run_one_at_a_time(lab: Lab) -> None:
    jobs = planned(lab, ["1", "2"])
    for _ in range(2):
        lab.lose(*lab.claim())
    [held] = lab.claim()

    reason = only(lab, jobs[{"1": "2", "2": "1"}[held.key]], "suspect")
    assert "lost 2 times" in reason.message
    assert [h.job_id for h in reason.holders] == [held.id]


def test_steps_that_wait_to_be_planned(lab: Lab) -> None:
    first = lab.start(define("one", step("a")))
    second = lab.start(define("two", step("a")))

    assert codes(lab, lab.step(first, "a").id) == ["about_to_start"]
    assert only(lab, lab.step(second, "a").id, "waits_for_planning").ahead == 1
    held = lab.claim_step(first, "a")
    assert "1 steps are being planned" in only(lab, lab.step(second, "a").id, "waits_for_planning").message
    assert "is being planned" in only(lab, held.id, "running").message


def test_a_run_says_what_its_jobs_wait_for(lab: Lab) -> None:
    jobs = planned(lab, ["1", "2"], worker_type="rated", limits=Limits(rate=Rate(1, 60)))
    lab.complete(*lab.claim())
    run = lab.record(jobs["2"]).manager_id

    assert codes(lab, run) == ["running", "running", "rate_limited"]
    assert codes(lab, lab.step(run, "a").id) == ["running", "rate_limited"]


def test_a_step_that_is_being_stopped(lab: Lab) -> None:
    run = lab.start(define("run", step("a"), step("b")))
    lab.plan(run, "a", ["1"])
    job = lab.claim_step(run, "b")
    lab.expand(job, ["2"])
    lab.claim()
    lab.fail_plan(job, PermanentError("no"))

    assert codes(lab, lab.step(run, "b").id)[0] == "stopping"


def test_nothing_is_written(lab: Lab) -> None:
    jobs = planned(lab, ["1"])
    before = lab.store.statements
    why(lab, jobs["1"])

    assert lab.store.statements - before < 20
