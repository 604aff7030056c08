"""The estimate of an effect in the graphs that share one estimand."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import networkx as nx

from physlearn.causal.columns import Columns
from physlearn.causal.effect_estimates.effect_records import (
    EffectMember,
    EffectOptions,
    Estimand,
)
from physlearn.causal.effect_estimates.held_slope import HeldSlope, held_slope
from physlearn.causal.effect_estimates.slopes import Slope, front_door_slope, instrument_slope
from physlearn.causal.quiet import quiet
from physlearn.causal.spatial_test import SpatialScore
from physlearn.checks import NotIdentified

if TYPE_CHECKING:
    from physlearn.records import PatchTable

NOISE_RELATIVE_ERROR = 0.2
LEAST_FREEDOM = 4.0
"""Degrees of freedom above which the t law of an estimate has a fourth moment.

With less, the width of the interval, itself estimated, has no finite error of its own. The degrees
are the effective patches less two and the columns held fixed: six patches, where none is.
"""


def member_of(
    table: PatchTable,
    spatial: SpatialScore,
    columns: Columns,
    cause: str,
    outcome: str,
    contrast: tuple[float, float],
    estimand: Estimand,
    options: EffectOptions,
    warnings: list[str],
) -> tuple[EffectMember, HeldSlope | None]:
    """Return the effect by one estimand, and what was held fixed of a back-door set.

    Strategy "none": the cause is not upstream.

    Raises
    ------
    NotIdentified
        Where the slope is not identified, or too few patches count for an error to be known.
    """
    if estimand.strategy == "none":
        return EffectMember(None, 0.0, 0.0, math.inf, math.nan, strategy="none"), None
    x, y = columns.index(cause), columns.index(outcome)
    given = tuple(columns.index(name) for name in estimand.held_fixed)
    used = [columns.index(name) for name in estimand.used]
    held = None
    if options.smooth_confounder or estimand.strategy == "back-door":
        held = held_slope(table, columns, x, y, given, options, spatial)
        slope = held.slope
        warnings += [held.note] if held.note else []
    elif estimand.strategy == "front-door":
        slope = front_door_slope(spatial, x, y, tuple(used), columns.names)
    else:
        slope = _best_instrument(spatial, columns, x, y, used, given, warnings)
    _require_freedom(slope, cause, outcome, len(given))
    envelope = NOISE_RELATIVE_ERROR * abs(slope.noise_shift)
    if envelope > slope.sd:
        warnings.append(
            f"a noise covariance wrong by {NOISE_RELATIVE_ERROR:.0%} moves this effect by "
            f"{envelope / slope.sd:.1f} standard deviations."
        )
    scale = (contrast[1] - contrast[0]) * float(columns.scale[y] / columns.scale[x])
    by_dowhy = math.nan
    if options.check_with_dowhy and estimand.strategy == "back-door":
        by_dowhy = _dowhy_estimate(columns, cause, outcome, estimand.held_fixed) * scale
    member = EffectMember(
        estimand.held_fixed,
        slope.mean * scale,
        abs(slope.sd * scale),
        slope.freedom,
        slope.n_effective,
        by_dowhy,
        estimand.strategy,
        estimand.used,
        abs(slope.residual_ratio * scale),
    )
    return member, held


def _require_freedom(slope: Slope, cause: str, outcome: str, n_held: int) -> None:
    if slope.freedom <= LEAST_FREEDOM:
        raise NotIdentified(
            f"the patches count as {slope.n_effective:.0f} independent ones, which leaves too few "
            f"for the error of the effect of {cause} on {outcome}: more than "
            f"{LEAST_FREEDOM + 2 + n_held:.0f} are needed with {n_held} column(s) held "
            "fixed; take a larger field, not finer patches."
        )


def _best_instrument(
    spatial: SpatialScore,
    columns: Columns,
    x: int,
    y: int,
    used: list[int],
    given: tuple[int, ...],
    warnings: list[str],
) -> Slope:
    """Return the slope by the instrument that gives the least error; the others must agree."""
    slopes, refusals = [], []
    for z in used:
        try:
            slopes.append(instrument_slope(spatial, x, y, z, given, columns.names))
        except NotIdentified as refusal:
            refusals.append(refusal)
    if not slopes:
        raise refusals[0]
    best = min(slopes, key=lambda slope: slope.sd)
    apart = max(abs(s.mean - best.mean) / math.hypot(s.sd, best.sd) for s in slopes)
    if apart > 3.0:
        warnings.append(
            f"the instruments disagree by {apart:.1f} standard deviations: at least one of them "
            f"acts on {columns.names[y]} by another way, too."
        )
    return best


def _dowhy_estimate(
    columns: Columns, cause: str, outcome: str, adjustment: tuple[str, ...]
) -> float:
    """Return dowhy's own regression on the same columns: no noise, no neighbours considered."""
    import pandas as pd

    graph = nx.DiGraph([(cause, outcome)])
    graph.add_edges_from((z, end) for z in adjustment for end in (cause, outcome))
    frame = pd.DataFrame(columns.values, columns=list(columns.names))[list(graph.nodes)]
    with quiet("dowhy"):
        from dowhy import CausalModel

        model = CausalModel(frame, cause, outcome, graph=graph)
        estimand = model.identify_effect(method_name="maximal-adjustment")
        estimate = model.estimate_effect(
            estimand, method_name="backdoor.linear_regression", control_value=0, treatment_value=1
        )
    return float(estimate.value)
