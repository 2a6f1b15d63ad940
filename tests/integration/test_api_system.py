"""The installation over HTTP: workers, nodes, limits, schedules, keys, settings, health; and errors."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.postgres import fresh_database, release_database
from tests.proxy import Proxy
from tests.waiting import wait_until
from tests.web_kit import BACKENDS, JSON, PASSWORD, served, step

SECRET = "swordfish-of-the-test-4711"


@pytest.fixture(scope="module", params=BACKENDS)
def api(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    (folder / "quaero.toml").write_text('[limits.held]\nconcurrency = 50\nrate = "1000/s"\n')
    with served(request.param, folder) as api:
        api.backend = request.param
        yield api


def test_kinds_of_steps_are_listed_with_their_parameters(api):
    types = [one["type"] for one in api.get("/api/workers")["items"]]

    assert {"agent", "held", "local_dir", "test_job_generator"} <= set(types)
    assert "schema" in api.get("/api/workers/local_dir")
    assert "did you mean local_dir" in api.get("/api/workers/local_dri", 404)["detail"]


def test_this_node_and_its_limits_are_shown(api):
    api.ran("limited", step())

    [node] = api.get("/api/nodes")["items"]
    limits = api.get("/api/limits")["items"]

    assert node["alive"]
    assert node["id"] == api.get("/api/health")["process_id"]
    [held] = [one for one in limits if one["limiter"]["worker_type"] == "held"]
    assert held["limits"]["concurrency"] == 50


def test_figures_of_the_installation(api):
    api.ran("counted")

    figures = api.get("/api/statistics", hours=1, buckets=2)
    facts = api.get("/api/system")
    version = api.get("/api/version")

    assert len(figures["activity"]) == 2
    assert sum(figures["activity"][-1]["counts"].values()) >= 1
    assert (facts["backend"], facts["drift"]) == (api.backend, 0)
    assert version["schema"] == facts["schema"]
    for wrong in ("0", "-1", "nan", "inf", "1e999", "8785"):
        api.get("/api/statistics", 422, hours=wrong)


def test_a_schedule_is_paused_resumed_and_made_up_for(api):
    api.define("daily", head='schedule = "0 6 * * *"')
    url = "/api/schedules/daily"
    wait_until(lambda: api.client.get(url).status_code == 200)
    now = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    span = {"since": (now - timedelta(days=2)).isoformat(), "until": now.isoformat()}

    assert len(api.get(url, count=3)["next"]) == 3
    assert [one["definition_id"] for one in api.get("/api/schedules")["items"]] == ["daily"]
    assert api.post(f"{url}/pause")["state"] == "paused"
    assert api.post(f"{url}/resume")["state"] == "active"
    slots = api.post(f"{url}/backfill", span, 202)
    assert [slot["outcome"] for slot in slots] == ["started", "queued"] or len(slots) == 2
    assert api.post(f"{url}/backfill", span, 202) == []
    assert {fire["cause"] for fire in api.get(f"{url}/fires")} == {"backfill"}
    for slot in slots:
        api.finished(slot["run_id"])


def test_schedules_that_are_none(api):
    for path in ("/api/schedules/none", "/api/schedules/none/fires"):
        api.ask("GET", path, 404 if path.endswith("none") else 200)
    for verb in ("pause", "resume"):
        api.post(f"/api/schedules/none/{verb}", status=404)
    span = {"since": "2025-01-02T00:00:00Z", "until": "2025-01-01T00:00:00Z"}
    api.post("/api/schedules/none/backfill", span, 404)
    api.post("/api/schedules/none/backfill", {"since": "0001-01-01T00:00:00+14:00", "until": "soon"}, 422)


def test_a_span_that_can_t_be_made_up_for_is_refused(api):
    api.define("often", head='schedule = "*/5 * * * *"')
    url = "/api/schedules/often"
    wait_until(lambda: api.client.get(url).status_code == 200)
    api.post(f"{url}/pause")

    for since, until in (
        ("2025-01-02T00:00:00Z", "2025-01-01T00:00:00Z"),
        ("0001-01-01T00:00:00Z", "9999-12-31T00:00:00Z"),
        ("9998-01-01T00:00:00Z", "9999-12-31T00:00:00Z"),
    ):
        api.post(f"{url}/backfill", {"since": since, "until": until}, 409)


def test_the_value_of_a_secret_never_comes_back(api):
    api.ask("PUT", "/api/keys/the_token", 204, json={"value": SECRET})
    api.ask("PUT", "/api/keys/plain_word", 204, json={"value": "seen", "secret": False})
    run = api.ran("secretive", step(token="{the_token}", text="{the_token}"))
    assert run["status"] == "completed"
    [job] = api.get(f"/api/jobs/{run['steps'][0]['id']}/children")["items"]
    [document] = api.get("/api/documents", run=run["id"])["items"]
    for path in (
        "/api/keys",
        "/api/config",
        "/api/audit",
        "/api/definitions",
        "/api/definitions/secretive",
        "/api/definitions/secretive/revisions",
        f"/api/jobs/{job['id']}",
        f"/api/jobs/{job['id']}/why",
        f"/api/runs/{run['id']}/tree",
        f"/api/runs/{run['id']}/timeline",
        f"/api/runs/{run['id']}/logs",
        f"/api/runs/{run['id']}/logs/download",
        f"/api/runs/{run['id']}/logs/download?form=jsonl",
        f"/api/logs/stream?run={run['id']}",
        f"/api/documents/{document['id']}",
        f"/api/documents/{document['id']}/raw",
        f"/api/documents/{document['id']}/revisions",
        "/api/system",
    ):
        api.ask("GET", path)
    api.post("/api/definitions/secretive/preview", {"dry": True})
    api.ask("PUT", "/api/keys/the_token", 422, json={"value": SECRET, "visible": True})
    api.ask("PUT", "/api/keys/the_token", 422, json={"value": [SECRET]})
    api.ask("PUT", "/api/keys/the%20token", 422, json={"value": SECRET})

    assert {"name": "the_token", "secret": True} in api.get("/api/keys")["items"]
    assert [text for text in api.texts if SECRET in text] == []
    audit = api.get("/api/audit")["items"]
    assert "/api/keys/the_token" in {entry["target"] for entry in audit}
    api.ask("DELETE", "/api/keys/the_token", 204)
    api.ask("DELETE", "/api/keys/the_token", 404)


def test_settings_say_where_they_come_from_and_hide_passwords(api):
    settings = {one["name"]: one for one in api.get("/api/config")["items"]}

    assert settings["limits.held.concurrency"]["origin"] == "quaero.toml"
    assert settings["engine.slots"]["origin"] == "default"
    if api.backend == "postgres":
        assert "postgresql://" in settings["database"]["value"]
    assert [text for text in api.texts if PASSWORD in text] == []


def test_the_audit_log_is_read_page_by_page(api):
    for _ in range(5):
        api.ask("DELETE", "/api/keys/never_there", 404)

    entries = api.pages("/api/audit", limit=2)

    assert len({entry["id"] for entry in entries}) == len(entries) >= 5
    assert entries[0]["outcome"] == "404"
    api.get("/api/audit", 422, cursor="garbage")


def test_api_keys_are_made_shown_once_and_revoked(api):
    made = api.post("/api/access/keys", {"name": "reader", "scope": "read"}, 201)
    bearer = {"Authorization": f"Bearer {made['key']}"}

    assert api.ask("GET", "/api/runs", headers=bearer)
    assert api.ask("POST", "/api/bulk", 403, json={}, headers=bearer)
    assert "key" not in api.get("/api/access/keys")["items"][0]
    api.ask("DELETE", "/api/access/keys/reader")
    api.ask("GET", "/api/runs", 401, headers=bearer)
    api.post("/api/access/keys", {"name": "a\0", "scope": "read"}, 422)
    api.post("/api/access/keys", {"name": "a", "scope": "all"}, 422)


def test_whoever_is_on_this_host_is_let_in(api):
    assert api.get("/api/session")["actor"] == "local"
    assert api.post("/api/session", {"password": "guess"}, 401)["type"] == "/problems/bad-password"
    api.ask("DELETE", "/api/session", 204)


def test_what_is_nowhere_is_told_as_a_problem(api):
    for path in ("/api", "/api/", "/api/nothing", "/api/runs/", "/api/version/", "/api/runs/1/nothing"):
        assert "openapi.json" in api.get(path, 404)["detail"]
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            api.ask(method, path, 404)


def test_a_wrong_method_is_told_with_the_right_ones(api):
    for method, path, allowed in (
        ("POST", "/api/runs", "GET"),
        ("PUT", "/api/runs/1", "DELETE, GET"),
        ("GET", "/api/runs/1/cancel", "POST"),
        ("PATCH", "/api/version", "GET"),
        ("POST", "/api/definitions/a", "DELETE, GET, PATCH, PUT"),
    ):
        refused = api.ask(method, path, 405)
        assert refused.headers["allow"] == allowed
        assert allowed in refused.json()["detail"]


def test_a_command_that_is_sent_again_under_its_key_is_carried_out_once(api):
    api.define("once")
    headers = {"Idempotency-Key": "key-1"}
    url = "/api/definitions/once/execute"

    first = api.ask("POST", url, 202, headers=headers)
    api.finished(first.json()["id"])
    again = api.ask("POST", url, 202, headers=headers)
    other = api.ask("POST", f"/api/runs/{first.json()['id']}/rerun", 422, headers=headers)

    assert again.json() == first.json()
    assert again.headers["location"] == first.headers["location"]
    assert again.headers["idempotency-replayed"] == "true"
    assert other.json()["type"] == "/problems/idempotency-key-reused"
    assert api.get("/api/runs/count", definition="once")["count"] == 1
    api.ask("POST", url, 400, headers={"Idempotency-Key": "two words"})


def test_long_answers_are_compressed_for_whoever_takes_that(api):
    long = api.ask("GET", "/api/config", headers={"Accept-Encoding": "gzip"})
    plain = api.ask("GET", "/api/config", headers={"Accept-Encoding": "identity"})
    short = api.ask("GET", "/api/version", headers={"Accept-Encoding": "gzip"})

    assert long.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert "content-encoding" not in short.headers
    assert long.json() == plain.json()


def test_answers_of_the_api_are_not_kept_by_browsers(api):
    answer = api.ask("GET", "/api/runs")

    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_the_page_is_sent_once(api):
    page = api.client.get("/")
    elsewhere = api.client.get("/runs/1")

    if page.headers.get("etag") is None:
        assert "The page was not built" in page.text
        assert elsewhere.status_code == 503
        return
    assert elsewhere.text == page.text
    again = api.client.get("/", headers={"If-None-Match": page.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert api.client.get("/assets/nothing.js").status_code == 404
    assert api.client.get("/assets/..%2F..%2Fsite.py").status_code == 404


def test_bodies_that_are_none(api):
    for body in (b"{", b"[", b'"a"', b"null"):
        api.ask("POST", "/api/definitions/validate", 422, content=body, headers=JSON)
    for body in (b"\xff", b"[" * 100_000):
        api.ask("POST", "/api/definitions/validate", 400, content=body, headers=JSON)
    api.ask("POST", "/api/definitions/validate", 422, content=b'{"source": "a"}', headers={"Content-Type": "text/x"})


def test_health_says_whether_work_can_be_done(api):
    assert api.get("/api/health")["status"] == "ok"
    assert api.get("/api/health/live")["status"] == "ok"


def test_while_the_database_is_away_health_says_so_and_then_it_goes_on(tmp_path):
    database = fresh_database()
    with Proxy(database) as proxy:
        try:
            settings = {"postgres": {"answer_seconds": 1.0}, "engine": {"lease_seconds": 4.0, "renew_seconds": 0.5}}
            with served("postgres", tmp_path, url=proxy.url, settings=settings) as api:
                assert api.ran("before")["status"] == "completed"

                try:
                    proxy.stall()
                    wait_until(lambda: api.client.get("/api/health").status_code == 503, 20)
                    away = api.ask("GET", "/api/health", 503)
                    alive = api.ask("GET", "/api/health/live")
                finally:
                    proxy.flow()
                wait_until(lambda: api.client.get("/api/health").status_code == 200, 20)

                assert away.headers["retry-after"] == "2"
                assert alive.json()["status"] == "ok"
                assert api.ran("after")["status"] == "completed"
        finally:
            proxy.flow()
    release_database(database)
