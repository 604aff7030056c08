"""The noise of a channel, and whether it holds more than noise."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy import ndimage, stats

from physlearn.checks import InputError, check_array, check_choice, check_positive
from physlearn.datasets.channels.angles import angle_period
from physlearn.datasets.channels.channel_noise import ChannelNoise, white_correlation
from physlearn.datasets.channels.noise_estimate import (
    PictureNoise,
    angle_noise,
    picture_noise,
    row_offsets_sd,
)

__all__ = ["NO_SIGNAL", "declare_noise", "measure_channel_noise", "signal_test"]

Floats = NDArray[np.float64]
NO_SIGNAL = "no signal above its noise"
FEWEST_LINES, FEWEST_COLUMNS = 12, 12
MOST_PX = 512
FAR_LAGS = 12
SCALES = ((0.0, 1), (2.0, 2), (6.0, 4))
"""Smoothing along the line in pixels, and lines before, of the test for a signal."""
CROPS = ((0.5, 0.5), (0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0))


def signal_test(values: NDArray[np.float64 | np.complex128]) -> tuple[float, float]:
    """Return (correlation of neighbouring scan lines, probability that pure noise is as alike).

    Each line's mean and slope are taken away. Lines of pure noise are independent of one another,
    so that the products ``a_r = <z_r, z_{r-1} + ... + z_{r-m}>`` have mean 0 and are uncorrelated,
    however pixels of one line hang together: their mean against its own scatter is a t test. Three
    scales (smoothed along the line by 0, 2 and 6 pixels; m = 1, 2, 4) are tried, each
    also with all lines at unit size against lines far apart (a signal in few lines), and the
    smallest probability is counted six times. Complex numbers are directions.

    Parameters
    ----------
    values
        Shape (lines, pixels); NaN are passed over.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> likeness, p = signal_test(rng.normal(size=(64, 64)))
    >>> p > 0.001
    True
    """
    flat: NDArray[Any] = np.nan_to_num(flatten_lines(values))
    power = float((np.abs(flat) ** 2).sum())
    # rounding leaves a constant channel no exact zeros
    size = float(np.nanmean(np.abs(values) ** 2)) if np.isfinite(values).any() else 0.0
    if not power > 1e-24 * size * flat.size:
        return 0.0, 1.0
    likeness, best = 0.0, 1.0
    for width, lines in SCALES:
        part = ndimage.gaussian_filter1d(flat, width, axis=1) if width else flat
        before = np.zeros_like(part)
        for lag in range(1, lines + 1):
            before[lag:] += part[:-lag]
        product = (part[1:] * np.conj(before[1:])).real.sum(axis=1)
        if (width, lines) == SCALES[0]:
            likeness = float(product.sum()) / power
        scatter = float(product.std(ddof=1))
        mean = float(product.mean())
        if scatter > 0:
            t = mean / scatter * np.sqrt(len(product))
            best = min(best, float(stats.t.sf(t, len(product) - 1)))
        elif mean > 0:
            best = 0.0
        best = min(best, _alike(part, lines))
    return likeness, min(best * 2 * len(SCALES), 1.0)


def _alike(part: NDArray[Any], lines: int) -> float:
    """Return the chance that the directions of lines agree so well with those just before.

    Each line counts alike, so that a signal in few lines is seen too; how far lines of pure noise
    agree by chance is seen on lines far apart.
    """
    size = np.sqrt((np.abs(part) ** 2).sum(axis=1, keepdims=True))
    unit = part / np.where(size > 0, size, 1.0)

    def agreement(lag: int) -> Floats:
        return np.asarray(np.einsum("rc,rc->r", unit[lag:], np.conj(unit[:-lag])).real)

    rows = len(unit)
    far = np.unique(np.linspace(rows // 4, rows // 2, FAR_LAGS).astype(int))
    chance = float(np.mean(np.concatenate([agreement(int(lag)) for lag in far]) ** 2))
    near = np.concatenate([agreement(lag) for lag in range(1, lines + 1)])
    if not chance > 0:
        return 1.0
    return float(stats.norm.sf(near.sum() / np.sqrt(chance * len(near))))


def flatten_lines(values: NDArray[np.float64 | np.complex128]) -> NDArray[np.complex128] | Floats:
    """Return lines without their own mean and slope; NaN stay NaN."""
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
    return np.asarray(np.where(good, values - mean - slope * (x - middle), np.nan))


def measure_channel_noise(
    channel: xr.DataArray, *, fast_axis: str = "x", false_alarm: float = 1e-3
) -> ChannelNoise:
    """Measure the noise of a channel's pixels, and test whether there is more than noise.

    What is declared is taken: attributes ``noise_sd`` (with ``noise_autocorrelation``, a flat list
    of a square or, with ``noise_rows``, of a rectangle) or ``counts = "known"`` (variance = level).
    Else scan lines are taken to carry independent noise, and the scene to be smooth from line to
    line: the fifth difference across lines (median of squares, so that few edges do not count)
    holds the noise, and its autocorrelation along the lines that of the noise.

    Parameters
    ----------
    channel
        Shape (y, x); NaN pixels are passed over.
    fast_axis
        Along which the scan lines run, "x" or "y".
    false_alarm
        Share of pure-noise channels that are said to hold a signal.

    Returns
    -------
    ChannelNoise
        With warnings where the finest structure is not noise alone.

    Raises
    ------
    InputError
        For anything but a picture of at least 12 lines of 12 pixels.

    Notes
    -----
    A single picture cannot tell noise from structure that changes from line to line, nor see a
    noise that lines share (a picture that was smoothed): a repeated scan can (``average_scans``).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> y, x = np.mgrid[:64, :64]
    >>> scene = 5 * np.sin(x / 9) * np.cos(y / 11)
    >>> both = [xr.DataArray(part + rng.normal(size=(64, 64)), dims=("y", "x"))
    ...     for part in (scene, 0 * scene)]
    >>> [measure_channel_noise(part).has_signal for part in both]
    [True, False]
    >>> noise = measure_channel_noise(both[0])
    >>> bool(abs(noise.sd - 1) < 4 * noise.sd_error)
    True
    """
    check_choice("fast_axis", fast_axis, ("x", "y"))
    rate = check_positive("false_alarm", false_alarm)
    if channel.ndim != 2 or set(channel.dims) != {"y", "x"}:
        raise InputError(f"channel must have dims (y, x); got {tuple(map(str, channel.dims))}.")
    order = ("y", "x") if fast_axis == "x" else ("x", "y")
    values = check_array("channel", channel.transpose(*order).to_numpy(), ndim=2, finite=False)
    if values.shape[0] < FEWEST_LINES or values.shape[1] < FEWEST_COLUMNS:
        raise InputError(
            f"channel must hold at least {FEWEST_LINES} lines of {FEWEST_COLUMNS} pixels; got "
            f"{values.shape}."
        )
    values = np.where(np.isfinite(values), values, np.nan)
    if not np.isfinite(values).any():
        raise InputError("channel must hold finite pixels; all of them are NaN.")
    period = angle_period(channel)
    turn = 1.0 if period is None else 2.0 * np.pi / period
    lines = values if period is None else np.exp(1j * values * turn)
    _, p = signal_test(lines)
    found, row_sd, source = _noise(channel, values, turn, period is not None)
    sd = float(np.sqrt(found.variance)) / turn
    spread = float(np.nanmean(np.abs(flatten_lines(lines)) ** 2))
    own = found.variance if period is None else 1.0 - float(np.exp(-found.variance))
    share = float(np.clip(1.0 - own / max(spread, 1e-300), 0.0, 1.0)) if spread > 0 else 0.0
    correlation = found.autocorrelation
    return ChannelNoise(
        sd=sd,
        autocorrelation=correlation if fast_axis == "x" else correlation.T,
        row_sd=row_sd if fast_axis == "x" else 0.0,
        gain=found.gain, level=found.level, signal_share=share, signal_p=p,
        has_signal=bool(p < rate), source=source, angle=period is not None,
        unit=str(channel.attrs.get("units", "1")), sd_error=0.5 * found.relative_error * sd,
        warnings=found.notes,
    )  # fmt: skip


def _noise(
    channel: xr.DataArray, values: Floats, turn: float, angle: bool
) -> tuple[PictureNoise, float, str]:
    """Return the declared noise, or the measured one, the lines' own part, and where it is from."""
    level = float(np.nanmean(values))
    declared = channel.attrs.get("noise_sd")
    if declared is not None:
        sd = check_positive("the attribute noise_sd", float(declared), allow_zero=True) * turn
        correlation = _declared_correlation(channel)
        return PictureNoise(sd**2, 0.0, correlation, 0.0, level, ()), 0.0, "declared"
    if channel.attrs.get("counts") == "known" and float(np.nanmin(values)) >= 0:
        return PictureNoise(level, 0.0, white_correlation(), 1.0, level, ()), 0.0, "counts"
    part = _enough(values)
    if angle:
        return angle_noise(part * turn), 0.0, "picture"
    found = picture_noise(part)
    if found.gain > 0:
        # the level of a part is not that of the whole
        grown = found.variance + found.gain * (level - found.level)
        found = replace(found, variance=max(grown, 0.02 * found.variance), level=level)
    return found, row_offsets_sd(part, found), "picture"


