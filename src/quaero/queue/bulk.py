"""One action on many runs: counted first, then carried out run by run, each in a turn of its own.

Whoever asks for it says how many runs he has seen; when they are more or fewer by now, nothing happens.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Literal

import msgspec

from quaero.errors import QuaeroError, Refused, StoreUnavailable
from quaero.ports.views import JobViews, RunFilter
from quaero.queue import reruns
from quaero.queue.deletion import delete_run
from quaero.queue.dispatcher import JobDispatcher
from quaero.queue.job_manager import Definitions, JobManager
from quaero.queue.turn import Turn

Action = Literal["cancel", "pause", "resume", "delete", "retry_failed", "rerun"]
Write = Callable[[Callable[[Turn], Any]], Awaitable[Any]]
"""Carries out a command in a turn; its answer when that is committed, or the error it raised."""

MOST_RUNS = 10_000
FIRST_RUNS = 20
PAGE = 200
AT_ONCE = 16
"""Commands that may share a turn."""


class BulkPreview(msgspec.Struct, frozen=True, kw_only=True):
    """How many runs an action would meet, and the newest of them."""

    count: int
    first: list[int]


class BulkResult(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one run. ``new_run``: the run that a rerun made; ``job_id``: the job in the way."""

    run_id: int
    done: bool
    reason: str = ""
    new_run: int | None = None
    job_id: int | None = None


def preview(views: JobViews, where: RunFilter) -> BulkPreview:
    """Reads only. A ``count`` above 10,000 is that much or more: too many for one action."""
    first = views.runs(where, limit=FIRST_RUNS).items
    return BulkPreview(count=views.count_runs(where, at_most=MOST_RUNS + 1), first=[run.id for run in first])


def chosen(views: JobViews, where: RunFilter, expected: int) -> list[int]:
    """The runs that are meant, oldest first.

    Raises:
        Refused: they are not ``expected`` many (any more), or too many.
    """
    ids: list[int] = []
    cursor: str | None = None
    while len(ids) <= MOST_RUNS:
        page = views.runs(where, limit=PAGE, cursor=cursor)
        ids += [run.id for run in page.items]
        cursor = page.next
        if cursor is None:
            break
    if len(ids) > MOST_RUNS:
        raise Refused(f"more than {MOST_RUNS:,} runs at once; narrow the filter")
    if len(ids) != expected:
        raise Refused(f"{len(ids)} runs match now, {expected} were expected; look again before you go on")
    return sorted(ids)


class BulkActions:
    """Does one action to many runs."""

    def __init__(self, jobs: JobManager, dispatcher: JobDispatcher, definitions: Definitions) -> None:
        self._jobs = jobs
        self._dispatcher = dispatcher
        self._definitions = definitions

    async def carry_out(
        self, action: Action, run_ids: Sequence[int], write: Write, told: Callable[[BulkResult], None] | None = None
    ) -> list[BulkResult]:
        """One result a run, in order; ``told`` hears of each as it is there.

        Raises:
            StoreUnavailable: the database can't be used now; what was told is done.
        """
        results: list[BulkResult] = []
        for first in range(0, len(run_ids), AT_ONCE):
            part = run_ids[first : first + AT_ONCE]
            done = await asyncio.gather(*(self._one(action, run_id, write) for run_id in part))
            results += done
            for result in done:
                if told is not None:
                    told(result)
        return results

    async def _one(self, action: Action, run_id: int, write: Write) -> BulkResult:
        try:
            return await write(partial(self.act, action=action, run_id=run_id))  # type: ignore[no-any-return]
        except StoreUnavailable:
            raise
        except Refused as error:
            return BulkResult(run_id=run_id, done=False, reason=str(error), job_id=error.job_id)
        except QuaeroError as error:
            return BulkResult(run_id=run_id, done=False, reason=str(error))

    def act(self, turn: Turn, action: Action, run_id: int) -> BulkResult:
        """The command for one run. Raises what the single action raises."""
        new_run: int | None = None
        if action == "cancel":
            self._jobs.cancel(turn, run_id)
        elif action == "pause":
            self._jobs.pause(turn, run_id)
        elif action == "resume":
            self._jobs.resume(turn, run_id)
        elif action == "delete":
            delete_run(turn, run_id)
        elif action == "rerun":
            new_run = reruns.rerun(self._dispatcher, turn, run_id)
        else:
            definition = self._definitions.of(turn, turn.tx.run(run_id))
            new_run = reruns.retry_failed(self._dispatcher, turn, run_id, definition)
        return BulkResult(run_id=run_id, done=True, new_run=new_run)
