"""One species whose brightness is not normal: skewed, flat or heavy-tailed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import ndtr
from scipy.stats import t as student

from physlearn.datasets.sites.intensity_mixture import IntensityMixture, skewed_single

__all__ = ["single_species_score"]

Floats = NDArray[np.float64]
FREEDOMS = (2.0, 3.0, 4.0, 6.0, 10.0)
STEPS = 60


def single_species_score(mixture: IntensityMixture) -> float:
    """Return the least -2 log-likelihood + parameters x log n among the laws of one species.

    Normal; normal to some power; even between two values, blurred by the errors; Student's, of the
    values or of their logarithms.
    """
    penalty = float(np.log(len(mixture.values)))
    return min(
        -2 * mixture.log_likelihood + 2 * penalty,
        -2 * skewed_single(mixture) + 3 * penalty,
        -2 * _flat(mixture) + 2 * penalty,
        -2 * _heavy_tailed(mixture) + 3 * penalty,
    )


def _flat(mixture: IntensityMixture) -> float:
    """Return the log-likelihood of values even between two ends, blurred by the errors."""
    values = mixture.values
    errors = np.maximum(mixture.errors, 1e-3 * float(np.median(values)))
    center, half = 0.5 * float(values.min() + values.max()), 0.5 * float(np.ptp(values))
    if not half > 0:
        return -np.inf

    def cost(state: Floats) -> float:
        middle, reach = center + half * state[0], half * np.exp(state[1])
        upper = ndtr((middle + reach - values) / errors)
        lower = ndtr((middle - reach - values) / errors)
        return -float(np.log(np.maximum((upper - lower) / (2 * reach), 1e-300)).sum())

    starts = [np.array([0.0, np.log(share)]) for share in (1.0, 0.9)]
    return -min(
        float(minimize(cost, start, method="Nelder-Mead", options={"maxiter": 120}).fun)
        for start in starts
    )


def _heavy_tailed(mixture: IntensityMixture) -> float:
    """Return the log-likelihood of Student's law, of the values or of their logarithms."""
    values = np.maximum(mixture.values, 1e-6)
    logs = np.log(values)
    best = -np.inf
    for moved, slope in ((values, 0.0), (logs, float(logs.sum()))):
        for freedom in FREEDOMS:
            center = float(np.median(moved))
            square = max(1.5 * float(np.median(np.abs(moved - center))), 1e-9) ** 2
            for _ in range(STEPS):
                weight = (freedom + 1) / (freedom + (moved - center) ** 2 / square)
                center = float((weight * moved).sum() / weight.sum())
                square = max(float((weight * (moved - center) ** 2).mean()), 1e-18)
            law = student.logpdf(moved, freedom, center, np.sqrt(square))
            best = max(best, float(law.sum()) - slope)
    return best