def _enough(values: Floats) -> Floats:
    """Return the picture, or of a large one the 512 x 512 pixels with the fewest gaps."""
    spare = [max(length - MOST_PX, 0) for length in values.shape]
    if spare == [0, 0]:
        return values
    starts = [(int(a * spare[0]), int(b * spare[1])) for a, b in CROPS]
    parts = [values[y : y + MOST_PX, x : x + MOST_PX] for y, x in starts]
    return max(parts, key=lambda part: float(np.isfinite(part).mean()))


def _declared_correlation(channel: xr.DataArray) -> Floats:
    """Return the declared autocorrelation, (1, 1) where none is declared."""
    given = channel.attrs.get("noise_autocorrelation")
    if given is None:
        return white_correlation()
    flat = check_array("the attribute noise_autocorrelation", np.ravel(given), ndim=1)
    rows = int(channel.attrs.get("noise_rows", round(np.sqrt(flat.size))))
    if rows < 1 or flat.size % rows or not rows % 2 or not (flat.size // rows) % 2:
        raise InputError(
            "the attribute noise_autocorrelation must list (2p+1) x (2q+1) lags row by row, with "
            f"noise_rows = 2p+1; got {flat.size} numbers in {rows} rows."
        )
    return np.asarray(flat.reshape(rows, -1))


def declare_noise(channel: xr.DataArray, noise: ChannelNoise) -> xr.DataArray:
    """Return the channel with its noise in the attributes that ``measure_channel_noise`` reads.

    Examples
    --------
    >>> channel = xr.DataArray(np.zeros((16, 16)), dims=("y", "x"))
    >>> measure_channel_noise(declare_noise(channel, ChannelNoise(0.5))).sd
    0.5
    """
    attrs = dict(channel.attrs)
    attrs["noise_sd"] = noise.sd
    attrs["noise_autocorrelation"] = [float(v) for v in noise.autocorrelation.ravel()]
    attrs["noise_rows"] = int(noise.autocorrelation.shape[0])
    return channel.assign_attrs(attrs)
