"""The noise of a picture's pixels, measured on what a fit leaves: variance, gain, correlation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from physlearn.datasets.columns.noise_taken import LocalFit, mean_taken, smear
from physlearn.one_thread import one_blas_thread

__all__ = [
    "fit_pixel_variance",
    "joint_variance_inflation",
    "pixel_noise_variance",
    "residual_autocorrelation",
    "variance_inflation",
    "without_common_misfit",
]

Floats = NDArray[np.float64]

INFLATION_REACH_WIDTHS = 7.0
COLUMNS_FOR_INFLATION = 9
RIDGE = 1e-9
FEWEST_FOR_MISFIT = 30
MOST_FOR_MISFIT = 4000
GIVE_BACK_ROUNDS = 6
SETTLED_CORRELATION = 0.003
SMALLEST_SHARE = 0.02
"""Smallest variance that a pixel may have, as a share of the picture's median variance."""


def pixel_noise_variance(image: Floats) -> float:
    """Return a robust variance of the pixel noise from differences that cancel slopes.

    Shape (rows, columns) in, one number in squared units of the picture out. The mixed second
    difference has 16 times a pixel's variance when pixels are independent (Immerkaer, 1996,
    doi:10.1006/cviu.1996.0060); correlated noise makes it too small.
    """
    along = image[:, :-2] - 2 * image[:, 1:-1] + image[:, 2:]
    mixed = along[:-2] - 2 * along[1:-1] + along[2:]
    spread = 1.4826 * float(np.median(np.abs(mixed))) / 6.0
    return max(spread * spread, 1e-12 * float(np.var(image)), np.finfo(np.float64).tiny)


