"""How much one column changes another: identified by dowhy, with errors that count neighbours."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import networkx as nx
import numpy as np
from scipy import stats

from physlearn.causal.columns import Columns, prepare_columns, require_table
from physlearn.causal.graphs import CausalGraph
from physlearn.causal.identification import adjustment_sets
from physlearn.causal.members import weak_link_warnings
from physlearn.causal.quiet import quiet
from physlearn.causal.refutations import spatial_placebo
from physlearn.causal.spatial_test import MIN_RELIABILITY, SpatialScore
from physlearn.checks import CREDIBLE_MASS, InputError, NotIdentified, as_generator

if TYPE_CHECKING:
    from physlearn.records import PatchTable

NOISE_RELATIVE_ERROR = 0.2


@dataclass(frozen=True, slots=True)
class EffectMember:
    """The effect in the graphs that share one adjustment set (None: cause not upstream)."""

    adjustment_set: tuple[str, ...] | None
    mean: float
    sd: float
    freedom: float
    n_effective: float
    dowhy_estimate: float = math.nan

    def interval(self, mass: float) -> tuple[float, float]:
        """Return the equal-tailed interval by the t law."""
        if self.sd == 0:
            return self.mean, self.mean
        low, high = stats.t.interval(mass, self.freedom, self.mean, self.sd)
        return float(low), float(high)


@dataclass(frozen=True, slots=True, eq=False)
class Effect:
    """The change of the outcome when the cause is set from `contrast[0]` to `contrast[1]`.

    Attributes
    ----------
    cause, outcome, contrast
        The question.
    mean, sd
        In the outcome's unit; NaN when not identified.
    identified
        Whether the graph and the data fix one number.
    reason
        Why not, in words; empty when identified.
    adjustment_set
        Columns held fixed.
    members
        The estimate in each group of graphs that are still possible.
    range
        Smallest and largest estimate over the members; NaN after a refusal.
    refutations
        Results of checks that should find nothing: "placebo_p_value", "placebo_mean".
    unit
        Of the outcome.
    warnings
        What the reader must know.

    Examples
    --------
    >>> member = EffectMember((), 2.0, 0.1, 50.0, 52.0)
    >>> effect = Effect("a", "b", (0, 1), 2.0, 0.1, True, "", (), "nm", members=(member,))
    >>> [round(bound, 2) for bound in effect.interval()]
    [1.83, 2.17]
    """

    cause: str
    outcome: str
    contrast: tuple[float, float]
    mean: float
    sd: float
    identified: bool
    reason: str
    adjustment_set: tuple[str, ...]
    unit: str
    n_effective: float = math.nan
    members: tuple[EffectMember, ...] = ()
    range: tuple[float, float] = (math.nan, math.nan)
    refutations: Mapping[str, float] = field(default_factory=dict)
    seed: int | None = None
    warnings: tuple[str, ...] = ()

    def interval(self, mass: float = CREDIBLE_MASS) -> tuple[float, float]:
        """Return the equal-tailed interval; over all members when only a range is known."""
        if not self.members:
            return math.nan, math.nan
        bounds = [member.interval(mass) for member in self.members]
        return min(low for low, _ in bounds), max(high for _, high in bounds)

    def summary(self) -> dict[str, Any]:
        """Return the numbers for machines."""
        low, high = self.interval()
        return {
            "cause": self.cause, "outcome": self.outcome, "contrast": list(self.contrast),
            "mean": self.mean, "sd": self.sd, "q05": low, "q95": high, "unit": self.unit,
            "identified": self.identified, "reason": self.reason,
            "adjustment_set": list(self.adjustment_set), **dict(self.refutations),
        }  # fmt: skip


def estimate_effect(
    table: PatchTable,
    graph: CausalGraph | nx.DiGraph,
    cause: str,
    outcome: str,
    *,
    contrast: tuple[float, float] | None = None,
    rng: int | np.random.Generator | None = None,
) -> Effect:
    """Estimate the total linear effect of one column on another under a graph.

    dowhy names the columns to hold fixed (the efficient back-door set, to which the causes of
    the cause are added) in every directed graph that the given graph may stand for. The
    coefficient comes from regression with the known measurement noise taken out, its error from
    the autocovariance of the residuals. When the possible graphs disagree the effect is a range,
    and when one of them has a hidden common cause of the two it is refused. Where the link was
    only just found, a warning says that its effect is often overstated on the same patches.

    Parameters
    ----------
    table
        Patches, shape (n_patches, n_columns).
    graph
        From `discover_graph`, or a `networkx.DiGraph` that you know.
    cause, outcome
        Column names.
    contrast
        From, to, in the cause's unit; the 10th and 90th percentile when None.
    rng
        Seed of the placebo shifts.

    Returns
    -------
    Effect
        In the outcome's unit.

    Raises
    ------
    InputError
        For unknown columns, cause and outcome the same, or a contrast without length.
    NotIdentified
        For fewer than 30 patches.

    Notes
    -----
    Identification: dowhy (Sharma and Kiciman, arXiv 2011.04216); efficient sets: Rotnitzky and
    Smucler, JMLR 21(188) (2020). Errors in variables: Fuller
    (1987), doi:10.1002/9780470316665. Effective sample size: Dutilleul, doi:10.2307/2532625.
    Linear effects; a hidden common cause that the graph does not show biases the number.

    Examples
    --------
    >>> import networkx as nx, numpy as np, pandas as pd
    >>> from physlearn.records import PatchTable
    >>> rng = np.random.default_rng(1)
    >>> y, x = np.mgrid[:16, :16].reshape(2, -1)
    >>> a = rng.normal(size=256)
    >>> frame = pd.DataFrame({"a": a, "b": 2 * a + rng.normal(size=256)})
    >>> table = PatchTable.from_frame(frame, np.stack([x, y], 1), 1.0, unit="nm")
    >>> effect = estimate_effect(table, nx.DiGraph([("a", "b")]), "a", "b", contrast=(0, 1), rng=0)
    >>> 1.8 < effect.mean < 2.2, effect.identified
    (True, True)
    """
    require_table(table)
    if cause == outcome:
        raise InputError(f"cause and outcome must be different columns; got {cause!r} twice.")
    columns = prepare_columns(table, names=_columns_of(table, graph, cause, outcome), drop=True)
    for name in (cause, outcome):
        if name not in columns.names:
            raise InputError(f"column {name!r} does not vary on its own; no effect can be read.")
    contrast = _checked_contrast(table, cause, contrast)
    generator, seed = as_generator(rng)
    warnings = list(columns.warnings)
    unit = table.units.get(outcome, "1")
    unanswered = Effect(
        cause, outcome, contrast, math.nan, math.nan, False, "", (), unit, seed=seed
    )
    try:
        sets = adjustment_sets(columns, graph, cause, outcome, warnings)
        spatial = SpatialScore(
            columns.values, columns.layout, columns.noise, n_trend=columns.n_trend
        )
        found = tuple(
            _member(spatial, columns, cause, outcome, contrast, chosen, warnings) for chosen in sets
        )
    except NotIdentified as refusal:
        return replace(unanswered, reason=str(refusal), warnings=tuple(warnings))
    means = [member.mean for member in found]
    low, high = min(means), max(means)
    sd = max(member.sd for member in found)
    warnings += weak_link_warnings(graph, cause, outcome)
    estimated = replace(unanswered, members=found, range=(low, high), warnings=tuple(warnings))
    if len(found) > 1 and high - low > 0.1 * sd:
        reason = (
            f"the graph leaves {len(found)} answers open, from {low:.3g} to {high:.3g}: "
            "an intervention, or a firmer graph, decides."
        )
        return replace(estimated, reason=reason)
    adjustment = found[0].adjustment_set
    refutations: dict[str, float] = {}
    if adjustment is not None:
        refutations = spatial_placebo(
            spatial, columns, cause, outcome, adjustment, contrast, generator
        )
    return replace(
        estimated,
        mean=found[0].mean,
        sd=sd,
        identified=True,
        adjustment_set=adjustment or (),
        n_effective=found[0].n_effective,
        refutations=refutations,
    )


def _columns_of(
    table: PatchTable, graph: CausalGraph | nx.DiGraph, cause: str, outcome: str
) -> list[str]:
    nodes = list(graph.columns) if isinstance(graph, CausalGraph) else list(graph.nodes)
    for name in (cause, outcome):
        if name not in table.columns:
            raise InputError(f"{name!r} is no column of the table; it has {table.columns}.")
        if name not in nodes:
            raise InputError(
                f"{name!r} is no node of the graph (left out as constant or repeated?)."
            )
    return [name for name in nodes if name in table.columns]


def _checked_contrast(
    table: PatchTable, cause: str, contrast: tuple[float, float] | None
) -> tuple[float, float]:
    if contrast is None:
        low, high = np.percentile(table.frame[cause].to_numpy(), [10, 90])
        return float(low), float(high)
    if len(contrast) != 2 or not np.isfinite(contrast).all() or contrast[0] == contrast[1]:
        raise InputError(f"contrast must be two different finite numbers; got {contrast!r}.")
    return float(contrast[0]), float(contrast[1])


def _member(
    spatial: SpatialScore,
    columns: Columns,
    cause: str,
    outcome: str,
    contrast: tuple[float, float],
    adjustment: tuple[str, ...] | None,
    warnings: list[str],
) -> EffectMember:
    """Return the effect with some columns held fixed; None: the cause is not upstream.

    The slope of what is left of the outcome on what is left of the cause, the known noise taken
    out of both moments; its error counts neighbours by the autocovariance of the residuals.
    """
    if adjustment is None:
        return EffectMember(None, 0.0, 0.0, math.inf, math.nan)
    x, y = columns.index(cause), columns.index(outcome)
    given = tuple(columns.index(name) for name in adjustment)
    if spatial.determined((x, *given)):
        raise NotIdentified(
            f"{cause} and {', '.join(adjustment)} determine one another: nothing of {cause} varies "
            "on its own."
        )
    w_x = spatial.weights(x, given)
    observed = float(w_x @ spatial.gram @ w_x)
    true = observed - float(w_x @ spatial.noise @ w_x)
    if true < MIN_RELIABILITY * observed or spatial.reliability(given) < MIN_RELIABILITY:
        raise NotIdentified(
            f"once {', '.join(adjustment) or 'nothing'} is held fixed, {cause} varies too little "
            "above its measurement noise; repeat the scan to lower the noise."
        )
    w_y = spatial.weights(y, given)
    slope = float(w_x @ (spatial.gram - spatial.noise) @ w_y) / true
    w_error = w_y - slope * w_x
    variance = spatial.variance_of_product(w_x, w_error)
    spread = float(w_error @ spatial.gram @ w_error)
    n_effective = observed * spread / variance
    # the fitted slopes took their share of the residual's variance, out of few independent patches
    freedom = max(n_effective - 2.0 - len(given), 2.0)
    sd = math.sqrt(variance * max(n_effective / freedom, 1.0)) / true
    envelope = NOISE_RELATIVE_ERROR * abs(float(w_x @ spatial.noise @ w_error)) / true
    if envelope > sd:
        warnings.append(
            f"a noise covariance wrong by {NOISE_RELATIVE_ERROR:.0%} moves this effect by "
            f"{envelope / sd:.1f} standard deviations."
        )
    scale = (contrast[1] - contrast[0]) * float(columns.scale[y] / columns.scale[x])
    return EffectMember(
        adjustment,
        slope * scale,
        abs(sd * scale),
        freedom,
        n_effective,
        _dowhy_estimate(columns, cause, outcome, adjustment) * scale,
    )


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
