"""Log lines as text."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import msgspec

from quaero.cli.output import one_line
from quaero.model.log import LogEntry, LogLevel

_COLOURS = {LogLevel.DEBUG: "2", LogLevel.INFO: "36", LogLevel.WARNING: "33", LogLevel.ERROR: "31"}


class LinePrinter:
    """Prints lines, in colours on a terminal. Plain writes: there may be a million of them."""

    def __init__(self) -> None:
        self._in_colour = sys.stdout.isatty()

    def print(self, entry: LogEntry) -> None:
        sys.stdout.write(text_of(entry, in_colour=self._in_colour) + "\n")

    def flush(self) -> None:
        sys.stdout.flush()


def text_of(entry: LogEntry, *, in_colour: bool = False) -> str:
    """``seq time level step message key=value …``."""
    level = f"{entry.level:<7}"
    if in_colour:
        level = f"\x1b[{_COLOURS[entry.level]}m{level}\x1b[0m"
    at = entry.ts.astimezone().strftime("%H:%M:%S.%f")[:-3]
    head = f"{entry.seq:>6} {at} {level} {entry.step_name or '-':<16} {one_line(entry.message)}"
    job = [f"job={entry.job_id}"] if entry.originator == "worker" else []
    return " ".join([head, *job, *_pairs(entry)])


def _pairs(entry: LogEntry) -> Iterator[str]:
    for key, value in entry.fields.items():
        text = value if isinstance(value, str) else msgspec.json.encode(value, enc_hook=str).decode()
        shown = one_line(text)
        yield f"{one_line(key)}={msgspec.json.encode(shown).decode() if ' ' in shown or not shown else shown}"
