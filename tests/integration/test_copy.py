"""A copy from SQLite to PostgreSQL holds all that was there, and what was not over goes on there."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from msgspec import structs

from quaero import BadData, JobContext, JobOutcome, Worker, draft
from quaero.app import App, ThisHost, open_server
from quaero.config import Config as Settings
from quaero.config import PostgresServer, SqliteFile, load
from quaero.errors import Refused, StoreUnavailable
from quaero.model.document import DocumentQuery
from quaero.model.status import JobStatus
from quaero.ports.jobs import State
from quaero.storage import copy_store as module
from quaero.storage.copy_store import Summary, copy_store
from quaero.storage.sqlite import SqliteDatabase
from tests.engine_runs import Config, Payload, plan, probe, run_to_end, start
from tests.postgres import empty_database, fresh_database
from tests.waiting import wait_until

JOBS = 40
NUL = "a\0b"


class Bench:
    """A worker whose jobs from ``gate`` on wait until they are let go."""

    def __init__(self) -> None:
        self.gate = 10**9

    async def execute(self, job: JobContext, payload: Payload) -> JobOutcome:
        if payload.number >= self.gate:
            await asyncio.Event().wait()
        job.log.info("probe.worked", number=payload.number, text=NUL)
        if payload.number == 3:
            raise BadData("not this one")
        made = draft(
            "probe",
            f"number-{payload.number}",
            title=f"Number {payload.number}",
            content=f"apples and pears, {payload.number} of them \\u0000 {NUL}",
            tags=("fruit", f"n{payload.number % 3}"),
            metadata={"number": payload.number, "nul": NUL},
        )
        return JobOutcome(documents=[made])


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    for name in os.environ:
        if name.upper().startswith("QUAERO_"):
            monkeypatch.delenv(name)


def opened(config: Settings, bench: Bench) -> Any:
    app = App(config)
    app.workers.add(Worker("probe", Config, Payload, plan, bench.execute))
    return closing(app)


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder: a run that ended, with documents, a failure, a log; keys; an open run whose process is gone."""
    folder = tmp_path_factory.mktemp("installation")
    bench = Bench()
    with opened(load(folder / "first"), bench) as app:
        app.keys.set("token", "s3cret")
        app.keys.set("site", "example.org", secret=False)
        run_to_end(app, probe(JOBS))
        run_to_end(app, probe(JOBS))  # every document is seen again
        bench.gate = JOBS // 2
        asyncio.run(_snapshot_of_an_open_run(app, bench, folder / "left"))
    return folder / "left"


