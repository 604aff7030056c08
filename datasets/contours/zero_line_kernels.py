"""Compiled tracing of the zero lines of a picture."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.compiled import kernel

__all__ = ["trace_lines"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Mask = NDArray[np.bool_]


@kernel
def crossing(picture: Floats, i: int, j: int, down: int) -> bool:
    """Whether the picture changes sign from (i, j) to its neighbour below or at the right."""
    return bool((picture[i, j] > 0.0) != (picture[i + down, j + 1 - down] > 0.0))


@kernel
def cell_seen(seen: Mask, i: int, j: int) -> bool:
    """Whether the square with the upper left corner (i, j) lies inside and its corners are seen."""
    if i < 0 or j < 0 or i >= seen.shape[0] - 1 or j >= seen.shape[1] - 1:
        return False
    return bool(seen[i, j] and seen[i, j + 1] and seen[i + 1, j] and seen[i + 1, j + 1])


@kernel
def leave_cell(picture: Floats, i: int, j: int, entered: int) -> int:
    """Side by which the zero line leaves a square: 0 top, 1 right, 2 bottom, 3 left."""
    top, left = crossing(picture, i, j, 0), crossing(picture, i, j, 1)
    bottom, right = crossing(picture, i + 1, j, 0), crossing(picture, i, j + 1, 1)
    if top and right and bottom and left:
        middle = picture[i, j] + picture[i, j + 1] + picture[i + 1, j] + picture[i + 1, j + 1]
        if (middle > 0.0) == (picture[i, j] > 0.0):
            return 1 - entered if entered < 2 else 5 - entered
        return 3 - entered
    if top and entered != 0:
        return 0
    if right and entered != 1:
        return 1
    if bottom and entered != 2:
        return 2
    return 3 if left and entered != 3 else -1


@kernel
def follow_line(
    picture: Floats, seen: Mask, visited: NDArray[np.uint8], start: Integers, line: Floats
) -> int:
    """Follow one zero line from an edge into a square until it ends; return its length in points.

    ``start``: row and column of the edge's first end, whether the edge runs down, and row and
    column of the square. ``line`` receives x and y.
    """
    i, j, down, row, column = start[0], start[1], start[2], start[3], start[4]
    count = 0
    while True:
        visited[i, j, down] = 1
        one, two = picture[i, j], picture[i + down, j + 1 - down]
        share = one / (one - two)
        line[count, 0] = j + share * (1 - down)
        line[count, 1] = i + share * down
        count += 1
        if count == len(line) or not cell_seen(seen, row, column):
            return count
        aside = 3 if j == column else 1
        entered = aside if down else (0 if i == row else 2)
        side = leave_cell(picture, row, column, entered)
        if side < 0:
            return count
        down = side % 2
        i, j = row + (side == 2), column + (side == 1)
        if side == 0:
            row -= 1
        elif side == 1:
            column += 1
        elif side == 2:
            row += 1
        else:
            column -= 1
        if visited[i, j, down]:
            return count


@kernel
def trace_lines(
    picture: Floats,
    seen: Mask,
    shortest: float,
    visited: NDArray[np.uint8],
    line: Floats,
    points: Floats,
    ends: Integers,
    closed: Mask,
) -> int:
    """Trace the zero lines of a picture; return their number.

    Line k fills ``points[ends[k] : ends[k + 1]]`` (x, y). Lines below ``shortest`` and what does
    not fit in are left out. ``visited`` (rows, columns, 2) comes in
    as 0. A step along (t_x, t_y) has the normal (t_y, -t_x), from the positive
    to the negative side.
    """
    n_rows, n_columns = picture.shape
    found = 0
    ends[0] = 0
    start = np.empty(5, np.int64)
    for ending in range(2):
        for i in range(n_rows):
            for j in range(n_columns):
                for down in range(2):
                    if i + down >= n_rows or j + 1 - down >= n_columns:
                        continue
                    if not crossing(picture, i, j, down) or visited[i, j, down]:
                        continue
                    before = cell_seen(seen, i - 1 + down, j - down)
                    after = cell_seen(seen, i, j)
                    if not (before or after) or (ending == 0 and before and after):
                        continue
                    start[0], start[1], start[2] = i, j, down
                    start[3] = i if after else i - 1 + down
                    start[4] = j if after else j - down
                    count = follow_line(picture, seen, visited, start, line)
                    length = 0.0
                    for k in range(1, count):
                        length += np.hypot(line[k, 0] - line[k - 1, 0], line[k, 1] - line[k - 1, 1])
                    begin = ends[found]
                    if length < shortest or count < 4 or begin + count > len(points):
                        continue
                    if found + 1 >= len(ends):
                        return found
                    # the first step goes down or right where the square after the edge is entered
                    to_last = picture[i + down, j + 1 - down] > 0.0
                    turned = to_last == after if down == 0 else to_last != after
                    for k in range(count):
                        source = count - 1 - k if turned else k
                        points[begin + k, 0] = line[source, 0]
                        points[begin + k, 1] = line[source, 1]
                    closed[found] = ending == 1
                    found += 1
                    ends[found] = begin + count
    return found
