"""Compiled core of the columns' joint covariance: information of pairs, local inverses, background.

A column is a row (x, y, log amplitude, log width) in pixels, as in ``column_kernels``; ``weight``
is the picture of 1 / variance (0 where a pixel is masked).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.kernels import kernel

__all__ = [
    "background_share",
    "cell_moments",
    "local_inverses",
    "neighbour_lists",
    "pair_information",
    "pair_product",
    "undo_whitening",
    "whiten",
    "whiten_pairs",
]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

PRODUCT_REACH = 5.0
"""Half-edge of the window of a product of two columns, in widths of the product."""
WEAK = 0.02
"""Couplings (whitened, Frobenius) below this change a variance by less than .0004."""
LARGEST_CLUSTER = 24
RIDGE = 1e-9
SMALLEST_PIVOT = 1e-4
"""Of whitened information: columns on top of each other get errors up to 100 times their own."""


@kernel
def window(center: float, half: float, length: int) -> tuple[int, int]:
    """Return the first pixel inside a window and the one after its last, cut to the picture."""
    low = max(0, int(np.ceil(center - half)))
    return low, max(low, min(length, int(np.floor(center + half)) + 1))


@kernel
def moments(
    weight: Floats, center: Floats, width: float, half: float, work: Floats, out: Floats
) -> None:
    """Write the sums of ``weight * gaussian * X^p Y^q`` (p + q <= 4) about ``center``, (5, 5)."""
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
    for j in range(y_low, y_high):
        row = weight[j, x_low:x_high]
        t0 = t1 = t2 = t3 = t4 = 0.0
        for i in range(x_high - x_low):
            value = row[i]
            t0 += value * work[i, 0]
            t1 += value * work[i, 1]
            t2 += value * work[i, 2]
            t3 += value * work[i, 3]
            t4 += value * work[i, 4]
        y = j - center[1]
        factor = np.exp(-y * y * scale)
        for q in range(5):
            out[0, q] += factor * t0
            out[1, q] += factor * t1
            out[2, q] += factor * t2
            out[3, q] += factor * t3
            out[4, q] += factor * t4
            factor *= y


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
def pair_information(weight: Floats, columns: Floats, pairs: Integers, blocks: Floats) -> None:
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
        moments(weight, center, width, PRODUCT_REACH * width, work, raw)
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
    n_rows: int, n_columns: int, shares: Floats, first: Integers,
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
        for j in range(y_low, y_high):
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
            factor = np.exp(columns[k, 2]) / (1.0 if s == 2 else width * width)
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
def whiten(own: Floats, shares: Floats, roots: Floats) -> None:
    """Write inverse Cholesky roots (n, 4, 4) of the own blocks; whiten ``shares`` in place."""
    lower = np.empty((4, 4))
    column = np.empty(4)
    for k in range(own.shape[0]):
        for a in range(4):
            for b in range(a + 1):
                total = own[k, a, b]
                if a == b:
                    total += RIDGE * total + 1e-300
                for c in range(b):
                    total -= lower[a, c] * lower[b, c]
                if a == b:
                    # a column cut off by the edge may leave a parameter without information
                    lower[a, a] = np.sqrt(max(total, RIDGE * own[k, a, a] + 1e-300))
                else:
                    lower[a, b] = total / lower[b, b]
        for b in range(4):
            for a in range(4):
                total = 1.0 if a == b else 0.0
                for c in range(a):
                    total -= lower[a, c] * column[c]
                column[a] = total / lower[a, a]
                roots[k, a, b] = column[a]
        for node in range(9):
            for a in range(4):
                column[a] = shares[k, node, a]
            for a in range(4):
                total = 0.0
                for b in range(a + 1):
                    total += roots[k, a, b] * column[b]
                shares[k, node, a] = total


@kernel
def whiten_pairs(blocks: Floats, roots: Floats, pairs: Integers, strength: Floats) -> None:
    """Replace each block by ``R_i block R_j^T`` and write its Frobenius norm."""
    half_way = np.empty((4, 4))
    for p in range(pairs.shape[0]):
        one = roots[pairs[p, 0]]
        two = roots[pairs[p, 1]]
        for a in range(4):
            for b in range(4):
                total = 0.0
                for c in range(a + 1):
                    total += one[a, c] * blocks[p, c, b]
                half_way[a, b] = total
        norm = 0.0
        for a in range(4):
            for b in range(4):
                total = 0.0
                for c in range(b + 1):
                    total += half_way[a, c] * two[b, c]
                blocks[p, a, b] = total
                norm += total * total
        strength[p] = np.sqrt(norm)


@kernel
def gather(
    k: int, starts: Integers, near: Integers, lookup: Integers, strength: Floats,
    members: Integers, power: Floats, place: Integers, weakest: float,
) -> int:  # fmt: skip
    """Write the columns that column k feels through chains of couplings, strongest chain known.

    ``place`` (all -1 before) holds where in ``members`` a column stands; it is reset by the caller.
    """
    members[0] = k
    power[0] = 1.0
    place[k] = 0
    count = 1
    first = 0
    for ring in range(3):
        last = count
        for m in range(first, last):
            for q in range(starts[members[m]], starts[members[m] + 1]):
                chain = power[m] * strength[lookup[q]]
                # what comes back from further away comes back twice weakened
                limit = WEAK if ring == 0 else weakest
                if chain < limit:
                    continue
                other = near[q]
                if place[other] >= 0:
                    power[place[other]] = max(power[place[other]], chain)
                elif count < LARGEST_CLUSTER:
                    place[other] = count
                    members[count] = other
                    power[count] = chain
                    count += 1
        first = last
    return count


@kernel
def invert_last(matrix: Floats, size: int, solution: Floats) -> None:
    """Write the last 4 columns of a positive matrix's inverse; the lower triangle is used up."""
    for c in range(size):
        pivot = np.sqrt(max(matrix[c, c], SMALLEST_PIVOT))
        matrix[c, c] = pivot
        for r in range(c + 1, size):
            matrix[r, c] /= pivot
            matrix[c, r] = matrix[r, c]
        for r in range(c + 1, size):
            value = matrix[r, c]
            if value != 0.0:
                source = matrix[c, c + 1 : r + 1]
                row = matrix[r, c + 1 : r + 1]
                for i in range(r - c):
                    row[i] -= value * source[i]
    solution[:size] = 0.0
    for b in range(4):
        for a in range(b, 4):
            r = size - 4 + a
            total = 1.0 if a == b else 0.0
            for c in range(size - 4 + b, r):
                total -= matrix[r, c] * solution[c, b]
            solution[r, b] = total / matrix[r, r]
    for r in range(size - 1, -1, -1):
        for b in range(4):
            solution[r, b] /= matrix[r, r]
        for c in range(r):
            value = matrix[r, c]
            if value != 0.0:
                for b in range(4):
                    solution[c, b] -= value * solution[r, b]


