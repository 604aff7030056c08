"""What a running fit leaves in the pixels: their correlation, and what it does to the errors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from physlearn.datasets.columns.noise import (
    joint_variance_inflation,
    residual_autocorrelation,
    without_common_misfit,
)

if TYPE_CHECKING:
    from physlearn.datasets.columns.column_fit import ColumnFit

__all__ = ["noise_left"]

Floats = NDArray[np.float64]
PIXELS_FOR_CORRELATION = 300_000
EDGE_WIDTHS = 4.0
NO_COUNTS_ABOVE = 0.1
"""Correlation of neighbouring pixels above which a picture of counts holds none."""


def noise_left(fit: ColumnFit) -> tuple[Floats, Floats]:
    """Return the pixels' autocorrelation, and by what it raises the columns' variances (4,).

    What all columns leave alike is taken off first: it is their shape. Counted pixels are
    independent; only a correlation that counts cannot have raises their errors.
    """
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
    correlation, level = residual_autocorrelation(
        scaled, len(here), _typical(fit), fit.noise, width_precision=fit.width_prior[1]
    )
    if len(fit.columns) == 0:
        return correlation, np.ones(4)
    lag = correlation.shape[0] // 2
    nearest = 0.5 * (correlation[lag, lag + 1] + correlation[lag + 1, lag])
    if fit.kind == "poisson" and nearest < NO_COUNTS_ABOVE:
        return correlation, np.ones(4)
    factor = joint_variance_inflation(correlation, fit.weight, fit.columns)
    # correlated noise hides in the fitted columns: the residuals' variance is too small
    return correlation, factor * (1.0 if fit.kind == "poisson" else max(1.0, level))


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
