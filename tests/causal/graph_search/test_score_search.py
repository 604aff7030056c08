from itertools import combinations

import networkx as nx
import numpy as np
import pytest
from causallearn.search.ScoreBased.GES import ges

from physlearn.causal import discover_graph
from physlearn.causal.columns import prepare_columns
from physlearn.causal.graph_search.covariance import (
    ScoreData,
    noise_free_correlation,
    score_data,
)
from physlearn.causal.graph_search.knowledge import Knowledge, constraints_of
from physlearn.causal.graph_search.marks import ARROW, CIRCLE, TAIL
from physlearn.causal.graph_search.score_search import search_boss, search_ges
from physlearn.records import PatchTable


def population(graph, rng):
    """Return the exact correlation of a linear model: what endless data would show."""
    p = len(graph)
    weights = np.zeros((p, p))
    for i, j in graph.edges:
        weights[i, j] = rng.choice([-1, 1]) * rng.uniform(0.4, 0.8)
    root = np.linalg.inv(np.eye(p) - weights)
    covariance = root.T @ root
    size = np.sqrt(np.diag(covariance))
    return covariance / np.outer(size, size)


def data_of(graph, rng, n=20000.0):
    return ScoreData(population(graph, rng), n, np.zeros((1, 1, 1)), np.ones(1), np.zeros((1, 1)))


@pytest.mark.parametrize("seed", range(6))
def test_exact_moments_give_boss_the_equivalence_class(random_dag, seed):
    rng = np.random.default_rng(seed)
    graph = random_dag(7, 8, rng)
    constraints = constraints_of([f"c{k}" for k in range(7)], {}, None)
    found = search_boss(data_of(graph, rng), constraints, rng)
    for i, j in combinations(range(7), 2):
        assert (found.ends[i, j] != 0) == graph.has_edge(i, j)
    for x, z in zip(*np.nonzero(found.ends == ARROW), strict=True):
        assert graph.has_edge(int(x), int(z))
    for z in graph:
        for a, b in combinations(sorted(graph.predecessors(z)), 2):
            if not graph.has_edge(a, b):
                assert found.ends[a, z] == found.ends[b, z] == ARROW


@pytest.mark.parametrize("seed", range(4))
def test_ges_is_that_of_causal_learn(random_dag, seed):
    rng = np.random.default_rng(seed)
    data = data_of(random_dag(7, 8, rng), rng, n=400.0)
    ours = search_ges(data, constraints_of([f"c{k}" for k in range(7)], {}, None)).ends
    theirs = np.asarray(ges(cov=data.correlation, n=400)["G"].graph)
    np.testing.assert_array_equal(ours != 0, theirs != 0)
    np.testing.assert_array_equal(ours == ARROW, (theirs.T == 1) & (theirs == -1))


def test_boss_obeys_tiers_in_the_search_itself():
    """c causes both others but is said to come last: they must then be linked directly."""
    graph = nx.DiGraph()
    graph.add_nodes_from(range(3))
    graph.add_edges_from([(2, 0), (2, 1)])
    rng = np.random.default_rng(0)
    constraints = constraints_of(["a", "b", "c"], {"a": 0, "b": 0, "c": 1}, None)
    found = search_boss(data_of(graph, rng), constraints, rng)
    assert found.ends[0, 1] != 0
    assert found.ends[0, 2] == found.ends[1, 2] == ARROW
    known = Knowledge(required=[("a", "c")], forbidden=[("b", "c"), ("c", "b")])
    found = search_boss(data_of(graph, rng), constraints_of(["a", "b", "c"], {}, known), rng)
    assert (found.ends[2, 0], found.ends[0, 2]) == (TAIL, ARROW)
    assert found.ends[1, 2] == 0


def test_a_link_without_direction_is_open_at_both_ends():
    graph = nx.DiGraph([(0, 1)])
    rng = np.random.default_rng(0)
    ends = search_ges(data_of(graph, rng), constraints_of(["a", "b"], {}, None)).ends
    assert ends[0, 1] == ends[1, 0] == CIRCLE


def test_correlated_neighbours_count_once(planted):
    rough = score_data(prepare_columns(planted(32, 0, 0).table))
    smooth = score_data(prepare_columns(planted(32, 2, 0).table))
    assert rough.n_effective > 0.8 * 1024
    assert smooth.n_effective < 0.3 * 1024


def test_noise_is_taken_out_of_the_correlation():
    noise = np.diag([0.5, 0.0])
    found = noise_free_correlation(np.array([[1.0, 0.5], [0.5, 1.0]]), noise)
    assert found[0, 1] == pytest.approx(0.5 / np.sqrt(0.5))
    too_much = noise_free_correlation(np.array([[1.0, 0.9], [0.9, 1.0]]), np.diag([0.4, 0.4]))
    assert np.linalg.eigvalsh(too_much)[0] > 0
    np.testing.assert_allclose(np.diag(too_much), 1.0)


@pytest.mark.parametrize("method", ["ges", "boss"])
def test_marks_do_not_depend_on_the_order_of_the_columns(linear_table, random_dag, method):
    rng = np.random.default_rng(2)
    table = linear_table(random_dag(7, 10, rng), 14, rng)
    found = []
    for order in (list(table.columns), list(table.columns)[::-1]):
        turned = PatchTable.from_frame(
            table.frame[order], table.centers, 1.0, unit="nm",
            measurement_covariance=np.zeros((1, 7, 7)),
        )  # fmt: skip
        graph = discover_graph(turned, method=method, test="linear", n_resamples=0, rng=0)
        found.append({(n, e.source, e.target): m for e in graph.edges for n, m in
                      ((e.source, e.mark_source), (e.target, e.mark_target))})  # fmt: skip
    one, two = ({(n, frozenset((i, j))): m for (n, i, j), m in each.items()} for each in found)
    assert one == two
