"""Deeper questions, and actions on many: why not, dead letters, bulk actions, deleting, editing documents."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from fastapi import APIRouter, BackgroundTasks, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from quaero.ports.views import ErrorFamily
from quaero.queue.bulk import Action, BulkPreview, BulkResult, chosen, preview
from quaero.queue.deletion import delete_run
from quaero.queue.document_edits import Edited, delete_documents, retag_documents
from quaero.queue.families import heed_family, ignore_family
from quaero.queue.why import Why
from quaero.web.access.identity import access_of
from quaero.web.answers import answer, model_of, page, page_of
from quaero.web.api.parameters import Id, Text
from quaero.web.api.runs import Where
from quaero.web.services import WebServices

Ids = Annotated[list[Text], Field(min_length=1, max_length=1_000)]


class Bulk(BaseModel):
    """An action on all runs that the filter (in the query) matches."""

    model_config = ConfigDict(extra="forbid")
    action: Action
    expected: int = Field(ge=0, description="How many there should be; refused when there are more or fewer by now.")


class FamilyOfRun(BaseModel):
    """The failed jobs of one run with errors of one cause."""

    model_config = ConfigDict(extra="forbid")
    run_id: Id
    family: Text = Field(max_length=1_000)


class DocumentIds(BaseModel):
    model_config = ConfigDict(extra="forbid")
    ids: Ids


class Retag(BaseModel):
    """Tags to add and to remove."""

    model_config = ConfigDict(extra="forbid")
    ids: Ids
    add: list[Text] = Field(default=[], max_length=100)
    remove: list[Text] = Field(default=[], max_length=100)


class BulkDone(msgspec.Struct, frozen=True, kw_only=True):
    """What became of each run."""

    results: list[BulkResult]


def routes(services: WebServices) -> APIRouter:
    router = APIRouter()

    @router.get("/jobs/{job_id}/why", response_model=model_of(Why), tags=["jobs"])
    def why(job_id: Id) -> Response:
        """Why a job is not running: every reason that holds now, the outermost first."""
        return answer(services.explainer.why(job_id))

    @router.delete("/runs/{run_id}", status_code=204, response_class=Response, tags=["runs"])
    async def delete(run_id: Id, tasks: BackgroundTasks) -> Response:
        """Delete a run that has ended, with all its jobs. Its documents stay, and its lines until their day goes."""
        await services.write(lambda turn: delete_run(turn, run_id))
        tasks.add_task(services.sweep)
        return Response(status_code=204, background=tasks)

    @router.get("/bulk", response_model=model_of(BulkPreview), tags=["runs"])
    def look_before(where: Where) -> Response:
        """How many runs a filter matches, and the newest of them."""
        return answer(preview(services.views, where))

    @router.post("/bulk", response_model=model_of(BulkDone), tags=["runs"])
    async def act_on_many(where: Where, given: Bulk) -> Response:
        """One action on every run that the filter matches; one result each."""
        ids = await services.aside(lambda: chosen(services.views, where, given.expected))
        results = await services.bulk.carry_out(given.action, ids, services.write)
        if given.action == "delete":
            await services.sweep()
        return answer(BulkDone(results=results))

    @router.get("/dead-letters", response_model=page_of(ErrorFamily), tags=["dead letters"])
    def dead_letters(
        ignored: Annotated[bool | None, Query(description="Only those that are ignored, or are not.")] = None,
        limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
    ) -> Response:
        """Failed jobs of all runs by cause, the most frequent first."""
        return page(services.views.families(ignored=ignored, limit=limit))

    @router.post("/dead-letters/{what}", status_code=204, response_class=Response, tags=["dead letters"])
    async def ignore(what: Literal["ignore", "heed"], given: FamilyOfRun, request: Request) -> Response:
        """Look past a family of errors of a run, or look at it again. The jobs stay failed."""
        by = access_of(request.scope).actor
        if what == "ignore":
            await services.write(lambda turn: ignore_family(turn, given.run_id, given.family, by))
        else:
            await services.write(lambda turn: heed_family(turn, given.run_id, given.family))
        return Response(status_code=204)

    @router.post("/documents/delete", response_model=model_of(Edited), tags=["documents"])
    async def delete_many(given: DocumentIds) -> Response:
        """Delete documents with their revisions, tags and lineage."""
        return answer(await services.write(lambda turn: delete_documents(turn, given.ids)))

    @router.post("/documents/tags", response_model=model_of(Edited), tags=["documents"])
    async def retag(given: Retag) -> Response:
        """Add tags to documents, and remove some. Makes no revision."""
        return answer(
            await services.write(lambda turn: retag_documents(turn, given.ids, add=given.add, remove=given.remove))
        )

    return router
