"""Autocovariance over space and time: the patches of one layout, seen frame after frame."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import fft

from physlearn.causal.spatial_layout import Floats, Integers, SpatialLayout

TREND_TERMS = 1.2
"""A plane taken out of a frame lowers its autocovariance by so many variances of its mean."""


class SpaceTimeLayout:
    """Rows of several frames, one below the other, with lags in space and in time.

    It answers what `SpatialScore` asks of a `SpatialLayout`: the autocovariance of a field, the
    number of pairs at each lag and blocks of patches. Time lags of any length are used, as a
    frozen pattern never forgets; lags in space as in the layout of one frame.

    Parameters
    ----------
    layout
        The patches of one frame.
    kept
        The patches (numbers in `layout`) that each frame has rows of.

    Notes
    -----
    Clifford, Richardson and Hemon, Biometrics 45, 123 (1989), doi:10.2307/2532039, with lags in
    space and time: the variance of the mean product of two independent fields is the sum over
    lags of pairs x autocovariance x autocovariance / n**2.
    """

    def __init__(self, layout: SpatialLayout, kept: Sequence[Integers]) -> None:
        self.space = layout
        self.patch: Integers = np.concatenate(list(kept)).astype(np.int64)
        self.frame: Integers = np.repeat(np.arange(len(kept)), [len(rows) for rows in kept])
        self.n = len(self.patch)
        self.n_frames = len(kept)
        self.centers: Floats = layout.centers[self.patch]
        self.cells = None if layout.cells is None else layout.cells[self.patch]
        size = np.array([len(rows) for rows in kept], dtype=np.float64)
        self._together = np.correlate(size, size, "full")
        occupied = np.ones(self.n)
        if self.cells is None:
            self._weight = np.ones((1, layout._n_bins))
        else:
            shape = np.ptp(layout.cells, axis=0) + 1  # type: ignore[arg-type]
            self._shape = tuple(int(k) for k in shape)
            reach = [int(k * layout.max_lag_fraction) for k in shape]
            longest = [min(max(2, r), int(k) - 1) for r, k in zip(reach, shape, strict=True)]
            self._reach = (longest[0], longest[1])
            # half of the lags is kept: the opposite lag is the same number
            half = np.where(np.arange(longest[1] + 1) == 0, 1.0, 2.0)
            self._weight = np.tile(half, 2 * longest[0] + 1)[None, :]
        raw = self._sums(occupied)
        self._pairs = np.rint(raw)
        counts = self._pairs * self._weight
        self.pair_counts: Floats = counts.ravel()
        at_zero = 0 if self.cells is None else self._reach[0] * (self._reach[1] + 1)
        self.zero_lag = (self.n_frames - 1) * counts.shape[1] + at_zero
        self._share = counts / np.maximum(self._together, 1.0)[:, None]

    def autocovariance(self, field: Floats) -> Floats:
        """Return the autocovariance of a field (n,) at every lag of `pair_counts`.

        What the plane taken out of every frame has removed from the long waves is put back, at
        each time lag by the covariance of the frames' means.
        """
        covariance = self._sums(field) / np.maximum(self._pairs, 1.0)
        share = self._share.sum(axis=1)
        of_means = (self._share * covariance).sum(axis=1) / np.maximum(1.0 - share, 0.5)
        limit = 0.2 * covariance.ravel()[self.zero_lag]
        repaired = covariance + TREND_TERMS * np.clip(of_means, 0.0, limit)[:, None]
        return np.asarray(repaired.ravel(), dtype=np.float64)

    def _sums(self, field: Floats) -> Floats:
        """Return sums of products at each lag, shape (2 n_frames - 1, n_lags in space)."""
        longest = self.n_frames - 1
        if self.cells is not None:
            image = np.zeros((self.n_frames, *self._shape))
            image[self.frame, self.cells[:, 0], self.cells[:, 1]] = field
            rows, columns = self._reach
            padded = [
                fft.next_fast_len(size + reach, real=True)
                for size, reach in zip(image.shape, (longest, rows, columns), strict=True)
            ]
            spectrum = fft.rfftn(image, padded)
            full = fft.irfftn(spectrum.real**2 + spectrum.imag**2, padded)
            lags = (
                np.arange(-longest, longest + 1),
                np.arange(-rows, rows + 1),
                np.arange(columns + 1),
            )
            return np.asarray(full[np.ix_(*lags)], dtype=np.float64).reshape(2 * longest + 1, -1)
        series = np.zeros((self.space.n, self.n_frames))
        series[self.patch, self.frame] = field
        length = fft.next_fast_len(2 * self.n_frames, real=True)
        spectrum = fft.rfft(series, length, axis=1)
        space = self.space
        first, second, bins, n_bins = space._first, space._second, space._bin, space._n_bins
        sums = np.empty((n_bins, spectrum.shape[1]))
        for k, wave in enumerate(spectrum.T):
            products = wave.real[first] * wave.real[second] + wave.imag[first] * wave.imag[second]
            sums[:, k] = 2.0 * np.bincount(bins, products, n_bins)
            sums[0, k] = float((wave.real**2 + wave.imag**2).sum())
        full = fft.irfft(sums, length, axis=1)
        return np.asarray(full[:, np.arange(-longest, longest + 1)].T, dtype=np.float64)

    def nearest_autocovariance(self, field: Floats) -> float:
        """Return the autocovariance of a field (n,) at neighbours, or at the next frame if larger.

        Errors are independent there, so that no more than the rest of the variance is theirs.
        """
        covariance = self.autocovariance(field)
        across = 1 if self.cells is None else self._reach[1] + 1
        beside = [self.zero_lag + 1, self.zero_lag + across]
        beside = [k for k in beside if k < len(covariance) and self.pair_counts[k] > 0]
        found = float(covariance[beside].mean()) if beside else 0.0
        if self.n_frames < 2:
            return found
        later = self.zero_lag + self._weight.shape[1]
        return max(found, float(covariance[later]))

    def blocks(self, per_side: int) -> Integers:
        """Return the spatial block (n,) of each row: all frames of a place are in one block."""
        label = self.space.blocks(per_side)[self.patch]
        return np.unique(label, return_inverse=True)[1].astype(np.int64)
