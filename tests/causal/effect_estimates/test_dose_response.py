import networkx as nx
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from physlearn.causal.effect_estimates.dose_response import dose_response
from physlearn.checks import InputError
from physlearn.records import PatchTable


@pytest.fixture(scope="module")
def bent(worlds):
    def make(seed, bend, *, edge=24, length=1, snr=None):
        rng = np.random.default_rng(seed)
        u, v, e = worlds.rough(edge, length, 3, rng)
        x = 0.6 * u + 0.8 * v
        return worlds.table(
            {"u": u, "x": x, "y": 0.5 * x + bend * x**2 + 0.6 * u + 0.6 * e}, snr, rng
        )

    return make


def test_the_band_holds_the_whole_curve(bent, confounded_graph):
    whole = found_bent = 0
    points = []
    n = 40
    for seed in range(n):
        table = bent(seed, 0.3, snr=(None, 20.0)[seed % 2])
        curve = dose_response(table, confounded_graph, "x", "y", reference=0.0, rng=0)
        assert curve.identified
        assert curve.adjustment_set == ("u",)
        truth = 0.5 * curve.values + 0.3 * curve.values**2
        points.append(np.mean((curve.low <= truth) & (truth <= curve.high)))
        inside = (curve.band_low <= truth + 1e-9) & (truth <= curve.band_high + 1e-9)
        whole += inside.all()
        found_bent += curve.linear_p_value < 0.05
    assert stats.binomtest(whole, n, 0.90).pvalue > 1e-3
    # intervals at neighbouring values hold or miss together: one curve is one draw
    assert abs(np.mean(points) - 0.90) < 4 * np.std(points) / np.sqrt(n)
    assert found_bent == n
    assert curve.support.sum() > 0
    assert curve.support[20] > curve.support[0]


def test_a_straight_line_is_seldom_called_bent(bent, confounded_graph):
    called = sum(
        dose_response(bent(seed, 0.0), confounded_graph, "x", "y", rng=0).linear_p_value < 0.05
        for seed in range(40)
    )
    assert stats.binomtest(called, 40, 0.05, alternative="greater").pvalue > 1e-3


def test_what_a_curve_cannot_be_read_from(bent, worlds, confounded_graph):
    hidden = worlds.without(bent(0, 0.3), "u")
    refused = dose_response(hidden, confounded_graph, "x", "y", rng=0)
    assert not refused.identified
    assert "measure u" in refused.reason
    noisy = dose_response(bent(0, 0.3, snr=1.0), confounded_graph, "x", "y", rng=0)
    assert "repeat the scan" in noisy.reason
    smooth = dose_response(bent(0, 0.3, length=5), confounded_graph, "x", "y", rng=0)
    assert "independent patches" in smooth.reason
    assert smooth.values.size == 0
    open_graph = dose_response(bent(0, 0.3), nx.DiGraph([("y", "x")]), "x", "y", rng=0)
    assert not open_graph.identified
    with pytest.raises(InputError, match="reference"):
        dose_response(bent(0, 0.3), confounded_graph, "x", "y", reference=99.0)
    with pytest.raises(InputError, match="n_knots"):
        dose_response(bent(0, 0.3), confounded_graph, "x", "y", n_knots=2)


def test_more_knots_than_patches_tell_apart_are_refused(grid):
    rng = np.random.default_rng(0)
    a = rng.normal(size=256)
    frame = pd.DataFrame({"a": a, "b": a + rng.normal(size=256)})
    table = PatchTable.from_frame(frame, grid(16), 1.0)
    graph = nx.DiGraph([("a", "b")])
    curve = dose_response(table, graph, "a", "b", n_knots=200, rng=0)
    assert not curve.identified
    assert "take fewer" in curve.reason
    with pytest.raises(InputError, match="reference must be a number in the range of a"):
        dose_response(table, graph, "a", "b", reference="x", rng=0)
