"""Mobility and tension of domain walls from their contours: front propagation inside the likelihood."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, NotIdentified, as_generator, check_array
from physlearn.datasets.synthetic_walls import SyntheticWalls
from physlearn.inference.wall_fronts import FrontModel, area_rates, shape_basis, usable_runs
from physlearn.lattice_models.wall_front import polar_geometry, propagate_polar_front
from physlearn.records import WallTrack
from physlearn.results import Fit, fit_from_draws

__all__ = ["fit_wall_dynamics", "wall_dynamics_bound"]

Floats = NDArray[np.float64]
logger = logging.getLogger(__name__)

ITERATIONS = 12
CONVERGED = 1e-6
LARGEST_PARETO_K = 0.7
INADEQUATE_SIGMA = 4.0
INADEQUATE_MARGIN = 1.15


@dataclass(frozen=True, slots=True, eq=False)
class _Optimum:
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


def fit_wall_dynamics(
    track: WallTrack,
    *,
    drive: ArrayLike | None = None,
    rng: int | np.random.Generator | None = None,
    n_draws: int = 4000,
) -> Fit:
    """Fit ``v_n = drive_mobility drive(t) - curvature_mobility curvature`` to tracked walls.

    Every closed wall is a front that is propagated from a free first shape (Fourier modes, integrated
    out); the likelihood is that of the contour points of all frames, with their normal errors. The
    track's ``normal_velocity`` is not used: it comes from the same noisy points.

    Parameters
    ----------
    track
        From `track_walls`.
    drive
        Drive that acts from a frame to the next, shape (n_frames,); None takes the track's. Where there
        is none, the velocity that the walls share, ``drive_velocity``, is fitted in its place.
    rng
        Seed or generator of the draws.
    n_draws
        Posterior draws.

    Returns
    -------
    Fit
        Variables ``drive_mobility`` (length / time per unit of drive; or ``drive_velocity``, length /
        time) and ``curvature_mobility`` (mobility times tension, length^2 / time). ``diagnostics``:
        ``chi2_per_point``, ``low_mode_chi2`` (the same for the modes 0 to 2: moves that the law does
        not explain), ``excess_roughness``, ``pareto_k``, numbers of walls and points.

    Raises
    ------
    InputError
        If ``drive`` does not fit the track.
    NotIdentified
        If no wall can be used, saying why; or if the walls do not tell the two parameters apart.

    Notes
    -----
    Gauss-Newton on all shapes and both parameters; the parameters' posterior is a Gaussian corrected by
    importance weights of the profile likelihood (Vehtari et al. 2024, J. Mach. Learn. Res. 25(72), for
    the Pareto k that judges them). Walls that are open, touch, merge, or are not star-shaped are left
    out and counted in ``warnings``. A model that does not fit is flagged, its errors are not inflated.

    Examples
    --------
    >>> from physlearn.datasets import make_wall_video, track_walls
    >>> scene = make_wall_video(n_frames=6, rng=1)
    >>> fit = fit_wall_dynamics(track_walls(scene.video), rng=1)
    >>> low, high = fit.interval("drive_mobility")
    >>> bool(0.4 < low < high < 0.6)
    True
    """
    generator, seed = as_generator(rng)
    if n_draws < 100:
        raise InputError(f"n_draws must be at least 100, got {n_draws}.")
    force, known = _drive_of(track, drive)
    runs, left_out = usable_runs(track)
    if not runs:
        reasons = "; ".join(f"{count} {reason}" for reason, count in left_out.items())
        raise NotIdentified(
            f"the track holds no closed wall that can be followed over 3 frames ({reasons or 'no walls'}): "
            "take a film with whole domains in view."
        )
    models = [FrontModel(run, force, track.frame_times) for run in runs]
    shift_sd = _shift_sd(track)
    prior_sd = _prior_sd(models)
    start, shapes = _first_guess(track, models, force)
    optimum = _optimize(models, start, shapes, np.concatenate([prior_sd, shift_sd]))
    draws, pareto_k = _draw(models, optimum, prior_sd, shift_sd, generator, n_draws)
    diagnostics, texts = _judge(models, optimum, pareto_k)
    texts += [f"left out: {count} wall(s), {reason}" for reason, count in left_out.items()]
    first = "drive_mobility" if known else "drive_velocity"
    units = _units(track, known)
    if not known:
        texts.append("no drive was given: drive_velocity is the velocity that the walls share")
    texts += [text for text in track.warnings if "no length scale" in text or "no time scale" in text]
    flagged = any("does not fit" in text for text in texts)
    verdict = "model inadequate: the interval is too narrow" if flagged else ""
    logger.info("wall dynamics: %d runs, %d points", len(runs), diagnostics["n_points"])
    return fit_from_draws(
        {first: draws[:, 0], "curvature_mobility": draws[:, 1]},
        model=f"v_n = {first}{' * drive' if known else ''} - curvature_mobility * curvature",
        likelihood="normal distances of contour points to propagated fronts, Gaussian",
        approximation="shapes: Laplace; parameters: profile likelihood by importance weights",
        seed=seed,
        data=[track.table.to_numpy(dtype=float), track.frame_times, force],
        prior_sd={first: float(prior_sd[0]), "curvature_mobility": float(prior_sd[1])},
        units={first: units[0], "curvature_mobility": units[1]},
        diagnostics=diagnostics,
        warnings=texts,
        verdicts={first: verdict, "curvature_mobility": verdict} if verdict else {},
    )


def _drive_of(track: WallTrack, drive: ArrayLike | None) -> tuple[Floats, bool]:
    given = track.drive if drive is None else drive
    if given is None:
        return np.ones(track.n_frames), False
    force = check_array("drive", given, shape=(track.n_frames,))
    if not force[:-1].any():
        raise NotIdentified("drive is zero in every frame: its mobility cannot show; leave it out.")
    return force, True


def _shift_sd(track: WallTrack) -> Floats:
    """Sd of the shift along the normals that all walls of a frame share (never quite zero)."""
    errors = track.metadata.get("frame_shift_error", [0.0] * track.n_frames)
    smallest = 1e-4 * float(track.table["normal_error"].median())
    return np.maximum(check_array("frame_shift_error", errors, shape=(track.n_frames,)), smallest)


def _units(track: WallTrack, known: bool) -> tuple[str, str]:
    speed = f"{track.unit}/{track.time_unit}"
    if known and track.drive_unit not in ("", "1"):
        speed += f"/{track.drive_unit}"
    return speed, f"{track.unit}^2/{track.time_unit}"


def _prior_sd(models: list[FrontModel]) -> Floats:
    """Wide Gaussian priors: a wall that crosses, or a circle that vanishes, within one frame."""
    radius = float(np.mean([model.run.mean_radius for model in models]))
    interval = float(np.median(np.concatenate([np.diff(model.times) for model in models])))
    force = max(float(np.sqrt(np.mean(np.concatenate([model.drive**2 for model in models])))), 1e-12)
    return np.array([radius / interval / force, radius**2 / interval])


def _first_guess(
    track: WallTrack, models: list[FrontModel], force: Floats
) -> tuple[Floats, list[Floats]]:
    """Globals by regression on the exact integrals of every wall and interval; first shapes."""
    rates = [area_rates(model.run, track.frame_times) for model in models]
    columns, values, weights = [], [], []
    for rate in rates:
        push = force[rate["interval"].to_numpy()]
        columns.append(np.column_stack([push, -rate["curvature"].to_numpy()]))
        values.append(rate["velocity"].to_numpy())
        weights.append(1.0 / rate["velocity_error"].to_numpy())
    weight = np.concatenate(weights)
    matrix = np.concatenate(columns) * weight[:, None]
    start, *_ = np.linalg.lstsq(matrix, np.concatenate(values) * weight, rcond=None)
    return start, [model.first_shape() for model in models]


def _miss(model: FrontModel, point: Floats, shape: Floats) -> Floats:
    """Standardised residuals of one wall, (n_points,), at two parameters and the frames' shifts."""
    free = model.residuals(point[None, :2], shape[None])[0]
    return free - model.shift_effect(point[2:])


