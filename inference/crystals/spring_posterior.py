"""Posterior of springs: mode by scoring, then importance draws, then, if need be, a walk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import NotIdentified
from physlearn.inference.crystals.spring_model import SpringModel
from physlearn.inference.pareto_smoothing import smoothed_weights

__all__ = [
    "Draws", "best_springs", "density_of", "draw_by_likeness", "draw_posterior", "find_mode",
    "start_of",
]  # fmt: skip

Float = NDArray[np.float64]
Density = Callable[[Float], Float]
"""theta (m, p) -> ln posterior (m,), -inf outside."""
DEGREES = 7.0
N_PROPOSALS, N_DRAWS = 2000, 2000
LARGEST_SHAPE = 0.7
N_WALKERS, N_STEPS = 40, 600
STARTS = (0.0, 0.05, 0.2)
"""Transverse over longitudinal spring: lattices that are not rigid by central springs need one."""


FARTHEST = 4.0
"""Standard deviations from the mode within which values of the density were taken."""


@dataclass(frozen=True, eq=False)
class Draws:
    """Equally weighted draws (n, p) and how they came about.

    ``surrogate_error``: spread of ln posterior about the function that was drawn from.
    """

    theta: Float
    approximation: str
    pareto_k: float
    effective: float
    surrogate_error: float = 0.0


def density_of(parts: list[Any], model: SpringModel) -> Callable[[Float], Float]:
    """Return ln posterior of theta (m, p) up to a constant."""

    def density(theta: Float) -> Float:
        springs, noise = model.springs(theta), model.noise(theta)
        value = model.log_prior(theta)
        inside = np.isfinite(value)
        if inside.any():
            own, other = np.ascontiguousarray(springs[inside]), noise[inside]
            value[inside] += np.sum([part.values(own, other) for part in parts], axis=0)
        return value

    return density


def start_of(model: SpringModel, density: Callable[[Float], Float]) -> Float:
    """Return the first theta that makes the crystal stable."""
    start = model.prior_mean.copy()
    start[0] = np.log(model.reference)
    if not model.error.is_known:
        start[-1] = max(model.error.mean, 0.2 * model.error.sd)
    for ratio in STARTS:
        start[1] = ratio
        if np.isfinite(density(start[None])[0]):
            break
    return start


def best_springs(part: Any, model: SpringModel) -> Float:
    """Return the most probable springs (k,) where the error is known."""
    density = density_of([part], model)

    def score(theta: Float) -> tuple[Float, Float]:
        return model.turn(theta, *part.score(model.springs(theta[None])[0], model.error.mean**2))

    mode, _ = find_mode(density, score, start_of(model, density))
    return np.asarray(model.springs(mode[None])[0])


def find_mode(
    density: Density,
    score: Callable[[Float], tuple[Float, Float]],
    start: Float,
    tolerance: float = 1e-7,
) -> tuple[Float, Float]:
    """Return the mode and the information there; ``score``: gradient and information of theta.

    Raises
    ------
    NotIdentified
        Where no step climbs any more and the gradient is not small.
    """
    theta, damping = start.copy(), 1e-3
    value = density(theta[None])[0]
    gradient, information = score(theta)
    for _ in range(100):
        scale = np.diag(np.diag(information))
        step = np.linalg.solve(information + damping * scale, gradient)
        tried = theta + step
        new = density(tried[None])[0]
        if new >= value - 1e-10:
            done = new - value < tolerance and damping < 1.0
            theta, value, damping = tried, new, max(0.2 * damping, 1e-9)
            gradient, information = score(theta)
            if done:
                return theta, information
        else:
            damping *= 5.0
            if damping > 1e12:
                break
    if gradient @ np.linalg.solve(information, gradient) < 1e-4:
        return theta, information
    raise NotIdentified("no springs make this crystal stable; check the lattice and position_sd.")


def draw_posterior(
    density: Density,
    mode: Float,
    information: Float,
    rng: np.random.Generator,
    *,
    n_proposals: int = N_PROPOSALS,
) -> Draws:
    """Draw from the posterior by importance weights; walkers take over where weights fail."""
    centre: Float = mode
    covariance: Float = np.asarray(np.linalg.inv(information), dtype=np.float64)
    for _ in range(3):
        proposals, log_weights = _propose(density, centre, covariance, n_proposals, rng)
        weights, shape = smoothed_weights(log_weights)
        effective = float(1.0 / (weights**2).sum())
        if shape < LARGEST_SHAPE and effective > 0.1 * n_proposals:
            break
        # the next round proposes around what was found, a little wider
        centre = weights @ proposals
        off = proposals - centre
        if effective > 5.0 * len(mode):
            covariance = 1.2 * (off * weights[:, None]).T @ off
    if shape < LARGEST_SHAPE:
        chosen = proposals[rng.choice(n_proposals, N_DRAWS, p=weights)]
        words = "Laplace proposal with importance weights"
        return Draws(chosen, words, shape, effective)
    start = proposals[rng.choice(n_proposals, N_WALKERS, p=weights)]
    start = start + 1e-3 * np.sqrt(np.diag(covariance)) * rng.standard_normal(start.shape)
    return Draws(_walk(density, start, rng), "affine-invariant walkers", shape, effective)


def draw_by_likeness(
    density: Density, likeness: Density, mode: Float, information: Float, rng: np.random.Generator
) -> Draws:
    """Draw where a value of the density takes long, from a fast one of nearly its shape.

    What the two differ by is a second-order polynomial of theta, fitted to some values; what that
    leaves (``pareto_k`` is that of the leftovers) is weighted away among those.
    """
    p = len(mode)
    first = draw_posterior(likeness, mode, information, rng)
    scale = first.theta.std(axis=0)
    n = 4 * (p + 1) * (p + 2) // 2
    wide = mode + 1.3 * (first.theta[rng.choice(len(first.theta), n, replace=False)] - mode)
    known, alike = density(wide), likeness(wide)
    stable = np.isfinite(known) & np.isfinite(alike)
    wide, known = wide[stable], known[stable] - alike[stable]
    weight = np.sqrt(np.exp(-0.25 * (((wide - mode) / scale) ** 2).mean(axis=1)))
    coefficients = np.linalg.lstsq(
        _features((wide - mode) / scale) * weight[:, None], known * weight, rcond=None
    )[0]
    rest = (known - _features((wide - mode) / scale) @ coefficients) * weight
    error = float(rest.std() * np.sqrt(len(rest) / max(len(rest) - len(coefficients), 1)))

    def corrected(theta: Float) -> Float:
        # where no value was taken a polynomial may rise without end: there it stays what it was
        place = np.clip((theta - mode) / scale, -FARTHEST, FARTHEST)
        return np.asarray(likeness(theta) + _features(place) @ coefficients)

    found = draw_posterior(corrected, mode, information, rng)
    words = "fast likeness of the likelihood, corrected by its values"
    return Draws(found.theta, words, found.pareto_k, found.effective, error)


def _features(theta: Float) -> Float:
    """All monomials up to second order, shape (m, (p + 1) (p + 2) / 2)."""
    whole = np.column_stack([np.ones(len(theta)), theta])
    upper = np.triu_indices(whole.shape[1])
    return np.asarray(whole[:, upper[0]] * whole[:, upper[1]])


def _propose(
    density: Density, centre: Float, covariance: Float, n: int, rng: np.random.Generator
) -> tuple[Float, Float]:
    p = len(centre)
    factor = np.linalg.cholesky(covariance)
    normal = rng.standard_normal((n, p))
    stretch = np.sqrt(DEGREES / rng.chisquare(DEGREES, n))
    standard = normal * stretch[:, None]
    proposals = np.ascontiguousarray(centre + standard @ factor.T)
    log_proposal = -0.5 * (DEGREES + p) * np.log1p((standard**2).sum(axis=1) / DEGREES)
    values = density(proposals)
    if not np.isfinite(values).any():
        raise NotIdentified("no draw around the best springs makes a stable crystal.")
    return proposals, values - log_proposal


def _walk(density: Density, walkers: Float, rng: np.random.Generator) -> Float:
    """Stretch moves (Goodman & Weare 2010, doi:10.2140/camcos.2010.5.65), second half kept."""
    n, p = walkers.shape
    values = density(walkers)
    kept = []
    halves = np.arange(n) < n // 2
    for step in range(N_STEPS):
        for own in (halves, ~halves):
            moved, others = np.flatnonzero(own), np.flatnonzero(~own)
            stretch = (1.0 + rng.random(len(moved))) ** 2 / 2.0
            partners = walkers[rng.choice(others, len(moved))]
            tried = np.ascontiguousarray(partners + stretch[:, None] * (walkers[moved] - partners))
            new = density(tried)
            gain = (p - 1) * np.log(stretch) + new - values[moved]
            taken = np.log(rng.random(len(moved))) < gain
            walkers[moved[taken]], values[moved[taken]] = tried[taken], new[taken]
        if step >= N_STEPS // 2:
            kept.append(walkers.copy())
    every = np.concatenate(kept)
    return every[rng.choice(len(every), N_DRAWS, replace=False)]
