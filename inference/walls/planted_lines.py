"""Planted open walls: contour points with known noise of lines that move by a known law."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import ndimage

from physlearn.inference.fronts.line_kernels import propagate_lines
from physlearn.inference.pinning.pinning_kernels import forward_line
from physlearn.inference.pinning.pinning_map import pinning_of
from physlearn.records import WallTrack
from physlearn.results import Fit

__all__ = ["PlantedField", "creep_drive", "field_agreement", "open_wall", "pinned_wall"]

Floats = NDArray[np.float64]

NOISE = 0.12
CREEP = (3.0, 2.0)


@dataclass(frozen=True)
class PlantedField:
    """A pinning field on nodes one pixel apart: low height, step, values (n, n_knots)."""

    low: float
    step: float
    field: Floats

    def at(self, x: Floats, y: Floats) -> Floats:
        """Return the field at points."""
        places = [
            np.clip(x, 0, len(self.field) - 1),
            np.clip((y - self.low) / self.step, 0, self.field.shape[1] - 1),
        ]
        result: Floats = ndimage.map_coordinates(self.field, places, order=3)
        return result


def _points(
    frame: int, x: Floats, heights: Floats, noise: float, rng: np.random.Generator
) -> pd.DataFrame:
    """Points a pixel of arc apart with noise along their normals."""
    arc = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(x), np.diff(heights)))])
    along = np.arange(0.0, arc[-1], 1.0)
    slope = np.interp(along, arc, np.gradient(heights, x))
    size = np.hypot(1.0, slope)
    normal = np.stack([-slope / size, 1.0 / size])
    error = noise * rng.standard_normal(along.size)
    return pd.DataFrame({
        "frame": frame, "wall": 0, "time": float(frame),
        "x": np.interp(along, arc, x) + error * normal[0],
        "y": np.interp(along, arc, heights) + error * normal[1],
        "normal_x": normal[0], "normal_y": normal[1], "normal_error": noise,
        "error_correlation_length": 1.0, "arc_length": along, "curvature": 0.0,
        "normal_velocity": np.nan,
    })  # fmt: skip


def _track(tables: list[pd.DataFrame], drive: Floats) -> WallTrack:
    times = np.arange(float(len(tables)))
    return WallTrack(pd.concat(tables, ignore_index=True), times, drive=drive, closed={0: False})


def creep_drive(n_frames: int, exponent: float, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Six drives in random order, and the velocities that a creep law gives them."""
    levels = rng.permutation(np.linspace(0.5, 1.5, 6))
    drive = np.repeat(levels, n_frames // 6)
    return drive, CREEP[0] * np.exp(-((CREEP[1] / drive) ** exponent))


def open_wall(
    rng: np.random.Generator, *, n_frames: int = 24, mobility: float = 0.5, tension: float = 0.6,
    velocities: Floats | None = None, drive: Floats | None = None, length: int = 160,
) -> WallTrack:  # fmt: skip
    """Make a smooth wall that leaves the view on both sides, under v_n = F(t) - C curvature."""
    spacing, beyond = 0.5, 80
    count = int((length + 2 * beyond) / spacing)
    x: Floats = spacing * np.arange(count, dtype=np.float64) - beyond
    heights: Floats = 0.3 * x
    for wave in range(1, 9):
        phase = rng.uniform(0, 2 * np.pi)
        heights += (
            4.0 * rng.standard_normal() / wave * np.cos(2 * np.pi * wave * x / length + phase)
        )
    force: Floats = (
        np.sin(3 * np.pi * np.arange(n_frames) / (n_frames - 1)) if drive is None else drive
    )
    speed: Floats = mobility * force if velocities is None else velocities
    frames = np.empty((n_frames, 1, x.size))
    propagate_lines(
        heights[None].copy(), speed[None, :-1].copy(), np.array([tension]), np.ones(n_frames - 1),
        np.full(n_frames - 1, 16), spacing, frames,
    )  # fmt: skip
    inside = (x >= 0) & (x < length)
    tables = [_points(k, x[inside], frame[0, inside], NOISE, rng) for k, frame in enumerate(frames)]
    return _track(tables, force)


def pinned_wall(
    rng: np.random.Generator, *, length: int = 96, n_frames: int = 40, speed: float = 0.5,
    tension: float = 1.2, strength: float = 0.2, correlation: float = 2.1, steep: bool = True,
) -> tuple[WallTrack, PlantedField]:  # fmt: skip
    """Drive a line through a frozen Gaussian field (twenty Heun steps a frame)."""
    step, low, per_frame = 1.0 / 3.0, -15.0, 20
    n_knots = int((speed * n_frames + 35) / step)
    smooth = (correlation / np.sqrt(2), correlation / np.sqrt(2) / step)
    field = ndimage.gaussian_filter(rng.standard_normal((length, n_knots)), smooth, mode="wrap")
    field *= strength / field.std()
    counts = np.full(n_frames - 1, per_frame)
    path = np.empty((int(counts.sum()) + 1, length))
    forward_line(
        np.zeros(length), np.full(n_frames - 1, speed), counts, np.ones(n_frames - 1), field, low,
        step, tension, 1.0, float(steep), path,
    )  # fmt: skip
    x = np.arange(float(length))
    tables = [_points(k, x, path[k * per_frame], NOISE, rng) for k in range(n_frames)]
    return _track(tables, np.ones(n_frames)), PlantedField(low, step, field)


def field_agreement(fit: Fit, planted: PlantedField) -> tuple[float, float]:
    """Correlation with the planted field where the wall passed; sd of the standardised error."""
    found = pinning_of(fit)
    truth = planted.at(found.x, found.y)[found.swept]
    z = (found.field[found.swept] - truth) / found.error[found.swept]
    return float(np.corrcoef(truth, found.field[found.swept])[0, 1]), float(z.std())
