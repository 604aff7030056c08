"""Explicit steps of a polarisation vector (two components), periodic."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.compiled import kernel

__all__ = ["vector_steps"]

Real = NDArray[Any]


@kernel
def fill_rims(padded: Real) -> None:
    """Set the periodic rim of one cell of both components."""
    n_rows = padded.shape[1] - 2
    n_columns = padded.shape[2] - 2
    for part in range(2):
        for i in range(1, n_rows + 1):
            padded[part, i, 0] = padded[part, i, n_columns]
            padded[part, i, n_columns + 1] = padded[part, i, 1]
        for j in range(n_columns + 2):
            padded[part, 0, j] = padded[part, n_rows, j]
            padded[part, n_rows + 1, j] = padded[part, 1, j]


@kernel
def vector_forces(padded: Real, force: Real, local: Real, coefficients: Real, wave: Any) -> None:
    """Set ``force`` (2, n_rows, n_columns) to the derivative of the free energy."""
    two, four, cross, six, quad, pair, xx, yy, shear_x, shear_y, mixed = coefficients[1:12]
    for i in range(force.shape[1]):
        above = np.uint64(i)
        here = np.uint64(i + 1)
        below = np.uint64(i + 2)
        for j in range(force.shape[2]):
            left = np.uint64(j)
            column = np.uint64(j + 1)
            right = np.uint64(j + 2)
            x = padded[0, here, column]
            y = padded[1, here, column]
            p = x * x
            q = y * y
            force[0, i, j] = (
                x * (two + p * (four + six * p + quad * q) + q * (cross + pair * q))
                - xx * (padded[0, here, left] + padded[0, here, right] - (x + x))
                - shear_y * (padded[0, above, column] + padded[0, below, column] - (x + x))
            )
            force[1, i, j] = (
                y * (two + q * (four + six * q + quad * p) + p * (cross + pair * p))
                - shear_x * (padded[1, here, left] + padded[1, here, right] - (y + y))
                - yy * (padded[1, above, column] + padded[1, below, column] - (y + y))
            )
        if mixed != 0.0:
            for part in range(2):
                for j in range(force.shape[2]):
                    left = np.uint64(j)
                    right = np.uint64(j + 2)
                    force[part, i, j] -= mixed * (
                        (padded[1 - part, below, right] - padded[1 - part, below, left])
                        - (padded[1 - part, above, right] - padded[1 - part, above, left])
                    )
        if local.shape[1] > 0:
            for part in range(2):
                for j in range(force.shape[2]):
                    force[part, i, j] += (
                        local[0, i, j] * padded[part, i + 1, j + 1]
                        - local[1 + part, i, j]
                        - wave * local[3 + part, i, j]
                    )


@kernel
def vector_steps(field: Real, padded: Real, force: Real, local: Real, drive: Real,
                 coefficients: Real, n_steps: int) -> None:  # fmt: skip
    """Do ``n_steps`` of ``field`` (2, n_rows, n_columns) in place.

    ``padded``: (2, n_rows + 2, n_columns + 2). ``local``: softening, field x, field y, profile x,
    profile y, or (5, 0, 0). ``drive``: (2, n_steps); the second row is the profile's waveform.
    ``coefficients``: rate, 2 a1, 4 a11, 2 a12, 6 a111, 4 a112, 2 a112, g11 / dx^2, g11 / dy^2,
    (g44 + g44m) / dx^2, (g44 + g44m) / dy^2, (g12 + g44 - g44m) / (4 dx dy).
    """
    rate = coefficients[0]
    for step in range(n_steps):
        for part in range(2):
            for i in range(field.shape[1]):
                for j in range(field.shape[2]):
                    padded[part, i + 1, j + 1] = field[part, i, j]
        fill_rims(padded)
        vector_forces(padded, force, local, coefficients, drive[1, step])
        for part in range(2):
            for i in range(field.shape[1]):
                for j in range(field.shape[2]):
                    field[part, i, j] -= rate * force[part, i, j]
