"""Atoms from the masks that segmentation networks leave."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, check_array, check_choice, check_count, check_positive
from physlearn.records import AtomicConfiguration
from physlearn.records.atoms import LENGTH_UNITS

__all__ = ["atoms_from_mask"]

KINDS = ("auto", "classes", "instances", "probability")
MERGED_SHARE = 1.8
"""A region this many times the median area may be two columns that touch."""
SUM_TOLERANCE = 0.02
UNNAMED = "class {}"


def atoms_from_mask(
    mask: xr.DataArray | ArrayLike,
    *,
    kind: str = "auto",
    threshold: float = 0.5,
    background: str = "last",
    smallest_area: int = 3,
    species_names: Sequence[str] = (),
    pixel_size: float | None = None,
    unit: str | None = None,
) -> AtomicConfiguration:
    """Return the columns of a network's mask: one a connected region, at its centre of mass.

    Parameters
    ----------
    mask
        Shape (rows, columns): truth values; whole numbers that are classes (0 is background) or
        instances (a number a column); or probabilities. Shape (rows, columns, classes), or with a
        leading axis of length 1, for one probability a class as AtomAI's networks give.
    kind
        classes, instances or probability; auto takes whole numbers as classes only when the only
        ones are 0 and 1.
    threshold
        Least probability of a pixel that belongs to a column.
    background
        Which class of (rows, columns, classes) is no atom: first, last (AtomAI) or none.
    smallest_area
        Regions of fewer pixels are left out, and counted in ``warnings``.
    species_names
        Name of each class, background left out.
    pixel_size, unit
        Scale of a plain array; a DataArray brings its own.

    Returns
    -------
    AtomicConfiguration
        Without errors and widths: a mask holds none. Fit the columns at these positions in the
        picture to get them.

    Raises
    ------
    InputError
        For another shape or kind, or whole numbers that may be classes or instances.

    Examples
    --------
    >>> mask = np.zeros((32, 32), dtype=bool)
    >>> mask[4:7, 9:12] = mask[20:23, 2:5] = True
    >>> atoms_from_mask(mask).positions.tolist()
    [[10.0, 5.0], [3.0, 21.0]]
    """
    check_choice("kind", kind, KINDS)
    check_choice("background", background, ("first", "last", "none"))
    check_positive("threshold", threshold)
    check_count("smallest_area", smallest_area, 1)
    origin, steps, found_unit = _scale(mask, pixel_size, unit)
    values = np.asarray(mask)
    layers = _layers(values, kind, threshold, background)
    centers, areas, codes = [], [], []
    small = 0
    for code, (labels, weight) in enumerate(layers):
        place, area = _centers(labels, weight)
        small += int(np.count_nonzero(area < smallest_area))
        centers.append(place[area >= smallest_area])
        areas.append(area[area >= smallest_area])
        codes += [code] * int(np.count_nonzero(area >= smallest_area))
    place = np.concatenate(centers)
    names = tuple(str(name) for name in species_names) or tuple(
        UNNAMED.format(code + 1) for code in range(len(layers))
    )
    if len(names) != len(layers):
        raise InputError(f"species_names must hold {len(layers)} name(s); got {len(names)}.")
    rows, columns = layers[0][0].shape
    return AtomicConfiguration(
        np.array(origin) + place[:, ::-1] * np.array(steps), unit=found_unit,
        species=np.array(codes, np.int64), species_names=names,
        pixel_size=steps,
        field_of_view=(
            origin[0] - 0.5 * steps[0], origin[1] - 0.5 * steps[1],
            origin[0] + (columns - 0.5) * steps[0], origin[1] + (rows - 0.5) * steps[1],
        ),
        metadata={"source": "mask", "smallest_area_px": smallest_area},
        warnings=_doubts(np.concatenate(areas), small, smallest_area),
    )  # fmt: skip


def _doubts(areas: NDArray[np.float64], small: int, smallest: int) -> tuple[str, ...]:
    """Return what a mask cannot say, and what looks wrong with this one."""
    notes = [
        "The positions are centres of a mask made elsewhere and carry no errors; fit the columns "
        "at them in the picture to get some."
    ]
    if small:
        notes.append(f"{small} region(s) of fewer than {smallest} pixels were left out.")
    wide = int(np.count_nonzero(areas > MERGED_SHARE * np.median(areas))) if len(areas) else 0
    if wide:
        notes.append(
            f"{wide} of {len(areas)} regions are more than {MERGED_SHARE} times as large as the "
            "median: touching columns may have been counted as one."
        )
    if not len(areas):
        notes.append("The mask holds no region: no column was found.")
    return tuple(notes)


def _scale(
    mask: xr.DataArray | ArrayLike, pixel_size: float | None, unit: str | None
) -> tuple[tuple[float, float], tuple[float, float], str]:
    """Return origin, step and unit of a mask."""
    if isinstance(mask, xr.DataArray) and {"y", "x"} <= set(mask.coords):
        if pixel_size is not None or unit is not None:
            raise InputError("pixel_size and unit go with a plain array; mask brings its scale.")
        axes = [mask.coords[dim].to_numpy() for dim in ("x", "y")]
        steps = tuple(float(axis[-1] - axis[0]) / (len(axis) - 1) for axis in axes)
        found = str(mask.coords["x"].attrs.get("units", "pixel"))
        check_choice("the unit of mask", found, LENGTH_UNITS)
        return (float(axes[0][0]), float(axes[1][0])), (steps[0], steps[1]), found
    if (pixel_size is None) != (unit is None):
        raise InputError("pixel_size and unit go together; give both or none.")
    if pixel_size is None or unit is None:
        return (0.0, 0.0), (1.0, 1.0), "pixel"
    step = check_positive("pixel_size", pixel_size)
    check_choice("unit", unit, LENGTH_UNITS)
    return (0.0, 0.0), (step, step), unit


def _layers(
    values: NDArray[np.generic], kind: str, threshold: float, background: str
) -> list[tuple[NDArray[np.int64], NDArray[np.float64]]]:
    """Return one pair (labels of regions, weight of each pixel) a class."""
    if values.ndim == 4 and values.shape[0] == 1:
        values = values[0]
    if values.dtype == bool:
        values = values.astype(np.uint8)
    checked = check_array("mask", values, minimum=0.0)
    if checked.ndim == 3:
        return _class_layers(checked, threshold, background)
    if checked.ndim != 2:
        raise InputError(
            f"mask must have shape (rows, columns) or (rows, columns, classes), got {values.shape}."
        )
    if kind == "probability" or (kind == "auto" and values.dtype.kind == "f"):
        if checked.max() > 1:
            raise InputError(
                f"mask must hold probabilities up to 1, got {checked.max():g}; say kind='classes' "
                "or kind='instances' for whole numbers."
            )
        return [(_connected(checked >= threshold), checked)]
    codes = check_array("mask", checked, dtype=np.int64)
    top = int(codes.max())
    if kind == "auto" and top > 1:
        raise InputError(
            f"mask holds the numbers 0 to {top}, which may be classes or instances; say "
            "kind='classes' or kind='instances'."
        )
    ones = np.ones(codes.shape)
    if kind == "instances":
        return [(codes, ones)]
    return [(_connected(codes == code), ones) for code in range(1, max(top, 1) + 1)]


def _class_layers(
    values: NDArray[np.float64], threshold: float, background: str
) -> list[tuple[NDArray[np.int64], NDArray[np.float64]]]:
    if values.shape[-1] > values.shape[0] or values.max() > 1 + SUM_TOLERANCE:
        raise InputError(
            "mask of three dimensions must be (rows, columns, classes) with probabilities up to 1, "
            f"got shape {values.shape} with values up to {values.max():g}."
        )
    kept = list(range(values.shape[-1]))
    if len(kept) > 1 and background != "none":
        del kept[0 if background == "first" else -1]
    return [(_connected(values[..., one] >= threshold), values[..., one]) for one in kept]


def _connected(flags: NDArray[np.bool_]) -> NDArray[np.int64]:
    from scipy import ndimage

    labels, _ = ndimage.label(flags)
    return np.asarray(labels, np.int64)


def _centers(
    labels: NDArray[np.int64], weight: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return (row, column) and area in pixels of every region."""
    place = np.flatnonzero(labels)
    _, code = np.unique(labels.ravel()[place], return_inverse=True)
    mass = weight.ravel()[place]
    total = np.bincount(code, mass)
    rows, columns = np.divmod(place, labels.shape[1])
    sums = [np.bincount(code, mass * numbers) for numbers in (rows, columns)]
    centers = np.stack(sums, axis=1) / total[:, None] if len(total) else np.zeros((0, 2))
    return centers, np.bincount(code).astype(np.float64)
