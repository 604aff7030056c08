"""How much a potential's parameters change from condition to condition.

No pair potential holds at every density and temperature. What its parameters do between the runs
is what the average over such runs is uncertain by, and what a new condition has to expect.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.force_fields.force_regression import PooledFit

__all__ = ["SPREAD_SCALE", "ShapeDraws", "draw_shapes", "sample_spread"]

Float = NDArray[np.float64]
SPREAD_SCALE = 0.3
"""Scale of the half-t prior of the spread: a third, in logarithms or in the unit of energy."""
DEGREES = 2.0
BURN_IN = 300
FEWEST_DEGREES = 3.0


@dataclass(frozen=True, eq=False)
class ShapeDraws:
    """Draws of the terms' parameters, shape (n, k): of the average, and of a new condition."""

    average: Float
    new_condition: Float
    spread: Float


def sample_spread(
    precision: Float, pull: Float, n_draws: int, rng: np.random.Generator
) -> tuple[Float, Float]:
    """Draw the mean (n, k) and covariance (n, k, k) of parameters that differ by condition.

    Condition c says N(theta_c; precision_c, pull_c); theta_c ~ N(mean, spread), the mean flat, the
    spread with the half-t prior of Huang and Wand (2013), doi:10.1214/13-BA815, 2 degrees of
    freedom: marginally uniform correlations. Every step of the Gibbs sampler is exact.

    Parameters
    ----------
    precision, pull
        Shapes (c, k, k), (c, k).
    """
    c, k = pull.shape
    inverse = np.eye(k) / (0.2 * SPREAD_SCALE) ** 2
    total = precision.sum(axis=0)
    ridge = 1e-9 * np.trace(total) / k * np.eye(k)
    mean = np.linalg.solve(total + ridge, pull.sum(axis=0))
    means, spreads = np.empty((n_draws, k)), np.empty((n_draws, k, k))
    for step in range(-BURN_IN, n_draws):
        own_precision = precision + inverse
        factor = np.linalg.cholesky(own_precision)
        center = np.linalg.solve(own_precision, (pull + inverse @ mean)[..., None])
        noise = rng.standard_normal((c, k, 1))
        own = (center + np.linalg.solve(factor.transpose(0, 2, 1), noise))[..., 0]
        root = np.linalg.cholesky(c * inverse)
        mean = own.mean(axis=0) + np.linalg.solve(root.T, rng.standard_normal(k))
        # the scales of the half-t prior, then the spread itself, both conjugate
        rate = DEGREES * np.diag(inverse) + 1.0 / SPREAD_SCALE**2
        scale = 1.0 / rng.gamma(0.5 * (DEGREES + k), 1.0 / rate)
        away = own - mean
        inverse = _precision(
            DEGREES + k - 1.0 + c, 2.0 * DEGREES * np.diag(1.0 / scale) + away.T @ away, rng
        )
        if step >= 0:
            means[step] = mean
            spreads[step] = np.linalg.inv(inverse)
    return means, spreads


def _precision(degrees: float, scale: Float, rng: np.random.Generator) -> Float:
    """Draw the inverse of an inverse-Wishart matrix of that scale (Bartlett's decomposition)."""
    k = len(scale)
    triangle = np.tril(rng.standard_normal((k, k)), -1)
    np.fill_diagonal(triangle, np.sqrt(rng.chisquare(degrees - np.arange(k))))
    root = np.linalg.inv(np.linalg.cholesky(scale)).T @ triangle
    return np.asarray(root @ root.T)


def draw_shapes(
    fit: PooledFit, left_out: Float, n_draws: int, rng: np.random.Generator
) -> ShapeDraws:
    """Draw what the average over conditions, and a new condition, may have as parameters.

    The best single theta has the covariance of the jackknife over c conditions and a t
    distribution of c - 1 degrees of freedom; with fewer than three conditions the scatter of
    structures stands for it, with the degrees of freedom that it rests on. A new condition adds
    the spread.

    Parameters
    ----------
    left_out
        float64, shape (c, k): theta without each condition.
    """
    c, k = fit.score.shape
    theta = fit.theta[:k]
    inverse = np.linalg.inv(fit.total)
    effect = fit.design_effect[:, None, None]
    covariance = inverse @ (fit.information * effect).sum(axis=0) @ inverse
    degrees = max(fit.effect_degrees, FEWEST_DEGREES)
    if c > 2:
        away = left_out - left_out.mean(axis=0)
        jackknife = (c - 1.0) / c * away.T @ away
        # fewer conditions than directions leave some unseen: there the structures' scatter holds
        covariance = jackknife + covariance * max(0.0, 1.0 - (c - 1.0) / (2.0 * k))
        degrees = c - 1.0
    if c > 1:
        means, spreads = sample_spread(fit.told_precision, fit.told_pull, n_draws, rng)
    else:
        means = np.repeat(theta[None], n_draws, axis=0)
        spreads = _prior_spreads(k, n_draws, rng)
    root = np.linalg.cholesky(covariance + 1e-12 * inverse)
    tail = np.sqrt(degrees / rng.chisquare(degrees, (n_draws, 1))) if degrees < 1e8 else 1.0
    average = theta + tail * (rng.standard_normal((n_draws, k)) @ root.T)
    roots = np.linalg.cholesky(spreads)
    delta = np.einsum("nij,nj->ni", roots, rng.standard_normal((n_draws, k)))
    # where the conditions' own mean is not the best single theta, a new one may lie either way
    delta += (means - theta) * rng.standard_normal((n_draws, 1))
    return ShapeDraws(average, average + delta, spreads)


def _prior_spreads(k: int, n_draws: int, rng: np.random.Generator) -> Float:
    """Draw the spread from its prior: one condition says nothing of it."""
    out = np.empty((n_draws, k, k))
    for index in range(n_draws):
        scale = 1.0 / rng.gamma(0.5, SPREAD_SCALE**2, k)
        inverse = _precision(DEGREES + k - 1.0, 2.0 * DEGREES * np.diag(1.0 / scale), rng)
        out[index] = np.linalg.inv(inverse)
    return out
