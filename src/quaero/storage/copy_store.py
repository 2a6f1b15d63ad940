"""Moves a whole installation from SQLite to PostgreSQL: one transaction there, every row as it is here.

A table that both databases have is copied column by column; what differs is listed below. The source is locked
against writers meanwhile. Rows stream: none is held in memory for long.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import apsw
import msgspec
import psycopg
from psycopg import sql

from quaero.errors import Refused, StoreUnavailable
from quaero.ports.jobs import ProcessRow
from quaero.queue.node import lease_clock_us
from quaero.storage.log_rows import is_day
from quaero.storage.migrate import migrate
from quaero.storage.postgres import PostgresDatabase, placeholders, without_nul
from quaero.storage.sqlite import Connection, SqliteDatabase, translated
from quaero.storage.statements import statements

Row = tuple[Any, ...]
Progress = Callable[[str, int, int], None]
"""(what, rows so far, rows in all)"""

REPORT_ROWS: Final = 1_000
INDEX_DOCUMENTS: Final = 200
BUSY_MS: Final = 30_000
_SESSION: Final = "SET jit = off; SET lock_timeout = '20s';"


class Rows(NamedTuple):
    """Columns of a target table, and the query that gives them."""

    columns: tuple[str, ...]
    query: str


DIFFERENT: Final = {
    # There the key of a child lies beside its payload, and every job has a row.
    "job_io": Rows(
        ("id", "parent_id", "child_key", "payload", "result", "error"),
        "SELECT j.id, j.parent_id, j.child_key, i.payload, i.result, i.error"
        " FROM jobs AS j LEFT JOIN job_io AS i ON i.id = j.id ORDER BY j.id",
    ),
    # There sealed values have a column of their own, and a truth is no number.
    "keys": Rows(
        ("name", "secret", "value", "sealed", "key_version", "created_at", "updated_at"),
        "SELECT name, iif(secret, 'true', 'false'), iif(secret, NULL, value), iif(secret, value, NULL), key_version,"
        " created_at, updated_at FROM keys",
    ),
}
LEFT_OUT: Final = frozenset({"migrations", "sequences"})
"""Which step the schema is at; the next number of a job, which a sequence counts there."""
MOVED_COLUMNS: Final = frozenset({("jobs", "child_key")})
JSON_COLUMNS: Final = frozenset(
    {"payload", "result", "error", "body", "data", "tags", "metadata", "enrichments", "origin"}
)
"""Texts that are JSON: in them a NUL may be written as an escape."""
CONTENT: Final = ("jobs", "definitions", "documents", "keys")
"""A target with rows in any of these is somebody's."""
LOGS: Final = {
    "log_runs": Rows(("day", "manager_id", "last_seq"), "SELECT :day, manager_id, last_seq FROM runs"),
    "log_steps": Rows(
        ("day", "manager_id", "step_id", "step_name", "worker_type", "last_line"),
        "SELECT :day, manager_id, step_id, step_name, worker_type, last_line FROM steps",
    ),
    "log_chunks": Rows(
        ("day", "manager_id", "step_id", "first_seq", "first_line", "max_level", "min_job", "max_job", "body"),
        "SELECT :day, manager_id, step_id, first_seq, first_line, max_level, min_job, max_job, body FROM chunks",
    ),
}
_TABLES: Final = """
SELECT name FROM sqlite_schema
 WHERE type = 'table' AND name NOT LIKE 'sqlite~_%' ESCAPE '~' AND name NOT LIKE 'documents~_fts%' ESCAPE '~'
"""
_LAST_NUMBER: Final = "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = ?), 0)"
_LOG_RUNS: Final = """
SELECT manager_id, last_seq, coalesce((SELECT max(c.first_seq + json_array_length(c.body)) - 1 FROM chunks AS c
                                        WHERE c.manager_id = r.manager_id), 0)
  FROM runs AS r ORDER BY manager_id
"""


class Summary(msgspec.Struct, kw_only=True):
    """What was copied. ``tables``: rows by table of the target."""

    source: str
    target: str
    tables: dict[str, int]
    log_days: list[str]
    log_lines: int
    open_runs: list[int]


