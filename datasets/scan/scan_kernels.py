"""Compiled core of scan correction: columns whose rows were shifted along x, and row statistics.

A column is a row (x, y, log amplitude, log width) in pixels; in picture row ``j`` it stands at
``x + row_shift[j]``. The pixel variance is ``offset + gain * model``, bounded below; pixels that
are not ``usable`` are left out.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.compiled import kernel

__all__ = ["column_statistics", "column_steps", "draw_columns", "row_precision"]

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Integers = NDArray[np.int64]

PARAMETERS = 5
"""x, y, log amplitude, log width, and a constant that stands for the local background."""
LARGEST_LOG_AMPLITUDE_STEP = 0.7
LARGEST_LOG_WIDTH_STEP = 0.2
LARGEST_SHIFT_WIDTHS = 0.5
RIDGE = 1e-9


@kernel
def shifted_edges(center: float, half: float, length: int) -> tuple[int, int]:
    """Return the first pixel inside a window and the one after its last, cut to the picture."""
    low = max(0, int(np.ceil(center - half)))
    high = min(length, int(np.floor(center + half)) + 1)
    return low, max(low, high)


@kernel
def draw_one(model: Floats, column: Floats, row_shift: Floats, reach: float, sign: float) -> None:
    """Add ``sign`` times one row-shifted column to ``model``."""
    width = np.exp(column[3])
    low, high = shifted_edges(column[1], reach * width, model.shape[0])
    scale = 0.5 / (width * width)
    for j in range(low, high):
        v = j - column[1]
        height = sign * np.exp(column[2] - v * v * scale)
        center = column[0] + row_shift[j]
        left, right = shifted_edges(center, reach * width, model.shape[1])
        for i in range(left, right):
            u = i - center
            model[j, i] += height * np.exp(-u * u * scale)


@kernel
def draw_columns(
    model: Floats, slope: Floats, columns: Floats, row_shift: Floats, reach: float
) -> None:
    """Add every column to ``model`` and its derivative by the row's shift to ``slope``."""
    for k in range(columns.shape[0]):
        width = np.exp(columns[k, 3])
        low, high = shifted_edges(columns[k, 1], reach * width, model.shape[0])
        scale = 0.5 / (width * width)
        for j in range(low, high):
            v = j - columns[k, 1]
            height = np.exp(columns[k, 2] - v * v * scale)
            center = columns[k, 0] + row_shift[j]
            left, right = shifted_edges(center, reach * width, model.shape[1])
            for i in range(left, right):
                u = i - center
                value = height * np.exp(-u * u * scale)
                model[j, i] += value
                slope[j, i] += 2.0 * scale * u * value


@kernel
def one_statistic(
    image: Floats, usable: Flags, model: Floats, column: Floats, row_shift: Floats,
    noise: Floats, reach: float, score: Floats, information: Floats, shared: Floats,
) -> int:  # fmt: skip
    """Write score (5,), information (5, 5) and what rows share (rows, 5); return its first row.

    A row shares the column's own slope alone: so a common move of all columns against all rows
    costs nothing, as it must.
    """
    width = np.exp(column[3])
    low, high = shifted_edges(column[1], reach * width, image.shape[0])
    inverse = 1.0 / width
    score[:] = 0.0
    information[:] = 0.0
    shared[:] = 0.0
    part = np.empty(PARAMETERS)
    high = min(high, low + shared.shape[0])
    for j in range(low, high):
        v = (j - column[1]) * inverse
        height = np.exp(column[2] - 0.5 * v * v)
        center = column[0] + row_shift[j]
        left, right = shifted_edges(center, reach * width, image.shape[1])
        for i in range(left, right):
            if not usable[j, i]:
                continue
            u = (i - center) * inverse
            value = height * np.exp(-0.5 * u * u)
            weight = 1.0 / max(noise[0] + noise[1] * model[j, i], noise[2])
            pull = weight * (image[j, i] - model[j, i])
            part[0] = value * u * inverse
            part[1] = value * v * inverse
            part[2] = value
            part[3] = value * (u * u + v * v)
            part[4] = 1.0
            for a in range(PARAMETERS):
                score[a] += pull * part[a]
                shared[j - low, a] += weight * part[a] * part[0]
                for b in range(a + 1):
                    information[a, b] += weight * part[a] * part[b]
    for a in range(PARAMETERS):
        for b in range(a):
            information[b, a] = information[a, b]
    begin: int = min(low, image.shape[0] - 1)
    return begin


