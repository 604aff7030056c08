"""Every pair of close particles, fast: what all estimators from snapshots begin with."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.configurations.pair_list_kernels import list_close_pairs

__all__ = ["close_pairs"]

Float = NDArray[np.float64]
MOST_CELLS = 1 << 20


def close_pairs(
    positions: Float, reach: float, box: Float | None
) -> tuple[NDArray[np.int64], Float, Float]:
    """Return pairs i < j nearer than ``reach``, the vectors from i to j, and their lengths.

    ``positions``: (n, d), inside the box where there is one; shapes (m, 2), (m, d), (m,). A reach
    of at most half the box is the caller's business.
    """
    n, d = positions.shape
    places = np.zeros((n, 3))
    places[:, :d] = positions
    lengths = np.zeros(3)
    low, extent = np.zeros(3), np.zeros(3)
    if box is not None:
        lengths[:d] = extent[:d] = box
    else:
        low[:d] = positions.min(axis=0)
        extent[:d] = positions.max(axis=0) - low[:d]
    cells = np.maximum((extent / (reach * (1.0 + 1e-9))).astype(np.int64), 1)
    while cells.prod() > min(MOST_CELLS, 8 * n + 64):
        cells = np.maximum(cells // 2, 1)
    cells[(lengths > 0.0) & (cells < 3)] = 1  # two cells would be visited twice
    frame = np.concatenate([low, np.where(extent > 0.0, cells / np.maximum(extent, 1e-300), 0.0)])
    ball = np.pi * reach**2 if d == 2 else 4.0 / 3.0 * np.pi * reach**3
    volume = max(float(np.prod(extent[:d])), 1e-300)
    room = int(min(1.2 * 0.5 * n * n * ball / volume, 0.5 * n * n)) + 256
    while True:
        pairs, vectors = np.empty((room, 2), dtype=np.int64), np.empty((room, 4))
        found = list_close_pairs(places, lengths, frame, cells, reach, pairs, vectors)
        if found <= room:
            return (
                pairs[:found],
                np.ascontiguousarray(vectors[:found, :d]),
                vectors[:found, 3].copy(),
            )
        room = found
