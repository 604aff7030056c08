"""Compiled core of the joint column fit: Gaussian columns on a live model picture.

A column is a row (x, y, log amplitude, log width) in pixels; its picture is
``exp(log_amplitude - r^2 / (2 width^2))``. ``weight`` is the inverse variance of each pixel, zero
where a pixel is masked. A window reaches ``reach`` widths from the centre.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.compiled import kernel, summing_kernel

__all__ = ["add_columns", "column_scores", "column_sweep", "removal_gain"]

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Integers = NDArray[np.int64]

LARGEST_LOG_AMPLITUDE_STEP = 0.7
LARGEST_LOG_WIDTH_STEP = 0.2
LARGEST_SHIFT_WIDTHS = 0.5
RIDGE = 1e-9
CERTAIN = 900.0


@kernel
def window_edges(center: float, half: float, length: int) -> tuple[int, int]:
    """Return the first pixel inside a window and the one after its last, cut to the picture."""
    low = min(length, max(0, int(np.ceil(center - half))))
    high = min(length, int(np.floor(center + half)) + 1)
    return low, max(low, high)


@kernel
def profile(center: float, width: float, low: int, high: int, out: Floats) -> None:
    """Write ``exp(-(i - center)^2 / (2 width^2))`` for pixels ``low`` to ``high`` into ``out``.

    By recurrence: the ratio of neighbours falls by a constant factor.
    """
    if high <= low:
        return
    scale = 0.5 / (width * width)
    first = low - center
    value = np.exp(-first * first * scale)
    ratio = np.exp(-(2.0 * first + 1.0) * scale)
    fall = np.exp(-2.0 * scale)
    for i in range(high - low):
        out[i] = value
        value *= ratio
        ratio *= fall


@kernel
def add_column(model: Floats, column: Floats, reach: float, sign: float, work: Floats) -> None:
    """Add ``sign`` times one column's picture to ``model``; ``work`` has two rows."""
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
        for i in range(along_x.size):
            row[i] += height * along_x[i]


@kernel
def add_columns(model: Floats, columns: Floats, reach: float, sign: float = 1.0) -> None:
    """Add ``sign`` times every column's picture to ``model`` in place."""
    work = np.empty((2, max(model.shape[0], model.shape[1])))
    for k in range(columns.shape[0]):
        add_column(model, columns[k], reach, sign, work)


@kernel
def replace_column(
    model: Floats, old: Floats, new: Floats, reach: float, sign: float, work: Floats
) -> None:
    """Take one column's picture out of ``model`` and put another in, in one pass."""
    w_old, w_new = np.exp(old[3]), np.exp(new[3])
    out_x, end_x = window_edges(old[0], reach * w_old, model.shape[1])
    out_y, end_y = window_edges(old[1], reach * w_old, model.shape[0])
    in_x, stop_x = window_edges(new[0], reach * w_new, model.shape[1])
    in_y, stop_y = window_edges(new[1], reach * w_new, model.shape[0])
    left, right = min(out_x, in_x), max(end_x, stop_x)
    bottom, top = min(out_y, in_y), max(end_y, stop_y)
    work[:, : max(right - left, top - bottom)] = 0.0
    profile(old[0], w_old, out_x, end_x, work[0, out_x - left :])
    profile(old[1], w_old, out_y, end_y, work[1, out_y - bottom :])
    profile(new[0], w_new, in_x, stop_x, work[2, in_x - left :])
    profile(new[1], w_new, in_y, stop_y, work[3, in_y - bottom :])
    taken, put = sign * np.exp(old[2]), sign * np.exp(new[2])
    one, two = work[0], work[2]
    for j in range(bottom, top):
        first = taken * work[1, j - bottom]
        second = put * work[3, j - bottom]
        row = model[j, left:right]
        for i in range(right - left):
            row[i] += second * two[i] - first * one[i]


