"""Leases: which processes live, and what happens to the jobs of those that don't.

A process renews one row; its jobs are safe as long as it does. Whoever starts or renews looks for the dead: one of
the same boot and pid namespace whose pid is gone is rescued at once, any other when its lease has run out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence

from quaero.model.job import JobError
from quaero.model.status import StatusReason
from quaero.ports.jobs import AttemptEnd, LostJob, ProcessRow, Settled, State
from quaero.queue.claims import LimitsOf
from quaero.queue.retry import MAX_RESCUES
from quaero.queue.turn import Turn

IsDead = Callable[[ProcessRow], bool | None]
"""True: surely gone. False: surely alive. None: only its lease can tell."""

LOST = JobError(type="LostLease", message="its process was gone ten times while it held this job", family="LostLease")


def rescue_dead(
    turn: Turn,
    own_id: int,
    is_dead: IsDead,
    limits_of: LimitsOf,
    children_failed: Callable[[Turn, int], None],
    processes: Sequence[ProcessRow] | None = None,
    *,
    by_lease: bool = True,
) -> int:
    """Give the jobs of dead processes back; returns how many jobs that were.

    Not ``by_lease``: only of those that are surely gone. With ``processes`` (from a renewal) only these are looked at;
    else also jobs whose process has no row at all.
    """
    lease_now = turn.tx.lease_now if by_lease else 0
    known = turn.tx.processes() if processes is None else processes
    others = [(p, is_dead(p)) for p in known if p.id != own_id]
    dead = [(p.id, None if gone else p.lease_until) for p, gone in others if _expired(p, gone, lease_now)]
    orphaned = turn.tx.orphaned_holders() if processes is None else []
    removed = [process_id for process_id, lease in dead if turn.tx.remove_process(process_id, lease)]
    count = release(turn, [*removed, *(h for h in orphaned if h != own_id)], limits_of, children_failed)
    if dead:
        # One of them may have been sweeping.
        turn.stopped_runs += turn.tx.stopped_runs()
    return count


def _expired(process: ProcessRow, dead: bool | None, lease_now: int) -> bool:
    # A process that is alive but stopped keeps its jobs only as long as its lease.
    return dead is True or process.lease_until <= lease_now


def release(
    turn: Turn, process_ids: Sequence[int], limits_of: LimitsOf, children_failed: Callable[[Turn, int], None]
) -> int:
    """Every job these processes held is claimable again; one that was lost too often fails (``crash_loop``)."""
    # In the order of locks: the jobs of all, limits, roots.
    lost = {process_id: turn.tx.lost_jobs(process_id) for process_id in sorted(process_ids)}
    found = [job for jobs in lost.values() for job in jobs]
    _free_slots(turn, [job for job in found if job.kind == 2], limits_of)
    turn.tx.lock_steps(job.id if job.kind == 1 else job.parent_id for job in found)
    for process_id, jobs in lost.items():
        if jobs:
            _give_back(turn, process_id, jobs, children_failed)
    return len(found)


def _give_back(
    turn: Turn, process_id: int, lost: Sequence[LostJob], children_failed: Callable[[Turn, int], None]
) -> None:
    steps = [job for job in lost if job.kind == 1]
    workers = [job for job in lost if job.kind == 2]
    doomed = {job.id for job in lost if job.rescues + 1 >= MAX_RESCUES}
    if doomed:
        turn.tx.put_results([(job_id, None, turn.encode(LOST)) for job_id in sorted(doomed)])
    _give_back_plans(turn, steps, doomed)
    _give_back_jobs(turn, workers, doomed)
    turn.tx.add_attempts(process_id, [AttemptEnd(job.id, job.attempt, "lost") for job in lost])
    for manager_id in dict.fromkeys(job.manager_id for job in workers if job.id in doomed):
        children_failed(turn, manager_id)
    turn.event("process.lost", None, None, process_id=process_id, jobs=len(lost), crash_loops=len(doomed))
    turn.made_work = True


def _give_back_plans(turn: Turn, lost: Sequence[LostJob], doomed: Collection[int]) -> None:
    turn.tx.rescue([job.id for job in lost if job.id not in doomed])
    for job in lost:
        if job.id in doomed:
            flags = {"stop_reason": StatusReason.CRASH_LOOP, "sealed": 1, "deadline": 0, "message": LOST.message}
            turn.tx.set_step_flags(job.id, flags)
            turn.tx.release_claim(job.id)
            turn.stopped_runs.append(job.manager_id)
        turn.recheck(job.id)


def _give_back_jobs(turn: Turn, lost: Sequence[LostJob], doomed: Collection[int]) -> None:
    stopped = {step_id: turn.stop_reason(step_id) for step_id in {job.parent_id for job in lost}}
    ended = [job for job in lost if stopped[job.parent_id] is not None]
    going_on = [job for job in lost if stopped[job.parent_id] is None]
    failed = [job for job in going_on if job.id in doomed]
    kept = [job for job in going_on if job.id not in doomed]
    turn.tx.rescue([job.id for job in kept])
    turn.tx.fail_lost([job.id for job in failed])
    turn.tx.settle([Settled(job.id, job.attempt, State.CANCELLED, stopped[job.parent_id]) for job in ended])
    for jobs, state in ((kept, State.READY), (failed, State.FAILED), (ended, State.CANCELLED)):
        for step_id, count in Counter(job.parent_id for job in jobs).items():
            turn.delta(step_id).move(State.RUNNING, state, count)


def _free_slots(turn: Turn, workers: list[LostJob], limits_of: LimitsOf) -> None:
    slots: Counter[tuple[str, str]] = Counter()
    for job in workers:
        slots.update(limits_of(turn, job.parent_id).slots(job.limit_key))
    if slots:
        turn.tx.lock_limits(wait=True)
        turn.tx.release_slots(slots)
