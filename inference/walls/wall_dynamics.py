"""Mobility and tension of walls from contours: front propagation inside the likelihood."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import (
    InputError,
    NotIdentified,
    as_generator,
    check_array,
    check_choice,
    check_count,
)
from physlearn.inference.fronts.wall_fronts import FrontModel, area_rates, make_front
from physlearn.inference.fronts.wall_runs import WallRun, usable_runs
from physlearn.inference.wall_laws.drive_laws import draw_law
from physlearn.inference.wall_laws.wall_drive import Scales, WallDrive, drive_design, scale_draws
from physlearn.inference.walls.wall_judgement import judge_walls
from physlearn.inference.walls.wall_posterior import WallOptimum, draw_parameters, optimize_walls
from physlearn.one_thread import one_blas_thread
from physlearn.records import WallTrack
from physlearn.results import Fit, fit_from_draws

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["fit_wall_dynamics"]

Floats = NDArray[np.float64]
logger = logging.getLogger(__name__)

LAWS = ("linear", "levels", "creep", "depinning")
PRIOR_REPEATED = 0.5
NONE_OF_IT = 1e-9
STRONG_PULL = 4.0
MAP_DRAWS = 60


def fit_wall_dynamics(
    data: WallTrack | xr.DataArray | NDArray[Any],
    *,
    drive: ArrayLike | None = None,
    flip_rate: float | None = None,
    law: str = "linear",
    tension: tuple[float, float] | None = None,
    drive_pressure: tuple[float, float] | None = None,
    pinning: bool = False,
    rng: int | np.random.Generator | None = None,
    n_draws: int = 4000,
) -> Fit:
    """Fit ``v_n = drive_mobility drive(t) - curvature_mobility curvature`` to walls.

    Every wall is a front that is propagated from a free first shape (integrated out): a radius
    over the angle where it closes, a height over a line where it ends at the edge of the view. The
    likelihood is that of the contour points of all frames, with their normal errors and row times.
    The track's ``normal_velocity`` is not used: it comes from the same noisy points.

    Parameters
    ----------
    data
        From `track_walls`; or a thresholded film of two values (time, y, x), which goes to
        `fit_binary_walls`.
    drive
        Drive that acts from a frame to the next, shape (n_frames,); None takes the track's. Where
        there is none, the velocity that the walls share, ``drive_velocity``, is fitted in its
        place.
    flip_rate
        Share of wrong pixels of a thresholded film; None infers it. Not for tracks.
    law
        ``linear`` in the drive; ``levels``: one velocity for each value of the drive; ``creep`` or
        ``depinning``: that law through the velocities of the levels (`fit_drive_law`); the draws
        of the levels do not assume the law, and are not paired with its own.
    tension, drive_pressure
        (value, sd) of the line tension (energy per length), or of the force per length of wall and
        per unit of drive, where one is known: only then can mobility and tension be told apart.
    pinning
        Infer the frozen pinning field that an open wall moves through (`fit_pinning_map`).
    rng
        Seed or generator of the draws.
    n_draws
        Posterior draws.

    Returns
    -------
    Fit
        Variables ``drive_mobility`` (length / time per unit of drive; or ``drive_velocity``, or
        ``level_velocity`` with the dimension drive_level, length / time) and
        ``curvature_mobility`` (mobility times tension, length^2 / time); those of the drive law;
        ``mobility``, ``tension`` and ``drive_pressure`` where a scale was given. ``diagnostics``:
        ``chi2_per_point``, ``low_mode_chi2`` (the same for the longest waves: moves that the law
        does not explain), ``excess_roughness``, ``pareto_k``, numbers of walls and points.

    Raises
    ------
    InputError
        If ``drive`` does not fit the track, or the track was smoothed.
    NotIdentified
        If no wall can be used, saying why; if the walls do not tell the parameters apart; or the
        levels do not fix the law.

    Notes
    -----
    Gauss-Newton on all shapes and parameters; the parameters' posterior is a Gaussian corrected by
    importance weights of the profile likelihood (Vehtari et al. 2024, J. Mach. Learn. Res. 25(72),
    for the Pareto k that judges them). Walls that touch, merge, or that no radius or height
    describes are left out and counted in ``warnings``; frames that miss a wall are bridged. A model
    that does not fit is flagged, its errors are not inflated.

    Examples
    --------
    >>> from physlearn.datasets import make_wall_video, track_walls
    >>> scene = make_wall_video(n_frames=6, rng=1)
    >>> fit = fit_wall_dynamics(track_walls(scene.video), rng=1)
    >>> low, high = fit.interval("drive_mobility")
    >>> bool(0.4 < low < high < 0.6)
    True
    """
    check_choice("law", law, LAWS)
    n_draws = check_count("n_draws", n_draws, 100)
    scales = Scales(tension, drive_pressure)
    if not isinstance(data, WallTrack):
        return _fit_film(data, drive, flip_rate, law, scales, pinning, rng, n_draws)
    if flip_rate is not None:
        raise InputError("flip_rate belongs to a thresholded film; a track has none: leave it out.")
    if data.metadata.get("smoothed"):
        raise InputError(
            "the track was smoothed: its points' errors depend on each other and its prior is not "
            "the law; fit the track that track_walls gave."
        )
    told = drive_design(data, drive, law)
    if pinning:
        from physlearn.inference.pinning.pinning_map import fit_pinning_map

        if scales.asked or law != "linear":
            raise InputError("pinning=True goes with law='linear' and no scale; drop the others.")
        return fit_pinning_map(data, drive=drive, n_draws=min(n_draws, MAP_DRAWS), rng=rng)
    with one_blas_thread():
        return _fit_track(data, told, drive, law, scales, rng, n_draws)


def _fit_film(
    data: Any, drive: ArrayLike | None, flip_rate: float | None, law: str, scales: Scales,
    pinning: bool, rng: int | np.random.Generator | None, n_draws: int,
) -> Fit:  # fmt: skip
    """Send a film of two values to its own fit, or say what is wrong with the data."""
    values = np.asarray(getattr(data, "values", data))
    finite = values[np.isfinite(values)] if values.dtype.kind == "f" else values
    numeric = values.dtype.kind in "biuf" and values.ndim == 3
    if not (numeric and np.isin(finite, (0, 1)).all()):
        raise InputError(
            "data must be a WallTrack (see track_walls) or a film (time, y, x) of the values 0 and "
            f"1; got {type(data).__name__} of shape {values.shape}."
        )
    if scales.asked or pinning:
        raise InputError(
            "tension, drive_pressure and pinning need a WallTrack; a thresholded film gives "
            "products only: leave them out."
        )
    from physlearn.inference.binary_walls.binary_walls import fit_binary_walls

    return fit_binary_walls(
        data, drive=drive, flip_rate=flip_rate, law=law, rng=rng, n_draws=n_draws
    )


def _fit_track(
    track: WallTrack, told: WallDrive, drive: ArrayLike | None, law: str, scales: Scales,
    rng: int | np.random.Generator | None, n_draws: int,
) -> Fit:  # fmt: skip
    """Fit the fronts, then the drive law and the scales; see `fit_wall_dynamics`."""
    generator, seed = as_generator(rng)
    runs, left_out = usable_runs(track)
    if not runs:
        reasons = "; ".join(f"{count} {reason}" for reason, count in left_out.items())
        raise NotIdentified(
            "the track holds no wall that can be followed over 3 frames "
            f"({reasons or 'no walls'}): take a longer film with whole walls in view."
        )
    texts = [f"left out: {count} wall(s), {reason}" for reason, count in left_out.items()]
    told, unseen = _seen_levels(told, runs)
    texts += unseen
    models = [make_front(run, told.design, track.frame_times) for run in runs]
    shift_sd = _shift_sd(track)
    prior_sd = _prior_sd(models)
    start, shapes = _first_guess(track, models, told)
    sds = np.concatenate([prior_sd, shift_sd])
    optimum = optimize_walls(models, start, shapes, sds)
    reason = _no_curvature(models, optimum, sds, told, scales)
    if reason:  # the curvature's share is set to none, which costs the speeds nothing
        texts.append(f"{reason}: curvature_mobility was left out (zero)")
        sds[prior_sd.size - 1] *= NONE_OF_IT
        start[-1] = 0.0
        optimum = optimize_walls(models, start, shapes, sds)
    draws, pareto_k = draw_parameters(
        models, optimum, sds[: prior_sd.size], shift_sd, generator, n_draws
    )
    diagnostics, doubts = judge_walls(models, optimum, pareto_k)
    texts += doubts
    speed = draws[:, :-1]
    named = {told.name: speed if told.levels.size else speed[:, 0]}
    if not reason:
        named["curvature_mobility"] = draws[:, -1]
    units = _units(track, told)
    if law in ("creep", "depinning"):
        found = draw_law(
            told.levels, speed.mean(axis=0), np.atleast_2d(np.cov(speed.T)), law, generator, n_draws
        )
        named.update(found.draws)
        units.update(_law_units(found.units, track))
        texts += found.warnings
        diagnostics["drive_law"] = found.diagnostics
    if scales.asked:
        units |= _scale_units(scales, units[told.name], track)
        named = scale_draws(named, scales, told.name, generator)
        texts.append("mobility and tension are told apart by the scale that was given, not by data")
    if not told.known:
        texts.append("no drive was given: drive_velocity is the velocity that the walls share")
    texts += [
        text for text in track.warnings if "no length scale" in text or "no time scale" in text
    ]
    flagged = any("law does not fit" in text for text in texts)
    verdict = "model inadequate: the interval is too narrow" if flagged else ""
    logger.info("wall dynamics: %d runs, %d points", len(runs), diagnostics["n_points"])
    first = told.name + {"drive_mobility": " * drive", "level_velocity": "[drive]"}.get(
        told.name, ""
    )
    return fit_from_draws(
        named,
        model=f"v_n = {first} - curvature_mobility * curvature",
        likelihood="normal distances of contour points to propagated fronts, Gaussian",
        approximation="shapes: Laplace; parameters: profile likelihood by importance weights",
        seed=seed,
        data=[track.table.to_numpy(dtype=float), track.frame_times, told.force],
        prior_sd={told.name: prior_sd[:-1] if told.levels.size else float(prior_sd[0]),
                  "curvature_mobility": float(prior_sd[-1])},
        units=units,
        dims={"level_velocity": ["drive_level"]} if told.levels.size else None,
        coords={"drive_level": told.levels.tolist()} if told.levels.size else None,
        diagnostics=diagnostics,
        warnings=texts,
        verdicts=dict.fromkeys(named, verdict) if verdict else {},
        attrs={"subject": "walls", "law": law, "time_unit": track.time_unit, "unit": track.unit},
        constants=None if drive is None else {"drive": told.force},
    )  # fmt: skip


def _seen_levels(told: WallDrive, runs: list[WallRun]) -> tuple[WallDrive, list[str]]:
    """Leave out the levels that acted while no usable wall was in view."""
    if not told.levels.size:
        return told, []
    used = np.zeros(told.levels.size, dtype=bool)
    for run in runs:
        used |= told.design[run.frames[:-1]].any(axis=0)
    if used.all():
        return told, []
    lost = ", ".join(f"{level:.4g}" for level in told.levels[~used])
    kept = WallDrive(
        told.design[:, used], told.name, told.levels[used], True, told.constant, told.force
    )
    return kept, [f"no usable wall was in view at the drive(s) {lost}"]


def _shift_sd(track: WallTrack) -> Floats:
    """Sd of the shift along the normals that all walls of a frame share (never quite zero)."""
    errors = track.metadata.get("frame_shift_error", [0.0] * track.n_frames)
    smallest = max(1e-4 * float(track.table["normal_error"].median()), 1e-9)
    given = check_array("frame_shift_error", errors, shape=(track.n_frames,))
    result: Floats = np.maximum(given, smallest)
    return result


def _units(track: WallTrack, told: WallDrive) -> dict[str, str]:
    speed = f"{track.unit}/{track.time_unit}"
    per = f"/{track.drive_unit}" if track.drive_unit not in ("", "1") else ""
    first = speed + (per if told.name == "drive_mobility" else "")
    return {told.name: first, "curvature_mobility": f"{track.unit}^2/{track.time_unit}"}


def _scale_units(scales: Scales, speed: str, track: WallTrack) -> dict[str, str]:
    """Units of mobility, tension and pressure, in those of the scale that was given."""
    if scales.tension is not None:
        per = f"/{track.drive_unit}" if track.drive_unit not in ("", "1") else ""
        return {
            "mobility": f"{track.unit}^2/{track.time_unit}/[tension]", "tension": "[tension]",
            "drive_pressure": f"[tension]/{track.unit}{per}",
        }  # fmt: skip
    return {
        "mobility": f"{speed}/[drive_pressure]", "drive_pressure": "[drive_pressure]",
        "tension": f"{track.unit}^2/{track.time_unit}/({speed})*[drive_pressure]",
    }  # fmt: skip


def _law_units(units: dict[str, str], track: WallTrack) -> dict[str, str]:
    known = {"velocity": f"{track.unit}/{track.time_unit}", "drive": track.drive_unit or "1"}
    return {name: known.get(unit, unit) for name, unit in units.items()}


def _prior_sd(models: list[FrontModel]) -> Floats:
    """Wide Gaussian priors: a wall that crosses, or a circle that vanishes, within one frame."""
    size = float(np.mean([model.run.size for model in models]))
    interval = float(np.median(np.concatenate([np.diff(model.times) for model in models])))
    design = np.concatenate([model.design for model in models])
    used = (design**2).sum(axis=0) / np.maximum((design != 0).sum(axis=0), 1)
    force = np.maximum(np.sqrt(used), 1e-12)
    return np.concatenate([size / interval / force, [size**2 / interval]])


def _first_guess(
    track: WallTrack, models: list[FrontModel], told: WallDrive
) -> tuple[Floats, list[Floats]]:
    """Globals by regression on the mean rates of every wall and interval; first shapes."""
    columns, values, weights = [], [], []
    for model in models:
        if model.run.closed:
            rate = area_rates(model.run, track.frame_times)
            index = rate["interval"].to_numpy()
            speed, error = rate["velocity"].to_numpy(), rate["velocity_error"].to_numpy()
            bend = rate["curvature"].to_numpy()
        else:
            index, speed, error = _height_rates(model.run, track.frame_times)
            bend = np.zeros(index.size)
        columns.append(np.column_stack([told.design[index], -bend]))
        values.append(speed)
        weights.append(1.0 / error)
    weight = np.concatenate(weights)
    matrix = np.concatenate(columns) * weight[:, None]
    usual = np.sqrt((matrix**2).sum(axis=0).mean())
    ridge = 1e-3 * usual * np.eye(matrix.shape[1])
    guess = np.concatenate([np.concatenate(values) * weight, np.zeros(len(ridge))])
    start, *_ = np.linalg.lstsq(np.concatenate([matrix, ridge]), guess, rcond=None)
    if not any(model.run.closed for model in models):
        interval = float(np.median(np.diff(track.frame_times)))
        start[-1] = 0.1 * min(model.run.spacing for model in models) ** 2 / interval
    return np.asarray(start, dtype=np.float64), [model.first_shape() for model in models]


def _height_rates(run: WallRun, times: Floats) -> tuple[NDArray[np.int64], Floats, Floats]:
    """Mean rise of an open wall between the frames that show it: interval, speed, error."""
    frames = np.unique(run.frame)
    ends = [(run.place[run.frame == f].min(), run.place[run.frame == f].max()) for f in frames]
    low, high = max(end[0] for end in ends), min(end[1] for end in ends)
    inside = (
        (run.place >= low) & (run.place <= high) if low < high else np.ones(len(run.place), bool)
    )
    means, errors = [], []
    for frame in frames:
        rows = inside & (run.frame == frame)
        means.append(run.value[rows].mean() if rows.any() else np.nan)
        errors.append(np.sqrt((run.error[rows] ** 2).sum()) / max(rows.sum(), 1))
    span = np.diff(times[run.frames][frames])
    speed = np.diff(means) / span
    spread = np.hypot(errors[1:], errors[:-1]) / span + 1e-12
    good = np.isfinite(speed) & (np.diff(frames) == 1)
    return run.frames[frames][:-1][good], speed[good], spread[good]


def _no_curvature(
    models: list[FrontModel], optimum: WallOptimum, sds: Floats, told: WallDrive, scales: Scales
) -> str:
    """Return why the curvature has no say, if so; refuse where nothing else has one either."""
    marginal, n = optimum.marginal, optimum.n_law
    if not np.isfinite(marginal).all():
        return ""
    scaled = np.linalg.pinv(marginal * np.outer(sds[:n], sds[:n]), hermitian=True)
    share = np.sqrt(np.maximum(np.diag(scaled), 0.0))
    # A straight wall stays straight under any tension
    lost = bool(share[-1] > PRIOR_REPEATED) or all(model.run.straight for model in models)
    if lost and (scales.asked or (share[:-1] > PRIOR_REPEATED).any()):
        what = "a constant drive" if told.constant else "the drive"
        raise NotIdentified(
            f"the walls do not tell {what} from the tension: take walls of several radii, or a "
            "drive that changes."
        )
    if lost:
        return "the walls are too straight to show the tension"
    # The data may pull it below zero, where fronts are unstable and there is nothing to draw
    pull = optimum.pull[n - 1] / np.sqrt(marginal[n - 1, n - 1])
    if optimum.globals[n - 1] <= 0 and pull < -STRONG_PULL:
        return "bends grow faster than any tension lets them (pinning or another law)"
    return ""
