"""How PostgreSQL finds the rows of the hot statements, with 300,000 jobs in the table: by the index made for it.

Plans are those that the engine gets: the statement prepared, in a session with the engine's settings. They must hold
whatever the statistics say, for a node prepares its statements once: in a database whose statistics were taken while
it was empty, in one where every job was ready at that time, and in one whose statistics are of today.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import psycopg
import pytest
from psycopg import ClientCursor

from quaero.ports.jobs import Delta
from quaero.storage.postgres import _READING, _WRITING, PostgresDatabase
from quaero.storage.statements import statements
from tests.postgres import drop_database, unused_database

JOBS = 300_000
RUNS = 3_000
"""Ended ones, of one step each."""
SQL = statements("postgres", "jobs")
NOW = 1_763_800_000_000_000
RUN, DONE, BUSY, KEYED = 1, 2, 3, 4
"""Ids of the run and its steps: one with only ended jobs, one at work, one whose jobs have limit keys."""
FIRST = 1_000
OLD = 1_000_000
"""The first of the ended runs; its step is the next number."""
TABLES = ("jobs", "job_io", "steps", "runs", "attempts", "events", "processes", "limiters", "definitions")
SMALL = {"processes", "turns"}
"""May be read whole: no more rows than nodes."""

_PLACES = f"""
SELECT i, {FIRST} + i AS id,
       CASE WHEN i < {JOBS} / 2 THEN {DONE} WHEN i < {JOBS} * 9 / 10 THEN {BUSY} ELSE {KEYED} END AS step,
       CASE WHEN i < {JOBS} / 2 THEN CASE WHEN i % 100 = 0 THEN 4 ELSE 3 END
            WHEN i % 200 = 7 THEN 2 WHEN i % 50 = 9 THEN 1 WHEN i % 3 = 2 THEN 3 ELSE 0 END AS status
  FROM generate_series(0, {JOBS - 1}) AS i
"""
_FAMILY = f"""
SELECT setval('job_numbers', 5000000);
INSERT INTO runs (id, definition_id, revision, root_id, name, log_day)
SELECT id, 'run', 1, id, 'run', '2025-11-22' FROM (
  SELECT {RUN} AS id UNION ALL SELECT {OLD} + 2 * n FROM generate_series(0, {RUNS - 1}) AS n) AS r;
INSERT INTO steps (id, manager_id, root_id, position, name, worker_type, sealed)
SELECT id, run, run, id, 'step' || id, CASE WHEN id = {KEYED} THEN 'keyed' ELSE 'work' END, 1 FROM (
  SELECT id, {RUN} AS run FROM generate_series({DONE}, {KEYED}) AS id
  UNION ALL SELECT {OLD} + 2 * n + 1, {OLD} + 2 * n FROM generate_series(0, {RUNS - 1}) AS n) AS s;
INSERT INTO jobs (id, kind, manager_id, parent_id, status, created_at, finished_at)
SELECT id, 0, id, NULL, CASE WHEN id = {RUN} THEN 2 ELSE 3 END, 0, CASE WHEN id > {RUN} THEN 1 END FROM runs
UNION ALL SELECT id, 1, manager_id, manager_id, CASE WHEN id > {KEYED} THEN 3 WHEN id = {DONE} THEN 0 ELSE 2 END, 0,
                 CASE WHEN id > {KEYED} THEN 1 END FROM steps;
