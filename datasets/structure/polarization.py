"""Polar displacement of each cell: where a column stands in the cage of its neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from scipy.spatial import cKDTree

from physlearn.checks import InputError, NotIdentified, check_positive
from physlearn.datasets.structure.bond_search import planar
from physlearn.datasets.structure.joint_positions import (
    PositionErrors,
    position_errors,
    scan_doubt,
)
from physlearn.datasets.structure.row_shifts import row_shifts_left_out
from physlearn.datasets.structure.sublattices import center_and_cage
from physlearn.records import AtomicConfiguration
from physlearn.records.storage import html_table, short_repr

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["PolarizationField", "measure_polarization"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
LARGEST_CAGE = 8
FARTHEST_CAGE = 1.35
"""A cage column may stand this many median distances from its centre."""
WIDEST_ANGLE = 1.6
"""The largest angle between neighbours of a whole cage, in shares of the even one."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class PolarizationField:
    """Polar displacements.

    Attributes
    ----------
    centers, cages
        int64 (m,) and (m, k): the displaced atom of each cell and the atoms of its cage.
    positions
        float64 (m, 2): the cages' centres, in ``unit``.
    displacements
        float64 (m, 2): displaced atom minus cage centre, x and y, in ``unit``.
    covariance
        float64 (m, 2, 2), in unit squared; NaN when the atoms carry no errors.
    operator
        Sparse (2m, 2N): displacements are ``operator @ positions``.
    errors
        What the positions' errors are; cells that share cage atoms correlate.
    scan_rows
        float64 (N,): y of each atom in picture rows (in ``unit`` where no pixel size is known).
    unit, row_mean_identified, warnings
        Unit of lengths; whether a shift of whole scan rows is excluded; sentences for the report.

    Examples
    --------
    >>> from physlearn.datasets import make_polar_perovskite, measure_polarization
    >>> truth = make_polar_perovskite((3, 3), domains="single", rng=0).scene.truth
    >>> field = measure_polarization(truth, center="B", cage="A")
    >>> field.mean()[0].round(6).tolist()
    [0.8, 0.0]
    """

    centers: Integers
    cages: Integers
    positions: Floats
    displacements: Floats
    covariance: Floats
    operator: sparse.csr_array
    errors: PositionErrors
    scan_rows: Floats
    unit: str
    row_mean_identified: bool
    warnings: tuple[str, ...]

    __repr__ = short_repr
    _repr_html_ = html_table

    def __str__(self) -> str:
        """Return the mean displacement with its errors, and the warnings."""
        mean, covariance = self.mean()
        said = ", ".join(
            f"{axis} {value:.4g} ± {error:.2g} {self.unit}"
            for axis, value, error in zip("xy", mean, np.sqrt(np.diag(covariance)), strict=True)
        )
        shifts = "excluded" if self.row_mean_identified else "not excluded"
        head = (
            f"polar displacements of {len(self.centers):,} cells, mean {said}; shifts of whole "
            f"scan rows are {shifts}"
        )
        return "\n- ".join([head, *self.warnings])

    def mean(self, selection: ArrayLike | None = None) -> tuple[Floats, Floats]:
        """Return the mean displacement (2,) of selected cells and its joint covariance (2, 2)."""
        m = len(self.centers)
        chosen = np.ones(m, dtype=np.bool_) if selection is None else np.asarray(selection)
        rows = np.atleast_1d(np.arange(m)[chosen])
        if not len(rows):
            raise InputError("selection must hold at least one cell.")
        share = np.zeros((1, m))
        share[0, rows] = 1.0 / len(rows)
        average = sparse.csr_array(
            sparse.kron(sparse.csr_array(share), sparse.eye_array(2), format="csr")
        )
        covariance = self.errors.full((average @ self.operator).toarray())
        full = np.full((2, 2), np.nan) if covariance is None else covariance
        return self.displacements[rows].mean(axis=0), full

    def joint_covariance(self) -> sparse.csr_array | None:
        """Return the sparse covariance (2m, 2m) of all displacements, or None without errors."""
        return self.errors.joint(self.operator)

    def without_row_means(self, rows: float = 1.0) -> tuple[Floats, Floats]:
        """Return displacements (m, 2) less what row shifts could make, covariance (m, 2, 2).

        A shift f of each scan row along x moves centres and cages: d_x = A f. What any f explains
        (least squares) is taken off, of real displacements too. Cells that f alone can explain are
        left with 0 and variance 0.

        Parameters
        ----------
        rows
            Scan rows from one free value of f to the next, straight lines between: 1 for shifts
            that are independent from row to row.

        Raises
        ------
        NotIdentified
            When such shifts could make nine tenths of all displacements or more.
        """
        check_positive("rows", rows)
        return row_shifts_left_out(self, rows)

    def to_pandas(self) -> pd.DataFrame:
        """Return one row a cell: place, displacement, errors, length, angle, p of no displacement.

        ``length`` is that of the measured vector, which noise makes longer on average by about
        trace(covariance) / (2 length).
        """
        import pandas as pd
        from scipy.stats import chi2

        dx, dy = self.displacements.T
        length = np.hypot(dx, dy)
        along = self.displacements / np.maximum(length, 1e-300)[:, None]
        square = np.einsum("mi,mij,mj->m", along, self.covariance, along)
        p_zero = np.full(len(dx), np.nan)
        if self.errors.known:
            solved = np.linalg.solve(self.covariance, self.displacements[..., None])[..., 0]
            p_zero = chi2.sf(np.sum(self.displacements * solved, axis=1), 2)
        return pd.DataFrame(
            {
                "atom": self.centers, "x": self.positions[:, 0], "y": self.positions[:, 1],
                "dx": dx, "dy": dy, "dx_sd": np.sqrt(self.covariance[:, 0, 0]),
                "dy_sd": np.sqrt(self.covariance[:, 1, 1]),
                "dxdy_covariance": self.covariance[:, 0, 1], "length": length,
                "length_sd": np.sqrt(square), "angle": np.arctan2(dy, dx), "p_zero": p_zero,
            }
        )  # fmt: skip


