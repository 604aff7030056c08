"""What a TIFF file says of itself: ImageJ, OME, FEI and Zeiss metadata, and the scale in them."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

from physlearn.datasets.reading.channel import length_unit

if TYPE_CHECKING:
    from tifffile import TiffFile

__all__ = ["UNITS", "Scale", "open_tiff", "tiff_metadata", "tiff_scale"]

Scale = tuple[float, float, str]
UNITS = {
    "nm": "nm", "um": "um", "µm": "um", "micron": "um", "angstrom": "angstrom", "å": "angstrom",
    "a": "angstrom",
}  # fmt: skip
OME_SIZE = re.compile(r'PhysicalSize([XY])="([^"]+)"')
OME_UNIT = re.compile(r'PhysicalSize([XY])Unit="([^"]+)"')
NM_PER_M = 1e9


def open_tiff(path: str | os.PathLike[str]) -> TiffFile:
    """Open a TIFF, without the other files that it may name, its pages counted.

    A chain of pages that bites its tail ends in the count; series would follow it for ever.
    """
    import tifffile

    file = tifffile.TiffFile(path, _multifile=False)
    len(file.pages)
    return file


def tiff_metadata(file: Any) -> dict[str, Any]:
    """Return what ImageJ, a microscope or the writer left in a file's tags."""
    told: dict[str, Any] = {}
    for name in ("imagej_metadata", "fei_metadata", "sem_metadata", "metaseries_metadata"):
        found = getattr(file, name, None)
        if found:
            told |= dict(found)
    tags = file.pages[0].tags
    for name in ("ImageDescription", "Software", "DateTime", "Artist", "Make", "Model"):
        if name in tags and isinstance(tags[name].value, str):
            told.setdefault(name, tags[name].value)
    return told


def tiff_scale(file: Any) -> Scale | None:
    """Return the scale of a TIFF (x, y, unit); printing resolutions do not count."""
    return _imagej_scale(file) or _ome_scale(file) or _microscope_scale(file)


def _imagej_scale(file: Any) -> Scale | None:
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


def _ome_scale(file: Any) -> Scale | None:
    """Return the pixel size of OME's first image; its unit is micrometre where none is stated."""
    text = file.ome_metadata
    if not text:
        return None
    sizes, units = dict(OME_SIZE.findall(text)), dict(OME_UNIT.findall(text))
    steps = []
    for axis in ("X", "Y"):
        known = length_unit(units.get(axis, "um"))
        try:
            size = float(sizes[axis])
        except (KeyError, ValueError):
            return None
        if known is None or not size > 0:
            return None
        steps.append((size * known[0], known[1]))
    if steps[0][1] != steps[1][1]:
        return None
    return steps[0][0], steps[1][0], steps[0][1]


def _microscope_scale(file: Any) -> Scale | None:
    """Return the pixel size that an FEI or Zeiss scanning microscope left (metres)."""
    scan = (file.fei_metadata or {}).get("Scan", {})
    sizes = [scan.get("PixelWidth"), scan.get("PixelHeight")]
    if not all(isinstance(size, float) and size > 0 for size in sizes):
        stated = (file.sem_metadata or {}).get("ap_image_pixel_size", ())
        known = length_unit(str(stated[2])) if len(stated) > 2 else None
        if known is None or not isinstance(stated[1], int | float) or not stated[1] > 0:
            return None
        return stated[1] * known[0], stated[1] * known[0], known[1]
    return sizes[0] * NM_PER_M, sizes[1] * NM_PER_M, "nm"
