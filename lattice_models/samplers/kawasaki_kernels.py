"""Compiled exchanges of two-state sites on any graph (Kawasaki 1966, doi:10.1103/PhysRev.145.224).

The composition never changes. Fields, tables, chances and random numbers are those of
``ising_kernels``, of which this file holds copies: a kernel and its helpers live in one file.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.compiled import kernel
from physlearn.lattice_models.samplers.two_state_kernels import TwoStateTables

__all__ = ["exchange_sweeps"]

Int8 = NDArray[np.int8]
Int64 = NDArray[np.int64]
UInt32 = NDArray[np.uint32]
UInt64 = NDArray[np.uint64]
Float = NDArray[np.float64]

UNIT_STEP = 1.0 / 9007199254740992.0  # 2 ** -53
ROTATE_A, ROTATE_B, SHIFT = np.uint64(24), np.uint64(37), np.uint64(16)
BACK_A, BACK_B = np.uint64(40), np.uint64(27)
LOW_BITS, HALF_WORD, LOW_HALF = np.uint64(11), np.uint64(32), np.uint64(0xFFFFFFFF)
ZERO, ONE = np.uint64(0), np.uint64(1)
REACH, BINS_PER_KT = 40.0, 8.0
WITHIN_REACH = 39.9
NEXT = np.uint32(1)


@kernel
def advance(first: Any, second: Any) -> Any:
    """Return the next 64 random bits and the two words of the generator after them."""
    word = first + second
    second ^= first
    first = ((first << ROTATE_A) | (first >> BACK_A)) ^ second ^ (second << SHIFT)
    return word, first, (second << ROTATE_B) | (second >> BACK_B)


@kernel
def bin_of(cost: float) -> Any:
    """Return where in a table of chances the bounds for this cost begin."""
    inside = min(max(cost, -WITHIN_REACH), WITHIN_REACH)
    return np.uint32(np.int32((inside + REACH) * BINS_PER_KT) << 1)


@kernel
def takes(draw: Any, cost: float, chances: UInt64, base: float, top: float) -> bool:
    """Return whether a draw of 53 random bits lies below the chance of a change of this cost."""
    place = bin_of(cost)
    if draw < chances[place]:
        if draw < chances[place + NEXT]:
            return True
        return bool(np.float64(draw) * UNIT_STEP * (base + np.exp(cost)) < top)
    return False


@kernel
def flip(
    states: Int8, around: Float, start: Int64, neighbour: UInt32, step: Float, site: Any
) -> float:
    """Flip ``site`` and tell its neighbours; return what it was."""
    old = np.float64(states[site])
    states[site] = -states[site]
    entry, end = np.uint64(start[site]), np.uint64(start[site + ONE])
    while entry < end:
        around[neighbour[entry]] -= old * step[entry]
        entry += ONE
    return old


@kernel
def shared_step(start: Int64, neighbour: UInt32, step: Float, site: Any, other: Any) -> float:
    """Return 4 J summed over all bonds between two sites."""
    total = 0.0
    entry, end = np.uint64(start[site]), np.uint64(start[site + ONE])
    while entry < end:
        if np.uint64(neighbour[entry]) == other:
            total += step[entry]
        entry += ONE
    return total


@kernel
def exchange_sweeps(
    states: Int8,
    around: Float,
    tables: TwoStateTables,
    chances: UInt64,
    ends: UInt32,
    shared: Float,
    order: UInt32,
    n_up: int,
    n_sweeps: int,
    random_state: UInt64,
    totals: Float,
) -> None:
    """Try to exchange the states of as many pairs as there are sites, per sweep.

    With bonds, ``ends`` (n_bonds, 2): the two ends of a random bond; ``shared`` (n_bonds,) is 4 J
    summed over all bonds between them. Without: a random up and a random down site; ``order``
    lists the sites, the ``n_up`` up ones first, and follows the exchanges. One slot more than
    there are bonds, or sites of the commoner state, is idle: no lattice alternates for ever.
    """
    n_bonds = np.uint64(ends.shape[0])
    up, down = np.uint64(n_up), np.uint64(states.shape[0] - n_up)
    if up == ZERO or down == ZERO:
        return
    up_slots = up + ONE if up > down else up
    down_slots = down if up > down else down + ONE
    at, from_down = ZERO, ZERO
    start, neighbour, step = tables.start, tables.neighbour, tables.step
    triplet_start, triplet_step = tables.triplet_start, tables.triplet_step
    triplet_left, triplet_right = tables.triplet_left, tables.triplet_right
    count_start, count_neighbour = tables.count_start, tables.count_neighbour
    count_place, count_times = tables.count_place, tables.count_times
    with_counts, with_triplets = count_place.shape[0] > 0, triplet_step.shape[0] > 0
    energy = totals[0]
    first, second = random_state[0], random_state[1]
    for _ in range(n_sweeps):
        for _trial in range(states.shape[0]):
            word, first, second = advance(first, second)
            if n_bonds > ZERO:
                at = ((word >> HALF_WORD) * (n_bonds + ONE)) >> HALF_WORD
                if at == n_bonds:
                    continue
                site, other = np.uint64(ends[at, 0]), np.uint64(ends[at, 1])
                if states[site] == states[other]:
                    continue
                cost = shared[at] + np.float64(states[site]) * (around[site] - around[other])
            else:
                at = ((word >> HALF_WORD) * up_slots) >> HALF_WORD
                from_down = ((word & LOW_HALF) * down_slots) >> HALF_WORD
                if at == up or from_down == down:
                    continue
                site, other = np.uint64(order[at]), np.uint64(order[up + from_down])
                cost = around[site] - around[other]
                entry, end = np.uint64(start[site]), np.uint64(start[site + ONE])
                while entry < end and np.uint64(neighbour[entry]) != other:
                    entry += ONE
                if entry < end:  # they are neighbours
                    cost += shared_step(start, neighbour, step, site, other)
            if with_triplets:  # those that hold both sites
                entry, end = np.uint64(triplet_start[site]), np.uint64(triplet_start[site + ONE])
                while entry < end:
                    left, right = triplet_left[entry], triplet_right[entry]
                    if left == other:
                        cost += triplet_step[entry] * np.float64(states[right])
                    elif right == other:
                        cost += triplet_step[entry] * np.float64(states[left])
                    entry += ONE
            word, first, second = advance(first, second)
            if takes(word >> LOW_BITS, cost, chances, 0.0, 1.0):
                energy += cost
                for turn in range(2):
                    here = site if turn == 0 else other
                    old = flip(states, around, start, neighbour, step, here)
                    if with_counts:
                        entry, end = (
                            np.uint64(count_start[here]),
                            np.uint64(count_start[here + ONE]),
                        )
                        while entry < end:
                            like = old * np.float64(states[count_neighbour[entry]])
                            totals[count_place[entry]] -= 2.0 * like * count_times[entry]
                            entry += ONE
                    if with_triplets:
                        entry, end = (
                            np.uint64(triplet_start[here]),
                            np.uint64(triplet_start[here + ONE]),
                        )
                        while entry < end:
                            left, right = triplet_left[entry], triplet_right[entry]
                            change = old * triplet_step[entry]
                            around[left] -= change * np.float64(states[right])
                            around[right] -= change * np.float64(states[left])
                            entry += ONE
                if n_bonds == ZERO:
                    order[at], order[up + from_down] = np.uint32(other), np.uint32(site)
    totals[0] = energy
    random_state[0], random_state[1] = first, second
