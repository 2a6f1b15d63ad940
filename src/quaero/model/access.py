"""Access: API keys and what they allow, and the record of who did what."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec


class Scope(StrEnum):
    """What a caller may do; each includes those before it."""

    READ = "read"
    RUN = "run"
    ADMIN = "admin"

    def covers(self, needed: Scope) -> bool:
        return _RANK[self] >= _RANK[needed]


_RANK = {scope: rank for rank, scope in enumerate(Scope)}


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key for programs, without the key itself: of that only a hash is kept."""

    id: str
    name: str
    prefix: str
    """The first characters of the key, to tell it from others."""
    scope: Scope
    created_at: datetime
    last_used_at: datetime | None
    """To a few minutes."""
    expires_at: datetime | None
    revoked_at: datetime | None


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One request that would change something, or one action on the command line."""

    id: str
    at: datetime
    actor: str
    """``local``, ``owner`` (signed in with the password), ``key:NAME``, ``command line``; empty: nobody known."""
    address: str
    action: str
    """Method and kind of route, as ``POST /api/runs/{}/cancel``, or the words of the command."""
    target: str
    """What it was done to: the path, or a name."""
    outcome: str
    """The HTTP status, or ``done``."""
    detail: dict[str, Any]
    """More about it; never a secret."""
