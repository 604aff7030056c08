import numpy as np
import pandas as pd
import pytest

from physlearn.causal import discover_graph
from physlearn.causal.graph_search.knowledge import (
    Knowledge,
    constraints_of,
    keep_strictly,
    violations,
    without_cycles,
)
from physlearn.causal.graph_search.marks import ARROW, CIRCLE, TAIL
from physlearn.causal.graph_search.methods import METHODS
from physlearn.checks import InputError
from physlearn.records import PatchTable

NAMES = ["a", "b", "c"]
NUMBER = {"tail": TAIL, "arrow": ARROW, "circle": CIRCLE}


def ends_of(graph, names):
    ends = np.zeros((len(names), len(names)), dtype=np.int8)
    for edge in graph.edges:
        i, j = names.index(edge.source), names.index(edge.target)
        ends[i, j], ends[j, i] = NUMBER[edge.mark_target], NUMBER[edge.mark_source]
    return ends


@pytest.mark.parametrize("method", [*METHODS, "ensemble"])
def test_tiers_and_knowledge_are_never_violated(random_dag, linear_table, method):
    """Tables of 64 patches: searches err, and the tiers are wrong in every second table."""
    seeds = range(4 if method in ("lingam", "ensemble") else 12)
    for seed in seeds:
        rng = np.random.default_rng(seed)
        table = linear_table(random_dag(6, 8, rng), 8, rng)
        names = list(table.columns)
        level = rng.permutation(6) // 2 if seed % 2 else np.arange(6) // 2
        tiers = dict(zip(names, map(int, level), strict=True))
        early, late = (names[int(k)] for k in np.argsort(level, kind="stable")[[1, 4]])
        known = Knowledge(required=[(early, late)], forbidden=[(names[2], names[5])])
        graph = discover_graph(
            table,
            method=method,
            tiers=tiers,
            knowledge=known,
            test="linear",
            n_resamples=2,
            rng=seed,
        )
        constraints = constraints_of(names, tiers, known)
        assert violations(ends_of(graph, names), constraints) == []
        for part in graph.methods.values():
            assert violations(ends_of(part, names), constraints) == []
        assert graph.edge_between(early, late).is_cause_claim


def test_contradictions_are_refused_in_one_sentence():
    with pytest.raises(InputError, match="requires and forbids a -> b"):
        Knowledge(required=[("a", "b")], forbidden=[("a", "b")])
    with pytest.raises(InputError, match="cycle; found a -> b -> c -> a"):
        Knowledge(required=[("a", "b"), ("b", "c"), ("c", "a")])
    with pytest.raises(InputError, match="'a' stands at both ends"):
        Knowledge(required=[("a", "a")])
    for bad in ("ab", ["ab"], [("a", "b", "c")], 3):
        with pytest.raises(InputError, match=r"knowledge\.forbidden must"):
            Knowledge(forbidden=bad)
    with pytest.raises(InputError, match=r"c -> a, but the tiers put c \(2\) after a \(0\)"):
        constraints_of(NAMES, {"a": 0, "c": 2}, Knowledge(required=[("c", "a")]))
    with pytest.raises(InputError, match="c -> a by way of others"):
        constraints_of(NAMES, {"a": 0, "c": 2}, Knowledge(required=[("c", "b"), ("b", "a")]))
    with pytest.raises(InputError, match="'z' is none of a, b, c"):
        constraints_of(NAMES, {}, Knowledge(required=[("z", "a")]))
    with pytest.raises(InputError, match="must be a Knowledge"):
        constraints_of(NAMES, {}, {"required": []})


def test_a_required_link_needs_its_columns():
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:8, :8].reshape(2, -1)
    frame = pd.DataFrame(rng.normal(size=(64, 2)), columns=["a", "b"]).assign(flat=1.0)
    table = PatchTable.from_frame(frame, np.stack([x, y], 1), 1.0)
    with pytest.raises(InputError, match="requires flat -> a, but column 'flat' is constant"):
        discover_graph(table, knowledge=Knowledge(required=[("flat", "a")]), n_resamples=0)
    with pytest.raises(InputError, match="must name columns"):
        discover_graph(table, knowledge=Knowledge(required=[("gone", "a")]), n_resamples=0)


def test_required_paths_order_columns():
    constraints = constraints_of(NAMES, {}, Knowledge(required=[("a", "b"), ("b", "c")]))
    assert constraints.never_ancestor[2, 0]
    assert constraints.usable(0, 1).tolist() == [False, False, False]
    assert constraints.usable(0, 2).tolist() == [False, True, False]


def test_marks_against_the_tiers_are_put_right():
    constraints = constraints_of(NAMES, {"a": 0, "b": 1, "c": 1}, None)
    ends = np.zeros((3, 3), dtype=np.int8)
    ends[1, 0], ends[0, 1] = ARROW, TAIL  # b -> a
    assert violations(ends, constraints)
    plain, _ = keep_strictly(ends, constraints, hidden_causes=False)
    assert (plain[0, 1], plain[1, 0]) == (ARROW, TAIL)
    hidden, _ = keep_strictly(ends, constraints, hidden_causes=True)
    assert hidden[0, 1] == ARROW
    assert hidden[1, 0] == ARROW  # a later cause, seen by the search, and the tiers: both at once
    assert violations(hidden, constraints) == []


def test_cycles_are_opened_where_nothing_is_known():
    constraints = constraints_of(NAMES, {"a": 0, "b": 1}, None)
    ends = np.zeros((3, 3), dtype=np.int8)
    for i, j in ((0, 1), (1, 2), (2, 0)):
        ends[i, j], ends[j, i] = ARROW, TAIL
    opened, links = without_cycles(ends, constraints, hidden_causes=False)
    assert sorted(links) == [(0, 2), (1, 2)]
    assert (opened[0, 1], opened[1, 0]) == (ARROW, TAIL)
    assert opened[1, 2] == opened[2, 1] == CIRCLE


def test_a_cycle_of_causes_is_a_violation():
    ends = np.zeros((3, 3), dtype=np.int8)
    for i, j in ((0, 1), (1, 2), (2, 0)):
        ends[i, j], ends[j, i] = ARROW, TAIL
    (said,) = violations(ends, constraints_of(NAMES, {}, None))
    assert said in {
        f"{' -> '.join(path)} is a cycle of causes" for path in ("abca", "bcab", "cabc")
    }


@pytest.mark.parametrize("method", ["pc", "ges"])
def test_a_cycle_that_only_knowledge_closes_is_opened(method):
    """One hidden cause of all three, and what is known forbids a link of each pair one way."""
    rng = np.random.default_rng(0)
    hidden = rng.standard_normal(256)
    frame = pd.DataFrame({name: hidden + 0.7 * rng.standard_normal(256) for name in NAMES})
    row, column = np.mgrid[:16, :16].reshape(2, -1)
    table = PatchTable.from_frame(frame, np.stack([column, row], 1), 1.0, unit="nm")
    known = Knowledge(forbidden=[("b", "a"), ("c", "b"), ("a", "c")])
    graph = discover_graph(
        table, method=method, knowledge=known, test="linear", n_resamples=0, rng=0
    )
    assert len(graph.edges) == 3
    assert all((e.mark_source, e.mark_target) == ("arrow", "arrow") for e in graph.edges)
    assert not any(edge.is_cause_claim for edge in graph.edges)
    assert any("would close a cycle of causes" in note for note in graph.warnings)
