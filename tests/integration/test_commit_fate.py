"""A commit whose answer is lost took place or did not: the server is asked, and what it says is reported."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import psycopg
import pytest

from quaero.errors import StoreUnavailable
from quaero.storage.postgres import PostgresConnection, PostgresDatabase
from tests.postgres import fresh_database, release_database
from tests.proxy import Proxy


@pytest.fixture
def url() -> Iterator[str]:
    url = fresh_database()
    yield url
    release_database(url)


@pytest.fixture
def proxy(url: str) -> Iterator[Proxy]:
    with Proxy(url) as proxy:
        yield proxy


@pytest.fixture
def db(proxy: Proxy) -> Iterator[PostgresConnection]:
    db = PostgresDatabase(proxy.url).connect()
    yield db
    db.close()


def write(db: PostgresConnection, value: str) -> None:
    with db.transaction():
        db.run("INSERT INTO facts (name, value) VALUES (:name, :value)", {"name": value, "value": value})


def written(url: str) -> set[str]:
    with psycopg.connect(url) as db:
        return {row[0] for row in db.execute("SELECT name FROM facts").fetchall()}


def test_a_commit_whose_answer_is_lost_counts(url: str, proxy: Proxy, db: PostgresConnection) -> None:
    write(db, "before")
    proxy.lose_answer_to(b"COMMIT")

    write(db, "unheard")

    assert proxy.lost.is_set()
    assert written(url) == {"before", "unheard"}
    write(db, "after")
    assert written(url) == {"before", "unheard", "after"}


def test_a_commit_that_never_arrived_did_not_happen(url: str, proxy: Proxy, db: PostgresConnection) -> None:
    proxy.lose(b"COMMIT")

    with pytest.raises(StoreUnavailable):
        write(db, "lost")

    assert proxy.lost.is_set()
    assert written(url) == set()
    write(db, "again")
    assert written(url) == {"again"}


def test_a_connection_that_the_server_ends_in_a_transaction_has_done_nothing(url: str, db: PostgresConnection) -> None:
    def write_until_the_end() -> None:
        with psycopg.connect(url, autocommit=True) as other, db.transaction():
            db.run("INSERT INTO facts (name, value) VALUES ('gone', '')")
            pid = db.fetch_value("SELECT pg_backend_pid()")
            other.execute("SELECT pg_terminate_backend(%s, 10000)", (pid,))
            db.run("INSERT INTO facts (name, value) VALUES ('gone too', '')")

    with pytest.raises(StoreUnavailable):
        write_until_the_end()

    assert written(url) == set()
    write(db, "again")
    assert written(url) == {"again"}


def test_turns_that_are_killed_at_any_moment_are_reported_as_they_are(url: str, db: PostgresConnection) -> None:
    """The connection is ended again and again, wherever it is just then."""
    done = threading.Event()

    def kill() -> None:
        with psycopg.connect(url, autocommit=True) as other:
            while not done.wait(0.003):
                other.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name = 'quaero'"
                    " AND state <> 'idle'"
                )

    killer = threading.Thread(target=kill)
    killer.start()
    reported = set()
    refused = 0
    try:
        for number in range(60):
            try:
                write(db, str(number))
            except StoreUnavailable:
                refused += 1
            else:
                reported.add(str(number))
    finally:
        done.set()
        killer.join()

    assert written(url) == reported
    assert refused
