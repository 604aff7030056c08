"""One set of test functions: moments, their covariance and the supports that they allow."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.dynamics.field_moments import (
    Moments,
    WeakSystem,
    cross_moments,
    left_over,
    leverages,
    pooled_covariance,
    score_covariance,
    scores,
)
from physlearn.inference.dynamics.field_selection import Support, rank_supports

__all__ = ["TargetFit", "fit_target"]

Floats = NDArray[np.float64]

REFERENCES = 6  # at most, of the law at which the covariance is taken
RELATIVE_FLOOR = 1e-3
ROUNDING = 1e-8
SYSTEMATIC = 0.05
SMALLEST_EIGENVALUE = 1e-7
LARGEST_LEVERAGE = 0.7
LEAST_STEP = 0.01
TAPER_RATIOS = (0.4, 1.5)


@dataclass(frozen=True, eq=False)
class TargetFit:
    """What one set of windows says of one field's law.

    Attributes
    ----------
    system, target
        The windows, and which field's rate.
    moments
        The normal equations.
    covariance
        Of ``moments.moment - moments.inner c`` at the best support.
    supports
        Shortest description first.
    rounding
        Mean square of the rate's rounding error.
    """

    system: WeakSystem
    target: int
    moments: Moments
    covariance: Floats
    supports: list[Support]
    rounding: float

    @property
    def n_independent(self) -> float:
        """Windows that would know as much if they did not overlap."""
        return self.system.n_independent

    @property
    def best(self) -> Support:
        """The support of the shortest description."""
        return self.supports[0]

    @property
    def nothing(self) -> Support:
        """The law du/dt = 0."""
        return next(support for support in self.supports if not support.places)

    def coefficients(self, places: tuple[int, ...]) -> Floats:
        """Of the scaled features, from the moments of these features only; zero elsewhere."""
        return solve_support(self.moments, places)

    def constants(self, places: tuple[int, ...], own: bool = True) -> tuple[Floats, Floats]:
        """Return coefficients of the features as they are and their covariance.

        ``own``: from this support's residuals, freed of what fitting took from them; else from the
        moments' covariance at the best support.
        """
        chosen = list(places)
        if not chosen:
            return np.zeros(0), np.zeros((0, 0))
        scale = self.moments.scale[chosen]
        inverse: Floats = np.asarray(
            np.linalg.pinv(self.moments.inner[np.ix_(chosen, chosen)]), dtype=np.float64
        )
        coefficients = self.coefficients(places)
        covariance = self.covariance
        if own:
            covariance = _moment_covariance(
                self.system, self.target, self.moments, coefficients, self.rounding, chosen, False
            )
        spread = inverse @ covariance[np.ix_(chosen, chosen)] @ inverse.T
        if own:
            factor = self._untapered(chosen, inverse, coefficients)
            spread = spread * np.outer(factor, factor)
        return coefficients[chosen] / scale, spread / np.outer(scale, scale)

    def _untapered(self, chosen: list[int], inverse: Floats, coefficients: Floats) -> Floats:
        """Return what tapering the lags did to the constants' sds, as the pooled noise tells.

        Noise under a derivative of a bump is followed by its opposite: a taper, which keeps the
        covariance positive, takes too little of that away.
        """
        pooled = pooled_covariance(
            self.system, self.target, self.moments.scale, coefficients, chosen, (True, False)
        )
        variances = [np.diag(inverse @ each @ inverse.T) for each in pooled]
        ratio = variances[0] / np.maximum(variances[1], 1e-300)
        return np.asarray(np.sqrt(np.clip(ratio, *TAPER_RATIOS)))


def solve_support(moments: Moments, places: tuple[int, ...]) -> Floats:
    """Solve the normal equations of some features; zero for the others."""
    result: Floats = np.zeros(len(moments.moment))
    chosen = list(places)
    if chosen:
        inner = moments.inner[np.ix_(chosen, chosen)]
        result[chosen] = np.linalg.lstsq(inner, moments.moment[chosen], rcond=None)[0]
    return result


def fit_target(system: WeakSystem, target: int, sizes: Floats, largest: int) -> TargetFit:
    """Rank the supports of one field's law.

    The covariance of the moments is that at a reference law, replaced by the best support until
    that stays: from all features together, and from those that explain most of the motion. Of two
    ends the one that explains more is taken. ``sizes``: root mean square of each field.
    """
    moments = cross_moments(system, target)
    values, vectors = np.linalg.eigh(moments.inner)
    kept = values > SMALLEST_EIGENVALUE * values.max()
    whole = vectors[:, kept] @ ((vectors[:, kept].T @ moments.moment) / values[kept])
    rounding = (ROUNDING * sizes[target] / system.axes[0].half_width) ** 2
    everything = tuple(range(len(whole)))
    first = _settled(system, target, moments, rounding, largest, everything, whole)
    greedy = _most_explaining(moments, largest)
    if greedy in ((), first.best.places):
        return first
    start = solve_support(moments, greedy)
    second = _settled(system, target, moments, rounding, largest, greedy, start)
    left = [moments.unexplained(fit.coefficients(fit.best.places)) for fit in (first, second)]
    return second if left[1] < left[0] else first


def _settled(
    system: WeakSystem, target: int, moments: Moments, rounding: float, largest: int,
    support: tuple[int, ...], coefficients: Floats,
) -> TargetFit:  # fmt: skip
    """Rank supports under the covariance at a reference law until the best stays the best."""
    count = system.n_independent
    tried: list[tuple[int, ...]] = []
    while True:
        covariance = _moment_covariance(
            system, target, moments, coefficients, rounding, list(support), True
        )
        # few windows know the covariance poorly: its inverse is too large (Wishart)
        covariance *= count / max(count - len(support) - len(coefficients) - 1.0, 0.2 * count)
        supports = rank_supports(moments.inner, moments.moment, covariance, count, largest)
        best = supports[0].places
        if best in tried or len(tried) == REFERENCES:
            return TargetFit(system, target, moments, covariance, supports, rounding)
        tried.append(best)
        support, coefficients = best, solve_support(moments, best)


def _most_explaining(moments: Moments, largest: int) -> tuple[int, ...]:
    """Add features one by one while each explains a hundredth of the motion or more."""
    chosen: tuple[int, ...] = ()
    left = moments.motion
    while len(chosen) < largest:
        trials = []
        for place in range(len(moments.moment)):
            if place not in chosen:
                wider = tuple(sorted((*chosen, place)))
                trials.append((moments.unexplained(solve_support(moments, wider)), wider))
        if not trials or min(trials)[0] > left - LEAST_STEP * moments.motion:
            return chosen
        left, chosen = min(trials)
    return chosen


def _moment_covariance(
    system: WeakSystem, target: int, moments: Moments, coefficients: Floats, rounding: float,
    chosen: list[int], pool: bool,
) -> Floats:  # fmt: skip
    """Covariance of the mean score, with floors for rounding and for motion of another origin.

    Scores are freed of what fitting the ``chosen`` features took from them: of the constants, so
    that the covariance is unbiased where the noise is the same everywhere; and twice as much for
    the weighing of terms (``pool``), in the manner of a jackknife. ``pool`` also takes the mean of
    the windows' own covariance and the pooled one, which is less noisy.

    Motion that the law leaves (beyond its own error) may go along with any feature by chance as a
    noise that drives the field does: the share SYSTEMATIC of it does not average out.
    """
    shares = scores(system, target, moments.scale, coefficients)
    lever = leverages(system, chosen, moments.scale) if chosen else np.zeros(system.valid.shape)
    inflation = 1.0 / (1.0 - np.clip(lever, 0.0, LARGEST_LEVERAGE))
    shares = shares * (inflation if pool else np.sqrt(inflation))[..., None]
    covariance = score_covariance(system, shares)
    if pool:
        pooled = pooled_covariance(system, target, moments.scale, coefficients)[0]
        covariance = 0.5 * (covariance + pooled * float(np.mean(inflation[system.valid]) ** 2))
    rest = left_over(system, target, moments.scale, coefficients)
    mean = moments.unexplained(coefficients)
    centred = np.where(system.valid[..., None], rest - mean, 0.0)
    error = float(np.sqrt(max(score_covariance(system, centred)[0, 0], 0.0)))
    driven = max(mean - 2.0 * error, 0.0)
    floor = (RELATIVE_FLOOR**2 * max(moments.motion, 0.0) + rounding) / system.n_independent
    return np.asarray(covariance + (floor + SYSTEMATIC * driven) * moments.own_inner)
