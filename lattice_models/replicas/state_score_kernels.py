"""Compiled scores of the pseudolikelihood of many replicas of q states; helpers live here too.

Replicas lie in the inner axis, states in planes of bytes as in ``state_replica_kernels``, of which
this file holds copies. Sums are in double precision.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.compiled import kernel

__all__ = ["state_scores"]

UInt8 = NDArray[np.uint8]
Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]
UInt64 = NDArray[np.uint64]
Single = NDArray[np.float32]
Float = NDArray[np.float64]

STEP = np.uint64(8)  # words, 64 replicas
W1, W2, W3, W4 = np.uint64(1), np.uint64(2), np.uint64(3), np.uint64(4)
W5, W6, W7 = np.uint64(5), np.uint64(6), np.uint64(7)
# 2 ** z = 1 + z (D1 + z (D2 + ...)) on [0, 1), relative error 1e-15
D1, D2, D3 = 0.6931471805598746, 0.2402265069621347, 0.05550410862020334
D4, D5, D6 = 0.009618129428104485, 0.001333354502220524, 0.00015403860705691386
D7, D8, D9 = 1.5247465000006732e-05, 1.3268455357901e-06, 9.860169676578767e-08
D10, D11 = 8.01518965087844e-09, 3.929837150140614e-10
LONG_BIAS, LONG_MANTISSA = np.int64(1023), np.int64(52)
ONE_OVER_LOG_2, SMALLEST = 1.4426950408889634, -700.0


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
def add_counts(near: Float, s: int, b: int, times: float, count: UInt8) -> None:
    """Add byte counts of plane ``b`` times their multiplicity."""
    for r in range(near.shape[2]):
        near[s, b + 1, r] += times * np.float64(count[b, r])


@kernel
def add_degree(near: Float, s: int, degree: float) -> None:
    """Add to the number of neighbours."""
    for r in range(near.shape[2]):
        near[s, 0, r] += degree


@kernel
def fill(feature: Float, k: int, a: int, value: float) -> None:
    """Set a feature to one value."""
    for r in range(feature.shape[2]):
        feature[k, a, r] = value


@kernel
def add_near(feature: Float, k: int, a: int, factor: float, near: Float, s: int, b: int) -> None:
    """Add a multiple of a count of neighbours to a feature."""
    for r in range(feature.shape[2]):
        feature[k, a, r] += factor * near[s, b, r]


@kernel
def add_height(height: Float, a: int, parameters: Float, feature: Float, k: int) -> None:
    """Add a parameter times its feature to a log weight."""
    for r in range(height.shape[1]):
        height[a, r] += parameters[k, r] * feature[k, a, r]


@kernel
def power_of_e(height: Any) -> Any:
    """Return exp of a number that is not above 0, by a polynomial of eight numbers at a time."""
    below = max(height, SMALLEST) * ONE_OVER_LOG_2
    whole = np.floor(below)
    z = below - whole
    power = D6 + z * (D7 + z * (D8 + z * (D9 + z * (D10 + z * D11))))
    power = 1.0 + z * (D1 + z * (D2 + z * (D3 + z * (D4 + z * (D5 + z * power)))))
    scale = np.int64((np.int64(whole) + LONG_BIAS) << LONG_MANTISSA).view(np.float64)
    return power * scale


@kernel
def find_top(height: Float, top: Float) -> None:
    """Find the largest log weight, 0 being that of state 0."""
    for r in range(top.shape[0]):
        top[r] = 0.0
    for a in range(height.shape[0]):
        for r in range(top.shape[0]):
            top[r] = height[a, r] if height[a, r] > top[r] else top[r]


@kernel
def normalise(height: Float, top: Float, total: Float) -> None:
    """Turn log weights against state 0 into probabilities."""
    find_top(height, top)
    for r in range(top.shape[0]):
        total[r] = power_of_e(-top[r])
    for a in range(height.shape[0]):
        for r in range(top.shape[0]):
            height[a, r] = power_of_e(height[a, r] - top[r])
        for r in range(top.shape[0]):
            total[r] += height[a, r]
    for r in range(top.shape[0]):
        total[r] = 1.0 / total[r]
    for a in range(height.shape[0]):
        for r in range(top.shape[0]):
            height[a, r] *= total[r]


@kernel
def add_mean(mean: Float, k: int, height: Float, a: int, feature: Float) -> None:
    """Add one state's share of a feature's mean."""
    for r in range(mean.shape[1]):
        mean[k, r] += height[a, r] * feature[k, a, r]


@kernel
def add_own(score: Float, k: int, states: UInt8, site: int, a: int, feature: Float) -> None:
    """Add a feature where the site is in its state."""
    for r in range(score.shape[1]):
        score[k, r] += np.float64(states[site, a, r]) * feature[k, a, r]


@kernel
def take_mean(score: Float, k: int, mean: Float) -> None:
    """Take a feature's mean away."""
    for r in range(score.shape[1]):
        score[k, r] -= mean[k, r]


