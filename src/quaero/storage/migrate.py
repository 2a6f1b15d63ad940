"""Numbered SQL migrations, forward only, each in a transaction of its own."""

from __future__ import annotations

import hashlib
import re
from importlib.resources import files
from typing import NamedTuple

from quaero.errors import StoreUnavailable
from quaero.storage.sqlite import Connection

_LEDGER = """
CREATE TABLE IF NOT EXISTS migrations (
  number INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, applied_at TEXT NOT NULL
) STRICT
"""


class Migration(NamedTuple):
    number: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()[:16]


def migrations(dialect: str, subject: str) -> list[Migration]:
    """The migrations of one database (``main`` or ``logs``), in order."""
    folder = files("quaero.storage").joinpath("migrations", dialect, subject)
    return sorted(
        Migration(int(match[1]), match[2], entry.read_text(encoding="utf-8"))
        for entry in folder.iterdir()
        if (match := re.fullmatch(r"(\d{4})_(\w+)\.sql", entry.name))
    )


def migrate(db: Connection, subject: str) -> int:
    """Bring the database up to this program; returns how many steps that took.

    Raises:
        StoreUnavailable: the database is newer than this program, or a step that ran was changed since.
    """
    steps = migrations("sqlite", subject)
    if int(db.fetch_value("PRAGMA user_version")) == steps[-1].number:
        return 0
    with db.transaction():
        db.execute(_LEDGER)
        applied: dict[int, str] = dict(db.fetch_all("SELECT number, checksum FROM migrations"))
        _check(db, steps, applied)
        missing = [step for step in steps if step.number not in applied]
        for step in missing:
            db.script(step.sql)
            db.execute(
                "INSERT INTO migrations VALUES (?, ?, ?, datetime('now'))", (step.number, step.name, step.checksum)
            )
        db.execute(f"PRAGMA user_version={steps[-1].number}")
    return len(missing)


def _check(db: Connection, steps: list[Migration], applied: dict[int, str]) -> None:
    newest = max(applied, default=0)
    if newest > steps[-1].number:
        raise StoreUnavailable(f"{db.path}: written by a newer Quaero (schema {newest}); upgrade this one")
    for step in steps:
        if applied.get(step.number, step.checksum) != step.checksum:
            raise StoreUnavailable(f"{db.path}: schema step {step.number:04} differs from this program's")