def _cost(models: list[FrontModel], point: Floats, shapes: list[Floats], prior_sd: Floats) -> float:
    total = float(((point / prior_sd) ** 2).sum())
    for model, shape in zip(models, shapes, strict=True):
        total += float((_miss(model, point, shape) ** 2).sum())
    return total if np.isfinite(total) else np.inf


def _linearize(
    model: FrontModel, point: Floats, shape: Floats
) -> tuple[Floats, Floats, Floats]:
    """Residuals, derivatives by the globals (n_points, 2 + n_frames), and by the shape."""
    residual, jacobian = model.linearize(point[:2], shape)
    cross = np.concatenate([jacobian[:, :2], model.shift_columns(point.size - 2)], axis=1)
    return residual - model.shift_effect(point[2:]), cross, jacobian[:, 2:]


def _optimize(
    models: list[FrontModel], start: Floats, shapes: list[Floats], prior_sd: Floats
) -> _Optimum:
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
        here = _Optimum(point, shapes, information, jacobians, residuals, converged)
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


def _draw(
    models: list[FrontModel],
    optimum: _Optimum,
    prior_sd: Floats,
    shift_sd: Floats,
    generator: np.random.Generator,
    n_draws: int,
) -> tuple[Floats, float]:
    """Draws of the parameters: Gaussian, reweighted by how the profile likelihood departs from it."""
    values, vectors = np.linalg.eigh(optimum.marginal)
    if values[0] <= 0 or values[0] < 1e-12 * values[-1]:
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
    chosen = generator.choice(len(proposals), size=n_draws, p=smoothed)
    return center + proposals[chosen] @ root.T, pareto_k


