"""Kernels for a GPU: heat bath of many copies of a square Ising lattice, one byte a site.

One thread draws one site of one copy; a launch draws one colour. The random word of a site is a
hash of the copy's seed and a counter (splitmix64, Steele et al. 2014, doi:10.1145/2714064.2660195),
so that states depend neither on the launch's shape nor on the device.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import cuda

__all__ = ["half_sweep", "sums_of_rows"]

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
MIX_A, MIX_B = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
SHIFT_A, SHIFT_B, SHIFT_C = np.uint64(30), np.uint64(27), np.uint64(31)
HALF = np.uint64(32)


@cuda.jit  # type: ignore[untyped-decorator]
def half_sweep(
    states: Any, thresholds: Any, seeds: Any, colour: int, first: int, n_done: int
) -> None:
    """Draw one colour of all copies, states (R, rows, columns); sites before ``first`` are held.

    ``thresholds`` uint64 (R, 5): of 2 ** 32 random words, those that make a site up, by the number
    of neighbours that are up. ``n_done``: half sweeps before this one.
    """
    pair, row, copy = cuda.grid(3)
    n_rows, n_columns = states.shape[1], states.shape[2]
    if copy >= states.shape[0] or row < first or row >= n_rows - first:
        return
    column = 2 * pair + (row + colour) % 2
    if column < first or column >= n_columns - first:
        return
    ups = 0
    if states[copy, (row + n_rows - 1) % n_rows, column] > 0:
        ups += 1
    if states[copy, (row + 1) % n_rows, column] > 0:
        ups += 1
    if states[copy, row, (column + n_columns - 1) % n_columns] > 0:
        ups += 1
    if states[copy, row, (column + 1) % n_columns] > 0:
        ups += 1
    counter = np.uint64(n_done) * np.uint64(n_rows * n_columns) + np.uint64(
        row * n_columns + column + 1
    )
    word = seeds[copy] + counter * GOLDEN
    word = (word ^ (word >> SHIFT_A)) * MIX_A
    word = (word ^ (word >> SHIFT_B)) * MIX_B
    word = (word ^ (word >> SHIFT_C)) >> HALF
    states[copy, row, column] = 1 if word < thresholds[copy, ups] else -1


@cuda.jit  # type: ignore[untyped-decorator]
def sums_of_rows(states: Any, out: Any) -> None:
    """Write the sum of states of every row, and of s s' to the right and to the next row."""
    row, copy = cuda.grid(2)
    if copy >= states.shape[0] or row >= states.shape[1]:
        return
    n_rows, n_columns = states.shape[1], states.shape[2]
    total = 0
    bonds = 0
    below = (row + 1) % n_rows
    for column in range(n_columns):
        here = int(states[copy, row, column])
        total += here
        right = int(states[copy, row, (column + 1) % n_columns])
        bonds += here * (right + int(states[copy, below, column]))
    out[copy, row, 0] = total
    out[copy, row, 1] = bonds
