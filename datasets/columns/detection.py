"""Which columns are there: score tests on the residual, false discoveries held, joint refits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from physlearn.datasets.columns import column_kernels, filter_kernels
from physlearn.datasets.columns.column_fit import SMALLEST_WIDTH_PX, ColumnFit, Report
from physlearn.datasets.columns.column_start import gaussian_taps
from physlearn.datasets.columns.peak_kernels import local_maxima

__all__ = ["detect", "discoveries", "false_maxima", "significance", "sound", "threshold_z"]

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
LOWEST_Z = 2.0
CANDIDATE_SHARE = 0.5
"""Share of false maxima among the candidates of a round; the refit decides which stay."""
FEWEST_FOR_WIDTH = 4
LOW_QUANTILES_APART = 1.0283
"""Distance of the .1 and .4 quantiles of a standard normal."""
FIRST_SHARE = 0.3
"""The first round, which knows the noise least, takes what reaches this share of the strongest."""
SETTLED_SHARE = 0.001


def false_maxima(z: Floats | float, width: float, n_pixels: int) -> Floats:
    """Return how many maxima above z pure noise shows in a picture under the matched filter.

    The filtered noise correlates by ``exp(-r^2 / (4 width^2))``; its expected number of maxima
    above a high level is ``area lambda / (2 pi)^(3/2) z exp(-z^2 / 2)``, lambda = 1 / (2 width^2)
    (Adler and Hasofer 1976, doi:10.1214/aop/1176996176).
    """
    level = np.maximum(z, 1.0)
    density = level * np.exp(-0.5 * level * level) / (2.0 * np.pi) ** 1.5
    return np.asarray(n_pixels * density / (2.0 * width * width), dtype=np.float64)


def discoveries(z: Floats, width: float, n_pixels: int, share: float) -> float:
    """Return the lowest threshold at which at most ``share`` of the maxima above it are false.

    Benjamini and Hochberg (1995), doi:10.1111/j.2517-6161.1995.tb02031.x, with the expected number
    of noise maxima as the null. No maximum passes: the threshold that one false maximum would pass
    in ``share`` of the pictures.
    """
    ordered = np.sort(z)[::-1]
    expected = false_maxima(ordered, width, n_pixels)
    passed = np.flatnonzero(expected <= share * np.arange(1, len(ordered) + 1))
    if len(passed):
        last = passed[-1]
        return float(ordered[last])
    return float(
        brentq(lambda level: float(false_maxima(level, width, n_pixels)) - share, 1.0, 40.0)
        if false_maxima(1.0, width, n_pixels) > share
        else 1.0
    )


def threshold_z(fit: ColumnFit) -> float:
    """Return the z above which a lone maximum is a discovery in this picture."""
    return discoveries(np.empty(0), fit.width, fit.n_pixels, fit.options.false_discovery_rate)


def match(fit: ColumnFit, width: float, half: int) -> tuple[NDArray[np.float32], ...]:
    """Return z and amplitude of one more column at each pixel (local constant free: half > 0)."""
    shape = fit.image.shape
    pull, weight = np.empty(shape, np.float32), np.empty(shape, np.float32)
    filter_kernels.pull_and_weight(fit.image, fit.model, fit.weight, fit.sign, pull, weight)
    z, amplitude = np.empty(shape, np.float32), np.empty(shape, np.float32)
    taps = gaussian_taps(width)
    squared = gaussian_taps(width / np.sqrt(2.0))
    filter_kernels.match_columns(pull, weight, taps, squared, half, z, amplitude)
    return z, amplitude


def _spread(z: NDArray[np.float32]) -> float:
    """Return the noise's standard deviation in a z picture, from its lower half.

    Columns not yet found are in the upper half; correlated pixels widen both.
    """
    sample = z.ravel()[:: max(1, z.size // 50_000)]
    low, high = np.quantile(sample, (0.1, 0.4))
    return float(high - low) / LOW_QUANTILES_APART


def _candidates(fit: ColumnFit, width: float, *, first: bool) -> tuple[Floats, float]:
    """Return rows (x, y, log amplitude, log width) that the residual asks for, and z's spread."""
    z, amplitude = match(fit, width, int(np.ceil((3.0 if first else 6.0) * width)))
    spread = 1.0 if first else max(1.0, _spread(z))
    found = local_maxima(z, np.float32(LOWEST_Z * spread))
    if len(found) == 0:
        return np.empty((0, 4)), spread
    rows, columns = found.T
    here = z[rows, columns].astype(np.float64)
    offsets = []
    for before, after in (
        (z[rows, columns - 1], z[rows, columns + 1]),
        (z[rows - 1, columns], z[rows + 1, columns]),
    ):
        bend = np.minimum(before - 2 * here + after, -1e-9)
        offsets.append(np.clip(0.5 * (before - after) / bend, -0.5, 0.5))
    points = np.stack([columns + offsets[0], rows + offsets[1]], axis=1)
    # a maximum within reach of a column is that column's misfit, not one more
    n_old = len(fit.columns)
    both = np.ascontiguousarray(np.concatenate([fit.columns[:, :2], points]))
    order = np.concatenate([np.arange(n_old), n_old + np.argsort(-here, kind="stable")])
    free = filter_kernels.thin_out(both, order, n_old, 1.3 * fit.width)[n_old:]
    share = fit.options.false_discovery_rate if first else CANDIDATE_SHARE
    lowest = discoveries(here[free] / spread, width, fit.n_pixels, share)
    free &= here >= lowest * spread
    if first and free.any():
        free &= here >= FIRST_SHARE * float(np.quantile(here[free], 0.9))
    heights = np.maximum(amplitude[rows, columns].astype(np.float64), np.finfo(np.float32).tiny)
    widths = np.full((int(free.sum()), 1), np.log(fit.width))
    return np.concatenate([points[free], np.log(heights)[free][:, None], widths], axis=1), spread


