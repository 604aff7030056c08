"""Compiled sweeps of two bounding chains with common random numbers, in many replicas at once.

Heat bath of two states: a site becomes 1 where its random number lies below its chance, which rises
with its neighbours where all couplings are ferromagnetic. The chain from all 0 then stays below the
chain from all 1, and both below and above every other (Propp & Wilson 1996,
doi:10.1002/(SICI)1098-2418(199608/09)9:1/2<223::AID-RSA14>3.0.CO;2-O). Replicas lie in the inner
axis as in ``replica_kernels``, of which this file holds copies.

Random numbers: one xoroshiro64* lane a replica (Blackman & Vigna 2021, doi:10.1145/3460772),
uint32 of shape (2, width).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.compiled import kernel

__all__ = ["bounding_sweeps"]

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
ALL_WORDS = 4294967296.0
# 2 ** z = 1 + z (D1 + z (D2 + ...)) on [0, 1), relative error 1e-15
D1, D2, D3 = 0.6931471805598746, 0.2402265069621347, 0.05550410862020334
D4, D5, D6 = 0.009618129428104485, 0.001333354502220524, 0.00015403860705691386
D7, D8, D9 = 1.5247465000006732e-05, 1.3268455357901e-06, 9.860169676578767e-08
D10, D11 = 8.01518965087844e-09, 3.929837150140614e-10
LONG_BIAS, LONG_MANTISSA = np.int64(1023), np.int64(52)


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
def start_odds(odds: Float, field: Float, offset: float) -> None:
    """Set log-odds to what does not depend on neighbours."""
    for r in range(odds.shape[0]):
        odds[r] = field[r] + offset


@kernel
def add_value(odds: Float, weight: Float, k: int, value: float) -> None:
    """Add a site's own number times its parameter."""
    for r in range(odds.shape[0]):
        odds[r] += weight[k, r] * value


@kernel
def add_group(odds: Float, base: Float, slope: Float, k: int, degree: float, count: UInt8) -> None:
    """Add a term for each neighbour, and one for each that is 1."""
    for r in range(odds.shape[0]):
        odds[r] += base[k, r] * degree + slope[k, r] * np.float64(count[r])


@kernel
def find_levels(odds: Float) -> None:
    """Turn log-odds, in units of log 2, into the chance of state 1 times 2 ** 32."""
    for r in range(odds.shape[0]):
        height = abs(odds[r])
        height = height if height < 1000.0 else 1000.0
        whole = np.int64(height)
        z = height - whole
        power = D6 + z * (D7 + z * (D8 + z * (D9 + z * (D10 + z * D11))))
        power = 1.0 + z * (D1 + z * (D2 + z * (D3 + z * (D4 + z * (D5 + z * power)))))
        rare = 1.0 / (1.0 + power * np.int64((whole + LONG_BIAS) << LONG_MANTISSA).view(np.float64))
        odds[r] = ALL_WORDS * (1.0 - rare if odds[r] > 0.0 else rare)


@kernel
def draw_both(low: UInt8, high: UInt8, low_level: Float, high_level: Float, lanes: UInt32) -> None:
    """Draw one site of both chains of all replicas with the same random numbers."""
    first = lanes[0]
    second = lanes[1]
    for r in range(low.shape[0]):
        a = first[r]
        b = second[r]
        word = np.uint32(a * FACTOR)
        b = np.uint32(b ^ a)
        turned = np.uint32(np.uint32(a << LANE_ROTATE_A) | np.uint32(a >> LANE_BACK_A))
        first[r] = np.uint32(turned ^ b ^ np.uint32(b << LANE_SHIFT))
        second[r] = np.uint32(np.uint32(b << LANE_ROTATE_B) | np.uint32(b >> LANE_BACK_B))
        mark = np.float64(word) + 0.5
        low[r] = np.uint8(mark < low_level[r])
        high[r] = np.uint8(mark < high_level[r])


@kernel
def bounding_sweeps(
    low: UInt8,
    low_words: UInt64,
    high: UInt8,
    high_words: UInt64,
    sites: Int64,
    group_start: Int64,
    entry_start: Int64,
    kind: Int32,
    degree: Single,
    entry: UInt64,
    base: Float,
    slope: Float,
    field: Float,
    offset: Float,
    weight: Float,
    value: Float,
    n_sweeps: int,
    lanes: UInt32,
    count: UInt8,
    count_words: UInt64,
) -> None:
    """Draw every site of both chains in turn, ``n_sweeps`` times; tables as in ``term_sweeps``."""
    row = np.uint64(count_words.shape[0])
    low_odds, high_odds = np.zeros(count.shape[0]), np.zeros(count.shape[0])
    for _ in range(n_sweeps):
        for site in sites:
            start_odds(low_odds, field, offset[site])
            for k in range(value.shape[0]):
                add_value(low_odds, weight, k, value[k, site])
            for r in range(low_odds.shape[0]):
                high_odds[r] = low_odds[r]
            for g in range(group_start[site], group_start[site + 1]):
                k, begin, end = kind[g], entry_start[g], entry_start[g + 1]
                count_group(count_words, low_words, row, entry, begin, end)
                add_group(low_odds, base, slope, k, degree[g], count)
                count_group(count_words, high_words, row, entry, begin, end)
                add_group(high_odds, base, slope, k, degree[g], count)
            find_levels(low_odds)
            find_levels(high_odds)
            draw_both(low[site], high[site], low_odds, high_odds, lanes)
