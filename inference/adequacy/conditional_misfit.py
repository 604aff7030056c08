"""How far a picture's patterns are from those of simulated ones, given the fitted statistics."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from physlearn.inference.adequacy.lattice_patterns import PatternRow
from physlearn.inference.lattices.lattice_family import LatticeFamily

__all__ = [
    "Residuals",
    "SimulatedPatterns",
    "conditional_residuals",
    "family_wise_p",
    "is_fitted",
    "support_p",
]

Float = NDArray[np.float64]
MANY = 100
"""From so many simulated pictures on, the largest of all misfits is compared; below, Student's."""
TAIL = 0.2
"""Share of the simulated largest misfits behind the tail: their squares are exponential there."""
LEAST_COUNT = 5.0
MANY_COUNTED = 20.0
NO_RESIDUAL = 1e-6
"""Share of the variance below which a pattern is a function of the fitted statistics."""
LEAST_INFORMATION = 0.1
FEATURE_SHARE = 8
"""Simulated pictures for each function of the statistics that is fitted."""


class SimulatedPatterns(NamedTuple):
    """Patterns (n_records, R, K) and statistics (n_records, R, d) of simulated pictures."""

    values: Float
    statistics: Float
    rows: tuple[PatternRow, ...]


class Residuals(NamedTuple):
    """Patterns less what the fitted statistics explain, in units of their scatter.

    ``expected`` and ``error``: what pictures with the fitted statistics have, on the rows' scales.
    """

    simulated: Float
    observed: Float
    expected: Float
    error: Float
    degrees: Float
    used: NDArray[np.bool_]


def is_fitted(row: PatternRow, family: LatticeFamily) -> bool:
    """Return whether a row is a function of the fitted statistics."""
    kind = {"blume_capel": "product", "clock": ""}.get(family.model, "pairs")
    return row.kind == kind and 0 < row.shell <= family.n_shells and "steps" not in row.name


def conditional_residuals(
    family: LatticeFamily, simulated: SimulatedPatterns, seen: Float, fitted: Float
) -> Residuals:
    """Regress patterns on the fitted statistics (and their squares and products)."""
    n_records, n_replicas, n_rows = simulated.values.shape
    n = n_records * n_replicas
    sample = simulated.values.reshape(n, n_rows)
    basis, at_picture = _features(simulated.statistics.reshape(n, -1), fitted)
    projection = basis.T @ sample
    left = sample - basis @ projection
    leverage = np.minimum(np.sum(basis**2, axis=1), 0.9)[:, None]
    there = seen - at_picture @ projection
    free = n - basis.shape[1]
    # records of one copy follow each other: their residuals count for fewer
    means = left.reshape(n_records, n_replicas, n_rows).mean(axis=0)
    variance = np.sum(left**2, axis=0) / max(free, 1)
    repeats = np.clip(
        n_records * np.mean(means**2, axis=0) / np.maximum(np.mean(left**2, axis=0), 1e-300),
        1.0, n_records,
    )  # fmt: skip
    floor = np.array([0.125 / row.weight if row.scale == "sqrt" else 0.0 for row in simulated.rows])
    scatter = np.sqrt(np.maximum(variance, floor) + 1e-300)
    within = there.var(axis=0, ddof=1) if len(there) > 1 else np.zeros(n_rows)
    # completed pictures scatter about their mean, which scatters less than a picture does: to judge
    # it as a picture errs on the safe side (to scale it up was tried: 5 % of right models flagged)
    known = 1.0 - within / scatter**2
    reach = 1.0 + np.mean(np.sum(at_picture**2, axis=1)) * repeats
    error = scatter * np.sqrt(reach)
    observed = there.mean(axis=0) / error
    used = np.array([not is_fitted(row, family) for row in simulated.rows])
    used &= (
        (variance > NO_RESIDUAL * sample.var(axis=0)) & (variance > 0) & (known > LEAST_INFORMATION)
    )
    for index, row in enumerate(simulated.rows):
        if row.scale == "sqrt":
            expected, counted = (
                row.weight * np.mean(sample[:, index] ** 2),
                row.weight * np.mean(seen[:, index] ** 2),
            )
            used[index] &= expected >= LEAST_COUNT or counted >= MANY_COUNTED
    degrees = np.maximum(n / repeats - basis.shape[1], 3.0)
    expected = seen.mean(axis=0) - there.mean(axis=0)
    return Residuals(
        left / (scatter * np.sqrt(1.0 - leverage)), observed, expected, error, degrees, used
    )


def _features(statistics: Float, fitted: Float) -> tuple[Float, Float]:
    """Return an orthonormal basis (n, p) of functions of the statistics, and it at the picture."""
    center, spread = statistics.mean(axis=0), statistics.std(axis=0)
    alive = spread > 1e-9 * (1.0 + np.abs(center))
    one, two = ((x[:, alive] - center[alive]) / spread[alive] for x in (statistics, fitted))
    d, n = int(alive.sum()), len(statistics)
    first, second = np.triu_indices(d)
    products = (1 + d + len(first)) * FEATURE_SHARE <= n
    columns = []
    for x in (one, two):
        parts = [np.ones((len(x), 1)), x]
        if products:
            parts.append(x[:, first] * x[:, second])
        columns.append(np.hstack(parts))
    left, size, right = np.linalg.svd(columns[0], full_matrices=False)
    keep = size > 1e-8 * size[0]
    return left[:, keep], columns[1] @ right[keep].T / size[keep]


def family_wise_p(residuals: Residuals) -> Float:
    """Return the p-value of every row, adjusted for all rows that are compared (1: not used)."""
    out = np.ones(len(residuals.used))
    used = residuals.used
    if not used.any():
        return out
    simulated, observed = residuals.simulated[:, used], residuals.observed[used]
    if len(simulated) < MANY:
        single = 2 * stats.t.sf(np.abs(observed), residuals.degrees[used])
        out[used] = np.minimum(1.0, single * used.sum())
        return out
    # skew patterns count in units of their own side's 5 % point
    high = np.maximum(np.quantile(simulated, 0.95, axis=0), 1.0)
    low = np.maximum(-np.quantile(simulated, 0.05, axis=0), 1.0)
    largest = np.max(np.where(simulated > 0, simulated / high, -simulated / low), axis=1) ** 2
    own = np.where(observed > 0, observed / high, -observed / low) ** 2
    edge = np.quantile(largest, 1 - TAIL)
    beyond = largest[largest > edge] - edge
    rank = (1 + np.sum(largest[:, None] >= own, axis=0)) / (len(simulated) + 1)
    # pictures that hardly differ have no tail
    tail = TAIL * np.exp(-(own - edge) / beyond.mean()) if len(beyond) else rank
    out[used] = np.where(own > edge, tail, rank)
    return out


def support_p(statistics: Float, fitted: Float) -> float:
    """Return the chance of statistics as far from the simulated ones as the picture's."""
    alive = statistics.std(axis=0) > 0
    gap = (fitted - statistics.mean(axis=0))[alive]
    covariance = np.atleast_2d(np.cov(statistics[:, alive].T))
    distance = float(gap @ np.linalg.pinv(covariance) @ gap)
    return float(stats.chi2.sf(distance, max(int(alive.sum()), 1)))