@kernel
def local_inverses(
    blocks: Floats, strength: Floats, starts: Integers, near: Integers, lookup: Integers,
    shares: Floats, first: Integers, weakest: float,
    own: Floats, cross: Floats, pull: Floats,
) -> None:  # fmt: skip
    """Write inverse blocks of the whitened information ``I + O``, from each column's surroundings.

    ``near[starts[k]:starts[k + 1]]`` are the columns coupled to k through ``blocks[lookup[...]]``
    (smaller index first). ``own`` (n, 4, 4) and ``cross`` (n_pairs, 4, 4; zeros before, the mean of
    both columns' views after) are covariances, ``pull`` (n, 9, 4) is the inverse times ``shares``.
    """
    n = own.shape[0]
    members = np.empty(LARGEST_CLUSTER, np.int64)
    power = np.empty(LARGEST_CLUSTER)
    place = np.full(n, -1)
    matrix = np.empty((4 * LARGEST_CLUSTER, 4 * LARGEST_CLUSTER))
    solution = np.empty((4 * LARGEST_CLUSTER, 4))
    for k in range(n):
        count = gather(k, starts, near, lookup, strength, members, power, place, weakest)
        size = 4 * count
        matrix[:size, :size] = 0.0
        for m in range(count):
            at = size - 4 - 4 * m  # the column itself comes last
            for a in range(4):
                matrix[at + a, at + a] = 1.0 + RIDGE
            for q in range(starts[members[m]], starts[members[m] + 1]):
                o = place[near[q]]
                if o > m:
                    to = size - 4 - 4 * o
                    block = blocks[lookup[q]]
                    straight = members[m] < near[q]
                    for a in range(4):
                        for b in range(4):
                            matrix[at + a, to + b] = block[a, b] if straight else block[b, a]
        invert_last(matrix, size, solution)
        pull[k] = 0.0
        for m in range(count):
            at = size - 4 - 4 * m
            down = first[members[m], 0] - first[k, 0]
            right = first[members[m], 1] - first[k, 1]
            for node in range(9):
                row, column = down + node // 3, right + node % 3
                if 0 <= row < 3 and 0 <= column < 3:
                    to = pull[k, 3 * row + column]
                    for b in range(4):
                        value = shares[members[m], node, b]
                        for a in range(4):
                            to[a] += solution[at + b, a] * value
        for a in range(4):
            for b in range(4):
                own[k, a, b] = solution[size - 4 + a, b]
        for q in range(starts[k], starts[k + 1]):
            o = place[near[q]]
            if o > 0:
                at = size - 4 - 4 * o
                for a in range(4):
                    for b in range(4):
                        value = 0.5 * solution[at + b, a]
                        if k < near[q]:
                            cross[lookup[q], a, b] += value
                        else:
                            cross[lookup[q], b, a] += value
        for m in range(count):
            place[members[m]] = -1


