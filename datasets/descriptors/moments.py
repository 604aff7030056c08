"""Moments of a patch's pixels: mean, variance without the noise's share, skewness, slope."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physlearn.datasets.descriptors.pixel_noise import PixelNoise
from physlearn.datasets.descriptors.window_batch import GroupResult, WindowBatch

__all__ = ["Gradient", "Mean", "Skewness", "Variance"]

Floats = NDArray[np.float64]


class Mean:
    """Mean of the pixels; of an angle the direction of the mean of exp(i angle)."""

    words = ("",)
    tiers = (None,)
    units = ("{channel}",)

    def describe(self, batch: WindowBatch) -> GroupResult:
        """Return what the patches show."""
        number = batch.seen.sum(axis=(1, 2))[:, None, None]
        if batch.period is None:
            weights = batch.seen / number
            values = (batch.pixels * weights).sum(axis=(1, 2))
            return GroupResult(values[:, None], weights[:, None])
        turn = 2.0 * np.pi / batch.period
        direction = ((np.exp(1j * turn * batch.pixels) * batch.seen) / number).sum(axis=(1, 2))
        angle = np.angle(direction)
        away = turn * batch.pixels - angle[:, None, None]
        length = np.maximum(np.abs(direction), 1e-12)[:, None, None]
        weights = np.cos(away) * batch.seen / (number * length)
        values = angle / turn
        values = values - batch.period * np.round((values - batch.branch) / batch.period)
        return GroupResult(values[:, None], weights[:, None])


class Variance:
    """Mean square distance from the patch's mean, less what the noise adds to it."""

    words = ("local_variance",)
    tiers = (1,)
    units = ("{channel}^2",)

    def describe(self, batch: WindowBatch) -> GroupResult:
        """Return what the patches show."""
        away, number = _from_mean(batch)
        values = (away**2).sum(axis=(1, 2)) / (number - 1.0)
        added, second = np.zeros(len(values)), np.zeros(len(values))
        if batch.noise is not None:
            even, lines, spread = _noise_of_variance(batch.noise, batch.pixels.shape[1:])
            level = batch.mean_variance
            added = level * even + lines
            second = (level + lines) ** 2 * spread
        clean = values - added
        keep = np.sqrt(np.clip(clean / np.maximum(values, 1e-300), 0.0, 1.0))
        gradients = 2.0 * away / (number - 1.0)[:, None, None] * keep[:, None, None]
        return GroupResult(clean[:, None], gradients[:, None], second[:, None])


class Skewness:
    """Third moment about the mean over the variance, less noise, to the power 3/2.

    The variance counts as at least a quarter of what it is with its noise.
    """

    words = ("skewness",)
    tiers = (None,)
    units = ("1",)

    def describe(self, batch: WindowBatch) -> GroupResult:
        """Return what the patches show."""
        away, number = _from_mean(batch)
        n = number[:, None, None]
        whole = np.maximum((away**2).sum(axis=(1, 2)) / number, 1e-300)
        added = batch.mean_variance
        if batch.noise is not None:
            even, lines, _ = _noise_of_variance(batch.noise, batch.pixels.shape[1:])
            added = added * even + lines
        clean = np.maximum(whole - added, 0.25 * whole)[:, None, None]
        grows = np.where(whole - added >= 0.25 * whole, 1.0, 0.25)[:, None, None]
        cube = ((away**3).sum(axis=(1, 2)) / number)[:, None, None]
        values = cube / clean**1.5
        rise = 3.0 * (away**2 - whole[:, None, None]) * batch.seen / n
        gradients = rise / clean**1.5 - 3.0 * grows * values * away / (n * clean)
        return GroupResult(values[:, :, 0], gradients[:, None])


class Gradient:
    """Steepness of the plane through the pixels, less what the noise adds to its square."""

    words = ("gradient",)
    tiers = (1,)
    units = ("{channel}/{length}",)

    def describe(self, batch: WindowBatch) -> GroupResult:
        """Return what the patches show."""
        n_rows, n_columns = batch.pixels.shape[1:]
        x = (np.arange(n_columns) - 0.5 * (n_columns - 1)) * batch.step[0]
        y = (np.arange(n_rows) - 0.5 * (n_rows - 1)) * batch.step[1]
        plane = np.stack(
            [
                np.broadcast_to(x / (n_rows * (x**2).sum()), (n_rows, n_columns)),
                np.broadcast_to((y / (n_columns * (y**2).sum()))[:, None], (n_rows, n_columns)),
            ]
        )
        slopes = np.einsum("nij,aij->na", batch.pixels, plane)
        square = (slopes**2).sum(axis=1)
        added = np.zeros(len(square))
        if batch.noise is not None:
            even, lines = batch.noise.power(plane)
            added = batch.mean_variance * even.sum() + lines.sum()
        values = np.sqrt(np.maximum(square - added, 0.0))
        along = slopes / np.maximum(np.sqrt(square), 1e-300)[:, None]
        gradients = np.einsum("na,aij->nij", along, plane)
        return GroupResult(values[:, None], gradients[:, None])


def _from_mean(batch: WindowBatch) -> tuple[Floats, Floats]:
    """Return pixels less their patch's mean, 0 in gaps, and the number of pixels seen."""
    number = batch.seen.sum(axis=(1, 2))
    mean = (batch.pixels * batch.seen).sum(axis=(1, 2)) / number
    return (batch.pixels - mean[:, None, None]) * batch.seen, number


def _noise_of_variance(noise: PixelNoise, shape: tuple[int, ...]) -> tuple[float, float, float]:
    """Return the variance that unit noise and the lines make in a patch, and its own variance."""
    n_rows, n_columns = shape
    pixels = n_rows * n_columns
    one = np.ones((1, n_rows, n_columns)) / pixels
    in_mean = float(noise.power(one)[0][0])
    even = (1.0 - in_mean) * pixels / (pixels - 1.0)
    lines = noise.row_variance * (1.0 - 1.0 / n_rows) * pixels / (pixels - 1.0)
    # the square of the autocorrelation says how many independent pixels the variance has
    spread = 2.0 * float((noise.correlation**2).sum()) / pixels
    return even, lines, spread
