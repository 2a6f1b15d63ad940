"""What is measured: each scenario is one fresh process and one fresh data folder.

``python benchmarks/scenarios.py NAME FOLDER [ARGUMENT …]`` runs one of them and prints its figures as JSON, for a look
at it with a profiler; ``engine.py`` runs them all.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import ceiling
import ceiling_postgres
import latency
import postgres_server as server
from quaero.app import App
from quaero.model.status import JobStatus
from quaero.ports.jobs import ClaimedStep, Held
from quaero.queue.children import Children
from quaero.queue.engine import Engine
from quaero.queue.planner import CHUNK
from quaero.queue.turn import Turn
from quaero.storage.jobs import SqlJobTransaction
from workloads import FLOOD_SETTINGS, TENTHS, Filing, Payload, Watch, closed, expand, opened, started

FLOOD_LEAD_S = 0.3
WARM_UP = 500
"""Children of the run that goes before: statements are prepared, the day's log file is there."""

Figures = dict[str, float]


# runs


async def planned(app: App, worker_type: str, count: int) -> int:
    """A run whose jobs are there and sealed, made while nothing works on it; paused, so that it starts on the dot."""
    engine = app.engine(executes=False)
    await engine.start()
    run_id = await started(app, engine, worker_type, count)
    held = await engine.write(lambda turn: _take_step(app, turn, engine.process_id))
    children = Children(app.book.get(held.id))
    for first in range(0, count, CHUNK):
        for number in range(first, min(first + CHUNK, count)):
            children.add(Payload(number=number))
        await engine.write(partial(expand, app, held, children.take()))
    await engine.write(lambda turn: app.dispatcher.seal(turn, held, planned=count, warnings=0, plan_hash=""))
    await engine.write(lambda turn: app.jobs.pause(turn, run_id))
    await engine.stop()
    return run_id


def _take_step(app: App, turn: Turn, process_id: int) -> Held:
    types = [worker.worker_type for worker in app.workers]
    claimed: list[ClaimedStep] = turn.tx.claim_steps(None, types, 1, process_id)
    app.dispatcher.steps_claimed(turn, claimed)
    return Held(claimed[0].id, claimed[0].attempt)


async def drained(app: App, engine: Engine, run_id: int) -> float:
    """Seconds from the claim of a planned run's first job until step and manager are closed."""
    begun = perf_counter()
    await engine.write(lambda turn: app.jobs.resume(turn, run_id))
    await engine.finished(run_id)
    return perf_counter() - begun


def check(app: App, run_id: int, count: int) -> None:
    """A figure counts only when every job was done."""
    job = app.store.get_job(run_id)
    if job.status is not JobStatus.COMPLETED or job.counters.completed != count:
        raise SystemExit(f"run {run_id} ended as {job.status} with {job.counters}")


# scenarios


async def drain(folder: Path, jobs: int = 50_000) -> Figures:
    """With the bytes of write-ahead log per job, from its insert to its end and of claim and end alone."""
    app = opened(folder)
    wal = server.wal_position()
    run_id = await planned(app, "noop", jobs)
    filled = server.wal_position()
    engine = app.engine()
    await engine.start()
    elapsed = await drained(app, engine, run_id)
    ended = server.wal_position()
    check(app, run_id, jobs)
    await closed(app, engine)
    figures = {"per_s": jobs / elapsed}
    return figures | ({"wal_bytes": (ended - filled) / jobs, "wal_bytes_whole": (ended - wal) / jobs} if ended else {})


async def drain_in_processes(folder: Path, jobs: int = 50_000, processes: int = 2) -> Figures:
    """The same by several worker processes; this one only commands. Ready before it starts."""
    app = opened(folder)
    run_id = await planned(app, "noop", jobs)
    engine = app.engine(executes=False)
    await engine.start()
    workers = [await latency.start_executor(folder) for _ in range(processes)]
    elapsed = await drained(app, engine, run_id)
    for worker in workers:
        await latency.end_executor(worker)
    check(app, run_id, jobs)
    await closed(app, engine)
    return {"per_s": jobs / elapsed}


async def pipeline(folder: Path, children: int = 5_000, worker_type: str = "line") -> Figures:
    """From the creation of the run to the end of its manager."""
    watch = Watch()
    app = opened(folder, watch)
    engine = app.engine()
    await engine.start()
    await engine.finished(await started(app, engine, worker_type, WARM_UP, "warm_up"))
    begun = perf_counter()
    run_id = await started(app, engine, worker_type, children)
    await engine.finished(run_id)
    ended = perf_counter()
    check(app, run_id, children)
    await closed(app, engine)
    return {"per_s": children / (ended - begun), "lag_ms": (ended - watch.last_end) * 1000}


async def documents(folder: Path, children: int = 5_000) -> Figures:
    return await pipeline(folder, children, "document")


