"""A film of particles as arrays: one slot a track, what is seen, and which steps are whole."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError, NotIdentified
from physlearn.records import Trajectory
from physlearn.records.storage import html_table, short_repr

__all__ = ["Film", "film_of", "frame_interval", "require_motion"]

Float = NDArray[np.float64]
Bytes = NDArray[np.uint8]
EVEN = 0.05
"""Largest deviation of a gap between frames from whole intervals, in intervals."""


def require_motion(trajectory: object, least_frames: int = 2) -> Trajectory:
    """Return a trajectory in which something can move, or say what is missing.

    Raises
    ------
    InputError
        For anything but a ``Trajectory``.
    NotIdentified
        Where fewer frames hold particles, or no particle is seen twice.
    """
    if not isinstance(trajectory, Trajectory):
        raise InputError(
            "trajectory must be a Trajectory (read_trajectory and link_atoms make one); "
            f"got {type(trajectory).__name__}."
        )
    n_frames = len(np.unique(trajectory.frame))
    if n_frames < least_frames:
        raise NotIdentified(
            f"motion needs at least {least_frames} frames; trajectory has {n_frames}: a single "
            "snapshot is for fit_pair_potential."
        )
    if len(np.unique(trajectory.particle)) == len(trajectory.particle):
        raise NotIdentified(
            "no particle of trajectory is seen in two frames: link the positions first (link_atoms)"
            "."
        )
    return trajectory


def frame_interval(trajectory: Trajectory) -> tuple[float, NDArray[np.int64]]:
    """Return the interval of an even grid of frames, and each frame's place on it.

    Raises
    ------
    InputError
        Where the times do not lie on such a grid.
    """
    gaps = np.diff(trajectory.times)
    # clocks write rounded times: the interval is a mean, and each gap may be a little off
    short = float(gaps[gaps < 1.5 * gaps.min()].mean())
    frames = np.maximum(np.round(gaps / short), 1.0)
    interval = float(gaps.sum() / frames.sum())
    if np.abs(gaps - frames * interval).max() > EVEN * interval:
        raise InputError(
            f"the times of trajectory must lie on an even grid; the shortest step is "
            f"{gaps.min():g}, yet the longest, {gaps.max():g}, is no multiple of it: leave out odd "
            "frames."
        )
    return interval, np.r_[0, np.cumsum(frames)].astype(np.int64)


@dataclass(frozen=True, eq=False)
class Film:
    """Positions of a film by frame and slot.

    ``places``: (n_frames, n, 3), not wrapped; ``seen``: (n_frames, n); ``joined``: (n_frames - 1,
    n); ``species``: (n,); ``box``: (3,) lengths, of the periodic box or of the field of view;
    ``periodic``; ``dimension``; ``interval``: time between frames; ``row_frame``, ``row_slot``:
    (n_rows,) where each row of the trajectory went.
    """

    places: Float
    seen: Bytes
    joined: Bytes
    species: NDArray[np.int64]
    box: Float
    periodic: bool
    dimension: int
    interval: float
    row_frame: NDArray[np.int64]
    row_slot: NDArray[np.int64]

    __repr__ = short_repr
    _repr_html_ = html_table

    @property
    def kernel_box(self) -> Float:
        """Box lengths as the kernels read them: 0 in open space."""
        return self.box if self.periodic else np.zeros(3)

    def steps(self) -> Float:
        """Return all whole steps, shape (m, d)."""
        steps = np.diff(self.places, axis=0)[self.joined.astype(bool)]
        return np.asarray(steps[:, : self.dimension])


def film_of(trajectory: Trajectory) -> Film:
    """Return a trajectory as a film; tracks that follow each other share a slot.

    Raises
    ------
    InputError
        For a box that is not rectangular, times off an even grid, or two particles at one place.
    """
    interval, grid = frame_interval(trajectory)
    dimension = trajectory.positions.shape[1]
    frame = grid[trajectory.frame]
    _check_apart(trajectory)
    n_frames = int(frame.max() - frame.min()) + 1
    frame = frame - frame.min()
    slots, species = _slots(trajectory, frame)
    n = int(slots.max()) + 1
    places = np.zeros((n_frames, n, 3))
    seen = np.zeros((n_frames, n), dtype=np.uint8)
    owner = np.full((n_frames, n), -1, dtype=np.int64)
    positions, box, origin = _inside(trajectory)
    places[frame, slots, :dimension] = positions - origin
    seen[frame, slots] = 1
    owner[frame, slots] = trajectory.particle
    same = (owner[1:] == owner[:-1]) & (owner[1:] >= 0)
    if trajectory.cell is not None:
        places = _unwrapped(places, same, box)
    return Film(
        np.ascontiguousarray(places), seen, same.astype(np.uint8), species, box,
        trajectory.cell is not None, dimension, interval, frame, slots,
    )  # fmt: skip


def _check_apart(trajectory: Trajectory) -> None:
    """Refuse two particles of one frame at one place."""
    key = np.column_stack([trajectory.frame, trajectory.positions])
    order = np.lexsort(key.T[::-1])
    alike = np.flatnonzero((np.diff(key[order], axis=0) == 0.0).all(axis=1))
    if alike.size:
        one, two = order[alike[0] : alike[0] + 2]
        raise InputError(
            f"particles {trajectory.particle[one]} and {trajectory.particle[two]} stand at one "
            f"place in frame {trajectory.frame[one]}: atoms cannot lie on top of each other; "
            "remove the double detection."
        )


def _inside(trajectory: Trajectory) -> tuple[Float, Float, Float]:
    """Positions, box lengths (3,) and the corner that becomes the origin."""
    positions, dimension = trajectory.positions, trajectory.positions.shape[1]
    box = np.zeros(3)
    if trajectory.cell is not None:
        lengths = np.diag(trajectory.cell)
        if np.abs(trajectory.cell - np.diag(lengths)).max() > 0.0:
            raise InputError(
                "the cell of trajectory must be rectangular (periods on its diagonal); got "
                f"{trajectory.cell.tolist()}."
            )
        box[:dimension] = lengths
        return positions, box, np.zeros(dimension)
    low, high = positions.min(axis=0), positions.max(axis=0)
    box[:dimension] = high - low
    return positions, box, low


def _unwrapped(places: Float, same: NDArray[np.bool_], box: Float) -> Float:
    """Undo the jumps of tracks that were wrapped into the box."""
    lengths = np.where(box > 0.0, box, 1.0)
    turns = np.where(box > 0.0, np.round(np.diff(places, axis=0) / lengths), 0.0)
    turns[~same] = 0.0
    moved = places.copy()
    moved[1:] -= np.cumsum(turns, axis=0) * box
    return moved


def _slots(
    trajectory: Trajectory, frame: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Slot of each row, and the species of each slot; a slot is free again when a track ends."""
    names, inverse = np.unique(trajectory.particle, return_inverse=True)
    first = np.full(len(names), np.iinfo(np.int64).max)
    last = np.zeros(len(names), dtype=np.int64)
    np.minimum.at(first, inverse, frame)
    np.maximum.at(last, inverse, frame)
    kind = np.zeros(len(names), dtype=np.int64)
    given = trajectory.metadata.get("species")
    if given is not None and len(given) == len(names):
        kind = np.asarray(given, dtype=np.int64)
    slot_of = np.zeros(len(names), dtype=np.int64)
    ends: list[int] = []
    kinds: list[int] = []
    for track in np.lexsort((last, first)):
        free = next(
            (s for s, end in enumerate(ends) if end < first[track] and kinds[s] == kind[track]), -1
        )
        if free < 0:
            free = len(ends)
            ends.append(0)
            kinds.append(int(kind[track]))
        ends[free] = int(last[track])
        slot_of[track] = free
    return slot_of[inverse], np.array(kinds, dtype=np.int64)
