"""The law of a wall's motion, found rather than assumed."""

from __future__ import annotations

import numpy as np
import pandas as pd

from physlearn.checks import NotIdentified
from physlearn.inference.fronts.wall_fronts import area_rates
from physlearn.inference.fronts.wall_runs import usable_runs
from physlearn.inference.laws.equation_set import EquationSet
from physlearn.inference.laws.symbolic import SymbolicRegressor
from physlearn.records import WallTrack

__all__ = ["discover_wall_law", "wall_law_points"]

FEWEST_POINTS = 12


def wall_law_points(track: WallTrack) -> pd.DataFrame:
    """Mean normal velocity, mean curvature and drive of every closed wall between two frames.

    Point-wise curvature and velocity share the noise of one contour, which biases any regression.
    Around a closed wall the means are exact integrals, nearly free of noise: change of area over
    perimeter, and 2 pi over perimeter.

    Parameters
    ----------
    track
        From `track_walls`.

    Returns
    -------
    DataFrame
        Columns wall, interval, velocity, velocity_error, curvature and, where the track has one,
        drive; in the track's units.

    Raises
    ------
    NotIdentified
        If fewer than 12 points can be had from closed walls.

    Examples
    --------
    >>> from physlearn.datasets import make_wall_video, track_walls
    >>> points = wall_law_points(track_walls(make_wall_video(n_frames=4, rng=1).video))
    >>> len(points), sorted(points.columns)[:2]
    (12, ['curvature', 'drive'])
    """
    runs, left_out = usable_runs(track)
    tables = [area_rates(run, track.frame_times) for run in runs if run.closed]
    count = sum(len(table) for table in tables)
    if count < FEWEST_POINTS:
        reasons = "; ".join(f"{number} {reason}" for reason, number in left_out.items())
        raise NotIdentified(
            f"the track holds {count} intervals of closed walls, a law needs {FEWEST_POINTS}"
            f" ({reasons or 'too few frames'}): take a longer film with whole domains in view."
        )
    points = pd.concat(tables, ignore_index=True)
    if track.drive is not None:
        points["drive"] = track.drive[points["interval"].to_numpy()]
    return points


def discover_wall_law(
    track: WallTrack, *, rng: int | np.random.Generator | None = None
) -> EquationSet:
    """Find laws velocity = f(drive, curvature) of closed walls by exhaustive symbolic regression.

    Parameters
    ----------
    track
        From `track_walls`; its drive is used where it has one.
    rng
        Accepted for symmetry with other estimators; the search is not random.

    Returns
    -------
    EquationSet
        Laws for ``velocity`` in the variables ``drive`` (if known and not constant) and
        ``curvature``, in the track's units. ``fit_wall_dynamics`` gives sharper constants for the
        linear law.

    Raises
    ------
    NotIdentified
        If there are too few closed walls.

    Notes
    -----
    The errors of two intervals that share a frame are anticorrelated; here they count as
    independent, which makes the noise of slow changes look larger than it is (a cautious error).

    Examples
    --------
    >>> from physlearn.datasets import make_wall_video, track_walls
    >>> laws = discover_wall_law(track_walls(make_wall_video(n_frames=8, rng=1).video))
    >>> laws.target, laws.variables
    ('velocity', ('drive', 'curvature'))
    """
    points = wall_law_points(track)
    names = ["curvature"]
    if "drive" in points and points["drive"].nunique() > 1:
        names.insert(0, "drive")
    model = SymbolicRegressor(
        noise=points["velocity_error"].to_numpy(), variables=names, target="velocity", rng=rng
    )
    return model.fit(points[names].to_numpy(), points["velocity"].to_numpy()).equations_
