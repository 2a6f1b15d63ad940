"""Many nodes on one PostgreSQL at the same time: they lose nothing, do nothing twice, and wait for none in a circle.

Each node here has the engine's own writer over a connection of its own. In place of handlers there are made-up
outcomes, so that the nodes do nothing but meet in the database.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from random import Random
from typing import Any, NamedTuple

import msgspec
import psycopg
import pytest

from quaero.errors import QuaeroError, StaleClaim, StoreConflict
from quaero.model.definition import JobDefinition, Limits
from quaero.model.document import DocumentDraft
from quaero.model.outcome import JobOutcome
from quaero.model.status import StatusReason
from quaero.ports.jobs import Child, ChildBatch, Claimed, Held, ProcessRow
from quaero.queue.attempts import Done, Ended
from quaero.queue.claims import Demand, LaneLimits
from quaero.queue.dispatcher import JobDispatcher
from quaero.queue.job_manager import Definitions, JobManager
from quaero.queue.leases import rescue_dead
from quaero.queue.masking import Masker
from quaero.queue.turn import Turn
from quaero.queue.work import Command, Posted, Work
from quaero.queue.writer import Writer
from quaero.storage.document_prepare import DocumentPreparer
from quaero.storage.job_store import SqlJobStore
from quaero.storage.jobs import SqlJobTransaction
from quaero.storage.postgres import PostgresDatabase
from tests.engine_kit import ERROR, Facts, children, define, step
from tests.postgres import drop_database, fresh_database

NODES = 24
SHORT_S = 1.0
LONG_S = 120.0
LEASE_US = 3_600_000_000
TYPES = ("work", "rich", "spawning", "capped", "keyed", "flaky")
SHARED = 5
"""Documents, and dedup keys, that all jobs have in common."""
BATCH = 12
ENOUGH = 40
"""Runs and plans that are old enough to be left alone."""


class Lineless:
    """A log store that keeps nothing: lines have tables and tests of their own."""

    def append(self, groups: Sequence[Any]) -> dict[int, int]:
        return {}


class Shared:
    """What all nodes of a test know together."""

    def __init__(self, seed: int, definitions: Sequence[JobDefinition], most_open: int) -> None:
        self.lock = threading.Lock()
        self.definitions = definitions
        self.most_open = most_open
        """Runs at the same time."""
        self.stop = threading.Event()
        """No new runs, no more disturbance; what is there is worked off."""
        self.end = threading.Event()
        self.started: Counter[tuple[int, int]] = Counter()
        """(job, attempt) -> how often it was handed out."""
        self.running: Counter[tuple[str, str]] = Counter()
        """(worker type, limit key) -> jobs between claim and outcome."""
        self.most: Counter[tuple[str, str]] = Counter()
        self.plans: list[tuple[Held, ChildBatch]] = []
        """What was planned, for a zombie to plan again."""
        self.sealed: list[tuple[Held, Any]] = []
        """What was answered to the end of each plan."""
        self.conflicts: list[str] = []
        self.errors: list[BaseException] = []
        self.runs: list[int] = []
        self.stopped: set[int] = set()
        self.random = Random(seed)


class WatchedStore(SqlJobStore):
    """Notes which transactions failed, and of what: the writer goes on after a conflict without a word."""

    shared: Shared

    @contextmanager
    def transaction(self) -> Iterator[SqlJobTransaction]:
        try:
            with super().transaction() as tx:
                yield tx
        except StoreConflict as error:
            cause = error.__cause__
            detail = cause.diag.message_detail if isinstance(cause, psycopg.Error) else None
            self.shared.conflicts.append(f"{error}: {detail}")
            raise
        except QuaeroError:
            raise
        except Exception as error:
            if not type(error).__name__.startswith("_Declined"):
                self.shared.errors.append(error)
            raise


class Running(NamedTuple):
    job: Claimed
    step_id: int
    manager_id: int
    worker_type: str
    limits: LaneLimits


class Node:
    """One engine without its pool: a writer, and a thread that turns what it claims into outcomes."""

    def __init__(self, url: str, shared: Shared, seed: int) -> None:
        self.shared = shared
        self.random = Random(seed)
        self.store = WatchedStore(PostgresDatabase(url))
        self.store.shared = shared
        self.jobs = JobManager(lambda definition, step: ())
        self.definitions = Definitions()
        self.dispatcher = JobDispatcher(self.jobs, self.definitions, self.random)
        self.preparer = DocumentPreparer()
        self.posts: SimpleQueue[Posted] = SimpleQueue()
        self.writer = Writer(
            self.store,
            Lineless(),  # type: ignore[arg-type]  # of the log store, the writer calls only this
            self.jobs,
            self.dispatcher,
            self.limits_of,
            Masker(),
            self.posts.put,
            lambda error: None if error is None else shared.errors.append(error),
            shared.errors.append,
        )
        self.known: dict[int, tuple[int, str, LaneLimits]] = {}
        self.process_id = 0
        self.asked = False
        self.seen_keys: dict[int, str] = {}
        self.refused = 0
        self.held: list[Running] = []
        self.thread = threading.Thread(target=self.live, name=f"node-{seed}")

    def limits_of(self, turn: Turn, step_id: int) -> LaneLimits:
        if step_id not in self.known:
            row = turn.tx.step(step_id)
            definition = self.definitions.of(turn, turn.tx.run(row.manager_id))
            self.known[step_id] = (
                row.manager_id,
                row.worker_type,
                LaneLimits(row.worker_type, definition.step(row.name).limits),
            )
        return self.known[step_id][2]

    def command(self, command: Command) -> Any:
        """Its answer, when it is committed; QuaeroErrors are answers too."""
        future: Future[Any] = Future()
        self.writer.put(Work(commands=[(command, future)]))
        while not future.done():
            self.take(timeout=20.0)
        return future.result()

    def take(self, timeout: float) -> None:
        try:
            posted = self.posts.get(timeout=timeout)
        except Empty:
            if not self.shared.errors and timeout >= 1:
                raise AssertionError("the writer is silent") from None
            return
        for future, answer in posted.answers:
            future.set_result(answer)
        if posted.work.demand is not None:
            self.asked = False
            if posted.haul.is_dry:
                # As the engine: it asks again when something has happened, or a limit lets it.
                self.shared.end.wait(0.02)
        self.refused += posted.refused
        with self.shared.lock:
            self.shared.stopped.update(posted.stopped_runs)
        for step_id, claimed in posted.haul.jobs:
            self._hold(step_id, claimed)
        for planned in posted.haul.steps:
            self._plan(Held(planned.id, planned.attempt))

    def _hold(self, step_id: int, claimed: Sequence[Claimed]) -> None:
        manager_id, worker_type, limits = self.known[step_id]
        with self.shared.lock:
            for job in claimed:
                self.shared.started[job.id, job.attempt] += 1
                for slot in limits.slots(job.limit_key):
                    self.shared.running[slot] += 1
                    self.shared.most[slot] = max(self.shared.most[slot], self.shared.running[slot])
        self.held += [Running(job, step_id, manager_id, worker_type, limits) for job in claimed]

    def _plan(self, held: Held) -> None:
        _, worker_type, _ = self.known[held.id]
        wanted = self.random.randint(0, 60)
        batch = children(
            [Child(f"{n}", priority=n % 3, limit_key=f"host{n % 4}" if worker_type == "keyed" else None)
             for n in range(wanted)]
        )  # fmt: skip
        with self.shared.lock:
            self.shared.plans.append((held, batch))
        future: Future[Any] = Future()
        commands: list[tuple[Command, Future[Any] | None]] = []
        if wanted:
            commands.append((lambda turn: self.dispatcher.expand(turn, held, batch), None))
        commands.append(
            (lambda turn: self.dispatcher.seal(turn, held, planned=wanted, warnings=0, plan_hash=""), future)
        )
        future.add_done_callback(lambda sealed: self._sealed(held, sealed.result()))
        for command in commands:
            self.writer.put(Work(commands=[command]))

    def _sealed(self, held: Held, answer: Any) -> None:
        self.shared.sealed.append((held, answer))
        if isinstance(answer, StaleClaim):
            # As the engine does: a plan that is no longer wanted is given up.
            self.writer.put(Work(commands=[(lambda turn: self.dispatcher.planning_stopped(turn, held), None)]))

    def live(self) -> None:
        try:
            self.writer.start()
            self.register()
            while not self.shared.end.is_set():
                self.turn()
        except BaseException as error:
            self.shared.errors.append(error)
        finally:
            self.writer.close()
            self.store.close()

    def register(self) -> None:
        lease = time.time_ns() // 1000 + LEASE_US
        row = ProcessRow(0, "host", "boot", "pids", 1, 1, "1", 4, "[]", 0, 0, lease, 0)
        self.process_id = self.command(lambda turn: turn.tx.add_process(row))
        self.writer.acts_as(self.process_id)

    def turn(self) -> None:
        """Hand over outcomes together with a demand, as the engine does; then wait for what comes."""
        if not self.asked:
            done, ended = self.outcomes()
            room = self.random.choice((1, BATCH, 3 * BATCH))
            demand = Demand(process_id=self.process_id, jobs=room, steps=2, types=TYPES, seen_keys=self.seen_keys)
            self.asked = True
            self.writer.put(Work(done=done, ended=ended, demand=demand))
        self.take(timeout=20.0)
        self.disturb()

    def disturb(self) -> None:
        """What else happens to a node now and then."""
        if self.random.random() < 0.1:
            # Due jobs are brought back in turns without outcomes.
            self.writer.put(Work(commands=[(lambda turn: None, None)]))
        with self.shared.lock:
            stopped = self.shared.stopped.pop() if self.shared.stopped else 0
        if stopped:
            while self.command(lambda turn: self.jobs.sweep(turn, stopped)) is True:
                pass

    def outcomes(self) -> tuple[list[Done], list[Ended]]:
        done: list[Done] = []
        ended: list[Ended] = []
        held, self.held = self.held, []
        for running in held:
            job = running.job
            slots = running.limits.slots(job.limit_key)
            with self.shared.lock:
                for slot in slots:
                    self.shared.running[slot] -= 1
            if running.worker_type == "work":
                done.append((job.id, job.attempt, running.step_id))
            else:
                ended.append(self._ended(running, slots))
        return done, ended

    def _ended(self, running: Running, slots: tuple[tuple[str, str], ...]) -> Ended:
        job = running.job
        end = Ended(
            job_id=job.id,
            attempt=job.attempt,
            step_id=running.step_id,
            manager_id=running.manager_id,
            kind="completed",
            limiter=slots,
        )
        if running.worker_type == "rich":
            end.documents = self._documents(running)
        elif running.worker_type == "spawning" and job.depth < 2:
            end.children = self._spawned(job)
        elif running.worker_type == "flaky" and job.attempt < 3:
            end.kind = self.random.choice(("retried", "snoozed", "released", "failed", "completed"))
            end.failures = int(end.kind in {"retried", "failed"})
            end.delay_us = self.random.randint(0, 50_000) if end.kind in {"retried", "snoozed"} else None
            end.error = ERROR if end.failures else None
            end.reason = StatusReason.ERROR if end.kind == "failed" else None
        return end

    def _documents(self, running: Running) -> Any:
        facts = Facts(
            running.job.id, running.manager_id, running.step_id, "rich", running.worker_type, running.job.attempt
        )
        shared = self.random.sample(range(SHARED), 2)
        names = [f"job-{running.job.id}", *(f"shared-{n}" for n in shared)]
        drafts = [
            DocumentDraft(
                source_type="note",
                source_id=name,
                title=name,
                content=f"{name} {self.random.randint(0, 3)}",
                tags=("a", f"t{self.random.randint(0, 9)}"),
            )
            for name in names
        ]
        return self.preparer.prepare(JobOutcome(documents=drafts), facts)

    def _spawned(self, job: Claimed) -> ChildBatch:
        """Some that a sibling may make too, and some that only one job at a time may make, in whatever run."""
        names = [f"{job.depth}-{self.random.randint(0, 99)}" for _ in range(3)]
        rows = [Child(name, depth=job.depth + 1, spawned_by=job.id) for name in dict.fromkeys(names)]
        for n in self.random.sample(range(SHARED), 2):
            key = f"{job.id}-{n}"
            rows.append(Child(key, depth=job.depth + 1, spawned_by=job.id, dedup_key=f"only-{n}"))
        return ChildBatch(rows=rows, payloads=[msgspec.json.encode({"key": row.key}) for row in rows])


class Disturber(Node):
    """A node that also commands: what people, timers and other nodes' rescues do at the worst time."""

    def __init__(self, url: str, shared: Shared, seed: int, deeds: Sequence[str]) -> None:
        super().__init__(url, shared, seed)
        self.deeds = deeds
        self.victims: list[Node] = []
        self.has_stopped = threading.Event()

    def starts_nothing_more(self) -> None:
        """Returns when the runs that it was about to start are there."""
        assert self.has_stopped.wait(30) or self.shared.errors
        written: Future[Any] = Future()
        self.writer.put(Work(commands=[(lambda turn: None, written)]))
        if not self.shared.errors:
            written.result(30)

    def disturb(self) -> None:
        super().disturb()
        if self.shared.stop.is_set():
            self.has_stopped.set()
            self.settle_down()
        else:
            getattr(self, self.random.choice(self.deeds))()

    def settle_down(self) -> None:
        """Everything goes on to its end: nothing stays paused, no job stays with a process that has no row."""
        for run_id in self.shared.runs:
            self.command(lambda turn, run_id=run_id: self.jobs.resume(turn, run_id))
        self.rescue_orphans()

    def a_run(self) -> int:
        with self.shared.lock:
            return self.random.choice(self.shared.runs[-ENOUGH:] or [0])

    def start(self) -> None:
        if len(self.store.open_runs()) >= self.shared.most_open:
            return
        definition = self.random.choice(self.shared.definitions)
        run_id = self.command(lambda turn: self.dispatcher.execute(turn, definition, "source", {}))
        if not isinstance(run_id, QuaeroError):
            with self.shared.lock:
                self.shared.runs.append(run_id)

    def cancel(self) -> None:
        if self.random.random() < 0.2 and (run_id := self.a_run()):
            self.command(lambda turn: self.jobs.cancel(turn, run_id))

    def pause(self) -> None:
        if run_id := self.a_run():
            self.command(lambda turn: self.jobs.pause(turn, run_id))

    def resume(self) -> None:
        if run_id := self.a_run():
            self.command(lambda turn: self.jobs.resume(turn, run_id))

    def plan_again(self) -> None:
        with self.shared.lock:
            if not self.shared.plans:
                return
            held, batch = self.random.choice(self.shared.plans[-ENOUGH:])
        self.command(lambda turn: self.dispatcher.expand(turn, held, batch))

    def rescue(self) -> None:
        dead = self.random.choice(self.victims).process_id
        if self.random.random() < 0.2:
            self._rescue({dead})

    def rescue_orphans(self) -> None:
        self._rescue(set())

    def _rescue(self, dead: set[int]) -> None:
        self.command(
            lambda turn: rescue_dead(
                turn,
                self.process_id,
                lambda process: True if process.id in dead else None,
                self.limits_of,
                self.dispatcher.job_monitor.children_failed,
            )
        )


