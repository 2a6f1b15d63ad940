"""Schedules: what a folder says is stored, what is due is fired, what was missed is made up for. One turn each.

A slot happens once: who fires it holds the lock of all schedules, leads by a term that is checked in the same
transaction, and leaves a row of which there can be but one for each slot.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from itertools import islice
from typing import Final, NamedTuple

import msgspec

from quaero.calc.schedule_times import Missed, ScheduleError, Timetable, to_time, to_us
from quaero.definitions.schedule import find_zone
from quaero.errors import BadData, NotFound, Refused
from quaero.model.definition import JobDefinition, Overlap
from quaero.model.log import LogLevel
from quaero.model.schedule import FireCause, FireOutcome, Schedule
from quaero.ports.schedules import NewFire, ScheduleRow
from quaero.queue.dispatcher import JobDispatcher
from quaero.queue.job_manager import JobManager, Library
from quaero.queue.membership import UPKEEP
from quaero.queue.turn import Turn

AT_ONCE: Final = 20
"""Runs that one turn starts."""
BACKFILL_SLOTS: Final = 1_000
LONGEST_S: Final = 3_660 * 86_400
"""Of jitter and window: ten years."""
KEPT_FIRES: Final = 2_000
"""Of one definition: more than a backfill makes, for it must find its own."""


class Synced(NamedTuple):
    """What a look at a folder changed."""

    changed: list[str]
    stopped: list[str]
    """Their file, or the schedule in it, is gone."""
    refused: dict[str, str]
    """Left as they were, and why."""


class Fired(NamedTuple):
    """``progress``: something was due and has been dealt with; there may be more."""

    progress: bool
    next_at: int | None


class Backfilled(NamedTuple):
    fires: list[NewFire]
    left: int
    """Slots that the next call is for."""


class Schedules:
    """The rules. Each method is one turn, and safe to repeat."""

    def __init__(self, jobs: JobManager, dispatcher: JobDispatcher, *, timezone: str = "UTC") -> None:
        """``timezone``: of schedules that name none."""
        self._jobs = jobs
        self._dispatcher = dispatcher
        self._timezone = timezone

    # what the folder says

    def sync(self, turn: Turn, home: str, library: Library, *, broken: Collection[str] = ()) -> Synced:
        """Take over the schedules of all definitions in a folder, ``home`` (host:path).

        What people and time have made of a schedule stays: its pause, its slots, its runs. Another cron expression or
        zone counts from now. A definition that is no longer there is not fired again; ``broken`` ones, whose file has
        errors, go on as they were.
        """
        rows = turn.tx.schedules
        rows.lock()
        turn.tx.lock_definitions()
        synced = Synced([], [], {})
        scheduled = {name for name, (found, _) in library.items() if found.schedule or found.auto_start}
        for name in sorted(scheduled):
            definition, source = library[name]
            old = rows.find(name)
            try:
                revision = self._jobs.pin(turn, definition, source, library)
                new = self._row(turn, home, definition, revision, old)
            except (Refused, BadData) as error:
                synced.refused[name] = str(error)
                continue
            if old is None or new != old._replace(updated_at=turn.now):
                rows.put(new)
                synced.changed.append(name)
                turn.event("schedule.changed", None, None, definition_id=name, enabled=bool(new.enabled))
        for old in rows.of_home(home):
            if old.definition_id not in scheduled and old.definition_id not in broken:
                rows.put(old._replace(home="", enabled=0, next_due=None, next_at=None, updated_at=turn.now))
                synced.stopped.append(old.definition_id)
                turn.event("schedule.changed", None, None, definition_id=old.definition_id, enabled=False)
        turn.schedules_changed = turn.schedules_changed or bool(synced.changed or synced.stopped)
        return synced

    def _row(
        self, turn: Turn, home: str, definition: JobDefinition, revision: int, old: ScheduleRow | None
    ) -> ScheduleRow:
        row = ScheduleRow(
            definition_id=definition.id,
            revision=revision,
            name=definition.name,
            cron=definition.schedule,
            timezone=definition.timezone or self._timezone,
            jitter_us=_us(definition.schedule_jitter),
            misfire=definition.misfire,
            window_us=_us(definition.misfire_window),
            overlap=definition.overlap,
            enabled=int(definition.enabled),
            auto_start=int(definition.auto_start),
            home=home,
            paused_at=old and old.paused_at,
            next_due=None,
            next_at=None,
            last_at=old and old.last_at,
            last_outcome=old and old.last_outcome,
            last_run_id=old and old.last_run_id,
            known_from=old and old.known_from,
            updated_at=turn.now,
        )
        if not (row.cron and row.enabled):
            return row
        table = timetable(row)
        if old is None or old.next_due is None or (old.cron, old.timezone) != (row.cron, row.timezone):
            return _coming(row, _next(table, turn.now))
        if old.jitter_us == row.jitter_us:
            return row._replace(next_due=old.next_due, next_at=old.next_at)
        return row._replace(next_due=old.next_due, next_at=table.fired_at(old.next_due))

    # firing

    def fire_due(self, turn: Turn, process_id: int, term: int, *, needs_others: bool = False) -> Fired:
        """Deal with the schedule that has been due longest; nothing where this process leads no more.

        ``needs_others``: this process executes only some runs, so that it fires only while another is at work.
        """
        if not turn.tx.leads(UPKEEP, process_id, term):
            return Fired(progress=False, next_at=None)
        rows = turn.tx.schedules
        rows.lock()
        row = rows.due()
        if row is None or (needs_others and not _has_others(turn, process_id)):
            return Fired(progress=False, next_at=rows.next_at())
        try:
            self._fire(turn, row)
        except (BadData, ScheduleError) as error:
            # Written by a program that knew more zones; a sync by one that knows it sets it going again.
            note = f"{error}; nothing is fired until its file is read again"
            rows.add_fires(row.definition_id, "schedule", [NewFire(row.next_due or turn.now, "failed", note=note)])
            rows.put(row._replace(next_due=None, next_at=None, last_outcome="failed", updated_at=turn.now))
        return Fired(progress=True, next_at=rows.next_at())

    def _fire(self, turn: Turn, row: ScheduleRow) -> None:
        assert row.next_due is not None  # noqa: S101 - what is due has a slot
        rows = turn.tx.schedules
        misfire = row.misfire if row.paused_at is None else "one"
        decision = timetable(row).decide(row.next_due, turn.now, misfire, row.window_us)
        coming = decision.coming
        if row.paused_at is not None:
            spans = [*decision.missed, *(Missed(slot, slot) for slot in decision.fire)]
            last = self._pass_over(turn, row, spans, "paused")
        else:
            last = self._pass_over(turn, row, decision.missed, "missed")
            to_fire = decision.fire
            if len(to_fire) > AT_ONCE:
                coming = (to_fire[AT_ONCE], turn.now)
            # Each of them was wanted: they wait for one another.
            overlap = _one_by_one(row.overlap) if row.misfire == "all" and decision.late else row.overlap
            for slot in to_fire[:AT_ONCE]:
                if rows.is_known(row.definition_id, slot):
                    continue
                last = self._start(turn, row, slot, "schedule", overlap, is_late=slot in decision.late)
                rows.add_fires(row.definition_id, "schedule", [last])
        if last is not None:
            row = row._replace(
                last_at=last.due_at, last_outcome=last.outcome, last_run_id=last.run_id or row.last_run_id
            )
        self._keep(turn, _coming(row, coming))

    def _pass_over(self, turn: Turn, row: ScheduleRow, spans: Sequence[Missed], outcome: FireOutcome) -> NewFire | None:
        """Slots that are not fired; the last of them."""
        fires = [NewFire(span.first, outcome, note=_span_note(span)) for span in spans]
        turn.tx.schedules.add_fires(row.definition_id, "schedule", fires)
        for fire in fires:
            turn.event(
                "schedule.passed_over",
                None,
                None,
                definition_id=row.definition_id,
                due_at=to_time(fire.due_at),
                outcome=outcome,
            )
        return fires[-1] if fires else None

    def _start(
        self, turn: Turn, row: ScheduleRow, slot: int, cause: FireCause, overlap: Overlap, *, is_late: bool = False
    ) -> NewFire:
        """The run of a slot, or why there is none."""
        try:
            with turn.savepoint():
                return self._run(turn, row, slot, cause, overlap, is_late=is_late)
        except Refused as error:
            if error.job_id is None:
                return NewFire(slot, "failed", note=str(error))
            return NewFire(slot, "skipped_overlap", note=f"run {error.job_id} was still active")
        except (NotFound, BadData, msgspec.MsgspecError) as error:
            return NewFire(slot, "failed", note=str(error))

    def _run(
        self, turn: Turn, row: ScheduleRow, slot: int, cause: FireCause, overlap: Overlap, *, is_late: bool = False
    ) -> NewFire:
        run_id = self._dispatcher.execute_pinned(turn, row.definition_id, row.revision, overlap)
        run = turn.tx.run(run_id)
        facts = {"due_at": to_time(slot).isoformat(), "cause": cause, "late": is_late}
        turn.log_run(run, LogLevel.INFO, "schedule.fired", "init", **facts)
        turn.event("schedule.fired", run_id, run_id, definition_id=row.definition_id, **facts)
        return NewFire(slot, "queued" if run.queued else "started", run_id)

    def _keep(self, turn: Turn, row: ScheduleRow) -> None:
        """Store the schedule, and forget what is long past."""
        gone = turn.tx.schedules.prune_fires(row.definition_id, KEPT_FIRES)
        if gone is not None:
            row = row._replace(known_from=max(gone, row.known_from or gone))
        turn.tx.schedules.put(row._replace(updated_at=turn.now))

    # what people and programs ask for

    def pause(self, turn: Turn, definition_id: str) -> None:
        """Fire none of its slots until it is resumed; they are noted. Raises NotFound."""
        self._set_paused(turn, definition_id, is_paused=True)

    def resume(self, turn: Turn, definition_id: str) -> None:
        """Go on with the next slot. Raises NotFound."""
        self._set_paused(turn, definition_id, is_paused=False)

    def _set_paused(self, turn: Turn, definition_id: str, *, is_paused: bool) -> None:
        row = self._locked(turn, definition_id)
        if is_paused == (row.paused_at is not None):
            return
        if not is_paused and row.next_at is not None and row.next_at <= turn.now:
            # Those that came due meanwhile are passed over.
            self._fire(turn, row)
            row = self._locked(turn, definition_id)
        paused_at = turn.now if is_paused else None
        turn.tx.schedules.put(row._replace(paused_at=paused_at, updated_at=turn.now))
        turn.event("schedule.changed", None, None, definition_id=definition_id, paused=is_paused)
        turn.schedules_changed = True

    def backfill(self, turn: Turn, definition_id: str, since: int, until: int, *, limit: int = AT_ONCE) -> Backfilled:
        """Start a run for each slot from ``since`` through ``until`` that has none, oldest first, ``limit`` at a time.

        Call it again as long as something is left; what is done is not done again. The runs wait for one another
        unless overlap is ``allow``.

        Raises:
            NotFound: no such schedule.
            Refused: it is disabled, the time is not past, has more than 1,000 slots, or is forgotten.
        """
        since = max(since, 0)
        row = self._locked(turn, definition_id)
        if not (row.cron and row.enabled):
            raise Refused(f"{definition_id!r} has no schedule that is enabled; set schedule and enabled in its file")
        if until > turn.now or since > until:
            raise Refused(f"backfill needs a time that is past: {_text(since)} to {_text(until)} is not")
        if row.known_from is not None and since <= row.known_from:
            raise Refused(
                f"which slots of {definition_id!r} ran up to {_text(row.known_from)} is no longer known; "
                "begin behind that"
            )
        slots = list(islice(timetable(row).between(since, until), BACKFILL_SLOTS + 1))
        if len(slots) > BACKFILL_SLOTS:
            raise Refused(f"more than {BACKFILL_SLOTS:,} slots lie between; backfill them in parts")
        with_run = turn.tx.schedules.with_run(definition_id, since, until)
        todo = [slot for slot in slots if slot not in with_run]
        overlap = _one_by_one(row.overlap)
        fires = [self._run(turn, row, slot, "backfill", overlap, is_late=True) for slot in todo[:limit]]
        for fire in fires:
            turn.tx.schedules.put_fire(definition_id, "backfill", fire)
        if fires:
            self._keep(turn, row)
        return Backfilled(fires, len(todo) - len(fires))

    def auto_start(self, turn: Turn, definition_id: str, started_at: int) -> NewFire | None:
        """The run that comes with a program's start at ``started_at``; None where it was made before."""
        row = self._locked(turn, definition_id)
        if not (row.auto_start and row.enabled) or turn.tx.schedules.is_known(definition_id, started_at):
            return None
        if row.paused_at is not None:
            fire = NewFire(started_at, "paused")
        else:
            fire = self._start(turn, row, started_at, "auto_start", row.overlap)
        turn.tx.schedules.add_fires(definition_id, "auto_start", [fire])
        self._keep(turn, row)
        return fire

    def _locked(self, turn: Turn, definition_id: str) -> ScheduleRow:
        turn.tx.schedules.lock()
        row = turn.tx.schedules.find(definition_id)
        if row is None:
            raise NotFound(f"no schedule of {definition_id!r}; quaero schedules list shows them")
        return row


