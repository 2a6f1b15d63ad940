"""Before and after: what a run would do, and how two runs differ."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from quaero.ports.insight import DocumentChange
from quaero.queue.comparison import Comparison, DocumentPage, compare, documents
from quaero.queue.preview import Preview, dry_plan, preview
from quaero.web.answers import answer, model_of
from quaero.web.api.parameters import Id, Text
from quaero.web.services import WebServices


class ToPreview(BaseModel):
    """How the run would be started."""

    model_config = ConfigDict(extra="forbid")
    overrides: dict[Text, Text] = Field(default={}, description="Values that would go into `[config]`.")
    dry: bool = Field(False, description="Also plan each step, without doing any of its work, to count its jobs.")


def routes(services: WebServices) -> APIRouter:
    router = APIRouter()

    @router.post("/definitions/{definition_id}/preview", response_model=model_of(Preview), tags=["definitions"])
    async def plan(definition_id: str, given: ToPreview | None = None) -> Response:
        """What would happen if it were started now: jobs, time, what is cached, what limits allow, what has changed."""
        given = given or ToPreview(overrides={}, dry=False)
        overrides = given.overrides
        found = await services.aside(lambda: services.folder.runnable(definition_id, overrides=overrides))
        dry = None
        if given.dry:
            dry = await dry_plan(found.definition, services.workers, services.reveal, mask=services.mask)

        def look() -> Preview:
            return preview(
                found.definition,
                found.source,
                services.store,
                services.insight,
                services.definitions,
                server_limits=services.limits,
                now=services.clock.now(),
                dry=dry,
            )

        return answer(await services.aside(look))

    @router.get("/runs/{run_id}/compare/{other_id}", response_model=model_of(Comparison), tags=["runs"])
    def compare_runs(run_id: Id, other_id: Id, listed: Annotated[int, Query(ge=0, le=500)] = 20) -> Response:
        """Two runs of one definition: its text, each step, and the documents that came, changed and went."""
        return answer(compare(services.store, services.insight, run_id, other_id, listed=listed))

    @router.get(
        "/runs/{run_id}/compare/{other_id}/documents/{change}", response_model=model_of(DocumentPage), tags=["runs"]
    )
    def compared_documents(
        run_id: Id,
        other_id: Id,
        change: DocumentChange,
        limit: Annotated[int, Query(ge=1, le=500)] = 100,
        cursor: str | None = None,
    ) -> Response:
        """All documents of one kind of change."""
        compare(services.store, services.insight, run_id, other_id, listed=0)
        return answer(documents(services.insight, run_id, other_id, change, limit=limit, cursor=cursor))

    return router
