"""From marks to the edges of a causal graph, each with its evidence and what leaves it open."""

from __future__ import annotations

import math

import numpy as np

from physlearn.causal.graph_search.edge_frequency import MIN_FREQUENCY, EdgeFrequency
from physlearn.causal.graph_search.knowledge import Constraints
from physlearn.causal.graph_search.marks import ARROW, MARK_NAMES, NONE, Ends, Found, Mask
from physlearn.causal.graph_search.skeleton import MAX_GIVEN, IndependenceTest
from physlearn.causal.graphs import GraphEdge
from physlearn.causal.spatial_layout import Floats
from physlearn.causal.spatial_test import IndependenceResult


def graph_edges(
    found: Found,
    frequency: EdgeFrequency,
    test: IndependenceTest,
    constraints: Constraints,
    *,
    threshold: float = MIN_FREQUENCY,
    tested: bool = True,
) -> list[GraphEdge]:
    """Return one `GraphEdge` a link.

    Parameters
    ----------
    found
        Links of a search.
    frequency
        How often they are seen in half-samples; below `threshold` a link is undecided.
    test
        The test object, whose answers are the evidence.
    constraints
        Required links stand whatever the evidence.
    threshold
        Share of half-samples.
    tested
        Whether the search itself asked the test. Else it is asked here, whether it agrees.
    """
    edges = []
    for i, j in zip(*np.nonzero(np.triu(found.ends, 1)), strict=True):
        first, second = int(i), int(j)
        if found.ends[second, first] == ARROW and found.ends[first, second] != ARROW:
            first, second = second, first
        result, reason = _evidence(found, test, constraints, first, second, tested=tested)
        reason = found.open_reasons.get((int(i), int(j)), reason)
        share = float(frequency.adjacency[i, j])
        if not reason and share < threshold:
            reason = f"fewer than {threshold:.0%} of the half-samples show it"
        if constraints.required[first, second]:
            reason = ""
        edges.append(
            GraphEdge(
                constraints.names[first],
                constraints.names[second],
                MARK_NAMES[int(found.ends[second, first])],
                MARK_NAMES[int(found.ends[first, second])],
                presence="undecided" if reason else "present",
                frequency=share,
                # as large as 1 it was cut off there: noise leaves too little variance to divide by
                partial_correlation=(
                    result.partial_correlation
                    if abs(result.partial_correlation) < 1.0
                    else math.nan
                ),
                p_value=result.p_value,
                reason=reason,
                direction_frequency=float(frequency.heads[first, second]),
                posterior=entry(found.adjacency_posterior, first, second),
                direction_posterior=entry(found.direction_posterior, first, second),
            )
        )
    return edges


def detectable_by_tests(test: IndependenceTest, ends: Ends) -> float:
    """Return the largest detectable partial correlation of the tests that took a link out.

    Where no link was taken out: the median over all tests. NaN without tests.
    """
    removing: dict[tuple[int, int], float] = {}
    for (x, y, _), result in test.results.items():
        gone = ends[x, y] == NONE and result.verdict == "independent"
        if gone and np.isfinite(result.detectable):
            removing.setdefault((x, y), result.detectable)
    if removing:
        return float(max(removing.values()))
    every = [r.detectable for r in test.results.values() if np.isfinite(r.detectable)]
    return float(np.median(every)) if every else float("nan")


def entry(matrix: Floats | None, first: int, second: int) -> float:
    """Return one entry of a matrix that a search may not have."""
    return float("nan") if matrix is None else float(matrix[first, second])


def _evidence(
    found: Found,
    test: IndependenceTest,
    constraints: Constraints,
    first: int,
    second: int,
    *,
    tested: bool,
) -> tuple[IndependenceResult, str]:
    """Return the test that came closest to removing a link, and why the link is undecided."""
    linked = found.ends != NONE
    if not tested:
        return _asked(test, constraints, linked, first, second)
    ends = (min(first, second), max(first, second))
    results = {key: result for key, result in test.results.items() if key[:2] == ends}
    if not results:
        return test(first, second), ""
    # of sets that hold columns without a link to either end, none can be what separates them
    reasons = [
        result.reason
        for (_, _, given), result in results.items()
        if result.verdict == "undecided"
        and (linked[first, list(given)].all() or linked[second, list(given)].all())
        and not any(
            _says_nothing(test, linked, given, result, *pair)
            for pair in ((first, second), (second, first))
        )
    ]
    # a link put back because influences cancel passed an independence test: that one is no evidence
    kept = [result for result in results.values() if result.verdict != "independent"]
    kept = [result for result in kept if np.isfinite(result.partial_correlation)] or kept
    weakest = max(kept or results.values(), key=lambda result: result.p_value_envelope)
    return weakest, reasons[0] if reasons else ""


def _says_nothing(
    test: IndependenceTest,
    linked: Mask,
    given: tuple[int, ...],
    result: IndependenceResult,
    column: int,
    other: int,
) -> bool:
    """Whether a set left the test open only as it determines a column, and can be no separator.

    So where each of the set lost its own link to the other column given sets that hold this one:
    what the other depends on then has no source left but this column (deterministic relations:
    Glymour, Learning the structure of deterministic systems, in Causal Learning, Oxford 2007).
    """
    names = test.columns.names
    if (
        f"nothing is left of {names[column]} " not in result.reason
        or linked[other, list(given)].any()
    ):
        return False
    return all(
        any(
            kept.verdict == "independent" and column in held
            for (x, y, held), kept in test.results.items()
            if {x, y} == {k, other}
        )
        for k in given
    )


def _asked(
    test: IndependenceTest, constraints: Constraints, linked: Mask, first: int, second: int
) -> tuple[IndependenceResult, str]:
    """Ask the test of a link that a score found: given earlier causes alone, and all neighbours.

    A column of the same tier may be a common effect, with which a hidden cause feigns a link.
    """
    beside = linked[second] & constraints.usable(first, second)
    earlier = beside & constraints.never_ancestor[second]
    sets = {_others(test, some, first, second) for some in (earlier, beside)}
    results = [test(first, second, given) for given in sorted(sets)]
    weakest = max(results, key=lambda result: result.p_value_envelope)
    if any(result.verdict == "independent" for result in results):
        return weakest, "the score links them, but the spatial test given other links does not"
    open_ones = [result.reason for result in results if result.verdict == "undecided"]
    return weakest, open_ones[0] if open_ones else ""


def _others(test: IndependenceTest, some: Mask, first: int, second: int) -> tuple[int, ...]:
    """Return the most dependent on the second of some columns, without the first."""
    others = [int(k) for k in np.flatnonzero(some) if k not in (first, second)]
    return tuple(sorted(others, key=lambda k: test(k, second).p_value)[:MAX_GIVEN])
