"""Spacings and static strain against crystals with known disorder."""

from __future__ import annotations

import numpy as np
import pytest
from snapshot_worlds import triangular

from physlearn.checks import NotIdentified
from physlearn.inference import measure_structure
from physlearn.records import AtomicConfiguration


def disordered(rng, static, error, n=22):
    crystal = triangular(n, 2 / np.sqrt(3))
    shift = rng.normal(0, 1, crystal.positions.shape) * static
    noise = rng.normal(0, error, crystal.positions.shape)
    return AtomicConfiguration(crystal.positions + shift + noise, unit="angstrom")


def test_strain_is_that_of_the_atoms_without_the_errors_of_the_fit(oracle):
    """Independent shifts s: strain variance s^2 / 3 (triangular, spacing 1)."""
    rng = np.random.default_rng(1)
    found, spacing = [], []
    for _ in range(12):
        fit = measure_structure(disordered(rng, [0.03, 0.02], 0.02), position_sd=0.02, rng=1)
        found.append(np.append(fit["strain_sd"].mean(0)[:2], fit["strain_anisotropy"].mean()))
        spacing.append(fit["spacing"].mean(0))
    found = np.array(found)
    truth = np.array([0.03 / np.sqrt(3), 0.02 / np.sqrt(3), np.log(1.5)])
    se = found.std(0) / np.sqrt(len(found))
    for k, name in enumerate(("xx", "yy", "anisotropy")):
        # a logarithm and a root of an average: bias of second order
        second = 0.5 * found[:, k].var() / abs(truth[k]) * (1.0 if k < 2 else 5.0)
        assert abs(found[:, k].mean() - truth[k]) < 4 * se[k] + second, name
    np.testing.assert_allclose(np.mean(spacing, axis=0), 1.0, atol=2e-3)


def test_unknown_errors_are_said_and_a_gas_has_no_spacings():
    fit = measure_structure(disordered(np.random.default_rng(2), 0.03, 0.02), rng=1)
    assert "include" in fit.warnings[0]
    gas = AtomicConfiguration(np.random.default_rng(1).uniform(0, 20, (400, 2)), unit="nm")
    with pytest.raises(NotIdentified, match="hold no lattice"):
        measure_structure(gas, position_sd=0.0)
    with pytest.raises(NotIdentified, match="have all their neighbours"):
        measure_structure(disordered(np.random.default_rng(2), 0.01, 0.0, 5), position_sd=0.0)


def test_three_dimensions():
    grid = np.stack(np.meshgrid(*[np.arange(7.0)] * 3), -1).reshape(-1, 3)
    shaken = grid + np.random.default_rng(1).normal(0, 0.02, grid.shape)
    fit = measure_structure(AtomicConfiguration(shaken, unit="nm"), position_sd=0.0, rng=1)
    assert fit["spacing"].shape[1] == 3
    assert fit["strain_sd"].mean(0)[0] == pytest.approx(0.02 / np.sqrt(2), rel=0.15)


@pytest.mark.slow
def test_claimed_errors_are_the_scatter_from_image_to_image(oracle):
    """Spacing, strain and anisotropy over 60 images of independent disorder."""
    rng = np.random.default_rng(7)
    claimed, seen = [], []
    for _ in range(60):
        fit = measure_structure(disordered(rng, [0.05, 0.04], 0.02, 20), position_sd=0.02, rng=1)
        columns = [fit["spacing"][:, 0], fit["strain_sd"][:, 0], fit["strain_anisotropy"]]
        claimed.append([column.std() for column in columns])
        seen.append([column.mean() for column in columns])
    ratio = np.log(np.std(seen, axis=0) / np.sqrt(np.mean(np.square(claimed), axis=0)))
    for k, name in enumerate(("spacing", "strain_sd", "anisotropy")):
        oracle(f"error of {name}", error=abs(ratio[k]), bound=4 / np.sqrt(2 * 60))


def test_images_of_the_same_atoms_are_averaged():
    rng = np.random.default_rng(3)
    still = disordered(rng, 0.03, 0.0)
    images = [
        AtomicConfiguration(
            still.positions + rng.normal(0, 0.02, still.positions.shape), unit="angstrom"
        )
        for _ in range(8)
    ]
    one = measure_structure(images[0], position_sd=0.02, rng=1)
    all_ = measure_structure(images, position_sd=0.02, rng=1)
    assert all_.diagnostics["images_averaged"] == 8
    # the disorder is one, so its sampling error stays
    assert all_["strain_sd"][:, 0].std() > 0.5 * one["strain_sd"][:, 0].std()
    other = measure_structure([images[0], disordered(rng, 0.03, 0.02, 18)], position_sd=0.02, rng=1)
    assert "independent pieces" in other.warnings[0]
