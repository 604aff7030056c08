"""Patches far off that decide an effect are named; those that obey the same law are not."""

import networkx as nx
import numpy as np
import pandas as pd
import pytest

from physlearn.causal import EffectOptions, estimate_effect
from physlearn.records import PatchTable

GRAPH = nx.DiGraph([("z", "x"), ("z", "y"), ("x", "y")])


def table_of(fields, grid, seed, *, wrong=0.0, real=0.0, tails=False):
    """A slope of .6; one x in a hundred is off by 12, in the sample (real) or in the readout."""
    rng = np.random.default_rng(seed)
    z, own, other = fields(32, 2, 3, rng)
    odd = 12.0 * (rng.random(len(z)) < 0.01)
    x = 0.7 * z + own + real * odd
    y = 0.7 * z + 0.6 * x + (rng.standard_t(2, len(z)) if tails else other)
    frame = pd.DataFrame({"x": x + wrong * odd, "y": y, "z": z})
    return PatchTable.from_frame(frame, grid(32), 1.0, measurement_covariance=np.zeros((1, 3, 3)))


def said(table, **options):
    found = estimate_effect(
        table, GRAPH, "x", "y", contrast=(0, 1), options=EffectOptions(**options), rng=0
    )
    return [text for text in found.warnings if "robust spreads off" in text]


def test_wrong_readouts_that_flatten_the_slope_are_said_with_what_is_left_without_them(
    fields, grid
):
    texts = [said(table_of(fields, grid, seed, wrong=1.0)) for seed in range(12)]
    assert sum(map(bool, texts)) >= 10
    effects = [float(one[0].split("the effect is ")[1].split(" ")[0]) for one in texts if one]
    assert all("off in x and decide" in one[0] for one in texts if one)
    # without them the slope that was planted: 4 standard errors of a mean of ten (each about .1)
    assert abs(np.mean(effects) - 0.6) < 4 * 0.1 / np.sqrt(len(effects))


@pytest.mark.parametrize("world", [{"real": 1.0}, {"tails": True}, {}])
def test_patches_far_off_that_obey_the_same_law_are_not_said(fields, grid, world):
    texts = [said(table_of(fields, grid, seed, **world)) for seed in range(15)]
    assert sum(map(bool, texts)) == 0


def test_a_cause_that_varies_in_few_patches_alone_is_said(fields, grid):
    rng = np.random.default_rng(1)
    (other,) = fields(32, 2, 1, rng)
    x = 1e-3 * rng.normal(size=1024) + 5.0 * (rng.random(1024) < 0.02)
    frame = pd.DataFrame({"x": x, "y": 0.5 * x + other})
    table = PatchTable.from_frame(
        frame, grid(32), 1.0, measurement_covariance=np.diag([1e-6, 0.0])[None]
    )
    found = estimate_effect(table, nx.DiGraph([("x", "y")]), "x", "y", contrast=(0, 1), rng=0)
    assert found.mean == pytest.approx(0.5, abs=4 * found.sd)
    assert any("there is no effect to be read" in text for text in found.warnings)
