"""What people ask about runs and jobs: lists, trees, strips and figures. Reads only; implemented in ``quaero.storage``.

None of it scans what it does not show: a run with a million children answers from its counters and by key.
Times are aware UTC.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Literal, Protocol

import msgspec

from quaero.model.job import Counters, Job, JobError
from quaero.model.status import JobKind, JobStatus, StatusReason

ChildOrder = Literal["created", "failed_first", "slowest"]


class RunFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which runs: all conditions hold at once; an empty one holds always."""

    statuses: tuple[JobStatus, ...] = ()
    definition_id: str | None = None
    text: str = ""
    """Part of the name or of the definition's id; the case of ASCII letters is ignored."""
    since: datetime | None = None
    """Created then or later."""
    until: datetime | None = None
    """Created before."""
    has_errors: bool | None = None
    with_child_runs: bool = False
    """Also runs that another run started."""


class ChildFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which children of a run or step."""

    statuses: tuple[JobStatus, ...] = ()
    family: str | None = None
    """Failed worker jobs whose last error is of this family; empty: of those without one."""
    first_place: int | None = None
    last_place: int | None = None
    """By place among the step's children, from 0, both included: as a heat strip shows them."""


class JobPage(msgspec.Struct, frozen=True, kw_only=True):
    """``next``: the cursor of the page behind, None at the end. A page with a next one may hold fewer jobs than asked
    for, even none: it has passed over many that are not asked for."""

    items: list[Job]
    next: str | None


class LiveRow(msgspec.Struct, frozen=True, kw_only=True):
    """How a job stands: all that a row of a tree shows, and what a live view compares."""

    id: int
    kind: JobKind
    parent_id: int | None
    manager_id: int
    name: str
    worker_type: str | None
    position: int
    """Of a step within its run, from 0."""
    status: JobStatus
    status_reason: StatusReason | None
    has_errors: bool
    attempt: int
    counters: Counters
    documents: int
    message: str
    """Of a worker job: of its last error."""
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    available_at: datetime | None
    paused: bool = False
    cancelling: bool = False
    """A run or step that was told to end, by whatever reason, and has not yet."""
    queued: bool = False
    definition_id: str | None = None
    """Of a run."""
    rerun_of: int | None = None
    claimed_by: int | None = None


class HeatCell(msgspec.Struct, frozen=True, kw_only=True):
    """Neighbouring children of a step, by place of creation."""

    first_place: int
    count: int
    worst: JobStatus
    """failed before running before pending before cancelled before completed before skipped."""
    failed: int
    open: int
    longest_s: float
    """Of those that have ended; seconds from start to end."""


class HeatStrip(msgspec.Struct, frozen=True, kw_only=True):
    step_id: int
    total: int
    cells: list[HeatCell]
    as_of: datetime


class ErrorFamily(msgspec.Struct, frozen=True, kw_only=True):
    """Failed worker jobs with an error of one cause."""

    family: str
    count: int
    manager_id: int
    definition_id: str
    run_name: str
    steps: list[str]
    first_job: int
    sample: JobError | None
    last_failed_at: datetime | None
    ignored: bool = False


class StepSpan(msgspec.Struct, frozen=True, kw_only=True):
    """A bar of the timeline."""

    job_id: int
    name: str
    status: JobStatus
    started_at: datetime | None
    finished_at: datetime | None
    slowest: list[LiveRow] = []
    """Its worker jobs that took longest."""


class Activity(msgspec.Struct, frozen=True, kw_only=True):
    """Runs that were created within the bucket of time that begins then, by status; not those that another run
    started."""

    at: datetime
    counts: dict[str, int]


class StorageFacts(msgspec.Struct, frozen=True, kw_only=True):
    """How the database stands. Sizes in bytes; None where this backend has no such thing."""

    database: str
    backend: Literal["sqlite", "postgres"]
    server_version: str
    schema: int
    size: int
    free: int | None
    """Of ``size``: what new rows will use first."""
    wal_size: int | None
    logs_size: int
    log_days: list[str]
    rows: dict[str, int]
    """About how many rows the large tables have: an estimate where counting would take long."""
    oldest_transaction_s: float | None
    drift: int
    """Counters that the auditor had to mend; must be 0."""
    audited_at: datetime | None


