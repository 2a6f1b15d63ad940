"""What both databases offer to the stores: connections that run named statements, transactions, a pool of readers.

Statements name their parameters ``:name`` in both dialects. Errors of the driver come out as ``StoreUnavailable``
(the server or file can't be used now), ``StoreConflict`` (another transaction was in the way: do it again) or as they
are (a defect).
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any, Literal, Protocol

Row = tuple[Any, ...]
Dialect = Literal["sqlite", "postgres"]
NO_PARAMS: Mapping[str, Any] = {}


class Reader(Protocol):
    """Runs statements that only read."""

    @property
    def dialect(self) -> Dialect: ...
    @property
    def place(self) -> str:
        """The file, or the server's URL without its password: for messages."""
        ...

    @property
    def statements(self) -> int:
        """How many statements ran: an idle process must stay under one a second."""
        ...

    def fetch_all(self, sql: str, params: Mapping[str, Any] = NO_PARAMS) -> list[Row]: ...
    def fetch_one(self, sql: str, params: Mapping[str, Any] = NO_PARAMS) -> Row | None: ...
    def fetch_value(self, sql: str, params: Mapping[str, Any] = NO_PARAMS) -> Any:
        """The first column of the first row, or None."""
        ...

    def data_version(self) -> int | str:
        """Another one when another connection has committed."""
        ...


class Connection(Reader, Protocol):
    """One connection. Not for use by two threads at once."""

    def run(self, sql: str, params: Mapping[str, Any] = NO_PARAMS) -> int:
        """Rows that the statement changed."""
        ...

    def script(self, sql: str) -> None:
        """Many statements without parameters, as in a migration."""
        ...

    def transaction(self) -> AbstractContextManager[None]:
        """Committed at the end, rolled back on any error."""
        ...

    def savepoint(self) -> AbstractContextManager[None]:
        """Part of a transaction that can fail alone."""
        ...

    @property
    def now(self) -> int:
        """µs since 1970 when the transaction began, on the server's clock; on this process's where there is none."""
        ...

    def close(self) -> None: ...


class Readers(Protocol):
    """Connections for reads, from any thread."""

    @property
    def dialect(self) -> Dialect: ...
    @property
    def statements(self) -> int: ...
    def get(self) -> Reader:
        """For the calling thread."""
        ...

    def close(self) -> None: ...


class Database(Protocol):
    """Where everything lies: a SQLite file or a PostgreSQL server."""

    @property
    def dialect(self) -> Dialect: ...
    @property
    def place(self) -> str: ...
    def connect(self) -> Connection:
        """A connection that writes."""
        ...

    def readers(self) -> Readers: ...
