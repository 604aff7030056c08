import matplotlib
import pytest

matplotlib.use("Agg")

from physlearn.causal import CausalGraph, GraphEdge
from physlearn.checks import InputError
from physlearn.plots import plot_effects, plot_graph


@pytest.fixture
def graph():
    edges = (
        GraphEdge("a", "b", frequency=1.0),
        GraphEdge("b", "c", "circle", "arrow", frequency=0.6),
        GraphEdge("a", "d", "arrow", "arrow"),
        GraphEdge("d", "e", "circle", "circle", "undecided", 0.2),
    )
    return CausalGraph(tuple("abcde"), edges, tiers={"a": 0, "b": 1, "c": 2, "d": 0, "e": 3})


def test_width_is_frequency_and_undecided_is_dashed(graph):
    ax = plot_graph(graph.graph, tiers=graph.tiers)
    lines = [line for line in ax.lines if len(line.get_xdata()) > 10]
    firm, weaker, unknown, open_one = lines
    assert firm.get_linewidth() > weaker.get_linewidth() > open_one.get_linewidth()
    assert firm.get_linewidth() > unknown.get_linewidth()
    assert open_one.is_dashed()
    assert not firm.is_dashed()


def test_legend_names_the_marks_that_occur(graph):
    said = [text.get_text() for text in plot_graph(graph.graph).get_legend().get_texts()]
    assert any("hidden cause drives both" in text for text in said)
    assert any("direction open" in text for text in said)
    assert any("share of half-samples" in text for text in said)
    plain = plot_graph(CausalGraph.from_edges([("a", "b")]).graph).get_legend().get_texts()
    assert [text.get_text() for text in plain] == ["−▶  cause to effect"]


def test_a_fourth_tier_stands_to_the_right_of_the_third(graph):
    ax = plot_graph(graph.graph, tiers=graph.tiers)
    place = {text.get_text(): text.get_position()[0] for text in ax.texts}
    assert place["e"] > place["c"] + 0.3
    assert "tier 3" in place
    assert ax.get_xlim()[1] > place["e"]


def test_pairs_that_could_not_be_judged_are_counted_below(graph):
    edges = (*graph.edges, GraphEdge("a", "e", "circle", "circle", "undecided", 0.0))
    more = CausalGraph(graph.columns, edges, tiers=graph.tiers)
    ax, before = plot_graph(more.graph), plot_graph(graph.graph)
    assert len(ax.lines) == len(before.lines)
    assert ax.get_legend().get_texts()[-1].get_text() == "1 more pair(s) could not be judged"
    nothing = CausalGraph(("a", "b"), (GraphEdge("a", "b", "circle", "circle", "undecided", 0.0),))
    assert {"a", "b"} <= {text.get_text() for text in plot_graph(nothing.graph).texts}


def test_what_cannot_be_drawn_is_named(graph):
    with pytest.raises(InputError, match=r"found\.graph.*got CausalGraph"):
        plot_graph(graph)
    with pytest.raises(InputError, match="at least one node"):
        plot_graph(CausalGraph((), ()).graph)
    with pytest.raises(InputError, match=r"effect\.summary.*got float of float"):
        plot_effects(0.3)


def test_without_tiers_no_node_is_called_structure(graph):
    assert "structure" not in [text.get_text() for text in plot_graph(graph.graph).texts]
    shown = [text.get_text() for text in plot_graph(graph.graph, tiers={"b": 1}).texts]
    assert "structure" in shown
