import math

import networkx as nx
import pytest

from physlearn.causal import CausalGraph, GraphEdge
from physlearn.causal.members import HIDDEN, blocks_back_doors, members, weak_link_warnings
from physlearn.checks import InputError, NotIdentified


def edges_of(graph, *targets):
    return {frozenset(member.edges) for member in members(graph, *targets)}


def test_a_directed_graph_stands_for_itself_upstream_of_the_targets():
    graph = CausalGraph.from_edges([("a", "b"), ("b", "c"), ("c", "d")])
    assert edges_of(graph, "a", "c") == {frozenset({("a", "b"), ("b", "c")})}
    known = nx.DiGraph([("a", "b")])
    assert edges_of(known, "b") == {frozenset({("a", "b")})}


def test_open_marks_stand_for_cause_or_hidden_cause():
    hidden = frozenset({(f"{HIDDEN}a|b", "a"), (f"{HIDDEN}a|b", "b")})
    arrow = CausalGraph(("a", "b"), (GraphEdge("a", "b", "circle", "arrow"),))
    assert edges_of(arrow, "a", "b") == {
        frozenset({("a", "b")}), hidden, hidden | {("a", "b")},
    }  # fmt: skip
    # elsewhere than between the targets one of the two at a time
    aside = CausalGraph(
        ("a", "b", "c"), (GraphEdge("a", "b", "circle", "arrow"), GraphEdge("b", "c"))
    )
    assert len(edges_of(aside, "b", "c")) == 2
    open_ends = CausalGraph(("a", "b"), (GraphEdge("a", "b", "circle", "circle"),))
    assert edges_of(open_ends, "a", "b") == {
        frozenset({("a", "b")}), frozenset({("b", "a")}), hidden,
    }  # fmt: skip
    undecided = CausalGraph(("a", "b"), (GraphEdge("a", "b", presence="undecided"),))
    assert edges_of(undecided, "a", "b") == {frozenset({("a", "b")}), frozenset()}
    # elsewhere its strength is estimated, and may be zero
    longer = CausalGraph(
        ("a", "b", "c"), (GraphEdge("a", "b", presence="undecided"), GraphEdge("b", "c"))
    )
    assert edges_of(longer, "b", "c") == {frozenset({("a", "b"), ("b", "c")})}


def test_no_new_collider_and_no_cycle():
    chain = CausalGraph(
        ("a", "b", "c"),
        (GraphEdge("a", "b", "circle", "circle"), GraphEdge("b", "c", "circle", "circle")),
    )
    for member in members(chain, "a", "b", "c"):
        assert nx.is_directed_acyclic_graph(member)
        assert not {("a", "b"), ("c", "b")} <= set(member.edges)


def test_too_open_a_graph_is_refused():
    names = tuple("abcdefgh")
    every = tuple(
        GraphEdge(x, y, "circle", "circle") for i, x in enumerate(names) for y in names[i + 1 :]
    )
    with pytest.raises(NotIdentified, match="links around"):
        members(CausalGraph(names, every), "a", "h")
    with pytest.raises(InputError, match="no node"):
        members(CausalGraph(names, ()), "z")


def test_back_doors():
    graph = nx.DiGraph([("z", "x"), ("z", "y"), ("x", "m"), ("m", "y"), ("a", "z"), ("b", "z")])
    assert blocks_back_doors(graph, "x", "y", ("z",))
    assert blocks_back_doors(graph, "x", "y", ("a", "z"))
    assert not blocks_back_doors(graph, "x", "y", ())
    assert not blocks_back_doors(graph, "x", "y", ("m", "z"))
    assert not blocks_back_doors(graph, "x", "y", ("elsewhere", "z"))


def test_weak_links_are_named_where_the_influence_rests_on_them():
    def notes(cause, outcome, *edges):
        graph = CausalGraph(
            ("a", "m", "b"),
            tuple(GraphEdge(s, t, *marks, partial_correlation=r) for s, t, r, *marks in edges),
            detectable=0.2,
        )
        return weak_link_warnings(graph, cause, outcome)

    (note,) = notes("a", "b", ("a", "m", 0.8), ("m", "b", -0.25))
    assert "between m and b" in note
    assert len(notes("a", "b", ("a", "m", 0.25), ("m", "b", 0.25))) == 2
    # a strong direct link carries the influence; a weak one is named whatever goes round it
    assert not notes("a", "b", ("a", "b", 0.8), ("a", "m", 0.25), ("m", "b", 0.25))
    (note,) = notes("a", "b", ("a", "b", 0.25), ("a", "m", 0.8), ("m", "b", 0.8))
    assert "between a and b" in note
    # no influence, or one that nobody searched for
    assert not notes("b", "a", ("a", "b", 0.25))
    assert not notes("a", "b", ("a", "b", 0.25, "arrow", "arrow"))
    assert notes("a", "b", ("a", "b", 0.25, "circle", "circle"))
    assert not notes("a", "b", ("a", "b", math.nan))
    assert not weak_link_warnings(nx.DiGraph([("a", "b")]), "a", "b")
