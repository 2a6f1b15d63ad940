"""What can be asked about documents besides themselves."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec


class DocumentRevision(msgspec.Struct, frozen=True, kw_only=True):
    """An earlier state of a document. Only what makes a revision is kept: no tags, no enrichments."""

    document_id: str
    revision: int
    title: str
    content: str
    url: str
    metadata: dict[str, Any]
    content_hash: str
    made_at: datetime
    manager_id: int
    step_name: str
    worker_type: str
    job_id: int
    attempt: int


class DocumentUse(msgspec.Struct, frozen=True, kw_only=True):
    """A step of a run that has a document; ``how`` is ``made``, ``reused`` or ``enriched``."""

    manager_id: int
    step_id: int
    step_name: str
    how: str


class Facets(msgspec.Struct, frozen=True, kw_only=True):
    """How many documents of a selection have each value, the most frequent first."""

    source_types: dict[str, int]
    tags: dict[str, int]
    categories: dict[str, int]
    """By ``rule_classifier.category``; documents without one are not counted."""


class KeywordTotal(msgspec.Struct, frozen=True, kw_only=True):
    """A keyword over a selection of documents."""

    keyword: str
    weight: float
    """Sum of the confidence that each document gives it."""
    documents: int
