"""PostgreSQL: connect, transaction, fetch. Knows nothing about jobs.

One connection writes for the engine, one stores log lines, one listens; a small pool reads. Plans are pinned on
connections that write: every hot statement has its index, and a plan made while a table was empty must not be kept.
"""

from __future__ import annotations

import logging
import os
import re
import secrets
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import cache
from typing import Any, Final, NamedTuple

import psycopg
from psycopg import conninfo
from psycopg.types.numeric import Int8Dumper
from psycopg_pool import ConnectionPool, PoolTimeout

from quaero.errors import ConfigError, StoreConflict, StoreInDoubt, StoreUnavailable
from quaero.storage.database import NO_PARAMS, Dialect, Row

OLDEST: Final = 14
"""The oldest major version of the server that is known to work."""
CONNECT_S: Final = 10
ANSWER_S: Final = 30.0
"""A connection that waits longer for an answer is cut: the network or the server has stalled."""
DOUBT_S: Final = 600.0
"""How long to ask for the fate of a commit whose answer was lost."""
NAP_S: Final = 0.25
LOCK_S: Final = 10.0
POOL_S: Final = 30.0
WATCH_S: Final = 1.0
IDLE_WATCH_S: Final = 30.0

_WRITING = """
SET plan_cache_mode = force_generic_plan;
SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_bitmapscan = off;
SET jit = off;
SET idle_in_transaction_session_timeout = '5s';
"""
"""A process that is cut off in the middle of a transaction must not keep its locks from the others: not for as long as
they could miss a renewal of their leases for it."""
_READING = "SET default_transaction_read_only = on; SET statement_timeout = '60s'; SET jit = off;"
_BEGIN = "BEGIN ISOLATION LEVEL READ COMMITTED"
_CLOCK = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
_MARK = """
INSERT INTO turns (session, number, at) VALUES ('{session}', {number}, (extract(epoch FROM now()) * 1000000)::bigint)
ON CONFLICT (session) DO UPDATE SET number = excluded.number, at = excluded.at
RETURNING (extract(epoch FROM clock_timestamp()) * 1000000)::bigint
"""
"""Each transaction leaves its number, so that its fate can be seen. The server's own number of it would not do: after
a crash, or on a replica that takes over, another transaction may get the same one."""
_FATE = "SELECT number FROM turns WHERE session = :session FOR UPDATE"
"""Waits for the transaction itself, should it still be under way."""
_SNAPSHOT = "SELECT pg_current_snapshot()::text"
"""Another one after each commit."""
_HAS_TURNS = "SELECT to_regclass('turns') IS NOT NULL"

_PARAMETER = re.compile(r"(?<![:\w]):([a-z_]\w*)")
_JSON_PARAMETER = re.compile(r"(?<![:\w]):([a-z_]\w*)::jsonb?\b")
_NUL_ESCAPE = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")


class Settings(NamedTuple):
    """``[postgres]`` as this module needs it."""

    readers: int = 4
    answer_s: float = ANSWER_S


