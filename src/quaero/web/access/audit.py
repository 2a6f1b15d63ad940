"""Audit: a record of every request that would change something, whoever made it and however it ended."""

from __future__ import annotations

import re
from typing import Any, Final

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Message, Receive, Send
from starlette.types import Scope as AsgiScope

from quaero.errors import QuaeroError
from quaero.model.access import Scope
from quaero.ports.access import Audit, AuditDraft
from quaero.ports.clock import Clock
from quaero.web.access.identity import access_of
from quaero.web.access.requests import path_of
from quaero.web.access.scopes import SAFE, needed_scope

log = structlog.get_logger("quaero.web")

NOTES: Final = "quaero.audit"
REFUSALS_PER_MINUTE: Final = 30
"""Of refused requests no more are recorded: nobody shall push the others out, or keep the disk busy."""
_REFUSALS: Final = frozenset({401, 403, 421, 429})
_LONGEST: Final = 500
_NAMED: Final = re.compile(
    r"(?P<kind>/(?:definitions|schedules|keys|nodes|workers)/)[^/]+|/(?:\d+|doc_[\w-]+)(?=/|$)", re.ASCII
)
_MINUTE: Final = 60 * 1_000_000


def note(scope: AsgiScope, /, **fields: Any) -> None:
    """Add to the record of the request that is being answered. Never a secret."""
    scope.setdefault(NOTES, {}).update(fields)


class AuditLog:
    """Pure ASGI middleware around the guard. The record is made before the answer is sent; bodies are not looked at."""

    def __init__(self, app: ASGIApp, *, audit: Audit, clock: Clock) -> None:
        self._app = app
        self._audit = audit
        self._clock = clock
        self._refusals = 0
        self._minute = 0
        self._left_out = 0

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _is_recorded(scope):
            await self._app(scope, receive, send)
            return
        is_recorded = False

        async def send_on(message: Message) -> None:
            nonlocal is_recorded
            if message["type"] == "http.response.start" and not is_recorded:
                is_recorded = True
                place = [value for name, value in message.get("headers") or () if name.lower() == b"location"]
                await self._record(scope, message["status"], {"location": place[0].decode("latin-1")} if place else {})
            await send(message)

        try:
            await self._app(scope, receive, send_on)
        except Exception:
            if not is_recorded:
                await self._record(scope, 500, {})
            raise

    async def _record(self, scope: AsgiScope, status: int, detail: dict[str, Any]) -> None:
        if status in _REFUSALS and not self._may_record_refusal():
            self._left_out += 1
            return
        if self._left_out:
            detail = {**detail, "refusals_left_out": self._left_out}
            self._left_out = 0
        access = access_of(scope)
        path = _text(path_of(scope))
        entry = AuditDraft(
            actor=access.actor,
            address=access.address,
            action=f"{scope['method'][:20]} {_kind_of_route(path)}",
            target=path,
            outcome=str(status),
            detail={**detail, **scope.get(NOTES, {})},
        )
        try:
            await run_in_threadpool(self._audit.add_entry, entry)
        except QuaeroError as error:
            # The deed is done; the service log is what is left.
            log.error("audit.not_stored", **entry._asdict(), error=str(error))  # noqa: TRY400 - the message says it all

    def _may_record_refusal(self) -> bool:
        minute = self._clock.now() // _MINUTE
        if minute != self._minute:
            self._minute, self._refusals = minute, 0
        self._refusals += 1
        return self._refusals <= REFUSALS_PER_MINUTE


def _is_recorded(scope: AsgiScope) -> bool:
    """Not what only looks: checking a definition while it is typed."""
    return scope["method"] not in SAFE and needed_scope(scope["method"], path_of(scope)) is not Scope.READ


def _kind_of_route(path: str) -> str:
    """The path with ``{}`` for the thing that it names."""
    return _NAMED.sub(lambda found: f"{found['kind'] or '/'}{{}}", path)


def _text(path: str) -> str:
    return path[:_LONGEST].encode("utf-8", "replace").decode()
