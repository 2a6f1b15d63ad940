"""Schemas come up with live data in them, one step after the other; what a program must not touch it refuses."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import psycopg
import pytest

from quaero import JobContext, JobOutcome, Worker, draft
from quaero.app import App, open_database
from quaero.cli.main import called
from quaero.config import PostgresServer, SqliteFile, load
from quaero.errors import StoreUnavailable
from quaero.model.status import JobStatus
from quaero.storage.migrate import migrate, migrations
from tests.engine_runs import Config, Payload, plan, probe, start
from tests.postgres import empty_database
from tests.waiting import wait_until

BACKENDS = ["sqlite", "postgres"]
JOBS = 30
NOT_COPIED = {"migrations", "locks"}
"""Filled by the steps themselves."""


@pytest.fixture(params=BACKENDS)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Place:
    for name in os.environ:
        if name.upper().startswith("QUAERO_"):
            monkeypatch.delenv(name)
    return Place(tmp_path / "installation", request.param)


class Place:
    """An installation: a data folder, and maybe a database on the server."""

    def __init__(self, folder: Path, backend: str) -> None:
        folder.mkdir()
        self.folder = folder
        self.backend = backend
        if backend == "postgres":
            (folder / "quaero.toml").write_text(f'database = "{empty_database()}"\n')
        self.config = load(folder)
        self.database = open_database(self.config)
        self.newest = migrations(backend, "main")[-1].number

    def bring_up(self, until: int | None = None) -> int:
        with closing(self.database.connect()) as db:
            return migrate(db, "main", until=until)

    def execute(self, sql: str) -> list[Any]:
        if isinstance(self.config.database, PostgresServer):
            with psycopg.connect(self.config.database.url, autocommit=True) as db:
                cursor = db.execute(sql)
                return cursor.fetchall() if cursor.description else []
        with closing(_sqlite(self)) as db:
            return db.execute(sql).fetchall()

    def command(self, *arguments: str) -> tuple[int, str, str]:
        """(exit code, standard output, standard error) of ``quaero``."""
        out, err = StringIO(), StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            code = called(["--data", str(self.folder), *arguments])
        return code, out.getvalue(), err.getvalue()

    def fill_from(self, other: Place) -> None:
        """With all rows of ``other``, in the columns that there are here."""
        if isinstance(self.config.database, SqliteFile):
            _fill_file(self, other)
        else:
            _fill_server(self, other)


def _sqlite(place: Place) -> sqlite3.Connection:
    assert isinstance(place.config.database, SqliteFile)
    return sqlite3.connect(place.config.database.path, isolation_level=None)


def _fill_file(place: Place, other: Place) -> None:
    def columns(schema: str, table: str) -> list[str]:
        return [row[1] for row in db.execute(f"PRAGMA {schema}.table_info({table})")]

    with closing(_sqlite(place)) as db:
        assert isinstance(other.config.database, SqliteFile)
        db.execute("ATTACH ? AS other", (str(other.config.database.path),))
        rows = db.execute("SELECT name FROM main.sqlite_schema WHERE type = 'table' AND sql NOT LIKE '%fts%'")
        for (table,) in rows.fetchall():
            shared = [name for name in columns("main", table) if name in columns("other", table)]
            if shared and table not in NOT_COPIED and not table.startswith("documents_fts"):
                listed = ", ".join(shared)
                db.execute(f"DELETE FROM main.{table}")
                db.execute(f"INSERT INTO main.{table} ({listed}) SELECT {listed} FROM other.{table}")
        db.execute("INSERT INTO documents_fts (documents_fts) VALUES ('rebuild')")
    shutil.copytree(other.folder / "logs", place.folder / "logs")


def _fill_server(place: Place, other: Place) -> None:
    listing = """
    SELECT c.relname, array_agg(a.attname::text) FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
     WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
       AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' GROUP BY 1
    """
    here, there = dict(place.execute(listing)), dict(other.execute(listing))
    for (day,) in other.execute("SELECT DISTINCT day FROM log_runs"):
        place.execute(f"SELECT make_log_day('{day}')")
    with psycopg.connect(other.database.url) as source, psycopg.connect(place.database.url) as target:
        for table in here.keys() & there.keys() - NOT_COPIED:
            listed = ", ".join(name for name in here[table] if name in there[table])
            target.execute(f"DELETE FROM {table}")
            given = source.cursor().copy(f"COPY (SELECT {listed} FROM {table}) TO STDOUT")
            with given as rows, target.cursor().copy(f"COPY {table} ({listed}) FROM STDIN") as into:
                for row in rows:
                    into.write(row)
        target.execute("SELECT setval('job_numbers', max(id)) FROM jobs")
        target.execute("SELECT setval(pg_get_serial_sequence('processes', 'id'), max(id)) FROM processes")


class Bench:
    """Jobs from ``gate`` on wait until they are stopped."""

    def __init__(self) -> None:
        self.gate = 10**9

    async def execute(self, job: JobContext, payload: Payload) -> JobOutcome:
        if payload.number >= self.gate:
            await asyncio.Event().wait()
        job.log.info("probe.worked")
        return JobOutcome(documents=[draft("probe", f"{payload.number}", title="Pears", content="apples")])


def opened(place: Place, bench: Bench) -> Any:
    app = App(place.config)
    app.workers.add(Worker("probe", Config, Payload, plan, bench.execute))
    return closing(app)


async def fill_while_it_runs(app: App, old: Place, current: Place) -> int:
    """Half of a run is done, the other half is held by a process: so it is copied. The run."""
    engine = app.engine()
    await engine.start()
    run_id = await start(app, engine, probe(JOBS))
    step = lambda: app.store.steps(run_id)[0]  # noqa: E731 - asked again and again
    await asyncio.to_thread(wait_until, lambda: (step().completed, step().running) == (JOBS // 2, JOBS // 2))
    await asyncio.to_thread(old.fill_from, current)
    await engine.stop(drain_s=0)
    return run_id


def test_a_run_that_was_under_way_before_an_upgrade_is_finished_behind_it(place, tmp_path):
    """The last step only: whoever adds one has the upgrade to it tested here."""
    current, bench = Place(tmp_path / "current", place.backend), Bench()
    place.bring_up(until=place.newest - 1)
    bench.gate = JOBS // 2
    with opened(current, bench) as app:
        run_id = asyncio.run(fill_while_it_runs(app, place, current))
    place.execute("UPDATE processes SET lease_until = 0")

    if place.backend == "postgres":
        with pytest.raises(StoreUnavailable, match=r"older than this program's .* then run: quaero migrate"):
            App(place.config)
        assert place.command("migrate")[0] == 0
    with opened(place, Bench()) as app:
        held = app.store.steps(run_id)[0].running

        async def finish() -> None:
            engine = app.engine()
            await engine.start()
            async with asyncio.timeout(30):
                await engine.finished(run_id)
            await engine.stop()

        asyncio.run(finish())
        [step], run = app.store.steps(run_id), app.store.get_job(run_id)
        drifting = app.store.drifting(0, 1000)[0]
        lines = app.logs.query(run_id, day=app.store.run(run_id).log_day, limit=1000).items
        found = app.documents.search("apples", limit=100)

    assert held == JOBS // 2
    assert (run.status, step.completed, step.open) == (JobStatus.COMPLETED, JOBS, 0)
    assert drifting == []
    assert [line.seq for line in lines] == list(range(1, len(lines) + 1))
    assert len(found) == JOBS
    assert place.execute("SELECT max(number) FROM migrations") == [(place.newest,)]


def test_every_step_can_be_taken_alone(place):
    taken = [place.bring_up(until=step.number) for step in migrations(place.backend, "main")]

    assert set(taken) == {1}
    assert place.bring_up() == 0


def test_of_many_processes_that_start_at_once_one_fills_the_database(place):
    with ThreadPoolExecutor(6) as pool:
        taken = list(pool.map(lambda _: place.bring_up(), range(6)))

    assert sorted(taken) == [0] * 5 + [place.newest]


def test_a_database_of_a_newer_program_is_refused(place):
    place.bring_up()
    place.execute("INSERT INTO migrations (number, name, checksum, applied_at) VALUES (999, 'x', 'x', '2030-01-01')")

    with pytest.raises(StoreUnavailable, match=r"written by a newer Quaero \(schema 999\); upgrade this one"):
        App(place.config)
    for arguments in (("migrate",), ("migrate", "--check"), ("jobs", "list")):
        code, _, err = place.command(*arguments)
        assert code == 1
        assert "written by a newer Quaero" in err


def test_a_step_that_was_changed_since_it_ran_is_refused(place):
    place.bring_up()
    place.execute("UPDATE migrations SET checksum = 'another' WHERE number = 2")

    code, _, err = place.command("migrate", "--check")

    assert code == 1
    assert "schema step 0002 differs from this program's; use the Quaero that wrote it" in err
    with pytest.raises(StoreUnavailable, match="step 0002"):
        App(place.config)


def test_check_tells_what_is_missing_and_changes_nothing(place):
    names = [f"{step.number:04}_{step.name}" for step in migrations(place.backend, "main")]
    empty = place.command("migrate", "--check", "--json")
    place.bring_up(until=1)
    older = place.command("migrate", "--check", "--json")
    again = place.command("migrate", "--check")
    done = place.command("migrate", "--json")
    current = place.command("migrate", "--check", "--json")

    assert [code for code, _, _ in (empty, older, again, done, current)] == [1, 1, 1, 0, 0]
    reports = [json.loads(out) for _, out, _ in (empty, older, done, current)]
    assert [report["found"] for report in reports] == [0, 1, place.newest, place.newest]
    assert [report["missing"] for report in reports] == [names, names[1:], [], []]
    assert [report["applied"] for report in reports] == [[], [], names[1:], []]
    assert {report["newest"] for report in reports} == {place.newest}
    assert reports[0]["database"] == str(place.config.database)
    assert "schema 1 of" in again[2]
    assert names[-1] in again[2]
    assert "run: quaero migrate" in again[2]


def test_a_file_that_is_not_there_is_not_made_by_a_check(tmp_path, monkeypatch):
    monkeypatch.delenv("QUAERO_DATABASE", raising=False)
    place = Place(tmp_path / "installation", "sqlite")

    code, _, err = place.command("migrate", "--check")

    assert code == 1
    assert "schema 0 of" in err
    assert list(place.folder.iterdir()) == []


def test_a_server_is_not_changed_while_nodes_work_on_it(tmp_path, monkeypatch):
    monkeypatch.delenv("QUAERO_DATABASE", raising=False)
    place = Place(tmp_path / "installation", "postgres")
    place.bring_up(until=place.newest - 1)
    place.execute(
        "INSERT INTO processes (host, boot_id, pid_space, pid, version, slots, capabilities, lease_until, started_at)"
        " VALUES ('far', 'b', 'p', 4711, '0.9', 1, '', extract(epoch FROM now() + interval '20 s') * 1000000, 0),"
        " ('gone', 'b', 'p', 4712, '0.9', 1, '', 0, 0)"
    )

    refused = place.command("migrate")
    forced = place.command("migrate", "--force")

    assert refused[0] == 2
    assert "nodes work on this database: process 1 on far, pid 4711, Quaero 0.9; stop them first" in refused[2]
    assert "4712" not in refused[2]
    assert forced[0] == 0
    assert place.execute("SELECT max(number) FROM migrations") == [(place.newest,)]
