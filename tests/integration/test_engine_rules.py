"""What the engine promises, one behaviour a test. Runs on every backend (the ``lab`` fixture)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from quaero.errors import PermanentError, Refused, RetryAfter, StaleClaim
from quaero.model.definition import ErrorTolerance, Limits, Rate, RetryPolicy
from quaero.model.document import draft
from quaero.ports.jobs import Child, Held
from quaero.queue import reruns
from quaero.queue.attempts import finish
from quaero.queue.claims import LEAST_SHARE
from tests.engine_kit import BACKENDS, LEASE_S, SECOND, Job, Lab, define, spawned, step

RETRY_3 = RetryPolicy(max_attempts=3, backoff=2, jitter=False)
STOP_ALL = "stop_all"


@pytest.fixture(params=BACKENDS)
def lab(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Lab]:
    lab = Lab(request.param, tmp_path)
    yield lab
    lab.check()
    lab.close()


def one_step(
    lab: Lab, keys: list[Any], *, name: str = "run", settings: dict[str, Any] | None = None, **fields: Any
) -> int:
    """A run of one planned step."""
    run = lab.start(define(name, step("a", **fields), **(settings or {})))
    lab.plan(run, "a", keys)
    return run


def keys(jobs: list[Job]) -> list[str]:
    return [job.key for job in jobs]


# a run from end to end


def test_a_run_ends_completed_when_its_steps_are(lab: Lab) -> None:
    run = lab.start(define("run", step("a"), step("b", "a")))

    lab.drive(plans={"a": ["1", "2"], "b": ["3"]})

    assert lab.outcome(run) == ("completed", None)
    assert lab.record(run).counters.total == 3, "a manager counts the worker jobs of all its steps, not the steps"
    assert lab.record(run).counters.completed == 3


def test_a_step_without_jobs_is_completed_with_nothing_to_do(lab: Lab) -> None:
    run = one_step(lab, [])

    assert lab.outcome(run) == ("completed", None)
    assert lab.record(lab.step(run, "a").id).message == "nothing to do"


def test_a_step_starts_when_those_it_depends_on_are_completed(lab: Lab) -> None:
    run = lab.start(define("run", step("a"), step("b"), step("c", "a", "b")))
    lab.plan(run, "a", ["1"])
    lab.plan(run, "b", ["2"])
    first, second = lab.claim()

    lab.complete(first)
    assert not lab.claim_steps()
    lab.complete(second)

    assert [claimed.id for claimed in lab.claim_steps()] == [lab.step(run, "c").id]


def test_no_more_steps_run_at_once_than_allowed(lab: Lab) -> None:
    run = lab.start(define("run", *[step(name) for name in "abcd"], max_parallel_steps=2))

    assert [claimed.id for claimed in lab.claim_steps()] == [lab.step(run, name).id for name in "ab"]


def test_a_run_is_pending_until_its_first_step_is_planned(lab: Lab) -> None:
    run = lab.start(define("run", step("a")))
    assert lab.outcome(run) == ("pending", None)

    lab.claim_steps()

    assert lab.outcome(run) == ("running", None)


def test_a_disabled_definition_is_refused(lab: Lab) -> None:
    with pytest.raises(Refused, match="disabled"):
        lab.start(define("run", step("a"), enabled=False))


# planning


def test_a_step_closes_only_when_it_is_sealed(lab: Lab) -> None:
    run = lab.start(define("run", step("a")))
    held = lab.claim_step(run, "a")
    lab.expand(held, ["1"])
    lab.complete(*lab.claim())
    assert lab.outcome(run) == ("running", None)

    lab.seal(held)

    assert lab.outcome(run) == ("completed", None)


def test_a_repeated_chunk_makes_no_job_twice(lab: Lab) -> None:
    run = lab.start(define("run", step("a")))
    held = lab.claim_step(run, "a")

    assert lab.expand(held, ["1", "2", "2"]) == 2
    assert lab.expand(held, ["2", "3", "1"]) == 1

    assert lab.step(run, "a").total == 3
    assert sorted(lab.jobs_of(run, "a")) == ["1", "2", "3"]


def test_a_plan_cut_off_by_a_crash_is_made_again_from_the_start(lab: Lab) -> None:
    run = lab.start(define("run", step("a")))
    lost = lab.claim_step(run, "a")
    lab.expand(lost, ["1", "2"])
    lab.rescue(dead=[lab.me])
    lab.me = lab.process()

    with pytest.raises(StaleClaim):
        lab.expand(lost, ["3"])
    lab.plan(run, "a", ["1", "2", "3"])

    lab.drive()
    assert lab.record(run).counters.completed == 3


def test_a_lost_plan_cannot_seal(lab: Lab) -> None:
    run = lab.start(define("run", step("a")))
    lost = lab.claim_step(run, "a")
    lab.rescue(dead=[lab.me])
    lab.me = lab.process()
    lab.claim_step(run, "a")

    with pytest.raises(StaleClaim):
        lab.seal(lost)

    assert lab.outcome(run) == ("running", None)


def test_a_failed_plan_fails_the_step_and_cancels_the_jobs_made(lab: Lab) -> None:
    run = lab.start(define("run", step("a"), step("b", "a")))
    held = lab.claim_step(run, "a")
    lab.expand(held, ["1", "2", "3"])
    (running,) = lab.claim(1)

    lab.fail_plan(held, PermanentError("no such folder"))
    lab.sweep()
    assert lab.statuses(run) == {"a": "running", "b": "pending"}, "one job still runs"
    lab.complete(running)

    assert lab.outcome(lab.step(run, "a").id) == ("failed", "permanent")
    assert {job.status for job in lab.jobs_of(run, "a").values()} == {"completed", "cancelled"}
    assert lab.outcome(lab.step(run, "b").id) == ("skipped", "dependency")
    assert lab.outcome(run) == ("failed", "error")


def test_a_failed_plan_is_tried_again_by_the_steps_policy(lab: Lab) -> None:
    run = lab.start(define("run", step("a", retry=RETRY_3)))

    for failures, delay in enumerate((2, 4)):
        held = lab.claim_step(run, "a")
        lab.fail_plan(held, ValueError("not yet"), failures)
        assert not lab.claim_steps()
        lab.advance(delay)
    assert lab.step(run, "a").failures == 2
    lab.fail_plan(lab.claim_step(run, "a"), ValueError("never"), 2)

    assert lab.outcome(lab.step(run, "a").id) == ("failed", "exhausted")
    assert lab.outcome(run) == ("failed", "error")


def test_a_plan_that_is_to_be_tried_again_does_not_outlive_its_cancelled_run(lab: Lab) -> None:
    run = lab.start(define("run", step("a", retry=RETRY_3)))
    held = lab.claim_step(run, "a")

    lab.cancel(run)
    lab.fail_plan(held, ValueError("at the same moment"))

    assert lab.outcome(run) == ("cancelled", "user")


def test_a_plan_given_up_closes_the_step_of_a_cancelled_run(lab: Lab) -> None:
    run = lab.start(define("run", step("a")))
    held = lab.claim_step(run, "a")
    lab.cancel(run)

    with lab.turn() as turn:
        lab.dispatcher.planning_stopped(turn, held)

    assert lab.outcome(run) == ("cancelled", "user")


def test_a_plan_given_up_by_a_process_that_loses_its_lease_is_made_by_another(lab: Lab) -> None:
    run = lab.start(define("run", step("a")))
    held = lab.claim_step(run, "a")

    with lab.turn() as turn:
        lab.dispatcher.planning_stopped(turn, held)
    lab.rescue(dead=[lab.me])

    assert lab.claim_step(run, "a").attempt == 2


def test_a_plan_that_fails_after_its_steps_time_is_up_closes_the_step(lab: Lab) -> None:
    run = lab.start(define("run", step("a", timeout=60)))
    held = lab.claim_step(run, "a")
    lab.advance(60)

    lab.fail_plan(held)

    assert lab.outcome(lab.step(run, "a").id) == ("failed", "timeout")
    assert lab.outcome(run) == ("failed", "error")


def test_a_plan_that_kills_its_process_ten_times_fails_the_step(lab: Lab) -> None:
    run = lab.start(define("run", step("a")))
    for _ in range(9):
        lab.claim_step(run, "a")
        lab.rescue(dead=[lab.me])
        lab.me = lab.process()
    assert lab.outcome(lab.step(run, "a").id) == ("pending", None)

    lab.claim_step(run, "a")
    lab.rescue(dead=[lab.me])

    assert lab.outcome(lab.step(run, "a").id) == ("failed", "crash_loop")
    assert lab.outcome(run) == ("failed", "error")


# attempts and the fence


def test_a_lost_claim_cannot_complete_the_job(lab: Lab) -> None:
    run = one_step(lab, ["1"])
    (lost,) = lab.claim()
    lab.lose(lost)
    (held,) = lab.claim()

    assert lab.complete(lost) == 1
    assert lab.outcome(run) == ("running", None)
    assert lab.complete(held) == 0

    assert lab.outcome(run) == ("completed", None)


def test_what_a_refused_attempt_carried_is_dropped(lab: Lab) -> None:
    run = one_step(lab, ["1"])
    (lost,) = lab.claim()
    lab.lose(lost)
    (held,) = lab.claim()
    page = lab.documents(lost, draft("page", "1", title="stale", content=""))

    assert lab.finish(lab.end(lost, documents=page, children=spawned(lost, "2"), result={"stale": True})) == 1
    assert lab.complete(held) == 0

    assert list(lab.jobs_of(run, "a")) == ["1"]
    assert lab.record(held.id).result == {}
    assert lab.rows("SELECT count(*) FROM documents") == [(0,)]
    assert lab.rows("SELECT count(*) FROM events WHERE type = 'job.refused'") == [(1,)]


def test_an_outcome_handed_over_twice_counts_once(lab: Lab) -> None:
    run = one_step(lab, ["1", "2"])
    first, _ = lab.claim()

    assert lab.complete(first) == 0
    assert lab.complete(first) == 1

    assert lab.step(run, "a").completed == 1


def test_an_outcome_twice_in_one_batch_counts_once(lab: Lab) -> None:
    run = one_step(lab, ["1", "2", "3"])
    first, second, _ = lab.claim()

    assert lab.finish(done=[first, first]) == 1
    assert lab.finish(lab.end(second, "cancelled"), lab.end(second)) == 1, "the first one stands"

    assert lab.status(second.id) == "cancelled"
    assert lab.step(run, "a").running == 1


def test_a_stale_and_a_good_attempt_of_one_job_in_one_batch_are_told_apart(lab: Lab) -> None:
    run = one_step(lab, ["1", "2"])
    stale = lab.claim(2)
    lab.lose(*stale)
    first, second = sorted(lab.claim(2))

    assert lab.finish(lab.failure(stale[1]), lab.end(second), done=[stale[0], first]) == 2

    assert lab.outcome(run) == ("completed", None)
    assert lab.step(run, "a").completed == 2


def test_a_terminal_status_never_changes(lab: Lab) -> None:
    run = one_step(lab, ["1", "2"])
    done, failed = lab.claim()
    lab.finish(lab.failure(failed), done=[done])
    before = [lab.record(job.id) for job in (done, failed)], lab.record(run)

    lab.clock.advance(60)
    refused = [
        lab.finish(lab.end(failed)),
        lab.finish(lab.failure(done)),
        lab.finish(lab.end(done, "snoozed", delay_us=SECOND)),
        lab.finish(lab.end(failed, "released")),
        lab.finish(lab.end(done, "cancelled")),
    ]
    lab.rescue(dead=[lab.me])
    with pytest.raises(Refused):
        lab.cancel(run)
    with pytest.raises(Refused):
        lab.pause(run)
    with pytest.raises(Refused):
        lab.resume(run)

    assert refused == [1] * 5
    assert ([lab.record(job.id) for job in (done, failed)], lab.record(run)) == before


def test_the_third_failing_attempt_is_a_dead_letter_and_fails_the_step(lab: Lab) -> None:
    run = one_step(lab, ["1"], retry=RETRY_3)

    for delay in (2, 4):
        (job,) = lab.claim()
        lab.fail(job)
        lab.advance(delay - 0.001)
        assert not lab.claim()
        lab.advance(0.001)
    (job,) = lab.claim()
    lab.fail(job)

    assert lab.outcome(job.id) == ("failed", "exhausted")
    assert [letter.id for letter in lab.store.failed_children(run, 10)] == [job.id]
    assert [attempt["outcome"] for attempt in lab.store.attempts(job.id)] == ["retried", "retried", "failed"]
    assert lab.step(run, "a").retried == 2
    assert lab.outcome(run) == ("failed", "error")


def test_snooze_drain_and_a_lost_lease_use_up_no_attempt(lab: Lab) -> None:
    run = one_step(lab, ["1"], retry=RetryPolicy(max_attempts=2, backoff=0))
    (job,) = lab.claim()
    lab.finish(lab.end(job, "snoozed", delay_us=5 * SECOND))
    lab.advance(5)
    (job,) = lab.claim()
    lab.finish(lab.end(job, "released"))
    (job,) = lab.claim()
    lab.lose(job)
    (job,) = lab.claim()
    lab.fail(job)
    lab.advance(0)
    (job,) = lab.claim()

    record = lab.record(job.id)
    assert (record.attempt, record.failures, record.rescues) == (5, 1, 1)
    lab.complete(job)
    assert lab.outcome(run) == ("completed", None)


def test_retry_after_waits_at_least_as_long_as_it_says(lab: Lab) -> None:
    one_step(lab, ["1"], retry=RETRY_3)
    (job,) = lab.claim()

    lab.fail(job, error=RetryAfter(timedelta(minutes=5)))

    lab.advance(299)
    assert not lab.claim()
    lab.advance(1)
    assert lab.claim()


def test_spawned_siblings_keep_their_step_open(lab: Lab) -> None:
    run = one_step(lab, ["1"])
    (job,) = lab.claim()

    lab.finish(lab.end(job, children=spawned(job, "2", "3", "1")))

    made = lab.jobs_of(run, "a")
    assert lab.step(run, "a").total == 3, "the key of the job itself is taken already"
    assert (made["2"].depth, made["2"].spawned_by) == (1, job.id)
    lab.drive()
    assert lab.outcome(run) == ("completed", None)


def test_documents_commit_with_the_completion_and_are_counted_once_a_run(lab: Lab) -> None:
    run = lab.start(define("run", step("a"), step("b", "a")))
    lab.plan(run, "a", ["1", "2"])
    jobs = lab.claim()
    page = [draft("page", "same", title="t", content="c")]
    lab.finish(*[lab.end(job, documents=lab.documents(job, *page)) for job in jobs])

    assert lab.step(run, "a").document_count == 1
    assert lab.record(jobs[0].id).document_count == 1
    assert lab.record(run).document_count == 1


# leases


def test_jobs_of_a_process_whose_lease_ran_out_are_claimed_by_another(lab: Lab) -> None:
    one_step(lab, ["1"])
    (lost,) = lab.claim()
    other = lab.process()
    lab.lease_clock.advance(LEASE_S - 1)
    lab.renew(other)
    assert lab.rescue(other) == 0

    lab.lease_clock.advance(1)

    assert lab.rescue(other) == 1
    (held,) = lab.claim(process=other)
    assert (held.id, held.attempt) == (lost.id, lost.attempt + 1)
    assert not lab.renew(lab.me), "it learns that it was taken for dead"


def test_a_renewed_lease_keeps_its_jobs_however_long_they_run(lab: Lab) -> None:
    one_step(lab, ["1"])
    (job,) = lab.claim()

    for _ in range(20):
        lab.lease_clock.advance(LEASE_S / 4)
        lab.clock.advance(LEASE_S / 4)
        assert lab.renew(lab.me)
        assert lab.rescue() == 0

    assert not lab.claim()
    assert lab.complete(job) == 0


def test_a_set_wall_clock_loses_no_job(lab: Lab) -> None:
    one_step(lab, ["1"])
    (job,) = lab.claim()

    for hours in (1, -2, 1):
        lab.advance(hours * 3600)
        assert lab.rescue(lab.process()) == 0

    assert lab.complete(job) == 0


def test_a_job_held_by_a_process_without_a_row_is_rescued(lab: Lab) -> None:
    one_step(lab, ["1"])
    (job,) = lab.claim()
    with lab.turn() as turn:
        turn.tx.remove_process(lab.me)

    assert lab.rescue(lab.process()) == 1

    assert lab.claim()[0].id == job.id


def test_the_tenth_lost_lease_fails_the_job(lab: Lab) -> None:
    run = one_step(lab, ["bad", "good"])
    lab.complete(*[job for job in lab.claim() if job.key == "good"])
    lab.rescue(dead=[lab.me])
    for _ in range(8):
        lab.me = lab.process()
        assert keys(lab.claim()) == ["bad"]
        lab.rescue(dead=[lab.me])
    lab.me = lab.process()
    (job,) = lab.claim()
    assert lab.record(job.id).rescues == 9

    lab.rescue(dead=[lab.me])

    assert lab.outcome(job.id) == ("failed", "crash_loop")
    assert lab.record(job.id).error is not None
    assert lab.outcome(run) == ("completed", None)
    assert lab.record(run).has_errors


@pytest.mark.parametrize("limit_key", [None, "host"])
def test_jobs_lost_twice_come_one_at_a_time(lab: Lab, limit_key: str | None) -> None:
    made = [Child(key, limit_key=limit_key) for key in ("1", "2", "3", "4")]
    limits = Limits(concurrency=100, key="{payload.key}") if limit_key else Limits()
    one_step(lab, made[:3], limits=limits)
    for _ in range(2):
        lab.lose(*lab.claim())

    first = lab.claim()
    while_it_runs = lab.claim(suspects=False)
    lab.complete(*first)
    second = lab.claim()

    assert len(first) == 1
    assert while_it_runs == []
    assert len(second) == 1


def test_a_suspect_does_not_hold_up_good_jobs(lab: Lab) -> None:
    run = one_step(lab, ["1"])
    for _ in range(2):
        lab.lose(*lab.claim())
    (suspect,) = lab.claim()
    lab.finish(lab.end(suspect, "released"))
    other = lab.start(define("other", step("a")))
    lab.plan(other, "a", ["2", "3"])

    assert sorted(keys(lab.claim(suspects=False))) == ["2", "3"]
    assert keys(lab.claim()) == ["1"]
    assert run != other


# how steps and runs end


def test_a_run_fails_when_all_its_jobs_failed(lab: Lab) -> None:
    run = one_step(lab, ["1", "2"])

    lab.fail(*lab.claim())

    assert lab.outcome(lab.step(run, "a").id) == ("failed", "error")
    assert lab.outcome(run) == ("failed", "error")


def test_one_failed_job_of_ten_leaves_the_run_completed_with_errors(lab: Lab) -> None:
    run = one_step(lab, [str(n) for n in range(10)])
    bad, *good = lab.claim()

    lab.finish(lab.failure(bad), done=good)

    assert lab.outcome(run) == ("completed", None)
    assert lab.record(run).has_errors
    assert lab.record(lab.step(run, "a").id).has_errors
    assert [job.id for job in lab.store.failed_children(run, 10)] == [bad.id]


def test_a_job_that_cancels_itself_is_no_error(lab: Lab) -> None:
    run = one_step(lab, ["1"])

    lab.finish(lab.end(lab.claim()[0], "cancelled"))

    assert lab.outcome(lab.step(run, "a").id) == ("cancelled", None)
    assert lab.outcome(run)[0] == "completed"
    assert not lab.record(run).has_errors


def test_on_error_continue_skips_the_dependants_only(lab: Lab) -> None:
    run = lab.start(define("run", step("a"), step("b", "a"), step("c", "b"), step("d")))

    lab.drive(fail=["a"])

    assert lab.statuses(run) == {"a": "failed", "b": "skipped", "c": "skipped", "d": "completed"}
    assert lab.outcome(run) == ("completed", None)
    assert lab.record(run).has_errors


def test_a_skipped_step_never_keeps_a_run_open(lab: Lab) -> None:
    run = lab.start(define("run", step("a", condition='config.mode == "on"'), step("b", "a"), step("c", "b")))

    lab.drive()

    assert lab.outcome(lab.step(run, "a").id) == ("skipped", "condition")
    assert lab.outcome(lab.step(run, "b").id) == ("skipped", "dependency")
    assert lab.outcome(run) == ("completed", None)


def test_a_condition_sees_what_the_steps_before_made(lab: Lab) -> None:
    wanted = step("b", "a", condition="steps.a.documents > 0 and steps.a.status == 'completed'")
    run = lab.start(define("run", step("a"), wanted))
    lab.plan(run, "a", ["1"])
    (job,) = lab.claim()
    lab.finish(lab.end(job, documents=lab.documents(job, draft("page", "1", title="t", content="c"))))

    lab.drive()

    assert lab.statuses(run) == {"a": "completed", "b": "completed"}


def test_on_error_fail_skips_what_has_not_started_and_lets_the_rest_finish(lab: Lab) -> None:
    steps = [step("a", on_error="fail"), step("b"), step("c", "a"), step("d", "b")]
    run = lab.start(define("run", *steps))
    lab.plan(run, "a", ["a"])
    lab.plan(run, "b", ["b"])
    bad, good = lab.claim()

    lab.fail(bad)
    assert lab.statuses(run) == {"a": "failed", "b": "running", "c": "skipped", "d": "skipped"}
    lab.complete(good)

    assert lab.statuses(run)["b"] == "completed"
    assert lab.outcome(run) == ("failed", "error")


def test_a_step_that_waits_to_be_planned_is_skipped_when_the_run_is_failing(lab: Lab) -> None:
    run = lab.start(define("run", step("a", on_error="fail"), step("b", worker_type="other")))
    (claimed,) = lab.claim_steps(types=["work"])
    held = Held(claimed.id, claimed.attempt)
    lab.expand(held, ["a"])
    lab.seal(held)

    lab.fail(*lab.claim())

    assert lab.statuses(run) == {"a": "failed", "b": "skipped"}
    assert lab.outcome(run) == ("failed", "error")


def test_an_always_run_step_runs_after_a_failure(lab: Lab) -> None:
    steps = [step("a", on_error="fail"), step("b", "a"), step("mail", "a", "b", always_run=True)]
    run = lab.start(define("run", *steps))

    lab.drive(fail=["a"])

    assert lab.statuses(run) == {"a": "failed", "b": "skipped", "mail": "completed"}
    assert lab.outcome(run) == ("failed", "error")


def test_on_error_retry_used_up_fails_the_run(lab: Lab) -> None:
    run = lab.start(define("run", step("a", on_error="retry", retry=RETRY_3), step("b")))
    lab.plan(run, "a", ["1"])
    lab.plan(run, "b", ["2"])
    for delay in (2, 4, 0):
        jobs = lab.claim()
        lab.finish(*[lab.failure(j) if j.key == "1" else lab.end(j) for j in jobs])
        lab.advance(delay)

    assert lab.statuses(run) == {"a": "failed", "b": "completed"}
    assert lab.outcome(run) == ("failed", "error")


def test_a_fatal_step_cancels_what_runs_and_skips_what_depends_on_it(lab: Lab) -> None:
    steps = [step("a", on_error="fatal"), step("b"), step("c", "a"), step("mail", "a", always_run=True)]
    run = lab.start(define("run", *steps))
    lab.plan(run, "a", ["a"])
    lab.plan(run, "b", ["b1", "b2"])
    bad, running = sorted(lab.claim(2), key=lambda job: job.key)

    lab.fail(bad)
    lab.sweep()
    lab.finish(lab.end(running, "cancelled"))

    assert lab.statuses(run) == {"a": "failed", "b": "cancelled", "c": "skipped", "mail": "skipped"}
    assert lab.outcome(run) == ("failed", "fatal")


def test_a_step_of_a_reused_run_ends_its_run_like_one_that_ran(lab: Lab) -> None:
    run = lab.start(define("run", step("a"), step("b", "a")))
    lab.drive(fail=["b"])
    assert lab.outcome(run) == ("completed", None)

    again = rerun_failed(lab, run)
    lab.drive(fail=["b"])

    assert lab.statuses(again) == {"a": "completed", "b": "failed"}
    assert lab.outcome(again) == ("completed", None)
    assert lab.record(again).has_errors


# error tolerance


def test_stop_all_fires_at_the_nth_failure(lab: Lab) -> None:
    tolerance = ErrorTolerance(max_child_failures=3, failure_action=STOP_ALL)
    run = one_step(lab, [str(n) for n in range(9)], settings={"tolerance": tolerance})
    jobs = lab.claim(5)
    lab.fail(jobs[0], jobs[1])
    lab.sweep()
    assert lab.outcome(run) == ("running", None)

    lab.fail(jobs[2])
    lab.sweep()
    assert lab.outcome(run) == ("running", None), "two jobs still run"
    lab.finish(lab.end(jobs[3], "cancelled"), done=[jobs[4]])

    assert lab.outcome(run) == ("failed", "tolerance")
    counters = lab.record(run).counters
    assert (counters.failed, counters.cancelled, counters.completed) == (3, 5, 1)


def test_tolerance_counts_over_the_whole_run_and_over_a_whole_turn(lab: Lab) -> None:
    tolerance = ErrorTolerance(max_child_failures=3, failure_action=STOP_ALL)
    run = lab.start(define("run", step("a"), step("b"), tolerance=tolerance))
    lab.plan(run, "a", ["1", "2"])
    lab.plan(run, "b", ["3", "4"])
    jobs = lab.claim()
    failures = [lab.failure(job) for job in jobs[:3]]

    with lab.turn() as turn:
        for failure in failures:
            finish(turn, [], [failure], lab.me, lab.dispatcher.job_monitor.children_failed)
    lab.sweep()
    lab.complete(jobs[3])

    assert lab.outcome(run) == ("failed", "tolerance")


def test_an_attempt_that_is_tried_again_is_no_failure(lab: Lab) -> None:
    tolerance = ErrorTolerance(max_child_failures=1, failure_action=STOP_ALL)
    run = one_step(lab, ["1"], retry=RETRY_3, settings={"tolerance": tolerance})

    lab.fail(*lab.claim())
    lab.advance(2)

    lab.complete(*lab.claim())
    assert lab.outcome(run) == ("completed", None)


def test_mark_warning_leaves_the_run_completed_with_errors(lab: Lab) -> None:
    tolerance = ErrorTolerance(max_child_failures=1, failure_action="mark_warning")
    run = one_step(lab, ["1", "2"], settings={"tolerance": tolerance})
    bad, good = lab.claim()

    lab.fail(bad)
    lab.complete(good)

    assert lab.outcome(run) == ("completed", None)
    assert lab.record(run).has_errors
    assert lab.rows("SELECT count(*) FROM events WHERE type = 'job.warning'") == [(1,)]


def test_a_percentage_is_judged_only_while_nothing_is_being_planned(lab: Lab) -> None:
    tolerance = ErrorTolerance(max_child_failure_percent=50, failure_action=STOP_ALL)
    run = lab.start(define("run", step("a"), step("behind", "a"), tolerance=tolerance))
    held = lab.claim_step(run, "a")
    lab.expand(held, ["1", "2"])
    lab.fail(*lab.claim())
    assert lab.run(run).stop_reason is None, "two of two, but more may come"
    lab.expand(held, ["3", "4", "5", "6"])
    lab.seal(held)
    assert lab.run(run).stop_reason is None, "two of six"

    third, *rest = lab.claim()
    lab.fail(third)
    lab.sweep()
    lab.finish(*[lab.end(job, "cancelled") for job in rest])

    assert lab.outcome(run) == ("failed", "tolerance")
    assert lab.statuses(run) == {"a": "cancelled", "behind": "cancelled"}


def test_a_percentage_counts_the_jobs_made_in_the_same_turn(lab: Lab) -> None:
    tolerance = ErrorTolerance(max_child_failure_percent=50, failure_action=STOP_ALL)
    run = one_step(lab, ["1", "2"], settings={"tolerance": tolerance})
    bad, good = lab.claim()

    lab.finish(lab.failure(bad), lab.end(good, children=spawned(good, "3", "4", "5")))

    assert lab.run(run).stop_reason is None, "one of five"
    lab.drive()
    assert lab.outcome(run) == ("completed", None)


def test_crash_loops_count_for_the_tolerance(lab: Lab) -> None:
    tolerance = ErrorTolerance(max_child_failures=1, failure_action=STOP_ALL)
    run = one_step(lab, ["1"], settings={"tolerance": tolerance})
    for _ in range(10):
        lab.lose(*lab.claim())
    lab.sweep()

    assert lab.outcome(run) == ("failed", "tolerance")


# stopping and pausing


def test_cancel_reaches_queued_and_running_jobs(lab: Lab) -> None:
    run = lab.start(define("run", step("a"), step("b", "a")))
    lab.plan(run, "a", ["1", "2", "3"])
    first, second = lab.claim(2)

    lab.cancel(run)
    assert not lab.claim(), "nothing more is handed out"
    lab.sweep()
    lab.finish(lab.end(first, "cancelled"))
    assert lab.outcome(run) == ("running", None)
    lab.complete(second)

    assert lab.outcome(run) == ("cancelled", "user")
    assert lab.statuses(run) == {"a": "cancelled", "b": "cancelled"}
    assert sorted(job.status for job in lab.jobs_of(run, "a").values()) == ["cancelled", "cancelled", "completed"]


def test_a_run_that_has_not_begun_is_cancelled_at_once(lab: Lab) -> None:
    run = lab.start(define("run", step("a"), step("b", "a")))

    lab.cancel(run)

    assert lab.outcome(run) == ("cancelled", "user")


@pytest.mark.parametrize("kind", ["retried", "snoozed", "released", "lost", "spawning"])
def test_what_comes_back_to_a_cancelled_run_is_cancelled_too(lab: Lab, kind: str) -> None:
    run = one_step(lab, ["1", "2"], retry=RETRY_3)
    first, second = lab.claim()
    lab.cancel(run)
    lab.sweep()

    if kind == "lost":
        lab.lose(first)
        second = second._replace(attempt=0)
    elif kind == "spawning":
        lab.finish(lab.end(first, children=spawned(first, "3")))
    elif kind == "retried":
        lab.fail(first)
    else:
        lab.finish(lab.end(first, kind, delay_us=SECOND))  # type: ignore[arg-type]
    lab.sweep()
    lab.complete(second)
    lab.sweep()

    assert lab.outcome(run) == ("cancelled", "user")


def test_what_comes_back_to_a_step_whose_time_is_up_is_cancelled_too(lab: Lab) -> None:
    run = one_step(lab, ["1"], timeout=60, retry=RETRY_3)
    (job,) = lab.claim()
    lab.advance(60)
    lab.sweep()

    lab.fail(job)
    lab.sweep()

    assert lab.outcome(run) == ("failed", "error")


def test_a_stopped_run_is_swept_by_others_when_its_sweeper_dies(lab: Lab) -> None:
    run = one_step(lab, ["1", "2"])
    (job,) = lab.claim(1)
    lab.cancel(run)
    lab.stopped.clear()

    lab.lose(job)
    lab.sweep()

    assert lab.outcome(run) == ("cancelled", "user")


def test_a_sweep_goes_on_in_chunks(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("quaero.queue.job_manager.SWEEP_CHUNK", 2)
    run = one_step(lab, [str(n) for n in range(5)])
    lab.cancel(run)

    chunks = 1
    while lab.sweep_chunk(run):
        chunks += 1
        assert chunks < 9

    assert lab.outcome(run) == ("cancelled", "user")


def test_a_paused_run_hands_out_nothing_until_it_is_resumed(lab: Lab) -> None:
    run = lab.start(define("run", step("a"), step("b")))
    lab.plan(run, "a", ["1", "2"])
    (job,) = lab.claim(1)

    lab.pause(run)
    assert not lab.claim()
    assert not lab.claim_steps()
    assert lab.complete(job) == 0, "what runs goes on"
    lab.resume(run)

    assert keys(lab.claim()) == ["2"]
    assert len(lab.claim_steps()) == 1


def test_a_paused_run_can_be_cancelled(lab: Lab) -> None:
    run = one_step(lab, ["1"])
    lab.pause(run)

    lab.cancel(run)
    lab.sweep()

    assert lab.outcome(run) == ("cancelled", "user")


def test_a_run_fails_when_its_time_is_up(lab: Lab) -> None:
    run = one_step(lab, ["1", "2"], settings={"timeout": 60})
    (job,) = lab.claim(1)
    lab.advance(59)
    assert lab.run(run).stop_reason is None

    lab.advance(1)
    lab.sweep()
    lab.finish(lab.end(job, "cancelled"))

    assert lab.outcome(run) == ("failed", "timeout")


def test_a_step_fails_when_its_time_is_up(lab: Lab) -> None:
    run = lab.start(define("run", step("a", timeout=60), step("b", "a"), step("c")))
    lab.plan(run, "a", ["1", "2"])
    (job,) = lab.claim(1)

    lab.advance(60)
    lab.sweep()
    lab.finish(lab.end(job, "cancelled"))

    assert lab.outcome(lab.step(run, "a").id) == ("failed", "timeout")
    assert lab.outcome(lab.step(run, "b").id) == ("skipped", "dependency")
    lab.drive()
    assert lab.outcome(run) == ("completed", None)
    assert lab.record(run).has_errors


# overlap


def test_overlap_skip_refuses_a_second_run_and_names_the_first(lab: Lab) -> None:
    definition = define("run", step("a"))
    first = lab.start(definition)

    with pytest.raises(Refused) as refused:
        lab.start(definition)

    assert refused.value.job_id == first
    lab.drive()
    assert lab.start(definition)


def test_overlap_queue_starts_runs_one_after_the_other(lab: Lab) -> None:
    definition = define("run", step("a"), overlap="queue")
    runs = [lab.start(definition) for _ in range(3)]

    for current in runs:
        (claimed,) = lab.claim_steps()
        assert claimed.manager_id == current
        lab.seal(Held(claimed.id, claimed.attempt))

    assert [lab.outcome(run) for run in runs] == [("completed", None)] * 3


def test_a_queued_run_can_be_cancelled(lab: Lab) -> None:
    definition = define("run", step("a"), overlap="queue")
    first, second, third = (lab.start(definition) for _ in range(3))

    lab.cancel(second)

    assert lab.outcome(second) == ("cancelled", "user")
    lab.drive()
    assert lab.outcome(first) == lab.outcome(third) == ("completed", None)


def test_overlap_cancel_previous_starts_when_the_older_run_has_ended(lab: Lab) -> None:
    definition = define("run", step("a"), overlap="cancel_previous")
    first = lab.start(definition)
    lab.plan(first, "a", ["1", "2"])
    (job,) = lab.claim(1)

    second = lab.start(definition)
    third = lab.start(definition)
    lab.sweep()
    assert lab.outcome(second) == ("cancelled", "user")
    assert not lab.claim_steps()
    lab.finish(lab.end(job, "cancelled"))

    assert lab.outcome(first) == ("cancelled", "user")
    lab.drive()
    assert lab.outcome(third) == ("completed", None)


def test_overlap_allow_runs_side_by_side(lab: Lab) -> None:
    definition = define("run", step("a"), overlap="allow")
    lab.start(definition)
    lab.start(definition)

    assert len(lab.claim_steps()) == 2


def test_the_time_of_a_run_counts_from_its_start_not_from_the_queue(lab: Lab) -> None:
    definition = define("run", step("a"), overlap="queue", timeout=60)
    first, second = lab.start(definition), lab.start(definition)
    lab.advance(50)
    lab.drive(until=lambda: lab.status(first).is_terminal)

    lab.advance(20)

    assert lab.run(second).stop_reason is None
    lab.advance(40)
    assert lab.outcome(second) == ("failed", "timeout")


# runs before and after


def test_every_step_waits_for_the_pre_jobs(lab: Lab) -> None:
    before = define("before", step("x"))
    run = lab.start(define("run", step("a"), pre_jobs=("before",)), [before])
    (child,) = set(lab.runs()) - {run}
    assert lab.statuses(run) == {"pre_jobs": "running", "a": "pending"}
    assert lab.record(child).parent_id == lab.step(run, "pre_jobs").id

    lab.plan(child, "x", ["1"])
    assert not lab.claim_steps()
    assert lab.step(run, "pre_jobs").running == 1
    lab.complete(*lab.claim())

    assert lab.outcome(child) == ("completed", None)
    assert lab.statuses(run) == {"pre_jobs": "completed", "a": "pending"}
    lab.drive()
    assert lab.outcome(run) == ("completed", None)
    assert lab.record(run).counters.total == 1, "the child run counts its own jobs"


def test_a_failed_pre_job_skips_the_run(lab: Lab) -> None:
    run = lab.start(define("run", step("a"), pre_jobs=("before",)), [define("before", step("x"))])

    lab.drive(fail=["x"])

    assert lab.statuses(run) == {"pre_jobs": "failed", "a": "skipped"}
    assert lab.outcome(run) == ("failed", "error")


def test_cancel_pause_and_resume_reach_child_runs(lab: Lab) -> None:
    run = lab.start(define("run", step("a"), pre_jobs=("before",)), [define("before", step("x"))])
    (child,) = set(lab.runs()) - {run}
    lab.plan(child, "x", ["1"])

    lab.pause(run)
    assert not lab.claim()
    lab.resume(run)
    (job,) = lab.claim()
    lab.cancel(run)
    lab.finish(lab.end(job, "cancelled"))

    assert lab.outcome(child) == ("cancelled", "user")
    assert lab.outcome(run) == ("cancelled", "user")


def test_a_child_run_that_begins_while_its_parent_is_paused_is_paused_too(lab: Lab) -> None:
    definition = define("run", step("a"), pre_jobs=("before",), overlap="queue")
    library = [define("before", step("x"), overlap="allow")]
    first, second = lab.start(definition, library), lab.start(definition, library)
    lab.pause(second)

    lab.drive()
    assert lab.outcome(first) == ("completed", None)
    (child,) = [run for run in lab.runs() if lab.record(run).parent_id == lab.step(second, "pre_jobs").id]
    assert lab.outcome(child) == ("pending", None)
    lab.resume(second)
    lab.drive()

    assert lab.outcome(second) == ("completed", None)


def test_definitions_that_name_each_other_are_refused(lab: Lab) -> None:
    one = define("one", step("a"), pre_jobs=("two",))
    two = define("two", step("b"), pre_jobs=("one",))

    with pytest.raises(Refused, match="one -> two -> one"):
        lab.start(one, [two])

    assert lab.runs() == []


@pytest.mark.parametrize(
    ("post_on", "broken", "started"),
    [
        ("always", [], True),
        ("always", ["a"], True),
        ("success", [], True),
        ("success", ["a"], False),
    ],
)
def test_post_jobs_start_in_the_turn_that_ends_the_run(
    lab: Lab, post_on: Any, broken: list[str], *, started: bool
) -> None:
    run = lab.start(define("run", step("a"), post_jobs=("after",), post_on=post_on), [define("after", step("x"))])

    lab.drive(fail=broken, until=lambda: lab.status(run).is_terminal)

    after = set(lab.runs()) - {run}
    assert bool(after) is started
    assert all(lab.record(job).parent_id is None for job in after), "a run of its own"


# running again


def rerun_failed(lab: Lab, run_id: int) -> int:
    with lab.turn() as turn:
        return reruns.retry_failed(lab.dispatcher, turn, run_id, lab.store.definition_of(run_id))


def resume_from(lab: Lab, run_id: int, name: str) -> int:
    with lab.turn() as turn:
        return reruns.resume_from(lab.dispatcher, turn, run_id, lab.store.definition_of(run_id), name)


def rerun(lab: Lab, run_id: int) -> int:
    with lab.turn() as turn:
        return reruns.rerun(lab.dispatcher, turn, run_id)


def test_rerun_makes_a_new_run_of_the_pinned_definition(lab: Lab) -> None:
    old = lab.start(define("run", step("a"), step("b", "a")))
    lab.drive(fail=["a"])
    before = lab.record(old), lab.statuses(old)

    newer = lab.start(define("run", step("z")))
    lab.drive()
    new = rerun(lab, old)
    lab.drive()

    assert lab.record(new).rerun_of == old
    assert lab.statuses(new) == {"a": "completed", "b": "completed"}
    assert (lab.record(old), lab.statuses(old)) == before, "the old record is as it was"
    assert lab.run(newer).revision != lab.run(new).revision == lab.run(old).revision


def test_an_active_run_cannot_be_run_again(lab: Lab) -> None:
    run = lab.start(define("run", step("a")))

    with pytest.raises(Refused, match="still active"):
        rerun(lab, run)


def test_a_rerun_waits_in_the_queue_only_where_overlap_says_so(lab: Lab) -> None:
    for overlap, at_once in (("allow", 2), ("queue", 1)):
        definition = define(overlap, step("a"), overlap=overlap)
        old = lab.start(definition)
        lab.drive()
        lab.start(definition)

        rerun(lab, old)

        assert len(lab.claim_steps()) == at_once
        lab.rescue(dead=[lab.me])
        lab.me = lab.process()
        lab.drive()


def test_retry_failed_makes_only_the_failed_jobs_anew_and_every_step_behind(lab: Lab) -> None:
    steps = [step("a"), step("b", "a"), step("c", "b"), step("side", "a")]
    run = lab.start(define("run", *steps))
    plans = {"b": ["b1", "b2", "b3"], "c": ["c1", "c2"]}
    lab.drive(plans=plans, fail=["b2"])
    assert lab.statuses(run) == dict.fromkeys(("a", "b", "c", "side"), "completed")

    new = rerun_failed(lab, run)
    assert lab.outcome(lab.step(new, "a").id) == ("completed", "reused")
    assert lab.outcome(lab.step(new, "side").id) == ("completed", "reused")
    assert list(lab.jobs_of(new, "b")) == ["b2"]
    lab.drive(plans=plans)

    assert lab.outcome(new) == ("completed", None)
    assert not lab.record(new).has_errors
    assert sorted(lab.jobs_of(new, "c")) == ["c1", "c2"]
    assert lab.jobs_of(new, "a") == {}


def test_retry_failed_keeps_the_order_of_steps(lab: Lab) -> None:
    run = lab.start(define("run", step("a"), step("b", "a")))
    plans = {"a": ["a1", "a2"], "b": ["b1", "b2"]}
    lab.drive(plans=plans, fail=["a2", "b2"])

    new = rerun_failed(lab, run)

    assert keys(lab.claim()) == ["a2"], "b waits for a, and is behind it: all of it is made anew"
    assert not lab.claim_steps()
    assert lab.step(new, "b").total == 0


def test_retry_failed_plans_a_step_again_whose_plan_failed(lab: Lab) -> None:
    run = lab.start(define("run", step("a")))
    held = lab.claim_step(run, "a")
    lab.expand(held, ["1"])
    lab.fail(*lab.claim())
    lab.fail_plan(held)
    lab.sweep()
    assert lab.outcome(lab.step(run, "a").id)[0] == "failed"

    new = rerun_failed(lab, run)
    lab.drive(plans={"a": ["1", "2", "3"]})

    assert sorted(lab.jobs_of(new, "a")) == ["1", "2", "3"]
    assert lab.outcome(new) == ("completed", None)


def test_retry_failed_twice_retries_what_failed_again(lab: Lab) -> None:
    run = lab.start(define("run", step("a")))
    lab.drive(plans={"a": ["1", "2", "3"]}, fail=["1", "2"])

    second = rerun_failed(lab, run)
    lab.drive(fail=["2"])
    third = rerun_failed(lab, second)

    assert list(lab.jobs_of(third, "a")) == ["2"]
    lab.drive()
    assert lab.outcome(third) == ("completed", None)


def test_retry_failed_leaves_out_what_is_open_elsewhere_under_the_same_dedup_key(lab: Lab) -> None:
    definition = define("run", step("a"), overlap="allow")
    old = lab.start(definition)
    lab.plan(old, "a", [Child("1", dedup_key="same"), Child("2")])
    lab.fail(*lab.claim())
    other = lab.start(definition)
    lab.plan(other, "a", [Child("1", dedup_key="same")])

    new = rerun_failed(lab, old)

    assert list(lab.jobs_of(new, "a")) == ["2"]


def test_resume_from_makes_that_step_and_every_step_behind_it_anew(lab: Lab) -> None:
    run = lab.start(define("run", step("a"), step("b", "a"), step("c", "b"), step("side", "a")))
    lab.drive()

    new = resume_from(lab, run, "b")
    lab.drive()

    reasons = {name: lab.outcome(row.id)[1] for name, row in lab.steps(new).items()}
    assert reasons == {"a": "reused", "b": None, "c": None, "side": "reused"}
    assert lab.outcome(new) == ("completed", None)


def test_reused_steps_carry_the_old_runs_documents(lab: Lab) -> None:
    run = lab.start(define("run", step("a"), step("b", "a")))
    lab.plan(run, "a", ["1"])
    (job,) = lab.claim()
    lab.finish(lab.end(job, documents=lab.documents(job, draft("page", "1", title="t", content="c"))))
    lab.drive(fail=["b"])

    new = rerun_failed(lab, run)

    assert lab.step(new, "a").document_count == 1
    linked = lab.rows("SELECT how FROM document_runs WHERE step_id = :step", step=lab.step(new, "a").id)
    assert linked == [("reused",)]
    assert lab.rows("SELECT revision FROM documents") == [(1,)]


def test_a_dedup_key_is_unique_among_open_jobs_only(lab: Lab) -> None:
    first = lab.start(define("one", step("a")))
    lab.plan(first, "a", [Child("1", dedup_key="same"), Child("2", dedup_key="same")])
    second = lab.start(define("two", step("a")))
    lab.plan(second, "a", [Child("3", dedup_key="same")])
    assert list(lab.jobs_of(first, "a")) == ["1"]
    assert lab.outcome(second) == ("completed", None), "there is nothing to do for it"

    lab.complete(*lab.claim())
    third = lab.start(define("three", step("a")))
    lab.plan(third, "a", [Child("4", dedup_key="same")])

    assert list(lab.jobs_of(third, "a")) == ["4"]


# order and limits


def test_jobs_of_a_higher_priority_come_first_across_runs(lab: Lab) -> None:
    one_step(lab, [Child("low", priority=0), Child("high", priority=9)], name="one")
    one_step(lab, [Child("middle", priority=5)], name="two")

    assert [keys(lab.claim(1)) for _ in range(3)] == [["high"], ["middle"], ["low"]]


def test_a_job_that_comes_back_has_its_priority_still(lab: Lab) -> None:
    one_step(lab, [Child("low", priority=0), Child("high", priority=9)], name="one", retry=RETRY_3)
    one_step(lab, [Child(f"m{n}", priority=5) for n in range(9)], name="two")
    for how in ("retried", "released", "lost", "snoozed"):
        (job,) = lab.claim(1)
        assert job.key == "high", f"before {how}"
        other = lab.claim(1, process=lab.process())
        if how == "retried":
            lab.finish(lab.failure(job))
        elif how == "lost":
            lab.lose(job)
        else:
            lab.finish(lab.end(job, how, delay_us=0))  # type: ignore[arg-type]
        lab.advance(60)
        assert keys(other)[0].startswith("m")

    assert keys(lab.claim(1)) == ["high"]


def test_a_lane_with_keys_keeps_its_place_for_what_a_limit_holds_back(lab: Lab) -> None:
    made = [Child("a1", 9, "a"), Child("a2", 9, "a"), Child("b1", 0, "b"), Child("b2", 0, "b")]
    one_step(lab, made, name="one", limits=Limits(concurrency=1, key="{payload.key}"))
    one_step(lab, [Child(f"m{n}", priority=5) for n in range(4)], name="two")
    first = lab.claim(2)
    assert keys(first) == ["a1", "m0"], "a2 is the best, but its key is in use"

    lab.complete(*first)

    assert keys(lab.claim(1)) == ["a2"]


def test_a_lane_at_its_limit_does_not_hold_up_the_others(lab: Lab) -> None:
    one_step(lab, [Child(f"a{n}", 9) for n in range(3)], name="one", limits=Limits(concurrency=1))
    one_step(lab, ["b1", "b2", "b3"], name="two")

    assert keys(lab.claim(1)) == ["a0"]
    assert keys(lab.claim(1)) == ["b1"]
    assert keys(lab.claim(5)) == ["b2", "b3"]
    assert lab.haul.is_dry


def test_a_lane_gets_what_another_at_its_limit_leaves(lab: Lab) -> None:
    one_step(lab, ["a1", "a2", "a3"], name="one", limits=Limits(concurrency=1))
    one_step(lab, [f"b{n}" for n in range(9)], name="two")

    assert len(lab.claim(8)) == 8


def test_the_low_jobs_of_a_lane_do_not_overtake_the_better_ones_of_another(lab: Lab) -> None:
    one_step(lab, [Child("a9", 9), Child("a1", 1), Child("a0", 0)], name="one")
    one_step(lab, [Child("b5", 5), Child("b1", 1)], name="two")

    first, second, *more = keys(lab.claim(4))

    assert [first, second] == ["a9", "b5"]
    assert sorted(more) == ["a1", "b1"]


def test_runs_of_one_priority_take_turns(lab: Lab) -> None:
    one_step(lab, [f"a{n}" for n in range(6)], name="one")
    one_step(lab, [f"b{n}" for n in range(6)], name="two")

    order = "".join(keys(lab.claim(1))[0][0] for _ in range(8))

    assert order in {"abababab", "babababa"}


def test_a_run_with_many_steps_gets_no_more_turns_than_another(lab: Lab) -> None:
    wide = lab.start(define("wide", *[step(name) for name in "abcd"]))
    for name in "abcd":
        lab.plan(wide, name, [f"w{name}{n}" for n in range(9)])
    one_step(lab, [f"n{n}" for n in range(20)], name="narrow")

    one_by_one = [keys(lab.claim(1))[0][0] for _ in range(8)]
    at_once = [key[0] for key in keys(lab.claim(2 * LEAST_SHARE))]

    assert one_by_one.count("n") == 4
    assert at_once.count("n") == LEAST_SHARE


def test_a_small_claim_is_of_few_runs_and_the_next_one_of_the_others(lab: Lab) -> None:
    runs = [one_step(lab, [f"{name}{n}" for n in range(20)], name=name) for name in "abc"]

    claims = [{job.manager_id for job in lab.claim(LEAST_SHARE)} for _ in runs]

    assert [len(served) for served in claims] == [1, 1, 1]
    assert set().union(*claims) == set(runs)


def test_a_limit_of_concurrency_holds_over_runs_and_frees_its_slots(lab: Lab) -> None:
    limits = Limits(concurrency=3)
    first = one_step(lab, [f"a{n}" for n in range(4)], name="one", limits=limits, retry=RETRY_3)
    second = one_step(lab, [f"b{n}" for n in range(4)], name="two", limits=limits)

    held = lab.claim()
    assert len(held) == 3
    assert not lab.claim()
    lab.complete(held[0])
    lab.fail(held[1])
    assert len(lab.claim()) == 2
    assert lab.slots_in_use() == {("work", ""): 3}
    lab.lose(held[2])
    assert lab.slots_in_use() == {}

    lab.advance(60)
    lab.drive()
    assert lab.outcome(first) == lab.outcome(second) == ("completed", None)
    assert lab.slots_in_use() == {}


def test_a_limit_with_a_key_holds_for_each_key(lab: Lab) -> None:
    made = [Child(f"{host}{n}", limit_key=host) for host in "ab" for n in range(3)]
    run = one_step(lab, made, limits=Limits(concurrency=1, key="{payload.key}"))

    first = lab.claim()
    assert sorted(keys(first)) == ["a0", "b0"]
    lab.complete(first[0])
    assert len(lab.claim()) == 1

    lab.lose(first[1])
    lab.drive()
    assert lab.outcome(run) == ("completed", None)
    assert lab.slots_in_use() == {}


def test_a_job_whose_limit_key_is_empty_is_a_key_of_its_own(lab: Lab) -> None:
    run = one_step(lab, [Child("1", limit_key=""), Child("2", limit_key="")], limits=Limits(concurrency=1, key="x"))

    assert keys(lab.claim()) == ["1"]
    lab.drive()
    lab.rescue(dead=[lab.me])
    lab.drive()

    assert lab.outcome(run) == ("completed", None)


def test_more_keys_than_one_look_takes_in_are_all_served(lab: Lab) -> None:
    made = [Child(f"{n:03}", limit_key=f"{n:03}") for n in range(600)] + [
        Child(f"{n:03} again", limit_key=f"{n:03}") for n in range(300)
    ]
    one_step(lab, made, limits=Limits(concurrency=1, key="{payload.key}"))

    seen = {}
    claimed = []
    for _ in range(4):
        claimed += lab.claim(1000, seen_keys=seen)

    assert len(claimed) == 600


def test_the_servers_limit_holds_for_all_steps_of_a_type(tmp_path: Path) -> None:
    lab = Lab("sqlite", tmp_path, server={"work": Limits(concurrency=3)})
    made = [Child(f"{host}{n}", limit_key=host) for host in "ab" for n in range(3)]
    keyed = one_step(lab, made, name="keyed", limits=Limits(concurrency=2, key="{payload.key}"))
    plain = one_step(lab, ["p1", "p2"], name="plain")

    held = lab.claim()
    assert len(held) == 3
    assert lab.slots_in_use()["work", ""] == 3
    lab.complete(*held)
    lab.drive()

    assert lab.outcome(keyed) == lab.outcome(plain) == ("completed", None)
    assert lab.slots_in_use() == {}
    lab.check()
    lab.close()


def test_a_rate_lets_jobs_start_as_its_bucket_fills(lab: Lab) -> None:
    one_step(lab, [str(n) for n in range(9)], limits=Limits(rate=Rate(2, 1)))

    assert len(lab.claim()) == 2
    assert not lab.claim()
    next_at = lab.haul.next_at
    assert next_at is not None
    assert next_at - lab.clock.now() == pytest.approx(SECOND / 2, abs=2)
    lab.clock.time = next_at
    assert len(lab.claim()) == 1
    lab.clock.advance(3600)
    assert len(lab.claim()) == 2, "the bucket holds one second's worth"


def test_a_step_without_a_rate_does_not_refill_the_bucket_of_another(lab: Lab) -> None:
    one_step(lab, ["a1", "a2", "a3"], name="one", limits=Limits(rate=Rate(1, 60)))
    assert len(lab.claim()) == 1
    one_step(lab, ["b1", "b2"], name="two", limits=Limits(concurrency=9))

    assert sorted(keys(lab.claim())) == ["b1", "b2"]

    assert not lab.claim()


def test_a_process_is_handed_only_the_types_it_can_run(lab: Lab) -> None:
    run = lab.start(define("run", step("a", worker_type="work"), step("b", worker_type="other")))
    lab.plan(run, "a", ["1"])
    lab.plan(run, "b", ["2"])

    assert keys(lab.claim(types=["other"])) == ["2"]
