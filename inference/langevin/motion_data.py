"""Tracks as an array: frames by particles, what is missing, the frame interval and the box."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError
from physlearn.records import Trajectory

__all__ = ["MotionData", "check_times", "read_motion"]

Float = NDArray[np.float64]
UNEVEN = 1e-3
"""Relative spread of the frame intervals above which they are not one interval."""


@dataclass(frozen=True, eq=False)
class MotionData:
    """Positions of N particles in T frames at one interval.

    Attributes
    ----------
    positions
        float64, shape (T, N, d): run on across the borders of a periodic box; NaN where a particle
        was not seen.
    interval
        Time between frames.
    box
        float64, shape (d,): lengths of a periodic box; None: an open field of view.
    species
        int64, shape (N,).
    particle
        int64, shape (N,): the identities of the trajectory.
    localization_sd
        Root mean square of the record's errors; None when the record has none.
    """

    positions: Float
    interval: float
    box: Float | None
    species: NDArray[np.int64]
    particle: NDArray[np.int64]
    localization_sd: float | None
    unit: str
    time_unit: str

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return int(self.positions.shape[0])

    @property
    def seen(self) -> NDArray[np.bool_]:
        """Which particles were seen in which frame, shape (T, N)."""
        return np.isfinite(self.positions[:, :, 0])


def read_motion(trajectory: Any) -> MotionData:
    """Return the tracks of a trajectory as an array.

    Raises
    ------
    InputError
        For anything but a ``Trajectory``, a single frame, times in frames instead of a unit of
        time, uneven times, a box that is not rectangular, or two particles on one place.
    """
    check_times(trajectory)
    n_frames = trajectory.n_frames
    if n_frames < 2 or len(np.unique(trajectory.frame)) < 2:
        raise InputError(
            "trajectory must have at least 2 frames with particles for a fit of motion; a single "
            "frame can only be read by fit_pair_potential."
        )
    steps = np.diff(trajectory.times)
    if np.ptp(steps) > UNEVEN * steps.mean():
        first = int(np.argmax(np.abs(steps - np.median(steps))))
        raise InputError(
            f"times of trajectory must be evenly spaced; frame {first + 1} comes {steps[first]:g} "
            f"after the one before, the median is {np.median(steps):g} (leave a frame without "
            "rows where it was not taken)."
        )
    names, column = np.unique(trajectory.particle, return_inverse=True)
    d = trajectory.positions.shape[1]
    positions = np.full((n_frames, len(names), d), np.nan)
    positions[trajectory.frame, column] = trajectory.positions
    sd = trajectory.localization_sd
    data = MotionData(
        positions, float(steps.mean()), _box(trajectory), _species(trajectory, names), names,
        None if sd is None else float(np.sqrt(np.mean(sd**2))), trajectory.unit,
        trajectory.time_unit,
    )  # fmt: skip
    _check_places(data)
    return data


def check_times(trajectory: Any) -> None:
    """Refuse what is no trajectory, and times in frames: rates come from the frame interval."""
    if not isinstance(trajectory, Trajectory):
        raise InputError(
            "trajectory must be a Trajectory (read one with physlearn.datasets.read_trajectory, "
            f"or link atoms with link_atoms); got {type(trajectory).__name__}."
        )
    if trajectory.time_unit == "frame":
        raise InputError(
            "trajectory must have times, not frame numbers, for rates come from the frame "
            "interval; give times in seconds (time_unit='s') or reduced units."
        )


def _box(trajectory: Trajectory) -> Float | None:
    if trajectory.cell is None:
        return None
    lengths = np.diag(trajectory.cell)
    if (np.diag(lengths) != trajectory.cell).any() or (lengths <= 0.0).any():
        raise InputError(
            "the cell of trajectory must be rectangular, lengths above 0 on its diagonal; "
            f"got {trajectory.cell.tolist()}."
        )
    return np.ascontiguousarray(lengths)


def _species(trajectory: Trajectory, names: NDArray[np.int64]) -> NDArray[np.int64]:
    """Species of each particle: ``metadata["species"]``, in the order of the identities."""
    given = trajectory.metadata.get("species")
    if given is None:
        return np.zeros(len(names), dtype=np.int64)
    codes = np.asarray(given, dtype=np.int64).ravel()
    if len(codes) != len(names) or codes.min() < 0:
        raise InputError(
            f"metadata['species'] must hold a number of at least 0 for each of {len(names)} "
            f"particles; got {len(codes)} entries."
        )
    return codes


def _check_places(data: MotionData) -> None:
    """Refuse two particles on one place: no pair force is finite there."""
    for t, frame in enumerate(data.positions):
        here = np.flatnonzero(np.isfinite(frame[:, 0]))
        places = frame[here] if data.box is None else np.mod(frame[here], data.box)
        order = np.lexsort(places.T)
        same = np.flatnonzero((np.diff(places[order], axis=0) == 0.0).all(axis=1))
        if same.size:
            one, two = data.particle[here[order[same[0] : same[0] + 2]]]
            raise InputError(
                f"particles {min(one, two)} and {max(one, two)} stand on one place in frame {t}; "
                "remove the double detection (link_atoms) before a fit of motion."
            )
