"""Pixel descriptors of channels: names, gaps, edges, angles and errors."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from scipy.ndimage import gaussian_filter

from physlearn.checks import InputError
from physlearn.datasets.channels.channel_noise import ChannelNoise
from physlearn.datasets.descriptors.patch_places import PatchPlaces, grid_places
from physlearn.datasets.descriptors.pixel_blocks import pixel_blocks
from physlearn.datasets.descriptors.user_descriptor import Descriptor

GROUPS = ("moments", "texture", "periodicity", "radial", "polar_fourier")


def channel(values, unit="nm"):
    """Return pixels as a channel."""
    return xr.DataArray(values, dims=("y", "x"), attrs={"units": unit})


@pytest.fixture(scope="module")
def field():
    """A triangular lattice of uneven strength on an uneven ground."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:192, :192].astype(float)
    waves = [np.cos(2 * np.pi * (x * np.cos(a) + y * np.sin(a)) / 6.1) for a in (0.2, 1.247, 2.294)]
    strength = 1 + 15 * gaussian_filter(rng.normal(size=x.shape), 15)
    ground = 20 * gaussian_filter(rng.normal(size=x.shape), 3)
    return 10 + ground + strength * sum(waves)


@pytest.fixture(scope="module")
def places():
    """Patches of 24 pixels, 8 by 8."""
    return grid_places([-0.5, -0.5], [191.5, 191.5], 24)


def test_names_units_and_shapes(field, places):
    (block,) = pixel_blocks("height", channel(field), places, GROUPS, 0.5, tier=2)
    assert block.names[:4] == (
        "height", "height_local_variance", "height_skewness", "height_gradient",
    )  # fmt: skip
    assert block.units[:4] == ("nm", "nm^2", "1", "nm/pixel")
    assert set(block.tiers) == {2}
    k = len(block.names)
    assert block.covariance.shape == (64, k, k)
    assert np.linalg.eigvalsh(block.covariance).min() > -1e-9
    usual = ("mean", "variance", "crystallinity", "gradient")
    (alone,) = pixel_blocks("image", channel(field), places, usual, alone=True)
    assert alone.names == ("mean_intensity", "local_variance", "crystallinity", "gradient")
    assert alone.tiers == (0, 1, 1, 1)
    assert alone.covariance is None


def test_patches_outside_and_gaps_are_rows_of_nan(field):
    gaps = field.copy()
    gaps[40:60, 40:60] = np.nan
    gaps[100:103, 100:110] = np.nan
    gaps[140:160:4, 150] = np.nan
    centers = np.array([[2.0, 50.0], [50.0, 50.0], [105.0, 100.0], [150.0, 150.0]])
    (block,) = pixel_blocks("h", channel(gaps), PatchPlaces(centers, 24.0, "pixel"), GROUPS, 0.5)
    assert np.isnan(block.values[:2]).all()
    seen = np.isfinite(block.values[2])
    assert set(np.array(block.names)[seen]) == {
        "h", "h_local_variance", "h_skewness", "h_gradient", "h_slope_rms", "h_anisotropy",
    }  # fmt: skip
    assert np.isfinite(block.values[3]).all()
    assert np.isfinite(block.covariance[2:]).all()
    assert "lack more than 5% of their pixels" in block.notes[-1]


def test_lone_gaps_hardly_change_what_a_patch_shows(field, places):
    """A gap at the patch's mean is a spot: crystals lost up to 1 sd at 2 % of gaps."""
    rng = np.random.default_rng(5)
    noisy = field + rng.normal(0, 0.5, field.shape)
    groups = ("symmetry", "sharpness", "lock_in", "radial")
    whole = pixel_blocks("h", channel(noisy), places, groups, 0.5)[0]
    noisy[rng.random(noisy.shape) < 0.02] = np.nan
    gaps = pixel_blocks("h", channel(noisy), places, groups, 0.5)[0]
    sd = np.sqrt(np.diagonal(whole.covariance, axis1=1, axis2=2))
    away = (gaps.values - whole.values) / sd
    assert np.abs(np.nanmedian(away, axis=0)).max() < 0.1
    assert np.nanmean(away**2, axis=0).max() < 0.2


