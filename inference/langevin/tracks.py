"""Tracks of single particles, sorted by particle, with the common drift taken out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError, NotIdentified
from physlearn.inference.langevin.drift_removal import common_motion
from physlearn.inference.langevin.film import frame_interval, require_motion
from physlearn.records import Trajectory

__all__ = ["Tracks", "mean_square_displacement", "tracks_of"]

Float = NDArray[np.float64]
Int64 = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Tracks:
    """Rows sorted by particle and frame.

    ``frame``: (n,) place on the even grid of times; ``particle``: (n,) 0 ... n_particles - 1;
    ``places``: (n, d), unwrapped; ``interval``: between frames; ``share``: (n,) running sum over
    the rows of what the removal of the drift adds to the variance of a step; ``independent``: share
    of the tracks that are independent then, 1 - 1 / n.
    """

    frame: Int64
    particle: Int64
    places: Float
    interval: float
    share: Float
    independent: float

    @property
    def dimension(self) -> int:
        """Number of axes."""
        return int(self.places.shape[1])

    @property
    def n_particles(self) -> int:
        """Number of tracks."""
        return int(self.particle[-1]) + 1

    def freedom(self, rows: Int64) -> Float:
        """Return the share of the variance of each displacement between rows that is left.

        A particle's own step is part of the mean: 1 - 1 / n; over a gap it is not: 1 + 1 / n.
        """
        return np.asarray(1.0 + np.diff(self.share[rows]) / np.diff(self.frame[rows]))


def tracks_of(trajectory: Trajectory, remove_drift: bool) -> Tracks:
    """Return the tracks of a trajectory.

    Raises
    ------
    InputError
        For times off an even grid.
    NotIdentified
        For a single frame, unlinked positions, or a drift of a single particle.
    """
    trajectory = require_motion(trajectory)
    interval, grid = frame_interval(trajectory)
    order = np.lexsort((trajectory.frame, trajectory.particle))
    frame = grid[trajectory.frame[order]]
    _, particle = np.unique(trajectory.particle[order], return_inverse=True)
    places = trajectory.positions[order].copy()
    if trajectory.cell is not None:
        places = _unwrapped(places, particle, trajectory.cell)
    taken, independent = np.zeros(grid[-1] + 1), 1.0
    if remove_drift:
        mean, number = common_motion(trajectory)
        if number.max() < 2:
            raise NotIdentified(
                "the drift of trajectory cannot be told from the motion of its single particle; "
                "say remove_drift=False if the stage stands still."
            )
        path = np.concatenate([np.zeros((1, mean.shape[1])), np.cumsum(mean, axis=0)])
        places -= path[trajectory.frame[order]]
        alone = np.flatnonzero(number == 1)
        if alone.size:
            frame, particle, places = _without_alone(frame, particle, places, grid[alone])
        part = np.where(number > 0, 1.0 / np.maximum(number, 2), 0.0)
        taken[grid[0] + 1 :] = np.repeat(part, np.diff(grid))
        independent = 1.0 - float((part * number).sum() / max(number.sum(), 1))
    total = np.cumsum(taken)[frame]
    added = np.diff(total, prepend=total[:1])
    # also across frames in which nothing is seen
    own = np.diff(np.searchsorted(np.unique(frame), frame), prepend=-1) == 1
    share = np.cumsum(np.where(own, -added, added))
    return Tracks(frame, particle.astype(np.int64), places, interval, share, independent)


def mean_square_displacement(tracks: Tracks, lag: int) -> float:
    """Return the mean square of all displacements over exactly ``lag`` frames; NaN: there are none.

    Steps over other gaps do not enter.
    """
    span = int(tracks.frame.max()) + lag + 1
    key = tracks.particle * span + tracks.frame
    later = np.searchsorted(key, key + lag)
    found = later < len(key)
    found[found] = key[later[found]] == key[found] + lag
    if not found.any():
        return float("nan")
    step = tracks.places[later[found]] - tracks.places[found]
    return float((step**2).sum(axis=1).mean())


def _without_alone(
    frame: Int64, particle: Int64, places: Float, alone: Int64
) -> tuple[Int64, Int64, Float]:
    """Cut tracks where one particle alone made the step: its drift is its own motion."""
    cut = np.zeros(int(max(frame.max(), alone.max())) + 2, dtype=np.int64)
    cut[alone + 1] = 1
    key = particle * (cut.sum() + 1) + np.cumsum(cut)[frame]
    _, renamed = np.unique(key, return_inverse=True)
    if len(renamed) == 0:
        raise InputError("trajectory holds no two particles in the same two frames.")
    return frame, renamed, places


def _unwrapped(places: Float, particle: Int64, cell: Float) -> Float:
    """Undo jumps across the border of a periodic box."""
    step = np.diff(places, axis=0)
    turns = np.round(step @ np.linalg.inv(cell))
    turns[np.diff(particle) != 0] = 0.0
    # each track begins where it is: the turns of the one before do not count
    total = np.concatenate([np.zeros((1, turns.shape[1])), np.cumsum(turns, axis=0)])
    first = np.flatnonzero(np.diff(particle, prepend=-1))
    total -= total[first][np.cumsum(np.isin(np.arange(len(places)), first)) - 1]
    return np.asarray(places - total @ cell)
