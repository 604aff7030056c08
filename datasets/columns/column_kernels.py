"""Compiled core of the joint column fit: Gaussian columns on a tent background, live model image.

A column is a row (x, y, log amplitude, log width) in pixels; its picture is
``exp(log_amplitude - r^2 / (2 width^2))``. The pixel variance is ``offset + gain * model``, bounded
below. A window reaches ``reach`` widths from the centre.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.kernels import kernel

__all__ = [
    "add_columns",
    "background_sweep",
    "cluster_covariance",
    "column_sweep",
    "pair_information",
]

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Integers = NDArray[np.int64]

LARGEST_LOG_AMPLITUDE_STEP = 0.7
LARGEST_LOG_WIDTH_STEP = 0.2
LARGEST_SHIFT_WIDTHS = 0.5
RIDGE = 1e-9


@kernel
def window_edges(center: float, half: float, length: int) -> tuple[int, int]:
    """Return the first pixel inside a window and the one after its last, cut to the picture."""
    low = max(0, int(np.ceil(center - half)))
    high = min(length, int(np.floor(center + half)) + 1)
    return low, max(low, high)


@kernel
def profile(center: float, width: float, low: int, high: int, out: Floats) -> None:
    """Write ``exp(-(i - center)^2 / (2 width^2))`` for pixels ``low`` to ``high`` into ``out``."""
    scale = 0.5 / (width * width)
    for i in range(low, high):
        distance = i - center
        out[i - low] = np.exp(-distance * distance * scale)


@kernel
def add_column(model: Floats, column: Floats, reach: float, sign: float, work: Floats) -> None:
    """Add ``sign`` times one column's picture to ``model``; ``work`` has shape (2, window)."""
    width = np.exp(column[3])
    x_low, x_high = window_edges(column[0], reach * width, model.shape[1])
    y_low, y_high = window_edges(column[1], reach * width, model.shape[0])
    profile(column[0], width, x_low, x_high, work[0])
    profile(column[1], width, y_low, y_high, work[1])
    amplitude = sign * np.exp(column[2])
    along_x = work[0, : x_high - x_low]
    for j in range(y_low, y_high):
        height = amplitude * work[1, j - y_low]
        row = model[j, x_low:x_high]
        for i in range(x_high - x_low):
            row[i] += height * along_x[i]


@kernel
def add_columns(model: Floats, columns: Floats, reach: float) -> None:
    """Add every column's picture to ``model`` in place."""
    work = np.empty((2, max(model.shape[0], model.shape[1])))
    for k in range(columns.shape[0]):
        add_column(model, columns[k], reach, 1.0, work)


@kernel
def variance_of(mean: float, noise: Floats) -> float:
    """Return the pixel variance at ``mean``; ``noise`` = (offset, gain, smallest variance)."""
    variance: float = noise[0] + noise[1] * mean
    return max(variance, float(noise[2]))


@kernel
def own_information(
    image: Floats, model: Floats, column: Floats, noise: Floats, reach: float,
    work: Floats, score: Floats, information: Floats,
) -> int:  # fmt: skip
    """Write score (4,) and Fisher information (4, 4) of one column; return its pixels."""
    width = np.exp(column[3])
    amplitude = np.exp(column[2])
    x_low, x_high = window_edges(column[0], reach * width, model.shape[1])
    y_low, y_high = window_edges(column[1], reach * width, model.shape[0])
    profile(column[0], width, x_low, x_high, work[0])
    profile(column[1], width, y_low, y_high, work[1])
    score[:] = 0.0
    information[:] = 0.0
    inverse = 1.0 / width
    for j in range(y_low, y_high):
        v = (j - column[1]) * inverse
        height = amplitude * work[1, j - y_low]
        t0 = t1 = t2 = s0 = s1 = s2 = s3 = s4 = 0.0
        for i in range(x_low, x_high):
            u = (i - column[0]) * inverse
            mean = model[j, i]
            weight = 1.0 / max(noise[0] + noise[1] * mean, noise[2])
            value = height * work[0, i - x_low]
            pull = value * weight * (image[j, i] - mean)
            power = value * value * weight
            t0 += pull
            t1 += pull * u
            t2 += pull * u * u
            s0 += power
            s1 += power * u
            s2 += power * u * u
            s3 += power * u * u * u
            s4 += power * u * u * u * u
        score[0] += t1
        score[1] += t0 * v
        score[2] += t0
        score[3] += t2 + t0 * v * v
        information[0, 0] += s2
        information[0, 1] += s1 * v
        information[0, 2] += s1
        information[0, 3] += s3 + s1 * v * v
        information[1, 1] += s0 * v * v
        information[1, 2] += s0 * v
        information[1, 3] += v * (s2 + s0 * v * v)
        information[2, 2] += s0
        information[2, 3] += s2 + s0 * v * v
        information[3, 3] += s4 + 2.0 * s2 * v * v + s0 * v * v * v * v
    for a in range(4):
        unit = inverse if a < 2 else 1.0
        score[a] *= unit
        for b in range(a, 4):
            information[a, b] *= unit * (inverse if b < 2 else 1.0)
            information[b, a] = information[a, b]
    return (x_high - x_low) * (y_high - y_low)


