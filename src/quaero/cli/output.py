"""What every command prints with: JSON documents, consoles, cells. Knows no command."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from quaero.model.status import JobStatus, StatusReason

ICONS = {
    JobStatus.PENDING: ("○", "dim"),
    JobStatus.RUNNING: ("▶", "cyan"),
    JobStatus.COMPLETED: ("✔", "green"),
    JobStatus.FAILED: ("✘", "red"),
    JobStatus.CANCELLED: ("■", "yellow"),
    JobStatus.SKIPPED: ("–", "dim"),
}
"""One set of icons for all views."""
_PIPE_WIDTH = 10_000
"""Of a table that goes into a file or pipe: nothing is cut there."""
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_SPACES = re.compile(r"\s+")


def console(*, stderr: bool = False) -> Console:
    """Standard output, or standard error; never cuts what goes into a pipe."""
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else _PIPE_WIDTH
    return Console(file=stream, width=width, highlight=False, markup=False, soft_wrap=False)


def say(text: str) -> None:
    """A remark to the person at the terminal, on standard error."""
    print(text, file=sys.stderr, flush=True)


def write_json(value: Any) -> None:
    """One document on standard output."""
    print(msgspec.json.format(msgspec.json.encode(value, enc_hook=str), indent=2).decode())


def write_json_line(value: Any) -> None:
    """One object in one line, at once."""
    print(msgspec.json.encode(value, enc_hook=str).decode(), flush=True)


def write_page(items: Iterable[Any], following: int | str | None) -> None:
    """A list as the contract has it: ``next`` is the cursor of the page behind, null at the end."""
    write_json({"items": list(items), "next": following})


def table(*columns: str, right: Sequence[str] = ()) -> Table:
    """A plain table; the columns named in ``right`` hold numbers."""
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        made.add_column(column, justify="right" if column in right else "left", overflow="fold")
    return made


def plain(text: object) -> str:
    """Text from outside, harmless on a terminal: control characters are shown as �."""
    return _CONTROL.sub("�", str(text))


def one_line(text: object, longest: int = 0) -> str:
    """``plain`` text with every white space made one blank, cut to ``longest`` characters where that is given."""
    line = _SPACES.sub(" ", plain(text)).strip()
    return f"{line[: longest - 1]}…" if 0 < longest < len(line) else line


def status_text(status: JobStatus, reason: StatusReason | None = None, *, has_errors: bool = False) -> Text:
    """``✔ completed`` in its colour."""
    icon, style = ICONS[status]
    words = f"{icon} {status}"
    if has_errors and status is JobStatus.COMPLETED:
        words, style = f"{words} with errors", "yellow"
    return Text(f"{words} ({reason})" if reason else words, style=style)


def local_time(at: datetime | None) -> str:
    """To the second, in the zone of the machine."""
    return "" if at is None else at.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def seconds(span: float) -> str:
    """``0.8s``, ``3m05s``, ``2h10m``."""
    if span < 60:
        return f"{span:.1f}s"
    minutes, rest = divmod(int(span), 60)
    if minutes < 60:
        return f"{minutes}m{rest:02}s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02}m"


def elapsed(started: datetime | None, finished: datetime | None) -> str:
    """How long something took, or has taken so far."""
    return "" if started is None else seconds(((finished or datetime.now(UTC)) - started).total_seconds())


def size(count: int) -> str:
    """Bytes for people."""
    number = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if number < 1024:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1024
    return f"{number:.1f} TiB"
