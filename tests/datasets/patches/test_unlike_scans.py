"""Repeats that differ from the first scan: place, unit, gain, noise, gaps, shape."""

import numpy as np
import pytest
import xarray as xr
from scipy import ndimage

from physlearn.checks import InputError, NotIdentified
from physlearn.datasets import PatchOptions, align_repeat, describe_patches
from physlearn.datasets.channels.scan_gain import scan_gain
from physlearn.datasets.channels.scan_units import in_unit_of, unit_factor
from physlearn.datasets.descriptors.patch_places import grid_places
from physlearn.datasets.patches.repeated_scan import difference_noise

WIDE = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=(180, 180)), 3)
WIDE /= WIDE.std()
SCENE = WIDE[10:138, 10:138]
NOISE = 0.05
PATCH = 8


def scan(seed, scene=SCENE, units="V", noise=NOISE, factor=1.0, **attrs):
    values = factor * (scene + np.random.default_rng(seed).normal(0, noise, scene.shape))
    return xr.DataArray(values, dims=("y", "x"), attrs={"units": units, **attrs})


def truth(table, scene=SCENE):
    """Return the mean of the scene in each patch of a picture without coordinates."""
    first = np.ceil(table.centers - PATCH / 2 - 1e-6).astype(int)
    return np.array([scene[r : r + PATCH, c : c + PATCH].mean() for c, r in first])


def z_scores(table, name="a", scene=SCENE):
    k = table.columns.index(name)
    sd = np.sqrt(table.measurement_covariance[:, k, k])
    return (table.frame[name].to_numpy() - truth(table, scene)) / sd


def test_a_cut_scan_keeps_its_place_and_that_of_other_channels():
    """The repeat shows what lies 20 pixels to the right; channel b was not repeated."""
    other = ndimage.gaussian_filter(np.random.default_rng(9).normal(size=SCENE.shape), 3)
    other /= other.std()
    table = describe_patches(
        {"a": scan(1), "b": scan(2, other)}, repeat={"a": scan(3, WIDE[10:138, 30:158])},
        patch_size=PATCH,
    )  # fmt: skip
    assert table.centers[:, 0].min() > 20
    assert np.corrcoef(table.frame["a"], truth(table))[0, 1] > 0.999
    assert np.corrcoef(table.frame["b"], truth(table, other))[0, 1] > 0.999
    assert np.allclose(table.covariates[["column", "row"]], table.centers)


def test_a_known_factor_between_units_is_taken_out():
    metres = scan(2, units="m", factor=1e-9)
    table = describe_patches({"a": scan(1, units="nm")}, repeat={"a": metres}, patch_size=PATCH)
    assert table.units == {"a": "nm"}
    assert any("converted from m to nm" in note for note in table.warnings)
    z = z_scores(table)
    assert z.std() == pytest.approx(1.0, abs=4 / np.sqrt(2 * len(z)))


def test_units_that_do_not_fit_are_refused():
    assert unit_factor("pm/V", "nm/V") == pytest.approx(1e-3)
    assert unit_factor("Å", "µm") == pytest.approx(1e-4)
    assert unit_factor("V", "nm") is None
    turned, said = in_unit_of("phase", scan(1, units="deg"), scan(1, units="rad", noise_sd=0.1))
    assert turned.attrs["noise_sd"] == pytest.approx(18 / np.pi)
    assert "converted" in said
    with pytest.raises(InputError, match="in nm in the first scan and in V in the second"):
        describe_patches({"a": scan(1, units="nm")}, repeat={"a": scan(2)}, patch_size=PATCH)
    bare = scan(2, units="", factor=1e-9)
    with pytest.raises(InputError, match="another unit or another quantity"):
        describe_patches({"a": scan(1, units="nm")}, repeat={"a": bare}, patch_size=PATCH)


def test_the_same_numbers_are_no_second_scan():
    first = scan(1)
    for again in (first, first[:100]):
        with pytest.raises(InputError, match="same numbers in both scans"):
            describe_patches({"a": first}, repeat={"a": again}, patch_size=PATCH)


def test_gain_between_noisy_scans(oracle):
    rng = np.random.default_rng(4)
    z = []
    for _ in range(60):
        scans = [g * SCENE + rng.normal(0, sd, SCENE.shape) for g, sd in ((1, 0.3), (0.7, 0.9))]
        found = scan_gain(*scans)
        z.append((found.gain - 0.7) / found.sd)
    # regression on the noisy first scan would give 0.7 / 1.09
    oracle("mean gain", z=np.mean(z) * np.sqrt(len(z)))
    oracle("sd of gain", error=abs(np.std(z) - 1), bound=4 / np.sqrt(2 * len(z)))
    assert scan_gain(SCENE, -2 * SCENE + rng.normal(0, 0.1, SCENE.shape)).gain < 0
    with pytest.raises(NotIdentified, match="no structure that both show"):
        scan_gain(*rng.normal(size=(2, 128, 128)))


