"""Where the pixels of a channel lie."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from physlearn.checks import InputError, check_array

__all__ = ["AxisFrame", "axis_frame"]


@dataclass(frozen=True, slots=True)
class AxisFrame:
    """First coordinate, step (x, y), shape (y, x) and unit of a picture of any size."""

    start: tuple[float, float]
    step: tuple[float, float]
    shape: tuple[int, int]
    unit: str


def axis_frame(name: str, channel: xr.DataArray) -> AxisFrame:
    """Return where the pixels of a channel lie; without coordinates they are numbered."""
    starts, steps, units = [], [], []
    for dim in ("x", "y"):
        if dim in channel.coords:
            numbers = check_array(dim, channel.coords[dim].to_numpy(), ndim=1)
            units.append(str(channel.coords[dim].attrs.get("units", "pixel")))
        else:
            numbers = np.arange(channel.sizes[dim], dtype=np.float64)
            units.append("pixel")
        gaps = np.diff(numbers)
        if len(gaps) == 0 or not gaps[0] > 0 or np.abs(gaps - gaps[0]).max() > 1e-4 * gaps[0]:
            raise InputError(f"the coordinate {dim} of channel {name} must increase in even steps.")
        starts.append(float(numbers[0]))
        steps.append(float(gaps.mean()))
    if units[0] != units[1]:
        raise InputError(f"x and y of channel {name} must share a unit.")
    return AxisFrame(
        (starts[0], starts[1]), (steps[0], steps[1]),
        (channel.sizes["y"], channel.sizes["x"]), units[0],
    )  # fmt: skip