def test_lone_gaps_of_angles_are_filled_across_the_jump(places):
    rng = np.random.default_rng(8)
    even = 200 * gaussian_filter(rng.normal(size=(192, 192)), 3)
    turned = (even + 175 + 180) % 360 - 180
    whole = pixel_blocks("phase", channel(turned, "deg"), places, ("mean", "sharpness"))[0]
    turned[rng.random(turned.shape) < 0.02] = np.nan
    gaps = pixel_blocks("phase", channel(turned, "deg"), places, ("mean", "sharpness"))[0]
    assert np.isfinite(gaps.values).mean() > 0.95
    away = np.nanmax(np.abs(gaps.values - whole.values), axis=0)
    assert away[0] < 3.0
    assert away[1] < 0.02


def test_slopes_pass_over_gaps(oracle):
    rng = np.random.default_rng(6)
    x = np.arange(160.0)
    values = 0.05 * x + rng.normal(0, 0.01, (160, 160))
    values[rng.random(values.shape) < 0.3] = np.nan
    some = grid_places([-0.5, -0.5], [159.5, 159.5], 16)
    block = pixel_blocks("h", channel(values), some, ("gradient", "roughness"), 0.01)[0]
    sd = np.sqrt(np.diagonal(block.covariance, axis1=1, axis2=2))
    z = (block.values - [0.05, 0.05, 1.0]) / sd
    oracle("slopes over gaps, mean", z=np.abs(z.mean(axis=0)).max() * 10.0)
    assert 0.8 < z[:, 0].std() < 1.2
    assert 0.8 < z[:, 1].std() < 1.2


def test_pixels_that_are_not_square(field):
    oblong = channel(field).assign_coords(x=np.arange(192) * 0.5, y=np.arange(192) * 1.0)
    some = grid_places([0.0, 0.0], [96.0, 192.0], 16.0)
    block = pixel_blocks("h", oblong, some, ("mean", "texture", "radial"), 0.5)[0]
    assert block.names == ("h", "h_slope_rms", "h_anisotropy")
    assert "need square pixels, and a pixel is 0.5 x 1" in block.notes[0]
    with pytest.raises(InputError, match="need square pixels"):
        pixel_blocks("h", oblong, some, ("symmetry",), 0.5)


def test_angles_do_not_jump_at_half_a_turn(places):
    rng = np.random.default_rng(1)
    even = 20 * gaussian_filter(rng.normal(size=(192, 192)), 3) * 10
    turned = (even + 175 + 180) % 360 - 180
    straight = pixel_blocks("phase", channel(even, "deg"), places, GROUPS, 1.0)[0]
    wrapped = pixel_blocks("phase", channel(turned, "deg"), places, GROUPS, 1.0)[0]
    moved = (wrapped.values[:, 0] - straight.values[:, 0] - 175 + 180) % 360 - 180
    assert np.abs(moved).max() < 1e-9
    assert np.allclose(wrapped.values[:, 1:], straight.values[:, 1:], rtol=1e-3, atol=1e-3)


def test_angles_are_laid_about_the_commonest_direction():
    phase = np.full((96, 96), 82.0)
    phase[:, 48:] = -160.0  # 200 degrees
    rng = np.random.default_rng(2)
    noisy = (phase + rng.normal(0, 5, phase.shape) + 180) % 360 - 180
    some = grid_places([-0.5, -0.5], [95.5, 95.5], 24)
    values = pixel_blocks("phase", channel(noisy, "deg"), some, ("mean",), 5.0)[0].values
    assert set(np.round(values.ravel() / 2) * 2) <= {82.0, 200.0}