@kernel
def solve_step(information: Floats, score: Floats, size: int, step: Floats) -> bool:
    """Solve information @ step = score for the leading ``size`` parameters (Cholesky)."""
    lower = np.zeros((size, size))
    for a in range(size):
        for b in range(a + 1):
            total = information[a, b]
            if a == b:
                total += RIDGE * information[a, a] + 1e-300
            for c in range(b):
                total -= lower[a, c] * lower[b, c]
            if a == b:
                if not total > 0.0:
                    return False
                lower[a, a] = np.sqrt(total)
            else:
                lower[a, b] = total / lower[b, b]
    step[:] = 0.0
    for a in range(size):
        total = score[a]
        for c in range(a):
            total -= lower[a, c] * step[c]
        step[a] = total / lower[a, a]
    for a in range(size - 1, -1, -1):
        total = step[a]
        for c in range(a + 1, size):
            total -= lower[c, a] * step[c]
        step[a] = total / lower[a, a]
    return True


@kernel
def column_sweep(
    image: Floats, model: Floats, columns: Floats, active: Flags, noise: Floats, rules: Floats
) -> int:
    """Visit each active column once with a Fisher scoring step; return how many still move.

    ``rules`` = (reach, smallest log width, largest log width, fit the width 0 or 1, tolerance as a
    share of the step's own standard error). ``model`` is kept live; ``columns`` and ``active``
    change in place.
    """
    reach = rules[0]
    size = 4 if rules[3] > 0.5 else 3
    work = np.empty((2, max(model.shape[0], model.shape[1])))
    score = np.empty(4)
    step = np.zeros(4)
    information = np.empty((4, 4))
    moving = 0
    for k in range(columns.shape[0]):
        if not active[k]:
            continue
        n_pixels = own_information(
            image, model, columns[k], noise, reach, work, score, information
        )  # fmt: skip
        if n_pixels < 9 or not solve_step(information, score, size, step):
            active[k] = False
            continue
        gain = 0.0
        for a in range(size):
            gain += step[a] * score[a]
        width = np.exp(columns[k, 3])
        longest = max(abs(step[0]), abs(step[1])) / (LARGEST_SHIFT_WIDTHS * width)
        longest = max(longest, abs(step[2]) / LARGEST_LOG_AMPLITUDE_STEP)
        longest = max(longest, abs(step[3]) / LARGEST_LOG_WIDTH_STEP)
        scale = 1.0 / max(1.0, longest)
        add_column(model, columns[k], reach, -1.0, work)
        for a in range(size):
            columns[k, a] += scale * step[a]
        columns[k, 3] = min(max(columns[k, 3], rules[1]), rules[2])
        add_column(model, columns[k], reach, 1.0, work)
        if gain < rules[4] * rules[4]:
            active[k] = False
        else:
            moving += 1
    return moving


@kernel
def background_sweep(image: Floats, model: Floats, nodes: Floats, noise: Floats) -> float:
    """Refit each node of the bilinear background once; return the largest step in its own error.

    Nodes stand evenly from the first to the last pixel of each axis; ``nodes`` and ``model``
    change in place.
    """
    n_rows, n_columns = image.shape
    step_y = (n_rows - 1) / (nodes.shape[0] - 1)
    step_x = (n_columns - 1) / (nodes.shape[1] - 1)
    largest = 0.0
    for a in range(nodes.shape[0]):
        y_low, y_high = window_edges(a * step_y, step_y, n_rows)
        for b in range(nodes.shape[1]):
            x_low, x_high = window_edges(b * step_x, step_x, n_columns)
            pull = 0.0
            power = 0.0
            for j in range(y_low, y_high):
                tent_y = 1.0 - abs(j / step_y - a)
                for i in range(x_low, x_high):
                    tent = tent_y * (1.0 - abs(i / step_x - b))
                    mean = model[j, i]
                    weight = tent / max(noise[0] + noise[1] * mean, noise[2])
                    pull += weight * (image[j, i] - mean)
                    power += weight * tent
            if not power > 0.0:
                continue
            step = pull / power
            nodes[a, b] += step
            largest = max(largest, abs(step) * np.sqrt(power))
            for j in range(y_low, y_high):
                tent_y = 1.0 - abs(j / step_y - a)
                for i in range(x_low, x_high):
                    model[j, i] += step * tent_y * (1.0 - abs(i / step_x - b))
    return largest


@kernel
def slopes(column: Floats, x: int, y: int, out: Floats) -> None:
    """Write the derivatives of one column's picture at a pixel by its four parameters."""
    width = np.exp(column[3])
    u = (x - column[0]) / width
    v = (y - column[1]) / width
    square = u * u + v * v
    value = np.exp(column[2] - 0.5 * square)
    out[0] = value * u / width
    out[1] = value * v / width
    out[2] = value
    out[3] = value * square


