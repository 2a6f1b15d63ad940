"""Requests as the guard and its companions read them, and how they are turned away. Plain ASGI, no framework."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from http import HTTPStatus

import msgspec
from starlette.types import Receive, Scope, Send

Headers = dict[str, list[str]]


def headers_of(scope: Scope) -> Headers:
    """Name in small letters -> its values, in order."""
    found: Headers = {}
    for name, value in scope["headers"]:
        found.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1").strip())
    return found


def path_of(scope: Scope) -> str:
    """As routes see it: decoded, and without the prefix that the server is mounted under."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    if root and (path == root or path.startswith(f"{root}/")):
        return path[len(root) :] or "/"
    return path


def last_of_list(values: Sequence[str] | None) -> str:
    """The element that was added last to a header that may hold a list: by the proxy that is nearest."""
    return values[-1].rpartition(",")[2].strip() if values else ""


def cookies_of(headers: Headers, name: str) -> list[str]:
    """All values that were sent under a name, a few at most."""
    found = []
    for header in headers.get("cookie", ()):
        for part in header.split(";"):
            key, _, value = part.partition("=")
            if key.strip() == name:
                found.append(value.strip().strip('"'))
    return found[:4]


async def refuse(
    scope: Scope,
    receive: Receive,
    send: Send,
    status: HTTPStatus,
    detail: str,
    *,
    kind: str,
    headers: Iterable[tuple[str, str]] = (),
) -> None:
    """Answer with a problem (RFC 9457). A socket is refused before its upgrade, always with 403."""
    is_socket = scope["type"] == "websocket"
    if is_socket:
        status = HTTPStatus.FORBIDDEN
        await receive()
        if "websocket.http.response" not in (scope.get("extensions") or {}):
            await send({"type": "websocket.close", "code": 1008, "reason": "refused"})
            return
    body = msgspec.json.encode(
        {
            "type": f"/problems/{kind}",
            "title": status.phrase,
            "status": int(status),
            "detail": detail,
            "instance": scope["path"].encode("utf-8", "replace").decode(),
        }
    )
    if scope.get("method") == "HEAD":
        body = b""
    sent = [
        (b"content-type", b"application/problem+json"),
        (b"cache-control", b"no-store"),
        *((name.encode("latin-1"), value.encode("latin-1")) for name, value in headers),
    ]
    if scope.get("method") != "HEAD":
        sent.append((b"content-length", str(len(body)).encode()))
    prefix = "websocket.http.response" if is_socket else "http.response"
    await send({"type": f"{prefix}.start", "status": int(status), "headers": sent})
    await send({"type": f"{prefix}.body", "body": body})