class PostgresConnection:
    """One psycopg connection with our settings and our errors, opened when first used, and again when it was lost."""

    dialect: Dialect = "postgres"

    def __init__(self, server: Server, session: str = _WRITING) -> None:
        self._server = server
        self._session = session
        self._answer_s = server.settings.answer_s
        self._db: psycopg.Connection[Row] | None = None
        self._now = 0
        self._in_transaction = False
        self._session_id = secrets.token_hex(8)
        self._number = 0
        self._can_mark = False
        self.statements = 0

    @property
    def place(self) -> str:
        return self._server.place

    # statements

    def run(self, sql: str, params: Mapping[str, Any] = NO_PARAMS) -> int:
        return self._execute(sql, params).rowcount

    def fetch_all(self, sql: str, params: Mapping[str, Any] = NO_PARAMS) -> list[Row]:
        return self._execute(sql, params).fetchall()

    def fetch_one(self, sql: str, params: Mapping[str, Any] = NO_PARAMS) -> Row | None:
        return self._execute(sql, params).fetchone()

    def fetch_value(self, sql: str, params: Mapping[str, Any] = NO_PARAMS) -> Any:
        row = self.fetch_one(sql, params)
        return None if row is None else row[0]

    def script(self, sql: str) -> None:
        with self._talking() as db:
            db.execute(sql.encode())

    def _execute(self, sql: str, params: Mapping[str, Any]) -> psycopg.Cursor[Row]:
        self.statements += 1
        with self._talking() as db:
            return db.execute(placeholders(sql), _storable(sql, params), prepare=True)

    @contextmanager
    def _talking(self) -> Iterator[psycopg.Connection[Row]]:
        """Around everything that waits for the server: opens the connection, guards the wait, translates errors."""
        db = self._open()
        try:
            with _watch.over(db, self._answer_s):
                yield db
        except psycopg.Error as error:
            raise self._server.translation(error) from error
        finally:
            if db.closed and not self._in_transaction:
                self._db = None

    def _open(self) -> psycopg.Connection[Row]:
        if self._db is not None and self._db.closed:
            if self._in_transaction:
                raise StoreUnavailable(f"{self.place}: the connection was lost in the middle of a transaction")
            self._db = None
        if self._db is None:
            self._db = self._server.connect(self._session)
        return self._db

    # transactions

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self._begin()
        try:
            yield
        except BaseException:
            self._rollback()
            raise
        self._commit()

    def _begin(self) -> None:
        for is_last in (False, True):
            try:
                with self._talking() as db:
                    self._now = self._marked(db)
            except StoreUnavailable:
                # A connection that was lost while nobody used it: a fresh one may do. Nothing has happened yet.
                if is_last or (self._db is not None and not self._db.closed):
                    self._rollback()
                    raise
            except StoreConflict:
                self._rollback()
                raise
            else:
                self._in_transaction = True
                return

    def _marked(self, db: psycopg.Connection[Row]) -> int:
        """Begin, with the mark of this transaction; the server's time. One message there, one back."""
        if not self._can_mark:
            # The very first transaction makes the tables.
            [self._can_mark] = db.execute(_HAS_TURNS).fetchone() or (False,)
        self._number += 1
        statement = _MARK.format(session=self._session_id, number=self._number) if self._can_mark else _CLOCK
        cursor = db.execute(f"{_BEGIN}; {statement}".encode())
        cursor.nextset()
        row = cursor.fetchone()
        assert row is not None  # noqa: S101 - both have one row
        return int(row[0])

    def _rollback(self) -> None:
        self._in_transaction = False
        if self._db is None:
            return
        try:
            if not self._db.closed:
                with _watch.over(self._db, self._answer_s):
                    self._db.execute(b"ROLLBACK")
        except psycopg.Error:
            self._db.close()
        if self._db.closed:
            self._db = None

    def _commit(self) -> None:
        self._in_transaction = False
        try:
            with self._talking() as db:
                status = db.execute(b"COMMIT").statusmessage
        except StoreUnavailable:
            if self._db is not None and not self._db.closed:
                self._rollback()
                raise
            self._db = None
            if not self._has_committed():
                raise
        except StoreConflict:
            self._rollback()
            raise
        else:
            if status != "COMMIT":
                raise StoreConflict(f"{self.place}: a transaction was rolled back by the server")

    def _has_committed(self) -> bool:
        """The answer to a commit was lost: its mark is there, or it did not take place."""
        deadline = time.monotonic() + DOUBT_S
        while self._can_mark and time.monotonic() < deadline:
            try:
                return bool(self.fetch_value(_FATE, {"session": self._session_id}) == self._number)
            except (StoreUnavailable, StoreConflict):
                time.sleep(NAP_S)
        raise StoreInDoubt(f"{self.place}: lost during a commit; it is not known whether it took place")

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        self.script("SAVEPOINT part")
        try:
            yield
        except BaseException:
            if self._db is not None and not self._db.closed:
                self.script("ROLLBACK TO SAVEPOINT part")
            raise
        self.script("RELEASE SAVEPOINT part")

    @property
    def now(self) -> int:
        return self._now

    def data_version(self) -> str:
        return str(self.fetch_value(_SNAPSHOT))

    def close(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None


# The pool tells of every attempt to connect; an outage is told of once, by those who need the store.
logging.getLogger("psycopg.pool").setLevel(logging.CRITICAL)


class PostgresReaders:
    """A pool of read-only connections; each statement takes one for as long as it runs."""

    dialect: Dialect = "postgres"

    def __init__(self, server: Server, size: int) -> None:
        self._server = server
        self._size = size
        self._pool: ConnectionPool[psycopg.Connection[Row]] | None = None
        self._lock = threading.Lock()
        self._reader = _PooledReader(self)
        self.statements = 0

    def get(self) -> _PooledReader:
        return self._reader

    def fetch(self, sql: str, params: Mapping[str, Any]) -> list[Row]:
        for left in range(self._size, -1, -1):
            try:
                with self._opened().connection() as db, _watch.over(db, self._server.settings.answer_s):
                    self.statements += 1
                    return db.execute(placeholders(sql), _storable(sql, params)).fetchall()
            except PoolTimeout as error:
                raise self._server.pool_timeout(self._size) from error
            except psycopg.Error as error:
                refused = self._server.translation(error)
                # The server was restarted meanwhile, and each connection of the pool finds out for itself.
                if not left or not (isinstance(refused, StoreUnavailable) and db.closed):
                    raise refused from error
        raise AssertionError

    def _opened(self) -> ConnectionPool[psycopg.Connection[Row]]:
        with self._lock:
            if self._pool is None:
                # Once by hand: the pool would only say that it has waited.
                self._server.connect(_READING).close()
                self._pool = ConnectionPool(
                    self._server.conninfo,
                    min_size=1,
                    max_size=self._size,
                    timeout=POOL_S,
                    kwargs=self._server.options,
                    configure=lambda db: _configure(db, _READING),
                    check=_is_alive,
                    open=True,
                )
            return self._pool

    def close(self) -> None:
        with self._lock:
            if self._pool is not None:
                self._pool.close()
                self._pool = None


class _PooledReader:
    """Looks like a connection to those who read."""

    dialect: Dialect = "postgres"

    def __init__(self, readers: PostgresReaders) -> None:
        self._readers = readers

    @property
    def place(self) -> str:
        return self._readers._server.place

    @property
    def statements(self) -> int:
        return self._readers.statements

    def fetch_all(self, sql: str, params: Mapping[str, Any] = NO_PARAMS) -> list[Row]:
        return self._readers.fetch(sql, params)

    def fetch_one(self, sql: str, params: Mapping[str, Any] = NO_PARAMS) -> Row | None:
        rows = self._readers.fetch(sql, params)
        return rows[0] if rows else None

    def fetch_value(self, sql: str, params: Mapping[str, Any] = NO_PARAMS) -> Any:
        row = self.fetch_one(sql, params)
        return None if row is None else row[0]

    def data_version(self) -> str:
        return str(self.fetch_value(_SNAPSHOT))


class Server:
    """How to reach the server; which connections wait for it, and since when."""

    def __init__(self, url: str, settings: Settings) -> None:
        self.settings = settings
        try:
            given = conninfo.conninfo_to_dict(url)
        except psycopg.ProgrammingError as error:
            # The driver's message may quote the URL, and with it the password.
            raise ConfigError(
                "database: not a usable PostgreSQL URL; write postgresql://USER:PASSWORD@HOST:PORT/NAME"
            ) from error
        self.conninfo = url
        self._given = given
        self.options: dict[str, Any] = {
            "autocommit": True,
            "connect_timeout": given.get("connect_timeout", CONNECT_S),
            "application_name": given.get("application_name", "quaero"),
            "keepalives_idle": given.get("keepalives_idle", 15),
            "keepalives_interval": given.get("keepalives_interval", 5),
            "keepalives_count": given.get("keepalives_count", 3),
            "prepare_threshold": 2,
        }

    @property
    def place(self) -> str:
        """Without the password."""
        user = f"{self._given['user']}@" if self._given.get("user") else ""
        host = self._given.get("host") or "localhost"
        port = f":{self._given['port']}" if self._given.get("port") else ""
        return f"postgresql://{user}{host}{port}/{self._given.get('dbname') or ''}"

    def connect(self, session: str) -> psycopg.Connection[Row]:
        try:
            db = psycopg.Connection.connect(self.conninfo, **self.options)
        except psycopg.Error as error:
            raise self.translation(error) from error
        try:
            self._refuse_old(db.info)
            _configure(db, f"SET lock_timeout = '{self._lock_timeout_ms}ms'; {session}")
        except psycopg.Error as error:
            db.close()
            raise self.translation(error) from error
        except StoreUnavailable:
            db.close()
            raise
        return db

    def watched(self, db: psycopg.Connection[Any]) -> AbstractContextManager[None]:
        """Around a wait for an answer on a connection of one's own."""
        return _watch.over(db, self.settings.answer_s)

    @property
    def _lock_timeout_ms(self) -> int:
        """Well before the wait for an answer is cut, else a lock would count as an outage."""
        return int(min(LOCK_S, self.settings.answer_s / 2) * 1000)

    def _refuse_old(self, info: psycopg.ConnectionInfo) -> None:
        if info.server_version < OLDEST * 10_000:
            version = info.parameter_status("server_version")
            raise StoreUnavailable(f"{self.place}: PostgreSQL {version} is too old; Quaero needs {OLDEST} or later")

    def translation(self, error: psycopg.Error) -> Exception:
        """What the driver refused, as an error of ours; a defect of ours stays what it is."""
        code = error.sqlstate or ""
        if code in _CONFLICTS:
            return StoreConflict(f"{self.place}: {_first_line(error)}")
        for start, message in _REFUSALS:
            if code.startswith(start):
                return StoreUnavailable(f"{self.place}: {message.format(error=_first_line(error), **self._names())}")
        if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError) and not code:
            return StoreUnavailable(f"{self.place}: {self._unreachable(_first_line(error))}")
        return error

    def _names(self) -> dict[str, Any]:
        return {"user": self._given.get("user") or "this user", "dbname": self._given.get("dbname") or ""}

    def _unreachable(self, reason: str) -> str:
        lowered = reason.lower()
        if f'database "{self._names()["dbname"]}" does not exist' in lowered:
            return f"has no database {self._names()['dbname']!r}; make it: createdb {self._names()['dbname']}"
        if "permission denied for database" in lowered:
            return f"{self._names()['user']} lacks a right ({reason}); GRANT CONNECT ON DATABASE to it"
        if "too many connections for" in lowered:
            return f"has no connection left ({reason}); raise its CONNECTION LIMIT, or stop some processes"
        if "too many clients" in lowered or "remaining connection slots" in lowered:
            return _TOO_MANY
        if "starting up" in lowered or "shutting down" in lowered:
            return "is starting or stopping"
        if any(word in lowered for word in _REFUSED_USER):
            return f"refuses {self._names()['user']} ({reason}); check the user and password in the URL"
        return f"can't be reached ({reason}); check host and port, and that the server runs"

    def pool_timeout(self, size: int) -> StoreUnavailable:
        return StoreUnavailable(
            f"{self.place}: no connection was free for {POOL_S:g} s (all {size} are busy, or the server can't be "
            "reached); raise [postgres] readers if this goes on"
        )