def scores(field, places, groups, noise, draw, repeats, seed):
    """Return (values - truth) / sd of repeats, and truth / sd: (repeats, patches, columns).

    And the root mean square of values less their mean over the repeats, over the mean variance.
    """
    rng = np.random.default_rng(seed)
    truth = pixel_blocks("h", channel(field), places, groups)[0]
    z, strength, values, variance = [], [], [], []
    for _ in range(repeats):
        block = pixel_blocks("h", channel(draw(field, rng)), places, groups, noise)[0]
        variance.append(np.einsum("nkk->nk", block.covariance))
        values.append(block.values)
        z.append((block.values - truth.values) / np.sqrt(variance[-1]))
        strength.append(np.abs(truth.values) / np.sqrt(variance[-1]))
    scatter = np.var(values, axis=0, ddof=1).mean(axis=0) / np.mean(variance, axis=(0, 1))
    return truth.names, np.array(z), np.array(strength), np.sqrt(scatter)


def test_errors_of_moments_and_spectra(field, places, oracle):
    groups = ("mean", "variance", "gradient", "lock_in", "radial", "symmetry", "roughness")
    names, z, strength, spread = scores(
        field, places, groups, 0.6, lambda f, rng: f + 0.6 * rng.normal(size=f.shape), 70, 3
    )
    for column, name in enumerate(names):
        known = strength[:, :, column] > 4
        if known.sum() > 4000:
            oracle(f"z sd of {name}", error=z[:, :, column][known].std() - 1.0, bound=0.05)
        else:  # mostly near 0, where a size is biased: how it scatters about its own mean
            oracle(f"scatter of {name}", error=spread[column] - 1.0, bound=0.15)


@pytest.mark.parametrize(
    ("groups", "row_sd"), [(("mean", "variance"), 0.1), (("gradient", "lock_in"), 0.0)]
)  # with lines the others are calibrated: test_redrawn_noise.py
def test_errors_under_correlated_noise(field, places, oracle, groups, row_sd):
    smooth = np.array([0.25, 0.5, 0.25])
    lags = np.convolve(smooth, smooth)
    noise = ChannelNoise(0.4, np.outer(lags, lags) / lags.max() ** 2, row_sd=row_sd)
    names, z, strength, spread = scores(
        field, places, groups, noise,
        lambda f, rng: f + noise.draw(f.shape, rng), 70, 4,
    )  # fmt: skip
    for column, name in enumerate(names):
        known = strength[:, :, column] > 4
        if known.sum() > 4000:
            oracle(f"z sd of {name}", error=z[:, :, column][known].std() - 1.0, bound=0.05)
        else:  # mostly near 0, where a size is biased: how it scatters about its own mean
            oracle(f"scatter of {name}", error=spread[column] - 1.0, bound=0.15)


def test_correlations_between_columns_are_right(field, places, oracle):
    """Draws of the same field: the covariance of the errors, not only their size."""
    rng = np.random.default_rng(5)
    groups = ("mean", "variance", "gradient", "lock_in")
    draws = [
        pixel_blocks("h", channel(field + rng.normal(0, 0.5, field.shape)), places, groups, 0.5)[0]
        for _ in range(70)
    ]
    values = np.array([block.values for block in draws])
    away = values - values.mean(axis=0)
    said = np.mean([block.covariance for block in draws], axis=0)
    sd = np.sqrt(np.einsum("nkk->nk", said))
    seen = np.einsum("rni,rnj->ij", away / sd, away / sd) / (69 * len(sd))
    expected = (said / sd[:, :, None] / sd[:, None, :]).mean(axis=0)
    oracle("correlation of errors", error=np.abs(seen - expected).max(), bound=0.08)


