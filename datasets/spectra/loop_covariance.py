"""Covariance of fitted hysteresis loops, with the correlation that their residuals show."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from physlearn.datasets.spectra.loop_kernels import CUTOFF, N_PARAMETERS

__all__ = ["LoopFits", "loop_covariances"]

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

BLOCK = 1000
"""Loops at a time: their derivatives fit into the cache and into any memory."""
LEAST_SHARE = 0.5
CLEAR_ECHO = 3.0
"""Standard errors from which the residuals' correlation is taken for real."""
LARGEST_ECHO = 0.9
REACH = 1.5
REACH_STEPS = 2.5
MOST_POINTS = 0.7
"""A step is seen when 70 % of the points within 1.5 widths (2.5 voltages) are there, and one on
either side."""
WORST_CONDITION = 1e12


class LoopFits(NamedTuple):
    """Parameters of all loops (n, 7), their covariances, shares passed over, and correlation.

    ``seen`` (n, 2): whether the rising and the falling step have enough of their points.
    """

    parameters: Floats
    covariance: Floats
    shares: Floats
    echo: float
    seen: Flags
    scales: Floats


def loop_covariances(
    voltage: Floats, rising: Flags, spectra: Floats, parameters: Floats, scales: Floats,
    narrow: float, step: float,
) -> LoopFits:  # fmt: skip
    """Return the sandwich covariance of each bisquare fit.

    The correlation of residuals one point apart is one number for the field (the median loop's,
    less the -7/m that seven parameters leave in white noise) and enters as ``echo ** steps``
    where it is clear. A step as narrow as the sweep can show lies anywhere between two voltages:
    a twelfth of a voltage step squared joins its variance.
    """
    n, m = spectra.shape
    residuals = np.concatenate(
        [
            spectra[block] - _model(voltage, rising, parameters[block])[0]
            for block in _blocks(n)
        ]
    )  # fmt: skip
    with np.errstate(invalid="ignore"):
        used = np.abs(residuals) < CUTOFF * scales[:, None]
    shares = 1.0 - used.mean(axis=1)
    seen = np.stack(
        [
            _seen(voltage, branch, used, parameters[:, k], np.exp(parameters[:, k + 2]), step)
            for k, branch in ((3, rising), (4, ~rising))
        ],
        axis=1,
    )  # fmt: skip
    echo = _echo(residuals, used, shares)
    lags = np.abs(np.arange(m)[:, None] - np.arange(m))
    correlation = np.where(lags == 0, 1.0, echo**lags)
    covariance = np.empty((n, N_PARAMETERS, N_PARAMETERS))
    for block in _blocks(n):
        slopes = _model(voltage, rising, parameters[block])[1]
        # a width at its fence, and a step that is not seen, are held where they are
        fenced = parameters[block, 5:7] <= np.log(narrow) + 1e-9
        for k in (0, 1):
            hidden = ~seen[block, k]
            slopes[hidden, :, 3 + k] = 0.0
            slopes[hidden | fenced[:, k], :, 5 + k] = 0.0
        covariance[block] = _sandwich(
            slopes, residuals[block], used[block], scales[block], correlation
        )
    for place in (3, 4):
        sharp = parameters[:, place + 2] <= np.log(narrow) + 1e-9
        covariance[sharp, place, place] += step**2 / 12.0
    return LoopFits(parameters, covariance, shares, echo, seen, scales)


def _seen(
    voltage: Floats, branch: Flags, used: Flags, place: Floats, width: Floats, step: float
) -> Flags:
    """Return which steps have most of their points, and some on both sides."""
    distance = np.where(branch, voltage - place[:, None], np.inf)
    reach = np.maximum(REACH * width, REACH_STEPS * step)[:, None]
    near = np.abs(distance) <= reach
    whole = (near & used).sum(axis=1) >= MOST_POINTS * near.sum(axis=1)
    for side in (distance <= 0, (distance > 0) & (distance < np.inf)):
        whole &= (near & side & used).any(axis=1)
    # at an end of the sweep a step may lie anywhere beyond
    inside = (place > voltage.min() + step) & (place < voltage.max() - step)
    return np.asarray(whole & inside)


