"""Any Python value as something a log line can hold: never raises, always valid JSON, no secret in it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from operator import index
from typing import Any

import msgspec

MAX_INT = 2**63 - 1
MAX_DEPTH = 24
MAX_NODES = 5_000
MAX_TEXT = 16_384
"""Characters of one string; what is longer is cut after masking."""
CUT = "…"

_SURROGATES = re.compile("[\ud800-\udfff]")

Mask = Callable[[str], str]


def is_plain(fields: Mapping[str, Any]) -> bool:
    """Can the encoder take these as they are? Anything but short lists of small values goes the long way."""
    for value in fields.values():
        kind = type(value)
        if kind is str or kind is bool or value is None:
            continue
        if kind is int and -MAX_INT <= value <= MAX_INT:
            continue
        if kind is float and math.isfinite(value):
            continue
        return False
    return True


def clean_text(text: object, mask: Mask | None) -> str:
    """A text that can be encoded, masked and of bounded length."""
    return _Cleaner(mask).text(text)


def clean_fields(fields: Mapping[Any, Any], mask: Mask | None) -> dict[str, Any]:
    """Fields that can be encoded and read back: plain JSON of bounded depth and size, keys and values masked."""
    cleaner = _Cleaner(mask)
    return {cleaner.text(key): cleaner.value(value, 1) for key, value in list(fields.items())}


class _Cleaner:
    """One walk over one line's values, with a budget, so that a value that contains itself ends somewhere."""

    __slots__ = ("_mask", "_nodes")

    def __init__(self, mask: Mask | None) -> None:
        self._mask = mask
        self._nodes = MAX_NODES

    def value(self, value: Any, depth: int) -> Any:
        self._nodes -= 1
        if self._nodes < 0 or depth > MAX_DEPTH:
            return CUT
        try:
            return self._plain(value, depth)
        except Exception:  # noqa: BLE001 - foreign code runs here, and a log call must not fail a job
            return self.text(_shown(value))

    def _plain(self, value: Any, depth: int) -> Any:
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, (str, bytes, bytearray)):
            return self.text(value)
        if isinstance(value, (int, float)):
            return self._number(value)
        if isinstance(value, Mapping):
            return self._mapping(value, depth)
        if isinstance(value, (list, tuple, AbstractSet)):
            return [self.value(item, depth + 1) for item in self._affordable(value)]
        return self._other(value, depth)

    def text(self, value: object) -> str:
        if isinstance(value, str):
            text = str.__str__(value)  # of an enum: its value, not its name
        elif isinstance(value, (bytes, bytearray)):
            text = value.decode("utf-8", "replace")
        else:
            text = _shown(value)
        if self._mask is not None:
            text = self._mask(text)
        if not text.isascii():
            text = _SURROGATES.sub("\ufffd", text)
        return text if len(text) <= MAX_TEXT else text[:MAX_TEXT] + CUT

    def _number(self, value: float) -> Any:
        if isinstance(value, int):
            value = int(value)
            fits = -MAX_INT <= value <= MAX_INT
            shown = str(value) if fits or value.bit_length() < 4096 else hex(value)  # str() refuses long ones
        else:
            value = float(value)
            fits, shown = math.isfinite(value), repr(value)
        if not fits or (self._mask is not None and self._mask(shown) != shown):
            return self.text(shown)
        return value

    def _mapping(self, value: Mapping[Any, Any], depth: int) -> Any:
        return {self.text(key): self.value(value[key], depth + 1) for key in self._affordable(value)}

    def _affordable(self, values: Any) -> list[Any]:
        """The members there is budget for; a copy, since another thread may be changing the original."""
        members = list(values)
        if len(members) <= self._nodes:
            return members
        return members[: max(self._nodes, 0)]

    def _other(self, value: object, depth: int) -> Any:
        """Dates, ids, enums, dataclasses and structs by their content; what is unknown by its ``repr``."""
        if hasattr(value, "__index__"):
            return self._number(index(value))
        plain = msgspec.to_builtins(value, enc_hook=_shown, str_keys=True)
        return self.value(plain, depth + 1)


def _shown(value: object) -> str:
    try:
        return repr(value)
    except Exception:  # noqa: BLE001 - as above
        return f"<{type(value).__name__} without a repr>"
