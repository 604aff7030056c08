"""The noise of a channel, and whether it holds more than noise."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from physlearn.checks import InputError, check_array, check_choice, check_positive
from physlearn.datasets.channels.angles import angle_period
from physlearn.datasets.channels.channel_noise import ChannelNoise, white_correlation
from physlearn.datasets.channels.noise_estimate import (
    PictureNoise,
    angle_noise,
    picture_noise,
    row_offsets_sd,
)
from physlearn.datasets.channels.signal_test import (
    either_test,
    flatten_lines,
    line_signal_test,
    pixel_signal_test,
    signal_test,
)

__all__ = [
    "NO_SIGNAL",
    "declare_noise",
    "flatten_lines",
    "measure_channel_noise",
    "pixels_noise",
    "signal_test",
]

Floats = NDArray[np.float64]
NO_SIGNAL = "no signal above its noise"
ALONG_LINES = (
    "beyond its noise it holds only what each scan line shares as a whole: walls or lamellae along "
    "the fast axis, a tilted plane, or offsets of the lines that drift; a scan turned by 90 "
    "degrees tells."
)
FEWEST_LINES, FEWEST_COLUMNS = 12, 12
MOST_PX = 512
MOST_PIXELS = 4_000_000
BANDS, BAND_PIXELS = 6, 300_000
"""Of a larger picture: lines spread over it."""
WRONG_BY = 2.0
"""Factor by which a variance that is declared, or that of counts, may be too low."""
CROPS = ((0.5, 0.5), (0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0))


def measure_channel_noise(
    channel: xr.DataArray, *, fast_axis: str = "x", false_alarm: float = 1e-3
) -> ChannelNoise:
    """Measure the noise of a channel's pixels, and test whether there is more than noise.

    What is declared is taken: attributes ``noise_sd`` (with ``noise_autocorrelation``, a flat list
    of a square or, with ``noise_rows``, of a rectangle; ``noise_row_sd``, ``noise_gain`` at
    ``noise_level``; see ``declare_noise``) or ``counts = "known"`` (variance = level).
    Else scan lines are taken to carry independent noise, and the scene to be smooth from line to
    line: the fifth difference across lines (median of squares, so that few edges do not count)
    holds the noise, and its autocorrelation along the lines that of the noise. Lines of pure noise
    know nothing of each other; where the noise is stated, pixels that scatter by more than twice
    its variance are a signal too, whatever their neighbours.

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
    Of more than 4 million pixels, six bands of lines spread over the picture are tested, and 512 x
    512 pixels give the noise. Nor can a picture tell walls or lamellae along the fast axis, or a
    tilted plane, from offsets of the lines that drift: such a channel has a signal, and
    ``warnings`` say that it may be drift. One weak wave through all lines (less than a tenth of
    the variance) is taken for hum, not a signal.

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
    if rate >= 1:
        raise InputError(f"false_alarm must be a probability below 1; got {false_alarm!r}.")
    if channel.ndim != 2 or set(channel.dims) != {"y", "x"}:
        raise InputError(f"channel must have dims (y, x); got {tuple(map(str, channel.dims))}.")
    order = ("y", "x") if fast_axis == "x" else ("x", "y")
    whole = channel.transpose(*order).to_numpy()
    if whole.shape[0] < FEWEST_LINES or whole.shape[1] < FEWEST_COLUMNS:
        raise InputError(
            f"channel must hold at least {FEWEST_LINES} lines of {FEWEST_COLUMNS} pixels; got "
            f"{whole.shape}."
        )
    bands = [_finite(whole[rows]) for rows in _bands(whole.shape)]
    values = bands[0] if len(bands) == 1 else np.concatenate(bands)
    if not np.isfinite(values).any():
        raise InputError("channel must hold finite pixels; all of them are NaN.")
    period = angle_period(channel)
    turn = 1.0 if period is None else 2.0 * np.pi / period
    tested = bands if period is None else [np.exp(1j * part * turn) for part in bands]
    p_pixels = min(min(pixel_signal_test(part)[1] for part in tested) * len(bands), 1.0)
    p_lines = min(min(line_signal_test(part) for part in tested) * len(bands), 1.0)
    p = either_test(p_pixels, p_lines)
    lines = tested[0] if len(bands) == 1 else np.concatenate(tested)
    part = values if len(bands) == 1 else _finite(_enough(whole))
    found, row_sd, source = pixels_noise(
        channel, part, turn, period is not None, float(np.nanmean(values))
    )
    sd = float(np.sqrt(found.variance)) / turn
    own = found.variance if period is None else 1.0 - float(np.exp(-found.variance))
    along = 2.0 * p_lines < rate
    if along:
        spread = float(np.nanmean(np.abs(lines - np.nanmean(lines)) ** 2))
        own += (row_sd * turn) ** 2
    else:
        spread = float(np.nanmean(np.abs(flatten_lines(lines)) ** 2))
    share = float(np.clip(1.0 - own / max(spread, 1e-300), 0.0, 1.0)) if spread > 0 else 0.0
    if source != "picture":
        number = float(np.isfinite(values).sum() / (found.autocorrelation**2).sum())
        p = either_test(p, _beyond_stated(spread, own, number))
    notes = found.notes
    if along and not 2.0 * p_pixels < rate:
        notes = (*notes, ALONG_LINES)
    correlation, between = found.autocorrelation, np.ones(1)
    if source == "declared":
        row_sd, between = _declared_lines(channel)
    elif fast_axis == "y":
        correlation, row_sd = correlation.T, 0.0
    return ChannelNoise(
        sd=sd, autocorrelation=correlation, row_sd=row_sd, row_correlation=between,
        gain=found.gain, level=found.level, signal_share=share, signal_p=p,
        has_signal=bool(p < rate), source=source, angle=period is not None,
        unit=str(channel.attrs.get("units", "1")), sd_error=0.5 * found.relative_error * sd,
        warnings=notes,
    )  # fmt: skip


