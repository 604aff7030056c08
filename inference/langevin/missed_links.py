"""Tracks that exchange identities: a pair of opposite jumps that a swap of names undoes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.langevin.film import require_motion
from physlearn.records import Trajectory

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["cut_swaps", "find_swaps"]

Float = NDArray[np.float64]
LARGEST_P = 1e-6
"""Chance, over the whole film, that honest motion looks like a swap."""


def find_swaps(trajectory: Trajectory) -> pd.DataFrame:
    """Find pairs of tracks that exchange identities between two frames.

    Two particles that jump onto each other's places make a pair of long opposite steps, which
    exchanged names turn into two short ones. The gain of the exchange in the sum of squared steps,
    over twice the variance of a step, is the logarithm of the odds for a swap under Gaussian steps;
    a pair is reported where it exceeds ln(number of neighbouring pairs / 1e-6) and the exchanged
    steps are ordinary (within 5 standard deviations) while both given steps are not.

    Parameters
    ----------
    trajectory
        Linked positions. Steps over gaps are not judged.

    Returns
    -------
    pandas.DataFrame
        Columns frame (the last one before the swap), particle_a, particle_b, log_odds.

    Raises
    ------
    InputError
        For anything but a trajectory.
    NotIdentified
        For a single frame, or positions that are not linked.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> places = np.array([[0.0, 0.0], [3.0, 0.0]]) + 0.1 * rng.normal(size=(20, 2, 2))
    >>> places[10:] = places[10:, ::-1].copy()
    >>> film = Trajectory(np.repeat(range(20), 2), np.tile([7, 9], 20), places.reshape(-1, 2),
    ...     np.arange(20.0))
    >>> find_swaps(film)[["frame", "particle_a", "particle_b"]].values.tolist()
    [[9, 7, 9]]
    """
    import pandas as pd
    from scipy.spatial import cKDTree

    trajectory = require_motion(trajectory)
    rows = _whole_steps(trajectory)
    columns = ["frame", "particle_a", "particle_b", "log_odds"]
    empty = pd.DataFrame(columns=columns).astype(dict.fromkeys(columns[:3], np.int64))
    if len(rows) == 0:
        return empty
    before, after = trajectory.positions[rows[:, 0]], trajectory.positions[rows[:, 1]]
    step = _nearest(after - before, trajectory)
    # the middle of the distribution: swapped steps must not widen the scale they are judged by
    middle = np.median(step, axis=0)
    scale = float(np.median(np.abs(step - middle))) / 0.6745
    if scale == 0.0:
        return empty
    long = np.flatnonzero((np.abs(step - middle) > 5.0 * scale).any(axis=1))
    frame = trajectory.frame[rows[:, 0]]
    found, n_pairs = [], max(len(rows) * 3, 1)
    for t in np.unique(frame[long]):
        here = long[frame[long] == t]
        if len(here) < 2:
            continue
        reach = float(np.sqrt((step[here] ** 2).sum(axis=1)).max()) * 1.5
        tree = cKDTree(before[here])
        for one, two in sorted(tree.query_pairs(reach)):
            a, b = here[one], here[two]
            crossed = np.stack([
                _nearest(after[b] - before[a], trajectory),
                _nearest(after[a] - before[b], trajectory),
            ]) - middle  # fmt: skip
            own = step[[a, b]] - middle
            odds = 0.5 * ((own**2).sum() - (crossed**2).sum()) / scale**2
            if odds > np.log(n_pairs / LARGEST_P) and (np.abs(crossed) < 5.0 * scale).all():
                names = trajectory.particle[rows[[a, b], 0]].tolist()
                found.append((int(t), *sorted(names), float(odds)))
    return pd.DataFrame(found, columns=columns) if found else empty


def cut_swaps(trajectory: Trajectory) -> Trajectory:
    """Give tracks that exchange identities their own names back.

    Returns
    -------
    Trajectory
        From each swap on, the two particles' numbers are exchanged; ``warnings`` say how many.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> places = np.array([[0.0, 0.0], [3.0, 0.0]]) + 0.1 * rng.normal(size=(20, 2, 2))
    >>> swapped = np.concatenate([places[:10], places[10:, ::-1]])
    >>> film = Trajectory(np.repeat(range(20), 2), np.tile([7, 9], 20), swapped.reshape(-1, 2),
    ...     np.arange(20.0))
    >>> bool((cut_swaps(film).positions == places.reshape(-1, 2)).all())
    True
    """
    swaps = find_swaps(trajectory)
    if not len(swaps):
        return trajectory
    particle = trajectory.particle.copy()
    # the last swap first: the names of the table are those before any was undone
    rows = swaps.sort_values("frame", ascending=False)[["frame", "particle_a", "particle_b"]]
    for frame, one, two in rows.to_numpy(dtype=np.int64).tolist():
        later = trajectory.frame > frame
        a, b = later & (particle == one), later & (particle == two)
        particle[a], particle[b] = two, one
    said = f"{len(swaps)} exchange(s) of identity were undone."
    return replace(trajectory, particle=particle, warnings=(*trajectory.warnings, said))


def _whole_steps(trajectory: Trajectory) -> NDArray[np.int64]:
    """Rows (m, 2) of the same particle in two frames in a row."""
    order = np.lexsort((trajectory.frame, trajectory.particle))
    frame, particle = trajectory.frame[order], trajectory.particle[order]
    whole = np.flatnonzero((np.diff(particle) == 0) & (np.diff(frame) == 1))
    return np.stack([order[whole], order[whole + 1]], axis=1)


def _nearest(step: Float, trajectory: Trajectory) -> Float:
    """Return steps to the nearest image."""
    if trajectory.cell is None:
        return step
    turns = np.round(step @ np.linalg.inv(trajectory.cell))
    return np.asarray(step - turns @ trajectory.cell)
