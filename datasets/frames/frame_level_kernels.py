"""Compiled parts of the domain levels: the two classes of a frame's blocks, its gain and offset."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.compiled import kernel

__all__ = ["label_inner", "scale_blocks", "split_in_two"]

Floats = NDArray[np.float64]
Signs = NDArray[np.int8]

BINS = 256


@kernel
def split_in_two(values: Floats, known: NDArray[np.bool_], classes: Floats) -> None:
    """Best cut of every row's values and the medians of both sides, (n, 3), in place.

    Otsu's criterion (doi:10.1109/TSMC.1979.4310076) on 256 bins; NaN where nothing is known.
    """
    counts = np.zeros(BINS)
    for index in range(values.shape[0]):
        for k in range(3):
            classes[index, k] = np.nan
        low, high = np.inf, -np.inf
        for k in range(values.shape[1]):
            if known[index, k]:
                low = min(low, values[index, k])
                high = max(high, values[index, k])
        if not high > low:
            continue
        for k in range(BINS):
            counts[k] = 0.0
        scale = (BINS - 1e-6) / (high - low)
        total = mass = 0.0
        for k in range(values.shape[1]):
            if known[index, k]:
                place = int((values[index, k] - low) * scale)
                counts[place] += 1.0
                total += 1.0
                mass += place
        best, at, below, weight = -1.0, 0, 0.0, 0.0
        for k in range(BINS - 1):
            below += counts[k]
            weight += counts[k] * k
            above = total - below
            if below > 0.0 and above > 0.0:
                between = below * above * (weight / below - (mass - weight) / above) ** 2
                if between > best:
                    best, at = between, k
        classes[index, 0] = low + (at + 1.0) / scale
        below = 0.0
        for k in range(at + 1):
            below += counts[k]
        running = 0.0
        for k in range(BINS):
            running += counts[k]
            if np.isnan(classes[index, 1]) and running >= 0.5 * below:
                classes[index, 1] = low + (k + 0.5) / scale
            if np.isnan(classes[index, 2]) and running >= 0.5 * (below + total):
                classes[index, 2] = low + (k + 0.5) / scale


@kernel
def label_inner(
    pictures: Floats, known: NDArray[np.bool_], cut: Floats, scales: Floats, margin: int,
    labels: Signs,
) -> None:  # fmt: skip
    """Label blocks +1 above ``cut``, -1 below, 0 where unknown or near the other kind, in place.

    ``scales`` (n, 2): gain and offset of every picture. A block counts as inner when all known
    blocks up to ``margin`` rows and columns away are of its kind.
    """
    n_rows, n_columns = pictures.shape[1:]
    side = np.zeros((n_rows, n_columns), np.int8)
    near = np.zeros((n_rows, n_columns), np.int8)
    for index in range(len(pictures)):
        gain, offset = scales[index, 0], scales[index, 1]
        for i in range(n_rows):
            for j in range(n_columns):
                side[i, j] = 0
                if known[index, i, j]:
                    value = (pictures[index, i, j] - offset) / gain
                    side[i, j] = 1 if value > cut[i, j] else -1
            # bit 1: a negative block in the window of this row, bit 2: a positive one
            for j in range(n_columns):
                bits = 0
                for b in range(max(0, j - margin), min(n_columns, j + margin + 1)):
                    bits |= (side[i, b] < 0) | ((side[i, b] > 0) << 1)
                near[i, j] = bits
        for i in range(n_rows):
            for j in range(n_columns):
                bits = 0
                for a in range(max(0, i - margin), min(n_rows, i + margin + 1)):
                    bits |= near[a, j]
                own = side[i, j]
                labels[index, i, j] = own if bits == (1 if own < 0 else 2) else 0


@kernel
def scale_blocks(
    pictures: Floats, counts: Floats, labels: Signs, low: Floats, high: Floats,
    full: float, scales: Floats, errors: Floats,
) -> None:  # fmt: skip
    """Regress every picture on the two levels of its labelled blocks, in place.

    ``scales`` (n, 2) receives gain and offset (the gain is kept where one level only is seen) and
    ``errors`` (n, 2) the standard errors of the means of the low and the high domain, from the
    scatter of means over 2 x 2 blocks of at most ``full`` pixels each; infinite where a domain is
    not seen.
    """
    n_rows, n_columns = low.shape
    level = np.empty(low.size)
    value = np.empty(low.size)
    for index in range(len(pictures)):
        n = 0
        lows = 0
        for i in range(n_rows):
            for j in range(n_columns):
                label = labels[index, i, j]
                if label != 0:
                    level[n] = high[i, j] if label > 0 else low[i, j]
                    value[n] = pictures[index, i, j]
                    lows += label < 0
                    n += 1
        errors[index, 0] = errors[index, 1] = np.inf
        if n < 4:
            continue
        gain, offset, limit = scales[index, 0], scales[index, 1], np.inf
        for turn in range(8):
            kept = spread = mean_l = mean_v = square = cross = 0.0
            for k in range(n):
                gap = abs(value[k] - offset - gain * level[k])
                if gap <= limit:
                    # sums about the first value stay exact where levels are large
                    x, v = level[k] - level[0], value[k] - value[0]
                    kept += 1.0
                    spread += gap
                    mean_l += x
                    mean_v += v
                    square += x * x
                    cross += x * v
            if kept < 4.0:
                break
            if turn > 0:
                # of Gaussian values cut at 2.5 sd the mean size is .77 sd
                before = limit
                limit = 2.5 * (1.2533 if limit == np.inf else 1.30) * spread / kept
                if abs(limit - before) < 1e-3 * limit:
                    break
            mean_l /= kept
            mean_v /= kept
            square -= kept * mean_l * mean_l
            cross -= kept * mean_l * mean_v
            if min(lows, n - lows) >= 4 and square > 0.0:
                gain = cross / square
            offset = value[0] + mean_v - gain * (level[0] + mean_l)
        scales[index, 0] = gain
        scales[index, 1] = offset
        group_errors(pictures, counts, labels, low, high, full, scales, index, errors)


@kernel
def group_errors(
    pictures: Floats, counts: Floats, labels: Signs, low: Floats, high: Floats, full: float,
    scales: Floats, index: int, errors: Floats,
) -> None:  # fmt: skip
    """Fill the standard errors of the means of both domains of a picture, from 2 x 2 groups."""
    n_rows, n_columns = low.shape
    for side in range(2):
        groups = squares = weight = blocks = total = 0.0
        for i in range(0, n_rows - 1, 2):
            for j in range(0, n_columns - 1, 2):
                number = rest = 0.0
                for k in range(4):
                    a, b = i + k // 2, j + k % 2
                    if labels[index, a, b] == 2 * side - 1:
                        number += counts[index, a, b]
                        level = low[a, b] if side == 0 else high[a, b]
                        gap = pictures[index, a, b] - scales[index, 1] - scales[index, 0] * level
                        rest += counts[index, a, b] * gap
                        total += gap * gap
                        blocks += 1.0
                weight += number
                if number >= 3.0 * full:
                    groups += 1.0
                    squares += (rest / number) ** 2 * number
        if groups >= 6.0:
            errors[index, side] = np.sqrt(squares / groups / weight)
        elif blocks >= 2.0:
            errors[index, side] = 2.0 * np.sqrt(total) / blocks
