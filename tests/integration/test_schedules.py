"""Schedules: taken over from a folder, fired once by whoever leads, made up for. Runs on every backend."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest

from quaero.app import App
from quaero.calc.schedule_times import to_time, to_us
from quaero.errors import NotFound, Refused
from quaero.model.definition import JobDefinition, StepDefinition
from quaero.model.schedule import Fire, Schedule
from quaero.ports.jobs import ProcessRow
from quaero.queue import schedules as rules
from quaero.queue.membership import UPKEEP
from quaero.queue.scheduler import auto_start, backfill
from quaero.queue.schedules import Fired, Schedules, Synced, next_times
from quaero.queue.turn import Turn
from quaero.storage.schedules import SqlScheduleStore
from tests.engine_kit import BACKENDS, SECOND, START, Lab, define, step
from tests.engine_runs import app_with, database_for
from tests.waiting import wait_until

QUICK: dict[str, Any] = {"renew_seconds": 0.1, "lease_seconds": 5.0}
HOME = "host:/data/definitions"
HOUR = 3_600
DAY = 24 * HOUR
MINUTE_US = 60_000_000
NOW = datetime.fromtimestamp(START / 1e6, UTC)
"""2025-11-22, a Saturday, 08:26 UTC."""


class Died(Exception):
    """Everything stops just before the commit."""


class Book:
    """Schedules over a laboratory whose clock the test moves. ``me`` leads."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.rules = Schedules(lab.jobs, lab.dispatcher)
        self.store = SqlScheduleStore(lab.store.readers)
        with lab.turn() as turn:
            self.term = turn.tx.lead(UPKEEP, lab.me, 0)

    def sync(self, *definitions: JobDefinition, home: str = HOME, broken: tuple[str, ...] = ()) -> Synced:
        with self.lab.turn() as turn:
            return self.rules.sync(turn, home, {d.id: (d, "text") for d in definitions}, broken=broken)

    def fire(self) -> int:
        """All that is due; how many schedules were."""
        count = 0
        while self.fire_once().progress:
            count += 1
        return count

    def fire_once(self, process: int | None = None, term: int | None = None, **options: Any) -> Fired:
        with self.lab.turn() as turn:
            return self.rules.fire_due(turn, process or self.lab.me, self.term if term is None else term, **options)

    def pass_to(self, text: str) -> None:
        """Time passes, and what is due is fired."""
        self.sleep_to(text)
        self.fire()

    def sleep_to(self, text: str) -> None:
        """Time passes, and nobody is there."""
        self.lab.clock.time = moment(text)

    def fires(self, name: str = "crawl") -> list[tuple[str, str]]:
        """(slot, outcome), oldest first."""
        found = self.store.fires(name, limit=1_000)
        return [(f"{fire.due_at:%m-%d %H:%M}", fire.outcome) for fire in reversed(found)]

    def get(self, name: str = "crawl") -> Schedule:
        return self.store.get_schedule(name)

    def pause(self, name: str = "crawl") -> None:
        with self.lab.turn() as turn:
            self.rules.pause(turn, name)

    def resume(self, name: str = "crawl") -> None:
        with self.lab.turn() as turn:
            self.rules.resume(turn, name)

    def backfill(self, since: str, until: str, name: str = "crawl") -> list[int]:
        """The runs that were made."""
        made: list[int] = []
        left = 1
        while left:
            with self.lab.turn() as turn:
                part = self.rules.backfill(turn, name, moment(since), moment(until))
            made += [fire.run_id for fire in part.fires if fire.run_id]
            left = part.left
        return made

    def end_runs(self) -> None:
        self.lab.drive()


def moment(text: str) -> int:
    return to_us(datetime.fromisoformat(f"2025-{text}").replace(tzinfo=UTC))


def crawl(name: str = "crawl", **fields: Any) -> JobDefinition:
    """Every day at 09:00, unless told otherwise."""
    return define(name, step("a"), **{"schedule": "0 9 * * *", **fields})


@pytest.fixture(params=BACKENDS)
def book(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Book]:
    lab = Lab(request.param, tmp_path)
    yield Book(lab)
    lab.check()
    lab.close()


