"""Spoilt points and pixels of a spectral map, and the spectrum of the pixels that are not."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from physlearn.checks import InputError
from physlearn.datasets.spectra.pixel_spectra import PixelSpectra, median_of_known, pixel_spectra
from physlearn.datasets.spectra.real_features import repeated_features, smooth_features

__all__ = ["find_spoilt_spectra", "robust_spectrum", "spoilt_points"]

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

NORMAL = 1.4826
"""Standard deviation of a Gaussian in units of its median absolute deviation."""
SPIKE_SD = 8.0
"""A point is a spike this many of its usual distances from its neighbours along the spectrum."""
REACH = 2
"""Neighbours of a point on either side."""
REACH_SD = 10.0
ROUGH_SD = 5.0
"""Robust standard deviations beyond the field from which a spectrum's reach, or the logarithm of
its noise, is odd."""
MOST_SPIKES = 0.25
REASONS = ("sound", "missing or constant", "too many spikes", "much more noise than the others")


def spoilt_points(values: NDArray[Any]) -> Flags:
    """Return which points of (n, m) spectra are spikes or missing.

    Two signs: a point far from the median of its four neighbours, as measured by what is usual at
    this place of the axis and for this spectrum; and a value far outside its own spectrum's
    quartiles, as measured by what the field's spectra do there (a peak that all share is none).
    Two kinds of runs are features of few pixels, not spikes: smooth ones of five points or more,
    and such of three or more that three other pixels hold at the same place in the same shape.
    """
    if np.iscomplexobj(values):
        parts: list[Flags] = [spoilt_points(values.real), spoilt_points(values.imag)]
        return np.asarray(parts[0] | parts[1])
    y = np.asarray(values, dtype=np.float64)
    missing = np.isnan(y)
    dead: Flags = np.asarray(missing.all(axis=1))
    y = np.where(dead[:, None], 0.0, y)
    padded = np.pad(y, ((0, 0), (REACH, REACH)), mode="reflect")
    m = y.shape[1]
    shifts = [k for k in range(2 * REACH + 1) if k != REACH]
    near = np.stack([padded[:, k : k + m] for k in shifts])
    distance: Floats = np.abs(y - median_of_known(near, 0))
    own = median_of_known(distance, 1)[:, None]
    floor = 1e-9 * np.nanmax(np.abs(y), axis=1, keepdims=True) + 1e-300
    own = np.maximum(own, floor)
    usual = np.maximum(median_of_known(distance / own, 0), 1.0)
    with np.errstate(invalid="ignore"):
        spikes = distance > SPIKE_SD * NORMAL * own * usual
    middle = median_of_known(y, 1)[:, None]
    low, high = np.nanpercentile(y, [25, 75], axis=1)
    spread = np.maximum(0.5 * (high - low)[:, None], floor)
    reach = np.abs(y - middle) / spread
    # what the field's spectra reach at this place of the axis
    usual_reach = median_of_known(reach, 0)
    wide = NORMAL * median_of_known(np.abs(reach - usual_reach), 0)
    with np.errstate(invalid="ignore"):
        far = reach > np.maximum(usual_reach + REACH_SD * wide, SPIKE_SD)
    odd = spikes | far
    odd &= ~(smooth_features(y, odd) | repeated_features(y, odd))
    return np.asarray(missing | odd)


def find_spoilt_spectra(spectra: xr.DataArray, *, most_spikes: float = MOST_SPIKES) -> xr.Dataset:
    """Find the points and pixels of a spectral map that no mean should hold.

    Parameters
    ----------
    spectra
        DataArray (y, x, axis), (pixel, axis) or (axis,), real or complex; NaN where missing.
    most_spikes
        Share of spikes and missing points from which a whole pixel is spoilt.

    Returns
    -------
    xarray.Dataset
        ``spoilt_points`` in the shape of the spectra, and by pixel ``spoilt``, ``spoilt_share`` and
        ``reason`` (0 sound; its attributes say what the others mean).

    Raises
    ------
    InputError
        For fewer than 8 points along the axis.

    Examples
    --------
    >>> from physlearn.datasets import make_spectra
    >>> scene = make_spectra("loops", (12, 12), rng=1)
    >>> found = find_spoilt_spectra(scene.spectra)
    >>> holds_spikes = found.spoilt_points.any("voltage").values
    >>> float(holds_spikes[scene.spoilt].mean()) > 0.9
    True
    """
    if not 0.0 < most_spikes <= 1.0:
        raise InputError(f"most_spikes must lie in (0, 1]; got {most_spikes!r}.")
    pixels = pixel_spectra("spectra", spectra, least=8)
    points = spoilt_points(pixels.values)
    share = points.mean(axis=1)
    why = _judge(pixels, points, share, most_spikes)
    dims, shape = pixels.dims, pixels.shape
    coords = {**pixels.coords, pixels.dim: spectra.coords[pixels.dim]}
    result = xr.Dataset(coords=coords)
    result["spoilt_points"] = ((*dims, pixels.dim), points.reshape(*shape, -1))
    result["spoilt"] = (dims, (why > 0).reshape(shape))
    result["spoilt_share"] = (dims, share.reshape(shape), {"units": "1"})
    meaning = {str(number): text for number, text in enumerate(REASONS)}
    result["reason"] = (dims, why.reshape(shape), meaning)
    return result


def _judge(
    pixels: PixelSpectra, points: Flags, share: Floats, most_spikes: float
) -> NDArray[np.int64]:
    """Return why a pixel is spoilt, 0 where it is not."""
    clean = np.where(points, np.nan, np.abs(np.diff(pixels.values, axis=1, prepend=np.nan)))
    rough = median_of_known(clean, 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        log = np.log(rough)
    log[~np.isfinite(log)] = np.nan
    why = np.zeros(len(points), dtype=np.int64)
    if np.isfinite(log).sum() >= 4:
        middle = np.nanmedian(log)
        spread = max(NORMAL * float(np.nanmedian(np.abs(log - middle))), 0.1)
        with np.errstate(invalid="ignore"):
            why[log - middle > ROUGH_SD * spread] = 3
    why[share > most_spikes] = 2
    values = np.abs(pixels.values)
    there = ~np.isnan(values).all(axis=1)
    constant = ~there
    constant[there] = np.nanmax(values[there], axis=1) == np.nanmin(values[there], axis=1)
    why[constant] = 1
    return why


def robust_spectrum(spectra: xr.DataArray) -> xr.Dataset:
    """Return the spectrum of a map's sound pixels beside the mean of all of them.

    The median over pixels, point by point, without spikes and spoilt pixels. Its error is that of
    a median of n independent draws, from the order statistics around it: it holds for any
    spread of the pixels, and takes them for independent.

    Parameters
    ----------
    spectra
        As ``find_spoilt_spectra`` takes them, real, of at least 4 pixels.

    Returns
    -------
    xarray.Dataset
        Over the axis: ``median``, ``median_sd``, ``mean`` (of all pixels, spoilt or not),
        ``mean_sd`` and ``number`` of pixels in the median.

    Raises
    ------
    InputError
        For complex spectra, fewer than 4 pixels, or none that is sound.

    Examples
    --------
    >>> from physlearn.datasets import make_spectra
    >>> found = robust_spectrum(make_spectra("loops", (12, 12), rng=1).spectra)
    >>> bool(abs(found["mean"]).max() > 1.5 * abs(found["median"]).max())
    True
    """
    pixels = pixel_spectra("spectra", spectra, least=8)
    if np.iscomplexobj(pixels.values) or pixels.n < 4:
        raise InputError("spectra must be real and of at least 4 pixels for a robust spectrum.")
    points = spoilt_points(pixels.values)
    points |= _judge(pixels, points, points.mean(axis=1), MOST_SPIKES)[:, None] > 0
    number = (~points).sum(axis=0)
    if number.min() < 4:
        raise InputError(
            f"spectra must hold at least 4 sound values at each {pixels.dim}; "
            f"{pixels.axis[np.argmin(number)]:.4g} has {number.min()}."
        )
    ordered = np.sort(np.where(points, np.inf, pixels.values), axis=0)
    column = np.arange(len(number))
    half = 0.5 * np.sqrt(number)
    middle = 0.5 * (number - 1)
    median = 0.5 * (
        ordered[np.floor(middle).astype(int), column] + ordered[np.ceil(middle).astype(int), column]
    )
    # the ranks one standard deviation of a binomial on either side
    low = np.clip(np.floor(middle - half).astype(int), 0, number - 1)
    high = np.clip(np.ceil(middle + half).astype(int), 0, number - 1)
    sd = (ordered[high, column] - ordered[low, column]) / np.maximum(high - low, 1) * half
    there = (~np.isnan(pixels.values)).sum(axis=0)
    mean_sd = np.nanstd(pixels.values, axis=0, ddof=1) / np.sqrt(there)
    coords = {pixels.dim: spectra.coords[pixels.dim]}
    units = {"units": pixels.unit}
    return xr.Dataset(
        {
            "median": ((pixels.dim,), median, units),
            "median_sd": ((pixels.dim,), sd, units),
            "mean": ((pixels.dim,), np.nanmean(pixels.values, axis=0), units),
            "mean_sd": ((pixels.dim,), mean_sd, units),
            "number": ((pixels.dim,), number),
        },
        coords,
    )
