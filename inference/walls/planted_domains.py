"""Planted closed walls under any law of drive, bend and distance to pins, as contour points."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from physlearn.checks import as_generator
from physlearn.records import WallTrack

__all__ = ["PlantedDomains", "VelocityLaw", "planted_domains"]

Floats = NDArray[np.float64]
VelocityLaw = Callable[[float, Floats, Floats, Floats], Floats]
"""(drive, curvatures, distances to the nearest pin, cosines between normal and pin) to velocities
of the edge, outward positive."""

N_ANGLES = 192
STEPS_A_FRAME = 40
SIDE = 160.0
RADII = (13.0, 17.0, 21.0, 26.0)
NOISE = 0.12


@dataclass(frozen=True, slots=True, eq=False)
class PlantedDomains:
    """What was planted.

    Attributes
    ----------
    track
        Contour points with white errors along the normals.
    pins
        x, y, shape (n_pins, 2).
    centers
        x, y of the domains, shape (n_walls, 2).
    radii
        Exact radii about the centres, shape (n_frames, n_walls, n_angles).
    drive
        Shape (n_frames,).
    """

    track: WallTrack
    pins: Floats
    centers: Floats
    radii: Floats
    drive: Floats


def planted_domains(
    velocity: VelocityLaw,
    *,
    n_frames: int = 16,
    drive: Floats | None = None,
    n_pins: int = 12,
    noise: float = NOISE,
    rng: int | np.random.Generator | None = None,
) -> PlantedDomains:
    """Move four domains by a law, by finite differences in space and time.

    Parameters
    ----------
    velocity
        The law.
    n_frames
        One a unit of time.
    drive
        Shape (n_frames,); None: four levels of both signs, in turn.
    n_pins
        Pins, drawn evenly over the ring that a domain's wall may pass.
    noise
        Standard deviation of a point's place along the normal.
    rng
        Seed or generator.

    Examples
    --------
    >>> def law(drive, curvature, distance, facing):
    ...     return (0.5 * drive - 0.4 * curvature) * (1 - 0.8 * np.exp(-distance / 4))
    >>> planted_domains(law, n_frames=4, rng=1).track.n_frames
    4
    """
    generator, _ = as_generator(rng)
    levels = np.array([1.0, 0.4, -0.5, -1.0])
    force = np.tile(levels, n_frames // 4 + 1)[:n_frames] if drive is None else np.array(drive)
    quarters = SIDE * np.array([[0.25, 0.25], [0.75, 0.25], [0.25, 0.75], [0.75, 0.75]])
    centers = quarters[generator.permutation(4)] + generator.uniform(-1, 1, (4, 2))
    angles = 2 * np.pi * np.arange(N_ANGLES) / N_ANGLES
    start = np.array(RADII)[:, None] * np.ones(N_ANGLES)
    for mode in range(2, 6):
        size = (
            0.05 * generator.standard_normal((4, 2)) / np.sqrt(mode - 1) * np.array(RADII)[:, None]
        )
        start += size[:, :1] * np.cos(mode * angles) + size[:, 1:] * np.sin(mode * angles)
    whose = generator.integers(0, 4, n_pins)
    turn = generator.uniform(0, 2 * np.pi, n_pins)
    away = np.array(RADII)[whose] * generator.uniform(0.75, 1.35, n_pins)
    pins = centers[whose] + away[:, None] * np.stack([np.cos(turn), np.sin(turn)], axis=1)
    radii = _moved(start, centers, pins, velocity, force)
    table = pd.concat(
        _points(radii[k, wall], centers[wall], k, wall, noise, generator)
        for k in range(n_frames) for wall in range(4)
    )  # fmt: skip
    view = [-0.5, -0.5, SIDE - 0.5, SIDE - 0.5]
    track = WallTrack(
        table.reset_index(drop=True), np.arange(float(n_frames)), drive=force,
        closed=dict.fromkeys(range(4), True),
        metadata={"field_of_view": view, "frame_rows": int(SIDE), "frame_columns": int(SIDE),
                  "point_spacing": 1.0},
    )  # fmt: skip
    return PlantedDomains(track, pins, centers, radii, force)


def _moved(
    start: Floats, centers: Floats, pins: Floats, velocity: VelocityLaw, drive: Floats
) -> Floats:
    """Heun steps with fourth-order differences along the angle, (n_frames, n_walls, n_angles)."""
    turn = 2 * np.pi / N_ANGLES
    angles = turn * np.arange(N_ANGLES)
    along = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    across = np.stack([-np.sin(angles), np.cos(angles)], axis=-1)

    def rate(radius: Floats, force: float) -> Floats:
        far = [np.roll(radius, shift, axis=1) for shift in (2, 1, -1, -2)]
        first = (far[0] - 8 * far[1] + 8 * far[2] - far[3]) / (12 * turn)
        second = (16 * (far[1] + far[2]) - far[0] - far[3] - 30 * radius) / (12 * turn**2)
        square = radius**2 + first**2
        bend = (square + first**2 - radius * second) / square**1.5
        place = centers[:, None] + radius[..., None] * along
        away = pins[:, None, None] - place
        lengths = np.hypot(away[..., 0], away[..., 1])
        nearest = lengths.argmin(axis=0)[None]
        distance = np.take_along_axis(lengths, nearest, axis=0)[0]
        toward = np.take_along_axis(away, nearest[..., None], axis=0)[0]
        outward = radius[..., None] * along - first[..., None] * across
        facing = (toward * outward).sum(axis=-1) / (np.sqrt(square) * distance + 1e-9)
        return np.asarray(velocity(force, bend, distance, facing) * np.sqrt(square) / radius)

    frames = [start]
    radius, step = start, 1.0 / STEPS_A_FRAME
    for force in drive[:-1]:
        for _ in range(STEPS_A_FRAME):
            first = rate(radius, float(force))
            radius = radius + 0.5 * step * (first + rate(radius + step * first, float(force)))
        frames.append(radius)
    return np.array(frames)


def _points(
    radius: Floats, center: Floats, frame: int, wall: int, noise: float,
    generator: np.random.Generator,
) -> pd.DataFrame:  # fmt: skip
    """Points a pixel of arc apart, with noise along their normals."""
    angles = 2 * np.pi * np.arange(N_ANGLES + 1) / N_ANGLES
    closed = np.append(radius, radius[0])
    slope = (np.roll(radius, -1) - np.roll(radius, 1)) / (4 * np.pi / N_ANGLES)
    length = np.hypot(radius, slope)
    second = np.roll(radius, -1) - 2 * radius + np.roll(radius, 1)
    bend = (length**2 + slope**2 - radius * second * (N_ANGLES / (2 * np.pi)) ** 2) / length**3
    arc = np.concatenate([[0.0], np.cumsum(length)]) * 2 * np.pi / N_ANGLES
    along = np.arange(0.0, arc[-1] - 0.5, 1.0)
    angle = np.interp(along, arc, angles)
    r, turn = np.interp(angle, angles, closed), np.interp(angle, angles, np.append(slope, slope[0]))
    out, across = (np.cos(angle), np.sin(angle)), (-np.sin(angle), np.cos(angle))
    size = np.hypot(r, turn)
    normal = [(r * out[k] - turn * across[k]) / size for k in (0, 1)]
    error = noise * generator.standard_normal(along.size)
    return pd.DataFrame({
        "frame": frame, "wall": wall, "time": float(frame),
        "x": center[0] + r * out[0] + error * normal[0],
        "y": center[1] + r * out[1] + error * normal[1],
        "normal_x": normal[0], "normal_y": normal[1], "normal_error": noise,
        "error_correlation_length": 1.0, "arc_length": along,
        "curvature": np.interp(angle, angles, np.append(bend, bend[0])),
        "normal_velocity": np.nan,
    })  # fmt: skip