# what a folder says


def test_a_definition_with_a_schedule_gets_its_next_slot_and_one_without_none(book: Book) -> None:
    synced = book.sync(crawl(timezone="Europe/Vienna"), define("plain", step("a")))

    assert synced.changed == ["crawl"]
    [schedule] = book.store.list_schedules()
    assert schedule.state == "active"
    assert schedule.words == "every day at 09:00"
    assert schedule.next_due == schedule.next_at == datetime(2025, 11, 23, 8, tzinfo=UTC), "08:00 UTC has passed"
    assert next_times(schedule, 2, NOW)[1].isoformat() == "2025-11-24T09:00:00+01:00"
    with pytest.raises(NotFound, match="no schedule of 'plain'"):
        book.get("plain")


def test_a_folder_read_again_changes_nothing(book: Book) -> None:
    book.sync(crawl())
    before = book.get()

    again = book.sync(crawl())

    assert again == Synced([], [], {})
    assert book.get() == before


def test_what_people_and_time_made_of_a_schedule_outlives_a_change_of_its_definition(book: Book) -> None:
    book.sync(crawl())
    book.pass_to("11-22T09:00")
    book.pause()
    before = book.get()

    book.sync(crawl(name="crawl", priority=3))

    after = book.get()
    assert after.revision == before.revision + 1
    assert after.state == "paused"
    assert (after.last_at, after.last_run_id, after.next_due) == (before.last_at, before.last_run_id, before.next_due)


@pytest.mark.parametrize("change", [{"schedule": "0 7 * * *"}, {"timezone": "Asia/Kolkata"}])
def test_another_expression_or_zone_counts_from_now(book: Book, change: dict[str, str]) -> None:
    book.sync(crawl())
    book.sleep_to("11-24T09:30")

    book.sync(crawl(**change))

    assert book.fire() == 0, "the slots of the old one are not missed"
    assert book.get().next_due == next_times(book.get(), 1, datetime(2025, 11, 24, 9, 30, tzinfo=UTC))[0]


def test_a_definition_that_is_gone_is_fired_no_more_and_its_runs_stay(book: Book) -> None:
    book.sync(crawl(), crawl("other"))
    book.pass_to("11-22T09:00")

    synced = book.sync(crawl("other"))

    assert synced.stopped == ["crawl"]
    assert (book.get().state, book.get().next_at) == ("removed", None)
    book.end_runs()
    book.pass_to("11-23T09:00")
    assert book.fires() == [("11-22 09:00", "started")]
    assert len(book.fires("other")) == 2
    book.sync(crawl(), crawl("other"))
    assert (book.get().state, book.get().next_due) == ("active", datetime(2025, 11, 24, 9, tzinfo=UTC))


def test_a_file_with_errors_leaves_its_schedule_as_it_was(book: Book) -> None:
    book.sync(crawl())

    assert book.sync(broken=("crawl",)).stopped == []

    book.pass_to("11-22T09:00")
    assert book.fires() == [("11-22 09:00", "started")]


def test_a_folder_speaks_only_of_its_own(book: Book) -> None:
    book.sync(crawl())

    book.sync(crawl("other"), home="elsewhere:/definitions")

    assert [found.state for found in book.store.list_schedules()] == ["active", "active"]


def test_a_disabled_definition_has_no_slots_until_it_is_enabled(book: Book) -> None:
    book.sync(crawl(enabled=False))
    assert (book.get().state, book.get().next_at) == ("disabled", None)
    book.pass_to("11-23T10:00")

    book.sync(crawl())

    assert book.fires() == []
    assert book.get().next_due == datetime(2025, 11, 24, 9, tzinfo=UTC)


def test_definitions_that_start_each_other_in_a_circle_are_refused_alone(book: Book) -> None:
    round_one, round_two = crawl("one", post_jobs=("two",)), crawl("two", post_jobs=("one",))

    synced = book.sync(round_one, round_two, crawl())

    assert synced.changed == ["crawl"]
    assert set(synced.refused) == {"one", "two"}
    assert "circle" in synced.refused["one"]


