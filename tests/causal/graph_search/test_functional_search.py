import networkx as nx
import numpy as np

from physlearn.causal import discover_graph
from physlearn.causal.graph_search.functional_search import filtered_columns
from physlearn.causal.spatial_layout import SpatialLayout


def directions(linear_table, shape, seeds):
    right = wrong = 0
    for seed in seeds:
        graph = nx.DiGraph([(0, 1), (1, 2), (0, 3)])
        table = linear_table(graph, 36, np.random.default_rng(seed), shape=shape)
        found = discover_graph(table, method="lingam", tiers=dict.fromkeys(table.columns, 0),
                               test="linear", n_resamples=0, rng=seed)  # fmt: skip
        for edge in found.edges:
            if edge.mark_target == "arrow" and edge.mark_source != "arrow":
                i, j = (int(name[1:]) for name in (edge.source, edge.target))
                right += graph.has_edge(i, j)
                wrong += graph.has_edge(j, i)
    return right, wrong


def test_skewed_columns_give_directions_that_tests_cannot(linear_table):
    """A chain has no common effect: only the shape of the distributions directs it."""
    right, wrong = directions(linear_table, lambda rng, n: rng.exponential(size=n) - 1, range(2))
    assert right >= 5  # of 6
    assert wrong == 0


def test_gaussian_columns_stay_open(linear_table):
    right, wrong = directions(linear_table, None, range(2))
    assert right + wrong <= 1


def test_one_filter_keeps_linear_laws_and_takes_neighbours_out(fields):
    rng = np.random.default_rng(0)
    a, noise = fields(32, 2, 2, rng)
    values = np.stack([a, 2.0 * a + 0.1 * noise], axis=1)
    y, x = np.mgrid[:32, :32].reshape(2, -1).astype(float)
    filtered = filtered_columns(values / values.std(axis=0), SpatialLayout(np.stack([x, y], 1)))
    assert np.corrcoef(filtered.T)[0, 1] > 0.99
    image = filtered[:, 0].reshape(32, 32)
    before = a.reshape(32, 32)

    def beside(field):
        return np.corrcoef(field[:, 1:].ravel(), field[:, :-1].ravel())[0, 1]

    assert abs(beside(image)) < 0.5 * abs(beside(before))
