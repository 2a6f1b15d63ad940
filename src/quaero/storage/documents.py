"""SqlDocumentStore: everything that is read of documents. Writes are ``document_writer``'s."""

from __future__ import annotations

import asyncio
import difflib
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

import msgspec

from quaero.errors import BadData, NotFound
from quaero.model.document import Document, DocumentQuery, DocumentRef, LineageNode, SearchHit
from quaero.model.document_views import DocumentRevision, DocumentUse, Facets, KeywordTotal
from quaero.storage import document_search
from quaero.storage.database import Readers, Row
from quaero.storage.document_reads import Selection, moment, read_object, read_origin, to_document, to_ref
from quaero.storage.statements import statements

T = TypeVar("T")
MAX_LINEAGE_DEPTH = 32
MAX_LINEAGE_NODES = 2000
"""Of one tree; shared ancestors are repeated, which may grow without bound."""
_LAST = 2**63 - 1
_ALL = DocumentQuery()


class SqlDocumentStore:
    """Reads on a connection of the calling thread. From a file each takes microseconds, so the async side simply calls;
    a server may keep one waiting, so there a thread does it."""

    def __init__(self, readers: Readers, canonical: Callable[[str], str] = str) -> None:
        self._readers = readers
        self._canonical = canonical
        self._sql = statements(readers.dialect, "document_reads")

    async def get(self, document_id: str) -> Document:
        """Raises NotFound, naming an id that looks alike."""
        return await self._aside(partial(self.get_document, document_id))

    async def find(self, source_type: str, source_id: str) -> Document | None:
        return await self._aside(partial(self.find_document, source_type, source_id))

    async def select(self, query: DocumentQuery) -> Sequence[DocumentRef]:
        """Oldest first."""
        return await self._aside(partial(self._select, query))

    async def known(self, source_type: str, prefix: str) -> dict[str, tuple[str, dict[str, object]]]:
        """source_id -> (id, metadata without enrichments) of live documents, by the start of their source_id."""
        return await self._aside(partial(self._known, source_type, prefix))

    async def _aside(self, read: Callable[[], T]) -> T:
        return read() if self._readers.dialect == "sqlite" else await asyncio.to_thread(read)

    def _select(self, query: DocumentQuery) -> list[DocumentRef]:
        selection = Selection(query, self._readers.dialect, self._canonical)
        limit = _LAST if query.limit is None else query.limit
        rows = self._fetch(selection.sql("read_refs", end="by_number"), **selection.params, limit=limit)
        return [to_ref(row) for row in rows]

    def _known(self, source_type: str, prefix: str) -> dict[str, tuple[str, dict[str, object]]]:
        rows = self._fetch(self._sql["known"], source_type=self._canonical(source_type), prefix=prefix)
        return {source_id: (id_, read_object(metadata)) for source_id, id_, metadata in rows}

    def get_document(self, document_id: str) -> Document:
        """Raises NotFound, naming an id that looks alike."""
        rows = self._fetch(self._sql["get"], id=_text(document_id))
        if not rows:
            raise self._missing(document_id)
        return to_document(rows[0])

    def find_document(self, source_type: str, source_id: str) -> Document | None:
        """By its key; ``source_type`` may be an alias."""
        key = {"source_type": self._canonical(source_type), "source_id": _text(source_id)}
        rows = self._fetch(self._sql["find"], **key)
        return to_document(rows[0]) if rows else None

    def list_documents(
        self, query: DocumentQuery, *, limit: int, cursor: str | None = None
    ) -> tuple[list[Document], str | None]:
        """A page of documents, newest first, and the cursor of the next one (None on the last)."""
        selection = Selection(query, self._readers.dialect, self._canonical)
        sql = selection.sql("read_numbers", conditions=["is_before_cursor"], end="by_number_backwards")
        found = self._fetch(sql, **selection.params, limit=limit + 1, cursor=_position(cursor))
        nos = [no for no, _ in found[:limit]]
        rows = self._fetch(self._sql["page"], nos=_json(nos)) if nos else []
        return [to_document(row) for row in rows], str(nos[-1]) if nos and len(found) > limit else None

    def search(
        self,
        text: str,
        *,
        limit: int = 20,
        offset: int = 0,
        include_gone: bool = False,
        marks: tuple[str, str] = ("[", "]"),
    ) -> list[SearchHit]:
        """Best first. ``marks`` go around each hit in the snippets.

        Raises:
            BadData: a date in the query can't be read; nothing else can be wrong with one.
        """
        return document_search.search(
            self._readers.get(),
            text,
            limit=limit,
            offset=offset,
            include_gone=include_gone,
            marks=marks,
            canonical=self._canonical,
        )

    def revisions(self, document_id: str) -> list[DocumentRevision]:
        """The earlier revisions that are kept, newest first."""
        no, _ = self._number(document_id)
        found = []
        for revision, title, content, url, metadata, content_hash, made_at, origin in self._fetch(
            self._sql["revisions"], no=no
        ):
            made = DocumentRevision(
                document_id=document_id,
                revision=revision,
                title=title,
                content=content,
                url=url,
                metadata=read_object(metadata),
                content_hash=content_hash,
                made_at=moment(made_at),
                **read_origin(origin)._asdict(),
            )
            found.append(made)
        return found

    def uses(self, document_id: str) -> list[DocumentUse]:
        """The steps that made, reused or enriched the document, the newest run first."""
        no, _ = self._number(document_id)
        rows = self._fetch(self._sql["uses"], no=no)
        return [DocumentUse(manager_id=m, step_id=s, step_name=name, how=how) for m, s, name, how in rows]

    def lineage(self, document_id: str, *, depth: int = 8) -> LineageNode:
        """The document, what it was made from, what that was made from, and so on ``depth`` levels up."""
        no, _ = self._number(document_id)
        edges: dict[int, list[tuple[int, str]]] = {}
        depth = max(0, min(depth, MAX_LINEAGE_DEPTH))
        for child, parent, parent_hash in self._fetch(self._sql["ancestors"], no=no, depth=depth):
            edges.setdefault(child, []).append((parent, parent_hash))
        nos = {no, *(parent for parents in edges.values() for parent, _ in parents)}
        return _Tree(self._nodes(nos), edges).node(no, depth)

    def used_by(self, document_id: str, *, limit: int = 200) -> list[LineageNode]:
        """The documents made from this one, newest first; ``stale``: it has changed since."""
        no, content_hash = self._number(document_id)
        children = self._fetch(self._sql["children"], no=no, limit=limit)
        nodes = self._nodes({child for child, _ in children})
        return [_lineage_node(nodes[child], stale=used != content_hash) for child, used in children]

    def facets(self, query: DocumentQuery = _ALL, *, limit: int = 100) -> Facets:
        """Counts over the documents that ``query`` means (its limit aside); ``limit`` values of each kind."""
        selection = Selection(query, self._readers.dialect, self._canonical)
        params = {**selection.params, "limit": limit}
        types = selection.sql("read_types", end="by_frequency")
        tags = selection.sql("read_tags", joins=["with_tags"], end="by_frequency")
        categories = selection.sql("read_categories", conditions=["is_categorised"], end="by_frequency")
        return Facets(
            source_types=dict(self._fetch(types, **params)),
            tags=dict(self._fetch(tags, **params)),
            categories=dict(self._fetch(categories, **params)),
        )

    def top_keywords(self, query: DocumentQuery = _ALL, *, limit: int = 20) -> list[KeywordTotal]:
        """The keywords with the most confidence over all documents that ``query`` means (a run, or everything)."""
        selection = Selection(query, self._readers.dialect, self._canonical)
        sql = selection.sql("read_keywords", joins=["with_keywords"], conditions=["is_number"], end="by_frequency")
        rows = self._fetch(sql, **selection.params, limit=limit)
        return [KeywordTotal(keyword=keyword, weight=weight, documents=count) for keyword, weight, count in rows]

    def _fetch(self, sql: str, **params: object) -> list[Row]:
        return self._readers.get().fetch_all(sql, params)

    def _number(self, document_id: str) -> tuple[int, str]:
        rows = self._fetch(self._sql["number_of"], id=_text(document_id))
        if not rows:
            raise self._missing(document_id)
        no, content_hash = rows[0]
        return no, content_hash

    def _nodes(self, nos: set[int]) -> dict[int, Row]:
        rows = self._fetch(self._sql["lineage_nodes"], nos=_json(list(nos)))
        return {row[0]: row for row in rows}

    def _missing(self, document_id: str) -> NotFound:
        """Ids begin with the time they were made, so the one that was meant begins alike."""
        digits = _text(document_id).strip().lower().removeprefix("doc_").replace("-", "")
        if digits:
            start = "doc_" + digits[:10]
            rows = self._fetch(self._sql["ids_between"], first=start, end=start + "\U0010ffff")
            if near := difflib.get_close_matches(f"doc_{digits}", [id_ for (id_,) in rows], n=1, cutoff=0.5):
                return NotFound(f"no document {document_id}; did you mean {near[0]}?")
        return NotFound(f"no document {document_id}")


