"""Every sublattice's sites inside the view, and where the neighbours say that each stands."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from physlearn.checks import NotIdentified
from physlearn.datasets.sites.lattice_finding import (
    FEWEST_ATOMS,
    choose_sublattice,
    find_sublattices,
    lattice_vectors,
    reduced_vectors,
    refine_sublattice,
)
from physlearn.datasets.sites.outer_sites import joined_to_outside
from physlearn.records import AtomicConfiguration

__all__ = ["SiteFrame", "find_site_frame", "lay_out_sites", "site_spacing"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
SMALLEST_SUBLATTICE = 0.2
"""Columns of a sublattice, as a share of the largest one's."""
PHASE_RADIUS = 0.12
"""Columns of one sublattice stand within this share of the nearest-neighbour distance."""
NEIGHBOURS = 19
FEWEST_NEIGHBOURS = 5
LARGEST_SITES = 40_000_000
SMALLEST_SHARE_ON_SITES = 0.6
LARGEST_MISS = 0.13
"""Typical distance, per axis, of columns from their predicted sites, in nearest distances of sites:
columns strewn at random would show 0.17."""
ROBUST = 1.4826


@dataclass(frozen=True, slots=True, eq=False)
class SiteFrame:
    """The sites of all sublattices inside the view.

    Attributes
    ----------
    vectors, offset, phases
        Lattice vectors (rows), place of site (0, 0), and each sublattice's place in the cell
        (n_sublattices, 2), in units of the vectors; brightest sublattice first.
    indices, sublattice
        Of each site: (n, 2) and (n,).
    predicted, covariance
        Where its neighbours say that the site stands, (n, 2), and how well, (n, 2, 2); the site's
        own column is not asked.
    column
        (n,): number of the column on the site, or -1.
    off_lattice
        Numbers of the columns that stand on no site.
    """

    vectors: Floats
    offset: Floats
    phases: Floats
    indices: Integers
    sublattice: Integers
    predicted: Floats
    covariance: Floats
    column: Integers
    off_lattice: Integers


def find_site_frame(atoms: AtomicConfiguration) -> SiteFrame:
    """Find the lattice, its sublattices and every site inside the view."""
    if atoms.n < FEWEST_ATOMS:
        raise NotIdentified(f"{atoms.n} columns are too few to show a lattice.")
    positions = atoms.positions[:, :2]
    weights = np.ones(atoms.n) if atoms.intensity is None else np.maximum(atoms.intensity, 0.0)
    vectors = reduced_vectors(lattice_vectors(positions, weights))
    said: list[str] = []
    anchor = choose_sublattice(atoms, weights, find_sublattices(positions, vectors), vectors, said)
    if len(anchor.members) < 0.15 * atoms.n:
        raise NotIdentified(
            f"only {len(anchor.members)} of {atoms.n} columns stand on one lattice."
        )
    anchor, vectors, offset = refine_sublattice(positions, anchor, vectors, weights)
    place = _cell_places(positions, anchor.members, anchor.indices, vectors, offset)
    phases = _phases(place, anchor.members, vectors, weights)
    occupied = _occupy(place, phases, vectors, weights)
    share = len(occupied[2]) / atoms.n
    if share < SMALLEST_SHARE_ON_SITES:
        raise NotIdentified(f"only {share:.0%} of the columns stand on sites of one lattice.")
    view = atoms.field_of_view
    if view is None:
        view = (*positions.min(axis=0), *positions.max(axis=0))
    frame = lay_out_sites(positions, view, (vectors, offset, phases), occupied)
    spread = float(np.sqrt(np.median(frame.covariance[:, 0, 0]))) if len(frame.column) else np.inf
    if spread > LARGEST_MISS * site_spacing(vectors, phases):
        raise NotIdentified(
            "no lattice: the columns stand no closer to its sites than columns strewn at random."
        )
    return frame