def _blocks(n: int) -> list[slice]:
    """Return slices over all loops."""
    return [slice(first, first + BLOCK) for first in range(0, n, BLOCK)]


def _model(voltage: Floats, rising: Flags, p: Floats) -> tuple[Floats, Floats]:
    """Return responses (n, m) and their derivatives by the parameters (n, m, 7)."""
    place = np.where(rising, p[:, 3, None], p[:, 4, None])
    width = np.exp(np.where(rising, p[:, 5, None], p[:, 6, None]))
    u = (voltage - place) / width
    t = np.tanh(u)
    bell = p[:, 2, None] * (1.0 - t * t)
    slopes = np.zeros((*u.shape, N_PARAMETERS))
    slopes[..., 0], slopes[..., 1], slopes[..., 2] = 1.0, voltage, t
    for k, branch in ((3, rising), (4, ~rising)):
        slopes[..., k] = np.where(branch, -bell / width, 0.0)
        slopes[..., k + 2] = np.where(branch, -bell * u, 0.0)
    return p[:, 0, None] + p[:, 1, None] * voltage + p[:, 2, None] * t, slopes


def _echo(residuals: Floats, used: Flags, shares: Floats) -> float:
    """Return the correlation of residuals one point apart, 0 where it is not clear."""
    good = shares < LEAST_SHARE
    if not good.any():
        return 0.0
    m = residuals.shape[1]
    kept = np.where(used, residuals, 0.0)[good]
    product = (kept[:, 1:] * kept[:, :-1]).sum(axis=1)
    square = np.maximum((kept**2).sum(axis=1), 1e-300)
    found = float(np.median(product / square)) + N_PARAMETERS / m
    clear = found > CLEAR_ECHO * 1.25 / np.sqrt(m * good.sum())
    return min(found, LARGEST_ECHO) if clear else 0.0


def _sandwich(
    slopes: Floats, residuals: Floats, used: Flags, scales: Floats, correlation: Floats
) -> Floats:
    """Return the covariance of each fit; NaN where the data do not determine it."""
    u = np.where(used, residuals / (CUTOFF * scales[:, None]), 1.0) ** 2
    slopes = np.where(used[..., None], slopes, 0.0)
    bread = np.swapaxes(slopes, 1, 2) @ slopes
    size = np.sqrt(np.einsum("nii->ni", bread))
    free = size > 0
    size = np.where(free, size, 1.0)
    bread = bread / size[:, :, None] / size[:, None, :]
    held = np.arange(N_PARAMETERS)
    bread[:, held, held] = 1.0
    meat = np.swapaxes(slopes, 1, 2) @ (correlation @ slopes)
    meat = meat / size[:, :, None] / size[:, None, :]
    number = used.sum(axis=1)
    total = (np.where(used, residuals, 0.0) ** 2 * (1.0 - u) ** 4).sum(axis=1)
    sound = np.isfinite(bread).all(axis=(1, 2)) & (number > N_PARAMETERS) & free[:, :3].all(axis=1)
    bread[~sound] = np.eye(N_PARAMETERS)
    sound &= np.linalg.cond(bread) < WORST_CONDITION
    bread[~sound] = np.eye(N_PARAMETERS)
    inverse = np.linalg.inv(bread)
    # the fit takes up as much of correlated noise as this trace says: 7 points of white noise
    taken = np.einsum("nij,nji->n", inverse, meat)
    with np.errstate(divide="ignore", invalid="ignore"):
        curve = ((1.0 - u) * (1.0 - 5.0 * u)).sum(axis=1) / number
        variance = total / (number - taken) / curve**2
    sound &= (curve > 0) & (taken < number)
    covariance = inverse @ meat @ inverse / size[:, :, None] / size[:, None, :]
    covariance *= variance[:, None, None]
    covariance[~sound] = np.nan
    return np.asarray(covariance)
