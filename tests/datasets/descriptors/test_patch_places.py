"""Patches lie where they should, and hold each point once."""

import numpy as np
import pytest
import xarray as xr

from physlearn.checks import InputError
from physlearn.datasets.channels.axis_frame import axis_frame
from physlearn.datasets.descriptors.column_block import ColumnBlock
from physlearn.datasets.descriptors.patch_places import grid_places


def test_touching_patches_share_no_point_and_lose_none():
    places = grid_places([-0.5, -0.5], [47.5, 31.5], 8.0)
    y, x = np.mgrid[:32, :48]
    patch, point = places.members(np.stack([x.ravel(), y.ravel()], axis=1).astype(float))
    assert places.shape == (4, 6)
    assert np.array_equal(np.sort(point), np.arange(32 * 48))
    assert np.all(np.bincount(patch, minlength=places.n) == 64)


def test_windows_hold_the_same_pixels_as_members():
    channel = xr.DataArray(
        np.zeros((40, 30)), dims=("y", "x"), coords={"y": 0.1 * np.arange(40), "x": np.arange(30)}
    )
    frame = axis_frame("a", channel)
    places = grid_places([-0.5, -0.05], [29.5, 3.95], 1.0, overlap=0.25)
    first, (rows, columns) = places.windows(frame)
    y, x = np.mgrid[:40, :30]
    points = np.stack([x.ravel() * frame.step[0], y.ravel() * frame.step[1]], axis=1)
    patch, point = places.members(points)
    for k in range(places.n):
        own = point[patch == k]
        assert (own // 30).min() == first[k, 0]
        assert (own % 30).min() == first[k, 1]
        assert len(own) == rows * columns
    assert places.inside(frame).all()


def test_overlap_is_the_shared_share():
    places = grid_places([0, 0], [100, 100], 20.0, overlap=0.75)
    assert np.allclose(np.diff(np.unique(places.centers[:, 0])), 5.0)
    with pytest.raises(InputError, match="overlap must be"):
        grid_places([0, 0], [10, 10], 2.0, overlap=1.0)
    with pytest.raises(InputError, match="too large"):
        grid_places([0, 0], [10, 10], 9.0)


def test_a_block_checks_its_shapes():
    with pytest.raises(ValueError, match="holds values of shape"):
        ColumnBlock(("a", "b"), np.zeros((3, 1)), (0, 0), ("1", "1"))
    with pytest.raises(ValueError, match="covariances"):
        ColumnBlock(("a",), np.zeros((3, 1)), (0,), ("1",), np.zeros((2, 1, 1)))
