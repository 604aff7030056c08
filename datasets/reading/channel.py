"""A channel of a file: what it is called, along which axes it runs, and how to load it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from physlearn.checks import InputError
from physlearn.datasets.reading.acquisition import (
    find_conditions,
    metadata_text,
    missing_conditions,
)
from physlearn.datasets.reading.file_checks import check_memory, unreadable
from physlearn.records.storage import html_table, short_repr

__all__ = [
    "Axis",
    "Channel",
    "channel_array",
    "channel_attributes",
    "channel_coordinates",
    "counted",
    "length_unit",
    "name_axes",
    "picture_axes",
]

LENGTHS = {
    "m": (1e9, "nm"), "mm": (1e3, "um"), "µm": (1.0, "um"), "μm": (1.0, "um"), "um": (1.0, "um"),
    "micron": (1.0, "um"), "microns": (1.0, "um"), "micrometer": (1.0, "um"), "nm": (1.0, "nm"),
    "nanometer": (1.0, "nm"), "pm": (1e-3, "nm"), "angstrom": (1.0, "angstrom"),
    "angstroms": (1.0, "angstrom"), "å": (1.0, "angstrom"), "a": (1.0, "angstrom"),
    "ang": (1.0, "angstrom"),
}  # fmt: skip
NM_PER = {"nm": 1.0, "um": 1e3, "angstrom": 0.1}
SECONDS = {"s": 1.0, "sec": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9, "min": 60.0}
X_NAMES = ("x", "width", "column", "columns", "xposition", "positionx")
Y_NAMES = ("y", "height", "row", "rows", "yposition", "positiony")
TIME_NAMES = ("time", "t", "frame", "frames", "imagenumber", "image")
LONGEST_AXIS = 10**8


@dataclass(frozen=True, slots=True, eq=False)
class Axis:
    """One axis of a channel, as the file states it.

    Attributes
    ----------
    name
        "y", "x" and "time" have their meaning; any other is an axis of spectra, such as "bias".
    values
        float64, shape (n,): the value at each place, even steps along x and y.
    unit
        As the file writes it: m to pm and angstrom for x and y, s to ns for time; "" when it
        states none, and the places are then counted.

    Examples
    --------
    >>> Axis("x", np.arange(4) * 0.5, "nm").values.tolist()
    [0.0, 0.5, 1.0, 1.5]
    """

    name: str
    values: NDArray[np.float64]
    unit: str = ""

    __repr__ = short_repr
    _repr_html_ = html_table


@dataclass(frozen=True, slots=True, eq=False)
class Channel:
    """One array of a file, not yet loaded: what a reader returns (see `register_reader`).

    Attributes
    ----------
    name
        What the channel is called in the file.
    axes
        In the order in which ``load`` gives them; y runs downwards after loading.
    load
        Called without arguments when the channel is read; returns real numbers of that shape.
    unit
        Of the numbers, as the file writes it; "" when it states none.
    dtype
        Of the numbers in the file, for the menu.
    metadata
        What else the file says, flat: name -> text or number.
    conditions
        What the format states outright, by our names (dwell, bias).
    texts
        Further attributes of the array.
    notes
        Sentences for its warnings.
    open_array
        Called without arguments, returns an object of that shape that is sliced without being read
        whole (a Zarr array, an HDF5 data set); None where the channel is read at once.

    Examples
    --------
    >>> axes = (Axis("y", np.arange(20.0)), Axis("x", np.arange(30.0)))
    >>> channel = Channel("height", axes, lambda: np.zeros((20, 30)), unit="nm")
    >>> channel.kind, channel.shape
    ('picture', (20, 30))
    """

    name: str
    axes: tuple[Axis, ...]
    load: Callable[[], NDArray[Any]]
    unit: str = ""
    dtype: str = ""
    metadata: Mapping[str, str | float | bool] = field(default_factory=dict)
    conditions: Mapping[str, float] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    open_array: Callable[[], Any] | None = None

    __repr__ = short_repr
    _repr_html_ = html_table

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of places along each axis."""
        return tuple(len(axis.values) for axis in self.axes)

    @property
    def dims(self) -> tuple[str, ...]:
        """Names of the axes."""
        return tuple(axis.name for axis in self.axes)

    @property
    def kind(self) -> str:
        """What it holds: picture, film, spectra (at each pixel), or other."""
        rest = set(self.dims) - {"x", "y"}
        if not {"x", "y"} <= set(self.dims):
            return "other"
        return "picture" if not rest else "film" if rest == {"time"} else "spectra"


def counted(n: int) -> NDArray[np.float64]:
    """Return 0 ... n - 1, or refuse a length that no axis of a picture has (a damaged header)."""
    if not 0 <= n <= LONGEST_AXIS:
        raise InputError(f"an axis of {n} places is announced; the file's header is damaged.")
    return np.arange(n, dtype=np.float64)


def plain(name: str) -> str:
    """Return a name in small letters without anything but letters and digits."""
    return "".join(letter for letter in name.lower() if letter.isalnum())


