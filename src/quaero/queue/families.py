"""Families of errors that somebody chose to look past, run by run. The jobs stay failed; they are only told apart."""

from __future__ import annotations

from quaero.errors import Refused
from quaero.queue.turn import Turn


def ignore_family(turn: Turn, run_id: int, family: str, by: str = "") -> bool:
    """Look past the failed jobs of a run with errors of this family; False when that is so already.

    Raises:
        NotFound: no such run. Refused: none of its jobs failed of it.
    """
    turn.tx.lock_runs([run_id])
    turn.tx.run(run_id)
    if not turn.tx.upkeep.failed_in_family(run_id, family):
        raise Refused(f"no job of run {run_id} failed of {family!r}", job_id=run_id)
    changed = turn.tx.upkeep.ignore_family(run_id, family, by)
    if changed:
        turn.event("job.family_ignored", run_id, run_id, family=family)
    return changed


def heed_family(turn: Turn, run_id: int, family: str) -> bool:
    """Look past it no more; False when it was not ignored. Raises NotFound for the run."""
    turn.tx.lock_runs([run_id])
    turn.tx.run(run_id)
    changed = turn.tx.upkeep.heed_family(run_id, family)
    if changed:
        turn.event("job.family_heeded", run_id, run_id, family=family)
    return changed
