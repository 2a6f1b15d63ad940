"""Every error that Quaero raises, and what happens to it.

::

    QuaeroError
    ├── ConfigError             found at load, shown with file and key, never retried
    ├── InvalidDefinition       a job definition with errors; carries the findings
    ├── Refused                 the command can't be carried out in this state (a run is active, a job is terminal)
    │   └── VersionConflict     it was meant for another version than the one that is there now
    ├── NotFound · StaleClaim   the store said no
    ├── TransientError          retried by policy
    │   ├── SourceUnavailable · RateLimited
    │   ├── StoreUnavailable    disk full, file locked, server gone: the engine waits and tries again
    │   │   └── StoreInDoubt    the answer to a commit was lost for good
    │   ├── StoreConflict       another transaction was in the way: done again at once
    │   └── RetryAfter(delay)   retried, not before ``delay``
    └── PermanentError          failed at once, with the reason
        └── SourceRefused · BadData
    Snooze(delay), Cancel(reason)   not errors: ``execute`` raises them to say what happens next

The retry policy looks at the class only; an exception that is not listed here counts as transient. All of them
pickle (``__reduce__`` where the constructor takes more than a message), so that they can leave a child process.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from quaero.model.definition import Finding


class QuaeroError(Exception):
    """Root of all errors that Quaero raises on purpose."""


class ConfigError(QuaeroError):
    """A setting that can't be used; the message names the file or variable, the key and the fix."""


class InvalidDefinition(QuaeroError):
    """A job definition with at least one error among its findings."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        self.findings = tuple(findings)
        first = next((f for f in self.findings if f.severity == "error"), None)
        super().__init__(str(first) if first else "invalid definition")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.findings,), self.__dict__


class Refused(QuaeroError):
    """The command can't be carried out now. ``job_id`` names the job in the way, where there is one."""

    def __init__(self, message: str, *, job_id: int | None = None) -> None:
        self.job_id = job_id
        super().__init__(message)


class VersionConflict(Refused):
    """Somebody else has changed it in the meantime. ``etag`` and ``source`` are what is there now."""

    def __init__(self, message: str, *, etag: str = "", source: str = "") -> None:
        self.etag, self.source = etag, source
        super().__init__(message)


class NotFound(QuaeroError):
    """Nothing is stored under this id or key."""


class StaleClaim(QuaeroError):
    """The attempt no longer holds its job: it was rescued, cancelled or finished elsewhere."""


class TransientError(QuaeroError):
    """May pass by itself: retried by the step's policy."""


class SourceUnavailable(TransientError):
    """An outside source can't be reached now."""


class RateLimited(TransientError):
    """An outside source asks us to slow down."""


class StoreUnavailable(TransientError):
    """Our own database can't be written or read now; the message says why and what to do."""


class StoreInDoubt(StoreUnavailable):
    """It can't be told whether the last commit took place; whoever sent it must not send it again."""


class StoreConflict(TransientError):
    """Two transactions were in each other's way (deadlock, lock not granted in time); nothing of this one happened."""


class RetryAfter(TransientError):
    """Retry, but not before ``delay``; counts as a failure."""

    def __init__(self, delay: timedelta | float, message: str = "") -> None:
        self.delay = delay if isinstance(delay, timedelta) else timedelta(seconds=delay)
        super().__init__(message or f"retry after {self.delay.total_seconds():g} s")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.delay, str(self)), self.__dict__


class PermanentError(QuaeroError):
    """Trying again can't help: the job fails at once."""


class SourceRefused(PermanentError):
    """An outside source said no for good (not found, forbidden)."""


class BadData(PermanentError):
    """The input can't be used; the message names the place."""


class Snooze(Exception):
    """Run this job again after ``delay``; uses up no attempt."""

    def __init__(self, delay: timedelta | float) -> None:
        self.delay = delay if isinstance(delay, timedelta) else timedelta(seconds=delay)
        super().__init__(f"snoozed for {self.delay.total_seconds():g} s")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.delay,), self.__dict__


class Cancel(Exception):
    """This job should not go on: it ends cancelled, with ``reason``."""

    def __init__(self, reason: str = "") -> None:
        self.reason = reason
        super().__init__(reason)
