"""First walls of a thresholded film: smoothed contours, followed until they meet or part.

Only the starting guess of the fit and the cuts come from here; the pixels themselves enter the
likelihood as they are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

__all__ = [
    "BinaryContour",
    "FrontPiece",
    "cut_pieces",
    "film_contours",
    "lone_rate",
    "stray_pixels",
]

Floats = NDArray[np.float64]
Labels = NDArray[np.uint8]

SHORTEST_PERIMETER = 20.0
SHORTEST_PIECE = 3
LARGEST_GROWTH = 8.0
SETTLING_FRAMES = 4
LEAVING_FRAMES = 3
CLEAR_SHARE = 0.15
STRAY_DISTANCE = 4
FARTHEST_STEP = 10.0
TURN_LENGTH = 6.0
SEEN_WEIGHT = 0.7
GAP_SCALE, GAP_WEIGHT = 2.5, 0.35


@dataclass(frozen=True, slots=True, eq=False)
class BinaryContour:
    """One wall of one frame.

    Attributes
    ----------
    frame
        Frame number.
    points
        Shape (n, 2): x, y in pixels, evenly spaced, the True domain on the left of the way along
        the wall.
    closed
        Whether the last point is followed by the first one.
    length
        Pixels.
    """

    frame: int
    points: Floats
    closed: bool
    length: float


@dataclass(frozen=True, slots=True, eq=False)
class FrontPiece:
    """A wall between two events: contours of successive frames of one topology."""

    contours: list[BinaryContour]

    @property
    def frames(self) -> NDArray[np.int64]:
        """Frame numbers, increasing."""
        return np.array([contour.frame for contour in self.contours])


def lone_rate(labels: Labels) -> float:
    """Share of pixels that differ from all four neighbours: a first idea of the flip rate."""
    middle = labels[:, 1:-1, 1:-1]
    lone = np.ones(middle.shape, dtype=bool)
    for rows, columns in ((0, 1), (2, 1), (1, 0), (1, 2)):
        size = labels.shape[1:]
        lone &= middle != labels[:, rows : size[0] - 2 + rows, columns : size[1] - 2 + columns]
    return float(lone.mean())


def stray_pixels(smooth: Labels, labels: Labels, usable: NDArray[np.bool_]) -> tuple[int, int, int]:
    """Count the pixels far from every wall, those with the wrong label, and pairs of such."""
    from scipy.ndimage import maximum_filter, minimum_filter

    size = (1, 2 * STRAY_DISTANCE + 1, 2 * STRAY_DISTANCE + 1)
    far = (minimum_filter(smooth, size) == maximum_filter(smooth, size)) & usable
    wrong = far & (labels != smooth)
    pairs = (wrong[:, 1:] & wrong[:, :-1]).sum() + (wrong[:, :, 1:] & wrong[:, :, :-1]).sum()
    return int(far.sum()), int(wrong.sum()), int(pairs)


def film_contours(
    labels: Labels, usable: NDArray[np.bool_], smoothing: float
) -> tuple[list[list[BinaryContour]], Labels]:
    """Return the walls of every frame, and the smoothed labels that they bound."""
    from scipy.ndimage import gaussian_filter
    from skimage.measure import find_contours

    frames: list[list[BinaryContour]] = []
    smooth_labels = np.zeros_like(labels)
    for index, (label, seen) in enumerate(zip(labels, usable, strict=True)):
        found: list[BinaryContour] = []
        frames.append(found)
        if not seen.any():
            continue
        guess, known = _bridged(label, seen)
        weight = gaussian_filter(known.astype(np.float32), smoothing)
        smooth = gaussian_filter(guess, smoothing)
        level: Floats = np.where(weight > 0.05, smooth / np.maximum(weight, 0.05), 0.5).astype(
            np.float64
        )
        smooth_labels[index] = level > 0.5
        # a wall that reaches unseen pixels ends there, as at the edge of the picture
        mask = None if seen.all() else weight > SEEN_WEIGHT
        for line in find_contours(level, 0.5, mask=mask):  # type: ignore[no-untyped-call]
            contour = _as_contour(index, line[:, ::-1], level)
            if contour is not None:
                found.append(contour)
    return frames, smooth_labels


def _bridged(
    label: Labels, seen: NDArray[np.bool_]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Labels with narrow gaps filled from around, zero in wide ones, and where they are known."""
    from scipy.ndimage import gaussian_filter

    own = np.where(seen, label, 0).astype(np.float32)
    if seen.all():
        return own, seen
    near = gaussian_filter(seen.astype(np.float32), GAP_SCALE)
    known = seen | (near > GAP_WEIGHT)
    around = gaussian_filter(own, GAP_SCALE) / np.maximum(near, GAP_WEIGHT)
    filled: NDArray[np.float32] = np.where(seen, own, np.where(known, around, 0))
    return filled.astype(np.float32), known


def _as_contour(frame: int, line: Floats, smooth: Floats) -> BinaryContour | None:
    """Evenly spaced points (1 pixel) with the True domain on the left; None where too short."""
    steps = np.hypot(*np.diff(line, axis=0).T)
    length = float(steps.sum())
    if length < SHORTEST_PERIMETER:
        return None
    closed = bool(np.hypot(*(line[0] - line[-1])) < 1e-6)
    arc = np.concatenate([[0.0], np.cumsum(steps)])
    n_points = max(round(length), 8)
    place = np.linspace(0.0, length, n_points + 1)[: n_points if closed else n_points + 1]
    points = np.column_stack([np.interp(place, arc, line[:, axis]) for axis in (0, 1)])
    along = np.gradient(points, axis=0)
    along /= np.maximum(np.hypot(*along.T), 1e-9)[:, None]
    left = points + np.column_stack([-along[:, 1], along[:, 0]])
    right = points - np.column_stack([-along[:, 1], along[:, 0]])
    if np.sum(_value(smooth, left) - _value(smooth, right)) < 0:
        points = points[::-1].copy()
    return BinaryContour(frame, points, closed, length)


