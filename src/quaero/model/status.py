"""Statuses of a job, the reasons behind them, and which changes are allowed."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class JobKind(StrEnum):
    """A run is its manager job; its steps are step jobs; their children are worker jobs."""

    MANAGER = "manager"
    STEP = "step"
    WORKER = "worker"


class JobStatus(StrEnum):
    """The six statuses, the same for manager, step and worker jobs."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"

    @property
    def is_terminal(self) -> bool:
        return self in TERMINAL


class StatusReason(StrEnum):
    """Why a job has the status it has."""

    ERROR = "error"
    PERMANENT = "permanent"
    EXHAUSTED = "exhausted"
    CRASH_LOOP = "crash_loop"
    TIMEOUT = "timeout"
    TOLERANCE = "tolerance"
    DEPENDENCY = "dependency"
    CONDITION = "condition"
    USER = "user"
    FATAL = "fatal"
    REUSED = "reused"


TERMINAL: Final = frozenset({JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED, JobStatus.SKIPPED})

TRANSITIONS: Final[dict[JobStatus, frozenset[JobStatus]]] = {
    JobStatus.PENDING: frozenset({JobStatus.RUNNING, JobStatus.CANCELLED, JobStatus.SKIPPED, JobStatus.FAILED}),
    JobStatus.RUNNING: frozenset({JobStatus.PENDING, JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED}),
    JobStatus.COMPLETED: frozenset(),
    JobStatus.FAILED: frozenset(),
    JobStatus.CANCELLED: frozenset(),
    JobStatus.SKIPPED: frozenset(),
}
"""Terminal statuses never change. A job fails from ``pending`` when its lost leases are used up (crash loop)."""
