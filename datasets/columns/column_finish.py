"""The end of the column fit: free widths, what is left out, the columns' errors, what to doubt."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physlearn.datasets.columns import filter_kernels
from physlearn.datasets.columns.column_covariance import ColumnCovariance, measure_covariance
from physlearn.datasets.columns.column_fit import SMALLEST_WIDTH_PX, ColumnFit, Report
from physlearn.datasets.columns.detection import (
    learn_widths,
    lowest_significant,
    significance,
    sound,
)
from physlearn.datasets.columns.joint_step import refit
from physlearn.datasets.columns.noise_left import noise_left, settle_noise

__all__ = ["doubt_about", "finish", "measure_errors"]

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
WIDEST_SHARE_OF_EDGE = 0.125
MOST_DROPS = 4
SHARED_SPOT_WIDTHS = 4.0
LONG_CORRELATION = 0.4
MOSTLY_EXPLAINED = 0.9
SMALLEST_PEAK_OF_ORDER = 30.0


def finish(fit: ColumnFit, report: Report) -> tuple[ColumnCovariance, Floats]:
    """Free the widths, drop what is not significant; return covariances and correlation."""
    if fit.width > WIDEST_SHARE_OF_EDGE * min(fit.image.shape):
        fit.keep(np.zeros(len(fit.columns), dtype=np.bool_))
    if fit.width_prior[1] == 0.0:
        fit.sweep(max(2, fit.options.max_sweeps // 6), free_width=True)
        fit.width_prior = learn_widths(fit)
    fit.keep(sound(fit))
    fit.refit_noise()
    refit(fit, max(2, fit.options.max_sweeps // 2))
    if fit.kind != "poisson":
        settle_noise(fit)
        refit(fit, max(2, fit.options.max_sweeps // 4))
    report(0.7, "widths")
    for _ in range(MOST_DROPS):
        correlation, inflation = noise_left(fit)
        covariance = _covariance(fit, inflation)
        if not fit.keep(_significant(fit, covariance, inflation)):
            break
        refit(fit, max(2, fit.options.max_sweeps // 4))
    else:
        correlation, inflation = noise_left(fit)
        covariance = _covariance(fit, inflation)
    report(0.8, "errors")
    return covariance, correlation


def _significant(fit: ColumnFit, covariance: ColumnCovariance, inflation: Floats) -> Flags:
    """Flag discoveries: the likelihood ratio, less what neighbours and background would take up."""
    if len(fit.columns) == 0:
        return np.empty(0, dtype=np.bool_)
    z, information = significance(fit)
    blocks = covariance.blocks
    given = blocks[:, 2, 2] - blocks[:, 2, 3] ** 2 / blocks[:, 3, 3]
    left = 1.0 / np.maximum(given * information, inflation[2])
    z = z * np.sqrt(left * inflation[2])
    lowest = lowest_significant(fit, z, float(np.sqrt(inflation[2])))
    fit.significance, fit.lowest = z / np.sqrt(inflation[2]), lowest / float(np.sqrt(inflation[2]))
    # what is as narrow as the bound is a hot pixel, not a column
    weak = np.flatnonzero((z < lowest) | (fit.columns[:, 3] < np.log(1.01 * SMALLEST_WIDTH_PX)))
    # of columns that share one spot the weakest goes first: without it the others may be sure
    order = weak[np.argsort(z[weak], kind="stable")]
    points = np.ascontiguousarray(fit.columns[:, :2])
    return ~filter_kernels.thin_out(points, order, 0, SHARED_SPOT_WIDTHS * fit.width)


def measure_errors(fit: ColumnFit) -> tuple[ColumnCovariance, Floats]:
    """Return the covariances of a finished fit and its pixels' correlation."""
    settle_noise(fit)
    correlation, inflation = noise_left(fit)
    return _covariance(fit, inflation), correlation


def _covariance(fit: ColumnFit, inflation: Floats) -> ColumnCovariance:
    """Return the columns' joint covariance, the pixels' correlation counted in."""
    covariance = measure_covariance(
        fit.model, fit.columns, fit.noise, fit.nodes.shape,
        reach=fit.options.reach_widths, weight=fit.weight, width_precision=fit.width_prior[1],
    )  # fmt: skip
    return covariance if np.all(inflation == 1.0) else covariance.scaled(inflation)


def doubt_about(fit: ColumnFit, correlation: Floats) -> str:
    """Return why the columns cannot be told from something else, or nothing.

    Peaks of noise whose pixels are correlated look like columns. They are believed when the pixel
    noise left over is short-ranged, when the columns explain the picture, or when they stand in
    order (a Bragg peak of their structure factor).
    """
    lag = correlation.shape[0] // 2
    nearest = 0.5 * (correlation[lag, lag + 1] + correlation[lag + 1, lag])
    if nearest < LONG_CORRELATION:
        return ""
    left = float(np.mean((fit.image - fit.model) ** 2)) / float(
        np.var(fit.image - fit.background())
    )
    if left < 1.0 - MOSTLY_EXPLAINED or _bragg_peak(fit) > max(
        SMALLEST_PEAK_OF_ORDER, 0.05 * len(fit.columns)
    ):
        return ""
    return (
        f"{len(fit.columns)} bright spots cannot be told from noise: the noise of neighbouring "
        f"pixels correlates by {nearest:.2f}, the spots explain {1 - left:.0%} of the picture and "
        "stand in no order."
    )


def _bragg_peak(fit: ColumnFit) -> float:
    """Return the highest structure factor |sum exp(ikr)|^2 / n of the columns' positions."""
    cell = 0.7 * fit.width
    shape = [int(np.ceil(length / cell)) + 1 for length in fit.image.shape]
    places = np.zeros(shape)
    index = np.clip(np.round(fit.columns[:, 1::-1] / cell).astype(np.int64), 0, np.array(shape) - 1)
    np.add.at(places, (index[:, 0], index[:, 1]), 1.0)
    places -= places.mean()
    return float((np.abs(np.fft.rfft2(places)) ** 2).max() / len(fit.columns))
