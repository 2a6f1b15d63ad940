"""Sessions: signed cookies for people. Nothing is stored; a changed password ends them all."""

from __future__ import annotations

import hashlib
import hmac
from typing import Final, NamedTuple

from itsdangerous import BadData, URLSafeSerializer

from quaero.ports.access import Passwords
from quaero.ports.clock import Clock

COOKIE: Final = "quaero_session"
LONGEST_S: Final = 30 * 24 * 3600
"""Whoever keeps busy signs in again after this time all the same."""
RENEW_SHARE: Final = 1 / 24
"""Of a session's time: after so long a request brings a new cookie."""
_MICROS: Final = 1_000_000


class Session(NamedTuple):
    generation: int
    """Of the password that it was made with."""
    since: int
    """When the password was given."""
    issued: int
    """When the cookie was made."""


class Sessions:
    """Makes cookies and checks them. ``secret``: the same on all nodes behind one address, see :func:`secret_from`."""

    def __init__(self, secret: bytes, passwords: Passwords, clock: Clock, *, hours: float = 12) -> None:
        self._passwords = passwords
        self._clock = clock
        self._seconds = hours * 3600
        self._serializer = URLSafeSerializer(
            secret, salt="quaero session", signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha256}
        )

    def begin(self, generation: int) -> Session:
        now = self._clock.now()
        return Session(generation, now, now)

    def renewed(self, session: Session) -> Session | None:
        """With a new time, when it is time for one."""
        now = self._clock.now()
        is_due = now - session.issued >= self._seconds * RENEW_SHARE * _MICROS
        return session._replace(issued=now) if is_due else None

    def cookie(self, session: Session, *, is_secure: bool) -> str:
        """For ``Set-Cookie``."""
        return _cookie(str(self._serializer.dumps(list(session))), int(self._seconds), is_secure=is_secure)

    def ended(self, *, is_secure: bool) -> str:
        """For ``Set-Cookie``: makes the browser forget."""
        return _cookie("", 0, is_secure=is_secure)

    def find(self, token: str) -> Session | None:
        """None where it is forged, expired, or of a password that has been changed. Reads the store."""
        try:
            found = self._serializer.loads(token)
        except (BadData, ValueError):
            return None
        if not (isinstance(found, list) and len(found) == len(Session._fields) and all(type(n) is int for n in found)):
            return None
        session = Session(*found)
        now = self._clock.now()
        if now - session.issued > self._seconds * _MICROS or now - session.since > LONGEST_S * _MICROS:
            return None
        password = self._passwords.password()
        return session if password is not None and password.generation == session.generation else None


def secret_from(encryption_key: bytes) -> bytes:
    """What cookies are signed with, made of the key that seals stored secrets."""
    return hmac.digest(encryption_key, b"quaero sessions", "sha256")


def _cookie(value: str, seconds: int, *, is_secure: bool) -> str:
    secure = "; Secure" if is_secure else ""
    return f"{COOKIE}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}"
