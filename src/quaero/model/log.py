"""Log lines of jobs."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec


class LogLevel(StrEnum):
    """One spelling everywhere, in rising order."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"

    @property
    def rank(self) -> int:
        return _RANKS[self]


_RANKS = {LogLevel.DEBUG: 0, LogLevel.INFO: 1, LogLevel.WARNING: 2, LogLevel.ERROR: 3}
LEVELS: tuple[LogLevel, ...] = (LogLevel.DEBUG, LogLevel.INFO, LogLevel.WARNING, LogLevel.ERROR)


class LogEntry(msgspec.Struct, frozen=True, kw_only=True):
    """``JobLogEntry`` of the contract. ``seq`` counts per run, ``line`` per step, both from 1 without holes."""

    seq: int
    line: int
    ts: datetime
    level: LogLevel
    message: str
    manager_id: int
    step_id: int | None
    job_id: int
    parent_id: int | None
    step_name: str | None
    worker_type: str | None
    originator: str
    phase: str
    attempt: int
    fields: dict[str, Any]


class LogPage(msgspec.Struct, frozen=True, kw_only=True):
    """Lines in the order asked for; ``next`` is the cursor of the page behind, or None at the end."""

    items: list[LogEntry]
    next: int | None
