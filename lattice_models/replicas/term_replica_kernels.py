"""Compiled sweeps of many replicas of two states with pairs and triplets; helpers live here too.

Replicas lie in the inner axis as in ``replica_kernels``, of which this file holds copies: bytes 1
and 0 of shape (n_sites + 1, width), whose last row is a site that is always 0, also seen as words
of eight replicas. With n = 0, 1 the log-odds of a site are linear in the number of its neighbours
in state 1 (by group of one kind of bond, or of partners in triplets of one motif) and in the number
of its triplets whose two others are both 1 (or unlike), all counted in bytes.

Random numbers: one xoroshiro64* lane a replica (Blackman & Vigna 2021, doi:10.1145/3460772),
uint32 of shape (2, width).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.compiled import kernel

if TYPE_CHECKING:
    from physlearn.lattice_models.replicas.pair_replicas import NeighbourGroups
    from physlearn.lattice_models.replicas.replica_layout import PartnerGroups

__all__ = ["TermWeights", "term_scores", "term_sweeps"]

UInt8 = NDArray[np.uint8]
Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]
UInt32 = NDArray[np.uint32]
UInt64 = NDArray[np.uint64]
Single = NDArray[np.float32]
Float = NDArray[np.float64]

LANE_ROTATE_A, LANE_BACK_A, LANE_SHIFT = np.uint32(26), np.uint32(6), np.uint32(9)
LANE_ROTATE_B, LANE_BACK_B, FACTOR = np.uint32(13), np.uint32(19), np.uint32(0x9E3779BB)
STEP = np.uint64(8)  # words, 64 replicas
W1, W2, W3, W4 = np.uint64(1), np.uint64(2), np.uint64(3), np.uint64(4)
W5, W6, W7 = np.uint64(5), np.uint64(6), np.uint64(7)
ZERO, HALF, ONE = np.float32(0.0), np.float32(0.5), np.float32(1.0)
ALL_WORDS = np.float32(4294967296.0)
LARGEST = np.float32(100.0)
# 2 ** z = 1 + z (C1 + z (C2 + ...)) on [0, 1), relative error below 1e-7 in single precision
C1, C2, C3 = np.float32(0.6931470444), np.float32(0.2402293056), np.float32(0.05548528052)
C4, C5, C6 = np.float32(0.009675451733), np.float32(0.001246784512), np.float32(0.0002161291898)
BIAS, MANTISSA = np.int32(127), np.int32(23)


@kernel
def rises(word: Any, field: Any) -> Any:
    """Return whether a random word makes a site up; ``field`` is 2 log2(e) times its local field.

    The less likely state comes where (word + 1/2) (1 + 2 ** abs(field)) < 2 ** 32, so that its
    probability keeps its relative accuracy where it is small.
    """
    height = abs(field)
    height = height if height < LARGEST else LARGEST
    whole = np.int32(height)
    z = height - np.float32(whole)
    power = ONE + z * (C1 + z * (C2 + z * (C3 + z * (C4 + z * (C5 + z * C6)))))
    scale = np.int32(np.int32(whole + BIAS) << MANTISSA).view(np.float32)
    unlikely = (np.float32(word) + HALF) * (ONE + power * scale) < ALL_WORDS
    return unlikely == (field < ZERO)


@kernel
def put_two(out: UInt64, w: Any, words: UInt64, a: Any, b: Any) -> None:
    """Write the sums of two rows of eight words; written out, as short loops cost their set-up."""
    s0, s1 = words[a] + words[b], words[a + W1] + words[b + W1]
    s2, s3 = words[a + W2] + words[b + W2], words[a + W3] + words[b + W3]
    s4, s5 = words[a + W4] + words[b + W4], words[a + W5] + words[b + W5]
    s6, s7 = words[a + W6] + words[b + W6], words[a + W7] + words[b + W7]
    out[w], out[w + W1], out[w + W2], out[w + W3] = s0, s1, s2, s3
    out[w + W4], out[w + W5], out[w + W6], out[w + W7] = s4, s5, s6, s7


@kernel
def put_four(out: UInt64, w: Any, words: UInt64, a: Any, b: Any, c: Any, d: Any) -> None:
    """Write the sums of four rows of eight words."""
    s0 = words[a] + words[b] + words[c] + words[d]
    s1 = words[a + W1] + words[b + W1] + words[c + W1] + words[d + W1]
    s2 = words[a + W2] + words[b + W2] + words[c + W2] + words[d + W2]
    s3 = words[a + W3] + words[b + W3] + words[c + W3] + words[d + W3]
    s4 = words[a + W4] + words[b + W4] + words[c + W4] + words[d + W4]
    s5 = words[a + W5] + words[b + W5] + words[c + W5] + words[d + W5]
    s6 = words[a + W6] + words[b + W6] + words[c + W6] + words[d + W6]
    s7 = words[a + W7] + words[b + W7] + words[c + W7] + words[d + W7]
    out[w], out[w + W1], out[w + W2], out[w + W3] = s0, s1, s2, s3
    out[w + W4], out[w + W5], out[w + W6], out[w + W7] = s4, s5, s6, s7


@kernel
def add_two(out: UInt64, w: Any, words: UInt64, a: Any, b: Any) -> None:
    """Add two rows of eight words."""
    s0, s1 = words[a] + words[b], words[a + W1] + words[b + W1]
    s2, s3 = words[a + W2] + words[b + W2], words[a + W3] + words[b + W3]
    s4, s5 = words[a + W4] + words[b + W4], words[a + W5] + words[b + W5]
    s6, s7 = words[a + W6] + words[b + W6], words[a + W7] + words[b + W7]
    out[w] += s0
    out[w + W1] += s1
    out[w + W2] += s2
    out[w + W3] += s3
    out[w + W4] += s4
    out[w + W5] += s5
    out[w + W6] += s6
    out[w + W7] += s7


@kernel
def count_group(out: UInt64, words: UInt64, row: Any, entry: UInt64, begin: int, end: int) -> None:
    """Count the up neighbours of one group into bytes; ``row`` is the words of one site."""
    w = np.uint64(0)
    while w < row:
        e = begin
        if end - e >= 4:
            put_four(
                out, w, words, entry[e] * row + w, entry[e + 1] * row + w,
                entry[e + 2] * row + w, entry[e + 3] * row + w,
            )  # fmt: skip
            e += 4
        else:
            put_two(out, w, words, entry[e] * row + w, entry[e + 1] * row + w)
            e += 2
        while e < end:
            add_two(out, w, words, entry[e] * row + w, entry[e + 1] * row + w)
            e += 2
        w += STEP


@kernel
def put_unlike(out: UInt64, w: Any, words: UInt64, a: Any, b: Any, c: Any, d: Any) -> None:
    """Count where a and b differ and where c and d do, in rows of eight words."""
    s0 = (words[a] ^ words[b]) + (words[c] ^ words[d])
    s1 = (words[a + W1] ^ words[b + W1]) + (words[c + W1] ^ words[d + W1])
    s2 = (words[a + W2] ^ words[b + W2]) + (words[c + W2] ^ words[d + W2])
    s3 = (words[a + W3] ^ words[b + W3]) + (words[c + W3] ^ words[d + W3])
    s4 = (words[a + W4] ^ words[b + W4]) + (words[c + W4] ^ words[d + W4])
    s5 = (words[a + W5] ^ words[b + W5]) + (words[c + W5] ^ words[d + W5])
    s6 = (words[a + W6] ^ words[b + W6]) + (words[c + W6] ^ words[d + W6])
    s7 = (words[a + W7] ^ words[b + W7]) + (words[c + W7] ^ words[d + W7])
    out[w] += s0
    out[w + W1] += s1
    out[w + W2] += s2
    out[w + W3] += s3
    out[w + W4] += s4
    out[w + W5] += s5
    out[w + W6] += s6
    out[w + W7] += s7


@kernel
def put_both(out: UInt64, w: Any, words: UInt64, a: Any, b: Any, c: Any, d: Any) -> None:
    """Count where a and b are both 1 and where c and d are, in rows of eight words."""
    s0 = (words[a] & words[b]) + (words[c] & words[d])
    s1 = (words[a + W1] & words[b + W1]) + (words[c + W1] & words[d + W1])
    s2 = (words[a + W2] & words[b + W2]) + (words[c + W2] & words[d + W2])
    s3 = (words[a + W3] & words[b + W3]) + (words[c + W3] & words[d + W3])
    s4 = (words[a + W4] & words[b + W4]) + (words[c + W4] & words[d + W4])
    s5 = (words[a + W5] & words[b + W5]) + (words[c + W5] & words[d + W5])
    s6 = (words[a + W6] & words[b + W6]) + (words[c + W6] & words[d + W6])
    s7 = (words[a + W7] & words[b + W7]) + (words[c + W7] & words[d + W7])
    out[w] += s0
    out[w + W1] += s1
    out[w + W2] += s2
    out[w + W3] += s3
    out[w + W4] += s4
    out[w + W5] += s5
    out[w + W6] += s6
    out[w + W7] += s7


@kernel
def count_pairs(
    out: UInt64, words: UInt64, row: Any, pair: UInt64, begin: int, end: int, unlike: bool
) -> None:
    """Count into bytes how many ``pair[begin:end]`` are unlike, or both 1; their number is even."""
    for clear in range(row):
        out[clear] = np.uint64(0)
    w = np.uint64(0)
    while w < row:
        for e in range(begin, end, 2):
            a, b = pair[e, 0] * row + w, pair[e, 1] * row + w
            c, d = pair[e + 1, 0] * row + w, pair[e + 1, 1] * row + w
            if unlike:
                put_unlike(out, w, words, a, b, c, d)
            else:
                put_both(out, w, words, a, b, c, d)
        w += STEP


@kernel
def start_odds(odds: Single, field: Single, offset: Any) -> None:
    """Set log-odds to what does not depend on neighbours."""
    for r in range(odds.shape[0]):
        odds[r] = field[r] + offset


@kernel
def add_value(odds: Single, weight: Single, value: Any) -> None:
    """Add a site's own number times its parameter."""
    for r in range(odds.shape[0]):
        odds[r] += weight[r] * value


