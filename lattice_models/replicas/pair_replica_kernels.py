"""Compiled sweeps and statistics of many replicas of one lattice; their helpers live here too.

Replicas lie in the inner axis, bytes 1 (up) and 0 (down) of shape (n_sites + 1, width), the width a
multiple of 64; the last row is a site that is always down. The same memory seen as one row of words
of eight bytes, site by site, counts the up neighbours of eight replicas with one addition.

Neighbours come in groups of one site and one kind of bond, at most 250 to a group: group g is
``entry[entry_start[g]:entry_start[g + 1]]`` (padded to an even number with the site that is down),
site i owns the groups ``group_start[i]:group_start[i + 1]``.

Random numbers: one xoroshiro64* lane a replica (Blackman & Vigna 2021, doi:10.1145/3460772),
uint32 of shape (2, width).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.compiled import kernel

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
ZERO, HALF, ONE, TWO = np.float32(0.0), np.float32(0.5), np.float32(1.0), np.float32(2.0)
ALL_WORDS = np.float32(4294967296.0)
LARGEST = np.float32(100.0)
# 2 ** z = 1 + z (C1 + z (C2 + ...)) on [0, 1), relative error below 1e-7 in single precision
C1, C2, C3 = np.float32(0.6931470444), np.float32(0.2402293056), np.float32(0.05548528052)
C4, C5, C6 = np.float32(0.009675451733), np.float32(0.001246784512), np.float32(0.0002161291898)
BIAS, MANTISSA = np.int32(127), np.int32(23)
# the same in double precision, relative error 1e-15
D1, D2, D3 = 0.6931471805598746, 0.2402265069621347, 0.05550410862020334
D4, D5, D6 = 0.009618129428104485, 0.001333354502220524, 0.00015403860705691386
D7, D8, D9 = 1.5247465000006732e-05, 1.3268455357901e-06, 9.860169676578767e-08
D10, D11 = 8.01518965087844e-09, 3.929837150140614e-10
LONG_BIAS, LONG_MANTISSA = np.int64(1023), np.int64(52)
TWO_OVER_LOG_2 = 2.8853900817779268


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
def add_group(around: Single, strength: Single, count: UInt8, degree: Any) -> None:
    """Add J times the sum of ``degree`` states to the local fields."""
    for r in range(around.shape[0]):
        around[r] += strength[r] * (np.float32(count[r]) * TWO - degree)


@kernel
def start_field(around: Single, field: Single, offset: Any) -> None:
    """Set the local fields to what does not depend on neighbours."""
    for r in range(around.shape[0]):
        around[r] = field[r] + offset


@kernel
def draw_row(here: UInt8, around: Single, lanes: UInt32) -> None:
    """Draw one site of all replicas from their local fields."""
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
        here[r] = np.uint8(rises(word, around[r]))


@kernel
def replica_sweeps(
    states: UInt8,
    words: UInt64,
    sites: Int64,
    group_start: Int64,
    entry_start: Int64,
    kind: Int32,
    degree: Single,
    entry: UInt64,
    strength: Single,
    field: Single,
    offset: Single,
    n_sweeps: int,
    lanes: UInt32,
    around: Single,
    count: UInt8,
    count_words: UInt64,
) -> None:
    """Draw every site in turn from its distribution given its neighbours, in all replicas.

    ``strength`` (n_kinds, width) and ``field`` (1 or n_sites, width) are 2 log2(e) times J and h,
    ``offset`` (n_sites,) too. ``words`` and ``count_words`` are the memory of ``states`` and
    ``count`` as words; ``around`` and ``count`` (width,) are scratch.
    """
    row = np.uint64(count_words.shape[0])
    own_field = field.shape[0] > 1
    for _ in range(n_sweeps):
        for site in sites:
            start_field(around, field[site if own_field else 0], offset[site])
            for g in range(group_start[site], group_start[site + 1]):
                count_group(count_words, words, row, entry, entry_start[g], entry_start[g + 1])
                add_group(around, strength[kind[g]], count, degree[g])
            draw_row(states[site], around, lanes)


@kernel
def add_one(out: UInt64, w: Any, words: UInt64, a: Any) -> None:
    """Add a row of eight words."""
    out[w] += words[a]
    out[w + W1] += words[a + W1]
    out[w + W2] += words[a + W2]
    out[w + W3] += words[a + W3]
    out[w + W4] += words[a + W4]
    out[w + W5] += words[a + W5]
    out[w + W6] += words[a + W6]
    out[w + W7] += words[a + W7]


@kernel
def add_unlike(out: UInt64, w: Any, words: UInt64, a: Any, b: Any) -> None:
    """Count where two rows of eight words differ."""
    out[w] += words[a] ^ words[b]
    out[w + W1] += words[a + W1] ^ words[b + W1]
    out[w + W2] += words[a + W2] ^ words[b + W2]
    out[w + W3] += words[a + W3] ^ words[b + W3]
    out[w + W4] += words[a + W4] ^ words[b + W4]
    out[w + W5] += words[a + W5] ^ words[b + W5]
    out[w + W6] += words[a + W6] ^ words[b + W6]
    out[w + W7] += words[a + W7] ^ words[b + W7]


@kernel
def replica_statistics(
    words: UInt64,
    n_sites: int,
    ends: UInt64,
    run_start: Int64,
    run_class: Int64,
    run_times: Int64,
    total: Int64,
    count: UInt8,
    count_words: UInt64,
) -> None:
    """Add sum s and, per class, sum over bonds of s s' to ``total`` (1 + n_classes, width).

    ``ends`` (n_bonds, 2), sorted into runs of at most 250 bonds of one class and multiplicity.
    """
    row = np.uint64(count_words.shape[0])
    width = count.shape[0]
    for first in range(0, n_sites, 250):
        last = min(first + 250, n_sites)
        count_words[:] = np.uint64(0)
        for site in range(first, last):
            w = np.uint64(0)
            while w < row:
                add_one(count_words, w, words, np.uint64(site) * row + w)
                w += STEP
        for r in range(width):
            total[0, r] += 2 * np.int64(count[r]) - (last - first)
    for run in range(run_class.shape[0]):
        bonds = run_start[run + 1] - run_start[run]
        times = run_times[run]
        sums = total[1 + run_class[run]]
        count_words[:] = np.uint64(0)
        for bond in range(run_start[run], run_start[run + 1]):
            w = np.uint64(0)
            while w < row:
                add_unlike(count_words, w, words, ends[bond, 0] * row + w, ends[bond, 1] * row + w)
                w += STEP
        for r in range(width):
            sums[r] += times * (bonds - 2 * np.int64(count[r]))


@kernel
def hyperbolic_tangents(around: Float, mean: Float) -> None:
    """Write tanh of every number, by a polynomial that is computed eight at a time."""
    for r in range(around.shape[0]):
        height = abs(around[r]) * TWO_OVER_LOG_2
        height = height if height < 1000.0 else 1000.0
        whole = np.int64(height)
        z = height - whole
        power = D6 + z * (D7 + z * (D8 + z * (D9 + z * (D10 + z * D11))))
        power = 1.0 + z * (D1 + z * (D2 + z * (D3 + z * (D4 + z * (D5 + z * power)))))
        scale = np.int64((whole + LONG_BIAS) << LONG_MANTISSA).view(np.float64)
        size = 1.0 - 2.0 / (1.0 + power * scale)
        mean[r] = size if around[r] >= 0.0 else -size


@kernel
def multiply_add(out: Float, left: Float, right: Float) -> None:
    """Add the products of two rows."""
    for r in range(out.shape[0]):
        out[r] += left[r] * right[r]


@kernel
def add_counts(out: Float, times: float, count: UInt8, degree: Any) -> None:
    """Add the sum of ``degree`` states times their multiplicity."""
    for r in range(out.shape[0]):
        out[r] += times * (2.0 * np.float64(count[r]) - np.float64(degree))


@kernel
def replica_scores(
    states: UInt8,
    words: UInt64,
    sites: Int64,
    group_start: Int64,
    entry_start: Int64,
    kind: Int32,
    degree: Single,
    entry: UInt64,
    shell: Int64,
    times: Float,
    parameters: Float,
    score: Float,
    curvature: Float,
    count: UInt8,
    count_words: UInt64,
) -> None:
    """Add gradient and negative Hessian of the log pseudolikelihood of every replica.

    ``parameters`` (d, width): field, then couplings; ``score`` (d, width) and ``curvature``
    (d, d, width; its lower triangle). Only ``sites`` are terms, all sites are neighbours.
    ``shell`` and ``times`` (n_kinds,) say what a kind of bond is.
    """
    row = np.uint64(count_words.shape[0])
    d, width = parameters.shape
    sums = np.zeros((d, width))
    around = np.zeros(width)
    mean = np.zeros(width)
    weight = np.zeros(width)
    for site in sites:
        sums[:] = 0.0
        sums[0] = 1.0
        for g in range(group_start[site], group_start[site + 1]):
            count_group(count_words, words, row, entry, entry_start[g], entry_start[g + 1])
            add_counts(sums[1 + shell[kind[g]]], times[kind[g]], count, degree[g])
        around[:] = 0.0
        for k in range(d):
            multiply_add(around, parameters[k], sums[k])
        hyperbolic_tangents(around, mean)
        here = states[site]
        for r in range(width):
            weight[r] = 1.0 - mean[r] * mean[r]
            mean[r] = 2.0 * np.float64(here[r]) - 1.0 - mean[r]
        for k in range(d):
            multiply_add(score[k], sums[k], mean)
            for r in range(width):
                around[r] = weight[r] * sums[k, r]
            for m in range(k + 1):
                multiply_add(curvature[k, m], sums[m], around)
