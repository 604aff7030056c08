"""Maximum of a law's likelihood over its constants and the noise's own numbers, with evidence."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, log_expit

from physlearn.inference.law_data.noise_models import NoiseModel, Observations
from physlearn.inference.law_data.point_likelihood import point_terms

__all__ = ["Limits", "Model", "Optimum", "maximise"]

Floats = NDArray[np.float64]
Model = Callable[[Floats, Mapping[str, Floats]], tuple[Floats, Floats]]
"""Constants (k,) and columns to the law's values (n,) and slopes (k, n)."""

STEPS = 60
CURVED_STEPS = 8
LARGEST_DAMPING = 1e10
DIFFERENCE = 1e-3  # of a constant's standard deviation, for second derivatives
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
class _Problem:
    model: Model
    data: Observations
    noise: NoiseModel
    limits: Limits
    low: Floats
    high: Floats

    def __call__(self, theta: Floats) -> tuple[float, Floats, Floats]:
        """Log posterior, slope, and a positive approximation of minus the curvature."""
        count = self.limits.low.size
        constants, nuisance = theta[:count], theta[count:]
        with np.errstate(all="ignore"):
            law, slopes = self.model(constants, self.data.columns)
            extra, by_constants = self._x_errors(constants)
            terms = point_terms(self.noise, self.data, law, extra, nuisance)
            value = float(terms.value.sum())
            slope = slopes @ terms.by_law + by_constants @ terms.by_variance
            curvature = (slopes * terms.information) @ slopes.T
        distance = (constants - self.limits.prior_mean) / self.limits.prior_sd
        value -= 0.5 * float(distance @ distance)
        slope = slope - distance / self.limits.prior_sd
        curvature = curvature + np.diag(self.limits.prior_sd**-2.0)
        own = terms.by_nuisance.sum(axis=1)
        full = np.zeros((theta.size, theta.size))
        full[:count, :count] = curvature
        for place, name in enumerate(self.noise.nuisance):
            full[count + place, count + place] = 2.0 * law.size
            if name == "logit_share":
                share = float(expit(nuisance[place]))
                first, second = SHARE_PRIOR
                value += first * float(log_expit(nuisance[place]))
                value += second * float(log_expit(-nuisance[place])) + math.log(second)
                own[place] += first - (first + second) * share
                information = (law.size + first + second) * share * (1.0 - share)
                full[count + place, count + place] = information
        total = np.concatenate([slope, own])
        if not (math.isfinite(value) and np.isfinite(total).all() and np.isfinite(full).all()):
            return -math.inf, total, full
        return value, total, full

    def _x_errors(self, constants: Floats) -> tuple[Floats, Floats]:
        """Variance that errors of x add, (n,), and its slopes by the constants, (k, n)."""
        n = self.data.y.size
        extra, by_constants = np.zeros(n), np.zeros((constants.size, n))
        columns = self.data.columns
        for name, sd in self.noise.x_errors:
            step = X_STEP * float(np.ptp(columns[name]))
            up, up_slopes = self.model(constants, {**columns, name: columns[name] + step})
            down, down_slopes = self.model(constants, {**columns, name: columns[name] - step})
            slope = (up - down) / (2.0 * step)
            extra += (slope * sd) ** 2
            by_constants += slope * np.square(sd) * (up_slopes - down_slopes) / step
        return extra, by_constants

    def curvature(self, theta: Floats, scale: Floats) -> Floats:
        """Minus the second derivatives, by differences of the slope over ``scale``."""
        rows = []
        for place in range(theta.size):
            step = np.zeros(theta.size)
            step[place] = DIFFERENCE * scale[place]
            up, down = self(theta + step)[1], self(theta - step)[1]
            rows.append((down - up) / (2.0 * step[place]))
        matrix = np.array(rows)
        result: Floats = 0.5 * (matrix + matrix.T)
        return result


