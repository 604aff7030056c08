"""How much less sharp one channel is than another, from their common structure."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import NotIdentified
from physlearn.datasets.channels.resample import without_gaps
from physlearn.datasets.channels.same_grid import plain_picture

__all__ = ["relative_blur"]

Floats = NDArray[np.float64]
CLEAR = 8.0
"""Minus the logarithm of the chance that a ring of pure noise is as coherent."""
FEWEST_RINGS = 4
LEAK = 0.025
LARGEST_QUADRATURE = 0.3
WORST_LINE = 4.0
"""Largest chi-square by number of a blur's straight line."""


def relative_blur(first: Floats, second: Floats) -> tuple[float, float]:
    """Return the square of the second picture's blur beyond the first's (pixel^2), and its error.

    The response of the second to the first, ``H(k) = <A* B> / <A* A>`` over rings of spatial
    frequency, falls as ``exp(-2 pi^2 s k^2)``; ``<A* A>`` is freed of the first's noise, whose
    power is that of the highest frequencies where the two have nothing in common. Negative where
    the second is the sharper one.

    Raises
    ------
    NotIdentified
        Where the two have too little in common, or one is not a blurred copy of the other.
    """
    one, two = (plain_picture(without_gaps(np.asarray(part, float))[0]) for part in (first, second))
    window = np.outer(np.hanning(one.shape[0]), np.hanning(one.shape[1]))
    a, b = np.fft.fft2(one * window), np.fft.fft2(two * window)
    k = np.hypot(np.fft.fftfreq(one.shape[0])[:, None], np.fft.fftfreq(one.shape[1]))
    over, number = _rings(k)
    # rings are steep: where their common structure lies counts
    square = over(k**2 * np.abs(a * b)).real / np.maximum(over(np.abs(a * b)).real, 1e-300)
    cross, power, other = over(np.conj(a) * b), over(np.abs(a) ** 2).real, over(np.abs(b) ** 2).real
    coherence = np.abs(cross) ** 2 / np.maximum(power * other, 1e-300)
    clear = -number * np.log1p(-np.minimum(coherence, 1 - 1e-12)) > CLEAR
    # the first run of clear rings
    end = int(np.argmin(clear)) if not clear.all() else len(clear)
    if end < FEWEST_RINGS:
        raise NotIdentified(
            f"its relative blur is not identified: the two channels share structure in {end} "
            "ring(s) of spatial frequency only; declare the blur."
        )
    floor = _floor(power, coherence, number, end)
    use = slice(0, end)
    signal = np.maximum(power[use] - floor, 0.05 * power[use])
    response = cross[use] / signal
    turned = float((response / np.sign(response[0].real or 1.0)).imag.__abs__().mean())
    if turned > LARGEST_QUADRATURE * float(np.abs(response).mean()):
        raise NotIdentified(
            "its relative blur is not identified: the two channels are out of step (one is a slope "
            "of the other, or shifted); register them, or declare the blur."
        )
    gamma = np.clip(coherence[use], 1e-6, 1 - 1e-6)
    error = np.sqrt((1.0 - gamma) / (2.0 * gamma * number[use]))
    found, error_square = _straight_line(square[use], np.log(np.abs(response)), error)
    # the window leaks from stronger rings: measured 2.7 % at 96 pixels and 0.4 % at 256
    leak = LEAK * (100.0 / min(one.shape)) ** 2 * abs(found)
    return found, float(np.sqrt(error_square + leak**2))


def _rings(
    frequency: Floats,
) -> tuple[Callable[[NDArray[np.generic]], NDArray[np.complex128]], Floats]:
    """Return what takes means over rings of spatial frequency, and the rings' independent numbers.

    A window of Hann spreads a frequency over its neighbours: rings are two frequencies wide.
    """
    width = 2.0 / min(frequency.shape)
    ring = np.round(frequency / width).astype(int).ravel()
    last = int(0.5 / width)
    count = np.bincount(ring)

    def over(values: NDArray[np.generic]) -> NDArray[np.complex128]:
        flat = np.asarray(values, dtype=np.complex128).ravel()
        total = np.bincount(ring, flat.real) + 1j * np.bincount(ring, flat.imag)
        return np.asarray((total / np.maximum(count, 1))[1 : last + 1], dtype=np.complex128)

    # half are conjugates of the others, and the window correlates neighbours
    return over, np.asarray(count[1 : last + 1] / 2.0 / 2.25)


def _straight_line(square: Floats, logarithm: Floats, error: Floats) -> tuple[float, float]:
    """Return the blur from how the response's logarithm falls with frequency squared, and its var.

    Raises
    ------
    NotIdentified
        Where it does not fall along a line.
    """
    design = np.stack([np.ones(len(square)), square], axis=1) / error[:, None]
    target = logarithm / error
    line = np.linalg.lstsq(design, target, rcond=None)[0]
    covariance = np.linalg.inv(design.T @ design)
    left = float(np.sum((target - design @ line) ** 2)) / max(len(square) - 2, 1)
    if left > WORST_LINE and left * covariance[1, 1] > (0.3 * line[1]) ** 2:
        raise NotIdentified(
            "its relative blur is not identified: the response does not fall as a blur does "
            f"(chi-square {left:.1f} a ring); declare the blur."
        )
    factor = -1.0 / (2.0 * np.pi**2)
    return float(line[1] * factor), float(covariance[1, 1]) * max(left, 1.0) * factor**2


def _floor(power: Floats, coherence: Floats, number: Floats, end: int) -> float:
    """Return the power of the first picture's noise: its highest rings, as far as not shared."""
    rest = np.arange(max(end, int(0.8 * len(power))), len(power))
    if not len(rest):
        rest = np.arange(len(power) - 1, len(power))
    weight = number[rest] / number[rest].sum()
    level = float((power[rest] * weight).sum())
    shared = float((coherence[rest] * weight).sum())
    return level * max(1.0 - shared, 0.0)
