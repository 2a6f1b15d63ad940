"""SqlJobStore: opens the main database; the reading half of the job store, and the door to its transactions."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec

from quaero.errors import NotFound
from quaero.model.definition import JobDefinition
from quaero.model.job import Counters, Job, JobError
from quaero.model.status import JobKind, JobStatus
from quaero.ports.clock import Clock
from quaero.ports.jobs import ProcessRow, RunRow, StepRow
from quaero.storage.database import Database, Readers, Row
from quaero.storage.job_rows import KINDS, manager_job, moment, states_of, step_job, worker_job
from quaero.storage.jobs import SqlJobTransaction, as_json, run_row, step_row
from quaero.storage.migrate import migrate, migrations
from quaero.storage.statements import statements


class SqlJobStore:
    """See :class:`quaero.ports.jobs.JobStore`."""

    def __init__(
        self,
        database: Database,
        clock: Clock | None = None,
        lease_clock: Callable[[], int] | None = None,
        heard: Callable[[int], None] = lambda now: None,
    ) -> None:
        """``clock`` and ``lease_clock`` (which all processes of a host share): where None, the server's own clock is
        both, and ``heard`` is called with its time."""
        self.database = database
        self._clock = clock
        self._lease_clock = lease_clock
        self._heard = heard
        self._sql = statements(database.dialect, "jobs")
        self.has_one_writer = database.dialect == "sqlite"
        self._connection = database.connect()
        # A file is one host's own; on a server other nodes may be at work.
        try:
            migrate(self._connection, "main", upgrade=database.dialect == "sqlite")
        except BaseException:
            self._connection.close()
            raise
        self.schema = migrations(database.dialect, "main")[-1].number
        self._readers = database.readers()
        self._writing = threading.Lock()
        self._decoded: dict[tuple[str, int], JobDefinition] = {}
        self.job_types: Mapping[str, str] = {}
        """Worker type -> what one of its jobs is called, where that is another name."""

    @property
    def readers(self) -> Readers:
        return self._readers

    @property
    def statements(self) -> int:
        """How many statements this process has run, reads and writes."""
        return self._connection.statements + self._readers.statements

    @contextmanager
    def transaction(self) -> Iterator[SqlJobTransaction]:
        """One at a time in this process; with a file others wait for its lock."""
        with self._writing, self._connection.transaction():
            now = self._connection.now if self._clock is None else self._clock.now()
            if self._clock is None:
                self._heard(now)
            yield SqlJobTransaction(self._connection, now, self._lease_clock and self._lease_clock())

    def close(self) -> None:
        self._readers.close()
        self._connection.close()

    # reads for the engine

    def run(self, run_id: int) -> RunRow:
        return run_row(self._one("run", f"no run {run_id}", id=run_id))

    def steps(self, run_id: int) -> list[StepRow]:
        return [step_row(row) for row in self._all("steps", run_id=run_id)]

    def step(self, step_id: int) -> StepRow:
        return step_row(self._one("step", f"no step {step_id}", id=step_id))

    def definition(self, definition_id: str, revision: int) -> bytes:
        missing = f"definition {definition_id!r} has no revision {revision}"
        return str(self._one("definition", missing, id=definition_id, revision=revision)[0]).encode()

    def processes(self) -> list[ProcessRow]:
        return [ProcessRow(*row) for row in self._all("processes")]

    def lease_now(self) -> int:
        """On the clock that leases are measured by."""
        if self._lease_clock is None:
            return int(self._readers.get().fetch_value(self._sql["server_time"]))
        return self._lease_clock()

    def data_version(self) -> int | str:
        return self._readers.get().data_version()

    def leader(self, leadership: str) -> int:
        """The process that leads, or led last; 0: none ever did."""
        rows = self._all("leader", name=leadership)
        return int(rows[0][0]) if rows else 0

    def has_work(self, roots: Sequence[int] | None, types: Sequence[str], capabilities: Sequence[str] = ()) -> bool:
        given = None if roots is None else as_json(roots)
        [row] = self._all("look", roots=given, types=as_json(types), skip="[]", capabilities=as_json(capabilities))
        return bool(row[0] != "[]" or row[1])

    def stopped_steps(self, step_ids: list[int]) -> list[int]:
        return [row[0] for row in self._all("stopped_steps", rows=as_json(step_ids))]

    def open_log_days(self) -> list[str]:
        return [row[0] for row in self._all("open_log_days")]

    def open_runs(self) -> list[int]:
        return [row[0] for row in self._all("all_open_runs")]

    def drifting(self, after: int, limit: int) -> tuple[list[int], int]:
        rows = self._all("drifting", after=after, limit=limit)
        return [row[0] for row in rows if not row[1]], rows[-1][0] if len(rows) == limit else 0

    def fact(self, name: str) -> str | None:
        rows = self._all("fact", name=name)
        return str(rows[0][0]) if rows else None

    # reads for people

    def get_job(self, job_id: int) -> Job:
        row = self._one("get_job", f"no job {job_id}; quaero jobs list shows the runs", id=job_id)
        kind = KINDS[row[1]]
        if kind is JobKind.MANAGER:
            return self._manager(row)
        return self._step(row) if kind is JobKind.STEP else self._worker(row)

    def list_runs(self, *, limit: int, cursor: int | None = None, status: JobStatus | None = None) -> list[Job]:
        """Newest first; ``cursor`` is the last id of the page before."""
        rows = self._all("list_runs", cursor=cursor, status=_states(status), limit=limit)
        return [self.get_job(row[0]) for row in rows]

    def list_children(
        self, parent_id: int, *, limit: int, cursor: int | None = None, status: JobStatus | None = None
    ) -> list[Job]:
        """In order of creation; ``cursor`` is the last id of the page before."""
        self._one("get_job", f"no job {parent_id}", id=parent_id)
        rows = self._all("list_children", parent_id=parent_id, cursor=cursor or 0, status=_states(status), limit=limit)
        return [self.get_job(row[0]) for row in rows]

    def failed_children(self, run_id: int, limit: int) -> list[Job]:
        """Dead letters of a run."""
        return [self.get_job(row[0]) for row in self._all("failed_children", run_id=run_id, limit=limit)]

    def runs_of_root(self, root_id: int) -> list[RunRow]:
        """The run, its child runs, and the runs that their ends started, oldest first."""
        return [run_row(row) for row in self._all("runs_of_root", root_id=root_id)]

    def error_families(self, run_id: int, limit: int) -> list[tuple[str, int, int]]:
        """(family, failed jobs, the first of them), the most frequent first."""
        return [(row[0], row[1], row[2]) for row in self._all("error_families", run_id=run_id, limit=limit)]

    def attempts(self, job_id: int) -> list[dict[str, Any]]:
        """Attempts that did not simply succeed at the first try."""
        return [
            {
                "attempt": row[0],
                "process_id": row[1],
                "ended_at": moment(row[2]),
                "outcome": row[3],
                "error": None if row[5] is None else msgspec.json.decode(row[5], type=JobError),
            }
            for row in self._all("attempts", id=job_id)
        ]

    def log_place(self, job_id: int) -> tuple[int, str]:
        """(run, log day) of any job."""
        manager = self._one("get_job", f"no job {job_id}", id=job_id)[2]
        return manager, self.run(manager).log_day

    def definition_of(self, run_id: int) -> JobDefinition:
        run = self.run(run_id)
        key = (run.definition_id, run.revision)
        if key not in self._decoded:
            self._decoded[key] = msgspec.json.decode(self.definition(*key), type=JobDefinition)
        return self._decoded[key]

    def _manager(self, row: Row) -> Job:
        facts = self._one("run_facts", "no run", id=row[0])
        numbers = self._one("run_counters", "no run", id=row[0])
        counters = Counters(**dict(zip(Counters.__struct_fields__, numbers, strict=True)))
        documents = sum(step.document_count for step in self.steps(row[0]))
        return manager_job(row, facts, counters, documents, self.definition_of(row[0]))

    def _step(self, row: Row) -> Job:
        step = self.step(row[0])
        return step_job(row, step, self.definition_of(step.manager_id))

    def _worker(self, row: Row) -> Job:
        step = self.step(row[3])
        return worker_job(row, step, self.definition_of(step.manager_id), self.job_types)

    def _all(self, name: str, /, **params: Any) -> list[Row]:
        return self._readers.get().fetch_all(self._sql[name], params)

    def _one(self, name: str, missing: str, /, **params: Any) -> Row:
        row = self._readers.get().fetch_one(self._sql[name], params)
        if row is None:
            raise NotFound(missing)
        return row


def _states(status: JobStatus | None) -> str | None:
    return None if status is None else as_json(states_of(status))
