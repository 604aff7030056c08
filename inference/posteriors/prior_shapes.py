"""Shape of one prior that is not Gaussian: a PyMC distribution, or its table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError

__all__ = ["Marginal", "marginal_of_distribution"]

Float = NDArray[np.float64]
N_GRID = 4001
N_STORED = 1001
NEAREST = 1e-10
"""Distance of the first point from a finite bound, as a share of that of the median."""
WRONG_SUM = 0.01
FURTHEST = 8.0
"""Points of the grid lie at sinh(t) with |t| up to this: 1,500 widths on either side."""


@dataclass(frozen=True, slots=True, eq=False)
class Marginal:
    """One continuous prior, with its bounds and a table for drawing and for keeping.

    Attributes
    ----------
    mean, sd
        Its moments (for heavy tails without any: median and the width of a Gaussian with the same
        quartiles).
    lower, upper
        Where it becomes zero.
    points, log_table
        float64, shape (n,): a grid and the normalised log density there.
    exact
        The log density itself, or None when only the table is left (read from a file).

    Examples
    --------
    >>> x = np.linspace(0, 1, 101)
    >>> flat = Marginal(0.5, 12**-0.5, 0.0, 1.0, x, np.zeros(101), None)
    >>> flat.log_density(np.array([0.3, 2.0])).tolist()
    [0.0, -inf]
    """

    mean: float
    sd: float
    lower: float
    upper: float
    points: Float
    log_table: Float
    exact: Callable[[Float], Float] | None

    def log_density(self, x: Float) -> Float:
        """Return the log density at x, shape (n,)."""
        if self.exact is not None:
            return np.asarray(self.exact(np.ascontiguousarray(x, np.float64)))
        inside = (x >= self.lower) & (x <= self.upper)
        clipped = np.clip(x, self.points[0], self.points[-1])
        return np.where(inside, np.interp(clipped, self.points, self.log_table), -np.inf)

    def draw(self, n: int, rng: np.random.Generator) -> Float:
        """Return n draws, by the inverse of the tabulated distribution function."""
        share = _shares(self.points, self.log_table)
        total = np.concatenate([[0.0], np.cumsum(share)])
        return np.asarray(np.interp(rng.random(n) * total[-1], total, self.points))

    def to_json(self) -> dict[str, Any]:
        """Return moments and bounds; bounds that are infinite become None."""
        return {
            "mean": self.mean, "sd": self.sd,
            "lower": self.lower if np.isfinite(self.lower) else None,
            "upper": self.upper if np.isfinite(self.upper) else None,
        }  # fmt: skip

    def table(self) -> Float:
        """Return points and log densities on N_STORED points, shape (2, N_STORED)."""
        place = np.linspace(0, len(self.points) - 1, N_STORED)
        number = np.arange(len(self.points))
        return np.array([np.interp(place, number, row) for row in (self.points, self.log_table)])

    @classmethod
    def from_json(cls, given: Mapping[str, Any], table: Float) -> Self:
        """Return what ``to_json`` and ``table`` wrote."""
        return cls(
            given["mean"], given["sd"],
            -np.inf if given["lower"] is None else given["lower"],
            np.inf if given["upper"] is None else given["upper"], table[0], table[1], None,
        )  # fmt: skip


def marginal_of_distribution(name: str, distribution: Any) -> Marginal:
    """Return a PyMC distribution of one number, its log density compiled once.

    Parameters
    ----------
    name
        For messages.
    distribution
        Such as ``pm.Normal.dist(0, 0.5)`` or ``pm.Uniform.dist(0, 1)``; parameters are numbers.

    Raises
    ------
    InputError
        For a distribution of several numbers, a discrete one, or one without a log density.
    """
    import pymc as pm
    import pytensor
    import pytensor.tensor as pt

    if getattr(distribution, "ndim", 1) != 0 or "float" not in str(distribution.dtype):
        raise InputError(
            f"prior[{name!r}] must be a distribution of one continuous number; got one of "
            f"{getattr(distribution, 'ndim', '?')} dimension(s) and type {distribution.dtype}."
        )
    at = pt.dvector("x")
    try:
        # numpy's own loops: a C compiler would take seconds for a formula evaluated a few times
        density = pm.logp(distribution, at)
        exact = pytensor.function([at], density, mode="FAST_COMPILE")  # type: ignore[attr-defined]
        sample = np.asarray(pm.draw(distribution, draws=2001, random_seed=0), np.float64)
        log_at = np.asarray(exact(np.sort(sample)), np.float64)
    except Exception as error:  # PyMC raises errors of many kinds here
        raise InputError(
            f"prior[{name!r}] must be a PyMC distribution with a log density and numbers as "
            f"parameters; PyMC says: {str(error).splitlines()[0]}"
        ) from error
    if not np.all(np.isfinite(log_at)):
        raise InputError(f"prior[{name!r}] must have a finite log density at its own draws.")
    return _tabulate(name, lambda x: np.asarray(exact(x), np.float64), sample)


def _tabulate(name: str, exact: Callable[[Float], Float], sample: Float) -> Marginal:
    """Return bounds, moments and a table of a log density from it and some draws."""
    center = float(np.median(sample))
    low, high = np.quantile(sample, [0.25, 0.75])
    width = float(high - low) / 1.349
    reach = width * np.sinh(FURTHEST)
    lower = _bound(exact, center, center - reach)
    upper = _bound(exact, center, center + reach)
    left, right = max(lower, center - reach), min(upper, center + reach)

    def grid(n: int) -> Float:
        ends = np.arcsinh((np.array([left, right]) - center) / width)
        points = center + width * np.sinh(np.linspace(ends[0], ends[1], n - 2 * (n // 5)))
        # toward a bound in equal ratios: a density may grow without limit there
        ratios = np.geomspace(NEAREST, 1.0, n // 5, endpoint=False)
        low = left + ratios * (center - left) if np.isfinite(lower) else points[:0]
        high = right - ratios * (right - center) if np.isfinite(upper) else points[:0]
        points = np.unique(np.concatenate([points, low, high]))
        points[0], points[-1] = left, right
        return points

    points = grid(N_GRID)
    table = _inside(exact, points, lower, upper)
    share = _shares(points, table)
    if abs(share.sum() - 1) > WRONG_SUM:
        raise InputError(
            f"prior[{name!r}] must have a density that a table can hold: its integral comes out as "
            f"{share.sum():.3g}; use a smoother one."
        )
    middle = (points[1:] + points[:-1]) / 2
    mean = float(share @ middle / share.sum())
    sd = float(np.sqrt(share @ (middle - mean) ** 2 / share.sum()))
    if sd > 30 * width:
        mean, sd = center, width
    stored = grid(N_STORED)
    return Marginal(mean, sd, lower, upper, stored, _inside(exact, stored, lower, upper), exact)


def _inside(exact: Callable[[Float], Float], points: Float, lower: float, upper: float) -> Float:
    """Return the log density on a grid, at its ends just inside the bounds, and never -inf."""
    at = points.copy()
    if np.isfinite(lower):
        at[0] = (points[0] + points[1]) / 2
    if np.isfinite(upper):
        at[-1] = (points[-1] + points[-2]) / 2
    values = exact(at)
    return np.maximum(np.where(np.isnan(values), -np.inf, values), -700.0)


def _bound(exact: Callable[[Float], Float], inside: float, outside: float) -> float:
    """Return where the density ends between two points, or infinity when it does not.

    The grid of every round is finer by 50: ten rounds reach the last digit.
    """
    side = np.inf if outside > inside else -np.inf
    if np.isfinite(exact(np.array([outside]))[0]):
        return float(side)
    near, far = inside, outside
    for _ in range(10):
        grid = np.linspace(near, far, 51)
        alive = np.flatnonzero(np.isfinite(exact(grid)))
        last = int(alive[-1]) if len(alive) else 0
        near, far = grid[last], grid[min(last + 1, 50)]
    # a density may be defined on the bound itself (uniform) or end just before it (gamma)
    bound = float(np.round(near, 12))
    if abs(bound - near) > 1e-9 * max(1.0, abs(near)):
        bound = float(near)
    # a thin tail that underflows is no bound
    return float(side) if exact(np.array([near]))[0] < -1e5 else bound


def _shares(points: Float, log_table: Float) -> Float:
    """Return the probability between neighbouring points of a grid."""
    density = np.exp(log_table)
    return np.asarray(np.diff(points) * (density[1:] + density[:-1]) / 2)