INSERT INTO job_io (id, parent_id, child_key)
SELECT j.id, j.parent_id, s.name FROM jobs AS j LEFT JOIN steps AS s ON s.id = j.id;
INSERT INTO attempts (job_id, attempt, ended_at, outcome)
SELECT {FIRST} + n * 100, 1, 1, 'failed' FROM generate_series(0, {RUNS - 1}) AS n;
INSERT INTO events (origin, seq, ts, type, data)
SELECT n % 8, n, n, 'job.progress', '' FROM generate_series(1, 20000) AS n;
INSERT INTO processes (host, boot_id, pid_space, pid, version, slots, capabilities, lease_until, started_at)
SELECT 'host', 'boot', 'space', n, '1', 4, '[]', {NOW}, 0 FROM generate_series(1, 8) AS n;
INSERT INTO limiters (name, key, in_use) SELECT 'keyed', 'host' || n, 1 FROM generate_series(0, 2999) AS n;
INSERT INTO definitions (id, revision, hash, source, body, created_at)
SELECT 'run', n, 'hash' || n, '', '{{}}', 0 FROM generate_series(1, 1000) AS n;
"""
_READY = f"""
INSERT INTO jobs (id, kind, manager_id, parent_id, status, available_at, created_at)
SELECT id, 2, {RUN}, step, 0, i, 0 FROM ({_PLACES}) AS p WHERE i % 10 = 0;
"""
_JOBS = f"""
INSERT INTO jobs (id, kind, manager_id, parent_id, status, priority, available_at, attempt, rescues, claimed_by,
                  limit_key, dedup_key, needs, created_at, finished_at)
SELECT id, 2, {RUN}, step, status, i % 3, 1000 * i, CASE WHEN status > 1 THEN 1 ELSE 0 END,
       CASE WHEN status = 0 AND i % 1000 = 1 THEN 2 ELSE 0 END, CASE WHEN status = 2 THEN 1 + i % 2 END,
       CASE WHEN step = {KEYED} THEN 'host' || (i % 50) END, CASE WHEN i % 5000 = 0 THEN 'd' || i END,
       CASE WHEN step = {BUSY} AND i % 1000 = 6 THEN 'gpu' ELSE '' END, 0, CASE WHEN status > 2 THEN 1 END
  FROM ({_PLACES}) AS p;
INSERT INTO job_io (id, parent_id, child_key, payload) SELECT id, step, 'k' || i, '{{}}' FROM ({_PLACES}) AS p;
UPDATE steps SET pending = c.pending, waiting = c.waiting, total = c.total
  FROM (SELECT parent_id, count(*) AS total, count(*) FILTER (WHERE status < 2) AS pending,
               count(*) FILTER (WHERE status = 1) AS waiting
          FROM jobs WHERE kind = 2 GROUP BY parent_id) AS c
 WHERE steps.id = c.parent_id;
