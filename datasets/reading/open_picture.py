"""A picture larger than the memory, opened and not read: its parts come from the file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from xarray.backends import BackendArray
from xarray.core import indexing

from physlearn.checks import InputError
from physlearn.datasets.reading.channel import channel_attributes, channel_coordinates
from physlearn.datasets.reading.read_channels import channels_of, pick_channel

__all__ = ["open_picture"]


class _Sliced(BackendArray):
    """An array of a file as xarray's lazy indexing wants it."""

    def __init__(self, array: Any) -> None:
        self.shape, self.dtype = tuple(array.shape), np.dtype(array.dtype)
        self._array = array

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(
            key, self.shape, indexing.IndexingSupport.BASIC, lambda part: self._array[part]
        )


def open_picture(path: Path, channel: int | str | None = None) -> xr.DataArray:
    """Return a picture (y, x) of a file with a menu (Zarr, HDF5), read part by part.

    Raises
    ------
    InputError
        For a channel that is no picture, or a file that is read at once only.
    """
    chosen = pick_channel(path, channels_of(path), channel, "picture")
    if chosen.kind != "picture":
        raise InputError(f"channel {chosen.name} of {path} holds {chosen.kind}, not a picture.")
    if chosen.open_array is None:
        raise InputError(
            f"{path} is read at once only; read it with read_image, or save it as Zarr or NPY."
        )
    notes = list(chosen.notes)
    coords, pixel = channel_coordinates(chosen, path, notes)
    array = chosen.open_array()
    if np.dtype(array.dtype).kind not in "biuf":
        raise InputError(f"channel {chosen.name} of {path} must hold real numbers.")
    lazy = indexing.LazilyIndexedArray(_Sliced(array))
    picture = xr.DataArray(
        xr.Variable(chosen.dims, lazy), coords=coords, name=chosen.name,
        attrs=channel_attributes(chosen, path, pixel, str(array.dtype), notes),
    ).transpose("y", "x")  # fmt: skip
    for dim in ("y", "x"):
        if picture.sizes[dim] > 1 and picture[dim][1] < picture[dim][0]:
            picture = picture.isel({dim: slice(None, None, -1)})
    return picture
