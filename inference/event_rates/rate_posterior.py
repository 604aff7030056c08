"""Posteriors of a few rates: Gaussian at the mode, importance weights, and a walk where they fail.

A rate k with the reference prior k^(-1/2) is flat in its square root, in which the likelihood of
counts is nearly Gaussian even where nothing was counted (exp(-k T) = exp(-x^2 T)). Parameters x may
therefore be square roots of rates; both signs mean the same rate.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import combinations_with_replacement
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from physlearn.inference.pareto_smoothing import smoothed_weights

__all__ = ["RateSample", "find_mode", "sample_rates"]

Floats = NDArray[np.float64]
LogDensity = Callable[[Floats], Floats]
Gradient = Callable[[Floats], tuple[float, Floats]]
LARGEST_K = 0.7
FREEDOM = 5.0
"""Of the multivariate t that proposes: its tails are longer than a posterior's."""
NEAR, MOST_FOLDS = 12.0, 8
"""Standard deviations from zero within which both signs of a square root are proposed."""
MOST_CUBIC, TRUSTED = 5, 4.0
WALKERS, SWEEPS = 80, 600
LARGEST_R = 1.05


@dataclass(frozen=True, slots=True, eq=False)
class RateSample:
    """Equally weighted draws of the parameters, and how they came about."""

    draws: Floats
    mode: Floats
    covariance: Floats
    log_evidence: float
    approximation: str
    diagnostics: dict[str, Any]
    warnings: tuple[str, ...] = field(default=())


def sample_rates(
    log_density: LogDensity,
    start: Floats,
    folded: NDArray[np.bool_],
    generator: np.random.Generator,
    n_draws: int,
    *,
    gradient: Gradient | None = None,
    n_weighted: int = 4000,
    scale: Floats | None = None,
    n_surrogate: int = 0,
) -> RateSample:
    """Draw from exp(log_density) of parameters (n, p) -> (n,), which is even in ``folded`` ones."""
    unit = np.ones_like(start) if scale is None else np.asarray(scale, np.float64)

    def in_units(x: Floats) -> Floats:
        return log_density(x * unit)

    scaled: LogDensity = in_units
    slope = None if gradient is None else _scaled_gradient(gradient, unit)
    mode, precision = _find_mode(scaled, start / unit, slope)
    covariance = _inverse(precision)
    error = 0.0
    if n_surrogate:
        scaled, error = _surrogate(scaled, mode, covariance, n_surrogate, generator)
    best: tuple[float, Floats, Floats, float] | None = None
    center, spread = mode, covariance
    for _ in range(3):
        x, log_q = _propose(center, spread, folded, generator, n_weighted)
        log_p = scaled(x)
        weights, shape = smoothed_weights(log_p - log_q)
        level = float(np.max(log_p - log_q))
        evidence = level + float(np.log(np.mean(np.exp(log_p - log_q - level))))
        if best is None or shape < best[0]:
            best = (shape, x, weights, evidence)
        if shape < LARGEST_K:
            break
        signed = np.where(folded, np.abs(x), x)
        center = weights @ signed
        away = signed - center
        spread = (weights[:, None] * away).T @ away + 1e-3 * covariance
    assert best is not None  # noqa: S101 -- the loop ran
    shape, x, weights, evidence = best
    # the mirror images that nothing was proposed in hold as much
    mirrored = folded & ~_near_zero(center, spread, folded)
    evidence += float(np.sum(np.log(unit))) + float(mirrored.sum()) * np.log(2.0)
    said = {"pareto_k": shape, "effective_draws": float(1.0 / np.sum(weights**2))}
    if n_surrogate:
        said["surrogate_error"] = error
    if shape < LARGEST_K:
        draws = x[_systematic(weights, n_draws, generator)]
        how = "Gaussian at the mode, importance weights (Pareto k < 0.7)"
        notes: tuple[str, ...] = ()
    else:
        draws, ratio = _walk(scaled, x, weights, generator, n_draws)
        said["r_hat"] = ratio
        how = "ensemble random walk (importance weights failed, Pareto k >= 0.7)"
        notes = () if ratio < LARGEST_R else (
            f"the random walk has not settled (R-hat {ratio:.2f}): the intervals are rough.",
        )  # fmt: skip
    draws = np.where(folded, np.abs(draws), draws) * unit
    return RateSample(
        draws, np.where(folded, np.abs(mode), mode) * unit,
        covariance * unit[:, None] * unit, evidence, how, said, notes,
    )  # fmt: skip


