"""Jobs as text: lists, and one job in full."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec
from rich.console import Console
from rich.text import Text

from quaero.cli.output import console, elapsed, local_time, one_line, plain, say, status_text, table
from quaero.cli.progress import counts, run_state
from quaero.cli.run_tree import read_tree
from quaero.cli.summary import print_next, print_run
from quaero.model.job import Job
from quaero.model.status import JobKind

if TYPE_CHECKING:
    from quaero.app import App


def print_jobs(jobs: Sequence[Job], following: int | None) -> None:
    """A page of jobs."""
    rows = table("id", "name", "status", "jobs", "documents", "created", "time", right=("id", "documents"))
    for job in jobs:
        status = status_text(job.status, job.status_reason, has_errors=job.has_errors)
        if job.kind is JobKind.MANAGER and not job.status.is_terminal and run_state(job):
            status.append(f" ({run_state(job)})", style="yellow")
        what = counts(job) if job.kind is not JobKind.WORKER else Text(_short_error(job), style="red")
        took = elapsed(job.started_at, job.finished_at)
        documents = f"{job.document_count:,}"
        rows.add_row(str(job.id), one_line(job.name), status, what, documents, local_time(job.created_at), took)
    if jobs:
        console().print(rows)
    else:
        say("no jobs")
    if following is not None:
        say(f"there are more: --cursor {following}")


def print_job(app: App, job_id: int, on: Console) -> None:
    """One job of any kind."""
    job = app.store.get_job(job_id)
    if job.kind is JobKind.MANAGER:
        print_run(app, read_tree(app.store, job_id), on)
        on.print()
        _print_facts(_run_facts(job), on)
        print_next(job, on)
        return
    heading = status_text(job.status, job.status_reason, has_errors=job.has_errors)
    on.print(heading.append(f"  {job.kind} job {job.id}  {one_line(job.name)}", style="bold"))
    _print_facts(_step_facts(job) if job.kind is JobKind.STEP else _worker_facts(job), on)
    if job.kind is JobKind.WORKER:
        _print_attempts(app.store.attempts(job_id), on)
    for title, value in (
        ("payload" if job.kind is JobKind.WORKER else "parameters", job.config),
        ("result", job.result),
    ):
        if value:
            on.print(Text(title, style="bold"))
            on.print(plain(_pretty(value)))
    if job.error is not None:
        on.print(Text("error", style="bold"))
        on.print(plain(job.error.traceback or f"{job.error.type}: {job.error.message}"))


def _run_facts(job: Job) -> dict[str, Any]:
    return {
        "definition": job.definition_id,
        "repeats": f"run {job.rerun_of}" if job.rerun_of else None,
        "created": local_time(job.created_at),
        "started": local_time(job.started_at),
        "finished": local_time(job.finished_at),
        "paused": local_time(job.paused_at),
        "cancel asked": local_time(job.cancel_requested_at),
        "config": _pretty(job.config) if job.config else None,
    }


def _step_facts(job: Job) -> dict[str, Any]:
    return {
        "run": job.manager_id,
        "worker type": job.worker_type,
        "jobs": counts(job).plain,
        "documents": job.document_count,
        "message": job.message,
        "started": local_time(job.started_at),
        "finished": local_time(job.finished_at),
    }


def _worker_facts(job: Job) -> dict[str, Any]:
    return {
        "run": job.manager_id,
        "step": f"{job.step_name} ({job.step_id})",
        "worker type": job.worker_type,
        "attempt": f"{job.attempt} (failures {job.failures} of {job.max_attempts}, leases lost {job.rescues})",
        "spawned by": job.spawned_by,
        "held by": f"process {job.claimed_by}" if job.claimed_by else None,
        "created": local_time(job.created_at),
        "started": local_time(job.started_at),
        "finished": local_time(job.finished_at),
    }


def _print_facts(facts: Mapping[str, Any], on: Console) -> None:
    for name, value in facts.items():
        if value not in (None, ""):
            on.print(Text(f"  {name:<14}", style="dim").append(plain(value), style="default"))


def _print_attempts(attempts: Sequence[Mapping[str, Any]], on: Console) -> None:
    if not attempts:
        return
    rows = table("attempt", "ended", "outcome", "error", right=("attempt",))
    for attempt in attempts:
        error = attempt["error"]
        message = one_line(f"{error.type}: {error.message}", 120) if error else ""
        rows.add_row(str(attempt["attempt"]), local_time(attempt["ended_at"]), attempt["outcome"], message)
    on.print(rows)


def _short_error(job: Job) -> str:
    return one_line(f"{job.error.type}: {job.error.message}", 60) if job.error else ""


def _pretty(value: Any) -> str:
    return msgspec.json.format(msgspec.json.encode(value, enc_hook=str), indent=2).decode()
