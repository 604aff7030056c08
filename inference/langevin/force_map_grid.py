"""Grids of uniform cubic B-splines: functions as tables, refinement, roughness."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["FINE_CELLS", "FieldGrid", "refined", "roughness"]

Float = NDArray[np.float64]
FINE_CELLS = {1: 64, 2: 40, 3: 16}
MARGIN = 0.15


@dataclass(frozen=True, eq=False)
class FieldGrid:
    """A grid of cells around the data.

    Attributes
    ----------
    lower, upper
        float64, shape (d,): its corners.
    cells
        int64, shape (d,): cells along each axis.
    """

    lower: Float
    upper: Float
    cells: NDArray[np.int64]

    @classmethod
    def around(cls, positions: Float, cells: int | None = None) -> FieldGrid:
        """Return a grid that holds positions (n, d) with a margin."""
        d = positions.shape[1]
        lower, upper = positions.min(axis=0), positions.max(axis=0)
        extent = np.maximum(upper - lower, 1e-9 * np.maximum(1.0, abs(upper)))
        n = FINE_CELLS[d] if cells is None else cells
        return cls(lower - MARGIN * extent, upper + MARGIN * extent, np.full(d, n))

    @property
    def dimension(self) -> int:
        """Number of axes."""
        return len(self.lower)

    @property
    def spacing(self) -> Float:
        """Edges of a cell."""
        return np.asarray((self.upper - self.lower) / self.cells)

    @property
    def counts(self) -> NDArray[np.int64]:
        """Coefficients along three axes."""
        out = np.ones(3, dtype=np.int64)
        out[: self.dimension] = self.cells + 3
        return out

    @property
    def numbers(self) -> Float:
        """Origin and one over the spacing, shape (2, 3), as kernels take them."""
        out = np.stack([np.zeros(3), np.ones(3)])
        out[0, : self.dimension] = self.lower
        out[1, : self.dimension] = 1.0 / self.spacing
        return out

    def table(self, values: Callable[[Float], Float]) -> Float:
        """Return the coefficients of a function of positions (m, d), shape (n_coefficients, ...).

        The inverse of the spline's averaging of neighbours, to fourth order in differences: exact
        for cubics.
        """
        axes = [
            self.lower[a] + self.spacing[a] * np.arange(-3, self.cells[a] + 4)
            for a in range(self.dimension)
        ]
        points = np.stack([axis.ravel() for axis in np.meshgrid(*axes, indexing="ij")], axis=-1)
        found = np.asarray(values(points), dtype=np.float64)
        found = found.reshape(*[len(axis) for axis in axes], *found.shape[1:])
        for a in range(self.dimension):
            found = np.moveaxis(found, a, 0)
            once = found[:-2] - 2.0 * found[1:-1] + found[2:]
            twice = once[:-2] - 2.0 * once[1:-1] + once[2:]
            found = np.moveaxis(found[2:-2] - once[1:-1] / 6.0 + twice / 36.0, 0, a)
        return np.asarray(found.reshape(-1, *found.shape[self.dimension :]))


def roughness(counts: NDArray[np.int64]) -> Float:
    """Sum over axes of squared second differences of coefficients on a grid, (n, n)."""
    total = np.zeros((int(counts.prod()),) * 2)
    for a in range(len(counts)):
        n = int(counts[a])
        second = np.diff(np.eye(n), 2, axis=0)
        out: Float = np.eye(1)
        for b in range(len(counts)):
            part = second.T @ second if b == a else np.eye(int(counts[b]))
            out = np.asarray(np.kron(out, part), dtype=np.float64)
        total += out
    return total


def refined(coarse: FieldGrid, fine: FieldGrid) -> Float:
    """Coefficients on a grid whose cells divide the coarse one's, (n_fine, n_coarse)."""
    from scipy.interpolate import BSpline

    out: Float = np.eye(1)
    for a in range(coarse.dimension):
        at = np.linspace(0.0, 1.0, 8 * int(fine.cells[a]) + 1)
        bases = []
        for cells in (int(fine.cells[a]), int(coarse.cells[a])):
            ends = np.arange(-3, cells + 4) / cells
            bases.append(BSpline(ends, np.eye(cells + 3), 3)(np.minimum(at, 1.0 - 1e-12)))
        found = np.linalg.lstsq(bases[0], bases[1], rcond=None)[0]
        out = np.asarray(np.kron(out, found), dtype=np.float64)
    return out
