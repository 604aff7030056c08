"""A movie of the walls drawn on the raw frames, for a person to check the track by eye."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy import ndimage

from physlearn.checks import BackendUnavailable, InputError, check_positive
from physlearn.datasets.walls.movie_caption import EVENT_COLOURS, captioned
from physlearn.datasets.walls.picture_grid import picture_grid
from physlearn.records import WallTrack
from physlearn.whole_files import atomic_write

__all__ = ["draw_walls", "save_wall_movie"]

Floats = NDArray[np.float64]
Colours = NDArray[np.uint8]

WALL_COLOURS = np.array(
    [(230, 159, 0), (86, 180, 233), (0, 190, 140), (255, 240, 120), (60, 150, 255),
     (235, 120, 40), (240, 160, 205)], dtype=np.float64,
)  # fmt: skip
"""After Okabe and Ito, some of them lighter: told apart by the colour blind, and seen on grey."""
KIND_COLOURS = {"ferroelastic": (230, 159, 0), "ferroelectric": (86, 180, 233)}
CASING = np.zeros(3)
CASING_PIXEL, LINE_PIXEL = 2, 1
"""How far the dark rim of a line and the line itself reach to each side of its middle."""
EVENT_FRAMES = 2
EVENT_RADIUS = 6.0
FRAME_EDGE = 512
MOVIES = (".gif", ".mp4", ".mov", ".avi", ".mkv")


def draw_walls(
    track: WallTrack, video: xr.DataArray, frame: int, *, magnification: int = 2
) -> Colours:
    """Draw the walls and events of one frame on the raw picture.

    Every wall has the colour of its identity (of its kind where kinds are known), on a dark rim; a
    ring marks an event of this frame or the two before: green birth or entry, vermilion vanishing
    or leaving, yellow merging, purple splitting.

    Parameters
    ----------
    track
        What was found in ``video``, in its coordinates.
    video
        DataArray (time, y, x), or (y, x) for a track of one picture; of a complex one the part
        along its main axis is shown.
    frame
        Which frame.
    magnification
        Pixels of the picture along the edge of one of the video's.

    Returns
    -------
    ndarray
        uint8, shape (rows, columns, 3).

    Raises
    ------
    InputError
        For a frame that the video has not, or a video of other units or frames than the track.

    Examples
    --------
    >>> from physlearn.datasets import make_wall_video, track_walls
    >>> video = make_wall_video(n_frames=3, rng=1).video
    >>> draw_walls(track_walls(video), video, 0).shape
    (320, 320, 3)
    """
    values, limits = _shown(track, video)
    if int(frame) != frame or not 0 <= frame < len(values):
        raise InputError(f"frame must be a whole number from 0 to {len(values) - 1}; got {frame}.")
    frame = int(frame)
    return _draw(track, video, values[frame], limits, frame, _whole(magnification))


def save_wall_movie(
    track: WallTrack, video: xr.DataArray, path: str | os.PathLike[str], *,
    frames_per_second: float = 4.0, magnification: int | None = None,
) -> Path:  # fmt: skip
    """Save a movie of the walls on the raw frames, as ``draw_walls`` draws them.

    Below the frames stand their number and time, the length of the bar in their lower left corner,
    and what the rings mean.

    Parameters
    ----------
    track, video
        As in ``draw_walls``.
    path
        GIF, or MP4, MOV, AVI, MKV where imageio has an encoder (``pip install av``).
    frames_per_second
        Speed of the movie.
    magnification
        Pixels of the movie along the edge of one of the video's; None makes the longer edge at
        least 512 pixels.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    InputError
        For another kind of file.
    BackendUnavailable
        When no encoder for this kind is installed.

    Examples
    --------
    >>> import tempfile
    >>> from physlearn.datasets import make_wall_video, track_walls
    >>> video = make_wall_video(n_frames=3, rng=1).video
    >>> file = Path(tempfile.mkdtemp()) / "walls.gif"
    >>> save_wall_movie(track_walls(video), video, file, magnification=1).name
    'walls.gif'
    """
    file = Path(path)
    kind = file.suffix.lower()
    if kind not in MOVIES:
        raise InputError(f"path must end in {', '.join(MOVIES)}; got {file.name}.")
    rate = check_positive("frames_per_second", frames_per_second)
    if not file.resolve().parent.is_dir():
        raise InputError(f"path must lie in a folder that exists; {file.parent} does not.")
    values, limits = _shown(track, video)
    least = max(1, -(-FRAME_EDGE // max(values.shape[1:])))
    scale = least if magnification is None else _whole(magnification)
    pixel = picture_grid("video", video, track)[1]
    pictures = [
        captioned(_draw(track, video, picture, limits, frame, scale), track, frame, pixel / scale)
        for frame, picture in enumerate(values)
    ]
    # The words of a longer time may need one more line
    rows = max(len(picture) for picture in pictures)
    alike = [np.pad(one, ((0, rows - len(one)), (0, 0), (0, 0))) for one in pictures]
    with atomic_write(file) as temporary:
        _write(temporary, kind, np.stack(alike), rate)
    return file


def _write(file: Path, kind: str, pictures: Colours, rate: float) -> None:
    """Write the pictures with imageio."""
    import imageio.v3 as imageio

    if kind == ".gif":
        imageio.imwrite(file, pictures, duration=1000.0 / rate, loop=0)
        return
    even = pictures[:, : pictures.shape[1] // 2 * 2, : pictures.shape[2] // 2 * 2]
    last: Exception | None = None
    options: tuple[tuple[str, dict[str, Any]], ...] = (
        ("pyav", {"codec": "mpeg4", "fps": round(rate)}), ("FFMPEG", {"fps": rate}),
    )  # fmt: skip
    for plugin, said in options:
        try:
            imageio.imwrite(file, even, plugin=plugin, **said)
        except (ImportError, ValueError, OSError) as error:
            last = error
        else:
            return
    raise BackendUnavailable(
        f"no encoder for {kind} is installed: pip install av, or save a .gif (imageio said: "
        f"{str(last).splitlines()[0][:80]})."
    )


def _whole(magnification: float) -> int:
    """Return the pixels of the picture along one of the video's."""
    if int(magnification) != magnification or magnification < 1:
        raise InputError(f"magnification must be a whole number from 1 on; got {magnification}.")
    return int(magnification)


