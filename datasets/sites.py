"""Which lattice the columns stand on, and what stands on each of its sites."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.special import logsumexp

from physlearn.checks import InputError, NotIdentified, check_choice
from physlearn.datasets.species import classify_species
from physlearn.lattice_models import site_graph_from_positions
from physlearn.records import AtomicConfiguration, LatticeSnapshots

__all__ = ["assign_sites"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
LATTICES = ("auto", "square", "triangular")
FEWEST_ATOMS = 16
TOLERANCE = 0.22
"""How far a neighbour may stand from where a lattice vector points, as a share of its length."""
SMALLEST_SUPPORT = 0.5
SMALLEST_SHARE_ON_LATTICE = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class _Sublattice:
    """Atoms that lattice vectors connect: their numbers and their integer coordinates."""

    members: Integers
    indices: Integers


@dataclass(frozen=True, slots=True, eq=False)
class _Lattice:
    """Name, measured vectors (rows), undistorted vectors of equal cell area, place of (0, 0)."""

    kind: str
    vectors: Floats
    ideal: Floats
    offset: Floats


def assign_sites(
    atoms: AtomicConfiguration, *, lattice: str = "auto", n_shells: int = 2
) -> LatticeSnapshots:
    """Find the lattice of the columns and say what stands on each site.

    A lattice vector is a difference of positions that leads from (nearly) every bright column to
    another column; the two shortest span the lattice. Columns that steps along them connect form a
    sublattice. Of several sublattices the brightest is taken (the metal of a sulphide), unless all
    are equally bright and stand closer to each other than to themselves (a honeycomb), which is
    taken whole.

    Parameters
    ----------
    atoms
        Classified columns (``classify_species``).
    lattice
        ``square``, ``triangular`` (refused when the columns show another) or ``auto``.
    n_shells
        Shells of neighbours of the site graph; bounds lie midway between the ideal shells.

    Returns
    -------
    LatticeSnapshots
        One snapshot; state +1 is the brighter species, -1 the dimmer one, with
        ``label_log_likelihood``; all -1 with a warning when there is one species. ``graph.positions`` are the measured positions. Vacant sites leave
        the graph. ``metadata`` holds lattice, vectors, spacing with its standard error, counts of
        vacancies and of columns left out.

    Raises
    ------
    NotIdentified
        When there is no lattice, or not the one asked for.
    InputError
        For atoms that are not classified, or fewer than 16.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x, y = np.meshgrid(np.arange(10.0), np.arange(10.0))
    >>> states = rng.integers(0, 2, 100)
    >>> atoms = AtomicConfiguration(
    ...     12 * np.stack([x.ravel(), y.ravel()], 1) + rng.normal(0, 0.2, (100, 2)),
    ...     species=states, species_names=("dim", "bright"), intensity=1.0 + states)
    >>> snapshots = assign_sites(atoms)
    >>> snapshots.metadata["lattice"], int((snapshots.states == 1).sum()) == int(states.sum())
    ('square', True)
    """
    check_choice("lattice", lattice, LATTICES)
    if isinstance(n_shells, bool) or not isinstance(n_shells, int) or not 1 <= n_shells <= 6:
        raise InputError(f"n_shells must be 1 to 6; got {n_shells!r}.")
    if atoms.species is None:
        raise InputError("atoms must be classified first: give what classify_species returns.")
    if atoms.dimension != 2:
        raise InputError("atoms must have positions in the plane, shape (n, 2).")
    if atoms.n < FEWEST_ATOMS:
        raise NotIdentified(f"{atoms.n} columns are too few to show a lattice.")
    weights = np.ones(atoms.n) if atoms.intensity is None else np.maximum(atoms.intensity, 0.0)
    vectors = _reduced(_lattice_vectors(atoms.positions, weights))
    warnings: list[str] = []
    sublattices = _sublattices(atoms.positions, vectors)
    chosen = _choose(atoms, weights, sublattices, vectors, warnings)
    share = len(chosen.members) / atoms.n
    if len(sublattices) == 1 and share < SMALLEST_SHARE_ON_LATTICE:
        raise NotIdentified(f"only {share:.0%} of the columns stand on one lattice.")
    chosen, vectors, offset = _refine(atoms.positions, chosen, vectors, weights)
    chosen = _whole(atoms, chosen, warnings)
    kind, ideal_vectors = _kind(vectors)
    if lattice not in ("auto", kind):
        raise NotIdentified(f"the columns show a {kind} lattice, not a {lattice} one.")
    lattice_fit = _Lattice(kind, vectors, ideal_vectors, offset)
    return _snapshots(atoms, chosen, lattice_fit, n_shells, warnings)


def _lattice_vectors(positions: Floats, weights: Floats) -> Floats:
    """Return the two shortest translations (rows) that carry columns onto columns."""
    tree = cKDTree(positions)
    nearest = np.median(tree.query(positions, k=2)[0][:, 1])
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
    support = np.array([_support(positions, weights, tree, v) for v in candidates])
    good = support > max(SMALLEST_SUPPORT, 0.8 * support.max())
    kept = candidates[good]
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
    step = max(1, len(differences) // 20_000)
    points = differences[::step]
    tree = cKDTree(points)
    counts = np.array([len(near) for near in tree.query_ball_point(points, radius)])
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
    """Return the share of columns (by brightness) that ``vector`` carries onto a column."""
    low, high = positions.min(axis=0), positions.max(axis=0)
    moved = positions + vector
    inside = np.all((moved >= low) & (moved <= high), axis=1)
    if inside.sum() < 8:
        return 0.0
    distance, _ = tree.query(moved[inside])
    hit = distance < TOLERANCE * np.hypot(*vector)
    return float(weights[inside][hit].sum() / weights[inside].sum())


def _sublattices(positions: Floats, vectors: Floats) -> list[_Sublattice]:
    """Walk from column to column along lattice vectors; return the connected sets, largest first."""
    tree = cKDTree(positions)
    steps = [np.array(step) for step in product((-1, 0, 1), repeat=2) if step != (0, 0)]
    length = min(np.hypot(*vectors[0]), np.hypot(*vectors[1]))
    steps = [step for step in steps if np.hypot(*(step @ vectors)) < 1.25 * length]
    label = np.full(len(positions), -1)
    indices = np.zeros((len(positions), 2), dtype=np.int64)
    found = []
    for seed in range(len(positions)):
        if label[seed] >= 0:
            continue
        number = len(found)
        label[seed] = number
        queue = deque([seed])
        members = [seed]
        taken = {(0, 0)}
        while queue:
            here = queue.popleft()
            for step in steps:
                goal = positions[here] + step @ vectors
                distance, there = tree.query(goal, distance_upper_bound=TOLERANCE * length)
                index = tuple(int(i) for i in indices[here] + step)
                if not np.isfinite(distance) or label[there] >= 0 or index in taken:
                    continue
                label[there] = number
                indices[there] = index
                taken.add(index)
                members.append(int(there))
                queue.append(int(there))
        kept = np.array(members)
        found.append(_Sublattice(kept, indices[kept].copy()))
    return sorted(found, key=lambda part: -len(part.members))


def _choose(
    atoms: AtomicConfiguration,
    weights: Floats,
    parts: list[_Sublattice],
    vectors: Floats,
    warnings: list[str],
) -> _Sublattice:
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


def _reduced(vectors: Floats) -> Floats:
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


def _kind(vectors: Floats) -> tuple[str, Floats]:
    """Return the lattice's name and its undistorted vectors of equal cell area.

    Scan distortion shears a picture by some percent: the lattice is triangular when the third
    shortest vector is nearer to the first two (ratio 1) than to a square's diagonal (1.41).
    """
    one, two = vectors
    area = abs(one[0] * two[1] - one[1] * two[0])
    mean = 0.5 * (np.hypot(*one) + np.hypot(*two))
    if np.hypot(*two) > 1.2 * np.hypot(*one):
        return "rectangular" if one @ two < 0.17 * mean**2 else "oblique", vectors
    if np.hypot(*(one - two)) < 1.2 * mean:
        constant = np.sqrt(2.0 * area / np.sqrt(3.0))
        return "triangular", constant * np.array([[1.0, 0.0], [0.5, np.sqrt(0.75)]])
    return "square", np.sqrt(area) * np.eye(2)


def _affine(indices: Integers, positions: Floats) -> tuple[Floats, Floats]:
    """Return vectors and offset of the least-squares lattice."""
    design = np.concatenate([indices, np.ones((len(indices), 1))], axis=1)
    solution = np.linalg.lstsq(design.astype(np.float64), positions, rcond=None)[0]
    return solution[:2], solution[2]


def _local_goal(
    index: Integers, vectors: Floats, indices: Integers, positions: Floats, tree: cKDTree
) -> Floats:
    """Return where a site should stand, from the nearest known sites' own displacement."""
    near = tree.query(index, k=min(6, len(indices)))[1]
    return np.asarray((positions[near] + (index - indices[near]) @ vectors).mean(axis=0))


