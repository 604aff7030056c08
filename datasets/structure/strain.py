"""Strain at each atom from its neighbours' places, with errors that neighbours share."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from physlearn.checks import InputError, NotIdentified, check_array
from physlearn.datasets.sites.lattice_finding import Sublattice
from physlearn.datasets.structure.bond_search import planar
from physlearn.datasets.structure.joint_positions import (
    PositionErrors,
    position_errors,
    scan_doubt,
)
from physlearn.datasets.structure.sublattices import FEWEST_ATOMS, lattice_parts
from physlearn.records import AtomicConfiguration
from physlearn.records.storage import html_table, short_repr

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["StrainField", "measure_strain", "polar_strain"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]
LARGEST_TURN = 0.03
"""Rotations that vary by more make the least-squares lattice of all atoms a compromise."""
COMPONENTS = ("xx", "yy", "xy", "rotation")


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class StrainField:
    """Strain at atoms.

    Attributes
    ----------
    members
        int64 (n,): which atoms; those on no lattice are left out.
    positions
        float64 (n, 2), in ``unit``.
    strain
        float64 (n, 4): xx, yy, xy (tensor shear, half the engineering one) and rotation
        (radians, positive from +x to +y), dimensionless, relative to ``reference``. Where
        ``complete`` is False a value leans on few neighbours: ``mean(field.complete)`` leaves those
        out.
    covariance
        float64 (n, 4, 4); NaN when the atoms carry no errors.
    gradients
        float64 (n, 2, 2): ``gradients[i, a, b]`` = du_a / dr_b.
    complete
        bool (n,): all neighbours are there; else the place is an edge and leans to one side.
    reference
        float64 (2, 2): undeformed lattice vectors, rows, in ``unit``.
    operator, shared
        Sparse (4n, 2N) and dense (4, 2N): a change d of all N positions (flattened x, y) changes
        row i of strain by ``operator[4 * i : 4 * i + 4] @ d - shared @ d``; the latter is the
        measured reference's part.
    errors
        What the positions' errors are, for means over atoms.
    unit, row_mean_identified, warnings
        Unit of lengths; whether a shift of whole scan rows is excluded; sentences for the report.

    Examples
    --------
    >>> from physlearn.datasets import measure_strain
    >>> y, x = np.mgrid[:6, :6].reshape(2, -1) * 2.5
    >>> field = measure_strain(AtomicConfiguration(np.stack([x, y], axis=1)))
    >>> bool(abs(field.mean()[0]).max() < 1e-9)
    True
    """

    members: Integers
    positions: Floats
    strain: Floats
    covariance: Floats
    gradients: Floats
    complete: Flags
    reference: Floats
    operator: sparse.csr_array
    shared: Floats
    errors: PositionErrors
    unit: str
    row_mean_identified: bool
    warnings: tuple[str, ...]

    __repr__ = short_repr
    _repr_html_ = html_table

    def __str__(self) -> str:
        """Return the mean strain of whole neighbourhoods with its errors, and the warnings."""
        whole = self.complete if self.complete.any() else np.ones_like(self.complete)
        mean, covariance = self.mean(whole)
        errors = np.sqrt(np.diag(covariance))
        said = ", ".join(
            f"{name} {value:.3%} ± {error:.3%}" if name != "rotation"
            else f"{name} {value:.4f} ± {error:.4f} rad"
            for name, value, error in zip(COMPONENTS, mean, errors, strict=True)
        )  # fmt: skip
        shifts = "excluded" if self.row_mean_identified else "not excluded"
        head = (
            f"strain of {len(self.members):,} atoms, {int(self.complete.sum()):,} of them with all "
            f"neighbours; mean of {int(whole.sum()):,}: {said}; shifts of whole scan rows are "
            f"{shifts}"
        )
        return "\n- ".join([head, *self.warnings])

    def mean(self, selection: ArrayLike | None = None) -> tuple[Floats, Floats]:
        """Return the mean strain (4,) of selected rows and its covariance (4, 4), jointly."""
        n = len(self.members)
        chosen = np.ones(n, dtype=np.bool_) if selection is None else np.asarray(selection)
        rows = np.atleast_1d(np.arange(n)[chosen])
        if not len(rows):
            raise InputError("selection must hold at least one atom.")
        share = np.zeros((1, n))
        share[0, rows] = 1.0 / len(rows)
        average = sparse.csr_array(
            sparse.kron(sparse.csr_array(share), sparse.eye_array(4), format="csr")
        )
        covariance = self.errors.full((average @ self.operator).toarray() - self.shared)
        full = np.full((4, 4), np.nan) if covariance is None else covariance
        return self.strain[rows].mean(axis=0), full

    def to_pandas(self) -> pd.DataFrame:
        """Return one row an atom: place, strain and standard deviations."""
        import pandas as pd

        columns = {"atom": self.members, "x": self.positions[:, 0], "y": self.positions[:, 1]}
        for k, name in enumerate(COMPONENTS):
            columns[name] = self.strain[:, k]
            columns[f"{name}_sd"] = np.sqrt(self.covariance[:, k, k])
        return pd.DataFrame(columns | {"complete": self.complete})


def measure_strain(
    atoms: AtomicConfiguration,
    *,
    reference: ArrayLike | None = None,
    region: tuple[float, float, float, float] | None = None,
    shells: int = 1,
    scanned: bool | None = None,
) -> StrainField:
    """Measure the strain at each atom from the best affine map of its lattice neighbours.

    With lattice indices s and places x of an atom and its neighbours, the rows of M in x = x0 + s M
    are the local lattice vectors (least squares); F = 1 + grad u = (R^-1 M)^T with the undeformed
    vectors R. F is a rotation times a stretch U (polar decomposition); strain is U - 1, in the
    undeformed lattice's axes, which a rotation of any size leaves alone. Each sublattice
    is measured on its own, so that a shift between sublattices is no strain.

    Parameters
    ----------
    atoms
        Atoms on a lattice in the plane, with or without errors.
    reference
        Undeformed lattice vectors, shape (2, 2), rows, in ``atoms.unit`` and in the picture's own
        axes; None takes the least-squares lattice of all atoms, so that strain is relative to the
        picture's mean.
    region
        (x_min, y_min, x_max, y_max): take the reference from the atoms in there (a substrate).
    shells
        Shells of lattice neighbours (1 to 3): more smooth the strain and lower its error.
    scanned
        Whether the picture was scanned row by row; None: it is where the atoms come from a picture.

    Returns
    -------
    StrainField
        Strain and rotation with covariances from the joint errors of the positions, scan rows
        (``atoms.row_error``) and the reference.

    Raises
    ------
    InputError
        For a reference that is no lattice of these atoms, or a region with under 16 of them.
    NotIdentified
        Where the atoms show no lattice, or none has neighbours in two directions.

    Notes
    -----
    Errors are of first order in the strain and in how much rotations vary. With a strain that bends
    within the neighbourhood the result is its mean there. A row-wise shift of the scan changes
    du_x/dy and with it xy and rotation.

    Examples
    --------
    >>> y, x = np.mgrid[:8, :8].reshape(2, -1) * 2.5
    >>> stretched = AtomicConfiguration(np.stack([1.02 * x, y], axis=1), unit="angstrom")
    >>> field = measure_strain(stretched, reference=[[2.5, 0.0], [0.0, 2.5]])
    >>> field.strain[0].round(6).tolist()
    [0.02, 0.0, 0.0, 0.0]
    """
    if isinstance(shells, bool) or not isinstance(shells, int) or not 1 <= shells <= 3:
        raise InputError(f"shells must be 1, 2 or 3; got {shells!r}.")
    positions = planar(atoms)
    vectors, parts = lattice_parts(atoms)
    members = np.concatenate([part.members for part in parts])
    warnings = list(atoms.warnings)
    if len(members) < atoms.n:
        warnings.append(f"{atoms.n - len(members)} atom(s) on no lattice have no strain.")
    undeformed, fitted = _reference(positions, parts, vectors, reference, region)
    steps = _shell_steps(undeformed, shells)
    local = [_local_vectors(part, steps, atoms.n) for part in parts]
    operator = sparse.csr_array(sparse.vstack([rows for rows, _, _ in local]))
    usable = np.concatenate([rank for _, rank, _ in local])
    complete = np.concatenate([full for _, _, full in local])
    n = len(members)
    found = np.stack([operator @ positions[:, k] for k in range(2)], axis=-1).reshape(n, 2, 2)
    inverse = np.asarray(np.linalg.inv(undeformed), dtype=np.float64)
    gradients = np.swapaxes(inverse @ found, 1, 2) - np.eye(2)
    strain = polar_strain(gradients)
    common = float(np.median(strain[usable, 3]))
    if not usable.any():
        raise NotIdentified(
            "no atom has lattice neighbours in two directions to measure strain by."
        )
    rows = np.repeat(usable, 4)
    linear = sparse.csr_array(_position_operator(operator, inverse, common)[rows])
    shared = _position_operator(sparse.csr_array(fitted), inverse, common).toarray()
    errors = position_errors(atoms)
    warnings += errors.warnings
    doubt = scan_doubt(atoms, scanned, "displacement")
    if doubt:
        warnings.append(doubt + " It enters du_x/dy, so xy and rotation.")
    spread = float(np.quantile(np.abs(strain[usable, 3] - common), 0.9))
    if reference is None and region is None and spread > LARGEST_TURN:
        warnings.append(
            f"local rotations differ by {spread:.2f} radians from their median: where these are "
            "grains, the mean lattice of all atoms is a compromise and seems strained in each; "
            "give reference or region."
        )
    return StrainField(
        members[usable], positions[members[usable]], strain[usable],
        errors.blocks(linear, 4, shared), gradients[usable], complete[usable], undeformed, linear,
        shared, errors, atoms.unit, not doubt, tuple(dict.fromkeys(warnings)),
    )  # fmt: skip


def polar_strain(gradients: Floats) -> Floats:
    """Return xx, yy, xy of the stretch less 1, and the rotation, of displacement gradients."""
    deformation = gradients + np.eye(2)
    turn = np.arctan2(
        deformation[:, 1, 0] - deformation[:, 0, 1], deformation[:, 0, 0] + deformation[:, 1, 1]
    )
    stretch = _turns(-turn) @ deformation
    return np.stack(
        [stretch[:, 0, 0] - 1, stretch[:, 1, 1] - 1,
         0.5 * (stretch[:, 0, 1] + stretch[:, 1, 0]), turn], axis=1,
    )  # fmt: skip


def _turns(angle: Floats) -> Floats:
    """Return rotation matrices (n, 2, 2)."""
    c, s = np.cos(angle), np.sin(angle)
    return np.stack([np.stack([c, -s], axis=-1), np.stack([s, c], axis=-1)], axis=-2)


def _to_strain(turn: float) -> Floats:
    """Return (4, 4): from du_x/dx, du_x/dy, du_y/dx, du_y/dy to strain, about a pure rotation."""
    c, s = np.cos(turn), np.sin(turn)
    # dU = R^T dF - J d(turn), and J has no symmetric part
    back = np.kron(np.array([[c, s], [-s, c]]), np.eye(2))
    symmetric = np.array([[1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0], [0.0, 0.5, 0.5, 0.0]])
    return np.concatenate([symmetric @ back, 0.5 * np.array([[-s, -c, c, -s]])])


def _reference(
    positions: Floats,
    parts: list[Sublattice],
    vectors: Floats,
    reference: ArrayLike | None,
    region: tuple[float, float, float, float] | None,
) -> tuple[Floats, Floats]:
    """Return the undeformed vectors, and the (2, N) weights of positions they come from."""
    if reference is not None:
        if region is not None:
            raise InputError("give reference or region, not both.")
        declared = check_array("reference", reference, shape=(2, 2))
        if abs(np.linalg.det(declared)) < 1e-12:
            raise InputError("reference must hold two vectors that are not parallel.")
        turns = vectors @ np.linalg.inv(declared)
        whole = np.round(turns)
        if np.abs(turns - whole).max() > 0.25 or abs(abs(np.linalg.det(whole)) - 1) > 1e-6:
            raise InputError(
                f"reference must span the atoms' own lattice, vectors near {vectors.round(3)[0]} "
                f"and {vectors.round(3)[1]}; got {declared[0]} and {declared[1]}."
            )
        return whole @ declared, np.zeros((2, len(positions)))
    rows: list[Floats] = []
    members: list[Integers] = []
    for part in parts:
        places = positions[part.members]
        inside = np.ones(len(places), dtype=np.bool_)
        if region is not None:
            inside = np.all((places >= region[:2]) & (places <= region[2:]), axis=1)
        if inside.any():
            index = part.indices[inside].astype(np.float64)
            rows.append(index - index.mean(axis=0))
            members.append(part.members[inside])
    if not rows or sum(map(len, rows)) < FEWEST_ATOMS:
        raise InputError(
            f"region must hold at least {FEWEST_ATOMS} atoms of the lattice, in the atoms' unit; "
            f"{sum(map(len, rows))} found."
        )
    design = np.concatenate(rows)
    weights = np.zeros((2, len(positions)))
    weights[:, np.concatenate(members)] = np.linalg.solve(design.T @ design, design.T)
    return weights @ positions, weights


def _shell_steps(vectors: Floats, shells: int) -> Integers:
    """Return the index steps to the neighbours of the first shells; lengths within 25 % are one.

    The first shell always holds both lattice vectors: one direction alone shows no strain.
    """
    steps = np.array([step for step in product(range(-4, 5), repeat=2) if step != (0, 0)])
    lengths = np.hypot(*(steps @ vectors).T)
    edge = 0.0
    for _ in range(shells):
        edge = 1.25 * lengths[lengths > edge].min()
    own = np.abs(steps).sum(axis=1) == 1
    return np.asarray(steps[(lengths <= edge) | own])


def _local_vectors(
    part: Sublattice, steps: Integers, n_atoms: int
) -> tuple[sparse.csr_array, Flags, Flags]:
    """Return the (2m, N) matrix from positions to local lattice vectors; usable; complete."""
    m, low = len(part.members), part.indices.min(axis=0)
    index = part.indices - low
    reach = int(np.abs(steps).max())
    grid = np.full(index.max(axis=0) + 1 + 2 * reach, -1, dtype=np.int64)
    grid[index[:, 0] + reach, index[:, 1] + reach] = np.arange(m)
    offsets = np.concatenate([[[0, 0]], steps])
    near = grid[
        index[:, None, 0] + offsets[:, 0] + reach, index[:, None, 1] + offsets[:, 1] + reach
    ]
    here = near >= 0
    count = here.sum(axis=1)
    centered = here[..., None] * (
        offsets - (here[..., None] * offsets).sum(axis=1, keepdims=True) / count[:, None, None]
    )
    normal = np.einsum("mka,mkb->mab", centered, centered)
    usable = (np.linalg.det(normal) > 0.5) & (count >= 4)
    normal[~usable] = np.eye(2)
    weights = np.linalg.solve(normal, np.swapaxes(centered, 1, 2))
    row = np.broadcast_to((2 * np.arange(m)[:, None] + np.arange(2))[:, :, None], weights.shape)
    column = np.broadcast_to(part.members[np.maximum(near, 0)][:, None, :], weights.shape)
    kept = np.broadcast_to(here[:, None, :], weights.shape)
    operator = sparse.csr_array((weights[kept], (row[kept], column[kept])), shape=(2 * m, n_atoms))
    return operator, usable, here.all(axis=1)


def _position_operator(local: sparse.csr_array, inverse: Floats, turn: float) -> sparse.csr_array:
    """Return the (4n, 2N) matrix from positions to strain, of one from them to local vectors."""
    to_strain = _to_strain(turn)
    n = local.shape[0] // 2
    turned = sparse.kron(sparse.eye_array(n), inverse, format="csr") @ local
    # a row of ``turned`` is the axis b of du_a/dr_b; the axis a is that of the position
    parts = []
    for a in range(2):
        strain_of = sparse.kron(sparse.eye_array(n), to_strain[:, 2 * a : 2 * a + 2], format="csr")
        parts.append(sparse.kron(strain_of @ turned, np.eye(2)[a : a + 1], format="csr"))
    return sparse.csr_array(parts[0] + parts[1])
