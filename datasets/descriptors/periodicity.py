"""How periodic a patch is: its own strongest period, and the periods of the whole picture."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physlearn.datasets.channels.channel_noise import ChannelNoise
from physlearn.datasets.descriptors.pixel_noise import PixelNoise, signal_gradients
from physlearn.datasets.descriptors.spectral_windows import BandPower, hann_window
from physlearn.datasets.descriptors.window_batch import GroupResult, WindowBatch

__all__ = ["Crystallinity", "LockIn", "Sharpness", "SpectrumOfPatch", "picture_periods"]

Floats = NDArray[np.float64]
MOST_PERIODS = 6
N_LUCK = 64
STRONGEST = 3
"""Periods of a patch: two make a square lattice, three a triangular one."""
LEAST_OF_STRONGEST = 0.05
LEAST_OVER_NOISE = 22.0
MARGIN = 8
"""Rows beyond the half plane that filters of 15 frequencies reach."""


def picture_periods(picture: Floats, most: int = MOST_PERIODS, row_variance: float = 0.0) -> Floats:
    """Return the spatial frequencies (n, 2: x, y in cycles per pixel) of a picture's peaks.

    Peaks of the power under a Hann window, half a plane of them, strongest first, refined by a
    parabola through the logarithm; at least 22 times their surroundings in frequency (noise gets
    there once in e^22) and 5 % of the strongest. A picture without periods gives none.
    ``row_variance`` is that of the scan lines' own offsets: they are no periods.
    """
    from scipy.fft import fft2, fftshift
    from scipy.ndimage import maximum_filter, uniform_filter

    n_rows, n_columns = picture.shape
    across, along = np.hanning(n_rows + 2)[1:-1], np.hanning(n_columns + 2)[1:-1]
    away = ((picture - picture.mean()) * along * across[:, None]).astype(np.float32)
    power = fftshift(np.abs(fft2(away)) ** 2)
    # of each pair of opposite peaks one: the upper half, and what the filters reach beyond it
    middle = n_rows // 2
    reach = min(MARGIN, middle)
    rows = np.arange(middle - reach, n_rows + reach) % n_rows
    half = power[rows]
    # the mean logarithm of noise lies .577 below the logarithm of its mean; peaks hardly move it
    logarithm = np.log(np.maximum(half, max(1e-12 * float(half.max()), 1e-37)))
    around = np.exp(uniform_filter(logarithm, 15, mode=("nearest", "wrap")) + 0.5772)
    if row_variance > 0.0:
        lines = np.fft.fftshift(np.abs(np.fft.fft(along)) ** 2) * float((across**2).sum())
        around = np.maximum(around, row_variance * lines)
    highest = maximum_filter(half, size=5, mode=("nearest", "wrap"))
    some = (half == highest) & (half > LEAST_OVER_NOISE * around)
    peak = np.zeros(power.shape, dtype=np.bool_)
    peak[middle:] = some[reach : reach + n_rows - middle]
    row, column = np.ogrid[:n_rows, :n_columns]
    dy, dx = row - middle, column - n_columns // 2
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


class SpectrumOfPatch:
    """Power of a patch without its plane, under a Hann window, and the noise's share of it."""

    def __init__(self, shape: tuple[int, int], noise: PixelNoise | None) -> None:
        self.shape = shape
        every = np.ones((1, *shape))
        every[0, 0, 0] = 0.0
        self.bands = BandPower(shape, every, noise)
        rows, columns = np.indices(shape)
        tilts = np.stack([columns - 0.5 * (shape[1] - 1), rows - 0.5 * (shape[0] - 1)])
        self.plane = tilts / np.sqrt((tilts**2).sum(axis=(1, 2)))[:, None, None]
        self.last: WindowBatch | None = None
        self.found: tuple[NDArray[np.complex128], Floats, Floats] | None = None

    def powers(self, batch: WindowBatch) -> tuple[NDArray[np.complex128], Floats, Floats]:
        """Return transforms, and the power of each frequency with and of the noise alone.

        Two descriptors ask for the same patches one after the other: computed once.
        """
        if self.found is None or batch is not self.last:
            self.last, self.found = batch, self._powers(batch)
        return self.found

    def _powers(self, batch: WindowBatch) -> tuple[NDArray[np.complex128], Floats, Floats]:
        away = batch.pixels - batch.pixels.mean(axis=(1, 2), keepdims=True)
        plane = self.plane.reshape(2, -1)
        slopes = away.reshape(len(away), -1) @ plane.T
        transform = self.bands.transform(away - (slopes @ plane).reshape(away.shape))
        power = np.abs(transform) ** 2 / self.bands.pixels**2
        power[:, 0, 0] = 0.0
        return transform, power, self.bands.noise_of_waves(batch.mean_variance)

    def gradients(self, transform: NDArray[np.complex128], weights: Floats) -> Floats:
        """Return how sums of powers with weights (n, rows, columns) change with each pixel."""
        pictures = self.bands.gradients(transform, weights[:, None])
        back = np.einsum("nkij,aij->nka", pictures, self.plane)
        return np.asarray(pictures - np.einsum("nka,aij->nkij", back, self.plane))

    def scatter(self, weights: Floats, batch: WindowBatch) -> Floats:
        """Return the variance (n, 1) that noise alone gives to sums of powers with weights.

        As if the weights did not depend on where a frequency lies next to others.
        """
        square = (weights**2).sum(axis=(1, 2)) / (self.bands.pixels - 1)
        return np.asarray((batch.mean_variance**2 * self.bands.second[0] * square)[:, None])


