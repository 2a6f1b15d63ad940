"""Cron schedules: five fields, in a time zone, not more often than every five minutes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import islice
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from quaero.calc.schedule_times import ScheduleError, fire_times

MINIMUM_INTERVAL = timedelta(minutes=5)
_FIRES_CHECKED = 2_000
_YEARS_CHECKED = 30


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
