"""One picture from a file; scale and acquisition kept, or said to be absent."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from physlearn.checks import InputError, check_image
from physlearn.datasets.reading.acquisition import (
    find_conditions,
    flatten_metadata,
    metadata_text,
    missing_conditions,
)
from physlearn.datasets.reading.channel import channel_array
from physlearn.datasets.reading.file_checks import check_file, check_memory, unreadable
from physlearn.datasets.reading.read_channels import FOLDERS, channels_of, has_menu, pick_channel
from physlearn.datasets.reading.tiff_tags import UNITS, Scale, open_tiff, tiff_metadata, tiff_scale
from physlearn.records.json_text import parse_json

__all__ = ["read_image"]

TIFF = (".tif", ".tiff")
PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".gif")
PILLOW = ("PNG", "JPEG", "BMP", "GIF")
"""All others stay closed: Pillow gives PostScript to Ghostscript, whatever the file's name."""
VIDEOS = (".mp4", ".avi", ".mov", ".mkv", ".webm")
LUMINANCE = np.array([0.2126, 0.7152, 0.0722])  # ITU-R BT.709
GREY_TOLERANCE_SHARE = 0.01


def read_image(
    path: str | os.PathLike[str], *, channel: int | str | None = None, as_grey: bool = True
) -> xr.DataArray:
    """Read one picture as float64 with dims (y, x), its unit and what the file says of itself.

    Parameters
    ----------
    path
        TIFF (LZW and other compressions, RGB, 8 or 16 bit, float), PNG, JPG, BMP or NPY; or a file
        with a menu (``list_channels``): HDF5 (NSID, USID), NPZ, netCDF, Zarr, and the files of
        electron and scanning probe microscopes. A JSON file of the same name beside an NPY file
        may give the field of view (``spatial_info``) and how the picture was taken.
    channel
        Colour channel to take (0 red, 1 green, 2 blue), or the number or name of a channel in the
        file's menu; None takes grey, or the only picture there is.
    as_grey
        Turn a coloured picture into its luminance with a warning; False refuses it.

    Returns
    -------
    xarray.DataArray
        Dims (y, x), y downwards; coordinates y and x with attribute ``units`` (``pixel`` when the
        file has no scale). Attributes: ``source``, ``counts`` (``known`` or ``unknown``),
        ``channel``, ``dtype`` of the file, ``warnings``, ``metadata`` (the file's own words, as
        JSON), ``absent`` (what it does not say of scale, dwell time, dose, bias, temperature) and,
        where it says so, ``dwell_time_s``, ``line_time_s``, ``flyback_time_s``, ``frame_time_s``,
        ``dose_e_per_angstrom2``, ``bias_v``, ``temperature_k``, ``beam_energy_kev``,
        ``beam_current_pa``, ``scan_direction``, ``fast_direction``, ``units`` of the values.

    Raises
    ------
    InputError
        One sentence that names the file and what to do: missing, empty, truncated, renamed,
        a film or a stack, several channels and none chosen, constant, NaN, wrong dimensions,
        below 16 x 16, or too large.
    BackendUnavailable
        When the optional library of a format is not installed; it names the extra.

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
    if has_menu(path):
        return _picture_of_menu(path, channel)
    _check_file(path, kind)
    if isinstance(channel, str):
        raise InputError(f"channel must be None, 0, 1 or 2: {path} has no named channels.")
    scale: Scale | None = None
    told: dict[str, Any] = {}
    if kind == ".npy":
        raw = _read_npy(path)
        told = _json_beside(path)
    elif kind in TIFF:
        raw, scale, told = _read_tiff(path)
    else:
        raw, told = _read_picture(path)
    notes: list[str] = []
    values, chosen = _one_channel(raw, path, channel, as_grey, notes)
    if values.dtype.kind not in "biuf":
        raise InputError(f"{path} must hold real numbers, got dtype {values.dtype}; convert it.")
    checked = check_image(values.astype(np.float64), str(path))
    scale = _scale_beside(path, told, checked.shape) or scale
    if scale is None:
        notes.append(f"{path.name} has no scale: lengths stay in pixels.")
    step_x, step_y, unit = scale or (1.0, 1.0, "pixel")
    flat = flatten_metadata(told)
    conditions = find_conditions(flat, None, scale)
    return xr.DataArray(
        checked,
        dims=("y", "x"),
        coords={
            "y": ("y", np.arange(checked.shape[0]) * step_y, {"units": unit}),
            "x": ("x", np.arange(checked.shape[1]) * step_x, {"units": unit}),
        },
        attrs={
            "source": path.name, "counts": "unknown", "channel": chosen, "dtype": str(raw.dtype),
            "metadata": metadata_text(flat), **conditions,
            "absent": missing_conditions(conditions, scale is not None), "warnings": tuple(notes),
        },
        name="image",
    )  # fmt: skip


def _picture_of_menu(path: Path, channel: int | str | None) -> xr.DataArray:
    """Return one picture of a file with several channels; rows never scanned are cut off."""
    chosen = pick_channel(path, channels_of(path), channel, "picture")
    if chosen.kind != "picture":
        raise InputError(
            f"channel {chosen.name} of {path} holds {chosen.kind} of shape {chosen.shape}, not one "
            "picture; read it with read_video or read_channels."
        )
    image = channel_array(chosen, path)
    empty = ~np.isfinite(image.to_numpy()).any(axis=1)
    if empty.any() and not empty.all():
        seen = np.flatnonzero(~empty)
        first, last = int(seen[0]), int(seen[-1])
        cut = len(empty) - (last + 1 - first)
        image = image.isel(y=slice(first, last + 1))
        image.attrs["warnings"] = (
            *image.attrs["warnings"],
            f"{path.name}: the scan was stopped; {cut} of {len(empty)} rows hold nothing and were "
            "cut off.",
        )
    check_image(image.to_numpy(), f"channel {chosen.name} of {path}")
    return image


def _check_file(path: Path, kind: str) -> None:
    """Refuse what is no readable picture file before its content is looked at."""
    check_file(path, "picture", FOLDERS)
    if kind in VIDEOS:
        raise InputError(f"{path} is a video; read it with read_video.")
    if kind not in (*TIFF, *PICTURES, ".npy"):
        raise InputError(
            f"{path} is of no kind that is read as a picture ({kind or 'no suffix'}); give TIFF, "
            "PNG, JPG, BMP, NPY, HDF5, netCDF, Zarr or a microscope's own file (list_channels)."
        )


def _stack(path: Path, n_frames: int) -> InputError:
    return InputError(f"{path} is a video of {n_frames} frames; read it with read_video.")


def _read_npy(path: Path) -> NDArray[Any]:
    try:
        header = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # a damaged header raises many kinds
        raise unreadable(path, error) from None
    if not isinstance(header, np.ndarray):
        raise InputError(f"{path} holds several arrays; save the picture alone with numpy.save.")
    if header.ndim == 3 and header.shape[-1] not in (3, 4):
        raise _stack(path, header.shape[0])
    if header.ndim not in (2, 3):
        raise InputError(f"{path} must hold one picture (rows, columns), got shape {header.shape}.")
    check_memory(path, header.shape[:2])
    return np.array(header)


def _read_tiff(path: Path) -> tuple[NDArray[Any], Scale | None, dict[str, Any]]:
    try:
        with open_tiff(path) as file:
            n_pages = len(file.pages)
            if n_pages > 1:
                series = file.series[0]
                if len(series.shape) == 3 and series.shape[-1] not in (3, 4):
                    raise _stack(path, series.shape[0])
                raise _stack(path, n_pages)
            page = file.pages[0]
            check_memory(path, tuple(page.shape)[:2])
            raw = page.asarray()
            scale = tiff_scale(file)
            told = tiff_metadata(file)
    except InputError:
        raise
    except Exception as error:  # tifffile and its codecs raise a dozen kinds
        raise unreadable(path, error) from None
    if raw.ndim == 3 and raw.shape[0] in (3, 4) and raw.shape[-1] not in (3, 4):
        if raw.dtype.kind == "f":  # a stack that its writer took for colours
            raise _stack(path, raw.shape[0])
        raw = np.moveaxis(raw, 0, -1)
    return np.asarray(raw), scale, told


def _read_picture(path: Path) -> tuple[NDArray[Any], dict[str, Any]]:
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path, formats=PILLOW) as picture:
                n_frames = getattr(picture, "n_frames", 1)
                if n_frames > 1:
                    raise _stack(path, n_frames)
                check_memory(path, (picture.height, picture.width))
                into = {"LA": "L"}.get(picture.mode)
                if picture.mode in ("P", "PA", "CMYK", "YCbCr"):
                    into = "RGB"
                raw = np.asarray(picture.convert(into) if into else picture)
                told = {
                    str(key): value for key, value in picture.info.items()
                    if isinstance(value, str | int | float)
                }  # fmt: skip
    except InputError:
        raise
    except Image.DecompressionBombError as error:
        raise InputError(
            f"{path} is too large for a safe read ({error}); save it as TIFF or crop it."
        ) from None
    except Exception as error:  # Pillow's readers raise many kinds
        raise unreadable(path, error) from None
    return raw, told


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
    layers = raw.shape[-1]
    if raw.dtype.kind == "f" and not (np.nanmin(raw) >= 0 and np.nanmax(raw) <= 1):
        if channel is None or not 0 <= channel < layers:
            raise InputError(
                f"{path} holds {layers} layers of real numbers, which are no colours; name one "
                f"with --picture (in Python channel=), 0 to {layers - 1}; got {channel}."
            )
        return raw[..., channel], f"layer {channel}"
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


def _json_beside(path: Path) -> dict[str, Any]:
    """Return what a JSON file of the same name beside an NPY file says of the picture."""
    beside = path.with_suffix(".json")
    if path.suffix.lower() != ".npy" or not beside.is_file():
        return {}
    try:
        said = parse_json(beside.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise InputError(
            f"{beside} gives no usable field of view ({error}); correct it or move it away."
        ) from None
    return said if isinstance(said, dict) else {}


def _scale_beside(path: Path, said: dict[str, Any], shape: tuple[int, ...]) -> Scale | None:
    """Return the pixel size of a stated field of view: its width over the number of pixels."""
    beside = path.with_suffix(".json")
    try:
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
