"""StepInfo: what a process must know of a step to run its jobs, read once per step and process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

import msgspec
from pydantic import BaseModel, ValidationError

from quaero.definitions.placeholders import find_in, resolve_config
from quaero.errors import BadData
from quaero.model.definition import JobDefinition, Limits, StepDefinition
from quaero.model.document import DocumentQuery
from quaero.model.outcome import JobOutcome
from quaero.ports.jobs import JobStore, RunRow, StepRow
from quaero.queue.claims import LaneLimits
from quaero.queue.context import JobContext, StepContext
from quaero.queue.job_manager import Definitions
from quaero.queue.step_manager import StepManager, Worker, map_texts, planned_parameters
from quaero.queue.turn import Turn

Reveal = Callable[[str, Mapping[str, Any]], str]
"""Text and ``[config]`` -> the text with its secrets."""


class StepInfo:
    """A step as its jobs see it. Immutable once read; ``worker`` is None where this process lacks the type."""

    __slots__ = (
        "_reveal",
        "_secrets",
        "_validate",
        "context",
        "definition",
        "execute",
        "is_unlimited",
        "job_timeout",
        "limits",
        "root_id",
        "step",
        "step_id",
        "worker",
    )

    def __init__(
        self,
        run: RunRow,
        row: StepRow,
        definition: JobDefinition,
        worker: Worker | None,
        server: Limits,
        reveal: Reveal,
    ) -> None:
        step = definition.step(row.name)
        self.step = step
        self.definition = definition
        self.worker = worker
        self.root_id = run.root_id
        self.job_timeout = step.job_timeout
        self.limits = LaneLimits(row.worker_type, step.limits, server)
        self.is_unlimited = not self.limits.is_limited
        self.step_id = row.id
        self.context = StepContext(
            manager_id=run.id,
            step_id=row.id,
            step_name=row.name,
            worker_type=row.worker_type,
            definition_id=definition.id,
            log_day=run.log_day,
            inputs=inputs_of(step, run.id),
            tags=tuple(dict.fromkeys((*definition.tags, *step.output_tags))),
            base_dir=definition.base_dir,
        )
        self._reveal = reveal
        filled = step.parameters if step.raw else resolve_config(step.parameters, definition.config)
        self._secrets = {} if step.raw else {k: v for k, v in filled.items() if find_in(v)}
        self.execute = _refuse if worker is None else worker.execute
        self._validate = None if worker is None else worker.payload.__pydantic_validator__.validate_json

    def payload(self, text: str) -> BaseModel:
        """The typed payload; secrets go in here, in the process that runs the job, and nowhere else.

        Raises:
            BadData: it does not fit the worker's model (a newer or older worker wrote it), or a key is missing.
        """
        if self.worker is None or self._validate is None:
            raise BadData(f"worker type {self.context.worker_type} is not available in this process")
        try:
            if not self._secrets:
                return cast("BaseModel", self._validate(text))
            return self.worker.payload.model_validate(self._with_secrets(msgspec.json.decode(text)))
        except ValidationError as error:
            raise BadData(f"payload of {self.context.worker_type}: {plain(error)}") from error

    def reveal(self, text: str) -> str:
        """The text with its secrets, if the definition's author wrote it; any other text is left alone.

        What a crawled page says is never looked at for placeholders.
        """
        return self._reveal(text, self.definition.config) if text in self._secrets.values() else text

    def _with_secrets(self, payload: dict[str, Any]) -> dict[str, Any]:
        # Only a field that carries the parameter of its own name, unchanged, is filled in.
        for name, value in self._secrets.items():
            if payload.get(name) == value:
                payload[name] = map_texts(value, lambda text: self._reveal(text, self.definition.config))
        return payload


async def _refuse(job: JobContext, payload: Any) -> JobOutcome | None:
    raise BadData(f"worker type {job.worker_type} is not available in this process")


class StepBook:
    """The steps this process has met."""

    def __init__(
        self,
        store: JobStore,
        workers: StepManager,
        definitions: Definitions,
        server_limits: Mapping[str, Limits],
        reveal: Reveal,
    ) -> None:
        self._store = store
        self._workers = workers
        self._definitions = definitions
        self._server_limits = server_limits
        self._reveal = reveal
        self._known: dict[int, StepInfo] = {}

    def get(self, step_id: int) -> StepInfo:
        """The step, read with a committed view."""
        info = self._known.get(step_id)
        if info is None:
            row = self._store.step(step_id)
            run = self._store.run(row.manager_id)
            body = self._store.definition(run.definition_id, run.revision)
            definition = self._definitions.decode((run.definition_id, run.revision), body)
            info = self._keep(run, row, definition)
        return info

    def limits(self, turn: Turn, step_id: int) -> LaneLimits:
        """The step's limits, read within the turn: the step may be newer than any committed view."""
        info = self._known.get(step_id)
        if info is None:
            row = turn.tx.step(step_id)
            run = turn.tx.run(row.manager_id)
            info = self._keep(run, row, self._definitions.of(turn, run))
        return info.limits

    def forget_run(self, run_id: int) -> None:
        for step_id in [s for s, info in self._known.items() if info.context.manager_id == run_id]:
            del self._known[step_id]

    def _keep(self, run: RunRow, row: StepRow, definition: JobDefinition) -> StepInfo:
        server = self._server_limits.get(row.worker_type, Limits())
        info = StepInfo(run, row, definition, self._workers.find(row.worker_type), server, self._reveal)
        self._known[row.id] = info
        return info


def inputs_of(step: StepDefinition, manager_id: int) -> DocumentQuery:
    """What the step reads, as far as its definition says (job-definitions.md §7)."""
    given = step.filter
    narrow = DocumentQuery(
        tags=given.tags,
        source_type=given.source_type,
        category=given.category,
        created_after=given.created_after,
        updated_after=given.updated_after,
        limit=given.limit,
    )
    if step.inputs:
        return msgspec.structs.replace(narrow, manager_id=manager_id, step_names=step.inputs)
    if step.input_tags:
        return msgspec.structs.replace(narrow, manager_id=manager_id, tags=(*step.input_tags, *given.tags))
    if given:
        return narrow
    return DocumentQuery(manager_id=manager_id, tags=(step.name,))


def reads_by_default(step: StepDefinition) -> bool:
    """Neither inputs, tags nor filters: documents tagged with its name, else those of the steps it depends on."""
    return not (step.inputs or step.input_tags or step.filter)


def config_of(
    info: StepInfo, worker: Worker, validate: Callable[[str, dict[str, Any]], BaseModel], reveal: Reveal
) -> BaseModel:
    """The worker's typed parameters. ``{config.x}`` is filled in, secrets are not: what a plan makes is stored.

    Raises:
        BadData: a placeholder that can't be filled, or parameters that don't fit.
    """
    config = info.definition.config
    if not info.step.raw:
        for reference in find_in(info.step.parameters):
            if reference.kind != "config":
                reveal(str(reference), config)
        for reference in find_in(resolve_config(info.step.parameters, config)):
            if reference.kind == "config":
                raise BadData(f"{reference}: [config] has no such key; add it, or start with --set {reference.name}=…")
    try:
        return validate(worker.worker_type, planned_parameters(info.step, config))
    except ValidationError as error:
        raise BadData(f"step {info.step.name}: {plain(error)}") from error


def plain(error: ValidationError) -> str:
    """A validation error in one line: field and what is wrong; never the value, which may be a secret."""
    return "; ".join(
        f"{'.'.join(map(str, e['loc'])) or 'value'}: {e['msg']}" for e in error.errors(include_input=False)
    )
