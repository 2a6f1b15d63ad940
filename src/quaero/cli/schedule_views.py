"""Schedules as text."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from rich.console import Console
from rich.table import Table
from rich.text import Text

from quaero.cli.output import local_time, one_line, plain, seconds, table
from quaero.model.schedule import Fire, Schedule

_STYLES = {"active": "green", "paused": "yellow", "disabled": "dim", "removed": "dim"}


def schedule_table(schedules: Sequence[Schedule]) -> Table:
    """One line for each."""
    rows = table("definition", "when", "zone", "next", "last", "", "run", "state", right=("run",))
    for found in schedules:
        rows.add_row(
            plain(found.definition_id),
            plain(_when(found)),
            plain(found.timezone) if found.cron else "",
            local_time(found.next_at) if found.state == "active" else "",
            local_time(found.last_at),
            found.last_outcome or "",
            str(found.last_run_id or ""),
            Text(found.state, style=_STYLES[found.state]),
        )
    return rows


def print_schedule(schedule: Schedule, times: Sequence[datetime], past: Sequence[Fire], on: Console) -> None:
    """All there is to know of one."""
    heading = Text(schedule.state, style=_STYLES[schedule.state])
    on.print(heading.append(f"  {plain(schedule.definition_id)}  {one_line(schedule.name)}", style="bold"))
    facts = {
        "when": _when(schedule),
        "schedule": f"{schedule.cron}  ({schedule.timezone})" if schedule.cron else "",
        "jitter": f"up to {seconds(schedule.jitter_s)}" if schedule.jitter_s else "",
        "missed times": f"{schedule.misfire}, if not more than {seconds(schedule.window_s)} late",
        "overlap": schedule.overlap,
        "paused since": local_time(schedule.paused_at),
        "from": schedule.home,
    }
    for name, value in facts.items():
        if value:
            on.print(f"  {name:14}{plain(value)}")
    if times:
        on.print()
        on.print(time_table(times, schedule.timezone))
    if past:
        on.print()
        on.print(_fire_table(past))


def time_table(times: Sequence[datetime], zone: str) -> Table:
    """In the schedule's zone and in the machine's."""
    rows = table(f"next ({zone})", "here")
    for time in times:
        rows.add_row(f"{time:%a %Y-%m-%d %H:%M %z}", local_time(time))
    return rows


def _fire_table(fires: Sequence[Fire]) -> Table:
    rows = table("time", "cause", "outcome", "run", "dealt with", "", right=("run",))
    for fire in fires:
        cells = local_time(fire.due_at), fire.cause, fire.outcome, str(fire.run_id or ""), local_time(fire.fired_at)
        rows.add_row(*cells, one_line(fire.note))
    return rows


def _when(schedule: Schedule) -> str:
    if not schedule.cron:
        return "with the server"
    return f"{schedule.words}, with the server" if schedule.auto_start else schedule.words
