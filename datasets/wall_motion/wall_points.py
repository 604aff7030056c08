"""One wall of a track: its points, its chart, and its points laid on a grid."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from physlearn.checks import InputError
from physlearn.datasets.wall_motion.space_time_charts import PolarChart, WallChart, choose_chart
from physlearn.datasets.wall_motion.space_time_grid import (
    ROUGHLY,
    WallGrid,
    grid_modes,
    make_grid,
    slope_along,
    solve_grid,
)
from physlearn.datasets.wall_motion.space_time_prior import infer_uniform, pilot_prior
from physlearn.records import WallTrack

__all__ = [
    "LEAST_POINTS",
    "WallPoints",
    "check_measured",
    "crossing_grid",
    "each_wall",
    "pilot_grid",
]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
LEAST_POINTS = 12
SMALLEST_ERROR = 1e-6
LEAST_FACING = 0.2
CROSSING_STEPS = 3
OUTLYING = 4.0
NEVER_OUTLYING = 0.25
"""Spacings within which no point lies off, however exact it is: the grid is no finer."""


@dataclass(frozen=True, slots=True, eq=False)
class WallPoints:
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
    chart: WallChart


def check_measured(track: object) -> WallTrack:
    """Return the track, or say why it holds no measured points to smooth."""
    if not isinstance(track, WallTrack):
        raise InputError(f"track must be a WallTrack; got {type(track).__name__}.")
    if track.metadata.get("smoothed"):
        raise InputError("track is smoothed already: give the track as it was measured.")
    backward = np.flatnonzero(np.diff(track.frame_times) <= 0)
    if backward.size:
        raise InputError(
            f"track.frame_times must ascend; frame {backward[0] + 1} is not after the one before: "
            "leave it out."
        )
    return track


def each_wall(track: WallTrack) -> Iterator[tuple[int, WallPoints | None, pd.DataFrame]]:
    """Yield number, points and rows of the walls; no points where too few or no chart fits."""
    keys = [track.table[name].to_numpy() for name in ("arc_length", "frame", "wall")]
    table = track.table.iloc[np.lexsort(keys)]
    numbers = table["wall"].to_numpy()
    ends = np.flatnonzero(np.diff(numbers)) + 1
    for start, stop in zip([0, *ends], [*ends, len(numbers)], strict=True):
        if stop > start:
            rows = table.iloc[start:stop]
            yield int(numbers[start]), _wall(track, rows), rows


def _wall(track: WallTrack, rows: pd.DataFrame) -> WallPoints | None:
    """Return the points of one wall with their errors; frames count from its first one."""
    if len(rows) < LEAST_POINTS:
        return None
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
    normals = rows[["normal_x", "normal_y"]].to_numpy()
    closed = track.closed.get(number, False)
    chart = choose_chart(points, normals, frames - first, times, closed)
    if chart is None:
        return None
    return WallPoints(
        number, first, frames - first, points, normals, error * np.sqrt(crowd),
        rows["time"].to_numpy() - track.frame_times[frames], times, shift[first : last + 1],
        closed, spacing, chart,
    )  # fmt: skip


def pilot_grid(wall: WallPoints) -> WallGrid:
    """Lay the points on a grid, taken where their normals cross a first estimate of the wall."""
    grid = first_grid(wall)
    data = grid_modes(grid)
    field = solve_grid(
        grid, pilot_prior(data), infer_uniform(data, True), np.ones(len(wall.times)),
        variances=False, close=ROUGHLY,
    ).height  # fmt: skip
    return crossing_grid(wall, grid, field)


def first_grid(wall: WallPoints) -> WallGrid:
    """Lay the grid over the points as they were measured."""
    along, height = wall.chart.place(wall.points, wall.frames)
    facing = wall.chart.components(wall.points, wall.normals, wall.frames)[1]
    return _grid(wall, along, height, facing, wall.spacing * _shrink(wall, along), None)


def _grid(
    wall: WallPoints,
    along: Floats,
    height: Floats,
    facing: Floats,
    spacing: float,
    ends: tuple[float, float] | None,
) -> WallGrid:
    period = 2 * np.pi * wall.chart.radius if isinstance(wall.chart, PolarChart) else None
    error = wall.error * np.maximum(np.abs(facing), LEAST_FACING)
    return make_grid(
        along, height, error**2, wall.frames, np.diff(wall.times, prepend=wall.times[0]),
        spacing=spacing, period=period, ends=ends,
        shift=wall.shift * float(np.median(np.abs(facing))),
    )  # fmt: skip


def crossing_grid(wall: WallPoints, grid: WallGrid, field: Floats) -> WallGrid:
    """Take the points where the lines along their normals cross an estimate of the wall.

    A point's error runs along its normal: on a slope it also displaces the point along the wall,
    so that its height would be compared with the wall beside it.
    """
    chart = wall.chart
    slope = slope_along(field, grid.closed) / grid.spacing
    step = np.zeros(len(wall.points))
    most = 4.0 * wall.error + 3.0 * wall.spacing
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
    # a point that lies off by far more than its error says counts as much as it lies off
    limit = np.maximum(OUTLYING * wall.error, NEVER_OUTLYING * wall.spacing)
    far = np.maximum(np.abs(step) / limit, 1.0)
    return _grid(wall, along, height - step * facing, facing * far, grid.spacing, ends)


def _shrink(wall: WallPoints, along: Floats) -> float:
    """Return spacing along the chart over spacing along the wall."""
    same = np.diff(wall.frames) == 0
    steps = np.abs(np.diff(along))[same]
    return float(np.clip(np.median(steps) / wall.spacing, 0.3, 1.0)) if steps.size else 1.0
