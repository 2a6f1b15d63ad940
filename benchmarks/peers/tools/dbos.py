"""DBOS on SQLite or PostgreSQL: every job is a durable workflow, and so is the parent."""

from __future__ import annotations

import os
import signal
from functools import cached_property
from typing import Any

from dbos import DBOS, DBOSClient

from .sqlite_log import SqliteLog
from .ticks import FOLDER, tick
from .tool import LINE, URL, Tool

DATABASE = URL or f"sqlite:///{FOLDER / 'dbos.sqlite'}"
VERSION = "benchmark"
POLL_S = 0.05
BATCH = 500
QUEUES = ("jobs", "parents")
UNFINISHED = ["ENQUEUED", "PENDING", "DELAYED"]


class PostgresLog:
    """Log lines beside the tables of DBOS; the pool spares its many threads a connection each."""

    def __init__(self) -> None:
        from psycopg_pool import ConnectionPool

        from .postgres_tool import INSERT_LINE, POOL_SIZE, TABLES

        self._insert = INSERT_LINE
        self._pool = ConnectionPool(URL, max_size=POOL_SIZE, kwargs={"autocommit": True}, open=True)
        with self._pool.connection() as connection:
            if not connection.execute("SELECT to_regclass('log_line')").fetchone()[0]:
                connection.execute(TABLES)

    def write(self, child: int) -> None:
        with self._pool.connection() as connection:
            connection.execute(self._insert, (child, LINE))

    def count(self) -> int:
        with self._pool.connection() as connection:
            return int(connection.execute("SELECT count(*) FROM log_line").fetchone()[0])


log = PostgresLog() if URL else SqliteLog(FOLDER / "log.sqlite", "FULL")


def launch() -> None:
    DBOS(
        config={
            "name": "peer",
            "system_database_url": DATABASE,
            "application_version": VERSION,
            "executor_id": "worker",
            "log_level": "ERROR",
            "notification_listener_polling_interval_sec": 0.01,
        }
    )

    @DBOS.workflow(name="noop")
    def noop() -> None:
        tick()

    @DBOS.workflow(name="child")
    def child(number: int) -> int:
        log.write(number)
        tick()
        return number

    @DBOS.workflow(name="parent")
    def parent(children: int) -> int:
        for handle in [DBOS.enqueue_workflow("jobs", child, number) for number in range(children)]:
            handle.get_result()
        return children

    DBOS.launch()
    for name in QUEUES:
        DBOS.register_queue(name, polling_interval_sec=POLL_S, on_conflict="always_update")


def options(workflow: str, queue: str) -> Any:
    return {"workflow_name": workflow, "queue_name": queue, "app_version": VERSION}


class DbosTool(Tool):
    poll_s = 0.1

    @cached_property
    def client(self) -> DBOSClient:
        return DBOSClient(system_database_url=DATABASE)

    def prepare(self) -> None:
        """A first launch makes the tables."""
        launch()
        DBOS.destroy()

    def enqueue(self, jobs: int) -> None:
        """There is no call for many, but one that takes part in the caller's transaction."""
        for first in range(0, jobs, BATCH):
            with self.client._sys_db.engine.begin() as connection:
                for _ in range(min(BATCH, jobs - first)):
                    self.client.enqueue_in_transaction(connection, options("noop", "jobs"))

    def fan_out(self, children: int) -> None:
        self.parent = self.client.enqueue(options("parent", "parents"), children)

    def parent_closed(self) -> bool:
        return bool(self.parent.get_status().status == "SUCCESS")

    def unfinished(self) -> bool:
        return bool(self.client.list_workflows(status=UNFINISHED, limit=1))

    def log_lines(self) -> int:
        return log.count()

    def work(self) -> None:
        launch()
        signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
        while True:
            signal.pause()


TOOL = DbosTool()
