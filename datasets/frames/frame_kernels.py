"""Compiled passes over the pixels of a frame: row sums, block sums, scaling, smoothing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.compiled import kernel, summing_kernel

__all__ = ["regress_frame", "running_median", "scale_frame", "scan_frame", "smooth_blocks"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


@kernel
def regress_frame(frame: Floats, seen: Mask, reference: Floats, step: int, line: Floats) -> None:
    """Slope and constant of a frame on a reference, from every ``step``-th row and column.

    Pixels that stand off by more than 3 mean distances (switched ones) are left out, three times.
    """
    limit = np.inf
    slope = constant = 0.0
    for turn in range(4):
        n = mean_r = mean_f = square = cross = size = 0.0
        for i in range(step // 2, frame.shape[0], step):
            for j in range(step // 2, frame.shape[1], step):
                value = frame[i, j]
                if not (seen[i, j] and value == value):
                    continue
                gap = abs(value - constant - slope * reference[i, j])
                if turn > 0 and gap > limit:
                    continue
                size += gap
                n += 1.0
                gap_r, gap_f = reference[i, j] - mean_r, value - mean_f
                mean_r += gap_r / n
                mean_f += gap_f / n
                square += gap_r * (reference[i, j] - mean_r)
                cross += gap_r * (value - mean_f)
        if turn > 0:
            limit = 3.0 * size / max(n, 1.0)
        slope = cross / square if square > 0.0 else 0.0
        constant = mean_f - slope * mean_r
    line[0] = slope
    line[1] = constant


@kernel
def running_median(values: Floats, half: int, result: Floats) -> None:
    """Median over ``2 half + 1`` neighbours, in place; past the ends the last value repeats."""
    n = len(values)
    window = np.empty(2 * half + 1)
    for k in range(n):
        for m in range(-half, half + 1):
            value = values[min(max(k + m, 0), n - 1)]
            place = m + half
            while place > 0 and window[place - 1] > value:
                window[place] = window[place - 1]
                place -= 1
            window[place] = value
        result[k] = window[half]


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
def smooth_blocks(
    picture: Floats, taps: Floats, padded: Floats, across: Floats, result: Floats
) -> None:
    """Filter rows, then columns, with symmetric ``taps`` (half of them, middle first), in place.

    Outside the picture lies zero. ``padded`` (columns + 2 half) and ``across``
    (rows + 2 half, columns) are working space and come in as zero, with half = len(taps) - 1.
    """
    n_rows, n_columns = picture.shape
    half = len(taps) - 1
    for i in range(n_rows):
        for j in range(n_columns):
            padded[half + j] = picture[i, j]
        for j in range(n_columns):
            across[half + i, j] = taps[0] * padded[half + j]
        for k in range(1, half + 1):
            for j in range(n_columns):
                across[half + i, j] += taps[k] * (padded[half + j - k] + padded[half + j + k])
    for i in range(n_rows):
        for j in range(n_columns):
            result[i, j] = taps[0] * across[half + i, j]
        for k in range(1, half + 1):
            for j in range(n_columns):
                result[i, j] += taps[k] * (across[half + i - k, j] + across[half + i + k, j])