@summing_kernel
def own_information(
    image: Floats, model: Floats, weight: Floats, column: Floats, reach: float, sign: float,
    work: Floats, score: Floats, information: Floats, level: Floats,
) -> int:  # fmt: skip
    """Write score, Fisher information (lower half) and what a constant shares of one column.

    Return the pixels of its window. Sums along a row are moments in u, down the rows in v.
    """
    width = np.exp(column[3])
    amplitude = sign * np.exp(column[2])
    x_low, x_high = window_edges(column[0], reach * width, model.shape[1])
    y_low, y_high = window_edges(column[1], reach * width, model.shape[0])
    profile(column[0], width, x_low, x_high, work[0])
    profile(column[1], width, y_low, y_high, work[1])
    inverse = 1.0 / width
    n = x_high - x_low
    along, places = work[0], work[2]
    for i in range(n):
        places[i] = (x_low + i - column[0]) * inverse
    b0 = b1 = b2 = b3 = a0 = a1 = a2 = a3 = 0.0
    f00 = f01 = f02 = f03 = f11 = f12 = f13 = f23 = f33 = f22 = 0.0
    for j in range(y_low, y_high):
        pixels, means, weights = (
            image[j, x_low:x_high],
            model[j, x_low:x_high],
            weight[j, x_low:x_high],
        )
        t0 = t1 = t2 = s0 = s1 = s2 = s3 = s4 = c0 = c1 = c2 = 0.0
        for i in range(n):
            u = places[i]
            part = along[i] * weights[i]
            pull = part * (pixels[i] - means[i])
            power = part * along[i]
            t0 += pull
            t1 += pull * u
            t2 += pull * u * u
            c0 += part
            c1 += part * u
            c2 += part * u * u
            s0 += power
            s1 += power * u
            s2 += power * u * u
            s3 += power * u * u * u
            s4 += power * u * u * u * u
        v = (j - column[1]) * inverse
        square = v * v
        height = amplitude * work[1, j - y_low]
        b0 += height * t1
        b1 += height * t0 * v
        b2 += height * t0
        b3 += height * (t2 + t0 * square)
        a0 += height * c1
        a1 += height * c0 * v
        a2 += height * c0
        a3 += height * (c2 + c0 * square)
        height *= height
        f00 += height * s2
        f01 += height * s1 * v
        f02 += height * s1
        f03 += height * (s3 + s1 * square)
        f11 += height * s0 * square
        f12 += height * s0 * v
        f13 += height * v * (s2 + s0 * square)
        f22 += height * s0
        f23 += height * (s2 + s0 * square)
        f33 += height * (s4 + 2.0 * s2 * square + s0 * square * square)
    score[0], score[1], score[2], score[3] = b0 * inverse, b1 * inverse, b2, b3
    level[0], level[1], level[2], level[3] = a0 * inverse, a1 * inverse, a2, a3
    information[0, 0] = f00 * inverse * inverse
    information[1, 0] = f01 * inverse * inverse
    information[2, 0] = f02 * inverse
    information[3, 0] = f03 * inverse
    information[1, 1] = f11 * inverse * inverse
    information[2, 1] = f12 * inverse
    information[3, 1] = f13 * inverse
    information[2, 2] = f22
    information[3, 2] = f23
    information[3, 3] = f33
    return n * (y_high - y_low)


@kernel
def factorise(information: Floats, size: int, lower: Floats) -> bool:
    """Write the Cholesky factor of the leading ``size`` parameters; False where there is none."""
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
    return True


@kernel
def solve_factor(lower: Floats, right: Floats, size: int, out: Floats) -> None:
    """Solve ``lower @ lower.T @ out = right`` for the leading ``size`` parameters."""
    out[:] = 0.0
    for a in range(size):
        total = right[a]
        for c in range(a):
            total -= lower[a, c] * out[c]
        out[a] = total / lower[a, a]
    for a in range(size - 1, -1, -1):
        total = out[a]
        for c in range(a + 1, size):
            total -= lower[c, a] * out[c]
        out[a] = total / lower[a, a]


