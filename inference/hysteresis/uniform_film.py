"""The shape of a loop that a uniform film would run through, fitted to median loops."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.hysteresis.landau_branches import LARGEST_SHAPE, landau_branch

__all__ = ["fit_uniform_loop"]

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

N_SHAPES = 33
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
    shape, response
        h and the response at zero field of each loop, (n,).
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
    shift = np.where(best == inner, np.clip(0.5 * (low - high) / bend, -1, 1), best - inner)
    found = shapes[inner] + shift * (shapes[1] - shapes[0])
    return np.stack([found, answers[best, 1, index]]), _left(
        loops[0], field, sign, away, float(found[0]), answers[best[0], :, 0]
    )


def _left(
    loop: Floats, field: Floats, sign: Floats, away: Flags, shape: float, answer: Floats
) -> Floats:
    """Return what the model leaves of a loop; NaN near the jumps."""
    branch = sign * landau_branch(sign * field, shape)
    return np.where(away, loop - answer[0] - answer[1] * branch, np.nan)
