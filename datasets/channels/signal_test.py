"""Whether a channel holds more than noise: scan lines of pure noise know nothing of each other."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, stats

__all__ = ["either_test", "flatten_lines", "line_signal_test", "pixel_signal_test", "signal_test"]

Floats = NDArray[np.float64]
SCALES = ((0.0, (1,)), (2.0, (1, 2)), (6.0, (1, 2, 3, 4)), (0.0, (2,)), (0.0, (3,)), (0.0, (4,)))
"""Smoothing along the line in pixels, and lags of lines, of the sums that are tried."""
LINE_LAGS = ((1,), (2,), (3,), (4,), (1, 2, 3, 4))
CLEAR_SDS = 2.5
"""Below this the largest sum is nothing unusual among so few."""
CERTAIN_SDS = 8.0
MANY_LINES = 32
MOST_LINES = 1024
FIRST_DRAWS, MOST_DRAWS = 300, 2999
ENOUGH_ABOVE = 10
LEAST_P = 0.02
HUM_SHARE = 0.1
"""Of the variance: a wave that holds more is a scene."""
HUM_CYCLES = 3.0
WITHIN_SDS = 2.0
SMALLEST_SIZE = 0.2
"""Of the typical line's scatter: a line is not blown up by more."""


def signal_test(values: NDArray[np.float64 | np.complex128]) -> tuple[float, float]:
    """Return (correlation of neighbouring scan lines, probability that pure noise is as alike).

    Lines of pure noise are independent of one another, however pixels of one line hang together:
    their order and their signs mean nothing. Two tests, the smaller probability counted twice:
    of pixels, lines' own means and slopes taken away (``pixel_signal_test``), and of those means
    and slopes (``line_signal_test``): structure that runs along the lines.

    Parameters
    ----------
    values
        Shape (lines, pixels); NaN are passed over. Complex numbers are directions.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> likeness, p = signal_test(rng.normal(size=(64, 64)))
    >>> p > 0.001
    True
    """
    likeness, pixels = pixel_signal_test(values)
    return likeness, either_test(pixels, line_signal_test(values))


def either_test(pixels: float, lines: float) -> float:
    """Return the probability that noise gives one of two tests so small a probability."""
    return min(2.0 * min(pixels, lines), 1.0)


def pixel_signal_test(values: NDArray[np.float64 | np.complex128]) -> tuple[float, float]:
    """Return (correlation of neighbouring lines, probability) of pixels, lines level.

    Sums of ``<z_r, z_(r-l)>`` over lines, for pixels as they are (lags l = 1; 2; 3; 4: a lattice of
    few pixels) and smoothed along the line by 2 and 6 pixels, each line in units of its own robust
    scatter; either sign counts. The largest is compared with those of lines in another order
    and with other signs (up to 2999 draws with a fixed seed, fewer where they suffice). One wave
    that runs through all lines with less than a tenth of the variance is hum and does not count.
    """
    flat: NDArray[Any] = np.nan_to_num(flatten_lines(values))
    power = float((np.abs(flat) ** 2).sum())
    # rounding leaves a constant channel no exact zeros
    size = float(np.nanmean(np.abs(values) ** 2)) if np.isfinite(values).any() else 0.0
    if not power > 1e-24 * size * flat.size:
        return 0.0, 1.0
    likeness = float((flat[1:] * np.conj(flat[:-1])).real.sum()) / power
    scaled = flat / _line_scatter(flat)
    # all pairs of very many lines would not fit
    parts = np.array_split(scaled, int(np.ceil(len(scaled) / MOST_LINES)))
    best = min(_pixel_part(part) for part in parts)
    return likeness, min(best * len(parts), 1.0)


def _pixel_part(scaled: NDArray[Any]) -> float:
    """Return the probability of lines in units of their own scatter."""
    p = _lines_test(scaled)
    if p < LEAST_P:
        clean = _without_hum(scaled)
        if clean is not None:
            p = _lines_test(clean)
    return p


def _lines_test(scaled: NDArray[Any]) -> float:
    """Return the probability that independent lines agree so well with others near them."""
    grams: dict[float, Floats] = {}
    for width in dict.fromkeys(width for width, _ in SCALES):
        part = ndimage.gaussian_filter1d(scaled, width, axis=1) if width else scaled
        grams[width] = np.asarray((part @ np.conj(part).T).real)
    return _shuffled([(grams[width], lags) for width, lags in SCALES])


