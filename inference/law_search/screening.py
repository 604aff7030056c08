"""From all candidates to the few worth a full fit, in two rounds on a part of the points."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from physlearn.inference.law_data.search_data import SearchData
from physlearn.inference.law_search.expression_kernels import MAX_CONSTANTS, fit_programs
from physlearn.inference.law_search.program_prices import NATS_OF_PRICE
from physlearn.inference.law_search.skeletons import Skeletons

__all__ = ["Fitted", "fit_in_pieces", "screen_candidates"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

PIECE = 400  # programs between two looks at the clock
ROUND_POINTS = (28, 64)
ROUND_STEPS = (4, 12)
ROUND_KEPT = (400, 140)
NATS_OF_CONSTANT = 2.0
LOSS_FLOOR = 1e-24
# In units of what each constant acts on; rows are starts, columns constants
FIRST_STARTS = np.array([
    [0.6, 0.6, 0.6], [-0.6, 2.0, -2.0], [2.5, -2.5, 1.0], [-2.5, -0.6, -1.0], [1.2, 4.0, 1.0],
    [5.0, 1.0, 0.5],
])  # fmt: skip
MORE_STARTS = np.vstack([FIRST_STARTS, [
    [1.5, 1.5, 1.5], [-1.5, 1.5, -1.5], [-5.0, 0.5, 1.0], [0.5, -4.0, 2.0],
    [3.0, -0.3, -1.0], [-3.0, -5.0, 0.5], [0.1, 3.0, -3.0],
]])  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """Candidates with their constants: rows of skeletons, offset (0, 1), misfit, constants."""

    rows: Integers
    offsets: Integers
    misfits: Floats
    constants: Floats


def screen_candidates(
    data: SearchData, skeletons: Skeletons, goes_on: Callable[[float, Fitted], bool]
) -> Fitted:
    """Fit every candidate with an offset on part of the points, the best again on more.

    ``goes_on`` is told the fraction done and the best so far after each piece; False ends it.
    """
    rows = np.arange(len(skeletons))
    start = Fitted(
        rows, np.ones_like(rows), np.full(rows.size, np.inf), np.zeros((rows.size, MAX_CONSTANTS))
    )
    result = start
    for which, starts in enumerate((FIRST_STARTS, MORE_STARTS)):
        part = spread_points(data, ROUND_POINTS[which])
        share = (0.0, 0.5) if which == 0 else (0.5, 0.75)
        result = fit_in_pieces(part, skeletons, result, starts, ROUND_STEPS[which], share, goes_on)
        cost = rough_cost(part, skeletons, result)
        best = np.argsort(cost, kind="stable")[: ROUND_KEPT[which]]
        best = best[np.isfinite(cost[best])]
        result = Fitted(
            result.rows[best], result.offsets[best], result.misfits[best], result.constants[best]
        )
    return result


def rough_cost(data: SearchData, skeletons: Skeletons, fitted: Fitted) -> Floats:
    """Nats to order candidates by: half log likelihood, expression and constants."""
    n = data.y.size
    floor = LOSS_FLOOR * float((data.weight * data.y**2).mean()) + 1e-290
    least = 0.3 if data.noise_known else floor
    with np.errstate(all="ignore"):
        cost = 0.5 * n * np.log(np.maximum(fitted.misfits / n, least))
    cost += NATS_OF_PRICE * skeletons.prices[fitted.rows]
    cost += NATS_OF_CONSTANT * (skeletons.counts[fitted.rows] + fitted.offsets)
    return np.where(np.isfinite(fitted.misfits), cost, np.inf)


def fit_in_pieces(
    data: SearchData,
    skeletons: Skeletons,
    fitted: Fitted,
    starts: Floats,
    steps: int,
    share: tuple[float, float],
    goes_on: Callable[[float, Fitted], bool],
) -> Fitted:
    """Fit candidates from ``starts``, and from their own constants where they have been fitted."""
    root = np.sqrt(data.weight)
    target = data.y * root
    misfits, constants = fitted.misfits.copy(), fitted.constants.copy()
    rows, done = fitted.rows, 0
    x = np.ascontiguousarray(data.x)
    while done < rows.size:
        piece = slice(done, done + PIECE)
        fit_programs(
            skeletons.programs[rows[piece]], skeletons.lengths[rows[piece]],
            skeletons.counts[rows[piece]], x, root, target, starts, steps,
            fitted.offsets[piece], misfits[piece], constants[piece],
        )  # fmt: skip
        done = min(done + PIECE, rows.size)
        so_far = Fitted(rows[:done], fitted.offsets[:done], misfits[:done], constants[:done])
        if not goes_on(share[0] + (share[1] - share[0]) * done / rows.size, so_far):
            return so_far
    return Fitted(rows, fitted.offsets, misfits, constants)


def spread_points(data: SearchData, count: int) -> SearchData:
    """Return ``count`` points: even along the variable, or far from each other among several."""
    n = data.y.size
    if n <= count:
        return data
    # By y where x is equal: neither the order of the rows nor that of the columns has a say
    order = np.lexsort((*data.x[::-1], data.weight, data.y))
    if len(data.x) == 1:
        order = order[np.argsort(data.x[0, order], kind="stable")]
        picked = order[np.unique(np.linspace(0, n - 1, count).astype(int))]
    else:
        picked = order[_far_points(data.x[:, order], count)]
    return SearchData(
        np.ascontiguousarray(data.x[:, picked]), data.y[picked], data.weight[picked],
        data.noise_known, data.names,
    )  # fmt: skip


def _far_points(x: Floats, count: int) -> Integers:
    """Farthest-point sampling on the ranks of the variables, at most some thousand of them."""
    n = x.shape[1]
    some = np.unique(np.linspace(0, n - 1, min(n, 4000)).astype(int))
    by_size = np.argsort(x[:, some], axis=1, kind="stable")
    ranks = np.argsort(by_size, axis=1, kind="stable") / some.size
    chosen = [0]
    distance = ((ranks - ranks[:, :1]) ** 2).sum(axis=0)
    for _ in range(count - 1):
        chosen.append(int(distance.argmax()))
        new = ((ranks - ranks[:, chosen[-1:]]) ** 2).sum(axis=0)
        distance = np.minimum(distance, new)
    picked: Integers = some[np.array(chosen)]
    return picked
