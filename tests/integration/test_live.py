"""The live view over real sockets: a server on loopback, a real store, clients that come, go, sleep and return."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest
import uvicorn
from fastapi import FastAPI
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from quaero.model.log import LogEntry, LogLevel
from quaero.queue.context import StepContext
from quaero.queue.log_lines import LogGroup, encode
from quaero.storage.job_views import SqlJobViews
from quaero.storage.logs import SqlLogStore
from quaero.storage.postgres import PostgresDatabase
from quaero.storage.postgres_logs import PostgresLogStore
from quaero.web.api.logs import Lines
from quaero.web.live import socket as live_socket
from quaero.web.live import stream
from quaero.web.live.hub import Hub
from quaero.web.live.source import StoreSource
from quaero.web.live.topics import QUEUE_BYTES, QUEUE_FRAMES, RING_BYTES
from quaero.web.problems import add_problem_handlers
from tests.engine_kit import BACKENDS, START, Lab, define, step
from tests.live_client import LiveClient
from tests.waiting import wait_until

TICK_S = 0.02
TIMEOUT_S = 20.0
LONG = "x" * 5_000


class _Server(uvicorn.Server):
    """Lets the live view end before sockets are closed."""

    def __init__(self, config: uvicorn.Config, hub: Hub) -> None:
        super().__init__(config)
        self._hub = hub

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self._hub.stop()
        await super().shutdown(sockets)


class LiveSite:
    """A store in which runs are driven by hand, and a server that shows it."""

    def __init__(self, backend: str, folder: Path) -> None:
        self.lab = Lab(backend, folder)
        database = self.lab.store.database
        self.logs = (
            PostgresLogStore(database) if isinstance(database, PostgresDatabase) else SqlLogStore(folder / "logs")
        )
        self.views = SqlJobViews(self.lab.store, self.logs)
        self.pages = 0
        self.serve()

    def serve(self) -> None:
        source = StoreSource(self.views, self.logs, self.lab.store, self.lab.clock)
        hub = self.hub = Hub(source, self.lab.clock, TICK_S)

        @asynccontextmanager
        async def lifespan(_: FastAPI) -> AsyncIterator[None]:
            await hub.start()
            yield
            await hub.stop()

        stores: Any = SimpleNamespace(store=self.lab.store, logs=self.logs)
        site = FastAPI(lifespan=lifespan)
        add_problem_handlers(site)
        site.include_router(live_socket.routes(hub, version="9.9.9", bundle="abc"))
        site.include_router(stream.routes(stores, partial(self.select, stores), hub.stopping, poll_s=TICK_S))
        listener = socket.create_server(("127.0.0.1", 0))
        self.port = listener.getsockname()[1]
        config = uvicorn.Config(
            site, log_config=None, access_log=False, ws="websockets-sansio", ws_per_message_deflate=False
        )
        self.server = _Server(config, hub)
        self.thread = threading.Thread(target=lambda: asyncio.run(self.server.serve(sockets=[listener])))
        self.thread.start()
        wait_until(lambda: self.server.started)

    def select(self, stores: Any, run_id: int, /, **which: Any) -> Any:
        lines = Lines(stores, run_id, **which)
        read = lines.page

        def page(**bounds: Any) -> Any:
            self.pages += 1
            return read(**bounds)

        lines.page = page  # type: ignore[method-assign]
        return lines

    def stop(self) -> None:
        self.server.should_exit = True
        self.thread.join(TIMEOUT_S)
        assert not self.thread.is_alive()

    def close(self) -> None:
        self.stop()
        self.logs.close()
        self.lab.close()

    # what happens

    def start(self) -> int:
        return self.lab.start(define("run", step("a"), step("b", "a")))

    def log(self, run: int, *messages: str, level: LogLevel = LogLevel.INFO, at: str = "") -> None:
        where = self.lab.step(run, at) if at else None
        context = StepContext(
            manager_id=run,
            step_id=where.id if where else 0,
            step_name=at,
            worker_type="work" if at else "",
            definition_id="run",
            log_day=self.lab.run(run).log_day,
        )
        job = where.id if where else run
        rows = [encode((job, 1, START, level.rank, "step" if at else "manager", "run", m, {})) for m in messages]
        self.logs.append([LogGroup(context, rows, level.rank, job, job)])

    # who looks

    @contextmanager
    def page(self, topics: str = "", **query: Any) -> Iterator[Page]:
        address = urlencode({"v": 1, "topics": topics} | query)
        with connect(f"ws://127.0.0.1:{self.port}/ws?{address}", max_size=None, ping_interval=None) as socket_:
            yield Page(socket_)

    @contextmanager
    def stream(self, headers: dict[str, str] | None = None, **query: Any) -> Iterator[http.client.HTTPResponse]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_S)
        connection.request("GET", f"/api/logs/stream?{urlencode(query)}", headers=headers or {})
        try:
            yield connection.getresponse()
        finally:
            connection.close()


class Page:
    """A browser's page."""

    def __init__(self, connection: ClientConnection) -> None:
        self.socket = connection
        self.model = LiveClient()

    def say(self, **message: Any) -> None:
        self.socket.send(json.dumps(message))

    def hear(self) -> dict[str, Any]:
        return self.model.hear(str(self.socket.recv(timeout=TIMEOUT_S)))

    def until(self, is_there: Callable[[LiveClient], Any]) -> LiveClient:
        while not is_there(self.model):
            self.hear()
        return self.model

    def closed(self) -> tuple[int, str]:
        """How the server ended it."""
        try:
            while True:
                self.hear()
        except ConnectionClosed as closed:
            end = closed.rcvd
        assert end is not None
        return end.code, end.reason


