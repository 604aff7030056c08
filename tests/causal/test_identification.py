import networkx as nx
import pytest

from physlearn.causal.effect_estimates.effect_records import EffectOptions, Estimand
from physlearn.causal.graphs import CausalGraph, GraphEdge
from physlearn.causal.identification import columns_that_identify, identify


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
