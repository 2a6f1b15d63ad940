"""Turn: what one transaction of the engine gathers on its way.

Rules write statuses at once and leave three things here: changes of counters, events, and log lines of managers
and steps. ``settle`` applies the counters and lets the monitors draw the consequences until nothing is left to draw;
``publish`` writes the events.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from copy import copy
from typing import Any

import msgspec

from quaero.model.log import LogLevel
from quaero.model.status import JobStatus, StatusReason
from quaero.ports.jobs import Delta, JobTransaction, Progress, RunRow, State
from quaero.queue.context import StepContext
from quaero.queue.log_lines import LogGroup, encode
from quaero.queue.log_values import clean_fields

_COUNTERS = Progress._fields[2:]
_encoder = msgspec.json.Encoder(enc_hook=str)


class Line(msgspec.Struct, frozen=True):
    """A log line of a manager (step_id 0) or step job."""

    manager_id: int
    step_id: int
    log_day: str
    step_name: str
    worker_type: str
    job_id: int
    level: LogLevel
    phase: str
    event: str
    fields: dict[str, Any]


class Turn:
    """One transaction, and what has gathered in it."""

    def __init__(self, tx: JobTransaction, mask: Callable[[str], str] | None = None) -> None:
        """``mask`` takes secrets out of a text; it is applied to every event and line."""
        self._mask = mask
        self.tx = tx
        self.now = tx.now
        self.lines: list[Line] = []
        self.events: list[tuple[str, int | None, int | None, bytes]] = []
        self.closed_runs: list[int] = []
        self.stopped_runs: list[int] = []
        self.progress: dict[int, Progress] = {}
        """How the steps stand whose counters changed."""
        self.made_work = False
        """Something became claimable: other processes want to know."""
        self.may_fall_due = False
        """Something was put off, or got a deadline."""
        self.schedules_changed = False
        """Whoever fires schedules must look when the next slot is due."""
        self._deltas: defaultdict[int, Delta] = defaultdict(Delta)
        self._recheck: set[int] = set()

    def delta(self, step_id: int) -> Delta:
        return self._deltas[step_id]

    def gathered(self, step_id: int) -> Delta:
        """A copy of the step's change so far, which is not applied yet."""
        return copy(self._deltas[step_id]) if step_id in self._deltas else Delta()

    def stop_reason(self, step_id: int) -> StatusReason | None:
        """Why this step is to end, by its run's flag or its own; None where it is not. Holds from now on."""
        self.tx.lock_steps([step_id])
        step = self.tx.step(step_id)
        return self.tx.run(step.manager_id).stop_reason or step.stop_reason

    @property
    def touches_ready(self) -> bool:
        """Counters that a claim looks at are not applied yet."""
        return bool(self._recheck) or any(delta.touches_ready for delta in self._deltas.values())

    def lock_touched(self, step_ids: Iterable[int]) -> None:
        """The roots of these steps, and of all those whose counters have changed: in one order, so at one time."""
        self.tx.lock_steps({*self._deltas, *self._recheck, *step_ids})

    def recheck(self, step_id: int) -> None:
        """The step may be able to close although no child of it changed (it was sealed, or stopped)."""
        self._recheck.add(step_id)

    @staticmethod
    def encode(value: object) -> bytes:
        return _encoder.encode(value)

    def event(self, kind: str, manager_id: int | None, job_id: int | None, /, **data: Any) -> None:
        self.events.append((kind, manager_id, job_id, _encoder.encode(clean_fields(data, self._mask))))

    def status_changed(
        self, kind: str, manager_id: int, job_id: int, old: State, new: State, reason: Any = None, **data: Any
    ) -> None:
        old_status: JobStatus = old.status
        self.event("job.status", manager_id, job_id, kind=kind, old=old_status, new=new.status, reason=reason, **data)

    def log_run(self, run: RunRow, level: LogLevel, event: str, phase: str = "run", /, **fields: Any) -> None:
        self.lines.append(Line(run.id, 0, run.log_day, "", "", run.id, level, phase, event, fields))

    def log_step(
        self, run: RunRow, step: Any, level: LogLevel, event: str, phase: str = "run", /, **fields: Any
    ) -> None:
        self.lines.append(
            Line(run.id, step.id, run.log_day, step.name, step.worker_type, step.id, level, phase, event, fields)
        )

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """A part that can fail alone: on an error the store and all that was gathered are as before."""
        deltas = {step: copy(delta) for step, delta in self._deltas.items()}
        before = (len(self.lines), len(self.events), len(self.closed_runs), len(self.stopped_runs), set(self._recheck))
        try:
            with self.tx.savepoint():
                yield
        except BaseException:
            lines, events, closed, stopped, self._recheck = before
            del self.lines[lines:], self.events[events:], self.closed_runs[closed:], self.stopped_runs[stopped:]
            self._deltas = defaultdict(Delta, deltas)
            raise

    def settle(self, children_changed: Callable[[Turn, int], None]) -> None:
        """Apply the counters and close what has no open child left, until nothing follows any more."""
        while self._deltas or self._recheck:
            deltas, self._deltas = self._deltas, defaultdict(Delta)
            recheck, self._recheck = self._recheck, set()
            self.tx.lock_steps({*deltas, *recheck})
            progress = self.tx.apply_counters(deltas) if deltas else []
            self.progress.update((step.step_id, step) for step in progress)
            for step_id in sorted({step.step_id for step in progress if not step.open} | recheck):
                children_changed(self, step_id)

    def publish(self, origin: int, progress: Iterable[Progress] = (), after: int | None = None) -> None:
        """Write the events, and one for each step whose progress is worth telling now."""
        for step in progress:
            counters = {name: getattr(step, name) for name in _COUNTERS}
            self.event("job.progress", step.manager_id, step.step_id, counters=counters)
        if self.events:
            self.tx.add_events(origin, after, self.events)

    def log_groups(self) -> list[LogGroup]:
        """The lines gathered, as the log store takes them."""
        groups: dict[tuple[int, int], LogGroup] = {}
        for line in self.lines:
            found = groups.get((line.manager_id, line.step_id))
            if found is None:
                step = StepContext(
                    manager_id=line.manager_id,
                    step_id=line.step_id,
                    step_name=line.step_name,
                    worker_type=line.worker_type,
                    definition_id="",
                    log_day=line.log_day,
                )
                found = groups[line.manager_id, line.step_id] = LogGroup(step, [], 0, line.job_id, line.job_id)
            originator = "step" if line.step_id else "manager"
            head = (line.job_id, 1, self.now, line.level.rank, originator, line.phase)
            found.rows.append(encode((*head, line.event, clean_fields(line.fields, self._mask))))
            found.max_level = max(found.max_level, line.level.rank)
        return list(groups.values())
