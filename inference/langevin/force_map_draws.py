"""Draws around the mode of a motion model: Laplace, checked, weighted where it must be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from physlearn.inference.langevin.force_map_likelihood import MotionModel
from physlearn.inference.langevin.force_map_series import Series
from physlearn.inference.pareto_smoothing import smoothed_weights

__all__ = ["DrawnPosterior", "draw_gaussian", "draw_posterior"]

Float = NDArray[np.float64]
N_DRAWS = 2000
N_PROBES = 32
N_PROPOSALS = 400
EVEN_ENOUGH = 0.3
"""Standard deviation of log weights below which Laplace's Gaussian is the posterior."""
LOOSE_NOISE = 0.15
"""Standard deviation of ln(noise) from which on weights are always taken."""
PARETO_LIMIT = 0.7
DEGREES = 6.0


@dataclass(frozen=True, eq=False)
class DrawnPosterior:
    """Draws of theta (n, p), and what stands between them and the exact posterior."""

    draws: Float
    approximation: str
    diagnostics: dict[str, Any]
    warnings: tuple[str, ...] = ()


def draw_gaussian(mean: Float, covariance: Float, rng: np.random.Generator, n: int) -> Float:
    """Draw from a Gaussian, by its principal axes."""
    values, axes = np.linalg.eigh(0.5 * (covariance + covariance.T))
    return np.asarray(
        mean + rng.standard_normal((n, len(mean))) * np.sqrt(np.maximum(values, 0.0)) @ axes.T
    )


def _proposals(
    model: MotionModel, mean: Float, covariance: Float, rng: np.random.Generator
) -> tuple[Float, Float]:
    """Return proposals (n, p) and their log density: Student's t, or a mixture for free noise.

    Noise below what the tracks tell has a long tail in its logarithm, over which diffusion follows
    its square: half of the proposals take ln(noise) from its prior, and the rest around the line.
    """
    n, p = N_PROPOSALS, len(mean)
    # Student's t with a wider core covers skew tails
    mixing = 1.1 * np.sqrt(DEGREES / rng.chisquare(DEGREES, n))[:, None]
    near = mean + mixing * draw_gaussian(np.zeros(p), covariance, rng, n)
    if model.noise.known is not None:
        return near, _log_student(near - mean, covariance)
    level, width = mean[-1], np.sqrt(covariance[-1, -1])
    line = covariance[:-1, -1] / width**2
    rest = covariance[:-1, :-1] - np.outer(line, line) * width**2

    def middle(noise: Float) -> Float:
        # d ln(noise) is half of d noise^2 / noise^2
        moved = 0.5 * np.clip(np.expm1(2.0 * (noise - level)), -1.0, 8.0)
        return np.asarray(mean[:-1] + moved[:, None] * line)

    noise = rng.normal(model.noise.log_mean, model.noise.log_sd, n)
    wide = mixing * draw_gaussian(np.zeros(p - 1), rest, rng, n)
    far = np.column_stack([middle(noise) + wide, noise])
    proposals = np.concatenate([near, far])
    away = (proposals[:, -1] - model.noise.log_mean) / model.noise.log_sd
    one = _log_student(proposals - mean, covariance)
    other = _log_student(proposals[:, :-1] - middle(proposals[:, -1]), rest)
    other += -0.5 * away**2 - np.log(model.noise.log_sd) - 0.5 * np.log(2.0 * np.pi)
    return proposals, np.logaddexp(one, other) - np.log(2.0)


def _log_student(away: Float, covariance: Float) -> Float:
    """Return the log density of the t that proposals are drawn from, 1.1 times as wide."""
    p = away.shape[1]
    scale = 1.21 * covariance
    distance = np.einsum("ka,ab,kb->k", away, np.linalg.inv(scale), away)
    constant = gammaln(0.5 * (DEGREES + p)) - gammaln(0.5 * DEGREES)
    constant -= 0.5 * (p * np.log(DEGREES * np.pi) + np.linalg.slogdet(scale)[1])
    return np.asarray(constant - 0.5 * (DEGREES + p) * np.log1p(distance / DEGREES))


def draw_posterior(
    model: MotionModel,
    series: Series,
    mean: Float,
    precision: Float,
    step: float,
    rng: np.random.Generator,
) -> DrawnPosterior:
    """Draw around a mode; weigh the draws by the likelihood where a probe finds that it matters."""
    covariance: Float = np.asarray(np.linalg.inv(precision), dtype=np.float64)
    probes = draw_gaussian(mean, covariance, rng, N_PROBES)
    at_mode = model.log_posterior(mean, series, step)
    away = probes - mean
    gaussian = -0.5 * np.einsum("ka,ab,kb->k", away, precision, away)
    exact = np.array([model.log_posterior(theta, series, step) for theta in probes]) - at_mode
    uneven = float(np.std(exact - gaussian)) if np.isfinite(exact).all() else np.inf
    # a tail of the noise is too far out for so few probes
    tailed = model.noise.known is None and covariance[-1, -1] > LOOSE_NOISE**2
    if uneven < EVEN_ENOUGH and not tailed:
        return DrawnPosterior(
            draw_gaussian(mean, covariance, rng, N_DRAWS),
            "Laplace, checked by log weights of 32 draws", {"log_weight_sd": uneven},
        )  # fmt: skip
    proposals, log_proposal = _proposals(model, mean, covariance, rng)
    exact = np.array([model.log_posterior(theta, series, step) for theta in proposals])
    weights, shape = smoothed_weights(np.maximum(exact - log_proposal, -1e6))
    effective = float(1.0 / (weights**2).sum())
    chosen = rng.choice(len(proposals), N_DRAWS, p=weights)
    texts: tuple[str, ...] = ()
    if shape >= PARETO_LIMIT:
        texts = (
            f"the posterior is far from Gaussian (Pareto k {shape:.2f}): its intervals are rough; "
            "take more data, a narrower prior, or pymc.sample on force_map_model(...)",
        )
    return DrawnPosterior(
        proposals[chosen], "Laplace with importance weights",
        {"log_weight_sd": uneven, "pareto_k": shape, "effective_draws": effective}, texts,
    )  # fmt: skip
