"""Explicit steps of a scalar field with everything: local fields, oblique gradients, noise.

One sweep a step over a copy of the field with a rim of one cell. With nothing but the potential the
steps equal those of `explicit_kernels` to the bit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.kernels import kernel

__all__ = ["forced_steps"]

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
def fill_rim(padded: Real, mirror: bool) -> None:
    """Set the rim of one cell from the inside: periodic, or mirrored at the edge."""
    n_rows = padded.shape[0] - 2
    n_columns = padded.shape[1] - 2
    for i in range(1, n_rows + 1):
        padded[i, 0] = padded[i, 1 if mirror else n_columns]
        padded[i, n_columns + 1] = padded[i, n_columns if mirror else 1]
    for j in range(n_columns + 2):
        padded[0, j] = padded[1 if mirror else n_rows, j]
        padded[n_rows + 1, j] = padded[n_rows if mirror else 1, j]


@kernel
def chemical_potential(padded: Real, potential: Real, coefficients: Real, push: Any) -> None:
    """Set ``potential`` to the derivative of the free energy without local fields."""
    _, _, a, b, c, e, kx, ky, kxy = coefficients[:9]
    a = a + (kx + kx + ky + ky)
    for i in range(1, padded.shape[0] - 1):
        above = np.uint64(i - 1)
        here = np.uint64(i)
        below = np.uint64(i + 1)
        for j in range(padded.shape[1] - 2):
            left = np.uint64(j)
            column = np.uint64(j + 1)
            right = np.uint64(j + 2)
            p = padded[here, column]
            q = p * p
            potential[here, column] = p * (a + p * b + q * (c + q * e)) - (
                kx * (padded[here, left] + padded[here, right])
                + ky * (padded[above, column] + padded[below, column])
                + push
            )
        if kxy != 0.0:
            for j in range(padded.shape[1] - 2):
                left = np.uint64(j)
                right = np.uint64(j + 2)
                potential[here, np.uint64(j + 1)] -= kxy * (
                    (padded[below, right] - padded[below, left])
                    - (padded[above, right] - padded[above, left])
                )


@kernel
def add_local(padded: Real, potential: Real, softening: Real, field: Real, profile: Real,
              push: Any) -> None:  # fmt: skip
    """Add what differs from cell to cell: curvature, pinning field, profile of the drive."""
    for i in range(field.shape[0]):
        here = np.uint64(i + 1)
        for j in range(field.shape[1]):
            column = np.uint64(j + 1)
            potential[here, column] += (
                softening[i, j] * padded[here, column] - field[i, j] - push * profile[i, j]
            )


@kernel
def white_noise(noise: Real, state: UInt64, ziggurat: Float) -> None:
    """Fill with independent standard normal numbers."""
    for i in range(noise.shape[0]):
        for j in range(noise.shape[1]):
            noise[i, j] = normal(state, ziggurat)


@kernel
def flux_noise(noise: Real, rows: Real, per_x: Any, per_y: Any, mirror: bool, state: UInt64,
               ziggurat: Float) -> None:  # fmt: skip
    """Fill with the divergence of random fluxes through the faces of the cells.

    ``rows`` (3, n_columns): the flux through the lower faces of the last row, of the row above and
    of this one. No flux passes the edge of a closed field.
    """
    n_rows, n_columns = noise.shape
    for j in range(n_columns):
        rows[0, j] = 0.0 if mirror else normal(state, ziggurat)
        rows[2, j] = rows[0, j]
    for i in range(n_rows):
        for j in range(n_columns):
            rows[1, j] = rows[2, j]
            rows[2, j] = rows[0, j] if i == n_rows - 1 else normal(state, ziggurat)
        edge = 0.0 if mirror else normal(state, ziggurat)
        entering = edge
        for j in range(n_columns):
            leaving = edge if j == n_columns - 1 else normal(state, ziggurat)
            noise[i, j] = per_x * (leaving - entering) + per_y * (rows[2, j] - rows[1, j])
            entering = leaving


@kernel
def draw_noise(noise: Real, rows: Real, spacing: Real, conserved: bool, mirror: bool,
               state: UInt64, ziggurat: Float) -> None:  # fmt: skip
    """Fill ``noise`` for one step; ``spacing`` holds 1 / dx, 1 / dy."""
    if conserved:
        flux_noise(noise, rows, spacing[0], spacing[1], mirror, state, ziggurat)
    else:
        white_noise(noise, state, ziggurat)


@kernel
def forced_steps(field: Real, padded: Real, potential: Real, local: Real, drive: Real,
                 coefficients: Real, conserved: bool, mirror: bool, noise: Real, spacing: Real,
                 amplitude: Any, state: UInt64, ziggurat: Float, n_steps: int) -> None:  # fmt: skip
    """Do ``n_steps`` of ``field`` (n_rows, n_columns) in place.

    ``padded``, ``potential``: room of (n_rows + 2, n_columns + 2). ``local``: softening, field and
    profile of the drive, (3, n_rows, n_columns), or (3, 0, 0) for none. ``drive``: (2, n_steps),
    the uniform field and the waveform of the profile. ``coefficients``: rate_x, rate_y, a, b, c, e,
    kappa_x / dx^2, kappa_y / dy^2, kappa_xy / (2 dx dy). ``noise``: (3, max(n_rows, 3), n_columns)
    or (3, 0, 0): the last step's, this step's, and three rows of room. ``amplitude`` is half of one
    step's: the mean of the noise of two steps makes the stationary state of second order in dt.
    """
    n_rows, n_columns = field.shape
    rate_x = coefficients[0]
    rate_y = coefficients[1]
    padded[1 : n_rows + 1, 1 : n_columns + 1] = field
    for step in range(n_steps):
        fill_rim(padded, mirror)
        chemical_potential(padded, potential, coefficients, drive[0, step])
        if local.shape[1] > 0:
            add_local(padded, potential, local[0], local[1], local[2], drive[1, step])
        if conserved:
            fill_rim(potential, mirror)
        for i in range(n_rows):
            above = np.uint64(i)
            here = np.uint64(i + 1)
            below = np.uint64(i + 2)
            if conserved:
                for j in range(n_columns):
                    column = np.uint64(j + 1)
                    twice = potential[here, column] + potential[here, column]
                    padded[here, column] += rate_x * (
                        potential[here, np.uint64(j)] + potential[here, np.uint64(j + 2)] - twice
                    ) + rate_y * (potential[above, column] + potential[below, column] - twice)
            else:
                for j in range(n_columns):
                    column = np.uint64(j + 1)
                    padded[here, column] -= rate_x * potential[here, column]
        if noise.shape[1] > 0:
            before = noise[0, :n_rows]
            now = noise[1, :n_rows]
            draw_noise(now, noise[2, :3], spacing, conserved, mirror, state, ziggurat)
            for i in range(n_rows):
                for j in range(n_columns):
                    padded[i + 1, j + 1] += amplitude * (before[i, j] + now[i, j])
                    before[i, j] = now[i, j]
    field[:] = padded[1 : n_rows + 1, 1 : n_columns + 1]
