"""Compiled sweeps of the two colours of a periodic square lattice, one byte a site.

A colour is an array int8, shape (rows, columns / 2 + 2), 1 up and 0 down: entry c + 1 of row i
holds the site in column 2 c + (i + colour) % 2; the first and the last entry repeat the other end
of the row. All neighbours of a colour have the other one, so a half sweep changes its sites in any
order with the same result, and eight, sixteen or sixty-four at once.

Random numbers: one xoroshiro64* (Blackman & Vigna 2021, doi:10.1145/3460772) lane a column of each
block of rows, uint32, shape (n_blocks, 2, columns / 2). Blocks are independent of each other within
a half sweep, so threads may share them out: the states do not depend on how.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.compiled import kernel

Int8 = NDArray[np.int8]
UInt32 = NDArray[np.uint32]

LANE_ROTATE_A, LANE_BACK_A, LANE_SHIFT = np.uint32(26), np.uint32(6), np.uint32(9)
LANE_ROTATE_B, LANE_BACK_B, FACTOR = np.uint32(13), np.uint32(19), np.uint32(0x9E3779BB)
ONE, TWO, THREE, FOUR = np.int8(1), np.int8(2), np.int8(3), np.int8(4)


@kernel
def checkerboard_half_sweep(
    colour: int,
    changing: Int8,
    fixed: Int8,
    thresholds: UInt32,
    lanes: UInt32,
    first_block: int,
    last_block: int,
) -> None:
    """Draw the sites of ``changing``, which has ``colour``, in a range of blocks of rows.

    ``thresholds`` (2, 5): 2 ** 32 times the probability of up for a site that is down (row 0) or
    up (row 1) now, by the number of its neighbours that are up. A site is up where the lane's word
    lies below. Two habits keep the loop in vector registers: a chain of selects in place of a table
    look-up, and rows sliced first (an index that might be negative would be wrapped).
    """
    rows = changing.shape[0]
    n = changing.shape[1] - 2
    n_blocks = lanes.shape[0]
    low_0, low_1, low_2 = thresholds[0, 0], thresholds[0, 1], thresholds[0, 2]
    low_3, low_4 = thresholds[0, 3], thresholds[0, 4]
    high_0, high_1, high_2 = thresholds[1, 0], thresholds[1, 1], thresholds[1, 2]
    high_3, high_4 = thresholds[1, 3], thresholds[1, 4]
    for block in range(first_block, last_block):
        first = lanes[block, 0]
        second = lanes[block, 1]
        for i in range(block * rows // n_blocks, (block + 1) * rows // n_blocks):
            shift = 2 * ((i + colour) % 2)  # 0: the fourth neighbour is on the left
            above = fixed[i - 1 if i > 0 else rows - 1, 1 : n + 1]
            below = fixed[i + 1 if i < rows - 1 else 0, 1 : n + 1]
            beside = fixed[i, 1 : n + 1]
            further = fixed[i, shift : n + shift]
            here = changing[i, 1 : n + 1]
            for c in range(n):
                a = first[c]
                b = second[c]
                word = np.uint32(a * FACTOR)
                b = np.uint32(b ^ a)
                turned = np.uint32(np.uint32(a << LANE_ROTATE_A) | np.uint32(a >> LANE_BACK_A))
                first[c] = np.uint32(turned ^ b ^ np.uint32(b << LANE_SHIFT))
                second[c] = np.uint32(np.uint32(b << LANE_ROTATE_B) | np.uint32(b >> LANE_BACK_B))
                count = np.int8(np.int8(above[c] + below[c]) + np.int8(beside[c] + further[c]))
                low = low_1 if count == ONE else low_0
                low = low_2 if count == TWO else low
                low = low_3 if count == THREE else low
                low = low_4 if count == FOUR else low
                high = high_1 if count == ONE else high_0
                high = high_2 if count == TWO else high
                high = high_3 if count == THREE else high
                high = high_4 if count == FOUR else high
                here[c] = np.int8(word < (high if here[c] == ONE else low))
            changing[i, 0] = changing[i, n]
            changing[i, n + 1] = changing[i, 1]


@kernel
def checkerboard_sweeps(
    even: Int8, odd: Int8, thresholds: UInt32, lanes: UInt32, n_sweeps: int
) -> None:
    """Draw every even site, then every odd one, ``n_sweeps`` times."""
    n_blocks = lanes.shape[0]
    for _ in range(n_sweeps):
        checkerboard_half_sweep(0, even, odd, thresholds, lanes, 0, n_blocks)
        checkerboard_half_sweep(1, odd, even, thresholds, lanes, 0, n_blocks)
