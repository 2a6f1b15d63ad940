"""``quaero jobs``: runs and their jobs; stopping, pausing and repeating them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from quaero.cli import exits
from quaero.cli.session import Here, Json
from quaero.model.status import JobKind, JobStatus

if TYPE_CHECKING:
    from quaero import app as composition
    from quaero.queue.turn import Turn

app = App(name="jobs", help="Runs and their jobs: look at them, stop them, do them again.")

Status = Annotated[JobStatus | None, Parameter(help="Only those with this status.")]
Parent = Annotated[int | None, Parameter(help="List the children of this run or step instead of the runs.")]
Limit = Annotated[int, Parameter(help="At most so many.")]
Cursor = Annotated[int | None, Parameter(help="Where to go on: next of the page before.")]
RunHere = Annotated[bool, Parameter(name="--run", help="Execute the new run here, instead of leaving it to a worker.")]
Quiet = Annotated[bool, Parameter(help="With --run: no progress and no summary.")]


@app.command(name="list")
def list_jobs(
    *,
    status: Status = None,
    parent: Parent = None,
    limit: Limit = 20,
    cursor: Cursor = None,
    json: Json = False,
    session: Here,
) -> None:
    """List the runs, newest first, or the children of one job in their order."""
    from quaero.cli.job_views import print_jobs
    from quaero.cli.output import write_page

    with session.app() as opened:
        store, size = opened.store, max(1, limit)
        if parent is None:
            found = store.list_runs(limit=size + 1, cursor=cursor, status=status)
        else:
            found = store.list_children(parent, limit=size + 1, cursor=cursor, status=status)
    page = found[:size]
    following = page[-1].id if len(found) > size else None
    if json:
        write_page(page, following)
    else:
        print_jobs(page, following)


@app.command
def show(job_id: int, /, *, json: Json = False, session: Here) -> None:
    """Show a run with its steps, a step, or one worker job with its attempts, payload, result and error."""
    from quaero.cli.job_views import print_job
    from quaero.cli.output import console, write_json

    with session.app() as opened:
        if json:
            write_json(_data(opened, job_id))
        else:
            print_job(opened, job_id, console())


@app.command
def cancel(run_id: int, /, *, json: Json = False, session: Here) -> None:
    """Cancel a run: what is pending at once, what runs as soon as it can stop."""
    _change(session, run_id, lambda opened, turn: opened.jobs.cancel(turn, run_id), "cancel", json=json)


@app.command
def pause(run_id: int, /, *, json: Json = False, session: Here) -> None:
    """Start nothing more of a run; what runs goes on."""
    _change(session, run_id, lambda opened, turn: opened.jobs.pause(turn, run_id), "pause", json=json)


@app.command
def resume(run_id: int, /, *, json: Json = False, session: Here) -> None:
    """Let a paused run go on."""
    _change(session, run_id, lambda opened, turn: opened.jobs.resume(turn, run_id), "resume", json=json)


@app.command
def rerun(run_id: int, /, *, execute: RunHere = False, json: Json = False, quiet: Quiet = False, session: Here) -> int:
    """Do a run once more, by the definition it was started with."""
    from quaero.queue import reruns

    return _again(
        session, run_id, lambda opened, turn: reruns.rerun(opened.dispatcher, turn, run_id), execute, json, quiet
    )


@app.command(name="retry-failed")
def retry_failed(
    run_id: int, /, *, execute: RunHere = False, json: Json = False, quiet: Quiet = False, session: Here
) -> int:
    """Do the failed jobs of a run once more, then every step behind them. The rest is taken over."""
    from quaero.queue import reruns

    def command(opened: composition.App, turn: Turn) -> int:
        return reruns.retry_failed(opened.dispatcher, turn, run_id, opened.store.definition_of(run_id))

    return _again(session, run_id, command, execute, json, quiet)


@app.command(name="resume-from")
def resume_from(
    run_id: int, step: str, /, *, execute: RunHere = False, json: Json = False, quiet: Quiet = False, session: Here
) -> int:
    """Do a step of a run once more, and every step behind it. The steps before it are taken over."""
    from quaero.queue import reruns

    def command(opened: composition.App, turn: Turn) -> int:
        return reruns.resume_from(opened.dispatcher, turn, run_id, opened.store.definition_of(run_id), step)

    return _again(session, run_id, command, execute, json, quiet)


def _change(
    session: Here, run_id: int, command: Callable[[composition.App, Turn], None], verb: str, *, json: bool
) -> None:
    """Carry out a command on a run and show how it stands then."""
    from quaero.cli.output import say, write_json
    from quaero.cli.progress import run_state

    with session.app() as opened:
        _require_run(opened, run_id, verb)
        opened.offline.run(lambda turn: command(opened, turn))
        job = opened.store.get_job(run_id)
    if json:
        write_json(job)
    else:
        say(
            f"run {run_id} is {run_state(job) or job.status}"
            if not job.status.is_terminal
            else f"run {run_id} {job.status}"
        )


def _again(
    session: Here,
    run_id: int,
    command: Callable[[composition.App, Turn], int],
    execute: bool,
    json: bool,
    quiet: bool,
) -> int:
    """Create the new run, tell its id, and execute it where that is wished for."""
    from quaero.cli.output import say, write_json
    from quaero.cli.run import work_on
    from quaero.cli.run_tree import as_data, read_tree

    with session.app() as opened:
        _require_run(opened, run_id, "repeat")
        new_id = opened.offline.run(lambda turn: command(opened, turn))
        if execute:
            say(f"run {new_id} repeats run {run_id}")
            return work_on(opened, new_id, json=json, quiet=quiet)
        if json:
            write_json(as_data(read_tree(opened.store, new_id)))
            return exits.OK
        print(new_id)
        if not quiet:
            say(f"run {new_id} waits for a worker; execute it here with: quaero run --resume {new_id}")
    return exits.OK


def _require_run(opened: composition.App, run_id: int, verb: str) -> None:
    job = opened.store.get_job(run_id)
    if job.kind is not JobKind.MANAGER:
        raise exits.UsageError(f"job {run_id} is a {job.kind} job; {verb} its run, {job.manager_id}")


def _data(opened: composition.App, job_id: int) -> dict[str, Any]:
    import msgspec

    from quaero.cli.run_tree import as_data, read_tree

    job = opened.store.get_job(job_id)
    if job.kind is JobKind.MANAGER:
        return as_data(read_tree(opened.store, job_id))
    data = msgspec.structs.asdict(job)
    return data if job.kind is JobKind.STEP else {**data, "attempts": opened.store.attempts(job_id)}
