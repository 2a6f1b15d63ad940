"""A table of log lines in a SQLite file of its own, for tools that don't hand out their connection."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

from .tool import LINE

TABLE = "CREATE TABLE IF NOT EXISTS log_line (id INTEGER PRIMARY KEY, child INTEGER, line TEXT)"


class SqliteLog(threading.local):
    """A connection for each thread."""

    def __init__(self, file: Path, synchronous: str) -> None:
        self._db = sqlite3.connect(file, isolation_level=None, timeout=30)
        self._db.execute("PRAGMA journal_mode = WAL").fetchall()
        self._db.execute(f"PRAGMA synchronous = {synchronous}")
        self._db.execute(TABLE)

    def write(self, child: int) -> None:
        self._db.execute("INSERT INTO log_line (child, line) VALUES (?, ?)", (child, LINE))

    def count(self) -> int:
        return int(self._db.execute("SELECT count(*) FROM log_line").fetchone()[0])
