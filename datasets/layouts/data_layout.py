"""The documented layout of a data file: its schema, and what a file lacks of it."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from physlearn.checks import InputError, NotFound
from physlearn.datasets.reading.file_checks import one_line
from physlearn.records.hdf5_parts import check_hdf5_parts

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["LAYOUT_VERSION", "check_layout", "describe_layout", "layout_problems", "layout_schema"]

LAYOUT_VERSION = 1
ATTRIBUTES = ("units", "controlled_name", "tier", "formula")


@cache
def layout_schema() -> dict[str, Any]:
    """Return the published JSON schema of a data file.

    It speaks of the file's description (`check_layout` makes it): version, kind, metadata,
    dimensions, and every coordinate and variable with dims, type and attributes.

    Examples
    --------
    >>> layout_schema()["title"]
    'physlearn data layout'
    """
    place = resources.files("physlearn.datasets").joinpath(
        "layouts/schemas/data_layout.schema.json"
    )
    schema: dict[str, Any] = json.loads(place.read_text(encoding="utf-8"))
    return schema


def check_layout(path: str | os.PathLike[str]) -> list[str]:
    """Return what a file lacks of the documented layout, one sentence each; empty when nothing.

    Parameters
    ----------
    path
        Any netCDF or HDF5 file, also one that another program wrote.

    Returns
    -------
    list of str
        Each names the place in the file's description, and what belongs there.

    Raises
    ------
    NotFound
        When there is no such file.
    InputError
        When the file is neither netCDF nor HDF5.

    Examples
    --------
    >>> import tempfile
    >>> import xarray as xr
    >>> name = Path(tempfile.mkdtemp()) / "foreign.nc"
    >>> xr.Dataset({"height": (("y", "x"), np.zeros((4, 4)))}).to_netcdf(name, engine="h5netcdf")
    >>> [text for text in check_layout(name) if "dwell_time_s" in text][0][:60]
    'metadata/dwell_time_s is missing: Seconds that the probe sta'
    """
    import xarray as xr

    if not Path(path).is_file():
        raise NotFound(f"no such file: {path}")
    try:
        check_hdf5_parts(path)
        with xr.open_dataset(
            path, engine="h5netcdf", mask_and_scale=False, decode_times=False, phony_dims="sort"
        ) as dataset:
            return layout_problems(describe_layout(dataset))
    except InputError:
        raise
    except Exception as error:  # xarray, h5netcdf and h5py raise many kinds
        said = one_line(error)
        raise InputError(f"path must be a netCDF or HDF5 file; {path} is none: {said}.") from None


def describe_layout(dataset: xr.Dataset) -> dict[str, Any]:
    """Return the description of an opened file that the schema speaks of."""
    attributes = {str(name): _plain(value) for name, value in dataset.attrs.items()}
    required = layout_schema()["$defs"]["metadata"]["required"]
    version, kind = attributes.get("physlearn_layout"), attributes.get("physlearn_kind")
    description: dict[str, Any] = {
        "metadata": {name: attributes[name] for name in required if name in attributes},
        "dimensions": {str(name): int(size) for name, size in dataset.sizes.items()},
        "coordinates": {str(n): _described(dataset[n]) for n in dataset.coords},
        "variables": {str(n): _described(dataset[n]) for n in dataset.data_vars},
    }
    if version is not None:
        description["layout"] = version
    if kind is not None:
        description["kind"] = kind
    if kind == "patch table":
        with contextlib.suppress(KeyError, TypeError, ValueError):  # the schema misses it then
            description["table"] = json.loads(attributes["physlearn_texts"])
    return description


def layout_problems(description: dict[str, Any]) -> list[str]:
    """Return what a description lacks, one sentence each."""
    from jsonschema import Draft202012Validator

    schema = layout_schema()
    found: list[str] = []
    for error in Draft202012Validator(schema).iter_errors(description):
        found += _sentences(error)
    if description.get("kind") != "patch table":
        for name, one in description["variables"].items():
            for dim in one["dims"]:
                if dim not in description["coordinates"] and dim != "complex_part":
                    found.append(f"coordinates/{dim} is missing: {name} lies along it.")
    return sorted(set(found))


def _sentences(error: Any) -> Iterator[str]:
    """Say in words what is wrong at one place."""
    place = "/".join(map(str, error.absolute_path))
    if error.validator == "required":
        for name in error.validator_value:
            if name not in error.instance:
                said = error.schema.get("properties", {}).get(name, {})
                where = f"{place}/{name}" if place else name
                means = said.get("description", "the layout asks for it.")
                yield f"{where} is missing: {means}"
        return
    means = error.schema.get("description", "")
    if not means:
        means = f"{error.message}."
    yield f"{place or 'file'} holds {_short(error.instance)}, which does not fit: {means}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 60 else f"{text[:57]}..."


def _described(array: xr.DataArray) -> dict[str, Any]:
    attributes = {name: _plain(array.attrs[name]) for name in ATTRIBUTES if name in array.attrs}
    return {"dims": [str(dim) for dim in array.dims], "type": str(array.dtype), **attributes}


def _plain(value: Any) -> Any:
    """Return an attribute as JSON holds it."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    return value.item() if isinstance(value, np.generic) else value
