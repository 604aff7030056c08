"""Compiled sweeps of two-state sites on any graph; every kernel and its helpers live here.

States are int8, -1 and +1. ``around`` holds twice the local field of every site,
x = 2 (h + sum J s' + sum K s' s''), kept up to date with every flip, so that a site that stays
costs nothing but one random number. A flip costs the energy s x. The tables round couplings to a
quantum of which all sums are exact (see ``two_state_tables``): ``around`` never drifts, whatever
the length of a run. Random numbers: xoroshiro128+ (Blackman & Vigna 2021, doi:10.1145/3460772).

Acceptance: 53 random bits are compared with a lower and an upper bound of the chance, tabulated on
bins of 1/8 kT; only between the two (3 % of the draws at most) is the exponential computed, so the
chance is exact to 2^-53. One comparison decides nearly always: a second branch that the processor
cannot foresee is what made an earlier form 1.4 times slower than C.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.kernels import kernel

__all__ = [
    "TwoStateTables", "bond_exchange_sweeps", "chance_table", "exchange_sweeps",
    "heat_bath_sweeps", "metropolis_sweeps",
]  # fmt: skip

Int8 = NDArray[np.int8]
Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]
UInt32 = NDArray[np.uint32]
UInt64 = NDArray[np.uint64]
Float = NDArray[np.float64]

UNIT_STEP = 1.0 / 9007199254740992.0  # 2 ** -53
ROTATE_A, ROTATE_B, SHIFT = np.uint64(24), np.uint64(37), np.uint64(16)
BACK_A, BACK_B = np.uint64(40), np.uint64(27)
LOW_BITS, HALF_WORD, LOW_HALF = np.uint64(11), np.uint64(32), np.uint64(0xFFFFFFFF)
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
    triplet_start, triplet_others, triplet_step
        int64 (n_sites + 1,), uint32 (n_entries, 2), float64: the other two sites of each triplet
        that holds a site, and 4 K.
    count_start, count_neighbour, count_place, count_times
        int64, uint32, uint32, float64: the bonds of which sums of s s' are kept, their place in
        the totals and their multiplicity. Empty when no sums by shell are wanted.
    """

    start: Int64
    neighbour: UInt32
    step: Float
    triplet_start: Int64
    triplet_others: UInt32
    triplet_step: Float
    count_start: Int64
    count_neighbour: UInt32
    count_place: UInt32
    count_times: Float


def chance_table(rule: str) -> UInt64:
    """Return bounds of 2^53 times the chance of a change that costs y, shape (2 x 640,).

    Entry 2 k is no less than the chance anywhere in bin k, y in [k / 8 - 40, (k + 1) / 8 - 40),
    entry 2 k + 1 no more. ``rule``: ``heat_bath``, 1 / (1 + exp(y)), or ``metropolis``,
    min(1, exp(-y)).

    Examples
    --------
    >>> chance_table("metropolis").shape
    (1280,)
    """
    edges = np.arange(-REACH * BINS_PER_KT, REACH * BINS_PER_KT + 1) / BINS_PER_KT
    with np.errstate(over="ignore"):
        chance = np.exp(-edges) if rule == "metropolis" else 1.0 / (1.0 + np.exp(edges))
    upper = np.minimum(np.ceil(chance * (2.0**53 * (1 + 1e-12))), 2.0**53)
    lower = np.floor(chance * (2.0**53 * (1 - 1e-12)))
    if rule == "metropolis":
        lower[edges <= 0.0] = 2.0**53  # never refused
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
def heat_bath_flips(draw: Any, cost: float, chances: UInt64) -> bool:
    """Return whether ``draw`` (53 bits) lies below 2^53 / (1 + exp(cost))."""
    place = bin_of(cost)
    if draw < chances[place]:
        if draw < chances[place + NEXT]:
            return True
        return bool(np.float64(draw) * UNIT_STEP * (1.0 + np.exp(cost)) < 1.0)
    return False


