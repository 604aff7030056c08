"""What a file must say of how its data were taken, and where that is found."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from physlearn.checks import InputError
from physlearn.datasets.layouts.data_layout import layout_schema

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["NOT_RECORDED", "gather_metadata", "required_metadata"]

NOT_RECORDED = "not recorded"
STEP_TOLERANCE = 1e-6
"""Relative difference of pixel sizes below which two files say the same."""


def required_metadata() -> dict[str, str]:
    """Return the names that the metadata of a file must hold, each with what it means.

    Examples
    --------
    >>> list(required_metadata())[:3]
    ['pixel_size', 'pixel_size_unit', 'dose_e_per_angstrom2']
    """
    metadata = layout_schema()["$defs"]["metadata"]
    return {name: metadata["properties"][name]["description"] for name in metadata["required"]}


def gather_metadata(dataset: xr.Dataset, metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return the whole metadata: what is given, and what coordinates and attributes say.

    Raises
    ------
    InputError
        When something required is said nowhere, or two places contradict each other.
    """
    given = {str(name): value for name, value in metadata.items()}
    found = _pixel_size(dataset)
    for name in required_metadata():
        if name in found:
            continue
        said = {
            repr(place.attrs[name]): place.attrs[name]
            for place in (dataset, *dataset.data_vars.values())
            if name in place.attrs
        }
        if len(said) > 1 and name not in given:
            raise InputError(
                f"metadata must hold {name!r}, because the channels contradict each other: "
                f"{' and '.join(said)}."
            )
        if len(said) == 1:
            found[name] = next(iter(said.values()))
    for name, value in found.items():
        if name in given and not _same(given[name], value):
            raise InputError(
                f"metadata[{name!r}] must agree with the data, which say {value!r}; "
                f"got {given[name]!r}."
            )
    whole = {**found, **given}
    missing = [name for name in required_metadata() if name not in whole]
    if missing:
        raise InputError(
            f"metadata must hold {', '.join(map(repr, missing))}; where nobody wrote it down, say "
            f"{NOT_RECORDED!r}."
        )
    return {name: _plain(value) for name, value in whole.items()}


def _pixel_size(dataset: xr.Dataset) -> dict[str, Any]:
    """Return pixel size and unit by the coordinates; nothing where they do not tell."""
    steps = []
    for dim in ("x", "y"):
        axis = dataset.coords.get(dim)
        if axis is None or axis.ndim != 1 or axis.size < 2:
            return {}
        distance = np.diff(axis.to_numpy().astype(np.float64))
        if not np.allclose(distance, distance[0], rtol=1e-3, atol=0.0):
            return {}
        steps.append(abs(float((axis[-1] - axis[0]) / (axis.size - 1))))
    units = {str(dataset.coords[dim].attrs.get("units", "pixel")) for dim in ("x", "y")}
    unit = units.pop()
    if units or unit == "pixel" or min(steps) <= 0:
        return {}
    return {"pixel_size": steps, "pixel_size_unit": unit}


def _same(one: Any, other: Any) -> bool:
    """Whether two entries say the same, numbers up to rounding."""
    if isinstance(one, str) or isinstance(other, str):
        return bool(one == other)
    return bool(np.allclose(np.asarray(one, float), np.asarray(other, float), rtol=STEP_TOLERANCE))


def _plain(value: Any) -> Any:
    """Return an entry as JSON holds it."""
    if isinstance(value, np.ndarray | list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        raise InputError(f"metadata must hold finite numbers or {NOT_RECORDED!r}; got {value!r}.")
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise InputError(
        f"metadata must hold numbers, texts, lists and mappings; got {type(value).__name__}."
    )
