"""Loops of a uniform Landau film: metastable branches up to the field where they end."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["LARGEST_SHAPE", "coefficients_of_loop", "landau_branch", "landau_stiffness"]

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

LARGEST_SHAPE = 4.0
N_HALVINGS = 50
WIDEST = 8.0


def landau_stiffness(shape: Floats) -> Floats:
    """Return k(h), with which ``k (-p + (1 - h) p^3 + h p^5)`` has its extreme of height 1.

    ``p`` is the polarisation over its value at zero field, h from 0 (2-4) over 1 (no quartic term)
    to larger ones (negative quartic term).

    Examples
    --------
    >>> round(float(landau_stiffness(np.array(0.0))), 9), round(1.5 * 3**0.5, 9)
    (2.598076211, 2.598076211)
    """
    turn = np.sqrt(_turning_square(np.asarray(shape, dtype=float)))
    height = turn - (1 - shape) * turn**3 - shape * turn**5
    return np.asarray(1.0 / height)


def _turning_square(shape: Floats) -> Floats:
    """Return the square of p at which a branch ends: -1 + 3 (1 - h) p^2 + 5 h p^4 = 0."""
    middle = 3 * (1 - shape)
    return np.asarray(2.0 / (middle + np.sqrt(middle**2 + 20 * shape)))


def landau_branch(field: Floats, shape: float) -> Floats:
    """Return the upper branch p at fields from -1 (in coercive fields) upward.

    The lower branch is ``-landau_branch(-field, shape)``. NaN where the branch has ended.

    Examples
    --------
    >>> landau_branch(np.array([0.0, -1.0]), 0.0).round(6).tolist()
    [1.0, 0.57735]
    """
    stiffness = float(landau_stiffness(np.array(shape)))
    low = np.full(np.shape(field), np.sqrt(float(_turning_square(np.array(shape)))))
    high = np.full(np.shape(field), WIDEST)
    for _ in range(N_HALVINGS):
        p = 0.5 * (low + high)
        above = stiffness * (-p + (1 - shape) * p**3 + shape * p**5) > field
        low, high = np.where(above, low, p), np.where(above, p, high)
    return np.where(np.asarray(field) >= -1.0 - 1e-12, 0.5 * (low + high), np.nan)


def coefficients_of_loop(
    polarisation: Floats, coercive_field: Floats, shape: Floats
) -> dict[str, Floats]:
    """Return a, c, e of ``f = a/2 P^2 + c/4 P^4 + e/6 P^6 - E P`` and the barrier per volume.

    The barrier is what a uniform volume climbs from a well to P = 0 at no field:
    ``k E_c P_r (1/4 + h/12)``, for h = 0 ``a^2 / (4 c)``.

    Examples
    --------
    >>> one = np.array(1.0)
    >>> found = coefficients_of_loop(one, one, 0 * one)
    >>> round(float(found["a"]**2 / 4 / found["c"] - found["barrier"]), 12)
    0.0
    """
    scale = landau_stiffness(shape) * coercive_field
    return {
        "a": -scale / polarisation,
        "c": scale * (1 - shape) / polarisation**3,
        "e": scale * shape / polarisation**5,
        "barrier": scale * polarisation * (0.25 + shape / 12),
    }
