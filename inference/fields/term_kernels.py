"""Forward, tangent and adjoint passes of an order parameter, conserved or not, to the last bit.

The rate is ``T(N(P))`` with ``N = bias - alpha P - cubic P^2 - beta P^3 - gamma P^5 +
gradient_x d2P/dx2 + gradient_y d2P/dy2 + field E(t) profile + sum_k theta_k O_k[phi_k]`` and T = 1,
or T = -lap where P is conserved; ``theta`` holds these numbers at BIAS to FIELD, the gradients per
pixel^2. Time steps are those of the stabilised Runge-Kutta-Legendre scheme of second order: the
adjoint is that of these very steps.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.compiled import summing_kernel

__all__ = [
    "adjoint_pass", "bend_stages", "combine", "forward_pass", "laplacian", "operate", "stage_rate",
    "tangent_pass",
]  # fmt: skip

Floats = NDArray[np.float64]
IDENTITY, LAPLACIAN, GRADIENT_X, GRADIENT_Y = 0, 1, 2, 3
BIAS, ALPHA, CUBIC, BETA, GAMMA, BEND_X, BEND_Y, FIELD, BUILT_IN = 0, 1, 2, 3, 4, 5, 6, 7, 8


@summing_kernel
def copy_field(source: Floats, target: Floats) -> None:
    """Copy cell by cell: an assignment of slices is slow to compile."""
    for i in range(source.shape[0]):
        for j in range(source.shape[1]):
            target[i, j] = source[i, j]


@summing_kernel
def clear_field(field: Floats) -> None:
    """Set to zero."""
    for i in range(field.shape[0]):
        for j in range(field.shape[1]):
            field[i, j] = 0.0


@summing_kernel
def stays_finite(field: Floats) -> bool:
    """Whether a field's sum is finite."""
    total = 0.0
    for i in range(field.shape[0]):
        for j in range(field.shape[1]):
            total += field[i, j]
    return bool(np.isfinite(total))


@summing_kernel
def laplacian(field: Floats, out: Floats, per_x: float, per_y: float, mirror: bool) -> None:
    """Five-point Laplacian; ``per_x``, ``per_y``: 1 / dx^2, 1 / dy^2."""
    n_rows, n_columns = field.shape
    # beyond an edge: indices, not branches, so that the loops are compiled once
    north_of_all, south_of_all = (0, n_rows - 1) if mirror else (n_rows - 1, 0)
    west_of_all, east_of_all = (0, n_columns - 1) if mirror else (n_columns - 1, 0)
    for i in range(n_rows):
        above = i - 1 if i > 0 else north_of_all
        below = i + 1 if i < n_rows - 1 else south_of_all
        upper, lower, here, row = field[above], field[below], field[i], out[i]
        left, right = here[west_of_all], here[1]
        row[0] = per_x * (left + right - 2.0 * here[0]) + per_y * (
            upper[0] + lower[0] - 2.0 * here[0]
        )
        # slices: an index that might be negative would keep the loop from vectorising
        west, middle, east = here[:-2], here[1:-1], here[2:]
        north, south, inner = upper[1:-1], lower[1:-1], row[1:-1]
        for j in range(n_columns - 2):
            twice = middle[j] + middle[j]
            inner[j] = per_x * (west[j] + east[j] - twice) + per_y * (north[j] + south[j] - twice)
        left, right = here[-2], here[east_of_all]
        row[-1] = per_x * (left + right - 2.0 * here[-1]) + per_y * (
            upper[-1] + lower[-1] - 2.0 * here[-1]
        )


