"""The fit of tracked walls, step by step: fronts, the law's draws, the drive law, the words."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import NotIdentified, as_generator, check_array
from physlearn.inference.fronts.wall_fronts import FrontModel, area_rates, make_front
from physlearn.inference.fronts.wall_runs import WallRun, usable_runs
from physlearn.inference.wall_laws.drive_laws import LawPosterior, draw_law
from physlearn.inference.wall_laws.wall_drive import Scales, WallDrive, scale_draws
from physlearn.inference.wall_laws.wall_units import WallUnits
from physlearn.inference.walls.wall_judgement import (
    check_settled,
    doubts_of_draws,
    judge_walls,
    verdict_of,
)
from physlearn.inference.walls.wall_posterior import WallOptimum, draw_parameters, optimize_walls
from physlearn.records import WallTrack
from physlearn.results import Fit, fit_from_draws

__all__ = ["FittedFronts", "fit_fronts", "fit_track", "seen_levels", "usable_walls"]

Floats = NDArray[np.float64]
logger = logging.getLogger(__name__)

PRIOR_REPEATED = 0.5
NONE_OF_IT = 1e-9
STRONG_PULL = 4.0
FIRST = {"drive_mobility": "drive_mobility * drive", "level_velocity": "level_velocity[drive]"}


def fit_track(
    track: WallTrack, told: WallDrive, units: WallUnits, given: bool, law: str, scales: Scales,
    rng: int | np.random.Generator | None, n_draws: int,
) -> Fit:  # fmt: skip
    """Fit the fronts, then the drive law and the scales; see `fit_wall_dynamics`.

    ``given``: whether the drive is the caller's, and is kept in the result.
    """
    generator, seed = as_generator(rng)
    runs, left_out = usable_walls(track)
    told, unseen = seen_levels(told, runs)
    fronts = fit_fronts(track, runs, told, scales)
    draws, pareto_k = draw_parameters(
        fronts.models, fronts.optimum, fronts.prior_sd, fronts.shift_sd, generator, n_draws
    )
    diagnostics, doubts = judge_walls(fronts.models, fronts.optimum, pareto_k)
    check_settled(fronts.optimum, pareto_k, doubts)
    # What overrules the numbers comes first
    texts = [*doubts, *left_out, *unseen]
    speed = draws[:, :-1]
    named = {told.name: speed if told.levels.size else speed[:, 0]}
    named_units = units.of_law(told.name)
    if fronts.no_curvature:
        texts.append(f"{fronts.no_curvature}: curvature_mobility was left out (zero)")
    else:
        named["curvature_mobility"] = draws[:, -1]
    if law in ("creep", "depinning"):
        found = _law_of_levels(told, speed, law, unseen, generator, n_draws)
        named.update(found.draws)
        named_units |= units.of_drive_law(found.units)
        texts += found.warnings
        diagnostics["drive_law"] = found.diagnostics
    if scales.asked:
        named_units |= units.of_scales(told.name, by_tension=scales.tension is not None)
        named = scale_draws(named, scales, told.name, generator)
        texts.append("mobility and tension are told apart by the scale that was given, not by data")
    texts += doubts_of_draws(named)
    if not told.known:
        texts.append("no drive was given: drive_velocity is the velocity that the walls share")
    texts += [
        text for text in track.warnings if "no length scale" in text or "no time scale" in text
    ]
    verdict = verdict_of(texts)
    logger.info("wall dynamics: %d runs, %d points", len(runs), diagnostics["n_points"])
    levels = told.levels.size > 0
    prior_sd = fronts.prior_sd
    return fit_from_draws(
        named,
        model=f"v_n = {FIRST.get(told.name, told.name)} - curvature_mobility * curvature",
        likelihood="normal distances of contour points to propagated fronts, Gaussian",
        approximation="shapes: Laplace; parameters: profile likelihood by importance weights",
        seed=seed,
        data=[track.table.to_numpy(dtype=float), track.frame_times, told.force],
        prior_sd={told.name: prior_sd[:-1] if levels else float(prior_sd[0]),
                  "curvature_mobility": float(prior_sd[-1])},
        units=named_units,
        dims={"level_velocity": ["drive_level"]} if levels else None,
        coords={"drive_level": told.levels.tolist()} if levels else None,
        diagnostics=diagnostics,
        warnings=texts,
        verdicts=dict.fromkeys(named, verdict) if verdict else {},
        attrs={"subject": "walls", "law": law, "time_unit": track.time_unit, "unit": track.unit},
        constants={"drive": told.force} if given else None,
    )  # fmt: skip


def usable_walls(track: WallTrack) -> tuple[list[WallRun], list[str]]:
    """Return the walls that a front can hold, and what is left out; refuse where there is none."""
    runs, left_out = usable_runs(track)
    if not runs:
        reasons = "; ".join(f"{count} {reason}" for reason, count in left_out.items())
        raise NotIdentified(
            "the track holds no wall that a front can follow over 3 frames "
            f"({reasons or 'no walls'}): crop the film to walls that stay apart from each other "
            "and from the edge, or take one that shows whole walls in more frames."
        )
    return runs, [f"left out: {count} wall(s), {reason}" for reason, count in left_out.items()]


@dataclass(frozen=True, slots=True, eq=False)
class FittedFronts:
    """Fitted fronts: models, mode, prior sds of the law and of the shifts, why no curvature."""

    models: list[FrontModel]
    optimum: WallOptimum
    prior_sd: Floats
    shift_sd: Floats
    no_curvature: str


def fit_fronts(
    track: WallTrack, runs: list[WallRun], told: WallDrive, scales: Scales
) -> FittedFronts:
    """Find the mode; without the curvature where the walls say nothing of it."""
    models = [make_front(run, told.design, track.frame_times) for run in runs]
    shift_sd = _shift_sd(track, runs)
    prior_sd = _prior_sd(models)
    start, shapes = _first_guess(track, models, told)
    sds = np.concatenate([prior_sd, shift_sd])
    optimum = optimize_walls(models, start, shapes, sds)
    reason = _no_curvature(models, optimum, sds, told, scales)
    if reason:  # the curvature's share is set to none, which costs the speeds nothing
        sds[prior_sd.size - 1] *= NONE_OF_IT
        start[-1] = 0.0
        optimum = optimize_walls(models, start, shapes, sds)
    return FittedFronts(models, optimum, sds[: prior_sd.size], shift_sd, reason)


def _law_of_levels(
    told: WallDrive, speed: Floats, law: str, unseen: list[str], generator: np.random.Generator,
    n_draws: int,
) -> LawPosterior:  # fmt: skip
    """Draw the drive law; a refusal says which levels no wall was in view for."""
    try:
        return draw_law(
            told.levels, speed.mean(axis=0), np.atleast_2d(np.cov(speed.T)), law, generator, n_draws
        )
    except NotIdentified as refusal:
        if not unseen:
            raise
        raise NotIdentified(f"{str(refusal).rstrip('.')} ({'; '.join(unseen)}).") from None


def seen_levels(told: WallDrive, runs: list[WallRun]) -> tuple[WallDrive, list[str]]:
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


def _shift_sd(track: WallTrack, runs: list[WallRun]) -> Floats:
    """Sd of the shift along the normals that all walls of a frame share (never quite zero)."""
    errors = track.metadata.get("frame_shift_error", [0.0] * track.n_frames)
    smallest = 1e-4 * float(np.median(np.concatenate([run.error for run in runs])))
    given = check_array("frame_shift_error", errors, shape=(track.n_frames,))
    result: Floats = np.maximum(given, smallest)
    return result


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
    # each column has its own unit; one that no wall tells of is held at none
    usual = np.sqrt((matrix**2).sum(axis=0))
    ridge = 1e-3 * np.diag(np.where(usual > 0, usual, 1.0))
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
    spread = np.hypot(errors[1:], errors[:-1]) / span
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
