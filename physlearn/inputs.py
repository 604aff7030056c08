"""What a file is, by its content: one picture or a video; and reading it."""

from __future__ import annotations

import os
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from physlearn.checks import SMALLEST_IMAGE_EDGE, InputError, NotFound

if TYPE_CHECKING:
    import xarray as xr

__all__ = [
    "count_frames", "cut_region", "picture_of_spectra", "read_channels", "read_input",
    "read_repeat", "read_spectra",
]  # fmt: skip

Data = TypeVar("Data", "xr.DataArray", "xr.Dataset")

HDF5, NUMPY, GIF = b"\x89HDF", b"\x93NUMPY", b"GIF8"
SAME_PIXEL = 0.01
"""Share by which the pixel sizes that two files state may differ by rounding."""
TIFF = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")


def count_frames(path: str | os.PathLike[str]) -> int:
    """Return how many frames a file holds, by its content and not by its name.

    Of a file with several channels the first film counts, if it holds no picture. Files of other
    kinds count as one picture.

    Raises
    ------
    NotFound
        When there is no such file.
    InputError
        For a folder or an empty file.

    Examples
    --------
    >>> import tempfile
    >>> name = Path(tempfile.mkdtemp()) / "stack.npy"
    >>> np.save(name, np.zeros((5, 20, 30)))
    >>> count_frames(name)
    5
    """
    file = Path(path)
    if not file.exists():
        raise NotFound(f"no such file: {file}")
    from physlearn.datasets.reading.read_channels import FOLDERS, has_menu

    if file.is_dir() and file.suffix.lower() in FOLDERS:
        return _menu_frames(file)
    if file.is_dir():
        raise InputError(f"{file} is a folder; give one picture or video file.")
    if file.stat().st_size == 0:
        raise InputError(f"{file} is empty (0 bytes); export it again.")
    with file.open("rb") as stream:
        head = stream.read(8)
    try:
        if head.startswith(NUMPY):
            return _frames_of_shape(np.load(file, mmap_mode="r", allow_pickle=False).shape)
        if head.startswith(GIF):
            from PIL import Image

            with Image.open(file, formats=("GIF",)) as picture:
                return int(getattr(picture, "n_frames", 1))
        if head.startswith(TIFF):
            return _tiff_frames(file)
        if head.startswith(HDF5) or has_menu(file):
            return _menu_frames(file)
    except Exception:  # damaged, in any of the ways of five libraries: the reader says how
        return 1
    return 1


def _frames_of_shape(shape: tuple[int, ...]) -> int:
    return int(shape[0]) if len(shape) == 3 and shape[-1] not in (3, 4) else 1


def _tiff_frames(file: Path) -> int:
    from physlearn.datasets.reading.tiff_tags import open_tiff

    with open_tiff(file) as tiff:
        series = tiff.series[0]
        frames = len(tiff.pages)
        colour = "S" in series.axes and not (series.axes[0] == "S" and series.dtype.kind == "f")
        stacked = len(series.shape) - int(colour) > 2
        return max(frames, int(series.shape[0]) if stacked else 1)


def _menu_frames(file: Path) -> int:
    """Return the frames of the first film among a file's channels; 1 where a picture is offered."""
    from physlearn.checks import BackendUnavailable
    from physlearn.datasets.reading.hdf5_files import list_hdf5
    from physlearn.datasets.reading.read_channels import channels_of, has_menu

    try:
        channels = channels_of(file) if has_menu(file) else list_hdf5(file)
    except (InputError, BackendUnavailable):
        return 1  # the reader says what is wrong
    if any(one.kind == "picture" for one in channels):
        return 1
    films = [one for one in channels if one.kind == "film"]
    return films[0].shape[films[0].dims.index("time")] if films else 1


def read_input(
    path: str | os.PathLike[str],
    *,
    drive: str | os.PathLike[str] | None = None,
    channel: int | str | None = None,
) -> xr.DataArray:
    """Read a picture as dims (y, x), or a video as dims (time, y, x).

    Parameters
    ----------
    path
        The file.
    drive
        CSV file with the drive that acts from a frame to the next, for a video.
    channel
        Number or name of a channel, for a file with several (``list_channels``) that holds
        pictures.

    Raises
    ------
    NotFound
        When there is no such file.
    InputError
        When the file cannot be read, or a drive is given for a picture.

    Examples
    --------
    >>> import tempfile
    >>> name = Path(tempfile.mkdtemp()) / "picture.npy"
    >>> np.save(name, np.random.default_rng(0).normal(size=(20, 30)))
    >>> read_input(name).dims
    ('y', 'x')
    """
    if count_frames(path) == 1:
        from physlearn.datasets.reading.read_images import read_image

        if drive is not None:
            raise InputError(f"drive goes with a video; {path} is one picture: leave it out.")
        return read_image(path, channel=channel)
    from physlearn.datasets.reading.read_video import read_video

    video = read_video(path, channel=channel)
    if drive is None:
        return video
    from physlearn.datasets.reading.read_drive import read_drive

    values, unit = read_drive(drive, video.sizes["time"])
    return video.assign_coords(drive=("time", values, {"units": unit}))


