import numpy as np
import pytest

from physlearn.causal import CausalGraph, discover_graph
from physlearn.causal.graph_search.consensus import agreement, consensus
from physlearn.causal.graph_search.knowledge import constraints_of
from physlearn.causal.graph_search.marks import ARROW, CIRCLE, NONE, TAIL, Found
from physlearn.checks import InputError

FREE = constraints_of(["a", "b", "c"], {}, None)


def linked(*edges):
    ends = np.zeros((3, 3), dtype=np.int8)
    for i, j, mark_i, mark_j in edges:
        ends[i, j], ends[j, i] = mark_j, mark_i
    return Found(ends)


def test_what_all_show_stands_and_what_most_show_is_undecided():
    forward = (0, 1, CIRCLE, ARROW)
    found = {
        "pc": linked(forward, (1, 2, CIRCLE, CIRCLE)),
        "ges": linked(forward, (1, 2, CIRCLE, ARROW)),
        "boss": linked((0, 1, CIRCLE, CIRCLE), (0, 2, CIRCLE, CIRCLE)),
    }
    result = consensus(found, FREE)
    assert (result.ends[1, 0], result.ends[0, 1]) == (CIRCLE, ARROW)
    assert result.open_reasons == {(1, 2): "2 of 3 methods show it, not boss"}
    assert result.ends[1, 2] == CIRCLE  # one vote is too few for an arrow
    assert result.ends[0, 2] == NONE
    shares, directions = agreement(found)
    assert shares[0, 1] == 1.0
    assert shares[1, 2] == pytest.approx(2 / 3)
    assert directions[0, 1] == 1.0


def test_methods_that_contradict_leave_a_direction_open():
    found = {
        "pc": linked((0, 1, CIRCLE, ARROW)),
        "ges": linked((0, 1, CIRCLE, ARROW)),
        "boss": linked((0, 1, ARROW, CIRCLE)),
        "fci": linked((0, 1, ARROW, ARROW)),
    }
    assert consensus(found, FREE).ends[0, 1] == CIRCLE
    hidden = {"pc": linked((0, 1, CIRCLE, CIRCLE)), "fci": linked((0, 1, ARROW, ARROW))}
    ends = consensus(hidden, FREE).ends
    assert ends[0, 1] == ends[1, 0] == ARROW


def test_ensemble_of_a_clean_table(random_dag, linear_table):
    rng = np.random.default_rng(4)
    graph = random_dag(6, 6, rng)
    table = linear_table(graph, 32, rng)
    found = discover_graph(table, method="ensemble", test="linear", n_resamples=10, rng=0)
    true = {frozenset((f"c{i}", f"c{j}")) for i, j in graph.edges}
    present = {frozenset((e.source, e.target)) for e in found.edges if e.presence == "present"}
    assert present <= true
    assert len(present) >= 5
    assert set(found.methods) == {"pc", "fci", "ges", "boss", "exact", "lingam"}
    rows = found.agreement()
    assert rows["linked"].max() == 6
    assert {"first", "second", "forward", "backward", "pc", "exact"} <= set(rows.columns)
    assert all(e.agreement == 1.0 for e in found.edges if e.presence == "present")
    again = CausalGraph.from_json(found.to_json())
    assert again.to_json() == found.to_json()
    assert again.agreement().equals(rows)
    with pytest.raises(InputError, match="ensemble"):
        CausalGraph.from_edges([("a", "b")]).agreement()


def test_knowledge_binds_the_consensus():
    constraints = constraints_of(["a", "b", "c"], {"a": 0, "b": 1}, None)
    found = {"pc": linked((0, 1, TAIL, ARROW)), "fci": linked((0, 1, CIRCLE, ARROW))}
    ends = consensus(found, constraints).ends
    assert (ends[1, 0], ends[0, 1]) == (TAIL, ARROW)
