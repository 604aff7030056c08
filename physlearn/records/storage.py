"""Records as netCDF files and back, without loss and without pickle."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError, NotFound
from physlearn.records.hdf5_parts import check_hdf5_parts
from physlearn.records.shown import html_table, short_repr
from physlearn.whole_files import write_whole

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

__all__ = [
    "described", "frame_from_dataset", "frame_to_dataset", "freeze", "html_table", "load_dataset",
    "record_of", "save_dataset", "save_groups", "short_repr", "told",
]  # fmt: skip

Record = TypeVar("Record")
FORMAT_VERSION = 1


def freeze(record: object, values: Mapping[str, object]) -> None:
    """Set checked values on a frozen record; arrays become read-only copies of the record's own."""
    for name, value in values.items():
        if isinstance(value, np.ndarray):
            value = value.copy()
            value.flags.writeable = False
        object.__setattr__(record, name, value)


def described(dataset: xr.Dataset, kind: str, texts: Mapping[str, Any]) -> xr.Dataset:
    """Return ``dataset`` with a record's kind and ``texts`` (anything JSON holds) as attributes."""
    return dataset.assign_attrs(
        physlearn_record=kind,
        physlearn_format=FORMAT_VERSION,
        physlearn_texts=json.dumps(texts, sort_keys=True),
    )


def save_dataset(dataset: xr.Dataset, path: str | os.PathLike[str]) -> None:
    """Write a dataset that `described` made as netCDF."""
    _save(dataset, path, invalid_netcdf=False)


def save_groups(idata: Any, path: str | os.PathLike[str]) -> None:
    """Write the groups of an ArviZ ``InferenceData`` as netCDF, numbers compressed."""
    groups: xr.DataTree = idata.to_datatree()
    packed = {
        node.path: {
            name: {"zlib": True}
            for name, variable in node.variables.items()
            if variable.dtype.kind in "biufc"
        }
        for node in groups.leaves
    }
    _save(groups, path, encoding=packed)


def _save(data: xr.Dataset | xr.DataTree, path: str | os.PathLike[str], **options: Any) -> None:
    """Write through memory: HDF5 that meets a full disk takes the whole process down."""
    content = io.BytesIO()
    data.to_netcdf(content, engine="h5netcdf", **options)
    write_whole(path, content.getbuffer())


def load_dataset(path: str | os.PathLike[str]) -> xr.Dataset:
    """Read a netCDF file into memory.

    Raises
    ------
    NotFound
        When there is no such file.
    InputError
        When the file is not netCDF.
    """
    import xarray as xr

    if not Path(path).is_file():
        raise NotFound(f"no such file: {path}")
    try:
        check_hdf5_parts(path)
        with xr.open_dataset(path, engine="h5netcdf", mask_and_scale=False) as opened:
            dataset: xr.Dataset = opened.load()
    except InputError:
        raise
    except Exception as error:  # xarray, h5netcdf and h5py raise many kinds
        said = (str(error) or type(error).__name__).splitlines()[0][:120]
        raise InputError(f"{path} must be a netCDF file that physlearn wrote; {said}.") from None
    dataset.encoding["source"] = str(path)
    return dataset


def record_of(path: str | os.PathLike[str], make: Callable[[xr.Dataset], Record]) -> Record:
    """Return the record that ``make`` makes of a netCDF file; a damaged one is said to be so.

    Raises
    ------
    NotFound
        When there is no such file.
    InputError
        When the file is not netCDF, or not what the record's ``save`` wrote.
    """
    dataset = load_dataset(path)
    try:
        return make(dataset)
    except InputError:
        raise
    except Exception as error:  # arrays and texts of any other shape and kind
        said = (str(error) or type(error).__name__).splitlines()[0][:120]
        raise InputError(f"{path} must hold a whole record; it is damaged ({said}).") from None


def told(dataset: xr.Dataset, kind: str) -> dict[str, Any]:
    """Return the texts of a dataset that `described` made.

    Raises
    ------
    InputError
        When it is no dataset, holds another record, or its description is damaged.
    """
    path = getattr(dataset, "encoding", {}).get("source", "the dataset")
    found = getattr(dataset, "attrs", {}).get("physlearn_record")
    if found != kind:
        raise InputError(f"{path} must hold a {kind}; it holds {found or 'something else'}.")
    try:
        texts: dict[str, Any] = json.loads(dataset.attrs["physlearn_texts"])
    except (KeyError, TypeError, ValueError):
        raise InputError(f"{path} must hold a whole {kind}; its description is damaged.") from None
    return texts


def arrays_of(dataset: xr.Dataset) -> dict[str, Any]:
    """Return the dataset's variables as plain arrays by name."""
    return {str(name): dataset[name].to_numpy() for name in dataset.data_vars}


def frame_to_dataset(frame: pd.DataFrame, dim: str, prefix: str = "") -> dict[str, xr.Variable]:
    """Return a table's columns as variables along ``dim``; text columns as plain strings."""
    import xarray as xr

    variables = {}
    for name, column in frame.items():
        values: NDArray[Any] = (
            column.to_numpy()
            if column.dtype.kind in "biuf"
            else column.astype(str).to_numpy(dtype=object)
        )
        variables[f"{prefix}{name}"] = xr.Variable(dim, values)
    return variables


def frame_from_dataset(dataset: xr.Dataset, columns: list[str], prefix: str = "") -> pd.DataFrame:
    """Return the table whose columns ``frame_to_dataset`` wrote, in their old order."""
    import pandas as pd

    return pd.DataFrame({name: dataset[f"{prefix}{name}"].to_numpy() for name in columns})
