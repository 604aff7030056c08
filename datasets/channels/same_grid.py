"""Channels of different pixel size brought onto one grid."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy import signal

from physlearn.checks import InputError, NotIdentified
from physlearn.datasets.channels.axis_frame import axis_frame
from physlearn.datasets.channels.resample import rescaled, without_gaps
from physlearn.datasets.channels.scan_units import unit_factor

__all__ = ["common_cut", "on_grid_of", "pixel_ratio", "plain_picture", "same_step"]

Floats = NDArray[np.float64]
SAME_STEP = 1e-3
LEAST_LIKENESS = 0.2
LEAST_PX = 32


def on_grid_of(name: str, first: xr.DataArray, second: xr.DataArray) -> tuple[xr.DataArray, bool]:
    """Return the second picture with the first's steps and shape, and whether nothing was done.

    A smaller field is found in the larger by its correlation and padded with NaN to its place.
    """
    one, two = axis_frame(name, first), axis_frame(name, second)
    if one.unit != two.unit:
        raise InputError(
            f"channel {name} is in {one.unit} in the first scan and in {two.unit} in the second: "
            "give both coordinates of one unit."
        )
    ratio = (one.step[1] / two.step[1], one.step[0] / two.step[0])
    if max(abs(each - 1.0) for each in ratio) < SAME_STEP and one.shape == two.shape:
        return second, True
    if set(second.dims) != {"y", "x"}:
        raise InputError(f"channel {name} must have one shape in both scans; got other dims too.")
    values = np.asarray(second.transpose("y", "x").to_numpy(), dtype=np.float64)
    own = tuple(
        int(np.floor((length - 1) / each + 1e-9)) + 1
        for length, each in zip(two.shape, ratio, strict=True)
    )
    if max(abs(each - 1.0) for each in ratio) >= SAME_STEP:
        values = rescaled(values, ratio, (own[0], own[1]))
    row, column = _place(name, np.asarray(first.transpose("y", "x").to_numpy(), float), values)
    out = np.full(one.shape, np.nan)
    low = (max(row, 0), max(column, 0))
    high = (min(row + values.shape[0], one.shape[0]), min(column + values.shape[1], one.shape[1]))
    out[low[0] : high[0], low[1] : high[1]] = values[
        low[0] - row : high[0] - row, low[1] - column : high[1] - column
    ]
    moved = first.transpose("y", "x").copy(data=out).assign_attrs(second.attrs)
    return moved, False


def common_cut(
    name: str, first: xr.DataArray, second: xr.DataArray, place: tuple[int, int] | None = None
) -> tuple[xr.DataArray, xr.DataArray, tuple[int, int]]:
    """Return what two scans of one pixel size and different shape share, on the first's grid.

    Where the second lies is found by its correlation unless ``place`` (row, column) says it.
    """
    one, two = first.transpose(..., "y", "x"), second.transpose(..., "y", "x")
    if place is None:
        middle = (_middle(each) for each in (one, two))
        place = _place(name, *middle)
    parts: tuple[dict[str, slice], dict[str, slice]] = ({}, {})
    for dim, start in zip(("y", "x"), place, strict=True):
        low, high = max(start, 0), min(start + two.sizes[dim], one.sizes[dim])
        parts[0][dim], parts[1][dim] = slice(low, high), slice(low - start, high - start)
    kept = one.isel(parts[0])
    axes = {dim: kept.coords[dim] for dim in ("y", "x") if dim in kept.coords}
    cut = two.isel(parts[1]).drop_vars(("y", "x"), errors="ignore").assign_coords(axes)
    return kept, cut, place


def _middle(channel: xr.DataArray) -> Floats:
    """Return one picture (y, x) of a channel: the mean over what else it has."""
    others = [dim for dim in channel.dims if dim not in ("y", "x")]
    flat = channel.mean(others) if others else channel
    return np.asarray(flat.to_numpy(), dtype=np.float64)


def same_step(name: str, first: xr.DataArray, second: xr.DataArray) -> bool:
    """Return whether two scans have pixels of one size."""
    one, two = axis_frame(name, first), axis_frame(name, second)
    pairs = zip(one.step, two.step, strict=True)
    return one.unit == two.unit and all(abs(a / b - 1.0) < SAME_STEP for a, b in pairs)


def pixel_ratio(channel: xr.DataArray, like: xr.DataArray | xr.Dataset) -> float | None:
    """Return how much larger a channel's pixels are, None where a file states no size."""
    steps = []
    for given in (channel, like):
        if "x" not in given.coords or given.sizes["x"] < 2:
            return None
        factor = unit_factor(str(given.coords["x"].attrs.get("units", "pixel")), "m")
        if factor is None:
            return None
        values = given.coords["x"].to_numpy()
        steps.append(factor * float(values[-1] - values[0]) / (len(values) - 1))
    return steps[0] / steps[1]


def _place(name: str, larger: Floats, smaller: Floats) -> tuple[int, int]:
    """Return the first row and column of the second picture in the first one's pixels."""
    if larger.shape == smaller.shape:
        return 0, 0
    one, two = plain_picture(larger), plain_picture(smaller)
    if any(a > b for a, b in zip(two.shape, one.shape, strict=True)):
        if any(a < b for a, b in zip(two.shape, one.shape, strict=True)):
            raise InputError(
                f"channel {name}: of two scans of different size one must hold the other; got "
                f"{larger.shape} and {smaller.shape} pixels of the first's size."
            )
        score = _likeness(two, one)
        sign = -1
    else:
        score, sign = _likeness(one, two), 1
    if min(smaller.shape) < LEAST_PX or float(score.max()) < LEAST_LIKENESS:
        raise NotIdentified(
            f"channel {name}: the second scan is not found in the first (best correlation "
            f"{float(score.max()):.2f}, {smaller.shape} pixels): they may not overlap."
        )
    row, column = np.unravel_index(int(np.argmax(score)), score.shape)
    return sign * int(row), sign * int(column)


def _likeness(larger: Floats, smaller: Floats) -> Floats:
    """Return the correlation of the smaller picture with each place in the larger."""
    from skimage.feature import match_template

    score: Floats = match_template(larger, smaller)  # type: ignore[no-untyped-call]
    return score


def plain_picture(values: Floats) -> Floats:
    """Return a picture without gaps and without its plane, at unit spread."""
    filled, _ = without_gaps(values)
    level = signal.detrend(signal.detrend(filled, axis=0), axis=1)
    # some correlation code takes small numbers (metres) for nothing
    return np.asarray(level / max(float(level.std()), 1e-300))
