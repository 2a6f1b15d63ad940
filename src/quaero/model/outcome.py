"""What one job hands over at its end. All of it commits with the completion, or none of it."""

from __future__ import annotations

from typing import Any

import msgspec
from pydantic import BaseModel

from quaero.model.document import DocumentDraft, Enrichment


class JobOutcome(msgspec.Struct, kw_only=True):
    """The result of ``execute``; a plain ``None`` means the same as an empty one."""

    documents: list[DocumentDraft] = []
    enrichments: list[Enrichment] = []
    unchanged: list[str] = []
    """Ids of documents looked at and found unchanged: they belong to this run and are synced, not rewritten."""
    gone: list[str] = []
    """Ids of documents whose source has vanished."""
    spawn: list[BaseModel] = []
    """Payloads of more jobs for the same step (siblings of this one)."""
    by_identifier: dict[str, Any] = {}
    """Result per identifier, for jobs that handle several."""
    warnings: list[str] = []
