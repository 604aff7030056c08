"""Walls of a thresholded film as chains of nodes that move by the law from a free first shape."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import BSpline

from physlearn.inference.binary_walls.binary_contours import FrontPiece
from physlearn.inference.binary_walls.binary_kernels import advance_chains

__all__ = ["ChainFront", "chain_geometry"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

NODE_SPACING = 1.2
LATE_SPACING = 3.5
KNOT_SPACING = 3.0
SMOOTHING_POINTS = 1.5
SHAPE_STEP = 1e-3
PARAMETER_STEP = 1e-3
BEND_SD, UNSEEN_BEND_SD, SHIFT_SD = 0.5, 4.0, 8.0


@dataclass(frozen=True, slots=True, eq=False)
class ChainFront:
    """One piece of wall: its first chain, the free shape of it, and the frames that it crosses.

    Attributes
    ----------
    closed
        Whether the chain is a loop.
    start, normals
        Shape (n_nodes, 2): first chain and its outward normals, pixels.
    basis
        Shape (n_nodes, n_shape): outward shift per shape coefficient.
    penalty
        Shape (n_shape, n_shape): prior precision of the shape.
    frames
        Frames in which the wall is compared with the pixels, increasing.
    span
        First and last frame.
    """

    closed: bool
    start: Floats
    normals: Floats
    basis: Floats
    penalty: Floats
    frames: Integers

    @classmethod
    def of(cls, piece: FrontPiece, margin: float) -> ChainFront:
        """Lay a chain along the first contour; an open one goes on ``margin`` pixels straight."""
        contour = piece.contours[0]
        points = _smoothed(contour.points, contour.closed)
        if not contour.closed:
            points = _extended(points, margin)
        longest = max(other.length for other in piece.contours)
        start = _evenly(
            points, contour.closed, min(NODE_SPACING, LATE_SPACING * contour.length / longest)
        )
        normals, _ = chain_geometry(start[None], contour.closed)
        basis, penalty = _shape_basis(start, contour.closed, 0.0 if contour.closed else margin)
        return cls(contour.closed, start, normals[0], basis, penalty, piece.frames)

    @property
    def n_nodes(self) -> int:
        """Nodes of the chain."""
        return len(self.start)

    @property
    def n_shape(self) -> int:
        """Shape coefficients."""
        return int(self.basis.shape[1])

    def chains(self, shapes: Floats, speeds: Floats, mobilities: Floats, times: Floats) -> Floats:
        """Propagate first shapes (n_chains, n_shape); nodes (n_frames of the piece, ...)."""
        first, last = int(self.frames[0]), int(self.frames[-1])
        start = self.start + (shapes @ self.basis.T)[:, :, None] * self.normals
        frames = np.empty((last - first + 1, *start.shape))
        advance_chains(
            np.ascontiguousarray(start),
            self.closed,
            np.ascontiguousarray(speeds[:, first:last]),
            mobilities,
            np.diff(times[first : last + 1]),
            frames,
        )
        result: Floats = frames[self.frames - first]
        return result

    def linearized(
        self, shape: Floats, parameters: Floats, design: Floats, times: Floats
    ) -> tuple[Floats, Floats]:
        """Nodes (n_frames, n_nodes, 2), and their outward shift per parameter and coefficient.

        ``parameters``: speeds per column of ``design`` (n_frames - 1, n_speeds), then the curvature
        mobility; the slopes have the shape (n_frames, n_nodes, n_parameters + n_shape).
        """
        n_parameters = parameters.size
        size = 1 + n_parameters + self.n_shape
        shapes = np.tile(shape, (size, 1))
        values = np.tile(parameters, (size, 1))
        step = np.full(size - 1, SHAPE_STEP)
        step[:n_parameters] = PARAMETER_STEP / self._reach(design, times)
        values[1 : 1 + n_parameters] += np.diag(step[:n_parameters])
        shapes[1 + n_parameters :] += np.diag(step[n_parameters:])
        chains = self.chains(shapes, values[:, :-1] @ design.T, values[:, -1].copy(), times)
        normals, _ = chain_geometry(chains[:, 0], self.closed)
        moved = chains[:, 1:] - chains[:, :1]
        slopes = np.einsum("fcnx,fnx->fnc", moved, normals) / step
        return np.ascontiguousarray(chains[:, 0]), slopes

    def _reach(self, design: Floats, times: Floats) -> Floats:
        """Pixels that the wall moves per unit of each parameter over the whole piece, roughly."""
        first, last = int(self.frames[0]), int(self.frames[-1])
        interval = np.diff(times[first : last + 1])
        travel = np.abs(design[first:last] * interval[:, None]).sum(axis=0)
        radius = float(np.hypot(*np.diff(self.start, axis=0).T).sum()) / (2 * np.pi)
        return np.append(np.maximum(travel, 1e-3), max(interval.sum() / radius, 1e-3))


def chain_geometry(chains: Floats, closed: bool) -> tuple[Floats, Floats]:
    """Outward normals (..., n, 2) and curvatures (..., n), positive where the inside bulges."""
    if closed:
        padded = np.concatenate([chains[..., -3:, :], chains, chains[..., :3, :]], axis=-2)
    else:
        before = 2 * chains[..., :1, :] - chains[..., 3:0:-1, :]
        after = 2 * chains[..., -1:, :] - chains[..., -2:-5:-1, :]
        padded = np.concatenate([before, chains, after], axis=-2)
    n = chains.shape[-2]

    def at(offset: int) -> Floats:
        result: Floats = padded[..., 3 + offset : 3 + offset + n, :]
        return result

    first = 0.75 * (at(1) - at(-1)) - 0.15 * (at(2) - at(-2)) + (at(3) - at(-3)) / 60
    second = 1.5 * (at(1) + at(-1)) - 0.15 * (at(2) + at(-2)) + (at(3) + at(-3)) / 90
    second -= 49 / 18 * at(0)
    stretch = np.hypot(first[..., 0], first[..., 1])
    normals = np.stack([first[..., 1], -first[..., 0]], axis=-1) / stretch[..., None]
    turn = first[..., 0] * second[..., 1] - first[..., 1] * second[..., 0]
    return normals, turn / stretch**3


def _smoothed(points: Floats, closed: bool) -> Floats:
    from scipy.ndimage import gaussian_filter1d

    smooth: Floats = gaussian_filter1d(
        points, SMOOTHING_POINTS, axis=0, mode="wrap" if closed else "nearest"
    )
    if not closed:
        smooth[:3], smooth[-3:] = points[:3], points[-3:]
    return smooth


def _extended(points: Floats, margin: float) -> Floats:
    """Continue both ends straight on, in the direction of the last eight points."""
    count = max(int(margin), 1)
    reach = min(8, len(points) - 1)
    pieces = []
    for end, inner in ((points[0], points[reach]), (points[-1], points[-1 - reach])):
        direction = (end - inner) / max(float(np.hypot(*(end - inner))), 1e-9)
        pieces.append(end + np.arange(1, count + 1)[:, None] * direction)
    return np.concatenate([pieces[0][::-1], points, pieces[1]])


def _evenly(points: Floats, closed: bool, spacing: float) -> Floats:
    """Resample a line at even distances with a cubic spline."""
    from scipy.interpolate import CubicSpline

    line = np.concatenate([points, points[:1]]) if closed else points
    arc = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])
    spline = CubicSpline(arc, line, bc_type="periodic" if closed else "natural")
    count = max(int(np.ceil(arc[-1] / spacing)), 12)
    place = np.linspace(0.0, arc[-1], count + 1)
    result: Floats = np.ascontiguousarray(spline(place[:count] if closed else place))
    return result


def _shape_basis(start: Floats, closed: bool, margin: float) -> tuple[Floats, Floats]:
    """Cubic B-splines along the chain and the precision of a smooth random line."""
    n_nodes = len(start)
    length = float(np.hypot(*np.diff(start, axis=0).T).sum())
    count = max(round(length / KNOT_SPACING), 6)
    if closed:
        place = np.arange(n_nodes) * count / n_nodes
        knots = np.arange(-3, count + 4, dtype=float)
        full = BSpline.design_matrix(place, knots, 3).toarray()
        basis = full[:, :count].copy()
        basis[:, :3] += full[:, count:]
        bend = -2 * np.eye(count) + np.roll(np.eye(count), 1, 0) + np.roll(np.eye(count), -1, 0)
    else:
        place = np.linspace(0.0, count, n_nodes)
        knots = np.arange(-3, count + 4, dtype=float)
        place[-1] = count - 1e-9
        basis = BSpline.design_matrix(place, knots, 3).toarray()
        bend = np.diff(np.eye(basis.shape[1]), n=2, axis=0)
        place = np.arange(len(bend)) * length / count
    sd = np.full(len(bend), BEND_SD)
    if not closed:
        # nothing was seen of the wall out there, only that it is one
        beyond = np.minimum(place, length - place) < margin + KNOT_SPACING
        sd[beyond] = UNSEEN_BEND_SD
    penalty = (bend.T / sd**2) @ bend + np.eye(basis.shape[1]) / SHIFT_SD**2
    return np.ascontiguousarray(basis), penalty
