"""The whole command line against a PostgreSQL: one setting, and everything works as with a file."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from pathlib import Path

import psycopg
import pytest

from quaero.storage.postgres import PostgresDatabase
from quaero.storage.postgres_wakeup import PostgresWakeUp
from tests.e2e.command import Quaero, load_step, statuses
from tests.postgres import empty_database
from tests.waiting import wait_until


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    for name in os.environ:
        if name.upper().startswith("QUAERO_") and name != "QUAERO_TEST_POSTGRES":
            monkeypatch.delenv(name)


def node(folder: Path, url: str) -> Quaero:
    """A node with a data folder of its own."""
    folder.mkdir()
    quaero = Quaero(folder)
    quaero.data.mkdir()
    (quaero.data / "quaero.toml").write_text(f'database = "{url}"\n')
    return quaero


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A node with run 1 of ``t`` behind it: two steps, documents, one failed job."""
    quaero = node(tmp_path_factory.mktemp("finished") / "node", empty_database())
    first = load_step("first", document=True, worker_count=6, failure_rate=0.2, seed=0)
    text = first + load_step("second", extra=['depends = "first"'])
    result = quaero("run", quaero.define(text))
    assert "run 1  T" in result.stdout
    assert "step first completed" in result.stderr
    return quaero


def test_a_run_its_log_and_its_documents_are_shown(finished):
    run = finished.ask("jobs", "show", 1)
    lines = finished.ask("logs", 1, "--limit", 1000)["items"]
    documents = finished.ask("docs", "list", "--run", 1)["items"]
    hits = finished.ask("docs", "search", "tag:source_type:test_job")["items"]

    assert [job["id"] for job in finished.ask("jobs", "list")["items"]] == [1]
    assert statuses(run) == {"first": "completed", "second": "completed"}
    assert run["counters"]["total"] == run["counters"]["completed"] + run["counters"]["failed"] == 9
    assert [line["seq"] for line in lines] == list(range(1, len(lines) + 1))
    assert lines[-1]["message"] == "run.completed"
    assert len(documents) == run["document_count"] > 0
    assert {hit["id"] for hit in hits} <= {document["id"] for document in documents}
    why = finished.ask("docs", "why", documents[0]["id"])
    assert why["manager_id"] == 1
    assert finished.ask("jobs", "list", "--parent", run["steps"][0]["id"], "--status", "failed")["items"]


def test_nothing_but_settings_and_the_key_lies_in_the_data_folder(finished):
    finished("keys", "set", "token", stdin="hidden-value\n")

    assert finished.ask("keys", "list")["items"] == [{"name": "token", "secret": True}]
    assert {path.name for path in finished.data.iterdir()} == {"quaero.toml", "secret.key"}


def test_the_doctor_looks_at_the_server(finished):
    report = finished.ask("doctor")

    assert report["ok"], report
    found = {check["name"]: check for check in report["checks"]}
    assert "PostgreSQL" in found["server"]["value"]
    assert found["database"]["value"].startswith("postgresql://")
    assert found["schema"]["ok"]
    assert found["counter drift"]["value"] == 0
    assert {"connections", "clock", "dead rows", "oldest transaction", "log days", "keys"} <= found.keys()
    assert found["settings"]["value"]["database"]["origin"] == "quaero.toml"


def test_the_doctor_and_validate_leave_an_empty_database_empty(tmp_path):
    url = empty_database()
    quaero = node(tmp_path / "node", url)

    report = quaero.ask("doctor")

    assert report["ok"]
    assert "is empty: the first run fills it" in json.dumps(report)
    with psycopg.connect(url) as db:
        assert db.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone() == (0,)


def test_a_worker_on_one_node_executes_what_another_node_starts(tmp_path):
    url = empty_database()
    first, second = node(tmp_path / "first", url), node(tmp_path / "second", url)
    with second.started("worker") as worker:
        worker.wait_for("Ctrl-C ends it")
        file = first.define(load_step("load", document=True, worker_count=5))
        started = first("run", file, "--json")
        again = first("jobs", "rerun", 1, "--json").data["id"]
        wait_until(lambda: first.ask("jobs", "show", again)["status"] == "completed", 30)
        [process] = [c for c in first.ask("doctor")["checks"] if c["name"].startswith("process ")]
        worker.signal(signal.SIGTERM)
        ended = worker.end()

    assert started.data["status"] == "completed"
    assert process["ok"]
    assert f"pid {worker.popen.pid} on " in process["value"]
    assert ended.code == 0
    assert not [c for c in first.ask("doctor")["checks"] if c["name"].startswith("process ")]


