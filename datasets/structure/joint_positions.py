"""Errors of many positions at once, and what a linear combination of positions inherits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from physlearn.records import AtomicConfiguration
from physlearn.records.storage import short_repr

__all__ = ["PositionErrors", "position_errors", "scan_doubt"]

Floats = NDArray[np.float64]
NO_ERRORS = "the atoms carry no position errors: every error bar is missing (NaN), not zero."
SAME = 0.01
FARTHEST_ROWS = 8.0
"""Row errors further apart than this many correlation lengths are independent."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class PositionErrors:
    """Covariance of x, y of all atoms as a sum of ``spread @ core @ spread.T``.

    The first term is the fit's (``spread`` None is the identity, shape (2n, 2n)); the second, where
    there is one, is what the scan rows share.
    """

    terms: tuple[tuple[sparse.csr_array | None, sparse.csr_array], ...]
    source: str
    warnings: tuple[str, ...]

    __repr__ = short_repr

    @property
    def known(self) -> bool:
        """Whether there are errors at all."""
        return bool(self.terms)

    def blocks(self, operator: sparse.csr_array, size: int, shared: Floats | None = None) -> Floats:
        """Return the (m, size, size) covariances of ``operator @ positions``, block by block.

        From each block ``shared @ positions``, shape (size, 2n), is subtracted where given. NaN
        without errors.
        """
        m = operator.shape[0] // size
        if not self.known:
            return np.full((m, size, size), np.nan)
        total = np.zeros((m, size, size))
        for spread, core in self.terms:
            rows = operator if spread is None else sparse.csr_array(operator @ spread)
            weighted = sparse.csr_array(rows @ core)
            parts = [rows[k::size] for k in range(size)]
            for k in range(size):
                heavy = weighted[k::size]
                for other in range(size):
                    total[:, k, other] += np.asarray(heavy.multiply(parts[other]).sum(axis=1))
            if shared is not None:
                common = shared if spread is None else (spread.T @ shared.T).T
                cross = (weighted @ common.T).reshape(m, size, size)
                total += common @ (core @ common.T) - cross - np.swapaxes(cross, 1, 2)
        return total

    def full(self, operator: sparse.csr_array | Floats) -> Floats | None:
        """Return the dense covariance of ``operator @ positions`` (few rows), or None."""
        if not self.known:
            return None
        total = np.zeros((operator.shape[0], operator.shape[0]))
        for spread, core in self.terms:
            rows = operator if spread is None else operator @ spread
            product = rows @ core @ rows.T
            total += np.asarray(product.toarray() if hasattr(product, "toarray") else product)
        return total

    def joint(self, operator: sparse.csr_array) -> sparse.csr_array | None:
        """Return the sparse covariance of ``operator @ positions``, or None."""
        if not self.known:
            return None
        total = None
        for spread, core in self.terms:
            rows = operator if spread is None else operator @ spread
            product = sparse.csr_array(rows @ core @ rows.T)
            total = product if total is None else sparse.csr_array(total + product)
        return total

    def total(self, n: int) -> sparse.csr_array | None:
        """Return the sparse covariance (2n, 2n) of all positions, or None."""
        return self.joint(sparse.csr_array(sparse.eye_array(2 * n)))


def position_errors(atoms: AtomicConfiguration) -> PositionErrors:
    """Return the joint errors of the positions, those of each atom alone, or none."""
    core, source, warnings = _core(atoms)
    if core is None:
        return PositionErrors((), source, warnings)
    terms: list[tuple[sparse.csr_array | None, sparse.csr_array]] = [(None, core)]
    # correct_scan has put what is left of the rows' error into the joint covariance
    held = atoms.metadata.get("scan_corrected") is True
    if atoms.row_error is not None and atoms.row_error[0] > 0 and atoms.n and not held:
        terms.append(_rows(atoms))
    return PositionErrors(tuple(terms), source, warnings)


def _core(atoms: AtomicConfiguration) -> tuple[sparse.csr_array | None, str, tuple[str, ...]]:
    """Return the covariance (2n, 2n) of the fit, where it came from, warnings."""
    n = atoms.n
    warnings: tuple[str, ...] = ()
    if atoms.covariance is not None and n:
        size = atoms.covariance.shape[0]
        said = atoms.metadata.get("parameters_per_atom")
        per = int(said) if said else size // n
        if per >= 2 and (said or size % n == 0) and size >= per * n:
            where = (np.arange(n)[:, None] * per + np.arange(2)).ravel()
            joint = sparse.csr_array(atoms.covariance.tocsr()[where][:, where].astype(np.float64))
            if _same_errors(joint, atoms.position_covariance):
                return joint, "joint", ()
        warnings = (
            f"covariance of shape {atoms.covariance.shape} does not belong to these {n} atoms, or "
            "contradicts their position_covariance: the latter was taken and the errors of "
            "neighbours as independent.",
        )
    if atoms.position_covariance is None:
        return None, "none", (*warnings, NO_ERRORS)
    blocks = sparse.bsr_array(
        (np.asarray(atoms.position_covariance), np.arange(n), np.arange(n + 1)),
        shape=(2 * n, 2 * n),
    )
    return sparse.csr_array(blocks), "per atom", warnings


def _same_errors(joint: sparse.csr_array, alone: Floats | None) -> bool:
    """Return whether the joint covariance holds the atoms' own variances, so that it is theirs."""
    if alone is None:
        return True
    variance = np.einsum("nii->ni", np.asarray(alone)).ravel()
    return bool(np.allclose(joint.diagonal(), variance, rtol=SAME, atol=0.0))


def _rows(atoms: AtomicConfiguration) -> tuple[sparse.csr_array, sparse.csr_array]:
    """Return how atoms take part in picture rows, and the covariance of the rows' shifts along x.

    A row's shift has covariance sd^2 exp(-|rows| / length); an atom takes the mean over its rows,
    weighted by its profile.
    """
    assert atoms.row_error is not None  # noqa: S101 -- the caller has looked
    sd, length = atoms.row_error
    step = 1.0 if atoms.pixel_size is None else atoms.pixel_size[1]
    y = atoms.positions[:, 1] / step
    row = np.round(y).astype(np.int64)
    width = 0.3 if atoms.width is None else max(float(np.median(atoms.width)) / step, 0.3)
    reach = np.arange(-int(np.ceil(3 * width)), int(np.ceil(3 * width)) + 1)
    weights = np.exp(-0.5 * ((row[:, None] + reach - y[:, None]) / width) ** 2)
    weights /= weights.sum(axis=1, keepdims=True)
    first = int(row.min() + reach[0])
    n_rows = int(row.max() + reach[-1]) - first + 1
    where = (row[:, None] + reach - first).ravel()
    axis = np.repeat(np.arange(atoms.n) * 2, len(reach))
    spread = sparse.csr_array((weights.ravel(), (axis, where)), shape=(2 * atoms.n, n_rows))
    farthest = min(int(FARTHEST_ROWS * length), n_rows - 1)
    lags = list(range(-farthest, farthest + 1))
    values = [sd**2 * (float(np.exp(-abs(lag) / length)) if lag else 1.0) for lag in lags]
    rows = sparse.diags_array(values, offsets=lags, shape=(n_rows, n_rows))
    return spread, sparse.csr_array(rows)


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