# firing


def test_a_slot_starts_the_pinned_definition_and_its_run_says_so(book: Book) -> None:
    book.sync(crawl())

    book.pass_to("11-22T08:59")
    assert book.fires() == []
    book.pass_to("11-22T09:00")

    [fire] = book.store.fires("crawl")
    assert (fire.outcome, fire.cause, fire.due_at) == ("started", "schedule", datetime(2025, 11, 22, 9, tzinfo=UTC))
    assert fire.run_id is not None
    assert book.lab.run(fire.run_id).definition_id == "crawl"
    assert book.store.fire_of_run(fire.run_id) == fire
    schedule = book.get()
    assert (schedule.last_at, schedule.last_outcome, schedule.last_run_id) == (fire.due_at, "started", fire.run_id)
    assert schedule.next_due == datetime(2025, 11, 23, 9, tzinfo=UTC)
    [event] = [row[0] for row in book.lab.rows("SELECT data FROM events WHERE type = 'schedule.fired'")]
    assert msgspec.json.decode(event)["due_at"] == "2025-11-22T09:00:00+00:00"


def test_only_who_leads_fires(book: Book) -> None:
    book.sync(crawl())
    book.sleep_to("11-22T09:00")
    other = book.lab.process()

    assert book.fire_once(other, book.term) == Fired(progress=False, next_at=None)
    assert book.fire_once(term=book.term + 1) == Fired(progress=False, next_at=None)
    assert book.fire_once().progress


def test_a_node_that_executes_only_some_runs_fires_only_beside_another(book: Book) -> None:
    book.sync(crawl())
    book.sleep_to("11-22T09:00")

    assert not book.fire_once(needs_others=True).progress
    book.lab.process(slots=0)
    assert not book.fire_once(needs_others=True).progress, "that one executes nothing"
    book.lab.process()
    assert book.fire_once(needs_others=True).progress


def test_a_leader_that_dies_before_the_commit_has_fired_nothing_and_the_next_fires_once(book: Book) -> None:
    book.sync(crawl())
    book.sleep_to("11-22T09:00")

    def crash() -> None:
        raise RuntimeError("died")

    book.lab.before_commit = crash
    with pytest.raises(RuntimeError):
        book.fire_once()
    book.lab.before_commit = lambda: None
    book.lab.definitions.forget()
    assert book.lab.runs() == []
    heir = book.lab.process()
    with book.lab.turn() as turn:
        term = turn.tx.lead(UPKEEP, heir, book.term)

    assert book.fire_once(heir, term).progress
    assert not book.fire_once(heir, term).progress
    assert not book.fire_once().progress, "it comes back and leads no more"
    assert book.fires() == [("11-22 09:00", "started")]
    assert len(book.lab.runs()) == 1


def test_a_clock_that_is_set_back_fires_no_slot_twice(book: Book) -> None:
    book.sync(crawl(overlap="allow"))
    book.pass_to("11-22T09:00")

    book.sleep_to("11-22T08:00")
    book.sync(crawl(overlap="allow", timezone="Europe/London"))
    assert book.get().next_due == datetime(2025, 11, 22, 9, tzinfo=UTC), "counted from the clock as it is"
    book.pass_to("11-22T09:00")

    assert book.fires() == [("11-22 09:00", "started")]
    assert book.get().next_due == datetime(2025, 11, 23, 9, tzinfo=UTC)


def test_a_slot_of_a_definition_with_jitter_is_fired_later_and_bears_its_own_time(book: Book) -> None:
    book.sync(crawl(schedule_jitter=4 * HOUR))
    schedule = book.get()
    assert schedule.next_due == datetime(2025, 11, 22, 9, tzinfo=UTC)
    assert schedule.next_at is not None
    assert timedelta(0) < schedule.next_at - schedule.next_due < timedelta(hours=4)

    book.sleep_to("11-22T09:00")
    assert book.fire() == 0
    book.lab.clock.time = to_us(schedule.next_at)
    assert book.fire() == 1

    assert book.fires() == [("11-22 09:00", "started")]


