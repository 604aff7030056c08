"""Simulated paths in a field on a grid, seen with noise and blur.

A field is (shape, numbers, grid, counts, tables) as ``force_map_kernels`` says.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.compiled import kernel

__all__ = ["simulate_rows"]

Float = NDArray[np.float64]
Int = NDArray[np.int64]
Field = tuple[Int, Float, Float, Int, Float]


@kernel
def gradient(point: Float, field: Field, index: int, taps: Float, out: Float) -> None:
    """Write value and gradient (1:4) of one table's spline at a point.

    ``taps``: zero, with [:, 0, 0] one, which an axis that is not there keeps.
    """
    shape, _, grid, counts, tables = field
    first_0 = first_1 = first_2 = 0
    for a in range(shape[0]):
        place = (point[a] - grid[0, a]) * grid[1, a]
        cell = 0
        if place > 0.0:  # not where it is NaN
            cell = int(min(np.floor(place), counts[a] - 4.0))
        t, w = place - cell, grid[1, a]
        s = 1.0 - t
        if a == 0:
            first_0 = cell
        elif a == 1:
            first_1 = cell
        else:
            first_2 = cell
        taps[a, 0, 0], taps[a, 0, 3] = s * s * s / 6.0, t * t * t / 6.0
        taps[a, 0, 1] = (3.0 * t * t * t - 6.0 * t * t + 4.0) / 6.0
        taps[a, 0, 2] = (3.0 * s * s * s - 6.0 * s * s + 4.0) / 6.0
        taps[a, 1, 0], taps[a, 1, 3] = -0.5 * s * s * w, 0.5 * t * t * w
        taps[a, 1, 1] = (1.5 * t * t - 2.0 * t) * w
        taps[a, 1, 2] = (2.0 * s - 1.5 * s * s) * w
    out[:] = 0.0
    n_y, n_z = (4 if shape[0] > 1 else 1), (4 if shape[0] > 2 else 1)
    for i in range(4):
        for j in range(n_y):
            row = ((first_0 + i) * counts[1] + first_1 + j) * counts[2] + first_2
            value = slope = 0.0
            for k in range(n_z):
                value += tables[index, row + k] * taps[2, 0, k]
                slope += tables[index, row + k] * taps[2, 1, k]
            out[0] += taps[0, 0, i] * taps[1, 0, j] * value
            out[1] += taps[0, 1, i] * taps[1, 0, j] * value
            out[2] += taps[0, 0, i] * taps[1, 1, j] * value
            out[3] += taps[0, 0, i] * taps[1, 0, j] * slope


@kernel
def drift(point: Float, field: Field, taps: Float, out: Float, force: Float) -> Any:
    """Write the force, or the overdamped drift in Stratonovich's sense; return D (or 0)."""
    shape, numbers, _, _, tables = field
    d = shape[0]
    if shape[2] == 1:
        gradient(point, field, 0, taps, out)
        for a in range(d):
            force[a] = -out[1 + a]
    else:
        for a in range(d):
            gradient(point, field, a, taps, out)
            force[a] = out[0]
    if shape[1] == 2:
        return 0.0
    share = 0.0
    if shape[3] == 1:
        diffusion = np.exp(numbers[3])
    else:
        gradient(point, field, tables.shape[0] - 1, taps, out)
        diffusion = np.exp(out[0])
        share = numbers[0] - 0.5  # Ito's drift less half of grad D is Stratonovich's
    for a in range(d):
        force[a] = diffusion * (force[a] + (share * out[1 + a] if share != 0.0 else 0.0))
    return diffusion


@kernel
def move_moments(
    place: Float, duration: float, step: float, mean: Float, field: Field,
    room: tuple[Float, Float, Float], noise: Float, drawn: int,
) -> int:  # fmt: skip
    """Move one particle (positions row 0, velocities row 1); write its mean position.

    Return how many of the normal numbers ``noise`` are used up.

    Overdamped: Heun's scheme in Stratonovich form. Underdamped: BAOAB.
    """
    shape, numbers = field[0], field[1]
    taps, work, small = room
    d = shape[0]
    force, later, push = small[0], small[1], small[2]
    for a in range(d):
        mean[a] = 0.0
    if duration <= 0.0:
        return drawn
    n_steps = int(max(1.0, np.ceil(duration / step - 1e-9)))
    h = duration / n_steps
    decay = np.exp(-numbers[1] * h)
    kick = np.sqrt(numbers[2] * (1.0 - decay * decay))
    if shape[1] == 2:
        drift(place[0], field, taps, work, force)
    for _ in range(n_steps):
        for a in range(d):
            mean[a] += 0.5 * place[0, a] / n_steps
        if shape[1] == 2:
            for a in range(d):
                place[1, a] += 0.5 * h * numbers[2] * force[a]
                place[0, a] += 0.5 * h * place[1, a]
                place[1, a] = decay * place[1, a] + kick * noise[drawn + a]
                place[0, a] += 0.5 * h * place[1, a]
            drift(place[0], field, taps, work, force)
            for a in range(d):
                place[1, a] += 0.5 * h * numbers[2] * force[a]
        else:
            before = drift(place[0], field, taps, work, force)
            for a in range(d):
                push[a] = np.sqrt(2.0 * h) * noise[drawn + a]
                place[1, a] = place[0, a] + h * force[a] + np.sqrt(before) * push[a]
            after = drift(place[1], field, taps, work, later)
            root = 0.5 * (np.sqrt(before) + np.sqrt(after))
            for a in range(d):
                place[0, a] += 0.5 * h * (force[a] + later[a]) + root * push[a]
        drawn += d
        for a in range(d):
            mean[a] += 0.5 * place[0, a] / n_steps
    return drawn


@kernel
def simulate_rows(
    starts: Int, gaps: Float, start: Float, variance: Float, step: float, field: Field,
    noise: Float, out: Float,
) -> None:  # fmt: skip
    """Simulate measured rows of each series; ``start``: positions, then velocities, per series.

    ``noise`` holds the standard normal numbers that it takes, one after the other.
    """
    shape, exposure = field[0], field[1][4]
    d, order, blur = shape[0], shape[1], shape[4]
    drawn = 0
    place, mean = np.zeros((2, 3)), np.zeros(3)
    taps, work, small = np.zeros((3, 2, 4)), np.zeros(4), np.zeros((3, 3))
    taps[:, 0, 0] = 1.0
    room = (taps, work, small)
    for series in range(len(starts) - 1):
        for a in range(d):
            place[0, a] = start[series, a]
            place[1, a] = start[series, d + a] if order == 2 else 0.0
        for row in range(starts[series], starts[series + 1]):
            if row > starts[series]:
                dead = gaps[row] - (exposure if blur == 1 else 0.0)
                drawn = move_moments(place, dead, step, mean, field, room, noise, drawn)
            if blur == 1:
                drawn = move_moments(place, exposure, step, mean, field, room, noise, drawn)
            sd = np.sqrt(variance[row])
            for a in range(d):
                exact = mean[a] if blur == 1 else place[0, a]
                out[row, a] = exact + sd * noise[drawn + a]
            drawn += d
