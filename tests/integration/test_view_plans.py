"""How views find their rows, in tables of hundreds of thousands: by an index, whatever else lies beside."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest
from psycopg import ClientCursor

from quaero.model.status import JobStatus
from quaero.ports.views import RunFilter
from quaero.storage.reads import NamedReads
from quaero.storage.run_pages import RunPages
from quaero.storage.sqlite import SqliteDatabase
from quaero.storage.statements import statements
from tests.engine_kit import Lab, define, step
from tests.integration.test_job_plans_postgres import Plan, Sessions, _nodes
from tests.integration.test_job_plans_postgres import db as postgres  # noqa: F401 - a fixture

JOBS = 200_000
RUN, DONE, BUSY = 1, 2, 3
FIRST = 1_000
LAST = 2**63 - 1
BUILD = """
WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < :jobs - 1)
INSERT INTO jobs (id, kind, manager_id, parent_id, status, priority, available_at, attempt, claimed_by, needs,
                  created_at, started_at, finished_at)
SELECT 1000 + i, 2, 1, step, status, i % 3, 1000 * i, status > 1, iif(status = 2, 1, NULL),
       iif(step = 3 AND i % 1000 = 6, 'gpu', ''), 0, 1, iif(status > 2, i, NULL)
  FROM (SELECT i, iif(i < :jobs / 2, 2, 3) AS step,
               CASE WHEN i < :jobs / 2 THEN iif(i % 100 = 0, 4, 3)
                    WHEN i % 2000 = 7 THEN 2 WHEN i % 500 = 9 THEN 1 WHEN i % 3 = 2 THEN 3 ELSE 0 END AS status
          FROM n)
