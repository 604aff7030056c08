"""A film from a GIF, multi-page TIFF, NPY or AVI file; scales kept or said to be absent."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, check_array
from physlearn.datasets.reading.acquisition import (
    find_conditions,
    flatten_metadata,
    metadata_text,
    missing_conditions,
)
from physlearn.datasets.reading.channel import channel_array
from physlearn.datasets.reading.file_checks import check_file, check_memory, unreadable
from physlearn.datasets.reading.read_channels import FOLDERS, channels_of, has_menu, pick_channel
from physlearn.datasets.reading.tiff_tags import Scale, open_tiff, tiff_metadata, tiff_scale
from physlearn.records import check_video

__all__ = ["RawFilm", "labelled_film", "read_video", "scale_notes"]

TIFF = (".tif", ".tiff")
DEMUXERS = {".avi": "avi", ".mp4": "mov", ".mov": "mov", ".mkv": "matroska"}
MOVIES = tuple(DEMUXERS)
LUMINANCE = np.array([0.2126, 0.7152, 0.0722])  # ITU-R BT.709
COPIES_HELD = 6
"""Copies of the film in memory while it is read, turned into floats and normalised."""


@dataclass(slots=True)
class RawFilm:
    """What the file holds: frames (time, y, x) or (time, y, x, colour), and its scales if any."""

    frames: NDArray[Any]
    frame_interval_s: float | None = None
    pixel_size: Scale | None = None
    told: dict[str, Any] = field(default_factory=dict)


def read_video(
    path: str | os.PathLike[str],
    *,
    drive: ArrayLike | None = None,
    channel: int | str | None = None,
) -> xr.DataArray:
    """Read a film as float64 with dims (time, y, x), its units and what the file says of itself.

    Parameters
    ----------
    path
        GIF, TIFF of several pages, NPY of shape (time, y, x), or AVI, MP4, MOV, MKV where imageio
        can decode them (colour is turned into luminance, with a warning); or a file with a menu
        (``list_channels``): HDF5, NPZ, netCDF, Zarr, a microscope's own file.
    drive
        What drove the sample (field, bias) from each frame to the next, shape (n_frames,).
    channel
        Number or name in the file's menu; None takes the only film there is.

    Returns
    -------
    xarray.DataArray
        Coordinates time (attribute ``units``: s, or frame when the file has no time scale; the
        display time of a GIF is none), y and x (``pixel`` when it has no length scale), and
        ``drive`` when given. Attributes: ``source``, ``dtype`` of the file, ``counts``,
        ``warnings``. NaN is kept where a pixel is NaN in every frame (not seen), and in frames that
        are NaN as a whole (missing; said in ``warnings``).

    Raises
    ------
    InputError
        One sentence that names the file and what to do: missing, empty, truncated, renamed, a still
        picture, constant, NaN, wrong dimensions, below 16 x 16, or too large.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "film.npy"
    >>> np.save(file, np.random.default_rng(1).normal(size=(3, 20, 20)))
    >>> film = read_video(file)
    >>> film.shape, film.time.attrs["units"], film.x.attrs["units"]
    ((3, 20, 20), 'frame', 'pixel')
    """
    path = Path(path)
    kind = path.suffix.lower()
    if has_menu(path):
        return _film_of_menu(path, channel, drive)
    _check_file(path, kind)
    if channel is not None:
        raise InputError(f"channel must be None: {path} holds one film; got {channel!r}.")
    try:
        raw = _read(path, kind)
    except InputError:
        raise
    except Exception as error:
        raise unreadable(path, error) from None
    notes: list[str] = []
    values = _grey(raw.frames, path, notes)
    notes += _missing_note(path, _check_values(values, path))
    notes += scale_notes(raw, path)
    return _as_video(values, raw, path, notes, drive)


def scale_notes(raw: RawFilm, path: Path) -> list[str]:
    """Say which scales a file lacks."""
    notes = []
    if raw.frame_interval_s is None:
        notes.append(f"{path.name} has no time scale: times stay in frames.")
    if raw.pixel_size is None:
        notes.append(f"{path.name} has no length scale: lengths stay in pixels.")
    return notes


def _film_of_menu(path: Path, channel: int | str | None, drive: ArrayLike | None) -> xr.DataArray:
    """Return the film among a file's channels."""
    chosen = pick_channel(path, channels_of(path), channel, "film")
    if chosen.kind != "film":
        raise InputError(
            f"channel {chosen.name} of {path} holds {chosen.kind} of shape {chosen.shape}, not a "
            "film (time, y, x); read it with read_image or read_channels."
        )
    check_memory(path, chosen.shape, COPIES_HELD)
    video = channel_array(chosen, path)
    lost = _missing_note(path, _check_values(video.to_numpy(), path))
    video.attrs["warnings"] = (*video.attrs["warnings"], *lost)
    if video["time"].attrs["units"] == "frame":
        note = f"{path.name} has no time scale: times stay in frames."
        video.attrs["warnings"] = (*video.attrs["warnings"], note)
    return check_video(_with_drive(video.rename("video"), drive))


