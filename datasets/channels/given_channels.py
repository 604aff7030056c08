"""Channels as they are given: a Dataset or a mapping of DataArrays."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr

from physlearn.checks import InputError

__all__ = ["channel_items"]


def channel_items(
    channels: xr.Dataset | Mapping[str, xr.DataArray], *, finite: bool = False
) -> dict[str, xr.DataArray]:
    """Return channels by name, each under its own name, or say what was given instead.

    What a phase without a unit is, only its name tells. With ``finite`` a channel (y, x) without
    a finite pixel is refused.
    """
    if not isinstance(channels, xr.Dataset | Mapping):
        raise InputError(
            "channels must be a Dataset or a mapping of names to DataArrays; got "
            f"{type(channels).__name__}."
        )
    found = {str(name): part for name, part in channels.items()}
    for name, part in found.items():
        if not isinstance(part, xr.DataArray):
            raise InputError(
                f"channel {name} must be a DataArray with dims (y, x); got {type(part).__name__}."
            )
        if finite and set(part.dims) == {"y", "x"} and not np.isfinite(part.to_numpy()).any():
            raise InputError(f"channel {name} must hold a finite pixel; all of them are NaN.")
        found[name] = part.rename(name)
    return found
