"""Error bars calibrated by drawing the noise again, and row noise in spectra."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from scipy.ndimage import gaussian_filter

from physlearn.datasets.channels.channel_noise import ChannelNoise
from physlearn.datasets.descriptors.patch_places import grid_places
from physlearn.datasets.descriptors.periodicity import picture_periods
from physlearn.datasets.descriptors.pixel_blocks import pixel_blocks
from physlearn.datasets.descriptors.pixel_noise import pixel_noise
from physlearn.datasets.descriptors.redrawn_noise import fit_calibration, quiet_patches
from physlearn.datasets.descriptors.window_batch import WindowBatch

REPEATS = 10
Y, X = np.mgrid[:96, :96].astype(float)
CRYSTAL = (
    np.cos(2 * np.pi * X / 5.3)
    + np.cos(2 * np.pi * (0.5 * X + 0.87 * Y) / 5.3)
    + 0.03 * X
    + 1.5 * np.exp(-((X - 60) ** 2 + (Y - 40) ** 2) / 800) * np.cos(X / 3)
)


def field():
    """A triangular lattice of uneven strength on an uneven ground."""
    rng = np.random.default_rng(0)
    waves = [np.cos(2 * np.pi * (X * np.cos(a) + Y * np.sin(a)) / 6.1) for a in (0.2, 1.247, 2.294)]
    strength = 1 + 15 * gaussian_filter(rng.normal(size=X.shape), 15)
    return 10 + 20 * gaussian_filter(rng.normal(size=X.shape), 3) + strength * sum(waves)


def ratios(picture, size, groups, noise, draw):
    """Return name -> (true error over said, root mean squares; bias over said)."""
    rng = np.random.default_rng(1)
    places = grid_places([-0.5, -0.5], [95.5, 95.5], size)

    def blocks(pixels, level=None):
        channel = xr.DataArray(pixels, dims=("y", "x"), attrs={"units": "V"})
        return pixel_blocks("h", channel, places, groups, level)[0]

    truth = blocks(picture)
    drawn = [blocks(draw(picture, rng), noise) for _ in range(REPEATS)]
    values = np.array([block.values for block in drawn])
    variance = np.array([np.einsum("nkk->nk", block.covariance) for block in drawn])
    scatter = values.var(axis=0, ddof=1).sum(axis=0)
    size_of = np.sqrt(variance.mean(axis=(0, 1)))
    bias = (values.mean(axis=0) - truth.values).mean(axis=0) / size_of
    ratio = np.sqrt(scatter / variance.mean(axis=0).sum(axis=0))
    return {name: (ratio[i], bias[i]) for i, name in enumerate(truth.names)}


def test_errors_of_shares_in_a_crystal(oracle):
    groups = ("skewness", "roughness", "crystallinity")
    found = ratios(CRYSTAL, 16, groups, 0.5, lambda f, rng: f + rng.normal(0, 0.5, f.shape))
    # linearisation alone: .25 where nearly all power lies in the strongest periods
    oracle("log ratio of crystallinity", error=abs(np.log(found["h_crystallinity"][0])), bound=0.5)
    for word in ("skewness", "slope_rms", "anisotropy"):
        oracle(f"log ratio of {word}", error=abs(np.log(found[f"h_{word}"][0])), bound=0.15)


def test_errors_of_what_jumps_in_a_field(oracle):
    groups = ("threefold", "crystallinity", "sharpness", "polar_fourier")
    found = ratios(field(), 24, groups, 0.5, lambda f, rng: f + rng.normal(0, 0.5, f.shape))
    for word in ("threefold", "crystallinity", "sharpness"):
        oracle(f"log ratio of {word}", error=abs(np.log(found[f"h_{word}"][0])), bound=0.35)
    polar = [np.log(each[0]) for name, each in found.items() if "polar" in name]
    oracle("mean log ratio of polar_fourier", error=abs(np.mean(polar)), bound=0.12)
    oracle("largest log ratio of polar_fourier", error=np.abs(polar).max(), bound=0.45)


def test_lines_are_no_periods_and_known_to_every_column(oracle):
    noise = ChannelNoise(0.3, row_sd=0.5)
    groups = ("variance", "gradient", "lock_in", "radial", "symmetry")
    found = ratios(CRYSTAL, 16, groups, noise, lambda f, rng: f + noise.draw(f.shape, rng))
    for name, (ratio, _) in found.items():
        oracle(f"log ratio of {name}", error=abs(np.log(ratio)), bound=0.5)
    oracle("bias of lattice_amplitude", error=abs(found["h_lattice_amplitude"][1]), bound=0.3)
    lines = 2.0 * np.random.default_rng(2).normal(size=(96, 1)) + 0.0 * X
    found_with, found_without = (
        np.abs(picture_periods(CRYSTAL + lines, row_variance=variance)[:, 0]) < 0.02
        for variance in (4.0, 0.0)
    )
    assert not found_with.any()
    assert found_without.any()


def test_skewness_of_counts_has_no_bias(oracle):
    counts = np.maximum(5.0 * (CRYSTAL + 3.5), 0.5)
    found = ratios(counts, 16, ("skewness",), "counts", lambda f, rng: rng.poisson(f).astype(float))
    oracle("bias of skewness", error=abs(found["h_skewness"][1]), bound=0.35)
    oracle("log ratio of skewness", error=abs(np.log(found["h_skewness"][0])), bound=0.3)


@pytest.mark.parametrize("row_sd", [0.0, 0.7])
def test_quiet_patches_lose_the_noise_and_keep_the_crystal(row_sd):
    rng = np.random.default_rng(3)
    noise = ChannelNoise(0.5, np.outer([0.5, 1, 0.5], [0.5, 1, 0.5]), row_sd=row_sd)
    level = pixel_noise(noise)
    clear = np.stack([np.zeros((16, 16)), CRYSTAL[:16, :16], CRYSTAL[40:56, 40:56]])
    pixels = clear + noise.draw(clear.shape, rng)
    batch = WindowBatch(
        pixels, np.ones(clear.shape), level.variance(pixels), level, (1.0, 1.0), None, False
    )
    quiet = quiet_patches(batch)
    assert quiet[0].var() < 0.35 * pixels[0].var()
    assert np.allclose(quiet[1:].var(axis=(1, 2)), clear[1:].var(axis=(1, 2)), rtol=0.25)
    assert np.allclose(quiet.mean(axis=(1, 2)), pixels.mean(axis=(1, 2)))


def test_calibration_finds_level_and_slope_and_leaves_the_rest():
    rng = np.random.default_rng(4)
    linear = np.exp(rng.normal(size=(400, 2)))
    drawn = 3.0 * linear**0.5 * rng.chisquare(15, size=linear.shape) / 15
    found = fit_calibration(linear, drawn, np.array([True, False]))
    assert found.slope[0] == pytest.approx(0.5, abs=0.05)
    assert np.exp(found.level[0]) == pytest.approx(3.0, rel=0.05)
    covariance = np.zeros((400, 2, 2))
    covariance[:, [0, 1], [0, 1]] = linear
    covariance[:, 0, 1] = covariance[:, 1, 0] = 0.3 * np.sqrt(linear.prod(axis=1))
    before = covariance.copy()
    found.apply(covariance)
    assert np.allclose(covariance[:, 1, 1], before[:, 1, 1])
    assert covariance[:, 0, 0].mean() == pytest.approx(drawn[:, 0].mean(), rel=0.05)
    sd = np.sqrt(np.einsum("nkk->nk", covariance))
    assert np.allclose(covariance[:, 0, 1] / sd.prod(axis=1), 0.3)