def _check_file(path: Path, kind: str) -> None:
    check_file(path, "video", FOLDERS)
    if kind not in (".gif", ".npy", *TIFF, *MOVIES):
        raise InputError(
            f"{path} is of no kind that read_video knows ({kind or 'no suffix'}); give GIF, TIFF, "
            "NPY, AVI, HDF5, netCDF, Zarr or a microscope's own file, or read one picture with "
            "read_image."
        )


def _read(path: Path, kind: str) -> RawFilm:
    if kind == ".gif":
        return _read_gif(path)
    if kind == ".npy":
        return RawFilm(_read_npy(path))
    if kind in TIFF:
        return _read_tiff(path)
    return _read_movie(path)


def _check_size(path: Path, shape: tuple[int, ...]) -> None:
    """Refuse a film that would not fit into memory, from its header alone."""
    check_memory(path, shape[:3], COPIES_HELD)


def _still(path: Path) -> InputError:
    return InputError(f"{path} is one picture, not a video; read it with read_image.")


def _read_gif(path: Path) -> RawFilm:
    from PIL import Image, ImageSequence

    with Image.open(path, formats=("GIF",)) as file:
        if file.format != "GIF":
            raise InputError(f"{path} is a {file.format} file, not a GIF; rename or export it.")
        count = int(getattr(file, "n_frames", 1))
        if count < 2:
            raise _still(path)
        _check_size(path, (count, file.height, file.width))
        frames = [np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(file)]
    stack = np.stack(frames)
    grey = (stack[..., 0] == stack[..., 1]).all() and (stack[..., 0] == stack[..., 2]).all()
    return RawFilm(stack[..., 0] if grey else stack)


def _read_npy(path: Path) -> NDArray[Any]:
    header = np.load(path, mmap_mode="r", allow_pickle=False)
    if not isinstance(header, np.ndarray):
        raise InputError(f"{path} holds several arrays; save the film alone with numpy.save.")
    if header.ndim == 2:
        raise _still(path)
    if header.ndim != 3:
        raise InputError(f"{path} must hold an array (time, y, x), got shape {header.shape}.")
    if header.dtype.kind not in "biuf":
        raise InputError(f"{path} must hold real numbers, got dtype {header.dtype}; convert it.")
    _check_size(path, header.shape)
    return np.array(header)


def _read_tiff(path: Path) -> RawFilm:
    with open_tiff(path) as file:
        series = file.series[0]
        shape = series.shape
        # planes of real numbers are frames that their writer took for colours
        colour = "S" in series.axes and not (series.axes[0] == "S" and series.dtype.kind == "f")
        if len(file.series) > 1 and len(shape) - colour == 2:
            frames = np.stack([part.asarray() for part in file.series])
        elif len(shape) - colour == 2:
            raise _still(path)
        elif len(shape) - colour == 3:
            _check_size(path, shape)
            frames = series.asarray()
        else:
            raise InputError(
                f"{path} must hold frames (time, y, x), got axes {series.axes} of shape {shape}; "
                "export "
                "one channel and one plane."
            )
        said = file.imagej_metadata or {}
        interval = float(said.get("finterval", 0.0)) or None
        return RawFilm(frames, interval, tiff_scale(file), tiff_metadata(file))


