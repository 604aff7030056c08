"""Trajectories as series of rows, one a particle, for motion in a field."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError, check_array, check_positive
from physlearn.inference.langevin.missed_links import find_swaps
from physlearn.inference.langevin.motion_data import check_times
from physlearn.records import Trajectory

__all__ = ["NoiseOf", "Series", "read_noise", "read_series"]

Float = NDArray[np.float64]
Int = NDArray[np.int64]
FREE_NOISE = 0.5 * float(np.exp(-0.5 * (np.euler_gamma + np.log(2.0))))
FREE_NOISE_SD = float(np.pi / np.sqrt(8.0))
"""Of a free localisation noise over the typical step, and of its logarithm.

Mean and spread of ln|x| for a normal x of half a step: nearly flat in the noise. A wider prior of
the logarithm believes in noises so small that no track tells them from none.
"""


@dataclass(frozen=True, eq=False)
class Series:
    """Rows of all particles, one particle after the other.

    Attributes
    ----------
    starts
        int64, shape (m + 1,): first row of each particle, and the number of rows.
    gaps
        float64, shape (n,): time since the row before (0 at a start).
    positions
        float64, shape (n, d).
    variance
        float64, shape (n,): known localisation variance.
    first
        float64, shape (n,): time of the first row of the row's particle.
    """

    starts: Int
    gaps: Float
    positions: Float
    variance: Float
    first: Float | float = 0.0

    @property
    def is_step(self) -> NDArray[np.bool_]:
        """Which rows follow another one."""
        out = np.ones(len(self.gaps), dtype=bool)
        out[self.starts[:-1]] = False
        return out

    @property
    def interval(self) -> float:
        """Median time between rows."""
        return float(np.median(self.gaps[self.is_step]))

    def seen_as(self, positions: Float) -> Series:
        """Return the same times with other positions."""
        return replace(self, positions=np.ascontiguousarray(positions))


@dataclass(frozen=True, eq=False)
class NoiseOf:
    """Localisation noise: known for each row, or one unknown with a prior of its logarithm.

    Attributes
    ----------
    known
        float64, shape (n,): standard deviations, or None.
    log_mean, log_sd
        Prior of ln(noise) where it is not known.
    said
        How it was taken, for the diagnostics.
    """

    known: Float | None
    log_mean: float = 0.0
    log_sd: float = 1.0
    said: str = "known"


def read_series(trajectory: Trajectory, axes: Sequence[int] | None) -> tuple[Series, Int]:
    """Return a trajectory's rows by particle, and where each stands in the trajectory.

    Raises
    ------
    InputError
        For a periodic box, axes that are not there, frames without times, or no particle seen
        twice.

    Examples
    --------
    >>> walk = Trajectory([0, 1, 3], [0, 0, 0], np.eye(3)[:, :2], [0.0, 1.0, 2.0, 3.0])
    >>> read_series(walk, None)[0].gaps.tolist()
    [0.0, 1.0, 2.0]
    """
    check_times(trajectory)
    d = trajectory.positions.shape[1]
    if trajectory.cell is not None:
        raise InputError(
            "trajectory must not be periodic for a map of an external field; pass a copy without "
            "its cell, with positions that run on across the borders."
        )
    wanted = list(range(d)) if axes is None else list(axes)
    if not wanted or len(set(wanted)) < len(wanted) or not set(wanted) <= set(range(d)):
        raise InputError(f"axes must be different numbers from 0 to {d - 1}; got {axes}.")
    order = np.lexsort((trajectory.frame, trajectory.particle))
    name = trajectory.particle[order]
    times = trajectory.times[trajectory.frame[order]]
    many = np.bincount(np.unique(name, return_inverse=True)[1])
    keep = np.repeat(many > 1, many)
    order, name, times = order[keep], name[keep], times[keep]
    if not len(order):
        raise InputError("trajectory must hold a particle in two frames; none is seen twice.")
    first = np.flatnonzero(np.r_[True, name[1:] != name[:-1]])
    gaps = np.diff(times, prepend=times[0])
    gaps[first] = 0.0
    positions = np.ascontiguousarray(trajectory.positions[order][:, wanted])
    starts = np.append(first, len(order))
    series = Series(
        starts, gaps, positions, np.zeros(len(order)), np.repeat(times[first], np.diff(starts))
    )
    if not (np.diff(positions, axis=0) != 0.0).any():
        raise InputError(
            "trajectory must hold some motion; every particle stands still to the last digit: are "
            "positions rounded to whole pixels?"
        )
    swaps = find_swaps(trajectory)
    if len(swaps):
        raise InputError(
            f"{len(swaps)} pair(s) of tracks exchange identities, first particles "
            f"{swaps.particle_a[0]} and {swaps.particle_b[0]} after frame {swaps.frame[0]}; repair "
            "them with cut_swaps(trajectory)."
        )
    return series, order


def read_noise(
    trajectory: Trajectory,
    order: Int,
    localization_sd: object,
    typical_step: float,
) -> NoiseOf:
    """Return the noise from a value, (mean, sd), ``"free"``, or the trajectory's own (None).

    Raises
    ------
    InputError
        For anything else.
    """
    n = len(order)
    if localization_sd is None and trajectory.localization_sd is not None:
        return NoiseOf(trajectory.localization_sd[order], said="of each row, from the trajectory")
    if localization_sd is None or (isinstance(localization_sd, str) and localization_sd == "free"):
        return NoiseOf(
            None, float(np.log(FREE_NOISE * typical_step)), FREE_NOISE_SD, "unknown, fitted"
        )
    if isinstance(localization_sd, str):
        raise InputError(
            "localization_sd must be a number, (mean, sd), 'free' or None; got "
            f"{localization_sd!r}."
        )
    given = check_array("localization_sd", localization_sd)  # type: ignore[arg-type]
    if given.ndim == 0:
        value = check_positive("localization_sd", float(given), allow_zero=True)
        return NoiseOf(np.full(n, value), said=f"known, {value:g}")
    if given.shape != (2,) or not (given > 0.0).all():
        raise InputError(
            f"localization_sd must be a number, (mean, sd) above 0, 'free' or None; got "
            f"{given.tolist()}."
        )
    mean, sd = given.tolist()
    return NoiseOf(None, float(np.log(mean)), sd / mean, f"about {mean:g} +- {sd:g}, fitted")
