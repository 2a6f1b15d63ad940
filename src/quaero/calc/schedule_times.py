"""Schedule times: the slots of a cron expression in a time zone, when each is fired, and which are made up for.

A slot is the moment that the expression names. It is fired then, or later by its jitter. Moments are microseconds
since 1970 UTC; the slots of an expression are the same from wherever the count begins.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from hashlib import blake2b
from heapq import heappop, heappush
from itertools import islice, takewhile
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from quaero.model.definition import Misfire

FIELDS: Final = 5
GRACE_US: Final = 120_000_000
"""A slot that is fired so much later than it should be is still in time."""
LISTED: Final = 100
"""Missed slots are told one by one up to here, else as a span."""
CATCH_UP: Final = 1_000
"""Slots that are made up for at once, at most: the newest."""
_OVERLAP: Final = timedelta(hours=3)
"""The clock is never set back by more."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_US: Final = timedelta(microseconds=1)
_SECOND_US: Final = 1_000_000


class ScheduleError(ValueError):
    """No cron expression of five fields, or one that never fires."""


def fire_times(expression: str, *, after: datetime) -> Iterator[datetime]:
    """The times after ``after`` at which a schedule fires, ascending, in ``after``'s zone; each instant once.

    A time of day that the clock skips in spring fires when the clock has moved on; one that comes twice in autumn fires
    the first time. Where minute or hour begin with ``*`` it is not a time of day but an interval: what the clock skips
    is left out, and what comes twice fires twice. This is how cron does it.

    Raises:
        ScheduleError: not five valid cron fields.
    """
    fields = expression.split()
    if len(fields) != FIELDS:
        raise ScheduleError(f"{expression!r} does not have 5 fields")
    zone = after.tzinfo or UTC
    try:
        # On a clock that nobody sets, so that it does not matter where the count begins.
        wall = CronSim(expression, after.replace(tzinfo=None, microsecond=0) - _OVERLAP)
    except CronSimError as error:
        raise ScheduleError(f"{expression!r}: {str(error).lower()} field") from error
    is_interval = fields[0].startswith("*") or fields[1].startswith("*")
    instants = _intervals(wall, zone) if is_interval else _times_of_day(wall, zone)
    return (instant.astimezone(zone) for instant in _rising(instants, after.astimezone(UTC)))


def _times_of_day(wall: Iterator[datetime], zone: tzinfo) -> Iterator[datetime]:
    for local in wall:
        shown = local
        while (instant := _instant(shown, zone)) is None:
            shown += timedelta(minutes=1)
        yield instant


def _intervals(wall: Iterator[datetime], zone: tzinfo) -> Iterator[datetime]:
    """In order: of an hour that comes twice all of the first, then all of the second."""
    second: list[datetime] = []
    for local in wall:
        instant = _instant(local, zone)
        if instant is None:
            continue
        while second and second[0] < instant:
            yield heappop(second)
        yield instant
        again = local.replace(tzinfo=zone, fold=1).astimezone(UTC)
        if again != instant:
            heappush(second, again)
    yield from sorted(second)


def _instant(local: datetime, zone: tzinfo) -> datetime | None:
    """The first moment at which a clock on the wall shows this; None where it never does."""
    instant = local.replace(tzinfo=zone).astimezone(UTC)
    return instant if instant.astimezone(zone).replace(tzinfo=None) == local else None


def _rising(instants: Iterator[datetime], last: datetime) -> Iterator[datetime]:
    for instant in instants:
        if instant > last:
            last = instant
            yield instant


class Missed(NamedTuple):
    """A slot that is not fired; or a span of them, where ``last`` is another."""

    first: int
    last: int


class Decision(NamedTuple):
    """What to do about the slots that are due."""

    fire: list[int]
    """Ascending."""
    missed: list[Missed]
    coming: tuple[int, int] | None
    """The slot behind them, and when it is fired; None: there is none."""
    late: frozenset[int]
    """Those to fire that are made up for."""


@dataclass(frozen=True)
class Timetable:
    """The slots of one definition. ``jitter_us``: each is fired up to so much later, always by the same amount."""

    definition_id: str
    cron: str
    zone: ZoneInfo
    jitter_us: int = 0

    def after(self, moment: int) -> Iterator[int]:
        """The slots behind ``moment``, ascending."""
        return (to_us(time) for time in fire_times(self.cron, after=to_time(moment, self.zone)))

    def between(self, since: int, until: int) -> Iterator[int]:
        """The slots from ``since`` through ``until``."""
        return takewhile(lambda slot: slot <= until, self.after(since - 1))

    def next(self, after: int) -> tuple[int, int] | None:
        """The slot behind ``after``, and when it is fired."""
        slot = next(self.after(after), None)
        return None if slot is None else (slot, self.fired_at(slot))

    def fired_at(self, slot: int) -> int:
        """Slot plus jitter; always before the slot behind it."""
        return self._fired_at(slot, next(self.after(slot), None)) if self.jitter_us else slot

    def decide(self, next_due: int, now: int, misfire: Misfire, window_us: int) -> Decision:
        """About all slots from ``next_due`` on that should have been fired by ``now``.

        One that is in time is fired. Of those that are late ``skip`` fires none, ``one`` the newest (unless one is in
        time) and ``all`` each, as far as they are not later than the window.
        """
        reach = max(window_us, GRACE_US)
        horizon = max(next_due, now - reach - self.jitter_us)
        # Of years nobody needs each slot.
        missed = list(islice(takewhile(lambda slot: slot < horizon, self.after(next_due - 1)), LISTED + 1))
        last_missed = horizon - 1
        due: list[int] = []
        in_time: list[int] = []
        coming: tuple[int, int] | None = None
        for slot, moment in self._timed(horizon - 1):
            if moment > now:
                coming = (slot, moment)
                break
            if now - moment > reach:
                missed.append(slot)
                last_missed = slot
            else:
                due.append(slot)
                in_time = [slot] if now - moment <= GRACE_US else []
        fire = {"skip": in_time, "one": due[-1:], "all": due[-CATCH_UP:]}[misfire]
        if left := due[: len(due) - len(fire)]:
            missed += left
            last_missed = left[-1]
        spans = [Missed(missed[0], last_missed)] if len(missed) > LISTED else [Missed(slot, slot) for slot in missed]
        return Decision(fire, spans, coming, frozenset(fire) - frozenset(in_time))

    def _timed(self, after: int) -> Iterator[tuple[int, int]]:
        """The slots behind ``after``, each with the moment at which it is fired."""
        slots = self.after(after)
        slot = next(slots, None)
        while slot is not None:
            following = next(slots, None)
            yield slot, self._fired_at(slot, following)
            slot = following

    def _fired_at(self, slot: int, following: int | None) -> int:
        room = self.jitter_us if following is None else min(self.jitter_us, following - slot - _SECOND_US)
        digest = blake2b(f"{self.definition_id} {slot}".encode(), digest_size=7).digest()
        return slot + room * int.from_bytes(digest) // 256**7


def to_time(moment: int, zone: tzinfo = UTC) -> datetime:
    return (_EPOCH + timedelta(microseconds=moment)).astimezone(zone)


def to_us(time: datetime) -> int:
    return (time - _EPOCH) // _US
