"""Forward, tangent and adjoint passes of an order parameter, conserved or not, to the last bit.

The rate is ``T(N(P))`` with ``N = -alpha P - beta P^3 - gamma P^5 + gradient lap P + field E +
sum_k theta_k O_k[phi_k]`` and T = 1, or T = -lap where P is conserved. Time steps are those of the
stabilised Runge-Kutta-Legendre scheme of second order: the adjoint is that of these very steps.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.kernels import summing_kernel

__all__ = ["adjoint_pass", "forward_pass", "laplacian", "operate", "stage_rate", "tangent_pass"]

Floats = NDArray[np.float64]
IDENTITY, LAPLACIAN, GRADIENT_X, GRADIENT_Y = 0, 1, 2, 3


@summing_kernel
def laplacian(field: Floats, out: Floats, per_x: float, per_y: float, mirror: bool) -> None:
    """Five-point Laplacian; ``per_x``, ``per_y``: 1 / dx^2, 1 / dy^2."""
    n_rows, n_columns = field.shape
    for i in range(n_rows):
        above = i - 1 if i > 0 else (0 if mirror else n_rows - 1)
        below = i + 1 if i < n_rows - 1 else (n_rows - 1 if mirror else 0)
        upper, lower, here, row = field[above], field[below], field[i], out[i]
        left, right = here[0] if mirror else here[-1], here[1]
        row[0] = per_x * (left + right - 2.0 * here[0]) + per_y * (
            upper[0] + lower[0] - 2.0 * here[0]
        )
        # slices: an index that might be negative would keep the loop from vectorising
        west, middle, east = here[:-2], here[1:-1], here[2:]
        north, south, inner = upper[1:-1], lower[1:-1], row[1:-1]
        for j in range(n_columns - 2):
            twice = middle[j] + middle[j]
            inner[j] = per_x * (west[j] + east[j] - twice) + per_y * (north[j] + south[j] - twice)
        left, right = here[-2], here[-1] if mirror else here[0]
        row[-1] = per_x * (left + right - 2.0 * here[-1]) + per_y * (
            upper[-1] + lower[-1] - 2.0 * here[-1]
        )


@summing_kernel
def slope(field: Floats, out: Floats, grid: Floats, along_x: bool, transposed: bool,
          mirror: bool) -> None:  # fmt: skip
    """Central difference along an axis, or its transpose; ``grid``: 1 / dx^2, 1 / dy^2."""
    n_rows, n_columns = field.shape
    length = n_columns if along_x else n_rows
    half = 0.5 * np.sqrt(grid[0] if along_x else grid[1])
    for i in range(n_rows):
        for j in range(n_columns):
            place = j if along_x else i
            low, high = place - 1, place + 1
            sign_low, sign_high = -half, half
            if transposed:
                sign_low, sign_high = half, -half
            if low < 0:
                low = 0 if mirror else length - 1
                if mirror and transposed:
                    sign_low = -half
            if high == length:
                high = length - 1 if mirror else 0
                if mirror and transposed:
                    sign_high = half
            if along_x:
                out[i, j] = sign_low * field[i, low] + sign_high * field[i, high]
            else:
                out[i, j] = sign_low * field[low, j] + sign_high * field[high, j]


@summing_kernel
def operate(kind: int, field: Floats, out: Floats, grid: Floats, transposed: bool,
            mirror: bool) -> None:  # fmt: skip
    """Apply the operator of a user's term, or its transpose."""
    if kind == LAPLACIAN:
        laplacian(field, out, grid[0], grid[1], mirror)
    elif kind == IDENTITY:
        for i in range(field.shape[0]):
            for j in range(field.shape[1]):
                out[i, j] = field[i, j]
    else:
        slope(field, out, grid, kind == GRADIENT_X, transposed, mirror)


