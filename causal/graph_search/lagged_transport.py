"""Where the matter of a patch was in an earlier frame, and what was measured there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial import Delaunay

from physlearn.causal.spatial_layout import Floats, Integers, SpatialLayout
from physlearn.checks import InputError, check_array

ON_THE_EDGE = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class Interpolation:
    """Values at m places as weighted sums of the patches of a frame.

    Attributes
    ----------
    index, weight
        The patches that count at each place and their weights, shape (m, k).
    inside
        Whether the frame saw the place, shape (m,).
    """

    index: Integers
    weight: Floats
    inside: np.ndarray

    def apply(self, values: Floats) -> Floats:
        """Return values (m, p) at the places from those of the patches (n, p)."""
        return np.asarray(np.einsum("mk,mkp->mp", self.weight, values[self.index]))

    def noise(self, covariance: Floats, centers: Floats, length: float | None) -> Floats:
        """Return the covariance (1 or m, p, p) of the errors of the interpolated values.

        Errors of neighbouring patches agree as exp(-(distance / length)**2), or not at all.
        """
        apart = np.linalg.norm(
            centers[self.index][:, :, None] - centers[self.index][:, None], axis=3
        )
        together = np.exp(-((apart / length) ** 2)) if length else (apart == 0).astype(np.float64)
        gain = self.weight * np.einsum("mab,mb->ma", together, self.weight)
        if len(covariance) == 1:
            return np.asarray(gain.sum(axis=1)[:, None, None] * covariance)
        return np.asarray(np.einsum("mk,mkpq->mpq", gain, covariance[self.index]))


def check_transport(transport: ArrayLike, n_frames: int, n_patches: int) -> Floats:
    """Return displacements (n_frames - 1, n_patches, 2) of the matter between frames.

    Raises
    ------
    InputError
        For any other shape than (n_frames - 1, 2) or (n_frames - 1, n_patches, 2).
    """
    given = check_array("transport", transport)
    if given.shape == (n_frames - 1, 2):
        given = np.repeat(given[:, None, :], n_patches, axis=1)
    if given.shape != (n_frames - 1, n_patches, 2):
        raise InputError(
            f"transport must hold (dx, dy) for each of {n_frames - 1} pairs of frames, shape "
            f"({n_frames - 1}, 2), or for each patch too, shape ({n_frames - 1}, {n_patches}, 2); "
            f"got shape {np.shape(transport)}."
        )
    return given


def interpolation(layout: SpatialLayout, places: Floats) -> Interpolation:
    """Return how values at `places` (m, 2) follow from those of the patches.

    On a complete grid by cubic convolution (Keys, IEEE Trans. ASSP 29, 1153 (1981),
    doi:10.1109/TASSP.1981.1163711), elsewhere linear in the triangle around the place; exact at
    the patches themselves.
    """
    cells = layout.cells
    if cells is not None and np.ptp(cells, axis=0).min() > 0:
        shape = cells.max(axis=0) + 1
        if len(cells) == int(np.prod(shape)):
            return _on_grid(layout.centers, cells, shape, places)
    return _in_triangles(layout.centers, places)


def _on_grid(centers: Floats, cells: Integers, shape: Integers, places: Floats) -> Interpolation:
    number = np.empty(tuple(shape), dtype=np.int64)
    number[cells[:, 0], cells[:, 1]] = np.arange(len(cells))
    indices, weights = [], []
    inside = np.ones(len(places), dtype=np.bool_)
    for axis, side in ((1, 0), (0, 1)):
        low, extent = centers[:, axis].min(), np.ptp(centers[:, axis])
        place = (places[:, axis] - low) / extent * (shape[side] - 1)
        inside &= (place > -ON_THE_EDGE) & (place < shape[side] - 1 + ON_THE_EDGE)
        start = np.floor(place + ON_THE_EDGE).astype(np.int64)
        part = place - start
        part[np.abs(part) < ON_THE_EDGE] = 0.0
        weights.append(_keys_weights(part))
        indices.append(np.clip(start[:, None] + np.arange(-1, 3), 0, shape[side] - 1))
    index = number[indices[0][:, :, None], indices[1][:, None, :]]
    weight = weights[0][:, :, None] * weights[1][:, None, :]
    return Interpolation(index.reshape(len(places), 16), weight.reshape(len(places), 16), inside)


def _keys_weights(part: Floats) -> Floats:
    """Return weights (m, 4) of the cells before, at, after and two after a place."""
    t = part[:, None]
    distance = np.abs(t - np.arange(-1, 3))
    near = 1.5 * distance**3 - 2.5 * distance**2 + 1.0
    far = -0.5 * distance**3 + 2.5 * distance**2 - 4.0 * distance + 2.0
    return np.where(distance <= 1, near, np.where(distance < 2, far, 0.0))


def _in_triangles(centers: Floats, places: Floats) -> Interpolation:
    mesh = Delaunay(centers)
    triangle = mesh.find_simplex(places, tol=ON_THE_EDGE)
    inside = triangle >= 0
    triangle = np.maximum(triangle, 0)
    turn = mesh.transform[triangle]
    first = np.einsum("mab,mb->ma", turn[:, :2], places - turn[:, 2])
    weight = np.column_stack([first, 1.0 - first.sum(axis=1)])
    index = mesh.simplices[triangle].astype(np.int64)
    return Interpolation(index, np.where(inside[:, None], weight, 0.0), inside)