@kernel
def add_group(odds: Single, slope: Single, base: Single, count: UInt8, degree: Any) -> None:
    """Add a term for each neighbour, and one for each that is 1."""
    for r in range(odds.shape[0]):
        odds[r] += slope[r] * np.float32(count[r]) + base[r] * degree


@kernel
def add_pairs(odds: Single, weight: Single, count: UInt8) -> None:
    """Add a term for each counted pair of partners."""
    for r in range(odds.shape[0]):
        odds[r] += weight[r] * np.float32(count[r])


@kernel
def draw_row(here: UInt8, odds: Single, lanes: UInt32) -> None:
    """Draw one site of all replicas from their log-odds."""
    first = lanes[0]
    second = lanes[1]
    for r in range(here.shape[0]):
        a = first[r]
        b = second[r]
        word = np.uint32(a * FACTOR)
        b = np.uint32(b ^ a)
        turned = np.uint32(np.uint32(a << LANE_ROTATE_A) | np.uint32(a >> LANE_BACK_A))
        first[r] = np.uint32(turned ^ b ^ np.uint32(b << LANE_SHIFT))
        second[r] = np.uint32(np.uint32(b << LANE_ROTATE_B) | np.uint32(b >> LANE_BACK_B))
        here[r] = np.uint8(rises(word, odds[r]))


