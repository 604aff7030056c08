"""The posterior of the wall law: Gauss-Newton, profile likelihood, importance weights."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from physlearn.checks import NotIdentified
from physlearn.inference.fronts.wall_fronts import FrontModel
from physlearn.inference.pareto_smoothing import smoothed_weights

__all__ = ["WallOptimum", "draw_parameters", "misfit_of_walls", "optimize_walls"]

Floats = NDArray[np.float64]

ITERATIONS = 12
CONVERGED = 1e-6
LEAST_EFFECTIVE_DRAWS = 20
HELD_MASS = 0.9987


@dataclass(frozen=True, slots=True, eq=False)
class WallOptimum:
    """The mode: globals (the law's, then the frames' shifts), shapes, information, gradient."""

    globals: Floats
    shapes: list[Floats]
    information: Floats
    jacobians: list[Floats]
    residuals: list[Floats]
    converged: bool
    n_law: int
    pull: Floats

    @property
    def marginal(self) -> Floats:
        """Information of the law's parameters, shapes and shifts integrated out."""
        n = self.n_law
        inside, cross = self.information[n:, n:], self.information[n:, :n]
        result: Floats = self.information[:n, :n] - cross.T @ np.linalg.solve(inside, cross)
        return result


def _miss(model: FrontModel, point: Floats, shape: Floats) -> Floats:
    """Standardised residuals of one wall, (n_rows,), at the law's parameters and the shifts."""
    n = point.size - model.n_film
    free = model.residuals(point[None, :n], shape[None])[0]
    result: Floats = free - model.shift_effect(point[n:])
    return result


def misfit_of_walls(
    models: list[FrontModel], point: Floats, shapes: list[Floats], prior_sd: Floats
) -> float:
    """Sum of squares of all residuals and priors: minus twice the log posterior's height."""
    total = float(((point / prior_sd) ** 2).sum())
    for model, shape in zip(models, shapes, strict=True):
        total += float((_miss(model, point, shape) ** 2).sum())
    return total if np.isfinite(total) else np.inf


def _linearize(model: FrontModel, point: Floats, shape: Floats) -> tuple[Floats, Floats, Floats]:
    """Residuals, derivatives by the globals (n_rows, n_law + n_frames), and by the shape."""
    n = point.size - model.n_film
    residual, jacobian = model.linearize(point[:n], shape)
    cross = np.concatenate([jacobian[:, :n], model.shift_columns()], axis=1)
    return residual - model.shift_effect(point[n:]), cross, jacobian[:, n:]


def optimize_walls(
    models: list[FrontModel],
    start: Floats,
    shapes: list[Floats],
    prior_sd: Floats,
) -> WallOptimum:
    """Gauss-Newton with backtracking; the shapes are eliminated wall by wall (Schur complement).

    The curvature's mobility stays above zero: below it a front's smallest waves grow without
    bounds and fit the noise.
    """
    n_law = start.size
    for model in models:
        model.settle_substeps(start)
    point = np.concatenate([start, np.zeros(prior_sd.size - n_law)])
    cost = misfit_of_walls(models, point, shapes, prior_sd)
    if not np.isfinite(cost):
        point[n_law - 1] = 0.0
        cost = misfit_of_walls(models, point, shapes, prior_sd)
    converged = False
    for _ in range(ITERATIONS):
        information = np.diag(prior_sd**-2.0)
        gradient = -point / prior_sd**2
        blocks, residuals, jacobians = [], [], []
        for model, shape in zip(models, shapes, strict=True):
            residual, cross, own = _linearize(model, point, shape)
            inner = np.linalg.inv(own.T @ own)
            gain = inner @ (own.T @ cross)
            free = cross - own @ gain
            information += free.T @ free
            gradient += free.T @ residual
            blocks.append((inner @ (own.T @ residual), gain))
            residuals.append(residual)
            jacobians.append(np.concatenate([cross, own], axis=1))
        here = WallOptimum(
            point, shapes, information, jacobians, residuals, converged, n_law, gradient
        )
        free = np.ones(point.size, dtype=bool)
        step = np.linalg.solve(information, gradient)
        if point[n_law - 1] + step[n_law - 1] < 0:
            free[n_law - 1] = False
            step[n_law - 1] = -point[n_law - 1]
            push = gradient - information[:, n_law - 1] * step[n_law - 1]
            step[free] = np.linalg.solve(information[np.ix_(free, free)], push[free])
        moves = [move - gain @ step for move, gain in blocks]
        for fraction in (1.0, 0.5, 0.25, 0.1, 0.02):
            trial = point + fraction * step
            bent = [shape + fraction * move for shape, move in zip(shapes, moves, strict=True)]
            after = misfit_of_walls(models, trial, bent, prior_sd)
            if after <= cost:
                break
        else:
            return replace(here, converged=float(gradient @ step) < 1e-3)
        gained, cost, point, shapes = cost - after, after, trial, bent
        if gained < CONVERGED * max(1.0, cost * 1e-3):
            return replace(here, globals=point, shapes=shapes, converged=True)
    return here


