"""Pictures and films that other libraries hold in memory: hyperspy, sidpy, xarray, plain arrays."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from physlearn.checks import InputError
from physlearn.datasets.reading.acquisition import flatten_metadata
from physlearn.datasets.reading.channel import Axis, Channel, channel_array, counted, name_axes

__all__ = ["as_image"]

NO_UNIT = ("<", "undefined", "generic", "a.u")


def as_image(signal: Any) -> xr.DataArray:
    """Return what another library holds as the array that `read_image` would have read.

    Values, axes, units, title and metadata come along. Neither library is imported: an object with
    ``data`` and ``axes_manager`` is taken for a hyperspy signal, one with ``dim_0`` (or ``_axes``),
    ``units`` and ``quantity`` for a sidpy dataset; an ``xarray.DataArray`` comes back as it is.

    Parameters
    ----------
    signal
        Picture, film or spectra in one of these forms, of any number of dimensions.

    Returns
    -------
    xarray.DataArray
        Dims y, x, time, or named as the axes of spectra are; lengths in angstrom, nm, um or pixel,
        times in s, as of every reader.

    Raises
    ------
    InputError
        For anything else, and for axes that do not fit the values.

    Examples
    --------
    >>> class Manager:
    ...     def as_dictionary(self):
    ...         step = {"scale": 0.5, "offset": 1.0, "units": "nm"}
    ...         return {"axis-0": {"name": "y", "size": 20, **step},
    ...                 "axis-1": {"name": "x", "size": 30, **step}}
    >>> class Signal:
    ...     data, axes_manager, metadata = np.zeros((20, 30)), Manager(), None
    >>> picture = as_image(Signal())
    >>> picture.dims, picture.x.attrs["units"], float(picture.x[1])
    (('y', 'x'), 'nm', 1.5)
    """
    if isinstance(signal, xr.DataArray):
        return signal
    if hasattr(signal, "axes_manager") and hasattr(signal, "data"):
        return _of_hyperspy(signal)
    if hasattr(signal, "quantity") and (hasattr(signal, "dim_0") or hasattr(signal, "_axes")):
        return _of_sidpy(signal)
    raise InputError(
        "signal must be a hyperspy signal (data, axes_manager), a sidpy dataset (dim_0, units, "
        f"quantity) or an xarray.DataArray; got {type(signal).__name__}. Wrap a plain array by "
        'xarray.DataArray(values, dims=("y", "x")).'
    )


def _of_hyperspy(signal: Any) -> xr.DataArray:
    said = signal.axes_manager.as_dictionary()
    listed = [said[key] for key in sorted(said, key=lambda key: int(str(key).rpartition("-")[2]))]
    axes = [
        (str(axis.get("name") or ""), _places(axis, int(length)), _unit(axis.get("units")))
        for axis, length in zip(listed, np.shape(signal.data), strict=False)
    ]
    metadata: Any = getattr(signal, "metadata", None)
    tree = metadata.as_dictionary() if hasattr(metadata, "as_dictionary") else {}
    title = tree.get("General", {}).get("title") or type(signal).__name__
    quantity = str((tree.get("Signal") or {}).get("quantity") or "")
    unit = quantity.rpartition("(")[2].rstrip(")") if "(" in quantity else ""
    return _built(str(title), signal.data, axes, unit, tree, len(listed))


def _of_sidpy(dataset: Any) -> xr.DataArray:
    shape = tuple(int(length) for length in dataset.shape)
    held = getattr(dataset, "_axes", {})
    found = [getattr(dataset, f"dim_{k}", held.get(k)) for k in range(len(shape))]
    found = [axis for axis in found if axis is not None]
    axes = [
        (str(getattr(axis, "name", "")), np.asarray(getattr(axis, "values", axis), np.float64),
         _unit(getattr(axis, "units", "")))
        for axis in found
    ]  # fmt: skip
    tree = dict(getattr(dataset, "metadata", None) or {})
    title = str(getattr(dataset, "title", "") or "sidpy dataset")
    return _built(title, dataset, axes, _unit(dataset.units), tree, len(found))


def _built(
    title: str,
    data: Any,
    axes: list[tuple[str, NDArray[np.float64], str]],
    unit: str,
    tree: Mapping[str, Any],
    n_axes: int,
) -> xr.DataArray:
    shape = tuple(np.shape(data))
    if n_axes != len(shape) or any(len(a[1]) != n for a, n in zip(axes, shape, strict=True)):
        raise InputError(
            f"signal must have one axis for each dimension, as long as it; {n_axes} axes of "
            f"lengths {[len(axis[1]) for axis in axes]} came for values of shape {shape}."
        )
    kept = [place for place, length in enumerate(shape) if length > 1]
    names = name_axes([axes[place][0] for place in kept])
    channel = Channel(
        title,
        tuple(Axis(name, axes[k][1], axes[k][2]) for name, k in zip(names, kept, strict=True)),
        lambda: np.asarray(data).reshape([shape[place] for place in kept]),
        unit,
        str(getattr(data, "dtype", "float64")),
        flatten_metadata(tree),
    )
    return channel_array(channel, Path(title))


def _places(axis: Mapping[str, Any], length: int) -> NDArray[np.float64]:
    if "axis" in axis:
        return np.asarray(axis["axis"], np.float64)
    scale, offset = float(axis.get("scale", 1.0)), float(axis.get("offset", 0.0))
    return offset + scale * counted(int(axis.get("size", length)))


def _unit(said: object) -> str:
    unit = "" if said is None else str(said)
    return "" if unit.lower().startswith(NO_UNIT) else unit
