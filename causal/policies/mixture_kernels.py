"""Compiled loop that lays the members of a mixture on grids of readouts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.compiled import kernel

__all__ = ["lay_on_grid"]

Floats = NDArray[np.float64]


@kernel
def lay_on_grid(
    expected: Floats,
    shares: Floats,
    classes: NDArray[np.int64],
    middle: Floats,
    span: Floats,
    counts: Floats,
) -> None:
    """Add every member's share to four cells around what it expects, by cubic B-spline weights.

    ``expected``: (n_members, n_acts); ``shares``, ``classes``: (n_members,); ``middle``, ``span``:
    (n_acts,), of each act's grid; ``counts``: (n_classes, n_acts, n_cells), zeros before.
    """
    n_cells = counts.shape[2]
    for i in range(expected.shape[0]):
        for j in range(expected.shape[1]):
            position = ((expected[i, j] - middle[j]) / span[j] + 0.5) * n_cells
            cell = int(np.floor(position))
            near = position - cell
            far = 1.0 - near
            row = counts[classes[i], j]
            row[(cell - 1) % n_cells] += shares[i] * far**3 / 6.0
            row[cell % n_cells] += shares[i] * (2.0 / 3.0 - near**2 + 0.5 * near**3)
            row[(cell + 1) % n_cells] += shares[i] * (2.0 / 3.0 - far**2 + 0.5 * far**3)
            row[(cell + 2) % n_cells] += shares[i] * near**3 / 6.0
