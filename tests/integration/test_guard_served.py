"""The guard behind a real server on a real socket: what a browser would get."""

from __future__ import annotations

import socket

import pytest

from quaero.web.access.policy import Policy
from quaero.web.serving import SiteServer
from tests.access_kit import Gate, Place

UPGRADE = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"  # fmt: skip # noqa: E501
TIMEOUT_S = 20.0


@pytest.fixture
def place(tmp_path):
    made = Place("sqlite", tmp_path)
    yield made
    made.close()


@pytest.fixture
def server(place):
    made = SiteServer(Gate(place, Policy()).protected, "127.0.0.1", 0)
    made.start()
    yield made
    made.stop()


def status(server: SiteServer, head: str) -> int:
    """Of the answer to a request with these lines."""
    with socket.create_connection(("127.0.0.1", server.port), TIMEOUT_S) as wire:
        wire.sendall(f"{head}\r\n".replace("PORT", str(server.port)).encode("latin-1"))
        answer = b""
        while b"\r\n" not in answer and (more := wire.recv(1000)):
            answer += more
    assert answer.startswith(b"HTTP/1.1 "), answer
    return int(answer.split()[1])


def test_a_socket_of_this_page_is_upgraded_and_others_are_refused_before(server):
    start = "GET /ws HTTP/1.1\r\n"
    ours = f"{start}Host: localhost:PORT\r\n{UPGRADE}"

    assert status(server, f"{ours}Origin: http://localhost:PORT\r\n") == 101
    assert status(server, f"{ours}Origin: http://evil.example\r\n") == 403
    assert status(server, f"{ours}Origin: null\r\n") == 403
    assert status(server, f"{start}Host: evil.example\r\n{UPGRADE}Origin: http://evil.example\r\n") == 403


def test_a_name_that_was_bent_to_this_host_is_refused(server):
    assert status(server, "GET /api/runs HTTP/1.1\r\nHost: localhost:PORT\r\n") == 200
    assert status(server, "GET /api/runs HTTP/1.1\r\nHost: evil.example:PORT\r\n") == 421
    assert status(server, "GET /api/runs HTTP/1.0\r\n") == 421
    assert status(server, "GET http://localhost/api/runs HTTP/1.1\r\nHost: evil.example\r\n") in {400, 421}


def test_what_a_proxy_says_of_the_caller_is_not_believed(server):
    head = "GET /api/runs HTTP/1.1\r\nHost: localhost:PORT\r\nX-Forwarded-For: 127.0.0.1\r\n"

    assert status(server, head) == 401
