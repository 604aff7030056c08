import networkx as nx
import pytest

from physlearn.causal.effect_estimates.effect_records import EffectOptions, Estimand
from physlearn.causal.graphs import CausalGraph, GraphEdge
from physlearn.causal.identification import (
    columns_that_identify,
    identify,
    unhidden_assumption,
)


def answer(edges, observed, **options):
    return identify(observed, nx.DiGraph(edges), "x", "y", EffectOptions(**options), [])


@pytest.mark.parametrize(
    ("edges", "observed", "expected"),
    [
        ([("u", "x"), ("u", "y"), ("x", "y")], "uxy", Estimand("back-door", ("u",))),
        ([("u", "x"), ("u", "y"), ("x", "m"), ("m", "y")], "xmy",
         Estimand("front-door", (), ("m",))),
        ([("u", "x"), ("u", "y"), ("x", "y"), ("z", "x")], "xyz",
         Estimand("instrument", (), ("z",))),
        ([("y", "x")], "xy", Estimand("none")),
        # a collider is left alone
        ([("x", "y"), ("x", "c"), ("y", "c")], "xyc", Estimand("back-door", ())),
    ],
)  # fmt: skip
def test_the_first_strategy_that_serves(edges, observed, expected):
    assert answer(edges, tuple(observed)).estimands == (expected,)


def test_the_refusal_names_the_column_and_the_path_that_it_closes():
    found = answer([("u", "v"), ("v", "x"), ("u", "y"), ("x", "y")], ("x", "y"))
    assert found.estimands == ()
    assert set(found.would_identify) == {"u", "v"}
    assert "measure" in found.reason
    assert "x <- v <- u -> y" in found.reason


def test_two_hidden_causes_must_both_be_measured():
    edges = [("u", "x"), ("u", "y"), ("v", "x"), ("v", "y"), ("x", "y")]
    found = answer(edges, ("x", "y"))
    assert set(found.would_identify) == {"u", "v"}
    assert "together" in found.reason
    assert columns_that_identify(nx.DiGraph(edges), "x", "y", ("x", "y", "u")) == ("v",)


def test_a_hidden_cause_that_is_smooth_needs_no_column():
    edges = [("u", "x"), ("u", "y"), ("w", "x"), ("w", "y"), ("x", "y")]
    found = answer(edges, ("x", "y", "w"), smooth_confounder=True)
    assert found.estimands == (Estimand("back-door", ("w",)),)


def test_an_open_mark_leaves_the_hidden_cause_as_an_answer():
    graph = CausalGraph(("x", "y"), (GraphEdge("x", "y", "circle", "arrow"),))
    found = identify(("x", "y"), graph, "x", "y", EffectOptions(), [])
    assert not found.estimands
    assert "no column measures" in found.reason
    assert found.would_identify == ("what drives both x and y",)
    smooth = identify(("x", "y"), graph, "x", "y", EffectOptions(smooth_confounder=True), [])
    assert [e.strategy for e in smooth.estimands] == ["back-door"]


def test_a_strategy_that_the_graph_does_not_allow():
    found = answer([("x", "y")], ("x", "y"), strategy="instrument")
    assert "no instrument for x and y" in found.reason
    assert answer([("x", "y")], ("x", "y"), strategy="front-door").reason


def fci(*edges):
    return CausalGraph(
        ("w", "x", "m", "y"), edges, method="FCI, hidden causes allowed", alpha=0.05
    )  # fmt: skip


def test_where_hidden_causes_are_admitted_an_arrow_alone_identifies_nothing():
    arrow = GraphEdge("x", "y")
    seen = ("w", "x", "m", "y")
    found = identify(seen, fci(arrow), "x", "y", EffectOptions(), [])
    assert not found.estimands
    assert found.would_identify == ("what drives both x and y",)
    # w makes the arrow visible: it would stay linked to y if something hidden drove x and y
    firm = fci(GraphEdge("w", "x", "circle", "arrow"), arrow)
    assert identify(seen, firm, "x", "y", EffectOptions(), []).estimands
    # a search that takes the absence of hidden causes for granted is taken at its word
    pc = CausalGraph(("x", "y"), (arrow,), method="PC", alpha=0.05)
    assert identify(("x", "y"), pc, "x", "y", EffectOptions(), []).estimands


def test_an_invisible_first_step_of_a_longer_way_counts_too():
    way = (GraphEdge("x", "m"), GraphEdge("m", "y"))
    found = identify(("w", "x", "m", "y"), fci(*way), "x", "y", EffectOptions(), [])
    assert not found.estimands
    assert found.would_identify == ("what drives both x and m",)


def test_what_a_found_graph_takes_for_granted_is_said():
    pc = CausalGraph(("x", "y"), (GraphEdge("x", "y"),), method="PC", alpha=0.05)
    said = unhidden_assumption(pc, "x", "y", ("z",))
    assert said.startswith("no hidden cause drives both x and y beside z:")
    assert "takes this for granted" in said
    assert "admits hidden causes" in unhidden_assumption(fci(GraphEdge("x", "y")), "x", "y", ())
    given = CausalGraph.from_edges([("x", "y")])
    assert unhidden_assumption(given, "x", "y", ()) == ""
    assert unhidden_assumption(nx.DiGraph([("x", "y")]), "x", "y", ()) == ""
