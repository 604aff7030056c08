"""Weights of one variable's laws, averaged over the laws of the others that the data leave open."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from physlearn.inference.dynamics.motion_fit import (
    MotionFit,
    fit_motion,
    inner_of,
    own_coefficients,
)

if TYPE_CHECKING:
    from physlearn.inference.dynamics.motion_search import Searched

__all__ = ["weigh_pairs"]

Pair = tuple[int, tuple[int, ...], int, tuple[int, ...]]

NEAR = 4.0  # nats behind the best law; a pair of rivals within it is fitted
MOST_RIVALS = 3


def weigh_pairs(found: Searched) -> MotionFit | None:
    """Fit the near rivals of every two variables together; put marginal lengths into ``found``.

    Returns the best pair where it is better than the best law.
    """
    rivals = [_rivals(found, target) for target in range(len(found.laws))]
    best = found.length(found.best)
    together: dict[Pair, float] = {}
    better: MotionFit | None = None
    for a, b in combinations(range(len(rivals)), 2):
        for one in rivals[a]:
            for other in rivals[b]:
                fit = _fit_pair(found, a, one, b, other)
                if fit is None:
                    continue
                length = found.length(fit)
                additive = found.length(found.laws[a][one]) + found.length(found.laws[b][other])
                together[a, one, b, other] = together[b, other, a, one] = length - additive + best
                if length < min(best, np.inf if better is None else found.length(better)):
                    better = fit
    found.shifts = [
        {
            places: sum(_shift(found, rivals, together, target, places, other)
                        for other in range(len(rivals)) if other != target)
            for places in found.laws[target]
        }
        for target in range(len(rivals))
    ]  # fmt: skip
    return better


def _rivals(found: Searched, target: int) -> list[tuple[int, ...]]:
    best = found.length(found.best)
    behind = {
        places: found.length(fit) - best
        for places, fit in found.laws[target].items()
        if places != found.best.support[target]
    }
    near = sorted((places for places in behind if behind[places] < NEAR), key=behind.__getitem__)
    return near[:MOST_RIVALS]


def _fit_pair(
    found: Searched, a: int, one: tuple[int, ...], b: int, other: tuple[int, ...]
) -> MotionFit | None:
    best = found.best
    support = list(best.support)
    support[a], support[b] = one, other
    parts = [own_coefficients(best, k) for k in range(len(support))]
    parts[a] = own_coefficients(found.laws[a][one], a)
    parts[b] = own_coefficients(found.laws[b][other], b)
    inner = inner_of(found.problem, best, tuple(support))
    return fit_motion(
        found.problem, tuple(support), np.concatenate(parts), best.starts, best.states, inner
    )


def _shift(
    found: Searched, rivals: list[list[tuple[int, ...]]], together: dict[Pair, float],
    target: int, places: tuple[int, ...], other: int,
) -> float:  # fmt: skip
    """Return what averaging over another variable's laws adds to a law's length.

    Nothing where lengths add up: the data then say of both variables the same as of each.
    """
    best = found.length(found.best)
    behind = [found.length(found.laws[other][own]) - best for own in rivals[other]]
    joint = [together.get((target, places, other, own), 0.0) for own in rivals[other]]
    alone = -np.array([0.0, *behind])
    with_pair = alone - np.array([0.0, *joint])
    return float(np.logaddexp.reduce(alone) - np.logaddexp.reduce(with_pair))
