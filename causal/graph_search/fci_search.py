"""The FCI algorithm on a spatial test: links when columns that nobody measured may be causes."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from physlearn.causal.graph_search.fci_rules import close_by_fci_rules
from physlearn.causal.graph_search.knowledge import (
    Constraints,
    cycle_notes,
    keep_strictly,
    without_cycles,
)
from physlearn.causal.graph_search.marks import ARROW, NONE, TAIL, Ends, Found, Mask, circles
from physlearn.causal.graph_search.skeleton import (
    MAX_GIVEN,
    IndependenceTest,
    Skeleton,
    Triples,
    capped_notes,
    find_skeleton,
    judge_triples,
    shown_independent,
)

MAX_FAR = 6
"""Of the columns further off that may separate a pair, so many of the most dependent are tried."""


def search_fci(test: IndependenceTest, constraints: Constraints, *, part: bool = False) -> Found:
    """Return the links that FCI finds, with the marks of a partial ancestral graph.

    An arrowhead at a column says that it does not cause the other; a tail says that it does; a
    circle is open; two arrowheads are a hidden common cause. Tiers put arrowheads, never tails:
    that the composition comes first does not show that it is a cause.

    Notes
    -----
    Spirtes, Meek and Richardson, UAI 1995, 499; rules R1 to R4 and R8 to R10 of Zhang, Artif.
    Intell. 172, 1873 (2008), doi:10.1016/j.artint.2008.08.001. No selection bias is assumed.
    """
    skeleton = find_skeleton(test, constraints, part=part)
    triples = judge_triples(test, skeleton, constraints, part=part, hidden_causes=True)
    first = _oriented(skeleton, triples, constraints)
    if _separate_from_afar(test, constraints, skeleton, first, part=part):
        triples = judge_triples(test, skeleton, constraints, part=part, hidden_causes=True)
        first = _oriented(skeleton, triples, constraints)
    ends = close_by_fci_rules(first, skeleton.separators, triples.chains)
    ends, _ = keep_strictly(ends, constraints, hidden_causes=True)
    ends, opened = without_cycles(ends, constraints, hidden_causes=True)
    names = constraints.names
    return Found(ends, notes=[*capped_notes(skeleton, names), *cycle_notes(opened, names)])


def _oriented(skeleton: Skeleton, triples: Triples, constraints: Constraints) -> Ends:
    """Return circles with the arrowheads of knowledge and of common effects."""
    ends, _ = keep_strictly(circles(skeleton.adjacent), constraints, hidden_causes=True)
    for x, z, y in triples.colliders:
        if TAIL not in (ends[x, z], ends[y, z]):
            ends[x, z] = ends[y, z] = ARROW
    return ends


def possible_separators(ends: Ends, start: int) -> Mask:
    """Return the columns that may separate `start` from others in a graph with hidden causes.

    Those at the end of a path along which every middle column is a common effect of its
    neighbours or all three are linked (Possible-D-SEP of Spirtes, Meek and Richardson).
    """
    linked = ends != NONE
    reached = np.zeros(len(ends), dtype=np.bool_)
    steps = [(start, int(k)) for k in np.flatnonzero(linked[start])]
    seen = set(steps)
    while steps:
        before, here = steps.pop()
        reached[here] = True
        for ahead in (int(k) for k in np.flatnonzero(linked[here])):
            if ahead in (before, start) or (here, ahead) in seen:
                continue
            common = ends[before, here] == ARROW and ends[ahead, here] == ARROW
            if common or linked[before, ahead]:
                seen.add((here, ahead))
                steps.append((here, ahead))
    reached[start] = False
    return reached


def _separate_from_afar(
    test: IndependenceTest, constraints: Constraints, skeleton: Skeleton, ends: Ends, *, part: bool
) -> bool:
    """Take out, in place, links that columns beyond the neighbours separate; True if any."""
    removed = False
    far = [possible_separators(ends, k) for k in range(len(ends))]
    for x, y in combinations(range(len(ends)), 2):
        if not skeleton.adjacent[x, y] or constraints.required[x, y] or constraints.required[y, x]:
            continue
        for side in (x, y):
            pool = far[side] & constraints.usable(x, y)
            if not (pool & ~skeleton.adjacent[side]).any():
                continue  # all of these sets were tried
            given = _separating(test, (x, y), np.flatnonzero(pool), part=part)
            if given is not None:
                skeleton.adjacent[x, y] = skeleton.adjacent[y, x] = False
                skeleton.separators[x, y] = given
                removed = True
                break
    return removed


def _separating(
    test: IndependenceTest, ends: tuple[int, int], pool: np.ndarray, *, part: bool
) -> tuple[int, ...] | None:
    """Return a set from the pool that separates two columns, or None."""
    strength = [min(test(k, ends[0]).p_value, test(k, ends[1]).p_value) for k in map(int, pool)]
    nearest = sorted(int(pool[k]) for k in np.argsort(strength, kind="stable")[:MAX_FAR])
    for size in range(1, MAX_GIVEN + 1):
        for given in combinations(nearest, size):
            if shown_independent(test(*ends, given), test.alpha, part=part):
                return given
    return None
