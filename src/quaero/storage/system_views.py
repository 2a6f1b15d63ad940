"""SystemViews: how the database, the limiters and the definitions stand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Protocol

import msgspec

from quaero.errors import BadData
from quaero.ports.jobs import State
from quaero.ports.views import Activity, DefinitionRevision, DefinitionUse, LimiterRow, StorageFacts
from quaero.storage.job_rows import moment
from quaero.storage.job_store import SqlJobStore
from quaero.storage.jobs import as_json
from quaero.storage.live_rows import LiveRows
from quaero.storage.reads import NamedReads, micros

MAX_LIMITERS = 1_000
MAX_BUCKETS = 1_000
LAST_RUNS = 12


class LogFiles(Protocol):
    """What is asked of a log store."""

    def days(self) -> list[str]: ...
    def size_bytes(self) -> int: ...


class SystemViews:
    def __init__(
        self, store: SqlJobStore, logs: LogFiles, reads: NamedReads, rows: LiveRows, now: Callable[[], int]
    ) -> None:
        self._store = store
        self._logs = logs
        self._reads = reads
        self._rows = rows
        self._now = now

    def activity(self, since: datetime, buckets: int) -> list[Activity]:
        start, end = micros(since), self._now()
        if not 0 < buckets <= MAX_BUCKETS:
            raise BadData(f"{buckets} buckets of activity; ask for 1 to {MAX_BUCKETS}")
        counts: list[dict[str, int]] = [{} for _ in range(buckets)]
        end = max(end, start + buckets)
        for bucket, state, count in self._reads.all("activity", since=start, until=end, buckets=buckets):
            status = str(State(state).status)
            counts[bucket][status] = counts[bucket].get(status, 0) + count
        width = (end - start) / buckets
        starts = (moment(int(start + place * width)) for place in range(buckets))
        return [Activity(at=at, counts=its) for at, its in zip(starts, counts, strict=True)]

    def storage_facts(self) -> StorageFacts:
        [(version, size, free, oldest)] = self._reads.all("storage")
        database = self._store.database
        audited = self._store.fact("audited_at")
        return StorageFacts(
            database=database.place,
            backend=database.dialect,
            server_version=version,
            schema=self._store.schema,
            size=size,
            free=free,
            wal_size=_size(Path(f"{database.place}-wal")) if database.dialect == "sqlite" else None,
            logs_size=self._logs.size_bytes(),
            log_days=self._logs.days(),
            rows=dict(self._reads.all("row_counts")),
            oldest_transaction_s=None if oldest is None else max(0.0, float(oldest)),
            drift=int(self._store.fact("drift") or 0),
            audited_at=moment(int(audited)) if audited else None,
        )

    def limiters(self) -> list[LimiterRow]:
        return [
            LimiterRow(worker_type=row[0], key=row[1], in_use=row[2], tokens=row[3], refilled_at=moment(row[4]))
            for row in self._reads.all("limiters", limit=MAX_LIMITERS)
        ]

    def definition_uses(self, definition_ids: Sequence[str]) -> dict[str, DefinitionUse]:
        if not definition_ids:
            return {}
        found = self._reads.all("definition_uses", ids=as_json(sorted(set(definition_ids))), last=LAST_RUNS)
        newest: dict[str, list[int]] = {row[0]: msgspec.json.decode(row[2]) for row in found}
        runs = {row.id: row for row in self._rows.of([run for runs in newest.values() for run in runs])}
        return {
            row[0]: DefinitionUse(
                definition_id=row[0],
                runs=row[1],
                last=[runs[run] for run in sorted(newest[row[0]], reverse=True) if run in runs],
            )
            for row in found
        }

    def definition_revisions(self, definition_id: str) -> list[DefinitionRevision]:
        return [
            DefinitionRevision(
                definition_id=row[0],
                revision=row[1],
                hash=row[2],
                created_at=moment(row[3]),
                runs=row[4],
                source=row[5],
            )
            for row in self._reads.all("definition_revisions", definition_id=definition_id)
        ]


def _size(path: Path) -> int:
    with suppress(FileNotFoundError):
        return path.stat().st_size
    return 0