def _without_hum(scaled: NDArray[Any]) -> NDArray[Any] | None:
    """Return lines without the one weak wave that runs through all of them, None without any.

    Interference by the mains keeps its phase from line to line.
    """
    rows, columns = scaled.shape
    power = np.abs(np.fft.fft2(scaled)) ** 2
    power[:, np.abs(np.fft.fftfreq(columns)) * columns < HUM_CYCLES] = 0.0
    peak = np.unravel_index(int(np.argmax(power)), power.shape)
    total = float((np.abs(scaled) ** 2).sum()) * scaled.size
    if not power[peak] > (np.log(scaled.size) + 6.0) * total / scaled.size:
        return None
    y, x = np.arange(rows), np.arange(columns)
    at = np.array([float(peak[0]) / rows, float(peak[1]) / columns])

    def wave(place: Floats) -> NDArray[np.complex128]:
        left = np.exp(-2j * np.pi * place[0] * y) @ scaled
        return np.asarray(left * np.exp(-2j * np.pi * place[1] * x))

    for step in 0.5 ** np.arange(1, 7):
        tried = [
            at + step * np.array([i / rows, j / columns]) for i in (-1, 0, 1) for j in (-1, 0, 1)
        ]
        at = max(tried, key=lambda place: abs(complex(wave(place).sum())))
    size = complex(wave(at).sum()) / scaled.size
    hum: NDArray[Any] = size * np.exp(2j * np.pi * (at[0] * y[:, None] + at[1] * x))
    if not np.iscomplexobj(scaled):
        hum = 2.0 * hum.real
    if float((np.abs(hum) ** 2).mean()) > HUM_SHARE * total / scaled.size**2:
        return None
    return np.asarray(scaled - hum)


def line_signal_test(values: NDArray[np.float64 | np.complex128]) -> float:
    """Return the probability that independent lines have such means and slopes.

    Means, about their own mean, and slopes, about zero, of lines up to 4 apart (walls and lamellae
    along the lines, a tilted plane). It cannot tell them from offsets of the lines that drift.
    """
    mean, slope, spread = _mean_and_slope(values)
    if not mean.size or not spread > 0:
        return 1.0
    if len(mean) > MOST_LINES:
        # neighbouring lines together: what runs along the lines is as alike
        many = int(np.ceil(len(mean) / MOST_LINES))
        whole = len(mean) // many * many
        mean, slope = (part[:whole].reshape(-1, many).mean(axis=1) for part in (mean, slope))
    sums: list[tuple[Floats, tuple[int, ...]]] = []
    for line in (mean - mean.mean(), slope):
        # what rounding leaves of levelled lines is no structure
        if float(np.abs(line).max()) > 1e-9 * spread:
            scatter = max(1.4826 * float(np.median(np.abs(line))), 1e-3 * float(np.abs(line).max()))
            # few odd lines, or lines that scatter more than others, must not count for all
            line = line / np.maximum(np.abs(line) / (WITHIN_SDS * scatter), 1.0)
            gram = np.asarray(np.outer(line, np.conj(line)).real)
            sums += [(gram, lags) for lags in LINE_LAGS]
    return _shuffled(sums) if sums else 1.0


def _line_scatter(flat: NDArray[Any]) -> Floats:
    """Return each line's scatter by its median size (n, 1), so that few pixels do not count."""
    size = np.median(np.abs(flat), axis=1, keepdims=True)
    typical = float(np.median(size[size > 0])) if (size > 0).any() else 0.0
    root = np.sqrt((np.abs(flat) ** 2).mean(axis=1, keepdims=True))
    if not typical > 0 or float((size > 0).mean()) < 0.9:
        # most pixels are equal: the median says nothing
        return np.full_like(root, max(float(np.sqrt((root**2).mean())), 1e-300))
    return np.asarray(np.maximum(size, SMALLEST_SIZE * typical))


