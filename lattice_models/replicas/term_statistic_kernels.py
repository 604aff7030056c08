"""Compiled sums over pairs and triplets of many replicas of two states; helpers live here too.

Replicas lie in the inner axis as in ``term_replica_kernels``: bytes 1 and 0 of shape
(n_sites + 1, width), also seen as words of eight replicas, which are summed without carry.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.compiled import kernel

__all__ = ["term_statistics"]

UInt8 = NDArray[np.uint8]
Int64 = NDArray[np.int64]
UInt64 = NDArray[np.uint64]
Float = NDArray[np.float64]


@kernel
def add_all(out: Int64, count: UInt8, times: int) -> None:
    """Add byte counts, and start them anew."""
    for r in range(out.shape[0]):
        out[r] += times * np.int64(count[r])
        count[r] = 0


@kernel
def add_real(out: Float, here: UInt8, value: float) -> None:
    """Add a number where a site is 1."""
    for r in range(out.shape[0]):
        out[r] += value * np.float64(here[r])


@kernel
def term_statistics(
    states: UInt8,
    words: UInt64,
    ends: UInt64,
    run_start: Int64,
    run_class: Int64,
    run_times: Int64,
    corners: UInt64,
    corner_start: Int64,
    corner_class: Int64,
    value: Float,
    ups: Int64,
    pairs: Int64,
    triplets: Int64,
    extra: Float,
    counts: UInt8,
    count_words: UInt64,
) -> None:
    """Add the symmetric sums of every replica.

    ``ups`` (width,): sites in state 1. ``pairs`` (n_shells, 2, width): sums over bonds of n + n'
    and of n n'. ``triplets`` (n_motifs, 3, width): sums of n + n' + n'', of the three products of
    two and of n n' n''. ``extra`` (n_extra, width): sums of ``value`` over sites in state 1.
    Runs hold at most 125 bonds (``ends``) or 80 triplets (``corners``) of one class; ``counts``
    (3, width) is scratch, also seen as words (3, width / 8).
    """
    row = count_words.shape[1]
    wide = np.uint64(row)
    n_sites = states.shape[0] - 1
    one, two, three = count_words[0], count_words[1], count_words[2]
    counts[:] = 0
    for first in range(0, n_sites, 250):
        last = min(first + 250, n_sites)
        for site in range(first, last):
            for w in range(row):
                one[w] += words[np.uint64(site) * wide + np.uint64(w)]
        add_all(ups, counts[0], 1)
    for k in range(value.shape[0]):
        for site in range(n_sites):
            add_real(extra[k], states[site], value[k, site])
    for run in range(run_class.shape[0]):
        for bond in range(run_start[run], run_start[run + 1]):
            left, right = ends[bond, 0] * wide, ends[bond, 1] * wide
            for w in range(row):
                a, b = words[left + np.uint64(w)], words[right + np.uint64(w)]
                one[w] += a + b
                two[w] += a & b
        for order in range(2):
            add_all(pairs[run_class[run], order], counts[order], run_times[run])
    for run in range(corner_class.shape[0]):
        for corner in range(corner_start[run], corner_start[run + 1]):
            left, right = corners[corner, 0] * wide, corners[corner, 1] * wide
            last_one = corners[corner, 2] * wide
            for w in range(row):
                a, b = words[left + np.uint64(w)], words[right + np.uint64(w)]
                c = words[last_one + np.uint64(w)]
                one[w] += a + b + c
                two[w] += (a & b) + (a & c) + (b & c)
                three[w] += a & b & c
        for order in range(3):
            add_all(triplets[corner_class[run], order], counts[order], 1)
