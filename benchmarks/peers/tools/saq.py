"""saq on PostgreSQL or redis. It has no batch enqueue; many calls at once come closest."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from saq import Queue, Worker

from .postgres_tool import INSERT_LINE, POOL_SIZE, PostgresTool
from .redis_tool import RedisTool
from .ticks import tick
from .tool import LINE, URL, Tool

ENQUEUE_BATCH = 100
ON_POSTGRES = URL.startswith("postgresql")
CONCURRENCY = 100 if ON_POSTGRES else 20
CONNECTIONS = {"min_size": 8, "max_size": 20} if ON_POSTGRES else {}

Context = dict[str, Any]
WriteLine = Callable[[int], Awaitable[object]]


async def noop(context: Context) -> None:
    tick()


async def child(context: Context, *, number: int) -> int:
    await context["write_line"](number)
    tick()
    return number


class SaqTool(Tool):
    def __init__(self) -> None:
        self._loop = asyncio.Runner()
        self._queue = Queue.from_url(URL, **CONNECTIONS)

    def prepare(self) -> None:
        super().prepare()
        self._loop.run(self._queue.connect())

    def enqueue(self, jobs: int) -> None:
        self._loop.run(self._enqueue("noop", [{}] * jobs))

    def fan_out(self, children: int) -> None:
        self._loop.run(self._enqueue("child", [{"number": number} for number in range(children)]))

    async def _enqueue(self, function: str, arguments: list[dict[str, int]]) -> None:
        for first in range(0, len(arguments), ENQUEUE_BATCH):
            batch = arguments[first : first + ENQUEUE_BATCH]
            await asyncio.gather(*(self._queue.enqueue(function, **given) for given in batch))

    def work(self) -> None:
        self._loop.run(self._work())

    async def _work(self) -> None:
        write_line = await self._line_writer()
        await self._queue.connect()

        async def startup(context: Context) -> None:
            context["write_line"] = write_line

        worker: Worker[Any] = Worker(
            self._queue, functions=[noop, child], startup=startup, concurrency=CONCURRENCY, dequeue_timeout=0
        )
        await worker.start()

    async def _line_writer(self) -> WriteLine:
        raise NotImplementedError


class SaqOnPostgres(SaqTool, PostgresTool):
    unfinished_jobs = "SELECT FROM saq_jobs WHERE status IN ('new', 'queued', 'active')"

    def fan_out(self, children: int) -> None:
        self.open_parent()
        super().fan_out(children)

    async def _line_writer(self) -> WriteLine:
        from psycopg_pool import AsyncConnectionPool

        pool = AsyncConnectionPool(URL, min_size=1, max_size=POOL_SIZE, open=False, kwargs={"autocommit": True})
        await pool.open()

        async def write_line(child: int) -> None:
            async with pool.connection() as connection:
                await connection.execute(INSERT_LINE, (child, LINE))

        return write_line


class SaqOnRedis(SaqTool, RedisTool):
    def unfinished(self) -> bool:
        return bool(self._loop.run(self._queue.count("incomplete")))

    def parent_closed(self) -> bool:
        if self.unfinished():
            return False
        self.close_parent()
        return True

    async def _line_writer(self) -> WriteLine:
        from redis.asyncio import Redis

        from .redis_tool import LOG

        client = Redis.from_url(URL)
        return lambda _: client.rpush(LOG, LINE)


TOOL = SaqOnPostgres() if ON_POSTGRES else SaqOnRedis()
