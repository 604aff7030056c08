"""The pixels around one wall, their distances from a circular arc, and a first guess."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError, NotIdentified
from physlearn.inference.wall_profiles.profile_reading import read_pixel_size

__all__ = ["Arc", "WallPixels", "first_arc", "wall_pixels"]

Floats = NDArray[np.float64]
LEAST_PIXELS = 12


@dataclass(frozen=True, slots=True, eq=False)
class WallPixels:
    """Known pixels: places (n,) from the picture's middle, values in units of their spread."""

    x: Floats
    y: Floats
    values: Floats
    size: tuple[float, float]
    level: float
    scale: float
    middle: tuple[float, float]

    @property
    def extent(self) -> float:
        """Largest distance from the middle."""
        return float(np.hypot(self.x, self.y).max())


@dataclass(frozen=True, slots=True)
class Arc:
    """A wall: distance from the middle along the normal, the normal's angle, curvature."""

    position: float
    angle: float
    curvature: float = 0.0

    def distances(self, pixels: WallPixels) -> tuple[Floats, Floats]:
        """Return signed distances (n,) and their changes (3, n) with the three numbers.

        The distance from a circle of curvature c through (position, 0):
        ``(2 u - c (u^2 + v^2)) / (1 + sqrt((1 - c u)^2 + c^2 v^2))``.
        """
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        u = pixels.x * cos + pixels.y * sin - self.position
        v = -pixels.x * sin + pixels.y * cos
        bend = self.curvature
        square = u * u + v * v
        ratio = np.hypot(1 - bend * u, bend * v)
        top, below = 2 * u - bend * square, 1 + ratio
        along_u, along_v = (1 - bend * u) / ratio, -bend * v / ratio
        by_ratio = (-u + bend * square) / ratio
        moves = np.empty((3, u.size))
        moves[0] = -along_u
        moves[1] = along_u * v - along_v * (u + self.position)
        moves[2] = -(square * below + top * by_ratio) / below**2
        return top / below, moves


def wall_pixels(image: Any, pixel_size: float | tuple[float, float]) -> WallPixels:
    """Check a picture and return its known pixels."""
    try:
        picture = np.asarray(image, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError("image must be a picture (rows, columns) of numbers.") from None
    if picture.ndim == 1:
        picture = picture[None]
    if picture.ndim != 2:
        raise InputError(
            f"image must be a picture (rows, columns) or one row; its shape is {picture.shape}."
        )
    size = read_pixel_size(pixel_size)
    known = np.isfinite(picture)
    if known.sum() < LEAST_PIXELS:
        raise InputError(
            f"image must have at least {LEAST_PIXELS} known pixels; it has {int(known.sum())}."
        )
    rows, columns = np.nonzero(known)
    middle = ((picture.shape[1] - 1) / 2, (picture.shape[0] - 1) / 2)
    values = picture[known]
    scale = float(np.std(values))
    if not scale > 0:
        raise NotIdentified("the picture is flat: it shows no wall.")
    level = float(values.mean())
    return WallPixels(
        (columns - middle[0]) * size[0], (rows - middle[1]) * size[1], (values - level) / scale,
        size, level, scale,
        (float(middle[0] * size[0]), float(middle[1] * size[1])),
    )  # fmt: skip


def first_arc(pixels: WallPixels) -> Arc:
    """Return a straight wall: normal along the mean change of brightness, best sharp step."""
    x, y, values = pixels.x, pixels.y, pixels.values
    design = np.stack([np.ones(x.size), x, y])
    flat = float(np.ptp(x)) == 0 or float(np.ptp(y)) == 0
    gram = design @ design.T + (1e-9 * np.eye(3) * x.size if flat else 0.0)
    slope = np.linalg.solve(gram, design @ values)[1:]
    best, kept = np.inf, Arc(0.0, 0.0)
    angle = float(np.arctan2(slope[1], slope[0]))
    for turn in (0.0,) if flat else (0.0, -0.3, 0.3):
        along = x * np.cos(angle + turn) + y * np.sin(angle + turn)
        order = np.argsort(along)
        sums = np.cumsum(values[order])[:-1]
        count = np.arange(1, values.size)
        gain = sums**2 / count + (sums[-1] + values[order][-1] - sums) ** 2 / (values.size - count)
        at = int(np.argmax(gain))
        if -gain[at] < best:
            best = -gain[at]
            kept = Arc(float(0.5 * (along[order][at] + along[order][at + 1])), angle + turn)
    return kept
