"""Compiled Fisher information of columns: of one, of two that overlap, with the background's nodes.

A column is a row (x, y, log amplitude, log width) in pixels, as in ``column_kernels``; ``weight``
is the picture of 1 / variance (0 where a pixel is masked).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.compiled import kernel

__all__ = ["background_share", "cell_moments", "pair_information"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

PRODUCT_REACH = 4.7
"""Half-edge of the window of a product of two columns, in widths of the product."""
SMOOTH_PX = 1.4
"""Sums over every second row of Gaussians wider than this are right to 1e-4."""


@kernel
def window(center: float, half: float, length: int) -> tuple[int, int]:
    """Return the first pixel inside a window and the one after its last, cut to the picture."""
    low = max(0, int(np.ceil(center - half)))
    return low, max(low, min(length, int(np.floor(center + half)) + 1))


@kernel
def add_row(
    y: float, scale: float, t0: float, t1: float, t2: float, t3: float, t4: float, out: Floats
) -> None:
    """Add a row's sums to the moments (5, 5)."""
    factor = np.exp(-y * y * scale)
    for q in range(5):
        out[0, q] += factor * t0
        out[1, q] += factor * t1
        out[2, q] += factor * t2
        out[3, q] += factor * t3
        out[4, q] += factor * t4
        factor *= y


@kernel
def moments(
    weight: Floats, center: Floats, width: float, half: float, stride: int, work: Floats,
    out: Floats,
) -> None:  # fmt: skip
    """Write the sums of ``weight * gaussian * X^p Y^q`` (p + q <= 4) about ``center``, (5, 5).

    ``stride`` 2 reads every second row for both: smooth sums do not need more.
    """
    x_low, x_high = window(center[0], half, weight.shape[1])
    y_low, y_high = window(center[1], half, weight.shape[0])
    out[:] = 0.0
    scale = 0.5 / (width * width)
    for i in range(x_high - x_low):
        distance = x_low + i - center[0]
        value = np.exp(-distance * distance * scale)
        for p in range(5):
            work[i, p] = value
            value *= distance
    n = x_high - x_low
    for j in range(y_low, y_high, 2 * stride):
        # two rows at once: their sums do not wait for each other
        row = weight[j, x_low:x_high]
        other = weight[min(j + stride, y_high - 1), x_low:x_high]
        t0 = t1 = t2 = t3 = t4 = 0.0
        s0 = s1 = s2 = s3 = s4 = 0.0
        for i in range(n):
            value = row[i]
            below = other[i]
            t0 += value * work[i, 0]
            t1 += value * work[i, 1]
            t2 += value * work[i, 2]
            t3 += value * work[i, 3]
            t4 += value * work[i, 4]
            s0 += below * work[i, 0]
            s1 += below * work[i, 1]
            s2 += below * work[i, 2]
            s3 += below * work[i, 3]
            s4 += below * work[i, 4]
        add_row(j - center[1], scale, t0, t1, t2, t3, t4, out)
        if j + stride < y_high:
            add_row(j + stride - center[1], scale, s0, s1, s2, s3, s4, out)
    if stride > 1:
        out *= stride


@kernel
def turn(column: Floats, center: Floats, out: Floats) -> None:
    """Write the rows that take (X, Y, 1, X^2 + Y^2) about ``center`` to a column's slopes."""
    inverse = np.exp(-2.0 * column[3])
    dx = center[0] - column[0]
    dy = center[1] - column[1]
    out[:] = 0.0
    out[0, 0] = out[1, 1] = out[3, 3] = inverse
    out[0, 2] = dx * inverse
    out[1, 2] = dy * inverse
    out[2, 2] = 1.0
    out[3, 0] = 2.0 * dx * inverse
    out[3, 1] = 2.0 * dy * inverse
    out[3, 2] = (dx * dx + dy * dy) * inverse


@kernel
def pair_information(
    weight: Floats, columns: Floats, pairs: Integers, coarse: bool, blocks: Floats
) -> None:
    """Write the Fisher information (n_pairs, 4, 4) that two columns share (or one with itself)."""
    work = np.empty((max(weight.shape[0], weight.shape[1]), 5))
    raw = np.empty((5, 5))
    inner = np.empty((4, 4))
    half_way = np.empty((4, 4))
    one = np.empty((4, 4))
    two = np.empty((4, 4))
    center = np.empty(2)
    for p in range(pairs.shape[0]):
        first = columns[pairs[p, 0]]
        second = columns[pairs[p, 1]]
        square_one = np.exp(2.0 * first[3])
        square_two = np.exp(2.0 * second[3])
        total = square_one + square_two
        # the product of two Gaussians is one about this point
        center[0] = (first[0] * square_two + second[0] * square_one) / total
        center[1] = (first[1] * square_two + second[1] * square_one) / total
        width = np.sqrt(square_one * square_two / total)
        stride = 2 if coarse and width > SMOOTH_PX else 1
        moments(weight, center, width, PRODUCT_REACH * width, stride, work, raw)
        inner[0, 0] = raw[2, 0]
        inner[0, 1] = raw[1, 1]
        inner[0, 2] = raw[1, 0]
        inner[0, 3] = raw[3, 0] + raw[1, 2]
        inner[1, 1] = raw[0, 2]
        inner[1, 2] = raw[0, 1]
        inner[1, 3] = raw[2, 1] + raw[0, 3]
        inner[2, 2] = raw[0, 0]
        inner[2, 3] = raw[2, 0] + raw[0, 2]
        inner[3, 3] = raw[4, 0] + 2.0 * raw[2, 2] + raw[0, 4]
        apart = (first[0] - second[0]) ** 2 + (first[1] - second[1]) ** 2
        height = np.exp(first[2] + second[2] - 0.5 * apart / total)
        for a in range(4):
            for b in range(a, 4):
                inner[a, b] *= height
                inner[b, a] = inner[a, b]
        turn(first, center, one)
        turn(second, center, two)
        for a in range(4):
            for b in range(4):
                value = 0.0
                for c in range(4):
                    value += one[a, c] * inner[c, b]
                half_way[a, b] = value
        for a in range(4):
            for b in range(4):
                value = 0.0
                for c in range(4):
                    value += half_way[a, c] * two[b, c]
                blocks[p, a, b] = value


