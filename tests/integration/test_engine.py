"""What a job meets in a running engine: time limits, cancellation, leases, failures, secrets, a full disk."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from contextlib import contextmanager

import pytest

from quaero import BadData, Cancel, JobOutcome, RetryAfter, Snooze, draft
from quaero.model.definition import RetryPolicy
from quaero.model.status import JobStatus, StatusReason
from tests.engine_kit import BACKENDS
from tests.engine_runs import Payload, app_with, children, database_for, messages, probe, run_to_end, start
from tests.waiting import wait_until

QUICK = RetryPolicy(max_attempts=3, backoff=0.01, max_backoff=0.02)


@pytest.fixture(autouse=True, params=BACKENDS)
def backend(request, monkeypatch):
    """What every app of these tests opens."""
    with database_for(request.param, monkeypatch):
        yield request.param


def test_a_job_that_runs_longer_than_the_lease_is_executed_once(tmp_path):
    calls = []

    async def execute(job, payload):
        calls.append(job.attempt)
        await asyncio.sleep(2.5)  # longer than the lease: what this test is about

    with app_with(tmp_path, execute, lease_seconds=1.0, renew_seconds=0.2) as app:
        run = run_to_end(app, probe())

    assert run.status is JobStatus.COMPLETED
    assert calls == [1]


def test_cancel_reaches_running_and_queued_jobs_within_two_seconds(tmp_path):
    started = threading.Event()

    async def execute(job, payload):
        started.set()
        await asyncio.Event().wait()

    async def scenario(app):
        engine = app.engine()
        await engine.start()
        run_id = await start(app, engine, probe(3_000))
        await asyncio.to_thread(started.wait, 10)
        await asyncio.to_thread(wait_until, lambda: app.store.steps(run_id)[0].sealed)
        asked = time.monotonic()
        await engine.write(lambda turn: app.jobs.cancel(turn, run_id))
        async with asyncio.timeout(10):
            await engine.finished(run_id)
        took = time.monotonic() - asked
        await engine.stop()
        return run_id, took

    with app_with(tmp_path, execute, slots=50) as app:
        run_id, took = asyncio.run(scenario(app))
        run = app.store.get_job(run_id)
        [step] = app.store.steps(run_id)

    assert took < 2
    assert (run.status, run.status_reason) == (JobStatus.CANCELLED, StatusReason.USER)
    assert run.counters.cancelled == 3_000
    assert step.open == 0


def test_a_job_that_ignores_its_cancellation_is_given_up_after_the_grace_period(tmp_path):
    started = threading.Event()
    release = asyncio.Event()

    async def execute(job, payload):
        started.set()
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue

    async def scenario(app):
        engine = app.engine()
        await engine.start()
        run_id = await start(app, engine, probe())
        await asyncio.to_thread(started.wait, 10)
        await engine.write(lambda turn: app.jobs.cancel(turn, run_id))
        async with asyncio.timeout(10):
            await engine.finished(run_id)
        release.set()
        await engine.stop()
        return run_id

    with app_with(tmp_path, execute, grace_seconds=0.2) as app:
        run = app.store.get_job(asyncio.run(scenario(app)))
        assert "job.abandoned" in messages(app, run)

    assert run.status is JobStatus.CANCELLED
    assert run.counters.cancelled == 1


def test_a_job_past_its_time_limit_is_tried_again_and_then_fails_with_reason_timeout(tmp_path):
    calls = []

    async def execute(job, payload):
        calls.append(job.attempt)
        await asyncio.Event().wait()

    with app_with(tmp_path, execute) as app:
        run = run_to_end(app, probe(retry=RetryPolicy(max_attempts=2, backoff=0.01), job_timeout=0.1))
        [job] = children(app, run)

    assert calls == [1, 2]
    assert (job.status, job.status_reason, job.failures) == (JobStatus.FAILED, StatusReason.TIMEOUT, 2)
    assert run.status is JobStatus.FAILED


def test_errors_are_retried_by_policy_and_the_last_one_is_kept(tmp_path):
    async def execute(job, payload):
        if payload.number == 0:
            raise BadData("no use in trying again")
        if payload.number == 1 and job.attempt < 3:
            raise RetryAfter(0.01)
        if payload.number == 2:
            raise ValueError("always wrong")
        if payload.number == 3 and job.attempt < 4:
            raise Snooze(0.01)
        if payload.number == 4:
            raise Cancel("not needed")

    with app_with(tmp_path, execute) as app:
        run = run_to_end(app, probe(5, retry=QUICK))
        bad, later, wrong, snoozed, cancelled = children(app, run)
        history = [entry["outcome"] for entry in app.store.attempts(wrong.id)]

    assert (bad.status, bad.status_reason, bad.attempt) == (JobStatus.FAILED, StatusReason.PERMANENT, 1)
    assert (later.status, later.attempt, later.failures) == (JobStatus.COMPLETED, 3, 2)
    assert (wrong.status, wrong.status_reason, wrong.failures) == (JobStatus.FAILED, StatusReason.EXHAUSTED, 3)
    assert (snoozed.status, snoozed.attempt, snoozed.failures) == (JobStatus.COMPLETED, 4, 0)
    assert cancelled.status is JobStatus.CANCELLED
    assert wrong.error is not None
    assert wrong.error.message == "always wrong"
    assert "ValueError" in wrong.error.traceback
    assert history == ["retried", "retried", "failed"]
    assert (run.status, run.has_errors) == (JobStatus.COMPLETED, True)


def test_log_lines_of_a_step_are_numbered_without_holes_under_fifty_parallel_jobs(tmp_path):
    async def execute(job, payload):
        for number in range(20):
            job.log.info("probe.line", number=number)
            logging.getLogger("library").warning("from a library")
            await asyncio.sleep(0)

    with app_with(tmp_path, execute, slots=50) as app:
        run = run_to_end(app, probe(50))
        page = app.logs.query(run.id, day=app.store.run(run.id).log_day, limit=10_000)
        [step] = app.store.steps(run.id)

    lines = [entry for entry in page.items if entry.step_id == step.id]
    assert [entry.line for entry in lines] == list(range(1, len(lines) + 1))
    assert [entry.seq for entry in page.items] == list(range(1, len(page.items) + 1))
    assert sum(entry.message == "probe.line" for entry in lines) == 1_000


def test_a_log_line_costs_no_statement_on_the_main_database(tmp_path):
    async def execute(job, payload):
        if payload.number:
            for number in range(5_000):
                job.log.info("probe.line", number=number)

    with app_with(tmp_path, execute) as app:
        run_to_end(app, probe(1))
        quiet = app.store.statements
        run_to_end(app, probe(2))
        assert app.store.statements - quiet < 2 * quiet + 50


def test_one_outcome_that_cannot_be_stored_fails_alone(tmp_path):
    async def execute(job, payload):
        metadata = {"value": float("nan")} if payload.number == 7 else {"value": 1.0}
        document = draft("probe", f"p{payload.number}", title="Probe", content="text", metadata=metadata)
        return JobOutcome(documents=[document])

    with app_with(tmp_path, execute) as app:
        run = run_to_end(app, probe(20))
        failed = [job for job in children(app, run) if job.status is JobStatus.FAILED]

    assert run.counters.completed == 19
    assert [job.config["number"] for job in failed] == [7]
    assert run.document_count == 19


def test_spawned_jobs_are_siblings_and_known_keys_are_not_spawned_twice(tmp_path):
    async def execute(job, payload):
        more = [Payload(number=payload.number * 2 + 1), Payload(number=payload.number * 2 + 2), Payload(number=1)]
        return JobOutcome(spawn=[p for p in more if p.number < 200])

    with app_with(tmp_path, execute) as app:
        run = run_to_end(app, probe(1))
        jobs = children(app, run)

    assert sorted(job.config["number"] for job in jobs) == list(range(200))
    assert {job.parent_id for job in jobs} == {jobs[0].parent_id}
    assert max(job.depth for job in jobs) > 3


def test_a_plan_that_fails_fails_its_step_with_the_reason(tmp_path):
    def broken(config):
        yield Payload(number=1)
        raise BadData("the list ends here")

    async def execute(job, payload):
        await asyncio.Event().wait()

    with app_with(tmp_path, execute, plan=broken) as app:
        run = run_to_end(app, probe())
        step = app.store.get_job(app.store.steps(run.id)[0].id)

    assert (run.status, step.status, step.status_reason) == (JobStatus.FAILED, JobStatus.FAILED, StatusReason.PERMANENT)
    assert "the list ends here" in step.message


def test_an_asynchronous_plan_streams_its_jobs(tmp_path):
    async def streaming(config, *, job):
        for number in range(4_500):
            if number % 1_000 == 0:
                await asyncio.sleep(0)
            yield Payload(number=number)

    async def execute(job, payload):
        return None

    with app_with(tmp_path, execute, plan=streaming) as app:
        run = run_to_end(app, probe())

    assert run.counters.completed == 4_500


def test_no_jobs_means_completed_with_nothing_to_do(tmp_path):
    async def execute(job, payload):
        return None

    with app_with(tmp_path, execute) as app:
        run = run_to_end(app, probe(0))
        step = app.store.get_job(app.store.steps(run.id)[0].id)

    assert (run.status, step.message) == (JobStatus.COMPLETED, "nothing to do")


def test_a_secret_reaches_the_job_and_nothing_that_is_stored(tmp_path, monkeypatch):
    seen = []

    async def execute(job, payload):
        seen.append(payload.secret)
        job.log.info("probe.secret", value=payload.secret, text=f"key is {payload.secret}")
        if payload.number:
            raise ValueError(f"refused {payload.secret}")
        document = draft(
            "probe", "p", title=payload.secret, content=f"a {payload.secret} b", metadata={"k": payload.secret}
        )
        return JobOutcome(documents=[document], by_identifier={"x": payload.secret}, warnings=[payload.secret])

    with app_with(tmp_path, execute) as app:
        app.keys.set("probe_key", "s3cr3t-VALUE-42")
        run = run_to_end(app, probe(2, secret="{probe_key}"))
        jobs = children(app, run)

    assert seen == ["s3cr3t-VALUE-42"] * 2
    assert [job.config["secret"] for job in jobs] == ["{probe_key}"] * 2
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert b"s3cr3t-VALUE-42" not in path.read_bytes(), path


def test_a_missing_key_fails_the_step_and_names_the_fix(tmp_path):
    async def execute(job, payload):
        return None

    with app_with(tmp_path, execute) as app:
        run = run_to_end(app, probe(1, secret="{absent_key}"))
        step = app.store.get_job(app.store.steps(run.id)[0].id)

    assert step.status is JobStatus.FAILED
    assert "quaero keys set absent_key" in step.message


@pytest.mark.parametrize("place", ["main", "logs"])
def test_a_full_disk_stops_nothing_for_good_and_loses_nothing(tmp_path, place, backend):
    if backend != "sqlite":
        pytest.skip("a server's disk is not the test's to fill; what it says then is tested with its other refusals")
    state = {"full": False, "seen": False}

    async def execute(job, payload):
        job.log.info("probe.line", filler="x" * 2_000)
        if payload.number == 50:
            state["full"] = True
        return JobOutcome(documents=[draft("probe", f"p{payload.number}", title="P", content="text " * 400)])

    def cramp(connection):
        # A real SQLITE_FULL: the file may not grow any more.
        pages = connection.fetch_value("PRAGMA page_count") if state["full"] else 1_073_741_823
        connection.fetch_value(f"PRAGMA max_page_count={pages}")

    async def scenario(app):
        engine = app.engine()
        await engine.start()
        run_id = await start(app, engine, probe(400))

        def in_trouble():
            state["seen"] = state["seen"] or engine.trouble is not None
            return state["seen"]

        await asyncio.to_thread(wait_until, in_trouble, 20)
        state["full"] = False
        async with asyncio.timeout(30):
            await engine.finished(run_id)
        assert engine.trouble is None
        await engine.stop()
        return run_id

    with app_with(tmp_path, execute) as app:
        if place == "main":
            original = app.store.transaction

            @contextmanager
            def transaction():
                with original() as tx:
                    cramp(tx.connection)
                    yield tx

            app.store.transaction = transaction
        else:
            append = app.logs._append_day

            def append_day(day, groups):
                for opened in app.logs._writers.values():
                    cramp(opened.db)
                append(day, groups)

            app.logs._append_day = append_day
        run = app.store.get_job(asyncio.run(scenario(app)))
        lines = [message for message in messages(app, run) if message == "probe.line"]

    assert (run.status, run.counters.completed, run.document_count) == (JobStatus.COMPLETED, 400, 400)
    assert len(lines) == 400
