"""Noise of channels: its size, reach, and whether there is more than it."""

import numpy as np
import pytest
import xarray as xr
from scipy.ndimage import gaussian_filter
from scipy.signal import lfilter

from physlearn.checks import InputError
from physlearn.datasets import (
    ChannelNoise,
    ChannelSceneSettings,
    declare_noise,
    is_angle,
    make_channel_scene,
    measure_channel_noise,
    read_channels,
)
from physlearn.datasets.channels.measure_noise import _bands, signal_test


def channel(values, **attrs):
    return xr.DataArray(values, dims=("y", "x"), attrs=attrs)


def scene(rng, shape=(256, 256), width=6.0, size=20.0):
    values = gaussian_filter(rng.normal(size=shape), width)
    return size * values / values.std()


def along_lines(rng, shape, share=0.5):
    """Unit noise whose pixels of one line hang together as share ** lag."""
    white = rng.normal(size=(shape[0], shape[1] + 60)) * np.sqrt(1 - share**2)
    return lfilter([1.0], [1.0, -share], white, axis=1)[:, 60:]


def test_drawn_noise_has_the_size_and_reach_it_says(oracle):
    lag = np.arange(-6, 7)
    wide = np.exp(-(lag[:, None] ** 2 + lag**2) / 4.0)
    noise = ChannelNoise(2.0, wide, row_sd=0.3)
    drawn = noise.draw((4000, 24, 24), rng=1)
    # independent draws: the variance of a mean over each
    for rows, columns in ((1, 1), (8, 8), (24, 6)):
        mean = drawn[:, :rows, :columns].mean(axis=(1, 2))
        z = mean / np.sqrt(noise.variance_of_mean(rows, columns))
        oracle(f"drawn {rows} x {columns}", error=abs(z.std() - 1), bound=0.05)
    assert noise.correlation_length_px > 3
    assert ChannelNoise(1.0, gain=1.0, level=4.0).variance(9.0) == 6.0


@pytest.mark.parametrize("kind", ["white", "lines", "offsets", "none", "counts"])
def test_measured_noise_is_the_planted_one(kind, oracle):
    rng = np.random.default_rng(3)
    ratios, errors = [], []
    for _ in range(6):
        signal = scene(rng) if kind != "none" else np.zeros((256, 256))
        if kind == "counts":
            values = rng.poisson(signal + 100.0)
            found = measure_channel_noise(channel(values.astype(float)))
            assert abs(found.gain - 1) < 0.25
            truth = np.sqrt(values.mean())
        else:
            truth = 1.0
            values = rng.normal(size=(256, 256))
            if kind in ("lines", "offsets"):
                values = along_lines(rng, (256, 256))
            if kind == "offsets":
                values = values + 0.5 * rng.normal(size=(256, 1))
            found = measure_channel_noise(channel(signal + values))
        ratios.append(found.sd / truth - 1)
        errors.append(found.sd_error / truth)
        assert found.has_signal == (kind != "none")
        assert not found.warnings
        if kind == "offsets":
            assert abs(found.row_sd - 0.5) < 0.2
        if kind == "lines":
            middle = found.autocorrelation.shape[1] // 2
            assert np.allclose(found.autocorrelation[0, middle + 1 : middle + 3], [0.5, 0.25],
                               atol=0.06)  # fmt: skip
    oracle(f"noise sd, {kind}", error=abs(np.mean(ratios)), bound=0.015)
    assert 0.3 < np.std(ratios) / np.mean(errors) < 2.5


def test_errors_of_patch_means_from_one_picture(oracle):
    rng = np.random.default_rng(4)
    z = []
    for _ in range(5):
        truth = scene(rng)
        found = measure_channel_noise(channel(truth + along_lines(rng, truth.shape)))
        noise = along_lines(rng, truth.shape)
        patches = noise.reshape(32, 8, 32, 8).mean(axis=(1, 3))
        z.append(patches / np.sqrt(found.variance_of_mean(8, 8)))
    # planted noise, errors as measured: neighbours of a line hang together a little
    oracle("patch means of one picture", error=abs(np.std(z) - 1), bound=0.05)


