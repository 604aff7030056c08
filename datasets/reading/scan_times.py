"""When each pixel of a scanned picture was taken, from dwell time and fly-back."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from physlearn.checks import InputError, NotIdentified, check_positive

__all__ = ["pixel_times"]

ROUNDING = 1e-9


def pixel_times(
    image: xr.DataArray | ArrayLike,
    *,
    dwell_time_s: float | None = None,
    line_time_s: float | None = None,
    flyback_time_s: float | None = None,
) -> xr.DataArray:
    """Return the time at which each pixel was taken, in seconds from the first.

    Pixel (r, c) of a scan that runs downwards and to the right is taken at
    ``r line_time + c dwell_time`` with ``line_time = columns dwell_time + flyback_time``.

    Parameters
    ----------
    image
        Picture (y, x). Its attributes ``dwell_time_s``, ``line_time_s``, ``flyback_time_s``,
        ``scan_direction`` (down or up) and ``fast_direction`` (right or left, for a retrace, which
        ends its line) are used where the file stated them.
    dwell_time_s, line_time_s, flyback_time_s
        Time at a pixel, from the start of a row to that of the next, and from the end of a row to
        the start of the next; they override what the file says.

    Returns
    -------
    xarray.DataArray
        float64, dims and shape of the picture, attribute ``units`` s; ``warnings`` name a
        direction that the file did not state and that was taken to be down and to the right.

    Raises
    ------
    NotIdentified
        When neither the file nor the caller says dwell time, or fly-back or line time.
    InputError
        For another shape, or a line time shorter than its pixels take.

    Examples
    --------
    >>> times = pixel_times(np.zeros((3, 4)), dwell_time_s=1e-3, flyback_time_s=2e-3)
    >>> [float(t) for t in times[1, :2].round(6)]
    [0.006, 0.007]
    """
    given = image if isinstance(image, xr.DataArray) else xr.DataArray(np.asarray(image))
    if given.ndim != 2:
        raise InputError(f"image must be one picture (y, x), got shape {given.shape}.")
    if set(given.dims) == {"y", "x"}:
        given = given.transpose("y", "x")
    n_rows, n_columns = given.shape
    dwell = _known("dwell_time_s", dwell_time_s, given)
    line = _known("line_time_s", line_time_s, given, overridden=flyback_time_s is not None)
    flyback = _known("flyback_time_s", flyback_time_s, given)
    if dwell is None:
        raise NotIdentified(
            "the picture does not say how long a pixel takes; give dwell_time_s from the "
            "microscope's log."
        )
    if line is None and flyback is None:
        raise NotIdentified(
            "the picture does not say how long the beam or tip takes to the next row; give "
            "line_time_s or flyback_time_s (0 where there is no fly-back)."
        )
    row_time = n_columns * dwell
    line = row_time + (flyback or 0.0) if line is None else line
    if line < row_time * (1 - ROUNDING):
        raise InputError(
            f"line_time_s must be at least the time of its pixels ({n_columns} x {dwell:g} s = "
            f"{row_time:g} s); got {line:g}."
        )
    rows, columns = np.arange(n_rows, dtype=np.float64), np.arange(n_columns, dtype=np.float64)
    notes = []
    if given.attrs.get("scan_direction") == "up":
        rows = rows[::-1]
    elif "scan_direction" not in given.attrs:
        notes.append("The file does not say in which direction rows were taken: downwards assumed.")
    along = columns * dwell
    if given.attrs.get("fast_direction") == "left":
        along = line - row_time + columns[::-1] * dwell
    times = rows[:, None] * line + along[None, :]
    return xr.DataArray(
        times - times.min(), dims=given.dims,
        coords={dim: given.coords[dim] for dim in given.dims if dim in given.coords},
        attrs={
            "units": "s", "dwell_time_s": dwell, "line_time_s": line, "warnings": tuple(notes),
        },
        name="time",
    )  # fmt: skip


def _known(
    name: str, value: float | None, image: xr.DataArray, *, overridden: bool = False
) -> float | None:
    """Return a time that the caller or the file states; fly-back may be none at all."""
    zero = name == "flyback_time_s"
    if value is not None:
        return check_positive(name, value, allow_zero=zero)
    stated = image.attrs.get(name)
    if stated is None or overridden:
        return None
    return check_positive(f"{name} of the picture", float(stated), allow_zero=zero)
