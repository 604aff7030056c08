"""Compiled steps of a level set near its walls."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.compiled import kernel

__all__ = ["level_steps"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@kernel
def one_sided(a: float, b: float, c: float, d: float, e: float) -> float:
    """Slope between c and d from five first differences: WENO of fifth order."""
    one = a / 3 - 7 * b / 6 + 11 * c / 6
    two = -b / 6 + 5 * c / 6 + d / 3
    three = c / 3 + 5 * d / 6 - e / 6
    rough1 = 13 / 12 * (a - 2 * b + c) ** 2 + 0.25 * (a - 4 * b + 3 * c) ** 2
    rough2 = 13 / 12 * (b - 2 * c + d) ** 2 + 0.25 * (b - d) ** 2
    rough3 = 13 / 12 * (c - 2 * d + e) ** 2 + 0.25 * (3 * c - 4 * d + e) ** 2
    weight1 = 0.1 / (rough1 + 1e-6) ** 2
    weight2 = 0.6 / (rough2 + 1e-6) ** 2
    weight3 = 0.3 / (rough3 + 1e-6) ** 2
    total = weight1 + weight2 + weight3
    return (weight1 * one + weight2 * two + weight3 * three) / total


@kernel
def level_rates(
    level: Floats,
    rows: Integers,
    columns: Integers,
    speed: Floats,
    bend: float,
    spacing: float,
    rates: Floats,
) -> None:
    """Rate of change of the level at the listed cells, at least 3 cells from the edge, in place."""
    for k in range(rows.size):
        i = rows[k]
        j = columns[k]
        x0 = (level[i, j - 2] - level[i, j - 3]) / spacing
        x1 = (level[i, j - 1] - level[i, j - 2]) / spacing
        x2 = (level[i, j] - level[i, j - 1]) / spacing
        x3 = (level[i, j + 1] - level[i, j]) / spacing
        x4 = (level[i, j + 2] - level[i, j + 1]) / spacing
        x5 = (level[i, j + 3] - level[i, j + 2]) / spacing
        y0 = (level[i - 2, j] - level[i - 3, j]) / spacing
        y1 = (level[i - 1, j] - level[i - 2, j]) / spacing
        y2 = (level[i, j] - level[i - 1, j]) / spacing
        y3 = (level[i + 1, j] - level[i, j]) / spacing
        y4 = (level[i + 2, j] - level[i + 1, j]) / spacing
        y5 = (level[i + 3, j] - level[i + 2, j]) / spacing
        left = one_sided(x0, x1, x2, x3, x4)
        right = one_sided(x5, x4, x3, x2, x1)
        below = one_sided(y0, y1, y2, y3, y4)
        above = one_sided(y5, y4, y3, y2, y1)
        v = speed[i, j]
        if v > 0.0:  # Godunov's choice of the side that the wall comes from
            slope_x = max(max(left, 0.0) ** 2, min(right, 0.0) ** 2)
            slope_y = max(max(below, 0.0) ** 2, min(above, 0.0) ** 2)
        else:
            slope_x = max(min(left, 0.0) ** 2, max(right, 0.0) ** 2)
            slope_y = max(min(below, 0.0) ** 2, max(above, 0.0) ** 2)
        rate = -v * np.sqrt(slope_x + slope_y)
        if bend > 0.0:
            gx = 0.5 * (x2 + x3)
            gy = 0.5 * (y2 + y3)
            xx = (x3 - x2) / spacing
            yy = (y3 - y2) / spacing
            xy = (
                level[i + 1, j + 1] - level[i + 1, j - 1] - level[i - 1, j + 1]
                + level[i - 1, j - 1]
            ) / (4.0 * spacing * spacing)  # fmt: skip
            square = gx * gx + gy * gy
            if square > 1e-12:
                rate += bend * (xx * gy * gy - 2.0 * gx * gy * xy + yy * gx * gx) / square
        rates[k] = rate


@kernel
def level_steps(
    level: Floats,
    rows: Integers,
    columns: Integers,
    speed: Floats,
    bend: float,
    spacing: float,
    time_step: float,
    n_steps: int,
) -> None:
    """Move the walls by ``n_steps`` steps of third order (Shu and Osher's), in place."""
    rates = np.empty(rows.size)
    first = np.empty(rows.size)
    for _ in range(n_steps):
        for k in range(rows.size):
            first[k] = level[rows[k], columns[k]]
        level_rates(level, rows, columns, speed, bend, spacing, rates)
        for k in range(rows.size):
            level[rows[k], columns[k]] = first[k] + time_step * rates[k]
        level_rates(level, rows, columns, speed, bend, spacing, rates)
        for k in range(rows.size):
            here = level[rows[k], columns[k]] + time_step * rates[k]
            level[rows[k], columns[k]] = 0.75 * first[k] + 0.25 * here
        level_rates(level, rows, columns, speed, bend, spacing, rates)
        for k in range(rows.size):
            here = level[rows[k], columns[k]] + time_step * rates[k]
            level[rows[k], columns[k]] = first[k] / 3.0 + 2.0 / 3.0 * here
