"""NamedReads: statements of one SQL file, run on a reading connection of the calling thread."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from quaero.storage.database import Dialect, Readers, Row
from quaero.storage.statements import statements

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class NamedReads:
    def __init__(self, readers: Readers, subject: str) -> None:
        self.readers = readers
        self.sql = statements(readers.dialect, subject)

    @property
    def dialect(self) -> Dialect:
        return self.readers.dialect

    def all(self, name: str, /, **params: Any) -> list[Row]:
        return self.readers.get().fetch_all(self.sql[name], params)

    def one(self, name: str, /, **params: Any) -> Row | None:
        return self.readers.get().fetch_one(self.sql[name], params)

    def value(self, name: str, /, **params: Any) -> Any:
        """The first column of the first row, or None."""
        return self.readers.get().fetch_value(self.sql[name], params)


def micros(at: datetime) -> int:
    """As times are stored; ``at`` is aware."""
    return (at - _EPOCH) // _MICROSECOND