def _shown(track: WallTrack, video: xr.DataArray) -> tuple[Floats, tuple[float, float]]:
    """Return real frames and the values shown black and white."""
    if not isinstance(track, WallTrack):
        raise InputError(f"track must be a WallTrack; got {type(track).__name__}.")
    if isinstance(video, xr.DataArray) and set(video.dims) == {"y", "x"}:
        video = video.expand_dims("time")
    if not isinstance(video, xr.DataArray) or set(video.dims) != {"time", "y", "x"}:
        raise InputError("video must be a DataArray with dims time, y and x (one picture: y, x).")
    values = video.transpose("time", "y", "x").to_numpy()
    if len(values) != track.n_frames:
        raise InputError(f"video must have the track's {track.n_frames} frames; got {len(values)}.")
    if not np.isfinite(values).any():
        raise InputError("video must hold at least one pixel that was seen; all are NaN.")
    if np.iscomplexobj(values):
        known = values[np.isfinite(values)]
        centred = known - known.mean()
        axis = np.exp(0.5j * np.angle((centred**2).mean()))
        values = np.real((values - known.mean()) * np.conj(axis))
    values = values.astype(np.float64)
    low, high = np.nanpercentile(values, [0.5, 99.5])
    return values, (float(low), float(max(high, low + 1e-12)))


def _draw(
    track: WallTrack, video: xr.DataArray, picture: Floats, limits: tuple[float, float], frame: int,
    scale: int,
) -> Colours:  # fmt: skip
    """Paint a frame with its walls and events."""
    low, high = limits
    grey = 255.0 * np.clip((np.nan_to_num(picture, nan=low) - low) / (high - low), 0.0, 1.0)
    canvas = np.repeat(np.repeat(grey, scale, axis=0), scale, axis=1)[..., None].repeat(3, axis=2)
    (x0, y0), step = picture_grid("video", video, track)

    def place(x: Floats, y: Floats) -> tuple[Floats, Floats]:
        return ((y - y0) / step + 0.5) * scale - 0.5, ((x - x0) / step + 0.5) * scale - 0.5

    rows = track.table[track.table["frame"] == frame]
    for wall in np.unique(rows["wall"].to_numpy()).tolist():
        points = rows[rows["wall"] == wall].sort_values("arc_length")
        line_y, line_x = place(points["x"].to_numpy(), points["y"].to_numpy())
        colour = KIND_COLOURS.get(track.kinds.get(wall, ""))
        chosen = WALL_COLOURS[wall % len(WALL_COLOURS)] if colour is None else colour
        _line(canvas, line_y, line_x, np.array(chosen), track.closed.get(wall, False), scale)
    recent = track.events[(track.events["frame"] <= frame)
                          & (track.events["frame"] >= frame - EVENT_FRAMES)]  # fmt: skip
    turn = np.linspace(0.0, 2 * np.pi, 60)
    for event in recent.dropna(subset=["x", "y"]).itertuples():
        y, x = place(np.array([event.x]), np.array([event.y]))
        ring_y, ring_x = (
            centre + EVENT_RADIUS * scale * wave
            for centre, wave in ((y, np.sin(turn)), (x, np.cos(turn)))
        )
        _line(canvas, ring_y, ring_x, np.array(EVENT_COLOURS[str(event.kind)], float), True, scale)
    return np.rint(canvas).astype(np.uint8)


def _line(canvas: Floats, y: Floats, x: Floats, colour: Floats, closed: bool, scale: int) -> None:
    """Draw a line through points on a dark rim; points farther apart are not joined."""
    if closed and len(y):
        y, x = np.append(y, y[0]), np.append(x, x[0])
    on = np.zeros(canvas.shape[:2], dtype=bool)
    whole = np.rint(np.stack([y, x], axis=1)).astype(int)
    for (r0, c0), (r1, c1) in pairwise(whole):
        if max(abs(r1 - r0), abs(c1 - c0)) > 8 * scale:
            continue
        n = max(abs(r1 - r0), abs(c1 - c0), 1)
        rows, columns = (
            np.rint(np.linspace(first, last, n + 1)).astype(int)
            for first, last in ((r0, r1), (c0, c1))
        )
        inside = (rows >= 0) & (columns >= 0) & (rows < len(canvas)) & (columns < canvas.shape[1])
        on[rows[inside], columns[inside]] = True
    if not on.any():
        return
    canvas[ndimage.binary_dilation(on, iterations=CASING_PIXEL)] = CASING
    thick = on if scale == 1 else ndimage.binary_dilation(on, iterations=LINE_PIXEL)
    canvas[thick] = colour
