"""Whether tracks move as a law says: what is left of a step, and its memory of those before."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from physlearn.inference.dynamics.drift_data import DriftData
from physlearn.inference.dynamics.drift_fit import Motion
from physlearn.inference.dynamics.drift_grid import GridMotion

__all__ = ["Memory", "memory_of", "standard_steps"]

Floats = NDArray[np.float64]
LONGEST_MEMORY = 5
FEWEST_PAIRS = 20


@dataclass(frozen=True, slots=True)
class Memory:
    """Correlation of standardised steps with those ``lag`` before, its z and p value."""

    correlation: float
    lag: int
    p: float
    z: float


def standard_steps(
    motion: Motion, data: DriftData, fields: tuple[Floats, Floats, float]
) -> Floats | None:
    """Return (step - expected) / expected spread of each row, (n, d); 0 for first rows."""
    densities = motion.densities(*fields)
    if densities is None:
        return None
    out = np.zeros_like(data.series.positions)
    if not isinstance(motion, GridMotion):
        root = np.linalg.cholesky(densities.spread)
        return np.asarray(np.linalg.solve(root, densities.innovation[:, :, None])[:, :, 0])
    begin, end, gaps = data.steps
    cells = motion.points[0, ::2]
    inside = np.zeros(len(gaps))
    for gap, table in zip(motion.gaps, np.exp(densities) * motion.spacing, strict=True):
        mean = table @ cells
        spread = np.sqrt(np.maximum(table @ cells**2 - mean**2, 1e-300))
        here = np.abs(gaps - gap) < 1e-6 * gap
        at = begin[here, 0]
        inside[here] = (end[here, 0] - np.interp(at, cells, mean)) / np.interp(at, cells, spread)
    out[data.series.is_step, 0] = inside
    return out


def memory_of(steps: Floats, data: DriftData) -> Memory:
    """Return the strongest correlation of a step with one of the five before it.

    Examples
    --------
    >>> from physlearn.inference.dynamics.drift_data import read_drift_data
    >>> walk = np.cumsum(np.random.default_rng(1).normal(size=200))
    >>> data = read_drift_data({"t": np.arange(200.0), "x": walk}, None, 0.0, None)
    >>> bool(memory_of(np.diff(walk, prepend=walk[0])[:, None], data).p > 0.01)
    True
    """
    track = np.repeat(np.arange(len(data.series.starts) - 1), np.diff(data.series.starts))
    step = data.series.is_step
    worst = Memory(0.0, 1, 1.0, 0.0)
    for lag in range(1, LONGEST_MEMORY + 1):
        both = step[lag:] & step[:-lag] & (track[lag:] == track[:-lag])
        n = int(both.sum()) * steps.shape[1]
        if n < FEWEST_PAIRS:
            break
        total = float((steps[lag:][both] * steps[:-lag][both]).sum())
        z = total / math.sqrt(n * data.phases)
        p = min(1.0, LONGEST_MEMORY * float(2 * stats.norm.sf(abs(z))))
        if p < worst.p or lag == 1:
            worst = Memory(total / n, lag, p, z)
    return worst
