"""The works, the same for every tool: drain, fan-out, latency."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from statistics import quantiles
from time import monotonic_ns, sleep

from . import ticks
from .tool import Tool

Figures = dict[str, float]
FIRST_POLL_S = 0.0005
STOP_S = 5.0
SHORTEST_PAUSE_S = 0.005
LONGEST_PAUSE_S = 0.025
NANO = 1e9


def drain(tool: Tool, jobs: int) -> Figures:
    """From the first job's start until the last one is durably finished; the start of the worker is left out."""
    tool.prepare()
    begun = monotonic_ns()
    tool.enqueue(jobs)
    enqueued = monotonic_ns()
    tool.enqueued()
    with _worker(tool) as wait:
        wait(lambda: ticks.count() >= jobs, tool.poll_s)
        wait(lambda: not tool.unfinished(), tool.poll_s)
        ended = monotonic_ns() if type(tool).unfinished is not Tool.unfinished else ticks.at(jobs - 1)
    return {
        "enqueue_per_s": jobs / (enqueued - begun) * NANO,
        "per_s": jobs / (ended - ticks.at(0)) * NANO,
    }


def fanout(tool: Tool, children: int) -> Figures:
    """From the creation of the parent until it is closed, with a worker that is up and idle."""
    tool.prepare()
    with _worker(tool, fan_out=True) as wait:
        _warm_up(tool, wait)
        begun = monotonic_ns()
        tool.fan_out(children)
        wait(tool.parent_closed, tool.poll_s)
        ended = monotonic_ns()
    if (lines := tool.log_lines()) != children:
        raise SystemExit(f"{lines} log lines of {children} children")
    return {"per_s": children / (ended - begun) * NANO}


def latency(tool: Tool, samples: int) -> Figures:
    """From the enqueueing call to the job's start, one job at a time, with pauses. The first tenth warms up."""
    tool.prepare()
    random = Random(1)
    waits = []
    with _worker(tool) as wait:
        _warm_up(tool, wait)
        for number in range(1, samples + samples // 10 + 1):
            called = monotonic_ns()
            tool.enqueue(1)
            wait(lambda ran=number: ticks.count() > ran, FIRST_POLL_S)
            waits.append((ticks.at(number) - called) / 1e6)
            sleep(random.uniform(SHORTEST_PAUSE_S, LONGEST_PAUSE_S))
    cuts = quantiles(waits[samples // 10 :], n=100, method="inclusive")
    return {"p50_ms": cuts[49], "p99_ms": cuts[98]}


WORKS: dict[str, Callable[[Tool, int], Figures]] = {"drain": drain, "fanout": fanout, "latency": latency}

Wait = Callable[[Callable[[], bool], float], None]


def _warm_up(tool: Tool, wait: Wait) -> None:
    """One job: its end shows that the worker is up."""
    tool.enqueue(1)
    wait(lambda: ticks.count() >= 1 and not tool.unfinished(), tool.poll_s)


@contextmanager
def _worker(tool: Tool, *, fan_out: bool = False) -> Iterator[Wait]:
    """A worker process, and a way to wait for what it does; how long at most is up to whoever started this run."""
    log = ticks.FOLDER / "worker.txt"
    with log.open("wb") as output:
        process = subprocess.Popen(tool.command(fan_out), stdin=subprocess.DEVNULL, stdout=output, stderr=output)

    def wait(condition: Callable[[], bool], poll_s: float) -> None:
        while not condition():
            if process.poll() is not None:
                tail = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
                raise SystemExit(f"the worker ended with exit code {process.returncode}: {''.join(tail)}")
            sleep(poll_s)

    try:
        yield wait
    finally:
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
