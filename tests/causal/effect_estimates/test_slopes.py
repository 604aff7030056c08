"""Coverage of the estimands on fields with known effects, against exact binomial scatter."""

import networkx as nx
import numpy as np
import pytest
from scipy import stats

from physlearn.causal import estimate_effect
from physlearn.causal.effect_estimates.effect_records import EffectOptions


def in_band(found):
    """Whether 90 % of the answered worlds held the truth, within binomial scatter."""
    return stats.binomtest(found.held, found.answered, 0.90).pvalue > 1e-3


def test_confounded_worlds_claim_nothing_and_their_measured_pairs_are_answered(
    worlds, confounded_graph
):
    def hidden(seed):
        return worlds.without(measured(seed), "u")

    def measured(seed):
        return worlds.confounded(seed, length=seed % 5, snr=(None, 10.0)[seed % 2], slope=0.0)

    refused = worlds.coverage(hidden, confounded_graph, 0.0, 40)
    assert (refused.answered, refused.claims) == (0, 0)
    paired = worlds.coverage(measured, confounded_graph, 0.0, 80)
    assert paired.answered == paired.n
    assert in_band(paired)
    # the set that was found is the one that the world was made with
    effect = estimate_effect(measured(0), confounded_graph, "x", "y", rng=0)
    assert effect.adjustment_set == ("u",)


@pytest.mark.slow
@pytest.mark.parametrize("length", [0, 2, 4])
@pytest.mark.parametrize("snr", [None, 10.0])
def test_500_confounded_worlds_and_their_pairs(worlds, confounded_graph, length, snr):
    def measured(seed):
        return worlds.confounded(seed, length=length, snr=snr, slope=0.0)

    refused = worlds.coverage(
        lambda seed: worlds.without(measured(seed), "u"), confounded_graph, 0.0, 500
    )
    assert refused.claims == 0
    paired = worlds.coverage(measured, confounded_graph, 0.0, 500)
    assert paired.answered >= 0.9 * paired.n
    assert 0.85 < paired.held / paired.answered < 0.95


def test_randomised_worlds_are_answered(worlds):
    def make(seed):
        rng = np.random.default_rng(seed)
        x, e = worlds.rough(24, 2, 2, rng)
        return worlds.table({"x": x, "y": 0.5 * x + 0.8 * e}, 10.0, rng)

    found = worlds.coverage(make, nx.DiGraph([("x", "y")]), 0.5, 60)
    assert found.answered == found.n
    assert in_band(found)


@pytest.mark.parametrize("snr", [None, 10.0])
def test_front_door(worlds, snr):
    def make(seed):
        rng = np.random.default_rng(seed)
        f = worlds.rough(24, 1, 4, rng)
        x = 0.6 * f[0] + 0.8 * f[1]
        m = 0.7 * x + 0.7 * f[2]
        y = 0.6 * m + 0.6 * f[0] + 0.6 * f[3]
        return worlds.table({"x": x, "m": m, "y": y}, snr, rng)

    graph = nx.DiGraph([("u", "x"), ("u", "y"), ("x", "m"), ("m", "y")])
    found = worlds.coverage(make, graph, 0.42, 60)
    assert found.answered == found.n
    assert in_band(found)
    effect = estimate_effect(make(0), graph, "x", "y", rng=0)
    assert (effect.strategy, effect.members[0].used) == ("front-door", ("m",))
    assert "passes through m" in effect.assumptions[0]
    only = EffectOptions(strategy="back-door")
    refused = estimate_effect(make(0), graph, "x", "y", options=only, rng=0)
    assert not refused.identified
    assert refused.would_identify == ("u",)


def test_instrument(worlds):
    def make(seed, strength=0.7):
        rng = np.random.default_rng(seed)
        f = worlds.rough(24, 1, 4, rng)
        x = strength * f[0] + 0.6 * f[1] + 0.4 * f[2]
        y = 0.5 * x + 0.6 * f[1] + 0.6 * f[3]
        return worlds.table({"z": f[0], "x": x, "y": y}, 10.0, rng)

    graph = nx.DiGraph([("z", "x"), ("u", "x"), ("u", "y"), ("x", "y")])
    found = worlds.coverage(make, graph, 0.5, 60)
    assert found.answered == found.n
    assert in_band(found)
    effect = estimate_effect(make(0), graph, "x", "y", rng=0)
    assert (effect.strategy, effect.members[0].used) == ("instrument", ("z",))
    weak = estimate_effect(make(0, 0.02), graph, "x", "y", rng=0)
    assert not weak.identified
    assert "too weakly" in weak.reason


def test_an_instrument_that_needs_a_column_held_fixed(worlds):
    graph = nx.DiGraph([("z", "x"), ("u", "x"), ("u", "y"), ("x", "y"), ("w", "z"), ("w", "y")])

    def make(seed):
        rng = np.random.default_rng(seed)
        f = worlds.rough(24, 0, 5, rng)
        z = 0.6 * f[4] + 0.8 * f[0]
        x = 0.7 * z + 0.6 * f[1] + 0.4 * f[2]
        y = 0.5 * x + 0.6 * f[1] + 0.6 * f[3] + 0.7 * f[4]
        return worlds.table({"w": f[4], "z": z, "x": x, "y": y}, None, rng)

    effect = estimate_effect(make(1), graph, "x", "y", contrast=(0, 1), rng=0)
    assert (effect.strategy, effect.adjustment_set) == ("instrument", ("w",))
    assert in_band(worlds.coverage(make, graph, 0.5, 40))
