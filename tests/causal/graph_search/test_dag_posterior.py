from itertools import combinations, product

import networkx as nx
import numpy as np
import pytest
from scipy.special import gammaln

from physlearn.causal import discover_graph
from physlearn.causal.graph_search.covariance import ScoreData
from physlearn.causal.graph_search.dag_posterior import (
    cyclic_parts,
    edge_posteriors,
    family_scores,
    forbid_families,
    peel_weights,
)
from physlearn.causal.graph_search.knowledge import Knowledge, constraints_of
from physlearn.checks import InputError


def every_dag(p):
    pairs = list(combinations(range(p), 2))
    for choice in product(range(3), repeat=len(pairs)):
        graph = nx.DiGraph()
        graph.add_nodes_from(range(p))
        for (i, j), way in zip(pairs, choice, strict=True):
            if way:
                graph.add_edge(*((i, j) if way == 1 else (j, i)))
        if nx.is_directed_acyclic_graph(graph):
            yield graph


def summed(scores, p):
    """Return edge posteriors by going through every graph."""
    logs, claims = [], []
    for graph in every_dag(p):
        sets = [sum(1 << k for k in graph.predecessors(j)) for j in range(p)]
        logs.append(sum(scores[j, s] for j, s in enumerate(sets)))
        claims.append(nx.to_numpy_array(graph, nodelist=range(p)))
    weights = np.exp(np.array(logs) - max(logs))
    return np.tensordot(weights / weights.sum(), np.array(claims), axes=1), len(logs)


@pytest.mark.parametrize(("seed", "spread"), [(0, 1.0), (1, 30.0), (2, 800.0)])
def test_posterior_of_four_columns_equals_the_sum_over_all_graphs(seed, spread):
    """Weights that differ by e**800 as well: all sums are of logarithms."""
    scores = spread * np.random.default_rng(seed).normal(size=(4, 16))
    for k in range(4):
        scores[k, [s for s in range(16) if s >> k & 1]] = -np.inf
    expected, count = summed(scores, 4)
    assert count == 543  # Robinson 1973
    np.testing.assert_allclose(edge_posteriors(scores), expected, atol=1e-9)


def test_posterior_by_parts_that_no_cycle_joins_equals_the_sum(random_dag):
    rng = np.random.default_rng(4)
    scores = family_scores(np.corrcoef(rng.normal(size=(5, 30))), 30.0)
    constraints = constraints_of(list("abcde"), {"a": 0, "b": 1, "d": 0, "e": 2}, None)
    forbid_families(scores, constraints)
    parts = cyclic_parts(constraints)
    assert parts == [[0, 1, 2, 3, 4]]  # c has no tier: cycles may lead through it
    ordered = constraints_of(list("abcde"), {"a": 0, "b": 1, "c": 1, "d": 0, "e": 2}, None)
    forbid_families(scores, ordered)
    assert cyclic_parts(ordered) == [[0, 3], [1, 2], [4]]
    np.testing.assert_allclose(
        edge_posteriors(scores, cyclic_parts(ordered)), edge_posteriors(scores), atol=1e-9
    )


def test_posterior_with_data_and_knowledge_equals_the_sum(random_dag):
    rng = np.random.default_rng(3)
    root = rng.normal(size=(40, 4)) @ (np.eye(4) + np.triu(rng.normal(size=(4, 4)), 1))
    scores = family_scores(np.corrcoef(root.T), 40.0)
    known = Knowledge(required=[("a", "b")], forbidden=[("c", "d")])
    forbid_families(scores, constraints_of(list("abcd"), {"a": 0, "d": 1}, known))
    expected, _ = summed(scores, 4)
    found = edge_posteriors(scores)
    np.testing.assert_allclose(found, expected, atol=1e-10)
    assert found[0, 1] == pytest.approx(1.0)
    assert found[2, 3] == found[3, 0] == 0.0


def test_graphs_of_one_equivalence_class_have_one_score():
    rng = np.random.default_rng(5)
    correlation = np.corrcoef(rng.normal(size=(50, 4)).T)
    scores = family_scores(correlation, 50.0)
    chain = scores[0, 0] + scores[1, 1] + scores[2, 2] + scores[3, 4]
    turned = scores[3, 0] + scores[2, 8] + scores[1, 4] + scores[0, 2]
    assert chain == pytest.approx(turned, rel=1e-12)
    assert scores[0, 0] + scores[1, 0] != pytest.approx(scores[0, 0] + scores[1, 1])


