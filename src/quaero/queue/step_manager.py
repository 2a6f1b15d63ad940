"""StepManager: which worker does a step, and are its parameters right. No status, no storage."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from pydantic import BaseModel

from quaero.definitions.parameters import accepted_keys
from quaero.definitions.placeholders import find, resolve, resolve_config
from quaero.errors import NotFound
from quaero.model.definition import JobDefinition, StepDefinition
from quaero.model.outcome import JobOutcome
from quaero.queue.context import JobContext

log = structlog.get_logger("quaero.steps")

Plan = Callable[..., Iterable[BaseModel] | AsyncIterator[BaseModel] | Awaitable[Iterable[BaseModel]]]
"""``plan(config)`` or ``plan(config, job=...)`` -> payloads; a plain function, an async one or an async generator."""

Execute = Callable[[JobContext, Any], Awaitable[JobOutcome | None]]


@dataclass(frozen=True, slots=True)
class Worker:
    """One worker type: how its steps are described, split into jobs and executed.

    A payload may have fields ``key`` (identity below its step; else the payload's hash), ``priority``
    (higher first), ``dedup_key`` (unique among open jobs of this worker type) and ``needs`` (a capability that this
    one job asks of its node, beyond those of the step).
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
    needs: frozenset[str] | Callable[[Any], Iterable[str]] = frozenset()
    """Capabilities that a node must have to plan such a step and run its jobs, maybe by its typed parameters: words
    such as ``browser``. Asked when a run is created; secrets are still placeholders then."""

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

    def needs(self, definition: JobDefinition, step: StepDefinition) -> tuple[str, ...]:
        """What the step's worker asks of a node; nothing where the worker or its parameters are not known here."""
        worker = self.find(step.type)
        if worker is None or not worker.needs:
            return ()
        if not callable(worker.needs):
            return tuple(sorted(worker.needs))
        try:
            return tuple(sorted(worker.needs(self.validate(step.type, planned_parameters(step, definition.config)))))
        except Exception as error:  # noqa: BLE001 - a worker's code, or bad parameters: its plan fails and says why
            log.warning("step.needs_unknown", step=step.name, worker_type=step.type, error=type(error).__name__)
            return ()

    def validate(self, worker_type: str, parameters: dict[str, Any]) -> BaseModel:
        """The step's typed config; unknown keys are dropped (the definition's check has warned of them).

        Raises:
            NotFound: the type; pydantic.ValidationError: the parameters.
        """
        model = self.get(worker_type).config
        return model.model_validate({k: v for k, v in parameters.items() if k in accepted_keys(model)})


def planned_parameters(step: StepDefinition, config: Mapping[str, Any]) -> dict[str, Any]:
    """The step's parameters with ``{config.x}`` filled in; what would be secret stays a placeholder."""
    if step.raw:
        return step.parameters
    filled: dict[str, Any] = map_texts(resolve_config(step.parameters, config), _final)
    return filled


def _final(text: str) -> str:
    # A text without secrets is finished now ({{ becomes {); one with secrets is finished where the job runs.
    return text if find(text) else str(resolve(text, str))


def map_texts(value: Any, change: Callable[[str], str]) -> Any:
    """The value with every text in its lists and tables changed."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [map_texts(item, change) for item in value]
    if isinstance(value, dict):
        return {key: map_texts(item, change) for key, item in value.items()}
    return value
