"""Compiled parts of the thresholded films: fronts as chains of nodes, pixels and their feet."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.compiled import kernel

__all__ = ["advance_chains", "find_feet", "score_pixels"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

MOST_SUBSTEPS = 200


@kernel
def _ghosts(x: Floats, closed: bool) -> None:
    """Fill three nodes beyond each end: periodic, or straight on."""
    n = x.size - 6
    for j in range(3):
        if closed:
            x[2 - j] = x[3 + n - 1 - j]
            x[3 + n + j] = x[3 + j]
        else:
            x[2 - j] = 2.0 * x[3] - x[4 + j]
            x[3 + n + j] = 2.0 * x[3 + n - 1] - x[3 + n - 2 - j]


@kernel
def _rates(
    x: Floats, y: Floats, closed: bool, speed: float, mobility: float, dx: Floats, dy: Floats
) -> None:
    """Velocity of the nodes: speed along the normal, second derivative for the curvature."""
    _ghosts(x, closed)
    _ghosts(y, closed)
    n = x.size - 6
    for i in range(3, n + 3):
        x1 = 0.75 * (x[i + 1] - x[i - 1]) - 0.15 * (x[i + 2] - x[i - 2])
        y1 = 0.75 * (y[i + 1] - y[i - 1]) - 0.15 * (y[i + 2] - y[i - 2])
        x1 += (x[i + 3] - x[i - 3]) / 60.0
        y1 += (y[i + 3] - y[i - 3]) / 60.0
        x2 = 1.5 * (x[i + 1] + x[i - 1]) - 0.15 * (x[i + 2] + x[i - 2]) - 49.0 / 18.0 * x[i]
        y2 = 1.5 * (y[i + 1] + y[i - 1]) - 0.15 * (y[i + 2] + y[i - 2]) - 49.0 / 18.0 * y[i]
        x2 += (x[i + 3] + x[i - 3]) / 90.0
        y2 += (y[i + 3] + y[i - 3]) / 90.0
        square = x1 * x1 + y1 * y1
        push = speed / np.sqrt(square)
        pull = mobility / square
        dx[i] = push * y1 + pull * x2
        dy[i] = -push * x1 + pull * y2


@kernel
def _steps_of(
    x: Floats, y: Floats, closed: bool, speed: float, mobility: float, interval: float
) -> int:
    """Count the Runge-Kutta steps that are stable and accurate over an interval."""
    n = x.size - 6
    least = np.inf
    last = n + 3 if closed else n + 2
    _ghosts(x, closed)
    _ghosts(y, closed)
    for i in range(3, last):
        gap = (x[i + 1] - x[i]) ** 2 + (y[i + 1] - y[i]) ** 2
        least = min(least, gap)
    least = max(least, 1e-4)
    # 6.04 is the largest eigenvalue of the second difference; the method is stable up to 2.78
    need = interval * max(6.04 * abs(mobility) / least / 2.0, 2.0 * abs(speed) / np.sqrt(least))
    return int(min(max(np.ceil(need), 2.0), MOST_SUBSTEPS))


@kernel
def _offset(x: Floats, dx: Floats, step: float, out: Floats) -> None:
    """Write ``x + step dx`` into ``out``."""
    for i in range(3, x.size - 3):
        out[i] = x[i] + step * dx[i]


@kernel
def _advance(
    x: Floats,
    y: Floats,
    px: Floats,
    py: Floats,
    dx: Floats,
    dy: Floats,
    closed: bool,
    speed: float,
    mobility: float,
    h: float,
) -> None:
    """Make one Runge-Kutta step; ``px``, ``py``, ``dx``, ``dy`` are scratch."""
    _rates(x, y, closed, speed, mobility, dx[0], dy[0])
    for stage in range(1, 4):
        part = h if stage == 3 else 0.5 * h
        _offset(x, dx[stage - 1], part, px)
        _offset(y, dy[stage - 1], part, py)
        _rates(px, py, closed, speed, mobility, dx[stage], dy[stage])
    for i in range(3, x.size - 3):
        x[i] += h / 6.0 * (dx[0, i] + 2.0 * dx[1, i] + 2.0 * dx[2, i] + dx[3, i])
        y[i] += h / 6.0 * (dy[0, i] + 2.0 * dy[1, i] + 2.0 * dy[2, i] + dy[3, i])


@kernel
def advance_chains(
    start: Floats,
    closed: bool,
    speeds: Floats,
    mobilities: Floats,
    intervals: Floats,
    frames: Floats,
) -> None:
    """Move chains of nodes by ``v = speed(t) - mobility curvature`` along the outward normal.

    ``start`` (n_chains, n_nodes, 2) as x, y with the inside on the left; ``speeds`` (n_chains,
    n_intervals); ``mobilities`` (n_chains,); ``frames`` (n_intervals + 1, n_chains, n_nodes, 2) is
    filled. The nodes slide along the wall so as to stay evenly spread; an open chain goes on
    straight beyond its ends.
    """
    n_chains, n_nodes = start.shape[:2]
    counts = np.zeros(intervals.size, np.int64)
    x, y = np.zeros(n_nodes + 6), np.zeros(n_nodes + 6)
    px, py = np.zeros(n_nodes + 6), np.zeros(n_nodes + 6)
    dx, dy = np.zeros((4, n_nodes + 6)), np.zeros((4, n_nodes + 6))
    for chain in range(n_chains):
        for i in range(n_nodes):
            x[i + 3] = start[chain, i, 0]
            y[i + 3] = start[chain, i, 1]
            frames[0, chain, i, 0] = x[i + 3]
            frames[0, chain, i, 1] = y[i + 3]
        for t in range(intervals.size):
            speed, mobility = speeds[chain, t], mobilities[chain]
            if chain == 0:
                # all chains take the same steps: their differences are slopes
                counts[t] = _steps_of(x, y, closed, speed, mobility, intervals[t])
            for _ in range(counts[t]):
                _advance(x, y, px, py, dx, dy, closed, speed, mobility, intervals[t] / counts[t])
            for i in range(n_nodes):
                frames[t + 1, chain, i, 0] = x[i + 3]
                frames[t + 1, chain, i, 1] = y[i + 3]


@kernel
def _foot_distance(
    qx: float,
    qy: float,
    a: int,
    b: int,
    way: float,
    nodes: Floats,
    normals: Floats,
    curvatures: Floats,
) -> float:
    """Signed distance of a point (relative to node a) to the bowed wall between two nodes."""
    ex, ey = nodes[b, 0] - nodes[a, 0], nodes[b, 1] - nodes[a, 1]
    square = ex * ex + ey * ey
    rx, ry = qx - way * ex, qy - way * ey
    nx = (1.0 - way) * normals[a, 0] + way * normals[b, 0]
    ny = (1.0 - way) * normals[a, 1] + way * normals[b, 1]
    away = np.sqrt(rx * rx + ry * ry)
    if rx * nx + ry * ny < 0.0:
        away = -away
    bow = (1.0 - way) * curvatures[a] + way * curvatures[b]
    result: float = away - 0.5 * bow * square * way * (1.0 - way)
    return result


@kernel
def _box(
    a: int, b: int, nodes: Floats, shift: Floats, band: float, rows: int, columns: int
) -> tuple[int, int, int, int]:
    """First and last column and row of the pixels within ``band`` of a stretch of wall."""
    ax, ay = nodes[a, 0] - shift[0], nodes[a, 1] - shift[1]
    bx, by = nodes[b, 0] - shift[0], nodes[b, 1] - shift[1]
    left = max(int(np.ceil(min(ax, bx) - band)), 0)
    right = min(int(np.floor(max(ax, bx) + band)), columns - 1)
    low = max(int(np.ceil(min(ay, by) - band)), 0)
    high = min(int(np.floor(max(ay, by) + band)), rows - 1)
    return left, right, low, high


@kernel
def _mark(a: int, b: int, nodes: Floats, shift: Floats, band: float, nearest: Floats) -> None:
    """Note at the pixels around a stretch of wall how near it comes to them, and where."""
    ax, ay = nodes[a, 0] - shift[0], nodes[a, 1] - shift[1]
    ex, ey = nodes[b, 0] - nodes[a, 0], nodes[b, 1] - nodes[a, 1]
    square = ex * ex + ey * ey
    rows, columns = nearest.shape[:2]
    left, right, low, high = _box(a, b, nodes, shift, band, rows, columns)
    for row in range(low, high + 1):
        for column in range(left, right + 1):
            qx, qy = column - ax, row - ay
            way = min(max((qx * ex + qy * ey) / square, 0.0), 1.0)
            away = (qx - way * ex) ** 2 + (qy - way * ey) ** 2
            if away < nearest[row, column, 0]:
                nearest[row, column, 0] = away
                nearest[row, column, 1] = a
                nearest[row, column, 2] = way


@kernel
def find_feet(
    nodes: Floats,
    normals: Floats,
    curvatures: Floats,
    following: Integers,
    role: Integers,
    frame_of: Integers,
    usable: NDArray[np.bool_],
    band: float,
    shift: Floats,
    nearest: Floats,
    found: Integers,
    feet: Floats,
) -> int:
    """List the pixels within ``band`` of a wall and return how many there are.

    ``nodes``, ``normals`` (n, 2) and ``curvatures`` (n,) of all walls in the order of their frames;
    ``following`` is the next node or -1 at the end of an open wall; ``role`` is 1 at the first and
    2 at the last node of an open wall. Pixel centres stand at (column + shift[0], row + shift[1]).
    ``found`` (m, 4): frame, row, column, node; ``feet`` (m, 2): distance (positive outside,
    corrected for the bow of the wall between two nodes) and fraction of the way to the next node.
    Each pixel belongs to its nearest wall; those beyond the end of an open wall are left out.
    ``nearest`` (rows, columns, 3) is scratch, infinite. Rows beyond ``m`` are counted, not kept.
    """
    rows, columns = usable.shape[1:]
    n, count, first = nodes.shape[0], 0, 0
    while first < n:
        frame = frame_of[first]
        last = first
        while last < n and frame_of[last] == frame:
            if following[last] >= 0:
                _mark(last, following[last], nodes, shift, band, nearest)
            last += 1
        for a in range(first, last):
            if following[a] < 0:
                continue
            left, right, low, high = _box(a, following[a], nodes, shift, band, rows, columns)
            for row in range(low, high + 1):
                for column in range(left, right + 1):
                    away = nearest[row, column, 0]
                    nearest[row, column, 0] = np.inf
                    if away > band * band or not usable[frame, row, column]:
                        continue
                    c, way = int(nearest[row, column, 1]), nearest[row, column, 2]
                    d = following[c]
                    if (way == 0.0 and role[c] == 1) or (way == 1.0 and role[d] == 2):
                        continue
                    if count < found.shape[0]:
                        found[count, 0] = frame
                        found[count, 1] = row
                        found[count, 2] = column
                        found[count, 3] = c
                        qx, qy = column + shift[0] - nodes[c, 0], row + shift[1] - nodes[c, 1]
                        feet[count, 0] = _foot_distance(
                            qx, qy, c, d, way, nodes, normals, curvatures
                        )
                        feet[count, 1] = way
                    count += 1
        first = last
    return count


@kernel
def score_pixels(
    labels: NDArray[np.uint8],
    found: Integers,
    feet: Floats,
    following: Integers,
    blur: float,
    flip: float,
    gradient: Floats,
    diagonal: Floats,
    beside: Floats,
) -> float:
    """Add every pixel's pull on the nodes and its information; return the log likelihood.

    ``labels`` (m,) 0 or 1; a pixel is inside with the probability ``flip + (1 - 2 flip)
    Phi(-distance / blur)``. ``gradient`` and ``diagonal`` (n,): slope and expected information of
    an outward shift of each node; ``beside`` (n,): information shared with the next node.
    """
    total = 0.0
    for k in range(labels.size):
        z = -feet[k, 0] / blur
        inside = 0.5 * math.erfc(-z * 0.7071067811865476)
        chance = flip + (1.0 - 2.0 * flip) * inside
        chance = min(max(chance, 1e-12), 1.0 - 1e-12)
        slope = (1.0 - 2.0 * flip) * 0.3989422804014327 * np.exp(-0.5 * z * z) / blur
        pull = slope / chance if labels[k] else -slope / (1.0 - chance)
        total += np.log(chance) if labels[k] else np.log(1.0 - chance)
        weight = slope * slope / (chance * (1.0 - chance))
        a, way = found[k, 3], feet[k, 1]
        b = following[a]
        gradient[a] += (1.0 - way) * pull
        gradient[b] += way * pull
        diagonal[a] += (1.0 - way) ** 2 * weight
        diagonal[b] += way * way * weight
        beside[a] += way * (1.0 - way) * weight
    return total
