"""Noise of a picture from its finest structure along the slow axis of the scan."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import comb

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

__all__ = ["PictureNoise", "angle_noise", "picture_noise", "row_differences", "row_offsets_sd"]

Floats = NDArray[np.float64]
Square = Callable[[NDArray[np.float64]], float]
ORDER = 5
"""Order of the difference across scan lines: it leaves 2 % of a period of 5 lines."""
LOWER_ORDER = 3
LARGEST_LAG = 32
FAR_CORRELATION = 0.1
"""Correlation at the largest lag above which the noise is said to reach farther."""
N_LEVELS = 12
MEDIAN_OF_SQUARE = 0.454936423119573
"""Median of a squared standard normal number."""
SIGNIFICANT_SLOPE = 5.0
MANY_EQUAL = 0.3
LEAST_RELIABLE = 0.3
EDGES_ALONE = 1.4
SAME_NOISE = 1.1
"""Ratio of two orders' variances up to which the finest structure is called noise."""


@dataclass(frozen=True, slots=True, eq=False)
class PictureNoise:
    """Variance of a pixel, its relative error, autocorrelation (1, 2 q + 1), gain, and notes."""

    variance: float
    relative_error: float
    autocorrelation: Floats
    gain: float
    level: float
    notes: tuple[str, ...]


def row_differences(values: Floats, order: int) -> Floats:
    """Return the difference of this order across rows, scaled so that noise keeps its variance."""
    left = np.diff(values, n=order, axis=0)
    return np.asarray(left / np.sqrt(comb(2 * order, order)))


def _line_means(values: Floats) -> Floats:
    """Return the mean of each line, NaN for a line without a pixel."""
    good = np.isfinite(values)
    with np.errstate(invalid="ignore"):
        total = np.where(good, values, 0.0).sum(axis=1, keepdims=True)
        return np.asarray(total / good.sum(axis=1, keepdims=True))


def _mean_square(values: Floats) -> float:
    """Return the mean square; NaN passed over."""
    square = values[np.isfinite(values)] ** 2
    return float(square.mean()) if square.size else float("nan")


def _few_numbers(values: Floats) -> bool:
    """Return whether neighbours are often equal without edges being all that differs.

    Medians of few distinct numbers (low counts, coarse steps) tell no variance. Of noise the mean
    square of first differences is that of fifth ones; edges between equal levels make it larger.
    """
    with np.errstate(invalid="ignore"):
        step = np.diff(values, axis=0)
    step = step[np.isfinite(step)]
    if not step.size or not MANY_EQUAL < float((step == 0).mean()) < 1.0:
        return False
    first = float((step**2).mean()) / 2.0
    return first < EDGES_ALONE * _mean_square(row_differences(values, ORDER))


def _median_square(values: Floats) -> float:
    """Return the variance of Gaussian numbers from the median of their squares; NaN passed over."""
    square = values[np.isfinite(values)] ** 2
    return float(np.median(square)) / MEDIAN_OF_SQUARE if square.size else float("nan")


def picture_noise(values: Floats) -> PictureNoise:
    """Return the noise of a picture (rows, columns) whose scan lines run along the columns' axis.

    Lines are taken to be independent; pixels of one line need not be. NaN pixels are passed over.
    """
    finest = row_differences(values, ORDER)
    finest = finest - _line_means(finest)
    few = _few_numbers(values)
    square: Square = _mean_square if few else _median_square
    variance = square(finest)
    correlation = _lags(finest, square)
    # each line's own mean was taken away, and with it this share of the noise
    columns = values.shape[1]
    lost = min(float(correlation.sum()) / columns, 0.5)
    variance /= 1.0 - lost
    number = int(np.isfinite(finest).sum())
    # neighbouring differences share lines; a median costs 1 / 0.64 more, for squares 1 / 0.37
    shared = (
        comb(4 * ORDER, 2 * ORDER) / comb(2 * ORDER, ORDER) ** 2 * float((correlation**2).sum())
    )
    error = float(np.sqrt(2.0 * shared / max(number, 1) / 0.37))
    gain, level, at_level = _gain(values, finest, variance, square)
    if gain > 0:
        variance = at_level / (1.0 - lost)
    notes = []
    if few:
        notes.append(
            "it holds few distinct numbers (low counts or coarse steps): its noise is a mean "
            "square, in which sharp edges of the scene count."
        )
    lower = row_differences(values, LOWER_ORDER)
    ratio = square(lower - _line_means(lower)) / max(variance, 1e-300)
    if ratio > SAME_NOISE + 4 * error:
        notes.append(
            f"its finest structure along the slow axis is not noise alone (third differences hold "
            f"{ratio:.2f} times the variance of fifth ones): the noise is a bound where the scene "
            "is this sharp, and too small where the picture was smoothed; a repeated scan tells."
        )
    reach = correlation.shape[1] // 2
    if reach == _most_lags(columns) and correlation[0, 0] > FAR_CORRELATION:
        notes.append(
            f"its noise along the lines reaches farther than {reach} pixels: "
            "the error of a patch's mean is a lower bound; level the lines, or repeat the scan."
        )
    return PictureNoise(variance, error, correlation, gain, level, tuple(notes))


