from itertools import pairwise

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from physlearn.causal import estimate_effect
from physlearn.causal.effect_estimates.effect_records import EffectOptions, LevelEffect
from physlearn.causal.effect_estimates.modifiers import levels_differ
from physlearn.causal.graphs import CausalGraph, GraphEdge
from physlearn.checks import InputError
from physlearn.records import PatchTable


@pytest.fixture(scope="module")
def modified_graph(confounded_graph):
    return nx.DiGraph([*confounded_graph.edges, ("m", "y")])


@pytest.fixture(scope="module")
def modified(worlds):
    """x changes y by 0.2 where m is 0, and by 0.8 where it is 1."""

    def make(seed, snr=None, difference=0.6):
        rng = np.random.default_rng(seed)
        u, v, e = worlds.rough(24, 1, 3, rng)
        m = (rng.random(576) < 0.5).astype(float)
        x = 0.6 * u + 0.8 * v
        y = (0.2 + difference * m) * x + 0.6 * u + 0.6 * e
        columns = {"u": u, "x": x, "y": y, "m": m}
        return worlds.table(columns, snr, rng, covariance_of=("u", "x", "y"))

    return make


def by_level(table, graph, **options):
    chosen = EffectOptions(modifiers=("m",), **options)
    return estimate_effect(table, graph, "x", "y", contrast=(0, 1), options=chosen, rng=0)


def test_the_effect_at_each_level(modified, modified_graph):
    held = 0
    n = 20
    for seed in range(n):
        effect = by_level(modified(seed, (None, 10.0)[seed % 2]), modified_graph)
        assert [level.low for level in effect.by_level] == [0.0, 1.0]
        for level, truth in zip(effect.by_level, (0.2, 0.8), strict=True):
            low, high = level.interval()
            held += low < truth < high
        assert effect.refutations["same_at_all_m_p_value"] < 0.01
    assert stats.binomtest(held, 2 * n, 0.90).pvalue > 1e-3
    same = [
        by_level(modified(seed, None, 0.0), modified_graph).refutations["same_at_all_m_p_value"]
        for seed in range(20)
    ]
    assert sum(p < 0.01 for p in same) < 3


def test_a_continuous_modifier_is_cut_into_equal_parts(worlds, modified_graph):
    table = worlds.confounded(0)
    frame = table.frame.assign(m=np.random.default_rng(0).normal(size=576))
    table = type(table).from_frame(frame, table.centers, 1.0)
    levels = by_level(table, modified_graph, n_levels=4).by_level
    assert [level.n_patches for level in levels] == [144] * 4
    assert all(low.high == high.low for low, high in pairwise(levels))


def test_modifiers_that_do_not_serve(modified, confounded_graph):
    table = modified(0)
    for name, words in (("x", "neither cause nor outcome"), ("nowhere", "is none")):
        with pytest.raises(InputError, match=words):
            estimate_effect(
                table, confounded_graph, "x", "y", options=EffectOptions(modifiers=(name,))
            )
    with pytest.raises(InputError, match="nodes of the graph"):
        by_level(table, confounded_graph)
    late = confounded_graph.copy()
    late.add_edge("x", "m")
    with pytest.raises(InputError, match="come after the cause"):
        by_level(table, late)
    with pytest.raises(InputError, match="tuple of columns"):
        EffectOptions(modifiers="m")


def test_a_modifier_that_both_sides_drive_is_refused(grid):
    """Without the refusal the levels show -0.6 where there is no effect at all."""
    u1, u2, e, f, g = np.random.default_rng(0).normal(size=(5, 1024))
    frame = pd.DataFrame({"x": u1 + 0.5 * e, "y": u2 + 0.5 * f, "m": u1 + u2 + 0.3 * g})
    table = PatchTable.from_frame(frame, grid(32), 1.0)
    links = [("u1", "x"), ("u1", "m"), ("u2", "m"), ("u2", "y"), ("x", "y")]
    with pytest.raises(InputError, match="open a path"):
        by_level(table, nx.DiGraph(links))
    # the smooth band holds what is hidden fixed, so that nothing opens
    held = by_level(table, nx.DiGraph(links), smooth_confounder=True)
    assert held.by_level


def test_a_modifier_that_may_come_after_the_cause_is_refused(worlds):
    rng = np.random.default_rng(0)
    x, e, f = worlds.rough(24, 0, 3, rng)
    table = worlds.table({"x": x, "y": x + e, "m": x + f}, None, rng)
    open_end = GraphEdge("x", "m", mark_source="circle", mark_target="circle")
    graph = CausalGraph(("x", "y", "m"), (GraphEdge("x", "y"), open_end))
    with pytest.raises(InputError, match="may do so"):
        by_level(table, graph)


def test_levels_differ_is_an_f_test():
    levels = [LevelEffect("m", k, k, 100, mean, 1.0, 1e9) for k, mean in ((0, 0.0), (1, 3.0))]
    assert levels_differ(levels) == pytest.approx(2 * stats.norm.sf(3.0 / np.sqrt(2)), rel=1e-3)
    assert np.isnan(levels_differ(levels[:1]))
