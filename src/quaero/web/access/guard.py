"""Guard: the one way in. Checks ``Host``, ``Origin`` and credentials of every request and socket."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from http import HTTPStatus
from typing import Final, NamedTuple

from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Message, Receive, Send
from starlette.types import Scope as AsgiScope

from quaero.errors import QuaeroError
from quaero.model.access import Scope
from quaero.ports.access import ApiKeys
from quaero.ports.clock import Clock
from quaero.web.access.api_keys import digest_of, is_in_force, looks_like_key
from quaero.web.access.identity import ACCESS, LOCAL, OWNER, Access
from quaero.web.access.policy import Authority, Policy, is_loopback, parse_authority, parse_origin
from quaero.web.access.requests import Headers, cookies_of, headers_of, last_of_list, path_of, refuse
from quaero.web.access.scopes import SAFE, needed_scope
from quaero.web.access.sessions import COOKIE, Session, Sessions

RECHECK_S: Final = 30.0
"""How long an open socket or stream may outlive the key or session that opened it."""
TOUCH_S: Final = 300
SIGNED_OUT: Final = 4401
"""Close code of such a socket; whoever still has a good session may connect again."""
_FORWARDED: Final = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "via")
_CHALLENGE: Final = (("WWW-Authenticate", 'Bearer realm="quaero"'),)
_SECURE: Final = frozenset({"https", "wss"})


class _Refused(Exception):
    def __init__(self, status: HTTPStatus, kind: str, detail: str) -> None:
        self.status = status
        self.kind = kind
        super().__init__(detail)


class _Caller(NamedTuple):
    access: Access
    session: Session | None = None


class Guard:
    """Pure ASGI middleware around the whole site; leaves an :class:`Access` in the scope.

    In this order: a ``Host`` that is none of ours is refused with 421 (DNS rebinding), a page of another origin with
    403, nobody in particular with 401, too small a scope with 403. Sockets: always 403, before the upgrade.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        policy: Policy,
        keys: ApiKeys,
        sessions: Sessions,
        clock: Clock,
        recheck_s: float = RECHECK_S,
    ) -> None:
        self._app = app
        self._policy = policy
        self._keys = keys
        self._sessions = sessions
        self._clock = clock
        self._recheck_s = recheck_s

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        headers = headers_of(scope)
        nobody = self._follow_proxy(scope, headers)
        scope[ACCESS] = nobody
        try:
            host = self._checked_host(scope, headers)
            self._check_origin(scope, headers, host)
            needed = self._needed(scope)
            caller = await self._caller(headers, host, nobody) if needed is not None else _Caller(nobody)
            scope[ACCESS] = caller.access
            _check_scope(caller.access, needed)
        except _Refused as error:
            challenge = _CHALLENGE if error.status is HTTPStatus.UNAUTHORIZED else ()
            await refuse(scope, receive, send, error.status, str(error), kind=error.kind, headers=challenge)
        except QuaeroError as error:
            unavailable, retry = HTTPStatus.SERVICE_UNAVAILABLE, (("Retry-After", "2"),)
            await refuse(scope, receive, send, unavailable, str(error), kind="unavailable", headers=retry)
        else:
            await self._let_in(scope, receive, send, caller, lambda: self._caller(headers, host, nobody))

    def _follow_proxy(self, scope: AsgiScope, headers: Headers) -> Access:
        """Whoever it is, their address: what the nearest proxy says of it, if there is one."""
        address = str((scope.get("client") or ("",))[0])
        if self._policy.proxy:
            address = last_of_list(headers.get("x-forwarded-for"))[:100] or address
            if (scheme := last_of_list(headers.get("x-forwarded-proto")).lower()) in {"http", "https"}:
                scope["scheme"] = scheme if scope["type"] == "http" else {"http": "ws", "https": "wss"}[scheme]
            scope["client"] = (address, 0)
        return Access(address=address, is_secure=scope.get("scheme") in _SECURE)

    def _checked_host(self, scope: AsgiScope, headers: Headers) -> Authority:
        arrived_at = str((scope.get("server") or ("",))[0] or "")
        given = headers.get("host", [])
        host = self._ours(given[0] if len(given) == 1 else "", arrived_at)
        if self._policy.proxy and (forwarded := headers.get("x-forwarded-host")):
            host = self._ours(forwarded[0].partition(",")[0].strip(), arrived_at)
        return host

    def _ours(self, text: str, arrived_at: str) -> Authority:
        host = parse_authority(text)
        if host is None or not self._policy.is_ours(host.name, arrived_at):
            raise _Refused(
                HTTPStatus.MISDIRECTED_REQUEST,
                "wrong-host",
                f"this server is not {text[:100]!r}; if that is a name of it, add it to [server] hosts",
            )
        return host

    def _check_origin(self, scope: AsgiScope, headers: Headers, host: Authority) -> None:
        """Browsers say which page makes a request; programs say nothing, and are nobody's unwitting helper."""
        is_safe = scope["type"] == "http" and scope["method"] in SAFE
        origins = headers.get("origin", [])
        site, mode = ((headers.get(f"sec-fetch-{name}") or [""])[-1].lower() for name in ("site", "mode"))
        if not is_safe and origins:
            origin = parse_origin(origins[0]) if len(origins) == 1 else None
            is_ours = origin is not None and self._policy.is_same(origin, host)
        else:
            # Following a link to a page is nobody's attack, fetching data from elsewhere is.
            is_ours = site not in {"cross-site", "same-site"} or (is_safe and mode == "navigate")
        if not is_ours:
            shown = origins[0][:100] if origins else "another site"
            raise _Refused(HTTPStatus.FORBIDDEN, "wrong-origin", f"requests from pages of {shown!r} are not accepted")

    def _needed(self, scope: AsgiScope) -> Scope | None:
        """Of every socket at least ``read``."""
        if scope["type"] == "websocket":
            return needed_scope("GET", path_of(scope)) or Scope.READ
        return needed_scope(scope["method"], path_of(scope))

    async def _caller(self, headers: Headers, host: Authority, nobody: Access) -> _Caller:
        given = headers.get("authorization", [])
        scheme, _, token = given[0].partition(" ") if len(given) == 1 else ("", "", "")
        if scheme.lower() == "bearer" or len(given) > 1:
            return _Caller(await self._by_key(token.strip(), nobody))
        if self._is_local(headers, host):
            return _Caller(nobody._replace(actor=LOCAL, scope=Scope.ADMIN))
        for cookie in cookies_of(headers, COOKIE):
            session = await run_in_threadpool(self._sessions.find, cookie)
            if session is not None:
                return _Caller(nobody._replace(actor=OWNER, scope=Scope.ADMIN), session)
        why = "this request came through a proxy, or under another name than localhost; " * self._policy.asks_nobody
        detail = f"{why}sign in, or send an API key: Authorization: Bearer qk_…"
        raise _Refused(HTTPStatus.UNAUTHORIZED, "sign-in", detail)

    def _is_local(self, headers: Headers, host: Authority) -> bool:
        """On this host, asked by its own name, and not passed on by a proxy that nobody told of."""
        if not self._policy.asks_nobody or not is_loopback(host.name):
            return False
        return not any(name in headers for name in _FORWARDED)

    async def _by_key(self, token: str, nobody: Access) -> Access:
        key = await run_in_threadpool(self._keys.find_key, digest_of(token)) if looks_like_key(token) else None
        now = self._clock.now()
        if key is None or not is_in_force(key, now):
            raise _Refused(HTTPStatus.UNAUTHORIZED, "bad-key", "this API key is not known, or no longer in force")
        if key.last_used_at is None or now / 1e6 - key.last_used_at.timestamp() > TOUCH_S:
            with suppress(QuaeroError):
                await run_in_threadpool(self._keys.touch_key, key.id)
        return nobody._replace(actor=f"key:{key.name}", scope=key.scope)

    async def _let_in(
        self,
        scope: AsgiScope,
        receive: Receive,
        send: Send,
        caller: _Caller,
        again: Callable[[], Awaitable[_Caller]],
    ) -> None:
        if caller.access.actor in {"", LOCAL}:
            await self._app(scope, receive, send)
            return
        outgoing = _Outgoing(send, self._new_cookie(caller))
        if scope["type"] == "http" and scope["method"] != "GET":
            await self._app(scope, receive, outgoing)
            return
        running = asyncio.ensure_future(self._app(scope, receive, outgoing))
        try:
            while not (await asyncio.wait({running}, timeout=self._recheck_s))[0]:
                if outgoing.lasts and not await _holds(again):
                    await _stopped(running)
                    await outgoing.end()
                    return
            running.result()
        finally:
            await _stopped(running)

    def _new_cookie(self, caller: _Caller) -> str:
        session = self._sessions.renewed(caller.session) if caller.session else None
        return self._sessions.cookie(session, is_secure=caller.access.is_secure) if session else ""