class TermWeights(NamedTuple):
    """Log-odds in units of log 2, as ``term_sweeps`` reads them."""

    active: UInt8
    unlike: bool
    slope: Single
    base: Single
    bend: Single
    field: Single
    offset: Single
    weight: Single


@kernel
def term_sweeps(
    states: UInt8,
    words: UInt64,
    sites: Int64,
    groups: NeighbourGroups,
    partners: PartnerGroups,
    weights: TermWeights,
    value: Single,
    n_sweeps: int,
    lanes: UInt32,
    odds: Single,
    count: UInt8,
    count_words: UInt64,
) -> None:
    """Draw every site in turn from its distribution given the others, in all replicas.

    Log-odds in units of log 2: ``field`` (width,), ``offset`` (n_sites,), ``weight`` (n_extra,
    width) times ``value`` (n_extra, n_sites); of kind k of neighbours ``base[k]`` each and
    ``slope[k]`` more where it is 1 (n_kinds, width); ``bend`` (n_motifs, width) for each pair of
    partners that is unlike, or both 1. Site i owns groups ``group_start[i]:group_start[i + 1]`` of
    neighbours, ``partners.start[i]:partners.start[i + 1]`` of pairs. Kinds that are not ``active``
    are 0.
    """
    group_start, kind, entry_start = groups.group_start, groups.kind, groups.entry_start
    pair_start, pair_entry_start, motif, pair = partners
    active, unlike, slope, base, bend, field, offset, weight = weights
    row = np.uint64(count_words.shape[0])
    for _ in range(n_sweeps):
        for site in sites:
            start_odds(odds, field, offset[site])
            for k in range(value.shape[0]):
                add_value(odds, weight[k], value[k, site])
            for g in range(group_start[site], group_start[site + 1]):
                if active[kind[g]]:
                    first, last = entry_start[g], entry_start[g + 1]
                    count_group(count_words, words, row, groups.entry, first, last)
                    add_group(odds, slope[kind[g]], base[kind[g]], count, groups.degree[g])
            for g in range(pair_start[site], pair_start[site + 1]):
                first, last = pair_entry_start[g], pair_entry_start[g + 1]
                count_pairs(count_words, words, row, pair, first, last, unlike)
                add_pairs(odds, bend[motif[g]], count)
            draw_row(states[site], odds, lanes)


