"""Fourier power of windowed patches: bands, the noise's share, and gradients."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.fft import fft2

from physlearn.datasets.descriptors.pixel_noise import PixelNoise

__all__ = ["BandPower", "hann_window"]

Floats = NDArray[np.float64]


def hann_window(shape: tuple[int, int]) -> Floats:
    """Return the Hann window of a patch, nowhere 0, with a mean square of 1."""
    window = np.outer(*(np.hanning(length + 2)[1:-1] for length in shape))
    return np.asarray(window / np.sqrt(np.mean(window**2)))


class BandPower:
    """Power of windowed patches in sets of frequencies, in squared units of the pixels.

    The power of all frequencies is the mean square of the windowed pixels.
    """

    def __init__(self, shape: tuple[int, int], masks: Floats, noise: PixelNoise | None) -> None:
        self.shape = shape
        self.masks = masks  # (bands, rows, columns) on the grid of fft2: weights
        self.window = hann_window(shape)
        self.pixels = shape[0] * shape[1]
        self.added, self.lines, self.second = (np.zeros(len(masks)) for _ in range(3))
        self.second_lines, self.second_both = np.zeros(len(masks)), np.zeros(len(masks))
        self.even_waves, self.line_waves = np.zeros(shape), np.zeros(shape)
        if noise is not None:
            self._measure_noise(noise)

    def _measure_noise(self, noise: PixelNoise) -> None:
        """Work out what unit noise and the lines add to each band, and how it scatters."""
        spectrum = np.abs(np.fft.fft2(self.window**2)) ** 2
        used = np.any(self.masks != 0.0, axis=0)
        self.even_waves, self.line_waves = (used * each for each in self._noise_of_each(noise))
        for band, mask in enumerate(self.masks):
            self.added[band] = (mask * self.even_waves).sum()
            self.lines[band] = (mask * self.line_waves).sum()
            # sum over pairs k, k' of |W2(k - k')|^2: how many independent waves the band holds
            pairs = np.fft.ifft2(np.abs(np.fft.fft2(mask)) ** 2).real
            white = mask.sum() * float((self.window**2).sum()) / self.pixels**2
            raise_ = (self.added[band] / white) ** 2
            self.second[band] = 2.0 * float((pairs * spectrum).sum()) * raise_ / self.pixels**4
            if noise.row_variance > 0.0:
                self._measure_lines(band, mask, noise)

    def _noise_of_each(self, noise: PixelNoise) -> tuple[Floats, Floats]:
        """Return what unit noise, and the lines, give to each frequency's power.

        ``sum over lags d of rho(d) sum_r w(r) w(r + d) exp(-i q d)``, over pixels^2.
        """
        n_rows, n_columns = self.shape
        lags = np.zeros(self.shape)
        p, q = (length // 2 for length in noise.correlation.shape)
        for i in range(-min(p, n_rows - 1), min(p, n_rows - 1) + 1):
            for j in range(-min(q, n_columns - 1), min(q, n_columns - 1) + 1):
                one = self.window[max(i, 0) : n_rows + min(i, 0), max(j, 0) : n_columns + min(j, 0)]
                two = self.window[
                    max(-i, 0) : n_rows + min(-i, 0), max(-j, 0) : n_columns + min(-j, 0)
                ]
                lags[i % n_rows, j % n_columns] += (
                    noise.correlation[i + p, j + q] * (one * two).sum()
                )
        even = np.fft.fft2(lags).real
        rows = np.fft.fft(self.window, axis=1)
        alike = np.zeros((n_rows, n_columns))
        middle = noise.row_correlation.size // 2
        for i in range(-min(middle, n_rows - 1), min(middle, n_rows - 1) + 1):
            product = (
                rows[max(i, 0) : n_rows + min(i, 0)] * rows[max(-i, 0) : n_rows + min(-i, 0)].conj()
            )
            alike[i % n_rows] += noise.row_correlation[i + middle] * product.sum(axis=0).real
        lines = noise.row_variance * np.fft.fft(alike, axis=0).real
        return even / self.pixels**2, lines / self.pixels**2

    def _measure_lines(self, band: int, mask: Floats, noise: PixelNoise) -> None:
        """Work out how a band's power scatters with the lines: 2 tr(A C A C), C their share."""
        each = np.zeros((self.shape[0], *self.shape))
        each[np.arange(self.shape[0]), np.arange(self.shape[0])] = 1.0
        each -= each.mean(axis=(1, 2), keepdims=True)
        made = np.fft.ifft2(np.fft.fft2(each * self.window) * mask).real * self.window
        made = (made - made.mean(axis=(1, 2), keepdims=True)) / self.pixels
        lines = made.sum(axis=2)
        self.second_lines[band] = 2.0 * noise.row_variance**2 * float((lines**2).sum())
        even = float((noise.smeared(made) * made).sum())
        self.second_both[band] = 4.0 * noise.row_variance * even

    def scatter(self, level: Floats) -> Floats:
        """Return the variance (n, bands) that noise of each patch's variance gives to the bands."""
        own = level[:, None]
        return np.asarray(own**2 * self.second + own * self.second_both + self.second_lines)

    def noise_of_waves(self, level: Floats) -> Floats:
        """Return what noise of each patch's variance adds to each frequency's power."""
        return np.asarray(level[:, None, None] * self.even_waves + self.line_waves)

    def transform(self, away: Floats) -> NDArray[np.complex128]:
        """Return the Fourier transform of the windowed pixels (n, rows, columns)."""
        return np.asarray(fft2(away * self.window))

    def power(self, transform: NDArray[np.complex128]) -> Floats:
        """Return the power in each band (n, bands), with the noise's share."""
        square = (transform.real**2 + transform.imag**2).reshape(len(transform), -1)
        return np.asarray(square @ self.masks.reshape(len(self.masks), -1).T / self.pixels**2)

    def gradients(self, transform: NDArray[np.complex128], masks: Floats) -> Floats:
        """Return how the power under masks (n or 1, k, rows, columns) changes with the pixels.

        The mean of a patch, taken off before, moves with its pixels too.
        """
        back = np.fft.ifft2(transform[:, None] * masks).real
        pictures = 2.0 * back * self.window / self.pixels
        return np.asarray(pictures - pictures.mean(axis=(2, 3), keepdims=True))