def test_a_users_function_has_errors_too(field, places, oracle):
    extra = {"own": lambda pixels: pixels.mean(axis=(1, 2)), "left": lambda p: p[:, :, :12].mean(
        axis=(1, 2))}  # fmt: skip
    block = pixel_blocks("h", channel(field), places, ("mean",), 0.5, extra=extra)[0]
    assert block.names == ("h", "h_own", "h_left")
    assert block.tiers == (2, 2, 2)
    assert block.pixels_of == dict.fromkeys(block.names, "h")
    mean = block.covariance.mean(axis=0) / (0.5 / 24) ** 2
    oracle("variance by drawing again", z=(mean[1, 1] - 1) / np.sqrt(2 / (31 * 64)))
    # the same pixels: the mean of all is the mean, that of half of them shares half
    assert mean[0, 1] == pytest.approx(1.0, abs=0.08)
    assert mean[0, 2] == pytest.approx(1.0, abs=0.12)
    assert mean[1, 2] == pytest.approx(1.0, abs=0.12)
    assert np.linalg.eigvalsh(block.covariance).min() > -1e-12
    pooled = pixel_blocks("h", channel(field), places, ("mean",), 0.5, extra=extra, pooled=True)
    assert np.allclose(pooled[0].covariance[0], block.covariance.mean(axis=0), rtol=0.2)
    measure = Descriptor(lambda pixels: pixels.max(axis=(1, 2)), "{channel}", 1, formula="max")
    alone = pixel_blocks("image", channel(field), places, (), extra={"top": measure}, alone=True)
    assert (alone[0].names, alone[0].units, alone[0].tiers) == (("top",), ("nm",), (1,))


def test_errors_of_users_functions_hold_where_noise_is_as_large_as_the_signal(field):
    """About the noisy patch the noise counted twice: the variance of a range came out 1.5 x."""
    ground = field - gaussian_filter(field, 8)
    ground = 0.5 * ground / ground.std()
    some = grid_places([-0.5, -0.5], [191.5, 191.5], 12)
    extra = {"range": lambda p: np.ptp(p, axis=(1, 2)), "sd": lambda p: p.std(axis=(1, 2))}
    rng = np.random.default_rng(9)
    scans = [
        pixel_blocks("h", channel(ground + rng.normal(size=field.shape)), some, ("mean",), 1.0,
                     extra=extra)[0]
        for _ in range(8)
    ]  # fmt: skip
    values = np.array([block.values for block in scans])
    values -= values.mean(axis=0)
    seen = np.einsum("rna,rnb->ab", values, values) / (7 * values.shape[1])
    said = np.mean([block.covariance.mean(axis=0) for block in scans], axis=0)
    assert np.allclose(np.diag(said), np.diag(seen), rtol=0.15)
    size = np.sqrt(np.diag(seen))
    assert np.abs((said - seen) / np.outer(size, size)).max() < 0.15


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda p: p[:, 0], "one finite number"),
        (lambda p: p.mean(axis=(1, 2)) / p.std(), "each patch by itself"),
        (lambda p: p.mean(axis=(1, 2)) * 1j, "real numbers"),
        (lambda p: np.random.default_rng().normal(size=len(p)), "must not be random"),
    ],
)
def test_users_functions_that_are_none(field, places, function, said):
    with pytest.raises(InputError, match=said):
        pixel_blocks("h", channel(field), places, ("mean",), extra={"bad": function})


def test_a_users_function_cannot_change_the_pixels(field, places):
    def spoils(pixels):
        pixels -= pixels.mean(axis=(1, 2), keepdims=True)
        return pixels.std(axis=(1, 2))

    def top(pixels):
        return pixels.max(axis=(1, 2))

    both = pixel_blocks("h", channel(field), places, ("mean",), 0.5, extra={"a": spoils, "b": top})
    alone = pixel_blocks("h", channel(field), places, ("mean",), 0.5, extra={"b": top})
    assert np.array_equal(both[0].values[:, [0, 2]], alone[0].values)
    assert np.allclose(both[0].covariance[:, 2, 2], alone[0].covariance[:, 1, 1])


def test_pooled_and_unknown_group(field, places):
    each = pixel_blocks("h", channel(field), places, ("moments",), 0.5)[0]
    pooled = pixel_blocks("h", channel(field), places, ("moments",), 0.5, pooled=True)[0]
    assert np.allclose(each.covariance.mean(axis=0), pooled.covariance[0])
    with pytest.raises(InputError, match="descriptors"):
        pixel_blocks("h", channel(field), places, ("momentum",))
