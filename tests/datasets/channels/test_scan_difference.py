"""Aligned scans that differ by more than noise, in unit, or by lines that did not jump."""

import numpy as np
import pytest
import xarray as xr
from scipy import ndimage

from physlearn.checks import InputError
from physlearn.datasets import align_repeat, average_scans
from physlearn.datasets.channels.scan_residuals import repeat_noise


def spots(dx=0.0, dy=0.0, noise=0.03, seed=0):
    rng = np.random.default_rng(5)
    y, x = np.mgrid[:96, :96].astype(float)
    scene = sum(
        np.exp(-((x - a - dx) ** 2 + (y - b - dy) ** 2) / 18)
        for a, b in rng.uniform(-10, 106, (80, 2))
    )
    return scene + noise * np.random.default_rng(seed).normal(size=scene.shape)


def channel(values, **attrs):
    return xr.DataArray(values, dims=("y", "x"), attrs=attrs)


def said(warnings):
    return any("more than noise after the alignment" in text for text in warnings)


def test_a_turned_scan_is_said_to_differ():
    first = channel(spots())
    for second in (
        spots(2.3, -1.7, seed=1),
        spots(2.3, -1.7, 0.002, 1),
        1.3 * spots(0.4, 0, seed=1),
    ):
        assert not said(align_repeat(first, channel(second), largest_shift_px=6.0).warnings)
    turned = channel(ndimage.rotate(spots(seed=1), 2.0, reshape=False, mode="nearest"))
    assert said(align_repeat(first, turned, largest_shift_px=6.0).warnings)
    assert said(average_scans([first, turned], largest_shift_px=6.0).warnings)
    assert not said(align_repeat(first, turned, model="affine", largest_shift_px=6.0).warnings)


def test_scans_in_other_units_are_averaged_in_the_first_ones():
    first, second = channel(spots(), units="nm"), channel(1e3 * spots(seed=1), units="pm")
    mean = average_scans([first, second], largest_shift_px=3.0).mean
    assert mean.attrs["units"] == "nm"
    assert abs(float(mean.std()) / float(first.std()) - 1) < 0.02
    with pytest.raises(InputError, match="no factor"):
        average_scans([first, second.assign_attrs(units="V")], largest_shift_px=3.0)


def test_offsets_of_lines_are_no_spoilt_lines(oracle):
    y, x = np.mgrid[:128, :128]
    scene = 5 * np.sin(x / 9) * np.cos(y / 11)
    for size in (0.3, 1.0):
        found, out = [], 0
        for seed in range(4):
            rng = np.random.default_rng(seed)
            scans = [
                scene + 0.3 * rng.normal(size=y.shape) + size * rng.normal(size=(128, 1))
                for _ in range(2)
            ]
            averaged = average_scans([channel(part) for part in scans], largest_shift_px=3.0)
            found.append(averaged.noise["picture"].row_sd ** 2)
            out += int(averaged.spoilt.sum())
        error = size**2 * np.sqrt(2 / (4 * 128))
        oracle(f"row noise {size}", z=(np.mean(found) - size**2) / error)
        assert out <= 4


def test_repeats_tell_structure_along_the_lines_from_their_offsets():
    rng = np.random.default_rng(3)
    y, x = np.mgrid[:96, :96]
    for scene in (20.0 * (y > 50), 10 * np.sin(y / 3), 8.0 * x, None):
        scans = rng.normal(size=(2, 96, 96)) + 0.3 * rng.normal(size=(2, 96, 1))
        found = repeat_noise(scans if scene is None else scans + scene)
        assert found.has_signal == (scene is not None)
        assert (found.signal_share > 0.9) == (scene is not None)
    assert not repeat_noise(np.ones((2, 24, 24))).has_signal
