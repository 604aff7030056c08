"""Spectra of pixels as one matrix, and maps of what was measured on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from physlearn.checks import InputError

__all__ = ["PixelSpectra", "maps_of", "median_of_known", "pixel_spectra"]

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

PLACES = ("y", "x", "pixel")
"""Dimensions that say where a spectrum was taken; any other one runs along the spectrum."""


@dataclass(frozen=True, slots=True, eq=False)
class PixelSpectra:
    """Spectra of pixels.

    Attributes
    ----------
    values
        Shape (n_pixels, n_points), float64 or complex128; NaN where a point is missing.
    axis
        Shape (n_points,): voltage, frequency or energy.
    dim, axis_unit, unit
        Name and unit of the axis, unit of the values.
    dims, shape
        Dimensions and lengths of the map of pixels; both empty for one spectrum.
    coords
        Coordinates of the map.
    """

    values: NDArray[Any]
    axis: Floats
    dim: str
    axis_unit: str
    unit: str
    dims: tuple[str, ...]
    shape: tuple[int, ...]
    coords: Mapping[str, xr.DataArray]

    @property
    def n(self) -> int:
        """Number of spectra."""
        return len(self.values)


def pixel_spectra(name: str, spectra: xr.DataArray, *, least: int = 4) -> PixelSpectra:
    """Return spectra (y, x, axis), (pixel, axis) or (axis,) as a matrix.

    Raises
    ------
    InputError
        Without exactly one spectral dimension, its coordinate, or ``least`` points along it.
    """
    if not isinstance(spectra, xr.DataArray):
        raise InputError(
            f"{name} must be a DataArray (y, x, axis) with the axis as coordinate, as "
            f"read_channels gives it; got {type(spectra).__name__}."
        )
    places = tuple(str(dim) for dim in spectra.dims if dim in PLACES)
    along = [str(dim) for dim in spectra.dims if dim not in PLACES]
    if len(along) != 1 or set(places) not in ({"y", "x"}, {"pixel"}, set()):
        raise InputError(
            f"{name} must have the dimensions (y, x, axis), (pixel, axis) or (axis,); "
            f"got {tuple(map(str, spectra.dims))}."
        )
    dim = along[0]
    if dim not in spectra.coords:
        raise InputError(f"{name} needs its coordinate {dim} (voltage, frequency or energy).")
    axis = np.asarray(spectra.coords[dim].to_numpy(), dtype=np.float64)
    if len(axis) < least or not np.isfinite(axis).all():
        raise InputError(
            f"{name} needs at least {least} points with finite {dim}; got {len(axis)} points, "
            f"{np.count_nonzero(~np.isfinite(axis))} of them without."
        )
    dims = ("y", "x") if len(places) == 2 else places
    values = spectra.transpose(*dims, dim).to_numpy()
    if values.dtype.kind not in "biufc":
        raise InputError(f"{name} must hold numbers, got dtype {values.dtype}.")
    kind = np.complex128 if values.dtype.kind == "c" else np.float64
    shape = values.shape[:-1]
    matrix = np.array(values.reshape(-1, len(axis)), dtype=kind)
    matrix[~np.isfinite(matrix)] = np.nan
    coords = {each: spectra.coords[each] for each in dims if each in spectra.coords}
    return PixelSpectra(
        matrix, axis, dim, str(spectra.coords[dim].attrs.get("units", "1")),
        str(spectra.attrs.get("units", "1")), dims, shape, coords,
    )  # fmt: skip


def median_of_known(values: Floats, axis: int) -> Floats:
    """Return the median of the numbers that are not NaN; NaN where there is none."""
    ordered = np.sort(values, axis=axis)
    number = np.count_nonzero(~np.isnan(values), axis=axis)
    slots = [np.expand_dims(np.maximum(number - k, 0) // 2, axis) for k in (1, 0)]
    low, high = (
        np.take_along_axis(ordered, np.minimum(slot, values.shape[axis] - 1), axis=axis)
        for slot in slots
    )
    median = 0.5 * (low + high).squeeze(axis)
    return np.asarray(np.where(number > 0, median, np.nan))


def maps_of(
    pixels: PixelSpectra,
    names: Sequence[str],
    units: Sequence[str],
    values: Floats,
    covariance: Floats,
    reasons: Sequence[str],
    why: NDArray[np.integer[Any]],
    attrs: Mapping[str, Any],
) -> xr.Dataset:
    """Return a map of each column and of its standard error, ``covariance`` and ``reason``.

    ``why`` numbers the reason why a pixel was given up (0: it was not); such a pixel is NaN.
    """
    bad = why != 0
    values = np.where(bad[:, None], np.nan, values)
    covariance = np.where(bad[:, None, None], np.nan, covariance)
    dims, shape = pixels.dims, pixels.shape
    result = xr.Dataset(coords=dict(pixels.coords), attrs=dict(attrs))
    for k, (name, unit) in enumerate(zip(names, units, strict=True)):
        result[name] = (dims, values[:, k].reshape(shape), {"units": unit})
        with np.errstate(invalid="ignore"):
            sd = np.sqrt(covariance[:, k, k])
        result[f"{name}_sd"] = (dims, sd.reshape(shape), {"units": unit})
    result["covariance"] = (
        (*dims, "column", "column_2"), covariance.reshape(*shape, len(names), len(names))
    )  # fmt: skip
    result = result.assign_coords(column=list(names), column_2=list(names))
    meaning = {str(number): text for number, text in enumerate(reasons)}
    result["reason"] = (dims, why.reshape(shape).astype(np.int64), meaning)
    return result
