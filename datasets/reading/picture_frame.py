"""What a picture is to the functions of this floor: values, scale, origin, unit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, check_array, check_choice, check_image
from physlearn.records.atoms import LENGTH_UNITS

__all__ = ["PictureFrame", "free_memory_bytes", "picture_frame"]


@dataclass(frozen=True, slots=True, eq=False)
class PictureFrame:
    """A picture's values with the place of its first pixel and the size of each.

    Attributes
    ----------
    values
        float64, shape (rows, columns).
    origin
        (x, y) of the first pixel in ``unit``.
    pixel_size
        Step from pixel to pixel along x and y in ``unit``.
    unit
        angstrom, nm, um, pixel or reduced.
    counts_known
        Whether the values are counted events.
    source
        Where the picture came from.
    warnings
        Sentences that travel.
    """

    values: NDArray[np.float64]
    origin: tuple[float, float]
    pixel_size: tuple[float, float]
    unit: str
    counts_known: bool
    source: str
    warnings: tuple[str, ...]


def free_memory_bytes() -> int:
    """Return the memory that this machine, and this process's own limit, can give now, in bytes."""
    import psutil

    available = int(psutil.virtual_memory().available)
    try:  # set by batch systems; Windows has none
        import resource
    except ImportError:
        return available
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit == resource.RLIM_INFINITY:
        return available
    return max(0, min(available, limit - int(psutil.Process().memory_info().vms)))


def picture_frame(image: xr.DataArray | ArrayLike, name: str = "image") -> PictureFrame:
    """Return the picture of a DataArray (y, x) or of a plain array (then in pixels).

    Raises
    ------
    InputError
        For anything that is not one picture, or coordinates that are not evenly spaced.
    """
    if not isinstance(image, xr.DataArray):
        values = check_image(np.asarray(image), name)
        return PictureFrame(values, (0.0, 0.0), (1.0, 1.0), "pixel", False, "array", ())
    if image.ndim == 2 and set(image.dims) == {"y", "x"}:
        image = image.transpose("y", "x")
    values = check_image(image.to_numpy(), name)
    starts, steps, units = [], [], []
    for dim in reversed(image.dims):
        if dim in image.coords:
            numbers = check_array(str(dim), image.coords[dim].to_numpy(), ndim=1)
            units.append(str(image.coords[dim].attrs.get("units", "pixel")))
        else:
            numbers = np.arange(image.sizes[dim], dtype=np.float64)
            units.append("pixel")
        gaps = np.diff(numbers)
        if not gaps[0] > 0 or np.abs(gaps - gaps[0]).max() > 1e-4 * gaps[0]:
            raise InputError(f"the coordinate {dim} of {name} must increase in even steps.")
        starts.append(float(numbers[0]))
        steps.append(float((numbers[-1] - numbers[0]) / (len(numbers) - 1)))
    if units[0] != units[1]:
        raise InputError(f"x and y of {name} must share a unit; got {units[0]} and {units[1]}.")
    check_choice(f"the unit of {name}", units[0], LENGTH_UNITS)
    said = image.attrs.get("warnings", ())
    return PictureFrame(
        values, (starts[0], starts[1]), (steps[0], steps[1]), units[0],
        image.attrs.get("counts") == "known", str(image.attrs.get("source", "array")),
        (said,) if isinstance(said, str) else tuple(map(str, said)),
    )  # fmt: skip
