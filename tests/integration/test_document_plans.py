"""No hot statement on documents reads a whole table, whatever the planner knows about the data."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from quaero.calc.search_query import compile_query, parse
from quaero.model.document import DocumentQuery
from quaero.storage.document_reads import Selection
from quaero.storage.document_search import search_statement
from quaero.storage.statements import statements
from tests.document_stores import Documents

FILL = {
    "sqlite": """
WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 400)
INSERT INTO documents (id, source_type, source_id, title, url, tags, metadata, origin, content_hash,
                       created_at, updated_at, last_synced)
SELECT 'doc_' || n, 't' || (n % 3), n, '', '', '[]', '{}', '[]', '', n, n, n FROM n;
INSERT INTO document_contents SELECT d.no, '' FROM documents AS d;
INSERT INTO document_tags SELECT 'x' || (d.no % 7), d.no FROM documents AS d;
INSERT INTO document_steps VALUES (1, 's', 2), (1, 't', 3), (2, 's', 4);
INSERT INTO document_runs SELECT d.no, 1, 2 + d.no % 2, 'made' FROM documents AS d;
INSERT INTO document_lineage SELECT d.no, 1 + d.no / 2, '', '[]', 0 FROM documents AS d;
""",
    "postgres": """
INSERT INTO documents (no, id, source_type, source_id, title, url, tags, metadata, origin, content_hash,
                       enrichments, created_at, updated_at, last_synced)
SELECT n, 'doc_' || n, 't' || (n % 3), n, '', '', '[]', '{}', '[]', '',
       CASE WHEN n % 50 = 0 THEN '{"rule_classifier": {"category": "docs"}}' ELSE '{}' END, n, n, n
  FROM generate_series(1, 5000) AS n;
INSERT INTO document_contents SELECT d.no, '' FROM documents AS d;
INSERT INTO document_index SELECT d.no, quaero_index('', '', 'word' || d.no % 500) FROM documents AS d;
INSERT INTO document_tags SELECT 'x' || (d.no % 70), d.no FROM documents AS d;
INSERT INTO document_steps SELECT d.no % 100, 's' || d.no % 200, d.no % 200 FROM documents AS d WHERE d.no <= 200;
INSERT INTO document_runs SELECT d.no, d.no % 100, d.no % 200, 'made' FROM documents AS d;
INSERT INTO document_lineage SELECT d.no, 1 + d.no / 2, '', '[]', 0 FROM documents AS d;
INSERT INTO document_revisions
SELECT d.no, r, '', '', '{}', '[]', '', 0, '' FROM documents AS d CROSS JOIN generate_series(1, 2) AS r;
""",
}


STATES = [("sqlite", "new"), ("sqlite", "analysed"), ("postgres", "new"), ("postgres", "analysed")]


@pytest.fixture(params=STATES, ids="-".join, scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Documents]:
    """Statistics of empty tables, and of full ones. A server's tables are full in either case."""
    backend, state = request.param
    documents = Documents(backend, tmp_path_factory.mktemp(state))
    if backend == "postgres":
        documents.db.script("ANALYZE")
    if (backend, state) != ("sqlite", "new"):
        documents.db.script(FILL[backend])
    if state == "analysed":
        documents.db.script("ANALYZE")
    yield documents
    documents.close()


def write(documents: Documents, name: str) -> str:
    return statements(documents.database.dialect, "documents")[name]


def read(documents: Documents, name: str) -> str:
    return statements(documents.database.dialect, "document_reads")[name]


class Plan:
    """How a statement would be run."""

    def __init__(self, documents: Documents, sql: str, params: dict[str, Any] | None = None) -> None:
        if documents.backend == "sqlite":
            bound = dict.fromkeys(re.findall(r":(\w+)", sql)) | (params or {})
            self.steps = [row[3] for row in documents.db.fetch_all(f"EXPLAIN QUERY PLAN {sql}", bound)]
        else:
            self.steps = _server_steps(documents, sql, params or {})

    @property
    def scans(self) -> list[str]:
        """The steps that read a whole table of ours: not a given list, a full-text query or a subquery."""
        harmless = ("VIRTUAL TABLE INDEX", "CONSTANT ROW", "SCAN first")
        return [step for step in self.steps if step.startswith("SCAN") and not any(word in step for word in harmless)]

    @property
    def sorts(self) -> list[str]:
        return [step for step in self.steps if "TEMP B-TREE" in step]


def _server_steps(documents: Documents, sql: str, params: dict[str, Any]) -> list[str]:
    """In SQLite's words. Prepared: the session decides whether the plan may depend on the values."""
    parameter = re.compile(r"(?<![:\w]):([a-z_]\w*)")
    names = list(dict.fromkeys(parameter.findall(sql)))
    values = ", ".join(_literal(params.get(name)) for name in names)
    documents.db.script("PREPARE asked AS " + parameter.sub(lambda match: f"${names.index(match[1]) + 1}", sql))
    executed = f"EXECUTE asked ({values})" if names else "EXECUTE asked"
    [(plans,)] = documents.db.fetch_all(f"EXPLAIN (FORMAT JSON) {executed}")
    documents.db.script("DEALLOCATE asked")
    return [step for plan in plans for step in _node_steps(plan["Plan"])]


def _literal(value: Any) -> str:
    return (
        "NULL" if value is None else str(value) if isinstance(value, int) else "'{}'".format(value.replace("'", "''"))
    )


