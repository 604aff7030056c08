"""Walls as the zero of a signed distance that moves by a known law, through merging and splitting.

The level is negative in the positive domain. The law v_n = speed - bend x curvature moves it by the
level-set method (Osher and Sethian, doi:10.1016/0021-9991(88)90002-2) on a grid finer than the
picture's, near the walls only.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from physlearn.datasets.synthetic.wall_level_kernels import level_steps

__all__ = ["level_geometry", "move_level", "redistance", "wall_points"]

Floats = NDArray[np.float64]

BAND_CELLS = 9.0
MARGIN_CELLS = 4.0
STEP_OF_DIFFUSION = 0.25
STEP_OF_DRIFT = 0.4
TRAVEL_CELLS = 1.0
"""A wall moves at most so far before the distances are measured again."""


def wall_points(level: Floats) -> tuple[Floats, Floats, Floats]:
    """Where grid lines cross the zero of the level: points (n, 2) x y, normals, curvature, cells.

    Normals point to where the level grows. Crossings are those of the cubic through 4 values.
    """
    padded = np.pad(level, 2, mode="edge")
    points = []
    for axis in (0, 1):
        turned = padded if axis == 1 else padded.T
        b, c = turned[2:-2, 2:-3], turned[2:-2, 3:-2]
        row, column = np.nonzero((b < 0) != (c < 0))
        a, b, c, d = (turned[row + 2, column + 1 + s] for s in range(4))
        place = np.clip(b / np.where(b == c, 1.0, b - c), 0.0, 1.0)
        second, third = a - 2 * b + c, d - 3 * c + 3 * b - a
        usable = np.abs(second) + np.abs(d - 2 * c + b) < np.abs(c - b)
        for _ in range(3):  # Newton on the interpolating cubic (forward differences from a)
            s = place + 1.0
            value = a + s * (b - a) + s * (s - 1) / 2 * second + s * (s - 1) * (s - 2) / 6 * third
            slope = (b - a) + (s - 0.5) * second + (3 * s * s - 6 * s + 2) / 6 * third
            step = np.where(usable, -value / np.where(slope == 0, 1.0, slope), 0.0)
            place = np.clip(place + step, 0.0, 1.0)
        along = column + place
        points.append(np.stack([along, row] if axis == 1 else [row, along], axis=1))
    found = np.concatenate(points).astype(float)
    slopes, bend = level_geometry(level, found)
    return found, slopes, bend


def level_geometry(level: Floats, points: Floats) -> tuple[Floats, Floats]:
    """Return unit gradients and curvature of the level at points near its zero, per cell."""
    reach = np.zeros(level.shape, dtype=bool)
    corner = np.floor(points).astype(int)
    for dy in (0, 1):
        for dx in (0, 1):
            rows = np.minimum(corner[:, 1] + dy, level.shape[0] - 1)
            columns = np.minimum(corner[:, 0] + dx, level.shape[1] - 1)
            reach[rows, columns] = True
    p = np.pad(level, 1, mode="edge")
    rows, columns = np.nonzero(reach)
    r, c = rows + 1, columns + 1
    gx = 0.5 * (p[r, c + 1] - p[r, c - 1])
    gy = 0.5 * (p[r + 1, c] - p[r - 1, c])
    xx, yy = p[r, c + 1] - 2 * p[r, c] + p[r, c - 1], p[r + 1, c] - 2 * p[r, c] + p[r - 1, c]
    xy = 0.25 * (p[r + 1, c + 1] - p[r + 1, c - 1] - p[r - 1, c + 1] + p[r - 1, c - 1])
    square = np.maximum(gx**2 + gy**2, 1e-12)
    bend = (xx * gy**2 - 2 * gx * gy * xy + yy * gx**2) / square**1.5
    values = np.zeros((3, *level.shape))
    values[:, rows, columns] = gx, gy, np.clip(bend, -0.5, 0.5)
    place = points.T[::-1]
    slope_x, slope_y, curvature = (
        ndimage.map_coordinates(v, place, order=1, mode="nearest") for v in values
    )
    length = np.maximum(np.hypot(slope_x, slope_y), 1e-9)
    return np.stack([slope_x, slope_y], axis=1) / length[:, None], curvature


def redistance(level: Floats, spacing: float, reach: float) -> Floats:
    """Signed distance to the zero of the level, up to ``reach``; its sign alone beyond."""
    points, normals, bend = wall_points(level)
    sign = np.where(level < 0, -1.0, 1.0)
    if not len(points):
        return sign * reach
    edge = np.zeros(level.shape, dtype=bool)
    nearest_cell = np.rint(points).astype(int)
    edge[nearest_cell[:, 1], nearest_cell[:, 0]] = True
    cells = reach / spacing
    near = ndimage.distance_transform_edt(~edge) < cells + 1.0
    rows, columns = np.nonzero(near)
    places = np.stack([columns, rows], axis=1).astype(float)
    gap, owner = cKDTree(points).query(places)
    across = np.einsum("ij,ij->i", places - points[owner], normals[owner])
    along = np.sqrt(np.maximum(gap**2 - across**2, 0.0))
    turn = np.maximum(1.0 + bend[owner] * across, 0.2)
    curved = across + 0.5 * bend[owner] * along**2 / turn
    distance = np.where(along <= 0.8 * np.maximum(turn, 1.0), np.abs(curved), gap)
    result = sign * reach
    result[near] *= np.minimum(distance * spacing / reach, 1.0)
    return result


def move_level(
    level: Floats, speed: Floats, bend: float, duration: float, spacing: float
) -> Floats:
    """Return the level after ``duration`` under v_n = speed - bend x curvature.

    ``level``: signed distance, shape (rows, columns), cells of ``spacing`` pixels. ``speed``: of
    the wall toward the negative domain, same shape. The outermost cells stay as they are.
    """
    fastest = float(np.abs(speed).max()) + 1e-12
    step = min(STEP_OF_DRIFT * spacing / fastest, STEP_OF_DIFFUSION * spacing**2 / max(bend, 1e-12))
    n_steps = max(1, int(np.ceil(duration / step)))
    step = duration / n_steps
    # a curved wall may move faster than the drive: bend / radius with radii of a few cells
    travel = (fastest + bend / (4 * spacing)) * step
    n_together = max(1, int(TRAVEL_CELLS * spacing / travel))
    width, reach = BAND_CELLS * spacing, (BAND_CELLS + MARGIN_CELLS) * spacing
    done = 0
    while done < n_steps:
        level = redistance(level, spacing, reach)
        rows, columns = np.nonzero(np.abs(level[3:-3, 3:-3]) < width)
        n = min(n_together, n_steps - done)
        level_steps(level, rows + 3, columns + 3, speed, bend, spacing, step, n)
        done += n
    return level
