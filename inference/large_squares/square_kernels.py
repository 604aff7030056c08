"""Compiled counts of how the sites of a square lattice are surrounded.

The kind of a site says its state and how many of the four neighbours of each shell are up:
own + 2 (n_1 + 5 n_2 + 25 n_3). What a pseudolikelihood and the variance of its score need of a
picture is how often each kind occurs, and each pair of kinds on a bond.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.compiled import kernel

Int16 = NDArray[np.int16]
NOT_DRAWN = np.int16(-1)


@kernel
def count_kinds(
    kinds: Int16,
    steps: NDArray[np.int64],
    first_row: int,
    last_row: int,
    first_column: int,
    last_column: int,
    single: NDArray[np.int64],
    pairs: NDArray[np.int64],
) -> Any:
    """Add how often kinds occur, and pairs of kinds one of ``steps`` (n, 2) apart."""
    for row in range(first_row, last_row):
        for column in range(first_column, last_column):
            kind = kinds[row, column]
            if kind == NOT_DRAWN:
                continue
            single[kind] += 1
            for step in range(steps.shape[0]):
                other = kinds[row + steps[step, 0], column + steps[step, 1]]
                if other != NOT_DRAWN:
                    pairs[kind, other] += 1