@kernel
def add_counts(out: Float, times: float, count: UInt8) -> None:
    """Add byte counts times a weight."""
    for r in range(out.shape[0]):
        out[r] += times * np.float64(count[r])


@kernel
def multiply_add(out: Float, left: Float, right: Float) -> None:
    """Add the products of two rows."""
    for r in range(out.shape[0]):
        out[r] += left[r] * right[r]


@kernel
def add_scaled(out: Float, row: Float, factor: float) -> None:
    """Add a multiple of a row."""
    for r in range(out.shape[0]):
        out[r] += factor * row[r]


@kernel
def expect(odds: Float, here: UInt8, residue: Float, spread: Float) -> None:
    """Turn log-odds into n - p and p (1 - p)."""
    for r in range(odds.shape[0]):
        p = 1.0 / (1.0 + np.exp(-odds[r]))
        residue[r] = np.float64(here[r]) - p
        spread[r] = p * (1.0 - p)


@kernel
def term_scores(
    states: UInt8,
    words: UInt64,
    sites: Int64,
    groups: NeighbourGroups,
    partners: PartnerGroups,
    value: Float,
    n_motifs: int,
    maps: Float,
    parameters: Float,
    score: Float,
    curvature: Float,
    count: UInt8,
    count_words: UInt64,
) -> None:
    """Add gradient and negative Hessian of the log pseudolikelihood of every replica.

    The log-odds of a site are parameters (d, width) times maps (d, n_features) times its features:
    1; by shell, then by motif, the neighbours (2 k + 1) and those in state 1 (2 k + 2); by motif
    the pairs of partners that are both 1; then ``value`` (n_extra, n_sites). Kind k of a group
    counts ``groups.times[k]`` fold. ``score`` (d, width) and
    ``curvature`` (d, d, width; its lower triangle). Only ``sites`` are terms.
    """
    group_start, kind, entry_start = groups.group_start, groups.kind, groups.entry_start
    pair_start, pair_entry_start, motif, pair = partners
    row = np.uint64(count_words.shape[0])
    d, width = parameters.shape
    n_features, n_extra = maps.shape[1], value.shape[0]
    both = n_features - n_extra - n_motifs
    raw = np.zeros((n_features, width))
    own = np.zeros((d, width))
    odds, residue, spread = np.zeros(width), np.zeros(width), np.zeros(width)
    raw[0] = 1.0
    for site in sites:
        raw[1:] = 0.0
        for g in range(group_start[site], group_start[site + 1]):
            first, last = entry_start[g], entry_start[g + 1]
            count_group(count_words, words, row, groups.entry, first, last)
            feature, times = 1 + 2 * groups.shell[kind[g]], groups.times[kind[g]]
            raw[feature] += times * np.float64(groups.degree[g])
            add_counts(raw[feature + 1], times, count)
        for g in range(pair_start[site], pair_start[site + 1]):
            first, last = pair_entry_start[g], pair_entry_start[g + 1]
            count_pairs(count_words, words, row, pair, first, last, False)
            add_counts(raw[both + motif[g]], 1.0, count)
        for k in range(n_extra):
            raw[n_features - n_extra + k] = value[k, site]
        own[:] = 0.0
        odds[:] = 0.0
        for k in range(d):
            for m in range(n_features):
                if maps[k, m] != 0.0:
                    add_scaled(own[k], raw[m], maps[k, m])
            multiply_add(odds, parameters[k], own[k])
        expect(odds, states[site], residue, spread)
        for k in range(d):
            multiply_add(score[k], own[k], residue)
            for r in range(width):
                odds[r] = spread[r] * own[k, r]
            for m in range(k + 1):
                multiply_add(curvature[k, m], own[m], odds)
