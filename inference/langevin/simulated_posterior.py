"""A posterior from simulated summaries: regressions in rounds, then a few best combinations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.pareto_smoothing import smoothed_weights

__all__ = ["Surrogate", "fit_surrogate", "quadratic_columns"]

Float = NDArray[np.float64]
Simulate = Callable[[Float], Float]

SHRINKAGE = 0.05
"""Of the pilot covariance towards its diagonal: it only weighs the summaries."""
PILOT_SPREAD, FINAL_SPREAD = 1.5, 1.5
"""Of the designs, in posterior standard deviations."""
MOST_ROUNDS = 6
SETTLED, RIM = 1.0, 1.3
"""Root mean square of a step, or of the last mode, in design standard deviations."""
N_WALKERS, N_STEPS = 200, 900


def quadratic_columns(away: Float) -> Float:
    """Return 1, x_i and x_i x_j (i <= j), shape (n, 1 + p + p (p + 1) / 2).

    Beyond the design the squares stay what they are at its rim.
    """
    away = np.clip(np.atleast_2d(away), -1e6, 1e6)
    p = away.shape[1]
    upper = np.triu_indices(p)
    square = away[:, upper[0]] * away[:, upper[1]]
    # beyond the design parabolas would turn back and pretend a second mode: they stay as they are
    # at its rim, and the mean goes on along the slopes of the middle
    share = reach_of(p) / np.maximum(np.sqrt((away**2).sum(axis=1)), 1e-9)
    square *= np.where(share < 1.0, share**2, 1.0)[:, None]
    return np.hstack([np.ones((len(away), 1)), away, square])


def reach_of(n_parameters: int) -> float:
    """Return how far from the centre the design lies, in its standard deviations."""
    return float(np.sqrt(n_parameters) + 0.5)


@dataclass(frozen=True, eq=False)
class Surrogate:
    """Gaussian likelihood of p combinations of summaries, their mean quadratic in theta.

    ``centre``, ``factor``: x = factor^-1 (theta - centre); ``coefficients``: (columns, p);
    ``precision``: (p, p); ``observed``: (p,).
    """

    centre: Float
    factor: Float
    coefficients: Float
    precision: Float
    observed: Float

    def away(self, theta: Float) -> Float:
        """Return theta in design standard deviations, shape (n, p)."""
        return np.asarray(np.linalg.solve(self.factor, (np.atleast_2d(theta) - self.centre).T).T)

    def __call__(self, theta: Float) -> Float:
        """Return the log likelihood, shape (n,)."""
        miss = self.observed - quadratic_columns(self.away(theta)) @ self.coefficients
        return np.asarray(-0.5 * np.einsum("ni,ij,nj->n", miss, self.precision, miss))

    def slopes(self, theta: Float) -> Float:
        """Return d mean / d theta at one point, shape (p statistics, p)."""
        step = 1e-4 * np.diag(self.factor)
        moved = np.concatenate([theta + np.diag(step), theta - np.diag(step)])
        mean = quadratic_columns(self.away(moved)) @ self.coefficients
        n = len(theta)
        return np.asarray(((mean[:n] - mean[n:]) / (2.0 * step[:, None])).T)


@dataclass(frozen=True, eq=False)
class Simulated:
    """Outcome of the rounds: surrogate, the last design, and how well the model describes."""

    surrogate: Surrogate
    mode: Float
    covariance: Float
    n_simulations: int
    distance: float
    distance_p: float
    n_rounds: int
    outside: float


def fit_surrogate(
    simulate: Simulate,
    observed: Float,
    start: Float,
    start_covariance: Float,
    prior_mean: Float,
    prior_precision: Float,
    lowest: Float,
    sizes: tuple[int, int, int],
    rng: np.random.Generator,
) -> Simulated:
    """Return a surrogate likelihood around the parameters that explain the summaries.

    Rounds of simulated summaries are regressed on the parameters. In the end as many combinations
    of the summaries as there are parameters are taken, those that a Gaussian likelihood weighs
    (Fearnhead & Prangle 2012, doi:10.1111/j.1467-9868.2011.01010.x), and their mean and covariance
    come from the last, fresh design, wider by what choosing them from the same films takes.
    """
    centre, covariance = start, start_covariance
    pool, size = _Pool([], []), sizes[0]
    while True:
        pool.add(simulate, _design(centre, covariance, lowest, size, rng))
        slopes, precision, mean, _ = pool.regressed(centre, covariance)
        information = slopes @ precision @ slopes.T + prior_precision
        score = slopes @ precision @ (observed - mean) + prior_precision @ (prior_mean - centre)
        step = np.linalg.solve(information, score)
        length = float(np.sqrt(step @ np.linalg.solve(covariance, step) / len(step)))
        centre = np.maximum(centre + step * min(1.0, 1.5 / max(length, 1e-12)), lowest)
        posterior = np.asarray(np.linalg.inv(information), dtype=np.float64)
        covariance = _narrower(PILOT_SPREAD**2 * posterior, start_covariance)
        size = sizes[1]
        n_rounds = len(pool.designs)
        if (n_rounds > 1 and length < SETTLED) or n_rounds >= MOST_ROUNDS:
            break
    return _final(
        simulate, observed, pool, centre, posterior, start_covariance, lowest, sizes[2], rng,
        (prior_mean, prior_precision),
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class _Pool:
    """All simulated films so far: parameters and summaries of each round."""

    designs: list[Float]
    films: list[Float]

    def add(self, simulate: Simulate, design: Float) -> None:
        """Simulate a round."""
        self.films.append(np.stack([simulate(theta) for theta in design]))
        self.designs.append(design)

    def regressed(self, centre: Float, covariance: Float) -> tuple[Float, Float, Float, float]:
        """Return slopes (p, m), inverse covariance (m, m), mean (m,) and films behind them.

        Films of earlier rounds count where they lie within this round's reach.
        """
        away = np.concatenate(self.designs) - centre
        summaries = np.concatenate(self.films)
        factor = np.linalg.cholesky(covariance)
        away = np.linalg.solve(factor, away.T).T
        weight = np.exp(-0.5 * np.maximum((away**2).mean(axis=1) - 1.0, 0.0))
        p = away.shape[1]
        columns = quadratic_columns(away)
        if weight.sum() < 3.0 * columns.shape[1]:
            columns = columns[:, : 1 + p]
        root = np.sqrt(weight)[:, None]
        found = np.linalg.lstsq(root * columns, root * summaries, rcond=None)[0]
        residual = root * (summaries - columns @ found)
        effective = float(weight.sum() ** 2 / (weight**2).sum()) - columns.shape[1]
        noise = residual.T @ residual / max(weight.sum() - columns.shape[1], 10.0)
        own = np.diag(np.maximum(np.diag(noise), 1e-12))
        noise = (1.0 - SHRINKAGE) * noise + SHRINKAGE * own
        slopes = np.linalg.solve(factor.T, found[1 : 1 + p])
        return slopes, np.linalg.inv(noise), found[0], effective


def _final(
    simulate: Simulate,
    observed: Float,
    pool: _Pool,
    centre: Float,
    posterior: Float,
    widest: Float,
    lowest: Float,
    size: int,
    rng: np.random.Generator,
    prior: tuple[Float, Float],
) -> Simulated:
    """Regress the combinations on a fresh design; once more where the mode lies at its rim."""
    p = len(centre)
    for _ in range(3):
        covariance = _narrower(FINAL_SPREAD**2 * posterior, widest)
        factor: Float = np.asarray(np.linalg.cholesky(covariance), dtype=np.float64)
        design = _design(centre, covariance, lowest, size, rng)
        pool.add(simulate, design)
        summaries = pool.films[-1]
        slopes, precision, _, effective = pool.regressed(centre, covariance)
        combine = slopes @ precision
        statistics = summaries @ combine.T
        away: Float = np.asarray(np.linalg.solve(factor, (design - centre).T).T, dtype=np.float64)
        columns = quadratic_columns(away)
        coefficients: Float = np.asarray(
            np.linalg.lstsq(columns, statistics, rcond=None)[0], dtype=np.float64
        )
        residual = statistics - columns @ coefficients
        freedom = size - columns.shape[1]
        noise = residual.T @ residual / freedom
        # the regression's own error, as wide as at the middle of the design, and what choosing
        # the combinations from the same films takes (Hartlap et al. 2007,
        # doi:10.1051/0004-6361:20066170)
        chosen = effective / max(effective - summaries.shape[1] - 1.0, 0.25 * effective)
        noise *= (1.0 + columns.shape[1] / size) * freedom / max(freedom - p - 1.0, 1.0) * chosen
        surrogate = Surrogate(
            centre, factor, coefficients, np.linalg.inv(noise), combine @ observed
        )
        mode, posterior = _mode(surrogate, prior, lowest)
        outside = float(np.sqrt((surrogate.away(mode) ** 2).mean()))
        if outside < RIM:
            break
        centre = mode
    distance, p_value = _distance(design, summaries, observed, centre, mode)
    n_simulations = sum(len(one) for one in pool.designs)
    return Simulated(
        surrogate, mode, posterior, n_simulations, distance, p_value, len(pool.designs), outside
    )


def _design(
    centre: Float, covariance: Float, lowest: Float, size: int, rng: np.random.Generator
) -> Float:
    """Gaussian design in antithetic pairs, reflected at the lower bounds."""
    half = rng.standard_normal((-(-size // 2), len(centre)))
    away = np.stack([half, -half], axis=1).reshape(-1, len(centre))[:size]
    design = centre + away @ np.linalg.cholesky(covariance).T
    return np.asarray(np.where(design < lowest, 2.0 * lowest - design, design))


def _narrower(wanted: Float, widest: Float) -> Float:
    """Return a covariance that exceeds ``widest`` in no direction."""
    factor = np.linalg.cholesky(widest)
    inner = np.linalg.solve(factor, np.linalg.solve(factor, wanted).T)
    values, vectors = np.linalg.eigh(0.5 * (inner + inner.T))
    back = factor @ vectors
    return np.asarray((back * np.clip(values, 1e-8, 1.0)) @ back.T)


def _mode(surrogate: Surrogate, prior: tuple[Float, Float], lowest: Float) -> tuple[Float, Float]:
    """Mode and Laplace covariance of surrogate and Gaussian prior, by damped Gauss-Newton."""
    mean, precision = prior

    def height(theta: Float) -> float:
        gap = theta - mean
        return float(surrogate(theta)[0] - 0.5 * gap @ precision @ gap)

    theta = surrogate.centre.copy()
    for _ in range(30):
        slopes = surrogate.slopes(theta)
        miss = (
            surrogate.observed
            - (quadratic_columns(surrogate.away(theta)) @ surrogate.coefficients)[0]
        )
        information = slopes.T @ surrogate.precision @ slopes + precision
        score = slopes.T @ surrogate.precision @ miss + precision @ (mean - theta)
        step, share = np.linalg.solve(information, score), 1.0
        while share > 1e-3 and height(np.maximum(theta + share * step, lowest)) < height(theta):
            share *= 0.5
        after = np.maximum(theta + share * step, lowest)
        small = np.abs(after - theta).max() < 1e-6 * np.diag(surrogate.factor).min()
        theta = after
        if small or share <= 1e-3:
            break
    return theta, np.asarray(np.linalg.inv(information), dtype=np.float64)


def _distance(
    design: Float, summaries: Float, observed: Float, centre: Float, mode: Float
) -> tuple[float, float]:
    """Squared distance of the observed summaries from the model's at the mode, and its p."""
    from scipy.stats import f

    away = (design - centre) / (design.std(axis=0) + 1e-300)
    columns = np.hstack([np.ones((len(away), 1)), away, away**2])
    found = np.linalg.lstsq(columns, summaries, rcond=None)[0]
    residual = summaries - columns @ found
    at = (mode - centre) / (design.std(axis=0) + 1e-300)
    miss = observed - np.r_[1.0, at, at**2] @ found
    # summaries that never vary (empty bins) say nothing
    alive = residual.std(axis=0) > 1e-9
    freedom = len(design) - columns.shape[1]
    n_used = int(alive.sum())
    if freedom <= n_used + 1:
        return float("nan"), float("nan")
    noise = residual[:, alive].T @ residual[:, alive] / freedom
    # directions that the parameters took up are not counted as free
    square = float(miss[alive] @ np.linalg.solve(noise, miss[alive]))
    left = max(n_used - design.shape[1], 1)
    ratio = (
        square / left * (freedom - n_used + 1) / freedom / (1.0 + columns.shape[1] / len(design))
    )
    return square, float(f.sf(ratio, left, freedom - n_used + 1))