def _profile(
    models: list[FrontModel], optimum: _Optimum, points: Floats, shift_sd: Floats
) -> Floats:
    """Half the smallest sum of squares over shapes and shifts, at every point."""
    inside = optimum.information[2:, 2:]
    follow = np.linalg.solve(inside, optimum.information[2:, :2])
    away = points - optimum.globals[:2]
    shifts = optimum.globals[2:] - away @ follow.T
    shapes, solvers = [], []
    for shape, jacobian in zip(optimum.shapes, optimum.jacobians, strict=True):
        cross, own = jacobian[:, : 2 + shift_sd.size], jacobian[:, 2 + shift_sd.size :]
        solve = np.linalg.solve(own.T @ own, own.T)
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
        step = np.linalg.solve(inside, gradient.T).T
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

    smoothed, shape = psislw(log_weight)
    weight = np.exp(np.asarray(smoothed) - np.max(smoothed))
    return weight / weight.sum(), float(shape)


def _judge(
    models: list[FrontModel], optimum: _Optimum, pareto_k: float
) -> tuple[dict[str, object], list[str]]:
    """How well the law fits, and what must be said about it."""
    residual = np.concatenate(optimum.residuals)
    n_shape = sum(shape.size for shape in optimum.shapes)
    freedom = max(residual.size - n_shape - 2, 1)
    chi2 = float((residual**2).sum()) / freedom
    low = np.concatenate([
        model.low_modes(part).ravel()
        for model, part in zip(models, optimum.residuals, strict=True)
    ])  # fmt: skip
    low_freedom = max(low.size - 5 * len(models) - 2, 1)
    low_chi2 = float((low**2).sum()) / low_freedom
    errors = np.concatenate([np.concatenate(model.run.errors) for model in models])
    excess = float(np.mean((residual**2 - freedom / residual.size) * errors**2))
    diagnostics: dict[str, object] = {
        "chi2_per_point": chi2,
        "low_mode_chi2": low_chi2,
        "excess_roughness": float(np.sqrt(max(excess, 0.0))),
        "pareto_k": pareto_k,
        "largest_frame_shift": float(np.abs(optimum.globals[2:]).max()),
        "converged": optimum.converged,
        "n_walls": len(models),
        "n_points": int(residual.size),
        "n_shape_modes": [model.n_modes for model in models],
    }
    texts = []
    for value, count, what in (
        (chi2, freedom, "the contour points"), (low_chi2, low_freedom, "the walls as a whole")
    ):  # fmt: skip
        if value > INADEQUATE_MARGIN + INADEQUATE_SIGMA * np.sqrt(2.0 / count):
            texts.append(
                f"the law does not fit: {what} scatter {np.sqrt(value):.1f} times their errors (pinning, "
                "thermal motion or another law); the intervals are too narrow"
            )
    if not pareto_k < LARGEST_PARETO_K:
        texts.append(f"the posterior is not near a Gaussian (Pareto k {pareto_k:.2f}): do not trust it")
    if not optimum.converged:
        texts.append("the fit did not converge: do not trust the numbers")
    return diagnostics, texts