@summing_kernel
def transport(field: Floats, out: Floats, grid: Floats, conserved: bool, mirror: bool) -> None:
    """T: minus the Laplacian where the order parameter is conserved."""
    if conserved:
        laplacian(field, out, -grid[0], -grid[1], mirror)
    else:
        for i in range(field.shape[0]):
            for j in range(field.shape[1]):
                out[i, j] = field[i, j]


@summing_kernel
def stage_rate(order: Floats, extra: Floats, push: Floats, theta: Floats, grid: Floats,
               conserved: bool, mirror: bool, work: Floats, out: Floats) -> None:  # fmt: skip
    """Set ``out`` to dP/dt. ``theta``: alpha, beta, gamma, gradient, field; ``push``: E.

    ``extra`` holds the users' terms, or (0, 0); ``push`` the field of every cell, or (1, 1).
    """
    alpha, beta, gamma, gradient, coupling = theta[0], theta[1], theta[2], theta[3], theta[4]
    laplacian(order, work, gradient * grid[0], gradient * grid[1], mirror)
    even = push.shape[1] == 1
    for i in range(order.shape[0]):
        row, target = order[i], work[i]
        for j in range(order.shape[1]):
            p = row[j]
            q = p * p
            target[j] -= p * (alpha + q * (beta + q * gamma))
        if even:
            for j in range(order.shape[1]):
                target[j] += coupling * push[0, 0]
        else:
            for j in range(order.shape[1]):
                target[j] += coupling * push[i, j]
        if extra.shape[0] > 0:
            for j in range(order.shape[1]):
                target[j] += extra[i, j]
    transport(work, out, grid, conserved, mirror)


@summing_kernel
def combine(stages: Floats, out: Floats, rate: Floats, first: Floats, weights: Floats,
            stage: int, step: float) -> None:  # fmt: skip
    """Set ``out`` to the stage after ``stage``: the recursion of the scheme."""
    here = stages[stage]
    if stage == 0:
        for i in range(out.shape[0]):
            for j in range(out.shape[1]):
                out[i, j] = here[i, j] + weights[0, 3] * step * rate[i, j]
        return
    before, origin = stages[stage - 1], stages[0]
    mu, nu, rest = weights[stage, 0], weights[stage, 1], weights[stage, 2]
    now, at_start = weights[stage, 3] * step, weights[stage, 4] * step
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[i, j] = (
                mu * here[i, j] + nu * before[i, j] + rest * origin[i, j]
                + now * rate[i, j] + at_start * first[i, j]
            )  # fmt: skip


@summing_kernel
def forward_pass(start: Floats, push: Floats, theta: Floats, grid: Floats, weights: Floats,
                 n_steps: Any, lengths: Floats, conserved: bool, mirror: bool, stages: Floats,
                 frames: Floats) -> bool:  # fmt: skip
    """Fill ``frames`` and every stage of every step; return whether all stayed finite.

    ``push``: (n_intervals, n_rows, n_columns) or (n_intervals, 1, 1); ``n_steps``, ``lengths``: of
    the steps of each interval; ``stages``: (steps in all, n_stages, n_rows, n_columns).
    """
    n_stages = weights.shape[0]
    work, rate, first = np.empty_like(start), np.empty_like(start), np.empty_like(start)
    nothing = np.empty((0, 0))
    frames[0] = start
    step = 0
    for interval in range(n_steps.size):
        now = frames[interval]
        for sub in range(n_steps[interval]):
            block = stages[step]
            block[0] = now
            for stage in range(n_stages):
                target = first if stage == 0 else rate
                stage_rate(block[stage], nothing, push[interval], theta, grid, conserved, mirror,
                           work, target)  # fmt: skip
                if stage < n_stages - 1:
                    after = block[stage + 1]
                elif sub < n_steps[interval] - 1:
                    after = stages[step + 1, 0]
                else:
                    after = frames[interval + 1]
                combine(block, after, target, first, weights, stage, lengths[interval])
            step += 1
            if step < stages.shape[0] and sub < n_steps[interval] - 1:
                now = stages[step, 0]
        if not np.isfinite(frames[interval + 1].sum()):
            return False
    return True


