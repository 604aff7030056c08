"""One picture from a file: TIFF, PNG, JPG, GIF frame, NPY; scale kept or said to be absent."""

from __future__ import annotations

import json
import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from physlearn.checks import InputError, check_image
from physlearn.datasets.reading.pictures import free_memory_bytes

__all__ = ["read_image"]

TIFF = (".tif", ".tiff")
PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".gif")
VIDEOS = (".mp4", ".avi", ".mov", ".mkv", ".webm")
LUMINANCE = np.array([0.2126, 0.7152, 0.0722])  # ITU-R BT.709
GREY_TOLERANCE_SHARE = 0.01
UNITS = {
    "nm": "nm",
    "um": "um",
    "µm": "um",
    "angstrom": "angstrom",
    "å": "angstrom",
    "a": "angstrom",
}
Scale = tuple[float, float, str]
COPIES_HELD = 4
"""Copies of the picture in memory while it is read and turned into floats."""


def read_image(
    path: str | os.PathLike[str], *, channel: int | None = None, as_grey: bool = True
) -> xr.DataArray:
    """Read one picture as float64 with dims (y, x), its unit and what the file says of itself.

    Parameters
    ----------
    path
        TIFF (LZW and other compressions, RGB, 8 or 16 bit, float), PNG, JPG, BMP or NPY. A JSON
        file of the same name beside an NPY file may give the field of view (``spatial_info``).
    channel
        Colour channel to take (0 red, 1 green, 2 blue); None takes grey.
    as_grey
        Turn a coloured picture into its luminance with a warning; False refuses it.

    Returns
    -------
    xarray.DataArray
        Dims (y, x); coordinates y and x with attribute ``units`` (``pixel`` when the file has no
        scale). Attributes: ``source``, ``counts`` (``known`` or ``unknown``), ``channel``,
        ``dtype`` of the file, ``warnings``.

    Raises
    ------
    InputError
        One sentence that names the file and what to do: missing, empty, truncated, renamed,
        a film or a stack, constant, NaN, wrong dimensions, below 16 x 16, or too large.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "ramp.npy"
    >>> np.save(file, np.arange(400.0).reshape(20, 20))
    >>> image = read_image(file)
    >>> image.shape, image.x.attrs["units"], image.attrs["counts"]
    ((20, 20), 'pixel', 'unknown')
    """
    path = Path(path)
    kind = path.suffix.lower()
    _check_file(path, kind)
    scale: Scale | None = None
    if kind == ".npy":
        raw = _read_npy(path)
    elif kind in TIFF:
        raw, scale = _read_tiff(path)
    else:
        raw = _read_picture(path)
    notes: list[str] = []
    values, chosen = _one_channel(raw, path, channel, as_grey, notes)
    if values.dtype.kind not in "biuf":
        raise InputError(f"{path} must hold real numbers, got dtype {values.dtype}; convert it.")
    checked = check_image(values.astype(np.float64), str(path))
    beside = _scale_beside(path, checked.shape)
    scale = beside or scale
    if scale is None:
        notes.append(f"{path.name} has no scale: lengths stay in pixels.")
    step_x, step_y, unit = scale or (1.0, 1.0, "pixel")
    counts = "unknown"
    return xr.DataArray(
        checked,
        dims=("y", "x"),
        coords={
            "y": ("y", np.arange(checked.shape[0]) * step_y, {"units": unit}),
            "x": ("x", np.arange(checked.shape[1]) * step_x, {"units": unit}),
        },
        attrs={
            "source": path.name, "counts": counts, "channel": chosen, "dtype": str(raw.dtype),
            "warnings": tuple(notes),
        },
        name="image",
    )  # fmt: skip


def _check_file(path: Path, kind: str) -> None:
    """Refuse what is no readable picture file before its content is looked at."""
    if path.is_dir():
        raise InputError(f"path {path} is a folder; give one picture file.")
    if not path.is_file():
        raise InputError(f"path {path} does not exist; check its name.")
    if path.stat().st_size == 0:
        raise InputError(f"{path} is empty (0 bytes); export it again.")
    if kind in VIDEOS:
        raise InputError(f"{path} is a video; read it with read_video.")
    if kind not in (*TIFF, *PICTURES, ".npy"):
        raise InputError(
            f"{path} is of no kind that is read as a picture ({kind or 'no suffix'}); "
            "give TIFF, PNG, JPG, BMP or NPY (or a film as GIF, TIFF or NPY)."
        )


def _check_size(path: Path, shape: tuple[int, ...]) -> None:
    """Refuse a picture that would not fit into memory, from its header alone."""
    needed = COPIES_HELD * 8 * int(np.prod(shape[:2], dtype=np.int64))
    free = free_memory_bytes()
    if needed > free:
        raise InputError(
            f"{path} has {shape[0]} x {shape[1]} pixels and needs {needed / 1e9:.1f} GB to be "
            f"read; {free / 1e9:.1f} GB are free: crop it or bin it."
        )


def _unreadable(path: Path, error: Exception) -> InputError:
    """Return the one sentence for a file whose content is not what its name says."""
    reason = str(error).strip().splitlines()[0][:120] if str(error).strip() else "no reason given"
    return InputError(
        f"{path} cannot be read as {path.suffix.lower()[1:].upper()} ({reason.rstrip('.')}); "
        "it is truncated or another kind of file: export it again."
    )


