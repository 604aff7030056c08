"""Explicit steps of a scalar field with everything: local fields and oblique gradients.

One sweep a step over a copy of the field with a rim of one cell. With nothing but the potential the
steps equal those of `explicit_kernels` to the bit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.compiled import kernel

__all__ = ["forced_steps"]

Real = NDArray[Any]


@kernel
def fill_rim(padded: Real, mirror: bool) -> None:
    """Set the rim of one cell from the inside: periodic, or mirrored at the edge."""
    n_rows = padded.shape[0] - 2
    n_columns = padded.shape[1] - 2
    for i in range(1, n_rows + 1):
        padded[i, 0] = padded[i, 1 if mirror else n_columns]
        padded[i, n_columns + 1] = padded[i, n_columns if mirror else 1]
    for j in range(n_columns + 2):
        padded[0, j] = padded[1 if mirror else n_rows, j]
        padded[n_rows + 1, j] = padded[n_rows if mirror else 1, j]


@kernel
def chemical_potential(padded: Real, potential: Real, coefficients: Real, push: Any) -> None:
    """Set ``potential`` to the derivative of the free energy without local fields."""
    _, _, a, b, c, e, kx, ky, kxy = coefficients[:9]
    a = a + (kx + kx + ky + ky)
    for i in range(1, padded.shape[0] - 1):
        above = np.uint64(i - 1)
        here = np.uint64(i)
        below = np.uint64(i + 1)
        for j in range(padded.shape[1] - 2):
            left = np.uint64(j)
            column = np.uint64(j + 1)
            right = np.uint64(j + 2)
            p = padded[here, column]
            q = p * p
            potential[here, column] = p * (a + p * b + q * (c + q * e)) - (
                kx * (padded[here, left] + padded[here, right])
                + ky * (padded[above, column] + padded[below, column])
                + push
            )
        if kxy != 0.0:
            for j in range(padded.shape[1] - 2):
                left = np.uint64(j)
                right = np.uint64(j + 2)
                potential[here, np.uint64(j + 1)] -= kxy * (
                    (padded[below, right] - padded[below, left])
                    - (padded[above, right] - padded[above, left])
                )


@kernel
def add_local(padded: Real, potential: Real, softening: Real, field: Real, profile: Real,
              push: Any) -> None:  # fmt: skip
    """Add what differs from cell to cell: curvature, pinning field, profile of the drive."""
    for i in range(field.shape[0]):
        here = np.uint64(i + 1)
        for j in range(field.shape[1]):
            column = np.uint64(j + 1)
            potential[here, column] += (
                softening[i, j] * padded[here, column] - field[i, j] - push * profile[i, j]
            )


@kernel
def copy_inside(padded: Real, field: Real, outwards: bool) -> None:
    """Copy the field into the room with a rim, or out of it."""
    for i in range(field.shape[0]):
        for j in range(field.shape[1]):
            if outwards:
                field[i, j] = padded[i + 1, j + 1]
            else:
                padded[i + 1, j + 1] = field[i, j]


@kernel
def forced_steps(field: Real, padded: Real, potential: Real, local: Real, drive: Real,
                 coefficients: Real, conserved: bool, mirror: bool, n_steps: int,
                 ) -> None:  # fmt: skip
    """Do ``n_steps`` of ``field`` (n_rows, n_columns) in place.

    ``padded``, ``potential``: room of (n_rows + 2, n_columns + 2). ``local``: softening, field and
    profile of the drive, (3, n_rows, n_columns), or (3, 0, 0) for none. ``drive``: (2, n_steps),
    the uniform field and the waveform of the profile. ``coefficients``: rate_x, rate_y, a, b, c, e,
    kappa_x / dx^2, kappa_y / dy^2, kappa_xy / (2 dx dy).
    """
    n_rows, n_columns = field.shape
    rate_x = coefficients[0]
    rate_y = coefficients[1]
    copy_inside(padded, field, False)
    for step in range(n_steps):
        fill_rim(padded, mirror)
        chemical_potential(padded, potential, coefficients, drive[0, step])
        if local.shape[1] > 0:
            add_local(padded, potential, local[0], local[1], local[2], drive[1, step])
        if conserved:
            fill_rim(potential, mirror)
        for i in range(n_rows):
            above = np.uint64(i)
            here = np.uint64(i + 1)
            below = np.uint64(i + 2)
            if conserved:
                for j in range(n_columns):
                    column = np.uint64(j + 1)
                    twice = potential[here, column] + potential[here, column]
                    padded[here, column] += rate_x * (
                        potential[here, np.uint64(j)] + potential[here, np.uint64(j + 2)] - twice
                    ) + rate_y * (potential[above, column] + potential[below, column] - twice)
            else:
                for j in range(n_columns):
                    column = np.uint64(j + 1)
                    padded[here, column] -= rate_x * potential[here, column]
    copy_inside(padded, field, True)
