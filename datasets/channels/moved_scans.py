"""A second scan brought onto the first one's pixels, with its gaps."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy import ndimage

from physlearn.datasets.channels.angles import angle_period
from physlearn.datasets.channels.axis_frame import AxisFrame, axis_frame
from physlearn.datasets.channels.resample import fourier_shift, sample_at, without_gaps
from physlearn.datasets.scan.register_images import Registration

__all__ = ["filled_from", "moved_scan", "seen_bounds"]

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
GAP_WEIGHT = 0.3
"""A pixel with more of a gap in it than this is a gap."""


def moved_scan(
    name: str, one: xr.DataArray, two: xr.DataArray, registration: Registration, model: str
) -> tuple[xr.DataArray, Flags]:
    """Return one channel of the second scan on the first's grid, and where it was seen."""
    frame, other = axis_frame(name, one), axis_frame(name, two)
    one, two = one.transpose(..., "y", "x"), two.transpose(..., "y", "x")
    rows, columns = _places(frame, other, registration)
    values = np.asarray(two.to_numpy(), dtype=np.float64)
    flat = values.reshape(-1, *values.shape[-2:])
    alike = np.asarray(one.to_numpy(), dtype=np.float64).reshape(-1, *frame.shape)
    out = np.empty((len(flat), *frame.shape))
    for number, part in enumerate(flat):
        shift = (float(columns[0, 0]), float(rows[0, 0]))
        period = angle_period(two)
        if model == "shift" and period is None and not np.isfinite(part).all():
            filled = filled_from(part, alike[number], shift)
            out[number] = fourier_shift(filled, *shift)
            gaps = (~np.isfinite(part)).astype(np.float64)
            lost = ndimage.map_coordinates(gaps, [rows, columns], order=1, mode="nearest")
            out[number][lost > GAP_WEIGHT] = np.nan
        else:
            out[number] = _sampled(part, rows, columns, model, period)
    inside = (rows >= 0) & (rows <= other.shape[0] - 1)
    inside &= (columns >= 0) & (columns <= other.shape[1] - 1)
    if not np.isfinite(_plane(two)).all():
        # a smaller field ends inside the grid; single gaps stay gaps
        seen = np.zeros(other.shape, dtype=np.bool_)
        bounds = seen_bounds(two)
        seen[bounds["y"], bounds["x"]] = True
        near_y = np.clip(np.round(rows).astype(int), 0, other.shape[0] - 1)
        near_x = np.clip(np.round(columns).astype(int), 0, other.shape[1] - 1)
        inside &= seen[near_y, near_x]
    return one.copy(data=out.reshape(one.shape)).assign_attrs(two.attrs), inside


def _sampled(
    values: Floats, rows: Floats, columns: Floats, model: str, period: float | None
) -> Floats:
    """Return a picture at places; an angle by its direction."""
    if period is not None:
        turn = 2.0 * np.pi / period
        parts = [
            _sampled(part(values * turn), rows, columns, model, None) for part in (np.cos, np.sin)
        ]
        turned = np.arctan2(parts[1], parts[0]) / turn
        low = float(np.nanmin(values)) if np.isfinite(values).any() else 0.0
        return np.asarray(low + np.mod(turned - low, period))
    if model == "shift":
        return fourier_shift(values, float(columns[0, 0]), float(rows[0, 0]))
    return sample_at(values, rows, columns)


def filled_from(values: Floats, other: Floats, shift: tuple[float, float]) -> Floats:
    """Return a picture whose gaps hold what another scan shows there, at its own gain and level.

    ``shift`` (x, y): the other's pixels lie at ``pixel + shift`` of this one. Gaps of both are
    filled from their nearest pixels, so that interpolation finds no steps.
    """
    gaps = ~np.isfinite(values)
    nearest = without_gaps(values)[0]
    if values.shape != other.shape:
        return nearest
    there = fourier_shift(without_gaps(other)[0], -shift[0], -shift[1])
    both = np.isfinite(there) & ~gaps
    if both.sum() < 2 or not np.ptp(there[both]) > 0:
        return nearest
    slope, level = np.polyfit(there[both], values[both], 1)
    return np.asarray(np.where(gaps & np.isfinite(there), level + slope * there, nearest))


def seen_bounds(channel: xr.DataArray) -> dict[str, slice]:
    """Return the rows and columns in which a smaller field lies that was brought onto this grid."""
    finite = np.isfinite(_plane(channel))
    if float(finite.mean()) > 0.9:
        return {"y": slice(None), "x": slice(None)}
    rows, columns = (np.flatnonzero(finite.mean(axis=axis) > 0.1) for axis in (1, 0))
    if not len(rows) or not len(columns):
        return {"y": slice(None), "x": slice(None)}
    return {"y": slice(rows[0], rows[-1] + 1), "x": slice(columns[0], columns[-1] + 1)}


def _plane(channel: xr.DataArray) -> Floats:
    """Return the picture (y, x) of a channel: the mean over what else it has."""
    others = [dim for dim in channel.dims if dim not in ("y", "x")]
    flat = channel.mean(others) if others else channel
    return np.asarray(flat.transpose("y", "x").to_numpy(), dtype=np.float64)


def _places(
    frame: AxisFrame, other: AxisFrame, registration: Registration
) -> tuple[Floats, Floats]:
    """Return where the first scan's pixels lie in the second: rows and columns of its pixels."""
    grid = np.indices(frame.shape, dtype=np.float64)
    points = np.stack(
        [frame.start[0] + frame.step[0] * grid[1].ravel(),
         frame.start[1] + frame.step[1] * grid[0].ravel()], axis=1,
    )  # fmt: skip
    there = (registration.apply(points) - np.array(other.start)) / np.array(other.step)
    # whole pixels stay whole
    near = np.round(there)
    there = np.where(np.abs(there - near) < 1e-9, near, there)
    return there[:, 1].reshape(frame.shape), there[:, 0].reshape(frame.shape)