def site_spacing(vectors: Floats, phases: Floats) -> float:
    """Return the shortest distance of two sites."""
    spacing = float(min(np.hypot(*vectors[0]), np.hypot(*vectors[1])))
    places = phases @ vectors
    for one in range(len(phases)):
        for two in range(one):
            spacing = min(spacing, _cell_distance(places[one], places[two], vectors))
    return spacing


def _cell_places(
    positions: Floats, members: Integers, indices: Integers, vectors: Floats, offset: Floats
) -> Floats:
    """Return each column's place in lattice units, the nearest anchors' own shift taken out."""
    shift = positions[members] - (indices @ vectors + offset)
    tree = cKDTree(positions[members])
    near = tree.query(positions, k=min(4, len(members)))[1]
    return np.asarray((positions - shift[near].mean(axis=1) - offset) @ np.linalg.inv(vectors))


def _phases(place: Floats, members: Integers, vectors: Floats, weights: Floats) -> Floats:
    """Return the places in the cell where columns gather, brightest sublattice first."""
    cell = place - np.floor(place)
    copies = np.concatenate(
        [cell + np.array([a, b]) for a in (-1, 0, 1) for b in (-1, 0, 1)]
    ) @ vectors  # fmt: skip
    tree = cKDTree(copies)
    length = float(min(np.hypot(*vectors[0]), np.hypot(*vectors[1])))
    radius = PHASE_RADIUS * length
    step = max(1, len(cell) // 4000)
    counts = np.asarray(tree.query_ball_point(cell[::step] @ vectors, radius, return_length=True))
    least = SMALLEST_SUBLATTICE * max(len(members), int(counts.max()))
    found: list[Floats] = []
    for k in np.argsort(-counts, kind="stable"):
        if counts[k] < least:
            break
        center = cell[::step][k] @ vectors
        if any(_cell_distance(center, other, vectors) < 2.2 * radius for other in found):
            continue
        for _ in range(3):
            center = copies[tree.query_ball_point(center, radius)].mean(axis=0)
        found.append(center)
    inverse = np.linalg.inv(vectors)
    phases = np.array(found).reshape(-1, 2) @ inverse
    if not len(phases):
        raise NotIdentified("no lattice: the columns gather at no place of the cell.")
    brightness = []
    for phase in phases:
        off = place - phase
        off = (off - np.round(off)) @ vectors
        near = np.hypot(*off.T) < 2 * radius
        brightness.append(float(np.median(weights[near])))
    order = np.argsort(-np.array(brightness), kind="stable")
    return np.asarray(phases[order], dtype=np.float64)


def _cell_distance(one: Floats, two: Floats, vectors: Floats) -> float:
    """Return the distance of two places of the cell, whole lattice vectors apart or not."""
    turns = (one - two) @ np.linalg.inv(vectors)
    return float(np.hypot(*((turns - np.round(turns)) @ vectors)))


def _occupy(
    place: Floats, phases: Floats, vectors: Floats, weights: Floats
) -> tuple[Integers, Integers, Integers]:
    """Return index, sublattice and number of the columns that take a site, one a site."""
    off = place[:, None, :] - phases
    index = np.round(off).astype(np.int64)
    distance = np.sqrt((((off - index) @ vectors) ** 2).sum(axis=2))
    best = distance.argmin(axis=1)
    rows = np.arange(len(place))
    spacing = site_spacing(vectors, phases)
    close = distance[rows, best] < 0.35 * spacing
    # of several columns at one site the brighter takes it, unless it stands much farther away
    order = np.argsort(distance[rows, best] / (0.35 * spacing) - weights / weights.max())
    order = order[close[order]]
    key = np.column_stack([index[rows, best], best])[order]
    _, first = np.unique(key, axis=0, return_index=True)
    kept = np.sort(order[first])
    return index[kept, best[kept]], best[kept].astype(np.int64), kept.astype(np.int64)


def lay_out_sites(
    positions: Floats, view: tuple[float, ...], lattice: tuple[Floats, Floats, Floats],
    occupied: tuple[Integers, Integers, Integers],
) -> SiteFrame:  # fmt: skip
    """Lay out all sites of a lattice (vectors, offset, phases); predict each from its neighbours.

    ``occupied`` = index, sublattice and column number of the sites whose columns are known.
    """
    vectors, offset, phases = lattice
    indices, sublattice, column = occupied
    ideal = (indices + phases[sublattice]) @ vectors + offset
    shift = positions[column] - ideal
    taken_key = {
        (a, b, c): k
        for k, (a, b, c) in enumerate(
            zip(indices[:, 0].tolist(), indices[:, 1].tolist(), sublattice.tolist(), strict=True)
        )
    }
    all_indices, all_sublattice = _layout(indices, phases, vectors, offset, view)
    all_ideal = (all_indices + phases[all_sublattice]) @ vectors + offset
    tree = cKDTree(ideal)
    length = float(min(np.hypot(*vectors[0]), np.hypot(*vectors[1])))
    # sites far from any column cannot be predicted, but between columns on all sides
    near = np.asarray(tree.query(all_ideal)[0]) < 1.5 * length
    near |= ~joined_to_outside(all_indices, all_indices[near], vectors)
    all_indices, all_sublattice, all_ideal = (
        all_indices[near], all_sublattice[near], all_ideal[near]
    )  # fmt: skip
    own = np.array(
        [
            taken_key.get((a, b, c), -1)
            for a, b, c in zip(
                all_indices[:, 0].tolist(),
                all_indices[:, 1].tolist(),
                all_sublattice.tolist(),
                strict=True,
            )
        ],
        dtype=np.int64,
    )
    longer = float(max(np.hypot(*vectors[0]), np.hypot(*vectors[1])))
    moved, leverage, known = _local_affine(all_ideal, own, ideal, shift, tree, (length, longer))
    predicted = all_ideal + moved
    inside = known & np.all(predicted >= np.array(view[:2]), axis=1)
    inside &= np.all(predicted <= np.array(view[2:]), axis=1)
    inside |= known & (own >= 0)
    covariance = _prediction_covariance(
        positions, predicted, np.where(own >= 0, column[own], -1), leverage, all_sublattice,
        len(phases), length,
    )  # fmt: skip
    atom = np.where(own >= 0, column[own], -1)
    off = np.setdiff1d(np.arange(len(positions)), column)
    return SiteFrame(
        vectors, offset, phases, all_indices[inside], all_sublattice[inside], predicted[inside],
        covariance[inside], atom[inside], off.astype(np.int64),
    )  # fmt: skip


def _layout(
    indices: Integers, phases: Floats, vectors: Floats, offset: Floats, view: tuple[float, ...]
) -> tuple[Integers, Integers]:
    """Return index and sublattice of all sites in the view, a cell beyond its edges."""
    low, high = np.array(view[:2]), np.array(view[2:])
    area = abs(float(np.linalg.det(vectors)))
    margin = float(np.hypot(*vectors).max()) + 0.1 * float(np.ptp([low, high], axis=0).max())
    if float(np.prod(high - low + 2 * margin)) / area > LARGEST_SITES:
        raise NotIdentified("no lattice: the cell found is too small for the picture.")
    corners = np.array([[x, y] for x in (low[0], high[0]) for y in (low[1], high[1])])
    bounds = (corners - offset) @ np.linalg.inv(vectors)
    first = np.minimum(indices.min(axis=0), np.floor(bounds.min(axis=0)).astype(np.int64)) - 1
    last = np.maximum(indices.max(axis=0), np.ceil(bounds.max(axis=0)).astype(np.int64)) + 2
    if int(np.prod(last - first)) > LARGEST_SITES:
        raise NotIdentified("no lattice: the indices of its sites run away.")
    grid = np.stack(
        np.meshgrid(np.arange(first[0], last[0]), np.arange(first[1], last[1]), indexing="ij"), -1
    ).reshape(-1, 2)
    n = len(phases)
    whole = np.repeat(grid, n, axis=0).astype(np.int64)
    part = np.tile(np.arange(n), len(grid)).astype(np.int64)
    place = (whole + phases[part]) @ vectors + offset
    near = np.all((place > low - margin) & (place < high + margin), axis=1)
    return whole[near], part[near]


def _local_affine(
    goals: Floats, own: Integers, ideal: Floats, shift: Floats, tree: cKDTree,
    lengths: tuple[float, float],
) -> tuple[Floats, Floats, NDArray[np.bool_]]:  # fmt: skip
    """Return displacement that the neighbours' affine fit gives each goal, leverage, and if known.

    ``lengths`` of the lattice vectors. Two robust rounds: a neighbour far from the others' fit
    loses its say.
    """
    length, longer = lengths
    count = min(NEIGHBOURS, len(ideal))
    distance, near = tree.query(goals, k=count)
    distance = np.asarray(distance).reshape(-1, count)
    near = np.asarray(near).reshape(-1, count)
    reach = np.maximum(1.05 * distance[:, -1], 1.2 * length)
    weight = np.clip(1.0 - (distance / reach[:, None]) ** 2, 0.0, None) ** 2
    weight[near == own[:, None]] = 0.0
    # no fit from one side only over many cells, but across a void
    far = distance > max(3.0 * length, 1.6 * longer)
    enough = ((weight > 0) & ~far).sum(axis=1) >= FEWEST_NEIGHBOURS
    weight[far & enough[:, None]] = 0.0
    known = (weight > 0).sum(axis=1) >= FEWEST_NEIGHBOURS
    arm = (ideal[near] - goals[:, None, :]) / length
    design = np.concatenate([np.ones((*near.shape, 1)), arm], axis=2)
    moved = shift[near]
    robust = np.ones_like(weight)
    ridge = np.diag([1e-9, 1e-3, 1e-3])
    for _ in range(3):
        mixed = weight * robust
        normal = np.einsum("nk,nka,nkb->nab", mixed, design, design) + ridge
        pull = np.einsum("nk,nka,nkd->nad", mixed, design, moved)
        solution = np.linalg.solve(normal, pull)
        rest = np.hypot(*np.moveaxis(moved - design @ solution, 2, 0))
        scale = np.maximum(_weighted_median(rest, weight), 1e-12 * length)
        robust = 1.0 / np.maximum(1.0, (rest / (3.0 * scale[:, None])) ** 2)
    inverse = np.linalg.inv(normal)
    influence = np.einsum("na,nka,nk->nk", inverse[:, 0], design, mixed)
    return solution[:, 0], (influence**2).sum(axis=1), known


def _weighted_median(values: Floats, weight: Floats) -> Floats:
    """Return the median over the last axis of those with weight above 0."""
    hidden = np.where(weight > 0, values, np.nan)
    hidden[~(weight > 0).any(axis=1)] = 0.0
    return np.asarray(np.nanmedian(hidden, axis=1))


def _prediction_covariance(
    positions: Floats, predicted: Floats, atom: Integers, leverage: Floats, sublattice: Integers,
    n_sublattices: int, length: float,
) -> Floats:  # fmt: skip
    """Return the covariance of each prediction, from how well known columns were predicted."""
    result = np.empty((len(predicted), 2, 2))
    for part in range(n_sublattices):
        here = sublattice == part
        seen = here & (atom >= 0)
        miss = (positions[atom[seen]] - predicted[seen]) / np.sqrt(1.0 + leverage[seen, None])
        if len(miss) < 4:
            miss = (positions[atom[atom >= 0]] - predicted[atom >= 0]) / np.sqrt(
                1.0 + leverage[atom >= 0, None]
            )
        spread = ROBUST * np.median(np.abs(miss - np.median(miss, axis=0)), axis=0)
        spread = np.maximum(spread, 1e-3 * length)
        one = np.array([[spread[0] ** 2, 0.0], [0.0, spread[1] ** 2]])
        result[here] = one * (1.0 + leverage[here, None, None])
    return result
