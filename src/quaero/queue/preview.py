"""What a run of a definition would be: its steps in order, how many jobs, how long, what is cached, what has changed.

Expectations come from the last runs that completed; reruns, and steps that were reused, don't count. A dry plan, which
calls the workers' own ``plan`` and stores nothing, is made only when it is asked for.
"""

from __future__ import annotations

import asyncio
import inspect
import math
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from statistics import median, median_low
from time import monotonic
from typing import Any, cast

import msgspec
from pydantic import BaseModel

from quaero.definitions.graph import depends_graph, topological_order
from quaero.errors import NotFound
from quaero.model.definition import CachePolicy, JobDefinition, Limits, StepDefinition
from quaero.model.log import LogLevel
from quaero.ports.insight import JobInsight, RunTimes, StepTimes
from quaero.ports.jobs import JobStore, RunRow, State, StepRow
from quaero.queue.claims import LaneLimits
from quaero.queue.comparison import seconds_between, text_diff
from quaero.queue.context import CancelToken, JobContext
from quaero.queue.flow import PRE_JOBS, all_steps
from quaero.queue.job_manager import Definitions
from quaero.queue.limits import capacity
from quaero.queue.planner import HOUR_US, is_fresh
from quaero.queue.step_info import Reveal, StepInfo, config_of
from quaero.queue.step_manager import StepManager

PAST_RUNS = 5
SAMPLED_JOBS = 200
DRY_JOBS = 100_000
DRY_SECONDS = 10.0
SLICE = 500


class StepPreview(msgspec.Struct, frozen=True, kw_only=True):
    """A step as it is expected to go; None where nothing is known."""

    name: str
    worker_type: str
    depends: list[str]
    wave: int
    """Steps of one wave may run at the same time; each waits only for steps of earlier waves."""
    jobs: int | None
    seconds: float | None
    job_seconds: float | None
    least_seconds: float | None
    """What its limits alone make of that many jobs."""
    limits: list[str]
    """Those limits in words; limits by key aside, which depend on the jobs."""
    cached_run: int | None
    """The run whose result would be reused, if the documents that the step reads are the same."""
    cached_at: datetime | None
    cached_until: datetime | None
    changed: bool | None
    """Described otherwise than in the last run; None where there was none, or the step is new."""


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    """``basis``: the runs that the expectations come from, newest first."""

    definition_id: str
    basis: list[int]
    last_run: int | None
    seconds: float | None
    least_seconds: float | None
    """Along the longest way through the steps."""
    steps: list[StepPreview]
    order: list[list[str]]
    """Step names by wave."""
    diff: str
    """Of the definition's text against the last run's; empty where it is the same, or there was none."""
    in_the_way: int | None
    """An active run of this definition."""


class DryPlan(msgspec.Struct, frozen=True, kw_only=True):
    """``jobs``: what the plan made; ``more``: it was cut short there. ``error``: why there is none."""

    step: str
    jobs: int | None
    more: bool = False
    error: str = ""


def preview(
    definition: JobDefinition,
    source: str,
    store: JobStore,
    insight: JobInsight,
    definitions: Definitions,
    *,
    server_limits: Mapping[str, Limits],
    now: int,
    dry: Mapping[str, DryPlan] | None = None,
) -> Preview:
    """What would happen if it were started now. Reads only. ``dry``: of :func:`dry_plan`, for the numbers of jobs."""
    past = insight.last_runs(definition.id, PAST_RUNS, completed=True)
    last = next(iter(insight.last_runs(definition.id, 1, completed=False)), None)
    before = None if last is None else _decoded(store, definitions, definition.id, last.revision)
    times: dict[str, list[StepTimes]] = {}
    for row in insight.step_times([run.run_id for run in past]):
        if row.state is State.COMPLETED and row.reason is None:
            times.setdefault(row.name, []).append(row)
    steps = all_steps(definition)
    waves = _waves(steps)
    cached = _cached(definition, store, insight, definitions, now)
    shown = []
    for step in steps:
        planned = (dry or {}).get(step.name)
        known = times.get(step.name, [])
        jobs = planned.jobs if planned and planned.jobs is not None else _middle([row.total for row in known])
        newest = max(known, key=lambda row: row.manager_id, default=None)
        took = insight.job_seconds(newest.step_id, SAMPLED_JOBS) if newest else []
        job_seconds = round(median(took), 3) if took else None
        lane = LaneLimits(step.type, step.limits, server_limits.get(step.type, Limits()))
        least, words = _least(lane, jobs, job_seconds)
        made_at, cached_run = cached.get(step.name, (None, None))
        shown.append(
            StepPreview(
                name=step.name,
                worker_type=step.type,
                depends=list(step.depends),
                wave=waves[step.name],
                jobs=jobs,
                seconds=_median_seconds(known),
                job_seconds=job_seconds,
                least_seconds=least,
                limits=words,
                cached_run=cached_run,
                cached_at=_at(made_at),
                cached_until=_at(None if made_at is None else _expires(step.cache, made_at)),
                changed=_has_changed(step, before),
            )
        )
    open_runs = [run for run in insight.open_runs(definition.id) if run.parent_step is None]
    return Preview(
        definition_id=definition.id,
        basis=[run.run_id for run in past],
        last_run=None if last is None else last.run_id,
        seconds=_median_seconds(past),
        least_seconds=_longest_way(shown),
        steps=shown,
        order=[[s.name for s in shown if s.wave == wave] for wave in sorted(set(waves.values()))],
        diff="" if last is None else _diff(insight, definition.id, last, source),
        in_the_way=open_runs[0].id if open_runs else None,
    )


