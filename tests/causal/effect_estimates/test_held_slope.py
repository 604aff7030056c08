"""Columns held fixed that act along curves: worlds whose effect is 0.3."""

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from physlearn.causal import estimate_effect
from physlearn.causal.effect_estimates.dose_response import dose_response
from physlearn.causal.effect_estimates.held_curves import noise_free_terms
from physlearn.records import PatchTable

GRAPH = nx.DiGraph([("z", "x"), ("z", "y"), ("x", "y")])
SHAPES = {
    "line": lambda z: z,
    "square": lambda z: z**2,
    "corner": np.abs,
    "wave": lambda z: np.sin(2.0 * z),
    "jump": lambda z: 2.0 * (z > 0.5),
}


@pytest.fixture(scope="module")
def bent(fields, grid):
    def make(seed, shape, *, snr=None, edge=32, length=1):
        rng = np.random.default_rng(seed)
        z, e, f = fields(edge, length, 3, rng)
        g = SHAPES[shape](z)
        x = g + e
        clean = pd.DataFrame({"x": x, "y": 0.3 * x + g + f, "z": z})
        variance = clean.var().to_numpy() / snr if snr else np.zeros(3)
        frame = clean + rng.standard_normal(clean.shape) * np.sqrt(variance)
        return PatchTable.from_frame(
            frame, grid(edge), 1.0, measurement_covariance=np.diag(variance)[None]
        )

    return make


def effects_of(tables):
    return [estimate_effect(t, GRAPH, "x", "y", contrast=(0, 1), rng=0) for t in tables]


@pytest.mark.parametrize(
    ("shape", "snr"),
    [("line", None), ("line", 10.0), ("square", None), ("square", 10.0), ("wave", None)],
)
def test_the_interval_holds_whatever_the_curve(bent, shape, snr):
    found = effects_of(bent(seed, shape, snr=snr) for seed in range(40))
    told = [effect for effect in found if effect.identified]
    assert len(told) >= 38
    held = sum(effect.interval()[0] < 0.3 < effect.interval()[1] for effect in told)
    assert stats.binomtest(held, len(told), 0.90).pvalue > 1e-3
    curved = [any("along curves" in note for note in effect.warnings) for effect in told]
    assert all(curved) if shape != "line" else sum(curved) <= 1


def test_levels_in_no_order_are_held_fixed_one_by_one(grid):
    rng = np.random.default_rng(0)
    z = rng.integers(0, 3, 1024).astype(float)
    step = np.where(z == 1, 2.0, 0.0)
    x = step + rng.normal(size=1024)
    frame = pd.DataFrame({"x": x, "y": 0.3 * x + step + rng.normal(size=1024), "z": z})
    (effect,) = effects_of([PatchTable.from_frame(frame, grid(32), 1.0)])
    assert abs(effect.mean - 0.3) < 4 * effect.sd


def test_a_jump_that_no_curve_follows_is_refused(bent):
    found = effects_of(bent(seed, "jump", length=0) for seed in range(10))
    refused = [effect for effect in found if not effect.identified]
    assert len(refused) >= 6
    assert all("jump with z" in effect.reason for effect in refused)


def test_a_cause_that_is_a_function_of_what_is_held_fixed_is_refused(grid):
    z, f = np.random.default_rng(0).normal(size=(2, 1024))
    frame = pd.DataFrame({"x": z**2, "y": z**2 + f, "z": z})
    (effect,) = effects_of([PatchTable.from_frame(frame, grid(32), 1.0)])
    assert not effect.identified
    assert "all but a function" in effect.reason


def test_too_few_patches_for_curves_are_said_to_be(fields, grid):
    z, w, e, f = fields(14, 4, 4, np.random.default_rng(0))
    x = z + w + e
    frame = pd.DataFrame({"x": x, "y": 0.3 * x + z + w + f, "z": z, "w": w})
    table = PatchTable.from_frame(
        frame, grid(14), 1.0, measurement_covariance=np.zeros((1, 4, 4))
    )  # fmt: skip
    graph = nx.DiGraph([*GRAPH.edges, ("w", "x"), ("w", "y")])
    effect = estimate_effect(table, graph, "x", "y", contrast=(0, 1), rng=0)
    assert effect.identified
    # squares of both and their product ask for 18 effective patches
    assert 8 < effect.n_effective < 18
    assert any("straight lines" in text for text in effect.assumptions)


def test_patches_that_count_as_a_handful_are_refused(bent):
    (effect,) = effects_of([bent(0, "line", edge=14, length=6)])
    assert not effect.identified
    assert "take a larger field" in effect.reason


def test_a_curve_of_the_cause_holds_fixed_along_curves_too(bent):
    whole = 0
    for seed in range(20):
        table = bent(seed, "square", length=0)
        curve = dose_response(table, GRAPH, "x", "y", reference=0.0, rng=0)
        assert curve.identified
        truth = 0.3 * curve.values
        whole += ((curve.band_low <= truth + 1e-9) & (truth <= curve.band_high + 1e-9)).all()
    assert stats.binomtest(whole, 20, 0.90).pvalue > 1e-3
    noisy = dose_response(bent(0, "square", snr=20.0, length=0), GRAPH, "x", "y", rng=0)
    assert "noise blurs" in noisy.reason
    jump = dose_response(bent(0, "jump", length=0), GRAPH, "x", "y", rng=0)
    assert "jump with z" in jump.reason


def test_functions_say_nothing_that_lines_or_each_other_say():
    values = np.random.default_rng(0).normal(size=(400, 2))
    trend = np.full((400, 1), 0.05)
    for detail, least in ((0, 3), (1, 11), (2, 30)):
        terms = noise_free_terms(values, trend, detail)
        assert terms.shape[1] >= least
        lines = np.linalg.qr(values - values.mean(axis=0))[0]
        assert np.abs(terms.sum(axis=0)).max() < 1e-8
        assert np.abs(lines.T @ terms).max() < 1e-8
        np.testing.assert_allclose(terms.T @ terms / 400, np.eye(terms.shape[1]), atol=1e-8)
