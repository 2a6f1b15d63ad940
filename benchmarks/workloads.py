"""The engine's load: worker types that do one small thing each, and definitions that ask for many of them.

What a handler notes for the measurement goes into a :class:`Watch`, so the workers themselves keep no state.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from time import monotonic_ns, perf_counter, thread_time

from pydantic import BaseModel, Field

from quaero.app import App
from quaero.config import load
from quaero.definitions.context import LoadContext, WorkerSpec
from quaero.definitions.load import load_definition
from quaero.model.definition import JobDefinition
from quaero.model.document import draft
from quaero.model.outcome import JobOutcome
from quaero.ports.jobs import ChildBatch, Held
from quaero.queue.context import JobContext
from quaero.queue.engine import Engine
from quaero.queue.step_manager import Plan, StepManager, Worker
from quaero.queue.turn import Turn

STEP = "work"
SOURCE_TYPE = "benchmark"
BURN_S = 0.0001
FLOOD_TICK_S = 0.001
FLOOD_LINES_PER_S = 50_000
TENTHS = 10
DOCUMENT = (
    "Half-year report {0}: revenue of segment {0} rose while costs of segment {1} fell. The outlook for region {2} "
    "is unchanged; the board keeps its guidance and names two risks, the exchange rate and the price of copper. "
    "Details are in note {1}, the auditor's opinion is unqualified."
)

FLOOD_SETTINGS = """\
[logs]
job_head_lines = 100000000
run_lines = 100000000
"""
"""A flood is to be stored, not cut off by the budgets."""


class Config(BaseModel, extra="forbid", frozen=True):
    count: int = Field(default=1, ge=0)


class Payload(BaseModel, extra="forbid", frozen=True):
    number: int


class Filing(BaseModel, extra="forbid", frozen=True):
    """A payload like a real one: a few typed fields."""

    ticker: str = Field(max_length=12)
    year: int = Field(ge=1900, le=2200)
    cache_hours: int = Field(default=24, ge=0)


class Watch:
    """What handlers note while they run."""

    def __init__(self) -> None:
        self.last_end = 0.0
        """When the last handler ended (``perf_counter``)."""
        self.ended = 0
        self.every = 0
        self.marks: list[float] = []
        """When each ``every``-th handler ended."""
        self.flooded = 0
        """Lines that the flood has logged."""
        self.flooding = asyncio.Event()
        self.may_end = asyncio.Event()
        """Flood and open step end when this is set."""
        self.started: Callable[[int, int], None] = _ignore
        """Called by ``stamp`` with its number and the time (``monotonic_ns``)."""

    def mark_tenths(self, count: int) -> None:
        self.every = max(count // TENTHS, 1)


def opened(folder: Path, watch: Watch | None = None, settings: str = "") -> App:
    """An App in a fresh folder, with the benchmark's workers."""
    if settings:
        (folder / "quaero.toml").write_text(settings, encoding="utf-8")
    app = App(load(folder))
    register(app.workers, watch or Watch())
    return app


def register(workers: StepManager, watch: Watch) -> None:
    for name, execute in _HANDLERS.items():
        workers.add(Worker(name, Config, Payload, plan, partial(execute, watch)))
    workers.add(Worker("stamp", Config, Payload, _open_plan(watch), partial(stamp, watch)))
    workers.add(Worker("filing", Config, Filing, plan, partial(noop, watch)))


def definition(app: App, worker_type: str, count: int, name: str = "") -> tuple[JobDefinition, str]:
    """A run of one step with ``count`` jobs, and its source."""
    text = f"""\
id = "{name or worker_type}"
name = "{name or worker_type}"
[step.{STEP}]
type = "{worker_type}"
count = {count}
"""
    context = LoadContext(catalog={w.worker_type: WorkerSpec(w.worker_type, w.config) for w in app.workers})
    result = load_definition(text, file=str(app.config.data / f"{worker_type}.toml"), context=context)
    if result.definition is None:
        raise SystemExit("\n".join(map(str, result.findings)))
    return result.definition, text


async def closed(app: App, engine: Engine) -> None:
    """Stop, and close once no thread reads any more."""
    await engine.stop()
    await asyncio.get_running_loop().shutdown_default_executor()
    app.close()


async def started(app: App, engine: Engine, worker_type: str, count: int, name: str = "") -> int:
    """Create a run; its id."""
    made, text = definition(app, worker_type, count, name)
    return int(await engine.write(lambda turn: app.dispatcher.execute(turn, made, text, {})))


def expand(app: App, step: Held, batch: ChildBatch, turn: Turn) -> int:
    """Add jobs to a step, as its planner does."""
    return app.dispatcher.expand(turn, step, batch)


def plan(config: Config) -> Iterator[Payload]:
    for number in range(config.count):
        yield Payload(number=number)


def _open_plan(watch: Watch) -> Plan:
    async def planned(config: Config) -> list[BaseModel]:
        """Plans nothing, and is not done before it is told: jobs are added meanwhile by hand."""
        await watch.may_end.wait()
        return []

    return planned


async def noop(watch: Watch, job: JobContext, payload: BaseModel) -> None:
    """The least a job can do."""


async def counted(watch: Watch, job: JobContext, payload: Payload) -> None:
    """A no-op that tells how far the run is."""
    watch.ended += 1
    if watch.ended % watch.every == 0:
        watch.marks.append(perf_counter())


async def line(watch: Watch, job: JobContext, payload: Payload) -> None:
    job.log.info("child.worked", number=payload.number)
    watch.last_end = perf_counter()


async def document(watch: Watch, job: JobContext, payload: Payload) -> JobOutcome:
    """One document of about 300 bytes; every one has words of its own."""
    number = payload.number
    outcome = JobOutcome(
        documents=[
            draft(
                SOURCE_TYPE,
                f"report-{job.manager_id}-{number}",
                title=f"Report {number}",
                content=DOCUMENT.format(number, number * 7 % 1000, number % 97),
                metadata={"number": number},
            )
        ]
    )
    watch.last_end = perf_counter()
    return outcome


async def cpu100(watch: Watch, job: JobContext, payload: Payload) -> None:
    """100 µs of CPU time: a wait for the interpreter's lock does not count as work."""
    end = thread_time() + BURN_S
    while thread_time() < end:
        pass


async def flood(watch: Watch, job: JobContext, payload: Payload) -> None:
    """Logs so many lines a second; what it could not log in time it catches up with."""
    info = job.log.info
    started = perf_counter()
    while not watch.may_end.is_set():
        due = int((perf_counter() - started) * FLOOD_LINES_PER_S)
        for number in range(watch.flooded, due):
            info("flood.line", number=number, text="what a chatty job says")
        watch.flooded = max(due, watch.flooded)
        watch.flooding.set()
        await asyncio.sleep(FLOOD_TICK_S)


async def stamp(watch: Watch, job: JobContext, payload: Payload) -> None:
    """Tell when the job started, on the clock that all processes share."""
    watch.started(payload.number, monotonic_ns())


_HANDLERS: dict[str, Callable[[Watch, JobContext, Payload], Awaitable[JobOutcome | None]]] = {
    "noop": noop,
    "counted": counted,
    "line": line,
    "document": document,
    "cpu100": cpu100,
    "flood": flood,
}


def _ignore(number: int, at: int) -> None:
    pass