def cut_region(
    data: Data, region: tuple[int, int, int, int], whole: xr.DataArray | xr.Dataset
) -> Data:
    """Return the part of ``data`` inside a region given in pixels of the whole picture.

    Parameters
    ----------
    data
        The picture itself, or what shows the same field of view with other pixels.
    region
        First column, end, first row, end.
    whole
        The whole picture, whose pixels are counted.

    Raises
    ------
    InputError
        For a region that is empty or reaches beyond the picture.

    Examples
    --------
    >>> import xarray as xr
    >>> picture = xr.DataArray(np.zeros((20, 30)), dims=("y", "x"))
    >>> cut_region(picture, (5, 25, 0, 16), picture).shape
    (16, 20)
    """
    cut = {}
    for dim, (first, end) in zip(("x", "y"), (region[:2], region[2:]), strict=True):
        n, own = whole.sizes[dim], data.sizes[dim]
        if not 0 <= first < end <= n:
            raise InputError(
                f"region must lie inside the picture of {n} pixels along {dim}, first below end; "
                f"got {first}:{end}."
            )
        cut[dim] = slice(round(first * own / n), round(end * own / n))
        if cut[dim].stop - cut[dim].start < SMALLEST_IMAGE_EDGE:
            raise InputError(
                f"region must leave at least {SMALLEST_IMAGE_EDGE} pixels along {dim} of the "
                f"picture and of each channel; {first}:{end} leaves "
                f"{cut[dim].stop - cut[dim].start} of {own}."
            )
    return data.isel(cut)


def read_channels(
    paths: Sequence[str | os.PathLike[str]], image: xr.DataArray
) -> xr.Dataset | None:
    """Read further channels of a picture as a dataset.

    A file with one picture gives a channel of the file's name; a file with several gives all of
    its pictures under their own names. A channel with fewer or more pixels is taken to span the
    same field of view.

    Raises
    ------
    InputError
        When a channel's aspect ratio is not the picture's, or two channels have the same name.

    Examples
    --------
    >>> import xarray as xr
    >>> read_channels([], xr.DataArray(np.zeros((20, 30)), dims=("y", "x"))) is None
    True
    """
    import xarray as xr

    if not paths:
        return None
    given = [pair for path in paths for pair in _pictures_of(Path(path))]
    names = [name for name, _ in given]
    if len(set(names)) < len(names):
        raise InputError(f"channels must have different names; got {', '.join(names)}.")
    channels = {}
    for name, channel in given:
        scale = [image.sizes[dim] / channel.sizes[dim] for dim in ("y", "x")]
        # Rounding to whole pixels may bend the aspect ratio by that much, and no more
        rounding = 1.0 / min(channel.shape)
        if abs(scale[0] / scale[1] - 1) > rounding * (channel.shape != image.shape):
            raise InputError(
                f"channel {name} ({channel.attrs.get('source', 'no file')}) must show the "
                f"picture's field of view {image.shape}, got {channel.shape} of another aspect "
                "ratio; crop it first."
            )
        channels[name] = channel.assign_coords(
            {dim: _spanning(image.coords[dim], channel.sizes[dim]) for dim in ("y", "x")}
        )
    shapes = {channel.shape for channel in channels.values()}
    if len(shapes) > 1:
        raise InputError(
            f"channels must have one pixel size; got shapes {', '.join(map(str, shapes))}."
        )
    return xr.Dataset(channels)


def read_repeat(
    paths: Sequence[str | os.PathLike[str]], image: xr.DataArray, channels: xr.Dataset | None
) -> xr.DataArray | xr.Dataset | None:
    """Read the second scan of a place: of the channels where there are any, else of the picture.

    Files with one picture stand for the channels in their order; a file with several pictures
    holds them under the names of the first scan.

    Raises
    ------
    InputError
        When the number of files, the names, the shape or the pixel size do not fit the first scan.

    Examples
    --------
    >>> import xarray as xr
    >>> read_repeat([], xr.DataArray(np.zeros((20, 30)), dims=("y", "x")), None) is None
    True
    """
    if not paths:
        return None
    if channels is None:
        if len(paths) > 1:
            raise InputError(
                f"repeat must be one file, the second scan of the picture; got {len(paths)}."
            )
        held = dict(_pictures_of(Path(paths[0])))
        name = image.attrs.get("channel")
        if len(held) == 1:
            return next(iter(held.values()))
        if not isinstance(name, str) or name not in held:
            raise InputError(f"repeat must hold the picture {name!r}; it holds {', '.join(held)}.")
        return held[name]
    given = [_pictures_of(Path(path)) for path in paths]
    if all(len(found) == 1 for found in given) and len(given) == len(channels):
        pairs = [(name, found[0][1]) for name, found in zip(channels, given, strict=True)]
    else:
        pairs = [pair for found in given for pair in found if pair[0] in channels]
    if not pairs or len({name for name, _ in pairs}) < len(pairs):
        raise InputError(
            f"repeat must be one file a channel, in the order of the channels, or files that hold "
            f"channels of the names {', '.join(map(str, channels))}; got "
            f"{', '.join(name for found in given for name, _ in found)}."
        )
    return _on_same_grid(pairs, channels)


