"""Channels of one field as a file that keeps everything, and back."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from physlearn.checks import InputError, NotFound
from physlearn.datasets.descriptors.channel_names import controlled_channel_name
from physlearn.datasets.layouts.data_layout import (
    LAYOUT_VERSION,
    describe_layout,
    layout_problems,
)
from physlearn.datasets.layouts.required_metadata import gather_metadata
from physlearn.datasets.reading.file_checks import one_line
from physlearn.records.hdf5_parts import check_hdf5_parts
from physlearn.whole_files import write_whole

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["load_channels", "save_channels"]

PART = "complex_part"
JSON_ATTRIBUTES = "physlearn_json_attributes"
OURS = ("physlearn_layout", "physlearn_kind", JSON_ATTRIBUTES)


def save_channels(
    path: str | os.PathLike[str],
    channels: xr.Dataset | xr.DataArray | Mapping[str, xr.DataArray],
    metadata: Mapping[str, Any],
) -> None:
    """Write the channels of one field in the documented layout (netCDF, which is HDF5).

    Parameters
    ----------
    path
        File to write; whole or not at all.
    channels
        Pictures, films or spectra on one grid, each with ``attrs["units"]`` ("1" for a pure
        number). Coordinates along x and y may be left out: pixels are then counted. Every other
        coordinate carries its unit. Values may be real, whole, complex or true/false; NaN stays.
    metadata
        ``pixel_size`` (along x and y), ``pixel_size_unit``, ``dose_e_per_angstrom2``,
        ``dwell_time_s``, ``temperature_k``, ``history``, ``frame_of_reference``, and anything
        else. What coordinates or attributes say already may be left out; what nobody wrote down
        must be said: "not recorded".

    Raises
    ------
    InputError
        When the metadata are not whole or contradict the data, a unit is missing, or the channels
        do not lie on one grid.

    Examples
    --------
    >>> import tempfile
    >>> import xarray as xr
    >>> height = xr.DataArray(np.zeros((4, 5)), dims=("y", "x"), attrs={"units": "nm"})
    >>> unknown = dict.fromkeys(["pixel_size", "pixel_size_unit", "temperature_k"], "not recorded")
    >>> name = Path(tempfile.mkdtemp()) / "scan.nc"
    >>> save_channels(name, {"HeightTrace": height}, {**unknown, "dose_e_per_angstrom2": 0.0,
    ...     "dwell_time_s": 1e-3, "history": "as recorded", "frame_of_reference": "x is fast"})
    >>> scan = load_channels(name)
    >>> scan.HeightTrace.attrs["controlled_name"], scan.attrs["dwell_time_s"]
    ('height_trace', 0.001)
    """
    dataset = _on_one_grid(channels)
    dataset = _with_coordinates(dataset)
    whole = gather_metadata(dataset, metadata)
    for name, channel in dataset.data_vars.items():
        if not str(channel.attrs.get("units", "")):
            raise InputError(
                f'channel {name} must carry attrs["units"], "1" for a pure number; it has none.'
            )
        channel.attrs.setdefault("controlled_name", controlled_channel_name(str(name)))
    dataset = dataset.assign_attrs(whole)
    stored = _stored(dataset)
    problems = layout_problems(describe_layout(stored))
    if problems:
        raise InputError(f"metadata must fit the layout: {problems[0]}")
    encoding: dict[Hashable, dict[str, Any]] = {
        name: {"_FillValue": None}
        for name, variable in stored.variables.items()
        if variable.dtype.kind == "f"
    }
    content = io.BytesIO()  # HDF5 that meets a full disk takes the whole process down
    try:
        stored.to_netcdf(content, engine="h5netcdf", encoding=encoding)
    except (ValueError, TypeError, NotImplementedError) as error:
        raise InputError(f"channels must be what netCDF can hold: {error}.") from None
    write_whole(path, content.getbuffer())


def load_channels(path: str | os.PathLike[str]) -> xr.Dataset:
    """Read what `save_channels` wrote: the same numbers, coordinates, units and attributes.

    Returns
    -------
    xarray.Dataset
        The metadata stand in ``attrs``; each channel carries ``units`` and ``controlled_name``.

    Raises
    ------
    NotFound
        When there is no such file.
    InputError
        When the file is of another layout; `check_layout` says what it lacks.

    Examples
    --------
    >>> load_channels("no_such_file.nc")
    Traceback (most recent call last):
    ...
    physlearn.checks.NotFound: no such file: no_such_file.nc
    """
    import xarray as xr

    if not Path(path).is_file():
        raise NotFound(f"no such file: {path}")
    try:
        check_hdf5_parts(path)
        with xr.open_dataset(
            path, engine="h5netcdf", mask_and_scale=False, decode_times=False
        ) as opened:
            dataset = opened.load()
    except InputError:
        raise
    except Exception as error:  # xarray, h5netcdf and h5py raise many kinds
        raise InputError(
            f"path must be a file that save_channels wrote; {path}: {one_line(error)}."
        ) from None
    version, kind = dataset.attrs.get("physlearn_layout"), dataset.attrs.get("physlearn_kind")
    if version != LAYOUT_VERSION or kind != "channels":
        raise InputError(
            f"path must hold channels in layout {LAYOUT_VERSION}; {path} holds "
            f"{kind or 'something else'} in layout {version or 'unknown'}: read it with "
            "read_channels, or ask check_layout what it lacks."
        )
    try:
        return _restored(dataset)
    except InputError:
        raise
    except Exception as error:  # attributes of other kinds than save_channels writes
        raise InputError(
            f"path must be a file that save_channels wrote; {path}: {one_line(error)}."
        ) from None


def _on_one_grid(
    channels: xr.Dataset | xr.DataArray | Mapping[str, xr.DataArray],
) -> xr.Dataset:
    """Return a dataset of its own, or say which channels do not fit together."""
    import xarray as xr

    if isinstance(channels, xr.DataArray):
        channels = {str(channels.name or "channel"): channels}
    if not isinstance(channels, xr.Dataset):
        if not isinstance(channels, Mapping):
            raise InputError(
                "channels must be a dataset, an array or a mapping of arrays; got "
                f"{type(channels).__name__}."
            )
        try:
            aligned = xr.align(*channels.values(), join="exact")
            channels = xr.Dataset(dict(zip(channels, aligned, strict=True)))
        except ValueError as error:
            raise InputError(
                f"channels must lie on one grid: {error}; save each grid in a file of its own, or "
                "bring them together with register_channels."
            ) from None
    dataset = channels.drop_encoding()  # else a file's old packing would round the numbers
    if not dataset.data_vars:
        raise InputError("channels must hold at least one channel; got none.")
    for name, variable in dataset.variables.items():
        dataset[name].attrs = dict(variable.attrs)
        if not isinstance(name, str) or "/" in name or name == PART:
            raise InputError(
                f"channels must have names without a slash and other than {PART!r}; got {name!r}."
            )
        if variable.dtype.kind not in "biufcUO" or (
            variable.dtype.kind in "UO" and name in dataset.data_vars
        ):
            raise InputError(f"channel {name} must hold numbers; it holds {variable.dtype}.")
    return dataset


def _with_coordinates(dataset: xr.Dataset) -> xr.Dataset:
    """Return the dataset with a coordinate with unit along each dim."""
    for dim in map(str, dataset.dims):
        if dim not in dataset.coords:
            dataset = dataset.assign_coords(
                {dim: (dim, np.arange(dataset.sizes[dim], dtype=np.float64))}
            )
            unit = "pixel" if dim in ("x", "y") else "1"
            dataset[dim].attrs["units"] = unit
        elif "units" not in dataset[dim].attrs:
            if dim not in ("x", "y"):
                raise InputError(
                    f'the coordinate {dim} must carry attrs["units"], "1" for a pure number.'
                )
            dataset[dim].attrs["units"] = "pixel"
    for name in dataset.coords:
        dataset[name].attrs.setdefault("units", "1")
    return dataset


def _stored(dataset: xr.Dataset) -> xr.Dataset:
    """Return the dataset as netCDF can hold it: complex numbers in two parts, other things JSON."""
    import xarray as xr

    stored = dataset.copy()
    for name, channel in dataset.data_vars.items():
        if channel.dtype.kind == "c":
            parts = np.stack([channel.to_numpy().real, channel.to_numpy().imag], axis=-1)
            stored[name] = xr.Variable((*channel.dims, PART), parts, channel.attrs)
    for each in (stored, *(stored[name] for name in stored.variables)):
        each.attrs = _texts(each.attrs)
    stored.attrs |= {"physlearn_layout": LAYOUT_VERSION, "physlearn_kind": "channels"}
    return stored


def _texts(attributes: Mapping[Any, Any]) -> dict[str, Any]:
    """Return attributes as netCDF holds them; what it cannot hold goes into one JSON text."""
    plain: dict[str, Any] = {}
    other: dict[str, Any] = {}
    for name, value in attributes.items():
        if _netcdf_holds(value):
            plain[str(name)] = value
        else:
            other[str(name)] = value
    if other:
        try:
            plain[JSON_ATTRIBUTES] = json.dumps(other, allow_nan=False, ensure_ascii=False)
        except (TypeError, ValueError) as error:
            raise InputError(f"attributes must be texts, numbers or lists: {error}.") from None
    return plain


def _netcdf_holds(value: Any) -> bool:
    """Whether an attribute is a text, a number or a row of numbers."""
    if isinstance(value, np.ndarray):
        return value.ndim == 1 and value.dtype.kind in "iuf" and value.size > 0
    if isinstance(value, np.generic):
        return value.dtype.kind in "iuf"
    if isinstance(value, list):
        return bool(value) and all(type(item) in (int, float) for item in value)
    return isinstance(value, str | int | float) and not isinstance(value, bool)


def _restored(dataset: xr.Dataset) -> xr.Dataset:
    """Undo what `_stored` did."""
    import xarray as xr

    for name, channel in list(dataset.data_vars.items()):
        if PART in channel.dims:
            parts = channel.transpose(..., PART).to_numpy()
            values = parts[..., 0] + 1j * parts[..., 1]
            dataset[name] = xr.Variable(channel.dims[:-1], values, channel.attrs)
    for each in (dataset, *(dataset[name] for name in dataset.variables)):
        other = json.loads(each.attrs.get(JSON_ATTRIBUTES, "{}"))
        kept = {
            key: value.item() if isinstance(value, np.generic) else value
            for key, value in each.attrs.items()
            if key not in OURS
        }
        each.attrs = {
            **kept,
            **{k: tuple(v) if isinstance(v, list) else v for k, v in other.items()},
        }
    return dataset
