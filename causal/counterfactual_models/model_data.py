"""The table as a structural model reads it: columns, levels, noise, blocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from physlearn.causal.columns import Columns, prepare_columns, trend_basis
from physlearn.causal.mechanisms import choose_blocks, resample_blocks
from physlearn.causal.spatial_layout import Floats, Integers
from physlearn.causal.spatial_test import SpatialScore
from physlearn.checks import InputError, NotIdentified

if TYPE_CHECKING:
    from physlearn.records import PatchTable

MOST_LEVELS = 12


@dataclass(frozen=True, slots=True, eq=False)
class ModelData:
    """Columns of a patch table, those with levels told apart.

    Attributes
    ----------
    columns
        Standardised, plane and covariates taken out.
    raw
        Column -> values (n,) in the column's unit.
    units
        Column -> unit.
    levels
        Column with levels -> its values, ascending; columns of two values are among them.
    covariance
        Measurement errors (n or 1, p, p) in the columns' units, order of `columns.names`; zeros
        where unknown, and for columns with levels.
    noise_known
        Whether the table gave them.
    trend
        Orthonormal location and covariate terms (n, t).
    blocks, weights
        Spatial block of each patch, and how often each block stands in each resample.
    seed
        Of noise added on purpose.
    """

    columns: Columns
    raw: Mapping[str, Floats]
    units: Mapping[str, str]
    levels: Mapping[str, tuple[float, ...]]
    covariance: Floats
    noise_known: bool
    trend: Floats
    blocks: Integers
    weights: Floats
    seed: int

    @property
    def names(self) -> tuple[str, ...]:
        """The columns kept."""
        return self.columns.names

    def groups(self, parents: Sequence[str]) -> list[int]:
        """Return for each column of `design` -1, or the place of the column it indicates."""
        result = []
        for k, name in enumerate(parents):
            result += [k] * (len(self.levels[name]) - 1) if name in self.levels else [-1]
        return result

    def design(self, parents: Sequence[str], state: Mapping[str, Floats]) -> Floats:
        """Return parents (..., q) from values in units: standardised, or one line a level."""
        columns = []
        for name in parents:
            values = state[name]
            if name in self.levels:
                columns += [(values == level) * 1.0 for level in self.levels[name][1:]]
            else:
                k = self.columns.index(name)
                columns.append((values - self.columns.center[k]) / self.columns.scale[k])
        shape = np.broadcast_shapes(*(column.shape for column in columns))
        return np.stack([np.broadcast_to(column, shape) for column in columns], axis=-1)

    def design_noise(self, names: Sequence[str]) -> Floats:
        """Return the covariance (n or 1, q, q) of the errors of `design`."""
        places = [-1 if g >= 0 else 0 for g in self.groups(names)]
        free = [self.columns.index(name) for name in names if name not in self.levels]
        result = np.zeros((len(self.covariance), len(places), len(places)))
        inner = [k for k, place in enumerate(places) if place == 0]
        scale = self.columns.scale[free]
        part = self.covariance[:, free][:, :, free] / np.outer(scale, scale)
        result[np.ix_(range(len(result)), inner, inner)] = part
        return result


def read_table(
    table: PatchTable,
    names: Sequence[str],
    categorical: Sequence[str],
    generator: np.random.Generator,
) -> ModelData:
    """Return the columns `names` of a table, ready for the fits of mechanisms.

    Raises
    ------
    InputError
        For a categorical column that the table lacks or that holds too many levels.
    NotIdentified
        For too few patches.
    """
    for name in categorical:
        if name not in table.columns:
            raise InputError(f"categorical must name columns of the table; {name!r} is none.")
    columns = prepare_columns(table, names=names, drop=True)
    frame = table.frame
    raw = {name: frame[name].to_numpy(dtype=np.float64) for name in columns.names}
    levels = {}
    for name in columns.names:
        found = np.unique(raw[name])
        if name in categorical and len(found) > MOST_LEVELS:
            raise InputError(
                f"categorical column {name!r} holds {len(found)} different values, at most "
                f"{MOST_LEVELS} are levels; leave it out of categorical, or merge levels."
            )
        if name in categorical or len(found) == 2:
            levels[name] = tuple(found.tolist())
    index = [table.columns.index(name) for name in columns.names]
    covariance = np.zeros((1, len(index), len(index)))
    if table.measurement_covariance is not None:
        covariance = np.array(table.measurement_covariance[:, index][:, :, index])
        coded = [k for k, name in enumerate(columns.names) if name in levels]
        covariance[:, coded, :] = covariance[:, :, coded] = 0.0
    spatial = SpatialScore(columns.values, columns.layout, columns.noise, n_trend=columns.n_trend)
    blocks = choose_blocks(spatial)
    if int(blocks.max()) < 4:
        raise NotIdentified("the patches lie in fewer than 5 places apart; image a larger area.")
    return ModelData(
        columns=columns,
        raw=raw,
        units={name: table.units.get(name, "1") for name in columns.names},
        levels=levels,
        covariance=covariance,
        noise_known=table.measurement_covariance is not None,
        trend=trend_basis(table),
        blocks=blocks,
        weights=resample_blocks(blocks, generator),
        seed=int(generator.integers(2**32)),
    )
