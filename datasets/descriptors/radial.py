"""Radial power spectrum of a patch: how much of its variance lies at which period."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from physlearn.datasets.descriptors.pixel_noise import PixelNoise, signal_gradients
from physlearn.datasets.descriptors.spectral_windows import BandPower
from physlearn.datasets.descriptors.window_batch import GroupResult, WindowBatch

__all__ = ["N_BANDS", "RadialPower", "band_edges"]

Floats = NDArray[np.float64]
N_BANDS = 5


def band_edges(shape: tuple[int, int]) -> Floats:
    """Return the limits of the bands in cycles per pixel, even in the logarithm, to Nyquist."""
    return np.asarray(np.geomspace(0.75 / min(shape), 0.5, N_BANDS + 1))


class RadialPower:
    """Power at spatial frequencies within a ring, of the patch under a Hann window, less noise."""

    words = tuple(f"radial_power_{band + 1}" for band in range(N_BANDS))
    tiers = (1,) * N_BANDS
    units = ("{channel}^2",) * N_BANDS
    needs_squares = True
    redraw = "never"

    def __init__(self, shape: tuple[int, int], noise: PixelNoise | None) -> None:
        frequency = np.hypot(np.fft.fftfreq(shape[0])[:, None], np.fft.fftfreq(shape[1]))
        edges = band_edges(shape)
        masks = [(frequency >= low) & (frequency < high)
                 for low, high in pairwise(edges)]  # fmt: skip
        self.bands = BandPower(shape, np.array(masks, dtype=np.float64), noise)

    def describe(self, batch: WindowBatch) -> GroupResult:
        """Return what the patches show."""
        away = batch.pixels - batch.pixels.mean(axis=(1, 2), keepdims=True)
        transform = self.bands.transform(away)
        power = self.bands.power(transform)
        level = batch.mean_variance[:, None]
        clean = power - level * self.bands.added - self.bands.lines
        second = self.bands.scatter(batch.mean_variance)
        gradients = None
        if batch.with_errors:
            gradients = self.bands.gradients(transform, self.bands.masks[None])
            gradients = signal_gradients(gradients, second, batch.variance, batch.noise)
        return GroupResult(clean, gradients, second)
