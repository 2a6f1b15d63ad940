"""Log lines in PostgreSQL: days are made and dropped while others write and read, and nobody waits for long."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import psycopg
import pytest

from quaero.errors import StoreConflict, StoreUnavailable
from quaero.model.log import LogEntry, LogLevel
from quaero.storage.postgres import PostgresDatabase, Server
from quaero.storage.postgres_logs import PostgresLogStore
from tests.integration.test_logs import (
    DAY,
    OTHER,
    RUN,
    STEP,
    address_of,
    assert_whole,
    explain,
    infos,
    nodes,
    on,
    opened,
    run_all,
    run_sql,
    write_many,
)
from tests.waiting import wait_until

OLD = "2026-02-01"
OLD_CHUNKS = "log_chunks_2026_02_01"


@pytest.fixture
def logs(tmp_path) -> Iterator[PostgresLogStore]:
    with opened("postgres", tmp_path) as store:
        assert isinstance(store, PostgresLogStore)
        yield store


@pytest.fixture
def conflicts(monkeypatch: pytest.MonkeyPatch) -> list[Exception]:
    """Deadlocks and locks that were not granted in time, of any store."""
    seen: list[Exception] = []
    translation = Server.translation

    def spy(server: Server, error: psycopg.Error) -> Exception:
        translated = translation(server, error)
        if isinstance(translated, StoreConflict):
            seen.append(translated)
        return translated

    monkeypatch.setattr(Server, "translation", spy)
    return seen


@contextmanager
def several(logs: PostgresLogStore, count: int) -> Iterator[list[PostgresLogStore]]:
    """As many nodes."""
    stores = [PostgresLogStore(PostgresDatabase(address_of(logs))) for _ in range(count)]
    yield stores
    for store in stores:
        store.close()


@contextmanager
def holding(logs: PostgresLogStore, sql: str) -> Iterator[psycopg.Connection[Any]]:
    """Somebody's transaction that has run this, and does not end."""
    with psycopg.connect(address_of(logs)) as db:
        db.execute(sql.encode())
        yield db
        db.rollback()


def tables(logs: PostgresLogStore) -> list[str]:
    return [row[0] for row in run_sql(logs, "SELECT part::text FROM log_day_tables ORDER BY 1")]


def entries(logs: PostgresLogStore, manager_id: int = RUN, day: str = DAY) -> list[LogEntry]:
    return logs.query(manager_id, day=day, limit=10_000).items


# Making


def test_a_day_is_made_once_whoever_writes_its_first_line(logs, conflicts):
    days = [f"2026-04-{n:02}" for n in range(1, 13)]
    with several(logs, 4) as stores:
        gate = threading.Barrier(4)

        def begin(store: PostgresLogStore) -> None:
            for day in days:
                gate.wait(20)
                store.append([infos(on(day, RUN), 2), infos(on(day, 9), 1)])

        run_all([lambda store=store: begin(store) for store in stores])

    assert logs.days() == days
    assert len(tables(logs)) == 3 * len(days)
    for day in days:
        assert_whole(entries(logs, day=day))
        assert logs.count(RUN, day=day) == 8
    assert conflicts == []


def test_several_days_of_one_append_are_made_in_one_order(logs, conflicts):
    days = [f"2026-04-{n:02}" for n in range(1, 21)]
    with several(logs, 2) as (one, other):
        gate = threading.Barrier(2)

        def begin(store: PostgresLogStore, order: list[str]) -> None:
            gate.wait(20)
            store.append([infos(on(day, RUN), 1) for day in order])

        run_all([lambda: begin(one, days), lambda: begin(other, days[::-1])])

    assert [logs.count(RUN, day=day) for day in days] == [2] * len(days)
    assert conflicts == []


