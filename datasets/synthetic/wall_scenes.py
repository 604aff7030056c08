"""Films of domain walls with their exact truth: lines in a medium, nuclei, domains that merge."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from physlearn.checks import InputError, as_generator, check_array, check_choice, check_count
from physlearn.datasets.synthetic.synthetic_walls import check_shape
from physlearn.datasets.synthetic.wall_levels import level_geometry
from physlearn.datasets.synthetic.wall_scene_levels import REFINEMENT, line_levels, moving_levels
from physlearn.datasets.synthetic.wall_scene_records import WallScene, WallSceneOptions
from physlearn.datasets.walls.wall_events import follow_walls
from physlearn.records import WallTrack

__all__ = ["make_wall_scene"]

Floats = NDArray[np.float64]
KINDS = ("line", "nuclei", "domains", "driven_topology")
INSTANTS_PER_FRAME = 4
LINE_DRIVE = 0.5
SHORTEST_PIXEL = 6.0
"""Shorter closed walls are crumbs of a merging, no domains."""


@dataclass(frozen=True, slots=True, eq=False)
class _Shape:
    """One true wall at one instant, in pixels."""

    points: Floats
    normals: Floats
    curvature: Floats
    closed: bool


def make_wall_scene(
    kind: str = "nuclei",
    shape: tuple[int, int] = (128, 128),
    n_frames: int = 24,
    *,
    options: WallSceneOptions | None = None,
    drive: ArrayLike | None = None,
    rng: int | np.random.Generator | None = None,
) -> WallScene:
    """Make a film of domain walls with exact contours, identities and events.

    Closed walls obey v_n = drive_mobility x (drive + medium) - curvature_mobility x curvature,
    solved by a level set on half pixels (within 1e-3 pixel of the exact radius of a circle over 30
    frames), so that they merge, split, appear and vanish as the law says.

    Parameters
    ----------
    kind
        ``line``: an elastic line driven through a frozen medium (``simulate_wall``).
        ``nuclei``: nuclei appear, grow and merge; then the drive is reversed, negative nuclei
        appear, domains split and vanish. ``domains``: separate star-shaped domains.
        ``driven_topology``: two domains that merge and one with a narrow neck that splits.
    shape
        Rows and columns.
    n_frames
        At least 3, one unit of time apart.
    options
        `WallSceneOptions`.
    drive
        Shape (n_frames,), each acts from its frame to the next; None for the kind's own.
    rng
        Seed or generator.

    Returns
    -------
    WallScene
        The film and its truth. Events have the time of the moving walls to a quarter of a frame
        (to a frame when the rows are scanned in turn).

    Raises
    ------
    InputError
        When the domains do not fit, or rows are scanned for longer than a frame.

    Examples
    --------
    >>> planted = WallSceneOptions(radius_pixel=10.0)
    >>> scene = make_wall_scene(
    ...     "driven_topology", (60, 60), 8, options=planted, drive=np.ones(8), rng=1)
    >>> scene.track.events[["kind", "frame"]].to_numpy().tolist()
    [['merge', 3]]
    """
    check_choice("kind", kind, KINDS)
    planted = options or WallSceneOptions()
    generator, seed = as_generator(rng)
    check_count("n_frames", n_frames, 3)
    shape = check_shape(shape)
    if planted.line_time * shape[0] > 1.0 + 1e-9:
        raise InputError(
            f"line_time must let {shape[0]} rows fit into a frame (at most {1 / shape[0]:.4g}); "
            f"got {planted.line_time}."
        )
    force = _drive(kind, n_frames) if drive is None else check_array(
        "drive", drive, shape=(n_frames,)
    )  # fmt: skip
    extra = n_frames if planted.line_time > 0 else n_frames - 1
    instants = np.arange(extra * INSTANTS_PER_FRAME + 1) / INSTANTS_PER_FRAME
    painted = 1 if planted.line_time > 0 else INSTANTS_PER_FRAME
    if kind == "line":
        instants = instants[::painted]
        fine = line_levels(shape, instants, force, planted, generator)
    else:
        fine = moving_levels(kind, shape, instants, force, planted, generator, painted)
    levels, track = _truth(kind, fine, instants, force, planted)
    video = _paint(levels, force, planted, generator)
    flips = generator.random(levels.shape) < planted.flip_rate
    binary = video.copy(data=(levels < 0) != flips)
    stripes = _stripes(shape, planted, generator)
    return WallScene(
        kind, video, levels.astype(np.float32), track, force, planted, seed, binary, stripes
    )


def _drive(kind: str, n_frames: int) -> Floats:
    times = np.arange(n_frames) / n_frames
    if kind == "line":
        return np.full(n_frames, LINE_DRIVE)
    if kind == "nuclei":
        return np.where(times < 0.55, 1.0, -1.0)
    if kind == "driven_topology":
        return np.where(times < 0.29, -1.0, 1.0)
    result: Floats = np.sin(3.0 * np.pi * times)
    return result


def _truth(
    kind: str, fine: list[Floats], instants: Floats, drive: Floats, options: WallSceneOptions
) -> tuple[Floats, WallTrack]:
    """Levels of the frames on pixels, and the true walls."""
    n_frames = len(drive)
    times = np.arange(n_frames, dtype=float)
    if options.line_time > 0:
        pixels = np.stack([level[::REFINEMENT, ::REFINEMENT] for level in fine])
        levels = np.stack([_scanned(pixels, frame, options.line_time) for frame in range(n_frames)])
        shapes = [_shapes(level, 1.0) for level in levels]
        followed = follow_walls(
            shapes, levels < 0, times, flicker_frames=0, shortest=SHORTEST_PIXEL
        )
        return levels, _as_track(kind, shapes, followed.walls, followed.events, drive, options)
    together = INSTANTS_PER_FRAME if kind != "line" else 1
    spacing = 1.0 / REFINEMENT
    whole = [_shapes(level, spacing) for level in fine]
    # the walls are followed on the grid of the levels, with lengths in its cells
    cells = [[_Shape(REFINEMENT * s.points, s.normals, s.curvature, s.closed) for s in frame]
             for frame in whole]  # fmt: skip
    followed = follow_walls(
        cells, np.stack(fine) < 0, instants, flicker_frames=0, shortest=SHORTEST_PIXEL * REFINEMENT
    )
    levels = np.stack([level[::REFINEMENT, ::REFINEMENT] for level in fine[::together]])
    walls = followed.walls[::together]
    events = followed.events
    events["x"] *= spacing
    events["y"] *= spacing
    events["frame"] = np.ceil(events["frame"] / together).astype(np.int64)
    known = {wall for frame in walls for wall in frame}
    events = events[events["wall"].isin(known)].reset_index(drop=True)
    shapes = whole[::together]
    return levels, _as_track(kind, shapes, walls, events, drive, options)


def _scanned(pixels: Floats, frame: int, line_time: float) -> Floats:
    """Level of a frame whose rows are scanned one after the other."""
    place = (frame + line_time * np.arange(pixels.shape[1])) * INSTANTS_PER_FRAME
    before = np.minimum(place.astype(int), len(pixels) - 2)
    rows = np.arange(pixels.shape[1])
    share = (place - before)[:, None]
    result: Floats = (1 - share) * pixels[before, rows] + share * pixels[before + 1, rows]
    return result


def _shapes(level: Floats, spacing: float) -> list[_Shape]:
    """Walls of a level with exact points, normals and curvature."""
    from skimage.measure import find_contours

    lines = [
        line[:, ::-1] for line in find_contours(level, 0.0, fully_connected="high")  # type: ignore[no-untyped-call]
    ]  # fmt: skip
    if not lines:
        return []
    starts = np.cumsum([0, *(len(line) for line in lines)])
    smooth = ndimage.spline_filter(level, order=3, mode="nearest")
    points = np.concatenate(lines)
    for _ in range(2):
        normals, _ = level_geometry(level, points)
        value = ndimage.map_coordinates(
            smooth, points.T[::-1], order=3, mode="nearest", prefilter=False
        )
        points = points - np.clip(value / spacing, -0.5, 0.5)[:, None] * normals
    normals, bend = level_geometry(level, points)
    shapes = []
    for line, (first, last) in zip(lines, pairwise(starts), strict=True):
        closed = bool(np.allclose(line[0], line[-1]))
        own = slice(first, last - 1 if closed else last)
        if closed and np.hypot(*np.diff(line, axis=0).T).sum() * spacing < SHORTEST_PIXEL:
            continue
        shapes.append(_Shape(spacing * points[own], normals[own], bend[own] / spacing, closed))
    return shapes


def _as_track(
    kind: str,
    shapes: list[list[_Shape]],
    walls: list[list[int]],
    events: pd.DataFrame,
    drive: Floats,
    options: WallSceneOptions,
) -> WallTrack:
    """Put the true walls into a WallTrack."""
    parts: list[pd.DataFrame] = []
    closed: dict[int, bool] = {}
    law = kind != "line" and not options.pinning_strength
    for frame, (own, names) in enumerate(zip(shapes, walls, strict=True)):
        for wall, name in zip(own, names, strict=True):
            closed[name] = closed.get(name, True) and wall.closed
            steps = np.hypot(*np.diff(wall.points, axis=0).T)
            speed = options.drive_mobility * drive[frame]
            velocity = speed - options.curvature_mobility * wall.curvature
            parts.append(pd.DataFrame({
                "frame": frame, "wall": name,
                "time": frame + options.line_time * wall.points[:, 1],
                "x": wall.points[:, 0], "y": wall.points[:, 1],
                "normal_x": wall.normals[:, 0], "normal_y": wall.normals[:, 1],
                "normal_error": 0.0, "error_correlation_length": 0.0,
                "arc_length": np.concatenate([[0.0], np.cumsum(steps)]),
                "curvature": wall.curvature, "normal_velocity": velocity if law else np.nan,
            }))  # fmt: skip
    if not parts:
        raise InputError(f"options must leave walls in the picture; {kind} has none.")
    return WallTrack(
        pd.concat(parts, ignore_index=True), np.arange(len(drive), dtype=float), events=events,
        drive=drive, closed=closed,
        metadata={"source": "make_wall_scene", "wall_width": options.wall_width_pixel},
    )  # fmt: skip


def _paint(
    levels: Floats, drive: Floats, options: WallSceneOptions, generator: np.random.Generator
) -> xr.DataArray:
    """Return the noisy film with whatever disturbs it."""
    profile = -np.tanh(levels / options.wall_width_pixel)
    frames: NDArray[np.inexact] = profile
    noise = options.noise_sd * generator.standard_normal(profile.shape)
    if options.complex_signal:
        frames = profile * np.exp(1j * options.phase) + options.complex_offset
        frames = frames + noise + 1j * options.noise_sd * generator.standard_normal(profile.shape)
    else:
        frames = frames + noise
    if options.illumination_jump:
        for index in options.jump_frames:
            if index < len(frames):
                frames[index] *= 1.0 - options.illumination_jump
                frames[index] -= 0.5 * options.illumination_jump
    for frame in frames if options.line_jumps else ():
        rows = generator.choice(len(frame), options.line_jumps, replace=False)
        frame[rows] += 0.5 * generator.standard_normal(options.line_jumps)[:, None]
    for index in options.missing_frames:
        frames[index] = np.nan
    n_frames, n_rows, n_columns = profile.shape
    video = xr.DataArray(
        frames, dims=("time", "y", "x"), name="video",
        coords={
            "time": np.arange(n_frames, dtype=float), "y": np.arange(n_rows, dtype=float),
            "x": np.arange(n_columns, dtype=float), "drive": ("time", drive),
        },
        attrs={"source": "make_wall_scene", "units": "amplitude", "counts": "unknown"},
    )  # fmt: skip
    if options.line_time > 0:
        video.attrs["line_time"] = options.line_time
    for name, unit in (("time", "frame"), ("y", "pixel"), ("x", "pixel"), ("drive", "")):
        video[name].attrs["units"] = unit
    return video


def _stripes(
    shape: tuple[int, int], options: WallSceneOptions, generator: np.random.Generator
) -> xr.DataArray | None:
    """Ferroelastic stripes under 45 degrees as a second channel."""
    if not options.ferroelastic_period:
        return None
    y, x = np.mgrid[: shape[0], : shape[1]]
    place = ((x + y) / np.sqrt(2) / options.ferroelastic_period) % 1.0
    from_wall = options.ferroelastic_period * (0.25 - np.abs((place % 0.5) - 0.25))
    sign = np.where(place < 0.5, 1.0, -1.0)
    values = sign * np.tanh(from_wall / options.wall_width_pixel)
    values += options.noise_sd * generator.standard_normal(shape)
    coords = {"y": np.arange(shape[0], dtype=float), "x": np.arange(shape[1], dtype=float)}
    return xr.DataArray(values, dims=("y", "x"), coords=coords, name="ferroelastic")
