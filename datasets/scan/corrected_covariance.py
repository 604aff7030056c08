"""Covariance of corrected columns: their own errors, and what rows and drift have in common."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csc_array

__all__ = ["held_fixed", "in_unit", "joint_of"]

Floats = NDArray[np.float64]


def joint_of(
    blocks: Floats,
    shared: csc_array | None,
    levers: Floats | None = None,
    drift_sd: Floats | None = None,
) -> csc_array | None:
    """Return the sparse covariance of all parameters: own blocks, and what columns have in common.

    Rows are in common along x; the drift's own error (x, y) moves all columns by their ``levers``.
    """
    if shared is None:
        return None
    n, size, _ = blocks.shape
    entries = shared.tocoo()
    apart = entries.row != entries.col
    parts = [(0, entries.data[apart])]
    if levers is not None and drift_sd is not None:
        moved = levers[apart]
        parts = [
            (0, entries.data[apart] + drift_sd[0] ** 2 * moved), (1, drift_sd[1] ** 2 * moved)
        ]  # fmt: skip
    base = size * np.arange(n)[:, None, None]
    steps = np.arange(size)
    rows = np.broadcast_to(base + steps[:, None], blocks.shape).ravel()
    columns = np.broadcast_to(base + steps, blocks.shape).ravel()
    return csc_array(
        coo_array(
            (
                np.concatenate([blocks.ravel(), *(values for _, values in parts)]),
                (
                    np.concatenate([rows, *(size * entries.row[apart] + a for a, _ in parts)]),
                    np.concatenate([columns, *(size * entries.col[apart] + a for a, _ in parts)]),
                ),
            ),
            shape=(size * n, size * n),
        )
    )


def in_unit(joint: csc_array | None, pixel: Floats, n: int) -> csc_array | None:
    """Return the joint covariance with x and y in the atoms' unit instead of pixels."""
    if joint is None:
        return None
    size = joint.shape[0] // n
    scale = np.ones(size)
    scale[:2] = pixel
    every = np.tile(scale, n)
    entries = joint.tocoo()
    data = entries.data * every[entries.row] * every[entries.col]
    return csc_array(coo_array((data, (entries.row, entries.col)), shape=joint.shape))


def held_fixed(covariance: Floats, held: list[Floats]) -> Floats:
    """Return a covariance given that some linear combinations are known."""
    combinations = np.stack(held)
    tied = covariance @ combinations.T
    return np.asarray(covariance - tied @ np.linalg.pinv(combinations @ tied) @ tied.T)
