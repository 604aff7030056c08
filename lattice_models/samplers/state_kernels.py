"""Compiled sweeps of sites with q states on any graph; every kernel and its helpers live here.

States are codes 0 ... q - 1, int8. ``around`` (n_sites, q) holds the energy that every site would
have in each of its states, kept up to date with every change. Random numbers: xoroshiro128+
(Blackman & Vigna 2021, doi:10.1145/3460772).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.compiled import kernel

__all__ = [
    "StateTables", "state_exchange_sweeps", "state_heat_bath_sweeps", "state_metropolis_sweeps",
]  # fmt: skip

Int8 = NDArray[np.int8]
Int64 = NDArray[np.int64]
UInt32 = NDArray[np.uint32]
UInt64 = NDArray[np.uint64]
Float = NDArray[np.float64]

UNIT_STEP = 1.0 / 9007199254740992.0  # 2 ** -53
ROTATE_A, ROTATE_B, SHIFT = np.uint64(24), np.uint64(37), np.uint64(16)
BACK_A, BACK_B = np.uint64(40), np.uint64(27)
LOW_BITS, HALF_WORD, LOW_HALF = np.uint64(11), np.uint64(32), np.uint64(0xFFFFFFFF)
ONE = np.uint64(1)
TOP = 0.875


class StateTables(NamedTuple):
    """What the kernels of this file read; unsigned numbers, as signed ones may count from the end.

    Attributes
    ----------
    start, neighbour, kind, weight
        int64 (n_sites + 1,), uint32, uint32, float64: as in ``EnergyTerms``.
    pair_energy
        float64 (n_kinds, q, q).
    triplet_start, triplet_others, motif, triplet_energy
        int64 (n_sites + 1,), uint32 (n_entries, 2), uint32 (n_entries,), float64
        (n_motifs, q, q, q): the other two sites of each triplet that holds a site.
    values, overlap
        float64 (q,) and (q, q): what is summed over sites and, by shell, over bonds.
    count_start, count_neighbour, count_place, count_times
        int64, uint32, uint32, float64: the bonds that are summed, their place in the totals and
        their multiplicity; empty when no sums by shell are wanted.
    """

    start: Int64
    neighbour: UInt32
    kind: UInt32
    weight: Float
    pair_energy: Float
    triplet_start: Int64
    triplet_others: UInt32
    motif: UInt32
    triplet_energy: Float
    values: Float
    overlap: Float
    count_start: Int64
    count_neighbour: UInt32
    count_place: UInt32
    count_times: Float


@kernel
def advance(first: Any, second: Any) -> Any:
    """Return the next 64 random bits and the two words of the generator after them."""
    word = first + second
    second ^= first
    first = ((first << ROTATE_A) | (first >> BACK_A)) ^ second ^ (second << SHIFT)
    return word, first, (second << ROTATE_B) | (second >> BACK_B)


@kernel
def change(
    codes: Int8, around: Float, tables: StateTables, totals: Float, site: Any, to: Any, cost: float
) -> None:
    """Give ``site`` the state ``to``; neighbours and ``totals`` follow.

    Totals: energy, sum of values, number of sites in each state, sums of ``overlap`` by shell.
    """
    q = np.uint64(around.shape[1])
    old, new = np.uint64(codes[site]), np.uint64(to)
    codes[site] = np.int8(to)
    totals[0] += cost
    totals[1] += tables.values[new] - tables.values[old]
    totals[2 + old] -= 1.0
    totals[2 + new] += 1.0
    entry, end = np.uint64(tables.start[site]), np.uint64(tables.start[site + ONE])
    while entry < end:
        weight, kind = tables.weight[entry], tables.kind[entry]
        here = around[tables.neighbour[entry]]
        before, after = tables.pair_energy[kind, old], tables.pair_energy[kind, new]
        state = np.uint64(0)
        while state < q:
            here[state] += weight * (after[state] - before[state])
            state += ONE
        entry += ONE
    entry, end = np.uint64(0), np.uint64(0)
    if tables.count_place.shape[0] > 0:
        entry = np.uint64(tables.count_start[site])
        end = np.uint64(tables.count_start[site + ONE])
    while entry < end:
        other = np.uint64(codes[tables.count_neighbour[entry]])
        more = tables.overlap[new, other] - tables.overlap[old, other]
        totals[tables.count_place[entry]] += tables.count_times[entry] * more
        entry += ONE
    if tables.motif.shape[0] > 0:
        change_triplets(codes, around, tables, site, old, new)


@kernel
def change_triplets(
    codes: Int8, around: Float, tables: StateTables, site: Any, old: Any, new: Any
) -> None:
    """Bring the energies of the other sites of each triplet of ``site`` up to date."""
    q = np.uint64(around.shape[1])
    entry, end = np.uint64(tables.triplet_start[site]), np.uint64(tables.triplet_start[site + ONE])
    while entry < end:
        left, right = tables.triplet_others[entry, 0], tables.triplet_others[entry, 1]
        energy = tables.triplet_energy[tables.motif[entry]]
        at_left, at_right = np.uint64(codes[left]), np.uint64(codes[right])
        state = np.uint64(0)
        while state < q:
            around[left, state] += energy[new, at_right, state] - energy[old, at_right, state]
            around[right, state] += energy[new, at_left, state] - energy[old, at_left, state]
            state += ONE
        entry += ONE


@kernel
def state_heat_bath_sweeps(
    codes: Int8,
    around: Float,
    tables: StateTables,
    chances: Float,
    n_sweeps: int,
    random_state: UInt64,
    totals: Float,
) -> None:
    """Draw every site in turn from its distribution given its neighbours; ``chances``: (q,)."""
    q = around.shape[1]
    first, second = random_state[0], random_state[1]
    for _ in range(n_sweeps):
        for index in range(codes.shape[0]):
            site = np.uint64(index)
            here = around[site]
            lowest = here[0]
            for state in range(1, q):
                lowest = min(lowest, here[state])
            whole = 0.0
            for state in range(q):
                chances[state] = np.exp(lowest - here[state])
                whole += chances[state]
            word, first, second = advance(first, second)
            left = np.float64(word >> LOW_BITS) * UNIT_STEP * whole
            new = 0
            left -= chances[0]
            while left >= 0.0 and new < q - 1:
                new += 1
                left -= chances[new]
            old = codes[site]
            if new != old:
                cost = here[new] - here[old]
                change(codes, around, tables, totals, site, new, cost)
    random_state[0], random_state[1] = first, second


@kernel
def state_metropolis_sweeps(
    codes: Int8,
    around: Float,
    tables: StateTables,
    n_sweeps: int,
    random_state: UInt64,
    totals: Float,
) -> None:
    """Try to change every site in turn to any other of its states.

    The chance of a change is at most 7/8: with two states and no energies, certain acceptance would
    change all sites in every sweep. Each trial is reversible all the same.
    """
    q = np.uint64(around.shape[1])
    first, second = random_state[0], random_state[1]
    for _ in range(n_sweeps):
        for index in range(codes.shape[0]):
            site = np.uint64(index)
            word, first, second = advance(first, second)
            old = np.uint64(codes[site])
            new = old + (((word >> HALF_WORD) * (q - ONE)) >> HALF_WORD) + ONE
            new = new - q if new >= q else new
            cost = around[site, new] - around[site, old]
            word, first, second = advance(first, second)
            draw = np.float64(word >> LOW_BITS) * UNIT_STEP
            if draw < TOP and (cost <= 0.0 or draw < TOP * np.exp(-cost)):
                change(codes, around, tables, totals, site, new, cost)
    random_state[0], random_state[1] = first, second


@kernel
def counted_twice(codes: Int8, tables: StateTables, site: Any, other: Any) -> float:
    """Return by how much two separate changes overstate the cost of an exchange.

    Bonds and triplets that hold both sites: each change reckons with the other site as it was.
    """
    one, two = np.uint64(codes[site]), np.uint64(codes[other])
    total = 0.0
    entry, end = np.uint64(tables.start[site]), np.uint64(tables.start[site + ONE])
    while entry < end:
        if np.uint64(tables.neighbour[entry]) == other:
            pair = tables.pair_energy[tables.kind[entry]]
            total += tables.weight[entry] * (pair[one, one] + pair[two, two] - 2.0 * pair[one, two])
        entry += ONE
    entry, end = np.uint64(0), np.uint64(0)
    if tables.motif.shape[0] > 0:
        entry = np.uint64(tables.triplet_start[site])
        end = np.uint64(tables.triplet_start[site + ONE])
    while entry < end:
        left = np.uint64(tables.triplet_others[entry, 0])
        right = np.uint64(tables.triplet_others[entry, 1])
        if left == other or right == other:
            third = np.uint64(codes[right if left == other else left])
            energy = tables.triplet_energy[tables.motif[entry]]
            total += energy[one, one, third] + energy[two, two, third]
            total -= 2.0 * energy[one, two, third]
        entry += ONE
    return total


@kernel
def state_exchange_sweeps(
    codes: Int8,
    around: Float,
    tables: StateTables,
    ends: UInt32,
    n_sweeps: int,
    random_state: UInt64,
    totals: Float,
) -> None:
    """Try to exchange as many pairs of sites as there are sites, per sweep.

    Pairs are the two ends of a bond of ``ends`` (n_bonds, 2), or, without any, two random sites.
    """
    n_sites, n_bonds = np.uint64(codes.shape[0]), np.uint64(ends.shape[0])
    first, second = random_state[0], random_state[1]
    for _ in range(n_sweeps):
        for _trial in range(codes.shape[0]):
            word, first, second = advance(first, second)
            if n_bonds > np.uint64(0):
                bond = ((word >> HALF_WORD) * (n_bonds + ONE)) >> HALF_WORD
                if bond == n_bonds:  # idle, so that one lone bond does not alternate
                    continue
                site, other = np.uint64(ends[bond, 0]), np.uint64(ends[bond, 1])
            else:
                site = ((word >> HALF_WORD) * n_sites) >> HALF_WORD
                other = ((word & LOW_HALF) * n_sites) >> HALF_WORD
            one, two = np.uint64(codes[site]), np.uint64(codes[other])
            if one == two:
                continue
            alone = around[site, two] - around[site, one]
            cost = alone + around[other, one] - around[other, two]
            cost -= counted_twice(codes, tables, site, other)
            word, first, second = advance(first, second)
            if cost <= 0.0 or np.float64(word >> LOW_BITS) * UNIT_STEP < np.exp(-cost):
                change(codes, around, tables, totals, site, two, alone)
                change(codes, around, tables, totals, other, one, cost - alone)
    random_state[0], random_state[1] = first, second
