"""Definitions over HTTP: the files of the folder, checked, changed by those who know them, and started."""

from __future__ import annotations

import pytest

from tests.web_kit import BACKENDS, JSON, served, step, text


@pytest.fixture(scope="module", params=BACKENDS)
def api(request, tmp_path_factory):
    with served(request.param, tmp_path_factory.mktemp("data")) as api:
        yield api


def test_a_definition_is_created_listed_and_read(api):
    made = api.ask("POST", "/api/definitions", 201, json={"source": text("made", head='description = "First"')})

    assert made.headers["location"] == "/api/definitions/made"
    assert made.headers["etag"] == f'"{made.json()["etag"]}"'
    [listed] = [one for one in api.get("/api/definitions")["items"] if one["definition"]["id"] == "made"]
    assert listed["definition"] == made.json()
    assert (listed["runs"], listed["last"], listed["schedule"]) == (0, [], None)
    read = api.ask("GET", "/api/definitions/made")
    assert read.headers["etag"] == made.headers["etag"]
    assert read.json()["source"] == text("made", head='description = "First"')


def test_an_id_that_is_taken_is_refused(api):
    api.define("taken")

    refused = api.post("/api/definitions", {"source": text("taken")}, 409)

    assert refused["type"] == "/problems/refused"
    assert "already taken" in refused["detail"]


def test_a_text_with_errors_is_refused_with_its_findings_and_can_be_kept_as_a_draft(api):
    source = text("broken", "[step.only]\ntype = 'nothing_known'\n")

    refused = api.post("/api/definitions", {"source": source}, 422)
    draft = api.post("/api/definitions", {"source": source, "draft": True}, 201)

    assert refused["type"] == "/problems/invalid-definition"
    [finding] = refused["findings"]
    assert (finding["code"], finding["line"]) == ("JD011", 5)
    assert (draft["is_draft"], draft["status"]) == (True, "error")
    assert api.post("/api/definitions/broken/execute", status=422)["findings"]


def test_a_draft_is_not_run_until_it_is_saved_as_a_definition(api):
    draft = api.post("/api/definitions", {"source": text("sketch"), "draft": True}, 201)

    refused = api.post("/api/definitions/sketch/execute", status=409)
    api.ask(
        "PUT", "/api/definitions/sketch", headers={"If-Match": f'"{draft["etag"]}"'}, json={"source": text("sketch")}
    )

    assert "draft" in refused["detail"]
    assert api.finished(api.execute("sketch"))["status"] == "completed"


def test_a_change_names_the_version_that_it_is_meant_for(api):
    first = api.define("shared")["etag"]
    url = "/api/definitions/shared"
    mine, theirs = text("shared", head='description = "mine"'), text("shared", head='description = "theirs"')

    changed = api.ask("PUT", url, headers={"If-Match": f'"{first}"'}, json={"source": mine})
    stale = api.ask("PUT", url, 412, headers={"If-Match": f'"{first}"'}, json={"source": theirs}).json()
    without = api.ask("PUT", url, 422, json={"source": theirs}).json()

    assert changed.headers["etag"] != f'"{first}"'
    assert stale["type"] == "/problems/version-conflict"
    assert "If-Match" in without["detail"]
    assert api.get(url)["source"] == mine
    for method in ("PATCH", "DELETE"):
        body = {"json": {"enabled": False}} if method == "PATCH" else {}
        api.ask(method, url, 412, headers={"If-Match": first}, **body)
        api.ask(method, url, 422, **body)


def test_a_definition_keeps_its_id(api):
    etag = api.define("stays")["etag"]

    refused = api.ask(
        "PUT", "/api/definitions/stays", 409, headers={"If-Match": etag}, json={"source": text("other")}
    ).json()

    assert "stays" in refused["detail"]


def test_a_text_is_checked_to_the_line_and_column(api):
    source = text("checked", step("first"), step("second", after="first"))
    wrong = source.replace('type = "held"', 'type = "helt"', 1)

    good = api.post("/api/definitions/validate", {"source": source})
    bad = api.post("/api/definitions/validate", {"source": wrong})
    torn = api.post("/api/definitions/validate", {"source": 'id = "torn\n'})

    assert (good["id"], good["is_valid"], good["findings"]) == ("checked", True, [])
    assert [one["name"] for one in good["graph"]["steps"]] == ["first", "second"]
    [finding] = bad["findings"]
    assert not bad["is_valid"]
    assert wrong.splitlines()[finding["line"] - 1].startswith("type")
    assert finding["column"] >= 1
    assert "held" in finding["message"] + finding["hint"]
    assert torn["findings"][0]["code"] == "JD001"