def _refine(
    positions: Floats, part: _Sublattice, vectors: Floats, weights: Floats
) -> tuple[_Sublattice, Floats, Floats]:
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
            goal = _local_goal(index, vectors, indices, positions[members], known)
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
    return _Sublattice(members[order], indices[order]), vectors, offset


def _whole(
    atoms: AtomicConfiguration, part: _Sublattice, warnings: list[str]
) -> _Sublattice:
    """Leave out columns that the picture's edge cuts: their brightness cannot be measured."""
    view = atoms.field_of_view
    if view is None or atoms.width is None:
        return part
    points, margin = atoms.positions[part.members], 0.5 * atoms.width[part.members, None]
    inside = np.all((points >= np.array(view[:2]) + margin), axis=1)
    inside &= np.all((points <= np.array(view[2:]) - margin), axis=1)
    if inside.all():
        return part
    warnings.append(
        f"{int((~inside).sum())} column(s) within half a width of the picture's edge are no sites: "
        "the edge cuts them."
    )
    return _Sublattice(part.members[inside], part.indices[inside])


def _empty_sites(
    part: _Sublattice, vectors: Floats, positions: Floats, atoms: AtomicConfiguration
) -> int:
    """Return how many sites inside the lattice's outline hold no column."""
    taken = {tuple(index) for index in part.indices.tolist()}
    low, high = part.indices.min(axis=0), part.indices.max(axis=0)
    tree = cKDTree(part.indices)
    length = min(np.hypot(*vectors[0]), np.hypot(*vectors[1]))
    view = atoms.field_of_view
    if view is None:
        view = (*atoms.positions.min(axis=0), *atoms.positions.max(axis=0))
    count = 0
    for index in product(range(low[0], high[0] + 1), range(low[1], high[1] + 1)):
        if index in taken:
            continue
        site = np.array(index)
        goal = _local_goal(site, vectors, part.indices, positions, tree)
        inside = np.all(goal > np.array(view[:2]) + 0.3 * length) and np.all(
            goal < np.array(view[2:]) - 0.3 * length
        )
        around = len(tree.query_ball_point(site, 1.01))
        count += int(inside and around >= 3)
    return count