def measure_polarization(
    atoms: AtomicConfiguration,
    *,
    center: str | int | ArrayLike | None = None,
    cage: str | int | ArrayLike | None = None,
    n_cage: int | None = None,
    scanned: bool | None = None,
) -> PolarizationField:
    """Measure the displacement of each cell's centre column from the mean of its cage columns.

    d = x_center - (1/k) sum x_cage: in ABO3 along [001] the B column against its four A columns.

    Parameters
    ----------
    atoms
        Columns in the plane, with or without errors.
    center, cage
        Species (name or code), or bool mask (n,), of the displaced and of the cage columns. None:
        of two species, or of two sublattices, the brighter one is the cage.
    n_cage
        Columns of a cage (2 to 8); None takes the number before the widest step in distance.
    scanned
        Whether the picture was scanned row by row; None: it is where the atoms come from a picture.

    Returns
    -------
    PolarizationField
        A displacement and its covariance for each whole cage; cells at the edge are left out.

    Raises
    ------
    InputError
        For a species that is not there, or numbers out of range.
    NotIdentified
        Where no two sublattices, or no whole cage, can be told.

    Notes
    -----
    The errors are those of the positions. A tilt of the sample moves columns of different atoms
    apart and looks like a uniform displacement; a scan row's shift looks like a row of cells
    displaced along x. Displacement times Born charges over cell volume is a polarisation.

    Examples
    --------
    >>> y, x = np.mgrid[:4, :4].reshape(2, -1) * 4.0
    >>> centers = np.stack([x, y], axis=1)[(x < 12) & (y < 12)] + [2.0, 2.3]
    >>> atoms = AtomicConfiguration(
    ...     np.concatenate([np.stack([x, y], axis=1), centers]), unit="angstrom",
    ...     species=np.repeat([0, 1], [16, 9]), species_names=("Pb", "Ti"),
    ... )
    >>> measure_polarization(atoms, center="Ti", cage="Pb").mean()[0].round(3).tolist()
    [0.0, 0.3]
    """
    if n_cage is not None and (
        isinstance(n_cage, bool) or not isinstance(n_cage, int) or not 2 <= n_cage <= LARGEST_CAGE
    ):
        raise InputError(f"n_cage must be 2 to {LARGEST_CAGE} or None; got {n_cage!r}.")
    positions = planar(atoms)
    warnings = list(atoms.warnings)
    inner, outer = center_and_cage(atoms, center, cage, warnings)
    if len(outer) < 3 or not len(inner):
        raise NotIdentified(
            f"{len(inner)} centre and {len(outer)} cage column(s) make no cage; at least 1 and 3 "
            "are needed."
        )
    cells, cages = _whole_cages(positions, inner, outer, n_cage)
    if not len(cells):
        raise NotIdentified("no centre column has a whole cage around it.")
    if len(cells) < len(inner):
        warnings.append(
            f"{len(inner) - len(cells)} of {len(inner)} centre columns have no whole cage (edge, "
            "vacancy) and were left out."
        )
    m, k = cages.shape
    one = sparse.csr_array(
        (
            np.concatenate([np.ones(m), np.full(m * k, -1.0 / k)]),
            (np.concatenate([np.arange(m), np.repeat(np.arange(m), k)]),
             np.concatenate([cells, cages.ravel()])),
        ),
        shape=(m, atoms.n),
    )  # fmt: skip
    operator = sparse.csr_array(sparse.kron(one, sparse.eye_array(2), format="csr"))
    errors = position_errors(atoms)
    warnings += errors.warnings
    doubt = scan_doubt(atoms, scanned, "displacement")
    if doubt:
        warnings.append(doubt + " See without_row_means().")
    step = 1.0 if atoms.pixel_size is None else float(atoms.pixel_size[1])
    return PolarizationField(
        cells, cages, positions[cages].mean(axis=1), one @ positions, errors.blocks(operator, 2),
        operator, errors, positions[:, 1] / step, atoms.unit, not doubt,
        tuple(dict.fromkeys(warnings)),
    )  # fmt: skip


