"""Which wall of a frame is which wall of the next, and what happened to the walls in between.

A wall is where one positive and one negative domain meet. It lives on in the wall between the
domains that overlap these two in the next frame; a positive domain that overlaps two of them has
split, two that overlap one have merged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from physlearn.datasets.walls.domain_kernels import label_domains, overlap_domains, vote_sides

__all__ = ["FollowedWalls", "WallShape", "follow_walls"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Labels = NDArray[np.int32]

LEAST_OVERLAP = 0.1
"""Of the smaller domain, for two domains of neighbouring frames to be the same one."""


class WallShape(Protocol):
    """What must be known of a wall in one frame; lengths in pixels.

    ``points`` and ``normals`` (toward the negative domain): (n, 2), x and y.
    """

    @property
    def points(self) -> Floats:
        """X and y of the points, in order along the wall."""
        ...

    @property
    def normals(self) -> Floats:
        """Unit normals toward the negative domain."""
        ...

    @property
    def closed(self) -> bool:
        """Whether the wall closes on itself."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class FollowedWalls:
    """Identity of every wall, frame by frame, and the events (x and y in pixels)."""

    walls: list[list[int]]
    events: pd.DataFrame


@dataclass(slots=True)
class _Event:
    """An event between two frames."""

    frame: int
    wall: int
    kind: str
    other: int
    x: float
    y: float
    time: float


@dataclass(slots=True, eq=False)
class _Frame:
    """The walls of a frame that was seen, with the labels of the domains on both sides."""

    index: int
    shapes: Sequence[WallShape]
    labels: Labels
    n_labels: int
    pairs: NDArray[np.int64]
    own: list[int] = field(default_factory=list)


def follow_walls(
    frames: Sequence[Sequence[WallShape]],
    domains: Mask,
    times: Floats,
    *,
    seen: Mask | None = None,
    usable: Mask | None = None,
    reach: float = 6.0,
    flicker_frames: int = 2,
    block: int = 1,
) -> FollowedWalls:
    """Give every wall its identity across the frames, and list the events.

    Parameters
    ----------
    frames
        The walls of each frame (points and normals in pixels).
    domains
        True in the positive domain, shape (n_frames, rows, columns) of blocks: the sign of the
        smoothed frames in which the walls were found.
    times
        Shape (n_frames,).
    seen
        Pixels in view, shape (rows, columns); None for all.
    usable
        False for frames that are missing: walls are followed across them.
    reach
        A wall none of whose domains overlaps those of a wall before is still taken for that wall
        when its points lie so close to it; pixels.
    flicker_frames
        Walls that touch and part again (or part and touch, or disappear and come back) at the same
        place within so many frames have no event.
    block
        Pixels along the edge of the squares that ``domains`` and ``seen`` are given for.

    Returns
    -------
    FollowedWalls
        When walls merge or split, the one that most of the length continues keeps its identity. The
        event's frame is the first one after it, its time halfway between the frames.
    """
    view = np.ones(domains.shape[1:], dtype=bool) if seen is None else seen
    good = np.ones(len(frames), dtype=bool) if usable is None else usable
    parents = np.empty(view.size, dtype=np.int32)
    walls: list[list[int]] = [[] for _ in frames]
    events: list[_Event] = []
    before: _Frame | None = None
    following = 0
    for index in np.flatnonzero(good):
        here = _label(int(index), frames[index], domains[index], view, parents, block)
        if before is None:
            here.own = list(range(len(here.shapes)))
            following = len(here.own)
        else:
            linked = _linked(before, here, reach)
            time = 0.5 * float(times[before.index] + times[index])
            following = _continue(before, here, linked, following, time, events)
        walls[index] = here.own
        before = here
    _settle(walls, events, flicker_frames, 3.0 * reach)
    return FollowedWalls(walls, _table(events))


