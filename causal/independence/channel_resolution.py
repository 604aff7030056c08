"""Columns of a patch table that were imaged with different blur, brought to one resolution."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import gaussian_filter

from physlearn.causal.columns import ERROR_CORRELATION, prepare_columns, require_table
from physlearn.causal.independence.channel_dictionary import Grid
from physlearn.causal.spatial_layout import Floats, Integers, SpatialLayout
from physlearn.checks import InputError

if TYPE_CHECKING:
    from physlearn.records import PatchTable

NARROWEST = 0.25
"""Blur in patches below which a grid of patches cannot tell it from none."""
REACH = 6
"""Errors of neighbours are followed up to this many patches."""


def common_resolution(table: PatchTable, blur: Mapping[str, float]) -> PatchTable:
    """Return the table with every column as blurred as the most blurred one.

    The sharper columns are smoothed by a Gaussian of the missing width; their errors become
    smaller and agree between neighbours, which the returned table tells. Channels whose pictures
    are at hand are better matched before patches are cut (`match_resolution`); this helps where
    only the table is left. No column is sharpened, and nothing is registered.

    Parameters
    ----------
    table
        Patches on a rectangular grid, white errors or none.
    blur
        Column -> standard deviation of its Gaussian blur in the table's unit; columns not named
        have none.

    Returns
    -------
    PatchTable
        With ``metadata["error_correlation"]`` where errors are known.

    Raises
    ------
    InputError
        For unknown columns, negative widths, patches without a grid, or errors that agree
        between neighbours already.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from physlearn.records import PatchTable
    >>> y, x = np.mgrid[:32, :32].reshape(2, -1)
    >>> frame = pd.DataFrame(np.random.default_rng(0).normal(size=(1024, 2)), columns=["a", "b"])
    >>> table = PatchTable.from_frame(
    ...     frame, np.stack([x, y], 1), 1.0, measurement_covariance=0.1 * np.eye(2)[None])
    >>> same = common_resolution(table, {"b": 1.0})  # a is smoothed over 1 patch
    >>> same.measurement_covariance[0].diagonal().round(4).tolist()
    [0.008, 0.1]
    """
    require_table(table)
    layout = SpatialLayout(table.centers)
    if layout.cells is None:
        raise InputError(
            "table must hold patches on one rectangular grid; match the pictures before patches "
            "are cut (match_resolution)."
        )
    widths = _widths(table, blur)
    columns = prepare_columns(table, drop=True, layout=layout)
    if len(columns.error_lags) > 1:
        raise InputError(
            "table must have errors that do not agree between neighbours; bring columns to one "
            "resolution before errors are smoothed."
        )
    added = np.sqrt(np.maximum(widths.max() ** 2 - widths**2, 0.0))
    steps = _steps(table, layout, layout.cells)
    grid = Grid.of(layout.cells)
    values = table.frame.to_numpy(dtype=np.float64).copy()
    kernels = np.zeros((len(added), 2 * REACH + 1, 2 * REACH + 1))
    for k, width in enumerate(added):
        sigma = width / steps
        impulse = np.zeros(kernels.shape[1:])
        impulse[REACH, REACH] = 1.0
        if sigma.max() < NARROWEST:
            kernels[k] = impulse
            continue
        field = grid.filled(grid.image(values[:, k].copy()))
        smooth = gaussian_filter(field, sigma, mode="nearest")
        values[:, k] = smooth[layout.cells[:, 0], layout.cells[:, 1]]
        kernels[k] = gaussian_filter(impulse, sigma, mode="constant")
    note = f"columns brought to a common blur of {widths.max():.3g} {table.unit}."
    found = replace(
        table,
        frame=table.frame.__class__(values, columns=table.frame.columns),
        warnings=(*table.warnings, note),
    )
    if table.measurement_covariance is None or not table.measurement_covariance.any():
        return found
    shared = np.einsum("iab,jab->ij", kernels, kernels)
    lags, correlation = _colour(kernels)
    told = {"lags": lags.tolist(), "correlation": correlation.tolist()}
    return replace(
        found,
        measurement_covariance=table.measurement_covariance * shared,
        metadata={**table.metadata, ERROR_CORRELATION: told},
    )


def _widths(table: PatchTable, blur: Mapping[str, float]) -> Floats:
    """Return the blur of each column."""
    for name, width in blur.items():
        if name not in table.columns:
            raise InputError(f"blur must name columns of the table; {name!r} is none.")
        if not np.isfinite(width) or width < 0:
            raise InputError(f"blur must hold widths of at least 0; got {width!r} for {name!r}.")
    return np.array([float(blur.get(name, 0.0)) for name in table.columns])


def _steps(table: PatchTable, layout: SpatialLayout, cells: Integers) -> Floats:
    """Return the distance of neighbouring rows and columns of the grid."""
    steps = []
    for axis, number in ((1, cells[:, 0]), (0, cells[:, 1])):
        extent = float(np.ptp(layout.centers[:, axis]))
        steps.append(extent / max(int(np.ptp(number)), 1) or table.patch_size)
    return np.array(steps)


def _colour(kernels: Floats) -> tuple[Integers, Floats]:
    """Return lags and the correlation of white errors smoothed by each kernel (p, m, m)."""
    power = np.abs(np.fft.rfft2(kernels, (4 * REACH, 4 * REACH))) ** 2
    full = np.fft.irfft2(power, (4 * REACH, 4 * REACH))
    full /= full[:, :1, :1]
    rows, across = np.mgrid[-REACH : REACH + 1, -REACH : REACH + 1].reshape(2, -1)
    correlation = full[:, rows, across].T
    kept = (correlation > 0.01).any(axis=1)
    return np.stack([rows, across], axis=1)[kept].astype(np.int64), correlation[kept]
