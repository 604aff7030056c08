"""Channels brought to one resolution, and what their noise is afterwards."""

import numpy as np
import pytest
import xarray as xr
from scipy.ndimage import gaussian_filter

from physlearn.checks import InputError
from physlearn.datasets import (
    ChannelNoise,
    ChannelSceneSettings,
    declare_noise,
    make_channel_scene,
    match_resolution,
    measure_channel_noise,
)
from physlearn.datasets.channels.match_resolution import blurred_noise


def channel(values, **attrs):
    return xr.DataArray(values, dims=("y", "x"), attrs=attrs)


def pair(seed, blur=1.5, noise=0.1, shape=(192, 192), width=2.0, gain=-3.0):
    rng = np.random.default_rng(seed)
    scene = gaussian_filter(rng.normal(size=shape), width)
    scene /= scene.std()
    soft = gain * gaussian_filter(scene, blur)
    return {
        "sharp": channel(scene + rng.normal(0, noise, shape)),
        "soft": channel(soft + rng.normal(0, noise * abs(gain), shape)),
    }


def test_estimated_blur_has_its_error_bar(oracle):
    z = []
    for seed in range(40):
        found = match_resolution(pair(seed))
        row = found.table.set_index("channel").loc["soft"]
        z.append((row["blur"] - 1.5) / row["blur_sd"])
    # a leak of the window is in the bar: it may be too long, not too short
    oracle("relative blur", error=max(np.sqrt(np.mean(np.square(z))) - 1, 0.0),
           bound=4 / np.sqrt(2 * len(z)))  # fmt: skip


def test_after_the_match_both_show_the_same(oracle):
    given = pair(1, blur=2.0, noise=0.0, gain=1.0)
    found = match_resolution(given, {"sharp": 0.0, "soft": 2.0})
    gap = (found.dataset.sharp - found.dataset.soft).to_numpy()
    oracle("same structure", error=np.abs(gap).max(), bound=1e-6)
    assert found.reference is None
    assert found.table.source.tolist() == ["declared", "declared"]
    assert found.dataset.attrs == {}
    # declared in lengths, not pixels
    scaled = {name: part.assign_coords(y=4.0 * np.arange(192), x=4.0 * np.arange(192))
              for name, part in given.items()}  # fmt: skip
    again = match_resolution(scaled, {"sharp": 0.0, "soft": 8.0})
    assert np.allclose(again.dataset.sharp, found.dataset.sharp)


@pytest.mark.parametrize("widths", [(2.0, 2.0), (0.7, 3.0)])
def test_noise_after_a_blur_is_the_predicted_one(widths, oracle):
    rng = np.random.default_rng(2)
    lag = np.arange(-3, 4)
    before = ChannelNoise(1.5, np.exp(-np.abs(lag))[None, :] * np.ones((1, 1)), row_sd=0.0)
    after = blurred_noise(before, widths)
    drawn = before.draw((40, 96, 96), rng)
    seen = np.stack([gaussian_filter(part, widths) for part in drawn])[:, 24:72, 24:72]
    oracle("sd after a blur", error=abs(seen.std() / after.sd - 1), bound=0.02)
    means = seen.reshape(40, 6, 8, 6, 8).mean(axis=(2, 4))
    ratio = means.std() / np.sqrt(after.variance_of_mean(8, 8))
    oracle("patch means after a blur", error=abs(ratio - 1), bound=0.06)


def test_noise_goes_with_the_channel():
    given = {name: declare_noise(part, ChannelNoise(0.1)) for name, part in pair(3).items()}
    found = match_resolution(given, {"sharp": 0.0, "soft": 1.5})
    back = measure_channel_noise(found.dataset.sharp)
    assert back.source == "declared"
    assert np.isclose(back.sd, found.noise["sharp"].sd)
    assert back.autocorrelation.shape == found.noise["sharp"].autocorrelation.shape
    assert back.correlation_length_px > 3
    assert measure_channel_noise(found.dataset.soft).sd == 0.1


def test_scene_and_what_is_not_identified():
    made = make_channel_scene(
        ChannelSceneSettings(shape=(192, 192), feature_px=3.0, noise=0.05,
                             blur_px={"amplitude": 2.0}), rng=2,
    ).scans[0]  # fmt: skip
    found = match_resolution(made)
    table = found.table.set_index("channel")
    # the channels of the scene tell different things: none is a blurred copy of another
    assert (table.loc[["phase", "idle"], "source"] == "unknown").all()
    assert any("declare the blur" in text for text in found.warnings)
    declared = match_resolution(made[["height", "amplitude"]], {"height": 0.0, "amplitude": 8.0})
    assert declared.blur == 8.0
    assert declared.unit == "nm"
    assert declared.noise["height"].sd < 0.5 * made.height.std()


def test_refusals():
    given = pair(4, shape=(64, 64))
    with pytest.raises(InputError, match="blur"):
        match_resolution(given, {"none": 1.0})
    with pytest.raises(InputError, match="blur of soft"):
        match_resolution(given, {"soft": -1.0})
    with pytest.raises(InputError, match="grid"):
        match_resolution({**given, "other": channel(np.ones((32, 32)))})
    with pytest.raises(InputError, match="none"):
        match_resolution({"spectra": xr.DataArray(np.ones((4, 4, 4)), dims=("y", "x", "V"))})


def test_lines_offsets_are_not_averaged_along_the_lines(oracle):
    before = ChannelNoise(0.1, row_sd=1.0)
    after = blurred_noise(before, (2.0, 2.0))
    drawn = gaussian_filter(before.draw((2000, 40, 32), rng=1), (0.0, 2.0, 2.0))[:, 12:28, 8:24]
    for rows in (1, 4, 16):
        seen = drawn[:, :rows].mean(axis=(1, 2)).var()
        ratio = seen / after.variance_of_mean(rows, 16)
        oracle(f"lines blurred, {rows} rows", z=(ratio - 1) / np.sqrt(2 / len(drawn)))
    again = after.draw((3000, 20, 16), rng=2)[:, :16].mean(axis=(1, 2)).var()
    ratio = again / after.variance_of_mean(16, 16)
    oracle("drawn lines", z=(ratio - 1) / np.sqrt(2 / 3000))
    scene = gaussian_filter(np.random.default_rng(3).normal(size=(64, 64)), 3) * 10
    lines = channel(scene + before.draw((64, 64), rng=4))
    made = match_resolution({"a": lines, "b": lines}, {"a": 0.0, "b": 2.0})
    kept = measure_channel_noise(made.dataset["a"])
    assert kept.row_sd == made.noise["a"].row_sd > 0
    assert kept.variance_of_mean(16, 16) == made.noise["a"].variance_of_mean(16, 16)


def test_beside_a_gap_only_what_was_seen_is_averaged():
    scene = gaussian_filter(np.random.default_rng(0).normal(size=(128, 128)), 3)
    scene /= scene.std()
    holes = scene.copy()
    holes[40:70, 30:70] = np.nan
    made = match_resolution({"a": channel(holes), "b": channel(scene)}, {"a": 0.0, "b": 2.0})
    left = (made.dataset["a"] - gaussian_filter(scene, 2.0)).to_numpy()
    assert np.nanmax(np.abs(left)) < 0.15
    assert np.isnan(left[40:70, 30:70]).all()
    assert np.isnan(left).sum() < 2 * 30 * 40
