"""Full-text search: a compiled query -> statements over the index of texts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from quaero.calc.search_query import (
    After,
    And,
    Before,
    CompiledQuery,
    Matches,
    Node,
    Not,
    Or,
    Tag,
    Text,
    Type,
    compile_query,
    fts5_expression,
    parse,
    tsquery_tree,
)
from quaero.model.document import SearchHit
from quaero.storage.database import Dialect, Reader
from quaero.storage.document_reads import moment, read_tags
from quaero.storage.statements import statements

Marks = tuple[str, str]
_WRITERS: Mapping[Dialect, Callable[[Node], str]] = {"sqlite": fts5_expression, "postgres": tsquery_tree}
"""How each database is asked for a tree of texts."""
_EXCERPT_CHARS = 200
"""Of the content, where no words were asked for."""


class _Condition:
    """A tree of conditions as SQL of fixed fragments; every value is a parameter."""

    def __init__(self, dialect: Dialect, canonical: Callable[[str], str]) -> None:
        self._sql = statements(dialect, "document_reads")
        self._written = _WRITERS[dialect]
        self._canonical = canonical
        self.params: dict[str, Any] = {}

    def sql(self, node: Node) -> str:
        match node:
            case Matches(texts):
                return self._fragment("search_matches", self._written(texts))
            case Tag(name):
                return self._fragment("search_tag", name)
            case Type(source_type):
                return self._fragment("search_type", self._canonical(source_type))
            case After(at):
                return self._fragment("search_after", at)
            case Before(at):
                return self._fragment("search_before", at)
            case Not(inner):
                return f"(NOT {self.sql(inner)})"
            case And(nodes):
                return "(" + " AND ".join(self.sql(part) for part in nodes) + ")"
            case Or(nodes):
                return "(" + " OR ".join(self.sql(part) for part in nodes) + ")"
            case Text():
                raise TypeError("a text must be compiled first")

    def _fragment(self, name: str, value: Any) -> str:
        parameter = f"v{len(self.params)}"
        self.params[parameter] = value
        return self._sql[name].replace(":value", f":{parameter}")


def search(
    db: Reader,
    text: str,
    *,
    limit: int,
    offset: int,
    include_gone: bool,
    marks: Marks,
    canonical: Callable[[str], str],
) -> list[SearchHit]:
    """The hits of a query as the user typed it, best first, then newest first; nothing for an empty query."""
    node = parse(text)
    if node is None:
        return []
    query = compile_query(node)
    statement, params = search_statement(query, db.dialect, canonical, include_gone=include_gone)
    found: dict[int, float] = dict(db.fetch_all(statement, {**params, "limit": limit, "offset": offset}))
    if not found:
        return []
    sql = statements(db.dialect, "document_reads")
    nos = msgspec.json.encode(list(found)).decode()
    snippets: dict[int, str] = {}
    if query.ranking:
        match = _WRITERS[db.dialect](query.ranking)
        asked = {"match": match, "nos": nos, "before": marks[0], "after": marks[1]}
        snippets = dict(db.fetch_all(sql["search_snippets"], asked))
    rows = db.fetch_all(sql["search_hits"], {"nos": nos, "length": _EXCERPT_CHARS})
    return [
        SearchHit(
            document_id=id_,
            source_type=source_type,
            source_id=source_id,
            title=title,
            url=url,
            tags=read_tags(tags),
            snippet=snippets.get(no) or start,
            score=-found[no],
            updated_at=moment(updated_at),
        )
        for no, id_, source_type, source_id, title, url, tags, updated_at, start in rows
    ]


def search_statement(
    query: CompiledQuery, dialect: Dialect, canonical: Callable[[str], str], *, include_gone: bool
) -> tuple[str, dict[str, Any]]:
    """The statement for (number, rank) of the hits, and its parameters without limit and offset."""
    sql = statements(dialect, "document_reads")
    condition = _Condition(dialect, canonical)
    where = [] if include_gone else [sql["is_present"]]
    if query.condition is not None:
        where.append(condition.sql(query.condition))
    params = condition.params
    if query.match is not None:
        params["match"] = _WRITERS[dialect](query.match)
        parts = ["search_numbers_ranked", "search_document"]
        where.insert(0, sql["search_match"])
        order = "search_by_rank"
    elif query.ranking is not None:
        params["ranking"] = _WRITERS[dialect](query.ranking)
        parts = ["search_numbers_mixed", "with_document", "search_with_rank"]
        order = "search_by_mixed_rank"
    elif tag := _required_tag(query.condition):
        params["first_tag"] = tag
        parts = ["read_numbers", "of_tag", "with_document"]
        order = "search_by_number"
    else:
        parts = ["read_numbers", "of_all", "with_document"]
        order = "search_by_number"
    conditions = [" WHERE " + " AND ".join(where)] if where else []
    return "\n".join([*(sql[part] for part in parts), *conditions, sql[order]]), params


def _required_tag(node: Node | None) -> str | None:
    """A tag that every hit has: the index of tags then finds the candidates."""
    parts = node.nodes if isinstance(node, And) else (node,)
    return next((part.name for part in parts if isinstance(part, Tag)), None)