def test_several_schedules_at_one_time_are_all_fired(book: Book) -> None:
    book.sync(*(crawl(f"crawl-{n}") for n in range(5)))

    book.pass_to("11-22T09:00")

    assert [book.fires(f"crawl-{n}") for n in range(5)] == [[("11-22 09:00", "started")]] * 5


def test_daily_slots_over_a_change_of_the_clock_are_fired_once_a_day(book: Book) -> None:
    book.sleep_to("10-24T12:00")
    book.sync(crawl(schedule="30 2 * * *", timezone="Europe/Vienna", overlap="allow"))

    for hour in range(72):
        book.pass_to(f"10-{25 + hour // 24}T{hour % 24:02}:30")

    assert book.fires() == [("10-25 00:30", "started"), ("10-26 00:30", "started"), ("10-27 01:30", "started")]


@pytest.mark.parametrize("seed", range(6))
def test_whatever_happens_no_slot_has_two_runs(book: Book, seed: int) -> None:
    """Leaders come, die before the commit and come back; people pause, backfill and edit; the clock jumps."""
    random, lab = Random(seed), book.lab
    nodes = [(lab.me, book.term)]
    crons = ["0 * * * *", "*/20 * * * *", "30 2,3 * * *"]

    def settings() -> dict[str, Any]:
        return {
            "schedule": random.choice(crons),
            "timezone": random.choice(["Europe/Vienna", "Australia/Lord_Howe"]),
            "misfire": random.choice(["skip", "one", "all"]),
            "overlap": "allow",
            "schedule_jitter": random.choice([0, 0, HOUR]),
        }

    def crash() -> None:
        raise Died

    def take_over() -> None:
        heir = lab.process()
        with lab.turn() as turn:
            term = turn.tx.lead(UPKEEP, heir, nodes[-1][1])
        nodes.append((heir, term))

    def backfill() -> None:
        since = lab.clock.time - random.randrange(6 * HOUR) * SECOND
        with lab.turn() as turn:
            book.rules.backfill(turn, "crawl", since, since + 2 * HOUR * SECOND if random.random() < 0.5 else turn.now)

    def fire() -> None:
        book.fire_once(*random.choice(nodes[-3:]))

    acts: list[Callable[[], object]] = [
        *[fire] * 8,
        take_over,
        backfill,
        book.pause,
        book.resume,
        *[lambda: book.sync(crawl(**settings()))] * 2,
        book.sync,
    ]
    book.sync(crawl(**settings()))
    latest = lab.clock.time
    for _ in range(150):
        lab.clock.time += random.choice([1, 60, 1_200, 3_600, 3_600, -3_600]) * SECOND
        lab.before_commit = crash if random.random() < 0.1 else lambda: None
        with suppress(Died, Refused):
            random.choice(acts)()
        lab.definitions.forget()
        latest = max(latest, lab.clock.time)
    lab.before_commit = lambda: None
    lab.clock.time = latest + DAY * SECOND
    take_over()
    book.sync(crawl(schedule="0 * * * *", overlap="allow"))
    book.resume()
    while book.fire_once(*nodes[-1]).progress:
        pass
    before = len(book.fires())
    for _ in range(5):
        lab.clock.time += HOUR * SECOND
        book.fire_once(*nodes[-1])
    assert len(book.fires()) == before + 5, "and goes on as if nothing had been"

    fired = [fire.run_id for fire in book.store.fires("crawl", limit=10_000) if fire.run_id]
    assert sorted(fired) == lab.runs(), "each run is that of one slot"
    assert len(fired) > 5


# overlap


def test_skip_notes_the_run_that_was_in_the_way(book: Book) -> None:
    book.sync(crawl())
    book.pass_to("11-22T09:00")
    book.pass_to("11-23T09:00")

    assert book.fires() == [("11-22 09:00", "started"), ("11-23 09:00", "skipped_overlap")]
    skipped = book.store.fires("crawl")[0]
    assert skipped.run_id is None
    assert skipped.note == f"run {book.lab.runs()[0]} was still active"
    book.end_runs()
    book.pass_to("11-24T09:00")
    assert book.fires()[-1] == ("11-24 09:00", "started")