def _beyond_stated(spread: float, own: float, number: float) -> float:
    """Return the probability that noise of twice the variance stated scatters so much.

    Neighbouring lines of a coarse map may know nothing of each other although each of its pixels
    is far above its noise; the factor is for statements that are somewhat wrong.
    """
    from scipy import stats

    if not own > 0:
        return 1.0
    return float(stats.chi2.sf(number * spread / (WRONG_BY * own), number))


def pixels_noise(
    channel: xr.DataArray, values: Floats, turn: float, angle: bool, level: float | None = None
) -> tuple[PictureNoise, float, str]:
    """Return the declared noise, or the measured one, the lines' own part, and where it is from."""
    level = float(np.nanmean(values)) if level is None else level
    declared = channel.attrs.get("noise_sd")
    if declared is not None:
        sd = check_positive("the attribute noise_sd", float(declared), allow_zero=True) * turn
        return _declared_noise(channel, sd, level), _declared_lines(channel)[0], "declared"
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


def _finite(values: NDArray[np.generic]) -> Floats:
    """Return numbers with infinities as gaps."""
    checked = check_array("channel", values, ndim=2, finite=False)
    return np.where(np.isfinite(checked), checked, np.nan)


def _bands(shape: tuple[int, ...]) -> list[slice]:
    """Return the lines that are looked at: all, or of a large picture bands spread over it."""
    rows, columns = shape
    if rows * columns <= MOST_PIXELS:
        return [slice(None)]
    height = min(max(BAND_PIXELS // columns, 4 * FEWEST_LINES), rows // BANDS)
    return [slice(start, start + height) for start in
            np.linspace(0, rows - height, BANDS).astype(int)]  # fmt: skip


def _enough(values: NDArray[Any]) -> NDArray[Any]:
    """Return the picture, or of a large one the 512 x 512 pixels with the fewest gaps."""
    spare = [max(length - MOST_PX, 0) for length in values.shape]
    if spare == [0, 0]:
        return values
    starts = [(int(a * spare[0]), int(b * spare[1])) for a, b in CROPS]
    parts = [values[y : y + MOST_PX, x : x + MOST_PX] for y, x in starts]
    return max(parts, key=lambda part: float(np.isfinite(part).mean()))


def _declared_noise(channel: xr.DataArray, sd: float, level: float) -> PictureNoise:
    """Return the noise that the attributes declare."""
    gain = check_positive(
        "the attribute noise_gain", float(channel.attrs.get("noise_gain", 0.0)), allow_zero=True
    )
    at = float(channel.attrs.get("noise_level", level))
    if not np.isfinite(at):
        raise InputError(f"the attribute noise_level must be finite; got {at}.")
    return PictureNoise(sd**2, 0.0, _declared_correlation(channel), gain, at, ())


def _declared_lines(channel: xr.DataArray) -> tuple[float, Floats]:
    """Return the declared spread of the lines' offsets and their autocorrelation."""
    sd = float(channel.attrs.get("noise_row_sd", 0.0))
    sd = check_positive("the attribute noise_row_sd", sd, allow_zero=True)
    given = channel.attrs.get("noise_row_correlation", (1.0,))
    name = "the attribute noise_row_correlation"
    lags = check_array(name, np.ravel(given), ndim=1)
    if not lags.size % 2:
        raise InputError(f"{name} must list 2m+1 lags of lines; got {lags.size} numbers.")
    return sd, lags


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
    attrs["noise_row_sd"] = float(noise.row_sd)
    attrs["noise_row_correlation"] = [float(v) for v in noise.row_correlation]
    attrs["noise_gain"] = float(noise.gain)
    attrs["noise_level"] = float(noise.level)
    return channel.assign_attrs(attrs)
