"""Gauss-Newton with conjugate gradients for a line in a pinning field, evidence, draws."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.pinning.pinned_line import PinnedLine

__all__ = ["PinningOptimum", "curvature_log_determinant", "draw_unknowns", "solve_line"]

Floats = NDArray[np.float64]

OUTER = 12
INNER = 150
INNER_TOLERANCE = 1e-2
OUTER_TOLERANCE = 0.3
FIRST_HORIZON = 6
LANCZOS = 50


@dataclass(frozen=True, slots=True, eq=False)
class PinningOptimum:
    """Mode of the unknowns: their values, chi2 of the points, and whether it settled."""

    theta: Floats
    chi2: float
    n_points: int
    converged: bool

    @property
    def cost(self) -> float:
        """Minus twice the log posterior, but for a constant."""
        return self.chi2 + float(self.theta @ self.theta)


def _conjugate_gradient(
    apply: Callable[[Floats], Floats], target: Floats, tolerance: float, most: int
) -> Floats:
    """Solve a positive definite system."""
    found, left = np.zeros(target.size), target.copy()
    search, square = left.copy(), float(left @ left)
    stop = tolerance**2 * square
    for _ in range(most):
        if square <= stop:
            break
        applied = apply(search)
        step = square / float(search @ applied)
        found += step * search
        left -= step * applied
        after = float(left @ left)
        search = left + (after / square) * search
        square = after
    return found


def _normal(line: PinnedLine) -> Callable[[Floats], Floats]:
    """One plus the Gauss-Newton information at the line's last path."""
    return lambda change: change + line.adjoint(line.tangent(change))


def solve_line(line: PinnedLine, theta: Floats, *, grow: bool) -> PinningOptimum:
    """Find the mode; with ``grow`` over more and more frames, so that the line never runs away."""
    n_frames = line.times.size
    horizons = [n_frames]
    while grow and horizons[0] > 2 * FIRST_HORIZON:
        horizons.insert(0, max(horizons[0] // 2, FIRST_HORIZON))
    converged = False
    for horizon in horizons:
        line.until(horizon)
        miss = line.residuals(theta)
        cost = float(miss @ miss + theta @ theta)
        for _ in range(OUTER if horizon == n_frames else 3):
            gradient = line.adjoint(miss) - theta
            move = _conjugate_gradient(_normal(line), gradient, INNER_TOLERANCE, INNER)
            for fraction in (1.0, 0.5, 0.25, 0.1, 0.03):
                trial = theta + fraction * move
                after = line.residuals(trial)
                changed = float(after @ after + trial @ trial)
                if changed < cost:
                    break
            else:
                line.residuals(theta)  # the path of the mode, for what follows
                converged = horizon == n_frames
                break
            gained, cost, theta, miss = cost - changed, changed, trial, after
            if gained < OUTER_TOLERANCE:
                converged = horizon == n_frames
                break
    return PinningOptimum(theta, float(miss @ miss), line.data.size, converged)


def curvature_log_determinant(
    line: PinnedLine, generator: np.random.Generator, probes: int = 4
) -> tuple[float, float]:
    """Log determinant of one plus the information, and its trace of the share that data fix.

    Stochastic Lanczos quadrature at the line's last path, in the space of the points (Sylvester):
    their number is one for all correlation lengths, while that of the unknowns is not, so that the
    same probes have nearly the same error at all of them and the evidence is smooth.
    """
    total, effective, size = 0.0, 0.0, line.data.size
    for _ in range(probes):
        probe = generator.choice([-1.0, 1.0], size=size)
        diagonal, off = [], []
        before, here, beta = np.zeros(size), probe / np.sqrt(size), 0.0
        basis = [here]
        for _ in range(LANCZOS):
            applied = line.tangent(line.adjoint(here)) - beta * before
            alpha = float(applied @ here)
            applied -= alpha * here
            stack = np.array(basis)
            applied -= stack.T @ (stack @ applied)
            diagonal.append(alpha)
            beta = float(np.sqrt(applied @ applied))
            if beta < 1e-8:
                break
            off.append(beta)
            before, here = here, applied / beta
            basis.append(here)
        n = len(diagonal)
        values, vectors = np.linalg.eigh(
            np.diag(diagonal) + np.diag(off[: n - 1], 1) + np.diag(off[: n - 1], -1)
        )
        weight = size * vectors[0] ** 2
        values = np.maximum(values, 0.0)
        total += float(weight @ np.log1p(values)) / probes
        effective += float(weight @ (values / (1.0 + values))) / probes
    return total, effective


def draw_unknowns(
    line: PinnedLine, optimum: PinningOptimum, count: int, generator: np.random.Generator
) -> Floats:
    """Draws of the unknowns from the Gaussian about the mode, (count, size)."""
    line.until(line.times.size)
    line.residuals(optimum.theta)
    normal, draws = _normal(line), []
    for _ in range(count):
        noise = line.adjoint(generator.standard_normal(line.data.size))
        target = noise + generator.standard_normal(line.size)
        draws.append(optimum.theta + _conjugate_gradient(normal, target, 1e-2, 2 * INNER))
    return np.array(draws)
