"""Draws of a wall's width, point spread and shape from a grid; the other numbers given those."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.walls.profile_posterior import (
    SEXTIC_PRIOR,
    NodeFits,
    ProfileMode,
    ProfileModel,
)

__all__ = ["ProfileGrid", "draw_profiles", "evaluate_grid"]

Floats = NDArray[np.float64]

N_WIDTH, N_BLUR, N_SHAPE, N_FREE = 19, 7, 13, 21
REACH = 4.5
"""First half range of the widths, in conditional standard errors."""
FAINT = 9.0
"""Log density below its maximum at which the grid may end."""
WIDENINGS = 5
FINEST = 12
SHAPE_RANGE = (-4.5, 4.5)
TANH_SPREAD = np.pi**2 / 12
"""Variance of a wall's slope over the square of its width."""
MOST_ANGLE = np.pi / 2 - 0.02


@dataclass(frozen=True, slots=True, eq=False)
class ProfileGrid:
    """Log posterior density on a grid of (width coordinate, blur coordinate, ln Q).

    ``widths`` and ``blurs`` have the grid's shape; ``fits`` are flat.
    """

    axes: tuple[Floats, ...]
    density: Floats
    fits: NodeFits

    def transform(self, model: ProfileModel, mode: ProfileMode, at: Floats) -> Floats:
        """Return ln w, blur and ln Q (3, n) at grid coordinates (3, n)."""
        return _physical(model, mode, at)


def _physical(model: ProfileModel, mode: ProfileMode, at: Floats) -> Floats:
    """Coordinates -> ln w, blur, ln Q.

    Point spread known to an error: (what ln w keeps after its regression on the blur, blur). Free:
    (ln of the blurred wall's width t, angle) with t sin(angle) = s, t cos(angle) = the wall's.
    """
    first, second, third = at
    if model.blur.free:
        log_width = first + np.log(np.cos(second)) - 0.5 * np.log(TANH_SPREAD)
        return np.stack([log_width, np.sin(second) * np.exp(first), third])
    lean = 0.0 if model.blur.known else mode.covariance[0, 1] / mode.covariance[1, 1]
    tilt = mode.covariance[0, 2] / mode.covariance[2, 2] if model.sextic else 0.0
    log_width = first + lean * (second - mode.blur)
    if model.sextic:
        log_width = log_width + np.clip(tilt, -1, 1) * (np.clip(third, -3, 3) - mode.log_shape)
    return np.stack([log_width, second, third])


def _axes(model: ProfileModel, mode: ProfileMode, low: float, high: float) -> tuple[Floats, ...]:
    """Return the axes of the grid for a range of the width coordinate."""
    first = np.linspace(low, high, N_WIDTH)
    if model.blur.free:
        second = np.linspace(0.0, MOST_ANGLE, N_FREE)
    elif model.blur.known:
        second = np.array([model.blur.mean])
    else:
        sd = np.sqrt(mode.covariance[1, 1])
        second = mode.blur + sd * np.linspace(-4.0, 4.0, N_BLUR)
        second = np.linspace(max(second[0], 0.0), second[-1], N_BLUR)
    third = np.linspace(*SHAPE_RANGE, N_SHAPE) if model.sextic else np.zeros(1)
    return first, second, third


