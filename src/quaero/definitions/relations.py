"""``pre_jobs`` and ``post_jobs``: the definitions that a definition starts (JD042)."""

from __future__ import annotations

from quaero.definitions.context import LoadContext
from quaero.definitions.findings import did_you_mean
from quaero.definitions.graph import shortest_cycle
from quaero.definitions.tables import Table

_KEYS = ("pre_jobs", "post_jobs")


def check_relations(top: Table, definition_id: str, context: LoadContext) -> None:
    """Every id named is known, not the definition's own, and doesn't lead back to it."""
    for key in _KEYS:
        for other in top.texts(key):
            _check_one(top, key, other, definition_id, context)
    _check_cycle(top, definition_id, context)


def _check_one(top: Table, key: str, other: str, definition_id: str, context: LoadContext) -> None:
    if not other.strip():
        top.report.error("JD042", top.at(key), f"{key} holds an empty id", "name a definition or remove the entry")
    elif other == definition_id:
        top.report.error("JD042", top.at(key), f"{key} names the definition itself", f"remove {other}")
    elif other not in context.known:
        message = f"{key} names {other}, which is no known definition"
        hint = did_you_mean(other, context.known) or "put its file into the definitions folder or give it along"
        top.report.error("JD042", top.at(key), message, hint)


def _check_cycle(top: Table, definition_id: str, context: LoadContext) -> None:
    graph = {name: (*known.pre_jobs, *known.post_jobs) for name, known in context.known.items()}
    for key in _KEYS:
        graph[definition_id] = top.texts(key)
        if cycle := shortest_cycle(graph, definition_id):
            message = f"{key} makes a cycle: {' → '.join(cycle)}"
            top.report.error("JD042", top.at(key), message, "no definition may start one that starts it")
