"""Kernels that count what a film of particles holds: distances, and how pairs then move."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.compiled import kernel

__all__ = ["pair_sums", "step_sums"]

Float = NDArray[np.float64]
Int64 = NDArray[np.int64]
Bytes = NDArray[np.uint8]

COUNT, TOWARDS, SQUARE, LATER_COUNT, LATER = 0, 1, 2, 3, 4


@kernel
def nearest_image_of(gap: float, length: float) -> float:
    """Return a difference of two places inside the box to the nearest image; 0: open space."""
    half = 0.5 * length
    if gap > half:
        return gap - length
    if gap < -half:
        return gap + length
    return gap


@kernel
def pair_sums(
    places: Float,
    seen: Bytes,
    joined: Bytes,
    box: Float,
    kinds: Int64,
    distance_bins: Float,
    motion_bins: Float,
    counts: Float,
    motion: Float,
) -> None:
    """Add up distances of pairs and their relative motion along the line that joins them.

    ``places``: (n_frames, n, 3), not wrapped; ``seen``: (n_frames, n); ``joined``: (n_frames - 1,
    n), the same particle is seen in this frame and the next; ``kinds``: (n, n) rows of the bins;
    ``distance_bins``, ``motion_bins``: (n_kinds, n_edges); ``counts``: (n_kinds, n_bins);
    ``motion``: (n_kinds, n_bins, 5) pairs, sum of relative steps along the line, of their squares,
    pairs seen three frames long, sum of their second steps along the first frame's line.
    """
    n_frames, n, _ = places.shape
    n_near, n_far = distance_bins.shape[1], motion_bins.shape[1]
    reach = 0.0
    for kind in range(distance_bins.shape[0]):
        reach = max(reach, distance_bins[kind, n_near - 1], motion_bins[kind, n_far - 1])
    line = np.zeros(3)
    inside = np.zeros((n, 3))
    for t in range(n_frames):
        for i in range(n):
            for d in range(3):
                inside[i, d] = places[t, i, d]
                if box[d] > 0.0:
                    inside[i, d] -= box[d] * math.floor(inside[i, d] / box[d])
        for i in range(n):
            if seen[t, i] == 0:
                continue
            for j in range(i):
                if seen[t, j] == 0:
                    continue
                line[0] = nearest_image_of(inside[i, 0] - inside[j, 0], box[0])
                if abs(line[0]) > reach:
                    continue
                line[1] = nearest_image_of(inside[i, 1] - inside[j, 1], box[1])
                if abs(line[1]) > reach:
                    continue
                line[2] = nearest_image_of(inside[i, 2] - inside[j, 2], box[2])
                square = line[0] * line[0] + line[1] * line[1] + line[2] * line[2]
                if square >= reach * reach or square == 0.0:
                    continue
                r = math.sqrt(square)
                kind = kinds[i, j]
                for k in range(n_near - 1):
                    if r < distance_bins[kind, k + 1]:
                        if r >= distance_bins[kind, k]:
                            counts[kind, k] += 1.0
                        break
                if t == n_frames - 1 or joined[t, i] == 0 or joined[t, j] == 0:
                    continue
                if r < motion_bins[kind, 0] or r >= motion_bins[kind, n_far - 1]:
                    continue
                place = 0
                while r >= motion_bins[kind, place + 1]:
                    place += 1
                along = 0.0
                for d in range(3):
                    along += line[d] * (
                        (places[t + 1, i, d] - places[t, i, d])
                        - (places[t + 1, j, d] - places[t, j, d])
                    )
                along /= r
                motion[kind, place, COUNT] += 1.0
                motion[kind, place, TOWARDS] += along
                motion[kind, place, SQUARE] += along * along
                if t == n_frames - 2 or joined[t + 1, i] == 0 or joined[t + 1, j] == 0:
                    continue
                along = 0.0
                for d in range(3):
                    along += line[d] * (
                        (places[t + 2, i, d] - places[t + 1, i, d])
                        - (places[t + 2, j, d] - places[t + 1, j, d])
                    )
                motion[kind, place, LATER_COUNT] += 1.0
                motion[kind, place, LATER] += along / r


@kernel
def step_sums(places: Float, joined: Bytes, sums: Float) -> None:
    """Add up products of a particle's steps; ``sums``: (n_lags, 2) their sum and number.

    ``joined``: as for ``pair_sums``; lag k is the product of steps that begin k frames apart.
    """
    n_steps, n = joined.shape
    for t in range(n_steps):
        for i in range(n):
            for lag in range(sums.shape[0]):
                if t + lag >= n_steps or joined[t + lag, i] == 0:
                    break
                for d in range(3):
                    sums[lag, 0] += (places[t + 1, i, d] - places[t, i, d]) * (
                        places[t + lag + 1, i, d] - places[t + lag, i, d]
                    )
                sums[lag, 1] += 1.0
