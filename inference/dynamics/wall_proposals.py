"""Which local laws of walls to try: regression of their moves, with other frames as instruments.

The velocity of a point of frame k is the distance between the contours of frames k - 1 and k + 1
along its normal: its noise is theirs. Bends and distances are taken in frame k, so their noise is
another; the bend's own noise, which would pull its coefficients towards 0, is met by instruments,
the bends of frames k - 2 and k + 2. What comes out starts the fits by the front likelihood, which
alone decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.spatial import cKDTree

from physlearn.inference.fronts.local_laws import LocalLaw
from physlearn.inference.fronts.pin_map import PinMap
from physlearn.inference.fronts.wall_runs import WallRun
from physlearn.records import WallTrack

__all__ = ["Moves", "Proposal", "moves_of", "propose_bends", "propose_pins", "regression_of"]

Floats = NDArray[np.float64]

SMOOTHING = 3.0  # points; of the bends, which are only instruments and starts
FEWEST_ROWS = 30
N_LENGTHS = 8
MOST_AMPLITUDE = 5.0
LEAST_BEND = 0.05
STARTS = {"saturating": (0.3, 2.0), "power": (0.3, 1.5), "driven": (-0.3, 2.0)}
"""Range in which a bend's unknown starts; saturation and power are above zero."""


@dataclass(frozen=True, slots=True, eq=False)
class Moves:
    """One row a point whose contour is seen a frame before and after.

    Attributes
    ----------
    x, y, normal_x, normal_y, velocity, bend, instrument
        Place, normal, velocity and curvature of the positive domain's edge, and the curvature
        nearby in frames k - 2 and k + 2.
    design
        Share of every level of the drive between the frames, (n_rows, n_levels).
    drive
        Mean drive between the frames.
    cluster
        Rows of one number share noise.
    """

    x: Floats
    y: Floats
    normal_x: Floats
    normal_y: Floats
    velocity: Floats
    bend: Floats
    instrument: Floats
    design: Floats
    drive: Floats
    cluster: NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Proposal:
    """A local law, the start of its unknowns, and their squared t value in the regression."""

    law: LocalLaw
    start: tuple[float, ...]
    strength: float