def timetable(row: ScheduleRow | Schedule) -> Timetable:
    """Raises BadData where this machine does not know the time zone."""
    zone = find_zone(row.timezone)
    if zone is None:
        raise BadData(f"time zone {row.timezone!r} is not known here")
    jitter_us = row.jitter_us if isinstance(row, ScheduleRow) else int(row.jitter_s * 1e6)
    return Timetable(row.definition_id, row.cron, zone, jitter_us)


def next_times(schedule: Schedule, count: int, after: datetime) -> list[datetime]:
    """The next slots in the schedule's zone, whether it is paused or not; none without cron expression."""
    if not schedule.cron:
        return []
    table = timetable(schedule)
    return [to_time(slot, table.zone) for slot in islice(table.after(to_us(after)), count)]


def _us(seconds: float) -> int:
    return int(min(seconds, LONGEST_S) * 1e6)


def _next(table: Timetable, now: int) -> tuple[int, int] | None:
    """The slot behind ``now``. Raises BadData for an expression without any."""
    try:
        return table.next(now)
    except ScheduleError as error:
        raise BadData(str(error)) from error


def _coming(row: ScheduleRow, coming: tuple[int, int] | None) -> ScheduleRow:
    next_due, next_at = coming or (None, None)
    return row._replace(next_due=next_due, next_at=next_at)


def _one_by_one(overlap: Overlap) -> Overlap:
    return "allow" if overlap == "allow" else "queue"


def _has_others(turn: Turn, process_id: int) -> bool:
    others = (node for node in turn.tx.processes() if node.id != process_id and node.slots)
    return any(node.lease_until > turn.tx.lease_now for node in others)


def _span_note(span: Missed) -> str:
    return "" if span.first == span.last else f"and every slot up to {_text(span.last)}"


def _text(moment: int) -> str:
    return to_time(moment).strftime("%Y-%m-%d %H:%M UTC")
