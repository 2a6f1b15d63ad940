"""Order, dependants and cycles."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quaero.definitions.graph import dependants, find_cycles, shortest_cycle, topological_order

GRAPHS = st.dictionaries(st.sampled_from("abcdef"), st.lists(st.sampled_from("abcdefz"), max_size=3), max_size=6)


def test_free_steps_keep_the_order_of_the_file():
    assert topological_order({"z": [], "b": ["a"], "a": [], "c": ["z"]}) == ("z", "a", "b", "c")


def test_dependants_are_found_through_others():
    graph = {"a": [], "b": ["a"], "c": ["b"], "d": []}

    assert dependants(graph, "a") == ("b", "c")
    assert dependants(graph, "c") == ()
    assert dependants(graph, "nobody") == ()


def test_each_knot_gives_one_cycle():
    graph = {"a": ["b"], "b": ["c", "a"], "c": ["a"], "x": ["y"], "y": ["x", "a"], "s": ["s"]}

    assert find_cycles(graph) == [("a", "b", "a"), ("x", "y", "x")]


def test_a_cycle_through_a_name_that_is_not_in_it_is_none_of_its_own():
    graph = {"a": ["b"], "b": ["c"], "c": ["b"]}

    assert shortest_cycle(graph, "a") is None
    assert find_cycles(graph) == [("b", "c", "b")]


@given(GRAPHS)
def test_a_graph_has_an_order_or_a_cycle(graph):
    cyclic = bool(find_cycles(graph)) or any(name in needs for name, needs in graph.items())
    if cyclic:
        with pytest.raises(ValueError, match="cycle"):
            topological_order(graph)
        return

    order = topological_order(graph)

    assert sorted(order) == sorted(graph)
    assert all(order.index(n) < order.index(name) for name in graph for n in graph[name] if n in graph)


@given(GRAPHS)
def test_a_cycle_follows_the_edges(graph):
    for cycle in find_cycles(graph):
        assert cycle[0] == cycle[-1]
        assert all(b in graph[a] for a, b in pairwise(cycle))
