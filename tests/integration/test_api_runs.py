"""Runs and jobs over HTTP: lists page by page, single ones, and what can be done with them."""

from __future__ import annotations

import pytest

from tests.web_kit import BACKENDS, served, step, text

HUGE = 2**63


@pytest.fixture(scope="module", params=BACKENDS)
def api(request, tmp_path_factory):
    with served(request.param, tmp_path_factory.mktemp("data")) as api:
        yield api


@pytest.fixture(scope="module")
def mixed(api):
    """A run with two steps: one of three jobs failed, its documents exist; then a second run of the same."""
    first = step("first", keys=["a", "b", "c"], fails=["b"]) + 'error_tolerance = "50%"\n'
    run = api.ran("mixed", first, step("second", after="first", text="behind"))
    assert (run["status"], run["has_errors"]) == ("completed", True)
    return run


def test_a_list_is_read_page_by_page_to_its_end(api):
    api.define("many")
    ids = []
    for _ in range(7):
        ids.append(api.execute("many"))
        api.finished(ids[-1])

    paged = api.pages("/api/runs", definition="many", limit=3)

    assert [run["id"] for run in paged] == ids[::-1]
    assert api.get("/api/runs/count", definition="many") == {"count": 7, "more": False}
    assert [run["id"] for run in api.get("/api/runs", definition="many", limit=1)["items"]] == ids[-1:]


def test_filters_hold_together(api, mixed):
    def ids(**where: object) -> set[int]:
        return {run["id"] for run in api.pages("/api/runs", **where)}

    assert ids(definition="mixed", status="completed", has_errors=True) == {mixed["id"]}
    assert ids(definition="mixed", has_errors=False) == set()
    assert ids(definition="mixed", status=["failed", "cancelled"]) == set()
    assert ids(text="MIX") == {mixed["id"]}
    assert ids(definition="mixed", since=mixed["created_at"]) == {mixed["id"]}
    assert ids(definition="mixed", until=mixed["created_at"]) == set()
    assert ids(definition="mixed", since="2000-01-01") == {mixed["id"]}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("cursor", "garbage"),
        ("cursor", "9" * 40),
        ("cursor", "-1"),
        ("limit", "0"),
        ("limit", "501"),
        ("limit", str(HUGE)),
        ("status", "finished"),
        ("since", "yesterday"),
        ("since", "0001-01-01T00:00:00+14:00"),
        ("until", "9999-12-31T23:59:59-12:00"),
        ("has_errors", "maybe"),
        ("text", "x" * 201),
        ("text", "a\0b"),
        ("definition", "\0"),
    ],
)
def test_a_filter_that_is_none_is_refused(api, name, value):
    refused = api.get("/api/runs", 422, **{name: value})

    assert name in refused["detail"]


def test_times_at_the_ends_of_the_calendar_are_taken(api):
    api.get("/api/runs", since="0001-01-01T00:00:00")
    api.get("/api/runs", until="9999-12-31T23:59:59")


def test_a_run_comes_with_its_steps_and_its_tree(api, mixed):
    rows = api.get(f"/api/runs/{mixed['id']}/tree")

    assert [one["name"] for one in mixed["steps"]] == ["first", "second"]
    assert mixed["counters"]["failed"] == 1
    assert [row["kind"] for row in rows] == ["manager", "step", "step"]
    assert [row["id"] for row in rows[1:]] == [one["id"] for one in mixed["steps"]]


def test_the_timeline_names_the_slowest_jobs(api, mixed):
    first, second = api.get(f"/api/runs/{mixed['id']}/timeline", slowest=2)

    assert (first["name"], len(first["slowest"])) == ("first", 2)
    assert second["started_at"] >= first["finished_at"]


def test_failures_come_by_family_and_can_be_looked_past(api, mixed):
    [family] = api.get(f"/api/runs/{mixed['id']}/families")
    body = {"run_id": mixed["id"], "family": family["family"]}

    assert (family["count"], family["steps"]) == (1, ["first"])
    api.post("/api/dead-letters/ignore", body, 204)
    [ignored] = [f for f in api.get("/api/dead-letters", ignored=True)["items"] if f["manager_id"] == mixed["id"]]
    assert ignored["family"] == family["family"]
    api.post("/api/dead-letters/heed", body, 204)
    assert family in api.get("/api/dead-letters", ignored=False)["items"]
    api.post("/api/dead-letters/ignore", {**body, "run_id": 10**9}, 404)
    api.post("/api/dead-letters/forget", body, 422)


def test_a_run_is_paused_resumed_and_cancelled(api):
    api.define("steered", step(gate="steered"))
    run_id = api.execute("steered")
    api.until(f"/api/runs/{run_id}", lambda run: run["counters"]["running"] == 1)

    assert api.post(f"/api/runs/{run_id}/pause")["paused_at"]
    assert api.post(f"/api/runs/{run_id}/resume")["paused_at"] is None
    assert api.post(f"/api/runs/{run_id}/cancel")["cancel_requested_at"]
    api.node.open("steered")

    assert api.finished(run_id)["status"] == "cancelled"
    assert api.post(f"/api/runs/{run_id}/pause", status=409)["detail"]


def test_a_run_that_is_open_is_not_deleted_one_that_has_ended_is(api):
    api.define("kept", step(gate="kept"))
    run_id = api.execute("kept")

    refused = api.ask("DELETE", f"/api/runs/{run_id}", 409).json()
    api.node.open("kept")
    api.finished(run_id)
    api.ask("DELETE", f"/api/runs/{run_id}", 204)

    assert refused["detail"]
    api.get(f"/api/runs/{run_id}", 404)
    api.ask("DELETE", f"/api/runs/{run_id}", 404)


