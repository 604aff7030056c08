import networkx as nx
import numpy as np
import pandas as pd
import pytest

from physlearn.causal import CausalGraph, GraphEdge
from physlearn.checks import NotIdentified


@pytest.fixture
def graph():
    return CausalGraph(
        ("a", "b", "c", "d"),
        (
            GraphEdge("a", "b", frequency=0.5),
            GraphEdge("b", "c", "circle", "arrow"),
            GraphEdge("c", "d", "arrow", "arrow", "undecided", reason="noise"),
        ),
        tiers={"a": 0},
        method="FCI",
    )


def test_dot_holds_marks_width_and_dashes(graph):
    text = graph.to_dot()
    for words in ("arrowhead=normal", "arrowtail=odot", "penwidth", '"50%"', "dashed"):
        assert words in text


def test_gml_is_read_back_by_networkx(graph, tmp_path):
    graph.to_gml(tmp_path / "graph.gml")
    again = nx.read_gml(tmp_path / "graph.gml")
    assert set(again.nodes) == {"a", "b", "c", "d"}
    assert again.nodes["a"]["tier"] == 0
    assert again.edges["a", "b", 0]["frequency"] == 0.5
    assert again.edges["b", "c", 0]["mark_source"] == "circle"
    assert "frequency" not in again.edges["b", "c", 0]


def test_dowhy_gets_hidden_causes_as_unobserved_columns(graph):
    found = graph.to_dowhy()
    assert found.has_edge("a", "b")
    assert found.has_edge("b", "c")
    assert not found.has_edge("c", "d")
    hidden = [node for node, data in found.nodes(data=True) if data["observed"] == "no"]
    assert sorted(hidden) == ["hidden_b_c", "hidden_c_d"]
    assert set(found.successors("hidden_c_d")) == {"c", "d"}


def test_dowhy_finds_the_back_door():
    from physlearn.causal.quiet import quiet

    known = CausalGraph.from_edges([("z", "x"), ("z", "y"), ("x", "y")])
    with quiet("dowhy"):
        from dowhy import CausalModel

        frame = pd.DataFrame(np.eye(3), columns=["x", "y", "z"])
        model = CausalModel(data=frame, treatment="x", outcome="y", graph=known.to_dowhy())
        found = model.identify_effect(proceed_when_unidentifiable=True)
    assert found.get_backdoor_variables() == ["z"]


def test_open_directions_and_cycles_are_refused():
    open_graph = CausalGraph(("a", "b"), (GraphEdge("a", "b", "circle", "circle"),))
    with pytest.raises(NotIdentified, match=r"direction of 1 link\(s\) is open \(a - b\)"):
        open_graph.to_dowhy()
    cycle = CausalGraph(
        ("a", "b", "c"), (GraphEdge("a", "b"), GraphEdge("b", "c"), GraphEdge("c", "a"))
    )
    with pytest.raises(NotIdentified, match="cycle"):
        cycle.to_dowhy()


def test_legend_explains_the_marks_that_occur(graph):
    said = graph.legend()
    assert len(said) == 4
    assert any("<->" in text and "hidden cause" in text for text in said)
    assert said[-1].startswith("dashed")


def test_dot_keeps_names_with_colons():
    pydot = pytest.importorskip("pydot")
    graph = CausalGraph.from_edges([("x:y", 'a "b"')])
    (read,) = pydot.graph_from_dot_data(graph.to_dot())
    (edge,) = read.get_edges()
    assert edge.get_source() == '"x:y"'
    assert '"x:y"' in [node.get_name() for node in read.get_nodes()]
