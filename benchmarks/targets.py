"""The rows of the table: what each figure must reach on the reference machine, and what it should.

A target is one of 2 cores (EPYC, virtual), ext4, CPython 3.11, ``synchronous=FULL``; another machine is to be judged
by the shares of the ceiling rather than by the absolute figures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median


@dataclass(frozen=True)
class Measured:
    """The median of the runs, and the worst and best of them in order of size."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Measured:
        return cls(median(values), min(values), max(values))


@dataclass(frozen=True)
class Row:
    """One figure of the table. ``must`` and ``aim`` are the least, or with ``at_most`` the most, it may be."""

    key: str
    work: str
    unit: str
    must: float | None = None
    aim: float | None = None
    at_most: bool = False
    at_full_size: bool = False
    """Says nothing of a quick run, which does less."""

    def verdict(self, value: float, *, quick: bool = False) -> str:
        if self.must is None or (quick and self.at_full_size):
            return "–"
        if not self._reaches(value, self.must):
            return "FAIL"
        return "pass" if self.aim is None or not self._reaches(value, self.aim) else "pass, aim"

    def _reaches(self, value: float, target: float) -> bool:
        return value <= target if self.at_most else value >= target

    def shown(self, value: float | None) -> str:
        """The figure with its unit, as precise as it deserves."""
        if value is None:
            return ""
        digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
        return f"{value:,.{digits}f} {self.unit}".rstrip()

    def target(self, value: float | None) -> str:
        return "" if value is None else f"{'≤' if self.at_most else '≥'} {value:,g} {self.unit}".rstrip()


POSTGRES: dict[str, tuple[float | None, float | None]] = {
    "drain_jobs_per_s": (28_000, 42_000),
    "drain_two_ratio": (1.3, None),
    "wal_bytes_per_job": (1_500, 1_000),
    "pipeline_children_per_s": (11_000, 18_000),
    "latency_p50_ms": (4, 2.6),
    "latency_p99_ms": (10, 5),
    "idle_cpu_percent": (1, None),
    "idle_queries_per_s": (1, None),
}
"""Must and aim on PostgreSQL, where a figure has a target there."""

ROWS: tuple[Row, ...] = (
    Row("drain_jobs_per_s", "drain no-op jobs", "/s", 50_000, 90_000),
    Row("drain_ceiling_per_s", "  ceiling, same work", "/s"),
    Row("drain_of_ceiling_percent", "  share of the ceiling", "%", 40, 75),
    Row("drain_two_ratio", "  two worker processes to one", "×"),
    Row("wal_bytes_per_job", "  write-ahead log for claim and end of a job", "B", at_most=True),
    Row("wal_bytes_whole", "  with its insert", "B", at_most=True),
    Row("pipeline_children_per_s", "5,000 children with a log line", "/s", 30_000, 55_000),
    Row("pipeline_ceiling_per_s", "  ceiling, same work", "/s"),
    Row("pipeline_of_ceiling_percent", "  share of the ceiling", "%", 50, None),
    Row("parent_lag_ms", "  parent closed after the last child", "ms", 25, 8, at_most=True),
    Row("documents_children_per_s", "5,000 children with a document", "/s", 12_000, 25_000),
    Row("enqueue_jobs_per_s", "enqueue typed jobs in batches", "/s", 200_000, 400_000),
    Row("fanout_seconds", "1,000,000 no-op children", "s", 30, 12, at_most=True, at_full_size=True),
    Row("fanout_children_per_s", "  children", "/s"),
    Row("fanout_peak_rss_mb", "  peak memory", "MB", 200, at_most=True),
    Row("fanout_last_tenth_ratio", "  speed of the last tenth to the first", "", 0.8, at_full_size=True),
    Row("latency_p50_ms", "enqueue to start, p50", "ms", 2, 1.2, at_most=True),
    Row("latency_p99_ms", "enqueue to start, p99", "ms", 8, 3, at_most=True),
    Row("latency_two_p50_ms", "  in two processes, p50", "ms", 4, 2, at_most=True),
    Row("latency_two_p99_ms", "  in two processes, p99", "ms", 15, 5, at_most=True),
    Row("cpu100_jobs_per_s", "handlers of 100 µs CPU", "/s", 8_000, 9_000),
    Row("write_lock_p50_ms", "  write lock held, p50", "ms", 20, 8, at_most=True),
    Row("idle_cpu_percent", "idle process, CPU", "%", 1, at_most=True),
    Row("idle_queries_per_s", "idle process, statements", "/s", 1, at_most=True),
    Row("flood_noop_loss_percent", "no-op drain beside 50,000 lines/s, loss", "%", 30, 15, at_most=True),
    Row("flood_cpu100_loss_percent", "100 µs handlers beside 50,000 lines/s, loss", "%", 20, at_most=True),
)

SERVER_ROWS: tuple[Row, ...] = (
    Row("api_p50_ms", "API beside 1,000,000 children, p50", "ms", at_most=True),
    Row("api_p95_ms", "API beside 1,000,000 children, p95", "ms", 50, at_most=True),
    Row("api_slowest_call_p95_ms", "  p95 of the slowest kind of call", "ms", at_most=True),
    Row("page_p50_ms", "run page until its step shows, p50", "ms", at_most=True),
    Row("page_p95_ms", "run page until its step shows, p95", "ms", 200, at_most=True),
    Row("page_first_ms", "  the first time, nothing cached", "ms", at_most=True),
    Row("step_page_p95_ms", "  page of the step until its jobs show, p95", "ms", at_most=True),
    Row("live_alone_cpu_percent", "500 changes/s, 200 lines/s, nobody looks: CPU", "%", at_most=True),
    Row("live_tabs_cpu_percent", "  5 tabs, on top of that", "%", 10, at_most=True),
    Row("frames_per_s", "  frames of the tab in front", "/s", 59),
    Row("frame_worst_ms", "  longest frame", "ms", 50, at_most=True),
    Row("frames_over_50_ms", "  frames over 50 ms", "", 0, at_most=True),
    Row("click_p50_ms", "  click on a filter until it shows, p50", "ms", 50, at_most=True),
    Row("click_worst_ms", "  the slowest of 20", "ms", at_most=True),
    Row("sockets_one_cpu_percent", "same load, 1 socket client: CPU on top", "%", at_most=True),
    Row("sockets_cpu_percent", "  50 socket clients", "%", 5, at_most=True),
    Row("sockets_frames_per_s", "  frames that the slowest client gets", "/s"),
    Row("sockets_mb", "  memory on top", "MB", at_most=True),
    Row("sleeper_growth_mb", "20,000 lines/s, a client asleep for 25 s: memory", "MB", 20, at_most=True),
    Row("sleeper_snapshots", "  snapshots when it wakes", "", 1, at_most=True),
    Row("start_empty_page_s", "cold start until / is answered", "s", 1, at_most=True),
    Row("start_empty_health_s", "  until /api/health is", "s", 1, at_most=True),
    Row("start_definitions_page_s", "  / with 100 definitions", "s", 1, at_most=True),
    Row("start_definitions_health_s", "  /api/health with 100 definitions", "s", at_most=True),
    Row("bytes_kb", "first load of the queue page, compressed", "kB", 60, at_most=True),
    Row("requests", "  requests", "", at_most=True),
)


def rows_of(figures: Mapping[str, Measured], backend: str = "sqlite") -> list[Row]:
    rows = [row for row in ROWS if row.key in figures]
    if backend == "sqlite":
        return rows
    return [replace(row, must=must, aim=aim) for row in rows for must, aim in [POSTGRES.get(row.key, (None, None))]]
