"""Signing in and out, API keys and the audit log over HTTP; and what of it is recorded."""

from __future__ import annotations

import asyncio
import json

import pytest
import structlog
from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import JSONResponse

from quaero.errors import BadData, StoreUnavailable
from quaero.model.access import Scope
from quaero.web.access import routes
from quaero.web.access.audit import REFUSALS_PER_MINUTE, note
from quaero.web.access.identity import access_of
from quaero.web.access.login import FREE, Login
from quaero.web.access.passwords import hash_password, is_password
from quaero.web.access.policy import Policy
from quaero.web.access.sessions import secret_from
from quaero.web.problems import add_problem_handlers
from tests.access_kit import Answer, Gate, Place, cookie_of

PASSWORD = "correct horse battery"
NETWORK = Policy(host="192.168.1.5")
OURS = "192.168.1.5:8085"
HASH = hash_password(PASSWORD)


@pytest.fixture
def place(tmp_path):
    made = Place("sqlite", tmp_path)
    yield made
    made.close()


@pytest.fixture
def gate(place):
    place.store.set_password(HASH)
    return with_routes(Gate(place, NETWORK))


@pytest.fixture
def local(place):
    return with_routes(Gate(place))


def with_routes(gate: Gate) -> Gate:
    """The same gate in front of our routes and a few commands."""
    login = Login(passwords=gate.store, sessions=gate.sessions, clock=gate.clock)
    site = FastAPI()
    api = APIRouter(prefix="/api")
    api.include_router(routes.routes(login, gate.store, gate.clock))

    @api.post("/runs/{run_id}/rerun", status_code=202)
    async def rerun(run_id: int, request: Request) -> JSONResponse:
        note(request.scope, run=run_id)
        return JSONResponse({}, 202, {"Location": "/api/runs/18"})

    @api.post("/runs/{run_id}/break")
    async def broken(run_id: int) -> None:
        raise RuntimeError("broken")

    @api.post("/runs/{run_id}/bulk")
    async def bulk(run_id: int, request: Request) -> None:
        access_of(request.scope).require(Scope.ADMIN)

    site.include_router(api)
    add_problem_handlers(site)
    return Gate(gate.place, gate.policy, site)


def sign_in(gate: Gate, password: str = PASSWORD, **options: object) -> Answer:
    body = json.dumps({"password": password}).encode()
    headers = {"content-type": "application/json", "origin": f"http://{OURS}"}
    return gate.post("/api/session", host=OURS, headers=headers, body=body, **options)


def make_key(gate: Gate, **wanted: object) -> Answer:
    return gate.post("/api/access/keys", headers={"content-type": "application/json"}, body=json.dumps(wanted).encode())


def recorded(gate: Gate) -> list[tuple[str, str, str, str]]:
    """Oldest first."""
    entries, _ = gate.store.entries(limit=500)
    return [(e.actor, e.action, e.target, e.outcome) for e in reversed(entries)]


# Passwords


def test_a_password_is_known_by_its_hash():
    assert is_password(PASSWORD, HASH)
    assert not is_password(f"{PASSWORD}!", HASH)
    assert not is_password("", HASH)
    assert not is_password("nobody's password", None)
    assert HASH.startswith("$argon2id$")
    assert is_password("pa\u0308ssword", hash_password("p\u00e4ssword"))


@pytest.mark.parametrize("password", ["", "1234567", "x" * 1001])
def test_a_password_that_is_too_short_or_too_long_is_refused(password):
    with pytest.raises(BadData, match="8 to 1000 characters"):
        hash_password(password)


# Signing in


def test_whoever_signs_in_may_do_everything_until_they_sign_out(gate):
    cookie = {"cookie": cookie_of(sign_in(gate))}

    who = gate.get("/api/session", host=OURS, headers=cookie).data
    assert who == {"actor": "owner", "scope": "admin", "signed_in": True, "has_password": True}
    assert gate.get("/api/access/keys", host=OURS, headers=cookie).status == 200
    out = gate.call("DELETE", "/api/session", host=OURS, headers=cookie)
    assert out.status == 204
    assert "quaero_session=;" in out.headers["set-cookie"]
    assert "Max-Age=0" in out.headers["set-cookie"]


