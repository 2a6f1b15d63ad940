"""Nodes as people see them: who is at work on this database, and who leads."""

from __future__ import annotations

from datetime import UTC, datetime

from quaero.model.node import Node
from quaero.ports.jobs import JobStore
from quaero.queue.membership import UPKEEP, capabilities_of


def nodes_of(store: JobStore, now: int) -> list[Node]:
    """In the order in which they came. ``now``: microseconds since 1970 UTC."""
    leader, lease_now = store.leader(UPKEEP), store.lease_now()
    return [
        Node(
            id=row.id,
            host=row.host,
            pid=row.pid,
            version=row.version,
            protocol=row.protocol,
            slots=row.slots,
            capabilities=sorted(capabilities_of(row)),
            key_version=row.key_version,
            since=_time(row.started_at),
            seen=_time(row.renewed_at),
            age_s=round(max(0, now - row.renewed_at) / 1e6, 1),
            alive=row.lease_until > lease_now,
            draining=bool(row.draining),
            leader=row.id == leader,
        )
        for row in store.processes()
    ]


def _time(micros: int) -> datetime:
    return datetime.fromtimestamp(micros / 1e6, UTC)
