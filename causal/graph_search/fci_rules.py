"""What follows from the arrowheads of a graph with hidden common causes (Zhang's rules)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from itertools import permutations

import numpy as np

from physlearn.causal.graph_search.marks import ARROW, CIRCLE, NONE, TAIL, Ends, pair

MAX_PATH = 6
"""Longest path, in columns, that is followed."""

Separators = Mapping[tuple[int, int], tuple[int, ...]]
Chains = Set[tuple[int, int, int]]


def close_by_fci_rules(ends: Ends, separators: Separators, chains: Chains) -> Ends:
    """Return the marks with rules R1 to R4 and R8 to R10 applied until nothing changes.

    `chains` holds the triples (x, z, y), x and y not linked, whose middle is known to be no common
    effect: a triple that stays open forces nothing.

    Notes
    -----
    Zhang, Artif. Intell. 172, 1873 (2008), doi:10.1016/j.artint.2008.08.001. R5 to R7 answer for
    selection and are left out. Marks that are set are never changed again.
    """
    ends = ends.copy()
    changed = True
    while changed:
        steps = (
            _triangles(ends, chains),
            _discriminating_paths(ends, separators),
            _tails(ends, chains),
        )
        changed = any(steps)
    return ends


def _set(ends: Ends, source: int, target: int, mark: int) -> bool:
    """Put a mark at the target of a link if its end is open; say whether it was."""
    if ends[source, target] != CIRCLE:
        return False
    ends[source, target] = mark
    return True


def _triangles(ends: Ends, chains: Chains) -> bool:
    """R1, R2 and R3: no new common effect, and no cycle."""
    changed = False
    linked = ends != NONE
    for a, b, c in permutations(range(len(ends)), 3):
        if not (linked[a, b] and linked[b, c]):
            continue
        # R1: a *-> b o-* c, a and c not linked: b is no common effect, so b -> c
        if (a, b, c) in chains and ends[a, b] == ARROW and ends[c, b] == CIRCLE:
            changed |= _set(ends, c, b, TAIL)
            if ends[b, c] == CIRCLE:
                ends[b, c] = ARROW
        # R2: a -> b *-> c or a *-> b -> c, and a *-o c: then a *-> c
        one_way = TAIL in (ends[b, a], ends[c, b])
        if linked[a, c] and ends[a, b] == ARROW and ends[b, c] == ARROW and one_way:
            changed |= _set(ends, a, c, ARROW)
        # R3: a *-> b <-* c, a *-o d o-* c, a and c not linked, d *-o b: then d *-> b
        if not linked[a, c] and ends[a, b] == ARROW and ends[c, b] == ARROW:
            for d in np.flatnonzero((ends[a] == CIRCLE) & (ends[c] == CIRCLE) & linked[:, b]):
                if (a, int(d), c) in chains:
                    changed |= _set(ends, int(d), b, ARROW)
    return changed


def _discriminating_paths(ends: Ends, separators: Separators) -> bool:
    """R4: the path far - ... - a - b - c settles whether b is a common effect of a and c."""
    changed = False
    for b, c in permutations(range(len(ends)), 2):
        if ends[b, c] == NONE or ends[c, b] != CIRCLE:
            continue
        for path in _discriminating(ends, b, c):
            far, a = path[0], path[-1]
            if b in separators.get(pair(far, c), ()):
                changed |= _set(ends, c, b, TAIL)
                if ends[b, c] == CIRCLE:
                    ends[b, c] = ARROW
            elif pair(far, c) in separators:
                for source, target in ((a, b), (b, c), (c, b)):
                    changed |= _set(ends, source, target, ARROW)
            break
    return changed


def _discriminating(ends: Ends, b: int, c: int) -> Iterator[list[int]]:
    """Yield paths (far, ..., a) with a next to b that discriminate b for c."""
    linked = ends != NONE
    starts = np.flatnonzero(linked[b] & (ends[b] == ARROW) & (ends[:, c] == ARROW))
    stack = [[int(a)] for a in starts if a != c and ends[c, a] == TAIL]
    while stack:
        path = stack.pop()
        first = path[0]
        for ahead in (int(k) for k in np.flatnonzero(linked[first])):
            if ahead in (b, c) or ahead in path or ends[ahead, first] != ARROW:
                continue
            if not linked[ahead, c]:
                yield [ahead, *path]
            elif (
                len(path) < MAX_PATH
                and ends[ahead, c] == ARROW
                and ends[c, ahead] == TAIL
                and ends[first, ahead] == ARROW
            ):
                stack.append([ahead, *path])


def _tails(ends: Ends, chains: Chains) -> bool:
    """R8, R9 and R10: a o-> c becomes a -> c."""
    changed = False
    for a, c in permutations(range(len(ends)), 2):
        if ends[a, c] != ARROW or ends[c, a] != CIRCLE:
            continue
        if (
            _by_way_of_one(ends, a, c)
            or _by_long_way(ends, chains, a, c)
            or _by_two_ways(ends, chains, a, c)
        ):
            ends[c, a] = TAIL
            changed = True
    return changed


def _by_way_of_one(ends: Ends, a: int, c: int) -> bool:
    """R8: a -> b -> c or a -o b -> c."""
    into = (ends[:, c] == ARROW) & (ends[c] == TAIL)
    out = (ends[:, a] == TAIL) & np.isin(ends[a], (ARROW, CIRCLE))
    return bool((into & out).any())


def _by_long_way(ends: Ends, chains: Chains, a: int, c: int) -> bool:
    """R9: an uncovered, potentially directed path a, b, ..., c with b and c not linked."""
    return any(
        (path[1], a, c) in chains for path in _possible_paths(ends, chains, a, c) if len(path) > 3
    )


def _by_two_ways(ends: Ends, chains: Chains, a: int, c: int) -> bool:
    """R10: b -> c <- d, with paths from a to b and to d that leave a by columns not linked."""
    parents = [int(k) for k in np.flatnonzero((ends[:, c] == ARROW) & (ends[c] == TAIL))]
    first_steps = []
    for parent in parents:
        steps = {path[1] for path in _possible_paths(ends, chains, a, parent) if c not in path}
        if _may_lead(ends, a, parent):
            steps.add(parent)
        first_steps.append(steps)
    for i, some in enumerate(first_steps):
        for others in first_steps[i + 1 :]:
            if any((m, a, w) in chains for m in some for w in others):
                return True
    return False


def _may_lead(ends: Ends, source: int, target: int) -> bool:
    """Whether a link may read source -> target."""
    linked = ends[source, target] != NONE
    return bool(linked and ends[target, source] != ARROW and ends[source, target] != TAIL)


def _possible_paths(ends: Ends, chains: Chains, start: int, stop: int) -> Iterator[list[int]]:
    """Yield uncovered potentially directed paths of at least three columns."""
    stack = [[start]]
    while stack:
        path = stack.pop()
        here = path[-1]
        for ahead in range(len(ends)):
            if ahead in path or not _may_lead(ends, here, ahead):
                continue
            if len(path) > 1 and (path[-2], here, ahead) not in chains:
                continue
            if ahead == stop:
                if len(path) > 1:
                    yield [*path, ahead]
            elif len(path) < MAX_PATH:
                stack.append([*path, ahead])
