"""Conditional independence on patch tables: neighbours are correlated, measurements are noisy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from physlearn.causal.columns import Columns, prepare_columns, require_table
from physlearn.causal.independence.unknown_errors import UnknownErrors, errors_could_explain
from physlearn.causal.spatial_layout import Floats
from physlearn.causal.spatial_score import SpatialScore
from physlearn.checks import InputError, check_positive
from physlearn.records.storage import html_table, short_repr

if TYPE_CHECKING:
    from physlearn.records import PatchTable

__all__ = [
    "MIN_RELIABILITY", "IndependenceResult", "SpatialIndependenceTest", "SpatialScore",
    "require_blocks", "spatial_independence",
]  # fmt: skip

MIN_RELIABILITY = 0.15
"""Below this share of true variance a column says too little about what it measures."""

LARGEST_MISSED = 0.3
"""Independence is said only where a partial correlation of this size would have been found."""

FEWEST_EFFECTIVE, EFFECTIVE_PER_COLUMN = 20.0, 5.0
"""Effective patches, and those for each column held fixed, below which the level is not held:
6 x 6 smooth patches reject 8 to 23 % of true independences at 5 %."""


SMALL_FIELD = 8.0
"""Variances of scores are larger by this over the effective patches: 10 x 10 smooth ones rejected
10 % of true independences at 5 %."""


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
    why
        Why that test was chosen, where it was chosen by the table's own diagnostics.

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
    why: str = ""

    __repr__ = short_repr
    _repr_html_ = html_table


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
    why
        Why this test was chosen, for the results.
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
        why: str = "",
    ) -> None:
        self.columns = columns
        self.alpha = alpha
        self.noise_relative_error = noise_relative_error
        self.gram = gram
        self.share = share
        self.why = why
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
            why=self.why,
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
            self.results[key] = replace(self._run(*key), why=self.why)
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
        error = score.error * _small_field(score.n_effective / self.share, self.columns.layout.n)
        p_value = _two_sided(score.value, error, freedom)
        slack = self.noise_relative_error * abs(score.noise_part)
        p_envelope = _two_sided(max(abs(score.value) - slack, 0.0), error, freedom)
        scale = np.sqrt(max(score.variance_first, 0.0) * max(score.variance_second, 0.0))
        if scale <= 0:
            reason = "nothing but measurement noise is left of a column after conditioning"
            return IndependenceResult(
                "undecided", p_value, p_envelope, np.nan, score.n_effective, np.nan, reason
            )
        correlation = float(np.clip(score.value / scale, -1, 1))
        detectable = (2.8 * error + slack) / scale
        verdict, reason = "dependent", ""
        if p_value >= self.alpha:
            verdict = "independent"
            # a part of the patches is asked only whether the link is seen again
            if detectable > LARGEST_MISSED and self.gram is None:
                verdict = "undecided"
                reason = (
                    f"partial correlations below {min(detectable, 1):.2f} could not be seen; a "
                    "larger field of view or a repeat scan would decide"
                )
        elif p_envelope >= self.alpha:
            verdict = "undecided"
            reason = (
                f"a noise covariance wrong by {self.noise_relative_error:.0%} "
                "would explain the dependence"
            )
        result = IndependenceResult(
            verdict, p_value, p_envelope, correlation, score.n_effective, detectable, reason
        )
        needed = FEWEST_EFFECTIVE + EFFECTIVE_PER_COLUMN * len(given)
        if verdict == "dependent" and score.n_effective < needed and self.gram is None:
            reason = (
                f"{score.n_effective:.0f} effective patches are too few for a level that holds; "
                f"about {needed:.0f} are needed with {len(given)} columns held fixed: measure a "
                "larger field"
            )
            return replace(result, verdict="undecided", reason=reason)
        # a part of the patches asks whether the link is seen again, the whole what explains it
        if verdict == "dependent" and given and self.gram is None:
            return self._with_unknown(x, y, given, result)
        return result

    def _with_unknown(
        self, x: int, y: int, given: tuple[int, ...], result: IndependenceResult
    ) -> IndependenceResult:
        """Return "dependent" only if errors of unknown size, up to their ceiling, cannot feign it.

        Between no errors and the ceiling the score of one column held fixed is monotone.
        """
        errors = UnknownErrors(self.spatial, self.columns.errors_unknown)
        envelope = result.p_value_envelope
        sign = np.sign(result.partial_correlation)
        for noise in errors.largest(given):
            spatial = SpatialScore(
                self.columns.values, self.columns.layout, noise, n_trend=self.columns.n_trend
            )
            score = spatial.score(x, y, given)
            freedom = max(score.n_effective - 2.0 - len(given), 2.0)
            error = score.error * _small_field(score.n_effective, self.columns.layout.n)
            p_value = _two_sided(max(score.value * sign, 0.0), error, freedom)
            envelope = max(envelope, p_value)
        if envelope < self.alpha:
            return replace(result, p_value_envelope=envelope)
        names = [self.columns.names[k] for k in errors.of(given)]
        return replace(
            result,
            verdict="undecided",
            p_value_envelope=envelope,
            reason=errors_could_explain(names),
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


def _small_field(n_effective: float, n: int) -> float:
    """Return by how much an error from few correlated patches is too small.

    The autocorrelation that it rests on is itself known from as few, and a quarter of it may go
    unseen where the patches look white.
    """
    return float(np.sqrt(1.0 + SMALL_FIELD * max(1.0 / n_effective - 0.25 / n, 0.0)))


def _two_sided(value: float, error: float, freedom: float) -> float:
    """P value of a score, by the t law of a correlation with `freedom` degrees of freedom."""
    return float(2.0 * stats.t.sf(abs(value) / max(error, 1e-300), freedom))


def _check_options(given: Sequence[str], alpha: float, noise_relative_error: float) -> None:
    """Refuse a level or a share that is none, and one name where a list is wanted."""
    if isinstance(given, str) or not isinstance(given, Sequence):
        raise InputError(f"given must be a list of column names, got {given!r}; write [{given!r}].")
    check_positive("noise_relative_error", noise_relative_error, allow_zero=True)
    if check_positive("alpha", alpha) >= 1.0:
        raise InputError(f"alpha must lie between 0 and 1, got {alpha!r}; 0.05 is usual.")


def spatial_independence(
    table: PatchTable,
    x: str,
    y: str,
    given: Sequence[str] = (),
    *,
    test: str = "auto",
    alpha: float = 0.05,
    noise_relative_error: float = 0.2,
    repeats: Sequence[PatchTable] | None = None,
) -> IndependenceResult:
    """Test whether two columns of a patch table are independent given others.

    Products of residuals are corrected for the table's measurement covariance (errors in
    variables), and neighbouring patches are not counted as independent ones. The test is chosen
    by the table's own diagnostics, or named: on a grid the channel test allows for channels that
    are blurred, misregistered or non-linear without anybody saying so
    (`ChannelIndependenceTest`). A hidden common cause, smooth or not, counts as dependence.

    Parameters
    ----------
    table
        Patches with centres, and the covariance of their measurement errors where known.
    x, y, given
        Column names. A plane in x and y is always taken out first.
    test
        "auto", "linear", "channel" or "mixed" (`choose_test`).
    alpha
        Level of the test.
    noise_relative_error
        Share by which the measurement covariance may be wrong.
    repeats
        The same patches scanned again, one table a scan: the covariance and the spectrum of the
        errors are measured from the differences (`noise_from_repeats`), and the mean of all
        scans is tested.

    Returns
    -------
    IndependenceResult
        Verdict dependent, independent or undecided; `test` and `why` say which test answered.

    Raises
    ------
    InputError
        For a name that is not in the table, a column used twice, repeats of other patches, a
        level outside 0 and 1, a negative share, or `given` that is no list.
    NotIdentified
        For too few patches.

    Notes
    -----
    Effective sample size: Clifford, Richardson and Hemon, doi:10.2307/2532039; Dutilleul,
    doi:10.2307/2532625. Errors in variables: Fuller, Measurement Error Models (Wiley, 1987),
    doi:10.1002/9780470316665.

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
    from physlearn.causal.independence.choose_test import choose_test

    require_table(table)
    _check_options(given, alpha, noise_relative_error)
    if repeats is not None:
        from physlearn.causal.independence.repeat_scans import noise_from_repeats

        if isinstance(repeats, type(table)):
            raise InputError(
                "repeats must be a list of PatchTables, one a scan; got one PatchTable."
            )
        table = noise_from_repeats([table, *repeats])
    columns = prepare_columns(table, names=[x, y, *given])
    chosen = choose_test(
        table, columns, alpha=alpha, test=test, noise_relative_error=noise_relative_error
    )
    index = [columns.index(name) for name in (x, y, *given)]
    return chosen(index[0], index[1], index[2:])
