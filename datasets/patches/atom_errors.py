"""What is measured of each atom, as one list of error sources with one joint covariance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from physlearn.datasets.structure.joint_positions import PositionErrors, position_errors
from physlearn.records import AtomicConfiguration

__all__ = ["AtomErrors", "atom_errors"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

PARAMETERS = 4
"""A fitted column's own: x, y, log amplitude, log width (see ``ColumnCovariance``)."""
SAME = 0.02


@dataclass(frozen=True, slots=True, eq=False)
class AtomErrors:
    """Joint errors of x, y (2n numbers), log intensity (n) and log width (n) of all atoms.

    Attributes
    ----------
    n
        Number of atoms.
    errors
        Covariance over the 4n sources.
    known
        Which kinds have errors: "position", "intensity", "width".
    warnings
        Sentences for the table.
    """

    n: int
    errors: PositionErrors
    known: frozenset[str]
    warnings: tuple[str, ...]

    @property
    def size(self) -> int:
        """Number of sources."""
        return 4 * self.n

    def of_positions(self, operator: sparse.csr_array) -> sparse.csr_array:
        """Return an operator on positions (m, 2n) as one on all sources."""
        empty = sparse.csr_array((operator.shape[0], 2 * self.n))
        return sparse.csr_array(sparse.hstack([operator, empty], format="csr"))

    def of_atoms(self, operator: sparse.csr_array, kind: str) -> sparse.csr_array:
        """Return an operator on one number an atom (m, n), "intensity" or "width", as above."""
        before = 2 * self.n if kind == "intensity" else 3 * self.n
        after = self.size - before - self.n
        m = operator.shape[0]
        parts = [sparse.csr_array((m, before)), operator, sparse.csr_array((m, after))]
        return sparse.csr_array(sparse.hstack(parts, format="csr"))

    def variances(self, operator: sparse.csr_array) -> Floats:
        """Return the variance of each row of ``operator``; 0 where nothing is known."""
        if not self.errors.known:
            return np.zeros(operator.shape[0])
        return self.errors.blocks(operator, 1)[:, 0, 0]

    def position_sd(self, operator: sparse.csr_array | None = None) -> Floats | None:
        """Return the errors (m, 2) along x and y of places ``operator`` (m, n) @ positions.

        None for the operator: of each atom. None is returned where positions have no errors.
        """
        if "position" not in self.known:
            return None
        one = sparse.csr_array(sparse.eye_array(self.n)) if operator is None else operator
        both = sparse.csr_array(sparse.kron(one, sparse.eye_array(2), format="csr"))
        return np.sqrt(np.maximum(self.variances(self.of_positions(both)), 0.0)).reshape(-1, 2)


def atom_errors(atoms: AtomicConfiguration) -> AtomErrors:
    """Return the joint errors of positions, intensities and widths as far as they are known."""
    n = atoms.n
    places = position_errors(atoms)
    known = {"position"} if places.known else set()
    joint = _fitted(atoms) if places.source == "joint" else None
    if joint is not None:
        known |= {"intensity", "width"}
        core = joint
    else:
        first = places.terms[0][1] if places.known else sparse.csr_array((2 * n, 2 * n))
        intensity = np.zeros(n)
        if atoms.intensity is not None and atoms.intensity_sd is not None:
            known.add("intensity")
            positive = np.where(atoms.intensity > 0, atoms.intensity, np.inf)
            intensity = (atoms.intensity_sd / positive) ** 2
        core = sparse.csr_array(
            sparse.block_diag(
                [first, sparse.diags_array(np.concatenate([intensity, np.zeros(n)]))], format="csr"
            )
        )
    terms: list[tuple[sparse.csr_array | None, sparse.csr_array]] = [(None, core)] if known else []
    for spread, rows in places.terms[1:]:
        if spread is not None:
            empty = sparse.csr_array((2 * n, spread.shape[1]))
            terms.append((sparse.csr_array(sparse.vstack([spread, empty], format="csr")), rows))
    return AtomErrors(
        n, PositionErrors(tuple(terms), places.source, ()), frozenset(known), places.warnings
    )


def _fitted(atoms: AtomicConfiguration) -> sparse.csr_array | None:
    """Return the covariance of all sources from the fit's joint one, where it is of that kind."""
    n = atoms.n
    if atoms.covariance is None or atoms.covariance.shape[0] != PARAMETERS * n:
        return None
    if atoms.intensity is None or atoms.intensity_sd is None or np.any(atoms.intensity == 0):
        return None
    atom = np.arange(n)
    first = PARAMETERS * atom
    # log intensity = log amplitude + 2 log width + constant
    row = np.concatenate([2 * atom, 2 * atom + 1, 2 * n + atom, 2 * n + atom, 3 * n + atom])
    column = np.concatenate([first, first + 1, first + 2, first + 3, first + 3])
    value = np.repeat([1.0, 1.0, 1.0, 2.0, 1.0], n)
    change = sparse.csr_array((value, (row, column)), shape=(4 * n, PARAMETERS * n))
    core = sparse.csr_array(
        change @ atoms.covariance.tocsr().astype(np.float64) @ sparse.csr_array(change.T)
    )
    said = (atoms.intensity_sd / np.abs(atoms.intensity)) ** 2
    if not np.allclose(core.diagonal()[2 * n : 3 * n], said, rtol=SAME, atol=0.0):
        return None
    return core
