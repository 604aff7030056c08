"""From the mode of a film's fit to draws: parameters, and the field at the last frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.fields.gauss_newton import FieldOptimum, Problem, Unknowns, solve_start
from physlearn.inference.pareto_smoothing import smoothed_weights

__all__ = ["FieldDraws", "LastField", "draw_few", "last_field", "time_step_shift"]

Floats = NDArray[np.float64]

PROBE_SHARE = 0.03
NUDGE = 0.1
GAUSSIAN = 0.03  # nats at two standard deviations
SKEWED = 1.0
WEIGHTED = 300
WIDER = 1.1
KERNEL = 0.3


@dataclass(frozen=True, eq=False)
class LastField:
    """The last frame of the model's grid: its mode, change with the few, and deviations.

    ``deviations``: draws about the mode at fixed parameters, (n, n_rows, n_columns). ``probes``:
    white noise and what the fit leaves of it, for `guard_residual`. ``shift``: how far the few
    would move if the start counted with its white prior's volume; a doubt where large, not applied.
    """

    mode: Floats
    sensitivity: Floats
    deviations: Floats
    probes: list[tuple[Floats, Floats]]
    shift: Floats


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
    shift = _marginal_shift(problem, optimum, starts, noise - left)
    return LastField(
        optimum.frames[-1], sensitivity, noise_sd * moved[:, -1],
        list(zip(noise, left, strict=True)),
        shift,
    )  # fmt: skip


def _marginal_shift(
    problem: Problem, optimum: FieldOptimum, starts: Floats, seen: Floats
) -> Floats:
    """Return how the few would move with the volume of the start's posterior.

    The start's information H adds ``- log det H / 2`` to the log likelihood of the few; its slope
    along the ridge is the mean of ``- J x . (dJ) x`` over posterior draws x of the start. That
    volume is the white prior's: real starts are smooth, and 160 planted films show the few without
    bias where it is left out, and a quarter to a third of an sd off with it (noise .2).
    """
    covariance = optimum.covariance
    spread, slope = np.sqrt(np.diag(covariance)), np.zeros(len(covariance))
    for index in range(optimum.point.theta.size):
        step = NUDGE * spread[index]
        change = np.zeros(len(covariance))
        change[index] = step
        problem.residual(optimum.point.moved(-step * optimum.ridge[index], change))
        there = problem.camera.observe(problem.model.tangent(starts))
        slope[index] = -float(np.vdot(seen, there - seen)) / step / len(starts)
    problem.residual(optimum.point)
    return np.asarray(covariance @ slope)


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


@dataclass(eq=False)
class Ridge:
    """The start's best field as a function of the few: linear, then bent along each axis."""

    problem: Problem
    optimum: FieldOptimum
    root: Floats
    bend: Floats | None = None

    def point(self, steps: Floats) -> Unknowns:
        """Return the point these many standard deviations along the axes."""
        change = self.root @ steps
        start = -np.tensordot(change, self.optimum.ridge, 1)
        if self.bend is not None:
            start += np.tensordot(steps**2, self.bend, 1)
        return self.optimum.point.moved(start, change)

    def excess(self, steps: Floats) -> float:
        """Half the cost above the mode's there, in nats."""
        point = self.point(steps)
        _, residual = self.problem.residual(point)
        cost = self.problem.cost(point, residual, self.optimum.noise_sd)
        return 0.5 * (cost - self.optimum.cost) / self.optimum.noise_sd**2

    def ends(self, *, bend: bool) -> Floats:
        """Nats above the mode two deviations out, (n_axes, 2: plus and minus).

        With ``bend`` the start is fitted anew there, to first order, and the ridge is bent.
        """
        size, found, pulls = len(self.root), [], []
        for steps in (sign * 2.0 * axis for axis in np.eye(size) for sign in (1.0, -1.0)):
            found.append(self.excess(steps))
            if bend:
                point = self.point(steps)
                _, residual = self.problem.residual(point)
                pull = self.problem.pull(residual[None])[0]
                pulls.append(pull - self.optimum.prior_weight * (point.start - self.problem.guess))
        self.problem.residual(self.optimum.point)
        excess = np.array(found)
        if bend:
            right, none = np.stack(pulls), np.zeros(len(pulls))
            ways, left, _ = solve_start(
                self.problem, right, self.optimum.prior_weight, none, PROBE_SHARE
            )
            gain = np.einsum("mij,mij->m", ways, right + left)
            self.bend = ways.reshape(size, 2, *ways.shape[1:]).sum(1) / 8.0
            excess -= 0.5 * gain / self.optimum.noise_sd**2
        return excess.reshape(size, 2)


