"""Attempts end here: a batch of outcomes becomes statuses, documents, children and counters, in one turn.

Every write of an attempt is fenced: it counts only while the job is running with that very attempt. What a refused
attempt carried is dropped, and shown as an event.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from typing import Any, Literal

import msgspec

from quaero.model.job import JobError
from quaero.model.status import StatusReason
from quaero.ports.jobs import AttemptEnd, ChildBatch, Held, Settled, State
from quaero.queue.turn import Turn

Done = tuple[int, int, int]
"""(job, attempt, step) of an attempt that succeeded and left nothing else behind."""

EndKind = Literal["completed", "failed", "retried", "snoozed", "released", "cancelled"]


class Ended(msgspec.Struct, kw_only=True):
    """An attempt that ended in any other way, with all that it carries."""

    job_id: int
    attempt: int
    step_id: int
    manager_id: int
    kind: EndKind
    reason: StatusReason | None = None
    delay_us: int | None = None
    failures: int = 0
    error: JobError | None = None
    documents: Any = None
    children: ChildBatch | None = None
    result: dict[str, Any] | None = None
    warnings: int = 0
    limiter: tuple[tuple[str, str], ...] = ()
    """(worker type, key) of the slots it held."""


_RETURNING = frozenset({"retried", "snoozed", "released"})
_NEED_THE_RUN = _RETURNING | {"failed"}
_STATES = {
    "completed": State.COMPLETED,
    "failed": State.FAILED,
    "retried": State.WAITING,
    "snoozed": State.WAITING,
    "released": State.READY,
    "cancelled": State.CANCELLED,
}


def finish(
    turn: Turn,
    done: Sequence[Done],
    ended: Sequence[Ended],
    process_id: int,
    children_failed: Callable[[Turn, int], None],
) -> int:
    """Write a batch of outcomes; returns how many were refused."""
    refused = _complete_plain(turn, done)
    if ended:
        accepted = turn.tx.accepted([(e.job_id, e.attempt) for e in ended])
        kept = []
        for e in ended:
            if (e.job_id, e.attempt) in accepted:
                accepted.discard((e.job_id, e.attempt))
                kept.append(e)
            else:
                refused.append(e.job_id)
        _finish_rich(turn, kept, {d[2] for d in done}, process_id, children_failed)
    if refused:
        turn.event("job.refused", None, None, job_ids=refused[:1000], count=len(refused))
    return len(refused)


def _complete_plain(turn: Turn, done: Sequence[Done]) -> list[int]:
    if not done:
        return []
    refused = turn.tx.complete([d[:2] for d in done])
    steps = Counter([d[2] for d in done])
    steps.subtract([done[place][2] for place in refused])
    for step_id, count in steps.items():
        if count:
            turn.delta(step_id).move(State.RUNNING, State.COMPLETED, count)
    return [done[place][0] for place in refused]


def _stop_what_returns(turn: Turn, ended: Sequence[Ended]) -> list[Ended]:
    """Nothing becomes pending again below a step that is to end: its sweep may be over already."""
    returning = {e.step_id for e in ended if e.kind in _RETURNING or e.children is not None}
    stopped = {step_id: reason for step_id in returning if (reason := turn.stop_reason(step_id)) is not None}
    if not stopped:
        return list(ended)
    return [_stopped(e, stopped[e.step_id]) if e.step_id in stopped else e for e in ended]


def _stopped(e: Ended, reason: StatusReason) -> Ended:
    if e.kind in _RETURNING:
        return msgspec.structs.replace(e, kind="cancelled", reason=reason, delay_us=None, children=None)
    return msgspec.structs.replace(e, children=None)


def _finish_rich(
    turn: Turn,
    ended: Sequence[Ended],
    other_steps: Collection[int],
    process_id: int,
    children_failed: Callable[[Turn, int], None],
) -> None:
    # In the order of locks: jobs, documents, limits, dedup keys, then what needs the roots of runs.
    completed = [e for e in ended if e.kind == "completed"]
    if completed:
        turn.tx.complete([Held(e.job_id, e.attempt) for e in completed])
    _write_documents(turn, ended)
    slots = Counter(slot for e in ended for slot in e.limiter)
    if slots:
        turn.tx.lock_limits(wait=True)
        turn.tx.release_slots(slots)
    if any(e.children is not None and e.children.has_dedup for e in ended):
        turn.tx.lock_dedup()
    if any(e.kind in _NEED_THE_RUN or e.children is not None for e in ended):
        # With those that the counters need later: roots are locked in one order, so at one time.
        turn.tx.lock_steps({*other_steps, *(e.step_id for e in ended)})
    ended = _stop_what_returns(turn, ended)
    others = [e for e in ended if e.kind != "completed"]
    if others:
        turn.tx.settle([_settled(turn, e) for e in others])
    for e in ended:
        delta = turn.delta(e.step_id)
        delta.move(State.RUNNING, _STATES[e.kind])
        delta.warnings += e.warnings
        delta.retried += e.kind == "retried"
    _spawn(turn, ended)
    _keep_records(turn, ended, process_id)
    for manager_id in dict.fromkeys(e.manager_id for e in ended if e.kind == "failed"):
        children_failed(turn, manager_id)


def _settled(turn: Turn, e: Ended) -> Settled:
    due = None if e.delay_us is None else turn.now + e.delay_us
    return Settled(e.job_id, e.attempt, _STATES[e.kind], e.reason, due, e.failures)


def _write_documents(turn: Turn, ended: Sequence[Ended]) -> None:
    batch = [e.documents for e in ended if e.documents is not None and e.kind == "completed"]
    if not batch:
        return
    changes = turn.tx.write_documents(batch)
    for (_, step_id), count in changes.linked.items():
        turn.delta(step_id).documents += count
    saved: Counter[tuple[int, str]] = Counter()
    for e in ended:
        made = changes.jobs.get(e.job_id)
        if made and e.kind == "completed":
            ids = [item.id for item in made if item.change not in {"enriched", "gone"}]
            e.result = {**(e.result or {}), "document_ids": ids}
            saved.update((e.manager_id, item.change) for item in made)
        if problems := changes.refused.get(e.job_id):
            e.result = {**(e.result or {}), "errors": list(problems)}
            turn.delta(e.step_id).warnings += len(problems)
    for (manager_id, action), count in saved.items():
        if action != "unchanged":
            kind = "document.saved" if action == "created" else "document.updated"
            turn.event(kind, manager_id, None, count=count)


def _spawn(turn: Turn, ended: Sequence[Ended]) -> None:
    steps: dict[tuple[int, int], ChildBatch] = {}
    for e in ended:
        if e.children is not None and e.kind == "completed":
            batch = steps.setdefault((e.manager_id, e.step_id), ChildBatch())
            batch.payloads += e.children.payloads
            batch.rows += e.children.rows
    for (manager_id, step_id), children in steps.items():
        added = turn.tx.add_children(manager_id, step_id, children)
        turn.delta(step_id).create(State.READY, added)
        turn.made_work = True


def _keep_records(turn: Turn, ended: Sequence[Ended], process_id: int) -> None:
    results = [
        (
            e.job_id,
            None if e.result is None else turn.encode(e.result),
            None if e.error is None else turn.encode(e.error),
        )
        for e in ended
        if e.result is not None or e.error is not None
    ]
    if results:
        turn.tx.put_results(results)
    attempts = [
        AttemptEnd(e.job_id, e.attempt, e.kind, e.error) for e in ended if e.kind != "completed" or e.attempt > 1
    ]
    if attempts:
        turn.tx.add_attempts(process_id, attempts)
