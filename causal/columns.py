"""From a patch table to centred columns that can be compared, and what must be said about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from physlearn.causal.spatial_layout import Floats, Integers, SpatialLayout
from physlearn.causal.table_notes import require_patches
from physlearn.checks import InputError, NotIdentified

if TYPE_CHECKING:
    from physlearn.records import PatchTable

DUPLICATE = 1.0 - 1e-6
NEAR_DETERMINISTIC = 0.9999
ERROR_CORRELATION = "error_correlation"
"""Key of a table's metadata: {"lags": rows and columns in cells, "correlation": at each lag}."""


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """Columns of a table, a plane in x and y (and the covariates) taken out, in units of their sd.

    Attributes
    ----------
    names
        The columns kept.
    values
        Standardised residuals, shape (n_patches, n_columns).
    scale, center
        Standard deviation taken out of each column, and its mean, in the column's unit.
    noise
        Mean covariance of the measurement errors, in standardised units; zeros when unknown.
    noise_known
        Whether the table gave a measurement covariance.
    layout
        Where the patches lie.
    n_trend
        Number of location and covariate terms taken out, the mean included.
    warnings
        What the reader of a result must know.
    noise_by_patch
        Covariance of the errors of each patch, shape (1 or n_patches, p, p), standardised units.
    errors_unknown
        Whether nobody knows the errors of a column, one answer a column.
    error_lags, error_correlation
        Lags in grid cells (rows, columns) at which errors of neighbours agree, shape (m, 2), and
        their correlation, shape (m, 1 or p); only (0, 0) with 1 for white errors and off a grid.
    """

    names: tuple[str, ...]
    values: Floats
    scale: Floats
    center: Floats
    noise: Floats
    noise_known: bool
    layout: SpatialLayout
    n_trend: int
    warnings: tuple[str, ...]
    noise_by_patch: Floats = field(default_factory=lambda: np.zeros((1, 0, 0)))
    errors_unknown: tuple[bool, ...] = ()
    error_lags: Integers = field(default_factory=lambda: np.zeros((1, 2), dtype=np.int64))
    error_correlation: Floats = field(default_factory=lambda: np.ones((1, 1)))

    def index(self, name: str) -> int:
        """Return the position of a column by name."""
        return self.names.index(name)


def prepare_columns(
    table: PatchTable,
    *,
    names: Sequence[str] | None = None,
    drop: bool = False,
    layout: SpatialLayout | None = None,
) -> Columns:
    """Return the columns `names` of a table, or say why they cannot be used.

    Parameters
    ----------
    table
        The patches.
    names
        Columns to use, all when None.
    drop
        Leave out constant and duplicate columns with a warning, instead of refusing them.
    layout
        The layout of the same patches, when it is known already.

    Raises
    ------
    InputError
        For unknown names, a name given twice, constant or duplicate columns.
    NotIdentified
        For fewer than 30 patches (or as much as 30 that do not overlap), several frames of the
        same places, or no column left.
    """
    wanted = list(table.columns if names is None else names)
    _check_names(table, wanted)
    require_patches(table)
    raw = table.frame[wanted].to_numpy(dtype=np.float64)
    keep, notes = _usable(raw, wanted)
    if notes and not drop:
        raise InputError(notes[0] + " Leave it out.")
    if not keep:
        raise NotIdentified("no column of the table varies from patch to patch.")
    wanted, raw = [wanted[k] for k in keep], raw[:, keep]
    basis = trend_basis(table)
    residual = raw - basis @ (basis.T @ raw)
    scale = np.sqrt((residual**2).sum(axis=0) / (len(raw) - basis.shape[1]))
    flat = [wanted[k] for k in np.flatnonzero(scale < 1e-9 * raw.std(axis=0))]
    if flat:
        raise InputError(
            f"column {flat[0]!r} is a plane in x and y (or a covariate): nothing is left of it "
            "to compare. Leave it out."
        )
    by_patch = _noise(table, wanted) / np.outer(scale, scale)
    noise = by_patch.mean(axis=0)
    layout = layout or SpatialLayout(table.centers)
    lags, correlation = _error_lags(table, wanted, layout)
    notes += _noise_notes(table, wanted, noise)
    return Columns(
        names=tuple(wanted),
        values=np.asarray(residual / scale),
        scale=scale,
        center=raw.mean(axis=0),
        noise=noise,
        noise_known=table.measurement_covariance is not None,
        layout=layout,
        n_trend=basis.shape[1],
        warnings=tuple(notes),
        noise_by_patch=by_patch,
        errors_unknown=tuple(
            table.measurement_covariance is None or name in table.errors_unknown for name in wanted
        ),
        error_lags=lags,
        error_correlation=correlation,
    )


def require_table(table: object) -> None:
    """Refuse anything but a `PatchTable`, and say how one is made of a plain table.

    Raises
    ------
    InputError
        Naming the type that came.
    """
    from physlearn.records import PatchTable

    if not isinstance(table, PatchTable):
        raise InputError(
            f"table must be a PatchTable, got {type(table).__name__}; make one of a DataFrame with "
            "PatchTable.from_frame(frame, centers, patch_size)."
        )


def table_tiers(table: PatchTable, tiers: Mapping[str, int] | None) -> dict[str, int]:
    """Return the tier of each column; those given here win over the table's own."""
    merged = dict(table.tiers)
    if tiers is not None and not isinstance(tiers, Mapping):
        raise InputError(
            "tiers must be a mapping from column to tier, for example {'strain': 1}; got "
            f"{type(tiers).__name__} {tiers!r:.60}."
        )
    for name, tier in (tiers or {}).items():
        if name not in table.columns:
            raise InputError(f"tiers must name columns of the table; {name!r} is none.")
        if isinstance(tier, bool) or not isinstance(tier, int | np.integer) or tier < 0:
            raise InputError(
                f"tiers must be whole numbers of at least 0; got {tier!r} for {name!r}."
            )
        merged[name] = int(tier)
    return merged


