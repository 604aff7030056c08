"""Motion in a field on a grid: moments between frames and the filter over frames.

Fields are uniform cubic B-splines of one to three axes. A field is (shape, numbers, grid, counts,
tables). ``shape`` holds d, the order of the motion (1 overdamped, 2 underdamped), 1 for a potential
(0: a force for each axis), 1 for a flat diffusion, and 1 for blur. ``numbers`` holds the share of
grad D in the drift, friction, kT / m, ln D where it is flat, the exposure and the longest sub-step.
A room is (taps, work, small).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.compiled import kernel

__all__ = ["filter_rows", "local", "spline"]

Float = NDArray[np.float64]
Int = NDArray[np.int64]
Field = tuple[Int, Float, Float, Int, Float]
Room = tuple[Float, Float, Float]
Stages = tuple[Float, Float, Float]

LOG_2PI = 1.8378770664093453


@kernel
def spline(
    point: Float, d: int, grid: Float, counts: Int, table: Float, taps: Float, out: Float
) -> None:
    """Write value, gradient (1:4) and second derivatives (xx, yy, zz, xy, xz, yz) at a point.

    ``taps``: zero, with [:, 0, 0] one, which an axis that is not there keeps.
    """
    first_0 = first_1 = first_2 = 0
    for a in range(d):
        place = (point[a] - grid[0, a]) * grid[1, a]
        cell = 0
        if place > 0.0:  # not where it is NaN
            cell = int(min(np.floor(place), counts[a] - 4.0))
        t = place - cell
        s = 1.0 - t
        w, w2 = grid[1, a], grid[1, a] * grid[1, a]
        if a == 0:
            first_0 = cell
        elif a == 1:
            first_1 = cell
        else:
            first_2 = cell
        taps[a, 0, 0] = s * s * s / 6.0
        taps[a, 0, 1] = (3.0 * t * t * t - 6.0 * t * t + 4.0) / 6.0
        taps[a, 0, 2] = (3.0 * s * s * s - 6.0 * s * s + 4.0) / 6.0
        taps[a, 0, 3] = t * t * t / 6.0
        taps[a, 1, 0] = -0.5 * s * s * w
        taps[a, 1, 1] = (1.5 * t * t - 2.0 * t) * w
        taps[a, 1, 2] = (2.0 * s - 1.5 * s * s) * w
        taps[a, 1, 3] = 0.5 * t * t * w
        taps[a, 2, 0] = s * w2
        taps[a, 2, 1] = (3.0 * t - 2.0) * w2
        taps[a, 2, 2] = (3.0 * s - 2.0) * w2
        taps[a, 2, 3] = t * w2
    for k in range(10):
        out[k] = 0.0
    if d == 1:
        for i in range(4):
            out[0] += table[first_0 + i] * taps[0, 0, i]
            out[1] += table[first_0 + i] * taps[0, 1, i]
            out[4] += table[first_0 + i] * taps[0, 2, i]
        return
    n_z = 4 if d > 2 else 1
    for i in range(4):
        x0, x1, x2 = taps[0, 0, i], taps[0, 1, i], taps[0, 2, i]
        for j in range(4):
            row = ((first_0 + i) * counts[1] + first_1 + j) * counts[2] + first_2
            if n_z == 1:
                v, v1, v2 = table[row], 0.0, 0.0
            else:
                v = v1 = v2 = 0.0
                for k in range(4):
                    c = table[row + k]
                    v += c * taps[2, 0, k]
                    v1 += c * taps[2, 1, k]
                    v2 += c * taps[2, 2, k]
            y0, y1, y2 = taps[1, 0, j], taps[1, 1, j], taps[1, 2, j]
            out[0] += x0 * y0 * v
            out[1] += x1 * y0 * v
            out[2] += x0 * y1 * v
            out[4] += x2 * y0 * v
            out[5] += x0 * y2 * v
            out[7] += x1 * y1 * v
            if n_z > 1:
                out[3] += x0 * y0 * v1
                out[6] += x0 * y0 * v2
                out[8] += x1 * y0 * v1
                out[9] += x0 * y1 * v1


@kernel
def second(out: Float, a: int, b: int) -> Any:
    """Second derivative along axes a and b."""
    if a == b:
        return out[4 + a]
    return out[6 + a + b]


@kernel
def local(point: Float, field: Field, room: Room, force: Float, slope: Float) -> Any:
    """Write force (or overdamped drift) and its gradient at a point; return D (underdamped: 0)."""
    shape, numbers, grid, counts, tables = field
    taps, work, _ = room
    d = shape[0]
    if shape[2] == 1:
        spline(point, d, grid, counts, tables[0], taps, work)
        for a in range(d):
            force[a] = -work[1 + a]
            for b in range(d):
                slope[a, b] = -second(work, a, b)
    else:
        for a in range(d):
            spline(point, d, grid, counts, tables[a], taps, work)
            force[a] = work[0]
            for b in range(d):
                slope[a, b] = work[1 + b]
    if shape[1] == 2:
        return 0.0
    if shape[3] == 1:
        diffusion = np.exp(numbers[3])
        for a in range(d):
            force[a] *= diffusion
            for b in range(d):
                slope[a, b] *= diffusion
        return diffusion
    share = numbers[0]
    spline(point, d, grid, counts, tables[tables.shape[0] - 1], taps, work)
    diffusion = np.exp(work[0])
    for a in range(d):
        force[a] = diffusion * (force[a] + share * work[1 + a])
    for a in range(d):
        for b in range(d):
            curved = diffusion * (slope[a, b] + share * second(work, a, b))
            slope[a, b] = curved + work[1 + b] * force[a]
    return diffusion


@kernel
def averages(
    mean: Float, spread: Float, field: Field, room: Room, force: Float, slope: Float
) -> Any:
    """Write force and gradient averaged over a Gaussian of the positions; return the mean D."""
    shape, small = field[0], room[2]
    d = shape[0]
    root, point = small[0:3], small[3]
    one_force, one_slope = small[4], small[5:8]
    for a in range(d):
        for b in range(a + 1):
            rest = spread[a, b]
            for c in range(b):
                rest -= root[a, c] * root[b, c]
            if a == b:
                root[a, a] = np.sqrt(max(rest, 0.0))
            else:
                root[a, b] = rest / root[b, b] if root[b, b] > 0.0 else 0.0
    for a in range(d):
        force[a] = 0.0
        for b in range(d):
            slope[a, b] = 0.0
    diffusion = 0.0
    if root[0, 0] == 0.0 and root[d - 1, d - 1] == 0.0:
        return local(mean, field, room, force, slope)
    # 2 d points: exact for cubics, so for the averages of forces of quartic potentials
    weight, reach = 0.5 / d, np.sqrt(float(d))
    for k in range(2 * d):
        c = k // 2
        far = reach if k % 2 == 0 else -reach
        for a in range(d):
            point[a] = mean[a] + (far * root[a, c] if a >= c else 0.0)
        value = local(point, field, room, one_force, one_slope)
        diffusion += weight * value
        for a in range(d):
            force[a] += weight * one_force[a]
            for b in range(d):
                slope[a, b] += weight * one_slope[a, b]
    return diffusion


@kernel
def slopes(
    state: Float, exposed: bool, n: int, field: Field, room: Room, matrix: Float, out: Float
) -> None:
    """Write d/dt of mean (row 0) and covariance (rows 1:) of the state."""
    shape, numbers, small = field[0], field[1], room[2]
    d, underdamped = shape[0], shape[1] == 2
    force, slope = small[8], small[9:12]
    diffusion = averages(state[0], state[1:], field, room, force, slope)
    for a in range(n):
        out[0, a] = 0.0
        for b in range(n):
            matrix[a, b] = 0.0
    for a in range(d):
        if underdamped:
            matrix[a, d + a] = 1.0
            out[0, a] = state[0, d + a]
            out[0, d + a] = numbers[2] * force[a] - numbers[1] * state[0, d + a]
            for b in range(d):
                matrix[d + a, b] = numbers[2] * slope[a, b]
            matrix[d + a, d + a] = -numbers[1]
        else:
            out[0, a] = force[a]
            for b in range(d):
                matrix[a, b] = slope[a, b]
        if exposed:
            matrix[n - d + a, a] = 1.0 / numbers[4]
            out[0, n - d + a] = state[0, a] / numbers[4]
    for a in range(n):
        for b in range(n):
            total = 0.0
            for c in range(n):
                total += matrix[a, c] * state[1 + c, b]
            out[1 + a, b] = total
    for a in range(n):
        for b in range(a + 1):
            both = out[1 + a, b] + out[1 + b, a]
            out[1 + a, b] = both
            out[1 + b, a] = both
    for a in range(d):
        if underdamped:
            out[1 + d + a, d + a] += 2.0 * numbers[1] * numbers[2]
        else:
            out[1 + a, a] += 2.0 * diffusion


@kernel
def propagate(
    state: Float, duration: float, exposed: bool, n: int, field: Field, room: Room, stages: Stages
) -> None:
    """Carry mean and covariance over a duration: Runge-Kutta of order 4 in sub-steps."""
    if duration <= 0.0:
        return
    matrix, rates, trial = stages
    n_steps = int(max(1.0, np.ceil(duration / field[1][5] - 1e-9)))
    h = duration / n_steps
    for _ in range(n_steps):
        for stage in range(4):
            ahead = 0.0 if stage == 0 else (h if stage == 3 else 0.5 * h)
            for a in range(n + 1):
                for b in range(n):
                    earlier = rates[stage - 1, a, b] if stage > 0 else 0.0
                    trial[a, b] = state[a, b] + ahead * earlier
            slopes(trial, exposed, n, field, room, matrix, rates[stage])
        for a in range(n + 1):
            for b in range(n):
                inner = rates[1, a, b] + rates[2, a, b]
                state[a, b] += h / 6.0 * (rates[0, a, b] + 2.0 * inner + rates[3, a, b])


@kernel
def measure(
    state: Float, at: int, seen: Float, variance: float, innovation: Float, spread: Float,
    small: Float,
) -> Any:  # fmt: skip
    """Condition the state on a measured position; return its log density."""
    d, n = len(seen), state.shape[1]
    root, gain = small[0:3], small[3:12]
    for a in range(d):
        innovation[a] = seen[a] - state[0, at + a]
        for b in range(d):
            spread[a, b] = state[1 + at + a, at + b]
        spread[a, a] += variance
    log_density = -0.5 * d * LOG_2PI
    for a in range(d):
        for b in range(a + 1):
            rest = spread[a, b]
            for c in range(b):
                rest -= root[a, c] * root[b, c]
            if a == b:
                root[a, a] = np.sqrt(rest)
                log_density -= np.log(root[a, a])
            else:
                root[a, b] = rest / root[b, b]
    # gain = P H^T S^-1 by two triangular solves; then P -= gain S gain^T
    for k in range(n):
        for a in range(d):
            rest = state[1 + k, at + a]
            for c in range(a):
                rest -= root[a, c] * gain[k, c]
            gain[k, a] = rest / root[a, a]
    whitened = small[12]
    for a in range(d):
        rest = innovation[a]
        for c in range(a):
            rest -= root[a, c] * whitened[c]
        whitened[a] = rest / root[a, a]
        log_density -= 0.5 * whitened[a] * whitened[a]
    for k in range(n):
        for a in range(d):
            state[0, k] += gain[k, a] * whitened[a]
    for k in range(n):
        for j in range(n):
            for a in range(d):
                state[1 + k, j] -= gain[k, a] * gain[j, a]
    return log_density


@kernel
def filter_rows(
    starts: Int, gaps: Float, seen: Float, variance: Float, field: Field, innovation: Float,
    spread: Float, log_density: Float, velocity: Float,
) -> None:  # fmt: skip
    """Filter each series of rows: innovations, their covariances, log densities, mean velocities.

    The first row of a series only starts it.
    """
    shape, numbers = field[0], field[1]
    d, order, blur = shape[0], shape[1], shape[4]
    n = d * (order + blur)
    at = n - d if blur == 1 else 0
    state, rates = np.zeros((n + 1, n)), np.zeros((4, n + 1, n))
    trial, matrix = np.zeros((n + 1, n)), np.zeros((n, n))
    taps, work, small = np.zeros((3, 3, 4)), np.zeros(10), np.zeros((13, 3))
    taps[:, 0, 0] = 1.0
    room, stages = (taps, work, small), (matrix, rates, trial)
    for series in range(len(starts) - 1):
        for row in range(starts[series], starts[series + 1]):
            if row == starts[series]:
                state[:] = 0.0
                for a in range(d):
                    state[0, a] = seen[row, a]
                    state[1 + a, a] = variance[row]
                    if order == 2:
                        state[1 + d + a, d + a] = numbers[2]
                        if blur == 1:
                            state[1 + a, a] += numbers[2] * numbers[4] * numbers[4] / 4.0
                    innovation[row, a] = 0.0
                    for b in range(d):
                        spread[row, a, b] = 1.0 if a == b else 0.0
                if order == 1 and blur == 1:
                    diffusion = local(seen[row], field, room, small[0], small[1:4])
                    for a in range(d):
                        state[1 + a, a] += 2.0 * diffusion * numbers[4] / 3.0
                log_density[row] = 0.0
            else:
                dead = gaps[row] - (numbers[4] if blur == 1 else 0.0)
                propagate(state, dead, False, n, field, room, stages)
                if blur == 1:
                    for a in range(d):
                        state[0, at + a] = 0.0
                        for b in range(n):
                            state[1 + at + a, b] = 0.0
                            state[1 + b, at + a] = 0.0
                    propagate(state, numbers[4], True, n, field, room, stages)
                log_density[row] = measure(
                    state, at, seen[row], variance[row], innovation[row], spread[row], small
                )
            if order == 2:
                for a in range(d):
                    velocity[row, a] = state[0, d + a]
                    velocity[row, d + a] = np.sqrt(max(state[1 + d + a, d + a], 0.0))