def test_queue_lets_the_run_wait_for_its_turn(book: Book) -> None:
    book.sync(crawl(overlap="queue"))
    book.pass_to("11-22T09:00")
    book.pass_to("11-23T09:00")

    assert book.fires()[-1] == ("11-23 09:00", "queued")
    first, second = book.lab.runs()
    assert book.lab.run(second).queued
    book.end_runs()
    assert [str(book.lab.status(run)) for run in (first, second)] == ["completed", "completed"]


def test_cancel_previous_ends_the_run_before(book: Book) -> None:
    book.sync(crawl(overlap="cancel_previous"))
    book.pass_to("11-22T09:00")
    book.pass_to("11-23T09:00")
    book.end_runs()

    first, second = book.lab.runs()
    assert [str(book.lab.status(run)) for run in (first, second)] == ["cancelled", "completed"]


def test_allow_lets_both_run(book: Book) -> None:
    book.sync(crawl(overlap="allow"))
    book.pass_to("11-22T09:00")
    book.pass_to("11-23T09:00")

    assert [outcome for _, outcome in book.fires()] == ["started", "started"]


# downtime


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"misfire": "skip"}, ["missed", "missed", "missed"]),
        ({"misfire": "one"}, ["missed", "missed", "started"]),
        ({"misfire": "all"}, ["missed", "missed", "started"]),
        ({"misfire": "all", "misfire_window": 7 * DAY}, ["started", "queued", "queued"]),
        ({"misfire": "all", "misfire_window": 7 * DAY, "overlap": "allow"}, ["started", "started", "started"]),
        ({"misfire": "one", "misfire_window": 5 * HOUR}, ["missed", "missed", "missed"]),
    ],
)
def test_after_days_in_which_nobody_was_there(book: Book, fields: dict[str, Any], expected: list[str]) -> None:
    book.sync(crawl(**fields))

    book.pass_to("11-24T20:00")

    assert book.fires() == list(zip(["11-22 09:00", "11-23 09:00", "11-24 09:00"], expected, strict=True))
    assert book.get().next_due == datetime(2025, 11, 25, 9, tzinfo=UTC)
    assert book.fire() == 0


def test_many_missed_slots_are_made_up_for_in_several_turns(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "AT_ONCE", 4)
    book.sync(crawl(schedule="0 * * * *", misfire="all"))

    book.sleep_to("11-22T18:30")
    assert book.fire() == 3
    slots = [slot for slot, _ in book.fires()]

    assert slots == [f"11-22 {hour:02}:00" for hour in range(9, 19)]
    assert len(book.lab.runs()) == 10
    book.end_runs()
    assert {str(book.lab.status(run)) for run in book.lab.runs()} == {"completed"}


def test_a_long_time_is_told_as_one_span(book: Book) -> None:
    book.sync(crawl(schedule="*/5 * * * *"))

    book.pass_to("12-22T09:01")

    assert book.fires() == [("11-22 08:30", "missed"), ("12-22 09:00", "started")]
    assert book.store.fires("crawl")[1].note == "and every slot up to 2025-12-22 08:55 UTC"


# pausing


def test_a_paused_schedule_notes_its_slots_and_goes_on_with_the_next(book: Book) -> None:
    book.sync(crawl())
    book.pause()
    book.pause()
    assert book.get().paused_at is not None
    book.pass_to("11-22T09:00")
    book.sleep_to("11-24T12:00")
    book.resume()
    book.fire()
    book.pass_to("11-25T09:00")

    assert book.fires() == [
        ("11-22 09:00", "paused"),
        ("11-23 09:00", "paused"),
        ("11-24 09:00", "paused"),
        ("11-25 09:00", "started"),
    ]


def test_what_is_unknown_can_not_be_paused_resumed_or_backfilled(book: Book) -> None:
    with pytest.raises(NotFound, match="no schedule of 'crawl'"):
        book.pause()
    with pytest.raises(NotFound):
        book.resume()
    with pytest.raises(NotFound):
        book.backfill("11-01", "11-02")