def _check_names(table: PatchTable, wanted: Sequence[str]) -> None:
    for name in wanted:
        if name not in table.columns:
            raise InputError(
                f"{name!r} is no column of the table; it has {', '.join(table.columns)}."
            )
    if len(set(wanted)) < len(wanted):
        twice = next(name for name in wanted if list(wanted).count(name) > 1)
        raise InputError(f"each column may be named once; {twice!r} is named twice.")


def _usable(raw: Floats, names: Sequence[str]) -> tuple[list[int], list[str]]:
    keep: list[int] = []
    notes: list[str] = []
    centered = raw - raw.mean(axis=0)
    size = np.sqrt((centered**2).sum(axis=0))
    for k, name in enumerate(names):
        if size[k] <= 1e-12 * max(float(np.abs(raw[:, k]).max()), 1e-300) * np.sqrt(len(raw)):
            notes.append(f"column {name!r} is constant and was left out.")
            continue
        twin = next(
            (
                j
                for j in keep
                if abs(centered[:, j] @ centered[:, k]) > DUPLICATE * size[j] * size[k]
            ),
            None,
        )
        if twin is not None:
            notes.append(f"column {name!r} repeats column {names[twin]!r} and was left out.")
            continue
        keep.append(k)
    return keep, notes


def trend_basis(table: PatchTable) -> Floats:
    """Return an orthonormal basis of the mean, a plane, and the varying numeric covariates."""
    mean = np.full(table.n_patches, table.n_patches**-0.5)
    return np.column_stack([mean, trend_terms(table)])


def trend_terms(table: PatchTable, *, plane: bool = True) -> Floats:
    """Return an orthonormal basis, mean-free, of a plane and the varying numeric covariates."""
    terms = [*table.centers.T] if plane else []
    if table.covariates is not None:
        for name in table.covariates.columns:
            values = table.covariates[name]
            if values.dtype.kind in "biuf" and np.isfinite(values).all():
                terms.append(np.asarray(values, dtype=np.float64))
    matrix = np.reshape(terms, (len(terms), table.n_patches)).T
    largest = np.abs(matrix).max(axis=0)
    matrix = matrix - matrix.mean(axis=0)
    size = np.sqrt((matrix**2).mean(axis=0))
    varying = size > 1e-12 * largest
    matrix = matrix[:, varying] / size[varying]
    if not matrix.shape[1]:
        return np.zeros((table.n_patches, 0))
    left, singular, _ = np.linalg.svd(matrix, full_matrices=False)
    return np.asarray(left[:, singular > 1e-8 * singular[0]], dtype=np.float64)


def _noise(table: PatchTable, names: Sequence[str]) -> Floats:
    """Return the covariance of the errors, shape (1 or n_patches, p, p)."""
    if table.measurement_covariance is None:
        return np.zeros((1, len(names), len(names)))
    index = [table.columns.index(name) for name in names]
    chosen = table.measurement_covariance[:, index][:, :, index]
    return np.asarray(chosen, dtype=np.float64)


def _error_lags(
    table: PatchTable, names: Sequence[str], layout: SpatialLayout
) -> tuple[Integers, Floats]:
    """Return the lags in cells at which errors agree, and how much.

    Measured lags (`noise_from_repeats`) come first; else the table's error correlation length,
    at which the correlation has fallen to 1/e, stands for exp(-(distance / length)**2).
    """
    alone = np.zeros((1, 2), dtype=np.int64), np.ones((1, 1))
    if layout.cells is None:
        return alone
    told = table.metadata.get(ERROR_CORRELATION)
    if isinstance(told, Mapping):
        lags = np.asarray(told["lags"], dtype=np.int64).reshape(-1, 2)
        correlation = np.asarray(told["correlation"], dtype=np.float64)
        if correlation.ndim == 2:
            correlation = correlation[:, [table.columns.index(name) for name in names]]
        return lags, correlation.reshape(len(lags), -1)
    if not table.error_correlation_length:
        return alone
    steps = [step or table.patch_size for step in layout.steps]
    reach = [min(int(np.ceil(2.2 * table.error_correlation_length / k)), 6) for k in steps]
    rows, columns = np.mgrid[-reach[0] : reach[0] + 1, -reach[1] : reach[1] + 1].reshape(2, -1)
    apart = np.hypot(rows * steps[0], columns * steps[1]) / table.error_correlation_length
    correlation = np.exp(-(apart**2))
    kept = correlation > 0.01
    return np.stack([rows, columns], axis=1)[kept].astype(np.int64), correlation[kept, None]


def _noise_notes(table: PatchTable, names: Sequence[str], noise: Floats) -> list[str]:
    if table.measurement_covariance is None:
        return [
            "the measurement errors of the columns are unknown and were taken as zero: noise in "
            "one column leaves part of its influence to look like other edges."
        ]
    notes = []
    unknown = [name for name in names if name in table.errors_unknown]
    if unknown:
        notes.append(
            f"the measurement errors of {', '.join(unknown)} are unknown and were taken as zero: "
            "noise in a column leaves part of its influence to look like other edges."
        )
    share = np.diag(noise)
    buried = [names[int(k)] for k in np.flatnonzero(share > 0.85)]
    if buried:
        notes.append(f"column(s) {', '.join(buried)}: more than 85 % of the variance is noise.")
    return notes
