"""Spectra as matrices: what is taken and what is refused."""

import numpy as np
import pytest
import xarray as xr

from physlearn.checks import InputError
from physlearn.datasets.spectra.pixel_spectra import pixel_spectra


def test_order_of_dimensions_does_not_matter():
    values = np.arange(24.0).reshape(2, 3, 4)
    plain = xr.DataArray(values, {"bias": np.arange(4.0)}, ("y", "x", "bias"))
    turned = plain.transpose("bias", "x", "y")
    for each in (plain, turned):
        pixels = pixel_spectra("spectra", each)
        assert (pixels.shape, pixels.dims, pixels.dim) == ((2, 3), ("y", "x"), "bias")
        np.testing.assert_array_equal(pixels.values, values.reshape(6, 4))


def test_bad_input_gets_one_sentence():
    bias = {"bias": np.arange(4.0)}
    with pytest.raises(InputError, match="must have the dimensions"):
        pixel_spectra("spectra", xr.DataArray(np.zeros((2, 2, 2)), dims=("time", "x", "bias")))
    with pytest.raises(InputError, match="needs its coordinate bias"):
        pixel_spectra("spectra", xr.DataArray(np.zeros((2, 4)), dims=("pixel", "bias")))
    with pytest.raises(InputError, match="at least 8 points"):
        pixel_spectra("spectra", xr.DataArray(np.zeros(4), bias, ("bias",)), least=8)
    with pytest.raises(InputError, match="must hold numbers"):
        pixel_spectra("spectra", xr.DataArray(np.array(list("abcd")), bias, ("bias",)))