def test_a_run_is_done_again_whole_or_in_part(api, mixed):
    url = f"/api/runs/{mixed['id']}"
    step_names = ["first", "second"]

    made = api.ask("POST", f"{url}/rerun", 202)
    again = api.finished(made.json()["id"])
    failed = api.finished(api.post(f"{url}/retry-failed", status=202)["id"])
    family = api.get(f"{url}/families")[0]["family"]
    of_family = api.finished(api.post(f"{url}/retry-failed", {"family": family}, 202)["id"])
    part = api.finished(api.post(f"{url}/resume-from", {"step": "second"}, 202)["id"])

    assert made.headers["location"] == f"/api/runs/{again['id']}"
    assert {run["rerun_of"] for run in (again, failed, of_family, part)} == {mixed["id"]}
    assert [one["name"] for one in part["steps"]] == step_names
    assert "secnd" in api.post(f"{url}/resume-from", {"step": "secnd"}, 404)["detail"]
    assert api.post(f"{url}/retry-failed", {"family": "none of these"}, 409)["detail"]


def test_two_runs_are_compared_to_the_document(api):
    old = api.ran("twice", step(keys=["a", "b"], text="old"))
    etag = api.get("/api/definitions/twice")["definition"]["etag"]
    changed = text("twice", step(keys=["b", "c"], text="new"))
    api.ask("PUT", "/api/definitions/twice", headers={"If-Match": etag}, json={"source": changed})
    new = api.finished(api.execute("twice"))
    url = f"/api/runs/{old['id']}/compare/{new['id']}"

    compared = api.get(url)
    [added] = api.get(f"{url}/documents/added")["items"]

    assert "new" in compared["diff"]
    assert added["source_id"] == "twice/c"
    assert api.get(f"/api/runs/{old['id']}/compare/{10**9}", 404)
    assert api.get(f"{url}/documents/invented", 422)["errors"]
    assert api.get(f"{url}/documents/added", 422, cursor="\0")["detail"]


def test_runs_of_different_definitions_are_not_compared(api, mixed):
    other = api.ran("different")

    api.get(f"/api/runs/{mixed['id']}/compare/{other['id']}", 409)


def test_an_action_on_many_runs_wants_to_know_how_many(api):
    api.define("bulk")
    ids = []
    for _ in range(3):
        ids.append(api.execute("bulk"))
        api.finished(ids[-1])

    before = api.get("/api/bulk", definition="bulk")
    refused = api.post("/api/bulk", {"action": "delete", "expected": 2}, 409, params={"definition": "bulk"})
    done = api.post("/api/bulk", {"action": "delete", "expected": 3}, params={"definition": "bulk"})

    assert before == {"count": 3, "first": ids[::-1]}
    assert "3 runs match now, 2 were expected" in refused["detail"]
    assert [(one["run_id"], one["done"]) for one in done["results"]] == [(run_id, True) for run_id in ids]
    assert api.get("/api/runs/count", definition="bulk")["count"] == 0
    api.post("/api/bulk", {"action": "explode", "expected": 0}, 422)


def test_children_come_in_every_order_and_by_place(api):
    keys = [f"k{number}" for number in range(9)]
    run = api.ran("family", step(keys=keys, fails=["k4"]) + 'error_tolerance = "50%"\n')
    url = f"/api/jobs/{run['steps'][0]['id']}/children"

    created = api.pages(url, limit=4)
    failed_first = api.pages(url, limit=4, order="failed_first")
    slowest = api.pages(url, order="slowest")
    some = api.pages(url, first_place=2, last_place=3)

    assert [job["config"]["key"] for job in created] == keys
    assert failed_first[0]["config"]["key"] == "k4"
    assert {job["id"] for job in failed_first} == {job["id"] for job in slowest} == {job["id"] for job in created}
    assert [job["config"]["key"] for job in some] == ["k2", "k3"]
    assert [job["config"]["key"] for job in api.pages(url, status="failed")] == ["k4"]
    api.get(url, 422, cursor="garbage")
    api.get(url, 422, order="best")


def test_a_job_has_its_inputs_error_and_attempts(api, mixed):
    [failed] = api.get(f"/api/jobs/{mixed['steps'][0]['id']}/children", status="failed")["items"]

    job = api.get(f"/api/jobs/{failed['id']}")

    assert job["config"]["key"] == "b"
    assert job["error"]["message"] == "b is broken"
    assert [one["outcome"] for one in job["attempts"]] == ["failed"]
    assert api.get(f"/api/jobs/{failed['id']}/attempts") == job["attempts"]
    wrong = api.get(f"/api/runs/{failed['id']}", 409)
    assert wrong["job_id"] == mixed["id"]


def test_a_strip_shows_the_worst_of_each_cell(api, mixed):
    strip = api.get(f"/api/jobs/{mixed['steps'][0]['id']}/heat", cells=2)

    assert strip["total"] == 3
    assert strip["cells"][0]["worst"] == "failed"
    api.get(f"/api/jobs/{mixed['steps'][0]['id']}/heat", 422, cells=0)


def test_a_job_that_waits_says_why(api):
    api.define("waits", step("first", gate="waits"), step("second", after="first"))
    run_id = api.execute("waits")
    run = api.until(f"/api/runs/{run_id}", lambda run: run["counters"]["running"] == 1)

    why = api.get(f"/api/jobs/{run['steps'][1]['id']}/why")
    api.node.open("waits")
    api.finished(run_id)

    assert "waits_for_step" in [reason["code"] for reason in why["reasons"]]
    assert [r["code"] for r in api.get(f"/api/jobs/{run_id}/why")["reasons"]] == ["ended"]
