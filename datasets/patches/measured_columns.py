"""Patch means of records measured on the atoms: strain, polar displacement, rings, vacancies."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from physlearn.checks import InputError
from physlearn.datasets.descriptors.patch_places import PatchPlaces
from physlearn.datasets.patches.atom_column import (
    AtomColumn,
    sum_of_squares,
)
from physlearn.datasets.patches.atom_errors import AtomErrors
from physlearn.datasets.patches.point_sets import point_set
from physlearn.datasets.patches.ring_columns import ring_columns
from physlearn.datasets.patches.strain_columns import field_strain
from physlearn.datasets.patches.symmetry_columns import symmetry_columns
from physlearn.datasets.sites.site_states import SITE_STATES, SiteStates
from physlearn.datasets.structure.find_rings import Rings
from physlearn.datasets.structure.local_symmetry import LocalSymmetry
from physlearn.datasets.structure.polarization import PolarizationField
from physlearn.datasets.structure.strain import StrainField
from physlearn.records import AtomicConfiguration

__all__ = ["measured_columns"]

Floats = NDArray[np.float64]
KINDS = (
    "StrainField, PolarizationField, Rings, SiteStates, LocalSymmetry or the table of column_shapes"
)
SHAPE_COLUMNS = ("e_plus", "e_cross", "e_plus_sd", "e_cross_sd", "e_covariance")
SMALLEST_DOUBT = 0.01
"""Site states that no site holds with at least this probability get no column."""


def measured_columns(
    atoms: AtomicConfiguration,
    measurements: Sequence[object],
    places: PatchPlaces,
    errors: AtomErrors,
    notes: list[str],
) -> list[AtomColumn]:
    """Return the columns of each record, in the order given."""
    columns: list[AtomColumn] = []
    for record in measurements:
        if isinstance(record, StrainField):
            _check(record.operator.shape[1] == 2 * atoms.n, "strain field")
            columns += field_strain(record, places, errors)
            notes.extend(record.warnings)
        elif isinstance(record, PolarizationField):
            _check(record.operator.shape[1] == 2 * atoms.n, "polarization field")
            columns += _polar_columns(record, places, errors)
            notes.extend(record.warnings)
        elif isinstance(record, Rings):
            _check(record.atoms.n == atoms.n, "rings")
            columns += ring_columns(record, places, errors, notes)
        elif isinstance(record, SiteStates):
            columns += _vacancy_columns(record, places)
            notes.extend(record.warnings)
        elif isinstance(record, LocalSymmetry):
            _check(len(record.deviations) == atoms.n, "local symmetry")
            columns += symmetry_columns(atoms, record, places, errors)
            notes.extend(record.warnings)
        elif isinstance(record, pd.DataFrame) and set(SHAPE_COLUMNS) <= set(record.columns):
            _check(len(record) == atoms.n, "table of column shapes")
            columns += _shape_columns(record, atoms.positions, places)
        else:
            raise InputError(f"measurements must be of {KINDS}; got {type(record).__name__}.")
    names = [column.name for column in columns]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"measurements give {name} twice: give each kind of record once.")
    return columns


def _check(same: bool, what: str) -> None:
    """Refuse a record of other atoms."""
    if not same:
        raise InputError(
            f"the {what} in measurements belongs to another number of atoms: measure it on these."
        )


def _polar_columns(
    field: PolarizationField, places: PatchPlaces, errors: AtomErrors
) -> list[AtomColumn]:
    """Return the mean polar displacement (x, y) and its mean square over the cells of a patch."""
    points = point_set(places, field.positions, None)
    weights = points.weights
    rows = errors.of_positions(field.operator)
    needs = frozenset({"position"})
    columns = [
        AtomColumn(
            f"polar_displacement_{axis}", points.means(field.displacements[:, k]), 1,
            field.unit, sparse.csr_array(weights @ rows[k::2]), needs=needs,
        )
        for k, axis in enumerate("xy")
    ]  # fmt: skip
    squared = AtomColumn(
        "polar_displacement_squared", columns[0].values, 1, f"{field.unit}^2", needs=needs
    )
    both = sparse.csr_array(sparse.kron(weights, np.ones((1, 2)), format="csr"))
    return [*columns, sum_of_squares(squared, errors, rows, field.displacements.ravel(), both)]


def _vacancy_columns(sites: SiteStates, places: PatchPlaces) -> list[AtomColumn]:
    """Return the share of sites in each state but present, from the states' probabilities."""
    points = point_set(places, sites.positions, None)
    square = points.weights.power(2)
    states = [
        k for k in range(1, len(SITE_STATES)) if sites.probability[:, k].max() > SMALLEST_DOUBT
    ]
    columns: list[AtomColumn] = []
    for number, k in enumerate(states):
        chance = sites.probability[:, k]
        shared = {
            f"{SITE_STATES[other]}_sites": -(square @ (chance * sites.probability[:, other]))
            for other in states[:number]
        }
        columns.append(
            AtomColumn(
                f"{SITE_STATES[k]}_sites", points.means(chance), 0,
                own=square @ (chance * (1.0 - chance)), shared=shared,
            )
        )  # fmt: skip
    return columns


def _shape_columns(
    shapes: pd.DataFrame, positions: Floats, places: PatchPlaces
) -> list[AtomColumn]:
    """Return the mean ellipticity (both components, axes of the picture) of a patch's columns."""
    numbers = shapes[list(SHAPE_COLUMNS)].to_numpy(dtype=np.float64)
    good = np.isfinite(numbers).all(axis=1)
    numbers = np.where(good[:, None], numbers, 0.0)
    points = point_set(places, positions, None, good)
    square = points.weights.power(2)
    plus = AtomColumn(
        "ellipticity_plus", points.means(numbers[:, 0]), 1, own=square @ numbers[:, 2] ** 2
    )
    cross = AtomColumn(
        "ellipticity_cross", points.means(numbers[:, 1]), 1,
        own=square @ numbers[:, 3] ** 2, shared={"ellipticity_plus": square @ numbers[:, 4]},
    )  # fmt: skip
    return [plus, cross]
