"""Events between walls: when a neck has closed, and contacts that are none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "DomainStore", "WallEvent", "WallShape", "date_contacts", "drop_crumbs", "settle_events",
]  # fmt: skip

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

NECK_FRAMES = 3
NECK_REACH = 10.0
"""Frames and radius (pixels) in which the width of a closing neck is measured."""
SIGN_REACH = 4.0
LEAST_CLOSING = 0.1
"""Of a neck: pixels a frame."""


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


class DomainStore(Protocol):
    """Positive domains of every frame: an array, or what reads those of one frame."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Frames, rows, columns."""
        ...

    def __getitem__(self, index: Any, /) -> Any:
        """Return the domains of one frame."""
        ...


@dataclass(slots=True)
class WallEvent:
    """An event between two frames."""

    frame: int
    wall: int
    kind: str
    other: int
    x: float
    y: float
    time: float


def date_contacts(
    events: list[WallEvent],
    frames: Sequence[Sequence[WallShape]],
    domains: DomainStore,
    times: Floats,
    used: NDArray[np.int64],
    block: int,
) -> None:
    """Date mergers and splits by the width of the neck that closes, in place."""
    for event in events:
        if event.kind not in ("merge", "split"):
            continue
        earlier = used[used < event.frame][-NECK_FRAMES:]
        if not earlier.size:
            continue
        sign = _neck_sign(domains[earlier[-1]], domains[event.frame], event, block)
        widths = np.array([_neck_width(frames[k], event.x, event.y, sign) for k in earlier])
        event.time = _closing_time(times[earlier], widths, event.time, float(times[event.frame]))


def _neck_sign(before: Mask, after: Mask, event: WallEvent, block: int) -> float:
    """Tell which domain the neck was of: +1 negative, -1 positive; from the blocks that changed."""
    i, j = (
        min(max(int(np.rint((v - 0.5 * (block - 1)) / block)), 0), n - 1)
        for v, n in zip((event.y, event.x), after.shape, strict=True)
    )
    reach = int(np.ceil(SIGN_REACH / block))
    window = (slice(max(0, i - reach), i + reach + 1), slice(max(0, j - reach), j + reach + 1))
    changed = before[window] != after[window]
    share = after[window][changed].mean() if changed.any() else float(after[i, j])
    return 1.0 if share > 0.5 else -1.0


def _neck_width(shapes: Sequence[WallShape], x: float, y: float, sign: float) -> float:
    """Width of the domain between walls near a place; ``sign`` +1 for a negative domain."""
    points = [wall.points for wall in shapes]
    if not points:
        return np.nan
    place, normal = np.concatenate(points), np.concatenate([wall.normals for wall in shapes])
    near = np.hypot(place[:, 0] - x, place[:, 1] - y) < NECK_REACH
    place, normal = place[near], sign * normal[near]
    across = place[None, :, :] - place[:, None, :]
    ahead = np.einsum("ijk,ik->ij", across, normal) > 0
    facing = ahead & ahead.T & (normal @ normal.T < -0.3)
    gaps = np.hypot(across[..., 0], across[..., 1])[facing]
    return float(gaps.min()) if gaps.size else np.nan


def _closing_time(times: Floats, widths: Floats, usual: float, after: float) -> float:
    """Return when a neck has closed, extrapolated from its last widths."""
    known = np.isfinite(widths)
    if known.sum() < 2:
        return usual
    slope, constant = np.polyfit(times[known] - times[-1], widths[known], 1)
    interval = after - times[-1]
    if slope * interval > -LEAST_CLOSING:
        return usual
    # the frame after shows the neck closed
    return float(times[-1] + min(max(-constant / slope, 0.0), interval))


ENDS = ("vanish", "merge")
OPPOSITE = {"merge": "split", "split": "merge", "vanish": "birth", "leave": "enter"}


def settle_events(
    walls: list[list[int]], events: list[WallEvent], frames: int, reach: float,
    rank: NDArray[np.int64],
) -> None:  # fmt: skip
    """Take out pairs of events that undo each other at once, in place.

    ``rank`` (n_frames,) counts the frames that are not missing: what none of them saw in between
    is no longer than what passes from one frame to the next.
    """
    k = 0
    while k < len(events):
        first = events[k]
        match = next(
            (
                n
                for n in range(k + 1, len(events))
                if _undoes(first, events[n], frames, reach, rank)
            ),
            None,
        )
        if match is None or first.kind not in OPPOSITE:
            k += 1
            continue
        second = events[match]
        if first.kind != "split":  # the wall that comes back is the one that went
            _rename(walls, events, second.wall, first.wall)
        del events[match], events[k]


def _undoes(
    first: WallEvent, second: WallEvent, frames: int, reach: float, rank: NDArray[np.int64]
) -> bool:
    """Tell whether an event takes back an earlier one."""
    apart = rank[second.frame] - rank[first.frame]
    if not 0 < apart <= frames or OPPOSITE.get(first.kind) != second.kind:
        return False
    if first.kind == "split" and {first.wall, first.other} != {second.wall, second.other}:
        return False
    if first.kind == "merge" and first.other != second.other:
        return False
    return float(np.hypot(second.x - first.x, second.y - first.y)) <= reach


def drop_crumbs(events: list[WallEvent], frames: int, rank: NDArray[np.int64]) -> None:
    """Take out the events of walls that come from a wall and are gone at once, in place."""
    for first in [event for event in events if event.kind in ("split", "birth")]:
        ends = [event for event in events if event.wall == first.wall and event.kind in ENDS]
        last = ends[0] if ends else None
        if last is not None and rank[last.frame] - rank[first.frame] <= frames:
            for event in (first, last):
                events.remove(event)


def _rename(walls: list[list[int]], events: list[WallEvent], old: int, new: int) -> None:
    for own in walls:
        for k, wall in enumerate(own):
            own[k] = new if wall == old else wall
    for event in events:
        event.wall = new if event.wall == old else event.wall
        event.other = new if event.other == old else event.other