class _Watch:
    """Cuts connections that wait too long for an answer. One thread for the process, there while anything waits.

    The driver itself waits for ever when the network swallows an answer.
    """

    def __init__(self) -> None:
        self._waits: dict[psycopg.Connection[Any], float] = {}
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    @contextmanager
    def over(self, db: psycopg.Connection[Any], answer_s: float) -> Iterator[None]:
        with self._lock:
            self._waits[db] = time.monotonic() + answer_s
            if self._thread is None:
                self._thread = threading.Thread(target=self._look, name="quaero-postgres-watch", daemon=True)
                self._thread.start()
        try:
            yield
        finally:
            with self._lock:
                self._waits.pop(db, None)

    def _look(self) -> None:
        idle_since = time.monotonic()
        while True:
            time.sleep(WATCH_S)
            now = time.monotonic()
            with self._lock:
                if self._waits:
                    idle_since = now
                elif now - idle_since > IDLE_WATCH_S:
                    self._thread = None
                    return
                stalled = [db for db, until in self._waits.items() if until < now]
            for db in stalled:
                _cut(db)


_watch = _Watch()


def _cut(db: psycopg.Connection[Any]) -> None:
    """End its wait, from another thread: the driver finds the wire closed."""
    with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(db.fileno())) as wire:
        wire.shutdown(socket.SHUT_RDWR)