def wall_dynamics_bound(scene: SyntheticWalls, *, shape_modes: int | None = None) -> dict[str, float]:
    """Smallest standard deviations that any unbiased estimator can reach on a planted wall film.

    The Cramer-Rao bound from the pixels: noise and profile known, first shapes free (as Fourier modes)
    and integrated out.

    Parameters
    ----------
    scene
        From `make_wall_video`.
    shape_modes
        Highest free mode of the first shapes; None takes the planted one.

    Returns
    -------
    dict
        Standard deviations of ``drive_mobility`` and ``curvature_mobility``, in pixels and frames.

    Raises
    ------
    InputError
        If the film was planted without noise.

    Examples
    --------
    >>> from physlearn.datasets import make_wall_video
    >>> bound = wall_dynamics_bound(make_wall_video(n_frames=6, rng=1))
    >>> 0 < bound["drive_mobility"] < bound["curvature_mobility"] < 0.2
    True
    """
    planted = scene.options
    if not planted.noise_sd > 0:
        raise InputError("scene was planted without noise: the bound is zero.")
    modes = planted.shape_modes if shape_modes is None else int(shape_modes)
    n_angles = scene.radii.shape[2]
    basis = shape_basis(n_angles, modes)
    times = np.arange(len(scene.radii), dtype=float)
    per_length = 4.0 / (3.0 * planted.wall_width_pixel * planted.noise_sd**2)
    truth = np.array([planted.drive_mobility, planted.curvature_mobility])
    information = np.zeros((2, 2))
    for radii in np.moveaxis(scene.radii, 1, 0):
        step = np.concatenate([[1e-4, 1e-4], np.full(basis.shape[1], 1e-3)])
        size = step.size
        moves = np.concatenate([np.diag(step), -np.diag(step)])
        fronts = propagate_polar_front(
            radii[0] + moves[:, 2:] @ basis.T,
            (truth[0] + moves[:, :1]) * scene.drive[:-1],
            truth[1] + moves[:, 1],
            times,
            substeps=8,
        )
        slopes = (fronts[:, :size] - fronts[:, size:]) / (2 * step[:, None])
        stretch, _, _ = polar_geometry(radii)
        weight = np.sqrt(per_length * stretch * 2 * np.pi / n_angles) * radii / stretch
        jacobian = (slopes * weight[:, None]).transpose(0, 2, 1).reshape(-1, size)
        cross, own = jacobian[:, :2], jacobian[:, 2:]
        free = cross - own @ np.linalg.lstsq(own, cross, rcond=None)[0]
        information += free.T @ free
    spread = np.sqrt(np.diag(np.linalg.inv(information)))
    return {"drive_mobility": float(spread[0]), "curvature_mobility": float(spread[1])}
