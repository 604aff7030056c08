"""Errors of many positions at once, and what a linear combination of positions inherits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from physlearn.records import AtomicConfiguration

__all__ = ["PositionErrors", "diagonal_blocks", "position_errors", "row_jitter", "scan_doubt"]

Floats = NDArray[np.float64]
NO_ERRORS = "the atoms carry no position errors: every error bar is missing (NaN), not zero."
FARTHEST_ROWS = 8.0
"""Row errors further apart than this many correlation lengths are independent."""


@dataclass(frozen=True, slots=True, eq=False)
class PositionErrors:
    """Covariance (2n, 2n) of x, y of all atoms, where it came from, and warnings."""

    covariance: sparse.csr_array | None
    source: str
    warnings: tuple[str, ...]

    def of(self, operator: sparse.csr_array) -> sparse.csr_array | None:
        """Return the covariance of ``operator @ positions.ravel()``."""
        if self.covariance is None:
            return None
        return sparse.csr_array(operator @ self.covariance @ operator.T)


def position_errors(atoms: AtomicConfiguration) -> PositionErrors:
    """Return the joint covariance of the positions, or of each atom alone, or none."""
    n = atoms.n
    if atoms.covariance is not None and n:
        size = atoms.covariance.shape[0]
        said = atoms.metadata.get("parameters_per_atom")
        per = int(said) if said else size // n
        if per >= 2 and (said or size % n == 0) and size >= per * n:
            where = (np.arange(n)[:, None] * per + np.arange(2)).ravel()
            joint = atoms.covariance.tocsr()[where][:, where]
            return PositionErrors(sparse.csr_array(joint.astype(np.float64)), "joint", ())
        return _alone(
            atoms,
            f"covariance of shape {atoms.covariance.shape} does not belong to {n} atoms: the "
            "errors of neighbours were taken as independent.",
        )
    return _alone(atoms, "")


def _alone(atoms: AtomicConfiguration, doubt: str) -> PositionErrors:
    """Return the covariance that treats atoms as independent, or none."""
    said = (doubt,) if doubt else ()
    if atoms.position_covariance is None:
        return PositionErrors(None, "none", (*said, NO_ERRORS))
    n = atoms.n
    blocks = sparse.bsr_array(
        (np.asarray(atoms.position_covariance), np.arange(n), np.arange(n + 1)),
        shape=(2 * n, 2 * n),
    )
    return PositionErrors(sparse.csr_array(blocks), "per atom", said)


def diagonal_blocks(matrix: sparse.csr_array | None, size: int, n: int) -> Floats:
    """Return the (n, size, size) blocks on the diagonal; NaN where there is no matrix."""
    blocks = np.zeros((n, size, size))
    if matrix is None:
        blocks[:] = np.nan
        return blocks
    entries = matrix.tocoo()
    same = entries.row // size == entries.col // size
    row, column = entries.row[same], entries.col[same]
    blocks[row // size, row % size, column % size] = entries.data[same]
    return blocks


def row_jitter(atoms: AtomicConfiguration, operator: sparse.csr_array) -> sparse.csr_array | None:
    """Return what the row jitter of ``atoms.row_error`` adds to the covariance of ``operator``.

    A picture row's shift along x has covariance sd^2 exp(-|rows| / length); an atom takes the mean
    over its rows, weighted by its profile.
    """
    if atoms.row_error is None or atoms.row_error[0] == 0 or not atoms.n:
        return None
    sd, length = atoms.row_error
    step = 1.0 if atoms.pixel_size is None else atoms.pixel_size[1]
    y = atoms.positions[:, 1] / step
    row = np.round(y).astype(np.int64)
    width = 0.5 if atoms.width is None else float(np.median(atoms.width)) / step
    reach = np.arange(-int(np.ceil(3 * width)), int(np.ceil(3 * width)) + 1)
    weights = np.exp(-0.5 * ((row[:, None] + reach - y[:, None]) / max(width, 1e-3)) ** 2)
    weights /= weights.sum(axis=1, keepdims=True)
    first = int(row.min() + reach[0])
    n_rows = int(row.max() + reach[-1]) - first + 1
    where = (row[:, None] + reach - first).ravel()
    atom = np.repeat(np.arange(atoms.n) * 2, len(reach))
    spread = sparse.csr_array((weights.ravel(), (atom, where)), shape=(2 * atoms.n, n_rows))
    lags = range(-int(FARTHEST_ROWS * length), int(FARTHEST_ROWS * length) + 1)
    lags = [lag for lag in lags if abs(lag) < n_rows]
    values = [sd**2 * (np.exp(-abs(lag) / length) if length > 0 else 1.0) for lag in lags]
    rows = sparse.diags_array(values, offsets=lags, shape=(n_rows, n_rows))
    carried = sparse.csr_array(operator @ spread)
    return sparse.csr_array(carried @ rows @ carried.T)


def scan_doubt(atoms: AtomicConfiguration, scanned: bool | None, what: str) -> str:
    """Return the sentence on displacements that a scan error could have made, or nothing."""
    if scanned is None:
        scanned = atoms.pixel_size is not None or atoms.row_error is not None
    if not scanned:
        return ""
    if atoms.row_error is None:
        known = "the scan's row jitter is unknown"
    else:
        known = f"the scan's row jitter is {atoms.row_error[0]:.3g} {atoms.unit} a row"
    return (
        f"{what} along x common to all atoms of a scan row is not identified: {known} and looks "
        "the same (give scanned=False for a picture that was not scanned row by row)."
    )
