"""Composition, intensity and missing neighbours of the sites in each patch."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.spatial import cKDTree
from scipy.special import expit, log_softmax, softmax

from physlearn.checks import InputError
from physlearn.datasets.descriptors.patch_places import PatchPlaces
from physlearn.datasets.patches.atom_column import AtomColumn
from physlearn.datasets.patches.atom_errors import AtomErrors
from physlearn.datasets.patches.point_sets import PointSet, point_set
from physlearn.records import AtomicConfiguration, LatticeSnapshots

__all__ = [
    "atom_chances",
    "composition_columns",
    "density_column",
    "missing_neighbours",
    "site_chances",
    "site_rows",
]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]

N_ROUNDS = 100
FEWEST_CERTAIN = 2.0
"""Sites of a state (in sum of probabilities) below which its mean brightness is not its own."""


def site_rows(atoms: AtomicConfiguration, positions: Floats) -> Integers:
    """Return which atom stands on each site (sites keep their atom's position)."""
    distance, rows = cKDTree(atoms.positions[:, :2]).query(positions)
    reach = max(float(np.ptp(atoms.positions[:, 0])), 1e-300)
    if np.max(distance) > 1e-6 * reach:
        raise InputError("snapshots must come from these atoms: their sites stand elsewhere.")
    return np.asarray(rows, dtype=np.int64)


def site_chances(snapshots: LatticeSnapshots) -> Floats:
    """Return the probability of state +1 on each site; 0 or 1 where the labels are certain.

    The share of +1 that the prior needs is the one at which prior and mean probability agree.
    """
    states = snapshots.states[0]
    plus: Floats = (states > 0).astype(np.float64)
    if snapshots.label_log_likelihood is None:
        return plus
    labels = snapshots.label_log_likelihood[0]
    with np.errstate(invalid="ignore"):
        gain = labels[:, 1] - labels[:, 0]
    share = float(np.clip(plus.mean(), 1e-6, 1 - 1e-6))
    chance = plus
    for _ in range(N_ROUNDS):
        chance = expit(gain + np.log(share / (1.0 - share)))
        before, share = share, float(np.clip(chance.mean(), 1e-9, 1 - 1e-9))
        if abs(share - before) < 1e-10:
            break
    return np.asarray(chance)


def atom_chances(atoms: AtomicConfiguration) -> Floats | None:
    """Return the probability that each atom is of the last species present, or None."""
    if atoms.species is None or len(np.unique(atoms.species)) < 2:
        return None
    last = int(atoms.species.max())
    if atoms.species_log_likelihood is None:
        return np.asarray(atoms.species == last, dtype=np.float64)
    labels = atoms.species_log_likelihood
    shares = np.bincount(atoms.species, minlength=labels.shape[1]) / atoms.n
    chances = np.zeros(labels.shape)
    for _ in range(N_ROUNDS):
        with np.errstate(divide="ignore"):
            chances = softmax(log_softmax(labels, axis=1) + np.log(shares), axis=1)
        before, shares = shares, chances.mean(axis=0)
        if np.abs(shares - before).max() < 1e-10:
            break
    return np.asarray(chances[:, last])


def composition_columns(
    atoms: AtomicConfiguration,
    rows: Integers,
    chance: Floats | None,
    points: PointSet,
    errors: AtomErrors,
    notes: list[str],
) -> list[AtomColumn]:
    """Return composition and intensity residual of the atoms ``rows`` with one joint error.

    Composition is the mean probability c of the second kind. A label that is wrong moves a site's
    composition by 1 and its intensity residual by the distance D of the kinds' mean log
    intensities; with w the share of measurement in the scatter of log intensity within a kind,
    their errors add c (1 - c) times 1, D^2 (1 - 2 w) and -D (1 - w) to both variances and the
    covariance.
    """
    weights = points.weights
    columns = []
    doubt = None
    if chance is not None and np.ptp(chance) > 0:
        doubt = weights.power(2) @ (chance * (1.0 - chance))
        columns.append(
            AtomColumn(
                "composition",
                points.means(chance),
                0,
                own=doubt,
                points=points,
                point_values=chance,
            )
        )
    residual = _residual_column(atoms, rows, chance, doubt, points, errors, notes)
    return columns if residual is None else [*columns, residual]


def _residual_column(
    atoms: AtomicConfiguration,
    rows: Integers,
    chance: Floats | None,
    doubt: Floats | None,
    points: PointSet,
    errors: AtomErrors,
    notes: list[str],
) -> AtomColumn | None:
    """Return the intensity residual; ``doubt`` is the variance of each patch's composition."""
    if atoms.intensity is None:
        return None
    intensity = atoms.intensity[rows]
    if not np.all(intensity > 0):
        notes.append("some intensities are not positive: the intensity residual is left out.")
        return None
    level = np.log(intensity)
    certain = np.zeros(len(rows)) if chance is None else chance
    means = _kind_means(level, certain)
    residual = level - (means[0] + certain * (means[1] - means[0]))
    pick = sparse.csr_array(
        (np.ones(len(rows)), (np.arange(len(rows)), rows)), shape=(len(rows), errors.n)
    )
    common = np.zeros(errors.size)
    common[2 * errors.n + rows] = 1.0 / len(rows)
    noise = errors.variances(errors.of_atoms(pick, "intensity"))
    own, shared = None, {}
    if doubt is not None:
        distance = float(means[1] - means[0])
        share = _measured_share(level, certain, means, noise)
        own = distance**2 * (1.0 - 2.0 * share) * doubt
        shared = {"composition": -distance * (1.0 - share) * doubt}
    linear = errors.of_atoms(sparse.csr_array(points.weights @ pick), "intensity")
    return AtomColumn(
        "intensity_residual", points.means(residual), 0, "1", linear, common,
        needs=frozenset({"intensity"}), own=own, shared=shared, points=points,
        point_values=residual, point_noise=noise,
    )  # fmt: skip


def _kind_means(level: Floats, chance: Floats) -> Floats:
    """Return the mean log intensity of both kinds, that of all for one that is hardly there."""
    means = np.full(2, float(level.mean()))
    for kind, weight in enumerate((1.0 - chance, chance)):
        if weight.sum() >= FEWEST_CERTAIN:
            means[kind] = float(weight @ level / weight.sum())
    return means


def _measured_share(level: Floats, chance: Floats, means: Floats, variance: Floats) -> float:
    """Return the share of measurement error in the scatter of log intensity within a kind."""
    square = (1.0 - chance) * (level - means[0]) ** 2 + chance * (level - means[1]) ** 2
    scatter = float(square.mean())
    return min(float(variance.mean()) / scatter, 1.0) if scatter > 0 else 1.0


def missing_neighbours(
    n_sites: int,
    edges: Integers,
    inner: Flags,
    wanted: int,
    points: PointSet,
) -> AtomColumn:
    """Return how many nearest neighbours a patch's sites lack; sites at the edge do not count."""
    number = np.bincount(edges.ravel(), minlength=n_sites)
    missing = np.where(inner, np.maximum(wanted - number, 0), 0).astype(np.float64)
    return AtomColumn("missing_neighbours", points.means(missing), 0, "neighbours per site")


def density_column(
    atoms: AtomicConfiguration, places: PatchPlaces, errors: AtomErrors
) -> AtomColumn:
    """Return columns per area; the error is that of columns which theirs may carry over an edge."""
    area = places.size**2
    points = point_set(places, atoms.positions, errors.position_sd())
    own = points.doubt.sum(axis=1) / area**2
    return AtomColumn(
        "density", points.number / area, 0, f"1/{atoms.unit}^2", own=np.asarray(own),
        needs=frozenset({"position"}),
    )  # fmt: skip
