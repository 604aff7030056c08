"""Whether any graph without cycles fits the marks of a search, and what to open where none does."""

from __future__ import annotations

import numpy as np

from physlearn.causal.graph_search.edge_frequency import EdgeFrequency
from physlearn.causal.graph_search.knowledge import Constraints
from physlearn.causal.graph_search.marks import ARROW, CIRCLE, NONE, TAIL, Ends, Mask, reachable

MAX_STEPS = 5000
"""Marks tried before a graph is taken to exist: sparse graphs need about one a link."""


def fits_a_graph(ends: Ends) -> bool:
    """Whether the open ends can be set so that no cycle and no new common effect arises.

    A link may become a cause either way its marks allow, or two arrowheads (a hidden cause). Two
    arrowheads may meet between columns that are not linked only where both stand already: such a
    common effect would have been seen.

    Examples
    --------
    >>> chain = np.array([[0, 3, 0], [3, 0, 3], [0, 3, 0]], dtype=np.int8)
    >>> fits_a_graph(chain)
    True
    """
    links = [(int(i), int(j)) for i, j in np.argwhere(np.triu(ends != NONE, 1))]
    steps = [MAX_STEPS]
    return _can_be_set(ends, links, steps)


def _can_be_set(ends: Ends, links: list[tuple[int, int]], steps: list[int]) -> bool:
    """Set one open link after the other, the one with the fewest ways first; back where none."""
    steps[0] -= 1
    if steps[0] < 0:
        return True  # not shown that none fits
    causes = reachable(_causes(ends))
    if causes.diagonal().any():
        return False
    fewest: list[tuple[int, int]] | None = None
    where = (0, 0)
    for i, j in links:
        if CIRCLE not in (ends[i, j], ends[j, i]):
            continue
        ways = _ways(ends, causes, i, j)
        if fewest is None or len(ways) < len(fewest):
            fewest, where = ways, (i, j)
            if len(ways) < 2:
                break
    if fewest is None:
        return True
    i, j = where
    for at_i, at_j in fewest:
        tried = ends.copy()
        tried[j, i], tried[i, j] = at_i, at_j
        if _can_be_set(tried, links, steps):
            return True
    return False


def _causes(ends: Ends) -> Mask:
    return np.asarray((ends == ARROW) & (ends.T == TAIL), dtype=np.bool_)


def _ways(ends: Ends, causes: Mask, i: int, j: int) -> list[tuple[int, int]]:
    """Return the marks (at i, at j) that an open link may still take."""
    ways = []
    for at_i, at_j in ((TAIL, ARROW), (ARROW, TAIL), (ARROW, ARROW)):
        if ends[j, i] not in (CIRCLE, at_i) or ends[i, j] not in (CIRCLE, at_j):
            continue
        if (at_i == TAIL and causes[j, i]) or (at_j == TAIL and causes[i, j]):
            continue
        if at_i == ARROW and ends[j, i] == CIRCLE and _meets(ends, j, i):
            continue
        if at_j == ARROW and ends[i, j] == CIRCLE and _meets(ends, i, j):
            continue
        ways.append((at_i, at_j))
    return ways


def _meets(ends: Ends, source: int, target: int) -> bool:
    """Whether an arrowhead at the target would meet one from a column not linked to the source."""
    others = (ends[:, target] == ARROW) & (ends[source] == NONE)
    others[source] = False
    return bool(others.any())


def open_until_fits(
    ends: Ends, frequency: EdgeFrequency, constraints: Constraints
) -> tuple[Ends, list[str]]:
    """Return marks that some graph without cycles fits, and a note on what was opened.

    Errors of single tests can leave arrowheads that no graph has together. Those at one column
    become circles, with the tails that stood on them, or, where that does not do, at one column
    after the other; those that fewest half-samples show go first. What tiers and knowledge put
    stays.
    """
    if fits_a_graph(ends):
        return ends, []
    known = constraints.forbidden.T | constraints.required
    heads = (ends == ARROW) & ~known
    columns = [int(k) for k in np.flatnonzero(heads.any(axis=0))]
    columns.sort(key=lambda k: _steadiness(frequency, heads, k))

    def opened_at(some: list[int]) -> Ends:
        chosen = np.isin(np.arange(len(ends)), some)
        return _opened(ends, heads & chosen[None, :], known)

    left = next(([k] for k in columns if fits_a_graph(opened_at([k]))), None)
    if left is None:
        counts = range(2, len(columns) + 1)
        count = next((c for c in counts if fits_a_graph(opened_at(columns[:c]))), None)
        left = columns[:count]
        for k in reversed(left[:-1] if count else []):
            fewer = [each for each in left if each != k]
            if fits_a_graph(opened_at(fewer)):
                left = fewer
    opened = opened_at(left)
    said = ", ".join(constraints.names[k] for k in sorted(left))
    if fits_a_graph(opened):
        return opened, [
            f"the arrowheads at {said} fit no graph without cycles beside the other marks, and "
            "were left open."
        ]
    return opened, [
        "no graph without cycles fits all links: single tests erred; take more patches."
    ]


def _opened(ends: Ends, heads: Mask, known: Mask) -> Ends:
    """Return the marks with some arrowheads opened, and the tails that stood with or on them."""
    opened = ends.copy()
    opened[heads] = CIRCLE
    touched = np.atleast_1d(heads.any(axis=0))
    loose = (ends == TAIL) & ~known.T & (heads.T | touched[None, :])
    opened[loose] = CIRCLE
    return opened


def _steadiness(frequency: EdgeFrequency, heads: Mask, column: int) -> float:
    """Return the share of half-samples that shows the rarest arrowhead at a column."""
    if frequency.n_resamples == 0:
        return 0.0
    return float(np.nan_to_num(frequency.arrowheads[heads[:, column], column]).min())
