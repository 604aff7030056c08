"""Kernels for a GPU: explicit steps of a scalar field, one thread a cell.

The operations of a cell are those of ``explicit_kernels``, in their order.
"""

from __future__ import annotations

from typing import Any

from numba import cuda

__all__ = ["diffuse_cells", "relax_cells", "write_potential"]


@cuda.jit(device=True)  # type: ignore[untyped-decorator]
def beside(index: int, step: int, length: int, mirror: bool) -> Any:
    """Return the neighbouring index: around the edge, or the same cell again at a closed one."""
    other = index + step
    if mirror:
        return min(max(other, 0), length - 1)
    return (other + length) % length


@cuda.jit  # type: ignore[untyped-decorator]
def relax_cells(old: Any, new: Any, coefficients: Any, drive: Any, step: int, mirror: bool) -> None:
    """One step of dP/dt = -L dF/dP; ``coefficients`` as in ``relax_tiles``."""
    i, j = cuda.grid(2)
    n_rows, n_columns = old.shape
    if i >= n_rows or j >= n_columns:
        return
    kx, ky = coefficients[6], coefficients[7]
    a = coefficients[2] + (kx + kx + ky + ky)
    p = old[i, j]
    q = p * p
    force = p * (a + p * coefficients[3] + q * (coefficients[4] + q * coefficients[5])) - (
        kx * (old[i, beside(j, -1, n_columns, mirror)] + old[i, beside(j, 1, n_columns, mirror)])
        + ky * (old[beside(i, -1, n_rows, mirror), j] + old[beside(i, 1, n_rows, mirror), j])
        + drive[step]
    )
    new[i, j] = p - coefficients[0] * force


@cuda.jit  # type: ignore[untyped-decorator]
def write_potential(field: Any, out: Any, coefficients: Any, mirror: bool) -> None:
    """Write dF/dP without the uniform drive, which moves no conserved field."""
    i, j = cuda.grid(2)
    n_rows, n_columns = field.shape
    if i >= n_rows or j >= n_columns:
        return
    kx, ky = coefficients[6], coefficients[7]
    a = coefficients[2] + (kx + kx + ky + ky)
    p = field[i, j]
    q = p * p
    left, right = beside(j, -1, n_columns, mirror), beside(j, 1, n_columns, mirror)
    above, below = beside(i, -1, n_rows, mirror), beside(i, 1, n_rows, mirror)
    out[i, j] = p * (a + p * coefficients[3] + q * (coefficients[4] + q * coefficients[5])) - (
        kx * (field[i, left] + field[i, right]) + ky * (field[above, j] + field[below, j])
    )


@cuda.jit  # type: ignore[untyped-decorator]
def diffuse_cells(field: Any, potential: Any, coefficients: Any, mirror: bool) -> None:
    """One step of dP/dt = M laplace(dF/dP), in place."""
    i, j = cuda.grid(2)
    n_rows, n_columns = field.shape
    if i >= n_rows or j >= n_columns:
        return
    twice = potential[i, j] + potential[i, j]
    left, right = beside(j, -1, n_columns, mirror), beside(j, 1, n_columns, mirror)
    above, below = beside(i, -1, n_rows, mirror), beside(i, 1, n_rows, mirror)
    field[i, j] += coefficients[0] * (
        potential[i, left] + potential[i, right] - twice
    ) + coefficients[1] * (potential[above, j] + potential[below, j] - twice)
