"""Whether tracked particles rest and jump, or wander all the time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError, NotIdentified
from physlearn.records import Trajectory

__all__ = ["is_hopping"]

Floats = NDArray[np.float64]
LAG = 4
GROWS = 1.6
"""Median square displacement over LAG frames over that of one: 1 at rest, LAG in diffusion."""
FAR = 6.0
FEWEST_STEPS = 20
FEWEST_JUMPS = 3


def is_hopping(trajectory: Trajectory) -> bool:
    """Say whether particles rest between jumps, so that hop rates describe them.

    At rest the median displacement does not grow with the lag; a diffusing particle's grows with
    its root. And some displacements must exceed six times the usual one. The median displacement
    of a frame, drift, is taken off.

    Parameters
    ----------
    trajectory
        Tracks. Particles that hop more than about every eighth frame do not rest: their median
        moves, and the answer is False.

    Raises
    ------
    NotIdentified
        With fewer than 20 pairs of frames that lie 4 frames apart.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> frame, particle = (x.ravel() for x in np.mgrid[:50, :9])
    >>> jumps = 3.0 * np.cumsum(rng.random((50, 9)) < 0.03, axis=0).ravel()
    >>> places = np.stack([jumps, 0.0 * jumps], axis=1) + rng.normal(0, 0.1, (450, 2))
    >>> is_hopping(Trajectory(frame, particle, places, np.arange(50.0)))
    True
    """
    if not isinstance(trajectory, Trajectory):
        raise InputError(f"trajectory must be a Trajectory; got {type(trajectory).__name__}.")
    short, long = _moves(trajectory, 1), _moves(trajectory, LAG)
    if min(len(short), len(long)) < FEWEST_STEPS:
        raise NotIdentified(
            f"the tracks hold {len(long)} pairs of positions {LAG} frames apart; at least "
            f"{FEWEST_STEPS} are needed to tell rests from wandering."
        )
    usual = float(np.median(np.sum(short**2, axis=1)))
    later = float(np.median(np.sum(long**2, axis=1)))
    jumps = np.sum(short**2, axis=1) > FAR**2 * usual
    return bool(later <= GROWS * usual and jumps.sum() >= FEWEST_JUMPS)


def _moves(track: Trajectory, lag: int) -> Floats:
    """Return displacements over ``lag`` frames less each frame's median one."""
    key = {
        (p, f): row for row, (p, f) in enumerate(
            zip(track.particle.tolist(), track.frame.tolist(), strict=True)
        )
    }  # fmt: skip
    pairs = [(row, key[p, f + lag]) for (p, f), row in key.items() if (p, f + lag) in key]
    if not pairs:
        return np.zeros((0, track.positions.shape[1]))
    before, after = np.array(pairs).T
    moves = track.positions[after] - track.positions[before]
    frames = track.frame[before]
    for frame in np.unique(frames):
        rows = frames == frame
        if rows.sum() >= FEWEST_JUMPS:
            moves[rows] -= np.median(moves[rows], axis=0)
    return np.asarray(moves)
