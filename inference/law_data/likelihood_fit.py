"""Maximum of a law's likelihood over its constants and the noise's own numbers, with evidence."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, log_expit

from physlearn.inference.law_data.laplace_evidence import measured, spread_of, step_sizes
from physlearn.inference.law_data.noise_models import NoiseModel, Observations
from physlearn.inference.law_data.point_likelihood import PointTerms, point_terms
from physlearn.inference.law_data.true_values import TrueValues, true_values
from physlearn.records.storage import html_table, short_repr

__all__ = ["Limits", "Model", "Optimum", "Problem", "maximise"]

Floats = NDArray[np.float64]
Model = Callable[[Floats, Mapping[str, Floats]], tuple[Floats, Floats]]
"""Constants (k,) and columns to the law's values (n,) and slopes (k, n)."""

STEPS = 60
CURVED_STEPS = 8
LARGEST_DAMPING = 1e10
DIFFERENCE = 1e-3  # of a constant's standard deviation, for second derivatives
_Parts = tuple[float, Floats, Floats, Floats]
"""Log likelihood, its slopes by the constants and by the noise's numbers, and information."""
X_STEP = 1e-4  # of a column's range, for the law's slope by it
SHARE_PRIOR = (1.0, 9.0)  # Beta
SMALLEST_SD = 1e-9  # of the spread of y


@dataclass(frozen=True, slots=True, eq=False)
class Limits:
    """Bounds and normal priors of the constants, each (k,); infinite where there is none."""

    low: Floats
    high: Floats
    prior_mean: Floats
    prior_sd: Floats

    __repr__ = short_repr
    _repr_html_ = html_table

    @classmethod
    def none(cls, count: int) -> Limits:
        """Neither bounds nor priors."""
        endless = np.full(count, np.inf)
        return cls(-endless, endless, np.zeros(count), endless)


@dataclass(frozen=True, slots=True, eq=False)
class Optimum:
    """Where the likelihood is largest.

    Attributes
    ----------
    constants, nuisance
        Best values.
    log_likelihood
        There, without priors.
    log_evidence
        Laplace's: constants under their priors (where none is stated, a normal as wide as the
        constant's size or as what moves the law by the data's spread), log sd flat.
    covariance
        Of the constants, the noise's numbers integrated, with n / (n - k) where the noise's size
        was inferred; None where singular. A constant at a bound has no spread.
    at_bound
        Which constants stand at a bound.
    converged
        Whether the slope vanishes.
    """

    constants: Floats
    nuisance: Floats
    log_likelihood: float
    log_evidence: float
    covariance: Floats | None
    at_bound: NDArray[np.bool_]
    converged: bool


@dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """A law, its data, and all numbers to find: constants, then the noise's own.

    ``low`` and ``high`` are bounds of all of them; ``spread`` holds the true values where columns
    have errors; ``blocks`` (n_series, n_own) are places of constants that one series has alone.
    """

    model: Model
    data: Observations
    noise: NoiseModel
    limits: Limits
    low: Floats
    high: Floats
    spread: TrueValues | None
    blocks: NDArray[np.int64] | None = None

    def __call__(self, theta: Floats) -> tuple[float, Floats, Floats]:
        """Log posterior, slope, and a positive approximation of minus the curvature."""
        count = self.limits.low.size
        constants, nuisance = theta[:count], theta[count:]
        with np.errstate(all="ignore"):
            value, slope, own, curvature = (
                self._exact_x(constants, nuisance) if self.spread is None
                else self._spread_x(self.spread, constants, nuisance)
            )  # fmt: skip
        distance = (constants - self.limits.prior_mean) / self.limits.prior_sd
        value -= 0.5 * float(distance @ distance)
        slope = slope - distance / self.limits.prior_sd
        curvature = curvature + np.diag(self.limits.prior_sd**-2.0)
        n = self.data.y.size
        full = np.zeros((theta.size, theta.size))
        full[:count, :count] = curvature
        for place, name in enumerate(self.noise.nuisance):
            full[count + place, count + place] = 2.0 * n
            if name == "logit_share":
                share = float(expit(nuisance[place]))
                first, second = SHARE_PRIOR
                value += first * float(log_expit(nuisance[place]))
                value += second * float(log_expit(-nuisance[place])) + math.log(second)
                own[place] += first - (first + second) * share
                information = (n + first + second) * share * (1.0 - share)
                full[count + place, count + place] = information
        total = np.concatenate([slope, own])
        if not (math.isfinite(value) and np.isfinite(total).all() and np.isfinite(full).all()):
            return -math.inf, total, full
        return value, total, full

    def _exact_x(self, constants: Floats, nuisance: Floats) -> _Parts:
        law, slopes = self.model(constants, self.data.columns)
        terms = point_terms(self.noise, self.data, law, np.zeros(law.size), nuisance)
        return (
            float(terms.value.sum()), slopes @ terms.by_law, terms.by_nuisance.sum(axis=1),
            (slopes * terms.information) @ slopes.T,
        )  # fmt: skip

    def _spread_x(self, spread: TrueValues, constants: Floats, nuisance: Floats) -> _Parts:
        """Sum each measurement's density over where its true x may lie."""
        law, slopes, terms, gains = self._normals(spread, constants, nuisance)
        value, share = spread.responsibilities(terms.value)
        gained = np.where(share > 0.0, gains, 0.0) @ share
        # Expected: the mean slope over the variance of y about the mean law, given x
        sound = np.isfinite(law) & np.isfinite(slopes).all(axis=0) & (terms.information > 0)
        weight = np.where(sound, np.exp(spread.log_weight), 0.0)
        weight = weight / spread.total(weight)[spread.point]
        law, slopes = np.where(sound, law, 0.0), np.where(sound, slopes, 0.0)
        mean = spread.total(weight * law)[spread.point]
        own_variance = np.where(sound, 1.0 / terms.information, 0.0)
        variance = spread.total(weight * (own_variance + (law - mean) ** 2))
        direction = spread.total(weight * slopes)
        count = constants.size
        information = (direction / variance) @ direction.T
        return float(value.sum()), gained[:count], gained[count:], information

    def _normals(
        self, spread: TrueValues, constants: Floats, nuisance: Floats
    ) -> tuple[Floats, Floats, PointTerms, Floats]:
        """Law, slopes, densities, and their slopes by all numbers, at every normal."""
        seen = spread.observations
        law, slopes = self.model(constants, seen.columns)
        extra, by_constants = self._widths(spread, constants, law.size)
        terms = point_terms(spread.noise, seen, law, extra, nuisance)
        gain = slopes * terms.by_law + by_constants * terms.by_variance
        return law, slopes, terms, np.concatenate([gain, terms.by_nuisance])

    def scatter(self, spread: TrueValues, theta: Floats) -> Floats:
        """Sum of squares of what single measurements add to the slopes, where x has errors."""
        count = self.limits.low.size
        with np.errstate(all="ignore"):
            _, _, terms, gains = self._normals(spread, theta[:count], theta[count:])
            _, share = spread.responsibilities(terms.value)
        felt = spread.influence(share, np.where(share > 0.0, gains, 0.0))
        result: Floats = felt @ felt.T
        return result

    def _widths(self, spread: TrueValues, constants: Floats, m: int) -> tuple[Floats, Floats]:
        """Variance that the widths of the normals add, (m,), and its slopes, (k, m)."""
        extra, by_constants = np.zeros(m), np.zeros((constants.size, m))
        columns = spread.observations.columns
        for name, sd in spread.noise.x_errors:
            step = X_STEP * float(np.ptp(self.data.columns[name]))
            up, up_slopes = self.model(constants, {**columns, name: columns[name] + step})
            down, down_slopes = self.model(constants, {**columns, name: columns[name] - step})
            slope = (up - down) / (2.0 * step)
            extra += (slope * sd) ** 2
            by_constants += slope * np.square(sd) * (up_slopes - down_slopes) / step
        return extra, by_constants

    def curvature(self, theta: Floats, scale: Floats) -> Floats:
        """Minus the second derivatives, by differences of the slope over ``scale``."""
        matrix = np.zeros((theta.size, theta.size))
        apart = np.zeros((0, 0), dtype=np.int64) if self.blocks is None else self.blocks
        shared = np.setdiff1d(np.arange(theta.size), apart)
        for place in shared:
            matrix[place] = self._change(theta, np.array([place]), scale) / scale[place]
        across = np.ix_(apart.ravel(), shared)
        matrix[across] = matrix.T[across]
        for together in apart.T:  # numbers of different series do not meet: moved at once
            change = self._change(theta, together, scale)
            for own, place in zip(apart, together, strict=True):
                matrix[own, place] = change[own] / scale[place]
        result: Floats = 0.5 * (matrix + matrix.T)
        return result

    def _change(self, theta: Floats, places: NDArray[np.int64], scale: Floats) -> Floats:
        """Half the fall of the slope from one side of theta to the other, over `DIFFERENCE`."""
        step = np.zeros(theta.size)
        step[places] = DIFFERENCE * scale[places]
        return (self(theta - step)[1] - self(theta + step)[1]) / (2.0 * DIFFERENCE)


