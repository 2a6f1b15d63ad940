"""What the rest of Quaero may ask of a store. Implementations: ``quaero.storage``.

Two kinds of calls. Reads take no lock and may be made from any thread at any time. Writes are methods of a
transaction (``JobTransaction``, ``DocumentTransaction``), which the engine's writer opens and commits: what one
turn of the engine changes becomes visible at once or not at all. Times are integers, microseconds since 1970 UTC.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, Protocol

from quaero.model.document import (
    Document,
    DocumentDraft,
    DocumentQuery,
    DocumentRef,
    Enrichment,
    LineageNode,
    SearchHit,
)
from quaero.model.document_views import DocumentRevision, DocumentUse, Facets, KeywordTotal
from quaero.model.log import LogLevel, LogPage


class JobFacts(Protocol):
    """Who makes a document: what a store keeps of the running attempt. A ``JobContext`` is one."""

    @property
    def manager_id(self) -> int: ...
    @property
    def step_id(self) -> int: ...
    @property
    def step_name(self) -> str: ...
    @property
    def worker_type(self) -> str: ...
    @property
    def job_id(self) -> int: ...
    @property
    def attempt(self) -> int: ...


class DocumentWrite(Protocol):
    """Everything one attempt did to documents, as a store's ``prepare`` encoded it in the job's own frame."""

    @property
    def manager_id(self) -> int: ...
    @property
    def step_id(self) -> int: ...
    @property
    def job_id(self) -> int: ...
    @property
    def attempt(self) -> int: ...
    @property
    def size_bytes(self) -> int: ...


class DocumentStore(Protocol):
    """Documents, their runs, lineage and full-text search. Reads only; writes go through the engine."""

    async def get(self, document_id: str) -> Document: ...
    async def find(self, source_type: str, source_id: str) -> Document | None: ...
    async def select(self, query: DocumentQuery) -> Sequence[DocumentRef]:
        """The documents that ``query`` means, oldest first."""
        ...

    async def known(self, source_type: str, prefix: str) -> dict[str, tuple[str, dict[str, object]]]:
        """source_id -> (id, metadata) of the live documents of a type whose source_id starts with ``prefix``."""
        ...


class DocumentReader(Protocol):
    """The synchronous side, for the command line and the API."""

    def get_document(self, document_id: str) -> Document: ...
    def find_document(self, source_type: str, source_id: str) -> Document | None: ...
    def list_documents(
        self, query: DocumentQuery, *, limit: int, cursor: str | None = None
    ) -> tuple[list[Document], str | None]:
        """A page, newest first, and the cursor of the next one."""
        ...

    def search(
        self,
        text: str,
        *,
        limit: int = 20,
        offset: int = 0,
        include_gone: bool = False,
        marks: tuple[str, str] = ("[", "]"),
    ) -> list[SearchHit]: ...
    def revisions(self, document_id: str) -> list[DocumentRevision]: ...
    def uses(self, document_id: str) -> list[DocumentUse]: ...
    def lineage(self, document_id: str, *, depth: int = 8) -> LineageNode: ...
    def used_by(self, document_id: str, *, limit: int = 200) -> list[LineageNode]: ...
    def facets(self, query: DocumentQuery = ..., *, limit: int = 100) -> Facets: ...
    def top_keywords(self, query: DocumentQuery = ..., *, limit: int = 20) -> list[KeywordTotal]: ...


class LogStep(Protocol):
    """Whose lines they are; ``step_id`` 0 stands for the manager's own."""

    @property
    def manager_id(self) -> int: ...
    @property
    def step_id(self) -> int: ...
    @property
    def step_name(self) -> str: ...
    @property
    def worker_type(self) -> str: ...
    @property
    def log_day(self) -> str: ...


class LogGroup(Protocol):
    """Lines of one step in order, each a JSON array as ``quaero.queue.log_lines`` encodes it; bounds of what is in it.

    ``append`` sets the numbers of the first line once all are committed; until then they are 0.
    """

    rows: list[bytes]
    max_level: int
    min_job: int
    max_job: int
    first_seq: int
    first_line: int

    @property
    def step(self) -> LogStep: ...


class LogStore(Protocol):
    """Log lines: one file (or partition) per day a run began. ``day`` is that day, ``StepContext.log_day``."""

    def append(self, groups: Iterable[LogGroup]) -> dict[int, int]:
        """Write and commit lines, numbered per step and per run without holes. Returns manager_id -> last seq.

        May be repeated with the same groups after an error: what was committed is not written again.
        """
        ...

    def query(
        self,
        manager_id: int,
        *,
        day: str,
        step_id: int | None = None,
        job_id: int | None = None,
        min_level: LogLevel | None = None,
        after: int | None = None,
        before: int | None = None,
        text: str | None = None,
        limit: int = 200,
        order: Literal["asc", "desc"] = "asc",
    ) -> LogPage:
        """Lines with ``after < seq < before``. A job is found fastest together with its step."""
        ...

    def count(
        self,
        manager_id: int,
        *,
        day: str,
        step_id: int | None = None,
        job_id: int | None = None,
        min_level: LogLevel | None = None,
    ) -> int: ...
    def last_seq(self, manager_id: int, *, day: str) -> int: ...
    def days(self) -> list[str]: ...
    def has_day(self, day: str) -> bool: ...
    def drop_days_before(self, day: str, keep: Iterable[str] = ()) -> list[str]:
        """Retention. ``keep``: the days of runs that are still open. Returns the days that went."""
        ...

    def size_bytes(self) -> int: ...


class KeyStore(Protocol):
    """Named values; secret ones are encrypted at rest and never listed with their value."""

    def get(self, name: str) -> str: ...
    def find(self, name: str) -> str | None: ...
    def is_secret(self, name: str) -> bool: ...
    def names(self) -> dict[str, bool]:
        """Name -> is it secret."""
        ...


__all__ = [
    "DocumentDraft",
    "DocumentReader",
    "DocumentStore",
    "DocumentWrite",
    "Enrichment",
    "KeyStore",
    "LogStore",
]
