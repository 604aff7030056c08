"""Which places of a lattice can be reached from outside between its columns."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

__all__ = ["STEPS", "joined_to_outside"]

Integers = NDArray[np.int64]
STEPS = ((1, 0), (0, 1), (1, 1), (1, -1))
LONGEST_STEP = 1.1
"""Of the longer lattice vector: neighbouring sites."""


def joined_to_outside(
    indices: Integers, barred: Integers, vectors: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Return which sites a way from beyond all of them leads to without crossing a barred one.

    Parameters
    ----------
    indices
        Shape (n, 2): all sites, by their cell.
    barred
        Shape (m, 2): cells that are not crossed, among those of ``indices``.
    vectors
        Lattice vectors (rows).

    Examples
    --------
    >>> ring = np.array([[a, b] for a in range(3) for b in range(3) if (a, b) != (1, 1)])
    >>> joined_to_outside(np.array([[1, 1], [0, 0], [4, 4]]), ring, np.eye(2)).tolist()
    [False, False, True]
    """
    first = indices.min(axis=0) - 1
    way = np.ones(tuple(indices.max(axis=0) - first + 2), dtype=np.bool_)
    way[tuple((barred - first).T)] = False
    # over the edges of the cells, not over their corners: no way leads between two columns
    lengths = np.hypot(*(np.array(STEPS) @ vectors).T)
    steps = np.zeros((3, 3), dtype=np.int64)
    steps[1, 1] = 1
    for (i, j), length in zip(STEPS, lengths, strict=True):
        if length <= LONGEST_STEP * lengths[:2].max():
            steps[1 + i, 1 + j] = steps[1 - i, 1 - j] = 1
    region = ndimage.label(way, steps)[0]
    return np.asarray((region == region[0, 0])[tuple((indices - first).T)])
