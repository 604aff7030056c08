"""How fast the walls advance on the whole: area won per length of wall and time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from physlearn.checks import CREDIBLE_MASS, NotIdentified, check_array
from physlearn.records import WallTrack

__all__ = ["WallAdvance", "measure_wall_advance"]

LEAST_INTERVALS = 3


@dataclass(frozen=True, slots=True)
class WallAdvance:
    """Mean normal velocity of all walls together; positive where the positive domain grows.

    Attributes
    ----------
    mean, low, high
        Mean over the intervals between frames and its 90 % interval, in ``unit``.
    n_intervals
        Number of intervals between frames.
    unit
        Length over time, such as pixel/frame.

    Examples
    --------
    >>> WallAdvance(-0.2, -0.3, -0.1, 15, "pixel/frame").mean
    -0.2
    """

    mean: float
    low: float
    high: float
    n_intervals: int
    unit: str


def measure_wall_advance(track: WallTrack, positive_area: ArrayLike) -> WallAdvance:
    """Return the mean normal velocity of the walls, from the area that the positive domain wins.

    Between two frames the area changes by the integral of the normal velocity along the wall, so
    its change over wall length and time is the mean velocity, whatever the shapes; births and
    vanishings count in. The interval is Student's over the intervals between frames: it holds the
    spread in time and the noise of the areas, and no error that all frames share.

    Parameters
    ----------
    track
        Walls of the film, open or closed.
    positive_area
        Area of the positive domain, shape (n_frames,), in the squared unit of ``track``.

    Returns
    -------
    WallAdvance
        Mean and 90 % interval.

    Raises
    ------
    InputError
        When the areas are not one finite number a frame.
    NotIdentified
        When fewer than 3 intervals have a wall at both ends.

    Examples
    --------
    >>> from physlearn.datasets import make_wall_video, track_walls
    >>> from physlearn.datasets.normalize_frames import domain_fraction
    >>> film = make_wall_video(n_frames=6, rng=1).video
    >>> area = domain_fraction(film) * film[0].size
    >>> measure_wall_advance(track_walls(film), area).n_intervals
    5
    """
    area = check_array("positive_area", positive_area, shape=(track.n_frames,), minimum=0.0)
    length = np.zeros(track.n_frames)
    for _, points in track.table.groupby(["frame", "wall"]):
        arc = np.sort(points["arc_length"].to_numpy())
        # the last point of a closed contour is one spacing away from the first
        frame = int(points["frame"].iloc[0])
        length[frame] += arc[-1] - arc[0] + (np.median(np.diff(arc)) if len(arc) > 1 else 0.0)
    seen = (length[1:] > 0) & (length[:-1] > 0)
    if seen.sum() < LEAST_INTERVALS:
        raise NotIdentified(
            f"the film has walls on both sides of {int(seen.sum())} intervals between frames; "
            f"a mean velocity needs {LEAST_INTERVALS}."
        )
    speed = np.diff(area) / np.diff(track.frame_times) / ((length[1:] + length[:-1]) / 2 + ~seen)
    speed = speed[seen]
    mean = float(speed.mean())
    reach = float(stats.t.ppf((1 + CREDIBLE_MASS) / 2, len(speed) - 1) * stats.sem(speed))
    unit = f"{track.unit}/{track.time_unit}"
    return WallAdvance(mean, mean - reach, mean + reach, len(speed), unit)