async def _snapshot_of_an_open_run(app: App, bench: Bench, folder: Path) -> None:
    """Half done; as the folder would be if the process were killed now."""
    engine = app.engine()
    await engine.start()
    run_id = await start(app, engine, probe(JOBS))
    await asyncio.to_thread(wait_until, lambda: app.store.steps(run_id)[0].running == JOBS // 2)
    await asyncio.to_thread(wait_until, lambda: app.store.steps(run_id)[0].completed == JOBS // 2 - 1)
    (folder / "logs").mkdir(parents=True)
    for path in (app.config.data / "quaero.db", *(app.config.data / "logs").glob("*.db")):
        copy = folder / path.relative_to(app.config.data)
        with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(copy)) as target:
            source.backup(target)
    shutil.copy(app.config.data / "secret.key", folder)
    with closing(sqlite3.connect(folder / "quaero.db")) as db:
        db.execute("UPDATE processes SET boot_id = 'another boot'")
        db.commit()
    await engine.stop(drain_s=0)


def copied(folder: Path, url: str, **options: Any) -> Summary:
    target = open_server(PostgresServer(url, "target"), load(folder))
    is_dead = ThisHost(is_alone=True).is_dead
    options = {"is_dead": is_dead, "progress": lambda *args: None} | options
    return copy_store(SqliteDatabase(folder / "quaero.db"), folder / "logs", target, **options)


@pytest.fixture(scope="module")
def copy(installation: Path) -> tuple[str, Summary, list[Any]]:
    """(URL, summary, what was told on the way)"""
    url, told = empty_database(), []
    return url, copied(installation, url, progress=lambda *args: told.append(args)), told


@pytest.fixture
def both(installation: Path, copy: Any) -> Iterator[tuple[App, App]]:
    """The installation, and what has become of it."""
    config = load(installation)
    moved = replace(config, database=PostgresServer(copy[0], "target"))
    with opened(config, Bench()) as before, opened(moved, Bench()) as after:
        yield before, after


def everything(app: App) -> Iterator[Any]:
    for run in app.store.list_runs(limit=100):
        yield run
        for step in app.store.list_children(run.id, limit=100):
            yield step
            for job in app.store.list_children(step.id, limit=1000):
                yield job
                yield app.store.attempts(job.id)
        yield app.store.error_families(run.id, 10)
        yield app.logs.query(run.id, day=app.store.run(run.id).log_day, limit=1000)
    documents, _ = app.documents.list_documents(DocumentQuery(), limit=1000)
    for document in documents:
        yield app.documents.get_document(document.id)
        yield app.documents.lineage(document.id)
        yield app.documents.revisions(document.id)
        yield app.documents.uses(document.id)
    yield app.documents.facets()
    yield {hit.document_id for hit in app.documents.search("apples pears", limit=100)}
    yield {name: app.keys.get(name) for name in app.keys.names()}


def test_everything_reads_the_same_but_for_nuls(both):
    before, after = both

    here = [repr(one).replace("\\x00", "\ufffd") for one in everything(before)]
    there = [repr(one) for one in everything(after)]

    assert len(here) > 5 * JOBS
    for one, other in zip(here, there, strict=True):
        assert one == other


def test_a_text_that_only_looks_like_a_nul_is_kept(both):
    _, after = both

    document = after.documents.find_document("probe", "number-0")

    assert document is not None
    assert "\\u0000 a\ufffdb" in document.content
    assert document.metadata["nul"] == "a\ufffdb"


def test_the_summary_counts_what_there_is(installation, copy):
    url, summary, told = copy

    with psycopg.connect(url) as db:
        for table, count in summary.tables.items():
            assert db.execute(f"SELECT count(*) FROM {table}").fetchone() == (count,), table
    assert summary.tables["runs"] == 3
    assert summary.tables["documents"] == summary.tables["document_index"] == JOBS - 1
    assert summary.tables["jobs"] == 3 * (JOBS + 2)
    assert summary.tables["keys"] == 2
    assert summary.log_lines > 2 * JOBS
    assert len(summary.open_runs) == 1
    assert summary.source == str(installation / "quaero.db")
    assert ("jobs", summary.tables["jobs"], summary.tables["jobs"]) in told
    assert {what for what, _, _ in told} == summary.tables.keys()


def test_no_table_of_either_database_is_forgotten(installation, copy):
    with closing(sqlite3.connect(installation / "quaero.db")) as db:
        here = {row[0] for row in db.execute(module._TABLES)}
    with psycopg.connect(copy[0]) as db:
        rows = db.execute(
            "SELECT relname FROM pg_class"
            " WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition"
        )
        there = {row[0] for row in rows}

    copied = copy[1].tables.keys()
    assert here - copied == module.LEFT_OUT
    # Filled by migrations, and the last number of a document, which is set.
    assert there - copied == {"migrations", "locks", "turns", "document_numbers"}


def test_a_run_that_was_not_over_is_finished_over_there(installation):
    url = empty_database()
    [run_id] = copied(installation, url).open_runs
    config = replace(load(installation), database=PostgresServer(url, "target"))

    async def finish(app: App) -> int:
        engine = app.engine()
        await engine.start()
        async with asyncio.timeout(30):
            await engine.finished(run_id)
        later = await start(app, engine, structs.replace(probe(2), id="later"))
        async with asyncio.timeout(30):
            await engine.finished(later)
        await engine.stop()
        return later

    with opened(config, Bench()) as app:
        held = app.store.steps(run_id)[0].running
        later = asyncio.run(finish(app))
        run, [step] = app.store.get_job(run_id), app.store.steps(run_id)
        drifting = app.store.drifting(0, 1000)[0]
        lines = app.logs.query(run_id, day=app.store.run(run_id).log_day, limit=1000).items
        found = app.documents.search("pears", limit=100)

    assert held == JOBS // 2
    assert run.status is JobStatus.COMPLETED
    assert (step.completed, step.failed, step.open) == (JOBS - 1, 1, 0)
    assert drifting == []
    assert [line.seq for line in lines] == list(range(1, len(lines) + 1))
    assert sum(line.message == "probe.worked" for line in lines) >= JOBS
    assert len(found) == JOBS - 1
    assert later > 3 * (JOBS + 2)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    with opened(load(tmp_path), Bench()) as app:
        run_to_end(app, probe(2))
    return tmp_path


def tables(url: str) -> dict[str, int]:
    with psycopg.connect(url) as db:
        return {
            name: db.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in ("jobs", "log_chunks", "keys")
        }


def test_a_target_that_holds_something_is_refused(small):
    url = empty_database()
    copied(small, url)
    before = tables(url)

    with pytest.raises(Refused, match=r"is not empty \(table jobs has rows\); copy into a new database: createdb"):
        copied(small, url)

    assert tables(url) == before


def test_a_target_at_work_is_refused(small):
    url = fresh_database()
    with opened(replace(load(small), database=PostgresServer(url, "target")), Bench()) as app:

        async def scenario() -> None:
            engine = app.engine()
            await engine.start()
            try:
                with pytest.raises(Refused, match=r"process 1 on \S+ \(pid \d+\) works on it; stop it first"):
                    await asyncio.to_thread(copied, small, url)
            finally:
                await engine.stop()

        asyncio.run(scenario())


def test_a_source_at_work_is_refused(small):
    with opened(load(small), Bench()) as app:

        async def scenario() -> None:
            engine = app.engine()
            await engine.start()
            try:
                with pytest.raises(Refused, match=rf"\(pid {os.getpid()}\) works on it; stop it first: kill"):
                    await asyncio.to_thread(copied, small, empty_database())
            finally:
                await engine.stop()

        asyncio.run(scenario())


def test_an_interrupted_copy_leaves_nothing_behind_and_can_be_made_again(small):
    url = empty_database()

    def stop(what: str, done: int, total: int) -> None:
        if what == "log_chunks":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        copied(small, url, progress=stop)

    assert set(tables(url).values()) == {0}
    assert copied(small, url).tables["runs"] == 1


def test_a_table_with_columns_that_nobody_thought_of_stops_the_copy(small):
    with closing(sqlite3.connect(small / "quaero.db")) as db:
        db.execute("ALTER TABLE facts ADD COLUMN more TEXT")

    with pytest.raises(StoreUnavailable, match="table facts has other columns"):
        copied(small, empty_database())


def test_a_damaged_source_is_named_and_nothing_is_copied(small):
    url = empty_database()
    with closing(sqlite3.connect(next((small / "logs").glob("*.db")))) as db:
        db.execute("UPDATE chunks SET body = '[1,'")
        db.commit()

    with pytest.raises(StoreUnavailable, match=r"logs/.*: a row of log_chunks can't be stored .*; nothing was copied"):
        copied(small, url)

    assert set(tables(url).values()) == {0}


def test_the_fixture_is_what_it_says(installation):
    with opened(load(installation), Bench()) as app:
        runs = app.store.list_runs(limit=10)
        [step] = app.store.steps(runs[0].id)

    assert isinstance(load(installation).database, SqliteFile)
    assert [run.status for run in runs] == [JobStatus.RUNNING, JobStatus.COMPLETED, JobStatus.COMPLETED]
    assert step.state is State.RUNNING
    assert (step.completed, step.failed, step.running) == (JOBS // 2 - 1, 1, JOBS // 2)
