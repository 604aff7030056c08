"""Labels that are left out to test a classification, together with those that lie too near."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from physlearn.datasets.components.block_folds import alike_length, alike_time
from physlearn.datasets.components.few_label_models import UNKNOWN, class_log_probabilities
from physlearn.datasets.components.prepared_table import PreparedTable, repeated_rows

__all__ = ["LabelSpots", "find_spots", "left_out", "untested_note"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]
MOST_LEFT_OUT = 30
"""Spots up to which each is left out by itself; beyond, they are left out in so many groups."""


@dataclass(frozen=True, slots=True, eq=False)
class LabelSpots:
    """Where the labels lie, and which of them can be left out without losing a class.

    ``known``: rows with a label. ``spot``: of each label, those within the reach of one another.
    ``held``: pairs (labels left out, labels to learn from), numbers into ``known``. ``tested``:
    labels of which the rest still knows every class. ``reach`` in the table's unit.
    """

    known: Integers
    spot: Integers
    held: list[tuple[Integers, Integers]]
    tested: Flags
    reach: float

    @property
    def weights(self) -> Floats:
        """Weight of each label: a spot counts as one, labels that test nothing as none."""
        return np.where(self.tested, 1.0 / np.bincount(self.spot)[self.spot], 0.0)

    def untested_classes(self, codes: Integers) -> Integers:
        """Return the classes of which no label can be left out with its neighbours."""
        mine = codes[self.known]
        return np.setdiff1d(mine, mine[self.tested])


def find_spots(
    data: PreparedTable, scores: Floats, codes: Integers, k: int, seed: int
) -> LabelSpots:
    """Return the spots of the labels, and which are left out together.

    Nearer than the reach, a label is no test: its neighbour's label tells it. The reach is the
    length over which deviations from the classes' means are alike, or the distance at which half
    of the patches have their nearest label where that is shorter; at least a patch, so that no
    pixel is shared.
    """
    known = np.flatnonzero(codes != UNKNOWN)
    points, reach = _places(data, scores, codes, k, seed)
    _, repeats = np.unique(repeated_rows(data.values)[known], return_inverse=True)
    spot = np.asarray(repeats.ravel(), dtype=np.int64)
    if points is not None:
        spot = _cover(points[known])
    number = int(spot.max()) + 1
    group = np.arange(number)
    if number > MOST_LEFT_OUT:
        group = np.random.default_rng(seed).permutation(number) % MOST_LEFT_OUT
    places = None if points is None else points[known]

    def others(held: Integers) -> Integers | None:
        near = np.isin(repeats.ravel(), repeats.ravel()[held])
        if places is not None:
            near |= np.isfinite(
                cKDTree(places[held]).query(places, p=np.inf, distance_upper_bound=1.0)[0]
            )
        near[held] = True
        rest = np.flatnonzero(~near)
        return rest if len(np.unique(codes[known[rest]])) == k else None

    pairs: list[tuple[Integers, Integers]] = []
    tested = np.ones(len(known), dtype=bool)
    for each in range(int(group.max()) + 1):
        together = np.flatnonzero(group[spot] == each)
        rest = others(together)
        if rest is not None:
            pairs.append((together, rest))
            continue
        # too much is left out at once: one label after the other
        for label in together:
            alone = np.array([label])
            rest = others(alone)
            if rest is None:
                tested[label] = False
                rest = np.delete(np.arange(len(known)), label)
            pairs.append((alone, rest))
    return LabelSpots(known, spot, pairs, tested, reach)


def left_out(model: str, scores: Floats, codes: Integers, k: int, spots: LabelSpots) -> Floats:
    """Return ln p of each labelled patch by a model that has not seen its label nor its spot's."""
    result = np.empty((len(spots.known), k))
    for held, rest in spots.held:
        others = np.full(len(codes), UNKNOWN)
        others[spots.known[rest]] = codes[spots.known[rest]]
        result[held] = class_log_probabilities(model, scores, others, k)[spots.known[held]]
    return result


def untested_note(classes: tuple[str, ...], spots: LabelSpots, codes: Integers) -> str | None:
    """Return a sentence about classes whose labels lie on one spot."""
    names = [classes[each] for each in spots.untested_classes(codes)]
    if not names:
        return None
    return (
        f"all labels of {', '.join(names)} lie on one spot: within {spots.reach:.3g} patches of "
        "one class are alike, so that nothing tests what is said elsewhere and probabilities are "
        "drawn together; label patches farther apart."
    )


def _places(
    data: PreparedTable, scores: Floats, codes: Integers, k: int, seed: int
) -> tuple[Floats | None, float]:
    """Return places in units of the reach (None without places), and the reach."""
    if data.centers is None:
        return None, 0.0
    known = codes != UNKNOWN
    best = class_log_probabilities("discriminant", scores, codes, k).argmax(axis=1)
    best = np.where(known, codes, best)
    deviation = scores.copy()
    for each in range(k):
        deviation[best == each] -= scores[best == each].mean(axis=0)
    length = alike_length(data, deviation, np.random.default_rng(seed))
    touching = data.patch_size * (1 - 1e-9)
    if length > touching and not known.all():
        away = cKDTree(data.centers[known]).query(data.centers[~known], p=np.inf)[0]
        length = min(length, float(np.median(away)))
    reach = max(touching + data.error_length, length)
    points = data.centers / reach
    if data.times is not None:
        step = float(np.diff(np.unique(data.times)).min())
        # frames up to that time apart are alike, the last one included
        scaled = deviation / max(float(np.sqrt((deviation**2).mean())), 1e-300)
        duration = alike_time(data.centers, data.times, scaled) * (1 + 1e-6)
        points = np.hstack([points, (data.times / max(duration, step * (1 - 1e-9)))[:, None]])
    return points, reach


def _cover(points: Floats) -> Integers:
    """Return the spot of each point: those within 1 of the first point that has none yet."""
    tree, spot = cKDTree(points), np.full(len(points), -1)
    number = 0
    for row in range(len(points)):
        if spot[row] < 0:
            near = np.asarray(tree.query_ball_point(points[row], 1.0 - 1e-9, p=np.inf))
            spot[near[spot[near] < 0]] = number
            number += 1
    return spot
