"""Compiled passes over the pixels of a frame: row and block sums, scaling, smoothing, zero lines."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.kernels import kernel, summing_kernel

__all__ = ["regress_frame", "scale_frame", "scan_frame", "smooth_blocks", "trace_lines"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Mask = NDArray[np.bool_]


@kernel
def regress_frame(frame: Floats, seen: Mask, reference: Floats, step: int, line: Floats) -> None:
    """Slope and constant of a frame on a reference, from every ``step``-th row and column."""
    n = mean_r = mean_f = square = cross = 0.0
    for i in range(step // 2, frame.shape[0], step):
        for j in range(step // 2, frame.shape[1], step):
            value = frame[i, j]
            if seen[i, j] and value == value:
                n += 1.0
                gap_r, gap_f = reference[i, j] - mean_r, value - mean_f
                mean_r += gap_r / n
                mean_f += gap_f / n
                square += gap_r * (reference[i, j] - mean_r)
                cross += gap_r * (value - mean_f)
    line[0] = cross / square if square > 0.0 else 0.0
    line[1] = mean_f - line[0] * mean_r


@summing_kernel
def scan_frame(
    frame: Floats,
    seen: Mask,
    reference: Floats,
    slope: float,
    constant: float,
    clip: float,
    edge: int,
    rows: Floats,
    sums: Floats,
    counts: Floats,
) -> None:
    """Row and block sums of a frame in one pass, in place; NaN and pixels not ``seen`` left out.

    ``rows`` (n_rows, 3): sum of the difference to ``constant + slope * reference`` cut at ``clip``,
    sum of its size, and number of pixels. ``sums``, ``counts``: over square blocks of ``edge``
    pixels.
    """
    n_rows, n_columns = frame.shape
    line = np.zeros(n_columns)
    number = np.zeros(n_columns)
    sums[:] = 0.0
    counts[:] = 0.0
    for i in range(n_rows):
        total = size = count = 0.0
        for j in range(n_columns):
            value = frame[i, j]
            known = seen[i, j] and value == value
            value = value if known else 0.0
            one = 1.0 if known else 0.0
            gap = value - constant - slope * reference[i, j]
            gap = gap if gap < clip else clip
            gap = gap if gap > -clip else -clip
            gap = gap if known else 0.0
            total += gap
            size += abs(gap)
            count += one
            line[j] += value
            number[j] += one
        rows[i, 0] = total
        rows[i, 1] = size
        rows[i, 2] = count
        if i % edge == edge - 1 or i == n_rows - 1:
            block = i // edge
            for j in range(n_columns):
                sums[block, j // edge] += line[j]
                counts[block, j // edge] += number[j]
            line[:] = 0.0
            number[:] = 0.0


@summing_kernel
def scale_frame(
    frame: Floats,
    seen: Mask,
    gain: float,
    offset: float,
    middle: Floats,
    half: Floats,
    scaled: Floats,
    sums: Floats,
    counts: Floats,
) -> None:
    """Write ``((frame - offset) / gain - middle) / half`` and its sums over 2 x 2 blocks, in place.

    ``middle`` and ``half`` are pictures, or have shape (1, 1). Pixels not ``seen`` become NaN.
    """
    n_rows, n_columns = frame.shape
    inverse = 1.0 / gain
    flat = middle.size == 1
    line = np.zeros(n_columns + 1)
    number = np.zeros(n_columns + 1)
    for i in range(n_rows):
        if flat:
            slope = inverse / half[0, 0]
            constant = (-offset * inverse - middle[0, 0]) / half[0, 0]
            for j in range(n_columns):
                value = frame[i, j] * slope + constant
                scaled[i, j] = value if seen[i, j] else np.nan
        else:
            for j in range(n_columns):
                value = ((frame[i, j] - offset) * inverse - middle[i, j]) / half[i, j]
                scaled[i, j] = value if seen[i, j] else np.nan
        for j in range(n_columns):
            value = scaled[i, j]
            known = value == value
            line[j] += value if known else 0.0
            number[j] += 1.0 if known else 0.0
        if i % 2 == 1 or i == n_rows - 1:
            block = i // 2
            for j in range(sums.shape[1]):
                sums[block, j] = line[2 * j] + line[2 * j + 1]
                counts[block, j] = number[2 * j] + number[2 * j + 1]
            line[:] = 0.0
            number[:] = 0.0


@summing_kernel
def smooth_blocks(picture: Floats, taps: Floats, result: Floats) -> None:
    """Filter rows, then columns, with symmetric ``taps`` (half of them, middle first), in place.

    Outside the picture lies zero.
    """
    n_rows, n_columns = picture.shape
    half = len(taps) - 1
    padded = np.zeros(n_columns + 2 * half)
    across = np.zeros((n_rows + 2 * half, n_columns))
    for i in range(n_rows):
        padded[half : half + n_columns] = picture[i]
        row = across[half + i]
        for j in range(n_columns):
            row[j] = taps[0] * padded[half + j]
        for k in range(1, half + 1):
            weight = taps[k]
            for j in range(n_columns):
                row[j] += weight * (padded[half + j - k] + padded[half + j + k])
    for i in range(n_rows):
        row = result[i]
        source = across[half + i]
        for j in range(n_columns):
            row[j] = taps[0] * source[j]
        for k in range(1, half + 1):
            weight = taps[k]
            above, below = across[half + i - k], across[half + i + k]
            for j in range(n_columns):
                row[j] += weight * (above[j] + below[j])


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
    sides = (top, right, bottom, left)
    for side in range(4):
        if sides[side] and side != entered:
            return side
    return -1


@kernel
def follow_line(
    picture: Floats, seen: Mask, visited: NDArray[np.uint8], start: Integers, line: Floats
) -> int:
    """Follow one zero line from an edge into a square until it ends; return its length in points.

    ``start``: row and column of the edge's first end, whether the edge runs down, and row and
    column of the square. ``line`` receives x and y.
    """
    i, j, down, row, column = start
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
        if down:
            entered = 3 if j == column else 1
        else:
            entered = 0 if i == row else 2
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
    """Zero lines of a picture with the positive side on their left hand (y down); their number.

    Line k fills ``points[ends[k] : ends[k + 1]]`` (x, y). Lines below ``shortest`` and what does
    not fit in are left out. A step along (t_x, t_y) has the normal (t_y, -t_x), from the positive
    to the negative side.
    """
    n_rows, n_columns = picture.shape
    visited[:] = 0
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
                        points[begin + k] = line[source]
                    closed[found] = ending == 1
                    found += 1
                    ends[found] = begin + count
    return found
