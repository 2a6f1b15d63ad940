"""SqlJobViews: what people ask about runs and jobs, in a constant number of statements each."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec

from quaero.errors import NotFound
from quaero.model.definition import JobDefinition
from quaero.model.job import Counters, Job
from quaero.model.status import JobKind
from quaero.ports.views import (
    Activity,
    ChildFilter,
    ChildOrder,
    DefinitionRevision,
    DefinitionUse,
    ErrorFamily,
    HeatStrip,
    JobPage,
    LimiterRow,
    LiveRow,
    RunFilter,
    StepSpan,
    StorageFacts,
)
from quaero.storage.child_pages import ChildPages
from quaero.storage.database import Row
from quaero.storage.error_families import ErrorFamilies
from quaero.storage.heat import HeatStrips
from quaero.storage.job_rows import KINDS, manager_job, step_job, worker_job
from quaero.storage.job_store import SqlJobStore
from quaero.storage.jobs import as_json, step_row
from quaero.storage.live_rows import LiveRows
from quaero.storage.reads import NamedReads
from quaero.storage.run_pages import RunPages
from quaero.storage.system_views import LogFiles, SystemViews

MAX_CHILD_RUNS: Final = 1_000
KEPT_DEFINITIONS: Final = 1_000
_ALL = ChildFilter()


def _no_families() -> Collection[tuple[int, str]]:
    return ()


def _wall_clock() -> int:
    return time.time_ns() // 1000


class SqlJobViews:
    """See :class:`quaero.ports.views.JobViews`."""

    def __init__(
        self,
        store: SqlJobStore,
        logs: LogFiles,
        *,
        now: Callable[[], int] = _wall_clock,
        ignored: Callable[[], Collection[tuple[int, str]]] = _no_families,
    ) -> None:
        """``now``: in microseconds. ``ignored``: (run, family) of errors that somebody chose to look past."""
        self._store = store
        self._reads = NamedReads(store.readers, "views")
        self._runs = RunPages(self._reads)
        self._strips = HeatStrips(self._reads, now)
        self._children = ChildPages(self._reads, self._strips)
        self._rows = LiveRows(self._reads)
        self._families = ErrorFamilies(self._reads, ignored)
        self._system = SystemViews(store, logs, self._reads, self._rows, now)
        self._definitions: dict[tuple[str, int], JobDefinition] = {}

    # pages of jobs

    def runs(self, where: RunFilter, *, limit: int, cursor: str | None = None) -> JobPage:
        ids, following = self._runs.page(where, max(1, limit), cursor)
        return JobPage(items=self._jobs(ids), next=following)

    def count_runs(self, where: RunFilter, *, at_most: int = 10_000) -> int:
        return self._runs.count(where, at_most)

    def children(
        self,
        parent_id: int,
        where: ChildFilter = _ALL,
        *,
        order: ChildOrder = "created",
        limit: int,
        cursor: str | None = None,
    ) -> JobPage:
        ids, following = self._children.page(parent_id, where, order, max(1, limit), cursor)
        return JobPage(items=self._jobs(ids), next=following)

    def attempts(self, job_id: int) -> list[dict[str, Any]]:
        return self._store.attempts(job_id)

    def _jobs(self, ids: Sequence[int]) -> list[Job]:
        """As ``SqlJobStore.get_job`` shows each, in the order of ``ids``; those deleted meanwhile are left out."""
        if not ids:
            return []
        rows = {row[0]: row for row in self._reads.all("jobs", ids=as_json(ids))}
        runs = [row[0] for row in rows.values() if KINDS[row[1]] is JobKind.MANAGER]
        steps = {row[3] if KINDS[row[1]] is JobKind.WORKER else row[0] for row in rows.values()} - set(runs)
        of_runs = {row[0]: row[1:] for row in self._reads.all("run_facts", ids=as_json(runs))} if runs else {}
        of_steps = {row[0]: row for row in self._reads.all("steps", ids=as_json(sorted(steps)))} if steps else {}
        used = {(row[0], row[1]) for row in of_runs.values()} | {(row[-2], row[-1]) for row in of_steps.values()}
        definitions = self._definitions_of(used)
        jobs = []
        for job_id in ids:
            row = rows.get(job_id)
            if row is None:
                continue
            if job_id in of_runs:
                jobs.append(_run(row, of_runs[job_id], definitions))
            elif KINDS[row[1]] is JobKind.STEP and job_id in of_steps:
                step = of_steps[job_id]
                jobs.append(step_job(row, step_row(step[:-2]), definitions[step[-2], step[-1]]))
            elif KINDS[row[1]] is JobKind.WORKER and row[3] in of_steps:
                step = of_steps[row[3]]
                definition = definitions[step[-2], step[-1]]
                jobs.append(worker_job(row, step_row(step[:-2]), definition, self._store.job_types))
        return jobs

    def _definitions_of(self, used: set[tuple[str, int]]) -> dict[tuple[str, int], JobDefinition]:
        known = self._definitions
        found = {key: known[key] for key in used if key in known}
        if missing := sorted(used - found.keys()):
            for id_, revision, body in self._reads.all("definitions", keys=as_json(missing)):
                found[id_, revision] = msgspec.json.decode(body, type=JobDefinition)
            # A dict of its own: other threads may be reading the one before.
            kept = list(known.items())[-KEPT_DEFINITIONS:]
            self._definitions = dict(kept) | found
        return found

    # rows of live views

    def live_rows(self, ids: Sequence[int]) -> list[LiveRow]:
        return self._rows.of(ids)

    def open_runs(self, limit: int) -> list[int]:
        return [row[0] for row in self._reads.all("newest_open_runs", limit=limit)]

    def newest_runs(self, limit: int) -> list[int]:
        return [row[0] for row in self._reads.all("newest_runs", limit=limit)]

    def rows_of_runs(self, run_ids: Collection[int]) -> list[LiveRow]:
        return self._rows.of_runs(run_ids)

    def run_rows(self, run_id: int) -> list[LiveRow]:
        below = [row[0] for row in self._reads.all("child_runs", run_id=run_id, limit=MAX_CHILD_RUNS)]
        rows = self._rows.of_runs([run_id, *below])
        if not any(row.id == run_id for row in rows):
            raise NotFound(f"no run {run_id}")
        return rows

    # figures

    def heat_strip(self, step_id: int, *, cells: int = 1000) -> HeatStrip:
        parent = self._children.parent(step_id)
        return self._strips.show(step_id, self._children.total(step_id, parent), cells)

    def families(
        self, run_id: int | None = None, *, ignored: bool | None = None, limit: int = 100
    ) -> list[ErrorFamily]:
        return self._families.of(run_id, ignored, limit)

    def timeline(self, run_id: int, *, slowest: int = 5) -> list[StepSpan]:
        self._store.run(run_id)
        steps = self._rows.steps_of(run_id)
        long: dict[int, list[int]] = {}
        for step in steps:
            if slowest > 0 and step.counters.total:
                long[step.id], _ = self._children.page(step.id, _ALL, "slowest", slowest, None)
        rows = {row.id: row for row in self._rows.of([job for jobs in long.values() for job in jobs])}
        return [
            StepSpan(
                job_id=step.id,
                name=step.name,
                status=step.status,
                started_at=step.started_at,
                finished_at=step.finished_at,
                slowest=[rows[job] for job in long.get(step.id, ()) if job in rows],
            )
            for step in steps
        ]

    # the system

    def activity(self, *, since: datetime, buckets: int) -> list[Activity]:
        return self._system.activity(since, buckets)

    def storage_facts(self) -> StorageFacts:
        return self._system.storage_facts()

    def limiters(self) -> list[LimiterRow]:
        return self._system.limiters()

    def definition_uses(self, definition_ids: Sequence[str]) -> dict[str, DefinitionUse]:
        return self._system.definition_uses(definition_ids)

    def definition_revisions(self, definition_id: str) -> list[DefinitionRevision]:
        return self._system.definition_revisions(definition_id)


def _run(row: Row, facts: Row, definitions: dict[tuple[str, int], JobDefinition]) -> Job:
    """``facts``: those of ``run_facts``, the counters, the documents."""
    counters = Counters(**dict(zip(Counters.__struct_fields__, facts[10:18], strict=True)))
    return manager_job(row, facts[:10], counters, facts[18], definitions[facts[0], facts[1]])
