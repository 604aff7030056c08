"""Compiled steps of an open wall: its height over a straight line, under drive and curvature."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.compiled import kernel

__all__ = ["propagate_lines"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@kernel
def line_rate(height: Floats, speed: float, mobility: float, spacing: float, rate: Floats) -> Any:
    """Write du/dt = speed sqrt(1 + u'^2) + mobility u'' / (1 + u'^2); no bend at free ends."""
    n = height.size
    for i in range(n):
        if 1 < i < n - 2:
            slope = (8.0 * (height[i + 1] - height[i - 1]) - (height[i + 2] - height[i - 2])) / (
                12.0 * spacing
            )
            bend = (
                16.0 * (height[i + 1] + height[i - 1])
                - (height[i + 2] + height[i - 2])
                - 30.0 * height[i]
            ) / (12.0 * spacing * spacing)
        elif i == 1 or i == n - 2:
            slope = (height[i + 1] - height[i - 1]) / (2.0 * spacing)
            bend = (height[i + 1] - 2.0 * height[i] + height[i - 1]) / (spacing * spacing)
        else:
            low = 0 if i == 0 else n - 2
            slope = (height[low + 1] - height[low]) / spacing
            bend = 0.0
        square = 1.0 + slope * slope
        rate[i] = speed * np.sqrt(square) + mobility * bend / square


@kernel
def propagate_lines(
    starts: Floats,
    speeds: Floats,
    mobilities: Floats,
    intervals: Floats,
    counts: Integers,
    spacing: float,
    frames: Floats,
) -> Any:
    """Move every case through all intervals by classical Runge-Kutta steps; frames (f, case, n)."""
    n_cases, n = starts.shape
    k1, k2, k3, k4 = np.empty(n), np.empty(n), np.empty(n), np.empty(n)
    work, height = np.empty(n), np.empty(n)
    for case in range(n_cases):
        height[:] = starts[case]
        frames[0, case] = height
        for index in range(intervals.size):
            step = intervals[index] / counts[index]
            speed, mobility = speeds[case, index], mobilities[case]
            for _ in range(counts[index]):
                line_rate(height, speed, mobility, spacing, k1)
                work[:] = height + 0.5 * step * k1
                line_rate(work, speed, mobility, spacing, k2)
                work[:] = height + 0.5 * step * k2
                line_rate(work, speed, mobility, spacing, k3)
                work[:] = height + step * k3
                line_rate(work, speed, mobility, spacing, k4)
                height += step / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + k4)
            frames[index + 1, case] = height