def flow(name: str, *types: str, overlap: str = "allow", chained: bool = False) -> JobDefinition:
    """One step of each type, all at once or one after the other."""
    steps = []
    for number, worker_type in enumerate(types):
        limits = {"keyed": Limits(concurrency=3, key="host"), "capped": Limits(concurrency=5)}.get(
            worker_type, Limits()
        )
        depends = (f"s{number - 1}",) if chained and number else ()
        steps.append(step(f"s{number}", *depends, worker_type=worker_type, limits=limits, priority=number % 2))
    return define(name, *steps, overlap=overlap)


class Scenario(NamedTuple):
    definitions: tuple[JobDefinition, ...]
    deeds: tuple[str, ...] = ("start",)
    runs: int = 6
    """Open at the same time."""


ALL = (
    flow("plain", "work"),
    flow("several", "work", "rich", "work"),
    flow("chain", "rich", "work", "flaky", chained=True),
    flow("limited", "keyed", "capped", "work"),
    flow("growing", "spawning", "rich", "spawning"),
    flow("queued", "work", "flaky", overlap="queue"),
    flow("newest", "spawning", "rich", overlap="cancel_previous"),
    flow("single", "keyed", "work", overlap="skip"),
)
COMMANDS = ("start", "start", "cancel", "pause", "resume", "resume", "plan_again")
SCENARIOS = {
    "one step": Scenario((flow("plain", "work"),), runs=1),
    "steps of one run": Scenario((flow("several", "work", "rich", "spawning", "flaky"),), runs=1),
    "several runs": Scenario((flow("several", "work", "rich", "flaky"),)),
    "limits": Scenario((flow("limited", "keyed", "capped"),), runs=2),
    "documents": Scenario((flow("documents", "rich", "rich"),)),
    "spawning": Scenario((flow("growing", "spawning", "spawning"),)),
    "commands": Scenario(ALL, COMMANDS),
    "lost nodes": Scenario(ALL, (*COMMANDS, "rescue", "rescue_orphans")),
}


