"""Polar-Fourier invariants: turns, shifts, brightness, noise, errors and clusters."""

from __future__ import annotations

import numpy as np
import pytest

from physlearn.checks import InputError
from physlearn.datasets import PolarOptions, make_patch_scene, polar_fourier
from physlearn.datasets.channels.channel_noise import ChannelNoise
from physlearn.datasets.descriptors.polar_basis import polar_basis
from physlearn.datasets.descriptors.polar_kernels import (
    describe_windows,
    ring_sums,
    window_gradients,
)

MOTIF = np.array([[-4.0, -2.0], [4.0, -2.0], [0.0, 4.5], [0.0, 0.5]])


def rendered(angle=0.0, shift=(0.0, 0.0), edge=24, width=1.5, points=MOTIF):
    """Draw Gaussians at turned and shifted points: no interpolation."""
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    y, x = np.mgrid[:edge, :edge] - 0.5 * (edge - 1)
    place = (points - points.mean(axis=0)) @ turn.T + np.array(shift)
    return sum(np.exp(-0.5 * ((x - a) ** 2 + (y - b) ** 2) / width**2) for a, b in place)


def test_basis_is_orthonormal_and_a_turn_is_a_phase():
    basis = polar_basis((32, 32), 10, 0.7)
    flat = basis.functions.reshape(len(basis.modes), -1)
    assert np.abs(flat @ flat.conj().T - np.eye(len(flat))).max() < 1e-5
    before = flat @ rendered(0.0, edge=32).ravel()
    after = flat @ rendered(0.7, edge=32).ravel()
    expected = before * np.exp(-1j * basis.modes[:, 1] * 0.7)
    assert np.abs(after - expected).max() < 1e-4 * np.abs(before).max()


@pytest.mark.parametrize("angle", [0.3, 1.1, 2.9])
def test_turn_and_shift_and_brightness_leave_the_values(angle, oracle):
    patches = np.stack([rendered(), rendered(angle, (1.3, -0.7)), 7.0 * rendered(angle) + 3.0])
    found = polar_fourier(patches, options=PolarOptions(order=8, intensity="divide"))
    assert found.centered.all()
    oracle("turned and shifted", error=np.abs(found.values[1] - found.values[0]).max(), bound=4e-3)
    oracle("brightness", error=np.abs(found.values[2] - found.values[0]).max(), bound=4e-3)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    moved = turn @ (found.centers[0] - 11.5) + np.array([1.3, -0.7])
    oracle("centre", error=np.abs(found.centers[1] - 11.5 - moved).max(), bound=0.02)


def test_picture_with_centers_equals_stack():
    scene = make_patch_scene("motifs", n_patches=16, rng=3)
    edge = round(scene.patch_px)
    stack = polar_fourier(scene.stack(), noise="counts")
    picture = polar_fourier(scene.image.to_numpy(), scene.centers, edge, noise="counts")
    assert np.allclose(stack.values, picture.values, atol=1e-5)
    inside = picture.centers - (scene.centers - 0.5 * (edge - 1))
    assert np.allclose(inside, stack.centers, atol=1e-5)


def errors_in_units_of_sd(noise, draw, options, seed):
    """Return z of values whose true size is at least five of their errors."""
    rng = np.random.default_rng(seed)
    angles, shifts = rng.uniform(0, 6.3, 12), rng.uniform(-1, 1, (12, 2))
    clean = 20.0 * (0.1 + np.stack([rendered(a, s) for a, s in zip(angles, shifts, strict=True)]))
    truth = polar_fourier(clean, options=options)
    repeats = 80
    found = polar_fourier(draw(np.repeat(clean, repeats, axis=0), rng), noise=noise,
                          options=options)  # fmt: skip
    sd = np.sqrt(np.einsum("nkk->nk", found.covariance))
    values = np.repeat(truth.values, repeats, axis=0)
    kept = np.hypot(*(found.centers - np.repeat(truth.centers, repeats, axis=0)).T) < 1.5
    assert kept.mean() > 0.98
    known = kept[:, None] & (np.abs(values) > 5 * sd)
    return ((found.values - values) / sd)[known]


@pytest.mark.parametrize("intensity", ["keep", "divide"])
def test_errors_of_counted_patches(intensity, oracle):
    options = PolarOptions(covariance="each", intensity=intensity)
    z = errors_in_units_of_sd("counts", lambda m, rng: rng.poisson(m).astype(float), options, 5)
    assert len(z) > 6000
    oracle("z sd of polar-Fourier amplitudes", error=abs(z.std() - 1.0), bound=0.05)


def test_errors_under_correlated_noise_and_lines(oracle):
    smooth = np.array([0.25, 0.5, 0.25])
    lags = np.convolve(smooth, smooth)
    noise = ChannelNoise(1.0, np.outer(lags, lags) / lags.max() ** 2, row_sd=0.3)
    options = PolarOptions(covariance="each")
    z = errors_in_units_of_sd(noise, lambda m, rng: m + noise.draw(m.shape, rng), options, 6)
    oracle("z sd under correlated noise", error=abs(z.std() - 1.0), bound=0.05)


def test_power_of_pure_noise_has_no_bias(oracle):
    rng = np.random.default_rng(2)
    empty = 3.0 + rng.normal(size=(3000, 24, 24))
    options = PolarOptions(recenter="none", value="power", covariance="none")
    found = polar_fourier(empty, noise=1.0, options=options)
    turning = found.modes[:, 1] > 0
    mean = found.values[:, turning].mean(axis=0)
    z = mean / (found.values[:, turning].std(axis=0) / np.sqrt(len(empty)))
    oracle("largest bias of a power", z=np.abs(z).max())


