"""Job records, as every caller outside the store sees them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NewType

import msgspec

from quaero.model.status import JobKind, JobStatus, StatusReason

JobId = NewType("JobId", int)


class Counters(msgspec.Struct, frozen=True, kw_only=True):
    """How the worker jobs below a step or run stand. ``retried`` is outside the sum."""

    total: int = 0
    pending: int = 0
    running: int = 0
    completed: int = 0
    failed: int = 0
    cancelled: int = 0
    skipped: int = 0
    retried: int = 0

    @property
    def open(self) -> int:
        return self.pending + self.running

    @property
    def percent(self) -> float:
        return 100.0 * (self.total - self.open) / self.total if self.total else 0.0

    def __str__(self) -> str:
        return f"{self.pending} pending, {self.running} running, {self.completed} completed, {self.failed} failed"


class JobError(msgspec.Struct, frozen=True, kw_only=True):
    """The last error of a job. ``family`` groups errors of one cause."""

    type: str
    message: str
    traceback: str = ""
    family: str = ""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One record: a run's manager job, a step job or a worker job. Times are aware UTC."""

    id: int
    kind: JobKind
    job_type: str
    name: str
    status: JobStatus
    manager_id: int
    created_at: datetime
    status_reason: StatusReason | None = None
    has_errors: bool = False
    parent_id: int | None = None
    step_id: int | None = None
    spawned_by: int | None = None
    rerun_of: int | None = None
    definition_id: str | None = None
    step_name: str | None = None
    worker_type: str | None = None
    depth: int = 0
    priority: int = 0
    available_at: datetime | None = None
    attempt: int = 0
    failures: int = 0
    rescues: int = 0
    max_attempts: int = 1
    claimed_by: int | None = None
    counters: Counters = Counters()
    percent: float = 0.0
    document_count: int = 0
    config: dict[str, Any] = {}
    result: dict[str, Any] = {}
    error: JobError | None = None
    message: str = ""
    started_at: datetime | None = None
    finished_at: datetime | None = None
    cancel_requested_at: datetime | None = None
    paused_at: datetime | None = None