def test_false_alarms_keep_their_rate(oracle):
    rng = np.random.default_rng(5)
    for name, number, draw in (
        ("white", 1500, lambda: rng.normal(size=(12, 12))),
        ("lines", 500, lambda: along_lines(rng, (24, 24), 0.9) + rng.normal(size=(24, 1))),
        ("heavy", 500, lambda: rng.standard_t(3, size=(24, 24))),
        ("counts", 500, lambda: rng.poisson(0.2, size=(24, 24)).astype(float)),
    ):
        p = np.array([signal_test(draw())[1] for _ in range(number)])
        for rate in (0.001, 0.01, 0.05):
            seen = int((p < rate).sum())
            z = (seen - number * rate) / np.sqrt(number * rate * (1 - rate))
            # fewer false alarms than promised are no fault
            oracle(f"false alarms {name} {rate}", z=max(z, 0.0))


Y, X = np.mgrid[:128, :128].astype(float)
ALONG = {
    "wall": 20.0 * (Y > 64), "lamellae": 10 * np.sin(2 * np.pi * Y / 12),
    "wide lamellae": 10 * np.sin(2 * np.pi * Y / 30), "ramp": 8 * X / 128 / 0.01,
    "ramp across": 8 * Y / 128 / 0.01,
}  # fmt: skip


@pytest.mark.parametrize("name", list(ALONG))
def test_structure_along_the_fast_axis_is_a_signal(name):
    values = ALONG[name] + np.random.default_rng(1).normal(size=Y.shape)
    found = measure_channel_noise(channel(values))
    assert found.has_signal
    assert found.signal_share > 0.9
    assert any("turned by 90 degrees" in text for text in found.warnings)
    # the lines' own offsets alone are none
    offsets = np.random.default_rng(2).normal(size=(128, 128 + 1))
    none = measure_channel_noise(channel(offsets[:, :128] + offsets[:, 128:]))
    assert not none.has_signal
    assert not none.warnings


def test_small_lattices_and_spots_are_signals_and_hum_is_none():
    rng = np.random.default_rng(3)
    for period in (3, 4):
        lattice = 10 * np.cos(2 * np.pi * X / period) * np.cos(2 * np.pi * Y / period)
        assert signal_test(lattice + rng.normal(size=Y.shape))[1] < 1e-3
    spot = 10 * np.exp(-((X - 60) ** 2 + (Y - 70) ** 2) / (2 * 1.5**2))
    assert signal_test(spot + rng.normal(size=Y.shape))[1] < 1e-3
    hum = 0.3 * np.sin(2 * np.pi * 0.1 * Y + X)
    assert signal_test(hum + rng.normal(size=Y.shape))[1] > 1e-2
    # as strong as a scene it is one
    assert signal_test(10 * hum + rng.normal(size=Y.shape))[1] < 1e-3


def test_a_weak_signal_is_found():
    rng = np.random.default_rng(6)
    weak = scene(rng, size=0.12) + rng.normal(size=(256, 256))
    found = measure_channel_noise(channel(weak))
    assert found.has_signal
    assert found.signal_share < 0.15


def test_smoothed_noise_is_said_not_to_be_seen():
    made = make_channel_scene(
        ChannelSceneSettings(shape=(128, 128), noise_correlation_px=1.5), rng=1
    )
    found = measure_channel_noise(made.scans[0]["height"])
    assert found.sd < 0.2 * made.noise_sd["height"]
    assert "finest structure" in found.warnings[0]


def test_angles_are_directions(oracle):
    rng = np.random.default_rng(7)
    ratios = []
    for _ in range(6):
        domains = np.where(scene(rng) > 0, 170.0, -10.0)
        noisy = np.mod(domains + rng.normal(0, 10.0, domains.shape) + 180, 360) - 180
        found = measure_channel_noise(channel(noisy, units="deg"))
        assert found.angle
        assert found.has_signal
        ratios.append(found.sd / 10.0 - 1)
    # one pixel in some is beside a wall, where the directions expected are mixed
    oracle("noise of an angle", error=abs(np.mean(ratios)), bound=0.1)
    pure = channel(rng.uniform(-180, 180, (128, 128)), units="deg")
    assert not measure_channel_noise(pure).has_signal
    assert is_angle(xr.DataArray(np.ones((4, 4)), name="phase"))
    assert not is_angle(xr.DataArray(np.ones((4, 4)), name="phase", attrs={"units": "V"}))