def draw_parameters(
    models: list[FrontModel],
    optimum: WallOptimum,
    prior_sd: Floats,
    shift_sd: Floats,
    generator: np.random.Generator,
    n_draws: int,
) -> tuple[Floats, float]:
    """Draws of the parameters: Gaussian, reweighted by the profile likelihood.

    Raises `NotIdentified` where the information is not finite and positive. Where hardly a draw
    carries weight the plain Gaussian's are given, with an infinite Pareto k.
    """
    marginal = optimum.marginal
    if not np.isfinite(marginal).all():
        raise NotIdentified(
            "the wall law makes a front collapse within the film, so it has no likelihood there: "
            "the walls move by another law."
        )
    values, vectors = np.linalg.eigh(marginal * np.outer(prior_sd, prior_sd))
    if not values[0] > 1e-12 * values[-1]:
        raise NotIdentified("the walls do not tell the drive from the curvature: take more radii.")
    n = optimum.n_law
    center = optimum.globals[:n]
    root = prior_sd[:, None] * vectors / np.sqrt(values)
    design = _spokes(n)
    points = center + design @ root.T
    legal = points[:, n - 1] >= 0
    design, points = design[legal], points[legal]
    profile = 0.5 * ((points / prior_sd) ** 2).sum(axis=1)
    profile += _profile(models, optimum, points, shift_sd)
    excess = profile - profile[0] - 0.5 * (design**2).sum(axis=1)
    if not np.isfinite(excess).all():
        return _gaussian_draws(center, root, generator, n_draws), float("inf")
    coefficients, *_ = np.linalg.lstsq(_polynomial(design), excess, rcond=None)
    # Proposals are wider than the Gaussian and held where the profile was evaluated
    wider = 1.1 if n == 2 else 1.0
    proposals = wider * generator.standard_normal((4 * n_draws, n))
    square = (proposals**2).sum(axis=1)
    inside = square < stats.chi2.ppf(HELD_MASS, n) * wider**2
    inside &= center[n - 1] + proposals @ root[n - 1] >= 0
    proposals, square = proposals[inside], square[inside]
    log_weight = -0.5 * square + 0.5 * square / wider**2 - _polynomial(proposals) @ coefficients
    smoothed, pareto_k = smoothed_weights(log_weight)
    effective = 1.0 / float((smoothed**2).sum())
    if not effective > LEAST_EFFECTIVE_DRAWS:
        return _gaussian_draws(center, root, generator, n_draws), float("inf")
    chosen = generator.choice(len(proposals), size=n_draws, p=smoothed)
    return center + proposals[chosen] @ root.T, pareto_k


def _gaussian_draws(
    center: Floats, root: Floats, generator: np.random.Generator, count: int
) -> Floats:
    """Draws of the plain Gaussian, where weights cannot correct it; the judge flags them."""
    drawn: Floats = center + generator.standard_normal((count, center.size)) @ root.T
    drawn[:, -1] = np.abs(drawn[:, -1])
    return drawn


def _spokes(n: int) -> Floats:
    """Points about the mode, in standard deviations, at which the profile is evaluated."""
    none = np.zeros((1, n))
    if n == 2:
        turns = np.arange(8) * np.pi / 4
        unit = np.stack([np.cos(turns), np.sin(turns)], axis=1)
        return np.concatenate([none, 1.25 * unit, 2.5 * unit])
    axes = np.concatenate([size * np.eye(n) for size in (-2.5, -1.25, 1.25, 2.5)])
    corners = [
        one * np.eye(n)[i] + other * np.eye(n)[j]
        for i, j in combinations(range(n), 2) for one in (-1.5, 1.5) for other in (-1.5, 1.5)
    ]  # fmt: skip
    return np.concatenate([none, axes, np.array(corners).reshape(-1, n)])


def _profile(
    models: list[FrontModel], optimum: WallOptimum, points: Floats, shift_sd: Floats
) -> Floats:
    """Half the smallest sum of squares over shapes and shifts, at every point."""
    n = optimum.n_law
    inside = optimum.information[n:, n:]
    follow = np.linalg.solve(inside, optimum.information[n:, :n])
    away = points - optimum.globals[:n]
    shifts: Floats = np.asarray(optimum.globals[n:] - away @ follow.T, dtype=np.float64)
    shapes: list[Floats] = []
    solvers: list[tuple[Floats, Floats]] = []
    for shape, jacobian in zip(optimum.shapes, optimum.jacobians, strict=True):
        cross, own = jacobian[:, : n + shift_sd.size], jacobian[:, n + shift_sd.size :]
        solve = np.asarray(np.linalg.solve(own.T @ own, own.T), dtype=np.float64)
        moved = np.concatenate([away, shifts - optimum.globals[n:]], axis=1)
        shapes.append(shape - moved @ (solve @ cross).T)
        solvers.append((solve, cross[:, n:] - own @ (solve @ cross[:, n:])))
    total = np.zeros(len(points))
    for last in (False, True):
        gradient = -shifts / shift_sd**2
        total = 0.5 * ((shifts / shift_sd) ** 2).sum(axis=1)
        misses = [
            model.residuals(points, shape) - model.shift_effect(shifts)
            for model, shape in zip(models, shapes, strict=True)
        ]
        total += sum(0.5 * (miss**2).sum(axis=1) for miss in misses)
        if last:
            break
        for miss, (_, free) in zip(misses, solvers, strict=True):
            gradient += miss @ free
        step = np.asarray(np.linalg.solve(inside, gradient.T).T, dtype=np.float64)
        for index, (model, (solve, _)) in enumerate(zip(models, solvers, strict=True)):
            shapes[index] = shapes[index] + (misses[index] - model.shift_effect(step)) @ solve.T
        shifts = shifts + step
    return total


def _polynomial(design: Floats) -> Floats:
    """Powers of the distances from the mode: all to the fourth, or along axes and pairs."""
    n = design.shape[1]
    if n == 2:
        x, y = design.T
        return np.column_stack([
            x, y, x * x, x * y, y * y, x**3, x * x * y, x * y * y, y**3,
            x**4, x**3 * y, x * x * y * y, x * y**3, y**4,
        ])  # fmt: skip
    columns = [design, design**2, design**3, design**4]
    for i, j in combinations(range(n), 2):
        x, y = design[:, i], design[:, j]
        columns.append(np.column_stack([x * y, x * x * y, x * y * y]))
    return np.concatenate(columns, axis=1)
