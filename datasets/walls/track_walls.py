"""From a domain video to walls: sub-pixel contours with errors, identities, events."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from physlearn.checks import InputError, NotIdentified
from physlearn.datasets.contours.wall_contours import Contour
from physlearn.datasets.frames.scaled_film import ScaledFrame, plain_film, prepare_film
from physlearn.datasets.walls.domain_kernels import fine_domains
from physlearn.datasets.walls.film_input import SET_ASIDE, line_time_of, video_of
from physlearn.datasets.walls.track_options import TrackWallsOptions
from physlearn.datasets.walls.wall_appearance import Scene, measure_scene
from physlearn.datasets.walls.wall_events import FollowedWalls, follow_walls
from physlearn.datasets.walls.wall_necks import DomainStore
from physlearn.datasets.walls.wall_regions import sign_taps
from physlearn.datasets.walls.wall_velocities import measure_velocities
from physlearn.records import WallTrack

__all__ = ["TrackWallsOptions", "track_walls"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
logger = logging.getLogger(__name__)

LARGEST_EXCESS = 1.1
OWN_SIGN_BELOW = 0.6
"""Where the smoothed frame lies nearer to zero, the sign of single pixels tells the domain."""
LARGEST_UNEXPLAINED = 0.5
"""Variance beside the walls beyond the noise, in half contrasts squared, that no step leaves."""
UNEVEN = 0.02
THIN_WALL_PIXEL = 0.75
PIXEL_SD = 12**-0.5
"""Of a place that may lie anywhere in a pixel."""
BLURRED_STEP_PIXEL, STEP_VARIANCE = 1.3, 0.03
"""Sharp steps between pixels pass for walls of about one pixel that leave this variance."""


@dataclass(frozen=True, slots=True, eq=False)
class FoundWalls:
    """Contours and positive domains of every frame, and the misfit."""

    frames: list[list[Contour]]
    domains: DomainStore
    excess: Floats


def track_walls(
    video: xr.DataArray | xr.Dataset | list[NDArray[np.float64]],
    options: TrackWallsOptions | None = None,
    *,
    progress: Callable[[float], None] | None = None,
) -> WallTrack:
    """Find the walls between two kinds of domains in every frame, to a fraction of a pixel.

    Seeds are the zero level of the smoothed, normalised frame. Each contour point is then the
    maximum-likelihood place of a tanh profile along the local normal, fitted to the raw pixels
    that are nearest to that point; its error is the bound for the measured noise and the noise's
    autocorrelation.

    Parameters
    ----------
    video
        DataArray (time, y, x), optionally with the coordinate ``drive`` along time; NaN marks
        pixels or frames that are missing. A complex one, or a Dataset with ``amplitude`` and
        ``phase`` (radians; degrees where its attribute ``units`` says so), is projected on the
        axis between its two domains, which leaves out a complex offset. A list of frames is taken
        at times 0, 1, 2 ...
    options
        `TrackWallsOptions`.
    progress
        Called with the finished share, 0 to 1.

    Returns
    -------
    WallTrack
        In the units of the video; pixels and frames where it has none. ``metadata`` holds
        ``wall_width``, ``noise_sd`` (fraction of half the contrast), the smoothing lengths,
        ``missing_frames`` and ``frame_shift_error`` (one a frame: error along the normals that all
        its walls share). ``warnings`` say which frames were left out and why. ``curvature`` is that
        of the wall smoothed over ``smoothing_length``, and ``curvature_error`` holds the pixel
        noise only: what is rough below that length is in neither.

    Raises
    ------
    InputError
        If ``video`` or an option cannot be used.
    NotIdentified
        If there are no walls: one level only, noise without domains, intensity that changes
        gradually, or outlines instead of domains.

    Notes
    -----
    With noise sd n (in half contrasts) and width w the error of a point that owns one pixel of
    wall is at best n sqrt(3 w / 4) pixels: 0.12 for n = 0.1 and w = 2.

    Examples
    --------
    >>> from physlearn.datasets import make_wall_video
    >>> track = track_walls(make_wall_video(n_frames=3, rng=1).video)
    >>> len(track.walls), round(float(track.table["normal_error"].median()), 2)
    (4, 0.12)
    """
    chosen = options or TrackWallsOptions()
    checked, told = video_of(video)
    scale = pixel_size(checked)
    values = checked.to_numpy()
    film = prepare_film(values) if chosen.normalize else plain_film(values)
    scene = measure_scene(film, chosen)
    return followed_track(checked, scale, scene, fit_frames(scene, progress), chosen, told)


def followed_track(
    video: xr.DataArray,
    scale: float,
    scene: Scene,
    found: FoundWalls,
    options: TrackWallsOptions,
    told: tuple[str, ...],
) -> WallTrack:
    """Follow the contours of all frames, and measure their velocities.

    Of ``video`` only coordinates and attributes are used; ``scale``: edge of a pixel; ``told``:
    sentences for the warnings.
    """
    if not any(found.frames):
        raise NotIdentified("video shows no wall longer than the shortest that is looked for.")
    times = video["time"].to_numpy()
    followed = follow_walls(
        found.frames, found.domains, times, seen=scene.film.seen, usable=scene.film.present,
        reach=options.largest_step_pixel,
    )  # fmt: skip
    line_time = line_time_of(video, options)
    warnings = (*told, *film_warnings(video, scene, found))
    track = track_of(video, scene, found, followed, options, scale, line_time, warnings)
    return measure_velocities(track)


def fit_frames(scene: Scene, progress: Callable[[float], None] | None) -> FoundWalls:
    """Fit the contours of every frame."""
    film = scene.film
    space = film.buffer()
    n_frames = len(film.present)
    frames: list[list[Contour]] = []
    domains = np.zeros((n_frames, *film.seen.shape), dtype=bool)
    excess = np.full(n_frames, np.nan)
    for index in range(n_frames):
        contours, excess[index] = fit_frame(scene, index, space, domains[index])
        frames.append(contours)
        if progress is not None:
            progress((index + 1) / n_frames)
    found = FoundWalls(frames, domains, excess)
    check_explained(scene, found)
    return found


def fit_frame(
    scene: Scene, index: int, space: ScaledFrame, domains: Mask
) -> tuple[list[Contour], float]:
    """Fit the contours of one frame, and fill its positive ``domains`` (rows, columns).

    Returns the contours and the variance of the pixels near them in noise variances (NaN without).
    """
    film, model, finder = scene.film, scene.model, scene.finder
    contours: list[Contour] = []
    excess = np.nan
    if film.present[index]:
        frame = film.scale(index, space)
        points, ends, closed, smooth = finder.seed(frame, model)
        fine_domains(frame.pixels, smooth, OWN_SIGN_BELOW, sign_taps(model.noise_sd), domains)
        fit = finder.fit(frame, model, points, ends, closed)
        if fit is not None:
            contours = finder.contours(model, fit)
            free = max(fit.residual[1] - len(fit.nodes), 1.0)
            excess = float(fit.residual[0] / free / model.noise_sd**2)
    return contours, excess


def check_explained(scene: Scene, found: FoundWalls) -> None:
    """Refuse a film whose contours are no steps between two levels."""
    unexplained = (_excess(found) - 1.0) * scene.model.noise_sd**2
    if unexplained > LARGEST_UNEXPLAINED:
        raise NotIdentified(
            "video does not step from one level to another at its walls: the pixels beside them "
            f"lie off by {np.sqrt(unexplained):.1f} half contrasts; lines or outlines are no "
            "domains: give the film they were drawn from."
        )


def track_of(
    video: xr.DataArray,
    scene: Scene,
    found: FoundWalls,
    followed: FollowedWalls,
    options: TrackWallsOptions,
    scale: float,
    line_time: float,
    warnings: tuple[str, ...],
) -> WallTrack:
    """Put all contours into one table, in the units of the video."""
    times = video["time"].to_numpy()
    origin = float(video["x"][0]), float(video["y"][0])
    lines = [contour for contours in found.frames for contour in contours]
    counts = [len(contour.points) for contour in lines]
    frame_of = np.repeat(np.arange(len(times)), [len(contours) for contours in found.frames])
    wall_of = np.array([wall for walls in followed.walls for wall in walls], dtype=np.int64)
    frame, wall = np.repeat(frame_of, counts), np.repeat(wall_of, counts)
    points = np.concatenate([contour.points for contour in lines])
    normals = np.concatenate([contour.normals for contour in lines])
    typical = _excess(found)
    inflation = np.sqrt(typical) if typical > LARGEST_EXCESS else 1.0
    within = PIXEL_SD if _unresolved(scene, typical) else 0.0
    joined = {
        name: np.concatenate([getattr(contour, name) for contour in lines])
        for name in ("normal_error", "arc_length", "curvature", "curvature_error")
    }
    table = pd.DataFrame({
        "frame": frame,
        "wall": wall,
        "time": times[frame] + line_time * points[:, 1],
        "x": origin[0] + scale * points[:, 0],
        "y": origin[1] + scale * points[:, 1],
        "normal_x": normals[:, 0],
        "normal_y": normals[:, 1],
        "normal_error": scale * np.hypot(inflation * joined["normal_error"], within),
        "error_correlation_length": scale
        * np.repeat([contour.correlation_length for contour in lines], counts),
        "arc_length": scale * joined["arc_length"],
        "curvature": joined["curvature"] / scale,
        "curvature_error": inflation * joined["curvature_error"] / scale,
        "normal_velocity": np.nan,
    })  # fmt: skip
    events = followed.events.copy()
    for name, start in zip(("x", "y"), origin, strict=True):
        if name in events:
            events[name] = start + scale * events[name].to_numpy(dtype=np.float64)
    closed: dict[int, bool] = {}
    for one, contour in zip(wall_of.tolist(), lines, strict=True):
        closed[one] = closed.get(one, True) and contour.closed
    return WallTrack(
        table,
        times,
        unit=str(video["x"].attrs["units"]),
        time_unit=str(video["time"].attrs["units"]),
        events=events,
        drive=video["drive"].to_numpy() if "drive" in video.coords else None,
        drive_unit=str(video["drive"].attrs.get("units", "")) if "drive" in video.coords else "",
        closed=closed,
        metadata=_metadata(video, scene, typical, options, scale, line_time),
        warnings=warnings,
    )


def _excess(found: FoundWalls) -> float:
    """Variance of the pixels near the walls, in noise variances."""
    known = found.excess[np.isfinite(found.excess)]
    return float(np.median(known)) if known.size else 1.0


def _unresolved(scene: Scene, excess: float) -> bool:
    """Whether the walls are hard steps between pixels."""
    unexplained = max(excess - 1.0, 0.0) * scene.model.noise_sd**2
    limit = BLURRED_STEP_PIXEL if unexplained > STEP_VARIANCE else THIN_WALL_PIXEL
    return scene.model.width < limit


def _metadata(
    video: xr.DataArray,
    scene: Scene,
    excess: float,
    options: TrackWallsOptions,
    scale: float,
    line_time: float,
) -> dict[str, object]:
    film, model = scene.film, scene.model
    x, y = float(video["x"][0]), float(video["y"][0])
    rows, columns = film.seen.shape
    return {
        "wall_width": scale * model.width,
        "noise_sd": model.noise_sd,
        "profile_misfit": excess,
        "point_spacing": scale * options.spacing_pixel,
        "smoothing_length": scale * options.smoothing_pixel,
        # a level that is off by e shifts the tanh fit by 1.5 width e along the normal
        "frame_shift_error": (1.5 * scale * model.width * _level_error(video, scene)).tolist(),
        "frame_rows": rows,
        "frame_columns": columns,
        "field_of_view": [
            x - 0.5 * scale, y - 0.5 * scale, x + (columns - 0.5) * scale, y + (rows - 0.5) * scale,
        ],
        "frames_flattened": int(film.flattened) or int(video.attrs.get("flattened", 0)),
        "missing_frames": np.flatnonzero(~film.present).tolist(),
        "line_time": line_time,
    }  # fmt: skip


def _level_error(video: xr.DataArray, scene: Scene) -> Floats:
    """Sd of every frame's zero level; a film normalised before brings its own."""
    given = video.attrs.get("frame_level_error")
    if given is not None and not scene.film.level_error.any():
        return np.asarray(given, dtype=np.float64)
    return scene.film.level_error


