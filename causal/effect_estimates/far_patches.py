"""Whether a few patches far from all others decide an effect."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import KDTree

from physlearn.causal.columns import prepare_columns
from physlearn.causal.effect_estimates.effect_records import EffectOptions
from physlearn.causal.effect_estimates.held_slope import HeldSlope, held_slope
from physlearn.checks import InputError, NotIdentified

if TYPE_CHECKING:
    from physlearn.records import PatchTable

__all__ = ["far_patches_note"]

FAR = 6.0
"""Robust standard deviations from the median; one normal value in 500 million lies there."""
MOST = 0.1
"""Share of patches far off, above which they are no exceptions but the column's law."""
MOVED = 3.0
TOGETHER = 2.5
"""Patches nearer than so many sizes are taken to err together."""
NORMAL_SD = 1.482602
"""Standard deviation of a normal law over its median absolute deviation."""


def far_patches_note(
    table: PatchTable,
    held: HeldSlope,
    ends: tuple[str, str],
    adjustment: tuple[str, ...],
    length: float,
    options: EffectOptions,
) -> str:
    """Return what leaving out patches far off changes, or "" where that is within the error.

    A straight line through all patches follows those farthest off. Under one law for all patches
    the slope that they alone tell agrees with that of the rest; it is said where the two are
    three standard errors apart, and the effect moves by more than its own error.

    Parameters
    ----------
    table
        All patches.
    held
        The slope with them.
    ends, adjustment
        Cause and outcome; the columns held fixed.
    length
        Of the contrast, in the cause's unit.
    options
        As for the slope with them.
    """
    names = (*ends, *adjustment)
    # far off in the outcome alone they make the error larger, and the interval says so
    drawing = (ends[0], *adjustment)
    values = held.columns.values[:, [held.columns.index(name) for name in drawing]]
    away = np.abs(values - np.median(values, axis=0))
    typical = NORMAL_SD * np.median(away, axis=0)
    far = (away > FAR * typical) & (typical > 0)
    odd = np.asarray(far.any(axis=1))
    if not 0 < odd.sum() <= MOST * len(odd):
        return ""
    try:
        rest = table.take(np.flatnonzero(~odd))
        columns = prepare_columns(rest, names=names)
        x, y = columns.index(ends[0]), columns.index(ends[1])
        given = tuple(columns.index(name) for name in adjustment)
        without = held_slope(rest, columns, x, y, given, options)
    except (InputError, NotIdentified):
        # without them nothing varies: they alone carry the number
        return _said(int(odd.sum()), len(odd), drawing, far, "there is no effect to be read")
    unit = columns.scale[y] / columns.scale[x]
    u, v = held.columns.index(ends[0]), held.columns.index(ends[1])
    unit_before = held.columns.scale[v] / held.columns.scale[u]
    effect, sd = without.slope.mean * unit, without.slope.sd * unit
    move = abs(effect - held.slope.mean * unit_before)
    own, n = [_own_squares(one, ends[0]) for one in (held, without)], int(odd.sum())
    more = own[0] - own[1]
    if more <= 0 or move < held.slope.sd * unit_before:
        return ""
    # both slopes are moments over squares: what the far patches alone add to either
    theirs = (held.slope.mean * unit_before * own[0] - effect * own[1]) / more
    alike = n / _places(table.centers[odd], table.patch_size)
    # of rough slopes no scatter is told: then the slope's own error stands for all
    ratio = float(np.nan_to_num(without.slope.residual_ratio))
    noise = (ratio * unit) ** 2 * own[1] / len(rest.centers)
    if abs(theirs - effect) < MOVED * np.sqrt(sd**2 + noise * alike / more):
        return ""
    what = f"the effect is {effect * length:.3g} ({move / sd:.1f} standard errors away)"
    return _said(int(odd.sum()), len(odd), drawing, far, what)


def _own_squares(held: HeldSlope, cause: str) -> float:
    """Sum of squares of what varies of the cause on its own, noise taken out, in its unit."""
    x, score = held.columns.index(cause), held.score
    weights = score.weights(x, held.given)
    one = float(weights @ (score.gram - score.noise) @ weights)
    return one * len(held.columns.values) * float(held.columns.scale[x]) ** 2


def _places(centers: np.ndarray, size: float) -> int:
    """How many groups patches form, those within `TOGETHER` sizes of one another taken as one."""
    near = KDTree(centers).query_pairs(TOGETHER * size, output_type="ndarray")
    joined = coo_array((np.ones(len(near)), near.T), shape=(len(centers),) * 2)
    return int(connected_components(joined, directed=False)[0])


def _said(count: int, n: int, names: tuple[str, ...], far: np.ndarray, what: str) -> str:
    hits = np.asarray(far.any(axis=0))
    where = ", ".join(name for name, hit in zip(names, hits, strict=True) if hit)
    return (
        f"{count} of {n} patches lie over {FAR:.0f} robust spreads off in {where} and decide the "
        f"effect: without them {what}; look at them, and leave out what is no measurement "
        "(table.take)."
    )
