"""Spectra by patch, and folds of the patches whose spectra are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError
from physlearn.datasets.components.block_folds import BlockFolds, alike_length, folds_of
from physlearn.datasets.components.block_regression import regress_in_blocks
from physlearn.datasets.components.prepared_table import PreparedTable

__all__ = ["folds_beyond", "rows_of"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def folds_beyond(
    data: PreparedTable,
    known: Integers,
    inputs: Floats,
    targets: Floats,
    weights: Floats,
    folds: BlockFolds | None,
    seed: int,
) -> tuple[BlockFolds, float]:
    """Return folds of the known rows, and the length over which a line's held-out errors agree.

    Where that is longer than the inputs' own, blocks are made longer: a cause that no input shows
    is known from neighbours, but not elsewhere.
    """
    splits = _folds_of_known(data, known, folds, seed)
    line = regress_in_blocks(inputs, targets, known, splits, ("ridge",), weights, seed)
    there = replace(
        data,
        values=data.values[known],
        centers=None if data.centers is None else data.centers[known],
        times=None if data.times is None else data.times[known],
    )
    wrong = (targets - line.held_out) * weights
    length = alike_length(there, wrong - wrong.mean(axis=0), np.random.default_rng(seed))
    if folds is None and length > splits.correlation_length:
        longer = folds_of(data, least_length=length, rng=seed)
        splits = _folds_of_known(data, known, longer, seed)
    return splits, length


def _folds_of_known(
    data: PreparedTable, known: Integers, folds: BlockFolds | None, seed: int
) -> BlockFolds:
    """Return folds of the known rows only."""
    splits = folds if folds is not None else folds_of(data, rng=seed)
    if len(splits.fold) != data.n:
        raise InputError(f"folds must be of this table: {len(splits.fold)} rows, not {data.n}.")
    _, fold = np.unique(splits.fold[known], return_inverse=True)
    _, block = np.unique(splits.block[known], return_inverse=True)
    if fold.max() < 1:
        raise InputError("known patches must lie in at least two folds; give other folds.")
    return replace(
        splits, fold=np.asarray(fold, dtype=np.int64), block=np.asarray(block, dtype=np.int64),
        n_folds=int(fold.max()) + 1, _points=splits._points[known],
        _groups=splits._groups[known],
    )  # fmt: skip


def rows_of(spectra: xr.DataArray | ArrayLike, n: int, name: str) -> tuple[Floats, tuple[str, ...]]:
    """Return spectra (n, m) with NaN rows where unknown, and the names of their channels."""
    if isinstance(spectra, xr.DataArray) and spectra.ndim == 2:
        if "patch" in spectra.dims:
            spectra = spectra.transpose("patch", ...)
        elif spectra.shape[0] == spectra.shape[1]:
            raise InputError(
                f"{name} has as many patches as channels: call the dim of the patches 'patch'; got "
                f"{tuple(spectra.dims)}."
            )
    rows = np.asarray(spectra, dtype=np.float64)
    if rows.ndim != 2 or len(rows) != n:
        raise InputError(f"{name} must have shape ({n}, m), one row a patch; got {rows.shape}.")
    names = tuple(str(number) for number in range(rows.shape[1]))
    if isinstance(spectra, xr.DataArray) and spectra.dims[1] in spectra.coords:
        names = tuple(str(each) for each in spectra[spectra.dims[1]].to_numpy())
    return rows, names