def maximise(
    model: Model,
    start: Floats,
    observations: Observations,
    noise: NoiseModel,
    limits: Limits | None = None,
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
        unit = 1.0 if noise.kind in ("log", "multiplicative") else _spread(observations.y)
        floor[0] = math.log(SMALLEST_SD * unit)
    problem = _Problem(
        model, observations, noise, limits,
        np.concatenate([limits.low, floor]), np.concatenate([limits.high, open_end]),
    )  # fmt: skip
    theta = np.clip(np.concatenate([start, first]), problem.low, problem.high)
    if not math.isfinite(problem(theta)[0]):
        return None
    theta, _ = _climb(problem, theta, STEPS, observed=False)
    theta, converged = _climb(problem, theta, CURVED_STEPS, observed=True)
    return _measured(problem, theta, converged)


def _spread(values: Floats) -> float:
    return float(np.std(values)) or abs(float(values[0])) or 1.0


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


def _climb(problem: _Problem, theta: Floats, steps: int, *, observed: bool) -> tuple[Floats, bool]:
    damping = 0.0 if observed else 1e-3
    value, slope, approximate = problem(theta)
    for _ in range(steps):
        resting = ((theta <= problem.low) & (slope < 0)) | ((theta >= problem.high) & (slope > 0))
        free = ~resting
        scale = _scale(approximate)
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


def _scale(curvature: Floats) -> Floats:
    """Return the standard deviation of every number with the others held: sizes of steps."""
    diagonal = np.diag(curvature)
    largest = float(diagonal.max()) if diagonal.size else 1.0
    result: Floats = 1.0 / np.sqrt(np.maximum(diagonal, 1e-200 + 1e-30 * largest))
    return result


def _measured(problem: _Problem, theta: Floats, converged: bool) -> Optimum | None:
    count = problem.limits.low.size
    value, slope, approximate = problem(theta)
    bound = ((theta <= problem.low) & (slope < 0)) | ((theta >= problem.high) & (slope > 0))
    free = ~bound
    matrix = problem.curvature(theta, _scale(approximate))
    if not np.isfinite(matrix).all():
        matrix = approximate
    covariance = _covariance(matrix, free, count)
    if covariance is None:
        # No maximum, or a flat one: expected information, which is as flat where the law is and
        # never negative, so that no saddle is paid for
        matrix, converged = approximate, False
        covariance = _covariance(matrix, free, count)
    width = _prior_widths(problem, theta[:count])
    stated = np.isfinite(problem.limits.prior_sd)
    distance = (theta[:count] - problem.limits.prior_mean) / problem.limits.prior_sd
    # Unstated priors add 1 / width**2; stated ones stand in the curvature already
    adds = np.concatenate([np.where(stated, 0.0, 1.0), np.zeros(theta.size - count)])
    unit = np.concatenate([width, np.ones(theta.size - count)])
    with np.errstate(all="ignore"):
        inner = (matrix * unit[:, None] * unit + np.diag(adds))[np.ix_(free, free)]
    if not np.isfinite(inner).all():
        return None
    values = np.linalg.eigvalsh(inner)
    values = np.maximum(values, 1e-12 * max(float(values.max(initial=0.0)), 1e-300))
    n_nuisance = int(free[count:].sum())
    if covariance is not None and "log_sd" in problem.noise.nuisance:
        n = problem.data.y.size
        covariance *= n / max(n - int(free[:count].sum()), 1)
    evidence = value - 0.5 * float(np.log(values).sum()) + 0.5 * n_nuisance * math.log(2 * math.pi)
    return Optimum(
        constants=theta[:count], nuisance=theta[count:],
        log_likelihood=value + 0.5 * float(distance @ distance), log_evidence=evidence,
        covariance=covariance, at_bound=bound[:count], converged=converged,
    )  # fmt: skip


def _prior_widths(problem: _Problem, constants: Floats) -> Floats:
    """Width of each constant's prior; where none is stated, its size or what moves the law."""
    with np.errstate(all="ignore"):
        slopes = problem.model(constants, problem.data.columns)[1]
        effect = np.sqrt((slopes**2).mean(axis=1))
        moving = np.where(
            effect > 0, _spread(problem.data.y[problem.data.censored == 0]) / effect, 0.0
        )
    width = np.maximum(np.maximum(np.abs(constants), np.nan_to_num(moving)), 1e-150)
    return np.where(np.isfinite(problem.limits.prior_sd), problem.limits.prior_sd, width)


def _covariance(matrix: Floats, free: NDArray[np.bool_], count: int) -> Floats | None:
    inner = matrix[np.ix_(free, free)]
    result = np.zeros_like(matrix)
    if inner.size:
        diagonal = np.diag(inner)
        if not (diagonal > 0).all():
            return None
        size = 1.0 / np.sqrt(diagonal)
        values, vectors = np.linalg.eigh(inner * size[:, None] * size)
        if values[0] <= 1e-13 * values[-1]:
            return None
        result[np.ix_(free, free)] = (vectors / values) @ vectors.T * size[:, None] * size
    inverse: Floats = result[:count, :count]
    return inverse
