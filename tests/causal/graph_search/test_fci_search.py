import networkx as nx
import numpy as np
import pytest
from causallearn.search.ConstraintBased.FCI import fci
from scipy import stats

from physlearn.causal import discover_graph
from physlearn.causal.graph_search.fci_search import possible_separators, search_fci
from physlearn.causal.graph_search.knowledge import Knowledge, constraints_of, violations
from physlearn.causal.graph_search.marks import ARROW, CIRCLE, TAIL
from physlearn.causal.graph_search.skeleton import CLEARLY_APART

NAMES = [f"c{k}" for k in range(6)]


def causal_learn_marks(graph, p):
    """Return causal-learn's graph in our marks: its [j, i] is the mark at j (1 arrow, 2 circle)."""
    from physlearn.causal.quiet import quiet

    with quiet("causallearn"):
        found, _ = fci(
            np.zeros((10, p)) + np.arange(p) + np.random.default_rng(0).normal(size=(10, p)),
            independence_test_method="d_separation",
            true_dag=graph,
            show_progress=False,
        )
    return np.asarray(found.graph)


@pytest.mark.parametrize("seed", range(25))
def test_marks_are_those_of_causal_learn_when_the_answers_are_true(oracle, random_dag, seed):
    """Two of eight columns are hidden; causal-learn's FCI asks the same oracle."""
    rng = np.random.default_rng(seed)
    graph = random_dag(8, 11, rng)
    # the hidden ones last: relabelled to 6 and 7
    order = rng.permutation(8)
    graph = nx.relabel_nodes(graph, {int(old): new for new, old in enumerate(order)})
    ours = search_fci(oracle(graph, 6), constraints_of(NAMES, {}, None)).ends
    theirs = causal_learn_marks(graph, 6)
    expected = np.zeros_like(ours)
    for i in range(6):
        for j in range(6):
            if theirs[i, j] != 0:
                expected[i, j] = {1: ARROW, 2: CIRCLE, -1: TAIL}[int(theirs[j, i])]
    np.testing.assert_array_equal(ours, expected)


def test_a_hidden_common_cause_is_two_arrowheads(linear_table):
    """a -> x <-> y <- b, the cause of x and y not measured.

    Each arrowhead rests on an independence whose p value, uniform when it is true, must reach
    `CLEARLY_APART`: both do in .8 x .8 of the tables.
    """
    right = wrong = 0
    for seed in range(25):
        graph = nx.DiGraph([(0, 2), (1, 3), (4, 2), (4, 3)])
        table = linear_table(graph, 72, np.random.default_rng(seed), p=4)
        found = discover_graph(table, method="fci", tiers=dict.fromkeys(table.columns, 0),
                               test="linear", alpha=0.01, n_resamples=0)  # fmt: skip
        edge = found.edge_between("c2", "c3")
        right += edge is not None and edge.mark_source == edge.mark_target == "arrow"
        wrong += any("tail" in (e.mark_source, e.mark_target) for e in found.edges)
        assert "hidden cause" in " ".join(found.legend())
    assert right >= stats.binom.ppf(0.01, 25, (1.0 - CLEARLY_APART) ** 2)
    assert wrong == 0


def test_tiers_put_arrowheads_and_no_tails(oracle):
    """causal-learn's FCI turns what tiers say into tails (its issue 266)."""
    graph = nx.DiGraph([(2, 0), (2, 1)])
    constraints = constraints_of(NAMES[:2], {"c0": 0, "c1": 1}, None)
    ends = search_fci(oracle(graph, 2), constraints).ends
    assert ends[0, 1] == ARROW
    assert ends[1, 0] == CIRCLE


def test_a_required_link_has_a_tail(oracle):
    graph = nx.DiGraph([(2, 0), (2, 1)])
    known = Knowledge(required=[("c1", "c0")])
    ends = search_fci(oracle(graph, 2), constraints_of(NAMES[:2], {}, known)).ends
    assert (ends[1, 0], ends[0, 1]) == (ARROW, TAIL)


@pytest.mark.parametrize("seed", range(20))
def test_true_answers_with_tiers_give_no_wrong_mark(oracle, random_dag, seed):
    rng = np.random.default_rng(100 + seed)
    graph = random_dag(9, 13, rng)
    hidden = sorted(rng.choice(8, 2, replace=False))
    order = [k for k in range(9) if k not in hidden] + hidden
    graph = nx.relabel_nodes(graph, {old: new for new, old in enumerate(order)})
    names = [f"c{k}" for k in range(7)]
    tiers = {name: k // 3 for k, name in enumerate(names)}
    constraints = constraints_of(names, tiers, None)
    ends = search_fci(oracle(graph, 7), constraints).ends
    assert violations(ends, constraints) == []
    for i, j in np.argwhere(ends != 0):
        causes = nx.has_path(graph, j, i)
        if ends[i, j] == ARROW:
            assert not causes
        if ends[i, j] == TAIL:
            assert causes


def test_columns_further_off_that_may_separate():
    """0 -> 1 <-> 2 <-> 3: the far end of a path of common effects counts."""
    ends = np.zeros((4, 4), dtype=np.int8)
    for i, j in ((0, 1), (1, 2), (2, 1), (2, 3), (3, 2)):
        ends[i, j] = ARROW
    ends[1, 0] = TAIL
    assert possible_separators(ends, 0).tolist() == [False, True, True, True]
    ends[2, 1] = TAIL
    assert possible_separators(ends, 0).tolist() == [False, True, False, False]
