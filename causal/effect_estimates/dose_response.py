"""The outcome as a curve of the cause."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import networkx as nx
import numpy as np
from scipy import stats

from physlearn.causal.columns import Columns, trend_basis
from physlearn.causal.effect_estimates.effect_records import EffectOptions
from physlearn.causal.effect_estimates.held_curves import noise_free_terms
from physlearn.causal.effect_estimates.held_slope import held_slope
from physlearn.causal.graphs import CausalGraph
from physlearn.causal.spatial_layout import Floats
from physlearn.causal.spatial_test import SpatialScore
from physlearn.checks import CREDIBLE_MASS, InputError, NotIdentified, as_generator, check_count
from physlearn.records.storage import html_table, short_repr

if TYPE_CHECKING:
    from physlearn.records import PatchTable

N_POINTS = 41
OUTER = (2.0, 98.0)
"""The curve is drawn between these percentiles of the cause."""
N_DRAWS = 4000
LEAST_RELIABILITY = 0.7
"""Below this share of true variance the shape of a curve is lost in the noise of the cause."""
LEAST_INDEPENDENT = 110.0
"""Fewer independent patches gave bands that were too narrow (measured)."""


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

    Examples
    --------
    >>> v = np.linspace(0, 1, 3)
    >>> answer = DoseResponse("bias", "shift", "nm", v, 0.0, 2 * v, v, v, 3 * v, v, 3 * v, v, 0.5,
    ...                       True, "")
    >>> answer.mean.tolist()
    [0.0, 1.0, 2.0]
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

    __repr__ = short_repr
    _repr_html_ = html_table


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

    Columns held fixed enter along curves, where the field holds enough independent patches for
    them, and else along straight lines (a warning says so). Known noise enters by regression
    calibration: cause and columns are replaced by what is expected of them given what was measured,
    which is exact for a line and good while the curve bends little over the noise (Carroll et al.
    2006, doi:10.1201/9781420010138); columns that themselves act along curves must be free of it.
    The covariance of the spline's coefficients counts neighbours by the autocovariance of the
    residuals.

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
    start = float(np.median(measured)) if reference is None else reference
    is_number = isinstance(start, int | float | np.floating | np.integer)
    if not is_number or not measured.min() <= start <= measured.max():
        raise InputError(
            f"reference must be a number in the range of {cause}, {measured.min():.4g} to "
            f"{measured.max():.4g}; got {reference!r}."
        )
    start = float(start)
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
        spline = _Spline(table, columns, cause, outcome, held, n_knots)
    except NotIdentified as refusal:
        return replace(answer, reason=str(refusal), warnings=tuple(warnings))
    except np.linalg.LinAlgError:
        reason = f"{n_knots} knots are more than these patches tell apart; take fewer."
        return replace(answer, reason=reason, warnings=tuple(warnings))
    if spline.straight:
        warnings.append(
            f"{', '.join(held)} acts along straight lines: too few independent patches for curves."
        )
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
    draws = root @ generator.standard_normal((rows.shape[1], N_DRAWS))
    draws /= np.sqrt(generator.chisquare(spline.freedom, N_DRAWS) / spline.freedom)
    moved = rows @ draws
    seen = sd > 1e-9 * sd.max()
    largest = np.max(np.abs(moved[seen]) / sd[seen, None], axis=0)
    wide = float(np.quantile(largest, CREDIBLE_MASS))
    bent = _bent_p_value(values, rows, spline, draws)
    step = float(values[1] - values[0])
    support = np.array(
        [np.count_nonzero(np.abs(spline.measured - value) <= step) for value in values], dtype=float
    )
    return replace(
        answer,
        values=values, mean=mean, sd=sd, low=mean - quantile * sd, high=mean + quantile * sd,
        band_low=mean - wide * sd, band_high=mean + wide * sd, support=support,
        linear_p_value=bent, identified=True, adjustment_set=held,
        warnings=warnings,
    )  # fmt: skip


def _bent_p_value(values: Floats, rows: Floats, spline: _Spline, draws: Floats) -> float:
    """Return the p value that the curve is straight: its largest distance from its own line.

    Over all terms at once (F) a test rejects too often, as the least certain of their directions
    are the least known; distances of the curve hold their level.
    """
    line = np.linalg.qr(np.column_stack([np.ones(len(values)), values - values.mean()]))[0]
    apart = rows - line @ (line.T @ rows)
    sd = np.sqrt(np.maximum(np.einsum("ij,jk,ik->i", apart, spline.covariance, apart), 0.0))
    seen = sd > 0.1 * sd.max()
    found = np.max(np.abs(apart @ spline.coefficients)[seen] / sd[seen])
    by_chance = np.max(np.abs(apart @ draws)[seen] / sd[seen, None], axis=0)
    return float((1 + np.count_nonzero(by_chance >= found)) / (1 + by_chance.size))


class _Spline:
    """Regression of the outcome on a spline of the cause, and the covariance of its terms."""

    def __init__(
        self,
        table: PatchTable,
        columns: Columns,
        cause: str,
        outcome: str,
        held: tuple[str, ...],
        n_knots: int,
    ) -> None:
        x, y = columns.index(cause), columns.index(outcome)
        measured = table.frame[cause].to_numpy()
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
        self.straight = False
        lines = calibrated[:, 1:]
        checked = held_slope(table, columns, x, y, tuple(index[1:]), EffectOptions())
        if noise.any() and checked.note:
            raise NotIdentified(
                f"{', '.join(held)} acts along curves, and noise blurs them: no curve of {cause} "
                "can be read beside them; repeat the scan, or ask for its slope (estimate_effect)."
            )
        if not held:
            self._fit(columns, cause_values, lines, y)
            return
        # as of the cause: the plane comes back, which the curves of a column bend with
        places = index[1:]
        whole = table.frame[list(held)].to_numpy() / columns.scale[places]
        whole = whole - columns.values[:, places] + lines
        curves = noise_free_terms(whole - whole.mean(axis=0), trend_basis(table))
        try:
            self._fit(columns, cause_values, np.column_stack([lines, curves]), y)
        except NotIdentified:
            self._fit(columns, cause_values, lines, y)
            self.straight = True

    def _fit(self, columns: Columns, cause_values: Floats, held: Floats, y: int) -> None:
        n = len(cause_values)
        places = columns.layout.centers - columns.layout.centers.mean(axis=0)
        plane = np.linalg.qr(np.column_stack([np.ones(n), places / np.abs(places).max()]))[0]
        terms = self.basis(cause_values)
        k, q = terms.shape[1], held.shape[1]
        joined = np.column_stack([terms, held, columns.values[:, y]])
        joined = joined - plane @ (plane.T @ joined)
        p = joined.shape[1]
        score = SpatialScore(joined, columns.layout, np.zeros((p, p)), n_trend=columns.n_trend)
        fixed = tuple(range(k, k + q))
        weights = np.stack([score.weights(j, fixed) for j in range(k)])
        w_error = score.weights(p - 1, tuple(range(k + q)))
        inverse = np.linalg.inv(weights @ score.gram @ weights.T)
        self.coefficients = self.scale * (inverse @ (weights @ score.gram[:, p - 1]))
        of_error = score.layout.pair_counts * score.autocovariance(w_error) / n**2
        # of two terms together: the polarised autocovariance, which must stay bilinear, so that
        # only the residual's is repaired for what was taken out of it
        fields = joined @ weights.T
        own = [columns.layout.autocovariance(f) for f in fields.T]
        middle = np.zeros((k, k))
        for j in range(k):
            middle[j, j] = of_error @ own[j]
            for i in range(j):
                both = columns.layout.autocovariance(fields[:, i] + fields[:, j])
                middle[i, j] = middle[j, i] = 0.5 * float(of_error @ (both - own[i] - own[j]))
        spread = float(w_error @ score.gram @ w_error)
        independent = spread / n * np.asarray(weights @ score.gram @ weights.T)
        middle = _at_least(middle, independent)
        # the most correlated term decides how many patches count
        n_effective = n / float(np.linalg.eigvals(np.linalg.solve(independent, middle)).real.max())
        if n_effective < LEAST_INDEPENDENT:
            raise NotIdentified(
                f"the field holds no more than {n_effective:.0f} independent patches: too few for "
                "a curve; take a larger field."
            )
        self.n_effective = n_effective
        self.freedom = max(n_effective - 2.0 - q - k, 3.0)
        self.covariance = self.scale**2 * (inverse @ middle @ inverse)
        self.covariance *= n_effective / self.freedom

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


def _at_least(matrix: Floats, floor: Floats) -> Floats:
    """Return the matrix with no direction below the floor's: neighbours never add information."""
    root = np.linalg.cholesky(floor)
    inside = np.linalg.solve(root, np.linalg.solve(root, matrix).T)
    values, vectors = np.linalg.eigh(0.5 * (inside + inside.T))
    kept = root @ (vectors * np.maximum(values, 1.0))
    return np.asarray(kept @ (root @ vectors).T)