"""
_STATISTICS = {
    "empty": ("ANALYZE", _FAMILY + _JOBS),
    "all ready": (_READY + "ANALYZE; TRUNCATE jobs", _FAMILY + _JOBS),
    "fresh": ("", _FAMILY + _JOBS + "ANALYZE"),
}
"""What the statistics know -> (before, after) which they are taken."""


class Sessions(NamedTuple):
    writing: psycopg.Connection[Any]
    reading: psycopg.Connection[Any]


@pytest.fixture(scope="module", params=_STATISTICS)
def db(request: pytest.FixtureRequest) -> Iterator[Sessions]:
    url = unused_database()
    before, after = _STATISTICS[request.param]
    with psycopg.connect(url, autocommit=True) as owner:
        for table in TABLES:
            owner.execute(f"ALTER TABLE {table} SET (autovacuum_enabled = false)".encode())
        for part in (before, after):
            owner.execute(b"SET synchronous_commit = off;" + part.encode())
    server = PostgresDatabase(url).server
    sessions = Sessions(server.connect(_WRITING), server.connect(_READING))
    for session in sessions:
        session.prepare_threshold = None
    yield sessions
    for session in sessions:
        session.close()
    drop_database(url)


def rows(*values: Any) -> dict[str, str]:
    return {"rows": json.dumps(values)}


def flags(names: str, **given: Any) -> dict[str, Any]:
    return {**dict.fromkeys(names.split()), **given}


COUNTERS = (BUSY, *(getattr(Delta(), name) for name in Delta.__struct_fields__))
CLAIM = {"step_id": BUSY, "limit": 100, "floor": -(2**63)}
LOOK = {"roots": None, "types": '["work", "keyed"]', "skip": "[]", "capabilities": '["gpu"]'}
CHILD = {"count": 1, "manager_id": RUN, "step_id": BUSY, "now": NOW, "payloads": "[{}]"}
HELD = rows((FIRST, 1))
WRITES: dict[str, tuple[dict[str, Any], set[str]]] = {
    "lock_steps": (rows(BUSY), {"steps_pkey", "runs_pkey"}),
    "lock_runs": (rows(RUN), {"runs_pkey"}),
    "peek_jobs": (CLAIM, {"jobs_ready", "job_io_pkey"}),
    "claim_jobs": ({**CLAIM, "process_id": 1, "now": NOW}, {"jobs_ready", "jobs_pkey", "job_io_pkey"}),
    "peek_needing_jobs": ({**CLAIM, "needs": "gpu"}, {"jobs_needing", "job_io_pkey"}),
    "peek_keyed_jobs": ({**CLAIM, "step_id": KEYED, "limit_key": "host1", "needs": ""}, {"jobs_keyed", "job_io_pkey"}),
    "peek_suspect": ({"step_id": BUSY, "limit_key": None, "capabilities": "[]"}, {"jobs_suspect", "job_io_pkey"}),
    "ready_keys": ({"step_id": KEYED, "after": "", "limit": 256}, {"jobs_keyed"}),
    "claim": ({**rows(FIRST), "process_id": 1, "now": NOW}, {"jobs_pkey"}),
    "complete": ({**HELD, "now": NOW}, {"jobs_pkey"}),
    "completed_now": ({**HELD, "now": NOW}, {"jobs_pkey"}),
    "accepted": (HELD, {"jobs_pkey"}),
    "settle": ({**rows((FIRST, 1, 1, None, None, 0)), "now": NOW}, {"jobs_pkey"}),
    "put_results": (rows((FIRST, None, None)), {"job_io_pkey"}),
    "apply_counters": (rows(COUNTERS), {"steps_pkey"}),
    "raise_lane": ({"id": BUSY, "priority": 1}, {"steps_pkey"}),
    "raise_lanes": (rows(FIRST), {"jobs_pkey", "steps_pkey"}),
    "add_children": ({**CHILD, **rows("new"), "priority": 0}, set()),
    "add_children_with": ({**CHILD, **rows(("new", 0, None, None, 1, 7, ""))}, {"job_io_child_key"}),
    "count_failed_children": ({"old_run": RUN, "old_step": DONE, "family": None}, {"jobs_failed"}),
    "look": (LOOK, {"steps_lane", "runs_pkey", "jobs_ready", "jobs_needing", "jobs_suspect", "jobs_plannable"}),
    "plannable": (
        {"roots": None, "types": '["work"]', "limit": 4, "capabilities": "[]"},
        {"jobs_plannable", "steps_pkey", "runs_pkey"},
    ),
    "due_children": ({"now": NOW, "limit": 100}, {"jobs_due"}),
    "make_ready": (rows(FIRST), {"jobs_pkey"}),
    "next_due": ({}, {"jobs_due", "runs_deadline", "steps_deadline"}),
    "due_runs": ({"now": NOW}, {"runs_deadline"}),
    "due_steps": ({"now": NOW}, {"steps_deadline"}),
    "sweep_candidates": ({"step_id": BUSY, "after": 0, "limit": 5_000}, {"job_io_children"}),
    "pending_of": (rows(FIRST), {"jobs_pkey"}),
    "cancel_children": ({**rows(FIRST), "reason": 1, "now": NOW}, {"jobs_pkey"}),
    "lost_jobs": ({"process_id": 1}, {"jobs_held"}),
    "holders": ({}, {"jobs_held", "processes_pkey"}),
    "rescue": (rows(FIRST), {"jobs_pkey"}),
    "fail_lost": ({**rows(FIRST), "reason": 1, "now": NOW}, {"jobs_pkey"}),
    "set_state": (
        {"id": BUSY, "old": "[2]", "new": 3, "reason": None, "has_errors": 0, "available_at": None, "now": NOW},
        {"jobs_pkey"},
    ),
    "release_claim": ({"id": BUSY}, {"jobs_pkey"}),
    "plan_of": ({"id": BUSY, "attempt": 0}, set()),
    "set_run_flags": (
        flags("queued failing warned stop_reason stop_at paused_at deadline message", id=RUN),
        {"runs_pkey"},
    ),
    "set_step_flags": (
        flags("sealed stop_reason deadline plan_hash cache_key message warnings documents waits_for", id=BUSY),
        {"steps_pkey"},
    ),
    "open_runs": ({"definition_id": "run"}, {"jobs_open_runs", "runs_pkey"}),
    "cached_step": ({"definition_id": "run", "step_name": "a", "cache_key": "k"}, {"step_cache_pkey"}),
    "stopped_runs": ({}, {"jobs_open_runs", "runs_pkey"}),
    "child_runs": ({"run_id": RUN}, {"steps_of_run", "runs_parent"}),
    "steps": ({"run_id": RUN}, {"steps_of_run", "jobs_pkey"}),
    "step": ({"id": BUSY}, {"steps_pkey", "jobs_pkey"}),
    "run": ({"id": RUN}, {"runs_pkey", "jobs_pkey"}),
    "limiters": ({"name": "keyed", **rows("host1")}, {"limiters_pkey"}),
    "put_limiters": ({"name": "keyed", **rows(("host1", 1, None, None))}, set()),
    "release_slots": (rows(("keyed", "host1", 1)), {"limiters_pkey"}),
    "find_revision": ({"id": "run", "hash": "hash7"}, {"definitions_hash"}),
    "newest_revision": ({"id": "run"}, {"definitions_pkey"}),
    "definition": ({"id": "run", "revision": 7}, {"definitions_pkey"}),
    "add_attempts": ({**rows((FIRST, 2, "failed", None, None)), "process_id": 1, "now": NOW}, set()),
    "add_events": ({"origin": 1, "after": None, "now": NOW, **rows(("x", 1, 1, ""))}, {"events_pkey"}),
    "prune_events": ({"before": 100}, {"events_by_time", "events_pkey"}),
    "recount": ({"step_id": OLD + 1}, {"job_io_children"}),
}
READS: dict[str, tuple[dict[str, Any], set[str]]] = {
    "look": (LOOK, {"jobs_ready", "jobs_needing", "jobs_suspect", "jobs_plannable"}),
    "run": ({"id": RUN}, {"runs_pkey", "jobs_pkey"}),
    "steps": ({"run_id": RUN}, {"steps_of_run", "jobs_pkey"}),
    "step": ({"id": BUSY}, {"steps_pkey", "jobs_pkey"}),
    "stopped_steps": (rows(BUSY), {"steps_pkey", "runs_pkey"}),
    "get_job": ({"id": FIRST}, {"jobs_pkey", "job_io_pkey"}),
    "list_runs": ({"cursor": None, "status": None, "limit": 50}, {"jobs_runs"}),
    "list_children": ({"parent_id": BUSY, "cursor": 0, "status": "[2]", "limit": 5}, {"job_io_children", "jobs_pkey"}),
    "run_counters": ({"id": RUN}, {"steps_of_run"}),
    "error_families": ({"run_id": OLD, "limit": 50}, {"jobs_failed"}),
    "failed_children": ({"run_id": RUN, "limit": 50}, {"jobs_failed"}),
    "all_open_runs": ({}, {"jobs_open_runs"}),
    "open_log_days": ({}, {"jobs_open_runs", "runs_pkey"}),
    "run_facts": ({"id": RUN}, {"runs_pkey"}),
    "attempts": ({"id": FIRST}, {"attempts_pkey"}),
    "runs_of_root": ({"root_id": RUN}, {"runs_root", "jobs_pkey"}),
    "drifting": ({"after": OLD, "limit": 20}, {"steps_pkey", "job_io_children", "jobs_pkey"}),
}


class Plan(NamedTuple):
    nodes: list[dict[str, Any]]
    buffers: int
    """Pages looked at."""

    def read(self, table: str) -> float:
        """Rows of a table that were looked at, also those that then did not count."""
        return sum(
            (node["Actual Rows"] + node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0))
            * node["Actual Loops"]
            for node in self.nodes
            if node.get("Relation Name") == table and "Scan" in node["Node Type"]
        )

    def __str__(self) -> str:
        return "\n".join(
            f"{node['Node Type']} {node.get('Relation Name', '')} {node.get('Index Name', '')}"
            f" rows={node['Actual Rows']} loops={node['Actual Loops']}"
            f" {node.get('Index Cond', '')} filter={node.get('Filter', '')}"
            for node in self.nodes
        )


def explained(session: psycopg.Connection[Any], name: str, params: dict[str, Any]) -> Plan:
    """Runs the statement as the engine sends it, prepared with the types of its parameters; nothing of it stays."""
    names = list(dict.fromkeys(re.findall(r"(?<![:\w]):([a-z_]\w*)", SQL[name])))
    assert set(names) <= set(params), f"{name} wants {names}"
    text = re.sub(r"(?<![:\w]):([a-z_]\w*)", lambda found: f"${names.index(found[1]) + 1}", SQL[name])
    types = ", ".join("bigint" if isinstance(params[n], int) else "unknown" for n in names)
    values = ClientCursor(session).mogrify(", ".join(["%s"] * len(names)), [params[n] for n in names]) if names else ""
    head, execute = (
        (f"PREPARE asked ({types})", f"EXECUTE asked ({values})") if names else ("PREPARE asked", "EXECUTE asked")
    )
    session.execute(b"BEGIN")
    try:
        session.execute(f"{head} AS {text}".encode())
        [[[found]]] = session.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {execute}".encode()).fetchall()
    finally:
        session.execute(b"ROLLBACK")
        session.execute(b"DEALLOCATE asked")
    top = found["Plan"]
    return Plan(list(_nodes(top)), top["Shared Hit Blocks"] + top["Shared Read Blocks"])


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for inner in node.get("Plans", ()):
        yield from _nodes(inner)


def check(plan: Plan, name: str, wanted: set[str]) -> None:
    used = {node["Index Name"] for node in plan.nodes if "Index Name" in node}
    scanned = {node["Relation Name"] for node in plan.nodes if node["Node Type"] == "Seq Scan"} - SMALL
    assert not scanned, f"{name} reads {scanned} whole:\n{plan}"
    assert wanted <= used, f"{name}, without {wanted - used}:\n{plan}"
    assert plan.read("jobs") < JOBS / 100 or name in WHOLE, f"{name} reads {plan.read('jobs')} jobs:\n{plan}"


WHOLE = {"lost_jobs", "holders"}
"""Read all of an index that holds only what is asked for."""


@pytest.mark.parametrize("name", WRITES)
def test_a_statement_finds_its_rows_by_the_index_made_for_it(db: Sessions, name: str) -> None:
    params, wanted = WRITES[name]

    check(explained(db.writing, name, params), name, wanted)


@pytest.mark.parametrize("mode", ["force_generic_plan", "force_custom_plan"])
@pytest.mark.parametrize("name", READS)
def test_a_read_finds_its_rows_by_the_index_made_for_it(db: Sessions, name: str, mode: str) -> None:
    """Under either kind of plan: a reader's session leaves the choice to the server."""
    params, wanted = READS[name]
    db.reading.execute(f"SET plan_cache_mode = {mode}".encode())

    check(explained(db.reading, name, params), name, wanted)


