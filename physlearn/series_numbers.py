"""What several studies have in common: their numbers, trends, differences and pooled values."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import CREDIBLE_MASS, InputError
from physlearn.findings import Findings

__all__ = [
    "Compared", "Quantity", "compare_two", "holm", "judged", "pool_repeats", "quantities_of",
    "trend_along",
]  # fmt: skip

UPPER = (1 + CREDIBLE_MASS) / 2
N_SCATTERS = 200
NORMAL = 1e9
"""Degrees of freedom from which on Student's distribution is the normal one."""
SIGNIFICANT = 1 - CREDIBLE_MASS


@dataclass(frozen=True, slots=True)
class Quantity:
    """One number of one study.

    Attributes
    ----------
    name
        The same in every study: ``couplings[1]``, ``mean dilation``.
    unit, mean, sd
        The sd is the standard error, or that of the posterior.
    freedom
        Degrees of freedom of the sd.
    source
        How it came about, in words.

    Examples
    --------
    >>> Quantity("field", "kT", 0.1, 0.02).interval()
    (0.067..., 0.132...)
    """

    name: str
    unit: str
    mean: float
    sd: float
    freedom: float = NORMAL
    source: str = "posterior"

    def interval(self) -> tuple[float, float]:
        """Return the ends of the 90 % interval."""
        half = _reach(self.freedom) * self.sd
        return self.mean - half, self.mean + half


@dataclass(frozen=True, slots=True)
class Compared:
    """A difference, a slope or a pooled value, with its 90 % interval.

    Attributes
    ----------
    name, unit
        Of the quantity.
    mean, low, high
        Of the difference, the slope or the pooled value.
    p_value
        Two-sided, that it is nothing; of repeats, that they agree.
    scatter
        Standard deviation between the studies beyond their errors; 0 where it was not asked for.
    """

    name: str
    unit: str
    mean: float
    low: float
    high: float
    p_value: float
    scatter: float = 0.0


def quantities_of(findings: Findings) -> dict[str, Quantity]:
    """Return the numbers of a study that can be laid beside those of another.

    Posteriors of couplings, walls and hops; diffusion; effects; and the mean of each patch column,
    whose error counts correlated patches once (slow waves: Mueller and Watson, Econometrica 90,
    2901 (2022), doi:10.3982/ECTA19465).

    Examples
    --------
    >>> quantities_of(Findings("a picture", 1))
    {}
    """
    found: list[Quantity] = []
    for fit in (findings.couplings, findings.wall_fit, findings.hop_rates):
        if fit is not None:
            for row in fit.summary().to_dict("records"):
                found.append(Quantity(row["name"], row["unit"], row["mean"], row["sd"]))
    if findings.diffusion is not None:
        one = findings.diffusion
        sd = (one.high - one.low) / (2 * _reach(NORMAL))
        found.append(Quantity("diffusion", one.unit, one.diffusion, sd))
    if findings.wall_advance is not None:
        told = findings.wall_advance
        sd = (told.high - told.low) / (2 * _reach(NORMAL))
        found.append(Quantity("wall advance", told.unit, told.mean, sd, source="walls followed"))
    found += _patch_means(findings)
    for effect in findings.effects:
        if effect.identified:
            width = abs(effect.contrast[1] - effect.contrast[0])
            name = f"effect of {effect.cause} on {effect.outcome}, per unit"
            found.append(Quantity(name, effect.unit, effect.mean / width, effect.sd / width,
                                  source="effect in this picture"))  # fmt: skip
    return {one.name: one for one in found if math.isfinite(one.mean) and one.sd > 0}


