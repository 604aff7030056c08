"""Which wall of a frame is which wall of the next: identities, events and normal velocities."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from physlearn.datasets.walls.wall_contours import Contour

__all__ = ["Identities", "identify_walls", "normal_velocities"]

Floats = NDArray[np.float64]
LINKING_SHARE = 0.3
MAIN_SHARE = 0.7


@dataclass(frozen=True, slots=True, eq=False)
class Identities:
    """Identity of every contour, per frame, and the events."""

    walls: list[list[int]]
    events: pd.DataFrame


def _shares(here: list[Contour], there: list[Contour], reach: float) -> Floats:
    """Share of each contour's points ``here`` whose nearest point is of each one ``there``."""
    shares = np.zeros((len(here), len(there)))
    if not here or not there:
        return shares
    tree = cKDTree(np.concatenate([contour.points for contour in there]))
    owner = np.repeat(np.arange(len(there)), [len(contour.points) for contour in there])
    for index, contour in enumerate(here):
        gap, nearest = tree.query(contour.points, distance_upper_bound=reach)
        found = owner[np.asarray(nearest)[np.isfinite(gap)]]
        shares[index] = np.bincount(found, minlength=len(there)) / len(contour.points)
    return shares


def identify_walls(frames: list[list[Contour]], reach: float) -> Identities:
    """Follow the walls from frame to frame.

    Where walls merge or split, the one that holds most of the length keeps its identity (it has an
    event in that frame); all others get new ones.
    """
    walls: list[list[int]] = []
    events: list[tuple[int, int, str]] = []
    following = 0
    for frame, contours in enumerate(frames):
        if frame == 0:
            walls.append(list(range(len(contours))))
            following = len(contours)
            continue
        before = frames[frame - 1]
        linked = _shares(before, contours, reach) >= LINKING_SHARE
        linked |= _shares(contours, before, reach).T >= LINKING_SHARE
        own = [-1] * len(contours)
        for old, new in _components(linked):
            main_old, main_new = _main(before, old), _main(contours, new)
            stays = main_old >= 0 and main_new >= 0 and linked[main_old, main_new]
            if stays:
                own[main_new] = walls[frame - 1][main_old]
            for index in new:
                if own[index] < 0:
                    own[index] = following
                    following += 1
            kind = _kind(len(old), len(new))
            if kind in ("vanish", "merge"):
                events += [(frame, walls[frame - 1][index], kind) for index in old]
            elif kind == "split":
                events.append((frame, walls[frame - 1][old[0]], kind))
            elif kind == "birth":
                events += [(frame, own[index], kind) for index in new]
        walls.append(own)
    table = pd.DataFrame(events, columns=["frame", "wall", "kind"])
    return Identities(walls, table.astype({"frame": np.int64, "wall": np.int64}))


def _main(contours: list[Contour], members: list[int]) -> int:
    """Return the wall that holds most of the length of its group, or -1 where none does."""
    if not members:
        return -1
    lengths = np.array([contours[index].length for index in members])
    largest = int(np.argmax(lengths))
    return members[largest] if lengths[largest] > MAIN_SHARE * lengths.sum() else -1


def _kind(n_old: int, n_new: int) -> str:
    if n_old == 0:
        return "birth"
    if n_new == 0:
        return "vanish"
    if n_old == 1:
        return "" if n_new == 1 else "split"
    return "merge"


def _components(linked: NDArray[np.bool_]) -> list[tuple[list[int], list[int]]]:
    n_old, n_new = linked.shape
    old, new = np.nonzero(linked)
    total = n_old + n_new
    if total == 0:
        return []
    matrix = coo_array((np.ones(old.size), (old, new + n_old)), shape=(total, total))
    count, label = connected_components(matrix, directed=False)
    result = []
    for component in range(count):
        members = np.flatnonzero(label == component)
        result.append(
            (
                [int(i) for i in members if i < n_old],
                [int(i) - n_old for i in members if i >= n_old],
            )
        )
    return result


def _displacement(here: Contour, there: Contour, reach: float) -> Floats:
    """Distance along the normals of ``here`` to the wall ``there``; NaN out of reach."""
    gap, nearest = cKDTree(there.points).query(here.points)
    normal = there.normals[nearest]
    across = np.einsum("ij,ij->i", there.points[nearest] - here.points, normal)
    facing = np.einsum("ij,ij->i", normal, here.normals)
    with np.errstate(divide="ignore", invalid="ignore"):
        result: Floats = np.where((gap <= reach) & (facing > 0.5), across / facing, np.nan)
    return result


def normal_velocities(
    frames: list[list[Contour]], walls: list[list[int]], times: Floats, reach: float
) -> list[list[Floats]]:
    """Velocity of every point along its normal, from the same wall in the neighbouring frames."""
    result = []
    for frame, contours in enumerate(frames):
        own = []
        for contour, wall in zip(contours, walls[frame], strict=True):
            moves, spans = [], []
            for other in (frame - 1, frame + 1):
                if 0 <= other < len(frames) and wall in walls[other]:
                    there = frames[other][walls[other].index(wall)]
                    moves.append(_displacement(contour, there, reach))
                    spans.append(times[other] - times[frame])
            if not moves:
                own.append(np.full(len(contour.points), np.nan))
            elif len(moves) == 1:
                own.append(moves[0] / spans[0])
            else:
                own.append((moves[1] - moves[0]) / (spans[1] - spans[0]))
        result.append(own)
    return result
