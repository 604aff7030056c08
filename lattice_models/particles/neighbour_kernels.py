"""Kernels that keep particles sorted in space and list the neighbours of groups of eight.

Particles live in slots, in the order of a snake through columns of space, so that eight slots in
a row (a group) are close together. A group's list names every point that lies within the reach of
any of its eight particles. Periodic images are ghost points behind the slots: the loops over
pairs know nothing of the box. Rows of ``points``: the slots, the ghosts, and last of all a point
infinitely far away that fills the gaps.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.compiled import kernel

__all__ = ["FAR", "GROUP", "list_neighbours", "sort_particles"]

Float = NDArray[np.float64]
Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]

GROUP = 8
FAR = 1e8
CENTRE = 13  # the shift (0, 0, 0) among 27
SLACK = 1.0 + 1e-9  # columns are searched a hair further than the reach: round-off of their edges


@kernel
def choose_grid(points: Float, n: int, box: Float, reach: float, grid: Int64, frame: Float) -> None:
    """Fill ``grid`` (columns a, columns b, bins along c, axes a b c) and ``frame`` (origin, 1/w).

    ``box`` holds 0 for an open axis. A column is about as wide as a cube that holds eight.
    """
    volume = 1.0
    thick = 0
    for d in range(3):
        low, high = points[0, d], points[0, d]
        for i in range(1, n):
            low, high = min(low, points[i, d]), max(high, points[i, d])
        if box[d] > 0.0:
            low, high = 0.0, box[d]
        frame[d] = low
        frame[3 + d] = high - low
        if high - low > 1e-9 * reach:
            volume *= high - low
            thick += 1
    # in a plane the third axis is one column and the bins run along y
    flat = frame[5] <= 1e-9 * reach
    grid[3], grid[4], grid[5] = 0, 2 if flat else 1, 1 if flat else 2
    width = reach
    if thick > 0:
        width = min(reach, max(reach / 6.0, (GROUP * volume / n) ** (1.0 / thick)))
    while True:
        for k in range(3):
            length = frame[3 + grid[3 + k]]
            cells = length / (0.5 * width if k == 2 else width)
            grid[k] = max(1, int(min(cells, 1e6)))
        if grid[0] * grid[1] * grid[2] <= 8 * n + 64:
            break
        width *= 1.3
    for k in range(3):
        length = frame[3 + grid[3 + k]]
        frame[3 + grid[3 + k]] = grid[k] / length if length > 0.0 else 0.0


@kernel
def sort_particles(
    points: Float,
    carried: Float,
    names: Int64,
    box: Float,
    reach: float,
    grid: Int64,
    frame: Float,
    start: Int64,
    scratch: Float,
) -> None:
    """Wrap the particles into the box and sort them (with all that they carry) along the snake.

    ``carried``: (n_slots, m) numbers that move with a particle; ``names``: (n, 5) identity,
    species and the three counts of box lengths; ``start``: first slot of each bin (filled);
    ``scratch``: (n, 4 + m + 5).
    """
    n = names.shape[0]
    m = carried.shape[1]
    for i in range(n):
        for d in range(3):
            if box[d] > 0.0:
                turns = math.floor(points[i, d] / box[d])
                points[i, d] -= turns * box[d]
                names[i, 2 + d] += np.int64(turns)
    choose_grid(points, n, box, reach, grid, frame)
    n_bins = grid[0] * grid[1] * grid[2]
    start[: n_bins + 1] = 0
    a, b, c = grid[3], grid[4], grid[5]
    for i in range(n):
        key = bin_of(points[i, a], points[i, b], points[i, c], grid, frame)
        start[key + 1] += 1
        for d in range(4):
            scratch[i, d] = points[i, d]
        for k in range(m):
            scratch[i, 4 + k] = carried[i, k]
        for k in range(5):
            scratch[i, 4 + m + k] = names[i, k]
    for key in range(n_bins):
        start[key + 1] += start[key]
    # from the last particle down: start[key + 1] is a moving end that stops at the bin's beginning
    for i in range(n - 1, -1, -1):
        key = bin_of(scratch[i, a], scratch[i, b], scratch[i, c], grid, frame)
        start[key + 1] -= 1
        slot = start[key + 1]
        for d in range(4):
            points[slot, d] = scratch[i, d]
        for k in range(m):
            carried[slot, k] = scratch[i, 4 + k]
        for k in range(5):
            names[slot, k] = np.int64(scratch[i, 4 + m + k])
    # every entry now holds the beginning of the bin before it: move them down by one
    for key in range(n_bins):
        start[key] = start[key + 1]
    start[n_bins] = n


@kernel
def bin_of(along_a: float, along_b: float, along_c: float, grid: Int64, frame: Float) -> Any:
    """Bin of a place: columns in snake order, bins up and down in turn."""
    i = min(max(int((along_a - frame[grid[3]]) * frame[3 + grid[3]]), 0), grid[0] - 1)
    j = min(max(int((along_b - frame[grid[4]]) * frame[3 + grid[4]]), 0), grid[1] - 1)
    k = min(max(int((along_c - frame[grid[5]]) * frame[3 + grid[5]]), 0), grid[2] - 1)
    column = i * grid[1] + (j if i % 2 == 0 else grid[1] - 1 - j)
    return column * grid[2] + (k if column % 2 == 0 else grid[2] - 1 - k)


@kernel
def span(low: float, high: float, axis: int, cells: int, box: Float, frame: Float) -> Any:
    """First and last of the cells along an axis that a stretch touches."""
    first = math.floor((low - frame[axis]) * frame[3 + axis])
    last = math.floor((high - frame[axis]) * frame[3 + axis])
    if box[axis] > 0.0:
        return max(first, -cells), min(last, 2 * cells - 1)
    return min(max(first, 0), cells - 1), min(max(last, 0), cells - 1)


@kernel
def gap(low: float, high: float, cell: int, axis: int, frame: Float) -> Any:
    """Distance along an axis between a stretch and a cell."""
    if frame[3 + axis] == 0.0:
        return 0.0
    width = 1.0 / frame[3 + axis]
    near = frame[axis] + cell * width
    return max(0.0, max(near - high, low - near - width) / SLACK - 1e-9 * width)


@kernel
def list_neighbours(
    points: Float,
    n: int,
    box: Float,
    reach: float,
    grid: Int64,
    frame: Float,
    start: Int64,
    group_start: Int64,
    entries: Int32,
    ghosts: Int32,
    ghost_of: Int32,
    lanes: Float,
) -> Any:
    """List for each group every point within ``reach`` of one of its particles, itself included.

    Returns the number of entries and of ghosts; either beyond the length of its array says that
    the lists are incomplete and the arrays must grow.
    """
    n_groups = group_start.size - 1
    n_slots = n_groups * GROUP
    far = points.shape[0] - 1
    a, b, c = grid[3], grid[4], grid[5]
    ghost_of[:] = -1
    group_start[0] = 0
    # counted from an array: from a literal 0 numba would compile the helpers a second time
    n_entries, n_ghosts = group_start[0], group_start[0]
    wide = reach * SLACK
    for group in range(n_groups):
        group_start[group] = n_entries
        first = group * GROUP
        for d in range(3):
            lanes[24 + d] = points[first, d]
            lanes[27 + d] = points[first, d]
        for k in range(GROUP):
            for d in range(3):
                lanes[8 * d + k] = points[first + k, d]
                if first + k < n:
                    lanes[24 + d] = min(lanes[24 + d], points[first + k, d])
                    lanes[27 + d] = max(lanes[27 + d], points[first + k, d])
        a0, a1 = span(lanes[24 + a] - wide, lanes[27 + a] + wide, a, grid[0], box, frame)
        b0, b1 = span(lanes[24 + b] - wide, lanes[27 + b] + wide, b, grid[1], box, frame)
        for i in range(a0, a1 + 1):
            gap_a = gap(lanes[24 + a], lanes[27 + a], i, a, frame)
            turn_a = math.floor(i / grid[0])
            column_a = i - turn_a * grid[0]
            for j in range(b0, b1 + 1):
                gap_b = gap(lanes[24 + b], lanes[27 + b], j, b, frame)
                left = wide * wide - gap_a * gap_a - gap_b * gap_b
                if left < 0.0:
                    continue
                turn_b = math.floor(j / grid[1])
                column_b = j - turn_b * grid[1]
                column = column_a * grid[1]
                column += column_b if column_a % 2 == 0 else grid[1] - 1 - column_b
                along = math.sqrt(left)
                low, high = lanes[24 + c] - along, lanes[27 + c] + along
                c0, c1 = span(low, high, c, grid[2], box, frame)
                for turn_c in range(math.floor(c0 / grid[2]), math.floor(c1 / grid[2]) + 1):
                    bottom = max(c0 - turn_c * grid[2], 0)
                    top = min(c1 - turn_c * grid[2], grid[2] - 1)
                    if column % 2 == 1:
                        bottom, top = grid[2] - 1 - top, grid[2] - 1 - bottom
                    head = start[column * grid[2] + bottom]
                    tail = start[column * grid[2] + top + 1]
                    lanes[30], lanes[31], lanes[32] = 0.0, 0.0, 0.0
                    lanes[30 + a] = turn_a * box[a]
                    lanes[30 + b] = turn_b * box[b]
                    lanes[30 + c] = turn_c * box[c]
                    before = n_entries
                    n_entries = add_run(points, head, tail, reach, entries, n_entries, lanes)
                    if turn_a == 0 and turn_b == 0 and turn_c == 0:
                        continue
                    turns = (turn_a, turn_b, turn_c)
                    shift = CENTRE
                    for k in range(3):
                        shift += turns[k] * (9, 3, 1)[grid[3 + k]]
                    n_ghosts = name_ghosts(
                        entries[before : min(n_entries, entries.size)], shift, n_slots, ghosts,
                        n_ghosts, ghost_of,
                    )  # fmt: skip
        if (n_entries - group_start[group]) % 2 == 1:  # the pair loops take two entries at once
            if n_entries < entries.size:
                entries[n_entries] = far
            n_entries += 1
    group_start[n_groups] = n_entries
    return n_entries, n_ghosts


@kernel
def name_ghosts(
    entries: Int32, shift: int, n_slots: int, ghosts: Int32, n_ghosts: int, ghost_of: Int32
) -> Any:
    """Replace slots by their ghosts beyond the border, new ones where there are none yet."""
    for e in range(entries.size):
        slot = entries[e]
        ghost = ghost_of[shift, slot]
        if ghost < 0:
            ghost = n_ghosts
            ghost_of[shift, slot] = ghost
            if n_ghosts < ghosts.shape[0]:
                ghosts[n_ghosts, 0] = slot
                ghosts[n_ghosts, 1] = shift
            n_ghosts += 1
        entries[e] = n_slots + ghost
    return n_ghosts


@kernel
def add_run(
    points: Float,
    head: int,
    tail: int,
    reach: float,
    entries: Int32,
    n_entries: int,
    lanes: Float,
) -> Any:
    """Append the slots of a run, shifted by lanes[30:33], that are near one of the eight lanes.

    Four slots at once: one such loop is long enough to become vector instructions.
    """
    square = reach * reach
    size, end = entries.size, points.shape[0] - 1
    shift_x, shift_y, shift_z = lanes[30], lanes[31], lanes[32]
    for q in range(head, tail, 4):
        q1, q2, q3 = min(q + 1, end), min(q + 2, end), min(q + 3, end)
        x0, y0, z0 = points[q, 0] + shift_x, points[q, 1] + shift_y, points[q, 2] + shift_z
        x1, y1, z1 = points[q1, 0] + shift_x, points[q1, 1] + shift_y, points[q1, 2] + shift_z
        x2, y2, z2 = points[q2, 0] + shift_x, points[q2, 1] + shift_y, points[q2, 2] + shift_z
        x3, y3, z3 = points[q3, 0] + shift_x, points[q3, 1] + shift_y, points[q3, 2] + shift_z
        near = 0
        for k in range(GROUP):
            x, y, z = lanes[k], lanes[8 + k], lanes[16 + k]
            dx, dy, dz = x - x0, y - y0, z - z0
            near |= 1 if dx * dx + dy * dy + dz * dz < square else 0
            dx, dy, dz = x - x1, y - y1, z - z1
            near |= 2 if dx * dx + dy * dy + dz * dz < square else 0
            dx, dy, dz = x - x2, y - y2, z - z2
            near |= 4 if dx * dx + dy * dy + dz * dz < square else 0
            dx, dy, dz = x - x3, y - y3, z - z3
            near |= 8 if dx * dx + dy * dy + dz * dz < square else 0
        for p in range(min(4, tail - q)):
            if n_entries < size:
                entries[n_entries] = q + p
            n_entries += (near >> p) & 1
    return n_entries
