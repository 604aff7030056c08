"""Walls under a space-time prior whose strength the film itself tells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from physlearn.checks import InputError, NotIdentified
from physlearn.datasets.walls.smooth_geometry import wall_rows
from physlearn.datasets.walls.space_time_charts import WallChart, choose_chart
from physlearn.datasets.walls.space_time_grid import WallGrid, grid_modes, make_grid, slope_along, solve_grid
from physlearn.datasets.walls.space_time_prior import (
    NAMES,
    InferredPrior,
    ModeData,
    WallPrior,
    infer_prior,
    infer_uniform,
    relative_speeds,
    start_of,
)
from physlearn.one_thread import one_blas_thread
from physlearn.records import WallTrack

__all__ = ["smooth_walls"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
LEAST_POINTS = 12
SMALLEST_ERROR = 1e-6
LEAST_FACING = 0.2
CROSSING_STEPS = 3


@dataclass(frozen=True, slots=True, eq=False)
class _Wall:
    """Points of one wall, in the order of its frames, which count from 0."""

    number: int
    first: int
    frames: Integers
    points: Floats
    normals: Floats
    error: Floats
    late: Floats
    times: Floats
    shift: Floats
    closed: bool
    spacing: float


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
    tables, strengths, filled, left = [], {}, {}, []
    order = np.argsort(track.table["wall"].to_numpy(), kind="stable")
    table = track.table.iloc[order]
    numbers = table["wall"].to_numpy()
    ends = np.flatnonzero(np.diff(numbers)) + 1
    with one_blas_thread():
        for start, stop in zip([0, *ends], [*ends, len(numbers)], strict=True):
            rows = table.iloc[start:stop]
            wall = _wall(track, rows)
            chart = None
            if len(rows) >= LEAST_POINTS:
                chart = choose_chart(
                    wall.points, wall.normals, wall.frames, wall.times, wall.closed
                )
            if chart is None:
                left.append(wall.number)
                tables.append(rows)
                continue
            smooth, found, missing = _smooth_wall(wall, chart, strength, _scale(track, wall))
            tables.append(smooth)
            if found is not None:
                strengths[str(wall.number)] = _as_numbers(found)
            if missing:
                filled[str(wall.number)] = missing
    if len(left) == len(tables):
        raise NotIdentified(
            "track holds no wall that can be smoothed: all have fewer than "
            f"{LEAST_POINTS} points or turn back on themselves."
        )
    return _as_track(track, tables, strengths, filled, left, strength)


def _check(track: object, strength: object) -> None:
    if not isinstance(track, WallTrack):
        raise InputError(f"track must be a WallTrack; got {type(track).__name__}.")
    if strength is not None and not isinstance(strength, WallPrior):
        raise InputError(
            f"strength must be a WallPrior or None (inferred); got {type(strength).__name__}."
        )
    if track.metadata.get("smoothed"):
        raise InputError("track is smoothed already: give the track as it was measured.")
    backward = np.flatnonzero(np.diff(track.frame_times) <= 0)
    if backward.size:
        raise InputError(
            f"track.frame_times must ascend; frame {backward[0] + 1} is not after the one before: "
            "leave it out."
        )
    if len(track.table) and track.table["normal_error"].max() <= 0:
        raise InputError(
            "track must have measured points: all its normal errors are 0, there is nothing to "
            "smooth."
        )


def _wall(track: WallTrack, rows: pd.DataFrame) -> _Wall:
    """Return the points of one wall with their errors; frames count from its first one."""
    number = int(rows["wall"].iloc[0])
    frames = rows["frame"].to_numpy()
    first, last = int(frames.min()), int(frames.max())
    times = track.frame_times[first : last + 1]
    shift = np.asarray(track.metadata.get("frame_shift_error", np.zeros(track.n_frames)), float)
    points = rows[["x", "y"]].to_numpy()
    same = (np.diff(frames) == 0) & (np.diff(rows["arc_length"].to_numpy()) > 0)
    steps = np.hypot(*np.diff(points, axis=0).T)[same]
    spacing = float(np.median(steps)) if steps.size else 1.0
    # errors that neighbours share weigh as fewer points
    crowd = np.maximum(rows["error_correlation_length"].to_numpy() / spacing, 1.0)
    error = np.maximum(rows["normal_error"].to_numpy(), SMALLEST_ERROR * spacing)
    return _Wall(
        number, first, frames - first, points, rows[["normal_x", "normal_y"]].to_numpy(),
        error * np.sqrt(crowd), rows["time"].to_numpy() - track.frame_times[frames], times,
        shift[first : last + 1], track.closed.get(number, False), spacing,
    )  # fmt: skip


def _scale(track: WallTrack, wall: _Wall) -> float:
    """Length along the wall over which normals and curvature are averaged."""
    return float(track.metadata.get("smoothing_length", 3.0 * wall.spacing))


def _smooth_wall(
    wall: _Wall, chart: WallChart, strength: WallPrior | None, scale: float
) -> tuple[pd.DataFrame, InferredPrior | None, list[int]]:
    """Return the posterior rows of a wall, its strength where inferred, and the filled frames."""
    side = float(np.sign(chart.components(wall.points, wall.normals, wall.frames)[1].mean()))
    grid = _first_grid(wall, chart)
    data = grid_modes(grid)
    pilot, still = WallPrior(*start_of(data)), np.ones(len(wall.times))
    field = solve_grid(grid, pilot, infer_uniform(data, True), still, variances=False).height
    grid = _crossing_grid(wall, chart, grid, field)
    data = grid_modes(grid)
    found = infer_prior(data) if strength is None else None
    prior, uniform, speeds = _strength(data, strength, found)
    uniform = (uniform[0] * grid.shape[1] / len(data.waves), uniform[1])
    field = solve_grid(grid, prior, uniform, speeds, variances=False).height
    grid = _crossing_grid(wall, chart, grid, field)
    posterior = solve_grid(grid, prior, uniform, speeds)
    rows = wall_rows(grid, posterior, chart, wall.times, _lateness(grid, wall), side, scale)
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


def _first_grid(wall: _Wall, chart: WallChart) -> WallGrid:
    """Lay the grid over the points as they were measured."""
    along, height = chart.place(wall.points, wall.frames)
    facing = chart.components(wall.points, wall.normals, wall.frames)[1]
    return _grid(wall, chart, along, height, facing, wall.spacing * _shrink(wall, along), None)


def _grid(
    wall: _Wall, chart: WallChart, along: Floats, height: Floats, facing: Floats, spacing: float,
    ends: tuple[float, float] | None,
) -> WallGrid:
    error = wall.error * np.maximum(np.abs(facing), LEAST_FACING)
    return make_grid(
        along, height, error**2, wall.frames, np.diff(wall.times, prepend=wall.times[0]),
        spacing=spacing, period=2 * np.pi * chart.radius if chart.closed else None, ends=ends,
        shift=wall.shift * float(np.abs(facing).mean()),
    )  # fmt: skip


def _crossing_grid(wall: _Wall, chart: WallChart, grid: WallGrid, field: Floats) -> WallGrid:
    """Take the points where the lines along their normals cross an estimate of the wall.

    A point's error runs along its normal: on a slope it also displaces the point along the wall,
    so that its height would be compared with the wall beside it.
    """
    slope = slope_along(field, grid.closed) / grid.spacing
    step = np.zeros(len(wall.points))
    most = 4.0 * wall.error + wall.spacing
    for _ in range(CROSSING_STEPS):
        points = wall.points + step[:, None] * wall.normals
        along, height = chart.place(points, wall.frames)
        forward, across = chart.components(points, wall.normals, wall.frames)
        facing = across - forward * grid.interpolate(slope, wall.frames, along)
        facing = np.where(np.abs(facing) < LEAST_FACING, np.sign(across) * LEAST_FACING, facing)
        gap = grid.interpolate(field, wall.frames, along) + grid.middle - height
        step = np.clip(step + gap / facing, -most, most)
    points = wall.points + step[:, None] * wall.normals
    along, height = chart.place(points, wall.frames)
    ends = None if grid.closed else grid.ends
    return _grid(wall, chart, along, height - step * facing, facing, grid.spacing, ends)


def _shrink(wall: _Wall, along: Floats) -> float:
    """Return spacing along the chart over spacing along the wall."""
    same = np.diff(wall.frames) == 0
    steps = np.abs(np.diff(along))[same]
    return float(np.clip(np.median(steps) / wall.spacing, 0.3, 1.0)) if steps.size else 1.0


def _lateness(grid: WallGrid, wall: _Wall) -> Floats:
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
    track: WallTrack, tables: list[pd.DataFrame], strengths: dict[str, object],
    filled: dict[str, list[int]], left: list[int], strength: WallPrior | None,
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
