"""Compiled search for the maxima of a picture."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.compiled import kernel

__all__ = ["local_maxima"]

Pictures = NDArray[np.float64] | NDArray[np.float32]
Integers = NDArray[np.int64]


@kernel
def local_maxima(values: Pictures, threshold: float) -> Integers:
    """Return (row, column) of each pixel above ``threshold`` and not below its neighbours.

    Pixels of the border count too; of equal neighbours the first one wins.
    """
    n_rows, n_columns = values.shape
    found = np.empty((values.size // 4 + 1, 2), np.int64)
    count = 0
    for j in range(n_rows):
        for i in range(n_columns):
            here = values[j, i]
            if not here > threshold:
                continue
            highest = True
            for other_j in range(max(0, j - 1), min(n_rows, j + 2)):
                for other_i in range(max(0, i - 1), min(n_columns, i + 2)):
                    there = values[other_j, other_i]
                    later = other_j > j or (other_j == j and other_i >= i)
                    if there > here or (there == here and not later):
                        highest = False
            if highest:
                found[count, 0] = j
                found[count, 1] = i
                count += 1
    return found[:count].copy()