@kernel
def undo_whitening(roots: Floats, pairs: Integers, own: Floats, cross: Floats) -> None:
    """Replace covariances of whitened parameters by those of the columns' own."""
    half_way = np.empty((4, 4))
    for p in range(own.shape[0] + pairs.shape[0]):
        if p < own.shape[0]:
            one = two = roots[p]
            block = own[p]
        else:
            one = roots[pairs[p - own.shape[0], 0]]
            two = roots[pairs[p - own.shape[0], 1]]
            block = cross[p - own.shape[0]]
        for a in range(4):
            for b in range(4):
                total = 0.0
                for c in range(a, 4):
                    total += one[c, a] * block[c, b]
                half_way[a, b] = total
        for a in range(4):
            for b in range(4):
                total = 0.0
                for c in range(b, 4):
                    total += half_way[a, c] * two[c, b]
                block[a, b] = total


@kernel
def neighbour_lists(pairs: Integers, starts: Integers, near: Integers, lookup: Integers) -> None:
    """Write each column's neighbours and the numbers of their pairs; ``starts`` (n + 1) is 0."""
    n = starts.shape[0] - 1
    for p in range(pairs.shape[0]):
        starts[pairs[p, 0] + 1] += 1
        starts[pairs[p, 1] + 1] += 1
    for k in range(n):
        starts[k + 1] += starts[k]
    filled = starts[:n].copy()
    for p in range(pairs.shape[0]):
        for side in range(2):
            k = pairs[p, side]
            near[filled[k]] = pairs[p, 1 - side]
            lookup[filled[k]] = p
            filled[k] += 1


@kernel
def pair_product(blocks: Floats, pairs: Integers, vector: Floats) -> Floats:
    """Return the product of the symmetric matrix of the pairs' blocks with a vector (n, 4)."""
    result = np.zeros(vector.shape)
    for p in range(pairs.shape[0]):
        i, j = pairs[p, 0], pairs[p, 1]
        for a in range(4):
            for b in range(4):
                result[i, a] += blocks[p, a, b] * vector[j, b]
                result[j, b] += blocks[p, a, b] * vector[i, a]
    return result


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
