"""Compiled sweeps and statistics of two-state sites; every kernel and its helpers live here.

States are int8, -1 and +1, shape (n_sites,), and change in place. Random numbers: xoroshiro128+
(Blackman & Vigna 2021, doi:10.1145/3460772), state uint64 of shape (2,).
"""

from __future__ import annotations

from typing import Any

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
LOW_BITS = np.uint64(11)


@kernel
def uniform(state: UInt64) -> Any:
    """Return the next number in [0, 1) and advance ``state``."""
    first = state[0]
    second = state[1]
    word = first + second
    second ^= first
    state[0] = ((first << ROTATE_A) | (first >> BACK_A)) ^ second ^ (second << SHIFT)
    state[1] = (second << ROTATE_B) | (second >> BACK_B)
    return (word >> LOW_BITS) * UNIT_STEP


@kernel
def local_field(
    states: Int8, site: int, start: Int64, neighbour: Int32, coupling: Float, field: Float
) -> float:
    """Return h + sum of J s' around ``site``; ``coupling`` has one entry a neighbour."""
    total = field[site]
    for entry in range(start[site], start[site + 1]):
        total += coupling[entry] * states[neighbour[entry]]
    return float(total)


@kernel
def heat_bath_sweeps(
    states: Int8,
    start: Int64,
    neighbour: Int32,
    coupling: Float,
    field: Float,
    n_sweeps: int,
    state: UInt64,
) -> None:
    """Draw every site in turn from its distribution given its neighbours."""
    for _ in range(n_sweeps):
        for site in range(states.shape[0]):
            around = local_field(states, site, start, neighbour, coupling, field)
            up = uniform(state) * (1.0 + np.exp(-2.0 * around)) < 1.0
            states[site] = 1 if up else -1


@kernel
def metropolis_sweeps(
    states: Int8,
    start: Int64,
    neighbour: Int32,
    coupling: Float,
    field: Float,
    n_sweeps: int,
    state: UInt64,
) -> None:
    """Try as many flips of randomly chosen sites as there are sites, per sweep.

    Random order matters: in a fixed order all sites would flip in every sweep at J = h = 0.
    """
    n_sites = states.shape[0]
    for _ in range(n_sweeps * n_sites):
        site = int(uniform(state) * n_sites)
        around = local_field(states, site, start, neighbour, coupling, field)
        change = -2.0 * states[site] * around
        if change >= 0.0 or uniform(state) < np.exp(change):
            states[site] = -states[site]


@kernel
def kawasaki_sweeps(
    states: Int8,
    start: Int64,
    neighbour: Int32,
    coupling: Float,
    field: Float,
    n_sweeps: int,
    state: UInt64,
) -> None:
    """Try as many exchanges of an up and a down site, at any distance, as there are sites."""
    n_sites = states.shape[0]
    up = np.flatnonzero(states == 1)
    down = np.flatnonzero(states == -1)
    if up.shape[0] == 0 or down.shape[0] == 0:
        return
    for _ in range(n_sweeps * n_sites):
        i = int(uniform(state) * up.shape[0])
        j = int(uniform(state) * down.shape[0])
        a = up[i]
        b = down[j]
        change = -2.0 * local_field(states, a, start, neighbour, coupling, field)
        change += 2.0 * local_field(states, b, start, neighbour, coupling, field)
        for entry in range(start[a], start[a + 1]):
            if neighbour[entry] == b:  # their own bond stays unlike
                change -= 4.0 * coupling[entry]
        if change >= 0.0 or uniform(state) < np.exp(change):
            states[a] = -1
            states[b] = 1
            up[i] = b
            down[j] = a
