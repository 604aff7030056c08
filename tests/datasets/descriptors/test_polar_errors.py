"""Errors of polar-Fourier numbers near their noise, and large offsets."""

from __future__ import annotations

import numpy as np
import pytest

from physlearn.datasets import make_patch_scene, polar_fourier
from physlearn.datasets.descriptors.polar_errors import amplitude_share, likely_power
from physlearn.datasets.descriptors.polar_fourier import PolarOptions


@pytest.fixture(scope="module")
def scene():
    """Four motifs, most of whose modes hold nothing."""
    return make_patch_scene("motifs", n_patches=200, rng=3)


@pytest.mark.parametrize("value", ["power", "amplitude"])
def test_errors_of_modes_that_a_motif_lacks(scene, value, oracle):
    mean = np.asarray(scene.mean)
    rng = np.random.default_rng(0)
    plain = PolarOptions(value=value, covariance="none")
    truth = polar_fourier(mean, scene.centers, 24, options=plain).values
    options = PolarOptions(value=value, covariance="each")
    z = []
    for _ in range(3):
        found = polar_fourier(rng.poisson(mean), scene.centers, 24, noise="counts", options=options)
        z.append((found.values - truth) / np.sqrt(np.einsum("nkk->nk", found.covariance)))
    turning = np.asarray(z)[..., found.modes[:, 1] > 1]
    # .75 when the error was taken at the measured power
    oracle(f"z sd of {value}s", error=abs(turning.std() - 1.0), bound=0.08)


def test_variance_of_an_amplitude_near_its_noise(oracle):
    rng = np.random.default_rng(1)
    for power in (0.0, 1.0, 4.0, 30.0):
        noise = rng.normal(size=(2, 40000)) * np.sqrt(0.5)
        measured = (np.sqrt(power) + noise[0]) ** 2 + noise[1] ** 2
        seen = np.sqrt(np.maximum(measured - 1.0, 0.0)).var()
        said = 0.5 * amplitude_share(np.array(power), np.array(1.0))
        oracle(f"variance at power {power}", error=abs(seen / said - 1.0), bound=0.04)
    assert amplitude_share(np.array(1.0), np.array(0.0)) == 1.0


def test_likely_power_tells_lacking_modes_from_those_present():
    rng = np.random.default_rng(2)
    truth = np.repeat([0.0, 40.0], 32)
    noise = rng.normal(size=(2, 64)) * np.sqrt(0.5)
    clean = (np.sqrt(truth) + noise[0]) ** 2 + noise[1] ** 2 - 1.0
    likely = likely_power(clean[:, None], np.ones((64, 1)))[:, 0]
    assert likely[:32].max() < 0.3
    assert abs(likely[32:].mean() - 40.0) < 5.0
    few = likely_power(clean[:4, None], np.ones((4, 1)))[:, 0]
    assert np.allclose(few, np.maximum(clean[:4], 0.0))


def test_a_large_offset_leaves_the_values(scene):
    plain = PolarOptions(covariance="none")
    stack = scene.stack()[:20]
    moved = polar_fourier(stack + 1e8, options=plain).values
    assert np.abs(moved - polar_fourier(stack, options=plain).values).max() < 1e-4
