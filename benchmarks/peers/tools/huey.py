"""huey on SQLite. It has no batch enqueue and no fan-in; a job that returns something leaves a result row."""

from __future__ import annotations

from time import sleep
from typing import Any

from huey import Huey
from huey.storage import SqliteStorage

from .sqlite_log import SqliteLog
from .ticks import FOLDER, tick
from .tool import VARIANT, Tool, script

PARENT_POLL_S = 0.02


class Storage(SqliteStorage):
    """With the synchronous setting that is asked for: huey itself offers FULL, its default, and OFF."""

    def _create_connection(self) -> Any:
        connection = super()._create_connection()
        connection.execute(f"PRAGMA synchronous = {VARIANT}")
        return connection


queue = Huey("peer", storage_class=Storage, filename=str(FOLDER / "huey.sqlite"), timeout=30)
log = SqliteLog(FOLDER / "log.sqlite", VARIANT)


@queue.task()
def noop() -> None:
    tick()


@queue.task()
def child(number: int) -> int:
    log.write(number)
    tick()
    return number


@queue.task()
def parent(children: int) -> int:
    left = [child(number) for number in range(children)]
    while left:
        left = [result for result in left if result.get(preserve=True) is None]
        sleep(PARENT_POLL_S)
    return children


class HueyTool(Tool):
    def enqueue(self, jobs: int) -> None:
        for _ in range(jobs):
            noop()

    def fan_out(self, children: int) -> None:
        self.parent = parent(children)

    def parent_closed(self) -> bool:
        return self.parent.get(preserve=True) is not None

    def log_lines(self) -> int:
        return log.count()

    def command(self, fan_out: bool) -> list[str]:
        threads = 2 if fan_out else 1  # the waiting parent takes one
        return [script("huey_consumer"), f"{__name__}.queue", "-k", "thread", "-w", str(threads), "-n", "-q"]


TOOL = HueyTool()
