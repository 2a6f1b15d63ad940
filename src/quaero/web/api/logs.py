"""Lines of a run: pages, and the whole as a file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Query, Response
from fastapi.responses import StreamingResponse

from quaero.definitions.findings import did_you_mean
from quaero.errors import NotFound
from quaero.model.job import Job
from quaero.model.log import LogEntry, LogLevel
from quaero.model.status import JobKind
from quaero.web.answers import answer, page_of
from quaero.web.api.parameters import Id, Seq
from quaero.web.services import WebServices

PAGE = 200
DOWNLOAD_PAGE = 5_000
_encoder = msgspec.json.Encoder()

Level = Annotated[LogLevel | None, Query(description="Lines of this level and above.")]
Step = Annotated[str | None, Query(description="Name or id of a step: its lines and those of its jobs.")]
JobId = Annotated[Id | None, Query(description="Lines of this job alone.")]
LineText = Annotated[str | None, Query(description="Only lines that contain this, in any case.", max_length=500)]
After = Annotated[Seq | None, Query(description="Only lines behind this `seq`.")]
Before = Annotated[Id | None, Query(description="Only lines before this `seq`.")]


def routes(services: WebServices) -> APIRouter:
    router = APIRouter(tags=["logs"])

    @router.get("/runs/{run_id}/logs", response_model=page_of(LogEntry))
    def list_lines(
        run_id: Id,
        after: After = None,
        before: Before = None,
        level: Level = None,
        step: Step = None,
        job: JobId = None,
        text: LineText = None,
        limit: Annotated[int, Query(ge=1, le=2_000)] = PAGE,
        order: Literal["asc", "desc"] = "asc",
    ) -> Response:
        """A page of a run's lines; `next` is the `after` (or, newest first, the `before`) of the page behind."""
        which = Lines(services, run_id, level=level, step=step, job=job, text=text)
        found = which.page(after=after, before=before, limit=limit, order=order)
        headers = {"Quaero-Lines": "dropped"} if which.are_dropped else {}
        return answer(found, headers=headers)

    @router.get(
        "/runs/{run_id}/logs/download",
        response_class=StreamingResponse,
        responses={200: {"content": {"text/plain": {}, "application/x-ndjson": {}}, "description": "The lines."}},
    )
    def download_lines(
        run_id: Id,
        level: Level = None,
        step: Step = None,
        job: JobId = None,
        text: LineText = None,
        form: Annotated[Literal["text", "jsonl"], Query(description="Plain text, or one JSON object a line.")] = "text",
    ) -> Response:
        """All lines that are asked for, as a file."""
        which = Lines(services, run_id, level=level, step=step, job=job, text=text)
        written = _as_text if form == "text" else _as_json
        suffix = "log" if form == "text" else "jsonl"
        return StreamingResponse(
            (b"".join(map(written, lines)) for lines in which.all()),
            media_type="text/plain; charset=utf-8" if form == "text" else "application/x-ndjson",
            headers={"Content-Disposition": f'attachment; filename="run-{run_id}.{suffix}"'},
        )

    return router


class Lines:
    """The lines of one run that were asked for."""

    def __init__(
        self,
        services: WebServices,
        run_id: int,
        *,
        level: LogLevel | None,
        step: str | None,
        job: int | None,
        text: str | None,
    ) -> None:
        """Raises NotFound for what the run does not have."""
        run = services.store.run(run_id)
        self._logs = services.logs
        self.run_id = run_id
        self._day = run.log_day
        self._filters: dict[str, Any] = {"min_level": level, "text": text or None}
        if step:
            self._filters["step_id"] = _step_id(services, run_id, step)
        if job is not None:
            self._filters |= _of_job(services.store.get_job(job), run_id)

    @property
    def are_dropped(self) -> bool:
        """The day's lines are past their time."""
        return not self._logs.has_day(self._day)

    def page(self, *, after: int | None, before: int | None, limit: int, order: Literal["asc", "desc"]) -> Any:
        return self._logs.query(
            self.run_id, day=self._day, after=after, before=before, limit=limit, order=order, **self._filters
        )

    def all(self) -> Iterator[list[LogEntry]]:
        after: int | None = 0
        while after is not None:
            found = self.page(after=after, before=None, limit=DOWNLOAD_PAGE, order="asc")
            yield found.items
            after = found.next


def _step_id(services: WebServices, run_id: int, step: str) -> int:
    ids = {row.name: row.id for row in services.store.steps(run_id)}
    if step in ids:
        return ids[step]
    if step.isascii() and step.isdigit() and int(step) in ids.values():
        return int(step)
    hint = did_you_mean(step, ids) or f"its steps are {', '.join(ids)}"
    raise NotFound(f"run {run_id} has no step {step!r}; {hint}")


def _of_job(job: Job, run_id: int) -> dict[str, Any]:
    if job.manager_id != run_id:
        raise NotFound(f"job {job.id} belongs to run {job.manager_id}, not to {run_id}")
    if job.kind is JobKind.MANAGER:
        return {}
    return {"step_id": job.id} if job.kind is JobKind.STEP else {"step_id": job.step_id, "job_id": job.id}


def _as_json(line: LogEntry) -> bytes:
    return _encoder.encode(line) + b"\n"


def _as_text(line: LogEntry) -> bytes:
    fields = " ".join(f"{key}={value}" for key, value in line.fields.items())
    place = line.step_name or "-"
    return f"{line.ts:%Y-%m-%dT%H:%M:%S.%fZ} {line.level:<7} {place} {line.job_id} {line.message} {fields}\n".encode()
