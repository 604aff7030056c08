"""Channels of files of arrays: NPZ, netCDF and Zarr."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError
from physlearn.datasets.reading.acquisition import flatten_metadata
from physlearn.datasets.reading.channel import Axis, Channel, counted, name_axes
from physlearn.datasets.reading.file_checks import check_memory, need, unreadable
from physlearn.datasets.reading.foreign_parts import check_zarr_folder
from physlearn.datasets.reading.hdf5_files import open_hdf5

__all__ = ["list_netcdf", "list_npz", "list_zarr", "load_npz", "npz_arrays"]

PLAIN = "biufc"
LONGEST_TEXT = 1 << 16
"""Bytes of one of the texts that stand beside arrays and are read as metadata."""
LONGEST_HEADER = 1 << 16


def npz_arrays(path: Path) -> dict[str, tuple[tuple[int, ...], np.dtype[Any]]]:
    """Return name, shape and type of the arrays of an NPZ file, from their headers alone."""
    found: dict[str, tuple[tuple[int, ...], np.dtype[Any]]] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                if not name.endswith(".npy"):
                    continue
                with archive.open(name) as stream:
                    version = _checked_version(stream)
                    read = (
                        np.lib.format.read_array_header_1_0
                        if version == (1, 0)
                        else np.lib.format.read_array_header_2_0
                    )
                    shape, _, dtype = read(stream)
                found[name.removesuffix(".npy")] = shape, dtype
    except Exception as error:  # a damaged archive or header raises many kinds
        raise unreadable(path, error) from None
    return found


def _checked_version(stream: Any) -> tuple[int, int]:
    """Return the version of an array's header; numpy would unpack one of any length."""
    head = stream.peek(12)[:12]
    if len(head) == 12 and head[6] >= 2 and int.from_bytes(head[8:12], "little") > LONGEST_HEADER:
        raise ValueError("the header of an array is too long")
    version: tuple[int, int] = np.lib.format.read_magic(stream)
    return version


