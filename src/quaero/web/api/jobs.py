"""Single jobs of any kind: a run, a step or a worker job, with what lies below it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query, Response

from quaero.model.job import Job, JobError
from quaero.model.status import JobStatus
from quaero.ports.views import ChildFilter, ChildOrder, HeatStrip
from quaero.web.answers import answer, list_of, model_of, page_of
from quaero.web.api.parameters import Id, Place
from quaero.web.services import WebServices

Limit = Annotated[int, Query(ge=1, le=500)]


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt that did not simply succeed at the first try."""

    attempt: int
    process_id: int | None
    ended_at: datetime | None
    outcome: str
    error: JobError | None


class JobView(Job, frozen=True, kw_only=True):
    """A job with its attempts."""

    attempts: tuple[Attempt, ...] = ()


def routes(services: WebServices) -> APIRouter:
    router = APIRouter(tags=["jobs"])
    views, store = services.views, services.store

    @router.get("/jobs/{job_id}", response_model=model_of(JobView))
    def get_job(job_id: Id) -> Response:
        """One job: its inputs, result, error and attempts."""
        job = store.get_job(job_id)
        return answer({**msgspec.structs.asdict(job), "attempts": store.attempts(job_id)})

    @router.get("/jobs/{job_id}/children", response_model=page_of(Job))
    def children(
        job_id: Id,
        status: Annotated[list[JobStatus] | None, Query(description="Only those with one of these statuses.")] = None,
        family: Annotated[str | None, Query(description="Only jobs that failed with this family of errors.")] = None,
        first_place: Annotated[Place | None, Query(description="From this place among the children.")] = None,
        last_place: Annotated[Place | None, Query(description="Up to this place.")] = None,
        order: ChildOrder = "created",
        limit: Limit = 100,
        cursor: str | None = None,
    ) -> Response:
        """The steps of a run, the jobs of a step."""
        where = ChildFilter(statuses=tuple(status or ()), family=family, first_place=first_place, last_place=last_place)
        return answer(views.children(job_id, where, order=order, limit=limit, cursor=cursor))

    @router.get("/jobs/{job_id}/attempts", response_model=list_of(Attempt))
    def attempts(job_id: Id) -> Response:
        """How its attempts ended; none where the first one succeeded."""
        store.get_job(job_id)
        return answer(store.attempts(job_id))

    @router.get("/jobs/{job_id}/heat", response_model=model_of(HeatStrip))
    def heat(job_id: Id, cells: Annotated[int, Query(ge=1, le=2_000)] = 1_000) -> Response:
        """The children of a step in a strip of cells: the worst of each, at a glance."""
        store.get_job(job_id)
        return answer(views.heat_strip(job_id, cells=cells))

    return router


__all__: list[Any] = ["routes"]