"""

CELL = json.dumps([[FIRST, FIRST + 99], [FIRST + 100, FIRST + 199]])
CHILD = {"parent_id": BUSY, "manager_id": RUN, "first": 0, "last": LAST, "family": None, "states": None, "scan": 500}
CHILD |= {"limit": 50, "after": FIRST, "priority": 2, "due": 0, "needs": "", "took": LAST, "ranges": CELL}
AMONG_DONE = {**CHILD, "parent_id": DONE}
IDS = {"ids": json.dumps([FIRST + n for n in range(50)])}
OWNERS = {"ids": json.dumps([RUN, DONE, BUSY])}
ASKED: dict[str, tuple[dict[str, Any], str, str]] = {
    "parent": ({"id": BUSY}, "PRIMARY KEY", "jobs_pkey"),
    "jobs": (IDS, "PRIMARY KEY", "jobs_pkey"),
    "run_facts": (OWNERS, "steps_of_run", "runs_pkey"),
    "steps": (OWNERS, "PRIMARY KEY", "steps_pkey"),
    "walk_all": (CHILD, "jobs_children", "job_io_children"),
    "end_of_walk_all": (CHILD, "jobs_children", "job_io_children"),
    "walk_failed": (AMONG_DONE, "jobs_failed", "jobs_failed"),
    "end_of_walk_failed": (AMONG_DONE, "jobs_failed", "jobs_failed"),
    "walk_running": (CHILD, "jobs_held", "jobs_held"),
    "walk_ready": (CHILD, "jobs_ready", "jobs_ready"),
    "walk_suspect": (CHILD, "jobs_suspect", "jobs_suspect"),
    "walk_needing": (CHILD, "jobs_needing", "jobs_needing"),
    "walk_waiting": (CHILD, "jobs_due", "jobs_due"),
    "walk_slowest": (AMONG_DONE, "jobs_children", "job_io_children"),
    "child_at": ({**CHILD, "place": 50}, "jobs_children", "job_io_children"),
    "cells": (AMONG_DONE, "jobs_children", "job_io_children"),
    "child_runs": ({"run_id": RUN, "limit": 50}, "runs_parent", "steps_of_run"),
    "live_runs": (OWNERS, "PRIMARY KEY", "runs_pkey"),
    "live_steps_of": (OWNERS, "steps_of_run", "steps_of_run"),
    "live_steps": (OWNERS, "PRIMARY KEY", "steps_pkey"),
    "live_workers": (IDS, "PRIMARY KEY", "jobs_pkey"),
    "failed_runs": ({"limit": 50}, "jobs_failed", "jobs_failed"),
    "samples": (IDS, "PRIMARY KEY", "job_io_pkey"),
    "definition_uses": ({"ids": '["nothing"]', "last": 12}, "runs_definition", "runs_definition"),
}
"""Statement -> parameters, index in SQLite, index in PostgreSQL."""
RUNS: dict[str, tuple[RunFilter, str, str]] = {
    "all": (RunFilter(), "jobs_runs", "jobs_pkey"),
    "open": (RunFilter(statuses=(JobStatus.RUNNING, JobStatus.PENDING)), "jobs_open_runs", "jobs_open_runs"),
    "definition": (RunFilter(definition_id="rare", text="a"), "runs_definition", "jobs_pkey"),
}
SORTED = {"walk_slowest", "walk_running", "child_runs", "run_facts"}
"""A few rows only."""
OWN = {"c", "r", "failing", "l", "found"}
"""What a statement has gathered itself; r: runs, newest first."""


@pytest.fixture(scope="module")
def sqlite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[apsw.Connection]:
    folder = tmp_path_factory.mktemp("views")
    lab = Lab("sqlite", folder)
    lab.start(define("run", step("a"), step("b")))
    lab.close()
    db = apsw.Connection(str(folder / "quaero.db"))
    db.execute("PRAGMA synchronous = OFF")
    with db:
        db.execute(BUILD, {"jobs": JOBS})
    yield db
    db.close()


def sqlite_plan(db: apsw.Connection, sql: str, params: dict[str, Any]) -> list[str]:
    return [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {sql}", params)]


def steps_of_machine(db: apsw.Connection, sql: str, params: dict[str, Any]) -> int:
    seen: list[dict[str, Any]] = []
    db.trace_v2(apsw.SQLITE_TRACE_PROFILE, seen.append)
    try:
        db.execute(sql, params).fetchall()
    finally:
        db.trace_v2(0, None)
    return int(seen[0]["stmt_status"]["SQLITE_STMTSTATUS_VM_STEP"])


def check_sqlite(plan: list[str], index: str, *, may_sort: bool = False) -> None:
    assert any(index in line for line in plan), plan
    for line in plan:
        # Own results, arrays and partial indexes are gone through; tables of jobs never are.
        scanned = re.match(r"SCAN (\w+)(?: USING (?:COVERING )?INDEX (\w+))?$", line)
        if scanned and "VIRTUAL" not in line:
            assert scanned[2] in {"jobs_held", "jobs_open_runs"} or scanned[1] in {"c", "r", "failing", "l", "found"}, (
                plan
            )
    assert may_sort or not [line for line in plan if "TEMP B-TREE FOR ORDER" in line], plan


@pytest.mark.parametrize("name", ASKED)
def test_sqlite_finds_rows_by_an_index(sqlite: apsw.Connection, name: str) -> None:
    params, index, _ = ASKED[name]
    sql = statements("sqlite", "views")[name]

    check_sqlite(sqlite_plan(sqlite, sql, params), index, may_sort=name in SORTED)
    assert steps_of_machine(sqlite, sql, params) < 40_000


@pytest.mark.parametrize("name", RUNS)
def test_sqlite_pages_runs_along_an_index(sqlite: apsw.Connection, name: str, tmp_path: Path) -> None:
    where, index, _ = RUNS[name]
    pages = RunPages(NamedReads(SqliteDatabase(tmp_path / "none.db").readers(), "views"))

    for sql, params in (pages.page_statement(where), pages.count_statement(where)):
        check_sqlite(sqlite_plan(sqlite, sql, {**params, "limit": 50}), index, may_sort=name == "open")


@pytest.mark.parametrize("name", ["walk_all", "walk_failed", "walk_ready"])
def test_the_last_page_costs_no_more_than_the_first(sqlite: apsw.Connection, name: str) -> None:
    sql = statements("sqlite", "views")[name]
    near_end = {"after": FIRST + JOBS - 200, "due": 1000 * (JOBS - 200), "priority": 0}
    first, last = CHILD, {**CHILD, **near_end}
    if name == "walk_failed":
        first, last = AMONG_DONE, {**AMONG_DONE, "after": FIRST + JOBS // 2 - 6_000}

    assert steps_of_machine(sqlite, sql, last) <= steps_of_machine(sqlite, sql, first) * 1.1 + 200


# PostgreSQL, under each kind of statistics and plan


def explained(db: Any, text: str, params: dict[str, Any]) -> Plan:
    names = list(dict.fromkeys(re.findall(r"(?<![:\w]):([a-z_]\w*)", text)))
    numbered = re.sub(r"(?<![:\w]):([a-z_]\w*)", lambda found: f"${names.index(found[1]) + 1}", text)
    types = ", ".join("bigint" if isinstance(params[n], int) else "unknown" for n in names)
    values = ClientCursor(db).mogrify(", ".join(["%s"] * len(names)), [params[n] for n in names])
    db.execute(f"PREPARE asked ({types}) AS {numbered}".encode())
    try:
        [[[found]]] = db.execute(
            f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE asked ({values})".encode()
        ).fetchall()
    finally:
        db.execute(b"DEALLOCATE asked")
    top = found["Plan"]
    return Plan(list(_nodes(top)), top["Shared Hit Blocks"] + top["Shared Read Blocks"])


def check_postgres(plan: Plan, index: str) -> None:
    used = {node["Index Name"] for node in plan.nodes if "Index Name" in node}
    scanned = {node["Relation Name"] for node in plan.nodes if node["Node Type"] == "Seq Scan"}
    assert not scanned & {"jobs", "job_io", "attempts"}, f"reads {scanned} whole:\n{plan}"
    assert index in used, str(plan)
    assert plan.read("jobs") < 8_000, str(plan)
    assert plan.read("job_io") < 8_000, str(plan)


@pytest.mark.parametrize("mode", ["force_generic_plan", "force_custom_plan"])
@pytest.mark.parametrize("name", ASKED)
def test_postgres_finds_rows_by_an_index(postgres: Sessions, name: str, mode: str) -> None:  # noqa: F811
    params, _, index = ASKED[name]
    postgres.reading.execute(f"SET plan_cache_mode = {mode}".encode())

    check_postgres(explained(postgres.reading, statements("postgres", "views")[name], params), index)


@pytest.mark.parametrize("mode", ["force_generic_plan", "force_custom_plan"])
@pytest.mark.parametrize("name", RUNS)
def test_postgres_pages_runs_along_an_index(postgres: Sessions, name: str, mode: str) -> None:  # noqa: F811
    where, _, index = RUNS[name]
    pages = RunPages(NamedReads(_Readers(), "views"))  # type: ignore[arg-type]
    postgres.reading.execute(f"SET plan_cache_mode = {mode}".encode())

    for sql, params in (pages.page_statement(where), pages.count_statement(where)):
        check_postgres(explained(postgres.reading, sql, {**params, "limit": 50}), index)


class _Readers:
    """For those who only write statements."""

    dialect = "postgres"
