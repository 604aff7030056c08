"""Which walls of a track a front can describe, and their points in the front's own coordinates."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from physlearn.records import WallTrack

__all__ = ["WallRun", "usable_runs"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

SHORTEST_RUN = 3
LEAST_FACING = 0.25
TOUCHING_WIDTHS = 4.0
LEAST_LENGTH = 12.0
LONG_WAVES = 5
BENT_SIGMA = 4.0


@dataclass(frozen=True, slots=True, eq=False)
class WallRun:
    """One wall from one event to the next: a radius over angles, or a height over a line.

    Attributes
    ----------
    wall
        Identity in the track.
    closed
        Radius over the polar angle; otherwise height over the place along a line.
    frames
        Shape (n,): consecutive frame numbers, those without points of the wall included.
    center
        x, y of the origin.
    axes
        Rows: unit vectors of place and height (open walls; the unit matrix for closed ones).
    sign
        +1 when the positive domain is inside or below, -1 when it is outside.
    frame, time
        Of every point; ``frame`` counts from the first of ``frames``.
    place, value, error
        Of every point: polar angle and radius, or place and height; normal error (enlarged for
        error correlation).
    spacing
        Usual distance between points along the wall.
    size
        Mean radius, or a quarter of the length along the line.
    extent
        Smallest and largest place.
    """

    wall: int
    closed: bool
    frames: Integers
    center: Floats
    axes: Floats
    sign: int
    frame: Integers
    time: Floats
    place: Floats
    value: Floats
    error: Floats
    spacing: float
    size: float
    extent: tuple[float, float]

    @property
    def straight(self) -> bool:
        """Whether no frame shows a bend beyond the errors."""
        if self.closed:
            return False
        chi2, freedom = np.zeros(2), np.zeros(2)
        along = (self.place - self.place.min()) / np.ptp(self.place)
        for frame in np.unique(self.frame):
            rows = self.frame == frame
            if rows.sum() <= 2 + LONG_WAVES:
                continue
            waves = np.cos(np.pi * np.outer(along[rows], np.arange(1, LONG_WAVES + 1)))
            matrix = np.column_stack([np.ones(rows.sum()), along[rows], waves])
            basis, _ = np.linalg.qr(matrix / self.error[rows, None])
            found = basis.T @ (self.value[rows] / self.error[rows])
            whole = ((self.value[rows] / self.error[rows]) ** 2).sum() - (found[:2] ** 2).sum()
            chi2 += [whole, (found[2:] ** 2).sum()]
            freedom += [rows.sum() - 2, LONG_WAVES]
        return bool((chi2 < freedom + BENT_SIGMA * np.sqrt(2.0 * freedom)).all())


def usable_runs(track: WallTrack) -> tuple[list[WallRun], dict[str, int]]:
    """Return the walls that a front can describe, and how many were left out for which reason."""
    left_out: dict[str, int] = {}
    runs: list[WallRun] = []
    width = float(track.metadata.get("wall_width", 0.0))
    touching = _touching(track.table, TOUCHING_WIDTHS * width)
    for wall in track.walls:
        rows = track.table[track.table["wall"] == wall]
        events = track.events
        named = (events["wall"] == wall) | (events["other"] == wall)
        topological = events["kind"].isin(("merge", "split"))
        cuts = events.loc[named & topological, "frame"].to_numpy()
        closed = track.closed.get(wall, False)
        found, reason = _runs_of_wall(wall, closed, rows, cuts, touching)
        runs += found
        if not found:
            left_out[reason] = left_out.get(reason, 0) + 1
    return runs, left_out


def _touching(table: pd.DataFrame, gap: float) -> set[tuple[int, int]]:
    """(frame, wall) of walls that come closer to another wall than ``gap``."""
    result: set[tuple[int, int]] = set()
    if gap <= 0:
        return result
    for frame in np.unique(table["frame"].to_numpy()):
        rows = table[table["frame"] == frame]
        walls = rows["wall"].to_numpy()
        if (walls == walls[0]).all():
            continue
        pairs = cKDTree(rows[["x", "y"]].to_numpy()).query_pairs(gap, output_type="ndarray")
        meet = walls[pairs[:, 0]] != walls[pairs[:, 1]]
        result |= {(int(frame), int(wall)) for wall in np.unique(walls[pairs[meet]])}
    return result


def _runs_of_wall(
    wall: int, closed: bool, rows: pd.DataFrame, cuts: Integers, touching: set[tuple[int, int]]
) -> tuple[list[WallRun], str]:
    """Cut a wall at its merging, splitting and touching; frames that miss it do not cut it."""
    frames = np.unique(rows["frame"].to_numpy())
    free = np.array([int(f) for f in frames if (int(f), wall) not in touching], dtype=np.int64)
    if free.size < SHORTEST_RUN:
        short = "seen in fewer than 3 frames"
        return [], short if frames.size < SHORTEST_RUN else "too close to another wall"
    met = np.array([f for f in frames if (int(f), wall) in touching], dtype=np.int64)
    breaks = np.concatenate([met, cuts])
    between = [((breaks > low) & (breaks <= high)).any()
               for low, high in pairwise(free)]  # fmt: skip
    runs = []
    for part in np.split(free, np.flatnonzero(between) + 1):
        if part.size >= SHORTEST_RUN:
            use = rows[rows["frame"].isin(part)]
            run = _polar_run(wall, use, part) if closed else _line_run(wall, use, part)
            if run is not None:
                runs.append(run)
    shape = "not star-shaped" if closed else "too short or not single-valued over a line"
    return runs, f"{shape}, or cut short by merging and splitting"


def _common(rows: pd.DataFrame, frames: Integers) -> dict[str, object]:
    """Return what both kinds of runs take from the rows as they are."""
    spacing = _spacing(rows)
    correlation = rows["error_correlation_length"].to_numpy() / spacing
    error = rows["normal_error"].to_numpy() * np.sqrt(np.maximum(correlation, 1.0))
    floor = 1e-4 * spacing  # a simulated wall is known exactly; its fit still needs a scale
    return {
        "frames": np.arange(frames[0], frames[-1] + 1),
        "frame": rows["frame"].to_numpy() - frames[0],
        "time": rows["time"].to_numpy(),
        "error": np.maximum(error, floor),
        "spacing": spacing,
    }


def _spacing(rows: pd.DataFrame) -> float:
    """Usual distance between neighbouring points along the wall."""
    ordered = rows.sort_values(["frame", "arc_length"])
    steps = np.diff(ordered["arc_length"].to_numpy())
    same = np.diff(ordered["frame"].to_numpy()) == 0
    extent = float(np.ptp(rows[["x", "y"]].to_numpy(), axis=0).max())
    return max(float(np.median(steps[same])) if same.any() else extent, 1e-9 * extent)


def _polar_run(wall: int, rows: pd.DataFrame, frames: Integers) -> WallRun | None:
    points = rows[["x", "y"]].to_numpy()
    extent = rows.groupby("frame")[["x", "y"]].agg(["min", "max"])
    # The middle of the extent does not depend on how dense the points are
    center = np.array([extent[axis].to_numpy().mean() for axis in ("x", "y")])
    offset = points - center
    radius = np.hypot(*offset.T)
    normal = rows[["normal_x", "normal_y"]].to_numpy()
    facing = np.einsum("ij,ij->i", offset, normal) / np.where(radius > 0, radius, 1.0)
    sign = 1 if np.median(facing) > 0 else -1
    if (sign * facing < LEAST_FACING).any():
        return None
    angle = np.arctan2(offset[:, 1], offset[:, 0])
    return WallRun(
        wall=wall, closed=True, center=center, axes=np.eye(2), sign=sign, place=angle,
        value=radius, size=float(radius.mean()), extent=(-np.pi, np.pi),
        **_common(rows, frames),  # type: ignore[arg-type]
    )  # fmt: skip


def _line_run(wall: int, rows: pd.DataFrame, frames: Integers) -> WallRun | None:
    """Heights over the line across the mean normal: they grow where the positive domain does."""
    points = rows[["x", "y"]].to_numpy()
    normals = rows[["normal_x", "normal_y"]].to_numpy()
    up = normals.mean(axis=0)
    size = np.hypot(*up)
    if size < LEAST_FACING:
        return None
    up = up / size
    common = _common(rows, frames)
    axes = np.array([[up[1], -up[0]], up])
    center = points.mean(axis=0)
    place, height = axes @ (points - center).T
    short = np.ptp(place) < LEAST_LENGTH * float(common["spacing"])  # type: ignore[arg-type]
    if short or (normals @ up < LEAST_FACING).any():
        return None
    return WallRun(
        wall=wall, closed=False, center=center, axes=axes, sign=1, place=place, value=height,
        size=0.25 * float(np.ptp(place)), extent=(float(place.min()), float(place.max())),
        **common,  # type: ignore[arg-type]
    )  # fmt: skip