def test_pooled_covariance_is_the_mean_of_each():
    patches = np.random.default_rng(0).poisson(20 * rendered() + 2, size=(100, 24, 24))
    each = polar_fourier(patches, noise="counts", options=PolarOptions(covariance="each"))
    pooled = polar_fourier(patches, noise="counts")
    assert np.allclose(each.covariance.mean(axis=0), pooled.covariance[0])


def test_four_motifs_cluster_by_themselves(oracle):
    from sklearn.cluster import KMeans
    from sklearn.metrics import adjusted_rand_score

    scene = make_patch_scene("motifs", n_patches=400, rng=1)
    found = polar_fourier(scene.stack(), noise="counts", options=PolarOptions(covariance="none"))
    labels = KMeans(4, n_init=10, random_state=0).fit_predict(found.values)
    oracle("one minus adjusted Rand", error=1 - adjusted_rand_score(scene.labels, labels),
           bound=0.05)  # fmt: skip


def test_kernels_equal_their_plain_form():
    basis = polar_basis((12, 12), 4, 0.8)
    rng = np.random.default_rng(8)
    windows = np.stack([rendered(edge=12, width=2.0, points=MOTIF / 2) for _ in range(2)])
    windows = (windows - windows.mean() + 0.05 * rng.normal(size=windows.shape)).astype(np.float32)
    starts = np.full((2, 2), 5.4)
    results = []
    for plain in (False, True):
        kernels = [describe_windows, window_gradients, ring_sums]
        describe, slopes, rings = (k.py_func if plain else k for k in kernels)
        centers, found = np.empty((2, 2)), np.empty(2, dtype=bool)
        real, imaginary = (np.empty((2, len(basis.modes))) for _ in range(2))
        describe(windows, starts, True, 0.75, basis.scale, 4, basis.modes, basis.n_circular,
                 basis.mass, basis.table, centers, found, real, imaginary)  # fmt: skip
        pictures = np.empty((2, len(basis.modes), 12, 12))
        slopes(windows, centers, found, True, basis.scale, 4, basis.modes, basis.n_circular,
               basis.mass, basis.table, pictures)  # fmt: skip
        summed = np.zeros((2, 20))
        rings(windows.astype(float), centers, 2.0, summed)
        results.append((centers, found, real, imaginary, pictures, summed))
    for compiled, plain in zip(*results, strict=True):
        assert np.allclose(compiled, plain, rtol=1e-5, atol=1e-6)


def test_a_centre_in_doubt_widens_the_errors(oracle):
    """A dimer whose atoms are as good a centre as its middle: the error knows of the jump."""
    pair = 20 * rendered(width=1.2, points=np.array([[-1.6, 0.0], [1.6, 0.0]])) + 2
    rng = np.random.default_rng(9)
    options = PolarOptions(covariance="each")
    found = polar_fourier(rng.poisson(pair, size=(400, 24, 24)), noise="counts", options=options)
    said = np.einsum("nkk->nk", found.covariance).mean(axis=0)
    ratio = found.values.var(axis=0) / said
    oracle("variance against what is said", error=np.abs(np.log(ratio[:5])).max(), bound=0.35)


def test_motifs_that_differ_in_their_angles_alone_need_the_centre(oracle):
    """Five equal columns on one circle, 1.5 px off-centre: only angles tell the motifs apart."""
    from sklearn.cluster import KMeans
    from sklearn.metrics import adjusted_rand_score

    rng = np.random.default_rng(3)
    patches, labels = [], []
    angles = ((0, 72, 144, 216, 288), (0, 45, 90, 180, 270), (0, 60, 120, 180, 240),
              (0, 50, 115, 180, 230))  # fmt: skip
    for label, degrees in enumerate(angles):
        at = np.radians(degrees)
        points = 5.0 * np.stack([np.cos(at), np.sin(at)], axis=1)
        for _ in range(75):
            away, turn = rng.uniform(0, 2 * np.pi, 2)
            shift = 1.5 * np.array([np.cos(away), np.sin(away)])
            mean = rendered(turn, shift, width=1.4, points=points) + 0.1
            patches.append(rng.poisson(20 * mean))
            labels.append(label)
    found = {}
    for recenter in ("symmetry", "none"):
        options = PolarOptions(covariance="none", recenter=recenter)
        values = polar_fourier(np.array(patches), noise="counts", options=options).values
        guess = KMeans(4, n_init=10, random_state=0).fit_predict(values)
        found[recenter] = adjusted_rand_score(labels, guess)
    oracle("one minus adjusted Rand, angles alone", error=1 - found["symmetry"], bound=0.05)
    assert found["none"] < 0.7


def test_bad_input_is_one_sentence():
    gap = np.zeros((2, 24, 24))
    gap[1, 3, 3] = np.nan
    with pytest.raises(InputError, match="finite"):
        polar_fourier(gap)
    with pytest.raises(InputError, match="room"):
        polar_fourier(np.zeros((30, 30)), [[3, 3]], 24)
    with pytest.raises(InputError, match="8 pixels"):
        polar_fourier(np.zeros((2, 4, 4)))
    with pytest.raises(InputError, match="stack"):
        polar_fourier(np.zeros((30, 30)))
