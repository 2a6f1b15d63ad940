"""What the benchmark's table says of a figure."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from benchmarks.targets import ROWS, Measured, Row, rows_of

FASTER = Row("jobs_per_s", "jobs", "/s", must=100, aim=200)
SHORTER = Row("lag_ms", "lag", "ms", must=25, aim=8, at_most=True)


@pytest.mark.parametrize(
    ("row", "value", "verdict"),
    [
        (FASTER, 99, "FAIL"),
        (FASTER, 100, "pass"),
        (FASTER, 200, "pass, aim"),
        (SHORTER, 26, "FAIL"),
        (SHORTER, 25, "pass"),
        (SHORTER, 8, "pass, aim"),
        (Row("ceiling", "ceiling", "/s"), 1, "–"),
    ],
)
def test_a_figure_is_judged_by_its_targets(row, value, verdict):
    assert row.verdict(value) == verdict


def test_a_quick_run_is_not_judged_by_what_needs_the_full_size():
    row = Row("seconds", "all of it", "s", must=30, at_most=True, at_full_size=True)

    assert row.verdict(31, quick=True) == "–"
    assert row.verdict(31) == "FAIL"


def test_every_key_stands_once_in_the_table():
    keys = [row.key for row in ROWS]

    assert len(keys) == len(set(keys))


def test_measured_is_the_median_with_its_range():
    assert Measured.of([3.0, 1.0, 2.0]) == Measured(2.0, 1.0, 3.0)


def test_without_a_server_the_benchmark_of_one_says_so():
    command = [sys.executable, "benchmarks/engine.py", "--backend", "postgres", "--only", "idle"]
    nobody = {**os.environ, "QUAERO_TEST_POSTGRES": "postgresql://127.0.0.1:1/none"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=nobody)

    assert done.returncode == 2
    assert "no connection to PostgreSQL" in done.stderr


def test_a_server_has_targets_of_its_own():
    figures = {"drain_jobs_per_s": Measured.of([30_000.0]), "parent_lag_ms": Measured.of([9.0])}

    drain, lag = rows_of(figures, "postgres")

    assert (drain.must, drain.verdict(30_000)) == (28_000, "pass")
    assert lag.verdict(9) == "–"
