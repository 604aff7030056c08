"""From what a user hands over to what a fit of a film needs: frames, times, drive, edges."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from physlearn.checks import InputError, check_array, check_choice
from physlearn.inference.fields.first_guesses import EdgeMode, estimate_noise
from physlearn.lattice_models.fields.forcing import FieldDrive
from physlearn.records.video import check_video

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["FilmData", "film_data", "film_drive", "film_units", "picture_units"]

Floats = NDArray[np.float64]
Drive = Callable[[Floats, NDArray[np.int64]], Floats]

EDGES = ("auto", "periodic", "no_flux", "open")
LEAST_FRAMES = 3
WRAP_EXCESS = 1.3


@dataclass(frozen=True, eq=False)
class FilmData:
    """Frames with zeros where nothing was seen, their weights, and what is known about them."""

    values: Floats
    weights: Floats
    times: Floats
    pixel_size: tuple[float, float]
    length_unit: str
    time_unit: str
    order_unit: str
    edges: str
    noise_guess: float
    drive: NDArray[np.float64] | None

    @property
    def interval(self) -> float:
        """Middle interval between frames."""
        return float(np.median(np.diff(self.times)))


def film_data(
    video: xr.DataArray | ArrayLike, frame_times: ArrayLike | None, edges: str,
    order_unit: str | None,
) -> FilmData:  # fmt: skip
    """Check a film; frames before the first seen one are dropped."""
    import xarray as xr

    if not isinstance(video, xr.DataArray):
        array = check_array("video", video, ndim=3, finite=False)
        video = xr.DataArray(array, dims=("time", "y", "x"))
    if frame_times is not None:
        times = check_array("frame_times", frame_times, shape=(video.sizes["time"],))
        unit = {"units": str(video.coords["time"].attrs.get("units", "frame"))
                if "time" in video.coords else "frame"}  # fmt: skip
        video = video.assign_coords(time=("time", times, unit))
    film = check_video(video)
    values = film.to_numpy()
    seen = ~np.isnan(values)
    first = int(np.argmax(seen.any(axis=(1, 2))))
    n_seen = int(seen.any(axis=(1, 2)).sum())
    if n_seen < LEAST_FRAMES:
        raise InputError(
            f"video must show the field in at least {LEAST_FRAMES} frames; {n_seen} hold pixels "
            "that are not NaN."
        )
    values, seen = np.where(seen, values, 0.0)[first:], seen[first:]
    spacing = []
    for axis in ("x", "y"):
        steps = np.diff(film.coords[axis].to_numpy())
        if np.ptp(steps) > 1e-3 * steps.mean():
            raise InputError(f"the video's {axis} coordinate must be even; interpolate it first.")
        spacing.append(float(steps.mean()))
    noise = estimate_noise(values, seen)
    drive = film.coords["drive"].to_numpy()[first:] if "drive" in film.coords else None
    return FilmData(
        values, seen.astype(float), film.coords["time"].to_numpy()[first:],
        (spacing[0], spacing[1]), str(film.coords["x"].attrs["units"]),
        str(film.coords["time"].attrs["units"]), str(order_unit or film.attrs.get("units", "1")),
        _edges_of(check_choice_of(edges), film, values, seen, noise), noise, drive,
    )  # fmt: skip


def picture_units(image: object) -> tuple[float, str, str]:
    """Return a still picture's pixel size, its unit, and the unit of its values."""
    coordinates, sizes = getattr(image, "coords", {}), []
    for axis in ("y", "x"):
        if axis in coordinates:
            steps = np.diff(np.asarray(coordinates[axis], dtype=float))
            unit = str(coordinates[axis].attrs.get("units", "pixel"))
            if not steps.size or not (steps > 0).all() or np.ptp(steps) > 1e-3 * steps.mean():
                raise InputError(f"the picture's {axis} coordinate must be even and increase.")
            sizes.append((float(steps.mean()), unit))
        else:
            sizes.append((1.0, "pixel"))
    (dy, of_y), (dx, of_x) = sizes
    if of_x != of_y or abs(dx / dy - 1) > 1e-3:
        raise InputError(
            f"a still picture must have square pixels; got {dx:g} {of_x} by {dy:g} {of_y}: "
            "interpolate it first."
        )
    return dx, of_x, str(getattr(image, "attrs", {}).get("units", "1"))


def film_units(film: FilmData) -> dict[str, str]:
    """Units of what a thermal film gives."""
    order = "" if film.order_unit == "1" else f"({film.order_unit})^2 "
    return {
        "landau": "mobility x term, see attrs term_units",
        "mobility": f"{order}{film.length_unit}^2/{film.time_unit}/(energy unit of temperature)",
        "coefficient": "energy unit of temperature x unit of landau / unit of mobility",
        "noise_sd": film.order_unit,
    }


