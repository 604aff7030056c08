"""The pixel noise inside the domains: its size and its autocorrelation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

__all__ = ["measure_noise", "noise_lags"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

NOISE_LAGS = 4
NOISE_BOX = 21
LEAST_PIXELS = 200


def measure_noise(frame: Floats, away: Mask) -> tuple[float, Floats]:
    """Pixel noise sd away from the walls and its autocorrelation, shape (9, 9), 1 in the middle.

    Means over 21 x 21 pixels are taken out, and what that takes from the noise is put back.
    """
    use = away & np.isfinite(frame)
    weight = ndimage.uniform_filter(use.astype(float), NOISE_BOX)
    mean = ndimage.uniform_filter(np.where(use, frame, 0.0), NOISE_BOX) / np.maximum(weight, 1e-9)
    rest = np.where(use, frame - mean, 0.0)
    count = int(use.sum())
    correlation = np.zeros((2 * NOISE_LAGS + 1, 2 * NOISE_LAGS + 1))
    correlation[NOISE_LAGS, NOISE_LAGS] = 1.0
    if count < LEAST_PIXELS:
        return float("nan"), correlation
    variance = float((rest**2).sum() / count)
    rows, columns = frame.shape
    if variance <= 0.0:
        return 0.0, correlation
    for dy in range(NOISE_LAGS + 1):
        for dx in range(-NOISE_LAGS, NOISE_LAGS + 1):
            if dy == 0 and dx <= 0:
                continue
            one = (slice(0, rows - dy), slice(max(0, -dx), columns - max(0, dx)))
            two = (slice(dy, rows), slice(max(0, dx), columns - max(0, -dx)))
            pairs = int(np.count_nonzero(use[one] & use[two]))
            product = float(np.einsum("ij,ij->", rest[one], rest[two]))
            rho = product / max(pairs, 1) / variance
            correlation[NOISE_LAGS + dy, NOISE_LAGS + dx] = rho
            correlation[NOISE_LAGS - dy, NOISE_LAGS - dx] = rho
    # The box mean holds the share s = (sum of the true correlations) / (pixels in a box) of the
    # variance
    box = float((NOISE_BOX**2 * weight[use]).mean())
    share = correlation.sum() / (box + correlation.sum() - correlation.size)
    share = float(np.clip(share, 0.0, 0.5))
    correlation = correlation * (1.0 - share) + share
    correlation[NOISE_LAGS, NOISE_LAGS] = 1.0
    return float(np.sqrt(variance / (1.0 - share))), correlation


def noise_lags(correlation: Floats) -> Floats:
    """List the pairs that correlate: row difference, column difference, autocorrelation."""
    half = correlation.shape[0] // 2
    rows, columns = np.nonzero(correlation)
    return np.column_stack([rows - half, columns - half, correlation[rows, columns]])
