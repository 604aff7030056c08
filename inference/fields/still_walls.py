"""Pixels beside the walls of a still picture: their distance from the wall and place along it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from physlearn.checks import NotIdentified

__all__ = ["WallPixels", "wall_pixels"]

Floats = NDArray[np.float64]
Mode = Literal["wrap", "nearest"]
SMOOTHING = 1.5  # pixels, before the zero line is drawn
SPACING = 0.5  # pixels between the points of a drawn line
SHORTEST = 12.0  # pixels of wall that are worth a line
EDGE = 3.0  # pixels: where blur and smoothing reach over the picture's edge
SHARPEST = 0.7  # reach x curvature, above which pixels have no one place along the wall


@dataclass(frozen=True, eq=False)
class WallPixels:
    """Pixels near walls.

    ``value``, ``distance`` (from the negative to the positive side, pixels), ``knot`` and ``share``
    (n,): a pixel lies between knots ``knot`` and ``after`` of its wall, at ``share`` of the way.
    """

    value: Floats
    distance: Floats
    knot: NDArray[np.int64]
    after: NDArray[np.int64]
    share: Floats
    n_knots: int
    n_walls: int
    length: float


def _levels(picture: Floats, seen: NDArray[np.bool_]) -> tuple[float, float]:
    """Middle and half distance of the two domains' values."""
    from skimage.filters import threshold_otsu

    values = picture[seen]
    middle = float(threshold_otsu(values))  # type: ignore[no-untyped-call]
    for _ in range(3):
        low, high = np.median(values[values < middle]), np.median(values[values >= middle])
        middle = float(low + high) / 2
    return middle, float(high - low) / 2


