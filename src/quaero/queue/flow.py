"""Flow control of a run: which steps start, which are skipped, what a finished step or run is. Pure functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple

import msgspec

from quaero.model.definition import JobDefinition, StepDefinition
from quaero.model.status import StatusReason
from quaero.ports.jobs import RunRow, State, StepRow

PRE_JOBS = "pre_jobs"
"""The generated step whose children are the runs of ``pre_jobs``; every other step depends on it."""


class Change(NamedTuple):
    """What happens to a step that has not started."""

    name: str
    action: Literal["start", "skip"]
    reason: StatusReason | None = None


class Ending(NamedTuple):
    state: State
    reason: StatusReason | None
    has_errors: bool
    message: str = ""


def all_steps(definition: JobDefinition) -> tuple[StepDefinition, ...]:
    """The steps as they run: with the generated one in front, where the definition has ``pre_jobs``."""
    if not definition.pre_jobs:
        return definition.steps
    first = StepDefinition(name=PRE_JOBS, type=PRE_JOBS, position=0)
    rest = (
        msgspec.structs.replace(step, depends=(*step.depends, PRE_JOBS), position=step.position + 1)
        for step in definition.steps
    )
    return (first, *rest)


def next_change(
    steps: Sequence[StepDefinition],
    rows: Mapping[str, StepRow],
    *,
    failing: bool,
    max_parallel: int,
    holds: Callable[[StepDefinition], bool],
) -> Change | None:
    """The next step to start or skip, in file order; None when there is nothing to do but wait.

    ``holds`` evaluates a step's condition. Call again after each change until None.
    """
    active = sum(1 for row in rows.values() if is_active(row))
    for step in steps:
        row = rows[step.name]
        if not is_blocked(row):
            if failing and not step.always_run and row.state is State.READY and row.attempt == 0:
                return Change(step.name, "skip", StatusReason.DEPENDENCY)
            continue
        if failing and not step.always_run:
            return Change(step.name, "skip", StatusReason.DEPENDENCY)
        before = [rows[name] for name in step.depends]
        if not all(row.state.is_terminal for row in before):
            continue
        if not step.always_run and any(row.state is not State.COMPLETED for row in before):
            return Change(step.name, "skip", StatusReason.DEPENDENCY)
        if not holds(step):
            return Change(step.name, "skip", StatusReason.CONDITION)
        if active < max_parallel:
            return Change(step.name, "start")
    return None


def is_blocked(row: StepRow) -> bool:
    """Waiting for other steps (and not for a retry of its planning)."""
    return row.state is State.WAITING and row.available_at is None


def is_active(row: StepRow) -> bool:
    return not row.state.is_terminal and not is_blocked(row)


def ended_by_itself(run: RunRow, step: StepRow) -> bool:
    """All that was planned was done, well or badly: neither the step nor its run was told to stop."""
    return run.stop_reason is None and step.stop_reason is None


def step_ending(step: StepRow, run_stop: StatusReason | None) -> Ending:
    """How a step ends whose children are all terminal. First match counts (queue-and-logging.md §4.2)."""
    if run_stop is StatusReason.FATAL and not step.attempt and not step.total:
        return Ending(State.SKIPPED, run_stop, has_errors=False)
    if run_stop is not None:
        return Ending(State.CANCELLED, run_stop, has_errors=step.failed > 0)
    if step.stop_reason is not None:
        return Ending(State.FAILED, step.stop_reason, has_errors=True, message=step.message)
    if step.total == 0:
        return Ending(State.COMPLETED, None, has_errors=False, message=step.message or "nothing to do")
    if step.completed:
        return Ending(State.COMPLETED, None, has_errors=step.failed > 0, message=step.message)
    if step.failed:
        return Ending(State.FAILED, StatusReason.ERROR, has_errors=True, message=step.message)
    return Ending(State.CANCELLED, None, has_errors=False, message=step.message)


def run_ending(run: RunRow, steps: Sequence[StepRow]) -> Ending:
    """How a run ends whose steps are all terminal. First match counts (queue-and-logging.md §4.3)."""
    if run.stop_reason is StatusReason.USER:
        return Ending(State.CANCELLED, StatusReason.USER, has_errors=False, message=run.message)
    if run.stop_reason is not None:
        return Ending(State.FAILED, run.stop_reason, has_errors=True, message=run.message)
    failed = [step.name for step in steps if step.state is State.FAILED]
    message = f"failed: {', '.join(failed)}" if failed else run.message
    if run.failing:
        return Ending(State.FAILED, StatusReason.ERROR, has_errors=True, message=message)
    ran = [step for step in steps if step.state is not State.SKIPPED]
    if failed and len(failed) == len(ran):
        return Ending(State.FAILED, StatusReason.ERROR, has_errors=True, message=message)
    errors = bool(failed) or bool(run.warned) or any(step.has_errors for step in steps)
    return Ending(State.COMPLETED, None, has_errors=errors, message=message)
