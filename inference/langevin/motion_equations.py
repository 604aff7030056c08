"""The estimating equations of overdamped motion: what was seen against what short runs expect.

For each parameter the derivative of the pair energies one frame on, and the squared displacement:
summed over frames, seen minus expected is a sum of martingale differences at the truth.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import NotIdentified
from physlearn.inference.langevin.short_runs import (
    LANES,
    Frame,
    Moments,
    run_moments,
    seen_features,
    tables_at,
)
from physlearn.inference.potential_families.pair_family import InteractionFamily

__all__ = ["Equations", "MotionProblem", "solve_motion"]

Float = NDArray[np.float64]
STEP, SIGNED_STEP = 0.02, 0.05
"""Of the differences in a logarithm and in a parameter with a sign (kT)."""
LONGEST = 0.5
"""Of one Newton step in the logarithm of a positive parameter."""
CONVERGED = 0.02
"""Newton step over standard error, squared and summed."""
FAR = 4.0
"""Squared step over standard error from which on the slopes are taken anew."""
SMALLEST = 1e-100
"""Spread of a feature over the largest one below which it does not vary."""
MOST_ITERATIONS = 25
SLOPE_WORK = 20_000
"""Particles x frames x lanes that slopes are averaged over: they need less than the sums do."""
FINAL_WORK, LEAST_BATCHES, MOST_BATCHES = 200_000, 3, 12
"""Of the last sums: more runs where they are cheap; with 3 batches of 8 their noise adds 5 % to
the variance, with 12 one percent."""


@dataclass(frozen=True, eq=False)
class MotionProblem:
    """Frames, the family and its prior; parameters are theta and the logarithm of diffusion.

    Attributes
    ----------
    prior_mean, prior_precision
        float64, shapes (p + 1,), (p + 1, p + 1).
    interval, n_steps, seed
        Frame interval, sub-steps of the runs and the seed of their noise.
    """

    frames: Sequence[Frame]
    family: InteractionFamily
    prior_mean: Float
    prior_precision: Float
    interval: float
    n_steps: int
    seed: int

    @property
    def is_positive(self) -> NDArray[np.bool_]:
        """Which parameters are taken by their logarithm."""
        return np.append(self.family.is_positive, True)

    def moments(
        self, at: Float, tables: Any, frames: Sequence[Frame] | None = None, **options: Any
    ) -> Moments:
        """Return the runs' moments at one vector of parameters."""
        options = {"n_steps": self.n_steps, "seed": self.seed} | options
        return run_moments(
            self.frames if frames is None else frames, self.family, at[:-1], float(at[-1]), tables,
            interval=self.interval, **options,
        )  # fmt: skip

    def some_frames(self) -> list[Frame]:
        """Return frames spread over the film: enough for slopes."""
        n_each = max(float(np.mean([frame.n_used for frame in self.frames])), 1.0)
        wanted = int(np.clip(np.ceil(SLOPE_WORK / LANES / n_each), 8, len(self.frames)))
        chosen = np.linspace(0, len(self.frames) - 1, min(wanted, len(self.frames)))
        return [self.frames[k] for k in np.unique(chosen.round().astype(int))]


@dataclass(frozen=True, eq=False)
class Equations:
    """The equations near their solution.

    Attributes
    ----------
    estimate
        float64, shape (p + 1,): with the prior's pull.
    residual
        float64, shape (q,): seen minus expected at the estimate, summed over frames.
    slope, bend
        Derivatives of the expected sums, shapes (q, p + 1), (q, p + 1, p + 1).
    weight
        Inverse covariance of the residual, shape (q, q); the runs' own error is in it.
    by_frame
        float64, shape (T, q): residuals of the frames.
    """

    estimate: Float
    residual: Float
    slope: Float
    bend: Float
    weight: Float
    covariance: Float
    by_frame: Float
    moments: Moments
    n_iterations: int

    @property
    def precision(self) -> Float:
        """Information of the motion alone."""
        return self.slope.T @ self.weight @ self.slope


def solve_motion(
    problem: MotionProblem,
    start: Float,
    *,
    bends: bool = True,
    tick: Callable[[], Any] | None = None,
) -> Equations:
    """Solve the equations by Newton's method from ``start``.

    Raises
    ------
    NotIdentified
        When the steps don't settle.
    """
    at = start.copy()
    some = problem.some_frames()
    size, before, damping = np.inf, np.inf, 1.0
    last = np.zeros_like(at)
    for iteration in range(1, MOST_ITERATIONS + 1):
        tables = tables_at(problem.family, at[:-1], problem.frames)
        seen = seen_features(problem.frames, tables)
        moments = problem.moments(at, tables)
        if iteration == 1 or size > min(FAR, 0.1 * before):  # elsewhere the slopes before serve
            slope = _slopes(problem, at, tables, some)
        covariance = moments.spread + moments.error
        residual = (seen - moments.mean).sum(axis=0)
        step, scale = _newton_step(problem, at, residual, slope, covariance)
        before, size = size, float(step @ scale @ step)
        # a step that turns back: the equations bend between its ends
        damping = 0.5 * damping if step @ scale @ last < 0.0 else min(1.0, 2.0 * damping)
        at, last = at + damping * step, step
        if tick is not None:
            tick()
        if size < CONVERGED and iteration > 1:
            return _finish(problem, at, slope, some, bends, iteration)
    raise NotIdentified(
        "the potential's parameters did not settle on this trajectory; give more frames, a prior, "
        "or a family with fewer parameters."
    )


