"""A film's noise: its size, whether neighbouring frames share it, and the signal's own scales."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["first_widths", "frame_noise", "shared_noise"]

Floats = NDArray[np.float64]

QUANTILE, AT_QUANTILE = 0.4, 0.5244  # of the absolute value of a normal number
CUT, SHARE_BELOW_CUT = 2.0, 0.7737412
SECOND = np.array([1.0, -2.0, 1.0])
FOURTH = np.array([1.0, -4.0, 6.0, -4.0, 1.0])
SIXTH = np.array([1.0, -6.0, 15.0, -20.0, 15.0, -6.0, 1.0])
LONGEST_LAG = 6
LEAST_SHARED = 0.05
SIGNAL_SHARE = 0.99
TIME_WIDTH_OVER_SCALE, SPACE_WIDTH_OVER_SCALE = 5.5, 6.5


def _difference(values: Floats, weights: Floats, axis: int) -> Floats:
    """Normalised difference along an axis: unit white noise keeps its standard deviation."""
    n = values.shape[axis] - len(weights) + 1
    total = sum(
        w * np.take(values, np.arange(k, k + n), axis) for k, w in enumerate(weights)
    ) / np.sqrt((weights**2).sum())  # fmt: skip
    return np.asarray(total)


def _robust_sd(values: Floats) -> float:
    known = values[np.isfinite(values)]
    if not known.size:
        return 0.0
    rough: float = float(np.quantile(np.abs(known), QUANTILE)) / AT_QUANTILE
    # the mean square below a cut is sharper than the quantile; its share of a normal variance
    inside = known[np.abs(known) < CUT * rough]
    return float(np.sqrt(np.mean(inside**2) / SHARE_BELOW_CUT)) if inside.size else rough


def frame_noise(field: Floats, seen: NDArray[np.bool_]) -> tuple[float, bool]:
    """Return the noise's standard deviation, and whether neighbouring pixels share it.

    White noise is read from the differences along all axes at once, in which no smooth signal is
    left. Noise that a blur has spread over pixels is larger than that: where differences of the
    fourth and sixth order in time agree with each other and exceed it, they are taken.
    """
    values = np.where(seen, field, np.nan)
    rough = values
    flat = field.shape[1] == 1
    for axis in (0, 2) if flat else (0, 1, 2):
        rough = _difference(rough, FOURTH if flat else SECOND, axis)
    white = _robust_sd(rough)
    if len(field) < len(SIXTH) + 2:
        return white, False
    fourth = _robust_sd(_difference(values, FOURTH, 0))
    sixth = _robust_sd(_difference(values, SIXTH, 0))
    spread = sixth > 1.1 * white and abs(sixth / max(fourth, 1e-300) - 1) < 0.03
    return (sixth, True) if spread else (white, False)


def shared_noise(field: Floats, seen: NDArray[np.bool_]) -> int | None:
    """Return how many frames apart the noise is independent; None where that cannot be told.

    The finest differences in space are noise; their products with later frames show what noise
    frames share. Where they hold signal too (it lasts), nothing is said.
    """
    fine = _difference(np.where(seen, field, np.nan), FOURTH, 2)
    if field.shape[1] > 4:
        fine = _difference(fine, FOURTH, 1)
    lags = min(LONGEST_LAG, len(field) // 4)
    products = [np.nanmean(fine[lag:] * fine[: len(fine) - lag]) for lag in range(lags + 1)]
    correlation = np.array(products) / max(products[0], 1e-300)
    noise = 4.0 / np.sqrt(max(np.isfinite(fine).sum(), 1) / 4.0)
    last = float(correlation[-1])
    if lags < 3 or abs(last) > 0.1:
        return None
    shared = np.flatnonzero(np.abs(correlation[1:] - last) > max(LEAST_SHARED, noise))
    return int(shared[-1]) + 2 if shared.size else 1


def first_widths(
    fields: Floats, noise_sd: Floats, interval: float, spacing: tuple[float, float]
) -> tuple[float, float]:
    """Return half widths (time, space) from where the fields' spectra sink into the noise."""
    pairs = list(zip(fields, noise_sd, strict=True))
    frequency = [_corner(field, 0, float(sd)) / interval for field, sd in pairs]
    waves = []
    for axis, step in ((1, spacing[0]), (2, spacing[1])):
        if fields.shape[axis + 1] > 1:
            waves += [_corner(field, axis, float(sd)) / step for field, sd in pairs]
    return TIME_WIDTH_OVER_SCALE / max(frequency), SPACE_WIDTH_OVER_SCALE / max(waves)


def _corner(field: Floats, axis: int, noise_sd: float) -> float:
    """Angular frequency (per sample) below which nearly all of the signal's power lies."""
    n = field.shape[axis]
    taper = np.hanning(n + 2)[1:-1].reshape([-1 if k == axis else 1 for k in range(3)])
    centred = (field - field.mean(axis=axis, keepdims=True)) * taper
    power = np.mean(
        np.abs(np.fft.rfft(centred, axis=axis)) ** 2, axis=tuple(k for k in range(3) if k != axis)
    )
    signal = np.maximum(power - noise_sd**2 * float((taper**2).sum()), 0.0)[1:]
    if not signal.sum() > 0:
        return float(2 * np.pi * 4 / n)
    share = np.cumsum(signal) / signal.sum()
    return float(2 * np.pi * (np.argmax(share >= SIGNAL_SHARE) + 1) / n)
