"""Documents: what Quaero learns and keeps."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NewType

import msgspec
from pydantic import BaseModel

DocumentId = NewType("DocumentId", str)


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """One stored document. ``metadata`` holds the contract's fields and, by name, every enrichment."""

    id: DocumentId
    source_type: str
    source_id: str
    title: str
    content: str
    url: str
    tags: tuple[str, ...]
    metadata: dict[str, Any]
    revision: int
    content_hash: str
    created_at: datetime
    updated_at: datetime
    last_synced: datetime
    gone_at: datetime | None = None


class DocumentRef(msgspec.Struct, frozen=True):
    """What a plan needs of a document: enough to make a job that reads it later."""

    id: DocumentId
    source_type: str
    source_id: str
    content_hash: str
    enrichments: dict[str, str]
    """Name of each enrichment -> the content hash it was made from."""


class DocumentDraft(msgspec.Struct, frozen=True, kw_only=True):
    """A document as a worker hands it over; the id is given at commit. Build it with :func:`draft`."""

    source_type: str
    source_id: str
    title: str
    content: str
    url: str = ""
    tags: tuple[str, ...] = ()
    metadata: dict[str, Any] = {}
    derived_from: tuple[str, ...] = ()


class Enrichment(msgspec.Struct, frozen=True, kw_only=True):
    """Metadata that a worker adds to a document under its own name; makes no new revision."""

    document_id: str
    name: str
    value: dict[str, Any]
    content_hash: str
    """Of the document this was made from."""
    tags: tuple[str, ...] = ()


class DocumentQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which documents: all conditions hold at once; an empty one holds always. Dates are RFC 3339 text."""

    manager_id: int | None = None
    """Only documents that this run made or reused."""
    step_names: tuple[str, ...] = ()
    """Only documents that these steps of the run made or reused."""
    tags: tuple[str, ...] = ()
    source_type: str | None = None
    category: tuple[str, ...] = ()
    """Matches ``rule_classifier.category``."""
    created_after: str | None = None
    updated_after: str | None = None
    limit: int | None = None
    include_gone: bool = False


class LineageNode(msgspec.Struct, frozen=True, kw_only=True):
    """Why a document exists: the job that made it and the documents it was made from."""

    document_id: str
    source_type: str
    source_id: str
    title: str
    revision: int
    content_hash: str
    stale: bool = False
    """True when this source has changed since the document above was derived from it."""
    manager_id: int | None = None
    step_name: str | None = None
    worker_type: str | None = None
    job_id: int | None = None
    attempt: int | None = None
    made_at: datetime | None = None
    derived_from: tuple[LineageNode, ...] = ()


class SearchHit(msgspec.Struct, frozen=True, kw_only=True):
    """One found document. ``snippet`` marks the hits with ``[`` and ``]``; a higher ``score`` is better."""

    document_id: str
    source_type: str
    source_id: str
    title: str
    url: str
    tags: tuple[str, ...]
    snippet: str
    score: float
    updated_at: datetime


def draft(
    source_type: str,
    source_id: str,
    *,
    title: str,
    content: str,
    metadata: BaseModel | dict[str, Any] | None = None,
    url: str = "",
    tags: Sequence[str] = (),
    derived_from: Sequence[str] = (),
) -> DocumentDraft:
    """A document to be stored when the job completes. (source_type, source_id) is its identity."""
    if isinstance(metadata, BaseModel):
        metadata = metadata.model_dump(mode="json")
    return DocumentDraft(
        source_type=source_type,
        source_id=source_id,
        title=title,
        content=content,
        url=url,
        tags=tuple(tags),
        metadata=metadata or {},
        derived_from=tuple(derived_from),
    )
