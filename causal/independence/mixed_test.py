"""Conditional independence of binary, ordinal, categorical, count and continuous columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from physlearn.causal.columns import Columns, trend_terms
from physlearn.causal.independence.basis_projection import Projection, project
from physlearn.causal.independence.block_test import BlockTest, Key, key_of
from physlearn.causal.independence.mixed_cache import ByteCache
from physlearn.causal.independence.mixed_columns import column_kinds, mixed_column
from physlearn.causal.independence.mixed_errors import PATH, Feigned, feigned_products, outlasting_p
from physlearn.causal.independence.mixed_residuals import Residuals, residuals_of
from physlearn.causal.independence.mixed_score import MixedScore, direction_p, mixed_score, shape_p
from physlearn.causal.independence.unknown_errors import UnknownErrors, errors_could_explain
from physlearn.causal.spatial_layout import Floats
from physlearn.causal.spatial_score import SpatialScore, covariance_at_zero
from physlearn.causal.spatial_test import MIN_RELIABILITY, IndependenceResult, require_blocks
from physlearn.one_thread import one_blas_thread
from physlearn.option_fields import check_fields

if TYPE_CHECKING:
    from physlearn.records import PatchTable

FEWEST_EVENTS = 10.0
"""Effective rows at the rarer of two values below which nothing is called independent."""
FEWEST_JOINT_EVENTS = 3.0
"""Rows expected to hold the rare value of both columns, below which likewise."""
Given = tuple[int, ...]
Fitted = tuple[Residuals, list[Floats]]


@dataclass(frozen=True, slots=True)
class MixedOptions:
    """What the columns are, and what counts as a dependence that would have been seen.

    Attributes
    ----------
    kinds
        Column -> "binary", "ordinal", "categorical", "count" or "continuous"; the rest is read
        from the values (`column_kind`). A table's metadata may hold the same under "kinds".
    largest_missed
        "independent" is said only where a partial correlation of this size would have been found.
    noise_relative_error
        The noise covariance may be wrong by this share.

    Examples
    --------
    >>> MixedOptions(kinds={"species": "categorical"}).kinds["species"]
    'categorical'
    """

    kinds: Mapping[str, str] = field(default_factory=dict)
    largest_missed: float = 0.3
    noise_relative_error: float = 0.2

    def __post_init__(self) -> None:
        check_fields(self)


class MixedIndependenceTest:
    """Conditional-independence tests on one table whose columns may be of any kind.

    Both columns are regressed on the columns held fixed: means of cells of levels, splines,
    low products, logistic and Poisson fits. Products of the residuals are compared with their
    covariance: the product of the columns' directions, and a sum of squares over further scores
    (squares of the columns, contrasts of levels, the direction weighted by a column held fixed).
    Half of the level goes to either; of unordered levels all goes to the sum of squares.
    Neighbouring patches are not counted as independent rows, except in a table of rows without
    places (`PatchTable.from_rows`).

    Parameters
    ----------
    table
        The patches or rows.
    columns
        Prepared columns of the table (`prepare_columns`).
    alpha
        Level of the tests.
    options
        Kinds of columns and margins.
    why
        Why this test was chosen, for the results.

    Raises
    ------
    InputError
        For kinds that the values contradict.

    Notes
    -----
    Shah and Peters, doi:10.1214/19-AOS1857. Measurement errors of continuous columns held fixed
    are taken out of the direction in the linear part; where that correction or what errors may
    leave of curved responses matters, a dependence is only claimed beyond half of the one and all
    of the other, and the sum of squares is left out. Where errors are unknown, a dependence must
    outlast the largest errors that the table allows.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from physlearn.causal.columns import prepare_columns
    >>> from physlearn.records import PatchTable
    >>> rng = np.random.default_rng(1)
    >>> z = rng.normal(size=900)
    >>> frame = pd.DataFrame({"z": z, "defect": 1.0 * (z**2 + rng.normal(size=900) > 1),
    ...                       "count": rng.poisson(np.exp(z**2 / 4))})
    >>> table = PatchTable.from_rows(frame, measurement_covariance=np.zeros((1, 3, 3)))
    >>> test = MixedIndependenceTest(table, prepare_columns(table))
    >>> test.kinds["defect"], test.kinds["z"]
    ('binary', 'continuous')
    >>> test(1, 2).verdict, test(1, 2, [0]).verdict
    ('dependent', 'independent')
    """

    name = "mixed"

    def __init__(
        self,
        table: PatchTable,
        columns: Columns,
        *,
        alpha: float = 0.05,
        options: MixedOptions | None = None,
        why: str = "",
    ) -> None:
        self.columns = columns
        self.alpha = alpha
        self.options = options or MixedOptions()
        self.why = why
        self.results: dict[Key, IndependenceResult] = {}
        self.rows_independent = bool(table.metadata.get("rows_independent", False))
        raw = table.frame[list(columns.names)].to_numpy(dtype=np.float64)
        told = {**dict(table.metadata.get("kinds", {})), **self.options.kinds}
        told = {name: kind for name, kind in told.items() if name in columns.names}
        self.kinds = column_kinds(raw, columns.names, told)
        self._columns = [
            mixed_column(raw[:, k], kind) for k, kind in enumerate(self.kinds.values())
        ]
        self._trend = trend_terms(table, plane=not self.rows_independent)
        self._linear = SpatialScore(
            columns.values, columns.layout, columns.noise, n_trend=columns.n_trend
        )
        self.effective = self._typical_effective()
        per_side = int(np.clip(np.sqrt(self.effective), 4, 8))
        self.blocks = columns.layout.blocks(per_side)
        self._counts = np.bincount(self.blocks).astype(np.float64)
        self._projections: ByteCache[tuple[Projection | None, float]] = ByteCache()
        self._residuals: ByteCache[Fitted] = ByteCache()
        self._scores: dict[Key, MixedScore | None] = {}
        self._feigned: dict[Key, Feigned] = {}

    @property
    def n_blocks(self) -> int:
        """Number of spatial blocks that `on_blocks` chooses from."""
        return len(self._counts)

    def on_blocks(self, chosen: NDArray[np.bool_]) -> BlockTest:
        """Return the same test on the rows of some blocks only, with the fits of all rows.

        Parameters
        ----------
        chosen
            One answer per block, shape (n_blocks,).
        """
        return BlockTest(self, require_blocks(chosen, self.n_blocks))

    def of_part(self, key: Key, chosen: NDArray[np.bool_]) -> IndependenceResult:
        """Return what the rows of some blocks say, with the fits of all rows."""
        whole = self(*key)
        score = self._scores[key]
        if score is None:
            return whole
        share = float(self._counts[chosen].sum() / self._counts.sum())
        found = self.verdict(key, score, score.parts[chosen].sum(axis=0), share)
        return replace(found, test=self.name)

    def __call__(self, x: int, y: int, given: Sequence[int] = ()) -> IndependenceResult:
        """Test columns number x and y given others."""
        key = key_of(x, y, given)
        if key not in self.results:
            with one_blas_thread():
                found = self._run(key)
            self.results[key] = replace(found, why=self.why, test=self.name)
        return self.results[key]

    def _typical_effective(self) -> float:
        """Return the median over columns of the effective number of rows."""
        n = len(self.columns.values)
        if self.rows_independent:
            return float(n)
        found = [self._linear.error(k, k, ())[1] for k in range(len(self.columns.names))]
        return float(np.median(found))

    def _projection(self, given: Given) -> tuple[Projection | None, float]:
        found = self._projections.get(given)
        if found is None:
            found = project([self._columns[k] for k in given], self._trend, self.effective)
            size = 0.0 if found[0] is None else found[0].functions.nbytes
            self._projections.put(given, found, size)
        return found

    def _residual(self, column: int, given: Given, projection: Projection) -> Fitted:
        """Return the residuals of a column and, on a layout, the autocovariance of each score."""
        found = self._residuals.get((column, given))
        if found is None:
            residuals = residuals_of(self._columns[column], projection)
            spatial = [] if self.rows_independent else self._autocovariances(residuals)
            found = residuals, spatial
            self._residuals.put(
                (column, given), found, residuals.values.nbytes + residuals.covariance.nbytes
            )
        return found

    def _autocovariances(self, residuals: Residuals) -> list[Floats]:
        """Return autocovariances, repaired for the long waves that fitted functions take out."""
        fitted = residuals.n_functions - 1 - self._trend.shape[1]
        p = residuals.values.shape[1]
        score = SpatialScore(
            residuals.values,
            self.columns.layout,
            np.zeros((p, p)),
            n_trend=self.columns.n_trend + int(np.ceil(1.5 * max(fitted, 0))),
        )
        return [score.autocovariance(row) for row in np.eye(p)]

    def score_of(self, key: Key) -> MixedScore | None:
        """Return the score behind a result, None where there was none."""
        return self._scores[key]

    def _undecided(self, reason: str) -> IndependenceResult:
        return IndependenceResult("undecided", 1.0, 1.0, np.nan, 0.0, np.nan, reason)

    def _run(self, key: Key) -> IndependenceResult:
        """Test two columns given others: dependent, independent, or undecided and why."""
        x, y, given = key
        self._scores[key] = None
        names = self.columns.names
        if self._linear.determined(given):
            return self._undecided("the conditioning columns determine one another")
        reliability = self._linear.reliability(given)
        if reliability < MIN_RELIABILITY:
            return self._undecided(
                f"of the conditioning columns only {max(reliability, 0):.0%} of the variance is "
                "not measurement noise; repeat the scan to lower the noise"
            )
        projection, needed = self._projection(given)
        if projection is None:
            return self._undecided(
                f"holding {', '.join(names[k] for k in given)} fixed takes {needed:.0f} functions, "
                f"too many for {self.effective:.0f} effective rows; more rows, or fewer columns "
                "held fixed, would decide"
            )
        residuals = [self._residual(k, given, projection) for k in (x, y)]
        for k, (found, _) in zip((x, y), residuals, strict=True):
            if float((found.values[:, 0] ** 2).mean()) < 1e-6:
                return self._undecided(
                    f"nothing is left of {names[k]} after conditioning: the columns held fixed "
                    "determine it"
                )
        inflation = self._inflation(*residuals)
        jump = self._columns[x].step * self._columns[y].step
        score = mixed_score(
            residuals[0][0], residuals[1][0], projection, inflation, self.blocks, jump
        )
        self._scores[key] = score
        self._feigned[key] = self._feigned_by(key, self.columns.noise)
        result = self.verdict(key, score, score.parts.sum(axis=0), 1.0)
        return self._with_unknown(key, score, result) if result.verdict == "dependent" else result

    def _inflation(self, x: Fitted, y: Fitted) -> Floats:
        """Return the variance of each mean product over that of independent rows."""
        found = np.ones((x[0].values.shape[1], y[0].values.shape[1]))
        layout = self.columns.layout
        for j, mine in enumerate(x[1]):
            for k, other in enumerate(y[1]):
                zero = covariance_at_zero(mine, layout) * covariance_at_zero(other, layout)
                total = float(layout.pair_counts @ (mine * other)) / layout.n
                found[j, k] = max(total / max(zero, 1e-300), 1.0)
        return found

    def _feigned_by(self, key: Key, noise: Floats) -> Feigned:
        """Return the mean products that errors of a covariance alone leave."""
        x, y, given = key
        ends = [self._columns[k] for k in (x, y)]
        projection = self._projection(given)[0]
        named, chosen = np.ix_(given, given), list(given)
        if projection is None or not noise[named].any():
            score = self._scores[key]
            found = Feigned(np.zeros(1 if score is None else score.parts.shape[1]), 0.0)
        else:
            residuals = [self._residual(k, given, projection)[0] for k in (x, y)]
            values = self.columns.values[:, chosen]
            found = feigned_products(
                ends, residuals, projection, values, noise[named], self.effective
            )
        if all(column.codes is None for column in ends):
            found.products[0] += noise[x, y]
        return found

    def _with_unknown(
        self, key: Key, score: MixedScore, result: IndependenceResult
    ) -> IndependenceResult:
        """Return "dependent" only if errors of unknown size of columns held fixed cannot feign it.

        Levels are taken to be told apart without errors.
        """
        named = tuple(k for k in key[2] if self._columns[k].codes is None)
        errors = UnknownErrors(self._linear, self.columns.errors_unknown)
        unknown = errors.of(named)
        if not unknown:
            return result
        known = self.columns.noise
        possible = [
            self._feigned_by(key, known + part * (most - known))
            for most in errors.largest(named)
            for part in PATH
        ]
        sign = result.partial_correlation
        p_value = outlasting_p(score, possible, len(self.columns.values), sign)
        envelope = max(result.p_value_envelope, p_value)
        if envelope < self.alpha:
            return replace(result, p_value_envelope=envelope)
        reason = errors_could_explain([self.columns.names[k] for k in unknown])
        return replace(result, verdict="undecided", p_value_envelope=envelope, reason=reason)

    def verdict(
        self, key: Key, score: MixedScore, sums: Floats, share: float
    ) -> IndependenceResult:
        """Return what sums of products of a share of the rows say."""
        x, y, _ = key
        rows = len(self.columns.values) * share
        bias, curved = rows * self._feigned[key].products[0], rows * self._feigned[key].curved
        error = float(np.sqrt(score.covariance[0, 0] * share))
        noisy = abs(bias) + curved > 0.5 * error
        slack = max(0.5, self.options.noise_relative_error) * abs(bias) + curved
        sums = sums.copy()
        sums[0] -= bias
        ordered = all(self._columns[k].ordered for k in (x, y))
        straight, any_shape = direction_p(score, sums, share), shape_p(score, sums, share)
        if noisy or np.isnan(any_shape):
            p_value, p_envelope = straight, direction_p(score, sums, share, slack)
        else:
            p_value = min(1.0, 2.0 * min(straight, any_shape)) if ordered else any_shape
            p_envelope = p_value
        scale = max(score.scale * share, 1e-300)
        missed = (2.8 * error + (slack if noisy else 0.0)) / scale
        verdict, reason = "dependent", ""
        if p_envelope >= self.alpha:
            verdict = "independent"
            if p_value < self.alpha:
                verdict, reason = (
                    "undecided",
                    (
                        "errors of the columns held fixed could explain the dependence; "
                        "scan them again to lower them"
                    ),
                )
            elif why := self._too_little(key, score, share, missed):
                verdict, reason = "undecided", why
        correlation = float(np.clip(sums[0] / scale, -1.0, 1.0))
        return IndependenceResult(
            verdict, p_value, p_envelope, correlation, score.n_effective * share, missed, reason
        )

    def _too_little(self, key: Key, score: MixedScore, share: float, missed: float) -> str:
        """Return why independence cannot be claimed, "" where it can."""
        x, y, _ = key
        names = self.columns.names
        rows = score.n_effective * share
        if missed > self.options.largest_missed:
            return (
                f"partial correlations below {min(missed, 1.0):.2f} could not be seen; more rows "
                "or a larger field of view would decide"
            )
        rare = [self._columns[k].rarest if self._columns[k].n_levels == 2 else 1.0 for k in (x, y)]
        for k, name in enumerate((names[x], names[y])):
            if rare[k] * rows < FEWEST_EVENTS:
                return (
                    f"the rarer value of {name} holds about {rare[k] * rows:.0f} effective rows, "
                    f"fewer than {FEWEST_EVENTS:.0f}; more rows would decide"
                )
        if rare[0] * rare[1] * rows < FEWEST_JOINT_EVENTS:
            return (
                f"the rarer values of {names[x]} and {names[y]} are expected together in about "
                f"{rare[0] * rare[1] * rows:.1f} rows if independent, fewer than "
                f"{FEWEST_JOINT_EVENTS:.0f}; more rows would decide"
            )
        return ""
