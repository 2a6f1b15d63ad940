"""What the deeper questions need to know: why a job does not run, what a run will cost, how two runs differ.

Reads only, from any thread; implemented in ``quaero.storage``. Times are microseconds since 1970 UTC.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Literal, NamedTuple, Protocol

from quaero.model.status import JobKind, StatusReason
from quaero.ports.jobs import Limiter, RunRow, State

DocumentChange = Literal["added", "changed", "unchanged", "vanished"]


class JobState(NamedTuple):
    """A job's row."""

    id: int
    kind: JobKind
    manager_id: int
    parent_id: int | None
    state: State
    reason: StatusReason | None
    priority: int
    available_at: int | None
    attempt: int
    failures: int
    rescues: int
    claimed_by: int | None
    limit_key: str | None
    needs: str
    created_at: int
    started_at: int | None
    finished_at: int | None


class RunningJob(NamedTuple):
    """A worker job that holds a slot."""

    id: int
    manager_id: int
    step_id: int
    claimed_by: int | None
    started_at: int | None
    limit_key: str | None
    rescues: int


class ReadyLane(NamedTuple):
    """The ready jobs of one run with one priority."""

    manager_id: int
    priority: int
    ready: int


class StepTimes(NamedTuple):
    """How a step of a run went."""

    manager_id: int
    step_id: int
    name: str
    worker_type: str
    state: State
    reason: StatusReason | None
    started_at: int | None
    finished_at: int | None
    total: int
    completed: int
    failed: int
    cancelled: int
    skipped: int
    retried: int
    documents: int


class RunTimes(NamedTuple):
    run_id: int
    revision: int
    state: State
    has_errors: int
    created_at: int
    started_at: int | None
    finished_at: int | None


class CachedStep(NamedTuple):
    step_name: str
    made_at: int
    manager_id: int


class ComparedDocument(NamedTuple):
    """A document of one or both of two runs, and the attempt that made the revision in question."""

    no: int
    id: str
    source_type: str
    source_id: str
    title: str
    revision: int
    origin: str
    """JSON: run, step name, worker type, job, attempt."""


class JobInsight(Protocol):
    """All may be called from any thread."""

    def job(self, job_id: int) -> JobState:
        """Raises NotFound."""
        ...

    def step_needs(self, step_id: int) -> tuple[str, ...]:
        """Capabilities that the step's plan and its jobs ask of a node."""
        ...

    def open_runs(self, definition_id: str) -> list[RunRow]:
        """Oldest first."""
        ...

    def limiters(self, worker_type: str, keys: Sequence[str]) -> Mapping[str, Limiter]: ...
    def running(self, worker_type: str, key: str | None, limit: int) -> list[RunningJob]:
        """Those of a worker type (with this limit key), the longest running first."""
        ...

    def suspects_running(self) -> list[RunningJob]:
        """Jobs that were lost twice or more before."""
        ...

    def busy(self) -> Mapping[int, int]:
        """Process -> worker jobs that it holds."""
        ...

    def planning(self) -> Mapping[int, int]:
        """Process -> steps that it plans."""
        ...

    def ready_lanes(self) -> list[ReadyLane]:
        """What could be claimed now: of runs and steps that are neither paused nor to end."""
        ...

    def ahead(self, job: JobState, at_most: int) -> int:
        """Ready jobs of the same step that are handed out before this one."""
        ...

    def steps_ahead(self, step: JobState, at_most: int) -> int:
        """Steps that are planned before this one."""
        ...

    def next_job(self, step_id: int) -> int | None:
        """Of a step's pending jobs, the one that starts next: ready, or else the first that will be."""
        ...

    # of definitions and their runs
    def source(self, definition_id: str, revision: int) -> str:
        """Raises NotFound."""
        ...

    def last_runs(self, definition_id: str, limit: int, *, completed: bool) -> list[RunTimes]:
        """The newest first. ``completed``: only those that completed, and were no reruns."""
        ...

    def run_times(self, run_id: int) -> RunTimes: ...
    def step_times(self, run_ids: Sequence[int]) -> list[StepTimes]: ...
    def job_seconds(self, step_id: int, limit: int) -> list[float]:
        """How long some completed jobs of a step took."""
        ...

    def cached_steps(self, definition_id: str) -> list[CachedStep]:
        """The newest first."""
        ...

    def ignored_families(self) -> Collection[tuple[int, str]]:
        """(run, family) of errors that somebody chose to look past."""
        ...

    # of two runs
    def document_changes(self, old_run: int, new_run: int) -> dict[DocumentChange, int]: ...
    def compared_documents(
        self, old_run: int, new_run: int, change: DocumentChange, *, after: int, limit: int
    ) -> list[ComparedDocument]:
        """In order of their numbers, behind ``after``."""
        ...
