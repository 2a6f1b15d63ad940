"""Rows of the documents tables -> model, and the statements that a ``DocumentQuery`` means."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import msgspec

from quaero.calc.search_query import parse_date
from quaero.errors import BadData
from quaero.model.document import Document, DocumentId, DocumentQuery, DocumentRef
from quaero.storage.database import Dialect, Row
from quaero.storage.document_plan import EPOCH
from quaero.storage.document_prepare import normal_tag
from quaero.storage.statements import statements


class Origin(NamedTuple):
    """The attempt that made a revision, as the ``origin`` columns keep it."""

    manager_id: int
    step_name: str
    worker_type: str
    job_id: int
    attempt: int


class _MadeFrom(msgspec.Struct):
    content_hash: str = ""


read_tags = msgspec.json.Decoder(tuple[str, ...]).decode
read_object = msgspec.json.Decoder(dict[str, Any]).decode
read_origin = msgspec.json.Decoder(Origin).decode
_read_hashes = msgspec.json.Decoder(dict[str, _MadeFrom]).decode


def moment(microseconds: int) -> datetime:
    return EPOCH + timedelta(microseconds=microseconds)


def to_document(row: Row) -> Document:
    """Of the columns of ``get``. An enrichment takes the place of a metadata field with its name."""
    metadata = read_object(row[7])
    if row[8] != "{}":
        metadata.update(read_object(row[8]))
    return Document(
        id=DocumentId(row[0]),
        source_type=row[1],
        source_id=row[2],
        title=row[3],
        content=row[4],
        url=row[5],
        tags=read_tags(row[6]),
        metadata=metadata,
        revision=row[9],
        content_hash=row[10],
        created_at=moment(row[11]),
        updated_at=moment(row[12]),
        last_synced=moment(row[13]),
        gone_at=None if row[14] is None else moment(row[14]),
    )


def to_ref(row: Row) -> DocumentRef:
    hashes = {} if row[4] == "{}" else {name: e.content_hash for name, e in _read_hashes(row[4]).items()}
    return DocumentRef(
        id=DocumentId(row[0]), source_type=row[1], source_id=row[2], content_hash=row[3], enrichments=hashes
    )


class Selection:
    """The candidates and conditions of one ``DocumentQuery``, ready to be read in several ways."""

    def __init__(self, query: DocumentQuery, dialect: Dialect, canonical: Callable[[str], str]) -> None:
        self._sql = statements(dialect, "document_reads")
        self.params: dict[str, Any] = {}
        self._conditions: list[str] = []
        self._source = self._candidates(query, canonical)
        if not query.include_gone:
            self._conditions.append("is_present")
        if query.created_after:
            self._where("is_created_after", created_after=parse_date(query.created_after, "created_after"))
        if query.updated_after:
            self._where("is_updated_after", updated_after=parse_date(query.updated_after, "updated_after"))

    def sql(self, read: str, *, joins: Sequence[str] = (), conditions: Sequence[str] = (), end: str) -> str:
        """The statement that reads ``read`` of the selection; all are names of fragments."""
        where = " AND ".join(f"({self._sql[name]})" for name in (*self._conditions, *conditions))
        parts = [self._sql[name] for name in (read, self._source, "with_document", *joins)]
        if where:
            parts.append(f" WHERE {where}")
        return "\n".join((*parts, self._sql[end]))

    def _where(self, condition: str, **params: Any) -> None:
        self._conditions.append(condition)
        self.params.update(params)

    def _candidates(self, query: DocumentQuery, canonical: Callable[[str], str]) -> str:
        """Adds the conditions that may also be the source; returns the narrowest source."""
        if query.step_names and query.manager_id is None:
            raise BadData("documents by step need the run they belong to (manager_id)")
        tags = [normal_tag(tag) for tag in query.tags]
        source = "of_all"
        if query.category:
            source = "of_categories"
            self._where("is_in_categories", categories=_json(query.category))
        if query.source_type:
            source_type = canonical(query.source_type)
            self._where("is_of_type", source_type=source_type)
            source = "of_tag"
            self.params["first_tag"] = normal_tag(f"source_type:{source_type}")
        if tags:
            self._where("has_all_tags", tags=_json(tags))
            source = "of_tag"
            self.params["first_tag"] = tags[0]
        if query.manager_id is not None:
            self.params["manager_id"] = query.manager_id
            source = "of_run"
        if query.step_names:
            self.params["step_names"] = _json(query.step_names)
            source = "of_steps"
        return source


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
