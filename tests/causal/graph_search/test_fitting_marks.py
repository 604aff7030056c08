from itertools import combinations

import numpy as np
import pytest

from physlearn.causal.graph_search.edge_frequency import EdgeFrequency, no_frequency
from physlearn.causal.graph_search.fitting_marks import fits_a_graph, open_until_fits
from physlearn.causal.graph_search.knowledge import constraints_of
from physlearn.causal.graph_search.marks import ARROW, CIRCLE, MARK_NAMES, NONE, TAIL
from physlearn.causal.graphs import CausalGraph, GraphEdge
from physlearn.causal.members import members

NAMES = ["a", "b", "c", "d"]


def ends_of(*links):
    ends = np.zeros((4, 4), dtype=np.int8)
    for i, at_i, at_j, j in links:
        ends[j, i], ends[i, j] = at_i, at_j
    return ends


# a o-> b o-o c <-o d: b and c must be the end of no further arrowhead, so neither way fits
TORN = ends_of((0, CIRCLE, ARROW, 1), (1, CIRCLE, CIRCLE, 2), (3, CIRCLE, ARROW, 2))


@pytest.mark.parametrize("seed", range(60))
def test_marks_fit_where_there_is_a_member(seed):
    rng = np.random.default_rng(seed)
    ends = np.zeros((4, 4), dtype=np.int8)
    marks = [(CIRCLE, CIRCLE), (CIRCLE, ARROW), (ARROW, CIRCLE), (TAIL, ARROW), (ARROW, ARROW)]
    for i, j in combinations(range(4), 2):
        if rng.random() < 0.7:
            ends[j, i], ends[i, j] = marks[rng.integers(len(marks))]
    edges = [
        GraphEdge(NAMES[i], NAMES[j], MARK_NAMES[int(ends[j, i])], MARK_NAMES[int(ends[i, j])])
        for i, j in combinations(range(4), 2) if ends[i, j] != NONE
    ]  # fmt: skip
    assert fits_a_graph(ends) == bool(members(CausalGraph(tuple(NAMES), tuple(edges)), *NAMES))


def test_arrowheads_that_no_graph_has_together_are_opened():
    constraints = constraints_of(NAMES, {}, None)
    assert not fits_a_graph(TORN)
    share = np.ones((4, 4))
    share[3, 2] = 0.8  # d *-> c is less steady than a *-> b
    opened, notes = open_until_fits(TORN, EdgeFrequency(share, share, share, 3.0, 10), constraints)
    assert fits_a_graph(opened)
    assert opened[0, 1] == ARROW
    assert opened[3, 2] == CIRCLE
    (note,) = notes
    assert note.startswith("the arrowheads at c fit no graph without cycles")


def test_known_arrowheads_stay_and_fitting_marks_are_left_alone():
    tiers = {"c": 1, "d": 0}
    opened, _ = open_until_fits(TORN, no_frequency(4), constraints_of(NAMES, tiers, None))
    assert opened[3, 2] == ARROW
    assert opened[0, 1] == CIRCLE
    fine = ends_of((0, CIRCLE, ARROW, 1), (1, TAIL, ARROW, 2), (3, CIRCLE, ARROW, 2))
    same, notes = open_until_fits(fine, no_frequency(4), constraints_of(NAMES, {}, None))
    np.testing.assert_array_equal(same, fine)
    assert notes == []


def test_links_that_no_marks_save_are_said():
    """A square without diagonals and without a common effect has no graph."""
    ring = ends_of(*((i, CIRCLE, CIRCLE, (i + 1) % 4) for i in range(4)))
    opened, notes = open_until_fits(ring, no_frequency(4), constraints_of(NAMES, {}, None))
    np.testing.assert_array_equal(opened, ring)
    assert notes == [
        "no graph without cycles fits all links: single tests erred; take more patches."
    ]
