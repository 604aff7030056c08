"""Compiled sweeps of two-state sites on any graph; the kernel and its helpers live here.

States are int8, -1 and +1. ``around`` holds twice the local field of every site,
x = 2 (h + sum J s' + sum K s' s''), kept up to date with every flip, so that a site that stays
costs nothing but one random number. A flip costs the energy s x. The tables round couplings to a
quantum of which all sums are exact (see ``two_state_tables``): ``around`` never drifts, whatever
the length of a run. Random numbers: xoroshiro128+ (Blackman & Vigna 2021, doi:10.1145/3460772).

Acceptance: 53 random bits are compared with a lower and an upper bound of the chance, tabulated on
bins of 1/8 kT; only between the two (3 % of the draws at most) is the exponential computed, so the
chance is exact to 2^-53. Speed rests on three things: one branch alone that the processor cannot
foresee (a draw of the new state and then a comparison with the old one are two, and 1.4 times
slower), unsigned numbers of neighbours, and loops written out where a helper with many arrays
would not be inlined (1.4 times again).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.compiled import kernel

__all__ = ["TwoStateTables", "chance_table", "single_site_sweeps"]

Int8 = NDArray[np.int8]
Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]
UInt32 = NDArray[np.uint32]
UInt64 = NDArray[np.uint64]
Float = NDArray[np.float64]

UNIT_STEP = 1.0 / 9007199254740992.0  # 2 ** -53
ROTATE_A, ROTATE_B, SHIFT = np.uint64(24), np.uint64(37), np.uint64(16)
BACK_A, BACK_B = np.uint64(40), np.uint64(27)
LOW_BITS = np.uint64(11)
ONE = np.uint64(1)
REACH, BINS_PER_KT = 40.0, 8.0
WITHIN_REACH = 39.9
NEXT = np.uint32(1)


class TwoStateTables(NamedTuple):
    """What the kernels of this file read; unsigned numbers, as signed ones may count from the end.

    Attributes
    ----------
    start, neighbour, step
        int64 (n_sites + 1,), uint32, float64: the neighbours of every site and 4 J of each bond.
    triplet_start, triplet_left, triplet_right, triplet_step
        int64 (n_sites + 1,), uint32, uint32, float64: the other two sites of each triplet that
        holds a site, and 4 K.
    count_start, count_neighbour, count_place, count_times
        int64, uint32, uint32, float64: the bonds of which sums of s s' are kept, their place in
        the totals and their multiplicity. Empty when no sums by shell are wanted.
    """

    start: Int64
    neighbour: UInt32
    step: Float
    triplet_start: Int64
    triplet_left: UInt32
    triplet_right: UInt32
    triplet_step: Float
    count_start: Int64
    count_neighbour: UInt32
    count_place: UInt32
    count_times: Float


def chance_table(base: float, top: float) -> UInt64:
    """Return bounds of 2^53 times the chance of a change that costs y, shape (2 x 640,).

    The chance is top / (base + exp(y)), at most ``top``: see ``single_site_sweeps``. Entry 2 k is
    no less than it anywhere in bin k, y in [k / 8 - 40, (k + 1) / 8 - 40), entry 2 k + 1 no more.

    Examples
    --------
    >>> chance_table(0.0, 1.0).shape
    (1280,)
    """
    edges = np.arange(-REACH * BINS_PER_KT, REACH * BINS_PER_KT + 1) / BINS_PER_KT
    chance = top / (base + np.exp(edges))
    upper = np.minimum(np.ceil(chance * (2.0**53 * (1 + 1e-12))), top * 2.0**53)
    lower = np.floor(chance * (2.0**53 * (1 - 1e-12)))
    if base == 0.0:
        lower[edges <= 0.0] = top * 2.0**53
    return np.stack([upper[:-1], lower[1:]], axis=1).astype(np.uint64).ravel()


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
def single_site_sweeps(
    states: Int8,
    around: Float,
    tables: TwoStateTables,
    chances: UInt64,
    base: float,
    top: float,
    n_sweeps: int,
    random_state: UInt64,
    totals: Float,
) -> None:
    """Try every site in turn, ``n_sweeps`` times, with the chance top / (base + exp(cost)).

    Heat bath: base 1, top 1. Metropolis: base 0, at most ``top`` = 7/8, as with certain acceptance
    all sites would flip in every sweep at J = h = 0; each trial is reversible whatever the top.
    ``totals``: energy, sum s, sums of s s' by shell.
    """
    start, neighbour, step = tables.start, tables.neighbour, tables.step
    triplet_start, triplet_step = tables.triplet_start, tables.triplet_step
    triplet_left, triplet_right = tables.triplet_left, tables.triplet_right
    count_start, count_neighbour = tables.count_start, tables.count_neighbour
    count_place, count_times = tables.count_place, tables.count_times
    with_counts, with_triplets = count_place.shape[0] > 0, triplet_step.shape[0] > 0
    energy, magnetization = totals[0], totals[1]
    first, second = random_state[0], random_state[1]
    for _ in range(n_sweeps):
        for index in range(states.shape[0]):
            site = np.uint64(index)
            cost = np.float64(states[site]) * around[site]
            word, first, second = advance(first, second)
            if takes(word >> LOW_BITS, cost, chances, base, top):
                old = flip(states, around, start, neighbour, step, site)
                energy += cost
                magnetization -= 2.0 * old
                if with_counts:
                    entry, end = np.uint64(count_start[site]), np.uint64(count_start[site + ONE])
                    while entry < end:
                        like = old * np.float64(states[count_neighbour[entry]])
                        totals[count_place[entry]] -= 2.0 * like * count_times[entry]
                        entry += ONE
                if with_triplets:
                    entry, end = (
                        np.uint64(triplet_start[site]),
                        np.uint64(triplet_start[site + ONE]),
                    )
                    while entry < end:
                        left, right = triplet_left[entry], triplet_right[entry]
                        change = old * triplet_step[entry]
                        around[left] -= change * np.float64(states[right])
                        around[right] -= change * np.float64(states[left])
                        entry += ONE
    totals[0], totals[1] = energy, magnetization
    random_state[0], random_state[1] = first, second
