"""What the queue may ask of the job store.

A :class:`JobTransaction` is one turn of the engine's writer: everything in it commits at once or not at all.
Its methods are single statements over whole batches; the rules (what follows from a job's end) live in
``quaero.queue``. Times are microseconds since 1970 UTC.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from enum import IntEnum
from typing import Any, NamedTuple, Protocol

import msgspec

from quaero.model.job import JobError
from quaero.model.status import JobStatus, StatusReason
from quaero.ports.schedules import ScheduleChanges
from quaero.ports.upkeep import Upkeep


class State(IntEnum):
    """A status as stored. READY and WAITING are both ``pending``: claimable now, or not yet."""

    READY = 0
    WAITING = 1
    RUNNING = 2
    COMPLETED = 3
    FAILED = 4
    CANCELLED = 5
    SKIPPED = 6

    @property
    def is_terminal(self) -> bool:
        return self >= State.COMPLETED

    @property
    def status(self) -> JobStatus:
        return _STATUS[self]


_STATUS = (
    JobStatus.PENDING,
    JobStatus.PENDING,
    JobStatus.RUNNING,
    JobStatus.COMPLETED,
    JobStatus.FAILED,
    JobStatus.CANCELLED,
    JobStatus.SKIPPED,
)
REASONS: tuple[StatusReason, ...] = tuple(StatusReason)


class Child(NamedTuple):
    """What a worker job says for itself beyond key, payload and its step's priority."""

    key: str
    priority: int = 0
    limit_key: str | None = None
    dedup_key: str | None = None
    depth: int = 0
    spawned_by: int | None = None
    needs: str = ""
    """A capability beyond those of its step."""


class ChildBatch(msgspec.Struct):
    """Worker jobs to be inserted below one step: keys and payloads side by side, apart so that each is parsed once."""

    priority: int = 0
    """Of all of them, where ``rows`` is empty."""
    keys: list[str] = []
    payloads: list[bytes] = []
    """JSON."""
    rows: list[Child] = []
    """One for each, or none at all: plain jobs have only a key."""

    def __len__(self) -> int:
        return len(self.payloads)

    @property
    def has_dedup(self) -> bool:
        return any(row.dedup_key is not None for row in self.rows)


class Claimed(NamedTuple):
    """A worker job that this process now holds."""

    id: int
    attempt: int
    failures: int
    depth: int
    priority: int
    limit_key: str | None
    is_suspect: int
    """It was lost twice: it may be what kills its process."""
    payload: str


class ClaimedStep(NamedTuple):
    """A step that this process now holds in order to plan it."""

    id: int
    attempt: int
    failures: int
    manager_id: int


class Held(NamedTuple):
    """The attempt a write speaks for: accepted only while the job is running with this very attempt."""

    id: int
    attempt: int


class Settled(NamedTuple):
    """How an attempt ended, other than in plain success."""

    id: int
    attempt: int
    state: State
    reason: StatusReason | None = None
    available_at: int | None = None
    failures: int = 0
    """To be added."""


class AttemptEnd(NamedTuple):
    job_id: int
    attempt: int
    outcome: str
    error: JobError | None = None


class Delta(msgspec.Struct):
    """A change of one step's counters."""

    total: int = 0
    pending: int = 0
    waiting: int = 0
    running: int = 0
    completed: int = 0
    failed: int = 0
    cancelled: int = 0
    skipped: int = 0
    retried: int = 0
    documents: int = 0
    warnings: int = 0
    turn: int | None = None
    """Set by a claim: the step goes to the end of the line."""
    priority: int | None = None
    """Of its best ready job, as far as a claim has seen."""

    @property
    def touches_ready(self) -> bool:
        """There may be more to claim than the store says."""
        return self.pending != 0 or self.waiting != 0

    def move(self, old: State, new: State, count: int = 1) -> None:
        """``count`` children went from ``old`` to ``new``: the one place where a change meets the counters."""
        self._add(old, -count)
        self._add(new, count)

    def create(self, state: State, count: int = 1) -> None:
        self.total += count
        self._add(state, count)

    def _add(self, state: State, count: int) -> None:
        if state <= State.WAITING:
            self.pending += count
            if state is State.WAITING:
                self.waiting += count
        else:
            name = state.status.value
            setattr(self, name, getattr(self, name) + count)