def weighted_draws(
    log_density: Callable[[Float], Float],
    mode: Float,
    covariance: Float,
    n_draws: int,
    rng: np.random.Generator,
) -> tuple[Float, float]:
    """Return equally weighted draws by importance sampling from Student's t, and Pareto k."""
    n, p, freedom = 4 * n_draws, len(mode), 6.0
    factor = np.linalg.cholesky(1.15 * covariance)
    standard = rng.standard_normal((n, p)) / np.sqrt(rng.chisquare(freedom, (n, 1)) / freedom)
    draws = mode + standard @ factor.T
    proposal = -0.5 * (freedom + p) * np.log1p((standard**2).sum(axis=1) / freedom)
    with np.errstate(invalid="ignore"):
        log_weights = log_density(draws) - proposal
    log_weights = np.where(np.isfinite(log_weights), log_weights, -1e6)
    weights, shape = smoothed_weights(log_weights)
    return draws[rng.choice(n, n_draws, p=weights)], shape


def walked_draws(
    log_density: Callable[[Float], Float], draws: Float, rng: np.random.Generator
) -> Float:
    """Return draws of an ensemble that walks on from earlier ones, as many as those.

    Stretch moves (Goodman & Weare 2010, doi:10.2140/camcos.2010.5.65): they need no scale, and
    tails cost them nothing.
    """
    n, p = draws.shape
    walkers = draws[rng.choice(n, N_WALKERS, replace=False)].copy()
    height = log_density(walkers)
    half, kept = N_WALKERS // 2, []
    for step in range(N_STEPS):
        for own, other in (
            (slice(0, half), slice(half, None)),
            (slice(half, None), slice(0, half)),
        ):
            stretch = (rng.random(half) + 1.0) ** 2 / 2.0
            partner = walkers[other][rng.integers(0, half, half)]
            tried = partner + stretch[:, None] * (walkers[own] - partner)
            after = log_density(tried)
            with np.errstate(invalid="ignore"):
                odds = (p - 1.0) * np.log(stretch) + after - height[own]
            taken = np.log(rng.random(half)) < np.nan_to_num(odds, nan=-np.inf)
            walkers[own] = np.where(taken[:, None], tried, walkers[own])
            height[own] = np.where(taken, after, height[own])
        if step >= N_STEPS // 3:
            kept.append(walkers.copy())
    every = np.concatenate(kept)
    return np.asarray(every[rng.choice(len(every), n, replace=False)])
