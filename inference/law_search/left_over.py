"""Whether a law leaves anything for a longer one to explain: what a smooth curve finds in its rest.

A longer law pays for its length with a better fit. How much better any smooth law can fit is told
by the misfit that waves along the variables' ranks take away from the residuals, less what they
take from noise alone. Nothing of it depends on units or on the order of the points.
"""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.law_data.search_data import SearchData

__all__ = ["HOPELESS", "nats_left_over"]

Floats = NDArray[np.float64]

HOPELESS = 50.0  # nats behind the best: a weight of 1e-22, whatever the last steps of the fit do
HIGHEST_WAVE = {1: 10, 2: 4, 3: 3}  # half waves in all, by the number of variables; of more: 2


def nats_left_over(data: SearchData, residual: Floats) -> float:
    """Return the nats by which smooth waves fit a residual (n,) better than noise would be.

    About 0 for noise alone; infinite if there are too few points to say, or no residual is left.

    Examples
    --------
    >>> x = np.linspace(0.0, 1.0, 200)
    >>> noise = np.random.default_rng(0).standard_normal(200)
    >>> data = SearchData(x[None], noise, np.ones(200), False, ("x",))
    >>> nats_left_over(data, noise) < 5.0 < nats_left_over(data, noise + np.sin(9 * x))
    True
    """
    basis = _waves(data.x)
    n, count = len(basis), basis[0].size
    rest = np.sqrt(data.weight) * residual
    misfit = float(rest @ rest)
    if n < 3 * count or not (np.isfinite(misfit) and misfit > 0.0):
        return np.inf
    along, *_ = np.linalg.qr(np.sqrt(data.weight)[:, None] * basis)
    taken = float(((along.T @ rest) ** 2).sum())
    if data.noise_known:
        return 0.5 * (taken - float(count))
    left = max(misfit - taken, 1e-14 * misfit)
    return float(0.5 * n * np.log(misfit / left * (1.0 - count / n)))


def _waves(x: Floats) -> Floats:
    """Products of cosines of the ranks, shape (n, m), equal values at their mean rank."""
    highest = HIGHEST_WAVE.get(len(x), 2)
    cosines = []
    for row in x:
        _, place, counts = np.unique(row, return_inverse=True, return_counts=True)
        rank = (np.cumsum(counts) - 0.5 * counts)[place] / row.size
        cosines.append(np.cos(np.pi * np.arange(highest + 1)[:, None] * rank))
    columns = []
    for powers in product(range(highest + 1), repeat=len(x)):
        if sum(powers) <= highest:
            columns.append(np.prod([c[k] for c, k in zip(cosines, powers, strict=True)], axis=0))
    return np.stack(columns, axis=1)