def fit_pixel_variance(
    residual: Floats, mean: Floats, kind: str, n_parameters: int, left: Floats | None = None
) -> Floats:
    """Return (offset, gain, smallest variance) of ``variance = offset + gain * mean``.

    Parameters
    ----------
    residual, mean
        Measured minus fitted picture, and the fitted picture; shape (rows, columns).
    kind
        ``poisson`` (offset 0, gain 1), ``gaussian`` (gain 0) or ``gain`` (both fitted by the
        quasi-likelihood of squared residuals, whose variance is twice the squared variance).
    n_parameters
        Parameters of the fitted picture; their degrees of freedom are given back evenly.
    left
        Share of its variance that each pixel's residual keeps, in place of ``n_parameters``.
    """
    if kind == "poisson":
        # a background of zero counts would weigh without bound
        median = max(float(np.median(mean)), 0.1 * float(mean.mean()), np.finfo(np.float64).tiny)
        return np.array([0.0, 1.0, SMALLEST_SHARE * median])
    share = np.full(residual.size, max(1.0 - n_parameters / residual.size, 0.2))
    if left is not None:
        share = left.ravel()
    square = residual.ravel() ** 2
    level = float(square.sum() / share.sum())
    if kind == "gaussian" or not level > 0:
        level = max(level, np.finfo(np.float64).tiny)
        return np.array([level, 0.0, SMALLEST_SHARE * level])
    step = max(1, square.size // 100_000)
    square, means, share = square[::step], mean.ravel()[::step], share[::step]
    center = float(means.mean())
    design = share[:, None] * np.stack([np.ones_like(means), means - center], axis=1)
    floor = SMALLEST_SHARE * level
    line = np.array([level, 0.0])
    for _ in range(30):
        variance = np.maximum(design @ line, floor * share)
        weight = design / variance[:, None] ** 2
        new = np.linalg.solve(design.T @ weight + 1e-12 * np.eye(2) / level**2, weight.T @ square)
        if new[1] < 0:
            new = np.array([level, 0.0])
        moved = np.abs(new - line).max()
        line = new
        if moved < 1e-6 * level:
            break
    return np.array([line[0] - line[1] * center, line[1], floor])


def _correlate(pictures: Floats, largest_lag: int) -> Floats:
    """Return the mean autocorrelation sums of (n, rows, columns) for lags up to ``largest_lag``."""
    _, n_rows, n_columns = pictures.shape
    shape = (n_rows + largest_lag, n_columns + largest_lag)
    power = (np.abs(np.fft.rfft2(pictures, shape)) ** 2).sum(axis=0)
    sums = np.fft.irfft2(power, shape)
    lags = np.arange(-largest_lag, largest_lag + 1)
    return np.asarray(sums[np.ix_(lags, lags)], dtype=np.float64)


def _typical_slopes(width: float, amplitude: float, background: float, noise: Floats) -> Floats:
    """Return the four derivative pictures (4, size, size) of one typical column, noise-scaled."""
    half = int(np.ceil(4 * width))
    y, x = np.mgrid[-half : half + 1, -half : half + 1].astype(np.float64)
    square = (x * x + y * y) / (width * width)
    value = amplitude * np.exp(-0.5 * square)
    variance = np.maximum(noise[0] + noise[1] * (background + value), noise[2])
    parts = np.stack([value * x / width**2, value * y / width**2, value, value * square])
    return np.asarray(parts / np.sqrt(variance), dtype=np.float64)


def residual_autocorrelation(
    scaled: Floats,
    n_columns: int,
    typical: tuple[float, float, float],
    noise: Floats,
    fits: list[LocalFit] | None = None,
) -> tuple[Floats, float]:
    """Return the pixel noise's autocorrelation, and its variance in units of the assumed one.

    Parameters
    ----------
    scaled
        (picture - model) / standard deviation, shape (rows, columns).
    n_columns
        Fitted columns. Each takes noise out of the residuals, more of it the longer the noise is
        correlated; this is given back.
    typical
        Width (pixel), amplitude and background of a typical column.
    noise
        (offset, gain, smallest variance).
    fits
        Some columns as the fit sees them (``local_fits``); None: one typical column alone.

    Returns
    -------
    tuple
        Autocorrelation, shape (2 m + 1, 2 m + 1), 1 in the middle, 0 at lags within 4 standard
        errors of 0; and the variance that pixels had before the fit.
    """
    lag = int(np.clip(np.ceil(3 * typical[0]), 3, min(12, min(scaled.shape) // 4)))
    centred = scaled - scaled.mean()
    sums = _correlate(centred[None], lag)
    error = 4.0 / np.sqrt(scaled.size)
    correlation = _hanging_together(sums / sums[lag, lag], error)
    level = float(sums[lag, lag] / scaled.size)
    fits = fits or [_alone(typical, noise)]
    for _ in range(GIVE_BACK_ROUNDS if n_columns else 0):
        taken = n_columns * mean_taken(fits, correlation)[0]
        level = float(sums[lag, lag] / max(scaled.size - taken[lag, lag], 0.2 * scaled.size))
        whole = sums + level * taken
        before = correlation
        correlation = _hanging_together(whole / whole[lag, lag], error)
        if np.abs(correlation - before).max() < SETTLED_CORRELATION:
            break
    return correlation, level


def _alone(typical: tuple[float, float, float], noise: Floats) -> LocalFit:
    """Return the fit of one typical column on a known background."""
    slopes = _typical_slopes(*typical, noise)
    flat = slopes.reshape(4, -1)
    inverse = np.asarray(np.linalg.inv(flat @ flat.T), dtype=np.float64)
    return LocalFit(slopes, inverse, np.ones(slopes.shape[1:], dtype=np.bool_))


def _hanging_together(correlation: Floats, error: float) -> Floats:
    """Zero what is within ``error`` of 0 and what does not hang together with the middle.

    Far correlations are structure of the picture, not noise of its pixels.
    """
    correlation = np.where(np.abs(correlation) < error, 0.0, correlation)
    lag = correlation.shape[0] // 2
    for row in range(2 * lag + 1):
        for column in range(2 * lag + 1):
            steps = max(abs(row - lag), abs(column - lag))
            for s in range(1, steps + 1):
                inner = (
                    lag + round((row - lag) * s / steps),
                    lag + round((column - lag) * s / steps),
                )
                if abs(correlation[inner]) < 0.02:
                    correlation[row, column] = 0.0
                    break
    return np.asarray(correlation, dtype=np.float64)


def variance_inflation(
    correlation: Floats, typical: tuple[float, float, float], noise: Floats
) -> Floats:
    """Return the factor (4,) by which correlated pixels raise a column's variances.

    Order x, y, log amplitude, log width. The fit weighs pixels as independent, so that its
    covariance is the sandwich ``F^-1 (J' R J) F^-1`` (White, 1982, doi:10.2307/1912526).
    """
    return _sandwich(_typical_slopes(*typical, noise), correlation)


def _sandwich(slopes: Floats, correlation: Floats) -> Floats:
    """Return the factor (4,) on the variances of the first four of noise-scaled slope pictures."""
    smeared = smear(slopes, correlation)
    flat = slopes.reshape(len(slopes), -1)
    scale = 1.0 / np.sqrt(np.maximum((flat**2).sum(axis=1), 1e-300))
    information = (flat @ flat.T) * scale[:, None] * scale
    bread = np.linalg.inv(information + RIDGE * np.eye(len(flat)))
    meat = (flat @ smeared.T) * scale[:, None] * scale
    factor = np.diag(bread @ meat @ bread) / np.diag(bread)
    return np.asarray(np.maximum(factor[:4], 0.25), dtype=np.float64)


def joint_variance_inflation(correlation: Floats, weight: Floats, columns: Floats) -> Floats:
    """Return the factor (4,) by which correlated pixels raise the variances of these columns.

    As ``variance_inflation``, with overlapping neighbours and a local background free: the median
    over some of the columns, taken where they stand.

    Parameters
    ----------
    correlation
        Autocorrelation of the pixel noise, 1 in the middle.
    weight
        Picture of 1 / variance.
    columns
        Shape (n, 4): x, y, log amplitude, log width.
    """
    if len(columns) == 0 or np.count_nonzero(correlation) <= 1:
        return np.ones(4)
    width = float(np.exp(np.median(columns[:, 3])))
    half = int(np.ceil(INFLATION_REACH_WIDTHS * width))
    x, y = columns[:, 0], columns[:, 1]
    inside = np.minimum(np.minimum(x, weight.shape[1] - 1 - x), np.minimum(y, len(weight) - 1 - y))
    inner = np.flatnonzero(inside > half)
    if len(inner) == 0:
        inner = np.array([int(np.argmax(inside))])
    some = np.linspace(0, len(inner) - 1, min(COLUMNS_FOR_INFLATION, len(inner))).astype(np.int64)
    tree = cKDTree(columns[:, :2])
    factors = []
    for k in inner[some]:
        near = [k, *(m for m in tree.query_ball_point(columns[k, :2], 0.8 * half) if m != k)]
        low_y, low_x = max(0, round(float(y[k])) - half), max(0, round(float(x[k])) - half)
        part = weight[low_y : low_y + 2 * half + 1, low_x : low_x + 2 * half + 1]
        rows, places = np.mgrid[: part.shape[0], : part.shape[1]].astype(np.float64)
        slopes = []
        for m in near:
            u = (places + low_x - x[m]) / np.exp(columns[m, 3])
            v = (rows + low_y - y[m]) / np.exp(columns[m, 3])
            square = u * u + v * v
            value = np.exp(columns[m, 2] - columns[k, 2] - 0.5 * square)
            slopes += [value * u, value * v, value, value * square]
        slopes.append(np.ones(part.shape))
        with one_blas_thread():
            factors.append(_sandwich(np.array(slopes) * np.sqrt(part), correlation))
    return np.asarray(np.median(factors, axis=0), dtype=np.float64)


def without_common_misfit(scaled: Floats, columns: Floats) -> Floats:
    """Return residuals without what all columns leave alike: it is their shape, not pixel noise.

    Parameters
    ----------
    scaled
        (picture - model) / standard deviation, shape (rows, columns).
    columns
        Shape (n, 4): x, y in pixels of ``scaled``, log amplitude, log width. Fewer than 30 with
        their whole window inside change nothing.
    """
    width = float(np.exp(np.median(columns[:, 3]))) if len(columns) else 1.0
    half = int(np.ceil(4.0 * width))
    x, y = np.rint(columns[:, 0]).astype(np.int64), np.rint(columns[:, 1]).astype(np.int64)
    whole = (x >= half) & (y >= half)
    whole &= (x < scaled.shape[1] - half) & (y < scaled.shape[0] - half)
    x, y, height = x[whole], y[whole], np.exp(columns[whole, 2] - np.max(columns[:, 2], initial=0))
    if len(x) < FEWEST_FOR_MISFIT:
        return scaled
    step = 1 + len(x) // MOST_FOR_MISFIT
    offsets = np.arange(-half, half + 1)
    flat = (offsets[:, None] * scaled.shape[1] + offsets).ravel()
    at = (y * scaled.shape[1] + x)[:, None] + flat
    values = scaled.ravel()
    template = height[::step] @ values[at[::step]] / (height[::step] ** 2).sum()
    misfit = np.bincount(
        at.ravel(), weights=(height[:, None] * template).ravel(), minlength=values.size
    )
    # overlapping windows would take away twice what they share
    share = np.bincount(at.ravel(), minlength=values.size)
    return np.asarray((values - misfit / np.maximum(share, 1)).reshape(scaled.shape))
