"""A tool on PostgreSQL: its own tables beside the log lines and the parent, and a fan-in by hand."""

from __future__ import annotations

from functools import cached_property
from typing import Any, ClassVar

import psycopg

from .tool import URL, Tool

TABLES = """
CREATE TABLE log_line (id bigserial PRIMARY KEY, at timestamptz NOT NULL DEFAULT now(), child int, line text);
CREATE TABLE parent (id int PRIMARY KEY, status text NOT NULL);
"""
INSERT_LINE = "INSERT INTO log_line (child, line) VALUES (%s, %s)"
POOL_SIZE = 8


class PostgresTool(Tool):
    """The parent is a row, closed as soon as no job is unfinished; that is asked once all children are enqueued."""

    unfinished_jobs: ClassVar[str]
    """Selects the jobs that have no final status."""

    @cached_property
    def connection(self) -> psycopg.Connection[Any]:
        return psycopg.connect(URL, autocommit=True)

    def prepare(self) -> None:
        self.connection.execute(TABLES)

    def enqueued(self) -> None:
        """Fresh statistics, as a queue that runs for long would have."""
        self.connection.execute("VACUUM ANALYZE")

    def unfinished(self) -> bool:
        return bool(self._value(f"SELECT EXISTS ({self.unfinished_jobs})"))

    def log_lines(self) -> int:
        return int(self._value("SELECT count(*) FROM log_line"))

    def open_parent(self) -> None:
        self.connection.execute("INSERT INTO parent VALUES (1, 'running')")

    def parent_closed(self) -> bool:
        close = f"UPDATE parent SET status = 'completed' WHERE NOT EXISTS ({self.unfinished_jobs})"
        return self.connection.execute(close).rowcount == 1

    def _value(self, query: str) -> Any:
        row = self.connection.execute(query).fetchone()
        assert row is not None
        return row[0]
