"""The outcome as a curve of the cause."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import networkx as nx
import numpy as np
from scipy import stats

from physlearn.causal.columns import Columns
from physlearn.causal.effect_estimates.effect_records import EffectOptions
from physlearn.causal.graphs import CausalGraph
from physlearn.causal.spatial_layout import Floats
from physlearn.checks import CREDIBLE_MASS, InputError, NotIdentified, as_generator, check_count

if TYPE_CHECKING:
    from physlearn.records import PatchTable

N_POINTS = 41
OUTER = (2.0, 98.0)
"""The curve is drawn between these percentiles of the cause."""
N_DRAWS = 4000
LEAST_RELIABILITY = 0.7
"""Below this share of true variance the shape of a curve is lost in the noise of the cause."""
LEAST_INDEPENDENT = 30.0


@dataclass(frozen=True, slots=True, eq=False)
class DoseResponse:
    """The change of the outcome when the cause is set from `reference` to each of `values`.

    Attributes
    ----------
    cause, outcome, unit
        The question, and the outcome's unit.
    values
        Of the cause, shape (m,), in its unit.
    reference
        Where the curve is nil.
    mean, sd
        Of the curve, shape (m,).
    low, high
        90 % interval at each value by itself, shape (m,).
    band_low, band_high
        Band that holds the whole curve with 90 %.
    support
        Patches within one step of each value, shape (m,).
    linear_p_value
        That the curve is a straight line.
    identified, reason
        Whether there is an answer, and why not; all arrays are empty then.
    adjustment_set, warnings
        As in `Effect`.
    """

    cause: str
    outcome: str
    unit: str
    values: Floats
    reference: float
    mean: Floats
    sd: Floats
    low: Floats
    high: Floats
    band_low: Floats
    band_high: Floats
    support: Floats
    linear_p_value: float
    identified: bool
    reason: str
    adjustment_set: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def dose_response(
    table: PatchTable,
    graph: CausalGraph | nx.DiGraph,
    cause: str,
    outcome: str,
    *,
    reference: float | None = None,
    n_knots: int = 5,
    rng: int | np.random.Generator | None = None,
) -> DoseResponse:
    """Estimate the outcome as a natural cubic spline of the cause, other causes held fixed.

    Columns held fixed enter linearly. Known noise enters by regression calibration: cause and
    columns are replaced by what is expected of them given what was measured, which is exact for a
    line and good while the curve bends little over the noise (Carroll et al. 2006,
    doi:10.1201/9781420010138). The covariance of the spline's coefficients counts neighbours by
    the autocovariance of the residuals.

    Parameters
    ----------
    table, graph, cause, outcome
        As in `estimate_effect`; only a back-door set serves.
    reference
        Where the curve is nil, in the cause's unit; its median when None.
    n_knots
        Of the spline, at equal quantiles of the cause.
    rng
        Seed of the draws behind the simultaneous band.

    Raises
    ------
    InputError
        For unknown columns, fewer than 3 knots, or a reference outside the range of the cause.
    NotIdentified
        For fewer than 30 patches.

    Examples
    --------
    >>> import pandas as pd
    >>> from physlearn.records import PatchTable
    >>> generator = np.random.default_rng(1)
    >>> y, x = np.mgrid[:24, :24].reshape(2, -1)
    >>> a = generator.normal(size=576)
    >>> frame = pd.DataFrame({"a": a, "b": a**2 + generator.normal(size=576)})
    >>> table = PatchTable.from_frame(frame, np.stack([x, y], 1), 1.0)
    >>> curve = dose_response(table, nx.DiGraph([("a", "b")]), "a", "b", reference=0.0, rng=0)
    >>> curve.linear_p_value < 0.01, bool(curve.mean[0] > 1 and curve.mean[-1] > 1)
    (True, True)
    """
    from physlearn.causal.effects import prepared
    from physlearn.causal.identification import identify
    from physlearn.causal.table_notes import selection_notes

    check_count("n_knots", n_knots, 3)
    columns, _ = prepared(table, graph, cause, outcome, (0.0, 1.0))
    measured = table.frame[cause].to_numpy()
    low, high = np.percentile(measured, OUTER)
    start = float(np.median(measured)) if reference is None else float(reference)
    if not measured.min() <= start <= measured.max():
        raise InputError(
            f"reference must lie in the range of {cause}, {measured.min():.4g} to "
            f"{measured.max():.4g}; got {start:.4g}."
        )
    generator, _ = as_generator(rng)
    warnings = [*columns.warnings, *selection_notes(table, columns.names)]
    empty = np.empty(0)
    answer = DoseResponse(
        cause, outcome, table.units.get(outcome, "1"), empty, start, empty, empty, empty, empty,
        empty, empty, empty, math.nan, False, "",
    )  # fmt: skip
    try:
        options = EffectOptions(strategy="back-door")
        found = identify(columns.names, graph, cause, outcome, options, warnings)
        if found.reason:
            raise NotIdentified(found.reason)
        if len(found.estimands) > 1 or found.estimands[0].strategy != "back-door":
            raise NotIdentified(
                "the graph leaves open whether, or with what held fixed, the cause acts; a firmer "
                "graph decides."
            )
        held = found.estimands[0].held_fixed
        spline = _Spline(columns, measured, cause, outcome, held, n_knots)
    except NotIdentified as refusal:
        return replace(answer, reason=str(refusal), warnings=tuple(warnings))
    values = np.linspace(low, high, N_POINTS)
    return _curve(answer, spline, values, generator, held, tuple(warnings))


def _curve(
    answer: DoseResponse,
    spline: _Spline,
    values: Floats,
    generator: np.random.Generator,
    held: tuple[str, ...],
    warnings: tuple[str, ...],
) -> DoseResponse:
    rows = spline.basis(values) - spline.basis(np.array([answer.reference]))
    mean = rows @ spline.coefficients
    sd = np.sqrt(np.maximum(np.einsum("ij,jk,ik->i", rows, spline.covariance, rows), 0.0))
    quantile = float(stats.t.ppf(0.5 + 0.5 * CREDIBLE_MASS, spline.freedom))
    root = np.linalg.cholesky(
        spline.covariance + 1e-12 * np.trace(spline.covariance) * np.eye(rows.shape[1])
    )
    moved = rows @ root @ generator.standard_normal((rows.shape[1], N_DRAWS))
    moved /= np.sqrt(generator.chisquare(spline.freedom, N_DRAWS) / spline.freedom)
    seen = sd > 1e-9 * sd.max()
    largest = np.max(np.abs(moved[seen]) / sd[seen, None], axis=0)
    wide = float(np.quantile(largest, CREDIBLE_MASS))
    step = float(values[1] - values[0])
    support = np.array(
        [np.count_nonzero(np.abs(spline.measured - value) <= step) for value in values], dtype=float
    )
    return replace(
        answer,
        values=values, mean=mean, sd=sd, low=mean - quantile * sd, high=mean + quantile * sd,
        band_low=mean - wide * sd, band_high=mean + wide * sd, support=support,
        linear_p_value=spline.linear_p_value(), identified=True, adjustment_set=held,
        warnings=warnings,
    )  # fmt: skip


class _Spline:
    """Regression of the outcome on a spline of the cause, and the covariance of its terms."""

    def __init__(
        self,
        columns: Columns,
        measured: Floats,
        cause: str,
        outcome: str,
        held: tuple[str, ...],
        n_knots: int,
    ) -> None:
        x, y = columns.index(cause), columns.index(outcome)
        index = [x, *(columns.index(name) for name in held)]
        gram = columns.values.T @ columns.values / (len(measured) - columns.n_trend)
        seen, noise = gram[np.ix_(index, index)], columns.noise[np.ix_(index, index)]
        reliability = 1.0 - noise[0, 0] / seen[0, 0]
        if reliability < LEAST_RELIABILITY:
            raise NotIdentified(
                f"only {max(reliability, 0):.0%} of the variance of {cause} is not measurement "
                "noise: the shape of a curve is lost in it; repeat the scan."
            )
        shrink = np.linalg.solve(seen, seen - noise)
        calibrated = columns.values[:, index] @ shrink
        # the plane that was taken out of the cause comes back without its noise
        trend = measured - columns.values[:, x] * columns.scale[x]
        self.measured = measured
        cause_values = trend + calibrated[:, 0] * columns.scale[x]
        self.scale = float(columns.scale[y])
        inner = np.quantile(cause_values, np.linspace(0.02, 0.98, n_knots))
        if np.unique(inner).size < n_knots:
            raise NotIdentified(
                f"{cause} takes too few different values for {n_knots} knots; take fewer."
            )
        self.knots = np.asarray(inner, dtype=np.float64)
        self._fit(columns, cause_values, calibrated[:, 1:], y)

    def _fit(self, columns: Columns, cause_values: Floats, held: Floats, y: int) -> None:
        n = len(cause_values)
        places = columns.layout.centers - columns.layout.centers.mean(axis=0)
        rest = np.column_stack([np.ones(n), places / np.abs(places).max(), held])
        fixed = np.linalg.qr(rest)[0]
        terms = self.basis(cause_values)
        terms = terms - fixed @ (fixed.T @ terms)
        inverse = np.linalg.inv(terms.T @ terms)
        self.coefficients = self.scale * (inverse @ (terms.T @ columns.values[:, y]))
        left = columns.values[:, y] - fixed @ (fixed.T @ columns.values[:, y])
        error = self.scale * left - terms @ self.coefficients
        freedom = n - fixed.shape[1] - terms.shape[1]
        error *= math.sqrt(n / max(freedom, 1))
        layout = columns.layout
        of_error = layout.autocovariance(error)
        k = terms.shape[1]
        middle = np.zeros((k, k))
        # of two terms together: the polarised autocovariance
        own = [layout.autocovariance(terms[:, j]) for j in range(k)]
        weight = layout.pair_counts * of_error
        for j in range(k):
            middle[j, j] = weight @ own[j]
            for i in range(j):
                both = layout.autocovariance(terms[:, i] + terms[:, j])
                middle[i, j] = middle[j, i] = 0.5 * float(weight @ (both - own[i] - own[j]))
        independent = float(error @ error) / n * (terms.T @ terms)
        middle = _at_least(middle, independent)
        covariance = inverse @ middle @ inverse
        ratio = np.trace(inverse @ middle) / np.trace(inverse @ independent)
        n_effective = n / max(float(ratio), 1.0)
        if n_effective < LEAST_INDEPENDENT:
            raise NotIdentified(
                f"the field holds no more than {n_effective:.0f} independent patches: too few for "
                "a curve; take a larger field."
            )
        self.freedom = max(n_effective - rest.shape[1] - k, 3.0)
        self.covariance = covariance * (n_effective / self.freedom)

    def basis(self, values: Floats) -> Floats:
        """Return the natural cubic spline's terms (m, n_knots - 1), the first the line itself."""
        low, high = self.knots[0], self.knots[-1]
        scaled = (values - low) / (high - low)
        knots = (self.knots - low) / (high - low)

        def cubic(k: int) -> Floats:
            first = np.maximum(scaled - knots[k], 0.0) ** 3
            last = np.maximum(scaled - knots[-1], 0.0) ** 3
            return np.asarray((first - last) / (knots[-1] - knots[k]))

        end = cubic(len(knots) - 2)
        return np.column_stack([scaled, *(cubic(k) - end for k in range(len(knots) - 2))])

    def linear_p_value(self) -> float:
        """Return the p value (F test) that all terms but the line are nil."""
        bent = self.coefficients[1:]
        size = float(bent @ np.linalg.solve(self.covariance[1:, 1:], bent)) / len(bent)
        return float(stats.f.sf(size, len(bent), self.freedom))


def _at_least(matrix: Floats, floor: Floats) -> Floats:
    """Return the matrix with no direction below the floor's: neighbours never add information."""
    root = np.linalg.cholesky(floor)
    inside = np.linalg.solve(root, np.linalg.solve(root, matrix).T)
    values, vectors = np.linalg.eigh(0.5 * (inside + inside.T))
    kept = root @ (vectors * np.maximum(values, 1.0))
    return np.asarray(kept @ (root @ vectors).T)
