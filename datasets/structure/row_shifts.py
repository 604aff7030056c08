"""What is left of displacements when all that shifts of scan rows could make is taken off."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from physlearn.checks import NotIdentified

if TYPE_CHECKING:
    from physlearn.datasets.structure.polarization import PolarizationField

__all__ = ["row_shifts_left_out"]

Floats = NDArray[np.float64]
SMALLEST = 1e-12
"""Shifts that move displacements by less than a millionth of the most telling one do not count."""
LARGEST_SHARE = 0.9


def row_shifts_left_out(field: PolarizationField, rows: float) -> tuple[Floats, Floats]:
    """Return displacements and their covariances less the best fit of row shifts along x.

    The fit is the projection Q Q' on the span of A = (operator along x) (shifts at the atoms), so
    the covariance of what is left is (1 - Q Q') C (1 - Q Q').
    """
    m = len(field.centers)
    basis = _span(field, rows)
    if basis.shape[1] > LARGEST_SHARE * m:
        raise NotIdentified(
            f"shifts of the scan's rows could make {basis.shape[1]} of the {m} displacements along "
            "x, so next to nothing would be left; give more rows if shifts change slowly, or a "
            "wider field of view."
        )
    left = field.displacements.copy()
    left[:, 0] -= basis @ (basis.T @ left[:, 0])
    covariance = field.covariance.copy()
    joint = field.joint_covariance()
    if joint is not None:
        xx, xy = joint[0::2, 0::2], joint[0::2, 1::2]
        heavy = np.asarray(xx @ basis)
        inner = basis.T @ heavy
        covariance[:, 0, 0] += ((basis @ inner - 2 * heavy) * basis).sum(axis=1)
        # rounding must not make a cell that the shifts explain whole negative
        covariance[:, 0, 0] = np.maximum(covariance[:, 0, 0], 0.0)
        covariance[:, 0, 1] -= (basis * np.asarray(xy.T @ basis)).sum(axis=1)
        covariance[:, 1, 0] = covariance[:, 0, 1]
    return left, covariance


def _span(field: PolarizationField, rows: float) -> Floats:
    """Return an orthonormal basis (m, r) of the x displacements that row shifts can make."""
    place = (field.scan_rows - field.scan_rows.min()) / rows
    knot = np.floor(place).astype(np.int64)
    share = place - knot
    atom = np.arange(len(place))
    hats = sparse.csr_array(
        (np.concatenate([1 - share, share]), (np.tile(atom, 2), np.concatenate([knot, knot + 1]))),
        shape=(len(place), int(knot.max()) + 2),
    )
    along = sparse.csr_array(field.operator[0::2, 0::2] @ hats)
    along = along[:, np.flatnonzero(abs(along).sum(axis=0))]
    values, vectors = np.linalg.eigh((along.T @ along).toarray())
    kept = values > SMALLEST * max(float(values[-1]), 1e-300)
    basis = np.asarray(along @ (vectors[:, kept] / np.sqrt(values[kept])))
    # the square root of the normal equations loses digits; one more pass restores them
    return np.asarray(np.linalg.qr(basis)[0])
