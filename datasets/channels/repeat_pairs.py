"""The channels of two scans made alike: units, coordinates, pixels and shape."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from physlearn.checks import InputError
from physlearn.datasets.channels.same_grid import common_cut, on_grid_of, same_step
from physlearn.datasets.channels.scan_units import in_unit_of

__all__ = ["alike_channels", "check_another_scan", "numbered"]


def alike_channels(
    one: dict[str, xr.DataArray], two: dict[str, xr.DataArray], notes: list[str]
) -> bool:
    """Bring the second scan to the first one's units and pixels, both cut to one shape, in place.

    Returns whether both had pixels of one size.
    """
    same = True
    places: dict[tuple[tuple[int, ...], tuple[int, ...]], tuple[int, int]] = {}
    for name in one:
        # a cut must not begin at 0 again: other channels of the scan are not cut
        one[name], two[name] = numbered(one[name]), numbered(two[name])
        two[name], said = in_unit_of(f"channel {name}", one[name], two[name])
        notes += [] if said is None else [said]
        shapes = (one[name].shape, two[name].shape)
        if shapes[0] != shapes[1] and same_step(name, one[name], two[name]):
            one[name], two[name], places[shapes] = common_cut(
                name, one[name], two[name], places.get(shapes)
            )
        check_another_scan(f"channel {name}", one[name].to_numpy(), two[name].to_numpy())
        two[name], alike = on_grid_of(name, one[name], two[name])
        same = same and alike
    return same


def check_another_scan(name: str, first: ArrayLike, second: ArrayLike) -> None:
    """Refuse a second measurement that holds the first one's numbers: it shows no error."""
    one, two = np.asarray(first), np.asarray(second)
    if one.shape != two.shape or not np.array_equal(one, two, equal_nan=True):
        return
    if np.isfinite(one).any() and np.nanmax(np.abs(one - np.nanmean(one))) > 0:
        raise InputError(
            f"{name} holds the same numbers in both scans, so that they show no noise: give a "
            "second measurement, or leave it out of the repeat."
        )


def numbered(channel: xr.DataArray) -> xr.DataArray:
    """Return the channel with its pixels' numbers where it has no coordinates."""
    lacking = [dim for dim in ("y", "x") if dim not in channel.coords]
    return channel.assign_coords({dim: np.arange(float(channel.sizes[dim])) for dim in lacking})
