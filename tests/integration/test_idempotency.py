"""A command with an idempotency key is carried out once: over restarts, nodes, and requests at the same time."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from quaero.errors import StoreUnavailable
from tests.access_kit import BACKENDS, Answer, Gate, Place


class Commands:
    """Carries out commands and counts them. A path that ends in a number is answered with it."""

    def __init__(self) -> None:
        self.done: list[bytes] = []
        self.begun = asyncio.Event()
        self.go_on = asyncio.Event()
        self.headers: list[dict[bytes, bytes]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body += message["body"]
            more = message.get("more_body", False)
        self.done.append(body)
        self.headers.append(dict(scope["headers"]))
        word = scope["path"].rpartition("/")[2]
        if word == "wait":
            self.begun.set()
            await self.go_on.wait()
        if word == "break":
            raise RuntimeError("broken")
        status = int(word) if word.isdigit() else 202
        headers = [(b"content-type", b"text/x"), (b"Location", b"/api/runs/7"), (b"x-own", b"1")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"run ", "more_body": True})
        await send({"type": "http.response.body", "body": str(len(self.done)).encode()})


@pytest.fixture(params=BACKENDS)
def place(tmp_path, request):
    made = Place(request.param, tmp_path)
    yield made
    made.close()


@pytest.fixture
def commands():
    return Commands()


@pytest.fixture
def gate(place, commands):
    return Gate(place, app=commands)


@pytest.fixture
def elsewhere(place, commands):
    """Another process on the same database."""
    place.store = place.another_store()
    return Gate(place, app=commands)


def keyed(key: str = "k", **headers: str) -> dict[str, str]:
    return {"idempotency-key": key, **headers}


def is_replayed(answer: Answer) -> bool:
    return answer.headers.get("idempotency-replayed") == "true"


def test_the_second_time_the_stored_answer_comes_from_any_process(gate, elsewhere, commands):
    first = gate.post(headers=keyed(), body=b"b")
    second = gate.post(headers=keyed(), body=b"b")
    third = elsewhere.post(headers=keyed(), body=b"b")

    assert commands.done == [b"b"]
    assert not is_replayed(first)
    assert is_replayed(second)
    assert is_replayed(third)
    for answer in (first, second, third):
        assert (answer.status, answer.body) == (202, b"run 1")
        assert (answer.headers["content-type"], answer.headers["location"]) == ("text/x", "/api/runs/7")
    assert third.headers["x-content-type-options"] == "nosniff"


def test_without_a_key_every_request_is_carried_out(gate, commands):
    gate.post()
    gate.post()

    assert len(commands.done) == 2


def test_another_request_under_the_key_is_refused(gate, commands):
    gate.post(headers=keyed(), body=b"b")

    for path, body, query in (
        ("/api/runs/1/cancel", b"c", b""),
        ("/api/runs/2/cancel", b"b", b""),
        ("/api/runs/1/cancel", b"b", b"q=1"),
    ):
        answer = gate.post(path, headers=keyed(), body=body, query=query)
        assert (answer.status, answer.kind) == (422, "idempotency-key-reused")
    assert len(commands.done) == 1


def test_callers_do_not_see_each_others_answers(gate, commands):
    gate.post(headers=keyed())
    gate.post(headers=keyed(**gate.bearer("run")))

    assert len(commands.done) == 2


def test_while_the_first_is_under_way_the_second_is_refused(gate, elsewhere, commands):
    async def both() -> tuple[Answer, Answer, Answer]:
        first = asyncio.ensure_future(gate.acall("POST", "/api/runs/1/wait", headers=keyed()))
        await commands.begun.wait()
        second = await elsewhere.acall("POST", "/api/runs/1/wait", headers=keyed())
        commands.go_on.set()
        done = await first
        return done, second, await elsewhere.acall("POST", "/api/runs/1/wait", headers=keyed())

    first, second, third = asyncio.run(asyncio.wait_for(both(), 20))

    assert first.status == 202
    assert (second.status, second.kind) == (409, "idempotency-key-in-use")
    assert (third.body, is_replayed(third)) == (first.body, True)
    assert len(commands.done) == 1


def test_a_request_that_was_cut_off_is_never_carried_out_again(gate, elsewhere, commands):
    async def cut_off() -> None:
        first = asyncio.ensure_future(gate.acall("POST", "/api/runs/1/wait", headers=keyed()))
        await commands.begun.wait()
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)

    asyncio.run(asyncio.wait_for(cut_off(), 20))
    again = elsewhere.post("/api/runs/1/wait", headers=keyed())

    assert again.status == 409
    assert "look whether it took effect" in again.data["detail"]
    assert len(commands.done) == 1


def test_a_defect_and_what_may_work_later_can_be_tried_again(gate, commands):
    for _ in range(2):
        with pytest.raises(RuntimeError):
            gate.post("/api/runs/break", headers=keyed("a"))
        assert gate.post("/api/runs/503", headers=keyed("b")).status == 503
        assert gate.post("/api/runs/429", headers=keyed("c")).status == 429

    assert len(commands.done) == 6


def test_a_refusal_is_an_answer(gate, commands):
    assert gate.post("/api/runs/409", headers=keyed()).status == 409
    again = gate.post("/api/runs/409", headers=keyed())

    assert (again.status, is_replayed(again)) == (409, True)
    assert len(commands.done) == 1


@pytest.mark.parametrize("path", ["/api/session", "/api/access/keys"])
def test_answers_with_secrets_are_not_kept(gate, commands, path):
    gate.post(path, headers=keyed())
    gate.post(path, headers=keyed())

    assert len(commands.done) == 2


def test_other_methods_have_no_key(gate, commands):
    for _ in range(2):
        gate.call("PUT", "/api/definitions/a", headers=keyed())

    assert len(commands.done) == 2


@pytest.mark.parametrize("key", ["", "a b", "x" * 256, "\xe9"])
def test_a_key_that_is_none_is_refused(gate, commands, key):
    answer = gate.post(headers=keyed(key))

    assert (answer.status, answer.kind) == (400, "idempotency-key")
    assert commands.done == []


def test_what_is_kept_is_not_compressed_for_the_first_caller(gate, commands):
    gate.post(headers=keyed(**{"accept-encoding": "gzip"}))

    assert b"accept-encoding" not in commands.headers[0]


def test_without_the_store_nothing_is_carried_out(gate, commands, monkeypatch):
    def gone(*args: object, **kwargs: object) -> None:
        raise StoreUnavailable("gone")

    monkeypatch.setattr(gate.store, "begin", gone)

    assert gate.post(headers=keyed()).status == 503
    assert commands.done == []


def test_an_answer_that_can_not_be_stored_is_given_all_the_same(gate, commands, monkeypatch):
    def gone(*args: object, **kwargs: object) -> None:
        raise StoreUnavailable("gone")

    with monkeypatch.context() as patched:
        patched.setattr(gate.store, "finish", gone)
        first = gate.post(headers=keyed())

    assert first.body == b"run 1"
    assert gate.post(headers=keyed()).status == 409
    assert len(commands.done) == 1
