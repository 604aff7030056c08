"""Events found against events planted: matched by kind, place and time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from physlearn.checks import check_positive
from physlearn.records import WallTrack
from physlearn.records.storage import html_table, short_repr

__all__ = ["EventScore", "score_events"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class EventScore:
    """How many events were found, missed and invented.

    Attributes
    ----------
    n_true, n_found
        Events planted (of walls that can be seen) and reported.
    n_matched, n_invented
        Planted events that were found, and reported ones that were not planted.
    time_errors
        Found minus true time of the matched events.
    missed, invented
        The events in question.

    Examples
    --------
    >>> none = pd.DataFrame()
    >>> EventScore(4, 4, 3, 1, np.zeros(3), none, none).recall
    0.75
    """

    n_true: int
    n_found: int
    n_matched: int
    n_invented: int
    time_errors: Floats
    missed: pd.DataFrame
    invented: pd.DataFrame

    __repr__ = short_repr
    _repr_html_ = html_table

    @property
    def recall(self) -> float:
        """Share of the planted events that were found; NaN without any."""
        return self.n_matched / self.n_true if self.n_true else float("nan")

    @property
    def precision(self) -> float:
        """Share of the reported events that were planted; NaN without any."""
        n = self.n_matched + self.n_invented
        return self.n_matched / n if n else float("nan")


def score_events(
    found: WallTrack,
    truth: WallTrack,
    *,
    shortest: float = 15.0,
    frames: float = 2.0,
    reach: float = 12.0,
) -> EventScore:
    """Match the events of a track with the planted ones.

    A planted event counts when each wall that it is about is longer than ``shortest`` in at least
    three frames near it (``frames`` before or after); birth and vanishing are then taken at the
    moment when the wall passes that length. What happens to shorter walls, or after the last
    frame, counts neither way.

    Parameters
    ----------
    found, truth
        Tracks in the same units.
    shortest
        Length of the shortest wall that was looked for.
    frames, reach
        Largest distance of matched events in time (frames) and place (unit of the tracks).

    Raises
    ------
    InputError
        For numbers that are not positive.

    Examples
    --------
    >>> from physlearn.datasets import WallSceneOptions, make_wall_scene
    >>> planted = WallSceneOptions(radius_pixel=10.0)
    >>> truth = make_wall_scene(
    ...     "driven_topology", (60, 60), 8, options=planted, drive=np.ones(8), rng=1).track
    >>> score_events(truth, truth).recall
    1.0
    """
    shortest = check_positive("shortest", shortest)
    frames, reach = check_positive("frames", frames), check_positive("reach", reach)
    interval = float(np.median(np.diff(truth.frame_times)))
    planted, counts = _visible_events(truth, shortest, int(np.ceil(frames)))
    reported = found.events
    cost = _distances(reported, planted, frames * interval, reach)
    counted = np.where(counts[None, :], cost, cost + 10.0)  # first those that count
    rows, columns = linear_sum_assignment(np.where(np.isfinite(counted), counted, 1e6))
    good = np.isfinite(cost[rows, columns])
    rows, columns = rows[good], columns[good]
    hit = np.zeros(len(planted), dtype=bool)
    hit[columns] = True
    known = np.zeros(len(reported), dtype=bool)
    known[rows] = True
    known |= reported["time"].to_numpy() > truth.frame_times[-1]  # after the end of the film
    errors = reported["time"].to_numpy()[rows] - planted["time"].to_numpy()[columns]
    return EventScore(
        n_true=int(counts.sum()), n_found=len(reported), n_matched=int((hit & counts).sum()),
        n_invented=int((~known).sum()), time_errors=errors[counts[columns]],
        missed=planted[counts & ~hit], invented=reported[~known],
    )  # fmt: skip


def _distances(one: pd.DataFrame, two: pd.DataFrame, time: float, reach: float) -> Floats:
    """Distance of events of the same kind in units of what is allowed; infinite beyond."""
    ahead, place = [
        one[name].to_numpy()[:, None] - two[name].to_numpy()[None, :] for name in ("time", "x")
    ]
    place = np.hypot(place, one["y"].to_numpy()[:, None] - two["y"].to_numpy()[None, :])
    same = one["kind"].to_numpy()[:, None] == two["kind"].to_numpy()[None, :]
    allowed = same & (np.abs(ahead) <= time + 1e-9) & (place <= reach)
    result: Floats = np.where(allowed, np.abs(ahead) / time + place / reach, np.inf)
    return result


def _lengths(truth: WallTrack) -> dict[int, Floats]:
    """Length of every wall in every frame, 0 where it is not there."""
    lengths = {wall: np.zeros(truth.n_frames) for wall in truth.walls}
    last = truth.table.groupby(["frame", "wall"], as_index=False)["arc_length"].max()
    for frame, wall, length in last[["frame", "wall", "arc_length"]].to_numpy():
        lengths[int(wall)][int(frame)] = length
    return lengths


def _visible_events(
    truth: WallTrack, shortest: float, frames: int
) -> tuple[pd.DataFrame, NDArray[np.bool_]]:
    """Return the planted events at the moments when they can be seen, and which of them count."""
    lengths = _lengths(truth)
    events = truth.events.copy()
    counts = np.ones(len(events), dtype=bool)
    middle = 0.5 * (truth.frame_times[1:] + truth.frame_times[:-1])
    times = events["time"].to_numpy(dtype=np.float64).copy()
    walls, first = events["wall"].tolist(), events["frame"].tolist()
    for k, kind in enumerate(events["kind"].tolist()):
        long = np.flatnonzero(lengths.get(walls[k], np.zeros(1)) >= shortest)
        if kind in ("birth", "vanish"):
            if long.size < 3:
                counts[k] = False
            elif kind == "birth":
                times[k] = max(times[k], middle[max(long[0] - 1, 0)])
            else:
                at = min(int(long[-1]), len(middle) - 1)
                times[k] = min(times[k], middle[at])
            continue
        after = kind in ("split", "enter")
        near = np.arange(first[k], first[k] + frames + 1)
        near = near if after else near - frames - 1
        counts[k] = np.isin(near, long).sum() >= min(3, frames)
    events["time"] = times
    shrunk = _shrunk(truth, lengths, shortest, middle)
    counts = np.concatenate([counts, np.zeros(len(shrunk), dtype=bool)])
    return pd.concat([events, shrunk], ignore_index=True), counts


def _shrunk(
    truth: WallTrack, lengths: dict[int, Floats], shortest: float, middle: Floats
) -> pd.DataFrame:
    """Moments at which walls become too short to be seen, or long enough."""
    rows = []
    means = truth.table.groupby(["frame", "wall"], as_index=False)[["x", "y"]].mean()
    places = {(int(row[0]), int(row[1])): (float(row[2]), float(row[3]))
              for row in means[["frame", "wall", "x", "y"]].to_numpy()}  # fmt: skip
    for wall, length in lengths.items():
        change = np.diff((length >= shortest).astype(int))
        for k in np.flatnonzero(change):
            frame = int(k) + (1 if change[k] > 0 else 0)
            x, y = places[frame, wall]
            for kind in ("birth", "enter") if change[k] > 0 else ("vanish", "leave"):
                rows.append((int(k) + 1, wall, kind, -1, x, y, float(middle[k])))
    return pd.DataFrame(rows, columns=["frame", "wall", "kind", "other", "x", "y", "time"])
