"""SQLite: connect, transaction, fetch. Knows nothing about jobs.

WAL, ``synchronous=FULL``, one writing connection per process; any number of reading ones. Several processes
may share the file on one host, never over a network file system (checked at open).
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw

from quaero.errors import StoreUnavailable
from quaero.storage.database import NO_PARAMS, Dialect, Row

BUSY_TIMEOUT_S = 30.0
BUSY_NAP_S = 0.0003
"""Our own naps while another process writes: the library's grow to 100 ms."""
CHECKPOINT_PAGES = 25_000
"""At most about 100 MB of write-ahead log before it is carried over."""
_NETWORK = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "fuse.sshfs", "fuse.rclone"})


class Connection:
    """One apsw connection with our pragmas and our errors. Not for use by two threads at once."""

    dialect: Dialect = "sqlite"

    def __init__(self, path: Path, *, read_only: bool = False, synchronous: str = "FULL") -> None:
        self.path = path
        self.statements = 0
        """How many statements ran: an idle process must stay under one a second."""
        flags = apsw.SQLITE_OPEN_READONLY if read_only else apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
        with translated(path):
            self._db = apsw.Connection(str(path), flags=flags, statementcachesize=500)
            # Plans must not depend on the values bound: else a join is prepared anew at every execution (40 µs, not 5).
            self._db.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
            self._db.set_busy_handler(_busy_handler())
            if not read_only:
                self._enter_wal_mode()
                self._db.execute(f"PRAGMA synchronous={synchronous}")
                self._db.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}").fetchall()
            self._db.execute("PRAGMA foreign_keys=OFF")
            self._db.execute("PRAGMA temp_store=MEMORY")
            self._db.execute("PRAGMA cache_size=-32768")

    def _enter_wal_mode(self) -> None:
        # While several processes open a new file, this one statement is refused without asking the busy handler.
        deadline = time.monotonic() + BUSY_TIMEOUT_S
        while True:
            try:
                self._db.execute("PRAGMA journal_mode=WAL").fetchall()
            except apsw.BusyError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(BUSY_NAP_S)
            else:
                return

    @property
    def place(self) -> str:
        return str(self.path)

    def fetch_all(self, sql: str, params: Mapping[str, Any] = NO_PARAMS) -> list[Row]:
        self.statements += 1
        try:
            return self._db.execute(sql, params).fetchall()
        except apsw.Error as error:
            raise _translation(self.path, error) from error

    def fetch_one(self, sql: str, params: Mapping[str, Any] = NO_PARAMS) -> Row | None:
        rows = self.fetch_all(sql, params)
        return rows[0] if rows else None

    def fetch_value(self, sql: str, params: Mapping[str, Any] = NO_PARAMS) -> Any:
        """The first column of the first row, or None."""
        row = self.fetch_one(sql, params)
        return None if row is None else row[0]

    def run(self, sql: str, params: Mapping[str, Any] = NO_PARAMS) -> int:
        """Rows that the statement changed."""
        self._execute(sql, params)
        return int(self._db.changes())

    def script(self, sql: str) -> None:
        """Many statements, as in a migration."""
        with translated(self.path):
            self._db.execute(sql)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """An immediate (writing) transaction: committed at the end, rolled back on any error."""
        self._execute("BEGIN IMMEDIATE")
        try:
            yield
            self._execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Part of a transaction that can fail alone."""
        with translated(self.path), self._db:
            yield

    def _execute(self, sql: str, params: Mapping[str, Any] = NO_PARAMS) -> None:
        self.statements += 1
        try:
            self._db.execute(sql, params)
        except apsw.Error as error:
            raise _translation(self.path, error) from error

    @property
    def now(self) -> int:
        """A file has no clock of its own."""
        return time.time_ns() // 1000

    def data_version(self) -> int:
        """Changes when another connection has committed."""
        return int(self._db.pragma("data_version"))

    def close(self) -> None:
        self._db.close()


class SqliteDatabase:
    """See :class:`quaero.storage.database.Database`."""

    dialect: Dialect = "sqlite"

    def __init__(self, path: Path, *, synchronous: str = "FULL") -> None:
        self.path = path
        self._synchronous = synchronous

    @property
    def place(self) -> str:
        return str(self.path)

    def connect(self) -> Connection:
        return Connection(self.path, synchronous=self._synchronous)

    def readers(self) -> Readers:
        return Readers(self.path)


class Readers:
    """A read-only connection per thread, opened when first asked for."""

    dialect: Dialect = "sqlite"

    def __init__(self, path: Path) -> None:
        self._path = path
        self._local = threading.local()
        self._all: list[Connection] = []
        self._lock = threading.Lock()

    @property
    def statements(self) -> int:
        return sum(connection.statements for connection in self._all)

    def get(self) -> Connection:
        connection: Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = Connection(self._path, read_only=True)
            self._local.connection = connection
            with self._lock:
                self._all.append(connection)
        return connection

    def close(self) -> None:
        with self._lock:
            for connection in self._all:
                connection.close()
            self._all.clear()
        self._local = threading.local()


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turns the driver's refusals into errors that name the file and the way out."""
    try:
        yield
    except apsw.Error as error:
        raise _translation(path, error) from error


def _translation(path: Path, error: apsw.Error) -> Exception:
    """What the driver refused, as an error of ours; one that is no fault of the disk or file stays what it is."""
    for kinds, message in _REFUSALS:
        if isinstance(error, kinds):
            return StoreUnavailable(f"{path}: {message.format(error=error)}")
    return error


_REFUSALS: tuple[tuple[type[Exception] | tuple[type[Exception], ...], str], ...] = (
    (apsw.FullError, "the disk is full; free some space, the work goes on by itself"),
    ((apsw.ReadOnlyError, apsw.PermissionsError), "can't be written; give this user write access to the folder"),
    (apsw.CantOpenError, "can't be opened ({error}); check that the folder is writable"),
    (apsw.BusyError, f"another process has held the write lock for {BUSY_TIMEOUT_S:g} s"),
    (apsw.IOError, "the disk failed ({error})"),
    ((apsw.CorruptError, apsw.NotADBError), "not a usable database ({error}); restore the folder from a backup"),
)


def refuse_network_file_system(folder: Path) -> None:
    """Raises StoreUnavailable where ``folder`` lies on a file system whose locks can't be trusted."""
    kind = file_system_of(folder, Path("/proc/self/mounts"))
    if kind in _NETWORK:
        raise StoreUnavailable(
            f"{folder}: lies on a network file system ({kind}), where SQLite loses data; "
            "use a local folder (--data), or PostgreSQL for several machines"
        )


def file_system_of(folder: Path, mounts: Path) -> str:
    """The type of the file system ``folder`` lies on, by the mount table; empty where there is none."""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    target = str(folder.resolve())
    best, kind = "", ""
    for line in lines:
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        point = fields[1].replace("\\040", " ")
        inside = target == point or target.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):
            best, kind = point, fields[2]
    return kind


def _busy_handler() -> Any:
    started = 0.0

    def handler(tries: int) -> bool:
        nonlocal started
        if tries == 0:
            started = time.monotonic()
        if time.monotonic() - started > BUSY_TIMEOUT_S:
            return False
        time.sleep(BUSY_NAP_S)
        return True

    return handler


def make_private_folder(folder: Path) -> None:
    """Create ``folder`` for this user alone; an existing one is left as it is."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise StoreUnavailable(f"{folder}: can't be created ({error.strerror}); choose another with --data") from error
    if not os.access(folder, os.W_OK):
        raise StoreUnavailable(f"{folder}: can't be written; give this user write access or choose another with --data")
