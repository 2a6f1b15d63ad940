"""No hot statement on documents reads a whole table, whatever the planner knows about the data."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from quaero.calc.search_query import compile_query, parse
from quaero.model.document import DocumentQuery
from quaero.storage.document_reads import Selection
from quaero.storage.document_search import search_statement
from quaero.storage.migrate import migrate
from quaero.storage.sqlite import Connection
from quaero.storage.statements import statements

WRITES = statements("sqlite", "documents")
READS = statements("sqlite", "document_reads")


FILL = """
WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 400)
INSERT INTO documents (id, source_type, source_id, title, url, tags, metadata, origin, content_hash,
                       created_at, updated_at, last_synced)
SELECT 'doc_' || n, 't' || (n % 3), n, '', '', '[]', '{}', '[]', '', n, n, n FROM n;
INSERT INTO document_contents SELECT d.no, '' FROM documents AS d;
INSERT INTO document_tags SELECT 'x' || (d.no % 7), d.no FROM documents AS d;
INSERT INTO document_steps VALUES (1, 's', 2), (1, 't', 3), (2, 's', 4);
INSERT INTO document_runs SELECT d.no, 1, 2 + d.no % 2, 'made' FROM documents AS d;
INSERT INTO document_lineage SELECT d.no, 1 + d.no / 2, '', '[]', 0 FROM documents AS d;
ANALYZE;
"""


@pytest.fixture(params=["new", "analysed"])
def db(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Connection]:
    """A database without statistics, and one that has them."""
    connection = Connection(tmp_path / "quaero.db", synchronous="OFF")
    migrate(connection, "main")
    if request.param == "analysed":
        connection.script(FILL)
    yield connection
    connection.close()


def plan(db: Connection, sql: str, params: dict[str, Any] | None = None) -> list[str]:
    bound = dict.fromkeys(re.findall(r":(\w+)", sql)) | (params or {})
    return [row[3] for row in db.fetch_all(f"EXPLAIN QUERY PLAN {sql}", bound)]


def scans(steps: list[str]) -> list[str]:
    """The steps that read a whole table of ours: not a list that the caller gave, a full-text query or a subquery."""
    harmless = ("VIRTUAL TABLE INDEX", "CONSTANT ROW", "SCAN first")
    return [step for step in steps if step.startswith("SCAN") and not any(word in step for word in harmless)]


@pytest.mark.parametrize(
    "name",
    [
        "find_by_keys", "find_by_ids", "find_links", "insert_documents", "insert_contents", "index_new", "unindex",
        "index", "sync", "refresh", "mark_gone", "archive", "prune", "rewrite", "rewrite_contents", "retag",
        "insert_tags", "enrich", "insert_links", "cut_lineage", "copy_steps", "count_copies", "copy_links",
        "forget_links", "forget_steps",
    ],
)  # fmt: skip
def test_a_write_finds_its_rows_by_key(db: Connection, name: str) -> None:
    assert scans(plan(db, WRITES[name])) == []


@pytest.mark.parametrize("name", ["get", "find", "ids_between", "known", "number_of", "revisions", "uses", "children",
                                  "lineage_nodes", "page", "search_hits", "search_snippets"])  # fmt: skip
def test_a_read_finds_its_rows_by_key(db: Connection, name: str) -> None:
    assert scans(plan(db, READS[name])) == []


def test_the_lineage_of_a_document_reads_only_its_edges(db: Connection) -> None:
    steps = plan(db, READS["ancestors"])

    assert scans(steps) in ([], ["SCAN up"], ["SCAN up", "SCAN up"])  # the ancestors found so far
    assert any("SEARCH l USING" in step for step in steps)


@pytest.mark.parametrize(
    "query",
    [
        DocumentQuery(manager_id=1),
        DocumentQuery(manager_id=1, step_names=("s",)),
        DocumentQuery(manager_id=1, tags=("x", "y"), category=("docs",)),
        DocumentQuery(tags=("x",)),
        DocumentQuery(source_type="t", created_after="2025"),
        DocumentQuery(category=("docs",)),
    ],
    ids=repr,
)
def test_a_selection_starts_from_an_index(db: Connection, query: DocumentQuery) -> None:
    selection = Selection(query, str)

    steps = plan(db, selection.sql("read_refs", end="by_number"), selection.params)

    assert [step for step in scans(steps) if step != "SCAN w"] == []  # w: the run's own documents
    assert not any(step == "SCAN d" for step in steps)


@pytest.mark.parametrize(
    "query", [DocumentQuery(), DocumentQuery(tags=("x",)), DocumentQuery(source_type="t")], ids=repr
)
def test_a_page_of_a_list_reads_no_more_than_a_page(db: Connection, query: DocumentQuery) -> None:
    selection = Selection(query, str)
    sql = selection.sql("read_numbers", conditions=["is_before_cursor"], end="by_number_backwards")

    steps = plan(db, sql, selection.params)

    assert scans(steps) == []
    assert not any("TEMP B-TREE" in step for step in steps)


@pytest.mark.parametrize("text", ["word", "word -other tag:x", "(a OR b) type:t after:2025", "tag:x", "tag:x -word"])
def test_a_search_starts_from_the_text_index_or_a_tag(db: Connection, text: str) -> None:
    node = parse(text)
    assert node is not None
    sql, params = search_statement(compile_query(node), str, include_gone=False)

    assert scans(plan(db, sql, params)) == []