@kernel
def add_product(curvature: Float, k: int, m: int, height: Float, a: int, feature: Float) -> None:
    """Add one state's share of the mean of a product."""
    for r in range(height.shape[1]):
        curvature[k, m, r] += height[a, r] * feature[k, a, r] * feature[m, a, r]


@kernel
def take_product(curvature: Float, k: int, m: int, mean: Float) -> None:
    """Take the product of two means away."""
    for r in range(mean.shape[1]):
        curvature[k, m, r] -= mean[k, r] * mean[m, r]


@kernel
def state_scores(
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
    site_table: Float,
    pair_table: Float,
    value: Float,
    parameters: Float,
    score: Float,
    curvature: Float,
    count: UInt8,
    count_words: UInt64,
) -> None:
    """Add gradient and negative Hessian of the log pseudolikelihood of every replica.

    The log weight of state a + 1 of a site against state 0 is the sum over parameters (d, width) of
    ``site_table[k, a]``, of ``pair_table[k, shell, a, 0]`` for each neighbour and ``pair_table[k,
    shell, a, b + 1]`` more where it is in state b + 1, and, for the last n_extra, of ``value``
    (n_extra, n_sites, q - 1). ``score`` (d, width) and ``curvature`` (d, d, width; its lower
    triangle). Only ``sites`` are terms.
    """
    planes, width = states.shape[1], states.shape[2]
    d_family, n_shells = pair_table.shape[0], pair_table.shape[1]
    d = parameters.shape[0]
    row, n_planes = np.uint64(width // 8), np.uint64(planes)
    near = np.zeros((n_shells, planes + 1, width))
    feature = np.zeros((d, planes, width))
    height = np.zeros((planes, width))
    mean = np.zeros((d, width))
    top, total = np.zeros(width), np.zeros(width)
    for site in sites:
        near[:] = 0.0
        height[:] = 0.0
        mean[:] = 0.0
        for g in range(group_start[site], group_start[site + 1]):
            k, s = kind[g], shell[kind[g]]
            add_degree(near, s, times[k] * np.float64(degree[g]))
            for b in range(planes):
                count_plane(
                    count_words, words, row, n_planes, np.uint64(b), entry, entry_start[g],
                    entry_start[g + 1],
                )  # fmt: skip
                add_counts(near, s, b, times[k], count)
        for k in range(d):
            for a in range(planes):
                if k >= d_family:
                    fill(feature, k, a, value[k - d_family, site, a])
                else:
                    fill(feature, k, a, site_table[k, a])
                    for s in range(n_shells):
                        for b in range(planes + 1):
                            if pair_table[k, s, a, b] != 0.0:
                                add_near(feature, k, a, pair_table[k, s, a, b], near, s, b)
                add_height(height, a, parameters, feature, k)
        normalise(height, top, total)
        for k in range(d):
            for a in range(planes):
                add_mean(mean, k, height, a, feature)
                add_own(score, k, states, site, a, feature)
            take_mean(score, k, mean)
            for m in range(k + 1):
                for a in range(planes):
                    add_product(curvature, k, m, height, a, feature)
                take_product(curvature, k, m, mean)
