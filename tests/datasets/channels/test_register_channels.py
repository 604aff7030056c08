"""Channels of one scan registered whatever they show: errors against bars and bounds."""

import numpy as np
import pytest
import xarray as xr

from physlearn.checks import InputError
from physlearn.datasets import ChannelSceneSettings, make_channel_scene, register_channels
from physlearn.datasets.channels.contrast import match_contrast

CONTRASTS = {
    "same": (lambda v: v, lambda v: np.ones_like(v)),
    "inverted": (lambda v: -np.tanh(2 * v), lambda v: -2 / np.cosh(2 * v) ** 2),
    "walls": (lambda v: np.exp(-2 * v * v), lambda v: -4 * v * np.exp(-2 * v * v)),
}


def scene(seed, size=144, width=3.0):
    """A periodic scene, drawn at any place exactly."""
    k = np.fft.fftfreq(size)
    power = np.exp(-2 * (np.pi * width) ** 2 * (k[:, None] ** 2 + k**2))
    spectrum = np.fft.fft2(np.random.default_rng(seed).normal(size=(size, size))) * power
    scale = np.fft.ifft2(spectrum).real.std()

    def draw(dx, dy):
        turn = np.exp(-2j * np.pi * (k * dx + k[:, None] * dy))
        return (np.fft.ifft2(spectrum * turn).real / scale)[16:112, 16:112]

    return draw


def channel(values, **attrs):
    return xr.DataArray(values, dims=("y", "x"), attrs=attrs)


@pytest.mark.slow
@pytest.mark.parametrize("contrast", list(CONTRASTS))
@pytest.mark.parametrize("snr", [3.0, 10.0])
def test_error_is_near_the_bound_whatever_the_contrast(contrast, snr, oracle):
    ratio, z, bar = _trials(contrast, snr, 16)
    n = 2 * len(ratio)
    rms = np.sqrt(np.mean(np.square(ratio)))
    oracle(f"rms over bound, {contrast}, {snr}", error=rms, bound=1.1 * (1 + 4 / np.sqrt(2 * n)))
    oracle(f"bar over bound, {contrast}, {snr}", error=np.mean(bar), bound=1.3)
    oracle(f"z, {contrast}, {snr}", error=abs(np.std(z) - 1), bound=4.5 / np.sqrt(2 * n))


def _trials(contrast, snr, number):
    """Error and error bar over the Cramer-Rao bound, and z, of planted shifts."""
    shape, slope = CONTRASTS[contrast]
    ratio, z, bar = [], [], []
    for seed in range(number):
        rng = np.random.default_rng(1000 + seed)
        draw, shift = scene(seed), rng.uniform(-2, 2, 2)
        there = draw(*shift)
        clean = shape(there)
        sd = np.array([1.0, clean.std()]) / snr
        given = {
            "first": channel(draw(0, 0) + rng.normal(0, sd[0], there.shape)),
            "second": channel(clean + rng.normal(0, sd[1], there.shape)),
        }
        found = register_channels(given, "first", largest_shift_px=6.0)
        gain = slope(there)
        # both pictures are noisy and the scene is unknown
        noise = sd[1] ** 2 + (gain * sd[0]) ** 2
        slopes = [gain * np.gradient(there, axis=axis) for axis in (1, 0)]
        bound = np.array([np.sum(part**2 / noise) ** -0.5 for part in slopes])
        row = found.table.set_index("channel").loc["second"]
        error = np.array([row["shift_x"], row["shift_y"]]) - shift
        own = np.array([row["sd_x"], row["sd_y"]])
        ratio.append(error / bound)
        z.append(error / own)
        bar.append(own / bound)
    return ratio, z, bar


def test_channels_of_different_contrast(oracle):
    ratio, z, _ = _trials("walls", 3.0, 8)
    oracle("rms over bound, few", error=np.sqrt(np.mean(np.square(ratio))), bound=1.1 * 1.7)
    oracle("z, few", error=abs(np.std(z) - 1), bound=4.5 / np.sqrt(32))


def test_scene_of_many_channels():
    made = make_channel_scene(
        ChannelSceneSettings(shape=(128, 128), feature_px=4.0, noise=0.1,
                             channel_shift_px={"amplitude": (1.5, -0.5)}), rng=1,
    ).scans[0]  # fmt: skip
    second = 2.0 * np.roll(made.height.to_numpy(), 2, axis=1)
    second += np.random.default_rng(2).normal(0, 0.1 * second.std(), second.shape)
    given = made.assign(again=(("y", "x"), second))
    found = register_channels(given, "height")
    table = found.table.set_index("channel")
    assert found.unit == "nm"
    assert abs(table.loc["again", "shift_x"] - 8.0) < 0.2
    assert table.loc["again", "contrast"] == "same"
    assert table.loc["again", "moved"]
    for name, word in (("idle", "no signal"), ("phase", "angle"), ("deflection", "slope along x")):
        assert table.loc[name, "contrast"] == "none"
        assert not table.loc[name, "moved"]
        assert any(word in text and name in text for text in found.warnings)
        assert np.isnan(found.covariance[name]).all()
    inner = found.dataset.isel(x=slice(8, -8), y=slice(8, -8))
    gap = inner.again - 2.0 * inner.height
    assert gap.std() < 0.3 * given.height.std()
    assert set(found.dataset) == set(given)
    assert found.dataset.sizes["x"] < 128


def test_what_shares_nothing_stays_and_says_so():
    rng = np.random.default_rng(3)
    given = {
        "one": channel(scene(1)(0, 0) + rng.normal(0, 0.1, (96, 96))),
        "two": channel(scene(2)(0, 0) + rng.normal(0, 0.1, (96, 96))),
    }
    found = register_channels(given, "one")
    assert found.table.contrast.tolist() == ["same", "none"]
    assert "nothing in common" in found.warnings[0]
    assert np.array_equal(found.dataset.two, given["two"])
    with_gap = scene(1)(1.5, 0)
    with_gap[20:30, 20:30] = np.nan
    gaps = register_channels({"one": given["one"], "gap": channel(with_gap)}, "one")
    assert abs(gaps.table.shift_x[1] - 1.5) < 0.1
    assert np.isnan(gaps.dataset.gap).sum() >= 100
    assert match_contrast(scene(4)(0, 0), np.abs(scene(4)(5, -3)), 12.0).shift == (5.0, -3.0)


def test_refusals():
    ones = channel(np.random.default_rng(0).normal(size=(64, 64)))
    with pytest.raises(InputError, match="at least 2"):
        register_channels({"one": ones})
    with pytest.raises(InputError, match="shape and pixel size"):
        register_channels({"one": ones, "two": ones[:32]})
    with pytest.raises(InputError, match="32 x 32"):
        register_channels({"one": ones[:20], "two": ones[:20]})
    with pytest.raises(InputError, match="reference"):
        register_channels({"one": ones, "two": ones}, "three")