def status(model: LiveClient, topic: str, job: int) -> Any:
    return topic in model.topics and model.topics[topic].rows.get(job, {}).get("status")


def last(model: LiveClient, run: int) -> Any:
    return f"run.{run}" in model.topics and model.topics[f"run.{run}"].last


def events(response: http.client.HTTPResponse) -> Iterator[tuple[str, str, str]]:
    """(id, event, data) until the stream ends; comments are left out."""
    fields: dict[str, str] = {}
    for raw in response:
        text = raw.decode().rstrip("\n")
        if text:
            name, _, value = text.partition(": ")
            fields[name] = value
        else:
            if "event" in fields:
                yield fields.get("id", ""), fields["event"], fields["data"]
            fields = {}


@pytest.fixture(params=BACKENDS)
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LiveSite]:
    made = LiveSite(request.param, tmp_path)
    yield made
    made.close()


@pytest.fixture
def local(tmp_path: Path) -> Iterator[LiveSite]:
    """For what has nothing to do with the database."""
    made = LiveSite("sqlite", tmp_path)
    yield made
    made.close()


# the socket


def test_a_run_is_followed_to_its_end(site):
    run = site.start()
    with site.page(f"queue,run.{run}") as page:
        model = page.until(lambda m: len(m.topics) == 2)
        assert model.hello | {"now": "", "epoch": ""} == {
            "t": "hello", "v": 1, "epoch": "", "version": "9.9.9", "bundle": "abc", "now": ""
        }  # fmt: skip
        assert status(model, "queue", run) == "pending"
        assert [node["alive"] for node in model.topics["queue"].nodes] == [True]

        site.log(run, "one", "two")
        site.log(run, "three", at="a")
        page.until(lambda m: last(m, run) == 3)
        site.lab.drive()
        site.log(run, "four")
        page.until(
            lambda m: status(m, "queue", run) == status(m, f"run.{run}", run) == "completed" and last(m, run) == 4
        )

    assert model.topics[f"run.{run}"].lines == [1, 2, 3, 4]
    rows = [msgspec.to_builtins(row) for row in site.views.run_rows(run)]
    assert sorted(model.topics[f"run.{run}"].rows.values(), key=lambda r: r["id"]) == sorted(
        rows, key=lambda r: r["id"]
    )
    assert model.kinds["snap"] == 2


def test_runs_that_begin_are_seen_at_once_and_worker_rows_are_watched(site):
    with site.page("queue") as page:
        page.until(lambda m: m.topics)
        run = site.start()
        page.until(lambda m: status(m, "queue", run))
        site.lab.plan(run, "a", ["x", "y"])
        ids = sorted(site.lab.child_ids(site.lab.step(run, "a").id).values())

        page.say(t="watch", ids=ids)
        page.until(lambda m: sorted(m.watched) == ids)
        jobs = site.lab.claim()
        site.lab.complete(*jobs)

        page.until(lambda m: all(row["status"] == "completed" for row in m.watched.values()))


def test_who_comes_back_gets_what_it_missed_and_no_snapshot(site):
    run = site.start()
    with site.page(f"queue,run.{run}") as page:
        model = page.until(lambda m: len(m.topics) == 2)
    site.log(run, *["missed"] * 3)
    site.lab.cancel(run)

    with site.page(model.resume, epoch=model.hello["epoch"]) as page:
        page.model = model
        page.until(lambda m: status(m, "queue", run) == "cancelled" and last(m, run) == 3)

    assert model.kinds["snap"] == 2