def read_spectra(path: str | os.PathLike[str]) -> xr.Dataset | None:
    """Read a file that holds spectra by pixel and no picture; None for any other file.

    Examples
    --------
    >>> import tempfile
    >>> name = Path(tempfile.mkdtemp()) / "picture.npy"
    >>> np.save(name, np.zeros((20, 30)))
    >>> read_spectra(name) is None
    True
    """
    from physlearn.checks import BackendUnavailable
    from physlearn.datasets.reading.read_channels import channels_of, has_menu, read_channels

    file = Path(path)
    if not file.is_file() or not (has_menu(file) or _starts_with(file, HDF5)):
        return None
    try:
        kinds = {one.kind for one in channels_of(file)}
    except (InputError, BackendUnavailable):
        return None  # the reader of pictures says what is wrong
    if "spectra" not in kinds or kinds & {"picture", "film"}:
        return None
    held = read_channels(file)
    return held if all({"y", "x"} < set(one.dims) for one in held.values()) else None


def picture_of_spectra(spectra: xr.Dataset) -> xr.DataArray:
    """Return what stands for the picture of a field of spectra: their median at each pixel.

    Examples
    --------
    >>> import xarray as xr
    >>> stack = xr.DataArray(np.ones((20, 30, 5)), dims=("y", "x", "bias"), name="response")
    >>> picture_of_spectra(stack.to_dataset()).dims
    ('y', 'x')
    """
    import xarray as xr

    name, first = next(iter(spectra.data_vars.items()))
    axis = next(dim for dim in first.dims if dim not in ("y", "x"))
    values = np.abs(first.to_numpy()) if first.dtype.kind == "c" else first.to_numpy()
    middle = np.nanmedian(values, axis=first.dims.index(axis))
    note = (
        f"the file holds spectra and no picture: the median of {name} over {axis} stands for one."
    )
    coords = {dim: first.coords[dim] for dim in ("y", "x") if dim in first.coords}
    picture = xr.DataArray(
        middle, dims=[dim for dim in first.dims if dim != axis], coords=coords, attrs=first.attrs
    ).transpose("y", "x")
    return picture.assign_attrs(warnings=(*first.attrs.get("warnings", ()), note))


def _on_same_grid(pairs: Sequence[tuple[Hashable, xr.DataArray]], like: xr.Dataset) -> xr.Dataset:
    """Return a second scan on the coordinates of the first, whose pixels it must have."""
    import xarray as xr

    from physlearn.datasets.channels.same_grid import pixel_ratio

    shape = (like.sizes["y"], like.sizes["x"])
    axes = {dim: like.coords[dim] for dim in ("y", "x")}
    for name, channel in pairs:
        if channel.shape != shape:
            raise InputError(
                f"the repeat of {name} must have the first scan's shape {shape}; got "
                f"{channel.shape}."
            )
        ratio = pixel_ratio(channel, like)
        if ratio is not None and abs(ratio - 1.0) > SAME_PIXEL:
            raise InputError(
                f"the repeat of {name} must have the first scan's pixel size; its pixels are "
                f"{ratio:.4g} times as large: scan the same field again, or resample it first."
            )
    return xr.Dataset({name: channel.assign_coords(axes) for name, channel in pairs})


def _pictures_of(path: Path) -> list[tuple[str, xr.DataArray]]:
    """Return every picture of a file: its channels by name, or one by the file's name."""
    from physlearn.datasets.reading.read_channels import has_menu, read_channels
    from physlearn.datasets.reading.read_images import read_image

    if path.is_file() and (has_menu(path) or _starts_with(path, HDF5)):
        held = read_channels(path)
        pictures = [(str(n), one) for n, one in held.items() if set(one.dims) == {"y", "x"}]
        if len(pictures) > 1:
            return pictures
    return [(path.stem, read_image(path))]


def _starts_with(path: Path, mark: bytes) -> bool:
    with path.open("rb") as stream:
        return stream.read(len(mark)) == mark


def _spanning(axis: xr.DataArray, n: int) -> xr.Variable:
    """Return the centres of ``n`` pixels that span the same length as those of ``axis``."""
    import xarray as xr

    values = axis.to_numpy()
    step = (values[-1] - values[0]) / (len(values) - 1)
    edge, length = values[0] - 0.5 * step, step * len(values)
    centers = edge + length * (np.arange(n) + 0.5) / n
    return xr.Variable(axis.dims, centers, axis.attrs)
