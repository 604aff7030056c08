"""The joint fit of columns whose places are given: nothing is looked for and nothing dropped."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import check_array, check_positive
from physlearn.datasets.columns import find_atoms
from physlearn.datasets.columns.column_finish import measure_errors
from physlearn.datasets.columns.column_fit import ColumnFit
from physlearn.datasets.columns.column_options import FindAtomsOptions
from physlearn.datasets.columns.column_start import start
from physlearn.datasets.columns.usable_pixels import usable_pixels
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
    mask: ArrayLike | None = None,
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
    warnings = list(frame.warnings)
    good = usable_pixels(frame.values, mask, options.polarity, warnings)
    fit = start(frame.values, kind, width, options, good)
    pixels = (places - np.array(frame.origin)) / np.array(frame.pixel_size)
    fit.add(_start_columns(fit, pixels))
    report = progress or _silent
    for n_sweeps, free_width in ((8, False), (options.max_sweeps // 2, True), (10, True)):
        fit.sweep(n_sweeps, free_width=free_width)
        fit.refit_noise()
        report(0.8, "fit")
    covariance, correlation = measure_errors(fit)
    return find_atoms._record(fit, frame, covariance, correlation, warnings)


def _silent(_share: float, _word: str) -> None:
    """Say nothing."""


def _start_columns(fit: ColumnFit, pixels: Floats) -> Floats:
    """Return rows (x, y, log amplitude, log width), the amplitude from the picture above ground."""
    rows = np.clip(np.round(pixels[:, 1]), 0, fit.image.shape[0] - 1).astype(np.int64)
    columns = np.clip(np.round(pixels[:, 0]), 0, fit.image.shape[1] - 1).astype(np.int64)
    height = fit.sign * (fit.image - fit.model)[rows, columns]
    least = 1.0 / np.sqrt(np.maximum(fit.weight[rows, columns], 1e-300))
    width = np.full(len(pixels), np.log(fit.width))
    return np.ascontiguousarray(np.column_stack([pixels, np.log(np.maximum(height, least)), width]))
