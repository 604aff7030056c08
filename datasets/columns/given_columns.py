"""The joint fit of columns whose places are given: nothing is looked for and nothing dropped."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import check_array, check_positive
from physlearn.datasets.columns import column_fit, find_atoms
from physlearn.datasets.columns.column_options import FindAtomsOptions
from physlearn.datasets.columns.noise import residual_autocorrelation, variance_inflation
from physlearn.datasets.reading.pictures import picture_frame
from physlearn.records import AtomicConfiguration

__all__ = ["fit_given_columns"]

Floats = NDArray[np.float64]
Report = Callable[[float, str], None]


def fit_given_columns(
    image: xr.DataArray | ArrayLike,
    positions: ArrayLike,
    *,
    noise: str = "auto",
    width: float | None = None,
    options: FindAtomsOptions | None = None,
    progress: Report | None = None,
) -> AtomicConfiguration:
    """Fit columns jointly from given places; one row of the result for each, in their order."""
    options = options or FindAtomsOptions()
    if width is not None:
        check_positive("width", width)
    frame = picture_frame(image)
    places = check_array("positions", positions, shape=(None, 2), allow_empty=True)
    kind = noise
    if noise == "auto":
        kind = "poisson" if frame.counts_known else "gain"
    fit = column_fit.start(frame.values, kind, width, options)
    pixels = (places - np.array(frame.origin)) / np.array(frame.pixel_size)
    fit.columns = _start_columns(fit, pixels)
    fit.rebuild()
    report = progress or _silent
    for n_sweeps, free_width in ((8, False), (options.max_sweeps // 2, True), (10, True)):
        fit.sweep(n_sweeps, free_width=free_width)
        fit.refit_noise()
        report(0.8, "fit")
    covariance, correlation = _errors(fit)
    return find_atoms._record(fit, frame, covariance, correlation, list(frame.warnings))


def _silent(_share: float, _word: str) -> None:
    """Say nothing."""


def _start_columns(fit: column_fit.ColumnFit, pixels: Floats) -> Floats:
    """Return rows (x, y, log amplitude, log width), the amplitude from the picture above ground."""
    rows = np.clip(np.round(pixels[:, 1]), 0, fit.image.shape[0] - 1).astype(np.int64)
    columns = np.clip(np.round(pixels[:, 0]), 0, fit.image.shape[1] - 1).astype(np.int64)
    height = (fit.image - fit.model)[rows, columns]
    least = np.sqrt(fit.variance()[rows, columns])
    width = np.full(len(pixels), np.log(fit.width))
    return np.ascontiguousarray(np.column_stack([pixels, np.log(np.maximum(height, least)), width]))


def _errors(fit: column_fit.ColumnFit) -> tuple[Floats, Floats]:
    """Return covariances as ``find_atoms`` has them, and the pixels' correlation."""
    typical = column_fit._typical(fit)
    scaled = (fit.image - fit.model) / np.sqrt(fit.variance())
    correlation, level = residual_autocorrelation(scaled, len(fit.columns), typical, fit.noise)
    if len(fit.columns) == 0:
        return np.empty((0, 4, 4)), correlation
    factor = variance_inflation(correlation, typical, fit.noise)
    inflation = np.sqrt(factor * (1.0 if fit.kind == "poisson" else max(1.0, level)))
    return column_fit._covariances(fit) * inflation[:, None] * inflation, correlation
