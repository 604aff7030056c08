"""Compiled labelling of the domains of both signs and their overlap from frame to frame."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.kernels import kernel

__all__ = ["border_points", "fine_domains", "label_domains", "overlap_domains", "vote_sides"]

Integers = NDArray[np.int32]
Counts = NDArray[np.int64]
Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


@kernel
def root_of(parents: Integers, label: int) -> int:
    """Follow a label to the first one of its domain, halving the path."""
    while parents[label] != label:
        parents[label] = parents[parents[label]]
        label = parents[label]
    return label


@kernel
def join(parents: Integers, one: int, two: int) -> int:
    """Join two labels; return their root."""
    first = root_of(parents, one)
    second = root_of(parents, two)
    if first < second:
        parents[second] = first
        return first
    parents[first] = second
    return second


@kernel
def label_domains(
    positive: Mask, seen: Mask, labels: Integers, parents: Integers, touching: Mask
) -> int:
    """Label the domains, positive ones by 4 neighbours and negative ones by 8; return their number.

    ``labels`` (rows, columns) receives 0, 1, ... and -1 where nothing is seen; ``parents`` is work
    space for rows x columns labels; ``touching`` (one a label, False) receives which domains reach
    the edge of the view. With these neighbours every wall separates exactly one positive
    from one negative domain.
    """
    n_rows, n_columns = positive.shape
    n = 0
    for i in range(n_rows):
        for j in range(n_columns):
            if not seen[i, j]:
                labels[i, j] = -1
                continue
            own = -1
            sign = positive[i, j]
            if j > 0 and labels[i, j - 1] >= 0 and positive[i, j - 1] == sign:
                own = labels[i, j - 1]
            if i > 0:
                if labels[i - 1, j] >= 0 and positive[i - 1, j] == sign:
                    up = labels[i - 1, j]
                    if own < 0:
                        own = up
                    elif own != up:
                        own = join(parents, own, up)
                elif not sign:
                    if j > 0 and labels[i - 1, j - 1] >= 0 and not positive[i - 1, j - 1]:
                        up = labels[i - 1, j - 1]
                        own = up if own < 0 else join(parents, own, up)
                    if (
                        j + 1 < n_columns
                        and labels[i - 1, j + 1] >= 0
                        and not positive[i - 1, j + 1]
                    ):
                        up = labels[i - 1, j + 1]
                        own = up if own < 0 else join(parents, own, up)
            if own < 0:
                own = n
                parents[n] = n
                n += 1
            labels[i, j] = own
    count = 0
    for label in range(n):  # a root comes before all labels that point to it
        if parents[label] == label:
            parents[label] = count
            count += 1
        else:
            parents[label] = parents[parents[label]]
    for i in range(n_rows):
        for j in range(n_columns):
            if labels[i, j] < 0:
                continue
            labels[i, j] = parents[labels[i, j]]
            inside = 0 < i < n_rows - 1 and 0 < j < n_columns - 1
            if inside:
                inside = seen[i - 1, j] and seen[i + 1, j] and seen[i, j - 1] and seen[i, j + 1]
            if not inside:
                touching[labels[i, j]] = True
    return count


@kernel
def fine_domains(
    pixels: Floats, smooth: Floats, limit: float, taps: Floats, positive: Mask
) -> None:
    """Tell the domain of every pixel, in place: that of its block, or near walls its own.

    ``pixels`` (rows, columns), NaN where nothing is seen; ``smooth``: the smoothed frame at blocks
    of 2 x 2 pixels. Where it lies within ``limit`` of zero, ``positive`` is the sign of the pixels
    averaged with the weights ``taps`` (half of a separable filter, middle first).
    """
    n_rows, n_columns = pixels.shape
    half = taps.size - 1
    for i in range(n_rows):
        for j in range(n_columns):
            value = smooth[i // 2, j // 2]
            if abs(value) > limit:
                positive[i, j] = value > 0.0
                continue
            total = 0.0
            for a in range(max(0, i - half), min(n_rows, i + half + 1)):
                row = 0.0
                for b in range(max(0, j - half), min(n_columns, j + half + 1)):
                    if pixels[a, b] == pixels[a, b]:
                        row += taps[abs(b - j)] * pixels[a, b]
                total += taps[abs(a - i)] * row
            positive[i, j] = total > 0.0


@kernel
def border_points(labels: Integers, positive: Mask, pairs: Integers, points: Floats) -> int:
    """List the edges between blocks of domains of opposite sign, in place; return their number.

    ``pairs`` (n, 2) receives the labels of the positive and the negative domain, ``points`` (n, 2)
    the middle of the edge, x and y. Edges that do not fit in are left out.
    """
    n_rows, n_columns = labels.shape
    n = 0
    for i in range(n_rows):
        for j in range(n_columns):
            here = labels[i, j]
            if here < 0:
                continue
            sign = positive[i, j]
            for down in range(2):
                row = i + down
                column = j + 1 - down
                if row >= n_rows or column >= n_columns or n >= pairs.shape[0]:
                    continue
                there = labels[row, column]
                if there < 0 or positive[row, column] == sign:
                    continue
                pairs[n, 0] = here if sign else there
                pairs[n, 1] = there if sign else here
                points[n, 0] = j + 0.5 * (1 - down)
                points[n, 1] = i + 0.5 * down
                n += 1
    return n


@kernel
def vote_sides(
    labels: Integers, positive: Mask, points: Floats, starts: Counts, pairs: Counts, votes: Counts
) -> None:
    """Find which positive and which negative domain each wall separates, in place.

    ``points`` (n, 4): x, y and normal toward the negative domain of all walls, wall k from
    ``starts[k]`` to ``starts[k + 1]``. ``pairs`` (n_walls, 2) receives the labels that most points
    see 1 to 2 pixels away on either side, -1 where none does. ``votes``: zeros, one a label.
    """
    n_rows, n_columns = labels.shape
    for wall in range(pairs.shape[0]):
        for side in range(2):
            best = -1
            for step in range(1, 3):
                if best >= 0:
                    break
                for clear in range(2):
                    for k in range(starts[wall], starts[wall + 1]):
                        shift = step if side == 1 else -step
                        j = int(np.rint(points[k, 0] + shift * points[k, 2]))
                        i = int(np.rint(points[k, 1] + shift * points[k, 3]))
                        if i < 0 or j < 0 or i >= n_rows or j >= n_columns:
                            continue
                        label = labels[i, j]
                        if label < 0 or positive[i, j] != (side == 0):
                            continue
                        if clear == 0:
                            votes[label] += 1
                            if best < 0 or votes[label] > votes[best]:
                                best = label
                        else:
                            votes[label] = 0
            pairs[wall, side] = best


@kernel
def overlap_domains(
    one: Integers, two: Integers, used_one: Integers, used_two: Integers, counts: Counts
) -> None:
    """Count the pixels that domains of two frames share, in place.

    ``used_one``, ``used_two``: label -> row or column of ``counts``, or -1 for a domain that has no
    wall. The last column and row count all pixels of a domain.
    """
    n_rows, n_columns = one.shape
    last_row = counts.shape[0] - 1
    last_column = counts.shape[1] - 1
    for i in range(n_rows):
        for j in range(n_columns):
            a = used_one[one[i, j]] if one[i, j] >= 0 else -1
            b = used_two[two[i, j]] if two[i, j] >= 0 else -1
            if a >= 0 and b >= 0:
                counts[a, b] += 1
            if a >= 0:
                counts[a, last_column] += 1
            if b >= 0:
                counts[last_row, b] += 1