def name_axes(names: Sequence[str]) -> tuple[str, ...]:
    """Return the axes' names with y, x and time as such; without x and y the last two are y, x."""
    known = [
        "x" if plain(name) in X_NAMES else "y" if plain(name) in Y_NAMES
        else "time" if plain(name) in TIME_NAMES else ""
        for name in names
    ]  # fmt: skip
    if len(names) >= 2 and not ({"x", "y"} <= set(known)):
        known = [("" if found in ("x", "y") else found) for found in known]
        free = [place for place, found in enumerate(known) if found != "time"][-2:]
        if len(free) == 2:
            known[free[0]], known[free[1]] = "y", "x"
    if len(names) == 3 and known.count("") == 1 and {"x", "y"} <= set(known):
        place = known.index("")
        if not names[place].strip() and place == 0:
            known[place] = "time"
    result: list[str] = []
    for place, (found, name) in enumerate(zip(known, names, strict=True)):
        chosen = found or name.strip() or f"axis_{place}"
        result.append(chosen if chosen not in result else f"{chosen}_{place}")
    return tuple(result)


def picture_axes(n_x: int, n_y: int, step_x: float, step_y: float, unit: str) -> tuple[Axis, Axis]:
    """Return the axes y and x of a picture; a step of zero means that none is stated."""
    unit = unit if step_x > 0 and step_y > 0 else ""
    return (
        Axis("y", counted(n_y) * (step_y or 1.0), unit),
        Axis("x", counted(n_x) * (step_x or 1.0), unit),
    )


def length_unit(unit: str) -> tuple[float, str] | None:
    """Return (factor, unit of ours) of a length's unit, or None where it is none."""
    return LENGTHS.get(unit.strip().lower())


def channel_array(channel: Channel, path: Path) -> xr.DataArray:
    """Load a channel with dims (time, y, x, others), its units and what the file says of it."""
    check_memory(path, channel.shape)
    try:
        values = np.asarray(channel.load())
    except InputError:
        raise
    except Exception as error:  # each library raises its own kinds
        raise unreadable(path, error) from None
    if values.shape != channel.shape:
        raise InputError(
            f"{path} announces {channel.shape} values in {channel.name} and holds {values.shape}; "
            "it is truncated: export it again."
        )
    if values.dtype.kind not in "biuf":
        raise InputError(
            f"channel {channel.name} of {path} must hold real numbers, got dtype {values.dtype}; "
            "export its real part or its magnitude."
        )
    notes = list(channel.notes)
    coords, pixel = channel_coordinates(channel, path, notes)
    array = xr.DataArray(
        values.astype(np.float64), dims=channel.dims, coords=coords, name=channel.name
    )
    order = [name for name in ("time", "y", "x") if name in channel.dims]
    array = array.transpose(*order, *[name for name in channel.dims if name not in order])
    for dim in ("y", "x"):
        if dim in array.dims and array.sizes[dim] > 1 and array[dim][1] < array[dim][0]:
            array = array.isel({dim: slice(None, None, -1)})
    array.attrs = channel_attributes(channel, path, pixel, str(values.dtype), notes)
    return array


def channel_attributes(
    channel: Channel, path: Path, pixel: tuple[float, float, str] | None, dtype: str,
    notes: Sequence[str],
) -> dict[str, Any]:  # fmt: skip
    """Return what a loaded channel says of itself."""
    conditions = find_conditions(channel.metadata, channel.conditions, pixel)
    return {
        "source": path.name, "channel": channel.name, "units": channel.unit or "unknown",
        "counts": "unknown", "dtype": channel.dtype or dtype,
        "metadata": metadata_text(channel.metadata), **channel.texts, **conditions,
        "absent": missing_conditions(conditions, pixel is not None),
        "warnings": tuple(notes),
    }  # fmt: skip


def channel_coordinates(
    channel: Channel, path: Path, notes: list[str]
) -> tuple[dict[str, xr.Variable], tuple[float, float, str] | None]:
    """Return the coordinates in units of ours and (step along x, along y, unit), if it is known."""
    found: dict[str, xr.Variable] = {}
    scales = {a.name: length_unit(a.unit) for a in channel.axes if a.name in ("x", "y")}
    lengths = list(scales.values())
    wanted = lengths[0][1] if lengths and lengths[0] is not None else "pixel"
    if not lengths or any(scale is None for scale in lengths):
        stated = sorted({a.unit for a in channel.axes if a.name in scales and a.unit} - {"pixel"})
        because = f" (it states {', '.join(stated)}, which is no length)" if stated else ""
        notes.append(f"{path.name} has no scale{because}: lengths stay in pixels.")
        wanted = "pixel"
    for axis in channel.axes:
        values, unit = axis.values, axis.unit
        if axis.name in scales:
            scale = scales[axis.name]
            if wanted == "pixel" or scale is None:
                values = np.arange(len(values), dtype=np.float64)
            else:
                values = np.asarray(values * (scale[0] * NM_PER[scale[1]] / NM_PER[wanted]))
            unit = wanted
        elif axis.name == "time":
            factor = SECONDS.get(unit.strip().lower())
            values = np.arange(len(values), dtype=np.float64) if factor is None else values * factor
            unit = "frame" if factor is None else "s"
        found[axis.name] = xr.Variable((axis.name,), values, {"units": unit})
    if wanted == "pixel":
        return found, None
    if len(scales) < 2:  # profiles: a pixel has two sides
        return found, None
    steps = [_step(found[name].to_numpy()) for name in ("x", "y")]
    if not all(step > 0 for step in steps):
        raise InputError(f"{path} gives {channel.name} a pixel size of zero; correct its scale.")
    return found, (steps[0], steps[1], wanted)


def _step(values: NDArray[np.float64]) -> float:
    return abs(float(values[-1] - values[0])) / (len(values) - 1) if len(values) > 1 else 1.0
