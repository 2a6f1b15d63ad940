"""Schedules of definitions, and what became of their slots."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from quaero.model.definition import Misfire, Overlap

FireCause = Literal["schedule", "backfill", "auto_start"]
FireOutcome = Literal["started", "queued", "skipped_overlap", "missed", "paused", "failed"]
ScheduleState = Literal["active", "paused", "disabled", "removed"]


class Schedule(msgspec.Struct, frozen=True, kw_only=True):
    """When a definition runs by itself. Times are aware UTC."""

    definition_id: str
    name: str
    revision: int
    """The one that the next slot starts."""
    state: ScheduleState
    """``disabled``: by its file. ``removed``: there is no file any more."""
    cron: str
    """Empty where there is only ``auto_start``."""
    words: str
    timezone: str
    jitter_s: float
    misfire: Misfire
    window_s: float
    overlap: Overlap
    auto_start: bool
    home: str
    """The folder that the definition comes from, as host:path."""
    paused_at: datetime | None
    next_due: datetime | None
    """The next slot."""
    next_at: datetime | None
    """When it is fired: later by its jitter."""
    last_at: datetime | None
    """The slot that the schedule has dealt with last."""
    last_outcome: FireOutcome | None
    last_run_id: int | None
    updated_at: datetime


class Fire(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one slot."""

    definition_id: str
    due_at: datetime
    """The slot; of an ``auto_start`` when the program started."""
    fired_at: datetime
    """When it was dealt with."""
    cause: FireCause
    outcome: FireOutcome
    run_id: int | None
    note: str
