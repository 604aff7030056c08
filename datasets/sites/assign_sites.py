"""Which lattice the columns stand on, and what stands on each of its sites."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise, product

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.special import logsumexp

from physlearn.checks import InputError, NotIdentified, check_choice
from physlearn.datasets.sites.clumped_states import clump_warning
from physlearn.datasets.sites.lattice_finding import (
    FEWEST_ATOMS,
    Lattice,
    Sublattice,
    choose_sublattice,
    find_sublattices,
    lattice_distortion,
    lattice_kind,
    lattice_vectors,
    local_goal,
    reduced_vectors,
    refine_sublattice,
    shell_bounds,
)
from physlearn.datasets.sites.species import classify_species
from physlearn.lattice_models import site_graph_from_positions
from physlearn.records import AtomicConfiguration, LatticeSnapshots

__all__ = ["assign_sites"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
LATTICES = ("auto", "square", "triangular")
SMALLEST_SHARE_ON_LATTICE = 0.5


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
        ``label_log_likelihood``; all -1 with a warning when there is one species.
        ``graph.positions`` are the measured positions. Vacant sites leave the graph. ``metadata``
        holds lattice, its vectors and constant (from the mean cell area), mean bond with standard
        error, counts of vacancies and of columns left out.

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
    vectors = reduced_vectors(lattice_vectors(atoms.positions, weights))
    warnings: list[str] = []
    sublattices = find_sublattices(atoms.positions, vectors)
    chosen = choose_sublattice(atoms, weights, sublattices, vectors, warnings)
    share = len(chosen.members) / atoms.n
    if len(sublattices) == 1 and share < SMALLEST_SHARE_ON_LATTICE:
        raise NotIdentified(f"only {share:.0%} of the columns stand on one lattice.")
    chosen, vectors, offset = refine_sublattice(atoms.positions, chosen, vectors, weights)
    chosen = _whole(atoms, chosen, warnings)
    kind, ideal_vectors = lattice_kind(vectors, lattice)
    if lattice not in ("auto", kind):
        raise NotIdentified(f"the columns show a {kind} lattice, not a {lattice} one.")
    lattice_fit = Lattice(kind, vectors, ideal_vectors, offset)
    return _snapshots(atoms, chosen, lattice_fit, n_shells, warnings)


def _whole(atoms: AtomicConfiguration, part: Sublattice, warnings: list[str]) -> Sublattice:
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
    return Sublattice(part.members[inside], part.indices[inside])


def _empty_sites(
    part: Sublattice, vectors: Floats, positions: Floats, atoms: AtomicConfiguration
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
        goal = local_goal(site, vectors, part.indices, positions, tree)
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
            for a, b in pairwise(ordered)]  # fmt: skip
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
    part: Sublattice,
    lattice: Lattice,
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
        part.indices @ lattice.ideal, shell_bounds(lattice.ideal, n_shells), unit=atoms.unit
    )
    graph = replace(graph, positions=sites.positions)
    lengths = np.hypot(*vectors.T)
    vacant = _empty_sites(part, vectors, sites.positions, atoms)
    bond, bond_sd = _spacing(graph.edges[graph.shell == 0], sites.positions)
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
    clumped = clump_warning(states, names, graph)
    warnings += _remarks(vectors, lattice.kind, vacant) + ([clumped] if clumped else [])
    return LatticeSnapshots(
        states[None],
        graph,
        label_log_likelihood=None if labels is None else labels[None],
        state_names=names,
        metadata=metadata,
        warnings=tuple(dict.fromkeys((*atoms.warnings, *warnings))),
    )


def _remarks(vectors: Floats, kind: str, vacant: int) -> list[str]:
    """Return what a reader must know of the lattice and of sites that are not in the graph."""
    said = []
    distortion = lattice_distortion(vectors, kind)
    if distortion > 0.04:
        said.append(
            f"the lattice is distorted by {distortion:.0%} (longest over shortest axis): scan "
            "drift or strain; the lattice constant is that of the mean cell area."
        )
    if vacant:
        said.append(
            f"{vacant} site(s) inside the lattice hold no column that stands out of the noise "
            "(vacant, or dim and missed) and left the graph."
        )
    return said


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


def _spacing(bonds: Integers, positions: Floats) -> tuple[float, float]:
    """Return the mean nearest-neighbour distance and its standard error over bonds."""
    if len(bonds) < 2:
        return float("nan"), float("nan")
    lengths = np.hypot(*(positions[bonds[:, 0]] - positions[bonds[:, 1]]).T)
    return float(lengths.mean()), float(lengths.std(ddof=1) / np.sqrt(len(lengths)))
