"""Draws from the Gaussian likelihood of sums with a nonlinear mean, with its own check."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.configurations.likelihood_surface import fit_surface
from physlearn.inference.configurations.score_tables import ScoreSums
from physlearn.inference.pareto_smoothing import smoothed_weights
from physlearn.inference.potential_families.pair_family import InteractionFamily

__all__ = ["QuasiDraws", "draw_quasi_posterior"]

Float = NDArray[np.float64]
STUDENT_DF = 6.0
ROUNDS = 3
WORST_K = 0.7
CHAIN_STEPS = 400
MOST_PROPOSED = 1000


class Mode(Protocol):
    """Mode, Gaussian width, and the sums with their weight."""

    @property
    def theta(self) -> Float:
        """Mode, (p,)."""

    @property
    def covariance(self) -> Float:
        """Gaussian width, (p, p)."""

    @property
    def weight(self) -> Float:
        """Inverse covariance of the sums, (k, k)."""

    @property
    def sums(self) -> ScoreSums:
        """The sums."""


@dataclass(frozen=True, eq=False)
class QuasiDraws:
    """Equally weighted draws and how they were made."""

    draws: Float
    approximation: str
    diagnostics: dict[str, Any]
    warnings: tuple[str, ...] = ()


def draw_quasi_posterior(
    mode: Mode, family: InteractionFamily, n_draws: int, rng: np.random.Generator
) -> QuasiDraws:
    """Weigh Student-t draws about the mode; where the weights fail, walk instead.

    The sums, not theta, are the Gaussian quantity: what they say of theta carries the Jacobian of
    the one by the other, as a fiducial density does (Hannig et al. 2016,
    doi:10.1080/01621459.2016.1165102). Without it weak forces, to which the sums answer little,
    are believed too much. The prior's precision is part of the volume, so that a prior which says
    more than the sums is left as it is.

    The proposal is moved to the weighted mean and covariance up to twice. A Pareto k above 0.7
    after that hands over to an ensemble of walkers (Goodman & Weare 2010).
    """
    precision = np.linalg.inv(family.prior_covariance)

    def parts(points: Float) -> tuple[Float, Float]:
        """Return the Gaussian likelihood of the sums, and the volume that they span in theta."""
        left = np.array([mode.sums.at(family, point) for point in points])
        slopes = np.array([mode.sums.slope(family, point) for point in points])
        square = np.einsum("nk,kl,nl->n", left, mode.weight, left)
        bend = np.einsum("nki,kl,nlj->nij", slopes, mode.weight, slopes, optimize=True)
        # with the prior's precision: parameters that no sum tells of have none of their own
        volume = np.linalg.slogdet(bend + precision)[1]
        return np.asarray(-0.5 * square), np.asarray(0.5 * volume)

    def log_prior(points: Float) -> Float:
        away = points - family.prior_mean
        return np.asarray(-0.5 * np.einsum("nk,kl,nl->n", away, precision, away))

    def log_density(points: Float) -> Float:
        likelihood, volume = parts(points)
        value = likelihood + volume + log_prior(points)
        return np.where(np.isfinite(value), value, -np.inf)

    centre, spread, k = mode.theta, mode.covariance, np.inf
    p, n_proposed = len(centre), min(n_draws, MOST_PROPOSED)
    points, weights, likelihood, volume = centre[None], np.ones(1), np.zeros(1), np.zeros(1)
    for _ in range(ROUNDS):
        root = np.linalg.cholesky(spread)
        normal = rng.standard_normal((n_proposed, p))
        stretch = np.sqrt(STUDENT_DF / rng.chisquare(STUDENT_DF, n_proposed))
        points = centre + (normal * stretch[:, None]) @ root.T
        square = (normal**2).sum(axis=1) * stretch**2
        proposal = -0.5 * (STUDENT_DF + p) * np.log1p(square / STUDENT_DF)
        likelihood, volume = parts(points)
        target = likelihood + volume + log_prior(points)
        weights, k = smoothed_weights(np.where(np.isfinite(target), target, -np.inf) - proposal)
        if k < WORST_K:
            break
        centre = weights @ points
        away = points - centre
        spread = 1.2 * (weights[:, None] * away).T @ away + 1e-3 * spread
    said: dict[str, Any] = {"pareto_k": k, "effective_draws": float(1.0 / (weights**2).sum())}
    if k < WORST_K:
        chosen = rng.choice(n_proposed, n_draws, p=weights)
        seen = np.isfinite(likelihood) & np.isfinite(volume)
        share = weights[seen] / weights[seen].sum()
        # apart: several films share one prior and their volume, not one volume each
        for name, values in (("likelihood_surface", likelihood), ("volume_surface", volume)):
            said[name] = fit_surface(points[seen], values[seen], share).to_dict()
        return QuasiDraws(points[chosen], "Gaussian sums; importance draws", said)
    return _walk(log_density, mode, n_draws, said, rng)


def _walk(
    log_density: Any, mode: Mode, n_draws: int, said: dict[str, Any], rng: np.random.Generator
) -> QuasiDraws:
    """Affine-invariant walkers, each half moved along lines to the other half."""
    p = len(mode.theta)
    n_walkers = max(40, 4 * p)
    half = n_walkers // 2
    walkers = rng.multivariate_normal(mode.theta, mode.covariance, n_walkers)
    heights = log_density(walkers)
    kept = []
    for step in range(CHAIN_STEPS):
        for own in (slice(0, half), slice(half, None)):
            other = walkers[half:] if own.start == 0 else walkers[:half]
            stretch = (rng.random(half) + 1.0) ** 2 / 2.0  # density ~ z^-1/2 on [1/2, 2]
            partner = other[rng.integers(half, size=half)]
            tried = partner + stretch[:, None] * (walkers[own] - partner)
            there = log_density(tried)
            gain = (p - 1) * np.log(stretch) + there - heights[own]
            taken = np.log(rng.random(half)) < gain
            walkers[own] = np.where(taken[:, None], tried, walkers[own])
            heights[own] = np.where(taken, there, heights[own])
        if step >= CHAIN_STEPS // 4:
            kept.append(walkers.copy())
    draws = np.concatenate(kept)
    chosen = rng.choice(len(draws), n_draws, replace=False)
    return QuasiDraws(
        draws[chosen], "Gaussian sums; ensemble of walkers (importance weights failed)", said
    )
