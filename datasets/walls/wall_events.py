"""Which wall of a frame is which wall of the next, and what happened to the walls in between.

A wall is where one positive and one negative domain meet. It lives on in the wall between the
domains that overlap these two in the next frame; a wall that lives on in two of them has split, two
that live on in one have merged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from physlearn.datasets.walls.wall_necks import (
    DomainStore,
    WallEvent,
    WallShape,
    date_contacts,
    drop_crumbs,
    settle_events,
)
from physlearn.datasets.walls.wall_regions import (
    RegionFinder,
    Regions,
    contacts,
    hang_together,
    linked_walls,
)

__all__ = ["FollowedWalls", "follow_walls"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

SAME_PLACE = 5.0
"""Pixels: events farther apart do not undo each other."""


@dataclass(frozen=True, slots=True, eq=False)
class FollowedWalls:
    """Identity of every contour, frame by frame, and the events (x and y in pixels)."""

    walls: list[list[int]]
    events: pd.DataFrame


def follow_walls(
    frames: Sequence[Sequence[WallShape]],
    domains: DomainStore,
    times: Floats,
    *,
    seen: Mask | None = None,
    usable: Mask | None = None,
    reach: float = 6.0,
    flicker_frames: int = 2,
    block: int = 1,
    shortest: float = 12.0,
) -> FollowedWalls:
    """Give every wall its identity across the frames, and list the events.

    Parameters
    ----------
    frames
        The contours of each frame (points and normals in pixels).
    domains
        True in the positive domain, shape (n_frames, rows, columns) of blocks: the sign of the
        smoothed frames in which the contours were found; an array, or what reads them by frame.
    times
        Shape (n_frames,).
    seen
        Blocks in view, shape (rows, columns); None for all.
    usable
        False for frames that are missing: walls are followed across them.
    reach
        A wall none of whose domains overlaps those of a wall before is still taken for that wall
        when its points lie so close to it; pixels.
    flicker_frames
        Walls that touch and part again (or part and touch, or disappear and come back) at the same
        place within so many frames have no event, nor has a wall that comes and goes within them.
    block
        Pixels along the edge of the blocks.
    shortest
        Walls shorter than so many pixels are not followed.

    Returns
    -------
    FollowedWalls
        When walls merge or split, the one that most of the length continues keeps its identity. The
        event's frame is the first one after it; its time is halfway between the frames, or that at
        which the neck between the walls has shrunk to nothing.
    """
    view = np.ones(domains.shape[1:], dtype=bool) if seen is None else seen
    good = np.ones(len(frames), dtype=bool) if usable is None else usable
    finder = RegionFinder(view, block, shortest)
    names: list[list[int]] = [[] for _ in frames]
    events: list[WallEvent] = []
    before: Regions | None = None
    following = 0
    for index in np.flatnonzero(good).tolist():
        here = finder.find(index, domains[index], frames[index])
        if before is None:
            here.own = list(range(len(here.points)))
            following = len(here.own)
        else:
            linked = linked_walls(before, here, reach)
            time = 0.5 * float(times[before.index] + times[index])
            following = _continue(before, here, linked, following, time, events)
        names[index] = [here.own[k] if k >= 0 else -1 for k in here.contours]
        before = here
    rank = np.cumsum(good) - 1
    settle_events(names, events, flicker_frames, SAME_PLACE, rank)
    drop_crumbs(events, flicker_frames, rank)
    _name_pieces(frames, names, following, reach)
    date_contacts(events, frames, domains, times, np.flatnonzero(good), block)
    return FollowedWalls(names, _table(events))


def _table(events: list[WallEvent]) -> pd.DataFrame:
    """Return the events as the columns of a WallTrack."""
    names = ("frame", "wall", "kind", "other", "x", "y", "time")
    columns = {name: [getattr(event, name) for event in events] for name in names}
    whole = dict.fromkeys(("frame", "wall", "other"), np.int64)
    return pd.DataFrame(columns).astype(whole | dict.fromkeys(("x", "y", "time"), np.float64))


def _center(points: Floats) -> tuple[float, float]:
    return float(points[:, 0].mean()), float(points[:, 1].mean())


def _continue(
    before: Regions, here: Regions, linked: Mask, following: int, time: float,
    events: list[WallEvent],
) -> int:  # fmt: skip
    """Hand the identities on, note the events, and return the next free identity."""
    here.own = [-1] * len(here.points)
    frame = here.index
    for old, new in hang_together(linked):
        if not old:
            for k in new:
                here.own[k], following = following, following + 1
                kind, place = "enter" if here.open[k] else "birth", _center(here.points[k])
                events.append(WallEvent(frame, here.own[k], kind, -1, *place, time))
            continue
        if not new:
            for k in old:
                kind, place = "leave" if before.open[k] else "vanish", _center(before.points[k])
                events.append(WallEvent(frame, before.own[k], kind, -1, *place, time))
            continue
        main = max(old, key=lambda k: len(before.points[k]))
        heir = max(new, key=lambda k: len(here.points[k]))
        here.own[heir] = before.own[main]
        for k, x, y in contacts(before, here, main, old):
            event = WallEvent(frame, before.own[k], "merge", before.own[main], x, y, time)
            events.append(event)
        for k, x, y in contacts(here, before, heir, new):
            here.own[k], following = following, following + 1
            events.append(WallEvent(frame, here.own[k], "split", here.own[heir], x, y, time))
    return following


def _name_pieces(
    frames: Sequence[Sequence[WallShape]], names: list[list[int]], following: int, reach: float
) -> None:
    """Name contours without a wall, and further pieces of a wall that is interrupted, in place.

    Such a piece keeps its name as long as it lies near the piece of the frame before.
    """
    last: list[tuple[int, Floats]] = []
    for shapes, own in zip(frames, names, strict=True):
        longest: dict[int, int] = {}
        for k, name in enumerate(own):
            if name >= 0 and len(shapes[k].points) > len(shapes[longest.get(name, k)].points):
                longest[name] = k
            longest.setdefault(name, k)
        pieces = []
        for k, name in enumerate(own):
            if name >= 0 and longest[name] == k:
                continue
            place = np.array(_center(shapes[k].points))
            gaps = [float(np.hypot(*(points - place).T).min()) for _, points in last]
            if gaps and min(gaps) <= reach + 5.0:
                own[k] = last.pop(int(np.argmin(gaps)))[0]
            else:
                own[k], following = following, following + 1
            pieces.append((own[k], shapes[k].points))
        last = pieces if shapes else last
