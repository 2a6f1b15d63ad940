"""SqlJobInsight: the reads behind the deeper questions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from quaero.errors import NotFound
from quaero.ports.insight import (
    CachedStep,
    ComparedDocument,
    DocumentChange,
    JobState,
    ReadyLane,
    RunningJob,
    RunTimes,
    StepTimes,
)
from quaero.ports.jobs import Limiter, RunRow, State
from quaero.storage.database import Readers, Row
from quaero.storage.job_rows import KINDS
from quaero.storage.jobs import as_json, reason_of, run_row
from quaero.storage.statements import statements

_words = msgspec.json.Decoder(tuple[str, ...])


class SqlJobInsight:
    """See :class:`quaero.ports.insight.JobInsight`. On a connection of the calling thread."""

    def __init__(self, readers: Readers) -> None:
        self._readers = readers
        self._sql = statements(readers.dialect, "insight")
        self._jobs = statements(readers.dialect, "jobs")

    def job(self, job_id: int) -> JobState:
        row = self._one("job", f"no job {job_id}; quaero jobs list shows the runs", id=job_id)
        return JobState(*row)._replace(kind=KINDS[row[1]], state=State(row[4]), reason=reason_of(row[5]))

    def step_needs(self, step_id: int) -> tuple[str, ...]:
        [needs] = self._one("step_needs", f"no step {step_id}", id=step_id)
        return _words.decode(needs) if needs else ()

    def open_runs(self, definition_id: str) -> list[RunRow]:
        rows = self._readers.get().fetch_all(self._jobs["open_runs"], {"definition_id": definition_id})
        return [run_row(row) for row in rows]

    def limiters(self, worker_type: str, keys: Sequence[str]) -> dict[str, Limiter]:
        rows = self._readers.get().fetch_all(self._jobs["limiters"], {"name": worker_type, "rows": as_json(keys)})
        return {row[0]: Limiter(*row) for row in rows}

    def running(self, worker_type: str, key: str | None, limit: int) -> list[RunningJob]:
        return [RunningJob(*row) for row in self._all("running", worker_type=worker_type, key=key, limit=limit)]

    def suspects_running(self) -> list[RunningJob]:
        return [RunningJob(*row) for row in self._all("suspects_running")]

    def busy(self) -> dict[int, int]:
        return {process: count for process, kind, count in self._all("held") if kind == 2}

    def planning(self) -> dict[int, int]:
        return {process: count for process, kind, count in self._all("held") if kind == 1}

    def ready_lanes(self) -> list[ReadyLane]:
        return [ReadyLane(*row) for row in self._all("ready_lanes")]

    def ahead(self, job: JobState, at_most: int) -> int:
        place = {**_place(job), "step_id": job.parent_id, "at_most": at_most}
        if job.limit_key is not None:
            return int(self._all("ahead_of_key", **place, key=job.limit_key)[0][0])
        return int(self._all("ahead", **place)[0][0])

    def steps_ahead(self, step: JobState, at_most: int) -> int:
        return int(self._all("steps_ahead", **_place(step), at_most=at_most)[0][0])

    def next_job(self, step_id: int) -> int | None:
        for name in ("first_ready", "first_special", "first_waiting"):
            rows = self._all(name, step_id=step_id)
            if rows and rows[0][0] is not None:
                return int(rows[0][0])
        return None

    def source(self, definition_id: str, revision: int) -> str:
        missing = f"definition {definition_id!r} has no revision {revision}"
        return str(self._one("source", missing, id=definition_id, revision=revision)[0])

    def last_runs(self, definition_id: str, limit: int, *, completed: bool) -> list[RunTimes]:
        rows = self._all("last_runs", definition_id=definition_id, limit=limit, completed=int(completed))
        return [_run_times(row) for row in rows]

    def run_times(self, run_id: int) -> RunTimes:
        return _run_times(self._one("run_times", f"no run {run_id}", id=run_id))

    def step_times(self, run_ids: Sequence[int]) -> list[StepTimes]:
        rows = [StepTimes(*row) for row in self._all("step_times", rows=as_json(run_ids))]
        return [row._replace(state=State(row.state), reason=reason_of(row[5])) for row in rows]  # type: ignore[arg-type]

    def job_seconds(self, step_id: int, limit: int) -> list[float]:
        return [row[0] / 1e6 for row in self._all("job_seconds", step_id=step_id, limit=limit)]

    def cached_steps(self, definition_id: str) -> list[CachedStep]:
        return [CachedStep(*row) for row in self._all("cached_steps", definition_id=definition_id)]

    def ignored_families(self) -> set[tuple[int, str]]:
        """(run, family), as views of families take them."""
        return {(row[0], row[1]) for row in self._all("ignored_families")}

    def document_changes(self, old_run: int, new_run: int) -> dict[DocumentChange, int]:
        return dict(self._all("document_changes", old_run=old_run, new_run=new_run))

    def compared_documents(
        self, old_run: int, new_run: int, change: DocumentChange, *, after: int, limit: int
    ) -> list[ComparedDocument]:
        params = {"old_run": old_run, "new_run": new_run, "change": change, "after": after, "limit": limit}
        return [ComparedDocument(*row) for row in self._all("compared_documents", **params)]

    def _all(self, name: str, /, **params: Any) -> list[Row]:
        return self._readers.get().fetch_all(self._sql[name], params)

    def _one(self, name: str, missing: str, /, **params: Any) -> Row:
        row = self._readers.get().fetch_one(self._sql[name], params)
        if row is None:
            raise NotFound(missing)
        return row


def _place(job: JobState) -> dict[str, int]:
    """In the order in which jobs are handed out."""
    return {"priority": job.priority, "available_at": job.available_at or 0, "id": job.id}


def _run_times(row: Row) -> RunTimes:
    return RunTimes(*row)._replace(state=State(row[2]))