def copy_store(
    source: SqliteDatabase,
    log_folder: Path,
    target: PostgresDatabase,
    *,
    is_dead: Callable[[ProcessRow], bool | None],
    progress: Progress,
) -> Summary:
    """Copy everything, compare, commit. Whatever goes wrong before, the target stays as it was.

    Raises:
        Refused: the target holds something, or processes are at work on either side; says what to do.
        StoreUnavailable: one of the two can't be used.
    """
    # The schemas come first, each in a transaction of its own; a server's is filled, never changed.
    for database, upgrade in ((source, True), (target, False)):
        with closing(database.connect()) as db:
            migrate(db, "main", upgrade=upgrade)
    with _reading(source.path) as here, _writing(target) as there:
        _refuse_live(here, source.place, is_dead)
        _refuse_occupied(there, target.place)
        copy = _Copy(there, progress)
        for table, rows in _tables(here, there).items():
            copy.table(here, table, rows)
        _continue_numbers(here, there)
        copy.index_documents()
        days = _log_days(log_folder)
        lines = sum(copy.log_day(log_folder, day) for day in days)
        copy.compare()
        there.execute(_statement("analyze"))
        open_runs = [row[0] for row in here.execute(statements("sqlite", "jobs")["all_open_runs"])]
    return Summary(
        source=source.place,
        target=target.place,
        tables=copy.written,
        log_days=days,
        log_lines=lines,
        open_runs=open_runs,
    )


class _Copy:
    """Into one transaction of the target."""

    def __init__(self, target: psycopg.Connection[Row], progress: Progress) -> None:
        self._target = target
        self._progress = progress
        self.written: dict[str, int] = {}

    def table(self, source: apsw.Connection, table: str, rows: Rows, params: Mapping[str, str] | None = None) -> None:
        """Append what the query gives, in a stream. A main table is emptied first: migrations may have filled it."""
        name = sql.Identifier(table)
        if params is None:
            self._target.execute(sql.SQL("DELETE FROM {}").format(name))
        total = _count(source, rows.query, params)
        columns = sql.SQL(", ").join(map(sql.Identifier, rows.columns))
        into = sql.SQL("COPY {} ({}) FROM STDIN").format(name, columns)
        clean = [_json if column in JSON_COLUMNS else _plain for column in rows.columns]
        done = 0
        try:
            with self._target.cursor().copy(into) as stream:
                for row in source.execute(rows.query, params or {}):
                    stream.write_row([c(v) if v.__class__ is str else v for c, v in zip(clean, row, strict=True)])
                    done += 1
                    if done % REPORT_ROWS == 0:
                        self._progress(table, done, total)
        except psycopg.DataError as error:
            place = f"{source.filename}: a row of {table}"
            raise StoreUnavailable(
                f"{place} can't be stored ({error.diag.message_primary}); nothing was copied"
            ) from error
        if done != total:
            raise StoreUnavailable(f"table {table}: {done} of {total} rows could be read; nothing was copied")
        self._progress(table, done, total)
        self.written[table] = self.written.get(table, 0) + done

    def index_documents(self) -> None:
        """The words of all documents, as the server makes them out."""
        total, done, after = self.written["documents"], 0, 0
        while rows := self._target.execute(_statement("index"), {"after": after, "limit": INDEX_DOCUMENTS}).fetchall():
            after = max(row[0] for row in rows)
            done += len(rows)
            self._progress("document_index", done, total)
        self.written["document_index"] = done

    def log_day(self, folder: Path, day: str) -> int:
        """The lines of a day; how many there are."""
        path = folder / f"{day}.db"
        with closing(Connection(path)) as db:
            migrate(db, "logs")
        with _reading(path) as source:
            params = {"day": day}
            self._target.execute(_statement("make_day", "logs"), params)
            for table, rows in LOGS.items():
                self.table(source, table, rows, params)
            here = [tuple(row) for row in source.execute(_LOG_RUNS)]
            there = self._target.execute(_statement("log_runs"), params).fetchall()
            if here != there:
                raise StoreUnavailable(f"log lines of {day} differ behind the copy; nothing was copied")
            return int(_value(source, "SELECT coalesce(sum(json_array_length(body)), 0) FROM chunks"))

    def compare(self) -> None:
        """What is there, counted, against what was sent."""
        expected = self.written | {"document_index": self.written["documents"]}
        for table, count in expected.items():
            found = self._target.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table))).fetchone()
            if found != (count,):
                raise StoreUnavailable(f"table {table} has other rows behind the copy than before; nothing was copied")


