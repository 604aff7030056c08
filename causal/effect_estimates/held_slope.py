"""The slope with other columns held fixed, along straight lines or, where it matters, curves."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from physlearn.causal.columns import Columns, trend_basis
from physlearn.causal.effect_estimates.effect_records import EffectOptions
from physlearn.causal.effect_estimates.held_curves import with_curves
from physlearn.causal.effect_estimates.slopes import Slope, back_door_slope
from physlearn.causal.effect_estimates.smooth_confounders import rough_slope, score_of
from physlearn.causal.spatial_test import SpatialScore
from physlearn.checks import NotIdentified

if TYPE_CHECKING:
    from physlearn.records import PatchTable

PATCHES_A_TERM = 6.0
"""Curves are looked at where there are so many effective patches for each of their functions."""
FINER_TERMS = 2.0
"""So many times as many functions may be looked at only to see whether the curves do."""
MATTERS = 0.3
"""Curves are held fixed where they move the slope by more than so many of its errors."""
SEEN = 0.05
"""Functions drive a column at this p value; where they drive cause and outcome, one is told."""
DETAILS = (1, 0, 2)


@dataclass(frozen=True, slots=True, eq=False)
class HeldSlope:
    """A slope with its columns: those of the table, and the curves that were held fixed.

    Attributes
    ----------
    slope
        Of the outcome on the cause.
    columns, given
        The columns and the positions of all that was held fixed.
    note
        What curves did to the number, or "".
    assumption
        What could not be looked at, or "".
    """

    slope: Slope
    columns: Columns
    given: tuple[int, ...]
    note: str = ""
    assumption: str = ""

    @property
    def score(self) -> SpatialScore:
        """Moments of the columns."""
        return score_of(self.columns)


def held_slope(
    table: PatchTable,
    columns: Columns,
    x: int,
    y: int,
    given: tuple[int, ...],
    options: EffectOptions,
    score: SpatialScore | None = None,
) -> HeldSlope:
    """Return the slope of column y on column x with the columns `given` held fixed.

    A column held fixed along a straight line alone still confounds where cause and outcome both
    bend with it. The slope is therefore fitted with curves of these columns, too (partial
    regression, Frisch and Waugh 1933, doi:10.2307/1907330), and that slope is taken where the two
    differ by what matters beside the error.

    Raises
    ------
    NotIdentified
        Where nothing of the cause varies on its own, along straight lines or along curves.
    """
    straight = HeldSlope(_fit(columns, x, y, given, options, score), columns, given)
    if not given:
        return straight
    told = ", ".join(columns.names[k] for k in given)
    tried, has_functions = _along_curves(table, straight, x, y, options)
    curved = tried.get(1, tried.get(0))
    if curved is None:
        if not has_functions:
            return straight
        assumption = (
            f"{told} acts along straight lines: too few independent patches, or too much noise, "
            "to look for curves."
        )
        return replace(straight, assumption=assumption)
    chosen = _chosen(straight, curved, x, y, told)
    if 2 in tried and _matters(chosen, tried[2]) and _drive_both(chosen, tried[2], x, y):
        raise NotIdentified(
            f"{columns.names[x]} and {columns.names[y]} both jump with {told}, or bend with it "
            "sharply: smooth curves of it do not hold it fixed; add its levels as columns, or ask "
            "within a range of it (table.take)."
        )
    return chosen


def _fit(
    columns: Columns,
    x: int,
    y: int,
    fixed: tuple[int, ...],
    options: EffectOptions,
    score: SpatialScore | None = None,
) -> Slope:
    if options.smooth_confounder:
        return rough_slope(columns, x, y, fixed, options.confounder_length_patches)
    return back_door_slope(score or score_of(columns), x, y, fixed, columns.names)


def _along_curves(
    table: PatchTable, straight: HeldSlope, x: int, y: int, options: EffectOptions
) -> tuple[dict[int, HeldSlope], bool]:
    """Return the slope at each detail of curves that the patches allow, and if any curve exists.

    Raises
    ------
    NotIdentified
        Where nothing of the cause varies on its own once smooth curves are held fixed.
    """
    columns, given = straight.columns, straight.given
    raw = table.frame[list(columns.names)].to_numpy(dtype=np.float64)
    trend = trend_basis(table)
    most = straight.slope.n_effective / PATCHES_A_TERM
    noisy = bool(columns.noise[list(given)].any())
    tried: dict[int, HeldSlope] = {}
    n_functions = 0
    for detail in DETAILS:
        bent, fixed = with_curves(columns, raw, trend, (x, y), given, detail=detail)
        n_functions = len(fixed) - len(given)
        within = most if detail < 2 else FINER_TERMS * most
        if not 0 < n_functions <= within or (detail == 0 and 1 in tried):
            continue
        try:
            tried[detail] = HeldSlope(_fit(bent, x, y, fixed, options), bent, fixed)
        except NotIdentified as refusal:
            if not noisy and detail < 2:
                told = ", ".join(columns.names[k] for k in given)
                raise NotIdentified(
                    f"once {told} is held fixed along curves, {columns.names[x]} varies too little "
                    "on its own: it is all but a function of what is held fixed."
                ) from refusal
    return tried, n_functions > 0


def _matters(before: HeldSlope, after: HeldSlope) -> bool:
    move = abs(after.slope.mean - before.slope.mean)
    return bool(move > MATTERS * before.slope.sd)


def _drive_both(before: HeldSlope, after: HeldSlope, x: int, y: int) -> bool:
    """Whether functions that `after` holds fixed in addition drive cause and outcome.

    Where they drive but one of the two the slope moves by chance only.
    """
    score, more = after.score, after.given[len(before.given) :]
    for end, fixed in ((x, before.given), (y, (x, *before.given))):
        p_value = 1.0
        for term in more:
            found = score.score(end, term, fixed)
            freedom = max(found.n_effective - 2.0 - len(fixed), 2.0)
            size = abs(found.value) / max(found.error, 1e-300)
            p_value = min(p_value, 2.0 * float(stats.t.sf(size, freedom)))
        if p_value * len(more) >= SEEN:
            return False
    return True


def _chosen(straight: HeldSlope, curved: HeldSlope, x: int, y: int, told: str) -> HeldSlope:
    if not _matters(straight, curved):
        return straight
    if not _drive_both(straight, curved, x, y):
        return curved
    apart = abs(curved.slope.mean - straight.slope.mean) / straight.slope.sd
    note = (
        f"{told} acts along curves: held fixed along straight lines alone it would have left an "
        f"effect {apart:.1f} standard errors away; curves of it were held fixed."
    )
    return replace(curved, note=note)
