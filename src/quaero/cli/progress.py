"""How a run gets on, on standard error: a live tree on a terminal, else one line per change of a step."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Protocol

from rich.console import Console, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from quaero.cli.output import ICONS, console, elapsed, one_line, say
from quaero.cli.run_tree import RunNode, StepNode
from quaero.model.job import Job
from quaero.model.status import JobKind, JobStatus

RATE_SPAN_S = 5.0
"""A rate is measured over the last seconds."""
_BAR = 24
_NAME = 40


class Progress(Protocol):
    """Shown what is stored, a few times a second at most."""

    def show(self, forest: Sequence[RunNode], trouble: str = "") -> None:
        """``trouble``: why nothing can be stored at the moment."""
        ...

    def close(self) -> None: ...


def progress_for(*, quiet: bool) -> Progress:
    """What suits standard error."""
    if quiet:
        return Silence()
    err = console(stderr=True)
    return LiveTree(err) if err.is_terminal else Lines()


class Silence:
    """Shows nothing."""

    def show(self, forest: Sequence[RunNode], trouble: str = "") -> None:
        pass

    def close(self) -> None:
        pass


class Lines:
    """One line whenever a run or step has another status than before."""

    def __init__(self) -> None:
        self._shown: dict[int, JobStatus] = {}
        self._trouble = ""

    def show(self, forest: Sequence[RunNode], trouble: str = "") -> None:
        if trouble != self._trouble:
            self._trouble = trouble
            say(f"{_clock()} {trouble or 'the store can be written again'}")
        for run in forest:
            # A run is told to have ended after its steps, and to have begun before them.
            for job in sorted(run.jobs(), key=lambda job: job.kind is JobKind.MANAGER and job.status.is_terminal):
                if self._shown.get(job.id, JobStatus.PENDING) is not job.status:
                    say(f"{_clock()} {line_of(job)}")
                self._shown[job.id] = job.status

    def close(self) -> None:
        pass


class LiveTree:
    """The tree of runs and steps, drawn over itself."""

    def __init__(self, on: Console) -> None:
        self._live = Live(console=on, auto_refresh=False, vertical_overflow="ellipsis")
        self._live.start()
        self._rates: dict[int, Rate] = {}

    def show(self, forest: Sequence[RunNode], trouble: str = "") -> None:
        self._live.update(self._drawn(forest, trouble), refresh=True)

    def close(self) -> None:
        self._live.stop()

    def _drawn(self, forest: Sequence[RunNode], trouble: str) -> RenderableType:
        grid = Table.grid(padding=(0, 2, 0, 0))
        for run in forest:
            for depth, job in _with_depth(run):
                grid.add_row(*self._row(job, depth))
        if trouble:
            grid.add_row(Text(one_line(trouble), style="red"))
        return grid

    def _row(self, job: Job, depth: int) -> list[RenderableType]:
        icon, style = ICONS[job.status]
        name = f"{job.name} (run {job.id})" if job.kind is JobKind.MANAGER else job.name
        title = Text("  " * depth).append(f"{icon} ", style=style).append(one_line(name, _NAME))
        took = elapsed(job.started_at, job.finished_at)
        if job.kind is JobKind.MANAGER:
            return [title, "", Text(run_state(job), style="yellow"), "", "", took]
        rate = self._rates.setdefault(job.id, Rate()).per_second(done(job))
        return [
            title,
            bar(job) if job.counters.total else "",
            counts(job),
            documents(job),
            f"{rate:,.0f}/s" if rate and job.status is JobStatus.RUNNING else "",
            took,
        ]


class Rate:
    """How fast a count grows, over the last seconds."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def per_second(self, count: int) -> float:
        now = time.monotonic()
        self._seen.append((now, count))
        while now - self._seen[0][0] > RATE_SPAN_S and len(self._seen) > 2:
            self._seen.popleft()
        since, before = self._seen[0]
        return (count - before) / (now - since) if now > since else 0.0


def bar(job: Job) -> ProgressBar:
    """How much of a step is done."""
    failed = job.status is JobStatus.FAILED
    return ProgressBar(job.counters.total, done(job), width=_BAR, complete_style="red" if failed else "cyan")


def counts(job: Job) -> Text:
    """``12/40`` and what went wrong."""
    counters = job.counters
    text = Text(f"{done(job):,}/{counters.total:,}" if counters.total else one_line(job.message, _NAME))
    for name, style in (("failed", "red"), ("cancelled", "yellow"), ("retried", "yellow")):
        if count := getattr(counters, name):
            text.append(f" {count:,} {name}", style=style)
    if job.status.is_terminal and job.status_reason:
        text.append(f" {job.status_reason}", style="dim")
    return text


def documents(job: Job) -> str:
    return f"{job.document_count:,} documents" if job.document_count else ""


def done(job: Job) -> int:
    return job.counters.total - job.counters.open


def run_state(job: Job) -> str:
    """The flags of a run that is not over."""
    if job.status.is_terminal:
        return str(job.status_reason or "")
    if job.cancel_requested_at:
        return "cancelling"
    return "paused" if job.paused_at else ""


def line_of(job: Job) -> str:
    """A run or step in one line: ``step index completed: 12 completed, 34 documents``."""
    kind = f"run {job.id}" if job.kind is JobKind.MANAGER else f"step {job.name}"
    counters = job.counters
    parts = [f"{n:,} {name}" for name in ("completed", "failed", "cancelled") if (n := getattr(counters, name))]
    if job.status is JobStatus.RUNNING and counters.open:
        parts.append(f"{counters.open:,} open")
    if job.document_count:
        parts.append(documents(job))
    reason = f" ({job.status_reason})" if job.status_reason else ""
    message = [one_line(job.message)] if job.message and job.status.is_terminal else []
    details = ", ".join(parts + message)
    return f"{kind} {job.status}{reason}{': ' if details else ''}{details}"


def _with_depth(run: RunNode, depth: int = 0) -> Iterator[tuple[int, Job]]:
    yield depth, run.job
    for step in run.steps:
        yield from _step_with_depth(step, depth + 1)


def _step_with_depth(step: StepNode, depth: int) -> Iterator[tuple[int, Job]]:
    yield depth, step.job
    for run in step.runs:
        yield from _with_depth(run, depth + 1)


def _clock() -> str:
    return datetime.now().astimezone().strftime("%H:%M:%S")
