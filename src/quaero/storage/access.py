"""Access in the main database: API keys, the password, the audit log, answers to idempotent requests."""

from __future__ import annotations

import re
import secrets
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

import msgspec

from quaero.errors import BadData, NotFound, Refused
from quaero.model.access import ApiKey, AuditEntry, Scope
from quaero.ports.access import AuditDraft, EarlierRequest, GivenAnswer, StoredPassword
from quaero.ports.clock import Clock
from quaero.storage.database import Connection, Database, Readers, Row
from quaero.storage.statements import statements

T = TypeVar("T")

TOUCH_US: Final = 300 * 1_000_000
"""How coarse the last use of a key is: a write for each request would be too much."""
ANSWERS_US: Final = 24 * 3600 * 1_000_000
AUDIT_US: Final = 400 * 24 * 3600 * 1_000_000
AUDIT_ENTRIES: Final = 100_000
PRUNE_EVERY: Final = 500
"""Entries of this process between two looks at retention."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_CURSOR = re.compile(r"(\d{1,18})\.([0-9a-f]{16})")
_LAST = (2**63 - 1, "")


class SqlAccessStore:
    """See :class:`quaero.ports.access.AccessStore`. Never sees a key or a password, only what is made of them.

    Writes of all threads share one connection, opened with the first of them.
    """

    def __init__(
        self, database: Database, readers: Readers, clock: Clock, *, audit_entries: int = AUDIT_ENTRIES
    ) -> None:
        self._database = database
        self._readers = readers
        self._clock = clock
        self._audit_entries = audit_entries
        self._sql = statements(database.dialect, "access")
        self._lock = threading.Lock()
        self._writer: Connection | None = None
        self._entries_since_pruning = PRUNE_EVERY
        self._last_entry = 0

    def close(self) -> None:
        with self._lock:
            self._drop_writer()

    # API keys

    def find_key(self, digest: str) -> ApiKey | None:
        row = self._readers.get().fetch_one(self._sql["find_key"], {"digest": digest})
        return None if row is None else _to_key(row)

    def list_keys(self) -> list[ApiKey]:
        return [_to_key(row) for row in self._readers.get().fetch_all(self._sql["list_keys"])]

    def add_key(self, name: str, *, digest: str, prefix: str, scope: Scope, expires_at: int | None) -> ApiKey:
        """Raises BadData for a name that can't be one, Refused where a key in force has it."""
        if not _NAME.fullmatch(name):
            raise BadData(f"key name {name!r}: use letters, digits, '_', '-' and '.', 64 at most")
        row = {
            "id": secrets.token_hex(8),
            "name": name,
            "digest": digest,
            "prefix": prefix,
            "scopes": msgspec.json.encode([scope]).decode(),
            "expires_at": expires_at,
            "now": self._clock.now(),
        }

        def add(db: Connection) -> Row | None:
            if not db.run(self._sql["add_key"], row):
                return None
            return db.fetch_one(self._sql["key_in_force"], {"name": name})

        added = self._write(add)
        if added is None:
            raise Refused(f"there is an API key '{name}' already; revoke it first: quaero access keys revoke {name}")
        return _to_key(added)

    def revoke_key(self, name: str) -> ApiKey:
        def revoke(db: Connection) -> Row | None:
            row = db.fetch_one(self._sql["key_in_force"], {"name": name})
            if row is not None:
                db.run(self._sql["revoke_key"], {"name": name, "now": now})
            return row

        now = self._clock.now()
        found = self._write(revoke)
        if found is None:
            raise NotFound(f"no API key '{name}' is in force (quaero access keys list shows them all)")
        return msgspec.structs.replace(_to_key(found), revoked_at=_moment(now))

    def touch_key(self, key_id: str) -> None:
        now = self._clock.now()
        self._write(lambda db: db.run(self._sql["touch_key"], {"id": key_id, "now": now, "before": now - TOUCH_US}))

    # the password

    def password(self) -> StoredPassword | None:
        row = self._readers.get().fetch_one(self._sql["password"])
        return StoredPassword(*row) if row is not None and row[0] else None

    def set_password(self, hashed: str) -> None:
        self._write(lambda db: db.run(self._sql["set_password"], {"hash": hashed, "now": self._clock.now()}))

    def remove_password(self) -> bool:
        return bool(self._write(lambda db: db.run(self._sql["remove_password"], {"now": self._clock.now()})))

    # the audit log

    def add_entry(self, entry: AuditDraft) -> None:
        now = self._clock.now()
        row = {
            **entry._asdict(),
            "detail": msgspec.json.encode(entry.detail, enc_hook=str).decode(),
            "id": secrets.token_hex(8),
        }

        def add(db: Connection) -> None:
            # Entries of one process never share a time, so that their order is kept.
            self._last_entry = max(now, self._last_entry + 1)
            db.run(self._sql["add_entry"], {**row, "at": self._last_entry})
            self._entries_since_pruning += 1
            if self._entries_since_pruning >= PRUNE_EVERY:
                db.run(self._sql["prune_by_time"], {"before": now - AUDIT_US})
                db.run(self._sql["prune_by_count"], {"keep": self._audit_entries})
                self._entries_since_pruning = 0

        self._write(add)

    def entries(self, *, limit: int, cursor: str | None = None) -> tuple[list[AuditEntry], str | None]:
        at, last = _LAST if cursor is None else _place(cursor)
        params = {"at": at, "id": last, "limit": limit + 1}
        rows = self._readers.get().fetch_all(self._sql["entries"], params)
        more = len(rows) > limit
        rows = rows[:limit]
        return [_to_entry(row) for row in rows], f"{rows[-1][1]}.{rows[-1][0]}" if more and rows else None

    # answers already given

    def begin(self, actor: str, key: str, *, request: str, body_hash: str) -> EarlierRequest | None:
        now = self._clock.now()
        row = {"actor": actor, "key": key, "request": request, "body_hash": body_hash, "now": now}

        def begin(db: Connection) -> Row | None:
            db.run(self._sql["drop_expired"], {"before": now - ANSWERS_US})
            while not db.run(self._sql["begin"], row):
                # On a server the earlier one may be forgotten in between.
                if earlier := db.fetch_one(self._sql["earlier"], {"actor": actor, "key": key}):
                    return earlier
            return None

        found = self._write(begin)
        return None if found is None else _to_request(found)

    def finish(self, actor: str, key: str, answer: GivenAnswer) -> None:
        row = {
            "actor": actor,
            "key": key,
            "status": answer.status,
            "headers": msgspec.json.encode(answer.headers).decode(),
            "answer": answer.body,
        }
        self._write(lambda db: db.run(self._sql["finish"], row))

    def forget(self, actor: str, key: str) -> None:
        self._write(lambda db: db.run(self._sql["forget"], {"actor": actor, "key": key}))

    def _write(self, work: Callable[[Connection], T]) -> T:
        with self._lock:
            if self._writer is None:
                self._writer = self._database.connect()
            try:
                with self._writer.transaction():
                    return work(self._writer)
            except BaseException:
                # Whatever went wrong, the next write starts anew.
                self._drop_writer()
                raise

    def _drop_writer(self) -> None:
        if self._writer is not None:
            writer, self._writer = self._writer, None
            writer.close()


