"""Moments of a patch's pixels: mean, variance without the noise's share, skewness, slope."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physlearn.datasets.descriptors.pixel_noise import PixelNoise, signal_gradients
from physlearn.datasets.descriptors.window_batch import GroupResult, WindowBatch

__all__ = ["Gradient", "Mean", "Skewness", "Variance"]

Floats = NDArray[np.float64]


class Mean:
    """Mean of the pixels; of an angle the direction of the mean of exp(i angle)."""

    words = ("",)
    tiers = (None,)
    units = ("{channel}",)
    redraw = "never"
    takes_gaps = True

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
    redraw = "never"
    takes_gaps = True

    def describe(self, batch: WindowBatch) -> GroupResult:
        """Return what the patches show."""
        away, number = _from_mean(batch)
        values = (away**2).sum(axis=(1, 2)) / (number - 1.0)
        added, second = np.zeros(len(values)), np.zeros(len(values))
        if batch.noise is not None:
            even, lines = _noise_of_variance(batch.noise, batch.pixels.shape[1:])
            added = batch.mean_variance * even + lines
            second = _scatter_of_variance(batch.noise, batch.pixels.shape[1:], batch.mean_variance)
        clean = values - added
        gradients = (2.0 * away / (number - 1.0)[:, None, None])[:, None]
        if batch.with_errors:
            gradients = signal_gradients(gradients, second[:, None], batch.variance, batch.noise)
        return GroupResult(clean[:, None], gradients, second[:, None])


class Skewness:
    """Third moment about the mean over the variance, less noise, to the power 3/2.

    The variance counts as at least a quarter of what it is with its noise. Counts have a third
    moment of their own, and more noise where they are many: both are taken off (the first only
    where pixels are independent).
    """

    words = ("skewness",)
    tiers = (None,)
    units = ("1",)
    redraw = "always"
    takes_gaps = True

    def describe(self, batch: WindowBatch) -> GroupResult:
        """Return what the patches show."""
        away, number = _from_mean(batch)
        n = number[:, None, None]
        whole = np.maximum((away**2).sum(axis=(1, 2)) / number, 1e-300)
        added = batch.mean_variance
        if batch.noise is not None:
            even, lines = _noise_of_variance(batch.noise, batch.pixels.shape[1:])
            added = added * even + lines
        clean = np.maximum(whole - added, 0.25 * whole)[:, None, None]
        grows = np.where(whole - added >= 0.25 * whole, 1.0, 0.25)[:, None, None]
        square = away * away
        cube = ((square * away).sum(axis=(1, 2)) / number)[:, None, None]
        rise = 3.0 * (square - whole[:, None, None]) * batch.seen / n
        if batch.noise is not None and batch.noise.gain > 0.0:
            gain = batch.noise.gain
            # noise of variance gain I: its third moment is gain^2 I, and it grows with the signal
            cube = cube - 3.0 * gain * np.maximum(whole - added, 0.0)[:, None, None]
            rise = rise - 6.0 * gain * away / n
            if batch.noise.correlation.size == 1:
                counted = np.maximum(batch.mean_variance - batch.noise.offset, 0.0)
                cube = cube - gain * counted[:, None, None]
                rise = rise - gain**2 * batch.seen / n
        values = cube / clean**1.5
        gradients = rise / clean**1.5 - 3.0 * grows * values * away / (n * clean)
        return GroupResult(values[:, :, 0], gradients[:, None])


class Gradient:
    """Steepness of the plane through the pixels, less what the noise adds to its square."""

    words = ("gradient",)
    tiers = (1,)
    units = ("{channel}/{length}",)
    takes_gaps = True

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
        square, along, pictures, added = _planes(batch, plane)
        values = np.sqrt(np.maximum(square - added, 0.0))
        gradients = np.einsum("na,naij->nij", along, pictures)
        return GroupResult(values[:, None], gradients[:, None])


def _planes(batch: WindowBatch, plane: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Return slopes squared, their direction, the pictures that give them, and noise's share.

    ``plane`` (2, rows, columns) gives the slopes of whole patches; with gaps, least squares over
    the pixels that were seen.
    """
    shape = batch.pixels.shape[1:]
    pictures = np.broadcast_to(plane, (len(batch.pixels), *plane.shape))
    even = lines = np.zeros((len(batch.pixels), 2))
    if batch.noise is not None:
        even, lines = (np.broadcast_to(part, even.shape) for part in batch.noise.power(plane))
    gaps = np.flatnonzero(batch.seen.mean(axis=(1, 2)) < 1.0)
    if len(gaps):
        pictures, even, lines = pictures.copy(), even.copy(), lines.copy()
        size = np.sqrt((plane**2).mean(axis=(1, 2), keepdims=True))
        terms = np.concatenate([np.ones((1, *shape)), plane / size])
        seen = batch.seen[gaps]
        weighted = seen[:, None] * terms
        gram = np.einsum("naij,bij->nab", weighted, terms)
        # the slopes of each term
        own = np.einsum("aij,bij->ab", plane, terms)[:, 1:]
        whole = np.linalg.pinv(gram, rcond=1e-9, hermitian=True)[:, 1:]
        pictures[gaps] = np.einsum("ab,nbc,ncij->naij", own, whole, weighted)
        if batch.noise is not None:
            flat = batch.noise.power(pictures[gaps].reshape(-1, *shape))
            even[gaps], lines[gaps] = (part.reshape(-1, 2) for part in flat)
    slopes = np.einsum("nij,naij->na", batch.pixels, pictures)
    square = (slopes**2).sum(axis=1)
    along = slopes / np.maximum(np.sqrt(square), 1e-300)[:, None]
    return square, along, pictures, batch.mean_variance * even.sum(axis=1) + lines.sum(axis=1)


def _from_mean(batch: WindowBatch) -> tuple[Floats, Floats]:
    """Return pixels less their patch's mean, 0 in gaps, and the number of pixels seen."""
    number = batch.seen.sum(axis=(1, 2))
    mean = (batch.pixels * batch.seen).sum(axis=(1, 2)) / number
    return (batch.pixels - mean[:, None, None]) * batch.seen, number


def _noise_of_variance(noise: PixelNoise, shape: tuple[int, ...]) -> tuple[float, float]:
    """Return the variance that unit noise, and the lines, make in a patch."""
    n_rows, n_columns = shape
    pixels = n_rows * n_columns
    one = np.ones((1, n_rows, n_columns)) / pixels
    in_mean = float(noise.power(one)[0][0])
    even = (1.0 - in_mean) * pixels / (pixels - 1.0)
    lines = noise.row_variance * (1.0 - 1.0 / n_rows) * pixels / (pixels - 1.0)
    return even, lines


def _scatter_of_variance(noise: PixelNoise, shape: tuple[int, ...], level: Floats) -> Floats:
    """Return the variance (n,) of the variance that noise of each patch's ``level`` makes.

    ``2 tr(C^2) / pixels^2`` with C the sum of the pixels' and the lines' covariance.
    """
    n_rows, n_columns = shape
    pixels = n_rows * n_columns
    middle = noise.correlation[noise.correlation.shape[0] // 2].sum()
    alone = level**2 * float((noise.correlation**2).sum()) / pixels
    lines = noise.row_variance**2 / n_rows
    both = 2.0 * level * noise.row_variance * float(middle) / pixels
    return np.asarray(2.0 * (alone + lines + both))
