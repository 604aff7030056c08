"""Walls of a film that is larger than the memory: read frame by frame, kept frame by frame."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError
from physlearn.datasets.contours.wall_contours import Contour
from physlearn.datasets.frames.scaled_film import Film, block_shape, plain_film, prepare_film
from physlearn.datasets.frames.stored_frames import StoredFrames
from physlearn.datasets.reading.frame_reader import FrameReader
from physlearn.datasets.reading.open_stack import open_stack
from physlearn.datasets.reading.part_files import PartFiles, parts_beside
from physlearn.datasets.walls.film_input import stack_of
from physlearn.datasets.walls.track_options import TrackWallsOptions
from physlearn.datasets.walls.track_walls import (
    FoundWalls,
    check_explained,
    fit_frame,
    followed_track,
    pixel_size,
)
from physlearn.datasets.walls.wall_appearance import Scene, measure_scene
from physlearn.records import WallTrack

__all__ = ["track_walls_in_stack"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

BY_POINT = ("points", "normals", "curvature", "curvature_error", "arc_length", "normal_error")
BY_CONTOUR = ("correlation_length", "length", "closed")


def track_walls_in_stack(
    source: Any,
    path: str | os.PathLike[str],
    options: TrackWallsOptions | None = None,
    *,
    progress: Callable[[float], Any] | None = None,
) -> WallTrack:
    """Find the walls of a film of any size in every frame, to a fraction of a pixel.

    The walls are those of ``track_walls`` of the film in memory, to the last digit. The film is
    read three times: for what is in view, for the levels, and for the walls. Fitted frames lie
    beside the file until all are there; the same call goes on after an interruption. In memory are
    one block of frames, some twenty frames for the levels, and the contours.

    Parameters
    ----------
    source
        What ``open_stack`` opens, of real numbers; times must increase.
    path
        The netCDF file to write, which ``WallTrack.load`` reads. Beside it the means over 4 x 4
        pixels of all frames are kept meanwhile: an eighth of the film as float64.
    options
        ``TrackWallsOptions``.
    progress
        Called with the finished share, 0 to 1.

    Returns
    -------
    WallTrack
        As of ``track_walls``.

    Raises
    ------
    InputError
        If the film or an option cannot be used, or parts of other work lie beside the path.
    NotIdentified
        If there are no walls, as of ``track_walls``.

    Examples
    --------
    >>> import tempfile
    >>> from physlearn.datasets import make_wall_video
    >>> video = make_wall_video(n_frames=3, rng=1).video
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     track = track_walls_in_stack(video, f"{folder}/walls.nc")
    >>> len(track.walls)
    4
    """
    chosen = options or TrackWallsOptions()
    stack = open_stack(source)
    video, told = stack_of(stack.template)
    scale = pixel_size(video)
    identity = hashlib.sha256(f"{stack.identity()} {chosen!r}".encode()).hexdigest()
    share = progress or (lambda _: None)
    with parts_beside(path, identity) as parts:
        present = _present(stack.frames, lambda done: share(0.2 * done))
        with ExitStack() as scratch:
            film = _film(stack.frames, present, chosen, parts.folder, scratch)
            scene = measure_scene(film, chosen)
            share(0.4)
            found = _fitted(scene, parts, lambda done: share(0.4 + 0.55 * done))
        track = followed_track(video, scale, scene, found, chosen, told)
        track.save(Path(path))
    share(1.0)
    return track


def _present(frames: FrameReader, share: Callable[[float], Any]) -> Mask:
    """Return which frames hold a pixel, and refuse a film with nothing to see in it."""
    present = np.zeros(len(frames), dtype=bool)
    low, high = np.inf, -np.inf
    for index in range(len(frames)):
        frame = frames[index]
        # NaN and infinity leave no finite sum, and most frames hold neither
        known = frame if np.isfinite(frame.sum()) else frame[~np.isnan(frame)]
        if known.size:
            present[index] = True
            low, high = min(low, float(known.min())), max(high, float(known.max()))
        if np.isinf(low) != np.isinf(high) or (known.size and np.isinf([low, high]).any()):
            raise InputError(
                f"video must not hold infinite values (frame {index}); mark pixels not seen with "
                "NaN."
            )
        share((index + 1) / len(frames))
    if not present.any():
        raise InputError("video must hold at least one pixel that was seen; all are NaN.")
    if low == high:
        raise InputError("video is constant: there is nothing to see; check the export.")
    return present


def _film(
    frames: FrameReader,
    present: Mask,
    options: TrackWallsOptions,
    folder: Path,
    scratch: ExitStack,
) -> Film:
    """Return the film on one scale, with the sums over its blocks on the disk."""
    if not options.normalize:
        return plain_film(frames, present)
    shape = block_shape(*frames.shape)
    store = [
        scratch.enter_context(StoredFrames(folder / name, shape))
        for name in ("sums.scratch", "counts.scratch")
    ]
    return prepare_film(frames, present, store)


def _fitted(scene: Scene, parts: PartFiles, share: Callable[[float], Any]) -> FoundWalls:
    """Return the contours of every frame: those that are kept, and the others."""
    space = scene.film.buffer()
    n_frames, shape = len(scene.film.present), scene.film.seen.shape
    contours: list[list[Contour]] = []
    excess = np.full(n_frames, np.nan)
    for index in range(n_frames):
        arrays = parts.load(index)
        if arrays is None:
            domains = np.zeros(shape, dtype=bool)
            own, excess[index] = fit_frame(scene, index, space, domains)
            parts.save(index, _as_arrays(own, float(excess[index]), domains))
        else:
            own, excess[index] = _of_arrays(arrays), float(arrays["excess"])
        contours.append(own)
        share((index + 1) / n_frames)
    found = FoundWalls(contours, _KeptDomains(parts, (n_frames, *shape)), excess)
    check_explained(scene, found)
    return found


class _KeptDomains:
    """The positive domains of every frame, read from its part."""

    def __init__(self, parts: PartFiles, shape: tuple[int, ...]) -> None:
        self.shape = shape
        self._parts = parts

    def __getitem__(self, index: Any, /) -> Mask:
        arrays = self._parts.load(int(index))
        if arrays is None:
            raise InputError(
                f"{self._parts.file(int(index))} was removed or damaged meanwhile; call again."
            )
        n_pixels = int(np.prod(self.shape[1:]))
        return np.unpackbits(arrays["domains"], count=n_pixels).astype(bool).reshape(self.shape[1:])


def _as_arrays(
    contours: Sequence[Contour], excess: float, domains: Mask
) -> dict[str, NDArray[Any]]:
    """Return the contours of a frame as plain arrays, without loss."""
    arrays: dict[str, NDArray[Any]] = {
        "excess": np.array(excess),
        "domains": np.packbits(domains),
        "counts": np.array([len(one.points) for one in contours], dtype=np.int64),
    }
    for name in BY_POINT:
        if contours:
            arrays[name] = np.concatenate([getattr(one, name) for one in contours])
    for name in BY_CONTOUR:
        arrays[name] = np.array([getattr(one, name) for one in contours])
    return arrays


def _of_arrays(arrays: dict[str, NDArray[Any]]) -> list[Contour]:
    ends = np.cumsum(arrays["counts"])
    contours = []
    for place, end in enumerate(ends.tolist()):
        own = slice(end - int(arrays["counts"][place]), end)
        contours.append(
            Contour(
                **{name: arrays[name][own] for name in BY_POINT},
                correlation_length=float(arrays["correlation_length"][place]),
                length=float(arrays["length"][place]),
                closed=bool(arrays["closed"][place]),
            )
        )
    return contours
