"""Compiled Swendsen-Wang sweeps of many replicas of two states, each at its own parameters.

A bond links its two sites with the chance 1 - exp(-2 |J|) where it is satisfied (like states for
J > 0, unlike ones for J < 0), and a site its ghost with 1 - exp(-2 |f|) where it follows its field
f; a cluster with the ghost stays, any other flips or not at even chances. All clusters may be
turned so at any couplings and fields; where bonds contradict each other they are too large to help.
A kernel and its helpers live in one file: this one holds copies of those of ``cluster_kernels``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.compiled import kernel

__all__ = ["cluster_replica_sweeps", "turn_table"]

UInt8 = NDArray[np.uint8]
UInt32 = NDArray[np.uint32]
UInt64 = NDArray[np.uint64]
Float = NDArray[np.float64]

WORDS = 4294967296.0  # 2 ** 32
ROTATE_A, ROTATE_B, SHIFT = np.uint64(24), np.uint64(37), np.uint64(16)
BACK_A, BACK_B = np.uint64(40), np.uint64(27)
HALF_WORD, LAST_BIT = np.uint64(32), np.uint64(63)
ONE = np.uint64(1)
BLOCK = 64


@kernel
def advance(first: Any, second: Any) -> Any:
    """Return a word of xoroshiro128+ and its next state, in registers (cf. ``next_word``)."""
    word = first + second
    second ^= first
    first = ((first << ROTATE_A) | (first >> BACK_A)) ^ second ^ (second << SHIFT)
    second = (second << ROTATE_B) | (second >> BACK_B)
    return word, first, second


@kernel
def find(parents: UInt32, site: Any) -> Any:
    """Return the root of ``site``, halving the path to it."""
    above = parents[site]
    while above != site:
        higher = parents[above]
        parents[site] = higher
        site = higher
        above = parents[site]
    return site


@kernel
def turn_table(table: UInt8, turned: UInt8) -> None:
    """Write the transpose of a table, block by block."""
    n_rows, n_columns = table.shape
    for top in range(0, n_rows, BLOCK):
        bottom = min(top + BLOCK, n_rows)
        for left in range(0, n_columns, BLOCK):
            right = min(left + BLOCK, n_columns)
            # strides go along the table with short rows, where a block lies in few pages
            if n_rows > n_columns:
                for column in range(left, right):
                    for row in range(top, bottom):
                        turned[column, row] = table[row, column]
            else:
                for row in range(top, bottom):
                    for column in range(left, right):
                        turned[column, row] = table[row, column]


@kernel
def cluster_replica_sweeps(
    chains: UInt8,
    start: UInt64,
    earlier: UInt32,
    kind: UInt32,
    follows: UInt8,
    thresholds: UInt64,
    unlike: UInt8,
    field: Float,
    degree_field: Float,
    degree: Float,
    offset: Float,
    weight: Float,
    value: Float,
    changes: UInt8,
    n_sweeps: int,
    parents: UInt32,
    turns: UInt8,
    states: UInt64,
) -> None:
    """Build all clusters of every chain and turn each at random, ``n_sweeps`` times.

    ``chains`` (n_chains, n_sites) hold 0 and 1. Each bond is listed once, by its later site:
    ``earlier[start[i]:start[i + 1]]``, of kind k; of a bond of kind k in chain c ``thresholds[c,
    k]`` is its chance times 2 ** 32 and ``unlike[c, k]`` 1 where J < 0. A site's field is
    ``field[c] + degree_field[c] . degree[:, i] + offset[i] + weight[c] . value[:, i]``. Sites that
    do not change (``changes`` 0) hang on the ghost, node 0. Where site i ``follows``, its first
    entry is site i - 1. ``states`` (n_chains, 2) random words.
    """
    n_sites = chains.shape[1]
    one = np.uint32(1)
    ghost = np.uint32(0)
    own = np.any(offset != 0.0) or value.shape[0] > 0 or np.any(degree_field != 0.0)
    for chain in range(chains.shape[0]):
        codes = chains[chain]
        threshold = thresholds[chain]
        apart = unlike[chain]
        first = states[chain, 0]
        second = states[chain, 1]
        level = field[chain]
        hold = np.uint64(np.ceil((1.0 - np.exp(-2.0 * abs(level))) * WORDS))
        for _ in range(n_sweeps):
            parents[0] = ghost
            turns[0] = 0
            root = ghost
            for site in range(n_sites):
                node = np.uint32(site) + one
                before = root
                root = node
                code = codes[site]
                entry = start[site]
                end = start[site + 1]
                if follows[site]:  # its first bond is to the site before, whose root is at hand
                    k = kind[entry]
                    word, first, second = advance(first, second)
                    link = ((code ^ codes[site - 1]) == apart[k]) & (
                        (word >> HALF_WORD) < threshold[k]
                    )
                    root = before if link else node
                    entry += ONE
                while entry < end:
                    other = earlier[entry]
                    k = kind[entry]
                    entry += ONE
                    word, first, second = advance(first, second)
                    link = ((code ^ codes[other]) == apart[k]) & (
                        (word >> HALF_WORD) < threshold[k]
                    )
                    if link:
                        high = find(parents, other + one)
                        parents[max(high, root)] = min(high, root)
                        root = min(high, root)
                held = not changes[site]
                if own:
                    level = field[chain] + offset[site]
                    for k in range(degree.shape[0]):
                        level += degree_field[chain, k] * degree[k, site]
                    for k in range(value.shape[0]):
                        level += weight[chain, k] * value[k, site]
                    hold = np.uint64(np.ceil((1.0 - np.exp(-2.0 * abs(level))) * WORDS))
                if hold > 0:
                    word, first, second = advance(first, second)
                    held |= ((level > 0.0) == (code == 1)) & ((word >> HALF_WORD) < hold)
                if held:
                    parents[root] = ghost
                    root = ghost
                parents[node] = root
            bits = ONE
            for site in range(n_sites):
                if site & 63 == 0:
                    bits, first, second = advance(first, second)
                # roots are the smallest nodes: all before are final; those of others are not read
                node = np.uint32(site) + one
                root = parents[parents[node]]
                parents[node] = root
                turns[node] = np.uint8((bits >> (np.uint64(site) & LAST_BIT)) & ONE)
                codes[site] ^= turns[root]
        states[chain, 0] = first
        states[chain, 1] = second
