"""Strain and rotation of patches against the mean lattice, with derivatives."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import breadth_first_order, connected_components

from physlearn.datasets.descriptors.patch_places import PatchPlaces
from physlearn.datasets.patches.atom_column import (
    AtomColumn,
    sum_of_squares,
)
from physlearn.datasets.patches.atom_errors import AtomErrors
from physlearn.datasets.patches.point_sets import point_set
from physlearn.datasets.structure.strain import StrainField, polar_strain

__all__ = ["LatticeFit", "field_strain", "fit_lattice", "patch_strain"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

FEWEST_SITES = 4
WORST_SHAPE = 1e-3
"""Smallest over largest moment of a patch's sites: below, they stand on a line."""
SMALLEST_CELL = 1e-3
STEP = 1e-6
COMBINED = np.array([[1.0, 1.0, 0.0, 0.0], [1.0, -1.0, 0.0, 0.0], [0.0, 0.0, 2.0, 0.0],
                     [0.0, 0.0, 0.0, 1.0]])  # fmt: skip
"""Dilation, deviatoric, shear (2 xy) and rotation of xx, yy, xy, rotation."""
NAMES = ("dilation", "deviatoric_strain", "shear_strain", "lattice_rotation")
UNITS = ("1", "1", "1", "rad")


@dataclass(frozen=True, slots=True, eq=False)
class LatticeFit:
    """The mean lattice of sites, by least squares, and where each site should stand.

    Attributes
    ----------
    rows
        Atom of each site.
    positions, ideal
        Measured places and those of the mean lattice (connected parts each on their own).
    part
        Connected part of each site.
    vectors, fit
        Undeformed lattice vectors = ``fit @ positions``.
    near
        Sparse (n, n): the mean over each site's nearest neighbours (itself where it has none).
    """

    rows: Integers
    positions: Floats
    ideal: Floats
    part: Integers
    vectors: Floats
    fit: Floats
    near: sparse.csr_array

    @property
    def expected(self) -> Floats:
        """Return where each site's neighbours say that it stands.

        Sites chosen by their own measured place would lean inwards at a patch's edge: those that an
        error carries in are taken, those that it carries out are not.
        """
        return np.asarray(self.ideal + self.near @ (self.positions - self.ideal))

    def of_atoms(self, operator: sparse.csr_array, n: int) -> sparse.csr_array:
        """Return an operator on sites as one on all n atoms."""
        m = len(self.rows)
        pick = sparse.csr_array((np.ones(m), (np.arange(m), self.rows)), shape=(m, n))
        return sparse.csr_array(operator @ pick)


def fit_lattice(
    rows: Integers, positions: Floats, vectors: Floats, edges: Integers
) -> LatticeFit | None:
    """Return the mean lattice of sites that hang together by ``edges``; None for a chain."""
    index, part = _lattice_indices(positions, vectors, edges)
    number = np.bincount(part).astype(np.float64)
    mean = np.stack([np.bincount(part, index[:, k]) / number for k in range(2)], axis=1)
    fit = np.asarray(np.linalg.pinv(index - mean[part]), dtype=np.float64)
    undeformed = fit @ positions
    if abs(np.linalg.det(undeformed)) < SMALLEST_CELL * abs(np.linalg.det(vectors)):
        return None
    n = len(positions)
    both = np.concatenate([edges, edges[:, ::-1]])
    alone = np.setdiff1d(np.arange(n), both)
    both = np.concatenate([both, np.stack([alone, alone], axis=1)])
    count = np.bincount(both[:, 0], minlength=n)
    near = sparse.csr_array((1.0 / count[both[:, 0]], (both[:, 0], both[:, 1])), shape=(n, n))
    return LatticeFit(rows, positions, index @ undeformed, part, undeformed, fit, near)


def _lattice_indices(
    positions: Floats, vectors: Floats, edges: Integers
) -> tuple[Floats, Integers]:
    """Return each site's lattice indices and its connected part, by walking the bonds."""
    n = len(positions)
    net = sparse.csr_array((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), shape=(n, n))
    n_parts, part = connected_components(net, directed=False)
    inverse = np.linalg.inv(vectors)
    index = np.zeros((n, 2))
    for number in range(n_parts):
        root = int(np.flatnonzero(part == number)[0])
        order, before = breadth_first_order(net, root, directed=False)
        for site in order[1:]:
            step = (positions[site] - positions[before[site]]) @ inverse
            index[site] = index[before[site]] + np.round(step)
    return index, np.asarray(part, dtype=np.int64)


def patch_strain(lattice: LatticeFit, places: PatchPlaces, errors: AtomErrors) -> list[AtomColumn]:
    """Return strains of the affine map from the mean lattice to each patch's sites.

    The mean lattice's own error is common to all patches.
    """
    members = places.members(lattice.expected)
    solver = _patch_solver(
        lattice.ideal, lattice.part, int(lattice.part.max()) + 1, members, places.n
    )
    lacking = np.asarray(abs(solver).sum(axis=1)).ravel().reshape(-1, 2).sum(axis=1) == 0
    shift = lattice.positions - lattice.ideal
    # row 2 p + b of the solver gives du / dr_b of patch p
    found = np.stack([solver @ shift[:, a] for a in range(2)], axis=-1).reshape(-1, 2, 2)
    values, slopes = _with_slopes(np.swapaxes(found, 1, 2))
    values[lacking] = np.nan
    linear = _rows_of_strain(lattice.of_atoms(solver, errors.n), slopes, errors)
    reference = np.zeros((2, errors.n))
    reference[:, lattice.rows] = np.linalg.inv(lattice.vectors) @ lattice.fit
    return _columns(values, linear, _common(reference, slopes[~lacking], errors), errors)