def _shuffled(sums: list[tuple[Floats, tuple[int, ...]]]) -> float:
    """Return the probability of the largest sum when lines change their order and signs."""
    rows = len(sums[0][0])
    off = ~np.eye(rows, dtype=np.bool_)
    scales = [
        float(np.sqrt((gram[off] ** 2).mean() * sum(rows - lag for lag in lags)))
        for gram, lags in sums
    ]
    kept = [(gram, lags, scale) for (gram, lags), scale in zip(sums, scales, strict=True) if scale]
    if not kept:
        return 1.0
    order, sign = np.arange(rows)[None], np.ones((1, rows))
    seen = float(_largest(kept, order, sign)[0])
    simple = min(1.0, 2.0 * len(kept) * float(stats.norm.sf(seen)))
    if seen < CLEAR_SDS:
        return simple
    if rows >= MANY_LINES and _certain(kept):
        return simple
    rng = np.random.default_rng(0)
    above = drawn = 0
    for number in (FIRST_DRAWS, MOST_DRAWS - FIRST_DRAWS):
        order = rng.permuted(np.tile(np.arange(rows), (number, 1)), axis=1)
        sign = rng.choice(np.array([-1.0, 1.0]), (number, rows))
        above += int((_largest(kept, order, sign) >= seen * (1 - 1e-9)).sum())
        drawn += number
        if above >= ENOUGH_ABOVE:
            break
    return (1.0 + above) / (1.0 + drawn)


def _largest(
    kept: list[tuple[Floats, tuple[int, ...], float]], order: NDArray[np.int64], sign: Floats
) -> Floats:
    """Return the largest standardized sum, shape (draws,)."""
    result = np.zeros(len(order))
    products: dict[tuple[int, int], Floats] = {}
    for gram, lags, scale in kept:
        total = np.zeros(len(order))
        for lag in lags:
            key = (id(gram), lag)
            if key not in products:
                part = gram[order[:, lag:], order[:, :-lag]]
                products[key] = (part * sign[:, lag:] * sign[:, :-lag]).sum(axis=1)
            total += products[key]
        result = np.maximum(result, np.abs(total) / scale)
    return result


def _certain(kept: list[tuple[Floats, tuple[int, ...], float]]) -> bool:
    """Return whether so many lines agree with those before that no draw would."""
    for gram, lags, scale in kept:
        product = np.concatenate([np.diagonal(gram, lag) for lag in lags])
        scatter = float(product.std())
        mean = abs(float(product.mean()))
        number = len(product) / len(lags)
        clear = mean * np.sqrt(number) > CERTAIN_SDS * scatter
        if clear and mean * len(product) > CERTAIN_SDS * scale:
            return True
    return False


def _mean_and_slope(
    values: NDArray[np.float64 | np.complex128],
) -> tuple[NDArray[Any], NDArray[Any], float]:
    """Return mean and slope of each line that has pixels, and the spread of all pixels."""
    good = np.isfinite(values)
    kept = good.sum(axis=1) > 1
    if kept.sum() < 8:
        return np.zeros(0), np.zeros(0), 0.0
    mean, slope, _ = _fitted(values[kept])
    return mean[:, 0], slope[:, 0], float(np.nanstd(values[kept]))


def _fitted(
    values: NDArray[np.float64 | np.complex128],
) -> tuple[NDArray[Any], NDArray[Any], Floats]:
    """Return mean and slope of each line (n, 1), and where along the line the pixels lie."""
    x = np.linspace(-1.0, 1.0, values.shape[1])
    good = np.isfinite(values)
    weight = good.astype(np.float64)
    count = np.maximum(weight.sum(axis=1, keepdims=True), 1.0)
    filled = np.where(good, values, 0.0)
    mean = filled.sum(axis=1, keepdims=True) / count
    middle = (weight * x).sum(axis=1, keepdims=True) / count
    centred = weight * (x - middle)
    spread = np.maximum((centred * (x - middle)).sum(axis=1, keepdims=True), 1e-300)
    slope = (centred * filled).sum(axis=1, keepdims=True) / spread
    return mean, slope, np.asarray(x - middle)


def flatten_lines(values: NDArray[np.float64 | np.complex128]) -> NDArray[np.complex128] | Floats:
    """Return lines without their own mean and slope; NaN stay NaN."""
    mean, slope, place = _fitted(values)
    return np.asarray(np.where(np.isfinite(values), values - mean - slope * place, np.nan))