def check_choice_of(edges: str) -> str:
    """Return one of the kinds of edges."""
    check_choice("edges", edges, EDGES)
    return edges


def _edges_of(
    edges: str, film: xr.DataArray, values: Floats, seen: NDArray[np.bool_], noise: float
) -> str:
    """Settle ``auto``: what the simulation says, or periodic where opposite edges continue."""
    if edges != "auto":
        return edges
    told = film.attrs.get("boundary")
    if told in ("periodic", "no_flux"):
        return str(told)
    signs = [_wraps(values, seen, noise, axis) for axis in (1, 2)]
    return "periodic" if min(signs) >= 0 and max(signs) > 0 else "open"


def _wraps(values: Floats, seen: NDArray[np.bool_], noise: float, axis: int) -> int:
    """Whether the last line continues in the first as neighbouring lines do.

    1: it does, and its walls could not do so by chance; 0: it does, without walls; -1: no.
    """
    over = (0, 2 if axis == 1 else 1)

    def excess(distance: int) -> Floats:
        known = seen & np.roll(seen, distance, axis)
        square = np.where(known, (values - np.roll(values, distance, axis)) ** 2, 0.0)
        mean = square.sum(axis=over) / np.maximum(known.sum(axis=over), 1)
        return np.asarray(mean - 2 * noise**2, dtype=np.float64)

    near = excess(1)
    limit = max(WRAP_EXCESS * float(near[1:].max()), 0.2 * noise**2)
    if near[0] > min(limit, 0.3 * float(excess(values.shape[axis] // 2).mean())):
        return -1
    edge = (slice(None), 0) if axis == 1 else (slice(None), slice(None), 0)
    line = values[edge][seen[edge]]
    whole = float(np.var(values[seen])) - noise**2
    return int(line.size > 1 and float(np.var(line)) - noise**2 > 0.05 * whole)


def film_drive(
    drive: FieldDrive | ArrayLike | Callable[[Floats], ArrayLike] | None, film: FilmData,
    n_dropped: int, between: str,
) -> tuple[Drive | None, Floats | None, float, Floats]:  # fmt: skip
    """Return the drive as a function of time and interval, its profile, its size, and samples.

    The samples are the drive at the middle of every interval between frames.
    """
    check_choice("drive_between", between, ("held", "linear"))
    profile: Floats | None = None
    given = film.drive if drive is None else drive
    if given is None:
        return None, None, 0.0, np.zeros(0)
    if isinstance(given, FieldDrive):
        if given.profile is not None:
            profile = check_array("drive.profile", given.profile, shape=film.values.shape[1:])
        given = given.waveform
    if callable(given):
        wave_of = given

        def sampled(times: Floats, intervals: NDArray[np.int64]) -> Floats:
            del intervals
            return check_array("drive", wave_of(times), shape=np.shape(times))

        found: Drive = sampled
    else:
        try:
            wave = np.asarray(given, dtype=float)
        except (TypeError, ValueError):
            raise InputError(
                f"drive must be numbers or a function of time; got {given!r}."
            ) from None
        found = _tabulated(wave, film.times, n_dropped, between)
    middles = 0.5 * (film.times[1:] + film.times[:-1])
    values = found(middles, np.arange(middles.size))
    size = float(np.sqrt(np.mean(values**2)))
    if not np.isfinite(size):
        raise InputError("drive must be finite at all times of the film.")
    return found, profile, size, values


def _tabulated(wave: Floats, times: Floats, n_dropped: int, between: str) -> Drive:
    """Drive from a number or numbers per frame."""
    if wave.ndim:
        wave, total = check_array("drive", wave, ndim=1), times.size + n_dropped
        wave = wave[n_dropped:] if wave.size in (total, total - 1) else wave
        if wave.size not in (times.size, times.size - 1):
            raise InputError(
                f"drive must be a number, a function of time, ({total},) or ({total - 1},) values "
                f"for {total} frames; got {wave.size}."
            )
        if between == "linear" and wave.size != times.size:
            raise InputError("drive_between='linear' needs one drive per frame.")

    def tabulated(moments: Floats, intervals: NDArray[np.int64]) -> Floats:
        if wave.ndim == 0:
            return np.full(np.shape(moments), float(wave))
        return np.interp(moments, times, wave) if between == "linear" else wave[intervals]

    return tabulated


def grid_mode(edges: str) -> EdgeMode:
    """Name of the edges for scipy's filters."""
    return "wrap" if edges == "periodic" else "reflect"


def padded(picture: Floats, margin: int) -> Floats:
    """Widen a picture by what its edge shows, smoothed along the edge."""
    if margin == 0:
        return picture
    wide = np.pad(picture, margin, mode="edge")
    calm = ndimage.gaussian_filter(wide, 2.0, mode="nearest")
    inside = np.zeros(wide.shape, dtype=bool)
    inside[margin:-margin, margin:-margin] = True
    return np.where(inside, wide, calm)
