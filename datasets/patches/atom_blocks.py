"""Descriptors of patches from atoms, their sites and what was measured on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from physlearn.checks import InputError
from physlearn.datasets.descriptors.column_block import ColumnBlock
from physlearn.datasets.descriptors.patch_places import PatchPlaces
from physlearn.datasets.patches.atom_column import AtomColumn
from physlearn.datasets.patches.atom_errors import AtomErrors, atom_errors
from physlearn.datasets.patches.bond_columns import (
    atom_bonds,
    bond_columns,
    inner_atoms,
    middle_operator,
    strongest_order,
)
from physlearn.datasets.patches.joint_columns import joint_blocks
from physlearn.datasets.patches.measured_columns import measured_columns
from physlearn.datasets.patches.point_sets import point_set
from physlearn.datasets.patches.site_columns import (
    atom_chances,
    composition_columns,
    density_column,
    missing_neighbours,
    site_chances,
    site_rows,
)
from physlearn.datasets.patches.strain_columns import LatticeFit, fit_lattice, patch_strain
from physlearn.datasets.structure.joint_positions import scan_doubt
from physlearn.datasets.structure.strain import StrainField
from physlearn.records import AtomicConfiguration, LatticeSnapshots

__all__ = ["atom_blocks"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

FREE_ORDERS = (6, 4, 3)
SMALLEST_SCATTER = 0.8
VECTORS = ("vector_1_x", "vector_1_y", "vector_2_x", "vector_2_y")


def atom_blocks(
    atoms: AtomicConfiguration,
    snapshots: LatticeSnapshots | None,
    places: PatchPlaces,
    measurements: Sequence[object] = (),
    *,
    orders: tuple[int, ...] = (),
    pooled: bool = False,
) -> list[ColumnBlock]:
    """Describe patches by their atoms, with one covariance between all columns of a patch.

    Every column is taken to second order in the errors of the atoms' positions, intensities and
    widths, which have one joint covariance: columns that use the same atoms have correlated errors.

    Parameters
    ----------
    atoms
        Atoms in the plane; errors as far as they carry them.
    snapshots
        Their sites (``assign_sites``), or None: no strain and no site composition.
    places
        Where the patches lie; they may overlap.
    measurements
        Records measured on these atoms: ``StrainField`` (takes the place of the patches' own
        strain), ``PolarizationField``, ``Rings``, ``SiteStates``, ``LocalSymmetry``, or the table
        of ``column_shapes``.
    orders
        Further k of |psi_k|, beside that of the lattice (6 without one).
    pooled
        Hand on the mean covariance of all patches instead of one a patch.

    Returns
    -------
    list of ColumnBlock
        One block of the columns with known errors, one of those without. Lengths in ``atoms.unit``;
        patches without a descriptor hold NaN.

    Raises
    ------
    InputError
        For atoms not in the plane, snapshots or measurements of other atoms, or orders out of
        range.

    Notes
    -----
    Second order does not suffice for ``bond_order``, a root of squares: against planted noise its
    error came out 5 to 6 % too large on a lattice (position errors of 3 % of the spacing) and 6 to
    8 % too small without one (2 %).

    Examples
    --------
    >>> from physlearn.datasets.descriptors.patch_places import grid_places
    >>> y, x = np.mgrid[:12, :12].reshape(2, -1) * 2.5
    >>> atoms = AtomicConfiguration(
    ...     np.stack([x, y], axis=1), position_covariance=np.tile(1e-4 * np.eye(2), (144, 1, 1))
    ... )
    >>> block, = atom_blocks(atoms, None, grid_places([0, 0], [30, 30], 10.0))
    >>> block.names
    ('density', 'spacing', 'coordination', 'bond_order')
    """
    if atoms.dimension != 2:
        raise InputError(
            f"atoms must lie in the plane, positions of shape (n, 2); got {atoms.positions.shape}."
        )
    for order in orders:
        if isinstance(order, bool) or not isinstance(order, int) or not 1 <= order <= 24:
            raise InputError(f"orders must be integers from 1 to 24; got {order!r}.")
    notes: list[str] = []
    errors = atom_errors(atoms)
    notes.extend(errors.warnings)
    if len(errors.errors.terms) > 1:
        notes.append(
            "patches along a scan row share its error (row_error): errors of patches agree along x "
            "beyond the error correlation length."
        )
    if snapshots is None or snapshots.graph.positions is None:
        notes.append("no lattice: strain and site composition are left out of the patches.")
        columns = _free_columns(atoms, places, errors, orders, notes)
    else:
        fields = [record for record in measurements if isinstance(record, StrainField)]
        columns = _site_columns(
            atoms, snapshots, places, errors, orders, notes, own_strain=not fields
        )
    width = _width(atoms, places, errors, notes)
    columns += [] if width is None else [width]
    columns += measured_columns(atoms, measurements, places, errors, notes)
    blocks = joint_blocks(columns, errors, pooled=pooled)
    return _with_notes(blocks, notes, _error_length(atoms))


def _with_notes(
    blocks: list[ColumnBlock], notes: list[str], length: float | None
) -> list[ColumnBlock]:
    """Return the blocks with what must be said of them (once) and the errors' length."""
    from dataclasses import replace

    said = tuple(dict.fromkeys(notes))
    return [
        replace(block, notes=said if k == 0 else (), error_length=length)
        for k, block in enumerate(blocks)
    ]