@kernel
def column_sweep(
    image: Floats, model: Floats, weight: Floats, columns: Floats, active: Flags,
    absorbed: Floats, rules: Floats,
) -> int:  # fmt: skip
    """Visit each active column once with a Fisher scoring step; return how many still move.

    ``rules`` = (reach, smallest log width, largest log width, fit the width 0 or 1, tolerance as a
    share of the step's own standard error, sign of the columns, centre and precision of a prior on
    the log width). ``model`` is kept live; ``columns`` and ``active`` change in place. ``absorbed``
    (n,) takes the information on a local constant that each column takes up.
    """
    reach, sign = rules[0], rules[5]
    size = 4 if rules[3] > 0.5 else 3
    work = np.empty((4, max(16, max(model.shape[0], model.shape[1]))))
    score = np.empty(4)
    level = np.empty(4)
    step = np.zeros(4)
    new = np.empty(4)
    information = np.empty((4, 4))
    lower = np.zeros((4, 4))
    moving = 0
    for k in range(columns.shape[0]):
        if not active[k]:
            continue
        n_pixels = own_information(
            image, model, weight, columns[k], reach, sign, work, score, information, level
        )
        score[3] += rules[7] * (rules[6] - columns[k, 3])
        information[3, 3] += rules[7]
        if n_pixels < 9 or not factorise(information, size, lower):
            active[k] = False
            continue
        solve_factor(lower, level, size, step)
        absorbed[k] = 0.0
        for a in range(size):
            absorbed[k] += step[a] * level[a]
        solve_factor(lower, score, size, step)
        gain = 0.0
        for a in range(size):
            gain += step[a] * score[a]
        width = np.exp(columns[k, 3])
        longest = max(abs(step[0]), abs(step[1])) / (LARGEST_SHIFT_WIDTHS * width)
        longest = max(longest, abs(step[2]) / LARGEST_LOG_AMPLITUDE_STEP)
        longest = max(longest, abs(step[3]) / LARGEST_LOG_WIDTH_STEP)
        scale = 1.0 / max(1.0, longest)
        for a in range(4):
            new[a] = columns[k, a] + scale * step[a]
        new[3] = min(max(new[3], rules[1]), rules[2])
        # a column that runs away stays where it can be seen and dropped
        new[0] = min(max(new[0], -2.0 * width), model.shape[1] - 1.0 + 2.0 * width)
        new[1] = min(max(new[1], -2.0 * width), model.shape[0] - 1.0 + 2.0 * width)
        replace_column(model, columns[k], new, reach, sign, work)
        columns[k] = new
        if gain < rules[4] * rules[4]:
            active[k] = False
        else:
            moving += 1
    return moving


@kernel
def column_scores(
    image: Floats, model: Floats, weight: Floats, columns: Floats, reach: float, sign: float,
    scores: Floats, own: Floats,
) -> None:  # fmt: skip
    """Write each column's score (n, 4) and its own Fisher information (n, 4, 4), all held."""
    work = np.empty((4, max(16, max(model.shape[0], model.shape[1]))))
    level = np.empty(4)
    for k in range(columns.shape[0]):
        own_information(
            image, model, weight, columns[k], reach, sign, work, scores[k], own[k], level
        )
        for a in range(4):
            for b in range(a):
                own[k, b, a] = own[k, a, b]


@summing_kernel
def removal_gain(
    image: Floats, model: Floats, weight: Floats, columns: Floats, chosen: Integers,
    noise: Floats, reach: float, sign: float,
) -> Floats:  # fmt: skip
    """Return (n, 2): twice the log likelihood that each column brings, and its information.

    All else is held; the information is that on the log amplitude. Where it leaves no doubt it
    stands in for the likelihood.
    ``noise`` = (offset, gain, smallest variance): quasi-likelihood of variance = offset + gain x
    mean, which is Poisson's for (0, 1) and Gaussian for gain 0.
    """
    result = np.zeros((chosen.size, 2))
    work = np.empty((2, max(model.shape[0], model.shape[1])))
    for c in range(chosen.size):
        column = columns[chosen[c]]
        width = np.exp(column[3])
        x_low, x_high = window_edges(column[0], reach * width, model.shape[1])
        y_low, y_high = window_edges(column[1], reach * width, model.shape[0])
        profile(column[0], width, x_low, x_high, work[0])
        profile(column[1], width, y_low, y_high, work[1])
        amplitude = sign * np.exp(column[2])
        power = 0.0
        for j in range(y_low, y_high):
            height = amplitude * work[1, j - y_low]
            for i in range(x_low, x_high):
                value = height * work[0, i - x_low]
                power += value * value * weight[j, i]
        result[c, 1] = power
        if power > CERTAIN:
            result[c, 0] = power
            continue
        total = 0.0
        for j in range(y_low, y_high):
            for i in range(x_low, x_high):
                if not weight[j, i] > 0.0:
                    continue
                value = amplitude * work[1, j - y_low] * work[0, i - x_low]
                rest = image[j, i] - model[j, i]
                if noise[1] > 0.0:
                    high = max(noise[0] + noise[1] * model[j, i], noise[2])
                    low = max(high - noise[1] * value, noise[2])
                    # (y + offset / gain) = (variance at the model) / gain + residual
                    count = (high + noise[1] * rest) / (noise[1] * noise[1])
                    total += 2.0 * (count * np.log(high / low) - (high - low) / noise[1] ** 2)
                else:
                    total += weight[j, i] * ((rest + value) ** 2 - rest**2)
        result[c, 0] = total
    return result
