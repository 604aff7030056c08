"""Compiled parts of the curves that walls are fitted about: even points, smoothing, normals."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.compiled import kernel

__all__ = ["curvature_errors", "lay_curves", "move_curves"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Mask = NDArray[np.bool_]

LEAST_POINTS = 8


@kernel
def gaussian_taps(sigma: float) -> Floats:
    """Weights of the smoothing 2 G - G G, which keeps a circle's radius to fourth order."""
    half = int(4.0 * sigma) + 1
    plain = np.empty(2 * half + 1)
    for k in range(-half, half + 1):
        plain[k + half] = np.exp(-0.5 * (k / sigma) ** 2)
    total = 0.0
    for k in range(2 * half + 1):
        total += plain[k]
    for k in range(2 * half + 1):
        plain[k] /= total
    taps = np.zeros(4 * half + 1)
    for k in range(2 * half + 1):
        taps[k + half] += 2.0 * plain[k]
        for m in range(2 * half + 1):
            taps[k + m] -= plain[k] * plain[m]
    return taps


@kernel
def smooth_line(line: Floats, closed: bool, sigma: float) -> Floats:
    """Smooth the points (n, 2) of a line; past the ends an open one is mirrored in its end."""
    n = len(line)
    taps = gaussian_taps(max(sigma, 0.3))
    half = len(taps) // 2
    padded = np.empty((n + 2 * half, 2))
    for k in range(-half, n + half):
        for axis in range(2):
            if closed:
                padded[k + half, axis] = line[k % n, axis]
            elif k < 0:
                padded[k + half, axis] = 2.0 * line[0, axis] - line[min(-k, n - 1), axis]
            elif k >= n:
                mirror = line[max(2 * (n - 1) - k, 0), axis]
                padded[k + half, axis] = 2.0 * line[n - 1, axis] - mirror
            else:
                padded[k + half, axis] = line[k, axis]
    result = np.empty((n, 2))
    for k in range(n):
        x = y = 0.0
        for m in range(len(taps)):
            x += taps[m] * padded[k + m, 0]
            y += taps[m] * padded[k + m, 1]
        result[k, 0] = x
        result[k, 1] = y
    return result


@kernel
def even_line(line: Floats, closed: bool, spacing: float) -> Floats:
    """Points about ``spacing`` apart on the polygon; a closed one does not repeat its first."""
    n = len(line)
    total = n if closed else n - 1
    arc = np.zeros(total + 1)
    for k in range(total):
        after = (k + 1) % n
        arc[k + 1] = arc[k] + np.hypot(line[after, 0] - line[k, 0], line[after, 1] - line[k, 1])
    length = arc[total]
    pieces = max(LEAST_POINTS, int(np.rint(length / spacing)))
    count = pieces if closed else pieces + 1
    result = np.empty((count, 2))
    k = 0
    for point in range(count):
        place = length * point / pieces
        while k < total - 1 and arc[k + 1] < place:
            k += 1
        step = arc[k + 1] - arc[k]
        share = min(1.0, (place - arc[k]) / step) if step > 0.0 else 0.0
        after = (k + 1) % n
        for axis in range(2):
            result[point, axis] = (1.0 - share) * line[k, axis] + share * line[after, axis]
    return result


@kernel
def measure_line(curve: Floats, closed: bool, nodes: Floats, arc: Floats) -> float:
    """Fill x, y, normal, curvature and arc length of even points; return the length."""
    n = len(curve)
    length = 0.0
    for k in range(n):
        if closed:
            before, after = (k - 1) % n, (k + 1) % n
        else:
            before, after = min(max(k - 1, 0), n - 3), max(min(k + 1, n - 1), 2)
        middle = (before + 1) % n
        first_x = 0.5 * (curve[after, 0] - curve[before, 0])
        first_y = 0.5 * (curve[after, 1] - curve[before, 1])
        second_x = curve[after, 0] - 2.0 * curve[middle, 0] + curve[before, 0]
        second_y = curve[after, 1] - 2.0 * curve[middle, 1] + curve[before, 1]
        if not closed and (k == 0 or k == n - 1):
            first_x += (k - middle) * second_x
            first_y += (k - middle) * second_y
        speed = max(np.hypot(first_x, first_y), 1e-9)
        normal_x, normal_y = first_y / speed, -first_x / speed
        nodes[k, 0] = curve[k, 0]
        nodes[k, 1] = curve[k, 1]
        nodes[k, 2] = normal_x
        nodes[k, 3] = normal_y
        nodes[k, 4] = -(second_x * normal_x + second_y * normal_y) / speed**2
        arc[k] = length
        if k < n - 1 or closed:
            next_one = (k + 1) % n
            length += np.hypot(curve[next_one, 0] - curve[k, 0], curve[next_one, 1] - curve[k, 1])
    return length


