"""Conditional independence of channels on a grid that are blurred, misregistered and noisy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from physlearn.causal.columns import Columns
from physlearn.causal.independence.block_test import BlockTest, Key, key_of
from physlearn.causal.independence.channel_dictionary import (
    LEAN,
    LEAN_LONG,
    NARROW,
    WIDE,
    Dictionary,
    Grid,
    error_ceiling,
)  # fmt: skip
from physlearn.causal.independence.channel_moments import channel_moments
from physlearn.causal.independence.channel_noise import ChannelNoise
from physlearn.causal.independence.channel_pairs import PairProducts
from physlearn.causal.independence.channel_score import ChannelScore, Scorer, p_of
from physlearn.causal.independence.unknown_errors import errors_could_explain
from physlearn.causal.spatial_score import SpatialScore
from physlearn.causal.spatial_test import IndependenceResult, require_blocks
from physlearn.checks import InputError
from physlearn.option_fields import check_fields
from physlearn.records.storage import short_repr

PATCHES_PER_FEATURE = 9.0
"""Effective patches that each feature of a regression needs, or its level is not held."""
BAND = 0.6
"""Share of the patches that count in the band, for choosing a dictionary before it is filtered."""
DETERMINED_SHARE = 1e-4
"""Columns of which conditioning leaves less of their own variance are determined by the others."""
UNMENDED_SHARE = 0.5
"""Share of what neighbours' powers mend of curved responses that may be left unmended."""


@dataclass(frozen=True, slots=True)
class ChannelOptions:
    """What counts as an effect, and how far the stated noise may be trusted.

    Attributes
    ----------
    noise_relative_error
        The noise covariance may be wrong by this share.
    smallest_effect
        Partial correlations below this are no dependence: imaging that differs a little between
        channels leaves as much, however many patches there are.
    largest_missed
        "independent" is said only where a partial correlation of this size would have been found.

    Examples
    --------
    >>> ChannelOptions(noise_relative_error=0.1).largest_missed
    0.3
    """

    noise_relative_error: float = 0.2
    smallest_effect: float = 0.01
    largest_missed: float = 0.3

    def __post_init__(self) -> None:
        check_fields(self)


