"""The noise of pixels as descriptors need it: variance of each pixel, reach, lines in common."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError, check_positive
from physlearn.datasets.channels.channel_noise import ChannelNoise, white_correlation

__all__ = ["NoiseGiven", "PixelNoise", "linear_covariance", "pixel_noise", "signal_gradients"]

Floats = NDArray[np.float64]
NoiseGiven = ChannelNoise | float | Literal["counts"] | None


@dataclass(frozen=True, slots=True, eq=False)
class PixelNoise:
    """Variance ``offset + gain * pixel`` of each pixel, its autocorrelation, and that of lines."""

    offset: float
    gain: float = 0.0
    correlation: Floats = field(default_factory=white_correlation)
    row_variance: float = 0.0
    row_correlation: Floats = field(default_factory=lambda: np.ones(1))

    def variance(self, pixels: NDArray[np.floating]) -> Floats:
        """Return the variance of each pixel; pixels of any shape."""
        if self.gain == 0.0:
            return np.full(pixels.shape, self.offset)
        return np.maximum(self.offset + self.gain * pixels.astype(np.float64), 0.0)

    def smeared(self, pictures: Floats) -> Floats:
        """Return the autocorrelation applied to pictures (..., rows, columns)."""
        if self.correlation.size == 1:
            return pictures
        from scipy.ndimage import correlate

        shape = (1,) * (pictures.ndim - 2) + self.correlation.shape
        smeared: Floats = correlate(pictures, self.correlation.reshape(shape), mode="constant")
        return smeared

    def power(self, functions: Floats | NDArray[np.complex128]) -> tuple[Floats, Floats]:
        """Return what noise of unit variance, and of the lines, gives to each function's square.

        ``functions`` (k, rows, columns) may be complex.
        """
        real = [np.asarray(functions.real), np.asarray(functions.imag)]
        even = sum(np.einsum("kij,kij->k", self.smeared(part), part) for part in real)
        sums = functions.sum(axis=2)
        lines = self.row_variance * (sums.conj() * self.alike(sums)).sum(axis=1).real
        return np.asarray(even), np.asarray(lines)

    def alike(self, lines: NDArray[np.inexact]) -> NDArray[np.inexact]:
        """Return the autocorrelation of the lines' offsets applied to numbers (n, rows)."""
        if self.row_correlation.size == 1:
            return lines
        from scipy.ndimage import correlate1d

        smeared: NDArray[np.inexact] = correlate1d(
            lines, self.row_correlation, axis=1, mode="constant"
        )
        return smeared


def pixel_noise(noise: NoiseGiven) -> PixelNoise | None:
    """Return what descriptors need of a declared or measured noise."""
    if noise is None:
        return None
    if isinstance(noise, str):
        if noise != "counts":
            raise InputError(
                f"noise must be a ChannelNoise, a standard deviation or 'counts'; got {noise!r}."
            )
        return PixelNoise(0.0, 1.0)
    if isinstance(noise, ChannelNoise):
        offset = noise.sd**2 - noise.gain * noise.level
        return PixelNoise(offset, noise.gain, noise.autocorrelation, noise.row_sd**2,
                          noise.row_correlation)  # fmt: skip
    return PixelNoise(check_positive("noise", noise) ** 2)


def linear_covariance(gradients: Floats, variance: Floats, noise: PixelNoise) -> Floats:
    """Return G S G^T for gradients (n, k, rows, columns) and pixel variances (n, rows, columns).

    S is the pixels' covariance: sd_i sd_j rho(i - j), plus what lines have in common.
    """
    n, k = gradients.shape[:2]
    scaled = gradients * np.sqrt(variance)[:, None]
    other = noise.smeared(scaled) if noise.correlation.size > 1 else scaled
    left, right = scaled.reshape(n, k, -1), other.reshape(n, k, -1)
    total = left @ right.transpose(0, 2, 1)
    if noise.row_variance > 0:
        lines = gradients.sum(axis=3)
        alike = noise.alike(lines.reshape(-1, lines.shape[2])).reshape(lines.shape)
        total = total + noise.row_variance * (lines @ alike.transpose(0, 2, 1))
    return np.asarray(0.5 * (total + total.transpose(0, 2, 1)))


def signal_gradients(
    gradients: Floats, alone: Floats, variance: Floats | None, noise: PixelNoise | None
) -> Floats:
    """Return gradients (n, k, rows, columns) without what the noise itself puts into them.

    Squares of pure noise scatter by the variance ``alone`` (n, k). Gradients taken at noisy pixels
    hold twice that on average: it is taken out here, and ``alone`` added once to the variance.
    """
    if noise is None or variance is None:
        return gradients
    scaled = gradients * np.sqrt(variance)[:, None]
    linear = (scaled * noise.smeared(scaled)).sum(axis=(2, 3))
    if noise.row_variance > 0:
        lines = gradients.sum(axis=3).reshape(-1, gradients.shape[2])
        square = (lines * noise.alike(lines)).sum(axis=1)
        linear = linear + noise.row_variance * square.reshape(linear.shape)
    keep = np.clip(1.0 - 2.0 * alone / np.maximum(linear, 1e-300), 0.05, 1.0)
    return np.asarray(gradients * np.sqrt(keep)[..., None, None])
