"""Random numbers of fields: white noise, and the divergence of random fluxes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.compiled import kernel

__all__ = ["add_noise", "fill_normal", "flux_noise"]

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
def flux_noise(noise: Real, faces: Real, per_x: Any, per_y: Any, mirror: bool) -> None:
    """Set ``noise`` to the divergence of the random fluxes in ``faces`` (2, n_rows, n_columns).

    The first holds the fluxes through the right faces of the cells, the second those through the
    lower faces. No flux passes the edge of a closed field. ``per_x``, ``per_y``: 1 / dx, 1 / dy.
    """
    n_rows, n_columns = noise.shape
    if mirror:
        for i in range(n_rows):
            faces[0, i, n_columns - 1] = 0
        for j in range(n_columns):
            faces[1, n_rows - 1, j] = 0
    for i in range(n_rows):
        above = i - 1 if i > 0 else n_rows - 1
        noise[i, 0] = per_x * (faces[0, i, 0] - faces[0, i, n_columns - 1]) + per_y * (
            faces[1, i, 0] - faces[1, above, 0]
        )
        for j in range(1, n_columns):
            noise[i, j] = per_x * (faces[0, i, j] - faces[0, i, j - 1]) + per_y * (
                faces[1, i, j] - faces[1, above, j]
            )


@kernel
def add_noise(field: Real, before: Real, now: Real, amplitude: Any) -> None:
    """Add the noise of this step and of the last one to a flat field, and keep this step's.

    ``amplitude`` is half of one step's: the mean of the noise of two steps makes the stationary
    state of second order in the step.
    """
    for i in range(field.size):
        field[i] += amplitude * (before[i] + now[i])
        before[i] = now[i]
