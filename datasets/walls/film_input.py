"""What a film was given as: frames that cannot be used set aside, and the time of every row."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from physlearn.checks import InputError
from physlearn.datasets.frames.complex_frames import in_phase_video
from physlearn.datasets.walls.track_options import TrackWallsOptions
from physlearn.records.video import check_video, check_video_shape, video_coordinates

__all__ = ["SET_ASIDE", "line_time_of", "stack_of", "video_of"]

Floats = NDArray[np.float64]

SET_ASIDE = "frames_set_aside"
"""Attribute of a video: frames that were given and could not be used, each with its sentence."""
STEP_TOLERANCE = 1e-3
LONG_STEP = 1.5


def video_of(
    video: xr.DataArray | xr.Dataset | Sequence[NDArray[np.float64]],
) -> tuple[xr.DataArray, tuple[str, ...]]:
    """Return a checked, real video and what had to be set aside to get it.

    Frames of another size and frames whose time goes back become missing (NaN); a complex film is
    projected on the axis between its domains.
    """
    told: list[str] = []
    if not isinstance(video, xr.DataArray | xr.Dataset):
        if not isinstance(video, list | tuple):
            raise InputError(
                "video must be an xarray.DataArray with dims (time, y, x); got "
                f"{type(video).__name__}; read a file with read_video."
            )
        video = _stack(video, told)
    if isinstance(video, xr.Dataset) or np.iscomplexobj(video.dtype.type()):
        video = in_phase_video(video)
    if set(video.dims) == {"y", "x"}:
        raise InputError(
            "video must have dims time, y and x; got one picture (y, x): find_walls maps its walls."
        )
    if "time" in video.dims:
        video = _forward(video, told)
    told += _unnamed_units(video)
    checked = check_video(video)
    told += _uneven(checked)
    return checked, tuple(told)


def stack_of(template: xr.DataArray) -> tuple[xr.DataArray, tuple[str, ...]]:
    """Return the checked coordinates of a video whose values are not read, and what to say of them.

    ``template``: DataArray (time, y, x) of any values.
    """
    video = check_video_shape(template)
    checked = xr.DataArray(
        video.variable.data, dims=video.dims, coords=video_coordinates(video), attrs=video.attrs
    )
    return checked, (*_unnamed_units(template), *_uneven(checked))


def _unnamed_units(video: xr.DataArray) -> list[str]:
    """Say which coordinates are scaled but have no unit: they count as pixels or frames."""
    texts = []
    for dim, counted, remedy in (("x", "pixels", "um"), ("y", "pixels", "um"),
                                 ("time", "frames", "s")):  # fmt: skip
        if dim not in video.coords or video.sizes[dim] < 2 or video[dim].dtype.kind not in "iuf":
            continue
        step = float(np.median(np.diff(video[dim].to_numpy())))
        if "units" not in video[dim].attrs and abs(step - 1.0) > STEP_TOLERANCE:
            texts.append(
                f"{dim} goes on by {step:.4g} a step but has no unit, so that its numbers pass for "
                f"{counted}: set video.{dim}.attrs['units'] = '{remedy}' (or what it is in)"
            )
    return texts


def _uneven(video: xr.DataArray) -> list[str]:
    """Say where frames lie farther apart in time than the others."""
    steps = np.diff(video["time"].to_numpy())
    usual = float(np.median(steps))
    gaps = np.flatnonzero(steps > LONG_STEP * usual)
    if not gaps.size:
        return []
    shown = ", ".join(map(str, gaps[:8])) + (" ..." if len(gaps) > 8 else "")
    return [
        f"after frame{'s' if len(gaps) > 1 else ''} {shown} the next frame comes more than "
        f"{LONG_STEP:g} times the usual interval later: frames may be missing there"
    ]


def _stack(frames: Sequence[NDArray[np.float64]], told: list[str]) -> xr.DataArray:
    """Stack frames of one size; those of another become NaN."""
    arrays = [np.asarray(frame) for frame in frames]
    if not arrays or any(array.ndim != 2 for array in arrays):
        raise InputError("video given as a list must hold frames of 2 dimensions (y, x).")
    shapes = [array.shape for array in arrays]
    usual = max(set(shapes), key=shapes.count)
    aside: list[int] = []
    kind = np.result_type(*arrays, np.float64)
    stack = np.full((len(arrays), *usual), np.nan, dtype=kind)
    for index, array in enumerate(arrays):
        if array.shape == usual:
            stack[index] = array
        else:
            aside.append(index)
            told.append(
                f"frame {index} is {array.shape[0]} x {array.shape[1]} pixels, the others "
                f"{usual[0]} x {usual[1]}: it counts as missing"
            )
    return xr.DataArray(stack, dims=("time", "y", "x"), attrs={SET_ASIDE: aside})


def _forward(video: xr.DataArray, told: list[str]) -> xr.DataArray:
    """Set aside frames whose time is not after all earlier ones."""
    if "time" not in video.coords:
        return video
    times = np.asarray(video["time"].to_numpy(), dtype=np.float64)
    if times.ndim != 1 or len(times) < 2 or not np.isfinite(times).all():
        return video
    late = np.concatenate([[True], times[1:] > np.maximum.accumulate(times)[:-1]])
    if late.all():
        return video
    if late.sum() < 2 or late.sum() < 0.5 * len(times):
        raise InputError(
            "the video's time coordinate goes back in most frames: sort the frames by time first."
        )
    gone = np.flatnonzero(~late)
    shown = ", ".join(map(str, gone[:8])) + (" ..." if len(gone) > 8 else "")
    told.append(
        f"the time axis goes back at frame{'s' if len(gone) > 1 else ''} {shown}: there the frames "
        "count as missing and the times are interpolated"
    )
    numbers = np.arange(len(times))
    kept = numbers[late]
    mended = np.interp(numbers, kept, times[late])
    tail = numbers > kept[-1]
    step = float(np.median(np.diff(times[late])))
    mended[tail] = times[late][-1] + step * (numbers[tail] - kept[-1])
    keep = xr.DataArray(late, dims="time")
    attrs = dict(video["time"].attrs)
    result = video.drop_vars("time").where(keep)
    result.attrs = {**video.attrs, SET_ASIDE: [*video.attrs.get(SET_ASIDE, []), *gone.tolist()]}
    result = result.assign_coords(time=("time", mended, attrs))
    if "drive" in video.coords:
        result = result.assign_coords(drive=("time", video["drive"].to_numpy(),
                                             dict(video["drive"].attrs)))  # fmt: skip
    return result


def line_time_of(video: xr.DataArray, options: TrackWallsOptions) -> float:
    """Time from one row of the scan to the next, 0 where frames have one time."""
    if options.line_time is not None:
        given: object = options.line_time
    elif "line_time" in video.attrs:
        given = video.attrs["line_time"]
    elif "line_time_s" in video.attrs and video["time"].attrs["units"] == "s":
        given = video.attrs["line_time_s"]
    else:
        return 0.0
    try:
        value = float(given)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        value = float("nan")
    shortest = float(np.diff(video["time"].to_numpy()).min())
    scan = abs(value) * (video.sizes["y"] - 1)
    if not np.isfinite(value) or scan > shortest * (1 + 1e-9):
        raise InputError(
            "line_time must be the time of one row of the scan, so that a frame's rows end before "
            f"the next frame; got {given!r} for {video.sizes['y']} rows and {shortest:.4g} between "
            "frames."
        )
    return value
