"""Nodes as text and data."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec
from rich.table import Table

from quaero.cli.output import local_time, plain, seconds, table
from quaero.queue.membership import UPKEEP, capabilities_of

if TYPE_CHECKING:
    from quaero.app import App


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """One running program, as ``--json`` shows it."""

    id: int
    host: str
    pid: int
    version: str
    protocol: int
    slots: int
    """Jobs at once; 0: it executes nothing."""
    capabilities: list[str]
    key_version: str
    """The fingerprint of its encryption key; empty where it has none."""
    since: datetime
    seen: datetime
    """Its last sign of life."""
    age_s: float
    """How long ago that was. Seconds."""
    alive: bool
    """Its lease is not over."""
    draining: bool
    leader: bool


def nodes_of(app: App) -> list[Node]:
    """In the order in which they came."""
    leader, lease_now, now = app.store.leader(UPKEEP), app.store.lease_now(), app.clock.now()
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
        for row in app.store.processes()
    ]


def node_table(nodes: list[Node]) -> Table:
    """One line for each; the leader is marked with a star."""
    rows = table("node", "host", "pid", "version", "slots", "capabilities", "since", "seen", "", right=("node", "pid"))
    for node in nodes:
        rows.add_row(
            f"{'* ' if node.leader else ''}{node.id}",
            plain(node.host),
            str(node.pid),
            plain(node.version),
            str(node.slots) if node.slots else "-",
            " ".join(map(plain, node.capabilities)) or "-",
            local_time(node.since),
            f"{seconds(node.age_s)} ago",
            _state(node),
        )
    return rows


def _state(node: Node) -> str:
    if not node.alive:
        return "lease over"
    return "draining" if node.draining else ""


def _time(micros: int) -> datetime:
    return datetime.fromtimestamp(micros / 1e6, UTC)
