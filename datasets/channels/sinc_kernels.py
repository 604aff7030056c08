"""A picture between its pixels, by windowed sinc: its noise keeps its size."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.compiled import kernel

__all__ = ["HALF", "sample_sinc"]

Floats = NDArray[np.float64]
HALF = 12
"""Pixels on each side that enter."""
SHARPNESS = 4.0
"""Kaiser's beta: little, for a narrow edge of the pass band."""


@kernel
def bessel(x: float) -> float:
    """Return the modified Bessel function of order 0 by its series (|x| up to 10)."""
    total, term = 1.0, 1.0
    for k in range(1, 30):
        term *= (0.5 * x / k) ** 2
        total += term
        if term < 1e-14 * total:
            break
    return total


@kernel
def fill_weights(fraction: float, weights: Floats) -> None:
    """Fill the weights (2 HALF) of pixels -HALF + 1 ... HALF around a place; their sum is 1."""
    total = 0.0
    for k in range(2 * HALF):
        t = k - (HALF - 1) - fraction
        window = bessel(SHARPNESS * np.sqrt(max(1.0 - (t / HALF) ** 2, 0.0)))
        value = 1.0 if abs(t) < 1e-12 else np.sin(np.pi * t) / (np.pi * t)
        weights[k] = value * window
        total += weights[k]
    for k in range(2 * HALF):
        weights[k] /= total


@kernel
def mirrored(index: int, length: int) -> int:
    """Return the pixel that stands for one beyond the edge."""
    while index < 0 or index >= length:
        index = -1 - index if index < 0 else 2 * length - 1 - index
    return index


@kernel
def sample_sinc(values: Floats, rows: Floats, columns: Floats, out: Floats) -> None:
    """Fill ``out`` (n,) with the picture at places (n,), NaN outside or beside a NaN pixel."""
    n_rows, n_columns = values.shape
    by_row, by_column = np.empty(2 * HALF), np.empty(2 * HALF)
    for n in range(len(out)):
        y, x = rows[n], columns[n]
        if not (0.0 <= y <= n_rows - 1.0 and 0.0 <= x <= n_columns - 1.0):
            out[n] = np.nan
            continue
        top, left = int(np.floor(y)), int(np.floor(x))
        fill_weights(y - top, by_row)
        fill_weights(x - left, by_column)
        total = 0.0
        for i in range(2 * HALF):
            # a place on a row of pixels needs no other row, and no NaN there
            if by_row[i] == 0.0 or abs(by_row[i]) < 1e-13:
                continue
            row = mirrored(top - (HALF - 1) + i, n_rows)
            part = 0.0
            for j in range(2 * HALF):
                if abs(by_column[j]) >= 1e-13:
                    part += by_column[j] * values[row, mirrored(left - (HALF - 1) + j, n_columns)]
            total += by_row[i] * part
        out[n] = total
