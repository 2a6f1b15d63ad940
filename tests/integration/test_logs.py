"""Log lines: numbered without holes whoever writes, found by page, level, job and text, dropped by day.

On both databases, but for what is said of files or plans; partitions have ``test_log_partitions.py``.
"""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest

from quaero.errors import StoreUnavailable
from quaero.model.log import LogEntry, LogLevel
from quaero.queue.context import StepContext
from quaero.queue.log_collector import LogCollector, LogLimits
from quaero.queue.log_lines import LogGroup, encode
from quaero.storage.logs import SqlLogStore
from quaero.storage.postgres import PostgresDatabase, PostgresReaders
from quaero.storage.postgres_logs import PostgresLogStore
from quaero.storage.sqlite import Connection
from quaero.storage.statements import statements
from tests.postgres import drop_database, fresh_database

DAY = "2026-03-01"
RUN = 1
STEP = StepContext(manager_id=RUN, step_id=2, step_name="read", worker_type="local_dir", definition_id="d", log_day=DAY)
OTHER = msgspec.structs.replace(STEP, step_id=3, step_name="rate", worker_type="agent")
MANAGER = msgspec.structs.replace(STEP, step_id=0, step_name="", worker_type="")


Store = SqlLogStore | PostgresLogStore
DATABASES = ["sqlite", "postgres"]
only_sqlite = pytest.mark.parametrize("logs", ["sqlite"], indirect=True)
only_postgres = pytest.mark.parametrize("logs", ["postgres"], indirect=True)


def at(address: str) -> Store:
    """The store in a folder or on a server."""
    if address.startswith("postgresql:"):
        return PostgresLogStore(PostgresDatabase(address))
    return SqlLogStore(Path(address))


def address_of(store: Store) -> str:
    return str(store.folder) if isinstance(store, SqlLogStore) else store.database.url


@contextmanager
def opened(database: str, folder: Path) -> Iterator[Store]:
    """A store of its own, with nothing in it."""
    store = at(fresh_database() if database == "postgres" else str(folder / "logs"))
    yield store
    store.close()
    if isinstance(store, PostgresLogStore):
        drop_database(address_of(store))


