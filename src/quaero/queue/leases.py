"""Leases: which processes live, and what happens to the jobs of those that don't.

A process renews one row; its jobs are safe as long as it does. Whoever starts or renews looks for the dead: one of
the same boot and pid namespace whose pid is gone is rescued at once, any other when its lease has run out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from quaero.model.job import JobError
from quaero.ports.jobs import AttemptEnd, LostJob, ProcessRow, State
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
    lease_now: int,
    limits_of: LimitsOf,
    children_failed: Callable[[Turn, int, int], None],
) -> int:
    """Give the jobs of dead processes back; returns how many jobs that were."""
    dead = [p.id for p in turn.tx.processes() if p.id != own_id and _expired(p, is_dead(p), lease_now)]
    count = 0
    for process_id in [*dead, *(holder for holder in turn.tx.orphaned_holders() if holder != own_id)]:
        count += release(turn, process_id, limits_of, children_failed)
        turn.tx.remove_process(process_id)
    return count


def _expired(process: ProcessRow, dead: bool | None, lease_now: int) -> bool:
    # A process that is alive but stopped keeps its jobs only as long as its lease.
    return dead is True or process.lease_until <= lease_now


def release(turn: Turn, process_id: int, limits_of: LimitsOf, children_failed: Callable[[Turn, int, int], None]) -> int:
    """Every job this process held is claimable again; one that was lost too often fails (``crash_loop``)."""
    lost = turn.tx.lost_jobs(process_id)
    if not lost:
        return 0
    doomed = [job for job in lost if job.kind == 2 and job.rescues + 1 >= MAX_RESCUES]
    saved = [job for job in lost if job not in doomed] if doomed else lost
    turn.tx.rescue([job.id for job in saved])
    if doomed:
        turn.tx.fail_lost([job.id for job in doomed])
        turn.tx.put_results([(job.id, None, turn.encode(LOST)) for job in doomed])
    workers = [job for job in lost if job.kind == 2]
    for job in workers:
        turn.delta(job.parent_id).move(State.RUNNING, State.FAILED if job in doomed else State.READY)
    turn.tx.add_attempts(process_id, [AttemptEnd(job.id, job.attempt, "lost") for job in lost])
    _free_slots(turn, workers, limits_of)
    for manager_id, failed in Counter(job.manager_id for job in doomed).items():
        children_failed(turn, manager_id, failed)
    for job in lost:
        if job.kind == 1:
            turn.recheck(job.id)
    turn.event("process.lost", None, None, process_id=process_id, jobs=len(lost), crash_loops=len(doomed))
    turn.made_work = True
    return len(lost)


def _free_slots(turn: Turn, workers: list[LostJob], limits_of: LimitsOf) -> None:
    slots: Counter[tuple[str, str]] = Counter()
    for job in workers:
        slots.update(limits_of(turn, job.parent_id).slots(job.limit_key))
    if slots:
        turn.tx.release_slots(slots)
