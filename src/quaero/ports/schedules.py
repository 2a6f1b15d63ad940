"""What may be asked of the store about schedules. Times of rows are microseconds since 1970 UTC."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from quaero.model.definition import Misfire, Overlap
from quaero.model.schedule import Fire, FireCause, FireOutcome, Schedule


class ScheduleRow(NamedTuple):
    """A schedule as it is stored."""

    definition_id: str
    revision: int
    name: str
    cron: str
    timezone: str
    jitter_us: int
    misfire: Misfire
    window_us: int
    overlap: Overlap
    enabled: int
    auto_start: int
    home: str
    paused_at: int | None
    next_due: int | None
    next_at: int | None
    last_at: int | None
    last_outcome: FireOutcome | None
    last_run_id: int | None
    known_from: int | None
    updated_at: int


class NewFire(NamedTuple):
    due_at: int
    outcome: FireOutcome
    run_id: int | None = None
    note: str = ""


class ScheduleChanges(Protocol):
    """The part of a transaction that changes schedules; the lock comes first, right behind who leads."""

    def lock(self) -> None:
        """Nobody else changes a schedule or fires a slot until the commit."""
        ...

    def put(self, row: ScheduleRow) -> None: ...
    def find(self, definition_id: str) -> ScheduleRow | None: ...
    def of_home(self, home: str) -> list[ScheduleRow]: ...
    def due(self) -> ScheduleRow | None:
        """The one whose slot has been due longest."""
        ...

    def next_at(self) -> int | None: ...
    def add_fires(self, definition_id: str, cause: FireCause, fires: Sequence[NewFire]) -> int:
        """What is known of a slot stands; returns how many were new."""
        ...

    def put_fire(self, definition_id: str, cause: FireCause, fire: NewFire) -> None:
        """Over what is known of the slot, unless a run was made for it."""
        ...

    def is_known(self, definition_id: str, due_at: int) -> bool: ...
    def with_run(self, definition_id: str, since: int, until: int) -> set[int]:
        """The slots for which a run was made."""
        ...

    def prune_fires(self, definition_id: str, keep: int) -> int | None:
        """Keep those dealt with last; returns the newest slot that went."""
        ...


class ScheduleReader(Protocol):
    """Reads, from any thread."""

    def next_at(self) -> int | None:
        """When the next slot is to be fired, of all schedules."""
        ...

    def list_schedules(self) -> list[Schedule]:
        """By definition id."""
        ...

    def get_schedule(self, definition_id: str) -> Schedule:
        """Raises NotFound."""
        ...

    def fires(self, definition_id: str, *, limit: int = 200, before: int | None = None) -> list[Fire]:
        """The newest slots first; ``before``: the slot at the end of the page before (µs)."""
        ...

    def fire_of_run(self, run_id: int) -> Fire | None:
        """The slot that a run was made for."""
        ...

    def auto_starts(self, home: str) -> list[str]:
        """The definitions of a folder that are started with the program."""
        ...
