"""Compiled exchanges of sites in many replicas: the numbers of each state never change.

Replicas lie in the inner axis, states in planes of bytes as in ``state_replica_kernels``; with two
states there is one plane, and triplets are counted as in ``term_replica_kernels``. This file holds
copies of their helpers. A pair of sites is the same in all replicas, which exchange it or not each
by itself. Both sites are put into state 0 while the weights of their states are taken, so that the
bonds and triplets that hold both are alike before and after and cancel.

Random numbers: one xoroshiro64* lane a replica, one xoroshiro128+ stream for the pairs (Blackman &
Vigna 2021, doi:10.1145/3460772).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.compiled import kernel

if TYPE_CHECKING:
    from physlearn.lattice_models.replicas.pair_replicas import NeighbourGroups
    from physlearn.lattice_models.replicas.replica_layout import PartnerGroups

__all__ = ["ExchangeWeights", "Parts", "exchange_replica_sweeps"]

UInt8 = NDArray[np.uint8]
Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]
UInt32 = NDArray[np.uint32]
UInt64 = NDArray[np.uint64]
Single = NDArray[np.float32]

ROTATE_A, ROTATE_B, SHIFT = np.uint64(24), np.uint64(37), np.uint64(16)
BACK_A, BACK_B = np.uint64(40), np.uint64(27)
HALF_WORD = np.uint64(32)
LANE_ROTATE_A, LANE_BACK_A, LANE_SHIFT = np.uint32(26), np.uint32(6), np.uint32(9)
LANE_ROTATE_B, LANE_BACK_B, FACTOR = np.uint32(13), np.uint32(19), np.uint32(0x9E3779BB)
STEP = np.uint64(8)  # words, 64 replicas
W1, W2, W3, W4 = np.uint64(1), np.uint64(2), np.uint64(3), np.uint64(4)
W5, W6, W7 = np.uint64(5), np.uint64(6), np.uint64(7)
ONE_BYTE = np.uint8(1)
ZERO, HALF, ONE = np.float32(0.0), np.float32(0.5), np.float32(1.0)
ALL_WORDS = np.float32(4294967296.0)
LARGEST = np.float32(100.0)
# 2 ** z = 1 + z (C1 + z (C2 + ...)) on [0, 1), relative error below 1e-7 in single precision
C1, C2, C3 = np.float32(0.6931470444), np.float32(0.2402293056), np.float32(0.05548528052)
C4, C5, C6 = np.float32(0.009675451733), np.float32(0.001246784512), np.float32(0.0002161291898)
BIAS, MANTISSA = np.int32(127), np.int32(23)


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
def count_plane(
    out: UInt64, words: UInt64, row: Any, planes: Any, b: Any, entry: UInt64, begin: int, end: int
) -> None:
    """Count one group's neighbours whose plane ``b`` is 1 into plane ``b`` of bytes."""
    site = planes * row
    w = np.uint64(0)
    while w < row:
        e = begin
        at = b * row + w
        if end - e >= 4:
            put_four(
                out, at, words, entry[e] * site + at, entry[e + 1] * site + at,
                entry[e + 2] * site + at, entry[e + 3] * site + at,
            )  # fmt: skip
            e += 4
        else:
            put_two(out, at, words, entry[e] * site + at, entry[e + 1] * site + at)
            e += 2
        while e < end:
            add_two(out, at, words, entry[e] * site + at, entry[e + 1] * site + at)
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
def start_rise(rise: Single, a: int, value: Any) -> None:
    """Set a difference of log weights."""
    for r in range(rise.shape[1]):
        rise[a, r] = value


@kernel
def add_value(rise: Single, a: int, weight: Single, k: int, value: Any) -> None:
    """Add a number of the sites times its parameter."""
    for r in range(rise.shape[1]):
        rise[a, r] += weight[k, r] * value


@kernel
def add_group(
    rise: Single, a: int, base: Single, k: int, degree: Any, slope: Single, count: UInt8, sign: Any
) -> None:
    """Add or take away a term for each neighbour, and one for each in state 1."""
    for r in range(rise.shape[1]):
        rise[a, r] += sign * (base[k, a, r] * degree + slope[k, a, 0, r] * np.float32(count[0, r]))


@kernel
def add_count(rise: Single, a: int, slope: Single, k: int, b: int, count: UInt8, sign: Any) -> None:
    """Add or take away a term for each neighbour in one state."""
    for r in range(rise.shape[1]):
        rise[a, r] += sign * (slope[k, a, b, r] * np.float32(count[b, r]))


@kernel
def add_pairs(rise: Single, bend: Single, m: int, count: UInt8, sign: Any) -> None:
    """Add or take away a term for each counted pair of partners."""
    for r in range(rise.shape[1]):
        rise[0, r] += sign * (bend[m, r] * np.float32(count[0, r]))


@kernel
def lift(states: UInt8, site: int, old: UInt8, turn: int) -> None:
    """Keep the planes of a site and put it into state 0."""
    for a in range(states.shape[1]):
        for r in range(states.shape[2]):
            old[turn, a, r] = states[site, a, r]
            states[site, a, r] = 0