def load_npz(path: Path, names: Sequence[str]) -> dict[str, NDArray[Any]]:
    """Return the named arrays of an NPZ file, where they fit into memory."""
    wanted = {f"{name}.npy" for name in names}
    try:
        with zipfile.ZipFile(path) as archive:
            parts = [part for part in archive.infolist() if part.filename in wanted]
    except Exception as error:  # a damaged archive raises many kinds
        raise unreadable(path, error) from None
    check_memory(path, (sum(part.file_size for part in parts) // 8 + 1,), 2)
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in names}
    except Exception as error:  # zipfile, zlib and numpy raise kinds of their own
        raise unreadable(path, error) from None


def list_npz(path: Path) -> list[Channel]:
    """Return the channels of an NPZ file: its arrays of two and more dimensions."""
    arrays = npz_arrays(path)
    if arrays and all(dtype.kind == "O" for _, dtype in arrays.values()):
        raise InputError(
            f"{path} holds Python objects, which are not opened because they may run code; save "
            "plain arrays with numpy.savez."
        )
    small = load_npz(
        path,
        [
            name
            for name, (shape, dtype) in arrays.items()
            if len(shape) <= 1
            and int(np.prod(shape)) <= 16
            and dtype.kind in "biufSU"
            and dtype.itemsize <= LONGEST_TEXT
        ],
    )
    channels = []
    for name, (shape, dtype) in arrays.items():
        if len(shape) < 2 or dtype.kind not in PLAIN:
            continue
        axes = tuple(
            Axis(axis, counted(length))
            for axis, length in zip(name_axes([""] * len(shape)), shape, strict=True)
        )
        channels.append(
            Channel(name, axes, _npz_loader(path, name), "", str(dtype), flatten_metadata(small))
        )
    return channels


def _npz_loader(path: Path, name: str) -> Callable[[], Any]:
    return lambda: load_npz(path, [name])[name]


def list_netcdf(path: Path) -> list[Channel]:
    """Return the channels of a netCDF file (3 or 4): its variables of two and more dimensions."""
    with path.open("rb") as stream:
        hdf5 = stream.read(4) == b"\x89HDF"
    if hdf5:  # h5netcdf leaves a half-made object behind when this fails
        open_hdf5(path).close()
    return _list_xarray(path, "h5netcdf" if hdf5 else "scipy")


def list_zarr(path: Path) -> list[Channel]:
    """Return the channels of a Zarr folder: its arrays of two and more dimensions."""
    zarr = need("zarr", path)
    if not path.is_dir():
        raise InputError(f"{path} must be a folder (a Zarr store); got a file: unpack it.")
    check_zarr_folder(path)
    try:
        root = zarr.open(str(path), mode="r")
        if hasattr(root, "arrays"):
            said = dict(root.attrs)
            items = [(name, item) for name, item in _zarr_arrays(root, "") if item.ndim >= 2]
        else:
            said, items = {}, [(path.stem, root)]
        return [_zarr_channel(name, item, said, root) for name, item in items]
    except InputError:
        raise
    except Exception as error:  # zarr raises kinds of its own
        raise unreadable(path, error, "Zarr") from None


def _zarr_arrays(group: Any, prefix: str) -> list[tuple[str, Any]]:
    found = [(f"{prefix}{name}", item) for name, item in sorted(group.arrays())]
    for name, inner in sorted(group.groups()):
        found += _zarr_arrays(inner, f"{prefix}{name}/")
    return found


def _zarr_channel(name: str, item: Any, said: dict[str, Any], root: Any) -> Channel:
    """Return one array; its axes by xarray's dimension names where they stand beside it."""
    labels = item.attrs.get("_ARRAY_DIMENSIONS") or getattr(
        item.metadata, "dimension_names", None
    ) or [""] * item.ndim  # fmt: skip
    folder = name.rpartition("/")[0]
    axes = []
    for place, (label, chosen) in enumerate(
        zip(labels, name_axes([str(label or "") for label in labels]), strict=True)
    ):
        values, unit = counted(item.shape[place]), ""
        where = f"{folder}/{label}".strip("/")
        if label and hasattr(root, "arrays") and where in root:
            beside = root[where]
            if getattr(beside, "shape", ()) == (item.shape[place],) and beside.dtype.kind in "iuf":
                values = np.asarray(beside[...], np.float64)
                unit = str(beside.attrs.get("units", ""))
        axes.append(Axis(chosen, values, unit))
    return Channel(
        name, tuple(axes), lambda: np.asarray(item[...]), str(item.attrs.get("units", "")),
        str(item.dtype), flatten_metadata(said | dict(item.attrs)), open_array=lambda: item,
    )  # fmt: skip


def _list_xarray(path: Path, engine: str) -> list[Channel]:
    """Return the channels of what xarray opens, scale factors and fill values applied."""
    import xarray as xr

    try:
        with xr.open_dataset(path, engine=engine, decode_times=False) as dataset:
            return [
                _xarray_channel(path, engine, str(name), variable, dict(dataset.attrs))
                for name, variable in dataset.data_vars.items()
                if variable.ndim >= 2 and variable.dtype.kind in PLAIN
            ]
    except InputError:
        raise
    except Exception as error:  # each engine raises its own kinds
        raise unreadable(path, error, "netCDF") from None


def _xarray_channel(
    path: Path, engine: str, name: str, variable: Any, said: dict[str, Any]
) -> Channel:
    import xarray as xr

    names = name_axes([str(dim) for dim in variable.dims])
    axes = []
    for dim, chosen in zip(variable.dims, names, strict=True):
        known = dim in variable.coords and variable.coords[dim].dtype.kind in "iuf"
        values = (
            variable.coords[dim].to_numpy() if known else counted(variable.sizes[dim])
        ).astype(np.float64)
        unit = str(variable.coords[dim].attrs.get("units", "")) if known else ""
        axes.append(Axis(chosen, values, unit))

    def load() -> NDArray[Any]:
        with xr.open_dataset(path, engine=engine, decode_times=False) as dataset:
            values = np.array(dataset[name].to_numpy())  # a copy: scipy maps the file
        return values

    return Channel(
        name, tuple(axes), load, str(variable.attrs.get("units", "")), str(variable.dtype),
        flatten_metadata(said | dict(variable.attrs)),
    )  # fmt: skip
