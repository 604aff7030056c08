"""A descriptor of patches as a function of the atoms' measured numbers, to second order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from physlearn.datasets.patches.atom_errors import AtomErrors
from physlearn.datasets.patches.point_sets import PointSet

__all__ = ["AtomColumn", "Curvature", "scaled", "square_root", "sum_of_squares"]

Floats = NDArray[np.float64]

SMALLEST_ROOT = 0.1
"""The slope of a root is taken no steeper than here."""


@dataclass(frozen=True, slots=True, eq=False)
class Curvature:
    """Second derivatives of a column: H of patch p = sum over r of weights[p, r] rows_r rows_r^T.

    ``rows`` is sparse (m, sources), ``weights`` sparse (n_patches, m).
    """

    rows: sparse.csr_array
    weights: sparse.csr_array


@dataclass(frozen=True, slots=True, eq=False)
class AtomColumn:
    """One descriptor of every patch and how errors of the atoms change it.

    Attributes
    ----------
    name, values, tier, unit
        As in ``ColumnBlock``; values NaN where a patch does not have it.
    linear
        Sparse (n_patches, sources): first derivatives; None when no source changes it.
    common
        (sources,): derivatives of what is taken off every patch alike (a measured reference).
    curvature
        Second derivatives, for columns that errors change to second order (lengths, orders).
    needs
        Kinds of errors without which the column's own error is unknown.
    own, shared
        Further variance (n_patches,), and covariances with other columns by their names.
    points, point_values, point_noise, point_factor
        The column is the mean of these values, of these error variances, of these points (times a
        factor a patch): points near an edge may belong to the next patch.
    derived
        The columns that it repeats.
    flag
        What must be known before it is used, or "".
    """

    name: str
    values: Floats
    tier: int
    unit: str = "1"
    linear: sparse.csr_array | None = None
    common: Floats | None = None
    curvature: Curvature | None = None
    needs: frozenset[str] = frozenset()
    own: Floats | None = None
    shared: Mapping[str, Floats] = field(default_factory=dict)
    points: PointSet | None = None
    point_values: Floats | None = None
    point_noise: Floats | None = None
    point_factor: Floats | None = None
    derived: tuple[str, ...] = ()
    flag: str = ""


def scaled(rows: sparse.csr_array, factor: Floats) -> sparse.csr_array:
    """Return sparse rows times one factor each."""
    return sparse.csr_array(sparse.diags_array(factor) @ rows)


def sum_of_squares(
    column: AtomColumn,
    errors: AtomErrors,
    rows: sparse.csr_array,
    found: Floats,
    weights: sparse.csr_array,
) -> AtomColumn:
    """Return a column that is sum over r of weights[p, r] times the true value of row r, squared.

    The square of a measured number is too large by its variance, which is taken off. The values
    (and errors) of ``column`` are replaced.
    """
    square = found**2 - errors.variances(rows)
    values = np.asarray(weights @ square)
    values[np.diff(weights.indptr) == 0] = np.nan
    linear = sparse.csr_array(weights @ scaled(rows, 2.0 * found))
    shape = Curvature(rows, sparse.csr_array(2.0 * weights))
    return replace(column, values=values, linear=linear, curvature=shape)


def square_root(column: AtomColumn) -> AtomColumn:
    """Return the root of a column's values with its derivatives; 0 where they are not positive."""
    root = np.sqrt(np.maximum(column.values, 0.0))
    slope = 0.5 / np.where(root > SMALLEST_ROOT, root, SMALLEST_ROOT)
    linear, curvature = column.linear, column.curvature
    return replace(
        column, values=root, point_factor=slope,
        linear=None if linear is None else scaled(linear, slope),
        curvature=None if curvature is None
        else Curvature(curvature.rows, scaled(curvature.weights, slope)),
    )  # fmt: skip
