"""What is printed of a run when it is over, and by ``jobs show``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from quaero.cli.output import elapsed, one_line, plain, status_text, table
from quaero.cli.progress import counts
from quaero.cli.run_tree import RunNode, read_forest, read_tree
from quaero.model.job import Job
from quaero.model.status import JobStatus

if TYPE_CHECKING:
    from quaero.app import App

SHOWN_FAMILIES = 5
_MESSAGE = 160


def print_summary(app: App, run_id: int, on: Console) -> None:
    """Status, steps, errors by cause and what to do next, of a run and of those that it started."""
    for node in read_forest(app.store, app.store.run(run_id).root_id):
        print_run(app, node, on)
    print_next(read_tree(app.store, run_id).job, on)


def print_run(app: App, node: RunNode, on: Console) -> None:
    """One run: a heading, its steps as a table, its errors."""
    job = node.job
    heading = status_text(job.status, job.status_reason, has_errors=job.has_errors)
    heading.append(f"  run {job.id}  {one_line(job.name)}", style="bold")
    heading.append(f"  {elapsed(job.started_at, job.finished_at)}", style="dim")
    on.print(heading)
    if job.message:
        on.print(f"  {plain(job.message)}")
    steps = table("", "step", "status", "jobs", "documents", "time", right=("documents", "time"))
    _add_steps(steps, node)
    on.print(steps)
    _print_errors(app, node, on)


def print_next(job: Job, on: Console) -> None:
    """Commands that are useful now."""
    for command, purpose in _following(job):
        on.print(Text(f"  quaero {command}".ljust(44) + purpose, style="dim"))


def _add_steps(steps: Table, node: RunNode, depth: int = 0) -> None:
    for step in node.steps:
        job = step.job
        steps.add_row(
            "",
            "  " * depth + one_line(job.name),
            status_text(job.status, job.status_reason, has_errors=job.has_errors),
            counts(job),
            f"{job.document_count:,}",
            elapsed(job.started_at, job.finished_at),
        )
        for run in step.runs:
            name = "  " * (depth + 1) + f"run {run.job.id} {one_line(run.job.name)}"
            steps.add_row("", name, status_text(run.job.status))
            _add_steps(steps, run, depth + 2)


def _print_errors(app: App, node: RunNode, on: Console) -> None:
    errors = table("", "errors", "what", "for example", right=("errors",))
    for _, count, job_id in app.store.error_families(node.job.id, SHOWN_FAMILIES):
        errors.add_row("", f"{count:,}", _message(app.store.get_job(job_id)), f"job {job_id}")
    for step in node.steps:
        if step.job.error is not None:
            errors.add_row("", "1", f"step {step.job.name}: {_message(step.job)}", f"job {step.job.id}")
    if errors.row_count:
        on.print(errors)


def _message(job: Job) -> str:
    return one_line(f"{job.error.type}: {job.error.message}" if job.error else "no error was recorded", _MESSAGE)


def _following(job: Job) -> list[tuple[str, str]]:
    commands = [(f"logs {job.id}", "what happened, line by line")]
    if job.counters.failed or job.status is JobStatus.FAILED:
        commands = [
            (f"logs {job.id} --level error", "what went wrong"),
            (f"jobs retry-failed {job.id} --run", "do the failed jobs again, and what lies behind them"),
        ]
    if not job.status.is_terminal:
        commands.append((f"run --resume {job.id}", "work on it here"))
    if job.document_count:
        commands.append((f"docs list --run {job.id}", "its documents"))
        commands.append(("docs search WORDS", "search all documents"))
    commands.append((f"jobs show {job.id}", "its steps and counters"))
    return commands
