"""The local part of a spectral step, and its random numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.kernels import kernel

__all__ = ["fill_normal", "local_force", "local_vector_force"]

Real = NDArray[Any]
UInt64 = NDArray[np.uint64]
Float = NDArray[np.float64]

UNIT_STEP = 1.0 / 9007199254740992.0  # 2 ** -53
ROTATE_A, ROTATE_B, SHIFT = np.uint64(24), np.uint64(37), np.uint64(16)
BACK_A, BACK_B = np.uint64(40), np.uint64(27)
LOW_BITS, LAYER_BITS, LAYER_SHIFT = np.uint64(11), np.uint64(8), np.uint64(56)


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
def fill_normal(noise: Real, state: UInt64, ziggurat: Float) -> None:
    """Fill a flat array with independent standard normal numbers."""
    for i in range(noise.size):
        noise[i] = normal(state, ziggurat)


@kernel
def local_force(order: Real, force: Real, coefficients: Real, local: Real, push: Any,
                wave: Any) -> None:  # fmt: skip
    """Set ``force`` to df/dP - s P - field, cell by cell.

    ``order``, ``force``: (1, n_rows, n_columns). ``coefficients``: s, a, b, c, e. ``local``: (3,
    n_rows, n_columns), softening, field and profile of the drive, or (3, 0, 0).
    """
    shift, a, b, c, e = coefficients[:5]
    a = a - shift
    for i in range(order.shape[1]):
        for j in range(order.shape[2]):
            p = order[0, i, j]
            q = p * p
            force[0, i, j] = p * (a + p * b + q * (c + q * e)) - push
        if local.shape[1] > 0:
            for j in range(order.shape[2]):
                force[0, i, j] += (
                    local[0, i, j] * order[0, i, j] - local[1, i, j] - wave * local[2, i, j]
                )


@kernel
def local_vector_force(order: Real, force: Real, coefficients: Real, local: Real,
                       wave: Any) -> None:  # fmt: skip
    """Set ``force`` to df/dP - s P - field for a vector, both (2, n_rows, n_columns).

    ``coefficients``: s, 2 a1, 4 a11, 2 a12, 6 a111, 4 a112, 2 a112. ``local``: softening, field x,
    field y, profile x, profile y, (5, n_rows, n_columns), or (5, 0, 0).
    """
    shift, two, four, cross, six, quad, pair = coefficients[:7]
    two = two - shift
    for i in range(order.shape[1]):
        for j in range(order.shape[2]):
            x = order[0, i, j]
            y = order[1, i, j]
            p = x * x
            q = y * y
            force[0, i, j] = x * (two + p * (four + six * p + quad * q) + q * (cross + pair * q))
            force[1, i, j] = y * (two + q * (four + six * q + quad * p) + p * (cross + pair * p))
        if local.shape[1] > 0:
            for j in range(order.shape[2]):
                soft = local[0, i, j]
                force[0, i, j] += soft * order[0, i, j] - local[1, i, j] - wave * local[3, i, j]
                force[1, i, j] += soft * order[1, i, j] - local[2, i, j] - wave * local[4, i, j]
