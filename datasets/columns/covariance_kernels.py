"""Compiled core of the columns' joint covariance: sparse information inverted around each column.

Blocks are 4 x 4, of a column's x, y, log amplitude and log width. They are whitened: in units of
the root of each column's own information.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.compiled import kernel

__all__ = [
    "local_inverses",
    "neighbour_lists",
    "pair_product",
    "undo_whitening",
    "whiten",
    "whiten_pairs",
]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]

WEAK = 0.02
"""Couplings (whitened, Frobenius) below this change a variance by less than .0004."""
LARGEST_CLUSTER = 24
RIDGE = 1e-9
SMALLEST_PIVOT = 1e-4
"""Of whitened information: columns on top of each other get errors up to 100 times their own."""


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
def invert_block(block: Floats, lower: Floats, out: Floats) -> None:
    """Write the inverse of a positive (4, 4) matrix whose pivots are kept above a floor."""
    for a in range(4):
        for b in range(a + 1):
            total = block[a, b]
            for c in range(b):
                total -= lower[a, c] * lower[b, c]
            if a == b:
                lower[a, a] = 1.0 / np.sqrt(max(total, SMALLEST_PIVOT))
            else:
                lower[a, b] = total * lower[b, b]
    # the root's inverse, in place, then its square
    for a in range(4):
        for b in range(a):
            total = 0.0
            for c in range(b, a):
                total -= lower[a, c] * lower[c, b]
            lower[a, b] = total * lower[a, a]
    for a in range(4):
        for b in range(4):
            total = 0.0
            for c in range(max(a, b), 4):
                total += lower[c, a] * lower[c, b]
            out[a, b] = total


@kernel
def eliminate(
    count: int, full: Floats, there: Flags, inverse: Floats, solution: Floats, lower: Floats
) -> None:
    """Write the inverse's first block column (count, 4, 4) by block elimination from the last on.

    ``full[m, a]`` (a <= m) are the blocks of a positive matrix, where ``there``; both are used up.
    """
    half_way = np.empty((4, 4))
    for m in range(count - 1, 0, -1):
        invert_block(full[m, m], lower, inverse)
        for a in range(m):
            if not there[m, a]:
                continue
            block = full[m, a]
            for s in range(4):
                for t in range(4):
                    total = 0.0
                    for u in range(4):
                        total += inverse[s, u] * block[u, t]
                    half_way[s, t] = total
            for b in range(a + 1):
                if not there[m, b]:
                    continue
                other = full[m, b] if b < a else block
                target = full[a, b]
                if not there[a, b]:
                    there[a, b] = True
                    target[:] = 0.0
                for s in range(4):
                    for t in range(4):
                        total = 0.0
                        for u in range(4):
                            total += half_way[u, s] * other[u, t]
                        target[s, t] -= total
            # block a is read again by columns b > a: keep it, and what it becomes, apart
            full[a, m, :, :] = half_way
    invert_block(full[0, 0], lower, solution[0])
    for m in range(1, count):
        solution[m] = 0.0
        for a in range(m):
            if there[m, a]:
                for s in range(4):
                    for t in range(4):
                        total = 0.0
                        for u in range(4):
                            total += full[a, m, s, u] * solution[a, u, t]
                        solution[m, s, t] -= total


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
    full = np.empty((LARGEST_CLUSTER, LARGEST_CLUSTER, 4, 4))
    there = np.empty((LARGEST_CLUSTER, LARGEST_CLUSTER), np.bool_)
    inverse, lower = np.empty((4, 4)), np.empty((4, 4))
    solution = np.empty((LARGEST_CLUSTER, 4, 4))
    for k in range(n):
        count = gather(k, starts, near, lookup, strength, members, power, place, weakest)
        for m in range(count):
            for o in range(m + 1):
                there[m, o] = False
            full[m, m] = 0.0
            there[m, m] = True
            for a in range(4):
                full[m, m, a, a] = 1.0 + RIDGE
            for q in range(starts[members[m]], starts[members[m] + 1]):
                o = place[near[q]]
                if 0 <= o < m:
                    there[m, o] = True
                    block = blocks[lookup[q]]
                    straight = members[m] < near[q]
                    for a in range(4):
                        for b in range(4):
                            full[m, o, a, b] = block[a, b] if straight else block[b, a]
        eliminate(count, full, there, inverse, solution, lower)
        pull[k] = 0.0
        for m in range(count):
            down = first[members[m], 0] - first[k, 0]
            right = first[members[m], 1] - first[k, 1]
            for node in range(9):
                row, column = down + node // 3, right + node % 3
                if 0 <= row < 3 and 0 <= column < 3:
                    to = pull[k, 3 * row + column]
                    for b in range(4):
                        value = shares[members[m], node, b]
                        for a in range(4):
                            to[a] += solution[m, b, a] * value
        for a in range(4):
            for b in range(4):
                own[k, a, b] = solution[0, a, b]
        for q in range(starts[k], starts[k + 1]):
            o = place[near[q]]
            if o > 0:
                for a in range(4):
                    for b in range(4):
                        value = 0.5 * solution[o, b, a]
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
