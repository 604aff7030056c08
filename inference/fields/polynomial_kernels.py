"""Compiled Runge-Kutta steps of a scalar order parameter, their tangent and their transpose.

``dP/dt = bias - alpha P - cubic P^2 - beta P^3 - gamma P^5 + gradient_x d2P/dx2
+ gradient_y d2P/dy2 + field E(t) profile(y, x)``; ``full`` holds the eight numbers in this order,
gradients per pixel^2.
The classical method of fourth order: the field at each of its four stages and the slope of the
local rate there are kept, so that a stage of the tangent and of the transpose is one sweep.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.compiled import kernel, summing_kernel

__all__ = ["back_through_film", "run_film", "tangent_of_film"]

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]


@kernel
def fill_rim(room: Floats, mirror: bool) -> None:
    """Set the rim of one cell: the inside goes on periodically, or is mirrored."""
    n_rows = room.shape[0] - 2
    n_columns = room.shape[1] - 2
    for i in range(1, n_rows + 1):
        room[i, 0] = room[i, 1 if mirror else n_columns]
        room[i, n_columns + 1] = room[i, n_columns if mirror else 1]
    for j in range(1, n_columns + 1):
        room[0, j] = room[1 if mirror else n_rows, j]
        room[n_rows + 1, j] = room[n_rows if mirror else 1, j]


@kernel
def put_inside(source: Floats, factor: float, room: Floats) -> None:
    """Set the inside of a room with a rim."""
    for i in range(source.shape[0]):
        for j in range(source.shape[1]):
            room[i + 1, j + 1] = factor * source[i, j]


@kernel
def copy_cells(source: Floats, target: Floats) -> None:
    """Copy cell by cell: an assignment of slices is slow to compile."""
    for i in range(source.shape[0]):
        for j in range(source.shape[1]):
            target[i, j] = source[i, j]


@kernel
def add_cells(source: Floats, target: Floats) -> None:
    """Add cell by cell."""
    for i in range(source.shape[0]):
        for j in range(source.shape[1]):
            target[i, j] += source[i, j]


@kernel
def field_stage(old: Floats, new: Floats, total: Floats, base: Floats, stage: Floats, slope: Floats,
                full: Floats, push: float, profile: Floats, share: float, weight: float,
                ) -> None:  # fmt: skip
    """One stage: keep field and slope, ``total += share rate``, ``new = base + weight rate``."""
    bias, alpha, cubic, beta, gamma, kx, ky = (
        full[0], full[1], full[2], full[3], full[4], full[5], full[6]
    )  # fmt: skip
    linear = -alpha - 2.0 * (kx + ky)
    for i in range(base.shape[0]):
        for j in range(base.shape[1]):
            p = old[i + 1, j + 1]
            q = p * p
            rate = (
                p * (linear - cubic * p - q * (beta + gamma * q))
                + kx * (old[i + 1, j] + old[i + 1, j + 2])
                + ky * (old[i, j + 1] + old[i + 2, j + 1])
                + (bias + push * profile[i, j])
            )
            stage[i, j] = p
            slope[i, j] = linear - 2.0 * cubic * p - q * (3.0 * beta + 5.0 * gamma * q)
            total[i, j] += share * rate
            new[i + 1, j + 1] = base[i, j] + weight * rate


@kernel
def run_film(start: Floats, full: Floats, lengths: Floats, counts: Whole, drive: Floats,
             profile: Floats, mirror: bool, stages: Floats, slopes: Floats, frames: Floats,
             ) -> None:  # fmt: skip
    """Fill ``frames``; keep ``stages`` and ``slopes``, (n_steps, 4, n_rows, n_columns)."""
    n_rows, n_columns = start.shape
    old = np.empty((n_rows + 2, n_columns + 2))
    new = np.empty((n_rows + 2, n_columns + 2))
    base = start.copy()
    total = start.copy()
    copy_cells(start, frames[0])
    step = 0
    for frame in range(counts.size):
        for _ in range(counts[frame]):
            dt = lengths[step]
            put_inside(base, 1.0, old)
            for k in range(4):
                share = dt / 6.0 if k == 0 or k == 3 else dt / 3.0
                weight = dt if k == 2 else 0.5 * dt
                fill_rim(old, mirror)
                field_stage(old, new, total, base, stages[step, k], slopes[step, k], full,
                            full[7] * drive[step, k], profile, share, weight)  # fmt: skip
                old, new = new, old
            copy_cells(total, base)
            step += 1
        copy_cells(base, frames[frame + 1])


@kernel
def sweep(old: Floats, new: Floats, total: Floats, base: Floats, slope: Floats, kx: float,
          ky: float, share: float, keep: float, weight: float) -> None:  # fmt: skip
    """Apply a stage's derivative: ``total += share k``, ``new = keep base + weight k``."""
    for i in range(base.shape[0]):
        for j in range(base.shape[1]):
            k = (
                slope[i, j] * old[i + 1, j + 1]
                + kx * (old[i + 1, j] + old[i + 1, j + 2])
                + ky * (old[i, j + 1] + old[i + 2, j + 1])
            )
            total[i, j] += share * k
            new[i + 1, j + 1] = keep * base[i, j] + weight * k