def _error_length(atoms: AtomicConfiguration) -> float | None:
    """Return the length over which errors agree: errors of columns agree over about their width."""
    return None if atoms.width is None else float(np.median(atoms.width))


def _free_columns(
    atoms: AtomicConfiguration,
    places: PatchPlaces,
    errors: AtomErrors,
    orders: tuple[int, ...],
    notes: list[str],
) -> list[AtomColumn]:
    """Return what atoms without a lattice show."""
    everyone = np.arange(atoms.n)
    sd = errors.position_sd()
    points = point_set(places, atoms.positions, sd)
    columns = [density_column(atoms, places, errors)]
    columns += composition_columns(atoms, everyone, atom_chances(atoms), points, errors, notes)
    bonds = atom_bonds(atoms, None, notes)
    if bonds is None:
        return columns
    inner = inner_atoms(atoms, everyone, float(np.median(bonds.lengths)))
    main = strongest_order(bonds, inner, errors, FREE_ORDERS) if inner.any() else FREE_ORDERS[0]
    notes.append(f"bond_order is |psi_{main}|, the strongest of {FREE_ORDERS} over all atoms.")
    middle = atoms.positions[bonds.pairs[:, 0]] + 0.5 * bonds.steps
    middles = point_set(places, middle, errors.position_sd(middle_operator(bonds, atoms.n)))
    inside = point_set(places, atoms.positions, sd, inner)
    wanted = tuple(dict.fromkeys((main, *orders)))
    return columns + bond_columns(atoms, bonds, middles, inside, errors, wanted, on_lattice=False)


