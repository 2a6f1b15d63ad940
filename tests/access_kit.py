"""A small site behind the whole of access control, on a real store, called as a server calls it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from quaero.model.access import Scope
from quaero.storage.access import SqlAccessStore
from quaero.storage.database import Database
from quaero.storage.migrate import migrate
from quaero.storage.postgres import PostgresDatabase
from quaero.storage.sqlite import SqliteDatabase
from quaero.web.access.api_keys import create_key
from quaero.web.access.identity import access_of
from quaero.web.access.layers import protected
from quaero.web.access.policy import Policy
from quaero.web.access.sessions import COOKIE, Sessions
from tests.postgres import fresh_database, release_database

BACKENDS = ["sqlite", "postgres"]
START = 1_763_800_000_000_000  # 2025-11-22
SECRET = b"s" * 32
TIMEOUT_S = 20.0
LOCALHOST = "localhost:8085"
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]


class Clock:
    def __init__(self) -> None:
        self.time = START

    def now(self) -> int:
        return self.time

    def advance(self, seconds: float) -> None:
        self.time += round(seconds * 1_000_000)


class Place:
    """A database of a backend, and stores on it."""

    def __init__(self, backend: str, folder: Path) -> None:
        self._url = fresh_database() if backend == "postgres" else ""
        self.clock = Clock()
        self.database: Database = (
            PostgresDatabase(self._url) if self._url else SqliteDatabase(folder / "quaero.db", synchronous="OFF")
        )
        db = self.database.connect()
        migrate(db, "main")
        db.close()
        self.readers = self.database.readers()
        self._stores: list[SqlAccessStore] = []
        self.store = self.another_store()

    def another_store(self, **options: Any) -> SqlAccessStore:
        store = SqlAccessStore(self.database, self.readers, self.clock, **options)
        self._stores.append(store)
        return store

    def close(self) -> None:
        for store in self._stores:
            store.close()
        self.readers.close()
        if self._url:
            release_database(self._url)


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def data(self) -> Any:
        return json.loads(self.body)

    @property
    def kind(self) -> str:
        """Of the problem."""
        assert self.headers["content-type"] == "application/problem+json"
        assert self.data["status"] == self.status
        assert self.data["detail"]
        return str(self.data["type"]).removeprefix("/problems/")


async def site(scope: Any, receive: Receive, send: Send) -> None:
    """Says who came in; a socket is accepted and stays open until the other side goes."""
    if scope["type"] == "lifespan":
        for word in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{word}.complete"})
        return
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        while (await receive())["type"] != "websocket.disconnect":
            pass
        return
    access = access_of(scope)
    body = json.dumps({"actor": access.actor, "address": access.address, "secure": access.is_secure}).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": body})


@dataclass
class Gate:
    """The site behind its layers."""

    place: Place
    policy: Policy = field(default_factory=Policy)
    app: Any = site
    recheck_s: float = 30.0

    def __post_init__(self) -> None:
        self.store = self.place.store
        self.clock = self.place.clock
        self.sessions = Sessions(SECRET, self.store, self.clock)
        self.protected = protected(
            self.app,
            policy=self.policy,
            store=self.store,
            sessions=self.sessions,
            clock=self.clock,
            recheck_s=self.recheck_s,
        )

    def key(self, scope: str = "admin", name: str = "") -> str:
        return create_key(self.store, name or scope, Scope(scope))[0]

    def bearer(self, scope: str = "admin") -> dict[str, str]:
        return {"authorization": f"Bearer {self.key(scope)}"}

    def cookie(self, *, is_secure: bool = False) -> str:
        """Of somebody who has just signed in."""
        password = self.store.password()
        assert password is not None
        made = self.sessions.cookie(self.sessions.begin(password.generation), is_secure=is_secure)
        return made.partition(";")[0]

    def get(self, path: str = "/api/runs", **options: Any) -> Answer:
        return self.call("GET", path, **options)

    def post(self, path: str = "/api/runs/1/cancel", **options: Any) -> Answer:
        return self.call("POST", path, **options)

    def call(self, method: str, path: str, **options: Any) -> Answer:
        return asyncio.run(asyncio.wait_for(self.acall(method, path, **options), TIMEOUT_S))

    async def acall(
        self,
        method: str,
        path: str,
        *,
        host: str | None = LOCALHOST,
        headers: Mapping[str, str] | Iterable[tuple[bytes, bytes]] = (),
        body: bytes = b"",
        query: bytes = b"",
        client: str = "127.0.0.1",
        server: str = "127.0.0.1",
    ) -> Answer:
        sent: list[Any] = []
        scope = {
            **_scope("http", path, host, headers, client, server),
            "method": method,
            "scheme": "http",
            "query_string": query,
        }
        bodies = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> Any:
            return bodies.pop() if bodies else await asyncio.Event().wait()

        async def send(message: Any) -> None:
            sent.append(message)

        await self.protected(scope, receive, send)
        assert sent, "nothing was answered"
        assert [message["type"] for message in sent].count("http.response.start") == 1
        head = {name.decode().lower(): value.decode("latin-1") for name, value in sent[0]["headers"]}
        return Answer(sent[0]["status"], head, b"".join(message.get("body", b"") for message in sent[1:]))

    def socket(self, path: str = "/ws", **options: Any) -> list[Any]:
        """What the server sends to a socket that is closed by its other side as soon as it was accepted."""
        return asyncio.run(asyncio.wait_for(self.asocket(path, **options), TIMEOUT_S))

    async def asocket(
        self,
        path: str = "/ws",
        *,
        host: str | None = LOCALHOST,
        headers: Mapping[str, str] | Iterable[tuple[bytes, bytes]] = (),
        can_answer: bool = True,
        stays: bool = False,
        accepted: Callable[[], object] = lambda: None,
    ) -> list[Any]:
        sent: list[Any] = []
        opened = asyncio.Event()
        first = [{"type": "websocket.connect"}]
        scope = {
            **_scope("websocket", path, host, headers, "127.0.0.1", "127.0.0.1"),
            "scheme": "ws",
            "extensions": {"websocket.http.response": {}} if can_answer else {},
        }

        async def receive() -> Any:
            if first:
                return first.pop()
            await opened.wait()
            if stays:
                await asyncio.Event().wait()
            return {"type": "websocket.disconnect", "code": 1001}

        async def send(message: Any) -> None:
            sent.append(message)
            if message["type"] == "websocket.accept":
                accepted()
                opened.set()

        await self.protected(scope, receive, send)
        return sent


def _scope(kind: str, path: str, host: str | None, headers: Any, client: str, server: str) -> dict[str, Any]:
    pairs = list(headers.items()) if isinstance(headers, Mapping) else list(headers)
    encoded = [(_bytes(name).lower(), _bytes(value)) for name, value in pairs]
    if host is not None:
        encoded.insert(0, (b"host", host.encode("latin-1")))
    return {
        "type": kind,
        "path": path,
        "root_path": "",
        "headers": encoded,
        "client": (client, 50_000),
        "server": (server, 8085),
    }


def _bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode("latin-1")


def cookie_of(answer: Answer) -> str:
    """The value of the session's cookie that an answer sets."""
    given = answer.headers["set-cookie"]
    assert given.startswith(f"{COOKIE}=")
    return given.partition(";")[0]
