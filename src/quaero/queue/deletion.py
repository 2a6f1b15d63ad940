"""Deleting a run with all below it: gone from every list at once, swept in chunks behind that.

What goes: the run, its child runs, their steps and jobs with payloads, results and attempts, what its steps left in
the cache, its links to documents, families of it that were ignored. What stays: its documents with their revisions and
lineage (which go on naming the jobs that made them), its log lines until their day is dropped, the pinned definition,
and runs that its end started. One turn deletes the rows of runs and steps, counters among them, so that nothing refers
to jobs that are half gone; the worker jobs follow, a chunk a turn, by whoever deleted the run and by the leader.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from quaero.errors import Refused
from quaero.ports.jobs import RunRow
from quaero.queue.turn import Turn

SWEEP_AT_ONCE = 5_000
"""Worker jobs, or links to documents, that one turn deletes."""


def delete_run(turn: Turn, run_id: int) -> list[int]:
    """The ids of the runs that are gone: this one and its child runs. :func:`sweep_deleted` does the rest.

    Raises:
        NotFound: no such run. Refused: it, or a run that needs it, is active, or it is part of another run; ``job_id``
            names the run in the way.
    """
    # Who makes it run again takes the same lock, and finds it whole or not at all.
    turn.tx.lock_runs([run_id])
    run = turn.tx.run(run_id)
    if run.parent_step is not None:
        parent = turn.tx.step(run.parent_step).manager_id
        raise Refused(f"run {run_id} is part of run {parent}; delete that one, and it goes as well", job_id=parent)
    tree = _with_children(turn, run)
    active = next((found for found in tree if not found.state.is_terminal), None)
    if active is not None:
        raise Refused(
            f"run {active.id} is still active ({active.state.status}); cancel it first "
            f"(quaero jobs cancel {active.id}), or wait for its end",
            job_id=active.id,
        )
    if run.id == run.root_id and (others := turn.tx.upkeep.open_of_root(run.id)):
        raise Refused(f"run {others[0]}, which the end of run {run_id} started, is still active", job_id=others[0])
    for found in tree:
        if again := turn.tx.upkeep.open_reruns(found.id):
            raise Refused(f"run {again[0]} takes over from run {found.id} and is still active", job_id=again[0])
    ids = [found.id for found in tree]
    turn.tx.upkeep.delete_runs(ids)
    for found in tree:
        turn.event("job.deleted", found.id, found.id, definition_id=found.definition_id)
    return ids


def sweep_deleted(turn: Turn) -> bool:
    """Delete a chunk of what deleted runs have left; True when there may be more. May be repeated at will."""
    return turn.tx.upkeep.sweep(SWEEP_AT_ONCE)


async def sweep_all(write: Callable[[Callable[[Turn], Any]], Awaitable[Any]]) -> None:
    """Chunk by chunk, each a turn of its own; others have theirs between."""
    while await write(sweep_deleted):
        pass


def _with_children(turn: Turn, run: RunRow) -> list[RunRow]:
    """The run, its child runs, theirs, and so on."""
    tree = [run]
    for found in tree:
        tree += [turn.tx.run(child) for child in turn.tx.child_runs(found.id)]
    return tree
