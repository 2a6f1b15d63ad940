"""``quaero schedules``: what people see of schedules and do to them, with no server at work."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from quaero.app import opened
from quaero.config import load
from quaero.model.definition import JobDefinition, StepDefinition
from tests.e2e.command import Quaero

STEP = StepDefinition(name="load", type="test_job_generator", position=0)
DAILY = JobDefinition(
    id="daily",
    name="Every day",
    hash="1",
    schedule="15 5 * * *",
    timezone="Europe/Vienna",
    schedule_jitter=600,
    steps=(STEP,),
)
BOOT = JobDefinition(id="boot", name="At start", hash="2", auto_start=True, steps=(STEP,))


@pytest.fixture
def scheduled(quaero: Quaero, monkeypatch: pytest.MonkeyPatch) -> Quaero:
    """``quaero`` whose definitions folder was read."""
    monkeypatch.delenv("QUAERO_DATABASE", raising=False)
    with opened(load(quaero.data)) as app:
        library = {d.id: (d, "") for d in (DAILY, BOOT)}
        app.offline.run(lambda turn: app.scheduling.rules.sync(turn, "here:/definitions", library))
    return quaero


def test_without_schedules_it_says_how_to_get_one(quaero: Quaero) -> None:
    assert 'schedule = "15 5 * * 1"' in quaero.here("schedules", "list").stderr
    assert quaero.ask("schedules", "list") == {"items": [], "next": None}


def test_schedules_are_listed_in_words(scheduled: Quaero) -> None:
    text = scheduled.here("schedules", "list").stdout
    boot, daily = scheduled.ask("schedules", "list")["items"]

    assert "every day at 05:15" in text
    assert "with the server" in text
    assert (daily["definition_id"], daily["state"], daily["words"]) == ("daily", "active", "every day at 05:15")
    assert (boot["cron"], boot["next_due"], boot["auto_start"]) == ("", None, True)


def test_a_schedule_is_shown_with_what_comes_and_what_was(scheduled: Quaero) -> None:
    yesterday = f"{datetime.now(UTC) - timedelta(days=1):%Y-%m-%d}"
    scheduled.here("schedules", "backfill", "daily", "--since", yesterday, "--until", yesterday)

    text = scheduled.here("schedules", "show", "daily").stdout
    data = scheduled.ask("schedules", "show", "daily")

    for words in ("every day at 05:15", "15 5 * * *  (Europe/Vienna)", "up to 10m00s", "backfill", "started"):
        assert words in text
    assert len(data["next"]) == 5
    assert data["next"][0] == data["next_due"]
    [fire] = data["fires"]
    assert fire["cause"] == "backfill"
    assert scheduled.ask("jobs", "show", fire["run_id"])["definition_id"] == "daily"


def test_the_next_times_are_those_of_the_zone(scheduled: Quaero) -> None:
    times = scheduled.ask("schedules", "next", "daily", "--count", 400)["items"]

    assert len(times) == 400
    assert {time["local"][11:16] for time in times} == {"05:15"}
    assert len({time["due_at"][11:16] for time in times}) == 2, "in summer and in winter"
    assert "next (Europe/Vienna)" in scheduled.here("schedules", "next", "daily").stdout
    assert "auto_start" in scheduled.here("schedules", "next", "boot").stderr


def test_a_schedule_is_paused_and_resumed(scheduled: Quaero) -> None:
    assert scheduled.here("schedules", "pause", "daily").stderr == "schedule of daily is paused\n"
    assert scheduled.ask("schedules", "show", "daily")["state"] == "paused"

    resumed: Any = scheduled.ask("schedules", "resume", "daily")

    assert (resumed["state"], resumed["paused_at"]) == ("active", None)
    assert "is active; next at " in scheduled.here("schedules", "resume", "daily").stderr


def test_a_backfill_makes_each_run_once(scheduled: Quaero) -> None:
    since = f"{datetime.now(UTC) - timedelta(days=3):%Y-%m-%dT12:00}"
    until = f"{datetime.now(UTC) - timedelta(days=1):%Y-%m-%d}"

    made = scheduled.ask("schedules", "backfill", "daily", "--since", since, "--until", until)["items"]

    assert [fire["outcome"] for fire in made] == ["started", "queued"]
    again = scheduled.here("schedules", "backfill", "daily", "--since", since, "--until", until)
    assert (again.stdout, again.stderr) == ("", "0 runs of daily were made: each has one\n")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["pause", "nothing"], "no schedule of 'nothing'; quaero schedules list shows them"),
        (["show", "nothing"], "no schedule of 'nothing'"),
        (["backfill", "daily", "--since", "soon"], "--since soon: write a day or time, as 2026-11-01"),
        (["backfill", "daily", "--since", "2999-01-01", "--until", "2999-01-02"], "needs a time that is past"),
        (["backfill", "daily", "--since", "2026-01-01", "--until", "9999-12-31"], "needs a time that is past"),
        (["backfill", "daily", "--since", "1999-01-01"], "more than 1,000 slots"),
        (["backfill", "daily", "--since", "0001-01-01"], "more than 1,000 slots"),
        (["backfill", "boot", "--since", "2026-01-01"], "'boot' has no schedule that is enabled"),
    ],
)
def test_what_can_not_be_done_is_refused_with_a_reason(scheduled: Quaero, arguments: list[str], reason: str) -> None:
    assert reason in scheduled.refusal("schedules", *arguments)
