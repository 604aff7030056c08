import networkx as nx
import numpy as np
import pytest
from scipy import stats

from physlearn.causal import estimate_effect
from physlearn.causal.effect_estimates.effect_records import EffectOptions

LINK = nx.DiGraph([("x", "y")])
SMOOTH = EffectOptions(smooth_confounder=True)


def test_a_smooth_hidden_field_is_taken_out(worlds, confounded_graph):
    def make(seed):
        snr = (None, 10.0)[seed % 2]
        table = worlds.confounded(seed, edge=32, length=seed % 5, snr=snr, smooth=4)
        return worlds.without(table, "u")

    blind = worlds.coverage(make, LINK, 0.5, 20)
    assert blind.held < 10
    # the same whether the graph shows the hidden node, or the option alone speaks of it
    for graph, n in ((confounded_graph, 40), (LINK, 4)):
        found = worlds.coverage(make, graph, 0.5, n, SMOOTH)
        assert found.answered >= 0.75 * n
        assert stats.binomtest(found.held, found.answered, 0.90).pvalue > 1e-3
    effect = estimate_effect(make(0), confounded_graph, "x", "y", options=SMOOTH, rng=0)
    assert "at least 4 patches" in effect.assumptions[0]
    assert effect.adjustment_set == ()


@pytest.mark.slow
@pytest.mark.parametrize("length", [0, 1, 2, 4])
@pytest.mark.parametrize("snr", [None, 10.0])
def test_coverage_with_a_smooth_hidden_field(worlds, length, snr):
    def make(seed):
        table = worlds.confounded(seed, edge=40, length=length, snr=snr, smooth=4)
        return worlds.without(table, "u")

    found = worlds.coverage(make, LINK, 0.5, 300, SMOOTH)
    assert found.answered > 0.8 * found.n
    assert stats.binomtest(found.held, found.answered, 0.90).pvalue > 1e-3


def test_a_cause_as_smooth_as_the_hidden_field_is_refused(worlds):
    rng = np.random.default_rng(0)
    u, v, e = worlds.fields(32, 4, 3, rng)
    x = 0.6 * u + 0.8 * v
    table = worlds.table({"x": x, "y": 0.5 * x + 0.6 * u + 0.5 * e}, None, rng)
    effect = estimate_effect(table, LINK, "x", "y", options=SMOOTH, rng=0)
    assert not effect.identified
    assert "as smoothly as the hidden field" in effect.reason


def test_a_hidden_field_rougher_than_stated_is_often_noticed(worlds):
    options = EffectOptions(smooth_confounder=True, confounder_length_patches=6.0)

    def reason(seed):
        table = worlds.without(worlds.confounded(seed, edge=48, smooth=2), "u")
        return estimate_effect(table, LINK, "x", "y", options=options, rng=0).reason

    assert sum("not that smooth" in reason(seed) for seed in range(6)) >= 3


def test_small_fields_are_refused(worlds):
    table = worlds.without(worlds.confounded(0, smooth=4), "u")
    effect = estimate_effect(table, LINK, "x", "y", options=SMOOTH, rng=0)
    assert not effect.identified
    assert "28 x 28" in effect.reason


def test_patches_anywhere_serve_as_well_as_a_grid(worlds):
    held = 0
    for seed in range(8):
        whole = worlds.without(worlds.confounded(seed, edge=40, smooth=5), "u")
        kept = np.random.default_rng(seed).permutation(1600)[:1300]
        effect = estimate_effect(
            whole.take(kept), LINK, "x", "y", contrast=(0, 1), options=SMOOTH, rng=0
        )
        assert effect.identified
        low, high = effect.interval(0.99)
        held += low < 0.5 < high
    assert held >= 7
