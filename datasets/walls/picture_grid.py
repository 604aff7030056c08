"""Where the pixels of a picture lie in the coordinates of a track."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from physlearn.checks import InputError
from physlearn.records import WallTrack

__all__ = ["picture_grid"]

Floats = NDArray[np.float64]

UNEVEN = 1e-3


def picture_grid(name: str, picture: xr.DataArray, track: WallTrack) -> tuple[Floats, float]:
    """Return place (x, y) of the first pixel and pixel size, or say why they fit no track."""
    if not isinstance(track, WallTrack):
        raise InputError(f"track must be a WallTrack; got {type(track).__name__}.")
    first, steps = [], []
    for axis in ("x", "y"):
        if axis in picture.coords:
            places = np.asarray(picture[axis].to_numpy(), dtype=np.float64)
            unit = str(picture[axis].attrs.get("units", "pixel"))
        else:
            places, unit = np.arange(picture.sizes[axis], dtype=np.float64), "pixel"
        if unit != track.unit:
            raise InputError(
                f"{name} must be in the track's unit {track.unit}; its {axis} is in {unit}: give "
                "it the coordinates of the track's video."
            )
        gaps = np.diff(places)
        if not gaps.size or not (gaps > 0).all() or np.ptp(gaps) > UNEVEN * gaps.mean():
            raise InputError(f"{name} must have at least 2 evenly spaced, increasing {axis}.")
        first.append(float(places[0]))
        steps.append(float(gaps.mean()))
    if abs(steps[0] / steps[1] - 1.0) > UNEVEN:
        raise InputError(
            f"{name} must have square pixels, got {steps[0]:.4g} by {steps[1]:.4g}: resample it "
            "first."
        )
    return np.array(first), steps[0]