@kernel
def background_share(
    weight: Floats, columns: Floats, reach: float, step_y: float, step_x: float,
    n_rows: int, n_columns: int, coarse: bool, shares: Floats, first: Integers,
) -> None:  # fmt: skip
    """Write the information (n, 9, 4) that each column shares with the 3 x 3 nodes about it.

    ``first`` (n, 2) is the first of those nodes (row, column); tents 1, left and right of the
    nearest node are summed apart.
    """
    work = np.empty((max(weight.shape[0], weight.shape[1]), 9))
    row_sums = np.empty(9)
    parts = np.empty((4, 9))
    for k in range(columns.shape[0]):
        x, y = columns[k, 0], columns[k, 1]
        width = np.exp(columns[k, 3])
        x_low, x_high = window(x, reach * width, weight.shape[1])
        y_low, y_high = window(y, reach * width, weight.shape[0])
        a = min(max(int(np.floor(y / step_y + 0.5)), 0), n_rows - 1)
        b = min(max(int(np.floor(x / step_x + 0.5)), 0), n_columns - 1)
        first[k, 0], first[k, 1] = a - 1, b - 1
        scale = 0.5 / (width * width)
        for i in range(x_high - x_low):
            distance = x_low + i - x
            value = np.exp(-distance * distance * scale)
            u = (x_low + i) / step_x - b
            for p in range(3):
                work[i, p] = value
                work[i, 3 + p] = value * min(max(0.0, -u), 1.0)
                work[i, 6 + p] = value * min(max(0.0, u), 1.0)
                value *= distance
        parts[:] = 0.0
        stride = 2 if coarse and width > SMOOTH_PX else 1
        for j in range(y_low, y_high, stride):
            row = weight[j, x_low:x_high]
            row_sums[:] = 0.0
            for i in range(x_high - x_low):
                value = row[i]
                for p in range(9):
                    row_sums[p] += value * work[i, p]
            distance = j - y
            height = np.exp(-distance * distance * scale)
            v = j / step_y - a
            for q in range(3):
                tent = height
                if q == 1:
                    tent *= min(max(0.0, -v), 1.0)
                if q == 2:
                    tent *= min(max(0.0, v), 1.0)
                for p in range(3):
                    parts[0, 3 * q + p] += tent * row_sums[3 * p + 1]
                    parts[1, 3 * q + p] += tent * distance * row_sums[3 * p]
                    parts[2, 3 * q + p] += tent * row_sums[3 * p]
                    parts[3, 3 * q + p] += tent * (
                        row_sums[3 * p + 2] + distance * distance * row_sums[3 * p]
                    )
        for s in range(4):
            factor = stride * np.exp(columns[k, 2]) / (1.0 if s == 2 else width * width)
            # the nearest node's tent is 1 - left - right
            for q in range(3):
                parts[s, 3 * q] -= parts[s, 3 * q + 1] + parts[s, 3 * q + 2]
            for p in range(3):
                parts[s, p] -= parts[s, 3 + p] + parts[s, 6 + p]
            for q in range(3):
                for p in range(3):
                    to = 3 * (1 if q == 0 else (0 if q == 1 else 2))
                    to += 1 if p == 0 else (0 if p == 1 else 2)
                    shares[k, to, s] = factor * parts[s, 3 * q + p]


@kernel
def cell_moments(weight: Floats, step_y: float, step_x: float, sums: Floats) -> None:
    """Write the sums of ``weight * fy^q fx^p`` (q, p <= 2) over each cell between four nodes."""
    for j in range(weight.shape[0]):
        a = min(int(j / step_y), sums.shape[0] - 1)
        fy = j / step_y - a
        low = 0
        for b in range(sums.shape[1]):
            high = weight.shape[1]
            if b < sums.shape[1] - 1:
                high = min(high, int(np.ceil((b + 1) * step_x)))
            s0 = s1 = s2 = 0.0
            for i in range(low, high):
                fx = i / step_x - b
                value = weight[j, i]
                s0 += value
                s1 += value * fx
                s2 += value * fx * fx
            factor = 1.0
            for q in range(3):
                sums[a, b, q, 0] += factor * s0
                sums[a, b, q, 1] += factor * s1
                sums[a, b, q, 2] += factor * s2
                factor *= fy
            low = high
