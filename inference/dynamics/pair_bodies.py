"""Tracks of bodies that act on each other, as arrays in units of their own size and time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from physlearn.checks import InputError, NotIdentified, check_array
from physlearn.records import Trajectory

__all__ = ["Bodies", "memory_of_steps", "read_bodies"]

Floats = NDArray[np.float64]

FEWEST_SEEN = 8
MOST_BODIES = 24
FEWEST_STEPS = 20  # independent ones, to tell bodies that coast from such that diffuse
TOO_CLOSE = 1e-9  # of the median distance


@dataclass(frozen=True, slots=True, eq=False)
class Bodies:
    """Positions of N bodies at T times, lengths over ``length`` and times over ``duration``.

    Attributes
    ----------
    times
        Shape (T,), from 0 to 1.
    places
        Shape (T, N, d); NaN where a body was not seen. Run on across a periodic box. Seen from
        where the bodies are, moving as they do on the average: laws of pairs do not tell.
    weight
        Shape (T, N): 1 / variance of a coordinate (1 where the noise is not known).
    noise_known
        Whether ``weight`` is 1 / variance.
    box
        Shape (d,): periods, infinite in an open field.
    distances
        Shape (n,): of all pairs seen together.
    particle
        Identities.
    length, duration
        Of one unit, in ``unit`` and ``time_unit``.
    """

    times: Floats
    places: Floats
    weight: Floats
    noise_known: bool
    box: Floats
    distances: Floats
    particle: NDArray[np.int64]
    length: float
    duration: float
    unit: str
    time_unit: str

    @property
    def n_bodies(self) -> int:
        """Number of bodies."""
        return int(self.places.shape[1])


def read_bodies(trajectory: Any) -> Bodies:
    """Return the tracks of a trajectory in units of their median distance and their duration.

    Raises
    ------
    InputError
        For no trajectory, one body, too many, one frame, bodies hardly seen, bodies at one place.
    """
    check_tracks(trajectory)
    names, column = np.unique(trajectory.particle, return_inverse=True)
    n_bodies, d = len(names), trajectory.positions.shape[1]
    if n_bodies > MOST_BODIES:
        raise InputError(
            f"trajectory holds {n_bodies} bodies; motions of at most {MOST_BODIES} are integrated: "
            "give a part of them, or regime='overdamped' for particles in a fluid."
        )
    shown, row = np.unique(trajectory.frame, return_inverse=True)
    places = np.full((len(shown), n_bodies, d), np.nan)
    places[row, column] = trajectory.positions
    weight = np.ones(places.shape[:2])
    known = trajectory.localization_sd is not None and bool((trajectory.localization_sd > 0).all())
    if known:
        weight[row, column] = np.asarray(trajectory.localization_sd) ** -2.0
    seen = np.isfinite(places[:, :, 0]).sum(axis=0)
    if seen.min() < FEWEST_SEEN:
        raise InputError(
            f"every body must be seen at least {FEWEST_SEEN} times for a law of motion; particle "
            f"{names[int(seen.argmin())]} is seen {seen.min()} times."
        )
    box = np.full(d, np.inf)
    if trajectory.cell is not None:
        box = np.diag(trajectory.cell).astype(np.float64)
        places = _run_on(places, box)
    distances = _distances(places, box, names)
    times = trajectory.times[shown]
    places = _from_their_middle(times, places)
    length, duration = float(np.median(distances)), float(times[-1] - times[0])
    return Bodies(
        (times - times[0]) / duration, places / length, weight * (length**2 if known else 1.0),
        known, box / length, distances / length, names, length, duration, trajectory.unit,
        trajectory.time_unit,
    )  # fmt: skip


def _from_their_middle(times: Floats, places: Floats) -> Floats:
    """Subtract the bodies' mean velocity and place, as of straight lines through their tracks."""
    speeds = np.empty(places.shape[1:])
    for body in range(places.shape[1]):
        seen = np.isfinite(places[:, body, 0])
        since = times[seen] - times[seen].mean()
        own = places[seen, body]
        speeds[body] = since @ (own - own.mean(axis=0)) / (since @ since)
    moved = places - (times - times[0])[:, None, None] * speeds.mean(axis=0)
    return np.asarray(moved - np.nanmean(moved, axis=(0, 1)))


def check_tracks(trajectory: Any) -> None:
    """Refuse what holds no motion of pairs."""
    if not isinstance(trajectory, Trajectory):
        raise InputError(
            "trajectory must be a Trajectory (frame, particle, positions, times; read one with "
            f"physlearn.datasets.read_trajectory); got {type(trajectory).__name__}."
        )
    n_particles = len(np.unique(trajectory.particle))
    if n_particles < 2:
        raise NotIdentified(f"a law between bodies needs at least 2; trajectory has {n_particles}.")
    n_frames = len(np.unique(trajectory.frame))
    if n_frames < 2:
        raise NotIdentified(
            f"a law of motion needs more than one frame; trajectory has {n_frames}: a single one "
            "can only be read by fit_pair_potential."
        )
    cell = trajectory.cell
    if cell is not None and not np.array_equal(cell, np.diag(np.diag(cell))):
        raise InputError(
            "the cell of trajectory must be rectangular (periods on its diagonal), got "
            f"{np.asarray(cell).tolist()}: a skewed box is not read."
        )


