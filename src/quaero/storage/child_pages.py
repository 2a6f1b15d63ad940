"""Pages of the children of a step or run: walks along indexes, one behind the other.

Failed, running and pending jobs are found by the indexes that the engine itself uses; others by passing over what is
not asked for, at most ``SCAN`` rows a page: such a page may be short, or empty, and still have a next one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, NamedTuple

from quaero.errors import NotFound
from quaero.model.status import TERMINAL, JobStatus
from quaero.ports.views import ChildFilter, ChildOrder
from quaero.storage.cursors import LAST, Key, from_cursor, is_like, refused, to_cursor
from quaero.storage.database import Row
from quaero.storage.heat import HeatStrips
from quaero.storage.job_rows import states_of
from quaero.storage.jobs import as_json
from quaero.storage.reads import NamedReads

SCAN = 50_000
"""Rows that one page may pass over."""
SLOW_CELLS = 50
SLOW_ROWS = 10_000
"""The slowest children are looked for in so many cells of the heat strip, and at least in so many rows."""
STRIP_CELLS = 1_000
_ABOVE_ALL = 2**31
"""Of priorities."""
_FIRST = (JobStatus.FAILED, JobStatus.RUNNING, JobStatus.PENDING)


class Parent(NamedTuple):
    """Whose children are asked for; of a run's nothing is counted."""

    kind: int
    manager_id: int
    has_runs: int | None
    total: int | None
    pending: int | None
    waiting: int | None
    running: int | None
    completed: int | None
    failed: int | None
    cancelled: int | None
    skipped: int | None

    @property
    def has_workers(self) -> bool:
        return self.has_runs == 0

    def may_find(self, walk: Walk) -> bool:
        """Whether the counters say that there is anything to find."""
        counters = [walk.counter] if walk.counter else [status.value for status in walk.statuses]
        return not counters or any(getattr(self, name) != 0 for name in counters)


class Walk(NamedTuple):
    """A statement that goes on behind a key: the values of its last row, the id first."""

    statement: str
    key: tuple[str, ...] = ("after",)
    start: Key = (0,)
    group: str = ""
    statuses: Collection[JobStatus] = ()
    """Those that it finds; empty: all."""
    passes_over: bool = False
    counter: str = ""
    """Of what it finds, where that is less than a status."""

    @property
    def name(self) -> str:
        """In cursors."""
        return f"{self.statement}:{self.group}"


_FAILED = Walk("walk_failed", statuses=[JobStatus.FAILED], passes_over=True)
_RUNNING = Walk("walk_running", statuses=[JobStatus.RUNNING])
_PENDING = (
    Walk("walk_ready", ("after", "priority", "due"), (0, _ABOVE_ALL, 0), statuses=[JobStatus.PENDING]),
    Walk("walk_suspect", statuses=[JobStatus.PENDING]),
    Walk("walk_needing", ("after", "needs", "priority", "due"), (0, "", _ABOVE_ALL, 0), statuses=[JobStatus.PENDING]),
    Walk("walk_waiting", ("after", "due"), (0, 0), counter="waiting"),
)
_SLOWEST = Walk("walk_slowest", ("after", "took"), (0, LAST))