class _Tree:
    """Builds a lineage tree; a document above itself, and what lies beyond the last node, has no parents shown."""

    def __init__(self, rows: dict[int, Row], edges: dict[int, list[tuple[int, str]]]) -> None:
        self._rows = rows
        self._edges = edges
        self._left = MAX_LINEAGE_NODES

    def node(
        self, no: int, depth: int, path: frozenset[int] = frozenset(), made_from: str | None = None
    ) -> LineageNode:
        row = self._rows[no]
        self._left -= 1
        parents = []
        if depth > 0 and no not in path:
            for parent, parent_hash in self._edges.get(no, ()):
                if self._left <= 0:
                    break
                if parent in self._rows:
                    parents.append(self.node(parent, depth - 1, path | {no}, parent_hash))
        return _lineage_node(row, stale=made_from is not None and made_from != row[6], derived_from=tuple(parents))


def _lineage_node(row: Row, *, stale: bool, derived_from: tuple[LineageNode, ...] = ()) -> LineageNode:
    _, id_, source_type, source_id, title, revision, content_hash, origin, updated_at = row
    return LineageNode(
        document_id=id_,
        source_type=source_type,
        source_id=source_id,
        title=title,
        revision=revision,
        content_hash=content_hash,
        stale=stale,
        made_at=moment(updated_at),
        derived_from=derived_from,
        **read_origin(origin)._asdict(),
    )


def _position(cursor: str | None) -> int:
    if cursor is None:
        return _LAST
    if not (cursor.isascii() and cursor.isdecimal() and len(cursor) < 19):
        raise BadData(f"cursor {cursor[:40]!r} is not one that a page of documents gave")
    return int(cursor)


def _json(numbers: list[int]) -> str:
    return msgspec.json.encode(numbers).decode()


def _text(value: str) -> str:
    """``value`` as the database can be asked for it."""
    return value.encode(errors="replace").decode()
