"""Draws of a wall's width, point spread and shape from a grid; the other numbers given those."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.wall_profiles.profile_coordinates import (
    LARGEST_ANGLE,
    Coordinates,
    LeaningCoordinates,
    PolarCoordinates,
    trace_ridge,
)
from physlearn.inference.wall_profiles.profile_posterior import (
    SEXTIC_PRIOR,
    TANH_SPREAD,
    NodeFits,
    ProfileMode,
    ProfileModel,
)

__all__ = ["ProfileGrid", "draw_profiles", "evaluate_grid"]

Floats = NDArray[np.float64]

N_WIDTH, N_BLUR, N_SHAPE = 19, 7, 13
REACH = 4.5
"""First half range of the widths, in conditional standard errors."""
FAINT = 9.0
"""Log density below its maximum at which the grid may end."""
WIDENINGS = 5
LEAST_NEAR = 6
FINEST = 12
SHAPE_RANGE = (-4.5, 4.5)


@dataclass(frozen=True, slots=True, eq=False)
class ProfileGrid:
    """Log posterior density on a grid of three coordinates; ``fits`` of its nodes are flat."""

    coordinates: Coordinates
    axes: tuple[Floats, ...]
    density: Floats
    fits: NodeFits


def evaluate_grid(model: ProfileModel, mode: ProfileMode, temper: float) -> ProfileGrid:
    """Evaluate the posterior density, widening the range of widths until it holds the mass.

    ``temper`` >= 1 divides the log likelihood: residuals that are correlated count less.
    """
    third = np.linspace(*SHAPE_RANGE, N_SHAPE) if model.sextic else np.zeros(1)
    if model.blur.free:
        polar = _polar(model, mode, temper)
        first = np.linspace(-REACH - 1, REACH + 1, N_WIDTH)
        return _nodes(model, mode, polar, (first, polar.angles, third), temper)
    leaning = LeaningCoordinates.of(model, mode)
    second = np.array([model.blur.mean])
    if not model.blur.known:
        reach = 4.0 * np.sqrt(mode.covariance[1, 1])
        second = np.linspace(max(mode.blur - reach, 0.0), mode.blur + reach, N_BLUR)
    rest = mode.covariance[0, 0]
    for k, active in ((1, not model.blur.known), (2, model.sextic)):
        if active and mode.covariance[k, k] > 0:
            rest = rest - mode.covariance[0, k] ** 2 / mode.covariance[k, k]
    half = REACH * np.sqrt(temper * max(rest, 1e-8))
    low, high = mode.log_width - half, mode.log_width + half
    bounds = (np.log(1e-2 * min(model.pixels.size)), np.log(2 * model.pixels.extent))
    for _ in range(WIDENINGS):
        low, high = max(low, bounds[0]), min(high, bounds[1])
        first = np.linspace(low, high, N_WIDTH)
        grid = _nodes(model, mode, leaning, (first, second, third), temper)
        best = grid.density.max(axis=(1, 2))
        below = best[0] > -FAINT and low > bounds[0]
        above = best[-1] > -FAINT and high < bounds[1]
        near = best > -FAINT
        if not below and not above and near.sum() >= LEAST_NEAR:
            break
        span = high - low
        if below or above:
            low, high = low - 0.6 * span * below, high + 0.6 * span * above
            continue
        kept = first[near]
        spread = max(float(np.ptp(kept)), span / (N_WIDTH - 1))
        low, high = kept[0] - 0.7 * spread, kept[-1] + 0.7 * spread
    return grid


def _polar(model: ProfileModel, mode: ProfileMode, temper: float) -> PolarCoordinates:
    """Follow the ridge of equal blurred width, closing in on the angles that carry the mass."""
    start = mode.log_width + 0.5 * np.log(TANH_SPREAD)
    zero, most = np.zeros(1), float(np.log(2 * model.pixels.extent))

    def density(log_total: Floats, angle: Floats) -> Floats:
        plain = PolarCoordinates(np.array([0.0, LARGEST_ANGLE]), np.zeros(2), np.ones(2))
        at = np.stack([log_total, angle, np.broadcast_to(zero, angle.shape)])
        return _density(model, mode, plain, at, temper)[0]

    low, high = 0.0, LARGEST_ANGLE
    for _ in range(WIDENINGS):
        polar, best = trace_ridge(density, start, low, high, most)
        near = np.flatnonzero(best + np.log(polar.scale) > best.max() - FAINT)
        if near.size >= LEAST_NEAR:
            break
        step = (high - low) / (polar.angles.size - 1)
        start = float(polar.ridge[near].mean())
        low = max(0.0, polar.angles[near[0]] - step)
        high = min(LARGEST_ANGLE, polar.angles[near[-1]] + step)
    return polar


def _nodes(
    model: ProfileModel, mode: ProfileMode, coordinates: Coordinates, axes: tuple[Floats, ...],
    temper: float,
) -> ProfileGrid:  # fmt: skip
    """Evaluate all nodes of a grid."""
    at = np.stack([axis.ravel() for axis in np.meshgrid(*axes, indexing="ij")])
    found, fits = _density(model, mode, coordinates, at, temper)
    found = np.maximum(found - found.max(), -200.0)
    return ProfileGrid(coordinates, axes, found.reshape([axis.size for axis in axes]), fits)


def _density(
    model: ProfileModel, mode: ProfileMode, coordinates: Coordinates, at: Floats, temper: float
) -> tuple[Floats, NodeFits]:
    """Log posterior density at the nodes; the arc and the linear numbers are integrated out."""
    log_width, blur, log_shape = coordinates.physical(at)
    ridge = model.ridge(mode.amplitude, mode.noise_sd)
    shapes = np.exp(log_shape) if model.sextic else None
    width = np.clip(np.exp(log_width), 1e-2 * min(model.pixels.size), 4 * model.pixels.extent)
    fits = model.nodes(mode.arc, width, blur, shapes, ridge)
    n, k = model.pixels.values.size, ridge.size
    squares = np.maximum(fits.squares, 1e-300)
    if model.noise_sd is not None:
        found = -0.5 * squares / model.noise_sd**2 / temper
    else:
        found = -0.5 * (n - k) / temper * np.log(squares)
    found = found - fits.halves - model.n_moves * np.log(np.abs(fits.answers[:, 0]) + 1e-12)
    found = found + model.blur.log_density(blur) + coordinates.log_jacobian(at)
    if not model.blur.free:
        found = found + _reference_prior(log_width, blur, model.pixels.size)
    if model.sextic:
        found = found - 0.5 * ((log_shape - SEXTIC_PRIOR[0]) / SEXTIC_PRIOR[1]) ** 2
    return np.where(np.isfinite(found), found, -np.inf), fits


def _reference_prior(log_width: Floats, blur: Floats, edges: tuple[float, float]) -> Floats:
    """Log density by ln w: flat for walls wider than the blur, flat in w^2 for narrower ones.

    A picture shows the spread w^2 pi^2 / 12 + s^2 + edge^2 / 12, so that narrow walls act by
    their square: Jeffreys' prior of ln w falls as w^2 there.
    """
    own = TANH_SPREAD * np.exp(2 * log_width)
    return np.asarray(np.log(own / (own + blur**2 + max(edges) ** 2 / 12)))


def draw_profiles(
    model: ProfileModel, mode: ProfileMode, grid: ProfileGrid, factors: Floats, n_draws: int,
    generator: np.random.Generator,
) -> dict[str, Floats]:  # fmt: skip
    """Draw ln w, blur, ln Q from the density between the nodes, then everything else given them.

    ``factors`` (k,) raise the variances of the linear numbers and the arc's moves.
    """
    from scipy.interpolate import CubicSpline

    fine, density = [], grid.density
    for k, axis in enumerate(grid.axes):
        if axis.size == 1:
            fine.append(axis)
            continue
        points = np.linspace(axis[0], axis[-1], FINEST * (axis.size - 1) + 1)
        density = CubicSpline(axis, density, axis=k)(points)
        fine.append(points)
    weight = np.exp(density - density.max()).ravel()
    total = np.cumsum(weight)
    chosen = np.searchsorted(total, generator.random(n_draws) * total[-1])
    chosen = np.minimum(chosen, weight.size - 1)
    index = np.unravel_index(chosen, density.shape)
    at = np.empty((3, n_draws))
    for k, points in enumerate(fine):
        at[k] = points[index[k]]
        if points.size > 1:
            step = points[1] - points[0]
            at[k] += step * (generator.random(n_draws) - 0.5)
            at[k] = np.clip(at[k], points[0], points[-1])
    physical = grid.coordinates.physical(at)
    read = _reader(grid, at)
    n, k = model.pixels.values.size, grid.fits.answers.shape[1]
    if model.noise_sd is not None:
        noise = np.full(n_draws, model.noise_sd)
    else:
        squares = read(grid.fits.squares[:, None])[0]
        noise = np.sqrt(squares / generator.chisquare(max(n - k, 1), n_draws))
    answers = read(grid.fits.answers)
    root = _root(model, mode)
    raised = np.sqrt(factors)[:, None] * root
    answers += noise * (raised @ generator.standard_normal((k, n_draws)))
    return {
        "log_width": physical[0], "blur": physical[1], "log_shape": physical[2],
        "noise": noise, "linear": answers[: model.n_linear],
        "moves": answers[model.n_linear :] / answers[0],
    }  # fmt: skip


def _reader(grid: ProfileGrid, at: Floats) -> Callable[[Floats], Floats]:
    """Return a function that reads columns (nodes, k) linearly between nodes, (k, n)."""
    index, weight = np.zeros((1, at.shape[1]), dtype=np.int64), np.ones((1, at.shape[1]))
    for k, axis in enumerate(grid.axes):
        index = index * axis.size
        if axis.size == 1:
            continue
        place = (at[k] - axis[0]) / (axis[1] - axis[0])
        below = np.clip(place.astype(np.int64), 0, axis.size - 2)
        share = place - below
        index = np.concatenate([index + below, index + below + 1])
        weight = np.concatenate([weight * (1 - share), weight * share])

    def read(columns: Floats) -> Floats:
        corners = zip(index, weight, strict=True)
        return np.asarray(sum(columns.T[:, here] * part for here, part in corners))

    return read


def _root(model: ProfileModel, mode: ProfileMode) -> Floats:
    """Return a root of the covariance of the linear numbers at the mode, for unit noise."""
    width, blur = np.array([np.exp(mode.log_width)]), np.array([mode.blur])
    shape = np.exp([mode.log_shape]) if model.sextic else None
    rises, slopes, bumps, moves = model.curves(mode.arc, width, blur, shape)
    columns = [rises, np.ones_like(rises)]
    if model.bump:
        columns.append(bumps)
    columns += [model.fixed(mode.arc), slopes * moves]
    stack = np.concatenate(columns)
    gram = stack @ stack.T + np.diag(model.ridge(mode.amplitude, mode.noise_sd))
    scale = np.sqrt(np.diag(gram))
    values, vectors = np.linalg.eigh(gram / scale / scale[:, None])
    return np.asarray(vectors / np.sqrt(np.maximum(values, 1e-10)) / scale[:, None])