def test_enabled_changes_without_the_rest_of_the_text(api):
    source = text("asleep", head="# a comment that stays")
    etag = api.post("/api/definitions", {"source": source}, 201)["etag"]
    url = "/api/definitions/asleep"

    changed = api.ask("PATCH", url, headers={"If-Match": etag}, json={"enabled": False}).json()

    assert (changed["enabled"], changed["status"]) == (False, "disabled")
    assert "# a comment that stays" in api.get(url)["source"]
    assert api.post(f"{url}/execute", status=409)["detail"]
    api.ask("PATCH", url, headers={"If-Match": changed["etag"]}, json={"enabled": True})
    assert api.finished(api.execute("asleep"))["status"] == "completed"


def test_one_run_at_a_time_and_the_second_start_names_the_first(api):
    api.define("busy", step(gate="busy"))

    started = api.ask("POST", "/api/definitions/busy/execute", 202)
    run_id = started.json()["id"]
    refused = api.post("/api/definitions/busy/execute", status=409)
    api.node.open("busy")

    assert started.headers["location"] == f"/api/runs/{run_id}"
    assert (refused["type"], refused["job_id"]) == ("/problems/refused", run_id)
    assert api.finished(run_id)["status"] == "completed"


def test_overrides_go_into_the_config_of_the_run(api):
    api.define("tuned", head='[config]\nword = "quiet"')

    run = api.finished(api.execute("tuned", overrides={"word": "loud"}))

    assert "loud" in str(run["config"])
    refused = api.post("/api/definitions/tuned/execute", {"override": {}}, 422)
    assert refused["errors"] == [{"pointer": "/override", "message": "Extra inputs are not permitted"}]


def test_a_deleted_definition_is_gone_and_its_runs_stay(api):
    run = api.ran("gone")
    etag = api.get("/api/definitions/gone")["definition"]["etag"]

    api.ask("DELETE", "/api/definitions/gone", 204, headers={"If-Match": etag})

    api.get("/api/definitions/gone", 404)
    assert api.get(f"/api/runs/{run['id']}")["status"] == "completed"
    [revision] = api.get("/api/definitions/gone/revisions")
    assert revision["source"] == text("gone")


def test_a_preview_tells_of_the_run_before_it_is_started(api):
    run = api.ran("foreseen", step("first", keys=["a", "b"]), step("second", after="first"))

    plain = api.post("/api/definitions/foreseen/preview")
    dry = api.post("/api/definitions/foreseen/preview", {"dry": True})

    assert plain["order"] == [["first"], ["second"]]
    assert (plain["last_run"], plain["in_the_way"], plain["diff"]) == (run["id"], None, "")
    assert dry["steps"][0]["jobs"] == 2
    api.post("/api/definitions/nothing/preview", status=404)


def test_an_editor_gets_its_schema(api):
    schema = api.get("/api/definitions/schema")

    assert "held" in str(schema)


@pytest.mark.parametrize("body", [b"{", b"", b"[]", b"null", b'{"source": 7}', b"\xff\xfe", b'{"source": "a", "b": 1}'])
def test_a_body_that_is_no_definition_is_told_what_is_wrong(api, body):
    refused = api.ask("POST", "/api/definitions", 422, content=body, headers=JSON).json()

    assert refused["errors"]


@pytest.mark.parametrize(
    "body",
    [
        b'{"source": "\\ud800"}',
        b'{"\\ud800": "a"}',
        b'{"source": "id = \'a\'\\u0000"}',
        b'{"source": "id = \'a\'\\u0000", "draft": true}',
    ],
)
def test_text_that_no_file_can_hold_is_refused(api, body):
    api.ask("POST", "/api/definitions", 422, content=body, headers=JSON)


@pytest.mark.parametrize("name", ["..%2F..%2Fquaero", "%00", "a%0Ab", "%FF", "~", "%F0%9F%A6%86", "a" * 3000])
def test_ids_that_are_none_are_not_found(api, name):
    answer = api.client.get(f"/api/definitions/{name}")

    assert answer.status_code in {404, 422}
    assert answer.headers["content-type"] == "application/problem+json"
