"""A table of patches, or a stack of spectra, as one matrix in a metric where errors are alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, check_array
from physlearn.records import PatchTable

__all__ = ["TIME_COLUMNS", "PreparedTable", "prepare_table", "repeated_rows"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

SMALLEST_ERROR = 1e-3
"""Share of a column's spread below which its measurement error is not trusted: weights stay
finite where an error is given as nearly 0."""
NO_SIGNAL = "no signal"
OUTLYING_SDS = 20.0
TIME_COLUMNS = ("time", "frame")


@dataclass(frozen=True, slots=True, eq=False)
class PreparedTable:
    """Values (n, c) without constant columns; ``noise`` (n|1, c, c) their errors, None unknown.

    ``metric`` (c, c) and its inverse: z = (x - center) @ metric has uncorrelated errors of
    variance 1 (mean over the patches) where errors are known, else columns of variance 1.
    """

    values: Floats
    columns: tuple[str, ...]
    units: tuple[str, ...]
    center: Floats
    metric: Floats
    inverse: Floats
    noise: Floats | None
    counts: bool
    centers: Floats | None
    times: Floats | None
    patch_size: float
    overlap: float
    error_length: float
    warnings: tuple[str, ...]

    @property
    def n(self) -> int:
        """Number of patches."""
        return len(self.values)

    def scaled(self) -> Floats:
        """Return the values in the metric."""
        return np.asarray((self.values - self.center) @ self.metric)


def prepare_table(
    source: PatchTable | xr.DataArray | ArrayLike,
    columns: Sequence[str] | None = None,
    errors: ArrayLike | str | None = None,
    *,
    full_metric: bool = True,
) -> PreparedTable:
    """Return the usable columns of a table, (y, x, spectral) stack or (n, c) array.

    ``full_metric`` False keeps columns apart (each divided by its error), as non-negative factors
    need.
    """
    if isinstance(source, PatchTable):
        table = _from_record(source, columns)
    elif isinstance(source, xr.DataArray):
        table = _from_stack(source)
    else:
        values = check_array("table", source, ndim=2)
        names = tuple(str(number) for number in range(values.shape[1]))
        table = _plain(values, names, ("1",) * len(names))
    if errors is not None:
        table = _with_errors(table, errors)
    return _with_metric(_without_constants(table), full_metric)


def repeated_rows(values: Floats) -> Integers:
    """Return the number of the group of equal rows to which each row belongs."""
    _, group = np.unique(values, axis=0, return_inverse=True)
    return np.asarray(group.ravel(), dtype=np.int64)


def _plain(values: Floats, names: tuple[str, ...], units: tuple[str, ...]) -> PreparedTable:
    """Return a matrix without places, times and errors."""
    c = values.shape[1]
    return PreparedTable(
        values, names, units, np.zeros(c), np.eye(c), np.eye(c), None, False, None, None, 1.0,
        0.0, 0.0, (),
    )  # fmt: skip


def _from_record(table: PatchTable, columns: Sequence[str] | None) -> PreparedTable:
    """Return the chosen columns of a table; without a choice, those that carry their own signal."""
    notes: list[str] = []
    if columns is None:
        idle = [name for name, text in table.flags.items() if NO_SIGNAL in text]
        derived = list(table.derived)
        names = [name for name in table.columns if name not in {*idle, *derived}]
        if names and idle:
            notes.append(f"left out, no signal above the noise: {', '.join(idle)}.")
        if names and derived:
            notes.append(f"left out, derived from other columns: {', '.join(derived)}.")
        names = names or table.columns
    else:
        names = [str(name) for name in columns]
        unknown = [name for name in names if name not in table.columns]
        if unknown or not names or len(set(names)) < len(names):
            raise InputError(
                f"columns must name different columns of the table ({', '.join(table.columns)}); "
                f"got {names}."
            )
    index = [table.columns.index(name) for name in names]
    noise = table.measurement_covariance
    if noise is not None:
        blind = [name for name in names if name in table.errors_unknown]
        noise = noise[:, index][:, :, index]
        silent = not np.einsum("nii->ni", noise).any()
        if blind or silent:
            noise = None
            notes.append(
                f"weighted by spread, not by errors: nobody knows the errors of "
                f"{', '.join(blind) if blind else 'the columns'}."
            )
    if table.chosen_by_result:
        notes.append("patches were chosen by a result: shares and classes are of those only.")
    return replace(
        _plain(
            table.frame[names].to_numpy(dtype=np.float64),
            tuple(names),
            tuple(table.units[name] for name in names),
        ),
        noise=noise,
        centers=table.centers,
        times=_times(table),
        patch_size=table.patch_size,
        overlap=table.overlap,
        error_length=table.error_correlation_length or 0.0,
        warnings=tuple(notes),
    )


def _times(table: PatchTable) -> Floats | None:
    """Return each patch's time or frame, None when there is one only."""
    for name in TIME_COLUMNS:
        if table.covariates is not None and name in table.covariates.columns:
            times = table.covariates[name].to_numpy(dtype=np.float64)
            if np.isfinite(times).all() and np.ptp(times) > 0:
                return times
    return None


