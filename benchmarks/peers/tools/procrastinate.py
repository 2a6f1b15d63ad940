"""procrastinate on PostgreSQL. Finished jobs stay, with an event row for each change of status."""

from __future__ import annotations

import asyncio
from functools import cache

from procrastinate import App, PsycopgConnector
from psycopg_pool import AsyncConnectionPool

from .postgres_tool import INSERT_LINE, POOL_SIZE, PostgresTool
from .ticks import tick
from .tool import LINE, URL

BATCH = 1_000
CONCURRENCY = 50
CONNECTIONS = 10

app = App(connector=PsycopgConnector(conninfo=URL, min_size=1, max_size=CONNECTIONS))


@cache
def log_pool() -> AsyncConnectionPool:
    return AsyncConnectionPool(URL, min_size=1, max_size=POOL_SIZE, open=False, kwargs={"autocommit": True})


@app.task(name="noop")
async def noop() -> None:
    tick()


@app.task(name="child")
async def child(number: int) -> None:
    async with log_pool().connection() as connection:
        await connection.execute(INSERT_LINE, (number, LINE))
    tick()


class ProcrastinateTool(PostgresTool):
    unfinished_jobs = "SELECT FROM procrastinate_jobs WHERE status IN ('todo', 'doing')"

    def prepare(self) -> None:
        super().prepare()
        app.open()
        app.schema_manager.apply_schema()

    def enqueue(self, jobs: int) -> None:
        for first in range(0, jobs, BATCH):
            noop.batch_defer(*[{}] * min(BATCH, jobs - first))

    def fan_out(self, children: int) -> None:
        self.open_parent()
        for first in range(0, children, BATCH):
            child.batch_defer(*({"number": number} for number in range(first, min(first + BATCH, children))))

    def work(self) -> None:
        asyncio.run(_work())


async def _work() -> None:
    async with app.open_async(), log_pool():
        await app.run_worker_async(concurrency=CONCURRENCY)


TOOL = ProcrastinateTool()