class Progress(NamedTuple):
    """How the children of a step stand."""

    step_id: int
    manager_id: int
    total: int
    pending: int
    running: int
    completed: int
    failed: int
    cancelled: int
    skipped: int
    retried: int

    @property
    def open(self) -> int:
        return self.pending + self.running


class Lane(NamedTuple):
    """A step with ready jobs, as the claim sees it."""

    step_id: int
    manager_id: int
    priority: int
    ready: int
    has_suspect: int = 0
    """One of them was lost twice."""
    turn: int = 0
    """When it was last served."""
    has_needing: int = 0
    """Ready jobs of it need something of the node, which this one may lack."""


class Look(NamedTuple):
    """What there is to claim: at most 64 lanes, and whether some step waits to be planned."""

    lanes: list[Lane]
    plannable: bool


class StepRow(NamedTuple):
    """A step with its job row, lane and counters."""

    id: int
    manager_id: int
    root_id: int
    position: int
    name: str
    worker_type: str
    has_runs: int
    state: State
    reason: StatusReason | None
    has_errors: int
    attempt: int
    failures: int
    claimed_by: int | None
    available_at: int | None
    sealed: int
    stop_reason: StatusReason | None
    deadline: int | None
    started_at: int | None
    total: int
    pending: int
    waiting: int
    running: int
    completed: int
    failed: int
    cancelled: int
    skipped: int
    retried: int
    document_count: int
    warning_count: int
    message: str
    cache_key: str | None
    waits_for: str = ""
    """Capabilities that no node has, as far as that was told."""

    @property
    def open(self) -> int:
        return self.pending + self.running


class RunRow(NamedTuple):
    """A run with its manager job's row."""

    id: int
    definition_id: str
    revision: int
    root_id: int
    parent_step: int | None
    rerun_of: int | None
    name: str
    log_day: str
    state: State
    reason: StatusReason | None
    priority: int
    queued: int
    failing: int
    warned: int
    stop_reason: StatusReason | None
    paused_at: int | None
    deadline: int | None
    message: str


class NewRun(msgspec.Struct, frozen=True, kw_only=True):
    definition_id: str
    revision: int
    name: str
    log_day: str
    root_id: int | None = None
    parent_step: int | None = None
    child_key: str | None = None
    rerun_of: int | None = None
    priority: int = 0
    queued: bool = False
    deadline: int | None = None


class NewStep(msgspec.Struct, frozen=True, kw_only=True):
    manager_id: int
    root_id: int
    position: int
    name: str
    worker_type: str
    has_runs: bool = False
    priority: int = 0
    state: State = State.WAITING
    reason: StatusReason | None = None
    sealed: bool = False
    needs: tuple[str, ...] = ()
    """Capabilities that its plan and its jobs ask for."""


class ProcessRow(NamedTuple):
    """A node: one running program."""

    id: int
    host: str
    boot_id: str
    pid_space: str
    pid: int
    pid_started: int | None
    version: str
    slots: int
    """0: it executes nothing."""
    capabilities: str
    """A JSON array of words; empty where it is not known."""
    port: int
    draining: int
    lease_until: int
    started_at: int
    protocol: int = 0
    key_version: str = ""
    """The fingerprint of its encryption key; empty where it has none."""
    renewed_at: int = 0


class Notice(NamedTuple):
    """What a node must know at each sign of life."""

    schema: int
    """The newest step that the database has taken."""
    has_foreign_secrets: int
    """A secret was sealed with another key than this node's."""
    leader: int
    """The process that leads; 0: none ever did."""
    term: int
    leader_lives: int
    """It has a row, and its lease is not over."""
    has_needs: int
    """A step or job that could start needs something of a node."""


class Wanting(NamedTuple):
    step_id: int
    needs: str | None
    """A JSON array; None: it may have been told what is no longer so."""
    waits_for: str
    """What was told."""


class LostJob(NamedTuple):
    """A job whose process is gone."""

    id: int
    kind: int
    attempt: int
    rescues: int
    parent_id: int
    manager_id: int
    limit_key: str | None


