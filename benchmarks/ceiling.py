"""The ceiling: how fast a queue on the same driver could be that does the least possible and nothing else.

One thread, one table, JSON in and JSON out, a claim and the completions of the batch before in one transaction, at
``synchronous=FULL``. No definitions, retries, fences, leases that are renewed, documents or recovery. It shares no
code with the engine.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from time import perf_counter
from typing import Any

import apsw

ENQUEUE_BATCH = 1_000
READY, RUNNING, DONE = range(3)

_SCHEMA = """
CREATE TABLE job (
  id INTEGER PRIMARY KEY, queue TEXT NOT NULL, state INTEGER NOT NULL, priority INTEGER NOT NULL DEFAULT 0,
  due REAL NOT NULL, tries INTEGER NOT NULL DEFAULT 0, lease REAL, worker TEXT, parent INTEGER, open_children INTEGER,
  created REAL, started REAL, finished REAL, handler TEXT, payload TEXT, result TEXT
);
CREATE INDEX job_ready ON job (queue, priority, id) WHERE state = 0;
CREATE INDEX job_leased ON job (lease) WHERE state = 1;
CREATE TABLE line (seq INTEGER PRIMARY KEY, job INTEGER NOT NULL, at REAL NOT NULL, level INTEGER, message TEXT);
"""
_ADD = "INSERT INTO job (queue, state, due, created, handler, payload, parent) VALUES ('q', 0, ?, ?, ?, ?, ?)"
_ADD_PARENT = "INSERT INTO job (queue, state, due, open_children, handler) VALUES ('p', 1, ?, ?, 'parent')"
_CLAIM = """
UPDATE job SET state = 1, worker = 'me', lease = ?1 + 30, started = ?1, tries = tries + 1
 WHERE id IN (SELECT id FROM job WHERE queue = 'q' AND state = 0 AND due <= ?1 ORDER BY priority, id LIMIT ?2)
RETURNING id, handler, payload, parent
"""
_COMPLETE = "UPDATE job SET state = 2, finished = ?, result = ?, lease = NULL WHERE id = ? AND worker = 'me'"
_ADD_LINE = "INSERT INTO line (job, at, level, message) VALUES (?, ?, 20, ?)"
_COUNT_DOWN = """
UPDATE job SET open_children = open_children - ?2, finished = ?3,
               state = CASE WHEN open_children = ?2 THEN 2 ELSE state END
 WHERE id = ?1
"""
_STATE = "SELECT state FROM job WHERE id = ?"

Line = tuple[int, float, str]


class Ceiling:
    """A database, and the loop that works through it."""

    def __init__(self, path: Path) -> None:
        self._db = apsw.Connection(str(path))
        self._db.execute("PRAGMA journal_mode = WAL").fetchall()
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.execute("PRAGMA cache_size = -65536")
        self._db.execute(_SCHEMA)
        self._lines: list[Line] = []
        self._handlers: dict[str, Callable[..., Any]] = {"noop": _noop, "line": self._log}

    def add(self, handler: str, numbers: Iterable[int], parent: int | None = None) -> None:
        """Enqueue one job per number, a thousand to a transaction."""
        payloads = [json.dumps({"number": number}) for number in numbers]
        for start in range(0, len(payloads), ENQUEUE_BATCH):
            now = time.time()
            with self._db:
                batch = payloads[start : start + ENQUEUE_BATCH]
                self._db.executemany(_ADD, [(now, now, handler, payload, parent) for payload in batch])

    def add_parent(self, children: int) -> int:
        self._db.execute(_ADD_PARENT, (time.time(), children))
        return int(self._db.last_insert_rowid())

    def drain(self, batch: int) -> None:
        """Until nothing is left, and all of it is committed."""
        results: list[tuple[int, str]] = []
        parents: Counter[int] = Counter()
        while True:
            rows = self._turn(results, parents, batch)
            if not rows:
                return
            results = []
            parents = Counter(row[3] for row in rows if row[3] is not None)
            for job, handler, payload, _ in rows:
                answer = self._handlers[handler](job, **json.loads(payload))
                results.append((job, json.dumps(answer)))

    def is_done(self, job: int) -> bool:
        return bool(self._db.execute(_STATE, (job,)).fetchall() == [(DONE,)])

    def close(self) -> None:
        self._db.close()

    def _turn(self, results: list[tuple[int, str]], parents: Counter[int], batch: int) -> list[tuple[Any, ...]]:
        db = self._db
        db.execute("BEGIN IMMEDIATE")
        now = time.time()
        if results:
            db.executemany(_COMPLETE, [(now, answer, job) for job, answer in results])
        if self._lines:
            db.executemany(_ADD_LINE, self._lines)
            self._lines.clear()
        for parent, count in sorted(parents.items()):
            db.execute(_COUNT_DOWN, (parent, count, now))
        rows = db.execute(_CLAIM, (now, batch)).fetchall()
        db.execute("COMMIT")
        return rows

    def _log(self, job: int, number: int) -> int:
        self._lines.append((job, time.time(), f"child.worked number={number}"))
        return number


def drain(folder: Path, *, jobs: int, batch: int) -> dict[str, float]:
    """No-op jobs, enqueued before; from the first claim to the last commit."""
    ceiling = Ceiling(folder / "ceiling.db")
    ceiling.add("noop", range(jobs))
    started = perf_counter()
    ceiling.drain(batch)
    elapsed = perf_counter() - started
    ceiling.close()
    return {"per_s": jobs / elapsed}


def pipeline(folder: Path, *, children: int, batch: int, warm_up: int) -> dict[str, float]:
    """A parent and its children, one log line each; from the parent's insert to its end."""
    ceiling = Ceiling(folder / "ceiling.db")
    _family(ceiling, warm_up, batch)
    started = perf_counter()
    parent = _family(ceiling, children, batch)
    elapsed = perf_counter() - started
    if not ceiling.is_done(parent):
        raise SystemExit("ceiling: the parent did not end with its children")
    ceiling.close()
    return {"per_s": children / elapsed}


def _family(ceiling: Ceiling, children: int, batch: int) -> int:
    parent = ceiling.add_parent(children)
    ceiling.add("line", range(children), parent)
    ceiling.drain(batch)
    return parent


def _noop(job: int, number: int) -> None:
    pass
