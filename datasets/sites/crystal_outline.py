"""Which empty sites belong to a crystal, and which lie beyond its edge."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from physlearn.datasets.sites.site_frame import SiteFrame

__all__ = ["inside_crystal"]

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
LARGEST_GAP = np.radians(200.0)
"""Empty sites in the last row of a crystal see columns over half a turn, less a bent edge's share;
those one row beyond it miss 230 degrees or more."""
REACH = 1.25
"""Of the sum of both lattice vectors' lengths: how far a site looks for columns."""
NEAREST = 24
STEPS = ((1, 0), (0, 1), (1, 1), (1, -1))


def inside_crystal(frame: SiteFrame, filled: Flags, low: Floats, high: Floats) -> Flags:
    """Return which sites hold a column or are surrounded by columns of their own sublattice.

    A lattice has no end and a crystal has: where it ends inside the view, the sites laid out beyond
    its last row hold nothing, and are no vacancies. Surrounded: no gap of more than 200 degrees
    between the directions of columns near by. Where the view ends instead (its corners), the unseen
    side is given the benefit of the doubt unless the row through the site is empty both ways.

    Parameters
    ----------
    frame
        All sites that were laid out.
    filled
        Shape (n,): sites whose column is there.
    low, high
        Corners of the view, in the sites' unit.
    """
    inside = filled.copy()
    reach = REACH * float(np.hypot(*frame.vectors.T).sum())
    for part in range(len(frame.phases)):
        mine = frame.sublattice == part
        known, asked = np.flatnonzero(mine & filled), np.flatnonzero(mine & ~filled)
        if len(known) < 3 or not len(asked):
            continue
        places = frame.predicted
        count = min(NEAREST, len(known))
        distance, near = cKDTree(places[known]).query(
            places[asked], k=count, distance_upper_bound=reach
        )
        seen = np.isfinite(distance)
        arm = places[known][np.where(seen, near, 0)] - places[asked][:, None, :]
        inside[asked] = _largest_gap(np.arctan2(arm[..., 1], arm[..., 0]), seen) < LARGEST_GAP
        doubtful = asked[~inside[asked]]
        inside[doubtful] = _cut_by_the_view(frame, filled & mine, doubtful, low, high)
    return inside


def _largest_gap(angle: Floats, seen: Flags) -> Floats:
    """Return the largest angle between neighbouring directions, a whole turn where none is seen."""
    # directions that are not seen repeat one that is: they open no gap
    first = np.take_along_axis(angle, seen.argmax(axis=1)[:, None], axis=1)
    sorted_angle = np.sort(np.where(seen, angle, first), axis=1)
    around = np.concatenate([sorted_angle, sorted_angle[:, :1] + 2 * np.pi], axis=1)
    return np.where(seen.any(axis=1), np.diff(around, axis=1).max(axis=1), 2 * np.pi)


def _cut_by_the_view(
    frame: SiteFrame, filled: Flags, asked: NDArray[np.int64], low: Floats, high: Floats
) -> Flags:
    """Return which sites have unseen neighbours and a column in every row that can be seen."""
    taken = {(a, b) for a, b in frame.indices[filled].tolist()}
    result = np.zeros(len(asked), dtype=np.bool_)
    for k, site in enumerate(asked):
        a, b = frame.indices[site].tolist()
        cut, held = False, True
        for i, j in STEPS:
            step = np.array([i, j]) @ frame.vectors
            ends = [frame.predicted[site] + sign * step for sign in (1, -1)]
            unseen = [bool(np.any((end < low) | (end > high))) for end in ends]
            cut = cut or any(unseen)
            near = any((a + n * i, b + n * j) in taken for n in (-2, -1, 1, 2))
            held = held and (near or all(unseen))
        result[k] = cut and held
    return result
