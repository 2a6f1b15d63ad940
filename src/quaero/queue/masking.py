"""Masking: no secret that a job resolved may be read in a log line, an event or a record."""

from __future__ import annotations

import json
import re
import threading
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import quote, quote_plus

MASK = "***"
_CORE_MIN = 8
"""A shorter piece of base64 turns up by chance in honest text."""
_PERCENT = re.compile("%([0-9A-F]{2})")


class _Patterns(NamedTuple):
    any: re.Pattern[str]
    """Tells quickly that there is nothing to do, the common case (2 µs a line instead of 15)."""
    every: re.Pattern[str]
    """A lookahead, to find occurrences that overlap: of "abc" and "cd", "abcd" must leave no "d" behind."""


class Masker:
    """The secrets in use by this process, and texts without them.

    Covers a secret as it is, URL-quoted, JSON-escaped and in base64. It does not know secrets that nobody
    resolved here, and a secret that was added stays masked for the life of the process.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._secrets: set[str] = set()
        self._forms: set[str] = set()
        self._patterns: _Patterns | None = None

    @property
    def active(self) -> bool:
        """Is there anything to mask?"""
        return self._patterns is not None

    def add(self, value: str) -> None:
        """Mask ``value`` from now on, in every thread. Empty text is ignored."""
        if not value or value in self._secrets:
            return
        with self._lock:
            self._forms.update(_forms(value))
            source = "|".join(map(_source, sorted(self._forms, key=len, reverse=True)))
            self._patterns = _Patterns(re.compile(source), re.compile(f"(?=({source}))"))
            self._secrets.add(value)

    def text(self, text: str) -> str:
        """``text`` with every secret replaced by ``***``; the same object where there is none."""
        patterns = self._patterns
        if patterns is None or patterns.any.search(text) is None:
            return text
        kept, end = [], 0
        for start, stop in _merged(match.span(1) for match in patterns.every.finditer(text)):
            kept.append(text[end:start])
            end = stop
        kept.append(text[end:])
        return MASK.join(kept)

    def value(self, value: Any) -> Any:
        """Plain data with every text in it masked, keys of dicts included; the same object without secrets."""
        if self._patterns is None:
            return value
        match value:
            case str():
                return self.text(value)
            case dict():
                return {self.value(key): self.value(item) for key, item in value.items()}
            case list():
                return [self.value(item) for item in value]
            case tuple():
                return tuple(self.value(item) for item in value)
        return value


def _merged(spans: Iterator[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Spans in order of their start, those that touch made one."""
    first = next(spans, None)
    if first is None:
        return
    start, stop = first
    for next_start, next_stop in spans:
        if next_start > stop:
            yield start, stop
            start = next_start
        stop = max(stop, next_stop)
    yield start, stop


def _source(form: str) -> str:
    """The pattern of one form; the digits of a quoted character come in capitals and without."""
    return _PERCENT.sub(r"%(?i:\1)", re.escape(form))


def _forms(secret: str) -> set[str]:
    raw = secret.encode("utf-8", "surrogatepass")
    forms = {secret}
    forms |= {quote(raw, safe=""), quote(raw), quote_plus(raw)}
    for ascii_only in (True, False):
        forms.add(json.dumps(secret, ensure_ascii=ascii_only)[1:-1])
    for encode in (b64encode, urlsafe_b64encode):
        forms.add(encode(raw).decode())
        # Inside a longer text, as in "user:secret" of basic authentication, the secret may begin at any of three
        # places in a group; characters that it shares with its neighbours are left out.
        for shift in range(3):
            encoded = encode(bytes(shift) + raw).decode().rstrip("=")
            core = encoded[(0, 2, 3)[shift] : len(encoded) - bool((shift + len(raw)) % 3)]
            if len(core) >= _CORE_MIN:
                forms.add(core)
    return forms
