"""The registry of document contracts: what the metadata of each source type holds.

A contract says nothing about enrichments: those lie in the same metadata under their own names, and
:data:`ENRICHMENTS` says what each of them holds. Models ignore keys they don't know, so that a document which
carries enrichments, or was written by a newer version, can still be read.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Final, Literal

from pydantic import BaseModel, Field

Category = Literal["source", "test", "config", "docs", "build", "ci", "script", "data", "unknown"]
Importance = Literal["high", "medium", "low"]
Confidence = Annotated[float, Field(gt=0, le=1)]


class LocalDirMetadata(BaseModel, frozen=True):
    """One text file of a folder. ``source_id`` is its absolute path, ``content`` the file as it is."""

    VOLATILE: ClassVar[frozenset[str]] = frozenset({"file_mtime_ns"})
    """What may differ without the document having changed."""

    base_path: str
    file_path: str
    """Relative to ``base_path``."""
    absolute_path: str
    folder: str
    """Of ``file_path``; empty at the top."""
    extension: str
    """Lower case, with its dot; empty where there is none."""
    file_size: int
    """Bytes on disk."""
    file_mtime_ns: int
    """With ``file_size`` what decides whether the file must be read again. Nanoseconds since 1970 UTC."""
    file_type: str
    """Name of the language or format (``Python``); ``Text`` where it isn't known."""
    encoding: str
    line_count: int
    step_tags: tuple[str, ...] = ()
    """The ``tags`` parameter it was read with: a change of it is a reason to write the document again."""


class TestJobMetadata(BaseModel, frozen=True):
    """What a job of the load generator was asked to do."""

    __test__ = False  # a model, whatever its name looks like to a test runner

    seed: int
    job_key: str
    depth: int
    log_count: int


class KeywordExtraction(BaseModel, frozen=True):
    """Words and phrases a document is about, best first."""

    keywords: tuple[str, ...]
    confidence: dict[str, Confidence]
    """Keyword -> how sure, relative to the best one of this document."""


class RuleClassification(BaseModel, frozen=True):
    """What kind of file or page this is, decided by one rule."""

    category: Category
    subcategory: str
    """Finer than the category (``unit_test``, ``lockfile``); empty where nothing more is known."""
    purpose: str
    importance: Importance
    tags: tuple[str, ...]
    rule_matched: str
    """Id of the rule; ``none`` when no rule applied."""


CONTRACTS: Final[dict[str, type[BaseModel]]] = {
    "local_dir": LocalDirMetadata,
    "test_job": TestJobMetadata,
}
"""Source type -> model of the metadata its worker writes."""

ENRICHMENTS: Final[dict[str, type[BaseModel]]] = {
    "keyword_extractor": KeywordExtraction,
    "rule_classifier": RuleClassification,
}
"""Name of the enrichment -> model of its value."""

ALIASES: Final[dict[str, str]] = {
    "market_fundamentals": "asx_stock_collector",
    "market_announcements": "announcement",
    "market_signal": "signal_computer",
    "portfolio_holdings": "navexa_holdings",
    "portfolio_state": "navexa_holdings",
}
"""Source types by the names that other systems gave them."""


def canonical_source_type(name: str) -> str:
    """The source type that ``name`` means on lookup; a name without an alias is its own."""
    return ALIASES.get(name, name)
