"""The grid on which a drive law's posterior lies, about its peak and along its axes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special, stats

__all__ = ["LawGrid", "integrated", "law_peak", "law_shapes", "settled_grid"]

Floats = NDArray[np.float64]

GRID = 121
FEWEST_CELLS = 300.0
REFINEMENTS = 40


@dataclass(frozen=True, slots=True, eq=False)
class LawGrid:
    """Cells that hold a posterior: their middles, mass, axes (columns) and size along these."""

    points: Floats
    mass: Floats
    axes: Floats
    size: Floats


def law_shapes(law: str, strength: Floats, first: Floats, second: Floats) -> Floats:
    """Speeds per unit of the linear parameter, (n_cells, n)."""
    if law == "creep":  # steepness at the reference drive, exponent
        ratio = np.log(strength / np.exp(np.mean(np.log(strength))))
        bend = -np.expm1(-second[:, None] * ratio) / second[:, None]
        result: Floats = np.exp(np.clip(first[:, None] * bend, -300, 300))
        return result
    # threshold, exponent; the linear parameter is the speed at the strongest drive: well measured
    over = np.maximum(strength - first[:, None], 0.0) / (strength.max() - first[:, None])
    with np.errstate(divide="ignore"):
        return np.asarray(np.exp(second[:, None] * np.log(over)), dtype=np.float64)


def integrated(shapes: Floats, data: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Log mass of every cell, the speed integrated out; its mean and sd; the gain along it."""
    square = (shapes**2).sum(-1)
    along = shapes @ data
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        best = np.where(square > 0, along / square, 0.0)
        scale = np.where(square > 0, 1.0 / np.sqrt(square), np.nan)
        log_mass = 0.5 * best * along + np.log(scale) + stats.norm.logcdf(best / scale)
    return np.where(np.isfinite(log_mass), log_mass, -np.inf), best, scale, best * along


def resolved_mass(log_mass: Floats) -> tuple[Floats, bool]:
    """Mass of every cell, flattened as far as a coarse grid needs not to miss the peak."""
    for halvings in range(60):
        mass = np.exp((log_mass - log_mass.max()) * 0.5**halvings)
        mass /= mass.sum()
        if 1.0 / (mass**2).sum() > FEWEST_CELLS:
            break
    return mass, halvings == 0


def law_peak(
    law: str,
    strength: Floats,
    weight: Floats,
    data: Floats,
    exponent: tuple[float, float] | None,
    limits: Floats,
) -> tuple[Floats, Floats]:
    """Place of the best fit, and a square root of the covariance of the two parameters there."""
    known = exponent or (0.0, np.inf)

    def miss(points: Floats) -> Floats:
        columns = law_shapes(law, strength, points[:, 0], points[:, 1]) @ weight.T
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            speed = np.maximum((columns @ data) / (columns**2).sum(-1), 0.0)
            left = np.nan_to_num(data - speed[:, None] * columns, nan=1e100, posinf=1e100)
        prior = (points[:, 1] - known[0]) / known[1]
        return np.concatenate([left, prior[:, None]], axis=1)

    ticks = [np.geomspace(max(low, 1e-3 * high), high, 3 * GRID + 2)[1:-1] for low, high in limits]
    cells = np.stack(np.meshgrid(*ticks, indexing="ij"), axis=-1).reshape(-1, 2)
    with np.errstate(over="ignore"):
        start = cells[np.argmin((miss(cells) ** 2).sum(axis=1))]
    wide = 0.25 * np.diff(limits)[:, 0]

    def one(point: Floats) -> Floats:
        return np.asarray(miss(point[None])[0], dtype=np.float64)

    found = optimize.least_squares(
        one, start, bounds=(limits[:, 0] + 1e-9 * wide, limits[:, 1] - 1e-9 * wide),
        x_scale=start, jac="3-point",
    )  # fmt: skip
    slopes = np.asarray(found.jac, dtype=np.float64)
    information = slopes.T @ slopes + np.diag(wide**-2.0)
    root = np.linalg.cholesky(np.linalg.inv(information))
    return np.asarray(found.x), np.asarray(root, dtype=np.float64)


def cells_of(reach: Floats) -> tuple[Floats, Floats]:
    """Middles of the cells of a grid, (GRID^2, 2), and their size."""
    size = np.diff(reach)[:, 0] / GRID
    ticks = reach[:, :1] + (np.arange(GRID) + 0.5) * size[:, None]
    return np.stack(np.meshgrid(*ticks, indexing="ij"), axis=-1).reshape(-1, 2), size


def reach_of(places: Floats, mass: Floats) -> Floats:
    """Bounds along both axes that hold all but a millionth of the mass, with a margin."""
    bounds = []
    for axis in places:
        order = np.argsort(axis)
        total = np.cumsum(mass[order])
        ends = np.searchsorted(total, [5e-7, 1 - 5e-7])
        low, high = axis[order[np.minimum(ends, axis.size - 1)]]
        bounds.append((low - 0.1 * (high - low), high + 0.1 * (high - low)))
    return np.array(bounds)


def settled_grid(
    law: str, mass_at: Callable[[Floats], tuple[Floats, ...]], peak: Floats, root: Floats,
    limits: Floats,
) -> LawGrid | None:  # fmt: skip
    """Refine a grid from the peak and from the whole prior; return the one that holds more mass.

    A threshold just below a drive makes a spike: the highest point of the posterior need not lie
    in most of its mass.
    """
    reach = np.array([[-8.0, 8.0], [-8.0, 8.0]])
    half = 0.5 * np.diff(limits)[:, 0]
    whole = np.array([[-1.0, 1.0], [-1.0, 1.0]])
    found = [_refined(mass_at, peak, root, reach)]
    if law == "depinning":
        found.append(_refined(mass_at, limits.mean(axis=1), np.diag(half), whole))
    kept = [(evidence, grid) for evidence, grid in filter(None, found)]
    return max(kept, key=lambda pair: pair[0])[1] if kept else None


def _refined(
    mass_at: Callable[[Floats], tuple[Floats, ...]], center: Floats, axes: Floats, reach: Floats
) -> tuple[float, LawGrid] | None:
    """Log evidence and grid once it resolves the mass; None where it never does."""
    settled = 0
    for _ in range(REFINEMENTS):
        # Cells lie along the axes of the mass that the round before found, whatever its correlation
        cells, size = cells_of(reach)
        points = center + cells @ axes.T
        log_mass = mass_at(points)[0]
        if not np.isfinite(log_mass).any():
            return None
        mass, resolved = resolved_mass(log_mass)
        settled += resolved
        if settled > 2:
            area = float(np.prod(size)) * abs(float(np.linalg.det(axes)))
            return float(special.logsumexp(log_mass)) + np.log(area), LawGrid(
                points, mass, axes, size
            )
        center = mass @ points
        spread = (points - center).T @ ((points - center) * mass[:, None])
        try:
            axes = np.asarray(np.linalg.cholesky(spread), dtype=np.float64)
        except np.linalg.LinAlgError:
            return None
        places = np.linalg.solve(axes, (points - center).T)
        reach = reach_of(np.asarray(places, dtype=np.float64), mass)
    return None
