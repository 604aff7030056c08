"""Fronts propagated inside the likelihood: closed walls in polar form, open ones over a line."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse
from scipy.interpolate import BSpline

from physlearn.inference.fronts.line_kernels import propagate_lines
from physlearn.inference.fronts.wall_runs import WallRun
from physlearn.lattice_models.walls.wall_front import (
    front_substeps,
    polar_geometry,
    propagate_polar_front,
)

__all__ = ["FrontModel", "LineFront", "PolarFront", "area_rates", "make_front", "shape_basis"]

Floats = NDArray[np.float64]

MOST_NODES = 400
KNOT_SPACING = 4.0
KINK = 1.0
MARGIN = 0.15
LEAST_MARGIN = 10.0
FINER_FROM = 40.0  # spacings in the mean radius of a closed wall


@lru_cache(maxsize=64)
def shape_basis(n_angles: int, n_modes: int) -> Floats:
    """Constant, cosines and sines up to ``n_modes`` on the even angle grid, (n_angles, 2 n + 1)."""
    return _trigonometric(2 * np.pi * np.arange(n_angles) / n_angles, n_modes)


def _trigonometric(angles: Floats, n_modes: int) -> Floats:
    modes = np.outer(angles, np.arange(1, n_modes + 1))
    return np.concatenate([np.ones((angles.size, 1)), np.cos(modes), np.sin(modes)], axis=1)


class FrontModel:
    """Residuals of one wall's points from a propagated front, and their derivatives.

    The parameters are the speeds of the columns of ``design`` (velocity in interval k is
    ``design[k] @ speeds``), the curvature mobility, and the first shape's coefficients. A point
    seen between two frames (row times) is compared with the front between them. The last rows of
    the residuals are the prior of the shape; ``n_points`` rows come before them.
    """

    def __init__(self, run: WallRun, design: Floats, times: Floats) -> None:
        self.run = run
        late = run.time > times[run.frames[-1]] + 1e-12 * np.abs(times).max()
        self.times = times[run.frames]
        self.design = design[run.frames][:-1]
        if late.any():  # rows scanned after the last frame's time: follow the front that far
            beyond = max(float(run.time.max()), self.times[-1] + 1e-9)
            self.times = np.append(self.times, beyond)
            self.design = design[run.frames]
        self.n_points = run.value.size
        self.n_film = times.size
        last = max(self.times.size - 2, 0)
        steps = np.clip(np.searchsorted(self.times, run.time, side="right") - 1, 0, last)
        shares = (run.time - self.times[steps]) / np.diff(self.times)[steps]
        whole = np.abs(shares - np.rint(shares)) < 1e-9
        steps, shares = (
            np.where(whole & (shares > 0.5), steps + 1, steps),
            np.where(whole, 0, shares),
        )
        order = np.lexsort((run.frame, steps))
        self._order = order
        self.weights = 1.0 / run.error[order]
        self.values = run.value[order]
        self._shares = shares[order]
        self._frame_of_point = run.frames[run.frame[order]]
        self._step_of_point = steps[order]
        self.substeps = np.full(self.times.size - 1, 4, dtype=np.int64)

    def _lay_out(self, nodes_of: Any, prior: Floats) -> None:
        """Keep one interpolation matrix a group of points that share a step, and the prior."""
        place = self.run.place[self._order]
        groups = np.unique(self._step_of_point)
        self._groups = [(int(step), np.flatnonzero(self._step_of_point == step)) for step in groups]
        self._matrices = [nodes_of(place[rows]) for _, rows in self._groups]
        self.prior = prior
        self.n_shape = prior.shape[1]
        self.n_rows = self.n_points + prior.shape[0]

    # What a front of one kind must say
    basis: Floats
    n_nodes: int
    n_modes: int

    def fronts(self, globals_: Floats, shapes: Floats) -> Floats:
        """Values (n_frames, n_cases, n_nodes) for globals (n_cases, n) and shapes (n_cases, m)."""
        raise NotImplementedError

    def facing(self, values: Floats) -> Floats:
        """Cosine between the front's normal and the direction its value is measured along."""
        raise NotImplementedError

    def first_shape(self) -> Floats:
        """Shape coefficients of the first frame by penalised least squares."""
        first = self._frame_of_point == self._frame_of_point.min()
        rows = np.concatenate([
            matrix[first[rows]] @ self.basis
            for (_, rows), matrix in zip(self._groups, self._matrices, strict=True)
        ]) * self.weights[first][:, None]  # fmt: skip
        matrix = np.concatenate([rows, self.prior])
        target = np.concatenate([self.weights[first] * self.values[first], self._prior_target()])
        ridge = 1e-9 * np.eye(self.n_shape) * np.trace(matrix.T @ matrix) / self.n_shape
        shape: Floats = np.linalg.solve(matrix.T @ matrix + ridge, matrix.T @ target)
        return shape

    def _prior_target(self) -> Floats:
        return np.zeros(self.prior.shape[0])

    def settle_substeps(self, globals_: Floats) -> None:
        """Fix the number of time steps, so that derivatives are not disturbed by its changes."""
        raise NotImplementedError

    def _at_points(self, nodes: Floats) -> Floats:
        """Interpolate (n_frames, n_cases, n_nodes) to the points in place and time."""
        result = np.empty((nodes.shape[1], self.n_points))
        for (step, rows), matrix in zip(self._groups, self._matrices, strict=True):
            here = nodes[step] @ matrix.T
            share = self._shares[rows]
            if share.any():
                here = here + share * (nodes[step + 1] @ matrix.T - here)
            result[:, rows] = here
        return result

    def residuals(self, globals_: Floats, shapes: Floats) -> Floats:
        """Standardised distances of the points from the fronts, (n_cases, n_rows)."""
        values = self.fronts(globals_, shapes)
        miss = (self.values - self._at_points(values)) * self.weights
        miss *= self._at_points(self.facing(values))
        return np.concatenate([miss, self._prior_target() - shapes @ self.prior.T], axis=1)

    def global_steps(self, n_globals: int) -> Floats:
        """Return steps of the derivatives: they move a front by a ten-thousandth of itself."""
        span = float(self.times[-1] - self.times[0])
        pushes = np.abs(self.design * np.diff(self.times)[:, None]).sum(axis=0)
        speeds = self.run.size / np.maximum(pushes, 1e-3 * (pushes.max() or span))
        steps: Floats = 1e-4 * np.concatenate([speeds, [self.run.size**2 / span]])
        return steps[:n_globals]

    def linearize(self, globals_: Floats, shape: Floats) -> tuple[Floats, Floats]:
        """Residuals (n_rows,) and minus their derivatives (n_rows, n_globals + n_shape)."""
        n_globals = globals_.size
        own = np.full(shape.size, 1e-4 * self.run.size)
        scale = np.concatenate([self.global_steps(n_globals), own])
        steps = np.diag(scale)
        point = np.concatenate([globals_, shape])
        cases = np.concatenate([point[None], point + steps, point - steps])
        values = self.fronts(cases[:, :n_globals], cases[:, n_globals:])
        n = scale.size
        slopes = (values[:, 1 : n + 1] - values[:, n + 1 :]) / (2 * scale[:, None])
        # About the observed facing: the small change of the facing times the residual drops out
        weight = self._at_points(self.facing(values[:, :1]))[0] * self.weights
        miss = (self.values - self._at_points(values[:, :1])[0]) * weight
        jacobian = (self._at_points(slopes) * weight).T
        prior = np.concatenate([np.zeros((len(self.prior), n_globals)), self.prior], axis=1)
        residual = np.concatenate([miss, self._prior_target() - self.prior @ shape])
        return residual, np.concatenate([jacobian, prior])

    def shift_effect(self, shifts: Floats) -> Floats:
        """Standardised move of the rows when all walls of frame k shift by ``shifts[..., k]``."""
        moved = shifts[..., self._frame_of_point] * (self.run.sign * self.weights)
        none = np.zeros((*shifts.shape[:-1], len(self.prior)))
        return np.concatenate([moved, none], axis=-1)

    def shift_columns(self) -> Floats:
        """Return the derivatives of `shift_effect`, (n_rows, n_film) with the film's frames."""
        columns = np.zeros((self.n_rows, self.n_film))
        columns[np.arange(self.n_points), self._frame_of_point] = self.run.sign * self.weights
        return columns

    def low_modes(self, residual: Floats) -> Floats:
        """Standardised residuals projected on the longest waves of every frame, (n_frames, 5)."""
        place = self.run.place[self._order]
        if not self.run.closed:
            place = np.pi * (place - place.min()) / max(np.ptp(place), 1e-9)
        result = []
        for frame in np.unique(self._frame_of_point):
            rows = self._frame_of_point == frame
            if rows.sum() > 10:
                columns, _ = np.linalg.qr(_trigonometric(place[rows], 2))
                result.append(columns.T @ residual[: self.n_points][rows])
        return np.array(result).reshape(-1, 5)