async def enqueue(folder: Path, jobs: int = 200_000) -> Figures:
    """Typed payloads, made from plain values and checked; one chunk is written while the next is made."""
    app = opened(folder)
    engine = app.engine(executes=False)
    await engine.start()
    await started(app, engine, "filing", 0)
    step = await engine.write(lambda turn: _take_step(app, turn, engine.process_id))
    children = Children(app.book.get(step.id))
    rows = [{"ticker": f"ASX:{n % 2_000}", "year": 1900 + n // 2_000, "cache_hours": 24} for n in range(jobs)]
    begun = perf_counter()
    writing: asyncio.Future[Any] | None = None
    for first in range(0, jobs, CHUNK):
        for row in rows[first : first + CHUNK]:
            children.add(Filing.model_validate(row))
        if writing is not None:
            await writing
        writing = asyncio.ensure_future(engine.write(partial(expand, app, step, children.take())))
        await asyncio.sleep(0)
    if writing is not None:
        await writing
    elapsed = perf_counter() - begun
    if app.store.step(step.id).total != jobs:
        raise SystemExit("not every job was enqueued")
    await closed(app, engine)
    return {"per_s": jobs / elapsed}


async def fan_out(folder: Path, children: int = 1_000_000) -> Figures:
    """One step with very many children: does it slow down, does it need memory?"""
    watch = Watch()
    watch.mark_tenths(children)
    app = opened(folder, watch)
    engine = app.engine()
    await engine.start()
    begun = perf_counter()
    run_id = await started(app, engine, "counted", children)
    await engine.finished(run_id)
    elapsed = perf_counter() - begun
    check(app, run_id, children)
    await closed(app, engine)
    marks = [begun, *watch.marks]
    return {
        "seconds": elapsed,
        "per_s": children / elapsed,
        "peak_rss_mb": peak_rss_mb(),
        "last_tenth_ratio": (marks[1] - marks[0]) / (marks[TENTHS] - marks[TENTHS - 1]),
    }


async def cpu100(folder: Path, jobs: int = 20_000) -> Figures:
    """Busy handlers: they share the interpreter's lock with the writer, which holds the file's lock meanwhile."""
    app = opened(folder)
    run_id = await planned(app, "cpu100", jobs)
    held = watch_transactions(app)
    engine = app.engine()
    await engine.start()
    held.clear()
    elapsed = await drained(app, engine, run_id)
    lock_ms = median(held) * 1000
    check(app, run_id, jobs)
    await closed(app, engine)
    return {"per_s": jobs / elapsed, "lock_ms": lock_ms}


async def beside_flood(folder: Path, jobs: int, worker_type: str, lines_per_s: int) -> Figures:
    """A drain while another run's one job logs ``lines_per_s``; with 0 the same drain alone."""
    watch = Watch()
    app = opened(folder, watch, FLOOD_SETTINGS)
    run_id = await planned(app, worker_type, jobs)
    engine = app.engine()
    await engine.start()
    flood_id, lines = 0, 0
    if lines_per_s:
        flood_id = await started(app, engine, "flood", 1)
        await watch.flooding.wait()
        await asyncio.sleep(FLOOD_LEAD_S)
        lines = watch.flooded
    elapsed = await drained(app, engine, run_id)
    lines = watch.flooded - lines
    watch.may_end.set()
    if flood_id:
        await engine.finished(flood_id)
    check(app, run_id, jobs)
    stored = app.logs.count(flood_id, day=app.store.run(flood_id).log_day) if flood_id else 0
    await closed(app, engine)
    return {"per_s": jobs / elapsed, "lines_per_s": lines / elapsed, "lost_lines": max(0, watch.flooded - stored)}


def watch_transactions(app: App) -> list[float]:
    """Seconds between BEGIN IMMEDIATE and the end of COMMIT, of each transaction from now on."""
    held: list[float] = []
    inner = app.store.transaction

    @contextmanager
    def timed() -> Iterator[SqlJobTransaction]:
        with ExitStack() as stack:
            transaction = stack.enter_context(inner())
            begun = perf_counter()
            yield transaction
            stack.close()
            held.append(perf_counter() - begun)

    app.store.transaction = timed  # type: ignore[method-assign]
    return held


def peak_rss_mb() -> float:
    """Of this process alone; ``ru_maxrss`` would begin with what its parent had when it forked."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


async def ceiling_drain(folder: Path, jobs: int = 50_000, batch: int = 1_000) -> Figures:
    if server.is_used():
        return ceiling_postgres.drain(jobs=jobs, batch=batch)
    return ceiling.drain(folder, jobs=jobs, batch=batch)


async def ceiling_pipeline(folder: Path, children: int = 5_000, batch: int = 1_000) -> Figures:
    if server.is_used():
        return ceiling_postgres.pipeline(children=children, batch=batch, warm_up=WARM_UP)
    return ceiling.pipeline(folder, children=children, batch=batch, warm_up=WARM_UP)


Scenario = Callable[..., Coroutine[Any, Any, Figures]]

SCENARIOS: dict[str, Scenario] = {
    "drain": drain,
    "drain_in_processes": drain_in_processes,
    "pipeline": pipeline,
    "documents": documents,
    "enqueue": enqueue,
    "fan_out": fan_out,
    "cpu100": cpu100,
    "beside_flood": beside_flood,
    "latency": latency.same_process,
    "latency_two": latency.two_processes,
    "executor": latency.executor,
    "idle": latency.idle,
    "ceiling_drain": ceiling_drain,
    "ceiling_pipeline": ceiling_pipeline,
}


def main() -> None:
    name, folder, *arguments = sys.argv[1:]
    figures = asyncio.run(SCENARIOS[name](Path(folder), *(int(a) if a.isdecimal() else a for a in arguments)))
    if figures:
        print(json.dumps(figures))


if __name__ == "__main__":
    main()