def _from_stack(stack: xr.DataArray) -> PreparedTable:
    """Return a spectrum a pixel; pixels with gaps are left out with a sentence."""
    spectral = [dim for dim in stack.dims if dim not in ("y", "x")]
    if len(spectral) != 1 or not {"y", "x"} <= set(stack.dims):
        raise InputError(
            f"a stack of spectra must have the dims y, x and one more; got {tuple(stack.dims)}."
        )
    cube = stack.transpose("y", "x", spectral[0])
    values = np.asarray(cube.to_numpy(), dtype=np.float64)
    grid = []
    for dim in ("x", "y"):
        grid.append(cube[dim].to_numpy() if dim in cube.coords else np.arange(cube.sizes[dim]))
    x, y = np.meshgrid(*grid)
    centers = np.stack([x.ravel(), y.ravel()], axis=1).astype(np.float64)
    rows = values.reshape(-1, values.shape[-1])
    whole = np.isfinite(rows).all(axis=1)
    if not whole.any():
        raise InputError("every spectrum of the stack has NaN values: there is nothing to compare.")
    notes = (f"{(~whole).sum()} pixels with NaN values left out.",) if not whole.all() else ()
    names = _spectral_names(cube, str(spectral[0]))
    unit = str(stack.attrs.get("units", "1"))
    step = min((float(np.abs(np.diff(each)).min()) for each in grid if len(each) > 1), default=1.0)
    return replace(
        _plain(rows[whole], names, (unit,) * len(names)),
        centers=centers[whole],
        patch_size=step,
        warnings=notes,
    )


def _spectral_names(cube: xr.DataArray, dim: str) -> tuple[str, ...]:
    """Return the names of spectral channels; a loop passes the same voltage twice."""
    numbers = cube[dim].to_numpy() if dim in cube.coords else np.arange(cube.sizes[dim])
    names = [f"{number:.6g}" if np.isreal(number) else str(number) for number in numbers]
    if len(set(names)) < len(names):
        names = [f"{number}:{name}" for number, name in enumerate(names)]
    return tuple(names)


def _with_errors(table: PreparedTable, errors: ArrayLike | str) -> PreparedTable:
    """Return the table with the errors that the caller gives."""
    n, c = table.values.shape
    if isinstance(errors, str):
        if errors != "poisson":
            raise InputError(
                f"errors must be 'poisson', standard deviations or None; got {errors!r}."
            )
        if table.values.min() < 0 or np.any(table.values != np.round(table.values)):
            raise InputError(
                "errors='poisson' needs counts: whole numbers of at least 0; give standard "
                "deviations where the detector was scaled."
            )
        # a column's mean count is the mean of its variances over the patches
        mean = np.maximum(table.values.mean(axis=0), 1.0 / n)
        return replace(table, noise=np.diag(mean)[None], counts=True)
    sd = check_array("errors", errors, minimum=0.0)
    if sd.shape not in ((), (c,), (n, c)):
        raise InputError(f"errors must be a number or have shape ({c},) or {n, c}; got {sd.shape}.")
    variance = np.atleast_2d(np.broadcast_to(sd, (c,) if sd.ndim < 2 else (n, c))) ** 2
    return replace(table, noise=variance[:, :, None] * np.eye(c))


