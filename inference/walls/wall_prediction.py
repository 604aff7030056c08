"""Where walls will be: futures drawn from a fit, and their score against what was seen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, NotIdentified, as_generator, check_array, check_count
from physlearn.inference.fronts.wall_fronts import FrontModel, make_front
from physlearn.inference.fronts.wall_runs import WallRun, usable_runs
from physlearn.inference.walls.pinned_future import pinned_future
from physlearn.inference.walls.wall_future import WallForecast, WallFuture
from physlearn.one_thread import one_blas_thread
from physlearn.records import WallTrack
from physlearn.results import Fit

__all__ = ["hold_out_frames", "predict_walls"]

Floats = NDArray[np.float64]

ITERATIONS = 8
CONVERGED = 1e-4
MOST_ORIGINS = 6
SPEEDS = ("drive_mobility", "drive_velocity", "level_velocity")


def hold_out_frames(track: WallTrack, n_frames: int) -> tuple[WallTrack, WallTrack]:
    """Split a track into its first frames and its last ``n_frames``, identities kept.

    Parameters
    ----------
    track
        From `track_walls`.
    n_frames
        Frames to hold out; at least 3 must stay.

    Raises
    ------
    InputError
        If too few frames stay.

    Examples
    --------
    >>> from physlearn.datasets import make_wall_video, track_walls
    >>> seen, held = hold_out_frames(track_walls(make_wall_video(n_frames=6, rng=1).video), 2)
    >>> seen.n_frames, held.n_frames
    (4, 2)
    """
    n_frames = check_count("n_frames", n_frames, 1)
    first = track.n_frames - n_frames
    if n_frames < 1 or first < 3:
        raise InputError(
            f"n_frames must be from 1 to {track.n_frames - 3}, so that 3 frames stay; got "
            f"{n_frames}."
        )
    parts = []
    for low, high in ((0, first), (first, track.n_frames)):
        rows = track.table[(track.table["frame"] >= low) & (track.table["frame"] < high)]
        events = track.events[(track.events["frame"] >= low) & (track.events["frame"] < high)]
        metadata = dict(track.metadata)
        if "frame_shift_error" in metadata:
            metadata["frame_shift_error"] = list(metadata["frame_shift_error"])[low:high]
        parts.append(replace(
            track, table=rows.assign(frame=rows["frame"] - low),
            frame_times=track.frame_times[low:high], metadata=metadata,
            events=events.assign(frame=events["frame"] - low),
            drive=None if track.drive is None else track.drive[low:high],
        ))  # fmt: skip
    return parts[0], parts[1]


def predict_walls(
    fit: Fit,
    track: WallTrack,
    n_frames: int,
    *,
    drive: ArrayLike | None = None,
    times: ArrayLike | None = None,
    n_futures: int = 100,
    rng: int | np.random.Generator | None = None,
) -> WallForecast:
    """Draw futures of every wall that is in view in the last frame.

    Each future takes one draw of the fit's parameters and one draw of the wall's shape given all
    frames so far, and propagates it. What the law has missed so far is added: forecasts from
    earlier frames of the same film are compared with what came, and their excess error, of the
    wall as a whole and from point to point, widens the fan (nothing is added where there is none).

    Parameters
    ----------
    fit
        From `fit_wall_dynamics` of this track or of one like it; or with ``pinning=True`` of this
        track: then the wall goes on through drawn fields, and nothing else is added.
    track
        The frames seen so far.
    n_frames
        Frames ahead.
    drive
        Drive that acts from each future frame to the next, shape (n_frames,), as a track of them
        has it; up to the first of them the track's last value acts. None: that value goes on.
    times
        Times of the future frames, shape (n_frames,); None goes on with the usual interval.
    n_futures
        Futures to draw.
    rng
        Seed or generator.

    Returns
    -------
    WallForecast
        Futures by wall; ``quantiles``, ``table``, ``score(held_out_track)`` beside persistence and
        constant velocity.

    Raises
    ------
    InputError
        If an argument does not fit, or a drive level was never measured.
    NotIdentified
        If no usable wall reaches the last frame.

    Examples
    --------
    >>> from physlearn.datasets import make_wall_video, track_walls
    >>> from physlearn.inference import fit_wall_dynamics
    >>> seen, held = hold_out_frames(track_walls(make_wall_video(n_frames=8, rng=1).video), 2)
    >>> forecast = predict_walls(fit_wall_dynamics(seen, rng=1), seen, 2, drive=held.drive, rng=1)
    >>> forecast.values[0].shape[:2]
    (100, 2)
    """
    n_frames = check_count("n_frames", n_frames, 1)
    n_futures = check_count("n_futures", n_futures, 10)
    generator, _ = as_generator(rng)
    name, track = _agreeing(fit, track)
    design = _design(fit, track, name, drive, n_frames)
    ahead = _times(track, times, n_frames)
    errors = track.metadata.get("frame_shift_error", [0.0])
    shift_error = float(np.median(errors))
    if fit.attrs.get("law") == "pinning":
        when = np.concatenate([track.frame_times[-1:], ahead])
        force = design[track.n_frames - 1 :, 0]
        future = pinned_future(fit, when, force, n_futures, generator)
        return WallForecast(ahead, (future,), shift_error, track.unit)
    speeds = fit[name] if name == "level_velocity" else fit[name][:, None]
    known = "curvature_mobility" in fit.variables
    bend = fit["curvature_mobility"] if known else np.zeros(len(speeds))
    draws = np.column_stack([speeds, bend])
    runs = [run for run in usable_runs(track)[0] if run.frames[-1] == track.n_frames - 1]
    if not runs:
        raise NotIdentified("no wall that a front can describe reaches the last frame.")
    all_times = np.concatenate([track.frame_times, ahead])
    futures = []
    with one_blas_thread():
        for run in runs:
            chosen = draws[generator.integers(0, len(draws), n_futures)]
            spread = _missed(run, design, all_times, draws, n_frames)
            futures.append(_future(run, design, all_times, chosen, n_frames, spread, generator))
    return WallForecast(ahead, tuple(futures), shift_error, track.unit)


def _agreeing(fit: Fit, track: WallTrack) -> tuple[str, WallTrack]:
    """Name of the speeds, and the track with the drive of the fit where the fit had another."""
    names = [name for name in SPEEDS if isinstance(fit, Fit) and name in fit.variables]
    if not names or fit.attrs.get("subject") != "walls":
        raise InputError("fit must come from fit_wall_dynamics or fit_pinning_map.")
    if not isinstance(track, WallTrack):
        raise InputError(
            f"track must be a WallTrack (see track_walls); got {type(track).__name__}."
        )
    for what, here in (("unit", track.unit), ("time_unit", track.time_unit)):
        if fit.attrs.get(what, here) != here:
            raise InputError(
                f"the fit has the {what} {fit.attrs[what]!r} and the track {here!r}: convert one."
            )
    known = fit.idata["constant_data"] if "constant_data" in fit.idata.groups() else {}
    told = known["drive"].to_numpy() if "drive" in known else None
    if told is not None and told.size != track.n_frames:
        raise InputError(
            f"the fit was given a drive of {told.size} frames by hand, the track has "
            f"{track.n_frames}: put the drive into the track before the fit."
        )
    if told is not None:
        track = replace(track, drive=told)
    return names[0], track


def _design(
    fit: Fit, track: WallTrack, name: str, drive: ArrayLike | None, n_frames: int
) -> Floats:
    """Columns of speeds of all intervals, seen and to come, (n_seen + n_frames, n_columns)."""
    if name == "drive_velocity":
        return np.ones((track.n_frames + n_frames, 1))
    if track.drive is None:
        raise InputError("the fit has a drive and the track none: give a track with its drive.")
    ahead = np.full(n_frames, track.drive[-1])
    if drive is not None:
        ahead = check_array("drive", drive, shape=(n_frames,))
    force = np.concatenate([track.drive, ahead])
    if name == "drive_mobility":
        return np.asarray(force[:, None], dtype=np.float64)
    levels = fit.idata["posterior"]["drive_level"].to_numpy()
    nearest = np.abs(force[:, None] - levels).argmin(axis=1)
    off = np.abs(force - levels[nearest]) > 1e-6 * np.abs(levels).max()
    if off.any():
        raise InputError(
            f"drive has the level {force[off][0]:.4g}, whose velocity was never measured; the fit "
            f"knows {', '.join(f'{level:.4g}' for level in levels)}."
        )
    return np.asarray(nearest[:, None] == np.arange(levels.size), dtype=np.float64)


def _times(track: WallTrack, times: ArrayLike | None, n_frames: int) -> Floats:
    last = track.frame_times[-1]
    if times is None:
        usual = float(np.median(np.diff(track.frame_times)))
        return np.asarray(last + usual * np.arange(1, n_frames + 1), dtype=np.float64)
    ahead = check_array("times", times, shape=(n_frames,))
    if not (np.diff(np.concatenate([[last], ahead])) > 0).all():
        raise InputError("times must ascend and come after the track's last frame.")
    return np.asarray(ahead, dtype=np.float64)


def _settled(model: FrontModel, point: Floats) -> tuple[Floats, Floats, Floats]:
    """Shape given the parameters; how it follows them; a square root of its covariance."""
    model.settle_substeps(point)
    shape, n = model.first_shape(), point.size
    cost = float((model.residuals(point[None], shape[None]) ** 2).sum())
    for _ in range(ITERATIONS):
        residual, jacobian = model.linearize(point, shape)
        own = jacobian[:, n:]
        inner = np.linalg.inv(own.T @ own)
        move = inner @ (own.T @ residual)
        for fraction in (1.0, 0.5, 0.2):
            trial = shape + fraction * move
            after = float((model.residuals(point[None], trial[None]) ** 2).sum())
            if after < cost:
                break
        else:
            break
        gained, cost, shape = cost - after, after, trial
        if gained < CONVERGED * max(cost, 1.0):
            break
    follow = inner @ (own.T @ jacobian[:, :n])
    return shape, follow, np.linalg.cholesky(inner)


def _cut(run: WallRun, last: int) -> WallRun:
    """Return the run as it was known in frame ``last`` of it, to be followed to its end."""
    rows = run.frame <= last
    return replace(
        run, frame=run.frame[rows], time=run.time[rows], place=run.place[rows],
        value=run.value[rows], error=run.error[rows],
    )  # fmt: skip


def _grown(run: WallRun, n_frames: int) -> WallRun:
    return replace(run, frames=np.arange(run.frames[0], run.frames[-1] + 1 + n_frames))


def _future(
    run: WallRun, design: Floats, times: Floats, draws: Floats, n_frames: int, spread: Floats,
    generator: np.random.Generator,
) -> WallFuture:  # fmt: skip
    """Propagate drawn shapes with drawn parameters, and add what the law has missed."""
    model = make_front(_grown(run, n_frames), design, times)
    center = draws.mean(axis=0)
    shape, follow, root = _settled(model, center)
    noise = generator.standard_normal((len(draws), shape.size)) @ root.T
    shapes = shape - (draws - center) @ follow.T + noise
    values = model.fronts(draws, shapes)
    lost = ~np.isfinite(values).all(axis=(0, 2))
    values[:, lost] = values[:, [0]] if lost.all() else values[:, np.flatnonzero(~lost)[:1]]
    mean = model.fronts(center[None], shape[None])[:, 0]
    waves = _random_waves(len(draws), model.n_nodes, run.closed, generator)
    last = run.frames.size - 1
    coming = values[last + 1 : last + 1 + n_frames].transpose(1, 0, 2)
    # the shift's sd was learned from a few origins: Student's t
    shift = generator.standard_t(MOST_ORIGINS - 1, (len(draws), 1, 1)) * spread[0][None, :, None]
    coming = coming + shift + waves[:, None, :] * spread[1][None, :, None]
    back = max(last - 2, 0)
    speed = (mean[last] - mean[back]) / max(times[run.frames[last]] - times[run.frames[back]], 1e-9)
    ahead = times[run.frames[-1] + 1 : run.frames[-1] + 1 + n_frames] - times[run.frames[-1]]
    steady = mean[last] + ahead[:, None] * speed
    places = (
        2 * np.pi * np.arange(model.n_nodes) / model.n_nodes if run.closed
        else model.origin + model.node_spacing * np.arange(model.n_nodes)  # type: ignore[attr-defined]
    )  # fmt: skip
    return WallFuture(
        run.wall, run.closed, run.center, run.axes, places, coming, mean[last], steady,
        (float(run.place.min()), float(run.place.max())), int(lost.sum()),
    )  # fmt: skip


def _random_waves(count: int, n_nodes: int, closed: bool, generator: np.random.Generator) -> Floats:
    """Smooth random shapes of unit variance at every node: the longest waves but the mean."""
    waves = np.arange(1, 7)
    turn = (2 * np.pi if closed else np.pi) * np.arange(n_nodes) / n_nodes
    parts = [np.cos(np.outer(waves, turn)), np.sin(np.outer(waves, turn))] if closed else [
        np.cos(np.outer(waves, turn))
    ]  # fmt: skip
    basis = np.concatenate(parts)
    amplitude = np.concatenate([1.0 / waves] * len(parts))
    drawn = (generator.standard_normal((count, basis.shape[0])) * amplitude) @ basis
    return np.asarray(drawn / np.sqrt((amplitude**2 * 0.5).sum()), dtype=np.float64)


def _missed(run: WallRun, design: Floats, times: Floats, draws: Floats, n_frames: int) -> Floats:
    """Sds of what forecasts from earlier frames missed beyond their errors, (2, n_frames).

    First of the wall as a whole, then from point to point; fitted as growing with the time ahead.
    """
    n_seen = run.frames.size
    origins = np.unique(np.linspace(max(2, n_seen // 3), n_seen - 2, MOST_ORIGINS).astype(int))
    center = draws.mean(axis=0)
    scatter = np.linalg.cholesky(np.cov(draws.T) + 1e-300 * np.eye(draws.shape[1]))
    rows = []
    for origin in origins[origins >= 2]:
        known = _cut(run, origin)
        if np.unique(known.frame).size < 3:
            continue
        model = make_front(known, design, times)
        shape, follow, root = _settled(model, center)
        steps = 1e-2
        cases = np.concatenate([
            np.zeros((1, shape.size)), steps * root.T, -(steps * scatter.T) @ follow.T,
        ])  # fmt: skip
        points = np.concatenate([
            np.tile(center, (1 + shape.size, 1)), center + steps * scatter.T
        ])  # fmt: skip
        fronts = model.fronts(points, shape + cases)
        slopes = (fronts[:, 1:] - fronts[:, :1]) / steps
        whole = make_front(run, design, times)
        later = whole.run.frame[whole._order] > origin
        miss = (whole.values - whole._at_points(fronts[:, :1])[0])[later]
        gain = whole._at_points(slopes)[:, later]
        frames = whole.run.frame[whole._order][later]
        errors = 1.0 / whole.weights[later]
        for frame in np.unique(frames):
            pick = frames == frame
            mean_sd2 = (gain[:, pick].mean(axis=1) ** 2).sum() + (
                errors[pick] ** 2
            ).mean() / pick.sum()
            local = miss[pick] - miss[pick].mean()
            centred = gain[:, pick] - gain[:, pick].mean(axis=1, keepdims=True)
            local_sd2 = (centred**2).sum(axis=0).mean() + (errors[pick] ** 2).mean()
            ahead = times[run.frames[frame]] - times[run.frames[origin]]
            rows.append((ahead, miss[pick].mean() ** 2, mean_sd2, (local**2).mean(), local_sd2))
    last = times[run.frames[-1]]
    horizon = times[run.frames[-1] + 1 : run.frames[-1] + 1 + n_frames] - last
    if len(rows) < 2:
        return np.zeros((2, n_frames))
    table = np.array(rows)
    return np.array(
        [
            _growth(table[:, 0], table[:, 1] - table[:, 2], table[:, 2], horizon, len(origins)),
            _growth(
                table[:, 0], table[:, 3] - table[:, 4], table[:, 4], horizon, 10 * len(origins)
            ),
        ]
    )


def _growth(
    ahead: Floats, excess: Floats, usual: Floats, horizon: Floats, independent: int
) -> Floats:
    """Return the sd sqrt(D t^p) of the excess; none where it is within its own scatter."""
    best = (np.inf, 1.0, 0.0)
    # power 0: a law that misses the shape is off in the last frame already
    for power in (0.0, 0.25, 0.5, 1.0, 1.5, 2.0):
        shape = ahead**power
        weight = 1.0 / (usual + np.abs(excess).mean() * shape / shape.mean()) ** 2
        size = float((weight * shape * excess).sum() / (weight * shape * shape).sum())
        left = float((weight * (excess - size * shape) ** 2).sum())
        if left < best[0]:
            best = (left, power, size)
    ratio = float(((excess + usual) / usual).mean())
    if ratio < 1.0 + 2.0 * np.sqrt(2.0 / max(independent, 1)) or best[2] <= 0:
        return np.zeros(horizon.size)
    result: Floats = np.sqrt(best[2] * horizon ** best[1])
    return result