def _value(picture: Floats, points: Floats) -> Floats:
    rows = np.clip(np.rint(points[:, 1]).astype(int), 0, picture.shape[0] - 1)
    columns = np.clip(np.rint(points[:, 0]).astype(int), 0, picture.shape[1] - 1)
    result: Floats = picture[rows, columns]
    return result


def cut_pieces(
    frames: list[list[BinaryContour]],
) -> tuple[list[FrontPiece], list[BinaryContour], dict[str, int]]:
    """Follow contours from frame to frame; a piece ends where walls meet, part, come or go.

    Returns
    -------
    pieces, unused, events
        Pieces of at least three frames; contours that belong to none; counts of merges, splits,
        births and ends (without those of the first and the last frame).
    """
    shown = [contours for contours in frames if contours]
    open_pieces: list[tuple[list[BinaryContour], bool]] = []
    finished: list[tuple[list[BinaryContour], bool, bool]] = []
    events = {"merge": 0, "split": 0, "birth": 0, "end": 0}
    for index, contours in enumerate(shown):
        before = shown[index - 1] if index else []
        links = _links(before, contours, events)
        kept: list[tuple[list[BinaryContour], bool]] = []
        continued: set[int] = set()
        for chain, late in open_pieces:
            where = next(k for k, other in enumerate(before) if other is chain[-1])
            follower = links.get(where)
            if follower is None:
                finished.append((chain, late, True))
                continue
            continued.add(follower)
            if _outgrown(chain[0], contours[follower]):
                finished.append((chain, late, False))
                kept.append(([contours[follower]], False))
            else:
                chain.append(contours[follower])
                kept.append((chain, late))
        for k, contour in enumerate(contours):
            if k not in continued:
                kept.append(([contour], index > 0))
        open_pieces = kept
    finished += [(chain, late, False) for chain, late in open_pieces]
    return _settled(finished, events)


def _settled(
    finished: list[tuple[list[BinaryContour], bool, bool]], events: dict[str, int]
) -> tuple[list[FrontPiece], list[BinaryContour], dict[str, int]]:
    """Drop the frames in which a wall still is a cusp, and pieces that are too short."""
    pieces, unused = [], []
    for chain, late, early in finished:
        first = SETTLING_FRAMES if late else 0
        last = len(chain) - (LEAVING_FRAMES if early else 0)
        if last - first < SHORTEST_PIECE:
            unused += chain
            continue
        unused += chain[:first] + chain[last:]
        pieces.append(FrontPiece(chain[first:last]))
    return pieces, unused, events


def _outgrown(first: BinaryContour, now: BinaryContour) -> bool:
    ratio = now.length / first.length
    return not 1.0 / LARGEST_GROWTH < ratio < LARGEST_GROWTH


def _links(
    before: list[BinaryContour], after: list[BinaryContour], events: dict[str, int]
) -> dict[int, int]:
    """Contours that go on alone in the next frame; count the meetings and partings."""
    if not before or not after:
        events["birth"] += len(after) if before else 0
        events["end"] += len(before)
        return {}
    onward = _votes(before, after)
    backward = _votes(after, before)
    joined = (onward > CLEAR_SHARE) | (backward.T > CLEAR_SHARE)
    links: dict[int, int] = {}
    for k in range(len(before)):
        to = np.flatnonzero(joined[k])
        if to.size == 0:
            events["end"] += 1
        elif to.size > 1:
            events["split"] += 1
        elif joined[:, to[0]].sum() == 1 and before[k].closed == after[to[0]].closed:
            links[k] = int(to[0])
    for k in range(len(after)):
        count = int(joined[:, k].sum())
        events["birth"] += count == 0
        events["merge"] += count > 1
    return links


def _votes(some: list[BinaryContour], others: list[BinaryContour]) -> Floats:
    """Share of each contour's points whose nearest wall is each of the others, facing alike."""
    owner = np.concatenate([np.full(len(c.points), k) for k, c in enumerate(others)])
    points = np.concatenate([c.points for c in others])
    tangents = np.concatenate([_tangents(c) for c in others])
    tree = cKDTree(np.concatenate([points, TURN_LENGTH * tangents], axis=1))
    share = np.zeros((len(some), len(others)))
    for k, contour in enumerate(some):
        query = np.concatenate([contour.points, TURN_LENGTH * _tangents(contour)], axis=1)
        away, nearest = tree.query(query, distance_upper_bound=FARTHEST_STEP)
        near = np.isfinite(away)
        share[k] = np.bincount(owner[np.asarray(nearest)[near]], minlength=len(others)) / len(query)
    return share


def _tangents(contour: BinaryContour) -> Floats:
    along = np.roll(contour.points, -2, axis=0) - np.roll(contour.points, 2, axis=0)
    if not contour.closed:
        along = np.gradient(contour.points, axis=0)
    result: Floats = along / np.maximum(np.hypot(*along.T), 1e-9)[:, None]
    return result
