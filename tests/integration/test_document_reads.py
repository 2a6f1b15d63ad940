"""Documents are found, listed, counted and explained. Runs on every backend (the ``documents`` fixture)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quaero.errors import BadData, NotFound
from quaero.model.document import DocumentQuery, LineageNode, draft
from quaero.model.outcome import JobOutcome
from tests.document_stores import BACKENDS, HOUR, NOW, Documents, Job, file, page


@pytest.fixture(params=BACKENDS)
def documents(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Documents]:
    store = Documents(request.param, tmp_path)
    yield store
    store.check_index()
    store.close()


def test_get_names_an_id_that_looks_alike(documents: Documents) -> None:
    [id_] = documents.put(page())
    mistyped = id_[:-1] + ("0" if id_[-1] != "0" else "1")

    with pytest.raises(NotFound, match=f"did you mean {id_}"):
        documents.store.get_document(mistyped)
    with pytest.raises(NotFound, match=f"did you mean {id_}"):
        asyncio.run(documents.store.get(id_.removeprefix("doc_").upper()))
    with pytest.raises(NotFound, match=r"no document doc_nothing$"):
        documents.store.get_document("doc_nothing")
    with pytest.raises(NotFound):
        documents.store.get_document("\ud800")


def test_an_alias_finds_the_document_whichever_side_uses_it(documents: Documents) -> None:
    documents.put(draft("page", "a", title="t", content="one"))

    found = asyncio.run(documents.store.find("page", "a"))

    assert found is not None
    assert found.source_type == "web_page"
    assert asyncio.run(documents.store.find("web_page", "b")) is None
    assert documents.select(source_type="page") == documents.found("type:page") == ["a"]


def test_select_narrows_by_everything_at_once(documents: Documents) -> None:
    documents.put(page("a", tags=["x"]), page("b", tags=["x", "y"]))
    documents.put(page("c", tags=["x"]), file(1), job=Job(job_id=2, manager_id=2, step_id=20), now=NOW + HOUR)

    assert documents.select(tags=("x",)) == ["a", "b", "c"]
    assert documents.select(tags=("x",), manager_id=2) == ["c"]
    assert documents.select(tags=("x",), limit=2) == ["a", "b"]
    assert documents.select(source_type="file") == ["f"]
    assert documents.select(source_type="file", tags=("x",)) == []
    assert documents.select(created_after="2025-01-04T15:00:00Z") == ["c", "f"]
    assert documents.select(updated_after="2025-01-05") == []
    with pytest.raises(BadData, match="created_after"):
        documents.select(created_after="soon")
    with pytest.raises(BadData, match="manager_id"):
        documents.select(step_names=("scan",))


def test_known_gives_the_live_documents_below_a_prefix(documents: Documents) -> None:
    drafts = [draft("t", name, title="t", content="c", metadata={"n": name}) for name in ("/a", "/a/x", "/a/y", "/b")]
    ids = documents.put(*drafts)
    documents.apply(documents.prepare(JobOutcome(gone=[ids[2]])))

    known = asyncio.run(documents.store.known("t", "/a/"))

    assert known == {"/a/x": (ids[1], {"n": "/a/x"})}


def test_a_list_is_paged_without_gaps(documents: Documents) -> None:
    documents.put(*(page(f"{n}", tags=["odd"] if n % 2 else []) for n in range(10)))
    seen: list[str] = []
    cursor: str | None = None

    while True:
        found, cursor = documents.store.list_documents(DocumentQuery(), limit=3, cursor=cursor)
        seen += [d.source_id for d in found]
        if cursor is None:
            break
        documents.put(page(f"new{len(seen)}"))

    assert seen == [f"{n}" for n in range(9, -1, -1)]
    odd, _ = documents.store.list_documents(DocumentQuery(tags=("odd",), manager_id=1), limit=2)
    assert [d.source_id for d in odd] == ["9", "7"]
    with pytest.raises(BadData, match="cursor"):
        documents.store.list_documents(DocumentQuery(), limit=1, cursor="-1")


def test_facets_and_keywords_count_a_run(documents: Documents) -> None:
    ids = documents.put(page("a", tags=["x"]), page("b", tags=["x"]), file(1))
    confidences: list[dict[str, Any]] = [{"k": 1.0, "l": 0.4}, {"k": 0.5, "bad": "text"}]
    for id_, weights in zip(ids[:2], confidences, strict=True):
        documents.enrich(id_, "keyword_extractor", {"keywords": list(weights), "confidence": weights})
        documents.enrich(id_, "rule_classifier", {"category": "docs"})
    documents.put(page("c"), job=Job(job_id=9, manager_id=2, step_id=20))

    facets = documents.store.facets(DocumentQuery(manager_id=1))
    keywords = documents.store.top_keywords(DocumentQuery(manager_id=1), limit=5)

    assert facets.source_types == {"web_page": 2, "file": 1}
    assert facets.categories == {"docs": 2}
    assert facets.tags["x"] == 2
    assert documents.store.facets().source_types == {"web_page": 3, "file": 1}
    assert [(k.keyword, k.weight, k.documents) for k in keywords] == [("k", 1.5, 2), ("l", 0.4, 1)]


def test_lineage_tells_why_a_document_exists_and_what_is_stale(documents: Documents) -> None:
    [source] = documents.put(page("source"))
    summariser = Job(job_id=2, step_id=11, step_name="summarise", worker_type="summary", attempt=3)
    [part] = documents.put(page("part", derived_from=[source]), job=summariser)
    [report] = documents.put(page("report", derived_from=[part, source]), job=Job(job_id=3))

    fresh = documents.store.lineage(report)
    documents.put(page("source", content="changed"), job=Job(job_id=4))
    tree = documents.store.lineage(report)

    assert outline(fresh) == ("report", False, [("source", False, []), ("part", False, [("source", False, [])])])
    assert outline(tree) == ("report", False, [("source", True, []), ("part", False, [("source", True, [])])])
    made = tree.derived_from[1]
    assert (made.manager_id, made.step_name, made.worker_type, made.job_id, made.attempt) == (
        1, "summarise", "summary", 2, 3,
    )  # fmt: skip
    assert [(n.source_id, n.stale) for n in documents.store.used_by(source)] == [("report", True), ("part", True)]
    assert outline(documents.store.lineage(report, depth=0)) == ("report", False, [])

    documents.put(page("part", derived_from=[source]), job=Job(job_id=5))

    assert outline(documents.store.lineage(part)) == ("part", False, [("source", False, [])])


def test_a_cycle_of_documents_ends(documents: Documents) -> None:
    [a] = documents.put(page("a"))
    [b] = documents.put(page("b", derived_from=[a]))
    documents.put(page("a", derived_from=[b, a]))

    tree = documents.store.lineage(a, depth=1000)

    assert outline(tree) == ("a", False, [("b", False, [("a", False, [])])])


def outline(node: LineageNode) -> tuple[str, bool, list[Any]]:
    return node.source_id, node.stale, [outline(parent) for parent in node.derived_from]


def test_search_ranks_titles_over_tags_over_content(documents: Documents) -> None:
    filler = "lorem ipsum dolor sit amet " * 3
    documents.put(
        page("in content", filler + "zebra", title="Aa"),
        page("in tag", filler, title="Bb", tags=["zebra"]),
        page("in title", filler, title="Zebra"),
    )

    hits = documents.store.search("zebras")

    assert [hit.source_id for hit in hits] == ["in title", "in tag", "in content"]
    assert hits[0].score > hits[1].score > hits[2].score > 0
    assert hits[2].snippet.endswith("[zebra]")
    [marked] = documents.store.search("zebra ipsum -tag:zebra -title:zebra", marks=("\x02", "\x03"))
    assert "\x02zebra\x03" in marked.snippet


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("JobManager", "a"),
        ("jobmanager", "a"),
        ("foo.bar_baz", "a"),
        ("foo.baz", ""),
        ('"bar baz"', "a"),
        ('"baz bar"', ""),
        ("cafe", "b"),
        ("run", "b"),
        ("job*", "ac"),
        ("jobmanager OR running", "ab"),
        ("job* -jobmanager", "c"),
        ("-jobmanager", "bc"),
        ("NOT tag:x", "c"),
        ("tag:x", "ab"),
        ("tag:x -running", "a"),
        ("tag:x OR jobs", "abc"),
        ("tag:nothing OR -running", "ac"),
        ("(tag:x AND running) OR title:third", "bc"),
        ("title:third", "c"),
        ("type:web_page job*", "ac"),
        ("type:file", ""),
        ("after:2025-01-04 job*", "ac"),
        ("before:2025-01-04", ""),
        ("after:2025 before:2026", "abc"),
        ("job* OR after:2026", "ac"),
        ("", ""),
        ("!!!", ""),
        ("\ud800\0(", ""),
    ],
)
def test_a_query_finds(documents: Documents, query: str, expected: str) -> None:
    documents.put(
        page("a", "The JobManager calls foo.bar_baz().", tags=["x"]),
        page("b", "Running to the café", tags=["x"]),
        page("c", "many jobs", title="Third"),
    )

    assert sorted(documents.found(query)) == list(expected)


def test_search_is_paged_in_a_stable_order(documents: Documents) -> None:
    documents.put(*(page(f"{n}", "same words", title="same") for n in range(7)))

    pages = [documents.found("same", limit=3, offset=offset) for offset in (0, 3, 6, 9)]

    assert pages == [["6", "5", "4"], ["3", "2", "1"], ["0"], []]
    assert documents.found("-other", limit=2, offset=5) == ["1", "0"]


def test_a_hit_without_words_shows_how_the_document_begins(documents: Documents) -> None:
    documents.put(page("a", "It begins. " + "x" * 500, tags=["t"]))

    [hit] = documents.store.search("tag:t")

    assert hit.snippet.startswith("It begins.")
    assert len(hit.snippet) == 200


QUERIES = 'one two "one two" tag:x -tag:y OR AND NOT ( ) type:file after:2024 one* title:a -'
QUERY_PARTS = st.sampled_from(QUERIES.split())


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(query=st.lists(QUERY_PARTS, max_size=10).map(" ".join))
def test_every_query_runs_on_the_store(documents: Documents, query: str) -> None:
    documents.put(page("a", "one two", tags=["x"]), page("b", "two", tags=["y"]), file(1))  # the same at every example

    for hit in documents.store.search(query):
        assert hit.source_id in "abf"