class ChannelIndependenceTest:
    """Conditional-independence tests on one grid table, robust to how the channels were imaged.

    Both columns are regressed on a dictionary of each conditioning column: its neighbours and
    smooth copies (blur, misregistration, interference), powers (non-linear responses) and
    location polynomials (effects that vary over the field), in a band of low waves, with the
    known errors' part taken out of all moments (errors in variables). The mean product of the
    residuals does not change to first order with the fit; its error is the larger one of a
    delete-a-block jackknife and of the residuals' autocorrelation.

    "dependent" needs a second, narrower band with a larger dictionary that agrees in sign;
    "independent" needs that an effect of `ChannelOptions.largest_missed` would have been seen;
    all else is "undecided". Where errors of a conditioning column are unknown, "dependent" must
    also hold for the largest errors that its spectrum and the other columns allow, while
    "independent" takes it that no dependence is cancelled exactly by errors (as every search for
    causes takes it). A hidden common cause, smooth or not, counts as dependence: nothing
    smooth is taken out beyond a plane and the low location polynomials.

    Parameters
    ----------
    columns
        Prepared columns (`prepare_columns`) on a rectangular grid; some cells may be missing.
    alpha
        Level of the tests.
    options
        Margins.
    why
        Why this test was chosen, for the results.

    Raises
    ------
    InputError
        For patches that are not cells of one rectangular grid of at least 12 rows and columns.

    Notes
    -----
    Score: Chernozhukov et al., doi:10.1111/ectj.12097 (orthogonality), and Shah and Peters,
    doi:10.1214/19-AOS1857 (generalised covariance measure). Errors in variables: Fuller (1987),
    doi:10.1002/9780470316665.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from physlearn.causal.columns import prepare_columns
    >>> from physlearn.records import PatchTable
    >>> rng = np.random.default_rng(1)
    >>> y, x = np.mgrid[:48, :48].reshape(2, -1)
    >>> z = rng.normal(size=48 * 48)
    >>> frame = pd.DataFrame({"z": z, "a": z + rng.normal(size=48 * 48),
    ...                       "b": z**2 + z + rng.normal(size=48 * 48)})
    >>> table = PatchTable.from_frame(
    ...     frame, np.stack([x, y], 1), 1.0, measurement_covariance=np.zeros((1, 3, 3)))
    >>> test = ChannelIndependenceTest(prepare_columns(table))
    >>> test(1, 2).verdict, test(1, 2, [0]).verdict
    ('dependent', 'independent')
    """

    name = "channel"
    __repr__ = short_repr

    def __init__(
        self,
        columns: Columns,
        *,
        alpha: float = 0.05,
        options: ChannelOptions | None = None,
        why: str = "",
    ) -> None:
        cells = columns.layout.cells
        if cells is None or min(np.ptp(cells, axis=0)) < 11:
            raise InputError(
                "columns must lie on one rectangular grid of at least 12 x 12 patches for the "
                'channel test; use test="linear" for other layouts.'
            )
        self.columns = columns
        self.alpha = alpha
        self.options = options or ChannelOptions()
        self.why = why
        self.results: dict[Key, IndependenceResult] = {}
        self.grid = Grid.of(cells)
        self.noise = ChannelNoise(
            columns.noise_by_patch, columns.error_lags, columns.error_correlation
        )
        inside = self.grid.observed[NARROW.margin : -NARROW.margin, NARROW.margin : -NARROW.margin]
        self._inner = int(inside.sum())
        self._linear = SpatialScore(
            columns.values, columns.layout, columns.noise, n_trend=columns.n_trend
        )
        self._scorers: dict[tuple[Dictionary, bool], Scorer] = {}
        self._firsts: dict[int, Dictionary] = {}
        self._scores: dict[Key, ChannelScore | None] = {}
        self._pairs: dict[Dictionary, PairProducts] = {}

    @property
    def n_blocks(self) -> int:
        """Number of spatial blocks that `on_blocks` chooses from."""
        return len(self._scorer(self._first(0)).moments.counts)

    def on_blocks(self, chosen: NDArray[np.bool_]) -> BlockTest:
        """Return the same test on the patches of some spatial blocks only, nearly for free.

        Parameters
        ----------
        chosen
            One answer per block, shape (n_blocks,).
        """
        return BlockTest(self, require_blocks(chosen, self.n_blocks))

    def of_part(self, key: Key, chosen: NDArray[np.bool_]) -> IndependenceResult:
        """Return what some blocks say, with the fits of the whole table.

        The score does not change to first order with the fit, so a part is the mean of its
        blocks' contributions.
        """
        whole = self(*key)
        score = self._scores[key]
        if score is None or score.scale <= 0:
            return whole
        counts = self._scorer(self._first(len(key[2]))).moments.counts
        if len(chosen) != len(counts):
            chosen = np.ones(len(counts), bool)
        share = float(counts[chosen].sum() / counts.sum())
        value = float(counts[chosen] @ score.parts[chosen] / counts[chosen].sum())
        part = replace(score, value=value, error=score.error / np.sqrt(share))
        p_value = p_of(part, abs(value) - self.options.smallest_effect * score.scale)
        verdict = "dependent" if p_value < self.alpha else "independent"
        reason = ""
        if verdict == "dependent" and whole.verdict == "undecided":
            verdict, reason = "undecided", whole.reason
        correlation = float(np.clip(value / score.scale, -1.0, 1.0))
        return IndependenceResult(
            verdict, p_value, p_value, correlation, score.n_effective * share,
            2.8 * part.error / score.scale, reason, self.name,
        )  # fmt: skip

    def __call__(self, x: int, y: int, given: Sequence[int] = ()) -> IndependenceResult:
        """Test columns number x and y given others."""
        key = key_of(x, y, given)
        if key not in self.results:
            self.results[key] = replace(self._run(key), why=self.why)
        return self.results[key]

    def _first(self, n_given: int) -> Dictionary:
        """Return the richest dictionary that the table can carry."""
        if n_given not in self._firsts:
            self._firsts[n_given] = NARROW if self._carries(NARROW, n_given) else LEAN
        return self._firsts[n_given]

    def _carries(self, dictionary: Dictionary, n_given: int) -> bool:
        """Whether the table has enough effective patches for a regression on `n_given` columns."""
        return self._inner * BAND >= PATCHES_PER_FEATURE * dictionary.n_features(n_given)

    def _scorer(
        self, dictionary: Dictionary, given: Sequence[int] = (), *, ceiling: bool = False
    ) -> Scorer:
        """Return scores for questions that hold `given` fixed.

        The first question gets the moments that it needs, the first that needs more gets all.
        """
        key = (dictionary, ceiling)
        scorer = self._scorers.get(key)
        if scorer is None or not scorer.moments.whole.issuperset(given):
            noise = self.noise if not ceiling else self._ceiling_noise()
            values = self.columns.values
            if scorer is None:
                moments = channel_moments(values, self.grid, noise, dictionary, whole=given)
            else:
                transfer = scorer.moments.transfer
                moments = channel_moments(values, self.grid, noise, dictionary, transfer=transfer)
            self._scorers[key] = Scorer(moments)
        return self._scorers[key]

    def _ceiling_noise(self) -> ChannelNoise:
        """Return the noise with the most that unknown white errors may be.

        They hold no more than the floor of the column's spectrum, and, as errors of different
        columns are independent, no more than what other columns do not predict of it.
        """
        gram = self.columns.values.T @ self.columns.values / len(self.columns.values)
        alone = 1.0 / np.diag(np.linalg.inv(gram + 1e-9 * np.eye(len(gram))))
        fields = self.grid.filled(self.grid.image(np.ascontiguousarray(self.columns.values.T)))
        covariance = self.noise.covariance.copy()
        for c in np.flatnonzero(self.columns.errors_unknown):
            ceiling = min(error_ceiling(fields[c], self.grid.waves), float(alone[c]))
            covariance[:, c, c] = ceiling
        return replace(self.noise, covariance=covariance)

    def _undecided(self, reason: str) -> IndependenceResult:
        return IndependenceResult("undecided", 1.0, 1.0, np.nan, 0.0, np.nan, reason, self.name)

    def _run(self, key: Key) -> IndependenceResult:
        """Test two columns given others: dependent, independent, or undecided and why."""
        x, y, given = key
        self._scores[key] = None
        if self._linear.determined(given):
            return self._undecided("the conditioning columns determine one another")
        first = self._first(len(given))
        if given and not self._carries(first, len(given)):
            needed = PATCHES_PER_FEATURE * first.n_features(len(given)) / BAND
            return self._undecided(
                f"{len(given)} conditioning columns need about {needed:.0f} patches inside the "
                f"grid's border, here are {self._inner}: measure a larger field, or condition on "
                "fewer columns"
            )
        scorer = self._scorer(first, given)
        score = scorer.score(x, y, given)
        self._scores[key] = score
        if score.scale <= 1e-6:
            return self._undecided("nothing is left of a column after conditioning")
        for k in (x, y):
            left = scorer.residual(k, given).true / max(scorer.residual(k, ()).true, 1e-300)
            if left < DETERMINED_SHARE:
                return self._undecided(
                    f"nothing is left of {self.columns.names[k]} after conditioning: the columns "
                    "held fixed determine it"
                )
        result = self._verdict(score)
        if result.verdict == "dependent":
            result = self._beyond_curvature(score, result)
        unknown = [k for k in given if self.columns.errors_unknown[k]]
        if unknown and result.verdict == "dependent":
            result = self._with_unknown(key, first, unknown, result)
        if result.verdict == "dependent":
            result = self._confirmed(key, score, first, result)
        if result.verdict == "dependent" and len(given) > 1:
            result = self._beyond_joint_action(key, score, first, result)
        return result

    def _verdict(self, score: ChannelScore) -> IndependenceResult:
        """Return what one score says, its noise envelope included."""
        options = self.options
        slack = options.noise_relative_error * abs(score.noise_part)
        margin = options.smallest_effect * score.scale
        p_value = p_of(score, abs(score.value) - margin)
        p_envelope = p_of(score, abs(score.value) - margin - slack)
        missed = (2.8 * score.error + slack) / score.scale
        verdict, reason = "dependent", ""
        if p_envelope >= self.alpha:
            verdict = "independent"
            if p_value < self.alpha:
                verdict = "undecided"
                reason = (
                    f"a noise covariance wrong by {options.noise_relative_error:.0%} would explain "
                    "the dependence; scan the same patches again to know the noise better"
                )
            elif missed > options.largest_missed:
                verdict = "undecided"
                reason = (
                    f"partial correlations below {min(missed, 1.0):.2f} could not be seen; a "
                    "larger field of view or a repeat scan would decide"
                )
        correlation = float(np.clip(score.value / score.scale, -1.0, 1.0))
        return IndependenceResult(
            verdict, p_value, p_envelope, correlation, score.n_effective, missed, reason, self.name
        )

    def _beyond_curvature(
        self, score: ChannelScore, result: IndependenceResult
    ) -> IndependenceResult:
        """Return "dependent" only beyond a share of what neighbours' powers had to mend."""
        margin = self.options.smallest_effect * score.scale
        slack = UNMENDED_SHARE * abs(score.mended)
        envelope = p_of(score, abs(score.value) - margin - slack)
        if envelope < self.alpha:
            return result
        reason = (
            "curved responses to the columns held fixed would explain the dependence if those are "
            "blurred or misregistered; bring the channels to a common resolution and registration"
        )
        envelope = max(result.p_value_envelope, envelope)
        return replace(result, verdict="undecided", p_value_envelope=envelope, reason=reason)

    def _beyond_joint_action(
        self, key: Key, score: ChannelScore, first: Dictionary, result: IndependenceResult
    ) -> IndependenceResult:
        """Return "dependent" only beyond what products of two columns held fixed explain."""
        if first not in self._pairs:
            self._pairs[first] = PairProducts(self.columns.values, self._scorer(first).moments)
        joint = self._pairs[first].left_by(self._scorer(first, key[2]), *key)
        slack = self.options.smallest_effect * score.scale + UNMENDED_SHARE * abs(joint)
        left = (score.value - joint) * np.sign(score.value)
        envelope = max(result.p_value_envelope, p_of(score, left - slack))
        if envelope < self.alpha:
            return replace(result, p_value_envelope=envelope)
        names = ", ".join(self.columns.names[k] for k in key[2])
        reason = (
            f"two of {names} that act together, not one by one, would explain the dependence; add "
            "their product as a column, or hold fewer columns fixed"
        )
        return replace(result, verdict="undecided", p_value_envelope=envelope, reason=reason)

    def _with_unknown(
        self, key: Key, first: Dictionary, unknown: list[int], result: IndependenceResult
    ) -> IndependenceResult:
        """Return "dependent" only if errors of unknown size, up to their ceiling, cannot feign it.

        Errors of a conditioning column leave part of its influence between the others. They make
        dependence out of none; they hide one only by cancelling it exactly.
        """
        most = self._verdict(self._scorer(first, key[2], ceiling=True).score(*key))
        envelope = max(result.p_value_envelope, most.p_value_envelope)
        alike = most.partial_correlation * result.partial_correlation > 0
        if most.verdict == "dependent" and alike:
            return replace(result, p_value_envelope=envelope)
        reason = errors_could_explain([self.columns.names[k] for k in unknown])
        return replace(result, verdict="undecided", p_value_envelope=envelope, reason=reason)

    def _confirmed(
        self, key: Key, score: ChannelScore, first: Dictionary, result: IndependenceResult
    ) -> IndependenceResult:
        """Return "dependent" only if a narrower band with a larger dictionary says the same."""
        if not key[2]:
            return result
        second = self._scorer(SECOND[first], key[2]).score(*key)
        # one-sided, in the direction that the first band found, so it may err with alpha, too;
        # the margins were passed by the first band
        agrees = second.value * score.value > 0
        p_value = 0.5 * p_of(second, abs(second.value)) if agrees else 1.0
        if p_value < self.alpha:
            return result
        result = replace(
            result,
            p_value=max(result.p_value, p_value),
            p_value_envelope=max(result.p_value_envelope, p_value),
        )
        reason = (
            "long waves, with a larger dictionary, do not confirm the dependence: the conditioning "
            "columns may be blurred or misregistered more than neighbours can mend; bring the "
            "channels to a common resolution and registration, or measure a larger field"
        )
        return replace(result, verdict="undecided", reason=reason)


SECOND = {NARROW: WIDE, LEAN: LEAN_LONG}
