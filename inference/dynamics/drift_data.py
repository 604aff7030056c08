"""Tracks of particles as the search of their drift takes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from physlearn.checks import InputError, check_array, check_positive
from physlearn.inference.dynamics.drift_fit import Motion
from physlearn.inference.dynamics.drift_grid import grid_motion
from physlearn.inference.dynamics.drift_moments import moment_motion
from physlearn.inference.langevin.force_map_series import (
    FREE_NOISE,
    Series,
)
from physlearn.inference.langevin.force_map_series import read_series as read_tracks
from physlearn.records import Trajectory

__all__ = ["DriftData", "motion_of", "read_drift_data"]

Floats = NDArray[np.float64]
Tracks = Trajectory | pd.DataFrame | Mapping[str, Any] | Sequence[Any]

FEWEST_STEPS = 30
OFF_FRAME = 0.1  # of an interval, a time that belongs to a frame
AXES = ("x", "y")
NO_NOISE = 0.03  # of a step: 0.2 % of its square, which no few thousand steps tell from none


@dataclass(frozen=True, eq=False)
class DriftData:
    """Rows of independent particles.

    Attributes
    ----------
    series
        One particle after the other.
    frame
        int64, shape (n,): number of each row's frame.
    names
        Of the coordinates.
    noise
        float64, shape (n,): standard deviation of each coordinate of each row; None: unknown.
    exposure
        Time that a row averages over.
    unit, time_unit
        Texts; None where not known.
    apart, phases
        Every so many frames are looked at, from so many first frames.
    still
        Coordinates that never change, which were left out.
    """

    series: Series
    frame: NDArray[np.int64]
    names: tuple[str, ...]
    noise: Floats | None
    exposure: float
    unit: str | None
    time_unit: str | None
    apart: int = 1
    phases: int = 1
    still: tuple[str, ...] = ()

    @property
    def steps(self) -> tuple[Floats, Floats, Floats]:
        """Places before (n, d) and after each step, and its duration (n,)."""
        later = np.flatnonzero(self.series.is_step)
        places = self.series.positions
        return places[later - 1], places[later], self.series.gaps[later]

    @property
    def earlier_places(self) -> Floats:
        """Places before each step whose errors the step does not share, (n, d); NaN: none."""
        later = np.flatnonzero(self.series.is_step)
        if self.is_exact:
            return self.series.positions[later - 1]
        before = np.where(self.series.is_step[later - 1], later - 2, -1)
        found = self.series.positions[before]
        found[before < 0] = np.nan
        return found

    @property
    def step_size(self) -> float:
        """Root mean square of a displacement along an axis."""
        begin, end, _ = self.steps
        return float(np.sqrt(np.mean((end - begin) ** 2)))

    @property
    def is_exact(self) -> bool:
        """Whether positions have no noise to speak of."""
        small = NO_NOISE * self.step_size
        return self.noise is not None and not self.exposure and bool(self.noise.max() <= small)

    @property
    def n_steps(self) -> int:
        """Steps, each counted once."""
        return int(self.series.is_step.sum()) // self.phases

    def thinned(self, apart: int, phases: int) -> DriftData:
        """Return every so many frames, from some first frames: tracks that overlap in time."""
        if apart == 1:
            return self
        count = min(phases, apart)
        first = np.unique(np.arange(count) * apart // count)
        track = np.repeat(np.arange(len(self.series.starts) - 1), np.diff(self.series.starts))
        rows = np.flatnonzero(np.isin(self.frame % apart, first))
        key = track[rows] * apart + self.frame[rows] % apart
        order = np.lexsort((self.frame[rows], key))
        rows, key = rows[order], key[order]
        many = np.bincount(np.unique(key, return_inverse=True)[1])
        whole = np.repeat(many > 1, many)
        found = self._of_rows(rows[whole], key[whole])
        return replace(found, apart=apart, phases=len(first))

    def capped(self, most: int) -> DriftData:
        """Return tracks evenly chosen, about ``most`` rows in all."""
        n = len(self.series.gaps)
        if n <= most:
            return self
        track = np.repeat(np.arange(len(self.series.starts) - 1), np.diff(self.series.starts))
        n_tracks = track[-1] + 1
        share = most / n
        if n_tracks * share < 1.0:
            rows = np.arange(most)
        else:
            kept = np.floor(np.arange(n_tracks + 1) * share)
            rows = np.flatnonzero((np.diff(kept) > 0)[track])
        return self._of_rows(rows, track[rows])

    def _of_rows(self, rows: NDArray[np.int64], key: NDArray[np.int64]) -> DriftData:
        """Return chosen rows; those of one key are one track."""
        if not len(rows):
            raise InputError("no particle is seen in two of the frames that are looked at.")
        first = np.flatnonzero(np.r_[True, key[1:] != key[:-1]])
        times = (self.series.first + _since(self.series))[rows]
        gaps = np.diff(times, prepend=times[0])
        gaps[first] = 0.0
        starts = np.append(first, len(rows))
        series = Series(
            starts, gaps, np.ascontiguousarray(self.series.positions[rows]), np.zeros(len(rows)),
            np.repeat(times[first], np.diff(starts)),
        )  # fmt: skip
        noise = None if self.noise is None else self.noise[rows]
        return replace(self, series=series, frame=self.frame[rows], noise=noise)


def _since(series: Series) -> Floats:
    """Time of each row since the first of its particle."""
    total = np.cumsum(series.gaps)
    begin = np.repeat(total[series.starts[:-1]], np.diff(series.starts))
    result: Floats = total - begin
    return result


def read_drift_data(
    data: Tracks, axes: Sequence[int] | None, localization_sd: float | str | None,
    exposure_s: float | None,
) -> DriftData:  # fmt: skip
    """Return tracks from a Trajectory, a table with t, x (y, particle), or a list of tables.

    Raises
    ------
    InputError
        For other data, three coordinates, a single frame, times that do not increase, values that
        are no numbers, or fewer steps than 30.

    Examples
    --------
    >>> table = {"t": np.arange(50.0), "x": np.sin(np.arange(50.0))}
    >>> read_drift_data(table, None, 0.0, None).n_steps
    49
    """
    if isinstance(data, Trajectory):
        found = _of_trajectory(data, axes, localization_sd)
    else:
        found = _of_tables(data, axes, localization_sd)
    found = _without_still_axes(found)
    steps = int(found.series.is_step.sum())
    if steps < FEWEST_STEPS:
        raise InputError(
            f"data must hold at least {FEWEST_STEPS} steps of particles from frame to frame for a "
            f"law of drift; got {steps}: give more frames or more particles."
        )
    if exposure_s:
        exposure = check_positive("exposure_s", exposure_s)
        shortest = float(found.series.gaps[found.series.is_step].min())
        if exposure > shortest * (1 + 1e-9):
            raise InputError(
                f"exposure_s must not be longer than the time between frames ({shortest:g}); got "
                f"{exposure:g}."
            )
        found = replace(found, exposure=min(exposure, shortest))
    return found


def _without_still_axes(data: DriftData) -> DriftData:
    """Leave out coordinates that never change: they say nothing of D, which is one for all."""
    begin, end, _ = data.steps
    moves = (begin != end).any(axis=0)
    if moves.all():
        return data
    series = data.series.seen_as(data.series.positions[:, moves])
    names = tuple(n for n, moving in zip(data.names, moves, strict=True) if moving)
    still = tuple(n for n in data.names if n not in names)
    return replace(data, series=series, names=names, still=still)


def _of_trajectory(
    data: Trajectory, axes: Sequence[int] | None, localization_sd: float | str | None
) -> DriftData:
    if len(np.unique(data.frame)) < 2:
        raise InputError(
            "data must hold particles in at least 2 frames for a law of their motion; it has one: "
            "a single frame tells forces between particles only (fit_pair_potential)."
        )
    wanted = range(data.positions.shape[1]) if axes is None else axes
    if len(list(wanted)) > len(AXES):
        raise InputError(
            "the drift is searched along one or two coordinates; the tracks have "
            f"{len(list(wanted))}: name them, such as axes=(0, 1)."
        )
    series, order = read_tracks(data, axes)
    own = localization_sd is None and data.localization_sd is not None
    noise = (
        data.localization_sd[order] if own and data.localization_sd is not None
        else _noise(localization_sd, len(order))
    )  # fmt: skip
    names = tuple("xyz"[k] for k in wanted)
    return DriftData(series, data.frame[order], names, noise, 0.0, data.unit, data.time_unit)


def _noise(localization_sd: float | str | None, n: int) -> Floats | None:
    if localization_sd is None or localization_sd == "free":
        return None
    if isinstance(localization_sd, str):
        raise InputError(
            f"localization_sd must be a number, 'free' or None; got {localization_sd!r}."
        )
    return np.full(n, check_positive("localization_sd", localization_sd, allow_zero=True))


def _of_tables(
    data: Any, axes: Sequence[int] | None, localization_sd: float | str | None
) -> DriftData:
    tables = list(data) if isinstance(data, list | tuple) else [data]
    if not tables or not all(isinstance(t, pd.DataFrame | Mapping) for t in tables):
        raise InputError(
            "data must be a Trajectory, a table with the times 't' and places 'x' (and 'y'; "
            f"'particle'), or a list of such tables; got {type(data).__name__}."
        )
    known = [name for name in AXES if name in tables[0]]
    wanted = range(len(known)) if axes is None else list(axes)
    if any(isinstance(k, bool) or k not in range(len(AXES)) for k in wanted) or len(
        set(wanted)
    ) < len(wanted):
        raise InputError(
            f"axes must name different columns of the tables, 0 for x and 1 for y; got {axes}."
        )
    names = tuple(AXES[k] for k in wanted) if axes is not None else tuple(known)
    missing = [name for name in names if any(name not in table for table in tables)]
    if axes is not None and missing:
        raise InputError(f"axes={tuple(wanted)} asks for the column {missing[0]}, which a table "
                         "does not have.")  # fmt: skip
    if not names or any(name not in table for table in tables for name in ("t", *names)):
        raise InputError("every table must have the columns t and x (and y, if the first has it).")
    pieces = [piece for table in tables for piece in _pieces(table, names)]
    pieces = [piece for piece in pieces if len(piece) > 1]
    if not pieces:
        raise InputError("data must hold a particle at two times; none is seen twice.")
    lengths = [len(piece) for piece in pieces]
    rows = np.concatenate(pieces)
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    gaps = np.diff(rows[:, 0], prepend=rows[0, 0])
    gaps[starts[:-1]] = 0.0
    places = np.ascontiguousarray(rows[:, 1:])
    if not (np.diff(places, axis=0) != 0.0).any():
        raise InputError("data must hold some motion; every particle stands still.")
    series = Series(starts, gaps, places, np.zeros(len(rows)), np.repeat(rows[starts[:-1], 0],
                                                                         lengths))  # fmt: skip
    frame = _frames(rows[:, 0], starts, gaps)
    return DriftData(series, frame, names, _noise(localization_sd, len(rows)), 0.0, None, None)


def _frames(times: Floats, starts: NDArray[np.int64], gaps: Floats) -> NDArray[np.int64]:
    """Return each row's frame, rows left out counted; of irregular times its number."""
    lengths = np.diff(starts)
    rows: NDArray[np.int64] = np.concatenate([np.arange(n) for n in lengths])
    inside = np.ones(len(times), dtype=bool)
    inside[starts[:-1]] = False
    since = (times - np.repeat(times[starts[:-1]], lengths)) / np.median(gaps[inside])
    frames = np.rint(since)
    regular = (np.abs(since - frames) < OFF_FRAME).all() and (np.diff(frames)[inside[1:]] > 0).all()
    return frames.astype(np.int64) if regular else rows


