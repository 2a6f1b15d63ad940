"""Log lines in SQLite: one file per day, named after the day a run began.

A line is numbered per run and per step when it is inserted. Lines are kept in chunks, as they come from the
collector; a search skips chunks by level and job and is finished inside SQLite. Retention unlinks files.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Literal

from quaero.model.log import LogLevel, LogPage
from quaero.ports.storage import LogGroup
from quaero.storage import log_rows
from quaero.storage.migrate import migrate
from quaero.storage.sqlite import Connection, make_private_folder
from quaero.storage.statements import statements

OPEN_WRITERS = 3
IDLE_READERS = 4


class SqlLogStore:
    """``LogStore`` over a folder of day files. Any thread may call it; several processes may share the folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._sql = statements("sqlite", "logs")
        self._writers: OrderedDict[str, _Opened] = OrderedDict()
        self._readers: list[tuple[str, _Opened]] = []
        self._writing = threading.Lock()
        self._reading = threading.Lock()
        self._past = 0

    @property
    def statements(self) -> int:
        """How many statements ran so far."""
        opened = [*self._writers.values(), *(reader for _, reader in self._readers)]
        return self._past + sum(one.db.statements for one in opened)

    def append(self, groups: Iterable[LogGroup]) -> dict[int, int]:
        """Write and commit; sets ``first_seq`` and ``first_line`` of each group. Returns run -> its last seq.

        Every day is a transaction of its own. After an error the same groups may be given again: those that are
        committed already are not written twice.
        """
        groups = list(groups)
        days: dict[str, list[LogGroup]] = {}
        with self._writing:
            for group in groups:
                if not group.first_seq:
                    days.setdefault(group.step.log_day, []).append(group)
            for day, waiting in days.items():
                self._append_day(day, waiting)
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

        The cursor ``next`` is the ``after`` (descending: ``before``) of the following page. A run whose file is gone
        has no lines; ``has_day`` tells the two apart.
        """
        size = log_rows.page_size(limit)
        params = log_rows.filters(manager_id, step_id, job_id, min_level)
        params |= log_rows.bounds(after, before, text) | {"limit": size + 1}
        with self._reader(day) as db:
            if db is None:
                return LogPage(items=[], next=None)
            rows = db.fetch_all(self._sql[log_rows.page_statement(step_id, order)], params)
            # Read behind the lines: a step's row is older than its first line.
            steps = db.fetch_all(self._sql["steps"], {"manager": manager_id}) if rows else []
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
        with self._reader(day) as db:
            found = db.fetch_value(self._sql[name], params) if db else None
        return int(found or 0)

    def last_seq(self, manager_id: int, *, day: str) -> int:
        """The number of the run's newest line; 0 when it has none."""
        return self.count(manager_id, day=day)

    def days(self) -> list[str]:
        """The days that have a file, oldest first."""
        found = (path.stem for path in self.folder.glob("*.db"))
        return sorted(day for day in found if log_rows.is_day(day))

    def has_day(self, day: str) -> bool:
        return self._path(day).exists()

    def drop_days_before(self, day: str, keep: Iterable[str] = ()) -> list[str]:
        """Unlink the files of the days before ``day``, but for those in ``keep`` (days of runs that are still open)."""
        kept = set(keep)
        dropped = [old for old in self.days() if old < day and old not in kept]
        for old in dropped:
            self._forget(old)
            path = self._path(old)
            for part in self.folder.glob(f"{old}.*"):
                if part != path:
                    part.unlink(missing_ok=True)
            # Last, so that what remains of an interrupted drop is still seen, and dropped next time.
            path.unlink(missing_ok=True)
        return dropped

    def size_bytes(self) -> int:
        """Disk space of all files."""
        total = 0
        for path in self.folder.glob("*.db*"):
            try:
                total += path.stat().st_size
            except FileNotFoundError:  # dropped or checkpointed away meanwhile
                continue
        return total

    def close(self) -> None:
        with self._writing, self._reading:
            for opened in (*self._writers.values(), *(reader for _, reader in self._readers)):
                self._close(opened)
            self._writers.clear()
            self._readers.clear()

    def _path(self, day: str) -> Path:
        return self.folder / f"{log_rows.checked_day(day)}.db"

    def _append_day(self, day: str, groups: Sequence[LogGroup]) -> None:
        db = self._writer(day)
        with db.transaction():
            firsts = [self._insert(db, group) for group in groups]
        for group, (first_seq, first_line) in zip(groups, firsts, strict=True):
            group.first_seq, group.first_line = first_seq, first_line

    def _insert(self, db: Connection, group: LogGroup) -> tuple[int, int]:
        step, count = group.step, len(group.rows)
        key = {"manager": step.manager_id, "step": step.step_id, "count": count}
        names = {"step_name": step.step_name, "worker_type": step.worker_type}
        first_seq = int(db.fetch_value(self._sql["take_seqs"], key)) - count + 1
        first_line = int(db.fetch_value(self._sql["take_lines"], key | names)) - count + 1
        bounds = {"max_level": group.max_level, "min_job": group.min_job, "max_job": group.max_job}
        for start, body in log_rows.chunks(group):
            place = {"first_seq": first_seq + start, "first_line": first_line + start}
            db.run(self._sql["insert_chunk"], key | place | bounds | {"body": body})
        return first_seq, first_line

    def _writer(self, day: str) -> Connection:
        path = self._path(day)
        opened = self._writers.pop(day, None)
        if opened is not None and not opened.is_current(path):
            self._close(opened)
            opened = None
        if opened is None:
            if not path.exists():
                make_private_folder(self.folder)
                _create(path)
            opened = _Opened(Connection(path), path)
            migrate(opened.db, "logs")
            opened.db.run(self._sql["small_cache"])
        self._writers[day] = opened
        while len(self._writers) > OPEN_WRITERS:
            self._close(self._writers.popitem(last=False)[1])
        return opened.db

    @contextmanager
    def _reader(self, day: str) -> Iterator[Connection | None]:
        """A read-only connection for one call, or None where the day has no file."""
        path = self._path(day)
        with self._reading:
            opened = self._idle_reader(day, path)
        if opened is None:
            if not path.exists():
                yield None
                return
            opened = _Opened(Connection(path, read_only=True), path)
            opened.db.run(self._sql["small_cache"])
        with ExitStack() as stack:
            stack.callback(self._give_back, day, opened)
            yield opened.db

    def _idle_reader(self, day: str, path: Path) -> _Opened | None:
        for place, (its_day, opened) in enumerate(self._readers):
            if its_day == day:
                del self._readers[place]
                if opened.is_current(path):
                    return opened
                self._close(opened)
                return None
        return None

    def _give_back(self, day: str, opened: _Opened) -> None:
        with self._reading:
            self._readers.append((day, opened))
            while len(self._readers) > IDLE_READERS:
                self._close(self._readers.pop(0)[1])

    def _forget(self, day: str) -> None:
        with self._writing, self._reading:
            gone = [reader for its_day, reader in self._readers if its_day == day]
            self._readers = [(its_day, reader) for its_day, reader in self._readers if its_day != day]
            if (writer := self._writers.pop(day, None)) is not None:
                gone.append(writer)
            for opened in gone:
                self._close(opened)

    def _close(self, opened: _Opened) -> None:
        self._past += opened.db.statements
        opened.db.close()


class _Opened:
    """A connection and the file it was opened on: another process may have dropped the day since."""

    def __init__(self, db: Connection, path: Path) -> None:
        self.db = db
        self._inode = path.stat().st_ino

    def is_current(self, path: Path) -> bool:
        try:
            return path.stat().st_ino == self._inode
        except FileNotFoundError:
            return False


def _create(path: Path) -> None:
    """Make a day's file ready to use under another name, then let it appear: no process meets it half made.

    Two processes that switch the same new file to WAL would refuse each other besides.
    """
    draft = path.with_suffix(f".{os.getpid()}-{threading.get_ident()}.new")
    draft.unlink(missing_ok=True)
    db = Connection(draft)
    try:
        migrate(db, "logs")
    finally:
        db.close()
    # Someone else was first, or the file system has no links: the caller opens what is there, or makes it.
    with suppress(OSError):
        path.hardlink_to(draft)
    draft.unlink()
