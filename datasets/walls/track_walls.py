"""From a domain video to walls: sub-pixel contours with errors, identities, events."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray
from scipy import ndimage

from physlearn.checks import InputError, NotIdentified, check_positive
from physlearn.datasets.walls.normalize_frames import normalize_frames
from physlearn.datasets.walls.wall_contours import (
    Contour,
    WallImage,
    fit_width,
    measure_noise,
    refine_contours,
    seed_contours,
)
from physlearn.datasets.walls.wall_identities import Identities, identify_walls, normal_velocities
from physlearn.records import WallTrack, check_video

__all__ = ["TrackWallsOptions", "track_walls"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
logger = logging.getLogger(__name__)

FIRST_WIDTH_PIXEL = 2.0
LARGEST_NOISE = 2.0
WIDEST_WALL = 0.12
LEAST_AGREEMENT = 0.5
FRAMES_FOR_WIDTH = 6


@dataclass(frozen=True, slots=True)
class TrackWallsOptions:
    """How walls are followed; lengths in pixels.

    Attributes
    ----------
    wall_width_pixel
        w of the profile tanh(distance / w); None measures it.
    spacing_pixel
        Distance of the contour points: each is fitted to the pixels nearest to it.
    smoothing_pixel
        Scale along the wall over which normals and curvature are smoothed.
    shortest_wall_pixel
        Shorter contours are left out.
    largest_step_pixel
        A wall that moves farther between two frames is taken for another wall.
    normalize
        Bring the frames to one scale first (`normalize_frames`).

    Examples
    --------
    >>> TrackWallsOptions(wall_width_pixel=2.0).smoothing_pixel
    3.0
    """

    wall_width_pixel: float | None = None
    spacing_pixel: float = 1.0
    smoothing_pixel: float = 3.0
    shortest_wall_pixel: float = 15.0
    largest_step_pixel: float = 6.0
    normalize: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class _Scene:
    """Normalised frames with the noise and width found in them."""

    frames: Floats
    valid: Mask
    width: float
    noise_sd: float
    noise_correlation: Floats
    seed_scale: float


def track_walls(
    video: xr.DataArray,
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
        DataArray (time, y, x), optionally with the coordinate ``drive`` along time.
    options
        `TrackWallsOptions`.
    progress
        Called with the finished share, 0 to 1.

    Returns
    -------
    WallTrack
        In the units of the video; pixels and frames where it has none. ``metadata`` holds
        ``wall_width``, ``noise_sd`` (fraction of half the contrast), the smoothing lengths and
        ``frame_shift_error`` (one a frame: error along the normals that all its walls share).

    Raises
    ------
    InputError
        If ``video`` or an option cannot be used.
    NotIdentified
        If there are no walls: one level only, noise without domains, or intensity that changes
        gradually.

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
    for name in ("spacing_pixel", "smoothing_pixel", "shortest_wall_pixel", "largest_step_pixel"):
        check_positive(name, getattr(chosen, name))
    checked = check_video(video)
    normal = normalize_frames(checked) if chosen.normalize else checked
    scene = _prepare(normal.to_numpy(), chosen)
    frames: list[list[Contour]] = []
    misfit = np.zeros(2)
    for index in range(len(scene.frames)):
        contours, residual = _track_frame(scene, index, chosen)
        frames.append(contours)
        misfit += residual
        if progress is not None:
            progress((index + 1) / len(scene.frames))
    if not any(frames):
        raise NotIdentified("video shows no wall longer than the shortest that is looked for.")
    times = checked["time"].to_numpy()
    found = identify_walls(frames, chosen.largest_step_pixel)
    excess = float(misfit[0] / max(misfit[1], 1.0) / scene.noise_sd**2)
    return _as_track(checked, normal, scene, frames, found, excess, times, chosen)


def _images(scene: _Scene, indices: list[int], options: TrackWallsOptions) -> list[WallImage]:
    return [
        WallImage(
            frame=scene.frames[index], valid=scene.valid, width=scene.width,
            noise_sd=scene.noise_sd, noise_correlation=scene.noise_correlation,
            spacing=options.spacing_pixel, smoothing=options.smoothing_pixel,
        )
        for index in indices
    ]  # fmt: skip


def _prepare(values: Floats, options: TrackWallsOptions) -> _Scene:
    """Measure noise and width on a few frames, and see whether there are walls at all."""
    valid: Mask = np.asarray(np.isfinite(values).all(axis=0))
    indices = sorted(set(np.linspace(0, len(values) - 1, FRAMES_FOR_WIDTH).astype(int).tolist()))
    smooth = np.stack(
        [ndimage.gaussian_filter(np.where(valid, values[i], 0.0), 1.5) for i in indices]
    )
    _check_persistence(smooth > 0, valid)
    noise, correlation = _noise(values, valid, smooth, indices, FIRST_WIDTH_PIXEL)
    if noise > LARGEST_NOISE:
        raise NotIdentified(
            f"video shows noise of {noise:.1f} times half the contrast: no domains stand out; "
            "average "
            "frames or pixels first."
        )
    scale = float(np.clip(noise / (0.2 * 2 * np.sqrt(np.pi)), 1.5, 4.0))
    width = options.wall_width_pixel or FIRST_WIDTH_PIXEL
    scene = _Scene(values, valid, width, noise, correlation, scale)
    if options.wall_width_pixel is None:
        for _ in range(3):
            seeds = [
                seed_contours(values[i], valid, scale, options.shortest_wall_pixel) for i in indices
            ]
            width = fit_width(_images(scene, indices, options), seeds)
            scene = replace(scene, width=width)
    if scene.width > WIDEST_WALL * min(values.shape[1:]):
        raise NotIdentified(
            f"video changes gradually (over {scene.width:.0f} pixels): there are no walls in it."
        )
    noise, correlation = _noise(values, valid, smooth, indices, scene.width)
    return replace(scene, noise_sd=noise, noise_correlation=correlation)


def _check_persistence(above: Mask, valid: Mask) -> None:
    """Domains stay from one picked frame to the next; noise does not."""
    share = above[:, valid].mean()
    if not 0 < share < 1:
        raise NotIdentified("video shows one level only: there is no wall to track.")
    agreement = np.mean([(one == two)[valid].mean() for one, two in pairwise(above)])
    chance = share**2 + (1 - share) ** 2
    if (agreement - chance) / (1 - chance) < LEAST_AGREEMENT:
        raise NotIdentified(
            "video shows no domains that last: the sign of the pixels agrees between frames "
            "hardly more "
            "than by chance."
        )


def _noise(
    values: Floats, valid: Mask, smooth: Floats, indices: list[int], width: float
) -> tuple[float, Floats]:
    """Noise sd and autocorrelation, averaged over the picked frames."""
    sds, correlations = [], []
    for picture, index in zip(smooth, indices, strict=True):
        domain = picture > 0
        edge = domain != ndimage.minimum_filter(domain, 3)
        away = ndimage.distance_transform_edt(~edge) > 4 * width
        if (away & valid).sum() < 500:
            away = np.abs(picture) > 0.5
        sd, correlation = measure_noise(values[index], valid, away)
        if np.isfinite(sd):
            sds.append(sd)
            correlations.append(correlation)
    if not sds:
        raise NotIdentified("video has too few pixels inside its domains to measure the noise.")
    mean: Floats = np.mean(correlations, axis=0)
    significant = np.abs(mean) > max(0.02, 4.0 / np.sqrt(len(sds) * valid.sum() * 0.5))
    return max(float(np.sqrt(np.mean(np.square(sds)))), 1e-6), np.where(significant, mean, 0.0)


def _track_frame(
    scene: _Scene, index: int, options: TrackWallsOptions
) -> tuple[list[Contour], Floats]:
    image = _images(scene, [index], options)[0]
    seeds = seed_contours(image.frame, scene.valid, scene.seed_scale, options.shortest_wall_pixel)
    contours, fit = refine_contours(image, seeds)
    if fit is None:
        return contours, np.zeros(2)
    return contours, fit.residual - [0.0, len(fit.nodes)]


def _as_track(
    video: xr.DataArray,
    normal: xr.DataArray,
    scene: _Scene,
    frames: list[list[Contour]],
    found: Identities,
    excess: float,
    times: Floats,
    options: TrackWallsOptions,
) -> WallTrack:
    scale = _pixel_size(video)
    speeds = normal_velocities(frames, found.walls, times, 1.5 * options.largest_step_pixel)
    inflation = np.sqrt(excess) if excess > 1.1 else 1.0
    rows = []
    closed: dict[int, bool] = {}
    origin = float(video["x"][0]), float(video["y"][0])
    for frame, contours in enumerate(frames):
        for contour, wall, speed in zip(contours, found.walls[frame], speeds[frame], strict=True):
            closed[wall] = closed.get(wall, True) and contour.closed
            rows.append(
                pd.DataFrame(
                    {
                        "frame": frame,
                        "wall": wall,
                        "time": times[frame],
                        "x": origin[0] + scale * contour.points[:, 0],
                        "y": origin[1] + scale * contour.points[:, 1],
                        "normal_x": contour.normals[:, 0],
                        "normal_y": contour.normals[:, 1],
                        "normal_error": scale * inflation * contour.normal_error,
                        "error_correlation_length": scale * contour.correlation_length,
                        "arc_length": scale * contour.arc_length,
                        "curvature": contour.curvature / scale,
                        "normal_velocity": scale * speed,
                    }
                )
            )
    metadata = {
        "wall_width": scale * scene.width,
        "noise_sd": scene.noise_sd,
        "profile_misfit": excess,
        "point_spacing": scale * options.spacing_pixel,
        "smoothing_length": scale * options.smoothing_pixel,
        "frame_shift_error": _shift_errors(normal, scale * scene.width, len(times)),
        "frame_rows": int(video.sizes["y"]),
        "frame_columns": int(video.sizes["x"]),
        "field_of_view": [
            origin[0] - 0.5 * scale,
            origin[1] - 0.5 * scale,
            origin[0] + (video.sizes["x"] - 0.5) * scale,
            origin[1] + (video.sizes["y"] - 0.5) * scale,
        ],
        "frames_flattened": int(normal.attrs.get("flattened", 0)),
    }
    return WallTrack(
        pd.concat(rows, ignore_index=True),
        times,
        unit=str(video["x"].attrs["units"]),
        time_unit=str(video["time"].attrs["units"]),
        events=found.events,
        drive=video["drive"].to_numpy() if "drive" in video.coords else None,
        drive_unit=str(video["drive"].attrs.get("units", "")) if "drive" in video.coords else "",
        closed=closed,
        metadata=metadata,
        warnings=_warnings(video, excess, scene),
    )


def _shift_errors(normal: xr.DataArray, width: float, n_frames: int) -> list[float]:
    """Per frame: sd of the shift that all its walls share because the zero level is uncertain.

    A level that is off by e shifts the tanh fit by 1.5 width e along the normal.
    """
    errors = normal.attrs.get("frame_level_error", [0.0] * n_frames)
    return [1.5 * width * float(error) for error in errors]


def _pixel_size(video: xr.DataArray) -> float:
    sizes = [float(np.mean(np.diff(video[axis].to_numpy()))) for axis in ("x", "y")]
    if (
        abs(sizes[0] / sizes[1] - 1.0) > 1e-3
        or video["x"].attrs["units"] != video["y"].attrs["units"]
    ):
        raise InputError(
            f"video must have square pixels, got {sizes[0]:.4g} by {sizes[1]:.4g}: resample it "
            "first."
        )
    return sizes[0]


def _warnings(video: xr.DataArray, excess: float, scene: _Scene) -> tuple[str, ...]:
    texts = []
    if video["x"].attrs["units"] == "pixel":
        texts.append("the video has no length scale: lengths are in pixels")
    if video["time"].attrs["units"] == "frame":
        texts.append("the video has no time scale: times are in frames")
    if excess > 1.1:
        texts.append(
            f"the pixels near the walls scatter {np.sqrt(excess):.1f} times the noise (blur or "
            "contrast "
            "vary along the walls): the normal errors were enlarged by that factor"
        )
    if np.count_nonzero(scene.noise_correlation) > 1:
        texts.append("the pixel noise is correlated; the normal errors account for it")
    return tuple(texts)
