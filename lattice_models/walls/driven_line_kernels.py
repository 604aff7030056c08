"""Compiled steps of an elastic line in a random medium; the kernel and its helpers live here.

One step is Heun's with the same noise in both halves (Platen & Kloeden 1992,
doi:10.1007/978-3-662-12616-5): of second order in time, and weakly so with noise.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.compiled import kernel

UInt64 = NDArray[np.uint64]
Float = NDArray[np.float64]

UNIT_STEP = 1.0 / 9007199254740992.0  # 2 ** -53
ROTATE_A, ROTATE_B, SHIFT = np.uint64(24), np.uint64(37), np.uint64(16)
BACK_A, BACK_B = np.uint64(40), np.uint64(27)
LOW_BITS, LAYER_BITS, LAYER_SHIFT = np.uint64(11), np.uint64(8), np.uint64(56)
PERIODIC, FREE, PINNED = 0, 1, 2


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
def fill_normal(out: Float, size: float, state: UInt64, ziggurat: Float) -> None:
    """Write ``size`` x ``normal(state, ziggurat)`` into every place of ``out``.

    The usual case stands here, with the generator in registers; it is a third of the time.
    """
    first = state[0]
    second = state[1]
    for i in range(out.shape[0]):
        word = first + second
        layer = np.uintp(word >> LAYER_SHIFT)
        place = 2.0 * (((word << LAYER_BITS) >> LOW_BITS) * UNIT_STEP) - 1.0
        if abs(place) < ziggurat[1, layer]:
            out[i] = size * (place * ziggurat[0, layer])
            second ^= first
            first = ((first << ROTATE_A) | (first >> BACK_A)) ^ second ^ (second << SHIFT)
            second = (second << ROTATE_B) | (second >> BACK_B)
        else:
            state[0] = first
            state[1] = second
            out[i] = size * normal(state, ziggurat)
            first = state[0]
            second = state[1]
    state[0] = first
    state[1] = second


@kernel
def line_force(
    heights: Float,
    pinning: Float,
    per_period: float,
    stiffness: float,
    drive: float,
    ends: int,
    force: Float,
) -> None:
    """Write stiffness x (second difference) + drive + pinning force into ``force``.

    ``pinning`` (n_points, n_knots + 2): coefficients of the quadratic B-spline of the force, the
    last ahead of the first and the first behind the last; of no width without medium.
    """
    n = heights.shape[0]
    left, here, right, inside = heights[:-2], heights[1:-1], heights[2:], force[1:-1]
    for i in range(inside.shape[0]):
        inside[i] = stiffness * ((right[i] - here[i]) - (here[i] - left[i])) + drive
    before = heights[n - 1] if ends == PERIODIC else heights[0]
    behind = heights[0] if ends == PERIODIC else heights[n - 1]
    force[0] = stiffness * ((heights[1] - heights[0]) - (heights[0] - before)) + drive
    force[n - 1] = (
        stiffness * ((behind - heights[n - 1]) - (heights[n - 1] - heights[n - 2])) + drive
    )
    n_knots = pinning.shape[1] - 2
    last = np.int32(n_knots - 1)
    if n_knots > 0:
        for i in range(n):
            turns = heights[i] * per_period
            place = (turns - np.floor(turns)) * n_knots
            knot = min(np.int32(place), last)
            part = place - knot
            rest = 1.0 - part
            k = np.uintp(knot)
            force[i] += (
                0.5 * rest * rest * pinning[i, k]
                + (0.5 + part * rest) * pinning[i, k + np.uintp(1)]
                + 0.5 * part * part * pinning[i, k + np.uintp(2)]
            )
    if ends == PINNED:
        force[0] = 0.0
        force[n - 1] = 0.0


@kernel
def line_steps(
    heights: Float,
    pinning: Float,
    per_period: float,
    stiffness: float,
    drive: float,
    ends: int,
    step: float,
    noise_size: float,
    n_steps: int,
    state: UInt64,
    ziggurat: Float,
    work: Float,
) -> None:
    """Move ``heights`` by ``n_steps``; ``step`` is mobility x time, ``work`` is (4, n_points)."""
    first, second, guess, noise = work[0], work[1], work[2], work[3]
    n = heights.shape[0]
    noise[:] = 0.0
    for _ in range(n_steps):
        if noise_size > 0.0:
            fill_normal(noise, noise_size, state, ziggurat)
            if ends == PINNED:
                noise[0] = 0.0
                noise[n - 1] = 0.0
        line_force(heights, pinning, per_period, stiffness, drive, ends, first)
        for i in range(n):
            guess[i] = heights[i] + (step * first[i] + noise[i])
        line_force(guess, pinning, per_period, stiffness, drive, ends, second)
        for i in range(n):
            heights[i] += 0.5 * step * (first[i] + second[i]) + noise[i]
