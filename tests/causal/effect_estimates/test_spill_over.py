import networkx as nx
import numpy as np
import pytest
from scipy import stats

from physlearn.causal import estimate_effect
from physlearn.causal.effect_estimates.effect_records import EffectOptions
from physlearn.causal.effect_estimates.neighbours import neighbour_means
from physlearn.causal.spatial_layout import SpatialLayout

SPILL = EffectOptions(spill_over=True)


@pytest.fixture(scope="module")
def neighbourly(worlds):
    """x changes y by 0.5 in its own patch, and by `spill` of the neighbours' mean."""
    means = neighbour_means(SpatialLayout(worlds.grid(24)))

    def make(seed, spill, snr=None, length=1):
        rng = np.random.default_rng(seed)
        u, v, e = worlds.rough(24, length, 3, rng)
        x = 0.6 * u + 0.8 * v
        y = 0.5 * x + spill * (means @ x) + 0.6 * u + 0.6 * e
        return worlds.table({"u": u, "x": x, "y": y}, snr, rng)

    return make


def test_direct_and_spill_over_together(neighbourly, confounded_graph):
    held = np.zeros(3)
    n = 40
    for seed in range(n):
        table = neighbourly(seed, 0.4, (None, 10.0)[seed % 2])
        effect = estimate_effect(
            table, confounded_graph, "x", "y", contrast=(0, 1), options=SPILL, rng=0
        )
        told = effect.spill_over
        assert effect.mean == told.direct
        truths = {"direct": 0.5, "spill_over": 0.4, "total": 0.9}
        for k, (name, truth) in enumerate(truths.items()):
            low, high = told.interval(name)
            held[k] += low < truth < high
    assert all(stats.binomtest(int(k), n, 0.90).pvalue > 1e-3 for k in held)
    assert told.n_neighbours == pytest.approx(4 * 24 * 23 / 576)
    assert effect.summary()["spill_over"] == told.spill_over


def test_spill_over_that_nobody_asked_for_is_told_and_none_is_not(neighbourly, confounded_graph):
    def warned(seed, spill):
        effect = estimate_effect(neighbourly(seed, spill), confounded_graph, "x", "y", rng=0)
        return any("neighbours also tells" in note for note in effect.warnings)

    assert sum(warned(seed, 0.4) for seed in range(10)) >= 8
    # a test at 1 %: four of 20 are beyond its scatter
    assert sum(warned(seed, 0.0) for seed in range(20)) < 4


def test_where_neighbours_cannot_be_told(neighbourly, confounded_graph, worlds):
    table = neighbourly(0, 0.4)
    chosen = np.flatnonzero((worlds.grid(24) % 2 == 0).all(axis=1))
    far = table.take(chosen)
    effect = estimate_effect(far, confounded_graph, "x", "y", options=SPILL, rng=0)
    # patches apart by two steps are each other's nearest
    assert effect.spill_over is not None
    hidden = nx.DiGraph([("x", "m"), ("m", "y"), ("h", "x"), ("h", "y")])
    frame = table.frame.rename(columns={"u": "m"})
    other = type(table).from_frame(frame, table.centers, 1.0)
    refused = estimate_effect(other, hidden, "x", "y", options=SPILL, rng=0)
    assert not refused.identified
    assert "one back-door set" in refused.reason
    overlapping = type(table).from_frame(table.frame, table.centers, 1.0, overlap=0.5)
    refused = estimate_effect(overlapping, confounded_graph, "x", "y", options=SPILL, rng=0)
    assert "overlap" in refused.reason
