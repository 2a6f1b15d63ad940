"""Writer: the one thread that writes. It takes all that is queued into one transaction (group commit).

Lines of jobs are stored by a thread before it. Then, in one transaction: commands, outcomes, the claim, counters and
closings; lines of managers and steps are stored just before the commit. So a terminal status never precedes its lines.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import nullcontext, suppress
from queue import SimpleQueue
from random import Random
from typing import Any, Protocol

import msgspec

from quaero.errors import BadData, NotFound, QuaeroError, StoreConflict, StoreInDoubt, StoreUnavailable
from quaero.model.status import StatusReason
from quaero.ports.jobs import JobStore, Progress
from quaero.ports.storage import LogStore
from quaero.queue.attempts import Ended, finish
from quaero.queue.claims import Demand, Haul, LimitsOf, bring_due, claim, narrowed
from quaero.queue.dispatcher import JobDispatcher
from quaero.queue.job_manager import JobManager
from quaero.queue.line_stage import FIRST_NAP_S, LONGEST_NAP_S, LineStage, Trouble, Troubled
from quaero.queue.masking import Masker
from quaero.queue.retry import describe
from quaero.queue.turn import Turn
from quaero.queue.upkeep import enforce_deadlines
from quaero.queue.work import Command, Posted, Work, commands_apart, merged, queued, taken_apart

DUE_LOOK_US = 15_000_000
"""What other processes made wait is looked for at least this often, should they be gone when it falls due."""
PROGRESS_US = 1_000_000
"""Progress of one step is told at most this often."""
TOLD_STEPS = 10_000
CONFLICTS = 50
"""How often a turn is tried again at once before its items are tried one by one."""


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
        troubled: Troubled,
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
        self._trouble = Trouble("jobs", troubled)
        self._crashed = crashed
        self._inbox: SimpleQueue[Work | None] = SimpleQueue()
        self._stop = threading.Event()
        self._next_due: int | None = 0
        self.origin = 0
        """The process id that attempts and events carry."""
        self._ahead_us = 0
        """The store's time less this machine's steady one, at the last turn."""
        self.turns = 0
        self.conflicts = 0
        """Turns that other transactions were in the way of."""
        self._random = Random()  # noqa: S311 - jitter, not a secret
        self._event_seq: int | None = None
        self._told_at: dict[int, int] = {}
        self._lines = LineStage(logs, self._inbox, self._stop, troubled, crashed)
        self._thread = threading.Thread(target=self._loop, name="quaero-writer", daemon=True)

    def start(self) -> None:
        self._thread.start()
        self._lines.start()

    def acts_as(self, process_id: int) -> None:
        """From now on this process is known by that id; its events are numbered from 1."""
        self.origin = process_id
        self._event_seq = 0

    def put(self, work: Work) -> None:
        self._lines.put(work)

    def close(self) -> None:
        """Write what is queued, then end. Gives up at once when the store can't be written."""
        self._stop.set()
        self._lines.close()
        self._thread.join()

    def _loop(self) -> None:
        try:
            self._serve()
        except Exception as error:  # noqa: BLE001 - the thread's last word: recorded, and the process stops acting
            self._crashed(error)

    def _serve(self) -> None:
        ended = False
        while not ended:
            batch, ended = queued(self._inbox)
            if batch:
                work = merged(batch)
                for part in [work] if self._store.has_one_writer else self._apart(work):
                    self._write(part)

    def _apart(self, work: Work) -> list[Work]:
        """What takes locks of its own, in turns of their own: what is due, each command, then the rest."""
        is_due = self._next_due is None or _steady_us() + self._ahead_us >= self._next_due
        return [*([Work()] if is_due else []), *commands_apart(work)]

    def _write(self, work: Work) -> None:
        """Commit, however long that takes; a batch that can't be written is taken apart to find the bad item."""
        nap = FIRST_NAP_S
        conflicts = 0
        while True:
            try:
                posted = self._turn(work)
            except StoreInDoubt:
                # What was committed, if it was, is not known here: others take over when the lease ends.
                raise
            except StoreUnavailable as error:
                self._dispatcher.rolled_back()
                self._trouble.begins(error)
                if self._stop.wait(nap):
                    _refuse(work, error)
                    return
                nap = min(nap * 2, LONGEST_NAP_S)
            except Exception as error:  # noqa: BLE001 - one bad item must not take the batch with it; it is recorded
                self._dispatcher.rolled_back()
                if not isinstance(error, StoreConflict) or (conflicts >= CONFLICTS and len(taken_apart(work)) > 1):
                    self._write_apart(work, error)
                    return
                conflicts += 1
                self.conflicts += 1
                if self._stop.wait(self._random.uniform(0, min(0.002 * conflicts, 0.2))) and conflicts > CONFLICTS:
                    _refuse(work, error)
                    return
            else:
                self._trouble.ends()
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
        try:
            return self._try_turn(work)
        except _Declined as declined:
            return _nothing_done(work, declined)

    def _try_turn(self, work: Work) -> Posted:
        last_seqs = dict(work.last_seqs)
        haul = Haul()
        answers: list[tuple[Future[Any], Any]] = []
        mask = self._masker.text if self._masker.active else None
        with self._store.transaction() as tx:
            turn = Turn(tx, mask)
            is_alone = len(work.commands) == 1 and not (work.done or work.ended)
            for command, future in work.commands:
                self._command(turn, command, future, answers, is_alone=is_alone)
            self._ahead_us = turn.now - _steady_us()
            is_by_itself = not (work.commands or work.done or work.ended or work.demand)
            if (self._store.has_one_writer or is_by_itself) and (self._next_due is None or turn.now >= self._next_due):
                enforce_deadlines(turn, self._jobs)
                bring_due(turn)
                self._next_due = 0
            monitor = self._dispatcher.job_monitor
            refused = finish(turn, work.done, work.ended, self.origin, monitor.children_failed)
            children_changed = self._dispatcher.step_monitor.children_changed
            if work.demand is not None:
                if turn.touches_ready:
                    turn.settle(children_changed)
                haul = self._claim(turn, work.demand)
            made_before, turn.made_work = turn.made_work, False
            turn.settle(children_changed)
            made_late = turn.made_work
            turn.publish(self.origin, self._worth_telling(turn), self._event_seq)
            if turn.lines:
                for run_id, seq in self._logs.append(turn.log_groups()).items():
                    last_seqs[run_id] = max(seq, last_seqs.get(run_id, 0))
            next_due = self._look_ahead(turn, haul, work)
        self.turns += 1
        if self._event_seq is not None:
            self._event_seq += len(turn.events)
        return Posted(
            work=work,
            haul=haul,
            last_seqs=last_seqs,
            answers=answers,
            closed_runs=turn.closed_runs,
            stopped_runs=turn.stopped_runs,
            made_work=made_before or made_late,
            made_work_late=made_late,
            refused=refused,
            next_due=next_due,
            now=turn.now,
            schedules_changed=turn.schedules_changed,
        )

    def _claim(self, turn: Turn, demand: Demand) -> Haul:
        """Roots are locked in one order, so at one time: where some are locked already, the claim is only of these."""
        if not turn.tx.locked_roots:
            haul = claim(turn, demand, self._limits_of)
        else:
            roots = narrowed(demand.roots, turn.tx.locked_roots)
            haul = claim(turn, msgspec.structs.replace(demand, roots=roots), self._limits_of)
            # What was not looked at may have more.
            haul.is_dry = False
        turn.lock_touched(step.id for step in haul.steps)
        self._dispatcher.steps_claimed(turn, haul.steps)
        for step in haul.steps:
            # Known from now on: the planner need not read. One that can't be read is the planner's to report.
            with suppress(msgspec.MsgspecError, NotFound, BadData):
                self._limits_of(turn, step.id)
        return haul

    def _worth_telling(self, turn: Turn) -> list[Progress]:
        """Steps whose progress was last told long enough ago. Their end is an event of its own, with the counters."""
        told = [step for step in turn.progress.values() if turn.now - self._told_at.get(step.step_id, 0) >= PROGRESS_US]
        for step in told:
            self._told_at[step.step_id] = turn.now
        if len(self._told_at) > TOLD_STEPS:
            self._told_at.clear()
        return told

    def _command(
        self,
        turn: Turn,
        command: Command,
        future: Future[Any] | None,
        answers: list[tuple[Future[Any], Any]],
        *,
        is_alone: bool,
    ) -> None:
        """One that is alone needs no savepoint: when it is refused, the whole turn is."""
        try:
            with nullcontext() if is_alone else turn.savepoint():
                answer = command(turn)
        except (StoreUnavailable, StoreConflict):
            raise
        except QuaeroError as error:
            self._dispatcher.rolled_back()
            if is_alone:
                raise _Declined(error, turn.now) from error
            answer = error
        if future is not None:
            answers.append((future, answer))

    def _look_ahead(self, turn: Turn, haul: Haul, work: Work) -> int | None:
        """When something is due next: looked up when something changed that could make a difference, else kept."""
        if work.ended or not self._next_due or turn.may_fall_due:
            due = turn.tx.next_due()
            self._next_due = turn.now + DUE_LOOK_US if due is None else min(due, turn.now + DUE_LOOK_US)
            return due
        return None


class _Declined(Exception):
    """The turn's only command was refused: the transaction is to be rolled back, and the error is its answer."""

    def __init__(self, error: QuaeroError, now: int) -> None:
        self.error = error
        self.now = now
        super().__init__(str(error))


def _nothing_done(work: Work, declined: _Declined) -> Posted:
    return Posted(
        work=work,
        haul=Haul(),
        last_seqs=dict(work.last_seqs),
        answers=[(future, declined.error) for _, future in work.commands if future is not None],
        closed_runs=[],
        stopped_runs=[],
        made_work=False,
        made_work_late=False,
        refused=0,
        next_due=None,
        now=declined.now,
    )


def _steady_us() -> int:
    return time.monotonic_ns() // 1000


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