@summing_kernel
def slope(field: Floats, out: Floats, grid: Floats, along_x: bool, transposed: bool,
          mirror: bool) -> None:  # fmt: skip
    """Central difference along an axis, or its transpose; ``grid``: 1 / dx^2, 1 / dy^2."""
    length = field.shape[1] if along_x else field.shape[0]
    half = 0.5 * np.sqrt(grid[0] if along_x else grid[1])
    sign = -half if transposed else half
    for place in range(length):
        low, high, sign_low, sign_high = place - 1, place + 1, -sign, sign
        if low < 0:
            low, sign_low = (0, -half) if mirror else (length - 1, -sign)
        if high == length:
            high, sign_high = (length - 1, half) if mirror else (0, sign)
        if along_x:
            for i in range(field.shape[0]):
                out[i, place] = sign_low * field[i, low] + sign_high * field[i, high]
        else:
            for j in range(field.shape[1]):
                out[place, j] = sign_low * field[low, j] + sign_high * field[high, j]


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
def stage_rate(order: Floats, extra: Floats, wave: float, profile: Floats, theta: Floats,
               grid: Floats, conserved: bool, mirror: bool, work: Floats, out: Floats,
               ) -> None:  # fmt: skip
    """Set ``out`` to dP/dt; E is ``wave`` x ``profile``, ``extra`` users' terms or (0, 0)."""
    bias, alpha, cubic = theta[BIAS], theta[ALPHA], theta[CUBIC]
    beta, gamma, push = theta[BETA], theta[GAMMA], theta[FIELD] * wave
    laplacian(order, work, theta[BEND_X], theta[BEND_Y], mirror)
    for i in range(order.shape[0]):
        row, target, shape = order[i], work[i], profile[i]
        for j in range(order.shape[1]):
            p = row[j]
            q = p * p
            target[j] += bias + push * shape[j] - p * (alpha + p * cubic + q * (beta + q * gamma))
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
def forward_pass(start: Floats, waves: Floats, profile: Floats, theta: Floats, grid: Floats,
                 weights: Floats, n_steps: Any, lengths: Floats, conserved: bool, mirror: bool,
                 stages: Floats, frames: Floats) -> bool:  # fmt: skip
    """Fill ``frames`` and every stage of every step; return whether all stayed finite.

    ``waves``: E of every step; ``n_steps``: steps of each interval; ``lengths``: of the steps of
    each interval; ``stages``: (steps in all, n_stages, n_rows, n_columns).
    """
    n_stages = weights.shape[0]
    shape = start.shape
    work, rate, first = np.empty(shape), np.empty(shape), np.empty(shape)
    nothing = np.empty((0, 0))
    copy_field(start, frames[0])
    step = 0
    for interval in range(n_steps.size):
        now = frames[interval]
        for sub in range(n_steps[interval]):
            block = stages[step]
            copy_field(now, block[0])
            for stage in range(n_stages):
                target = first if stage == 0 else rate
                stage_rate(block[stage], nothing, waves[step], profile, theta, grid, conserved,
                           mirror, work, target)  # fmt: skip
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
        if not stays_finite(frames[interval + 1]):
            return False
    return True


@summing_kernel
def bend_stages(stages: Floats, theta: Floats, bends: Any) -> None:
    """Set ``bends`` (float32, flat) to the slope of the local force at every stage (flat)."""
    alpha, twice, triple = theta[ALPHA], 2.0 * theta[CUBIC], 3.0 * theta[BETA]
    fifth = 5.0 * theta[GAMMA]
    for i in range(stages.size):
        p = stages[i]
        q = p * p
        bends[i] = alpha + twice * p + q * (triple + q * fifth)


@summing_kernel
def tangent_rate(order: Floats, bends: Any, change: Floats, values: Floats, slopes: Floats,
                 kinds: Any, wave: float, profile: Floats, theta: Floats, turn: Floats,
                 turned: bool, grid: Floats, conserved: bool, mirror: bool, rooms: Floats,
                 out: Floats) -> None:  # fmt: skip
    """Set ``out`` to the rate's derivative along ``change`` of P, ``turn`` of the parameters."""
    work, room, other = rooms[0], rooms[1], rooms[2]
    laplacian(change, work, theta[BEND_X], theta[BEND_Y], mirror)
    for i in range(order.shape[0]):
        bend, move, target = bends[i], change[i], work[i]
        for j in range(order.shape[1]):
            target[j] -= bend[j] * move[j]
    if turned:
        laplacian(order, room, turn[BEND_X], turn[BEND_Y], mirror)
        for i in range(order.shape[0]):
            row, target, add, shape = order[i], work[i], room[i], profile[i]
            for j in range(order.shape[1]):
                p = row[j]
                q = p * p
                target[j] += (
                    add[j] + turn[BIAS] + turn[FIELD] * wave * shape[j]
                    - p * (turn[ALPHA] + p * turn[CUBIC] + q * (turn[BETA] + q * turn[GAMMA]))
                )  # fmt: skip
    for k in range(kinds.size):
        weight, add = theta[BUILT_IN + k], turn[BUILT_IN + k]
        for i in range(order.shape[0]):
            for j in range(order.shape[1]):
                room[i, j] = weight * slopes[k, i, j] * change[i, j] + add * values[k, i, j]
        operate(kinds[k], room, other, grid, False, mirror)
        for i in range(order.shape[0]):
            for j in range(order.shape[1]):
                work[i, j] += other[i, j]
    transport(work, out, grid, conserved, mirror)


@summing_kernel
def tangent_pass(start: Floats, turn: Floats, stages: Floats, bends: Any, values: Floats,
                 slopes: Floats, kinds: Any, waves: Floats, profile: Floats, theta: Floats,
                 grid: Floats, weights: Floats, n_steps: Any, lengths: Floats, conserved: bool,
                 mirror: bool, frames: Floats) -> None:  # fmt: skip
    """Change of the frames with a change of the start and of the parameters.

    ``values``, ``slopes``: (steps, n_stages, n_user_terms, n_rows, n_columns), or five zeros.
    """
    n_stages = weights.shape[0]
    shape = start.shape
    block = np.empty((n_stages + 1, shape[0], shape[1]))
    rooms, rate, first = np.empty((3, *shape)), np.empty(shape), np.empty(shape)
    none = np.empty((0, 0, 0))
    turned = False
    for k in range(turn.size):
        turned = turned or turn[k] != 0.0
    copy_field(start, block[0])
    copy_field(start, frames[0])
    step = 0
    for interval in range(n_steps.size):
        for _ in range(n_steps[interval]):
            for stage in range(n_stages):
                target = first if stage == 0 else rate
                tangent_rate(
                    stages[step, stage], bends[step, stage], block[stage],
                    values[step, stage] if kinds.size else none,
                    slopes[step, stage] if kinds.size else none,
                    kinds, waves[step], profile, theta, turn, turned, grid, conserved, mirror,
                    rooms, target,
                )  # fmt: skip
                combine(block, block[stage + 1], target, first, weights, stage, lengths[interval])
            copy_field(block[n_stages], block[0])
            step += 1
        copy_field(block[0], frames[interval + 1])


