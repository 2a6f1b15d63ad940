"""StepManager: which worker does a step, and are its parameters right. No status, no storage."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from quaero.definitions.parameters import accepted_keys
from quaero.errors import NotFound
from quaero.model.outcome import JobOutcome
from quaero.queue.context import JobContext

Plan = Callable[..., Iterable[BaseModel] | AsyncIterator[BaseModel] | Awaitable[Iterable[BaseModel]]]
"""``plan(config)`` or ``plan(config, job=...)`` -> payloads; a plain function, an async one or an async generator."""

Execute = Callable[[JobContext, Any], Awaitable[JobOutcome | None]]


@dataclass(frozen=True, slots=True)
class Worker:
    """One worker type: how its steps are described, split into jobs and executed.

    A payload may have fields ``key`` (identity below its step; else the payload's hash), ``priority``
    (higher first) and ``dedup_key`` (unique among open jobs of this worker type).
    """

    worker_type: str
    config: type[BaseModel]
    payload: type[BaseModel]
    plan: Plan
    execute: Execute
    job_type: str = ""
    """What one of its jobs is called (``local_dir_batch``); the worker type where empty."""
    description: str = ""
    documents: tuple[str, ...] = ()
    """Source types it writes."""
    example: str = ""
    """A step in TOML, shown by ``quaero workers show``."""

    @property
    def plan_takes_job(self) -> bool:
        return "job" in inspect.signature(self.plan).parameters


class StepManager:
    """The registry of workers."""

    def __init__(self) -> None:
        self._workers: dict[str, Worker] = {}

    def add(self, worker: Worker) -> None:
        """Register a worker; a second one of the same type is a programming error."""
        if worker.worker_type in self._workers:
            raise ValueError(f"worker type {worker.worker_type!r} is registered twice")
        self._workers[worker.worker_type] = worker

    def __iter__(self) -> Iterator[Worker]:
        return iter(sorted(self._workers.values(), key=lambda w: w.worker_type))

    def find(self, worker_type: str) -> Worker | None:
        return self._workers.get(worker_type)

    def get(self, worker_type: str) -> Worker:
        """The worker of this type.

        Raises:
            NotFound: no such type here; the message lists near matches.
        """
        if worker := self._workers.get(worker_type):
            return worker
        near = difflib.get_close_matches(worker_type, self._workers, n=3)
        hint = f"; did you mean {', '.join(near)}?" if near else ""
        raise NotFound(f"no worker type {worker_type!r}{hint}")

    def validate(self, worker_type: str, parameters: dict[str, Any]) -> BaseModel:
        """The step's typed config; unknown keys are dropped (the definition's check has warned of them).

        Raises:
            NotFound: the type; pydantic.ValidationError: the parameters.
        """
        model = self.get(worker_type).config
        return model.model_validate({k: v for k, v in parameters.items() if k in accepted_keys(model)})
