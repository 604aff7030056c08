"""A picture of samples on no grid, which says of each pixel whether it was measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from physlearn.checks import InputError, check_choice, check_positive
from physlearn.datasets.reading.file_checks import check_memory
from physlearn.records.atoms import LENGTH_UNITS

__all__ = ["grid_scan_points"]

MEASURED, BETWEEN, OUTSIDE = 0, 1, 2
SMALLEST_EDGE = 16
COPIES_HELD = 8


def grid_scan_points(
    points: xr.Dataset, pixel_size: float, *, value: str | None = None
) -> xr.Dataset:
    """Turn samples on no grid into a picture, and say which pixels were measured.

    A pixel that holds samples gets their mean; one between samples is interpolated linearly over
    the triangles of the pixels that hold some; one outside of the scanned region gets the nearest.

    Parameters
    ----------
    points
        What ``read_scan_points`` gives: variables x, y, a value, and perhaps time, dim sample.
    pixel_size
        Edge of a pixel in the unit of x and y.
    value
        Which variable; None takes the only one.

    Returns
    -------
    xarray.Dataset
        Dims (y, x): ``image`` (attributes as in ``read_image``); ``n_samples``, the samples that a
        pixel averages (noise falls with their number); ``filled``: 0 measured, 1 interpolated
        between samples, 2 outside of the scan; ``time``, the mean time of a pixel's samples in s
        (NaN where there is none), when times are known. Give ``filled == 0`` as the mask of a fit:
        only those pixels carry information.

    Raises
    ------
    InputError
        For another value, or a grid below 16 x 16 pixels or too large for the memory.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x, y = rng.uniform(0, 20, (2, 3000))
    >>> points = xr.Dataset({n: ("sample", v) for n, v in {"x": x, "y": y, "z": x}.items()})
    >>> grid = grid_scan_points(points, 1.0)
    >>> grid.image.shape, float(abs(grid.image - grid.image.x).max()) < 0.6
    ((20, 20), True)
    """
    check_positive("pixel_size", pixel_size)
    x, y, name, unit = _samples(points, value)
    start = np.array([x.min(), y.min()])
    counts = [int(np.ceil((np.ptp(axis)) / pixel_size)) for axis in (x, y)]
    if min(counts) < SMALLEST_EDGE:
        raise InputError(
            f"pixel_size must leave a picture of at least {SMALLEST_EDGE} x {SMALLEST_EDGE} "
            f"pixels; {pixel_size:g} gives {counts[1]} x {counts[0]}."
        )
    n_x, n_y = counts
    source = str(points.attrs.get("source", "points"))
    check_memory(Path(source), (n_y, n_x), COPIES_HELD)
    column = np.minimum(((x - start[0]) / pixel_size).astype(np.int64), n_x - 1)
    row = np.minimum(((y - start[1]) / pixel_size).astype(np.int64), n_y - 1)
    place = row * n_x + column
    number = np.bincount(place, minlength=n_x * n_y)
    values, filled = _fill(
        place, number, points[name].to_numpy(), (x - start[0]) / pixel_size - 0.5,
        (y - start[1]) / pixel_size - 0.5, (n_y, n_x),
    )  # fmt: skip
    shares = np.bincount(filled.ravel(), minlength=3) / filled.size
    note = (
        f"{source} was put on a grid of {n_y} x {n_x} pixels of {pixel_size:g} {unit}: "
        f"{100 * shares[MEASURED]:.1f} % of the pixels hold samples, {100 * shares[BETWEEN]:.1f} % "
        f"were interpolated between samples, {100 * shares[OUTSIDE]:.1f} % lie outside of the scan "
        "and hold the nearest value."
    )
    said = points.attrs.get("warnings", ())
    notes = (*((said,) if isinstance(said, str) else tuple(said)), note)
    dims = ("y", "x")
    found: dict[str, Any] = {
        "image": (dims, values, {**points.attrs, "channel": name, "counts": "unknown",
                                 "source": source, "warnings": notes}),
        "n_samples": (dims, number.reshape(n_y, n_x)),
        "filled": (dims, filled),
    }  # fmt: skip
    if "time" in points:
        with np.errstate(invalid="ignore"):
            mean = np.bincount(place, points["time"].to_numpy(), n_x * n_y) / number
        found["time"] = (dims, mean.reshape(n_y, n_x), {"units": "s"})
    coords = {
        "y": ("y", start[1] + pixel_size * (np.arange(n_y) + 0.5), {"units": unit}),
        "x": ("x", start[0] + pixel_size * (np.arange(n_x) + 0.5), {"units": unit}),
    }
    return xr.Dataset(found, coords=coords, attrs={"source": source, "warnings": notes})


def _samples(
    points: xr.Dataset, value: str | None
) -> tuple[NDArray[np.float64], NDArray[np.float64], str, str]:
    """Return x, y, the value's name and the unit of length."""
    if not isinstance(points, xr.Dataset) or not {"x", "y"} <= set(points):
        raise InputError(
            "points must be a dataset with variables x, y and a value (read_scan_points); got "
            f"{type(points).__name__}."
        )
    names = [str(one) for one in points.data_vars if one not in ("x", "y", "time")]
    if value is None and len(names) != 1:
        raise InputError(f"value must name one of {', '.join(names) or 'no variable'}.")
    name = names[0] if value is None else check_choice("value", value, names)
    unit = str(points["x"].attrs.get("units", "pixel"))
    return (
        points["x"].to_numpy().astype(np.float64), points["y"].to_numpy().astype(np.float64),
        name, check_choice("the unit of points", unit, LENGTH_UNITS),
    )  # fmt: skip


def _fill(
    place: NDArray[np.int64], number: NDArray[np.int64], value: NDArray[np.float64],
    x: NDArray[np.float64], y: NDArray[np.float64], shape: tuple[int, int],
) -> tuple[NDArray[np.float64], NDArray[np.int8]]:  # fmt: skip
    """Return the picture and how each pixel came by its value; x and y in pixels."""
    from scipy.interpolate import LinearNDInterpolator, NearestNDInterpolator

    size = shape[0] * shape[1]
    held = np.flatnonzero(number)
    sums = [np.bincount(place, one, size)[held] / number[held] for one in (value, x, y)]
    values = np.zeros(size)
    values[held] = sums[0]
    filled = np.full(size, MEASURED, np.int8)
    empty = np.flatnonzero(number == 0)
    if empty.size:
        sites = np.stack(sums[1:], axis=1)
        where = np.stack([empty % shape[1], empty // shape[1]], axis=1).astype(np.float64)
        between = LinearNDInterpolator(sites, sums[0])(where)
        outside = np.isnan(between)
        if outside.any():
            between[outside] = NearestNDInterpolator(sites, sums[0])(where[outside])
        values[empty] = between
        filled[empty] = np.where(outside, OUTSIDE, BETWEEN)
    return values.reshape(shape), filled.reshape(shape)
