"""How much of the pixels' noise a joint fit of columns takes up, and where."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.spatial import cKDTree

from physlearn.one_thread import one_blas_thread

__all__ = ["LocalFit", "local_fits", "mean_taken"]

Floats = NDArray[np.float64]
REACH_WIDTHS = 5.0
COLUMNS_LOOKED_AT = 3
MOST_NEIGHBOURS = 8


@dataclass(frozen=True, slots=True, eq=False)
class LocalFit:
    """One column with its neighbours and a constant, as the fit sees them.

    ``slopes``: derivatives of the model over the noise, (parameters, rows, columns) of an odd
    square about the column; ``inverse`` the inverse information; ``own`` the pixels that are
    nearer to this column than to another.
    """

    slopes: Floats
    inverse: Floats
    own: NDArray[np.bool_]


def local_fits(columns: Floats, weight: Floats, width_precision: float) -> list[LocalFit]:
    """Return the local fits of some columns inside the picture.

    Parameters
    ----------
    columns
        Shape (n, 4): x, y, log amplitude, log width.
    weight
        Picture of 1 / variance, 0 where a pixel is masked.
    width_precision
        Precision of the prior on each log width.
    """
    half = int(np.ceil(REACH_WIDTHS * np.exp(np.median(columns[:, 3]))))
    x, y = columns[:, 0], columns[:, 1]
    edge = np.minimum(np.minimum(x, weight.shape[1] - 1 - x), np.minimum(y, len(weight) - 1 - y))
    inner = np.flatnonzero(edge > half + 1)
    some = np.linspace(0, len(inner) - 1, min(COLUMNS_LOOKED_AT + 2, len(inner)))
    # the outermost ones have fewer neighbours
    chosen = inner[some.astype(np.int64)[1:-1] if len(some) > 2 else some.astype(np.int64)]
    tree = cKDTree(columns[:, :2])
    fits = []
    with one_blas_thread():
        for k in chosen:
            around = np.array(tree.query_ball_point(columns[k, :2], 3.0 * half))
            distance = np.hypot(x[around] - x[k], y[around] - y[k])
            around = around[np.argsort(distance, kind="stable")]
            fits.append(_local_fit(columns[around], weight, half, width_precision))
    return fits


def _local_fit(columns: Floats, weight: Floats, half: int, width_precision: float) -> LocalFit:
    """Return the local fit about the first of these columns, ordered by distance."""
    low_x, low_y = (round(float(columns[0, axis])) - half for axis in (0, 1))
    size = 2 * half + 1
    root = np.sqrt(weight[low_y : low_y + size, low_x : low_x + size])
    rows, places = np.mgrid[:size, :size].astype(np.float64)
    _, nearest = cKDTree(columns[:, :2]).query(
        np.stack([places + low_x, rows + low_y], axis=-1).reshape(-1, 2)
    )
    own = (nearest == 0).reshape(size, size)
    columns = columns[: 1 + MOST_NEIGHBOURS]
    columns = columns[np.abs(columns[:, :2] - columns[0, :2]).max(axis=1) <= 1.2 * half]
    slopes = []
    for x, y, log_amplitude, log_width in columns:
        u, v = (places + low_x - x) / np.exp(log_width), (rows + low_y - y) / np.exp(log_width)
        square = u * u + v * v
        value = np.exp(log_amplitude - 0.5 * square) * root
        slopes += [value * u, value * v, value, value * square]
    slopes.append(root)
    flat = np.array(slopes).reshape(len(slopes), -1)
    information = flat @ flat.T
    information[3:-1:4, 3:-1:4] += width_precision * np.eye(len(columns))
    scale = 1.0 / np.sqrt(np.maximum(np.diag(information), 1e-300))
    scaled = information * scale[:, None] * scale + 1e-9 * np.eye(len(scale))
    inverse = np.linalg.inv(scaled) * scale[:, None] * scale
    return LocalFit(flat.reshape(-1, size, size), inverse, own)


def mean_taken(fits: list[LocalFit], correlation: Floats) -> tuple[Floats, Floats]:
    """Return what the fit takes of a unit noise of this correlation, the mean of the local fits.

    With the fit's map ``P = J F^-1 J'`` the residuals' covariance is
    ``R - (P R + R P - P R P)``; what is in the bracket is returned summed over a column's own
    pixels for each lag (the shape of ``correlation``), and pixel by pixel about the column.
    """
    lag = correlation.shape[0] // 2
    sums = np.zeros_like(correlation)
    near, count = (np.zeros(fits[0].own.shape) for _ in range(2))
    with one_blas_thread():
        for fit in fits:
            flat = fit.slopes.reshape(len(fit.slopes), -1)
            smeared = smear(fit.slopes, correlation)
            mapped = fit.inverse @ flat
            other = smeared - 0.5 * (flat @ smeared.T) @ mapped
            near += np.where(fit.own, 2.0 * _fold(mapped * other, fit), 0.0)
            count += fit.own
            sums += _lag_sums(mapped, other, fit, lag) / len(fits)
    return sums, np.asarray(near / np.maximum(count, 1.0))


def _fold(product: Floats, fit: LocalFit) -> Floats:
    """Return the sum over parameters as a picture."""
    return np.asarray(product.sum(axis=0).reshape(fit.own.shape))


def _lag_sums(mapped: Floats, other: Floats, fit: LocalFit, lag: int) -> Floats:
    """Return the sums over own pixels i of T(i, i + lag), made even in the lag."""
    shape = [fft.next_fast_len(length + lag, real=True) for length in fit.own.shape]
    pictures = [
        fft.rfft2((part.reshape(fit.slopes.shape) * cut).astype(np.float32), shape)
        for part in (mapped, other)
        for cut in (fit.own, np.ones_like(fit.own))
    ]
    power = (np.conj(pictures[0]) * pictures[3] + np.conj(pictures[2]) * pictures[1]).sum(axis=0)
    lags = np.arange(-lag, lag + 1)
    part = fft.irfft2(power, shape)[np.ix_(lags, lags)].astype(np.float64)
    return np.asarray(0.5 * (part + part[::-1, ::-1]), dtype=np.float64)


def smear(slopes: Floats, correlation: Floats) -> Floats:
    """Return pictures (n, rows, columns) convolved with the pixels' correlation, as (n, pixels)."""
    lag = correlation.shape[0] // 2
    if np.count_nonzero(correlation) <= 1:
        return np.asarray(slopes.reshape(len(slopes), -1) * correlation[lag, lag])
    size = fft.next_fast_len(max(slopes.shape[1:]) + 2 * lag, real=True)
    spectrum = fft.rfft2(slopes.astype(np.float32), (size, size))
    kernel = np.zeros((size, size), dtype=np.float32)
    lags = np.arange(-lag, lag + 1)
    kernel[np.ix_(lags, lags)] = correlation
    smeared = fft.irfft2(spectrum * fft.rfft2(kernel), (size, size))
    smeared = smeared[:, : slopes.shape[1], : slopes.shape[2]]
    return np.asarray(smeared.reshape(len(slopes), -1), dtype=np.float64)
