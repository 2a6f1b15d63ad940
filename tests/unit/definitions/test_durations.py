"""Durations as text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quaero.definitions.durations import format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30s", 30),
        ("10m", 600),
        ("2h", 7_200),
        ("1d", 86_400),
        ("1h30m", 5_400),
        ("1d2h3m4s5ms", 93_784.005),
        ("500ms", 0.5),
        ("1.5h", 5_400),
        ("0s", 0),
        (" 5m ", 300),
    ],
)
def test_a_duration_is_read(text, seconds):
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "30", "s", "3w", "-5s", "1m1h", "1h1h", "1 h", "5 minutes", "1e3s", "٣s x"])
def test_anything_else_is_no_duration(text):
    with pytest.raises(ValueError, match="not a duration"):
        parse_duration(text)


@given(st.integers(0, 10**12))
def test_a_formatted_duration_is_read_as_the_same_time(milliseconds):
    assert round(parse_duration(format_duration(milliseconds / 1000)) * 1000) == milliseconds


def test_a_duration_is_written_short():
    assert [format_duration(s) for s in (0, 0.25, 90, 5_400, 86_400, 90_061.5)] == [
        *("0s", "250ms", "1m30s", "1h30m", "1d", "1d1h1m1s500ms")
    ]


def test_a_negative_duration_has_no_text():
    with pytest.raises(ValueError, match="negative"):
        format_duration(-1)
