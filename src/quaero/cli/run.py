"""``quaero run``: create a run and execute it here, or carry on with one."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from quaero.cli import exits
from quaero.cli.session import Here, Json
from quaero.errors import Refused

if TYPE_CHECKING:
    from quaero.app import App
    from quaero.ports.jobs import ProcessRow

FileOrRun = Annotated[str | None, Parameter(help="A job definition (TOML); with --resume the id of a run.")]
Set = Annotated[list[str] | None, Parameter(name="--set", help="key=value: goes into [config] before anything else.")]
Quiet = Annotated[bool, Parameter(help="Show no progress and no summary.")]
Resume = Annotated[
    bool, Parameter(help="Carry on with an interrupted run: the one named, else the newest (of FILE, if given).")
]


def run(
    file: FileOrRun = None,
    /,
    *,
    assign: Set = None,
    resume: Resume = False,
    json: Json = False,
    quiet: Quiet = False,
    session: Here,
) -> int:
    """Run a job definition here, until it has ended.

    Exit code: 0 completed, 1 failed, 2 not started (bad definition, or refused), 130 cancelled, 143 told to end.
    Ctrl-C cancels the run; a second one leaves at once.
    """
    if file is None and not resume:
        raise exits.UsageError("name a job definition (quaero run FILE), or carry on with --resume")
    with session.app() as app:
        if resume:
            if assign:
                raise exits.UsageError("--set is for new runs: a run keeps the values it was started with")
            run_id = resumed(app, file)
        else:
            run_id = started(app, Path(file or ""), assign or [])
        return work_on(app, run_id, json=json, quiet=quiet)


def work_on(app: App, run_id: int, *, json: bool, quiet: bool) -> int:
    """Execute, then print how it went; the exit code."""
    from quaero.cli.execution import execute
    from quaero.cli.output import console, write_json
    from quaero.cli.run_tree import as_data, read_tree
    from quaero.cli.summary import print_summary

    code = execute(app, run_id, quiet=quiet)
    if json:
        write_json(as_data(read_tree(app.store, run_id)))
    elif not quiet and app.store.run(run_id).state.is_terminal:
        print_summary(app, run_id, console())
    return code


def started(app: App, file: Path, assignments: list[str]) -> int:
    """A new run of the definition in ``file``, committed.

    Raises:
        InvalidDefinition: with its findings; Refused: a run of it is active.
    """
    from quaero.app import definitions_folder
    from quaero.cli.output import say
    from quaero.definitions.context import catalog_of
    from quaero.definitions.files import DefinitionFiles, read_folder, read_given
    from quaero.workers.agents.agent import AVAILABLE_AGENT_TYPES

    given = read_given([file])
    files = DefinitionFiles(
        given=given,
        folder=read_folder(definitions_folder(app.config.data)),
        catalog=catalog_of(app.workers),
        agent_types=AVAILABLE_AGENT_TYPES,
        has_key=app.keys.names().__contains__,
        environment=os.environ,
        overrides=parse_assignments(assignments),
    )
    result = files.load(str(file))
    for finding in result.findings:
        say(str(finding))
    definition = result.definition
    assert definition is not None  # noqa: S101 - load() raises where there is none
    library = files.library(definition)
    try:
        run_id = app.offline.run(lambda turn: app.dispatcher.execute(turn, definition, given[str(file)], library))
    except Refused as error:
        raise with_way_out(app, error) from error
    say(f"run {run_id} of {definition.id}{_waits_for(app, run_id)}")
    return run_id


def parse_assignments(assignments: Sequence[str]) -> dict[str, str]:
    """``k=v`` texts of ``--set`` as a table; the last of several for one key counts."""
    values: dict[str, str] = {}
    for assignment in assignments:
        key, equals, value = assignment.partition("=")
        if not equals or not key:
            raise exits.UsageError(f"--set {assignment}: write --set key=value")
        values[key.strip()] = value
    return values


def resumed(app: App, target: str | None) -> int:
    """The run to carry on with.

    Raises:
        Refused: it has ended; UsageError: there is none.
    """
    run_id = int(target) if target is not None and target.isdecimal() else _newest_open(app, target)
    run = app.store.run(run_id)
    if run.state.is_terminal:
        raise Refused(
            f"run {run_id} has ended ({run.state.status}); to do it again: quaero jobs rerun {run_id}, "
            f"quaero jobs retry-failed {run_id}, or quaero jobs resume-from {run_id} STEP (each with --run)",
            job_id=run_id,
        )
    app.offline.run(lambda turn: app.jobs.resume(turn, run_id))
    return run_id


def with_way_out(app: App, error: Refused) -> Refused:
    """The refusal, with what to do about an active run that nobody works on any more."""
    if error.job_id is None or any(is_alive(app, process) for process in app.store.processes()):
        return error
    message = f"{error}. No process works on it: carry on with quaero run --resume {error.job_id}"
    return Refused(message, job_id=error.job_id)


def is_alive(app: App, process: ProcessRow) -> bool:
    """Whether a process that is registered still works."""
    return process.lease_until > app.store.lease_now() and app.host.is_dead(process) is not True


def _newest_open(app: App, target: str | None) -> int:
    """The newest run that is not over, of the definition in the file ``target`` where that is given."""
    from quaero.definitions.context import peek
    from quaero.definitions.files import read_text

    runs = [app.store.run(run_id) for run_id in reversed(app.store.open_runs())]
    runs = [run for run in runs if run.parent_step is None]
    if target is not None:
        found = peek(read_text(Path(target)), file=target)
        runs = [run for run in runs if found is not None and run.definition_id == found[0]]
    if not runs:
        of = f" of {target}" if target else ""
        raise exits.UsageError(f"there is no interrupted run{of}; quaero jobs list shows all runs")
    return runs[0].id


def _waits_for(app: App, run_id: int) -> str:
    """Said of a run that must wait for its turn (``overlap``)."""
    run = app.store.run(run_id)
    if not run.queued:
        return ""
    before = [
        other.id
        for other in map(app.store.run, app.store.open_runs())
        if other.definition_id == run.definition_id and other.id < run_id and other.parent_step is None
    ]
    return f", waiting for run {', '.join(map(str, before))}"