def _surrogate(
    log_density: LogDensity, mode: Floats, covariance: Floats, n: int,
    generator: np.random.Generator,
) -> tuple[LogDensity, float]:  # fmt: skip
    """Return a polynomial through the log density around its mode, and its rms error there.

    Third degree in the standardised parameters where there are few, else second.
    """
    p = len(mode)
    factor = np.linalg.cholesky(covariance)
    z = 1.4 * generator.standard_normal((n, p))
    degree = 3 if p <= MOST_CUBIC else 2
    powers = [
        c for d in range(degree + 1) for c in combinations_with_replacement(range(p), d)
    ]  # fmt: skip

    def terms(u: Floats) -> Floats:
        return np.stack([np.prod(u[:, list(c)], axis=1) for c in powers], axis=1)

    value = log_density(mode + z @ factor.T)
    weight = np.exp(-0.1 * np.sum(z**2, axis=1))
    design = terms(z)
    found = np.linalg.lstsq(design * weight[:, None], value * weight, rcond=None)[0]
    freedom = max(n - len(powers), 1)
    error = float(np.sqrt(np.sum((weight * (value - design @ found)) ** 2) / freedom))

    def polynomial(x: Floats) -> Floats:
        u = np.linalg.solve(factor, (x - mode).T).T
        size = np.linalg.norm(u, axis=1)
        # beyond what was sampled only the quadratic form is trusted
        limit = np.minimum(1.0, TRUSTED / np.maximum(size, 1e-300))
        inner = terms(u * limit[:, None]) @ found
        return np.asarray(inner - 0.5 * (size**2 - (size * limit) ** 2))

    return polynomial, error


def find_mode(gradient: Gradient, start: Floats, scale: Floats) -> Floats:
    """Return the maximum of a density given with its derivatives."""
    slope = _scaled_gradient(gradient, scale)
    mode, _ = _find_mode(lambda x: np.zeros(len(x)), start / scale, slope)
    return mode * scale


def _scaled_gradient(gradient: Gradient, unit: Floats) -> Gradient:
    def slope(x: Floats) -> tuple[float, Floats]:
        value, grad = gradient(x * unit)
        return value, grad * unit

    return slope


def _find_mode(
    log_density: LogDensity, start: Floats, gradient: Gradient | None
) -> tuple[Floats, Floats]:
    """Return the maximum and the negative second derivatives there."""

    def slope(x: Floats) -> tuple[float, Floats]:
        if gradient is not None:
            return gradient(x)
        step = 1e-5 * np.maximum(np.abs(x), 0.1)
        around = np.concatenate([x[None], x + np.diag(step), x - np.diag(step)])
        value = log_density(around)
        p = len(x)
        return float(value[0]), (value[1 : p + 1] - value[p + 1 :]) / (2 * step)

    def loss(x: Floats) -> tuple[float, Floats]:
        value, grad = slope(x)
        if not np.isfinite(value):
            return 1e300, np.zeros_like(x)
        return -value, -grad

    found = minimize(loss, start, jac=True, method="BFGS", options={"gtol": 1e-6, "maxiter": 300})
    mode = np.asarray(found.x, np.float64)
    step = 1e-3 * np.maximum(np.abs(mode), 0.1)
    rows = [
        (slope(mode - h * e)[1] - slope(mode + h * e)[1]) / (2 * h)
        for h, e in zip(step, np.eye(len(mode)), strict=True)
    ]
    precision = np.array(rows)
    return mode, 0.5 * (precision + precision.T)


def _inverse(precision: Floats) -> Floats:
    """Return a covariance; directions without curvature get a wide one."""
    values, vectors = np.linalg.eigh(precision)
    floor = 1e-6 * max(float(values.max()), 1e-300)
    return np.asarray((vectors / np.maximum(values, floor)) @ vectors.T)


