"""Numbered SQL migrations, forward only, each in a transaction of its own."""

from __future__ import annotations

import hashlib
import re
from importlib.resources import files
from typing import NamedTuple

from quaero.errors import StoreUnavailable
from quaero.storage.database import Connection, Reader
from quaero.storage.statements import statements


class Migration(NamedTuple):
    number: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()[:16]


class SchemaState(NamedTuple):
    """Which step the database is at (0: empty), and the newest that this program knows."""

    found: int
    newest: int


def migrations(dialect: str, subject: str) -> list[Migration]:
    """The migrations of one database (``main``; with SQLite also ``logs``), in order."""
    folder = files("quaero.storage").joinpath("migrations", dialect, subject)
    return sorted(
        Migration(int(match[1]), match[2], entry.read_text(encoding="utf-8"))
        for entry in folder.iterdir()
        if (match := re.fullmatch(r"(\d{4})_(\w+)\.sql", entry.name))
    )


def schema_state(db: Reader, subject: str) -> SchemaState:
    """Reads only."""
    return SchemaState(max(_applied(db), default=0), migrations(db.dialect, subject)[-1].number)


def check_schema(db: Reader, subject: str) -> SchemaState:
    """Reads only.

    Raises:
        StoreUnavailable: this program must not touch the database: it is newer, or a step that ran was changed since.
    """
    steps, applied = migrations(db.dialect, subject), _applied(db)
    _check(db, steps, applied)
    return SchemaState(max(applied, default=0), steps[-1].number)


def live_nodes(db: Reader, now: int) -> list[tuple[int, str, int, str]]:
    """(process, host, pid, version) of those whose lease has not ended, at any schema but an empty one.

    ``now``: on the clock that leases are measured by; a server uses its own.
    """
    rows = db.fetch_all(statements(db.dialect, "migrations")["live_nodes"], {"now": now})
    return [(row[0], row[1], row[2], row[3]) for row in rows]


def migrate(db: Connection, subject: str, *, upgrade: bool = True, until: int | None = None) -> int:
    """Bring the database up to this program; returns how many steps that took.

    Without ``upgrade`` only an empty database is filled: others may be working on one that is not. ``until``: the last
    step to take (tests of an upgrade).

    Raises:
        StoreUnavailable: the database is newer than this program, or older and not to be changed, or a step that ran
        was changed since.
    """
    steps = [step for step in migrations(db.dialect, subject) if until is None or step.number <= until]
    sql = statements(db.dialect, "migrations")
    applied = _applied(db)
    _check(db, steps, applied)
    found, newest = max(applied, default=0), steps[-1].number
    if found == newest:
        return 0
    if found and not upgrade:
        raise StoreUnavailable(
            f"{db.place}: its schema ({found}) is older than this program's ({newest}); stop the other nodes, then "
            "run: quaero migrate"
        )
    with db.transaction():
        db.run(sql["lock"])
        db.run(sql["make_ledger"])
        # Another process may have been quicker.
        applied = dict(db.fetch_all(sql["applied"]))
        _check(db, steps, applied)
        missing = [step for step in steps if step.number not in applied]
        for step in missing:
            db.script(step.sql)
            db.run(sql["note"], {"number": step.number, "name": step.name, "checksum": step.checksum})
    return len(missing)


def _applied(db: Reader) -> dict[int, str]:
    """Number -> checksum."""
    sql = statements(db.dialect, "migrations")
    return dict(db.fetch_all(sql["applied"])) if db.fetch_value(sql["has_ledger"]) else {}


def _check(db: Reader, steps: list[Migration], applied: dict[int, str]) -> None:
    newest = max(applied, default=0)
    if newest > steps[-1].number:
        raise StoreUnavailable(f"{db.place}: written by a newer Quaero (schema {newest}); upgrade this one")
    for step in steps:
        if applied.get(step.number, step.checksum) != step.checksum:
            raise StoreUnavailable(
                f"{db.place}: schema step {step.number:04} differs from this program's; use the Quaero that wrote it"
            )