def _table(events: list[_Event]) -> pd.DataFrame:
    """Return the events as the columns of a WallTrack."""
    names = ("frame", "wall", "kind", "other", "x", "y", "time")
    columns = {name: [getattr(event, name) for event in events] for name in names}
    whole = dict.fromkeys(("frame", "wall", "other"), np.int64)
    return pd.DataFrame(columns).astype(whole | dict.fromkeys(("x", "y", "time"), np.float64))


def _label(
    index: int, shapes: Sequence[WallShape], positive: Mask, seen: Mask, parents: Labels, block: int
) -> _Frame:
    """Label the domains of a frame and find those on both sides of every wall."""
    labels = np.empty(positive.shape, dtype=np.int32)
    n_labels = label_domains(positive, seen, labels, parents)
    pairs = np.full((len(shapes), 2), -1, dtype=np.int64)
    if shapes:
        points = np.concatenate([np.hstack([wall.points, wall.normals]) for wall in shapes])
        points[:, :2] = (points[:, :2] - 0.5 * (block - 1)) / block
        starts = np.cumsum([0, *(len(wall.points) for wall in shapes)])
        vote_sides(labels, positive, points, starts, pairs, np.zeros(n_labels, dtype=np.int64))
    return _Frame(index, shapes, labels, n_labels, pairs)


def _same_domains(before: _Frame, here: _Frame) -> Floats:
    """Share of the smaller domain that two domains next to walls have in common."""
    tables, sizes = [], []
    for frame in (before, here):
        used = np.unique(frame.pairs[frame.pairs >= 0])
        table = np.full(max(frame.n_labels, 1), -1, dtype=np.int32)
        table[used] = np.arange(used.size)
        tables.append(table)
        sizes.append(used.size)
    counts = np.zeros((sizes[0] + 1, sizes[1] + 1), dtype=np.int64)
    overlap_domains(before.labels, here.labels, tables[0], tables[1], counts)
    smaller = np.minimum(counts[:-1, -1:], counts[-1:, :-1])
    share = np.zeros((sizes[0] + 1, sizes[1] + 1))  # the last one stands for a side not known
    share[:-1, :-1] = counts[:-1, :-1] / np.maximum(smaller, 1)
    sides = [table[np.maximum(frame.pairs, 0)] for table, frame in
             zip(tables, (before, here), strict=True)]  # fmt: skip
    for side, frame in zip(sides, (before, here), strict=True):
        side[frame.pairs < 0] = -1
    both = np.stack([share[np.ix_(sides[0][:, k], sides[1][:, k])] for k in (0, 1)])
    result: Floats = both.min(axis=0)
    return result


def _linked(before: _Frame, here: _Frame, reach: float) -> Mask:
    """Tell which walls of two frames are the same; (n_before, n_here)."""
    if not before.shapes or not here.shapes:
        return np.zeros((len(before.shapes), len(here.shapes)), dtype=bool)
    linked: Mask = _same_domains(before, here) >= LEAST_OVERLAP
    lost = np.flatnonzero(~linked.any(axis=1))
    found = np.flatnonzero(~linked.any(axis=0))
    if lost.size and found.size:  # a narrow domain may move farther than its width
        gaps = np.array([[_mean_gap(before.shapes[i], here.shapes[j]) for j in found]
                         for i in lost])  # fmt: skip
        while np.isfinite(gaps).any() and gaps.min() <= reach:
            i, j = np.unravel_index(int(np.argmin(gaps)), gaps.shape)
            linked[lost[i], found[j]] = True
            gaps[i], gaps[:, j] = np.inf, np.inf
    return linked


def _mean_gap(one: WallShape, two: WallShape) -> float:
    """Larger of the two mean distances between walls."""
    there = cKDTree(two.points).query(one.points)[0].mean()
    back = cKDTree(one.points).query(two.points)[0].mean()
    return float(max(there, back))


