"""Compiled sweeps of many replicas of a lattice of q states; helpers live here too.

Replicas lie in the inner axis. States are planes of bytes: plane b - 1 of a site is 1 where it is
in state b = 1..q - 1, so that no plane is 1 in state 0; shape (n_sites + 1, q - 1, width), the
width a multiple of 64, the last row a site in state 0. The same memory seen as words of eight bytes
counts neighbours of one state in eight replicas with one addition, as in ``replica_kernels``, whose
groups of neighbours and lanes of random numbers these are.

Log weights are in single precision, relative to state 0, in units of log 2.
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

__all__ = ["StateWeights", "state_replica_statistics", "state_replica_sweeps"]

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
WORD = np.float32(2.0**-32)
BELOW_ONE = np.float32(1.0 - 2.0**-24)  # a mark at the total would draw an impossible last state
SMALLEST = np.float32(-120.0)
# 2 ** z = 1 + z (C1 + z (C2 + ...)) on [0, 1), relative error below 1e-7 in single precision
C1, C2, C3 = np.float32(0.6931470444), np.float32(0.2402293056), np.float32(0.05548528052)
C4, C5, C6 = np.float32(0.009675451733), np.float32(0.001246784512), np.float32(0.0002161291898)
BIAS, MANTISSA = np.int32(127), np.int32(23)


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
def start_height(height: Single, a: int, field: Single, offset: Any) -> None:
    """Set log weights to what does not depend on neighbours."""
    for r in range(height.shape[1]):
        height[a, r] = field[a, r] + offset


@kernel
def add_value(height: Single, a: int, weight: Single, k: int, value: Any) -> None:
    """Add a site's own number times its parameter."""
    for r in range(height.shape[1]):
        height[a, r] += weight[k, r] * value


@kernel
def add_group(
    height: Single, a: int, base: Single, k: int, degree: Any, slope: Single, count: UInt8
) -> None:
    """Add a term for each neighbour, and one for each in state 1."""
    for r in range(height.shape[1]):
        height[a, r] += base[k, a, r] * degree + slope[k, a, 0, r] * np.float32(count[0, r])


@kernel
def add_count(height: Single, a: int, slope: Single, k: int, b: int, count: UInt8) -> None:
    """Add a term for each neighbour in one state."""
    for r in range(height.shape[1]):
        height[a, r] += slope[k, a, b, r] * np.float32(count[b, r])


@kernel
def raise_top(top: Single, height: Single, a: int) -> None:
    """Keep the larger of two."""
    for r in range(top.shape[0]):
        top[r] = height[a, r] if height[a, r] > top[r] else top[r]


@kernel
def weight_of(below: Any) -> Any:
    """Return 2 to a power that is not above 0."""
    below = below if below > SMALLEST else SMALLEST
    whole = np.floor(below)
    z = below - whole
    power = ONE + z * (C1 + z * (C2 + z * (C3 + z * (C4 + z * (C5 + z * C6)))))
    return power * np.int32(np.int32(np.int32(whole) + BIAS) << MANTISSA).view(np.float32)


@kernel
def weigh_first(first: Single, top: Single) -> None:
    """Write the weight of state 0."""
    for r in range(first.shape[0]):
        first[r] = weight_of(-top[r])


@kernel
def weigh(height: Single, a: int, top: Single, before: Single) -> None:
    """Turn a log weight into the running sum of weights."""
    for r in range(top.shape[0]):
        height[a, r] = before[r] + weight_of(height[a, r] - top[r])


@kernel
def weigh_next(height: Single, a: int, top: Single) -> None:
    """Turn a log weight into the running sum of weights, which the state before holds."""
    for r in range(top.shape[0]):
        height[a, r] = height[a - 1, r] + weight_of(height[a, r] - top[r])


@kernel
def draw_mark(mark: Single, height: Single, lanes: UInt32) -> None:
    """Draw a point between 0 and the total weight, the last running sum."""
    last = height.shape[0] - 1
    first = lanes[0]
    second = lanes[1]
    for r in range(mark.shape[0]):
        a = first[r]
        b = second[r]
        word = np.uint32(a * FACTOR)
        b = np.uint32(b ^ a)
        turned = np.uint32(np.uint32(a << LANE_ROTATE_A) | np.uint32(a >> LANE_BACK_A))
        first[r] = np.uint32(turned ^ b ^ np.uint32(b << LANE_SHIFT))
        second[r] = np.uint32(np.uint32(b << LANE_ROTATE_B) | np.uint32(b >> LANE_BACK_B))
        share = (np.float32(word) + HALF) * WORD
        mark[r] = (share if share < BELOW_ONE else BELOW_ONE) * height[last, r]


@kernel
def set_planes(states: UInt8, site: int, mark: Single, first: Single, height: Single) -> None:
    """Set the plane whose state's share of the weights holds the mark."""
    planes = height.shape[0]
    for r in range(mark.shape[0]):
        states[site, 0, r] = np.uint8(mark[r] >= first[r])
    for a in range(planes - 1):
        for r in range(mark.shape[0]):
            beyond = np.uint8(mark[r] >= height[a, r])
            states[site, a, r] &= np.uint8(beyond ^ np.uint8(1))
            states[site, a + 1, r] = beyond


class StateWeights(NamedTuple):
    """Log weights in units of log 2, as ``state_replica_sweeps`` reads them."""

    base: Single
    slope: Single
    field: Single
    offset: Single
    weight: Single