class PostgresDatabase:
    """See :class:`quaero.storage.database.Database`."""

    dialect: Dialect = "postgres"

    def __init__(self, url: str, settings: Settings | None = None) -> None:
        self.url = url
        self.server = Server(url, settings or Settings())
        self._readers = PostgresReaders(self.server, self.server.settings.readers)

    @property
    def place(self) -> str:
        return self.server.place

    def connect(self) -> PostgresConnection:
        return PostgresConnection(self.server)

    def readers(self) -> PostgresReaders:
        """One pool for all; closed, it opens again when it is used."""
        return self._readers


_TOO_MANY = (
    "has no connection left; raise its max_connections (each Quaero process takes up to eight), or stop some processes"
)
_REFUSED_USER = ("password", "authentication", "not permitted to log in", "role ", "no pg_hba.conf entry")
_CONFLICTS = frozenset({"40P01", "40001", "55P03"})
_REFUSALS: tuple[tuple[str, str], ...] = (
    ("28", "refuses {user}: check the user and password in the URL ({error})"),
    ("3D000", "has no database {dbname!r}; make it: createdb {dbname}"),
    ("42501", "{user} lacks a right ({error}); make it the owner of the database, or grant it"),
    ("53100", "its disk is full; free some space there, the work goes on by itself"),
    ("53200", "is out of memory ({error})"),
    ("53300", _TOO_MANY),
    ("57P03", "is starting or stopping"),
    ("57P", "was stopped or restarted ({error})"),
    ("57014", "a statement took too long and was stopped"),
    ("25006", "refuses writes: a replica, or default_transaction_read_only is on; give the URL of the primary"),
    ("25P03", "the transaction was idle for too long, and was ended by the server"),
    ("08", "the connection failed ({error})"),
    ("58", "failed ({error})"),
    ("XX001", "a table is damaged ({error}); restore it from a backup"),
    ("XX002", "an index is damaged ({error}); REINDEX it"),
)