@kernel
def metropolis_accepts(draw: Any, cost: float, chances: UInt64) -> bool:
    """Return whether ``draw`` (53 bits) lies below 2^53 exp(-cost)."""
    place = bin_of(cost)
    if draw < chances[place]:
        if draw < chances[place + NEXT]:
            return True
        return bool(np.float64(draw) * UNIT_STEP < np.exp(-cost))
    return False


@kernel
def flip(
    states: Int8, around: Float, tables: TwoStateTables, totals: Float, site: Any, cost: float
) -> None:
    """Flip ``site``; neighbours and ``totals`` (energy, sum s, s s' by shell) follow."""
    old = np.float64(states[site])
    states[site] = -states[site]
    totals[0] += cost
    totals[1] -= 2.0 * old
    entry, end = np.uint64(tables.start[site]), np.uint64(tables.start[site + ONE])
    while entry < end:
        around[tables.neighbour[entry]] -= old * tables.step[entry]
        entry += ONE
    if tables.count_place.shape[0] > 0:
        entry = np.uint64(tables.count_start[site])
        end = np.uint64(tables.count_start[site + ONE])
        while entry < end:
            like = old * np.float64(states[tables.count_neighbour[entry]])
            totals[tables.count_place[entry]] -= 2.0 * like * tables.count_times[entry]
            entry += ONE
    if tables.triplet_step.shape[0] > 0:
        entry, end = (
            np.uint64(tables.triplet_start[site]),
            np.uint64(tables.triplet_start[site + ONE]),
        )
        while entry < end:
            left, right = tables.triplet_others[entry, 0], tables.triplet_others[entry, 1]
            change = old * tables.triplet_step[entry]
            around[left] -= change * np.float64(states[right])
            around[right] -= change * np.float64(states[left])
            entry += ONE


@kernel
def heat_bath_sweeps(
    states: Int8,
    around: Float,
    tables: TwoStateTables,
    chances: UInt64,
    n_sweeps: int,
    random_state: UInt64,
    totals: Float,
) -> None:
    """Draw every site in turn from its distribution given its neighbours."""
    first, second = random_state[0], random_state[1]
    for _ in range(n_sweeps):
        for index in range(states.shape[0]):
            site = np.uint64(index)
            cost = np.float64(states[site]) * around[site]
            word, first, second = advance(first, second)
            if heat_bath_flips(word >> LOW_BITS, cost, chances):
                flip(states, around, tables, totals, site, cost)
    random_state[0], random_state[1] = first, second


@kernel
def metropolis_sweeps(
    states: Int8,
    around: Float,
    tables: TwoStateTables,
    chances: UInt64,
    n_sweeps: int,
    random_state: UInt64,
    totals: Float,
) -> None:
    """Try as many flips of randomly chosen sites as there are sites, per sweep.

    In a fixed order all sites would flip in every sweep at J = h = 0. In random order too, the
    parity of the number of up sites would alternate there, as every trial flips one: so the draw
    is among one slot more than there are sites, and the last slot is idle.
    """
    n_sites = np.uint64(states.shape[0])
    slots = n_sites + ONE
    first, second = random_state[0], random_state[1]
    for _ in range(n_sweeps):
        for _trial in range(states.shape[0]):
            word, first, second = advance(first, second)
            site = ((word >> HALF_WORD) * slots) >> HALF_WORD
            word, first, second = advance(first, second)
            if site < n_sites:
                cost = np.float64(states[site]) * around[site]
                if metropolis_accepts(word >> LOW_BITS, cost, chances):
                    flip(states, around, tables, totals, site, cost)
    random_state[0], random_state[1] = first, second


