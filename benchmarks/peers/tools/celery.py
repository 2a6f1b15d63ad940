"""celery on redis; its fan-in is a chord, which needs the children's results."""

from __future__ import annotations

from celery import Celery, chord

from .redis_tool import RedisTool
from .ticks import tick
from .tool import URL, script

app = Celery("peer", broker=f"{URL}/0", backend=f"{URL}/1")
app.conf.update(task_acks_late=True, worker_prefetch_multiplier=100, broker_connection_retry_on_startup=True)


@app.task(ignore_result=True)
def noop() -> None:
    tick()


@app.task
def child(number: int) -> int:
    TOOL.log_line()
    tick()
    return number


@app.task(ignore_result=True)
def fan_in(results: list[int]) -> None:
    TOOL.close_parent()


class CeleryTool(RedisTool):
    def enqueue(self, jobs: int) -> None:
        with app.producer_pool.acquire(block=True) as producer:
            for _ in range(jobs):
                noop.apply_async(producer=producer)

    def fan_out(self, children: int) -> None:
        chord([child.s(number) for number in range(children)])(fan_in.s())

    def command(self, fan_out: bool) -> list[str]:
        quiet = ("--without-gossip", "--without-mingle", "--without-heartbeat", "-l", "ERROR")
        return ["env", "C_FORCE_ROOT=1", script("celery"), "-A", f"{__name__}:app", "worker", "-P", "solo", *quiet]


TOOL = CeleryTool()
