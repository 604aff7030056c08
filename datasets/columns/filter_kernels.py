"""Compiled filters of the detection: matched filter with a local constant, smoothing, maxima.

Pictures are float32 here: a filter sums a few hundred pixels, so that its rounding stays 1e-4 of
the noise. Rows are the vector direction: every inner loop runs along a row.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.compiled import kernel

__all__ = ["low_quantiles", "match_columns", "pull_and_weight", "smooth", "thin_out"]

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]


@kernel
def add_scaled(source: Singles, scale: float, out: Singles) -> None:
    """Add ``scale`` times one row to another."""
    factor = np.float32(scale)
    for i in range(out.size):
        out[i] += factor * source[i]


@kernel
def add_pair(one: Singles, two: Singles, scale: float, out: Singles) -> None:
    """Add ``scale`` times the sum of two rows to a third."""
    factor = np.float32(scale)
    for i in range(out.size):
        out[i] += factor * (one[i] + two[i])


@kernel
def filter_column(values: Singles, row: int, taps: Singles, out: Singles) -> None:
    """Write the vertical filter of one row; rows outside the picture count as zero."""
    n_rows = values.shape[0]
    out[:] = 0.0
    add_scaled(values[row], taps[0], out)
    for t in range(1, taps.size):
        if row - t >= 0 and row + t < n_rows:
            add_pair(values[row - t], values[row + t], taps[t], out)
        elif row - t >= 0:
            add_scaled(values[row - t], taps[t], out)
        elif row + t < n_rows:
            add_scaled(values[row + t], taps[t], out)


@kernel
def filter_row(values: Singles, taps: Singles, padded: Singles, out: Singles) -> None:
    """Write the horizontal filter of one row; ``padded`` is longer by twice the reach."""
    n = values.size
    reach = taps.size - 1
    padded[:reach] = 0.0
    padded[reach : reach + n] = values
    padded[reach + n : 2 * reach + n] = 0.0
    out[:] = 0.0
    add_scaled(values, taps[0], out)
    for t in range(1, taps.size):
        add_pair(padded[reach - t : reach - t + n], padded[reach + t : reach + t + n], taps[t], out)


@kernel
def smooth(values: Singles, taps: Singles) -> Singles:
    """Return the picture under the separable symmetric filter ``taps`` (centre first)."""
    n_rows, n_columns = values.shape
    out = np.empty((n_rows, n_columns), np.float32)
    line = np.empty(n_columns, np.float32)
    padded = np.empty(n_columns + 2 * taps.size, np.float32)
    for j in range(n_rows):
        filter_column(values, j, taps, line)
        filter_row(line, taps, padded, out[j])
    return out


@kernel
def pull_and_weight(
    image: Floats, model: Floats, weight: Floats, sign: float, pull: Singles, out: Singles
) -> None:
    """Write ``sign * weight * (image - model)`` and the weight in single precision."""
    for j in range(image.shape[0]):
        a, b, w = image[j], model[j], weight[j]
        p, q = pull[j], out[j]
        for i in range(image.shape[1]):
            p[i] = np.float32(sign * w[i] * (a[i] - b[i]))
        for i in range(image.shape[1]):
            q[i] = np.float32(w[i])


@kernel
def box_row(sums: Floats, half: int, out: Singles) -> None:
    """Write the running total over ``2 half + 1`` places, cut at the ends."""
    n = sums.size
    total = 0.0
    for i in range(min(half, n)):
        total += sums[i]
    for i in range(n):
        if i + half < n:
            total += sums[i + half]
        if i - half - 1 >= 0:
            total -= sums[i - half - 1]
        out[i] = np.float32(total)


@kernel
def move_box(values: Singles, row: int, half: int, sums: Floats) -> None:
    """Move the vertical running totals ``sums`` on to ``row``."""
    n_rows = values.shape[0]
    if row == 0:
        sums[:] = 0.0
        for j in range(min(half, n_rows)):
            line = values[j]
            for i in range(sums.size):
                sums[i] += line[i]
    if row + half < n_rows:
        line = values[row + half]
        for i in range(sums.size):
            sums[i] += line[i]
    if row - half - 1 >= 0:
        line = values[row - half - 1]
        for i in range(sums.size):
            sums[i] -= line[i]


@kernel
def match_columns(
    pull: Singles, weight: Singles, taps: Singles, squared: Singles, half: int,
    z: Singles, amplitude: Singles,
) -> None:  # fmt: skip
    """Write the score-test z and the amplitude of one more column at each pixel.

    ``taps`` is the column's profile along one axis (centre 1, first), ``squared`` its square. With
    ``half`` > 0 a constant over the box of ``2 half + 1`` pixels is free beside the column.
    """
    n_rows, n_columns = pull.shape
    line = np.empty(n_columns, np.float32)
    padded = np.empty(n_columns + 2 * taps.size, np.float32)
    score = np.empty(n_columns, np.float32)
    cross = np.empty(n_columns, np.float32)
    information = np.empty(n_columns, np.float32)
    pulls = np.empty(n_columns, np.float32)
    weights = np.empty(n_columns, np.float32)
    pull_sums = np.empty(n_columns)
    weight_sums = np.empty(n_columns)
    tiny = np.float32(1e-30)
    one = np.float32(1.0)
    for j in range(n_rows):
        filter_column(pull, j, taps, line)
        filter_row(line, taps, padded, score)
        filter_column(weight, j, squared, line)
        filter_row(line, squared, padded, information)
        if half > 0:
            filter_column(weight, j, taps, line)
            filter_row(line, taps, padded, cross)
            move_box(pull, j, half, pull_sums)
            move_box(weight, j, half, weight_sums)
            box_row(pull_sums, half, pulls)
            box_row(weight_sums, half, weights)
            for i in range(n_columns):
                share = cross[i] / max(weights[i], tiny)
                score[i] -= share * pulls[i]
                information[i] -= share * cross[i]
        z_row, amplitude_row = z[j], amplitude[j]
        for i in range(n_columns):
            power = max(information[i], tiny)
            z_row[i] = score[i] / np.sqrt(power)
        for i in range(n_columns):
            amplitude_row[i] = score[i] * (one / max(information[i], tiny))


@kernel
def low_quantiles(
    values: Singles, rows: Integers, columns: Integers, half: int, stride: int, share: float
) -> Floats:
    """Return the ``share`` quantile of every ``stride``-th pixel of a box about each place."""
    out = np.empty((rows.size, columns.size))
    work = np.empty((2 * half // stride + 2) ** 2, np.float32)
    for a in range(rows.size):
        for b in range(columns.size):
            count = 0
            for j in range(
                max(0, rows[a] - half), min(values.shape[0], rows[a] + half + 1), stride
            ):
                for i in range(
                    max(0, columns[b] - half), min(values.shape[1], columns[b] + half + 1), stride
                ):
                    work[count] = values[j, i]
                    count += 1
            ordered = np.sort(work[:count])
            out[a, b] = ordered[int(share * (count - 1))]
    return out


@kernel
def thin_out(points: Floats, order: Integers, n_kept: int, radius: float) -> Flags:
    """Flag points that stand clear: visited in ``order``, dropped within ``radius`` of a kept one.

    ``points`` has shape (n, 2). The first ``n_kept`` of ``order`` are kept in any case.
    """
    n = points.shape[0]
    keep = np.zeros(n, np.bool_)
    if order.size == 0:
        return keep
    low_x, low_y, high_x, high_y = np.inf, np.inf, -np.inf, -np.inf
    for k in order:
        low_x, high_x = min(low_x, points[k, 0]), max(high_x, points[k, 0])
        low_y, high_y = min(low_y, points[k, 1]), max(high_y, points[k, 1])
    n_x = int((high_x - low_x) / radius) + 1
    n_y = int((high_y - low_y) / radius) + 1
    head = np.full(n_x * n_y, -1, np.int64)
    behind = np.full(n, -1, np.int64)
    for place in range(order.size):
        k = order[place]
        a = int((points[k, 1] - low_y) / radius)
        b = int((points[k, 0] - low_x) / radius)
        clear = True
        if place >= n_kept:
            for c in range(max(0, a - 1), min(n_y, a + 2)):
                for d in range(max(0, b - 1), min(n_x, b + 2)):
                    other = head[c * n_x + d]
                    while other >= 0 and clear:
                        dx = points[k, 0] - points[other, 0]
                        dy = points[k, 1] - points[other, 1]
                        clear = dx * dx + dy * dy > radius * radius
                        other = behind[other]
        if clear:
            keep[k] = True
            behind[k] = head[a * n_x + b]
            head[a * n_x + b] = k
    return keep
