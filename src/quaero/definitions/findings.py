"""Findings of one file: collected with their places, given out sorted by line."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from quaero.definitions.toml_places import Path, Place, Places
from quaero.model.definition import Finding, Severity


class Report:
    """Collects the findings of one file. Decides nothing."""

    def __init__(self, file: str, places: Places) -> None:
        self._file = file
        self._places = places
        self._findings: list[Finding] = []

    def error(self, code: str, path: Path, message: str, hint: str = "") -> None:
        """A fault of the value under ``path``, shown where its key stands."""
        self._add(code, "error", path, self._places.key(path), message, hint)

    def warning(self, code: str, path: Path, message: str, hint: str = "") -> None:
        self._add(code, "warning", path, self._places.key(path), message, hint)

    def missing(self, code: str, table: Path, key: str, message: str, hint: str = "") -> None:
        """A key that its table lacks, shown at the table's header."""
        self._add(code, "error", (*table, key), self._places.table(table), message, hint)

    def table_error(self, code: str, table: Path, message: str, hint: str = "") -> None:
        """A fault of a whole table, shown at its header."""
        self._add(code, "error", table, self._places.table(table), message, hint)

    def has_error(self, path: Path) -> bool:
        key = dotted(path)
        return any(f.severity == "error" and f.key == key for f in self._findings)

    def sorted(self) -> tuple[Finding, ...]:
        return tuple(sorted(self._findings, key=lambda f: (f.line, f.column, f.code, f.key)))

    def _add(self, code: str, severity: Severity, path: Path, place: Place, message: str, hint: str) -> None:
        finding = Finding(
            code=code,
            severity=severity,
            message=message,
            file=self._file,
            line=place.line,
            column=place.column,
            key=dotted(path),
            hint=hint,
        )
        if finding not in self._findings:
            self._findings.append(finding)


def dotted(path: Path) -> str:
    """A path as one text: ``step.fetch.tools[0].name``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """ "did you mean x or y?" with the known words nearest to this one, or nothing."""
    near = difflib.get_close_matches(word, sorted(known), n=3)
    return f"did you mean {' or '.join(near)}?" if near else ""


def one_of(words: Iterable[str]) -> str:
    """ "one of a, b, c"."""
    return f"one of {', '.join(words)}"