def test_score_of_one_column_is_that_of_a_t_law():
    """p = 1, closed form: normal with a gamma prior of shape 1 on its precision."""
    n, variance = 25.0, 1.0
    freedom, scale = 3.0, 0.5
    expected = (
        -0.5 * np.log(n + 1) - 0.5 * n * np.log(np.pi)
        + gammaln((n + freedom) / 2) - gammaln(freedom / 2)
        + 0.5 * freedom * np.log(scale) - 0.5 * (n + freedom) * np.log(scale + n * variance)
    )  # fmt: skip
    assert family_scores(np.eye(1), n)[0, 0] == pytest.approx(expected)


def test_compiled_weights_equal_plain_python():
    scores = np.random.default_rng(0).normal(size=(4, 16))
    totals = np.log(np.cumsum(np.exp(scores), axis=1))
    np.testing.assert_allclose(peel_weights(totals, 4), peel_weights.py_func(totals, 4))


def test_without_data_all_columns_are_alike():
    """Equal weights count graphs; ten columns have 4.2e18 of them (Robinson 1973)."""
    for p in (4, 10):
        scores = np.zeros((p, 1 << p))
        for k in range(p):
            scores[k, (np.arange(1 << p) >> k) & 1 == 1] = -np.inf
        found = edge_posteriors(scores)
        off = found[~np.eye(p, dtype=bool)]
        assert np.ptp(off) < 1e-7
        if p == 4:
            assert off[0] == pytest.approx(summed(scores, 4)[0][0, 1])


def test_links_of_a_clean_table_and_too_many_columns(random_dag, linear_table):
    rng = np.random.default_rng(1)
    graph = random_dag(8, 10, rng)
    found = discover_graph(linear_table(graph, 32, rng), method="exact", test="linear")
    true = {(f"c{i}", f"c{j}") for i, j in graph.edges}
    present = [edge for edge in found.edges if edge.presence == "present"]
    assert {frozenset((e.source, e.target)) for e in present} == {frozenset(e) for e in true}
    assert all(edge.posterior >= 0.9 for edge in present)
    for edge in present:
        if edge.mark_target == "arrow":
            assert (edge.source, edge.target) in true
            assert edge.direction_posterior >= 0.9
    wide = linear_table(random_dag(16, 10, rng), 8, rng)
    with pytest.raises(InputError, match="at most 15 columns; got 16"):
        discover_graph(wide, method="exact")


def test_probabilities_are_calibrated(random_dag):
    """Of links at probability q a share q is true when graph and weights come from the prior."""
    rng = np.random.default_rng(7)
    claimed, true = [], []
    constraints = constraints_of(list("abcde"), {}, None)
    for _ in range(150):
        order = rng.permutation(5)
        weights = np.zeros((5, 5))
        for place, j in enumerate(order):
            for i in order[:place]:
                if rng.random() < 0.25:
                    weights[i, j] = rng.normal(0, 0.7)
        data = rng.normal(size=(60, 5)) @ np.linalg.inv(np.eye(5) - weights)
        scores = family_scores(np.corrcoef(data.T), 60.0)
        forbid_families(scores, constraints)
        claims = edge_posteriors(scores)
        upper = np.triu_indices(5, 1)
        claimed.append((claims + claims.T)[upper])
        true.append(((weights != 0) | (weights.T != 0))[upper])
    claimed, true = np.concatenate(claimed), np.concatenate(true)
    firm = claimed >= 0.9
    assert firm.sum() > 150
    assert true[firm].mean() >= 0.9
    assert true[claimed < 0.1].mean() <= 0.25  # weights near zero cannot be seen


def test_score_data_of_half_of_the_blocks():
    grams = np.stack([np.eye(2) * 10, np.eye(2) * 30])
    data = ScoreData(np.eye(2), 40.0, grams, np.array([10.0, 30.0]), np.zeros((2, 2)))
    part = data.on_blocks(np.array([True, False]))
    assert part.n_effective == pytest.approx(10.0)
    np.testing.assert_allclose(part.correlation, np.eye(2))