# backfill


def test_a_backfill_makes_one_run_for_each_slot_without_one(book: Book) -> None:
    book.sync(crawl())
    book.pass_to("11-22T09:00")
    book.end_runs()
    book.pause()
    book.pass_to("11-23T09:00")
    book.sleep_to("11-23T12:00")

    made = book.backfill("11-20T00:00", "11-23T12:00")

    assert [(f.cause, f.outcome) for f in reversed(book.store.fires("crawl"))] == [
        ("backfill", "started"),
        ("backfill", "queued"),
        ("schedule", "started"),
        ("backfill", "queued"),
    ]
    assert len(made) == 3
    assert book.backfill("11-20T00:00", "11-23T12:00") == [], "again: nothing is left"
    book.end_runs()
    assert {str(book.lab.status(run)) for run in made} == {"completed"}
    assert book.get().last_at == datetime(2025, 11, 23, 9, tzinfo=UTC), "the schedule itself is where it was"


def test_a_backfill_takes_what_is_due_and_the_schedule_does_not_fire_it_again(book: Book) -> None:
    book.sync(crawl(overlap="allow"))
    book.sleep_to("11-22T09:00")

    made = book.backfill("11-22T08:30", "11-22T09:00")
    book.fire()

    assert book.lab.runs() == made
    assert book.fires() == [("11-22 09:00", "started")]
    assert book.get().next_due == datetime(2025, 11, 23, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("since", "until", "reason"),
    [
        ("11-22T00:00", "11-23T00:00", "2025-11-23 00:00 UTC is not"),
        ("11-22T00:00", "11-21T00:00", "needs a time that is past"),
        ("11-01T00:00", "11-22T00:00", "more than 1,000 slots"),
    ],
)
def test_a_backfill_that_can_not_be_is_refused_before_any_run(book: Book, since: str, until: str, reason: str) -> None:
    book.sync(crawl(schedule="*/10 * * * *"))

    with pytest.raises(Refused, match=reason):
        book.backfill(since, until)

    assert book.lab.runs() == []


def test_a_backfill_of_a_disabled_schedule_is_refused(book: Book) -> None:
    book.sync(crawl(enabled=False), define("boot", step("a"), auto_start=True))

    for name in ("crawl", "boot"):
        with pytest.raises(Refused, match="has no schedule that is enabled"):
            book.backfill("11-20T00:00", "11-21T00:00", name)


def test_slots_that_are_forgotten_are_not_run_again(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "KEPT_FIRES", 3)
    book.sync(crawl(overlap="allow"))
    for day in range(22, 28):
        book.pass_to(f"11-{day}T09:00")
    assert [slot for slot, _ in book.fires()] == ["11-25 09:00", "11-26 09:00", "11-27 09:00"]

    with pytest.raises(Refused, match=r"up to 2025-11-24 09:00 UTC is no longer known"):
        book.backfill("11-20T00:00", "11-27T09:00")

    assert book.backfill("11-24T09:01", "11-27T09:00") == []


# with a program's start


def test_auto_start_makes_one_run_for_each_start(book: Book) -> None:
    book.sync(
        define("boot", step("a"), auto_start=True), crawl(), define("off", step("a"), auto_start=True, enabled=False)
    )
    assert book.store.auto_starts(HOME) == ["boot"]
    assert book.store.auto_starts("elsewhere") == []
    assert book.get("boot").next_at is None

    def start(at: int) -> str | None:
        with book.lab.turn() as turn:
            fire = book.rules.auto_start(turn, "boot", at)
        return fire and fire.outcome

    assert [start(START), start(START)] == ["started", None]
    book.end_runs()
    assert start(START + 1) == "started"
    assert start(START + 2) == "skipped_overlap"
    book.pause("boot")
    assert start(START + 3) == "paused"
    assert [fire.cause for fire in book.store.fires("boot")] == ["auto_start"] * 4


# engines


