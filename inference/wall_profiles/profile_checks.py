"""Whether the pixels around a wall are independent, and what it costs where they are not."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.wall_profiles.profile_pixels import WallPixels

__all__ = ["residual_correlation", "variance_factor"]

Floats = NDArray[np.float64]
CLEAR = 2.0
"""Correlation of residuals, in standard errors, that counts."""
FEWEST_PAIRS = 0.2


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
    """Return how much larger a number's variance is than independent residuals would give.

    ``sum_ij I_i R_ij I_j / sum I_i^2`` with the influence I of each pixel on the number and the
    residuals' correlation R, summed whole as far as neighbours along an axis agree and tapered to
    twice that; at least 1.
    """
    from scipy.signal import fftconvolve

    def lags(values: Floats) -> Floats:
        picture = _on_grid(pixels, values)
        return np.asarray(fftconvolve(picture, picture[::-1, ::-1], mode="full"))

    shared, pairs = lags(residuals), np.maximum(lags(np.ones(residuals.size)), 1.0)
    correlation = shared / pairs / float(np.mean(residuals**2))
    up, across = (np.array(correlation.shape) - 1) // 2
    taper = np.outer(
        _taper(correlation[:, across], pairs[:, across]), _taper(correlation[up], pairs[up])
    )
    weight = lags(influence) / float((influence**2).sum())
    return max(1.0, float((correlation * taper * weight).sum()))


def _taper(correlation: Floats, pairs: Floats) -> Floats:
    """Return 1 up to the lag L where the correlation is lost in its noise, 0 from 2 L on."""
    middle = (correlation.size - 1) // 2
    clear = correlation[middle:] > CLEAR / np.sqrt(pairs[middle:])
    # the last few lags have too few pairs to say anything
    clear[pairs[middle:] < FEWEST_PAIRS * pairs[middle]] = True
    lost = np.flatnonzero(~clear)
    reach = max(int(lost[0]) if lost.size else middle, 1)
    away = np.abs(np.arange(correlation.size) - middle)
    return np.asarray(np.clip(2 - away / reach, 0.0, 1.0))
