"""Schedule words: what a cron expression means, in plain English; the expression itself where that would be long."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Final, NamedTuple

_DAYS: Final = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
_MONTHS: Final = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
_NUMBERS: Final = {
    **{name[:3].upper(): number for number, name in enumerate(_DAYS)},
    **{name[:3].upper(): number for number, name in enumerate(_MONTHS, start=1)},
}
_ORDINALS: Final = ("first", "second", "third", "fourth", "fifth")
_MOST_TIMES: Final = 4
_PART: Final = re.compile(r"(?P<from>\*|\w+)(?:-(?P<to>\w+))?(?:/(?P<step>\d+))?")


class _Field(NamedTuple):
    """The values of one field, ascending; ``step`` where it is one row of equal steps over all there are."""

    values: tuple[int, ...]
    step: int | None
    is_all: bool


def in_words(cron: str) -> str:
    """``every Monday at 05:15``."""
    parts = cron.upper().split()
    if len(parts) != 5:
        return cron
    try:
        minutes, hours = _field(parts[0], 0, 59), _field(parts[1], 0, 23)
        when = _when(minutes, hours)
        days = _days(parts[2], _field(parts[3], 1, 12), parts[4])
    except (ValueError, KeyError):
        return cron
    if when is None or days is None:
        return cron
    return f"{when} {_on(days)}".strip() if when.startswith("every") else _at(when, days)


def _at(when: str, days: str) -> str:
    """``every day at 05:15``, but ``at 05:15 on weekdays``."""
    if not days:
        return f"every day {when}"
    return f"{days} {when}" if days.startswith("every") else f"{when} {days}"


def _on(days: str) -> str:
    """Behind an ``every`` there is no other."""
    days = re.sub("^every (day ?|year )", "", days)
    return re.sub("day", "days", days).replace("every", "on", 1) if days.startswith("every") else days


def _field(text: str, low: int, high: int) -> _Field:
    """Raises ValueError or KeyError for what has no plain values (``L``, ``2#1``)."""
    found: set[int] = set()
    step = None
    for part in text.split(","):
        match = _PART.fullmatch(part)
        if match is None:
            raise ValueError(part)
        by = int(match["step"] or 1)
        if match["from"] == "*":
            first, last = low, high
            step = by if text == part else None
        else:
            first = _number(match["from"])
            last = _number(match["to"]) if match["to"] else high if match["step"] else first
        found.update(range(first, last + 1, by))
    return _Field(tuple(sorted(found)), step, len(found) == high - low + 1)


def _number(text: str) -> int:
    return int(text) if text.isdigit() else _NUMBERS[text]


# the time


def _when(minutes: _Field, hours: _Field) -> str | None:
    if len(minutes.values) * len(hours.values) <= _MOST_TIMES:
        return "at " + _and([f"{hour:02}:{minute:02}" for hour in hours.values for minute in minutes.values])
    window = _window(hours)
    if window is None:
        return _every_hours(minutes, hours)
    if minutes.is_all:
        return f"every minute{window}"
    if minutes.step and 60 % minutes.step == 0:
        return f"every {minutes.step} minutes{window}"
    if minutes.values == (0,):
        return "every hour" if hours.is_all else f"every hour from {hours.values[0]:02}:00 to {hours.values[-1]:02}:00"
    if len(minutes.values) <= _MOST_TIMES:
        return f"every hour at {_and([f':{minute:02}' for minute in minutes.values])}{window}"
    return None


def _window(hours: _Field) -> str | None:
    """Hours in a row; None where they are not."""
    if hours.is_all:
        return ""
    if any(later - earlier != 1 for earlier, later in pairwise(hours.values)):
        return None
    return f" from {hours.values[0]:02}:00 to {hours.values[-1]:02}:59"


def _every_hours(minutes: _Field, hours: _Field) -> str | None:
    if len(minutes.values) != 1 or not hours.step or 24 % hours.step:
        return None
    return f"every {hours.step} hours" + (f" at :{minutes.values[0]:02}" if minutes.values != (0,) else "")


# the days


def _days(day_of_month: str, months: _Field, day_of_week: str) -> str | None:
    """Empty: every day."""
    in_months = "" if months.is_all else " in " + _and([_MONTHS[month - 1] for month in months.values])
    if day_of_month == day_of_week == "*":
        return f"every day{in_months}" if in_months else ""
    if day_of_month == "*":
        weekdays = _weekdays(day_of_week, is_every_month=not in_months)
        return None if weekdays is None else weekdays + in_months
    if day_of_week != "*":
        return None
    if day_of_month in {"L", "LW"}:
        which = "last day" if day_of_month == "L" else "last weekday"
        return f"on the {which} of {in_months.removeprefix(' in ') or 'every month'}"
    days = _field(day_of_month, 1, 31)
    if len(days.values) > _MOST_TIMES:
        return None
    if len(months.values) == 1:
        month = _MONTHS[months.values[0] - 1]
        return f"every year on {_and([f'{day} {month}' for day in days.values])}"
    return f"on the {_and(list(map(_ordinal, days.values)))} of {in_months.removeprefix(' in ') or 'every month'}"


def _weekdays(text: str, *, is_every_month: bool) -> str | None:
    end = " of the month" if is_every_month else ""
    if match := re.fullmatch(r"(\w+)#([1-5])", text):
        return f"on the {_ORDINALS[int(match[2]) - 1]} {_DAYS[_number(match[1]) % 7]}{end}"
    if match := re.fullmatch(r"(\d)L", text):
        return f"on the last {_DAYS[int(match[1]) % 7]}{end}"
    days = sorted({day % 7 for day in _field(text, 0, 7).values}, key=lambda day: (day - 1) % 7)
    if days == [1, 2, 3, 4, 5]:
        return "on weekdays"
    if days == [6, 0]:
        return "on weekends"
    if len(days) == 7:
        return "every day"
    return f"every {_and([_DAYS[day] for day in days])}"


def _ordinal(day: int) -> str:
    ending = "th" if 11 <= day <= 13 else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")
    return f"{day}{ending}"


def _and(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
