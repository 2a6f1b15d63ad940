"""``quaero serve`` as a process: the page, the API and the node that executes what is started over them."""

from __future__ import annotations

import re
import signal
import socket
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import httpx2
import pytest

from tests.e2e.command import Process, load_step, note_step
from tests.waiting import wait_until

START_S = 5.0
SAID = "the page is at "


class Server:
    """The process and a client of it."""

    def __init__(self, process: Process, client: httpx2.Client) -> None:
        self.process = process
        self.client = client

    def get(self, path: str):
        answer = self.client.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def define(self, text: str, name: str = "t") -> None:
        source = f'id = "{name}"\nname = "{name.upper()}"\n{text}'
        answer = self.client.post("/api/definitions", json={"source": source})
        assert answer.status_code == 201, answer.text

    def execute(self, name: str = "t") -> int:
        answer = self.client.post(f"/api/definitions/{name}/execute")
        assert answer.status_code == 202, answer.text
        return int(answer.json()["id"])

    def ended(self, run_id: int):
        return wait_until(lambda: (run := self.get(f"/api/runs/{run_id}"))["finished_at"] and run, 30)


@contextmanager
def serving(quaero, *options: object):
    with quaero.started("serve", "--port", 0, *options) as process:
        process.wait_for(SAID)
        port = re.search(rf"{SAID}http://[^ ]+:(\d+)", process.stderr)[1]
        with httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=20) as client:
            yield Server(process, client)


def test_it_comes_up_serves_executes_and_ends_when_asked(quaero):
    began = time.monotonic()
    with serving(quaero) as server:
        took = time.monotonic() - began
        page = server.client.get("/")
        server.define(load_step())
        run = server.ended(server.execute())
        server.process.signal(signal.SIGTERM)
        ended = server.process.end()

    assert took < START_S * 3  # a busy machine may need longer than the 5 s that it may take
    assert page.status_code == 200
    assert "<!doctype html>" in page.text.lower()
    assert run["status"] == "completed"
    assert ended.code == 0
    assert ended.stdout == ""
    for noise in ("Traceback", "server process", "application startup", "Shutting down"):
        assert noise not in ended.stderr


def test_ctrl_c_ends_it_while_somebody_follows_a_run(sample):
    with serving(sample) as server:
        server.define(note_step(wait_for=sample.folder / "gate"))
        run_id = server.execute()
        with server.client.stream("GET", "/api/logs/stream", params={"run": run_id}) as stream:
            assert next(stream.iter_lines())
            server.process.signal(signal.SIGINT)
            (sample.folder / "gate").touch()
            ended = server.process.end()

    assert ended.code == 0
    assert "Traceback" not in ended.stderr


def test_a_port_that_is_taken_is_one_clear_line(quaero):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        refused = quaero("serve", "--port", port, code=2)

    [line] = refused.stderr.splitlines()
    assert f"can't listen on 127.0.0.1:{port}" in line
    assert "--port" in line


def test_no_network_is_served_without_credentials(quaero):
    refused = quaero("serve", "--host", "0.0.0.0", "--port", 0, code=2)

    assert "quaero access password" in refused.stderr
    assert SAID not in refused.stderr


def test_a_network_is_served_to_those_who_sign_in(quaero):
    quaero("access", "password", stdin="correct horse battery\n")

    with serving(quaero, "--host", "0.0.0.0") as server:
        client = server.client
        before = client.get("/api/runs")
        wrong = client.post("/api/session", json={"password": "wrong"})
        right = client.post("/api/session", json={"password": "correct horse battery"})
        after = client.get("/api/runs")

    assert before.status_code == 401
    assert before.json()["type"] == "/problems/sign-in"
    assert (wrong.status_code, right.status_code, after.status_code) == (401, 200, 200)


def test_a_killed_server_goes_on_where_it_was(sample):
    gate = sample.folder / "gate"
    with serving(sample) as server:
        server.define(note_step(items=["a", "b", "c"], wait_for=gate))
        run_id = server.execute()
        wait_until(lambda: server.get(f"/api/runs/{run_id}")["counters"]["running"] == 3)
        server.process.signal(signal.SIGKILL)
        assert server.process.end().code == -signal.SIGKILL
    gate.touch()

    with serving(sample) as server:
        run = server.ended(run_id)

    assert run["status"] == "completed"
    assert run["counters"]["completed"] == 3
    assert run["document_count"] == 3


def test_a_file_that_is_dropped_into_the_folder_is_a_definition(quaero):
    with serving(quaero) as server:
        folder = quaero.data / "definitions"
        folder.mkdir(exist_ok=True)
        (folder / "dropped.toml").write_text(f'id = "dropped"\nname = "Dropped"\nschedule = "0 6 * * *"\n{load_step()}')

        wait_until(lambda: server.client.get("/api/schedules/dropped").status_code == 200)
        [listed] = server.get("/api/definitions")["items"]
        run = server.ended(server.execute("dropped"))

    assert listed["definition"]["status"] == "ready"
    assert listed["schedule"]["cron"] == "0 6 * * *"
    assert run["status"] == "completed"


def test_a_schedule_that_is_due_fires(quaero):
    """One that fell due while nothing ran, which is made up for; waiting for the next minute would take one."""
    with serving(quaero) as server:
        server.define('schedule = "*/5 * * * *"\nmisfire = "one"\n' + load_step())
        wait_until(lambda: server.client.get("/api/schedules/t").status_code == 200)
    slot = datetime.now(UTC) - timedelta(minutes=12)
    make_due(quaero, slot)

    with serving(quaero) as server:
        [run] = wait_until(lambda: server.get("/api/runs")["items"])
        assert server.ended(run["id"])["status"] == "completed"
        [fire, *_] = server.get("/api/schedules/t/fires")

    assert (fire["cause"], fire["run_id"]) == ("schedule", run["id"])


def make_due(quaero, moment: datetime) -> None:
    """As if the program had been away since then."""
    import sqlite3

    with sqlite3.connect(quaero.data / "quaero.db") as db:
        micros = int(moment.timestamp() * 1e6)
        changed = db.execute("UPDATE schedules SET next_due = ?, next_at = ?", (micros, micros))
        assert changed.rowcount == 1
    db.close()


@pytest.mark.parametrize("option", ["--port=99999", "--port=x", "--host=256.256.256.256"])
def test_an_address_that_is_none_is_bad_input(quaero, option):
    assert quaero("serve", option, code=2).stderr
