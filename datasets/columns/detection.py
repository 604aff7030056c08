"""Which columns are there: score tests on the residual, false discoveries held, joint refits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from physlearn.datasets.columns import column_kernels, filter_kernels
from physlearn.datasets.columns.column_fit import SMALLEST_WIDTH_PX, ColumnFit, Report
from physlearn.datasets.columns.column_start import gaussian_taps
from physlearn.datasets.columns.joint_step import settle
from physlearn.datasets.columns.peak_kernels import local_maxima

__all__ = [
    "detect",
    "discoveries",
    "false_maxima",
    "learn_widths",
    "lowest_significant",
    "significance",
    "sound",
    "threshold_z",
]

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
LOWEST_Z = 2.0
FEWEST_SEEN = 0.2
CANDIDATE_SHARE = 0.5
"""Share of false maxima among the candidates of a round; the refit decides which stay."""
FEWEST_FOR_WIDTH = 4
LOW_QUANTILES_APART = 1.0283
"""Distance of the .1 and .4 quantiles of a standard normal."""
FEWEST_FOR_PRIOR = 20
SMALLEST_SCATTER = 0.01
"""Least relative scatter of widths that is believed."""
FIRST_SHARE = 0.3
"""The first round, which knows the noise least, takes what reaches this share of the strongest."""
NEAR_REST = 10.0
"""Mean gain of a joint step, in squared errors, that is near enough to learn the width from."""
SETTLED_SHARE = 0.002


def false_maxima(z: Floats | float, width: float, n_pixels: int) -> Floats:
    """Return how many maxima above z pure noise shows in a picture under the matched filter.

    The filtered noise correlates by ``exp(-r^2 / (4 width^2))``; its expected number of maxima
    above a high level is ``area lambda / (2 pi)^(3/2) z exp(-z^2 / 2)``, lambda = 1 / (2 width^2)
    (Adler and Hasofer 1976, doi:10.1214/aop/1176996176).
    """
    level = np.maximum(z, 1.0)
    density = level * np.exp(-0.5 * level * level) / (2.0 * np.pi) ** 1.5
    return np.asarray(n_pixels * density / (2.0 * width * width), dtype=np.float64)


def discoveries(
    z: Floats, width: float, n_pixels: int, share: float, *, spread: float = 1.0,
    decoys: Floats | None = None,
) -> float:  # fmt: skip
    """Return the lowest threshold at which at most ``share`` of the maxima above it are false.

    Benjamini and Hochberg (1995), doi:10.1111/j.2517-6161.1995.tb02031.x. The number of false ones
    is that of noise maxima (``spread``: the noise's standard deviation in z), or that of equally
    deep minima (``decoys``: their depths), whichever is larger: what a model misses, and noise with
    long tails, show both signs. No maximum passes: the threshold that one false maximum would pass
    in ``share`` of the pictures.
    """
    ordered = np.sort(z)[::-1]
    expected = false_maxima(ordered / spread, width, n_pixels)
    if decoys is not None and len(decoys):
        deep = np.sort(decoys)
        expected = np.maximum(expected, len(deep) - np.searchsorted(deep, ordered))
    passed = np.flatnonzero(expected <= share * np.arange(1, len(ordered) + 1))
    if len(passed):
        return float(ordered[passed[-1]])
    if false_maxima(1.0, width, n_pixels) <= share:
        return spread
    return spread * float(
        brentq(lambda level: float(false_maxima(level, width, n_pixels)) - share, 1.0, 40.0)
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
    if fit.mask.size:
        # a place seen only by a column's faint tail says nothing of a column there
        seen = filter_kernels.smooth(fit.mask.astype(np.float32), squared)
        z[seen < FEWEST_SEEN * (2.0 * squared.sum() - 1.0) ** 2] = 0.0
    return z, amplitude


def _spread(z: NDArray[np.float32]) -> float:
    """Return the noise's standard deviation in a z picture, from its lower half.

    Columns not yet found are in the upper half; correlated pixels widen both.
    """
    sample = z.ravel()[:: max(1, z.size // 50_000)]
    low, high = np.quantile(sample, (0.1, 0.4))
    return float(high - low) / LOW_QUANTILES_APART


def _candidates(fit: ColumnFit, width: float, *, first: bool) -> Floats:
    """Return rows (x, y, log amplitude, log width) of columns that the residual asks for.

    The noise's spread in z and the depths of minima go into ``fit``.
    """
    z, amplitude = match(fit, width, int(np.ceil((3.0 if first else 6.0) * width)))
    fit.spread = 1.0 if first else max(1.0, _spread(z))
    points, here, free = _clear_maxima(fit, z, LOWEST_Z * fit.spread)
    share = fit.options.false_discovery_rate
    if not first:
        share = CANDIDATE_SHARE
        _, depths, far = _clear_maxima(fit, np.negative(z), LOWEST_Z * fit.spread)
        fit.decoys = depths[far]
    lowest = discoveries(
        here[free], width, fit.n_pixels, share, spread=fit.spread, decoys=fit.decoys
    )
    free &= here >= lowest
    if first and free.any():
        free &= here >= FIRST_SHARE * float(np.quantile(here[free], 0.9))
    rows, columns = np.round(points[free]).astype(np.int64).T[::-1]
    heights = np.maximum(amplitude[rows, columns].astype(np.float64), np.finfo(np.float32).tiny)
    widths = np.full(len(rows), np.log(fit.width))
    return np.column_stack([points[free], np.log(heights), widths])


def _clear_maxima(
    fit: ColumnFit, z: NDArray[np.float32], threshold: float
) -> tuple[Floats, Floats, Flags]:
    """Return maxima (x, y), their z, and which stand clear of columns and of higher maxima."""
    found = local_maxima(z, float(np.float32(threshold)))
    rows, columns = found.T
    here = z[rows, columns].astype(np.float64)
    offsets = []
    for axis, places in ((1, columns), (0, rows)):
        last = z.shape[axis] - 1
        low, high = np.maximum(places - 1, 0), np.minimum(places + 1, last)
        before, after = (
            (z[rows, low], z[rows, high]) if axis else (z[low, columns], z[high, columns])
        )
        bend = np.minimum(before - 2 * here + after, -1e-9)
        offset = np.clip(0.5 * (before - after) / bend, -0.49, 0.49)
        offsets.append(np.where((places > 0) & (places < last), offset, 0.0))
    points = np.stack([columns + offsets[0], rows + offsets[1]], axis=1)
    # a maximum within reach of a column is that column's misfit, not one more
    n_old = len(fit.columns)
    both = np.ascontiguousarray(np.concatenate([fit.columns[:, :2], points]))
    order = np.concatenate([np.arange(n_old), n_old + np.argsort(-here, kind="stable")])
    return points, here, filter_kernels.thin_out(both, order, n_old, 1.3 * fit.width)[n_old:]


def significance(fit: ColumnFit) -> tuple[Floats, Floats]:
    """Return each column's signed-root likelihood ratio and its information, all else held."""
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
        new = _candidates(fit, (0.75 if first else 1.0) * fit.width, first=first)
        if len(new) == 0:
            break
        fit.add(new)
        fit.sweep(3 if first else 5, free_width=not first)
        fit.keep(sound(fit))
        if free_width and len(fit.columns) >= FEWEST_FOR_WIDTH and round_number < 2:
            _measure_width(fit)
        fit.width_prior = learn_widths(fit)
        fit.refit_noise()
        if not first and len(fit.columns):
            z, _ = significance(fit)
            if fit.keep(np.asarray(z >= lowest_significant(fit, z, fit.spread))):
                fit.sweep(2, free_width=True)
        report(0.6 * (round_number + 1) / fit.options.max_rounds, "columns")
        if not first and len(fit.columns) - before <= SETTLED_SHARE * before:
            break


def lowest_significant(fit: ColumnFit, z: Floats, spread: float) -> float:
    """Return the significance below which the fit's columns are no discoveries."""
    return discoveries(
        z, fit.width, fit.n_pixels, fit.options.false_discovery_rate,
        spread=spread, decoys=fit.decoys,
    )  # fmt: skip


def _measure_width(fit: ColumnFit) -> None:
    """Take the median width of the brighter columns as the common one."""
    options = fit.options
    fit.options, fit.width_prior = replace(options, width_range=(0.35, 2.8)), (0.0, 0.0)
    fit.sweep(2, free_width=True)
    fit.refit_noise()
    if not settle(fit, 3, enough=NEAR_REST) <= NEAR_REST:
        fit.sweep(6, free_width=True)
    fit.options = options
    bright = fit.columns[:, 2] >= np.quantile(fit.columns[:, 2], 0.6)
    fit.width = max(SMALLEST_WIDTH_PX, float(np.exp(np.median(fit.columns[bright, 3]))))
    low, high = (np.log(fit.width * share) for share in options.width_range)
    outside = (fit.columns[:, 3] < low) | (fit.columns[:, 3] > high)
    # the same volume in the common width
    fit.columns[outside, 2] += 2.0 * (fit.columns[outside, 3] - np.log(fit.width))
    fit.columns[outside, 3] = np.log(fit.width)
    fit.rebuild()
    fit.keep(sound(fit))


def learn_widths(fit: ColumnFit) -> tuple[float, float]:
    """Return the columns' mean log width and the precision of their scatter about it.

    A faint column's width is uncertain; what the picture's columns have in common steadies it
    (empirical Bayes; DerSimonian and Laird 1986, doi:10.1016/0197-2456(86)90046-2).
    """
    if len(fit.columns) < FEWEST_FOR_PRIOR:
        return 0.0, 0.0
    error = 1.0 / np.maximum(significance(fit)[0], 1.0) ** 2
    # what the widths would be without the present prior
    widths = fit.columns[:, 3] + fit.width_prior[1] * error * (
        fit.columns[:, 3] - fit.width_prior[0]
    )
    center, scatter = float(np.median(widths)), float(np.var(widths))
    for _ in range(50):
        total = scatter + error
        rest = np.clip(widths - center, -3.0 * np.sqrt(total), 3.0 * np.sqrt(total))
        center += float((rest / total).sum() / (1.0 / total).sum())
        new = float(((rest**2 - error) / total**2).sum() / (1.0 / total**2).sum())
        new = max(new, SMALLEST_SCATTER**2)
        if abs(new - scatter) < 1e-3 * scatter:
            break
        scatter = new
    return center, 1.0 / scatter


def sound(fit: ColumnFit, *, margin: float = 1.0) -> Flags:
    """Flag columns near the picture that no brighter one stands on."""
    n_rows, n_columns = fit.image.shape
    edge = margin * fit.width
    x, y, brightness = fit.columns[:, 0], fit.columns[:, 1], fit.columns[:, 2]
    keep: Flags = (x > -edge) & (y > -edge) & (x < n_columns - 1 + edge) & (y < n_rows - 1 + edge)
    keep &= np.isfinite(fit.columns).all(axis=1)
    keep &= brightness > np.log(fit.typical_noise()) - 6.0
    order = np.argsort(-brightness, kind="stable")
    order = order[keep[order]]
    if len(order) > 1:
        points = np.ascontiguousarray(fit.columns[:, :2])
        keep &= filter_kernels.thin_out(points, order, 0, 0.9 * fit.width)
    return np.asarray(keep, dtype=np.bool_)
