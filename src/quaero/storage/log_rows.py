"""Log lines between the port and the rows of either database: filters, cursors, chunks, entries."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from typing import Any, Literal

from quaero.model.log import LogEntry, LogLevel, LogPage
from quaero.ports.storage import LogGroup
from quaero.queue.log_lines import entry
from quaero.storage.database import Row

CHUNK_LINES = 500
"""Longer groups are cut: a page of a few lines should not have to parse a megabyte."""
MAX_PAGE = 10_000
_MAX_INT = 2**63 - 1
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_ESCAPED = re.compile(r'["\\\x00-\x1f\x7f]')


def is_day(text: str) -> bool:
    """Written YYYY-MM-DD, and in the calendar."""
    if not _DAY.fullmatch(text):
        return False
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def checked_day(text: str) -> str:
    if not is_day(text):
        raise ValueError(f"not a day (YYYY-MM-DD): {text!r}")
    return text


def chunks(group: LogGroup) -> Iterator[tuple[int, str]]:
    """Place of the first line within the group, and the lines as a JSON array."""
    for start in range(0, len(group.rows), CHUNK_LINES):
        rows = group.rows[start : start + CHUNK_LINES]
        yield start, (b"[" + b",".join(rows) + b"]").decode()


def last_seqs(groups: Iterable[LogGroup]) -> dict[int, int]:
    """Run -> the last number it has in these groups."""
    found: dict[int, int] = {}
    for group in groups:
        last = group.first_seq + len(group.rows) - 1
        found[group.step.manager_id] = max(last, found.get(group.step.manager_id, 0))
    return found


def filters(manager_id: int, step_id: int | None, job_id: int | None, min_level: LogLevel | None) -> dict[str, Any]:
    """Job ids start at 1: the widest range stands for all jobs."""
    return {
        "manager": manager_id,
        "step": step_id,
        "level": min_level.rank if min_level else 0,
        "job_from": job_id or 0,
        "job_to": job_id or _MAX_INT,
    }


def bounds(after: int | None, before: int | None, text: str | None) -> dict[str, Any]:
    """``hint``: a text that looks in a chunk's JSON as it does in its lines, for skipping whole chunks."""
    return {
        "after": 0 if after is None else min(max(after, 0), _MAX_INT - 1),
        "before": _MAX_INT if before is None else min(before, _MAX_INT),
        "text": _lower(text) if text else None,
        "hint": _lower(text) if text and not _ESCAPED.search(text) else None,
    }


def page_size(limit: int) -> int:
    return max(1, min(limit, MAX_PAGE))


def page_statement(step_id: int | None, order: Literal["asc", "desc"]) -> str:
    return f"{'run' if step_id is None else 'step'}_{'desc' if order == 'desc' else 'asc'}"


def count_statement(step_id: int | None, job_id: int | None, min_level: LogLevel | None) -> str:
    """All lines of a run or step are counted by its counter row."""
    if job_id is None and not (min_level and min_level.rank):
        return "last_seq" if step_id is None else "last_line"
    return "count_run" if step_id is None else "count_step"


def page(manager_id: int, rows: Sequence[Row], steps: Sequence[Row], size: int) -> LogPage:
    """Of rows ``(seq, line, step, JSON line)``, one more than the page holds where more follow."""
    names = {step_id: (step_name, worker_type) for step_id, step_name, worker_type in steps}
    items: list[LogEntry] = []
    for seq, line, step_id, row in rows[:size]:
        step_name, worker_type = names[step_id]
        items.append(
            entry(
                row,
                seq=seq,
                line=line,
                manager_id=manager_id,
                step_id=step_id,
                step_name=step_name,
                worker_type=worker_type,
            )
        )
    return LogPage(items=items, next=items[-1].seq if len(rows) > size else None)


def _lower(text: str) -> str:
    """As SQLite's lower(): ASCII only; without what UTF-8 can't hold."""
    text = text.encode("utf-8", "replace").decode()
    return "".join(letter.lower() if letter.isascii() else letter for letter in text)
