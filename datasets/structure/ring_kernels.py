"""Compiled neighbours by a cell list, and faces of a planar bond network by half-edge tracing.

A half-edge is one direction of a bond. ``starts[i]:starts[i + 1]`` are the half-edges that leave
atom i, in counter-clockwise order; ``targets`` holds where each ends and ``steps`` its vector. The
face on the left of a half-edge goes on, at its end, with the next half-edge clockwise from the way
back.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.compiled import kernel

__all__ = [
    "bins_of",
    "bond_faces",
    "bond_network",
    "drop_crossings",
    "nearest_distances",
    "sort_by_angle",
    "twins_of",
]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]


@kernel
def bins_of(places: Floats, n_x: int, n_y: int) -> tuple[Integers, Integers]:
    """Return first[bin] and the atoms by bin; ``places``: (n, 2) shares from 0 to 1 of the box."""
    n = places.shape[0]
    which = np.empty(n, np.int64)
    first = np.zeros(n_x * n_y + 1, np.int64)
    for i in range(n):
        a = min(max(int(places[i, 0] * n_x), 0), n_x - 1)
        b = min(max(int(places[i, 1] * n_y), 0), n_y - 1)
        which[i] = b * n_x + a
        first[which[i] + 1] += 1
    for k in range(n_x * n_y):
        first[k + 1] += first[k]
    fill = first[:-1].copy()
    order = np.empty(n, np.int64)
    for i in range(n):
        order[fill[which[i]]] = i
        fill[which[i]] += 1
    return first, order


@kernel
def bond_network(
    places: Floats, box: Floats, periodic: bool, n_x: int, n_y: int, longest: float
) -> tuple[Integers, Integers, Integers, Floats]:
    """Return order, starts, targets and steps of all half-edges up to ``longest``, unsorted.

    Atoms are renumbered bin by bin, so that neighbours lie close in memory: number k is atom
    ``order[k]``. A periodic box must be three bins wide.
    """
    n = places.shape[0]
    first, order = bins_of(places, n_x, n_y)
    # loops, not slices: numba takes seconds to compile those
    near = np.empty((n, 2))
    for i in range(n):
        near[i, 0] = places[order[i], 0]
        near[i, 1] = places[order[i], 1]
    square = longest * longest
    starts = np.zeros(n + 1, np.int64)
    targets, steps = np.empty(8 * n + 64, np.int64), np.empty((8 * n + 64, 2))
    at = 0
    for row in range(n_y):
        for column in range(n_x):
            for i in range(first[row * n_x + column], first[row * n_x + column + 1]):
                x, y = near[i, 0], near[i, 1]
                # three bins of one row lie side by side, but not across a periodic edge
                wraps = periodic and (column == 0 or column == n_x - 1)
                for part in range(9 if wraps else 3):
                    other = row + (part // 3 if wraps else part) - 1
                    low, high = max(column - 1, 0), min(column + 1, n_x - 1)
                    if wraps:
                        low = (column + part % 3 - 1) % n_x
                        high = low
                    if periodic:
                        other %= n_y
                    elif other < 0 or other >= n_y:
                        continue
                    begin, end = first[other * n_x + low], first[other * n_x + high + 1]
                    if at + end - begin > targets.shape[0]:
                        more = 2 * targets.shape[0] + end - begin
                        old_targets, old_steps = targets, steps
                        targets, steps = np.empty(more, np.int64), np.empty((more, 2))
                        for k in range(at):
                            targets[k] = old_targets[k]
                            steps[k, 0] = old_steps[k, 0]
                            steps[k, 1] = old_steps[k, 1]
                    for j in range(begin, end):
                        u, v = near[j, 0] - x, near[j, 1] - y
                        if periodic:
                            u -= np.round(u)
                            v -= np.round(v)
                        dx = u * box[0, 0] + v * box[1, 0]
                        dy = u * box[0, 1] + v * box[1, 1]
                        if dx * dx + dy * dy <= square and j != i:
                            targets[at] = j
                            steps[at, 0] = dx
                            steps[at, 1] = dy
                            at += 1
                starts[i + 1] = at
    return order, starts, targets[:at].copy(), steps[:at].copy()


@kernel
def nearest_distances(starts: Integers, steps: Floats) -> Floats:
    """Return each atom's shortest half-edge, infinity where it has none."""
    n = starts.shape[0] - 1
    nearest = np.full(n, np.inf)
    for i in range(n):
        for h in range(starts[i], starts[i + 1]):
            length = np.hypot(steps[h, 0], steps[h, 1])
            if length < nearest[i]:
                nearest[i] = length
    return nearest


@kernel
def turn_of(dx: float, dy: float) -> float:
    """Return a number from 0 to 4 that grows with the angle of a vector."""
    total = abs(dx) + abs(dy)
    share = dx / total if total > 0 else 1.0
    return 1.0 - share if dy >= 0 else 3.0 + share


@kernel
def sort_by_angle(starts: Integers, targets: Integers, steps: Floats) -> None:
    """Put each atom's half-edges in counter-clockwise order, in place."""
    for i in range(starts.shape[0] - 1):
        for p in range(starts[i] + 1, starts[i + 1]):
            target, dx, dy = targets[p], steps[p, 0], steps[p, 1]
            turn = turn_of(dx, dy)
            q = p - 1
            while q >= starts[i] and turn_of(steps[q, 0], steps[q, 1]) > turn:
                targets[q + 1] = targets[q]
                steps[q + 1, 0] = steps[q, 0]
                steps[q + 1, 1] = steps[q, 1]
                q -= 1
            targets[q + 1] = target
            steps[q + 1, 0] = dx
            steps[q + 1, 1] = dy


