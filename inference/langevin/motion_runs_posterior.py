"""Whether the posterior of motion and places is what its expansions say, where it lies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.langevin.displacement_regression import BENT_AT
from physlearn.inference.langevin.motion_equations import Equations, MotionProblem
from physlearn.inference.langevin.motion_posterior import MotionPosterior
from physlearn.inference.langevin.places_of_frames import PlacesTerm
from physlearn.inference.langevin.short_runs import tables_at

__all__ = ["RunsPosterior"]

Float = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class RunsPosterior:
    """Log posterior with short runs at every point in place of the expansion of the equations.

    The features and the weight are those of the solution; the runs have the noise of the
    expansion's, so that the density is smooth. ``places`` None: the motion alone.
    """

    problem: MotionProblem
    equations: Equations
    places: PlacesTerm | None

    def log_density(self, points: Float) -> Float:
        """Return the log posterior up to a constant at points (n, p + 1)."""
        problem, equations = self.problem, self.equations
        some = problem.some_frames()
        share = len(problem.frames) / len(some)
        tables = tables_at(problem.family, equations.estimate[:-1], problem.frames)

        def sums(at: Float) -> Float:
            return np.asarray(share * problem.moments(at, tables, some).mean.sum(axis=0))

        begin = sums(equations.estimate)
        heights = []
        for at in points:
            away = at - problem.prior_mean
            height = -0.5 * float(away @ problem.prior_precision @ away)
            left = equations.residual - (sums(at) - begin)
            height -= 0.5 * float(left @ equations.weight @ left)
            if self.places is not None:
                height += self.places.height(at[:-1])
            heights.append(height if np.isfinite(height) else -np.inf)
        return np.array(heights)

    def bend(self, posterior: MotionPosterior) -> float:
        """Return how far the fall of the log posterior around its top is from the expansions'.

        The equations are expanded around their own solution and the places around theirs; where
        both say little of some direction, the top of the product can lie far from either.
        """
        top, covariance = posterior.mode()
        values, vectors = np.linalg.eigh(covariance)
        axes = (vectors * np.sqrt(values)).T
        points = [top] + [top + side * axis for axis in axes for side in (-BENT_AT, BENT_AT)]
        error = self.log_density(np.array(points)) - posterior.log_density(np.array(points))
        return float(np.abs(error[1:] - error[0]).max())
