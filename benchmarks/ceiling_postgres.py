"""The ceiling on PostgreSQL: as ``ceiling.py``, one table and one connection, the least that is safe.

A claim and the completions of the batch before in one transaction, completions first, so that several could work side
by side. Prepared statements, batches as arrays. It shares no code with the engine.
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable
from time import perf_counter
from typing import Any

import psycopg

ENQUEUE_BATCH = 1_000
DONE = 2

_SCHEMA = """
CREATE TABLE job (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, queue text NOT NULL, state smallint NOT NULL,
  priority integer NOT NULL DEFAULT 0, due double precision, tries integer NOT NULL DEFAULT 0, lease double precision,
  worker text, parent bigint, open_children bigint, started double precision, finished double precision,
  handler text, payload text, result text
) WITH (fillfactor = 70);
CREATE INDEX job_ready ON job (queue, priority, id) WHERE state = 0;
CREATE INDEX job_leased ON job (lease) WHERE state = 1;
CREATE TABLE line (seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, job bigint NOT NULL, at double precision,
                   level smallint, message text);
"""
_ADD = """
INSERT INTO job (queue, state, due, handler, payload, parent)
SELECT 'q', 0, %s::float8, %s::text, p, %s::bigint FROM unnest(%s::text[]) AS p
"""
_ADD_PARENT = "INSERT INTO job (queue, state, open_children, handler) VALUES ('p', 1, %s, 'parent') RETURNING id"
_COMPLETE = """
UPDATE job SET state = 2, finished = %s::float8, result = d.result, lease = NULL
  FROM unnest(%s::bigint[], %s::text[]) AS d (id, result) WHERE job.id = d.id
"""
_ADD_LINES = """
INSERT INTO line (job, at, level, message) SELECT j, %s::float8, 20, m FROM unnest(%s::bigint[], %s::text[]) AS l (j, m)
"""
_COUNT_DOWN = """
UPDATE job SET open_children = open_children - %s::bigint, finished = %s::float8,
               state = CASE WHEN open_children = %s::bigint THEN 2 ELSE state END
 WHERE id = %s
"""
_CLAIM = """
UPDATE job SET state = 1, worker = 'me', lease = %s::float8, started = %s::float8, tries = tries + 1
 WHERE id = ANY (ARRAY(SELECT id FROM job WHERE queue = 'q' AND state = 0 ORDER BY priority, id LIMIT %s
                          FOR UPDATE SKIP LOCKED))
RETURNING id, handler, payload, parent
"""


class Ceiling:
    """A database, and the loop that works through it."""

    def __init__(self, url: str) -> None:
        self._db = psycopg.connect(url, autocommit=True)
        self._db.execute(_SCHEMA.encode())
        self._lines: list[tuple[int, str]] = []
        self._handlers: dict[str, Callable[..., Any]] = {"noop": _noop, "line": self._log}

    def add(self, handler: str, numbers: Iterable[int], parent: int | None = None) -> None:
        payloads = [json.dumps({"number": number}) for number in numbers]
        for start in range(0, len(payloads), ENQUEUE_BATCH):
            batch = payloads[start : start + ENQUEUE_BATCH]
            self._db.execute(_ADD, (time.time(), handler, parent, batch), prepare=True)

    def add_parent(self, children: int) -> int:
        row = self._db.execute(_ADD_PARENT, (children,)).fetchone()
        assert row is not None
        return int(row[0])

    def drain(self, batch: int) -> None:
        """Until nothing is left, and all of it is committed."""
        results: list[tuple[int, str]] = []
        parents: Counter[int] = Counter()
        while rows := self._turn(results, parents, batch):
            results = []
            parents = Counter(row[3] for row in rows if row[3] is not None)
            for job, handler, payload, _ in rows:
                results.append((job, json.dumps(self._handlers[handler](job, **json.loads(payload)))))

    def is_done(self, job: int) -> bool:
        return self._db.execute("SELECT state FROM job WHERE id = %s", (job,)).fetchone() == (DONE,)

    def close(self) -> None:
        self._db.close()

    def _turn(self, results: list[tuple[int, str]], parents: Counter[int], batch: int) -> list[tuple[Any, ...]]:
        now = time.time()
        with self._db.transaction():
            if results:
                self._db.execute(_COMPLETE, (now, [r[0] for r in results], [r[1] for r in results]), prepare=True)
            if self._lines:
                lines, self._lines = self._lines, []
                self._db.execute(_ADD_LINES, (now, [li[0] for li in lines], [li[1] for li in lines]), prepare=True)
            for parent, count in sorted(parents.items()):
                self._db.execute(_COUNT_DOWN, (count, now, count, parent), prepare=True)
            return self._db.execute(_CLAIM, (now + 30, now, batch), prepare=True).fetchall()

    def _log(self, job: int, number: int) -> int:
        self._lines.append((job, f"child.worked number={number}"))
        return number


def url() -> str:
    return os.environ["QUAERO_DATABASE"]


def drain(*, jobs: int, batch: int) -> dict[str, float]:
    """No-op jobs, enqueued before; from the first claim to the last commit."""
    ceiling = Ceiling(url())
    ceiling.add("noop", range(jobs))
    started = perf_counter()
    ceiling.drain(batch)
    elapsed = perf_counter() - started
    ceiling.close()
    return {"per_s": jobs / elapsed}


def pipeline(*, children: int, batch: int, warm_up: int) -> dict[str, float]:
    """A parent and its children, one log line each; from the parent's insert to its end."""
    ceiling = Ceiling(url())
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