def _stack(path: Path, n_frames: int) -> InputError:
    return InputError(f"{path} is a video of {n_frames} frames; read it with read_video.")


def _read_npy(path: Path) -> NDArray[Any]:
    try:
        header = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise _unreadable(path, error) from None
    if not isinstance(header, np.ndarray):
        raise InputError(f"{path} holds several arrays; save the picture alone with numpy.save.")
    if header.ndim == 3 and header.shape[-1] not in (3, 4):
        raise _stack(path, header.shape[0])
    if header.ndim not in (2, 3):
        raise InputError(f"{path} must hold one picture (rows, columns), got shape {header.shape}.")
    _check_size(path, header.shape)
    return np.array(header)


def _read_tiff(path: Path) -> tuple[NDArray[Any], Scale | None]:
    import tifffile

    try:
        with tifffile.TiffFile(path) as file:
            n_pages = len(file.pages)
            if n_pages > 1:
                series = file.series[0]
                if len(series.shape) == 3 and series.shape[-1] not in (3, 4):
                    raise _stack(path, series.shape[0])
                raise _stack(path, n_pages)
            page = file.pages[0]
            _check_size(path, tuple(page.shape))
            raw = page.asarray()
            scale = _tiff_scale(file)
    except InputError:
        raise
    except Exception as error:  # tifffile and its codecs raise a dozen kinds
        raise _unreadable(path, error) from None
    if raw.ndim == 3 and raw.shape[0] in (3, 4) and raw.shape[-1] not in (3, 4):
        raw = np.moveaxis(raw, 0, -1)
    return np.asarray(raw), scale


def _tiff_scale(file: Any) -> Scale | None:
    """Return the ImageJ scale of a TIFF (x, y, unit); printing resolutions do not count."""
    said = file.imagej_metadata or {}
    unit = UNITS.get(str(said.get("unit", "")).replace("\\u00B5", "µ").strip().lower())
    tags = file.pages[0].tags
    if unit is None or "XResolution" not in tags or "YResolution" not in tags:
        return None
    steps = []
    for name in ("XResolution", "YResolution"):
        top, bottom = tags[name].value
        if top == 0 or bottom == 0:
            return None
        steps.append(bottom / top)
    return steps[0], steps[1], unit


def _read_picture(path: Path) -> NDArray[Any]:
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as picture:
                n_frames = getattr(picture, "n_frames", 1)
                if n_frames > 1:
                    raise _stack(path, n_frames)
                _check_size(path, (picture.height, picture.width))
                into = {"LA": "L"}.get(picture.mode)
                if picture.mode in ("P", "PA", "CMYK", "YCbCr"):
                    into = "RGB"
                raw = np.asarray(picture.convert(into) if into else picture)
    except InputError:
        raise
    except Image.DecompressionBombError as error:
        raise InputError(
            f"{path} is too large for a safe read ({error}); save it as TIFF or crop it."
        ) from None
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, EOFError) as error:
        raise _unreadable(path, error) from None
    return raw


def _one_channel(
    raw: NDArray[Any], path: Path, channel: int | None, as_grey: bool, notes: list[str]
) -> tuple[NDArray[Any], str]:
    """Return one picture (rows, columns) of what the file holds, and which channel it is."""
    if raw.ndim == 2:
        if channel not in (None, 0):
            raise InputError(f"channel must be None or 0: {path} is grey; got {channel}.")
        return raw, "grey"
    if raw.ndim != 3 or raw.shape[-1] not in (3, 4):
        raise InputError(
            f"{path} must hold one picture (rows, columns), got shape {raw.shape}; "
            "read a stack or a film with read_video."
        )
    colours = raw[..., :3]
    if channel is not None:
        if channel not in (0, 1, 2):
            raise InputError(f"channel must be 0, 1 or 2; got {channel}.")
        return colours[..., channel], ("red", "green", "blue")[channel]
    wide = colours.astype(np.float64)
    spread = float((wide.max(axis=-1) - wide.min(axis=-1)).max())
    if spread <= GREY_TOLERANCE_SHARE * max(float(np.ptp(wide)), 1e-300):
        return colours[..., 1], "grey"
    if not as_grey:
        raise InputError(f"{path} is coloured; name a channel (0, 1 or 2) or give as_grey=True.")
    notes.append(
        f"{path.name} is coloured: its luminance was taken, which need not grow with the signal "
        "(false colour); export the picture in grey."
    )
    return wide @ LUMINANCE, "luminance"


def _scale_beside(path: Path, shape: tuple[int, ...]) -> Scale | None:
    """Return the pixel size that a JSON file of the same name gives as a field of view."""
    beside = path.with_suffix(".json")
    if path.suffix.lower() != ".npy" or not beside.is_file():
        return None
    try:
        said = json.loads(beside.read_text(encoding="utf-8"))
        if not isinstance(said, dict):
            return None
        info = said.get("experimental_details", said).get("spatial_info") or said.get(
            "spatial_info"
        )
        if not info:
            return None
        unit = UNITS[str(info.get("field_of_view_units", "nm")).lower()]
        width, height = float(info["field_of_view_x"]), float(info["field_of_view_y"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{beside} gives no usable field of view ({error}); correct it or move it away."
        ) from None
    if not (width > 0 and height > 0 and np.isfinite([width, height]).all()):
        raise InputError(f"{beside} must give a field of view above 0; got {width} x {height}.")
    return width / shape[1], height / shape[0], unit
