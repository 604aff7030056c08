"""The scale that a file does not say: size of a pixel, time from frame to frame."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from physlearn.checks import InputError, check_choice, check_positive
from physlearn.records import Trajectory

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["set_scale"]

Data = TypeVar("Data", "xr.DataArray", "xr.Dataset", Trajectory)
Labelled = TypeVar("Labelled", "xr.DataArray", "xr.Dataset")

UNITS = ("angstrom", "nm", "um")
COUNTED = ("pixel", "frame")
UNEVEN = 1e-3
LACKING = {"pixel_size": (" has no scale", " has no length scale"), "time": (" has no time scale",)}


def set_scale(
    data: Data,
    *,
    pixel_size: float | tuple[float, float] | None = None,
    unit: str = "nm",
    frame_interval_s: float | None = None,
) -> Data:
    """Return a picture, film, set of channels or trajectory with the scale that its file lacks.

    Parameters
    ----------
    data
        Dims y and x, and time for a film; as ``read_image``, ``read_video`` and
        ``read_channels`` return it. Or a ``Trajectory`` counted in pixels and frames.
    pixel_size
        Edge of a pixel in ``unit``; or (along x, along y). None leaves lengths as they are.
    unit
        ``angstrom``, ``nm`` or ``um``.
    frame_interval_s
        Seconds from one frame to the next. None leaves times as they are.

    Returns
    -------
    xarray.DataArray, xarray.Dataset or Trajectory
        The same values on new coordinates that begin where the old ones did, counted in pixels; a
        scale that the file had is replaced, and ``warnings`` says so.

    Raises
    ------
    InputError
        For a size or interval that is not positive, another unit, data without y and x, axes that
        do not increase or pixels unevenly spaced, an interval for a picture, or a trajectory that
        has the scale already.

    Examples
    --------
    >>> import xarray as xr
    >>> film = xr.DataArray(np.zeros((3, 20, 20)), dims=("time", "y", "x"))
    >>> scaled = set_scale(film, pixel_size=50.0, unit="nm", frame_interval_s=2.5)
    >>> scaled.x.to_numpy()[:3], scaled.x.units, scaled.time.to_numpy(), scaled.time.units
    (array([  0.,  50., 100.]), 'nm', array([0. , 2.5, 5. ]), 's')
    """
    if isinstance(data, Trajectory):
        return _scaled_tracks(data, pixel_size, unit, frame_interval_s)
    if not hasattr(data, "dims"):
        raise InputError(
            "data must be a picture, film or set of channels of xarray, or a Trajectory; got "
            f"{type(data).__name__}."
        )
    if not {"y", "x"} <= set(data.dims):
        raise InputError(
            f"data must have dims y and x; got {', '.join(map(str, data.dims)) or 'none'}."
        )
    check_choice("unit", unit, UNITS)
    if not hasattr(data, "dtype"):  # a set of channels: each speaks for itself
        scaled = {
            name: set_scale(
                one, pixel_size=pixel_size, unit=unit, frame_interval_s=frame_interval_s
            )
            for name, one in data.data_vars.items()
        }
        return type(data)(scaled, attrs=data.attrs)
    notes: list[str] = []
    if pixel_size is not None:
        sizes = np.broadcast_to(np.asarray(pixel_size, float), 2)
        for dim, size in zip(("x", "y"), sizes, strict=True):
            data = _scaled(data, dim, check_positive("pixel_size", float(size)), unit, notes)
    if frame_interval_s is not None:
        if "time" not in data.dims:
            raise InputError("frame_interval_s goes with a film; the data have no time: leave it.")
        interval = check_positive("frame_interval_s", frame_interval_s)
        data = _scaled(data, "time", interval, "s", notes)
    mended = LACKING["pixel_size"] * (pixel_size is not None)
    mended += LACKING["time"] * (frame_interval_s is not None)
    said: list[str] = [
        str(text)
        for text in data.attrs.get("warnings", ())
        if not any(words in text for words in mended)
    ]
    changed: dict[str, object] = {"warnings": (*said, *notes)}
    if "absent" in data.attrs and pixel_size is not None:
        changed["absent"] = tuple(name for name in data.attrs["absent"] if name != "scale")
    return data.assign_attrs(changed)


def _scaled(data: Labelled, dim: str, step: float, unit: str, notes: list[str]) -> Labelled:
    old = np.arange(data.sizes[dim], dtype=float)
    if dim in data.coords:
        old = data.coords[dim].to_numpy().astype(float)
        had = str(data.coords[dim].attrs.get("units", "pixel"))
        steps = np.diff(old)
        if len(steps) and steps.min() <= 0:
            raise InputError(
                f"{dim} must increase; turn it first: data.isel({dim}=slice(None, None, -1))."
            )
        if had not in COUNTED:
            # Frames that were left out make some steps longer than the scan's own
            own = float(steps.min()) if len(steps) else 1.0
            notes.append(
                f"{dim}: {step:.6g} {unit} a step, given by hand; the file says {own:.6g} {had}."
            )
            old = old / own
        if dim != "time" and len(steps) and np.ptp(np.diff(old)) > UNEVEN * np.diff(old).min():
            raise InputError(f"{dim} must be evenly spaced to be given a pixel size.")
    return data.assign_coords({dim: (dim, old * step, {"units": unit})})


def _scaled_tracks(
    tracks: Trajectory,
    pixel_size: float | tuple[float, float] | None,
    unit: str,
    frame_interval_s: float | None,
) -> Trajectory:
    check_choice("unit", unit, UNITS)
    changed: dict[str, object] = {}
    if pixel_size is not None:
        if tracks.unit != "pixel":
            raise InputError(
                f"pixel_size goes with positions in pixels; these are in {tracks.unit} already."
            )
        sizes = np.ones(tracks.positions.shape[1])
        sizes[:] = pixel_size
        for size in sizes:
            check_positive("pixel_size", float(size))
        changed |= {"positions": tracks.positions * sizes, "unit": unit}
        if tracks.cell is not None:
            changed["cell"] = tracks.cell * sizes
        if tracks.localization_sd is not None:
            if np.ptp(sizes):
                raise InputError(
                    "pixel_size must be one number where positions have a localization_sd, which "
                    f"is the same along every axis; got {pixel_size}."
                )
            changed["localization_sd"] = tracks.localization_sd * sizes[0]
    if frame_interval_s is not None:
        if tracks.time_unit != "frame":
            raise InputError(
                f"frame_interval_s goes with times in frames; these are in {tracks.time_unit} "
                "already."
            )
        interval = check_positive("frame_interval_s", frame_interval_s)
        changed |= {"times": tracks.times * interval, "time_unit": "s"}
        lacking = (LACKING["time"][0], "times stay in frames")
        changed["warnings"] = tuple(
            text for text in tracks.warnings if not any(words in text for words in lacking)
        )
    return replace(tracks, **changed)  # type: ignore[arg-type]