@kernel
def state_replica_sweeps(
    states: UInt8,
    words: UInt64,
    sites: Int64,
    groups: NeighbourGroups,
    weights: StateWeights,
    value: Single,
    n_sweeps: int,
    lanes: UInt32,
    count: UInt8,
    count_words: UInt64,
) -> None:
    """Draw every site in turn from its distribution given its neighbours, in all replicas.

    Log weights of states 1..q - 1 against state 0: ``field`` (q - 1, width), ``offset``
    (n_sites, q - 1), ``weight`` (n_extra, width) times ``value`` (n_extra, n_sites, q - 1); of kind
    k of neighbours ``base[k]`` (q - 1, width) for each and ``slope[k, :, b]`` more, shape
    (n_kinds, q - 1, q - 1, width), for each in state b + 1. ``count`` (q - 1, width) is scratch,
    and ``count_words`` its memory. Helpers get whole arrays: rows cut out here cost more than they
    do.
    """
    base, slope, field, offset, weight = weights
    group_start, kind, entry_start = groups.group_start, groups.kind, groups.entry_start
    entry, degree = groups.entry, groups.degree
    planes, width = states.shape[1], states.shape[2]
    height = np.zeros((planes, width), np.float32)
    row, n_planes = np.uint64(width // 8), np.uint64(planes)
    top = np.zeros(width, np.float32)
    first = np.zeros(width, np.float32)
    mark = np.zeros(width, np.float32)
    for _ in range(n_sweeps):
        for site in sites:
            for a in range(planes):
                start_height(height, a, field, offset[site, a])
                for k in range(value.shape[0]):
                    add_value(height, a, weight, k, value[k, site, a])
            for g in range(group_start[site], group_start[site + 1]):
                k, begin, end = kind[g], entry_start[g], entry_start[g + 1]
                for b in range(planes):
                    count_plane(count_words, words, row, n_planes, np.uint64(b), entry, begin, end)
                for a in range(planes):
                    add_group(height, a, base, k, degree[g], slope, count)
                    for b in range(1, planes):
                        add_count(height, a, slope, k, b, count)
            for r in range(width):
                top[r] = ZERO
            for a in range(planes):
                raise_top(top, height, a)
            weigh_first(first, top)
            weigh(height, 0, top, first)
            for a in range(1, planes):
                weigh_next(height, a, top)
            draw_mark(mark, height, lanes)
            set_planes(states, site, mark, first, height)


@kernel
def add_all(out: Int64, count: UInt8, times: int) -> None:
    """Add byte counts, and start them anew."""
    for r in range(out.shape[0]):
        out[r] += times * np.int64(count[r])
        count[r] = 0


@kernel
def add_real(out: Float, here: UInt8, value: float) -> None:
    """Add a number where a plane is 1."""
    for r in range(out.shape[0]):
        out[r] += value * np.float64(here[r])


@kernel
def state_replica_statistics(
    states: UInt8,
    words: UInt64,
    ends: UInt64,
    run_start: Int64,
    run_class: Int64,
    run_times: Int64,
    value: Float,
    singles: Int64,
    margins: Int64,
    pairs: Int64,
    extra: Float,
    count: UInt8,
    count_words: UInt64,
) -> None:
    """Add numbers of states 1..q - 1, ``singles`` (q - 1, width), of their bonds, and ``extra``.

    ``margins`` (n_shells, q - 1, width): ends of bonds in each state. ``pairs`` (n_shells, q - 1,
    q - 1, width): bonds with one end in state a + 1 and the other in b + 1, for a <= b. ``extra``
    (n_extra, width): ``value`` (n_extra, n_sites, q - 1) of the states that are not 0. Runs hold at
    most 125 bonds (``ends``) of one class and multiplicity; ``count`` (width,) is scratch.
    """
    planes = states.shape[1]
    row = count_words.shape[0]
    n_sites = states.shape[0] - 1
    wide, site_words = np.uint64(row), np.uint64(row * planes)
    for r in range(count.shape[0]):
        count[r] = 0
    for a in range(planes):
        own = np.uint64(a) * wide
        for first in range(0, n_sites, 250):
            for site in range(first, min(first + 250, n_sites)):
                place = np.uint64(site) * site_words + own
                for w in range(row):
                    count_words[w] += words[place + np.uint64(w)]
            add_all(singles[a], count, 1)
        for k in range(value.shape[0]):
            for site in range(n_sites):
                add_real(extra[k], states[site, a], value[k, site, a])
    for run in range(run_class.shape[0]):
        shell, times = run_class[run], run_times[run]
        for a in range(planes):
            left_plane = np.uint64(a) * wide
            for bond in range(run_start[run], run_start[run + 1]):
                left = ends[bond, 0] * site_words + left_plane
                right = ends[bond, 1] * site_words + left_plane
                for w in range(row):
                    count_words[w] += words[left + np.uint64(w)] + words[right + np.uint64(w)]
            add_all(margins[shell, a], count, times)
            for b in range(a, planes):
                right_plane = np.uint64(b) * wide
                for bond in range(run_start[run], run_start[run + 1]):
                    left, right = ends[bond, 0] * site_words, ends[bond, 1] * site_words
                    for w in range(row):
                        at = np.uint64(w)
                        here = words[left + left_plane + at] & words[right + right_plane + at]
                        there = words[left + right_plane + at] & words[right + left_plane + at]
                        count_words[w] += here | there
                add_all(pairs[shell, a, b], count, times)
