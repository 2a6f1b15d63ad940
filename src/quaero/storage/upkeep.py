"""SqlUpkeep: deletes runs and documents, changes tags, keeps the families that are looked past."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import msgspec

from quaero.storage.database import Connection, Row
from quaero.storage.document_prepare import normal_tags
from quaero.storage.statements import statements

STEPS_AT_ONCE: Final = 50
"""Deleted steps that one sweep looks at, however small they are."""
_encode = msgspec.json.encode
_read_tags = msgspec.json.Decoder(tuple[str, ...]).decode


class SqlUpkeep:
    """See :class:`quaero.ports.upkeep.Upkeep`. Lives inside one open transaction of ``connection``."""

    def __init__(self, connection: Connection, now: int, lock: Callable[[str], None]) -> None:
        """``lock`` takes one of the locks that are no row's own."""
        self._connection = connection
        self._now = now
        self._lock = lock
        self._sql = statements(connection.dialect, "upkeep")
        self._documents = statements(connection.dialect, "documents")

    # runs

    def open_reruns(self, run_id: int) -> list[int]:
        return [row[0] for row in self._all("open_reruns", run_id=run_id)]

    def open_of_root(self, root_id: int) -> list[int]:
        return [row[0] for row in self._all("open_of_root", root_id=root_id)]

    def delete_runs(self, run_ids: Sequence[int]) -> None:
        rows = _text(run_ids)
        self._run("note_deleted_steps", rows=rows, now=self._now)
        # Each finds what it deletes through the steps and runs, which go last.
        for name in (
            "delete_cached_steps",
            "delete_ignored_families",
            "delete_attempts_of_steps",
            "delete_io_of_runs",
            "delete_jobs_of_runs",
            "delete_steps",
            "delete_runs",
        ):
            self._run(name, rows=rows)

    def sweep(self, limit: int) -> bool:
        for _ in range(STEPS_AT_ONCE):
            found = self._all("deleted_step")
            if not found:
                return False
            step_id, manager_id = found[0]
            limit -= self._sweep_jobs(step_id, limit)
            if limit > 0:
                limit -= self._run("delete_links_of_step", step_id=step_id, limit=limit)
            if limit <= 0:
                return True
            self._run("delete_document_step", manager_id=manager_id, step_id=step_id)
            self._run("forget_deleted_step", step_id=step_id)
        return True

    def _sweep_jobs(self, step_id: int, limit: int) -> int:
        ids = [row[0] for row in self._all("worker_jobs", step_id=step_id, limit=limit)]
        if ids:
            for name in ("delete_attempts", "delete_jobs", "delete_io"):
                self._run(name, rows=_text(ids))
        return len(ids)

    # families of errors

    def failed_in_family(self, run_id: int, family: str) -> dict[int, int]:
        return {row[0]: row[1] for row in self._all("failed_in_family", run_id=run_id, family=family)}

    def retry_family(self, run_id: int) -> str | None:
        rows = self._all("retry_family", run_id=run_id)
        return rows[0][0] if rows else None

    def set_retry_family(self, run_id: int, family: str) -> None:
        self._run("set_retry_family", run_id=run_id, family=family)

    def ignore_family(self, run_id: int, family: str, by: str) -> bool:
        return self._run("ignore_family", run_id=run_id, family=family, by=by, now=self._now) == 1

    def heed_family(self, run_id: int, family: str) -> bool:
        return self._run("heed_family", run_id=run_id, family=family) == 1

    # documents

    def delete_documents(self, ids: Sequence[str]) -> list[str]:
        self._lock("documents")
        found = self._all("find_documents", rows=_text(list(dict.fromkeys(ids))))
        if not found:
            return []
        nos = [row[0] for row in found]
        # The index forgets a text while it is still there.
        self._connection.run(self._documents["unindex"], {"nos": _text(nos)})
        self._run("delete_tags_of", tags=_text([(tag, no) for no, _, tags in found for tag in _read_tags(tags)]))
        for name in (
            "delete_contents",
            "delete_links",
            "delete_lineage_up",
            "delete_lineage_down",
            "delete_revisions",
            "delete_documents",
        ):
            self._run(name, rows=_text(nos))
        return [row[1] for row in found]

    def retag_documents(self, ids: Sequence[str], add: Sequence[str], remove: Sequence[str]) -> list[str]:
        added, removed = _normal(add), _normal(remove)
        self._lock("documents")
        found = self._all("find_documents", rows=_text(list(dict.fromkeys(ids))))
        before = {no: set(_read_tags(tags)) for no, _, tags in found}
        after = {no: (tags | added) - removed for no, tags in before.items()}
        changed = [no for no, tags in after.items() if tags != before[no]]
        if changed:
            nos = _text(changed)
            self._connection.run(self._documents["unindex"], {"nos": nos})
            rows = [(no, msgspec.Raw(_encode(sorted(after[no])))) for no in changed]
            self._connection.run(self._documents["retag"], {"rows": _text(rows)})
            self._connection.run(self._documents["index"], {"nos": nos})
            groups = {tag: new for tag in sorted(added) if (new := [no for no in changed if tag not in before[no]])}
            self._connection.run(self._documents["insert_tags"], {"groups": _text(groups)})
            self._run("delete_tags_of", tags=_text([(t, no) for no in changed for t in before[no] - after[no]]))
        return [row[1] for row in found]

    def _run(self, name: str, /, **params: Any) -> int:
        return self._connection.run(self._sql[name], params)

    def _all(self, name: str, /, **params: Any) -> list[Row]:
        return self._connection.fetch_all(self._sql[name], params)


def _normal(tags: Iterable[str]) -> set[str]:
    return set(normal_tags(tuple(tags), (), "", "to be tagged"))


def _text(value: Any) -> str:
    return _encode(value).decode()