def maximise(
    model: Model,
    start: Floats,
    observations: Observations,
    noise: NoiseModel,
    limits: Limits | None = None,
    spread: TrueValues | None = None,
    blocks: NDArray[np.int64] | None = None,
) -> Optimum | None:
    """Climb to the nearest maximum of the likelihood; None where it is undefined at the start.

    Parameters
    ----------
    model
        Constants and columns to values and slopes.
    start
        Constants (k,).
    observations, noise
        Measurements and how they scatter.
    limits
        Bounds and priors; None has neither.
    spread
        ``true_values(observations, noise)``, where the caller has it already.
    blocks
        Shape (n_series, n_own): places of constants that only one series feels, series by series.

    Notes
    -----
    Damped scoring steps, then Newton's with the observed curvature; constants at a bound that the
    slope presses against it rest there.

    Examples
    --------
    >>> from physlearn.inference.law_data.noise_models import observe
    >>> data = observe({"x": [1.0, 2.0, 4.0]}, [2.0, 4.0, 8.0])
    >>> line = lambda c, columns: (c[0] * columns["x"], columns["x"][None])
    >>> round(float(maximise(line, np.array([1.0]), data, NoiseModel(sd=1.0)).constants[0]), 6)
    2.0
    """
    limits = limits or Limits.none(len(start))
    first = _first_nuisance(model, start, observations, noise)
    if first is None:
        return None
    open_end = np.full(first.size, np.inf)
    floor = -open_end
    if "log_sd" in noise.nuisance:
        unit = 1.0 if noise.kind in ("log", "multiplicative") else spread_of(observations.y)
        floor[0] = math.log(SMALLEST_SD * unit)
    problem = Problem(
        model, observations, noise, limits,
        np.concatenate([limits.low, floor]), np.concatenate([limits.high, open_end]),
        spread or true_values(observations, noise), blocks,
    )  # fmt: skip
    theta = np.clip(np.concatenate([start, first]), problem.low, problem.high)
    if not math.isfinite(problem(theta)[0]):
        return None
    theta, _ = _climb(problem, theta, STEPS, observed=False)
    theta, converged = _climb(problem, theta, CURVED_STEPS, observed=True)
    return measured(problem, theta, converged)


def _first_nuisance(
    model: Model, start: Floats, data: Observations, noise: NoiseModel
) -> Floats | None:
    with np.errstate(all="ignore"):
        law = model(start, data.columns)[0]
        exact = data.censored == 0
        if noise.kind == "log":
            rest = np.log(data.y) - np.log(law)
        elif noise.kind == "multiplicative":
            rest = (data.y - law) / law
        else:
            rest = data.y - law
    if not np.isfinite(rest).all():
        return None
    sizes = np.abs(rest[exact])
    robust = noise.kind in ("student", "outliers")
    sd = 1.4826 * float(np.median(sizes)) if robust else math.sqrt(float(np.mean(sizes**2)))
    start_of = {"log_sd": math.log(max(sd, 1e-300)), "logit_share": -3.0}
    return np.array([start_of[name] for name in noise.nuisance])


def _climb(problem: Problem, theta: Floats, steps: int, *, observed: bool) -> tuple[Floats, bool]:
    damping = 0.0 if observed else 1e-3
    value, slope, approximate = problem(theta)
    for _ in range(steps):
        resting = ((theta <= problem.low) & (slope < 0)) | ((theta >= problem.high) & (slope > 0))
        free = ~resting
        scale = step_sizes(approximate)
        if not free.any():
            return theta, True
        matrix = problem.curvature(theta, scale) if observed else approximate
        if not np.isfinite(matrix).all():
            matrix = approximate
        scaled = (matrix * scale[:, None] * scale)[np.ix_(free, free)]
        if not np.isfinite(scaled).all():
            return theta, False
        values, vectors = np.linalg.eigh(scaled)
        # Turn saddles into slopes: the step must lead uphill
        values = np.maximum(np.abs(values), 1e-12 * np.abs(values).max() + 1e-300)
        push = vectors.T @ (scale * slope)[free]
        if float((push**2 / values).sum()) < 1e-9:
            return theta, True
        while damping < LARGEST_DAMPING:
            step = np.zeros(theta.size)
            step[free] = vectors @ (push / (values + damping)) * scale[free]
            trial = np.clip(theta + step, problem.low, problem.high)
            new = problem(trial)
            if new[0] > value:
                break
            damping = max(10.0 * damping, 1e-6)
        else:
            return theta, float((push**2 / values).sum()) < 1e-4
        gain = new[0] - value
        theta, (value, slope, approximate) = trial, new
        damping = 0.1 * damping if damping > 1e-8 else 0.0
        if not observed and gain < 1e-4:
            break
    return theta, False