@summing_kernel
def tangent_rate(order: Floats, change: Floats, values: Floats, slopes: Floats, kinds: Any,
                 push: Floats, theta: Floats, turn: Floats, grid: Floats, conserved: bool,
                 mirror: bool, rooms: Floats, out: Floats) -> None:  # fmt: skip
    """Set ``out`` to the rate's derivative along ``change`` of P, ``turn`` of the parameters."""
    work, room, other = rooms[0], rooms[1], rooms[2]
    gradient = theta[3]
    laplacian(change, work, gradient * grid[0], gradient * grid[1], mirror)
    if turn[3] != 0.0:
        laplacian(order, room, turn[3] * grid[0], turn[3] * grid[1], mirror)
        for i in range(order.shape[0]):
            for j in range(order.shape[1]):
                work[i, j] += room[i, j]
    even = push.shape[1] == 1
    for i in range(order.shape[0]):
        row, move, target = order[i], change[i], work[i]
        for j in range(order.shape[1]):
            p = row[j]
            q = p * p
            bend = theta[0] + q * (3.0 * theta[1] + q * 5.0 * theta[2])
            target[j] -= bend * move[j] + p * (turn[0] + q * (turn[1] + q * turn[2]))
        if turn[4] != 0.0:
            for j in range(order.shape[1]):
                target[j] += turn[4] * (push[0, 0] if even else push[i, j])
    for k in range(kinds.size):
        weight, add = theta[5 + k], turn[5 + k]
        for i in range(order.shape[0]):
            for j in range(order.shape[1]):
                room[i, j] = weight * slopes[k, i, j] * change[i, j] + add * values[k, i, j]
        operate(kinds[k], room, other, grid, False, mirror)
        for i in range(order.shape[0]):
            for j in range(order.shape[1]):
                work[i, j] += other[i, j]
    transport(work, out, grid, conserved, mirror)


@summing_kernel
def tangent_pass(start: Floats, turn: Floats, stages: Floats, values: Floats, slopes: Floats,
                 kinds: Any, push: Floats, theta: Floats, grid: Floats, weights: Floats,
                 n_steps: Any, lengths: Floats, conserved: bool, mirror: bool,
                 frames: Floats) -> None:  # fmt: skip
    """Change of the frames with a change of the start and of the parameters.

    ``values``, ``slopes``: (steps, n_stages, n_user_terms, n_rows, n_columns), or five zeros.
    """
    n_stages = weights.shape[0]
    shape = start.shape
    block = np.empty((n_stages + 1, shape[0], shape[1]))
    rooms, rate, first = np.empty((3, *shape)), np.empty(shape), np.empty(shape)
    none = np.empty((0, 0, 0))
    block[0] = start
    frames[0] = start
    step = 0
    for interval in range(n_steps.size):
        for _ in range(n_steps[interval]):
            for stage in range(n_stages):
                target = first if stage == 0 else rate
                tangent_rate(
                    stages[step, stage], block[stage],
                    values[step, stage] if kinds.size else none,
                    slopes[step, stage] if kinds.size else none,
                    kinds, push[interval], theta, turn, grid, conserved, mirror, rooms, target,
                )  # fmt: skip
                combine(block, block[stage + 1], target, first, weights, stage, lengths[interval])
            block[0] = block[n_stages]
            step += 1
        frames[interval + 1] = block[0]


