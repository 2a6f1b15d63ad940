"""Logs, documents and search over HTTP."""

from __future__ import annotations

import json

import pytest

from tests.web_kit import BACKENDS, served, step


@pytest.fixture(scope="module", params=BACKENDS)
def api(request, tmp_path_factory):
    with served(request.param, tmp_path_factory.mktemp("data")) as api:
        yield api


@pytest.fixture(scope="module")
def run(api):
    """A run with a document each of ten jobs, and their lines."""
    keys = [f"k{number}" for number in range(10)]
    return api.ran("made", step("first", keys=keys, text="zebra crossing"), step("second", after="first", text="other"))


@pytest.fixture(scope="module")
def logs(run):
    return f"/api/runs/{run['id']}/logs"


@pytest.fixture(scope="module")
def documents(api, run):
    return api.pages("/api/documents", run=run["id"], step="first", limit=4)


def all_lines(api, logs, **where):
    lines, following = [], 0
    while following is not None:
        page = api.get(logs, after=following, limit=7, **where)
        lines += page["items"]
        following = page["next"]
    return lines


def test_lines_are_read_in_both_directions(api, logs):
    forward = all_lines(api, logs)
    back, following = [], None
    while True:
        page = api.get(logs, order="desc", limit=7, **({"before": following} if following else {}))
        back += page["items"]
        following = page["next"]
        if following is None:
            break

    seqs = [line["seq"] for line in forward]
    assert seqs == sorted(set(seqs))
    assert len(seqs) > 14
    assert [line["seq"] for line in back] == seqs[::-1]


def test_lines_are_filtered_by_step_job_level_and_text(api, logs, run):
    [first, second] = run["steps"]
    job = api.get(f"/api/jobs/{first['id']}/children")["items"][3]

    assert {line["step_id"] for line in all_lines(api, logs, step="second")} == {second["id"]}
    assert all_lines(api, logs, step=second["id"]) == all_lines(api, logs, step="second")
    assert {line["job_id"] for line in all_lines(api, logs, job=job["id"])} == {job["id"]}
    assert len(all_lines(api, logs, text="HELD.begun")) == 11
    assert all_lines(api, logs, level="error") == []
    assert "did you mean" in api.get(logs, 404, step="frist")["detail"]
    api.get(logs, 404, job=10**9)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("after", "-1"),
        ("after", str(2**63)),
        ("before", "0"),
        ("limit", "2001"),
        ("level", "loud"),
        ("order", "up"),
        ("job", str(2**63)),
        ("text", "\0"),
        ("step", "\0"),
    ],
)
def test_a_question_for_lines_that_is_none_is_refused(api, logs, name, value):
    assert name in api.get(logs, 422, **{name: value})["detail"]


def test_lines_come_as_a_file(api, logs, run):
    plain = api.ask("GET", f"{logs}/download")
    objects = api.ask("GET", f"{logs}/download", params={"form": "jsonl"})

    lines = all_lines(api, logs)
    assert plain.headers["content-type"] == "text/plain; charset=utf-8"
    assert f'filename="run-{run["id"]}.log"' in plain.headers["content-disposition"]
    assert len(plain.text.splitlines()) == len(lines)
    assert [json.loads(line) for line in objects.text.splitlines()] == lines
    api.get(f"{logs}/download", 422, form="pdf")
    api.get("/api/runs/1000000/logs/download", 404)


def test_lines_stream_to_the_end_of_the_run(api, logs, run):
    streamed = api.ask("GET", "/api/logs/stream", params={"run": run["id"]})
    last = streamed.text.strip().rpartition("id: ")[2].splitlines()[0]

    events = [line for line in streamed.text.splitlines() if line.startswith("event: ")]
    assert streamed.headers["content-type"].startswith("text/event-stream")
    assert events.count("event: line") == len(all_lines(api, logs))
    assert events[-1] == "event: end"
    assert api.ask("GET", "/api/logs/stream", 204, params={"run": run["id"]}, headers={"Last-Event-ID": last})
    api.get("/api/logs/stream", 404, run=10**9)
    api.get("/api/logs/stream", 422, run=2**63)
    api.get("/api/logs/stream", 422)


