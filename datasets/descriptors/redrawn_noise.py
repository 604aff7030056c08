"""Error bars where linearisation fails: a channel's noise drawn again calibrates each column."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from physlearn.datasets.channels.channel_noise import ChannelNoise
from physlearn.datasets.descriptors.pixel_noise import PixelNoise
from physlearn.datasets.descriptors.window_batch import DescriptorGroup, WindowBatch

__all__ = ["SAMPLE", "Calibration", "fit_calibration", "quiet_patches", "redrawn_variance"]

Floats = NDArray[np.float64]
SAMPLE = 128
"""Patches that a column is calibrated on, evenly spread."""
N_DRAWS = 16
LEAST_OVER_NOISE = 4.0
"""A wave below this many times the noise's power is left out of a quiet patch."""
STEEPEST = 1.5
SMALLEST = 1e-4
"""Variance of an error as a share of the column's mean one, below which it is not believed."""


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """``variance = exp(level) * linear^slope`` of the columns ``which``; each field (k,).

    The linear variance is held between ``floor`` and ``top``, which the sample has shown.
    """

    which: NDArray[np.bool_]
    level: Floats
    slope: Floats
    floor: Floats
    top: Floats

    def apply(self, covariance: Floats) -> None:
        """Give covariances (n, k, k) calibrated variances, in place; correlations stay."""
        columns = np.flatnonzero(self.which)
        linear = covariance[:, columns, columns]
        floor, top = (np.maximum(each[columns], 1e-300) for each in (self.floor, self.top))
        variance = np.exp(self.level[columns]) * np.clip(linear, floor, top) ** self.slope[columns]
        some = linear > 0.0
        factor = np.where(some, np.sqrt(variance / np.where(some, linear, 1.0)), 0.0)
        covariance[:, columns] *= factor[:, :, None]
        covariance[:, :, columns] *= factor[:, None, :]
        # an error that linearisation takes for 0 has no correlation with the others
        covariance[:, columns, columns] = variance


def quiet_patches(batch: WindowBatch) -> Floats:
    """Return patches whose waves have their power less the noise's; weak waves are left out.

    The mean and the plane are kept. Noise drawn about the measured pixels would meet the noise
    that they hold already.
    """
    pixels, noise = batch.pixels, batch.noise
    if noise is None:
        return pixels
    shape = pixels.shape[1:]
    rows, columns = np.indices(shape)
    tilts = np.stack([columns - 0.5 * (shape[1] - 1), rows - 0.5 * (shape[0] - 1)])
    tilts = tilts / np.sqrt((tilts**2).sum(axis=(1, 2)))[:, None, None]
    smooth = pixels.mean(axis=(1, 2), keepdims=True) + np.tensordot(
        np.einsum("nij,aij->na", pixels, tilts), tilts, 1
    )
    transform = np.fft.rfft2(pixels - smooth)
    power = transform.real**2 + transform.imag**2
    even, lines = _noise_of_waves(noise, shape)
    half = shape[1] // 2 + 1
    added = batch.mean_variance[:, None, None] * even[:, :half] + lines[:, :half]
    left = np.maximum(1.0 - added / np.maximum(power, 1e-300), 0.0)
    keep = np.where(power > LEAST_OVER_NOISE * added, np.sqrt(left), 0.0)
    return np.asarray(np.fft.irfft2(transform * keep, shape) + smooth)


def _noise_of_waves(noise: PixelNoise, shape: tuple[int, ...]) -> tuple[Floats, Floats]:
    """Return the mean square that unit noise, and the lines, give to each wave of a patch."""
    n_rows, n_columns = shape
    lags = np.zeros(shape)
    p, q = (length // 2 for length in noise.correlation.shape)
    for i in range(-p, p + 1):
        for j in range(-q, q + 1):
            share = max(1.0 - abs(i) / n_rows, 0.0) * max(1.0 - abs(j) / n_columns, 0.0)
            lags[i % n_rows, j % n_columns] += noise.correlation[i + p, j + q] * share
    even = np.maximum(np.fft.fft2(lags).real, 0.0) * n_rows * n_columns
    lines = np.zeros(shape)
    lines[:, 0] = noise.row_variance * n_rows * n_columns**2
    return even, lines


def redrawn_variance(
    groups: Sequence[DescriptorGroup], batches: Iterable[WindowBatch], which: NDArray[np.bool_]
) -> Floats:
    """Return the variance (n, k) of columns over 16 draws of the noise on quiet patches.

    Groups without a column in ``which`` are not computed: their columns are NaN.
    """
    rng = np.random.default_rng(60)  # the errors' own sampling, the same for the same input
    ends = np.cumsum([len(group.words) for group in groups])
    found = []
    for batch in batches:
        patches = np.full((len(batch.pixels), len(which)), np.nan)
        draws = list(_drawn_again(batch, rng))
        for group, end in zip(groups, ends, strict=True):
            own = slice(end - len(group.words), end)
            if which[own].any():
                values = [group.describe(drawn).values for drawn in draws]
                patches[:, own] = np.var(values, axis=0, ddof=1)
        found.append(patches)
    return np.concatenate(found)


def _drawn_again(batch: WindowBatch, rng: np.random.Generator) -> Iterator[WindowBatch]:
    """Yield quiet patches with the noise drawn once more, 16 times."""
    noise = batch.noise
    if noise is None:
        return
    quiet = quiet_patches(batch)
    unit = ChannelNoise(1.0, noise.correlation)
    lines = ChannelNoise(
        0.0, row_sd=float(np.sqrt(noise.row_variance)), row_correlation=noise.row_correlation
    )
    spread = np.sqrt(noise.variance(quiet)) * batch.seen
    for _ in range(N_DRAWS):
        pixels = quiet + spread * unit.draw(quiet.shape, rng)
        if noise.row_variance > 0:
            pixels += lines.draw(quiet.shape, rng) * batch.seen
        yield replace(
            batch, pixels=pixels, variance=noise.variance(pixels) * batch.seen, with_errors=False
        )


def fit_calibration(linear: Floats, drawn: Floats, which: NDArray[np.bool_]) -> Calibration:
    """Return how variances (n, k) by drawing again follow from those by linearisation.

    A line through the logarithms gives the slope, the mean ratio its level; ``which`` (k,) says
    which columns are calibrated, the others stay as they are.
    """
    k = linear.shape[1]
    level, slope = np.zeros(k), np.ones(k)
    floor, top = np.zeros(k), np.full(k, np.inf)
    done = np.zeros(k, dtype=np.bool_)
    for column in np.flatnonzero(which):
        x, y = linear[:, column], drawn[:, column]
        good = np.isfinite(x) & np.isfinite(y)
        if good.sum() < 2 or y[good].sum() <= 0.0 or x[good].sum() <= 0.0:
            continue
        x, y = x[good], y[good]
        done[column] = True
        x = np.maximum(x, SMALLEST * x.mean())
        log_x, log_y = np.log(x), np.log(np.maximum(y, SMALLEST * y.mean()))
        away = log_x - log_x.mean()
        square = float((away**2).sum())
        if square > 0.0:
            slope[column] = float(np.clip((away * log_y).sum() / square, 0.0, STEEPEST))
        level[column] = np.log((y / x ** slope[column]).mean())
        floor[column], top[column] = x.min(), x.max()
    return Calibration(done, level, slope, floor, top)
