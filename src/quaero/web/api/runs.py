"""Runs: lists, single ones with their steps, and what can be done with them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from quaero.errors import Refused
from quaero.model.job import Job
from quaero.model.status import JobKind, JobStatus
from quaero.ports.views import ErrorFamily, LiveRow, RunFilter, StepSpan
from quaero.queue import reruns
from quaero.queue.turn import Turn
from quaero.web.answers import answer, list_of, model_of, page_of
from quaero.web.api.parameters import Id, Text, Time
from quaero.web.services import WebServices

Limit = Annotated[int, Query(ge=1, le=500)]
Cursor = Annotated[str | None, Query(description="`next` of the page before.")]


class Run(Job, frozen=True, kw_only=True):
    """A run with its steps."""

    steps: tuple[Job, ...] = ()


class Count(msgspec.Struct, frozen=True, kw_only=True):
    """How many there are; `more` when counting stopped there."""

    count: int
    more: bool


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """The run that was made."""

    id: int


class ResumeFrom(BaseModel):
    """Where to start again."""

    model_config = ConfigDict(extra="forbid")
    step: Text = Field(description="Name of a step: it and every step behind it are done again.")


class RetryFailed(BaseModel):
    """Which failed jobs to do again."""

    model_config = ConfigDict(extra="forbid")
    family: Text | None = Field(None, description="Only those with an error of this family; all of them where absent.")


def run_filter(
    status: Annotated[list[JobStatus] | None, Query(description="Only runs with one of these statuses.")] = None,
    definition: Annotated[str | None, Query(description="Only runs of this definition.")] = None,
    text: Annotated[str, Query(max_length=200, description="Part of the name or of the definition's id.")] = "",
    since: Annotated[Time | None, Query(description="Begun then or later.")] = None,
    until: Annotated[Time | None, Query(description="Begun before.")] = None,
    has_errors: Annotated[bool | None, Query(description="Completed, but not all of it.")] = None,
    with_child_runs: Annotated[bool, Query(description="Also runs that another run started.")] = False,
) -> RunFilter:
    return RunFilter(
        statuses=tuple(status or ()),
        definition_id=definition,
        text=text,
        since=since,
        until=until,
        has_errors=has_errors,
        with_child_runs=with_child_runs,
    )


Where = Annotated[RunFilter, Depends(run_filter)]
MOST_COUNTED = 10_000


def routes(services: WebServices) -> APIRouter:  # noqa: C901 - one small function per route
    router = APIRouter(tags=["runs"])
    views, store = services.views, services.store

    @router.get("/runs", response_model=page_of(Job))
    def list_runs(where: Where, limit: Limit = 50, cursor: Cursor = None) -> Response:
        """The newest first."""
        return answer(views.runs(where, limit=limit, cursor=cursor))

    @router.get("/runs/count", response_model=model_of(Count))
    def count_runs(where: Where) -> Response:
        """How many runs a filter matches, 10,000 or more at most."""
        found = views.count_runs(where, at_most=MOST_COUNTED)
        return answer(Count(count=min(found, MOST_COUNTED), more=found >= MOST_COUNTED))

    @router.get("/runs/{run_id}", response_model=model_of(Run))
    def get_run(run_id: Id) -> Response:
        """A run with its steps, from its counters alone."""
        return answer(_run(services, run_id))

    @router.get("/runs/{run_id}/tree", response_model=list_of(LiveRow))
    def tree(run_id: Id) -> Response:
        """The run, its steps, the runs that they started, and their steps."""
        store.run(run_id)
        return answer(views.run_rows(run_id))

    @router.get("/runs/{run_id}/timeline", response_model=list_of(StepSpan))
    def timeline(run_id: Id, slowest: Annotated[int, Query(ge=0, le=50)] = 5) -> Response:
        """When each step ran, with its slowest jobs."""
        store.run(run_id)
        return answer(views.timeline(run_id, slowest=slowest))

    @router.get("/runs/{run_id}/families", response_model=list_of(ErrorFamily))
    def families(run_id: Id, limit: Annotated[int, Query(ge=1, le=1_000)] = 100) -> Response:
        """What failed, by cause, the most frequent first."""
        store.run(run_id)
        return answer(views.families(run_id, limit=limit))

    async def changed(run_id: int, command: Callable[[Turn], None]) -> Response:
        _require_run(services, run_id)
        await services.write(command)
        return answer(_run(services, run_id))

    async def again(run_id: int, command: Callable[[Turn], int]) -> Response:
        _require_run(services, run_id)
        new = await services.write(command)
        return answer(Made(id=new), 202, {"Location": f"/api/runs/{new}"})

    @router.post("/runs/{run_id}/cancel", response_model=model_of(Run))
    async def cancel(run_id: Id) -> Response:
        """What is pending ends at once, what runs as soon as it can stop."""
        return await changed(run_id, lambda turn: services.jobs.cancel(turn, run_id))

    @router.post("/runs/{run_id}/pause", response_model=model_of(Run))
    async def pause(run_id: Id) -> Response:
        """Nothing more of it starts; what runs goes on."""
        return await changed(run_id, lambda turn: services.jobs.pause(turn, run_id))

    @router.post("/runs/{run_id}/resume", response_model=model_of(Run))
    async def resume(run_id: Id) -> Response:
        """Let a paused run go on."""
        return await changed(run_id, lambda turn: services.jobs.resume(turn, run_id))

    @router.post("/runs/{run_id}/rerun", status_code=202, response_model=model_of(Made))
    async def rerun(run_id: Id) -> Response:
        """All of it once more, by the definition it was started with."""
        return await again(run_id, lambda turn: reruns.rerun(services.dispatcher, turn, run_id))

    @router.post("/runs/{run_id}/retry-failed", status_code=202, response_model=model_of(Made))
    async def retry_failed(run_id: Id, what: RetryFailed | None = None) -> Response:
        """The failed jobs once more, then every step behind theirs; the rest is taken over."""
        family = what.family if what else None
        definition = store.definition_of(run_id)
        return await again(
            run_id,
            lambda turn: reruns.retry_failed(services.dispatcher, turn, run_id, definition, family=family),
        )

    @router.post("/runs/{run_id}/resume-from", status_code=202, response_model=model_of(Made))
    async def resume_from(run_id: Id, what: ResumeFrom) -> Response:
        """A step and all behind it once more; the steps before it are taken over."""
        definition = store.definition_of(run_id)
        return await again(
            run_id, lambda turn: reruns.resume_from(services.dispatcher, turn, run_id, definition, what.step)
        )

    return router


def _run(services: WebServices, run_id: int) -> dict[str, Any]:
    _require_run(services, run_id)
    job = services.store.get_job(run_id)
    steps = services.views.children(run_id, limit=1_000).items
    return {**msgspec.structs.asdict(job), "steps": steps}


def _require_run(services: WebServices, run_id: int) -> None:
    job = services.store.get_job(run_id)
    if job.kind is not JobKind.MANAGER:
        raise Refused(f"job {run_id} is a {job.kind} job; its run is {job.manager_id}", job_id=job.manager_id)
