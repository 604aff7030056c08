"""Displacement regression: the usual estimator, right only where forces hardly change in a frame.

x(t + dt) - x(t) = D dt F(x(t)) + noise: least squares for the force, the rest's size for D.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import NotIdentified
from physlearn.inference.langevin.short_runs import Frame
from physlearn.inference.langevin.static_score import frame_forces
from physlearn.inference.potential_families.pair_family import InteractionFamily

__all__ = ["BENT_AT", "Regression", "design_of", "largest_bend", "regress_displacements"]

Float = NDArray[np.float64]
MOST_ITERATIONS = 60
LONGEST = 0.5
CONVERGED = 1e-4
BENT_AT = 1.5
"""Standard errors from the top at which an expansion is held against what it expands."""


@dataclass(frozen=True, eq=False)
class Regression:
    """Estimate and precision of theta and the logarithm of diffusion.

    Attributes
    ----------
    estimate
        float64, shape (p + 1,): with the prior's pull.
    precision
        float64, shape (p + 1, p + 1): of the regression alone, as it believes it.
    """

    estimate: Float
    precision: Float


@dataclass(frozen=True, eq=False)
class Design:
    """Forces and their derivatives where displacements count, over all frames.

    ``force``: (m,), ``change``: (m, p), ``moved``: (m,), all coordinates of all frames; the common
    displacement of each frame is taken from all of them.
    """

    force: Float
    change: Float
    moved: Float
    n_free: int


def design_of(
    frames: Sequence[Frame], family: InteractionFamily, theta: Float, after: Sequence[Float]
) -> Design:
    """Return forces at theta and displacements to ``after``, less each frame's mean."""
    force, change, moved, n_free = [], [], [], 0
    for frame, places in zip(frames, after, strict=True):
        f, df, _ = frame_forces(frame, family, theta)
        use = frame.use == 1
        dx = (places - frame.places)[use]
        # a common drift says nothing about forces between particles
        moved.append((dx - frame.common * dx.mean(axis=0)).ravel())
        force.append((f[use] - frame.common * f[use].mean(axis=0)).ravel())
        change.append((df[use] - frame.common * df[use].mean(axis=0)).reshape(-1, df.shape[2]))
        n_free += (int(use.sum()) - frame.common) * dx.shape[1]
    return Design(np.concatenate(force), np.concatenate(change), np.concatenate(moved), n_free)


def regress_displacements(
    frames: Sequence[Frame],
    family: InteractionFamily,
    start: Float,
    prior_mean: Float,
    prior_precision: Float,
    interval: float,
) -> Regression:
    """Fit theta and diffusion by Gauss-Newton steps of the regression's likelihood.

    Raises
    ------
    NotIdentified
        When the steps don't settle.
    """
    at, best, step = start.copy(), -np.inf, np.zeros_like(start)
    positive = np.append(family.is_positive, True)
    after = [frame.after for frame in frames]
    for _ in range(MOST_ITERATIONS):
        design = design_of(frames, family, at[:-1], after)
        height = _log_posterior(design, at, prior_mean, prior_precision, interval)
        if not height >= best:  # where motion says little, whole steps go round in circles
            step = 0.5 * step
            at = at - step
            continue
        best = height
        step, precision = _step(design, at, prior_mean, prior_precision, interval)
        size = float(step @ (precision + prior_precision) @ step)
        step = step * min(1.0, LONGEST / max(np.abs(step[positive]).max(), 1e-300))
        at = at + step
        if size < CONVERGED:
            return Regression(at, precision)
    raise NotIdentified(
        "displacement regression did not settle on this trajectory; use method='sub_steps'."
    )


def largest_bend(
    frames: Sequence[Frame], family: InteractionFamily, estimate: Float, mean: Float,
    precision: Float, covariance: Float, interval: float,
) -> float:  # fmt: skip
    """Return how far the log posterior is from a parabola 1.5 standard errors off its top.

    ``mean``, ``precision``: the Gaussian that the likelihood is joined with.
    """
    after = [frame.after for frame in frames]

    def height(at: Float) -> float:
        design = design_of(frames, family, at[:-1], after)
        return _log_posterior(design, at, mean, precision, interval)

    values, vectors = np.linalg.eigh(covariance)
    top = height(estimate)
    falls = [
        height(estimate + side * axis) - top
        for axis in (vectors * np.sqrt(values)).T
        for side in (-BENT_AT, BENT_AT)
    ]
    return float(np.abs(np.array(falls) + 0.5 * BENT_AT**2).max())


def _log_posterior(
    design: Design, at: Float, mean: Float, precision: Float, interval: float
) -> float:
    """Return the Gaussian likelihood of the displacements times the prior, as a logarithm."""
    scale = float(np.exp(at[-1])) * interval
    rest, away = design.moved - scale * design.force, at - mean
    value = -0.5 * design.n_free * np.log(scale) - rest @ rest / (4.0 * scale)
    return float(value - 0.5 * away @ precision @ away)


def _step(
    design: Design, at: Float, prior_mean: Float, prior_precision: Float, interval: float
) -> tuple[Float, Float]:
    """Gauss-Newton step of the Gaussian likelihood, and its information."""
    diffusion = float(np.exp(at[-1]))
    scale = diffusion * interval
    rest = design.moved - scale * design.force
    # dx = scale F(theta) + sqrt(2 scale) noise, by theta and ln(diffusion)
    slope = scale * np.column_stack([design.change, design.force])
    precision = slope.T @ slope / (2.0 * scale)
    pull = slope.T @ rest / (2.0 * scale)
    precision[-1, -1] += 0.5 * design.n_free
    pull[-1] += 0.5 * (rest @ rest / (2.0 * scale) - design.n_free)
    pull -= prior_precision @ (at - prior_mean)
    step = np.linalg.solve(precision + prior_precision, pull)
    return np.asarray(step, dtype=np.float64), precision
