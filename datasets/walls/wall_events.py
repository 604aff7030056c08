"""Which wall of a frame is which wall of the next, and what happened to the walls in between.

A wall is where one positive and one negative domain meet. It lives on in the wall between the
domains that overlap these two in the next frame; a positive domain that overlaps two of them has
split, two that overlap one have merged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from physlearn.datasets.walls.domain_kernels import label_domains, overlap_domains, vote_sides
from physlearn.datasets.walls.wall_necks import (
    WallEvent,
    WallShape,
    date_contacts,
    drop_crumbs,
    settle_events,
)

__all__ = ["FollowedWalls", "follow_walls"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Labels = NDArray[np.int32]

LEAST_OVERLAP = 0.1
"""Of the smaller domain, for two domains of neighbouring frames to be the same one."""


@dataclass(frozen=True, slots=True, eq=False)
class FollowedWalls:
    """Identity of every wall, frame by frame, and the events (x and y in pixels)."""

    walls: list[list[int]]
    events: pd.DataFrame


@dataclass(slots=True, eq=False)
class _Frame:
    """The walls of a frame that was seen, with the labels of the domains on both sides."""

    index: int
    shapes: Sequence[WallShape]
    labels: Labels
    n_labels: int
    pairs: NDArray[np.int64]
    positive: Mask
    touching: Mask
    block: int
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
    events: list[WallEvent] = []
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
    settle_events(walls, events, flicker_frames, 3.0 * reach)
    drop_crumbs(events, flicker_frames)
    date_contacts(events, frames, domains, times, np.flatnonzero(good), block)
    return FollowedWalls(walls, _table(events))


def _table(events: list[WallEvent]) -> pd.DataFrame:
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
    touching = np.zeros(positive.size, dtype=bool)
    n_labels = label_domains(positive, seen, labels, parents, touching)
    pairs = np.full((len(shapes), 2), -1, dtype=np.int64)
    if shapes:
        points = np.concatenate([np.hstack([wall.points, wall.normals]) for wall in shapes])
        points[:, :2] = (points[:, :2] - 0.5 * (block - 1)) / block
        starts = np.cumsum([0, *(len(wall.points) for wall in shapes)])
        vote_sides(labels, positive, points, starts, pairs, np.zeros(n_labels, dtype=np.int64))
    return _Frame(index, shapes, labels, n_labels, pairs, positive, touching[:n_labels], block)


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


def _chain(
    frame: _Frame, other: _Frame, main: int, members: list[int]
) -> list[tuple[int, float, float]]:
    """Hang walls onto the main one, the nearest first: (wall, x, y of the contact).

    A contact is where the pixels between two walls changed their domain.
    """
    switched = frame.positive != other.positive
    together, left, contacts = [main], [k for k in members if k != main], []
    while left:
        points = np.concatenate([frame.shapes[k].points for k in together])
        tree = cKDTree(points)
        best = (np.inf, left[0], 0.0, 0.0)
        for k in left:
            gap, owner = tree.query(frame.shapes[k].points)
            middle = 0.5 * (frame.shapes[k].points + points[owner])
            block = np.rint((middle - 0.5 * (frame.block - 1)) / frame.block).astype(int)
            cells = np.clip(block, 0, np.array(switched.shape[::-1]) - 1)
            score = np.where(switched[cells[:, 1], cells[:, 0]], gap, gap + 1e3)
            nearest = int(np.argmin(score))
            if score[nearest] < best[0]:
                best = (float(score[nearest]), k, *(float(v) for v in middle[nearest]))
        contacts.append(best[1:])
        together.append(best[1])
        left.remove(best[1])
    return contacts


def _center(wall: WallShape) -> tuple[float, float]:
    return float(wall.points[:, 0].mean()), float(wall.points[:, 1].mean())


def _open(frame: _Frame, wall: int) -> bool:
    """Tell whether a wall runs to the edge of the view: then the domains on both sides reach it."""
    sides = frame.pairs[wall]
    return bool((sides >= 0).all() and frame.touching[sides].all())


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
    before: _Frame, here: _Frame, linked: Mask, following: int, time: float, events: list[WallEvent]
) -> int:
    """Hand the identities on, note the events, and return the next free identity."""
    here.own = [-1] * len(here.shapes)
    frame = here.index
    for old, new in _groups(linked):
        if not old:
            for k in new:
                here.own[k], following = following, following + 1
                kind = "enter" if _open(here, k) else "birth"
                events.append(
                    WallEvent(frame, here.own[k], kind, -1, *_center(here.shapes[k]), time)
                )
            continue
        main = _longest(before.shapes, old)
        if not new:
            for k in old:
                kind = "leave" if _open(before, k) else "vanish"
                place = _center(before.shapes[k])
                events.append(WallEvent(frame, before.own[k], kind, -1, *place, time))
            continue
        heir = _longest(here.shapes, new)
        here.own[heir] = before.own[main]
        for k, x, y in _chain(before, here, main, old):
            event = WallEvent(frame, before.own[k], "merge", before.own[main], x, y, time)
            events.append(event)
        for k, x, y in _chain(here, before, heir, new):
            here.own[k], following = following, following + 1
            events.append(WallEvent(frame, here.own[k], "split", here.own[heir], x, y, time))
    return following
