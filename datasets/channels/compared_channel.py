"""Channels made ready to be compared: level lines, what of them is noise, how many places."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy import ndimage, signal, stats

from physlearn.datasets.channels.angles import angle_period
from physlearn.datasets.channels.measure_noise import pixels_noise
from physlearn.datasets.channels.resample import without_gaps
from physlearn.datasets.channels.signal_test import flatten_lines

__all__ = [
    "ComparedChannel",
    "chance_of",
    "chance_of_pair",
    "fitting_width",
    "product",
    "shared_part",
]

Floats = NDArray[np.float64]
SMOOTHING_PX = (0.0, 1.0, 2.0, 4.0)
"""Both channels are smoothed alike, by no more than their noise asks for."""
EDGE_PX = 4
LEAST_PIXELS = 400
MOST_PX = 512
WIDEST_LAG = 16
LARGEST_ERROR = 0.03
LOST_STRUCTURE = 0.1


class ComparedChannel:
    """A channel without gaps, at unit spread, and what its values are."""

    def __init__(self, channel: xr.DataArray) -> None:
        ordered = channel.transpose("y", "x")
        self.shape = ordered.shape
        # the middle of a large picture tells enough
        middle = tuple(
            slice((n - min(n, MOST_PX)) // 2, (n + min(n, MOST_PX)) // 2) for n in ordered.shape
        )
        values = np.asarray(ordered.data[middle], dtype=np.float64)
        self.period = angle_period(channel)
        self.known = np.isfinite(values)
        usable = bool(self.known.any()) and values.size >= LEAST_PIXELS
        self.values = without_gaps(values)[0] if usable else np.zeros(values.shape)
        self.scale = float(self.values.std())
        self.steps = [
            float(np.diff(ordered[dim].to_numpy()[:2])[0]) if dim in ordered.coords else 1.0
            for dim in ("y", "x")
        ]
        self._channel = ordered.isel(dict(zip(("y", "x"), middle, strict=True)))
        self._made: dict[tuple[float, int], Floats] = {}
        self._noise: dict[tuple[float, int], float] = {}
        self._pixels: tuple[float, float, Floats] | None = None

    @property
    def usable(self) -> bool:
        """Whether there is anything to compare."""
        return self.scale > 0 and min(self.values.shape) > 4 * EDGE_PX

    def inner(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return the numbers (rows, columns) away from the edges, 0 in gaps."""
        kept = slice(EDGE_PX, -EDGE_PX)
        return np.asarray(np.where(self.known, values, 0.0)[kept, kept])

    def flat(self, width: float, axis: int = -1) -> Floats:
        """Return the smoothed channel at unit spread, or its slope along an axis, lines level."""
        if (width, axis) not in self._made:
            self._made[width, axis] = self.inner(
                np.real(flatten_lines(_treated(self.values / self.scale, width, axis)))
            )
        return self._made[width, axis]

    def directions(self) -> NDArray[np.complex128]:
        """Return an angle's directions, lines level."""
        turn = 2j * np.pi / float(self.period or 1.0)
        return self.inner(flatten_lines(np.exp(turn * self.values)))

    def pixel_noise(self) -> tuple[float, float, Floats]:
        """Return the variance of the pixels' noise, its relative error, and its correlation."""
        if self._pixels is None:
            values = np.where(self.known, self.values, np.nan)
            turn = 1.0 if self.period is None else 2.0 * np.pi / self.period
            found = pixels_noise(self._channel, values, turn, self.period is not None)[0]
            part = found.autocorrelation
            p, q = (min(length // 2, WIDEST_LAG) for length in part.shape)
            y, x = (length // 2 for length in part.shape)
            self._pixels = (
                found.variance, found.relative_error, part[y - p : y + p + 1, x - q : x + q + 1]
            )  # fmt: skip
        return self._pixels

    def noise(self, width: float, axis: int = -1) -> float:
        """Return the noise's part of the variance of ``flat``."""
        if (width, axis) not in self._noise:
            variance, _, correlation = self.pixel_noise()
            half = int(4 * width + 3) + max(correlation.shape) // 2
            impulse = np.zeros((2 * half + 1, 2 * half + 1))
            impulse[half, half] = 1.0
            kernel = _treated(impulse, width, axis)
            own = signal.fftconvolve(kernel, kernel[::-1, ::-1], mode="same")
            wide = signal.fftconvolve(own, correlation, mode="same")
            at = float(wide[half, half])
            # mean and slope of a line take their share of its noise with them
            reach = max(float(wide[half].sum()) / max(at, 1e-300), 0.0)
            kept = max(1.0 - 2.0 * reach / self.values.shape[1], 0.5)
            self._noise[width, axis] = variance / self.scale**2 * max(at, 0.0) * kept
        return self._noise[width, axis]

    def signal(self, width: float, axis: int = -1) -> tuple[float, float]:
        """Return the variance of ``flat`` beyond its noise, and its relative error."""
        noise = self.noise(width, axis)
        flat = self.flat(width, axis)
        beyond = product(flat, flat) / flat.size - noise
        if not beyond > 0:
            return 0.0, np.inf
        return beyond, noise * self.pixel_noise()[1] / beyond


def _treated(values: Floats, width: float, axis: int) -> Floats:
    """Return a picture smoothed, or its slope along an axis."""
    if width:
        values = ndimage.gaussian_filter(values, width)
    if axis >= 0:
        values = np.gradient(values, axis=axis)
    return np.asarray(values)


def product(one: NDArray[Any], two: NDArray[Any]) -> float:
    """Return the real part of the sum of products of two pictures."""
    # einsum: a threaded BLAS waits longer for its threads than this takes
    return float(np.einsum("ij,ij->", np.conj(one), two).real)


def fitting_width(source: ComparedChannel, channel: ComparedChannel, axis: int = -1) -> float:
    """Return how far both must be smoothed for their noise to be told, NaN where nothing helps.

    Not where smoothing takes more from the channel than it takes from its source: that is
    structure of its own.
    """
    first = source.signal(0.0, axis), channel.signal(0.0)
    for width in SMOOTHING_PX:
        now = source.signal(width, axis), channel.signal(width)
        if not np.hypot(now[0][1], now[1][1]) <= LARGEST_ERROR:
            continue
        error = 3.0 * float(np.hypot(first[0][1], first[1][1]))
        if error < 1.0:
            left = [after[0] / before[0] for after, before in zip(now, first, strict=True)]
            if left[1] < left[0] * (1.0 - LOST_STRUCTURE - error):
                return float("nan")
        return width
    return float("nan")


def shared_part(
    source: ComparedChannel, channel: ComparedChannel, axis: int, least: float
) -> tuple[float, float, float]:
    """Return (R^2 beyond noise, its error, coefficient) of a channel on its source.

    As the pixels are where they tell at once, or with the noise of both taken out.
    """
    one, two = source.flat(0.0, axis), channel.flat(0.0)
    own, both = product(one, one), product(one, two)
    power = own * product(two, two)
    if not power > 0:
        return 0.0, 0.0, 0.0
    coefficient = both / own
    share, width = both**2 / power, fitting_width(source, channel, axis)
    if not np.isfinite(width):
        return share, 0.0, coefficient
    one, two = source.flat(width, axis), channel.flat(width)
    (s_one, e_one), (s_two, e_two) = source.signal(width, axis), channel.signal(width)
    both = product(one, two) / one.size
    better = both**2 / (s_one * s_two)
    # noise that the two share is no noise between them
    if share >= max(least, better):
        return share, 0.0, coefficient
    return min(better, 1.0), better * float(np.hypot(e_one, e_two)), both / s_one


def chance_of_pair(
    share: float, source: ComparedChannel, channel: ComparedChannel, axis: int = -1
) -> float:
    """Return the probability that independent channels share so much beyond their noise."""
    # noise has more places than what it hides
    width = SMOOTHING_PX[-1]
    return chance_of(share, source.flat(width, axis), channel.flat(width))


def chance_of(share: float, one: NDArray[Any], two: NDArray[Any], numbers: int = 1) -> float:
    """Return the probability that independent pictures share so much.

    Smooth pictures have few independent places: ``sum P1 sum P2 / sum P1 P2`` with their power
    spectra P; ``numbers`` are fitted.
    """
    powers = [np.abs(np.fft.fft2(part)) ** 2 for part in (one, two)]
    both = float((powers[0] * powers[1]).sum())
    places = float(powers[0].sum()) * float(powers[1].sum()) / max(both, 1e-300)
    left = places - numbers - 1.0
    if not left > 1.0:
        return 1.0
    return float(stats.beta.sf(min(share, 1.0 - 1e-12), 0.5 * numbers, 0.5 * left))
