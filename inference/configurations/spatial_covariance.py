"""Covariance of sums over particles that are correlated in space and in time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["frame_inflation", "spatial_covariance"]

Float = NDArray[np.float64]
FEW_FRAMES = 8
NOT_SCATTERED = 0.5
"""Variance between frames, over that of independent ones."""


def frame_inflation(totals: Float, weight: Float) -> float:
    """Return by how much correlation from frame to frame widens the covariance of the sum.

    ``totals``: (t, k), each frame's sums; ``weight``: (k, k), inverse covariance of one frame's.
    The correlation over lags is summed up to where neighbouring lags no longer add up to more
    than 0 (Geyer's initial positive sequence); the result is at least 1. Few frames, or frames
    that differ by much less than ``weight`` says of independent ones, have not shown how far they
    scatter: correlations are then taken from their differences against ``weight``.
    """
    n_frames = len(totals)
    values, vectors = np.linalg.eigh(0.5 * (weight + weight.T))
    known = values > 1e-12 * values[-1]
    if n_frames < 2 or not known.any():
        return 1.0
    # a force that is not the right one gives every frame the same mean: that is no correlation
    white = (totals - totals.mean(axis=0)) @ (vectors[:, known] * np.sqrt(values[known]))
    scale = float((white**2).sum() / ((n_frames - 1) * known.sum()))
    centred = n_frames >= FEW_FRAMES and scale >= NOT_SCATTERED
    if not centred:
        lags = [
            (1.0 - lag / n_frames) * (1.0 - 0.5 * float(((white[lag:] - white[:-lag]) ** 2).mean()))
            for lag in range(1, n_frames)
        ]
    else:
        lags = [
            float((white[lag:] * white[:-lag]).sum() / (white**2).sum())
            for lag in range(1, n_frames // 2 + 1)
        ]
    total, k = 1.0, 0
    while k < len(lags):
        pair = lags[k] + (lags[k + 1] if k + 1 < len(lags) else 0.0)
        if pair <= 0.0:
            break
        total += 2.0 * pair
        k += 2
    if centred:  # taking the mean away takes some of the correlation with it
        total /= max(1.0 - total / n_frames, 0.5)
    return min(max(total, 1.0), float(n_frames))


def spatial_covariance(
    places: Float, shares: Float, reach: float, box: Float | None, *, flat_top: bool = False
) -> Float:
    """Return the covariance of the sum of ``shares`` (n, k), correlated up to about ``reach``.

    Shares are put into boxes a quarter of ``reach`` wide; products of boxes are weighted by a
    triangle in each direction (Bartlett), which keeps the result positive. ``flat_top``: by a
    triangle whose top is cut off at half its height, without bias where the correlation ends
    before half of ``reach``, but not surely positive.
    """
    d = places.shape[1]
    low = np.zeros(d) if box is not None else places.min(axis=0)
    extent = box if box is not None else np.maximum(np.ptp(places, axis=0), 1e-12)
    cells = np.maximum((extent / (0.25 * reach)).astype(np.int64), 1)
    width = extent / cells
    lags = np.maximum(np.round(reach / width).astype(np.int64), 1)
    size = cells if box is not None else cells + lags  # room, so that nothing goes around
    index = np.minimum(((places - low) / width).astype(np.int64), cells - 1)
    flat = np.ravel_multi_index(tuple(index.T), tuple(size))
    kernel = np.ones(1)
    for axis in range(d):
        away = np.minimum(np.arange(size[axis]), size[axis] - np.arange(size[axis]))
        fall = np.maximum(1.0 - away / lags[axis], 0.0)
        kernel = np.multiply.outer(kernel, np.minimum(2.0 * fall, 1.0) if flat_top else fall)
    power = np.fft.rfftn(kernel[0]).real
    count = int(np.prod(size))
    spectra = [
        np.fft.rfftn(np.bincount(flat, column, count).reshape(tuple(size))) for column in shares.T
    ]
    spread = np.array(
        [np.fft.irfftn(power * s, tuple(size), axes=tuple(range(d))).ravel() for s in spectra]
    )
    plain = np.array([np.bincount(flat, column, count) for column in shares.T])
    return np.asarray(0.5 * (plain @ spread.T + spread @ plain.T))