def _patch_means(findings: Findings) -> list[Quantity]:
    from physlearn.causal.environments.spatial_means import mean_of_field, wave_basis

    table = findings.patches
    if table is None or table.n_patches < 16:
        return []
    basis = wave_basis(np.asarray(table.centers, dtype=np.float64))
    found = []
    for place, name in enumerate(table.columns):
        if name in table.flags or name in table.derived:
            continue
        values = table.frame[name].to_numpy(dtype=np.float64)
        least = 0.0
        if table.measurement_covariance is not None and name not in table.errors_unknown:
            least = float(table.measurement_covariance[:, place, place].mean()) / len(values)
        error = mean_of_field(values - values.mean(), basis, least=least)
        found.append(
            Quantity(f"mean {name.replace('_', ' ')}", table.units[name], float(values.mean()),
                     math.sqrt(error.variance), error.freedom, "mean over patches")
        )  # fmt: skip
    return found


def compare_two(before: Quantity, after: Quantity) -> Compared:
    """Return after minus before of two independent studies (Welch's degrees of freedom).

    Examples
    --------
    >>> a, b = Quantity("J", "kT", 0.10, 0.03), Quantity("J", "kT", 0.22, 0.04)
    >>> found = compare_two(a, b)
    >>> round(found.mean, 2), round(found.low, 2), round(found.high, 2)
    (0.12, 0.04, 0.2)
    """
    first, second = before.sd**2, after.sd**2
    variance = first + second
    freedom = variance**2 / (first**2 / before.freedom + second**2 / after.freedom)
    from scipy import stats

    mean, sd = after.mean - before.mean, math.sqrt(variance)
    half = _reach(freedom) * sd
    p_value = 2 * float(stats.t.sf(abs(mean) / sd, freedom))
    return Compared(before.name, before.unit, mean, mean - half, mean + half, p_value)


def trend_along(values: Sequence[float], studies: Sequence[Quantity]) -> Compared:
    """Return the slope of a quantity along a covariate, with scatter between the studies.

    Weighted regression with each study's own error and a scatter between the studies beyond it,
    over which is averaged: its prior is a half-Cauchy distribution with the median of the errors
    as scale, so that three studies say what three can.

    Parameters
    ----------
    values
        The covariate of each study.
    studies
        One quantity a study, in the same order.

    Raises
    ------
    InputError
        For fewer than three different values of the covariate.

    Notes
    -----
    A. Gelman, Bayesian Analysis 1, 515 (2006), doi:10.1214/06-BA117A (prior of the scatter).

    Examples
    --------
    >>> three = [Quantity("J", "kT", y, 0.01) for y in (0.30, 0.20, 0.11)]
    >>> found = trend_along([300.0, 400.0, 500.0], three)
    >>> round(found.mean, 5), found.high < 0
    (-0.00095, True)
    """
    x = np.asarray(values, dtype=np.float64)
    if len(set(values)) < 3:
        raise InputError(
            f"values must hold three different values at least for a trend; got {len(set(values))}."
        )
    mixture = _random_effects(np.column_stack([np.ones_like(x), x - x.mean()]), studies)
    chance = mixture.below(0.0)
    return Compared(
        studies[0].name, f"{studies[0].unit} per unit", mixture.mean, mixture.quantile(1 - UPPER),
        mixture.quantile(UPPER), 2 * min(chance, 1 - chance), mixture.scatter,
    )  # fmt: skip


