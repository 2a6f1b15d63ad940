"""Schedules: when definitions run by themselves, and what became of each slot."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import msgspec
from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from quaero.errors import BadData
from quaero.model.schedule import Fire, Schedule
from quaero.queue.scheduler import backfill
from quaero.queue.schedules import next_times
from quaero.web.answers import answer, list_of, model_of, page, page_of
from quaero.web.api.parameters import Time
from quaero.web.services import WebServices

NEXT = 5


class ScheduleView(Schedule, frozen=True, kw_only=True):
    """A schedule with its next slots, in its own time zone."""

    next: tuple[datetime, ...] = ()


class Span(BaseModel):
    """Slots of the past that are to be made up for."""

    model_config = ConfigDict(extra="forbid")
    since: Time = Field(description="The first slot, or a time before it.")
    until: Time = Field(description="The last slot, or a time behind it.")


class Slot(msgspec.Struct, frozen=True, kw_only=True):
    """What a backfill made of one slot."""

    due_at: datetime
    outcome: str
    run_id: int | None
    note: str


def routes(services: WebServices) -> APIRouter:
    router = APIRouter(prefix="/schedules", tags=["schedules"])
    store, rules = services.schedules, services.schedule_rules

    def view(schedule: Schedule, count: int = NEXT) -> ScheduleView:
        try:
            times = next_times(schedule, count, datetime.now(UTC))
        except BadData:
            times = []
        return ScheduleView(**msgspec.structs.asdict(schedule), next=tuple(times))

    @router.get("", response_model=page_of(ScheduleView))
    def list_schedules() -> Response:
        """All of them, by definition, with the next five slots of each."""
        return page([view(schedule) for schedule in store.list_schedules()])

    @router.get("/{definition_id}", response_model=model_of(ScheduleView))
    def get_schedule(definition_id: str, count: Annotated[int, Query(ge=0, le=100)] = NEXT) -> Response:
        """A schedule with its next slots."""
        return answer(view(store.get_schedule(definition_id), count))

    @router.get("/{definition_id}/fires", response_model=list_of(Fire))
    def fires(definition_id: str, limit: Annotated[int, Query(ge=1, le=200)] = 50) -> Response:
        """What became of its last slots, the newest first."""
        return answer(store.fires(definition_id, limit=limit))

    @router.post("/{definition_id}/pause", response_model=model_of(ScheduleView))
    async def pause(definition_id: str) -> Response:
        """Let slots pass until it is resumed; its runs go on."""
        await services.write(lambda turn: rules.pause(turn, definition_id))
        return answer(await services.aside(lambda: view(store.get_schedule(definition_id))))

    @router.post("/{definition_id}/resume", response_model=model_of(ScheduleView))
    async def resume(definition_id: str) -> Response:
        """Let it fire again; slots that have passed meanwhile stay passed."""
        await services.write(lambda turn: rules.resume(turn, definition_id))
        return answer(await services.aside(lambda: view(store.get_schedule(definition_id))))

    @router.post("/{definition_id}/backfill", status_code=202, response_model=list_of(Slot))
    async def make_up(definition_id: str, span: Span) -> Response:
        """Start a run for each slot of the past that has none. Safe to repeat."""
        made = await backfill(services.scheduling, definition_id, _us(span.since), _us(span.until), services.write)
        slots = [Slot(due_at=_time(f.due_at), outcome=f.outcome, run_id=f.run_id, note=f.note) for f in made]
        return answer(slots, 202)

    return router


def _us(moment: datetime) -> int:
    return int(moment.timestamp() * 1e6)


def _time(micros: int) -> datetime:
    return datetime.fromtimestamp(micros / 1e6, UTC)
