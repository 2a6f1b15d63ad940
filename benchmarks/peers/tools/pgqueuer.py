"""pgqueuer on PostgreSQL. A finished job leaves the queue's table for a log table."""

from __future__ import annotations

import asyncio
import signal
from datetime import timedelta

import asyncpg
from pgqueuer import AsyncpgDriver, PgQueuer, Queries
from pgqueuer.models import Job

from .postgres_tool import POOL_SIZE, PostgresTool
from .ticks import tick
from .tool import LINE, URL

ENQUEUE_BATCH = 1_000
CLAIM_BATCH = 500
INSERT_LINE = "INSERT INTO log_line (child, line) VALUES ($1, $2)"


class PgQueuerTool(PostgresTool):
    unfinished_jobs = "SELECT FROM pgqueuer"

    def __init__(self) -> None:
        self._loop = asyncio.Runner()

    def prepare(self) -> None:
        super().prepare()
        self._loop.run(self._connect())

    def enqueue(self, jobs: int) -> None:
        self._loop.run(self._enqueue("noop", jobs))

    def fan_out(self, children: int) -> None:
        self.open_parent()
        self._loop.run(self._enqueue("child", children))

    async def _connect(self) -> None:
        self._queries = Queries(AsyncpgDriver(await asyncpg.connect(URL)))
        await self._queries.install()

    async def _enqueue(self, entrypoint: str, jobs: int) -> None:
        for first in range(0, jobs, ENQUEUE_BATCH):
            payloads = [b"%d" % number for number in range(first, min(first + ENQUEUE_BATCH, jobs))]
            await self._queries.enqueue([entrypoint] * len(payloads), payloads, [0] * len(payloads))

    def work(self) -> None:
        asyncio.run(_work())


async def _work() -> None:
    queuer = PgQueuer(AsyncpgDriver(await asyncpg.connect(URL)))
    log = await asyncpg.create_pool(URL, min_size=1, max_size=POOL_SIZE)

    @queuer.entrypoint("noop")
    async def noop(job: Job) -> None:
        tick()

    @queuer.entrypoint("child")
    async def child(job: Job) -> None:
        await log.execute(INSERT_LINE, int(job.payload or 0), LINE)
        tick()

    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, queuer.shutdown.set)
    await queuer.run(batch_size=CLAIM_BATCH, dequeue_timeout=timedelta(seconds=30))


TOOL = PgQueuerTool()
