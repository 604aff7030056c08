"""Sources of components as one table."""

import numpy as np
import pytest
import xarray as xr

from physlearn.datasets.components.prepared_table import prepare_table


@pytest.mark.parametrize("turned", ["y", "x"])
def test_a_coordinate_that_falls_gives_the_same_patches(turned):
    values = np.random.default_rng(1).normal(size=(6, 5, 4))
    axes = {"y": 2.0 * np.arange(6), "x": 3.0 * np.arange(5), "bias": np.arange(4.0)}
    stack = xr.DataArray(values, axes, ("y", "x", "bias"))
    plain, falling = (
        prepare_table(stack),
        prepare_table(stack.isel({turned: slice(None, None, -1)})),
    )
    # a size of -1 gave blocks that are too small
    assert plain.patch_size == falling.patch_size == 2.0
    order = [np.lexsort(each.centers.T) for each in (plain, falling)]
    np.testing.assert_array_equal(plain.centers[order[0]], falling.centers[order[1]])