def test_a_day_is_made_while_others_are_in_the_middle_of_writing_and_reading(logs, conflicts):
    logs.append([infos(STEP, 3)])
    busy = f"""
        SELECT FROM log_lines;
        UPDATE log_runs SET last_seq = last_seq;
        INSERT INTO log_steps VALUES ('{DAY}', 5, 5, '', '', 1)
    """

    with holding(logs, busy):
        logs.append([infos(on("2026-03-02", 9), 1)])

    assert logs.days() == [DAY, "2026-03-02"]
    assert conflicts == []


def test_nobody_waits_for_a_day_that_is_being_made(logs, conflicts):
    logs.append([infos(STEP, 3)])

    with holding(logs, "SELECT make_log_day('2026-03-02')"):
        logs.append([infos(STEP, 3)])
        assert len(entries(logs)) == 6

    assert logs.days() == [DAY]
    assert conflicts == []


# Writing


def test_two_nodes_write_the_same_runs_and_steps_in_any_order(logs, conflicts):
    rng = random.Random(3)
    steps = [
        msgspec.structs.replace(STEP, manager_id=run, step_id=run * 10 + n) for run in (1, 2, 3, 4) for n in range(4)
    ]

    def work(store: PostgresLogStore, rng: random.Random) -> None:
        for _ in range(120):
            store.append([infos(step, rng.randint(1, 3)) for step in rng.sample(steps, rng.randint(2, 16))])

    with several(logs, 3) as stores:
        seeds = [random.Random(rng.random()) for _ in stores]
        run_all([lambda one=one: work(*one) for one in zip(stores, seeds, strict=True)])

    for run in (1, 2, 3, 4):
        assert_whole(entries(logs, run))
    assert conflicts == []


def test_counters_are_changed_within_their_page(logs):
    for _ in range(200):
        logs.append([infos(STEP, 1), infos(OTHER, 1)])
    logs.close()  # its server process tells its statistics at the latest when it ends

    changes = "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname ~ '^log_(runs|steps)_2026'"
    wait_until(lambda: sorted(run_sql(logs, changes)) == [(199, 199), (398, 398)])


LOSE_CONNECTION = """
CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW; END
$$;
CREATE TRIGGER lose BEFORE INSERT ON log_chunks FOR EACH ROW EXECUTE FUNCTION lose();
"""


def test_a_connection_lost_in_the_middle_leaves_nothing(logs):
    logs.append([infos(STEP, 3)])
    run_sql(logs, LOSE_CONNECTION)
    groups = [infos(STEP, 2), infos(OTHER, 1)]
    with pytest.raises(StoreUnavailable):
        logs.append(groups)
    run_sql(logs, "DROP TRIGGER lose ON log_chunks")

    assert logs.append(groups) == {RUN: 6}

    assert_whole(entries(logs))
    assert logs.count(RUN, day=DAY) == 6


def test_what_a_text_of_the_server_cannot_hold_is_replaced(logs):
    one = infos(STEP, 1)
    one.rows[0] = one.rows[0].replace(b"line 0", rb"a\u0000b\\u0000")

    logs.append([one])

    assert [entry.message for entry in entries(logs)] == ["a\ufffdb\\u0000"]


# Reading


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresLogStore]:
    with opened("postgres", tmp_path_factory.mktemp("many")) as store:
        assert isinstance(store, PostgresLogStore)
        for day in ("2026-02-27", "2026-02-28", "2026-03-02"):
            store.append([infos(on(day, RUN), 10)])
        write_many(store)
        yield store


@pytest.mark.parametrize("is_analyzed", [False, True])
@pytest.mark.parametrize(
    "filters",
    [
        {},
        {"order": "desc"},
        {"after": 100_000},
        {"step_id": 3},
        {"step_id": 2, "before": 100_000, "order": "desc"},
        {"job_id": 30_000},
        {"min_level": LogLevel.ERROR, "step_id": 2},
        {"text": "nowhere"},
    ],
    ids=str,
)
def test_a_page_reads_one_partition_by_index_and_sorts_a_chunk_at_a_time(many, filters, is_analyzed):
    if is_analyzed:
        run_sql(many, "ANALYZE log_chunks")

    plan = list(nodes(explain(many, filters)))

    assert {node["Relation Name"] for node in plan if "Relation Name" in node} == {"log_chunks_2026_03_01"}
    kinds = {node["Node Type"] for node in plan}
    assert kinds <= {"Limit", "Incremental Sort", "Nested Loop", "Index Scan", "Index Only Scan", "Function Scan"} | {
        "Subquery Scan"
    }
    assert {"Incremental Sort", "Index Scan"} <= kinds


