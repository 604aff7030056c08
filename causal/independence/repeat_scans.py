"""Measurement errors of a table's columns from the same patches scanned again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from physlearn.causal.columns import ERROR_CORRELATION, require_table
from physlearn.causal.spatial_layout import Floats, Integers, SpatialLayout
from physlearn.checks import InputError

if TYPE_CHECKING:
    from physlearn.datasets.descriptors.patch_places import PatchPlaces
    from physlearn.records import PatchTable

MAX_LAG = 6
"""Errors are compared up to this many patches apart."""
VISIBLE = 4.0
"""Standard errors that a correlation of errors must exceed to be kept."""

SAME = 1e-10
"""Errors below this share of a column's variance are rounding: the scans are copies."""


def noise_from_repeats(tables: Sequence[PatchTable]) -> PatchTable:
    """Return the mean of repeated scans with the covariance and the spectrum of its errors.

    Errors are what differs between scans: half the covariance of successive differences for one
    scan, a share of it for the mean of all. Offsets, a plane (drift) and what a small shift
    between scans explains are taken out first; what all scans share (a fixed pattern of the
    instrument) stays in the columns and is not seen as error.

    Parameters
    ----------
    tables
        At least 2 tables of the same patches and columns, in the order of the scans.

    Returns
    -------
    PatchTable
        Columns averaged over scans; ``measurement_covariance`` of shape (1, p, p), or
        (n_patches, p, p) where every table tells how its errors differ from patch to patch;
        ``metadata["error_correlation"]``: lags in grid cells and the errors' correlation there,
        one column of numbers a column of the table; ``error_correlation_length``.

    Raises
    ------
    InputError
        For fewer than 2 tables, tables of other patches or columns, or a column that is the same
        in all scans.

    Notes
    -----
    The same estimator describes patches from repeated pictures (`describe_patches`); this one
    needs no pictures.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from physlearn.records import PatchTable
    >>> rng = np.random.default_rng(0)
    >>> y, x = np.mgrid[:32, :32].reshape(2, -1)
    >>> truth = rng.normal(size=1024)
    >>> scans = [PatchTable.from_frame(
    ...     pd.DataFrame({"a": truth + rng.normal(0, 0.5, 1024)}), np.stack([x, y], 1), 1.0)
    ...     for _ in range(2)]
    >>> both = noise_from_repeats(scans)  # the mean of two has half the variance 0.25
    >>> bool(abs(both.measurement_covariance[0, 0, 0] - 0.125) < 0.02)
    True
    """
    tables = _checked(tables)
    first, p = tables[0], len(tables[0].columns)
    layout = SpatialLayout(first.centers)
    order, full = _row_by_row(layout)
    values = [t.frame.to_numpy(dtype=np.float64)[order] for t in tables]
    places = _places(first, layout, order, full)
    from physlearn.datasets.patches.repeated_scan import difference_noise

    found = [difference_noise(a, b, places) for a, b in pairwise(values)]
    covariance = np.mean([noise.covariance for noise in found], axis=0)
    # correlations too weak to be seen in few patches still leave dependence: none is dropped
    _require_errors(covariance, values, first.columns)
    residuals = np.stack([noise.residual for noise in found])
    mean = np.mean(values, axis=0)
    back = np.argsort(order)
    metadata = dict(first.metadata)
    length = first.error_correlation_length
    if layout.cells is not None:
        lags, correlation = _correlations(residuals, layout.cells[order])
        metadata[ERROR_CORRELATION] = {
            "lags": lags.tolist(), "correlation": correlation.tolist(),
        }  # fmt: skip
        length = max(noise.length for noise in found) or None
    by_patch = _pattern(tables, p) * (covariance / len(tables))
    note = f"mean of {len(tables)} scans; errors measured from their differences."
    return replace(
        first,
        frame=first.frame.__class__(mean[back], columns=first.columns),
        measurement_covariance=by_patch,
        error_correlation_length=length,
        errors_unknown=(),
        metadata=metadata,
        warnings=(*first.warnings, note),
    )


def _checked(tables: Sequence[PatchTable]) -> list[PatchTable]:
    """Refuse too few tables, and tables of other patches or columns."""
    from physlearn.records import PatchTable

    if isinstance(tables, PatchTable):
        raise InputError("tables must be a list of PatchTables, one a scan; got one PatchTable.")
    found = list(tables)
    if len(found) < 2:
        raise InputError(
            f"tables must hold at least 2 scans of the same patches, got {len(found)}; scan the "
            "same place again."
        )
    for number, table in enumerate(found):
        require_table(table)
        if table.columns != found[0].columns:
            raise InputError(
                f"tables must have the same columns; table {number} has "
                f"{', '.join(table.columns)}, table 0 {', '.join(found[0].columns)}."
            )
        same = table.centers.shape == found[0].centers.shape
        if not same or np.abs(table.centers - found[0].centers).max() > 0.05 * table.patch_size:
            raise InputError(
                f"tables must hold the same patches in the same order; table {number} has other "
                "centers than table 0. Register the scans and cut the same patches."
            )
    return found


