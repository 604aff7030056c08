"""Score matching of the frames' places: what the same tracks say if they are in equilibrium."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import NotIdentified
from physlearn.inference.langevin.short_runs import Frame
from physlearn.inference.potential_families.pair_family import InteractionFamily

__all__ = ["ScoreMatch", "match_scores"]

Float = NDArray[np.float64]
MOST_ITERATIONS = 40
LONGEST = 0.5
CONVERGED = 1e-6


@dataclass(frozen=True, eq=False)
class ScoreMatch:
    """Theta of the places, and the frames' parts of the equation that it solves.

    Attributes
    ----------
    theta
        float64, shape (p,).
    scores
        float64, shape (T, p): sums over particles of div dF/dtheta + F dF/dtheta.
    curvature
        float64, shape (p, p): sum over frames of dF/dtheta dF/dtheta.
    """

    theta: Float
    scores: Float
    curvature: Float


def match_scores(
    frames: Sequence[Frame],
    family: InteractionFamily,
    start: Float,
    prior_mean: Float,
    prior_precision: Float,
) -> ScoreMatch:
    """Solve sum of (div dF/dtheta + F dF/dtheta) = 0, Hyvarinen's equation, energies in kT.

    The prior enters as a weak pull only: its precision against the curvature's.

    Raises
    ------
    NotIdentified
        When the steps don't settle.
    """
    theta = start.copy()
    positive = family.is_positive
    for _ in range(MOST_ITERATIONS):
        scores, curvature = score_sums(frames, family, theta)
        pull = -scores.sum(axis=0) - prior_precision @ (theta - prior_mean)
        step = np.linalg.solve(curvature + prior_precision, pull)
        most = np.abs(step[positive]).max(initial=0.0)
        step = step * min(1.0, LONGEST / max(most, 1e-300))
        theta = theta + step
        if step @ (curvature + prior_precision) @ step < CONVERGED:
            return ScoreMatch(theta, scores, curvature)
    raise NotIdentified(
        "score matching did not settle on these places; the frames hold too few close pairs for "
        "this family of potentials."
    )


def score_sums(
    frames: Sequence[Frame], family: InteractionFamily, theta: Float
) -> tuple[Float, Float]:
    """Scores of the frames, shape (T, p), and the summed curvature, shape (p, p)."""
    p = family.n_parameters
    scores, curvature = np.zeros((len(frames), p)), np.zeros((p, p))
    for t, frame in enumerate(frames):
        force, change, divergence = frame_forces(frame, family, theta)
        use = frame.use == 1
        change = change[use].reshape(-1, p)
        scores[t] = change.T @ force[use].ravel() + divergence[use].sum(axis=0)
        curvature += change.T @ change
    return scores, curvature


def frame_forces(
    frame: Frame, family: InteractionFamily, theta: Float, places: Float | None = None
) -> tuple[Float, Float, Float]:
    """Return forces (n, d), their derivatives (n, d, p) and the divergence of those (n, p)."""
    x = frame.places if places is None else places
    n, d = x.shape
    one = np.repeat(np.arange(n), np.diff(frame.start))
    away = x[one] - x[frame.other] - frame.shift
    distance = np.sqrt((away**2).sum(axis=1))
    near = distance < family.cutoff
    one, two, kinds = one[near], frame.other[near], frame.kinds[near]
    away, distance = away[near], distance[near]
    radial = family.radial(theta, distance, kinds)
    gradient = family.radial_gradient(theta, distance, kinds)
    unit = away / distance[:, None]

    def add(values: Float, sign: float) -> Float:
        """Sum of pair values over both ends, shape (n,)."""
        ends = np.bincount(one, values, n) + sign * np.bincount(two, values, n)
        return np.asarray(ends, dtype=np.float64)

    p = gradient.shape[2]
    force, change, divergence = np.zeros((n, d)), np.zeros((n, d, p)), np.zeros((n, p))
    for c in range(d):
        force[:, c] = add(-radial[1] * unit[:, c], -1.0)
        for k in range(p):
            change[:, c, k] = add(-gradient[1, :, k] * unit[:, c], -1.0)
    for k in range(p):
        divergence[:, k] = add(-gradient[2, :, k] - (d - 1) * gradient[1, :, k] / distance, 1.0)
    return force, change, divergence
