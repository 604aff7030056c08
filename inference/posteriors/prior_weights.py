"""A Gaussian likelihood times a prior of any shape, by weighted draws."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from physlearn.checks import InputError
from physlearn.inference.posteriors.priors import Prior

__all__ = ["FEW_DRAWS", "gaussian_times_prior"]

Float = NDArray[np.float64]
FEW_DRAWS = 200.0
"""Effective draws below which quantiles are rough."""
FARTHEST = 12.0
"""Standard deviations of the likelihood beyond which a prior excludes the data."""
TRIALS = 20_000
ROUNDS = 8
WANTED = 4000.0
NEAR_SHARE = 0.8
WIDENING = 1.5
STUDENT_DF = 6


def gaussian_times_prior(
    center: Float, covariance: Float, prior: Prior, n_draws: int, rng: np.random.Generator
) -> tuple[Float, float]:
    """Return draws (n_draws, d) of N(theta; center, covariance) p(theta), and what they are worth.

    The prior's density is taken as it is. Proposals are a Student distribution, wider than the
    weighted draws of the round before, and the prior itself; weights are exact in every round.

    Parameters
    ----------
    center, covariance
        Of the likelihood without any prior, shapes (d,) and (d, d).
    prior
        Of the d parameters.
    n_draws
        Number of draws, with repetition.
    rng
        For all random choices.

    Raises
    ------
    InputError
        Where the prior is zero at all that the likelihood leaves.

    Examples
    --------
    >>> prior = Prior.gaussian(("a",), 1.0)
    >>> rng = np.random.default_rng(1)
    >>> draws, worth = gaussian_times_prior(np.ones(1), np.eye(1), prior, 4000, rng)
    >>> bool(abs(draws.mean() - 0.5) < 0.05), worth > 200
    (True, True)
    """
    precision = np.linalg.inv(covariance)
    at, spread = np.array(center, np.float64), np.array(covariance, np.float64)
    effective, points, weight = 0.0, np.empty((0, len(center))), np.empty(0)
    n_near = int(NEAR_SHARE * TRIALS)
    for _ in range(ROUNDS):
        proposal = stats.multivariate_t(at, WIDENING * spread, df=STUDENT_DF, seed=rng)
        near = np.asarray(proposal.rvs(n_near)).reshape(n_near, -1)
        new = np.concatenate([near, prior.draw(TRIALS - n_near, rng)])
        log_prior = prior.log_density(new)
        new, log_prior = new[np.isfinite(log_prior)], log_prior[np.isfinite(log_prior)]
        mixture = np.logaddexp(
            np.log(NEAR_SHARE) + proposal.logpdf(new), np.log1p(-NEAR_SHARE) + log_prior
        )
        away = new - center
        squares = np.sum(away @ precision * away, axis=1)
        log_weight = log_prior - 0.5 * squares - mixture
        if squares.min(initial=np.inf) > FARTHEST**2:
            raise InputError(
                "prior excludes the data: it is zero wherever the pictures are likely."
            )
        found = np.exp(log_weight - log_weight.max())
        worth = float(found.sum() ** 2 / np.sum(found**2))
        if worth > effective:
            effective, points, weight = worth, new, found / found.sum()
        if effective > WANTED:
            break
        at, spread = _weighted(new, log_weight, covariance)
    return points[rng.choice(len(points), n_draws, p=weight)], effective


def _weighted(points: Float, log_weight: Float, covariance: Float) -> tuple[Float, Float]:
    """Return mean and covariance of weighted points, flattened until a few hundred count."""
    flat = log_weight - log_weight.max()
    weight = np.exp(flat)
    while weight.sum() ** 2 < FEW_DRAWS * np.sum(weight**2) and len(points) > 2 * FEW_DRAWS:
        flat = 0.7 * flat
        weight = np.exp(flat)
    weight = weight / weight.sum()
    center = weight @ points
    away = points - center
    return center, (away * weight[:, None]).T @ away + 1e-6 * np.diag(np.diag(covariance))