def _propose(
    center: Floats, spread: Floats, folded: NDArray[np.bool_], generator: np.random.Generator,
    n: int,
) -> tuple[Floats, Floats]:  # fmt: skip
    """Draw from a t law, the folded parameters with a random sign; return log density too.

    The density is that of the mixture over the signs of the parameters close enough to zero for
    the other sign to matter, so that the even target is covered on both sides.
    """
    p = len(center)
    factor = np.linalg.cholesky(spread + 1e-12 * np.trace(spread) * np.eye(p))
    chi = generator.chisquare(FREEDOM, n) / FREEDOM
    x = center + (generator.standard_normal((n, p)) @ factor.T) / np.sqrt(chi)[:, None]
    near = np.flatnonzero(_near_zero(center, spread, folded))
    signs = np.ones((1, p))
    for index in near:
        other = signs.copy()
        other[:, index] *= -1.0
        signs = np.concatenate([signs, other])
    x = x * signs[generator.integers(len(signs), size=n)]
    logs = []
    for sign in signs:
        z = np.linalg.solve(factor, (x * sign - center).T)
        logs.append(-0.5 * (FREEDOM + p) * np.log1p(np.sum(z**2, axis=0) / FREEDOM))
    from scipy.special import gammaln, logsumexp

    const = (
        gammaln(0.5 * (FREEDOM + p)) - gammaln(0.5 * FREEDOM)
        - 0.5 * p * np.log(FREEDOM * np.pi) - float(np.sum(np.log(np.diag(factor))))
    )  # fmt: skip
    return x, np.asarray(logsumexp(np.array(logs), axis=0) - np.log(len(signs)) + const)


def _near_zero(center: Floats, spread: Floats, folded: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the folded parameters whose other sign matters, eight at most."""
    away = np.abs(center) / np.sqrt(np.diag(spread))
    near = folded & (away < NEAR)
    if near.sum() > MOST_FOLDS:
        near &= away <= np.sort(away[near])[MOST_FOLDS - 1]
    return np.asarray(near, np.bool_)


def _systematic(weights: Floats, n: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """Return indices drawn with these weights, evenly spread, in random order."""
    points = (np.arange(n) + generator.random()) / n
    chosen = np.searchsorted(np.cumsum(weights), points).clip(0, len(weights) - 1)
    return np.asarray(generator.permutation(chosen), np.int64)


def _walk(
    log_density: LogDensity, x: Floats, weights: Floats, generator: np.random.Generator, n: int
) -> tuple[Floats, float]:
    """Return draws by stretch moves (Goodman & Weare 2010) of an ensemble, and R-hat of halves."""
    p = x.shape[1]
    walkers = max(WALKERS, 4 * p)
    place = x[_systematic(weights, walkers, generator)] + 1e-6 * generator.standard_normal(
        (walkers, p)
    )
    value = log_density(place)
    half = walkers // 2
    kept = []
    for sweep in range(2 * SWEEPS):
        for mine, others in ((slice(0, half), slice(half, None)), (slice(half, None), slice(half))):
            m, rest = place[mine], place[others]
            stretch = (1.0 + generator.random(len(m))) ** 2 / 2.0
            partner = rest[generator.integers(len(rest), size=len(m))]
            trial = partner + stretch[:, None] * (m - partner)
            new = log_density(trial)
            accept = (
                np.log(generator.random(len(m))) < (p - 1) * np.log(stretch) + new - value[mine]
            )
            place[mine] = np.where(accept[:, None], trial, m)
            value[mine] = np.where(accept, new, value[mine])
        if sweep >= SWEEPS:
            kept.append(place.copy())
    chain = np.array(kept)
    early, late = chain[: len(chain) // 2].reshape(-1, p), chain[len(chain) // 2 :].reshape(-1, p)
    inside = 0.5 * (early.var(axis=0) + late.var(axis=0))
    between = 0.5 * (early.mean(axis=0) - late.mean(axis=0)) ** 2
    ratio = float(np.sqrt(1.0 + np.max(between / np.maximum(inside, 1e-300))))
    flat = chain.reshape(-1, p)
    return flat[generator.integers(len(flat), size=n)], ratio