@summing_kernel
def adjoint_sums(order: Floats, moved: Floats, scale: float, wave: float, profile: Floats,
                 rooms: Floats, mirror: bool, gradient: Floats) -> None:  # fmt: skip
    """Add the built-in parameters' share of a stage to their gradient."""
    along_x, along_y = rooms[1], rooms[2]
    laplacian(moved, along_x, 1.0, 0.0, mirror)
    laplacian(moved, along_y, 0.0, 1.0, mirror)
    total, first, second, third, fifth, push = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    bend_x, bend_y = 0.0, 0.0
    for i in range(order.shape[0]):
        row, pull, east, south, shape = order[i], moved[i], along_x[i], along_y[i], profile[i]
        for j in range(order.shape[1]):
            p = row[j]
            q = p * p
            m = pull[j]
            total += m
            push += shape[j] * m
            first += p * m
            second += q * m
            third += p * q * m
            fifth += p * q * q * m
            bend_x += p * east[j]
            bend_y += p * south[j]
    gradient[BIAS] += scale * total
    gradient[ALPHA] -= scale * first
    gradient[CUBIC] -= scale * second
    gradient[BETA] -= scale * third
    gradient[GAMMA] -= scale * fifth
    gradient[BEND_X] += scale * bend_x
    gradient[BEND_Y] += scale * bend_y
    gradient[FIELD] += scale * wave * push


@summing_kernel
def adjoint_rate(order: Floats, bends: Any, force: Floats, scale: float, values: Floats,
                 slopes: Floats, kinds: Any, wave: float, profile: Floats, theta: Floats,
                 grid: Floats, conserved: bool, mirror: bool, with_theta: bool, rooms: Floats,
                 gradient: Floats, out: Floats) -> None:  # fmt: skip
    """Add ``scale`` x the transposed derivative of the rate times ``force`` to ``out``."""
    moved, work = rooms[0], rooms[1]
    transport(force, moved, grid, conserved, mirror)
    if with_theta:
        adjoint_sums(order, moved, scale, wave, profile, rooms, mirror, gradient)
    laplacian(moved, work, theta[BEND_X], theta[BEND_Y], mirror)
    for i in range(order.shape[0]):
        bend, pull, spread, target = bends[i], moved[i], work[i], out[i]
        for j in range(order.shape[1]):
            target[j] += scale * (spread[j] - bend[j] * pull[j])
    for k in range(kinds.size):
        operate(kinds[k], moved, work, grid, True, mirror)
        total = 0.0
        for i in range(order.shape[0]):
            for j in range(order.shape[1]):
                total += values[k, i, j] * work[i, j]
                out[i, j] += scale * theta[BUILT_IN + k] * slopes[k, i, j] * work[i, j]
        gradient[BUILT_IN + k] += scale * total


@summing_kernel
def add_scaled(out: Floats, field: Floats, factor: float) -> None:
    """Add ``factor`` x ``field``."""
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[i, j] += factor * field[i, j]


@summing_kernel
def adjoint_pass(force: Floats, stages: Floats, bends: Any, values: Floats, slopes: Floats,
                 kinds: Any, waves: Floats, profile: Floats, theta: Floats, grid: Floats,
                 weights: Floats, n_steps: Any, lengths: Floats, conserved: bool, mirror: bool,
                 with_theta: bool, start: Floats, gradient: Floats) -> None:  # fmt: skip
    """Transpose of ``tangent_pass``: fill ``start`` and ``gradient`` from forces on the frames."""
    n_stages = weights.shape[0]
    shape = start.shape
    bars = np.empty((n_stages + 1, shape[0], shape[1]))
    rooms, first = np.empty((3, *shape)), np.empty(shape)
    none = np.empty((0, 0, 0))
    for k in range(gradient.size):
        gradient[k] = 0.0
    copy_field(force[n_steps.size], start)
    step = stages.shape[0] - 1
    for interval in range(n_steps.size - 1, -1, -1):
        length = lengths[interval]
        for _ in range(n_steps[interval]):
            for stage in range(n_stages):
                clear_field(bars[stage])
            copy_field(start, bars[n_stages])
            clear_field(first)
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
                    stages[step, stage], bends[step, stage], pull, scale,
                    values[step, stage] if kinds.size else none,
                    slopes[step, stage] if kinds.size else none,
                    kinds, waves[step], profile, theta, grid, conserved, mirror, with_theta, rooms,
                    gradient, bars[stage],
                )  # fmt: skip
            copy_field(bars[0], start)
            step -= 1
        add_scaled(start, force[interval], 1.0)
