"""Cron schedules: five fields, in a time zone, not more often than every five minutes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import islice
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

MINIMUM_INTERVAL = timedelta(minutes=5)
_FIRES_CHECKED = 2_000
_YEARS_CHECKED = 30
_FIELDS = 5


class ScheduleError(ValueError):
    """No cron expression of five fields, or one that never fires."""


class TooFrequent(ValueError):
    """Two fire times of a schedule are less than five minutes apart; carries both."""

    def __init__(self, first: datetime, second: datetime) -> None:
        self.first, self.second = first, second
        minutes = (second - first) / timedelta(minutes=1)
        super().__init__(f"fires at {first:%Y-%m-%d %H:%M} and again {minutes:g} min later")


def find_zone(name: str) -> ZoneInfo | None:
    """The IANA time zone of this name, or None."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # OSError: a folder of the zone database, as "Europe"
        return None


def fire_times(expression: str, *, after: datetime) -> Iterator[datetime]:
    """The times after ``after`` at which a schedule fires, ascending, in ``after``'s zone; each instant once.

    A time that the clock skips in spring fires when the clock has moved on; one that comes twice in
    autumn fires the first time.

    Raises:
        ScheduleError: not five valid cron fields.
    """
    if len(expression.split()) != _FIELDS:
        raise ScheduleError(f"{expression!r} does not have 5 fields")
    try:
        times = CronSim(expression, after)
    except CronSimError as error:
        raise ScheduleError(f"{expression!r}: {str(error).lower()} field") from error
    return _rising(times, after)


def _rising(times: Iterator[datetime], after: datetime) -> Iterator[datetime]:
    last = after.astimezone(UTC)
    for time in times:
        if (instant := time.astimezone(UTC)) > last:
            last = instant
            yield time


@lru_cache(maxsize=1024)  # a tenth of a second; a folder of definitions is checked again and again
def check_schedule(expression: str, zone: ZoneInfo) -> None:
    """Walks the real sequence of fire times: the next thousands, and those about each change of the clock.

    Raises:
        ScheduleError: not five valid cron fields, or no time matches them.
        TooFrequent: two fire times lie closer together than ``MINIMUM_INTERVAL``.
    """
    start = datetime(2024, 1, 1, tzinfo=zone)
    end = start.replace(year=start.year + _YEARS_CHECKED)
    if not _check_gaps(_until(end, islice(fire_times(expression, after=start), _FIRES_CHECKED))):
        raise ScheduleError(f"{expression!r} never fires")
    for change in _clock_changes(start, years=2):
        about = fire_times(expression, after=change - timedelta(days=1))
        _check_gaps(_until(change + timedelta(days=1), about))


def _until(end: datetime, times: Iterator[datetime]) -> Iterator[datetime]:
    for time in times:
        if time > end:
            return
        yield time


def _check_gaps(times: Iterator[datetime]) -> bool:
    """Raises when two of the times are too close; whether there was any time."""
    last: datetime | None = None
    for time in times:
        if last and time.astimezone(UTC) - last.astimezone(UTC) < MINIMUM_INTERVAL:
            raise TooFrequent(last, time)
        last = time
    return last is not None


def _clock_changes(start: datetime, *, years: int) -> Iterator[datetime]:
    """Noon of the days between which the zone's offset from UTC changes."""
    noon = start.replace(hour=12)
    for _ in range(366 * years):
        following = noon + timedelta(days=1)
        if following.utcoffset() != noon.utcoffset():
            yield noon
        noon = following
