"""Scenarios of a process with little to do: how soon a single job starts, and what idling costs."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from functools import partial
from pathlib import Path
from random import Random
from statistics import quantiles
from time import monotonic, monotonic_ns, process_time

from quaero.app import App
from quaero.ports.jobs import Held
from quaero.queue.children import Children
from quaero.queue.engine import Engine
from workloads import Payload, Watch, closed, expand, opened, started

SHORTEST_PAUSE_S = 0.005
LONGEST_PAUSE_S = 0.025
PATIENCE_S = 20.0
SETTLE_S = 3.0
POLL_S = 0.01

Figures = dict[str, float]


async def same_process(folder: Path, samples: int = 200) -> Figures:
    """One job at a time to a step that stays open; from the enqueueing call to the handler's first statement."""
    watch = Watch()
    app = opened(folder, watch)
    engine = app.engine()
    await engine.start()
    run_id = await started(app, engine, "stamp", 0)
    starts: asyncio.Queue[int] = asyncio.Queue()
    watch.started = lambda _, at: starts.put_nowait(at)
    waits = await _one_at_a_time(app, engine, await _open_step(app, run_id), samples, starts)
    watch.may_end.set()
    await engine.finished(run_id)
    await closed(app, engine)
    return _summary(waits)


async def two_processes(folder: Path, samples: int = 200) -> Figures:
    """The same, while another process executes. Both read the machine's monotonic clock."""
    app = opened(folder)
    engine = app.engine(executes=False)
    await engine.start()
    executor = await start_executor(folder)
    starts: asyncio.Queue[int] = asyncio.Queue()
    reader = asyncio.create_task(_read_starts(executor, starts))
    run_id = await started(app, engine, "stamp", 0)
    waits = await _one_at_a_time(app, engine, await _open_step(app, run_id), samples, starts)
    await end_executor(executor)
    reader.cancel()
    await closed(app, engine)
    return _summary(waits)


async def start_executor(folder: Path) -> Process:
    """Another process that executes; returns when it is ready to."""
    script = str(Path(__file__).with_name("scenarios.py"))
    started = await asyncio.create_subprocess_exec(
        sys.executable, script, "executor", str(folder), stdin=PIPE, stdout=PIPE
    )
    assert started.stdout is not None
    await asyncio.wait_for(started.stdout.readline(), PATIENCE_S)
    return started


async def end_executor(executor: Process) -> None:
    assert executor.stdin is not None
    executor.stdin.close()
    await asyncio.wait_for(executor.wait(), PATIENCE_S)


async def executor(folder: Path) -> Figures:
    """The other process: executes until its standard input ends, and writes down when each job started."""
    watch = Watch()
    watch.started = _write_start
    app = opened(folder, watch)
    engine = app.engine()
    await engine.start()
    os.write(1, b"ready\n")
    await asyncio.to_thread(sys.stdin.readline)
    await closed(app, engine)
    return {}


async def idle(folder: Path, seconds: int = 20) -> Figures:
    """An engine without work: its CPU time, and its statements to both stores."""
    app = opened(folder)
    engine = app.engine()
    await engine.start()
    await asyncio.sleep(SETTLE_S)
    queries = app.store.statements + app.logs.statements
    cpu, begun = process_time(), monotonic()
    await asyncio.sleep(seconds)
    elapsed = monotonic() - begun
    figures = {
        "cpu_percent": (process_time() - cpu) / elapsed * 100,
        "queries_per_s": (app.store.statements + app.logs.statements - queries) / elapsed,
    }
    await closed(app, engine)
    return figures


async def _open_step(app: App, run_id: int) -> Held:
    """The run's step, once somebody plans it: its plan is not done before it is told."""
    async with asyncio.timeout(PATIENCE_S):
        while (step := app.store.steps(run_id)[0]).claimed_by is None:  # noqa: ASYNC110 - another process claims it
            await asyncio.sleep(POLL_S)
    return Held(step.id, step.attempt)


async def _one_at_a_time(app: App, engine: Engine, step: Held, samples: int, starts: asyncio.Queue[int]) -> list[float]:
    """Milliseconds from call to start. The first tenth warms up and is left out."""
    random = Random(1)
    children = Children(app.book.get(step.id))
    waits = []
    for number in range(samples + samples // 10):
        children.add(Payload(number=number))
        called = monotonic_ns()
        await engine.write(partial(expand, app, step, children.take()))
        async with asyncio.timeout(PATIENCE_S):
            waits.append((await starts.get() - called) / 1e6)
        await asyncio.sleep(random.uniform(SHORTEST_PAUSE_S, LONGEST_PAUSE_S))
    return waits[samples // 10 :]


async def _read_starts(executor: Process, starts: asyncio.Queue[int]) -> None:
    assert executor.stdout is not None
    while text := await executor.stdout.readline():
        starts.put_nowait(int(text.split()[1]))


def _write_start(number: int, at: int) -> None:
    os.write(1, b"%d %d\n" % (number, at))


def _summary(waits: list[float]) -> Figures:
    cuts = quantiles(waits, n=100, method="inclusive")
    return {"p50_ms": cuts[49], "p99_ms": cuts[98]}
