"""The joint fit of columns whose places are given: nothing is looked for and nothing dropped."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, check_array, check_positive
from physlearn.datasets.columns import find_atoms
from physlearn.datasets.columns.column_finish import measure_errors
from physlearn.datasets.columns.column_fit import ColumnFit
from physlearn.datasets.columns.column_options import FindAtomsOptions
from physlearn.datasets.columns.column_start import start
from physlearn.datasets.columns.column_tails import CommonTail, fit_tails
from physlearn.datasets.columns.detection import learn_widths
from physlearn.datasets.columns.joint_step import refit
from physlearn.datasets.columns.noise_left import noise_left, settle_noise
from physlearn.datasets.columns.usable_pixels import usable_pixels
from physlearn.datasets.reading.picture_frame import PictureFrame, picture_frame
from physlearn.records import AtomicConfiguration

__all__ = ["fit_given_columns"]

Floats = NDArray[np.float64]
Report = Callable[[float, str], None]
FARTHEST_WIDTHS = 1.0
"""How far beyond the picture's edge a column's centre may be fitted."""
FAINTEST_SHARE = 0.1


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
    """Fit columns jointly from given places; one row of the result for each, in their order.

    A column whose fit leaves the picture (by more than its width) stays on its given place.
    """
    options = options or FindAtomsOptions()
    if width is not None:
        check_positive("width", width)
    frame = picture_frame(image)
    pixels = _pixels(check_array("positions", positions, shape=(None, 2), allow_empty=True), frame)
    kind = find_atoms.noise_kind(noise, frame, options)
    warnings = list(frame.warnings)
    good = usable_pixels(frame.values, mask, options.polarity, warnings)
    fit = start(frame.values, kind, width, options, good)
    fit.add(_start_columns(fit, pixels))
    tail = _fit(fit, progress or _silent, warnings)
    _hold(fit, pixels)
    covariance, correlation = measure_errors(fit)
    return find_atoms._record(
        fit, frame, covariance, correlation, warnings, tail, mask, everywhere=True
    )


def _pixels(places: Floats, frame: PictureFrame) -> Floats:
    """Return places in pixels; refuse those outside the picture, where nothing can be fitted."""
    pixels = (places - np.array(frame.origin)) / np.array(frame.pixel_size)
    last = np.array(frame.values.shape[::-1]) - 1.0
    outside = np.flatnonzero(((pixels < -0.5) | (pixels > last + 0.5)).any(axis=1))
    if outside.size:
        x, y = places[outside[0]]
        raise InputError(
            f"positions must lie in the picture; row {outside[0]} stands at x {x:.6g}, y {y:.6g} "
            f"and {outside.size - 1} other(s) outside."
        )
    return np.asarray(pixels)


def _fit(fit: ColumnFit, report: Report, warnings: list[str]) -> CommonTail | None:
    """Fit as ``find_atoms`` does at its end, with no column dropped; return the common tail."""
    n_sweeps = fit.options.max_sweeps
    fit.sweep(8, free_width=False)
    fit.refit_noise()
    report(0.3, "fit")
    fit.sweep(max(2, n_sweeps // 2), free_width=True)
    fit.width_prior = learn_widths(fit)
    fit.refit_noise()
    refit(fit, max(2, n_sweeps // 2))
    if fit.kind != "poisson":
        settle_noise(fit)
        refit(fit, max(2, n_sweeps // 4))
    report(0.7, "widths")
    if fit.options.shape != "two_widths":
        return None
    tail = fit_tails(fit, float(noise_left(fit)[1][2]))
    if tail is None:
        warnings.append("the columns show no common tail: they were fitted as one Gaussian.")
    return tail


def _hold(fit: ColumnFit, pixels: Floats) -> None:
    """Put columns that left the picture back on their places, with what light is there."""
    beyond = FARTHEST_WIDTHS * fit.width
    last = np.array(fit.image.shape[::-1]) - 1.0
    inside = ((fit.columns[:, :2] >= -beyond) & (fit.columns[:, :2] <= last + beyond)).all(axis=1)
    gone = np.flatnonzero(~(inside & np.isfinite(fit.columns).all(axis=1)))
    if len(gone) == 0:
        return
    held = fit.columns.copy()
    held[gone] = np.column_stack(
        [pixels[gone], np.full(len(gone), -50.0), np.full(len(gone), np.log(fit.width))]
    )
    fit.columns = held
    fit.rebuild()
    for row in gone:
        held[row, 2] = _log_amplitude(fit, held[row])
    fit.rebuild()


def _log_amplitude(fit: ColumnFit, column: Floats) -> float:
    """Return the log amplitude that the residual has for a column held on its place."""
    reach = fit.options.reach_widths * fit.width
    low = np.maximum(np.floor(column[:2] - reach), 0).astype(np.int64)
    high = np.ceil(column[:2] + reach).astype(np.int64) + 1
    part = np.s_[low[1] : high[1], low[0] : high[0]]
    weight = fit.weight[part]
    y, x = np.mgrid[low[1] : low[1] + weight.shape[0], low[0] : low[0] + weight.shape[1]]
    square = (x - column[0]) ** 2 + (y - column[1]) ** 2
    profile = np.exp(-0.5 * square * np.exp(-2.0 * column[3]))
    information = max(float((profile**2 * weight).sum()), np.finfo(np.float64).tiny)
    residual = fit.sign * (fit.image - fit.model)[part]
    amplitude = float((residual * profile * weight).sum()) / information
    # a column has light, if next to none: its amplitude is a logarithm
    return float(np.log(max(amplitude, FAINTEST_SHARE / np.sqrt(information))))


def _silent(_share: float, _word: str) -> None:
    """Say nothing."""


def _start_columns(fit: ColumnFit, pixels: Floats) -> Floats:
    """Return rows (x, y, log amplitude, log width), the amplitude from the picture above ground."""
    rows = np.clip(np.round(pixels[:, 1]), 0, fit.image.shape[0] - 1).astype(np.int64)
    columns = np.clip(np.round(pixels[:, 0]), 0, fit.image.shape[1] - 1).astype(np.int64)
    height = fit.sign * (fit.image - fit.model)[rows, columns]
    least = np.full(len(pixels), fit.typical_noise())
    usable = fit.weight[rows, columns] > 0
    least[usable] = 1.0 / np.sqrt(fit.weight[rows, columns][usable])
    # a masked pixel says nothing of its column
    height[~usable] = np.median(height[usable]) if usable.any() else 0.0
    width = np.full(len(pixels), np.log(fit.width))
    return np.ascontiguousarray(np.column_stack([pixels, np.log(np.maximum(height, least)), width]))
