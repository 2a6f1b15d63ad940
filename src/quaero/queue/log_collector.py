"""LogCollector: one path from every log call to the store and the live view. Reads nothing, blocks nowhere.

A log call encodes its line in the caller's frame, so that a bad value concerns nobody else. In the loop thread the
line goes into the current batch at once; other threads hand it over, and whatever the loop thread does next takes it
in first. ``take`` swaps the batch; the engine stores it before it commits the outcomes that travel with it. So the
lines of a job, and of the threads it waited for, are stored before its end.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from threading import get_ident
from typing import Any

import msgspec

from quaero.model.log import LEVELS, LogLevel
from quaero.queue.context import StepContext
from quaero.queue.log_lines import LogGroup, encode
from quaero.queue.log_values import MAX_TEXT, clean_fields, clean_text, is_plain
from quaero.queue.masking import Masker

MAX_LINE_BYTES = 65_536
_DEBUG, _INFO, _WARNING, _ERROR = (level.rank for level in LEVELS)

_now_ns = time.time_ns


class LogLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How many lines are kept: of one job, of a run that has too many, and in memory."""

    min_level: LogLevel = LogLevel.DEBUG
    """Lines below it are not kept."""
    job_head: int = 10_000
    """Stored as they come."""
    job_tail: int = 1_000
    """The last ones beyond the head: held in memory, stored at the job's end."""
    run_lines: int = 1_000_000
    """A run over it keeps only ``late_tail`` lines of every job."""
    late_tail: int = 20
    buffer_debug: int = 10_000
    """Lines not yet stored at which debug lines are dropped; then info; then everything."""
    buffer_info: int = 20_000
    buffer_all: int = 100_000


class LogBatch(msgspec.Struct, frozen=True):
    """What ``take`` hands to the engine; ``groups`` go to ``LogStore.append``, then all of it to ``stored``."""

    groups: list[LogGroup]
    lines: int


Listener = Callable[[LogBatch], None]


class AttemptLog(msgspec.Struct):
    """The log of one attempt: what a job's context carries. Implements ``JobLog``; callable from any thread."""

    collector: LogCollector
    job_id: int
    attempt: int
    step: StepContext
    originator: str = "worker"
    phase: str = "run"
    written: int = 0
    held: int = 0
    tail: deque[tuple[int, bytes]] | None = None
    closed: bool = False
    warnings: int = 0

    def emit(self, level: LogLevel, event: str, fields: dict[str, Any]) -> None:
        self.put(level.rank, event, fields)

    def debug(self, event: str, /, **fields: Any) -> None:
        self.put(_DEBUG, event, fields)

    def info(self, event: str, /, **fields: Any) -> None:
        self.put(_INFO, event, fields)

    def warning(self, event: str, /, **fields: Any) -> None:
        self.put(_WARNING, event, fields)

    def error(self, event: str, /, **fields: Any) -> None:
        self.put(_ERROR, event, fields)

    def put(self, rank: int, event: str, fields: Mapping[str, Any]) -> None:
        """Encode here, then buffer or hand over."""
        collector = self.collector
        if rank < collector.min_rank:
            return
        if rank == _WARNING:
            self.warnings += 1
        line = self.encode(rank, event, fields)
        if get_ident() != collector.thread:
            collector.hand_over(self, rank, line)
            return
        if collector.foreign:
            collector.drain()
        if self.written >= collector.job_head or self.step.manager_id in collector.full_runs:
            collector.hold(self, rank, line)
            return
        self.written += 1
        collector.buffer(self.step, self.job_id, rank, line)

    def encode(self, rank: int, event: str, fields: Mapping[str, Any]) -> bytes:
        """The line as it will be stored; values that JSON can't hold are replaced, secrets masked."""
        now = self.collector.now()
        masker = self.collector.masker
        mask = masker.text if masker is not None and masker.active else None
        if mask is None and event.__class__ is str and (not fields or is_plain(fields)):
            try:
                line = encode((self.job_id, self.attempt, now, rank, self.originator, self.phase, event, fields))
            except (TypeError, ValueError):  # half a surrogate pair, or a key that is none
                pass
            else:
                if len(line) <= MAX_TEXT:
                    return line
        head = (self.job_id, self.attempt, now, rank, self.originator, self.phase, clean_text(event, mask))
        line = encode((*head, clean_fields(fields, mask)))
        if len(line) <= MAX_LINE_BYTES:
            return line
        return encode((*head, {"log.too_long_bytes": len(line)}))

    def close(self) -> None:
        """Store what was held back. In the loop thread, when the attempt has ended and before its outcome is queued."""
        collector = self.collector
        if collector.foreign:
            collector.drain()
        self.closed = True
        if self.tail is None:
            return
        tail = list(self.tail)
        if self.step.manager_id in collector.full_runs:
            tail = tail[max(len(tail) - collector.limits.late_tail, 0) :]
        dropped = self.held - len(tail)
        self.tail = None
        if dropped:
            line = self.encode(_WARNING, "log.over_budget", {"dropped": dropped})
            collector.buffer(self.step, self.job_id, _WARNING, line)
        for rank, line in tail:
            collector.buffer(self.step, self.job_id, rank, line)