def test_documents_are_listed_without_their_text_and_read_with_it(api, run, documents):
    assert len({one["id"] for one in documents}) == 10
    assert {one["content"] for one in documents} == {""}
    url = f"/api/documents/{documents[0]['id']}"

    read = api.get(url)
    raw = api.ask("GET", f"{url}/raw")

    assert "zebra crossing" in read["content"]
    assert [use["manager_id"] for use in read["runs"]] == [run["id"]]
    assert raw.text == read["content"]
    assert raw.headers["content-type"] == "text/markdown; charset=utf-8"
    api.get("/api/documents/doc_nothing", 404)
    api.get("/api/documents/doc_nothing/raw", 404)
    api.get("/api/documents", 422, cursor="garbage")
    api.get("/api/documents", 422, updated_after="yesterday")


def test_facets_count_the_selection(api, run):
    facets = api.get("/api/documents/facets", run=run["id"])

    assert facets["source_types"] == {"held_note": 11}
    assert api.get("/api/documents/facets", tag="nothing")["source_types"] == {}


def test_a_document_tells_its_earlier_states_and_where_it_comes_from(api):
    run = api.ran("revised", step(text="before"))
    etag = api.get("/api/definitions/revised")["definition"]["etag"]
    source = api.get("/api/definitions/revised")["source"].replace("before", "after")
    api.ask("PUT", "/api/definitions/revised", headers={"If-Match": etag}, json={"source": source})
    api.finished(api.execute("revised"))
    [found] = api.get("/api/documents", run=run["id"])["items"]

    revisions = api.get(f"/api/documents/{found['id']}/revisions")
    lineage = api.get(f"/api/documents/{found['id']}/lineage", depth=1)

    assert found["revision"] == 2
    assert "before" in revisions[-1]["content"]
    assert lineage["document_id"] == found["id"]
    assert lineage["step_name"] == "only"
    api.get(f"/api/documents/{found['id']}/lineage", 422, depth=21)
    api.get("/api/documents/doc_nothing/lineage", 404)


def test_tags_are_added_and_removed(api, documents):
    ids = [documents[1]["id"], "doc_nothing"]

    done = api.post("/api/documents/tags", {"ids": ids, "add": ["  Good One "]})

    assert done == {"done": ids[:1], "missing": ids[1:]}
    assert [one["id"] for one in api.get("/api/documents", tag="good one")["items"]] == ids[:1]
    api.post("/api/documents/tags", {"ids": ids, "remove": ["good one"]})
    assert api.get("/api/documents", tag="good one")["items"] == []
    for body in ({"ids": ids}, {"ids": [], "add": ["a"]}, {"ids": ids, "add": ["a\0"]}, {"ids": ["\0"], "add": ["a"]}):
        api.post("/api/documents/tags", body, 422)


def test_deleted_documents_are_found_no_more(api):
    run = api.ran("removed", step(keys=["a", "b"], text="quagga"))
    [one, other] = [one["id"] for one in api.get("/api/documents", run=run["id"])["items"]]

    done = api.post("/api/documents/delete", {"ids": [one, "doc_nothing"]})

    assert done == {"done": [one], "missing": ["doc_nothing"]}
    api.get(f"/api/documents/{one}", 404)
    assert [hit["document_id"] for hit in api.get("/api/search", q="quagga")["items"]] == [other]


def test_search_finds_page_by_page(api, documents):
    hits = api.pages("/api/search", q="zebra", limit=4)

    assert {hit["document_id"] for hit in hits} == {one["id"] for one in documents}
    assert "\x01zebra\x02" in hits[0]["snippet"]
    assert api.get("/api/search", q="nothing-like-this")["items"] == []


@pytest.mark.parametrize("query", ['"open', "a AND", "nothing:x", "(", "*", "", " "])
def test_a_query_that_is_none_is_refused_with_the_reason(api, query):
    answer = api.client.get("/api/search", params={"q": query})

    assert answer.status_code in {200, 422}
    if answer.status_code == 422:
        assert answer.json()["detail"]
        assert answer.headers["content-type"] == "application/problem+json"


def test_a_wrong_field_in_a_query_is_named(api):
    assert "soon" in api.get("/api/search", 422, q="after:soon")["detail"]
    api.get("/api/search", 422)
    api.get("/api/search", 422, q="x" * 2001)
    api.get("/api/search", 422, q="a\0b")
    api.get("/api/search", 422, q="a", cursor=100_001)