def _without_constants(table: PreparedTable) -> PreparedTable:
    """Return the table without columns that are equal in every patch, and with its sentences."""
    n = table.n
    if n < 3:
        raise InputError(f"the table must hold at least 3 patches, got {n}.")
    spread = np.ptp(table.values, axis=0)
    moving = spread > 1e-12 * np.abs(table.values).max(axis=0)
    if not moving.any():
        raise InputError("every column of the table is constant: there is nothing to compare.")
    notes = list(table.warnings)
    if not moving.all():
        names = [name for name, good in zip(table.columns, moving, strict=True) if not good]
        notes.append(f"left out, constant: {', '.join(names)}.")
    repeated = n - len(np.unique(table.values, axis=0))
    if repeated:
        notes.append(f"{repeated} of {n} patches repeat another one exactly (read twice?).")
    notes += _outlying(table.values[:, moving])
    kept = int(moving.sum())
    if n <= kept:
        notes.append(f"fewer patches ({n}) than columns ({kept}): only a few patterns can be told.")
    index = np.flatnonzero(moving)
    noise = None if table.noise is None else table.noise[:, index][:, :, index]
    if noise is not None:
        none = ~np.einsum("nii->ni", noise).any(axis=0)
        if none.any():
            # a column without error would outweigh all others
            names = [table.columns[i] for i in index[none]]
            noise = None
            notes.append(
                f"weighted by spread, not by errors: the errors of {', '.join(names)} are given as "
                "0; leave such columns out to weight the others by theirs."
            )
    return replace(
        table,
        values=table.values[:, index],
        columns=tuple(table.columns[i] for i in index),
        units=tuple(table.units[i] for i in index),
        noise=noise,
        warnings=tuple(notes),
    )


def _outlying(values: Floats) -> list[str]:
    """Return a sentence about patches so far off that they would decide alone."""
    offset = np.abs(values - np.median(values, axis=0))
    spread = np.median(offset, axis=0) / 0.6745
    far = offset > OUTLYING_SDS * np.where(spread > 0, spread, np.inf)
    count = int(far.any(axis=1).sum())
    if not count:
        return []
    return [
        f"{count} of {len(values)} patches lie over {OUTLYING_SDS:.0f} robust spreads off in some "
        "column and may decide everything: look at them (spikes: find_spoilt_spectra)."
    ]


def _with_metric(table: PreparedTable, full_metric: bool) -> PreparedTable:
    """Return the table with the metric of its errors, or of its spread."""
    center = table.values.mean(axis=0)
    spread = table.values.std(axis=0)
    if table.noise is None:
        return replace(table, center=center, metric=np.diag(1 / spread), inverse=np.diag(spread))
    pooled = table.noise.mean(axis=0) / np.outer(spread, spread)
    if not full_metric:
        sd = spread * np.sqrt(np.maximum(np.diag(pooled), SMALLEST_ERROR**2))
        return replace(table, center=center, metric=np.diag(1 / sd), inverse=np.diag(sd))
    sizes, axes = cast("tuple[Floats, Floats]", np.linalg.eigh(pooled))
    root = np.sqrt(np.maximum(sizes, SMALLEST_ERROR**2))
    return replace(
        table,
        center=center,
        metric=(axes / root) / spread[:, None],
        inverse=(axes * root).T * spread,
    )