def _row_by_row(layout: SpatialLayout) -> tuple[Integers, bool]:
    """Return the patches row by row, and whether they fill a grid."""
    if layout.cells is None:
        return np.arange(layout.n), False
    rows, columns = (int(k) + 1 for k in layout.cells.max(axis=0))
    order = np.lexsort((layout.cells[:, 1], layout.cells[:, 0]))
    return order.astype(np.int64), rows * columns == layout.n


def _places(table: PatchTable, layout: SpatialLayout, order: Integers, full: bool) -> PatchPlaces:
    """Return the patches as `datasets` places them."""
    from physlearn.datasets.descriptors.patch_places import PatchPlaces

    shape = None
    if full and layout.cells is not None:
        rows, columns = (int(k) + 1 for k in layout.cells.max(axis=0))
        shape = (rows, columns)
    return PatchPlaces(
        table.centers[order], table.patch_size, table.unit, shape=shape, overlap=table.overlap
    )


def _require_errors(covariance: Floats, values: Sequence[Floats], names: Sequence[str]) -> None:
    """Refuse columns that do not differ between scans: a copy of a scan says nothing of errors."""
    same = np.diag(covariance) < SAME * values[0].var(axis=0)
    if same.any():
        name = names[int(np.argmax(same))]
        raise InputError(
            f"repeats must be measured anew: column {name!r} is the same in all scans, so its "
            "errors are unknown. Give another scan of the same patches, or leave repeats out."
        )


def _pattern(tables: Sequence[PatchTable], p: int) -> Floats:
    """Return how errors differ from patch to patch, mean 1, by the scans' own error bars.

    Shape (1, p, p) of ones where a scan has none, or the same for all patches.
    """
    own = [t.measurement_covariance for t in tables]
    if any(c is None or len(c) == 1 for c in own):
        return np.ones((1, p, p))
    variance = np.mean([np.diagonal(c, axis1=1, axis2=2) for c in own if c is not None], axis=0)
    if not (variance > 0).all():
        return np.ones((1, p, p))
    sd = np.sqrt(variance / variance.mean(axis=0))
    return np.asarray(sd[:, :, None] * sd[:, None, :])


def _correlations(residuals: Floats, cells: Integers) -> tuple[Integers, Floats]:
    """Return the lags at which errors of neighbours agree, and each column's correlation there.

    Parameters
    ----------
    residuals
        Differences of successive scans, shape (n_pairs, n, p).
    cells
        Row and column of each patch.

    Returns
    -------
    lags
        Shape (m, 2), (0, 0) included.
    correlation
        Shape (m, p).
    """
    rows, columns = (int(k) + 1 for k in cells.max(axis=0))
    n_pairs, _, p = residuals.shape
    grid = np.zeros((n_pairs, p, rows, columns))
    seen = np.zeros((rows, columns))
    seen[cells[:, 0], cells[:, 1]] = 1.0
    grid[:, :, cells[:, 0], cells[:, 1]] = residuals.transpose(0, 2, 1)
    zero = (grid**2).sum(axis=(0, 2, 3))
    found: list[tuple[tuple[int, int], Floats]] = []
    reach = (min(MAX_LAG, rows // 4), min(MAX_LAG, columns // 4))
    for a in range(reach[0] + 1):
        for b in range(-reach[1] if a else 0, reach[1] + 1):
            first = (slice(0, rows - a), slice(max(0, -b), columns - max(0, b)))
            second = (slice(a, rows), slice(max(0, b), columns - max(0, -b)))
            pairs = float((seen[first] * seen[second]).sum())
            sums = (grid[:, :, *first] * grid[:, :, *second]).sum(axis=(0, 2, 3))
            correlation = sums / np.maximum(zero, 1e-300) * seen.sum() / max(pairs, 1.0)
            correlation[zero == 0] = float(a == b == 0)
            limit = VISIBLE / np.sqrt(max(pairs, 1.0) * n_pairs)
            kept = np.where(np.abs(correlation) > limit, correlation, 0.0)
            if kept.any():
                found.append(((a, b), kept))
                if (a, b) != (0, 0):
                    found.append(((-a, -b), kept))
    return np.array([lag for lag, _ in found]), np.stack([c for _, c in found])