def _configure(db: psycopg.Connection[Any], session: str) -> None:
    # Whatever its size, a number goes out as bigint: one prepared statement each, and no comparison overflows.
    db.adapters.register_dumper(int, Int8Dumper)
    db.execute(session.encode())


def _is_alive(db: psycopg.Connection[Any]) -> None:
    """Costs nothing: only asks whether the socket has been closed."""
    if db.pgconn.status != psycopg.pq.ConnStatus.OK:
        raise psycopg.OperationalError("the connection is lost")


@cache
def placeholders(sql: str) -> str:
    """``:name`` -> ``%(name)s``; a cast (``::text``) is none."""
    return _PARAMETER.sub(r"%(\1)s", sql.replace("%", "%%"))


@cache
def _json_parameters(sql: str) -> frozenset[str]:
    return frozenset(_JSON_PARAMETER.findall(sql))


def _storable(sql: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
    """PostgreSQL's texts hold no NUL: the replacement character stands in for it, in what is read as JSON too."""
    for name, value in params.items():
        if value.__class__ is str and ("\0" in value or "\\u0000" in value):
            given = value.replace("\0", "\ufffd")
            params = {**params, name: without_nul(given) if name in _json_parameters(sql) else given}
    return params


def without_nul(json: str) -> str:
    """A JSON text, or another one, as PostgreSQL can hold it."""
    return _NUL_ESCAPE.sub(r"\1\\ufffd", json.replace("\0", "\ufffd"))


def _first_line(error: psycopg.Error) -> str:
    """What went wrong, without where: several hosts, addresses and hints may stand around it."""
    lines = (error.diag.message_primary or str(error)).strip().splitlines() or [type(error).__name__]
    is_list = lines[0].startswith("Multiple connection attempts")
    return lines[-1 if is_list else 0].rpartition(" failed: ")[2].removeprefix("FATAL:").strip()
