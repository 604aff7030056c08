"""Conditional independence on patch tables: neighbours are correlated, measurements are noisy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from physlearn.causal.columns import Columns, prepare_columns, require_table
from physlearn.causal.spatial_layout import Floats, Integers, SpatialLayout
from physlearn.checks import InputError

if TYPE_CHECKING:
    from physlearn.records import PatchTable

MIN_RELIABILITY = 0.15
"""Below this share of true variance a column says too little about what it measures."""
DETERMINED = 1e-8


@dataclass(frozen=True, slots=True)
class IndependenceResult:
    """The answer of one conditional-independence test.

    Attributes
    ----------
    verdict
        "dependent", "independent" or "undecided" (the measurement noise makes it untestable).
    p_value
        Two-sided, for the noise covariance as given.
    p_value_envelope
        The largest p value when the noise covariance is wrong by up to the stated share.
    partial_correlation
        Between the noise-free quantities; NaN when there is no noise-free variance.
    n_effective
        Number of independent patches that carry the same information.
    detectable
        Smallest absolute partial correlation found with 80 % power at the 5 % level.
    reason
        Why it is undecided, else an empty string.
    test
        Which test answered: "linear" (`SpatialIndependenceTest`), "channel", "mixed"...

    Examples
    --------
    >>> IndependenceResult("dependent", 0.001, 0.004, 0.4, 80.0, 0.3).verdict
    'dependent'
    """

    verdict: str
    p_value: float
    p_value_envelope: float
    partial_correlation: float
    n_effective: float
    detectable: float
    reason: str = ""
    test: str = "linear"


@dataclass(frozen=True, slots=True)
class Score:
    """Mean product of two residuals, corrected for noise, with its spatial standard error."""

    value: float
    error: float
    noise_part: float
    variance_first: float
    variance_second: float
    n_effective: float


class SpatialScore:
    """Moments of residuals of columns on a layout of patches, with the known noise taken out.

    Residual weights ``w`` solve the errors-in-variables equations ``(C - N) w = 0`` on the
    conditioning columns, ``C`` the observed and ``N`` the noise covariance. The score
    ``w_x (C - N) w_y`` does not change to first order with the fitted coefficients, so its
    variance is that of a mean of products of residuals.

    Parameters
    ----------
    values
        Centred columns, shape (n, p).
    layout
        Where the patches lie.
    noise
        Covariance of the measurement errors of one patch, shape (p, p), same units as `values`.
    n_trend
        How many location terms were removed before (3 for a plane).
    """

    def __init__(
        self, values: Floats, layout: SpatialLayout, noise: Floats, *, n_trend: int = 3
    ) -> None:
        self.values = values
        self.layout = layout
        self.noise = noise
        self.n, self.p = values.shape
        self.n_trend = n_trend
        self.gram: Floats = values.T @ values / max(self.n - n_trend, 1)
        self._autocovariances: dict[tuple[int, tuple[int, ...]], Floats] = {}
        self._errors: dict[tuple[int, int, tuple[int, ...]], tuple[float, float]] = {}

    def block_grams(self, blocks: Integers) -> tuple[Floats, Floats]:
        """Return sums of products (n_blocks, p, p) and patches (n_blocks,) of each block."""
        count = np.bincount(blocks).astype(np.float64)
        grams = np.stack(
            [self.values[blocks == b].T @ self.values[blocks == b] for b in range(len(count))]
        )
        return grams, count

    def weights(self, column: int, given: tuple[int, ...], gram: Floats | None = None) -> Floats:
        """Return w (p,): `values @ w` is the column less its fit on the noise-free `given`."""
        weights = np.zeros(self.p)
        weights[column] = 1.0
        if given:
            true = (self.gram if gram is None else gram) - self.noise
            index = list(given)
            inner = true[np.ix_(index, index)]
            ridge = 1e-10 * np.trace(inner) / len(index)
            weights[index] = -np.linalg.solve(
                inner + ridge * np.eye(len(index)), true[index, column]
            )
        return weights

    def determined(self, columns: tuple[int, ...]) -> bool:
        """Whether the columns determine one another, so that no fit on all of them exists."""
        if len(columns) < 2:
            return False
        eigenvalues = np.linalg.eigvalsh(self.gram[np.ix_(columns, columns)])
        return bool(eigenvalues[0] < DETERMINED * eigenvalues[-1])

    def reliability(self, given: tuple[int, ...]) -> float:
        """Return the smallest share of true variance over directions of the `given` columns."""
        if not given or not self.noise.any():
            return 1.0
        index = np.ix_(list(given), list(given))
        inverse_root = np.linalg.inv(np.linalg.cholesky(self.gram[index]))
        true = self.gram[index] - self.noise[index]
        shares = np.linalg.eigvalsh(inverse_root @ true @ inverse_root.T)
        return float(np.min(shares))

    def autocovariance(self, weights: Floats) -> Floats:
        """Return the autocovariance of a residual, repaired for the mean taken out of it.

        Taking a mean (or a plane) out of a correlated field lowers its autocovariance at all
        lags by about the variance of the mean per term; that much is put back.
        """
        covariance = self.layout.autocovariance(self.values @ weights)
        pairs = self.layout.pair_counts
        share = pairs / self.n**2
        # location terms and fitted columns each take out part of the long waves (measured)
        terms = 0.4 * self.n_trend + 0.6 * (int(np.count_nonzero(weights)) - 1)
        mean_variance = float(share @ covariance) / max(1.0 - float(share.sum()), 0.5)
        limit = 0.2 * covariance_at_zero(covariance, self.layout)
        repaired = covariance + min(max(mean_variance, 0.0), limit) * terms
        return np.asarray(repaired, dtype=np.float64)

    def variance_of_product(self, first: Floats, second: Floats) -> float:
        """Return the variance of the mean product of two residuals, given their weights."""
        return self._combine(self.autocovariance(first), self.autocovariance(second), first, second)

    def _combine(self, cov_1: Floats, cov_2: Floats, first: Floats, second: Floats) -> float:
        product = float(self.layout.pair_counts @ (cov_1 * cov_2)) / self.n**2
        zero_1 = covariance_at_zero(cov_1, self.layout)
        zero_2 = covariance_at_zero(cov_2, self.layout)
        shared_noise = float(first @ self.noise @ second)
        return float(max(product, zero_1 * zero_2 / self.n) + shared_noise**2 / self.n)

    def error(self, x: int, y: int, given: tuple[int, ...]) -> tuple[float, float]:
        """Return the standard error of the score of columns x and y and its effective n."""
        key = (min(x, y), max(x, y), given)
        if key not in self._errors:
            weights = [self.weights(k, given) for k in key[:2]]
            autocovariances = []
            for column, weight in zip(key[:2], weights, strict=True):
                cache = (column, given)
                if cache not in self._autocovariances:
                    self._autocovariances[cache] = self.autocovariance(weight)
                autocovariances.append(self._autocovariances[cache])
            variance = self._combine(*autocovariances, *weights)
            zeros = [covariance_at_zero(a, self.layout) for a in autocovariances]
            self._errors[key] = (float(np.sqrt(variance)), zeros[0] * zeros[1] / variance)
        return self._errors[key]

    def score(
        self, x: int, y: int, given: tuple[int, ...], gram: Floats | None = None, share: float = 1.0
    ) -> Score:
        """Return the score of two columns; `gram` from a `share` of the patches, if not all."""
        first, second = self.weights(x, given, gram), self.weights(y, given, gram)
        observed = self.gram if gram is None else gram
        noise_part = float(first @ self.noise @ second)
        error, n_effective = self.error(x, y, given)
        return Score(
            value=float(first @ observed @ second) - noise_part,
            error=error / float(np.sqrt(share)),
            noise_part=noise_part,
            variance_first=float(first @ (observed - self.noise) @ first),
            variance_second=float(second @ (observed - self.noise) @ second),
            n_effective=n_effective * share,
        )


def covariance_at_zero(autocovariance: Floats, layout: SpatialLayout) -> float:
    """Return the variance, which is the autocovariance at lag zero."""
    return float(autocovariance[layout.zero_lag])


class SpatialIndependenceTest:
    """Conditional-independence tests on one table, with cached residuals.

    Parameters
    ----------
    columns
        Prepared columns (`prepare_columns`).
    alpha
        Level of the tests.
    noise_relative_error
        The noise covariance may be wrong by this share; a verdict that changes inside this
        envelope is "undecided".
    gram
        Second moments (p, p) of a part of the patches, to test that part only.
    share
        The share of patches in `gram`.
    score
        An existing `SpatialScore` of the same columns, to share its cache.
    """

    def __init__(
        self,
        columns: Columns,
        *,
        alpha: float = 0.05,
        noise_relative_error: float = 0.2,
        gram: Floats | None = None,
        share: float = 1.0,
        score: SpatialScore | None = None,
    ) -> None:
        self.columns = columns
        self.alpha = alpha
        self.noise_relative_error = noise_relative_error
        self.gram = gram
        self.share = share
        self.spatial = score or SpatialScore(
            columns.values, columns.layout, columns.noise, n_trend=columns.n_trend
        )
        self.results: dict[tuple[int, int, tuple[int, ...]], IndependenceResult] = {}
        self._blocks: tuple[Floats, Floats] | None = None

    @property
    def n_blocks(self) -> int:
        """Number of spatial blocks that `on_blocks` chooses from."""
        return len(self._block_grams()[1])

    def on_blocks(self, chosen: NDArray[np.bool_]) -> SpatialIndependenceTest:
        """Return the same test on the patches of some spatial blocks only.

        Residuals are fitted on the chosen blocks alone; their spatial errors are taken from the
        whole field, so a part costs no more than a sum of the blocks' moments.

        Parameters
        ----------
        chosen
            One answer per block, shape (n_blocks,).

        Raises
        ------
        InputError
            For another number of answers, or when no block is chosen.
        """
        grams, counts = self._block_grams()
        chosen = require_blocks(chosen, len(counts))
        return SpatialIndependenceTest(
            self.columns,
            alpha=self.alpha,
            # the envelope answers for the whole table; the frequency asks how stable the link is
            noise_relative_error=0.0,
            gram=grams[chosen].sum(axis=0) / counts[chosen].sum(),
            share=float(counts[chosen].sum() / counts.sum()),
            score=self.spatial,
        )

    def _block_grams(self) -> tuple[Floats, Floats]:
        if self._blocks is None:
            pairs = combinations(range(len(self.columns.names)), 2)
            effective = [self.spatial.error(i, j, ())[1] for i, j in pairs]
            per_side = int(np.clip(np.sqrt(np.median(effective or [16.0])), 4, 8))
            self._blocks = self.spatial.block_grams(self.columns.layout.blocks(per_side))
        return self._blocks

    def __call__(self, x: int, y: int, given: Sequence[int] = ()) -> IndependenceResult:
        """Test columns number x and y given others."""
        key = (min(x, y), max(x, y), tuple(sorted(int(k) for k in given)))
        if key not in self.results:
            self.results[key] = self._run(*key)
        return self.results[key]

    def _run(self, x: int, y: int, given: tuple[int, ...]) -> IndependenceResult:
        """Test two columns given others: dependent, independent, or undecided and why."""
        if self.spatial.determined(given):
            reason = "the conditioning columns determine one another"
            return IndependenceResult("undecided", 1.0, 1.0, np.nan, 0.0, np.nan, reason)
        reliability = self.spatial.reliability(given)
        if reliability < MIN_RELIABILITY:
            reason = (
                f"of the conditioning columns only {max(reliability, 0):.0%} of the variance is "
                "not measurement noise; repeat the scan to lower the noise"
            )
            return IndependenceResult("undecided", 1.0, 1.0, np.nan, 0.0, np.nan, reason)
        score = self.spatial.score(x, y, given, self.gram, self.share)
        freedom = max(score.n_effective - 2.0 - len(given), 2.0)
        p_value = _two_sided(score.value, score.error, freedom)
        slack = self.noise_relative_error * abs(score.noise_part)
        p_envelope = _two_sided(max(abs(score.value) - slack, 0.0), score.error, freedom)
        scale = np.sqrt(max(score.variance_first, 0.0) * max(score.variance_second, 0.0))
        if scale <= 0:
            reason = "nothing but measurement noise is left of a column after conditioning"
            return IndependenceResult(
                "undecided", p_value, p_envelope, np.nan, score.n_effective, np.nan, reason
            )
        correlation = float(np.clip(score.value / scale, -1, 1))
        detectable = (2.8 * score.error + slack) / scale
        verdict, reason = "dependent", ""
        if p_value >= self.alpha:
            verdict = "independent"
            if slack > 0 and detectable > max(0.3, 2 * 2.8 / np.sqrt(score.n_effective)):
                verdict = "undecided"
                reason = f"the noise hides partial correlations below {min(detectable, 1):.2f}"
        elif p_envelope >= self.alpha:
            verdict = "undecided"
            reason = (
                f"a noise covariance wrong by {self.noise_relative_error:.0%} "
                "would explain the dependence"
            )
        return IndependenceResult(
            verdict, p_value, p_envelope, correlation, score.n_effective, detectable, reason
        )


def require_blocks(chosen: NDArray[np.bool_], n_blocks: int) -> NDArray[np.bool_]:
    """Return the choice of blocks as a mask.

    Raises
    ------
    InputError
        For another number of answers than blocks, or when no block is chosen.
    """
    mask = np.asarray(chosen)
    if mask.dtype != bool or mask.shape != (n_blocks,):
        raise InputError(
            f"chosen must hold one True or False for each of {n_blocks} blocks; got an array of "
            f"{mask.dtype} of shape {mask.shape}."
        )
    if not mask.any():
        raise InputError(f"chosen must name at least one of {n_blocks} blocks; none is True.")
    return np.asarray(mask, dtype=np.bool_)


def _two_sided(value: float, error: float, freedom: float) -> float:
    """P value of a score, by the t law of a correlation with `freedom` degrees of freedom."""
    return float(2.0 * stats.t.sf(abs(value) / max(error, 1e-300), freedom))


def spatial_independence(
    table: PatchTable,
    x: str,
    y: str,
    given: Sequence[str] = (),
    *,
    alpha: float = 0.05,
    noise_relative_error: float = 0.2,
) -> IndependenceResult:
    """Test whether two columns of a patch table are independent given others.

    The partial correlation of the residuals is corrected for the table's measurement
    covariance (errors in variables), and its standard error comes from the autocovariance of
    the residuals over the field of view, so neighbouring patches are not counted as
    independent ones.

    Parameters
    ----------
    table
        Patches with centres, and the covariance of their measurement errors where known.
    x, y, given
        Column names. A plane in x and y is always taken out first.
    alpha
        Level of the test.
    noise_relative_error
        Share by which the measurement covariance may be wrong.

    Returns
    -------
    IndependenceResult
        Verdict dependent, independent or undecided.

    Raises
    ------
    InputError
        For a name that is not in the table, or a column used twice.
    NotIdentified
        For too few patches.

    Notes
    -----
    Effective sample size: Clifford, Richardson and Hemon, doi:10.2307/2532039; Dutilleul,
    doi:10.2307/2532625. Errors in variables: Fuller, Measurement Error Models (Wiley, 1987),
    doi:10.1002/9780470316665. Linear dependence only.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from physlearn.records import PatchTable
    >>> rng = np.random.default_rng(1)
    >>> y, x = np.mgrid[:16, :16].reshape(2, -1)
    >>> a = rng.normal(size=256)
    >>> frame = pd.DataFrame({"a": a, "b": a + rng.normal(size=256), "c": rng.normal(size=256)})
    >>> table = PatchTable.from_frame(frame, np.stack([x, y], 1), 1.0, unit="nm")
    >>> spatial_independence(table, "a", "b").verdict
    'dependent'
    """
    require_table(table)
    columns = prepare_columns(table, names=[x, y, *given])
    test = SpatialIndependenceTest(columns, alpha=alpha, noise_relative_error=noise_relative_error)
    index = [columns.index(name) for name in (x, y, *given)]
    return test(index[0], index[1], index[2:])
