"""The server crashes around a commit: it counts exactly if it took place."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from quaero.errors import StoreUnavailable
from quaero.storage.postgres import PostgresConnection, PostgresDatabase
from tests.chaos.server import OwnServer


@pytest.fixture(scope="module")
def lazy() -> Iterator[OwnServer]:
    """A server that writes its log to disk only when somebody commits: what else it knew is gone after a crash."""
    server = OwnServer("wal_writer_delay = '10s'")
    yield server
    server.close()


@pytest.fixture
def url(lazy: OwnServer) -> str:
    return lazy.url(lazy.create())


@pytest.fixture
def db(url: str) -> Iterator[PostgresConnection]:
    db = PostgresDatabase(url).connect()
    yield db
    db.close()


def note(db: PostgresConnection, name: str) -> None:
    db.run("INSERT INTO facts (name, value) VALUES (:name, 'noted')", {"name": name})


def noted(url: str) -> set[str]:
    with psycopg.connect(url) as db:
        return {row[0] for row in db.execute("SELECT name FROM facts WHERE value = 'noted'").fetchall()}


def crashes_before_the_commit(db: PostgresConnection, lazy: OwnServer) -> int:
    """A transaction that can't take place any more when it commits; its number."""
    number = int(db.fetch_value("SELECT pg_current_xact_id()::text"))
    note(db, "lost")
    lazy.restart("immediate")
    return number


def use_up(url: str, number: int) -> None:
    """Others write until the server has given out this number (again)."""
    with psycopg.connect(url, autocommit=True) as other:
        while int(other.execute("SELECT pg_current_xact_id()::text").fetchone()[0]) < number:
            pass


def test_a_commit_behind_a_crash_did_not_happen(lazy, url, db):
    def turn() -> None:
        with db.transaction():
            crashes_before_the_commit(db, lazy)

    with pytest.raises(StoreUnavailable):
        turn()

    assert noted(url) == set()
    with db.transaction():
        note(db, "again")
    assert noted(url) == {"again"}


def test_the_commit_of_another_one_under_the_same_number_is_not_taken_for_it(lazy, url, db):
    def turn() -> None:
        with db.transaction():
            use_up(url, crashes_before_the_commit(db, lazy))

    with pytest.raises(StoreUnavailable):
        turn()

    assert noted(url) == set()