class Limiter(NamedTuple):
    key: str
    in_use: int
    tokens: float | None
    stamp: int | None


class DocumentChange(Protocol):
    """What became of one document of an outcome: created, updated, unchanged, enriched or gone."""

    @property
    def id(self) -> str: ...
    @property
    def change(self) -> str: ...


class DocumentChanges(Protocol):
    """What a batch of outcomes did to documents."""

    @property
    def linked(self) -> Mapping[tuple[int, int], int]:
        """(run, step) -> documents that are new to the run."""
        ...

    @property
    def jobs(self) -> Mapping[int, Sequence[DocumentChange]]: ...
    @property
    def refused(self) -> Mapping[int, Sequence[str]]:
        """Job -> what could not be done, in sentences; the rest of its outcome stands."""
        ...


class JobTransaction(Protocol):
    """One writing transaction. ``now`` is its time: all that it writes carries the same one.

    Where several nodes write at once, their transactions take locks in one order, so that none waits for another in
    a circle: the registration of nodes, who leads, schedules, jobs (their own ones; of others only what is not
    locked), documents, limits, dedup keys, the roots of runs in the order of their ids, definitions. Steps, runs and
    counters are read for a decision, and written, only under the lock of their root. With a single writer all of these
    are free.
    """

    @property
    def now(self) -> int: ...
    @property
    def lease_now(self) -> int:
        """On the clock that leases are measured by."""
        ...

    # locks, held until the commit
    def lock_runs(self, run_ids: Iterable[int]) -> None:
        """The roots of these runs."""
        ...

    def lock_steps(self, step_ids: Iterable[int]) -> None:
        """The roots of these steps' runs."""
        ...

    @property
    def locked_roots(self) -> Collection[int]:
        """Those that this transaction holds, and those it has made."""
        ...

    def lock_definitions(self) -> None:
        """Which runs of a definition there are, and its revisions."""
        ...

    def lock_limits(self, *, wait: bool) -> bool:
        """All limiters; False when another transaction holds them and this one won't wait."""
        ...

    def lock_dedup(self) -> None:
        """Who may make jobs with dedup keys: two that make the same ones would wait for each other."""
        ...

    def savepoint(self) -> AbstractContextManager[None]: ...

    @property
    def upkeep(self) -> Upkeep:
        """The part that deletes and mends."""
        ...

    @property
    def schedules(self) -> ScheduleChanges:
        """The part that changes schedules."""
        ...

    # definitions and runs
    def pin_definition(self, definition_id: str, digest: str, source: str, body: bytes) -> int: ...
    def definition(self, definition_id: str, revision: int) -> bytes: ...
    def newest_revision(self, definition_id: str) -> int | None: ...
    def add_run(self, run: NewRun) -> int: ...
    def add_steps(self, steps: Sequence[NewStep]) -> list[int]: ...
    def run(self, run_id: int) -> RunRow: ...
    def open_runs(self, definition_id: str) -> list[RunRow]: ...
    def stopped_runs(self) -> list[int]: ...
    def child_runs(self, run_id: int) -> list[int]: ...
    def steps(self, run_id: int) -> list[StepRow]: ...
    def step(self, step_id: int) -> StepRow: ...
    def set_run_flags(self, run_id: int, values: Mapping[str, Any]) -> None: ...
    def set_step_flags(self, step_id: int, values: Mapping[str, Any]) -> None: ...

    # status changes of managers and steps
    def set_state(
        self,
        job_id: int,
        old: Sequence[State],
        new: State,
        *,
        reason: StatusReason | None = None,
        has_errors: bool = False,
        available_at: int | None = None,
    ) -> bool:
        """Compare and set; a terminal state also sets ``finished_at``. False when the old state was another."""
        ...

    def release_claim(self, job_id: int) -> None: ...

    def plan_of(self, held: Held) -> tuple[int, bool] | None:
        """(run, is to stop) of the step that this attempt is planning; None when it no longer is. Locks its root."""
        ...

    # children
    def add_children(self, manager_id: int, step_id: int, children: ChildBatch) -> int:
        """Insert what is not there yet (by key, and by dedup key among open jobs); returns how many."""
        ...

    def copy_failed_children(self, old_step: int, new_run: int, new_step: int, family: str | None = None) -> int:
        """Those of one family of errors, or all; returns how many."""
        ...

    # the hot path
    def complete(self, held: Sequence[Held] | Sequence[tuple[int, int]]) -> list[int]:
        """Running attempts -> completed. Returns the places of those that were refused (or repeated), usually none."""
        ...

    def accepted(self, held: Sequence[Held] | Sequence[tuple[int, int]]) -> set[tuple[int, int]]:
        """Which of these attempts (job, attempt) still hold their job; until the commit nobody takes it from them."""
        ...

    def settle(self, ends: Sequence[Settled]) -> None: ...
    def put_results(self, results: Sequence[tuple[int, bytes | None, bytes | None]]) -> None:
        """(job id, result JSON, error JSON); None keeps what is there."""
        ...

    def add_attempts(self, process_id: int | None, ends: Sequence[AttemptEnd]) -> None: ...
    def apply_counters(self, deltas: Mapping[int, Delta]) -> list[Progress]:
        """Change steps' counters; returns how those steps stand now."""
        ...

    # documents
    def write_documents(self, batch: Sequence[Any]) -> DocumentChanges:
        """Apply what outcomes did to documents, as the store's preparer encoded it in the jobs' own frames."""
        ...

    def copy_documents(self, old_run: int, new_run: int, steps: Mapping[int, int]) -> dict[int, int]:
        """Let a rerun take over documents: old step -> new step; returns new step -> its documents."""
        ...

    # claiming
    def bring_due(self, limit: int) -> dict[int, int]:
        """Waiting jobs whose time has come become ready. Returns step -> how many; steps' own retries are step 0."""
        ...

    def next_due(self) -> int | None:
        """When the next waiting job or deadline is due."""
        ...

    def look(
        self,
        roots: Sequence[int] | None,
        types: Sequence[str],
        skip: Sequence[int],
        capabilities: Sequence[str] = (),
    ) -> Look:
        """Lanes in which there is something for a node with these ``capabilities``."""
        ...

    def pick_jobs(
        self,
        step_id: int,
        limit: int,
        process_id: int,
        limit_key: str | None = None,
        floor: int | None = None,
        capabilities: Sequence[str] = (),
    ) -> list[Claimed]:
        """The best ready jobs of a step, of at least priority ``floor``; those lost twice are left out, and those that
        need something else than ``capabilities``. Within a priority those that need something go first. They are this
        transaction's, and claimed at the latest by :meth:`claim_picked`: several steps' jobs at once, before another
        look."""
        ...

    def pick_suspect(
        self, step_id: int, limit_key: str | None = None, capabilities: Sequence[str] = ()
    ) -> list[Claimed]: ...
    def claim_picked(self, process_id: int) -> None: ...
    def plannable(
        self, roots: Sequence[int] | None, types: Sequence[str], limit: int, capabilities: Sequence[str] = ()
    ) -> list[int]:
        """Steps that claim_steps would find."""
        ...

    def claim_steps(
        self,
        roots: Sequence[int] | None,
        types: Sequence[str],
        limit: int,
        process_id: int,
        capabilities: Sequence[str] = (),
    ) -> list[ClaimedStep]: ...
    # limits
    def ready_keys(self, step_id: int, after: str, limit: int) -> list[str]:
        """The limit keys with ready jobs, in order, behind ``after``."""
        ...

    def limiters(self, name: str, keys: Sequence[str]) -> dict[str, Limiter]: ...
    def put_limiters(self, name: str, limiters: Sequence[Limiter]) -> None: ...
    def release_slots(self, names: Mapping[tuple[str, str], int]) -> None: ...

    # stopping
    def sweep(self, step_id: int, reason: StatusReason, after: int, limit: int) -> tuple[int, int, int]:
        """Cancel the pending among the next ``limit`` children: (were ready, were waiting, cursor or 0 at the end)."""
        ...

    def due_deadlines(self) -> tuple[list[int], list[int]]:
        """(runs, steps) whose deadline has passed."""
        ...

    # processes
    def lock_nodes(self) -> None:
        """No other node registers until the commit."""
        ...

    def add_process(self, process: ProcessRow) -> int: ...
    def renew(
        self, process_id: int, lease_until: int, draining: bool, capabilities: str = "", key_version: str = ""
    ) -> list[ProcessRow]:
        """This process and those that could have to be rescued; none when it is not among them any more: others have
        taken it for dead."""
        ...

    def processes(self) -> list[ProcessRow]: ...
    def remove_process(self, process_id: int, lease_until: int | None = None) -> bool:
        """False when another has removed it already, or its lease is not the given one any more."""
        ...

    def lost_jobs(self, process_id: int) -> list[LostJob]:
        """What this process holds; from now on it can't end any of it."""
        ...

    def orphaned_holders(self) -> list[int]: ...
    def notice(self, leadership: str, key_version: str) -> Notice: ...
    def lead(self, leadership: str, process_id: int, term: int) -> int:
        """Take over from the holder of ``term``, who is gone. The new term; 0: another process was first."""
        ...

    def leads(self, leadership: str, process_id: int, term: int) -> bool:
        """Whether this process leads by this term; if so, nobody takes over until the commit."""
        ...

    def wanting(self) -> list[Wanting]:
        """Steps that need something of a node, once for each such need of a job; and those of which that was told."""
        ...

    def secret_keys(self, names: Sequence[str]) -> set[str]:
        """Which of these keys are stored, as secrets."""
        ...

    def rescue(self, ids: Sequence[int]) -> None: ...
    def fail_lost(self, ids: Sequence[int]) -> None: ...

    # the step cache
    def cached_step(self, definition_id: str, step_name: str, key: str) -> tuple[int, int, int] | None:
        """(made_at, manager_id, step_id)"""
        ...

    def put_cached_step(self, definition_id: str, step_name: str, key: str, run_id: int, step_id: int) -> None: ...
    def trim_step_cache(self, definition_id: str, step_name: str, keep: int) -> None: ...

    # watching
    def add_events(
        self, origin: int, after: int | None, events: Sequence[tuple[str, int | None, int | None, bytes]]
    ) -> None:
        """(type, manager_id, job_id, data JSON), in order, numbered from ``after`` + 1; None: after the newest."""
        ...

    def prune_events(self, before: int) -> None: ...
    def recount(self, step_id: int) -> dict[State, int]: ...
    def fact(self, name: str) -> str | None: ...
    def put_fact(self, name: str, value: str) -> None: ...


