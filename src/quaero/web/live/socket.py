"""The socket of the live view: one task that sends, one that listens, and an end with a reason."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, Final

import msgspec
from fastapi import APIRouter
from starlette.websockets import WebSocket, WebSocketDisconnect

from quaero.errors import BadData
from quaero.web.live.hub import Client, Hub
from quaero.web.live.topics import Hello, parse_topics, text_of

PROTOCOL: Final = 1
BEAT_S: Final = 1.0
LARGEST_MESSAGE: Final = 65_536
MOST_WATCHED: Final = 500
GOING_AWAY: Final = 1001
BAD_REQUEST: Final = 4400
OTHER_PROTOCOL: Final = 4426
CLOSE_S: Final = 0.5
"""A client that reads nothing is not waited for."""
_LONGEST_REASON: Final = 123
"""Bytes, by RFC 6455."""


class Follow(msgspec.Struct, tag_field="t", tag="topics", forbid_unknown_fields=True):
    topics: str


class Watch(msgspec.Struct, tag_field="t", tag="watch", forbid_unknown_fields=True):
    ids: Annotated[list[Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]], msgspec.Meta(max_length=MOST_WATCHED)]


class Resync(msgspec.Struct, tag_field="t", tag="resync", forbid_unknown_fields=True):
    topic: Annotated[str, msgspec.Meta(max_length=100)]


class Hide(msgspec.Struct, tag_field="t", tag="hidden", forbid_unknown_fields=True):
    hidden: bool


_decode = msgspec.json.Decoder(Follow | Watch | Resync | Hide).decode


class _Refused(Exception):
    """The socket is closed, with this code and text."""

    def __init__(self, code: int, text: str) -> None:
        self.code = code
        super().__init__(text)


def routes(hub: Hub, *, version: str, bundle: str, path: str = "/ws") -> APIRouter:
    """The socket as a part of the site."""
    router = APIRouter()
    router.add_api_websocket_route(path, live_socket(hub, version=version, bundle=bundle))
    return router


def live_socket(hub: Hub, *, version: str, bundle: str) -> Callable[[WebSocket], Awaitable[None]]:
    """``version``: of Quaero; ``bundle``: the hash of the page, so that one that is older can offer a reload."""

    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        try:
            client = _connected(hub, websocket)
        except _Refused as refused:
            await _close(websocket, refused.code, str(refused))
            return
        hello = Hello(v=PROTOCOL, epoch=hub.epoch, version=version, bundle=bundle, now=hub.now())
        try:
            code, reason = await _serve(websocket, client, text_of(hello))
        finally:
            hub.disconnect(client)
        if code:
            await _close(websocket, code, reason)

    return endpoint


def _connected(hub: Hub, websocket: WebSocket) -> Client:
    asked = websocket.query_params
    if asked.get("v", "") != str(PROTOCOL):
        raise _Refused(OTHER_PROTOCOL, f"this server speaks version {PROTOCOL} of the live protocol: v={PROTOCOL}")
    try:
        topics = parse_topics(asked.get("topics", ""))
    except BadData as error:
        raise _Refused(BAD_REQUEST, str(error)) from error
    return hub.connect(topics, epoch=asked.get("epoch"))


async def _serve(websocket: WebSocket, client: Client, hello: str) -> tuple[int, str]:
    """Until either side has enough. The code and text to close with; 0: the other side has gone."""
    sending = asyncio.create_task(_send(websocket, client, hello))
    listening = asyncio.create_task(_listen(websocket, client))
    closing = asyncio.create_task(client.closed.wait())
    tasks = {sending, listening, closing}
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done & {sending, listening}:
        match task.exception():
            case _Refused() as refused:
                return refused.code, str(refused)
            case None | WebSocketDisconnect():
                return 0, ""
            case error:
                raise error
    return GOING_AWAY, "the server is stopping"


async def _send(websocket: WebSocket, client: Client, hello: str) -> None:
    await websocket.send_text(hello)
    while True:
        client.ready.clear()
        while (text := client.take()) is not None:
            await websocket.send_text(text)
        try:
            async with asyncio.timeout(BEAT_S):
                await client.ready.wait()
        except TimeoutError:
            client.beat()


async def _listen(websocket: WebSocket, client: Client) -> None:
    while True:
        message = await websocket.receive()
        if message["type"] == "websocket.disconnect":
            return
        _obey(client, message.get("text"))


def _obey(client: Client, text: str | None) -> None:
    if text is None:
        raise _Refused(BAD_REQUEST, "messages are JSON in text frames")
    if len(text.encode()) > LARGEST_MESSAGE:
        raise _Refused(BAD_REQUEST, f"a message has at most {LARGEST_MESSAGE} bytes")
    try:
        match _decode(text):
            case Follow(topics=topics):
                client.follow(parse_topics(topics))
            case Watch(ids=ids):
                client.watch(ids)
            case Resync(topic=topic):
                client.resync(topic)
            case Hide(hidden=hidden):
                client.hide(hidden)
    except (msgspec.DecodeError, BadData) as error:
        raise _Refused(BAD_REQUEST, str(error)) from error


async def _close(websocket: WebSocket, code: int, reason: str) -> None:
    cut = reason.encode()[:_LONGEST_REASON].decode(errors="ignore")
    try:
        async with asyncio.timeout(CLOSE_S):
            await websocket.close(code, cut)
    except (TimeoutError, WebSocketDisconnect, RuntimeError):
        return  # it has gone meanwhile, or reads nothing
