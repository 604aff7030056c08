"""What fit_wall_profile was given: pictures with coordinates, masks, and plain options."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError

__all__ = ["check_pair", "read_picture", "read_pixel_size"]

Floats = NDArray[np.float64]
UNEVEN = 1e-3


def read_picture(
    image: Any, pixel_size: float | tuple[float, float] | None, unit: str | None
) -> tuple[Any, float | tuple[float, float], str]:
    """Return the picture (or rows), the edge of a pixel and its unit.

    A DataArray's own x and y give edge and unit where the caller gives none.
    """
    if isinstance(image, str | bytes):
        raise InputError("image must be a picture or rows of numbers; got a text.")
    step: tuple[float, float] | None = None
    own = None
    if hasattr(image, "dims"):
        image, step, own = _from_coordinates(image)
    if isinstance(image, np.ma.MaskedArray):
        image = np.ma.filled(image.astype(float), np.nan)
    if isinstance(image, np.ndarray):
        image = _plain(image)
    if pixel_size is None:
        pixel_size, unit = step or 1.0, unit or own or "pixel"
    return image, pixel_size, unit or "pixel"


def _plain(image: NDArray[Any]) -> NDArray[Any]:
    """Check the numbers of a picture."""
    if image.dtype.kind == "c":
        raise InputError(
            "image is complex: take the part along its mean phase (amplitude times cosine of "
            "phase) first."
        )
    if image.dtype.kind == "f" and np.isinf(image).any():
        raise InputError("image holds infinite values; set what is unknown to NaN.")
    return image


def _from_coordinates(image: Any) -> tuple[Any, tuple[float, float] | None, str | None]:
    """Return a DataArray's values as (y, x) with rising coordinates, its steps and their unit."""
    if set(image.dims) != {"x", "y"}:
        return image.values, None, None
    image = image.transpose("y", "x")
    if not {"x", "y"} <= set(image.coords):
        return image.values, None, None
    steps, units = [], []
    for name in ("x", "y"):
        along = np.asarray(image[name].values, dtype=float)
        moves = np.diff(along)
        middle = float(np.mean(moves)) if moves.size else 0.0
        if moves.size and not np.abs(moves - middle).max() <= UNEVEN * abs(middle):
            raise InputError(f"image's {name} must be evenly spaced, in one direction.")
        if middle < 0:
            image = image.isel({name: slice(None, None, -1)})
        steps.append(abs(middle))
        units.append(str(image[name].attrs.get("units", "pixel")))
    if units[0] != units[1]:
        raise InputError(f"image's x and y must have one unit; they have {units[0]}, {units[1]}.")
    size = (steps[0] or steps[1], steps[1] or steps[0])
    return image.values, size if min(size) > 0 else None, units[0]


def read_pixel_size(given: Any) -> tuple[float, float]:
    """Return the edges (x, y) of a pixel."""
    try:
        size = np.atleast_1d(np.asarray(given, dtype=float))
    except (TypeError, ValueError):
        size = np.empty(0)
    if size.size not in (1, 2) or not (np.isfinite(size).all() and (size > 0).all()):
        raise InputError(f"pixel_size must be positive, one number or (x, y); got {given!r}.")
    return float(size[0]), float(size[-1])


def check_pair(name: str, given: Any) -> tuple[float, float]:
    """Return (value, sd), sd > 0."""
    try:
        pair = np.asarray(given, dtype=float)
    except (TypeError, ValueError):
        pair = np.empty(0)
    if pair.shape != (2,) or not np.isfinite(pair).all() or pair[1] <= 0:
        raise InputError(f"{name} must be (value, sd), sd above 0; got {given!r}.")
    return float(pair[0]), float(pair[1])
