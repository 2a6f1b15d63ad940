"""API keys: how they look, and which of them are in force. Only a hash of one is ever stored."""

from __future__ import annotations

import hashlib
import re
import secrets
from datetime import UTC, datetime
from typing import Final

from quaero.definitions.durations import parse_duration
from quaero.errors import BadData
from quaero.model.access import ApiKey, Scope
from quaero.ports.access import ApiKeys

_KEY: Final = re.compile(r"qk_[A-Za-z0-9_-]{43}")
_SHOWN: Final = 9
"""Characters of a key that lists show: enough to tell keys apart, 36 of its 256 bits."""


def digest_of(key: str) -> str:
    """What is stored and looked up. A plain hash will do: nobody guesses 256 random bits."""
    return hashlib.sha256(key.encode()).hexdigest()


def looks_like_key(text: str) -> bool:
    return _KEY.fullmatch(text) is not None


def create_key(keys: ApiKeys, name: str, scope: Scope, expires_at: int | None = None) -> tuple[str, ApiKey]:
    """Make and store one; the key itself is to be shown now or never."""
    key = f"qk_{secrets.token_urlsafe(32)}"
    return key, keys.add_key(name, digest=digest_of(key), prefix=key[:_SHOWN], scope=scope, expires_at=expires_at)


def expiry(text: str | None, now: int) -> int | None:
    """When a key that is made ``now`` ends, both in microseconds since 1970 UTC; raises BadData for no duration."""
    if text is None:
        return None
    try:
        seconds = parse_duration(text)
    except ValueError as error:
        raise BadData(f"expires: {error}; write it as 90d or 12h") from error
    if not 0 < seconds <= 100 * 366 * 86_400:
        raise BadData(f"expires: {text} is not between a moment and a hundred years; write it as 90d or 12h")
    return now + int(seconds * 1_000_000)


def is_in_force(key: ApiKey, now: int) -> bool:
    """``now`` in microseconds since 1970 UTC."""
    if key.revoked_at is not None:
        return False
    return key.expires_at is None or datetime.fromtimestamp(now / 1e6, UTC) < key.expires_at
