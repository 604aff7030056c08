"""Kalman filter of motion whose axes are independent and linear, with given steps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.compiled import kernel

__all__ = ["filter_linear"]

Float = NDArray[np.float64]
Int = NDArray[np.int64]
LOG_2PI = 1.8378770664093453


@kernel
def filter_linear(
    starts: Int, kinds: Int, seen: Float, variance: Float, step: Float, push: Float,
    fresh: Float, first: Float, order: int, innovation: Float, spread: Float, log_density: Float,
    velocity: Float,
) -> None:  # fmt: skip
    """Filter each series of rows; a row's step is the one of its kind.

    State of an axis: position, velocity (order 2), mean position while exposed (last, if any).
    ``step`` (g, d, k, k), ``push`` (g, d, k) and ``fresh`` (g, d, k, k): its map, shift and noise;
    ``first`` (k, k): covariance at a series' first row but for that row's own variance.
    """
    d, k = push.shape[1], push.shape[2]
    at = k - 1 if k > order else 0
    mean, ahead = np.zeros((d, k)), np.zeros(k)
    covariance, turned = np.zeros((d, k, k)), np.zeros((k, k))
    for series in range(len(starts) - 1):
        for row in range(starts[series], starts[series + 1]):
            log_density[row] = 0.0
            for a in range(d):
                if row == starts[series]:
                    mean[a, :] = 0.0
                    mean[a, 0] = seen[row, a]
                    covariance[a] = first
                    covariance[a, 0, 0] += variance[row]
                    innovation[row, a], spread[row, a, a] = 0.0, 1.0
                else:
                    kind = kinds[row]
                    for i in range(k):
                        ahead[i] = push[kind, a, i]
                        for j in range(k):
                            ahead[i] += step[kind, a, i, j] * mean[a, j]
                            total = 0.0
                            for m in range(k):
                                total += step[kind, a, i, m] * covariance[a, m, j]
                            turned[i, j] = total
                    for i in range(k):
                        for j in range(k):
                            total = fresh[kind, a, i, j]
                            for m in range(k):
                                total += turned[i, m] * step[kind, a, j, m]
                            covariance[a, i, j] = total
                    off = seen[row, a] - ahead[at]
                    whole = covariance[a, at, at] + variance[row]
                    innovation[row, a], spread[row, a, a] = off, whole
                    log_density[row] -= 0.5 * (LOG_2PI + np.log(whole) + off * off / whole)
                    for i in range(k):
                        turned[0, i] = covariance[a, i, at]
                    for i in range(k):
                        mean[a, i] = ahead[i] + turned[0, i] / whole * off
                        for j in range(k):
                            covariance[a, i, j] -= turned[0, i] * turned[0, j] / whole
                if order == 2:
                    velocity[row, a] = mean[a, 1]
                    velocity[row, d + a] = np.sqrt(max(covariance[a, 1, 1], 0.0))
