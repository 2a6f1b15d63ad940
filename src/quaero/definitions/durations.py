"""Durations as people write them (``90m``, ``1h30m``, ``500ms``), in seconds."""

from __future__ import annotations

import re

_UNITS = {"d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_PART = r"(?:(?P<{name}>\d{{1,9}}(?:\.\d{{1,6}})?){unit})?"
_DURATION = re.compile(
    "".join(_PART.format(name=f"n_{unit}", unit=unit + ("(?!s)" if unit == "m" else "")) for unit in _UNITS)
)


def parse_duration(text: str) -> float:
    """Seconds of ``30s``, ``10m``, ``2h``, ``1d`` or a row of them, biggest unit first, each at most once.

    Raises:
        ValueError: no duration; a bare number is none, for its unit would be a guess.
    """
    found = _DURATION.fullmatch(text.strip())
    parts = {unit: found[f"n_{unit}"] for unit in _UNITS} if found else {}
    if not any(parts.values()):
        raise ValueError(f"{text!r} is not a duration")
    return sum(float(number) * _UNITS[unit] for unit, number in parts.items() if number)


def format_duration(seconds: float) -> str:
    """The shortest text that ``parse_duration`` reads as the same time, to the millisecond: ``1h30m``, ``0s``.

    Raises:
        ValueError: negative; there is no text for it.
    """
    if seconds < 0:
        raise ValueError("a duration can't be negative")
    left = round(seconds * 1000)
    text = ""
    for unit, size in _UNITS.items():
        count, left = divmod(left, round(size * 1000))
        text += f"{count}{unit}" if count else ""
    return text or "0s"
