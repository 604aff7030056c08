"""Posteriors as densities on a grid: mean, covariance, quantiles and the PIT of a truth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

DEEP, SHALLOW = 60.0, 22.0
"""Nats below the top at which the first grids, and the last ones, end."""


@dataclass(frozen=True)
class ExactPosterior:
    """A posterior density on a tensor grid, normalised; ``axes`` one per parameter."""

    axes: tuple[np.ndarray, ...]
    density: np.ndarray
    mean: np.ndarray
    covariance: np.ndarray

    @property
    def sd(self):
        """Standard deviations, shape (d,)."""
        return np.sqrt(np.diag(self.covariance))

    def marginal(self, k):
        """Return the density of parameter k on its axis."""
        others = tuple(axis for axis in range(self.density.ndim) if axis != k)
        cell = np.prod([self.axes[axis][1] - self.axes[axis][0] for axis in others])
        return self.density.sum(axis=others) * cell

    def pit(self, values):
        """Return P(theta_k <= values_k), shape (d,)."""
        out = []
        for k, value in enumerate(values):
            axis, height = self.axes[k], self.marginal(k)
            # to the middle of the cells: the trapezoidal sum of a smooth density is exact there
            edges = np.r_[axis, 2 * axis[-1] - axis[-2]] - (axis[1] - axis[0]) / 2
            below = np.r_[0.0, np.cumsum(height)] * (axis[1] - axis[0])
            out.append(np.interp(value, edges, below))
        return np.array(out)

    def quantile(self, k, levels):
        """Return quantiles of parameter k."""
        axis, height = self.axes[k], self.marginal(k)
        edges = np.r_[axis, 2 * axis[-1] - axis[-2]] - (axis[1] - axis[0]) / 2
        below = np.r_[0.0, np.cumsum(height)] * (axis[1] - axis[0])
        return np.interp(levels, below, edges)

    def of(self, rows):
        """Return mean and sd of linear combinations, rows of shape (..., d)."""
        rows = np.asarray(rows, float)
        variance = np.einsum("...i,ij,...j->...", rows, self.covariance, rows)
        return rows @ self.mean, np.sqrt(variance)


@dataclass(frozen=True)
class GridPrior:
    """Independent normal priors; ``log_density`` replaces single ones (a function, and a range)."""

    mean: np.ndarray
    sd: np.ndarray
    log_density: dict[int, Callable[[np.ndarray], np.ndarray]]
    low: np.ndarray
    high: np.ndarray

    def on(self, axes):
        """Return the log density on a grid."""
        total = 0.0
        for k, axis in enumerate(axes):
            own = self.log_density.get(k)
            one = -0.5 * ((axis - self.mean[k]) / self.sd[k]) ** 2 if own is None else own(axis)
            total = total + one.reshape([-1 if k == j else 1 for j in range(len(axes))])
        return total


def normal_prior(sd, mean=None, low=None, high=None, log_density=None):
    """Return normal priors of widths ``sd``, cut where ``low`` and ``high`` say."""
    sd = np.asarray(sd, float)
    mean = np.zeros(len(sd)) if mean is None else np.asarray(mean, float)
    low = np.full(len(sd), -np.inf) if low is None else np.asarray(low, float)
    high = np.full(len(sd), np.inf) if high is None else np.asarray(high, float)
    return GridPrior(mean, sd, log_density or {}, low, high)


POINTS = {1: (201, 401), 2: (61, 121), 3: (31, 61), 4: (17, 27)}


def exact_posterior(log_likelihood, prior):
    """Return the posterior; ``log_likelihood(axes)`` gives it on the tensor grid of the axes."""
    return integrate(log_likelihood, prior, find_bounds(log_likelihood, prior))


def find_bounds(log_likelihood, prior, box=None):
    """Return where the posterior lies, shape (2, d); one that reaches the edge of ``box`` fails."""
    low = np.maximum(prior.mean - 7 * prior.sd, prior.low)
    high = np.minimum(prior.mean + 7 * prior.sd, prior.high)
    if box is not None:
        low, high = np.maximum(low, box[:, 0]), np.minimum(high, box[:, 1])
    outer = np.array([low, high])
    bounds = outer.copy()
    for depth in (DEEP, DEEP, SHALLOW, SHALLOW):
        axes = _axes(bounds, POINTS[len(low)][0])
        log_p = log_likelihood(axes) + prior.on(axes)
        bounds = _shrink(axes, log_p, depth, outer)
    if box is not None:
        _refuse_edges(log_p, bounds, box)
    return bounds


def integrate(log_likelihood, prior, bounds):
    """Return the posterior on a grid between bounds."""
    d = len(bounds[0])
    axes = _axes(bounds, POINTS[d][1])
    log_p = log_likelihood(axes) + prior.on(axes)
    cell = np.prod([axis[1] - axis[0] for axis in axes])
    density = np.exp(log_p - log_p.max())
    density /= density.sum() * cell
    grids = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, d)
    weight = density.ravel() * cell
    covariance = np.cov(grids.T, aweights=weight, ddof=0).reshape(d, d)
    return ExactPosterior(axes, density, weight @ grids, covariance)


def _axes(bounds, n):
    """n cell middles between the bounds, so that a prior's hard end is no point of its own."""
    edges = np.linspace(bounds[0], bounds[1], n + 1)
    return tuple(((edges[1:] + edges[:-1]) / 2).T)


def _shrink(axes, log_p, depth, outer):
    """Return the bounds within which the profile is within ``depth`` of the top."""
    bounds = np.empty((2, len(axes)))
    for k, axis in enumerate(axes):
        profile = log_p.max(axis=tuple(j for j in range(len(axes)) if j != k))
        (kept,) = np.nonzero(profile > profile.max() - depth)
        step = axis[1] - axis[0]
        bounds[:, k] = axis[kept[0]] - 1.5 * step, axis[kept[-1]] + 1.5 * step
    return np.clip(bounds, outer[0], outer[1])


def _refuse_edges(log_p, bounds, box):
    for k in range(log_p.ndim):
        profile = log_p.max(axis=tuple(j for j in range(log_p.ndim) if j != k))
        for side, end in ((0, 0), (1, -1)):
            at_edge = np.isclose(bounds[side, k], box[k, side])
            if at_edge and profile[end] > profile.max() - 14:
                raise ValueError(
                    f"the posterior of parameter {k} reaches the edge {box[k, side]} of the box"
                )


def outer_sum(parts):
    """Return a tensor that is the sum of one vector an axis."""
    total = parts[0]
    for part in parts[1:]:
        total = np.add.outer(total, part)
    return total
