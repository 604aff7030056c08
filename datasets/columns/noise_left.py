"""What a running fit leaves in the pixels: their correlation, and what it does to the errors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from physlearn.datasets.columns.noise import (
    fit_pixel_variance,
    joint_variance_inflation,
    residual_autocorrelation,
    without_common_misfit,
)
from physlearn.datasets.columns.noise_taken import LocalFit, local_fits, mean_taken

if TYPE_CHECKING:
    from physlearn.datasets.columns.column_fit import ColumnFit

__all__ = ["noise_left", "settle_noise"]

Floats = NDArray[np.float64]
PIXELS_FOR_CORRELATION = 300_000
EDGE_WIDTHS = 4.0
SETTLING_ROUNDS = 2
PIXELS_FOR_NOISE = 60_000
LEAST_LEFT = 0.1
"""Smallest share of its noise that a pixel's residual is taken to keep."""
NO_COUNTS_ABOVE = 0.1
"""Correlation of neighbouring pixels above which a picture of counts holds none."""


def noise_left(fit: ColumnFit, fits: list[LocalFit] | None = None) -> tuple[Floats, Floats]:
    """Return the pixels' autocorrelation, and by what it raises the columns' variances (4,).

    What all columns leave alike is taken off first: it is their shape. Counted pixels are
    independent; only a correlation that counts cannot have raises their errors. ``fits`` saves
    measuring what the columns take up anew, where the caller has it.
    """
    fits = _local_fits(fit) if fits is None else fits
    # columns beyond the edge reach in and are in no model
    edge = int(np.ceil(EDGE_WIDTHS * fit.width))
    edge = edge if min(fit.image.shape) > 6 * edge else 0
    n_columns = fit.image.shape[1] - 2 * edge
    rows = min(len(fit.image) - 2 * edge, max(16, PIXELS_FOR_CORRELATION // n_columns))
    low = (len(fit.image) - rows) // 2
    part = (slice(low, low + rows), slice(edge, edge + n_columns))
    scaled = (fit.image[part] - fit.model[part]) * np.sqrt(fit.weight[part])
    x, y = fit.columns[:, 0] - edge, fit.columns[:, 1] - low
    inside = (x >= 0) & (x < n_columns) & (y >= 0) & (y < rows)
    here = np.column_stack([x, y, fit.columns[:, 2:]])[inside]
    scaled = without_common_misfit(scaled, here)
    correlation, level = residual_autocorrelation(scaled, len(here), _typical(fit), fit.noise, fits)
    if len(fit.columns) == 0:
        return correlation, np.ones(4)
    lag = correlation.shape[0] // 2
    nearest = 0.5 * (correlation[lag, lag + 1] + correlation[lag + 1, lag])
    if fit.kind == "poisson" and nearest < NO_COUNTS_ABOVE:
        return correlation, np.ones(4)
    factor = joint_variance_inflation(correlation, fit.weight, fit.columns)
    # correlated noise hides in the fitted columns: the residuals' variance is too small
    return correlation, factor * (1.0 if fit.kind == "poisson" else max(1.0, level))


def settle_noise(fit: ColumnFit) -> None:
    """Fit the noise anew, each pixel's residual as large as the fit around it has left it.

    The columns take up noise where they stand, so that an even give-back would make the noise under
    them, and with it the gain, too small.
    """
    if fit.kind == "poisson" or len(fit.columns) == 0:
        return
    sample = np.arange(0, fit.image.size, 1 + fit.image.size // PIXELS_FOR_NOISE)
    if fit.mask.size:
        sample = np.flatnonzero(fit.mask)[:: 1 + fit.n_pixels // PIXELS_FOR_NOISE]
    points = np.column_stack([sample % fit.image.shape[1], sample // fit.image.shape[1]])
    _, nearest = cKDTree(fit.columns[:, :2]).query(points)
    offsets = points - np.rint(fit.columns[nearest, :2]).astype(np.int64)
    mean = fit.model.ravel()[sample]
    residual = fit.image.ravel()[sample] - mean
    for _ in range(SETTLING_ROUNDS):
        fits = _local_fits(fit)
        if not fits:
            return
        correlation, _ = noise_left(fit, fits)
        _, taken = mean_taken(fits, correlation)
        half = len(taken) // 2
        near = (np.abs(offsets) <= half).all(axis=1)
        left = np.ones(len(sample))
        left[near] -= taken[offsets[near, 1] + half, offsets[near, 0] + half]
        fit.noise = fit_pixel_variance(residual, mean, fit.kind, 0, np.maximum(left, LEAST_LEFT))
        fit.reweigh()


def _local_fits(fit: ColumnFit) -> list[LocalFit]:
    """Return some columns as the fit sees them."""
    if len(fit.columns) == 0:
        return []
    return local_fits(fit.columns, fit.weight, fit.width_prior[1])


def _typical(fit: ColumnFit) -> tuple[float, float, float]:
    """Return width, amplitude and background of a typical column."""
    background = float(np.median(fit.nodes))
    if len(fit.columns) == 0:
        return fit.width, 1.0 / np.sqrt(max(float(fit.weight.mean()), 1e-300)), background
    return (
        float(np.exp(np.median(fit.columns[:, 3]))),
        float(np.exp(np.median(fit.columns[:, 2]))),
        background,
    )
