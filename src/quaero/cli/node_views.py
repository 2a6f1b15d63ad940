"""Nodes as text and data."""

from __future__ import annotations

from rich.table import Table

from quaero.cli.output import local_time, plain, seconds, table
from quaero.model.node import Node


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
