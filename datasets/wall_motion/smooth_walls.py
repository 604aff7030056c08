"""Walls under a space-time prior whose strength the film itself tells."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from physlearn.checks import InputError, NotIdentified
from physlearn.datasets.wall_motion.smooth_geometry import wall_rows
from physlearn.datasets.wall_motion.space_time_grid import ROUGHLY, WallGrid, grid_modes, solve_grid
from physlearn.datasets.wall_motion.space_time_prior import (
    NAMES,
    InferredPrior,
    ModeData,
    WallPrior,
    infer_prior,
    infer_uniform,
    relative_speeds,
)
from physlearn.datasets.wall_motion.wall_points import (
    LEAST_POINTS,
    WallPoints,
    check_measured,
    crossing_grid,
    each_wall,
    pilot_grid,
)
from physlearn.one_thread import one_blas_thread
from physlearn.records import WallTrack

__all__ = ["smooth_walls"]

Floats = NDArray[np.float64]


def smooth_walls(track: WallTrack, *, strength: WallPrior | None = None) -> WallTrack:
    """Join the frames of each wall under a Gaussian space-time prior of inferred strength.

    Each wall is a stationary Gaussian process u(s, t) over a chart (height over a line; radius over
    the angle for closed walls): stiff along the wall, with a memory in time. Its strength maximises
    the marginal likelihood of the wall's points, modes integrated out by a Kalman filter; contours,
    normal velocities and curvatures are posterior means with posterior standard deviations.

    Parameters
    ----------
    track
        Walls as measured (``track_walls``), with independent errors from frame to frame.
    strength
        One prior for all walls; None infers each wall's own.

    Returns
    -------
    WallTrack
        Points on an even grid along each wall. Frames in which a wall is missing between its first
        and last one are filled in (``metadata["filled_frames"]``, wall -> frames).
        ``normal_velocity`` is the mean over the neighbouring frames; ``curvature`` and normals are
        those of the wall averaged along itself with a Gaussian of sd
        ``metadata["curvature_scale"]``.
        ``metadata["strengths"]``: wall -> number -> [value, low, high], 90 % intervals.
        Walls that no chart can hold stay as measured and are named in ``warnings``. As errors of
        neighbouring points and frames are now correlated, ``metadata["smoothed"]`` is True and fits
        refuse the track.

    Raises
    ------
    InputError
        If ``track`` is no WallTrack, is smoothed already, or its times do not ascend.
    NotIdentified
        If no wall can be smoothed.

    Notes
    -----
    Rasmussen and Williams, Gaussian Processes for Machine Learning (2006), chapters 2, 5 and
    appendix B (Markov processes).

    Examples
    --------
    >>> from physlearn.datasets import make_wall_video, smooth_walls, track_walls
    >>> track = track_walls(make_wall_video(n_frames=6, rng=1).video)
    >>> smooth = smooth_walls(track)
    >>> bool(smooth.table["normal_error"].median() < 0.6 * track.table["normal_error"].median())
    True
    """
    _check(track, strength)
    tables: list[pd.DataFrame] = []
    strengths: dict[str, object] = {}
    filled: dict[str, list[int]] = {}
    left: list[int] = []
    with one_blas_thread():
        for number, wall, rows in each_wall(track):
            if wall is None:
                left.append(number)
                tables.append(rows)
                continue
            smooth, found, missing = _smooth_wall(wall, strength, _scale(track, wall))
            tables.append(smooth)
            if found is not None:
                strengths[str(number)] = _as_numbers(found)
            if missing:
                filled[str(number)] = missing
    if len(left) == len(tables):
        raise NotIdentified(
            "track holds no wall that can be smoothed: all have fewer than "
            f"{LEAST_POINTS} points or turn back on themselves."
        )
    return _as_track(track, tables, strengths, filled, left, strength)


def _check(track: object, strength: object) -> None:
    measured = check_measured(track)
    if strength is not None and not isinstance(strength, WallPrior):
        raise InputError(
            f"strength must be a WallPrior or None (inferred); got {type(strength).__name__}."
        )
    if len(measured.table) and measured.table["normal_error"].max() <= 0:
        raise InputError(
            "track must have measured points: all its normal errors are 0, there is nothing to "
            "smooth."
        )


def _scale(track: WallTrack, wall: WallPoints) -> float:
    """Length along the wall over which normals and curvature are averaged."""
    return float(track.metadata.get("smoothing_length", 3.0 * wall.spacing))


def _smooth_wall(
    wall: WallPoints, strength: WallPrior | None, scale: float
) -> tuple[pd.DataFrame, InferredPrior | None, list[int]]:
    """Return the posterior rows of a wall, its strength where inferred, and the filled frames."""
    side = wall.chart.components(wall.points, wall.normals, wall.frames)[1].mean()
    grid = pilot_grid(wall)
    data = grid_modes(grid)
    found = infer_prior(data) if strength is None else None
    prior, uniform, speeds = _strength(data, strength, found)
    uniform = (uniform[0] * grid.shape[1] / len(data.waves), uniform[1])
    field = solve_grid(grid, prior, uniform, speeds, variances=False, close=ROUGHLY).height
    grid = crossing_grid(wall, grid, field)
    posterior = solve_grid(grid, prior, uniform, speeds)
    rows = wall_rows(
        grid, posterior, wall.chart, wall.times, _lateness(grid, wall), float(np.sign(side)), scale
    )
    rows.insert(1, "wall", wall.number)
    rows["frame"] += wall.first
    missing = np.flatnonzero(grid.frame_weight() == 0) + wall.first
    return rows, found, missing.tolist()


def _strength(
    data: ModeData, given: WallPrior | None, found: InferredPrior | None
) -> tuple[WallPrior, tuple[float, float], Floats]:
    """Return the prior, the uniform mode's own numbers, and the wall's relative speeds."""
    if found is not None:
        return found.prior, found.uniform, found.speeds
    assert given is not None  # noqa: S101 -- for the type checker
    uniform = infer_uniform(data, True)
    return given, uniform, relative_speeds(data, uniform)


def _lateness(grid: WallGrid, wall: WallPoints) -> Floats:
    """Return how much later than its frame each node was scanned, (n_frames, n_nodes)."""
    late = np.zeros(grid.shape)
    if not wall.late.any():
        return late
    total = grid.gather(grid.weight * wall.late)
    seen = grid.lumped > 0
    frames = np.arange(grid.shape[0])
    for node in np.flatnonzero(seen.any(axis=0)):
        known = np.flatnonzero(seen[:, node])
        late[:, node] = np.interp(frames, known, total[known, node] / grid.lumped[known, node])
    return late


def _as_numbers(found: InferredPrior) -> dict[str, object]:
    values = [getattr(found.prior, name) for name in NAMES]
    numbers: dict[str, object] = {
        name: [float(value), float(low), float(high)]
        for name, value, low, high in zip(NAMES, values, found.low, found.high, strict=True)
    }
    numbers["motion"] = "gliding" if found.prior.gliding else "diffusing"
    return numbers


def _as_track(
    track: WallTrack,
    tables: list[pd.DataFrame],
    strengths: dict[str, object],
    filled: dict[str, list[int]],
    left: list[int],
    strength: WallPrior | None,
) -> WallTrack:
    warnings = [*track.warnings, "smoothed: the errors of neighbouring points and frames are "
                "correlated, so fits of a law need the track as it was measured"]  # fmt: skip
    if left:
        warnings.append(
            f"walls {', '.join(map(str, left))} have fewer than {LEAST_POINTS} points or turn back "
            "on themselves: they stay as measured"
        )
    table = pd.concat(tables, ignore_index=True)
    table = table.sort_values(["frame", "wall"], kind="stable", ignore_index=True)
    spacing = float(track.metadata.get("point_spacing", 1.0))
    metadata = {
        **track.metadata, "smoothed": True, "strengths": strengths, "filled_frames": filled,
        "curvature_scale": float(track.metadata.get("smoothing_length", 3.0 * spacing)),
        "unsmoothed_walls": left, "strength_given": strength is not None,
    }  # fmt: skip
    return WallTrack(
        table, track.frame_times, unit=track.unit, time_unit=track.time_unit, events=track.events,
        drive=track.drive, drive_unit=track.drive_unit, closed=track.closed, kinds=track.kinds,
        metadata=metadata, warnings=tuple(warnings),
    )  # fmt: skip