class JobStore(Protocol):
    """Job records: reads from any thread, writes in transactions. What people look at is in the store itself."""

    @property
    def has_one_writer(self) -> bool:
        """Transactions of all processes follow one another; else they overlap, and take locks."""
        ...

    def transaction(self) -> AbstractContextManager[JobTransaction]: ...
    def steps(self, run_id: int) -> list[StepRow]: ...
    def step(self, step_id: int) -> StepRow: ...
    def run(self, run_id: int) -> RunRow: ...
    def definition(self, definition_id: str, revision: int) -> bytes: ...
    @property
    def schema(self) -> int:
        """The newest step of the schema that this program knows."""
        ...

    def data_version(self) -> int | str:
        """Another one when another connection has committed; costs microseconds, on a server a short statement."""
        ...

    def has_work(self, roots: Sequence[int] | None, types: Sequence[str], capabilities: Sequence[str] = ()) -> bool:
        """Whether there may be something to claim; takes no lock."""
        ...

    def stopped_steps(self, step_ids: list[int]) -> list[int]:
        """Which of these are to stop, by their own flag or their run's."""
        ...

    def open_log_days(self) -> list[str]:
        """The days on which runs began that are still open."""
        ...

    def drifting(self, after: int, limit: int) -> tuple[list[int], int]:
        """Steps whose counters differ from a recount in one snapshot, and the cursor for the next call (0: again)."""
        ...

    def leader(self, leadership: str) -> int:
        """The process that leads, or led last; 0: none ever did."""
        ...

    def lease_now(self) -> int:
        """On the clock that leases are measured by."""
        ...

    def processes(self) -> list[ProcessRow]: ...
