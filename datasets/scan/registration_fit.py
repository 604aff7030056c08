"""Least-squares registration of two noisy pictures, with the error that their noise leaves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

__all__ = ["PairFit", "coarse_shifts", "fit_pair", "transform_matrix"]

Floats = NDArray[np.float64]
FILTERS_PX = (1.0, 1.5, 2.2, 3.3, 5.0)
MOST_STEPS = 25
SETTLED_PX = 1e-4
MARGIN_FILTERS = 4.0
LAG_FILTERS, SMALLEST_LAG_PX = 14.0, 14.0


@dataclass(frozen=True, slots=True, eq=False)
class PairFit:
    """Parameters (shift x, y and the model's others), covariance, residual and its pixels."""

    parameters: Floats
    covariance: Floats
    residual: float
    pixels: int
    correlated_pixels: float
    filter_px: float


def transform_matrix(parameters: Floats, aspect: float = 1.0) -> Floats:
    """Return the matrix (2, 2) of parameters: shift alone, with an angle, or with four entries.

    ``aspect`` is a pixel's width over its height: an angle turns lengths, not pixels.
    """
    if len(parameters) == 2:
        return np.eye(2)
    if len(parameters) == 3:
        c, s = np.cos(parameters[2]), np.sin(parameters[2])
        return np.array([[c, -s / aspect], [s * aspect, c]])
    return np.eye(2) + parameters[2:6].reshape(2, 2)


def _turning(parameters: Floats, aspect: float) -> Floats:
    """Return the derivatives (k, 2, 2) of the matrix by the parameters after the shift."""
    if len(parameters) == 2:
        return np.empty((0, 2, 2))
    if len(parameters) == 3:
        c, s = np.cos(parameters[2]), np.sin(parameters[2])
        return np.array([[[-s, -c / aspect], [c * aspect, -s]]])
    return np.eye(4).reshape(4, 2, 2)


def _flat(values: Floats) -> Floats:
    """Return a picture without its plane, at unit spread."""
    y, x = np.indices(values.shape, dtype=np.float64)
    design = np.stack([np.ones(values.size), x.ravel(), y.ravel()], axis=1)
    left = values.ravel() - design @ np.linalg.lstsq(design, values.ravel(), rcond=None)[0]
    return np.asarray((left / max(float(left.std()), 1e-300)).reshape(values.shape))


def coarse_shifts(one: Floats, two: Floats, largest: float, most: int, around: Floats) -> Floats:
    """Return the whole-pixel shifts (x, y) of the best peaks of the cross-correlation."""
    window = np.outer(np.hanning(one.shape[0]), np.hanning(one.shape[1]))
    first = ndimage.gaussian_filter(_flat(one), 1.5) * window
    second = ndimage.gaussian_filter(_flat(two), 1.5) * window
    shape = [2 * length for length in one.shape]

    def correlate(a: Floats, b: Floats) -> Floats:
        return np.asarray(
            np.fft.irfft2(np.conj(np.fft.rfft2(a, shape)) * np.fft.rfft2(b, shape), shape)
        )

    # what the windows alone overlap at each shift
    overlap = np.maximum(correlate(window, window), 0.05 * float((window**2).sum()))
    score = np.fft.fftshift(correlate(first, second) / overlap)
    middle = [length // 2 for length in shape]
    rows, columns = np.indices(score.shape)
    rows, columns = rows - middle[0], columns - middle[1]
    score = np.where(np.hypot(rows - around[1], columns - around[0]) <= largest, score, -np.inf)
    peaks = score == ndimage.maximum_filter(score, size=5)
    where = np.argwhere(peaks & np.isfinite(score))
    order = np.argsort(-score[tuple(where.T)])[:most]
    return np.asarray(where[order][:, ::-1] - np.array(middle)[::-1], dtype=np.float64)


@dataclass(slots=True)
class _Pair:
    """Two filtered pictures, the second's slopes, the first's spline, and the filter."""

    first: Floats
    second: Floats
    slopes: Floats
    spline: Floats
    spline_slopes: tuple[Floats, Floats]
    filter_px: float


def _pair(one: Floats, two: Floats, filter_px: float) -> _Pair:
    """Filter both pictures alike and take slopes by the filter's own derivative."""

    def smooth(values: Floats, order: tuple[int, int]) -> Floats:
        return np.asarray(ndimage.gaussian_filter(values, filter_px, order=order, mode="nearest"))

    first, second = smooth(one, (0, 0)), smooth(two, (0, 0))
    slopes = np.stack([smooth(two, (0, 1)), smooth(two, (1, 0))])
    spline = ndimage.spline_filter(first, order=3)
    by = (
        ndimage.spline_filter(smooth(one, (0, 1)), order=3),
        ndimage.spline_filter(smooth(one, (1, 0)), order=3),
    )
    return _Pair(first, second, slopes, spline, by, filter_px)


def fit_pair(
    one: Floats, two: Floats, start: Floats, filter_px: float | None = None, aspect: float = 1.0
) -> PairFit:
    """Return the transform that carries ``one`` onto ``two``, from a start near it.

    Of the two pictures' slopes the mean steers and their product weighs: the noise of both is
    counted once (a slope of one picture alone holds noise that it shares with the residual).
    """
    if filter_px is not None:
        return _fit_filtered(_pair(one, two, filter_px), start, aspect)
    best = None
    for width in FILTERS_PX:
        if 2 * (MARGIN_FILTERS * width + np.abs(start[:2]).max()) > 0.6 * min(one.shape):
            break
        found = _fit_filtered(_pair(one, two, width), start, aspect)
        size = float(np.trace(found.covariance[:2, :2]))
        if best is None or size < float(np.trace(best.covariance[:2, :2])):
            best = found
    if best is None:
        return _fit_filtered(_pair(one, two, FILTERS_PX[0]), start, aspect)
    return best


def _fit_filtered(pair: _Pair, start: Floats, aspect: float) -> PairFit:
    """Gauss-Newton at one filter width."""
    parameters = np.array(start, dtype=np.float64)
    shape = pair.first.shape
    center = 0.5 * np.array([shape[1] - 1.0, shape[0] - 1.0])
    grid: Floats = np.indices(shape, dtype=np.float64)
    rows, columns = grid[0], grid[1]
    size = len(parameters)
    scale = np.ones(size)
    scale[2:] = 2.0 / max(shape)
    system = _System(pair, center, rows, columns, aspect)
    for _ in range(MOST_STEPS):
        system.evaluate(parameters)
        bread = system.bread()
        step = np.linalg.lstsq(bread, system.score(), rcond=1e-12)[0][:size]
        longest = float(np.abs(step / scale).max())
        parameters += step * min(1.0, 2.0 * pair.filter_px / max(longest, 1e-300))
        if longest < SETTLED_PX:
            break
    system.evaluate(parameters)
    inverse = np.linalg.pinv(system.bread(), rcond=1e-14)
    meat, correlated = system.meat()
    covariance = (inverse @ meat @ inverse.T)[:size, :size]
    left = system.residual[system.inside]
    return PairFit(
        parameters, covariance, float(np.mean(left**2)), int(system.inside.sum()), correlated,
        pair.filter_px,
    )  # fmt: skip


class _System:
    """The normal equations at one set of parameters; gain and offset of the second are free."""

    def __init__(
        self, pair: _Pair, center: Floats, rows: Floats, columns: Floats, aspect: float
    ) -> None:
        self.pair, self.center, self.aspect = pair, center, aspect
        self.rows, self.columns = rows, columns
        self.inside = np.ones(rows.shape, dtype=np.bool_)
        self.residual = np.zeros(rows.shape)
        self.one = self.two = np.empty((0, *rows.shape))

    def evaluate(self, parameters: Floats) -> None:
        """Warp the first picture onto the second; keep residual and both sets of slopes."""
        matrix = transform_matrix(parameters, self.aspect)
        inverse = np.linalg.inv(matrix)
        dx = self.columns - self.center[0] - parameters[0]
        dy = self.rows - self.center[1] - parameters[1]
        wx = inverse[0, 0] * dx + inverse[0, 1] * dy
        wy = inverse[1, 0] * dx + inverse[1, 1] * dy
        where = [wy + self.center[1], wx + self.center[0]]
        margin = MARGIN_FILTERS * self.pair.filter_px
        n_rows, n_columns = self.rows.shape
        inside = np.ones(self.rows.shape, dtype=np.bool_)
        for y, x in ((where[0], where[1]), (self.rows, self.columns)):
            inside &= (y >= margin) & (y <= n_rows - 1 - margin)
            inside &= (x >= margin) & (x <= n_columns - 1 - margin)
        self.inside = inside

        def at(spline: Floats) -> Floats:
            return np.asarray(ndimage.map_coordinates(spline, where, order=3, prefilter=False))

        warped = at(self.pair.spline)
        slopes = np.stack([at(part) for part in self.pair.spline_slopes])
        turned = -np.einsum("ji,jrc->irc", inverse, slopes)
        gain, offset = self._levels(warped)
        self.residual = np.where(inside, self.pair.second - offset - gain * warped, 0.0)
        turning = _turning(parameters, self.aspect)
        own = self._stack(gain * turned, turning, wx, wy, gain * warped)
        other = self._stack(-self.pair.slopes, turning, wx, wy, self.pair.second - offset)
        self.one, self.two = own * inside, other * inside

    def _levels(self, warped: Floats) -> tuple[float, float]:
        """Return gain and offset of the second picture against the warped first (total fit)."""
        a, b = warped[self.inside], self.pair.second[self.inside]
        if a.size < 16:
            return 1.0, 0.0
        sign = 1.0 if float(np.mean((a - a.mean()) * (b - b.mean()))) >= 0 else -1.0
        gain = sign * float(b.std() / max(a.std(), 1e-300))
        return gain, float(b.mean() - gain * a.mean())

    @staticmethod
    def _stack(slopes: Floats, turning: Floats, wx: Floats, wy: Floats, level: Floats) -> Floats:
        """Return the derivative pictures by shift, matrix, gain and offset."""
        parts = [slopes[0], slopes[1]]
        for change in turning:
            parts.append(
                slopes[0] * (change[0, 0] * wx + change[0, 1] * wy)
                + slopes[1] * (change[1, 0] * wx + change[1, 1] * wy)
            )
        parts += [level - float(level.mean()), np.ones_like(level)]
        return np.stack(parts)

    def score(self) -> Floats:
        """Return the mean slopes times the residual."""
        return np.asarray(0.5 * np.einsum("prc,rc->p", self.one + self.two, self.residual))

    def bread(self) -> Floats:
        """Return the curvature: slopes of one picture times those of the other."""
        product = np.einsum("prc,qrc->pq", self.one, self.two)
        return np.asarray(0.5 * (product + product.T))

    def meat(self) -> tuple[Floats, float]:
        """Return the score's covariance under correlated noise whose variance follows the mean."""
        inside = self.inside
        spread = self._spread()
        scaled = np.where(inside, self.residual / spread, 0.0)
        reach = max(LAG_FILTERS * self.pair.filter_px, SMALLEST_LAG_PX)
        n_rows, n_columns = map(int, self.pair.first.shape)
        shape = (n_rows + int(3 * reach), n_columns + int(3 * reach))

        def spectrum(values: Floats) -> NDArray[np.complex128]:
            return np.asarray(np.fft.rfft2(values, shape))

        # a power spectrum, tapered in lags by a Gaussian: no direction can get a negative variance
        correlation = np.fft.irfft2(np.abs(spectrum(scaled)) ** 2, shape)
        correlation /= max(float(correlation[0, 0]), 1e-300)
        for axis, length in enumerate(shape):
            lag = np.minimum(np.arange(length), length - np.arange(length))
            taper = np.exp(-0.5 * (lag / reach) ** 2)
            correlation *= taper.reshape((-1, 1) if axis == 0 else (1, -1))
        response = np.fft.rfft2(correlation, shape)
        steering = 0.5 * (self.one + self.two) * spread
        smeared = np.stack(
            [np.fft.irfft2(spectrum(part) * response, shape)[:n_rows, :n_columns]
             for part in steering]
        )  # fmt: skip
        meat = np.einsum("prc,qrc->pq", steering, smeared)
        return np.asarray(0.5 * (meat + meat.T)), float(max(correlation.sum(), 1.0))

    def _spread(self) -> Floats:
        """Return the residual's standard deviation as a line in the local level."""
        level = np.where(self.inside, self.pair.second, 0.0)
        x, square = level[self.inside], self.residual[self.inside] ** 2
        mean = float(square.mean())
        centred = x - x.mean()
        slope = float(np.mean(centred * square) / max(np.mean(centred**2), 1e-300))
        variance = np.maximum(mean + slope * (level - x.mean()), 0.1 * mean)
        return np.asarray(np.sqrt(np.maximum(variance, 1e-300)))