def _check_scope(access: Access, needed: Scope | None) -> None:
    if needed is not None and not access.allows(needed):
        detail = f"this needs the scope {needed}; this key has {access.scope}"
        raise _Refused(HTTPStatus.FORBIDDEN, "scope", detail)


async def _holds(again: Callable[[], Awaitable[_Caller]]) -> bool:
    """Would the caller be let in once more? While the store can't be asked, yes."""
    try:
        await again()
    except _Refused:
        return False
    except QuaeroError:
        return True
    return True


async def _stopped(running: asyncio.Future[None]) -> None:
    if not running.done():
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


class _Outgoing:
    """Sends on, with a renewed cookie; knows whether this is a socket or stream that may last, and can end it."""

    def __init__(self, send: Send, cookie: str) -> None:
        self._send = send
        self._cookie = cookie
        self._last = ""
        self.lasts = False

    async def __call__(self, message: Message) -> None:
        self._last = message["type"]
        if self._last in {"http.response.start", "websocket.accept"}:
            headers = list(message.get("headers") or ())
            kinds = [value for name, value in headers if name.lower() == b"content-type"]
            self.lasts = self._last == "websocket.accept" or any(b"text/event-stream" in kind for kind in kinds)
            if self._cookie and not any(name.lower() == b"set-cookie" for name, _ in headers):
                message = {**message, "headers": [*headers, (b"set-cookie", self._cookie.encode("latin-1"))]}
        await self._send(message)

    async def end(self) -> None:
        if self._last == "websocket.close":
            return
        if self._last.startswith("websocket."):
            await self._send({"type": "websocket.close", "code": SIGNED_OUT, "reason": "signed out"})
        else:
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})