def test_without_signing_in_it_is_said_that_one_has_to(gate):
    assert gate.get("/api/session", host=OURS).status == 401


def test_on_loopback_nobody_signs_in(local):
    assert local.get("/api/session").data == {
        "actor": "local",
        "scope": "admin",
        "signed_in": False,
        "has_password": False,
    }


def test_a_wrong_password_and_none_at_all_are_answered_alike(gate):
    wrong = sign_in(gate, "wrong")
    gate.store.remove_password()
    none = sign_in(gate, PASSWORD, client="10.0.0.9")

    assert (wrong.status, wrong.kind) == (none.status, none.kind) == (401, "bad-password")
    assert wrong.data["detail"] == none.data["detail"]
    assert "set-cookie" not in wrong.headers


def test_guessing_is_slowed_down(gate):
    for _ in range(FREE):
        assert sign_in(gate, "wrong").status == 401
    held = sign_in(gate)
    gate.clock.advance(1)
    right = sign_in(gate)

    assert (held.status, held.kind, held.headers["retry-after"]) == (429, "too-many-attempts", "1")
    assert right.status == 200


def test_attempts_at_the_same_time_count_like_one_after_the_other(gate):
    body = json.dumps({"password": "wrong"}).encode()
    headers = {"content-type": "application/json"}

    async def many() -> list[int]:
        calls = [gate.acall("POST", "/api/session", host=OURS, headers=headers, body=body) for _ in range(8)]
        return sorted(answer.status for answer in await asyncio.gather(*calls))

    assert asyncio.run(many()) == [401] * FREE + [429] * (8 - FREE)


def test_a_page_of_another_site_signs_nobody_in(gate):
    headers = {"content-type": "application/json", "origin": "http://evil.example"}

    answer = gate.post("/api/session", host=OURS, headers=headers, body=json.dumps({"password": PASSWORD}).encode())

    assert answer.status == 403


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"password": 1}', b'{"password": "x", "a": 1}'])
def test_what_is_no_password_is_refused_without_being_repeated(gate, body):
    answer = gate.post("/api/session", host=OURS, headers={"content-type": "application/json"}, body=body)

    assert answer.status == 422


def test_the_signing_key_is_not_the_encryption_key():
    assert len(secret_from(b"k" * 32)) == 32
    assert secret_from(b"k" * 32) != secret_from(b"l" * 32)
    assert b"k" * 4 not in secret_from(b"k" * 32)


# API keys


def test_a_key_is_shown_once_and_opens_what_it_says(local):
    made = make_key(local, name="ci", scope="run", expires="90d")
    listed = local.get("/api/access/keys")

    assert made.status == 201
    assert made.data["scope"] == "run"
    assert made.data["expires_at"].startswith("2026-02-20")
    assert listed.data["items"][0]["prefix"] == made.data["prefix"]
    assert made.data["key"] not in listed.body.decode()
    header = {"authorization": f"Bearer {made.data['key']}"}
    assert local.get("/api/session", headers=header).data["actor"] == "key:ci"
    revoked = local.call("DELETE", "/api/access/keys/ci")
    assert revoked.data["revoked_at"]
    assert local.get("/api/session", headers=header).status == 401


def test_keys_that_can_not_be_made_say_why(local):
    make_key(local, name="ci", scope="run")

    assert make_key(local, name="ci", scope="run").status == 409
    assert make_key(local, name="a b", scope="run").status == 422
    assert make_key(local, name="b", scope="root").status == 422
    assert make_key(local, name="b", scope="run", expires="soon").status == 422
    assert local.call("DELETE", "/api/access/keys/nosuch").status == 404


