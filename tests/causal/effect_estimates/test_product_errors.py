"""Errors of slopes whose scatter depends on the cause, and of those where it does not."""

import networkx as nx
import numpy as np
import pytest
from scipy import stats

from physlearn.causal.effect_estimates.product_errors import product_variance
from physlearn.causal.spatial_layout import SpatialLayout

LINK = nx.DiGraph([("x", "y")])


@pytest.mark.parametrize("length", [0, 2])
def test_an_error_that_grows_with_the_cause_is_counted(worlds, length):
    def make(seed):
        rng = np.random.default_rng(seed)
        x, e = worlds.fields(20, length, 2, rng)
        return worlds.table({"x": x, "y": 0.5 * x + np.abs(x) * e}, None, rng)

    found = worlds.coverage(make, LINK, 0.5, 40)
    assert stats.binomtest(found.held, found.answered, 0.90).pvalue > 1e-3


def test_a_slope_that_varies_in_space_is_counted(worlds):
    held = 0
    n = 30
    for seed in range(n):
        rng = np.random.default_rng(seed)
        slope = 0.5 + worlds.fields(24, 3, 1, rng)[0]
        x, e = worlds.fields(24, 1, 1, rng)[0], rng.standard_normal(576)
        table = worlds.table({"x": x, "y": slope * x + e}, None, rng)
        held += worlds.coverage(lambda _, t=table: t, LINK, slope.mean(), 1).held
    # the field's own mean lies nearer than that of all such fields, which the interval is for
    assert stats.binomtest(held, n, 0.90, alternative="less").pvalue > 1e-3


@pytest.mark.parametrize("free", [False, True])
def test_the_variance_of_a_mean_is_that_over_many_fields(worlds, fields, grid, free):
    """Of white fields exactly the scatter over n; of smooth ones near that of their own means."""
    places = grid(32)
    if free:
        places = places + np.random.default_rng(0).uniform(-0.3, 0.3, places.shape)
    layout = SpatialLayout(places)
    for length in (0, 1):
        drawn = fields(32, length, 150, np.random.default_rng(1))
        told = np.array([product_variance(layout, field) for field in drawn])
        scatter = np.var(drawn.mean(axis=1))
        # 150 means know their variance to 12 %, and a window keeps all but a fifth of it
        assert 0.8 - 4 * 0.12 < told.mean() / scatter < 1.0 + 4 * 0.12
        assert (told > 0).all()
    assert product_variance(layout, np.zeros(1024)) == 0.0
