"""Load and chaos: jobs that log, wait, burn CPU, fail and spawn as the step says, the same ones for the same seed.

A job fails or not by its seed and key alone, so that an attempt which is run again ends as the first one did. Reads
nothing; with ``document = true`` every job that succeeds writes one ``test_job`` document.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterator
from functools import partial
from typing import Final, Literal

from pydantic import BaseModel, Field

from quaero.errors import PermanentError, TransientError
from quaero.model.contracts import TestJobMetadata
from quaero.model.document import DocumentDraft, draft
from quaero.model.log import LogLevel
from quaero.model.outcome import JobOutcome
from quaero.ports.compute import Compute
from quaero.ports.services import Services
from quaero.queue.context import JobContext
from quaero.queue.step_manager import StepManager, Worker

SOURCE_TYPE: Final = "test_job"
_LINES_PER_TURN: Final = 100
"""Lines without delay before other jobs get their turn."""


class Load(BaseModel, extra="forbid", frozen=True):
    """What a job does; its children do half of it."""

    seed: int = 0
    log_count: int = Field(default=100, ge=0, le=1_000_000)
    log_delay_ms: float = Field(default=50, ge=0)
    failure_rate: float = Field(default=0.1, ge=0, le=1)
    child_count: int = Field(default=2, ge=0, le=10_000)
    recursion_depth: int = Field(default=3, ge=0, le=20)
    error: Literal["transient", "permanent"] = "transient"
    """How failing jobs fail."""
    cpu_ms: float = Field(default=0, ge=0)
    document: bool = False


class Config(Load, frozen=True):
    """What a job definition may say about a ``test_job_generator`` step."""

    worker_count: int = Field(default=10, ge=0, le=10_000_000)


class Payload(Load, frozen=True):
    """One job. Children are called after their parent: ``job-3`` has ``job-3.0`` and ``job-3.1``."""

    key: str
    depth: int = 0


def plan(config: Config) -> Iterator[Payload]:
    """The first generation: ``worker_count`` equal jobs."""
    load = config.model_dump(exclude={"worker_count"})
    for i in range(config.worker_count):
        yield Payload(key=f"job-{i}", **load)


async def execute(job: JobContext, payload: Payload, *, compute: Compute) -> JobOutcome:
    """Log, work, then fail or spawn.

    Raises:
        TransientError, PermanentError: the seed decided so; ``error`` says which of them.
    """
    # str seeds are hashed the same way in every process, and nothing here is secret
    rng = random.Random(f"{payload.seed}:{payload.key}")  # noqa: S311
    fails = rng.random() < payload.failure_rate
    await _log_lines(job, payload, rng)
    if payload.cpu_ms:
        await compute.run(burn, payload.cpu_ms / 1000)
    if fails:
        raise _ERRORS[payload.error](f"{payload.key} fails by its seed")
    return JobOutcome(
        documents=[_document(job, payload)] if payload.document else [],
        spawn=list(children(payload)),
    )


def children(parent: Payload) -> Iterator[Payload]:
    """The jobs that a job spawns: one level deeper, with half the counts."""
    if parent.depth >= parent.recursion_depth:
        return
    halved = {
        "depth": parent.depth + 1,
        "log_count": max(parent.log_count // 2, min(parent.log_count, 1)),
        "child_count": parent.child_count // 2,
    }
    for i in range(parent.child_count):
        yield parent.model_copy(update={"key": f"{parent.key}.{i}", **halved})


def burn(seconds: float) -> int:
    """Keep a core busy for so long; returns the turns it took."""
    end, turns = time.perf_counter() + seconds, 0
    while time.perf_counter() < end:
        turns += 1
    return turns


def register(steps: StepManager, services: Services) -> None:
    """Add the worker to the registry."""
    steps.add(
        Worker(
            "test_job_generator",
            Config,
            Payload,
            plan,
            partial(execute, compute=services.compute),
            description="Jobs that log, wait, fail and spawn by a seed: for load and chaos tests.",
            documents=(SOURCE_TYPE,),
            example=EXAMPLE,
        )
    )


EXAMPLE: Final = """\
[step.load]
type = "test_job_generator"
description = "A thousand short jobs, one in ten fails"
worker_count = 1000
log_count = 5
log_delay_ms = 0
failure_rate = 0.1
recursion_depth = 0
"""

_ERRORS: Final = {"transient": TransientError, "permanent": PermanentError}


async def _log_lines(job: JobContext, payload: Payload, rng: random.Random) -> None:
    for number in range(1, payload.log_count + 1):
        job.log.emit(_level(rng.random()), "test_job.worked", {"number": number, "of": payload.log_count})
        if payload.log_delay_ms:
            await asyncio.sleep(payload.log_delay_ms / 1000)
        elif number % _LINES_PER_TURN == 0:
            await asyncio.sleep(0)


def _level(drawn: float) -> LogLevel:
    """80 % info, 15 % warning, 5 % error."""
    if drawn < 0.80:
        return LogLevel.INFO
    return LogLevel.WARNING if drawn < 0.95 else LogLevel.ERROR


def _document(job: JobContext, payload: Payload) -> DocumentDraft:
    return draft(
        SOURCE_TYPE,
        f"{job.step.definition_id}/{job.step_name}/{payload.key}",
        title=f"Test job {payload.key}",
        content=f"# Test job {payload.key}\n\nSeed {payload.seed}, depth {payload.depth}.\n",
        metadata=TestJobMetadata(
            seed=payload.seed, job_key=payload.key, depth=payload.depth, log_count=payload.log_count
        ),
        tags=(SOURCE_TYPE,),
    )