RESCUED = {"lost nodes"}
"""Whoever rescues takes the jobs of one that still ends them: the two may get into each other's way."""


@pytest.fixture
def url() -> Iterator[str]:
    url = fresh_database()
    yield url
    drop_database(url)


def work_together(url: str, scenario: Scenario, seconds: float, seed: int) -> Shared:
    shared = Shared(seed, scenario.definitions, scenario.runs)
    disturbers = [Disturber(url, shared, seed + n, scenario.deeds) for n in range(3)]
    nodes = [*disturbers, *(Node(url, shared, seed + n) for n in range(len(disturbers), NODES))]
    for disturber in disturbers:
        disturber.victims = nodes
    for node in nodes:
        node.thread.start()
    reader = disturbers[0].store
    try:
        shared.end.wait(seconds)
        shared.stop.set()
        for disturber in disturbers:
            disturber.starts_nothing_more()
        deadline = time.monotonic() + 30
        while (left := reader.open_runs()) and not shared.errors:
            assert time.monotonic() < deadline, (
                f"runs that don't end: {[reader.steps(run) for run in left[:3]]}; {shared.sealed}"
            )
            shared.end.wait(0.05)
    finally:
        shared.end.set()
        for node in nodes:
            node.thread.join(30)
    assert not [node.thread.name for node in nodes if node.thread.is_alive()]
    return shared


