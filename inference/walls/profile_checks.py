"""Whether the pixels around a wall are independent, and what it costs where they are not."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.walls.profile_pixels import WallPixels

__all__ = ["residual_correlation", "variance_factor"]

Floats = NDArray[np.float64]
LARGEST_LAG = 6


def _on_grid(pixels: WallPixels, values: Floats) -> Floats:
    """Lay values of the known pixels out as a picture, 0 elsewhere."""
    columns = np.rint((pixels.x - pixels.x.min()) / pixels.size[0]).astype(int)
    rows = np.rint((pixels.y - pixels.y.min()) / pixels.size[1]).astype(int)
    picture = np.zeros((rows.max() + 1, columns.max() + 1))
    picture[rows, columns] = values
    return picture


def residual_correlation(pixels: WallPixels, residuals: Floats) -> tuple[float, float]:
    """Return the z of the neighbours' correlation along the columns and along the rows."""
    picture = _on_grid(pixels, residuals / residuals.std())
    known = _on_grid(pixels, np.ones(residuals.size))
    found = []
    for axis in (1, 0):
        here, there = np.moveaxis(picture, axis, 0)[1:], np.moveaxis(picture, axis, 0)[:-1]
        pairs = float((np.moveaxis(known, axis, 0)[1:] * np.moveaxis(known, axis, 0)[:-1]).sum())
        found.append(float((here * there).sum()) / np.sqrt(pairs) if pairs else 0.0)
    return found[0], found[1]


def variance_factor(pixels: WallPixels, residuals: Floats, influence: Floats) -> float:
    """Return how much larger the width's variance is than independent residuals would give.

    ``sum_ij I_i R_ij I_j / sum I_i^2`` with the influence I of each pixel on the width and the
    residuals' correlation R at lags of up to 6 pixels, tapered; at least 1.
    """
    from scipy.signal import fftconvolve

    def lags(values: Floats) -> Floats:
        picture = _on_grid(pixels, values)
        full = fftconvolve(picture, picture[::-1, ::-1], mode="full")
        rows, columns = picture.shape
        up, across = min(LARGEST_LAG, rows - 1), min(LARGEST_LAG, columns - 1)
        return np.asarray(full[rows - 1 - up : rows + up, columns - 1 - across : columns + across])

    shared, pairs = lags(residuals), lags(np.ones(residuals.size))
    correlation = shared / np.maximum(pairs, 1.0) / float(np.mean(residuals**2))
    up, across = (np.array(correlation.shape) - 1) // 2
    taper = np.outer(
        1 - np.abs(np.arange(-up, up + 1)) / (LARGEST_LAG + 1),
        1 - np.abs(np.arange(-across, across + 1)) / (LARGEST_LAG + 1),
    )
    weight = lags(influence) / float((influence**2).sum())
    return max(1.0, float((correlation * taper * weight).sum()))
