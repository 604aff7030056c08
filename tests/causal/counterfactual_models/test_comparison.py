from dataclasses import replace

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from physlearn.causal.counterfactual_models.comparison import compare_counterfactuals
from physlearn.causal.counterfactual_models.draw_counterfactuals import draw_counterfactuals
from physlearn.causal.counterfactual_models.physical_models import (
    physical_counterfactual,
    wall_model,
)
from physlearn.causal.counterfactual_models.structural_answers import counterfactuals
from physlearn.causal.graphs import CausalGraph, GraphEdge
from physlearn.checks import InputError
from physlearn.records import PatchTable

LINK = nx.DiGraph([("bias", "speed")])


@pytest.fixture(scope="module")
def wall_world(fields, grid):
    """Return seed, strength of a hidden cause, snr -> table and a wall fitted to another film."""

    def make(seed, hidden=0.0, snr=None, bend=0.0):
        rng = np.random.default_rng(seed)
        own, rest, unseen = fields(20, 1.0, 3, rng)
        bias = 2 + 0.5 * (own + hidden * unseen) / np.sqrt(1 + hidden**2)
        speed = 0.5 * bias + bend * (bias - 2) ** 2 + 0.2 * rest + 0.2 * hidden * unseen
        clean = pd.DataFrame({"bias": bias, "speed": speed})
        variance = clean.var().to_numpy() / snr if snr else np.zeros(2)
        table = PatchTable.from_frame(
            clean + rng.standard_normal(clean.shape) * np.sqrt(variance), grid(20), 8.0, unit="nm",
            units={"bias": "V", "speed": "nm/s"}, measurement_covariance=np.diag(variance)[None],
        )  # fmt: skip
        slope = rng.normal(0.5, 0.02)
        fit = {"drive_mobility": rng.normal(slope, 0.02, 1000)}
        return table, wall_model(fit, drive="bias", velocity="speed", drives=[0.2, 4.0])

    return make


def compared(world, do, seed):
    table, wall = world
    values = {"bias": table.frame["bias"] - 0.5} if do == "shift" else {"bias": 2.5}
    structural = counterfactuals(table, LINK, do=values, outcome="speed", rng=seed)
    physical = physical_counterfactual(wall, table, do=values, rng=seed)
    return compare_counterfactuals(structural, physical), structural, physical


@pytest.mark.parametrize(("snr", "do"), [(None, "shift"), (10.0, "constant")])
def test_right_models_are_told_apart_as_rarely_as_promised(wall_world, snr, do):
    rejected = sum(not compared(wall_world(seed, snr=snr), do, seed)[0].agree for seed in range(80))
    assert stats.binomtest(rejected, 80, 0.05, alternative="greater").pvalue > 0.01


def test_a_hidden_cause_makes_them_disagree_and_is_named(wall_world):
    rejected, named = 0, 0
    for seed in range(20):
        found, structural, _ = compared(wall_world(seed, hidden=1.0, snr=10.0), "shift", seed)
        rejected += not found.agree
        named += (
            bool(found.doubts) and "no hidden cause drives both bias and speed" in found.doubts[0]
        )
        assert np.allclose(found.p_values < 0.05, found.p_values[0] < 0.05)
    assert rejected >= 18
    assert named == rejected
    assert "disagree" in found.sentence()
    assert "doubt first that no hidden cause" in found.sentence()
    assert structural.sentence().startswith("Had bias been set patch by patch")


def test_a_bend_that_the_physical_law_lacks_is_called_the_form(wall_world):
    found, _, _ = compared(wall_world(3, bend=0.5), "constant", 3)
    assert not found.agree
    assert found.doubts[0].startswith("the form in which speed follows bias")
    # some patches differ, others do not
    assert 0.05 < (found.p_values < 0.05).mean() < 1
    assert found.n_effective > 1.02


def test_a_physical_fit_that_fails_on_its_own_data_is_doubted_first(wall_world):
    table, wall = wall_world(0, hidden=1.0)
    poor = replace(wall, warnings=("the model does not hold: its residual is correlated",))
    found, _, _ = compared((table, poor), "shift", 0)
    assert not found.agree
    assert found.doubts[0] == "the linear wall law fits its own data"


def test_of_open_graphs_the_one_that_agrees_is_named(wall_world):
    table, wall = wall_world(1)
    open_edge = (GraphEdge("bias", "speed", "circle", "circle"),)
    do = {"bias": table.frame["bias"] - 0.5}
    structural = counterfactuals(table, CausalGraph(("bias", "speed"), open_edge), do=do,
                                 outcome="speed", rng=0)  # fmt: skip
    physical = physical_counterfactual(wall, table, do=do, rng=0)
    found = compare_counterfactuals(structural, physical)
    assert found.agree
    assert found.graph == "speed of bias: linear"
    # that the bias reaches nothing is what the physical model rules out
    assert min(found.graph_p_values) < 1e-6


def test_bad_comparisons(wall_world):
    table, wall = wall_world(0)
    ask = {"do": {"bias": 2.5}, "rng": 0}
    structural = counterfactuals(table, LINK, outcome="speed", **ask)
    physical = physical_counterfactual(wall, table, **ask)
    with pytest.raises(InputError, match="structural must be structural"):
        compare_counterfactuals(physical, structural)
    with pytest.raises(InputError, match="physical must be physical"):
        compare_counterfactuals(structural, {"mean": 1.0})
    other = physical_counterfactual(wall, table, do={"bias": 2.0}, rng=0)
    with pytest.raises(InputError, match="one question"):
        compare_counterfactuals(structural, other)
    fewer = physical_counterfactual(wall, table, patches=[0, 1], **ask)
    with pytest.raises(InputError, match="400 patches"):
        compare_counterfactuals(structural, fewer)
    unmeasured = nx.DiGraph([("bias", "speed"), ("heat", "speed")])
    refused = counterfactuals(table, unmeasured, outcome="speed", **ask)
    with pytest.raises(InputError, match="holds no answer to compare: heat is a cause"):
        compare_counterfactuals(refused, physical)
    with pytest.raises(InputError, match="no identified answer to draw"):
        draw_counterfactuals(table, refused)


def test_the_picture_shows_what_it_says(wall_world):
    table, wall = wall_world(2)
    do = {"bias": table.frame["bias"] - 0.5}
    structural = counterfactuals(table, LINK, do=do, outcome="speed", rng=0)
    physical = physical_counterfactual(wall, table, do=do, rng=0)
    figure = draw_counterfactuals(table, structural, physical)
    titles = [axes.get_title() for axes in figure.axes]
    assert titles[0] == "Change of speed (nm/s)"
    assert titles[1].startswith("sd from graph 0, parameters")
    assert titles[2].startswith("They agree: p = ")
    assert len(draw_counterfactuals(table, structural).axes) == 3  # two panels, one colour bar
