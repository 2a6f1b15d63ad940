"""Upkeep: what must happen although nothing ended. Deadlines, the auditor's findings, steps that no node can take."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence

from quaero.errors import NotFound
from quaero.model.log import LogLevel
from quaero.model.status import StatusReason
from quaero.ports.jobs import Delta
from quaero.queue.job_manager import JobManager
from quaero.queue.membership import UPKEEP, capabilities_of
from quaero.queue.turn import Turn

EVENTS_KEPT_US = 15 * 60 * 1_000_000
AUDIT_STEPS = 20


def enforce_deadlines(turn: Turn, jobs: JobManager) -> None:
    """Stop runs and steps whose time is up."""
    runs, steps = turn.tx.due_deadlines()
    for run_id in runs:
        jobs.stop_run(turn, run_id, StatusReason.TIMEOUT, "the run's timeout has passed")
        turn.tx.set_run_flags(run_id, {"deadline": 0})
    turn.tx.lock_steps(steps)
    for step_id in steps:
        step = turn.tx.step(step_id)
        jobs.stop_step(turn, step, StatusReason.TIMEOUT, "the step's timeout has passed")
        turn.tx.set_step_flags(step_id, {"deadline": 0})


def maintain(turn: Turn, process_id: int, term: int, suspected: Sequence[int]) -> bool:
    """What the leader does from time to time; False, and nothing is done, where this process leads no more."""
    if not turn.tx.leads(UPKEEP, process_id, term):
        return False
    mend(turn, suspected)
    return True


def tell_of_needs(turn: Turn) -> None:
    """Say once of each step that no node has what it needs; the leader looks at every sign of life."""
    living = [node for node in turn.tx.processes() if node.slots and not node.draining]
    offered = [capabilities_of(node) for node in living if node.lease_until > turn.tx.lease_now]
    missing: defaultdict[int, set[str]] = defaultdict(set)
    told: dict[int, str] = {}
    for step_id, needs, waits_for in turn.tx.wanting():
        told[step_id] = waits_for
        wanted = set(json.loads(needs or "[]"))
        if not any(wanted <= capabilities for capabilities in offered):
            # Where each is to be had somewhere, it is a node with all of them that is missing.
            missing[step_id] |= wanted.difference(*offered) or wanted
    changed = {s: text for s, old in told.items() if (text := ", ".join(sorted(missing[s]))) != old}
    turn.tx.lock_steps(changed)
    for step_id, text in changed.items():
        turn.tx.set_step_flags(step_id, {"waits_for": text})
        step = turn.tx.step(step_id)
        if text and not step.state.is_terminal:
            run = turn.tx.run(step.manager_id)
            turn.event("step.waits_for_node", run.id, step_id, step_name=step.name, needs=text)
            turn.log_step(run, step, LogLevel.WARNING, "step.waits_for_node", needs=text)


def mend(turn: Turn, suspected: Sequence[int]) -> None:
    """Recount steps that the auditor found to differ. What still differs here is mended and counted as drift.

    The counters change in the transactions that end the children, so there must never be anything to find.
    """
    turn.tx.lock_steps(suspected)
    for step_id in suspected:
        try:
            step = turn.tx.step(step_id)
        except NotFound:  # deleted since
            continue
        truth = Delta()
        for state, count in turn.tx.recount(step_id).items():
            truth.create(state, count)
        shown = Delta(
            total=step.total,
            pending=step.pending,
            waiting=step.waiting,
            running=step.running,
            completed=step.completed,
            failed=step.failed,
            cancelled=step.cancelled,
            skipped=step.skipped,
        )
        if shown == truth:
            continue
        drift = turn.delta(step_id)
        for name in ("total", "pending", "waiting", "running", "completed", "failed", "cancelled", "skipped"):
            setattr(drift, name, getattr(truth, name) - getattr(shown, name))
        turn.tx.put_fact("drift", str(int(turn.tx.fact("drift") or 0) + 1))
        run = turn.tx.run(step.manager_id)
        turn.log_step(run, step, LogLevel.ERROR, "auditor.drift", "run", shown=str(shown), counted=str(truth))
    # Whoever was sweeping these may have been interrupted.
    turn.stopped_runs += turn.tx.stopped_runs()
    turn.tx.put_fact("audited_at", str(turn.now))
    turn.tx.prune_events(turn.now - EVENTS_KEPT_US)
