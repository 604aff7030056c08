"""Closed walls as polar fronts: which can be used, and the front propagated in the fit."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from physlearn.lattice_models.walls.wall_front import (
    front_substeps,
    polar_geometry,
    propagate_polar_front,
)
from physlearn.records import WallTrack

__all__ = ["FrontModel", "WallRun", "area_rates", "shape_basis", "usable_runs"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

SHORTEST_RUN = 3
LEAST_FACING = 0.25
TOUCHING_WIDTHS = 4.0


@dataclass(frozen=True, slots=True, eq=False)
class WallRun:
    """One closed wall over consecutive frames, in polar form about a fixed centre.

    Attributes
    ----------
    wall
        Identity in the track.
    frames
        Shape (n,): consecutive frame numbers.
    center
        x, y.
    sign
        +1 when the positive domain is inside, -1 when it is outside.
    angles, radii, errors
        One array a frame: polar angle, radius and normal error (enlarged for error correlation).
    """

    wall: int
    frames: Integers
    center: Floats
    sign: int
    angles: list[Floats]
    radii: list[Floats]
    errors: list[Floats]

    @property
    def mean_radius(self) -> float:
        """Mean radius over all frames."""
        return float(np.mean([np.mean(radius) for radius in self.radii]))


def usable_runs(track: WallTrack) -> tuple[list[WallRun], dict[str, int]]:
    """Return the walls that a front can describe, and how many were left out for which reason."""
    left_out: dict[str, int] = {}
    runs: list[WallRun] = []
    width = float(track.metadata.get("wall_width", 0.0))
    touching = _touching(track.table, TOUCHING_WIDTHS * width)
    for wall in track.walls:
        rows = track.table[track.table["wall"] == wall]
        if not track.closed.get(wall, False):
            reason = "open (it ends at the edge of the view)"
        else:
            cuts = track.events.loc[track.events["wall"] == wall, "frame"].to_numpy()
            found, reason = _runs_of_wall(wall, rows, cuts, touching)
            runs += found
            if found:
                continue
        left_out[reason] = left_out.get(reason, 0) + 1
    return runs, left_out


def _touching(table: pd.DataFrame, gap: float) -> set[tuple[int, int]]:
    """(frame, wall) of walls that come closer to another wall than ``gap``."""
    result: set[tuple[int, int]] = set()
    if gap <= 0:
        return result
    for frame in np.unique(table["frame"].to_numpy()):
        rows = table[table["frame"] == frame]
        walls = rows["wall"].to_numpy()
        pairs = cKDTree(rows[["x", "y"]].to_numpy()).query_pairs(gap, output_type="ndarray")
        meet = walls[pairs[:, 0]] != walls[pairs[:, 1]]
        result |= {(int(frame), int(wall)) for wall in np.unique(walls[pairs[meet]])}
    return result


def _runs_of_wall(
    wall: int, rows: pd.DataFrame, cuts: Integers, touching: set[tuple[int, int]]
) -> tuple[list[WallRun], str]:
    frames = np.unique(rows["frame"].to_numpy())
    free = np.array(
        [frame for frame in frames if (int(frame), wall) not in touching], dtype=np.int64
    )
    if free.size < SHORTEST_RUN:
        short = "seen in fewer than 3 frames"
        return [], short if frames.size < SHORTEST_RUN else "too close to another wall"
    breaks = np.flatnonzero((np.diff(free) > 1) | np.isin(free[1:], cuts)) + 1
    runs = []
    for part in np.split(free, breaks):
        if part.size >= SHORTEST_RUN:
            run = _polar_run(wall, rows, part)
            if run is not None:
                runs.append(run)
    return runs, "not star-shaped, or cut short by merging and splitting"


def _polar_run(wall: int, rows: pd.DataFrame, frames: Integers) -> WallRun | None:
    use = rows[rows["frame"].isin(frames)]
    center = np.array([
        np.mean([_centroid(group, axis) for _, group in use.groupby("frame")]) for axis in ("x",
        "y")
    ])  # fmt: skip
    angles, radii, errors = [], [], []
    facing_all = []
    for frame in frames:
        group = use[use["frame"] == frame].sort_values("arc_length")
        offset = group[["x", "y"]].to_numpy() - center
        radius = np.hypot(*offset.T)
        normal = group[["normal_x", "normal_y"]].to_numpy()
        facing_all.append(np.einsum("ij,ij->i", offset, normal) / np.maximum(radius, 1e-9))
        spacing = np.median(np.diff(group["arc_length"].to_numpy()))
        correlation = group["error_correlation_length"].to_numpy() / max(spacing, 1e-9)
        angles.append(np.arctan2(offset[:, 1], offset[:, 0]))
        radii.append(radius)
        errors.append(group["normal_error"].to_numpy() * np.sqrt(np.maximum(correlation, 1.0)))
    facing = np.concatenate(facing_all)
    sign = 1 if np.median(facing) > 0 else -1
    if (sign * facing < LEAST_FACING).any():
        return None
    return WallRun(wall, frames, center, sign, angles, radii, errors)


def _centroid(group: pd.DataFrame, axis: str) -> float:
    """Middle of the extent: it does not depend on how dense the points are."""
    values = group[axis].to_numpy()
    return float(0.5 * (values.max() + values.min()))


@lru_cache(maxsize=64)
def shape_basis(n_angles: int, n_modes: int) -> Floats:
    """Constant, cosines and sines up to ``n_modes`` on the even angle grid, (n_angles, 2 n + 1)."""
    return _trigonometric(2 * np.pi * np.arange(n_angles) / n_angles, n_modes)


def _trigonometric(angles: Floats, n_modes: int) -> Floats:
    modes = np.arange(1, n_modes + 1)
    return np.concatenate(
        [
            np.ones((angles.size, 1)),
            np.cos(np.outer(angles, modes)),
            np.sin(np.outer(angles, modes)),
        ],
        axis=1,
    )


class FrontModel:
    """Residuals of one wall's points from a propagated front, and their derivatives.

    The parameters are ``(velocity per unit of drive, curvature mobility, shape coefficients)``.
    """

    def __init__(self, run: WallRun, drive: Floats, times: Floats) -> None:
        self.run = run
        self.times = times[run.frames]
        self.drive = run.sign * drive[run.frames][:-1]
        self.n_angles = 64 if run.mean_radius < 40 else 128
        self.n_modes = int(np.clip(round(0.6 * run.mean_radius), 4, 12))
        self.basis = shape_basis(self.n_angles, self.n_modes)
        # A point's radius on the model is a trigonometric interpolation between the grid's angles
        reach = self.n_angles // 3
        inverse = np.linalg.pinv(shape_basis(self.n_angles, reach))
        self.interpolators = [_trigonometric(angle, reach) @ inverse for angle in run.angles]
        self.weights = [1.0 / error for error in run.errors]
        self.substeps = 4
        self._frame_of_point = np.repeat(run.frames, [radius.size for radius in run.radii])
        self._shift_scale = run.sign * np.concatenate(self.weights)
        self.n_points = sum(radius.size for radius in run.radii)

    def first_shape(self) -> Floats:
        """Shape coefficients of the first frame by weighted least squares."""
        matrix = _trigonometric(self.run.angles[0], self.n_modes) * self.weights[0][:, None]
        ridge = 1e-6 * np.eye(matrix.shape[1]) * matrix.shape[0]
        shape: Floats = np.linalg.solve(
            matrix.T @ matrix + ridge, matrix.T @ (self.weights[0] * self.run.radii[0])
        )
        return shape

    def settle_substeps(self, drive_velocity: float, curvature_mobility: float) -> None:
        """Fix the number of time steps, so that derivatives are not disturbed by its changes."""
        smallest = min(float(radius.min()) for radius in self.run.radii)
        speed = float(np.abs(drive_velocity * self.drive).max())
        interval = float(np.diff(self.times).max())
        bound = 3 * abs(curvature_mobility)
        self.substeps = front_substeps(0.9 * smallest, speed, bound, interval, self.n_angles)

    def fronts(self, globals_: Floats, shapes: Floats) -> Floats:
        """Radii (n_frames, n_cases, n_angles) for globals (n_cases, 2) and shapes (n_cases, n)."""
        start = shapes @ self.basis.T
        legal = np.asarray((start > 0).all(axis=1))
        safe = np.where(legal[:, None], start, self.run.mean_radius)
        radii = propagate_polar_front(
            safe, globals_[:, :1] * self.drive, globals_[:, 1], self.times, substeps=self.substeps
        )
        radii[:, ~legal] = np.nan
        return radii

    def residuals(self, globals_: Floats, shapes: Floats) -> Floats:
        """Standardised distances of the points from the fronts, (n_cases, n_points)."""
        radii = self.fronts(globals_, shapes)
        stretch, _, _ = polar_geometry(radii)
        facing = radii / stretch
        parts = []
        for index, matrix in enumerate(self.interpolators):
            miss = self.run.radii[index] - radii[index] @ matrix.T
            parts.append(miss * (facing[index] @ matrix.T) * self.weights[index])
        return np.concatenate(parts, axis=1)

    def linearize(self, globals_: Floats, shape: Floats) -> tuple[Floats, Floats]:
        """Residuals (n_points,) and minus their derivatives (n_points, 2 + n_shape)."""
        size = 2 + shape.size
        scale = np.concatenate([
            [1e-4 * self.run.mean_radius / max(float(np.abs(self.drive).sum()), 1e-6)],
            [1e-4 * self.run.mean_radius**2 / float(self.times[-1] - self.times[0])],
            np.full(shape.size, 1e-4 * self.run.mean_radius),
        ])  # fmt: skip
        steps = np.diag(scale)
        point = np.concatenate([globals_, shape])
        # r(p) about the observed facing: the small change of the facing times the residual drops
        # out
        cases = np.concatenate([point[None], point + steps, point - steps])
        radii = self.fronts(cases[:, :2], cases[:, 2:])
        slopes = (radii[:, 1 : size + 1] - radii[:, size + 1 :]) / (2 * scale[:, None])
        stretch, _, _ = polar_geometry(radii[:, 0])
        facing = radii[:, 0] / stretch
        misses, jacobians = [], []
        for index, matrix in enumerate(self.interpolators):
            weight = (matrix @ facing[index]) * self.weights[index]
            misses.append((self.run.radii[index] - matrix @ radii[index, 0]) * weight)
            jacobians.append((matrix @ slopes[index].T) * weight[:, None])
        return np.concatenate(misses), np.concatenate(jacobians)

    def shift_effect(self, shifts: Floats) -> Floats:
        """Standardised move of the points when all walls of frame k shift by ``shifts[..., k]``."""
        result: Floats = shifts[..., self._frame_of_point] * self._shift_scale
        return result

    def shift_columns(self, n_frames: int) -> Floats:
        """Return the derivatives of `shift_effect`, (n_points, n_frames)."""
        columns = np.zeros((self.n_points, n_frames))
        columns[np.arange(self.n_points), self._frame_of_point] = self._shift_scale
        return columns

    def low_modes(self, residual: Floats) -> Floats:
        """Standardised residuals projected on the modes 0 to 2 of every frame, (n_frames, 5)."""
        result = []
        start = 0
        for angle in self.run.angles:
            part = residual[start : start + angle.size]
            start += angle.size
            columns, _ = np.linalg.qr(_trigonometric(angle, 2))
            result.append(columns.T @ part)
        return np.array(result)


def area_rates(run: WallRun, times: Floats) -> pd.DataFrame:
    """Mean normal velocity and mean curvature of a wall between frames, from exact integrals.

    Around a closed wall the mean of the curvature is 2 pi / perimeter, and the mean of the normal
    velocity is the change of the enclosed area over the perimeter. Columns: interval, velocity,
    velocity_error, curvature; signs as in a `WallTrack`.
    """
    n_modes = int(np.clip(round(0.6 * run.mean_radius), 4, 12))
    areas, variances, perimeters = [], [], []
    for angle, radius, error in zip(run.angles, run.radii, run.errors, strict=True):
        matrix = _trigonometric(angle, n_modes)
        weighted = matrix / error[:, None]
        information = weighted.T @ weighted + 1e-9 * np.eye(matrix.shape[1])
        shape = np.linalg.solve(information, weighted.T @ (radius / error))
        grid = shape @ shape_basis(256, n_modes).T
        stretch, _, _ = polar_geometry(grid)
        slope = 2 * np.pi * (grid @ shape_basis(256, n_modes)) / 256
        areas.append(np.pi * np.mean(grid**2))
        variances.append(slope @ np.linalg.solve(information, slope))
        perimeters.append(2 * np.pi * np.mean(stretch))
    span = np.diff(times[run.frames])
    length = 0.5 * (np.array(perimeters[1:]) + np.array(perimeters[:-1]))
    spread = np.sqrt(np.array(variances[1:]) + np.array(variances[:-1]))
    return pd.DataFrame({
        "wall": run.wall,
        "interval": run.frames[:-1],
        "velocity": run.sign * np.diff(areas) / (length * span),
        "velocity_error": spread / (length * span),
        "curvature": run.sign * 2 * np.pi / length,
    })  # fmt: skip
