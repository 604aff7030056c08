"""The noise of a channel from what repeated scans do not share."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, stats

from physlearn.datasets.channels.channel_noise import ChannelNoise
from physlearn.datasets.channels.measure_noise import flatten_lines

__all__ = ["repeat_noise", "spoilt_lines"]

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
LARGEST_LAG = 16
SPOILT_SDS = 6.0
SPOILT_RATIO = 2.0
EDGE_RATIO = 1.5
LINES_P = 1e-3


def spoilt_lines(values: Floats) -> NDArray[np.int64]:
    """Return the lines (rows) of one scan that stand out of their neighbours.

    A line's difference from the mean of its two neighbours, its mean and its mean square about
    that each in robust standard deviations over lines, and the largest of its neighbourhood: a line
    that jumped more than the lines' own offsets scatter, or an edge of the scene along it (which a
    repeated scan has too).
    """
    padded = np.pad(values, ((1, 1), (0, 0)), mode="reflect")
    left = values - 0.5 * (padded[:-2] + padded[2:])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        offset = np.nan_to_num(np.nanmean(left, axis=1))
        square = np.nanmean((left - offset[:, None]) ** 2, axis=1)
    found = _outstanding(np.nan_to_num(square), SPOILT_RATIO) | _outstanding(np.abs(offset), 1.0)
    return np.asarray(np.flatnonzero(found), dtype=np.int64)


def _outstanding(size: Floats, ratio: float) -> Flags:
    """Return which lines' sizes are far above the others' and above their neighbours'."""
    level = float(np.median(size))
    spread = 1.4826 * float(np.median(np.abs(size - level)))
    out = (size > level + SPOILT_SDS * spread) & (size > ratio * level)
    around = np.pad(size, 1, mode="edge")
    return np.asarray(out & (size >= around[:-2]) & (size >= around[2:]))


