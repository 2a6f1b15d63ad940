"""Who may come in, who did what, and answers already given. Implementation: ``quaero.storage.access``.

Synchronous and safe from any thread. Times are integers, microseconds since 1970 UTC, unless a record says otherwise.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from quaero.model.access import ApiKey, AuditEntry, Scope


class StoredPassword(NamedTuple):
    hash: str
    """As argon2 writes it."""
    generation: int
    """Grows with every change: sessions of an earlier one are over."""
    changed_at: int


class AuditDraft(NamedTuple):
    """An entry before it has its id and time."""

    actor: str
    address: str
    action: str
    target: str
    outcome: str
    detail: dict[str, Any]


class GivenAnswer(NamedTuple):
    """The answer to a request that carried an idempotency key."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


class EarlierRequest(NamedTuple):
    """A request that came before, with the same actor and key."""

    request: str
    """Method and path."""
    body_hash: str
    at: int
    answer: GivenAnswer | None
    """None: it is under way, or its process ended before it was answered."""


class ApiKeys(Protocol):
    def find_key(self, digest: str) -> ApiKey | None:
        """By the SHA-256 of the whole key, in hex; also one that was revoked or has expired."""
        ...

    def list_keys(self) -> list[ApiKey]:
        """All of them, by name, the newest first within a name."""
        ...

    def add_key(self, name: str, *, digest: str, prefix: str, scope: Scope, expires_at: int | None) -> ApiKey:
        """Raises Refused where a key in force has the name."""
        ...

    def revoke_key(self, name: str) -> ApiKey:
        """Raises NotFound where no key in force has the name."""
        ...

    def touch_key(self, key_id: str) -> None:
        """It was used just now."""
        ...


class Passwords(Protocol):
    def password(self) -> StoredPassword | None: ...
    def set_password(self, hashed: str) -> None:
        """Ends all sessions."""
        ...

    def remove_password(self) -> bool:
        """Ends all sessions; False: there was none."""
        ...


class Audit(Protocol):
    def add_entry(self, entry: AuditDraft) -> None: ...
    def entries(self, *, limit: int, cursor: str | None = None) -> tuple[list[AuditEntry], str | None]:
        """A page, newest first, and the cursor of the next one; raises BadData for a cursor that is none."""
        ...


class Answers(Protocol):
    """Answers to requests with an idempotency key, for a day."""

    def begin(self, actor: str, key: str, *, request: str, body_hash: str) -> EarlierRequest | None:
        """None: this is the first, and from now on it is known to be under way."""
        ...

    def finish(self, actor: str, key: str, answer: GivenAnswer) -> None: ...
    def forget(self, actor: str, key: str) -> None:
        """It came to nothing and may be tried again."""
        ...


class AccessStore(ApiKeys, Passwords, Audit, Answers, Protocol):
    """All of it, as one store."""
