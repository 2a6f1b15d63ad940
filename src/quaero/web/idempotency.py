"""Idempotency: a command that is sent twice with the same key is carried out once, on whichever node it arrives."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from http import HTTPStatus
from typing import Final

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from quaero.errors import QuaeroError
from quaero.ports.access import Answers, EarlierRequest, GivenAnswer
from quaero.web.access.identity import access_of
from quaero.web.access.requests import headers_of, path_of, refuse

log = structlog.get_logger("quaero.web")

HEADER: Final = "idempotency-key"
LARGEST_BODY: Final = 16 * 1024 * 1024
_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}")
_KEPT_HEADERS: Final = frozenset({"content-type", "location", "etag", "retry-after"})
_NOT_FINAL: Final = frozenset({401, 403, 408, 425, 429})
"""Answers that say: not yet. They are not kept, nor are those from 500 on."""
_EXCLUDED: Final = re.compile(r"/api/(session|access)(/.*)?")
"""Their answers hold secrets, which are stored nowhere."""


class Idempotency:
    """Pure ASGI middleware behind the guard: keys of different callers are different keys.

    Same key and same request: the stored answer, with ``Idempotency-Replayed: true``. Another request under the key:
    422. The first is still under way, or its process ended before it was answered: 409; it is never carried out again.
    """

    def __init__(self, app: ASGIApp, *, answers: Answers) -> None:
        self._app = app
        self._answers = answers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        keys = headers_of(scope).get(HEADER) if scope["type"] == "http" and scope["method"] == "POST" else None
        if not keys or _EXCLUDED.fullmatch(path_of(scope)):
            await self._app(scope, receive, send)
            return
        if len(keys) > 1 or not _KEY.fullmatch(keys[0]):
            detail = "Idempotency-Key: one value of 1 to 255 visible ASCII characters"
            await refuse(scope, receive, send, HTTPStatus.BAD_REQUEST, detail, kind="idempotency-key")
            return
        body = await _read(receive)
        if body is None:
            return
        if len(body) > LARGEST_BODY:
            detail = f"more than {LARGEST_BODY} bytes; send less, or leave the Idempotency-Key out"
            await refuse(scope, receive, send, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail, kind="too-large")
            return
        await self._answer(keys[0], body, scope, receive, send)

    async def _answer(self, key: str, body: bytes, scope: Scope, receive: Receive, send: Send) -> None:
        actor, request = access_of(scope).actor, f"POST {_text(path_of(scope))}"
        body_hash = hashlib.sha256(scope.get("query_string", b"") + b"\0" + body).hexdigest()
        try:
            earlier = await run_in_threadpool(self._answers.begin, actor, key, request=request, body_hash=body_hash)
        except QuaeroError as error:
            retry = (("Retry-After", "2"),)
            unavailable = HTTPStatus.SERVICE_UNAVAILABLE
            await refuse(scope, receive, send, unavailable, str(error), kind="unavailable", headers=retry)
            return
        if earlier is None:
            await self._carry_out(actor, key, body, scope, receive, send)
        elif (earlier.request, earlier.body_hash) != (request, body_hash):
            detail = f"this Idempotency-Key was used for another request ({earlier.request}); take a new one"
            await refuse(scope, receive, send, HTTPStatus.UNPROCESSABLE_ENTITY, detail, kind="idempotency-key-reused")
        else:
            await _replay(earlier, scope, receive, send)

    async def _carry_out(self, actor: str, key: str, body: bytes, scope: Scope, receive: Receive, send: Send) -> None:
        """The answer is stored whole before any of it is sent."""
        given: list[Message] = []

        async def hold(message: Message) -> None:
            given.append(message)

        # Kept as it is for whoever asks again: not compressed for this one.
        scope["headers"] = [pair for pair in scope["headers"] if pair[0].lower() != b"accept-encoding"]
        try:
            await self._app(scope, _Replay(body, receive), hold)
        except Exception:
            await self._stored(self._answers.forget, actor, key)
            raise
        answer = _whole(given)
        if answer is None or answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR or answer.status in _NOT_FINAL:
            await self._stored(self._answers.forget, actor, key)
        else:
            await self._stored(self._answers.finish, actor, key, answer)
        for message in given:
            await send(message)

    async def _stored(self, write: object, *arguments: object) -> None:
        """What can't be stored now leaves the request under way: nobody carries it out again."""
        assert callable(write)  # noqa: S101 - one of the store's methods
        try:
            await run_in_threadpool(write, *arguments)
        except QuaeroError as error:
            log.error("idempotency.not_stored", error=str(error))  # noqa: TRY400 - the message says it all


async def _replay(earlier: EarlierRequest, scope: Scope, receive: Receive, send: Send) -> None:
    if earlier.answer is None:
        detail = (
            "a request with this Idempotency-Key is under way, or was cut off; "
            "look whether it took effect before you send it under a new key"
        )
        await refuse(scope, receive, send, HTTPStatus.CONFLICT, detail, kind="idempotency-key-in-use")
        return
    status, headers, body = earlier.answer
    sent = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    sent += [(b"content-length", str(len(body)).encode()), (b"idempotency-replayed", b"true")]
    await send({"type": "http.response.start", "status": status, "headers": sent})
    await send({"type": "http.response.body", "body": body})


def _whole(messages: Iterable[Message]) -> GivenAnswer | None:
    status, headers, body = 0, [], b""
    for message in messages:
        if message["type"] == "http.response.start":
            status = message["status"]
            pairs = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in message["headers"]]
            headers = [pair for pair in pairs if pair[0] in _KEPT_HEADERS]
        elif message["type"] == "http.response.body":
            body += message.get("body", b"")
    return GivenAnswer(status, tuple(headers), body) if status else None


async def _read(receive: Receive) -> bytes | None:
    """The body, or the beginning of one that is too large; None: the caller has gone."""
    parts, size = [], 0
    while size <= LARGEST_BODY:
        message = await receive()
        if message["type"] != "http.request":
            return None
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if not message.get("more_body", False):
            break
    return b"".join(parts)


class _Replay:
    """Receives the body that was read already, then whatever comes."""

    def __init__(self, body: bytes, receive: Receive) -> None:
        self._body: bytes | None = body
        self._receive = receive

    async def __call__(self) -> Message:
        if self._body is None:
            return await self._receive()
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}


def _text(path: str) -> str:
    return path.encode("utf-8", "replace").decode()
