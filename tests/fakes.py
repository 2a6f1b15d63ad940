"""Stand-ins for the ports, small enough to be obviously right."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, ParamSpec, TypeVar

import msgspec
from pydantic import BaseModel

from quaero.errors import NotFound
from quaero.model.document import Document, DocumentDraft, DocumentId, DocumentQuery, DocumentRef
from quaero.model.log import LogLevel
from quaero.model.outcome import JobOutcome
from quaero.queue.context import CancelToken, JobContext, StepContext

P = ParamSpec("P")
T = TypeVar("T")

NOW = datetime(2025, 1, 1, tzinfo=UTC)


class FakeDocuments:
    """A DocumentStore in memory; ``commit`` does what the engine does with an outcome."""

    def __init__(self, documents: Iterable[Document] = ()) -> None:
        self.by_id: dict[str, Document] = {d.id: d for d in documents}
        self.enrichment_hashes: dict[str, dict[str, str]] = {}
        self.reads = 0

    async def get(self, document_id: str) -> Document:
        self.reads += 1
        if document_id not in self.by_id:
            raise NotFound(f"no document {document_id}")
        return self.by_id[document_id]

    async def find(self, source_type: str, source_id: str) -> Document | None:
        wanted = (source_type, source_id)
        return next((d for d in self.by_id.values() if (d.source_type, d.source_id) == wanted), None)

    async def select(self, query: DocumentQuery) -> Sequence[DocumentRef]:
        found = [d for d in self.by_id.values() if d.gone_at is None and query.source_type in (None, d.source_type)]
        return [
            DocumentRef(d.id, d.source_type, d.source_id, d.content_hash, dict(self.enrichment_hashes.get(d.id, {})))
            for d in found[: query.limit]
        ]

    async def known(self, source_type: str, prefix: str) -> dict[str, tuple[str, dict[str, object]]]:
        return {
            d.source_id: (d.id, d.metadata)
            for d in self.by_id.values()
            if d.source_type == source_type and d.source_id.startswith(prefix) and d.gone_at is None
        }

    async def commit(self, outcome: JobOutcome) -> None:
        for draft in outcome.documents:
            await self._put(draft)
        for enrichment in outcome.enrichments:
            old = self.by_id[enrichment.document_id]
            metadata = old.metadata | {enrichment.name: enrichment.value}
            self.by_id[old.id] = msgspec.structs.replace(old, metadata=metadata)
            self.enrichment_hashes.setdefault(old.id, {})[enrichment.name] = enrichment.content_hash
        for document_id in outcome.gone:
            self.by_id[document_id] = msgspec.structs.replace(self.by_id[document_id], gone_at=NOW)

    async def _put(self, draft: DocumentDraft) -> None:
        old = await self.find(draft.source_type, draft.source_id)
        document = make_document(
            id=old.id if old else f"doc_{len(self.by_id)}",
            source_type=draft.source_type,
            source_id=draft.source_id,
            title=draft.title,
            content=draft.content,
            url=draft.url,
            tags=draft.tags,
            metadata=draft.metadata,
            revision=old.revision + 1 if old else 1,
        )
        self.by_id[document.id] = document


class FakeCompute:
    """Runs everything at once, where it stands; ``calls`` holds the names of what ran."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    async def run(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        self.calls.append(function.__name__)
        return function(*args, **kwargs)


class FakeLog:
    """Keeps every line as (level, event, fields)."""

    def __init__(self) -> None:
        self.lines: list[tuple[LogLevel, str, dict[str, Any]]] = []

    def emit(self, level: LogLevel, event: str, fields: dict[str, Any]) -> None:
        self.lines.append((level, event, fields))

    def debug(self, event: str, /, **fields: Any) -> None:
        self.emit(LogLevel.DEBUG, event, fields)

    def info(self, event: str, /, **fields: Any) -> None:
        self.emit(LogLevel.INFO, event, fields)

    def warning(self, event: str, /, **fields: Any) -> None:
        self.emit(LogLevel.WARNING, event, fields)

    def error(self, event: str, /, **fields: Any) -> None:
        self.emit(LogLevel.ERROR, event, fields)

    def fields_of(self, event: str) -> list[dict[str, Any]]:
        """The fields of every line with this event, in order."""
        return [fields for _, name, fields in self.lines if name == event]


def make_job(
    worker_type: str = "local_dir",
    *,
    base_dir: str = "",
    inputs: DocumentQuery | None = None,
    tags: tuple[str, ...] = (),
    log: FakeLog | None = None,
    depth: int = 0,
    attempt: int = 1,
    token: CancelToken | None = None,
) -> JobContext:
    """The context of one attempt; ``log`` collects its lines."""
    step = StepContext(
        manager_id=1,
        step_id=2,
        step_name="step",
        worker_type=worker_type,
        definition_id="definition",
        log_day="2025-01-01",
        inputs=inputs or DocumentQuery(),
        tags=tags,
        base_dir=base_dir,
    )
    return JobContext(3, attempt, step, log or FakeLog(), depth=depth, token=token)


def make_document(id: str = "doc_1", **changes: Any) -> Document:  # noqa: A002 - the field's name
    """A stored document; its content hash is made from title, content and metadata."""
    values: dict[str, Any] = {
        "source_type": "local_dir",
        "source_id": f"/src/{id}.md",
        "title": id,
        "content": "",
        "url": "",
        "tags": (),
        "metadata": {},
        "revision": 1,
        "created_at": NOW,
        "updated_at": NOW,
        "last_synced": NOW,
    } | changes
    values.setdefault("content_hash", repr((values["title"], values["content"], values["metadata"])))
    return Document(id=DocumentId(id), **values)


async def collect(payloads: AsyncIterator[T]) -> list[T]:
    """All that an async ``plan`` yields."""
    return [payload async for payload in payloads]


def stored_and_back(payload: BaseModel) -> Any:
    """A payload as ``execute`` gets it: written to JSON and read again."""
    return type(payload).model_validate_json(payload.model_dump_json())
