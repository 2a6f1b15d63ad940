"""The server's load: a process that works on the runs of a data folder while ``quaero serve`` shows them.

The server knows none of the worker types here, so it executes nothing: its CPU time is that of showing. The load is a
process of its own, started with a plan on its command line; it writes one line of JSON when all is under way, and ends
when its standard input does.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from time import perf_counter

from pydantic import BaseModel

from quaero.app import App
from quaero.errors import PermanentError
from quaero.ports.jobs import Held
from quaero.queue.children import Children
from quaero.queue.context import JobContext
from quaero.queue.engine import Engine
from quaero.queue.step_manager import StepManager, Worker
from workloads import FLOOD_SETTINGS, Config, Payload, closed, expand, opened, plan, started

RUNS = 4
"""Runs under way at a time; no more than a process plans steps at once."""
ENDED_RUNS = 60
"""Runs that the queue shows beside those."""
TICK_S = 0.1
JOB_S = 0.02
FAILS_EACH = 200
LINE_EACH = 50
FAMILIES = 5
WAIT_S = 30.0
POLL_S = 0.02


class Talk:
    """What the load's workers share."""

    def __init__(self) -> None:
        self.lines_per_job = 0
        self.lines_per_s = 0
        self.may_end = asyncio.Event()


def register(workers: StepManager, talk: Talk) -> None:
    workers.add(Worker("mixed", Config, Payload, plan, mixed))
    workers.add(Worker("paced", Config, Payload, partial(_open_plan, talk), paced))
    workers.add(Worker("paced_lines", Config, Payload, partial(_open_plan, talk), partial(paced_lines, talk)))
    workers.add(Worker("chatter", Config, Payload, plan, partial(chatter, talk)))


async def mixed(job: JobContext, payload: Payload) -> None:
    """A job of a big run: some say something, some fail, for one of a few reasons."""
    if payload.number % LINE_EACH == 0:
        job.log.info("child.worked", number=payload.number)
    if payload.number % FAILS_EACH == 0:
        raise PermanentError(f"source {'ABCDE'[payload.number // FAILS_EACH % FAMILIES]} answers nothing")


async def paced(job: JobContext, payload: Payload) -> None:
    await asyncio.sleep(JOB_S)


async def paced_lines(talk: Talk, job: JobContext, payload: Payload) -> None:
    for number in range(talk.lines_per_job):
        job.log.info("page.read", number=payload.number, part=number, url=f"https://example.org/{payload.number}")
    await asyncio.sleep(JOB_S)


async def chatter(talk: Talk, job: JobContext, payload: Payload) -> None:
    """So many lines a second; what could not be logged in time is caught up with."""
    said, begun = 0, perf_counter()
    while not talk.may_end.is_set():
        due = int((perf_counter() - begun) * talk.lines_per_s)
        for number in range(said, due):
            job.log.info("chatter.line", number=number, text="what a chatty job says")
        said = max(due, said)
        await asyncio.sleep(POLL_S)


async def _open_plan(talk: Talk, config: Config) -> list[BaseModel]:
    """Plans nothing, and is not done before it is told: jobs are added meanwhile."""
    await talk.may_end.wait()
    return []


# the process


async def changes(app: App, engine: Engine, talk: Talk, changes_per_s: int, lines_per_s: int) -> list[int]:
    """Several runs whose jobs begin and end so often; the first of them has all the lines."""
    for number in range(ENDED_RUNS):
        await engine.finished(await started(app, engine, "mixed", 3, f"ended_{number % 7}"))
    runs = [await started(app, engine, "paced" if n else "paced_lines", 0, f"live_{n}") for n in range(RUNS)]
    steps = [await _planning_step(app, run_id) for run_id in runs]
    jobs = changes_per_s / 2 * TICK_S
    talk.lines_per_job = round(lines_per_s / (changes_per_s / 2 / RUNS))
    talk_task = asyncio.create_task(_feed(app, engine, talk, steps, jobs))
    talk_task.add_done_callback(_raise)
    return runs


async def _feed(app: App, engine: Engine, talk: Talk, steps: list[Held], jobs: float) -> None:
    made, begun = 0, perf_counter()
    batches = [Children(app.book.get(step.id)) for step in steps]
    while not talk.may_end.is_set():
        due = int((perf_counter() - begun) / TICK_S * jobs)
        for number in range(made, due):
            batches[number % len(steps)].add(Payload(number=number))
        if due > made:
            made = due
            for step, batch in zip(steps, batches, strict=True):
                if batch:
                    await engine.write(partial(expand, app, step, batch.take()))
        await asyncio.sleep(TICK_S)


def _raise(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()):
        print(f"the load failed: {error!r}", file=sys.stderr, flush=True)
        os._exit(1)


async def _planning_step(app: App, run_id: int) -> Held:
    async with asyncio.timeout(WAIT_S):
        while (step := app.store.steps(run_id)[0]).claimed_by is None:  # noqa: ASYNC110 - the store tells nobody
            await asyncio.sleep(POLL_S)
    return Held(step.id, step.attempt)


async def work(folder: Path, kind: str, first: int, second: int) -> None:
    talk = Talk()
    app = opened(folder)
    register(app.workers, talk)
    engine = app.engine()
    await engine.start()
    if kind == "changes":
        runs = await changes(app, engine, talk, first, second)
    else:
        talk.lines_per_s = first
        runs = [await started(app, engine, "chatter", 1)]
    os.write(1, json.dumps(runs).encode() + b"\n")
    await asyncio.to_thread(sys.stdin.readline)
    talk.may_end.set()
    for run_id in runs:
        await engine.finished(run_id)
    await closed(app, engine)


# for the scenarios


@contextmanager
def load(folder: Path, kind: str, first: int, second: int = 0) -> Iterator[list[int]]:
    """``changes`` with job changes and lines a second, or ``chatter`` with lines a second; the ids of its runs."""
    (folder / "quaero.toml").write_text(FLOOD_SETTINGS, encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, __file__, str(folder), kind, str(first), str(second)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        ready = process.stdout.readline()
        if not ready:
            raise SystemExit("the load did not start; its error stands above")
        yield json.loads(ready)
        if process.poll() is not None:
            raise SystemExit("the load ended too soon; its error stands above")
    finally:
        process.stdin.close()
        try:
            process.wait(WAIT_S)
        except subprocess.TimeoutExpired:
            process.kill()


if __name__ == "__main__":
    asyncio.run(work(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
