"""How SQLite finds the rows of the hot statements, with a million jobs in the table: by the index made for it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import apsw
import pytest

from quaero.ports.jobs import Delta
from quaero.storage.statements import statements
from tests.engine_kit import Lab, define, step

JOBS = 1_000_000
SQL = statements("sqlite", "jobs")
NOW = 1_763_800_000_000_000
RUN, DONE, BUSY, KEYED = 1, 2, 3, 4
"""Ids of the run and its steps: one with only ended jobs, one at work, one whose jobs have limit keys."""
FIRST = 1_000

BUILD = """
WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < :jobs - 1)
INSERT INTO jobs (id, kind, manager_id, parent_id, child_key, status, priority, available_at, attempt, rescues,
                  claimed_by, limit_key, dedup_key, created_at, finished_at)
SELECT 1000 + i, 2, 1, step, 'k' || i, status, i % 3, 1000 * i, status > 1, iif(status = 0 AND i % 1000 = 1, 2, 0),
       iif(status = 2, 1 + i % 2, NULL), iif(step = 4, 'host' || (i % 50), NULL), iif(i % 5000 = 0, 'd' || i, NULL),
       0, iif(status > 2, 1, NULL)
  FROM (SELECT i, CASE WHEN i < :jobs / 2 THEN 2 WHEN i < :jobs * 9 / 10 THEN 3 ELSE 4 END AS step,
               CASE WHEN i < :jobs / 2 THEN iif(i % 100 = 0, 4, 3)
                    WHEN i % 200 = 7 THEN 2 WHEN i % 50 = 9 THEN 1 WHEN i % 3 = 2 THEN 3 ELSE 0 END AS status
          FROM n)
