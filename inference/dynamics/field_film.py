"""From a video to what the search of a field's law takes: one or two fields on one grid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError, check_array
from physlearn.inference.dynamics.field_library import RESERVED
from physlearn.inference.dynamics.field_options import FieldLawOptions
from physlearn.inference.laws.expression import OPERATIONS

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["FieldFilm", "read_film"]

Floats = NDArray[np.float64]

FEWEST_FRAMES = 12
FEWEST_PIXELS = 16
EVEN = 1e-3


@dataclass(frozen=True, eq=False)
class FieldFilm:
    """Fields (n_fields, n_frames, n_rows, n_columns), zero where unseen, and their grid.

    Units are "frame" and "pixel" where a coordinate lacks, and empty where it does not say its own.
    """

    names: tuple[str, ...]
    values: Floats
    seen: NDArray[np.bool_]
    times: Floats
    spacing: tuple[float, float]
    flat: bool
    periodic: bool
    line_time: float
    drive: Floats | None
    time_unit: str
    length_unit: str
    field_units: tuple[str, ...]

    @property
    def interval(self) -> float:
        """Middle interval between frames."""
        return float(np.median(np.diff(self.times)))


def read_film(
    video: xr.DataArray | xr.Dataset | Mapping[str, xr.DataArray], options: FieldLawOptions
) -> FieldFilm:
    """Check a film of one or two fields; frames in which nothing was seen are dropped.

    Raises
    ------
    InputError
        For other dims, too few frames or pixels, an uneven grid, times that do not increase, a
        constant or infinite film, or fields that do not share a grid, times, drive or line time.
    """
    films = _films_of(video)
    first = next(iter(films.values()))
    flat = "y" not in first.dims or first.sizes["y"] == 1
    arrays = [_values_of(name, film, first) for name, film in films.items()]
    for name, film in films.items():
        _check_shared(name, film, first)
    times, time_unit = _axis(first, "time", "frame")
    if (np.diff(times) <= 0).any():
        where = int(np.argmax(np.diff(times) <= 0))
        raise InputError(
            f"the video's times must increase; frame {where + 1} is at {times[where + 1]:g} after "
            f"{times[where]:g}: sort the frames and drop repeated ones."
        )
    spacing = (1.0 if flat else _spacing(first, "y"), _spacing(first, "x"))
    values = np.stack(arrays)
    seen = np.asarray(~np.isnan(values).any(axis=0))
    kept = np.asarray(seen.reshape(len(seen), -1).any(axis=1))
    if int(kept.sum()) < FEWEST_FRAMES:
        raise InputError(
            f"video must show the field in at least {FEWEST_FRAMES} frames for its law; "
            f"{int(kept.sum())} of {len(kept)} hold pixels that are not NaN."
        )
    for name, field in zip(films, values, strict=True):
        if np.nanmin(field) == np.nanmax(field):
            raise InputError(f"video is constant ({name}): nothing moves; check the export.")
    drive = None
    if "drive" in first.coords:
        drive = check_array("drive", first.coords["drive"].to_numpy(), shape=(len(times),))[kept]
    line_time = options.line_time
    if line_time is None:
        line_time = float(first.attrs.get("line_time", 0.0))
    boundary = first.attrs.get("boundary")
    periodic = options.edges == "periodic" or (options.edges == "auto" and boundary == "periodic")
    return FieldFilm(
        tuple(films), np.where(seen, np.nan_to_num(values), 0.0)[:, kept], seen[kept], times[kept],
        spacing, flat, periodic, line_time, drive, time_unit, _axis(first, "x", "pixel")[1],
        tuple(str(film.attrs.get("units", "1")) for film in films.values()),
    )  # fmt: skip


def _films_of(video: Any) -> dict[str, xr.DataArray]:
    import xarray as xr

    if isinstance(video, xr.DataArray):
        name = str(video.name) if video.name is not None else "u"
        return {
            name if name.isidentifier() and name not in {*RESERVED, *OPERATIONS} else "u": video
        }
    if isinstance(video, xr.Dataset):
        films = {str(name): video[name] for name in video.data_vars}
    elif isinstance(video, Mapping):
        films = dict(video)
    else:
        raise InputError(
            "video must be an xarray.DataArray with dims (time, y, x) or (time, x), a Dataset or a "
            f"dict of two of them; got {type(video).__name__}."
        )
    if not 1 <= len(films) <= 2:
        raise InputError(f"video must hold one or two fields; got {len(films)}: choose two.")
    for name, film in films.items():
        if not isinstance(film, xr.DataArray):
            raise InputError(f"video[{name!r}] must be a DataArray; got {type(film).__name__}.")
        if not str(name).isidentifier() or name in RESERVED:
            raise InputError(f"fields must be named by words other than {RESERVED}; got {name!r}.")
        if name in OPERATIONS:
            raise InputError(f"fields must not be named like an operation; rename {name!r}.")
    return films


def _values_of(name: str, film: xr.DataArray, first: xr.DataArray) -> Floats:
    dims = set(film.dims)
    if dims not in ({"time", "y", "x"}, {"time", "x"}):
        raise InputError(
            "video must have dims (time, y, x) or (time, x); "
            f"{name!r} has {', '.join(map(str, film.dims))}."
        )
    if dict(film.sizes) != dict(first.sizes):
        raise InputError(
            f"the fields must share one grid; {name!r} has {dict(film.sizes)}, "
            f"the first {dict(first.sizes)}."
        )
    if film.sizes["time"] < FEWEST_FRAMES:
        raise InputError(
            f"video must have at least {FEWEST_FRAMES} frames for a law of its motion; "
            f"{name!r} has {film.sizes['time']}."
        )
    for dim in dims - {"time"}:
        if film.sizes[dim] < FEWEST_PIXELS and not (dim == "y" and film.sizes[dim] == 1):
            raise InputError(
                f"video must have at least {FEWEST_PIXELS} pixels along {dim}; "
                f"{name!r} has {film.sizes[dim]}."
            )
    if "y" not in dims:
        film = film.expand_dims("y")
    if film.dtype.kind not in "iuf":
        raise InputError(f"{name} must hold numbers, one a pixel; got {film.dtype}.")
    values = check_array(name, film.transpose("time", "y", "x").to_numpy(), ndim=3, finite=False)
    if np.isinf(values).any():
        raise InputError(f"{name} must not hold infinite values; mark pixels not seen with NaN.")
    return values


def _check_shared(name: str, film: xr.DataArray, first: xr.DataArray) -> None:
    """Refuse a field whose coordinates, drive, line time or boundary are not the first's."""
    for dim in ("time", "y", "x", "drive"):
        if dim == "drive" and (dim in film.coords) != (dim in first.coords):
            raise InputError(
                f"the fields must share one drive; only one of them has it ({name!r})."
            )
        if dim not in film.dims and not (dim == "drive" and dim in film.coords):
            continue
        (own, unit), (wanted, first_unit) = _axis(film, dim, ""), _axis(first, dim, "")
        size = np.abs(np.diff(wanted)).min() if len(wanted) > 1 else 1.0
        apart = np.abs(own - wanted) > (0.0 if dim == "drive" else EVEN * size)
        if apart.any():
            where = int(np.argmax(apart))
            raise InputError(
                f"the fields must share one {dim} coordinate; at index {where} {name!r} has "
                f"{own[where]:.6g}, the first {wanted[where]:.6g}: interpolate one onto the other."
            )
        if unit != first_unit:
            raise InputError(
                f"the fields must share the unit of {dim}; {name!r} has {unit!r}, the first "
                f"{first_unit!r}."
            )
    for key, none in (("line_time", 0.0), ("boundary", None)):
        if film.attrs.get(key, none) != first.attrs.get(key, none):
            raise InputError(
                f"the fields must share the attribute {key}; {name!r} has "
                f"{film.attrs.get(key, none)}, the first {first.attrs.get(key, none)}."
            )


def _axis(film: xr.DataArray, dim: str, unit: str) -> tuple[Floats, str]:
    if dim not in film.coords:
        return np.arange(film.sizes[dim], dtype=np.float64), unit
    coordinate = film.coords[dim]
    return check_array(dim, coordinate.to_numpy(), ndim=1), str(coordinate.attrs.get("units", ""))


def _spacing(film: xr.DataArray, dim: str) -> float:
    steps = np.diff(_axis(film, dim, "pixel")[0])
    if not (steps > 0).all():
        raise InputError(f"the video's {dim} coordinate must increase.")
    if np.ptp(steps) > EVEN * steps.mean():
        raise InputError(
            f"the video's {dim} coordinate must be even (steps from {steps.min():g} to "
            f"{steps.max():g}); interpolate it onto an even grid first."
        )
    return float(steps.mean())