def _closest(one: WallShape, two: WallShape) -> tuple[float, float]:
    """Return the middle of the shortest connection of two walls."""
    gap, owner = cKDTree(two.points).query(one.points)
    k = int(np.argmin(gap))
    middle = 0.5 * (one.points[k] + two.points[owner[k]])
    return float(middle[0]), float(middle[1])


def _center(wall: WallShape) -> tuple[float, float]:
    return float(wall.points[:, 0].mean()), float(wall.points[:, 1].mean())


def _groups(linked: Mask) -> list[tuple[list[int], list[int]]]:
    """Return walls before and walls after that hang together."""
    n_old, n_new = linked.shape
    old, new = np.nonzero(linked)
    total = n_old + n_new
    if total == 0:
        return []
    matrix = coo_array((np.ones(old.size), (old, new + n_old)), shape=(total, total))
    count, label = connected_components(matrix, directed=False)
    members = [np.flatnonzero(label == k) for k in range(count)]
    return [([int(i) for i in m if i < n_old], [int(i) - n_old for i in m if i >= n_old])
            for m in members]  # fmt: skip


def _longest(shapes: Sequence[WallShape], members: list[int]) -> int:
    return max(members, key=lambda index: len(shapes[index].points))


def _continue(
    before: _Frame, here: _Frame, linked: Mask, following: int, time: float, events: list[_Event]
) -> int:
    """Hand the identities on, note the events, and return the next free identity."""
    here.own = [-1] * len(here.shapes)
    frame = here.index
    for old, new in _groups(linked):
        if not old:
            for k in new:
                here.own[k], following = following, following + 1
                kind = "birth" if here.shapes[k].closed else "enter"
                events.append(_Event(frame, here.own[k], kind, -1, *_center(here.shapes[k]), time))
            continue
        main = _longest(before.shapes, old)
        if not new:
            for k in old:
                kind = "vanish" if before.shapes[k].closed else "leave"
                place = _center(before.shapes[k])
                events.append(_Event(frame, before.own[k], kind, -1, *place, time))
            continue
        heir = _longest(here.shapes, new)
        here.own[heir] = before.own[main]
        for k in old:
            if k != main:
                place = _closest(before.shapes[main], before.shapes[k])
                event = _Event(frame, before.own[k], "merge", before.own[main], *place, time)
                events.append(event)
        for k in new:
            if k != heir:
                here.own[k], following = following, following + 1
                place = _closest(here.shapes[heir], here.shapes[k])
                events.append(_Event(frame, here.own[k], "split", here.own[heir], *place, time))
    return following


OPPOSITE = {"merge": "split", "split": "merge", "vanish": "birth", "leave": "enter"}


def _settle(walls: list[list[int]], events: list[_Event], frames: int, reach: float) -> None:
    """Take out pairs of events that undo each other at once, in place."""
    k = 0
    while k < len(events):
        first = events[k]
        match = next(
            (n for n in range(k + 1, len(events)) if _undoes(first, events[n], frames, reach)), None
        )
        if match is None or first.kind not in OPPOSITE:
            k += 1
            continue
        second = events[match]
        if first.kind != "split":  # the wall that comes back is the one that went
            _rename(walls, events, second.wall, first.wall)
        del events[match], events[k]


def _undoes(first: _Event, second: _Event, frames: int, reach: float) -> bool:
    """Tell whether an event takes back an earlier one."""
    if second.frame - first.frame > frames or OPPOSITE.get(first.kind) != second.kind:
        return False
    if first.kind == "split" and {first.wall, first.other} != {second.wall, second.other}:
        return False
    if first.kind == "merge" and first.other != second.other:
        return False
    return float(np.hypot(second.x - first.x, second.y - first.y)) <= reach


def _rename(walls: list[list[int]], events: list[_Event], old: int, new: int) -> None:
    for own in walls:
        for k, wall in enumerate(own):
            own[k] = new if wall == old else wall
    for event in events:
        event.wall = new if event.wall == old else event.wall
        event.other = new if event.other == old else event.other
