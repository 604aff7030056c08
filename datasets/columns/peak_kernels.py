"""Compiled search for the maxima of a picture."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.kernels import kernel

__all__ = ["local_maxima"]

Pictures = NDArray[np.float64] | NDArray[np.float32]
Integers = NDArray[np.int64]


@kernel
def local_maxima(values: Pictures, threshold: float) -> Integers:
    """Return (row, column) of each pixel above ``threshold`` and not below its 8 neighbours."""
    n_rows, n_columns = values.shape
    found = np.empty((values.size // 4 + 1, 2), np.int64)
    count = 0
    for j in range(1, n_rows - 1):
        for i in range(1, n_columns - 1):
            here = values[j, i]
            if not here > threshold:
                continue
            highest = True
            for dj in range(-1, 2):
                for di in range(-1, 2):
                    later = dj > 0 or (dj == 0 and di > 0)
                    there = values[j + dj, i + di]
                    if there > here or (there == here and (dj != 0 or di != 0) and not later):
                        highest = False
            if highest:
                found[count, 0] = j
                found[count, 1] = i
                count += 1
    return found[:count].copy()
