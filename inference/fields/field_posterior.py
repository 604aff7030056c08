"""From the mode of a film's fit to draws: parameters, and the field at the last frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.fields.gauss_newton import FieldOptimum, Problem, solve_start

__all__ = ["FieldDraws", "LastField", "draw_few", "last_field", "time_step_shift"]

Floats = NDArray[np.float64]

PROBE_SHARE = 0.03
GAUSSIAN = 0.3  # nats at two standard deviations
WEIGHTED = 300
LEAST_EFFECTIVE = 20


@dataclass(frozen=True, eq=False)
class LastField:
    """The last frame of the model's grid: its mode, change with the few, and deviations.

    ``deviations``: draws about the mode at fixed parameters, (n, n_rows, n_columns). ``probes``:
    white noise and what the fit leaves of it, for `guard_residual`.
    """

    mode: Floats
    sensitivity: Floats
    deviations: Floats
    probes: list[tuple[Floats, Floats]]


def last_field(
    problem: Problem, optimum: FieldOptimum, rng: np.random.Generator, n_probes: int
) -> LastField:
    """Send noise through the fit: ``n_probes`` posterior draws of the start, carried to the end.

    A start that solves its information for the gradient of pure noise (and of the prior's noise) is
    a draw of the start's posterior.
    """
    noise_sd, weight = optimum.noise_sd, optimum.prior_weight
    camera, n_terms = problem.camera, optimum.point.theta.size
    noise = rng.normal(size=(n_probes, *camera.values.shape)) * camera.weights
    right = problem.pull(noise)
    right += np.sqrt(weight) * rng.normal(size=right.shape)
    starts, _, _ = solve_start(problem, right, weight, np.zeros(n_probes), PROBE_SHARE)
    moved = problem.model.tangent(starts)
    left = noise - camera.observe(moved)
    slopes = np.zeros((len(optimum.ridge), n_terms))
    slopes[:n_terms] = np.eye(n_terms)
    sensitivity = problem.model.tangent(-optimum.ridge, slopes)[:, -1]
    return LastField(
        optimum.frames[-1], sensitivity, noise_sd * moved[:, -1],
        list(zip(noise, left, strict=True)),
    )  # fmt: skip


def time_step_shift(problem: Problem, optimum: FieldOptimum) -> Floats:
    """Return how far steps half as long would move the few, in posterior standard deviations."""
    point, coarse = optimum.point, problem.model
    slopes = []
    for model in (coarse.with_steps(point.theta, 2), coarse):
        problem.model = model
        _, residual = problem.residual(point)
        pull, theta = model.adjoint(problem.camera.spread(residual[None]))
        slopes.append((pull[0], theta[0]))
    start = slopes[0][0] - slopes[1][0]
    aim = -np.tensordot(optimum.ridge, start, 2)
    aim[: point.theta.size] += slopes[0][1] - slopes[1][1]
    covariance = optimum.covariance
    shift: Floats = covariance @ (aim / optimum.noise_sd**2) / np.sqrt(np.diag(covariance))
    return shift


@dataclass(frozen=True, eq=False)
class FieldDraws:
    """Draws of terms and nuisances and how they were checked."""

    few: Floats
    approximation: str
    pareto_k: float
    deviation: float


def _excess(problem: Problem, optimum: FieldOptimum, change: Floats) -> float:
    """Half the cost above the mode's along the ridge, in nats."""
    point = optimum.point.moved(-np.tensordot(change, optimum.ridge, 1), change)
    _, residual = problem.residual(point)
    cost = problem.cost(point, residual, optimum.noise_sd)
    return 0.5 * (cost - optimum.cost) / optimum.noise_sd**2


def draw_few(
    problem: Problem, optimum: FieldOptimum, rng: np.random.Generator, n_draws: int
) -> FieldDraws:
    """Draw from the Gaussian at the mode, weighted by the profile likelihood where it is not one.

    The likelihood is looked at two standard deviations out along every principal axis first.
    """
    covariance = optimum.covariance
    values, axes = np.linalg.eigh(covariance)
    root = axes * np.sqrt(np.maximum(values, 0))
    worst = 0.0
    for axis in root.T:
        for sign in (2.0, -2.0):
            worst = max(worst, abs(_excess(problem, optimum, sign * axis) - 2.0))
    freedom = max(problem.camera.n_seen - optimum.point.start.size, 10)
    if worst <= GAUSSIAN:
        scale = np.sqrt(freedom / rng.chisquare(freedom, n_draws))
        changes = scale[:, None] * (rng.normal(size=(n_draws, len(values))) @ root.T)
        text = "Laplace, checked at two standard deviations along each axis"
        few, shape = optimum.point.few + changes, float("nan")
    else:
        few, shape = _weighted(problem, optimum, root, rng, n_draws)
        text = "profile likelihood by importance weights of a Student proposal"
    problem.residual(optimum.point)
    return FieldDraws(few, text, shape, worst)


def _weighted(
    problem: Problem, optimum: FieldOptimum, root: Floats, rng: np.random.Generator, n_draws: int
) -> tuple[Floats, float]:
    """Draw by importance from a Student distribution of 8 degrees; return draws and Pareto k."""
    from arviz import psislw

    size, degrees = root.shape[0], 8
    normal = rng.normal(size=(WEIGHTED, size))
    stretch = np.sqrt(degrees / rng.chisquare(degrees, WEIGHTED))
    changes = 1.1 * stretch[:, None] * (normal @ root.T)
    square = (stretch[:, None] * normal * 1.0) ** 2
    proposal = -0.5 * (degrees + size) * np.log1p(square.sum(1) / degrees)
    target = np.array([-_excess(problem, optimum, change) for change in changes])
    weights = np.where(np.isfinite(target), target - proposal, -1e300)
    smooth, shape = psislw(weights)  # type: ignore[no-untyped-call]
    share = np.exp(np.asarray(smooth))
    chosen = rng.choice(WEIGHTED, n_draws, p=share / share.sum())
    # few distinct points: a narrow kernel keeps the quantiles from being steps
    width = 0.3
    centre = share @ changes / share.sum()
    jitter = rng.normal(size=(n_draws, size)) @ root.T
    spread = centre + np.sqrt(1 - width**2) * (changes[chosen] - centre) + width * jitter
    return optimum.point.few + spread, float(shape)
