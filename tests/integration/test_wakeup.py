"""Processes on one PostgreSQL wake each other by NOTIFY; a lost connection comes back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import psycopg
import pytest

from quaero.storage.postgres import PostgresDatabase
from quaero.storage.postgres_wakeup import PostgresWakeUp, notify_once
from tests.postgres import empty_database, server_url
from tests.waiting import wait_until

CHANNEL = "quaero_wake_up"
PATIENCE_S = 10


@pytest.fixture(scope="module")
def database() -> PostgresDatabase:
    return PostgresDatabase(empty_database())


class Sleeper:
    """A process that waits to be woken."""

    def __init__(self, database: PostgresDatabase) -> None:
        self.wake_up = PostgresWakeUp(database)
        self.count = 0
        self._woken = asyncio.Event()

    async def open(self) -> None:
        await self.wake_up.open(self._on_woken)
        await self.woken()  # it listens

    def _on_woken(self) -> None:
        self.count += 1
        self._woken.set()

    async def woken(self) -> None:
        async with asyncio.timeout(PATIENCE_S):
            await self._woken.wait()
        self._woken.clear()


@asynccontextmanager
async def sleepers(database: PostgresDatabase, count: int) -> AsyncIterator[list[Sleeper]]:
    made = [Sleeper(database) for _ in range(count)]
    try:
        for one in made:
            await one.open()
        yield made
    finally:
        for one in made:
            one.wake_up.close()


@contextmanager
def heard(database: PostgresDatabase) -> Iterator[psycopg.Connection]:
    """A connection of its own on the channel, to see what is really sent."""
    with psycopg.connect(database.url, autocommit=True) as db:
        db.execute(f"LISTEN {CHANNEL}")
        yield db


def test_a_call_wakes_all_others_and_not_the_caller(database):
    async def scenario():
        async with sleepers(database, 3) as (caller, one, two):
            caller.wake_up.tell()
            await asyncio.gather(one.woken(), two.woken())
            one.wake_up.tell()
            await caller.woken()
            return caller.count, one.count

    # One when the connection stood, one by another; the second sleeper's own call is not among its two.
    assert asyncio.run(scenario()) == (2, 2)


def test_calls_in_quick_succession_become_few_and_the_last_one_is_told(database):
    async def scenario():
        async with sleepers(database, 2) as (caller, one):
            for _ in range(20):
                for _ in range(500):
                    caller.wake_up.tell()
                await asyncio.sleep(0)
            await one.woken()
            caller.wake_up.tell()
            caller.wake_up.close()

    with heard(database) as db:
        asyncio.run(scenario())
        notes = list(db.notifies(timeout=PATIENCE_S, stop_after=1))
        notes += db.notifies(timeout=0.2)

    assert 2 <= len(notes) <= 5


def test_the_first_call_goes_out_at_once(database):
    async def scenario():
        async with sleepers(database, 2) as (caller, one):
            times = []
            for _ in range(15):
                begun = asyncio.get_running_loop().time()
                caller.wake_up.tell()
                await one.woken()
                times.append(asyncio.get_running_loop().time() - begun)
                await asyncio.sleep(0.03)  # past the pause between two calls
            return sorted(times)[7]

    assert asyncio.run(scenario()) < 0.015


def test_a_command_that_ends_wakes_everybody(database):
    async def scenario():
        async with sleepers(database, 2) as (one, two):
            await asyncio.to_thread(notify_once, database)
            await asyncio.gather(one.woken(), two.woken())

    asyncio.run(scenario())


def test_a_lost_connection_comes_back_and_wakes_for_what_was_missed(database):
    async def scenario():
        async with sleepers(database, 2) as (caller, one):
            with psycopg.connect(database.url, autocommit=True) as db:
                ended = db.execute(
                    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND query ILIKE 'listen%'"
                ).fetchone()
            await asyncio.gather(caller.woken(), one.woken())  # by themselves, on connecting again
            caller.wake_up.tell()
            await one.woken()
            return ended

    assert asyncio.run(scenario()) == (2,)


def test_what_is_told_while_the_connection_is_lost_is_told_when_it_is_back(database):
    async def scenario():
        async with sleepers(database, 2) as (caller, one):
            name = psycopg.conninfo.conninfo_to_dict(database.url)["dbname"]
            with heard(database) as db, psycopg.connect(server_url(), autocommit=True) as admin:
                admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
                db.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
                caller.wake_up.tell()
                before = one.count
                admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
                notes = await asyncio.to_thread(lambda: list(db.notifies(timeout=PATIENCE_S, stop_after=1)))
            await asyncio.gather(caller.woken(), one.woken())
            return len(notes), one.count - before

    told, woken = asyncio.run(scenario())

    assert told == 1
    assert woken >= 1


def test_a_process_that_leaves_still_tells_its_last_and_leaves_nothing_behind(database):
    async def scenario():
        async with sleepers(database, 2) as (caller, one):
            caller.wake_up.tell()
            caller.wake_up.close()
            await one.woken()

    asyncio.run(scenario())

    with psycopg.connect(database.url, autocommit=True) as db:
        others = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        wait_until(lambda: not db.execute(others).fetchall())


def test_one_that_was_never_opened_can_be_told_and_closed(database):
    wake_up = PostgresWakeUp(database)

    wake_up.tell()
    wake_up.close()

    assert wake_up.port == 0


def test_a_server_that_cannot_be_reached_keeps_nobody(tmp_path):
    async def scenario():
        wake_up = PostgresWakeUp(PostgresDatabase(f"postgresql://nobody@/none?host={tmp_path}"))
        await wake_up.open(lambda: None)
        wake_up.tell()
        await asyncio.to_thread(wake_up.close)

    asyncio.run(asyncio.wait_for(scenario(), PATIENCE_S))


def test_an_idle_process_makes_no_statement(database):
    async def scenario():
        async with sleepers(database, 1):
            with psycopg.connect(database.url, autocommit=True) as db:
                count = (
                    "SELECT query FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
                before = db.execute(count).fetchall()
                await asyncio.sleep(1)  # a statement that should not be made can't be waited for
                return before, db.execute(count).fetchall()

    before, after = asyncio.run(scenario())

    assert before == after == [("LISTEN quaero_wake_up",)]
