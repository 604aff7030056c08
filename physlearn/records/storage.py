"""Records as netCDF files and back, without loss and without pickle."""

from __future__ import annotations

import html
import json
import os
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError, atomic_write

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

__all__ = ["frame_from_dataset", "frame_to_dataset", "freeze", "load_dataset", "save_dataset"]

FORMAT_VERSION = 1
LONGEST_SHOWN = 4
ROWS_SHOWN = 5


def freeze(record: object, values: Mapping[str, object]) -> None:
    """Set checked values on a frozen record; arrays become read-only copies of the record's own."""
    for name, value in values.items():
        if isinstance(value, np.ndarray):
            value = value.copy()
            value.flags.writeable = False
        object.__setattr__(record, name, value)


def short_repr(record: Any) -> str:
    """Return a record's class and contents in one line: arrays by shape, tables by size."""
    parts = []
    for item in fields(record):
        value = getattr(record, item.name)
        if value is None or (isinstance(value, str | tuple | dict) and not value):
            continue
        if isinstance(value, np.ndarray):
            text = f"{value.dtype}{list(value.shape)}"
        elif type(value).__name__ == "DataFrame":
            text = f"table of {len(value)} rows"
        elif is_dataclass(value):
            text = type(value).__name__
        elif isinstance(value, tuple) and len(value) > LONGEST_SHOWN:
            text = f"{len(value)} entries"
        elif isinstance(value, str | int | float | tuple):
            text = repr(value)
        else:
            text = f"{len(value)} entries" if isinstance(value, dict) else type(value).__name__
        parts.append(f"{item.name}={text}")
    return f"{type(record).__name__}({', '.join(parts)})"


def html_table(record: Any) -> str:
    """Return what a notebook shows of a record: its one line, and the first rows of its table."""
    line = f"<code>{html.escape(repr(record))}</code>"
    if not hasattr(record, "to_pandas"):
        return line
    rows = record.to_pandas().head(ROWS_SHOWN)
    return f"{line}{rows.to_html(float_format=lambda x: f'{x:.4g}')}"


def save_dataset(
    dataset: xr.Dataset, path: str | os.PathLike[str], kind: str, texts: Mapping[str, Any]
) -> None:
    """Write ``dataset`` as netCDF; ``texts`` (anything JSON holds) travels in one attribute."""
    dataset = dataset.assign_attrs(
        physlearn_record=kind,
        physlearn_format=FORMAT_VERSION,
        physlearn_texts=json.dumps(texts, sort_keys=True),
    )
    with atomic_write(path) as temporary:
        dataset.to_netcdf(temporary, engine="h5netcdf", invalid_netcdf=False)


def load_dataset(path: str | os.PathLike[str], kind: str) -> tuple[xr.Dataset, dict[str, Any]]:
    """Read what ``save_dataset`` wrote.

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    InputError
        When the file is not netCDF, or holds another record.
    """
    import xarray as xr

    if not Path(path).is_file():
        raise FileNotFoundError(f"no such file: {path}")
    try:
        with xr.open_dataset(path, engine="h5netcdf", mask_and_scale=False) as opened:
            dataset = opened.load()
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} must be a netCDF file that physlearn wrote; {error}.") from None
    found = dataset.attrs.get("physlearn_record")
    if found != kind:
        raise InputError(f"{path} must hold a {kind}; it holds {found or 'something else'}.")
    try:
        texts = json.loads(dataset.attrs["physlearn_texts"])
    except (KeyError, TypeError, ValueError):
        raise InputError(f"{path} must hold a whole {kind}; its description is damaged.") from None
    return dataset, texts


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
