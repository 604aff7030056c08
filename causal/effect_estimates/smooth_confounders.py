"""The slope beyond the band of a smooth hidden field, and whether that field was smooth enough."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from scipy import stats

from physlearn.causal.columns import Columns
from physlearn.causal.effect_estimates.slopes import Slope, back_door_slope
from physlearn.causal.effect_estimates.smooth_band import (
    RoughBand,
    require_rough_cause,
    rough_band,
    whitened,
    without_smooth_part,
)
from physlearn.causal.spatial_layout import Floats
from physlearn.causal.spatial_test import SpatialScore
from physlearn.checks import NotIdentified

FINER = 2.0 / 3.0
"""The slope is looked at again with a hidden field of this share of the stated length."""
BLOCKS_PER_SIDE = 6
MOVED = 0.01
"""P value below which the two slopes are said to differ."""


def score_of(columns: Columns) -> SpatialScore:
    """Return the moments of columns that count neighbours."""
    return SpatialScore(columns.values, columns.layout, columns.noise, n_trend=columns.n_trend)


def rough_slope(
    columns: Columns, x: int, y: int, given: tuple[int, ...], length_patches: float
) -> Slope:
    """Return the slope of y on x from what varies over less than a smooth hidden field does.

    Raises
    ------
    NotIdentified
        Where the cause does not vary beyond the band, or where the slope still changes when the
        hidden field may be rougher: then it is rougher than stated.
    """
    slope, influence = _slope_beyond(columns, x, y, given, length_patches)
    try:
        finer, finer_influence = _slope_beyond(columns, x, y, given, FINER * length_patches)
    except NotIdentified:
        return slope  # too little is left to look again
    blocks = columns.layout.blocks(BLOCKS_PER_SIDE)
    sums = np.bincount(blocks, influence - finer_influence)
    spread = math.sqrt(float(sums @ sums) * len(sums) / max(len(sums) - 1, 1))
    shift = (slope.mean - finer.mean) / max(spread, 1e-300)
    if 2.0 * stats.t.sf(abs(shift), len(sums) - 1) < MOVED:
        raise NotIdentified(
            f"the slope of {columns.names[y]} on {columns.names[x]} still changes (by "
            f"{abs(shift):.1f} standard deviations) when the hidden field may vary over "
            f"{FINER * length_patches:.2g} instead of {length_patches:.2g} patches: what is hidden "
            "is not that smooth; state a shorter confounder_length_patches, or measure it."
        )
    return slope


def rough_columns(
    columns: Columns, x: int, y: int, given: tuple[int, ...], length_patches: float
) -> Columns:
    """Return the columns as `rough_slope` reads them: less their smooth part, and whitened.

    Raises
    ------
    NotIdentified
        Where the cause does not vary beyond the band.
    """
    return _filtered(columns, x, y, given, rough_band(columns.layout, length_patches))


def _filtered(columns: Columns, x: int, y: int, given: tuple[int, ...], band: RoughBand) -> Columns:
    rough = without_smooth_part(columns, band)
    before, after = score_of(columns), score_of(rough)
    if before.determined((x, *given)) or after.determined((x, *given)):
        back_door_slope(before, x, y, given, columns.names)
        raise NotIdentified(
            f"beyond the smooth band nothing of {columns.names[x]} varies on its own."
        )
    require_rough_cause(columns, rough, x, before.weights(x, given), after.weights(x, given))
    first = back_door_slope(after, x, y, given, columns.names)
    error = after.weights(y, given) - first.mean * after.weights(x, given)
    return whitened(rough, band, error)


def _slope_beyond(
    columns: Columns, x: int, y: int, given: tuple[int, ...], length_patches: float
) -> tuple[Slope, Floats]:
    """Return the slope and what each patch adds to its error (n,)."""
    band = rough_band(columns.layout, length_patches)
    filtered = score_of(_filtered(columns, x, y, given, band))
    slope = back_door_slope(filtered, x, y, given, columns.names)
    most = filtered.n - band.rank
    if slope.n_effective > most:
        # what the splines took out was counted by the moments, not by the number of patches
        wider = slope.sd * math.sqrt(slope.n_effective / most)
        slope = replace(slope, sd=wider, freedom=max(most - 2.0 - len(given), 2.0))
    w_x, w_y = filtered.weights(x, given), filtered.weights(y, given)
    true = float(w_x @ (filtered.gram - filtered.noise) @ w_x)
    product = (filtered.values @ w_x) * (filtered.values @ (w_y - slope.mean * w_x))
    influence = (product - product.mean()) / (true * (filtered.n - columns.n_trend))
    return slope, np.asarray(influence, dtype=np.float64)
