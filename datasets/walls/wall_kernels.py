"""Compiled parts of wall tracking: which pixel belongs to which contour point, and the tanh fit."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.kernels import kernel

__all__ = ["assign_pixels", "fit_offsets", "offset_covariance"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

LARGEST_STEP = 0.7


@kernel
def assign_pixels(
    nodes: Floats,
    half_spacing: float,
    reach: float,
    valid: NDArray[np.bool_],
    owner: Integers,
    distance: Floats,
) -> None:
    """Give every pixel within ``reach`` of a contour point to the nearest point, in place.

    ``nodes``: (n, 5) with x, y, normal_x, normal_y, curvature of points that lie ``2 half_spacing``
    apart. ``owner`` (rows, columns) must come in as -1; ``distance`` receives the signed distance
    to the curve (positive along the normal), to second order in the offset along the curve. Pixels
    that lie beyond the end of an open curve stay free.
    """
    n_rows, n_columns = owner.shape
    nearest = np.full(owner.shape, np.inf)
    size = int(np.ceil(reach)) + 1
    for node in range(nodes.shape[0]):
        x, y, along_x, along_y, bend = nodes[node]
        column = int(np.rint(x))
        row = int(np.rint(y))
        for i in range(max(0, row - size), min(n_rows, row + size + 1)):
            for j in range(max(0, column - size), min(n_columns, column + size + 1)):
                dx = j - x
                dy = i - y
                square = dx * dx + dy * dy
                if square < nearest[i, j]:
                    nearest[i, j] = square
                    owner[i, j] = node
                    tangential = dx * along_y - dy * along_x
                    offset = dx * along_x + dy * along_y
                    turn = max(0.2, 1.0 + bend * offset)
                    distance[i, j] = offset + 0.5 * bend * tangential * tangential / turn
                    if abs(tangential) > 1.5 * half_spacing * turn + 0.75:
                        distance[i, j] = np.inf
    for i in range(n_rows):
        for j in range(n_columns):
            if owner[i, j] >= 0 and (not abs(distance[i, j]) <= reach or not valid[i, j]):
                owner[i, j] = -1


@kernel
def fit_offsets(
    frame: Floats,
    owner: Integers,
    distance: Floats,
    width: float,
    offsets: Floats,
    information: Floats,
    residual: Floats,
) -> None:
    """Fit ``frame = -tanh((distance - offset) / width)`` point by point, by Gauss-Newton, in place.

    ``information`` receives sum (d model / d offset)^2 (multiply by 1 / noise variance) and
    ``residual`` the sum of squared residuals and their number, shape (2,).
    """
    rows, columns = np.nonzero(owner >= 0)
    score = np.zeros(offsets.size)
    for _ in range(8):
        score[:] = 0.0
        information[:] = 0.0
        residual[:] = 0.0
        for k in range(rows.size):
            node = owner[rows[k], columns[k]]
            t = np.tanh((distance[rows[k], columns[k]] - offsets[node]) / width)
            slope = (1.0 - t * t) / width
            error = frame[rows[k], columns[k]] + t
            score[node] += slope * error
            information[node] += slope * slope
            residual[0] += error * error
            residual[1] += 1.0
        largest = 0.0
        for node in range(offsets.size):
            if information[node] > 0.0:
                step = score[node] / information[node]
                step = min(LARGEST_STEP, max(-LARGEST_STEP, step))
                offsets[node] += step
                largest = max(largest, abs(step))
        if largest < 1e-4:
            break


@kernel
def offset_covariance(
    owner: Integers,
    distance: Floats,
    width: float,
    offsets: Floats,
    information: Floats,
    correlation: Floats,
    covariance: Floats,
) -> None:
    """Covariance of neighbouring offsets for unit noise with a given autocorrelation, in place.

    ``correlation``: (2 m + 1, 2 m + 1), 1 in the middle. ``covariance``: (n_points, lags), between
    a point and the points that follow it in the table.
    """
    n_rows, n_columns = owner.shape
    half = correlation.shape[0] // 2
    lags = covariance.shape[1]
    covariance[:] = 0.0
    slope = np.zeros(owner.shape)
    for i in range(n_rows):
        for j in range(n_columns):
            node = owner[i, j]
            if node >= 0 and information[node] > 0.0:
                t = np.tanh((distance[i, j] - offsets[node]) / width)
                slope[i, j] = (1.0 - t * t) / width / information[node]
    for i in range(n_rows):
        for j in range(n_columns):
            node = owner[i, j]
            if node < 0:
                continue
            for a in range(max(0, i - half), min(n_rows, i + half + 1)):
                for b in range(max(0, j - half), min(n_columns, j + half + 1)):
                    lag = owner[a, b] - node
                    if owner[a, b] >= 0 and 0 <= lag < lags:
                        rho = correlation[a - i + half, b - j + half]
                        covariance[node, lag] += rho * slope[i, j] * slope[a, b]
