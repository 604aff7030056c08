"""Compiled line in a pinning field: forward, tangent and exact adjoint of Heun's step."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.compiled import kernel

__all__ = ["adjoint_line", "forward_line", "tangent_line"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@kernel
def line_parts(u: Floats, i: int, spacing: float, steep: float) -> Any:
    """Slope, bend and how the law feels the slope: g1, g2 and their derivatives."""
    n = u.size
    if i == 0:
        slope, bend = (u[1] - u[0]) / spacing, 0.0
    elif i == n - 1:
        slope, bend = (u[n - 1] - u[n - 2]) / spacing, 0.0
    else:
        slope = (u[i + 1] - u[i - 1]) / (2.0 * spacing)
        bend = (u[i + 1] - 2.0 * u[i] + u[i - 1]) / (spacing * spacing)
    square = 1.0 + steep * slope * slope
    g1 = np.sqrt(square)
    g2 = 1.0 / square
    return bend, g1, g2, steep * slope / g1, -2.0 * steep * slope * g2 * g2


@kernel
def knot_of(height: float, low: float, step: float, n_knots: int) -> Any:
    """Knot below a height, share of the way to the next, and 0 outside of the map."""
    place = (height - low) / step
    if place <= 0.0:
        return 0, 0.0, 0.0
    if place >= n_knots - 1:
        return n_knots - 2, 1.0, 0.0
    knot = int(place)
    return knot, place - knot, 1.0


@kernel
def rate_of(
    u: Floats,
    drive: float,
    field: Floats,
    low: float,
    step: float,
    mobility: float,
    spacing: float,
    steep: float,
    rate: Floats,
) -> Any:
    """Write du/dt = g1 (drive + field(i, u)) + mobility bend g2."""
    for i in range(u.size):
        bend, g1, g2, _, _ = line_parts(u, i, spacing, steep)
        knot, share, _ = knot_of(u[i], low, step, field.shape[1])
        push = drive + (1.0 - share) * field[i, knot] + share * field[i, knot + 1]
        rate[i] = g1 * push + mobility * bend * g2


@kernel
def forward_line(
    start: Floats,
    drives: Floats,
    counts: Integers,
    intervals: Floats,
    field: Floats,
    low: float,
    step: float,
    mobility: float,
    spacing: float,
    steep: float,
    path: Floats,
) -> Any:
    """Write the heights after every step, path (n_steps + 1, n)."""
    n = start.size
    k1, k2, work = np.empty(n), np.empty(n), np.empty(n)
    path[0] = start
    row = 0
    for index in range(intervals.size):
        dt = intervals[index] / counts[index]
        for _ in range(counts[index]):
            u = path[row]
            rate_of(u, drives[index], field, low, step, mobility, spacing, steep, k1)
            work[:] = u + dt * k1
            rate_of(work, drives[index], field, low, step, mobility, spacing, steep, k2)
            path[row + 1] = u + 0.5 * dt * (k1 + k2)
            row += 1


@kernel
def push_forward(
    u: Floats,
    du: Floats,
    drive: float,
    d_drive: float,
    field: Floats,
    d_field: Floats,
    low: float,
    step: float,
    mobility: float,
    d_mobility: float,
    spacing: float,
    steep: float,
    out: Floats,
) -> Any:
    """Write the change of the rate for changes of heights, drive, field and mobility."""
    n = u.size
    for i in range(n):
        bend, g1, g2, dg1, dg2 = line_parts(u, i, spacing, steep)
        if i == 0:
            d_slope, d_bend = (du[1] - du[0]) / spacing, 0.0
        elif i == n - 1:
            d_slope, d_bend = (du[n - 1] - du[n - 2]) / spacing, 0.0
        else:
            d_slope = (du[i + 1] - du[i - 1]) / (2.0 * spacing)
            d_bend = (du[i + 1] - 2.0 * du[i] + du[i - 1]) / (spacing * spacing)
        knot, share, inside = knot_of(u[i], low, step, field.shape[1])
        push = drive + (1.0 - share) * field[i, knot] + share * field[i, knot + 1]
        climb = inside * (field[i, knot + 1] - field[i, knot]) / step
        d_push = d_drive + (1.0 - share) * d_field[i, knot] + share * d_field[i, knot + 1]
        out[i] = (
            (dg1 * push + mobility * bend * dg2) * d_slope
            + mobility * g2 * d_bend
            + g1 * (climb * du[i] + d_push)
            + bend * g2 * d_mobility
        )


@kernel
def tangent_line(
    path: Floats,
    d_start: Floats,
    drives: Floats,
    d_drives: Floats,
    counts: Integers,
    intervals: Floats,
    field: Floats,
    d_field: Floats,
    low: float,
    step: float,
    mobility: float,
    d_mobility: float,
    spacing: float,
    steep: float,
    d_frames: Floats,
) -> Any:
    """Write the changes of the heights at the frames, d_frames (n_frames, n)."""
    n = d_start.size
    k1, d1, d2, work, d_work = np.empty(n), np.empty(n), np.empty(n), np.empty(n), np.empty(n)
    du = d_start.copy()
    d_frames[0] = du
    row = 0
    for index in range(intervals.size):
        dt = intervals[index] / counts[index]
        drive, d_drive = drives[index], d_drives[index]
        for _ in range(counts[index]):
            u = path[row]
            rate_of(u, drive, field, low, step, mobility, spacing, steep, k1)
            push_forward(
                u, du, drive, d_drive, field, d_field, low, step, mobility, d_mobility, spacing,
                steep, d1,
            )  # fmt: skip
            work[:] = u + dt * k1
            d_work[:] = du + dt * d1
            push_forward(
                work, d_work, drive, d_drive, field, d_field, low, step, mobility, d_mobility,
                spacing, steep, d2,
            )  # fmt: skip
            du += 0.5 * dt * (d1 + d2)
            row += 1
        d_frames[index + 1] = du


@kernel
def pull_back(
    u: Floats,
    force: Floats,
    drive: float,
    field: Floats,
    low: float,
    step: float,
    mobility: float,
    spacing: float,
    steep: float,
    back: Floats,
    field_back: Floats,
) -> Any:
    """Add the transpose of `push_forward`: to heights and field; return drive's and mobility's."""
    n = u.size
    drive_back, mobility_back = 0.0, 0.0
    for i in range(n):
        bend, g1, g2, dg1, dg2 = line_parts(u, i, spacing, steep)
        knot, share, inside = knot_of(u[i], low, step, field.shape[1])
        push = drive + (1.0 - share) * field[i, knot] + share * field[i, knot + 1]
        climb = inside * (field[i, knot + 1] - field[i, knot]) / step
        by_slope = (dg1 * push + mobility * bend * dg2) * force[i]
        by_bend = mobility * g2 * force[i]
        if i == 0:
            back[1] += by_slope / spacing
            back[0] -= by_slope / spacing
        elif i == n - 1:
            back[n - 1] += by_slope / spacing
            back[n - 2] -= by_slope / spacing
        else:
            back[i + 1] += by_slope / (2.0 * spacing) + by_bend / (spacing * spacing)
            back[i - 1] += -by_slope / (2.0 * spacing) + by_bend / (spacing * spacing)
            back[i] -= 2.0 * by_bend / (spacing * spacing)
        along = g1 * force[i]
        back[i] += climb * along
        drive_back += along
        field_back[i, knot] += (1.0 - share) * along
        field_back[i, knot + 1] += share * along
        mobility_back += bend * g2 * force[i]
    return drive_back, mobility_back


@kernel
def adjoint_line(
    path: Floats,
    forces: Floats,
    drives: Floats,
    counts: Integers,
    intervals: Floats,
    field: Floats,
    low: float,
    step: float,
    mobility: float,
    spacing: float,
    steep: float,
    field_back: Floats,
    drives_back: Floats,
    back: Floats,
) -> Any:
    """Add forces (n_frames, n) on the frames up to the start: ``back`` (n); return mobility's."""
    n = back.size
    k1, work, mu, by_work = np.empty(n), np.empty(n), np.empty(n), np.empty(n)
    total = 0.0
    row = path.shape[0] - 1
    back[:] = forces[intervals.size]
    for index in range(intervals.size - 1, -1, -1):
        dt = intervals[index] / counts[index]
        drive = drives[index]
        for _ in range(counts[index]):
            row -= 1
            u = path[row]
            rate_of(u, drive, field, low, step, mobility, spacing, steep, k1)
            work[:] = u + dt * k1
            mu[:] = 0.5 * dt * back
            by_work[:] = 0.0
            one, two = pull_back(
                work, mu, drive, field, low, step, mobility, spacing, steep, by_work, field_back
            )
            drives_back[index] += one
            total += two
            mu += dt * by_work
            back += by_work
            one, two = pull_back(
                u, mu, drive, field, low, step, mobility, spacing, steep, back, field_back
            )
            drives_back[index] += one
            total += two
        back += forces[index]
    return total
