"""Runs small workers through a real engine: event loop, writer thread, SQLite file."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from quaero import JobContext, JobOutcome, Worker
from quaero.app import App
from quaero.config import load
from quaero.model.definition import JobDefinition, RetryPolicy, StepDefinition
from quaero.model.job import Job
from quaero.queue.engine import Engine
from tests.postgres import fresh_database, release_database

DEADLINE_S = 30


class Config(BaseModel):
    jobs: int = 1
    secret: str = ""


class Payload(BaseModel):
    number: int
    secret: str = ""


def plan(config: Config) -> list[Payload]:
    return [Payload(number=number, secret=config.secret) for number in range(config.jobs)]


Execute = Callable[[JobContext, Payload], Awaitable[JobOutcome | None]]


@contextmanager
def app_with(folder: Path, execute: Execute, *, plan: Callable[..., Any] = plan, **engine: Any) -> Iterator[App]:
    """An app whose worker ``probe`` is the given function; ``engine`` replaces settings of ``[engine]``."""
    config = load(folder)
    config = replace(config, engine=config.engine.model_copy(update=engine))
    app = App(config)
    app.workers.add(Worker("probe", Config, Payload, plan, execute))
    try:
        yield app
    finally:
        app.close()


@contextmanager
def database_for(backend: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Within it settings name an empty server database; with SQLite a file in the data folder, as by default."""
    if backend == "sqlite":
        yield
        return
    url = fresh_database()
    monkeypatch.setenv("QUAERO_DATABASE", url)
    yield
    release_database(url)


def probe(jobs: int = 1, *, secret: str = "", retry: RetryPolicy | None = None, **step: Any) -> JobDefinition:
    one = StepDefinition(
        name="only",
        type="probe",
        position=0,
        parameters={"jobs": jobs, "secret": secret},
        retry=retry or RetryPolicy(),
        **step,
    )
    return JobDefinition(id="probe", name="Probe", hash=f"{jobs}-{secret}-{sorted(step.items())}", steps=(one,))


async def start(app: App, engine: Engine, definition: JobDefinition) -> int:
    return int(await engine.write(lambda turn: app.dispatcher.execute(turn, definition, "", {})))


def run_to_end(app: App, definition: JobDefinition) -> Job:
    """The manager job at its end."""

    async def main() -> int:
        engine = app.engine()
        await engine.start()
        run_id = await start(app, engine, definition)
        async with asyncio.timeout(DEADLINE_S):
            await engine.finished(run_id)
        await engine.stop()
        return run_id

    return app.store.get_job(asyncio.run(main()))


def children(app: App, run: Job) -> list[Job]:
    [step] = app.store.steps(run.id)
    return app.store.list_children(step.id, limit=10_000)


def messages(app: App, run: Job) -> list[str]:
    page = app.logs.query(run.id, day=app.store.run(run.id).log_day, limit=10_000)
    return [entry.message for entry in page.items]
