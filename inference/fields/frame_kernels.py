"""Compiled shift and blur of frames: separable filters of few taps, and their transpose."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physlearn.lattice_models.compiled import kernel

__all__ = ["filter_frames", "spread_frames"]

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]
Flags = NDArray[np.bool_]


@kernel
def filter_frames(frames: Floats, rows: Whole, columns: Whole, taps_y: Floats, taps_x: Floats,
                  seen: Flags, filtered: Floats) -> None:  # fmt: skip
    """Fill ``filtered`` (n_frames, n_rows, n_columns) from wider ``frames``; unseen ones are zero.

    ``rows`` (n_frames, n_rows + n_taps - 1) and ``columns`` say which cells a picture is made of.
    """
    n_rows, n_columns = filtered.shape[1:]
    width = taps_x.shape[1]
    line = np.empty(columns.shape[1])
    half = np.empty((rows.shape[1], n_columns))
    for t in range(frames.shape[0]):
        for i in range(n_rows):
            for j in range(n_columns):
                filtered[t, i, j] = 0.0
        if not seen[t]:
            continue
        for i in range(rows.shape[1]):
            source = frames[t, rows[t, i]]
            for j in range(columns.shape[1]):
                line[j] = source[columns[t, j]]
            for j in range(n_columns):
                half[i, j] = 0.0
            for k in range(width):
                tap = taps_x[t, k]
                part = line[k : k + n_columns]
                for j in range(n_columns):
                    half[i, j] += tap * part[j]
        for i in range(n_rows):
            for k in range(taps_y.shape[1]):
                tap = taps_y[t, k]
                for j in range(n_columns):
                    filtered[t, i, j] += tap * half[i + k, j]


@kernel
def spread_frames(forces: Floats, rows: Whole, columns: Whole, taps_y: Floats, taps_x: Floats,
                  seen: Flags, spread: Floats) -> None:  # fmt: skip
    """Transpose of `filter_frames`: fill ``spread``."""
    n_rows, n_columns = forces.shape[1:]
    width = taps_x.shape[1]
    line = np.empty(columns.shape[1])
    half = np.empty((rows.shape[1], n_columns))
    for t in range(forces.shape[0]):
        for i in range(spread.shape[1]):
            for j in range(spread.shape[2]):
                spread[t, i, j] = 0.0
        if not seen[t]:
            continue
        for i in range(rows.shape[1]):
            for j in range(n_columns):
                half[i, j] = 0.0
        for i in range(n_rows):
            for k in range(taps_y.shape[1]):
                tap = taps_y[t, k]
                for j in range(n_columns):
                    half[i + k, j] += tap * forces[t, i, j]
        for i in range(rows.shape[1]):
            for j in range(columns.shape[1]):
                line[j] = 0.0
            for k in range(width):
                tap = taps_x[t, k]
                part = line[k : k + n_columns]
                for j in range(n_columns):
                    part[j] += tap * half[i, j]
            target = spread[t, rows[t, i]]
            for j in range(columns.shape[1]):
                target[columns[t, j]] += line[j]
