"""Linear fits of many tabulated wall profiles to the pixels of one picture."""

from __future__ import annotations

from math import log, sqrt

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.compiled import kernel

__all__ = ["fit_nodes", "read_tables"]

Floats = NDArray[np.float64]


@kernel
def read_tables(
    values: Floats, slopes: Floats, origin: float, step: float, distance: Floats, found: Floats
) -> None:
    """Write each row's curve at every distance (cubic from values and slopes), (m, n)."""
    last = values.shape[1] - 2
    for i in range(distance.size):
        place = (distance[i] - origin) / step
        cell = min(max(int(place), 0), last)
        t = place - cell
        u = 1.0 - t
        low, high = (1.0 + 2.0 * t) * u * u, t * t * (3.0 - 2.0 * t)
        at_low, at_high = t * u * u * step, -t * t * u * step
        for m in range(values.shape[0]):
            found[m, i] = (
                low * values[m, cell] + high * values[m, cell + 1]
                + at_low * slopes[m, cell] + at_high * slopes[m, cell + 1]
            )  # fmt: skip


@kernel
def _factor(matrix: Floats, k: int) -> float:
    """Cholesky in place (lower half); return half the log determinant, or infinity."""
    half = 0.0
    for i in range(k):
        for j in range(i + 1):
            total = matrix[i, j]
            for c in range(j):
                total -= matrix[i, c] * matrix[j, c]
            if i == j:
                if not total > 1e-13 * (abs(matrix[i, i]) + 1e-300):
                    return np.inf
                matrix[i, i] = sqrt(total)
                half += log(matrix[i, i])
            else:
                matrix[i, j] = total / matrix[j, j]
    return half


@kernel
def _normal(
    columns: Floats, target: Floats, ridge: Floats, k: int, gram: Floats, right: Floats
) -> None:
    """Write the normal equations of the first k columns, (k, n)."""
    for a in range(k):
        for b in range(a + 1):
            total = ridge[a] if a == b else 0.0
            for i in range(target.size):
                total += columns[a, i] * columns[b, i]
            gram[a, b] = total
        total = 0.0
        for i in range(target.size):
            total += columns[a, i] * target[i]
        right[a] = total


@kernel
def fit_nodes(
    rises: Floats, slopes: Floats, bumps: Floats, fixed: Floats, moves: Floats, target: Floats,
    ridge: Floats, squares: Floats, halves: Floats, answers: Floats,
) -> None:  # fmt: skip
    """Fit ``offset + amplitude rise + bump + fixed columns + slope x moves`` for every node.

    ``rises``, ``slopes`` (m, n) and ``bumps`` ((m, n), or of one element when not fitted) are read
    at the pixels; ``fixed`` (f, n), ``moves`` (q, n); ``ridge`` adds to the normal equations'
    diagonal. Writes the residual sum of squares (plus ridge), half the log determinant, and the
    coefficients: rise, 1, bump, fixed, moves.
    """
    n, with_bump = target.size, bumps.size > 1
    k = 2 + (1 if with_bump else 0) + fixed.shape[0] + moves.shape[0]
    columns, gram, right = np.empty((k, n)), np.zeros((k, k)), np.empty(k)
    total = 0.0
    for i in range(n):
        total += target[i] * target[i]
        columns[1, i] = 1.0
    first = 3 if with_bump else 2
    for a in range(fixed.shape[0]):
        for i in range(n):
            columns[first + a, i] = fixed[a, i]
    first += fixed.shape[0]
    for m in range(rises.shape[0]):
        for i in range(n):
            columns[0, i] = rises[m, i]
            if with_bump:
                columns[2, i] = bumps[m, i]
        for a in range(moves.shape[0]):
            for i in range(n):
                columns[first + a, i] = slopes[m, i] * moves[a, i]
        _normal(columns, target, ridge, k, gram, right)
        halves[m] = _factor(gram, k)
        squares[m] = total
        for a in range(k):
            value = right[a]
            for c in range(a):
                value -= gram[a, c] * answers[m, c]
            answers[m, a] = value / gram[a, a]
            squares[m] -= answers[m, a] * answers[m, a]
        for a in range(k - 1, -1, -1):
            value = answers[m, a]
            for c in range(a + 1, k):
                value -= gram[c, a] * answers[m, c]
            answers[m, a] = value / gram[a, a]