def _pieces(table: Any, names: tuple[str, ...]) -> list[Floats]:
    """One array (n, 1 + d) of times and places for each particle; rows with NaN are left out."""
    columns = [check_array(f"column {name!r}", table[name], ndim=1, finite=name == "t")
               for name in ("t", *names)]  # fmt: skip
    if len({len(column) for column in columns}) > 1:
        raise InputError("columns of a table must be equally long.")
    rows = np.stack(columns, axis=1)
    who = np.asarray(table["particle"]) if "particle" in table else np.zeros(len(rows))
    found = []
    for one in pd.unique(who):
        own = rows[(who == one) & np.isfinite(rows).all(axis=1)]
        back = np.flatnonzero(np.diff(own[:, 0]) <= 0)
        if back.size:
            raise InputError(
                f"times of a particle must increase; got {own[back[0] + 1, 0]:g} after "
                f"{own[back[0], 0]:g} at its row {back[0] + 1}: sort the table, remove repeated "
                "times, or name the particles in a column 'particle'."
            )
        found.append(own)
    return found


def motion_of(data: DriftData) -> Motion:
    """Return the likelihood's data: a grid for exact places on one axis, else filtered moments."""
    if data.is_exact and len(data.names) == 1:
        begin, end, gaps = data.steps
        grid = grid_motion(begin[:, 0], end[:, 0], gaps, 1.0 / data.phases)
        if grid is not None:
            return grid
    return moment_motion(data.series, data.noise, data.exposure, 1.0 / data.phases)


def first_guesses(data: DriftData) -> tuple[float, float]:
    """Diffusion, and ln(noise), to start from."""
    begin, end, gaps = data.steps
    square = float(np.mean((end - begin) ** 2))
    if data.noise is not None:
        rest = max(square - 2.0 * float(np.mean(data.noise**2)), 0.1 * square)
        return rest / (2.0 * float(gaps.mean())), 0.0
    return 0.8 * square / (2.0 * float(gaps.mean())), float(np.log(FREE_NOISE * np.sqrt(square)))
