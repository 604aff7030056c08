"""Normal hierarchy over samples whose data come as Gaussian information, integrated exactly.

theta_j = B x_j + T^(1/2) u_j with u_j standard normal (non-centred) and T = diag(tau^2); sample j
says exp(linear_j . theta_j - theta_j . precision_j theta_j / 2), possibly nothing in a direction.
Given tau, B and all theta are normal: only tau is weighed, by importance sampling.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp
from scipy.stats import qmc

__all__ = ["HierarchyData", "HierarchyDraws", "log_marginal", "sample_hierarchy"]

Float = NDArray[np.float64]
N_LEVELS = 200
PRIOR_SHARE = 0.2
FEWEST_POINTS, MOST_POINTS = 2**11, 2**15
LEAST_EFFECTIVE = 400.0
BLOCK = 2048


@dataclass(frozen=True, slots=True, eq=False)
class HierarchyData:
    """What the samples say, and the priors.

    Attributes
    ----------
    precision, linear
        float64, shapes (n_samples, k, k) and (n_samples, k).
    design
        float64, shape (n_samples, b): x_j.
    base_mean, base_sd
        float64, shape (b, k): normal prior of B; an sd of 0 fixes an element.
    spread_sd
        float64, shape (k,): half-normal prior of tau.
    """

    precision: Float
    linear: Float
    design: Float
    base_mean: Float
    base_sd: Float
    spread_sd: Float

    @property
    def sizes(self) -> tuple[int, int, int]:
        """Numbers of samples, of basis functions and of parameters of each sample."""
        return len(self.linear), self.design.shape[1], self.linear.shape[1]


@dataclass(frozen=True, slots=True, eq=False)
class HierarchyDraws:
    """Posterior draws: base (n, b, k), spread (n, k), samples (n, n_samples, k)."""

    base: Float
    spread: Float
    samples: Float
    effective_draws: float


def _inner(data: HierarchyData, taus: Float) -> tuple[Float, Float, Float, Float]:
    """Return W, w, log |A| / 2 and the quadratic part for taus of shape (m, k)."""
    _, _, k = data.sizes
    scaled = taus[:, None, :, None] * data.precision[None] * taus[:, None, None, :]
    matrix = np.eye(k) + scaled
    root = np.linalg.cholesky(matrix)
    half_det = np.log(np.diagonal(root, axis1=-2, axis2=-1)).sum(axis=-1)
    right = np.concatenate(
        [taus[:, None, :, None] * data.precision[None],
         np.broadcast_to(taus[:, None, :, None] * data.linear[None, :, :, None],
                         (*scaled.shape[:3], 1))],
        axis=-1,
    )  # fmt: skip
    solved = np.linalg.solve(root, right)
    matrix_part, vector_part = solved[..., :k], solved[..., k]
    transposed = np.swapaxes(matrix_part, -1, -2)
    weight = data.precision[None] - transposed @ matrix_part
    linear = data.linear[None] - (transposed @ vector_part[..., None])[..., 0]
    return weight, linear, half_det, 0.5 * (vector_part**2).sum(axis=-1)


def _base_posterior(data: HierarchyData, weight: Float, linear: Float) -> tuple[Float, Float]:
    """Return root of the precision, and half-solved linear term, of B in units of its prior sd."""
    _, b, k = data.sizes
    sd = data.base_sd.ravel()
    x = data.design
    precision = np.einsum("ja,mjkl,jb->makbl", x, weight, x).reshape(len(weight), b * k, b * k)
    shifted = linear - (weight @ (x @ data.base_mean)[None, :, :, None])[..., 0]
    vector = np.einsum("ja,mjk->mak", x, shifted).reshape(len(weight), b * k)
    root = np.linalg.cholesky(np.eye(b * k) + sd[:, None] * precision * sd)
    return root, np.linalg.solve(root, (sd * vector)[..., None])[..., 0]


def log_marginal(data: HierarchyData, taus: Float) -> Float:
    """Return log p(data | tau) up to a constant that does not depend on tau, shape (m,)."""
    out = np.empty(len(taus))
    start = data.design @ data.base_mean
    for first in range(0, len(taus), BLOCK):
        weight, linear, half_det, square = _inner(data, taus[first : first + BLOCK])
        root, half = _base_posterior(data, weight, linear)
        value = (square - half_det).sum(axis=1)
        value += (linear * start).sum(axis=(1, 2))
        value -= 0.5 * np.einsum("jk,mjkl,jl->m", start, weight, start)
        value += 0.5 * (half**2).sum(axis=1)
        value -= np.log(np.diagonal(root, axis1=-2, axis2=-1)).sum(axis=1)
        out[first : first + BLOCK] = value
    return out


def _conditional_levels(data: HierarchyData) -> tuple[Float, Float]:
    """Return levels (k, n) of each tau and the weights of its profile between them.

    Each tau in turn takes its best value given the others; the profiles about that point are what
    proposals are drawn from.
    """
    k = data.sizes[2]
    fractions = (np.arange(N_LEVELS) + 0.5) / N_LEVELS
    levels = data.spread_sd[:, None] * (5.0 * fractions**2)[None]
    widths = np.gradient(levels, axis=1)
    best = 0.5 * data.spread_sd
    weights = np.empty_like(levels)
    for turn in range(3 if k > 1 else 1):
        for one in range(k):
            trial = np.repeat(best[None], N_LEVELS, axis=0)
            trial[:, one] = levels[one]
            value = log_marginal(data, trial) + _log_prior(data, trial)
            weights[one] = np.exp(value - value.max()) * widths[one]
            weights[one] /= weights[one].sum()
            best = best.copy()
            best[one] = float(weights[one] @ levels[one]) if turn else levels[one][value.argmax()]
    return levels, weights


def _log_prior(data: HierarchyData, taus: Float) -> Float:
    z = taus / data.spread_sd
    return np.asarray((-0.5 * z**2 - np.log(data.spread_sd) + 0.5 * np.log(2 / np.pi)).sum(axis=1))


def _proposals(data: HierarchyData, n_points: int, rng: np.random.Generator) -> tuple[Float, Float]:
    """Return taus (n, k) and their log proposal density: profiles mixed with a wide slab."""
    levels, weights = _conditional_levels(data)
    k = data.sizes[2]
    uniform = qmc.Sobol(2 * k, rng=rng).random(n_points)
    taus, log_density = np.empty((n_points, k)), np.zeros(n_points)
    for one in range(k):
        edges = data.spread_sd[one] * 5.0 * (np.arange(N_LEVELS + 1) / N_LEVELS) ** 2
        flat = np.diff(edges) / edges[-1]
        prior = np.exp(-0.5 * (levels[one] / data.spread_sd[one]) ** 2) * np.diff(edges)
        mixed = (1 - PRIOR_SHARE) * weights[one] + PRIOR_SHARE * (
            0.5 * flat + 0.5 * prior / prior.sum()
        )
        steps = np.concatenate([[0.0], np.cumsum(mixed)])
        cell = np.clip(np.searchsorted(steps, uniform[:, one] * steps[-1], side="right") - 1, 0,
                       N_LEVELS - 1)  # fmt: skip
        taus[:, one] = edges[cell] + uniform[:, k + one] * np.diff(edges)[cell]
        log_density += np.log(mixed[cell] / steps[-1] / np.diff(edges)[cell])
    return taus, log_density


def sample_hierarchy(
    data: HierarchyData,
    n_draws: int,
    rng: np.random.Generator,
    progress: Callable[[int, int], object] | None = None,
    most_points: int = MOST_POINTS,
) -> HierarchyDraws:
    """Return posterior draws of base, spread and samples.

    Points are added until 400 effective draws or ``most_points`` are reached.

    Examples
    --------
    >>> data = HierarchyData(np.full((8, 1, 1), 100.0), 100 * np.linspace(0, 1, 8)[:, None],
    ...     np.ones((8, 1)), np.zeros((1, 1)), np.full((1, 1), 5.0), np.ones(1))
    >>> draws = sample_hierarchy(data, 1000, np.random.default_rng(1))
    >>> bool(abs(draws.base.mean() - 0.5) < 0.05)
    True
    """
    n_points = min(FEWEST_POINTS, most_points)
    while True:
        taus, log_proposal = _proposals(data, n_points, rng)
        log_weight = log_marginal(data, taus) + _log_prior(data, taus) - log_proposal
        weight = np.exp(log_weight - logsumexp(log_weight))
        effective = float(1 / (weight**2).sum())
        if progress is not None:
            progress(n_points, most_points)
        if effective >= LEAST_EFFECTIVE or n_points >= most_points:
            break
        n_points *= 4
    # systematic resampling: each point as often as its weight says
    places = (np.arange(n_draws) + rng.random()) / n_draws
    picked = np.minimum(np.searchsorted(np.cumsum(weight), places), n_points - 1)
    base, samples = _draw_rest(data, taus[picked], rng)
    return HierarchyDraws(base, taus[picked], samples, effective)


def _draw_rest(data: HierarchyData, taus: Float, rng: np.random.Generator) -> tuple[Float, Float]:
    """Draw base and samples given tau."""
    n, b, k = data.sizes
    bases, samples = np.empty((len(taus), b, k)), np.empty((len(taus), n, k))
    for first in range(0, len(taus), BLOCK):
        tau = taus[first : first + BLOCK]
        weight, linear, _, _ = _inner(data, tau)
        root, half = _base_posterior(data, weight, linear)
        noise = rng.standard_normal(half.shape)
        scaled = np.linalg.solve(np.swapaxes(root, 1, 2), (half + noise)[..., None])[..., 0]
        base = data.base_mean + (scaled * data.base_sd.ravel()).reshape(len(tau), b, k)
        center = data.design[None] @ base
        scaled_precision = tau[:, None, :, None] * data.precision[None] * tau[:, None, None, :]
        chol = np.linalg.cholesky(np.eye(k) + scaled_precision)
        push = data.linear[None] - (data.precision[None] @ center[..., None])[..., 0]
        inner = np.linalg.solve(chol, (tau[:, None] * push)[..., None])[..., 0]
        inner += rng.standard_normal(inner.shape)
        unit = np.linalg.solve(np.swapaxes(chol, -1, -2), inner[..., None])[..., 0]
        bases[first : first + BLOCK] = base
        samples[first : first + BLOCK] = center + tau[:, None] * unit
    return bases, samples
