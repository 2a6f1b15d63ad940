"""Headers: what every answer tells the browser not to do."""

from __future__ import annotations

from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)
HEADERS: Final[tuple[tuple[bytes, bytes], ...]] = tuple(
    (name.encode(), value.encode())
    for name, value in (
        ("content-security-policy", CONTENT_SECURITY_POLICY),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        ("permissions-policy", "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()"),
    )
)
_NO_STORE: Final = ((b"cache-control", b"no-store"),)


class SecurityHeaders:
    """Pure ASGI middleware. A header that the answer has already stays as it is; answers of the API are not cached."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        added = HEADERS + (_NO_STORE if scope["path"].startswith("/api") else ())

        async def send_on(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = list(message.get("headers") or ())
                names = {name.lower() for name, _ in given}
                given += [(name, value) for name, value in added if name not in names]
                message = {**message, "headers": given}
            await send(message)

        await self._app(scope, receive, send_on)
