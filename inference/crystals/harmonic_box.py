"""Rectangular boxes that hold whole cells of a lattice."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.crystals.crystal_kinds import CrystalKind
from physlearn.inference.crystals.thermal_crystals import CrystalBox

__all__ = ["whole_box"]

Float = NDArray[np.float64]
CUBIC = {
    "triangular": [[1, 0], [-1, 2]],
    "honeycomb": [[1, 0], [-1, 2]],
    "square": [[1, 0], [0, 1]],
    "simple_cubic": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "fcc": [[-1, 1, 1], [1, -1, 1], [1, 1, -1]],
    "bcc": [[0, 1, 1], [1, 0, 1], [1, 1, 0]],
    "hcp": [[1, 0, 0], [-1, 2, 0], [0, 0, 1]],
}
"""Edges of the smallest rectangular cell, in primitive vectors."""


def whole_box(kind: CrystalKind, scale: float, extent: Float) -> CrystalBox:
    """Return the smallest rectangular box of at least ``extent`` (d,) along each axis."""
    primitive = scale * kind.primitive
    rows = np.array(CUBIC[kind.name], dtype=np.int64)
    edges = np.abs(np.diag(rows @ primitive))
    times = np.ceil(extent / edges).astype(np.int64)
    return CrystalBox(kind, primitive, rows * times[:, None])