def _read_movie(path: Path) -> RawFilm:
    if not any(find_spec(decoder) for decoder in ("av", "imageio_ffmpeg")):
        raise InputError(
            f"{path} needs a video decoder: pip install imageio[pyav], or export a multi-page TIFF."
        )
    import imageio.v3 as imageio

    if not find_spec("av"):
        return RawFilm(np.asarray(imageio.imread(path, index=None)))
    # named, not guessed: a list of other files (HLS, concat) under a film's name would be followed
    named: dict[str, Any] = {"format": DEMUXERS[path.suffix.lower()]}
    with imageio.imopen(path, "r", plugin="pyav", **named) as film:
        frames: list[NDArray[Any]] = []
        for frame in film.iter():
            frames.append(frame)
            # no header can be trusted to say how many frames there are
            if len(frames) % 32 == 1:
                _check_size(path, (len(frames), *frame.shape[:2]))
    return RawFilm(np.stack(frames))


def _grey(frames: NDArray[Any], path: Path, notes: list[str]) -> NDArray[np.float64]:
    if frames.ndim == 4 and frames.shape[-1] in (3, 4):
        notes.append(
            f"{path.name} is coloured: its luminance is used (false colours would distort it)."
        )
        result: NDArray[np.float64] = frames[..., :3].astype(np.float64) @ LUMINANCE
        return result
    if frames.ndim != 3:
        raise InputError(f"{path} must hold frames (time, y, x), got shape {frames.shape}.")
    return frames.astype(np.float64)


def _check_values(values: NDArray[np.float64], path: Path) -> list[int]:
    """Refuse a film with nothing to see in it; return the frames that are missing (all NaN)."""
    if len(values) < 2:
        raise _still(path)
    missing = np.isnan(values).all(axis=(1, 2))
    there = values[~missing]
    if not len(there):
        raise InputError(f"{path} holds NaN only: there is nothing to see in it.")
    unseen = np.isnan(there).all(axis=0)
    wrong = np.argwhere(~np.isfinite(there) & ~unseen)
    if len(wrong):
        frame = int(np.flatnonzero(~missing)[wrong[0][0]])
        where = frame, int(wrong[0][1]), int(wrong[0][2])
        raise InputError(
            f"{path} holds NaN or infinite values, first at frame, row, column {where}; "
            "interpolate them, or set a pixel to NaN in every frame, or a whole frame, to leave "
            "it out."
        )
    constant = np.nanmax(there, axis=(1, 2)) == np.nanmin(there, axis=(1, 2))
    if constant.any():
        first = int(np.flatnonzero(~missing)[np.flatnonzero(constant)[0]])
        raise InputError(
            f"{path} has {int(constant.sum())} constant frame(s), first frame {first}: there is "
            "nothing to see in it; remove it or check the export."
        )
    return [int(frame) for frame in np.flatnonzero(missing)]


def _missing_note(path: Path, missing: list[int]) -> tuple[str, ...]:
    if not missing:
        return ()
    return (f"{path.name} has {len(missing)} missing frame(s), all NaN, first {missing[0]}.",)


def _as_video(
    values: NDArray[np.float64],
    raw: RawFilm,
    path: Path,
    notes: list[str],
    drive: ArrayLike | None,
) -> xr.DataArray:
    return check_video(_with_drive(labelled_film(values, raw, path, notes), drive))


def labelled_film(
    values: NDArray[np.float64], raw: RawFilm, path: Path, notes: list[str]
) -> xr.DataArray:
    """Return frames with the scales and words of their file; the values are not looked at."""
    step_x, step_y, unit = raw.pixel_size or (1.0, 1.0, "pixel")
    flat = flatten_metadata(raw.told)
    conditions = find_conditions(flat, None, raw.pixel_size)
    interval = raw.frame_interval_s or 1.0
    video = xr.DataArray(
        values,
        dims=("time", "y", "x"),
        coords={
            "time": np.arange(values.shape[0]) * interval,
            "y": np.arange(values.shape[1]) * step_y,
            "x": np.arange(values.shape[2]) * step_x,
        },
        attrs={
            "source": path.name, "counts": "unknown", "dtype": str(raw.frames.dtype),
            "metadata": metadata_text(flat), **conditions,
            "absent": missing_conditions(conditions, raw.pixel_size is not None),
            "warnings": tuple(notes),
        },
        name="video",
    )  # fmt: skip
    video["time"].attrs["units"] = "s" if raw.frame_interval_s else "frame"
    video["y"].attrs["units"] = unit
    video["x"].attrs["units"] = unit
    return video


def _with_drive(video: xr.DataArray, drive: ArrayLike | None) -> xr.DataArray:
    if drive is None:
        return video
    n_frames = video.sizes["time"]
    return video.assign_coords(drive=("time", check_array("drive", drive, shape=(n_frames,))))