async def dry_plan(
    definition: JobDefinition, workers: StepManager, reveal: Reveal, *, mask: Callable[[str], str] = str
) -> dict[str, DryPlan]:
    """How many jobs the first steps would plan, by calling their ``plan``. Nothing is stored or logged.

    Only of steps that wait for no other: the others read what those make. A plan is cut short after 100,000 jobs or ten
    seconds. ``mask`` takes secrets out of what an error says.
    """
    found: dict[str, DryPlan] = {}
    for step in all_steps(definition):
        if step.depends or step.type == PRE_JOBS:
            continue
        try:
            async with asyncio.timeout(DRY_SECONDS):
                jobs, more = await _count(definition, step, workers, reveal)
            found[step.name] = DryPlan(step=step.name, jobs=jobs, more=more)
        except TimeoutError:
            found[step.name] = DryPlan(step=step.name, jobs=None, error=f"not planned within {DRY_SECONDS:g} s")
        except Exception as error:  # noqa: BLE001 - a worker's code, or parameters that don't fit: said, not raised
            text = mask(f"{type(error).__name__}: {error}")
            found[step.name] = DryPlan(step=step.name, jobs=None, error=text)
    return found


async def _count(
    definition: JobDefinition, step: StepDefinition, workers: StepManager, reveal: Reveal
) -> tuple[int, bool]:
    worker = workers.get(step.type)
    info = StepInfo(_no_run(definition), _no_step(step), definition, worker, Limits(), reveal)
    config = config_of(info, worker, workers.validate, reveal)
    job = JobContext(0, 1, info.context, _Silent(), 0, CancelToken(), info.reveal)
    plan: Any = worker.plan(config, **({"job": job} if worker.plan_takes_job else {}))
    if inspect.isawaitable(plan):
        plan = await plan
    started, count = monotonic(), 0
    if hasattr(plan, "__aiter__"):
        async for _ in cast("AsyncIterator[BaseModel]", plan):
            count += 1
            if count >= DRY_JOBS:
                return count, True
        return count, False
    payloads = iter(cast("Iterable[BaseModel]", plan or ()))
    while got := sum(1 for _ in islice(payloads, SLICE)):
        count += got
        if count >= DRY_JOBS or monotonic() - started > DRY_SECONDS:
            return count, True
        await asyncio.sleep(0)
    return count, False


class _Silent:
    """The log of a plan that nobody keeps."""

    def emit(self, level: LogLevel, event: str, fields: dict[str, Any]) -> None:
        """Not kept."""

    def debug(self, event: str, /, **fields: Any) -> None:
        """Not kept."""

    info = warning = error = debug


def _no_run(definition: JobDefinition) -> RunRow:
    """Stands for a run that does not exist: no document belongs to it."""
    return RunRow(
        id=0,
        definition_id=definition.id,
        revision=0,
        root_id=0,
        parent_step=None,
        rerun_of=None,
        name=definition.name,
        log_day="",
        state=State.RUNNING,
        reason=None,
        priority=0,
        queued=0,
        failing=0,
        warned=0,
        stop_reason=None,
        paused_at=None,
        deadline=None,
        message="",
    )


