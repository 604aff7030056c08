"""Compiled fit of elliptical columns: seven parameters each, neighbours on a live model picture.

A column is (x, y, log amplitude, log width, stretch plus, stretch cross, offset). With
g = hypot(plus, cross) its picture is exp(log amplitude - q / 2),
q = (cosh(g) r^2 - sinh(g)/g (plus (dx^2 - dy^2) + cross 2 dx dy)) / width^2: widths
width exp(+-g/2) along and across the angle atan2(cross, plus) / 2.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.compiled import kernel

__all__ = ["add_shape", "shape_information", "shape_sweep"]

Floats = NDArray[np.float64]
SIZE = 7
SMALL_STRETCH = 1e-4
LARGEST_STRETCH_STEP = 0.2
LARGEST_STRETCH = 1.2
LARGEST_SHIFT_WIDTHS = 0.3
LARGEST_LOG_STEP = 0.3
RIDGE = 1e-9


@kernel
def shape_terms(plus: float, cross: float) -> tuple[float, float, float]:
    """Return cosh g, sinh(g)/g and (cosh g - sinh(g)/g)/g^2 of the stretch."""
    square = plus * plus + cross * cross
    if square < SMALL_STRETCH * SMALL_STRETCH:
        return 1.0 + 0.5 * square, 1.0 + square / 6.0, 1.0 / 3.0 + square / 30.0
    g = np.sqrt(square)
    ratio = np.sinh(g) / g
    return np.cosh(g), ratio, (np.cosh(g) - ratio) / square


@kernel
def edges_of(center: float, half: float, length: int) -> tuple[int, int]:
    """Return the first pixel of a window and the one after its last, cut to the picture."""
    low = max(0, int(np.ceil(center - half)))
    return low, max(low, min(length, int(np.floor(center + half)) + 1))


@kernel
def add_shape(model: Floats, column: Floats, reach: float, sign: float) -> None:
    """Add ``sign`` times one column's picture, without its offset, to ``model``."""
    width = np.exp(column[3])
    c, s, _ = shape_terms(column[4], column[5])
    x_low, x_high = edges_of(column[0], reach * width, model.shape[1])
    y_low, y_high = edges_of(column[1], reach * width, model.shape[0])
    height = sign * np.exp(column[2])
    inverse = 1.0 / (width * width)
    for j in range(y_low, y_high):
        dy = j - column[1]
        for i in range(x_low, x_high):
            dx = i - column[0]
            q = c * (dx * dx + dy * dy)
            q -= s * (column[4] * (dx * dx - dy * dy) + 2.0 * column[5] * dx * dy)
            model[j, i] += height * np.exp(-0.5 * q * inverse)


@kernel
def shape_information(
    image: Floats, model: Floats, weight: Floats, column: Floats, reach: float,
    score: Floats, information: Floats,
) -> int:  # fmt: skip
    """Write score (7,) and Fisher information (7, 7); return the pixels. ``model`` has it all."""
    width = np.exp(column[3])
    inverse = 1.0 / (width * width)
    c, s, d = shape_terms(column[4], column[5])
    x_low, x_high = edges_of(column[0], reach * width, model.shape[1])
    y_low, y_high = edges_of(column[1], reach * width, model.shape[0])
    height = np.exp(column[2])
    plus, cross = column[4], column[5]
    slope = np.empty(SIZE)
    score[:] = 0.0
    information[:] = 0.0
    for j in range(y_low, y_high):
        dy = j - column[1]
        for i in range(x_low, x_high):
            dx = i - column[0]
            a, b, r = dx * dx - dy * dy, 2.0 * dx * dy, dx * dx + dy * dy
            stretch = plus * a + cross * b
            q = (c * r - s * stretch) * inverse
            value = height * np.exp(-0.5 * q)
            slope[0] = value * inverse * (c * dx - s * (plus * dx + cross * dy))
            slope[1] = value * inverse * (c * dy - s * (cross * dx - plus * dy))
            slope[2] = value
            slope[3] = value * q
            # d cosh(g) = s (plus d plus + cross d cross), d s = d (plus d plus + cross d cross)
            slope[4] = -0.5 * value * inverse * (plus * (s * r - d * stretch) - s * a)
            slope[5] = -0.5 * value * inverse * (cross * (s * r - d * stretch) - s * b)
            slope[6] = 1.0
            w = weight[j, i]
            pull = w * (image[j, i] - model[j, i])
            for m in range(SIZE):
                score[m] += slope[m] * pull
                for n in range(m, SIZE):
                    information[m, n] += w * slope[m] * slope[n]
    for m in range(SIZE):
        for n in range(m):
            information[m, n] = information[n, m]
    return (x_high - x_low) * (y_high - y_low)


@kernel
def solve(information: Floats, score: Floats, step: Floats) -> bool:
    """Solve information step = score by Cholesky with a small ridge; False where it fails."""
    n = score.shape[0]
    root = np.zeros((n, n))
    for i in range(n):
        for j in range(i + 1):
            total = information[i, j]
            if i == j:
                total *= 1.0 + RIDGE
            for k in range(j):
                total -= root[i, k] * root[j, k]
            if i == j:
                if not total > 0.0:
                    return False
                root[i, i] = np.sqrt(total)
            else:
                root[i, j] = total / root[j, j]
    for i in range(n):
        total = score[i]
        for k in range(i):
            total -= root[i, k] * step[k]
        step[i] = total / root[i, i]
    for i in range(n - 1, -1, -1):
        total = step[i]
        for k in range(i + 1, n):
            total -= root[k, i] * step[k]
        step[i] = total / root[i, i]
    return True


@kernel
def limited(value: float, most: float) -> float:
    """Return ``value`` cut to -most..most."""
    return max(-most, min(most, value))


@kernel
def shape_sweep(
    image: Floats, model: Floats, weight: Floats, columns: Floats, reach: float, live: float,
    good: Floats,
) -> float:  # fmt: skip
    """Take one Fisher step of each column in turn; return the largest step in standard errors.

    ``model`` holds the background and all columns out to ``live`` widths, without offsets, and is
    kept so; a column is fitted within ``reach`` widths. ``good`` is set to 0 for columns whose
    information cannot be inverted.
    """
    score, information, step = np.empty(SIZE), np.empty((SIZE, SIZE)), np.empty(SIZE)
    largest = 0.0
    for k in range(columns.shape[0]):
        column = columns[k]
        shape_information(image, model, weight, column, reach, score, information)
        # the offset belongs to this window only: it is in the residual, not in the live model
        for m in range(SIZE):
            score[m] -= information[m, 6] * column[6]
        if not solve(information, score, step):
            good[k] = 0.0
            continue
        good[k] = 1.0
        add_shape(model, column, live, -1.0)
        width = np.exp(column[3])
        for m in range(SIZE):
            if m < 2:
                step[m] = limited(step[m], LARGEST_SHIFT_WIDTHS * width)
            elif m < 4:
                step[m] = limited(step[m], LARGEST_LOG_STEP)
            elif m < 6:
                step[m] = limited(step[m], LARGEST_STRETCH_STEP)
            if m < 6:
                largest = max(largest, abs(step[m]) * np.sqrt(information[m, m]))
            column[m] += step[m]
        for m in range(4, 6):
            column[m] = limited(column[m], LARGEST_STRETCH)
        add_shape(model, column, live, 1.0)
    return largest
