"""Which step comes after which: order, dependants and cycles of a graph given as name -> names it needs.

The order of the mapping is the order of the file. Names that aren't keys of the mapping are ignored.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable, Mapping, Sequence

from quaero.model.definition import StepDefinition

Graph = Mapping[str, Sequence[str]]


def depends_graph(steps: Iterable[StepDefinition]) -> dict[str, tuple[str, ...]]:
    """Step name -> names in its ``depends``, in file order."""
    return {step.name: step.depends for step in steps}


def topological_order(graph: Graph) -> tuple[str, ...]:
    """Every name after all that it needs; among those free at the same time, file order.

    Raises:
        ValueError: the graph has a cycle.
    """
    position = {name: index for index, name in enumerate(graph)}
    names = list(graph)
    waiting = {name: len({n for n in needs if n in graph}) for name, needs in graph.items()}
    needed_by = _reversed(graph)
    free = [position[name] for name, open_needs in waiting.items() if not open_needs]
    heapq.heapify(free)
    order: list[str] = []
    while free:
        name = names[heapq.heappop(free)]
        order.append(name)
        for follower in needed_by[name]:
            waiting[follower] -= 1
            if not waiting[follower]:
                heapq.heappush(free, position[follower])
    if len(order) < len(graph):
        raise ValueError("the graph has a cycle")
    return tuple(order)


def dependants(graph: Graph, name: str) -> tuple[str, ...]:
    """All that needs ``name``, directly or through others, in file order; never ``name`` itself."""
    needed_by = _reversed(graph)
    found: set[str] = set()
    todo = deque([name])
    while todo:
        for follower in needed_by.get(todo.popleft(), ()):
            if follower not in found:
                found.add(follower)
                todo.append(follower)
    return tuple(n for n in graph if n in found and n != name)


def find_cycles(graph: Graph) -> list[tuple[str, ...]]:
    """One cycle for each knot of names that need one another, as ``(a, b, a)``, its first name first in the file.

    A name that needs itself is not reported.
    """
    cycles: list[tuple[str, ...]] = []
    knotted: set[str] = set()
    for name in graph:
        if name in knotted:
            continue
        if cycle := shortest_cycle(graph, name):
            cycles.append(cycle)
            knotted.update(_knot(graph, name))
    return cycles


def shortest_cycle(graph: Graph, start: str) -> tuple[str, ...] | None:
    """The shortest way from ``start`` over at least one other name back to it: ``(a, b, a)``, or None."""
    came_from: dict[str, str] = {}
    todo = deque([start])
    while todo:
        name = todo.popleft()
        for needed in graph.get(name, ()):
            if needed == start and name != start:
                return _walk_back(came_from, start, name)
            if needed in graph and needed != start and needed not in came_from:
                came_from[needed] = name
                todo.append(needed)
    return None


def _walk_back(came_from: Mapping[str, str], start: str, last: str) -> tuple[str, ...]:
    path = [start, last]
    while path[-1] != start:
        path.append(came_from[path[-1]])
    return tuple(reversed(path))


def _knot(graph: Graph, name: str) -> set[str]:
    """Every name on some cycle through ``name``: what it needs and what needs it."""
    forward = {n for n in graph if name in dependants(graph, n)}
    return {name, *(n for n in dependants(graph, name) if n in forward)}


def _reversed(graph: Graph) -> dict[str, list[str]]:
    needed_by: dict[str, list[str]] = {name: [] for name in graph}
    for name, needs in graph.items():
        for needed in dict.fromkeys(needs):
            if needed in graph:
                needed_by[needed].append(name)
    return needed_by
