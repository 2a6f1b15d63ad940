"""A document store with both its sides, on either database, and small documents to put into it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel

from quaero.model.document import DocumentDraft, DocumentQuery, Enrichment, draft
from quaero.model.outcome import JobOutcome
from quaero.storage.database import Connection, Database
from quaero.storage.document_plan import DocumentChanges
from quaero.storage.document_prepare import ContractRegistry, DocumentPreparer, PreparedDocuments
from quaero.storage.document_writer import DocumentWriter
from quaero.storage.documents import SqlDocumentStore
from quaero.storage.migrate import migrate
from quaero.storage.postgres import PostgresDatabase
from quaero.storage.sqlite import SqliteDatabase
from tests.postgres import drop_database, fresh_database

BACKENDS = ["sqlite", "postgres"]
NOW = 1_736_000_000_000_000  # 2025-01-04
HOUR = 3_600_000_000


class FileMetadata(BaseModel):
    VOLATILE: ClassVar[frozenset[str]] = frozenset({"mtime_ns"})

    path: str
    mtime_ns: int = 0


class Verdict(BaseModel):
    category: str


ALIASES = {"page": "web_page"}
CONTRACTS = ContractRegistry(
    documents={"file": FileMetadata},
    enrichments={"rule_classifier": Verdict},
    canonical=lambda name: ALIASES.get(name, name),
)


@dataclass(frozen=True)
class Job:
    """Who writes; a stand-in for a job's context."""

    job_id: int = 1
    manager_id: int = 1
    step_id: int = 10
    step_name: str = "scan"
    worker_type: str = "local_dir"
    attempt: int = 1


class Documents:
    """A store with both its sides, in a new database of a backend."""

    def __init__(self, backend: str, folder: Path) -> None:
        self.backend = backend
        self._url = fresh_database() if backend == "postgres" else None
        self.database = _database(self._url, folder)
        self.db: Connection = self.database.connect()
        migrate(self.db, "main")
        self.readers = self.database.readers()
        self.preparer = DocumentPreparer(CONTRACTS)
        self.writer = DocumentWriter(self.db)
        self.store = SqlDocumentStore(self.readers, CONTRACTS.canonical)

    def close(self) -> None:
        self.readers.close()
        self.db.close()
        if self._url is not None:
            drop_database(self._url)

    def clear(self) -> None:
        """As it was at first; faster than another database."""
        tables = ["documents", *(f"document_{kind}" for kind in
                  ("contents", "tags", "steps", "runs", "lineage", "revisions"))]  # fmt: skip
        self.db.script("".join(f"DELETE FROM {table};" for table in tables) + _CLEAR[self.backend])

    def prepare(self, outcome: JobOutcome, job: Job | None = None, **options: Any) -> PreparedDocuments:
        prepared = self.preparer.prepare(outcome, job or Job(), **options)
        assert prepared is not None
        return prepared

    def apply(self, *batch: PreparedDocuments, now: int = NOW) -> DocumentChanges:
        with self.db.transaction():
            return self.writer.apply(batch, now)

    def put(self, *drafts: DocumentDraft, job: Job | None = None, now: int = NOW, **options: Any) -> list[str]:
        """Store drafts as one job's; returns their ids."""
        job = job or Job()
        changes = self.apply(self.prepare(JobOutcome(documents=list(drafts)), job, **options), now=now)
        return [change.id for change in changes.jobs[job.job_id]]

    def enrich(self, document_id: str, name: str, value: dict[str, Any], **fields: Any) -> DocumentChanges:
        content_hash = self.store.get_document(document_id).content_hash
        item = Enrichment(document_id=document_id, name=name, value=value, content_hash=content_hash, **fields)
        return self.apply(self.prepare(JobOutcome(enrichments=[item]), Job(step_id=11, step_name="enrich")))

    def select(self, **query: Any) -> list[str]:
        return [ref.source_id for ref in asyncio.run(self.store.select(DocumentQuery(**query)))]

    def found(self, text: str, **options: Any) -> list[str]:
        return [hit.source_id for hit in self.store.search(text, **options)]

    def snapshot(self) -> dict[str, list[Any]]:
        """Every table, with ids left out: they differ from one database to the next."""
        columns = {
            "documents": "no, source_type, source_id, title, url, tags, metadata, enrichments, origin, revision,"
            " content_hash, created_at, updated_at, last_synced, gone_at",
            "document_contents": "no, content",
            "document_tags": "tag, document",
            "document_steps": "manager_id, name, step_id",
            "document_runs": "document, manager_id, step_id, how",
            "document_lineage": "child, parent, parent_hash, origin, made_at",
            "document_revisions": "document, revision, title, url, metadata, origin, content_hash, made_at, content",
        }
        return {table: sorted(self.db.fetch_all(f"SELECT {names} FROM {table}")) for table, names in columns.items()}

    def check_index(self) -> None:
        """Raises when the search index is not what the documents say."""
        if self.backend == "sqlite":
            self.db.run("INSERT INTO documents_fts (documents_fts, rank) VALUES ('integrity-check', 1)")
        else:
            assert self.db.fetch_all(_STALE_WORDS) == []


_CLEAR = {
    "sqlite": "DELETE FROM sqlite_sequence; INSERT INTO documents_fts (documents_fts) VALUES ('delete-all')",
    "postgres": "DELETE FROM document_index; UPDATE document_numbers SET last = 0",
}
_STALE_WORDS = """
SELECT no, d.title, i.words
  FROM documents AS d JOIN document_contents AS c USING (no) FULL JOIN document_index AS i USING (no)
 WHERE i.words IS DISTINCT FROM quaero_index(d.title, d.tags, c.content)
"""


def _database(url: str | None, folder: Path) -> Database:
    return SqliteDatabase(folder / "quaero.db", synchronous="OFF") if url is None else PostgresDatabase(url)


def page(source_id: str = "a", content: str = "one", **fields: Any) -> DocumentDraft:
    return draft("web_page", source_id, **{"title": f"Page {source_id}", "content": content, **fields})


def file(mtime_ns: int, content: str = "text") -> DocumentDraft:
    return draft("file", "f", title="f", content=content, metadata={"path": "/f", "mtime_ns": mtime_ns})
