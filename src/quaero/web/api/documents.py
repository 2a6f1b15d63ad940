"""Documents: lists with facets, single ones with revisions and lineage, and search."""

from __future__ import annotations

import time
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import PlainTextResponse

from quaero.model.document import Document, DocumentQuery, LineageNode, SearchHit
from quaero.model.document_views import DocumentRevision, DocumentUse, Facets
from quaero.web.answers import answer, list_of, model_of, page, page_of
from quaero.web.api.parameters import Id
from quaero.web.services import WebServices

Limit = Annotated[int, Query(ge=1, le=500)]
SourceType = Annotated[str | None, Query(description="Only documents of this source type.")]
Tags = Annotated[list[str] | None, Query(alias="tag", description="Only documents with all of these tags.")]
Categories = Annotated[list[str] | None, Query(alias="category", description="One of these categories.")]
Run = Annotated[Id | None, Query(description="Only documents that this run made or reused.")]
Steps = Annotated[list[str] | None, Query(alias="step", description="With `run`: only of these steps.")]
Since = Annotated[str | None, Query(description="Changed then or later (RFC 3339).")]
Gone = Annotated[bool, Query(description="Also those that their source no longer has.")]


class MarkdownResponse(PlainTextResponse):
    media_type = "text/markdown"


def selection(
    source_type: SourceType = None,
    tags: Tags = None,
    categories: Categories = None,
    run: Run = None,
    steps: Steps = None,
    updated_after: Since = None,
    include_gone: Gone = False,
) -> DocumentQuery:
    return DocumentQuery(
        source_type=source_type,
        tags=tuple(tags or ()),
        category=tuple(categories or ()),
        manager_id=run,
        step_names=tuple(steps or ()),
        updated_after=updated_after,
        include_gone=include_gone,
    )


Which = Annotated[DocumentQuery, Depends(selection)]


class DocumentView(Document, frozen=True, kw_only=True):
    """One document, with the steps that use it."""

    runs: tuple[DocumentUse, ...] = ()


class Lineage(LineageNode, frozen=True, kw_only=True):
    """Why a document exists, and what was made from it."""

    runs: tuple[DocumentUse, ...] = ()
    used_by: tuple[LineageNode, ...] = ()


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What a search brought; the marks around hits in snippets are U+0001 and U+0002."""

    items: list[SearchHit]
    next: int | None
    elapsed_ms: float


def routes(services: WebServices) -> APIRouter:
    router = APIRouter()
    documents = services.documents

    @router.get("/documents", response_model=page_of(Document), tags=["documents"])
    def list_documents(which: Which, limit: Limit = 50, cursor: str | None = None) -> Response:
        """The newest first; `content` is left empty."""
        found, following = documents.list_documents(which, limit=limit, cursor=cursor)
        return page([msgspec.structs.replace(one, content="") for one in found], following)

    @router.get("/documents/facets", response_model=model_of(Facets), tags=["documents"])
    def facets(which: Which) -> Response:
        """How many documents of the selection have each source type, tag and category."""
        return answer(documents.facets(which))

    @router.get("/documents/{document_id}", response_model=model_of(DocumentView), tags=["documents"])
    def get_document(document_id: str) -> Response:
        """One document, with its text."""
        found = documents.get_document(document_id)
        return answer({**_fields(found), "runs": documents.uses(document_id)}, headers={"ETag": f'"{found.revision}"'})

    @router.get("/documents/{document_id}/raw", response_class=MarkdownResponse, tags=["documents"])
    def raw_document(document_id: str) -> Response:
        """Its text alone: markdown."""
        found = documents.get_document(document_id)
        name = f"{document_id}.md"
        return MarkdownResponse(
            found.content,
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )

    @router.get("/documents/{document_id}/revisions", response_model=list_of(DocumentRevision), tags=["documents"])
    def revisions(document_id: str) -> Response:
        """Earlier states, the newest first."""
        return answer(documents.revisions(document_id))

    @router.get("/documents/{document_id}/lineage", response_model=model_of(Lineage), tags=["documents"])
    def lineage(document_id: str, depth: Annotated[int, Query(ge=1, le=20)] = 8) -> Response:
        """The documents it was made from, and those made from it."""
        tree = documents.lineage(document_id, depth=depth)
        more = {"runs": documents.uses(document_id), "used_by": documents.used_by(document_id)}
        return answer({**_fields(tree), **more})

    @router.get("/search", response_model=model_of(Found), tags=["search"])
    def search(
        q: Annotated[str, Query(max_length=2_000, description="Words, phrases, field:value; see the docs on search.")],
        limit: Limit = 20,
        cursor: Annotated[int, Query(ge=0, le=100_000)] = 0,
        include_gone: Gone = False,
    ) -> Response:
        """Full-text search: documents that match, the best first."""
        began = time.perf_counter()
        found = documents.search(q, limit=limit + 1, offset=cursor, include_gone=include_gone, marks=("\x01", "\x02"))
        elapsed = round((time.perf_counter() - began) * 1000, 1)
        following = cursor + limit if len(found) > limit else None
        return answer(Found(items=found[:limit], next=following, elapsed_ms=elapsed))

    return router


def _fields(struct: Any) -> dict[str, Any]:
    return msgspec.structs.asdict(struct)
