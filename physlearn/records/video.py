"""A video is an ``xarray.DataArray``; this module says what it must carry."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from physlearn.checks import SMALLEST_IMAGE_EDGE, InputError, check_array
from physlearn.records.atoms import LENGTH_UNITS
from physlearn.records.trajectory import TIME_UNITS

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["check_video", "check_video_shape", "video_coordinates"]


def check_video(video: xr.DataArray) -> xr.DataArray:
    """Return the video as float64 with dims (time, y, x), or say what is wrong with it.

    Parameters
    ----------
    video
        DataArray with dims time, y, x. Coordinates: ``time`` (attribute ``units``: s, frame or
        reduced), ``y`` and ``x`` (a unit of length), and optionally ``drive`` along time. Missing
        coordinates become frame and pixel numbers. NaN marks pixels that were not seen.

    Raises
    ------
    InputError
        For other dims, fewer than 2 frames, frames below 16 x 16, times that do not increase,
        infinite values, or a constant video.

    Examples
    --------
    >>> import xarray as xr
    >>> frames = np.random.default_rng(0).normal(size=(3, 16, 16))
    >>> check_video(xr.DataArray(frames, dims=("time", "y", "x"))).coords["time"].attrs["units"]
    'frame'
    """
    import xarray as xr

    video = check_video_shape(video)
    values = check_array("video", video.to_numpy(), ndim=3, finite=False)
    if np.isinf(values).any():
        raise InputError("video must not hold infinite values; mark pixels not seen with NaN.")
    empty = np.flatnonzero(np.isnan(values).all(axis=(1, 2)))
    if empty.size == len(values):
        raise InputError("video must hold at least one pixel that was seen; all are NaN.")
    if np.nanmin(values) == np.nanmax(values):
        raise InputError("video is constant: there is nothing to see; check the export.")
    coords = video_coordinates(video)
    return xr.DataArray(values, dims=("time", "y", "x"), coords=coords, attrs=video.attrs)


def check_video_shape(video: xr.DataArray) -> xr.DataArray:
    """Return the video with dims (time, y, x); its values are not read.

    Raises
    ------
    InputError
        For other dims, fewer than 2 frames, or frames below 16 x 16.

    Examples
    --------
    >>> import xarray as xr
    >>> check_video_shape(xr.DataArray(np.zeros((3, 16, 20)), dims=("time", "y", "x"))).shape
    (3, 16, 20)
    """
    import xarray as xr

    if not isinstance(video, xr.DataArray):
        raise InputError(
            "video must be an xarray.DataArray with dims (time, y, x); "
            f"got {type(video).__name__}; read a file with read_video."
        )
    if set(video.dims) != {"time", "y", "x"}:
        raise InputError(
            f"video must have dims time, y and x; got {', '.join(map(str, video.dims))}."
        )
    video = video.transpose("time", "y", "x")
    if video.shape[0] < 2:
        raise InputError(
            f"video must have at least 2 frames, got {video.shape[0]}; "
            "read one picture with read_image."
        )
    if min(video.shape[1:]) < SMALLEST_IMAGE_EDGE:
        raise InputError(
            f"video must have frames of at least {SMALLEST_IMAGE_EDGE} x {SMALLEST_IMAGE_EDGE} "
            f"pixels, got {video.shape[1]} x {video.shape[2]}."
        )
    return video


def video_coordinates(video: xr.DataArray) -> dict[str, xr.Variable]:
    """Return the checked coordinates time, y, x (and drive) of a video; its values are not read.

    Raises
    ------
    InputError
        For coordinates that do not increase, or units that are none.

    Examples
    --------
    >>> import xarray as xr
    >>> film = xr.DataArray(np.zeros((3, 16, 16)), dims=("time", "y", "x"))
    >>> video_coordinates(film)["x"].attrs["units"]
    'pixel'
    """
    import xarray as xr

    coords: dict[str, xr.Variable] = {}
    for dim, fallback in (("time", "frame"), ("y", "pixel"), ("x", "pixel")):
        if dim in video.coords:
            numbers = check_array(dim, video.coords[dim].to_numpy(), ndim=1)
            unit = str(video.coords[dim].attrs.get("units", fallback))
        else:
            numbers, unit = np.arange(video.sizes[dim], dtype=np.float64), fallback
        if (np.diff(numbers) <= 0).any():
            raise InputError(f"the video's {dim} coordinate must increase.")
        legal = TIME_UNITS if dim == "time" else LENGTH_UNITS
        if unit not in legal:
            raise InputError(f"the unit of {dim} must be one of {', '.join(legal)}; got {unit!r}.")
        coords[dim] = xr.Variable(dim, numbers, attrs={"units": unit})
    if "drive" in video.coords:
        drive = video.coords["drive"]
        coords["drive"] = xr.Variable(
            "time",
            check_array("drive", drive.to_numpy(), shape=(video.sizes["time"],)),
            attrs=drive.attrs,
        )
    return coords