def _two_states(
    atoms: AtomicConfiguration, warnings: list[str]
) -> tuple[NDArray[np.int8], Floats | None, tuple[str, str]]:
    """Return states -1 and +1, their log-likelihoods and names, of columns on one lattice."""
    assert atoms.species is not None  # noqa: S101 -- assign_sites has checked it
    labels = atoms.species_log_likelihood
    counts = np.bincount(atoms.species, minlength=1 if labels is None else labels.shape[1])
    n = len(counts)
    level = [
        float(np.mean(atoms.intensity[atoms.species == k]))
        if atoms.intensity is not None and counts[k] else float(k)
        for k in range(n)
    ]  # fmt: skip
    present = [k for k in range(n) if counts[k]]
    if len(present) < 2:
        warnings.append(
            "the sites show one species only: every state is -1 and there is no pattern to explain."
        )
        only = atoms.species_names[present[0]] if atoms.species_names else "column"
        return np.full(atoms.n, -1, dtype=np.int8), None, (only, "none seen")
    ordered = sorted(present, key=lambda k: level[k])
    gaps = [np.log(level[b] / max(level[a], 1e-300)) if level[a] > 0 else level[b] - level[a]
            for a, b in zip(ordered, ordered[1:], strict=False)]  # fmt: skip
    cut = int(np.argmax(gaps)) + 1
    groups = (ordered[:cut], ordered[cut:])
    names = tuple(
        " + ".join(atoms.species_names[k] if atoms.species_names else f"species {k}" for k in group)
        for group in groups
    )
    if len(ordered) > 2:
        warnings.append(
            f"{len(ordered)} species on the sites were merged into two at the widest gap in "
            f"intensity: -1 is {names[0]}, +1 is {names[1]}."
        )
    states = np.where(np.isin(atoms.species, groups[1]), 1, -1).astype(np.int8)
    if labels is None:
        return states, None, (names[0], names[1])
    merged = []
    for group in groups:
        share = np.log(counts[group] / counts[group].sum())
        merged.append(logsumexp(labels[:, group] + share, axis=1))
    log_likelihood = np.stack(merged, axis=1)
    decided = np.where(log_likelihood[:, 1] > log_likelihood[:, 0], 1, -1).astype(np.int8)
    return decided, log_likelihood, (names[0], names[1])