def significance(fit: ColumnFit) -> tuple[Floats, Floats]:
    """Return each column's signed-root likelihood ratio and log-amplitude information, rest held."""
    gain = column_kernels.removal_gain(
        fit.image, fit.model, fit.weight, fit.columns, np.arange(len(fit.columns)), fit.noise,
        fit.options.reach_widths, fit.sign,
    )  # fmt: skip
    return np.sqrt(np.maximum(gain[:, 0], 0.0)), gain[:, 1]


def detect(fit: ColumnFit, *, free_width: bool, report: Report) -> None:
    """Add and drop columns until the residual asks for no more."""
    for round_number in range(fit.options.max_rounds):
        first = round_number == 0
        before = len(fit.columns)
        new, spread = _candidates(fit, (0.75 if first else 1.0) * fit.width, first=first)
        if len(new) == 0 and not first:
            break
        fit.add(new)
        fit.sweep(4, free_width=False)
        fit.keep(sound(fit))
        if free_width and len(fit.columns) >= FEWEST_FOR_WIDTH and round_number < 2:
            _measure_width(fit)
        fit.refit_noise()
        if not first and len(fit.columns):
            z = significance(fit)[0] / spread
            lowest = discoveries(z, fit.width, fit.n_pixels, fit.options.false_discovery_rate)
            if fit.keep(np.asarray(z >= lowest)):
                fit.sweep(2, free_width=False)
        report(0.6 * (round_number + 1) / fit.options.max_rounds, "columns")
        if not first and len(fit.columns) - before <= SETTLED_SHARE * before:
            break


def _measure_width(fit: ColumnFit) -> None:
    """Take the median width of the brighter columns as the common one."""
    options = fit.options
    fit.options = replace(options, width_range=(0.35, 2.8))
    fit.sweep(6, free_width=True)
    fit.options = options
    bright = fit.columns[:, 2] >= np.quantile(fit.columns[:, 2], 0.6)
    fit.width = max(SMALLEST_WIDTH_PX, float(np.exp(np.median(fit.columns[bright, 3]))))
    # the same volume in the new width
    fit.columns[:, 2] += 2.0 * (fit.columns[:, 3] - np.log(fit.width))
    fit.columns[:, 3] = np.log(fit.width)
    fit.rebuild()
    fit.sweep(4, free_width=False)
    fit.keep(sound(fit))


def sound(fit: ColumnFit, *, margin: float = 1.0) -> Flags:
    """Flag columns near the picture that no brighter one stands on."""
    n_rows, n_columns = fit.image.shape
    edge = margin * fit.width
    x, y, brightness = fit.columns[:, 0], fit.columns[:, 1], fit.columns[:, 2]
    keep: Flags = (x > -edge) & (y > -edge) & (x < n_columns - 1 + edge) & (y < n_rows - 1 + edge)
    keep &= np.isfinite(fit.columns).all(axis=1)
    typical = np.median(fit.weight[:: 1 + fit.image.size // 50_000])
    keep &= brightness > -0.5 * np.log(max(typical, 1e-300)) - 6.0
    order = np.argsort(-brightness, kind="stable")
    order = order[keep[order]]
    if len(order) > 1:
        points = np.ascontiguousarray(fit.columns[:, :2])
        keep &= filter_kernels.thin_out(points, order, 0, 0.9 * fit.width)
    return np.asarray(keep, dtype=np.bool_)