def _lines(smooth: Floats, middle: float) -> list[tuple[Floats, bool]]:
    """Evenly spaced, slightly smoothed points (row, column) of each zero line."""
    from skimage.measure import find_contours

    found = []
    for line in find_contours(smooth, middle):  # type: ignore[no-untyped-call]
        closed = bool(np.allclose(line[0], line[-1]))
        gaps = np.hypot(*np.diff(line, axis=0).T)
        keep = np.concatenate([[True], gaps > 1e-9])
        line = line[keep]
        place = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])
        if place[-1] < SHORTEST:
            continue
        count = int(place[-1] / SPACING)
        even = np.linspace(0.0, place[-1], count, endpoint=not closed)
        points = np.column_stack([np.interp(even, place, line[:, k]) for k in range(2)])
        mode: Mode = "wrap" if closed else "nearest"
        sigma = 2.0 / SPACING
        bent = ndimage.gaussian_filter1d(points, sigma, axis=0, mode=mode)
        if not closed:
            # smoothing pulls open ends inwards: keep the plain line there
            rim = min(int(4 * sigma), count // 2)
            bent[:rim], bent[-rim:] = points[:rim], points[-rim:]
        found.append((bent, closed))
    return found


def wall_pixels(image: Floats, reach: float, knot_spacing: float) -> tuple[WallPixels, float]:
    """Return the pixels within ``reach`` of one wall only, and the half jump across it.

    Raises
    ------
    NotIdentified
        When no wall can be drawn, or none has room on both sides.
    """
    from scipy.spatial import cKDTree

    seen = np.isfinite(image)
    filled = np.where(seen, image, np.median(image[seen]))
    middle, jump = _levels(filled, seen)
    smooth = ndimage.gaussian_filter(filled, SMOOTHING)
    lines = _lines(smooth, middle)
    if not lines:
        raise NotIdentified("the picture holds no wall between two domains: nothing fixes a ratio.")
    points = np.concatenate([line for line, _ in lines])
    owner = np.concatenate([np.full(len(line), k) for k, (line, _) in enumerate(lines)])
    inner = np.concatenate([np.arange(len(line)) for line, _ in lines])
    tangents = np.concatenate([_tangents(line, closed) for line, closed in lines])
    bends = np.concatenate([_bends(line, closed) for line, closed in lines])
    rows, columns = np.nonzero(seen)
    rim = np.minimum.reduce(
        [rows, columns, image.shape[0] - 1 - rows, image.shape[1] - 1 - columns]
    )
    places = np.column_stack([rows, columns]).astype(float)
    tree = cKDTree(points)
    found: Any = tree.query(places, distance_upper_bound=reach + 1.0)
    distance, nearest = found
    near = np.isfinite(distance) & (distance <= reach) & (rim >= EDGE)
    rows, columns, places, nearest = rows[near], columns[near], places[near], nearest[near]
    lone = _one_wall(tree, places, nearest, owner, inner, lines, 2.0 * reach)
    lone &= np.abs(bends[nearest]) * reach < SHARPEST
    rows, columns, places, nearest = rows[lone], columns[lone], places[lone], nearest[lone]
    if rows.size < 10 * reach:
        raise NotIdentified(
            "the picture holds no wall with room on both sides: its walls lie closer together "
            f"than {2 * reach:.1f} pixels, or too close to the edge."
        )
    offset = places - points[nearest]
    tangent = tangents[nearest]
    normal = np.column_stack([-tangent[:, 1], tangent[:, 0]])
    slope = np.array([ndimage.sobel(smooth, axis=axis)[tuple(np.rint(points).astype(int).T)]
                      for axis in range(2)]).T  # fmt: skip
    sign = np.sign((normal * slope[nearest]).sum(1))
    along = inner[nearest] * SPACING + (offset * tangent).sum(1)
    pixels = _knots(image[rows, columns], sign * (offset * normal).sum(1), along, owner[nearest],
                    lines, knot_spacing)  # fmt: skip
    return pixels, jump


def _tangents(line: Floats, closed: bool) -> Floats:
    """Return the unit tangents of a line."""
    step = np.roll(line, -1, 0) - np.roll(line, 1, 0) if closed else np.gradient(line, axis=0)
    unit: Floats = step / np.hypot(*step.T)[:, None]
    return unit


def _bends(line: Floats, closed: bool) -> Floats:
    """Curvature of a line, per pixel."""
    tangent = _tangents(line, closed)
    turn = (np.roll(tangent, -1, 0) - np.roll(tangent, 1, 0) if closed
            else 2 * np.gradient(tangent, axis=0)) / (2 * SPACING)  # fmt: skip
    bend: Floats = np.hypot(*turn.T)
    return ndimage.gaussian_filter1d(bend, 4, mode="wrap" if closed else "nearest")


def _one_wall(
    tree: object,
    places: Floats,
    nearest: NDArray[np.int64],
    owner: NDArray[np.int64],
    inner: NDArray[np.int64],
    lines: list[tuple[Floats, bool]],
    room: float,
) -> NDArray[np.bool_]:
    """Whether no other stretch of wall comes within ``room`` of a pixel."""
    lengths = np.array([len(line) for line, _ in lines])
    closed = np.array([closed for _, closed in lines])
    lone = np.ones(len(places), bool)
    around = tree.query_ball_point(places, room)  # type: ignore[attr-defined]
    for k, found in enumerate(around):
        found = np.asarray(found)
        mine = nearest[k]
        gap = np.abs(inner[found] - inner[mine])
        if closed[owner[mine]]:
            gap = np.minimum(gap, lengths[owner[mine]] - gap)
        lone[k] = bool(np.all((owner[found] == owner[mine]) & (gap * SPACING < 1.6 * room)))
    return lone


def _knots(
    value: Floats,
    distance: Floats,
    along: Floats,
    wall: NDArray[np.int64],
    lines: list[tuple[Floats, bool]],
    spacing: float,
) -> WallPixels:
    """Give each pixel its knots by number; knots without pixels are left out."""
    knot, after = np.empty(value.size, np.int64), np.empty(value.size, np.int64)
    share = np.empty(value.size)
    first = 0
    for k, (line, closed) in enumerate(lines):
        mine = wall == k
        count = max(3, round(len(line) * SPACING / spacing))
        place = along[mine] / (len(line) * SPACING) * count
        place = place % count if closed else np.clip(place, 0.0, count - 1e-9)
        low = np.floor(place).astype(np.int64)
        low = low % count if closed else low
        knot[mine] = first + low
        after[mine] = first + ((low + 1) % count if closed else low + 1)
        share[mine] = place - np.floor(place)
        first += count + (not closed)
    used, where = np.unique(np.concatenate([knot, after]), return_inverse=True)
    return WallPixels(
        value, distance, where[: value.size], where[value.size :], share, used.size,
        int(np.unique(wall).size), float(used.size * spacing),
    )  # fmt: skip