def _newton_step(
    problem: MotionProblem, at: Float, residual: Float, slope: Float, covariance: Float
) -> tuple[Float, Float]:
    """Return the step, kept short, and the precision that measures it."""
    weighted = _inverse(covariance) @ slope
    precision = slope.T @ weighted + problem.prior_precision
    pull = weighted.T @ residual - problem.prior_precision @ (at - problem.prior_mean)
    step = np.linalg.solve(precision, pull)
    # a parameter with a sign may at most double, or change by half a kT
    scale = np.where(problem.is_positive, 1.0, np.maximum(2.0 * np.abs(at), 1.0))
    most = np.abs(step / scale).max()
    return step * min(1.0, LONGEST / max(most, 1e-300)), precision


def _inverse(covariance: Float) -> Float:
    """Invert a covariance whose features may hardly vary: those then count for nothing."""
    scale = np.sqrt(np.diag(covariance))
    scale = np.where(scale > SMALLEST * scale.max(), scale, np.inf)
    values, vectors = np.linalg.eigh(covariance / np.outer(scale, scale))
    kept = values > 1e-12 * values[-1]
    inverse = (vectors[:, kept] / values[kept]) @ vectors[:, kept].T
    return np.asarray(inverse / np.outer(scale, scale))


def _slopes(problem: MotionProblem, at: Float, tables: Any, some: list[Frame]) -> Float:
    """Derive the expected sums with the same noise on both sides, shape (q, p + 1)."""
    share = len(problem.frames) / len(some)
    columns = []
    for k in range(len(at)):
        move = np.zeros_like(at)
        move[k] = STEP if problem.is_positive[k] else SIGNED_STEP
        up = problem.moments(at + move, tables, some).mean.sum(axis=0)
        down = problem.moments(at - move, tables, some).mean.sum(axis=0)
        columns.append(share * (up - down) / (2.0 * move[k]))
    return np.stack(columns, axis=1)


def _finish(
    problem: MotionProblem, at: Float, slope: Float, some: list[Frame], bends: bool,
    n_iterations: int,
) -> Equations:  # fmt: skip
    """One more step with more runs, and the expansion around it."""
    tables = tables_at(problem.family, at[:-1], problem.frames)
    seen = seen_features(problem.frames, tables)
    work = LANES * sum(frame.n_used for frame in problem.frames)
    n_batches = int(np.clip(FINAL_WORK // work, LEAST_BATCHES, MOST_BATCHES))
    moments = problem.moments(at, tables, n_batches=n_batches, seed=problem.seed + 1)
    slope, bend = _expand(problem, at, tables, slope, some, bends, moments)
    covariance = moments.spread + moments.error
    by_frame = seen - moments.mean
    residual = by_frame.sum(axis=0)
    step, _ = _newton_step(problem, at, residual, slope, covariance)
    moved = residual - slope @ step - 0.5 * np.einsum("qab,a,b->q", bend, step, step)
    slope = slope + np.einsum("qab,b->qa", bend, step)
    return Equations(
        at + step, moved, slope, bend, _inverse(covariance), covariance, by_frame, moments,
        n_iterations,
    )  # fmt: skip


def _expand(
    problem: MotionProblem, at: Float, tables: Any, slope: Float, some: list[Frame], bends: bool,
    moments: Moments,
) -> tuple[Float, Float]:  # fmt: skip
    """First and second derivatives of the expected sums over steps of a standard error.

    The steps go along the axes of the covariance: parameters that move together would else leave
    small differences of large numbers, and third derivatives in them.
    """
    n, q = len(at), slope.shape[0]
    if not bends:
        return _slopes(problem, at, tables, some), np.zeros((q, n, n))
    covariance = moments.spread + moments.error
    precision = slope.T @ _inverse(covariance) @ slope + problem.prior_precision
    values, vectors = np.linalg.eigh(np.linalg.inv(precision))
    axes = vectors * np.sqrt(values)
    longest = np.abs(axes[problem.is_positive]).max(axis=0)
    axes = axes * np.minimum(1.0, LONGEST / np.maximum(longest, 1e-300))
    share = len(problem.frames) / len(some)

    def sums(move: Float) -> Float:
        return np.asarray(share * problem.moments(at + move, tables, some).mean.sum(axis=0))

    middle = sums(np.zeros(n))
    ups, downs = [sums(axis) for axis in axes.T], [sums(-axis) for axis in axes.T]
    bend = np.zeros((q, n, n))
    for a in range(n):
        bend[:, a, a] = ups[a] - 2.0 * middle + downs[a]
        for b in range(a):
            both = axes[:, a] + axes[:, b]
            mixed = sums(both) + sums(-both) - ups[a] - downs[a] - ups[b] - downs[b] + 2.0 * middle
            bend[:, a, b] = bend[:, b, a] = 0.5 * mixed
    back = np.linalg.inv(axes)
    straight = 0.5 * (np.array(ups) - np.array(downs)).T @ back
    return straight, np.einsum("qab,ac,bd->qcd", bend, back, back)
