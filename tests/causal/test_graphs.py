import math

import networkx as nx
import pytest

from physlearn.causal import CausalGraph, GraphEdge
from physlearn.checks import InputError


@pytest.fixture
def graph():
    return CausalGraph(
        ("a", "b", "c", "d"),
        (
            GraphEdge("a", "b", frequency=0.94, partial_correlation=-0.4, p_value=1e-5),
            GraphEdge("b", "c", "circle", "arrow"),
            GraphEdge("c", "d", "circle", "circle"),
            GraphEdge("a", "d", "tail", "arrow", "undecided", 0.3, reason="noise"),
            GraphEdge("b", "d", "arrow", "arrow"),
        ),
        tiers={"a": 0},
        method="pc",
        detectable=0.2,
        seed=3,
        warnings=("be careful",),
    )


def test_networkx_attributes(graph):
    assert isinstance(graph.graph, nx.MultiDiGraph)
    assert graph.graph.nodes["a"]["tier"] == 0
    attributes = graph.graph.edges["a", "b", 0]
    assert attributes["mark_source"] == "tail"
    assert attributes["mark_target"] == "arrow"
    assert attributes["presence"] == "present"
    assert attributes["frequency"] == 0.94


def test_json_round_trip(graph, tmp_path):
    text = graph.to_json(tmp_path / "graph.json")
    for source in (text, tmp_path / "graph.json"):
        again = CausalGraph.from_json(source)
        assert again.to_json() == text
        assert again.edges[0] == graph.edges[0]
        assert math.isnan(again.edges[1].frequency)
        assert again.warnings == ("be careful",)
    for bad in ("{", '{"format": "other"}'):
        with pytest.raises(InputError, match="source"):
            CausalGraph.from_json(bad)


def test_claims_say_what_each_mark_means(graph):
    claims = graph.claims()
    assert "a causes b" in claims[0]
    assert "94% of half-samples" in claims[0]
    assert "or a hidden cause" in claims[1]
    assert "direction is open" in claims[2]
    assert claims[3].startswith("Undecided")
    assert claims[4].startswith("a hidden cause drives")
    assert "0.20" in claims[5]
    assert graph.causes_of("d") == []
    assert len(graph.summary()) == 5


def test_bad_graphs():
    with pytest.raises(InputError, match="cycle"):
        CausalGraph.from_edges([("a", "b"), ("b", "a")])
    with pytest.raises(InputError, match="one edge"):
        CausalGraph(("a", "b"), (GraphEdge("a", "b"), GraphEdge("b", "a")))
    with pytest.raises(InputError, match="columns of the graph"):
        CausalGraph(("a",), (GraphEdge("a", "b"),))
    with pytest.raises(InputError, match="mark_source"):
        GraphEdge("a", "b", "star")
    with pytest.raises(InputError, match="twice"):
        GraphEdge("a", "a")


def test_causes_of_an_unknown_column_are_not_none():
    graph = CausalGraph.from_edges([("a", "b")])
    with pytest.raises(InputError, match=r"node of the graph \(a, b\); got 'c'"):
        graph.causes_of("c")


def test_a_torn_file_is_named():
    with pytest.raises(InputError, match="it has no 'columns'"):
        CausalGraph.from_json('{"format": "physlearn-causal-graph-1"}')
