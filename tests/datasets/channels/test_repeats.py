"""Two and more scans of one place: brought together, averaged, their noise measured."""

import numpy as np
import pytest
import xarray as xr
from scipy import ndimage

from physlearn.checks import InputError, NotIdentified
from physlearn.datasets import (
    ChannelSceneSettings,
    align_repeat,
    average_scans,
    make_channel_scene,
    read_channels,
)
from physlearn.datasets.channels import sinc_kernels
from physlearn.datasets.channels.resample import fourier_shift, rescaled, sample_at
from physlearn.datasets.channels.scan_residuals import repeat_noise

SMALL = {"shape": (128, 128), "feature_px": 4.0}


def scene(size=160, width=4.0, seed=0):
    """A periodic scene that can be drawn at any place without interpolating pixels."""
    rng = np.random.default_rng(seed)
    k = np.fft.fftfreq(size)
    power = np.exp(-2 * (np.pi * width) ** 2 * (k[:, None] ** 2 + k**2))
    spectrum = np.fft.fft2(rng.normal(size=(size, size))) * power
    scale = np.fft.ifft2(spectrum).real.std()

    def draw(dx, dy, shape=(128, 128)):
        turn = np.exp(-2j * np.pi * (k * dx + k[:, None] * dy))
        whole = np.fft.ifft2(spectrum * turn).real / scale
        return whole[16 : 16 + shape[0], 16 : 16 + shape[1]]

    return draw


def channel(values, **attrs):
    return xr.DataArray(values, dims=("y", "x"), attrs=attrs)


def test_moved_pictures_keep_structure_and_noise(oracle):
    draw = scene(seed=1)
    inner = (slice(16, -16), slice(16, -16))
    moved = fourier_shift(draw(0, 0), 2.3, -1.6)
    oracle("Fourier shift", error=np.abs(moved - draw(-2.3, 1.6))[inner].max(), bound=2e-3)
    assert np.isnan(moved[:2]).all()
    assert np.isnan(moved[:, -2:]).all()
    rows, columns = np.indices((128, 128), dtype=float)
    sampled = sample_at(draw(0, 0), rows - 1.6, columns + 2.3)
    oracle("sinc", error=np.abs(sampled - draw(-2.3, 1.6))[inner].max(), bound=2e-2)
    noise = np.random.default_rng(2).normal(size=(256, 256))
    for values, least in ((fourier_shift(noise, 0.5, 0.5), 0.98),
                          (sample_at(noise, *np.indices((256, 256)) - 0.5), 0.85)):  # fmt: skip
        kept = np.nanvar(values) / noise.var()
        assert least < kept < 1.01
        left = values[8:-8, 8:-8]
        near = np.mean(left[1:] * left[:-1]) / left.var()
        assert abs(near) < 0.08
    whole = fourier_shift(noise, 3.0, -2.0)
    assert np.array_equal(whole[2:, :-3], noise[:-2, 3:])


def test_sinc_kernel_is_its_python():
    values = np.random.default_rng(3).normal(size=(30, 20))
    rows = np.random.default_rng(4).uniform(-1, 30, 40)
    columns = np.random.default_rng(5).uniform(-1, 20, 40)
    out = np.empty((2, 40))
    sinc_kernels.sample_sinc(values, rows, columns, out[0])
    sinc_kernels.sample_sinc.py_func(values, rows, columns, out[1])
    assert np.allclose(out[0], out[1], equal_nan=True)
    assert np.isnan(out[0]).any()
    assert np.isclose(sinc_kernels.bessel.py_func(2.5), np.i0(2.5))


def test_gaps_stay_gaps_and_do_not_spread():
    values = scene(seed=6)(0, 0)
    holed = values.copy()
    holed[60:64, 60:64] = np.nan
    moved, whole = fourier_shift(holed, 0.4, 0.0), fourier_shift(values, 0.4, 0.0)
    lost = np.isnan(moved) & ~np.isnan(whole)
    assert 16 <= lost.sum() <= 100
    assert np.nanmax(np.abs((moved - whole)[~lost & ~np.isnan(whole)])) < 0.1
    assert np.isnan(rescaled(holed, (2.0, 2.0), (64, 64))).sum() >= 4


