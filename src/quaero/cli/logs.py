"""``quaero logs``: the lines of a run, or of one step or job of it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any, Final

from cyclopts import App, Parameter

from quaero.cli.session import Here, Json
from quaero.model.job import Job
from quaero.model.log import LogEntry, LogLevel
from quaero.model.status import JobKind

if TYPE_CHECKING:
    from quaero import app as composition

app = App(name="logs")

POLL_S: Final = 0.2
PAGE: Final = 1000

Step = Annotated[str | None, Parameter(help="Only the lines of this step.")]
JobOption = Annotated[int | None, Parameter(name="--job", help="Only the lines of this job.")]
Level = Annotated[LogLevel | None, Parameter(help="Only lines of this level and above.")]
After = Annotated[int, Parameter(help="Only lines with a higher number (seq).")]
Limit = Annotated[int, Parameter(help="At most so many lines.")]
Follow = Annotated[bool, Parameter(name=["--follow", "-f"], help="Go on until the run has ended.")]


@app.default
def logs(
    run_id: int,
    /,
    *,
    step: Step = None,
    job: JobOption = None,
    level: Level = None,
    after: After = 0,
    limit: Limit = PAGE,
    follow: Follow = False,
    json: Json = False,
    session: Here,
) -> None:
    """Show the log of a run; the id of a step or worker job shows the lines of that alone.

    With --follow --json: one object a line, as the lines come.
    """
    with session.app() as opened:
        lines = Lines(opened, run_id, step=step, job=job, level=level)
        if follow:
            _follow(lines, after, json=json)
        else:
            _page(lines, after, max(1, limit), json=json)


class Lines:
    """The lines that were asked for, of one run."""

    def __init__(
        self, opened: composition.App, job_id: int, *, step: str | None, job: int | None, level: LogLevel | None
    ) -> None:
        """Raises NotFound or UsageError for what the run does not have."""
        from quaero.cli.exits import UsageError
        from quaero.definitions.findings import did_you_mean
        from quaero.errors import NotFound

        asked = opened.store.get_job(job_id)
        narrowed = asked if asked.kind is not JobKind.MANAGER else None
        if job is not None:
            narrowed = opened.store.get_job(job)
            if narrowed.manager_id != asked.manager_id:
                raise UsageError(f"job {job} belongs to run {narrowed.manager_id}, not to {asked.manager_id}")
        self.run_id = asked.manager_id
        self.opened = opened
        self._day = opened.store.run(self.run_id).log_day
        self._filters: dict[str, Any] = {"min_level": level, **_place(narrowed)}
        if step is not None:
            ids = {row.name: row.id for row in opened.store.steps(self.run_id)}
            if step not in ids:
                hint = did_you_mean(step, ids) or f"its steps are {', '.join(ids)}"
                raise NotFound(f"run {self.run_id} has no step {step!r}; {hint}")
            self._filters["step_id"] = ids[step]

    @property
    def are_dropped(self) -> bool:
        """The day's file is past its time."""
        return not self.opened.logs.has_day(self._day)

    @property
    def are_complete(self) -> bool:
        """Nothing more is written: a run is terminal only after its lines are stored."""
        return self.opened.store.run(self.run_id).state.is_terminal

    def read(self, after: int, limit: int) -> tuple[list[LogEntry], int | None]:
        page = self.opened.logs.query(self.run_id, day=self._day, after=after, limit=limit, **self._filters)
        return page.items, page.next


def _place(job: Job | None) -> dict[str, Any]:
    """The filter that shows the lines of one job: a step with those of its children."""
    if job is None or job.kind is JobKind.MANAGER:
        return {}
    return {"step_id": job.id} if job.kind is JobKind.STEP else {"step_id": job.step_id, "job_id": job.id}


def _page(lines: Lines, after: int, limit: int, *, json: bool) -> None:
    from quaero.cli.log_views import LinePrinter
    from quaero.cli.output import say, write_page

    items, following = lines.read(after, limit)
    if json:
        write_page(items, following)
        return
    printer = LinePrinter()
    for entry in items:
        printer.print(entry)
    if lines.are_dropped:
        days = lines.opened.config.logs.retention_days
        say(f"the lines of run {lines.run_id} were dropped: [logs] retention_days is {days}")
    if following is not None:
        say(f"there are more: --after {following}")


def _follow(lines: Lines, after: int, *, json: bool) -> None:
    from quaero.cli.log_views import LinePrinter
    from quaero.cli.output import write_json_line

    printer = LinePrinter()
    while True:
        are_complete = lines.are_complete
        items, following = lines.read(after, PAGE)
        for entry in items:
            write_json_line(entry) if json else printer.print(entry)
        printer.flush()
        after = items[-1].seq if items else after
        if following is not None:
            continue
        if are_complete:
            return
        time.sleep(POLL_S)
