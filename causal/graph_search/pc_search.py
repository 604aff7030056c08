"""The PC algorithm on a spatial test, with tiers and knowledge in every step."""

from __future__ import annotations

from itertools import permutations

import numpy as np

from physlearn.causal.graph_search.knowledge import (
    Constraints,
    cycle_notes,
    keep_strictly,
    without_cycles,
)
from physlearn.causal.graph_search.marks import (
    ARROW,
    CIRCLE,
    NONE,
    TAIL,
    Ends,
    Found,
    Mask,
    circles,
    directed,
    orient,
    pair,
    reachable,
)
from physlearn.causal.graph_search.skeleton import (
    MAX_GIVEN,
    IndependenceTest,
    Skeleton,
    Triples,
    capped_notes,
    find_skeleton,
    judge_triples,
    remove_around,
    shown_independent,
)

CANCELLED_ALPHA = 0.005
"""Level at which a link that PC dropped is put back: influences that cancel."""


def search_pc(test: IndependenceTest, constraints: Constraints, *, part: bool = False) -> Found:
    """Return the links that PC finds, directed where tiers or the pattern of dependences tell.

    Without tiers the cause's end of an arrow stays open (circle): a hidden common cause gives the
    same pattern.

    Notes
    -----
    Spirtes, Glymour and Scheines, Causation, Prediction, and Search (MIT Press, 2000); Meek,
    UAI 1995, 403 (orientation with background knowledge).
    """
    skeleton = find_skeleton(test, constraints, part=part)
    restored = _put_back_cancelled(test, constraints, skeleton)
    if restored:
        remove_around(test, constraints, skeleton, restored, part=part)
    triples = judge_triples(test, skeleton, constraints, part=part)
    ends, conflicts = orient_pattern(skeleton.adjacent, triples, constraints)
    notes = capped_notes(skeleton, constraints.names)
    if conflicts:
        names = constraints.names
        said = ", ".join(f"{names[i]} and {names[j]}" for i, j in sorted(conflicts))
        notes.append(
            f"the pattern of dependences points both ways between {said}: a hidden cause may drive "
            'both; method="fci" shows such pairs.'
        )
    # only what is known can close a cycle here: the rules above never do
    ends, opened = without_cycles(ends, constraints, hidden_causes=False)
    notes += cycle_notes(opened, constraints.names)
    return Found(open_tails(ends, constraints), notes=notes)


def orient_pattern(
    adjacent: Mask, triples: Triples, constraints: Constraints
) -> tuple[Ends, set[tuple[int, int]]]:
    """Return links directed by knowledge, common effects and Meek's rules, and the conflicts."""
    ends, _ = keep_strictly(circles(adjacent), constraints, hidden_causes=False)
    conflicts: set[tuple[int, int]] = set()
    for x, z, y in triples.colliders:
        against = [k for k in (x, y) if ends[z, k] == ARROW]
        if against:
            conflicts |= {
                pair(k, z)
                for k in against
                if not (constraints.forbidden[k, z] or constraints.forbidden[z, k])
            }
            continue
        for k in (x, y):
            if not reachable(directed(ends))[z, k]:
                orient(ends, k, z)
    close_by_rules(ends, triples)
    for i, j in conflicts:
        ends[i, j] = ends[j, i] = CIRCLE
    return ends, conflicts


def close_by_rules(ends: Ends, triples: Triples | None) -> None:
    """Direct, in place, what Meek's four rules force; with `triples` only through known chains."""
    p = len(ends)
    changed = True
    while changed:
        changed = False
        arrows = directed(ends)
        for a, b in permutations(range(p), 2):
            if ends[a, b] != CIRCLE or ends[b, a] != CIRCLE:
                continue
            if _forced(a, b, ends, arrows, triples) and not reachable(arrows)[b, a]:
                orient(ends, a, b)
                arrows = directed(ends)
                changed = True


def _forced(a: int, b: int, ends: Ends, arrows: Mask, triples: Triples | None) -> bool:
    """Whether a -> b follows: else a new common effect or a cycle would arise."""
    linked = ends != NONE
    into = np.flatnonzero(arrows[:, a] & ~linked[:, b])
    chains = None if triples is None else triples.chains
    if any(k != b and (chains is None or (int(k), a, b) in chains) for k in into):
        return True
    if bool((arrows[a] & arrows[:, b]).any()):
        return True
    between = np.flatnonzero(linked[a] & (ends[:, a] == CIRCLE) & arrows[:, b])
    for i, c in enumerate(between):
        for d in between[i + 1 :]:
            known = chains is None or (int(c), a, int(d)) in chains
            if not linked[c, d] and known:
                return True
    for d in np.flatnonzero(arrows[:, b] & linked[a]):
        for c in np.flatnonzero(arrows[:, d] & linked[a] & ~linked[:, b]):
            known = chains is None or (int(c), a, b) in chains
            if c not in (a, b) and known:
                return True
    return False


def open_tails(ends: Ends, constraints: Constraints) -> Ends:
    """Return the marks with the cause's end open where only the pattern directs a link."""
    known = constraints.forbidden.T | constraints.required
    opened = ends.copy()
    # ends[j, i] is the mark at i of the link of i and j; i -> j is known where j -> i is ruled out
    opened[(ends == TAIL) & ~known.T] = CIRCLE
    return opened


def _put_back_cancelled(
    test: IndependenceTest, constraints: Constraints, skeleton: Skeleton
) -> list[tuple[int, int]]:
    """Put back, in place, links that PC dropped because two influences cancel, and return them.

    Given its causes a column is independent of everything earlier that is no cause of it. Where
    the data deny this for a pair without a link, the graph has lost one. A neighbour of the same
    tier may be a cause too: they must deny it with and without those. Of several for one column
    each must hold out given the others: a lost cause makes its own causes look like lost ones.
    """
    before = skeleton.adjacent.copy()
    never = constraints.never_ancestor
    restored = []
    for late in range(len(constraints.names)):
        causes = [int(k) for k in np.flatnonzero(before[late] & never[late])]
        beside = [int(k) for k in np.flatnonzero(before[late] & ~never[:, late])]
        if not causes or len(beside) > MAX_GIVEN + 1:
            continue
        lost = []
        unlinked = np.flatnonzero(never[late] & ~before[late] & ~constraints.forbidden[:, late])
        for early in map(int, unlinked):
            sets = sorted({tuple(causes), tuple(beside)})
            results = (test(late, early, given) for given in sets)  # the first that says no ends it
            if all(
                r.verdict == "dependent" and r.p_value_envelope < CANCELLED_ALPHA for r in results
            ):
                lost.append(early)
        for early in lost:
            others = [k for k in lost if k != early]
            joint = [*causes, *others]
            # what is undecided is no reason to put a link back
            if others and shown_independent(test(late, early, joint), test.alpha, part=True):
                continue
            skeleton.adjacent[late, early] = skeleton.adjacent[early, late] = True
            skeleton.separators.pop(pair(late, early), None)
            restored.append((late, early))
    return restored
