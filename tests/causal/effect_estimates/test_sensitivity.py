"""The bound is checked against worlds in which the hidden cause is as strong as stated."""

import math
from dataclasses import replace

import networkx as nx
import numpy as np
import pytest

from physlearn.causal import estimate_effect
from physlearn.causal.effect_estimates.sensitivity import robustness, sensitivity
from physlearn.checks import InputError, NotIdentified

LINK = nx.DiGraph([("x", "y")])


def test_the_bound_is_what_a_hidden_cause_of_that_strength_does(worlds, confounded_graph):
    table = worlds.confounded(0, edge=40, length=0)
    blind = estimate_effect(worlds.without(table, "u"), LINK, "x", "y", contrast=(0, 1), rng=0)
    known = estimate_effect(table, confounded_graph, "x", "y", contrast=(0, 1), rng=0)
    of_cause, of_outcome = known.benchmarks["u"]
    ratio = blind.members[0].residual_ratio
    bias = ratio * math.sqrt(of_outcome * of_cause / (1 - of_cause))
    # exact for the shares in the sample (Cinelli and Hazlett, eq. 11), counts of terms apart
    assert blind.mean - known.mean == pytest.approx(bias, rel=0.01)


def test_the_robustness_value_takes_the_effect_to_nil(worlds, confounded_graph):
    effect = estimate_effect(worlds.confounded(1), confounded_graph, "x", "y", rng=0)
    found = sensitivity(effect)
    r = found.robustness_value
    ratio = effect.members[0].residual_ratio
    assert ratio * math.sqrt(r * r / (1 - r)) == pytest.approx(abs(effect.mean))
    assert 0 < found.robustness_value_interval < r
    assert found.e_value > found.e_value_interval > 1
    assert found.contour[0, 0] == pytest.approx(effect.mean)
    assert (np.diff(found.contour, axis=0) <= 0).all()
    assert set(found.left_by_benchmark) == {"u"}
    assert "must explain" in str(found)


def test_known_numbers():
    # r^2 / (1 - r) = f^2
    assert robustness(1.0) == pytest.approx((math.sqrt(5) - 1) / 2)
    assert robustness(0.0) == 0.0


def test_effects_without_a_number_are_refused(worlds, confounded_graph):
    table = worlds.confounded(0)
    refused = estimate_effect(worlds.without(table, "u"), confounded_graph, "x", "y", rng=0)
    with pytest.raises(NotIdentified, match="no effect to examine"):
        sensitivity(refused)
    effect = estimate_effect(table, confounded_graph, "x", "y", rng=0)
    with pytest.raises(InputError, match="front-door"):
        sensitivity(replace(effect, strategy="front-door"))


def test_a_number_is_no_effect():
    with pytest.raises(InputError, match=r"effect must be an Effect, .* got float"):
        sensitivity(0.3)
