"""Membership: how this process gets on with the other nodes. Which it can work with, what it offers, who leads.

A node is a running program with a row of its own in ``processes``. Nodes of one protocol work together whatever their
version. One of them leads: it alone does what need be done once only. It leads by a term, as long as its row lives;
each write that relies on that checks the term in its own transaction.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence

from quaero.errors import Refused
from quaero.ports.jobs import Notice, ProcessRow
from quaero.queue.turn import Turn

PROTOCOL = 1
"""Goes up when a program of the new kind and one of the old can't work on one database at the same time."""
UPKEEP = "upkeep"
"""The leadership under which counters are audited and what is old is dropped."""
SECRETS = "secrets"
"""The capability of a node whose encryption key opens every stored secret."""

IsDead = Callable[[ProcessRow], bool | None]


def refuse_other_protocols(turn: Turn, is_dead: IsDead) -> list[ProcessRow]:
    """The other nodes, looked at before registering; until the commit no other registers.

    Raises:
        Refused: one that lives works by another protocol; names it.
    """
    turn.tx.lock_nodes()
    others = turn.tx.processes()
    for node in others:
        if node.protocol == PROTOCOL or node.lease_until <= turn.tx.lease_now or is_dead(node):
            continue
        raise Refused(
            f"node {node.id} (host {node.host}, pid {node.pid}, quaero {node.version}) works by protocol "
            f"{node.protocol}, this program by {PROTOCOL}: they can't share a database; stop that node, "
            "or start the version that runs there"
        )
    return others


def lead(
    turn: Turn, notice: Notice, process_id: int, processes: Sequence[ProcessRow], is_dead: IsDead, *, may_take: bool
) -> int:
    """The term by which this process leads, taken over where nobody does; 0: another one leads, or none."""
    if notice.leader == process_id:
        return notice.term
    if not may_take:
        return 0
    if notice.leader_lives and not any(node.id == notice.leader and is_dead(node) for node in processes):
        return 0
    return turn.tx.lead(UPKEEP, process_id, notice.term)


def offered(given: Iterable[str], notice: Notice) -> tuple[str, ...]:
    """The capabilities of this node, in order."""
    return tuple(sorted({*given} if notice.has_foreign_secrets else {*given, SECRETS}))


def as_text(capabilities: Sequence[str]) -> str:
    """As the row of the node has them."""
    return json.dumps(list(capabilities))


def capabilities_of(node: ProcessRow) -> frozenset[str]:
    return frozenset(json.loads(node.capabilities or "[]"))
