"""LiveRows: how jobs stand, in a handful of statements however many there are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Any

from quaero.model.job import Counters
from quaero.model.status import JobKind
from quaero.ports.jobs import State
from quaero.ports.views import LiveRow
from quaero.storage.database import Row
from quaero.storage.job_rows import moment, waiting_for
from quaero.storage.jobs import as_json, reason_of
from quaero.storage.reads import NamedReads

_NONE = Counters()
_COUNTED = Counters.__struct_fields__


class LiveRows:
    def __init__(self, reads: NamedReads) -> None:
        self._reads = reads

    def of(self, ids: Sequence[int]) -> list[LiveRow]:
        """Those of them that exist, of any kind, in order of id."""
        if not ids:
            return []
        given = as_json(sorted(set(ids)))
        workers = [_worker(row) for row in self._reads.all("live_workers", ids=given)]
        steps = [_step(row) for row in self._reads.all("live_steps", ids=given)]
        return sorted([*workers, *steps, *self._runs(given, with_steps=False)], key=attrgetter("id"))

    def of_runs(self, run_ids: Iterable[int]) -> list[LiveRow]:
        """These runs, each with its steps behind it."""
        ids = sorted(set(run_ids))
        return sorted(self._runs(as_json(ids), with_steps=True), key=_place) if ids else []

    def steps_of(self, run_id: int) -> list[LiveRow]:
        """In their order."""
        rows = self._reads.all("live_steps_of", ids=as_json([run_id]))
        return sorted(map(_step, rows), key=_place)

    def _runs(self, ids: str, *, with_steps: bool) -> list[LiveRow]:
        runs = self._reads.all("live_runs", ids=ids)
        if not runs:
            return []
        steps = self._reads.all("live_steps_of", ids=as_json([row[0] for row in runs]))
        sums: dict[int, list[int]] = {row[0]: [0] * (1 + len(_COUNTED)) for row in runs}
        for step in steps:
            of_run = sums[step[2]]
            of_run[0] += step[19]
            # A run counts the worker jobs of its steps; child runs are jobs of their own run.
            if not step[18]:
                for place, number in enumerate(step[20:], 1):
                    of_run[place] += number
        rows = [_run(row, sums[row[0]]) for row in runs]
        return rows + [_step(step) for step in steps] if with_steps else rows


def _run(row: Row, sums: list[int]) -> LiveRow:
    return LiveRow(
        **_common(row, JobKind.MANAGER),
        name=row[12],
        message=row[13],
        worker_type=None,
        position=0,
        counters=_counters(sums[1:]),
        documents=sums[0],
        paused=row[15] is not None,
        queued=bool(row[16]),
        definition_id=row[17],
        rerun_of=row[18],
    )


def _step(row: Row) -> LiveRow:
    return LiveRow(
        **_common(row, JobKind.STEP),
        name=row[12],
        message=row[13] or waiting_for(row[17], State(row[3])),
        worker_type=row[15],
        position=row[16],
        counters=_counters(row[20:]),
        documents=row[19],
    )


def _worker(row: Row) -> LiveRow:
    return LiveRow(
        **_common(row, JobKind.WORKER),
        name=f"{row[12]} {row[0]}",
        message=row[13],
        worker_type=row[15],
        position=0,
        counters=_NONE,
        documents=row[16],
    )


def _common(row: Row, kind: JobKind) -> dict[str, Any]:
    state = State(row[3])
    return {
        "id": row[0],
        "kind": kind,
        "parent_id": row[1],
        "manager_id": row[2],
        "status": state.status,
        "status_reason": reason_of(row[4]),
        "has_errors": bool(row[5]),
        "attempt": row[6],
        "created_at": moment(row[7]),
        "started_at": moment(row[8]),
        "finished_at": moment(row[9]),
        "available_at": moment(row[10]),
        "claimed_by": row[11],
        "cancelling": row[14] is not None and not state.is_terminal,
    }


def _counters(numbers: Sequence[int]) -> Counters:
    return Counters(**dict(zip(_COUNTED, numbers, strict=True)))


def _place(row: LiveRow) -> tuple[int, int, int]:
    """A run, then its steps in their order."""
    return row.manager_id, int(row.kind is not JobKind.MANAGER), row.position
