"""The wall map of a still picture: contours with errors, neither velocities nor events."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from physlearn.checks import InputError, NotIdentified, check_array
from physlearn.datasets.contours.wall_contours import Contour
from physlearn.datasets.frames.scaled_film import plain_film
from physlearn.datasets.frames.still_levels import (
    ANTIPARALLEL,
    StillPicture,
    complex_picture,
    scale_picture,
)
from physlearn.datasets.walls.track_options import TrackWallsOptions
from physlearn.datasets.walls.track_walls import (
    FoundWalls,
    film_warnings,
    fit_frames,
    pixel_size,
    track_of,
)
from physlearn.datasets.walls.wall_appearance import Scene, measure_scene
from physlearn.datasets.walls.wall_events import FollowedWalls
from physlearn.records import WallTrack
from physlearn.records.atoms import LENGTH_UNITS

__all__ = ["find_walls"]

Floats = NDArray[np.float64]

SIDE_WIDTHS, SIDE_PIXEL = 2.0, 3.0


def find_walls(
    image: xr.DataArray | xr.Dataset | NDArray[np.generic],
    options: TrackWallsOptions | None = None,
) -> WallTrack:
    """Map the walls between antiparallel domains in one picture, to a fraction of a pixel.

    The contours are fitted as in `track_walls`; the noise is the picture's own, away from its
    walls. A complex response ``A exp(i phase)`` is turned onto the axis of its two phases, and
    where its amplitude varies from domain to domain it is divided by the local amplitude (over 5
    pixels); pixels where the response does not stand out of the noise count as not seen. A wall
    is kept where the phases on its two sides differ by 180 degrees within 35.

    Parameters
    ----------
    image
        DataArray (y, x) or array, real or complex; or a Dataset with ``amplitude`` and ``phase``
        (radians; degrees where its attribute ``units`` says so), as piezoresponse pictures have
        them. NaN marks pixels not seen. Of a real picture the illumination must be even.
    options
        `TrackWallsOptions`; those of motion in time are not used. ``normalize=False`` takes a real
        picture as it is, -1 and +1 in the domains.

    Returns
    -------
    WallTrack
        Of one frame at time 0, every contour a wall of its own; no events, ``normal_velocity``
        NaN. ``metadata`` also holds ``phase_step`` (degrees between the two kinds of domains),
        ``wall_phase_steps`` {wall: degrees} and ``n_pixels_dark``.

    Raises
    ------
    InputError
        If ``image`` or an option cannot be used.
    NotIdentified
        When the picture holds no two levels or no two opposite phases: stripes in the amplitude
        only, topography, noise.

    Notes
    -----
    A complex offset is not removed: in one picture it cannot be told from domains whose responses
    differ in amplitude. The positive domain is the one with a phase in (-90, 90] degrees.

    Examples
    --------
    >>> y, x = np.mgrid[:64, :64]
    >>> noise = np.random.default_rng(0).normal(0, 0.1, (2, 64, 64))
    >>> response = np.tanh((x - 30.3) / 2) * np.exp(0.5j) + noise[0] + 1j * noise[1]
    >>> found = find_walls(response)
    >>> len(found.walls), round(float(found.table["x"].mean()), 1)
    (1, 30.3)
    """
    chosen = TrackWallsOptions() if options is None else options
    if not isinstance(chosen, TrackWallsOptions):
        raise InputError(f"options must be TrackWallsOptions; got {type(chosen).__name__}.")
    picture = _picture_of(image)
    if chosen.normalize or np.iscomplexobj(picture.to_numpy()):
        still = scale_picture(picture.to_numpy()[0])
    else:
        values = np.asarray(picture.to_numpy()[0], dtype=np.float64)
        typical = float(np.nanmedian(np.abs(values))) if np.isfinite(values).any() else 0.0
        if not 0.5 < typical < 1.5:
            raise InputError(
                "image must be -1 and +1 in its domains with normalize=False; the median of its "
                f"size is {typical:.3g}."
            )
        still = StillPicture(values, None, float("nan"), 0.0, False, 0)
    video = picture.copy(data=np.ascontiguousarray(still.values)[None])
    video.attrs["frame_level_error"] = [still.level_error]
    scale = pixel_size(video)
    scene = measure_scene(plain_film(video.to_numpy()), chosen)
    found = fit_frames(scene, None)
    contours, steps, n_left_out = _antiparallel(found.frames[0], still, scene)
    if not contours:
        reason = (
            f"; the phase steps across {n_left_out} contours are not 180 degrees"
            if n_left_out else ""
        )  # fmt: skip
        raise NotIdentified(f"image shows no wall longer than the shortest looked for{reason}.")
    found = FoundWalls([contours], found.domains, found.excess)
    walls = list(range(len(contours)))
    followed = FollowedWalls([walls], _no_events())
    warnings = (*film_warnings(video, scene, found), *_warnings(still, len(contours), n_left_out))
    track = track_of(video, scene, found, followed, chosen, scale, 0.0, warnings)
    more = {
        "phase_step": still.phase_step,
        "wall_phase_steps": dict(zip(walls, steps, strict=True)),
        "n_pixels_dark": still.n_dark,
        "divided_by_local_amplitude": still.local,
    }
    return replace(track, metadata={**track.metadata, **more})


def _picture_of(image: xr.DataArray | xr.Dataset | NDArray[np.generic]) -> xr.DataArray:
    """One frame (time, y, x) with coordinates that increase."""
    if isinstance(image, xr.Dataset):
        image = complex_picture(image)
    elif not isinstance(image, xr.DataArray):
        given = np.asarray(image)
        if given.ndim != 2 or given.dtype.kind not in "fiubc":
            raise InputError(
                "image must hold numbers in 2 dimensions (y, x); got "
                f"{given.dtype} with shape {given.shape}."
            )
        image = xr.DataArray(given, dims=("y", "x"))
    if "time" in image.dims:
        if image.sizes["time"] != 1:
            raise InputError(
                f"image must be one picture, got {image.sizes['time']} frames: use track_walls."
            )
        image = image.isel(time=0)
    if set(image.dims) != {"y", "x"}:
        raise InputError(f"image must have dims y and x; got {', '.join(map(str, image.dims))}.")
    image = image.transpose("y", "x")
    values = image.to_numpy()
    values = values.astype(np.complex128 if np.iscomplexobj(values) else np.float64)
    coords = {"time": xr.Variable("time", [0.0], attrs={"units": "frame"})}
    for axis in ("y", "x"):
        if axis in image.coords:
            numbers = check_array(axis, image.coords[axis].to_numpy(), ndim=1)
            unit = str(image.coords[axis].attrs.get("units", "pixel"))
        else:
            numbers, unit = np.arange(image.sizes[axis], dtype=np.float64), "pixel"
        if (np.diff(numbers) <= 0).any():
            raise InputError(f"the image's {axis} coordinate must increase.")
        if unit not in LENGTH_UNITS:
            raise InputError(
                f"the unit of {axis} must be one of {', '.join(LENGTH_UNITS)}; got {unit!r}."
            )
        coords[axis] = xr.Variable(axis, numbers, attrs={"units": unit})
    return xr.DataArray(values[None], dims=("time", "y", "x"), coords=coords)


def _antiparallel(
    contours: list[Contour], still: StillPicture, scene: Scene
) -> tuple[list[Contour], list[float], int]:
    """Walls across which the phase turns by half, their phase steps, and how many were left out."""
    if still.response is None:
        return contours, [float("nan")] * len(contours), 0
    away = max(SIDE_WIDTHS * scene.model.width, SIDE_PIXEL)
    steps = []
    for contour in contours:
        sides = []
        for sign in (-1.0, 1.0):
            x, y = (contour.points + sign * away * contour.normals).T
            rows, columns = np.rint(y).astype(int), np.rint(x).astype(int)
            inside = (
                (rows >= 0) & (rows < still.values.shape[0])
                & (columns >= 0) & (columns < still.values.shape[1])
            )  # fmt: skip
            sides.append(complex(np.nansum(still.response[rows[inside], columns[inside]])))
        steps.append(abs(float(np.degrees(np.angle(sides[0] * np.conj(sides[1]))))))
    kept = [180.0 - step <= ANTIPARALLEL for step in steps]
    return (
        [contour for contour, keep in zip(contours, kept, strict=True) if keep],
        [step for step, keep in zip(steps, kept, strict=True) if keep],
        len(kept) - sum(kept),
    )


def _no_events() -> pd.DataFrame:
    """Return the table of events of a picture, which has none."""
    numbers = dict.fromkeys(("frame", "wall", "other"), np.int64)
    places = dict.fromkeys(("x", "y", "time"), np.float64)
    columns: dict[str, list[float]] = {
        name: [] for name in ("frame", "wall", "kind", "other", "x", "y", "time")
    }
    return pd.DataFrame(columns).astype(numbers | places | {"kind": str})


def _warnings(still: StillPicture, n_kept: int, n_left_out: int) -> tuple[str, ...]:
    """List what a user must know of the picture's scale."""
    texts = []
    if still.local:
        texts.append(
            "the amplitude varies over the picture, which was divided by its local amplitude: the "
            "wall width is that of the divided picture, not of the polarisation"
        )
    if still.n_dark:
        share = still.n_dark / still.values.size
        texts.append(f"{share:.0%} of the picture shows no response above the noise: no walls "
                     "are looked for there")  # fmt: skip
    if n_left_out:
        texts.append(
            f"{n_left_out} contours were left out: across them the phase does not step by 180 "
            f"degrees within {ANTIPARALLEL:.0f}"
        )
    if n_left_out > n_kept:
        texts.append(
            "most contours were left out: the picture holds more than two phases, and its map "
            "shows only some of its walls"
        )
    return tuple(texts)