def _node_steps(node: dict[str, Any]) -> Iterator[str]:
    kind, table, index = node["Node Type"], node.get("Relation Name", ""), node.get("Index Name", "")
    if "Index Cond" in node or "TID Cond" in node:
        yield f"SEARCH {table} USING {index}"
    elif kind == "Seq Scan" or index:
        yield f"SCAN {table} {index}"
    elif kind == "Sort":
        yield f"USE TEMP B-TREE {node['Sort Key']}"
    for part in node.get("Plans", ()):
        yield from _node_steps(part)


WRITES = [
    "find_by_keys", "find_by_ids", "find_links", "last_number", "insert_documents", "insert_contents", "index_new",
    "unindex", "index", "sync", "refresh", "mark_gone", "archive", "prune", "rewrite", "rewrite_contents", "retag",
    "insert_tags", "enrich", "insert_links", "cut_lineage", "copy_steps", "count_copies", "copy_links", "forget_links",
    "forget_steps",
]  # fmt: skip


@pytest.mark.parametrize("name", WRITES)
def test_a_write_finds_its_rows_by_key(filled: Documents, name: str) -> None:
    assert [step for step in Plan(filled, write(filled, name)).scans if step != "SCAN s"] == []  # sqlite_sequence


def test_every_statement_that_could_read_a_table_is_planned(filled: Documents) -> None:
    assert set(statements(filled.database.dialect, "documents")) - set(WRITES) == {
        "insert_steps", "insert_lineage", "archive_passed"
    }  # fmt: skip


@pytest.fixture
def reading(filled: Documents) -> Iterator[Documents]:
    """Plans of reads are made for their values. So small a server would rather read its tables whole: not here."""
    if filled.backend == "postgres":
        filled.db.script("SET plan_cache_mode = auto")
    yield filled
    if filled.backend == "postgres":
        filled.db.script("SET plan_cache_mode = force_generic_plan; SET enable_bitmapscan = off")


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("get", {"id": "doc_7"}),
        ("find", {"source_type": "t1", "source_id": "7"}),
        ("ids_between", {"first": "doc_77", "end": "doc_78"}),
        ("known", {"source_type": "t1", "prefix": "77"}),
        ("number_of", {"id": "doc_7"}),
        ("revisions", {"no": 7}),
        ("uses", {"no": 7}),
        ("children", {"no": 7, "limit": 10}),
        ("lineage_nodes", {"nos": "[1, 2]"}),
        ("page", {"nos": "[1, 2]"}),
        ("search_hits", {"nos": "[1, 2]", "length": 20}),
        ("search_snippets", {"nos": "[1, 2]", "match": '["text", "a", false, false]', "before": "", "after": ""}),
    ],
)
def test_a_read_finds_its_rows_by_key(reading: Documents, name: str, params: dict[str, Any]) -> None:
    if reading.backend == "sqlite" and "match" in params:
        params = {**params, "match": "a"}

    assert Plan(reading, read(reading, name), params).scans == []


def test_the_lineage_of_a_document_reads_only_its_edges(reading: Documents) -> None:
    plan = Plan(reading, read(reading, "ancestors"), {"no": 7, "depth": 8})

    assert plan.scans in ([], ["SCAN up"], ["SCAN up", "SCAN up"])  # the ancestors found so far
    assert any("SEARCH l USING" in step or "SEARCH document_lineage USING" in step for step in plan.steps)


@pytest.mark.parametrize(
    "query",
    [
        DocumentQuery(manager_id=1),
        DocumentQuery(manager_id=1, step_names=("s1",)),
        DocumentQuery(manager_id=1, tags=("x1", "y"), category=("docs",)),
        DocumentQuery(tags=("x1",)),
        DocumentQuery(source_type="t", created_after="2025"),
        DocumentQuery(category=("docs",)),
    ],
    ids=repr,
)
def test_a_selection_starts_from_an_index(reading: Documents, query: DocumentQuery) -> None:
    selection = Selection(query, reading.database.dialect, str)
    sql = selection.sql("read_refs", end="by_number")

    plan = Plan(reading, sql, {**selection.params, "limit": 1000})

    assert [step for step in plan.scans if step != "SCAN w"] == []  # w: the run's own documents


@pytest.mark.parametrize(
    "query", [DocumentQuery(), DocumentQuery(tags=("x1",)), DocumentQuery(source_type="t")], ids=repr
)
def test_a_page_of_a_list_reads_no_more_than_a_page(reading: Documents, query: DocumentQuery) -> None:
    selection = Selection(query, reading.database.dialect, str)
    sql = selection.sql("read_numbers", conditions=["is_before_cursor"], end="by_number_backwards")

    plan = Plan(reading, sql, {**selection.params, "cursor": 2**62, "limit": 20})

    assert plan.scans == []
    if reading.backend == "sqlite" or reading.db.fetch_value(
        "SELECT reltuples > 0 FROM pg_class WHERE relname = 'documents'"
    ):
        assert plan.sorts == []


@pytest.mark.parametrize(
    "text", ["word7", "word7 -other tag:x", "(word7 OR b) type:t after:2025", "tag:x1", "tag:x1 -word7"]
)
def test_a_search_starts_from_the_text_index_or_a_tag(reading: Documents, text: str) -> None:
    node = parse(text)
    assert node is not None
    sql, params = search_statement(compile_query(node), reading.database.dialect, str, include_gone=False)
    if reading.backend == "postgres":
        reading.db.script("SET enable_bitmapscan = on")  # there is no other way to read its index of words

    plan = Plan(reading, sql, {**params, "limit": 20, "offset": 0})

    assert [step for step in plan.scans if step != "SCAN documents documents_pkey"] == []  # newest first, to the limit
    if reading.backend == "postgres" and text == "word7":
        assert any(step.endswith("document_index_words") for step in plan.steps)