@kernel
def lay_curves(
    points: Floats,
    ends: Integers,
    closed: Mask,
    spacing: float,
    smoothing: float,
    even_first: bool,
    nodes: Floats,
    arc: Floats,
    starts: Integers,
    lengths: Floats,
) -> int:
    """Lay even, smooth curves through lines of points, in place; return how many lines fitted in.

    Line k has the points ``ends[k]`` to ``ends[k + 1]``. With ``even_first`` the points are made
    even before they are smoothed (seeds), else after (fitted points, even but noisy).
    """
    starts[0] = 0
    for line in range(len(closed)):
        own = points[ends[line] : ends[line + 1]]
        if even_first:
            own = even_line(own, closed[line], spacing)
        sigma = min(smoothing / spacing, len(own) / 8.0)
        own = smooth_line(own, closed[line], sigma)
        if not even_first:
            own = even_line(own, closed[line], spacing)
        begin = starts[line]
        if begin + len(own) > len(nodes):
            return line
        starts[line + 1] = begin + len(own)
        end = starts[line + 1]
        lengths[line] = measure_line(own, closed[line], nodes[begin:end], arc[begin:end])
    return len(closed)


@kernel
def move_curves(nodes: Floats, offsets: Floats, good: Mask, points: Floats) -> None:
    """Shift the points of curves along their normals where the offset is ``good``, in place."""
    for k in range(len(nodes)):
        shift = offsets[k] if good[k] else 0.0
        points[k, 0] = nodes[k, 0] + shift * nodes[k, 2]
        points[k, 1] = nodes[k, 1] + shift * nodes[k, 3]


@kernel
def curvature_errors(
    covariance: Floats,
    keep: Mask,
    starts: Integers,
    closed: Mask,
    lengths: Floats,
    smoothing: float,
    errors: Floats,
) -> None:
    """Fill the standard errors of the curvature for unit noise; NaN where nothing is known.

    ``covariance`` (n_points, lags): of single offsets with those that follow. The curvature is the
    second difference of the smoothed offsets.
    """
    for k in range(len(errors)):
        errors[k] = np.nan
    for line in range(len(closed)):
        begin, end = starts[line], starts[line + 1]
        n = end - begin
        spacing = lengths[line] / max(n if closed[line] else n - 1, 1)
        smooth = gaussian_taps(max(min(smoothing / spacing, n / 8.0), 0.3))
        taps = np.zeros(len(smooth) + 2)
        for k in range(len(smooth)):
            taps[k] += smooth[k]
            taps[k + 1] -= 2.0 * smooth[k]
            taps[k + 2] += smooth[k]
        half = len(taps) // 2
        # what neighbours add, from the mean covariance along the line
        own = together = variance = 0.0
        for k in range(begin, end):
            if keep[k]:
                variance += covariance[k, 0]
        for lag in range(covariance.shape[1]):
            mean = overlap = 0.0
            for k in range(begin, end):
                if keep[k]:
                    mean += covariance[k, lag]
            for k in range(lag, len(taps)):
                overlap += taps[k] * taps[k - lag]
            if lag == 0:
                own = together = overlap
            elif variance > 0.0:
                together += 2.0 * mean / variance * overlap
        ratio = max(together / own, 0.0)
        for k in range(n):
            total = weight = 0.0
            for m in range(len(taps)):
                at = k + m - half
                if closed[line]:
                    at = at % n
                if 0 <= at < n and keep[begin + at]:
                    square = taps[m] * taps[m]
                    total += square * covariance[begin + at, 0]
                    weight += square
            if weight > 0.0:
                errors[begin + k] = np.sqrt(total / weight * own * ratio) / spacing**2
