"""The whole site of one node: a real store, a running engine, and a server on loopback, asked over HTTP."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import httpx2
import pytest
from pydantic import BaseModel

from quaero import JobContext, JobOutcome, Worker, draft
from quaero.app import App
from quaero.config import load
from quaero.errors import BadData
from quaero.queue.engine import Engine
from quaero.site import compose_site
from quaero.web.serving import SiteServer
from tests.postgres import fresh_database, release_database
from tests.waiting import wait_until

T = TypeVar("T")
BACKENDS = ["sqlite", "postgres"]
HOST = "127.0.0.1"
TIMEOUT_S = 20.0
PASSWORD = "the-password-of-the-database"
JSON = {"Content-Type": "application/json"}


class Config(BaseModel, extra="forbid", frozen=True):
    """What a definition may say about a ``held`` step."""

    keys: list[str] = ["one"]
    """One job for each."""
    fails: list[str] = []
    """Those of them that fail."""
    gate: str = ""
    """The jobs wait until it is open."""
    text: str = "plain"
    token: str = ""


class Payload(BaseModel, frozen=True):
    key: str
    fails: bool
    gate: str
    text: str
    token: str


def plan(config: Config) -> list[Payload]:
    given = config.model_dump(include={"gate", "text", "token"})
    return [Payload(key=key, fails=key in config.fails, **given) for key in config.keys]


class Node:
    """An engine and its site in a thread with an event loop. Jobs of type ``held`` wait at gates."""

    def __init__(self, app: App) -> None:
        self.app = app
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="test-node")
        self._gates: dict[str, asyncio.Event] = {}
        self.engine: Engine
        self.server: SiteServer
        app.workers.add(Worker("held", Config, Payload, plan, self._execute, documents=("held_note",)))

    def start(self) -> None:
        self._thread.start()
        self.call(self._start())
        try:
            self.server.start()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        for gate in list(self._gates):
            self.open(gate)
        self.server.stop()
        self.call(self.engine.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """In the engine's event loop."""
        return asyncio.run_coroutine_threadsafe(asyncio.wait_for(work, TIMEOUT_S), self._loop).result()

    def open(self, gate: str) -> None:
        self._loop.call_soon_threadsafe(lambda: self._gate(gate).set())

    async def _start(self) -> None:
        self.engine = self.app.engine()
        await self.engine.start()
        site = compose_site(self.app, self.engine)
        self.server = SiteServer(site.asgi, HOST, 0, leave=site.leave)

    def _gate(self, name: str) -> asyncio.Event:
        return self._gates.setdefault(name, asyncio.Event())

    async def _execute(self, job: JobContext, payload: Payload) -> JobOutcome:
        job.log.info("held.begun", key=payload.key, token=payload.token)
        if payload.gate:
            await self._gate(payload.gate).wait()
        if payload.fails:
            raise BadData(f"{payload.key} is broken")
        content = f"# Note {payload.key}\n\n{payload.text}\n"
        note = draft(
            "held_note", f"{job.step.definition_id}/{payload.key}", title=f"Note {payload.key}", content=content,
            metadata={"text": payload.text},
        )  # fmt: skip
        return JobOutcome(documents=[note])


class Api:
    """A client that holds every answer to the rules that hold for all of them. ``texts``: all it was answered."""

    def __init__(self, url: str, node: Node) -> None:
        self.node = node
        self.client = httpx2.Client(base_url=url, timeout=TIMEOUT_S)
        self.texts: list[str] = []

    def ask(self, method: str, path: str, status: int = 200, **options: Any) -> httpx2.Response:
        """The answer, which must have this status; an error must be a problem (RFC 9457)."""
        answer = self.client.request(method, path, **options)
        self.texts.append(f"{answer.headers}\n{answer.text}")
        assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text[:1000]}"
        if status >= 400:
            checked_problem(answer)
        return answer

    def get(self, path: str, expected: int = 200, /, **params: Any) -> Any:
        return self.ask("GET", path, expected, params=params).json()

    def post(self, path: str, body: Any = None, status: int = 200, **options: Any) -> Any:
        answer = self.ask("POST", path, status, json=body, **options)
        return answer.json() if answer.content else None

    # what tests need again and again

    def define(self, definition_id: str, *steps: str, head: str = "") -> Any:
        return self.post("/api/definitions", {"source": text(definition_id, *steps, head=head)}, 201)

    def execute(self, definition_id: str, **body: Any) -> int:
        return int(self.post(f"/api/definitions/{definition_id}/execute", body, 202)["id"])

    def finished(self, run_id: int) -> Any:
        """The run at its end."""
        self.node.call(self.node.engine.finished(run_id))
        return self.get(f"/api/runs/{run_id}")

    def ran(self, definition_id: str, *steps: str, head: str = "") -> Any:
        """A new definition's first run, at its end."""
        self.define(definition_id, *steps, head=head)
        return self.finished(self.execute(definition_id))

    def until(self, path: str, holds: Callable[[Any], Any]) -> Any:
        """What is answered there when it holds."""
        return wait_until(lambda: (found := self.get(path)) and holds(found) and found, TIMEOUT_S)

    def pages(self, path: str, /, **params: Any) -> list[Any]:
        """All items, page by page forward."""
        items: list[Any] = []
        following: Any = None
        while True:
            found = self.get(path, **params, **({"cursor": following} if following is not None else {}))
            items += found["items"]
            following = found["next"]
            if following is None:
                return items


def checked_problem(answer: httpx2.Response) -> Any:
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    data = answer.json()
    assert data["status"] == answer.status_code
    assert data["title"]
    assert data["detail"]
    assert data["instance"].startswith("/")
    return data


def step(name: str = "only", *, after: str = "", **parameters: object) -> str:
    """A step of type ``held``."""
    lines = [f"[step.{name}]", 'type = "held"', *(f"{key} = {json.dumps(value)}" for key, value in parameters.items())]
    if after:
        lines.append(f"depends = [{json.dumps(after)}]")
    return "\n".join(lines) + "\n"


def text(definition_id: str, *steps: str, head: str = "") -> str:
    return f'id = "{definition_id}"\nname = "{definition_id.upper()}"\n{head}\n{"".join(steps or (step(),))}'


@contextmanager
def served(
    backend: str, folder: Path, *, url: str = "", settings: Mapping[str, Mapping[str, Any]] | None = None
) -> Iterator[Api]:
    """A site on an empty store. ``url`` names a database of ours; ``settings`` replace those of sections."""
    own = "" if url or backend == "sqlite" else fresh_database()
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("QUAERO_DATABASE", raising=False)
        if url or own:
            patch.setenv("QUAERO_DATABASE", url or with_password(own))
        config = load(folder)
    for section, values in (settings or {}).items():
        config = replace(config, **{section: getattr(config, section).model_copy(update=values)})
    app = App(config)
    node = Node(app)
    try:
        node.start()
        api = Api(node.server.url, node)
        try:
            yield api
        finally:
            api.client.close()
            node.stop()
    finally:
        app.close()
        if own:
            release_database(own)


def with_password(url: str) -> str:
    """The same with a password in it, where it has none; a server that asks for none takes any."""
    head, _, rest = url.partition("@")
    return url if head.count(":") > 1 and not head.endswith(":") else f"{head.rstrip(':')}:{PASSWORD}@{rest}"