def _whole_cages(
    positions: Floats, inner: Integers, outer: Integers, n_cage: int | None
) -> tuple[Integers, Integers]:
    """Return centre columns with a whole cage, and the cages' atoms."""
    most = min(LARGEST_CAGE + 1, len(outer))
    found = cKDTree(positions[outer]).query(positions[inner], k=most)
    distance, near = (np.asarray(part) for part in found)
    typical = np.median(distance, axis=0)
    if n_cage is None:
        steps = typical[2:] / np.maximum(typical[1:-1], 1e-300)
        n_cage = 2 + int(np.argmax(steps)) if len(steps) else 2
    if n_cage > most:
        return np.empty(0, dtype=np.int64), np.empty((0, n_cage), dtype=np.int64)
    scale = float(np.median(distance[:, :n_cage].mean(axis=1)))
    good = distance[:, n_cage - 1] < FARTHEST_CAGE * scale
    cages = outer[near[:, :n_cage]]
    steps_to = positions[cages] - positions[inner][:, None]
    angles = np.sort(np.arctan2(steps_to[..., 1], steps_to[..., 0]), axis=1)
    gaps = np.diff(np.concatenate([angles, angles[:, :1] + 2 * np.pi], axis=1), axis=1)
    even = 2 * np.pi / n_cage
    good &= gaps.max(axis=1) < (WIDEST_ANGLE * even if n_cage > 2 else 1.25 * np.pi)
    return inner[good], cages[good]