def _to_key(row: Row) -> ApiKey:
    id_, name, prefix, scopes, created_at, last_used_at, expires_at, revoked_at = row
    return ApiKey(
        id=id_,
        name=name,
        prefix=prefix,
        scope=max(msgspec.json.decode(scopes, type=list[Scope]), key=list(Scope).index),
        created_at=_moment(created_at),
        last_used_at=_maybe(last_used_at),
        expires_at=_maybe(expires_at),
        revoked_at=_maybe(revoked_at),
    )


def _to_entry(row: Row) -> AuditEntry:
    id_, at, actor, address, action, target, outcome, detail = row
    return AuditEntry(
        id=id_,
        at=_moment(at),
        actor=actor,
        address=address,
        action=action,
        target=target,
        outcome=outcome,
        detail=msgspec.json.decode(detail, type=dict[str, Any]),
    )


def _to_request(row: Row) -> EarlierRequest:
    request, body_hash, at, status, headers, answer = row
    given = None
    if status is not None:
        given = GivenAnswer(status, msgspec.json.decode(headers, type=tuple[tuple[str, str], ...]), bytes(answer))
    return EarlierRequest(request, body_hash, at, given)


def _place(cursor: str) -> tuple[int, str]:
    found = _CURSOR.fullmatch(cursor)
    if found is None:
        raise BadData(f"cursor {cursor!r} is none; pass on what `next` says")
    return int(found[1]), found[2]


def _moment(micros: int) -> datetime:
    return _EPOCH + timedelta(microseconds=micros)


def _maybe(micros: int | None) -> datetime | None:
    return None if micros is None else _moment(micros)
