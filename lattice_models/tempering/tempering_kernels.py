"""Kernels of parallel tempering: heat bath of many replicas at their rungs, and exchanges.

Replica r stands at rung ``rung_of[r]``; exchanges move the numbers of rungs, never the states.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.compiled import kernel

__all__ = ["replica_energy", "temper_any_states", "temper_two_states"]

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

LOG2_E = 1.4426950408889634
LN2_HIGH, LN2_LOW = 6.93145751953125e-1, 1.42860682030941723212e-6  # their sum is log 2
LARGEST = 700.0  # exp of it is still a number
C2, C3, C4, C5, C6, C7 = 1 / 2, 1 / 6, 1 / 24, 1 / 120, 1 / 720, 1 / 5040
C8, C9, C10, C11, C12 = 1 / 40320, 1 / 362880, 1 / 3628800, 1 / 39916800, 1 / 479001600
EXPONENT_BIAS, EXPONENT_BITS = 1023, 52


@kernel
def next_word(state: UInt64) -> Any:
    """Return the next 64 random bits and advance ``state``; the high bits are the best."""
    first = state[0]
    second = state[1]
    word = first + second
    second ^= first
    state[0] = ((first << ROTATE_A) | (first >> BACK_A)) ^ second ^ (second << SHIFT)
    state[1] = (second << ROTATE_B) | (second >> BACK_B)
    return word


@kernel
def uniform(state: UInt64) -> Any:
    """Return the next number in [0, 1) and advance ``state``."""
    return (next_word(state) >> LOW_BITS) * UNIT_STEP


@kernel
def exponential(x: float) -> Any:
    """Return exp(x), to 3e-16 of itself, held at exp(-700) and exp(700).

    Without the call that ``np.exp`` is, the loop over replicas becomes vector instructions.
    """
    held = min(max(x, -LARGEST), LARGEST)
    power = np.floor(held * LOG2_E + 0.5)
    y = (held - power * LN2_HIGH) - power * LN2_LOW
    tail = C7 + y * (C8 + y * (C9 + y * (C10 + y * (C11 + y * C12))))
    series = 1.0 + y * (1.0 + y * (C2 + y * (C3 + y * (C4 + y * (C5 + y * (C6 + y * tail))))))
    bits = (np.int64(power) + EXPONENT_BIAS) << EXPONENT_BITS
    return series * np.int64(bits).view(np.float64)


@kernel
def swap_rungs(
    lower: int,
    log_chance: float,
    rung_of: Int64,
    replica_at: Int64,
    tallies: Int64,
    state: UInt64,
) -> None:
    """Exchange the replicas at rungs ``lower`` and ``lower + 1`` with the Metropolis chance."""
    tallies[0, lower] += 1
    if log_chance >= 0.0 or uniform(state) < np.exp(log_chance):
        tallies[1, lower] += 1
        hot = replica_at[lower]
        cold = replica_at[lower + 1]
        replica_at[lower] = cold
        replica_at[lower + 1] = hot
        rung_of[cold] = lower
        rung_of[hot] = lower + 1


@kernel
def mark_ends(replica_at: Int64, tallies: Int64) -> None:
    """Count round trips: from the coldest rung to the hottest and back.

    ``tallies[2]`` holds what each replica did last (1: was coldest, 2: was hottest after that),
    ``tallies[3]`` its round trips; ``tallies[:2]`` are exchanges tried and made by lower rung.
    """
    hot = replica_at[0]
    cold = replica_at[replica_at.shape[0] - 1]
    if tallies[2, hot] == 1:
        tallies[2, hot] = 2
    if tallies[2, cold] == 2:
        tallies[3, cold] += 1
    tallies[2, cold] = 1


@kernel
def temper_two_states(
    codes: Int8,
    start: Int64,
    neighbour: Int32,
    slope: Float,
    base: Float,
    factors: Float,
    n_sweeps: int,
    energies: Float,
    rung_of: Int64,
    replica_at: Int64,
    tallies: Int64,
    counter: Int64,
    lanes: UInt64,
    state: UInt64,
    work: Float,
) -> None:
    """Do heat-bath sweeps of all replicas, each followed by exchanges of every other pair.

    ``codes`` has shape (n_sites, n_replicas): replicas are swept side by side.
    State 1 costs ``base[site]`` + sum of ``slope`` over neighbours in state 1 more than state 0, at
    factor 1. ``energies`` follow every change. ``work`` has shape (2, n_replicas).
    """
    n_replicas = codes.shape[1]
    first = lanes[0]
    second = lanes[1]
    gap = work[0]
    scale = work[1]
    for _ in range(n_sweeps):
        for r in range(n_replicas):
            scale[r] = factors[rung_of[r]]
        for site in range(codes.shape[0]):
            for r in range(n_replicas):
                gap[r] = base[site]
            for entry in range(start[site], start[site + 1]):
                step = slope[entry]
                row = codes[neighbour[entry]]
                for r in range(n_replicas):
                    gap[r] += step * row[r]
            here = codes[site]
            for r in range(n_replicas):
                a = first[r]
                b = second[r]
                word = a + b
                b ^= a
                first[r] = ((a << ROTATE_A) | (a >> BACK_A)) ^ b ^ (b << SHIFT)
                second[r] = (b << ROTATE_B) | (b >> BACK_B)
                draw = (word >> LOW_BITS) * UNIT_STEP
                new = np.int8(draw * (1.0 + exponential(scale[r] * gap[r])) < 1.0)
                energies[r] += gap[r] * (new - here[r])
                here[r] = new
        for lower in range(counter[0] & 1, n_replicas - 1, 2):
            hot = replica_at[lower]
            cold = replica_at[lower + 1]
            log_chance = (factors[lower + 1] - factors[lower]) * (energies[cold] - energies[hot])
            swap_rungs(lower, log_chance, rung_of, replica_at, tallies, state)
        mark_ends(replica_at, tallies)
        counter[0] += 1


@kernel
def replica_energy(
    codes: Int8,
    site_energy: Float,
    start: UInt64,
    neighbour: UInt32,
    kind: UInt32,
    weight: Float,
    pair_energy: Float,
    triplets: UInt32,
    motif: UInt32,
    triplet_energy: Float,
) -> float:
    """Return the energy of one replica (n_sites) under one model, each bond and triplet once."""
    total = 0.0
    for site in range(codes.shape[0]):
        code = codes[site]
        total += site_energy[site, code]
        for entry in range(start[site], start[site + 1]):
            other = neighbour[entry]
            if other > site:
                total += weight[entry] * pair_energy[kind[entry], code, codes[other]]
    for row in range(triplets.shape[0]):
        a, b, c = triplets[row]
        total += triplet_energy[motif[row], codes[a], codes[b], codes[c]]
    return total


@kernel
def sweep_replica(
    codes: Int8,
    site_energy: Float,
    start: UInt64,
    neighbour: UInt32,
    kind: UInt32,
    weight: Float,
    pair_energy: Float,
    triplets: UInt32,
    motif: UInt32,
    triplet_energy: Float,
    triplet_start: UInt64,
    triplet_entry: UInt32,
    factor: float,
    state: UInt64,
    work: Float,
) -> float:
    """Draw every site (n_sites) of one replica; return the change of energy, at factor 1."""
    q = site_energy.shape[1]
    level = work[0]
    share = work[1]
    change = 0.0
    for site in range(codes.shape[0]):
        for code in range(q):
            level[code] = site_energy[site, code]
        for entry in range(start[site], start[site + 1]):
            pair = pair_energy[kind[entry], np.uint8(codes[neighbour[entry]])]
            times = weight[entry]
            for code in range(q):
                level[code] += times * pair[code]
        for entry in range(triplet_start[site], triplet_start[site + 1]):
            row = triplet_entry[entry]
            end = 0 if triplets[row, 0] == site else (1 if triplets[row, 1] == site else 2)
            b = np.uint8(codes[triplets[row, (end + 1) % 3]])
            c = np.uint8(codes[triplets[row, (end + 2) % 3]])
            for code in range(q):
                level[code] += triplet_energy[motif[row], b, c, code]
        least = level[0]
        for code in range(1, q):
            least = min(least, level[code])
        total = 0.0
        for code in range(q):
            total += np.exp(factor * (least - level[code]))
            share[code] = total
        draw = uniform(state) * total
        new = 0
        for code in range(q - 1):  # without a branch on the draw
            new += draw >= share[code]
        change += level[new] - level[codes[site]]
        codes[site] = new
    return change


@kernel
def temper_any_states(
    codes: Int8,
    site_energy: Float,
    start: UInt64,
    neighbour: UInt32,
    kind: UInt32,
    weight: Float,
    pair_energy: Float,
    triplets: UInt32,
    motif: UInt32,
    triplet_energy: Float,
    triplet_start: UInt64,
    triplet_entry: UInt32,
    models: Int64,
    factors: Float,
    n_sweeps: int,
    energies: Float,
    rung_of: Int64,
    replica_at: Int64,
    tallies: Int64,
    counter: Int64,
    lanes: UInt64,
    state: UInt64,
    work: Float,
) -> None:
    """Do what ``temper_two_states`` does for any number of states, triplets, and several models.

    ``codes`` has shape (n_replicas, n_sites). Rung k has the tables of model ``models[k]`` (their
    first axis) times ``factors[k]``; ``energies`` are those of a replica under the model of its
    rung. ``work`` has shape (2, q).
    """
    n_replicas = codes.shape[0]
    for _ in range(n_sweeps):
        for r in range(n_replicas):
            m = models[rung_of[r]]
            energies[r] += sweep_replica(
                codes[r], site_energy[m], start, neighbour, kind, weight[m], pair_energy[m],
                triplets, motif, triplet_energy[m], triplet_start, triplet_entry,
                factors[rung_of[r]], lanes[r], work,
            )  # fmt: skip
        for lower in range(counter[0] & 1, n_replicas - 1, 2):
            hot = replica_at[lower]
            cold = replica_at[lower + 1]
            hot_in_cold = energies[hot]
            cold_in_hot = energies[cold]
            if models[lower] != models[lower + 1]:
                m = models[lower + 1]
                hot_in_cold = replica_energy(
                    codes[hot], site_energy[m], start, neighbour, kind, weight[m], pair_energy[m],
                    triplets, motif, triplet_energy[m],
                )  # fmt: skip
                m = models[lower]
                cold_in_hot = replica_energy(
                    codes[cold], site_energy[m], start, neighbour, kind, weight[m], pair_energy[m],
                    triplets, motif, triplet_energy[m],
                )  # fmt: skip
            log_chance = factors[lower] * (energies[hot] - cold_in_hot)
            log_chance += factors[lower + 1] * (energies[cold] - hot_in_cold)
            swap_rungs(lower, log_chance, rung_of, replica_at, tallies, state)
            if replica_at[lower] == cold:
                energies[cold] = cold_in_hot
                energies[hot] = hot_in_cold
        mark_ends(replica_at, tallies)
        counter[0] += 1
