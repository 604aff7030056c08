"""How periodic a patch is: its own strongest period, and the periods of the whole picture."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physlearn.datasets.descriptors.pixel_noise import PixelNoise
from physlearn.datasets.descriptors.spectral_windows import BandPower, hann_window
from physlearn.datasets.descriptors.window_batch import GroupResult, WindowBatch

__all__ = ["Crystallinity", "LockIn", "picture_periods"]

Floats = NDArray[np.float64]
MOST_PERIODS = 6
LEAST_OF_STRONGEST = 0.05
LEAST_OVER_MEDIAN = 20.0


def picture_periods(picture: Floats, most: int = MOST_PERIODS) -> Floats:
    """Return the spatial frequencies (n, 2: x, y in cycles per pixel) of a picture's peaks.

    Peaks of the power under a Hann window, half a plane of them, strongest first, refined by a
    parabola through the logarithm; at least 20 times the median of their surroundings in
    frequency and 5 % of the strongest. A picture without periods gives none.
    """
    from scipy.ndimage import maximum_filter, median_filter

    n_rows, n_columns = picture.shape
    window = np.outer(np.hanning(n_rows + 2)[1:-1], np.hanning(n_columns + 2)[1:-1])
    power = np.fft.fftshift(np.abs(np.fft.fft2((picture - picture.mean()) * window)) ** 2)
    row, column = np.indices(power.shape)
    dy, dx = row - n_rows // 2, column - n_columns // 2
    around = median_filter(power, size=9, mode="wrap")
    peak = (power == maximum_filter(power, size=5, mode="wrap")) & (
        power > LEAST_OVER_MEDIAN * around
    )
    # three periods across the picture at least, and one of each pair of opposite peaks
    peak &= np.hypot(dy * min(picture.shape) / n_rows, dx * min(picture.shape) / n_columns) >= 3
    peak &= (dy > 0) | ((dy == 0) & (dx > 0))
    where = np.argwhere(peak)
    if not len(where):
        return np.empty((0, 2))
    strength = power[peak]
    order = np.argsort(-strength)
    order = order[strength[order] >= LEAST_OF_STRONGEST * strength.max()][:most]
    result = []
    for i, j in where[order]:
        found = []
        for axis, (place, length) in enumerate(((i, n_rows), (j, n_columns))):
            near = [
                np.log(power[(i + s) % n_rows, j] if axis == 0 else power[i, (j + s) % n_columns])
                for s in (-1, 0, 1)
            ]
            bend = near[0] - 2 * near[1] + near[2]
            off = 0.5 * (near[0] - near[2]) / bend if bend < 0 else 0.0
            found.append((place + off - length // 2) / length)
        result.append(found[::-1])
    return np.array(result)


class Crystallinity:
    """Share of a patch's power, less the noise's, in the strongest period that it has itself."""

    words = ("crystallinity",)
    tiers = (1,)
    units = ("1",)

    def __init__(self, shape: tuple[int, int], noise: PixelNoise | None) -> None:
        self.shape = shape
        every = np.ones((1, *shape))
        every[0, 0, 0] = 0.0
        self.bands = BandPower(shape, every, noise)
        rows, columns = np.ogrid[: shape[0], : shape[1]]
        x = columns - 0.5 * (shape[1] - 1)
        y = rows - 0.5 * (shape[0] - 1)
        self.plane = np.stack([np.broadcast_to(part, shape) / np.sqrt((np.broadcast_to(
            part, shape) ** 2).sum()) for part in (x, y)])  # fmt: skip

    def describe(self, batch: WindowBatch) -> GroupResult:
        """Return what the patches show."""
        away = batch.pixels - batch.pixels.mean(axis=(1, 2), keepdims=True)
        slopes = np.einsum("nij,aij->na", away, self.plane)
        away = away - np.einsum("na,aij->nij", slopes, self.plane)
        transform = self.bands.transform(away)
        power = np.abs(transform) ** 2 / self.bands.pixels**2
        power[:, 0, 0] = 0.0
        near = _around_peak(power)
        peak = (power * near).sum(axis=(1, 2))
        level = batch.mean_variance
        per_wave = (level * self.bands.added[0] + self.bands.lines[0]) / (self.bands.pixels - 1)
        total = power.sum(axis=(1, 2)) - per_wave * (self.bands.pixels - 1)
        peak = np.maximum(peak - per_wave * near.sum(axis=(1, 2)), 0.0)
        floor = 2.0 * np.sqrt(level**2 * self.bands.second[0])
        whole = np.maximum(np.maximum(total, peak), np.maximum(floor, 1e-300))
        values = peak / whole
        gradients = None
        if batch.with_errors:
            part = self.bands.gradients(transform, near[:, None])
            free = total >= np.maximum(peak, floor)
            share = (values * free)[:, None, None, None]
            gradients = part - share * self.bands.gradients(transform, self.bands.masks[None])
            gradients = gradients / whole[:, None, None, None]
            back = np.einsum("nkij,aij->nka", gradients, self.plane)
            gradients = gradients - np.einsum("nka,aij->nkij", back, self.plane)
        return GroupResult(values[:, None], gradients)


def _around_peak(power: Floats) -> Floats:
    """Return a mask of 3 x 3 frequencies around each patch's strongest one, and opposite."""
    n, n_rows, n_columns = power.shape
    row, column = np.divmod(power.reshape(n, -1).argmax(axis=1), n_columns)
    mask = np.zeros_like(power)
    patch = np.arange(n)
    for sign in (1, -1):
        for i in (-1, 0, 1):
            for j in (-1, 0, 1):
                mask[patch, (sign * row + i) % n_rows, (sign * column + j) % n_columns] = 1.0
    mask[:, 0, 0] = 0.0
    return mask


class LockIn:
    """Root mean square amplitude of the picture's own periods in a patch, less the noise's share.

    ``sqrt(mean_j |2 sum w I exp(-2 pi i q_j r) / sum w|^2)`` over the picture's periods q_j.
    """

    words = ("lattice_amplitude",)
    tiers = (1,)
    units = ("{channel}",)

    def __init__(self, shape: tuple[int, int], picture: Floats, noise: PixelNoise | None) -> None:
        self.periods = picture_periods(picture)
        window = hann_window(shape)
        window = window / window.sum()
        y, x = np.indices(shape)
        waves = [window * np.exp(-2j * np.pi * (qx * x + qy * y)) for qx, qy in self.periods] or [
            np.zeros(shape, dtype=np.complex128)
        ]
        # a constant must give nothing although the window's tail reaches the period
        flat = np.array([2.0 * (wave - window * wave.sum()) for wave in waves])
        self.waves = flat
        self.added, self.lines = np.zeros(len(flat)), np.zeros(len(flat))
        if noise is not None:
            self.added, self.lines = noise.power(flat)

    def describe(self, batch: WindowBatch) -> GroupResult:
        """Return what the patches show."""
        n, count = len(batch.pixels), len(self.waves)
        flat = self.waves.reshape(count, -1)
        response = batch.pixels.reshape(n, -1) @ flat.T
        square = (np.abs(response) ** 2).mean(axis=1)
        added = batch.mean_variance * self.added.mean() + self.lines.mean()
        values = np.sqrt(np.maximum(square - added, 0.0))
        gradients = None
        if batch.with_errors:
            along = response.conj() / (count * np.maximum(np.sqrt(square), 1e-300)[:, None])
            pictures = (along @ flat).real
            gradients = pictures.reshape(n, 1, *batch.pixels.shape[1:])
        return GroupResult(values[:, None], gradients)
