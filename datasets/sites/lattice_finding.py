"""The lattice that columns stand on: translations, sublattices, index of each column."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from physlearn.checks import NotIdentified
from physlearn.records import AtomicConfiguration

__all__ = [
    "Lattice",
    "Sublattice",
    "choose_sublattice",
    "find_sublattices",
    "lattice_distortion",
    "lattice_kind",
    "lattice_stretch",
    "lattice_vectors",
    "local_goal",
    "reduced_vectors",
    "refine_sublattice",
    "shell_bounds",
]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
FEWEST_ATOMS = 16
TOLERANCE = 0.22
"""How far a neighbour may stand from where a lattice vector points, as a share of its length."""
SMALLEST_SUPPORT = 0.5
BEYOND_CHANCE = 4.0
"""Standard errors by which a translation must carry more columns than it would of columns strewn
at random: those give up to 3.3 over 60 translations, 17 columns of a lattice give 9."""
IDEAL = {"square": np.eye(2), "triangular": np.array([[1.0, 0.0], [0.5, np.sqrt(0.75)]])}
LARGEST_DISTORTION = {"square": 0.1, "triangular": 0.25}
LARGEST_SHEAR, EQUAL_LENGTHS = 0.25, 1.05
"""Largest stretch along one direction of a square or triangular lattice; that of a declared lattice
or of a square whose lengths differ by less than 5 % (what a rectangular cell's do not)."""
LARGEST_COSINE = 0.05
"""A cell is rectangular when its angle is right within 3 degrees."""


@dataclass(frozen=True, slots=True, eq=False)
class Sublattice:
    """Atoms that lattice vectors connect: their numbers and their integer coordinates."""

    members: Integers
    indices: Integers


@dataclass(frozen=True, slots=True, eq=False)
class Lattice:
    """Name, measured vectors (rows), undistorted vectors of equal cell area, place of (0, 0)."""

    kind: str
    vectors: Floats
    ideal: Floats
    offset: Floats


def lattice_vectors(positions: Floats, weights: Floats) -> Floats:
    """Return the two shortest translations (rows) that carry columns onto columns."""
    tree = cKDTree(positions)
    nearest = float(np.median(np.asarray(tree.query(positions, k=2)[0])[:, 1]))
    bright = weights >= np.quantile(weights, 0.5)
    pairs = tree.query_ball_point(positions[bright], 4.2 * nearest)
    sources = np.flatnonzero(bright)
    differences = np.concatenate(
        [positions[near] - positions[i] for i, near in zip(sources, pairs, strict=True)]
    )
    differences = differences[np.hypot(*differences.T) > 0.5 * nearest]
    differences = differences[
        (differences[:, 1] > 1e-9) | ((np.abs(differences[:, 1]) <= 1e-9) & (differences[:, 0] > 0))
    ]
    if len(differences) < 20:
        raise NotIdentified("the columns stand too far apart to show a lattice.")
    candidates = _clusters(differences, 0.12 * nearest)
    if not len(candidates):
        raise NotIdentified("no lattice: no distance between columns comes often enough.")
    support = np.array([_support(positions, weights, tree, v) for v in candidates])
    good = support > max(SMALLEST_SUPPORT, 0.8 * support.max())
    kept = candidates[good]
    if len(kept) and _beyond_chance(positions, weights, kept, support[good]).max() < BEYOND_CHANCE:
        raise NotIdentified(
            "no lattice: translations carry no more columns onto another than they would of "
            "columns strewn at random."
        )
    if len(kept) < 2:
        raise NotIdentified(
            "no lattice: the best translation carries only "
            f"{support.max():.0%} of the columns onto another."
        )
    order = np.argsort(np.hypot(*kept.T))
    first = kept[order[0]]
    for k in order[1:]:
        sine = abs(first[0] * kept[k][1] - first[1] * kept[k][0])
        if sine > 0.4 * np.hypot(*first) * np.hypot(*kept[k]):
            return np.array([first, kept[k]])
    raise NotIdentified("no lattice: the columns repeat along one direction only.")


def _clusters(differences: Floats, radius: float) -> Floats:
    """Return the centres of clusters of difference vectors, densest first."""
    points = differences[:: max(1, len(differences) // 5_000)]
    tree = cKDTree(points)
    counts = np.asarray(tree.query_ball_point(points, radius, return_length=True))
    centers: list[Floats] = []
    free = np.ones(len(points), dtype=np.bool_)
    for k in np.argsort(-counts, kind="stable"):
        if not free[k] or counts[k] < max(4, 0.1 * counts.max()):
            continue
        near = tree.query_ball_point(points[k], radius)
        center = points[near].mean(axis=0)
        centers.append(points[tree.query_ball_point(center, radius)].mean(axis=0))
        free[tree.query_ball_point(center, 3 * radius)] = False
        if len(centers) >= 60:
            break
    return np.array(centers).reshape(-1, 2)


def _support(positions: Floats, weights: Floats, tree: cKDTree, vector: Floats) -> float:
    """Return the share of columns (by brightness) that ``vector`` carries onto a column.

    Forth and back, the smaller: from bright to dim columns leads one way only.
    """
    low, high = positions.min(axis=0), positions.max(axis=0)
    shares = []
    for step in (vector, -vector):
        moved = positions + step
        inside = np.all((moved >= low) & (moved <= high), axis=1)
        if inside.sum() < 8:
            return 0.0
        distance, _ = tree.query(moved[inside])
        hit = distance < TOLERANCE * np.hypot(*vector)
        shares.append(float(weights[inside][hit].sum() / weights[inside].sum()))
    return min(shares)


def _beyond_chance(positions: Floats, weights: Floats, vectors: Floats, support: Floats) -> Floats:
    """Return the standard errors by which support exceeds that of columns strewn at random."""
    sides = np.ptp(positions, axis=0)
    if not sides.all():
        return np.full(len(vectors), np.inf)
    reach = np.pi * (TOLERANCE * np.hypot(*vectors.T)) ** 2
    # no column within the tolerance, of as many over the same area
    chance = 1.0 - np.exp(-len(positions) / np.prod(sides) * reach)
    count = weights.sum() ** 2 / (weights**2).sum()
    return np.asarray((support - chance) / np.sqrt(chance * (1.0 - chance) / count))


def find_sublattices(positions: Floats, vectors: Floats) -> list[Sublattice]:
    """Walk along lattice vectors; return the connected sets of columns, largest first."""
    tree = cKDTree(positions)
    steps = [np.array(step) for step in product((-1, 0, 1), repeat=2) if step != (0, 0)]
    length = min(np.hypot(*vectors[0]), np.hypot(*vectors[1]))
    # both vectors, however unlike their lengths, and what else is as short (a triangle's third)
    steps = [
        step for step in steps
        if 0 in step or np.hypot(*(step @ vectors)) < 1.25 * length
    ]  # fmt: skip
    goals = positions[:, None, :] + np.array([step @ vectors for step in steps])
    distance, reached = tree.query(goals, distance_upper_bound=TOLERANCE * length)
    targets = np.where(np.isfinite(distance), reached, -1).tolist()
    moves = [(int(step[0]), int(step[1])) for step in steps]
    free = [True] * len(positions)
    found = []
    for seed in range(len(positions)):
        if not free[seed]:
            continue
        free[seed] = False
        queue = deque([(seed, 0, 0)])
        members = [(seed, 0, 0)]
        taken = {(0, 0)}
        while queue:
            here, a, b = queue.popleft()
            for there, (da, db) in zip(targets[here], moves, strict=True):
                index = (a + da, b + db)
                if there < 0 or not free[there] or index in taken:
                    continue
                free[there] = False
                taken.add(index)
                members.append((there, *index))
                queue.append((there, *index))
        table = np.array(members, dtype=np.int64)
        found.append(Sublattice(table[:, 0], table[:, 1:]))
    return sorted(found, key=lambda part: -len(part.members))


def choose_sublattice(
    atoms: AtomicConfiguration,
    weights: Floats,
    parts: list[Sublattice],
    vectors: Floats,
    warnings: list[str],
) -> Sublattice:
    """Return the brightest of the large sublattices and say which was left out."""
    large = [p for p in parts if len(p.members) >= max(FEWEST_ATOMS, 0.15 * len(parts[0].members))]
    # fragments of one sublattice share a phase; only different phases are different sublattices
    if not large:
        raise NotIdentified("no lattice: no set of columns hangs together along lattice vectors.")
    brightness = [float(np.median(weights[p.members])) for p in large]
    best = int(np.argmax(brightness))
    largest = max(len(p.members) for p in large)
    near = [
        k for k in range(len(large))
        if brightness[k] > 0.75 * brightness[best] and len(large[k].members) > 0.5 * largest
    ]  # fmt: skip
    best = max(near or [best], key=lambda k: len(large[k].members))
    anchor = large[best]
    others = []
    for k, part in enumerate(large):
        if k == best:
            continue
        tree = cKDTree(atoms.positions[anchor.members])
        distance, _ = tree.query(atoms.positions[part.members])
        spacing = float(np.hypot(*vectors[0]))
        if np.median(distance) < 0.8 * spacing:
            others.append(k)
    if others:
        warnings.append(
            f"{len(others) + 1} sublattices of {len(anchor.members)} and "
            f"{', '.join(str(len(large[k].members)) for k in others)} columns: the brighter one, "
            "or the fuller of equals, is the site lattice; the rest are not sites."
        )
    return anchor


def reduced_vectors(vectors: Floats) -> Floats:
    """Return the shortest basis of the same lattice, at an acute angle (Gauss reduction)."""
    one, two = vectors
    while True:
        if np.hypot(*two) < np.hypot(*one):
            one, two = two, one
        turns = np.round(one @ two / (one @ one))
        if turns == 0:
            break
        two = two - turns * one
    return np.array([one, two if one @ two >= 0 else -two])


def lattice_kind(vectors: Floats, declared: str | None = None) -> tuple[str, Floats]:
    """Return the lattice's name and its undistorted vectors of equal cell area.

    Drift stretches real pictures of triangular crystals by up to 19 %; cells near the triangular
    one are rare, rectangular ones near the square are not. The nearer of the two is taken up to its
    ``LARGEST_DISTORTION``, the square beyond it only where its lengths agree or where it is
    ``declared``. A turned crystal has the same name.
    """
    one, two = reduced_vectors(vectors)
    first, second = np.hypot(*one), np.hypot(*two)
    area = abs(float(np.linalg.det(vectors)))
    near = min(IDEAL, key=lambda kind: lattice_distortion(vectors, kind))
    limit = LARGEST_DISTORTION[near]
    if near == declared or (near == "square" and second < EQUAL_LENGTHS * first):
        limit = LARGEST_SHEAR
    if lattice_distortion(vectors, near) < limit:
        shape = IDEAL[near]
        return near, shape * np.sqrt(area / abs(np.linalg.det(shape)))
    return "rectangular" if one @ two < LARGEST_COSINE * first * second else "oblique", vectors


def lattice_distortion(vectors: Floats, kind: str) -> float:
    """Return the stretch from the ideal lattice, longest direction over shortest, minus 1.

    Turns do not change it; 0 for a rectangular or oblique lattice.
    """
    return lattice_stretch(vectors, kind)[0]


def lattice_stretch(vectors: Floats, kind: str) -> tuple[float, float]:
    """Return `lattice_distortion` and the longest direction, in degrees from +x towards +y, 0-180.

    NaN for the direction where there is no ideal lattice to compare with.
    """
    if kind not in IDEAL:
        return 0.0, float("nan")
    one, two = reduced_vectors(vectors)
    # either order of the vectors, either hand
    stretches = [
        np.linalg.svd(np.linalg.solve(IDEAL[kind], basis))
        for basis in (np.array([one, two]), np.array([two, one]))
    ]
    _, values, axes = min(stretches, key=lambda one: one.S[0] / one.S[1])
    return float(values[0] / values[1] - 1.0), float(np.degrees(np.arctan2(*axes[0, ::-1])) % 180)


def _affine(indices: Integers, positions: Floats) -> tuple[Floats, Floats]:
    """Return vectors and offset of the least-squares lattice."""
    design = np.concatenate([indices, np.ones((len(indices), 1))], axis=1)
    solution = np.linalg.lstsq(design.astype(np.float64), positions, rcond=None)[0]
    vectors: Floats = np.asarray(solution[:2], dtype=np.float64)
    return vectors, np.asarray(solution[2], dtype=np.float64)


def local_goal(
    index: Integers, vectors: Floats, indices: Integers, positions: Floats, tree: cKDTree
) -> Floats:
    """Return where a site should stand, from the nearest known sites' own displacement."""
    near = tree.query(index, k=min(6, len(indices)))[1]
    return np.asarray((positions[near] + (index - indices[near]) @ vectors).mean(axis=0))


def refine_sublattice(
    positions: Floats, part: Sublattice, vectors: Floats, weights: Floats
) -> tuple[Sublattice, Floats, Floats]:
    """Fit the lattice, then give free columns that stand on empty sites their place."""
    members, indices = part.members, part.indices
    vectors, offset = _affine(indices, positions[members])
    length = min(np.hypot(*vectors[0]), np.hypot(*vectors[1]))
    typical = float(np.median(weights[members]))
    for _ in range(3):
        known = cKDTree(indices)
        taken = {tuple(index) for index in indices.tolist()}
        free = np.setdiff1d(np.arange(len(positions)), members)
        new_members, new_indices = [], []
        inverse = np.linalg.inv(vectors)
        for k in free[np.argsort(-weights[free])]:
            guess = (positions[k] - offset) @ inverse
            near = known.query(guess, k=1)[1]
            shift = positions[members[near]] - (indices[near] @ vectors + offset)
            index = np.round((positions[k] - shift - offset) @ inverse).astype(np.int64)
            key = (int(index[0]), int(index[1]))
            goal = local_goal(index, vectors, indices, positions[members], known)
            close = np.hypot(*(positions[k] - goal)) < TOLERANCE * length
            if close and key not in taken and weights[k] > 0.25 * typical:
                taken.add(key)
                new_members.append(int(k))
                new_indices.append(index)
        if not new_members:
            break
        members = np.concatenate([members, new_members]).astype(np.int64)
        indices = np.concatenate([indices, new_indices]).astype(np.int64)
    vectors, offset = _affine(indices, positions[members])
    order = np.lexsort((indices[:, 0], indices[:, 1]))
    return Sublattice(members[order], indices[order]), vectors, offset


def shell_bounds(vectors: Floats, n_shells: int) -> list[float]:
    """Return bounds midway between the lengths of the ideal shells; shells within 10 % are one."""
    reach = range(-n_shells - 2, n_shells + 3)
    lengths = sorted(
        float(np.hypot(*(np.array(step) @ vectors)))
        for step in product(reach, reach) if step != (0, 0)
    )  # fmt: skip
    shells = [[lengths[0]]]
    for length in lengths[1:]:
        if length < 1.1 * shells[-1][0]:
            shells[-1].append(length)
        else:
            shells.append([length])
    return [0.5 * (shells[k][-1] + shells[k + 1][0]) for k in range(n_shells)]
