"""Compiled labelling of the domains of both signs and their overlap from frame to frame.

A picture is kept as runs: stretches of a row of one sign. All that follows goes over the runs, of
which there are few, and not over the pixels.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.compiled import kernel

__all__ = ["find_runs", "fine_domains", "label_runs", "list_borders", "overlap_runs", "vote_sides"]

Integers = NDArray[np.int32]
Signs = NDArray[np.int8]
Counts = NDArray[np.int64]
Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

NEGATIVE, POSITIVE, UNSEEN = 0, 1, 2


@kernel
def find_runs(
    positive: Mask, seen: Mask, row_starts: Integers, starts: Integers, signs: Signs
) -> int:
    """List the runs of a picture, in place; return their number.

    Runs of row i are ``row_starts[i] : row_starts[i + 1]``; a run goes from its ``starts`` to the
    next one's, or to the end of the row. ``signs``: 1 positive, 0 negative, 2 not seen.
    """
    n_rows, n_columns = positive.shape
    n = 0
    for i in range(n_rows):
        row_starts[i] = n
        last = -1
        for j in range(n_columns):
            sign = UNSEEN
            if seen[i, j]:
                sign = POSITIVE if positive[i, j] else NEGATIVE
            if sign != last:
                starts[n] = j
                signs[n] = sign
                n += 1
                last = sign
    row_starts[n_rows] = n
    return n


@kernel
def root_of(parents: Integers, label: int) -> int:
    """Follow a label to the first one of its domain, halving the path."""
    while parents[label] != label:
        parents[label] = parents[parents[label]]
        label = parents[label]
    return label


@kernel
def label_runs(
    row_starts: Integers,
    starts: Integers,
    signs: Signs,
    n_columns: int,
    labels: Integers,
    touching: Mask,
) -> int:
    """Label the domains, positive ones by 4 neighbours and negative ones by 8; return their number.

    ``labels`` receives 0, 1, ... of each run (that of runs not seen means nothing); ``touching``
    (one a label, False) which domains reach the edge of the view. With these neighbours every wall
    separates exactly one positive from one negative domain.
    """
    n_rows = row_starts.size - 1
    n = row_starts[n_rows]
    parents = np.arange(n).astype(np.int32)
    edge = np.zeros(n, np.bool_)
    for i in range(n_rows):
        first, last = row_starts[i], row_starts[i + 1]
        for k in range(first, last):
            end = starts[k + 1] if k + 1 < last else n_columns
            if i == 0 or i == n_rows - 1 or starts[k] == 0 or end == n_columns:
                edge[k] = True
            if k > first and signs[k - 1] == UNSEEN:
                edge[k] = True
            if k + 1 < last and signs[k + 1] == UNSEEN:
                edge[k] = True
        if i == 0:
            continue
        above = row_starts[i - 1]
        for k in range(first, last):
            begin = starts[k]
            end = starts[k + 1] if k + 1 < last else n_columns
            while above + 1 < first and starts[above + 1] < begin:
                above += 1
            m = above
            while m < first and starts[m] <= end:
                finish = starts[m + 1] if m + 1 < first else n_columns
                reach = 1 if signs[k] == NEGATIVE else 0
                over = starts[m] < end and finish > begin
                if over and signs[k] == UNSEEN:
                    edge[m] = True
                if over and signs[m] == UNSEEN:
                    edge[k] = True
                near = starts[m] < end + reach and finish > begin - reach
                if near and signs[m] == signs[k]:
                    one, two = root_of(parents, k), root_of(parents, m)
                    parents[max(one, two)] = min(one, two)
                m += 1
    count = 0
    for k in range(n):  # a root comes before all that point to it
        if parents[k] == k:
            labels[k] = count
            count += 1
        else:
            labels[k] = labels[root_of(parents, k)]
        if edge[k]:
            touching[labels[k]] = True
    return count


@kernel
def list_borders(
    row_starts: Integers,
    starts: Integers,
    signs: Signs,
    labels: Integers,
    n_columns: int,
    pairs: Integers,
    points: Floats,
) -> int:
    """List the edges between pixels of opposite sign, in place; return their number.

    ``pairs`` (n, 2) receives the labels of the positive and the negative domain, ``points`` (n, 2)
    the middle of the edge, x and y. Edges that do not fit in are left out.
    """
    n = 0
    room = pairs.shape[0]
    for i in range(row_starts.size - 1):
        first, last = row_starts[i], row_starts[i + 1]
        for k in range(first + 1, last):
            if signs[k] + signs[k - 1] == 1 and n < room:  # one positive, one negative
                pairs[n, 0] = labels[k] if signs[k] == POSITIVE else labels[k - 1]
                pairs[n, 1] = labels[k - 1] if signs[k] == POSITIVE else labels[k]
                points[n, 0] = starts[k] - 0.5
                points[n, 1] = i
                n += 1
        if i == 0:
            continue
        m = row_starts[i - 1]
        for k in range(first, last):
            end = starts[k + 1] if k + 1 < last else n_columns
            while m < first:
                finish = starts[m + 1] if m + 1 < first else n_columns
                if signs[k] + signs[m] == 1:
                    for j in range(max(starts[k], starts[m]), min(end, finish)):
                        if n < room:
                            pairs[n, 0] = labels[k] if signs[k] == POSITIVE else labels[m]
                            pairs[n, 1] = labels[m] if signs[k] == POSITIVE else labels[k]
                            points[n, 0] = j
                            points[n, 1] = i - 0.5
                            n += 1
                if finish > end:
                    break
                m += 1
    return n


@kernel
def run_at(row_starts: Integers, starts: Integers, i: int, j: int) -> int:
    """Return the run that holds column j of row i."""
    low, high = row_starts[i], row_starts[i + 1]
    while high - low > 1:
        middle = (low + high) // 2
        if starts[middle] <= j:
            low = middle
        else:
            high = middle
    return int(low)


@kernel
def vote_sides(
    row_starts: Integers,
    starts: Integers,
    signs: Signs,
    labels: Integers,
    n_columns: int,
    points: Floats,
    lines: Counts,
    pairs: Counts,
    votes: Counts,
) -> None:
    """Find which positive and which negative domain each contour separates, in place.

    ``points`` (n, 4): x, y and normal toward the negative domain of all contours, contour k from
    ``lines[k]`` to ``lines[k + 1]``. ``pairs`` (n_contours, 2) receives the labels that most points
    see 1 to 2 pixels away on either side, -1 where none does. ``votes``: zeros, one a label.
    """
    n_rows = row_starts.size - 1
    for line in range(pairs.shape[0]):
        for side in range(2):
            best = -1
            for step in range(1, 3):
                if best >= 0:
                    break
                for clear in range(2):
                    for k in range(lines[line], lines[line + 1]):
                        shift = step if side == 1 else -step
                        j = int(np.rint(points[k, 0] + shift * points[k, 2]))
                        i = int(np.rint(points[k, 1] + shift * points[k, 3]))
                        if i < 0 or j < 0 or i >= n_rows or j >= n_columns:
                            continue
                        run = run_at(row_starts, starts, i, j)
                        if signs[run] != 1 - side:
                            continue
                        label = labels[run]
                        if clear == 1:
                            votes[label] = 0
                            continue
                        votes[label] += 1
                        if best < 0 or votes[label] > votes[best]:
                            best = label
            pairs[line, side] = best


@kernel
def overlap_runs(
    rows_one: Integers,
    starts_one: Integers,
    columns_one: Integers,
    rows_two: Integers,
    starts_two: Integers,
    columns_two: Integers,
    n_columns: int,
    counts: Counts,
) -> None:
    """Count the pixels that domains of two frames share, in place.

    ``columns_one``, ``columns_two``: run -> row or column of ``counts``, or -1 for a domain that
    has no wall. The last column and row count all pixels of a domain.
    """
    last_row = counts.shape[0] - 1
    last_column = counts.shape[1] - 1
    for i in range(rows_one.size - 1):
        k, m = rows_one[i], rows_two[i]
        end_one, end_two = rows_one[i + 1], rows_two[i + 1]
        j = 0
        while j < n_columns:
            finish_one = starts_one[k + 1] if k + 1 < end_one else n_columns
            finish_two = starts_two[m + 1] if m + 1 < end_two else n_columns
            finish = min(finish_one, finish_two)
            a, b = columns_one[k], columns_two[m]
            if a >= 0 and b >= 0:
                counts[a, b] += finish - j
            if a >= 0:
                counts[a, last_column] += finish - j
            if b >= 0:
                counts[last_row, b] += finish - j
            j = finish
            if finish_one == finish:
                k += 1
            if finish_two == finish:
                m += 1


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
