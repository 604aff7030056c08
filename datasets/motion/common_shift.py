"""The common shift of each frame of a film, from its atoms."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from physlearn.records import AtomicConfiguration

__all__ = ["measure_shift", "refined_shift"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
DRIFT_ROUNDS = 4
FEWEST_FOR_REFINEMENT, REFINEMENTS = 8, 4
OUTLYING = 3.0


def measure_shift(frames: Sequence[AtomicConfiguration]) -> Floats:
    """Return the common shift of each frame against the first that holds atoms."""
    shift = np.zeros((len(frames), 2))
    last: Floats | None = None
    for t, frame in enumerate(frames):
        if t:
            shift[t] = shift[t - 1]
        if frame.n == 0:
            continue
        if last is not None:
            shift[t] += _pair_shift(last, frame.positions - shift[t])
        last = frame.positions - shift[t]
    return shift


def _pair_shift(before: Floats, after: Floats) -> Floats:
    """Return the median displacement between points that are each other's nearest."""
    tree, move = cKDTree(before), np.zeros(2)
    for _ in range(DRIFT_ROUNDS):
        moved = after - move
        distance, there = (np.asarray(part) for part in tree.query(moved))
        _, back = cKDTree(moved).query(before)
        mutual = np.asarray(back)[there] == np.arange(len(moved))
        mutual &= distance <= 2.0 * np.median(distance[mutual]) + 1e-12
        step = np.median((moved - before[there])[mutual], axis=0)
        move = move + step
        if np.hypot(*step) < 1e-9:
            break
    return np.asarray(move)


def refined_shift(
    frames: Sequence[AtomicConfiguration], shift: Floats, particle: list[Integers]
) -> Floats:
    """Return the shift against where each particle mostly stands: steps no longer add up."""
    who = np.concatenate(particle)
    frame_of = np.repeat(np.arange(len(frames)), [frame.n for frame in frames])
    places = np.concatenate([frame.positions for frame in frames])
    lasting = np.bincount(who)[who] > 0.5 * len(frames)
    if np.unique(who[lasting]).size < FEWEST_FOR_REFINEMENT:
        return shift
    shift = shift.copy()
    mine, when = who[lasting], frame_of[lasting]
    for _ in range(REFINEMENTS):
        still = (places - shift[frame_of])[lasting]
        off = still - _medians(still, mine)[mine]
        # atoms that hopped all the same way would pull a mean, and less so a median
        near = np.hypot(*(off - np.median(off, axis=0)).T)
        near = near < OUTLYING * np.median(near)
        members = np.maximum(np.bincount(when[near], minlength=len(frames)), 1)
        for axis in range(2):
            sums = np.bincount(when[near], off[near, axis], minlength=len(frames))
            shift[:, axis] += sums / members
    return np.asarray(shift - shift[0])


def _medians(values: Floats, group: Integers) -> Floats:
    """Return the median of each group along both axes; 0 for a group without members."""
    n = int(group.max()) + 1
    found = np.zeros((n, 2))
    counts = np.bincount(group, minlength=n)
    ends = np.cumsum(counts)
    full = np.flatnonzero(counts)
    for axis in range(2):
        ordered = values[np.lexsort((values[:, axis], group)), axis]
        low = ordered[ends[full] - counts[full] + (counts[full] - 1) // 2]
        found[full, axis] = 0.5 * (low + ordered[ends[full] - counts[full] + counts[full] // 2])
    return found
