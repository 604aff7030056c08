"""Descriptors of patches from domain walls: distance, curvature, length and normal, with errors."""

from __future__ import annotations

from typing import cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from physlearn.checks import InputError
from physlearn.datasets.descriptors.column_block import ColumnBlock
from physlearn.datasets.descriptors.patch_places import PatchPlaces
from physlearn.datasets.patches.wall_sections import (
    WallPoints,
    fit_nearest,
    joint_covariance,
    measure_length,
    smoothing,
)
from physlearn.records import WallTrack

__all__ = ["wall_blocks"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

NAMES = ("wall_distance", "wall_curvature", "wall_length", "wall_normal_x", "wall_normal_y")
STRUCTURE = 1
CHUNK = 4000
SECTION_SMOOTHINGS = 2.0
"""Wall on either side of the nearest point that gives distance and normal, in smoothing lengths."""
NEAR_TURN, WIDE_TURN = 0.35, 0.6
"""Largest part of that wall, and of the half patch that gives the curvature, in radians."""
LARGEST_GAP_STEPS = 4.0
"""Points of a wall farther apart than this many usual steps are not joined: the wall is unseen."""


def wall_blocks(
    track: WallTrack, places: PatchPlaces, frame: int | None = None
) -> list[ColumnBlock]:
    """Return distance, curvature, length and normal of the walls of one frame, with covariances.

    Circles (or lines) are fitted to the nearest wall. ``wall_distance`` is the distance of the
    patch's centre to the one through two smoothing lengths of wall on either side (at most half a
    patch or 0.35 radians), ``wall_normal_x`` and ``wall_normal_y`` its normal there, from the
    positive to the negative domain. ``wall_curvature`` is the curvature on the scale of a patch:
    of the circle through half a patch on either side (at most 0.6 radians), positive where the
    positive domain is convex. ``wall_length`` is the length of all walls in the patch. Distance
    and curvature do not depend on how the picture is turned; the normal turns with it, and the
    length depends on how the square patch lies.

    Parameters
    ----------
    track
        Walls; the errors along their normals, their correlation along the wall, and the error that
        all walls of a frame share (``frame_shift_error``) are handed on.
    places
        Patches in the unit of the track.
    frame
        None takes the first.

    Returns
    -------
    list of ColumnBlock
        One block of five columns, or of the length alone where the frame holds no wall.

    Raises
    ------
    InputError
        For a frame that the track does not have, or patches in another unit.

    Notes
    -----
    The expected distance of a patch nearer to a wall than its error is larger than 0: a distance
    has no sign.

    Examples
    --------
    >>> from physlearn.datasets import make_wall_video, track_walls
    >>> from physlearn.datasets.descriptors.patch_places import grid_places
    >>> track = track_walls(make_wall_video(n_frames=3, rng=1).video)
    >>> block = wall_blocks(track, grid_places([0, 0], [160, 160], 16.0), 0)[0]
    >>> block.names[:3], block.values.shape
    (('wall_distance', 'wall_curvature', 'wall_length'), (100, 5))
    """
    number = _check_frame(track, frame)
    if places.unit != track.unit:
        raise InputError(
            f"patches and walls must share a unit, got {places.unit} and {track.unit}: give "
            f"patch_size in {track.unit}."
        )
    table = track.table[track.table["frame"] == number].sort_values(["wall", "arc_length"])
    notes = []
    if frame is None and len(track.frame_times) > 1:
        notes.append(
            f"walls are those of frame 0 of {len(track.frame_times)}; name another with frame"
        )
    if table.empty:
        notes.append(f"frame {number} holds no wall: patches have no distance to one")
        nothing = np.zeros((places.n, 1))
        return [ColumnBlock(
            ("wall_length",), nothing, (STRUCTURE,), (track.unit,), np.zeros((1, 1, 1)),
            notes=tuple(notes),
        )]  # fmt: skip
    values, covariance, ends = _measure(table, track, number, places)
    notes += _said_limits(places, values[:, 0], ends)
    return [ColumnBlock(
        NAMES, values, (STRUCTURE,) * 5,
        (track.unit, f"1/{track.unit}", track.unit, "1", "1"), covariance,
        error_length=max(float(table["error_correlation_length"].max()), places.size),
        notes=tuple(notes),
    )]  # fmt: skip


def _check_frame(track: WallTrack, frame: int | None) -> int:
    number = 0 if frame is None else int(frame)
    if not 0 <= number < len(track.frame_times):
        raise InputError(
            f"frame must be from 0 to {len(track.frame_times) - 1} (the track's frames); "
            f"got {frame!r}."
        )
    return number


def _measure(
    table: pd.DataFrame, track: WallTrack, frame: int, places: PatchPlaces
) -> tuple[Floats, Floats, int]:
    """Return values (n, 5), covariance (n, 5, 5) and how many patches look at the end of a wall."""
    walls = _wall_points(table, track)
    half = 0.5 * places.size
    # the wall is known on the scale on which it was smoothed; on a longer one it is no circle
    smoothed = float(track.metadata.get("smoothing_length", 3.0 * walls.step))
    reach = min(half, SECTION_SMOOTHINGS * smoothed)
    shared = track.metadata.get("frame_shift_error", ())
    shift_error = float(shared[frame]) if frame < len(shared) else 0.0
    tree = cKDTree(smoothing(walls) @ walls.places)
    nearest = np.atleast_1d(np.asarray(tree.query(places.centers)[1], dtype=np.int64))
    patch, piece = _candidates(walls, places)
    length, of_length = measure_length(places.centers, half, patch, piece, walls)
    values, covariance = np.empty((places.n, 5)), np.empty((places.n, 5, 5))
    ends = 0
    for start in range(0, places.n, CHUNK):
        part = slice(start, start + CHUNK)
        found, weights, at_end, near_center = fit_nearest(
            places.centers[part], reach, NEAR_TURN, nearest[part], walls
        )
        wide, of_wide, _, _ = fit_nearest(
            places.centers[part], half, WIDE_TURN, nearest[part], walls
        )
        found[:, 1], weights[1] = wide[:, 1], of_wide[1]
        values[part, :2], values[part, 2] = found[:, :2], length[part]
        values[part, 3:] = found[:, 2:]
        weights.insert(2, of_length[part])
        joint = joint_covariance(weights, walls, shift_error)
        # a unit vector along an axis moves in the second order of its angle only
        angle = joint[:, 3, 3] + joint[:, 4, 4]
        normal = np.nan_to_num(found[:, 2:])
        joint[:, 3:, 3:] += (0.5 * angle**2)[:, None, None] * normal[:, :, None] * normal[:, None]
        # and one of unknown direction has the variance 1/2 along each axis
        joint[near_center, 3, 3] = joint[near_center, 4, 4] = 0.5
        covariance[part] = joint
        ends += int(at_end.sum())
    return values, covariance, ends


def _wall_points(table: pd.DataFrame, track: WallTrack) -> WallPoints:
    """Return the points of a frame with the walls that they belong to."""
    number = {
        name: table[name].to_numpy(dtype=np.float64)
        for name in ("x", "y", "normal_x", "normal_y", "normal_error", "arc_length", "curvature",
                     "error_correlation_length")
    }  # fmt: skip
    places = np.stack([number["x"], number["y"]], axis=1)
    walls, m = table["wall"].to_numpy(), len(table)
    begin = np.flatnonzero(np.r_[True, np.diff(walls) != 0])
    end = np.r_[begin[1:], m]
    around, decay, steps = np.zeros(m), np.zeros(m), []
    following = np.full(m, -1, dtype=np.int64)
    for a, b in zip(begin, end, strict=True):
        gap = np.hypot(*np.diff(places[a:b], axis=0).T)
        step = float(np.median(gap)) if len(gap) else 0.0
        joined = np.flatnonzero(gap <= LARGEST_GAP_STEPS * step)
        following[a + joined] = a + joined + 1
        closing = float(np.hypot(*(places[a] - places[b - 1])))
        if track.closed.get(int(walls[a]), False):
            around[a:b] = number["arc_length"][b - 1] - number["arc_length"][a] + closing
            if closing <= LARGEST_GAP_STEPS * step:
                following[b - 1] = a
        decay[a:b] = _decay(float(number["error_correlation_length"][a:b].mean()), step)
        steps.append(step)
    known = [step for step in steps if step > 0]
    return WallPoints(
        places, np.stack([number["normal_x"], number["normal_y"]], axis=1),
        number["normal_error"], number["arc_length"], np.nan_to_num(number["curvature"]),
        np.repeat(begin, end - begin), np.repeat(end, end - begin), around, decay, following,
        min(known, default=1.0),
    )  # fmt: skip


def _decay(integral: float, step: float) -> float:
    """Return the length of an exponential correlation of points that are ``step`` apart.

    ``integral`` is step x (1 + 2 sum of the correlations) = step x coth(step / (2 decay)).
    """
    if step <= 0 or integral <= step * (1 + 1e-9):
        return 0.0
    return float(step / (2.0 * np.arctanh(step / integral)))


def _candidates(walls: WallPoints, places: PatchPlaces) -> tuple[Integers, Integers]:
    """Return (patch, piece) pairs: which pieces of wall may lie in which patches."""
    piece = np.flatnonzero(walls.following >= 0)
    if not len(piece):
        return np.empty(0, dtype=np.int64), piece
    one, two = walls.places[piece], walls.places[walls.following[piece]]
    # smoothing moves points by less than the longest piece
    reach = 0.5 * places.size + 1.5 * float(np.abs(two - one).max())
    near = cast(
        "list[list[int]]",
        cKDTree(0.5 * (one + two)).query_ball_point(places.centers, reach, p=np.inf),
    )
    patch = np.repeat(np.arange(places.n), [len(each) for each in near])
    flat = np.concatenate([np.asarray(each, dtype=np.int64) for each in near])
    return patch, piece[flat]


def _said_limits(places: PatchPlaces, distance: Floats, ends: int) -> list[str]:
    """Say where a wall that was not seen may be nearer than the one that was."""
    notes = [
        "patches that look at the same piece of wall share its error, however far apart they are"
    ]
    if ends:
        notes.append(
            f"{ends} of {places.n} patches look at the end of a wall that leaves the view: their "
            f"distance is to that end"
        )
    low = places.centers.min(axis=0) - 0.5 * places.size
    high = places.centers.max(axis=0) + 0.5 * places.size
    border = np.minimum(places.centers - low, high - places.centers).min(axis=1)
    farther = int((distance > border).sum())
    if farther:
        notes.append(
            f"{farther} of {places.n} patches are nearer to the picture's edge than to a wall: an "
            f"unseen wall may be nearer"
        )
    return notes
