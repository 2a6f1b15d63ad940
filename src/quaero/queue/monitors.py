"""StepMonitor and JobMonitor: children's progress becomes the parent's status. They execute nothing and poll nothing.

Both are called inside the transaction that finished the last child, so a parent is closed exactly once, by whoever
that was.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from quaero.model.log import LogLevel
from quaero.model.status import StatusReason
from quaero.ports.jobs import RunRow, State, StepRow
from quaero.queue.flow import is_active, is_blocked, run_ending, step_ending
from quaero.queue.job_manager import Definitions, JobManager
from quaero.queue.turn import Turn

StepEnded = Callable[[Turn, RunRow, StepRow], None]
RunEnded = Callable[[Turn, RunRow, State], None]


class StepMonitor:
    """Closes a step when all its jobs are made and none is open."""

    def __init__(self, jobs: JobManager, step_ended: StepEnded) -> None:
        self._jobs = jobs
        self._step_ended = step_ended

    def children_changed(self, turn: Turn, step_id: int) -> None:
        """Called for every step that has no open child after a change."""
        step = turn.tx.step(step_id)
        if step.state.is_terminal or step.open:
            return
        run = turn.tx.run(step.manager_id)
        stopped = run.stop_reason is not None or step.stop_reason is not None
        if not step.sealed and not (stopped and step.claimed_by is None):
            return
        if is_blocked(step) and not stopped:
            return
        ending = step_ending(step, run.stop_reason)
        counts = {"completed": step.completed, "failed": step.failed, "cancelled": step.cancelled}
        if self._jobs.change_step(turn, run, step, ending.state, ending, **counts):
            self._step_ended(turn, run, turn.tx.step(step_id))


class JobMonitor:
    """Closes a run when all its steps are terminal; checks its error tolerance on every failed job."""

    def __init__(self, jobs: JobManager, definitions: Definitions, run_ended: RunEnded) -> None:
        self._jobs = jobs
        self._definitions = definitions
        self._run_ended = run_ended

    def steps_changed(self, turn: Turn, run: RunRow, steps: Sequence[StepRow]) -> bool:
        """True when the run has just ended."""
        if run.state.is_terminal or any(not step.state.is_terminal for step in steps):
            return False
        ending = run_ending(run, steps)
        if not self._jobs.finish_run(turn, run, ending):
            return False
        self._run_ended(turn, run, ending.state)
        return True

    def children_failed(self, turn: Turn, run_id: int) -> None:
        """Jobs of the run have failed for good in this turn, or one of its plans is complete: judge its tolerance."""
        turn.tx.lock_runs([run_id])
        run = turn.tx.run(run_id)
        tolerance = self._definitions.of(turn, run).tolerance
        if run.stop_reason is not None or not (tolerance.max_child_failures or tolerance.max_child_failure_percent):
            return
        steps = [step for step in turn.tx.steps(run_id) if not step.has_runs]
        changes = [turn.gathered(step.id) for step in steps]
        total_failed = sum(step.failed for step in steps) + sum(change.failed for change in changes)
        total = sum(step.total for step in steps) + sum(change.total for change in changes)
        planning = any(not step.sealed and is_active(step) for step in steps)
        by_count = 0 < tolerance.max_child_failures <= total_failed
        share = 100 * total_failed / total if total else 0
        by_share = not planning and 0 < tolerance.max_child_failure_percent <= share
        if not (by_count or by_share):
            return
        message = f"{total_failed} of {total} jobs failed"
        if tolerance.failure_action == "stop_all":
            self._jobs.stop_run(turn, run_id, StatusReason.TOLERANCE, message)
        elif not run.warned:
            turn.tx.set_run_flags(run_id, {"warned": 1, "message": message})
            turn.log_run(run, LogLevel.WARNING, "run.tolerance_hit", "run", message=message)
            if tolerance.failure_action == "mark_warning":
                turn.event("job.warning", run_id, run_id, message=message)
