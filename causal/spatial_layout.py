"""Where the patches lie: autocovariance, blocks and shifts of fields on patch centres."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.spatial import cKDTree

from physlearn.checks import InputError, check_array

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_MAX_PAIRS = 400_000
OFF_GRID = 0.05
"""Patches of a grid lie off their cell's centre by no more than this share of a cell."""


class SpatialLayout:
    """Positions of patches, either cells of a rectangular grid (some may be missing) or free.

    Parameters
    ----------
    centers
        Patch centres x, y, shape (n, 2), in any unit of length.
    max_lag_fraction
        Autocovariances are used up to this fraction of the field of view; longer lags hold
        too few pairs to be estimated.

    Raises
    ------
    InputError
        For fewer than 4 centres, non-finite ones, or two patches at one place.

    Notes
    -----
    The variance of a mean of products of two independent stationary fields ``u`` and ``v`` is
    ``sum_lags pairs(lag) cov_u(lag) cov_v(lag) / n**2`` (Clifford, Richardson and Hemon,
    Biometrics 45, 123 (1989), doi:10.2307/2532039; Dutilleul, Biometrics 49, 305 (1993),
    doi:10.2307/2532625). On a grid the lags are vectors and the sums are FFTs; for free
    centres the lags are distances in bins.
    """

    def __init__(self, centers: Floats, *, max_lag_fraction: float = 0.25) -> None:
        centers = check_array("centers", centers, ndim=2, shape=(None, 2))
        if len(centers) < 4:
            raise InputError(f"centers must hold at least 4 patches, got {len(centers)}.")
        self.centers: Floats = centers
        self.n = len(centers)
        self.max_lag_fraction = max_lag_fraction
        self._tree: cKDTree | None = None
        cells = _grid_cells(centers)
        self.cells: Integers | None = cells
        if cells is not None:
            self._prepare_grid(cells)
        else:
            self._prepare_bins()

    @cached_property
    def patch_step(self) -> float:
        """Return the distance of neighbouring patches, in the unit of the centres."""
        nearest = np.asarray(cKDTree(self.centers).query(self.centers, k=2)[0])[:, 1]
        return float(np.median(nearest))

    def _prepare_grid(self, cells: Integers) -> None:
        rows, columns = (int(k) for k in cells.max(axis=0) + 1)
        self._grid_shape = (rows, columns)
        longest = [int(k * self.max_lag_fraction) for k in self._grid_shape]
        self._lags = (min(max(2, longest[0]), rows - 1), min(max(2, longest[1]), columns - 1))
        # padding by the largest lag used is enough to keep the wrapped part out of reach
        self._fft_shape = (
            fft.next_fast_len(rows + self._lags[0], real=True),
            fft.next_fast_len(columns + self._lags[1], real=True),
        )
        self._row_lags = np.arange(-self._lags[0], self._lags[0] + 1)
        self._column_lags = np.arange(0, self._lags[1] + 1)
        occupied = np.zeros(self._grid_shape)
        occupied[cells[:, 0], cells[:, 1]] = 1.0
        counts = np.rint(self._correlate(occupied))
        # half of the plane is kept: the opposite lag is the same number
        weight = np.full(counts.shape, 2.0)
        weight[:, 0] = 1.0
        self._pairs = counts
        self.zero_lag = self._lags[0] * len(self._column_lags)
        self.pair_counts: Floats = (counts * weight).ravel()

    def _correlate(self, image: Floats) -> Floats:
        spectrum = fft.rfft2(image, self._fft_shape)
        full = fft.irfft2(spectrum.real**2 + spectrum.imag**2, self._fft_shape)
        return np.asarray(full[np.ix_(self._row_lags, self._column_lags)], dtype=np.float64)

    def _prepare_bins(self) -> None:
        tree = cKDTree(self.centers)
        nearest = np.asarray(tree.query(self.centers, k=2)[0])[:, 1]
        if nearest.min() <= 0:
            raise InputError("centers must be different places; at least two patches coincide.")
        step = float(np.median(nearest))
        extent = float(np.ptp(self.centers, axis=0).max())
        radius = max(3.0 * step, extent * self.max_lag_fraction)
        while radius > 3.0 * step and tree.count_neighbors(tree, radius) > 2 * _MAX_PAIRS:
            radius *= 0.85
        pairs = tree.query_pairs(radius, output_type="ndarray").astype(np.int64)
        distance = np.linalg.norm(self.centers[pairs[:, 0]] - self.centers[pairs[:, 1]], axis=1)
        self._first, self._second = pairs[:, 0], pairs[:, 1]
        self._bin = np.maximum(1, np.rint(distance / step)).astype(np.int64)
        self._n_bins = int(self._bin.max(initial=0)) + 1
        counts = 2.0 * np.asarray(np.bincount(self._bin, minlength=self._n_bins), dtype=np.float64)
        counts[0] = self.n
        self.zero_lag = 0
        self.pair_counts = counts

    def autocovariance(self, field: Floats) -> Floats:
        """Return the autocovariance of a centred field (n,) at every lag of `pair_counts`."""
        if self.cells is not None:
            image = np.zeros(self._grid_shape)
            image[self.cells[:, 0], self.cells[:, 1]] = field
            return (self._correlate(image) / np.maximum(self._pairs, 1.0)).ravel()
        products = field[self._first] * field[self._second]
        sums = np.asarray(np.bincount(self._bin, products, self._n_bins), dtype=np.float64)
        sums[0] = 0.5 * float(field @ field)  # doubled below, as the pairs are
        return np.asarray(2.0 * sums / np.maximum(self.pair_counts, 1.0), dtype=np.float64)

    @property
    def steps(self) -> tuple[float, float]:
        """Distance from row to row and from column to column; 0 along a single one."""
        cells = np.zeros((self.n, 2)) if self.cells is None else self.cells
        design = np.column_stack([cells, np.ones(self.n)])
        fitted = np.linalg.lstsq(design, self.centers, rcond=None)[0]
        along = np.linalg.norm(fitted[:2], axis=1) * (np.ptp(cells, axis=0) > 0)
        return float(along[0]), float(along[1])

    def nearest_autocovariance(self, field: Floats) -> float:
        """Return the mean autocovariance of a centred field (n,) at the nearest neighbours."""
        lags = [self.zero_lag + 1]
        if self.cells is not None:
            lags.append(self.zero_lag + len(self._column_lags))
        lags = [k for k in lags if k < len(self.pair_counts) and self.pair_counts[k] > 0]
        found = self.autocovariance(field)[lags]
        return float(found.mean()) if len(found) else 0.0

    def blocks(self, per_side: int) -> Integers:
        """Return the block number (n,) of each patch: `per_side` squared boxes of equal extent."""
        low = self.centers.min(axis=0)
        extent = np.maximum(np.ptp(self.centers, axis=0), 1e-300)
        place = np.minimum((self.centers - low) / extent * per_side, per_side - 1e-9).astype(int)
        label = place[:, 1] * per_side + place[:, 0]
        return np.unique(label, return_inverse=True)[1].astype(np.int64)

    def shifted(self, rng: np.random.Generator, *, minimum_fraction: float = 0.2) -> Integers:
        """Return indices (n,) that move a field by one random vector, wrapped at the edges.

        The vector is at least `minimum_fraction` of the field of view long in one direction,
        so that the moved field keeps its own pattern but loses the place it had.
        """
        low, extent = self.centers.min(axis=0), np.ptp(self.centers, axis=0)
        extent = np.where(extent > 0, extent, 1.0)
        while True:
            shift = rng.uniform(0, 1, 2)
            if np.any(np.minimum(shift, 1 - shift) >= minimum_fraction):
                break
        if self.cells is None:
            places = low + np.mod(self.centers - low + shift * extent, extent)
        else:
            shape = np.array(self._grid_shape)
            places = (self.cells + np.rint(shift * shape).astype(np.int64)) % shape
        if self._tree is None:
            self._tree = cKDTree(self.centers if self.cells is None else self.cells)
        return np.asarray(self._tree.query(places)[1], dtype=np.int64)


