"""Maps of how crystalline a picture is: sliding Fourier transform and lock-in at its periods."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, check_array, check_count
from physlearn.datasets.channels.axis_frame import AxisFrame, axis_frame
from physlearn.datasets.descriptors.patch_places import PatchPlaces
from physlearn.datasets.descriptors.pixel_blocks import channel_windows, pixel_blocks
from physlearn.datasets.descriptors.pixel_noise import NoiseGiven, pixel_noise
from physlearn.datasets.descriptors.spectral_windows import BandPower

__all__ = ["crystallinity_map", "sliding_fft"]

Floats = NDArray[np.float64]
LEAST_SIZE = 8


def sliding_fft(
    image: xr.DataArray | ArrayLike, size: int, *, step: int | None = None, noise: NoiseGiven = None
) -> xr.DataArray:
    """Return the Fourier power of a window that slides over a picture, less the noise's share.

    ``P(q) = |sum w (I - mean) exp(-2 pi i q r)|^2 / N^2`` with a Hann window w of mean square 1,
    so that the sum over q is the variance under the window. The noise's mean power is taken away:
    an empty place scatters about 0.

    Parameters
    ----------
    image
        Shape (rows, columns); a DataArray (y, x) keeps its coordinates.
    size
        Edge of the window in pixels, at least 8.
    step
        Pixels between windows; None takes a quarter of the edge.
    noise
        `ChannelNoise`, a pixel's standard deviation, "counts", or None: nothing is taken away.

    Returns
    -------
    DataArray
        Dims (y, x, frequency_y, frequency_x): centres of the windows, cycles per unit of length.
        Windows with more than half of their pixels missing are NaN.

    Raises
    ------
    InputError
        For a window larger than the picture or smaller than 8 pixels.

    Examples
    --------
    >>> stripes = np.cos(2 * np.pi * np.arange(64) / 8)[None, :] * np.ones((64, 1))
    >>> power = sliding_fft(stripes, 32)
    >>> strongest = power.isel(y=0, x=0).stack(q=("frequency_y", "frequency_x")).idxmax("q").item()
    >>> power.sizes["x"], abs(strongest[1])
    (5, 0.125)
    """
    channel, frame, places = _grid(image, size, step)
    level = pixel_noise(noise)
    shape = (size, size)
    every = np.ones((1, *shape))
    every[0, 0, 0] = 0.0
    bands = BandPower(shape, every, level)
    power = np.full((places.n, *shape), np.nan)
    for rows, batch in channel_windows(channel.to_numpy(), places, frame, level, None, False):
        away = batch.pixels - batch.pixels.mean(axis=(1, 2), keepdims=True)
        raw = np.abs(bands.transform(away)) ** 2 / bands.pixels**2
        power[rows] = raw - bands.noise_of_waves(batch.mean_variance)
    power = np.fft.fftshift(power, axes=(1, 2))
    grid = places.shape or (1, places.n)
    unit = str(channel.attrs.get("units", "1"))
    return xr.DataArray(
        power.reshape(*grid, *shape),
        dims=("y", "x", "frequency_y", "frequency_x"),
        coords={
            **_centers(places, frame),
            "frequency_y": np.fft.fftshift(np.fft.fftfreq(size, frame.step[1])),
            "frequency_x": np.fft.fftshift(np.fft.fftfreq(size, frame.step[0])),
        },
        attrs={"units": f"{unit}^2"},
    )


def crystallinity_map(
    image: xr.DataArray | ArrayLike, size: int, *, step: int | None = None, noise: NoiseGiven = None
) -> xr.Dataset:
    """Return maps of crystallinity, with errors, from a window that slides over a picture.

    ``crystallinity``: share of the window's power in its three strongest periods; ``sharpness``:
    sum of squared powers over the square of their sum, one over the number of waves; both look
    only at the window (sliding FFT), whatever the grain's direction. ``lattice_amplitude`` and
    ``lattice_order``: amplitude of the whole picture's periods in the window, and their share of
    the variance (lock-in): for one crystal. The noise's share is taken from each.

    Parameters
    ----------
    image
        Shape (rows, columns); a DataArray (y, x) keeps its coordinates; gaps are NaN.
    size
        Edge of the window in pixels, at least 8: some three periods.
    step
        Pixels between windows; None takes a quarter of the edge.
    noise
        `ChannelNoise`, a pixel's standard deviation, "counts", or None: errors are not known.

    Returns
    -------
    Dataset
        The four maps (y, x), each with ``_sd`` where the noise is known. Neighbouring windows
        share pixels: their errors agree over one edge. A picture without periods has a lattice
        amplitude and order of 0.

    Raises
    ------
    InputError
        For a window larger than the picture or smaller than 8 pixels.

    Examples
    --------
    >>> y, x = np.mgrid[:64, :96]
    >>> crystal = np.where(x < 48, np.cos(x) + np.cos(y), 0.0)
    >>> noise = 0.3 * np.random.default_rng(0).normal(size=x.shape)
    >>> found = crystallinity_map(crystal + noise, 24, step=12, noise=0.3)
    >>> order = found.lattice_order.mean("y").to_numpy()
    >>> bool(order[0] > 0.9), bool(order[-1] < 0.2)
    (True, True)
    """
    channel, frame, places = _grid(image, size, step)
    groups = ("crystallinity", "sharpness", "lock_in")
    (block,) = pixel_blocks("image", channel, places, groups, noise, alone=True)
    maps: dict[str, tuple[tuple[str, str], Floats, dict[str, str]]] = {}
    shape = places.shape or (1, places.n)
    for k, (name, unit) in enumerate(zip(block.names, block.units, strict=True)):
        maps[name] = (("y", "x"), block.values[:, k].reshape(shape), {"units": unit})
        if block.covariance is not None and len(block.covariance) == places.n:
            sd = np.sqrt(block.covariance[:, k, k])
            sd = np.where(np.isfinite(block.values[:, k]), sd, np.nan)
            maps[f"{name}_sd"] = (("y", "x"), sd.reshape(shape), {"units": unit})
    return xr.Dataset(maps, coords=_centers(places, frame), attrs={"window_px": size})


def _grid(
    image: xr.DataArray | ArrayLike, size: int, step: int | None
) -> tuple[xr.DataArray, AxisFrame, PatchPlaces]:
    """Return the picture, its frame, and every place of the window."""
    if isinstance(image, xr.DataArray):
        if set(image.dims) != {"y", "x"}:
            raise InputError(f"image must have dims (y, x); got {tuple(map(str, image.dims))}.")
        channel = image.transpose("y", "x").astype(np.float64)
    else:
        pixels = check_array("image", image, ndim=2, finite=False)
        channel = xr.DataArray(pixels, dims=("y", "x"))
    edge = check_count("size", size, LEAST_SIZE)
    stride = max(edge // 4, 1) if step is None else check_count("step", step, 1)
    if edge > min(channel.shape):
        raise InputError(
            f"size must fit into the picture of {channel.shape} pixels; got {edge} pixels."
        )
    frame = axis_frame("image", channel)
    first = [np.arange(0, length - edge + 1, stride) for length in channel.shape]
    half = 0.5 * (edge - 1)
    y, x = np.meshgrid(first[0] + half, first[1] + half, indexing="ij")
    centers = np.stack(
        [frame.start[0] + frame.step[0] * x.ravel(), frame.start[1] + frame.step[1] * y.ravel()],
        axis=1,
    )
    if abs(frame.step[0] - frame.step[1]) > 1e-3 * frame.step[0]:
        raise InputError("image must have square pixels: resample it, or drop its coordinates.")
    places = PatchPlaces(centers, edge * frame.step[0], frame.unit, y.shape, 1.0 - stride / edge)
    return channel, frame, places


def _centers(
    places: PatchPlaces, frame: AxisFrame
) -> dict[str, tuple[str, Floats, dict[str, str]]]:
    """Return the coordinates of the maps."""
    shape = places.shape or (1, places.n)
    grid = places.centers.reshape(*shape, 2)
    attrs = {"units": frame.unit}
    return {"y": ("y", grid[:, 0, 1], attrs), "x": ("x", grid[0, :, 0], attrs)}
