"""The exact posterior over all causal graphs of up to 15 columns, without hidden causes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from physlearn.causal.graph_search.covariance import ScoreData
from physlearn.causal.graph_search.knowledge import (
    Constraints,
    cycle_notes,
    keep_strictly,
    without_cycles,
)
from physlearn.causal.graph_search.marks import CIRCLE, Found, empty_ends, orient, reachable
from physlearn.causal.graph_search.pc_search import open_tails
from physlearn.causal.spatial_layout import Floats
from physlearn.checks import InputError
from physlearn.lattice_models.compiled import kernel

MAX_COLUMNS = 15
FIRM_POSTERIOR = 0.9
LISTED_POSTERIOR = 0.5
"""A link of at least this probability is listed; below `FIRM_POSTERIOR` as undecided."""


def search_exact(data: ScoreData, constraints: Constraints) -> Found:
    """Return the links whose posterior probability over all graphs is at least one half.

    Raises
    ------
    InputError
        For more than 15 columns.
    """
    names = constraints.names
    if len(names) > MAX_COLUMNS:
        raise InputError(
            f'method="exact" sums over all graphs of at most {MAX_COLUMNS} columns; got '
            f'{len(names)}: take fewer columns or method="boss".'
        )
    families = family_scores(data.correlation, data.n_effective)
    forbid_families(families, constraints)
    claims = edge_posteriors(families, cyclic_parts(constraints))
    adjacency = claims + claims.T
    direction = claims / np.maximum(adjacency, 1e-300)
    ends = empty_ends(len(names))
    found = Found(ends, adjacency_posterior=adjacency, direction_posterior=direction)
    for i, j in combinations(range(len(names)), 2):
        if adjacency[i, j] < LISTED_POSTERIOR:
            continue
        ends[i, j] = ends[j, i] = CIRCLE
        for cause, effect in ((i, j), (j, i)):
            if direction[cause, effect] >= FIRM_POSTERIOR:
                orient(ends, cause, effect)
        if adjacency[i, j] < FIRM_POSTERIOR:
            found.open_reasons[i, j] = f"its posterior probability is {adjacency[i, j]:.2f}"
    ends, said = keep_strictly(ends, constraints, hidden_causes=False)
    ends, opened = without_cycles(ends, constraints, hidden_causes=False)
    found.ends = open_tails(ends, constraints)
    found.notes += [*said, *cycle_notes(opened, names)]
    return found


def family_scores(correlation: Floats, n: float) -> Floats:
    """Return the log marginal likelihood (p, 2**p) of each column given each set of causes.

    Bit k of the second index says that column k is a cause; sets that hold the column itself are
    minus infinity. Equivalent graphs have equal sums.

    Notes
    -----
    BGe score of linear Gaussian models: Geiger and Heckerman, Ann. Stat. 30, 1412 (2002),
    doi:10.1214/aos/1035844981, with the correction of Kuipers, Moffa and Heckerman, Ann. Stat. 42,
    1689 (2014), doi:10.1214/14-AOS1217. `n`, the effective number of patches, need not be whole.
    """
    p = len(correlation)
    freedom = p + 2.0
    scale = (freedom - p - 1.0) / 2.0
    moments = scale * np.eye(p) + n * correlation
    subsets = np.zeros(1 << p)
    for size in range(1, p + 1):
        sets = np.array(list(combinations(range(p), size)))
        index = (1 << sets).sum(axis=1)
        logdet = np.linalg.slogdet(moments[sets[:, :, None], sets[:, None, :]])[1]
        shift = freedom - p + size
        steps = np.arange(size)
        constant = (
            -0.5 * size * math.log(n + 1.0)
            + float(np.sum(gammaln((n + shift - steps) / 2) - gammaln((shift - steps) / 2)))
            - 0.5 * size * n * math.log(math.pi)
            + 0.5 * shift * size * math.log(scale)
        )
        subsets[index] = constant - 0.5 * (n + shift) * logdet
    scores = np.full((p, 1 << p), -np.inf)
    every = np.arange(1 << p)
    for k in range(p):
        without = every[(every >> k) & 1 == 0]
        scores[k, without] = subsets[without | (1 << k)] - subsets[without]
    return scores


def forbid_families(scores: Floats, constraints: Constraints) -> None:
    """Take out, in place, sets of causes that hold a forbidden or lack a required one.

    Each link costs a factor of 1 / (p - 1), so that about one cause a column is expected: without
    it almost all graphs, and so the prior, are dense.
    """
    p = len(constraints.names)
    every = np.arange(1 << p)
    n_causes = np.array([(every >> k) & 1 for k in range(p)]).sum(axis=0)
    bits = 1 << np.arange(p)
    scores -= n_causes * math.log(max(p - 1, 1))
    for k in range(p):
        forbidden = int(bits[constraints.forbidden[:, k]].sum())
        required = int(bits[constraints.required[:, k]].sum())
        scores[k, (every & forbidden != 0) | (every & required != required)] = -np.inf


def cyclic_parts(constraints: Constraints) -> list[list[int]]:
    """Return the columns in groups, so that what is known rules out cycles through two groups."""
    allowed = ~constraints.forbidden & ~np.eye(len(constraints.names), dtype=np.bool_)
    both = reachable(allowed) & reachable(allowed).T | np.eye(len(allowed), dtype=np.bool_)
    return [list(map(int, part)) for part in sorted({tuple(np.flatnonzero(row)) for row in both})]


def edge_posteriors(scores: Floats, parts: Sequence[Sequence[int]] | None = None) -> Floats:
    """Return the posterior probability (p, p) that column i is a direct cause of column j.

    Parameters
    ----------
    scores
        Log weight (p, 2**p) of each column with each set of causes; the weight of a graph is the
        product over its columns.
    parts
        Groups of columns between which no cycle is possible, each column in one of them; one group
        when None.

    Notes
    -----
    Every acyclic graph counts once (a uniform prior over graphs, not over orders): the last
    columns are peeled off by inclusion and exclusion, in 3**p steps forwards and 3**p backwards:
    Tian and He, UAI 2009, 538 (arXiv:1205.2612); Robinson's count of acyclic graphs is the case
    of equal weights.

    Examples
    --------
    >>> import numpy as np
    >>> scores = np.zeros((2, 4))
    >>> scores[0, [1, 3]] = scores[1, [2, 3]] = -np.inf  # no column causes itself
    >>> edge_posteriors(scores).round(3).tolist()  # three graphs: none, one way, the other way
    [[0.0, 0.333], [0.333, 0.0]]
    """
    p = len(scores)
    family = np.exp(scores - scores.max(axis=1, keepdims=True))
    every = np.arange(1 << p)
    result = np.zeros((p, p))
    for part in [range(p)] if parts is None else parts:
        columns, size = list(part), len(part)
        # causes outside the part are free: their sets are summed over
        inside = np.sum([((every >> k) & 1) << bit for bit, k in enumerate(columns)], axis=0)
        totals = _sums_over_subsets(_sums_by(inside, family[columns], size), size)
        with np.errstate(divide="ignore"):
            weights = peel_weights(np.log(totals), size)
        for cause in range(p):
            holding = np.where((every >> cause) & 1, family[columns], 0.0)
            share = _sums_over_subsets(_sums_by(inside, holding, size), size)
            result[cause, columns] = (weights * share / np.maximum(totals, 1e-300)).sum(axis=1)
    np.fill_diagonal(result, 0.0)
    return np.clip(result, 0.0, 1.0)


def _sums_by(index: NDArray[np.int64], values: Floats, size: int) -> Floats:
    """Return the sums of each row of values with the same index, shape (n, 2**size)."""
    return np.stack([np.bincount(index, row, minlength=1 << size) for row in values])


def _sums_over_subsets(values: Floats, p: int) -> Floats:
    """Return the sum over all subsets of each set, shape (p, 2**p) as given."""
    sums = values.copy()
    for k in range(p):
        halves = sums.reshape(len(values), -1, 2, 1 << k)
        halves[:, :, 1] += halves[:, :, 0]
    return sums


@kernel
def peel_weights(
    log_totals: NDArray[np.float64], p: int
) -> NDArray[np.float64]:  # pragma: no cover
    """Return w (p, 2**p): the share of all graphs, signed, with column j peeled off after set W.

    log_totals (p, 2**p): log of the summed weights of column j with causes out of W.
    """
    n_sets = 1 << p
    full = n_sets - 1
    before = np.full(n_sets, -np.inf)  # log of the sum over graphs on the set, as top + log(part)
    top = np.full(n_sets, -np.inf)
    part = np.zeros(n_sets)
    gain = np.zeros(n_sets)
    before[0] = 0.0
    for done in range(n_sets - 1):
        if done > 0:
            before[done] = top[done] + np.log(part[done]) if part[done] > 0 else -np.inf
        if before[done] == -np.inf:
            continue
        _products(log_totals, done, full, gain)
        rest = full & ~done
        peeled = rest
        while peeled:
            if gain[peeled] > -np.inf:
                value = before[done] + gain[peeled]
                target = done | peeled
                sign = 1.0 if _count(peeled) % 2 == 1 else -1.0
                if value > top[target]:
                    part[target] = part[target] * np.exp(top[target] - value) + sign
                    top[target] = value
                else:
                    part[target] += sign * np.exp(value - top[target])
            peeled = (peeled - 1) & rest
    total = top[full] + np.log(part[full])
    weights = np.zeros((p, n_sets))
    after = np.full(n_sets, -np.inf)
    after[full] = 0.0
    for done in range(n_sets - 2, -1, -1):
        _products(log_totals, done, full, gain)
        rest = full & ~done
        highest = -np.inf
        peeled = rest
        while peeled:
            highest = max(highest, gain[peeled] + after[done | peeled])
            peeled = (peeled - 1) & rest
        if highest == -np.inf:
            continue
        summed = 0.0
        peeled = rest
        while peeled:
            value = gain[peeled] + after[done | peeled]
            if value > -np.inf:
                signed = np.exp(value - highest)
                if _count(peeled) % 2 == 0:
                    signed = -signed
                summed += signed
                share = signed * np.exp(highest + before[done] - total)
                for k in range(p):
                    if (peeled >> k) & 1:
                        weights[k, done] += share
            peeled = (peeled - 1) & rest
        if summed > 0:
            after[done] = highest + np.log(summed)
    return weights


@kernel
def _products(
    log_totals: NDArray[np.float64], done: int, full: int, gain: NDArray[np.float64]
) -> None:  # pragma: no cover
    """Fill `gain`: log of the product over the columns of each set outside `done`."""
    rest = full & ~done
    gain[0] = 0.0
    peeled = 0
    while True:
        peeled = (peeled - rest) & rest  # the next larger subset of rest
        if peeled == 0:
            break
        lowest = 0
        while not (peeled >> lowest) & 1:
            lowest += 1
        gain[peeled] = gain[peeled & (peeled - 1)] + log_totals[lowest, done]


@kernel
def _count(bits: int) -> int:  # pragma: no cover
    """Return the number of bits set."""
    count = 0
    while bits:
        bits &= bits - 1
        count += 1
    return count
