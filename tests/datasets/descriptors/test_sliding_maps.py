"""Maps of crystallinity: planted disorder is found, empty noise is no crystal."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from physlearn.checks import InputError
from physlearn.datasets import crystallinity_map, make_patch_scene, sliding_fft
from physlearn.datasets.descriptors.patch_places import PatchPlaces
from physlearn.datasets.descriptors.periodicity import picture_periods
from physlearn.datasets.descriptors.pixel_blocks import pixel_blocks


def triangular(shape, spacing, angle):
    """Return three waves of a triangular lattice."""
    y, x = np.indices(shape).astype(float)
    turns = angle + np.pi / 3 * np.arange(3)
    return sum(np.cos(2 * np.pi * (x * np.cos(t) + y * np.sin(t)) / spacing) for t in turns)


def test_periods_of_a_lattice_are_found_between_the_grid_points(oracle):
    picture = triangular((200, 160), 6.37, 0.21)
    picture = picture + np.random.default_rng(0).normal(size=picture.shape)
    periods = picture_periods(picture)
    assert len(periods) == 3
    oracle("length of a period", error=np.abs(np.hypot(*periods.T) * 6.37 - 1).max(), bound=0.005)
    assert len(picture_periods(np.random.default_rng(1).normal(size=(128, 128)))) == 0


@pytest.mark.parametrize(("kind", "word", "least"), [
    ("grains", "sharpness", 0.78), ("crystal", "lattice_order", 0.93),
])  # fmt: skip
def test_disorder_is_told_from_order(kind, word, least, oracle):
    from sklearn.metrics import roc_auc_score

    scene = make_patch_scene(kind, n_patches=400, rng=1)
    places = PatchPlaces(scene.centers, scene.patch_px, "pixel")
    (block,) = pixel_blocks("image", scene.image, places, ("periodicity",), "counts", alone=True)
    area = roc_auc_score(scene.labels, -block.values[:, block.names.index(word)])
    oracle(f"area under the curve of {word} on {kind}", error=1 - area, bound=1 - least)


def test_map_keeps_coordinates_errors_and_gaps():
    picture = 0.5 * np.random.default_rng(2).normal(size=(96, 128))
    picture[:, :64] += triangular((96, 64), 5.5, 0.4)
    picture[:40, 100:] = np.nan
    image = xr.DataArray(picture, dims=("y", "x"), attrs={"units": "V"}, coords={
        "y": ("y", 0.2 * np.arange(96), {"units": "nm"}),
        "x": ("x", 3 + 0.2 * np.arange(128), {"units": "nm"}),
    })  # fmt: skip
    found = crystallinity_map(image, 24, noise=0.5)
    assert float(found.x[0]) == pytest.approx(3 + 0.2 * 11.5)
    assert found.lattice_amplitude.attrs["units"] == "V"
    inside, outside = found.sel(x=slice(0, 12)), found.sel(x=slice(20, 22), y=slice(12, 20))
    for word in ("crystallinity", "sharpness", "lattice_order"):
        assert float(inside[word].min()) > 3 * float(outside[word].mean())
    corner = found.isel(y=0, x=-1)
    assert np.isnan(corner.crystallinity)
    assert np.isnan(corner.crystallinity_sd)


def test_sliding_power_of_noise_has_no_bias_and_sums_to_the_variance(oracle):
    rng = np.random.default_rng(3)
    power = sliding_fft(2.0 * rng.normal(size=(400, 400)), 20, step=20, noise=2.0)
    total = power.sum(("frequency_y", "frequency_x")).to_numpy().ravel()
    oracle("power of noise alone", z=total.mean() / (total.std() / np.sqrt(total.size)))
    wave = np.cos(2 * np.pi * np.arange(64) / 8)[None, :] * np.ones((64, 1))
    summed = sliding_fft(wave, 32, step=32).sum(("frequency_y", "frequency_x"))
    oracle("variance of a wave", error=np.abs(summed.to_numpy() - 0.5).max(), bound=0.01)


def test_bad_input_is_one_sentence():
    with pytest.raises(InputError, match="fit into"):
        sliding_fft(np.zeros((20, 20)), 24)
    with pytest.raises(InputError, match="dims"):
        crystallinity_map(xr.DataArray(np.zeros((20, 20)), dims=("a", "b")), 8)
    with pytest.raises(InputError, match="size"):
        crystallinity_map(np.zeros((20, 20)), 4)
