"""Compiled sweeps and statistics of many replicas of one lattice; their helpers live here too.

Independent replicas lie in the inner axis, states int8 of shape (n_sites, n_replicas), so that one
pass over the neighbours serves them all. Random numbers: one xoroshiro128+ lane a replica
(Blackman & Vigna 2021, doi:10.1145/3460772), uint64 of shape (2, n_replicas).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.kernels import kernel

Int8 = NDArray[np.int8]
Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]
UInt64 = NDArray[np.uint64]
Float = NDArray[np.float64]

UNIT_STEP = 1.0 / 9007199254740992.0  # 2 ** -53
ROTATE_A, ROTATE_B, SHIFT = np.uint64(24), np.uint64(37), np.uint64(16)
BACK_A, BACK_B = np.uint64(40), np.uint64(27)
LOW_BITS, HALF_WORD = np.uint64(11), np.uint64(32)


@kernel
def replica_table_sweeps(
    states: Int8,
    sites: Int64,
    start: Int64,
    neighbour: Int32,
    stride: Int32,
    thresholds: UInt64,
    n_sweeps: int,
    lanes: UInt64,
    index: Int32,
) -> None:
    """Heat bath with integer thresholds, the same field on every site.

    ``stride`` adds up to the row of ``thresholds`` (n_rows, n_replicas; rows centred on zero
    sums): an up spin is drawn where the high 32 bits of the lane lie below the threshold.
    """
    n_replicas = states.shape[1]
    offset = np.int32((thresholds.shape[0] - 1) // 2)
    first = lanes[0]
    second = lanes[1]
    for _ in range(n_sweeps):
        for site in sites:
            for r in range(n_replicas):
                index[r] = offset
            for entry in range(start[site], start[site + 1]):
                step = stride[entry]
                row = states[neighbour[entry]]
                for r in range(n_replicas):
                    index[r] += step * np.int32(row[r])
            here = states[site]
            for r in range(n_replicas):
                a = first[r]
                b = second[r]
                word = (a + b) >> HALF_WORD
                b ^= a
                first[r] = ((a << ROTATE_A) | (a >> BACK_A)) ^ b ^ (b << SHIFT)
                second[r] = (b << ROTATE_B) | (b >> BACK_B)
                here[r] = 1 if word < thresholds[index[r], r] else -1


@kernel
def replica_field_sweeps(
    states: Int8,
    sites: Int64,
    start: Int64,
    neighbour: Int32,
    shell: Int32,
    count: Int32,
    couplings: Float,
    field: Float,
    n_sweeps: int,
    lanes: UInt64,
    around: Float,
) -> None:
    """Heat bath with a field (n_sites, n_replicas) and couplings (n_shells, n_replicas)."""
    n_replicas = states.shape[1]
    first = lanes[0]
    second = lanes[1]
    for _ in range(n_sweeps):
        for site in sites:
            for r in range(n_replicas):
                around[r] = field[site, r]
            for entry in range(start[site], start[site + 1]):
                times = float(count[entry])
                strength = couplings[shell[entry]]
                row = states[neighbour[entry]]
                for r in range(n_replicas):
                    around[r] += times * strength[r] * row[r]
            here = states[site]
            for r in range(n_replicas):
                a = first[r]
                b = second[r]
                word = a + b
                b ^= a
                first[r] = ((a << ROTATE_A) | (a >> BACK_A)) ^ b ^ (b << SHIFT)
                second[r] = (b << ROTATE_B) | (b >> BACK_B)
                draw = (word >> LOW_BITS) * UNIT_STEP
                here[r] = 1 if draw * (1.0 + np.exp(-2.0 * around[r])) < 1.0 else -1


@kernel
def replica_statistics(
    states: Int8, edges: Int64, shell: Int64, multiplicity: Int64, out: Float
) -> None:
    """Write sum s and, per shell, sum over bonds of s s' into ``out`` (n_replicas, 1 + n_shells).

    Every shell of ``edges`` below ``out.shape[1] - 1`` is counted.
    """
    n_replicas = states.shape[1]
    n_shells = out.shape[1] - 1
    total = np.zeros((1 + n_shells, n_replicas), np.int64)
    for site in range(states.shape[0]):
        row = states[site]
        for r in range(n_replicas):
            total[0, r] += row[r]
    for bond in range(edges.shape[0]):
        if shell[bond] < n_shells:
            left = states[edges[bond, 0]]
            right = states[edges[bond, 1]]
            times = multiplicity[bond]
            sums = total[1 + shell[bond]]
            for r in range(n_replicas):
                sums[r] += times * np.int64(left[r] * right[r])
    for r in range(n_replicas):
        for k in range(1 + n_shells):
            out[r, k] = total[k, r]


@kernel
def replica_scores(
    states: Int8,
    terms: Int64,
    start: Int64,
    neighbour: Int32,
    shell: Int32,
    count: Int32,
    parameters: Float,
    score: Float,
    curvature: Float,
) -> None:
    """Write gradient and negative Hessian of the log pseudolikelihood of every replica.

    ``parameters`` (1 + n_shells, n_replicas): field, then couplings; ``score`` (n_replicas, d);
    ``curvature`` (n_replicas, d, d). Only the sites in ``terms`` are terms, all are neighbours.
    """
    n_replicas = states.shape[1]
    d = parameters.shape[0]
    score[:] = 0.0
    curvature[:] = 0.0
    sums = np.zeros((d, n_replicas))
    for site in terms:
        sums[:] = 0.0
        sums[0] = 1.0
        for entry in range(start[site], start[site + 1]):
            times = float(count[entry])
            row = states[neighbour[entry]]
            target = sums[1 + shell[entry]]
            for r in range(n_replicas):
                target[r] += times * row[r]
        for r in range(n_replicas):
            around = 0.0
            for k in range(d):
                around += parameters[k, r] * sums[k, r]
            mean = np.tanh(around)
            rest = states[site, r] - mean
            weight = 1.0 - mean * mean
            for k in range(d):
                score[r, k] += sums[k, r] * rest
                for m in range(d):
                    curvature[r, k, m] += weight * sums[k, r] * sums[m, r]
