"""Charts of a wall: one coordinate along it, one displacement across it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["LineChart", "PolarChart", "WallChart", "choose_chart"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
LEAST_FACING = 0.2
LEAST_SHARE = 0.98


@dataclass(frozen=True, slots=True, eq=False)
class LineChart:
    """Height over a straight line: for an open wall that does not turn back."""

    origin: Floats
    along: Floats
    closed: bool = False

    @property
    def across(self) -> Floats:
        """Unit vector in which displacements are measured."""
        return np.array([-self.along[1], self.along[0]])

    def place(self, points: Floats, frames: Integers) -> tuple[Floats, Floats]:  # noqa: ARG002
        """Return coordinates along and across of points (n, 2) of the given frames."""
        offset = points - self.origin
        return offset @ self.along, offset @ self.across

    def components(
        self,
        points: Floats,  # noqa: ARG002
        normals: Floats,
        frames: Integers,  # noqa: ARG002
    ) -> tuple[Floats, Floats]:
        """Return how fast both coordinates change along the normals."""
        return normals @ self.along, normals @ self.across

    def rebuild(self, along: Floats, across: Floats, frames: Integers) -> Floats:  # noqa: ARG002
        """Return points (n, 2) from their coordinates."""
        return self.origin + along[:, None] * self.along + across[:, None] * self.across

    def tangents(
        self,
        along: Floats,  # noqa: ARG002
        across: Floats,
        slope: Floats,
        bend: Floats,
    ) -> tuple[Floats, Floats, Floats]:
        """Return the curve's first two derivatives and the direction of displacements."""
        ones = np.ones_like(across)[..., None]
        first = ones * self.along + slope[..., None] * self.across
        return first, bend[..., None] * self.across, ones * self.across


@dataclass(frozen=True, slots=True, eq=False)
class PolarChart:
    """Radius over angle about a centre that may drift: for a closed, star-shaped wall.

    The coordinate along the wall is angle times ``radius``, so that it is a length.
    """

    centers: Floats
    radius: float
    closed: bool = True

    def place(self, points: Floats, frames: Integers) -> tuple[Floats, Floats]:
        """Return coordinates along and across of points (n, 2) of the given frames."""
        offset = points - self.centers[frames]
        angle = np.arctan2(offset[:, 1], offset[:, 0]) % (2 * np.pi)
        return self.radius * angle, np.hypot(offset[:, 0], offset[:, 1])

    def components(
        self, points: Floats, normals: Floats, frames: Integers
    ) -> tuple[Floats, Floats]:
        """Return how fast both coordinates change along the normals."""
        offset = points - self.centers[frames]
        length = np.maximum(np.hypot(offset[:, 0], offset[:, 1]), 1e-12)
        out = (offset * normals).sum(axis=1) / length
        turn = (offset[:, 0] * normals[:, 1] - offset[:, 1] * normals[:, 0]) / length
        return self.radius * turn / length, out

    def rebuild(self, along: Floats, across: Floats, frames: Integers) -> Floats:
        """Return points (n, 2) from their coordinates."""
        angle = along / self.radius
        ray = np.stack([np.cos(angle), np.sin(angle)], axis=1)
        return np.asarray(self.centers[frames] + across[:, None] * ray)

    def tangents(
        self, along: Floats, across: Floats, slope: Floats, bend: Floats
    ) -> tuple[Floats, Floats, Floats]:
        """Return the curve's first two derivatives and the direction of displacements."""
        angle = np.broadcast_to(along / self.radius, across.shape)
        ray = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
        turn = np.stack([-ray[..., 1], ray[..., 0]], axis=-1)
        first = slope[..., None] * ray + (across / self.radius)[..., None] * turn
        inward = (bend - across / self.radius**2)[..., None] * ray
        return first, inward + (2 * slope / self.radius)[..., None] * turn, ray


WallChart = LineChart | PolarChart


def choose_chart(
    points: Floats, normals: Floats, frames: Integers, times: Floats, closed: bool
) -> WallChart | None:
    """Return the chart in which a wall is single-valued in every frame, or None."""
    count = np.bincount(frames, minlength=len(times))
    seen = np.flatnonzero(count)
    middles = np.stack(
        [np.bincount(frames, points[:, axis], len(times))[seen] / count[seen] for axis in (0, 1)],
        axis=1,
    )
    chart: WallChart
    if closed:
        centers = np.empty((len(times), 2))
        for axis in (0, 1):
            # a straight path of the centre: two numbers an axis, and none of the noise of frames
            slope = np.polyfit(times[seen], middles[:, axis], 1 if len(seen) > 2 else 0)
            centers[:, axis] = np.polyval(slope, times)
        reach = np.hypot(*(points - centers[frames]).T)
        chart = PolarChart(centers, float(reach.mean()))
    else:
        spread = points - middles[np.searchsorted(seen, frames)]
        _, axes = np.linalg.eigh(spread.T @ spread)
        along = axes[:, 1] * np.sign(axes[np.argmax(np.abs(axes[:, 1])), 1])
        chart = LineChart(middles.mean(axis=0), along)
    facing = chart.components(points, normals, frames)[1]
    facing = facing * np.sign(facing.mean())
    return chart if np.mean(facing > LEAST_FACING) >= LEAST_SHARE else None
