"""JobContext: who is running, carried with the work and never looked up."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Protocol

import msgspec

from quaero.model.document import DocumentQuery
from quaero.model.log import LogLevel


class JobLog(Protocol):
    """Where a job's log lines go. ``event`` is a noun and what happened to it; values go into fields."""

    def emit(self, level: LogLevel, event: str, fields: dict[str, Any]) -> None: ...
    def debug(self, event: str, /, **fields: Any) -> None: ...
    def info(self, event: str, /, **fields: Any) -> None: ...
    def warning(self, event: str, /, **fields: Any) -> None: ...
    def error(self, event: str, /, **fields: Any) -> None: ...


class StepContext(msgspec.Struct, frozen=True, kw_only=True):
    """What all jobs of one step share."""

    manager_id: int
    step_id: int
    step_name: str
    worker_type: str
    definition_id: str
    log_day: str
    """The day (YYYY-MM-DD, UTC) the run began: the log file its lines lie in."""
    inputs: DocumentQuery = DocumentQuery()
    """What the step reads (job-definitions.md §7), ready for ``documents.select``."""
    tags: tuple[str, ...] = ()
    """Added to every document of the step: the definition's tags, then its output tags."""
    base_dir: str = ""
    """Relative paths in parameters start here."""


class CancelToken:
    """Set when the job should stop. Code in threads asks ``is_set``; coroutines are cancelled besides."""

    __slots__ = ("reason",)

    def __init__(self) -> None:
        self.reason: str | None = None

    def set(self, reason: str) -> None:
        self.reason = self.reason or reason

    def is_set(self) -> bool:
        return self.reason is not None


class JobContext(msgspec.Struct, frozen=True):
    """The attempt that is running: passed to ``plan`` and ``execute``, held in a context variable for logs."""

    job_id: int
    attempt: int
    step: StepContext
    log: JobLog
    depth: int = 0
    token: CancelToken | None = None
    reveal: Callable[[str], str] = str
    """Puts secrets into the place of ``{key}`` and ``{env.NAME}`` in a text; what it returns is masked in logs."""

    @property
    def manager_id(self) -> int:
        return self.step.manager_id

    @property
    def step_id(self) -> int:
        return self.step.step_id

    @property
    def step_name(self) -> str:
        return self.step.step_name

    @property
    def worker_type(self) -> str:
        return self.step.worker_type

    @property
    def correlation_id(self) -> str:
        return f"run-{self.step.manager_id}"

    @property
    def idempotency_key(self) -> str:
        """The same for every attempt of this job: pass it to services that can refuse a repeated call."""
        return f"job-{self.job_id}"

    @property
    def is_cancelled(self) -> bool:
        return self.token is not None and self.token.is_set()


CURRENT_JOB: ContextVar[JobContext | None] = ContextVar("quaero_job", default=None)


def current_job() -> JobContext | None:
    """The running job, for code that is not handed its context; None outside of jobs."""
    return CURRENT_JOB.get()
