"""LiveSource: what the hub reads of the stores. All of it is called from the hub's one reading thread."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from typing import Final, Protocol

from quaero.model.log import LogEntry
from quaero.model.node import Node
from quaero.model.status import JobKind
from quaero.ports.clock import Clock
from quaero.ports.jobs import JobStore
from quaero.ports.storage import LogStore
from quaero.ports.views import JobViews, LiveRow
from quaero.queue.nodes import nodes_of

NEWEST_RUNS: Final = 100
OPEN_RUNS: Final = 1_000
"""Of more open runs than that, the newest are in view."""
ENDED_RUNS: Final = 50
"""Runs beyond the newest ones that stay in view when they have ended."""
MOST_DAYS: Final = 1_000


class LiveSource(Protocol):
    """Raises StoreUnavailable when nothing can be read now, NotFound for a run that is not there."""

    def version(self) -> Hashable:
        """Another one whenever rows may have changed since; cheap. Comparable within one thread only."""
        ...

    def open_runs(self, limit: int) -> list[int]:
        """The newest of them."""
        ...

    def newest_runs(self, limit: int) -> list[int]: ...
    def rows_of_runs(self, run_ids: Collection[int]) -> list[LiveRow]:
        """Those that are there, with their steps."""
        ...

    def run_rows(self, run_id: int) -> list[LiveRow]: ...
    def rows(self, ids: Sequence[int]) -> list[LiveRow]: ...
    def lines(self, run_id: int, after: int, limit: int) -> list[LogEntry]:
        """The first ones behind ``after``."""
        ...

    def last_lines(self, run_id: int, limit: int) -> list[LogEntry]:
        """In order; the number of the last is at least :meth:`last_seq` of a moment before."""
        ...

    def last_seq(self, run_id: int) -> int: ...
    def nodes(self) -> list[Node]: ...


class StoreSource:
    """The stores of this installation."""

    def __init__(self, views: JobViews, logs: LogStore, store: JobStore, clock: Clock) -> None:
        self._views = views
        self._logs = logs
        self._store = store
        self._clock = clock
        self._days: dict[int, str] = {}

    def version(self) -> Hashable:
        return self._store.data_version()

    def open_runs(self, limit: int) -> list[int]:
        return self._views.open_runs(limit)

    def newest_runs(self, limit: int) -> list[int]:
        return self._views.newest_runs(limit)

    def rows_of_runs(self, run_ids: Collection[int]) -> list[LiveRow]:
        return self._views.rows_of_runs(run_ids)

    def run_rows(self, run_id: int) -> list[LiveRow]:
        return self._views.run_rows(run_id)

    def rows(self, ids: Sequence[int]) -> list[LiveRow]:
        return self._views.live_rows(ids)

    def lines(self, run_id: int, after: int, limit: int) -> list[LogEntry]:
        return self._logs.query(run_id, day=self._day(run_id), after=after, limit=limit).items

    def last_lines(self, run_id: int, limit: int) -> list[LogEntry]:
        return self._logs.query(run_id, day=self._day(run_id), limit=limit, order="desc").items[::-1]

    def last_seq(self, run_id: int) -> int:
        return self._logs.last_seq(run_id, day=self._day(run_id))

    def nodes(self) -> list[Node]:
        return nodes_of(self._store, self._clock.now())

    def _day(self, run_id: int) -> str:
        if run_id not in self._days:
            if len(self._days) >= MOST_DAYS:
                self._days.clear()
            self._days[run_id] = self._store.run(run_id).log_day
        return self._days[run_id]


def queue_rows(source: LiveSource, known: Mapping[int, LiveRow], *, is_whole: bool = True) -> list[LiveRow]:
    """Open runs, the newest ones, and those of ``known`` that ended last: nothing vanishes at the moment it ends.

    Not ``is_whole``: what had ended by ``known`` is taken from there. It may be deleted, and changes otherwise hardly
    ever, so a look now and then is enough.
    """
    still_open = set(source.open_runs(OPEN_RUNS))
    shown = still_open.union(source.newest_runs(NEWEST_RUNS))
    over = set() if is_whole else {row.id for row in known.values() if _is_over(row)} - still_open
    rows = {row.id: row for row in known.values() if row.manager_id in over & shown}
    rows |= {row.id: row for row in source.rows_of_runs(sorted(shown - over))}
    left = [row for row in known.values() if row.kind is JobKind.MANAGER and row.id not in rows]
    if not left:
        return list(rows.values())
    unsure = [row for row in left if not row.status.is_terminal]
    ended = sorted((row for row in left if row.status.is_terminal), key=_end, reverse=True)[:ENDED_RUNS]
    runs = {row.id for row in (*unsure, *ended)}
    open_once = {row.id for row in unsure}
    ids = sorted(row.id for row in known.values() if row.manager_id in runs - over)
    found = {row.id: row for row in (source.rows(ids) if ids else ())} | {id_: known[id_] for id_ in runs & over}
    if len(still_open) >= OPEN_RUNS:
        # Pushed out of view by newer ones, not ended.
        runs -= {id_ for id_ in open_once if id_ in found and not found[id_].status.is_terminal}
    for row in known.values():
        if row.manager_id in runs and row.manager_id in found:
            rows[row.id] = found.get(row.id, row)
    return list(rows.values())


def _is_over(row: LiveRow) -> bool:
    return row.kind is JobKind.MANAGER and row.status.is_terminal


def _end(row: LiveRow) -> tuple[float, int]:
    return (row.finished_at.timestamp() if row.finished_at else 0.0, row.id)
