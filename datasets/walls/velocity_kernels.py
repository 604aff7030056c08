"""Compiled part of wall velocities: where a point's normal crosses the wall of another frame."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.compiled import kernel

__all__ = ["crossings"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
LEAST_FACING = 0.3
NEAR = 12
STEEPEST = 2.0
"""Distance along the normal over the shortest one from line to line, for a wall that moved."""


@kernel
def segment_crossing(
    point: int, first: int, last: int, places: Floats, longest: float, found: Floats
) -> bool:
    """Cross a point's normal with one segment; keep it where it is the nearest yet."""
    x, y, nx, ny = places[point, 0], places[point, 1], places[point, 2], places[point, 3]
    ax, ay = places[first, 0] - x, places[first, 1] - y
    bx, by = places[last, 0] - x, places[last, 1] - y
    before, after = ay * nx - ax * ny, by * nx - bx * ny
    if before * after > 0.0 or before == after:
        return False
    if abs(before - after) > longest:
        return False
    share = before / (before - after)
    facing_x = (1.0 - share) * places[first, 2] + share * places[last, 2]
    facing_y = (1.0 - share) * places[first, 3] + share * places[last, 3]
    facing = facing_x * nx + facing_y * ny
    distance = (1.0 - share) * (ax * nx + ay * ny) + share * (bx * nx + by * ny)
    if facing < LEAST_FACING or abs(distance) >= abs(found[0]):
        return False
    found[0], found[1], found[2] = distance, share, facing
    return True


@kernel
def nearest(point: int, low: int, count: int, places: Floats) -> int:
    """Return which of ``count`` points from ``low`` on lies nearest."""
    least, best = np.inf, 0
    for index in range(count):
        dx = places[low + index, 0] - places[point, 0]
        dy = places[low + index, 1] - places[point, 1]
        if dx * dx + dy * dy < least:
            least, best = dx * dx + dy * dy, index
    return best


@kernel
def gap_to(x: float, y: float, low: int, count: int, places: Floats) -> float:
    """Return the distance of (x, y) to the nearest of ``count`` points from ``low`` on."""
    least = np.inf
    for index in range(low, low + count):
        dx, dy = places[index, 0] - x, places[index, 1] - y
        if dx * dx + dy * dy < least:
            least = dx * dx + dy * dy
    return float(np.sqrt(least))


@kernel
def other_stretch(
    point: int,
    distance: float,
    own: int,
    n_own: int,
    low: int,
    count: int,
    places: Floats,
    longest: float,
) -> bool:
    """Whether the normal meets a stretch of the wall that is not where this one has moved to.

    A wall that moved lies near its old place all along: neither is the crossing much farther than
    the nearest point of the new line, nor does the old line pass close by the crossing.
    """
    if abs(distance) <= longest:
        return False
    x, y = places[point, 0], places[point, 1]
    away = (abs(distance) - longest) / STEEPEST
    if gap_to(x, y, low, count, places) < away:
        return True
    there_x, there_y = x + distance * places[point, 2], y + distance * places[point, 3]
    return gap_to(there_x, there_y, own, n_own, places) < away


@kernel
def crossings(
    starts: Integers,
    other: Integers,
    closed: NDArray[np.bool_],
    places: Floats,
    scatter: Floats,
    longest: float,
    result: Floats,
) -> None:
    """Fill where the points' normals cross the wall of another frame, in place.

    Only the segments about the point nearest to it, or about its neighbour's crossing, are looked
    at: a line may well cross another part of the same wall.

    ``starts`` (n_contours + 1,) of the contours in the points; ``other`` (n_contours,) the contour
    to cross, -1 for none; ``places`` (n_points, 4): x, y and normal; ``scatter`` (n_points, 3):
    error, correlation of the errors of neighbours, time. ``result`` (n_points, 3): distance along
    the normal (NaN where there is no crossing, infinite where it belongs to another stretch of the
    wall), its variance, time there. Segments that reach more than ``longest`` across the normal are
    gaps.
    """
    found = np.zeros(3)
    for contour in range(other.size):
        result[starts[contour] : starts[contour + 1], 0] = np.nan
        if other[contour] < 0:
            continue
        low, high = starts[other[contour]], starts[other[contour] + 1]
        count = high - low
        segments = count if closed[other[contour]] and count > 2 else count - 1
        hit = -1
        for point in range(starts[contour], starts[contour + 1]):
            center, found[0] = hit, np.inf
            hit = -1
            for attempt in range(2):
                if center < 0 or attempt == 1:
                    center = nearest(point, low, count, places)
                for near in range(center - NEAR, center + NEAR + 1):
                    segment = near % count if segments == count else near
                    if 0 <= segment < segments and segment_crossing(
                        point, low + segment, low + (segment + 1) % count, places, longest, found
                    ):
                        hit = segment
                if hit >= 0:
                    break
            if hit < 0:
                continue
            one, two, share = low + hit, low + (hit + 1) % count, found[1]
            a, b = (1.0 - share) * scatter[one, 0], share * scatter[two, 0]
            variance = a * a + b * b + (scatter[one, 1] + scatter[two, 1]) * a * b
            result[point, 0] = found[0]
            if other_stretch(
                point, found[0], starts[contour], starts[contour + 1] - starts[contour], low,
                count, places, longest,
            ):  # fmt: skip
                result[point, 0] = np.inf
            result[point, 1] = variance / (found[2] * found[2])
            result[point, 2] = (1.0 - share) * scatter[one, 2] + share * scatter[two, 2]
