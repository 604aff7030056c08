"""Folds of blocks: nothing learned from lies beside what is held out."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy import ndimage

from physlearn.checks import InputError
from physlearn.datasets import block_folds
from physlearn.records import PatchTable


def smooth_table(length, seed=0, n=40, overlap=0.0, times=None, noise=0.0):
    random = np.random.default_rng(seed)
    field = random.normal(size=(3, n, n))
    if length:
        field = ndimage.gaussian_filter(field, (0, length, length), mode="wrap")
    field = field / field.std(axis=(1, 2), keepdims=True) + noise * random.normal(size=field.shape)
    y, x = np.mgrid[:n, :n].reshape(2, -1) * 8.0
    frame = pd.DataFrame(field.reshape(3, -1).T, columns=list("abc"))
    return PatchTable.from_frame(
        frame, np.stack([x, y], axis=1), 8.0 / (1 - overlap), overlap=overlap
    )


def test_every_patch_is_held_out_once_in_whole_blocks():
    folds = block_folds(smooth_table(1), rng=0)
    held = np.concatenate([each for _, each in folds.split()])
    assert np.array_equal(np.sort(held), np.arange(1600))
    for block in np.unique(folds.block):
        assert len(np.unique(folds.fold[folds.block == block])) == 1


@pytest.mark.parametrize("overlap", [0.0, 0.5])
def test_no_patch_that_shares_pixels_or_lies_in_the_gap_is_learned_from(overlap):
    table = smooth_table(2, overlap=overlap)
    folds = block_folds(table, rng=0)
    for learned, held in folds.split():
        apart = np.abs(table.centers[learned][:, None] - table.centers[held][None]).max(axis=2)
        assert apart.min() >= folds.gap * (1 - 1e-6)
        assert apart.min() >= table.patch_size * (1 - 1e-6)


@pytest.mark.parametrize("length", [1.0, 2.0, 3.0])
def test_correlation_length_is_that_of_the_field(length, oracle):
    # a field smoothed by a Gaussian of sd L has correlation exp(-r^2 / 4 L^2); from next
    # neighbours (r = 1) it falls by e at sqrt(4 L^2 + 1)
    found = [
        block_folds(smooth_table(length, seed, noise=1.0), rng=0).correlation_length / 8.0
        for seed in range(6)
    ]
    # a picture of 40 patches takes the longest waves off with its mean: some per cent shorter
    true = np.sqrt(4 * length**2 + 1)
    oracle(f"correlation length {length}", error=np.mean(found) / true - 1, bound=0.12)


def test_independent_patches_make_small_blocks():
    folds = block_folds(smooth_table(0), rng=0)
    assert folds.correlation_length == 0.0
    assert folds.block.max() + 1 == 1600


def test_a_field_alike_everywhere_is_said_so():
    folds = block_folds(smooth_table(10), rng=0)
    assert any("not quite independent" in each for each in folds.warnings)


def test_frames_are_divided_along_time_too_where_there_are_enough():
    random = np.random.default_rng(0)
    y, x = np.mgrid[:6, :6].reshape(2, -1) * 1.0
    centers = np.tile(np.stack([x, y], axis=1), (30, 1))
    frames = np.repeat(np.arange(30.0), 36)
    table = PatchTable.from_frame(
        pd.DataFrame({"a": random.normal(size=1080)}), centers, 1.0,
        covariates=pd.DataFrame({"frame": frames}),
    )  # fmt: skip
    folds = block_folds(table, rng=0, block_length=3.0, gap=2.0)
    assert folds.block_duration == 1.0
    # one place in next frames may be in two folds, but is not learned from
    for learned, held in folds.split():
        near = np.abs(frames[learned][:, None] - frames[held][None]) < folds.gap_duration
        close = np.abs(centers[learned][:, None] - centers[held][None]).max(axis=2) < 2.0
        assert not (near & close).any()


def test_repeated_rows_are_never_on_both_sides():
    table = smooth_table(0)
    frame = table.frame.copy()
    frame.iloc[1599] = frame.iloc[0]
    again = PatchTable.from_frame(frame, table.centers, 8.0)
    for learned, _ in block_folds(again, rng=0).split():
        assert (0 in learned) == (1599 in learned)


def test_works_as_splitter_of_scikit_learn():
    from sklearn.linear_model import Ridge
    from sklearn.model_selection import cross_val_score

    table = smooth_table(1)
    values = table.frame.to_numpy()
    scores = cross_val_score(Ridge(), values[:, :2], values[:, 2], cv=block_folds(table, 4, rng=0))
    assert len(scores) == 4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_folds": 1}, "n_folds must be"),
        ({"block_length": 400.0}, "number of blocks"),
        ({"gap": 1000.0}, "nothing to learn from"),
    ],
)
def test_bad_choices_get_a_sentence(options, message):
    with pytest.raises(InputError, match=message):
        block_folds(smooth_table(1), rng=0, **options)


@pytest.mark.parametrize("smoothed", [0.0, 2.0])
def test_a_coordinate_may_fall(smoothed):
    cube = np.random.default_rng(1).normal(size=(24, 24, 10))
    if smoothed:
        cube = ndimage.gaussian_filter(cube, (smoothed, smoothed, 0))
    found = []
    for sign in (1, -1):
        along = {name: 0.5 * np.arange(24.0)[::sign] for name in "yx"}
        stack = xr.DataArray(cube, dims=("y", "x", "energy"), coords=along)
        folds = block_folds(stack, rng=0)
        found.append((folds.block_length, folds.gap, folds.correlation_length, folds.warnings))
    assert found[0] == found[1]
