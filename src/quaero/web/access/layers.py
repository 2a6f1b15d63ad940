"""Layers: everything that stands between the network and the site, in its order."""

from __future__ import annotations

from starlette.types import ASGIApp

from quaero.ports.access import AccessStore
from quaero.ports.clock import Clock
from quaero.web.access.audit import AuditLog
from quaero.web.access.guard import RECHECK_S, Guard
from quaero.web.access.headers import SecurityHeaders
from quaero.web.access.policy import Policy
from quaero.web.access.sessions import Sessions
from quaero.web.idempotency import Idempotency


def protected(
    site: ASGIApp,
    *,
    policy: Policy,
    store: AccessStore,
    sessions: Sessions,
    clock: Clock,
    recheck_s: float = RECHECK_S,
) -> ASGIApp:
    """From outside: headers on every answer, the record, the guard, then answers already given."""
    inner = Idempotency(site, answers=store)
    guard = Guard(inner, policy=policy, keys=store, sessions=sessions, clock=clock, recheck_s=recheck_s)
    return SecurityHeaders(AuditLog(guard, audit=store, clock=clock))