def evaluate_grid(model: ProfileModel, mode: ProfileMode, temper: float) -> ProfileGrid:
    """Evaluate the posterior density, widening the range of widths until it holds the mass.

    ``temper`` >= 1 divides the log likelihood: residuals that are correlated count less.
    """
    extent, edge = model.pixels.extent, min(model.pixels.size)
    if model.blur.free:
        middle = 0.5 * np.log(np.exp(2 * mode.log_width) * TANH_SPREAD + mode.blur**2)
        low, high = middle - 0.35, middle + 0.35
        bounds = (np.log(0.1 * edge), np.log(2 * extent))
    else:
        rest = mode.covariance[0, 0]
        for k, active in ((1, not model.blur.known), (2, model.sextic)):
            if active and mode.covariance[k, k] > 0:
                rest = rest - mode.covariance[0, k] ** 2 / mode.covariance[k, k]
        half = REACH * np.sqrt(temper * max(rest, 1e-8))
        low, high = mode.log_width - half, mode.log_width + half
        bounds = (np.log(1e-2 * edge), np.log(2 * extent))
    for _ in range(WIDENINGS):
        low, high = max(low, bounds[0]), min(high, bounds[1])
        axes = _axes(model, mode, low, high)
        density, fits = _density(model, mode, axes, temper)
        peak = density.max()
        below = peak - density[0].max() < FAINT and low > bounds[0]
        above = peak - density[-1].max() < FAINT and high < bounds[1]
        near = density.max(axis=(1, 2)) > peak - FAINT
        if not below and not above and near.sum() >= 6:
            break
        if not below and not above:
            kept = axes[0][near]
            spread = max(float(np.ptp(kept)), axes[0][1] - axes[0][0])
            low, high = kept[0] - 0.7 * spread, kept[-1] + 0.7 * spread
            continue
        span = high - low
        low, high = low - 0.6 * span * below, high + 0.6 * span * above
    return ProfileGrid(axes, density, fits)


def _density(
    model: ProfileModel, mode: ProfileMode, axes: tuple[Floats, ...], temper: float
) -> tuple[Floats, NodeFits]:
    """Log posterior density at the nodes; the arc and the linear numbers are integrated out."""
    grid = np.stack([axis.ravel() for axis in np.meshgrid(*axes, indexing="ij")])
    log_width, blur, log_shape = _physical(model, mode, grid)
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
    found = found + model.blur.log_density(blur)
    if not model.blur.free:
        found = found + _reference_prior(log_width, blur, model.pixels.size)
    if model.blur.free:
        found = found + 2 * grid[0]  # flat in width and blur, which are polar coordinates
    if model.sextic:
        found = found - 0.5 * ((log_shape - SEXTIC_PRIOR[0]) / SEXTIC_PRIOR[1]) ** 2
    found = np.where(np.isfinite(found), found, -np.inf)
    found = np.maximum(found - found.max(), -200.0)
    return found.reshape([axis.size for axis in axes]), fits


def _reference_prior(log_width: Floats, blur: Floats, edges: tuple[float, float]) -> Floats:
    """Log density by ln w: flat for walls wider than the blur, flat in w^2 for narrower ones.

    A picture shows the spread w^2 pi^2 / 12 + s^2 + edge^2 / 12, so that narrow walls act by
    their square: Jeffreys' prior of ln w falls as w^2 there.
    """
    own = TANH_SPREAD * np.exp(2 * log_width)
    return np.asarray(np.log(own / (own + blur**2 + max(edges) ** 2 / 12)))


def draw_profiles(
    model: ProfileModel, mode: ProfileMode, grid: ProfileGrid, temper: float, n_draws: int,
    generator: np.random.Generator,
) -> dict[str, Floats]:  # fmt: skip
    """Draw ln w, blur, ln Q from the density between the nodes, then everything else given them."""
    from scipy.interpolate import CubicSpline
    from scipy.ndimage import map_coordinates

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
    physical = _physical(model, mode, at)
    place = np.stack([
        np.zeros(n_draws) if axis.size == 1 else (at[k] - axis[0]) / (axis[1] - axis[0])
        for k, axis in enumerate(grid.axes)
    ])  # fmt: skip

    def read(values: Floats) -> Floats:
        shaped = values.reshape(grid.density.shape)
        return np.asarray(map_coordinates(shaped, place, order=1, mode="nearest"))

    n, k = model.pixels.values.size, grid.fits.answers.shape[1]
    if model.noise_sd is not None:
        noise = np.full(n_draws, model.noise_sd)
    else:
        noise = np.sqrt(read(grid.fits.squares) / generator.chisquare(max(n - k, 1), n_draws))
    answers = np.stack([read(np.ascontiguousarray(column)) for column in grid.fits.answers.T])
    root = _root(model, mode)
    answers += noise * np.sqrt(temper) * (root @ generator.standard_normal((k, n_draws)))
    return {
        "log_width": physical[0], "blur": physical[1], "log_shape": physical[2],
        "noise": noise, "linear": answers[: model.n_linear],
        "moves": answers[model.n_linear :] / answers[0],
    }  # fmt: skip


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
