"""Where patches lie: on a grid, with overlap, or at chosen points."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

from physlearn.checks import InputError, check_positive
from physlearn.datasets.channels.axis_frame import AxisFrame

__all__ = ["PatchPlaces", "grid_places"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

ROUNDING = 1e-9
"""Share of a length by which rounding may move a point across an edge."""


@dataclass(frozen=True, slots=True, eq=False)
class PatchPlaces:
    """Square patches of one size.

    Attributes
    ----------
    centers
        (x, y) of each patch, shape (n, 2).
    size
        Edge of a patch.
    unit
        Unit of lengths.
    shape
        Patches along y and x when they lie on a full grid, row by row; else None.
    overlap
        Share of a patch that its neighbour shares.
    selection
        How the patches were chosen, "all" for a full grid.
    chosen_by_result
        Whether what a patch shows decided that it is there.
    """

    centers: Floats
    size: float
    unit: str
    shape: tuple[int, int] | None = None
    overlap: float = 0.0
    selection: str = "all"
    chosen_by_result: bool = False

    @property
    def n(self) -> int:
        """Number of patches."""
        return len(self.centers)

    def members(self, points: Floats) -> tuple[Integers, Integers]:
        """Return (patch, point) pairs, sorted by patch: which points lie in which patches.

        Each patch holds its lower edges and not its upper ones, whatever the rounding, so that
        patches that only touch share no point.
        """
        if not len(points):
            return np.empty(0, np.int64), np.empty(0, np.int64)
        half = 0.5 * self.size
        slack = ROUNDING * max(self.size, float(np.abs(points).max()))
        near = cast(
            "list[list[int]]",
            cKDTree(points).query_ball_point(self.centers, half + slack, p=np.inf),
        )
        number = np.array([len(each) for each in near], dtype=np.int64)
        patch = np.repeat(np.arange(self.n), number)
        point = np.concatenate([np.sort(np.asarray(each, dtype=np.int64)) for each in near])
        offset = points[point] - self.centers[patch]
        inside = np.all((offset >= -half - slack) & (offset < half - slack), axis=1)
        return np.asarray(patch[inside], dtype=np.int64), point[inside]

    def windows(self, frame: AxisFrame) -> tuple[Integers, tuple[int, int]]:
        """Return the first (row, column) of each patch's pixels (n, 2), and their (rows, columns).

        Every patch has the same number of pixels. Rows or columns may lie outside the picture
        for patches at its edge: ``inside`` says which do not.
        """
        edge = self.centers[:, ::-1] - 0.5 * self.size
        step = np.array(frame.step[::-1])
        first = np.ceil((edge - np.array(frame.start[::-1])) / step - 1e-6).astype(np.int64)
        height, width = (max(round(self.size / each + 1e-9), 1) for each in step)
        return first, (height, width)

    def inside(self, frame: AxisFrame) -> NDArray[np.bool_]:
        """Return which patches have all of their pixels in the picture."""
        first, window = self.windows(frame)
        last = first + np.array(window)
        return np.asarray(np.all((first >= 0) & (last <= np.array(frame.shape)), axis=1))


def grid_places(
    low: ArrayLike, high: ArrayLike, size: float, *, overlap: float = 0.0, unit: str = "pixel"
) -> PatchPlaces:
    """Return the full grid of patches between two corners (x, y), centred between them.

    Raises
    ------
    InputError
        For an overlap outside [0, 1), or when fewer than 4 patches fit.

    Examples
    --------
    >>> places = grid_places([0, 0], [64, 64], 16.0, overlap=0.5)
    >>> places.shape, places.centers[0].tolist()
    ((7, 7), [8.0, 8.0])
    """
    check_positive("patch_size", size)
    if not 0 <= overlap < 1:
        raise InputError(f"overlap must be at least 0 and below 1; got {overlap!r}.")
    first, last = np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64)
    step = size * (1.0 - overlap)
    count = np.floor((last - first - size) / step + ROUNDING).astype(int) + 1
    if count.min() < 1 or count.prod() < 4:
        raise InputError(
            f"patch_size {size:.4g} {unit} is too large: fewer than 4 patches fit into the picture."
        )
    corner = first + 0.5 * (last - first - size - (count - 1) * step)
    y, x = np.mgrid[: count[1], : count[0]]
    centers = corner + 0.5 * size + np.stack([x.ravel(), y.ravel()], axis=1) * step
    return PatchPlaces(centers, float(size), unit, (int(count[1]), int(count[0])), overlap)
