"""Running again what has ended: which steps of the old run count for the new one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from quaero.definitions.findings import did_you_mean
from quaero.definitions.graph import dependants, depends_graph
from quaero.errors import NotFound, Refused
from quaero.model.definition import JobDefinition
from quaero.ports.jobs import State, StepRow
from quaero.queue.dispatcher import JobDispatcher
from quaero.queue.flow import all_steps
from quaero.queue.turn import Turn


def rerun(dispatcher: JobDispatcher, turn: Turn, run_id: int) -> int:
    """Everything once more; the new run's id."""
    return dispatcher.rerun(turn, run_id, keep=lambda _name, _steps: False)


def retry_failed(
    dispatcher: JobDispatcher, turn: Turn, run_id: int, definition: JobDefinition, *, family: str | None = None
) -> int:
    """The failed jobs once more, then every step behind theirs.

    With ``family`` only the failed jobs of this family of errors, and every step behind theirs; a step that failed
    otherwise enters as it ended.

    Raises:
        Refused: the run is active, or nothing in it failed (of this family).
    """
    if family is not None:
        return _retry_family(dispatcher, turn, run_id, definition, family)
    steps = {step.name: step for step in turn.tx.steps(run_id)}
    is_over = turn.tx.run(run_id).state.is_terminal
    if is_over and not any(step.failed or step.state is State.FAILED for step in steps.values()):
        raise Refused(f"nothing failed in run {run_id}; quaero jobs rerun {run_id} does all of it again", job_id=run_id)
    again = _with_all_behind(definition, (s.name for s in steps.values() if s.failed or s.state is not State.COMPLETED))
    return dispatcher.rerun(turn, run_id, keep=lambda name, _steps: name not in again, retry_failed=True)


def _retry_family(dispatcher: JobDispatcher, turn: Turn, run_id: int, definition: JobDefinition, family: str) -> int:
    turn.tx.lock_runs([run_id])
    is_over = turn.tx.run(run_id).state.is_terminal
    found = turn.tx.upkeep.failed_in_family(run_id, family)
    if is_over and not found:
        raise Refused(f"no job of run {run_id} failed of {family or 'an error without a family'!r}", job_id=run_id)
    again = _with_all_behind(definition, (step.name for step in turn.tx.steps(run_id) if step.id in found))
    return dispatcher.rerun(turn, run_id, keep=lambda name, _steps: name not in again, retry_failed=True, family=family)


def resume_from(dispatcher: JobDispatcher, turn: Turn, run_id: int, definition: JobDefinition, step: str) -> int:
    """This step and every one behind it once more; also what did not complete, with all behind that.

    Raises:
        NotFound: the run has no such step; Refused: the run is active.
    """
    steps: Mapping[str, StepRow] = {row.name: row for row in turn.tx.steps(run_id)}
    if step not in steps:
        hint = did_you_mean(step, steps) or f"its steps are {', '.join(steps)}"
        raise NotFound(f"run {run_id} has no step {step!r}; {hint}")
    unfinished = (row.name for row in steps.values() if row.state is not State.COMPLETED)
    again = _with_all_behind(definition, (step, *unfinished))
    return dispatcher.rerun(turn, run_id, keep=lambda name, _steps: name not in again)


def _with_all_behind(definition: JobDefinition, names: Iterable[str]) -> set[str]:
    graph = depends_graph(all_steps(definition))
    found: set[str] = set()
    for name in names:
        found |= {name, *dependants(graph, name)}
    return found
