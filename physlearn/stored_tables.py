"""Tables and labelled arrays as plain parts and back, for `stored_values`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    import arviz
    import xarray as xr

__all__ = ["STORED_TABLES", "StoredTable"]


@dataclass(frozen=True, slots=True)
class StoredTable:
    """How one kind of table is recognised, taken apart into plain parts, and put together."""

    is_one: Callable[[Any], bool]
    take_apart: Callable[[Any], Any]
    put_together: Callable[[Any], Any]


def _named(module: str, *names: str) -> Callable[[Any], bool]:
    """Recognise a class by its name: what was never imported is never imported for it."""
    return lambda value: type(value).__name__ in names and type(value).__module__.startswith(module)


def _frame_parts(frame: pd.DataFrame) -> dict[str, Any]:
    return {
        "columns": _column_parts(frame.columns),
        "index": _column_parts(frame.index),
        "values": [_column_parts(frame.iloc[:, place]) for place in range(frame.shape[1])],
        "attrs": dict(frame.attrs),
    }


def _frame(parts: dict[str, Any]) -> pd.DataFrame:
    index = _index(parts["index"])
    columns = {
        place: pd.Series(_values(part), index=index)
        for place, part in enumerate(parts["values"])
    }  # fmt: skip
    frame = pd.DataFrame(columns, index=index)
    frame.columns = _index(parts["columns"])
    frame.attrs.update(parts["attrs"])
    return frame


def _series_parts(series: pd.Series) -> dict[str, Any]:
    return {"index": _column_parts(series.index), "values": _column_parts(series)}


def _series(parts: dict[str, Any]) -> pd.Series:
    return pd.Series(
        _values(parts["values"]), index=_index(parts["index"]), name=parts["values"]["name"]
    )


def _column_parts(column: pd.Series | pd.Index) -> dict[str, Any]:
    """Return an index or a column as its name, its dtype and its values."""
    if isinstance(column, pd.RangeIndex):
        return {"name": column.name, "range": [column.start, column.stop, column.step]}
    dtype = column.dtype
    if isinstance(dtype, np.dtype):
        return {"name": column.name, "values": column.to_numpy()}
    if isinstance(dtype, pd.StringDtype):
        texts = [None if missing else str(text) for text, missing in
                 zip(column.tolist(), column.isna(), strict=True)]  # fmt: skip
        return {"name": column.name, "texts": texts}
    if isinstance(dtype, pd.CategoricalDtype):
        held: Any = column.cat if isinstance(column, pd.Series) else column
        return {
            "name": column.name, "codes": np.asarray(held.codes),
            "categories": _column_parts(held.categories), "ordered": bool(held.ordered),
        }  # fmt: skip
    return {"name": column.name, "values": column}  # other kinds are refused further on


def _values(parts: dict[str, Any]) -> Any:
    if "range" in parts:
        return pd.RangeIndex(*parts["range"])
    if "texts" in parts:
        return pd.array(parts["texts"], dtype="str")
    if "codes" in parts:
        return pd.Categorical.from_codes(
            parts["codes"], categories=_index(parts["categories"]), ordered=parts["ordered"]
        )
    return parts["values"]


def _index(parts: dict[str, Any]) -> pd.Index:
    values = _values(parts)
    dtype = values.dtype if isinstance(values, np.ndarray) else None
    made: pd.Index = pd.Index(values, name=parts["name"], dtype=dtype)
    return made


def _variable_parts(variable: xr.Variable) -> tuple[Any, ...]:
    return tuple(map(str, variable.dims)), variable.to_numpy(), dict(variable.attrs)


def _array_parts(data: xr.DataArray) -> dict[str, Any]:
    return {
        "name": data.name, "data": _variable_parts(data.variable),
        "coords": {str(n): _variable_parts(one.variable) for n, one in data.coords.items()},
    }  # fmt: skip


def _array(parts: dict[str, Any]) -> xr.DataArray:
    import xarray as xr

    dims, values, attrs = parts["data"]
    coords = {name: xr.Variable(*part) for name, part in parts["coords"].items()}
    return xr.DataArray(values, coords=coords, dims=dims, name=parts["name"], attrs=attrs)


def _dataset_parts(data: xr.Dataset) -> dict[str, Any]:
    return {
        "data": {str(n): _variable_parts(one.variable) for n, one in data.data_vars.items()},
        "coords": {str(n): _variable_parts(one.variable) for n, one in data.coords.items()},
        "attrs": dict(data.attrs),
    }


def _dataset(parts: dict[str, Any]) -> xr.Dataset:
    import xarray as xr

    data, coords = (
        {name: xr.Variable(*part) for name, part in parts[kind].items()}
        for kind in ("data", "coords")
    )
    return xr.Dataset(data, coords=coords, attrs=parts["attrs"])


def _posterior_parts(posterior: arviz.InferenceData) -> dict[str, Any]:
    groups = {group: _dataset_parts(posterior[group]) for group in posterior.groups()}
    return {"groups": groups, "attrs": dict(posterior.attrs)}


def _posterior(parts: dict[str, Any]) -> arviz.InferenceData:
    from physlearn.arviz_import import import_arviz

    groups = {name: _dataset(part) for name, part in parts["groups"].items()}
    made: arviz.InferenceData = import_arviz().InferenceData(attrs=parts["attrs"], **groups)
    return made


SPARSE = ("csr_array", "csc_array", "csr_matrix", "csc_matrix")


def _sparse_parts(matrix: Any) -> tuple[Any, ...]:
    return (
        type(matrix).__name__,
        tuple(map(int, matrix.shape)),
        matrix.data,
        matrix.indices,
        (matrix.indptr),
    )


def _sparse(parts: tuple[Any, ...]) -> Any:
    from scipy import sparse

    name, shape, data, indices, indptr = parts
    if name not in SPARSE:
        raise ValueError(f"no sparse matrix: {name}")
    return getattr(sparse, name)((data, indices, indptr), shape=shape)


STORED_TABLES = {
    "frame": StoredTable(_named("pandas", "DataFrame"), _frame_parts, _frame),
    "series": StoredTable(_named("pandas", "Series"), _series_parts, _series),
    "data array": StoredTable(_named("xarray", "DataArray"), _array_parts, _array),
    "dataset": StoredTable(_named("xarray", "Dataset"), _dataset_parts, _dataset),
    "posterior": StoredTable(_named("arviz", "InferenceData"), _posterior_parts, _posterior),
    "sparse": StoredTable(_named("scipy", *SPARSE), _sparse_parts, _sparse),
}
"""Kinds of tables by the name that the stored tree gives them."""