@summing_kernel
def adjoint_rate(order: Floats, force: Floats, scale: float, values: Floats, slopes: Floats,
                 kinds: Any, push: Floats, theta: Floats, grid: Floats, conserved: bool,
                 mirror: bool, rooms: Floats, gradient: Floats, out: Floats) -> None:  # fmt: skip
    """Add ``scale`` x the transposed derivative of the rate times ``force`` to ``out``."""
    moved, work, other = rooms[0], rooms[1], rooms[2]
    transport(force, moved, grid, conserved, mirror)
    laplacian(moved, work, grid[0], grid[1], mirror)
    sum_a, sum_b, sum_c, sum_g, sum_e = 0.0, 0.0, 0.0, 0.0, 0.0
    even = push.shape[1] == 1
    for i in range(order.shape[0]):
        row, pull, bent, target = order[i], moved[i], work[i], out[i]
        for j in range(order.shape[1]):
            p = row[j]
            q = p * p
            m = pull[j]
            sum_a += p * m
            sum_b += p * q * m
            sum_c += p * q * q * m
            sum_g += p * bent[j]
            bend = theta[0] + q * (3.0 * theta[1] + q * 5.0 * theta[2])
            target[j] += scale * (theta[3] * bent[j] - bend * m)
        if even:
            for j in range(order.shape[1]):
                sum_e += push[0, 0] * pull[j]
        else:
            for j in range(order.shape[1]):
                sum_e += push[i, j] * pull[j]
    gradient[0] -= scale * sum_a
    gradient[1] -= scale * sum_b
    gradient[2] -= scale * sum_c
    gradient[3] += scale * sum_g
    gradient[4] += scale * sum_e
    for k in range(kinds.size):
        operate(kinds[k], moved, other, grid, True, mirror)
        total = 0.0
        for i in range(order.shape[0]):
            for j in range(order.shape[1]):
                total += values[k, i, j] * other[i, j]
                out[i, j] += scale * theta[5 + k] * slopes[k, i, j] * other[i, j]
        gradient[5 + k] += scale * total


@summing_kernel
def add_scaled(out: Floats, field: Floats, factor: float) -> None:
    """Add ``factor`` x ``field``."""
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[i, j] += factor * field[i, j]


@summing_kernel
def adjoint_pass(force: Floats, stages: Floats, values: Floats, slopes: Floats, kinds: Any,
                 push: Floats, theta: Floats, grid: Floats, weights: Floats, n_steps: Any,
                 lengths: Floats, conserved: bool, mirror: bool, start: Floats,
                 gradient: Floats) -> None:  # fmt: skip
    """Transpose of ``tangent_pass``: fill ``start`` and ``gradient`` from forces on the frames."""
    n_stages = weights.shape[0]
    shape = start.shape
    bars = np.empty((n_stages + 1, shape[0], shape[1]))
    rooms, first = np.empty((3, *shape)), np.empty(shape)
    none = np.empty((0, 0, 0))
    gradient[:] = 0.0
    start[:] = force[n_steps.size]
    step = stages.shape[0] - 1
    for interval in range(n_steps.size - 1, -1, -1):
        length = lengths[interval]
        for _ in range(n_steps[interval]):
            bars[:] = 0.0
            bars[n_stages] = start
            first[:] = 0.0
            for stage in range(n_stages - 1, -1, -1):
                bar = bars[stage + 1]
                if stage == 0:
                    add_scaled(bars[0], bar, 1.0)
                    add_scaled(first, bar, weights[0, 3] * length)
                    pull, scale = first, 1.0
                else:
                    add_scaled(bars[stage], bar, weights[stage, 0])
                    add_scaled(bars[stage - 1], bar, weights[stage, 1])
                    add_scaled(bars[0], bar, weights[stage, 2])
                    add_scaled(first, bar, weights[stage, 4] * length)
                    pull, scale = bar, weights[stage, 3] * length
                adjoint_rate(
                    stages[step, stage], pull, scale,
                    values[step, stage] if kinds.size else none,
                    slopes[step, stage] if kinds.size else none,
                    kinds, push[interval], theta, grid, conserved, mirror, rooms, gradient,
                    bars[stage],
                )  # fmt: skip
            start[:] = bars[0]
            step -= 1
        add_scaled(start, force[interval], 1.0)