def check(url: str, shared: Shared, *, lost: bool) -> None:
    """What must be true when all is done."""
    assert not shared.errors, shared.errors
    store = SqlJobStore(PostgresDatabase(url))
    drifting, _ = store.drifting(0, 1_000_000)
    store.close()
    assert not drifting
    with psycopg.connect(url) as db:

        def rows(sql: str) -> list[Any]:
            return db.execute(sql.encode()).fetchall()

        assert rows("SELECT id, kind, status FROM jobs WHERE status < 3") == []
        assert rows("SELECT id FROM jobs WHERE claimed_by IS NOT NULL") == []
        assert rows("SELECT name, key, in_use FROM limiters WHERE in_use <> 0") == []
        # What was handed out is what was counted, each attempt once.
        handed: Counter[int] = Counter(job for job, _ in shared.started)
        assert max(shared.started.values()) == 1
        counted = dict(rows("SELECT id, attempt FROM jobs WHERE kind = 2"))
        assert {job: attempt for job, attempt in counted.items() if attempt != handed[job]} == {}
        # Each step and each run was closed once.
        endings = rows(
            "SELECT job_id, count(*) FROM events WHERE type IN ('job.status', 'step.status')"
            " AND data::json ->> 'new' IN ('completed', 'failed', 'cancelled', 'skipped') GROUP BY 1"
        )
        assert {job for job, count in endings if count != 1} == set()
        assert {job for job, _ in endings} == {row[0] for row in rows("SELECT id FROM jobs WHERE kind < 2")}
        # An outcome's documents are there if it counted, and only then.
        made = rows("SELECT source_id, revision FROM documents WHERE source_id LIKE 'job-%'")
        wanted = rows(
            "SELECT 'job-' || j.id FROM jobs AS j JOIN steps AS s ON s.id = j.parent_id"
            " WHERE s.worker_type = 'rich' AND j.status = 3 AND j.kind = 2"
        )
        assert {name for name, _ in made} == {name for (name,) in wanted}
        assert {revision for _, revision in made} <= {1}
    if not lost:
        assert all(shared.most[slot] <= (3 if slot[0] == "keyed" else 5) for slot in shared.most), shared.most


def prove(url: str, name: str, seconds: float, seed: int) -> None:
    shared = work_together(url, SCENARIOS[name], seconds, seed)

    check(url, shared, lost=name in RESCUED)
    print(f"{len(shared.started)} jobs, {len(shared.runs)} runs, {len(shared.conflicts)} conflicts")
    if name not in RESCUED:
        assert shared.conflicts == []


@pytest.mark.parametrize("name", SCENARIOS)
def test_many_nodes_do_everything_once_and_wait_for_none_in_a_circle(url: str, name: str) -> None:
    prove(url, name, SHORT_S, seed=1)


@pytest.mark.soak
@pytest.mark.timeout(0)
@pytest.mark.parametrize("name", SCENARIOS)
def test_many_nodes_go_on_for_long(url: str, name: str) -> None:
    prove(url, name, LONG_S, seed=2)