@pytest.fixture(params=BACKENDS)
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    for name in ("QUAERO_DATA", "QUAERO_DATABASE"):
        monkeypatch.delenv(name, raising=False)
    with database_for(request.param, monkeypatch):
        if request.param == "sqlite":
            monkeypatch.setenv("QUAERO_DATABASE", str(tmp_path / "quaero.db"))
        yield tmp_path


async def nothing(job: Any, payload: Any) -> None:
    """A job that does nothing."""


def probe(name: str = "probe", **fields: Any) -> JobDefinition:
    one = StepDefinition(name="only", type="probe", position=0, parameters={"jobs": 1})
    found = JobDefinition(id=name, name=name, hash="", schedule="0 0 1 1 *", steps=(one,), **fields)
    return msgspec.structs.replace(found, hash=repr(found))


def synced(app: App, *definitions: JobDefinition) -> None:
    app.offline.run(lambda turn: app.scheduling.rules.sync(turn, HOME, {d.id: (d, "") for d in definitions}))


def fall_due(app: App, name: str = "probe", *, in_s: float = 0) -> None:
    """A slot of a schedule is now, or is fired soon; the leader is told as of any change."""

    def command(turn: Turn) -> None:
        due = turn.now // MINUTE_US * MINUTE_US
        at = to_time(due)
        cron = f"{at.minute} {at.hour} {at.day} {at.month} *"
        put(turn, name, cron=cron, next_due=due, next_at=turn.now + int(in_s * 1e6))

    app.offline.run(command)


def put(turn: Turn, name: str, **fields: Any) -> None:
    """Change a schedule behind everybody's back."""
    turn.tx.schedules.lock()
    row = turn.tx.schedules.find(name)
    assert row is not None
    turn.tx.schedules.put(row._replace(**fields))


def fires(app: App, name: str = "probe") -> list[Fire]:
    return app.scheduling.store.fires(name)


def test_the_leader_fires_what_falls_due_and_sleeps_until_then(place: Path) -> None:
    async def scenario(app: App) -> None:
        engine = app.engine()
        await engine.start()
        await asyncio.to_thread(fall_due, app, in_s=0.5)
        [fire] = await asyncio.to_thread(wait_until, lambda: fires(app))
        assert fire.run_id is not None
        await engine.finished(fire.run_id)
        await engine.stop()

    with app_with(place / "a", nothing, **QUICK) as app:
        synced(app, probe())
        asyncio.run(scenario(app))
        [fire] = fires(app)
        assert fire.run_id is not None
        day = app.store.run(fire.run_id).log_day
        [line] = [x for x in app.logs.query(fire.run_id, day=day).items if x.message == "schedule.fired"]

    assert (fire.outcome, fire.cause) == ("started", "schedule")
    assert line.fields["due_at"] == fire.due_at.isoformat()


def test_a_schedule_changed_by_this_process_or_another_wakes_the_leader(place: Path) -> None:
    async def scenario(app: App, other: App) -> None:
        engine = app.engine()
        await engine.start()
        await engine.write(
            lambda turn: app.scheduling.rules.sync(turn, HOME, {d.id: (d, "") for d in (probe(), probe("two"))})
        )
        await asyncio.to_thread(fall_due, other, "two")
        await asyncio.to_thread(wait_until, lambda: fires(app, "two"))
        await asyncio.to_thread(fall_due, app)
        await asyncio.to_thread(wait_until, lambda: fires(app))
        await engine.stop()

    with app_with(place / "a", nothing, **QUICK) as app, app_with(place / "b", nothing, **QUICK) as other:
        asyncio.run(scenario(app, other))