def ids_of(db: Sessions, step_id: int, status: int, count: int) -> list[int]:
    found = db.reading.execute(
        b"SELECT id FROM jobs WHERE parent_id = %s AND status = %s ORDER BY id LIMIT %s", (step_id, status, count)
    ).fetchall()
    assert len(found) == count
    return [row[0] for row in found]


PAGES = 20
"""A row is found by the three or four pages of each index; a new version goes into several."""
BATCHES = {
    "claim": (0, lambda i: i),
    "complete": (2, lambda i: (i, 1)),
    "completed_now": (2, lambda i: (i, 1)),
    "accepted": (2, lambda i: (i, 1)),
    "settle": (2, lambda i: (i, 1, 1, None, NOW, 0)),
    "put_results": (2, lambda i: (i, "{}", None)),
    "raise_lanes": (0, lambda i: i),
    "make_ready": (1, lambda i: i),
    "pending_of": (0, lambda i: i),
    "cancel_children": (0, lambda i: i),
    "rescue": (2, lambda i: i),
    "fail_lost": (2, lambda i: i),
}
"""Statement -> (state of the jobs it is for, what it is given of each)."""


@pytest.mark.parametrize("name", BATCHES)
def test_a_batch_costs_the_same_for_each_of_its_jobs(db: Sessions, name: str) -> None:
    state, shape = BATCHES[name]
    ids = ids_of(db, BUSY, state, 400)
    params = WRITES[name][0]

    few, many = (explained(db.writing, name, {**params, **rows(*map(shape, ids[:size]))}) for size in (200, 400))

    assert many.read("jobs") <= 400, str(many)
    assert many.read("job_io") <= 400, str(many)
    assert (many.buffers - few.buffers) / 200 < PAGES, f"{few.buffers} and {many.buffers} pages"
    assert not {"Hash Join", "Merge Join"} & {node["Node Type"] for node in many.nodes}, str(many)


