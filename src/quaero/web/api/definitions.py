"""Job definitions: the files of the definitions folder, checked as they are written, and started."""

from __future__ import annotations

from typing import Annotated

import msgspec
from fastapi import APIRouter, Header, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from quaero.definitions.entries import DefinitionEntry
from quaero.definitions.folder import Checked, OpenDefinition
from quaero.definitions.schema import DefinitionSchema
from quaero.errors import BadData
from quaero.model.schedule import Schedule
from quaero.ports.views import DefinitionRevision, LiveRow
from quaero.web.answers import answer, list_of, model_of, page, page_of
from quaero.web.api.parameters import Text
from quaero.web.api.runs import Made
from quaero.web.problems import CHANGED_MEANWHILE
from quaero.web.services import WebServices

LARGEST_SOURCE = 1_000_000

IfMatch = Annotated[
    str | None, Header(alias="If-Match", description="The `etag` that the change is meant for, in quotes or not.")
]


class DefinitionView(msgspec.Struct, frozen=True, kw_only=True):
    """A definition in the list: its file, its schedule, and how it went lately."""

    definition: DefinitionEntry
    schedule: Schedule | None
    runs: int
    last: list[LiveRow]
    """Its last runs, the newest first."""


class DefinitionText(msgspec.Struct, frozen=True, kw_only=True):
    """A definition with its text."""

    definition: DefinitionEntry
    source: str
    schedule: Schedule | None


class Source(BaseModel):
    """The text of a definition."""

    model_config = ConfigDict(extra="forbid")
    source: Text = Field(max_length=LARGEST_SOURCE)
    draft: bool = Field(False, description="Store it although it has errors; a draft is never run.")


class ToCheck(BaseModel):
    """A text that is not stored (yet)."""

    model_config = ConfigDict(extra="forbid")
    source: str = Field(max_length=LARGEST_SOURCE)
    definition_id: Text | None = Field(None, description="The definition whose new text it is.")


class Enabled(BaseModel):
    """Whether its schedule fires, and whether it can be started."""

    model_config = ConfigDict(extra="forbid")
    enabled: bool


class Execute(BaseModel):
    """How to start a run."""

    model_config = ConfigDict(extra="forbid")
    overrides: dict[Text, Text] = Field(default={}, description="Values that go into `[config]` before anything else.")


def routes(services: WebServices) -> APIRouter:
    router = APIRouter(prefix="/definitions", tags=["definitions"])
    folder = services.folder

    def schedules() -> dict[str, Schedule]:
        return {schedule.definition_id: schedule for schedule in services.schedules.list_schedules()}

    @router.get("", response_model=page_of(DefinitionView))
    def list_definitions() -> Response:
        """All of them, broken ones and drafts among them, by id."""
        entries = folder.list()
        uses = services.views.definition_uses([entry.id for entry in entries])
        by_id = schedules()
        return page(
            [
                DefinitionView(
                    definition=entry,
                    schedule=by_id.get(entry.id),
                    runs=uses[entry.id].runs if entry.id in uses else 0,
                    last=uses[entry.id].last if entry.id in uses else [],
                )
                for entry in entries
            ]
        )

    @router.post("", status_code=201, response_model=model_of(DefinitionEntry))
    def create(given: Source) -> Response:
        """A new definition, in a file that has its id for a name."""
        entry = folder.create(given.source, draft=given.draft)
        services.folder_changed()
        return _entry(entry, 201)

    @router.get("/schema", response_model=model_of(DefinitionSchema))
    def schema() -> Response:
        """What an editor needs to complete keys and values."""
        return answer(folder.schema())

    @router.post("/validate", response_model=model_of(Checked))
    def validate(given: ToCheck) -> Response:
        """What is wrong with a text, at which line and column, and the graph of its steps."""
        return answer(folder.check(given.source, definition_id=given.definition_id))

    @router.get("/{definition_id}", response_model=model_of(DefinitionText))
    def get_definition(definition_id: str) -> Response:
        """A definition with its text; its etag is in `ETag` too."""
        return _text(folder.get(definition_id), schedules().get(definition_id))

    @router.put("/{definition_id}", response_model=model_of(DefinitionEntry), responses=CHANGED_MEANWHILE)
    def update(definition_id: str, given: Source, if_match: IfMatch = None) -> Response:
        """New text; 412 when somebody has changed it since it was read."""
        entry = folder.update(definition_id, given.source, etag=_etag(if_match), draft=given.draft)
        services.folder_changed()
        return _entry(entry)

    @router.patch("/{definition_id}", response_model=model_of(DefinitionEntry), responses=CHANGED_MEANWHILE)
    def set_enabled(definition_id: str, given: Enabled, if_match: IfMatch = None) -> Response:
        """Change `enabled` alone; comments and order of the text stay."""
        entry = folder.set_enabled(definition_id, given.enabled, etag=_etag(if_match))
        services.folder_changed()
        return _entry(entry)

    @router.delete("/{definition_id}", status_code=204, response_class=Response, responses=CHANGED_MEANWHILE)
    def delete(definition_id: str, if_match: IfMatch = None) -> Response:
        """Remove the file. Runs keep the text they were started with; documents stay."""
        folder.delete(definition_id, etag=_etag(if_match))
        services.folder_changed()
        return Response(status_code=204)

    @router.post("/{definition_id}/execute", status_code=202, response_model=model_of(Made))
    async def execute(definition_id: str, given: Execute | None = None) -> Response:
        """Start a run; 409, with the run in the way, when one is active."""
        overrides = given.overrides if given else {}
        found = await services.aside(lambda: folder.runnable(definition_id, overrides=overrides))
        run_id = await services.write(
            lambda turn: services.dispatcher.execute(turn, found.definition, found.source, found.library)
        )
        return answer(Made(id=run_id), 202, {"Location": f"/api/runs/{run_id}"})

    @router.get("/{definition_id}/revisions", response_model=list_of(DefinitionRevision))
    def revisions(definition_id: str, limit: Annotated[int, Query(ge=1, le=200)] = 50) -> Response:
        """The texts that runs were started with, the newest first."""
        return answer(services.views.definition_revisions(definition_id)[:limit])

    return router


def _etag(given: str | None) -> str:
    etag = (given or "").strip().removeprefix("W/").strip('"')
    if not etag:
        raise BadData("the header If-Match is missing: name the etag of the version that the change is meant for")
    return etag


def _entry(entry: DefinitionEntry, status: int = 200) -> Response:
    return answer(entry, status, {"ETag": f'"{entry.etag}"', "Location": f"/api/definitions/{entry.id}"})


def _text(found: OpenDefinition, schedule: Schedule | None) -> Response:
    text = DefinitionText(definition=found.entry, source=found.source, schedule=schedule)
    return answer(text, headers={"ETag": f'"{found.entry.etag}"'})
