"""Which empty sites belong to a crystal, and which lie beyond its edge."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from physlearn.datasets.sites.outer_sites import STEPS, joined_to_outside
from physlearn.datasets.sites.site_frame import SiteFrame

__all__ = ["inside_crystal"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]
LARGEST_GAP = np.radians(200.0)
"""Empty sites in the last row of a crystal see columns over half a turn, less a bent edge's share;
those one row beyond it miss 230 degrees or more."""
REACH = 1.25
"""Of the sum of both lattice vectors' lengths: how far a site looks for columns."""
SHARE_FOR_REACH = 0.6
"""Sublattices emptier than this are looked at from farther away, so that as many are seen."""
NEAREST = 24
BLOCK = [(a, b) for a in range(-2, 3) for b in range(-2, 3) if (a, b) != (0, 0)]
P_EMPTY_ROW = 1e-3


def inside_crystal(frame: SiteFrame, filled: Flags, low: Floats, high: Floats) -> Flags:
    """Return which sites hold a column or belong to the crystal of their own sublattice.

    A lattice has no end and a crystal has: where it ends inside the view, the sites laid out beyond
    its last row hold nothing, and are no vacancies. Such sites are not surrounded (a gap of more
    than 200 degrees between the directions of columns near by) and others like them lead out of the
    view: a void with crystal on all sides is vacancies, however large. Where
    the view ends instead of the crystal, the unseen side is given the benefit of the doubt unless a
    row through the site is empty farther than the sublattice's filling makes likely.

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
    for part in range(len(frame.phases)):
        mine = frame.sublattice == part
        known, asked = np.flatnonzero(mine & filled), np.flatnonzero(mine & ~filled)
        if len(known) < 3 or not len(asked):
            continue
        share = _filled_share(frame, np.flatnonzero(mine), filled)
        open_sites = asked[~_surrounded(frame, known, asked, share)]
        held = _cut_by_the_view(frame, filled & mine, open_sites, share, (low, high))
        beyond = np.zeros(len(filled), dtype=np.bool_)
        beyond[open_sites[~held]] = True
        unseen = np.any((frame.predicted < low) | (frame.predicted > high), axis=1)
        outside = joined_to_outside(
            frame.indices, frame.indices[mine & ~beyond & ~unseen], frame.vectors
        )
        inside[asked] = ~(beyond & outside)[asked]
    return inside


def _filled_share(frame: SiteFrame, sites: Integers, filled: Flags) -> float:
    """Return the share of filled sites among those at most two cells from a filled one."""
    first = frame.indices[sites].min(axis=0) - 2
    shape = tuple(frame.indices[sites].max(axis=0) - first + 3)
    seen, full = np.zeros(shape), np.zeros(shape)
    seen[tuple((frame.indices[sites] - first).T)] = 1.0
    full[tuple((frame.indices[sites[filled[sites]]] - first).T)] = 1.0
    around = [np.roll(full, step, axis=(0, 1)) for step in BLOCK]
    total = sum(float((one * seen).sum()) for one in around)
    return sum(float((one * full).sum()) for one in around) / max(total, 1.0)


def _surrounded(frame: SiteFrame, known: Integers, asked: Integers, share: float) -> Flags:
    """Return which of the asked sites see known columns in all directions."""
    places = frame.predicted
    reach = REACH * float(np.hypot(*frame.vectors.T).sum())
    reach *= max(1.0, (SHARE_FOR_REACH / max(share, 1e-3)) ** 0.5)
    distance, near = cKDTree(places[known]).query(
        places[asked], k=min(NEAREST, len(known)), distance_upper_bound=reach
    )
    seen = np.isfinite(distance)
    arm = places[known][np.where(seen, near, 0)] - places[asked][:, None, :]
    return np.asarray(_largest_gap(np.arctan2(arm[..., 1], arm[..., 0]), seen) < LARGEST_GAP)


def _largest_gap(angle: Floats, seen: Flags) -> Floats:
    """Return the largest angle between neighbouring directions, a whole turn where none is seen."""
    # directions that are not seen repeat one that is: they open no gap
    first = np.take_along_axis(angle, seen.argmax(axis=1)[:, None], axis=1)
    sorted_angle = np.sort(np.where(seen, angle, first), axis=1)
    around = np.concatenate([sorted_angle, sorted_angle[:, :1] + 2 * np.pi], axis=1)
    return np.where(seen.any(axis=1), np.diff(around, axis=1).max(axis=1), 2 * np.pi)


def _cut_by_the_view(
    frame: SiteFrame, filled: Flags, asked: Integers, share: float, view: tuple[Floats, Floats]
) -> Flags:
    """Return which sites have unseen neighbours and no row that ends the crystal.

    A row ends it whose sites near by, at least two to either side, are all empty; in a sublattice
    that is mostly empty, more of them than its filling leaves empty with a chance of 1e-3.
    """
    low, high = view
    taken = {(a, b) for a, b in frame.indices[filled].tolist()}
    longest = np.log(P_EMPTY_ROW) / np.log1p(-min(max(share, 1e-3), 1.0 - 1e-3))
    range_of = np.arange(1, max(2, int(np.ceil(longest / 2))) + 1)
    cut, held = np.zeros(len(asked), dtype=np.bool_), np.ones(len(asked), dtype=np.bool_)
    for k, site in enumerate(asked):
        a, b = frame.indices[site].tolist()
        for i, j in STEPS:
            step = np.array([i, j]) @ frame.vectors
            near, n_seen, ends = False, 1, False
            for sign in (1, -1):
                places = frame.predicted[site] + sign * range_of[:, None] * step
                seen = np.all((places >= low) & (places <= high), axis=1)
                cut[k] |= not seen[0]
                ends |= bool(seen[0])
                n_seen += int(seen.sum())
                near |= any((a + sign * n * i, b + sign * n * j) in taken for n in range_of)
            held[k] &= near or not ends or (share < SHARE_FOR_REACH and n_seen < longest)
    return cut & held