@pytest.mark.parametrize("name", ["peek_jobs", "peek_needing_jobs", "peek_keyed_jobs", "due_children"])
def test_a_claim_looks_at_no_row_twice_and_sorts_none(db: Sessions, name: str) -> None:
    params = WRITES[name][0]
    few, many = (explained(db.writing, name, {**params, "limit": limit}) for limit in (30, 60))

    # Of those with a key some were lost twice, which are passed over.
    assert 60 <= many.read("jobs") <= 66, str(many)
    assert many.read("job_io") in {0, 60}, str(many)
    assert (many.buffers - few.buffers) / 30 < PAGES, f"{few.buffers} and {many.buffers} pages"
    assert not [node for node in many.nodes if "Sort" in node["Node Type"]], str(many)


def test_new_children_cost_the_same_each(db: Sessions) -> None:
    def made(count: int, name: str) -> Plan:
        keys = [f"new{n}" for n in range(count)]
        given = keys if name == "add_children" else [(key, 0, None, f"dedup-{key}", 1, 7, "") for key in keys]
        params = {**WRITES[name][0], **rows(*given), "payloads": json.dumps([{}] * count), "count": count}
        return explained(db.writing, name, params)

    for name in ("add_children", "add_children_with"):
        few, many = made(200, name), made(400, name)

        assert many.read("jobs") + many.read("job_io") <= 400, str(many)
        assert (many.buffers - few.buffers) / 200 < 2 * PAGES, f"{name}: {few.buffers} and {many.buffers} pages"


def test_looking_for_work_costs_little_however_many_runs_have_ended(db: Sessions) -> None:
    plan = explained(db.writing, "look", {**LOOK, "types": '["work", "other", "keyed"]'})

    assert plan.buffers < 60, str(plan)
    assert plan.read("runs") + plan.read("steps") < 10, str(plan)


def test_a_page_at_the_end_of_a_long_step_costs_no_more_than_the_first(db: Sessions) -> None:
    pages = [
        {"parent_id": DONE, "cursor": cursor, "status": None, "limit": 50} for cursor in (0, FIRST + JOBS // 2 - 60)
    ]

    first, last = (explained(db.reading, "list_children", page).buffers for page in pages)

    assert last <= first + 5


def test_the_jobs_of_a_lost_process_are_found_without_looking_at_others(db: Sessions) -> None:
    [held] = db.reading.execute(b"SELECT count(*) FROM jobs WHERE status = 2 AND claimed_by = 1").fetchone() or ()

    plan = explained(db.writing, "lost_jobs", {"process_id": 1})

    assert plan.read("jobs") == held