"""


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Iterator[apsw.Connection]:
    folder = tmp_path_factory.mktemp("plans")
    lab = Lab("sqlite", folder)
    run = lab.start(define("run", step("a"), step("b", worker_type="other"), step("c", worker_type="keyed")))
    assert (run, [row.id for row in lab.steps(run).values()]) == (RUN, [DONE, BUSY, KEYED])
    lab.claim_steps()
    lab.close()
    db = apsw.Connection(str(folder / "quaero.db"))
    db.execute("PRAGMA synchronous = OFF; PRAGMA cache_size = -262144")
    with db:
        db.execute(BUILD, {"jobs": JOBS})
        db.execute("INSERT INTO job_io (id, payload) SELECT id, '{}' FROM jobs WHERE kind = 2 AND status < 3")
        db.execute(
            "UPDATE steps SET (total, pending, waiting) = (SELECT count(*), sum(c.status < 2), sum(c.status = 1)"
            " FROM jobs AS c WHERE c.parent_id = steps.id)"
        )
    yield db
    db.close()


def ids_of(db: apsw.Connection, status: int, count: int, step_id: int = BUSY) -> list[int]:
    found = db.execute("SELECT id FROM jobs WHERE parent_id = ? AND status = ? LIMIT ?", (step_id, status, count))
    return [row[0] for row in found]


def rows(*values: Any) -> dict[str, str]:
    return {"rows": json.dumps(values)}


COUNTERS = (BUSY, *(getattr(Delta(), name) for name in Delta.__struct_fields__))
CLAIM = {"step_id": BUSY, "limit": 100, "floor": -(2**63)}
CASES: dict[str, tuple[dict[str, Any], str]] = {
    "peek_jobs": (CLAIM, "jobs USING INDEX jobs_ready"),
    "peek_keyed_jobs": ({**CLAIM, "step_id": KEYED, "limit_key": "host1", "needs": ""}, "jobs USING INDEX jobs_keyed"),
    "peek_needing_jobs": ({**CLAIM, "needs": "browser"}, "jobs USING INDEX jobs_needing"),
    "peek_suspect": ({**CLAIM, "limit_key": None, "capabilities": "[]"}, "jobs USING INDEX jobs_suspect"),
    "ready_keys": ({"step_id": KEYED, "after": "", "limit": 256}, "jobs USING COVERING INDEX jobs_keyed"),
    "claim": ({**rows(FIRST), "process_id": 1, "now": NOW}, "jobs USING INTEGER PRIMARY KEY"),
    "complete": ({**rows((FIRST, 1)), "now": NOW}, "jobs USING INTEGER PRIMARY KEY"),
    "completed_now": ({**rows((FIRST, 1)), "now": NOW}, "jobs USING INTEGER PRIMARY KEY"),
    "accepted": (rows((FIRST, 1)), "jobs USING INTEGER PRIMARY KEY"),
    "settle": ({**rows((FIRST, 1, 1, None, None, 0)), "now": NOW}, "jobs USING INTEGER PRIMARY KEY"),
    "put_results": (rows((FIRST, None, None)), "job_io USING INTEGER PRIMARY KEY"),
    "apply_counters": (rows(COUNTERS), "steps USING INTEGER PRIMARY KEY"),
    "raise_lanes": (rows(FIRST), "jobs USING INTEGER PRIMARY KEY"),
    "look": ({"roots": None, "types": '["work"]', "skip": "[]", "capabilities": "[]"}, "s USING INDEX steps_lane"),
    "plannable": (
        {"roots": None, "types": '["work"]', "limit": 4, "capabilities": "[]"},
        "p USING INDEX jobs_plannable",
    ),
    "due_children": ({"now": NOW, "limit": 100}, "jobs USING INDEX jobs_due"),
    "make_ready": (rows(FIRST), "jobs USING INTEGER PRIMARY KEY"),
    "next_due": ({}, "jobs USING COVERING INDEX jobs_due"),
    "due_runs": ({"now": NOW}, "r USING COVERING INDEX runs_deadline"),
    "due_steps": ({"now": NOW}, "s USING COVERING INDEX steps_deadline"),
    "sweep_candidates": ({"step_id": BUSY, "after": 0, "limit": 5_000}, "c USING COVERING INDEX jobs_children"),
    "cancel_children": ({**rows(FIRST), "reason": 1, "now": NOW}, "jobs USING INTEGER PRIMARY KEY"),
    "lost_jobs": ({"process_id": 1}, "jobs USING INDEX jobs_held"),
    "holders": ({}, "j USING COVERING INDEX jobs_held"),
    "rescue": (rows(FIRST), "jobs USING INTEGER PRIMARY KEY"),
    "fail_lost": ({**rows(FIRST), "reason": 1, "now": NOW}, "jobs USING INTEGER PRIMARY KEY"),
    "list_runs": ({"cursor": None, "status": None, "limit": 50}, "SCAN j USING INDEX jobs_runs"),
    "list_children": ({"parent_id": BUSY, "cursor": 0, "status": None, "limit": 50}, "j USING INDEX jobs_children"),
    "failed_children": ({"run_id": RUN, "limit": 50}, "f USING COVERING INDEX jobs_failed"),
    "count_failed_children": ({"old_run": RUN, "old_step": DONE, "family": None}, "jobs USING INDEX jobs_failed"),
    "open_runs": ({"definition_id": "run"}, "SCAN j USING INDEX jobs_open_runs"),
    "stopped_runs": ({}, "SCAN j USING INDEX jobs_open_runs"),
    "all_open_runs": ({}, "SCAN j USING INDEX jobs_open_runs"),
    "open_log_days": ({}, "SCAN j USING INDEX jobs_open_runs"),
    "steps": ({"run_id": RUN}, "s USING INDEX steps_of_run"),
    "step": ({"id": BUSY}, "s USING INTEGER PRIMARY KEY"),
    "run": ({"id": RUN}, "r USING INTEGER PRIMARY KEY"),
    "child_runs": ({"run_id": RUN}, "r USING COVERING INDEX runs_parent"),
    "get_job": ({"id": FIRST}, "j USING INTEGER PRIMARY KEY"),
    "recount": ({"step_id": BUSY}, "c USING INDEX jobs_children"),
    "drifting": ({"after": 0, "limit": 20}, "c USING INDEX jobs_children"),
}
PARTIAL = {"jobs_held", "jobs_runs", "jobs_open_runs", "jobs_plannable", "steps_lane"}
"""Indexes that are read from end to end on purpose: they hold only what is asked for."""

RESULTS = {
    "due_children": "d",
    "look": "l",
    "peek_jobs": "r",
    "peek_keyed_jobs": "r",
    "peek_needing_jobs": "r",
    "peek_suspect": "r",
    "raise_lanes": "j",
    "ready_keys": "keys",
}
"""What is gone through without an index: the statement's own inner result."""