@pytest.fixture(params=DATABASES)
def logs(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    with opened(request.param, tmp_path) as store:
        yield store


def group(step: StepContext, *rows: tuple[int, LogLevel, str], fields: dict[str, Any] | None = None) -> LogGroup:
    """Lines of one step; a row is (job id, level, message)."""
    encoded = [
        encode((job, 1, 1_772_323_200_000_000, level.rank, "worker", "run", m, fields or {})) for job, level, m in rows
    ]
    jobs = [job for job, _, _ in rows]
    return LogGroup(step, encoded, max(level.rank for _, level, _ in rows), min(jobs), max(jobs))


def infos(step: StepContext, count: int, job_id: int = 7, start: int = 0) -> LogGroup:
    return group(step, *((job_id, LogLevel.INFO, f"line {n}") for n in range(start, start + count)))


def read_all(store: Store, page: int = 1_000, **filters: Any) -> list[LogEntry]:
    """All pages, ascending."""
    found: list[LogEntry] = []
    cursor: int | None = 0
    while cursor is not None:
        one = store.query(RUN, day=DAY, after=cursor, limit=page, **filters)
        found += one.items
        cursor = one.next
    return found


def assert_whole(entries: list[LogEntry]) -> None:
    """Numbers of the run and of each of its steps go from 1 up without holes."""
    assert [entry.seq for entry in entries] == list(range(1, len(entries) + 1))
    steps: dict[int | None, list[int]] = {}
    for entry in entries:
        steps.setdefault(entry.step_id, []).append(entry.line)
    for numbers in steps.values():
        assert numbers == list(range(1, len(numbers) + 1))


def test_a_line_reads_back_as_the_contract_shows_it(logs):
    logs.append([group(STEP, (7, LogLevel.WARNING, "page.refused"), fields={"status": 403, "a": [None, "é"]})])

    [entry] = logs.query(RUN, day=DAY).items

    assert (entry.seq, entry.line, entry.level, entry.message) == (1, 1, LogLevel.WARNING, "page.refused")
    assert (entry.manager_id, entry.step_id, entry.job_id, entry.parent_id) == (RUN, 2, 7, 2)
    assert (entry.step_name, entry.worker_type) == ("read", "local_dir")
    assert (entry.originator, entry.phase, entry.attempt) == ("worker", "run", 1)
    assert entry.ts.isoformat() == "2026-03-01T00:00:00+00:00"
    assert entry.fields == {"status": 403, "a": [None, "é"]}


def test_the_store_answers_the_same_as_the_group_that_was_appended(logs):
    groups = [infos(STEP, 3), infos(MANAGER, 2, job_id=RUN), infos(STEP, 700, start=3)]

    last_seqs = logs.append(groups)

    live = [entry for one in groups for entry in one.entries()]
    assert last_seqs == {RUN: 705}
    assert live == read_all(logs)
    assert_whole(live)


def test_manager_lines_are_a_sequence_of_their_own(logs):
    logs.append([infos(STEP, 2), infos(MANAGER, 2, job_id=RUN), infos(OTHER, 1)])

    entries = logs.query(RUN, day=DAY).items

    assert [(e.step_id, e.line) for e in entries] == [(2, 1), (2, 2), (None, 1), (None, 2), (3, 1)]
    assert {e.parent_id for e in entries if e.step_id is None} == {None}


def test_an_append_that_is_repeated_writes_nothing_twice(logs):
    tomorrow = msgspec.structs.replace(STEP, manager_id=9, log_day="2026-03-02")
    groups = [infos(STEP, 2), infos(tomorrow, 3)]
    unblock = block(logs, "2026-03-02")
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            logs.append(groups)

    unblock()
    last_seqs = logs.append(groups)

    assert last_seqs == logs.append(groups) == {RUN: 2, 9: 3}
    assert logs.count(RUN, day=DAY) == 2
    assert logs.count(9, day="2026-03-02") == 3


FULL_DISK = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.day = '{day}' THEN RAISE 'full' USING ERRCODE = 'disk_full'; END IF;
  RETURN NEW;
END
$$;
CREATE TRIGGER refuse BEFORE INSERT ON log_chunks FOR EACH ROW EXECUTE FUNCTION refuse();
"""


def block(store: Store, day: str) -> Callable[[], object]:
    """Lines of this day can't be written until the returned function is called."""
    if isinstance(store, SqlLogStore):
        blocked = store.folder / f"{day}.db"
        blocked.mkdir(parents=True)
        return blocked.rmdir
    run_sql(store, FULL_DISK.format(day=day))
    return lambda: run_sql(store, "DROP TRIGGER refuse ON log_chunks; DROP FUNCTION refuse")


def run_sql(store: PostgresLogStore, sql: str) -> list[tuple[Any, ...]]:
    """As somebody with psql would."""
    with psycopg.connect(address_of(store), autocommit=True) as db:
        cursor = db.execute(sql.encode())
        return cursor.fetchall() if cursor.description else []


def test_pages_ascend_and_descend_over_every_line_once(logs):
    for start in range(0, 1_300, 130):
        logs.append([infos(STEP, 100, start=start), infos(OTHER, 30, start=start)])

    up = read_all(logs, page=77)
    down: list[LogEntry] = []
    cursor: int | None = None
    while True:
        page = logs.query(RUN, day=DAY, before=cursor, limit=77, order="desc")
        down += page.items
        if (cursor := page.next) is None:
            break

    assert_whole(up)
    assert len(up) == 1_300
    assert down == up[::-1]


def test_descending_pages_are_not_shifted_by_new_lines(logs):
    logs.append([infos(STEP, 20)])
    first = logs.query(RUN, day=DAY, limit=8, order="desc")

    logs.append([infos(STEP, 20)])
    second = logs.query(RUN, day=DAY, limit=8, order="desc", before=first.next)

    assert [e.seq for e in first.items + second.items] == list(range(20, 4, -1))


def test_after_and_before_bound_a_page_on_both_sides(logs):
    logs.append([infos(STEP, 1_200)])

    for after, before in [(0, 5), (498, 503), (500, 502), (1_198, 9_999), (1_200, 9_999), (5, 5), (-3, 2)]:
        expected = [n for n in range(1, 1_201) if after < n < before]
        up = logs.query(RUN, day=DAY, after=after, before=before, limit=2_000)
        down = logs.query(RUN, day=DAY, after=after, before=before, limit=2_000, order="desc")
        assert [e.seq for e in up.items] == expected
        assert [e.seq for e in down.items] == expected[::-1]
        assert up.next is None


def test_filters_agree_with_a_filter_in_python(logs):
    rng = random.Random(7)
    words = ["page fetched", 'said "hi"', "C:\\tmp", "Größe", "über\nzwei", "100%", "plain_x"]
    for _ in range(60):
        step = rng.choice([STEP, OTHER, MANAGER])
        rows = [(rng.randint(10, 40), rng.choice(list(LogLevel)), rng.choice(words)) for _ in range(rng.randint(1, 12))]
        logs.append([group(step, *rows, fields={"note": rng.choice(["Quarter", "x\ty"])})])
    everything = read_all(logs)

    for _ in range(200):
        step = rng.choice([None, 0, 2, 3, 99])
        job = rng.choice([None, rng.randint(10, 40)])
        level = rng.choice([None, *LogLevel])
        text = rng.choice([None, "PAGE", '"hi"', "c:\\", "Größe", "\n", "%", "_", "quarter", "zwei"])
        order = rng.choice(["asc", "desc"])
        found = logs.query(RUN, day=DAY, step_id=step, job_id=job, min_level=level, text=text, limit=1_000, order=order)
        expected = [e for e in everything if matches(e, step, job, level, text)]
        assert found.items == (expected if order == "asc" else expected[::-1])
        if text is None:
            assert logs.count(RUN, day=DAY, step_id=step, job_id=job, min_level=level) == len(expected)


def matches(entry: LogEntry, step: int | None, job: int | None, level: LogLevel | None, text: str | None) -> bool:
    shown = entry.message + "\0" + msgspec.json.encode(entry.fields).decode()
    return (
        (step is None or (entry.step_id or 0) == step)
        and (job is None or entry.job_id == job)
        and (level is None or entry.level.rank >= level.rank)
        and (text is None or text.lower() in shown.lower())
    )


def test_runs_do_not_see_each_other(logs):
    second = msgspec.structs.replace(STEP, manager_id=50, step_id=51)

    last_seqs = logs.append([infos(STEP, 3), infos(second, 2)])

    assert last_seqs == {RUN: 3, 50: 2}
    assert [e.seq for e in logs.query(50, day=DAY).items] == [1, 2]
    assert logs.last_seq(RUN, day=DAY) == 3


def test_a_run_without_day_or_lines_is_empty(logs):
    assert logs.query(RUN, day=DAY).items == []
    assert not logs.has_day(DAY)

    logs.append([infos(STEP, 1)])

    assert logs.query(99, day=DAY).items == []
    assert logs.query(RUN, day="2020-01-01").next is None
    assert logs.count(99, day=DAY) == logs.last_seq(RUN, day="2020-01-01") == 0
    assert logs.has_day(DAY)


@pytest.mark.parametrize("day", ["../main", "2026-02-31", "2026-3-1", ""])
def test_a_day_is_a_day_and_no_path(logs, day):
    for ask in (logs.query, logs.count):
        with pytest.raises(ValueError, match="not a day"):
            ask(RUN, day=day)
    with pytest.raises(ValueError, match="not a day"):
        logs.append([infos(on(day, RUN), 1)])


def test_counts_come_from_counter_rows(logs):
    logs.append([infos(STEP, 900), infos(OTHER, 50)])
    logs.query(RUN, day=DAY, limit=1)
    before = logs.statements

    assert logs.count(RUN, day=DAY) == 950
    assert logs.count(RUN, day=DAY, step_id=3) == 50

    assert logs.statements - before == 2


def test_no_statement_runs_per_line(logs):
    collector = LogCollector(limits=LogLimits(buffer_info=100_000))
    log = collector.attempt(7, 1, STEP)
    logs.append([infos(STEP, 1)])
    before = logs.statements

    for n in range(10_000):
        log.info("line", n=n)
    log.close()
    batch = collector.take()
    assert logs.statements == before
    collector.stored(batch, logs.append(batch.groups))

    # SQLite: transaction, counters, chunks. PostgreSQL: the counters of runs and steps, all chunks.
    assert logs.statements - before == (2 + 2 + 10_000 / 500 if isinstance(logs, SqlLogStore) else 3)
    assert logs.count(RUN, day=DAY) == 10_001


@only_sqlite
def test_the_view_for_people_with_sqlite_shows_the_same_lines(logs):
    logs.append([group(STEP, (7, LogLevel.ERROR, "a"), (8, LogLevel.DEBUG, "b"), fields={"n": 1})])

    db = sqlite3.connect(logs.folder / f"{DAY}.db")
    rows = db.execute("SELECT seq, step_id, line, job_id, ts, level, message, fields FROM lines").fetchall()
    db.close()

    assert rows == [
        (1, 2, 1, 7, "2026-03-01T00:00:00.000Z", "error", "a", '{"n":1}'),
        (2, 2, 2, 8, "2026-03-01T00:00:00.000Z", "debug", "b", '{"n":1}'),
    ]


@only_postgres
def test_the_view_for_people_with_psql_shows_the_same_lines(logs):
    logs.append([group(STEP, (7, LogLevel.ERROR, "a"), (8, LogLevel.DEBUG, "b"), fields={"n": 1})])

    rows = run_sql(logs, "SELECT day::text, seq, step_id, line, job_id, ts, level, message, fields FROM log_lines")

    ts = datetime(2026, 3, 1, tzinfo=UTC)
    assert rows == [
        (DAY, 1, 2, 1, 7, ts, "error", "a", {"n": 1}),
        (DAY, 2, 2, 2, 8, ts, "debug", "b", {"n": 1}),
    ]


# Many writers


def test_fifty_threads_write_without_holes(logs):
    steps = [msgspec.structs.replace(STEP, step_id=2 + n) for n in range(5)]

    def work(name: int) -> None:
        for n in range(10):
            logs.append([infos(steps[name % 5], 3, job_id=100 + name, start=n * 3)])

    run_all([lambda name=name: work(name) for name in range(50)])

    entries = read_all(logs)
    assert len(entries) == 50 * 10 * 3
    assert_whole(entries)
    for name in range(50):
        own = [e.message for e in entries if e.job_id == 100 + name]
        assert own == [f"line {n}" for n in range(30)]


WRITER = """
import sys
from tests.integration.test_logs import STEP, OTHER, at, infos
address, name, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
store = at(address)
print("ready", flush=True)
sys.stdin.readline()
for n in range(count):
    store.append([infos(STEP, 2, job_id=name, start=n * 3), infos(OTHER, 1, job_id=name, start=n * 3 + 2)])
    print(n, flush=True)
store.close()
"""


def writer(store: Store, name: int, count: int) -> subprocess.Popen[str]:
    arguments = [sys.executable, "-c", WRITER, address_of(store), str(name), str(count)]
    return subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def start(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def ready(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"


def test_three_processes_write_the_same_run_without_holes(logs):
    processes = [writer(logs, name, 60) for name in (100, 101, 102)]
    for process in processes:
        ready(process)

    for process in processes:
        start(process)
    for process in processes:
        process.communicate(timeout=60)

    assert [process.returncode for process in processes] == [0, 0, 0]
    entries = read_all(logs)
    assert len(entries) == 3 * 60 * 3
    assert_whole(entries)
    for name in (100, 101, 102):
        assert [e.message for e in entries if e.job_id == name] == [f"line {n}" for n in range(180)]


def test_many_stores_may_begin_a_day_at_once_while_others_read_it(logs):
    for n in range(10):
        day = f"2026-04-{n + 1:02}"
        stores = [at(address_of(logs)) for _ in range(4)]
        gate = threading.Barrier(5)

        def begin(store: Store, day: str = day, gate: threading.Barrier = gate) -> None:
            gate.wait(10)
            store.append([infos(on(day, RUN), 1)])

        def read(day: str = day, gate: threading.Barrier = gate) -> None:
            gate.wait(10)
            while logs.last_seq(RUN, day=day) < 4:
                assert len(logs.query(RUN, day=day).items) <= 4

        run_all([*(lambda store=store: begin(store) for store in stores), read])
        for store in stores:
            store.close()

    if isinstance(logs, SqlLogStore):
        assert {path.suffix for path in logs.folder.iterdir()} <= {".db", ".db-shm", ".db-wal"}


def test_killed_writers_leave_no_holes_and_lose_nothing_they_were_told_was_stored(logs):
    rng = random.Random(11)
    told = 0
    for name in range(100, 115):
        process = writer(logs, name, 100_000)
        ready(process)
        start(process)
        assert process.stdout is not None
        for _ in range(rng.randint(1, 25)):
            last = int(process.stdout.readline())
        os.kill(process.pid, signal.SIGKILL)
        rest, _ = process.communicate(timeout=20)
        told += max([last, *(int(line) for line in rest.splitlines() if line)]) + 1

        logs.append([infos(MANAGER, 1, job_id=RUN)])
        assert_whole(read_all(logs))

    written = logs.count(RUN, day=DAY) - 15
    assert 3 * told <= written <= 3 * (told + 15)  # each was killed in at most one append it had not told yet
    assert written % 3 == 0


def test_following_neither_misses_nor_doubles_a_line(logs):
    rng = random.Random(5)
    sizes = [rng.choice([1, 1, 2, 40, 600]) for _ in range(150)]
    logs.append([infos(STEP, 1)])
    total = sum(sizes) + len(sizes) + 1
    seen: list[LogEntry] = []
    of_step: list[LogEntry] = []

    def write() -> None:
        for size in sizes:
            logs.append([infos(OTHER, size), infos(STEP, 1)])

    def follow() -> bool:
        seen.extend(logs.query(RUN, day=DAY, after=seen[-1].seq if seen else 0, limit=70).items)
        after = of_step[-1].seq if of_step else 0
        of_step.extend(logs.query(RUN, day=DAY, step_id=3, after=after, limit=70).items)
        return len(seen) >= total and len(of_step) >= sum(sizes)

    def follow_to_the_end() -> None:
        while not follow():
            pass

    run_all([write, follow_to_the_end])

    assert_whole(seen)
    assert of_step == [entry for entry in seen if entry.step_id == 3]


def run_all(works: list[Callable[[], object]]) -> None:
    """Each in a thread of its own; raises what one of them raised."""
    errors: list[BaseException] = []

    def guarded(work: Callable[[], object]) -> None:
        try:
            work()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(work,), daemon=True) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    if errors:
        raise errors[0]


# Retention


def on(day: str, manager_id: int) -> StepContext:
    return msgspec.structs.replace(STEP, manager_id=manager_id, log_day=day)


def test_old_days_are_dropped_but_for_those_still_needed(logs):
    days = ["2026-02-26", "2026-02-27", "2026-02-28", "2026-03-01"]
    for number, day in enumerate(days, 1):
        logs.append([infos(on(day, number), 500)])
        assert len(logs.query(number, day=day).items) == 200
    size = logs.size_bytes()

    dropped = logs.drop_days_before("2026-03-01", keep={"2026-02-27"})

    assert dropped == ["2026-02-26", "2026-02-28"]
    assert logs.days() == ["2026-02-27", "2026-03-01"]
    if isinstance(logs, SqlLogStore):
        assert not [path for path in logs.folder.iterdir() if path.name.startswith(("2026-02-26", "2026-02-28"))]
    assert logs.query(1, day="2026-02-26").items == []
    assert not logs.has_day("2026-02-26")
    assert logs.count(2, day="2026-02-27") == 500
    assert 0 < logs.size_bytes() < size
    assert logs.drop_days_before("2026-03-01", keep={"2026-02-27"}) == []


@only_sqlite
def test_other_files_in_the_folder_are_left_alone(logs):
    logs.append([infos(STEP, 1)])
    (logs.folder / "notes.db").write_text("mine")
    (logs.folder / f"{DAY}.99-1.new").write_text("a draft that a killed process left")

    logs.drop_days_before("2027-01-01")

    assert [path.name for path in logs.folder.iterdir()] == ["notes.db"]


def test_a_day_dropped_by_another_process_is_seen_as_gone_and_written_anew(logs):
    logs.append([infos(STEP, 5)])
    assert len(logs.query(RUN, day=DAY).items) == 5
    another = at(address_of(logs))
    another.drop_days_before("2027-01-01")
    another.close()

    gone = logs.query(RUN, day=DAY).items
    logs.append([infos(STEP, 2)])

    assert gone == []
    assert [e.seq for e in logs.query(RUN, day=DAY).items] == [1, 2]


@only_sqlite
@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="open files are listed in /proc, which Linux has")
def test_few_days_are_open_at_a_time(logs):
    for number in range(1, 21):
        day = f"2026-01-{number:02}"
        logs.append([infos(on(day, number), 1)])
        assert logs.last_seq(number, day=day) == 1

    links = [path.readlink() for path in Path("/proc/self/fd").iterdir() if path.is_symlink()]
    assert 1 <= len({link for link in links if link.parent == logs.folder and link.suffix == ".db"}) <= 7


# Size


@pytest.fixture(scope="module", params=DATABASES)
def many(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """200,000 lines: one long step with its jobs in order, few warnings, and a short step among them."""
    with opened(request.param, tmp_path_factory.mktemp("many")) as store:
        write_many(store)
        yield store


def write_many(store: Store) -> None:
    job = 1_000
    for batch in range(400):
        level = LogLevel.ERROR if batch % 100 == 50 else LogLevel.INFO
        rows = [(job + n // 5, LogLevel.INFO, f"page.fetched {job + n // 5}") for n in range(497)]
        rows.append((job + 99, level, "page.last"))
        groups = [group(STEP, *rows, fields={"url": "https://example.com/" + "x" * 60})]
        groups.append(infos(OTHER, 2, job_id=5))
        store.append(groups)
        job += 100


def plan(store: SqlLogStore, name: str) -> str:
    db = Connection(store.folder / f"{DAY}.db", read_only=True)
    names = ("manager", "step", "level", "job_from", "job_to", "after", "before", "text", "hint", "limit")
    rows = db.fetch_all("EXPLAIN QUERY PLAN " + statements("sqlite", "logs")[name], dict.fromkeys(names, 1))
    db.close()
    return "\n".join(row[3] for row in rows)


@pytest.mark.parametrize("many", ["sqlite"], indirect=True)
@pytest.mark.parametrize("order", ["asc", "desc"])
def test_pages_are_reached_by_index_and_never_sorted_as_a_whole(many, order):
    run, step = plan(many, f"run_{order}"), plan(many, f"step_{order}")

    assert "SEARCH c USING INDEX chunks_by_run (manager_id=? AND first_seq>? AND first_seq<?)" in run
    assert "SEARCH c USING INDEX chunks_by_step (manager_id=? AND step_id=? AND first_seq>? AND first_seq<?)" in step
    for one in (run, step):
        assert "SCAN c" not in one
        assert "SCAN p" not in one
        assert "TEMP B-TREE FOR LAST TERM OF ORDER BY" in one
        assert one.count("TEMP B-TREE") == 1


@pytest.mark.parametrize(
    "filters",
    [
        {},
        {"order": "desc"},
        {"after": 150_000},
        {"step_id": 2, "after": 150_000},
        {"step_id": 2, "order": "desc", "before": 100_000},
        {"step_id": 3, "limit": 100},
        {"step_id": 2, "job_id": 30_000, "limit": 1_000},
        {"job_id": 30_000, "limit": 1_000},
        {"min_level": LogLevel.ERROR, "limit": 1_000},
        {"step_id": 2, "min_level": LogLevel.ERROR, "limit": 1_000, "order": "desc"},
    ],
    ids=str,
)
def test_a_page_costs_a_small_part_of_reading_everything(many, filters):
    everything = effort(many, text='"nowhere"')

    assert effort(many, **filters) * 20 < everything


def effort(store: Store, **filters: Any) -> int:
    """What a page takes: the same on every computer."""
    return steps_of_sqlite(store, filters) if isinstance(store, SqlLogStore) else lines_taken_apart(store, filters)


def steps_of_sqlite(store: SqlLogStore, filters: dict[str, Any]) -> int:
    """How many hundred steps its machine took."""
    store.query(RUN, day=DAY, limit=1)
    connection = store._readers[-1][1].db._db
    ticks: list[int] = []
    connection.set_progress_handler(lambda: ticks.append(1) is not None, 100)
    try:
        store.query(RUN, day=DAY, **filters)
    finally:
        connection.set_progress_handler(None)
    return len(ticks)


def lines_taken_apart(store: PostgresLogStore, filters: dict[str, Any]) -> int:
    """How many lines came out of chunks before the filters of lines."""
    plan = explain(store, filters)
    return sum(
        round((node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"])
        for node in nodes(plan)
        if node["Node Type"] == "Function Scan"
    )


def explain(store: PostgresLogStore, filters: dict[str, Any]) -> dict[str, Any]:
    """The plan of the page, and how it went."""
    explained: list[dict[str, Any]] = []
    fetch = PostgresReaders.fetch

    def spy(readers: PostgresReaders, sql: str, params: Any) -> Any:
        if not explained:
            explained.append(fetch(readers, f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", params)[0][0][0]["Plan"])
        return fetch(readers, sql, params)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PostgresReaders, "fetch", spy)
        store.query(RUN, day=DAY, **filters)
    return explained[0]


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", ()):
        yield from nodes(part)


def test_everything_is_found_among_many_lines(many):
    job = many.query(RUN, day=DAY, step_id=2, job_id=30_000, limit=1_000).items
    errors = many.query(RUN, day=DAY, min_level=LogLevel.ERROR, limit=1_000).items
    text = many.query(RUN, day=DAY, text="FETCHED 30000", limit=1_000).items

    assert [e.message for e in job] == ["page.fetched 30000"] * 5
    assert [e.message for e in errors] == ["page.last"] * 4
    assert text == job
    assert many.count(RUN, day=DAY) == 200_000
    assert many.count(RUN, day=DAY, min_level=LogLevel.ERROR) == 4