@contextmanager
def _reading(path: Path) -> Iterator[apsw.Connection]:
    """Nobody changes the file meanwhile."""
    with translated(path), closing(apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)) as db:
        db.set_busy_timeout(BUSY_MS)
        db.execute("BEGIN IMMEDIATE")
        yield db


@contextmanager
def _writing(target: PostgresDatabase) -> Iterator[psycopg.Connection[Row]]:
    with closing(target.server.connect(_SESSION)) as db:
        try:
            with db.transaction():
                yield db
        except psycopg.Error as error:
            raise target.server.translation(error) from error


def _refuse_live(source: apsw.Connection, place: str, is_dead: Callable[[ProcessRow], bool | None]) -> None:
    for row in source.execute(statements("sqlite", "jobs")["processes"]):
        process = ProcessRow(*row)
        if process.lease_until > lease_clock_us() and is_dead(process) is not True:
            raise Refused(
                f"{place}: process {process.id} (pid {process.pid}) works on it; stop it first: kill {process.pid}"
            )


def _refuse_occupied(target: psycopg.Connection[Row], place: str) -> None:
    target.execute(_statement("lock"))
    for table in CONTENT:
        if target.execute(sql.SQL("SELECT FROM {} LIMIT 1").format(sql.Identifier(table))).rowcount:
            raise Refused(f"{place} is not empty (table {table} has rows); copy into a new database: createdb NAME")
    for row in target.execute(_statement("live_nodes", "migrations")):
        raise Refused(f"{place}: process {row[0]} on {row[1]} (pid {row[2]}) works on it; stop it first (SIGTERM)")


def _tables(source: apsw.Connection, target: psycopg.Connection[Row]) -> dict[str, Rows]:
    """What to copy, by table. One that is not the same over there, and not listed above, stops the copy."""
    found = {}
    for (table,) in source.execute(_TABLES).fetchall():
        if table in LEFT_OUT:
            continue
        if table in DIFFERENT:
            found[table] = DIFFERENT[table]
            continue
        # Without computed columns, on both sides.
        columns = [row[1] for row in source.execute(f'PRAGMA table_info("{table}")')]
        columns = [column for column in columns if (table, column) not in MOVED_COLUMNS]
        if set(columns) != {row[0] for row in target.execute(_statement("columns"), {"name": table})}:
            raise StoreUnavailable(f"table {table} has other columns in PostgreSQL; this program can't copy it")
        listed = ", ".join(f'"{column}"' for column in columns)
        found[table] = Rows(tuple(columns), f'SELECT {listed} FROM "{table}"')  # noqa: S608 - names of our own schema
    return found


def _continue_numbers(source: apsw.Connection, target: psycopg.Connection[Row]) -> None:
    """The next job, process and document get the numbers that they would have got in the source."""
    target.execute(_statement("job_numbers"), {"next": _value(source, "SELECT next FROM sequences WHERE name = 'job'")})
    target.execute(_statement("process_numbers"), {"next": _value(source, _LAST_NUMBER, "processes") + 1})
    target.execute(_statement("document_numbers"), {"last": _value(source, _LAST_NUMBER, "documents")})


def _log_days(folder: Path) -> list[str]:
    return sorted(path.stem for path in folder.glob("*.db") if is_day(path.stem))


def _statement(name: str, subject: str = "copy") -> bytes:
    """With its parameters as the driver writes them."""
    return placeholders(statements("postgres", subject)[name]).encode()


def _json(text: str) -> str:
    return without_nul(text) if "\0" in text or "\\u0000" in text else text


def _plain(text: str) -> str:
    return text.replace("\0", "\ufffd")


def _count(source: apsw.Connection, query: str, params: Mapping[str, str] | None) -> int:
    return int(next(source.execute(f"SELECT count(*) FROM ({query})", params or {}))[0])  # noqa: S608 - ours


def _value(source: apsw.Connection, query: str, *params: str) -> Any:
    return next(source.execute(query, params))[0]