@kernel
def add_odds(odds: Single, rise: Single, a: int, old: UInt8) -> None:
    """Add one state's share to the log-odds of staying."""
    for r in range(odds.shape[0]):
        odds[r] += rise[a, r] * (np.float32(old[0, a, r]) - np.float32(old[1, a, r]))


@kernel
def draw_moves(moves: UInt8, odds: Single, lanes: UInt32) -> None:
    """Draw which replicas exchange, 255 or 0, from their log-odds of staying."""
    first = lanes[0]
    second = lanes[1]
    for r in range(moves.shape[0]):
        a = first[r]
        b = second[r]
        word = np.uint32(a * FACTOR)
        b = np.uint32(b ^ a)
        turned = np.uint32(np.uint32(a << LANE_ROTATE_A) | np.uint32(a >> LANE_BACK_A))
        first[r] = np.uint32(turned ^ b ^ np.uint32(b << LANE_SHIFT))
        second[r] = np.uint32(np.uint32(b << LANE_ROTATE_B) | np.uint32(b >> LANE_BACK_B))
        moves[r] = np.uint8(np.uint8(rises(word, odds[r])) - ONE_BYTE)


@kernel
def put_back(states: UInt8, site: int, other: int, old: UInt8, moves: UInt8) -> None:
    """Put the planes back, exchanged where the replica moves."""
    for a in range(states.shape[1]):
        for r in range(moves.shape[0]):
            change = (old[0, a, r] ^ old[1, a, r]) & moves[r]
            states[site, a, r] = old[0, a, r] ^ change
            states[other, a, r] = old[1, a, r] ^ change


class Parts(NamedTuple):
    """Sites that exchange with one another: site i's part and, one part after the other, members.

    ``members[member_start[p]:member_start[p + 1]]`` are the sites of part p that may change.
    """

    part: Int64
    member_start: Int64
    members: Int64


class ExchangeWeights(NamedTuple):
    """Log weights of ``state_replica_sweeps``, and of pairs of partners those of ``term_sweeps``.

    What is alike on all sites cancels and is left out. ``value`` (n_extra, n_sites, q - 1).
    """

    active: UInt8
    unlike: bool
    base: Single
    slope: Single
    bend: Single
    offset: Single
    weight: Single
    value: Single


@kernel
def exchange_replica_sweeps(
    states: UInt8,
    words: UInt64,
    sites: Int64,
    parts: Parts,
    groups: NeighbourGroups,
    partners: PartnerGroups,
    weights: ExchangeWeights,
    n_sweeps: int,
    lanes: UInt32,
    common: UInt64,
    old: UInt8,
    count: UInt8,
    count_words: UInt64,
) -> None:
    """Offer every site in turn an exchange with a random site of its part, in all replicas.

    ``old`` (2, q - 1, width) and ``count`` (q - 1, width) are scratch; ``count_words`` is the
    memory of ``count``.
    """
    part, member_start, members = parts
    active, unlike, base, slope, bend, offset, weight, value = weights
    group_start, kind, entry_start = groups.group_start, groups.kind, groups.entry_start
    pair_start, pair_entry_start, motif, pair = partners
    planes, width = states.shape[1], states.shape[2]
    row, n_planes = np.uint64(width // 8), np.uint64(planes)
    rise = np.zeros((planes, width), np.float32)
    odds = np.zeros(width, np.float32)
    moves = np.zeros(width, np.uint8)
    for _ in range(n_sweeps):
        for site in sites:
            begin = member_start[part[site]]
            size = np.uint64(member_start[part[site] + 1] - begin)
            at = ((next_word(common) >> HALF_WORD) * size) >> HALF_WORD
            other = members[begin + np.int64(at)]
            if other == site:
                continue
            lift(states, site, old, 0)
            lift(states, other, old, 1)
            for a in range(planes):
                start_rise(rise, a, offset[site, a] - offset[other, a])
                for k in range(value.shape[0]):
                    add_value(rise, a, weight, k, value[k, site, a] - value[k, other, a])
            for turn in range(2):
                here = site if turn == 0 else other
                sign = ONE if turn == 0 else -ONE
                for g in range(group_start[here], group_start[here + 1]):
                    k = kind[g]
                    if not active[k]:
                        continue
                    for b in range(planes):
                        count_plane(
                            count_words, words, row, n_planes, np.uint64(b), groups.entry,
                            entry_start[g], entry_start[g + 1],
                        )  # fmt: skip
                    for a in range(planes):
                        add_group(rise, a, base, k, groups.degree[g], slope, count, sign)
                        for b in range(1, planes):
                            add_count(rise, a, slope, k, b, count, sign)
                for g in range(pair_start[here], pair_start[here + 1]):
                    first, last = pair_entry_start[g], pair_entry_start[g + 1]
                    count_pairs(count_words, words, row, pair, first, last, unlike)
                    add_pairs(rise, bend, motif[g], count, sign)
            for r in range(width):
                odds[r] = ZERO
            for a in range(planes):
                add_odds(odds, rise, a, old)
            draw_moves(moves, odds, lanes)
            put_back(states, site, other, old, moves)
