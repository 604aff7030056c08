"""From displacements on a grid to contour points: normals, curvature, velocity, errors."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from physlearn.datasets.wall_motion.space_time_charts import PolarChart, WallChart
from physlearn.datasets.wall_motion.space_time_grid import (
    LEAST_WEIGHT,
    GridPosterior,
    WallGrid,
    from_modes,
    slope_along,
    to_modes,
)

__all__ = ["wall_rows"]


Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
CROSSING_STEPS = 3
LEAST_FACING = 0.2


def wall_rows(
    grid: WallGrid,
    posterior: GridPosterior,
    chart: WallChart,
    times: Floats,
    late: Floats,
    side: float,
    scale: float,
) -> pd.DataFrame:
    """Return the rows of a wall for the nodes that were seen (see ``WallTrack``)."""
    frames, count = grid.shape
    height = posterior.height + grid.middle
    stretch = _stretch(chart, height)
    damping = np.exp(-0.5 * (posterior.waves[:, None] * scale / stretch[None, :]) ** 2)
    modes = to_modes(height, grid.closed) * damping
    normals, curvature, facing = _geometry(grid, chart, modes, posterior.waves, side)
    spread = _spreads(posterior, damping, stretch, count)
    local = posterior.local
    elapsed = times[:, None] + late
    speed, speed_variance = _velocity(grid, posterior, elapsed, spread["step"])
    slope_variance = spread["slope"][:, None] * local
    # the direction of the normal is uncertain too: it turns the velocity that is read along it
    turning = speed**2 * (1 - facing**2) * facing**4 * slope_variance
    speed_error = np.sqrt(facing**2 * speed_variance + turning)
    bend_variance = facing**6 * spread["bend"][:, None] * local
    bend_variance += 9 * curvature**2 * facing**2 * (1 - facing**2) * slope_variance
    points = _points(chart, grid, height)
    along_normal = _normal_speed(chart, grid, height, points, normals, elapsed)
    steps = np.hypot(*np.moveaxis(np.diff(points, axis=1), 2, 0))
    arc = np.concatenate([np.zeros((frames, 1)), np.cumsum(steps, axis=1)], axis=1)
    seen = _seen(grid)
    frame, _ = np.nonzero(seen)
    first = np.array(
        [row[mask][0] if mask.any() else 0.0 for row, mask in zip(arc, seen, strict=True)]
    )
    columns = {
        "frame": frame,
        "time": elapsed[seen],
        "x": points[seen][:, 0],
        "y": points[seen][:, 1],
        "normal_x": normals[seen][:, 0],
        "normal_y": normals[seen][:, 1],
        "normal_error": (np.sqrt(spread["height"][:, None] * local) * facing)[seen],
        "error_correlation_length": (spread["reach"] * stretch)[frame],
        "arc_length": (arc - first[:, None])[seen],
        "curvature": curvature[seen],
        "normal_velocity": along_normal[seen],
        "normal_velocity_error": speed_error[seen],
        "curvature_error": np.sqrt(bend_variance)[seen],
    }
    if frames == 1:
        columns["normal_velocity"] = columns["normal_velocity_error"] = np.full(len(frame), np.nan)
    return pd.DataFrame(columns)


def _stretch(chart: WallChart, height: Floats) -> Floats:
    """Length along the wall per unit of the chart's coordinate, per frame."""
    if isinstance(chart, PolarChart):
        return np.asarray(height.mean(axis=1) / chart.radius)
    return np.ones(len(height))


def _points(chart: WallChart, grid: WallGrid, height: Floats) -> Floats:
    """Points (n_frames, n_nodes, 2)."""
    frames, count = grid.shape
    along = np.tile(grid.start + grid.spacing * np.arange(count), frames)
    index = np.repeat(np.arange(frames), count)
    return chart.rebuild(along, height.ravel(), index).reshape(frames, count, 2)


