"""Likelihood of a crystal's waves for many sets of springs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.compiled import kernel

__all__ = ["wave_log_likelihood"]

Float = NDArray[np.float64]


@kernel
def wave_log_likelihood(
    springs: Float, noise: Float, geometry: Float, spectrum: Float, weight: Float, out: Float
) -> None:
    """Fill ``out`` (m,) with -sum w (ln det C + tr C^-1 S), C = D^-1 + noise I; -inf: unstable.

    ``springs`` (m, k); ``noise`` (m,) variance; ``geometry`` (q, k, D, D): D = sum of springs
    times it; ``spectrum`` (q, D, D); ``weight`` (q,).
    """
    n_waves, k, size, _ = geometry.shape
    matrix, lower, whole = np.zeros((size, size)), np.zeros((size, size)), np.zeros((size, size))
    column = np.zeros(size)
    for draw in range(len(springs)):
        total = 0.0
        for wave in range(n_waves):
            for i in range(size):
                for j in range(size):
                    value = 0.0
                    for s in range(k):
                        value += springs[draw, s] * geometry[wave, s, i, j]
                    matrix[i, j] = value
                    whole[i, j] = noise[draw] * value
                whole[i, i] += 1.0
            stiff = _factor(matrix, lower)
            if stiff == -np.inf:
                total = np.inf
                break
            value = -stiff
            value += _factor(whole, lower)
            for j in range(size):
                for i in range(size):
                    column[i] = 0.0
                    for s in range(size):
                        column[i] += matrix[i, s] * spectrum[wave, s, j]
                _solve_waves(lower, column)
                value += column[j]
            total += weight[wave] * value
        out[draw] = -total


@kernel
def _factor(matrix: Float, lower: Float) -> float:
    """Cholesky factor; returns ln det, -inf where the matrix is not positive."""
    size = len(matrix)
    total = 0.0
    for i in range(size):
        for j in range(i + 1):
            value = matrix[i, j]
            for s in range(j):
                value -= lower[i, s] * lower[j, s]
            if i == j:
                if value <= 1e-9 * matrix[i, i] or value <= 0.0:
                    return -np.inf
                lower[i, i] = np.sqrt(value)
                total += np.log(value)
            else:
                lower[i, j] = value / lower[j, j]
    return total


@kernel
def _solve_waves(lower: Float, column: Float) -> None:
    """Solve lower lower^T x = column in place."""
    size = len(column)
    for i in range(size):
        for s in range(i):
            column[i] -= lower[i, s] * column[s]
        column[i] /= lower[i, i]
    for i in range(size - 1, -1, -1):
        for s in range(i + 1, size):
            column[i] -= lower[s, i] * column[s]
        column[i] /= lower[i, i]
