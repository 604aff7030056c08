"""Points in patches: weights of means, and what points near an edge add to a mean's error."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.special import ndtr

from physlearn.datasets.descriptors.patch_places import PatchPlaces

__all__ = ["PointSet", "point_set"]

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

REACH_SD = 4.0
"""Points further than this many standard deviations from an edge do not cross it."""


@dataclass(frozen=True, slots=True, eq=False)
class PointSet:
    """Points (atoms, middles of bonds, cells) and the patches that they stand in.

    Attributes
    ----------
    weights
        Sparse (n_patches, n_points): weights of the mean over the points in each patch.
    doubt
        Sparse (n_patches, n_points): probability that position errors put a point on the wrong
        side of a patch's edge.
    number
        Points in each patch, (n_patches,).
    """

    weights: sparse.csr_array
    doubt: sparse.csr_array
    number: Floats

    @property
    def empty(self) -> Flags:
        """Patches without a point."""
        return np.asarray(self.number == 0)

    def means(self, values: Floats) -> Floats:
        """Return the mean of each patch; NaN where it holds no point."""
        return np.where(self.empty, np.nan, self.weights @ values)

    def crossing(self, first: Floats, second: Floats) -> Floats:
        """Return what crossing points add to the covariance of two means, by patch.

        A point that comes or goes moves a mean by (value - mean) / number.
        """
        if not self.doubt.nnz:
            return np.zeros(len(self.number))
        one, two = self.weights @ first, self.weights @ second
        total = (
            self.doubt @ (first * second)
            - one * (self.doubt @ second)
            - two * (self.doubt @ first)
            + one * two * self.doubt.sum(axis=1)
        )
        return np.asarray(total / np.maximum(self.number, 1.0) ** 2)

    def noise_there(self, variance: Floats) -> Floats:
        """Return how much of ``crossing`` is not the points' own but their values' noise."""
        return np.asarray((self.doubt @ variance) / np.maximum(self.number, 1.0) ** 2)


def point_set(
    places: PatchPlaces, points: Floats, sd: Floats | None, kept: Flags | None = None
) -> PointSet:
    """Return the points of each patch; ``sd`` (n, 2) are errors along x and y where known."""
    n = len(points)
    chosen = np.ones(n, dtype=np.bool_) if kept is None else kept
    patch, point = places.members(points)
    patch, point = patch[chosen[point]], point[chosen[point]]
    number = np.bincount(patch, minlength=places.n).astype(np.float64)
    weights = sparse.csr_array((1.0 / number[patch], (patch, point)), shape=(places.n, n))
    doubt = sparse.csr_array((places.n, n))
    if sd is not None and n and sd.max() > 0:
        half = 0.5 * places.size
        wide = replace(places, size=places.size + 2.0 * REACH_SD * float(sd.max()))
        patch, point = wide.members(points)
        patch, point = patch[chosen[point]], point[chosen[point]]
        off = np.abs(points[point] - places.centers[patch])
        near = np.any(np.abs(half - off) < REACH_SD * sd[point], axis=1)
        patch, point, off = patch[near], point[near], off[near]
        spread = np.maximum(sd[point], 1e-300)
        inside = np.prod(ndtr((half - off) / spread), axis=1)
        wrong = np.where(np.all(off < half, axis=1), 1.0 - inside, inside)
        doubt = sparse.csr_array((wrong, (patch, point)), shape=(places.n, n))
    return PointSet(weights, doubt, number)
