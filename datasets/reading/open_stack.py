"""Films larger than the memory: Zarr, dask, HDF5, TIFF, NPY and functions, opened and not read."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from physlearn.checks import InputError, check_count, check_positive
from physlearn.datasets.reading.channel import (
    Channel,
    channel_attributes,
    channel_coordinates,
)
from physlearn.datasets.reading.file_checks import check_file, unreadable
from physlearn.datasets.reading.frame_reader import (
    FrameReader,
    array_reader,
    npy_reader,
    raw_reader,
)
from physlearn.datasets.reading.read_channels import FOLDERS, channels_of, has_menu, pick_channel
from physlearn.datasets.reading.read_video import RawFilm, labelled_film, scale_notes
from physlearn.datasets.reading.tiff_tags import open_tiff, tiff_metadata, tiff_scale
from physlearn.records.storage import html_table, short_repr
from physlearn.records.video import video_coordinates

__all__ = ["Stack", "open_stack"]

Floats = NDArray[np.float64]
DIMS = ("time", "y", "x")
TIFF = (".tif", ".tiff")


@dataclass(frozen=True, slots=True, eq=False)
class Stack:
    """Frames that are read when they are asked for.

    Attributes
    ----------
    frames
        Reads frame k as ``frames[k]``: float64, shape (rows, columns).
    template
        DataArray (time, y, x) of zeros that take no memory, with the coordinates and attributes
        of the film.

    Examples
    --------
    >>> stack = open_stack(lambda k: np.full((20, 30), float(k)), shape=(5, 20, 30))
    >>> stack.n_frames, float(stack.picture(4)[0, 0])
    (5, 4.0)
    """

    frames: FrameReader
    template: xr.DataArray

    __repr__ = short_repr
    _repr_html_ = html_table

    @property
    def shape(self) -> tuple[int, int, int]:
        """Frames, rows, columns."""
        return self.frames.shape

    @property
    def n_frames(self) -> int:
        """How many frames there are."""
        return self.frames.shape[0]

    @property
    def times(self) -> Floats:
        """Time of each frame, counted where the film has no times."""
        return np.asarray(video_coordinates(self.template)["time"].to_numpy())

    @property
    def time_unit(self) -> str:
        """Unit of the times."""
        return str(video_coordinates(self.template)["time"].attrs["units"])

    def identity(self) -> str:
        """Return a digest of the coordinates, the attributes and a few frames."""
        told = hashlib.sha256(self.frames.identity().encode())
        for name in sorted(map(str, self.template.coords)):
            one = self.template.coords[name]
            told.update(repr((name, one.dims, one.attrs)).encode() + one.to_numpy().tobytes())
        told.update(repr(sorted(self.template.attrs.items(), key=str)).encode())
        return told.hexdigest()

    def picture(self, index: int) -> xr.DataArray:
        """Return one frame (y, x) with the coordinates and attributes of the film."""
        if check_count("index", index, 0) >= len(self.frames):
            raise InputError(f"index must be below {len(self.frames)}; got {index}.")
        plain = self.template.isel(time=index, drop=True)
        return plain.copy(data=self.frames[index])


def open_stack(
    source: Any,
    *,
    channel: int | str | None = None,
    shape: tuple[int, int, int] | None = None,
    frame_interval_s: float | None = None,
    pixel_size: tuple[float, str] | None = None,
) -> Stack:
    """Open a film of any size without reading it.

    Parameters
    ----------
    source
        Path of a Zarr store, an HDF5 or NSID file, a TIFF of many pages or an NPY file; an array
        (time, y, x) that is sliced without being read (dask, Zarr, h5py, a memory map); a DataArray
        of one; or a function of the frame's number that returns the frame.
    channel
        Number or name in the file's menu (``list_channels``); None takes the only film there is.
    shape
        Frames, rows and columns of what a function returns.
    frame_interval_s, pixel_size
        Time between frames in seconds, and edge of a pixel with its unit, such as (0.2, "nm"),
        where the source does not say.

    Returns
    -------
    Stack
        One block of frames is in memory at a time, at most about 64 MB (or one frame).

    Raises
    ------
    InputError
        For a source that is no film, is read at once only, or has coordinates that do not increase.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "film.npy"
    >>> np.save(file, np.arange(3 * 20 * 20, dtype=np.uint16).reshape(3, 20, 20))
    >>> stack = open_stack(file, pixel_size=(0.2, "nm"))
    >>> stack.shape, float(stack.frames[2][0, 1]), stack.template.x.attrs["units"]
    ((3, 20, 20), 801.0, 'nm')
    """
    if channel is not None and not isinstance(source, str | os.PathLike):
        raise InputError(f"channel names one of a file's; source is none, got {channel!r}.")
    if shape is not None and (not callable(source) or hasattr(source, "shape")):
        raise InputError(f"shape is that of what a function returns; got {shape!r} for a source.")
    if isinstance(source, Stack):
        stack = source
    elif isinstance(source, str | os.PathLike):
        stack = _of_file(Path(source), channel)
    elif isinstance(source, xr.DataArray):
        stack = _of_data_array(source)
    elif hasattr(source, "shape") and hasattr(source, "__getitem__"):
        stack = _of_array(source)
    elif callable(source):
        stack = _of_function(source, shape)
    else:
        raise InputError(
            "source must be a path, an array (time, y, x), a DataArray or a function of the "
            f"frame's number; got {type(source).__name__}."
        )
    if frame_interval_s is not None or pixel_size is not None:
        stack = Stack(stack.frames, _scaled(stack.template, frame_interval_s, pixel_size))
    video_coordinates(stack.template)
    return stack


def _zeros(shape: tuple[int, ...]) -> Floats:
    """Return zeros of any shape that take the memory of one."""
    return np.broadcast_to(np.zeros(()), shape)


def _check_shape(shape: tuple[int, ...], dtype: Any, name: str) -> None:
    if len(shape) != 3 or min(shape) < 1:
        raise InputError(f"{name} must hold frames (time, y, x); got shape {tuple(shape)}.")
    if np.dtype(dtype).kind not in "biuf":
        raise InputError(f"{name} must hold real numbers; got dtype {dtype}.")


def _of_array(array: Any) -> Stack:
    _check_shape(tuple(array.shape), array.dtype, "source")
    reader = array_reader(array)
    return Stack(reader, xr.DataArray(_zeros(reader.shape), dims=DIMS))


def _of_data_array(array: xr.DataArray) -> Stack:
    if set(array.dims) != set(DIMS):
        raise InputError(
            f"source must have dims time, y and x; got {', '.join(map(str, array.dims))}."
        )
    array = array.transpose(*DIMS)
    _check_shape(array.shape, array.dtype, "source")
    chunks = array.chunks
    shape = (array.shape[0], array.shape[1], array.shape[2])
    reader = FrameReader(
        lambda first, last: array.isel(time=slice(first, last)).to_numpy(),
        shape,
        max(chunks[0]) if chunks else 1,
    )
    template = xr.DataArray(
        _zeros(shape), dims=DIMS, coords=array.coords, attrs=array.attrs, name=array.name
    )
    return Stack(reader, template)


def _of_function(
    function: Callable[[int], NDArray[Any]], shape: tuple[int, int, int] | None
) -> Stack:
    if shape is None or len(shape) != 3:
        raise InputError(
            f"shape must say how many frames, rows and columns the function gives; got {shape!r}."
        )
    frames, rows, columns = (check_count("shape", length, 1) for length in shape)
    size = frames, rows, columns
    reader = FrameReader(
        lambda first, last: np.stack([np.asarray(function(k)) for k in range(first, last)]), size
    )
    return Stack(reader, xr.DataArray(_zeros(size), dims=DIMS))


def _scaled(
    template: xr.DataArray, interval: float | None, pixel: tuple[float, str] | None
) -> xr.DataArray:
    """Return the template on the scales that the user states."""
    if interval is not None:
        check_positive("frame_interval_s", interval)
        times = np.arange(template.sizes["time"]) * float(interval)
        template = template.assign_coords(time=("time", times, {"units": "s"}))
    if pixel is not None:
        if not isinstance(pixel, tuple | list) or len(pixel) != 2:
            raise InputError(f"pixel_size must be a length and its unit; got {pixel!r}.")
        step = check_positive("pixel_size", pixel[0])
        for dim in ("y", "x"):
            places = np.arange(template.sizes[dim]) * step
            template = template.assign_coords({dim: (dim, places, {"units": str(pixel[1])})})
    return template


def _of_file(path: Path, channel: int | str | None) -> Stack:
    if has_menu(path):
        return _of_menu(path, channel)
    check_file(path, "video", FOLDERS)
    kind = path.suffix.lower()
    if kind not in (".npy", *TIFF):
        raise InputError(
            f"{path} is of no kind that is read frame by frame ({kind or 'no suffix'}); give Zarr, "
            "HDF5, TIFF or NPY, or read it whole with read_video."
        )
    if channel is not None:
        raise InputError(f"channel must be None: {path} holds one film; got {channel!r}.")
    try:
        reader, raw = _npy(path) if kind == ".npy" else _tiff(path)
    except InputError:
        raise
    except Exception as error:  # damaged files raise many kinds
        raise unreadable(path, error) from None
    notes = scale_notes(raw, path)
    return Stack(reader, labelled_film(_zeros(reader.shape), raw, path, notes))


def _npy(path: Path) -> tuple[FrameReader, RawFilm]:
    header = np.load(path, mmap_mode="r", allow_pickle=False)
    if not isinstance(header, np.ndarray):
        raise InputError(f"{path} holds several arrays; save the film alone with numpy.save.")
    _check_shape(header.shape, header.dtype, str(path))
    reader = npy_reader(path)
    return reader, RawFilm(np.zeros(0, header.dtype))


def _tiff(path: Path) -> tuple[FrameReader, RawFilm]:
    """Return the pages of a TIFF: read from the file directly where they lie in one piece."""
    with open_tiff(path) as file:
        series = file.series[0]
        _check_shape(series.shape, series.dtype, str(path))
        said = file.imagej_metadata or {}
        interval = float(said.get("finterval", 0.0)) or None
        raw = RawFilm(np.zeros(0, series.dtype), interval, tiff_scale(file), tiff_metadata(file))
        start, byte_order = series.dataoffset, file.byteorder
        shape = (int(series.shape[0]), int(series.shape[1]), int(series.shape[2]))
        pages = len(series)
    if start is not None:
        dtype = np.dtype(raw.frames.dtype).newbyteorder(byte_order)
        return raw_reader(path, int(start), dtype, shape), raw
    if pages != shape[0]:
        raise InputError(
            f"{path} holds {shape[0]} frames in {pages} pages; export one page a frame, or Zarr."
        )
    opened = open_tiff(path)

    def read(first: int, last: int) -> Any:
        found: Any = opened.series[0].pages
        return np.stack([found[k].asarray() for k in range(first, last)])

    return FrameReader(read, shape), raw


def _of_menu(path: Path, channel: int | str | None) -> Stack:
    """Return the film among a file's channels."""
    chosen = pick_channel(path, channels_of(path), channel, "film")
    if chosen.kind != "film":
        raise InputError(
            f"channel {chosen.name} of {path} holds {chosen.kind} of shape {chosen.shape}, not a "
            "film (time, y, x)."
        )
    if chosen.open_array is None:
        raise InputError(
            f"{path} is read at once only: read it with read_video, or save it as Zarr to go "
            "through it frame by frame."
        )
    notes = list(chosen.notes)
    coords, pixel = channel_coordinates(chosen, path, notes)
    if coords["time"].attrs["units"] == "frame":
        notes.append(f"{path.name} has no time scale: times stay in frames.")
    array = chosen.open_array()
    _check_shape(tuple(array.shape), array.dtype, str(path))
    reader = array_reader(array, _axes_of(chosen))
    attributes = channel_attributes(chosen, path, pixel, str(array.dtype), notes)
    return _upright(reader, coords, attributes)


def _axes_of(channel: Channel) -> tuple[int, int, int]:
    time, y, x = (channel.dims.index(dim) for dim in DIMS)
    return time, y, x


def _upright(
    reader: FrameReader, coords: Mapping[str, xr.Variable], attributes: Mapping[str, Any]
) -> Stack:
    """Return the stack with y and x that increase, as every reader gives them."""
    turned = dict(coords)
    flips = [slice(None), slice(None)]
    for place, dim in enumerate(("y", "x")):
        values = coords[dim].to_numpy()
        if len(values) > 1 and values[1] < values[0]:
            flips[place] = slice(None, None, -1)
            turned[dim] = xr.Variable((dim,), values[::-1], coords[dim].attrs)
    frames = reader
    if flips != [slice(None), slice(None)]:
        frames = FrameReader(
            lambda first, last: reader[np.arange(first, last)][:, flips[0], flips[1]],
            reader.shape,
            reader.chunk,
        )
    template = xr.DataArray(
        _zeros(reader.shape), dims=DIMS, coords=turned, attrs=dict(attributes), name="video"
    )
    return Stack(frames, template)