@pytest.mark.parametrize("gain", [1.3, 10.0])
def test_a_gain_between_the_scans_is_no_noise(gain):
    table = describe_patches(
        {"a": scan(1)}, repeat={"a": scan(2, gain * SCENE + 1.0)}, patch_size=PATCH
    )
    found, sd = table.metadata["repeat"]["gain"]["a"]
    assert abs(found - gain) < 4 * sd < 0.02 * gain
    assert any("brought to the first one's gain" in note for note in table.warnings)
    z = z_scores(table)
    assert abs(z.mean()) < 0.5
    assert z.std() == pytest.approx(1.0, abs=4 / np.sqrt(2 * len(z)))


def test_each_scan_has_its_own_noise():
    quiet, loud = scan(1, noise=0.05, noise_sd=0.05), scan(2, noise=0.5, noise_sd=0.5)
    options = PatchOptions(descriptors=("variance",))
    table = describe_patches({"a": quiet}, repeat={"a": loud}, patch_size=PATCH, options=options)
    planted = describe_patches(
        {"a": scan(3, noise=0.0)}, patch_size=PATCH,
        options=PatchOptions(descriptors=("variance",), centers=table.centers),
    )  # fmt: skip
    error = (table.frame - planted.frame)["a_local_variance"]
    # the loud scan's own noise would leave (0.5^2 - 0.05^2) / 2 = 0.12
    assert abs(error.mean()) < 4 * error.std() / np.sqrt(len(error)) < 0.03
    assert not any("times as large as the scans' own" in note for note in table.warnings)


def test_gaps_of_one_scan_are_filled_from_the_other():
    first, second = scan(1), scan(2)
    first[40:50], second[80:90] = np.nan, np.nan
    table = describe_patches({"a": first}, repeat={"a": second}, patch_size=PATCH)
    assert any("filled from the other" in note for note in table.warnings)
    middle = table.centers[:, 1]
    gaps = ((middle > 36) & (middle < 54)) | ((middle > 76) & (middle < 94))
    z = z_scores(table)
    for part in (gaps, ~gaps):
        assert part.sum() > 40
        assert z[part].std() == pytest.approx(1.0, abs=4 / np.sqrt(2 * part.sum()))
    k = table.columns.index("a")
    variance = table.measurement_covariance[:, k, k]
    assert 1.7 < variance.max() / variance.min() <= 2.0  # the scan that saw it alone
    assert np.abs(table.metadata["repeat"]["shift"]).max() < 0.02


def test_scattered_gaps_do_not_spread():
    few = scan(4).where(np.random.default_rng(5).random(SCENE.shape) > 0.02)
    pair = align_repeat(scan(1), few)
    assert 0.015 < np.isnan(pair.second).mean() < 0.06


def test_a_repeat_of_fewer_lines_is_cut_and_not_resampled():
    pair = align_repeat(scan(1), scan(2)[20:100])
    assert pair.same_sampling
    assert pair.warnings == ()
    assert float(pair.first["y"][0]) == pytest.approx(20, abs=1)
    table = describe_patches({"a": scan(1)}, repeat={"a": scan(2)[20:100]}, patch_size=PATCH)
    z = z_scores(table)
    assert z.std() == pytest.approx(1.0, abs=4 / np.sqrt(2 * len(z)))


def test_a_channel_called_image_is_no_picture():
    twice = describe_patches({"image": scan(1)}, repeat={"image": scan(2)}, patch_size=PATCH)
    assert list(twice.columns) == ["image_channel"]
    assert twice.tiers == {"image_channel": 2}
    both = describe_patches(scan(1), channels={"image": scan(2)}, patch_size=16.0)
    assert {"mean_intensity", "image_channel"} <= set(both.columns)


@pytest.mark.parametrize("seed", [6, (6, 1)])  # the second: correlations that seem to exceed 1
def test_errors_that_lines_share_reach_along_the_lines(seed):
    places = grid_places([0, 0], [400, 400], 10.0)
    rng = np.random.default_rng(seed)
    planted = ndimage.gaussian_filter(rng.normal(size=places.shape), 3) * 40
    scans = []
    for _ in "ab":
        lines = np.array([[1.0], [0.0]])[..., None] * rng.normal(size=(40, 1))
        both = planted + lines + 0.2 * rng.normal(size=(2, 40, 40))
        scans.append(both.reshape(2, -1).T)
    found = difference_noise(*scans, places)
    assert found.reach[0, 0] == 0.0
    assert found.reach[0, 1] > 15
    assert found.reach[1].tolist() == [0.0, 0.0]
    assert found.length == found.reach[0, 1] * 10.0
