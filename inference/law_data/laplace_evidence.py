"""Evidence and errors at the maximum of a law's likelihood (Laplace), bounds included."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr

if TYPE_CHECKING:
    from physlearn.inference.law_data.likelihood_fit import Limits, Optimum, Problem
    from physlearn.inference.law_data.true_values import TrueValues

__all__ = ["measured", "spread_of", "step_sizes"]

Floats = NDArray[np.float64]


def spread_of(values: Floats) -> float:
    """Return the standard deviation, or the size where all values are one."""
    return float(np.std(values)) or abs(float(values[0])) or 1.0


def step_sizes(curvature: Floats) -> Floats:
    """Return the standard deviation of every number with the others held: sizes of steps."""
    diagonal = np.diag(curvature)
    largest = float(diagonal.max()) if diagonal.size else 1.0
    result: Floats = 1.0 / np.sqrt(np.maximum(diagonal, 1e-200 + 1e-30 * largest))
    return result


def measured(problem: Problem, theta: Floats, converged: bool) -> Optimum | None:
    """Return what holds at the maximum: evidence, covariance, what rests at a bound.

    Parameters
    ----------
    problem
        The law with its data.
    theta
        Constants, then the noise's own numbers, at the maximum.
    converged
        Whether the climb ended at one.
    """
    count = problem.limits.low.size
    value, slope, approximate = problem(theta)
    bound = ((theta <= problem.low) & (slope < 0)) | ((theta >= problem.high) & (slope > 0))
    free = ~bound
    matrix = problem.curvature(theta, step_sizes(approximate))
    if not np.isfinite(matrix).all():
        matrix = approximate
    covariance = _part(_covariance(matrix, free), count)
    if covariance is not None and problem.spread is not None:
        covariance = _sandwiched(problem, problem.spread, theta, _covariance(matrix, free))
    if covariance is None:
        # No maximum, or a flat one: expected information, which is as flat where the law is and
        # never negative, so that no saddle is paid for
        matrix, converged = approximate, False
        covariance = _part(_covariance(matrix, free), count)
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
    mass = _mass_within(problem.limits, theta, slope, matrix, bound, covariance, width)
    n_nuisance = int(free[count:].sum())
    if covariance is not None and "log_sd" in problem.noise.nuisance:
        n = problem.data.y.size
        covariance *= n / max(n - int(free[:count].sum()), 1)
    evidence = value - 0.5 * float(np.log(values).sum()) + 0.5 * n_nuisance * math.log(2 * math.pi)
    evidence += mass
    from physlearn.inference.law_data.likelihood_fit import Optimum

    return Optimum(
        constants=theta[:count], nuisance=theta[count:],
        log_likelihood=value + 0.5 * float(distance @ distance), log_evidence=evidence,
        covariance=covariance, at_bound=bound[:count], converged=converged,
    )  # fmt: skip


def _mass_within(
    limits: Limits, theta: Floats, slope: Floats, matrix: Floats, bound: NDArray[np.bool_],
    covariance: Floats | None, width: Floats,
) -> float:  # fmt: skip
    """Logarithm of what bounds do to the evidence, with the part of constants that rest at one.

    A constant with bounds has its normal prior cut there and normalised again. About a constant
    that rests at a bound the posterior falls as exp(slope t - curvature t**2 / 2) on the free
    side; of a free one the normal about it is cut.
    """
    result = 0.0
    bounded = np.isfinite(limits.low) | np.isfinite(limits.high)
    free = np.flatnonzero(~bound)
    for place in np.flatnonzero(bounded):
        low, high, w = limits.low[place], limits.high[place], float(width[place])
        stated = np.isfinite(limits.prior_sd[place])
        middle = limits.prior_mean[place] if stated else theta[place]
        result -= _log_mass((low - middle) / w, (high - middle) / w)
        if bound[place]:
            across = matrix[place, free]
            curvature = matrix[place, place]
            with np.errstate(all="ignore"):
                taken = _taken(matrix[np.ix_(free, free)], across)
            curvature = curvature - taken if curvature > taken else max(curvature, 0.0)
            curvature += 0.0 if stated else w**-2.0
            root = math.sqrt(max(float(curvature), 1e-300))
            steep = -abs(float(slope[place])) / root
            # Of a steep edge only its slope counts: exp(u**2/2) Phi(u) -> 1/(|u| sqrt(2 pi))
            result += float(log_ndtr(steep)) + 0.5 * steep**2 - math.log(w * root)
        elif covariance is not None and covariance[place, place] > 0:
            root = math.sqrt(1.0 / covariance[place, place] + (0.0 if stated else w**-2.0))
            result += _log_mass((low - theta[place]) * root, (high - theta[place]) * root)
    return result


def _taken(inner: Floats, across: Floats) -> float:
    """``across @ inverse(inner) @ across`` in units in which the diagonal is 1."""
    diagonal = np.diag(inner)
    size = 1.0 / np.sqrt(np.where(diagonal > 0, diagonal, 1.0))
    scaled = across * size
    inverse = np.linalg.pinv(inner * size[:, None] * size, hermitian=True)
    return float(scaled @ inverse @ scaled)


def _log_mass(low: float, high: float) -> float:
    """Logarithm of the standard normal's mass from low to high."""
    if low > 0.0:
        low, high = -high, -low
    below, above = float(log_ndtr(low)), float(log_ndtr(high))
    gap = -math.expm1(min(below - above, 0.0))
    return above + math.log(max(gap, 1e-300))


def _sandwiched(
    problem: Problem, spread: TrueValues, theta: Floats, covariance: Floats | None
) -> Floats | None:
    """Covariance where the distribution of the true x was taken from the readings themselves.

    The likelihood takes it for known: the slopes' own scatter, with what every reading does to
    that distribution, says what the constants' errors are (Huber, Proc. 5th Berkeley Symp. 1:221,
    1967; White, Econometrica 50:1, 1982, DOI 10.2307/1912526).
    """
    if covariance is None:
        return None
    count, n = problem.limits.low.size, problem.data.y.size
    scatter = problem.scatter(spread, theta) * (n / max(n - count, 1))
    return _part(covariance @ scatter @ covariance, count)


def _part(matrix: Floats | None, count: int) -> Floats | None:
    """Rows and columns of the constants."""
    return None if matrix is None else matrix[:count, :count]


def _prior_widths(problem: Problem, constants: Floats) -> Floats:
    """Width of each constant's prior; where none is stated, its size or what moves the law."""
    with np.errstate(all="ignore"):
        slopes = problem.model(constants, problem.data.columns)[1]
        effect = np.sqrt((slopes**2).mean(axis=1))
        moving = np.where(
            effect > 0, spread_of(problem.data.y[problem.data.censored == 0]) / effect, 0.0
        )
    width = np.maximum(np.maximum(np.abs(constants), np.nan_to_num(moving)), 1e-150)
    return np.where(np.isfinite(problem.limits.prior_sd), problem.limits.prior_sd, width)


def _covariance(matrix: Floats, free: NDArray[np.bool_]) -> Floats | None:
    """Inverse on the free numbers, 0 for the others; None where singular."""
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
    return result
