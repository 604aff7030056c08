"""Mobility and tension of walls from contours: front propagation inside the likelihood."""

from __future__ import annotations

import logging

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, NotIdentified, as_generator, check_array
from physlearn.datasets.synthetic.synthetic_walls import SyntheticWalls
from physlearn.inference.walls.wall_fronts import FrontModel, area_rates, shape_basis, usable_runs
from physlearn.inference.walls.wall_posterior import WallOptimum, draw_parameters, optimize_walls
from physlearn.lattice_models.walls.wall_front import polar_geometry, propagate_polar_front
from physlearn.records import WallTrack
from physlearn.results import Fit, fit_from_draws

__all__ = ["fit_wall_dynamics", "wall_dynamics_bound"]

Floats = NDArray[np.float64]
logger = logging.getLogger(__name__)

LARGEST_PARETO_K = 0.7
INADEQUATE_SIGMA = 4.0
INADEQUATE_MARGIN = 1.15


def fit_wall_dynamics(
    track: WallTrack,
    *,
    drive: ArrayLike | None = None,
    rng: int | np.random.Generator | None = None,
    n_draws: int = 4000,
) -> Fit:
    """Fit ``v_n = drive_mobility drive(t) - curvature_mobility curvature`` to tracked walls.

    Every closed wall is a front that is propagated from a free first shape (Fourier modes,
    integrated out); the likelihood is that of the contour points of all frames, with their normal
    errors. The track's ``normal_velocity`` is not used: it comes from the same noisy points.

    Parameters
    ----------
    track
        From `track_walls`.
    drive
        Drive that acts from a frame to the next, shape (n_frames,); None takes the track's. Where
        there is none, the velocity that the walls share, ``drive_velocity``, is fitted in its
        place.
    rng
        Seed or generator of the draws.
    n_draws
        Posterior draws.

    Returns
    -------
    Fit
        Variables ``drive_mobility`` (length / time per unit of drive; or ``drive_velocity``,
        length / time) and ``curvature_mobility`` (mobility times tension, length^2 / time).
        ``diagnostics``: ``chi2_per_point``, ``low_mode_chi2`` (the same for the modes 0 to 2:
        moves that the law does not explain), ``excess_roughness``, ``pareto_k``, numbers of walls
        and points.

    Raises
    ------
    InputError
        If ``drive`` does not fit the track.
    NotIdentified
        If no wall can be used, saying why; or if the walls do not tell the two parameters apart.

    Notes
    -----
    Gauss-Newton on all shapes and both parameters; the parameters' posterior is a Gaussian
    corrected by importance weights of the profile likelihood (Vehtari et al. 2024, J. Mach. Learn.
    Res. 25(72), for the Pareto k that judges them). Walls that are open, touch, merge, or are not
    star-shaped are left out and counted in ``warnings``. A model that does not fit is flagged, its
    errors are not inflated.

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
            "the track holds no closed wall that can be followed over 3 frames "
            f"({reasons or 'no walls'}): "
            "take a film with whole domains in view."
        )
    models = [FrontModel(run, force, track.frame_times) for run in runs]
    shift_sd = _shift_sd(track)
    prior_sd = _prior_sd(models)
    start, shapes = _first_guess(track, models, force)
    optimum = optimize_walls(models, start, shapes, np.concatenate([prior_sd, shift_sd]))
    draws, pareto_k = draw_parameters(models, optimum, prior_sd, shift_sd, generator, n_draws)
    diagnostics, texts = _judge(models, optimum, pareto_k)
    texts += [f"left out: {count} wall(s), {reason}" for reason, count in left_out.items()]
    first = "drive_mobility" if known else "drive_velocity"
    units = _units(track, known)
    if not known:
        texts.append("no drive was given: drive_velocity is the velocity that the walls share")
    texts += [
        text for text in track.warnings if "no length scale" in text or "no time scale" in text
    ]
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
    given = check_array("frame_shift_error", errors, shape=(track.n_frames,))
    result: Floats = np.maximum(given, smallest)
    return result


def _units(track: WallTrack, known: bool) -> tuple[str, str]:
    speed = f"{track.unit}/{track.time_unit}"
    if known and track.drive_unit not in ("", "1"):
        speed += f"/{track.drive_unit}"
    return speed, f"{track.unit}^2/{track.time_unit}"


def _prior_sd(models: list[FrontModel]) -> Floats:
    """Wide Gaussian priors: a wall that crosses, or a circle that vanishes, within one frame."""
    radius = float(np.mean([model.run.mean_radius for model in models]))
    interval = float(np.median(np.concatenate([np.diff(model.times) for model in models])))
    force = max(
        float(np.sqrt(np.mean(np.concatenate([model.drive**2 for model in models])))), 1e-12
    )
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
    return np.asarray(start, dtype=np.float64), [model.first_shape() for model in models]


def _judge(
    models: list[FrontModel], optimum: WallOptimum, pareto_k: float
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
                f"the law does not fit: {what} scatter {np.sqrt(value):.1f} times their errors "
                "(pinning, "
                "thermal motion or another law); the intervals are too narrow"
            )
    if not pareto_k < LARGEST_PARETO_K:
        texts.append(
            f"the posterior is not near a Gaussian (Pareto k {pareto_k:.2f}): do not trust it"
        )
    if not optimum.converged:
        texts.append("the fit did not converge: do not trust the numbers")
    return diagnostics, texts


def wall_dynamics_bound(
    scene: SyntheticWalls, *, shape_modes: int | None = None
) -> dict[str, float]:
    """Smallest standard deviations that any unbiased estimator can reach on a planted wall film.

    The Cramer-Rao bound from the pixels: noise and profile known, first shapes free (as Fourier
    modes) and integrated out.

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