@kernel
def cross(ax: float, ay: float, bx: float, by: float) -> float:
    """Return the z-component of the cross product."""
    return ax * by - ay * bx


@kernel
def drop_crossings(starts: Integers, targets: Integers, steps: Floats, keep: Flags) -> int:
    """Clear ``keep`` for the longer of any two crossing bonds (both directions); return how many.

    Two bonds shorter than the bond cut that cross have ends nearer than the cut over root 2, so a
    bond joins them: it is enough to look at the bonds of bonded neighbours.
    """
    dropped = 0
    for i in range(starts.shape[0] - 1):
        for h in range(starts[i], starts[i + 1]):
            hx, hy = steps[h, 0], steps[h, 1]
            long = hx * hx + hy * hy
            for g in range(starts[i], starts[i + 1]):
                if g == h or not keep[h]:
                    continue
                k = targets[g]
                gx, gy = steps[g, 0], steps[g, 1]
                for f in range(starts[k], starts[k + 1]):
                    m = targets[f]
                    if m == i or m == targets[h] or k == targets[h] or not keep[f]:
                        continue
                    fx, fy = steps[f, 0], steps[f, 1]
                    other = fx * fx + fy * fy
                    if other > long or (other == long and (k, m) > (i, targets[h])):
                        continue
                    one = cross(hx, hy, gx, gy)
                    two = cross(hx, hy, gx + fx, gy + fy)
                    three = cross(fx, fy, -gx, -gy)
                    four = cross(fx, fy, hx - gx, hy - gy)
                    if one * two < 0 and three * four < 0:
                        keep[h] = False
                        j = targets[h]
                        for back in range(starts[j], starts[j + 1]):
                            if targets[back] == i:
                                keep[back] = False
                        dropped += 1
                        break
    return dropped


@kernel
def twins_of(starts: Integers, targets: Integers) -> Integers:
    """Return for each half-edge the one that runs the other way."""
    twins = np.full(targets.shape[0], -1, np.int64)
    for i in range(starts.shape[0] - 1):
        for h in range(starts[i], starts[i + 1]):
            j = targets[h]
            for g in range(starts[j], starts[j + 1]):
                if targets[g] == i:
                    twins[h] = g
                    break
    return twins


@kernel
def cut_branches(starts: Integers, targets: Integers, twins: Integers, live: Flags) -> None:
    """Clear ``live`` on chains that end nowhere: they would be counted twice in their face."""
    n = starts.shape[0] - 1
    degree = np.zeros(n, np.int64)
    for i in range(n):
        for h in range(starts[i], starts[i + 1]):
            degree[i] += live[h]
    for seed in range(n):
        i = seed
        while i >= 0 and degree[i] == 1:
            following = -1
            for h in range(starts[i], starts[i + 1]):
                if live[h]:
                    live[h] = False
                    live[twins[h]] = False
                    degree[i] -= 1
                    degree[targets[h]] -= 1
                    following = targets[h]
            i = following


@kernel
def next_half_edge(
    h: int, starts: Integers, targets: Integers, twins: Integers, live: Flags
) -> int:
    """Return the next half-edge of the face on the left of ``h``."""
    v = targets[h]
    g = int(twins[h])
    for _ in range(starts[v + 1] - starts[v]):
        g = g - 1 if g > starts[v] else int(starts[v + 1]) - 1
        if live[g]:
            return g
    return int(twins[h])


@kernel
def bond_faces(
    starts: Integers, targets: Integers, steps: Floats, twins: Integers, live: Flags, largest: int
) -> tuple[Integers, Integers, Integers, Floats]:
    """Return ring_starts, ring_atoms (counter-clockwise), the ring left of each half-edge, areas.

    Faces with more than ``largest`` atoms, the outer face and faces that wind around a periodic box
    are no rings (-1).
    """
    cut_branches(starts, targets, twins, live)
    n_half = targets.shape[0]
    origin = np.empty(n_half, np.int64)
    for i in range(starts.shape[0] - 1):
        for h in range(starts[i], starts[i + 1]):
            origin[h] = i
    left = np.full(n_half, -1, np.int64)
    seen = np.zeros(n_half, np.bool_)
    ring_starts = np.zeros(n_half + 1, np.int64)
    ring_atoms = np.empty(n_half, np.int64)
    areas = np.empty(n_half)
    n_rings = 0
    for seed in range(n_half):
        if seen[seed] or not live[seed]:
            continue
        h, size = seed, 0
        x = y = area = 0.0
        scale = 0.0
        base = ring_starts[n_rings]
        while not seen[h]:
            seen[h] = True
            if size < largest:
                ring_atoms[base + size] = origin[h]
            size += 1
            area += 0.5 * cross(x, y, steps[h, 0], steps[h, 1])
            x += steps[h, 0]
            y += steps[h, 1]
            scale = abs(steps[h, 0]) + abs(steps[h, 1])
            h = next_half_edge(h, starts, targets, twins, live)
        closed = abs(x) + abs(y) < 1e-6 * scale
        if closed and area > 0.0 and size <= largest and size >= 3:
            areas[n_rings] = area
            ring_starts[n_rings + 1] = base + size
            for _ in range(size):
                left[h] = n_rings
                h = next_half_edge(h, starts, targets, twins, live)
            n_rings += 1
    ends = ring_starts[n_rings]
    return (
        ring_starts[: n_rings + 1].copy(), ring_atoms[:ends].copy(), left, areas[:n_rings].copy()
    )  # fmt: skip
