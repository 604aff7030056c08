"""Drift and diffusion as free curves through nodes, and what they say about any law: a Gaussian."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.dynamics.drift_fit import Climb, Motion, climb

__all__ = ["FreeCurve", "Told", "free_curves", "regressed_curves"]

Floats = NDArray[np.float64]

NODES = {1: (12, 40), 2: (5, 5)}  # fewest, most along an axis
DIFFUSION_NODES = {1: (6, 6), 2: (3, 3)}
RESOLVED = 2.0  # steps between nodes
ENDS = 0.002
PRIOR_SD = 30.0  # of a node's drift, in units of D over the range
LOG_PRIOR_SD = 1.0
CERTAIN = 1e-9


@dataclass(frozen=True, eq=False)
class Told:
    """What data say of a curve's values at its nodes: a Gaussian, as standardised equations.

    ``root @ values`` is measured as ``seen`` with errors of one.

    Attributes
    ----------
    nodes
        Shape (d, k).
    values
        Shape (k,): the most likely.
    root, seen
        Shapes (r, k) and (r,), r <= k.
    """

    nodes: Floats
    values: Floats
    root: Floats
    seen: Floats

    @property
    def precisions(self) -> Floats:
        """Of each value given the others, shape (k,)."""
        result: Floats = (self.root**2).sum(axis=0)
        return result


@dataclass(frozen=True, eq=False)
class FreeCurve:
    """Drift of each axis and diffusion at nodes, with the search's end.

    Attributes
    ----------
    drift
        One a axis.
    diffusion
        Of D.
    climbed
        Where the search ended; None for a regression.
    log_noise
        There.
    fields
        Drift (d, m) and diffusion (m,) at the motion's points.
    """

    drift: tuple[Told, ...]
    diffusion: Told
    climbed: Climb | None
    log_noise: float
    fields: tuple[Floats, Floats]


def free_curves(
    motion: Motion, places: Floats, step: float, level: float, log_noise: float
) -> FreeCurve | None:
    """Fit drift and ln D as curves through nodes; None where no likelihood is found.

    Parameters
    ----------
    motion
        The rows.
    places
        Shape (d, n): where particles were.
    step
        Root mean square of a displacement along an axis.
    level
        First guess of D.
    log_noise
        First guess of ln(noise); used where the noise is free.
    """
    d = len(places)
    nodes, basis = _basis(places, motion.points, NODES[d], step)
    coarse, wide = _basis(places, motion.points, DIFFUSION_NODES[d], step)
    k, m = nodes.shape[1], coarse.shape[1]
    spread = float(np.sqrt(places.var(axis=1).mean()))

    def fields(numbers: Floats) -> tuple[Floats, Floats, float]:
        drift = numbers[: d * k].reshape(d, k) @ basis.T
        diffusion = np.exp(np.clip(wide @ numbers[d * k : d * k + m], -700, 700))
        return drift, diffusion, float(numbers[-1]) if motion.has_noise else log_noise

    size = d * k + m + motion.has_noise
    start = np.zeros(size)
    start[d * k : d * k + m] = math.log(level)
    widths = np.full(size, 0.3)
    widths[: d * k] = level / spread
    precision = np.zeros(size)
    precision[: d * k] = (spread / (PRIOR_SD * level)) ** 2
    precision[d * k :] = LOG_PRIOR_SD**-2
    if motion.has_noise:
        start[-1] = log_noise
    # The level of D is free, what bends it has the prior
    bent = np.diag(precision)
    inside = slice(d * k, d * k + m)
    bent[inside, inside] = LOG_PRIOR_SD**-2 * (np.eye(m) - (1 - 1e-3) / m)
    found = climb(motion, fields, start, widths, bent)
    if found is None:
        return None
    drift = tuple(_told(found, slice(a * k, (a + 1) * k), nodes, np.ones(k)) for a in range(d))
    values = np.exp(found.before[inside])
    diffusion = _told(found, inside, coarse, 1.0 / values, values)
    noise = float(found.numbers[-1]) if motion.has_noise else log_noise
    here = fields(found.numbers)
    return FreeCurve(drift, diffusion, found, noise, here[:2])


def regressed_curves(
    points: Floats, steps: tuple[Floats, Floats, Floats], earlier: Floats, noise: float,
    log_noise: float,
) -> FreeCurve:  # fmt: skip
    """Regress displacements on curves of two coordinates: quick, biased where frames are coarse.

    It proposes laws only. ``earlier``: places whose errors the displacement does not share (NaN
    where there is none); ``noise``: variance of a coordinate's error.
    """
    begin, end, gaps = steps
    seen = np.isfinite(earlier).all(axis=1)
    places, moves, times = earlier[seen].T, (end - begin)[seen].T, gaps[seen]
    d = len(places)
    size = float(np.sqrt(np.mean(moves**2)))
    level = max(size**2 - 2.0 * noise, 0.1 * size**2) / (2.0 * float(times.mean()))
    spread = float(np.sqrt(places.var(axis=1).mean()))
    nodes, inside = _basis(places, places, NODES[d], size)
    wide, across = _basis(places, places, DIFFUSION_NODES[d], size)
    own = (spread / (PRIOR_SD * level)) ** 2
    spoiled = 2.0 * level + 2.0 * noise / float(times.mean())
    drift = [_regressed(nodes, inside, move / times, times / spoiled, own, 0.0) for move in moves]
    squares = ((moves**2).mean(axis=0) - 2.0 * noise) / (2.0 * times)
    weight = np.full(len(times), d * 2.0 / spoiled**2)
    diffusion = _regressed(wide, across, squares, weight, 1.0 / level**2, level)
    _, at = _basis(places, points, NODES[d], size)
    _, over = _basis(places, points, DIFFUSION_NODES[d], size)
    fields = (
        np.stack([one.values for one in drift]) @ at.T,
        np.maximum(diffusion.values @ over.T, 0.05 * level),
    )
    return FreeCurve(tuple(drift), diffusion, None, log_noise, fields)


def _regressed(
    nodes: Floats, design: Floats, target: Floats, weight: Floats, own: float, level: float
) -> Told:
    """Weighted least squares with a weak prior about a level, as what data alone say."""
    information = (design.T * weight) @ design
    pull = design.T @ (weight * target)
    k = len(information)
    values = np.linalg.solve(information + own * np.eye(k), pull + own * level)
    sizes, vectors = np.linalg.eigh(information)
    kept = sizes > 1e-6 * sizes[-1]
    root = np.sqrt(sizes[kept])[:, None] * vectors[:, kept].T
    seen: Floats = (vectors[:, kept].T @ pull) / np.sqrt(sizes[kept])
    return Told(nodes, np.asarray(values), root, seen)


def _told(
    found: Climb, part: slice, nodes: Floats, slopes: Floats, values_there: Floats | None = None
) -> Told:
    """Eliminate all other numbers; ``slopes`` of the numbers by what stands at the nodes.

    ``values_there``: what stands at the nodes, where it is not the numbers themselves.
    """
    inside = np.zeros(len(found.numbers), dtype=bool)
    inside[part] = True
    full, gradient = found.information, found.gradient
    other = full[np.ix_(~inside, ~inside)] + CERTAIN * np.diag(np.diag(full)[~inside] + 1e-300)
    cross = np.linalg.lstsq(other, full[np.ix_(~inside, inside)], rcond=None)[0]
    own = full[np.ix_(inside, inside)] - full[np.ix_(inside, ~inside)] @ cross
    pull = gradient[inside] - gradient[~inside] @ cross
    own = 0.5 * (own + own.T) * slopes[:, None] * slopes
    pull = pull * slopes
    values, vectors = np.linalg.eigh(own)
    kept = values > CERTAIN * values[-1]
    root = np.sqrt(values[kept])[:, None] * vectors[:, kept].T
    at = found.before[part] if values_there is None else values_there
    seen = root @ at + (vectors[:, kept].T @ pull) / np.sqrt(values[kept])
    return Told(nodes, at, root, seen)


def _basis(
    places: Floats, points: Floats, counts: tuple[int, int], step: float
) -> tuple[Floats, Floats]:
    """Nodes (d, k) and the weight of each one's value at points, (m, k): natural cubic splines."""
    from scipy.interpolate import CubicSpline

    axes, parts = [], []
    for place, point in zip(places, points, strict=True):
        low, high = np.quantile(place, [ENDS, 1 - ENDS])
        n = int(np.clip((high - low) / (RESOLVED * step), *counts))
        own = np.linspace(low, high, n)
        at, within = np.unique(np.clip(point, low, high), return_inverse=True)
        parts.append(CubicSpline(own, np.eye(n), bc_type="natural")(at)[within])
        axes.append(own)
    nodes = np.stack([axis.ravel() for axis in np.meshgrid(*axes, indexing="ij")])
    basis = parts[0]
    for part in parts[1:]:
        basis = (basis[:, :, None] * part[:, None, :]).reshape(len(basis), -1)
    return nodes, basis