def _most_lags(columns: int) -> int:
    """Return the largest lag along a line that is looked at."""
    return max(min(LARGEST_LAG, columns // 8), 1)


def _lags(differences: Floats, square: Square | None = None) -> Floats:
    """Return the autocorrelation (1, 2 q + 1) along a line, cut where it is lost in its error.

    Sums and differences of pixels a lag apart tell their correlation by medians (Gnanadesikan
    and Kettenring, 1972), so that few sharp edges do not count.
    """
    columns = differences.shape[1]
    most = _most_lags(columns)
    square = square or _median_square
    number = max(int(np.isfinite(differences).sum()), 1)
    limit = 4.0 * np.sqrt(2.909 / number / 0.37)
    kept = [1.0]
    misses = 0
    for lag in range(1, most + 1):
        one, two = differences[:, lag:], differences[:, :-lag]
        plus, minus = square(one + two), square(one - two)
        value = (plus - minus) / max(plus + minus, 1e-300)
        kept.append(value)
        misses = misses + 1 if abs(value) < limit else 0
        if misses == 2:
            break
    while len(kept) > 1 and abs(kept[-1]) < limit:
        kept.pop()
    half = np.array(kept)
    return np.concatenate([half[:0:-1], half])[None, :]


def _gain(
    values: Floats, finest: Floats, variance: float, square_of: Square
) -> tuple[float, float, float]:
    """Return how the variance grows with the level, the mean level and the variance there.

    Groups of pixels of like level; the level's own noise flattens the line and is given back.
    """
    level_mean = float(np.nanmean(values))
    good = np.isfinite(values)
    filled = np.where(good, values, level_mean)
    smooth = ndimage.gaussian_filter(filled, 1.0)
    square = np.array([comb(ORDER, k) ** 2 for k in range(ORDER + 1)], dtype=np.float64)
    square /= square.sum()
    rows = values.shape[0] - ORDER
    level = sum(w * smooth[k : k + rows] for k, w in enumerate(square))
    use = np.isfinite(finest)
    x, y = np.asarray(level)[use], finest[use]
    if x.size < 400 * N_LEVELS or not variance > 0:
        return 0.0, level_mean, variance
    edges = np.quantile(x, np.linspace(0, 1, N_LEVELS + 1))
    group = np.clip(np.searchsorted(edges, x, side="right") - 1, 0, N_LEVELS - 1)
    where, height, error = [], [], []
    for k in range(N_LEVELS):
        inside = group == k
        if inside.sum() < 100:
            continue
        where.append(float(x[inside].mean()))
        height.append(square_of(y[inside]))
        error.append(height[-1] * np.sqrt(2.0 * 2.909 / inside.sum() / 0.37))
    px, py = np.array(where), np.array(height)
    weight = 1.0 / np.maximum(np.array(error), 1e-300)
    center = float(np.average(px, weights=weight**2))
    design = np.stack([np.ones_like(px), px - center], axis=1) * weight[:, None]
    line, left, *_ = np.linalg.lstsq(design, py * weight, rcond=None)
    cov = np.linalg.inv(design.T @ design)
    scatter = max(float(left[0]) / max(len(px) - 2, 1), 1.0) if len(left) else 1.0
    if not line[1] > SIGNIFICANT_SLOPE * float(np.sqrt(cov[1, 1] * scatter)):
        return 0.0, level_mean, variance
    # variance of the smoothed level's own noise: a Gaussian of 1 px, and the lines' weights
    own = variance * 0.0796 * 0.75
    reliable = 1.0 - own / max(float(np.var(x)), 1e-300)
    if reliable < LEAST_RELIABLE:
        # levels differ by their own noise: they tell no gain
        return 0.0, level_mean, variance
    gain = float(line[1]) / reliable
    return gain, level_mean, float(line[0] + gain * (level_mean - center))


def row_offsets_sd(values: Floats, noise: PictureNoise) -> float:
    """Return the standard deviation of what is common to a scan line beyond its pixels' noise."""
    count = np.isfinite(values).sum(axis=1)
    means = _line_means(values)
    left = row_differences(means, ORDER)
    own = noise.variance * float(noise.autocorrelation.sum()) / max(float(np.median(count)), 1.0)
    seen = _median_square(left)
    error = own * np.sqrt(2.0 * 2.909 / max(left.size, 1) / 0.37)
    return float(np.sqrt(seen - own)) if seen - own > 4.0 * error else 0.0


def angle_noise(angle: Floats) -> PictureNoise:
    """Return the noise of directions in radians: each against what its line's neighbours say.

    The direction expected of a pixel is that of ``4 (u1 + u-1) - (u2 + u-2)`` of the lines before
    and after, ``u = exp(i angle)``; the turn away from it has 70/36 of a pixel's variance.
    """
    u = np.exp(1j * angle)
    expected = 4.0 * (u[1:-3] + u[3:-1]) - (u[:-4] + u[4:])
    turn = np.angle(u[2:-2] * np.conj(expected))
    variance = _median_square(turn) / (70.0 / 36.0)
    correlation = _lags(turn)
    number = int(np.isfinite(turn).sum())
    error = float(np.sqrt(2.0 * 2.8 * float((correlation**2).sum()) / max(number, 1) / 0.37))
    notes = []
    if variance > 0.5:
        notes.append(
            "its directions scatter over most of a turn: the noise of the angle is a lower bound."
        )
    spread = float(np.nanmean(turn**2)) / (70.0 / 36.0)
    if spread > 2.0 * variance:
        notes.append(
            f"its noise differs from place to place (mean square {spread / variance:.1f} times the "
            "typical one): the phase has no direction where the amplitude vanishes; use "
            "complex_response."
        )
    return PictureNoise(variance, error, correlation, 0.0, 0.0, tuple(notes))
