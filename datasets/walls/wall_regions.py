"""The domains of a frame, the walls between them, and which of them go on in the next frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from physlearn.datasets.walls.domain_kernels import (
    find_runs,
    label_runs,
    list_borders,
    overlap_runs,
    vote_sides,
)
from physlearn.datasets.walls.wall_necks import WallShape

__all__ = ["RegionFinder", "Regions", "contacts", "hang_together", "linked_walls", "sign_taps"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Labels = NDArray[np.int32]

LEAST_OVERLAP = 0.1
"""Of the smaller domain, for two domains of neighbouring frames to be the same one."""
SIGN_NOISE = 0.1
SIGN_SCALES = 0.6, 3.0
CONTACT_PIXEL = 10.0
"""Radius over which the middle of a contact is taken."""
LENGTH_PER_EDGE = np.pi / 4
"""Mean length of a wall for each edge between blocks that it separates."""


@dataclass(slots=True, eq=False)
class Regions:
    """Domains and walls of one frame.

    Attributes
    ----------
    index
        Number of the frame.
    positive
        Sign of each block.
    row_starts, starts, labels
        Runs of one sign (see ``domain_kernels``) and the domain of each.
    pairs
        Of each wall: labels of the positive and the negative domain, shape (n_walls, 2).
    points
        Of each wall: the edges between blocks that it separates, (n, 2), x and y in pixels.
    open
        Whether a wall runs to the edge of the view.
    contours
        Of each contour given: the number of its wall, -1 for none.
    own
        Identities of the walls.
    """

    index: int
    positive: Mask
    row_starts: Labels
    starts: Labels
    labels: Labels
    n_labels: int
    pairs: NDArray[np.int64]
    points: list[Floats]
    open: list[bool]
    contours: list[int]
    block: int
    own: list[int] = field(default_factory=list)


def sign_taps(noise_sd: float) -> Floats:
    """Return the filter of ``fine_domains`` for noise in half contrasts: half of it, middle first.

    The noise that passes stands 7 standard deviations below the domains; narrow necks need the
    shortest filter that allows it.
    """
    scale = float(np.clip(noise_sd / (SIGN_NOISE * 2.0 * np.sqrt(np.pi)), *SIGN_SCALES))
    taps = np.exp(-0.5 * (np.arange(int(2.5 * scale + 0.5) + 1) / scale) ** 2)
    return np.asarray(taps, dtype=np.float64)


class RegionFinder:
    """Finds the domains and walls of the frames of one film.

    Parameters
    ----------
    seen
        Blocks in view.
    block
        Pixels along the edge of a block.
    shortest
        Shorter walls are none; pixels.
    """

    def __init__(self, seen: Mask, block: int, shortest: float) -> None:
        self.seen = np.ascontiguousarray(seen)
        self.block = block
        self.fewest = shortest / (LENGTH_PER_EDGE * block)
        self.starts = np.empty(seen.size, dtype=np.int32)
        self.signs = np.empty(seen.size, dtype=np.int8)
        self.pairs = np.empty((seen.size, 2), dtype=np.int32)
        self.points = np.empty((seen.size, 2))

    def find(self, index: int, positive: Mask, shapes: Sequence[WallShape]) -> Regions:
        """Return the regions of a frame whose contours are ``shapes``."""
        n_rows, n_columns = positive.shape
        rows = np.empty(n_rows + 1, dtype=np.int32)
        count = find_runs(positive, self.seen, rows, self.starts, self.signs)
        starts, signs = self.starts[:count].copy(), self.signs[:count]
        labels, touching = np.empty(count, dtype=np.int32), np.zeros(count, dtype=bool)
        n_labels = label_runs(rows, starts, signs, n_columns, labels, touching)
        n = list_borders(rows, starts, signs, labels, n_columns, self.pairs, self.points)
        keys = self.pairs[:n, 0].astype(np.int64) * n_labels + self.pairs[:n, 1]
        order = np.argsort(keys, kind="stable")
        ordered = keys[order]
        first = np.flatnonzero(np.diff(ordered, prepend=-1))
        counts = np.diff(first, append=n)
        long = counts >= self.fewest
        found = ordered[first[long]]
        pairs = np.stack([found // max(n_labels, 1), found % max(n_labels, 1)], axis=1)
        places = self.points[:n][order] * self.block + 0.5 * (self.block - 1)
        points = [places[a : a + m] for a, m in zip(first[long], counts[long], strict=True)]
        to_edge = np.asarray(touching[pairs].all(axis=1)).tolist()
        sides = np.full((len(shapes), 2), -1, dtype=np.int64)
        if shapes:
            ends = np.cumsum([0, *(len(wall.points) for wall in shapes)])
            votes = np.zeros(n_labels, dtype=np.int64)
            vote_sides(
                rows, starts, signs, labels, n_columns, self._places(shapes), ends, sides, votes
            )
        names = {(int(a), int(b)): k for k, (a, b) in enumerate(pairs)}
        contours = [names.get((int(a), int(b)), -1) for a, b in sides]
        return Regions(
            index, positive, rows, starts, labels, n_labels, pairs, points, to_edge, contours,
            self.block,
        )  # fmt: skip

    def _places(self, shapes: Sequence[WallShape]) -> Floats:
        """Return the points of all contours in blocks, with their normals."""
        points = np.empty((sum(len(wall.points) for wall in shapes), 4))
        np.concatenate([wall.points for wall in shapes], out=points[:, :2])
        np.concatenate([wall.normals for wall in shapes], out=points[:, 2:])
        points[:, :2] = (points[:, :2] - 0.5 * (self.block - 1)) / self.block
        return points


def _same_domains(before: Regions, here: Regions) -> tuple[Floats, Floats]:
    """Share of the smaller domain that walls have in common on their positive, negative side."""
    tables, sizes = [], []
    for frame in (before, here):
        used = np.unique(frame.pairs)
        table = np.full(frame.n_labels, -1, dtype=np.int32)
        table[used] = np.arange(used.size)
        tables.append(table)
        sizes.append(used.size)
    counts = np.zeros((sizes[0] + 1, sizes[1] + 1), dtype=np.int64)
    overlap_runs(
        before.row_starts, before.starts, tables[0][before.labels], here.row_starts, here.starts,
        tables[1][here.labels], before.positive.shape[1], counts,
    )  # fmt: skip
    smaller = np.minimum(counts[:-1, -1:], counts[-1:, :-1])
    share = counts[:-1, :-1] / np.maximum(smaller, 1)
    one, two = tables[0][before.pairs], tables[1][here.pairs]
    return share[np.ix_(one[:, 0], two[:, 0])], share[np.ix_(one[:, 1], two[:, 1])]


def linked_walls(before: Regions, here: Regions, reach: float) -> Mask:
    """Tell which walls of two frames are the same; (n_before, n_here)."""
    if not before.points or not here.points:
        return np.zeros((len(before.points), len(here.points)), dtype=bool)
    positive, negative = _same_domains(before, here)
    linked: Mask = np.minimum(positive, negative) >= LEAST_OVERLAP
    lost = np.flatnonzero(~linked.any(axis=1))
    found = np.flatnonzero(~linked.any(axis=0))
    if lost.size and found.size:  # a narrow domain may move farther than its width
        side = np.maximum(positive, negative)[np.ix_(lost, found)] >= LEAST_OVERLAP
        gaps = np.array([[_mean_gap(before.points[i], here.points[j]) for j in found]
                         for i in lost])  # fmt: skip
        gaps[~side] = np.inf
        while gaps.min() <= reach:
            i, j = np.unravel_index(int(np.argmin(gaps)), gaps.shape)
            linked[lost[i], found[j]] = True
            gaps[i], gaps[:, j] = np.inf, np.inf
    return linked


def _mean_gap(one: Floats, two: Floats) -> float:
    """Larger of the two mean distances between walls."""
    there, back = cKDTree(two).query(one)[0], cKDTree(one).query(two)[0]
    return float(max(np.mean(there), np.mean(back)))


def contacts(
    frame: Regions, other: Regions, main: int, members: list[int]
) -> list[tuple[int, float, float]]:
    """Hang walls onto the main one, the nearest first: (wall, x, y of the contact).

    A contact is where the blocks between two walls change their domain in the other frame.
    """
    switched = frame.positive != other.positive
    together, left, found = [main], [k for k in members if k != main], []
    while left:
        points = np.concatenate([frame.points[k] for k in together])
        tree = cKDTree(points)
        best = (np.inf, left[0], 0.0, 0.0)
        for k in left:
            gap, owner = tree.query(frame.points[k])
            middle = 0.5 * (frame.points[k] + points[owner])
            block = np.rint((middle - 0.5 * (frame.block - 1)) / frame.block).astype(int)
            cells = np.clip(block, 0, np.array(switched.shape[::-1]) - 1)
            score = np.where(switched[cells[:, 1], cells[:, 0]], gap, gap + 1e3)
            nearest = int(np.argmin(score))
            if score[nearest] < best[0]:
                near = score <= score[nearest] + 1.0
                near &= np.hypot(*(middle - middle[nearest]).T) < CONTACT_PIXEL
                place = middle[near].mean(axis=0)
                best = (float(score[nearest]), k, float(place[0]), float(place[1]))
        found.append(best[1:])
        together.append(best[1])
        left.remove(best[1])
    return found


def hang_together(linked: Mask) -> list[tuple[list[int], list[int]]]:
    """Return the walls before and the walls after of each group of linked ones."""
    n_old, n_new = linked.shape
    if (
        n_old == n_new
        and np.array_equal(linked.sum(axis=0), np.ones(n_new))
        and np.array_equal(linked.sum(axis=1), np.ones(n_old))
    ):  # the usual case, and much the fastest
        return [([int(i)], [int(j)]) for i, j in zip(*np.nonzero(linked), strict=True)]
    old, new = np.nonzero(linked)
    total = n_old + n_new
    matrix = coo_array((np.ones(old.size), (old, new + n_old)), shape=(total, total))
    count, label = connected_components(matrix, directed=False)
    members = [np.flatnonzero(label == k) for k in range(count)]
    return [([int(i) for i in m if i < n_old], [int(i) - n_old for i in m if i >= n_old])
            for m in members]  # fmt: skip
