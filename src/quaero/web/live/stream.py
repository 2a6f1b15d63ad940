"""The lines of one run as server-sent events: for shells and scripts, and for whatever speaks no WebSocket.

A line is an event whose id is its ``seq``; who comes back with that id gets what follows it. Lines are read a page at
a time, and the next page only when the last one has gone: a slow reader costs no memory.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Annotated, Final, Literal, Protocol

import msgspec
from fastapi import APIRouter, Header, Query, Response
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from quaero.errors import BadData, NotFound, StoreUnavailable
from quaero.model.log import LogEntry, LogLevel, LogPage
from quaero.ports.jobs import JobStore
from quaero.ports.storage import LogStore

PAGE: Final = 200
CHUNK_BYTES: Final = 65_536
POLL_S: Final = 0.2
COMMENT_S: Final = 15.0
TROUBLE_S: Final = 1.0
RETRY_MS: Final = 1_000
DELETED: Final = "deleted"
_EVENT_ID = re.compile(r"([0-9]{1,15})(/end)?")
_encode = msgspec.json.Encoder(enc_hook=str).encode


class Lines(Protocol):
    """The lines of one run that were asked for."""

    def page(self, *, after: int | None, before: int | None, limit: int, order: Literal["asc", "desc"]) -> LogPage: ...


class Select(Protocol):
    def __call__(
        self, run_id: int, /, *, level: LogLevel | None, step: str | None, job: int | None, text: str | None
    ) -> Lines:
        """Raises NotFound for what the run does not have."""
        ...


class Stores(Protocol):
    @property
    def store(self) -> JobStore: ...
    @property
    def logs(self) -> LogStore: ...


def routes(
    stores: Stores,
    select: Select,
    stopping: asyncio.Event,
    *,
    path: str = "/api/logs/stream",
    poll_s: float = POLL_S,
    comment_s: float = COMMENT_S,
) -> APIRouter:
    """``stopping`` ends every stream: a server waits for answers that are under way."""
    router = APIRouter(tags=["logs"])

    @router.get(
        path,
        response_class=StreamingResponse,
        responses={
            200: {"content": {"text/event-stream": {}}, "description": "`line` events, then `end`."},
            204: {"description": "The end was told before; don't come back."},
        },
    )
    async def stream_lines(
        run: Annotated[int, Query(ge=1, le=2**63 - 1, description="Id of the run.")],
        after: Annotated[int, Query(ge=0, description="Only lines behind this `seq`.")] = 0,
        level: Annotated[LogLevel | None, Query(description="Lines of this level and above.")] = None,
        step: Annotated[str | None, Query(description="Name or id of a step: its lines and those of its jobs.")] = None,
        job: Annotated[int | None, Query(description="Lines of this job alone.")] = None,
        text: Annotated[
            str | None, Query(max_length=500, description="Only lines that contain this, in any case.")
        ] = None,
        last_event_id: Annotated[
            str | None, Header(description="The id of the last event that was received; goes before `after`.")
        ] = None,
    ) -> Response:
        """The run's lines as they come, until it has ended: server-sent events.

        `line`: one line, its `seq` as id. `end`: the run's status, or `deleted`; no line follows it.
        """
        after, is_told = (after, False) if not last_event_id else _resumed(last_event_id)
        if is_told:
            return Response(status_code=204)
        lines = await run_in_threadpool(select, run, level=level, step=step, job=job, text=text)
        follower = _Follower(stores, run, lines, after)
        return StreamingResponse(
            _events(follower, stopping, poll_s, comment_s),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )

    return router


class _Follower:
    """Reads on from the last line; in threads."""

    def __init__(self, stores: Stores, run_id: int, lines: Lines, after: int) -> None:
        self._stores = stores
        self._run_id = run_id
        self._lines = lines
        self._looked = after
        self.after = after
        """The number of the last line handed out."""
        self.status = ""
        """How the run ended, once there is nothing more to read."""

    def next_page(self) -> tuple[list[LogEntry], bool]:
        """The lines that follow, and whether there are more at once."""
        try:
            run = self._stores.store.run(self._run_id)
            # Before the lines: none are written for a run that has ended, and none up to this number are missed.
            newest = self._stores.logs.last_seq(self._run_id, day=run.log_day)
            if newest <= self._looked:
                page = LogPage(items=[], next=None)
            else:
                page = self._lines.page(after=self._looked, before=None, limit=PAGE, order="asc")
        except NotFound:
            self.status = DELETED
            return [], False
        if page.items:
            self.after = self._looked = page.items[-1].seq
        if page.next is not None:
            return page.items, True
        self._looked = max(self._looked, newest)
        if run.state.is_terminal:
            self.status = run.state.status.value
        return page.items, False


async def _events(
    follower: _Follower, stopping: asyncio.Event, poll_s: float, comment_s: float
) -> AsyncIterator[bytes]:
    loop = asyncio.get_running_loop()
    yield b"retry: %d\n\n" % RETRY_MS
    spoken = loop.time()
    while not stopping.is_set():
        pause = poll_s
        try:
            lines, has_more = await run_in_threadpool(follower.next_page)
        except StoreUnavailable as error:
            lines, has_more, pause = [], False, TROUBLE_S
            yield _comment(str(error))
        for chunk in _chunks(_event(line) for line in lines):
            yield chunk
            spoken = loop.time()
        if has_more:
            continue
        if follower.status:
            yield b"id: %d/end\nevent: end\ndata: %s\n\n" % (follower.after, follower.status.encode())
            return
        if loop.time() - spoken >= comment_s:
            yield _comment("")
            spoken = loop.time()
        await _nap(stopping, pause)


async def _nap(stopping: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stopping.wait()
    except TimeoutError:
        return


def _event(line: LogEntry) -> bytes:
    return b"id: %d\nevent: line\ndata: %s\n\n" % (line.seq, _encode(line))


def _comment(text: str) -> bytes:
    return f": {' '.join(text.split())}\n\n".encode()


def _chunks(events: Iterable[bytes]) -> Iterator[bytes]:
    """Several events at once, but not so many that they pile up before a slow socket."""
    chunk = bytearray()
    for event in events:
        chunk += event
        if len(chunk) >= CHUNK_BYTES:
            yield bytes(chunk)
            chunk.clear()
    if chunk:
        yield bytes(chunk)


def _resumed(event_id: str) -> tuple[int, bool]:
    """(seq of the last line received, the end was received too)"""
    found = _EVENT_ID.fullmatch(event_id.strip())
    if found is None:
        raise BadData(f"Last-Event-ID: not the id of an event of this stream: {event_id[:40]!r}")
    return int(found[1]), found[2] is not None