def field_strain(field: StrainField, places: PatchPlaces, errors: AtomErrors) -> list[AtomColumn]:
    """Return the mean of a measured strain field over the atoms in each patch."""
    points = point_set(places, field.positions, None)
    component = [points.means(field.strain[:, k]) for k in range(4)]
    values = np.stack(component, axis=1) @ COMBINED.T
    linear = []
    for k in range(4):
        parts = [COMBINED[k, c] * field.operator[c::4] for c in range(4) if COMBINED[k, c]]
        total = parts[0] if len(parts) == 1 else parts[0] + parts[1]
        linear.append(errors.of_positions(sparse.csr_array(points.weights @ total)))
    common = np.zeros((4, errors.size))
    common[:, : 2 * errors.n] = COMBINED @ field.shared
    return _columns(values, linear, common, errors)


def _patch_solver(
    ideal: Floats, part: Integers, n_parts: int, members: tuple[Integers, Integers], n: int
) -> sparse.csr_array:
    """Return (2n, sites): least-squares slopes along x and y of each patch's sites.

    Of sites that do not hang together the most numerous part is taken. Zero rows: too few sites,
    or all on a line.
    """
    patch, site = members
    key = patch * n_parts + part[site]
    count = np.bincount(key, minlength=n * n_parts).reshape(n, n_parts)
    kept = part[site] == count.argmax(axis=1)[patch]
    patch, site = patch[kept], site[kept]
    number = np.bincount(patch, minlength=n).astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.stack([np.bincount(patch, ideal[site, k], n) / number for k in range(2)], axis=1)
    place = ideal[site] - mean[patch]
    moments = np.empty((n, 2, 2))
    for a in range(2):
        for b in range(2):
            moments[:, a, b] = np.bincount(patch, place[:, a] * place[:, b], n)
    sizes = np.linalg.eigvalsh(moments)
    good = (number >= FEWEST_SITES) & (sizes[:, 0] > WORST_SHAPE * sizes[:, 1])
    moments[~good] = np.eye(2)
    weights = np.einsum("mab,mb->ma", np.linalg.inv(moments)[patch], place)
    weights[~good[patch]] = 0.0
    row = (2 * patch[:, None] + np.arange(2)).ravel()
    solver = sparse.csr_array(
        (weights.ravel(), (row, np.repeat(site, 2))), shape=(2 * n, len(ideal))
    )
    solver.eliminate_zeros()
    return solver


def _with_slopes(gradients: Floats) -> tuple[Floats, Floats]:
    """Return the four strains (n, 4) and their derivatives (n, 4, 4) by xx, xy, yx, yy of du/dr."""
    values = polar_strain(gradients) @ COMBINED.T
    slopes = np.empty((len(gradients), 4, 4))
    for k in range(4):
        kick = np.zeros(4)
        kick[k] = STEP
        ahead = polar_strain(gradients + kick.reshape(2, 2))
        behind = polar_strain(gradients - kick.reshape(2, 2))
        slopes[:, :, k] = (ahead - behind) @ COMBINED.T / (2 * STEP)
    return values, slopes


def _rows_of_strain(
    solver: sparse.csr_array, slopes: Floats, errors: AtomErrors
) -> list[sparse.csr_array]:
    """Return (n_patches, sources) for each strain, of the solver (2n, atoms) of du/dr_b."""
    gradient = []
    for a in range(2):
        for b in range(2):
            one = sparse.csr_array(solver[b::2])
            pick = np.zeros((1, 2))
            pick[0, a] = 1.0
            gradient.append(sparse.csr_array(sparse.kron(one, pick, format="csr")))
    linear = []
    for k in range(4):
        total = sum(
            (sparse.diags_array(slopes[:, k, c]) @ gradient[c] for c in range(1, 4)),
            sparse.diags_array(slopes[:, k, 0]) @ gradient[0],
        )
        linear.append(errors.of_positions(sparse.csr_array(total)))
    return linear


def _common(reference: Floats, slopes: Floats, errors: AtomErrors) -> Floats:
    """Return (4, sources): what the reference's error takes off the strains of every patch."""
    typical = slopes.mean(axis=0) if len(slopes) else np.eye(4)
    common = np.zeros((4, errors.size))
    for a in range(2):
        for b in range(2):
            common[:, a : 2 * errors.n : 2] += typical[:, 2 * a + b, None] * reference[b]
    return common


def _columns(
    values: Floats, linear: list[sparse.csr_array], common: Floats | None, errors: AtomErrors
) -> list[AtomColumn]:
    """Return the four linear columns and the squared shear, which no turn of the axes changes."""
    needs = frozenset({"position"})
    columns = [
        AtomColumn(
            name, values[:, k], 1, UNITS[k], linear[k], None if common is None else common[k],
            needs=needs,
        )
        for k, name in enumerate(NAMES)
    ]  # fmt: skip
    n = len(values)
    rows = sparse.csr_array(sparse.vstack(linear[1:3], format="csr"))
    found = np.concatenate([values[:, 1], values[:, 2]])
    both = sparse.csr_array(sparse.hstack([sparse.eye_array(n), sparse.eye_array(n)], format="csr"))
    squared = AtomColumn(
        "shear_squared", found, 1, needs=needs, derived=("deviatoric_strain", "shear_strain")
    )
    squared = sum_of_squares(squared, errors, rows, np.nan_to_num(found), both)
    there = np.isfinite(values[:, 0])
    return [*columns, replace(squared, values=np.where(there, squared.values, np.nan))]
