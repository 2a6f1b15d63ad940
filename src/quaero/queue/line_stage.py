"""LineStage: stores the lines of jobs in front of the writer."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue

from quaero.errors import StoreInDoubt, StoreUnavailable
from quaero.ports.storage import LogStore
from quaero.queue.log_lines import LogGroup
from quaero.queue.work import Work, queued

FIRST_NAP_S = 0.2
LONGEST_NAP_S = 5.0
"""Between attempts to write while the disk is full or the file is locked."""


Troubled = Callable[[str, StoreUnavailable | None], None]
"""Who of those that write can't (or, with None, can again)."""


class Trouble:
    """Of one writing thread: told when it begins, at each attempt, and once when it is over."""

    def __init__(self, who: str, told: Troubled) -> None:
        self._who = who
        self._told = told
        self._is_in_it = False

    def begins(self, error: StoreUnavailable) -> None:
        self._is_in_it = True
        self._told(self._who, error)

    def ends(self) -> None:
        if self._is_in_it:
            self._is_in_it = False
            self._told(self._who, None)


class LineStage:
    """Stores the lines of jobs, in a thread of its own, before the outcomes that travel with them go on to the writer.

    While one batch's lines are synced to disk, the batch before it is being committed. Order is kept: what comes
    without lines waits behind what has some.
    """

    def __init__(
        self,
        logs: LogStore,
        onward: SimpleQueue[Work | None],
        stop: threading.Event,
        troubled: Troubled,
        crashed: Callable[[Exception], None],
    ) -> None:
        self._logs = logs
        self._onward = onward
        self._stop = stop
        self._trouble = Trouble("lines", troubled)
        self._crashed = crashed
        self._inbox: SimpleQueue[Work | None] = SimpleQueue()
        self._passing = 0
        self._passed = 0
        self._thread = threading.Thread(target=self._loop, name="quaero-lines", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def put(self, work: Work) -> None:
        """Called by the loop thread only, so that nothing overtakes."""
        if (work.logs is not None and work.logs.lines) or self._passing != self._passed:
            self._passing += 1
            self._inbox.put(work)
        else:
            self._onward.put(work)

    def close(self) -> None:
        self._inbox.put(None)
        self._thread.join()
        self._onward.put(None)

    def _loop(self) -> None:
        try:
            ended = False
            while not ended:
                batch, ended = queued(self._inbox)
                self._store(batch)
        except Exception as error:  # noqa: BLE001 - the thread's last word: recorded, and the process stops acting
            self._crashed(error)

    def _store(self, batch: list[Work]) -> None:
        groups = [group for work in batch if work.logs is not None for group in work.logs.groups]
        last_seqs = self._append(groups) if groups else {}
        if last_seqs is not None:
            for work in batch:
                work.last_seqs = last_seqs
                self._onward.put(work)
        self._passed += len(batch)

    def _append(self, groups: list[LogGroup]) -> dict[int, int] | None:
        """As long as it takes; None when this process ends before it could be done: the outcomes are given up too."""
        nap = FIRST_NAP_S
        while True:
            try:
                last_seqs = self._logs.append(groups)
            except StoreInDoubt:
                raise
            except StoreUnavailable as error:
                self._trouble.begins(error)
                if self._stop.wait(nap):
                    return None
                nap = min(nap * 2, LONGEST_NAP_S)
            else:
                self._trouble.ends()
                return last_seqs