def _site_columns(
    atoms: AtomicConfiguration,
    snapshots: LatticeSnapshots,
    places: PatchPlaces,
    errors: AtomErrors,
    orders: tuple[int, ...],
    notes: list[str],
    *,
    own_strain: bool,
) -> list[AtomColumn]:
    """Return composition, intensity, strain and order of the sites in each patch."""
    positions = snapshots.graph.positions
    assert positions is not None  # noqa: S101 -- the caller has checked it
    said = snapshots.metadata
    rows = site_rows(atoms, positions)
    edges = snapshots.graph.edges[snapshots.graph.shell == 0]
    lattice = None
    if all(name in said for name in VECTORS):
        vectors = np.array([float(said[name]) for name in VECTORS]).reshape(2, 2)
        lattice = fit_lattice(rows, positions, vectors, edges)
    if lattice is None:
        notes.append("the sites carry no lattice vectors: strain is left out.")
    sites = _SitePlaces.of(atoms, rows, lattice, errors)
    points = point_set(places, sites.places[rows], sites.sd_of(rows))
    columns = composition_columns(atoms, rows, site_chances(snapshots), points, errors, notes)
    order = {"square": 4}.get(str(said.get("lattice", "")), 6)
    bonds = atom_bonds(atoms, rows[edges], notes)
    if bonds is not None and said.get("n_vacant_sites", 0):
        inner = inner_atoms(atoms, rows, float(np.median(bonds.lengths)))[rows]
        columns.append(missing_neighbours(len(rows), edges, inner, order, points))
    if lattice is not None and own_strain:
        columns += patch_strain(lattice, places, errors)
        doubt = scan_doubt(atoms, None, "displacement")
        if doubt:
            notes.append(f"{doubt} It enters shear_strain and lattice_rotation of the patches.")
    if bonds is None:
        return columns
    inner = inner_atoms(atoms, rows, float(np.median(bonds.lengths)))
    inner &= np.isin(np.arange(atoms.n), rows)
    middle = middle_operator(bonds, atoms.n)
    middles = point_set(places, middle @ sites.places, sites.sd_of(middle))
    inside = point_set(places, sites.places, sites.sd_of(None), inner)
    wanted = tuple(dict.fromkeys((order, *orders)))
    return columns + bond_columns(atoms, bonds, middles, inside, errors, wanted, on_lattice=True)


@dataclass(frozen=True, slots=True, eq=False)
class _SitePlaces:
    """Where each atom counts as standing: where its lattice neighbours say, else itself."""

    places: Floats
    operator: sparse.csr_array
    errors: AtomErrors

    @classmethod
    def of(
        cls, atoms: AtomicConfiguration, rows: Integers, lattice: LatticeFit | None,
        errors: AtomErrors,
    ) -> _SitePlaces:  # fmt: skip
        """Return the places of all atoms; those that are no sites keep their own."""
        own = sparse.csr_array(sparse.eye_array(atoms.n))
        if lattice is None:
            return cls(atoms.positions, own, errors)
        places = atoms.positions.copy()
        places[rows] = lattice.expected
        other = np.ones(atoms.n)
        other[rows] = 0.0
        n = len(rows)
        back = sparse.csr_array((np.ones(n), (rows, np.arange(n))), shape=(atoms.n, n))
        operator = back @ lattice.of_atoms(lattice.near, atoms.n) + sparse.diags_array(other)
        return cls(places, sparse.csr_array(operator), errors)

    def sd_of(self, chosen: Integers | sparse.csr_array | None) -> Floats | None:
        """Return the errors of the places of some atoms, or of means of them."""
        if chosen is None:
            return self.errors.position_sd(self.operator)
        if isinstance(chosen, np.ndarray):
            return self.errors.position_sd(sparse.csr_array(self.operator[chosen]))
        return self.errors.position_sd(sparse.csr_array(chosen @ self.operator))


def _width(
    atoms: AtomicConfiguration, places: PatchPlaces, errors: AtomErrors, notes: list[str]
) -> AtomColumn | None:
    """Return the mean log width of columns against that of all, where its error is known."""
    if atoms.width is None or "width" not in errors.known or not np.all(atoms.width > 0):
        return None
    level = np.log(atoms.width)
    if np.ptp(level) <= 1e-12:
        return None
    noise = errors.variances(errors.of_atoms(sparse.csr_array(sparse.eye_array(atoms.n)), "width"))
    if float(level.var()) < SMALLEST_SCATTER * float(noise.mean()):
        notes.append(
            "the columns' widths scatter less than their errors (the fit holds them together): "
            "width_residual is left out of the patches."
        )
        return None
    points = point_set(places, atoms.positions, errors.position_sd())
    common = np.zeros(errors.size)
    common[3 * errors.n :] = 1.0 / atoms.n
    return AtomColumn(
        "width_residual", points.means(level - level.mean()), 1, "1",
        errors.of_atoms(points.weights, "width"), common, needs=frozenset({"width"}),
        points=points, point_values=level,
        point_noise=noise,
    )  # fmt: skip