def _snapshots(
    atoms: AtomicConfiguration,
    part: _Sublattice,
    lattice: _Lattice,
    n_shells: int,
    warnings: list[str],
) -> LatticeSnapshots:
    """Return the record of the chosen sublattice."""
    vectors = lattice.vectors
    sites = _subset(atoms, part.members)
    if len(part.members) < atoms.n and atoms.metadata.get("species_chosen") == "auto":
        sites = classify_species(sites)
        warnings.append(
            "species were told apart anew on the chosen sublattice alone: the other columns would "
            "distort the mixture."
        )
    n_classes = 0 if sites.species is None else len(np.unique(sites.species))
    if n_classes > 2 and atoms.metadata.get("species_chosen") == "auto":
        sites = classify_species(sites, 2)
        warnings.append(
            f"{n_classes} intensity classes on the sites were merged into two by the likeliest "
            "mixture of two: -1 is the dimmer."
        )
    states, labels, names = _two_states(sites, warnings)
    graph = site_graph_from_positions(
        part.indices @ lattice.ideal, _shell_bounds(lattice.ideal, n_shells), unit=atoms.unit
    )
    graph = replace(graph, positions=sites.positions)
    lengths = np.hypot(*vectors.T)
    vacant = _empty_sites(part, vectors, sites.positions, atoms)
    bond, bond_sd = _spacing(graph.edges[graph.shell == 0], sites.positions)
    third = float(np.hypot(*(vectors[0] - vectors[1])))
    metadata = {
        "source": str(atoms.metadata.get("source", "")), "lattice": lattice.kind,
        "lattice_constant": float(np.hypot(*lattice.ideal[0])), "mean_bond": bond,
        "mean_bond_standard_error": bond_sd,
        "vector_1_x": float(vectors[0, 0]), "vector_1_y": float(vectors[0, 1]),
        "vector_2_x": float(vectors[1, 0]), "vector_2_y": float(vectors[1, 1]),
        "offset_x": float(lattice.offset[0]), "offset_y": float(lattice.offset[1]),
        "n_vacant_sites": vacant, "n_columns_off_lattice": int(atoms.n - len(part.members)),
        "vector_length_ratio": float(max(lengths) / min(lengths)),
    }  # fmt: skip
    distortion = _distortion(lattice, third)
    if distortion > 0.04:
        warnings.append(
            f"the lattice is distorted by {distortion:.0%} (unequal neighbour distances): scan drift "
            "or strain; the lattice constant is that of the mean cell area."
        )
    if vacant:
        warnings.append(f"{vacant} site(s) inside the lattice hold no column and left the graph.")
    return LatticeSnapshots(
        states[None],
        graph,
        label_log_likelihood=None if labels is None else labels[None],
        state_names=names,
        metadata=metadata,
        warnings=tuple(dict.fromkeys((*atoms.warnings, *warnings))),
    )


def _subset(atoms: AtomicConfiguration, members: Integers) -> AtomicConfiguration:
    """Return some of the atoms."""
    picked = {
        name: getattr(atoms, name)[members]
        for name in (
            "positions", "species", "position_covariance", "width", "intensity", "intensity_sd",
            "species_log_likelihood", "detection_probability",
        )
        if getattr(atoms, name) is not None
    }  # fmt: skip
    return atoms.with_changes(**picked, covariance=None)


def _shell_bounds(vectors: Floats, n_shells: int) -> list[float]:
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


def _distortion(lattice: _Lattice, third: float) -> float:
    """Return the largest relative difference of distances that are equal in the ideal lattice."""
    lengths = list(np.hypot(*lattice.vectors.T))
    if lattice.kind == "triangular":
        lengths.append(third)
    elif lattice.kind == "square":
        other = float(np.hypot(*lattice.vectors.sum(axis=0)))
        return float(max(max(lengths) / min(lengths), max(third, other) / min(third, other)) - 1)
    else:
        return 0.0
    return float(max(lengths) / min(lengths) - 1)


def _spacing(bonds: Integers, positions: Floats) -> tuple[float, float]:
    """Return the mean nearest-neighbour distance and its standard error over bonds."""
    if len(bonds) < 2:
        return float("nan"), float("nan")
    lengths = np.hypot(*(positions[bonds[:, 0]] - positions[bonds[:, 1]]).T)
    return float(lengths.mean()), float(lengths.std(ddof=1) / np.sqrt(len(lengths)))