def pixel_size(video: xr.DataArray) -> float:
    """Edge of a pixel in the unit of the video; pixels must be square."""
    steps = [np.diff(video[axis].to_numpy().astype(float)) for axis in ("x", "y")]
    sizes = [float(np.mean(step)) for step in steps]
    for name, step, size in zip("xy", steps, sizes, strict=True):
        if np.abs(step / size - 1.0).max() > UNEVEN:
            raise InputError(
                f"video must have evenly spaced pixels, its {name} steps from {step.min():.4g} to "
                f"{step.max():.4g}: resample it first."
            )
    if (
        abs(sizes[0] / sizes[1] - 1.0) > 1e-3
        or video["x"].attrs["units"] != video["y"].attrs["units"]
    ):
        raise InputError(
            f"video must have square pixels, got {sizes[0]:.4g} by {sizes[1]:.4g}: resample it "
            "first."
        )
    return sizes[0]


def film_warnings(video: xr.DataArray, scene: Scene, found: FoundWalls) -> tuple[str, ...]:
    """List what a user must know of this track."""
    texts = []
    excess = _excess(found)
    what = "video" if video.sizes["time"] > 1 else "picture"
    if video["x"].attrs["units"] == "pixel":
        texts.append(
            f"the {what} has no length scale: lengths are in pixels (set_scale gives one; on the "
            "command line --pixel-size)"
        )
    if video["time"].attrs["units"] == "frame" and video.sizes["time"] > 1:
        texts.append(
            "the video has no time scale: times are in frames (set_scale gives one; on the command "
            "line --frame-interval)"
        )
    if excess > LARGEST_EXCESS:
        texts.append(
            f"the pixels near the walls scatter {np.sqrt(excess):.1f} times the noise (blur or "
            "contrast vary along the walls): the normal errors were enlarged by that factor"
        )
    if len(scene.model.noise_lags) > 1:
        texts.append("the pixel noise is correlated; the normal errors account for it")
    if _unresolved(scene, excess):
        texts.append(
            f"the walls are thinner than a pixel (width {scene.model.width:.2f} pixels): their "
            "width is that of the pixels, and places are known to .29 pixels at best"
        )
    bare = [
        index for index, contours in enumerate(found.frames)
        if scene.film.present[index] and not contours
    ]  # fmt: skip
    if bare:
        texts.append(f"no wall was found in {_listed(bare)}; the other frames were tracked")
    aside = set(video.attrs.get(SET_ASIDE, ()))
    missing = [k for k in np.flatnonzero(~scene.film.present).tolist() if k not in aside]
    if missing:
        counts = "count" if len(missing) > 1 else "counts"
        texts.append(f"{_listed(missing)} held no pixels and {counts} as missing")
    return tuple(texts)


def _listed(frames: list[int]) -> str:
    """Frame numbers for a sentence."""
    shown = ", ".join(map(str, frames[:8])) + (" ..." if len(frames) > 8 else "")
    return f"frame{'s' if len(frames) > 1 else ''} {shown}"