def _geometry(
    grid: WallGrid, chart: WallChart, modes: Floats, waves: Floats, side: float
) -> tuple[Floats, Floats, Floats]:
    """Return normals, curvature, and the normals' share along the direction of displacements."""
    smooth = from_modes(modes, grid.closed)
    bend = from_modes(-(waves[:, None] ** 2) * modes, grid.closed)
    along: Floats = grid.start + grid.spacing * np.arange(grid.shape[1], dtype=np.float64)
    slope = slope_along(smooth, grid.closed) / grid.spacing
    first, second, ray = chart.tangents(along, smooth, slope, bend)
    length = np.maximum(np.hypot(first[..., 0], first[..., 1]), 1e-300)
    normals = np.stack([first[..., 1], -first[..., 0]], axis=2) / length[..., None]
    facing = (normals * ray).sum(axis=2)
    if side * facing.mean() < 0:
        normals = -normals
    curvature = -(second * normals).sum(axis=2) / length**2
    return normals, curvature, np.abs(facing)


def _spreads(
    posterior: GridPosterior, damping: Floats, stretch: Floats, count: int
) -> dict[str, Floats]:
    """Variances of a node: displacement, its central difference, smoothed slope and bend."""
    waves = posterior.waves[:, None] / stretch[None, :]
    smooth = posterior.variances * damping**2
    height = posterior.variances.sum(axis=0) / count
    few = max(count // 64, 1)
    at_long_waves = posterior.variances[1 : 1 + few].mean(axis=0)
    step = abs(posterior.waves[1]) and np.pi / (count * posterior.waves[1])
    return {
        "height": height,
        "step": posterior.step_variances.sum(axis=0) / count,
        "slope": (smooth * waves**2).sum(axis=0) / count,
        "bend": (smooth * waves**4).sum(axis=0) / count,
        # the variance of a long mean over that of a point, per node
        "reach": at_long_waves / np.maximum(height, 1e-300) * step,
    }


def _velocity(
    grid: WallGrid, posterior: GridPosterior, elapsed: Floats, even: Floats
) -> tuple[Floats, Floats]:
    """Mean velocity across the chart between the neighbouring frames, and its variance."""
    frames = grid.shape[0]
    before = np.maximum(np.arange(frames) - 1, 0)
    after = np.minimum(np.arange(frames) + 1, frames - 1)
    span = elapsed[after] - elapsed[before]
    span = np.where(span > 0, span, np.inf)
    speed = (posterior.height[after] - posterior.height[before]) / span
    local = np.sqrt(posterior.local[after] * posterior.local[before])
    return speed, even[:, None] * local / span**2


def _normal_speed(
    chart: WallChart,
    grid: WallGrid,
    height: Floats,
    points: Floats,
    normals: Floats,
    elapsed: Floats,
) -> Floats:
    """Return mean velocities along the nodes' normals between the neighbouring frames.

    The distance along a normal is not that across the chart times its slope where the wall is
    curved and moves far.
    """
    frames, count = grid.shape
    flat, normal = points.reshape(-1, 2), normals.reshape(-1, 2)
    slope = slope_along(height, grid.closed) / grid.spacing
    own = np.repeat(np.arange(frames), count)
    reached = []
    for other in (np.maximum(own - 1, 0), np.minimum(own + 1, frames - 1)):
        step = np.zeros(len(flat))
        for _ in range(CROSSING_STEPS):
            there = flat + step[:, None] * normal
            along, across = chart.place(there, other)
            forward, outward = chart.components(there, normal, other)
            facing = outward - forward * grid.interpolate(slope, other, along)
            facing = np.where(np.abs(facing) < LEAST_FACING, np.sign(outward), facing)
            step = step + (grid.interpolate(height, other, along) - across) / facing
        reached.append(step.reshape(frames, count))
    before = np.maximum(np.arange(frames) - 1, 0)
    after = np.minimum(np.arange(frames) + 1, frames - 1)
    span = elapsed[after] - elapsed[before]
    return np.asarray((reached[1] - reached[0]) / np.where(span > 0, span, np.inf))


def _seen(grid: WallGrid) -> Mask:
    """Nodes to report: where points are, and in frames without any where both neighbours have."""
    level = LEAST_WEIGHT * grid.frame_weight()[:, None]
    seen = grid.lumped > np.maximum(level, 1e-300)
    known = np.flatnonzero(seen.any(axis=1))
    for frame in np.flatnonzero(~seen.any(axis=1)):
        place = int(np.searchsorted(known, frame))
        seen[frame] = seen[known[place - 1]] & seen[known[place]]
    return np.asarray(seen)