def pool_repeats(studies: Sequence[Quantity]) -> Compared:
    """Return the common value of repeated studies, and how much they differ beyond their errors.

    The method of `trend_along` without a slope. The p-value is that they all agree (Cochran's
    test, Biometrics 10, 101 (1954), doi:10.2307/3001666).

    Examples
    --------
    >>> found = pool_repeats([Quantity("J", "kT", y, 0.02) for y in (0.19, 0.21, 0.20)])
    >>> round(found.mean, 2), found.p_value > 0.5
    (0.2, True)
    """
    from scipy import stats

    if len(studies) < 2:
        raise InputError(f"studies must be two at least; got {len(studies)}.")
    mixture = _random_effects(np.ones((len(studies), 1)), studies)
    return Compared(
        studies[0].name, studies[0].unit, mixture.mean, mixture.quantile(1 - UPPER),
        mixture.quantile(UPPER), float(stats.chi2.sf(mixture.misfit, len(studies) - 1)),
        mixture.scatter,
    )  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class _Mixture:
    """The last coefficient as a mixture of normal distributions, one for each scatter."""

    means: NDArray[np.float64]
    sds: NDArray[np.float64]
    weights: NDArray[np.float64]
    scatters: NDArray[np.float64]
    misfit: float

    @property
    def mean(self) -> float:
        return float(self.weights @ self.means)

    @property
    def scatter(self) -> float:
        """Median of the scatter between studies."""
        place = int(np.searchsorted(np.cumsum(self.weights), 0.5))
        return float(self.scatters[min(place, len(self.scatters) - 1)])

    def below(self, value: float) -> float:
        from scipy.special import ndtr

        return float(self.weights @ ndtr((value - self.means) / self.sds))

    def quantile(self, share: float) -> float:
        from scipy.optimize import brentq

        reach = 40 * float(self.sds.max())
        ends = float(self.means.min()) - reach, float(self.means.max()) + reach
        return float(brentq(lambda value: self.below(value) - share, *ends))


def _random_effects(design: NDArray[np.float64], studies: Sequence[Quantity]) -> _Mixture:
    """Return the last coefficient of a regression with scatter between the studies."""
    y = np.array([one.mean for one in studies])
    # an error with few degrees of freedom counts with the width of its own interval
    own = np.array([one.sd * _reach(one.freedom) / _reach(NORMAL) for one in studies])
    steps = (np.arange(N_SCATTERS) + 0.5) / N_SCATTERS
    scatters = float(np.median(own)) * np.tan(0.5 * np.pi * steps)
    means, sds, logs = np.empty(N_SCATTERS), np.empty(N_SCATTERS), np.empty(N_SCATTERS)
    misfits = []
    for place, scatter in enumerate(scatters):
        variance = own**2 + scatter**2
        precision = design.T @ (design / variance[:, None])
        covariance = np.linalg.inv(precision)
        beta = covariance @ design.T @ (y / variance)
        misfits.append(float(((y - design @ beta) ** 2 / variance).sum()))
        logs[place] = -0.5 * (
            np.log(variance).sum() + np.linalg.slogdet(precision)[1] + misfits[-1]
        )
        means[place], sds[place] = beta[-1], math.sqrt(covariance[-1, -1])
    weights = np.exp(logs - logs.max())
    return _Mixture(means, sds, weights / weights.sum(), scatters, misfits[0])


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values that hold for all comparisons together (Holm).

    Notes
    -----
    Holm, Scand. J. Stat. 6, 65 (1979).

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p_values, kind="stable")
    adjusted, worst = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(order):
        worst = max(worst, (len(p_values) - rank) * float(p_values[place]))
        adjusted[int(place)] = min(1.0, round(worst, 12))
    return adjusted


def judged(
    rows: Mapping[str, Compared], *, up: str, down: str, nothing: str
) -> dict[str, tuple[str, str]]:
    """Return a state and a plain verdict for each comparison, all taken together.

    Examples
    --------
    >>> rows = {"J": Compared("J", "kT", 0.1, 0.08, 0.12, 1e-6)}
    >>> judged(rows, up="rose", down="fell", nothing="changed")
    {'J': ('found', 'rose')}
    """
    together = holm([row.p_value for row in rows.values()])
    verdicts = {}
    for (name, row), p_value in zip(rows.items(), together, strict=True):
        word = up if row.mean > 0 else down
        if p_value < SIGNIFICANT:
            verdicts[name] = ("found", word)
        elif row.low > 0 or row.high < 0:
            verdicts[name] = (
                "open",
                f"perhaps {word}: alone it would count, among {len(rows)} comparisons it does not",
            )
        else:
            verdicts[name] = ("open", f"these data can’t tell whether it {nothing}")
    return verdicts


def _reach(freedom: float) -> float:
    from scipy import stats

    return float(stats.t.ppf(UPPER, freedom))
