"""Work: what the loop thread hands to the writing threads at once, and what comes back when it is committed."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Any

import msgspec

from quaero.queue.attempts import Done, Ended
from quaero.queue.claims import Demand, Haul
from quaero.queue.log_collector import LogBatch
from quaero.queue.turn import Turn

Command = Callable[[Turn], Any]


class Work(msgspec.Struct):
    """What the loop thread hands over at once."""

    commands: list[tuple[Command, Future[Any] | None]] = []
    done: list[Done] = []
    ended: list[Ended] = []
    logs: LogBatch | None = None
    demand: Demand | None = None
    last_seqs: dict[int, int] = {}
    """Run -> number of its newest line, once the lines are stored."""


class Posted(msgspec.Struct):
    """What a committed turn hands back."""

    work: Work
    haul: Haul
    last_seqs: dict[int, int]
    answers: list[tuple[Future[Any], Any]]
    closed_runs: list[int]
    stopped_runs: list[int]
    made_work: bool
    made_work_late: bool
    """After this turn's claim, so it can't have claimed it."""
    refused: int
    next_due: int | None
    now: int
    """The time of the turn, on the store's clock."""
    schedules_changed: bool = False


def queued(inbox: SimpleQueue[Work | None]) -> tuple[list[Work], bool]:
    """Waits for work, then takes all there is: group commit needs no timer. True when it was the last."""
    batch: list[Work] = []
    work = inbox.get()
    try:
        while work is not None:
            batch.append(work)
            work = inbox.get_nowait()
    except Empty:
        return batch, False
    return batch, True


def merged(batch: list[Work]) -> Work:
    """One batch of several, in order. The newest demand stands: it was computed with all the others in mind."""
    if len(batch) == 1:
        return batch[0]
    whole = Work(commands=[], done=[], ended=[])
    groups = []
    lines = 0
    for work in batch:
        whole.commands += work.commands
        whole.last_seqs = {**whole.last_seqs, **work.last_seqs}
        whole.done += work.done
        whole.ended += work.ended
        if work.logs is not None:
            groups += work.logs.groups
            lines += work.logs.lines
        if work.demand is not None:
            whole.demand = _added(whole.demand, work.demand)
    whole.logs = LogBatch(groups, lines)
    return whole


def _added(one: Demand | None, other: Demand) -> Demand:
    if one is None:
        return other
    return msgspec.structs.replace(other, jobs=one.jobs + other.jobs, steps=one.steps + other.steps)


def commands_apart(work: Work) -> list[Work]:
    """Each command as a turn of its own, before outcomes: they take their locks in different order."""
    if not work.commands:
        return [work]
    parts = [Work(commands=[command]) for command in work.commands]
    if work.done or work.ended:
        return [*parts, msgspec.structs.replace(work, commands=[])]
    return [*parts[:-1], msgspec.structs.replace(work, commands=work.commands[-1:])]


def taken_apart(work: Work) -> list[Work]:
    """The same work, one item at a time where an item could be the bad one."""
    parts = [Work(logs=work.logs, last_seqs=work.last_seqs)] if work.logs and work.logs.lines else []
    parts += [Work(commands=[command]) for command in work.commands]
    if work.done:
        parts.append(Work(done=work.done))
    parts += [Work(ended=[end]) for end in work.ended]
    if work.demand is not None:
        parts.append(Work(demand=work.demand))
    return parts
