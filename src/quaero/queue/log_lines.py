"""How a log line looks on its way from a job to the store: a JSON array, encoded in the job's own frame.

``[job_id, attempt, ts, level, originator, phase, message, fields]``; ``ts`` in microseconds since 1970 UTC, ``level``
its rank. Run, step and numbers are facts of the group a line travels in.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from quaero.model.log import LEVELS, LogEntry
from quaero.queue.context import StepContext

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Line(msgspec.Struct, frozen=True, array_like=True):
    """One decoded line."""

    job_id: int
    attempt: int
    ts: int
    level: int
    originator: str
    phase: str
    message: str
    fields: dict[str, Any]


class LogGroup(msgspec.Struct):
    """The lines of one step in one batch, in order. ``step_id`` 0 stands for the manager's own lines.

    ``append`` of the store fills in the two numbers when the lines are committed: a group that has them is stored.
    """

    step: StepContext
    rows: list[bytes]
    max_level: int
    min_job: int
    max_job: int
    first_seq: int = 0
    first_line: int = 0

    def entries(self) -> Iterator[LogEntry]:
        """What the store would answer for these lines: for the live view, which reads nothing."""
        step = self.step
        for offset, row in enumerate(self.rows):
            yield entry(
                row,
                seq=self.first_seq + offset,
                line=self.first_line + offset,
                manager_id=step.manager_id,
                step_id=step.step_id,
                step_name=step.step_name,
                worker_type=step.worker_type,
            )


encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder(Line).decode


def entry(
    row: bytes | str, *, seq: int, line: int, manager_id: int, step_id: int, step_name: str, worker_type: str
) -> LogEntry:
    """A stored line and the facts of its group, as the contract shows them."""
    one = decode(row)
    return LogEntry(
        seq=seq,
        line=line,
        ts=_EPOCH + timedelta(microseconds=one.ts),
        level=LEVELS[one.level],
        message=one.message,
        manager_id=manager_id,
        step_id=step_id or None,
        job_id=one.job_id,
        parent_id=_parent(one.job_id, step_id, manager_id),
        step_name=step_name or None,
        worker_type=worker_type or None,
        originator=one.originator,
        phase=one.phase,
        attempt=one.attempt,
        fields=one.fields,
    )


def _parent(job_id: int, step_id: int, manager_id: int) -> int | None:
    if job_id == manager_id:
        return None
    return manager_id if job_id == step_id or not step_id else step_id
