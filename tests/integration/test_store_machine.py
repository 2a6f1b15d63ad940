"""The engine's protocol against a model of its rules, step by step, in any order. Runs on every backend."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from quaero.definitions.graph import dependants, depends_graph
from quaero.errors import PermanentError, Refused, StaleClaim
from quaero.model.definition import ErrorTolerance, JobDefinition, Limits, Rate, RetryPolicy
from quaero.model.document import draft
from quaero.ports.jobs import REASONS, Child, Held, State
from quaero.queue import job_manager, reruns
from tests.engine_kit import BACKENDS, LEASE_S, SECOND, Job, Lab, define, spawned, step
from tests.engine_model import OVER, MJob, Model, MRun, MStep

RETRY = RetryPolicy(max_attempts=2, backoff=3, jitter=False)
DEFINITIONS: tuple[JobDefinition, ...] = (
    define("single", step("a", retry=RETRY), overlap="allow", priority=1),
    define(
        "chain",
        step("a", priority=2),
        step("b", "a", on_error="retry", retry=RETRY, timeout=60),
        step("c", "b"),
        overlap="skip",
    ),
    define(
        "diamond",
        step("a"),
        step("b", "a", on_error="fail", worker_type="other"),
        step("c", "a", retry=RETRY),
        step("d", "b", "c", always_run=True),
        overlap="queue",
        timeout=200,
        tolerance=ErrorTolerance(max_child_failures=3, failure_action="stop_all"),
        max_parallel_steps=2,
    ),
    define(
        "fatal",
        step("a", on_error="fatal"),
        step("b", "a"),
        step("c", worker_type="other"),
        step("d", "a", always_run=True),
        overlap="cancel_previous",
        max_parallel_steps=1,
    ),
    define(
        "limited",
        step("a", worker_type="capped", limits=Limits(concurrency=2), retry=RETRY),
        step("b", worker_type="keyed", limits=Limits(concurrency=1, key="{payload.key}")),
        step("c", "a", worker_type="rated", limits=Limits(rate=Rate(2, 1))),
        overlap="allow",
        tolerance=ErrorTolerance(max_child_failure_percent=40, failure_action="stop_all"),
    ),
    define(
        "warned",
        step("a", condition="config.on"),
        step("b", "a"),
        step("c", on_error="continue", timeout=30),
        step("d", "c", on_error="fail"),
        overlap="queue",
        tolerance=ErrorTolerance(max_child_failures=1, failure_action="mark_warning"),
    ),
)
CAPS = {"capped": 2, "keyed": 1}
LIMITED = ("capped", "keyed", "rated")
ENDS = ("completed", "completed", "spawn", "document", "transient", "permanent", "snoozed", "released", "cancelled")
picks = st.integers(0, 10_000)


def chosen(items: list[Any], pick: int) -> Any:
    return items[pick % len(items)]


class StoreMachine(RuleBasedStateMachine):
    """Every rule does the same to the store and to the model; every invariant compares them."""

    backend = BACKENDS[0]

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="machine-"))
        self.lab = Lab(self.backend, self.folder)
        self.model = Model()
        self.processes = [self.lab.me, self.lab.process(), self.lab.process()]
        self.held: dict[tuple[int, int], tuple[Job, int]] = {}
        """(job, attempt) -> the claim, and who has it."""
        self.plans: dict[tuple[int, int], int] = {}
        self.stale: list[Job] = []
        self.stale_plans: list[Held] = []
        self.made = 0
        self.seen: dict[int, tuple[int, int, int | None]] = {}

    def teardown(self) -> None:
        self.lab.check()
        self.lab.close()
        shutil.rmtree(self.folder)

    @property
    def now(self) -> int:
        return self.lab.clock.time

    # runs

    @initialize(pick=picks)
    def first_run(self, pick: int) -> None:
        self.start(pick)

    @precondition(lambda self: len(self.model.runs) < 6)
    @rule(pick=picks)
    def start(self, pick: int) -> None:
        definition = chosen(list(DEFINITIONS), pick)
        active = self.model.active(definition.id)
        if active and definition.overlap == "skip":
            with pytest.raises(Refused):
                self.lab.start(definition)
            return
        run_id = self.lab.start(definition)
        queued = bool(active) and definition.overlap in {"queue", "cancel_previous"}
        self.model.start(self.new_run(run_id, definition, queued=queued), self.now)

    def new_run(self, run_id: int, definition: JobDefinition, *, queued: bool) -> MRun:
        run = MRun(run_id, definition, queued)
        rows = self.lab.steps(run_id)
        run.steps = {s.name: MStep(rows[s.name].id, s, run) for s in definition.steps}
        return run

    @precondition(lambda self: any(run.is_over for run in self.model.runs.values()) and len(self.model.runs) < 8)
    @rule(pick=picks, kind=st.sampled_from(["rerun", "retry_failed", "resume_from"]))
    def run_again(self, pick: int, kind: str) -> None:
        old = chosen([run for run in self.model.runs.values() if run.is_over], pick)
        graph = depends_graph(old.definition.steps)
        name = chosen(list(old.steps), pick)
        if kind == "rerun":
            again = set(old.steps)
        else:
            again = {s.definition.name for s in old.steps.values() if s.status != "completed"}
            again |= {name} if kind == "resume_from" else {n for n, s in old.steps.items() if s.count("failed")}
            again |= {behind for n in list(again) for behind in dependants(graph, n)}
        active = self.model.active(old.definition.id)
        nothing = not any(s.status == "failed" or s.count("failed") for s in old.steps.values())
        try:
            with self.lab.turn() as turn:
                if kind == "rerun":
                    run_id = reruns.rerun(self.lab.dispatcher, turn, old.id)
                elif kind == "retry_failed":
                    run_id = reruns.retry_failed(self.lab.dispatcher, turn, old.id, old.definition)
                else:
                    run_id = reruns.resume_from(self.lab.dispatcher, turn, old.id, old.definition, name)
        except Refused:
            assert (active and old.definition.overlap == "skip") or (kind == "retry_failed" and nothing)
            return
        run = self.new_run(run_id, old.definition, queued=bool(active) and old.definition.overlap != "allow")
        for s in run.steps.values():
            before = old.steps[s.definition.name]
            if s.definition.name not in again:
                s.status, s.reason, s.sealed = "completed", "reused", True
                s.documents = set(before.documents)
                continue
            failed = [job for job in before.jobs.values() if job.status == "failed"]
            is_partial = failed and before.why_stopped is None and not again & set(s.definition.depends)
            if kind == "retry_failed" and is_partial:
                s.sealed = True
                s.documents = set(before.documents)
                s.copies = sorted(failed, key=lambda job: job.id)
        overlap = run.definition.overlap
        self.model.runs[run_id] = run
        if not run.queued and run.definition.timeout is not None:
            run.deadline = self.now + int(run.definition.timeout * SECOND)
        assert overlap != "skip" or not active
        self.model.settle(self.now)
        self.number_copies()

    # plans

    @rule(pick=picks, limit=st.integers(1, 4))
    def claim_steps(self, pick: int, limit: int) -> None:
        process = chosen(self.processes, pick)
        ready = [s for s in self.model.steps if s.status == "ready" and s.why_stopped is None and not s.run.paused]
        claimed = self.lab.claim_steps(limit, process)
        assert len(claimed) == min(limit, len(ready)), "what can be planned is handed out"
        for c in claimed:
            found = next(s for s in ready if s.id == c.id)
            self.model.claim_step(found, process)
            assert c.attempt == found.attempt
            self.plans[c.id, c.attempt] = process

    @precondition(lambda self: self.plans)
    @rule(
        pick=picks,
        count=st.integers(0, 4),
        again=st.booleans(),
        priority=st.integers(0, 2),
        keep=st.sampled_from([False, False, True]),
    )
    def plan(self, pick: int, count: int, priority: int, *, again: bool, keep: bool) -> None:
        """A chunk, maybe the same once more, maybe the last one."""
        held = Held(*chosen(list(self.plans), pick))
        s = next(s for s in self.model.steps if s.id == held.id)
        rows = [self.new_child(s, priority if n % 2 else 0) for n in range(count)]
        if s.why_stopped is not None:
            with pytest.raises(StaleClaim):
                self.lab.expand(held, rows)
            return
        if again and s.jobs:
            rows += [Child(next(iter(s.jobs)))]
        if rows:
            assert self.lab.expand(held, rows) == count
            if again:
                assert self.lab.expand(held, rows) == 0, "the same chunk makes nothing twice"
            self.add_jobs(s, rows[:count])
        if not keep:
            self.lab.seal(held, len(s.jobs))
            del self.plans[held]
            self.model.sealed(s, self.now)
            self.number_copies()

    def new_child(self, s: MStep, priority: int = 0) -> Child:
        self.made += 1
        keyed = s.definition.type == "keyed"
        return Child(f"k{self.made}", priority, f"host{self.made % 2}" if keyed else None)

    def add_jobs(self, s: MStep, rows: list[Child]) -> None:
        ids = self.lab.child_ids(s.id)
        for row in rows:
            s.jobs[row.key] = MJob(ids[row.key], row.key, row.priority, row.limit_key)

    def number_copies(self) -> None:
        """Jobs that the model made by itself get the numbers the store gave them."""
        for s in self.model.steps:
            if any(job.id == 0 for job in s.jobs.values()):
                ids = self.lab.child_ids(s.id)
                for job in s.jobs.values():
                    job.id = ids.get(job.key, -1)

    @precondition(lambda self: self.plans)
    @rule(pick=picks, how=st.sampled_from(["permanent", "transient", "given up"]))
    def plan_ends_badly(self, pick: int, how: str) -> None:
        held = Held(*chosen(list(self.plans), pick))
        s = next(s for s in self.model.steps if s.id == held.id)
        del self.plans[held]
        self.stale_plans.append(held)
        if how == "given up":
            with self.lab.turn() as turn:
                self.lab.dispatcher.planning_stopped(turn, held)
            self.model.plan_given_up(s, self.now)
        else:
            error = PermanentError("no") if how == "permanent" else ValueError("not now")
            self.lab.fail_plan(held, error, s.failures)
            self.model.plan_failed(s, self.now, permanent=how == "permanent")

    @precondition(lambda self: self.stale_plans)
    @rule(pick=picks)
    def a_stale_plan_is_refused(self, pick: int) -> None:
        held = chosen(self.stale_plans, pick)
        with pytest.raises(StaleClaim):
            self.lab.expand(held, ["stale"])
        with pytest.raises(StaleClaim):
            self.lab.seal(held)
        self.lab.fail_plan(held)

    # jobs

    def claimable(self) -> list[tuple[MStep, MJob]]:
        return [
            (s, job)
            for s in self.model.steps
            if s.why_stopped is None and not s.run.paused
            for job in s.jobs.values()
            if job.status == "ready"
        ]

    @rule(pick=picks, limit=st.sampled_from([1, 2, 5, 1000]), suspects=st.booleans())
    def claim(self, pick: int, limit: int, *, suspects: bool) -> None:
        process = chosen(self.processes, pick)
        before = {job.id: (s, job) for s, job in self.claimable()}
        claimed = self.lab.claim(limit, process, suspects=suspects)
        assert len(claimed) == len({job.id for job in claimed}) <= limit
        assert sum(before[job.id][1].is_suspect for job in claimed) <= suspects, "one suspect at a time"
        for c in claimed:
            job = before[c.id][1]
            job.status, job.holder = "running", process
            job.attempt += 1
            assert (c.attempt, c.key) == (job.attempt, job.key)
            self.held[c.id, c.attempt] = (c, process)
        free = [
            job
            for s, job in before.values()
            if job.status == "ready" and s.definition.type not in LIMITED and not job.is_suspect
        ]
        if len(claimed) < limit:
            assert not free, "nothing that could run is left"
        lowest = min((before[c.id][1].priority for c in claimed if not before[c.id][1].is_suspect), default=0)
        assert all(job.priority <= lowest for job in free), "the higher priority comes first"

    @precondition(lambda self: self.held)
    @rule(outcomes=st.lists(st.tuples(picks, st.sampled_from(ENDS)), min_size=1, max_size=4), twice=st.booleans())
    def finish(self, outcomes: list[tuple[int, str]], *, twice: bool) -> None:
        ended, plain, failed = [], [], set()
        changes: list[tuple[MStep, MJob, str, str | None, int]] = []
        for pick, kind in outcomes:
            if not self.held:
                break
            held = chosen(list(self.held), pick)
            c, _ = self.held.pop(held)
            self.stale.append(c)
            s, job = self.model.job(c.id)
            end, told, reason, due = self.outcome(c, s, job, kind)
            changes.append((s, job, told, reason, due))
            if end is None:
                plain.append(c)
            else:
                ended.append(end)
        refused = self.lab.finish(*ended, *(ended[:1] if twice else []), done=plain + (plain[:1] if twice else []))
        assert refused == twice * (bool(ended) + bool(plain)), "the same outcome counts once"
        for s, job, told, reason, due in changes:
            children = next((e.children for e in ended if e.job_id == job.id), None)
            documents = next((e.documents for e in ended if e.job_id == job.id), None)
            stopped = s.why_stopped is not None
            if self.model.end(s, job, told, reason, self.now + due):
                failed.add(s.run.id)
            if children is not None and not stopped:
                self.add_jobs(s, children.rows)
            if documents is not None:
                s.documents.add(job.key)
        for run_id in failed:
            self.model.judge(self.model.runs[run_id])
        self.model.settle(self.now)
        self.number_copies()

    def outcome(self, c: Job, s: MStep, job: MJob, kind: str) -> tuple[Any, str, str | None, int]:
        """(what is handed over, what it means, reason, delay)"""
        if kind == "spawn":
            made = spawned(c, *[self.new_child(s).key for _ in range(2)])
            if s.definition.type == "keyed":
                made.rows = [row._replace(limit_key="host1") for row in made.rows]
            return self.lab.end(c, children=made), "completed", None, 0
        if kind == "document":
            page = self.lab.documents(c, draft("page", c.key, title=c.key, content=""))
            return self.lab.end(c, documents=page), "completed", None, 0
        if kind == "permanent":
            return self.lab.failure(c, PermanentError("no")), "failed", "permanent", 0
        if kind == "transient":
            policy = s.definition.retry
            if job.failures + 1 < policy.max_attempts:
                delay = int(policy.backoff * 2**job.failures * SECOND)
                return self.lab.failure(c), "retried", None, delay
            return self.lab.failure(c), "failed", "exhausted" if policy.max_attempts > 1 else "error", 0
        if kind == "snoozed":
            return self.lab.end(c, "snoozed", delay_us=5 * SECOND), "snoozed", None, 5 * SECOND
        if kind in {"released", "cancelled"}:
            return self.lab.end(c, kind), kind, None, 0  # type: ignore[arg-type]
        return (self.lab.end(c) if s.definition.type in LIMITED else None), "completed", None, 0

    @precondition(lambda self: self.stale)
    @rule(pick=picks, kind=st.sampled_from(ENDS))
    def a_stale_outcome_changes_nothing(self, pick: int, kind: str) -> None:
        running = [c for c in self.stale if self.model.job(c.id)[1].status == "running"]
        c = chosen(running or self.stale, pick)
        s, job = self.model.job(c.id)
        before = self.everything()
        end, *_ = self.outcome(c, s, job, kind)
        assert self.lab.finish(*([] if end is None else [end]), done=[c] if end is None else []) == 1
        assert self.everything() == before

    def everything(self) -> list[Any]:
        tables = ("jobs", "steps", "runs", "job_io", "attempts", "documents", "document_runs")
        return [sorted(map(repr, self.lab.rows(f"SELECT * FROM {table}"))) for table in tables]

    @rule(pick=picks, ends=st.lists(st.sampled_from(ENDS), min_size=1, max_size=4), rounds=st.integers(1, 3))
    def carry_on(self, pick: int, ends: list[str], rounds: int) -> None:
        """What processes do most of the time: plan all there is, run all there is."""
        for _ in range(rounds):
            self.claim_steps(pick, 4)
            while self.plans:
                self.plan(pick, 2, 0, again=False, keep=False)
                for held in list(self.plans):
                    if next(s for s in self.model.steps if s.id == held[0]).why_stopped is not None:
                        self.plan_ends_badly(list(self.plans).index(held), "given up")
            self.claim(pick, 1000, suspects=True)
            while self.held:
                self.finish([(n, end) for n, end in enumerate(ends)], twice=False)

    # processes

    @rule(pick=picks, how=st.sampled_from(["killed", "expired"]))
    def lose_process(self, pick: int, how: str) -> None:
        place = pick % len(self.processes)
        lost = self.processes[place]
        if how == "killed":
            self.lab.rescue(dead=[lost])
        else:
            self.lab.lease_clock.advance(LEASE_S / 2)
            assert all(self.lab.renew(process) for process in self.processes if process != lost)
            self.lab.lease_clock.advance(LEASE_S / 2)
            self.lab.rescue()
        failed = set()
        for held, (c, process) in list(self.held.items()):
            if process == lost:
                del self.held[held]
                self.stale.append(c)
                s, job = self.model.job(c.id)
                if self.model.end(s, job, "lost", None):
                    failed.add(s.run.id)
        for run_id in failed:
            self.model.judge(self.model.runs[run_id])
        for held, process in list(self.plans.items()):
            if process == lost:
                del self.plans[held]
                self.stale_plans.append(Held(*held))
                self.model.plan_given_up(next(s for s in self.model.steps if s.id == held[0]), self.now, lost=True)
        self.model.settle(self.now)
        self.number_copies()
        assert not self.lab.renew(lost), "a process taken for dead learns of it"
        self.processes[place] = self.lab.process()
        self.lab.me = self.processes[0]

    @precondition(lambda self: self.claimable())
    @rule(times=st.sampled_from([1, 2, 2, 2, 10]))
    def crash_again_and_again(self, times: int) -> None:
        for _ in range(times):
            self.claim(0, 1000, suspects=True)
            self.lose_process(0, "killed")

    @precondition(lambda self: self.claimable() or self.held)
    @rule(kind=st.sampled_from(ENDS))
    def a_zombie_reports_while_others_run_its_job(self, kind: str) -> None:
        self.claim(0, 1000, suspects=True)
        self.lose_process(0, "expired")
        self.claim(1, 1000, suspects=True)
        if self.stale:
            self.a_stale_outcome_changes_nothing(0, kind)

    # stopping and time

    def runs_with(self, *, over: bool) -> list[MRun]:
        return [run for run in self.model.runs.values() if run.is_over is over]

    @rule(pick=picks, what=st.sampled_from(["cancel", "pause", "resume", "resume"]))
    def command(self, pick: int, what: str) -> None:
        run = chosen(list(self.model.runs.values()), pick)
        act = {"cancel": self.lab.cancel, "pause": self.lab.pause, "resume": self.lab.resume}[what]
        if run.is_over:
            with pytest.raises(Refused):
                act(run.id)
            return
        act(run.id)
        if what == "cancel":
            self.model.stop_run(run, "user")
            self.model.settle(self.now)
            self.number_copies()
        else:
            run.paused = what == "pause"

    @rule(pick=picks, whole=st.booleans())
    def sweep(self, pick: int, *, whole: bool) -> None:
        run = chosen(list(self.model.runs.values()), pick)
        while self.lab.sweep_chunk(run.id) and whole:
            pass
        cancelled = {row[0] for row in self.lab.rows("SELECT id FROM jobs WHERE kind = 2 AND status = 5")}
        for s in run.steps.values():
            for job in s.jobs.values():
                if job.status in {"ready", "waiting"} and job.id in cancelled:
                    assert s.why_stopped is not None
                    job.status, job.reason = "cancelled", s.why_stopped
            assert not (whole and s.why_stopped and s.count("ready", "waiting")), "the sweep leaves nothing pending"
        self.model.settle(self.now)
        self.number_copies()

    @rule(seconds=st.sampled_from([0, 1, 3, 6, 30, 60, 100]))
    def pass_time(self, seconds: int) -> None:
        self.lab.advance(seconds)
        self.model.pass_time(self.now)
        self.number_copies()

    # what always holds

    @invariant()
    def jobs_are_as_the_model_says(self) -> None:
        columns = "id, parent_id, child_key, status, reason, attempt, failures, rescues, claimed_by, finished_at"
        rows = self.lab.rows(f"SELECT {columns} FROM {self.lab.keyed_jobs} WHERE kind = 2")
        shown = {
            (parent, key): (number, State(status).name.lower(), _reason(reason), attempt, failures, rescues, holder)
            for number, parent, key, status, reason, attempt, failures, rescues, holder, _ in rows
        }
        expected = {
            (s.id, job.key): (job.id, job.status, job.reason, job.attempt, job.failures, job.lost, job.holder)
            for s in self.model.steps
            for job in s.jobs.values()
        }
        assert shown == expected
        for number, _, _, status, _, attempt, _, _, _, finished in rows:
            old = self.seen.get(number)
            assert old is None or attempt >= old[1], "the attempt only grows"
            assert old is None or old[2] is None or (status, finished) == (old[0], old[2]), "over is over"
            assert (finished is not None) == State(status).is_terminal
            self.seen[number] = (status, attempt, finished)

    @invariant()
    def steps_and_runs_are_as_the_model_says(self) -> None:
        for run in self.model.runs.values():
            row = self.lab.run(run.id)
            assert (row.state.status, row.reason) == (run.status, run.reason), f"run {run.id} of {run.definition.id}"
            assert (row.stop_reason, bool(row.queued)) == (run.stop, run.queued)
            for name, shown in self.lab.steps(run.id).items():
                s = run.steps[name]
                status = "pending" if s.status in {"blocked", "ready", "waiting"} else s.status
                where = f"step {name} of run {run.id} ({run.definition.id})"
                assert (str(shown.state.status), shown.reason) == (status, s.reason), where
                assert shown.claimed_by == s.planner, where
                assert s.status not in OVER or run.stop or bool(shown.has_errors) == s.has_errors, where
                assert shown.document_count == len(s.documents), where

    @invariant()
    def counters_are_a_recount(self) -> None:
        for run in self.model.runs.values():
            for name, row in self.lab.steps(run.id).items():
                s = run.steps[name]
                counted = {status: s.count(status) for status in ("running", *OVER)}
                assert {status: getattr(row, status) for status in counted} == counted
                assert (row.pending, row.waiting) == (s.count("ready", "waiting"), s.count("waiting"))
                assert row.total == len(s.jobs) == row.pending + sum(counted.values())
                assert row.retried == s.retried

    @invariant()
    def limits_hold(self) -> None:
        running = Counter(
            (s.definition.type, job.limit_key or "")
            for s in self.model.steps
            if s.definition.type in LIMITED
            for job in s.jobs.values()
            if job.status == "running"
        )
        assert self.lab.slots_in_use() == running
        assert all(count <= CAPS.get(name, count) for (name, _), count in running.items())
        assert self.lab.rows("SELECT count(*) FROM limiters WHERE tokens < 0") == [(0,)]

    @invariant()
    def everything_was_closed_once(self) -> None:
        over = {run.id for run in self.model.runs.values() if run.is_over}
        over |= {s.id for s in self.model.steps if s.status in OVER}
        assert self.lab.endings == dict.fromkeys(over, 1)


def _reason(code: int | None) -> str | None:
    return None if code is None else str(REASONS[code])


def run_machine(backend: str, monkeypatch: pytest.MonkeyPatch, examples: int, steps: int) -> None:
    monkeypatch.setattr(job_manager, "SWEEP_CHUNK", 3)
    monkeypatch.setattr(StoreMachine, "backend", backend)
    run_state_machine_as_test(
        StoreMachine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_store_does_what_the_model_does(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run_machine(backend, monkeypatch, 60 if backend == "sqlite" else 20, 40)


@pytest.mark.soak
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("backend", BACKENDS)
def test_the_store_does_what_the_model_does_for_a_long_time(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run_machine(backend, monkeypatch, 3_000 if backend == "sqlite" else 400, 80)
