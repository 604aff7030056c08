"""Compiled conjugate gradients for one Newton step of columns, background and common width.

Pairs of columns hold blocks (4, 4) of shared information; each column shares information with the
3 x 3 nodes about it; the nodes have a nine-point stencil (half of it stored, as in
``background_kernels``).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.compiled import kernel

__all__ = ["joint_product", "solve_jointly"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@kernel
def apply_stencil(matrix: Floats, values: Floats, out: Floats) -> None:
    """Write the symmetric stencil times ``values``."""
    n_y, n_x = values.shape
    out[:] = 0.0
    for a in range(n_y):
        for b in range(n_x):
            here = values[a, b]
            out[a, b] += matrix[a, b, 0] * here
            if b + 1 < n_x:
                out[a, b] += matrix[a, b, 1] * values[a, b + 1]
                out[a, b + 1] += matrix[a, b, 1] * here
            if a + 1 < n_y:
                out[a, b] += matrix[a, b, 3] * values[a + 1, b]
                out[a + 1, b] += matrix[a, b, 3] * here
                if b > 0:
                    out[a, b] += matrix[a, b, 2] * values[a + 1, b - 1]
                    out[a + 1, b - 1] += matrix[a, b, 2] * here
                if b + 1 < n_x:
                    out[a, b] += matrix[a, b, 4] * values[a + 1, b + 1]
                    out[a + 1, b + 1] += matrix[a, b, 4] * here


@kernel
def joint_product(
    own: Floats, blocks: Floats, pairs: Integers, shares: Floats, first: Integers, matrix: Floats,
    common: Floats, columns: Floats, nodes: Floats, to_columns: Floats, to_nodes: Floats,
) -> None:  # fmt: skip
    """Write the whole information times (``columns`` (n, 4), ``nodes``).

    ``common`` (n,) is a unit vector times the root of the prior's precision: what the log widths
    that it holds have in common costs nothing.
    """
    apply_stencil(matrix, nodes, to_nodes)
    shared = 0.0
    for k in range(own.shape[0]):
        shared += common[k] * columns[k, 3]
    for k in range(own.shape[0]):
        for a in range(4):
            total = 0.0
            for b in range(4):
                total += own[k, a, b] * columns[k, b]
            to_columns[k, a] = total
        to_columns[k, 3] -= common[k] * shared
        for t in range(9):
            y, x = first[k, 0] + t // 3, first[k, 1] + t % 3
            if y < 0 or x < 0 or y >= nodes.shape[0] or x >= nodes.shape[1]:
                continue
            level = nodes[y, x]
            for a in range(4):
                to_columns[k, a] += shares[k, t, a] * level
                to_nodes[y, x] += shares[k, t, a] * columns[k, a]
    for p in range(pairs.shape[0]):
        i, j = pairs[p, 0], pairs[p, 1]
        for a in range(4):
            for b in range(4):
                to_columns[i, a] += blocks[p, a, b] * columns[j, b]
                to_columns[j, b] += blocks[p, a, b] * columns[i, a]


@kernel
def factors(own: Floats, free: int, lower: Floats) -> None:
    """Write each column's Cholesky factor of its leading ``free`` parameters; 0 where none is."""
    lower[:] = 0.0
    for k in range(own.shape[0]):
        for a in range(free):
            for b in range(a + 1):
                total = own[k, a, b]
                for c in range(b):
                    total -= lower[k, a, c] * lower[k, b, c]
                if a > b:
                    lower[k, a, b] = total / lower[k, b, b] if lower[k, b, b] > 0.0 else 0.0
                elif total > 1e-9 * own[k, a, a]:
                    lower[k, a, a] = np.sqrt(total)


@kernel
def precondition(
    lower: Floats, diagonal: Floats, columns: Floats, nodes: Floats, to_columns: Floats,
    to_nodes: Floats,
) -> None:  # fmt: skip
    """Write each column's and each node's own answer; parameters without a factor rest."""
    for k in range(lower.shape[0]):
        for a in range(4):
            total = columns[k, a]
            for c in range(a):
                total -= lower[k, a, c] * to_columns[k, c]
            to_columns[k, a] = total / lower[k, a, a] if lower[k, a, a] > 0.0 else 0.0
        for a in range(3, -1, -1):
            total = to_columns[k, a]
            for c in range(a + 1, 4):
                total -= lower[k, c, a] * to_columns[k, c]
            to_columns[k, a] = total / lower[k, a, a] if lower[k, a, a] > 0.0 else 0.0
    for a in range(diagonal.shape[0]):
        for b in range(diagonal.shape[1]):
            to_nodes[a, b] = nodes[a, b] / diagonal[a, b] if diagonal[a, b] > 0.0 else 0.0


@kernel
def inner(one: Floats, two: Floats, nodes_one: Floats, nodes_two: Floats) -> float:
    """Return the scalar product of two vectors of columns and nodes."""
    total = 0.0
    for k in range(one.shape[0]):
        for a in range(4):
            total += one[k, a] * two[k, a]
    for a in range(nodes_one.shape[0]):
        for b in range(nodes_one.shape[1]):
            total += nodes_one[a, b] * nodes_two[a, b]
    return total


@kernel
def solve_jointly(
    own: Floats, blocks: Floats, pairs: Integers, shares: Floats, first: Integers, matrix: Floats,
    common: Floats, score: Floats, right: Floats, free: int, n_steps: int, accuracy: float,
    step: Floats, node_step: Floats,
) -> float:  # fmt: skip
    """Write the joint step of columns and nodes; return its gain per column (twice the likelihood).

    Conjugate gradients from zero, preconditioned by each column's and each node's own information;
    they end early where the information is not positive (the step so far is one uphill) or the
    rest is below ``accuracy`` of the standard errors.
    """
    n = own.shape[0]
    lower = np.zeros((n, 4, 4))
    factors(own, free, lower)
    diagonal = matrix[:, :, 0].copy()
    step[:] = 0.0
    node_step[:] = 0.0
    rest, node_rest = score.copy(), right.copy()
    ahead, node_ahead = np.zeros((n, 4)), np.zeros(right.shape)
    turned, node_turned = np.zeros((n, 4)), np.zeros(right.shape)
    size, gain = 0.0, 0.0
    for number in range(n_steps):
        precondition(lower, diagonal, rest, node_rest, turned, node_turned)
        new = inner(rest, turned, node_rest, node_turned)
        if not new > accuracy * accuracy * max(1, n):
            break
        ratio = new / size if number > 0 else 0.0
        size = new
        for k in range(n):
            for a in range(4):
                ahead[k, a] = turned[k, a] + ratio * ahead[k, a]
        for a in range(right.shape[0]):
            for b in range(right.shape[1]):
                node_ahead[a, b] = node_turned[a, b] + ratio * node_ahead[a, b]
        joint_product(
            own, blocks, pairs, shares, first, matrix, common, ahead, node_ahead, turned,
            node_turned,
        )  # fmt: skip
        for k in range(n):
            for a in range(4):
                if not lower[k, a, a] > 0.0:
                    turned[k, a] = 0.0
        bend = inner(ahead, turned, node_ahead, node_turned)
        if not bend > 0.0:
            break
        length = size / bend
        gain += length * size
        for k in range(n):
            for a in range(4):
                step[k, a] += length * ahead[k, a]
                rest[k, a] -= length * turned[k, a]
        for a in range(right.shape[0]):
            for b in range(right.shape[1]):
                node_step[a, b] += length * node_ahead[a, b]
                node_rest[a, b] -= length * node_turned[a, b]
    mean_gain: float = gain / max(1, n)
    return mean_gain
