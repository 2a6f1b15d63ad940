"""Where the keys of a TOML text stand.

``tomllib`` gives values without places; this scanner gives places without values. It reads only texts
that ``tomllib`` has accepted, so it checks nothing.

Source: TOML 1.0, https://toml.io/en/v1.0.0.
"""

from __future__ import annotations

import bisect
import re
import tomllib
from dataclasses import dataclass

Path = tuple[str | int, ...]
"""Keys from the top down; a number is an index in an array."""

_BLANK = re.compile(r"(?:[ \t\n]|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_BARE_VALUE = re.compile(r"[^,\]}#\n]*")
_STRING = re.compile(
    r'"""(?:[^"\\]++|\\.|"{1,2}(?!"))*+"{3,5}'
    r"|'''(?:[^']++|'{1,2}(?!'))*+'{3,5}"
    r'|"(?:[^"\\]++|\\.)*+"'
    r"|'[^']*+'",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a text; line and column count from 1, columns in characters."""

    line: int = 1
    column: int = 1


class Places:
    """The place of every key and table header of one text."""

    def __init__(self, keys: dict[Path, Place], headers: dict[Path, Place]) -> None:
        self.keys = keys
        self.headers = headers

    def key(self, path: Path) -> Place:
        """Where the key stands; for an array's element, or a key that isn't there, the nearest key above it."""
        while path:
            if place := self.keys.get(path):
                return place
            path = path[:-1]
        return Place()

    def table(self, path: Path) -> Place:
        """Where a key missing from this table is missed: at the header, else at the table's own key, else the top."""
        return self.headers.get(path) or self.key(path)


def find_places(text: str) -> Places:
    """The places of all keys of a text that is valid TOML."""
    return _Scanner(text.replace("\r\n", "\n")).scan()


class _Scanner:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._line_starts = [0, *(m.end() for m in re.finditer("\n", text))]
        self._keys: dict[Path, Place] = {}
        self._headers: dict[Path, Place] = {}
        self._array_sizes: dict[Path, int] = {}

    def scan(self) -> Places:
        table: Path = ()
        self._skip(_BLANK)
        while self._at < len(self._text):
            if self._text[self._at] == "[":
                table = self._header()
            else:
                self._pair(table)
            self._skip(_BLANK)
        return Places(self._keys, self._headers)

    def _skip(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self._text, self._at)
        if not match:
            raise ValueError(f"not valid TOML at offset {self._at}")
        self._at = match.end()
        return match[0]

    def _place(self, offset: int) -> Place:
        line = bisect.bisect_right(self._line_starts, offset)
        return Place(line, offset - self._line_starts[line - 1] + 1)

    def _header(self) -> Path:
        start = self._at
        is_array = self._text.startswith("[[", start)
        self._at += 2 if is_array else 1
        names = self._dotted_key()
        self._at += 2 if is_array else 1
        path: Path = ()
        for name, offset in names[:-1]:
            path = self._into_last_element(self._note(path, name, offset))
        path = self._note(path, *names[-1])
        if is_array:
            self._headers.setdefault(path, self._place(start))
            self._array_sizes[path] = self._array_sizes.get(path, 0) + 1
            path = self._into_last_element(path)
        self._headers[path] = self._place(start)
        return path

    def _into_last_element(self, path: Path) -> Path:
        size = self._array_sizes.get(path)
        return (*path, size - 1) if size else path

    def _note(self, table: Path, name: str, offset: int) -> Path:
        path = (*table, name)
        self._keys.setdefault(path, self._place(offset))
        return path

    def _dotted_key(self) -> list[tuple[str, int]]:
        names: list[tuple[str, int]] = []
        while True:
            self._skip(_SPACE)
            start = self._at
            names.append((self._key(), start))
            self._skip(_SPACE)
            if self._text[self._at] != ".":
                return names
            self._at += 1

    def _key(self) -> str:
        if self._text[self._at] in "\"'":
            quoted = self._skip(_STRING)
            return next(iter(tomllib.loads(f"{quoted} = 0")))
        return self._skip(_BARE_KEY)

    def _pair(self, table: Path) -> None:
        path = table
        for name, offset in self._dotted_key():
            path = self._note(path, name, offset)
        self._at += 1
        self._skip(_SPACE)
        self._value(path)

    def _value(self, path: Path) -> None:
        first = self._text[self._at]
        if first in "\"'":
            self._skip(_STRING)
        elif first == "[":
            self._array(path)
        elif first == "{":
            self._inline_table(path)
        else:
            self._skip(_BARE_VALUE)

    def _array(self, path: Path) -> None:
        self._at += 1
        index = 0
        while self._has_more("]"):
            self._value((*path, index))
            index += 1

    def _inline_table(self, path: Path) -> None:
        self._at += 1
        while self._has_more("}"):
            self._pair(path)

    def _has_more(self, closing: str) -> bool:
        """Whether another element comes; steps over the comma before it, or over the closing bracket."""
        self._skip(_BLANK)
        if self._text[self._at] == ",":
            self._at += 1
            self._skip(_BLANK)
        if self._text[self._at] != closing:
            return True
        self._at += 1
        return False
