"""Compiled parts of the wall fit: the pixels of every contour point, and the tanh fit to them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.compiled import kernel

__all__ = ["collect_pixels", "fit_offsets", "forget_pixels", "offset_covariance", "step_heights"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

TABLE_STEPS = 32
TABLE_END = 9.0
TANH_TABLE = np.tanh(np.arange(int(TABLE_STEPS * TABLE_END) + 2) / TABLE_STEPS)


@kernel
def quick_tanh(place: float) -> float:
    """Tanh to 1e-8, by Hermite interpolation between tabled values and slopes."""
    size = abs(place) * TABLE_STEPS
    if not size < TABLE_STEPS * TABLE_END:
        return 1.0 if place > 0 else -1.0
    index = int(size)
    s = size - index
    low, high = TANH_TABLE[index], TANH_TABLE[index + 1]
    rise = (1.0 - low * low) / TABLE_STEPS
    end = (1.0 - high * high) / TABLE_STEPS
    gap = high - low
    value = low + s * (rise + s * (3.0 * gap - 2.0 * rise - end + s * (rise + end - 2.0 * gap)))
    return float(value if place > 0 else -value)


@kernel
def collect_pixels(
    nodes: Floats,
    half_spacing: float,
    reach: float,
    frame: Floats,
    nearest: Floats,
    owner: Integers,
    places: Integers,
    pixels: Floats,
) -> int:
    """Give every known pixel beside the walls to the nearest contour point; return their number.

    ``nodes``: (n, 5) with x, y, normal_x, normal_y, curvature of points that lie ``2 half_spacing``
    apart. ``nearest`` (rows, columns) must come in as infinity and ``owner`` as -1; `forget_pixels`
    restores them. ``places`` (pixels, 3) receives row, column and point; ``pixels`` (pixels, 2) the
    signed distance to the curve (positive along the normal), to second order in the offset along
    the curve, and the value. Pixels that lie beyond the end of an open curve stay free. At most
    ``len(places)`` pixels are taken.
    """
    n_rows, n_columns = owner.shape
    touched = 0
    for node in range(nodes.shape[0]):
        x, y, along_x, along_y, bend = nodes[node]
        aside = 1.2 * half_spacing * (1.0 + abs(bend) * reach) + 0.35
        height = reach * abs(along_y) + aside * abs(along_x)
        for i in range(max(0, int(np.ceil(y - height))), min(n_rows - 1, int(y + height)) + 1):
            dy = i - y
            first, last = -1e9, 1e9
            if abs(along_y) > 1e-6:
                middle, half = dy * along_x / along_y, aside / abs(along_y)
                first, last = middle - half, middle + half
            if abs(along_x) > 1e-6:
                middle, half = -dy * along_y / along_x, reach / abs(along_x)
                first, last = max(first, middle - half), min(last, middle + half)
            begin = max(0, int(np.ceil(x + first)) if first > -1e8 else 0)
            end = min(n_columns - 1, int(np.floor(x + last)) if last < 1e8 else n_columns - 1)
            for j in range(begin, end + 1):
                dx = j - x
                square = dx * dx + dy * dy
                if square < nearest[i, j]:
                    if nearest[i, j] == np.inf:
                        if touched == len(places):
                            continue
                        places[touched, 0] = i
                        places[touched, 1] = j
                        touched += 1
                    nearest[i, j] = square
                    owner[i, j] = node
    kept = 0
    for k in range(touched):
        i, j = places[k, 0], places[k, 1]
        node = owner[i, j]
        x, y, along_x, along_y, bend = nodes[node]
        dx, dy = j - x, i - y
        tangential = dx * along_y - dy * along_x
        offset = dx * along_x + dy * along_y
        turn = max(0.2, 1.0 + bend * offset)
        distance = offset + 0.5 * bend * tangential * tangential / turn
        value = frame[i, j]
        near = abs(tangential) <= 1.5 * half_spacing * turn + 0.75 and abs(distance) <= reach
        nearest[i, j] = np.inf
        if near and value == value:
            places[kept, 0] = i
            places[kept, 1] = j
            places[kept, 2] = node
            pixels[kept, 0] = distance
            pixels[kept, 1] = value
            kept += 1
        else:
            owner[i, j] = -1
    return kept


@kernel
def forget_pixels(places: Integers, count: int, owner: Integers) -> None:
    """Set ``owner`` back to -1 at the first ``count`` places."""
    for k in range(count):
        owner[places[k, 0], places[k, 1]] = -1


@kernel
def fit_offsets(
    places: Integers,
    pixels: Floats,
    count: int,
    width: float,
    n_steps: int,
    offsets: Floats,
    information: Floats,
    residual: Floats,
) -> None:
    """Fit ``value = -tanh((distance - offset) / width)`` point by point, by Gauss-Newton, in place.

    ``information`` receives sum (d model / d offset)^2 (multiply by 1 / noise variance) and
    ``residual`` the sum of squared residuals and their number, shape (2,), both before the last
    step, which leaves them as they are to second order.
    """
    score = np.zeros(offsets.size)
    largest_step = max(0.7, 0.4 * width)
    for _ in range(n_steps):
        score[:] = 0.0
        information[:] = 0.0
        total = 0.0
        for k in range(count):
            node = places[k, 2]
            t = quick_tanh((pixels[k, 0] - offsets[node]) / width)
            slope = (1.0 - t * t) / width
            error = pixels[k, 1] + t
            score[node] += slope * error
            information[node] += slope * slope
            total += error * error
        largest = 0.0
        for node in range(offsets.size):
            if information[node] > 0.0:
                step = score[node] / information[node]
                # what the step takes off the squares
                total -= min(abs(step), largest_step) * abs(score[node])
                step = min(largest_step, max(-largest_step, step))
                offsets[node] += step
                largest = max(largest, abs(step))
        residual[0] = total
        residual[1] = count
        if largest < 1e-3 * width:
            break


@kernel
def offset_covariance(
    places: Integers,
    pixels: Floats,
    count: int,
    owner: Integers,
    width: float,
    offsets: Floats,
    information: Floats,
    lags: Floats,
    slope: Floats,
    covariance: Floats,
) -> None:
    """Covariance of neighbouring offsets for unit noise with a given autocorrelation, in place.

    ``lags``: (m, 3), row and column difference and autocorrelation, each pair in both directions
    and (0, 0, 1). ``slope`` (rows, columns) is working space. ``covariance``: (n_points, lags),
    between a point and the points that follow it in the table.
    """
    n_rows, n_columns = owner.shape
    covariance[:] = 0.0
    for k in range(count):
        node = places[k, 2]
        if information[node] > 0.0:
            t = quick_tanh((pixels[k, 0] - offsets[node]) / width)
            slope[places[k, 0], places[k, 1]] = (1.0 - t * t) / width / information[node]
        else:
            slope[places[k, 0], places[k, 1]] = 0.0
    for k in range(count):
        i, j, node = places[k]
        for m in range(len(lags)):
            a, b = i + int(lags[m, 0]), j + int(lags[m, 1])
            if a < 0 or b < 0 or a >= n_rows or b >= n_columns:
                continue
            lag = owner[a, b] - node
            if owner[a, b] >= 0 and 0 <= lag < covariance.shape[1]:
                covariance[node, lag] += lags[m, 2] * slope[i, j] * slope[a, b]


@kernel
def step_heights(
    places: Integers,
    pixels: Floats,
    count: int,
    width: float,
    offsets: Floats,
    starts: Integers,
    closed: NDArray[np.bool_],
    half_window: int,
    heights: Floats,
) -> None:
    """Height of the step across the wall (2 for full domains), a running mean, in place.

    Line k holds the points ``starts[k]`` to ``starts[k + 1]``; the mean runs over
    ``2 half_window + 1`` points of its own line.
    """
    sums = np.zeros((offsets.size, 4))
    for k in range(count):
        node = places[k, 2]
        place = (pixels[k, 0] - offsets[node]) / width
        if place < -0.7:
            sums[node, 0] += pixels[k, 1]
            sums[node, 1] += 1.0
        elif place > 0.7:
            sums[node, 2] += pixels[k, 1]
            sums[node, 3] += 1.0
    for line in range(len(closed)):
        begin, end = starts[line], starts[line + 1]
        n = end - begin
        for k in range(n):
            a = b = c = d = 0.0
            for m in range(k - half_window, k + half_window + 1):
                if closed[line]:
                    at = begin + m % n
                elif 0 <= m < n:
                    at = begin + m
                else:
                    continue
                a += sums[at, 0]
                b += sums[at, 1]
                c += sums[at, 2]
                d += sums[at, 3]
            heights[begin + k] = a / b - c / d if b > 0.0 and d > 0.0 else 0.0
