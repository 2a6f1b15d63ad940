"""The password: argon2, deliberately slow (some 50 ms, 64 MiB)."""

from __future__ import annotations

import unicodedata
from functools import cache
from typing import Final

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from quaero.errors import BadData

SHORTEST: Final = 8
LONGEST: Final = 1_000


def hash_password(password: str) -> str:
    """Raises BadData where it is too short or too long."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise BadData(f"the password must have {SHORTEST} to {LONGEST} characters; better take a sentence")
    return _hasher().hash(_normal(password))


def is_password(given: str, hashed: str | None) -> bool:
    """Takes as long without a password to compare with, so that nobody can tell."""
    right = _hasher().verify(_normal(given), hashed or _nobodys())
    return right and hashed is not None


def _normal(password: str) -> str:
    """The same, whichever keyboard composed its characters."""
    return unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass").decode("utf-8", "replace")


@cache
def _hasher() -> PasswordHash:
    return PasswordHash((Argon2Hasher(),))


@cache
def _nobodys() -> str:
    return _hasher().hash("nobody's password")
