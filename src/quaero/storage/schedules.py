"""SqlSchedules and SqlScheduleStore: schedules and their fires, in a transaction and for reading."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from quaero.calc.schedule_words import in_words
from quaero.errors import NotFound
from quaero.model.schedule import Fire, FireCause, Schedule, ScheduleState
from quaero.ports.schedules import NewFire, ScheduleRow
from quaero.storage.database import Connection, Readers, Row
from quaero.storage.statements import statements


class SqlSchedules:
    """See :class:`quaero.ports.schedules.ScheduleChanges`. Lives inside one open transaction of ``connection``."""

    def __init__(self, connection: Connection, now: int, lock: Callable[[str], None]) -> None:
        """``lock`` takes one of the locks that are no row's own."""
        self._connection = connection
        self._now = now
        self._lock = lock
        self._sql = statements(connection.dialect, "schedules")

    def lock(self) -> None:
        self._lock("schedules")

    def put(self, row: ScheduleRow) -> None:
        self._connection.run(self._sql["put"], row._asdict())

    def find(self, definition_id: str) -> ScheduleRow | None:
        rows = self._all("get", definition_id=definition_id)
        return ScheduleRow(*rows[0]) if rows else None

    def of_home(self, home: str) -> list[ScheduleRow]:
        return [ScheduleRow(*row) for row in self._all("of_home", home=home)]

    def due(self) -> ScheduleRow | None:
        rows = self._all("due", now=self._now)
        return ScheduleRow(*rows[0]) if rows else None

    def next_at(self) -> int | None:
        return _whole(self._all("next_at"))

    def add_fires(self, definition_id: str, cause: FireCause, fires: Sequence[NewFire]) -> int:
        rows = msgspec.json.encode(fires).decode()
        params = {"definition_id": definition_id, "cause": cause, "rows": rows, "now": self._now}
        return self._connection.run(self._sql["add_fires"], params) if fires else 0

    def put_fire(self, definition_id: str, cause: FireCause, fire: NewFire) -> None:
        params = {"definition_id": definition_id, "cause": cause, "now": self._now, **fire._asdict()}
        self._connection.run(self._sql["put_fire"], params)

    def is_known(self, definition_id: str, due_at: int) -> bool:
        return bool(self._all("is_known", definition_id=definition_id, due_at=due_at))

    def with_run(self, definition_id: str, since: int, until: int) -> set[int]:
        rows = self._all("with_run", definition_id=definition_id, since=since, until=until)
        return {row[0] for row in rows}

    def prune_fires(self, definition_id: str, keep: int) -> int | None:
        gone = self._all("prune_fires", definition_id=definition_id, keep=keep)
        return max((row[0] for row in gone), default=None)

    def _all(self, name: str, /, **params: Any) -> list[Row]:
        return self._connection.fetch_all(self._sql[name], params)


class SqlScheduleStore:
    """See :class:`quaero.ports.schedules.ScheduleReader`."""

    def __init__(self, readers: Readers) -> None:
        self._readers = readers
        self._sql = statements(readers.dialect, "schedules")

    def next_at(self) -> int | None:
        return _whole(self._all("next_at"))

    def list_schedules(self) -> list[Schedule]:
        return [_schedule(row) for row in self._all("all")]

    def get_schedule(self, definition_id: str) -> Schedule:
        rows = self._all("get", definition_id=definition_id)
        if not rows:
            raise NotFound(f"no schedule of {definition_id!r}; quaero schedules list shows them")
        return _schedule(rows[0])

    def fires(self, definition_id: str, *, limit: int = 200, before: int | None = None) -> list[Fire]:
        return [_fire(row) for row in self._all("fires", definition_id=definition_id, limit=limit, before=before)]

    def fire_of_run(self, run_id: int) -> Fire | None:
        rows = self._all("fire_of_run", run_id=run_id)
        return _fire(rows[0]) if rows else None

    def auto_starts(self, home: str) -> list[str]:
        return [row[0] for row in self._all("auto_starts", home=home)]

    def _all(self, name: str, /, **params: Any) -> list[Row]:
        return self._readers.get().fetch_all(self._sql[name], params)


def _schedule(columns: Row) -> Schedule:
    row = ScheduleRow(*columns)
    return Schedule(
        definition_id=row.definition_id,
        name=row.name,
        revision=row.revision,
        state=_state(row),
        cron=row.cron,
        words=in_words(row.cron) if row.cron else "",
        timezone=row.timezone,
        jitter_s=row.jitter_us / 1e6,
        misfire=row.misfire,
        window_s=row.window_us / 1e6,
        overlap=row.overlap,
        auto_start=bool(row.auto_start),
        home=row.home,
        paused_at=_time(row.paused_at),
        next_due=_time(row.next_due),
        next_at=_time(row.next_at),
        last_at=_time(row.last_at),
        last_outcome=row.last_outcome,
        last_run_id=row.last_run_id,
        updated_at=datetime.fromtimestamp(row.updated_at / 1e6, UTC),
    )


def _state(row: ScheduleRow) -> ScheduleState:
    if not row.home:
        return "removed"
    if not row.enabled:
        return "disabled"
    return "active" if row.paused_at is None else "paused"


def _fire(row: Row) -> Fire:
    return Fire(
        definition_id=row[0],
        due_at=datetime.fromtimestamp(row[1] / 1e6, UTC),
        fired_at=datetime.fromtimestamp(row[2] / 1e6, UTC),
        cause=row[3],
        outcome=row[4],
        run_id=row[5],
        note=row[6],
    )


def _time(micros: int | None) -> datetime | None:
    return None if micros is None else datetime.fromtimestamp(micros / 1e6, UTC)


def _whole(rows: list[Row]) -> int | None:
    return None if rows[0][0] is None else int(rows[0][0])