def repeat_noise(
    scans: Floats, unit: str = "1", *, false_alarm: float = 1e-3, angle: bool = False
) -> ChannelNoise:
    """Return the noise of one scan from repeated scans (n, rows, columns) on one grid.

    NaN are passed over. ``sd^2 = sum_s (z_s - mean)^2 / (n - 1)`` without the lines' own offsets,
    whose spread is ``row_sd``; the autocorrelation is that of the residuals, cut where it is lost
    in its error. A signal is what two scans share, line by line (a t test of their products; lines'
    own means and slopes apart from the rest).
    """
    n = len(scans)
    mean = np.nanmean(scans, axis=0)
    known: Flags = np.asarray(np.isfinite(scans).all(axis=0))
    residual = np.where(known, scans - mean, 0.0) * np.sqrt(n / (n - 1.0))
    count = np.maximum(known.sum(axis=1), 1)
    offsets = residual.sum(axis=2) / count
    free = np.where(known, residual - offsets[:, :, None], 0.0)
    covariance, number = _autocovariance(free, known)
    p, q = (length // 2 for length in covariance.shape)
    # a line's mean took this share of its noise with it; a row too short cannot tell
    reach = float(covariance[p].sum() / max(covariance[p, q], 1e-300))
    taken = float(np.clip(max(reach, 1.0) / np.median(count), 0.0, 0.5))
    variance = float(covariance[p, q]) / (1.0 - taken)
    correlation = _cut(covariance / max(float(covariance[p, q]), 1e-300), number)
    own = variance * float(correlation[correlation.shape[0] // 2].sum()) / float(np.median(count))
    rows_used = offsets[:, known.any(axis=1)]
    seen = float((rows_used**2).mean())
    extra = seen - own
    row_sd = float(np.sqrt(extra)) if extra > 4 * own * np.sqrt(2.0 / rows_used.size) else 0.0
    # lines of smeared noise agree, and so do the products of two scans there
    together = float((correlation**2).sum() / (correlation[correlation.shape[0] // 2] ** 2).sum())
    share, probability = _shared(scans, max(together, 1.0))
    effective = number * (n - 1) / max(float((correlation**2).sum()), 1.0)
    notes = _edges(residual, mean, known)
    sd = float(np.sqrt(max(variance, 0.0)))
    return ChannelNoise(
        sd=sd, autocorrelation=correlation, row_sd=row_sd, level=float(np.nanmean(mean)),
        signal_share=share, signal_p=probability, has_signal=bool(probability < false_alarm),
        source="repeat", angle=angle, unit=unit, warnings=notes,
        sd_error=sd / float(np.sqrt(2.0 * max(effective, 1.0))),
    )  # fmt: skip


def _autocovariance(residual: Floats, known: Flags) -> tuple[Floats, float]:
    """Return the mean autocovariance of residuals up to the largest lag, and pixels known."""
    rows, columns = known.shape
    lags = (min(LARGEST_LAG, rows // 4), min(LARGEST_LAG, columns // 4))
    shape = (rows + lags[0], columns + lags[1])
    power = (np.abs(np.fft.rfft2(residual, shape)) ** 2).mean(axis=0)
    sums = np.fft.irfft2(power, shape)
    pairs = np.fft.irfft2(np.abs(np.fft.rfft2(known.astype(np.float64), shape)) ** 2, shape)
    index = np.ix_(np.arange(-lags[0], lags[0] + 1), np.arange(-lags[1], lags[1] + 1))
    return sums[index] / np.maximum(pairs[index], 1.0), float(known.sum())


def _cut(correlation: Floats, number: float) -> Floats:
    """Zero what is lost in its error or does not hang together with the middle, and trim it."""
    limit = 4.0 / np.sqrt(max(number, 1.0))
    p, q = (length // 2 for length in correlation.shape)
    labels, _ = ndimage.label(np.abs(correlation) > limit)
    kept = np.where(labels == labels[p, q], correlation, 0.0)
    rows = np.flatnonzero(kept.any(axis=1))
    columns = np.flatnonzero(kept.any(axis=0))
    i = int(np.abs(rows - p).max(initial=0))
    j = int(np.abs(columns - q).max(initial=0))
    return np.asarray(kept[p - i : p + i + 1, q - j : q + j + 1])


def _shared(scans: Floats, together: float) -> tuple[float, float]:
    """Return the share of the variance that scans share, and the chance that noise shares it.

    Of pixels with level lines, and of the lines' means and slopes (walls or lamellae along them);
    of ``together`` lines the noise counts as one.
    """
    flat = np.stack([np.nan_to_num(np.real(flatten_lines(part))) for part in scans])
    level = np.stack([np.nan_to_num(part - np.nanmean(part)) for part in scans])
    # rounding leaves a constant channel no exact zeros
    size = 1e-12 * float(np.sqrt(np.nanmean(scans**2)))
    flat, level = (np.where(np.abs(part) > size, part, 0.0) for part in (flat, level))
    share, likely = _alike(flat, together)
    whole, _ = _alike(level, together)
    rough = level - flat
    # a line's mean and its slope, as two numbers a line
    along = [rough.mean(axis=2)[:, :, None], (rough[:, :, -1] - rough[:, :, 0])[:, :, None]]
    lines = 2.0 * min(_alike(part, together)[1] for part in along)
    if 2.0 * lines < LINES_P:
        share = whole
    return float(np.clip(share, 0.0, 1.0)), min(2.0 * min(likely, lines), 1.0)


def _alike(scans: Floats, together: float) -> tuple[float, float]:
    """Return the share that scans (n, lines, numbers) share, and a t test of it over lines.

    Products of two scans' noise correlate from line to line by the square of its autocorrelation.
    """
    total = scans.sum(axis=0)
    own = (scans**2).sum(axis=(0, 2))
    # all pairs of scans at once
    products = 0.5 * ((total**2).sum(axis=1) - own)
    pairs = 0.5 * len(scans) * (len(scans) - 1)
    power = float(own.sum()) / len(scans)
    share = float(products.sum()) / pairs / max(power, 1e-300)
    scatter = float(products.std(ddof=1))
    if not scatter > 1e-12 * max(power, 1e-300):
        return share, float(share <= 0 or not power > 0)
    independent = len(products) / together
    t = float(products.mean()) / scatter * np.sqrt(independent)
    return share, float(stats.t.sf(t, max(independent - 1.0, 1.0)))


def _edges(residual: Floats, mean: Floats, known: Flags) -> tuple[str, ...]:
    """Return a sentence where scans differ more at the edges of the scene than elsewhere."""
    filled = np.where(np.isfinite(mean), mean, float(np.nanmean(mean)))
    slope = ndimage.gaussian_gradient_magnitude(filled, 1.5)[known]
    if slope.size < 400:
        return ()
    square = (residual**2).mean(axis=0)[known]
    steep = slope > np.quantile(slope, 0.9)
    if not 0 < steep.sum() < steep.size or not square.any():
        return ()
    ratio = float(square[steep].mean() / max(float(square[~steep].mean()), 1e-300))
    if ratio < EDGE_RATIO:
        return ()
    return (
        f"the scans differ more where the scene is steep ({ratio:.1f} times the mean square "
        "elsewhere): drift within the scans or a change of the sample is counted as noise.",
    )
