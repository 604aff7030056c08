"""Which columns stay dependent whatever else is held fixed: the skeleton of a causal graph."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain, combinations, permutations
from typing import TYPE_CHECKING, Protocol

import numpy as np

from physlearn.causal.graph_search.knowledge import Constraints
from physlearn.causal.graph_search.marks import Mask, pair

if TYPE_CHECKING:
    from physlearn.causal.columns import Columns
    from physlearn.causal.spatial_test import IndependenceResult

MAX_GIVEN = 3
"""Largest conditioning set: the level of the test is measured up to here."""
MAX_BESIDE = 6
"""Sets of two and more are drawn from so many of the most dependent columns beside each end."""

CLEARLY_APART = 0.2
"""A weak link that a test has just missed has a p value below this: no arrow may rest on it."""


class IndependenceTest(Protocol):
    """What a search asks: whether two columns of a table are independent given others."""

    columns: Columns
    alpha: float
    results: dict[tuple[int, int, tuple[int, ...]], IndependenceResult]

    def __call__(self, x: int, y: int, given: Sequence[int] = ()) -> IndependenceResult:
        """Test columns number x and y given others."""
        ...

    @property
    def n_blocks(self) -> int:
        """Number of spatial blocks."""
        ...

    def on_blocks(self, chosen: Mask) -> IndependenceTest:
        """Return the same test on some of the spatial blocks."""
        ...


@dataclass(slots=True, eq=False)
class Skeleton:
    """Pairs that no conditioning set separated, and what separated the others.

    `capped` holds the pairs for which not all sets of neighbours were candidates.
    """

    adjacent: Mask
    separators: dict[tuple[int, int], tuple[int, ...]] = field(default_factory=dict)
    capped: set[tuple[int, int]] = field(default_factory=set)


def shown_independent(result: IndependenceResult, alpha: float, *, part: bool) -> bool:
    """Whether a link goes.

    It goes only for independence that was shown; what is undecided stays, marked. On a part of
    the patches the question is another, whether the link is seen again: there an undecided test
    without dependence counts against it.
    """
    if result.verdict == "independent":
        return True
    tested = bool(np.isfinite(result.partial_correlation))
    return part and result.verdict == "undecided" and tested and result.p_value >= alpha


def find_skeleton(
    test: IndependenceTest,
    constraints: Constraints,
    *,
    max_given: int = MAX_GIVEN,
    part: bool = False,
) -> Skeleton:
    """Return the pairs of columns that no set of up to `max_given` others separates.

    Parameters
    ----------
    test
        Test object.
    constraints
        Pairs that may not be linked are not tested; required ones stay. Columns later than both
        of a pair are never held fixed.
    max_given
        Largest conditioning set.
    part
        Whether the test holds a part of the patches (`shown_independent`).

    Notes
    -----
    The PC algorithm (Spirtes, Glymour and Scheines, Causation, Prediction, and Search, MIT Press,
    2000) in its order-independent form (Colombo and Maathuis, JMLR 15, 3741 (2014)). Where tiers
    order a pair the neighbours of the later column would do in theory; neighbours of both are held
    fixed, as every further set is a further chance to see that a link is none (measured: 0 false
    links instead of 5 on 12 columns with 18 links). Sets of two and more come from the
    `MAX_BESIDE` most dependent neighbours of each end: one hidden cause of 12 columns would
    otherwise ask 11,000 tests.
    """
    p = len(constraints.names)
    adjacent = ~np.eye(p, dtype=np.bool_) & ~constraints.impossible
    found = Skeleton(adjacent)
    free = _free_pairs(adjacent, constraints)
    strength = np.zeros((p, p))
    for size in range(max_given + 1):
        frozen = adjacent.copy()
        for x, y in free:
            if not adjacent[x, y]:
                continue
            sets, capped = _candidate_sets(frozen, constraints, strength, (x, y), size)
            _remove(test, found, (x, y), sets, part=part)
            if capped and adjacent[x, y]:
                found.capped.add((x, y))
            if size == 0:
                strength[x, y] = strength[y, x] = -test(x, y, ()).p_value
        if adjacent.sum(axis=0).max(initial=0) <= size + 1:
            break
    return found


def remove_around(
    test: IndependenceTest,
    constraints: Constraints,
    skeleton: Skeleton,
    restored: Sequence[tuple[int, int]],
    *,
    part: bool = False,
) -> None:
    """Remove, in place, links that only stood because `restored` links were missing.

    A set may separate a pair only with the column at the other end of a restored link in it, and
    such sets were no candidates while that link was out. The restored links themselves stay.
    """
    adjacent = skeleton.adjacent
    p = len(adjacent)
    touched = {k for link in restored for k in link}
    kept = {pair(*link) for link in restored}
    free = [
        ends
        for ends in _free_pairs(adjacent, constraints)
        if touched & set(ends) and ends not in kept
    ]
    strength = np.zeros((p, p))
    for side, k in permutations(range(p), 2):
        if free and not constraints.impossible[side, k]:
            strength[side, k] = -test(side, k, ()).p_value
    for size in range(1, MAX_GIVEN + 1):
        frozen = adjacent.copy()
        for ends in free:
            if adjacent[ends]:
                sets, _ = _candidate_sets(frozen, constraints, strength, ends, size)
                _remove(test, skeleton, ends, sets, part=part)


def _free_pairs(adjacent: Mask, constraints: Constraints) -> list[tuple[int, int]]:
    """Return the linked pairs whose link a test may remove."""
    stays = constraints.required | constraints.required.T
    return [
        (x, y)
        for x, y in combinations(range(len(adjacent)), 2)
        if adjacent[x, y] and not stays[x, y]
    ]


def _remove(
    test: IndependenceTest,
    skeleton: Skeleton,
    ends: tuple[int, int],
    sets: Iterable[tuple[int, ...]],
    *,
    part: bool,
) -> None:
    """Take out, in place, the link of a pair that one of the sets separates."""
    x, y = ends
    for given in sets:
        if shown_independent(test(x, y, given), test.alpha, part=part):
            skeleton.adjacent[x, y] = skeleton.adjacent[y, x] = False
            skeleton.separators[x, y] = tuple(given)
            return


def _candidate_sets(
    adjacent: Mask,
    constraints: Constraints,
    strength: np.ndarray,
    ends: tuple[int, int],
    size: int,
) -> tuple[Sequence[tuple[int, ...]], bool]:
    """Return sets of neighbours to hold fixed, the most dependent first, and whether some lack."""
    x, y = ends
    if size == 0:
        return [()], False
    capped = False
    usable = constraints.usable(x, y)
    seen: set[tuple[int, ...]] = set()
    listed = []
    for side in ends:
        beside = np.flatnonzero(adjacent[side] & usable)
        beside = beside[np.argsort(-strength[x, beside] - strength[y, beside], kind="stable")]
        if size > 1 and len(beside) > MAX_BESIDE:
            capped, beside = True, beside[:MAX_BESIDE]
        for given in combinations([int(k) for k in beside], size):
            key = tuple(sorted(given))
            if key not in seen:
                seen.add(key)
                listed.append(key)
    return listed, capped


def capped_notes(skeleton: Skeleton, names: Sequence[str]) -> list[str]:
    """Return what to say of links for which not all sets of neighbours were tried."""
    left = [(x, y) for x, y in sorted(skeleton.capped) if skeleton.adjacent[x, y]]
    if not left:
        return []
    x, y = left[0]
    others = f" and {len(left) - 1} other link(s)" if len(left) > 1 else ""
    return [
        f"{names[x]} - {names[y]}{others}: more than {MAX_BESIDE} columns stand beside an end; of "
        f"sets of two or more only those of the {MAX_BESIDE} most dependent were held fixed."
    ]


def unshielded_triples(adjacent: Mask) -> Iterable[tuple[int, int, int]]:
    """Return (x, z, y): both linked to z, x and y not linked."""
    return chain.from_iterable(
        (
            (int(x), z, int(y))
            for x, y in combinations(np.flatnonzero(adjacent[z]), 2)
            if not adjacent[x, y]
        )
        for z in range(len(adjacent))
    )


@dataclass(frozen=True, slots=True)
class Triples:
    """What the unshielded triples (x, z, y) show about their middle column z."""

    colliders: list[tuple[int, int, int]]
    chains: set[tuple[int, int, int]]


def judge_triples(
    test: IndependenceTest,
    skeleton: Skeleton,
    constraints: Constraints,
    *,
    part: bool = False,
    hidden_causes: bool = False,
) -> Triples:
    """Return which middle columns are common effects, the surest first, and which are not.

    z is called a common effect of x and y only if they are independent without it and dependent
    with it; no common effect only if they are dependent without it and independent with it.
    The rest stays open. One set without z is not enough: an error in it would be a wrong arrow.
    What is known already is not tested: a column later than both ends, and, without hidden causes,
    one that comes before either.
    """
    never = constraints.never_ancestor
    colliders: list[tuple[float, tuple[int, int, int]]] = []
    chains: set[tuple[int, int, int]] = set()
    for x, z, y in unshielded_triples(skeleton.adjacent):
        given = skeleton.separators.get(pair(x, y))
        if given is None or (never[z, x] and never[z, y]):
            continue
        if not hidden_causes and (never[x, z] or never[y, z]):
            chains |= {(x, z, y), (y, z, x)}
            continue
        if z in given:
            without = test(x, y, tuple(k for k in given if k != z))
            if not shown_independent(without, test.alpha, part=part):
                chains |= {(x, z, y), (y, z, x)}
            continue
        apart = test(x, y, given)
        result = test(x, y, (*given, z))
        if result.verdict == "dependent" and apart.p_value >= CLEARLY_APART:
            colliders.append((result.p_value, (x, z, y)))
    return Triples([triple for _, triple in sorted(colliders)], chains)
