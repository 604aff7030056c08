"""The shape of a loop that a uniform film would run through, fitted to median loops."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.hysteresis.landau_branches import LARGEST_SHAPE, landau_branch

__all__ = ["draw_shapes", "fit_uniform_loop"]

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

N_SHAPES = 33
LEAST_INSIDE = 0.05
BEYOND = 2.0
"""How far an estimate of h may lie beyond the first or last shape tried."""
JUMP = 0.15
"""Half the opening times this: points nearer to a jump are left out, pixels jump there apart."""


def fit_uniform_loop(
    voltage: Floats, rising: Flags, loops: Floats, steps: Floats
) -> tuple[Floats, Floats]:
    """Fit ``offset + response p((V - imprint) / coercive voltage; h)`` to each loop.

    Parameters
    ----------
    voltage, rising
        The sweep, (n_points,).
    loops
        Median loop and bootstrapped ones, (n, n_points).
    steps
        Rising and falling coercive voltage, (2,).

    Returns
    -------
    shape, response, error
        h (beyond 0 or its largest value where the parabola of the squares leads there), the
        response at zero field and the error of h by the loop's own residuals, (n,) each.
    residuals
        Of the first loop, NaN where its points were left out, (n_points,).
    """
    middle, half = steps.mean(), 0.5 * (steps[0] - steps[1])
    field = (voltage - middle) / half
    upper = np.where(rising, field > 1, field > -1)
    away = np.where(rising, np.abs(field - 1), np.abs(field + 1)) > JUMP
    sign = np.where(upper, 1.0, -1.0)
    shapes = np.linspace(0.0, LARGEST_SHAPE, N_SHAPES)
    squares = np.empty((N_SHAPES, len(loops)))
    answers = np.empty((N_SHAPES, 2, len(loops)))
    for k, shape in enumerate(shapes):
        branch = sign[away] * landau_branch((sign * field)[away], float(shape))
        design = np.stack([np.ones(branch.size), branch])
        answers[k] = np.linalg.lstsq(design.T, loops[:, away].T, rcond=None)[0]
        squares[k] = ((loops[:, away].T - design.T @ answers[k]) ** 2).sum(axis=0)
    best = squares.argmin(axis=0)
    inner = np.clip(best, 1, N_SHAPES - 2)
    index = np.arange(len(loops))
    low, here, high = (squares[inner + d, index] for d in (-1, 0, 1))
    bend = np.maximum(low + high - 2 * here, 1e-300)
    step = shapes[1] - shapes[0]
    most = np.where(best == inner, 1.0, BEYOND / step)
    shift = np.clip(0.5 * (low - high) / bend, -most, most)
    found = shapes[inner] + shift * step
    error = step * np.sqrt(2 * squares[best, index] / max(int(away.sum()) - 3, 1) / bend)
    nearest = float(np.clip(found[0], 0.0, LARGEST_SHAPE))
    return np.stack([found, answers[best, 1, index], error]), _left(
        loops[0], field, sign, away, nearest, answers[best[0], :, 0]
    )


def draw_shapes(
    found: Floats, moved: Floats, generator: np.random.Generator
) -> tuple[Floats, NDArray[np.int64]]:
    """Draw h >= 0 with a flat prior; return the draws and which of ``moved`` they go with.

    Parameters
    ----------
    found
        What `fit_uniform_loop` returns; estimates beyond the ends of h are kept as they are.
    moved
        What drawn errors of the coercive voltages add to h, (n,).
    """
    n, estimates = moved.size, found[0]
    if estimates.size > 2:
        own = estimates[1 + generator.integers(0, estimates.size - 1, n)]
    else:
        own = estimates[0] + found[2, 0] * generator.standard_normal(n)
    drawn = own + moved
    inside = np.flatnonzero((drawn > 0) & (drawn < LARGEST_SHAPE))
    if inside.size < LEAST_INSIDE * n:
        # nearly all estimates lie beyond an end: what a normal error leaves within
        sd, middle = max(float(drawn.std()), 1e-9), float(drawn.mean())
        end = 0.0 if middle < LARGEST_SHAPE / 2 else LARGEST_SHAPE
        away = max(abs(middle - end) / sd, 1.0)
        left = np.minimum(generator.exponential(sd / away, n), LARGEST_SHAPE)
        return np.abs(end - left), np.arange(n)
    chosen = inside[generator.integers(0, inside.size, n)]
    return drawn[chosen], chosen


def _left(
    loop: Floats, field: Floats, sign: Floats, away: Flags, shape: float, answer: Floats
) -> Floats:
    """Return what the model leaves of a loop; NaN near the jumps."""
    branch = sign * landau_branch(sign * field, shape)
    return np.where(away, loop - answer[0] - answer[1] * branch, np.nan)
