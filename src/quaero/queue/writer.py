"""Writer: the one thread that writes. It takes all that is queued into one transaction (group commit).

Per turn: the job lines are stored; then, in one transaction, commands, outcomes, counters, closings, and last the
claim; lines of managers and steps are stored just before the commit. So a terminal status never precedes its lines.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Any, Protocol

import msgspec

from quaero.errors import QuaeroError, StoreUnavailable
from quaero.model.status import StatusReason
from quaero.ports.jobs import JobStore, Progress
from quaero.ports.storage import LogStore
from quaero.queue.attempts import Done, Ended, finish
from quaero.queue.claims import Demand, Haul, LimitsOf, bring_due, claim
from quaero.queue.dispatcher import JobDispatcher
from quaero.queue.job_manager import JobManager
from quaero.queue.log_collector import LogBatch
from quaero.queue.masking import Masker
from quaero.queue.retry import describe
from quaero.queue.turn import Turn
from quaero.queue.upkeep import enforce_deadlines

Command = Callable[[Turn], Any]
FIRST_NAP_S = 0.2
LONGEST_NAP_S = 5.0
DUE_POLL_US = 1_000_000
PROGRESS_US = 1_000_000
"""Progress of one step is told at most this often, and always at its end."""


class Work(msgspec.Struct):
    """What the loop thread hands over at once."""

    commands: list[tuple[Command, Future[Any] | None]] = []
    done: list[Done] = []
    ended: list[Ended] = []
    logs: LogBatch | None = None
    demand: Demand | None = None

    @property
    def is_empty(self) -> bool:
        return not (self.commands or self.done or self.ended or (self.logs and self.logs.lines) or self.demand)


class Posted(msgspec.Struct):
    """What a committed turn hands back."""

    work: Work
    haul: Haul
    last_seqs: dict[int, int]
    answers: list[tuple[Future[Any], Any]]
    closed_runs: list[int]
    stopped_runs: list[int]
    made_work: bool
    refused: int
    next_due: int | None


class Post(Protocol):
    def __call__(self, posted: Posted, /) -> None: ...


class Writer:
    """Owns the writing side of the store, in a thread of its own."""

    def __init__(
        self,
        store: JobStore,
        logs: LogStore,
        jobs: JobManager,
        dispatcher: JobDispatcher,
        limits_of: LimitsOf,
        masker: Masker,
        post: Post,
        troubled: Callable[[StoreUnavailable | None], None],
        crashed: Callable[[Exception], None],
    ) -> None:
        """Called in the writer thread: ``post`` after each commit, ``troubled`` when the store can't be written (None:
        again it can), ``crashed`` when a defect of ours ends the thread."""
        self._store = store
        self._logs = logs
        self._jobs = jobs
        self._dispatcher = dispatcher
        self._limits_of = limits_of
        self._masker = masker
        self._post = post
        self._troubled = troubled
        self._crashed = crashed
        self._inbox: SimpleQueue[Work | None] = SimpleQueue()
        self._stop = threading.Event()
        self._next_due: int | None = 0
        self.origin = 0
        """The process id that events carry."""
        self.turns = 0
        self._told_at: dict[int, int] = {}
        self._thread = threading.Thread(target=self._loop, name="quaero-writer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def put(self, work: Work) -> None:
        self._inbox.put(work)

    def close(self) -> None:
        """Write what is queued, then end. Gives up at once when the store can't be written."""
        self._stop.set()
        self._inbox.put(None)
        self._thread.join()

    def _loop(self) -> None:
        try:
            self._serve()
        except Exception as error:  # noqa: BLE001 - the thread's last word: recorded, and the process stops acting
            self._crashed(error)

    def _serve(self) -> None:
        while (work := self._inbox.get()) is not None:
            batch = [work]
            ended = False
            try:
                while (more := self._inbox.get_nowait()) is not None:
                    batch.append(more)
                ended = True
            except Empty:
                pass
            self._write(merged(batch))
            if ended:
                return

    def _write(self, work: Work) -> None:
        """Commit, however long that takes; a batch that can't be written is taken apart to find the bad item."""
        nap = FIRST_NAP_S
        while True:
            try:
                posted = self._turn(work)
            except StoreUnavailable as error:
                self._troubled(error)
                if self._stop.wait(nap):
                    _refuse(work, error)
                    return
                nap = min(nap * 2, LONGEST_NAP_S)
            except Exception as error:  # noqa: BLE001 - one bad item must not take the batch with it; it is recorded
                self._write_apart(work, error)
                return
            else:
                if nap != FIRST_NAP_S:
                    self._troubled(None)
                self._post(posted)
                return

    def _write_apart(self, work: Work, error: Exception) -> None:
        parts = taken_apart(work)
        if len(parts) > 1:
            for part in parts:
                self._write(part)
        elif work.ended and work.ended[0].kind != "failed":
            end = work.ended[0]
            self._write(Work(ended=[_failed(end, error)]))
        elif work.commands:
            _refuse(work, error)
        else:
            raise error

    def _turn(self, work: Work) -> Posted:
        last_seqs = self._logs.append(work.logs.groups) if work.logs and work.logs.lines else {}
        haul = Haul()
        answers: list[tuple[Future[Any], Any]] = []
        mask = self._masker.text if self._masker.active else None
        with self._store.transaction() as tx:
            turn = Turn(tx, mask)
            for command, future in work.commands:
                self._command(turn, command, future, answers)
            if self._next_due is None or turn.now >= self._next_due:
                enforce_deadlines(turn, self._jobs)
                bring_due(turn)
                self._next_due = 0
            monitor = self._dispatcher.job_monitor
            refused = finish(turn, work.done, work.ended, self.origin, monitor.children_failed)
            children_changed = self._dispatcher.step_monitor.children_changed
            if work.demand is not None:
                if turn.touches_ready:
                    turn.settle(children_changed)
                haul = claim(turn, work.demand, self._limits_of)
                self._dispatcher.steps_claimed(turn, haul.steps)
            turn.settle(children_changed)
            turn.publish(self.origin, self._worth_telling(turn))
            if turn.lines:
                for run_id, seq in self._logs.append(turn.log_groups()).items():
                    last_seqs[run_id] = max(seq, last_seqs.get(run_id, 0))
            next_due = self._look_ahead(turn, haul, work)
        self.turns += 1
        return Posted(
            work=work,
            haul=haul,
            last_seqs=last_seqs,
            answers=answers,
            closed_runs=turn.closed_runs,
            stopped_runs=turn.stopped_runs,
            made_work=turn.made_work,
            refused=refused,
            next_due=next_due,
        )

    def _worth_telling(self, turn: Turn) -> list[Progress]:
        """Steps whose progress was last told long enough ago, or that have just come to rest."""
        told = []
        for step in turn.progress.values():
            if not step.open or turn.now - self._told_at.get(step.step_id, 0) >= PROGRESS_US:
                self._told_at[step.step_id] = turn.now
                told.append(step)
            if not step.open:
                self._told_at.pop(step.step_id, None)
        return told

    def _command(
        self, turn: Turn, command: Command, future: Future[Any] | None, answers: list[tuple[Future[Any], Any]]
    ) -> None:
        try:
            with turn.savepoint():
                answer = command(turn)
        except StoreUnavailable:
            raise
        except QuaeroError as error:
            answer = error
        if future is not None:
            answers.append((future, answer))

    def _look_ahead(self, turn: Turn, haul: Haul, work: Work) -> int | None:
        """When something is due next: looked up when this process runs out of work, or once a second."""
        known = self._next_due
        if haul.is_dry or work.ended or not known or turn.now - known > DUE_POLL_US:
            due = turn.tx.next_due()
            self._next_due = turn.now + DUE_POLL_US if due is None else min(due, turn.now + DUE_POLL_US)
            return due
        return None


def merged(batch: list[Work]) -> Work:
    """One batch of several, in order. The newest demand stands: it was computed with all the others in mind."""
    if len(batch) == 1:
        return batch[0]
    whole = Work(commands=[], done=[], ended=[])
    groups = []
    lines = 0
    for work in batch:
        whole.commands += work.commands
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


def taken_apart(work: Work) -> list[Work]:
    """The same work, one item at a time where an item could be the bad one."""
    parts = [Work(logs=work.logs)] if work.logs and work.logs.lines else []
    parts += [Work(commands=[command]) for command in work.commands]
    if work.done:
        parts.append(Work(done=work.done))
    parts += [Work(ended=[end]) for end in work.ended]
    if work.demand is not None:
        parts.append(Work(demand=work.demand))
    return parts


def _failed(end: Ended, error: Exception) -> Ended:
    return Ended(
        job_id=end.job_id,
        attempt=end.attempt,
        step_id=end.step_id,
        manager_id=end.manager_id,
        kind="failed",
        reason=StatusReason.PERMANENT,
        failures=1,
        error=describe(error),
        limiter=end.limiter,
    )


def _refuse(work: Work, error: Exception) -> None:
    for _, future in work.commands:
        if future is not None and not future.done():
            future.set_exception(error)