def masses_of(masses: ArrayLike | None, bodies: Bodies) -> Floats | None:
    """Return checked masses in the order of the particles' numbers."""
    if masses is None:
        return None
    values = check_array("masses", masses, ndim=1)
    if len(values) != bodies.n_bodies or (values < 0).any() or not (values > 0).any():
        raise InputError(
            f"masses must hold {bodies.n_bodies} numbers from 0 on, not all 0, one a particle in "
            f"the order of their numbers; got {values[:8].tolist()}."
        )
    return np.asarray(values, dtype=np.float64)


def _run_on(places: Floats, box: Floats) -> Floats:
    """Let tracks run on across the borders of a periodic box."""
    out = places.copy()
    for body in range(out.shape[1]):
        seen = np.flatnonzero(np.isfinite(out[:, body, 0]))
        path = out[seen, body]
        step = np.diff(path, axis=0)
        step -= np.round(step / box) * box
        out[seen[1:], body] = path[0] + np.cumsum(step, axis=0)
    return out


def _distances(places: Floats, box: Floats, names: NDArray[np.int64]) -> Floats:
    one, two = np.triu_indices(places.shape[1], 1)
    line = places[:, one] - places[:, two]
    line -= np.where(np.isfinite(box), np.round(line / box) * np.where(np.isfinite(box), box, 0), 0)
    distance = np.sqrt((line**2).sum(axis=2))
    seen = np.isfinite(distance)
    if not seen.any():
        raise NotIdentified("no two bodies of trajectory are seen at one time.")
    middle = float(np.median(distance[seen]))
    least = np.nanmin(distance)
    if not least > TOO_CLOSE * middle:
        row, pair = np.unravel_index(int(np.nanargmin(distance)), distance.shape)
        raise InputError(
            "bodies must be at different places: the force between them has no direction; "
            f"particles {names[one[pair]]} and {names[two[pair]]} are at one place at time number "
            f"{row}."
        )
    return np.asarray(distance[seen])


def memory_of_steps(trajectory: Trajectory) -> float:
    """Return what displacements that follow each other correlate by at least, over several lags.

    Near 1 for bodies that coast (Newton), 0 for particles that a fluid shakes. A flow that
    carries all is no memory of their own: displacements are those beside the others'. The
    correlation counts less two standard deviations, at lags of at least 20 independent steps.

    Raises
    ------
    NotIdentified
        If no lag has as many.

    Examples
    --------
    >>> walk = np.cumsum(np.random.default_rng(0).normal(size=(200, 4, 2)), axis=0).reshape(-1, 2)
    >>> film = Trajectory(np.repeat(range(200), 4), np.tile(range(4), 200), walk, np.arange(200.0))
    >>> bool(memory_of_steps(film) < 0.5)
    True
    """
    shown, row = np.unique(trajectory.frame, return_inverse=True)
    names, column = np.unique(trajectory.particle, return_inverse=True)
    n, d = len(names), trajectory.positions.shape[1]
    places = np.full((len(shown), n, d), np.nan)
    places[row, column] = trajectory.positions
    if trajectory.cell is not None:
        places = _run_on(places, np.diag(trajectory.cell))
    found, lag = -1.0, 1
    while 3 * lag < len(shown):
        step = places[lag:] - places[:-lag]
        counted = np.isfinite(step[..., :1]).sum(axis=1, keepdims=True)
        step = np.where(counted > 1, step - np.nansum(step, axis=1, keepdims=True)
                        / np.maximum(counted, 1), np.nan)  # fmt: skip
        first, second = step[:-lag], step[lag:]
        both = np.isfinite(first[..., 0]) & np.isfinite(second[..., 0])
        # Beside their mean n particles move in n - 1 ways; steps overlap over a lag
        repeated = lag * n / (n - 1)
        if both.sum() * d / repeated >= FEWEST_STEPS:
            a, b = first[both], second[both]
            along = (a * b).sum(axis=1)
            # By the product of lengths: steps of uneven times may differ in length
            size = np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
            whole = max(float(size.sum()), 1e-300)
            share = float(along.sum()) / whole
            error = float(np.sqrt(repeated * ((along - share * size) ** 2).sum())) / whole
            found = max(found, share - 2.0 * error, 0.0)
        lag *= 2
    if found < 0.0:
        raise NotIdentified(
            f"{len(shown)} frames of {n} particles are too few to tell coasting from diffusion: "
            "say regime='newtonian' or 'overdamped' in the options."
        )
    return found
