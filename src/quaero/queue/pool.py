"""WorkerPool: runs claimed jobs in long-lived slots and gathers what they leave for the writer.

The hot path. Nothing here is done per job that can be done per batch: a slot awaits handlers directly (no task per
job), outcomes are tuples in a list, time limits are one sweep over the slots. This is the one place that catches
every exception: a job's failure is an outcome.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections import deque
from collections.abc import Callable
from random import Random
from time import perf_counter
from typing import Any

from quaero.errors import Cancel, Snooze
from quaero.model.outcome import JobOutcome
from quaero.model.status import StatusReason
from quaero.ports.jobs import ChildBatch, Claimed
from quaero.queue.attempts import Done, Ended
from quaero.queue.children import Children
from quaero.queue.context import CURRENT_JOB, CancelToken, JobContext
from quaero.queue.log_collector import AttemptLog, LogCollector
from quaero.queue.masking import Masker
from quaero.queue.retry import JobTimeout, describe, judge
from quaero.queue.step_info import StepBook, StepInfo

CLOSE_S = 1.0
SLICE_S = 0.002
"""Uninterrupted work after which a slot lets the loop breathe."""
SWEEP_S = 0.05
UNACKNOWLEDGED = 6_000
"""Outcomes on their way to the store at which slots wait."""
FLUSH_S = 0.01
"""How long an outcome waits for company."""
TARGET_S = 0.05
"""A claim brings about this much work: some turns of 10 ms, and enough to go on with while one is written."""

Prepare = Callable[..., Any]
"""Encodes an outcome's documents in the job's own frame (``DocumentPreparer.prepare``)."""


class Slot:
    """A place where one job at a time runs."""

    __slots__ = ("claimed", "deadline", "info", "is_suspect", "job", "stop_at", "stopping", "task", "waker")

    def __init__(self) -> None:
        self.task: asyncio.Task[None] | None = None
        self.waker: asyncio.Future[None] | None = None
        self.job: JobContext | None = None
        self.info: StepInfo | None = None
        self.claimed: Claimed | None = None
        self.deadline = 0.0
        self.stopping: str | None = None
        self.stop_at = 0.0
        self.is_suspect = False


class WorkerPool:
    """Slots, the jobs claimed for them, and the outcomes not yet handed to the writer."""

    def __init__(
        self,
        *,
        slots: int,
        claim_max: int,
        flush_jobs: int,
        flush_lines: int,
        grace_s: float,
        book: StepBook,
        collector: LogCollector,
        masker: Masker,
        prepare: Prepare,
        random: Random,
        flush: Callable[[], None],
    ) -> None:
        """``flush`` hands over what ``take`` gives; the pool calls it when a batch is worth a transaction."""
        self.size = slots
        self._claim_max = claim_max
        self._flush_jobs = flush_jobs
        self._flush_lines = flush_lines
        self._grace_s = grace_s
        self._book = book
        self._collector = collector
        self._masker = masker
        self._prepare = prepare
        self._random = random
        self._flush = flush
        self._slots: list[Slot] = []
        self._idle: list[Slot] = []
        self._ready: deque[tuple[StepInfo, Claimed]] = deque()
        self._low = -1
        self._done: list[Done] = []
        self._ended: list[Ended] = []
        self._unacknowledged = 0
        self._credit = asyncio.Event()
        self._credit.set()
        self._quiet = asyncio.Event()
        self._quiet.set()
        self._rate = 0.0
        self._window = (0.0, 0)
        self._finished = 0
        self._sweeper: asyncio.TimerHandle | None = None
        self._flush_timer: asyncio.TimerHandle | None = None
        self._is_waking = False
        self.is_closed = False

    # what the engine asks

    @property
    def busy(self) -> int:
        """Slots with a job in them."""
        return len(self._slots) - len(self._idle)

    @property
    def claimed(self) -> int:
        """Jobs claimed and not yet started."""
        return len(self._ready)

    @property
    def has_outcomes(self) -> bool:
        return bool(self._done or self._ended)

    @property
    def holds_suspect(self) -> bool:
        return any(slot.is_suspect and slot.job is not None for slot in self._slots) or any(
            claimed.is_suspect for _, claimed in self._ready
        )

    def steps_held(self) -> set[int]:
        """Steps with a job running or claimed here."""
        held = {slot.info.context.step_id for slot in self._slots if slot.job is not None and slot.info is not None}
        return held | {info.context.step_id for info, _ in self._ready}

    def room(self, below: float = 0.75) -> int:
        """How many more jobs to claim: about 20 ms of work at the recent pace, at least the free slots.

        None while more than ``below`` of that is still here: many small claims cost more than they bring.
        """
        if self.is_closed or self._unacknowledged >= UNACKNOWLEDGED:
            return 0
        free = self.size - self.busy
        target = min(self._claim_max, max(free, int(self._rate * TARGET_S)))
        left = len(self._ready)
        return max(0, target - left) if left < below * target else 0

    def add(self, step_id: int, jobs: list[Claimed]) -> None:
        """Take over claimed jobs."""
        info = self._book.get(step_id)
        if not self._ready:
            self._window = (perf_counter(), self._finished)
        self._ready.extend([(info, job) for job in jobs])
        self._low = len(self._ready) // 4
        self._quiet.clear()
        self._wake_one()

    def take(self) -> tuple[list[Done], list[Ended]]:
        """The outcomes since the last call. They stay unacknowledged until ``acknowledge``."""
        if self._flush_timer is not None:
            self._flush_timer.cancel()
            self._flush_timer = None
        done, ended = self._done, self._ended
        self._done, self._ended = [], []
        self._unacknowledged += len(done) + len(ended)
        started, before = self._window
        if self._unacknowledged >= UNACKNOWLEDGED:
            self._credit.clear()
        passed = perf_counter() - started
        if passed > 0.0005 and self._finished > before:
            rate = (self._finished - before) / passed
            self._rate = rate if self._rate == 0 else 0.7 * self._rate + 0.3 * rate
            self._window = (perf_counter(), self._finished)
        return done, ended

    def acknowledge(self, count: int) -> None:
        """``count`` outcomes are committed."""
        self._unacknowledged -= count
        if self._unacknowledged < UNACKNOWLEDGED:
            self._credit.set()

    async def quiet(self) -> None:
        """Returns when nothing runs and nothing claimed is left."""
        await self._quiet.wait()

    def release_claimed(self) -> None:
        """Give back what has not started: no attempt is used up."""
        while self._ready:
            info, claimed = self._ready.popleft()
            self._ended.append(_end(info, claimed.id, claimed.attempt, "released", limit_key=claimed.limit_key))
        self._check_quiet()

    def stop_steps(self, is_stopped: Callable[[StepInfo], bool], reason: str) -> None:
        """Ask the running jobs of stopped steps to end, and drop the claimed ones."""
        for slot in self._slots:
            if slot.job is not None and slot.info is not None and is_stopped(slot.info):
                self._stop(slot, reason)
        kept: deque[tuple[StepInfo, Claimed]] = deque()
        for info, claimed in self._ready:
            if is_stopped(info):
                self._ended.append(_end(info, claimed.id, claimed.attempt, "cancelled", limit_key=claimed.limit_key))
            else:
                kept.append((info, claimed))
        self._ready = kept
        self._check_quiet()

    def stop_all(self, reason: str) -> None:
        """Ask every running job to end."""
        for slot in self._slots:
            if slot.job is not None:
                self._stop(slot, reason)

    async def close(self) -> None:
        """End the slots. Jobs still running are left to the fence; one that heeds no cancellation is not waited for."""
        self.is_closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
        tasks = [slot.task for slot in self._slots if slot.task is not None]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=CLOSE_S)

    # slots

    def _wake_one(self) -> None:
        """One slot wakes the next as it starts, so as many wake as there are jobs that wait for something."""
        if self._is_waking:
            return
        if self._idle:
            slot = self._idle.pop()
            if slot.waker is not None and not slot.waker.done():
                slot.waker.set_result(None)
                self._is_waking = True
        elif len(self._slots) < self.size:
            slot = Slot()
            self._slots.append(slot)
            slot.task = asyncio.create_task(self._serve(slot))
            self._is_waking = True

    async def _serve(self, slot: Slot) -> None:
        base = len(contextvars.copy_context())
        try:
            while True:
                self._is_waking = False
                await self._drain(slot)
                if slot.stopping is not None or len(contextvars.copy_context()) > base + 1:
                    # What a cancelled job leaves behind in its task or context is no place for the next one.
                    return
                CURRENT_JOB.set(None)
                slot.waker = asyncio.get_running_loop().create_future()
                self._idle.append(slot)
                self._check_quiet()
                await slot.waker
        finally:
            self._retire(slot)

    def _retire(self, slot: Slot) -> None:
        if slot in self._slots:
            self._slots.remove(slot)
        if slot in self._idle:
            self._idle.remove(slot)
        if not self.is_closed:
            if self._ready:
                self._wake_one()
            self._check_quiet()

    async def _drain(self, slot: Slot) -> None:
        """Run claimed jobs until none is left."""
        slice_end = perf_counter() + SLICE_S
        while self._ready and slot.stopping is None:
            if not self._credit.is_set():
                await self._credit.wait()
                continue
            info, claimed = self._ready.popleft()
            if not self._is_waking and self._ready:
                self._wake_one()
            await self._run(slot, info, claimed)
            self._finished += 1
            left = len(self._ready)
            if left == self._low or not left or len(self._done) + len(self._ended) >= self._flush_jobs:
                self._hand_over(left)
            elif self._flush_timer is None:
                self._flush_timer = asyncio.get_running_loop().call_later(FLUSH_S, self._flush)
            if perf_counter() > slice_end:
                if self._collector.unstored >= self._flush_lines:
                    self._flush()
                await asyncio.sleep(0)
                slice_end = perf_counter() + SLICE_S

    def _hand_over(self, left: int) -> None:
        """A full batch, the last quarter of what was claimed, or the last of it: at once; else within 10 ms."""
        if left or self.busy <= 1 or len(self._done) + len(self._ended) >= self._flush_jobs:
            self._flush()
        elif self._flush_timer is None:
            self._flush_timer = asyncio.get_running_loop().call_later(FLUSH_S, self._flush)

    async def _run(self, slot: Slot, info: StepInfo, claimed: Claimed) -> None:
        token = CancelToken()
        log = AttemptLog(self._collector, claimed.id, claimed.attempt, info.context)
        job = JobContext(claimed.id, claimed.attempt, info.context, log, claimed.depth, token, info.reveal)
        slot.job = job
        slot.info = info
        slot.claimed = claimed
        slot.is_suspect = bool(claimed.is_suspect)
        if info.job_timeout is not None:
            slot.deadline = perf_counter() + info.job_timeout
            self._watch()
        CURRENT_JOB.set(job)
        try:
            outcome = await info.execute(job, info.payload(claimed.payload))
            if outcome is None and info.is_unlimited:
                log.close()
                self._done.append((claimed.id, claimed.attempt, info.step_id))
            else:
                end = self._completed(job, info, claimed, outcome)
                log.close()
                self._ended.append(end)
        except asyncio.CancelledError:
            log.close()
            if slot.stopping is None and self.is_closed:
                raise
            if slot.job is job:
                self._ended.append(self._interrupted(slot, info, claimed))
        except Exception as error:  # noqa: BLE001 - the one place: every failure of a job becomes its outcome
            self._ended.append(self._failed(job, info, claimed, error))
            log.close()
        finally:
            slot.job = None
            slot.deadline = 0.0

    # outcomes

    def _completed(self, job: JobContext, info: StepInfo, claimed: Claimed, outcome: JobOutcome | None) -> Ended:
        end = _end(info, claimed.id, claimed.attempt, "completed", limit_key=claimed.limit_key)
        if outcome is None:
            return end
        mask = self._masker.text if self._masker.active else None
        end.documents = self._prepare(outcome, job, tags=info.context.tags, mask=mask)
        end.children = self._children(job, info, outcome)
        result: dict[str, Any] = {}
        if outcome.by_identifier:
            result["by_identifier"] = self._masker.value(outcome.by_identifier)
        if outcome.warnings:
            result["warnings"] = self._masker.value(outcome.warnings)
            for warning in outcome.warnings:
                job.log.warning("job.warning", message=warning)
        end.result = result or None
        end.warnings = len(outcome.warnings)
        return end

    def _children(self, job: JobContext, info: StepInfo, outcome: JobOutcome) -> ChildBatch | None:
        if not outcome.spawn:
            return None
        children = Children(info)
        for payload in outcome.spawn:
            children.spawn(payload, depth=job.depth + 1, spawned_by=job.job_id)
        return children.take()

    def _failed(self, job: JobContext, info: StepInfo, claimed: Claimed, error: Exception) -> Ended:
        if isinstance(error, Snooze):
            end = _end(info, claimed.id, claimed.attempt, "snoozed", limit_key=claimed.limit_key)
            end.delay_us = int(error.delay.total_seconds() * 1_000_000)
            return end
        if isinstance(error, Cancel):
            job.log.warning("job.cancelled", reason=error.reason)
            return _end(info, claimed.id, claimed.attempt, "cancelled", limit_key=claimed.limit_key)
        return self._judged(job, info, claimed, error)

    def _judged(self, job: JobContext, info: StepInfo, claimed: Claimed, error: Exception) -> Ended:
        verdict = judge(error, info.step.retry, claimed.failures + 1, self._random)
        kind = "failed" if verdict.delay_us is None else "retried"
        end = _end(info, claimed.id, claimed.attempt, kind, limit_key=claimed.limit_key)
        end.error = self._masked(error)
        end.reason, end.delay_us, end.failures = verdict.reason, verdict.delay_us, 1
        if kind == "failed":
            job.log.error("job.failed", type=end.error.type, error=end.error.message, traceback=end.error.traceback)
        else:
            delay = round((verdict.delay_us or 0) / 1e6, 3)
            job.log.warning("job.retried", type=end.error.type, error=end.error.message, delay_s=delay)
        return end

    def _masked(self, error: BaseException) -> Any:
        described = describe(error)
        if not self._masker.active:
            return described
        text = self._masker.text
        return type(described)(
            type=described.type,
            message=text(described.message),
            traceback=text(described.traceback),
            family=text(described.family),
        )

    def _interrupted(self, slot: Slot, info: StepInfo, claimed: Claimed) -> Ended:
        if slot.stopping == "timeout" and slot.job is not None:
            limit = JobTimeout(f"ran past job_timeout ({info.job_timeout:g} s)")
            return self._judged(slot.job, info, claimed, limit)
        kind = "released" if slot.stopping == "drain" else "cancelled"
        end = _end(info, claimed.id, claimed.attempt, kind, limit_key=claimed.limit_key)
        end.reason = StatusReason.USER if slot.stopping == "cancel" else None
        return end

    # stopping

    def _stop(self, slot: Slot, reason: str) -> None:
        """Token and cancellation now; given up after the grace period."""
        if slot.stopping is not None or slot.job is None or slot.task is None:
            return
        slot.stopping = reason
        slot.stop_at = perf_counter() + self._grace_s
        if slot.job.token is not None:
            slot.job.token.set(reason)
        slot.task.cancel()
        self._watch()

    def _watch(self) -> None:
        if self._sweeper is None:
            self._sweeper = asyncio.get_running_loop().call_later(SWEEP_S, self._sweep)

    def _sweep(self) -> None:
        """One look at all slots: time limits, and jobs that don't end when asked to."""
        self._sweeper = None
        now = perf_counter()
        watching = False
        for slot in list(self._slots):
            if slot.job is None or slot.info is None:
                continue
            if slot.stopping is None and slot.deadline and now > slot.deadline:
                self._stop(slot, "timeout")
            if slot.stopping is not None and now > slot.stop_at:
                self._abandon(slot)
                continue
            watching = watching or slot.stopping is not None or slot.deadline > 0
        if watching:
            self._watch()

    def _abandon(self, slot: Slot) -> None:
        """The job ignores its cancellation: its outcome is written for it, and the fence refuses its own."""
        job, info = slot.job, slot.info
        if job is None or info is None or slot.claimed is None:
            return
        job.log.error("job.abandoned", reason=slot.stopping, grace_s=self._grace_s)
        self._ended.append(self._interrupted(slot, info, slot.claimed))
        slot.job = None
        self._slots.remove(slot)
        self._flush()
        self._check_quiet()

    def _check_quiet(self) -> None:
        if not self._ready and self.busy == 0:
            self._quiet.set()
            self._flush()


def _end(info: StepInfo, job_id: int, attempt: int, kind: Any, *, limit_key: str | None) -> Ended:
    return Ended(
        job_id=job_id,
        attempt=attempt,
        step_id=info.context.step_id,
        manager_id=info.context.manager_id,
        kind=kind,
        limiter=info.limits.slots(limit_key),
    )