def moves_of(
    track: WallTrack, runs: Sequence[WallRun], design: Floats, drive: Floats
) -> Moves | None:
    """Return how the walls move and bend; None where no contour has neighbours in time."""
    parts: list[list[Floats]] = []
    for number, run in enumerate(runs):
        rows = track.table[(track.table["wall"] == run.wall)]
        rows = rows[rows["frame"].between(run.frames[0], run.frames[-1])]
        contours = {int(str(k)): _contour(part, run.closed) for k, part in rows.groupby("frame")}
        for k, here in contours.items():
            before, after = contours.get(k - 1), contours.get(k + 1)
            others = [contours[m] for m in (k - 2, k + 2) if m in contours]
            if before is None or after is None or not others:
                continue
            spans = np.diff(track.frame_times[k - 1 : k + 2])
            moved = _distance(here, after) - _distance(here, before)
            share = (spans / spans.sum()) @ design[k - 1 : k + 1]
            force = float((spans / spans.sum()) @ drive[k - 1 : k + 1])
            n = len(here)
            parts.append([
                *here[:, :4].T, moved / spans.sum(), here[:, 4],
                np.mean([_nearby(here, other)[:, 4] for other in others], axis=0),
                np.tile(share, (n, 1)), np.full(n, force),
                np.full(n, number * track.n_frames + k, dtype=np.int64),
            ])  # fmt: skip
    if sum(len(part[0]) for part in parts) < FEWEST_ROWS:
        return None
    return Moves(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def propose_pins(moves: Moves, pins: PinMap, scales: LocalLaw) -> list[Proposal]:
    """Return one proposal a kind of pinning and of its reach, the strongest first."""
    distance = pins.at(moves.x, moves.y)
    near, far = np.quantile(distance, (0.02, 0.98))
    lengths = np.geomspace(max(2 * pins.nearest, 0.3 * near), max(0.7 * far, 3 * pins.nearest),
                           N_LENGTHS)  # fmt: skip
    speeds = moves.design @ regression_of(moves)[0][: moves.design.shape[1]]
    found = []
    facing = pins.facing(moves.x, moves.y, (moves.normal_x, moves.normal_y))
    weights: dict[str, Floats] = {
        "added": np.full(speeds.size, scales.speed), "drawn": scales.speed * facing,
        "factor": np.asarray(speeds),
    }  # fmt: skip
    for pinning, weight in weights.items():
        for reach in ("exp", "inverse", "linear"):
            tried = lengths if reach == "exp" else [float(np.median(distance))]
            laws = [replace(scales, pins=pins, pinning=pinning, reach=reach, length=float(length))
                    for length in tried]  # fmt: skip
            scored = []
            for law in laws:
                column = law.reach_of(distance) * weight
                value, strength = _share(moves, column, column)
                scored.append((strength, value, law))
            strength, value, law = max(scored, key=lambda item: item[0])
            value = float(np.clip(value, -MOST_AMPLITUDE, MOST_AMPLITUDE))
            start = (value, 0.0) if reach == "exp" else (value,)
            found.append(Proposal(law, start, strength))
    return sorted(found, key=lambda item: -item.strength)


def propose_bends(moves: Moves, scales: LocalLaw, *, driven: bool) -> list[Proposal]:
    """Return one proposal a form of the curvature, the strongest first.

    ``driven``: whether the drive varies, so that a mobility may follow it.
    """
    mobility = -regression_of(moves)[0][-1]
    if not mobility > 0:
        return []
    found = []
    for bending in ("saturating", "power", *(("driven",) if driven else ())):
        law = replace(scales, bending=bending)
        columns = [
            mobility * _bend_slope(law, bend, moves.drive)
            for bend in (moves.bend, moves.instrument)
        ]
        value, strength = _share(moves, *columns)
        least, most = STARTS[bending]
        found.append(Proposal(law, (float(np.clip(value, least, most)),), strength))
    return sorted(found, key=lambda item: -item.strength)


def _bend_slope(law: LocalLaw, bend: Floats, drive: Floats) -> Floats:
    """Minus the derivative of B by its unknown, at a linear law."""
    size = np.abs(bend) / law.curvature
    if law.bending == "saturating":
        return bend * size
    if law.bending == "power":
        return -bend * np.log(np.hypot(size, LEAST_BEND))
    return -bend * np.abs(drive) / law.drive


def _contour(rows: pd.DataFrame, closed: bool) -> Floats:
    """Smoothed points in order along the wall: x, y, normal, curvature, shape (n, 5).

    Of noisy points the nearest would be one whose noise leads there.
    """
    table = rows.sort_values("arc_length")[["x", "y", "normal_x", "normal_y"]].to_numpy(float)
    if closed:
        x, y = (gaussian_filter1d(table[:, k], SMOOTHING, mode="wrap") for k in (0, 1))
        turn = [(np.roll(v, -1) - np.roll(v, 1)) / 2 for v in (x, y)]
        bent = [np.roll(v, -1) - 2 * v + np.roll(v, 1) for v in (x, y)]
    else:
        x, y = (gaussian_filter1d(table[:, k], SMOOTHING, mode="nearest") for k in (0, 1))
        turn = [np.gradient(v) for v in (x, y)]
        bent = [np.gradient(v) for v in turn]
    size = turn[0] ** 2 + turn[1] ** 2
    size = np.maximum(size, 1e-12 * size.mean())
    curvature = -(bent[0] * table[:, 2] + bent[1] * table[:, 3]) / size
    return np.column_stack([x, y, table[:, 2:], curvature])


def _nearby(here: Floats, other: Floats) -> Floats:
    """Rows of the other contour that lie nearest."""
    return other[cKDTree(other[:, :2]).query(here[:, :2])[1]]


def _distance(here: Floats, other: Floats) -> Floats:
    """How far the other contour lies ahead of every point, along the other's normals."""
    there = _nearby(here, other)
    ahead: Floats = ((there[:, :2] - here[:, :2]) * there[:, 2:4]).sum(axis=1)
    return ahead


def regression_of(moves: Moves) -> tuple[Floats, Floats, Floats]:
    """Coefficients of levels and bend by instruments; regressors; instruments."""
    plain = np.column_stack([moves.design, moves.bend])
    apart = np.column_stack([moves.design, moves.instrument])
    square = apart.T @ plain
    found = np.linalg.solve(square + _ridge(plain), apart.T @ moves.velocity)
    return np.asarray(found, dtype=np.float64), plain, apart


def _ridge(plain: Floats) -> Floats:
    """Return a little of each column's own square, which has the column's unit."""
    own = (plain**2).sum(axis=0)
    return np.asarray(1e-9 * np.diag(np.where(own > 0, own, 1.0)), dtype=np.float64)


def _share(moves: Moves, column: Floats, instrument: Floats) -> tuple[float, float]:
    """Coefficient of one more column, and its squared t value with errors shared in clusters."""
    found, plain, apart = regression_of(moves)
    square = apart.T @ plain + _ridge(plain)
    rest = moves.velocity - plain @ found
    own = column - plain @ np.linalg.solve(square, apart.T @ column)
    other = instrument - apart @ np.linalg.solve(square.T, plain.T @ instrument)
    slope = float(other @ own)
    if abs(slope) < 1e-9 * float(np.linalg.norm(column) * np.linalg.norm(instrument)):
        return 0.0, 0.0
    value = float(other @ rest) / slope
    noise = np.bincount(moves.cluster, weights=other * (rest - value * own))
    spread = float((noise**2).sum()) / slope**2
    return value, value**2 / max(spread, 1e-300)