def test_declared_noise_counts_and_gaps():
    values = np.random.default_rng(8).normal(size=(64, 80))
    lag = np.arange(-2, 3)
    noise = ChannelNoise(3.0, np.exp(-np.abs(lag[:, None])) * np.ones((1, 1)))
    back = measure_channel_noise(declare_noise(channel(values), noise))
    assert back.source == "declared"
    assert back.sd == 3.0
    assert np.allclose(back.autocorrelation, noise.autocorrelation)
    whole = ChannelNoise(3.0, row_sd=0.7, row_correlation=np.array([0.4, 1.0, 0.4]), gain=0.5,
                         level=20.0)  # fmt: skip
    kept = measure_channel_noise(declare_noise(channel(values), whole))
    assert (kept.row_sd, kept.gain, kept.level) == (0.7, 0.5, 20.0)
    assert kept.variance_of_mean(16, 16) == whole.variance_of_mean(16, 16)
    assert kept.variance(22.0) == 10.0
    counted = measure_channel_noise(channel(np.full((32, 32), 9.0), counts="known"))
    assert (counted.sd, counted.gain, counted.source) == (3.0, 1.0, "counts")
    holes = values.copy()
    holes[10:20, 30:40] = np.nan
    holes[40] = np.nan
    assert abs(measure_channel_noise(channel(holes)).sd - 1) < 0.1
    tall = measure_channel_noise(channel(along_lines(np.random.default_rng(9), (128, 128)).T),
                                 fast_axis="y")  # fmt: skip
    assert tall.autocorrelation.shape[0] > 1
    assert tall.autocorrelation.shape[1] == 1
    assert not measure_channel_noise(channel(np.ones((32, 32)))).has_signal


def test_refusals():
    with pytest.raises(InputError, match="at least 12 lines"):
        measure_channel_noise(channel(np.ones((8, 40))))
    with pytest.raises(InputError, match="all of them are NaN"):
        measure_channel_noise(channel(np.full((32, 32), np.nan)))
    with pytest.raises(InputError, match="dims"):
        measure_channel_noise(xr.DataArray(np.ones((32, 32)), dims=("y", "time")))
    with pytest.raises(InputError, match="noise_autocorrelation"):
        measure_channel_noise(
            channel(np.ones((32, 32)), noise_sd=1.0, noise_autocorrelation=[1.0, 0.5])
        )


FILES = [
    "pfm_ibw_stripes/IgorIBWReader_P0089OP0027.ibw",
    *(f"pfm_pto_pmnpt/PMN28Pt000{k}.h5" for k in (0, 1)),
    *(f"pfm_pto_pmnpt/PTO_Funakubo000{k}.h5" for k in (1, 2, 4, 7)),
]


@pytest.mark.parametrize("name", FILES)
def test_real_channel_without_a_signal_is_the_only_one(name, public_file):
    channels = read_channels(public_file(name))
    empty = [str(key) for key, part in channels.items()
             if not measure_channel_noise(part).has_signal]  # fmt: skip
    assert empty == (["UserIn0Retrace"] if "ibw" in name else [])


def test_few_distinct_numbers_and_flat_counts(oracle):
    rng = np.random.default_rng(9)
    for mean in (0.05, 0.2, 1.0, 5.0):
        found = measure_channel_noise(channel(rng.poisson(mean, (128, 128)).astype(float)))
        oracle(f"counts of mean {mean}", z=(found.sd - np.sqrt(mean)) / found.sd_error)
        assert found.gain == 0.0
    wave = 2.5 * np.sin(X / 9) * np.cos(Y / 11)
    for step in (2, 3):
        coarse = np.round((wave + rng.normal(size=Y.shape)) / step) * step
        found = measure_channel_noise(channel(coarse))
        # rounding adds its own noise
        oracle(f"steps of {step}", error=abs(found.sd / np.sqrt(1 + step**2 / 12) - 1), bound=0.05)
        assert found.row_sd == 0.0
        assert "few distinct numbers" in found.warnings[0]
    # walls between two levels are no noise
    assert measure_channel_noise(channel((wave > 0) * 1.0)).sd == 0.0


def test_large_pictures_are_measured_in_parts():
    rng = np.random.default_rng(10)
    large = rng.normal(size=(2048, 2000)).astype(np.float32)
    found = measure_channel_noise(channel(large))
    assert abs(found.sd - 1) < 4 * found.sd_error
    assert not found.has_signal
    assert len(_bands(large.shape)) == 6