def test_a_command_wakes_a_worker_at_once(tmp_path):
    url = empty_database()
    quaero = node(tmp_path / "node", url)
    quaero("run", quaero.define(load_step()), "--quiet")

    async def scenario() -> None:
        woken = asyncio.Event()
        listener = PostgresWakeUp(PostgresDatabase(url))
        try:
            await listener.open(woken.set)
            async with asyncio.timeout(10):
                await woken.wait()
                woken.clear()
                await asyncio.to_thread(quaero.here, "jobs", "rerun", 1)
                await woken.wait()
        finally:
            listener.close()

    asyncio.run(scenario())


def test_a_killed_run_is_carried_on_by_another_node(tmp_path):
    url = empty_database()
    first, second = node(tmp_path / "first", url), node(tmp_path / "second", url)
    for quaero in (first, second):
        with (quaero.data / "quaero.toml").open("a") as file:
            file.write("[engine]\nlease_seconds = 2\nrenew_seconds = 0.5\n")
    with first.started("run", first.define(load_step(worker_count=400, log_count=5, log_delay_ms=100))) as run:
        wait_until(lambda: second.ask("jobs", "list")["items"], 30)
        wait_until(lambda: second.ask("jobs", "show", 1)["counters"]["completed"], 30)
        run.signal(signal.SIGKILL)
        run.end()

    done = second("run", "--resume", "--json").data

    assert done["status"] == "completed"
    assert done["counters"]["completed"] == done["counters"]["total"] == 400


def test_copy_moves_an_installation(tmp_path):
    url = empty_database()
    quaero = Quaero(tmp_path, {"QUAERO_DATABASE": url})
    here = Quaero(tmp_path)
    here("run", here.define(load_step(document=True)), "--quiet")
    here("keys", "set", "token", stdin="hidden-value")

    summary = here("copy", "--from", "sqlite", "--to", url, "--json").data
    run = quaero("jobs", "show", 1, "--json").data
    refused = quaero("copy", code=2)

    assert summary["tables"]["runs"] == 1
    assert summary["source"] == str(here.data / "quaero.db")
    assert summary["open_runs"] == []
    assert run["status"] == "completed"
    assert quaero("keys", "list", "--json").data["items"] == [{"name": "token", "secret": True}]
    assert "is not empty" in refused.stderr
    assert quaero("doctor", "--json").data["ok"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "--to: the settings name no PostgreSQL; set QUAERO_DATABASE"),
        (("--to", "other.db"), "--to: copies go to PostgreSQL"),
        (("--from", "postgresql://me:s3cret@host/db"), "--from: copies go from SQLite to PostgreSQL"),
        (("--from", "nosuch.db", "--to", "postgresql://host/db"), "--from: there is no "),
        (("--to", "postgresql://me:s3/cret@host/db"), "--to: not a usable PostgreSQL URL"),
        (("--to", "mysql://me:s3cret@host/db"), "--to: can't use a mysql database"),
    ],
)
def test_copy_refuses_what_it_cannot_do(tmp_path, arguments, message):
    quaero = Quaero(tmp_path)
    quaero.here("keys", "list")

    told = quaero.refusal("copy", *arguments)

    assert message in told
    assert "cret" not in told


def test_copy_from_a_folder_takes_its_log_lines(tmp_path):
    url = empty_database()
    here = Quaero(tmp_path)
    here("run", here.define(load_step()), "--quiet")
    away = node(tmp_path / "away", url)

    told = away("copy", "--from", here.data).stdout

    assert "1 runs with 5 jobs" in told
    lines = here.ask("logs", 1, "--limit", 100)["items"]
    assert away.ask("logs", 1, "--limit", 100)["items"] == lines
