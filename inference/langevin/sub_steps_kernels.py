"""Kernels of short runs from observed places: neighbours, tabulated forces, Heun's sub-steps.

Eight runs stand side by side in the last axis: lanes 0 to 3 get a noise, lanes 4 to 7 its negative.
A pair's force over its distance is read from a table in the squared distance, one row of values
and slopes for each kind of pair: one kernel serves every family.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.compiled import kernel

__all__ = ["lane_features", "list_frame_pairs", "move_lanes"]

Float = NDArray[np.float64]
Int64 = NDArray[np.int64]
UInt64 = NDArray[np.uint64]

UNIT_STEP = 1.0 / 9007199254740992.0  # 2 ** -53
ROTATE_A, ROTATE_B, SHIFT = np.uint64(24), np.uint64(37), np.uint64(16)
BACK_A, BACK_B = np.uint64(40), np.uint64(27)
LOW_BITS, LAYER_BITS, LAYER_SHIFT = np.uint64(11), np.uint64(8), np.uint64(56)
LANES = 8
HALF = 4


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
def normal(state: UInt64, ziggurat: Float) -> Any:
    """Return the next standard normal number; ``ziggurat`` comes from ``ziggurat_tables``."""
    while True:
        word = next_word(state)
        layer = np.int64(word >> LAYER_SHIFT)
        place = 2.0 * (((word << LAYER_BITS) >> LOW_BITS) * UNIT_STEP) - 1.0
        value = place * ziggurat[0, layer]
        if abs(place) < ziggurat[1, layer]:
            return value
        if layer == 0:
            while True:
                beyond = -np.log(1.0 - uniform(state)) / ziggurat[0, 1]
                if -2.0 * np.log(1.0 - uniform(state)) > beyond * beyond:
                    tail = ziggurat[0, 1] + beyond
                    return tail if place > 0.0 else -tail
        lower = np.exp(-0.5 * (ziggurat[0, layer] * ziggurat[0, layer] - value * value))
        upper = np.exp(-0.5 * (ziggurat[0, layer + 1] * ziggurat[0, layer + 1] - value * value))
        if upper + uniform(state) * (lower - upper) < 1.0:
            return value


@kernel
def list_frame_pairs(
    places: Float,
    box: Float,
    reach: float,
    start: Int64,
    other: Int64,
    shift: Float,
    cells: Int64,
) -> Any:
    """List for each i the j < i closer than ``reach``; return how many pairs there are.

    ``shift``: what to subtract from x_i - x_j for the nearest image. A count above ``other.size``
    means that the rest found no room. ``cells``: room for one number a particle.
    """
    n, d = places.shape
    low, width = np.zeros(3), np.ones(3)
    count = np.ones(3, dtype=np.int64)
    for c in range(d):
        extent = box[c]
        if extent == 0.0:
            low[c] = places[0, c]
            high = places[0, c]
            for i in range(n):
                low[c] = min(low[c], places[i, c])
                high = max(high, places[i, c])
            extent = 1.000001 * (high - low[c]) + 1e-9 * reach
        count[c] = max(1, min(int(extent / reach), 1 + int(n ** (1.0 / d))))
        if box[c] > 0.0 and count[c] < 3:
            count[c] = 1
        width[c] = extent / count[c]
    head = np.full(count[0] * count[1] * count[2], -1, dtype=np.int64)
    at = np.zeros(3, dtype=np.int64)
    m = 0
    for i in range(n):
        for c in range(d):
            x = places[i, c] - low[c]
            if box[c] > 0.0:
                x -= math.floor(x / box[c]) * box[c]
            at[c] = min(int(x / width[c]), count[c] - 1)
        start[i] = m
        for a in range(-1 if count[0] > 1 else 0, 2 if count[0] > 1 else 1):
            for b in range(-1 if count[1] > 1 else 0, 2 if count[1] > 1 else 1):
                for e in range(-1 if count[2] > 1 else 0, 2 if count[2] > 1 else 1):
                    ca, cb, ce = at[0] + a, at[1] + b, at[2] + e
                    if box[0] > 0.0:
                        ca, cb = (ca + count[0]) % count[0], (cb + count[1]) % count[1]
                        ce = (ce + count[2]) % count[2]
                    elif min(ca, cb, ce) < 0 or ca >= count[0] or cb >= count[1] or ce >= count[2]:
                        continue
                    j = head[(ca * count[1] + cb) * count[2] + ce]
                    while j >= 0:
                        square = 0.0
                        for c in range(d):
                            x = places[i, c] - places[j, c]
                            if box[c] > 0.0:
                                x -= box[c] * np.rint(x / box[c])
                            square += x * x
                        if square < reach * reach:
                            if m < other.size:
                                other[m] = j
                                for c in range(d):
                                    x = places[i, c] - places[j, c]
                                    shift[m, c] = 0.0
                                    if box[c] > 0.0:
                                        shift[m, c] = box[c] * np.rint(x / box[c])
                            m += 1
                        j = cells[j]
        home = (at[0] * count[1] + at[1]) * count[2] + at[2]
        cells[i] = head[home]
        head[home] = i
    start[n] = m
    return m


@kernel
def lane_forces(
    lanes: Float,
    force: Float,
    start: Int64,
    other: Int64,
    shift: Float,
    kinds: Int64,
    flat: Float,
    size: int,
    scale: float,
) -> None:
    """Fill the pair forces of all lanes, shape (n, d, 8)."""
    n, d = lanes.shape[0], lanes.shape[1]
    last = size - 1
    force[:] = 0.0
    for i in range(n):
        for q in range(start[i], start[i + 1]):
            j = other[q]
            base = 2 * size * kinds[q]
            sx, sy = shift[q, 0], shift[q, 1]
            if d == 2:
                for k in range(LANES):
                    x = lanes[i, 0, k] - lanes[j, 0, k] - sx
                    y = lanes[i, 1, k] - lanes[j, 1, k] - sy
                    place = (x * x + y * y) * scale
                    if place < last:
                        row = int(place)
                        f = flat[base + 2 * row] + (place - row) * flat[base + 2 * row + 1]
                        force[i, 0, k] += f * x
                        force[i, 1, k] += f * y
                        force[j, 0, k] -= f * x
                        force[j, 1, k] -= f * y
            else:
                sz = shift[q, 2]
                for k in range(LANES):
                    x = lanes[i, 0, k] - lanes[j, 0, k] - sx
                    y = lanes[i, 1, k] - lanes[j, 1, k] - sy
                    z = lanes[i, 2, k] - lanes[j, 2, k] - sz
                    place = (x * x + y * y + z * z) * scale
                    if place < last:
                        row = int(place)
                        f = flat[base + 2 * row] + (place - row) * flat[base + 2 * row + 1]
                        force[i, 0, k] += f * x
                        force[i, 1, k] += f * y
                        force[i, 2, k] += f * z
                        force[j, 0, k] -= f * x
                        force[j, 1, k] -= f * y
                        force[j, 2, k] -= f * z


@kernel
def move_lanes(
    lanes: Float,
    force: Float,
    again: Float,
    start: Int64,
    other: Int64,
    shift: Float,
    kinds: Int64,
    flat: Float,
    size: int,
    numbers: Float,
    n_steps: int,
    n_draws: int,
    state: UInt64,
    ziggurat: Float,
) -> None:
    """Move eight runs by ``n_steps`` of Heun's scheme, from equal or different places.

    ``numbers``: diffusion, step, table rows per squared distance. ``n_draws``: normal numbers
    summed into one step's noise; runs with half the steps and twice the draws share the noise.
    ``force``, ``again``: room, shape of ``lanes``.
    """
    n, d = lanes.shape[0], lanes.shape[1]
    diffusion, step, scale = numbers[0], numbers[1], numbers[2]
    drift = diffusion * step
    spread = math.sqrt(2.0 * diffusion * step / n_draws)
    for _ in range(n_steps):
        lane_forces(lanes, force, start, other, shift, kinds, flat, size, scale)
        again[:] = 0.0
        for _ in range(n_draws):
            for i in range(n):
                for c in range(d):
                    for k in range(HALF):
                        again[i, c, k] += normal(state, ziggurat)
        for i in range(n):
            for c in range(d):
                for k in range(HALF):
                    noise = spread * again[i, c, k]
                    lanes[i, c, k] += drift * force[i, c, k] + noise
                    lanes[i, c, HALF + k] += drift * force[i, c, HALF + k] - noise
        lane_forces(lanes, again, start, other, shift, kinds, flat, size, scale)
        for i in range(n):
            for c in range(d):
                for k in range(LANES):
                    lanes[i, c, k] += 0.5 * drift * (again[i, c, k] - force[i, c, k])


@kernel
def lane_features(
    lanes: Float,
    begin: Float,
    use: Int64,
    common: int,
    start: Int64,
    other: Int64,
    shift: Float,
    kinds: Int64,
    first: Int64,
    flat: Float,
    size: int,
    width: int,
    scale: float,
    sums: Float,
) -> None:
    """Fill the sums over pairs of tabulated functions, and the squared displacements, by lane.

    ``sums``: shape (p + 1, 8); ``first``: the first function of each kind, and their number at the
    end; ``flat``: values of ``width`` functions, then their slopes, for each kind and row. Only
    particles with ``use`` = 1 count; with ``common`` = 1 their common displacement is taken away.
    ``begin``: (n, d).
    """
    n, d = lanes.shape[0], lanes.shape[1]
    last = size - 1
    sums[:] = 0.0
    mean = np.zeros((d, LANES))
    n_used = 0
    for i in range(n):
        if use[i] == 0:
            continue
        n_used += 1
        for c in range(d):
            for k in range(LANES):
                mean[c, k] += lanes[i, c, k] - begin[i, c]
        for q in range(start[i], start[i + 1]):
            j = other[q]
            if use[j] == 0:
                continue
            kind = kinds[q]
            n_functions = first[kind + 1] - first[kind]
            for k in range(LANES):
                square = 0.0
                for c in range(d):
                    x = lanes[i, c, k] - lanes[j, c, k] - shift[q, c]
                    square += x * x
                place = square * scale
                if place < last:
                    row = int(place)
                    at = 2 * width * (size * kind + row)
                    for p in range(n_functions):
                        value = flat[at + p] + (place - row) * flat[at + width + p]
                        sums[first[kind] + p, k] += value
    p = sums.shape[0] - 1
    for c in range(d):
        for k in range(LANES):
            mean[c, k] *= common / max(n_used, 1)
    for i in range(n):
        if use[i] == 1:
            for c in range(d):
                for k in range(LANES):
                    x = lanes[i, c, k] - begin[i, c] - mean[c, k]
                    sums[p, k] += x * x
