"""Where, when and with what dose each patch was taken: nuisances that a table carries along."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from physlearn.checks import InputError, NotIdentified, check_array
from physlearn.datasets.channels.axis_frame import AxisFrame, axis_frame
from physlearn.datasets.descriptors.patch_places import PatchPlaces
from physlearn.datasets.patches.patch_options import PatchOptions
from physlearn.datasets.patches.patch_sources import Sources

__all__ = ["acquisition_covariates", "seen_share"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def acquisition_covariates(
    sources: Sources, places: PatchPlaces, frame: AxisFrame | None, options: PatchOptions
) -> pd.DataFrame:
    """Return row, column, frame, time, drift and dose of each patch, as far as they are known.

    ``row`` and ``column`` are those of the patch's centre in the first picture's pixels.
    """
    n_frames, n = sources.n_frames, places.n
    columns: dict[str, Floats] = {}
    if frame is not None:
        place = (places.centers - np.array(frame.start)) / np.array(frame.step)
        columns["row"] = np.tile(place[:, 1], n_frames)
        columns["column"] = np.tile(place[:, 0], n_frames)
    if sources.frame_times is not None:
        columns["frame"] = np.repeat(np.arange(float(n_frames)), n)
        columns["time"] = np.repeat(sources.frame_times, n)
    else:
        if options.frame is not None:
            columns["frame"] = np.full(n, float(options.frame))
        if options.time is not None:
            columns["time"] = np.full(n, float(options.time))
        elif frame is not None:
            columns |= _scan_time(sources, places)
    if options.drift is not None:
        columns |= _drift(options.drift, n_frames, n, options)
    if options.dose is not None:
        columns["dose"] = _dose(options.dose, places, n_frames)
    return pd.DataFrame(columns, index=range(n_frames * n))


def _scan_time(sources: Sources, places: PatchPlaces) -> dict[str, Floats]:
    """Return the time at which each patch was scanned, where the file says how long a pixel took.

    ``scan_time`` is the mean time of a patch's pixels in seconds from the first pixel.
    """
    from physlearn.datasets.reading.scan_times import pixel_times

    name, first = next(iter(sources.maps.items()), ("", None))
    if first is None or "dwell_time_s" not in first.attrs:
        return {}
    try:
        times = pixel_times(first)
    except NotIdentified:
        return {}
    return {"scan_time": _map_mean(name, first.copy(data=times.to_numpy()), places)}


def _map_mean(name: str, picture: xr.DataArray, places: PatchPlaces) -> Floats:
    """Return the mean of a map in each patch; the map's mean where a patch holds none of it."""
    values = check_array(name, picture.transpose("y", "x").to_numpy(), ndim=2, finite=False)
    known = np.isfinite(values)
    low, high = _window_edges(name, picture, places)
    number = _window_sums(known.astype(np.float64), low, high)
    total = _window_sums(np.where(known, values, 0.0), low, high)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(number > 0, total / number, values[known].mean() if known.any() else 0.0)


def seen_share(name: str, picture: xr.DataArray, places: PatchPlaces) -> Floats:
    """Return the share of each patch's pixels that a picture (y, x) holds, without its gaps."""
    known = np.isfinite(picture.transpose("y", "x").to_numpy())
    _, window = places.windows(axis_frame(name, picture))
    low, high = _window_edges(name, picture, places)
    return _window_sums(known.astype(np.float64), low, high) / float(np.prod(window))


def _window_edges(
    name: str, picture: xr.DataArray, places: PatchPlaces
) -> tuple[Integers, Integers]:
    """Return first and last (row, column) of each patch's pixels, within the picture."""
    first, window = places.windows(axis_frame(name, picture))
    shape = (picture.sizes["y"], picture.sizes["x"])
    return np.clip(first, 0, shape), np.clip(first + np.array(window), 0, shape)


def _window_sums(values: Floats, low: Integers, high: Integers) -> Floats:
    """Return the sum over rows and columns low <= (row, column) < high of each patch."""
    table = np.zeros((values.shape[0] + 1, values.shape[1] + 1))
    np.cumsum(np.cumsum(values, axis=0), axis=1, out=table[1:, 1:])
    (top, left), (bottom, right) = low.T, high.T
    return np.asarray(
        table[bottom, right] - table[top, right] - table[bottom, left] + table[top, left]
    )


def _drift(drift: Any, n_frames: int, n: int, options: PatchOptions) -> dict[str, Floats]:
    """Return the sample's movement in each frame, ``drift_x`` and ``drift_y``."""
    moved = getattr(drift, "shift", drift)
    shift = check_array("drift", moved, shape=(None, 2))
    if n_frames == 1 and options.frame is not None and len(shift) > options.frame:
        shift = shift[options.frame][None]
    if len(shift) != n_frames:
        raise InputError(
            f"drift must hold one movement (x, y) for each of {n_frames} frame(s), got "
            f"{len(shift)}; for one frame of a series give PatchOptions.frame too."
        )
    return {"drift_x": np.repeat(shift[:, 0], n), "drift_y": np.repeat(shift[:, 1], n)}


def _dose(dose: Any, places: PatchPlaces, n_frames: int) -> Floats:
    """Return the dose of each patch: one number, one a frame, or a map's mean."""
    if isinstance(dose, xr.DataArray) and {"y", "x"} <= set(dose.dims):
        return np.tile(_map_mean("dose", dose, places), n_frames)
    given = check_array("dose", np.atleast_1d(np.asarray(dose)), ndim=1, minimum=0.0)
    if len(given) not in (1, n_frames):
        raise InputError(f"dose must hold 1 or {n_frames} number(s), got {len(given)}.")
    return np.repeat(np.broadcast_to(given, (n_frames,)), places.n)