class ChildPages:
    def __init__(self, reads: NamedReads, strips: HeatStrips) -> None:
        self._reads = reads
        self._strips = strips

    def page(
        self, parent_id: int, where: ChildFilter, order: ChildOrder, limit: int, cursor: str | None
    ) -> tuple[list[int], str | None]:
        """Ids, and the cursor of the next page. Raises NotFound for the parent, BadData for the cursor."""
        parent = self.parent(parent_id)
        walks = list(_walks(parent, where, order))
        place, key = (0, ()) if cursor is None else _position(walks, cursor)
        params: dict[str, Any] = {"parent_id": parent_id, "manager_id": parent.manager_id, "family": where.family}
        params |= self._bounds(parent_id, where)
        if order == "slowest" and walks:
            params["ranges"] = as_json(self._slow_ranges(parent_id, parent))
        found: list[tuple[Walk, Row]] = []
        for walk in walks[place:]:
            begin = key or (params["first"] - 1, *walk.start[1:])
            key = ()
            if not parent.may_find(walk):
                continue
            found += [(walk, row) for row in self._along(walk, begin, params, limit + 1 - len(found))]
            if len(found) > limit:
                return _ids(found[:limit]), to_cursor(found[limit - 1][0].name, found[limit - 1][1])
            if walk.passes_over and (end := self._end(walk, begin, params)) is not None:
                return _ids(found), to_cursor(walk.name, (end,))
        return _ids(found), None

    def parent(self, parent_id: int) -> Parent:
        row = self._reads.one("parent", id=parent_id)
        if row is None:
            raise NotFound(f"no job {parent_id}")
        return Parent(*row)

    def total(self, parent_id: int, parent: Parent) -> int:
        if parent.total is not None:
            return parent.total
        return int(self._reads.value("count_children", parent_id=parent_id))

    def _along(self, walk: Walk, begin: Key, params: dict[str, Any], limit: int) -> list[Row]:
        given = params | dict(zip(walk.key, begin, strict=True))
        given |= {"states": as_json(states_of(*walk.statuses)) if walk.statuses else None}
        return self._reads.all(walk.statement, **given, scan=SCAN, limit=limit)

    def _end(self, walk: Walk, begin: Key, params: dict[str, Any]) -> int | None:
        """Where a walk stopped because it had passed over enough; None: it is at its end."""
        end = self._reads.value(f"end_of_{walk.statement}", **params, after=begin[0], scan=SCAN)
        return None if end is None else int(end)

    def _bounds(self, parent_id: int, where: ChildFilter) -> dict[str, Any]:
        """The first and last id that count."""
        first = self._child_at(parent_id, max(0, where.first_place or 0))
        last = LAST if where.last_place is None else self._child_at(parent_id, where.last_place)
        if first is None or (where.last_place or 0) < 0:
            return {"first": LAST, "last": 0}
        return {"first": first, "last": LAST if last is None else last}

    def _child_at(self, parent_id: int, place: int) -> int | None:
        known, child = self._strips.near(parent_id, place)
        row = self._reads.one("child_at", parent_id=parent_id, after=child - 1, place=max(0, place - known))
        return row[0] if row else None

    def _slow_ranges(self, parent_id: int, parent: Parent) -> list[tuple[int, int]]:
        strip = self._strips.strip(parent_id, self.total(parent_id, parent), STRIP_CELLS)
        return self._strips.slow_ranges(strip, SLOW_ROWS, SLOW_CELLS)


def _walks(parent: Parent, where: ChildFilter, order: ChildOrder) -> Iterator[Walk]:
    """In their order."""
    wanted = set(where.statuses) or set(JobStatus)
    if where.family is not None:
        wanted &= {JobStatus.FAILED}
        if not parent.has_workers:
            return
    by_status = len(wanted) < len(JobStatus)
    if not wanted:
        return
    if order == "slowest":
        yield _SLOWEST._replace(statuses=wanted if by_status else ())
        return
    if order == "created" and not (len(wanted) == 1 and wanted.issubset(_FIRST)):
        yield Walk("walk_all", statuses=wanted if by_status else (), passes_over=by_status)
        return
    for status in _FIRST:
        if status in wanted:
            yield from _walks_of(status, parent, where)
    if rest := wanted & TERMINAL - {JobStatus.FAILED}:
        yield Walk("walk_all", group="rest", statuses=rest, passes_over=True)


def _walks_of(status: JobStatus, parent: Parent, where: ChildFilter) -> Iterator[Walk]:
    """Along the index of its own, where there is one."""
    has_range = where.first_place is not None or where.last_place is not None
    if not parent.has_workers or (status is JobStatus.PENDING and has_range):
        yield Walk("walk_all", group=status, statuses=[status], passes_over=True)
    elif status is JobStatus.FAILED:
        yield _FAILED
    elif status is JobStatus.RUNNING:
        yield _RUNNING
    else:
        yield from _PENDING


def _position(walks: list[Walk], cursor: str) -> tuple[int, Key]:
    """Which of the walks a cursor is of, and behind which key it goes on."""
    name, key = from_cursor(cursor)
    for place, walk in enumerate(walks):
        if walk.name == name and is_like(key, walk.start):
            return place, key
    raise refused(cursor)


def _ids(found: list[tuple[Walk, Row]]) -> list[int]:
    return [row[0] for _, row in found]