def test_who_comes_back_to_another_server_gets_snapshots(local):
    run = local.start()
    with local.page(f"queue,run.{run}") as page:
        model = page.until(lambda m: len(m.topics) == 2)
    local.stop()
    local.serve()

    with local.page(model.resume, epoch=model.hello["epoch"]) as page:
        page.model = model
        page.until(lambda m: m.kinds["snap"] == 4)

    assert model.kinds["hello"] == 2


def test_a_run_that_is_not_there_is_refused(site):
    with site.page("run.999") as page:
        assert page.until(lambda m: m.refused).refused == {"run.999": "no job 999"}


def test_a_client_that_never_reads_gets_one_snapshot_and_costs_no_memory(local):
    run = local.start()
    sleeping = socket.socket()
    sleeping.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    sleeping.connect(("127.0.0.1", local.port))
    address = f"ws://127.0.0.1:{local.port}/ws?v=1&topics=run.{run}"
    with (
        connect(address, sock=sleeping, max_size=None, max_queue=1, ping_interval=None) as slow,
        local.page(f"run.{run}") as quick,
    ):
        page = Page(slow)
        page.until(lambda m: last(m, run) == 0)
        quick.until(lambda m: last(m, run) == 0)
        topic, queues = local.hub._topics[f"run.{run}"], [client.queue for client in local.hub._clients]
        overflows = 0
        for number in range(1, 31):
            waiting = max(queue.frames for queue in queues)
            local.log(run, *[LONG] * 190)
            quick.until(lambda m, number=number: last(m, run) == 190 * number)
            overflows += waiting > 1 and max(queue.frames for queue in queues) < waiting
            for queue in queues:
                assert queue.frames <= QUEUE_FRAMES
                assert queue.size_bytes <= QUEUE_BYTES
            assert topic.ring_bytes <= RING_BYTES
        page.until(lambda m: last(m, run) == 190 * 30)
        local.log(run, "after")
        page.until(lambda m: last(m, run) == 190 * 30 + 1)

    assert overflows == 1
    assert page.model.kinds["snap"] == 2
    assert quick.model.kinds["snap"] == 1


def test_fifty_clients_see_the_same(local):
    run = local.start()
    opened = [local.page(f"queue,run.{run}") for _ in range(50)]
    pages = [one.__enter__() for one in opened]
    for page in pages:
        page.until(lambda m: len(m.topics) == 2)
    for number in range(20):
        local.log(run, f"line {number}")
    local.lab.drive()
    models = [
        page.until(lambda m: status(m, f"run.{run}", run) == "completed" and last(m, run) == 20) for page in pages
    ]
    for one in opened:
        one.__exit__(None, None, None)

    first = models[0].topics[f"run.{run}"]
    assert all(model.topics[f"run.{run}"].rows == first.rows for model in models)
    assert all(model.topics[f"run.{run}"].lines == list(range(1, 21)) for model in models)
    wait_until(lambda: local.hub.clients == 0)
    reads = local.hub.reads
    for _ in range(5):
        local.lab.cancel(local.start())
    # One may have been under way.
    assert local.hub.reads <= reads + 1


def test_a_silent_server_still_gives_a_sign_of_life(local):
    with local.page() as page:
        assert [page.hear()["t"] for _ in range(3)] == ["hello", "beat", "beat"]


def test_a_server_that_stops_says_so(local):
    with local.page("queue") as page:
        page.until(lambda m: m.topics)
        local.server.should_exit = True

        assert page.closed() == (1001, "the server is stopping")


@pytest.mark.parametrize(
    ("query", "code", "text"),
    [
        ({"v": 2}, 4426, "version 1"),
        ({"v": ""}, 4426, "version 1"),
        ({"topics": "quue"}, 4400, "no topic is called 'quue'"),
        ({"topics": "run." + "9" * 200}, 4400, "no topic"),
    ],
)
def test_a_request_that_cannot_be_served_is_closed_with_the_reason(local, query, code, text):
    with local.page(**query) as page:
        found, reason = page.closed()

    assert found == code
    assert text in reason