class PolarFront(FrontModel):
    """A closed wall: radius over the angle about a fixed centre, spectral along it."""

    def __init__(self, run: WallRun, design: Floats, times: Floats) -> None:
        super().__init__(run, run.sign * design, times)
        self.n_nodes = 64 if run.size < FINER_FROM * run.spacing else 128
        self.n_modes = int(np.clip(round(0.6 * run.size / run.spacing), 4, 12))
        self.basis = shape_basis(self.n_nodes, self.n_modes)
        # A point's radius on the model is a trigonometric interpolation between the grid's angles
        reach = self.n_nodes // 3
        inverse = np.linalg.pinv(shape_basis(self.n_nodes, reach))
        prior = np.eye(2 * self.n_modes + 1) / (10.0 * run.size)
        self._lay_out(lambda angle: _trigonometric(angle, reach) @ inverse, prior)

    def settle_substeps(self, globals_: Floats) -> None:
        """See `FrontModel`."""
        smallest = 0.9 * float(self.values.min())
        speeds = np.abs(self.design @ globals_[:-1])
        bound = 3 * abs(float(globals_[-1]))
        self.substeps[:] = [
            front_substeps(smallest, float(speed), bound, float(interval), self.n_nodes)
            for speed, interval in zip(speeds, np.diff(self.times), strict=True)
        ]

    def fronts(self, globals_: Floats, shapes: Floats) -> Floats:
        """See `FrontModel`."""
        start = shapes @ self.basis.T
        legal = np.asarray((start > 0).all(axis=1))
        safe = np.where(legal[:, None], start, self.run.size)
        radii = propagate_polar_front(
            safe, globals_[:, :-1] @ self.design.T, globals_[:, -1], self.times,
            substeps=int(self.substeps.max()),
        )  # fmt: skip
        radii[:, ~legal] = np.nan
        return radii

    def facing(self, values: Floats) -> Floats:
        """See `FrontModel`."""
        stretch, _, _ = polar_geometry(values)
        return values / stretch


