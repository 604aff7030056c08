"""The common motion of all particles: a drifting stage, a flow, taken out frame by frame."""

from __future__ import annotations

from dataclasses import replace
from typing import overload

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.langevin.film import Film, require_motion
from physlearn.records import Trajectory

__all__ = ["common_motion", "remove_drift"]

Float = NDArray[np.float64]
Int64 = NDArray[np.int64]


def common_motion(trajectory: Trajectory) -> tuple[Float, Int64]:
    """Return the mean step from each frame to the next, (n_frames - 1, d), and of how many.

    Steps of particles that are seen in both frames; 0 where there are none. Over frames in which
    nothing is seen the step from the last seen frame to the next is shared out.
    """
    order = np.lexsort((trajectory.frame, trajectory.particle))
    frame, particle = trajectory.frame[order], trajectory.particle[order]
    places = trajectory.positions[order]
    # frames that hold no particle are stepped over: the motion across them is shared out evenly
    held = np.unique(frame)
    rank = np.searchsorted(held, frame)
    whole = (np.diff(particle) == 0) & (np.diff(rank) == 1)
    steps = np.diff(places, axis=0)[whole]
    if trajectory.cell is not None:
        steps = steps - np.round(steps @ np.linalg.inv(trajectory.cell)) @ trajectory.cell
    first, n = rank[:-1][whole], len(held) - 1
    number = np.bincount(first, minlength=n)
    total = np.stack([np.bincount(first, steps[:, k], n) for k in range(steps.shape[1])], axis=1)
    gap = np.diff(held)
    mean = np.zeros((trajectory.n_frames - 1, steps.shape[1]))
    count = np.zeros(trajectory.n_frames - 1, dtype=np.int64)
    inner = slice(int(held[0]), int(held[-1]))
    mean[inner] = np.repeat(total / (np.maximum(number, 1) * gap)[:, None], gap, axis=0)
    count[inner] = np.repeat(number, gap)
    return mean, count


@overload
def remove_drift(trajectory: Trajectory) -> Trajectory: ...
@overload
def remove_drift(trajectory: Film) -> Film: ...
def remove_drift(trajectory: Trajectory | Film) -> Trajectory | Film:
    """Take the common motion of all particles out of a trajectory.

    The mean step of the particles that are seen in two frames in a row is added up over the frames
    and subtracted: x_i(t) - sum over s < t of mean_j [x_j(s + 1) - x_j(s)]. The mean of n particles
    takes 1 / n of each one's own motion with it; ``measure_diffusion`` and ``fit_noisy_motion``
    count that, other uses may not.

    Parameters
    ----------
    trajectory
        At least two frames. In the first frame positions stay as they are.

    Returns
    -------
    Trajectory
        The metadata hold ``drift``: the distance that was taken out from the first to the last
        frame, per axis.

    Raises
    ------
    InputError
        For anything but a trajectory.
    NotIdentified
        For a single frame, or positions that are not linked.

    Examples
    --------
    >>> walk = Trajectory([0, 0, 1, 1], [0, 1, 0, 1], [[0, 0], [5, 0], [1, 0], [6.5, 0]], [0, 1])
    >>> still = remove_drift(walk)
    >>> still.positions[:, 0].tolist(), still.metadata["drift"]
    ([0.0, 5.0, -0.25, 5.25], [1.25, 0.0])
    """
    if isinstance(trajectory, Film):
        return _without_drift(trajectory)
    trajectory = require_motion(trajectory)
    mean, _ = common_motion(trajectory)
    path = np.concatenate([np.zeros((1, mean.shape[1])), np.cumsum(mean, axis=0)])
    return replace(
        trajectory, positions=trajectory.positions - path[trajectory.frame],
        metadata={**trajectory.metadata, "drift": path[-1].tolist()},
    )  # fmt: skip


def _without_drift(film: Film) -> Film:
    """Do the same to a film; whole steps only (what all share over a gap shifts no distance)."""
    steps = np.diff(film.places, axis=0) * film.joined[..., None]
    number = np.maximum(film.joined.sum(axis=1), 1)
    path = np.cumsum(steps.sum(axis=1) / number[:, None], axis=0)
    places = film.places.copy()
    places[1:] -= path[:, None]
    return replace(film, places=places)