@kernel
def column_statistics(
    image: Floats, usable: Flags, model: Floats, columns: Floats, row_shift: Floats,
    noise: Floats, reach: float, n_rows: int,
) -> tuple[Floats, Floats, Floats, Integers]:  # fmt: skip
    """Return scores (n, 5), informations (n, 5, 5), shares (n, n_rows, 5) and first rows (n,)."""
    n = columns.shape[0]
    scores = np.zeros((n, PARAMETERS))
    informations = np.zeros((n, PARAMETERS, PARAMETERS))
    shared = np.zeros((n, n_rows, PARAMETERS))
    first = np.zeros(n, np.int64)
    for k in range(n):
        first[k] = one_statistic(
            image, usable, model, columns[k], row_shift, noise, reach,
            scores[k], informations[k], shared[k],
        )  # fmt: skip
    return scores, informations, shared, first


@kernel
def column_steps(
    image: Floats, usable: Flags, model: Floats, columns: Floats, row_shift: Floats,
    noise: Floats, reach: float, n_rows: int, widths: Floats, anchors: Floats, ties: Floats,
) -> float:  # fmt: skip
    """Refit every column once on the live model, the row shifts held; return the largest step.

    ``widths`` holds the smallest and largest log width; ``ties`` (n, 4) are precisions that hold
    columns at ``anchors`` (n, 4). The step is in standard errors.
    """
    score = np.zeros(PARAMETERS)
    information = np.zeros((PARAMETERS, PARAMETERS))
    shared = np.zeros((n_rows, PARAMETERS))
    largest = 0.0
    for k in range(columns.shape[0]):
        one_statistic(
            image, usable, model, columns[k], row_shift, noise, reach, score, information, shared
        )
        if not information[0, 0] > 0.0:
            continue
        block = information[:4, :4].copy()
        for a in range(4):
            block[a, a] *= 1.0 + RIDGE
            block[a, a] += 1e-300 + ties[k, a]
            score[a] += ties[k, a] * (anchors[k, a] - columns[k, a])
        step = np.linalg.solve(block, score[:4])
        gain = 0.0
        for a in range(4):
            gain += step[a] * score[a]
        width = np.exp(columns[k, 3])
        limit = LARGEST_SHIFT_WIDTHS * width
        scale = 1.0
        for a in range(2):
            scale = min(scale, limit / max(abs(step[a]), 1e-300))
        scale = min(scale, LARGEST_LOG_AMPLITUDE_STEP / max(abs(step[2]), 1e-300))
        scale = min(scale, LARGEST_LOG_WIDTH_STEP / max(abs(step[3]), 1e-300))
        draw_one(model, columns[k], row_shift, reach, -1.0)
        for a in range(4):
            columns[k, a] += scale * step[a]
        columns[k, 3] = min(max(columns[k, 3], widths[0]), widths[1])
        draw_one(model, columns[k], row_shift, reach, 1.0)
        largest = max(largest, np.sqrt(max(gain, 0.0)))
    return largest


@kernel
def row_precision(
    band: Floats, shared: Floats, first: Integers, weights: Floats, out: Floats
) -> None:
    """Write ``band`` minus ``sum_k weights[k] shared[k] shared[k]'`` as a lower band (d, rows).

    ``out[d, r]`` belongs to rows r and r + d, as ``scipy.linalg.cholesky_banded`` wants it.
    """
    out[:, :] = band
    depth, n_rows = out.shape
    for k in range(shared.shape[0]):
        size = min(shared.shape[1], n_rows - first[k])
        for a in range(size):
            one = weights[k] * shared[k, a]
            if one != 0.0:
                for b in range(a, min(size, a + depth)):
                    out[b - a, first[k] + a] -= one * shared[k, b]
