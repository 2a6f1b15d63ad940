"""Cursors of pages: opaque strings that say which walk a page ended in, and behind which key."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from quaero.errors import BadData

LAST = 2**63 - 1
"""Behind every id."""
_decoder = msgspec.json.Decoder(list[int | str])


Key = tuple[int | str, ...]


class Position(NamedTuple):
    walk: str
    key: Key


def to_cursor(walk: str, key: Sequence[int | str]) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode([walk, *key])).decode().rstrip("=")


def from_cursor(cursor: str) -> Position:
    """Raises BadData for a string that :func:`to_cursor` did not make."""
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        walk, *key = _decoder.decode(text)
    except (binascii.Error, ValueError):
        raise refused(cursor) from None
    if not isinstance(walk, str) or any(isinstance(part, int) and not -LAST <= part <= LAST for part in key):
        raise refused(cursor)
    return Position(walk, tuple(key))


def refused(cursor: str) -> BadData:
    return BadData(f"cursor {cursor[:40]!r} is not one that a page of this list gave; start without one")


def is_like(key: Sequence[Any], start: Sequence[Any]) -> bool:
    """Whether a key has the parts that a walk's first key has."""
    return [type(part) for part in key] == [type(part) for part in start]