class LimiterRow(msgspec.Struct, frozen=True, kw_only=True):
    """A limiter as it stands: slots in use and rate tokens of one (worker type, key)."""

    worker_type: str
    key: str
    in_use: int
    tokens: float | None
    refilled_at: datetime | None


class DefinitionRevision(msgspec.Struct, frozen=True, kw_only=True):
    definition_id: str
    revision: int
    hash: str
    created_at: datetime
    runs: int
    source: str


class DefinitionUse(msgspec.Struct, frozen=True, kw_only=True):
    """The runs of a definition in short, child runs too."""

    definition_id: str
    runs: int
    last: list[LiveRow]
    """Newest first, a dozen at most: for a sparkline of results."""


class JobViews(Protocol):
    """All may be called from any thread."""

    def runs(self, where: RunFilter, *, limit: int, cursor: str | None = None) -> JobPage:
        """Newest first. Raises BadData for a cursor that is none."""
        ...

    def count_runs(self, where: RunFilter, *, at_most: int = 10_000) -> int:
        """``at_most``: so many, or more."""
        ...

    def children(
        self,
        parent_id: int,
        where: ChildFilter = ...,
        *,
        order: ChildOrder = "created",
        limit: int,
        cursor: str | None = None,
    ) -> JobPage:
        """``created``: by id; pending jobs alone as they will be claimed. ``failed_first``: failed, running, pending,
        then the rest. ``slowest``: ended ones, from the parts of the step that hold the longest: the first 50 are
        exact; behind those some may be missing, for only some ten thousand children are looked at.

        Raises NotFound for the parent, BadData for a cursor that is none.
        """
        ...

    def live_rows(self, ids: Sequence[int]) -> list[LiveRow]:
        """Those of them that exist, in order of id."""
        ...

    def open_runs(self, limit: int) -> list[int]:
        """The newest runs that have not ended, newest first."""
        ...

    def newest_runs(self, limit: int) -> list[int]:
        """The newest runs, ended ones too, newest first; not runs that another run started."""
        ...

    def rows_of_runs(self, run_ids: Collection[int]) -> list[LiveRow]:
        """Those of these runs that are there, each with its steps behind it, in their order."""
        ...

    def run_rows(self, run_id: int) -> list[LiveRow]:
        """The run, its steps, its newest 1,000 child runs and their steps; raises NotFound. A run is followed by its
        steps, in their order."""
        ...

    def heat_strip(self, step_id: int, *, cells: int = 1000) -> HeatStrip:
        """``cells`` or fewer; each but the last holds the same power of two of children. Raises NotFound.

        Cells whose children have all ended are computed once. What took long to compute is shown again for a while:
        ``as_of`` says how old it is.
        """
        ...

    def families(
        self, run_id: int | None = None, *, ignored: bool | None = None, limit: int = 100
    ) -> list[ErrorFamily]:
        """The most frequent first; ``run_id`` None: of the newest 1,000 runs that have any."""
        ...

    def timeline(self, run_id: int, *, slowest: int = 5) -> list[StepSpan]:
        """Raises NotFound."""
        ...

    def attempts(self, job_id: int) -> list[dict[str, Any]]: ...
    def activity(self, *, since: datetime, buckets: int) -> list[Activity]:
        """From then until now, in equal buckets, empty ones too. Raises BadData for a number that can't be."""
        ...

    def storage_facts(self) -> StorageFacts: ...
    def limiters(self) -> list[LimiterRow]:
        """Those in use first, 1,000 at most."""
        ...

    def definition_uses(self, definition_ids: Sequence[str]) -> dict[str, DefinitionUse]:
        """One for each id, also where it never ran."""
        ...

    def definition_revisions(self, definition_id: str) -> list[DefinitionRevision]:
        """Newest first, with source and number of runs."""
        ...