def plan(db: apsw.Connection, name: str, params: dict[str, Any]) -> list[str]:
    return [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {SQL[name]}", params)]


@pytest.mark.parametrize("name", CASES)
def test_a_statement_finds_its_rows_by_the_index_made_for_it(db: apsw.Connection, name: str) -> None:
    params, wanted = CASES[name]

    steps = plan(db, name, params)

    assert any(wanted in line for line in steps), f"{name}: {steps}"
    for line in steps:
        scanned = re.match(r"SCAN (\w+)(?: USING (?:COVERING )?INDEX (\w+))?", line)
        if scanned and "VIRTUAL TABLE" not in line and "CONSTANT ROW" not in line:
            what, index = scanned.groups()
            assert index in PARTIAL or (index is None and what == RESULTS.get(name)), f"{name}: {line}"


def test_every_statement_of_the_claim_reads_in_order(db: apsw.Connection) -> None:
    for name in ("peek_jobs", "peek_keyed_jobs", "peek_suspect", "due_children", "list_children", "failed_children"):
        assert not [line for line in plan(db, name, CASES[name][0]) if "TEMP B-TREE" in line], name


def cost(db: apsw.Connection, name: str, params: dict[str, Any]) -> dict[str, int]:
    """What the statement did, by SQLite's own count; nothing of it stays."""
    seen: list[dict[str, Any]] = []
    db.execute("SAVEPOINT cost")
    db.trace_v2(apsw.SQLITE_TRACE_PROFILE, seen.append)
    try:
        db.execute(SQL[name], params).fetchall()
    finally:
        db.trace_v2(0, None)
        db.execute("ROLLBACK TO cost; RELEASE cost")
    status: dict[str, int] = seen[0]["stmt_status"]
    return status


def count(db: apsw.Connection, name: str, params: dict[str, Any]) -> int:
    """Steps of SQLite's machine."""
    status = cost(db, name, params)
    assert status["SQLITE_STMTSTATUS_SORT"] == 0, name
    assert status["SQLITE_STMTSTATUS_AUTOINDEX"] == 0, name
    return status["SQLITE_STMTSTATUS_VM_STEP"]


@pytest.mark.parametrize("name", ["peek_jobs", "peek_keyed_jobs", "due_children"])
def test_a_claim_looks_at_no_row_twice(db: apsw.Connection, name: str) -> None:
    few, many = ({**CASES[name][0], "limit": limit} for limit in (100, 200))

    status = cost(db, name, many)
    each = (count(db, name, many) - count(db, name, few)) / 100

    assert status["SQLITE_STMTSTATUS_FULLSCAN_STEP"] <= 200, "only its own result"
    assert each < 60, f"{each} machine steps a job: one row of the index and one of each table are about 50"


@pytest.mark.parametrize("name", ["claim", "complete", "accepted", "settle", "cancel_children", "rescue"])
def test_a_batch_costs_the_same_for_each_of_its_jobs(db: apsw.Connection, name: str) -> None:
    status = 0 if name in {"claim", "cancel_children"} else 2
    ids = ids_of(db, status, 400)
    shapes: dict[str, Any] = {"settle": lambda i: (i, 1, 1, None, NOW, 0)}
    shape = shapes.get(name, (lambda i: (i, 1)) if name in {"complete", "accepted"} else (lambda i: i))
    params = CASES[name][0]

    few, many = (count(db, name, {**params, **rows(*map(shape, ids[:size]))}) for size in (200, 400))

    assert (many - few) / 200 < 150, f"{(many - few) / 200} machine steps a job"


def test_a_page_at_the_end_of_a_long_step_costs_no_more_than_the_first(db: apsw.Connection) -> None:
    pages = [
        {"parent_id": DONE, "cursor": cursor, "status": None, "limit": 50} for cursor in (0, FIRST + JOBS // 2 - 60)
    ]

    first, last = (count(db, "list_children", page) for page in pages)

    assert last <= first


def test_looking_for_work_costs_little_however_many_jobs_wait(db: apsw.Connection) -> None:
    params = {"roots": None, "types": '["work", "other", "keyed"]', "skip": "[]", "capabilities": "[]"}

    status = cost(db, "look", params)

    assert status["SQLITE_STMTSTATUS_VM_STEP"] < 600
    assert status["SQLITE_STMTSTATUS_FULLSCAN_STEP"] < 20