class LineFront(FrontModel):
    """An open wall: height over a straight line that goes on beyond the view, free at its ends."""

    def __init__(self, run: WallRun, design: Floats, times: Floats) -> None:
        super().__init__(run, design, times)
        low, high = run.extent
        self.node_spacing = max(run.spacing, (high - low) * (1 + 2 * MARGIN) / MOST_NODES)
        margin = max(MARGIN * (high - low), LEAST_MARGIN * self.node_spacing)
        self.n_nodes = int(np.ceil((high - low + 2 * margin) / self.node_spacing)) + 1
        self.origin = low - margin
        nodes = self.node_spacing * np.arange(self.n_nodes)
        n_knots = max(int(np.ceil(nodes[-1] / (KNOT_SPACING * self.node_spacing))), 2)
        knots = nodes[-1] * np.arange(-3, n_knots + 4) / n_knots
        self.basis = BSpline.design_matrix(
            np.minimum(nodes, nodes[-1] * (1 - 1e-12)), knots, 3
        ).toarray()
        self.n_modes = self.basis.shape[1]
        # A kink of one slope in one knot is a standard deviation: it binds where nothing is seen
        bends = np.diff(np.eye(self.n_modes), 2, axis=0) / (KINK * nodes[-1] / n_knots)
        level = np.eye(self.n_modes) / (1e3 * (high - low))
        self._lay_out(self._interpolate, np.concatenate([bends, level]))

    def _interpolate(self, place: Floats) -> Any:
        """Cubic interpolation from the nodes, (n_points, n_nodes)."""
        at = (place - self.origin) / self.node_spacing
        left = np.clip(np.floor(at).astype(int) - 1, 0, self.n_nodes - 4)
        f = at - left
        parts = np.stack([
            -(f - 1) * (f - 2) * (f - 3) / 6, f * (f - 2) * (f - 3) / 2,
            -f * (f - 1) * (f - 3) / 2, f * (f - 1) * (f - 2) / 6,
        ], axis=1)  # fmt: skip
        rows = np.repeat(np.arange(place.size), 4)
        columns = (left[:, None] + np.arange(4)).ravel()
        shape = (place.size, self.n_nodes)
        return sparse.csr_array((parts.ravel(), (rows, columns)), shape=shape)

    def settle_substeps(self, globals_: Floats) -> None:
        """See `FrontModel`."""
        speed = np.abs(self.design @ globals_[:-1])
        diffusive = 2.5 * 3 * abs(float(globals_[-1])) / self.node_spacing**2
        rate = np.maximum(diffusive, speed / self.node_spacing)
        counts = np.ceil(np.diff(self.times) * rate)
        self.substeps[:] = np.clip(counts, 2, 400).astype(np.int64)

    def fronts(self, globals_: Floats, shapes: Floats) -> Floats:
        """See `FrontModel`."""
        starts = np.ascontiguousarray(shapes @ self.basis.T)
        speeds = np.ascontiguousarray(globals_[:, :-1] @ self.design.T)
        frames = np.empty((self.times.size, *starts.shape))
        mobility = np.ascontiguousarray(globals_[:, -1])
        with np.errstate(all="ignore"):
            propagate_lines(
                starts, speeds, mobility, np.diff(self.times), self.substeps, self.node_spacing,
                frames,
            )  # fmt: skip
        return frames

    def facing(self, values: Floats) -> Floats:
        """See `FrontModel`."""
        slope = np.gradient(values, self.node_spacing, axis=-1)
        result: Floats = 1.0 / np.sqrt(1.0 + slope**2)
        return result


