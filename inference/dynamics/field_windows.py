"""Test functions of the weak form: bumps in space and time, as one small matrix an axis.

A window is ``(1 - s^2)^p`` along each axis, s from -1 to 1, normalised to integral 1. Weak-form
features are sums of pixels times such weights, so each axis is one matrix product.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

__all__ = ["AxisWindows", "bump_integral", "space_windows", "time_windows"]

Floats = NDArray[np.float64]

# High enough that sixth derivatives of a bump of few pixels are summed without aliasing
SPACE_POWER = 12
TIME_POWER = 6
STEPS_A_HALF_WIDTH = 3
MOMENTS = 4  # of time that irregular frames integrate exactly
WIDEST_GAP = 0.45  # of a half width, between neighbouring frames of one subset
UNEVEN = 1e-3


@dataclass(frozen=True, eq=False)
class AxisWindows:
    """Weights along one axis.

    Attributes
    ----------
    weights
        ``weights[d]``: the test function (d = 0) or its d-th derivative, (n_windows, n_pixels);
        for time (n_rows or 1, n_windows, n_frames), and one such array for each subset of frames.
    centres
        (n_windows,), in the units of the axis.
    half_width
        In the units of the axis.
    period
        Length after which the axis repeats; infinite where it does not.
    allowed
        Windows that hold enough frames; None: all.
    """

    weights: tuple[Floats, ...]
    centres: Floats
    half_width: float
    power: int
    period: float = np.inf
    allowed: NDArray[np.bool_] | None = None

    def distances(self) -> Floats:
        """Distances of the centres over the half width, (n_windows, n_windows)."""
        gap = np.abs(self.centres[:, None] - self.centres[None])
        if np.isfinite(self.period):
            gap = np.minimum(gap, self.period - gap)
        return np.asarray(gap / self.half_width)

    @property
    def correlation(self) -> Floats:
        """Correlation of white noise as seen by two windows, nearly a Gaussian of distance."""
        spread = np.sqrt(2.0 / (2 * self.power + 3))
        return np.asarray(np.exp(-0.5 * (self.distances() / spread) ** 2))


def bump_integral(power: int) -> float:
    """Integral of ``(1 - s^2)^power`` from -1 to 1.

    Examples
    --------
    >>> round(bump_integral(1), 6)
    1.333333
    """
    return float(np.sqrt(np.pi) * special.gamma(power + 1) / special.gamma(power + 1.5))


def _bump(s: Floats, power: int, derivative: int) -> Floats:
    """Return the normalised bump's derivative by s; zero outside."""
    polynomial = np.polynomial.Polynomial([1.0, 0.0, -1.0]) ** power / bump_integral(power)
    if derivative:
        polynomial = polynomial.deriv(derivative)
    return np.where(np.abs(s) < 1, polynomial(s), 0.0)


def space_windows(
    n_pixels: int, spacing: float, half: int, derivatives: tuple[int, ...], margin: int,
    periodic: bool,
) -> AxisWindows:  # fmt: skip
    """Bumps of ``half`` pixels' half width every third of it; one all-ones window where n is 1."""
    if n_pixels == 1:
        one = np.ones((1, 1))
        weights = tuple(one if d == 0 else 0 * one for d in range(max(derivatives) + 1))
        return AxisWindows(weights, np.zeros(1), 1.0, SPACE_POWER)
    pixels = np.arange(n_pixels)
    step = max(1, half // STEPS_A_HALF_WIDTH)
    if periodic:
        centres = np.arange(0, n_pixels - step / 2, step)
    else:
        room = n_pixels - 1 - 2 * (half + margin)
        centres = half + margin + (room % step) // 2 + np.arange(0, room + 1, step)
    away = pixels[None] - centres[:, None]
    if periodic:
        away = (away + n_pixels / 2) % n_pixels - n_pixels / 2
    width = half * spacing
    weights = tuple(
        _bump(away / half, SPACE_POWER, d) * spacing / width ** (d + 1)
        if d in derivatives else np.zeros((len(centres), n_pixels))
        for d in range(max(derivatives) + 1)
    )  # fmt: skip
    period = n_pixels * spacing if periodic else np.inf
    return AxisWindows(weights, centres * spacing, width, SPACE_POWER, period)


def time_windows(
    times: Floats, row_delays: Floats, half_width: float, subsets: list[NDArray[np.int64]]
) -> AxisWindows:
    """Bumps along time for subsets of frames; weights of a subset: (2, n_rows, n_windows, n).

    The first of the two is the bump, the second minus its derivative. Rows are read
    ``row_delays`` after their frame's time. Windows in which a subset's frames lie too far apart
    are left out. Frames at irregular times are weighted so that polynomials up to the third degree
    are integrated exactly.
    """
    first, last = times[0] + row_delays.max(), times[-1] + row_delays.min()
    step = half_width / STEPS_A_HALF_WIDTH
    room = last - first - 2 * half_width
    count = int(np.floor(room / step + 1e-9)) + 1 if room >= -1e-9 * half_width else 0
    centres = first + half_width + 0.5 * (room - (count - 1) * step) + step * np.arange(count)
    uneven = np.ptp(np.diff(times)) > UNEVEN * np.median(np.diff(times))
    dense = np.ones(count, dtype=bool)
    found = []
    for subset in subsets:
        own = times[subset][None] + row_delays[:, None]  # (n_rows, n)
        cells = np.gradient(times[subset]) if len(subset) > 1 else np.zeros(len(subset))
        for index, centre in enumerate(centres):
            inside = np.abs(times[subset] - centre) < half_width + row_delays.max()
            gaps = np.diff(times[subset][inside])
            enough = inside.sum() >= 4 and gaps.max() <= WIDEST_GAP * half_width
            dense[index] &= bool(enough)
        s = (own[:, None] - centres[None, :, None]) / half_width
        plain = _bump(s, TIME_POWER, 0) * cells / half_width
        slope = -_bump(s, TIME_POWER, 1) * cells / half_width**2
        found.append(_exact(s, plain, slope, half_width) if uneven else np.stack([plain, slope]))
    return AxisWindows(tuple(found), centres, half_width, TIME_POWER, allowed=dense)


def _exact(s: Floats, plain: Floats, slope: Floats, half_width: float) -> Floats:
    """Least change of both weights that integrates 1, s, s^2 and s^3 exactly."""
    powers = np.arange(MOMENTS)
    exact = np.array([_moment(k) for k in range(MOMENTS)])
    steep = np.array([k * _moment(k - 1) if k else 0.0 for k in range(MOMENTS)]) / half_width
    basis = np.where((np.abs(s) < 1)[..., None], s[..., None] ** powers, 0.0)
    room = np.maximum(plain, 0.0)[..., None] * basis
    inner = np.swapaxes(basis, -1, -2) @ room + 1e-12 * np.eye(MOMENTS)
    result = []
    for weight, wanted in ((plain, exact), (slope, steep)):
        lack = wanted - (np.swapaxes(basis, -1, -2) @ weight[..., None])[..., 0]
        result.append(weight + (room @ np.linalg.solve(inner, lack[..., None]))[..., 0])
    return np.stack(result)


def _moment(k: int) -> float:
    """Integral of s^k times the normalised bump in time."""
    if k % 2:
        return 0.0
    a = (k + 1) / 2
    b = TIME_POWER + 1.0
    return float(special.beta(a, b) / special.beta(0.5, b))
