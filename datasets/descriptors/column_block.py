"""Descriptors of patches that belong together: values, errors, units, tiers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

__all__ = ["ColumnBlock"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class ColumnBlock:
    """Descriptors of every patch whose measurement errors may be correlated with one another.

    Attributes
    ----------
    names
        Controlled names of the columns.
    values
        Shape (n_patches, n_columns); NaN where a patch does not have a descriptor.
    tiers
        0 composition, 1 structure, 2 response, by column.
    units
        Unit of each column, "1" for a pure number.
    covariance
        Of the measurement errors, shape (n_patches or 1, n_columns, n_columns); None when unknown.
    error_length
        Length over which the errors of neighbouring patches agree, or None.
    derived
        Column -> the columns that it is computed from, or that it repeats.
    flags
        Column -> what must be known before it is used ("no signal above its noise").
    notes
        Sentences for the table's warnings.
    periods
        Column -> a full turn in its unit, for directions.
    pixels_of
        Column -> the channel, response or spectra whose pixels it is computed from: links between
        columns of the same may be arithmetic.
    """

    names: tuple[str, ...]
    values: Floats
    tiers: tuple[int, ...]
    units: tuple[str, ...]
    covariance: Floats | None = None
    error_length: float | None = None
    derived: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    flags: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    periods: Mapping[str, float] = field(default_factory=dict)
    pixels_of: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        k = len(self.names)
        if self.values.ndim != 2 or not self.values.shape[1] == len(self.tiers) == k:
            raise ValueError(f"a block of {k} names holds values of shape {self.values.shape}")
        if len(self.units) != k:
            raise ValueError(f"a block of {k} names holds {len(self.units)} units")
        if self.covariance is not None and (
            self.covariance.shape[1:] != (k, k) or len(self.covariance) not in (1, len(self.values))
        ):
            raise ValueError(f"a block of {k} names holds covariances {self.covariance.shape}")