def draw_few(
    problem: Problem, optimum: FieldOptimum, rng: np.random.Generator, n_draws: int
) -> FieldDraws:
    """Draw from the Gaussian at the mode, corrected by the profile likelihood.

    The likelihood is looked at two standard deviations out along every principal axis; what it
    differs by there is a third and a fourth power along the axis, unless it is large: then the
    draws are weighted by the likelihood itself.
    """
    spread = np.sqrt(np.diag(optimum.covariance))
    values, axes = np.linalg.eigh(optimum.covariance / np.outer(spread, spread))
    ridge = Ridge(problem, optimum, spread[:, None] * axes * np.sqrt(np.maximum(values, 0)))
    ends = ridge.ends(bend=False)
    if np.abs(ends - 2.0).max() > SKEWED:
        ends = ridge.ends(bend=True)
    worst, shape = float(np.abs(ends - 2.0).max()), float("nan")
    freedom = max(problem.camera.n_seen - optimum.point.start.size, 10)
    scale = np.sqrt(freedom / rng.chisquare(freedom, n_draws))
    steps = scale[:, None] * rng.normal(size=(n_draws, values.size))
    text = "Laplace, checked at two standard deviations along each axis"
    if worst > SKEWED:
        steps, shape = _weighted(ridge, rng, n_draws)
        text = "profile likelihood by importance weights of a Student proposal"
    elif worst > GAUSSIAN:
        steps = _skewed(steps, ends, rng)
        text = "Laplace with the third and fourth power of the profile likelihood along each axis"
    problem.residual(optimum.point)
    return FieldDraws(optimum.point.few + steps @ ridge.root.T, text, shape, worst)


def _skewed(steps: Floats, ends: Floats, rng: np.random.Generator) -> Floats:
    """Resample each axis by the third and fourth power that its ends ask for."""
    third = (ends[:, 0] - ends[:, 1]) / 16
    fourth = (ends.mean(axis=1) - 2.0) / 16
    near = np.clip(steps, -3.0, 3.0)
    found = np.empty_like(steps)
    for axis in range(steps.shape[1]):
        weight = np.exp(-(third[axis] * near[:, axis] ** 3 + fourth[axis] * near[:, axis] ** 4))
        found[:, axis] = rng.choice(steps[:, axis], len(steps), p=weight / weight.sum())
    return found


def _weighted(ridge: Ridge, rng: np.random.Generator, n_draws: int) -> tuple[Floats, float]:
    """Draw by importance from a Student distribution of 8 degrees; return steps and Pareto k."""
    size, degrees = len(ridge.root), 8
    normal = rng.normal(size=(WEIGHTED, size))
    stretch = np.sqrt(degrees / rng.chisquare(degrees, WEIGHTED))[:, None] * WIDER
    steps = stretch * normal
    square = ((steps / WIDER) ** 2).sum(1)
    proposal = -0.5 * (degrees + size) * np.log1p(square / degrees)
    target = np.array([-ridge.excess(step) for step in steps])
    weights = np.where(np.isfinite(target), target - proposal, -1e300)
    share, shape = smoothed_weights(weights)
    centre = share @ steps
    chosen = rng.choice(WEIGHTED, n_draws, p=share)
    # few distinct points: a narrow kernel keeps the quantiles from being steps
    jitter = KERNEL * rng.normal(size=(n_draws, size))
    spread: Floats = centre + np.sqrt(1 - KERNEL**2) * (steps[chosen] - centre) + jitter
    return spread, shape
