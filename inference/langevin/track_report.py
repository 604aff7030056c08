"""What the linking of a trajectory looks like, before anything is fitted to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from physlearn.checks import InputError
from physlearn.inference.langevin.drift_removal import common_motion
from physlearn.inference.langevin.film import frame_interval, require_motion
from physlearn.inference.langevin.missed_links import find_swaps
from physlearn.records import Trajectory

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["check_trajectory"]

LONG_STEP = 6.0
"""Standard deviations (from the median) beyond which a step looks like a wrong link."""
DRIFT_Z = 4.0


def check_trajectory(trajectory: Trajectory) -> pd.DataFrame:
    """Say what a trajectory's linking looks like: gaps, long steps, exchanged names, drift.

    Parameters
    ----------
    trajectory
        Linked positions.

    Returns
    -------
    pandas.DataFrame
        Columns what, value, unit, good (False: look at it before fitting), said (a sentence where
        it is not good, else empty).

    Raises
    ------
    InputError
        For anything but a trajectory.
    NotIdentified
        For a single frame, or positions that are not linked.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> walk = np.cumsum(rng.normal(0.03, 0.05, (50, 8, 2)), axis=0) + 5 * rng.random((8, 2))
    >>> film = Trajectory(np.repeat(range(50), 8), np.tile(range(8), 50), walk.reshape(-1, 2),
    ...     0.1 * np.arange(50), unit="um")
    >>> report = check_trajectory(film).set_index("what")
    >>> int(report.value["particles"]), bool(report.good["drift per frame"])
    (8, False)
    """
    import pandas as pd

    trajectory = require_motion(trajectory)
    order = np.lexsort((trajectory.frame, trajectory.particle))
    frame, particle = trajectory.frame[order], trajectory.particle[order]
    same = np.diff(particle) == 0
    gap = np.diff(frame)[same] - 1
    lengths = np.unique(particle, return_counts=True)[1]
    unit = trajectory.unit
    empty = trajectory.n_frames - len(np.unique(trajectory.frame))
    rows: list[tuple[str, float, str, bool, str]] = [
        ("frames", trajectory.n_frames, "1", True, ""),
        ("particles", len(lengths), "1", True, ""),
        ("median track length", float(np.median(lengths)), "frames", True, ""),
        ("frames without particles", empty, "1", empty == 0,
         f"{empty} frame(s) hold no particle." if empty else ""),
        ("gaps in tracks", int((gap > 0).sum()), "1", True, ""),
        ("longest gap", int(gap.max(initial=0)), "frames", True, ""),
    ]  # fmt: skip
    rows.append(_times(trajectory))
    rows.append(_double(trajectory))
    rows.extend(_steps(trajectory, unit))
    swaps = find_swaps(trajectory)
    first = swaps.iloc[0] if len(swaps) else None
    said = (
        "" if first is None
        else f"{len(swaps)} exchange(s) of identity, first particles {first.particle_a:.0f} and "
        f"{first.particle_b:.0f} after frame {first.frame:.0f}: cut_swaps repairs them."
    )  # fmt: skip
    rows.append(("exchanged identities", len(swaps), "1", first is None, said))
    rows.extend(_drift(trajectory, unit))
    return pd.DataFrame(rows, columns=["what", "value", "unit", "good", "said"])


def _times(trajectory: Trajectory) -> tuple[str, float, str, bool, str]:
    try:
        interval, even = frame_interval(trajectory)[0], True
    except InputError:
        interval, even = float(np.diff(trajectory.times).min()), False
    said = "" if even else "the times do not lie on an even grid."
    if trajectory.time_unit == "frame":
        said = "times are in frames: numbers are per frame until the frame interval is given."
    good = even and trajectory.time_unit != "frame"
    return ("frame interval", interval, trajectory.time_unit, good, said)


def _double(trajectory: Trajectory) -> tuple[str, float, str, bool, str]:
    """Particles of one frame at one place."""
    key = np.column_stack([trajectory.frame, trajectory.positions])
    n = len(key) - len(np.unique(key, axis=0))
    said = f"{n} particle(s) stand on top of another one." if n else ""
    return ("particles on top of each other", n, "1", n == 0, said)


def _steps(trajectory: Trajectory, unit: str) -> list[tuple[str, float, str, bool, str]]:
    steps, _, _ = _whole_steps(trajectory)
    if not len(steps):
        raise InputError("no particle of trajectory is seen in two frames in a row.")
    away = steps - np.median(steps, axis=0)
    sd = float(np.median(np.abs(away))) / 0.6745
    still = not (steps != 0.0).any()
    long = int((np.abs(away) > LONG_STEP * sd).any(axis=1).sum()) if sd > 0.0 else 0
    share = long / len(steps)
    said = (
        f"{long} of {len(steps)} steps are longer than {LONG_STEP:g} standard deviations: "
        "wrong links, or particles of very different sizes." if share > 1e-3 else ""
    )  # fmt: skip
    return [
        ("step per frame and axis", sd, unit, not still, "nothing moves." if still else ""),
        ("long steps", long, "1", share <= 1e-3, said),
    ]


def _whole_steps(
    trajectory: Trajectory,
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Return steps from one frame to the next, their first frames and their particles."""
    order = np.lexsort((trajectory.frame, trajectory.particle))
    frame, particle = trajectory.frame[order], trajectory.particle[order]
    whole = (np.diff(particle) == 0) & (np.diff(frame) == 1)
    steps = np.diff(trajectory.positions[order], axis=0)[whole]
    if trajectory.cell is not None:
        steps = steps - np.round(steps @ np.linalg.inv(trajectory.cell)) @ trajectory.cell
    return steps, frame[:-1][whole], particle[:-1][whole]


def _drift(trajectory: Trajectory, unit: str) -> list[tuple[str, float, str, bool, str]]:
    """Mean motion, and whether it exceeds what the particles' own motion leaves."""
    mean, number = common_motion(trajectory)
    total = float(np.sqrt((mean.sum(axis=0) ** 2).sum()))
    steps, _, _ = _whole_steps(trajectory)
    seen = number > 1
    noise = steps.var(axis=0).mean() * np.mean(1.0 / number[seen]) if seen.any() else np.inf
    square = float((mean[seen] ** 2).sum() / noise) if noise > 0.0 else 0.0
    n = int(seen.sum()) * mean.shape[1]
    jitter = (square - n) / np.sqrt(2.0 * max(n, 1))
    trend = total / np.sqrt(max(seen.sum(), 1) * noise) if noise > 0.0 else 0.0
    moved = jitter > DRIFT_Z or trend > DRIFT_Z
    per_frame = total / max(trajectory.n_frames - 1, 1)
    said = (
        f"all particles move together ({total:.3g} {unit} over the film): fits take that out "
        "unless told not to."
        if moved else ""
    )  # fmt: skip
    return [("drift over the film", total, unit, True, ""),
            ("drift per frame", per_frame, unit, not moved, said)]  # fmt: skip