@kernel
def pair_information(
    model: Floats, columns: Floats, pairs: Integers, noise: Floats, reach: float
) -> Floats:
    """Return the Fisher information (n_pairs, 4, 4) that two columns share over their pixels."""
    blocks = np.zeros((pairs.shape[0], 4, 4))
    one = np.empty(4)
    two = np.empty(4)
    for p in range(pairs.shape[0]):
        first = columns[pairs[p, 0]]
        second = columns[pairs[p, 1]]
        half_one = reach * np.exp(first[3])
        half_two = reach * np.exp(second[3])
        x_low, x_high = window_edges(first[0], half_one, model.shape[1])
        y_low, y_high = window_edges(first[1], half_one, model.shape[0])
        left, right = window_edges(second[0], half_two, model.shape[1])
        bottom, top = window_edges(second[1], half_two, model.shape[0])
        for j in range(max(y_low, bottom), min(y_high, top)):
            for i in range(max(x_low, left), min(x_high, right)):
                weight = 1.0 / variance_of(model[j, i], noise)
                slopes(first, i, j, one)
                slopes(second, i, j, two)
                for a in range(4):
                    for b in range(4):
                        blocks[p, a, b] += weight * one[a] * two[b]
    return blocks


@kernel
def add_background_information(
    model: Floats, column: Floats, center: Floats, half: float, noise: Floats, reach: float,
    shared: Floats,
) -> None:  # fmt: skip
    """Write what a column shares (4,) with a constant over the box of ``half`` at ``center``."""
    shared[:] = 0.0
    one = np.empty(4)
    window = reach * np.exp(column[3])
    x_low, x_high = window_edges(column[0], window, model.shape[1])
    y_low, y_high = window_edges(column[1], window, model.shape[0])
    left, right = window_edges(center[0], half, model.shape[1])
    bottom, top = window_edges(center[1], half, model.shape[0])
    for j in range(max(y_low, bottom), min(y_high, top)):
        for i in range(max(x_low, left), min(x_high, right)):
            weight = 1.0 / variance_of(model[j, i], noise)
            slopes(column, i, j, one)
            for a in range(4):
                shared[a] += weight * one[a]


@kernel
def constant_information(model: Floats, column: Floats, noise: Floats, half: float) -> float:
    """Return the information on a constant over the box of half-edge ``half`` at a column."""
    x_low, x_high = window_edges(column[0], half, model.shape[1])
    y_low, y_high = window_edges(column[1], half, model.shape[0])
    total = 0.0
    for j in range(y_low, y_high):
        for i in range(x_low, x_high):
            total += 1.0 / variance_of(model[j, i], noise)
    return total


@kernel
def cluster_covariance(
    model: Floats, columns: Floats, noise: Floats, reach: float, background_half: float,
    starts: Integers, neighbours: Integers, blocks: Floats, own: Floats, lookup: Integers,
) -> Floats:  # fmt: skip
    """Return each column's covariance (n, 4, 4) with its neighbours and the background free.

    The neighbours of column k are ``neighbours[starts[k]:starts[k + 1]]``; ``blocks[lookup[...]]``
    holds their shared information (sorted pairs), ``own`` that of a column with itself, and
    a constant over ``background_half`` stands for the local background. The neighbours are
    eliminated (Schur complement).
    """
    n = columns.shape[0]
    result = np.zeros((n, 4, 4))
    shared = np.empty(4)
    for k in range(n):
        members = starts[k + 1] - starts[k]
        size = 4 * members + 5
        full = np.zeros((size, size))
        ids = np.empty(members + 1, np.int64)
        ids[0] = k
        for m in range(members):
            ids[m + 1] = neighbours[starts[k] + m]
        for m in range(members + 1):
            full[4 * m : 4 * m + 4, 4 * m : 4 * m + 4] = own[ids[m]]
            add_background_information(
                model, columns[ids[m]], columns[k], background_half, noise, reach, shared
            )
            for a in range(4):
                full[4 * m + a, size - 1] = shared[a]
                full[size - 1, 4 * m + a] = shared[a]
        full[size - 1, size - 1] = constant_information(model, columns[k], noise, background_half)
        for m in range(members + 1):
            for q in range(starts[ids[m]], starts[ids[m] + 1]):
                for o in range(m + 1, members + 1):
                    if neighbours[q] == ids[o]:
                        block = blocks[lookup[q]]
                        for a in range(4):
                            for b in range(4):
                                value = block[a, b] if ids[m] < ids[o] else block[b, a]
                                full[4 * m + a, 4 * o + b] = value
                                full[4 * o + b, 4 * m + a] = value
        scale = np.empty(size)
        for a in range(size):
            scale[a] = 1.0 / np.sqrt(max(full[a, a], 1e-300))
        for a in range(size):
            for b in range(size):
                full[a, b] *= scale[a] * scale[b]
            full[a, a] += RIDGE
        inverse = np.linalg.inv(full)
        ridge = 1e-6
        while not min(min(inverse[0, 0], inverse[1, 1]), min(inverse[2, 2], inverse[3, 3])) > 0.0:
            # pairs that are left out for their distance can spoil a cluster of nearly equal columns
            for a in range(size):
                full[a, a] += ridge
            ridge *= 10.0
            inverse = np.linalg.inv(full)
        for a in range(4):
            for b in range(4):
                result[k, a, b] = inverse[a, b] * scale[a] * scale[b]
    return result