def test_two_engines_fire_each_slot_once(place: Path) -> None:
    names = [f"probe-{n}" for n in range(8)]

    async def scenario(one: App, two: App) -> None:
        engines = [one.engine(), two.engine()]
        for engine in engines:
            await engine.start()
        for app, name in zip([one, two] * 4, names, strict=True):
            await asyncio.to_thread(fall_due, app, name)
        await asyncio.to_thread(wait_until, lambda: all(fires(one, name) for name in names))
        for name in names:
            for fire in fires(one, name):
                await engines[0].finished(fire.run_id or 0)
        for engine in engines:
            await engine.stop()

    with app_with(place / "a", nothing, **QUICK) as one, app_with(place / "b", nothing, **QUICK) as two:
        synced(one, *(probe(name) for name in names))
        asyncio.run(scenario(one, two))
        runs = one.store.list_runs(limit=100)
        assert sorted(str(run.definition_id) for run in runs) == names
        assert all(len(fires(one, name)) == 1 for name in names)


def test_when_the_leader_goes_the_next_one_fires_what_is_due(place: Path) -> None:
    async def scenario(one: App, two: App) -> None:
        first, second = one.engine(), two.engine()
        await first.start()
        await second.start()
        assert (bool(first.term), bool(second.term)) == (True, False)
        await first.stop()
        await asyncio.to_thread(fall_due, two)
        await asyncio.to_thread(wait_until, lambda: fires(two))
        assert second.term
        await second.stop()
        assert len(fires(two)) == 1

    with app_with(place / "a", nothing, **QUICK) as one, app_with(place / "b", nothing, **QUICK) as two:
        synced(one, probe())
        asyncio.run(scenario(one, two))


def test_a_leader_whose_lease_ends_while_a_slot_is_due_is_followed_by_one_that_fires_it(place: Path) -> None:
    async def scenario(app: App) -> None:
        with app.store.transaction() as tx:
            row = ProcessRow(0, "elsewhere", app.host.process_row().boot_id, "", 0, None, "1", 4, "", 0, 0, 0, tx.now)
            lease = tx.lease_now + 1_000_000
            dead = tx.add_process(row._replace(lease_until=lease, protocol=1))
            assert tx.lead(UPKEEP, dead, 0)
        fall_due(app)
        engine = app.engine()
        await engine.start()
        assert not engine.term
        await asyncio.to_thread(wait_until, lambda: fires(app))
        await engine.stop()

    with app_with(place / "a", nothing, **QUICK) as app:
        synced(app, probe())
        asyncio.run(scenario(app))
        assert len(fires(app)) == 1


def test_one_schedule_that_can_not_be_fired_does_not_hold_up_the_others(place: Path) -> None:
    def spoil(turn: Turn) -> None:
        put(turn, "bad", timezone="Moon/Base", next_due=turn.now - 1, next_at=turn.now - 1)

    async def scenario(app: App) -> None:
        engine = app.engine()
        await engine.start()
        await asyncio.to_thread(fall_due, app)
        await asyncio.to_thread(wait_until, lambda: fires(app))
        await engine.stop()

    with app_with(place / "a", nothing, **QUICK) as app:
        synced(app, probe(), probe("bad"))
        app.offline.run(spoil)
        asyncio.run(scenario(app))
        [failed] = fires(app, "bad")
        assert failed.outcome == "failed"
        assert "time zone 'Moon/Base' is not known here" in failed.note
        synced(app, probe(), probe("bad"))
        assert app.scheduling.store.get_schedule("bad").next_at is not None


def test_backfill_and_auto_start_through_an_engine(place: Path) -> None:
    async def scenario(app: App) -> None:
        engine = app.engine(executes=False)
        await engine.start()
        until = app.clock.now() // 60_000_000 * 60_000_000
        await engine.write(lambda turn: put(turn, "probe", cron="* * * * *"))
        made = await backfill(app.scheduling, "probe", until - 29 * 60_000_000, until, engine.write)
        again = await backfill(app.scheduling, "probe", until - 29 * 60_000_000, until, engine.write)
        assert (len(made), len(again)) == (30, 0)
        [started] = await auto_start(app.scheduling, HOME, 123, engine.write)
        assert started.outcome == "skipped_overlap"
        assert await auto_start(app.scheduling, HOME, 123, engine.write) == []
        await engine.stop()

    with app_with(place / "a", nothing, **QUICK) as app:
        synced(app, probe(auto_start=True))
        asyncio.run(scenario(app))
        assert len(app.store.list_runs(limit=100)) == 30