def make_front(run: WallRun, design: Floats, times: Floats) -> FrontModel:
    """Return the front model of a wall: polar for a closed one, over a line for an open one."""
    return (PolarFront if run.closed else LineFront)(run, design, times)


def area_rates(run: WallRun, times: Floats) -> pd.DataFrame:
    """Mean normal velocity and mean curvature of a closed wall between frames, exact integrals.

    Around a closed wall the mean of the curvature is 2 pi / perimeter, and the mean of the normal
    velocity is the change of the enclosed area over the perimeter. Columns: interval, velocity,
    velocity_error, curvature; signs as in a `WallTrack`. Intervals with a missing frame at either
    end are left out.
    """
    n_modes = int(np.clip(round(0.6 * run.size / run.spacing), 4, 12))
    frames, areas, variances, perimeters = np.unique(run.frame), [], [], []
    for frame in frames:
        rows = run.frame == frame
        weight = 1.0 / run.error[rows]
        matrix = _trigonometric(run.place[rows], n_modes) * weight[:, None]
        information = matrix.T @ matrix
        information += 1e-12 * np.trace(information) * np.eye(len(information))
        shape = np.linalg.solve(information, matrix.T @ (run.value[rows] * weight))
        grid = shape @ shape_basis(256, n_modes).T
        stretch, _, _ = polar_geometry(grid)
        slope = 2 * np.pi * (grid @ shape_basis(256, n_modes)) / 256
        areas.append(np.pi * np.mean(grid**2))
        variances.append(slope @ np.linalg.solve(information, slope))
        perimeters.append(2 * np.pi * np.mean(stretch))
    span = np.diff(times[run.frames][frames])
    length = 0.5 * (np.array(perimeters[1:]) + np.array(perimeters[:-1]))
    spread = np.sqrt(np.array(variances[1:]) + np.array(variances[:-1]))
    table = pd.DataFrame({
        "wall": run.wall,
        "interval": run.frames[frames][:-1],
        "velocity": run.sign * np.diff(areas) / (length * span),
        "velocity_error": spread / (length * span),
        "curvature": run.sign * 2 * np.pi / length,
    })  # fmt: skip
    result: pd.DataFrame = table[np.diff(frames) == 1].reset_index(drop=True)
    return result