class LogCollector:
    """Holds the lines that are not stored yet. Owned by one loop thread; does no I/O of its own."""

    def __init__(
        self,
        *,
        limits: LogLimits | None = None,
        masker: Masker | None = None,
        on_lines: Callable[[], None] | None = None,
        now: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> None:
        """``masker`` is asked only once it knows a secret. ``on_lines`` is called in the loop thread when the empty
        batch gets its first line, so that the engine flushes it in time."""
        self.limits = limits or LogLimits()
        self.job_head = self.limits.job_head
        self.min_rank = self.limits.min_level.rank
        self.thread = get_ident()
        self.foreign: deque[tuple[AttemptLog, int, bytes]] = deque()
        """Lines of other threads. Appended by them, emptied by the loop thread: both ends are atomic."""
        self.full_runs: set[int] = set()
        self.unstored = 0
        self.masker = masker
        self.now = now
        self.on_lines = on_lines
        self._call_soon: Callable[[Callable[[], None]], object] | None = None
        self._drain_is_due = False
        self._buffer_debug = self.limits.buffer_debug
        self._groups: dict[tuple[int, int], LogGroup] = {}
        self._lines = 0
        self._dropped: dict[tuple[int, int], tuple[StepContext, list[int]]] = {}
        self._dropped_lock = threading.Lock()
        self._listeners: list[Listener] = []

    def bind(self, call_soon: Callable[[Callable[[], None]], object]) -> None:
        """Call in the loop thread with ``loop.call_soon_threadsafe``: lines of other threads then wake the loop."""
        self.thread = get_ident()
        self._call_soon = call_soon

    def attempt(self, job_id: int, attempt: int, step: StepContext) -> AttemptLog:
        return AttemptLog(self, job_id, attempt, step)

    @property
    def is_empty(self) -> bool:
        return not (self._groups or self.foreign or self._dropped)

    def hand_over(self, log: AttemptLog, rank: int, line: bytes) -> None:
        """Takes a line of another thread to the loop thread."""
        if self._refuses(rank, self.unstored + len(self.foreign)):
            self._drop(log.step, rank)
            return
        self.foreign.append((log, rank, line))
        if not self._drain_is_due and self._call_soon is not None:
            self._drain_is_due = True
            with suppress(RuntimeError):  # the loop has closed; the last ``take`` finds the line
                self._call_soon(self.drain)

    def drain(self) -> None:
        """Take in the lines of other threads. In the loop thread."""
        # Reset before the reads: a thread that saw the flag still set has its line in the queue already.
        self._drain_is_due = False
        foreign = self.foreign
        while foreign:
            log, rank, line = foreign.popleft()
            if log.written >= self.job_head or log.step.manager_id in self.full_runs:
                self.hold(log, rank, line)
            else:
                log.written += 1
                self.buffer(log.step, log.job_id, rank, line)

    def buffer(self, step: StepContext, job_id: int, rank: int, line: bytes) -> None:
        """Put a line into the current batch. In the loop thread."""
        if self.unstored >= self._buffer_debug and self._refuses(rank, self.unstored):
            self._drop(step, rank)
            return
        self.unstored += 1
        self._lines += 1
        group = self._groups.get((step.manager_id, step.step_id))
        if group is None:
            self._open(step, job_id, rank, line)
            return
        group.rows.append(line)
        if rank > group.max_level:
            group.max_level = rank
        if job_id > group.max_job:
            group.max_job = job_id
        elif job_id < group.min_job:
            group.min_job = job_id

    def hold(self, log: AttemptLog, rank: int, line: bytes) -> None:
        """Keep a line that is over budget until ``close``; only the last ones stay. In the loop thread."""
        if log.closed:
            self._drop(log.step, rank)
            return
        if log.tail is None:
            is_full = log.step.manager_id in self.full_runs
            log.tail = deque(maxlen=self.limits.late_tail if is_full else self.limits.job_tail)
        log.held += 1
        log.tail.append((rank, line))

    def take(self) -> LogBatch:
        """All lines up to now, as the next batch to store. In the loop thread."""
        if self.foreign:
            self.drain()
        if self._dropped:
            self._tell_dropped()
        batch = LogBatch(list(self._groups.values()), self._lines)
        self._groups = {}
        self._lines = 0
        return batch

    def stored(self, batch: LogBatch, last_seqs: Mapping[int, int]) -> None:
        """The batch is committed, with these last numbers per run. In the loop thread."""
        self.unstored -= batch.lines
        limit = self.limits.run_lines
        self.full_runs.update(manager_id for manager_id, seq in last_seqs.items() if seq >= limit)
        for listener in self._listeners:
            listener(batch)

    def discard(self, batch: LogBatch) -> None:
        """The batch was given up; its lines are told as dropped."""
        self.unstored -= batch.lines
        for group in batch.groups:
            for row in group.rows:
                self._drop(group.step, msgspec.json.decode(row)[3])

    def forget_run(self, manager_id: int) -> None:
        """The run has ended: nothing more is remembered about it."""
        self.full_runs.discard(manager_id)

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """``listener`` gets every stored batch, in order, in the loop thread; the result ends that."""
        self._listeners = [*self._listeners, listener]
        return lambda: self._unsubscribe(listener)

    def _unsubscribe(self, listener: Listener) -> None:
        self._listeners = [one for one in self._listeners if one is not listener]

    def _open(self, step: StepContext, job_id: int, rank: int, line: bytes) -> None:
        is_first = not self._groups
        self._groups[step.manager_id, step.step_id] = LogGroup(step, [line], rank, job_id, job_id)
        if is_first and self.on_lines is not None:
            self.on_lines()

    def _refuses(self, rank: int, unstored: int) -> bool:
        limits = self.limits
        if rank == _DEBUG:
            return unstored >= limits.buffer_debug
        return unstored >= (limits.buffer_info if rank == _INFO else limits.buffer_all)

    def _drop(self, step: StepContext, rank: int) -> None:
        with self._dropped_lock:
            _, counts = self._dropped.setdefault((step.manager_id, step.step_id), (step, [0, 0, 0, 0]))
            counts[rank] += 1

    def _tell_dropped(self) -> None:
        with self._dropped_lock:
            dropped, self._dropped = self._dropped, {}
        for step, counts in dropped.values():
            fields = {level.value: n for level, n in zip(LEVELS, counts, strict=True) if n}
            job_id = step.step_id or step.manager_id
            line = encode((job_id, 1, self.now(), _WARNING, "system", "run", "log.dropped", fields))
            self._place(step, job_id, line)

    def _place(self, step: StepContext, job_id: int, line: bytes) -> None:
        """A line about lost lines is not lost itself, however full the buffer."""
        self.unstored += 1
        self._lines += 1
        group = self._groups.get((step.manager_id, step.step_id))
        if group is None:
            group = self._groups[step.manager_id, step.step_id] = LogGroup(step, [], _WARNING, job_id, job_id)
        group.rows.append(line)
        group.max_level = max(group.max_level, _WARNING)
        group.min_job = min(group.min_job, job_id)
        group.max_job = max(group.max_job, job_id)
