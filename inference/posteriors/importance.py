"""Weighted draws from a density known up to a constant, where it is close to a Gaussian."""

from __future__ import annotations

from dataclasses import dataclass
from math import lgamma
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["Proposal", "Support", "WeightedPoints", "even_points", "resample", "weigh_points"]

Float = NDArray[np.float64]
STUDENT_DF = 5.0
WIDENING = 1.35
DEFENSIVE_SHARE = 0.15
DEFENSIVE_WIDENING = 3.0
FAILED_SHARE = 0.05
"""Share of effective points below which weights are flattened."""
FLATTEST = 1e-3
MOST_EVEN = 7
"""Beyond that many dimensions evenly spread points are no better than random ones."""


class Support(Protocol):
    """A prior: what proposals are mixed with where it is not much wider than the posterior."""

    @property
    def sd(self) -> Float:
        """Standard deviations, shape (d,)."""

    def log_density(self, theta: Float) -> Float:
        """Return the log density at (n, d)."""

    def draw(self, n: int, rng: np.random.Generator) -> Float:
        """Return draws of shape (n, d)."""


def even_points(n: int, d: int, rng: np.random.Generator) -> Float:
    """Return n points in the unit cube, evenly spread, each uniform by itself, shape (n, d).

    A Kronecker sequence on the powers of the root of x^(d+1) = x + 1, shifted at random (Cranley &
    Patterson 1976, doi:10.1137/0713071); random points beyond 7 dimensions.

    Examples
    --------
    >>> points = even_points(1000, 2, np.random.default_rng(1))
    >>> bool(np.all(np.abs(points.mean(axis=0) - 0.5) < 0.005))
    True
    """
    shift = rng.random(d)
    if d > MOST_EVEN:
        return rng.random((n, d))
    root = 2.0
    for _ in range(40):
        root = (1.0 + root) ** (1.0 / (d + 1))
    slopes = root ** -np.arange(1.0, d + 1)
    points = (shift + np.arange(1, n + 1)[:, None] * slopes) % 1.0
    return np.asarray(np.clip(points, 1e-12, 1.0 - 1e-12))


@dataclass(frozen=True, slots=True, eq=False)
class Proposal:
    """A Student t about a Gaussian guess, mixed with something wider.

    The wider part is the prior, or a t of three times the width where the prior is so wide that
    none of its draws would count.

    Attributes
    ----------
    mean, covariance
        The guess, shapes (d,) and (d, d).
    prior
        Its draws and density are the wider part; None never mixes it in.
    """

    mean: Float
    covariance: Float
    prior: Support | None = None

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Float, Float]:
        """Return n points, shape (n, d), and the log density of the mixture there."""
        d = len(self.mean)
        n_wide = round(DEFENSIVE_SHARE * n)
        factor = np.asarray(np.linalg.cholesky(self.covariance), np.float64)
        own = self._student(n - n_wide, WIDENING * factor, rng)
        if self.prior is not None:
            wide = self.prior.draw(n_wide, rng)
        else:
            wide = self._student(n_wide, DEFENSIVE_WIDENING * factor, rng)
        points = np.concatenate([own, wide])
        squared = np.sum(np.linalg.solve(factor, (points - self.mean).T) ** 2, axis=0)
        log_volume = float(np.sum(np.log(np.diag(factor))))
        inner = _log_student(squared, WIDENING, d) - log_volume
        if self.prior is not None:
            outer = self.prior.log_density(points)
        else:
            outer = _log_student(squared, DEFENSIVE_WIDENING, d) - log_volume
        log_density = np.logaddexp(
            np.log1p(-DEFENSIVE_SHARE) + inner, np.log(DEFENSIVE_SHARE) + outer
        )
        return points, np.asarray(log_density)

    def _student(self, n: int, factor: Float, rng: np.random.Generator) -> Float:
        """Return n draws of the t of this scale."""
        from scipy.special import gammaincinv, ndtri

        d = len(self.mean)
        points = even_points(n, d + 1, rng)
        scale = 2.0 * gammaincinv(STUDENT_DF / 2, points[:, d]) / STUDENT_DF
        normals = ndtri(points[:, :d]) / np.sqrt(scale)[:, None]
        return np.asarray(self.mean + normals @ factor.T)


def _log_student(squared: Float, widening: float, d: int) -> Float:
    """Return the log density of the t with scale ``widening`` times the identity."""
    df = STUDENT_DF
    known = lgamma((df + d) / 2) - lgamma(df / 2) - d / 2 * np.log(df * np.pi)
    known -= d * np.log(widening)
    return np.asarray(known - (df + d) / 2 * np.log1p(squared / (df * widening**2)))


@dataclass(frozen=True, slots=True, eq=False)
class WeightedPoints:
    """Points with normalised weights, their effective number and the log of the mean weight.

    ``beyond``: log Z at the point is an extrapolation; ``lost``: the weight of those points, before
    it was set to zero.
    """

    points: Float
    weight: Float
    effective: float
    log_mean: float
    tempered: bool
    beyond: NDArray[np.bool_]
    claimed: Float

    @property
    def lost(self) -> float:
        """Share of the posterior that lies where log Z is an extrapolation."""
        return float(self.claimed[self.beyond].sum())

    def moments(self) -> tuple[Float, Float]:
        """Return mean and covariance."""
        center = self.weight @ self.points
        away = self.points - center
        return center, (away * self.weight[:, None]).T @ away


def weigh_points(points: Float, log_weight: Float, beyond: NDArray[np.bool_]) -> WeightedPoints:
    """Return points with normalised weights; where few count they are flattened until a tenth do.

    Points ``beyond`` what is known get none, unless all are.
    """
    n = len(points)
    claimed = np.exp(log_weight - log_weight.max())
    kept = log_weight if np.all(beyond) else np.where(beyond, -np.inf, log_weight)
    top = float(kept.max())
    weight = np.exp(kept - top)
    effective = float(weight.sum() ** 2 / np.sum(weight**2))
    tempered = effective < FAILED_SHARE * n
    power, flat = 1.0, weight
    while tempered and power > FLATTEST and flat.sum() ** 2 / np.sum(flat**2) < 0.1 * n:
        power *= 0.7
        flat = np.exp(power * (kept - top))
    return WeightedPoints(
        points, flat / flat.sum(), effective, float(top + np.log(weight.mean())), tempered, beyond,
        claimed / claimed.sum(),
    )  # fmt: skip


def resample(points: Float, weight: Float, n: int, rng: np.random.Generator) -> Float:
    """Return n of the points, each as often as its weight says, to within one.

    Systematic resampling along the points' order, then shuffled.
    """
    steps = (rng.random() + np.arange(n)) / n
    chosen = np.searchsorted(np.cumsum(weight) / weight.sum(), steps)
    return np.asarray(points[rng.permutation(np.minimum(chosen, len(points) - 1))])
