"""Where a branch jumps at once: between two voltages of the sweep, whatever spikes it holds."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["common_rounding", "sharp_columns"]

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

LEAST_POINTS = 3
NEAR_ZERO = 0.2
LEAST_Z = 6.0
"""Jump over the noise of its two sides from which it counts."""


def sharp_columns(voltage: Floats, rising: Flags, loops: Floats) -> tuple[Floats, Floats, Flags]:
    """Return V+, V-, ln(jump), squareness (n, 4), their covariance, and which loops have them.

    Each branch is split where the sum of absolute distances from the medians of its two sides is
    smallest; the jump may lie anywhere between the two voltages of the split.
    """
    n = len(loops)
    values, variance = np.full((n, 4), np.nan), np.full((n, 4), np.nan)
    good = np.ones(n, dtype=bool)
    sides, noises = [], []
    for column, way in enumerate((rising, ~rising)):
        order = np.argsort(voltage[way], kind="stable")
        at, branch = voltage[way][order], loops[:, way][:, order]
        place, below, above, noise, gap = _split(at, branch)
        values[:, column], variance[:, column] = place, gap**2 / 12
        sides.append((below, above))
        noises.append(noise)
    noise = np.maximum(noises[0], noises[1])
    size = np.abs(0.5 * (sides[0][1] - sides[0][0] + sides[1][1] - sides[1][0]))
    near = np.abs(voltage) <= NEAR_ZERO * np.abs(voltage).max()
    upper = np.nanmedian(loops[:, near & ~rising], axis=1)
    lower = np.nanmedian(loops[:, near & rising], axis=1)
    opening = np.abs(upper - lower)
    good &= (size > LEAST_Z * noise / np.sqrt(voltage.size)) & (opening > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        values[:, 2], values[:, 3] = np.log(size), opening / size
        variance[:, 2] = (noise / size) ** 2 * 4 / voltage.size
        variance[:, 3] = (noise / size) ** 2 * 8 / max(int(near.sum()), 1)
    good &= np.isfinite(values).all(axis=1) & (variance > 0).all(axis=1)
    good &= values[:, 0] > values[:, 1]
    covariance = np.zeros((n, 4, 4))
    covariance[:, range(4), range(4)] = variance
    return values, covariance, good


def _split(at: Floats, branch: Floats) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """Return each branch's place, medians below and above, noise sd, and the gap it lies in."""
    n, points = branch.shape
    best = np.full(n, np.inf)
    kept = np.zeros((5, n))
    for k in range(LEAST_POINTS, points - LEAST_POINTS + 1):
        if at[k] == at[k - 1]:
            continue
        low, high = branch[:, :k], branch[:, k:]
        below, above = np.nanmedian(low, axis=1), np.nanmedian(high, axis=1)
        left = np.concatenate([np.abs(low - below[:, None]), np.abs(high - above[:, None])], axis=1)
        # spikes count as three times the middle distance: they must not choose the split
        middle = np.nanmedian(left, axis=1)
        size = np.abs(above - below)
        score = np.nansum(np.minimum(left, size[:, None] + 3 * middle[:, None]), axis=1)
        score = score / np.maximum(size, 1e-300)
        better = score < best
        best = np.where(better, score, best)
        here = np.stack([
            np.full(n, 0.5 * (at[k] + at[k - 1])), below, above, 1.4826 * middle,
            np.full(n, at[k] - at[k - 1]),
        ])  # fmt: skip
        kept = np.where(better, here, kept)
    return kept[0], kept[1], kept[2], kept[3], kept[4]


def common_rounding(step: float, spread: Floats, generator: np.random.Generator) -> Floats:
    """Draw the error that all pixels share where they jump between the same two voltages.

    Uniform over a step for pixels that jump alike; a normal spread s over pixels averages it out
    by exp(-2 pi^2 (s / step)^2), what is left of the first wave of the rounding.
    """
    shared = generator.uniform(-0.5, 0.5, spread.shape) * step
    return np.asarray(shared * np.exp(-2 * np.pi**2 * (spread / step) ** 2))
