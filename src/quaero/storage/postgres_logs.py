"""Log lines in PostgreSQL: three tables with a partition per day, the day a run began.

Lines are numbered and kept as in SQLite: see :mod:`quaero.storage.logs`. Retention drops partitions.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any, Final, Literal

import msgspec
from psycopg.errors import CheckViolation

from quaero.errors import StoreConflict, StoreUnavailable
from quaero.model.log import LogLevel, LogPage
from quaero.ports.storage import LogGroup
from quaero.storage import log_rows
from quaero.storage.postgres import PostgresConnection, PostgresDatabase
from quaero.storage.statements import statements

NAPS_S: Final = (0.0, 0.05, 0.2, 0.5)
"""Before an append is tried again."""

_Key = tuple[str, int]
_StepKey = tuple[str, int, int]


class PostgresLogStore:
    """``LogStore`` over partitions. Any thread may call it; any number of processes may share the server."""

    def __init__(self, database: PostgresDatabase) -> None:
        self.database = database
        self._sql = statements("postgres", "logs")
        self._db = database.connect()
        self._readers = database.readers()
        self._writing = threading.Lock()
        self._known: set[str] = set()
        """Days that had their partitions when last seen; another node may have dropped them since."""
        self._past = 0

    @property
    def statements(self) -> int:
        """How many statements ran so far."""
        return self._past + self._db.statements + self._readers.statements

    def append(self, groups: Iterable[LogGroup]) -> dict[int, int]:
        """Write and commit; sets ``first_seq`` and ``first_line`` of each group. Returns run -> its last seq.

        All or nothing, in three statements. After an error the same groups may be given again: those that are
        committed already are not written twice.

        Raises:
            StoreUnavailable: the server can't be used now, or others were in the way several times.
        """
        groups = list(groups)
        with self._writing:
            waiting = [group for group in groups if not group.first_seq]
            if waiting:
                self._store(waiting)
        return log_rows.last_seqs(groups)

    def query(
        self,
        manager_id: int,
        *,
        day: str,
        step_id: int | None = None,
        job_id: int | None = None,
        min_level: LogLevel | None = None,
        after: int | None = None,
        before: int | None = None,
        text: str | None = None,
        limit: int = 200,
        order: Literal["asc", "desc"] = "asc",
    ) -> LogPage:
        """Lines with ``after < seq < before``; ``text`` is looked for in message and fields, ASCII case ignored.

        The cursor ``next`` is the ``after`` (descending: ``before``) of the following page. A run whose day is gone
        has no lines; ``has_day`` tells the two apart.
        """
        db, size = self._readers.get(), log_rows.page_size(limit)
        its_day = {"day": log_rows.checked_day(day)}
        params = its_day | log_rows.filters(manager_id, step_id, job_id, min_level)
        params |= log_rows.bounds(after, before, text) | {"limit": size + 1}
        rows = db.fetch_all(self._sql[log_rows.page_statement(step_id, order)], params)
        # Read behind the lines: a step's row is older than its first line.
        steps = db.fetch_all(self._sql["steps"], its_day | {"manager": manager_id}) if rows else []
        return log_rows.page(manager_id, rows, steps, size)

    def count(
        self,
        manager_id: int,
        *,
        day: str,
        step_id: int | None = None,
        job_id: int | None = None,
        min_level: LogLevel | None = None,
    ) -> int:
        """How many lines there are; of a whole run or step from its counter row."""
        name = log_rows.count_statement(step_id, job_id, min_level)
        params = log_rows.filters(manager_id, step_id, job_id, min_level)
        found = self._readers.get().fetch_value(self._sql[name], {"day": log_rows.checked_day(day)} | params)
        return int(found or 0)

    def last_seq(self, manager_id: int, *, day: str) -> int:
        """The number of the run's newest line; 0 when it has none."""
        return self.count(manager_id, day=day)

    def days(self) -> list[str]:
        """The days that have a partition, or something left of one, oldest first."""
        return [row[0] for row in self._readers.get().fetch_all(self._sql["days"])]

    def has_day(self, day: str) -> bool:
        return bool(self._readers.get().fetch_value(self._sql["has_day"], {"day": log_rows.checked_day(day)}))

    def drop_days_before(self, day: str, keep: Iterable[str] = ()) -> list[str]:
        """Drop the days before ``day``, but for those in ``keep`` (days of runs that are still open).

        A day that somebody holds on to (a dump of the database) is left for the next time, as is what remains when
        this process is killed meanwhile.
        """
        kept = set(keep)
        old = [one for one in self.days() if one < day and one not in kept]
        if not old:
            return []
        db = self.database.connect()
        try:
            with suppress(StoreConflict):
                self._drop(db, old)
        finally:
            self._past += db.statements
            db.close()
        left = set(self.days())
        return [one for one in old if one not in left]

    def size_bytes(self) -> int:
        """Disk space of all days."""
        return int(self._readers.get().fetch_value(self._sql["size_bytes"]))

    def close(self) -> None:
        with self._writing:
            self._db.close()
        self._readers.close()

    def _drop(self, db: PostgresConnection, days: Sequence[str]) -> None:
        db.script(self._sql["begin_drop"])
        db.run(self._sql["lock_days"])
        params = {"days": _json(days)}
        # The server says what comes next, so that a drop goes on wherever another was interrupted. None of the commands
        # may stand in a transaction.
        while (command := db.fetch_value(self._sql["next_drop"], params)) is not None:
            db.script(command)

    def _store(self, groups: Sequence[LogGroup]) -> None:
        days = {log_rows.checked_day(group.step.log_day) for group in groups}
        for nap in NAPS_S:
            time.sleep(nap)
            try:
                for day in sorted(days - self._known):
                    self._make(day)
                self._insert(groups)
            except CheckViolation as error:
                # No partition takes the rows: another node has dropped the day.
                self._known -= days
                refused: Exception = error
            except StoreConflict as error:
                refused = error
            else:
                return
        raise StoreUnavailable(
            f"{self.database.place}: others were in the way of log lines, again and again"
        ) from refused

    def _make(self, day: str) -> None:
        with self._db.transaction():
            self._db.run(self._sql["make_day"], {"day": day})
        self._known.add(day)

    def _insert(self, groups: Sequence[LogGroup]) -> None:
        """One transaction. The counters come back as they are behind these lines."""
        runs: Counter[_Key] = Counter()
        steps: Counter[_StepKey] = Counter()
        names: dict[_StepKey, tuple[str, str]] = {}
        for group in groups:
            runs[_run(group)] += len(group.rows)
            steps[_step(group)] += len(group.rows)
            names[_step(group)] = (group.step.step_name, group.step.worker_type)
        taken = {
            "runs": _json([(*key, count) for key, count in runs.items()]),
            "steps": _json([(*key, *names[key], count) for key, count in steps.items()]),
        }
        with self._db.transaction():
            rows = self._db.fetch_all(self._sql["take_seqs"], taken)
            seqs = {(day, manager): last - runs[day, manager] + 1 for day, manager, last in rows}
            rows = self._db.fetch_all(self._sql["take_lines"], taken)
            lines = {(day, manager, step): last - steps[day, manager, step] + 1 for day, manager, step, last in rows}
            firsts: list[tuple[int, int]] = []
            for group in groups:
                run, step = _run(group), _step(group)
                firsts.append((seqs[run], lines[step]))
                seqs[run] += len(group.rows)
                lines[step] += len(group.rows)
            self._db.run(self._sql["insert_chunks"], _chunk_lists(groups, firsts))
        for group, (first_seq, first_line) in zip(groups, firsts, strict=True):
            group.first_seq, group.first_line = first_seq, first_line


def _run(group: LogGroup) -> _Key:
    return group.step.log_day, group.step.manager_id


def _step(group: LogGroup) -> _StepKey:
    return group.step.log_day, group.step.manager_id, group.step.step_id


def _chunk_lists(groups: Sequence[LogGroup], firsts: Sequence[tuple[int, int]]) -> dict[str, str]:
    described: list[tuple[str | int, ...]] = []
    bodies: list[str] = []
    for group, (first_seq, first_line) in zip(groups, firsts, strict=True):
        inside = (group.max_level, group.min_job, group.max_job)
        for start, body in log_rows.chunks(group):
            described.append((*_step(group), first_seq + start, first_line + start, *inside))
            bodies.append(body)
    return {"chunks": _json(described), "bodies": f"[{','.join(bodies)}]"}


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