@pytest.mark.parametrize("name", ["last_seq", "last_line", "steps", "count_run", "count_step"])
def test_everything_else_that_is_read_touches_one_partition(many, name):
    params = {"day": DAY, "manager": RUN, "step": 2, "level": 2, "job_from": 0, "job_to": 2**62}

    [[[explained]]] = many._readers.get().fetch_all(f"EXPLAIN (FORMAT JSON) {many._sql[name]}", params)

    read = {node["Relation Name"] for node in nodes(explained["Plan"]) if "Relation Name" in node}
    assert len(read) == 1
    assert read.pop().endswith("_2026_03_01")


# Dropping


def test_days_are_dropped_while_others_write_and_read(logs, conflicts):
    """The drop of a day that is being written may only cost its writer another attempt."""
    ended = threading.Event()
    written = 0
    seen: list[LogEntry] = []
    dropped: list[str] = []

    with several(logs, 4) as (today, late, reader, dropper):
        today.append([infos(STEP, 1)])

        def write_today() -> None:
            nonlocal written
            while not ended.is_set():
                today.append([infos(STEP, 3), infos(OTHER, 1)])
                written += 4

        def write_old() -> None:
            for n in range(60):
                late.append([infos(on(f"2026-02-{n % 5 + 1:02}", RUN), 2), infos(on(OLD, 9), 1)])

        def read() -> None:
            while not ended.is_set():
                seen.extend(reader.query(RUN, day=DAY, after=seen[-1].seq if seen else 0, limit=500).items)
                assert reader.last_seq(RUN, day=DAY) >= len(seen)
                assert len(reader.query(RUN, day=OLD).items) <= 500
                assert reader.size_bytes() > 0
                reader.has_day(OLD)

        def drop() -> None:
            while not ended.wait(0.05):
                dropped.extend(dropper.drop_days_before("2026-03-01", keep={"2026-02-05"}))

        def to_the_end(work: Callable[[], object]) -> None:
            try:
                work()
            finally:
                ended.set()

        run_all([lambda work=work: to_the_end(work) for work in (write_today, write_old, read, drop)])

        dropper.drop_days_before("2026-03-01", keep={"2026-02-05"})
        assert dropper.days() == ["2026-02-05", DAY]
        assert len(dropped) > 5
        assert today.count(RUN, day=DAY) == written + 1
        assert late.count(RUN, day="2026-02-05") == 24
        assert_whole(entries(logs, day="2026-02-05"))
        assert_whole(seen)
    assert conflicts == []


def test_several_nodes_may_drop_at_once(logs, conflicts):
    days = [f"2026-02-{n:02}" for n in range(1, 9)]
    logs.append([infos(on(day, RUN), 1) for day in days])
    with several(logs, 3) as stores:
        run_all([lambda store=store: store.drop_days_before(DAY) for store in stores])

    assert tables(logs) == []
    assert conflicts == []


def test_a_day_that_somebody_holds_on_to_is_dropped_the_next_time(logs):
    logs.append([infos(on(OLD, RUN), 3), infos(on("2026-02-02", RUN), 3), infos(STEP, 3)])

    with holding(logs, "SELECT FROM log_chunks"):
        waited: list[float] = []
        dropped: list[str] = []

        def work() -> None:
            for _ in range(30):
                began = time.monotonic()
                logs.append([infos(STEP, 1)])
                logs.query(RUN, day=DAY)
                waited.append(time.monotonic() - began)
                time.sleep(0.05)

        def drop() -> None:
            dropped.extend(another.drop_days_before(DAY))

        with several(logs, 1) as [another]:
            run_all([work, drop])
        assert dropped == []
        assert max(waited) < 1.0
        assert logs.query(RUN, day=OLD).items == []

    assert logs.drop_days_before(DAY) == [OLD, "2026-02-02"]
    assert logs.days() == [DAY]


