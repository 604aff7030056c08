import pickle
from concurrent.futures import Executor, Future
from dataclasses import asdict

import numpy as np
import pytest

from physlearn.causal import discover_graph
from physlearn.causal.columns import prepare_columns
from physlearn.causal.graph_search.edge_frequency import (
    EdgeFrequency,
    edge_frequency,
    false_edge_bound,
    no_frequency,
    open_unsteady,
)
from physlearn.causal.graph_search.knowledge import constraints_of
from physlearn.causal.graph_search.marks import ARROW, CIRCLE, TAIL
from physlearn.causal.spatial_test import SpatialIndependenceTest
from physlearn.checks import InputError


def test_halves_are_complementary():
    seen = []

    def search(chosen, seed):
        seen.append(chosen)
        ends = np.zeros((2, 2), dtype=np.int8)
        if chosen[0]:
            ends[0, 1], ends[1, 0] = ARROW, TAIL
        return ends

    found = edge_frequency(search, 9, 2, 8, np.random.default_rng(0))
    for first, second in zip(seen[::2], seen[1::2], strict=True):
        np.testing.assert_array_equal(first, ~second)
    assert not np.array_equal(seen[0], seen[2])
    assert found.adjacency[0, 1] == found.adjacency[1, 0] == 0.5
    assert found.heads[0, 1] == found.arrowheads[0, 1] == 1.0
    assert found.heads[1, 0] == 0.0
    assert found.n_links == 0.5


def test_parts_of_the_table_hold_its_blocks(planted):
    """The moments of complementary halves, weighted by their patches, are those of the table."""
    test = SpatialIndependenceTest(prepare_columns(planted(24, 1, 0).table))
    chosen = np.arange(test.n_blocks) % 2 == 0
    one, two = test.on_blocks(chosen), test.on_blocks(~chosen)
    values = test.columns.values
    whole = one.share * one.gram + two.share * two.gram
    np.testing.assert_allclose(whole, values.T @ values / len(values), atol=1e-12)


def test_false_links_above_the_threshold_stay_below_the_bound():
    """Links of noise: 45 pairs, each seen in a half-sample with probability .1, independently."""
    rng = np.random.default_rng(0)
    counts, bounds = [], []
    for _ in range(40):

        def search(chosen, seed):
            upper = np.triu(rng.random((10, 10)) < 0.1, 1)
            return np.where(upper | upper.T, CIRCLE, 0).astype(np.int8)

        found = edge_frequency(search, 16, 10, 20, rng)
        counts.append(np.triu(found.adjacency >= 0.6, 1).sum())
        bounds.append(false_edge_bound(found, 0.6))
    assert np.mean(counts) <= np.mean(bounds)
    assert (
        false_edge_bound(found, 0.95) < false_edge_bound(found, 0.7) < false_edge_bound(found, 0.6)
    )


def test_arrowheads_seldom_seen_are_opened_unless_known():
    ends = np.zeros((3, 3), dtype=np.int8)
    for i, j in ((0, 1), (0, 2), (1, 2)):
        ends[i, j], ends[j, i] = ARROW, TAIL
    share = np.full((3, 3), 0.4)
    share[1, 2] = 0.9
    constraints = constraints_of(["a", "b", "c"], {"a": 0, "b": 1}, None)
    frequency = EdgeFrequency(np.ones((3, 3)), share, share, 3.0, 10)
    opened, count = open_unsteady(ends, frequency, constraints)
    assert count == 1
    assert (opened[0, 1], opened[1, 0]) == (ARROW, TAIL)
    assert opened[0, 2] == opened[2, 0] == CIRCLE
    assert opened[1, 2] == ARROW
    # a link that no half-sample shows is NaN here, and no steadier; without half-samples all stays
    share[1, 2] = np.nan
    assert open_unsteady(ends, EdgeFrequency(share, share, share, 3.0, 10), constraints)[1] == 2
    assert open_unsteady(ends, no_frequency(3), constraints)[1] == 0


def test_stability_is_said_and_bad_thresholds_are_refused(planted):
    table = planted(24, 0, 0).table
    graph = discover_graph(table, test="linear", n_resamples=20, stability=0.9, rng=0)
    (said,) = [note for note in graph.warnings if note.startswith("stability selection")]
    assert "at least 90%" in said
    for edge in graph.edges:
        assert (edge.presence == "present") <= (edge.frequency >= 0.9)
    for bad in (0.5, 1.1, -1):
        with pytest.raises(InputError, match="stability"):
            discover_graph(table, stability=bad)
    for few in (0, 1):
        with pytest.raises(InputError, match=f"n_resamples={few}"):
            discover_graph(table, stability=0.9, n_resamples=few)
    with pytest.raises(InputError, match="n_resamples must be a whole number"):
        discover_graph(table, n_resamples=2.5)
    with pytest.raises(InputError, match="alpha must lie"):
        discover_graph(table, alpha="a")


class Elsewhere(Executor):
    """Does a task at once, with copies of all that goes in and out, as another process would."""

    def submit(self, fn, /, *args, **kwargs):
        fn, args, kwargs = pickle.loads(pickle.dumps((fn, args, kwargs)))  # noqa: S301 -- our own
        future = Future()
        future.set_result(fn(*args, **kwargs))
        return future


@pytest.mark.parametrize("method", ["pc", "fci", "ges", "boss", "exact"])
def test_the_graph_does_not_depend_on_who_searches_the_half_samples(planted, method):
    table = planted(16, 1, 0).table
    alone = discover_graph(table, method=method, n_resamples=6, rng=3)
    said = [str(asdict(edge)) for edge in alone.edges]
    for executor in ("threads:2", Elsewhere()):
        apart = discover_graph(table, method=method, n_resamples=6, executor=executor, rng=3)
        # as texts: what a method does not tell is NaN, which equals nothing
        assert [str(asdict(edge)) for edge in apart.edges] == said
    assert any(0 < edge.frequency <= 1 for edge in alone.edges)
