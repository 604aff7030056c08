"""Trajectories that end where another begins: what a hop beyond the search range leaves."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import maximum_bipartite_matching
from scipy.spatial import cKDTree

from physlearn.datasets.motion.link_atoms import LinkedAtoms

__all__ = ["count_broken_tracks"]

Integers = NDArray[np.int64]
CLEAR = 3.0
FARTHEST = 3.0
"""An end and a beginning belong together within this many search ranges."""


def count_broken_tracks(linked: LinkedAtoms) -> tuple[int, bool]:
    """Return how many ends meet a beginning, and whether chance alone makes fewer.

    Ends and beginnings of unbroken runs of frames are matched one to one where the beginning is in
    the frame after the end, further away than the search range and closer than three. Chance is the
    number of matches with beginnings in the end's own frame, which no hop makes. A run also ends
    where an atom hopped away and the memory joined its site to the atom that came next; where the
    runs tell no more than chance (atoms that blink), only ends of whole trajectories count.
    """
    if not np.isfinite(linked.search_range):  # another program linked: no length to go by
        return 0, False
    track = linked.trajectory
    order = np.lexsort((track.frame, track.particle))
    other = np.diff(track.particle[order]) != 0
    gap = other | (np.diff(track.frame[order]) > 1)
    one, here = np.array([1]), np.array([0])
    broken = _matches(linked, order, gap, one)
    chance = _matches(linked, order, gap, here)
    if broken > chance + CLEAR * np.sqrt(chance):
        return broken, True
    return _matches(linked, order, other, np.arange(1, linked.memory + 2)), False


def _matches(linked: LinkedAtoms, order: Integers, cut: NDArray[np.bool_], lags: Integers) -> int:
    """Return how many ends find a beginning of their own among those at these lags in frames."""
    track = linked.trajectory
    starts = order[np.concatenate([[True], cut])]
    ends = order[np.concatenate([cut, [True]])]
    starts = starts[track.frame[starts] > track.frame.min()]
    ends = ends[track.frame[ends] < track.frame.max()]
    if not len(ends) or not len(starts):
        return 0
    near = cKDTree(track.positions[starts]).query_ball_point(
        track.positions[ends], FARTHEST * linked.search_range
    )
    end = np.repeat(np.arange(len(ends)), [len(rows) for rows in near])
    start = np.fromiter((row for rows in near for row in rows), dtype=np.int64, count=len(end))
    a, b = ends[end], starts[start]
    apart = np.hypot(*(track.positions[b] - track.positions[a]).T)
    fits = (apart > linked.search_range) & (track.particle[a] != track.particle[b])
    fits &= np.isin(track.frame[b] - track.frame[a], lags)
    return _largest_matching(end[fits], start[fits])


def _largest_matching(end: Integers, start: Integers) -> int:
    """Return the size of the largest one-to-one matching of a sparse bipartite graph."""
    if not len(end):
        return 0
    graph = sparse.csr_array((np.ones(len(end), dtype=np.int8), (end, start)))
    return int((maximum_bipartite_matching(graph.tocsr(), perm_type="column") >= 0).sum())
