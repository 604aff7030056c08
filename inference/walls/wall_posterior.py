"""The posterior of the wall law: Gauss-Newton, profile likelihood, importance weights."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import NotIdentified
from physlearn.inference.walls.wall_fronts import FrontModel

__all__ = ["WallOptimum", "draw_parameters", "optimize_walls"]

Floats = NDArray[np.float64]

ITERATIONS = 12
CONVERGED = 1e-6
LEAST_EFFECTIVE_DRAWS = 20


@dataclass(frozen=True, slots=True, eq=False)
class WallOptimum:
    """The mode: globals (two parameters, then the shift of every frame), shapes, information."""

    globals: Floats
    shapes: list[Floats]
    information: Floats
    jacobians: list[Floats]
    residuals: list[Floats]
    converged: bool

    @property
    def marginal(self) -> Floats:
        """Information of the two parameters, shapes and shifts integrated out."""
        inside, cross = self.information[2:, 2:], self.information[2:, :2]
        result: Floats = self.information[:2, :2] - cross.T @ np.linalg.solve(inside, cross)
        return result


def _miss(model: FrontModel, point: Floats, shape: Floats) -> Floats:
    """Standardised residuals of one wall, (n_points,), at two parameters and the frames' shifts."""
    free = model.residuals(point[None, :2], shape[None])[0]
    result: Floats = free - model.shift_effect(point[2:])
    return result


def _cost(models: list[FrontModel], point: Floats, shapes: list[Floats], prior_sd: Floats) -> float:
    total = float(((point / prior_sd) ** 2).sum())
    for model, shape in zip(models, shapes, strict=True):
        total += float((_miss(model, point, shape) ** 2).sum())
    return total if np.isfinite(total) else np.inf


def _linearize(model: FrontModel, point: Floats, shape: Floats) -> tuple[Floats, Floats, Floats]:
    """Residuals, derivatives by the globals (n_points, 2 + n_frames), and by the shape."""
    residual, jacobian = model.linearize(point[:2], shape)
    cross = np.concatenate([jacobian[:, :2], model.shift_columns(point.size - 2)], axis=1)
    return residual - model.shift_effect(point[2:]), cross, jacobian[:, 2:]


def optimize_walls(
    models: list[FrontModel], start: Floats, shapes: list[Floats], prior_sd: Floats
) -> WallOptimum:
    """Gauss-Newton with backtracking; the shapes are eliminated wall by wall (Schur complement)."""
    for model in models:
        model.settle_substeps(*start)
    point = np.concatenate([start, np.zeros(prior_sd.size - 2)])
    cost = _cost(models, point, shapes, prior_sd)
    if not np.isfinite(cost):
        point[1] = 0.0
        cost = _cost(models, point, shapes, prior_sd)
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
        here = WallOptimum(point, shapes, information, jacobians, residuals, converged)
        step = np.linalg.solve(information, gradient)
        moves = [move - gain @ step for move, gain in blocks]
        for fraction in (1.0, 0.5, 0.25, 0.1, 0.02):
            trial = point + fraction * step
            bent = [shape + fraction * move for shape, move in zip(shapes, moves, strict=True)]
            after = _cost(models, trial, bent, prior_sd)
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

    Raises `NotIdentified` where the information is not finite and positive, or hardly a draw
    carries weight.
    """
    marginal = optimum.marginal
    if not np.isfinite(marginal).all():
        raise NotIdentified(
            "the wall law makes a front collapse within the film, so it has no likelihood there: "
            "the walls move by another law."
        )
    values, vectors = np.linalg.eigh(marginal)
    if not values[0] > 1e-12 * values[-1]:
        raise NotIdentified("the walls do not tell the drive from the curvature: take more radii.")
    center = optimum.globals[:2]
    root = vectors / np.sqrt(values)
    spokes = np.arange(8) * np.pi / 4
    unit = np.stack([np.cos(spokes), np.sin(spokes)], axis=1)
    design = np.concatenate([np.zeros((1, 2)), 1.25 * unit, 2.5 * unit])
    points = center + design @ root.T
    profile = 0.5 * ((points / prior_sd) ** 2).sum(axis=1)
    profile += _profile(models, optimum, points, shift_sd)
    excess = profile - profile[0] - 0.5 * (design**2).sum(axis=1)
    if not np.isfinite(excess).all():
        return center + generator.standard_normal((n_draws, 2)) @ root.T, float("inf")
    coefficients, *_ = np.linalg.lstsq(_polynomial(design), excess, rcond=None)
    # Proposals are wider than the Gaussian and held where the profile was evaluated
    proposals = 1.1 * generator.standard_normal((4 * n_draws, 2))
    proposals = proposals[(proposals**2).sum(axis=1) < 4.0**2]
    square = (proposals**2).sum(axis=1)
    log_weight = -0.5 * square + 0.5 * square / 1.1**2 - _polynomial(proposals) @ coefficients
    smoothed, pareto_k = _pareto_smooth(log_weight)
    effective = 1.0 / float((smoothed**2).sum())
    if not effective > LEAST_EFFECTIVE_DRAWS:
        raise NotIdentified(
            f"the posterior of the wall law rests on {effective:.0f} of {len(smoothed)} draws "
            "(a front collapses close by): it has no width that could be trusted."
        )
    chosen = generator.choice(len(proposals), size=n_draws, p=smoothed)
    return center + proposals[chosen] @ root.T, pareto_k


def _profile(
    models: list[FrontModel], optimum: WallOptimum, points: Floats, shift_sd: Floats
) -> Floats:
    """Half the smallest sum of squares over shapes and shifts, at every point."""
    inside = optimum.information[2:, 2:]
    follow = np.linalg.solve(inside, optimum.information[2:, :2])
    away = points - optimum.globals[:2]
    shifts: Floats = np.asarray(optimum.globals[2:] - away @ follow.T, dtype=np.float64)
    shapes: list[Floats] = []
    solvers: list[tuple[Floats, Floats]] = []
    for shape, jacobian in zip(optimum.shapes, optimum.jacobians, strict=True):
        cross, own = jacobian[:, : 2 + shift_sd.size], jacobian[:, 2 + shift_sd.size :]
        solve = np.asarray(np.linalg.solve(own.T @ own, own.T), dtype=np.float64)
        moved = np.concatenate([away, shifts - optimum.globals[2:]], axis=1)
        shapes.append(shape - moved @ (solve @ cross).T)
        solvers.append((solve, cross[:, 2:] - own @ (solve @ cross[:, 2:])))
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
    x, y = design.T
    return np.column_stack([
        x * x, x * y, y * y, x**3, x * x * y, x * y * y, y**3,
        x**4, x**3 * y, x * x * y * y, x * y**3, y**4,
    ])  # fmt: skip


def _pareto_smooth(log_weight: Floats) -> tuple[Floats, float]:
    from arviz import psislw

    smoothed, shape = psislw(log_weight)  # type: ignore[no-untyped-call]
    weight = np.exp(np.asarray(smoothed) - np.max(smoothed))
    return weight / weight.sum(), float(shape)
