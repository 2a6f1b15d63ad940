"""Heat strips: the children of a step by place of creation, gathered into cells.

Children come in order of id and never go, and an ended one never changes: a full cell with nothing open is computed
once and kept. A cell holds a power of two of children, so that cells stay what they are while a step grows.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from quaero.model.status import JobStatus
from quaero.ports.views import HeatCell, HeatStrip
from quaero.storage.cursors import LAST
from quaero.storage.job_rows import moment
from quaero.storage.jobs import as_json
from quaero.storage.reads import NamedReads

KEPT_STRIPS = 64
COSTLY_S = 0.05
REST = 5.0
"""A strip that took long is shown again for so many times as long."""
_WORST = (
    JobStatus.SKIPPED,
    JobStatus.COMPLETED,
    JobStatus.CANCELLED,
    JobStatus.PENDING,
    JobStatus.RUNNING,
    JobStatus.FAILED,
)


class Cell(NamedTuple):
    size: int
    worst: int
    failed: int
    open: int
    longest: int
    """Microseconds."""


class Strip:
    """Of one step and size of cells, as far as computed."""

    def __init__(self, parent_id: int, size: int) -> None:
        self.parent_id = parent_id
        self.size = size
        self.lock = threading.Lock()
        self.starts: list[int] = []
        """The first child of each cell."""
        self.cells: list[Cell] = []
        self.as_of = 0
        self.fresh_until = 0.0

    def range_of(self, place: int) -> tuple[int, int]:
        """First and last id that the cell may hold; the newest one has no end yet."""
        is_newest = place + 1 == len(self.starts)
        return self.starts[place], LAST if is_newest else self.starts[place + 1] - 1

    def is_final(self, place: int) -> bool:
        return place + 1 < len(self.starts) and place < len(self.cells) and not self.cells[place].open


class HeatStrips:
    """Any thread may call it."""

    def __init__(self, reads: NamedReads, now: Callable[[], int]) -> None:
        self._reads = reads
        self._now = now
        self._strips: OrderedDict[tuple[int, int], Strip] = OrderedDict()
        self._lock = threading.Lock()

    def show(self, parent_id: int, about: int, cells: int) -> HeatStrip:
        strip = self.strip(parent_id, about, cells)
        shown = [
            HeatCell(
                first_place=place * strip.size,
                count=cell.size,
                worst=_WORST[cell.worst - 1],
                failed=cell.failed,
                open=cell.open,
                longest_s=cell.longest / 1e6,
            )
            for place, cell in enumerate(strip.cells)
        ]
        total = sum(cell.size for cell in strip.cells)
        return HeatStrip(step_id=parent_id, total=total, cells=shown, as_of=moment(strip.as_of))

    def strip(self, parent_id: int, about: int, cells: int) -> Strip:
        """Up to date; ``about``: how many children there are."""
        size = 1
        while size * max(1, cells) < about:
            size *= 2
        with self._lock:
            strip = self._strips.setdefault((parent_id, size), Strip(parent_id, size))
            self._strips.move_to_end((parent_id, size))
            while len(self._strips) > KEPT_STRIPS:
                self._strips.popitem(last=False)
        with strip.lock:
            began = time.monotonic()
            if began >= strip.fresh_until:
                self._compute(strip)
                took = time.monotonic() - began
                strip.fresh_until = time.monotonic() + took * REST if took > COSTLY_S else 0.0
        return strip

    def slow_ranges(self, strip: Strip, rows: int, cells: int) -> list[tuple[int, int]]:
        """The cells with the children that took longest: at least as many as asked for, and ``rows`` children."""
        with strip.lock:
            by_length = sorted(range(len(strip.cells)), key=lambda place: -strip.cells[place].longest)
            chosen: list[int] = []
            count = 0
            for place in by_length:
                if len(chosen) >= cells and count >= rows:
                    break
                chosen.append(place)
                count += strip.cells[place].size
            return [strip.range_of(place) for place in sorted(chosen)]

    def near(self, parent_id: int, place: int) -> tuple[int, int]:
        """A known child at that place or before, as (place, id); (0, 0) where nothing is known."""
        with self._lock:
            strips = [strip for (its_parent, _), strip in self._strips.items() if its_parent == parent_id]
        best = (0, 0)
        for strip in strips:
            if starts := strip.starts[:]:
                cell = min(place // strip.size, len(starts) - 1)
                best = max(best, (cell * strip.size, starts[cell]))
        return best

    def _compute(self, strip: Strip) -> None:
        strip.as_of = self._now()
        known = {"parent_id": strip.parent_id}
        if not strip.starts:
            first = self._reads.value("child_at", **known, after=0, place=0)
            strip.starts = [] if first is None else [first]
        if strip.starts:
            found = self._reads.all("cell_starts", **known, start=strip.starts[-1], size=strip.size)
            final = {place for place in range(len(strip.starts)) if strip.is_final(place)}
            strip.starts[-1:] = [row[0] for row in found]
            asked = [place for place in range(len(strip.starts)) if place not in final]
            cells = dict(enumerate(strip.cells))
            rows = self._reads.all("cells", **known, ranges=as_json([strip.range_of(place) for place in asked]))
            cells.update((asked[row[0]], Cell(*row[1:])) for row in rows)
            strip.cells = [cells[place] for place in range(len(strip.starts)) if place in cells]