class Crystallinity:
    """Share of a patch's power, less the noise's, in its three strongest periods.

    Its errors are calibrated by drawing the noise again. Noise that is as strong as the pattern
    biases it downwards, by up to .8 of its error at 20 counts; where nearly all power lies in the
    periods its error bar is a third too long.
    """

    words = ("crystallinity",)
    tiers = (1,)
    units = ("1",)
    redraw = "always"

    def __init__(
        self, shape: tuple[int, int], noise: PixelNoise | None, spectrum: SpectrumOfPatch
    ) -> None:
        self.spectrum = spectrum
        self.luck = 0.0
        if noise is not None:
            self.luck = self._luck(shape, noise)

    def _luck(self, shape: tuple[int, int], noise: PixelNoise) -> float:
        """Return the power by which the strongest periods of unit noise stand out by chance."""
        bands = self.spectrum.bands
        unit = ChannelNoise(1.0, noise.correlation)
        # the noise's own sampling, the same for the same input
        pixels = unit.draw((N_LUCK, *shape), np.random.default_rng(30))
        power = np.abs(bands.transform(pixels)) ** 2 / bands.pixels**2 - bands.even_waves
        power[:, 0, 0] = 0.0
        return float((power * _around_peaks(power)).sum(axis=(1, 2)).mean())

    def describe(self, batch: WindowBatch) -> GroupResult:
        """Return what the patches show."""
        transform, power, added = self.spectrum.powers(batch)
        clean = power - added
        near = _around_peaks(clean)
        found = (clean * near).sum(axis=(1, 2))
        luck = batch.mean_variance * self.luck
        # the strongest of many waves of noise stand out: a patch of noise has no crystal
        peak = np.sqrt(np.maximum(found**2 - luck**2, 0.0)) * (found > 0)
        total = clean.sum(axis=(1, 2))
        floor = 4.0 * batch.mean_variance * np.sqrt(self.spectrum.bands.second[0])
        whole = np.maximum(np.maximum(total, peak), np.maximum(floor, 1e-300))
        values = peak / whole
        gradients, alone = None, None
        if batch.with_errors:
            free = (total >= np.maximum(peak, floor)) * values
            weights = (near - free[:, None, None]) / whole[:, None, None]
            gradients = self.spectrum.gradients(transform, weights)
            alone = self.spectrum.scatter(weights, batch)
            gradients = signal_gradients(gradients, alone, batch.variance, batch.noise)
        return GroupResult(values[:, None], gradients, alone)


class Sharpness:
    """How few waves a patch consists of: sum of squared powers over the square of their sum.

    Without the noise's share: ``|F|^4`` has the mean ``S^2 + 4 S v + 2 v^2`` for a power S under
    noise v.
    """

    words = ("sharpness",)
    tiers = (1,)
    units = ("1",)

    def __init__(self, spectrum: SpectrumOfPatch) -> None:
        self.spectrum = spectrum

    def describe(self, batch: WindowBatch) -> GroupResult:
        """Return what the patches show."""
        transform, power, v = self.spectrum.powers(batch)
        square = (power**2 - 4.0 * power * v + 2.0 * v**2).sum(axis=(1, 2))
        total = (power - v).sum(axis=(1, 2))
        floor = 2.0 * batch.mean_variance * np.sqrt(self.spectrum.bands.second[0])
        whole = np.maximum(total, np.maximum(floor, 1e-150))
        values = np.clip(square / whole**2, 0.0, 1.0)
        gradients, alone = None, None
        if batch.with_errors:
            free = 2.0 * (total > floor) * values / whole
            weights = (2.0 * power - 4.0 * v) / whole[:, None, None] ** 2 - free[:, None, None]
            gradients = self.spectrum.gradients(transform, weights)
            alone = self.spectrum.scatter(weights, batch)
            gradients = signal_gradients(gradients, alone, batch.variance, batch.noise)
        return GroupResult(values[:, None], gradients, alone)