@kernel
def shared_triplets(states: Int8, tables: TwoStateTables, site: Any, other: Any) -> float:
    """Return the sum of 4 K s over the triplets that hold both sites, s the state of the third."""
    total = 0.0
    entry, end = np.uint64(tables.triplet_start[site]), np.uint64(tables.triplet_start[site + ONE])
    while entry < end:
        left, right = tables.triplet_others[entry, 0], tables.triplet_others[entry, 1]
        if left == other:
            total += tables.triplet_step[entry] * np.float64(states[right])
        elif right == other:
            total += tables.triplet_step[entry] * np.float64(states[left])
        entry += ONE
    return total


@kernel
def bond_exchange_sweeps(
    states: Int8,
    around: Float,
    tables: TwoStateTables,
    chances: UInt64,
    ends: UInt32,
    shared: Float,
    n_sweeps: int,
    random_state: UInt64,
    totals: Float,
) -> None:
    """Try to exchange the states of the two ends of as many bonds as there are sites, per sweep.

    ``ends`` (n_bonds, 2); ``shared`` (n_bonds,): 4 J summed over all bonds between the two ends.
    One slot more than there are bonds is idle, as in ``metropolis_sweeps``.
    """
    n_bonds = np.uint64(ends.shape[0])
    slots = n_bonds + ONE
    with_triplets = tables.triplet_step.shape[0] > 0
    first, second = random_state[0], random_state[1]
    for _ in range(n_sweeps):
        for _trial in range(states.shape[0]):
            word, first, second = advance(first, second)
            bond = ((word >> HALF_WORD) * slots) >> HALF_WORD
            if bond == n_bonds:
                continue
            site, other = np.uint64(ends[bond, 0]), np.uint64(ends[bond, 1])
            if states[site] == states[other]:
                continue
            alone = np.float64(states[site]) * around[site]
            cost = alone + np.float64(states[other]) * around[other] + shared[bond]
            if with_triplets:
                cost += shared_triplets(states, tables, site, other)
            word, first, second = advance(first, second)
            if metropolis_accepts(word >> LOW_BITS, cost, chances):
                flip(states, around, tables, totals, site, alone)
                flip(states, around, tables, totals, other, cost - alone)
    random_state[0], random_state[1] = first, second


@kernel
def exchange_sweeps(
    states: Int8,
    around: Float,
    tables: TwoStateTables,
    chances: UInt64,
    order: UInt32,
    n_up: int,
    n_sweeps: int,
    random_state: UInt64,
    totals: Float,
) -> None:
    """Try to exchange as many pairs of an up and a down site, anywhere, as there are sites.

    ``order`` lists the sites, the ``n_up`` up ones first, and follows the exchanges. The rarer
    kind is drawn among its sites, the other among one slot more, which is idle.
    """
    up, down = np.uint64(n_up), np.uint64(states.shape[0] - n_up)
    if up == np.uint64(0) or down == np.uint64(0):
        return
    up_slots = up + ONE if up > down else up
    down_slots = down if up > down else down + ONE
    with_triplets = tables.triplet_step.shape[0] > 0
    first, second = random_state[0], random_state[1]
    for _ in range(n_sweeps):
        for _trial in range(states.shape[0]):
            word, first, second = advance(first, second)
            at = ((word >> HALF_WORD) * up_slots) >> HALF_WORD
            from_down = ((word & LOW_HALF) * down_slots) >> HALF_WORD
            word, first, second = advance(first, second)
            if at == up or from_down == down:
                continue
            site, other = np.uint64(order[at]), np.uint64(order[up + from_down])
            alone = around[site]
            cost = alone - around[other]
            entry, end = np.uint64(tables.start[site]), np.uint64(tables.start[site + ONE])
            while entry < end:
                if np.uint64(tables.neighbour[entry]) == other:
                    cost += tables.step[entry]
                entry += ONE
            if with_triplets:
                cost += shared_triplets(states, tables, site, other)
            if metropolis_accepts(word >> LOW_BITS, cost, chances):
                flip(states, around, tables, totals, site, alone)
                flip(states, around, tables, totals, other, cost - alone)
                order[at], order[up + from_down] = np.uint32(other), np.uint32(site)
    random_state[0], random_state[1] = first, second