DETACH = "ALTER TABLE log_{0} DETACH PARTITION log_{0}_2026_02_01"
INTERRUPTED = {
    "before anything": [],
    "chunks detached": [DETACH.format("chunks")],
    "chunks dropped": [f"DROP TABLE {OLD_CHUNKS}"],
    "runs detached": [f"DROP TABLE {OLD_CHUNKS}", DETACH.format("runs")],
    "runs dropped": [f"DROP TABLE {OLD_CHUNKS}", "DROP TABLE log_runs_2026_02_01"],
    "steps detached": [f"DROP TABLE {OLD_CHUNKS}", "DROP TABLE log_runs_2026_02_01", DETACH.format("steps")],
    "chunks half detached": None,
}


def interrupt(logs: PostgresLogStore, commands: list[str] | None) -> None:
    """What a process leaves that is killed while it drops a day."""
    for command in commands or []:
        run_sql(logs, command)
    if commands is None:
        with holding(logs, "SELECT FROM log_chunks"), psycopg.connect(address_of(logs), autocommit=True) as db:
            db.execute("SET lock_timeout = '100ms'")
            with pytest.raises(psycopg.errors.LockNotAvailable):
                db.execute(DETACH.format("chunks").encode() + b" CONCURRENTLY")


@pytest.mark.parametrize("commands", INTERRUPTED.values(), ids=INTERRUPTED)
def test_an_interrupted_drop_is_finished_the_next_time(logs, commands):
    logs.append([infos(on(OLD, RUN), 3), infos(on("2026-01-01", RUN), 3), infos(STEP, 3)])
    interrupt(logs, commands)
    assert logs.days() == ["2026-01-01", OLD, DAY]

    dropped = logs.drop_days_before(DAY)

    assert dropped == ["2026-01-01", OLD]
    assert len(tables(logs)) == 3


@pytest.mark.parametrize("commands", INTERRUPTED.values(), ids=INTERRUPTED)
def test_a_day_whose_drop_was_interrupted_can_be_written_anew(logs, commands):
    logs.append([infos(on(OLD, RUN), 3)])
    interrupt(logs, commands)

    for store in (logs, PostgresLogStore(PostgresDatabase(address_of(logs)))):
        last = logs.last_seq(RUN, day=OLD)
        assert store.append([infos(on(OLD, RUN), 2)])[RUN] == last + 2
        assert [entry.seq for entry in entries(logs, day=OLD)][-2:] == [last + 1, last + 2]
    store.close()
    assert logs.drop_days_before(DAY) == [OLD]
    assert tables(logs) == []


def test_other_tables_are_left_alone(logs):
    logs.append([infos(on(OLD, RUN), 1)])
    run_sql(logs, "CREATE TABLE log_runs_mine (n int); CREATE TABLE log_chunks_2026_02_01_copy (n int)")

    assert logs.drop_days_before("2027-01-01") == [OLD]

    found = run_sql(logs, "SELECT relname FROM pg_class WHERE relname ~ '^log.*(mine|copy)$' ORDER BY 1")
    assert [row[0] for row in found] == ["log_chunks_2026_02_01_copy", "log_runs_mine"]


def test_an_append_that_others_keep_in_the_way_of_says_so(logs):
    logs.append([infos(STEP, 1)])
    with several(logs, 1) as [slow]:
        slow._db.script("SET lock_timeout = '50ms'")
        slow._known.add(DAY)
        groups = [infos(STEP, 2)]
        with (
            holding(logs, "UPDATE log_runs SET last_seq = last_seq"),
            pytest.raises(StoreUnavailable, match="in the way"),
        ):
            slow.append(groups)

        assert slow.append(groups) == {RUN: 3}
