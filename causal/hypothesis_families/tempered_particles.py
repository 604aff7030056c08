"""Posterior and evidence of a few parameters: particles led from the prior to the posterior."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from physlearn.causal.spatial_layout import Floats
from physlearn.checks import NotIdentified

__all__ = ["Particles", "tempered_particles"]

LogDensity = Callable[[Floats], Floats]

ESS_SHARE = 0.5
MOVES = 8
MOST_STAGES = 60
ACCEPTED = 0.3
SMALLEST_STEP = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class Particles:
    """Equally weighted draws, and the log evidence.

    Attributes
    ----------
    draws
        (n_particles, n_parameters).
    log_evidence
        Log of the prior mean of the likelihood.
    n_stages
        Temperatures from prior to posterior.
    """

    draws: Floats
    log_evidence: float
    n_stages: int


def tempered_particles(
    start: Floats, log_prior: LogDensity, log_likelihood: LogDensity, rng: np.random.Generator
) -> Particles:
    """Return posterior draws by a sequential Monte Carlo sampler over powers of the likelihood.

    Parameters
    ----------
    start
        Draws of the prior, (n_particles, n_parameters).
    log_prior, log_likelihood
        Functions of parameters (n, n_parameters), (n,) each; -inf where impossible.
    rng
        Generator.

    Raises
    ------
    NotIdentified
        When the likelihood vanishes for all draws of the prior, or the powers don't reach 1.

    Notes
    -----
    Del Moral, Doucet & Jasra (2006), doi:10.1111/j.1467-9868.2006.00553.x; powers chosen so that
    half of the particles stay effective, moves by a Metropolis walk with the particles' covariance.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> normal = lambda t: -0.5 * (t**2).sum(axis=1)
    >>> found = tempered_particles(rng.normal(size=(2000, 1)), normal,
    ...                            lambda t: -0.5 * ((t[:, 0] - 2) / 0.5) ** 2, rng)
    >>> abs(float(found.draws.mean()) - 1.6) < 0.05  # 2 / (1 + .5^2)
    True
    """
    particles = np.array(start, dtype=np.float64)
    n, n_parameters = particles.shape
    likelihood = log_likelihood(particles)
    if not np.isfinite(likelihood).any():
        raise NotIdentified("no draw of the prior gives the data a finite likelihood.")
    power, log_evidence, scale, stages = 0.0, 0.0, 2.38 / math.sqrt(n_parameters), 0
    while power < 1.0:
        stages += 1
        if stages > MOST_STAGES:
            raise NotIdentified("prior and data lie too far apart: give a prior nearer to them.")
        step = _next_step(likelihood, 1.0 - power)
        power += step
        logs = step * likelihood
        best = float(logs.max())
        weights = np.exp(logs - best)
        log_evidence += best + math.log(float(weights.mean()))
        places = (np.arange(n) + rng.uniform()) / n
        picked = np.searchsorted(np.cumsum(weights) / weights.sum(), places).clip(max=n - 1)
        particles, likelihood = particles[picked], likelihood[picked]
        prior = log_prior(particles)
        spread = np.atleast_2d(np.cov(particles.T)) + 1e-12 * np.eye(n_parameters)
        root = np.linalg.cholesky(spread)
        for _ in range(MOVES):
            tried = particles + scale * rng.standard_normal(particles.shape) @ root.T
            tried_prior = log_prior(tried)
            possible = np.isfinite(tried_prior)
            tried_likelihood = np.full(n, -np.inf)
            if possible.any():
                tried_likelihood[possible] = log_likelihood(tried[possible])
            gain = tried_prior - prior + power * (tried_likelihood - likelihood)
            taken = np.log(rng.uniform(size=n)) < np.where(np.isnan(gain), -np.inf, gain)
            particles[taken] = tried[taken]
            prior[taken], likelihood[taken] = tried_prior[taken], tried_likelihood[taken]
            scale *= math.exp(0.5 * (float(taken.mean()) - ACCEPTED))
    return Particles(particles, log_evidence, stages)


def _next_step(likelihood: Floats, most: float) -> float:
    """Return the largest step of the power, up to `most`, that leaves half the particles."""

    def effective(step: float) -> float:
        weights = np.exp(step * (likelihood - likelihood.max()))
        return float(weights.sum() ** 2 / (weights**2).sum() / len(weights))

    if effective(most) >= ESS_SHARE:
        return most
    low, high = 0.0, most
    for _ in range(40):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if effective(middle) >= ESS_SHARE else (low, middle)
    return max(low, SMALLEST_STEP)
