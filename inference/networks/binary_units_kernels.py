"""Compiled Gibbs sweeps for sparse couplings under a Gaussian summary of the likelihood."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.compiled import kernel

Float = NDArray[np.float64]


@kernel
def draw_sparse(
    values: Float,
    present: NDArray[np.int64],
    pull: Float,
    information: Float,
    shrinkage: Float,
    log_odds: Float,
    uniform: Float,
    normal: Float,
) -> None:
    """Draw every parameter in turn given all others.

    The likelihood is Gaussian with precision ``information`` (p, p); ``pull`` (p,) is its linear
    term minus information @ values, and is kept up to date. Parameter k is zero with prior odds
    exp(-log_odds[k]), otherwise normal with precision ``shrinkage[k]``; +infinity means that it is
    always there. ``uniform`` and ``normal`` (p,) are the random numbers of this sweep.
    """
    p = values.shape[0]
    for k in range(p):
        own = information[k, k]
        linear = pull[k] + own * values[k]
        precision = own + shrinkage[k]
        evidence = 0.5 * np.log(shrinkage[k] / precision) + 0.5 * linear * linear / precision
        odds = evidence + log_odds[k]
        # log(1 + exp) in the form that neither overflows nor loses the small ones
        absent = 1.0 / (1.0 + np.exp(odds)) if odds < 700.0 else 0.0
        new = 0.0
        present[k] = 0
        if uniform[k] >= absent:
            new = linear / precision + normal[k] / np.sqrt(precision)
            present[k] = 1
        change = new - values[k]
        if change != 0.0:
            for j in range(p):
                pull[j] -= information[k, j] * change
            values[k] = new
