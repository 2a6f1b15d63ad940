"""ErrorFamilies: what the failed worker jobs of runs have in common, counted anew when a run has more of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable
from typing import NamedTuple

import msgspec

from quaero.model.job import JobError
from quaero.ports.views import ErrorFamily
from quaero.storage.database import Row
from quaero.storage.job_rows import moment
from quaero.storage.jobs import as_json
from quaero.storage.reads import NamedReads

MAX_RUNS = 1_000
"""Of all runs with failed jobs the newest so many are looked at."""
KEPT_RUNS = 2 * MAX_RUNS


class _Group(NamedTuple):
    """One family within a run."""

    family: str
    jobs: int
    steps: tuple[int, ...]
    first_job: int
    last_failed_at: int | None


class ErrorFamilies:
    """Any thread may call it. ``ignored``: (run, family) pairs that somebody chose to look past."""

    def __init__(self, reads: NamedReads, ignored: Callable[[], Collection[tuple[int, str]]]) -> None:
        self._reads = reads
        self._ignored = ignored
        self._lock = threading.Lock()
        self._known: dict[int, tuple[int, list[_Group]]] = {}
        """Run -> (failed jobs, its families as of then). A failed job stays what it is."""

    def of(self, run_id: int | None, ignored: bool | None, limit: int) -> list[ErrorFamily]:
        if run_id is None:
            runs = self._reads.all("failed_runs", limit=MAX_RUNS)
        else:
            runs = self._reads.all("failed_run", run_id=run_id)
        groups = self._groups({row[0]: row[3] or 0 for row in runs})
        past = self._ignored()
        by_id = {row[0]: row for row in runs}
        found = [
            (by_id[run], group, (run, group.family) in past)
            for run, its_groups in groups.items()
            for group in its_groups
            if ignored is None or ((run, group.family) in past) is ignored
        ]
        found.sort(key=lambda one: (-one[1].jobs, one[1].first_job))
        return self._described(found[: max(0, limit)])

    def _groups(self, failed: dict[int, int]) -> dict[int, list[_Group]]:
        """``failed``: run -> failed jobs, read before the jobs themselves are."""
        with self._lock:
            known = {run: self._known[run] for run in failed if run in self._known}
        asked = [run for run, count in failed.items() if count and known.get(run, (-1,))[0] != count]
        if asked:
            counted = _by_run(self._reads.all("families", ids=as_json(asked)))
            known |= {run: (failed[run], counted.get(run, [])) for run in asked}
            with self._lock:
                self._known |= {run: known[run] for run in asked}
                for run in list(self._known)[: max(0, len(self._known) - KEPT_RUNS)]:
                    del self._known[run]
        return {run: known[run][1] for run in failed if run in known}

    def _described(self, found: list[tuple[Row, _Group, bool]]) -> list[ErrorFamily]:
        if not found:
            return []
        steps = _ids(step for _, group, _ in found for step in group.steps)
        names = {row[0]: row[1:] for row in self._reads.all("step_names", ids=steps)}
        errors: dict[int, str | None] = dict(
            self._reads.all("samples", ids=_ids(group.first_job for _, group, _ in found))
        )
        return [
            ErrorFamily(
                family=group.family,
                count=group.jobs,
                manager_id=run[0],
                definition_id=run[1],
                run_name=run[2],
                steps=[name for _, name in sorted(names[step] for step in group.steps if step in names)],
                first_job=group.first_job,
                sample=_error(errors.get(group.first_job)),
                last_failed_at=moment(group.last_failed_at),
                ignored=is_ignored,
            )
            for run, group, is_ignored in found
        ]


def _by_run(rows: list[Row]) -> dict[int, list[_Group]]:
    """Rows by run, step and family, as families of runs."""
    gathered: dict[tuple[int, str], list[Row]] = {}
    for row in rows:
        gathered.setdefault((row[0], row[2]), []).append(row)
    groups: dict[int, list[_Group]] = {}
    for (run, family), parts in gathered.items():
        group = _Group(
            family=family,
            jobs=sum(part[3] for part in parts),
            steps=tuple(part[1] for part in parts),
            first_job=min(part[4] for part in parts),
            last_failed_at=max((part[5] for part in parts if part[5] is not None), default=None),
        )
        groups.setdefault(run, []).append(group)
    return groups


def _ids(numbers: Iterable[int]) -> str:
    return as_json(sorted(set(numbers)))


def _error(text: str | None) -> JobError | None:
    return msgspec.json.decode(text, type=JobError) if text else None
