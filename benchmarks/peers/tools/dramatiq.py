"""dramatiq on redis; its fan-in is a group with a completion callback."""

from __future__ import annotations

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import GroupCallbacks
from dramatiq.rate_limits.backends import RedisBackend as RateLimits
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend as ResultsBackend

from .redis_tool import RedisTool
from .ticks import tick
from .tool import URL, script

THREADS = 2

broker = RedisBroker(url=URL)
broker.add_middleware(GroupCallbacks(RateLimits(url=URL)))
broker.add_middleware(Results(backend=ResultsBackend(url=URL)))
dramatiq.set_broker(broker)


@dramatiq.actor
def noop() -> None:
    tick()


@dramatiq.actor(store_results=True)
def child(number: int) -> int:
    TOOL.log_line()
    tick()
    return number


@dramatiq.actor
def fan_in() -> None:
    TOOL.close_parent()


class DramatiqTool(RedisTool):
    def enqueue(self, jobs: int) -> None:
        for _ in range(jobs):
            noop.send()

    def fan_out(self, children: int) -> None:
        group = dramatiq.group([child.message(number) for number in range(children)])
        group.add_completion_callback(fan_in.message())
        group.run()

    def command(self, fan_out: bool) -> list[str]:
        prefetch = "dramatiq_queue_prefetch=100"
        return ["env", prefetch, script("dramatiq"), __name__, "-p", "1", "-t", str(THREADS)]


TOOL = DramatiqTool()
