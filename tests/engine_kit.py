"""A laboratory for the engine's rules: a real store, a clock that stands still, and no thread, loop or process.

``Lab.turn`` does what the writer does around a command; everything else is one line over the queue's functions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import msgspec

from quaero.errors import PermanentError
from quaero.model.definition import JobDefinition, Limits, StepDefinition
from quaero.model.document import DocumentDraft
from quaero.model.job import Job as JobRecord
from quaero.model.job import JobError
from quaero.model.outcome import JobOutcome
from quaero.model.status import JobStatus
from quaero.ports.jobs import Child, ChildBatch, ClaimedStep, Held, ProcessRow, RunRow, StepRow
from quaero.queue.attempts import Ended, EndKind, finish
from quaero.queue.claims import Demand, Haul, LaneLimits, bring_due, claim
from quaero.queue.dispatcher import JobDispatcher
from quaero.queue.job_manager import Definitions, JobManager
from quaero.queue.leases import rescue_dead
from quaero.queue.retry import judge
from quaero.queue.turn import Turn
from quaero.queue.upkeep import enforce_deadlines
from quaero.storage.database import Database, Row
from quaero.storage.document_prepare import DocumentPreparer
from quaero.storage.job_store import SqlJobStore
from quaero.storage.postgres import PostgresDatabase
from quaero.storage.sqlite import SqliteDatabase
from tests.postgres import fresh_database, release_database

BACKENDS = ["sqlite", "postgres"]
START = 1_763_800_000_000_000  # 2025-11-22
SECOND = 1_000_000
LEASE_S = 20
TYPES = ("work", "other", "capped", "keyed", "rated")
ERROR = JobError(type="Broken", message="broken", family="Broken")
MANY = 1_000


class FakeClock:
    """Stands still until it is told to go on."""

    def __init__(self) -> None:
        self.time = START

    def now(self) -> int:
        return self.time

    def advance(self, seconds: float) -> None:
        self.time += int(seconds * SECOND)


class Job(NamedTuple):
    """A claimed worker job, as the process that holds it knows it."""

    id: int
    attempt: int
    step_id: int
    manager_id: int
    key: str
    failures: int = 0
    limit_key: str | None = None


class Facts(NamedTuple):
    """Who speaks, for documents."""

    job_id: int
    manager_id: int
    step_id: int
    step_name: str
    worker_type: str
    attempt: int


def step(name: str, *depends: str, worker_type: str = "work", **fields: Any) -> StepDefinition:
    """A step; its position is set by ``define``."""
    return StepDefinition(name=name, type=worker_type, position=0, depends=depends, **fields)


def define(name: str, *steps: StepDefinition, **fields: Any) -> JobDefinition:
    """A definition; the same content has the same hash."""
    placed = tuple(msgspec.structs.replace(s, position=i) for i, s in enumerate(steps))
    found = JobDefinition(id=name, name=name, hash="", steps=placed, **fields)
    return msgspec.structs.replace(found, hash=repr(found))


def children(keys: Iterable[str | Child]) -> ChildBatch:
    """Jobs whose payload is their key: plain ones, unless one of them has more to say."""
    rows = [Child(key) if isinstance(key, str) else key for key in keys]
    payloads = [msgspec.json.encode({"key": row.key}) for row in rows]
    if all(row == Child(row.key) for row in rows):
        return ChildBatch(keys=[row.key for row in rows], payloads=payloads)
    return ChildBatch(rows=rows, payloads=payloads)


def spawned(job: Job, *keys: str) -> ChildBatch:
    """Siblings that a job makes."""
    rows = [Child(key, depth=1, spawned_by=job.id) for key in keys]
    return ChildBatch(rows=rows, payloads=[msgspec.json.encode({"key": key}) for key in keys])


class Lab:
    """One store with its dispatcher. ``stopped`` gathers the runs that somebody must sweep."""

    def __init__(
        self, backend: str, folder: Path, *, seed: int = 0, server: Mapping[str, Limits] | None = None
    ) -> None:
        self._url = fresh_database() if backend == "postgres" else ""
        database: Database = (
            PostgresDatabase(self._url) if self._url else SqliteDatabase(folder / "quaero.db", synchronous="OFF")
        )
        self.clock = FakeClock()
        self.lease_clock = FakeClock()
        self.store = SqlJobStore(database, self.clock, self.lease_clock.now)
        self.random = Random(seed)
        self.needs: dict[str, tuple[str, ...]] = {}
        """What the steps of a name ask of a node."""
        self.jobs = JobManager(lambda definition, step: self.needs.get(step.name, ()))
        self.definitions = Definitions()
        self.dispatcher = JobDispatcher(self.jobs, self.definitions, self.random)
        self.preparer = DocumentPreparer()
        self.server = dict(server or {})
        self.stopped: set[int] = set()
        self.refused = 0
        self.endings: Counter[int] = Counter()
        """How often an event told of the end of each run and step."""
        self.before_commit: Callable[[], None] = lambda: None
        self.haul = Haul()
        self.me = self.process()

    def close(self) -> None:
        self.store.close()
        if self._url:
            release_database(self._url)

    @contextmanager
    def turn(self, origin: int = 0) -> Iterator[Turn]:
        """One transaction as the writer makes it, at a time of its own: a command, its consequences, its events."""
        self.clock.time += 1
        with self.store.transaction() as tx:
            turn = Turn(tx)
            yield turn
            turn.settle(self.dispatcher.step_monitor.children_changed)
            turn.publish(origin)
            self.before_commit()
        self.stopped.update(turn.stopped_runs)
        for kind, _, job_id, data in turn.events:
            if kind in {"job.status", "step.status"} and JobStatus(msgspec.json.decode(data)["new"]).is_terminal:
                self.endings[job_id or 0] += 1

    def limits_of(self, turn: Turn, step_id: int) -> LaneLimits:
        row = turn.tx.step(step_id)
        definition = self.definitions.of(turn, turn.tx.run(row.manager_id))
        server = self.server.get(row.worker_type, Limits())
        return LaneLimits(row.worker_type, definition.step(row.name).limits, server)

    # processes

    def process(self, **fields: Any) -> int:
        """Register a process whose lease starts now."""
        row = ProcessRow(0, "host", "boot", "pids", 1, 1, "1", 4, "", 0, 0, self.lease_end(), self.clock.now())
        with self.store.transaction() as tx:
            return tx.add_process(row._replace(**fields))

    def lease_end(self) -> int:
        return self.lease_clock.now() + LEASE_S * SECOND

    def renew(self, process: int) -> bool:
        with self.turn() as turn:
            return turn.tx.renew(process, self.lease_end(), False)

    def rescue(self, own: int = 0, *, dead: Iterable[int] = ()) -> int:
        """What a process does when it starts or renews; ``dead`` are those whose pid is gone."""
        gone = set(dead)
        with self.turn() as turn:
            return rescue_dead(
                turn,
                own,
                lambda process: True if process.id in gone else None,
                self.limits_of,
                self.dispatcher.job_monitor.children_failed,
            )

    def lose(self, *jobs: Job) -> None:
        """The process that holds these jobs (and all it holds) is gone, and that is noticed."""
        holders = {self.store.get_job(job.id).claimed_by for job in jobs} - {None}
        self.rescue(dead=[holder for holder in holders if holder is not None])
        if self.me in holders:
            self.me = self.process()

    # runs

    def start(self, definition: JobDefinition, library: Sequence[JobDefinition] = ()) -> int:
        with self.turn() as turn:
            return self.dispatcher.execute(turn, definition, "source", {d.id: (d, "source") for d in library})

    def run(self, run_id: int) -> RunRow:
        return self.store.run(run_id)

    def record(self, job_id: int) -> JobRecord:
        return self.store.get_job(job_id)

    def status(self, job_id: int) -> JobStatus:
        return self.store.get_job(job_id).status

    def step(self, run_id: int, name: str) -> StepRow:
        return self.steps(run_id)[name]

    def steps(self, run_id: int) -> dict[str, StepRow]:
        return {row.name: row for row in self.store.steps(run_id)}

    def statuses(self, run_id: int) -> dict[str, str]:
        return {name: str(row.state.status) for name, row in self.steps(run_id).items()}

    def runs(self) -> list[int]:
        return sorted(job.id for job in self.store.list_runs(limit=MANY))

    def jobs_of(self, run_id: int, name: str) -> dict[str, JobRecord]:
        """The step's worker jobs by key."""
        step_id = self.step(run_id, name).id
        return {str(job.config["key"]): job for job in self.store.list_children(step_id, limit=MANY)}

    def outcome(self, job_id: int) -> tuple[str, str | None]:
        """(status, reason)"""
        job = self.store.get_job(job_id)
        return str(job.status), job.status_reason and str(job.status_reason)

    def cancel(self, run_id: int) -> None:
        with self.turn() as turn:
            self.jobs.cancel(turn, run_id)

    def pause(self, run_id: int) -> None:
        with self.turn() as turn:
            self.jobs.pause(turn, run_id)

    def resume(self, run_id: int) -> None:
        with self.turn() as turn:
            self.jobs.resume(turn, run_id)

    def sweep(self) -> None:
        """Sweep every stopped run to its end."""
        while self.stopped:
            run_id = min(self.stopped)
            self.stopped.discard(run_id)
            while self.sweep_chunk(run_id):
                pass

    def sweep_chunk(self, run_id: int) -> bool:
        with self.turn() as turn:
            return self.jobs.sweep(turn, run_id)

    def advance(self, seconds: float) -> None:
        """Time passes, and what is due happens."""
        self.clock.advance(seconds)
        self.due()

    def due(self) -> None:
        with self.turn() as turn:
            enforce_deadlines(turn, self.jobs)
            while bring_due(turn):
                pass

    # planning

    def claim_steps(self, limit: int = MANY, process: int | None = None, **options: Any) -> list[ClaimedStep]:
        return self._claim(0, limit, process, **options).steps

    def claim_step(self, run_id: int, name: str) -> Held:
        """Claim what can be planned, and give back all but this step."""
        wanted = self.step(run_id, name).id
        claimed = self.claim_steps()
        found = [Held(c.id, c.attempt) for c in claimed if c.id == wanted]
        assert found, f"step {name} can't be planned: {self.step(run_id, name).state.name}"
        for other in claimed:
            if other.id != wanted:
                with self.turn() as turn:
                    self.dispatcher.planning_stopped(turn, Held(other.id, other.attempt))
        return found[0]

    def expand(self, held: Held, keys: Iterable[str | Child]) -> int:
        with self.turn() as turn:
            return self.dispatcher.expand(turn, held, children(keys))

    def seal(self, held: Held, planned: int = 0) -> None:
        with self.turn() as turn:
            self.dispatcher.seal(turn, held, planned=planned, warnings=0, plan_hash="")

    def plan(self, run_id: int, name: str, keys: Iterable[str | Child]) -> None:
        """Plan one step to the end."""
        made = list(keys)
        held = self.claim_step(run_id, name)
        if made:
            self.expand(held, made)
        self.seal(held, len(made))

    def fail_plan(self, held: Held, error: Exception | None = None, failures: int = 0) -> None:
        with self.turn() as turn:
            self.dispatcher.planning_failed(turn, held, error or PermanentError("no plan"), failures, self.me)

    # jobs

    def _claim(
        self,
        jobs: int,
        steps: int,
        process: int | None = None,
        *,
        suspects: bool = True,
        types: Sequence[str] = TYPES,
        capabilities: Sequence[str] = (),
        seen_keys: dict[int, str] | None = None,
    ) -> Haul:
        demand = Demand(
            process_id=process or self.me,
            jobs=jobs,
            steps=steps,
            types=tuple(types),
            capabilities=tuple(capabilities),
            suspect_allowed=suspects,
            seen_keys={} if seen_keys is None else seen_keys,
        )
        with self.turn() as turn:
            self.haul = claim(turn, demand, self.limits_of)
            self.dispatcher.steps_claimed(turn, self.haul.steps)
        return self.haul

    def claim(self, limit: int = MANY, process: int | None = None, **options: Any) -> list[Job]:
        """Claim jobs, in the order in which they were handed out."""
        found = []
        for step_id, claimed in self._claim(limit, 0, process, **options).jobs:
            manager = self.store.step(step_id).manager_id
            for c in claimed:
                key = msgspec.json.decode(c.payload)["key"]
                found.append(Job(c.id, c.attempt, step_id, manager, key, c.failures, c.limit_key))
        return found

    def end(self, job: Job, kind: EndKind = "completed", **fields: Any) -> Ended:
        """The outcome of a held job, with the slots it held."""
        with self.store.transaction() as tx:
            slots = self.limits_of(Turn(tx), job.step_id).slots(job.limit_key)
        return Ended(
            job_id=job.id,
            attempt=job.attempt,
            step_id=job.step_id,
            manager_id=job.manager_id,
            kind=kind,
            limiter=slots,
            **fields,
        )

    def failure(self, job: Job, error: Exception | None = None) -> Ended:
        """What the pool makes of an exception: tried again by the step's policy, or failed."""
        definition = self.store.definition_of(job.manager_id)
        policy = definition.step(self.store.step(job.step_id).name).retry
        verdict = judge(error or ValueError("broken"), policy, job.failures + 1, self.random)
        kind: EndKind = "failed" if verdict.delay_us is None else "retried"
        return self.end(job, kind, reason=verdict.reason, delay_us=verdict.delay_us, failures=1, error=ERROR)

    def finish(self, *ended: Ended, done: Sequence[Job] = ()) -> int:
        """Write a batch of outcomes; returns how many were refused."""
        plain = [(job.id, job.attempt, job.step_id) for job in done]
        with self.turn() as turn:
            refused = finish(turn, plain, ended, self.me, self.dispatcher.job_monitor.children_failed)
        self.refused += refused
        return refused

    def complete(self, *jobs: Job) -> int:
        """Plain successes go the short way, jobs that held a slot the long one; as the pool does it."""
        ended = [self.end(job) for job in jobs]
        rich = [e for e in ended if e.limiter]
        return self.finish(*rich, done=[job for job, e in zip(jobs, ended, strict=True) if not e.limiter])

    def fail(self, *jobs: Job, error: Exception | None = None) -> int:
        return self.finish(*[self.failure(job, error) for job in jobs])

    def documents(self, job: Job, *drafts: DocumentDraft) -> Any:
        """Documents as an outcome carries them."""
        row = self.store.step(job.step_id)
        facts = Facts(job.id, job.manager_id, job.step_id, row.name, row.worker_type, job.attempt)
        return self.preparer.prepare(JobOutcome(documents=list(drafts)), facts)

    def drive(
        self,
        *,
        plans: Mapping[str, Sequence[str]] | None = None,
        fail: Iterable[str] = (),
        until: Callable[[], bool] = lambda: False,
    ) -> None:
        """Work until nothing can be done: every step plans its keys (one named as the step where not told)."""
        broken = set(fail)
        while not until():
            self.sweep()
            steps = self.claim_steps()
            for claimed in steps:
                held = Held(claimed.id, claimed.attempt)
                name = self.store.step(claimed.id).name
                keys = (plans or {}).get(name, [name])
                if keys:
                    self.expand(held, keys)
                self.seal(held, len(keys))
            jobs = self.claim()
            if jobs:
                self.finish(
                    *[self.failure(j, PermanentError("broken")) for j in jobs if j.key in broken],
                    *[self.end(j) for j in jobs if j.key not in broken],
                )
            if not steps and not jobs and not self.stopped:
                return

    # what lies in the store

    @property
    def keyed_jobs(self) -> str:
        """Where jobs stand with their keys."""
        io = "(SELECT j.*, i.child_key FROM jobs AS j JOIN job_io AS i ON i.id = j.id) AS jobs"
        return io if self._url else "jobs"

    def child_ids(self, step_id: int) -> dict[str, int]:
        return dict(self.rows(f"SELECT child_key, id FROM {self.keyed_jobs} WHERE parent_id = :step", step=step_id))

    def rows(self, sql: str, **params: Any) -> list[Row]:
        return self.store.readers.get().fetch_all(sql, params)

    def slots_in_use(self) -> dict[tuple[str, str], int]:
        return {
            (row[0], row[1]): row[2] for row in self.rows("SELECT name, key, in_use FROM limiters WHERE in_use > 0")
        }

    def check(self) -> None:
        """What holds after every turn, whatever happened."""
        drifting, _ = self.store.drifting(0, MANY)
        assert not drifting, f"counters differ from a recount: {[self.store.step(s) for s in drifting]}"
        for job_id, count in self.endings.items():
            job = self.store.get_job(job_id)
            assert count == 1, f"{job.kind} {job_id} was closed {count} times"
            assert job.status.is_terminal, f"{job.kind} {job_id} was closed and is {job.status}"
            assert job.finished_at is not None
        for run_id in self.runs():
            run, steps = self.run(run_id), self.store.steps(run_id)
            ended = all(row.state.is_terminal for row in steps)
            assert run.state.is_terminal == ended, (
                f"run {run_id} is {run.state.name}, its steps: {self.statuses(run_id)}"
            )
            for row in steps:
                stopped = run.stop_reason is not None or row.stop_reason is not None
                closed = row.open == 0 and (bool(row.sealed) or stopped) and row.claimed_by is None
                if row.state.is_terminal:
                    assert row.open == 0, f"step {row.name} ended with open jobs: {row}"
                elif row.attempt or row.total:
                    assert not closed or row.state.name == "WAITING", f"step {row.name} should have ended: {row}"
                assert not row.state.is_terminal or row.sealed
