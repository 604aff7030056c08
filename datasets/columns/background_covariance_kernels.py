"""Compiled core of what the fitted background adds to the columns' covariance.

The background is bilinear between evenly spaced nodes. A column that is fitted takes information on
the background away where it stands; what is left gives the covariance of the nodes, cell by cell.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.compiled import kernel

__all__ = ["add_background", "node_information", "node_inverses", "take_columns"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

LARGEST_SHARE = 1e6
SMALLEST_SHARE = 0.002
"""Of a node's information that columns leave to it at least, else more is added."""


@kernel
def pair_coefficient(first: int, second: int, power: int) -> float:
    """Return the coefficient of f^power in the product of two tents (0 falls, 1 rises)."""
    if first + second == 0:
        return -2.0 if power == 1 else 1.0
    if first + second == 1:
        return 0.0 if power == 0 else (1.0 if power == 1 else -1.0)
    return 1.0 if power == 2 else 0.0


@kernel
def node_information(sums: Floats, stencil: Floats) -> None:
    """Add each cell's information to the ``stencil`` (rows, columns, 5, 5) of nodes about each."""
    for a in range(sums.shape[0]):
        for b in range(sums.shape[1]):
            for one in range(4):
                for two in range(4):
                    total = 0.0
                    for q in range(3):
                        along_y = pair_coefficient(one // 2, two // 2, q)
                        for p in range(3):
                            along_x = pair_coefficient(one % 2, two % 2, p)
                            total += along_y * along_x * sums[a, b, q, p]
                    y, x = a + one // 2, b + one % 2
                    stencil[y, x, two // 2 - one // 2 + 2, two % 2 - one % 2 + 2] += total


@kernel
def add_to_stencil(product: Floats, first: Integers, there: Integers, stencil: Floats) -> None:
    """Subtract a (9, 9) block, between two columns' nodes, from the nodes' ``stencil``."""
    for one in range(9):
        y, x = first[0] + one // 3, first[1] + one % 3
        if y < 0 or x < 0 or y >= stencil.shape[0] or x >= stencil.shape[1]:
            continue
        for two in range(9):
            dy = there[0] + two // 3 - y + 2
            dx = there[1] + two % 3 - x + 2
            if 0 <= dy < 5 and 0 <= dx < 5:
                stencil[y, x, dy, dx] -= product[one, two]


@kernel
def take_columns(
    blocks: Floats, pairs: Integers, shares: Floats, pull: Floats, first: Integers, stencil: Floats
) -> None:
    """Subtract from the nodes' information what the fitted columns take: ``Y'(2 B - A Y)``.

    With an approximate ``Y = A^-1 B`` (``pull``) this errs by the square of Y's error, and on the
    safe side: what is left stays positive.
    """
    product = np.empty((9, 9))
    turned = np.empty((4, 9))
    for k in range(shares.shape[0]):
        for a in range(4):
            for node in range(9):
                turned[a, node] = 2.0 * shares[k, node, a] - pull[k, node, a]
        product[:] = 0.0
        for one in range(9):
            for a in range(4):
                value = pull[k, one, a]
                for two in range(9):
                    product[one, two] += value * turned[a, two]
        add_to_stencil(product, first[k], first[k], stencil)
    for p in range(pairs.shape[0]):
        i, j = pairs[p, 0], pairs[p, 1]
        turned[:] = 0.0
        for a in range(4):
            for b in range(4):
                value = -2.0 * blocks[p, a, b]
                for node in range(9):
                    turned[a, node] += value * pull[j, node, b]
        product[:] = 0.0
        for one in range(9):
            for a in range(4):
                value = pull[i, one, a]
                for two in range(9):
                    product[one, two] += value * turned[a, two]
        add_to_stencil(product, first[i], first[j], stencil)


@kernel
def fill_surroundings(a: int, b: int, stencil: Floats, absent: float, full: Floats) -> None:
    """Write the lower (25, 25) information of the 5 x 5 nodes about a node, some absent."""
    full[:] = 0.0
    for one in range(25):
        y, x = a - 2 + one // 5, b - 2 + one % 5
        full[one, one] = absent
        if y < 0 or x < 0 or y >= stencil.shape[0] or x >= stencil.shape[1]:
            continue
        full[one, one] = stencil[y, x, 2, 2]
        for two in range(one):
            dy, dx = two // 5 - one // 5, two % 5 - one % 5
            v, u = y + dy, x + dx
            if abs(dy) <= 2 and abs(dx) <= 2 and v >= 0 and 0 <= u < stencil.shape[1]:
                full[one, two] = 0.5 * stencil[y, x, dy + 2, dx + 2]
                full[one, two] += 0.5 * stencil[v, u, 2 - dy, 2 - dx]


@kernel
def cholesky(full: Floats, smallest: float) -> bool:
    """Replace the lower triangle by its root with inverted diagonal; False for a small pivot."""
    n = full.shape[0]
    for c in range(n):
        if not full[c, c] > smallest:
            return False
        pivot = 1.0 / np.sqrt(full[c, c])
        full[c, c] = pivot
        for r in range(c + 1, n):
            full[r, c] *= pivot
        for r in range(c + 1, n):
            value = full[r, c]
            if value != 0.0:
                for i in range(c + 1, r + 1):
                    full[r, i] -= value * full[i, c]
    return True


@kernel
def node_inverses(stencil: Floats, before: Floats, result: Floats) -> None:
    """Write the covariance (rows, columns, 9, 25) of the nodes about each with the 5 x 5 about it.

    ``before`` is the nodes' information before columns took theirs; a growing share of it is added
    where what the columns left is not positive. Nodes further away count as known: what they add
    falls by about .27 a node.
    """
    full = np.empty((25, 25))
    other = np.empty((25, 25))
    column = np.empty(25)
    largest = before[:, :, 2, 2].max() + 1e-300
    least = 1e-9 * largest
    for a in range(result.shape[0]):
        for b in range(result.shape[1]):
            fill_surroundings(a, b, stencil, largest, full)
            smallest = max(SMALLEST_SHARE * before[a, b, 2, 2], least)
            share = SMALLEST_SHARE
            while not cholesky(full, smallest):
                if share < LARGEST_SHARE:
                    fill_surroundings(a, b, stencil, largest, full)
                else:
                    full[:] = 0.0
                fill_surroundings(a, b, before, 0.0, other)
                for r in range(25):
                    for c in range(r + 1):
                        full[r, c] += share * other[r, c]
                    full[r, r] += smallest * share / SMALLEST_SHARE * 2.0
                share *= 4.0
            for inner in range(9):
                center = 5 * (1 + inner // 3) + 1 + inner % 3
                for r in range(center):
                    column[r] = 0.0
                for r in range(center, 25):
                    total = 1.0 if r == center else 0.0
                    for i in range(center, r):
                        total -= full[r, i] * column[i]
                    column[r] = total * full[r, r]
                for r in range(24, -1, -1):
                    total = column[r] * full[r, r]
                    column[r] = total
                    for i in range(r):
                        column[i] -= full[r, i] * total
                for r in range(25):
                    result[a, b, inner, r] = column[r]


@kernel
def add_shared(
    pull: Floats, first: Integers, other: Floats, there: Integers, inverses: Floats, out: Floats
) -> None:
    """Add what two columns share by the background's error to ``out`` (4, 4)."""
    half = np.empty(4)
    a, b = first[0] + 1, first[1] + 1
    for two in range(9):
        y, x = there[0] + two // 3, there[1] + two % 3
        v, u = y - first[0] + 1, x - first[1] + 1
        if y < 0 or x < 0 or y >= inverses.shape[0] or x >= inverses.shape[1]:
            continue
        if v < 0 or v > 4 or u < 0 or u > 4:
            continue
        half[:] = 0.0
        for one in range(9):
            # nodes that do not exist have no pull
            value = inverses[a, b, one, 5 * v + u]
            for s in range(4):
                half[s] += pull[one, s] * value
        for s in range(4):
            for t in range(4):
                out[s, t] += half[s] * other[two, t]


@kernel
def add_background(
    pairs: Integers, pull: Floats, first: Integers, inverses: Floats, own: Floats, cross: Floats
) -> None:
    """Add what the background's error gives to the columns' covariances."""
    for k in range(pull.shape[0]):
        add_shared(pull[k], first[k], pull[k], first[k], inverses, own[k])
    for p in range(pairs.shape[0]):
        i, j = pairs[p, 0], pairs[p, 1]
        add_shared(pull[i], first[i], pull[j], first[j], inverses, cross[p])
