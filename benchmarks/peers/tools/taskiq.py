"""taskiq on an acknowledged redis stream. It has no fan-in: whoever logs the last line closes the parent."""

from __future__ import annotations

import asyncio
from functools import cache

from redis.asyncio import Redis
from taskiq_redis import RedisStreamBroker

from .redis_tool import CLOSED, LOG, RedisTool
from .ticks import tick
from .tool import LINE, URL, script

ENQUEUE_BATCH = 100
CONCURRENCY = 100

broker = RedisStreamBroker(url=URL, consumer_id="0")


@cache
def store() -> Redis:
    return Redis.from_url(URL)


@broker.task(task_name="noop")
async def noop() -> None:
    tick()


@broker.task(task_name="child")
async def child(number: int, children: int) -> None:
    lines = await store().rpush(LOG, LINE)
    tick()
    if lines == children:
        await store().set(CLOSED, 1)


class TaskiqTool(RedisTool):
    def __init__(self) -> None:
        self._loop = asyncio.Runner()

    def prepare(self) -> None:
        self._loop.run(broker.startup())

    def enqueue(self, jobs: int) -> None:
        self._loop.run(self._enqueue(jobs))

    def fan_out(self, children: int) -> None:
        self._loop.run(self._fan_out(children))

    async def _enqueue(self, jobs: int) -> None:
        for first in range(0, jobs, ENQUEUE_BATCH):
            await asyncio.gather(*(noop.kiq() for _ in range(min(ENQUEUE_BATCH, jobs - first))))

    async def _fan_out(self, children: int) -> None:
        for first in range(0, children, ENQUEUE_BATCH):
            numbers = range(first, min(first + ENQUEUE_BATCH, children))
            await asyncio.gather(*(child.kiq(number, children) for number in numbers))

    def command(self, fan_out: bool) -> list[str]:
        limits = ("--workers", "1", "--max-async-tasks", str(CONCURRENCY), "--max-prefetch", str(CONCURRENCY))
        return [script("taskiq"), "worker", f"{__name__}:broker", *limits, "--no-parse", "--log-level", "ERROR"]


TOOL = TaskiqTool()