@kernel
def add_source(stage: Floats, change: Floats, push: float, profile: Floats, room: Floats,
               mirror: bool, new: Floats, total: Floats, share: float, weight: float,
               ) -> None:  # fmt: skip
    """Add what a change of the parameters does to a stage."""
    put_inside(stage, 1.0, room)
    fill_rim(room, mirror)
    kx = change[5]
    ky = change[6]
    linear = -change[1] - 2.0 * (kx + ky)
    for i in range(stage.shape[0]):
        for j in range(stage.shape[1]):
            p = stage[i, j]
            q = p * p
            rate = (
                p * (linear - change[2] * p - q * (change[3] + change[4] * q))
                + kx * (room[i + 1, j] + room[i + 1, j + 2])
                + ky * (room[i, j + 1] + room[i + 2, j + 1])
                + (change[0] + change[7] * push * profile[i, j])
            )
            total[i, j] += share * rate
            new[i + 1, j + 1] += weight * rate


@kernel
def tangent_of_film(changes: Floats, slants: Floats, full: Floats, lengths: Floats, counts: Whole,
                    drive: Floats, profile: Floats, mirror: bool, stages: Floats, slopes: Floats,
                    frames: Floats) -> None:  # fmt: skip
    """Fill ``frames`` (m, n_frames, ...) for changes of start (m, ...) and ``slants`` (m, 8)."""
    n_rows, n_columns = changes.shape[1:]
    old = np.empty((n_rows + 2, n_columns + 2))
    new = np.empty((n_rows + 2, n_columns + 2))
    room = np.empty((n_rows + 2, n_columns + 2))
    state = changes.copy()
    total = np.empty((n_rows, n_columns))
    for m in range(changes.shape[0]):
        copy_cells(changes[m], frames[m, 0])
    step = 0
    for frame in range(counts.size):
        for _ in range(counts[frame]):
            dt = lengths[step]
            for m in range(changes.shape[0]):
                moved = False
                for k in range(8):
                    moved = moved or slants[m, k] != 0.0
                copy_cells(state[m], total)
                put_inside(state[m], 1.0, old)
                for k in range(4):
                    share = dt / 6.0 if k == 0 or k == 3 else dt / 3.0
                    weight = dt if k == 2 else 0.5 * dt
                    fill_rim(old, mirror)
                    sweep(old, new, total, state[m], slopes[step, k], full[5], full[6],
                          share, 1.0, weight)  # fmt: skip
                    if moved:
                        add_source(stages[step, k], slants[m], drive[step, k], profile, room,
                                   mirror, new, total, share, weight)  # fmt: skip
                    old, new = new, old
                copy_cells(total, state[m])
            step += 1
        for m in range(changes.shape[0]):
            copy_cells(state[m], frames[m, frame + 1])


@summing_kernel
def add_gradient(pull: Floats, stage: Floats, push: float, profile: Floats, gradient: Floats,
                 ) -> None:  # fmt: skip
    """Add a stage's share of the gradient by the parameters; ``pull`` has a rim."""
    bias, alpha, cubic, beta, gamma, gx, gy, field = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(stage.shape[0]):
        for j in range(stage.shape[1]):
            v = pull[i + 1, j + 1]
            p = stage[i, j]
            q = p * p
            first = v * p
            bias += v
            alpha += first
            cubic += first * p
            beta += first * q
            gamma += first * q * q
            gx += p * (pull[i + 1, j] + pull[i + 1, j + 2] - 2.0 * v)
            gy += p * (pull[i, j + 1] + pull[i + 2, j + 1] - 2.0 * v)
            field += v * profile[i, j]
    gradient[0] += bias
    gradient[1] -= alpha
    gradient[2] -= cubic
    gradient[3] -= beta
    gradient[4] -= gamma
    gradient[5] += gx
    gradient[6] += gy
    gradient[7] += push * field


@kernel
def back_through_film(forces: Floats, full: Floats, lengths: Floats, counts: Whole, drive: Floats,
                      profile: Floats, mirror: bool, stages: Floats, slopes: Floats,
                      with_slants: bool, changes: Floats, slants: Floats) -> None:  # fmt: skip
    """Transpose of `tangent_of_film`: fill ``changes`` (m, ...) and ``slants`` (m, 8)."""
    n_rows, n_columns = changes.shape[1:]
    old = np.empty((n_rows + 2, n_columns + 2))
    new = np.empty((n_rows + 2, n_columns + 2))
    total = np.empty((n_rows, n_columns))
    slants[:] = 0.0
    for m in range(changes.shape[0]):
        copy_cells(forces[m, counts.size], changes[m])
    step = lengths.size - 1
    for frame in range(counts.size - 1, -1, -1):
        for _ in range(counts[frame]):
            dt = lengths[step]
            for m in range(changes.shape[0]):
                copy_cells(changes[m], total)
                put_inside(changes[m], dt / 6.0, old)
                for k in range(3, -1, -1):
                    keep = dt / 6.0 if k < 2 else dt / 3.0
                    weight = dt if k == 3 else 0.5 * dt
                    fill_rim(old, mirror)
                    if with_slants:
                        add_gradient(old, stages[step, k], drive[step, k], profile, slants[m])
                    sweep(old, new, total, changes[m], slopes[step, k], full[5], full[6],
                          1.0, keep, weight)  # fmt: skip
                    old, new = new, old
                copy_cells(total, changes[m])
            step -= 1
        for m in range(changes.shape[0]):
            add_cells(forces[m, frame], changes[m])
