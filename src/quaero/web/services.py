"""WebServices: what the site asks for its answers. Made by the composition root, handed to every part of the API."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import msgspec

from quaero.definitions.folder import DefinitionFolder
from quaero.model.definition import JobDefinition, Limits
from quaero.model.job import Job
from quaero.ports.clock import Clock
from quaero.ports.insight import JobInsight
from quaero.ports.jobs import JobStore, RunRow
from quaero.ports.schedules import ScheduleReader
from quaero.ports.storage import DocumentReader, KeyStore, LogStore
from quaero.ports.views import JobViews
from quaero.queue.bulk import BulkActions
from quaero.queue.dispatcher import JobDispatcher
from quaero.queue.job_manager import Definitions, JobManager
from quaero.queue.scheduler import Scheduling
from quaero.queue.schedules import Schedules
from quaero.queue.step_info import Reveal
from quaero.queue.step_manager import StepManager
from quaero.queue.turn import Turn
from quaero.queue.why import Explainer

T = TypeVar("T")


class JobReads(JobStore, Protocol):
    """The job store, as people read it."""

    def get_job(self, job_id: int) -> Job: ...
    def definition_of(self, run_id: int) -> JobDefinition: ...
    def attempts(self, job_id: int) -> list[dict[str, Any]]: ...
    def runs_of_root(self, root_id: int) -> list[RunRow]: ...


class Keys(KeyStore, Protocol):
    """The key store, with its writing side."""

    def set(self, name: str, value: str, *, secret: bool = True) -> None: ...
    def delete(self, name: str) -> None: ...


class Write(Protocol):
    """Carries out a command in one of the engine's turns; its answer, once it is committed."""

    def __call__(self, command: Callable[[Turn], T], /) -> Awaitable[T]: ...


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """One setting as it is in force."""

    name: str
    """Dotted, as in quaero.toml."""
    value: Any
    origin: str
    """``default``, ``quaero.toml`` or the variable that sets it."""
    description: str


@dataclass(frozen=True)
class WebServices:
    """Everything the API reads from, and its one way to write."""

    store: JobReads
    views: JobViews
    documents: DocumentReader
    logs: LogStore
    keys: Keys
    workers: StepManager
    folder: DefinitionFolder
    folder_changed: Callable[[], None]
    """To be called after a change, so that schedules follow at once."""
    schedules: ScheduleReader
    scheduling: Scheduling
    insight: JobInsight
    definitions: Definitions
    explainer: Explainer
    bulk: BulkActions
    jobs: JobManager
    dispatcher: JobDispatcher
    clock: Clock
    write: Write
    sweep: Callable[[], Awaitable[None]]
    """Clears away what deleted runs have left."""
    limits: Mapping[str, Limits]
    """Worker type -> its limits on this installation."""
    settings: Callable[[], Sequence[Setting]]
    reveal: Reveal
    mask: Callable[[str], str]
    """Takes secrets out of a text."""
    version: str
    process_id: Callable[[], int]
    trouble: Callable[[], str]
    """Why nothing can be stored at the moment; empty when it can."""

    @property
    def schedule_rules(self) -> Schedules:
        return self.scheduling.rules

    async def aside(self, work: Callable[[], T]) -> T:
        """A read that may take a moment, in a thread."""
        return await asyncio.to_thread(work)
