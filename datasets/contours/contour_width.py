"""The width of walls from the pooled profile of many contour points."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from physlearn.datasets.contours.contour_kernels import fit_offsets
from physlearn.datasets.contours.wall_contours import FrameFit

__all__ = ["fit_width"]

Floats = NDArray[np.float64]

BIN_PIXEL = 0.25
SMALLEST_WIDTH, LARGEST_WIDTH = 0.6, 100.0
STEPS = 4
LEAST_INFORMATION = 0.1
SMEAR_PLACES, SMEAR_WEIGHTS = np.polynomial.hermite_e.hermegauss(7)


def fit_width(fits: list[FrameFit], first: float, noise_sd: float) -> float:
    """Wall width from the pooled profile of some frames, its levels free; ``first`` without any.

    A point's place is fitted to one half of its pixels (the black squares of a chessboard) and the
    profile taken from the other half, then the halves change roles: places fitted to the same
    pixels would make noise look like a sharper wall. What the error of a place smears is in the
    model.
    """
    places, values, smears = [], [], []
    for fit in fits:
        black = (fit.places[:, 0] + fit.places[:, 1]) % 2 == 0
        for half in (black, ~black):
            place, value, smear = _other_half(fit, half, first)
            places.append(place)
            values.append(value)
            smears.append(smear)
    if not sum(map(len, places)):
        return first
    place, value = np.concatenate(places), np.concatenate(values)
    smear = noise_sd * np.sqrt(float(np.mean(np.concatenate(smears))))
    bins = np.round(place / BIN_PIXEL).astype(int)
    bins -= bins.min()
    counts = np.bincount(bins)
    used = counts > 0
    x = np.bincount(bins, place)[used] / counts[used]
    y = np.bincount(bins, value)[used] / counts[used]
    weight = np.sqrt(counts[used])
    nodes = x[:, None] + smear * SMEAR_PLACES
    shares = SMEAR_WEIGHTS / SMEAR_WEIGHTS.sum()

    def misfit(parameters: Floats) -> Floats:
        height, middle, width = parameters
        result: Floats = weight * (y - middle + height * (np.tanh(nodes / width) @ shares))
        return result

    solution = optimize.least_squares(
        misfit, [1.0, 0.0, first], bounds=([0.05, -1.0, SMALLEST_WIDTH], [5.0, 1.0, LARGEST_WIDTH])
    )
    return float(solution.x[2])


def _other_half(
    fit: FrameFit, half: NDArray[np.bool_], width: float
) -> tuple[Floats, Floats, Floats]:
    """Places and values of the pixels outside ``half``, and 1 / information of their points."""
    n = len(fit.nodes)
    offsets, information, residual = np.zeros(n), np.zeros(n), np.zeros(2)
    chosen, pixels = fit.places[half], fit.pixels[half]
    fit_offsets(chosen, pixels, len(chosen), width, STEPS, offsets, information, residual)
    good = (information > LEAST_INFORMATION * 4.0 / (3.0 * width)) & fit.good
    point = fit.places[~half, 2]
    use = good[point]
    rest = fit.pixels[~half][use]
    return rest[:, 0] - offsets[point[use]], rest[:, 1], 1.0 / information[point[use]]
