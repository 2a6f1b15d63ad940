"""Cron schedules over their real fire times."""

from __future__ import annotations

from datetime import datetime
from itertools import islice
from zoneinfo import ZoneInfo

import pytest

from quaero.calc.schedule_times import ScheduleError, fire_times
from quaero.definitions.schedule import TooFrequent, check_schedule, find_zone

VIENNA = ZoneInfo("Europe/Vienna")


@pytest.mark.parametrize(
    "expression", ["*/5 * * * *", "15 5 * * 1", "30 18 * * MON-FRI", "0 0 29 2 *", "0 0 L * *", "0 2,3 * * *"]
)
def test_a_schedule_with_five_minutes_between_its_fires_is_fine(expression):
    check_schedule(expression, VIENNA)


@pytest.mark.parametrize(
    "expression",
    [
        "* * * * *",
        "*/7 * * * *",  # :56, then the full hour
        "0,58 * * * *",
        "59,0 23,0 * * *",  # over midnight
        "59,0 23,0 31,1 12,1 *",  # over new year
        "59,0 23,0 28,1 2,3 *",  # the end of February, but not in leap years
        "1 2,3 * * *",  # 02:01 is skipped in spring and fires at 03:00
    ],
)
def test_two_fires_too_close_anywhere_are_found(expression):
    with pytest.raises(TooFrequent):
        check_schedule(expression, VIENNA)


def test_a_clash_that_only_the_change_of_the_clock_makes_depends_on_the_zone():
    check_schedule("1 2,3 * * *", ZoneInfo("UTC"))


@pytest.mark.parametrize(
    "expression", ["", "@daily", "* * * *", "0 0 5 * * 1", "60 * * * *", "a b c d e", "0 0 31 2 *"]
)
def test_anything_but_five_valid_fields_is_refused(expression):
    with pytest.raises(ScheduleError):
        check_schedule(expression, VIENNA)


def test_a_daily_schedule_keeps_its_local_time_over_a_change_of_the_clock():
    fires = list(islice(fire_times("30 5 * * *", after=datetime(2025, 3, 29, tzinfo=VIENNA)), 3))

    assert [f.isoformat() for f in fires] == [
        "2025-03-29T05:30:00+01:00",
        "2025-03-30T05:30:00+02:00",
        "2025-03-31T05:30:00+02:00",
    ]


def test_an_hour_that_comes_twice_fires_once():
    fires = list(islice(fire_times("30 2 * * *", after=datetime(2025, 10, 25, 12, tzinfo=VIENNA)), 2))

    assert [f.isoformat() for f in fires] == ["2025-10-26T02:30:00+02:00", "2025-10-27T02:30:00+01:00"]


@pytest.mark.parametrize("name", ["", "Mars/Base", "Europe", "../etc/passwd", "/etc/passwd"])
def test_a_name_that_is_no_zone_gives_none(name):
    assert find_zone(name) is None
