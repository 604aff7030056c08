"""Importance weights whose largest are smoothed, and the Pareto k that judges them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physlearn.arviz_import import import_arviz

__all__ = ["smoothed_weights"]

Floats = NDArray[np.float64]


def smoothed_weights(log_weights: Floats) -> tuple[Floats, float]:
    """Return normalised Pareto-smoothed weights (n,) and the shape k of their tail.

    Parameters
    ----------
    log_weights
        Logarithms of the importance weights, up to a constant, (n,).

    Notes
    -----
    Vehtari et al., J. Mach. Learn. Res. 25(72), 2024. With a tail so long that no mean exists, k is
    large or infinite and that is the whole message: what overflows on the way there is not said.

    Examples
    --------
    >>> weights, shape = smoothed_weights(np.zeros(1000))
    >>> bool(abs(weights.sum() - 1) < 1e-12)
    True
    """
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        smoothed, shape = import_arviz().psislw(log_weights)
    weights = np.exp(np.asarray(smoothed) - np.max(smoothed))
    return weights / weights.sum(), float(shape)
