"""Pictures moved by parts of a pixel without changing their noise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from physlearn.datasets.channels.sinc_kernels import sample_sinc

__all__ = ["blurred", "fourier_shift", "rescaled", "sample_at", "without_gaps"]

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
LEAST_WEIGHT = 0.9
TOUCHED_PX = 3
"""Pixels around a gap that take up what was filled into it."""


def without_gaps(values: Floats) -> tuple[Floats, Flags]:
    """Return the picture with NaN pixels filled from their nearest neighbours, and where."""
    gaps = ~np.isfinite(values)
    if not gaps.any():
        return values, gaps
    near = ndimage.distance_transform_edt(gaps, return_distances=False, return_indices=True)
    return np.asarray(values[tuple(near)]), gaps


def _shift_lines(values: Floats, shift: float) -> Floats:
    """Return lines (n, length) at places moved by ``shift`` pixels, mirrored at their ends."""
    whole = round(shift)
    part = shift - whole
    both = np.concatenate([values, values[:, ::-1]], axis=1)
    if part:
        turn = np.exp(2j * np.pi * np.fft.rfftfreq(both.shape[1]) * part)
        both = np.fft.irfft(np.fft.rfft(both, axis=1) * turn, both.shape[1], axis=1)
    # the second half is no mirror image any more once it has moved; only the first is asked for
    index = np.arange(values.shape[1]) + whole
    return np.asarray(both[:, np.clip(index, 0, values.shape[1] - 1)])


def fourier_shift(values: Floats, dx: float, dy: float) -> Floats:
    """Return the picture at places (x + dx, y + dy); NaN outside and beside NaN pixels.

    A phase in Fourier space keeps size and independence of the pixels' noise.
    """
    filled, gaps = without_gaps(values)
    moved = _shift_lines(filled, dx)
    moved = _shift_lines(np.ascontiguousarray(moved.T), dy).T
    rows, columns = values.shape
    y, x = np.arange(rows) + dy, np.arange(columns) + dx
    outside = ((y < 0) | (y > rows - 1))[:, None] | ((x < 0) | (x > columns - 1))
    if gaps.any():
        wide = ndimage.binary_dilation(gaps, iterations=TOUCHED_PX) if dx % 1 or dy % 1 else gaps
        near_y = np.clip(np.round(y).astype(int), 0, rows - 1)
        near_x = np.clip(np.round(x).astype(int), 0, columns - 1)
        outside = outside | wide[np.ix_(near_y, near_x)]
    return np.asarray(np.where(outside, np.nan, moved), dtype=np.float64)


def sample_at(values: Floats, rows: Floats, columns: Floats) -> Floats:
    """Return the picture at places of any shape by windowed sinc; NaN outside and beside NaN."""
    out = np.empty(rows.size)
    filled, gaps = without_gaps(np.ascontiguousarray(values, dtype=np.float64))
    sample_sinc(
        filled, np.ascontiguousarray(rows, dtype=np.float64).ravel(),
        np.ascontiguousarray(columns, dtype=np.float64).ravel(), out,
    )  # fmt: skip
    result = out.reshape(rows.shape)
    if gaps.any():
        wide = ndimage.binary_dilation(gaps, iterations=TOUCHED_PX).astype(np.float64)
        near = ndimage.map_coordinates(wide, [rows, columns], order=0, mode="nearest")
        result = np.where(near > 0.5, np.nan, result)
    return np.asarray(result)


def blurred(values: Floats, widths: tuple[float, float]) -> Floats:
    """Return the picture blurred by a Gaussian of widths (y, x) in pixels; NaN stay NaN.

    Beside gaps the known pixels alone are averaged; where more than a tenth of the weight is in a
    gap nothing is known.
    """
    gaps = ~np.isfinite(values)
    if not gaps.any():
        return np.asarray(ndimage.gaussian_filter(values, widths, mode="reflect"))
    level = float(values[~gaps].mean()) if not gaps.all() else 0.0
    left = ndimage.gaussian_filter(np.where(gaps, 0.0, values - level), widths, mode="reflect")
    weight = ndimage.gaussian_filter((~gaps).astype(np.float64), widths, mode="reflect")
    lost = gaps | (weight < LEAST_WEIGHT)
    return np.asarray(np.where(lost, np.nan, level + left / np.maximum(weight, LEAST_WEIGHT)))


def rescaled(values: Floats, ratio: tuple[float, float], shape: tuple[int, int]) -> Floats:
    """Return the picture on a grid whose steps (y, x) are ``ratio`` times its own.

    Finer structure than the new grid can hold is first averaged over the new pixel.
    """
    filled, gaps = without_gaps(values)
    smooth = filled
    for axis, each in enumerate(ratio):
        if each > 1.0 + 1e-9:
            smooth = _averaged(smooth, each, axis)
    grid = np.indices(shape, dtype=np.float64)
    rows, columns = grid[0] * ratio[0], grid[1] * ratio[1]
    smooth = np.where(gaps, np.nan, smooth) if gaps.any() else smooth
    return sample_at(smooth, rows, columns)


def _averaged(values: Floats, width: float, axis: int) -> Floats:
    """Return the mean over ``width`` pixels (not whole) around each, along one axis."""
    half = 0.5 * width
    most = int(np.ceil(half + 0.5)) - 1
    lags = np.arange(-most, most + 1)
    weights = np.clip(np.minimum(lags + 0.5, half) - np.maximum(lags - 0.5, -half), 0.0, None)
    return np.asarray(
        ndimage.convolve1d(values, weights / weights.sum(), axis=axis, mode="reflect")
    )
