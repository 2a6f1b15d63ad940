"""Pages of runs: a ``RunFilter`` as a statement of fixed fragments along the index that fits it."""

from __future__ import annotations

from typing import Any

from quaero.model.status import JobStatus
from quaero.ports.views import RunFilter
from quaero.storage.cursors import from_cursor, is_like, refused, to_cursor
from quaero.storage.database import Row
from quaero.storage.job_rows import states_of
from quaero.storage.jobs import as_json
from quaero.storage.reads import NamedReads, micros

_OPEN = frozenset({JobStatus.PENDING, JobStatus.RUNNING})
_WALK = "runs"


class RunPages:
    def __init__(self, reads: NamedReads) -> None:
        self._reads = reads

    def page(self, where: RunFilter, limit: int, cursor: str | None) -> tuple[list[int], str | None]:
        """Ids, newest first, and the cursor of the next page."""
        sql, params = self.page_statement(where, cursor)
        ids = [row[0] for row in self._fetch(sql, **params, limit=limit + 1)]
        return ids[:limit], to_cursor(_WALK, [ids[limit - 1]]) if len(ids) > limit else None

    def count(self, where: RunFilter, at_most: int) -> int:
        sql, params = self.count_statement(where)
        [(count,)] = self._fetch(sql, **params, limit=at_most)
        return int(count)

    def page_statement(self, where: RunFilter, cursor: str | None = None) -> tuple[str, dict[str, Any]]:
        source, conditions, params = _parts(where)
        if cursor is not None:
            walk, key = from_cursor(cursor)
            if walk != _WALK or not is_like(key, [0]):
                raise refused(cursor)
            conditions.append("is_before_cursor")
            params["cursor"] = key[0]
        return self._sql("read_runs", source, conditions, "newest_first"), params

    def count_statement(self, where: RunFilter) -> tuple[str, dict[str, Any]]:
        source, conditions, params = _parts(where)
        return self._sql("count_runs", source, conditions, "at_most"), params

    def _sql(self, read: str, source: str, conditions: list[str], end: str) -> str:
        sql = self._reads.sql
        held = " AND ".join(f"({sql[name]})" for name in conditions)
        return "\n".join((sql[read], sql[source], f" WHERE {held}", sql[end]))

    def _fetch(self, sql: str, **params: Any) -> list[Row]:
        return self._reads.readers.get().fetch_all(sql, params)


def _parts(where: RunFilter) -> tuple[str, list[str], dict[str, Any]]:
    """Where candidates come from, what must hold of them, and the parameters of that."""
    is_open = bool(where.statuses) and _OPEN.issuperset(where.statuses)
    given: dict[str, tuple[bool, dict[str, Any]]] = {
        "is_open" if is_open else "is_run": (True, {}),
        "is_root": (not where.with_child_runs, {}),
        "has_definition": (where.definition_id is not None, {"definition_id": where.definition_id}),
        "has_text": (bool(where.text), {"text": where.text}),
        "is_since": (where.since is not None, {"since": where.since and micros(where.since)}),
        "is_until": (where.until is not None, {"until": where.until and micros(where.until)}),
        "has_errors": (where.has_errors is not None, {"has_errors": int(where.has_errors or 0)}),
        "has_state": (bool(where.statuses), {"states": as_json(states_of(*where.statuses))}),
    }
    conditions = [name for name, (is_asked, _) in given.items() if is_asked]
    params = {key: value for is_asked, values in given.values() if is_asked for key, value in values.items()}
    source = "of_open" if is_open else "of_definition" if where.definition_id is not None else "of_all"
    return source, conditions, params
