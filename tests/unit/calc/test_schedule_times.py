"""Slots of a schedule: over changes of the clock, with jitter, after downtime."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quaero.calc.schedule_times import (
    CATCH_UP,
    GRACE_US,
    LISTED,
    Missed,
    Timetable,
    fire_times,
    to_time,
    to_us,
)

DAY = 86_400_000_000
HOUR = DAY // 24
MINUTE = HOUR // 60
ZONES = ["UTC", "Europe/Vienna", "Australia/Lord_Howe", "America/New_York", "Asia/Kolkata"]
CRONS = [
    "*/5 * * * *",
    "*/10 3 * * *",
    "*/30 2 * * *",
    "30 2 * * *",
    "15 2,3 * * *",
    "0 * * * *",
    "30 18 * * 1-5",
    "0 0 29 2 *",
    "0 12 L * *",
    "0 8 * * MON#1",
]


def at(text: str, zone: str = "UTC") -> int:
    return to_us(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)))


def table(cron: str, zone: str = "UTC", jitter_us: int = 0) -> Timetable:
    return Timetable("crawl", cron, ZoneInfo(zone), jitter_us)


def local(cron: str, zone: str, after: str, count: int) -> list[str]:
    times = fire_times(cron, after=datetime.fromisoformat(after).replace(tzinfo=ZoneInfo(zone)))
    return [f"{time:%m-%d %H:%M%z}" for time in islice(times, count)]


tables = st.builds(
    table,
    st.sampled_from(CRONS),
    st.sampled_from(ZONES),
    st.sampled_from([0, 1_000_000, 4 * MINUTE, 90 * MINUTE]),
)
moments = st.integers(at("2024-01-01"), at("2027-12-31"))


# the change of the clock


@pytest.mark.parametrize(
    ("cron", "zone", "after", "expected"),
    [
        # Vienna: 2026-03-29 02:00 becomes 03:00.
        ("30 2 * * *", "Europe/Vienna", "2026-03-28T12:00", ["03-29 03:00+0200", "03-30 02:30+0200"]),
        ("0 3 * * *", "Europe/Vienna", "2026-03-28T12:00", ["03-29 03:00+0200", "03-30 03:00+0200"]),
        (
            "15 1,2,3 * * *",
            "Europe/Vienna",
            "2026-03-29T00:00",
            ["03-29 01:15+0100", "03-29 03:00+0200", "03-29 03:15+0200"],
        ),
        (
            "*/30 * * * *",
            "Europe/Vienna",
            "2026-03-29T01:00",
            ["03-29 01:30+0100", "03-29 03:00+0200", "03-29 03:30+0200"],
        ),
        ("*/30 2 * * *", "Europe/Vienna", "2026-03-28T12:00", ["03-30 02:00+0200", "03-30 02:30+0200"]),
        # 2026-10-25 03:00 becomes 02:00.
        ("30 2 * * *", "Europe/Vienna", "2026-10-24T12:00", ["10-25 02:30+0200", "10-26 02:30+0100"]),
        (
            "*/30 2 * * *",
            "Europe/Vienna",
            "2026-10-24T12:00",
            ["10-25 02:00+0200", "10-25 02:30+0200", "10-25 02:00+0100", "10-25 02:30+0100", "10-26 02:00+0100"],
        ),
        (
            "0 * * * *",
            "Europe/Vienna",
            "2026-10-25T01:00",
            ["10-25 02:00+0200", "10-25 02:00+0100", "10-25 03:00+0100"],
        ),
        # Lord Howe: half an hour. 2026-10-04 02:00 becomes 02:30.
        ("15 2 * * *", "Australia/Lord_Howe", "2026-10-03T12:00", ["10-04 02:30+1100", "10-05 02:15+1100"]),
        (
            "*/10 3 * * *",
            "Australia/Lord_Howe",
            "2026-10-03T12:00",
            ["10-04 03:00+1100", "10-04 03:10+1100", "10-04 03:20+1100"],
        ),
        (
            "*/10 2 * * *",
            "Australia/Lord_Howe",
            "2026-10-03T12:00",
            ["10-04 02:30+1100", "10-04 02:40+1100", "10-04 02:50+1100", "10-05 02:00+1100"],
        ),
        # 2026-04-05 02:00 becomes 01:30.
        ("45 1 * * *", "Australia/Lord_Howe", "2026-04-04T12:00", ["04-05 01:45+1100", "04-06 01:45+1030"]),
        (
            "*/15 1 * * *",
            "Australia/Lord_Howe",
            "2026-04-04T12:00",
            [
                "04-05 01:00+1100",
                "04-05 01:15+1100",
                "04-05 01:30+1100",
                "04-05 01:45+1100",
                "04-05 01:30+1030",
                "04-05 01:45+1030",
                "04-06 01:00+1030",
            ],
        ),
        # New York: 2026-03-08 02:00 becomes 03:00, 2026-11-01 02:00 becomes 01:00.
        ("30 2 * * SUN", "America/New_York", "2026-03-07T12:00", ["03-08 03:00-0400", "03-15 02:30-0400"]),
        ("30 1 * * *", "America/New_York", "2026-10-31T12:00", ["11-01 01:30-0400", "11-02 01:30-0500"]),
        # Leap days, and the years without.
        ("0 0 29 2 *", "America/New_York", "2024-02-29T00:00", ["02-29 00:00-0500"]),
    ],
)
def test_slots_about_a_change_of_the_clock(cron: str, zone: str, after: str, expected: list[str]) -> None:
    assert local(cron, zone, after, len(expected)) == expected


def test_a_leap_day_comes_every_four_years() -> None:
    times = fire_times("0 0 29 2 *", after=datetime(2024, 3, 1, tzinfo=ZoneInfo("Europe/Vienna")))

    assert [time.year for time in islice(times, 3)] == [2028, 2032, 2036]


@given(tables, moments, st.integers(0, 40 * DAY))
def test_slots_are_the_same_from_wherever_the_count_begins(timetable: Timetable, start: int, offset: int) -> None:
    later = start + offset % (3 * DAY)
    after = list(islice((slot for slot in timetable.after(start) if slot > later), 5))

    assert after == list(islice(timetable.after(later), 5))
    assert all(earlier < slot for earlier, slot in pairwise(after))


@given(tables, moments)
def test_a_slot_shows_what_the_expression_says(timetable: Timetable, start: int) -> None:
    minutes = timetable.cron.split()[0]
    for slot in islice(timetable.after(start), 4):
        shown = to_time(slot, timetable.zone)
        assert shown.second == shown.microsecond == 0
        if minutes.startswith("*/"):
            assert shown.minute % int(minutes[2:]) == 0


# jitter


@given(tables, moments)
def test_jitter_stays_below_the_next_slot_and_is_always_the_same(timetable: Timetable, start: int) -> None:
    slots = list(islice(timetable.after(start), 6))
    fired = [timetable.fired_at(slot) for slot in slots]

    assert fired == [table(timetable.cron, str(timetable.zone), timetable.jitter_us).fired_at(slot) for slot in slots]
    assert all(0 <= moment - slot <= timetable.jitter_us for slot, moment in zip(slots, fired, strict=True))
    assert all(moment < following for moment, following in zip(fired, slots[1:], strict=False))


def test_definitions_with_one_schedule_are_spread() -> None:
    slot = at("2026-01-01T05:00")
    moments = {Timetable(f"crawl-{n}", "0 5 * * *", ZoneInfo("UTC"), HOUR).fired_at(slot) - slot for n in range(100)}

    assert len(moments) == 100
    assert max(moments) > HOUR * 0.9
    assert min(moments) < HOUR * 0.1


# what was missed


def test_a_slot_in_time_is_fired_whatever_the_policy() -> None:
    due = at("2026-01-05T05:15")
    for policy in ("skip", "one", "all"):
        decision = table("15 5 * * 1").decide(due, due + GRACE_US, policy, 0)
        assert (decision.fire, decision.missed, decision.late) == ([due], [], frozenset())
        assert decision.coming == (due + 7 * DAY, due + 7 * DAY)


@pytest.mark.parametrize(
    ("policy", "window", "fired", "missed"),
    [
        ("skip", 30 * DAY, [], [0, 1, 2, 3]),
        ("one", 30 * DAY, [3], [0, 1, 2]),
        ("all", 30 * DAY, [0, 1, 2, 3], []),
        ("all", 40 * HOUR, [2, 3], [0, 1]),
        ("one", 5 * HOUR, [], [0, 1, 2, 3]),
        ("all", 0, [], [0, 1, 2, 3]),
    ],
)
def test_after_days_of_downtime(policy: str, window: int, fired: list[int], missed: list[int]) -> None:
    first = at("2026-01-05T06:00")
    now = first + 3 * DAY + 6 * HOUR  # noon of the fourth day

    decision = table("0 6 * * *").decide(first, now, policy, window)  # type: ignore[arg-type]

    assert decision.fire == [first + n * DAY for n in fired]
    assert decision.missed == [Missed(first + n * DAY, first + n * DAY) for n in missed]
    assert decision.late == set(decision.fire)
    assert decision.coming == (first + 4 * DAY, first + 4 * DAY)


def test_one_means_the_slot_in_time_where_there_is_one() -> None:
    first = at("2026-01-05T06:00")

    decision = table("0 6 * * *").decide(first, first + 2 * DAY + MINUTE, "one", 30 * DAY)

    assert decision.fire == [first + 2 * DAY]
    assert not decision.late
    assert len(decision.missed) == 2


def test_years_of_downtime_are_told_as_one_span_and_decided_at_once() -> None:
    first = at("2020-01-01T00:00")
    now = at("2026-01-01T00:07")

    decision = table("*/5 * * * *").decide(first, now, "one", DAY)

    assert decision.fire == [at("2026-01-01T00:05")]
    assert decision.missed == [Missed(first, at("2026-01-01T00:00"))]


def test_no_more_than_a_thousand_are_made_up_for_and_they_are_the_newest() -> None:
    now = at("2026-01-11T00:01")

    decision = table("*/5 * * * *").decide(now - 10 * DAY, now, "all", 20 * DAY)

    assert len(decision.fire) == CATCH_UP
    assert decision.fire[-1] == at("2026-01-11T00:00")
    assert [span.last + 5 * MINUTE for span in decision.missed] == [decision.fire[0]]


def test_with_jitter_a_slot_waits_for_its_moment_and_is_then_in_time() -> None:
    spread = table("0 6 * * *", jitter_us=10 * HOUR)
    due = at("2026-01-05T06:00")
    moment = spread.fired_at(due)
    assert moment > due + HOUR

    early = spread.decide(due, moment - 1, "skip", 0)
    in_time = spread.decide(due, moment, "skip", 0)

    assert (early.fire, early.missed, early.coming) == ([], [], (due, moment))
    assert (in_time.fire, in_time.missed) == ([due], [])


@given(
    tables,
    moments,
    st.integers(0, 3 * DAY),
    st.sampled_from(["skip", "one", "all"]),
    st.sampled_from([0, HOUR, DAY, 30 * DAY]),
)
def test_each_slot_is_dealt_with_once_and_the_next_is_to_come(
    timetable: Timetable, start: int, later: int, policy: str, window: int
) -> None:
    first = next(timetable.after(start))
    now = first + later
    decision = timetable.decide(first, now, policy, window)  # type: ignore[arg-type]
    due = [slot for slot in timetable.between(first, now) if timetable.fired_at(slot) <= now]

    if len(decision.missed) == 1 and decision.missed[0].first != decision.missed[0].last:
        assert len(due) - len(decision.fire) > LISTED
        assert [slot for slot in due if slot > decision.missed[0].last] == decision.fire
    else:
        assert [span.first for span in decision.missed] + decision.fire == due
    assert decision.coming is not None
    slot, moment = decision.coming
    assert moment > now
    assert slot == next(timetable.after(due[-1] if due else first - 1))
    assert all(now - timetable.fired_at(slot) <= max(window, GRACE_US) for slot in decision.fire)
    if policy == "skip":
        assert not decision.late


def test_moments_and_times_are_exact() -> None:
    moment = at("2026-06-01T12:34") + 567_891

    assert to_us(to_time(moment, ZoneInfo("Asia/Kolkata"))) == moment
    assert to_time(moment) - datetime(2026, 6, 1, 12, 34, tzinfo=UTC) == timedelta(microseconds=567_891)