@pytest.mark.parametrize(
    "message",
    [
        "{",
        "[]",
        "{}",
        '{"t":"delete","id":1}',
        '{"t":"watch","ids":["1"]}',
        '{"t":"watch","ids":[0]}',
        '{"t":"watch","ids":[1e30]}',
        json.dumps({"t": "watch", "ids": list(range(1, 502))}),
        '{"t":"topics","topics":"nothing"}',
        '{"t":"hidden","hidden":"yes"}',
        '{"t":"resync","topic":"queue","more":1}',
        " " * 65_537,
        b"{}",
    ],
)
def test_a_message_that_is_none_closes_the_socket(local, message):
    with local.page("queue") as page:
        page.socket.send(message)

        code, reason = page.closed()

    assert code == 4400
    assert reason


def test_topics_hidden_and_resync_are_obeyed(local):
    run = local.start()
    with local.page() as page:
        page.say(t="hidden", hidden=True)
        page.say(t="topics", topics=f"queue,run.{run}")
        page.until(lambda m: len(m.topics) == 2)
        page.say(t="resync", topic="queue")
        page.until(lambda m: m.kinds["snap"] == 3)


# the stream


def test_a_stream_gives_every_line_and_then_the_end(site):
    run = site.start()
    site.log(run, *[f"line {n}" for n in range(450)])
    with site.stream(run=run) as response:
        found = events(response)
        first = [next(found) for _ in range(450)]
        site.log(run, "late", at="a")
        first.append(next(found))
        site.lab.drive()
        rest = list(found)

    assert response.headers["Content-Type"].startswith("text/event-stream")
    assert [(id_, event) for id_, event, _ in first] == [(str(n), "line") for n in range(1, 452)]
    assert msgspec.json.decode(first[-1][2], type=LogEntry).message == "late"
    assert rest == [("451/end", "end", "completed")]


def test_a_stream_is_resumed_behind_the_last_line(site):
    run = site.start()
    site.log(run, *[f"line {n}" for n in range(10)])
    with site.stream(run=run, after=2) as response:
        found = events(response)
        assert [next(found)[0] for _ in range(3)] == ["3", "4", "5"]
    site.lab.cancel(run)
    site.lab.sweep()

    with site.stream({"Last-Event-ID": "5"}, run=run, after=2) as response:
        assert [id_ for id_, _, _ in events(response)] == ["6", "7", "8", "9", "10", "10/end"]
    with site.stream({"Last-Event-ID": "10/end"}, run=run) as response:
        assert response.status == 204


def test_a_stream_shows_what_was_asked_for(site):
    run = site.start()
    site.log(run, "one", "two")
    site.log(run, "bad", level=LogLevel.ERROR, at="a")
    site.log(run, "Bad too", at="b")
    site.lab.drive()

    def lines(**which: Any) -> list[str]:
        with site.stream(run=run, **which) as response:
            *found, end = events(response)
        assert end[1:] == ("end", "completed")
        return [id_ for id_, _, _ in found]

    assert lines(level="warning") == ["3"]
    assert lines(step="b") == ["4"]
    assert lines(text="bad") == ["3", "4"]
    assert lines(job=site.lab.step(run, "a").id) == ["3"]
    assert lines(after=4) == []


@pytest.mark.parametrize(
    ("query", "headers", "code", "text"),
    [
        ({"run": 999}, {}, 404, "no run 999"),
        ({"run": 1, "step": "z"}, {}, 404, "no step 'z'"),
        ({"run": "x"}, {}, 422, "run"),
        ({}, {}, 422, "run"),
        ({"run": 1}, {"Last-Event-ID": "x"}, 422, "Last-Event-ID"),
    ],
)
def test_a_stream_of_nothing_is_a_problem(local, query, headers, code, text):
    assert local.start() == 1
    with local.stream(headers, **query) as response:
        assert response.status == code
        assert text in json.load(response)["detail"]


def test_a_slow_reader_of_a_stream_is_not_read_ahead_for(local):
    run = local.start()
    count = 6_000
    for _ in range(count // 200):
        local.log(run, *[LONG] * 200)
    local.lab.cancel(run)
    local.lab.sweep()

    with local.stream(run=run) as response:
        for number, (id_, event, _) in enumerate(events(response), 1):
            assert event == "end" or id_ == str(number)
            # What lies in the sockets' buffers, and two pages.
            assert local.pages * 200 - number < 2_500

    assert number == count + 1


def test_streams_end_when_the_server_stops(local):
    run = local.start()
    local.log(run, "one")
    with local.stream(run=run) as response:
        found = events(response)
        next(found)
        local.stop()

        assert list(found) == []
