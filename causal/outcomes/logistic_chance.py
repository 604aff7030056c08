"""The chance of an act as a logistic function of what was set, with its uncertainty."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["LogisticChance", "fit_logistic_chance"]

Floats = NDArray[np.float64]

PRIOR_SD = 2.5
"""Of the coefficients for covariates of unit spread, and of the intercept, in logits."""
MOST_STEPS = 50
CONVERGED = 1e-10


@dataclass(frozen=True, slots=True, eq=False)
class LogisticChance:
    """Gaussian posterior of the coefficients of a logistic law.

    Attributes
    ----------
    mean, covariance
        Of the coefficients, the intercept first: (1 + n_covariates,) and its square.
    log_evidence
        Log marginal likelihood by Laplace's approximation.
    """

    mean: Floats
    covariance: Floats
    log_evidence: float

    def logits(self, covariates: Floats) -> tuple[Floats, Floats]:
        """Return mean and sd of the logit at covariates (n, n_covariates)."""
        design = _design(covariates)
        variance = np.einsum("ni,ij,nj->n", design, self.covariance, design)
        return design @ self.mean, np.sqrt(np.maximum(variance, 0.0))


def fit_logistic_chance(covariates: Floats, successes: NDArray[np.bool_]) -> LogisticChance:
    """Return the posterior of a logistic law by Newton steps and Laplace's approximation.

    Parameters
    ----------
    covariates
        Shape (n, n_covariates), each of zero mean and unit spread.
    successes
        bool, (n,).

    Notes
    -----
    Prior: independent Gaussians of 2.5 logits, as weak as the usual default (Gelman et al. 2008,
    doi:10.1214/08-AOAS191, have a Cauchy law of that width). The log posterior is concave, so that
    the steps, halved where they overshoot, always arrive.

    Examples
    --------
    >>> dose = np.linspace(-1.5, 1.5, 40)[:, None]
    >>> law = fit_logistic_chance(dose, dose[:, 0] > 0)
    >>> bool(law.mean[1] > 2)
    True
    """
    design = _design(covariates)
    wanted = successes.astype(np.float64)
    beta = np.zeros(design.shape[1])
    value = _log_posterior(beta, design, wanted)
    for _ in range(MOST_STEPS):
        chance = 1.0 / (1.0 + np.exp(-design @ beta))
        slope = design.T @ (wanted - chance) - beta / PRIOR_SD**2
        step = np.linalg.solve(_precision(design, chance), slope)
        scale = 1.0
        while _log_posterior(beta + scale * step, design, wanted) < value and scale > 1e-6:
            scale *= 0.5
        beta = beta + scale * step
        gained, value = (
            _log_posterior(beta, design, wanted) - value,
            _log_posterior(beta, design, wanted),
        )
        if abs(gained) < CONVERGED:
            break
    precision = _precision(design, 1.0 / (1.0 + np.exp(-design @ beta)))
    # prior's normalisation, the peak and the width of the posterior
    volume = -0.5 * float(np.linalg.slogdet(precision)[1]) - len(beta) * math.log(PRIOR_SD)
    return LogisticChance(beta, np.asarray(np.linalg.inv(precision), np.float64), value + volume)


def _design(covariates: Floats) -> Floats:
    return np.column_stack([np.ones(len(covariates)), covariates])


def _precision(design: Floats, chance: Floats) -> Floats:
    weights = chance * (1.0 - chance)
    return np.asarray(
        (design * weights[:, None]).T @ design + np.eye(design.shape[1]) / PRIOR_SD**2
    )


def _log_posterior(beta: Floats, design: Floats, wanted: Floats) -> float:
    logits = design @ beta
    likelihood = wanted @ logits - np.logaddexp(0.0, logits).sum()
    return float(likelihood - 0.5 * (beta @ beta) / PRIOR_SD**2)
