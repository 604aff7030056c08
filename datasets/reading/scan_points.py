"""Scans without a grid (spiral, sparse, random): samples (x, y, t, value) as they were taken."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from physlearn.checks import InputError, check_array, check_choice
from physlearn.datasets.reading.acquisition import (
    find_conditions,
    flatten_metadata,
    metadata_text,
    missing_conditions,
)
from physlearn.datasets.reading.array_files import load_npz, npz_arrays
from physlearn.datasets.reading.file_checks import check_file, check_memory, one_line, unreadable
from physlearn.datasets.reading.hdf5_files import open_hdf5
from physlearn.records.atoms import LENGTH_UNITS

__all__ = ["as_scan_points", "read_scan_points"]

TIMES = ("t", "time", "time_s")
ORDERS = {3: ("x", "y", "value"), 4: ("x", "y", "time", "value")}
LEAST_SAMPLES = 16


def read_scan_points(
    path: str | os.PathLike[str],
    *,
    unit: str | None = None,
    columns: Sequence[str] | None = None,
) -> xr.Dataset:
    """Read a scan whose samples lie on no grid, and leave them where they lie.

    Parameters
    ----------
    path
        CSV with columns x, y, any values and, where known, t (its first line may say
        ``# unit: nm``); NPZ or HDF5 with arrays of one length by these names; NPY of shape
        (n, 3) for x, y, value or (n, 4) for x, y, t, value.
    unit
        Unit of x and y where the file states none; else pixels.
    columns
        Names of the columns of an NPY or of a CSV without names.

    Returns
    -------
    xarray.Dataset
        Dim sample; variables x and y (attribute ``units``), time (s, where known) and the values;
        attributes source, warnings, absent, metadata. ``grid_scan_points`` makes a picture of it.

    Raises
    ------
    InputError
        One sentence that names the file and what to do.

    Examples
    --------
    >>> import tempfile
    >>> turn = np.linspace(0, 50, 400)
    >>> spiral = {"x": turn * np.cos(turn), "y": turn * np.sin(turn), "t": turn, "current": turn}
    >>> file = Path(tempfile.mkdtemp()) / "spiral.npz"
    >>> np.savez(file, **spiral)
    >>> points = read_scan_points(file, unit="nm")
    >>> points.sizes["sample"], points.x.attrs["units"], sorted(points)
    (400, 'nm', ['current', 'time', 'x', 'y'])
    """
    path = Path(path)
    check_file(path, "scan")
    if unit is not None:
        check_choice("unit", unit, LENGTH_UNITS)
    kind = path.suffix.lower()
    if kind not in READERS:
        raise InputError(
            f"{path} is of no kind that read_scan_points knows ({kind or 'no suffix'}); give CSV, "
            "NPZ, NPY or HDF5."
        )
    arrays, said, stated = READERS[kind](path, columns)
    return as_scan_points(arrays, unit or stated or "pixel", path.name, said)


def as_scan_points(
    arrays: Mapping[str, NDArray[Any]], unit: str, source: str, said: Mapping[str, Any]
) -> xr.Dataset:
    """Return samples as a checked dataset; ``arrays`` are x, y, values and perhaps t.

    Raises
    ------
    InputError
        When x, y or every value is missing, lengths differ or times go back.
    """
    check_choice(f"the unit of {source}", unit, LENGTH_UNITS)
    missing = [name for name in ("x", "y") if name not in arrays]
    if missing:
        raise InputError(
            f"{source} must hold x and y of each sample; {', '.join(missing)} missing, found "
            f"{', '.join(map(str, list(arrays)[:8])) or 'nothing'}."
        )
    n = len(arrays["x"])
    found: dict[str, tuple[str, NDArray[Any], dict[str, str]]] = {}
    for name, values in arrays.items():
        checked = check_array(f"{name} in {source}", values, shape=(n,))
        kind = "time" if name.lower() in TIMES else name
        units = {"units": unit} if name in ("x", "y") else {"units": "s"} if kind == "time" else {}
        found[kind] = ("sample", checked, units)
    if n < LEAST_SAMPLES or not set(found) - {"x", "y", "time"}:
        raise InputError(
            f"{source} must hold a value at {LEAST_SAMPLES} samples or more; it has {n} samples "
            f"and {len(set(found) - {'x', 'y', 'time'})} value(s) at each."
        )
    notes = []
    if "time" in found:
        back = np.flatnonzero(np.diff(found["time"][1]) < 0)
        if back.size:
            raise InputError(
                f"times in {source} must not go back; sample {back[0] + 1} is before the one that "
                "precedes it: sort the samples by time."
            )
    else:
        notes.append(f"{source} has no times: drift within the scan cannot be told.")
    if unit == "pixel":
        notes.append(f"{source} has no scale: lengths stay in pixels.")
    flat = flatten_metadata(said)
    conditions = find_conditions(flat)
    if "time" in found and n > 1:
        conditions.setdefault("dwell_time_s", float(np.median(np.diff(found["time"][1]))))
    attributes = {
        "source": source, "metadata": metadata_text(flat), **conditions,
        "absent": missing_conditions(conditions, unit != "pixel"), "warnings": tuple(notes),
    }  # fmt: skip
    return xr.Dataset(found, attrs=attributes)


Columns = Sequence[str] | None
Found = tuple[dict[str, NDArray[Any]], dict[str, Any], str | None]


def _named(values: NDArray[Any], columns: Columns, path: Path) -> dict[str, NDArray[Any]]:
    """Return the columns of a bare table by name."""
    if values.ndim != 2:
        raise InputError(f"{path} must hold one row a sample, got shape {values.shape}.")
    names = tuple(columns) if columns is not None else ORDERS.get(values.shape[1], ())
    if len(names) != values.shape[1] or len(set(names)) < len(names):
        raise InputError(
            f"{path} holds {values.shape[1]} columns without names; name them in order with "
            'columns=("x", "y", "t", "value").'
        )
    return dict(zip(names, values.T, strict=True))


def _read_csv(path: Path, columns: Columns) -> Found:
    try:
        with path.open(encoding="utf-8") as file:
            first = file.readline()
        table = pd.read_csv(path, comment="#", header="infer" if columns is None else None)
    except (ValueError, UnicodeDecodeError, pd.errors.ParserError) as error:
        raise unreadable(path, error) from None
    unit = first.split(":", 1)[1].strip() if first.startswith("# unit:") else None
    if columns is not None:
        return _named(table.to_numpy(), columns, path), {}, unit
    return {str(name): table[name].to_numpy() for name in table}, {}, unit


def _read_npy(path: Path, columns: Columns) -> Found:
    try:
        header = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # a damaged header raises many kinds
        raise unreadable(path, error) from None
    if not isinstance(header, np.ndarray):
        raise InputError(f"{path} holds several arrays; name it .npz.")
    check_memory(path, header.shape)
    if header.dtype.names:
        return {name: np.array(header[name]) for name in header.dtype.names}, {}, None
    return _named(np.array(header), columns, path), {}, None


def _read_npz(path: Path, columns: Columns) -> Found:
    if columns is not None:
        raise InputError(f"columns go with a bare table (CSV, NPY); {path} names its own.")
    headers = npz_arrays(path)
    length = headers["x"][0] if "x" in headers else (0,)
    check_memory(path, (*length, max(len(headers), 1)))
    arrays = load_npz(
        path, [name for name, (s, kind) in headers.items() if s == length and kind.kind in "biuf"]
    )
    said: dict[str, Any] = dict(
        load_npz(path, [
            name for name, (s, kind) in headers.items()
            if name not in arrays and len(s) <= 1 and kind.kind in "biufSU"
        ])
    )  # fmt: skip
    unit = said.pop("unit", None)
    return arrays, said, None if unit is None else str(np.asarray(unit).reshape(-1)[0])


def _read_hdf5(path: Path, columns: Columns) -> Found:
    if columns is not None:
        raise InputError(f"columns go with a bare table (CSV, NPY); {path} names its own.")
    with open_hdf5(path) as file:
        try:
            shape = getattr(file.get("x"), "shape", None)
            arrays = {
                str(name): np.asarray(item[()])
                for name, item in file.items()
                if shape is not None and getattr(item, "shape", None) == shape
            }
            said = dict(file.attrs.items())
            stated = "x" in file and file["x"].attrs.get("units")
        except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
            raise InputError(f"{path} cannot be read as HDF5 ({one_line(error)}).") from None
    if isinstance(stated, bytes):
        stated = stated.decode()
    return arrays, said, str(stated) if stated else None


READERS = {
    ".csv": _read_csv, ".txt": _read_csv, ".npy": _read_npy, ".npz": _read_npz,
    ".h5": _read_hdf5, ".hdf5": _read_hdf5,
}  # fmt: skip
