"""Normal velocities of walls from frame to frame, with their errors."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from physlearn.checks import InputError
from physlearn.datasets.walls.velocity_kernels import crossings
from physlearn.records import WallTrack

__all__ = ["measure_velocities"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Mask = NDArray[np.bool_]
GAP_STEPS = 3.0


def measure_velocities(track: WallTrack) -> WallTrack:
    """Measure the velocity of every wall point along its normal, with its standard deviation.

    The line along a point's normal crosses the same wall in the frames before and after at the
    distances d: v = (d_after - d_before) / (t_after - t_before), each t being the time at which
    that place was scanned. The point's own error shifts both distances alike and drops out; at the
    first and last frame of a wall, v = d / (t - t_point), with the point's own error.

    Parameters
    ----------
    track
        Walls as measured. Where a wall is missing in some frames, the nearest frames that have it
        count.

    Returns
    -------
    WallTrack
        The same with ``normal_velocity`` and ``normal_velocity_error`` (in ``unit`` per
        ``time_unit``; NaN where the normal meets no wall of a neighbouring frame, or another
        stretch of it than the one that moved: at splits, merges and necks; ``warnings`` says how
        many). The shift that all walls of a frame share (``metadata["frame_shift_error"]``) is part
        of the error.

    Raises
    ------
    InputError
        If ``track`` is no WallTrack, or smoothed (then it has velocities already).

    Notes
    -----
    Neighbouring velocities of a frame share their errors over ``error_correlation_length``, those
    of frames k and k + 2 share frame k + 1's errors with opposite signs: a law is fitted to the
    contours, never to these velocities.

    Examples
    --------
    >>> import numpy as np
    >>> from physlearn.datasets import measure_velocities
    >>> from physlearn.lattice_models import simulate_wall
    >>> line = simulate_wall(1.0, 2.0, 0.5, start=np.zeros(8), frame_times=[0.0, 1.0, 2.0], rng=1)
    >>> measure_velocities(line).table["normal_velocity"].round(6).unique().tolist()
    [1.0]
    """
    if not isinstance(track, WallTrack):
        raise InputError(f"track must be a WallTrack; got {type(track).__name__}.")
    if track.metadata.get("smoothed"):
        raise InputError(
            "track is smoothed, its velocities are posterior means: give the track as measured."
        )
    table = track.table
    if not len(table):
        return track
    order = _order(table)
    frame, wall = table["frame"].to_numpy()[order], table["wall"].to_numpy()[order]
    starts = np.concatenate(
        [[0], np.flatnonzero((np.diff(frame) != 0) | (np.diff(wall) != 0)) + 1, [len(frame)]]
    ).astype(np.int64)
    own = {name: table[name].to_numpy()[order] for name in ("time", "normal_error")}
    places = np.column_stack(
        [table[name].to_numpy()[order] for name in ("x", "y", "normal_x", "normal_y")]
    )
    step = _step(places, starts, track)
    shared = table["error_correlation_length"].to_numpy()[order]
    # (1 + rho) / (1 - rho) is the correlation length in steps of a first-order process
    rho = np.clip((shared - step) / np.maximum(shared + step, 1e-300), 0.0, 1.0)
    scatter = np.column_stack([own["normal_error"], rho, own["time"]])
    heads, names = frame[starts[:-1]], wall[starts[:-1]]
    closed = np.array([track.closed.get(int(name), False) for name in names], dtype=np.bool_)
    before, after = _neighbours(heads, names)
    sides = []
    for other in (before, after):
        result = np.zeros((len(frame), 3))
        crossings(starts, other, closed, places, scatter, GAP_STEPS * step, result)
        sides.append(result)
    lengths = np.diff(starts)
    shifts = np.asarray(
        track.metadata.get("frame_shift_error", np.zeros(track.n_frames)), float
    )  # fmt: skip
    shift = [np.repeat(shifts[heads[other]] ** 2, lengths) for other in (before, after)]
    variances = [side[:, 1] + extra for side, extra in zip(sides, shift, strict=True)]
    elsewhere = np.isinf(sides[0][:, 0]) | np.isinf(sides[1][:, 0])
    for side in sides:
        side[np.isinf(side[:, 0]), 0] = np.nan
    velocity, error = _velocities(
        sides[0], sides[1], variances, own["time"], own["normal_error"] ** 2 + shifts[frame] ** 2
    )
    measured = np.empty((2, len(frame)))
    measured[:, order] = velocity, error
    columns = {"normal_velocity": measured[0], "normal_velocity_error": measured[1]}
    told = [text for text in _told(elsewhere) if text not in track.warnings]
    return replace(track, table=table.assign(**columns), warnings=(*track.warnings, *told))


def _told(elsewhere: Mask) -> tuple[str, ...]:
    """Say how many points met another stretch of their wall."""
    lost = int(elsewhere.sum())
    if not lost:
        return ()
    return (
        f"{lost} of {len(elsewhere)} points have no velocity from one or both neighbouring frames: "
        "their normal meets another stretch of the wall there (a split, a merge or a neck)",
    )


def _order(table: pd.DataFrame) -> Integers:
    """Return the rows by frame, wall and place along the wall."""
    frame, wall = table["frame"].to_numpy(), table["wall"].to_numpy()
    return np.asarray(np.lexsort((table["arc_length"].to_numpy(), wall, frame)))


def _step(places: Floats, starts: Integers, track: WallTrack) -> float:
    """Return the usual distance of neighbouring points."""
    if "point_spacing" in track.metadata:
        return float(track.metadata["point_spacing"])
    inside = np.ones(len(places) - 1, dtype=bool)
    inside[starts[1:-1] - 1] = False
    steps = np.hypot(*np.diff(places[:, :2], axis=0).T)[inside]
    return float(np.median(steps)) if steps.size else 1.0


def _neighbours(heads: Integers, names: Integers) -> tuple[Integers, Integers]:
    """Return the contour of the same wall in the nearest earlier and later frame, or -1."""
    before = np.full(len(heads), -1, dtype=np.int64)
    after = before.copy()
    latest: dict[int, int] = {}
    for contour, name in enumerate(names.tolist()):
        earlier = latest.get(name, -1)
        if earlier >= 0:
            before[contour], after[earlier] = earlier, contour
        latest[name] = contour
    return before, after


def _velocities(
    earlier: Floats, later: Floats, variances: list[Floats], time: Floats, own: Floats
) -> tuple[Floats, Floats]:
    """Return velocities and errors from the crossings in the frames before and after."""
    has = [np.isfinite(side[:, 0]) for side in (earlier, later)]
    both = has[0] & has[1]
    begin = np.where(has[0], earlier[:, 2], time)
    end = np.where(has[1], later[:, 2], time)
    span = np.where((has[0] | has[1]) & (end > begin), end - begin, np.nan)
    moved = np.where(has[1], later[:, 0], 0.0) - np.where(has[0], earlier[:, 0], 0.0)
    variance = np.where(has[1], variances[1], 0.0) + np.where(has[0], variances[0], 0.0)
    variance = variance + np.where(both, 0.0, own)
    return moved / span, np.sqrt(variance) / span