def _around_peaks(power: Floats) -> Floats:
    """Return a mask of 3 x 3 frequencies around each patch's strongest ones, and opposite.

    The sum over 3 x 3 decides which is strongest: the mask's power then does not jump when the
    noise makes another frequency the strongest.
    """
    n, n_rows, n_columns = power.shape
    mask = np.zeros_like(power)
    left = power.copy()
    patch = np.arange(n)
    for _ in range(STRONGEST):
        around = _sum_of_three(_sum_of_three(left, 1), 2)
        row, column = np.divmod(around.reshape(n, -1).argmax(axis=1), n_columns)
        for sign in (1, -1):
            for i in (-1, 0, 1):
                for j in (-1, 0, 1):
                    where = patch, (sign * row + i) % n_rows, (sign * column + j) % n_columns
                    mask[where] = 1.0
                    left[where] = 0.0
    mask[:, 0, 0] = 0.0
    return mask


def _sum_of_three(values: Floats, axis: int) -> Floats:
    """Return each value plus its neighbours along an axis that is closed to a ring."""
    moved = np.moveaxis(values, axis, -1)
    total = moved.copy()
    total[..., 1:] += moved[..., :-1]
    total[..., :-1] += moved[..., 1:]
    total[..., 0] += moved[..., -1]
    total[..., -1] += moved[..., 0]
    return np.moveaxis(total, -1, axis)


class LockIn:
    """Root mean square amplitude of the picture's own periods in a patch, less the noise's share.

    ``a_j = 2 sum w I exp(-2 pi i q_j r) / sum w`` for the picture's periods q_j, under a Hann
    window w: the lattice amplitude is the root mean square of |a_j|; the lattice order is
    ``sum |a_j|^2 / 2`` over the variance of the patch under the same window, both less noise.
    The errors hold the periods fixed: whether the picture has any is not doubted.
    """

    words = ("lattice_amplitude", "lattice_order")
    tiers = (1, 1)
    units = ("{channel}", "1")

    def __init__(self, shape: tuple[int, int], picture: Floats, noise: PixelNoise | None) -> None:
        lines = 0.0 if noise is None else noise.row_variance
        self.periods = picture_periods(picture, row_variance=lines)
        window = hann_window(shape)
        window = window / window.sum()
        y, x = np.indices(shape)
        waves = [window * np.exp(-2j * np.pi * (qx * x + qy * y)) for qx, qy in self.periods] or [
            np.zeros(shape, dtype=np.complex128)
        ]
        # a constant must give nothing although the window's tail reaches the period
        flat = np.array([2.0 * (wave - window * wave.sum()) for wave in waves])
        self.waves = flat
        self.window = window
        self.kept, self.row_variance, self.independent = 1.0, 0.0, 1.0
        self.added, self.lines = np.zeros(len(flat)), np.zeros(len(flat))
        if noise is not None:
            self.added, self.lines = noise.power(flat)
            # the weighted mean takes up a part of the noise
            self.kept = 1.0 - float(noise.power(window[None])[0][0])
            self.row_variance = noise.row_variance
            self.independent = float((noise.correlation**2).sum())

    def describe(self, batch: WindowBatch) -> GroupResult:
        """Return what the patches show."""
        n, count = len(batch.pixels), len(self.waves)
        flat = self.waves.reshape(count, -1)
        level = batch.mean_variance
        response = batch.pixels.reshape(n, -1) @ flat.T
        raw = (np.abs(response) ** 2).mean(axis=1)
        square = np.maximum(raw - level * self.added.mean() - self.lines.mean(), 0.0)
        mean = np.einsum("nij,ij->n", batch.pixels, self.window)
        away = batch.pixels - mean[:, None, None]
        whole = np.einsum("nij,ij->n", away**2, self.window)
        clean = whole - (level + self.row_variance) * self.kept
        clean = np.maximum(clean, np.maximum(0.25 * whole, 1e-300))
        order = 0.5 * count * square / clean
        values = np.stack([np.sqrt(square), order], axis=1)
        if not batch.with_errors:
            return GroupResult(values)
        rise = (2.0 / count) * (response.conj() @ flat).real.reshape(batch.pixels.shape)
        length = 2.0 * np.maximum(np.sqrt(raw), 1e-300)
        spread = 2.0 * self.window * away
        by_order = 0.5 * count * rise - order[:, None, None] * spread
        gradients = np.stack(
            [rise / length[:, None, None], by_order / clean[:, None, None]], axis=1
        )
        spread = 2.0 * float((self.window**2).sum()) * self.independent
        alone = np.stack([np.zeros(n), level**2 * spread * (order / clean) ** 2], axis=1)
        gradients = signal_gradients(gradients, alone, batch.variance, batch.noise)
        return GroupResult(values, gradients, alone)
