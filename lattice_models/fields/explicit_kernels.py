"""Explicit steps of a scalar field without noise: several time steps per visit of a tile.

A large field is bound by memory, so each tile of it is copied with a rim into a buffer that fits
the cache, stepped there several times (the rim goes stale from outside, one cell a step; two where
the field is conserved) and its inside written back. Every value is computed by the same operations
as in a plain sweep: the result does not depend on tiles or on how a run is cut.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.compiled import kernel

__all__ = ["diffuse_tiles", "relax_tiles"]

Real = NDArray[Any]


@kernel
def source_index(index: int, length: int, mirror: bool) -> Any:
    """Return which cell stands at an index beyond the edge: the periodic or the mirrored one."""
    if mirror:
        folded = index % (2 * length)
        return folded if folded < length else 2 * length - 1 - folded
    return index % length


@kernel
def load_tile(field: Real, tile: Real, corner: tuple[int, int], shape: tuple[int, int],
              mirror: bool) -> None:  # fmt: skip
    """Copy a tile with its rim; unsigned indices spare the test for negative ones."""
    top, left = corner
    n_rows, n_columns = field.shape
    first = min(max(0, -left), shape[1])
    last = max(first, min(shape[1], n_columns - left))
    for i in range(shape[0]):
        source = field[source_index(top + i, n_rows, mirror)]
        row = tile[i]
        for j in range(first):
            row[np.uint64(j)] = source[source_index(left + j, n_columns, mirror)]
        for j in range(first, last):
            row[np.uint64(j)] = source[np.uint64(left + j)]
        for j in range(last, shape[1]):
            row[np.uint64(j)] = source[source_index(left + j, n_columns, mirror)]


@kernel
def store_tile(tile: Real, field: Real, corner: tuple[int, int], shape: tuple[int, int],
               rim: int) -> None:  # fmt: skip
    """Copy the inside of a tile back."""
    for i in range(shape[0]):
        source = tile[rim + i]
        row = field[corner[0] + i]
        for j in range(shape[1]):
            row[np.uint64(corner[1] + j)] = source[np.uint64(rim + j)]


@kernel
def copy_field(source: Real, target: Real) -> None:
    """Copy cell by cell: an assignment of slices takes numba 3 s to compile."""
    for i in range(source.shape[0]):
        for j in range(source.shape[1]):
            target[i, j] = source[i, j]


@kernel
def relax_rows(old: Real, new: Real, first: int, last: int, width: int, rate: Any, push: Any,
               a: Any, b: Any, c: Any, e: Any, kx: Any, ky: Any) -> None:  # fmt: skip
    """One step of dP/dt = -L dF/dP; ``a`` holds the diagonal of the Laplacian too."""
    for i in range(first, last):
        above = np.uint64(i - 1)
        here = np.uint64(i)
        below = np.uint64(i + 1)
        for j in range(width):
            column = np.uint64(j + 1)
            p = old[here, column]
            q = p * p
            force = p * (a + p * b + q * (c + q * e)) - (
                kx * (old[here, np.uint64(j)] + old[here, np.uint64(j + 2)])
                + ky * (old[above, column] + old[below, column])
                + push
            )
            new[here, column] = p - rate * force


@kernel
def diffuse_rows(tile: Real, potential: Real, first: int, last: int, width: int, rate_x: Any,
                 rate_y: Any, a: Any, b: Any, c: Any, e: Any, kx: Any, ky: Any,
                 ) -> None:  # fmt: skip
    """One step of dP/dt = M laplace(dF/dP), in place; three rows of dF/dP are kept."""
    before, middle, latest = 0, 1, 2
    for i in range(first, last):
        above = np.uint64(i - 1)
        here = np.uint64(i)
        below = np.uint64(i + 1)
        after = np.uint64(latest)
        for j in range(width):
            column = np.uint64(j + 1)
            p = tile[here, column]
            q = p * p
            potential[after, column] = p * (a + p * b + q * (c + q * e)) - (
                kx * (tile[here, np.uint64(j)] + tile[here, np.uint64(j + 2)])
                + ky * (tile[above, column] + tile[below, column])
            )
        if i >= first + 2:
            upper = np.uint64(before)
            centre = np.uint64(middle)
            for j in range(width):
                column = np.uint64(j + 1)
                twice = potential[centre, column] + potential[centre, column]
                tile[above, column] += rate_x * (
                    potential[centre, np.uint64(j)] + potential[centre, np.uint64(j + 2)] - twice
                ) + rate_y * (potential[upper, column] + potential[after, column] - twice)
        before, middle, latest = middle, latest, before


@kernel
def relax_tiles(field: Real, other: Real, tile: Real, second: Real, coefficients: Real,
                drive: Real, mirror: bool, n_steps: int, depth: int, columns: int,
                ) -> None:  # fmt: skip
    """Do ``n_steps`` non-conserved steps of ``field``; ``other`` is room of the same shape.

    ``coefficients``: rate L dt, -, a, b, c, e, kappa_x / dx^2, kappa_y / dy^2. ``drive``: the
    uniform field E of each step. The rows of ``tile`` and ``second`` and their first ``columns``
    are the tile, a rim of ``depth`` cells included.
    """
    n_rows, n_columns = field.shape
    rate, _, a, b, c, e, kx, ky = coefficients[:8]
    a = a + (kx + kx + ky + ky)
    height = tile.shape[0] - 2 * depth
    breadth = columns - 2 * depth
    source, target = field, other
    done = 0
    swaps = 0
    while done < n_steps:
        now = min(depth, n_steps - done)
        for top in range(0, n_rows, height):
            inner_rows = min(height, n_rows - top)
            for left in range(0, n_columns, breadth):
                inner_columns = min(breadth, n_columns - left)
                rows = inner_rows + 2 * now
                wide = inner_columns + 2 * now
                load_tile(source, tile, (top - now, left - now), (rows, wide), mirror)
                old, new = tile, second
                for k in range(now):
                    relax_rows(
                        old, new, k + 1, rows - k - 1, wide - 2,
                        rate, drive[done + k], a, b, c, e, kx, ky,
                    )  # fmt: skip
                    old, new = new, old
                store_tile(old, target, (top, left), (inner_rows, inner_columns), now)
        source, target = target, source
        done += now
        swaps += 1
    if swaps % 2:
        copy_field(other, field)


@kernel
def diffuse_tiles(field: Real, other: Real, tile: Real, potential: Real, coefficients: Real,
                  mirror: bool, n_steps: int, depth: int, columns: int) -> None:  # fmt: skip
    """Do ``n_steps`` conserved steps of ``field``; ``other`` is room of the same shape.

    ``coefficients``: M dt / dx^2, M dt / dy^2, a, b, c, e, kappa_x / dx^2, kappa_y / dy^2.
    The rows of ``tile`` and its first ``columns`` are the tile, a rim of 2 ``depth`` cells
    included; ``potential``: (3, n), as wide as ``tile``.
    """
    n_rows, n_columns = field.shape
    rate_x, rate_y, a, b, c, e, kx, ky = coefficients[:8]
    a = a + (kx + kx + ky + ky)
    height = tile.shape[0] - 4 * depth
    breadth = columns - 4 * depth
    source, target = field, other
    done = 0
    swaps = 0
    while done < n_steps:
        now = min(depth, n_steps - done)
        rim = 2 * now
        for top in range(0, n_rows, height):
            inner_rows = min(height, n_rows - top)
            for left in range(0, n_columns, breadth):
                inner_columns = min(breadth, n_columns - left)
                rows = inner_rows + 2 * rim
                wide = inner_columns + 2 * rim
                load_tile(source, tile, (top - rim, left - rim), (rows, wide), mirror)
                for k in range(now):
                    diffuse_rows(
                        tile, potential, 2 * k + 1, rows - 2 * k - 1, wide - 2,
                        rate_x, rate_y, a, b, c, e, kx, ky,
                    )  # fmt: skip
                store_tile(tile, target, (top, left), (inner_rows, inner_columns), rim)
        source, target = target, source
        done += now
        swaps += 1
    if swaps % 2:
        copy_field(other, field)