def test_what_only_the_body_tells_can_ask_for_more(gate):
    refused = gate.post("/api/runs/1/bulk", host=OURS, headers=gate.bearer("run"))

    assert refused.status == 403
    assert "needs the scope admin; yours is run" in refused.data["detail"]
    assert gate.post("/api/runs/1/bulk", host=OURS, headers=gate.bearer("admin")).status == 200


# The record


def test_every_change_is_recorded_with_who_did_what_and_how_it_ended(gate):
    key = gate.bearer("run")
    cookie = {"cookie": cookie_of(sign_in(gate))}
    gate.get("/api/access/keys", host=OURS, headers=cookie)
    gate.post("/api/runs/17/rerun", host=OURS, headers=key, client="10.0.0.9")
    gate.call("DELETE", "/api/runs/17", host=OURS, headers=key)
    gate.post("/api/runs/17/rerun", host=OURS)
    gate.post("/api/runs/17/rerun", host="evil.example")
    sign_in(gate, "wrong")
    gate.post("/api/definitions/validate", host=OURS, headers=key)

    assert recorded(gate) == [
        ("owner", "POST /api/session", "/api/session", "200"),
        ("key:run", "POST /api/runs/{}/rerun", "/api/runs/17/rerun", "202"),
        ("key:run", "DELETE /api/runs/{}", "/api/runs/17", "403"),
        ("", "POST /api/runs/{}/rerun", "/api/runs/17/rerun", "401"),
        ("", "POST /api/runs/{}/rerun", "/api/runs/17/rerun", "421"),
        ("", "POST /api/session", "/api/session", "401"),
    ]
    entries, _ = gate.store.entries(limit=10)
    assert entries[-2].detail == {"location": "/api/runs/18", "run": 17}
    assert entries[-2].address == "10.0.0.9"


def test_no_secret_is_in_the_record(local):
    made = make_key(local, name="ci", scope="run").data["key"]
    sign_in(local)

    text = str(local.store.entries(limit=10)[0])

    assert made[10:] not in text
    assert PASSWORD not in text
    assert "'name': 'ci'" in text


def test_a_command_that_breaks_is_recorded(local):
    with pytest.raises(RuntimeError):
        local.post("/api/runs/1/break")

    assert recorded(local)[-1] == ("local", "POST /api/runs/{}/break", "/api/runs/1/break", "500")


def test_refusals_do_not_fill_the_record(gate):
    for _ in range(REFUSALS_PER_MINUTE + 20):
        gate.post("/api/runs/17/rerun", host=OURS)
    gate.clock.advance(60)
    gate.post("/api/runs/17/rerun", host=OURS, headers=gate.bearer("run"))

    entries, _ = gate.store.entries(limit=500)

    assert len(entries) == REFUSALS_PER_MINUTE + 1
    assert entries[0].detail["refusals_left_out"] == 20


def test_a_record_that_can_not_be_stored_is_told_and_the_answer_given(local, monkeypatch):
    def gone(entry: object) -> None:
        raise StoreUnavailable("the disk is full")

    monkeypatch.setattr(local.store, "add_entry", gone)
    with structlog.testing.capture_logs() as lines:
        answer = local.post("/api/runs/17/rerun")

    assert answer.status == 202
    assert [(line["event"], line["action"]) for line in lines] == [("audit.not_stored", "POST /api/runs/{}/rerun")]


def test_the_record_is_read_by_pages(local):
    for number in range(5):
        local.post(f"/api/runs/{number}/rerun")

    first = local.get("/api/audit", query=b"limit=3").data
    second = local.get("/api/audit", query=f"limit=3&cursor={first['next']}".encode()).data

    assert [item["target"] for item in first["items"] + second["items"]] == [
        f"/api/runs/{number}/rerun" for number in (4, 3, 2, 1, 0)
    ]
    assert second["next"] is None
    assert local.get("/api/audit", query=b"cursor=x").status == 422
