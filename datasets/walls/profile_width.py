"""The width of walls from the pooled profile of many contour points."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from physlearn.datasets.walls.wall_contours import FrameFit

__all__ = ["fit_width"]

Floats = NDArray[np.float64]

BIN_PIXEL = 0.25
SMALLEST_WIDTH, LARGEST_WIDTH = 0.2, 100.0


def fit_width(fits: list[FrameFit], first: float) -> float:
    """Wall width from the pooled profile of some frames, its levels free; ``first`` without any."""
    places, values = [], []
    for fit in fits:
        point = fit.places[:, 2]
        use = fit.good[point]
        places.append(fit.pixels[use, 0] - fit.offsets[point[use]])
        values.append(fit.pixels[use, 1])
    if not places or not sum(map(len, places)):
        return first
    place, value = np.concatenate(places), np.concatenate(values)
    bins = np.round(place / BIN_PIXEL).astype(int)
    bins -= bins.min()
    counts = np.bincount(bins)
    used = counts > 0
    x = np.bincount(bins, place)[used] / counts[used]
    y = np.bincount(bins, value)[used] / counts[used]
    weight = np.sqrt(counts[used])

    def misfit(parameters: Floats) -> Floats:
        height, middle, width = parameters
        result: Floats = weight * (y - middle + height * np.tanh(x / width))
        return result

    solution = optimize.least_squares(
        misfit, [1.0, 0.0, first], bounds=([0.05, -1.0, SMALLEST_WIDTH], [5.0, 1.0, LARGEST_WIDTH])
    )
    return float(solution.x[2])