def _grid_cells(centers: Floats) -> Integers | None:
    """Return (row, column) of each centre when all lie on one rectangular grid, else None."""
    for found in (_axis_cells, _lattice_cells):
        cells = found(centers)
        if cells is None:
            continue
        # a turned grid may fit a much finer one along the axes
        size = int(np.prod(cells.max(axis=0) + 1))
        if size <= 20 * len(centers) and len(np.unique(cells, axis=0)) == len(cells):
            return cells
    return None


def _axis_cells(centers: Floats) -> Integers | None:
    """Return rows and columns of a grid along the axes, by the levels of either coordinate."""
    cells = []
    for axis in (1, 0):
        values = centers[:, axis]
        levels = np.unique(values)
        span = float(np.ptp(values))
        if span == 0:
            cells.append(np.zeros(len(values), dtype=np.int64))
            continue
        gaps = np.diff(levels)
        gaps = gaps[gaps > 1e-6 * span]
        step = float(gaps.min())
        if step < 0.2 * span / len(centers):
            return None
        place = (values - levels[0]) / step
        number = np.rint(place)
        if np.abs(place - number).max() > OFF_GRID:
            return None
        cells.append(number.astype(np.int64))
    return np.stack(cells, axis=1)


def _lattice_cells(centers: Floats) -> Integers | None:
    """Return rows and columns of a rectangular grid that is turned, or not quite exact.

    The steps along rows and columns are means of the vectors to nearest neighbours, fitted again
    to all places.
    """
    tree = cKDTree(centers)
    beside = np.asarray(tree.query(centers, k=min(9, len(centers)))[1])[:, 1:]
    vectors = (centers[beside] - centers[:, None]).reshape(-1, 2)
    length = np.linalg.norm(vectors, axis=1)
    if length.min() <= 0:
        return None
    first = _common_vector(vectors, length)
    across = np.abs(vectors @ first) < 0.1 * length * np.linalg.norm(first)
    if not across.any():
        return None
    steps = np.stack([_common_vector(vectors[across], length[across]), first])
    if abs(steps[0, 1]) < abs(steps[1, 1]):  # rows go along y more than columns do
        steps = steps[::-1]
    steps = steps * np.sign([[steps[0, 1] or 1.0], [steps[1, 0] or 1.0]])
    start = centers[int(np.argmin(np.linalg.norm(centers - centers.mean(axis=0), axis=1)))]
    for _ in range(3):
        if abs(np.linalg.det(steps)) < 0.9 * float(np.prod(np.linalg.norm(steps, axis=1))):
            return None
        place = (centers - start) @ np.linalg.inv(steps)
        number = np.rint(place)
        design = np.column_stack([number, np.ones(len(number))])
        fitted = np.linalg.lstsq(design, centers, rcond=None)[0]
        steps, start = fitted[:2], fitted[2]
    place = (centers - start) @ np.linalg.pinv(steps)
    if np.abs(place - number).max() > OFF_GRID:
        return None
    return np.asarray(number - number.min(axis=0), dtype=np.int64)


def _common_vector(vectors: Floats, length: Floats) -> Floats:
    """Return the mean of the vectors, up to their sign, that are nearly the shortest one."""
    seed = vectors[int(np.argmin(length))]
    away = np.sign(vectors @ seed)[:, None] * vectors
    alike = np.linalg.norm(away - seed, axis=1) < 0.15 * np.linalg.norm(seed)
    return np.asarray(away[alike].mean(axis=0), dtype=np.float64)
