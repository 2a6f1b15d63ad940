"""One turn without an engine: for a process that changes something and executes nothing.

Does what the writer does around a command, and what an engine would do after it: whoever executes the run is told to
look, and what a cancel left pending is swept here, for no engine may be there to do it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from quaero.errors import StoreConflict
from quaero.ports.jobs import JobStore, ProcessRow
from quaero.ports.storage import LogStore
from quaero.queue.claims import LimitsOf
from quaero.queue.dispatcher import JobDispatcher
from quaero.queue.job_manager import JobManager
from quaero.queue.leases import rescue_dead
from quaero.queue.masking import Masker
from quaero.queue.turn import Turn

T = TypeVar("T")

CONFLICTS = 10
"""How often a turn that others were in the way of is tried again."""
NO_PROCESS = 0
"""The process id of one that has no row, and the origin of its events."""


class Host(Protocol):
    """What is asked of the machine: which processes live."""

    def is_dead(self, process: ProcessRow, /) -> bool | None: ...


class OfflineTurns:
    """Carries out commands one by one, each committed when ``run`` returns. Claims and executes nothing."""

    def __init__(
        self,
        store: JobStore,
        logs: LogStore,
        jobs: JobManager,
        dispatcher: JobDispatcher,
        limits_of: LimitsOf,
        masker: Masker,
        host: Host,
        tell: Callable[[], None],
    ) -> None:
        """``tell`` says to the others that there is something to look at."""
        self._store = store
        self._logs = logs
        self._jobs = jobs
        self._dispatcher = dispatcher
        self._limits_of = limits_of
        self._masker = masker
        self._host = host
        self._tell = tell

    def run(self, command: Callable[[Turn], T]) -> T:
        """The command's answer; what it raises leaves everything as it was."""
        answer, stopped = self._turn(lambda turn: self._with_rescue(turn, command))
        for run_id in stopped:
            self._sweep(run_id)
        self._tell()
        return answer

    def _with_rescue(self, turn: Turn, command: Callable[[Turn], T]) -> T:
        # Jobs of a process that was killed would keep a cancelled run open until some engine starts.
        rescue_dead(
            turn,
            NO_PROCESS,
            self._host.is_dead,
            self._limits_of,
            self._dispatcher.job_monitor.children_failed,
        )
        return command(turn)

    def _sweep(self, run_id: int) -> None:
        more = True
        while more:
            more, _ = self._turn(lambda turn: self._jobs.sweep(turn, run_id))

    def _turn(self, command: Callable[[Turn], T]) -> tuple[T, list[int]]:
        """The answer, and the runs that are to end now."""
        for _ in range(CONFLICTS):
            try:
                return self._try_turn(command)
            except StoreConflict:
                self._dispatcher.rolled_back()
        return self._try_turn(command)

    def _try_turn(self, command: Callable[[Turn], T]) -> tuple[T, list[int]]:
        with self._store.transaction() as tx:
            turn = Turn(tx, self._masker.text if self._masker.active else None)
            answer = command(turn)
            turn.settle(self._dispatcher.step_monitor.children_changed)
            turn.publish(NO_PROCESS)
            if turn.lines:
                self._logs.append(turn.log_groups())
        return answer, turn.stopped_runs
