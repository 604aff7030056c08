"""The median loop of many pixels: where its branches cross zero, by blocks of pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["block_medians", "branch_crossings"]

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

LEAST_BLOCKS = 25


def block_medians(
    loops: Floats, shape: tuple[int, ...], n_draws: int, generator: np.random.Generator
) -> tuple[Floats, Floats]:
    """Return the median loop (n_points,) and bootstrapped ones (n_draws, n_points).

    Neighbouring pixels are drawn together, in square blocks of about a tenth of the map's edge;
    single pixels where there is no map.
    """
    n = len(loops)
    if len(shape) == 2 and min(shape) >= 10:
        edge = max(2, min(shape) // 10)
        rows, columns = np.indices(shape) // edge
        label = (rows * (columns.max() + 1) + columns).ravel()
    else:
        label = np.arange(n)
    members = [np.flatnonzero(label == block) for block in np.unique(label)]
    drawn = np.empty((n_draws, loops.shape[1]))
    for index in range(n_draws):
        chosen = generator.integers(0, len(members), len(members))
        drawn[index] = np.nanmedian(loops[np.concatenate([members[k] for k in chosen])], axis=0)
    return np.nanmedian(loops, axis=0), drawn


def branch_crossings(
    voltage: Floats, rising: Flags, loops: Floats, near: tuple[float, float]
) -> Floats:
    """Return where each loop's rising and falling branch change sign, (n, 2); NaN where not.

    Of several crossings the one nearest to ``near`` (rising, falling) counts.
    """
    found = np.full((len(loops), 2), np.nan)
    for side, way in enumerate((rising, ~rising)):
        at, start = np.unique(voltage[way], return_inverse=True)
        same = start[:, None] == np.arange(at.size)
        branch = loops[:, way] @ (same / same.sum(axis=0))
        left, right = branch[:, :-1], branch[:, 1:]
        with np.errstate(divide="ignore", invalid="ignore"):
            place = at[:-1] + left / (left - right) * np.diff(at)
        place = np.where(np.sign(left) != np.sign(right), place, np.nan)
        far = np.where(np.isnan(place), np.inf, np.abs(place - near[side]))
        best = far.argmin(axis=1)
        found[:, side] = place[np.arange(len(loops)), best]
    return found
