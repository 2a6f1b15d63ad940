"""Cursors: opaque, and refused when they are none."""

from __future__ import annotations

import base64

import pytest

from quaero.errors import BadData
from quaero.storage.cursors import LAST, Position, from_cursor, is_like, to_cursor


@pytest.mark.parametrize("key", [[1], [LAST, "gpu", -5, 0], ["ä?&/"], []])
def test_a_cursor_comes_back_as_it_was(key):
    cursor = to_cursor("walk:group", key)

    assert from_cursor(cursor) == Position("walk:group", tuple(key))
    assert cursor.replace("-", "").replace("_", "").isalnum()


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "5",
        "ä",
        "not a cursor",
        "x" * 5_000,
        base64.urlsafe_b64encode(b"\xff\xfe").decode(),
        base64.urlsafe_b64encode(b"{}").decode(),
        base64.urlsafe_b64encode(b"[]").decode(),
        base64.urlsafe_b64encode(b"[1, 2]").decode(),
        base64.urlsafe_b64encode(b'["runs", 1.5]').decode(),
        base64.urlsafe_b64encode(b'["runs", null]').decode(),
        base64.urlsafe_b64encode(b'["runs", 9223372036854775808]').decode(),
        base64.urlsafe_b64encode(b'["runs", true]').decode(),
    ],
)
def test_anything_else_is_refused(cursor):
    with pytest.raises(BadData, match="cursor"):
        from_cursor(cursor)


def test_a_key_is_like_another_with_parts_of_the_same_types():
    assert is_like((5, "a"), (0, ""))
    assert not is_like((5,), (0, ""))
    assert not is_like(("a", 5), (0, ""))
