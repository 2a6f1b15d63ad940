"""``quaero schedules``: what runs by itself and when; pausing it, and making up for what was missed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from quaero.cli.exits import UsageError
from quaero.cli.session import Here, Json

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from quaero.model.schedule import Schedule
    from quaero.ports.schedules import NewFire

app = App(name="schedules", help="Schedules: what runs by itself, when, and what became of each time.")

MOST_TIMES = 1_000
DAY_US = 86_400_000_000

Fires = Annotated[int, Parameter(name="--fires", help="How many past times to show.")]
Count = Annotated[int, Parameter(help="How many times.")]
Since = Annotated[str, Parameter(help="The first day or time, as 2026-11-01 or 2026-11-01T05:00.")]
Until = Annotated[str, Parameter(help="The last one (now, if not given). Of a day its end.")]


@app.command(name="list")
def list_schedules(*, json: Json = False, session: Here) -> None:
    """List the definitions with a schedule, or that start with the server."""
    from quaero.cli.output import console, say, write_page
    from quaero.cli.schedule_views import schedule_table

    with session.app() as opened:
        found = opened.scheduling.store.list_schedules()
    if json:
        write_page(found, None)
    elif found:
        console().print(schedule_table(found))
    else:
        say('no schedules; a definition in the definitions folder gets one with: schedule = "15 5 * * 1"')


@app.command
def show(definition: str, /, *, fires: Fires = 20, json: Json = False, session: Here) -> None:
    """Show a schedule: its settings, the next five times, and what became of the last ones."""
    import msgspec

    from quaero.cli.output import console, write_json
    from quaero.cli.schedule_views import print_schedule
    from quaero.queue.schedules import next_times

    with session.app() as opened:
        schedule = opened.scheduling.store.get_schedule(definition)
        past = opened.scheduling.store.fires(definition, limit=max(0, fires))
        times = next_times(schedule, 5, datetime.now(UTC))
    if json:
        write_json({**msgspec.structs.asdict(schedule), "next": [t.astimezone(UTC) for t in times], "fires": past})
    else:
        print_schedule(schedule, times, past, console())


@app.command(name="next")
def next_(definition: str, /, *, count: Count = 5, json: Json = False, session: Here) -> None:
    """Show the next times of a schedule, whether it is paused or not."""
    from quaero.cli.output import console, say, write_page
    from quaero.cli.schedule_views import time_table
    from quaero.queue.schedules import next_times

    with session.app() as opened:
        schedule = opened.scheduling.store.get_schedule(definition)
    times = next_times(schedule, min(max(1, count), MOST_TIMES), datetime.now(UTC))
    if json:
        write_page([{"due_at": time.astimezone(UTC), "local": time} for time in times], None)
    elif times:
        console().print(time_table(times, schedule.timezone))
    else:
        say(f"{definition} has no schedule; it starts with the server (auto_start)")


@app.command
def pause(definition: str, /, *, json: Json = False, session: Here) -> None:
    """Start nothing by this schedule until it is resumed; what runs goes on."""
    _set_paused(session, definition, is_paused=True, json=json)


@app.command
def resume(definition: str, /, *, json: Json = False, session: Here) -> None:
    """Go on with the next time of the schedule. What was passed over: quaero schedules backfill."""
    _set_paused(session, definition, is_paused=False, json=json)


@app.command
def backfill(definition: str, /, *, since: Since, until: Until = "", json: Json = False, session: Here) -> None:
    """Start a run for each past time of the schedule that has none, oldest first."""
    from quaero.calc.schedule_times import to_us
    from quaero.cli.output import say, write_page
    from quaero.queue.schedules import timetable

    with session.app() as opened:
        zone = timetable(opened.scheduling.store.get_schedule(definition)).zone
        first = to_us(_moment("--since", since, zone))
        now = opened.clock.now()
        last = to_us(_moment("--until", until, zone, is_end=True)) if until else now
        if until and _is_day(until) and first <= now and last - DAY_US < now:
            # Today: as far as it has come.
            last = min(last, now)
        rules = opened.scheduling.rules
        made: list[NewFire] = []
        left = 1
        while left:
            part = opened.offline.run(lambda turn: rules.backfill(turn, definition, first, last))
            made += part.fires
            left = part.left
    if json:
        write_page([fire._asdict() | {"due_at": _time(fire.due_at)} for fire in made], None)
        return
    for fire in made:
        print(fire.run_id)
    waiting = "; they wait for a worker or server" if made else ": each has one"
    say(f"{len(made)} runs of {definition} were made{waiting}")


def _set_paused(session: Here, definition: str, *, is_paused: bool, json: bool) -> None:
    from quaero.cli.output import say, write_json

    with session.app() as opened:
        rules = opened.scheduling.rules
        change = rules.pause if is_paused else rules.resume
        opened.offline.run(lambda turn: change(turn, definition))
        schedule = opened.scheduling.store.get_schedule(definition)
    if json:
        write_json(schedule)
    else:
        say(_told(schedule))


def _told(schedule: Schedule) -> str:
    from quaero.cli.output import local_time

    coming = f"; next at {local_time(schedule.next_at)}" if schedule.next_at and schedule.state == "active" else ""
    return f"schedule of {schedule.definition_id} is {schedule.state}{coming}"


def _moment(option: str, text: str, zone: ZoneInfo, *, is_end: bool = False) -> datetime:
    """A day or time, in the schedule's zone where it names none."""
    from datetime import timedelta

    try:
        found = datetime.fromisoformat(text)
        if is_end and _is_day(text):
            found += timedelta(days=1, microseconds=-1)
    except (ValueError, OverflowError):
        raise UsageError(f"{option} {text}: write a day or time, as 2026-11-01 or 2026-11-01T05:00") from None
    return found if found.tzinfo else found.replace(tzinfo=zone)


def _is_day(text: str) -> bool:
    return "T" not in text and " " not in text


def _time(micros: int) -> datetime:
    return datetime.fromtimestamp(micros / 1e6, UTC)
