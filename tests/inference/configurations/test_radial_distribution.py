"""Pair distributions against a gas without order and against held-out snapshots."""

from __future__ import annotations

import numpy as np
import pytest
from snapshot_worlds import liquid

from physlearn.checks import InputError
from physlearn.inference import (
    check_pair_potential,
    fit_pair_potential,
    measure_radial_distribution,
    predict_radial_distribution,
)
from physlearn.records import AtomicConfiguration

THERMAL = {"sampling": "thermal_snapshot", "method": "score", "position_sd": 0.0, "cutoff": 2.5}


@pytest.mark.parametrize("periodic", [True, False])
def test_a_gas_without_order_has_one_everywhere(periodic, oracle):
    rng = np.random.default_rng(4)
    frames = [
        AtomicConfiguration(
            rng.uniform(0, 20, (800, 2)), unit="um", cell=20 * np.eye(2) if periodic else None
        )
        for _ in range(20)
    ]
    table = measure_radial_distribution(frames, longest=3.0, n_bins=10)
    z = (table["g"] - 1)[2:] / table["sd"][2:]
    if periodic:  # a field's window is that of its outermost particles: a hair too small
        oracle("mean of g", z=z.mean() * np.sqrt(len(z)) / 2)
    assert np.abs(table["g"] - 1)[2:].max() < 0.05


@pytest.mark.slow
def test_the_right_potential_passes_on_frames_it_has_not_seen_and_a_wrong_one_fails():
    frames = list(liquid())
    fit = fit_pair_potential(frames[:30], rng=1, **THERMAL)
    good = predict_radial_distribution(fit, frames[50], position_sd=0.0, n_draws=8, rng=1)
    assert good.p_value > 0.01
    wrong = fit_pair_potential(
        frames[:30], "inverse_power", prior={"exponent": (4.0, 0.01)}, rng=1, **THERMAL
    )
    bad = check_pair_potential(wrong, frames[50], position_sd=0.0, n_draws=9, rng=1)
    assert bad.p_value < 0.03
    assert not bad.table["inside"].all()


def test_frames_that_the_fit_has_seen_are_named():
    fit = fit_pair_potential(liquid()[0], rng=1, **THERMAL)
    check = check_pair_potential(fit, liquid()[0], position_sd=0.0, n_draws=2, rng=1)
    assert "has seen these positions" in check.warnings[0]
    assert "p = " in repr(check)


def test_longest_must_fit_the_box():
    with pytest.raises(InputError, match="longest must not exceed"):
        measure_radial_distribution(liquid()[0], longest=50.0)


def test_a_wrong_structure_of_several_frames_fails():
    """The smallest p is not one over the number of simulated sets."""
    fit = fit_pair_potential(list(liquid()[:6]), rng=1, **THERMAL)
    grid = np.stack(np.meshgrid(*[np.arange(12.0)] * 2), -1).reshape(-1, 2) * 1.195
    rng = np.random.default_rng(1)
    frames = [AtomicConfiguration(grid + 0.02 * rng.standard_normal(grid.shape), unit="reduced",
                                  cell=14.34 * np.eye(2)) for _ in range(2)]  # fmt: skip
    check = check_pair_potential(fit, frames, position_sd=0.0, n_draws=4, rng=1)
    assert check.p_value < 0.01
    assert any("fails" in text for text in check.warnings)
