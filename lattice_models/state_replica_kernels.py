"""Compiled sweeps of many replicas of a lattice of q states; helpers live here too.

Replicas lie in the inner axis, codes 0..q-1 as bytes of shape (n_sites, width), the width a
multiple of 64. Energies are in single precision, in units of kT log(2): weights are powers of 2.
Random numbers: one xoroshiro64* lane a replica (Blackman & Vigna 2021, doi:10.1145/3460772),
uint32 of shape (2, width).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.kernels import kernel

UInt8 = NDArray[np.uint8]
Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]
UInt32 = NDArray[np.uint32]
Single = NDArray[np.float32]

LANE_ROTATE_A, LANE_BACK_A, LANE_SHIFT = np.uint32(26), np.uint32(6), np.uint32(9)
LANE_ROTATE_B, LANE_BACK_B, FACTOR = np.uint32(13), np.uint32(19), np.uint32(0x9E3779BB)
ZERO, HALF, ONE = np.float32(0.0), np.float32(0.5), np.float32(1.0)
WORD = np.float32(2.0**-32)
SMALLEST = np.float32(-120.0)
# 2 ** z = 1 + z (C1 + z (C2 + ...)) on [0, 1), relative error below 1e-7 in single precision
C1, C2, C3 = np.float32(0.6931470444), np.float32(0.2402293056), np.float32(0.05548528052)
C4, C5, C6 = np.float32(0.009675451733), np.float32(0.001246784512), np.float32(0.0002161291898)
BIAS, MANTISSA = np.int32(127), np.int32(23)


@kernel
def fill(row: Single, value: Any) -> None:
    """Set a row to one value."""
    for r in range(row.shape[0]):
        row[r] = value


@kernel
def start_energy(energy: Single, site_energy: Single, offset: Any) -> None:
    """Set energies to what does not depend on neighbours."""
    for r in range(energy.shape[0]):
        energy[r] = site_energy[r] + offset


@kernel
def count_state(count: Single, here: UInt8, code: Any, times: Any) -> None:
    """Add a neighbour's multiplicity where it has one state."""
    for r in range(count.shape[0]):
        count[r] += times if here[r] == code else ZERO


@kernel
def add_energy(energy: Single, pair: Single, count: Single) -> None:
    """Add the energy of so many neighbours of one state."""
    for r in range(energy.shape[0]):
        energy[r] += pair[r] * count[r]


@kernel
def lower(least: Single, energy: Single) -> None:
    """Keep the smaller of two."""
    for r in range(least.shape[0]):
        least[r] = energy[r] if energy[r] < least[r] else least[r]


@kernel
def weigh(energy: Single, least: Single, total: Single) -> None:
    """Turn an energy into the running sum of weights, which ``total`` holds before and after."""
    for r in range(energy.shape[0]):
        height = least[r] - energy[r]
        height = height if height > SMALLEST else SMALLEST
        whole = np.floor(height)
        z = height - whole
        power = ONE + z * (C1 + z * (C2 + z * (C3 + z * (C4 + z * (C5 + z * C6)))))
        scale = np.int32(np.int32(np.int32(whole) + BIAS) << MANTISSA).view(np.float32)
        total[r] += power * scale
        energy[r] = total[r]


@kernel
def draw_mark(mark: Single, total: Single, lanes: UInt32) -> None:
    """Draw a point between 0 and the total weight."""
    first = lanes[0]
    second = lanes[1]
    for r in range(mark.shape[0]):
        a = first[r]
        b = second[r]
        word = np.uint32(a * FACTOR)
        b = np.uint32(b ^ a)
        turned = np.uint32(np.uint32(a << LANE_ROTATE_A) | np.uint32(a >> LANE_BACK_A))
        first[r] = np.uint32(turned ^ b ^ np.uint32(b << LANE_SHIFT))
        second[r] = np.uint32(np.uint32(b << LANE_ROTATE_B) | np.uint32(b >> LANE_BACK_B))
        mark[r] = (np.float32(word) + HALF) * WORD * total[r]


@kernel
def step_up(here: UInt8, mark: Single, below: Single, anew: bool) -> None:
    """Go to the next state where the mark lies beyond the weights so far."""
    keep = np.uint8(not anew)
    for r in range(here.shape[0]):
        here[r] = np.uint8(keep * here[r] + np.uint8(mark[r] >= below[r]))


@kernel
def state_replica_sweeps(
    states: UInt8,
    sites: Int64,
    start: Int64,
    neighbour: Int32,
    shell: Int32,
    times: Int32,
    pair_energy: Single,
    site_energy: Single,
    offset: Single,
    n_sweeps: int,
    lanes: UInt32,
) -> None:
    """Draw every site in turn from its distribution given its neighbours, in all replicas.

    ``pair_energy`` (n_shells, q, q, width), ``site_energy`` (q, width), ``offset`` (n_sites, q).
    """
    n_shells, q, _, width = pair_energy.shape
    energy = np.zeros((q, width), np.float32)
    count = np.zeros((n_shells, q, width), np.float32)
    least = np.zeros(width, np.float32)
    total = np.zeros(width, np.float32)
    mark = np.zeros(width, np.float32)
    for _ in range(n_sweeps):
        for site in sites:
            for k in range(n_shells):
                for b in range(q):
                    fill(count[k, b], ZERO)
            for e in range(start[site], start[site + 1]):
                row = states[neighbour[e]]
                weight = np.float32(times[e])
                for b in range(q):
                    count_state(count[shell[e], b], row, np.uint8(b), weight)
            for a in range(q):
                start_energy(energy[a], site_energy[a], offset[site, a])
                for k in range(n_shells):
                    for b in range(q):
                        add_energy(energy[a], pair_energy[k, a, b], count[k, b])
            start_energy(least, energy[0], ZERO)
            for a in range(1, q):
                lower(least, energy[a])
            fill(total, ZERO)
            for a in range(q):
                weigh(energy[a], least, total)
            draw_mark(mark, total, lanes)
            here = states[site]
            for a in range(q - 1):
                step_up(here, mark, energy[a], a == 0)


@kernel
def state_replica_statistics(
    states: UInt8, edges: Int64, shell: Int64, multiplicity: Int64, singles: Int64, pairs: Int64
) -> None:
    """Count states, ``singles`` (q, width), and bonds by shell and the codes of their ends.

    ``pairs`` (n_shells, q, q, width), the smaller code first; shells beyond are left out.
    """
    width = states.shape[1]
    for site in range(states.shape[0]):
        here = states[site]
        for r in range(width):
            singles[here[r], r] += 1
    for bond in range(edges.shape[0]):
        if shell[bond] < pairs.shape[0]:
            left = states[edges[bond, 0]]
            right = states[edges[bond, 1]]
            table = pairs[shell[bond]]
            for r in range(width):
                table[min(left[r], right[r]), max(left[r], right[r]), r] += multiplicity[bond]
