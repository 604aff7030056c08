"""Channels of HDF5 files: NSID (sidpy, pyNSID), USID (pyUSID) and any other with pictures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError
from physlearn.datasets.reading.acquisition import flatten_metadata
from physlearn.datasets.reading.channel import Axis, Channel, counted, length_unit, name_axes
from physlearn.datasets.reading.file_checks import unreadable
from physlearn.records.hdf5_parts import check_hdf5_parts

__all__ = ["check_tree", "list_hdf5", "open_hdf5"]

USID_LINKS = (
    "Position_Indices", "Position_Values", "Spectroscopic_Indices", "Spectroscopic_Values",
)  # fmt: skip
LEAST_EDGE = 2


def open_hdf5(path: Path) -> Any:
    """Open an HDF5 file for reading, or say in one sentence why it cannot be."""
    import h5py

    try:
        check_hdf5_parts(path)
        return h5py.File(path, "r")
    except InputError:
        raise
    except Exception as error:  # damaged trees raise many kinds
        raise unreadable(path, error, "HDF5") from None


def check_tree(path: Path) -> None:
    """Refuse an HDF5 file whose tree of groups is damaged."""
    with open_hdf5(path) as file:
        try:
            file.visititems(lambda _, item: len(item.attrs) < 0 or None)
        except Exception as error:  # damaged trees raise many kinds
            raise unreadable(path, error, "HDF5") from None


def list_hdf5(path: Path) -> list[Channel]:
    """Return the channels of an HDF5 file without loading them."""
    import h5py

    found: list[Any] = []
    with open_hdf5(path) as file:
        try:
            file.visititems(
                lambda _, item: found.append(item) if isinstance(item, h5py.Dataset) else None
            )
            nsid = [item for item in found if "main_data_name" in item.attrs]
            usid = [item for item in found if all(link in item.attrs for link in USID_LINKS)]
            if nsid:
                channels = [_nsid(path, item) for item in nsid]
            elif usid:
                channels = [_usid(path, file, item) for item in usid]
            else:
                channels = [_generic(path, item) for item in found if _is_array(item)]
        except Exception as error:  # damaged trees raise many kinds
            if isinstance(error, InputError) and str(path) in str(error):
                raise
            raise unreadable(path, error, "HDF5") from None
    return _even_out_scales(channels, path)


def _text(attributes: Any, name: str) -> str:
    value = attributes.get(name, "")
    if isinstance(value, np.ndarray):
        value = value.reshape(-1)[0] if value.size else ""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _texts(value: Any) -> list[str]:
    """Return a list of texts, whichever way HDF5 stored it."""
    return [
        one.decode("utf-8", "replace") if isinstance(one, bytes) else str(one)
        for one in np.asarray(value).reshape(-1)
    ]


def _loader(path: Path, name: str, file_shape: tuple[int, ...] | None = None) -> Callable[[], Any]:
    """Return a function that opens the file again and reads one data set."""

    def load() -> NDArray[Any]:
        with open_hdf5(path) as file:
            values: NDArray[Any] = file[name][()]
        return values if file_shape is None else values.reshape(file_shape)

    return load


def _opener(path: Path, name: str) -> Callable[[], Any]:
    """Return a function that hands out one data set, unread; it holds its file open."""
    return lambda: open_hdf5(path)[name]


def _is_array(item: Any) -> bool:
    return bool(
        item.ndim >= 2
        and item.dtype.kind in "biufc"
        and sum(length >= LEAST_EDGE for length in item.shape) >= 2
        and "CLASS" not in item.attrs
    )


def _labels(item: Any) -> list[str]:
    """Return the name of each axis, empty where the file gives none."""
    try:
        labels = _texts(item.attrs.get("DIMENSION_LABELS", []))
    except (RuntimeError, OSError, TypeError, ValueError):
        labels = []
    return labels if len(labels) == item.ndim else [""] * item.ndim


def _scale_of(item: Any, place: int) -> Any | None:
    """Return the data set that holds the values along one axis, or None.

    The links are followed here: ``item.dims`` of damaged ones ends the process inside libhdf5.
    """
    try:
        scale = item.file[item.attrs["DIMENSION_LIST"][place][0]]
    except (RuntimeError, KeyError, OSError, IndexError, TypeError, ValueError):
        return None
    return scale if hasattr(scale, "ndim") else None


def _nsid(path: Path, item: Any) -> Channel:
    """Return the channel of one NSID main data set (its dimensions stand beside it)."""
    labels = _labels(item)
    scales = [_scale_of(item, place) for place in range(item.ndim)]
    if any(scale is None for scale in scales):  # links lost in a copy: the names still tell
        scales = [item.parent.get(label) for label in labels]
    names = name_axes(labels)
    axes = []
    for place, (name, scale) in enumerate(zip(names, scales, strict=True)):
        values = counted(item.shape[place]) if scale is None else scale[()]
        unit = "" if scale is None else _text(scale.attrs, "units")
        axes.append(Axis(name, np.asarray(values, np.float64), unit))
    said: dict[str, Any] = dict(item.attrs.items())
    for group in ("metadata", "original_metadata"):
        if group in item.parent:
            said |= dict(item.parent[group].attrs.items())
    for link in ("DIMENSION_LABELS", "DIMENSION_LIST"):
        said.pop(link, None)
    return Channel(
        _text(item.attrs, "quantity") or item.name.rsplit("/", 1)[-1], tuple(axes),
        _loader(path, item.name), _text(item.attrs, "units"), str(item.dtype),
        flatten_metadata(said), open_array=_opener(path, item.name),
    )  # fmt: skip


def _usid(path: Path, file: Any, item: Any) -> Channel:
    """Return the channel of one USID main data set, unfolded along its dimensions."""
    axes: list[Axis] = []
    for kind, along in (("Position", 1), ("Spectroscopic", 0)):
        indices = np.atleast_2d(file[item.attrs[f"{kind}_Indices"]][()])
        values_item = file[item.attrs[f"{kind}_Values"]]
        values = np.atleast_2d(values_item[()])
        indices, values = (indices.T, values.T) if along == 1 else (indices, values)
        labels, units = _texts(values_item.attrs["labels"]), _texts(values_item.attrs["units"])
        changes = [int(np.count_nonzero(np.diff(row))) for row in indices]
        group = []  # the fastest dimension changes most often and stands last after unfolding
        for number in np.argsort(changes, kind="stable"):
            steps, first = np.unique(indices[number], return_index=True)
            if len(steps) > 1 or indices.shape[0] == 1:
                group.append(Axis(labels[number], values[number][first], units[number]))
        axes += group
    axes = [axis for axis in axes if len(axis.values) > 1]
    shape = tuple(len(axis.values) for axis in axes)
    if int(np.prod(shape)) != item.size:
        raise InputError(
            f"{path} holds {item.size} values in {item.name} where its dimensions need "
            f"{' x '.join(map(str, shape))}; the scan was not finished: export what is complete."
        )
    names = name_axes([axis.name for axis in axes])
    axes = [Axis(name, axis.values, axis.unit) for name, axis in zip(names, axes, strict=True)]
    said = dict(item.attrs.items())
    for link in USID_LINKS:
        said.pop(link, None)
    for parent in (item.parent, item.parent.parent):
        said = dict(parent.attrs.items()) | said
    return Channel(
        _text(item.attrs, "quantity") or item.name.rsplit("/", 1)[-1], tuple(axes),
        _loader(path, item.name, shape), _text(item.attrs, "units"), str(item.dtype),
        flatten_metadata(said),
    )  # fmt: skip


def _generic(path: Path, item: Any) -> Channel:
    """Return the channel of any array of numbers; axes from dimension scales where it has some."""
    names, values, units = [], [], []
    labels = _labels(item)
    for place in range(item.ndim):
        scale = _scale_of(item, place)
        label = labels[place] or ("" if scale is None else scale.name.rsplit("/", 1)[-1])
        usable = scale is not None and scale.shape == (item.shape[place],)
        names.append(label)
        values.append(scale[()] if usable and scale is not None else counted(item.shape[place]))
        units.append(_text(scale.attrs, "units") if scale is not None else "")
    axes = tuple(
        Axis(name, np.asarray(value, np.float64), unit)
        for name, value, unit in zip(name_axes(names), values, units, strict=True)
    )
    said: dict[str, Any] = {}
    holder = item
    while holder.name != "/":
        said = dict(holder.attrs.items()) | said
        holder = holder.parent
    said = dict(holder.attrs.items()) | said
    for link in ("DIMENSION_LABELS", "DIMENSION_LIST", "REFERENCE_LIST", "_Netcdf4Coordinates"):
        said.pop(link, None)
    return Channel(
        item.name.strip("/"), axes, _loader(path, item.name), _text(item.attrs, "units"),
        str(item.dtype), flatten_metadata(said), open_array=_opener(path, item.name),
    )  # fmt: skip


def _even_out_scales(channels: list[Channel], path: Path) -> list[Channel]:
    """Give a channel whose axes state no length those of a channel with the very same values.

    Some writers put the channel's own unit (deg) on the axes of a picture taken in the same scan.
    """

    def axis_of(channel: Channel, name: str) -> Axis:
        return channel.axes[channel.dims.index(name)]

    scaled = [
        one for one in channels
        if {"x", "y"} <= set(one.dims) and length_unit(axis_of(one, "x").unit)
        and length_unit(axis_of(one, "y").unit)
    ]  # fmt: skip
    result = []
    for channel in channels:
        if channel in scaled or not {"x", "y"} <= set(channel.dims):
            result.append(channel)
            continue
        twin = next(
            (one for one in scaled if all(
                np.array_equal(axis_of(one, dim).values, axis_of(channel, dim).values)
                for dim in ("x", "y")
            ) and np.ptp(axis_of(one, "x").values) != len(axis_of(one, "x").values) - 1), None,
        )  # fmt: skip
        if twin is None:
            result.append(channel)
            continue
        stated = axis_of(channel, "x").unit or "no unit"
        axes = tuple(
            axis_of(twin, axis.name) if axis.name in ("x", "y") else axis for axis in channel.axes
        )
        note = (
            f"{path.name} states {stated} along x of {channel.name}; its values are those of "
            f"{twin.name}, whose unit ({axis_of(twin, 'x').unit}) is taken."
        )
        result.append(
            Channel(
                channel.name, axes, channel.load, channel.unit, channel.dtype, channel.metadata,
                channel.conditions, channel.texts, (*channel.notes, note),
                channel.open_array,
            )
        )  # fmt: skip
    return result