def _no_step(step: StepDefinition) -> StepRow:
    return StepRow(
        id=0,
        manager_id=0,
        root_id=0,
        position=step.position,
        name=step.name,
        worker_type=step.type,
        has_runs=0,
        state=State.RUNNING,
        reason=None,
        has_errors=0,
        attempt=1,
        failures=0,
        claimed_by=None,
        available_at=None,
        sealed=0,
        stop_reason=None,
        deadline=None,
        started_at=None,
        total=0,
        pending=0,
        waiting=0,
        running=0,
        completed=0,
        failed=0,
        cancelled=0,
        skipped=0,
        retried=0,
        document_count=0,
        warning_count=0,
        message="",
        cache_key=None,
    )


def _waves(steps: Sequence[StepDefinition]) -> dict[str, int]:
    graph = depends_graph(steps)
    waves: dict[str, int] = {}
    for name in topological_order(graph):
        waves[name] = max((waves[before] + 1 for before in graph[name] if before in waves), default=0)
    return waves


def _least(lane: LaneLimits, jobs: int | None, job_seconds: float | None) -> tuple[float | None, list[str]]:
    """The time that limits alone ask for, and these in words."""
    words: list[str] = []
    least: list[float] = []
    for limits, whose in ((lane.own, "the step"), (lane.server, f"all {lane.worker_type} jobs")):
        if limits.key:
            words.append(f"{whose}: limited by key {limits.key}")
            continue
        if limits.rate is not None:
            words.append(f"{whose}: at most {limits.rate.count} starts in {limits.rate.seconds:g} s")
            if jobs is not None:
                late = max(0.0, jobs - capacity(limits.rate))
                least.append(late * limits.rate.seconds / limits.rate.count)
        if limits.concurrency is not None:
            words.append(f"{whose}: at most {limits.concurrency} at once")
            if jobs is not None and job_seconds is not None:
                least.append(math.ceil(jobs / max(1, limits.concurrency)) * job_seconds)
    return (round(max(least), 3) if least else None), words


def _longest_way(steps: Sequence[StepPreview]) -> float | None:
    if all(step.least_seconds is None for step in steps):
        return None
    until: dict[str, float] = {}
    for step in sorted(steps, key=lambda s: s.wave):
        begins = max((until.get(name, 0.0) for name in step.depends), default=0.0)
        until[step.name] = begins + (step.least_seconds or 0.0)
    return round(max(until.values()), 3)


def _cached(
    definition: JobDefinition, store: JobStore, insight: JobInsight, definitions: Definitions, now: int
) -> dict[str, tuple[int, int]]:
    """Step -> (made at, run) of results that are fresh and were made from the same description."""
    given = {step.name: step for step in definition.steps if step.cache.enabled and step.cache.type != "none"}
    found: dict[str, tuple[int, int]] = {}
    for row in insight.cached_steps(definition.id):
        step = given.get(row.step_name)
        if step is None or row.step_name in found or not is_fresh(step.cache, row.made_at, now):
            continue
        try:
            revision = store.run(row.manager_id).revision
        except NotFound:
            continue
        made_from = _decoded(store, definitions, definition.id, revision)
        if made_from.config == definition.config and not _has_changed(step, made_from):
            found[row.step_name] = (row.made_at, row.manager_id)
    return found


def _expires(policy: CachePolicy, made_at: int) -> int:
    if policy.type == "hard_time":
        return (made_at // (24 * HOUR_US) + 1) * 24 * HOUR_US
    return made_at + int(policy.hours * HOUR_US)


def _has_changed(step: StepDefinition, before: JobDefinition | None) -> bool | None:
    if before is None:
        return None
    old = next((s for s in all_steps(before) if s.name == step.name), None)
    if old is None:
        return None
    return msgspec.structs.replace(old, position=0, description="") != msgspec.structs.replace(
        step, position=0, description=""
    )


def _decoded(store: JobStore, definitions: Definitions, definition_id: str, revision: int) -> JobDefinition:
    return definitions.decode((definition_id, revision), store.definition(definition_id, revision))


def _diff(insight: JobInsight, definition_id: str, last: RunTimes, source: str) -> str:
    before = insight.source(definition_id, last.revision)
    return text_diff(before, source, f"{definition_id} of run {last.run_id}", f"{definition_id} now")


def _median_seconds(rows: Sequence[RunTimes] | Sequence[StepTimes]) -> float | None:
    taken = [seconds_between(row.started_at, row.finished_at) for row in rows]
    known = [seconds for seconds in taken if seconds is not None]
    return round(median(known), 3) if known else None


def _middle(numbers: Sequence[int]) -> int | None:
    return median_low(numbers) if numbers else None


def _at(micros: int | None) -> datetime | None:
    return None if micros is None else datetime.fromtimestamp(micros / 1e6, UTC)
