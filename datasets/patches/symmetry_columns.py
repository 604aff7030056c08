"""How far neighbourhoods of a patch miss a symmetry, less what position errors explain."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.spatial import cKDTree

from physlearn.datasets.descriptors.patch_places import PatchPlaces
from physlearn.datasets.patches.atom_column import AtomColumn, sum_of_squares
from physlearn.datasets.patches.atom_errors import AtomErrors
from physlearn.datasets.patches.point_sets import point_set
from physlearn.datasets.structure.bond_search import bond_cut, half_edges
from physlearn.datasets.structure.local_symmetry import LocalSymmetry
from physlearn.records import AtomicConfiguration

__all__ = ["symmetry_columns"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

TURNS = (2, 3, 4, 6)


def symmetry_columns(
    atoms: AtomicConfiguration, found: LocalSymmetry, places: PatchPlaces, errors: AtomErrors
) -> list[AtomColumn]:
    """Return the mean square deviation from the inversion and from the best higher rotation.

    In units of the nearest distance squared: turned neighbours against the ones they fall on.
    """
    typical = bond_cut(atoms.positions)[1]
    order, starts, targets, steps = half_edges(atoms.positions, atoms.cell, found.radius)
    atom = order[np.repeat(np.arange(atoms.n), np.diff(starts))]
    other = order[targets]
    inner = ~found.edge & (found.n_neighbors > 0)
    weights = point_set(places, atoms.positions, None, inner).weights
    typical_deviation = np.nanmedian(
        np.where(found.edge[:, None], np.nan, found.deviations), axis=0
    )
    higher = (
        1 + int(np.nanargmin(typical_deviation[1:4]))
        if np.isfinite(typical_deviation[1:4]).any()
        else 1
    )
    columns = []
    for turn in (TURNS[0], TURNS[higher]):
        angle = 2 * np.pi / turn
        matrix = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        partner = _partners(atom, steps @ matrix.T, steps, float(found.radius))
        gap = steps @ matrix.T - steps[partner]
        rows = _gap_rows(atom, other, partner, matrix, errors)
        number = np.bincount(atom, minlength=atoms.n)
        share = sparse.csr_array(
            (1.0 / (number[atom] * typical**2), (atom, np.arange(len(atom)))),
            shape=(atoms.n, len(atom)),
        )
        both = sparse.csr_array(sparse.kron(weights @ share, np.ones((1, 2)), format="csr"))
        column = AtomColumn(
            f"asymmetry_{turn}", np.zeros(places.n), 1, "1", needs=frozenset({"position"})
        )
        columns.append(sum_of_squares(column, errors, rows, gap.ravel(), both))
    return columns


def _partners(atom: Integers, moved: Floats, steps: Floats, radius: float) -> Integers:
    """Return for each turned neighbour the number of the nearest neighbour of the same atom."""
    # a third coordinate that keeps the atoms' neighbourhoods apart
    level = 10.0 * radius * atom[:, None]
    tree = cKDTree(np.concatenate([steps, level], axis=1))
    return np.asarray(tree.query(np.concatenate([moved, level], axis=1))[1], dtype=np.int64)


def _gap_rows(
    atom: Integers, other: Integers, partner: Integers, matrix: Floats, errors: AtomErrors
) -> sparse.csr_array:
    """Return (2m, sources): turned step to a neighbour less the step to its partner."""
    m = len(atom)
    number = np.arange(m)
    parts = [(other, matrix), (other[partner], -np.eye(2)), (atom, np.eye(2) - matrix)]
    row, column, value = [], [], []
    for which, block in parts:
        for a in range(2):
            for b in range(2):
                row.append(2 * number + a)
                column.append(2 * which + b)
                value.append(np.full(m, block[a, b]))
    return sparse.csr_array(
        (np.concatenate(value), (np.concatenate(row), np.concatenate(column))),
        shape=(2 * m, errors.size),
    )