def test_scatter_between_aligned_scans_is_the_noise(oracle):
    rng = np.random.default_rng(7)
    patch_z, shift_z = [], []
    for seed in range(18):
        draw = scene(seed=seed)
        shift = rng.uniform(-3, 3, 2)
        noise = rng.normal(0, 0.3, (2, 128, 128))
        pair = align_repeat(channel(draw(0, 0) + noise[0]), channel(draw(*shift) + noise[1]),
                            largest_shift_px=8.0)  # fmt: skip
        shift_z.append((pair.registration.shift - shift) / pair.registration.shift_sd)
        gap = (pair.first - pair.second).to_numpy()
        rows, columns = (length // 8 * 8 for length in gap.shape)
        patches = gap[:rows, :columns].reshape(rows // 8, 8, columns // 8, 8).mean(axis=(1, 3))
        patch_z.append((patches / np.sqrt(2)).ravel() / (0.3 / 8))
    z = np.concatenate(patch_z)
    assert z.size > 4000
    oracle("patch means of two scans", error=abs(z.std() - 1), bound=0.05)
    n = 2 * len(shift_z)
    oracle("shift between scans", error=abs(np.std(shift_z) - 1), bound=4 / np.sqrt(2 * n))


def test_datasets_mappings_and_spectra_keep_their_kind():
    made = make_channel_scene(ChannelSceneSettings(**SMALL, shift_px=(2.4, -1.5)), rng=1)
    pair = align_repeat(*made.scans, largest_shift_px=8.0)
    assert isinstance(pair.first, xr.Dataset)
    assert pair.first.sizes == pair.second.sizes
    assert np.array_equal(pair.first.x, pair.second.x)
    assert np.abs(pair.registration.shift / 4.0 - [2.4, -1.5]).max() < 0.1
    assert pair.second.height.attrs == made.scans[1].height.attrs
    # a channel may have other pixels than the rest
    coarse = [
        {"height": part.height, "amplitude": part.amplitude.coarsen(y=2, x=2).mean()}
        for part in made.scans
    ]
    mixed = align_repeat(*coarse, channel="height", largest_shift_px=8.0)
    assert set(mixed.first) == {"height", "amplitude"}
    assert mixed.first["amplitude"].shape == mixed.second["amplitude"].shape
    gap = mixed.first["amplitude"] - mixed.second["amplitude"]
    assert gap.std() < 1.2 * np.sqrt(2) * made.noise_sd["amplitude"] / 2
    spectra = [
        xr.concat([part.height * f for f in (1.0, 2.0, 0.5)], "V").transpose("y", "x", "V")
        for part in made.scans
    ]
    cubes = align_repeat(*spectra, largest_shift_px=8.0)
    assert cubes.second.sizes["V"] == 3
    # an angle is moved by its direction
    turned = pair.second.phase.to_numpy()
    assert np.abs(np.mod(turned - pair.first.phase.to_numpy() + 180, 360) - 180).mean() < 20


def test_a_smaller_field_at_other_pixels_is_found_in_the_larger(oracle):
    draw = scene(size=320, width=6.0, seed=8)
    rng = np.random.default_rng(9)
    large = draw(0, 0, (256, 256)) + rng.normal(0, 0.05, (256, 256))
    rows, columns = np.meshgrid(np.arange(60, 190, 0.5), np.arange(90, 210, 0.5), indexing="ij")
    zoom = sample_at(draw(0, 0, (256, 256)), rows, columns) + rng.normal(0, 0.05, rows.shape)
    one = channel(large).assign_coords(y=2.0 * np.arange(256), x=2.0 * np.arange(256))
    two = channel(zoom).assign_coords(y=1.0 * np.arange(260), x=1.0 * np.arange(240))
    pair = align_repeat(one, two)
    assert not pair.same_sampling
    assert any("different size" in text for text in pair.warnings)
    assert abs(float(pair.first.y[0]) - 120) <= 10
    gap = (pair.first - pair.second).to_numpy()
    oracle("zoomed repeat", error=float(np.nanstd(gap)), bound=0.08)


def test_what_does_not_overlap_is_refused():
    one, two = channel(scene(seed=10)(0, 0)), channel(scene(seed=11)(0, 0))
    noise = np.random.default_rng(12).normal(0, 0.3, (2, 128, 128))
    with pytest.raises(NotIdentified, match="may not overlap"):
        align_repeat(one + noise[0], two + noise[1])
    with pytest.raises(NotIdentified, match="no signal"):
        align_repeat(channel(noise[0]), channel(noise[1]))
    with pytest.raises(InputError, match="same channels"):
        align_repeat({"a": one}, {"b": two})
    with pytest.raises(InputError, match="dims y and x"):
        align_repeat(one.rename(y="row"), two)
    with pytest.raises(InputError, match="at least 2"):
        average_scans([one])
    with pytest.raises(InputError, match="pixels"):
        average_scans([one, two[:64]])


def test_average_noise_spoilt_lines_and_shifts(oracle):
    made = make_channel_scene(
        ChannelSceneSettings(**SMALL, n_scans=3, shift_px=(1.3, -0.7), spoilt_rows=2), rng=4
    )
    found = average_scans(made.scans, largest_shift_px=8.0)
    assert np.abs(found.shift / 4.0 - made.shifts).max() < 0.1
    first = round(float(found.mean.y[0]) / 4.0)
    for number, rows in enumerate(made.spoilt_rows):
        near = np.flatnonzero(found.spoilt[number]) + first + made.shifts[number, 1]
        for row in rows:
            assert np.abs(near - row).min() < 1.0
        assert len(near) <= 4
    for name in ("height", "deflection", "idle"):
        noise, truth = found.noise[name], made.noise_sd[name]
        oracle(
            f"repeat noise {name}", z=(noise.sd - truth) / np.hypot(noise.sd_error, 0.005 * truth)
        )
        assert noise.has_signal == (name != "idle")
        assert np.isclose(found.mean_noise[name].sd, noise.sd / np.sqrt(3))
        assert found.mean[name].attrs["noise_sd"] == found.mean_noise[name].sd
    assert any("fixed pattern" in text for text in found.warnings)
    video = xr.concat([part.height for part in made.scans], "time")
    assert average_scans(video, largest_shift_px=8.0).shift.shape == (3, 2)


def test_smeared_noise_is_no_signal(oracle):
    """Products of smeared noise agree from line to line: taken as independent, 3 in 10 alarm."""
    rng = np.random.default_rng(3)
    n, level = 80, 0.05
    alarms = 0
    for _ in range(n):
        scans = ndimage.gaussian_filter(rng.normal(size=(2, 96, 96)), (0, 1.5, 1.5))
        alarms += repeat_noise(scans).signal_p < level
    # at most the level, as the least p of three tests is taken three times
    oracle("false alarms", z=max((alarms - n * level) / np.sqrt(n * level * (1 - level)), 0.0))


def test_smeared_noise_is_seen_by_repeats(oracle):
    made = make_channel_scene(
        ChannelSceneSettings(shape=(192, 192), noise_correlation_px=1.5, shift_px=(2.0, 1.0)), rng=5
    )
    found = average_scans(made.scans, largest_shift_px=8.0)
    noise, lag = found.noise["height"], np.arange(-3, 4)
    oracle("smeared noise", z=(noise.sd - made.noise_sd["height"]) / noise.sd_error)
    p, q = (length // 2 for length in noise.autocorrelation.shape)
    seen = noise.autocorrelation[p - 3 : p + 4, q - 3 : q + 4]
    truth = np.exp(-(lag[:, None] ** 2 + lag**2) / (4 * 1.5**2))
    oracle("autocorrelation", error=np.abs(seen - truth).max(), bound=0.12)
    assert not found.noise["idle"].has_signal


PAIRS = [
    ("PMN28Pt0000", "PMN28Pt0001"),
    ("PTO_Funakubo0001", "PTO_Funakubo0007"),
    ("PTO_Funakubo0002", "PTO_Funakubo0001"),
    ("PTO_Funakubo0004", "PTO_Funakubo0007"),
]


@pytest.mark.parametrize(("one", "two"), PAIRS)
def test_no_two_real_fields_are_of_one_place(one, two, public_file):
    first, second = (
        read_channels(public_file(f"pfm_pto_pmnpt/{name}.h5"))[["HeightRetrace"]]
        for name in (one, two)
    )
    with pytest.raises(NotIdentified, match="overlap"):
        align_repeat(first, second)


@pytest.mark.parametrize("model", ["rigid", pytest.param("affine", marks=pytest.mark.slow)])
def test_before_and_after_a_change_with_turn_and_drift(model, oracle):
    draw = scene(size=320, width=6.0, seed=13)
    rng = np.random.default_rng(14)
    whole = draw(0, 0, (256, 256))
    rows, columns = np.indices((128, 128), dtype=float)
    x, y = columns - 63.5, rows - 63.5
    turn = 0.01
    shear = 0.01 if model == "affine" else 0.0
    there_x = np.cos(turn) * x - np.sin(turn) * y + shear * y + 127.0
    there_y = np.sin(turn) * x + np.cos(turn) * y + 126.0
    before = whole[64:192, 64:192] + rng.normal(0, 0.1, (128, 128))
    after = sample_at(whole, there_y, there_x)
    after[40:60, 50:80] += 1.5  # a domain that switched
    after += rng.normal(0, 0.1, (128, 128))
    pair = align_repeat(channel(before), channel(after), model=model, largest_shift_px=6.0)
    gap = (pair.second - pair.first).to_numpy()
    changed = gap > 0.75
    # 600 pixels switched; the rest is noise of both, not edges out of place
    assert abs(int(changed.sum()) - 600) < 60
    oracle(f"after {model}", error=float(gap[~changed & (np.abs(gap) < 0.75)].std()), bound=0.18)
    still = align_repeat(channel(before), channel(after), model="shift", largest_shift_px=6.0)
    assert float((still.second - still.first).std()) > float(np.nanstd(gap))


def test_no_shift_is_tried_where_a_scene_repeats_itself():
    y, x = np.mgrid[:256, :256]
    waves = np.sin(x / 9) * np.cos(y / 11) + 0.3 * np.sin(x / 3.1 + y / 4)
    rng = np.random.default_rng(3)
    angles = [
        np.mod(358.9 + 21.6 * waves + rng.normal(0, 7.2, waves.shape), 360) - 180 for _ in "ab"
    ]
    # this draw's coarse search finds a period and misses 0
    pair = align_repeat(*(channel(each, units="deg") for each in angles))
    assert np.abs(pair.registration.shift).max() < 0.3
    assert len(pair.registration.rivals)
