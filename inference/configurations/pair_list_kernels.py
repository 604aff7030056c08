"""Kernels that list every pair of close particles, in a periodic box or a field of view."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.compiled import kernel

__all__ = ["list_close_pairs"]

Float = NDArray[np.float64]
Int = NDArray[np.int64]


@kernel
def list_close_pairs(
    places: Float, box: Float, low: Float, cells: Int, reach: float, pairs: Int, vectors: Float
) -> int:
    """List pairs i < j nearer than ``reach``; return how many there are.

    ``places``: (n, 3), inside the box along its axes; ``box``: (3,), 0 where open; ``low``: (6,)
    corner and 1 / width of a cell; ``cells``: (3,) number of cells along each axis (at least 3
    along a periodic axis, else 1 cell that holds all); ``pairs``: (m, 2) and ``vectors``: (m, 4)
    the vector from i to the nearest image of j and its length: both filled as far as they go.
    """
    n = places.shape[0]
    n_cells = cells[0] * cells[1] * cells[2]
    start = np.zeros(n_cells + 1, dtype=np.int64)
    cell_of = np.empty((n, 3), dtype=np.int64)
    order = np.empty(n, dtype=np.int64)
    for i in range(n):
        for d in range(3):
            c = int((places[i, d] - low[d]) * low[3 + d])
            cell_of[i, d] = min(max(c, 0), cells[d] - 1)
        start[(cell_of[i, 0] * cells[1] + cell_of[i, 1]) * cells[2] + cell_of[i, 2] + 1] += 1
    for c in range(n_cells):
        start[c + 1] += start[c]
    filled = start[:-1].copy()
    for i in range(n):
        c = (cell_of[i, 0] * cells[1] + cell_of[i, 1]) * cells[2] + cell_of[i, 2]
        order[filled[c]] = i
        filled[c] += 1
    found = 0
    square = reach * reach
    wide = np.zeros(3, dtype=np.int64)
    for d in range(3):
        wide[d] = 1 if cells[d] > 1 else 0
    for i in range(n):
        for a in range(-wide[0], wide[0] + 1):
            ca = cell_of[i, 0] + a
            if box[0] > 0.0:
                ca = (ca + cells[0]) % cells[0]
            elif ca < 0 or ca >= cells[0]:
                continue
            for b in range(-wide[1], wide[1] + 1):
                cb = cell_of[i, 1] + b
                if box[1] > 0.0:
                    cb = (cb + cells[1]) % cells[1]
                elif cb < 0 or cb >= cells[1]:
                    continue
                for c in range(-wide[2], wide[2] + 1):
                    cc = cell_of[i, 2] + c
                    if box[2] > 0.0:
                        cc = (cc + cells[2]) % cells[2]
                    elif cc < 0 or cc >= cells[2]:
                        continue
                    at = (ca * cells[1] + cb) * cells[2] + cc
                    for k in range(start[at], start[at + 1]):
                        j = order[k]
                        if j <= i:
                            continue
                        x = places[j, 0] - places[i, 0]
                        y = places[j, 1] - places[i, 1]
                        z = places[j, 2] - places[i, 2]
                        if box[0] > 0.0:
                            x -= box[0] * np.rint(x / box[0])
                        if box[1] > 0.0:
                            y -= box[1] * np.rint(y / box[1])
                        if box[2] > 0.0:
                            z -= box[2] * np.rint(z / box[2])
                        r2 = x * x + y * y + z * z
                        if r2 < square:
                            if found < pairs.shape[0]:
                                pairs[found, 0] = i
                                pairs[found, 1] = j
                                vectors[found, 0] = x
                                vectors[found, 1] = y
                                vectors[found, 2] = z
                                vectors[found, 3] = math.sqrt(r2)
                            found += 1
    return found
